//! A WebSocket of any bytes: the same parts however they are cut while nothing is lost, the same answer twice with a loss,
//! memory bounded.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use reassembly::{Event, Flags, Limits, LinkType, Packet, Part, PartKind, Reassembler, Timestamp};

/// What one side says before the other does.
#[derive(Debug, Arbitrary)]
enum Said {
    /// A frame that may be sound, with its payload as it is.
    Frame { first: u8, masked: bool, key: [u8; 4], payload: Vec<u8> },
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Turn {
    server: bool,
    lost: u8,
    said: Said,
}

#[derive(Debug, Arbitrary)]
struct Input {
    extensions: u8,
    cuts: Vec<u8>,
    turns: Vec<Turn>,
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Frame { first, masked, key, payload } => {
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

const ISN: [u32; 2] = [100, u32::MAX - 50];

struct Flow {
    reassembler: Reassembler,
    limits: Limits,
    sent: [u32; 2],
    now: u64,
    events: Vec<Event>,
}

impl Flow {
    fn push(&mut self, side: usize, flags: u8, seq: u32, payload: &[u8]) {
        let other = 1 - side;
        let ack = if flags & 0x10 == 0 { 0 } else { ISN[other].wrapping_add(1 + self.sent[other]) };
        let ports = [40_000_u16, 80];
        let mut data = vec![0x45, 0];
        data.extend((40 + payload.len() as u16).to_be_bytes());
        data.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, side as u8, 10, 0, 0, other as u8]);
        data.extend(ports[side].to_be_bytes());
        data.extend(ports[other].to_be_bytes());
        data.extend(seq.to_be_bytes());
        data.extend(ack.to_be_bytes());
        data.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
        data.extend(payload);
        self.now += 1000;
        self.reassembler.push(&Packet {
            ts: Timestamp(self.now),
            link: LinkType::RAW,
            data: &data,
            wire_len: data.len() as u32,
            frame: 0,
        });
        // Two windows, two messages, two searches.
        let most = 4 * self.limits.body_capture + 2 * (64 << 10) + (64 << 10);
        assert!(self.reassembler.weight() < most, "{} bytes held", self.reassembler.weight());
        self.events.extend(std::iter::from_fn(|| self.reassembler.poll()));
    }

    fn send(&mut self, side: usize, bytes: &[u8]) {
        for part in bytes.chunks(60_000) {
            let seq = ISN[side].wrapping_add(1 + self.sent[side]);
            self.push(side, 0x18, seq, part);
            self.sent[side] += part.len() as u32;
        }
    }
}

/// What must not depend on the cuts.
type Seen = (bool, u64, PartKind, u64, u64, bool, Flags, Vec<u8>);

fn run(input: &Input, cut: bool, lossy: bool) -> Vec<Seen> {
    let limits = Limits { body_capture: 2000, held_per_flow: 4000, decoded: 100_000, ..Limits::default() };
    let reassembler = Reassembler::new(limits.clone());
    let mut flow = Flow { reassembler, limits, sent: [0; 2], now: 1_000_000_000, events: Vec::new() };
    flow.push(0, 0x02, ISN[0], b"");
    flow.push(1, 0x12, ISN[1], b"");
    flow.send(0, b"GET /w HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    let extensions = [
        "",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
        "Sec-WebSocket-Extensions: other\r\n",
    ][usize::from(input.extensions % 4)];
    flow.send(1, format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n{extensions}\r\n").as_bytes());
    for turn in &input.turns {
        let side = usize::from(turn.server);
        let bytes = turn.said.bytes();
        let bytes = &bytes[..bytes.len().min(60_000)];
        if lossy && turn.lost > 200 {
            let lost = usize::from(turn.lost - 200).min(bytes.len());
            flow.sent[side] += lost as u32;
            flow.send(side, &bytes[lost..]);
            continue;
        }
        let mut rest = bytes;
        let mut cuts = input.cuts.iter().cycle();
        while !rest.is_empty() {
            let len = match cuts.next() {
                Some(len) if cut => usize::from(*len).clamp(1, rest.len()),
                _ => rest.len(),
            };
            let (part, tail) = rest.split_at(len);
            flow.send(side, part);
            rest = tail;
        }
    }
    for side in [0, 1] {
        let seq = ISN[side].wrapping_add(1 + flow.sent[side]);
        flow.push(side, 0x11, seq, b"");
    }
    flow.reassembler.finish();
    flow.events.extend(std::iter::from_fn(|| flow.reassembler.poll()));
    let parts = flow.reassembler.counters().parts;
    let mut seen: Vec<Seen> = Vec::new();
    for event in flow.events {
        let Event::Part(of) = event else { continue };
        let Part { direction, number, kind, bytes, content_bytes, complete, flags, body, .. } = of.part;
        assert!(body.len() <= flow.limits.body_capture, "more kept than allowed");
        assert!(content_bytes <= bytes.max(flow.limits.decoded + (16 << 10)), "more unpacked than allowed");
        assert!(body.len() as u64 <= content_bytes.max(bytes));
        seen.push((direction == reassembly::Direction::ToServer, number, kind, bytes, content_bytes, complete, flags, body));
    }
    assert_eq!(seen.len() as u64, parts, "every part counted is given out");
    // What the two sides say at once has no order.
    seen.sort_by_key(|part| (part.0, part.1));
    seen
}

fuzz_target!(|input: Input| {
    assert_eq!(run(&input, false, false), run(&input, true, false), "the answer depends on the cuts");
    assert_eq!(run(&input, false, true), run(&input, false, true), "one capture gave two answers");
});
