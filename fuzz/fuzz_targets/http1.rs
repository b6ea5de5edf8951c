//! Any bytes in both directions of one flow, in order: the same exchanges however they are cut.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use reassembly::{Ambiguities, Event, Flags, Limits, LinkType, Packet, Reassembler, Timestamp};

/// What one side says before the other does, and how long the segments are.
#[derive(Debug, Arbitrary)]
struct Turn {
    bytes: Vec<u8>,
    cuts: Vec<u8>,
}

const ISN: [u32; 2] = [100, u32::MAX - 50];

struct Flow {
    reassembler: Reassembler,
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
        self.events.extend(std::iter::from_fn(|| self.reassembler.poll()));
    }
}

/// What must not depend on the cuts.
type Seen = (u32, Option<(String, String, u64, u64, bool, Vec<u8>)>, Option<(u16, u16, u64, u64, bool, Vec<u8>)>, Flags, Ambiguities);

fn run(turns: &[Turn], cut: bool) -> Vec<Seen> {
    let limits = Limits { head: 4000, ..Limits::default() };
    let mut flow = Flow { reassembler: Reassembler::new(limits), sent: [0; 2], now: 1_000_000_000, events: Vec::new() };
    flow.push(0, 0x02, ISN[0], b"");
    flow.push(1, 0x12, ISN[1], b"");
    for (number, turn) in turns.iter().enumerate() {
        let side = number % 2;
        let mut rest = &turn.bytes[..];
        let mut cuts = turn.cuts.iter().cycle();
        while !rest.is_empty() {
            let len = match cuts.next() {
                Some(len) if cut => usize::from(*len).clamp(1, rest.len()),
                _ => rest.len().min(60_000),
            };
            let (part, tail) = rest.split_at(len);
            let seq = ISN[side].wrapping_add(1 + flow.sent[side]);
            flow.push(side, 0x10, seq, part);
            flow.sent[side] += part.len() as u32;
            rest = tail;
        }
    }
    for side in [0, 1] {
        let seq = ISN[side].wrapping_add(1 + flow.sent[side]);
        flow.push(side, 0x11, seq, b"");
    }
    flow.reassembler.finish();
    flow.events.extend(std::iter::from_fn(|| flow.reassembler.poll()));
    let mut seen: Vec<Seen> = Vec::new();
    for event in flow.events {
        let Event::Exchange(e) = event else { continue };
        let request = e.request.map(|r| {
            let (method, target) = (r.method().to_owned(), r.target().to_owned());
            let m = r.message;
            (method, target, m.body_bytes, m.content_bytes, m.complete, m.body)
        });
        let response = e.response.map(|r| {
            let m = r.message;
            (r.status, r.interim, m.body_bytes, m.content_bytes, m.complete, m.body)
        });
        seen.push((e.index, request, response, e.flags, e.ambiguities));
    }
    seen
}

fuzz_target!(|turns: Vec<Turn>| {
    assert_eq!(run(&turns, false), run(&turns, true), "the answer depends on the cuts");
});
