//! Bytes that floods and ordinary flows are made of: requests of HTTP/2, hellos of TLS, frames of WebSockets, random numbers.

use testdata::http2::{PREFACE, SETTINGS, field, frame};

/// Random numbers, the same every time.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(super) fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// What a client of HTTP/2 sends first (RFC 9113 section 3.4), with settings of none.
pub(super) fn preface() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()
}

/// The fields of a request, none of them in a table.
pub(super) fn request_fields(target: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "h2.example"),
        (":path", target),
    ];
    fields
        .iter()
        .flat_map(|(n, v)| field(0, n.as_bytes(), v.as_bytes()))
        .collect()
}

/// A record of TLS with the beginning of a hello of this length, of which `sent` bytes come.
pub(super) fn hello(length: usize, sent: usize) -> Vec<u8> {
    let mut out = vec![0x16, 3, 1];
    out.extend_from_slice(&((length + 4) as u16).to_be_bytes());
    out.push(1);
    out.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[3, 3]);
    out.resize(out.len() + 32, 7);
    out.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0]);
    // One extension, of padding (RFC 7685).
    let rest = length - 2 - 32 - 7 - 2;
    out.extend_from_slice(&(rest as u16).to_be_bytes());
    out.extend_from_slice(&[0, 21]);
    out.extend_from_slice(&((rest - 4) as u16).to_be_bytes());
    out.resize(sent.min(9 + length), 0);
    out
}

/// A frame of WebSocket as a client sends it (RFC 6455 section 5.2), with a mask of zeros.
pub(super) fn ws_frame(first: u8, declared: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match declared {
        0..126 => out.push(0x80 | declared as u8),
        126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(declared as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&declared.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

/// zstd (RFC 8878) of `blocks` times 128 KiB of one byte, each in four bytes, with a window of 8 MiB.
pub(super) fn zstd_zeros(blocks: usize) -> Vec<u8> {
    // No content size, no checksum; a window of 2^23.
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (23 - 10) << 3];
    for block in 1..=blocks {
        let header = u32::from(block == blocks) | 1 << 1 | (128 << 10) << 3;
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.push(b'0');
    }
    out
}

/// The beginning of a brotli stream (RFC 7932 sections 9.1 and 9.2) with a window of so many bits, 18 to 24, and one byte
/// of it.
pub(super) fn brotli_window(bits: u32) -> Vec<u8> {
    // The window, not the last block, four nibbles of length, no padding.
    let header: u32 = (bits - 17) << 1 | 1 | 0xffff << 7;
    let mut out = (header | 1 << 23).to_le_bytes()[..3].to_vec();
    out.push(b'x');
    out
}
