//! An event stream of any bytes: the same events however it is cut, and none that an ordinary reading does not find; with a
//! loss no event that was not there; memory bounded.

use arbitrary::Arbitrary;
use reassembly::{Event, Limits, PartKind};

use crate::sensor::Connection;

/// Pieces of a stream, so that what is said by fields is met often.
#[derive(Debug, Arbitrary)]
pub enum Piece {
    Data,
    Event,
    Id,
    Space,
    Cr,
    Lf,
    CrLf,
    Mark,
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    pieces: Vec<Piece>,
    cuts: Vec<u8>,
    lost: Option<u8>,
}

/// Name, id, data.
type Seen = (String, Option<String>, Vec<u8>);

const REQUEST: &[u8] = b"GET /e HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

fn run(content: &[u8], cuts: &[u8], lost: Option<u8>) -> Vec<Seen> {
    let limits = Limits {
        body_capture: 2000,
        ..Limits::default()
    };
    let mut flow = Connection::new(limits.clone(), 80, false);
    let mut seen = Vec::new();
    let mut keep = |event: &Event| {
        let Event::Part(of) = event else { return };
        let PartKind::Event { name, id } = of.part.kind.clone() else {
            panic!("no event")
        };
        assert!(
            of.part.body.len() <= limits.body_capture,
            "more kept than allowed"
        );
        assert!(name.len() <= 768, "a long name is kept");
        seen.push((name, id, of.part.body.clone()));
    };
    flow.send(0, REQUEST, &mut keep);
    flow.send(1, HEAD, &mut keep);
    let (mut rest, mut number) = (content, 0_u8);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let len = cuts
            .next()
            .map_or(60_000, |len| usize::from(*len))
            .clamp(1, rest.len());
        let (part, tail) = rest.split_at(len);
        if lost == Some(number) {
            flow.lose(1, len);
        } else {
            flow.send(1, part, &mut keep);
        }
        let weight = flow.sensor.reassembler.weight();
        assert!(weight < 32 << 10 || lost.is_some(), "{weight} bytes held");
        number = number.saturating_add(1);
        rest = tail;
    }
    flow.acknowledge(0, &mut keep);
    flow.close(&mut keep);
    seen
}

/// The reading of WHATWG HTML section 9.2.6 with everything at hand.
fn model(content: &[u8]) -> Vec<Seen> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    while at < content.len() {
        match content[at] {
            b'\r' | b'\n' => {
                at += usize::from(content[at..].starts_with(b"\r\n"));
                lines.push(std::mem::take(&mut line));
            }
            byte => line.push(byte),
        }
        at += 1;
    }
    let cut = |value: &[u8]| String::from_utf8_lossy(&value[..value.len().min(256)]).into_owned();
    let (mut seen, mut name, mut id, mut data) = (Vec::new(), String::new(), None, None::<Vec<u8>>);
    for line in lines {
        if line.is_empty() {
            if let Some(mut data) = data.take() {
                data.truncate(2000);
                seen.push((name, id, data));
            }
            (name, id) = (String::new(), None);
            continue;
        }
        let colon = line.iter().position(|b| *b == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or(&[]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"event" => name = cut(value),
            b"id" if value.contains(&0) => {}
            b"id" => id = Some(cut(value)),
            _ => {}
        }
    }
    seen
}

/// The target.
pub fn check(input: &Input) {
    let mut content = Vec::new();
    for piece in &input.pieces {
        content.extend_from_slice(match piece {
            Piece::Data => b"data:",
            Piece::Event => b"event:",
            Piece::Id => b"id:",
            Piece::Space => b" ",
            Piece::Cr => b"\r",
            Piece::Lf => b"\n",
            Piece::CrLf => b"\r\n",
            Piece::Mark => b"\xef\xbb\xbf",
            Piece::Bytes(bytes) => bytes,
        });
    }
    content.truncate(50_000);
    let whole = run(&content, &[], None);
    assert_eq!(whole, model(&content), "events are read wrongly");
    assert_eq!(whole, run(&content, &[], None), "one capture gave two answers");
    assert_eq!(
        whole,
        run(&content, &input.cuts, None),
        "the answer depends on the cuts"
    );
    if input.lost.is_some() {
        let lossy = run(&content, &input.cuts, input.lost);
        assert_eq!(
            lossy,
            run(&content, &input.cuts, input.lost),
            "one capture gave two answers"
        );
        let mut all = whole.iter();
        for event in &lossy {
            assert!(all.any(|one| one == event), "{event:?} was never sent");
        }
    }
}
