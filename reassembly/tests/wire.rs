//! Named cases of the wire: what each must become. Cheap ones are also cut at every byte.

mod support;

use std::net::SocketAddr;

use reassembly::{App, Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use support::{CLIENT, Frame, MS, SERVER, Seen, Wire, events_of, exchanges, flows, lines};
use testdata::wire::{Extension, Flags, Tcp, ip_packet};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A flow with its handshake.
fn open() -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open();
    wire
}

/// A dialogue, each message in one segment and then cut at every byte, and what it must become. An empty text
/// of the client stands for one that says nothing before the server speaks again.
fn talk(name: &str, turns: &[(usize, &str)], closing: fn(&mut Wire), want: &[&str]) {
    let longest = turns.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    for cut in 0..=longest {
        let mut wire = open();
        for (side, text) in turns {
            wire.send_cut(*side, text, cut);
        }
        closing(&mut wire);
        assert_eq!(lines(&wire), want, "{name}, cut at {cut}");
    }
}

fn close(wire: &mut Wire) {
    wire.close();
}

#[test]
fn messages_and_their_framing() {
    talk(
        "keep-alive",
        &[
            (CLIENT, &get("/1")),
            (SERVER, OK),
            (CLIENT, &get("/2")),
            (SERVER, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ],
        close,
        &["GET /1 a > 200 0/2", "GET /2 a > 404 0/0"],
    );
    talk(
        "pipelined",
        &[
            (CLIENT, &[get("/1"), get("/2"), get("/3")].concat()),
            (SERVER, &OK.replace("200", "201")),
            (SERVER, &[OK, OK].concat()),
        ],
        close,
        &["GET /1 a > 201 0/2", "GET /2 a > 200 0/2", "GET /3 a > 200 0/2"],
    );
    talk(
        "100-continue",
        &[
            (
                CLIENT,
                "PUT /u HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
            ),
            (SERVER, "HTTP/1.1 100 Continue\r\n\r\n"),
            (CLIENT, "abc"),
            (SERVER, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        ],
        close,
        &["PUT /u a > 201 3/0"],
    );
    talk(
        "HEAD tells a length and sends none",
        &[
            (CLIENT, "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n"),
            (SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
            (CLIENT, &get("/n")),
            (SERVER, OK),
        ],
        close,
        &["HEAD /h a > 200 0/0", "GET /n a > 200 0/2"],
    );
    talk(
        "204 and 304 have no body whatever they say",
        &[
            (CLIENT, &[get("/1"), get("/2"), get("/3")].concat()),
            (
                SERVER,
                "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n",
            ),
            (SERVER, OK),
        ],
        close,
        &["GET /1 a > 204 0/0", "GET /2 a > 304 0/0", "GET /3 a > 200 0/2"],
    );
    talk(
        "chunked with extensions and trailers",
        &[
            (
                CLIENT,
                "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
            ),
            (
                SERVER,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n",
            ),
            (CLIENT, &get("/n")),
            (SERVER, OK),
        ],
        close,
        &["POST /c a > 200 3/11", "GET /n a > 200 0/2"],
    );
    talk(
        "folded field",
        &[
            (CLIENT, "GET /f HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n  2\r\n\r\n"),
            (SERVER, OK),
        ],
        close,
        &["GET /f a > 200 0/2 ambiguous,folded_header"],
    );
    talk(
        "bare LF",
        &[
            (CLIENT, "GET /l HTTP/1.1\nHost: a\n\n"),
            (SERVER, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ],
        close,
        &["GET /l a > 200 0/2 ambiguous,bare_lf"],
    );
    talk(
        "no target",
        &[
            (CLIENT, "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
            (SERVER, OK),
            (CLIENT, &get("/n")),
            (SERVER, OK),
        ],
        close,
        &[
            "GET  a > 200 0/2 ambiguous,start_line_malformed",
            "GET /n a > 200 0/2",
        ],
    );
    for (length, body) in [("9223372036854775807", true), ("9223372036854775808", false)] {
        let post = format!("POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let behind = get("/behind");
        let whole = format!("POST /l a > - {}~/0~ truncated,no_response", behind.len());
        let want: &[&str] = if body {
            &[&whole]
        } else {
            &[
                "POST /l a > 200 0/2 ambiguous,content_length_malformed",
                "GET /behind a > 200 0/2",
            ]
        };
        let answers = [OK, OK].concat();
        let turns = [(CLIENT, post.as_str()), (CLIENT, &behind), (SERVER, &answers)];
        talk(
            "a length that no file has",
            if body { &turns[..2] } else { &turns },
            close,
            want,
        );
    }
    talk(
        "both lengths",
        &[
            (
                CLIENT,
                "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            (SERVER, OK),
        ],
        close,
        &["POST /s a > 200 0/2 ambiguous,length_and_transfer_coding"],
    );
}

#[test]
fn ends_of_connections() {
    let to_close = [
        (CLIENT, "GET /c HTTP/1.0\r\n\r\n"),
        (SERVER, "HTTP/1.0 200 OK\r\n\r\nsome text"),
    ];
    talk(
        "closed by FIN",
        &to_close,
        |w| _ = w.fin(SERVER).fin(CLIENT).ack(SERVER),
        &["GET /c  > 200 0/9"],
    );
    talk(
        "half-closed client",
        &to_close,
        |w| _ = w.fin(SERVER),
        &["GET /c  > 200 0/9"],
    );
    talk(
        "reset",
        &to_close,
        |w| _ = w.rst(SERVER),
        &["GET /c  > 200 0/9~ truncated"],
    );
    talk("no end", &to_close, |_| {}, &["GET /c  > 200 0/9~ truncated"]);
    talk(
        "reset in a body",
        &[
            (CLIENT, &get("/r")),
            (SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome"),
        ],
        |w| _ = w.rst(CLIENT),
        &["GET /r a > 200 0/4~ truncated"],
    );
    talk(
        "no response",
        &[(CLIENT, &get("/x"))],
        |w| _ = w.ack(SERVER).close(),
        &["GET /x a > - 0/0~ no_response"],
    );
    // The client ends its direction and is answered all the same.
    let mut wire = open();
    wire.send(CLIENT, get("/h"))
        .fin(CLIENT)
        .ack(SERVER)
        .send(SERVER, OK)
        .fin(SERVER)
        .ack(CLIENT);
    assert_eq!(lines(&wire), ["GET /h a > 200 0/2"]);
}

#[test]
fn tunnels_and_upgrades() {
    talk(
        "CONNECT",
        &[
            (CLIENT, "CONNECT db:443 HTTP/1.1\r\nHost: db:443\r\n\r\n"),
            (SERVER, "HTTP/1.1 200 Yes\r\n\r\n"),
            (CLIENT, "GET /in HTTP/1.1\r\nHost: a\r\n\r\n"),
            (SERVER, OK),
        ],
        close,
        &["CONNECT db:443 db:443 > 200 0/0", "GET /in a > 200 0/2"],
    );
    talk(
        "CONNECT declined",
        &[
            (CLIENT, "CONNECT db:443 HTTP/1.1\r\nHost: db:443\r\n\r\n"),
            (SERVER, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
            (CLIENT, &get("/n")),
            (SERVER, OK),
        ],
        close,
        &["CONNECT db:443 db:443 > 403 0/0", "GET /n a > 200 0/2"],
    );
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut wire = open();
    wire.send(CLIENT, upgrade)
        .send(SERVER, switch)
        .send(SERVER, b"\x81\x02hi")
        .send(CLIENT, b"\x81\x82abcd\x09\x0b")
        .close();
    let found = exchanges(&events_of(&wire.frames, &Limits::default()));
    assert_eq!(
        found.iter().map(Seen::line).collect::<Vec<_>>(),
        ["GET /ws a > 101 0/0"]
    );
    assert_eq!(found[0].protocol, "websocket");
    talk(
        "upgrade declined",
        &[
            (CLIENT, upgrade),
            (SERVER, OK),
            (CLIENT, &get("/n")),
            (SERVER, OK),
        ],
        close,
        &["GET /ws a > 200 0/2", "GET /n a > 200 0/2"],
    );
}

#[test]
fn what_is_not_http_is_told() {
    for (first, app) in [
        (&b"\x16\x03\x01\x00\x05hello"[..], App::Tls),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", App::Http2),
        (b"\x00\x01\x02\x03binary\n\n", App::Unknown),
    ] {
        let mut wire = open();
        wire.send(CLIENT, first).send(SERVER, b"\x00\x00answer").close();
        let events = events_of(&wire.frames, &Limits::default());
        assert_eq!(exchanges(&events), []);
        assert_eq!(flows(&events).iter().map(|f| f.app).collect::<Vec<_>>(), [app]);
    }
}

#[test]
fn a_differing_copy_is_told_and_the_first_one_counts() {
    let body = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    // Behind a missing segment, so both copies are held; and after delivery, with the same bounds.
    let mut held = open();
    held.send(CLIENT, body);
    let gone = held.frames.len() - 1;
    held.send(CLIENT, "abcd");
    held.raw(CLIENT, body.len(), b"aXcd", Flags::ACK, 0);
    let first = held.frames.remove(gone);
    held.frames.push(Frame {
        at: held.now,
        ..first
    });
    held.send(SERVER, OK).close();
    let mut delivered = open();
    delivered.send(CLIENT, body).send(CLIENT, "abcd");
    delivered.raw(CLIENT, body.len(), b"aXcd", Flags::ACK, 0);
    delivered.send(SERVER, OK).close();
    let mut faithful = open();
    faithful
        .send(CLIENT, body)
        .send(CLIENT, "abcd")
        .resend(CLIENT, body.len(), body.len() + 4);
    faithful.send(SERVER, OK).close();
    for (wire, flags) in [(held, "conflict"), (delivered, "conflict"), (faithful, "")] {
        let found = exchanges(&events_of(&wire.frames, &Limits::default()));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].flags, flags);
        assert_eq!(found[0].sent.as_ref().unwrap().body, b"abcd");
    }
}

#[test]
fn a_keep_alive_byte_is_no_retransmission() {
    let mut wire = open();
    wire.send(CLIENT, get("/1"))
        .send(SERVER, OK)
        .ack(CLIENT)
        .wait(75_000);
    let (sent, got) = (wire.sent(CLIENT), wire.sent(SERVER));
    wire.raw(CLIENT, sent - 1, b"\0", Flags::ACK, got);
    wire.ack(SERVER);
    wire.raw(SERVER, got - 1, b"\xff", Flags::ACK, sent);
    wire.ack(CLIENT).send(CLIENT, get("/2")).send(SERVER, OK).close();
    assert_eq!(lines(&wire), ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"]);
}

#[test]
fn addresses_used_again_are_another_flow() {
    for polite in [true, false] {
        let mut first = open();
        first.send(CLIENT, get("/1")).send(SERVER, OK);
        if polite {
            first.close();
        }
        let mut second = Wire::new(40_000).sequence(3_000_000_000, 99);
        second.now = first.now + 20 * MS;
        second.open().send(CLIENT, get("/2")).send(SERVER, OK).close();
        first.frames.extend(second.frames);
        let events = events_of(&first.frames, &Limits::default());
        let found: Vec<String> = exchanges(&events).iter().map(Seen::line).collect();
        assert_eq!(
            found,
            ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"],
            "closed before: {polite}"
        );
        assert_eq!(flows(&events).len(), 2);
    }
}

#[test]
fn a_quiet_flow_ends_when_it_was_idle() {
    let mut wire = open();
    wire.send(CLIENT, get("/1"))
        .send(SERVER, "HTTP/1.1 200 OK\r\n\r\nuntil");
    let mut reassembler = Reassembler::new(Limits::default());
    for frame in &wire.frames {
        reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
    }
    reassembler.advance(Timestamp(wire.now + 299_000 * MS));
    assert_eq!(reassembler.open_flows(), 1);
    reassembler.advance(Timestamp(wire.now + 301_000 * MS));
    assert_eq!(reassembler.open_flows(), 0);
    let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
    assert_eq!(exchanges(&events)[0].line(), "GET /1 a > 200 0/5~ truncated");
}

#[test]
fn a_capture_taken_again_begins_anew_and_holds_nothing_of_the_first() {
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK).wait(40_000);
    wire.send(CLIENT, get("/2")).send(SERVER, OK);
    let mut reassembler = Reassembler::new(Limits::default());
    for _ in 0..2 {
        for frame in &wire.frames {
            reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
        }
        assert_eq!(reassembler.open_flows(), 1);
    }
    reassembler.finish();
    let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
    let lines: Vec<String> = exchanges(&events).iter().map(|e| e.line()).collect();
    let (first, second) = ("GET /1 a > 200 0/2", "GET /2 a > 200 0/2");
    assert_eq!(lines, [first, first, second, second]);
    assert_eq!(flows(&events).len(), 2);
}

#[test]
fn what_a_gap_leaves() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let next = |wire: &mut Wire| {
        wire.ack(CLIENT).send(CLIENT, get("/n")).send(SERVER, OK).close();
        lines(wire)
    };
    let mut body = open();
    body.send(CLIENT, get("/1"))
        .send(SERVER, [long, "01"].concat())
        .lose(SERVER, "234")
        .send(SERVER, "56789");
    assert_eq!(
        next(&mut body),
        ["GET /1 a > 200 0/7~ gap", "GET /n a > 200 0/2"],
        "in a body"
    );

    let mut head = open();
    head.send(CLIENT, get("/1"))
        .send(SERVER, "HTTP/1.1 200 OK\r\nA: b\r\nX-")
        .lose(SERVER, "Y: z\r\nContent-")
        .send(SERVER, "Length: 2\r\n\r\nok");
    assert_eq!(
        next(&mut head),
        ["GET /1 a > 200 0/0~ gap", "GET /n a > 200 0/2"],
        "in a head"
    );

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut data = open();
    data.send(CLIENT, get("/1"))
        .send(SERVER, [chunked, "A\r\n01"].concat())
        .lose(SERVER, "234")
        .send(SERVER, "56789\r\n0\r\n\r\n");
    assert_eq!(
        next(&mut data),
        ["GET /1 a > 200 0/7~ gap", "GET /n a > 200 0/2"],
        "in a chunk"
    );

    let mut framing = open();
    framing
        .send(CLIENT, get("/1"))
        .send(SERVER, [chunked, "2\r\nab"].concat())
        .lose(SERVER, "\r\n3\r")
        .send(SERVER, "\nabc\r\n0\r\n\r\n");
    assert_eq!(
        next(&mut framing),
        ["GET /1 a > 200 0/2~ gap", "GET /n a > 200 0/2"],
        "in chunk framing"
    );

    // The middle one of three requests is lost whole: its response stays alone and the others are paired.
    let mut request = open();
    request.send(CLIENT, get("/1")).send(SERVER, OK);
    request
        .lose(CLIENT, get("/2"))
        .send(SERVER, OK.replace("200", "202"));
    let found = next(&mut request);
    assert!(found.contains(&"GET /1 a > 200 0/2".to_owned()), "{found:?}");
    assert!(found.contains(&"GET /n a > 200 0/2".to_owned()), "{found:?}");
    assert!(
        found
            .iter()
            .any(|l| l.starts_with("- > 202") && l.contains("no_request")),
        "{found:?}"
    );
    assert_eq!(found.len(), 3);

    // And so with the response.
    let mut response = open();
    response.send(CLIENT, get("/1")).send(SERVER, OK);
    response
        .send(CLIENT, get("/2"))
        .lose(SERVER, OK.replace("200", "202"));
    let found = next(&mut response);
    let want = [
        "GET /1 a > 200 0/2",
        "GET /2 a > - 0/0~ gap,no_response",
        "GET /n a > 200 0/2",
    ];
    assert_eq!(found, want);
}

/// Pipelined: the middle response is lost. Which request the last one answers is known from the end.
#[test]
fn nothing_is_paired_by_guess_in_a_pipeline() {
    let mut wire = open();
    wire.send(CLIENT, [get("/1"), get("/2"), get("/3")].concat());
    wire.lose(SERVER, OK)
        .send(SERVER, OK.replace("200", "203"))
        .rst(SERVER);
    for line in lines(&wire) {
        assert!(
            line.contains("no_re"),
            "{line} is a guess: the last response may be lost too"
        );
    }
}

/// The last request and response are lost but for the acknowledgments of them: the response before must not
/// be counted back to another request.
#[test]
fn losses_at_the_end_are_losses_too() {
    let mut wire = open();
    wire.send(CLIENT, "HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n")
        .lose(SERVER, "H");
    wire.send(SERVER, "TTP/1.1 200 OK\r\n\r\n")
        .ack(CLIENT)
        .send(CLIENT, "G")
        .lose(CLIENT, &get("/1")[1..]);
    wire.send(SERVER, OK.replace("200", "201")).close();
    let found = lines(&wire);
    assert!(
        found
            .iter()
            .all(|l| !(l.starts_with("HEAD") && l.contains("201"))),
        "{found:?}"
    );
}

/// Whose request is unknown may have answered HEAD: the next response tells, wherever segments are cut.
#[test]
fn a_response_to_head_joined_midway() {
    for cut in 0..OK.len() {
        let mut wire = open();
        wire.lose(CLIENT, "HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.frames.clear();
        wire.send(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
        wire.send(CLIENT, get("/1")).send_cut(SERVER, OK, cut).close();
        let want = ["- > 200 0/0 midstream,no_request", "GET /1 a > 200 0/2 midstream"];
        let found: Vec<String> = lines(&wire)
            .iter()
            .map(|l| l.replace("0~/", "0/").replace("gap,", ""))
            .collect();
        assert_eq!(found, want, "cut at {cut}");
    }
}

#[test]
fn joined_in_the_middle_of_a_body() {
    let mut wire = open();
    wire.lose(CLIENT, get("/0"));
    wire.lose(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n0123")
        .send(SERVER, "4567");
    wire.frames.drain(..3);
    wire.ack(CLIENT)
        .send(CLIENT, get("/1"))
        .send(SERVER, OK)
        .send(CLIENT, get("/2"))
        .send(SERVER, OK)
        .close();
    assert_eq!(
        lines(&wire),
        ["GET /1 a > 200 0/2 midstream", "GET /2 a > 200 0/2 midstream"]
    );
}

#[test]
fn one_direction_alone() {
    for (side, want) in [
        (CLIENT, "GET /1 a > - 0/0~ one_sided,no_response"),
        (SERVER, "- > 200 0~/2 "),
    ] {
        let mut wire = open();
        wire.send(CLIENT, get("/1")).send(SERVER, OK).close();
        wire.frames.retain(|f| f.side == side);
        let found = lines(&wire);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(want), "{found:?}");
    }
}

/// A mirror port may deliver the response before the end of its request.
#[test]
fn directions_that_come_apart_are_put_together() {
    for late in 1..20 {
        let mut wire = open();
        let upload = "POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc";
        wire.send(CLIENT, upload)
            .send(CLIENT, "def")
            .send(SERVER, OK)
            .send(CLIENT, get("/2"))
            .send(SERVER, OK)
            .close();
        for frame in wire.frames.iter_mut().skip(3).filter(|f| f.side == CLIENT) {
            frame.at += late * 10 * MS;
        }
        wire.frames.sort_by_key(|f| f.at);
        assert_eq!(
            lines(&wire),
            ["POST /u a > 200 6/2", "GET /2 a > 200 0/2"],
            "{late}0 ms apart"
        );
    }
}

fn packet(link: LinkType, data: &[u8], at: u64) -> Packet<'_> {
    Packet {
        ts: Timestamp(at),
        link,
        data,
        wire_len: data.len() as u32,
        frame: 1,
    }
}

/// The exchanges of frames that were put into a link layer by `wrap`.
fn through(frames: &[Frame], link: LinkType, wrap: impl Fn(&[u8]) -> Vec<u8>) -> (Vec<String>, Vec<Event>) {
    let mut reassembler = Reassembler::new(Limits::default());
    for frame in frames {
        reassembler.push(&packet(link, &wrap(&frame.ip), frame.at));
    }
    reassembler.finish();
    let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
    (exchanges(&events).iter().map(Seen::line).collect(), events)
}

#[test]
fn link_layers() {
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK).close();
    let ether =
        |tags: &'static [u8]| move |ip: &[u8]| [&[2u8; 12][..], tags, &[0x08, 0x00], ip, &[0; 4]].concat();
    let want = ["GET /1 a > 200 0/2"];
    let check = |name, (found, _): (Vec<String>, Vec<Event>)| assert_eq!(found, want, "{name}");
    check(
        "ethernet with padding",
        through(&wire.frames, LinkType::ETHERNET, ether(b"")),
    );
    let (found, events) = through(&wire.frames, LinkType::ETHERNET, ether(&[0x81, 0x00, 0x20, 0x07]));
    assert_eq!(found, want);
    assert_eq!(flows(&events)[0].flow.vlan, Some(7));
    let (found, events) = through(
        &wire.frames,
        LinkType::ETHERNET,
        ether(&[0x88, 0xa8, 0, 5, 0x81, 0x00, 0x20, 0x09]),
    );
    assert_eq!(found, want, "two tags");
    assert_eq!(flows(&events)[0].flow.vlan, Some(9));
    let sll = |ip: &[u8]| [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0x08, 0x00][..], ip].concat();
    check("SLL", through(&wire.frames, LinkType::LINUX_SLL, sll));
    let sll2 = |ip: &[u8]| {
        [
            &[0x08, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0][..],
            ip,
        ]
        .concat()
    };
    check("SLL2", through(&wire.frames, LinkType::LINUX_SLL2, sll2));
    for link in [LinkType::RAW, LinkType::IPV4] {
        check("raw IP", through(&wire.frames, link, <[u8]>::to_vec));
    }
    for (link, family) in [(LinkType::NULL, [2, 0, 0, 0]), (LinkType::LOOP, [0, 0, 0, 2])] {
        check(
            "loopback",
            through(&wire.frames, link, |ip| [&family[..], ip].concat()),
        );
    }
    assert!(
        through(&wire.frames, LinkType(147), <[u8]>::to_vec).1.is_empty(),
        "a link type of somebody's own"
    );
}

#[test]
fn ipv6_with_extension_headers() {
    let ends: [SocketAddr; 2] = [
        "[2001:db8::1]:40000".parse().unwrap(),
        "[2001:db8::2]:80".parse().unwrap(),
    ];
    let extensions = [
        Extension::HopByHop,
        Extension::Destination,
        Extension::AtomicFragment,
    ];
    for extensions in [&extensions[..0], &extensions[..1], &extensions[..2], &extensions] {
        let mut reassembler = Reassembler::new(Limits::default());
        let mut at = 0;
        let (request, response) = (get("/6"), OK);
        let request_len = request.len() as u32;
        for (side, seq, ack, flags, payload) in [
            (0, 9, 0, Flags::SYN, ""),
            (1, 99, 10, Flags::SYN.and(Flags::ACK), ""),
            (0, 10, 100, Flags::ACK, request.as_str()),
            (1, 100, 10 + request_len, Flags::ACK, response),
        ] {
            let tcp = Tcp {
                seq,
                ack,
                flags,
                window: 9,
                options: &[1, 1, 1, 1],
                payload: payload.as_bytes(),
            };
            let ip = ip_packet(ends[side], ends[1 - side], (64, 1), extensions, &tcp);
            at += MS;
            reassembler.push(&packet(LinkType::IPV6, &ip, at));
        }
        reassembler.finish();
        let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
        let found = exchanges(&events);
        assert_eq!(found.len(), 1, "{extensions:?}");
        assert_eq!(found[0].line(), "GET /6 a > 200 0/2");
    }
}

#[test]
fn frames_cut_off_by_the_capture() {
    let mut wire = open();
    wire.send(CLIENT, get("/1"))
        .send(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    wire.send(SERVER, "x".repeat(100))
        .ack(CLIENT)
        .send(CLIENT, get("/2"))
        .send(SERVER, OK)
        .close();
    let mut reassembler = Reassembler::new(Limits::default());
    for (number, frame) in (1..).zip(&wire.frames) {
        let captured = if frame.len == 100 {
            frame.ip.len() - 60
        } else {
            frame.ip.len()
        };
        reassembler.push(&Packet {
            ts: Timestamp(frame.at),
            link: LinkType::RAW,
            data: &frame.ip[..captured],
            wire_len: frame.ip.len() as u32,
            frame: number,
        });
    }
    reassembler.finish();
    assert_eq!(reassembler.counters().truncated, 1);
    assert_eq!(reassembler.counters().gap_bytes, 60);
    let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
    let found: Vec<String> = exchanges(&events).iter().map(Seen::line).collect();
    assert_eq!(found, ["GET /1 a > 200 0/40~ gap", "GET /2 a > 200 0/2"]);
    assert!(flows(&events)[0].flags.names().any(|f| f == "truncated"));
}

#[test]
fn what_a_sender_had_is_known_however_small_its_segments() {
    let mut wire = Wire::new(40_001);
    wire.open();
    let (first, second) = (get("/0"), get("/1"));
    for (number, byte) in first.bytes().chain(second.bytes()).enumerate() {
        if number == first.len() + 5 {
            wire.lose(CLIENT, [byte]);
        } else {
            wire.send_acking(CLIENT, &[byte], 0);
        }
    }
    let body = "0".repeat(400);
    let answer = format!("HTTP/1.1 404 Not Found\r\nContent-Length: 400\r\n\r\n{body}");
    for (number, byte) in answer.bytes().enumerate() {
        if number == 3 {
            wire.lose(SERVER, [byte]);
        } else {
            wire.send_acking(SERVER, &[byte], first.len());
        }
    }
    // The answer to the second request, sent when the server had both.
    for byte in OK.bytes() {
        wire.send(SERVER, [byte]);
    }
    wire.close();
    assert_eq!(
        lines(&wire),
        ["GET /0 a > - 0/0~ gap,no_response", "- > 200 0~/2 gap,no_request"]
    );
}

#[test]
fn a_response_to_head_whose_request_was_lost_takes_nothing_of_the_next() {
    let mut wire = Wire::new(40_001);
    wire.open();
    wire.send(CLIENT, "HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.lose(CLIENT, "HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send_acking(CLIENT, get("/3").as_bytes(), 0);
    wire.send(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
    wire.send(SERVER, "HTTP/1.1 404 No\r\nContent-Length: 40\r\n\r\nH");
    wire.lose(SERVER, "TT");
    wire.send(SERVER, "P/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
    wire.close();
    assert_eq!(
        lines(&wire),
        [
            "HEAD /1 a > 200 0/0",
            "GET /3 a > - 0/0~ gap,no_response",
            "- > 404 0~/1~ gap,no_request"
        ]
    );
}

/// Flows that each hold as much as they can, with an ordinary one beside them.
fn flood(memory: usize, flow: impl Fn(&mut Wire)) -> (Vec<String>, u64) {
    let limits = Limits {
        memory,
        ..Limits::default()
    };
    let mut reassembler = Reassembler::new(limits);
    let mut found = Vec::new();
    let mut now = 0;
    let mut push = |wire: &Wire, reassembler: &mut Reassembler| {
        for frame in &wire.frames {
            now += 1000;
            reassembler.push(&Packet {
                ts: Timestamp(now),
                link: LinkType::RAW,
                data: &frame.ip,
                wire_len: frame.ip.len() as u32,
                frame: 0,
            });
            while let Some(event) = reassembler.poll() {
                found.extend(exchanges(&[event]).iter().map(Seen::line));
            }
        }
    };
    for port in 2000..6000 {
        let mut wire = Wire::new(port);
        wire.open();
        flow(&mut wire);
        push(&wire, &mut reassembler);
        if port % 100 == 0 {
            let mut ordinary = Wire::new(port + 10_000);
            ordinary
                .open()
                .send(CLIENT, get("/ordinary"))
                .send(SERVER, OK)
                .close();
            push(&ordinary, &mut reassembler);
        }
        assert!(reassembler.weight() <= memory, "{}", reassembler.weight());
    }
    let ordinary = found.iter().filter(|l| *l == "GET /ordinary a > 200 0/2").count();
    assert_eq!(ordinary, 40);
    (found, reassembler.counters().evicted_memory)
}

#[test]
fn flows_that_hold_much_make_way_and_others_are_still_read() {
    const MEMORY: usize = 4 << 20;
    let big = "x".repeat(20_000);
    let (_, evicted) = flood(MEMORY, |wire| {
        wire.send(CLIENT, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {big}"));
    });
    assert!(evicted > 3500, "heads that do not end: {evicted}");
    let (found, evicted) = flood(MEMORY, |wire| {
        wire.send(
            CLIENT,
            format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n{big}"),
        );
    });
    assert!(evicted > 3500, "requests without answer: {evicted}");
    // What was whole is given out when it makes way.
    assert!(found.iter().filter(|l| l.starts_with("POST /a a > -")).count() > 3500);
    let (_, evicted) = flood(MEMORY, |wire| {
        wire.lose(CLIENT, "GET / HT").send(CLIENT, &big);
    });
    assert!(evicted > 3500, "segments behind a gap: {evicted}");
}

#[test]
fn a_body_that_comes_too_late_for_its_exchange_leaves_room_for_others() {
    let limits = Limits {
        body_capture_total: 64,
        pipelined: 2,
        ..Limits::default()
    };
    let body = "0123456789";
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n";
    let mut frames = Vec::new();
    for port in 40_000..40_020 {
        let mut wire = Wire::new(port);
        wire.open()
            .send(CLIENT, get("/0"))
            .send(SERVER, [head, body].concat());
        for _ in 0..4 {
            wire.send(CLIENT, get("/more"));
        }
        wire.send(SERVER, body).close();
        frames.extend(wire.frames);
    }
    let mut ordinary = Wire::new(50_000);
    ordinary
        .open()
        .send(CLIENT, get("/last"))
        .send(SERVER, [head, body, body].concat())
        .close();
    frames.extend(ordinary.frames);
    let found = exchanges(&events_of(&frames, &limits));
    let last = found.last().and_then(|e| e.received.as_ref()).unwrap();
    assert_eq!(last.body, [body, body].concat().as_bytes());
}

#[test]
fn a_head_that_is_too_long_does_not_hide_what_follows() {
    let limits = Limits {
        head: 1000,
        ..Limits::default()
    };
    let fields = "X-Long: 0123456789\r\n".repeat(4000);
    let target = "x".repeat(80_000);
    for (name, request, response) in [
        (
            "request",
            format!("GET /long HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
            OK.to_owned(),
        ),
        (
            "target",
            format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            OK.to_owned(),
        ),
        (
            "response",
            get("/long"),
            format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"),
        ),
    ] {
        for size in [1, 500, 1460, 16_000, 100_000] {
            let mut wire = open();
            for part in request.as_bytes().chunks(size) {
                wire.send(CLIENT, part);
            }
            for part in response.as_bytes().chunks(size) {
                wire.send(SERVER, part);
            }
            wire.ack(CLIENT)
                .send(CLIENT, get("/next"))
                .send(SERVER, OK)
                .close();
            let events = events_of(&wire.frames, &limits);
            let found: Vec<String> = exchanges(&events).iter().map(Seen::line).collect();
            assert!(
                found.contains(&"GET /next a > 200 0/2".to_owned()),
                "{name} by {size}: {found:?}"
            );
            assert_eq!(flows(&events)[0].app, App::Http1);
        }
    }
}

/// A dialogue, each turn whole and then cut at every byte: exchanges and unread bytes are the same, and these.
fn talk_within(limits: &Limits, name: &str, turns: &[(usize, &str)], want: &[&str], unread: u64) {
    let longest = turns.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    for cut in 0..=longest {
        let mut wire = open();
        for (side, text) in turns {
            wire.send_cut(*side, text, cut);
        }
        wire.close();
        let mut reassembler = Reassembler::new(limits.clone());
        let mut events = Vec::new();
        for frame in &wire.frames {
            reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
            events.extend(std::iter::from_fn(|| reassembler.poll()));
        }
        reassembler.finish();
        events.extend(std::iter::from_fn(|| reassembler.poll()));
        let found: Vec<String> = exchanges(&events).iter().map(Seen::line).collect();
        assert_eq!(found, want, "{name}, cut at {cut}");
        let counted = reassembler.counters().unparsable_bytes;
        assert_eq!(counted, unread, "{name}, cut at {cut}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_told_of_wherever_it_is_cut() {
    let told = |name, turns: &[(usize, &str)], want: &[&str], unread| {
        talk_within(&Limits::default(), name, turns, want, unread);
    };
    let head = (CLIENT, "HEAD /h HTTP/1.0\r\n\r\n");
    // Sixteen bytes may have been an answer, and say that there was more than the exchange shows.
    told(
        "an answer that is none",
        &[head, (SERVER, "GET / HTTP/1.1\r\n")],
        &["HEAD /h  > - 0/0~ gap,no_response"],
        16,
    );
    told(
        "too short for an answer",
        &[head, (SERVER, "what is it?\r\n")],
        &["HEAD /h  > - 0/0~ no_response"],
        13,
    );
    told(
        "an answer that is none, ended by an empty line",
        &[head, (SERVER, "HTTP is what I speak\r\nX: y\r\n\r\n")],
        &["HEAD /h  > - 0/0~ gap,no_response"],
        30,
    );
    // The second one is the answer to the second request, and says so by what it acknowledges.
    told(
        "an answer that is none, and one that is",
        &[
            (CLIENT, &get("/1")),
            (SERVER, "HTTP is what I speak\r\nX: y\r\n\r\n"),
            (CLIENT, &get("/2")),
            (SERVER, OK),
        ],
        &["GET /1 a > - 0/0~ gap,no_response", "GET /2 a > 200 0/2"],
        30,
    );
}

#[test]
fn white_space_before_a_status_is_passed_over_wherever_it_is_cut() {
    let marked = "start_line_malformed";
    talk(
        "before any request",
        &[(
            SERVER,
            "\tHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        )],
        close,
        &[&format!("- > 101 0~/0 gap,no_request,ambiguous,{marked}")],
    );
    talk(
        "behind a request",
        &[(CLIENT, &get("/w")), (SERVER, &format!(" \t \t  {OK}"))],
        close,
        &[&format!("GET /w a > 200 0/2 ambiguous,{marked}")],
    );
    talk(
        "and nothing of HTTP behind it",
        &[(CLIENT, &get("/w")), (SERVER, " \t \t HTTPS it is\r\n")],
        close,
        &["GET /w a > - 0/0~ gap,no_response"],
    );
}

#[test]
fn a_message_behind_what_is_none_is_found_wherever_it_is_cut() {
    let limits = Limits {
        head: 100,
        ..Limits::default()
    };
    let behind = |first: &str| format!("{}{first}{}", get("/1"), get("/2"));
    let answers = [OK, OK].concat();
    for (name, first) in [
        ("no request", "what is this?\r\nwho: me\r\n\r\n".to_owned()),
        ("lines of their own", "\x01\r\n\r\n\x02\r\n\r\n".to_owned()),
        // With the second empty line it would be one by the letter.
        (
            "two ends",
            "?\r\nGET /no HTTP/1.1\r\nHost: a\n\n\r\n\r\n".to_owned(),
        ),
        (
            "a head over the limit",
            format!("GET /long HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(90)),
        ),
        (
            "a line over the limit that only its end tells",
            format!("LIST /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(90)),
        ),
    ] {
        talk_within(
            &limits,
            name,
            &[(CLIENT, &behind(&first)), (SERVER, &answers)],
            &["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"],
            first.len() as u64,
        );
    }
}

#[test]
fn a_long_method_is_read_wherever_it_is_cut() {
    let method = "M".repeat(40);
    let request = format!("{method} /m HTTP/1.1\r\nHost: a\r\n\r\n");
    talk(
        "long method",
        &[(CLIENT, &request), (SERVER, OK)],
        close,
        &[&format!("{method} /m a > 200 0/2")],
    );
}

/// A RST that stands `ahead` of what its side has sent, with no more said than that.
fn forge_rst(wire: &mut Wire, side: usize, ahead: usize) {
    wire.raw(side, wire.sent(side) + ahead, b"", Flags::RST, 0);
}

#[test]
fn a_reset_that_hosts_do_not_believe_hides_nothing() {
    for side in [CLIENT, SERVER] {
        for ahead in [1, 2, 700, 60_000] {
            let mut wire = open();
            wire.send(CLIENT, get("/1")).send(SERVER, OK);
            forge_rst(&mut wire, side, ahead);
            wire.ack(1 - side)
                .send(CLIENT, get("/2"))
                .send(SERVER, OK)
                .close();
            assert_eq!(
                lines(&wire),
                ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"],
                "{ahead} ahead of {side}"
            );
        }
    }
}

#[test]
fn a_flow_that_goes_on_after_a_reset_is_read_on() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
    for side in [CLIENT, SERVER] {
        let mut wire = open();
        wire.send(CLIENT, get("/1")).send(SERVER, OK);
        forge_rst(&mut wire, side, 0);
        // Longer than a flow that is over is remembered.
        for n in 2..5 {
            wire.wait(2000)
                .send(CLIENT, get(&format!("/{n}")))
                .send(SERVER, OK);
        }
        wire.close();
        let events = events_of(&wire.frames, &Limits::default());
        assert_eq!(
            exchanges(&events).iter().map(Seen::line).collect::<Vec<_>>(),
            (1..5)
                .map(|n| format!("GET /{n} a > 200 0/2"))
                .collect::<Vec<_>>(),
            "between messages, by {side}"
        );
        let flows = flows(&events);
        assert_eq!(flows.len(), 1);
        assert!(flows[0].flags.names().any(|f| f == "gap"));

        let mut wire = open();
        wire.send(CLIENT, get("/1")).send(SERVER, [long, "0123"].concat());
        forge_rst(&mut wire, side, 0);
        wire.send(SERVER, "4567")
            .ack(CLIENT)
            .send(CLIENT, get("/2"))
            .send(SERVER, OK)
            .close();
        assert_eq!(
            lines(&wire),
            ["GET /1 a > 200 0/4~ truncated", "GET /2 a > 200 0/2"],
            "in a body, by {side}"
        );
    }
    // One direction alone.
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK);
    forge_rst(&mut wire, CLIENT, 0);
    wire.send(CLIENT, get("/2")).send(SERVER, OK).close();
    wire.frames.retain(|f| f.side == CLIENT);
    let found = lines(&wire);
    assert!(found.len() == 2 && found[1].starts_with("GET /2"), "{found:?}");
}

/// Forged in answer to a SYN, with a sequence number of its own or none.
#[test]
fn a_reset_before_the_handshake_is_over() {
    for fin in [true, false] {
        let mut wire = Wire::new(40_000);
        wire.raw(CLIENT, 0, b"", Flags::SYN, 0);
        wire.raw(SERVER, 900_000, b"", Flags::RST.and(Flags::ACK), 0);
        if fin {
            wire.raw(SERVER, 900_000, b"", Flags::FIN.and(Flags::ACK), 0);
        }
        wire.raw(SERVER, 0, b"", Flags::SYN.and(Flags::ACK), 0);
        wire.ack(CLIENT).send(CLIENT, get("/1")).send(SERVER, OK).close();
        assert_eq!(lines(&wire), ["GET /1 a > 200 0/2"], "with a FIN: {fin}");
    }
}

#[test]
fn a_reset_that_comes_before_bytes_sent_earlier() {
    let mut wire = open();
    wire.send(CLIENT, get("/1"))
        .send(SERVER, "HTTP/1.0 200 OK\r\n\r\nsome ")
        .send(SERVER, "text")
        .rst(SERVER);
    // The RST is mirrored before the two segments in front of it, in either order.
    let rst = wire.frames.pop().unwrap();
    wire.frames.insert(4, rst);
    for swap in [false, true] {
        let mut frames = wire.frames.clone();
        if swap {
            frames.swap(5, 6);
        }
        for (n, frame) in frames.iter_mut().enumerate() {
            frame.at = (1000 + n as u64) * MS;
        }
        let mut reassembler = Reassembler::new(Limits::default());
        for frame in &frames {
            reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
        }
        reassembler.advance(Timestamp(1500 * MS));
        let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
        assert_eq!(exchanges(&events)[0].line(), "GET /1 a > 200 0/9~ truncated");
    }
}

#[test]
fn what_comes_after_a_reset_is_held_within_limits_and_let_go() {
    let limits = Limits {
        held_total: 100_000,
        ..Limits::default()
    };
    let mut reassembler = Reassembler::new(limits);
    let mut sent = 0;
    for round in 0..3u64 {
        for port in 40_000..40_010 {
            let mut wire = Wire::new(port);
            wire.now += round * 100_000 * MS;
            wire.open().send(CLIENT, get("/1"));
            forge_rst(&mut wire, CLIENT, 0);
            let part = "x".repeat(1000);
            for _ in 0..20 {
                wire.send(SERVER, &part);
                sent += part.len() as u64;
            }
            for frame in &wire.frames {
                reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
            }
            assert!(reassembler.weight() < 400_000);
        }
    }
    // The room is there again for a flow that goes on.
    let mut wire = Wire::new(50_000);
    wire.now += 400_000 * MS;
    wire.open();
    forge_rst(&mut wire, CLIENT, 0);
    let long = "y".repeat(60_000);
    wire.send(CLIENT, get(&format!("/{long}")))
        .send(SERVER, OK)
        .close();
    for frame in &wire.frames {
        reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
    }
    reassembler.finish();
    assert_eq!(reassembler.weight(), 0);
    assert_eq!(reassembler.counters().after_reset_bytes, sent);
    let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
    let found = exchanges(&events);
    assert_eq!(found.last().unwrap().line(), format!("GET /{long} a > 200 0/2"));
}

#[test]
fn a_handshake_of_one_side_with_itself_changes_nothing() {
    let syn_ack = Flags::SYN.and(Flags::ACK);
    let want = ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"];
    let check = |name: &str, wire: &Wire| {
        let events = events_of(&wire.frames, &Limits::default());
        let found: Vec<String> = exchanges(&events)
            .iter()
            .map(|e| e.line().replace(" midstream", ""))
            .collect();
        assert_eq!(found, want, "{name}");
        let flows = flows(&events);
        assert_eq!(flows.len(), 1, "{name}");
        assert_eq!(flows[0].flow.server.port(), 80, "{name}");
    };
    let talk = |wire: &mut Wire| {
        for n in [1, 2] {
            wire.send(CLIENT, get(&format!("/{n}"))).send(SERVER, OK);
        }
        wire.close();
    };
    for side in [CLIENT, SERVER] {
        let mut wire = open();
        wire.send(CLIENT, get("/1")).send(SERVER, OK);
        wire.bare(side, 5_000, 0, Flags::SYN)
            .bare(side, 6_000, 5_001, syn_ack);
        wire.send(CLIENT, get("/2")).send(SERVER, OK).close();
        check("in a flow", &wire);

        let mut wire = Wire::new(40_000);
        wire.raw(CLIENT, 0, b"", Flags::SYN, 0);
        let forged = if side == CLIENT { syn_ack } else { Flags::SYN };
        wire.bare(side, 5_000, 5_001, forged);
        wire.raw(SERVER, 0, b"", syn_ack, 0);
        wire.ack(CLIENT);
        talk(&mut wire);
        check("in a handshake", &wire);
    }
    let mut wire = Wire::new(40_000);
    wire.raw(SERVER, 0, b"", syn_ack, 0);
    wire.bare(SERVER, 5_000, 0, Flags::SYN).ack(CLIENT);
    talk(&mut wire);
    check("behind the answer to a SYN", &wire);

    let mut wire = open();
    wire.frames.clear();
    wire.ack(CLIENT)
        .ack(SERVER)
        .bare(SERVER, 900_000_000, 0, Flags::SYN);
    talk(&mut wire);
    check("in a flow joined midway", &wire);
}

#[test]
fn segments_of_one_byte_are_held_with_all_the_memory_they_take() {
    let total = 256 << 10;
    for (per_flow, ports) in [(64 << 10, 1_u16), (1 << 20, 40)] {
        let limits = Limits {
            held_per_flow: per_flow,
            held_total: total,
            ..Limits::default()
        };
        // What the allocator rounds up is weighed beside.
        let ceiling = per_flow.min(total) * 5 / 4;
        let mut reassembler = Reassembler::new(limits);
        let empty = 5000 * usize::from(ports);
        let mut most = 0;
        for port in 40_000..40_000 + ports {
            let mut wire = Wire::new(port);
            // All at one time, so that nothing is given up for its age.
            wire.step = 0;
            // What is no HTTP is not held beside.
            wire.open().send(CLIENT, b"\0\0\n\n");
            for at in 0..4000 {
                wire.raw(CLIENT, 2 * at + 5, b"x", Flags::ACK, 0);
            }
            // One segment over all the holes does not double what is held.
            wire.raw(CLIENT, 5, &[b'y'; 8000], Flags::ACK, 0);
            for frame in &wire.frames {
                reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
                most = most.max(reassembler.weight());
                assert!(most <= ceiling + empty, "{most}");
            }
        }
        assert!(most > ceiling / 2);
        assert!(reassembler.counters().held_overflow > 0 || reassembler.counters().gaps > 0);
        reassembler.finish();
        assert_eq!(reassembler.weight(), 0);
    }
}

#[test]
fn the_segment_that_was_waited_for_is_taken_however_much_is_held() {
    let limits = Limits {
        held_per_flow: 64 << 10,
        ..Limits::default()
    };
    for count in 50..60 {
        let head = format!(
            "POST /u HTTP/1.1\r\nHost: a\r\nX: {}\r\nContent-Length: {count}000\r\n\r\n",
            "x".repeat(1000)
        );
        let mut wire = open();
        wire.send(CLIENT, head);
        for _ in 0..count {
            wire.send(CLIENT, [b'x'; 1000]);
        }
        let first = wire.frames.remove(3);
        // What is over the limit is lost; up to it, nothing is.
        let fits = 55;
        wire.frames.insert(
            3 + count.min(fits),
            Frame {
                at: wire.now,
                ..first
            },
        );
        wire.step = 0;
        wire.send(SERVER, OK).close();
        let found = exchanges(&events_of(&wire.frames, &limits));
        assert_eq!(found[0].line(), format!("POST /u a > 200 {count}000/2"));
    }
}

#[test]
fn what_is_pipelined_behind_connect_is_the_answers_to_tell() {
    let connect = "CONNECT db:443 HTTP/1.1\r\nHost: db:443\r\n\r\n";
    let no = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    let declined = ["CONNECT db:443 db:443 > 403 0/0", "GET /n a > 200 0/2"];
    let pipelined = [connect, &get("/n")].concat();
    talk(
        "declined",
        &[(CLIENT, &pipelined), (SERVER, &[no, OK].concat())],
        close,
        &declined,
    );
    talk(
        "answered",
        &[
            (CLIENT, &pipelined),
            (SERVER, "HTTP/1.1 200 Yes\r\n\r\n"),
            (SERVER, OK),
        ],
        close,
        &["CONNECT db:443 db:443 > 200 0/0", declined[1]],
    );
    talk(
        "declined, with a body",
        &[
            (
                CLIENT,
                &format!(
                    "{}Content-Length: 3\r\n\r\nabc{}",
                    &connect[..connect.len() - 2],
                    get("/n")
                ),
            ),
            (SERVER, &[no, OK].concat()),
        ],
        close,
        &["CONNECT db:443 db:443 > 403 3/0", declined[1]],
    );
    talk(
        "not answered",
        &[(CLIENT, &pipelined)],
        close,
        &["CONNECT db:443 db:443 > - 0/0~ no_response"],
    );
    let mut wire = open();
    wire.send(CLIENT, &pipelined)
        .fin(CLIENT)
        .send(SERVER, [no, OK].concat())
        .fin(SERVER)
        .ack(CLIENT);
    assert_eq!(lines(&wire), declined, "closed by the client before the answer");

    // No more is put by than a head may have, and what follows is found again.
    let mut wire = open();
    wire.send(CLIENT, connect);
    for _ in 0..300 {
        wire.send(CLIENT, [0; 1000]);
    }
    wire.send(SERVER, no)
        .ack(CLIENT)
        .send(CLIENT, get("/n"))
        .send(SERVER, OK)
        .close();
    let mut reassembler = Reassembler::new(Limits::default());
    for frame in &wire.frames {
        reassembler.push(&packet(LinkType::RAW, &frame.ip, frame.at));
        assert!(reassembler.weight() < 200 << 10, "{}", reassembler.weight());
    }
    assert_eq!(lines(&wire), declined, "much behind it");
}

#[test]
fn a_switch_that_nobody_asked_for_is_none() {
    let switch = "HTTP/1.1 101 ok\r\nContent-Type: text/plain\r\nConnection: close\r\n";
    let body = "what is hidden";
    let more = format!("{switch}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{switch}Transfer-Encoding: chunked\r\n\r\ne\r\n{body}\r\n0\r\n\r\n");
    for (name, first, bytes) in [
        ("a length", &more, 14),
        ("chunks", &chunked, 14),
        ("none", &format!("{switch}\r\n"), 0),
    ] {
        talk(
            name,
            &[
                (CLIENT, &get("/a")),
                (SERVER, first),
                (CLIENT, &get("/b")),
                (SERVER, OK),
            ],
            close,
            &[
                &format!("GET /a a > 101 0/{bytes} ambiguous,unasked_switch"),
                "GET /b a > 200 0/2",
            ],
        );
    }
    // Asked for, it is one, and what it says of a body counts for nothing.
    let ask = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n";
    talk(
        "asked for",
        &[(CLIENT, ask), (SERVER, &more), (CLIENT, "anything"), (SERVER, OK)],
        close,
        &["GET /a a > 101 0/0"],
    );
}

fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok")
}

/// Requests that wait for their answers, and the answers, as the client and the server have them.
fn in_turn(count: u16) -> Vec<(String, String)> {
    (0..count)
        .map(|n| (get(&format!("/{n}")), answer(200 + n)))
        .collect()
}

/// The packets of both sides with the places where they begin, and how far the sender had received the other side.
type Sent = (usize, usize, String, usize);

fn sent(exchanges: &[(String, String)]) -> [Vec<Sent>; 2] {
    let (mut asked, mut told) = (0, 0);
    let mut sides = [Vec::new(), Vec::new()];
    for (request, response) in exchanges {
        sides[CLIENT].push((CLIENT, asked, request.clone(), told));
        asked += request.len();
        sides[SERVER].push((SERVER, told, response.clone(), asked));
        told += response.len();
    }
    sides
}

/// What a capture that begins in midstream shows when the packets of the server come so many exchanges before those of
/// the client that belong to them, and the first ones of either side are not in it.
fn ahead(by: usize, without: [usize; 2]) -> Vec<String> {
    let [client, server] = sent(&in_turn(8));
    let mut order: Vec<(usize, Sent)> = client
        .into_iter()
        .enumerate()
        .skip(without[CLIENT])
        .map(|(n, packet)| (2 * (n + by), packet))
        .chain(
            server
                .into_iter()
                .enumerate()
                .skip(without[SERVER])
                .map(|(n, packet)| (2 * n + 1, packet)),
        )
        .collect();
    order.sort_by_key(|(at, _)| *at);
    let mut wire = Wire::new(40_000);
    for (_, (side, from, bytes, acked)) in order {
        wire.raw(side, from, bytes.as_bytes(), Flags::ACK, acked);
    }
    lines(&wire)
}

#[test]
fn joined_in_midstream_with_one_side_ahead_no_request_has_the_answer_to_another() {
    let mut right = 0;
    for by in 0..4 {
        for without in [[0, 0], [2, 2], [2, 3], [3, 2], [2, 4], [4, 2], [2, 5], [5, 2]] {
            for line in ahead(by, without) {
                let Some((asked, told)) = line.split_once(" a > ") else {
                    continue;
                };
                let number: u16 = asked.trim_start_matches("GET /").parse().expect("a number");
                if !told.starts_with('-') {
                    assert!(
                        told.starts_with(&(200 + number).to_string()),
                        "{by} {without:?}: {line}"
                    );
                    right += 1;
                }
            }
        }
    }
    assert!(right > 100, "only {right} pairs were found");
}

#[test]
fn joined_within_a_response_that_came_before_its_request_the_next_response_is_not_taken_for_it() {
    let (asked, long) = (get("/0"), answer(200) + &"y".repeat(3000));
    let mut wire = Wire::new(40_000);
    wire.raw(SERVER, 2000, &long.as_bytes()[2000..], Flags::ACK, asked.len());
    wire.raw(CLIENT, 0, asked.as_bytes(), Flags::ACK, 0);
    let both = asked.len() + get("/1").len();
    wire.raw(SERVER, long.len(), answer(201).as_bytes(), Flags::ACK, both);
    wire.raw(CLIENT, asked.len(), get("/1").as_bytes(), Flags::ACK, long.len());
    let seen = lines(&wire);
    assert_eq!(
        seen.iter().filter(|line| line.contains("> 201")).count(),
        1,
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|line| line.starts_with("GET /1 a > 201")),
        "{seen:?}"
    );
}

#[test]
fn a_first_response_that_came_before_its_flow_was_known_shifts_no_other() {
    let [client, server] = sent(&in_turn(4));
    let mut wire = Wire::new(40_000);
    wire.raw(CLIENT, 0, b"", Flags::SYN, 0);
    // An acknowledgment of the first answer, and that answer, overtake the handshake and the request.
    let (_, behind, ..) = &client[1];
    wire.raw(CLIENT, *behind, b"", Flags::ACK, server[1].1);
    let packet = |wire: &mut Wire, (side, from, bytes, acked): &Sent| {
        wire.raw(*side, *from, bytes.as_bytes(), Flags::ACK, *acked);
    };
    packet(&mut wire, &server[0]);
    wire.raw(SERVER, 0, b"", Flags::SYN.and(Flags::ACK), 0);
    for n in 0..4 {
        packet(&mut wire, &client[n]);
        if n > 0 {
            packet(&mut wire, &server[n]);
        }
    }
    for line in lines(&wire) {
        for n in 0..4_u16 {
            let told = line
                .strip_prefix(&format!("GET /{n} a > "))
                .filter(|told| !told.starts_with('-'));
            assert!(
                told.is_none_or(|told| told.starts_with(&(200 + n).to_string())),
                "{line}"
            );
        }
    }
    assert!(lines(&wire).iter().any(|line| line.starts_with("GET /3 a > 203")));
}

#[test]
fn joined_within_a_request_what_was_asked_at_once_behind_it_does_not_take_its_answer() {
    let body = "x".repeat(600);
    let first = format!(
        "POST /0 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut wire = Wire::new(40_000);
    // The head of the first is not in the capture; the second was sent at once behind it.
    wire.raw(CLIENT, 300, &first.as_bytes()[300..], Flags::ACK, 0);
    wire.raw(CLIENT, first.len(), get("/1").as_bytes(), Flags::ACK, 0);
    let asked = first.len() + get("/1").len();
    wire.raw(SERVER, 0, answer(200).as_bytes(), Flags::ACK, asked);
    wire.raw(
        SERVER,
        answer(200).len(),
        answer(201).as_bytes(),
        Flags::ACK,
        asked,
    );
    let seen = lines(&wire);
    assert!(
        !seen.iter().any(|line| line.starts_with("GET /1 a > 200")),
        "{seen:?}"
    );
}
