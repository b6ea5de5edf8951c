//! Any frames in both directions of one flow of HTTP/2, in order: the same exchanges however they are cut, within
//! memory. Of a frame, type, flags, stream and payload are given and the length is right, or a little wrong.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use reassembly::{Ambiguities, Event, Flags, Limits, LinkType, Packet, Reassembler, Timestamp};

#[derive(Debug, Arbitrary)]
struct Frame {
    from_server: bool,
    kind: u8,
    flags: u8,
    stream: u8,
    /// Added to the true length, rarely.
    wrong: Option<u8>,
    payload: Vec<u8>,
    cuts: Vec<u8>,
    /// Bytes of it that are never seen.
    lost: Option<u8>,
}

#[derive(Debug, Arbitrary)]
struct Input {
    midstream: bool,
    frames: Vec<Frame>,
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
        assert!(self.reassembler.weight() < 4 << 20);
        self.events.extend(std::iter::from_fn(|| self.reassembler.poll()));
    }

    fn send(&mut self, side: usize, bytes: &[u8]) {
        let seq = ISN[side].wrapping_add(1 + self.sent[side]);
        self.push(side, 0x18, seq, bytes);
        self.sent[side] += bytes.len() as u32;
    }
}

type Seen = (
    u32,
    Option<(String, String, String, u64, bool)>,
    Option<(u16, u16, u64, bool)>,
    Flags,
    Ambiguities,
);

fn run(input: &Input, cut: bool) -> Vec<Seen> {
    let limits = Limits { head: 4000, streams: 8, ..Limits::default() };
    let mut flow = Flow { reassembler: Reassembler::new(limits), sent: [0; 2], now: 1_000_000_000, events: Vec::new() };
    if !input.midstream {
        flow.push(0, 0x02, ISN[0], b"");
        flow.push(1, 0x12, ISN[1], b"");
        flow.send(0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    }
    for frame in &input.frames {
        let side = usize::from(frame.from_server);
        let payload = &frame.payload[..frame.payload.len().min(4000)];
        let len = payload.len() as u32 + u32::from(frame.wrong.unwrap_or(0));
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([frame.kind % 12, frame.flags]);
        bytes.extend(u32::from(frame.stream).to_be_bytes());
        bytes.extend(payload);
        if let Some(lost) = frame.lost {
            // What is lost is lost however the rest is cut.
            let (first, rest) = bytes.split_at(usize::from(lost).min(bytes.len()));
            flow.sent[side] += first.len() as u32;
            bytes = rest.to_vec();
        }
        let mut rest = &bytes[..];
        let mut cuts = frame.cuts.iter().cycle();
        while !rest.is_empty() {
            let most = if cut { usize::from(*cuts.next().unwrap_or(&255)) + 1 } else { 60_000 };
            let (now, later) = rest.split_at(most.min(rest.len()));
            flow.send(side, now);
            rest = later;
        }
    }
    flow.reassembler.finish();
    flow.events.extend(std::iter::from_fn(|| flow.reassembler.poll()));
    assert_eq!(flow.reassembler.open_flows(), 0);
    flow.events
        .iter()
        .filter_map(|event| match event {
            Event::Exchange(e) => Some((
                e.index,
                e.request.as_ref().map(|r| {
                    let m = &r.message;
                    (r.method().to_owned(), r.target().to_owned(), r.host.clone(), m.body_bytes, m.complete)
                }),
                e.response
                    .as_ref()
                    .map(|r| (r.status, r.interim, r.message.body_bytes, r.message.complete)),
                e.flags,
                e.ambiguities,
            )),
            _ => None,
        })
        .collect()
}

fuzz_target!(|input: Input| {
    let whole = run(&input, false);
    assert_eq!(whole, run(&input, false), "twice");
    // Where bytes are lost, when the loss is known depends on the packets.
    if !input.midstream && input.frames.iter().all(|f| f.lost.is_none()) {
        assert_eq!(whole, run(&input, true), "cut");
    } else {
        run(&input, true);
    }
});
