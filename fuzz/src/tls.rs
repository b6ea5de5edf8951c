//! Recorded TLS connections with their secrets, cut, robbed of pieces and written over: the same answer twice, the same
//! answer however they are cut, and after losses no exchange that was not there.
//!
//! The connections in `conversations/` were made for this, between two ends in one process; `K` is a line of the key
//! log, `C` and `S` are what client and server send in turn.

use arbitrary::Arbitrary;
use reassembly::{Event, Flags, Limits};

use crate::sensor::Connection;

const CONVERSATIONS: [&str; 2] = [
    include_str!("../conversations/tls13.txt"),
    include_str!("../conversations/tls12.txt"),
];

#[derive(Debug, Arbitrary)]
pub struct Input {
    conversation: u8,
    cuts: Vec<u16>,
    /// Pieces that never come, though they are acknowledged.
    lost: Vec<u8>,
    /// Bytes written over the stream, at a place of it.
    written: Vec<(u16, Vec<u8>)>,
}

fn run(input: &Input, cut: bool, harm: bool) -> Vec<String> {
    let text = CONVERSATIONS[usize::from(input.conversation) % CONVERSATIONS.len()];
    let mut flow = Connection::new(Limits::default(), 443, false);
    let mut exchanges = Vec::new();
    let mut keep = |event: &Event| {
        // What was written over a hello may be anything.
        let Event::Exchange(e) = event else { return };
        if e.flow.tls {
            let request = e
                .request
                .as_ref()
                .map(|r| (r.target().to_owned(), r.message.body_bytes));
            let response = e.response.as_ref().map(|r| (r.status, r.message.body_bytes));
            exchanges.push(format!("{request:?} {response:?} {:?}", e.flags));
        }
    };
    let keys: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("K ")).collect();
    assert_eq!(flow.sensor.add_secrets(keys.join("\n").as_bytes()).wrong, 0);
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
                    if let Some(target) = (usize::from(*at) + n)
                        .checked_sub(place)
                        .and_then(|n| bytes.get_mut(n))
                    {
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
            if harm && input.lost.iter().any(|l| usize::from(*l) == number) {
                flow.lose(side, len);
            } else {
                flow.send(side, piece, &mut keep);
            }
            number += 1;
            rest = tail;
        }
    }
    flow.close(&mut keep);
    exchanges
}

/// The target.
pub fn check(input: &Input) {
    let whole = run(input, false, false);
    assert_eq!(whole.len(), 4, "a recorded connection is not read");
    assert_eq!(whole, run(input, true, false), "the answer depends on the cuts");
    let flagless = format!(" {:?}", Flags::empty());
    let harmed = run(input, true, true);
    assert_eq!(harmed, run(input, true, true), "one capture gave two answers");
    for exchange in harmed.iter().filter(|e| e.ends_with(&flagless)) {
        assert!(whole.contains(exchange), "{exchange} was never sent");
    }
}
