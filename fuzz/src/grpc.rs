//! Calls of gRPC and of gRPC-Web, as a client and a server write them, in frames and segments of any size: the messages, their
//! count, their sizes and the status are those that were written; after a loss none is new. And with anything between the
//! messages: the same parts however the content is cut, memory bounded.

use std::io::Write;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use flate2::Compression;
use flate2::write::GzEncoder;
use reassembly::{Direction, Event, Flags, Limits, Message, PartKind};

use crate::sensor::Connection;

/// Calls of one connection.
#[derive(Debug, Arbitrary)]
pub struct Input {
    /// HTTP/2, or HTTP/1.1 with one call after the other.
    http2: bool,
    calls: Vec<Call>,
    /// Which stream and side goes on, frame by frame.
    turns: Vec<u8>,
    cuts: Vec<u8>,
    /// Segments that are never seen.
    lost: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Call {
    form: Form,
    status: u8,
    sides: [Side; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Form {
    Plain,
    Web,
    WebText,
}

/// What one side says in a call.
#[derive(Debug, Arbitrary)]
struct Side {
    messages: Vec<Said>,
    /// Lengths of frames, over and over.
    frames: Vec<u8>,
    /// Padding of frames (RFC 9113 section 6.1).
    pad: Option<u8>,
}

#[derive(Debug, Arbitrary)]
enum Said {
    Short {
        packed: bool,
        bytes: Vec<u8>,
    },
    /// So many of the same byte.
    Long {
        byte: u8,
        len: u16,
    },
    /// Much in little.
    Packed {
        size: u8,
    },
    /// The same with another end.
    Broken {
        size: u8,
        end: Vec<u8>,
    },
    /// No message at all.
    Bytes(Vec<u8>),
}

/// Content bytes of a message that are kept.
const KEPT: usize = 1000;

/// Messages of one side of a call.
const MOST: usize = 24;

/// Content of one side of a call, about.
const MOST_BYTES: usize = 16_000;

/// What messages of one side may unpack to in any case.
const UNPACKED: u64 = 2 << 20;

/// Of one byte, of two, of four and so on: so many and packed.
static PACKED: LazyLock<Vec<(usize, Vec<u8>)>> = LazyLock::new(|| {
    let packed = |bits: usize| (1 << bits, gzip(&vec![b'z'; 1 << bits]));
    (0..19).map(packed).collect()
});

fn packed(size: u8) -> &'static (usize, Vec<u8>) {
    &PACKED[usize::from(size) % PACKED.len()]
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

/// A part, without its place: whether it is packed, bytes, content bytes, the first of them.
type Told = (bool, u64, u64, Vec<u8>);

impl Said {
    /// The message as it is sent, and what has to be told of it, if that is known.
    fn written(&self) -> (Vec<u8>, Option<Told>) {
        let told = |packed: bool, payload: &[u8], len: usize, kept: &[u8]| {
            let kept = kept[..kept.len().min(KEPT)].to_vec();
            let told = (packed, payload.len() as u64, len as u64, kept);
            (message(u8::from(packed), payload), Some(told))
        };
        match self {
            Self::Short { packed, bytes } => {
                let bytes = &bytes[..bytes.len().min(2000)];
                if *packed {
                    told(true, &gzip(bytes), bytes.len(), bytes)
                } else {
                    told(false, bytes, bytes.len(), bytes)
                }
            }
            Self::Long { byte, len } => {
                let bytes = vec![*byte; usize::from(*len % 4096)];
                told(false, &bytes, bytes.len(), &bytes)
            }
            Self::Packed { size } => {
                let (len, payload) = packed(*size);
                told(true, payload, *len, &vec![b'z'; KEPT.min(*len)])
            }
            Self::Broken { size, end } => {
                let (_, whole) = packed(*size);
                // Without checksum and length, and the last of what is packed.
                let begin = &whole[..whole.len() - 10];
                let payload = [begin, &end[..end.len().min(2000)]].concat();
                (message(1, &payload), None)
            }
            Self::Bytes(bytes) => (bytes[..bytes.len().min(2000)].to_vec(), None),
        }
    }
}

/// A message with its prefix.
fn message(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![flags];
    out.extend((payload.len() as u32).to_be_bytes());
    out.extend(payload);
    out
}

/// base64 (RFC 4648 section 4) of one message, padded.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        let digit = |n: usize| DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
        out.extend((0..4).map(|n| if n <= three.len() { digit(n) } else { b'=' }));
    }
    out
}

impl Call {
    /// The content of a side without trailers, and its messages, if they are known.
    fn content(&self, side: usize) -> (Vec<u8>, Option<Vec<Told>>) {
        let (mut bytes, mut told) = (Vec::new(), Some(Vec::new()));
        for said in self.sides[side].messages.iter().take(MOST) {
            if bytes.len() > MOST_BYTES {
                break;
            }
            let (sent, one) = said.written();
            match (&mut told, one) {
                (Some(told), Some(one)) => told.push(one),
                _ => told = None,
            }
            bytes.extend(self.form.text(&sent));
        }
        let unpacked = |told: &Vec<Told>| told.iter().filter(|one| one.0).map(|one| one.2).sum::<u64>();
        (bytes, told.filter(|told| unpacked(told) <= UNPACKED))
    }

    /// Content in pieces, as frames or chunks carry it.
    fn pieces(&self, side: usize, content: &[u8]) -> Vec<Vec<u8>> {
        let mut lengths = self.sides[side].frames.iter().cycle();
        let (mut rest, mut out) = (content, Vec::new());
        while !rest.is_empty() {
            // A connection of many tiny frames takes long to read and shows nothing more.
            let least = content.len() / 200 + 1;
            let len = lengths
                .next()
                .map_or(rest.len(), |len| usize::from(*len).max(least));
            let (piece, behind) = rest.split_at(len.min(rest.len()).min(16_000));
            out.push(piece.to_vec());
            rest = behind;
        }
        out
    }

    fn status_line(&self) -> Vec<u8> {
        format!("grpc-status: {}\r\n", self.status).into_bytes()
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "application/grpc",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text",
        }
    }

    /// Bytes as this form writes them.
    fn text(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::WebText => base64(bytes),
            Self::Plain | Self::Web => bytes.to_vec(),
        }
    }
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A HEADERS frame of fields that go into no table.
fn headers(stream: u32, last: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    frame(1, 4 | u8::from(last), stream, &block)
}

/// A DATA frame.
fn data(stream: u32, last: bool, piece: &[u8], pad: Option<u8>) -> Vec<u8> {
    let Some(pad) = pad else {
        return frame(0, u8::from(last), stream, piece);
    };
    let padded = [&[pad], piece, &vec![0; usize::from(pad)]].concat();
    frame(0, 8 | u8::from(last), stream, &padded)
}

/// Side and bytes, in the order sent.
type Sent = Vec<(usize, Vec<u8>)>;

fn http2(input: &Input) -> Sent {
    let mut out = vec![
        (
            0,
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat(),
        ),
        (1, frame(4, 0, 0, &[])),
    ];
    let calls: Vec<&Call> = input.calls.iter().take(3).collect();
    let mut waiting: Vec<std::vec::IntoIter<Vec<u8>>> = Vec::new();
    for (number, call) in (0..).zip(&calls) {
        let (stream, kind) = (2 * number + 1, call.form.name());
        let ask = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/a.B/C"),
            (":authority", "h"),
            ("content-type", kind),
            ("grpc-encoding", "gzip"),
        ];
        out.push((0, headers(stream, false, &ask)));
        let answer = [
            (":status", "200"),
            ("content-type", kind),
            ("grpc-encoding", "gzip"),
        ];
        out.push((1, headers(stream, false, &answer)));
        for side in [0, 1] {
            let (content, _) = call.content(side);
            let pad = call.sides[side].pad;
            let mut frames: Vec<Vec<u8>> = call
                .pieces(side, &content)
                .iter()
                .map(|piece| data(stream, false, piece, pad))
                .collect();
            frames.push(match (side, call.form) {
                (0, _) => data(stream, true, b"", None),
                (_, Form::Plain) => headers(stream, true, &[("grpc-status", &call.status.to_string())]),
                (_, form) => data(
                    stream,
                    true,
                    &form.text(&message(0x80, &call.status_line())),
                    None,
                ),
            });
            waiting.push(frames.into_iter());
        }
    }
    let mut turns = input.turns.iter().cycle();
    let mut open: Vec<usize> = (0..waiting.len()).collect();
    while !open.is_empty() {
        let at = turns.next().map_or(0, |turn| usize::from(*turn)) % open.len();
        match waiting[open[at]].next() {
            Some(frame) => out.push((open[at] % 2, frame)),
            None => drop(open.remove(at)),
        }
    }
    out
}

fn http1(input: &Input) -> Sent {
    let mut out = Vec::new();
    for call in input.calls.iter().take(3) {
        // gRPC itself needs HTTP/2.
        let form = if call.form == Form::WebText {
            Form::WebText
        } else {
            Form::Web
        };
        let kind = form.name();
        let (asked, _) = call.content(0);
        let head = format!(
            "POST /a.B/C HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nGrpc-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            asked.len()
        );
        out.push((0, head.into_bytes()));
        out.extend(call.pieces(0, &asked).into_iter().map(|piece| (0, piece)));
        let (mut answer, _) = call.content(1);
        answer.extend(form.text(&message(0x80, &call.status_line())));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nGrpc-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        out.push((1, head.into_bytes()));
        for piece in call.pieces(1, &answer) {
            let size = format!("{:x}\r\n", piece.len());
            out.push((1, [size.as_bytes(), &piece, b"\r\n"].concat()));
        }
        out.push((1, b"0\r\n\r\n".to_vec()));
    }
    out
}

/// A part: exchange, whether the client sent it, number, what is told of it, whether it is whole, flags.
type Part = (u32, bool, u64, Told, bool, Flags);

/// An exchange: count of messages and their content bytes of either side, status, whether both are whole, flags.
type Exchange = (u32, [(u64, u64); 2], Option<String>, bool, Flags);

fn run(input: &Input, sent: &Sent, cut: bool, lossy: bool) -> (Vec<Part>, Vec<Exchange>) {
    let limits = Limits {
        body_capture: KEPT,
        ..Limits::default()
    };
    let mut flow = Connection::new(limits, 80, false);
    flow.sensor.inflaters = 8;
    let (mut parts, mut exchanges): (Vec<Part>, Vec<Exchange>) = (Vec::new(), Vec::new());
    let mut keep = |event: &Event| match event {
        Event::Part(of) => {
            let p = &of.part;
            let PartKind::Message { compressed } = p.kind else {
                panic!("{:?} in a call", p.kind);
            };
            assert!(p.body.len() <= KEPT, "more kept than allowed");
            parts.push((
                of.exchange,
                p.direction == Direction::ToServer,
                p.number,
                (compressed, p.bytes, p.content_bytes, p.body.clone()),
                p.complete,
                p.flags,
            ));
        }
        Event::Exchange(e) => {
            let request = e.request.as_ref().map(|r| &r.message);
            let response = e.response.as_ref().map(|r| &r.message);
            let counts = |m: Option<&Message>| m.map_or((0, 0), |m| (m.parts, m.part_bytes));
            let status = response.and_then(|m| m.trailers.field("grpc-status"));
            exchanges.push((
                e.index,
                [counts(request), counts(response)],
                status.map(str::to_owned),
                [request, response].iter().all(|m| m.is_some_and(|m| m.complete)),
                e.flags,
            ));
        }
        _ => {}
    };
    let mut lost = input.lost.iter().cycle();
    for (side, bytes) in sent {
        if lossy && lost.next().is_some_and(|lost| *lost > 240) {
            flow.lose(*side, bytes.len());
            continue;
        }
        let cuts: &[u8] = if cut { &input.cuts } else { &[] };
        flow.send_cut(*side, bytes, cuts, &mut keep);
    }
    flow.close(&mut keep);
    // What several streams say at once has no order.
    parts.sort_by_key(|part| (part.0, part.1, part.2));
    exchanges.sort_by_key(|exchange| exchange.0);
    (parts, exchanges)
}

/// The parts and exchanges that were written; `None` where not all that was written makes sense.
fn truth(input: &Input) -> Option<(Vec<Part>, Vec<Exchange>)> {
    let (mut parts, mut exchanges) = (Vec::new(), Vec::new());
    for (index, call) in (0..).zip(input.calls.iter().take(3)) {
        let mut counts = [(0, 0); 2];
        for side in [1, 0] {
            let (_, told) = call.content(side);
            for (number, told) in (0..).zip(told?) {
                counts[side].0 += 1;
                counts[side].1 += told.2;
                parts.push((index, side == 0, number, told, true, Flags::empty()));
            }
        }
        let status = Some(call.status.to_string());
        exchanges.push((index, counts, status, true, Flags::empty()));
    }
    Some((parts, exchanges))
}

/// The target.
pub fn check(input: &Input) {
    let sent = if input.http2 { http2(input) } else { http1(input) };
    // What one side says before the other does may come at once.
    let mut joined: Sent = Vec::new();
    for (side, bytes) in &sent {
        match joined.last_mut() {
            Some((last, before)) if last == side => before.extend(bytes),
            _ => joined.push((*side, bytes.clone())),
        }
    }
    let whole = run(input, &joined, false, false);
    assert_eq!(
        whole,
        run(input, &joined, false, false),
        "one capture gave two answers"
    );
    assert_eq!(
        whole,
        run(input, &sent, true, false),
        "the answer depends on the cuts"
    );
    let truth = truth(input);
    if let Some(truth) = &truth {
        assert_eq!(whole, *truth, "what was written is not what is read");
    }
    let lossy = run(input, &sent, true, true);
    assert_eq!(
        lossy,
        run(input, &sent, true, true),
        "one capture gave two answers"
    );
    if let Some((parts, _)) = truth {
        for (_, asked, _, told, complete, flags) in lossy.0 {
            let known = |p: &Part| p.1 == asked && p.3 == told;
            assert!(
                !complete || !flags.is_empty() || parts.iter().any(known),
                "{told:?} was never written"
            );
        }
    }
}
