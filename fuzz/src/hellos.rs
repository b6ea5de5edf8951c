//! Hellos of TLS between any bytes, in both directions of one flow: the flow tells the same however they are cut.

use arbitrary::Arbitrary;
use reassembly::{App, Event, Limits, Tls};

use crate::sensor::Connection;

/// What one side says before the other does, and how long the segments are.
#[derive(Debug, Arbitrary)]
pub struct Turn {
    parts: Vec<Part>,
    cuts: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
pub enum Part {
    Bytes(Vec<u8>),
    /// A hello in records of a size, with one byte changed or cut short now and then.
    Hello {
        server: bool,
        record: u8,
        change: u16,
        end: u16,
    },
    Connect,
    Record {
        kind: u8,
        len: u8,
    },
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Hello {
                server,
                record,
                change,
                end,
            } => {
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
            Self::Record { kind, len } => {
                [&[20 + kind % 5, 3, 3, 0, *len][..], &vec![7; usize::from(*len)]].concat()
            }
        }
    }
}

fn hello(server: bool) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    if server {
        body.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    } else {
        body.extend([
            0, 0, 4, 0x13, 1, 0x13, 2, 1, 0, 0, 25, 0, 0, 0, 14, 0, 12, 0, 0, 9,
        ]);
        body.extend(b"a.example");
        body.extend([0, 43, 0, 3, 2, 3, 4]);
    }
    let mut message = vec![1 + u8::from(server), 0, 0, body.len() as u8];
    message.extend(body);
    message
}

type Told = (App, Option<Tls>, Vec<&'static str>);

fn run(turns: &[Turn], cut: bool) -> Vec<Told> {
    let mut flow = Connection::new(Limits::default(), 25, false);
    let mut told = Vec::new();
    let mut keep = |event: &Event| {
        if let Event::Flow(flow) = event {
            told.push((flow.app, flow.tls.clone(), flow.flags.names().collect()));
        }
    };
    for (number, turn) in turns.iter().enumerate() {
        let bytes: Vec<u8> = turn.parts.iter().flat_map(Part::bytes).collect();
        let cuts: &[u8] = if cut { &turn.cuts } else { &[] };
        flow.send_cut(number % 2, &bytes, cuts, &mut keep);
        assert!(
            flow.sensor.reassembler.weight() < 4 << 20,
            "more memory than two hellos and a search take"
        );
    }
    flow.close(&mut keep);
    told
}

/// The target.
pub fn check(turns: &Vec<Turn>) {
    // A flow is known for TLS or HTTP/2 by its first segment, which is why that one is not cut short.
    let (whole, cut) = (run(turns, false), run(turns, true));
    assert_eq!(whole, run(turns, false), "one capture gave two answers");
    assert_eq!(cut, run(turns, true), "one capture gave two answers");
    let told = |flows: &[Told]| {
        flows
            .iter()
            .map(|(_, tls, flags)| (tls.clone(), flags.clone()))
            .collect::<Vec<_>>()
    };
    if whole
        .iter()
        .chain(&cut)
        .all(|(app, ..)| !matches!(app, App::Http2))
        && starts_otherwise(turns)
    {
        assert_eq!(told(&whole), told(&cut), "the answer depends on the cuts");
    }
}

/// Whether the flow begins with neither what TLS does nor a part of it.
fn starts_otherwise(turns: &[Turn]) -> bool {
    let first = turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .map(Part::bytes)
        .find(|bytes| !bytes.is_empty());
    first.is_some_and(|bytes| bytes[0] != 22 && bytes[0] & 0x80 == 0 && bytes[0] != b'P')
}
