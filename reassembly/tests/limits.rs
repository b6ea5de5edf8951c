//! What is over a ceiling is told as that: it has a counter of its own, and no flag that says that bytes were lost.

mod support;
#[path = "support/http2.rs"]
mod write;
#[path = "support/websocket.rs"]
mod ws;

use flate2::{Compress, Compression, FlushCompress};
use reassembly::{Counters, Event, Limits};
use support::{CLIENT, SERVER, Seen, Wire, counted, exchanges, gzip, part_line, parts};
use testdata::wire::Flags;
use write::*;
use ws::websocket;

/// The exchanges of a flow as lines, and what was counted.
fn seen(wire: &Wire) -> (Vec<String>, Counters) {
    let (events, counters) = counted(&wire.frames, &Limits::default());
    (exchanges(&events).iter().map(Seen::line).collect(), counters)
}

/// Nothing is said to have been lost on the wire.
fn assert_no_loss(counters: &Counters, name: &str) {
    let losses = [
        counters.gaps,
        counters.gap_bytes,
        counters.damaged,
        counters.hpack_unknown,
    ];
    assert_eq!(losses, [0; 4], "{name}");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_head_of_http1_over_the_limit_is_counted_as_one() {
    let long = format!(
        "GET /long HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X-More: and more\r\n".repeat(5_000)
    );
    let endless = &long[..long.len() - 2];
    for (name, head, piece) in [
        ("in one segment", &long[..], 100_000),
        ("in pieces", &long, 1_460),
        ("without an end", endless, 1_460),
    ] {
        let mut wire = Wire::new(40_000);
        wire.open()
            .send(CLIENT, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
            .send(SERVER, OK);
        // A segment of IP has room for no more.
        for bytes in head.as_bytes().chunks(piece.min(60_000)) {
            wire.send(CLIENT, bytes);
        }
        wire.close();
        let (lines, counters) = seen(&wire);
        assert_eq!(lines, ["GET /first a > 200 0/2"], "{name}");
        assert_eq!(counters.head_overflow, 1, "{name}");
        assert_no_loss(&counters, name);
    }
    // One that is as long as it may be is read.
    let mut wire = Wire::new(40_000);
    let most = Limits::default().head;
    let start = "GET /most HTTP/1.1\r\nHost: a\r\nX: ";
    let head = format!("{start}{}\r\n\r\n", "x".repeat(most - start.len() - 4));
    wire.open();
    for bytes in head.as_bytes().chunks(30_000) {
        wire.send(CLIENT, bytes);
    }
    wire.send(SERVER, OK).close();
    let (lines, counters) = seen(&wire);
    assert_eq!(
        (&lines[..], counters.head_overflow),
        (&["GET /most a > 200 0/2".to_owned()][..], 0)
    );
}

/// A block in frames of 16 KiB; the last one ends it where `ends` says so.
#[test]
fn a_flow_joined_midway_that_outgrows_its_memory_is_delivered_once() {
    let limits = Limits {
        held_per_flow: 4_000,
        ..Limits::default()
    };
    let mut wire = Wire::new(40_000);
    // Of an upload that was under way: 300 bytes, more than there is room for, what came before both, and part of the first again.
    let body = vec![b'x'; 5_300];
    wire.raw(CLIENT, 1_000, &body[..300], Flags::ACK, 0);
    wire.raw(CLIENT, 1_300, &body[300..], Flags::ACK, 0);
    wire.raw(CLIENT, 900, &body[..100], Flags::ACK, 0);
    wire.raw(CLIENT, 1_000, &body[..250], Flags::ACK, 0);
    let (_, counters) = counted(&wire.frames, &limits);
    assert_eq!(counters.payload_bytes, 300);
    assert_eq!(counters.retransmitted_bytes, 350);
    assert_eq!(counters.uncompared_bytes, 100);
    assert_eq!(counters.held_overflow, 1);
}

fn block(stream: u32, flags: u8, fields: &[u8], ends: bool) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = fields.chunks(16_384).collect();
    let last = pieces.len() - 1;
    let one = |(at, piece): (usize, &&[u8])| {
        let (kind, flags) = if at == 0 {
            (HEADERS, flags)
        } else {
            (CONTINUATION, 0)
        };
        let end = if ends && at == last { END_HEADERS } else { 0 };
        frame(kind, flags | end, stream, piece)
    };
    pieces.iter().enumerate().map(one).collect()
}

/// A field that goes into no table.
fn apart(name: &str, value: &str) -> Vec<u8> {
    field(0, name.as_bytes(), value.as_bytes())
}

#[test]
fn a_header_block_of_http2_over_the_limit_is_no_gap() {
    let request = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a"),
        (":authority", "h"),
    ];
    let start: Vec<u8> = request.iter().flat_map(|(n, v)| apart(n, v)).collect();
    let many: Vec<u8> = (0..6_000)
        .flat_map(|_| apart("x-more", "and more of it"))
        .collect();
    let little: Vec<u8> = (0..300).flat_map(|_| apart("x", "")).collect();
    let one = apart("x-long", &"l".repeat(100_000));
    let of = |more: &[u8]| [&start[..], more].concat();
    for (name, fields, ends, want) in [
        ("many bytes", of(&many), true, "GET /a h > 200 0/2 truncated"),
        ("many fields", of(&little), true, "GET /a h > 200 0/2 truncated"),
        ("one long field", of(&one), true, "GET /a h > 200 0/2 truncated"),
        (
            "a long path",
            [apart(":method", "GET"), apart(":path", &"/p".repeat(40_000))].concat(),
            true,
            "- > 200 0~/2 truncated,no_request",
        ),
        (
            "no end",
            of(&many),
            false,
            "GET /a h > - 0~/0~ truncated,no_response",
        ),
    ] {
        for cut in [1, 1_000, 16_384] {
            let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
            let mut wire = open();
            wire.send(CLIENT, ask.get(1, "/before"))
                .send(SERVER, answer.answer(1, "200", b"ok"));
            for frame in block(3, END_STREAM, &fields, ends) {
                for piece in frame.chunks(cut.max(frame.len() / 40)) {
                    wire.send(CLIENT, piece);
                }
            }
            if ends {
                wire.send(SERVER, answer.answer(3, "200", b"ok"));
                wire.send(
                    CLIENT,
                    frame(HEADERS, END_STREAM | END_HEADERS, 5, &of(&apart("y", ""))),
                )
                .send(SERVER, answer.answer(5, "200", b"ok"));
            }
            wire.close();
            let (lines, counters) = seen(&wire);
            let mut wanted = vec!["GET /before h > 200 0/2", want];
            wanted.extend(ends.then_some("GET /a h > 200 0/2"));
            assert_eq!(lines, wanted, "{name}, in pieces of {cut}");
            assert_eq!(counters.head_overflow, 1, "{name}");
            assert_eq!(counters.hpack_broken, u64::from(!ends), "{name}");
            assert_no_loss(&counters, name);
        }
    }
    // What is behind a long field is read, and the table is still known.
    for name in [":authority", "x-long"] {
        let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
        let long = "l".repeat(100_000);
        let mut wire = open();
        wire.send(CLIENT, ask.get(1, "/before"));
        let fields = [
            (":method", "GET"),
            (":path", "/a"),
            (name, &long),
            ("x-after", "y"),
        ];
        for frame in block(3, END_STREAM, &ask.block(&fields), true) {
            wire.send(CLIENT, frame);
        }
        wire.send(CLIENT, ask.get(5, "/a"));
        for stream in [1, 3, 5] {
            wire.send(SERVER, answer.answer(stream, "200", b"ok"));
        }
        wire.close();
        let (events, counters) = counted(&wire.frames, &Limits::default());
        let lines: Vec<String> = exchanges(&events).iter().map(Seen::line).collect();
        let want = [
            "GET /before h > 200 0/2",
            "GET /a  > 200 0/2 truncated",
            "GET /a h > 200 0/2",
        ];
        assert_eq!(lines, want, "{name}");
        let after = events.iter().any(|event| match event {
            Event::Exchange(e) => e
                .request
                .as_ref()
                .is_some_and(|r| r.message.field("x-after") == Some("y")),
            _ => false,
        });
        assert!(after, "{name}");
        assert_eq!(counters.head_overflow, 1, "{name}");
        assert_no_loss(&counters, name);
    }
    // Heads of answers, and trailers.
    let more: Vec<u8> = (0..300).flat_map(|_| apart("x-more", "")).collect();
    let head = [apart(":status", "200"), more.clone()].concat();
    for (name, head, trailers) in [
        ("answer", head, vec![]),
        ("trailers", apart(":status", "200"), more),
    ] {
        let mut ask = Encoder::default();
        let mut wire = open();
        wire.send(CLIENT, ask.get(1, "/a"))
            .send(SERVER, frame(HEADERS, END_HEADERS, 1, &head))
            .send(SERVER, frame(DATA, 0, 1, b"ok"))
            .send(SERVER, frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers))
            .close();
        let (lines, counters) = seen(&wire);
        assert_eq!(lines, ["GET /a h > 200 0/2 truncated"], "{name}");
        assert_eq!(counters.head_overflow, 1, "{name}");
        assert_no_loss(&counters, name);
    }
}

#[test]
fn a_block_that_stops_in_front_of_its_end_is_no_gap_where_nothing_was_lost() {
    let mut ask = Encoder::default();
    let fields = ask.block(&[(":method", "GET"), (":path", "/a"), (":authority", "h")]);
    let mut wire = open();
    wire.send(CLIENT, frame(HEADERS, END_STREAM, 1, &fields))
        // Which is not allowed within a block.
        .send(CLIENT, frame(PING, 0, 0, &[0; 8]))
        .close();
    let (lines, counters) = seen(&wire);
    assert_eq!(lines, ["GET /a h > - 0~/0~ truncated,no_response"]);
    assert_eq!(counters.hpack_broken, 1);
    assert_no_loss(&counters, "within it");
    // Where its end was lost, it is one.
    let mut wire = open();
    wire.send(CLIENT, frame(HEADERS, END_STREAM, 1, &fields))
        .lose(CLIENT, frame(CONTINUATION, END_HEADERS, 1, &[0; 40]))
        .ack(SERVER)
        .send(CLIENT, frame(PING, 0, 0, &[0; 8]))
        .close();
    let (lines, counters) = seen(&wire);
    assert_eq!(lines, ["GET /a h > - 0~/0~ gap,no_response"]);
    assert_eq!((counters.damaged, counters.gaps), (1, 1));
}

/// The header of a frame from the client, with a mask of zeros.
fn ws_header(first: u8, len: u64) -> Vec<u8> {
    let mut out = match len {
        0..126 => vec![first, 0x80 | len as u8],
        126..0x1_0000 => [&[first, 0x80 | 126][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[first, 0x80 | 127][..], &len.to_be_bytes()].concat(),
    };
    out.extend([0; 4]);
    out
}

#[test]
fn a_websocket_message_without_an_end_is_no_gap() {
    for (name, first, again) in [
        ("one frame", ws_header(0x82, 1 << 30), &[][..]),
        ("fragments", ws_header(0x02, 0), &ws_header(0x00, 1_000)),
    ] {
        let mut wire = websocket("");
        wire.send(CLIENT, first);
        for _ in 0..500 {
            wire.send(CLIENT, [again, &[b'w'; 1_000]].concat());
        }
        wire.close();
        let (events, counters) = counted(&wire.frames, &Limits::default());
        let lines: Vec<String> = parts(&events).into_iter().map(part_line).collect();
        let text = "w".repeat(40);
        assert_eq!(
            lines,
            [format!("0>0 binary 500000/500000~ {text} truncated")],
            "{name}"
        );
        let kept = parts(&events)[0].part.body.len();
        assert_eq!(kept, Limits::default().body_capture, "{name}");
        assert_eq!(counters.parts_unfinished, 1, "{name}");
        assert_no_loss(&counters, name);
    }
    // With a gap in it, it is one.
    let mut wire = websocket("");
    wire.send(CLIENT, ws_header(0x82, 1 << 30))
        .send(CLIENT, [b'w'; 100])
        .lose(CLIENT, [b'w'; 100])
        .ack(SERVER)
        .send(CLIENT, [b'w'; 100])
        .close();
    let (_, counters) = counted(&wire.frames, &Limits::default());
    assert_eq!((counters.parts_unfinished, counters.damaged), (0, 1));
}

/// A flow with a response of this body.
fn packed(port: u16, coding: &str, body: &[u8]) -> Wire {
    let mut wire = Wire::new(port);
    wire.open()
        .send(CLIENT, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .send(
            SERVER,
            [
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                )
                .as_bytes(),
                body,
            ]
            .concat(),
        );
    wire.close();
    wire
}

#[test]
fn bombs_below_every_limit_are_counted() {
    let zeros = vec![0; 1 << 20];
    let text: Vec<u8> = (0..30_000_u32)
        .flat_map(|n| (n % 977).to_string().into_bytes())
        .collect();
    for (name, coding, body, extreme) in [
        ("a bomb", "gzip", gzip(&zeros), 1),
        ("gathered, and small", "gzip", gzip(&zeros[..200_000]), 1),
        (
            "zstd",
            "zstd",
            zstd::stream::encode_all(&zeros[..], 1).expect("a vector"),
            1,
        ),
        ("twice", "gzip, gzip", gzip(&gzip(&zeros)), 1),
        ("little", "gzip", gzip(&zeros[..60_000]), 0),
        ("text", "gzip", gzip(&text), 0),
        ("not packed", "identity", zeros[..30_000].to_vec(), 0),
    ] {
        let (lines, counters) = seen(&packed(40_000, coding, &body));
        assert_eq!(lines.len(), 1, "{name}");
        assert!(lines[0].starts_with("GET /a a > 200 0/"), "{name}: {}", lines[0]);
        assert_eq!(counters.decoded_extreme, extreme, "{name}");
        assert_eq!(
            (counters.decoded_overflow, counters.opaque_bodies),
            (0, 0),
            "{name}"
        );
    }
    // What is over the limit is counted as that and nothing else.
    let (_, counters) = seen(&packed(40_000, "gzip", &gzip(&vec![0; 4 << 20])));
    assert_eq!((counters.decoded_overflow, counters.decoded_extreme), (1, 0));
}

#[test]
fn messages_that_are_bombs_are_counted_too() {
    let zeros = vec![0; 1 << 20];
    // A WebSocket.
    let mut deflate = Compress::new(Compression::default(), false);
    let mut message = Vec::with_capacity(8 << 10);
    deflate
        .compress_vec(&zeros, &mut message, FlushCompress::Sync)
        .expect("it compresses");
    message.truncate(message.len() - 4);
    let mut wire = websocket("permessage-deflate");
    wire.send(CLIENT, [ws_header(0xc2, message.len() as u64), message].concat())
        .close();
    let (events, counters) = counted(&wire.frames, &Limits::default());
    assert_eq!(parts(&events)[0].part.content_bytes, 1 << 20);
    assert_eq!(counters.decoded_extreme, 1);
    // gRPC.
    let packed = gzip(&zeros);
    let message = [&[1][..], &(packed.len() as u32).to_be_bytes(), &packed].concat();
    let fields = [
        (":method", "POST"),
        (":path", "/a"),
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
    ];
    let mut wire = open();
    wire.send(CLIENT, Encoder::default().headers(1, 0, &fields))
        .send(CLIENT, frame(DATA, END_STREAM, 1, &message))
        .close();
    let (events, counters) = counted(&wire.frames, &Limits::default());
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::Part(p) if p.part.content_bytes == 1 << 20))
    );
    assert_eq!(counters.decoded_extreme, 1);
}

#[test]
fn a_room_has_memory_for_the_largest_window_of_brotli_with_the_body_that_comes_out() {
    // A window of 24 bits, then one block that is not compressed, and the end (RFC 7932 sections 9.1 and 9.2).
    let text = "a line of text\n".repeat(600);
    let (mut word, mut at) = (0_u64, 0);
    for (value, len) in [
        (1, 1),
        (7, 3),
        (0, 1),
        (0, 2),
        (text.len() as u64 - 1, 16),
        (1, 1),
    ] {
        word |= value << at;
        at += len;
    }
    let coded = [&word.to_le_bytes()[..3], text.as_bytes(), &[3]].concat();
    // Two rooms, as small as they get.
    let limits = Limits {
        memory: 128 << 20,
        ..Limits::default()
    };
    for port in 40_000..40_010 {
        let mut wire = Wire::new(port);
        wire.open().send(CLIENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n",
            coded.len()
        );
        wire.send(SERVER, head);
        coded.chunks(300).for_each(|piece| {
            wire.send(SERVER, piece);
        });
        wire.close();
        let (events, counters) = counted(&wire.frames, &limits);
        assert_eq!((counters.opaque_bodies, counters.evicted_memory), (0, 0));
        assert_eq!(counters.bodies_unkept, 0);
        let seen = exchanges(&events);
        let received = seen[0].received.as_ref().expect("a response");
        assert_eq!(received.bytes.1, text.len() as u64);
        assert!(received.body == text.as_bytes());
    }
}
