//! Pieces of messages and any bytes between them, in both directions of one flow, in order: the same exchanges however they
//! are cut.

use arbitrary::Arbitrary;
use reassembly::{Ambiguities, Event, Flags, Limits};

use crate::sensor::Connection;

/// A coding.
const GZIP: &[u8] = b"Content-Encoding: gzip\r\n";

/// Two codings, one of them of large windows and tables.
const BROTLI: &[u8] = b"Content-Encoding: deflate, br\r\n";

/// What messages are made of, sound and not: put together by chance, bytes alone would hardly ever be one.
const PIECES: [&[u8]; 40] = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b=1 HTTP/1.1\r\n",
    b"HEAD /h HTTP/1.0\r\n",
    b"PUT /p HTTP/1.1\r\n",
    b"GET http://u@b/c HTTP/1.1\n",
    b"GET /old\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.0 404 Not\r\n",
    b"HTTP/1.1 2XX\r\n",
    b"Host: a\r\n",
    b"Host : b\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 5, 6\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"content-length:+4\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    GZIP,
    BROTLI,
    b"Content-Type: text/event-stream\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: close\r\n",
    b" folded\r\n",
    b"no field\r\n",
    b"\r\n",
    b"\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"5;x=1\nhello\n",
    b"0\r\n\r\n",
    b"0\r\nTrailer: t\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0",
    b"data: x\n\n",
    b"\x81\x02hi",
    b"\x16\x03\x01\0\x05",
];

/// A piece, or a byte.
#[derive(Debug, Arbitrary)]
pub enum Piece {
    /// One of the list.
    Known(u8),
    /// Any.
    Byte(u8),
}

/// What one side says before the other does, and how long the segments are.
#[derive(Debug, Arbitrary)]
pub struct Turn {
    pieces: Vec<Piece>,
    cuts: Vec<u8>,
}

impl Turn {
    /// Whether this piece is among its own.
    fn has(&self, piece: &[u8]) -> bool {
        let known = |n: &u8| PIECES[usize::from(*n) % PIECES.len()];
        self.pieces
            .iter()
            .any(|p| matches!(p, Piece::Known(n) if known(n) == piece))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Known(n) => bytes.extend_from_slice(PIECES[usize::from(*n) % PIECES.len()]),
                Piece::Byte(byte) => bytes.push(*byte),
            }
        }
        bytes
    }
}

/// What must not depend on the cuts.
type Seen = (
    u32,
    Option<(String, String, u64, u64, bool, Vec<u8>)>,
    Option<(u16, u16, u64, u64, bool, Vec<u8>)>,
    Flags,
    Ambiguities,
);

/// What is counted of it, too. Where a WebSocket begins in what a client sent without waiting for the answer, segments are
/// part of the evidence, so messages are not.
type Counted = [u64; 4];

fn run(turns: &[Turn], cut: bool) -> (Vec<Seen>, Counted) {
    // Room for the windows and tables of a brotli body each way.
    let limits = Limits {
        head: 4000,
        memory: 96 << 20,
        ..Limits::default()
    };
    let mut flow = Connection::new(limits, 80, false);
    // Without a coding there is no decoder, and the bound is tight.
    let has = |piece| turns.iter().any(|turn| turn.has(piece));
    flow.sensor.brotli = has(BROTLI);
    flow.sensor.inflaters = if has(BROTLI) || has(GZIP) { 4 } else { 0 };
    let mut seen: Vec<Seen> = Vec::new();
    let mut keep = |event: &Event| {
        let Event::Exchange(e) = event else { return };
        let request = e.request.as_ref().map(|r| {
            let m = &r.message;
            let (method, target) = (r.method().to_owned(), r.target().to_owned());
            (
                method,
                target,
                m.body_bytes,
                m.content_bytes,
                m.complete,
                m.body.clone(),
            )
        });
        let response = e.response.as_ref().map(|r| {
            let m = &r.message;
            (
                r.status,
                r.interim,
                m.body_bytes,
                m.content_bytes,
                m.complete,
                m.body.clone(),
            )
        });
        seen.push((e.index, request, response, e.flags, e.ambiguities));
    };
    for (number, turn) in turns.iter().enumerate() {
        let cuts: &[u8] = if cut { &turn.cuts } else { &[] };
        flow.send_cut(number % 2, &turn.bytes(), cuts, &mut keep);
    }
    flow.close(&mut keep);
    let c = flow.sensor.reassembler.counters();
    let counted = [
        c.unparsable_bytes,
        c.ambiguous,
        c.opaque_bodies,
        c.decoded_overflow,
    ];
    (seen, counted)
}

/// The target.
pub fn check(turns: &Vec<Turn>) {
    let whole = run(turns, false);
    assert_eq!(whole, run(turns, false), "one capture gave two answers");
    assert_eq!(whole, run(turns, true), "the answer depends on the cuts");
}
