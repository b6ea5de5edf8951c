//! A WebSocket of any bytes: the same parts however they are cut while nothing is lost, the same answer twice with a loss,
//! memory bounded.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use flate2::{Compress, Compression, FlushCompress};
use reassembly::{Event, Flags, Limits, Part, PartKind};

use crate::sensor::Connection;

/// What one side says before the other does.
#[derive(Debug, Arbitrary)]
pub enum Said {
    /// A frame that may be sound, with its payload as it is.
    Frame {
        first: u8,
        masked: bool,
        key: [u8; 4],
        payload: Vec<u8>,
    },
    /// A compressed message of much in little, and what may break it.
    Packed {
        size: u8,
        times: u8,
        behind: Vec<u8>,
    },
    Bytes(Vec<u8>),
}

/// Compressed messages (RFC 7692 section 7.2.1) of one byte, of two, of four and so on.
static PACKED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let packed = |bits: usize| {
        let mut out = Vec::with_capacity(2000);
        Compress::new(Compression::best(), false)
            .compress_vec(&vec![b'z'; 1 << bits], &mut out, FlushCompress::Sync)
            .unwrap();
        out.truncate(out.len() - 4);
        out
    };
    (0..18).map(packed).collect()
});

/// A frame of the server with this first byte.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first, 126];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend(payload);
    out
}

#[derive(Debug, Arbitrary)]
pub struct Turn {
    server: bool,
    lost: u8,
    said: Said,
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    extensions: u8,
    cuts: Vec<u8>,
    turns: Vec<Turn>,
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Packed { size, times, behind } => {
                let packed = &PACKED[usize::from(*size) % PACKED.len()];
                let behind = &behind[..behind.len().min(4096)];
                let message = unmasked(0xc2, &[packed, behind].concat());
                message.repeat(usize::from(*times % 16) + 1)
            }
            Self::Frame {
                first,
                masked,
                key,
                payload,
            } => {
                let mut out = vec![*first];
                let bit = if *masked { 0x80 } else { 0 };
                match payload.len() {
                    len @ 0..=125 => out.push(bit | len as u8),
                    len => {
                        out.push(bit | 126);
                        out.extend((len as u16).to_be_bytes());
                    }
                }
                if *masked {
                    out.extend(key);
                }
                out.extend(payload);
                out
            }
        }
    }
}

/// What must not depend on the cuts.
type Seen = (bool, u64, PartKind, u64, u64, bool, Flags, Vec<u8>);

fn run(input: &Input, cut: bool, lossy: bool) -> Vec<Seen> {
    let limits = Limits {
        body_capture: 2000,
        held_per_flow: 4000,
        decoded: 100_000,
        ..Limits::default()
    };
    let mut flow = Connection::new(limits.clone(), 80, false);
    flow.sensor.inflaters = 4;
    let mut seen: Vec<Seen> = Vec::new();
    let mut keep = |event: &Event| {
        let Event::Part(of) = event else { return };
        let Part {
            direction,
            number,
            kind,
            bytes,
            content_bytes,
            complete,
            flags,
            body,
            ..
        } = of.part.clone();
        assert!(body.len() <= limits.body_capture, "more kept than allowed");
        assert!(
            content_bytes <= bytes.max(limits.decoded + (16 << 10)),
            "more unpacked than allowed"
        );
        assert!(body.len() as u64 <= content_bytes.max(bytes));
        seen.push((
            direction == reassembly::Direction::ToServer,
            number,
            kind,
            bytes,
            content_bytes,
            complete,
            flags,
            body,
        ));
    };
    flow.send(
        0,
        b"GET /w HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        &mut keep,
    );
    let extensions = [
        "",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
        "Sec-WebSocket-Extensions: other\r\n",
    ][usize::from(input.extensions % 4)];
    let head = format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n{extensions}\r\n");
    flow.send(1, head.as_bytes(), &mut keep);
    for turn in &input.turns {
        let side = usize::from(turn.server);
        let bytes = turn.said.bytes();
        let bytes = &bytes[..bytes.len().min(60_000)];
        if lossy && turn.lost > 200 {
            let lost = usize::from(turn.lost - 200).min(bytes.len());
            flow.lose(side, lost);
            flow.send(side, &bytes[lost..], &mut keep);
        } else {
            let cuts: &[u8] = if cut { &input.cuts } else { &[] };
            flow.send_cut(side, bytes, cuts, &mut keep);
        }
        // Two windows, two messages, two searches.
        let (weight, most) = (
            flow.sensor.reassembler.weight(),
            4 * limits.body_capture + 2 * (64 << 10) + (64 << 10),
        );
        assert!(weight < most, "{weight} bytes held");
    }
    flow.close(&mut keep);
    let parts = flow.sensor.reassembler.counters().parts;
    assert_eq!(seen.len() as u64, parts, "every part counted is given out");
    // What the two sides say at once has no order.
    seen.sort_by_key(|part| (part.0, part.1));
    seen
}

/// The target.
pub fn check(input: &Input) {
    let whole = run(input, false, false);
    assert_eq!(whole, run(input, false, false), "one capture gave two answers");
    assert_eq!(whole, run(input, true, false), "the answer depends on the cuts");
    assert_eq!(
        run(input, false, true),
        run(input, false, true),
        "one capture gave two answers"
    );
}
