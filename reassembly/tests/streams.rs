//! Streams within an exchange: messages of WebSockets and server-sent events. Named cases, and what holds of any of them.

mod support;
#[path = "support/websocket.rs"]
mod ws;

use std::io::Write as _;

use flate2::{Compress, Compression, FlushCompress};
use proptest::collection::vec;
use proptest::prelude::*;
use reassembly::{Event, Flags, Limits};
use support::{CLIENT, SERVER, Wire, events_of, exchanges, part_line, part_lines, parts, without_number};
use ws::{UPGRADE, frame, switch, websocket};

const DEFLATE: &str = "permessage-deflate";

/// A compressor of one side.
struct Deflater {
    state: Compress,
    takeover: bool,
}

impl Deflater {
    fn new(takeover: bool) -> Self {
        Self {
            state: Compress::new(Compression::default(), false),
            takeover,
        }
    }

    /// The payload of a compressed message (RFC 7692 section 7.2.1).
    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 1000);
        self.state
            .compress_vec(text, &mut out, FlushCompress::Sync)
            .expect("it compresses");
        if out.is_empty() {
            // Nothing to flush twice: an empty block without compression (RFC 7692 section 7.2.3.6).
            return vec![0];
        }
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        if !self.takeover {
            self.state.reset();
        }
        out
    }
}

/// Turns, each in one segment and then cut at every byte, and the parts they must become.
fn talk(name: &str, extensions: &str, turns: &[(usize, Vec<u8>)], want: &[&str]) {
    let longest = turns.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    for cut in (0..=longest).take(400) {
        let mut wire = websocket(extensions);
        for (side, bytes) in turns {
            wire.send_cut(*side, bytes, cut);
        }
        wire.close();
        assert_eq!(part_lines(&wire), want, "{name}, cut at {cut}");
    }
}

#[test]
fn messages_of_a_websocket() {
    talk(
        "text, binary, ping, pong, close",
        "",
        &[
            (CLIENT, frame(CLIENT, 0x81, b"hello")),
            (SERVER, frame(SERVER, 0x82, b"\x01\x02")),
            (SERVER, frame(SERVER, 0x89, b"p")),
            (CLIENT, frame(CLIENT, 0x8a, b"p")),
            (CLIENT, frame(CLIENT, 0x88, b"\x03\xe8bye")),
            (SERVER, frame(SERVER, 0x88, b"")),
        ],
        &[
            "0>0 text 5/5 hello",
            "0>1 pong 1/1 p",
            "0>2 close 1000 5/5 bye",
            "0<0 binary 2/2 \u{1}\u{2}",
            "0<1 ping 1/1 p",
            "0<2 close 0/0",
        ],
    );
    let long = "x".repeat(300);
    talk(
        "fragments with a ping between them, and a length of two bytes",
        "",
        &[
            (
                CLIENT,
                [
                    frame(CLIENT, 0x01, b"one "),
                    frame(CLIENT, 0x89, b"!"),
                    frame(CLIENT, 0x00, b""),
                    frame(CLIENT, 0x00, b"two "),
                    frame(CLIENT, 0x80, b"three"),
                ]
                .concat(),
            ),
            (SERVER, frame(SERVER, 0x81, long.as_bytes())),
        ],
        &[
            "0>0 ping 1/1 !",
            "0>1 text 13/13 one two three",
            &format!("0<0 text 300/300 {}", &long[..40]),
        ],
    );
    talk(
        "one that is not ended",
        "",
        &[(
            SERVER,
            [
                frame(SERVER, 0x81, b"a"),
                frame(SERVER, 0x81, b"bcd")[..4].to_vec(),
            ]
            .concat(),
        )],
        &["0<0 text 1/1 a", "0<1 text 2/2~ bc truncated"],
    );
    talk(
        "form that only some receivers take",
        "",
        &[
            (CLIENT, frame(SERVER, 0x81, b"bare")),
            (SERVER, frame(CLIENT, 0x81, b"masked")),
            (SERVER, b"\x81\x7e\x00\x01x".to_vec()),
        ],
        &[
            "0>0 text 4/4 bare ambiguous",
            "0<0 text 6/6 masked ambiguous",
            "0<1 text 1/1 x ambiguous",
        ],
    );
}

#[test]
fn messages_come_as_they_are_sent_and_the_exchange_before_them() {
    let mut wire = websocket("");
    let before = wire.frames.len();
    wire.send(SERVER, frame(SERVER, 0x81, b"now"));
    let after = wire.frames.len();
    wire.wait(60_000);
    let mut reassembler = reassembly::Reassembler::new(Limits::default());
    for (number, f) in (1..).zip(&wire.frames) {
        reassembler.push(&reassembly::Packet {
            ts: reassembly::Timestamp(f.at),
            link: reassembly::LinkType::RAW,
            data: &f.ip,
            wire_len: f.ip.len() as u32,
            frame: number,
        });
        let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
        match number as usize {
            n if n == before => {
                assert!(matches!(&events[..], [Event::Exchange(e)] if e.protocol.name() == "websocket"))
            }
            n if n == after => {
                let [Event::Part(p)] = &events[..] else {
                    panic!("{events:?}")
                };
                assert_eq!((p.part.ts.0, p.part.frames), (f.at, (number, number)));
                assert!(p.settled && p.exchange == 0);
            }
            _ => assert!(events.is_empty()),
        }
    }
    // With the answer in one segment, the exchange goes first all the same.
    let mut wire = Wire::new(40_000);
    let answer = [switch("").into_bytes(), frame(SERVER, 0x81, b"at once")].concat();
    wire.open().send(CLIENT, UPGRADE).send(SERVER, answer).close();
    let events = events_of(&wire.frames, &Limits::default());
    assert!(matches!(
        &events[..],
        [Event::Exchange(_), Event::Part(_), Event::Flow(_)]
    ));
}

#[test]
fn compressed_messages() {
    // RFC 7692 section 7.2.3: "Hello" in each of the forms given there.
    let hello = [
        &[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00],
        &[
            0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        &[0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[
            0xc1, 0x0d, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
        &[0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00],
        &[0x81, 0x05, b'H', b'e', b'l', b'l', b'o'],
    ]
    .concat();
    talk(
        "the examples of RFC 7692",
        DEFLATE,
        &[(SERVER, hello)],
        &[
            "0<0 text 7/5 Hello",
            "0<1 text 5/5 Hello",
            "0<2 text 11/5 Hello",
            "0<3 text 8/5 Hello",
            "0<4 text 13/5 Hello",
            "0<5 text 7/5 Hello",
            "0<6 text 5/5 Hello",
        ],
    );
    for takeover in [true, false] {
        let extensions = if takeover {
            "permessage-deflate; client_max_window_bits=15"
        } else {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        };
        let (mut client, mut server) = (Deflater::new(takeover), Deflater::new(takeover));
        let text = b"{\"type\":\"response.delta\",\"delta\":\"some words\"}";
        let mut turns = Vec::new();
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let message = client.message(text);
            sizes.push(message.len());
            turns.push((CLIENT, frame(CLIENT, 0xc1, &message)));
            turns.push((SERVER, frame(SERVER, 0xc1, &server.message(text))));
        }
        assert_eq!(sizes[1] < sizes[0], takeover, "{sizes:?}");
        let shown = String::from_utf8_lossy(&text[..40]).into_owned();
        let line = |way: char| {
            let one = |(n, size): (usize, &usize)| format!("0{way}{n} text {size}/{} {shown}", text.len());
            sizes.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        let want = [line('>'), line('<')].concat();
        talk(
            "takeover",
            extensions,
            &turns,
            &want.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    talk(
        "a message that is no deflate, and one behind it",
        DEFLATE,
        &[(
            SERVER,
            [
                frame(SERVER, 0xc1, &[0xff; 9]),
                frame(SERVER, 0xc1, &Deflater::new(true).message(b"ok")),
            ]
            .concat(),
        )],
        &["0<0 text 9/9  opaque", "0<1 text 4/2 ok"],
    );
    talk(
        "an extension that is not known",
        "x-secret",
        &[(
            SERVER,
            [frame(SERVER, 0xf1, b"??"), frame(SERVER, 0x89, b"p")].concat(),
        )],
        &["0<0 text 2/2  opaque", "0<1 ping 1/1 p"],
    );
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut deflater = Deflater::new(true);
    let zeros = vec![0; 200_000];
    let mut wire = websocket(DEFLATE);
    for _ in 0..200 {
        let message = deflater.message(&zeros);
        wire.send(SERVER, frame(SERVER, 0xc2, &message));
    }
    let events = events_of(&wire.frames, &Limits::default());
    let parts = parts(&events);
    assert_eq!(parts.len(), 200);
    let unpacked: u64 = parts.iter().map(|p| p.part.content_bytes).sum();
    let sent: u64 = parts.iter().map(|p| p.part.bytes).sum();
    assert!(
        unpacked < (2 << 20) + 128 * sent + 200_000,
        "{sent} became {unpacked}"
    );
    assert!(parts[0].part.complete && parts[0].part.flags.is_empty());
    assert!(parts[199].part.flags.contains(Flags::OPAQUE) && parts[199].part.body.is_empty());
}

#[test]
fn what_broken_messages_unpack_to_is_counted_alike_however_they_are_cut() {
    // Each ends in a block of a kind that does not exist; between them are honest ones that hardly pack.
    let mut frames = Vec::new();
    let mut noise = 1_u32;
    for n in 0..40 {
        let mut broken = Deflater::new(false).message(&vec![b'z'; 100_000]);
        broken.extend([0xff; 60]);
        frames.push(frame(SERVER, 0xc2, &broken));
        let any = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        let honest = Deflater::new(false).message(&any.take(100 + n).collect::<Vec<_>>());
        frames.push(frame(SERVER, 0xc2, &honest));
    }
    let sent = frames.concat();
    let read = |cut: usize| {
        let mut wire = websocket("permessage-deflate; server_no_context_takeover");
        wire.send_cut(SERVER, &sent, cut).close();
        part_lines(&wire)
    };
    let whole = read(0);
    // All that was made counts, until more that was sent allows for more.
    assert!(whole[51].contains(" 131/125 "), "{}", whole[51]);
    assert!(whole[53].ends_with("truncated,opaque"), "{}", whole[53]);
    assert!(whole[57].contains(" 134/128 "), "{}", whole[57]);
    for cut in [1, 2, 3, 7, 50, 199, 1000, 4096, 5000] {
        assert_eq!(read(cut), whole, "cut at {cut}");
    }
}

#[test]
fn a_loss_in_a_payload_damages_its_message_only() {
    let mut wire = websocket("");
    let sent = frame(SERVER, 0x81, b"0123456789");
    wire.send(SERVER, &sent[..5])
        .lose(SERVER, &sent[5..8])
        .send(SERVER, &sent[8..]);
    wire.send(SERVER, frame(SERVER, 0x81, b"next"))
        .ack(CLIENT)
        .close();
    assert_eq!(part_lines(&wire), ["0<0 text 7/7~ 012 gap", "0<1 text 4/4 next"]);
    // With context takeover, what refers to the lost message cannot be read; what does not, can.
    let mut deflater = Deflater::new(true);
    let messages: Vec<Vec<u8>> = [
        "one and only one",
        "two words more",
        "one and only one",
        "Q",
        "Q and then Z",
    ]
    .iter()
    .map(|text| frame(SERVER, 0xc1, &deflater.message(text.as_bytes())))
    .collect();
    let mut wire = websocket(DEFLATE);
    wire.send(SERVER, &messages[0]);
    wire.send(SERVER, &messages[1][..4])
        .lose(SERVER, &messages[1][4..]);
    for message in &messages[2..] {
        wire.send(SERVER, message);
    }
    wire.ack(CLIENT).close();
    let lines = part_lines(&wire);
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[1].contains("~") && lines[1].ends_with("gap"), "{lines:?}");
    assert!(lines[2].ends_with("opaque"), "{lines:?}");
    assert!(lines[3].ends_with("/1 Q"), "{lines:?}");
}

#[test]
fn behind_a_loss_of_framing_only_evidence_counts() {
    // Frames at the beginning of segments, as most senders write them.
    let mut wire = websocket("");
    wire.send(SERVER, frame(SERVER, 0x81, b"seen"));
    wire.lose(
        SERVER,
        &[frame(SERVER, 0x81, b"lost"), frame(SERVER, 0x81, b"half lost")].concat()[..9],
    );
    wire.send(SERVER, b"t lost and \x81");
    let texts = ["first", "second", "third", "fourth"].map(|text| format!("{text:.<200}"));
    for text in &texts {
        wire.send(SERVER, frame(SERVER, 0x81, text.as_bytes()));
    }
    wire.ack(CLIENT).close();
    // The first ones are the evidence.
    let found = |n: usize, flags: &str| format!("0<{} text 200/200 {}{flags}", n - 1, &texts[n][..40]);
    let want = ["0<0 text 4/4 seen".to_owned(), found(2, " gap"), found(3, "")];
    assert_eq!(part_lines(&wire), want);
    // Segments of a byte begin at every frame, and say nothing by that.
    let mut bytes = websocket("");
    bytes.lose(SERVER, b"lost");
    for text in &texts {
        for byte in frame(SERVER, 0x81, text.as_bytes()) {
            bytes.send(SERVER, [byte]);
        }
    }
    bytes.ack(CLIENT).close();
    assert!(part_lines(&bytes).is_empty());
    // Within segments it takes more of them.
    for (count, found) in [(5, 0), (6, 1), (40, 35)] {
        let mut wire = websocket("");
        wire.lose(CLIENT, b"some frame");
        let all: Vec<u8> = (0..count)
            .flat_map(|n| frame(CLIENT, 0x81, format!("message {n}").as_bytes()))
            .collect();
        wire.send(CLIENT, [b"rest", &all[..]].concat())
            .ack(SERVER)
            .close();
        let lines = part_lines(&wire);
        assert_eq!(lines.len(), found, "of {count}: {lines:?}");
        if found > 0 {
            assert_eq!(lines[0], "0>0 text 9/9 message 5 gap");
        }
    }
    // Rows of zeros, and a server that seems to mask, are no evidence.
    for junk in [vec![0; 5000], frame(CLIENT, 0x81, b"masked").repeat(50)] {
        let mut wire = websocket("");
        wire.lose(SERVER, b"some frame")
            .send(SERVER, junk)
            .ack(CLIENT)
            .close();
        assert!(part_lines(&wire).is_empty());
    }
}

#[test]
fn parts_of_nothing_are_bounded() {
    let mut wire = websocket("");
    for _ in 0..50 {
        wire.send(SERVER, frame(SERVER, 0x8a, b"").repeat(700));
    }
    let events = events_of(&wire.frames, &Limits::default());
    let count = parts(&events).len();
    assert!((4096..4096 + 35_000 * 2 / 16 + 1).contains(&count), "{count}");
}

#[test]
fn a_search_is_bounded() {
    // Beginnings of long messages at every place: each could be one, until the next turns out to be none.
    let mut wire = websocket("");
    wire.lose(SERVER, b"x").send(SERVER, b"y").ack(CLIENT).wait(1000);
    let limits = Limits {
        memory: 2 << 20,
        ..Limits::default()
    };
    for _ in 0..300 {
        wire.send(SERVER, b"\x02\x7e\xff\x00".repeat(350));
    }
    wire.ack(CLIENT);
    let mut reassembler = reassembly::Reassembler::new(limits);
    for f in &wire.frames {
        reassembler.push(&reassembly::Packet {
            ts: reassembly::Timestamp(f.at),
            link: reassembly::LinkType::RAW,
            data: &f.ip,
            wire_len: f.ip.len() as u32,
            frame: 0,
        });
        assert!(reassembler.weight() < 32 << 10, "{}", reassembler.weight());
    }
}

fn event_stream(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n{fields}\r\n")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn events_come_as_they_are_sent() {
    // An endless response: nothing is closed.
    for cut in 0..80 {
        let mut wire = Wire::new(40_000);
        wire.open().send(CLIENT, EVENTS);
        wire.send(SERVER, event_stream("Transfer-Encoding: chunked\r\n"));
        wire.send_cut(
            SERVER,
            chunk(b": hi\n\ndata: one\n\nevent: tick\r\nid: 7\r\ndata: tw"),
            cut,
        );
        wire.send_cut(SERVER, chunk(b"o\r\ndata: lines\r\n\r\ndata: unfinished\n"), cut);
        let mut reassembler = reassembly::Reassembler::new(Limits::default());
        let mut events = Vec::new();
        for f in &wire.frames {
            reassembler.push(&reassembly::Packet {
                ts: reassembly::Timestamp(f.at),
                link: reassembly::LinkType::RAW,
                data: &f.ip,
                wire_len: f.ip.len() as u32,
                frame: 0,
            });
            events.extend(std::iter::from_fn(|| reassembler.poll()));
        }
        let lines: Vec<String> = parts(&events).into_iter().map(part_line).collect();
        assert_eq!(
            lines,
            ["0<0 event 11/3 one", "0<1 event tick id=7 45/9 two\nlines"],
            "cut at {cut}"
        );
        assert_eq!(events.len(), 2, "the exchange is not over");
        reassembler.finish();
        let Some(Event::Exchange(e)) = reassembler.poll() else {
            panic!("an exchange")
        };
        assert_eq!(e.response.expect("a response").message.parts, 2);
    }
}

#[test]
fn events_of_compressed_responses() {
    let texts = ["data: one\n\n", "event: e\ndata: two\n\n", "data: three\n\n"];
    let want = [
        "0<0 event 11/3 one",
        "0<1 event e 20/3 two",
        "0<2 event 13/5 three",
    ];
    for coding in ["gzip", "zstd", "br"] {
        // Each event is flushed by the server, and must be out before the next is sent.
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        match coding {
            "gzip" => {
                let mut coder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
                for text in texts {
                    coder.write_all(text.as_bytes()).expect("a vector");
                    coder.flush().expect("a vector");
                    pieces.push(std::mem::take(coder.get_mut()));
                }
            }
            "zstd" => {
                let mut coder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
                for text in texts {
                    coder.write_all(text.as_bytes()).expect("a vector");
                    coder.flush().expect("a vector");
                    pieces.push(std::mem::take(coder.get_mut()));
                }
            }
            _ => {
                // Blocks that are not compressed, RFC 7932 section 9.2: a window of 16 bits, then one block an event.
                for (number, text) in texts.iter().enumerate() {
                    let mut bits = vec![];
                    if number == 0 {
                        bits.push((0u32, 1)); // WBITS 16
                    }
                    bits.extend([(0, 1), (0, 2), (text.len() as u32 - 1, 16), (1, 1)]);
                    let (mut word, mut at) = (0u64, 0);
                    for (value, len) in bits {
                        word |= u64::from(value) << at;
                        at += len;
                    }
                    let mut piece = word.to_le_bytes()[..(at as usize).div_ceil(8)].to_vec();
                    piece.extend(text.as_bytes());
                    pieces.push(piece);
                }
            }
        }
        let mut wire = Wire::new(40_000);
        wire.open().send(CLIENT, EVENTS);
        let fields = format!("Content-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n");
        wire.send(SERVER, event_stream(&fields));
        for (number, piece) in pieces.iter().enumerate() {
            wire.send(SERVER, chunk(piece));
            let mut reassembler = reassembly::Reassembler::new(Limits::default());
            let mut events = Vec::new();
            for f in &wire.frames {
                reassembler.push(&reassembly::Packet {
                    ts: reassembly::Timestamp(f.at),
                    link: reassembly::LinkType::RAW,
                    data: &f.ip,
                    wire_len: f.ip.len() as u32,
                    frame: 0,
                });
                events.extend(std::iter::from_fn(|| reassembler.poll()));
            }
            let lines: Vec<String> = parts(&events).into_iter().map(part_line).collect();
            assert_eq!(lines, want[..=number], "{coding}, after {number}");
        }
    }
}

#[test]
fn what_is_no_event_stream_has_no_events_and_a_loss_hides_one() {
    let mut wire = Wire::new(40_000);
    wire.open().send(CLIENT, EVENTS);
    wire.send(
        SERVER,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\ndata: a\n\n",
    );
    wire.send(CLIENT, EVENTS);
    wire.send(SERVER, event_stream(""));
    wire.send(SERVER, "data: one\n\ndata: tw")
        .lose(SERVER, "o\n\ndata: th");
    wire.send(SERVER, "ree\n\ndata: four\n\ndata: none").ack(CLIENT);
    wire.fin(SERVER).fin(CLIENT);
    assert_eq!(
        part_lines(&wire),
        ["1<0 event 11/3 one", "1<1 event 12/4 four gap"]
    );
    let events = events_of(&wire.frames, &Limits::default());
    let found = exchanges(&events);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].line(), "GET /events a > 200 0/46~ gap");
}

/// A message to be written.
#[derive(Debug, Clone)]
struct Message {
    side: usize,
    kind: u8,
    payload: Vec<u8>,
    fragments: usize,
    compressed: bool,
}

fn message() -> impl Strategy<Value = Message> {
    let kind = prop::sample::select(vec![1u8, 1, 1, 2, 2, 9, 10]);
    let words = vec(
        prop::sample::select(vec!["delta ", "{\"a\":", "1", "}", "\u{e9}", "word "]),
        0..40,
    );
    let payload = prop_oneof![
        words.prop_map(|w| w.concat().into_bytes()),
        vec(any::<u8>(), 0..200),
        (0usize..3000).prop_map(|len| vec![b'z'; len]),
    ];
    (0usize..2, kind, payload, 1usize..4, any::<bool>()).prop_map(
        |(side, kind, mut payload, fragments, compressed)| {
            let control = kind > 2;
            if control {
                payload.truncate(100);
            }
            Message {
                side,
                kind,
                payload,
                fragments: if control { 1 } else { fragments },
                compressed: compressed && !control,
            }
        },
    )
}

/// The frames of messages, and what the parts must be.
fn write(messages: &[Message], takeover: bool) -> (Vec<(usize, Vec<u8>)>, Vec<String>) {
    let mut deflaters = [Deflater::new(takeover), Deflater::new(takeover)];
    let mut numbers = [0, 0];
    let (mut turns, mut truth) = (Vec::new(), Vec::new());
    for m in messages {
        let payload = if m.compressed {
            deflaters[m.side].message(&m.payload)
        } else {
            m.payload.clone()
        };
        let mut wire = Vec::new();
        let size = payload.len().div_ceil(m.fragments).max(1);
        let count = payload.len().div_ceil(size).max(1);
        for n in 0..count {
            let piece = &payload[(n * size).min(payload.len())..((n + 1) * size).min(payload.len())];
            let first = if n == 0 {
                m.kind | if m.compressed { 0x40 } else { 0 }
            } else {
                0
            };
            let fin = if n + 1 == count { 0x80 } else { 0 };
            wire.extend(frame(m.side, first | fin, piece));
        }
        let kind = match m.kind {
            1 => "text",
            2 => "binary",
            9 => "ping",
            _ => "pong",
        };
        let way = if m.side == CLIENT { '>' } else { '<' };
        let text: String = String::from_utf8_lossy(&m.payload).chars().take(40).collect();
        let line = format!(
            "0{way}{} {kind} {}/{} {text}",
            numbers[m.side],
            payload.len(),
            m.payload.len()
        );
        truth.push((m.side, line.trim_end().to_owned()));
        numbers[m.side] += 1;
        turns.push((m.side, wire));
    }
    truth.sort_by_key(|(side, _)| *side);
    (turns, truth.into_iter().map(|(_, line)| line).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// However messages are cut into segments, the parts are the true ones.
    #[test]
    fn messages_are_the_same_however_they_are_cut(
        messages in vec(message(), 0..12),
        takeover in any::<bool>(),
        cuts in vec(1usize..300, 1..30),
    ) {
        let extensions = if takeover { DEFLATE } else { "permessage-deflate; client_no_context_takeover; server_no_context_takeover" };
        let (turns, truth) = write(&messages, takeover);
        let mut wire = websocket(extensions);
        wire.send_turns(&turns, &cuts, &[]).close();
        prop_assert_eq!(part_lines(&wire), truth);
    }

    /// Whatever segments are lost, each whole part that is not opaque is a true one, in the order sent.
    #[test]
    fn loss_invents_no_message(
        messages in vec(message(), 1..40),
        takeover in any::<bool>(),
        cuts in vec(1usize..300, 1..30),
        lost in vec(0usize..12, 1..60),
    ) {
        let extensions = if takeover { DEFLATE } else { "permessage-deflate; client_no_context_takeover; server_no_context_takeover" };
        let (turns, truth) = write(&messages, takeover);
        let mut wire = websocket(extensions);
        wire.send_turns(&turns, &cuts, &lost).ack(CLIENT).ack(SERVER).close();
        let events = events_of(&wire.frames, &Limits::default());
        let mut found: Vec<_> = parts(&events)
            .into_iter()
            .filter(|p| p.part.complete && !p.part.flags.contains(Flags::OPAQUE))
            .collect();
        found.sort_by_key(|p| (p.part.direction, p.part.number));
        let mut truths = truth.iter().map(|line| without_number(line));
        for part in found {
            let line = without_number(&part_line(part));
            prop_assert!(truths.any(|t| t == line), "{line:?} is not in order among {truth:#?}");
        }
    }

    /// Events are the same however the response is cut, framed and coded, and a loss invents none.
    #[test]
    fn events_are_the_same_however_they_are_cut(
        stream in vec(prop::sample::select(vec![
            "data: one\n", "data:two\r\n", "data\r", "event: e\n", "id: 1\r", ": c\n", "\n", "\r\n", "\n\n", "\r", "x", "data", ":",
        ]), 0..60),
        gzip in any::<bool>(),
        cuts in vec(1usize..40, 1..30),
        loss in prop::option::of(0usize..40),
    ) {
        let text = stream.concat().into_bytes();
        let coded = if gzip {
            let mut coder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
            coder.write_all(&text).expect("a vector");
            coder.finish().expect("a vector")
        } else {
            text
        };
        let fields = if gzip { "Content-Encoding: gzip\r\n" } else { "" };
        let mut plain = Wire::new(40_000);
        plain.open().send(CLIENT, EVENTS).send(SERVER, event_stream(fields)).send(SERVER, &coded);
        plain.fin(SERVER).fin(CLIENT);
        let truth = part_lines(&plain);
        let mut wire = Wire::new(40_000);
        wire.open().send(CLIENT, EVENTS).send(SERVER, event_stream(fields));
        let mut cuts = cuts.iter().cycle();
        let (mut rest, mut number) = (&coded[..], 0);
        while !rest.is_empty() {
            let len = cuts.next().copied().unwrap_or(1).min(rest.len());
            if loss == Some(number) {
                wire.lose(SERVER, &rest[..len]);
            } else {
                wire.send(SERVER, &rest[..len]);
            }
            number += 1;
            rest = &rest[len..];
        }
        let lossy = loss.is_some_and(|at| at < number);
        wire.ack(CLIENT).fin(SERVER).fin(CLIENT);
        if lossy {
            let mut truths = truth.iter().map(|line| without_number(line));
            for line in part_lines(&wire) {
                let line = without_number(&line);
                prop_assert!(truths.any(|t| t == line), "{line:?} is not in order among {truth:#?}");
            }
        } else {
            prop_assert_eq!(part_lines(&wire), truth);
        }
    }
}
