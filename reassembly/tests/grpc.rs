//! Streams within streams, from the wire: messages of gRPC and gRPC-Web, and WebSockets over HTTP/2. Named cases, and what
//! holds of any of them.

mod support;
#[path = "support/http2.rs"]
mod write;
#[path = "support/websocket.rs"]
mod ws;

use proptest::collection::vec;
use proptest::prelude::*;
use reassembly::{Event, Limits};
use support::{
    CLIENT, SERVER, Wire, events_of, exchanges, gzip, lines, part_line, part_lines, parts, without_number,
};
use write::*;

/// A message of gRPC with its prefix.
fn message(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![flags];
    out.extend((payload.len() as u32).to_be_bytes());
    out.extend(payload);
    out
}

/// The head of a call.
fn call(ask: &mut Encoder, id: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "h"),
        ("content-type", "application/grpc+proto"),
        ("grpc-encoding", "gzip"),
    ];
    ask.headers(id, 0, &fields)
}

/// The head of an answer.
fn answer_head(answer: &mut Encoder, id: u32) -> Vec<u8> {
    let fields = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
    ];
    answer.headers(id, 0, &fields)
}

/// What the exchanges say of their parts: request's and response's number and bytes.
fn counts(wire: &Wire) -> Vec<[(u64, u64); 2]> {
    let events = events_of(&wire.frames, &Limits::default());
    let count = |m: Option<&reassembly::Message>| m.map_or((0, 0), |m| (m.parts, m.part_bytes));
    events
        .iter()
        .filter_map(|event| match event {
            Event::Exchange(e) => Some([
                count(e.request.as_ref().map(|r| &r.message)),
                count(e.response.as_ref().map(|r| &r.message)),
            ]),
            _ => None,
        })
        .collect()
}

#[test]
fn messages_of_calls_come_as_they_are_sent_and_are_counted() {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut wire = open();
    let long = vec![b'z'; 20_000];
    let packed = gzip(b"packed packed packed");
    wire.send(CLIENT, call(&mut ask, 1, "/shop.Orders/Watch"))
        .send(CLIENT, frame(DATA, END_STREAM, 1, &message(0, b"ask")))
        .send(SERVER, answer_head(&mut answer, 1));
    // One over two frames, two in one, and one of nothing.
    let first = message(0, &long);
    wire.send(SERVER, frame(DATA, 0, 1, &first[..16_384]))
        .send(SERVER, frame(DATA, 0, 1, &first[16_384..]))
        .send(
            SERVER,
            frame(
                DATA,
                0,
                1,
                &[message(1, &packed), message(0, b""), message(0, b"end")].concat(),
            ),
        );
    let before = wire.frames.len();
    wire.send(SERVER, answer.headers(1, END_STREAM, &[("grpc-status", "0")]))
        .close();
    assert_eq!(
        part_lines(&wire),
        [
            "0>0 message 3/3 ask".to_owned(),
            format!("0<0 message 20000/20000 {}", "z".repeat(40)),
            format!("0<1 packed message {}/20 packed packed packed", packed.len()),
            "0<2 message 0/0".into(),
            "0<3 message 3/3 end".into(),
        ]
    );
    assert_eq!(counts(&wire), [[(1, 3), (4, 20_023)]]);
    let total = 20_000 + packed.len() + 3 + 4 * 5;
    assert_eq!(
        lines(&wire),
        [format!("POST /shop.Orders/Watch h > 200 8/{total}")]
    );
    // They do not wait for the end of the call.
    let events = events_of(&wire.frames[..before], &Limits::default());
    assert!(matches!(&events[4], Event::Part(p) if p.part.body == b"end"));
    assert!(matches!(&events[5], Event::Exchange(_)));
}

#[test]
fn calls_that_fail_or_are_given_up() {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut wire = open();
    // Trailers only.
    wire.send(CLIENT, call(&mut ask, 1, "/a.B/Fails"))
        .send(CLIENT, frame(DATA, END_STREAM, 1, &message(0, b"")));
    let fields = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "7"),
    ];
    wire.send(SERVER, answer.headers(1, END_STREAM, &fields));
    // Given up in the middle of a message.
    wire.send(CLIENT, call(&mut ask, 3, "/a.B/Long"))
        .send(CLIENT, frame(DATA, END_STREAM, 3, &message(0, b"go")))
        .send(SERVER, answer_head(&mut answer, 3))
        .send(
            SERVER,
            frame(
                DATA,
                0,
                3,
                &[message(0, b"one"), message(0, b"cut")[..6].to_vec()].concat(),
            ),
        )
        .send(CLIENT, frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]))
        .close();
    assert_eq!(
        part_lines(&wire),
        [
            "0>0 message 0/0",
            "1>0 message 2/2 go",
            "1<0 message 3/3 one",
            "1<1 message 1/1~ c truncated",
        ]
    );
    assert_eq!(counts(&wire), [[(1, 0), (0, 0)], [(1, 2), (2, 4)]]);
    // What is cut off is given out before its exchange.
    let events = events_of(&wire.frames, &Limits::default());
    let last: Vec<_> = events
        .iter()
        .rev()
        .take(3)
        .map(|event| matches!(event, Event::Part(_)))
        .collect();
    assert_eq!(last, [false, false, true]);
}

#[test]
fn a_loss_in_a_message_costs_that_message_and_one_of_frames_costs_what_is_not_certain() {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut wire = open();
    wire.send(
        CLIENT,
        [call(&mut ask, 1, "/a.B/C"), call(&mut ask, 3, "/a.B/C")].concat(),
    )
    .send(SERVER, answer_head(&mut answer, 1))
    .send(SERVER, answer_head(&mut answer, 3));
    let sent = frame(DATA, 0, 1, &message(0, b"0123456789"));
    wire.send(SERVER, &sent[..17])
        .lose(SERVER, &sent[17..20])
        .send(SERVER, &sent[20..]);
    let other = |n: u8| frame(DATA, 0, 3, &message(0, &[b'a' + n; 8]));
    wire.send(SERVER, frame(DATA, 0, 1, &message(0, b"next")))
        .send(SERVER, other(0));
    // Two frames, of this stream or of others.
    wire.lose(
        SERVER,
        [other(1), frame(DATA, 0, 1, &message(0, b"never seen"))].concat(),
    );
    for n in 2..8 {
        wire.send(SERVER, other(n));
    }
    wire.send(SERVER, frame(PING, 0, 0, &[0; 8])).ack(CLIENT).close();
    assert_eq!(
        part_lines(&wire),
        [
            "0<0 message 7/7~ 012 gap",
            "0<1 message 4/4 next",
            "1<0 message 8/8 aaaaaaaa",
            "1<1 message 8/8 ffffffff gap",
            "1<2 message 8/8 gggggggg",
            "1<3 message 8/8 hhhhhhhh",
        ]
    );
}

#[test]
fn messages_of_grpc_web() {
    let head = |kind: &str, length: usize| {
        format!(
            "POST /a.B/C HTTP/1.1\r\nHost: h\r\nContent-Type: application/{kind}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let reply = |kind: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/{kind}\r\nTransfer-Encoding: chunked\r\n\r\n")
    };
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    for cut in 0..40 {
        let mut wire = Wire::new(40_000);
        let ask = message(0, b"ask");
        wire.open()
            .send(CLIENT, [head("grpc-web+proto", 8).into_bytes(), ask].concat());
        wire.send(SERVER, reply("grpc-web+proto"));
        wire.send_cut(
            SERVER,
            chunk(&[message(0, b"one"), message(0, b"two")].concat()),
            cut,
        );
        wire.send_cut(SERVER, chunk(&message(0x80, b"grpc-status:5\r\n")), cut);
        wire.send(SERVER, chunk(b""));
        // As text.
        wire.send(CLIENT, head("grpc-web-text", 12))
            .send(CLIENT, "AAAAAAJoaQ==");
        wire.send(SERVER, reply("grpc-web-text"));
        wire.send_cut(SERVER, chunk(b"AAAAAAJoaQ=="), cut);
        wire.send_cut(SERVER, chunk(b"gAAAAA9ncnBjLXN0YXR1czogMA0K"), cut);
        wire.send(SERVER, chunk(b"")).close();
        assert_eq!(
            part_lines(&wire),
            [
                "0>0 message 3/3 ask",
                "0<0 message 3/3 one",
                "0<1 message 3/3 two",
                "1>0 message 2/2 hi",
                "1<0 message 2/2 hi",
            ],
            "cut at {cut}"
        );
        assert_eq!(counts(&wire), [[(1, 3), (2, 6)], [(1, 2), (1, 2)]]);
        let events = events_of(&wire.frames, &Limits::default());
        let status: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Exchange(e) => e.response.as_ref()?.message.trailers.field("grpc-status"),
                _ => None,
            })
            .collect();
        assert_eq!(status, ["5", "0"]);
    }
    // A loss within a message, and one of more than that.
    let body = [
        message(0, b"0123456789"),
        message(0, b"two"),
        message(0, b"three"),
    ]
    .concat();
    for (lost, want) in [
        (
            8..11,
            &[
                "0>0 message 7/7~ 012 gap",
                "0>1 message 3/3 two",
                "0>2 message 5/5 three",
            ][..],
        ),
        (8..18, &["0>0 message 3/3~ 012 gap"]),
    ] {
        let mut wire = Wire::new(40_000);
        wire.open()
            .send(CLIENT, head("grpc-web", body.len()))
            .send(CLIENT, &body[..lost.start])
            .lose(CLIENT, &body[lost.clone()])
            .send(CLIENT, &body[lost.end..])
            .send(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .close();
        assert_eq!(part_lines(&wire), want);
    }
}

/// The head that opens a WebSocket (RFC 8441 section 5).
fn upgrade(ask: &mut Encoder, id: u32) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "h"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    ask.headers(id, 0, &fields)
}

#[test]
fn a_websocket_over_http2_has_messages() {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut wire = open();
    wire.send(CLIENT, [upgrade(&mut ask, 1), ask.get(3, "/beside")].concat());
    let fields = [
        (":status", "200"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    wire.send(SERVER, answer.headers(1, 0, &fields));
    let opened = wire.frames.len();
    // RFC 7692 section 7.2.3.1: "Hello", compressed.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let talk = [ws::frame(CLIENT, 0x01, b"frag"), ws::frame(CLIENT, 0x89, b"?")].concat();
    wire.send(CLIENT, frame(DATA, 0, 1, &talk[..7]))
        .send(CLIENT, frame(DATA, 0, 1, &talk[7..]))
        .send(SERVER, frame(DATA, 0, 1, &ws::frame(SERVER, 0xc1, &hello)))
        .send(SERVER, answer.answer(3, "404", b"no"))
        .send(CLIENT, frame(DATA, 0, 1, &ws::frame(CLIENT, 0x80, b"ment")))
        .send(SERVER, frame(DATA, 0, 1, &ws::frame(SERVER, 0x8a, b"?")))
        .send(
            CLIENT,
            frame(DATA, END_STREAM, 1, &ws::frame(CLIENT, 0x88, b"\x03\xe8bye")),
        )
        .send(
            SERVER,
            frame(DATA, END_STREAM, 1, &ws::frame(SERVER, 0x88, b"\x03\xe8")),
        )
        .close();
    assert_eq!(
        part_lines(&wire),
        [
            "0>0 ping 1/1 ?",
            "0>1 text 8/8 fragment",
            "0>2 close 1000 5/5 bye",
            "0<0 text 7/5 Hello",
            "0<1 pong 1/1 ?",
            "0<2 close 1000 2/2",
        ]
    );
    assert_eq!(
        lines(&wire),
        ["CONNECT /chat h > 200 0/0", "GET /beside h > 404 0/2"]
    );
    // The exchange is given out with the answer, as that of an upgrade is.
    let events = events_of(&wire.frames[..opened], &Limits::default());
    assert!(matches!(&events[0], Event::Exchange(e) if e.protocol.name() == "websocket" && e.index == 0));
    assert_eq!(events.len(), 3, "{events:#?}");
}

#[test]
fn a_websocket_over_http2_that_is_declined_given_up_or_damaged() {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut wire = open();
    let text = |n: u8| frame(DATA, 0, 3, &ws::frame(SERVER, 0x81, &[b'a' + n; 30]));
    wire.send(CLIENT, [upgrade(&mut ask, 1), upgrade(&mut ask, 3)].concat())
        .send(SERVER, answer.answer(1, "403", b"no"))
        .send(CLIENT, frame(DATA, END_STREAM, 1, b""))
        .send(SERVER, answer.headers(3, 0, &[(":status", "200")]))
        .send(SERVER, text(0));
    let damaged = text(1);
    wire.send(SERVER, &damaged[..15])
        .lose(SERVER, &damaged[15..20])
        .send(SERVER, &damaged[20..]);
    wire.send(SERVER, text(2))
        .send(SERVER, &text(3)[..20])
        .send(CLIENT, frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]))
        .close();
    let shown = |n: u8, count: usize| String::from(char::from(b'a' + n)).repeat(count);
    assert_eq!(
        part_lines(&wire),
        [
            format!("1<0 text 30/30 {}", shown(0, 30)),
            format!("1<1 text 25/25~ {} gap", shown(1, 4)),
            format!("1<2 text 30/30 {}", shown(2, 30)),
            format!("1<3 text 9/9~ {} truncated", shown(3, 9)),
        ]
    );
    assert_eq!(
        lines(&wire),
        ["CONNECT /chat h > 403 0/2", "CONNECT /chat h > 200 0/0"]
    );
    let found = events_of(&wire.frames, &Limits::default());
    let protocols: Vec<_> = exchanges(&found).iter().map(|e| e.protocol).collect();
    assert_eq!(protocols, ["http/2", "websocket"]);
}

#[test]
fn what_broken_messages_unpack_to_is_counted_alike_however_they_are_cut() {
    // Half of them end in a block of a kind that does not exist, the others without their checksum; between them are honest
    // ones.
    let zeros = gzip(&vec![b'z'; 100_000]);
    let mut sent = Vec::new();
    for n in 0..60 {
        let mut broken = zeros[..zeros.len() - 8].to_vec();
        if n % 2 == 0 {
            broken.truncate(80);
            broken.extend([0xff; 20]);
        }
        sent.extend(message(1, &broken));
        sent.extend(message(1, &gzip(format!("honest {n}").as_bytes())));
    }
    let read = |cut: usize| {
        let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
        let mut wire = open();
        wire.send(CLIENT, call(&mut ask, 1, "/a.B/C"))
            .send(SERVER, answer_head(&mut answer, 1))
            .send_cut(SERVER, frame(DATA, 0, 1, &sent), cut)
            .close();
        part_lines(&wire)
    };
    let whole = read(0);
    // All that was made counts, until more that was sent allows for more.
    assert!(whole[51].ends_with("honest 25"), "{}", whole[51]);
    assert!(whole[53].ends_with("truncated,opaque"), "{}", whole[53]);
    assert!(whole[59].ends_with("honest 29"), "{}", whole[59]);
    for cut in [1, 2, 3, 7, 50, 199, 1000, 4096, 5000] {
        assert_eq!(read(cut), whole, "cut at {cut}");
    }
}

#[test]
fn streams_of_messages_are_bounded() {
    // Many calls that each hold the beginning of a message, and packed ones that hold a decoder.
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut wire = open();
    let body = message(1, &gzip(&vec![b'x'; 100_000]));
    for n in 0..2000 {
        let id = 2 * n + 1;
        wire.send(CLIENT, call(&mut ask, id, "/a.B/C"))
            .send(SERVER, answer_head(&mut answer, id))
            .send(SERVER, frame(DATA, 0, id, &body[..body.len() - 12]));
    }
    let limits = Limits {
        streams: 64,
        body_capture: 1024,
        ..Limits::default()
    };
    let mut reassembler = reassembly::Reassembler::new(limits);
    let mut most = 0;
    for f in &wire.frames {
        reassembler.push(&reassembly::Packet {
            ts: reassembly::Timestamp(f.at),
            link: reassembly::LinkType::RAW,
            data: &f.ip,
            wire_len: f.ip.len() as u32,
            frame: 0,
        });
        most = most.max(reassembler.weight());
        while reassembler.poll().is_some() {}
    }
    // A decoder, and the stream with its heads.
    assert!(most < 64 * (88 << 10), "{most}");
    assert_eq!(reassembler.counters().evicted_streams, 2000 - 64);
}

/// A message to be written, on one of some calls.
#[derive(Debug, Clone)]
struct Plan {
    call: usize,
    side: usize,
    payload: Vec<u8>,
    packed: bool,
    /// In how many frames of HTTP/2, and whether it shares the last of them with the next message of its call.
    frames: usize,
    shares: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let payload = prop_oneof![
        vec(any::<u8>(), 0..60),
        (0usize..3000).prop_map(|len| vec![b'z'; len]),
        (0usize..30).prop_map(|len| vec![0; len]),
    ];
    (
        0usize..3,
        0usize..2,
        payload,
        any::<bool>(),
        1usize..4,
        any::<bool>(),
    )
        .prop_map(|(call, side, payload, packed, frames, shares)| Plan {
            call,
            side,
            payload,
            packed,
            frames,
            shares,
        })
}

/// The turns of calls with these messages, and the lines of their parts by call and side.
fn conversation(plans: &[Plan]) -> (Vec<(usize, Vec<u8>)>, Vec<String>) {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let mut turns = vec![];
    for n in 0..3 {
        turns.push((CLIENT, call(&mut ask, 2 * n + 1, "/a.B/C")));
        turns.push((SERVER, answer_head(&mut answer, 2 * n + 1)));
    }
    let mut waiting: Vec<Vec<u8>> = vec![Vec::new(); 6];
    let mut truth: Vec<Vec<String>> = vec![Vec::new(); 6];
    for p in plans {
        let place = p.call * 2 + p.side;
        let payload = if p.packed {
            gzip(&p.payload)
        } else {
            p.payload.clone()
        };
        let way = if p.side == CLIENT { '>' } else { '<' };
        let text: String = String::from_utf8_lossy(&p.payload).chars().take(40).collect();
        let line = format!(
            "{}{way}{} {} {}/{} {text}",
            p.call,
            truth[place].len(),
            if p.packed { "packed message" } else { "message" },
            payload.len(),
            p.payload.len()
        );
        truth[place].push(line.trim_end().to_owned());
        waiting[place].extend(message(u8::from(p.packed), &payload));
        if p.shares {
            continue;
        }
        let bytes = std::mem::take(&mut waiting[place]);
        let size = bytes.len().div_ceil(p.frames);
        for piece in bytes.chunks(size) {
            turns.push((p.side, frame(DATA, 0, 2 * p.call as u32 + 1, piece)));
        }
    }
    for (place, bytes) in waiting.into_iter().enumerate() {
        let (call, side) = (place / 2, place % 2);
        turns.push((side, frame(DATA, 0, 2 * call as u32 + 1, &bytes)));
    }
    for n in 0..3 {
        turns.push((CLIENT, frame(DATA, END_STREAM, 2 * n + 1, b"")));
        turns.push((
            SERVER,
            answer.headers(2 * n + 1, END_STREAM, &[("grpc-status", "0")]),
        ));
    }
    (turns, truth.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    /// However messages are cut into frames and segments, the parts are the true ones, and the exchanges count them.
    #[test]
    fn messages_are_the_same_however_they_are_cut(
        plans in vec(plan(), 0..20),
        cuts in vec(1usize..300, 1..30),
    ) {
        let (turns, truth) = conversation(&plans);
        let mut wire = open();
        wire.send_turns(&turns, &cuts, &[]).close();
        prop_assert_eq!(part_lines(&wire), truth);
        let mut wanted = vec![[(0, 0); 2]; 3];
        for p in &plans {
            let (count, bytes) = &mut wanted[p.call][p.side];
            *count += 1;
            *bytes += p.payload.len() as u64;
        }
        prop_assert_eq!(counts(&wire), wanted);
    }

    /// Whatever segments are lost, each whole message that is not opaque is a true one, in the order sent.
    #[test]
    fn loss_invents_no_message(
        plans in vec(plan(), 1..60),
        cuts in vec(1usize..300, 1..30),
        lost in vec(0usize..12, 1..60),
    ) {
        let (turns, truth) = conversation(&plans);
        let mut wire = open();
        wire.send_turns(&turns, &cuts, &lost).ack(CLIENT).ack(SERVER).close();
        let events = events_of(&wire.frames, &Limits::default());
        for (call, side) in (0..6).map(|n| (n / 2, n % 2)) {
            let start = format!("{call}{} ", if side == CLIENT { '>' } else { '<' });
            let mut truths = truth.iter().map(|line| without_number(line)).filter(|line| line.starts_with(&start));
            let whole = |line: &String| !line.contains('~') && !line.ends_with("opaque");
            for line in parts(&events).into_iter().map(part_line).filter(whole) {
                let line = without_number(&line);
                if line.starts_with(&start) {
                    prop_assert!(truths.any(|t| t == line), "{line:?} is not in order among {truth:#?}");
                }
            }
        }
    }
}
