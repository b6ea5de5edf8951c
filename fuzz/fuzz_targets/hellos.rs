//! Hellos of TLS between any bytes, in both directions of one flow: the flow tells the same however they are cut.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use reassembly::{App, Event, Limits, LinkType, Packet, Reassembler, Timestamp, Tls};

/// What one side says before the other does, and how long the segments are.
#[derive(Debug, Arbitrary)]
struct Turn {
    parts: Vec<Part>,
    cuts: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Part {
    Bytes(Vec<u8>),
    /// A hello in records of a size, with one byte changed or cut short now and then.
    Hello { server: bool, record: u8, change: u16, end: u16 },
    Connect,
    Record { kind: u8, len: u8 },
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Hello { server, record, change, end } => {
                let message = hello(*server);
                let mut out = Vec::new();
                for piece in message.chunks(usize::from(*record).max(6) * 4) {
                    out.extend([22, 3, 1]);
                    out.extend((piece.len() as u16).to_be_bytes());
                    out.extend(piece);
                }
                if *change > 0x8000 {
                    let at = usize::from(*change) % out.len();
                    out[at] ^= 1;
                }
                if *end > 0x8000 {
                    out.truncate(usize::from(*end) % out.len());
                }
                out
            }
            Self::Connect => b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Self::Record { kind, len } => [&[20 + kind % 5, 3, 3, 0, *len][..], &vec![7; usize::from(*len)]].concat(),
        }
    }
}

fn hello(server: bool) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    if server {
        body.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    } else {
        body.extend([0, 0, 4, 0x13, 1, 0x13, 2, 1, 0, 0, 25, 0, 0, 0, 14, 0, 12, 0, 0, 9]);
        body.extend(b"a.example");
        body.extend([0, 43, 0, 3, 2, 3, 4]);
    }
    let mut message = vec![1 + u8::from(server), 0, 0, body.len() as u8];
    message.extend(body);
    message
}

const ISN: [u32; 2] = [100, u32::MAX - 50];

fn run(turns: &[Turn], cut: bool) -> Vec<(App, Option<Tls>, Vec<&'static str>)> {
    let mut reassembler = Reassembler::new(Limits::default());
    let (mut sent, mut now) = ([0_u32; 2], 1_000_000_000);
    let mut push = |side: usize, flags: u8, sent: [u32; 2], payload: &[u8]| {
        let other = 1 - side;
        let seq = ISN[side].wrapping_add(sent[side]);
        let ack = if flags & 0x10 == 0 { 0 } else { ISN[other].wrapping_add(sent[other]) };
        let ports = [40_000_u16, 25];
        let mut data = vec![0x45, 0];
        data.extend((40 + payload.len() as u16).to_be_bytes());
        data.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, side as u8, 10, 0, 0, other as u8]);
        data.extend(ports[side].to_be_bytes());
        data.extend(ports[other].to_be_bytes());
        data.extend(seq.to_be_bytes());
        data.extend(ack.to_be_bytes());
        data.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
        data.extend(payload);
        now += 1000;
        let wire_len = data.len() as u32;
        reassembler.push(&Packet { ts: Timestamp(now), link: LinkType::RAW, data: &data, wire_len, frame: 0 });
        assert!(reassembler.weight() < 4 << 20, "more memory than two hellos and a search take");
    };
    push(0, 0x02, [0, 0], b"");
    sent[0] = 1;
    push(1, 0x12, [1, 0], b"");
    sent[1] = 1;
    for (number, turn) in turns.iter().enumerate() {
        let side = number % 2;
        let bytes: Vec<u8> = turn.parts.iter().flat_map(Part::bytes).collect();
        let mut rest = &bytes[..];
        let mut cuts = turn.cuts.iter().cycle();
        while !rest.is_empty() {
            let len = match cuts.next() {
                Some(len) if cut => usize::from(*len).clamp(1, rest.len()),
                _ => rest.len().min(60_000),
            };
            let (part, tail) = rest.split_at(len);
            push(side, 0x10, sent, part);
            sent[side] += part.len() as u32;
            rest = tail;
        }
    }
    for side in [0, 1] {
        push(side, 0x11, sent, b"");
    }
    reassembler.finish();
    std::iter::from_fn(|| reassembler.poll())
        .filter_map(|event| match event {
            Event::Flow(flow) => Some((flow.app, flow.tls, flow.flags.names().collect())),
            Event::Exchange(_) => None,
        })
        .collect()
}

fuzz_target!(|turns: Vec<Turn>| {
    // A flow is known for TLS or HTTP/2 by its first segment, which is why that one is not cut short.
    let (whole, cut) = (run(&turns, false), run(&turns, true));
    let told = |flows: &[(App, Option<Tls>, Vec<&'static str>)]| {
        flows.iter().map(|(_, tls, flags)| (tls.clone(), flags.clone())).collect::<Vec<_>>()
    };
    if whole.iter().chain(&cut).all(|(app, ..)| !matches!(app, App::Http2)) && starts_otherwise(&turns) {
        assert_eq!(told(&whole), told(&cut), "the answer depends on the cuts");
    }
});

/// Whether the flow begins with neither what TLS does nor a part of it.
fn starts_otherwise(turns: &[Turn]) -> bool {
    let first = turns.iter().flat_map(|turn| &turn.parts).map(Part::bytes).find(|bytes| !bytes.is_empty());
    first.is_some_and(|bytes| bytes[0] != 22 && bytes[0] & 0x80 == 0 && bytes[0] != b'P')
}
