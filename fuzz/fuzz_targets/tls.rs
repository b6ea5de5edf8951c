//! Recorded TLS connections with their secrets, cut, robbed of pieces and written over: the same answer twice, the same
//! answer however they are cut, and after losses no exchange that was not there.
//!
//! The connections in `conversations/` were made for this, between two ends in one process; `K` is a line of the key
//! log, `C` and `S` are what client and server send in turn.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use reassembly::{Event, Flags, Limits, LinkType, Packet, Reassembler, Timestamp};

const CONVERSATIONS: [&str; 2] = [
    include_str!("../conversations/tls13.txt"),
    include_str!("../conversations/tls12.txt"),
];

#[derive(Debug, Arbitrary)]
struct Input {
    conversation: u8,
    cuts: Vec<u16>,
    /// Pieces that never come, though they are acknowledged.
    lost: Vec<u8>,
    /// Bytes written over the stream, at a place of it.
    written: Vec<(u16, Vec<u8>)>,
}

const ISN: [u32; 2] = [100, u32::MAX - 5000];

struct Flow {
    reassembler: Reassembler,
    sent: [u32; 2],
    now: u64,
    exchanges: Vec<String>,
}

impl Flow {
    fn push(&mut self, side: usize, flags: u8, payload: &[u8], lost: bool) {
        let seq = ISN[side].wrapping_add(self.sent[side]);
        self.sent[side] += payload.len() as u32 + u32::from(flags & 3 != 0);
        if lost {
            return;
        }
        let other = 1 - side;
        let ack = if flags & 0x10 == 0 { 0 } else { ISN[other].wrapping_add(self.sent[other]) };
        let ports = [40_000_u16, 443];
        let mut data = vec![0x45, 0];
        data.extend((40 + payload.len() as u16).to_be_bytes());
        data.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, side as u8, 10, 0, 0, other as u8]);
        data.extend(ports[side].to_be_bytes());
        data.extend(ports[other].to_be_bytes());
        data.extend(seq.to_be_bytes());
        data.extend(ack.to_be_bytes());
        data.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
        data.extend(payload);
        self.now += 1_000_000;
        self.reassembler.push(&Packet {
            ts: Timestamp(self.now),
            link: LinkType::RAW,
            data: &data,
            wire_len: data.len() as u32,
            frame: 0,
        });
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.reassembler.poll() {
            let Event::Exchange(e) = event else { continue };
            if !e.flow.tls {
                // What was written over a hello may be anything.
                continue;
            }
            let request = e.request.as_ref().map(|r| (r.target().to_owned(), r.message.body_bytes));
            let response = e.response.as_ref().map(|r| (r.status, r.message.body_bytes));
            self.exchanges.push(format!("{request:?} {response:?} {:?}", e.flags));
        }
    }
}

fn run(input: &Input, cut: bool, harm: bool) -> Vec<String> {
    let text = CONVERSATIONS[usize::from(input.conversation) % CONVERSATIONS.len()];
    let mut flow = Flow {
        reassembler: Reassembler::new(Limits::default()),
        sent: [0; 2],
        now: 1_000_000_000,
        exchanges: Vec::new(),
    };
    let keys: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("K ")).collect();
    assert_eq!(flow.reassembler.add_secrets(keys.join("\n").as_bytes()).wrong, 0);
    flow.push(0, 0x02, b"", false);
    flow.push(1, 0x12, b"", false);
    let (mut number, mut place) = (0_usize, 0_usize);
    let mut cuts = input.cuts.iter().cycle();
    for line in text.lines() {
        let side = match line.split_at(2) {
            ("C ", _) => 0,
            ("S ", _) => 1,
            _ => continue,
        };
        let digits = line.as_bytes()[2..].chunks(2);
        let mut bytes: Vec<u8> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        if harm {
            for (at, over) in &input.written {
                for (n, byte) in over.iter().enumerate() {
                    if let Some(target) = (usize::from(*at) + n).checked_sub(place).and_then(|n| bytes.get_mut(n)) {
                        *target = *byte;
                    }
                }
            }
        }
        place += bytes.len();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = match cuts.next() {
                Some(len) if cut => usize::from(*len).clamp(1, rest.len()),
                _ => rest.len(),
            };
            let (piece, tail) = rest.split_at(len);
            let lost = harm && input.lost.iter().any(|l| usize::from(*l) == number);
            flow.push(side, 0x18, piece, lost);
            number += 1;
            rest = tail;
        }
    }
    flow.push(0, 0x11, b"", false);
    flow.push(1, 0x11, b"", false);
    flow.reassembler.finish();
    flow.drain();
    flow.exchanges
}

fuzz_target!(|input: Input| {
    let whole = run(&input, false, false);
    assert_eq!(whole.len(), 4, "a recorded connection is not read");
    assert_eq!(whole, run(&input, true, false), "the answer depends on the cuts");
    let flagless = format!(" {:?}", Flags::empty());
    let harmed = run(&input, true, true);
    assert_eq!(harmed, run(&input, true, true), "one capture gave two answers");
    for exchange in harmed.iter().filter(|e| e.ends_with(&flagless)) {
        assert!(whole.contains(exchange), "{exchange} was never sent");
    }
});
