//! gRPC-Web (`PROTOCOL-WEB.md` of gRPC): messages as gRPC has them, with the trailers in a frame of their own at the end, and
//! a text form that is base64 of that.

use crate::exchange::{FieldSpan, Head};

/// Bytes kept of the trailers of gRPC-Web.
const MAX_TRAILERS: usize = 8 << 10;

/// Text decoded in one go.
pub(super) const PIECE: usize = 1024;

/// base64 (RFC 4648 section 4); what was padded may be followed by more, as each piece is encoded by itself.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    bits: u32,
    digits: u8,
    padding: u8,
}

impl Base64 {
    /// Takes one character; gives the bytes that are whole with it, or none when it may not come here.
    pub(super) fn step(&mut self, byte: u8) -> Option<([u8; 3], usize)> {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if self.digits >= 2 => {
                self.padding += 1;
                0
            }
            _ => return None,
        };
        if byte != b'=' && self.padding > 0 {
            return None;
        }
        self.bits = self.bits << 6 | u32::from(digit);
        self.digits += 1;
        if self.digits < 4 {
            return Some(([0; 3], 0));
        }
        let [_, bytes @ ..] = self.bits.to_be_bytes();
        let len = 3 - usize::from(self.padding);
        *self = Self::default();
        Some((bytes, len))
    }
}

/// The frame of trailers, as far as it was read.
#[derive(Default)]
pub(super) struct Trailers {
    lines: Vec<u8>,
}

impl Trailers {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = MAX_TRAILERS.saturating_sub(self.lines.len());
        self.lines.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Bytes of memory it takes beside itself.
    pub(super) fn weight(&self) -> usize {
        self.lines.capacity()
    }

    /// The fields: lines as HTTP/1 has them, names in lower case. `whole` tells that the frame was read to its end.
    pub(super) fn into_head(self, whole: bool) -> Head {
        let lines = self.lines;
        let mut head = Head::default();
        // Of lines cut off at the limit the last one is not known.
        let end = if whole && lines.len() < MAX_TRAILERS {
            lines.len()
        } else {
            memchr::memrchr(b'\n', &lines).unwrap_or(0)
        };
        for line in lines[..end].split(|b| *b == b'\n') {
            let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|l| l.split_once(':')) else {
                continue;
            };
            let mut put = |text: &str| {
                let from = head.text.len() as u32;
                head.text.push_str(text);
                (from, head.text.len() as u32)
            };
            let (name, value) = (put(name.trim()), put(value.trim()));
            head.fields.push(FieldSpan { name, value });
        }
        head
    }
}
