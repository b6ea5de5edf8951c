//! TLS inside other protocols, and recorded TLS with its secrets, on whole flows.

mod support;

use reassembly::{App, Event, Flow, Limits};
use support::{Wire, events_of, exchanges, flows, opened_with, recorded};

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// A client hello that names a.example.
fn hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]);
    let mut extensions = vec![0, 0, 0, 14, 0, 12, 0, 0, 9];
    extensions.extend(b"a.example");
    extensions.extend([0, 43, 0, 3, 2, 3, 4]);
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    record(1, &body)
}

/// The answer: version 1.3.
fn answer() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([8; 32]);
    body.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    record(2, &body)
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u8;
    [&[22, 3, 1, 0, len + 4, kind, 0, 0, len][..], body].concat()
}

fn told(turns: &[(usize, &[u8])]) -> (Vec<String>, Flow) {
    let mut wire = Wire::new(50_000);
    wire.open();
    for (side, bytes) in turns {
        wire.send(*side, bytes);
    }
    wire.close();
    let events: Vec<Event> = events_of(&wire.frames, &Limits::default());
    let lines = exchanges(&events).iter().map(support::Seen::line).collect();
    (lines, flows(&events)[0].clone())
}

#[test]
fn a_flow_that_goes_over_to_tls_tells_its_hello() {
    let (hello, answer) = (hello(), answer());
    let pipelined = [b"a STARTTLS\r\n", &hello[..]].concat();
    let more = b"\x17\x03\x03\x00\x05xxxxx";
    for (name, turns) in [
        (
            "smtp",
            vec![
                (SERVER, &b"220 mail\r\n"[..]),
                (CLIENT, b"STARTTLS\r\n"),
                (SERVER, b"220 go\r\n"),
                (CLIENT, &hello),
                (SERVER, &answer),
                (CLIENT, more),
            ],
        ),
        (
            "postgresql",
            vec![
                (CLIENT, b"\0\0\0\x08\x04\xd2\x16\x2f"),
                (SERVER, b"S"),
                (CLIENT, &hello),
                (SERVER, &answer),
            ],
        ),
        (
            "socks",
            vec![
                (CLIENT, b"\x05\x01\0"),
                (SERVER, b"\x05\0"),
                (CLIENT, b"\x05\x01\0\x01\x0a\0\0\x01\x01\xbb"),
                (SERVER, b"\x05\0\0\x01\0\0\0\0\0\0"),
                (CLIENT, &hello[..20]),
                (CLIENT, &hello[20..]),
                (SERVER, &answer),
            ],
        ),
        (
            "pipelined",
            vec![
                (SERVER, b"* OK\r\n"),
                (CLIENT, &pipelined),
                (SERVER, b"a OK\r\n"),
                (SERVER, &answer),
            ],
        ),
        (
            "one byte first",
            vec![(CLIENT, &hello[..1]), (CLIENT, &hello[1..]), (SERVER, &answer)],
        ),
        (
            "the server says hello",
            vec![(CLIENT, b"x"), (SERVER, &hello), (CLIENT, &answer)],
        ),
    ] {
        let (lines, flow) = told(&turns);
        assert_eq!((lines, flow.app), (vec![], App::Tls), "{name}");
        let tls = flow.tls.unwrap();
        assert_eq!(
            (tls.sni.as_deref(), tls.version.name()),
            (Some("a.example"), "TLSv1.3"),
            "{name}"
        );
        assert_eq!(flow.flags.names().collect::<Vec<_>>(), ["opaque"], "{name}");
        assert_eq!(flow.flow.client.port(), 50_000, "{name}");
    }
}

#[test]
fn tls_in_an_http_tunnel_is_told_beside_the_exchange() {
    let (hello, answer) = (hello(), answer());
    let connect = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
    let agreed = b"HTTP/1.1 200 OK\r\n\r\n";
    let together = [&connect[..], &hello].concat();
    for turns in [
        vec![
            (CLIENT, &connect[..]),
            (SERVER, agreed),
            (CLIENT, &hello),
            (SERVER, &answer),
        ],
        vec![(CLIENT, &together), (SERVER, agreed), (SERVER, &answer)],
    ] {
        let (lines, flow) = told(&turns);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!((flow.app, flow.exchanges), (App::Http1, 1));
        assert_eq!(flow.tls.unwrap().sni.as_deref(), Some("a.example"));
        assert_eq!(flow.flags.names().collect::<Vec<_>>(), ["opaque"]);
    }
    // A body is no tunnel, whatever it quotes.
    let post = [
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            hello.len()
        )
        .as_bytes(),
        &hello,
    ]
    .concat();
    let (lines, flow) = told(&[(CLIENT, &post), (SERVER, b"HTTP/1.1 204 X\r\n\r\n")]);
    assert_eq!((lines.len(), flow.tls, flow.flags.names().count()), (1, None, 0));
}

/// Found by the fuzz target `hellos`: a segment that led into a tunnel was searched from its first byte.
#[test]
fn a_hello_quoted_before_a_tunnel_is_none_of_it() {
    let hello = hello();
    let post = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        hello.len()
    );
    let connect = b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n";
    for quotes in [
        [post.as_bytes(), &hello, connect].concat(),
        [b"WGET / HTTP/1.1\r\n\r\n", &hello[..], connect].concat(),
    ] {
        for cut in [1, 7, quotes.len()] {
            let turns: Vec<(usize, &[u8])> = quotes.chunks(cut).map(|piece| (CLIENT, piece)).collect();
            let (_, flow) = told(&turns);
            assert_eq!(flow.tls, None, "in pieces of {cut}");
        }
    }
    // And behind it, in the same segment, it is.
    let (_, flow) = told(&[(CLIENT, &[post.as_bytes(), &hello, connect, &hello].concat())]);
    assert!(
        flow.tls
            .is_some_and(|tls| tls.sni.as_deref() == Some("a.example"))
    );
}

/// The exchanges of a recorded connection without the turns in `lost`, which are acknowledged all the same.
fn found(text: &str, lost: &[usize]) -> Vec<String> {
    let (turns, secrets) = recorded(text);
    let mut wire = Wire::new(50_000);
    wire.open();
    for (number, (side, bytes)) in turns.iter().enumerate() {
        if lost.contains(&number) {
            wire.lose(*side, bytes);
        } else {
            wire.send(*side, bytes);
        }
    }
    wire.close();
    let events = opened_with(&wire, &secrets);
    exchanges(&events).iter().map(support::Seen::line).collect()
}

/// Found by the fuzz target `tls`: an acknowledgment of bytes not read yet counted as one of the last plaintext before
/// them, and the response to a lost request went to the request before it.
#[test]
fn a_response_behind_a_lost_response_and_request_is_not_paired() {
    for text in [
        include_str!("../../fuzz/conversations/tls13.txt"),
        include_str!("../../fuzz/conversations/tls12.txt"),
    ] {
        let whole = found(text, &[]);
        assert_eq!(whole.len(), 4, "{whole:#?}");
        let turns = text.lines().filter(|line| !line.starts_with("K ")).count();
        // The response to the third request, and the fourth request.
        let found = found(text, &[turns - 3, turns - 2]);
        assert_eq!(found[..2], whole[..2]);
        let asked = |line: &String| line.contains("/orders/2");
        let answered = |line: &String| line.contains("203");
        assert!(
            found.iter().any(asked) && found.iter().any(answered),
            "{found:#?}"
        );
        assert!(
            !found.iter().any(|line| asked(line) && answered(line)),
            "{found:#?}"
        );
    }
}
