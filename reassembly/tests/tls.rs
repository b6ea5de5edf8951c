//! TLS inside other protocols, on whole flows.

mod support;

use reassembly::{App, Event, Flow, Limits};
use support::{Wire, events_of, exchanges, flows};

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
