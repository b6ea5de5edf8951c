//! What goes through a tunnel of HTTP CONNECT (RFC 9110 section 9.3.6), or comes behind an upgrade to TLS (RFC 2817), is
//! recognised anew, as that of a flow of its own: HTTP/1, HTTP/2, TLS with and without its secrets, and what is none of these.

mod support;
#[path = "support/http2.rs"]
mod write;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use reassembly::{App, Event, Flow};
use support::{CLIENT, SERVER, Seen, Turn, Wire, exchanges, flows, opened_with, recorded};
use write::*;

const CONNECT: &[u8] = b"CONNECT db:8080 HTTP/1.1\r\nHost: db:8080\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const TUNNEL: &str = "CONNECT db:8080 db:8080 > 200 0/0";

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: in\r\n\r\n").into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn lines(events: &[Event]) -> Vec<String> {
    exchanges(events).iter().map(Seen::line).collect()
}

/// The turns of a flow in segments of so many bytes at most.
fn wire(turns: &[Turn], segment: usize) -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open();
    for (side, bytes) in turns {
        for piece in bytes.chunks(segment) {
            wire.send(*side, piece);
        }
    }
    wire.close();
    wire
}

/// The exchanges and the flow that turns make, however they are cut.
fn told(name: &str, turns: &[Turn], secrets: &str) -> (Vec<Seen>, Flow) {
    let whole = opened_with(&wire(turns, 60_000), secrets);
    for segment in [1, 2, 3, 7, 16, 23, 40, 100, 1_460] {
        let cut = opened_with(&wire(turns, segment), secrets);
        assert_eq!(lines(&cut), lines(&whole), "{name}, in segments of {segment}");
        let (cut, whole) = (flows(&cut)[0], flows(&whole)[0]);
        let tell = |f: &Flow| (f.app, f.tls.clone(), f.flags, f.exchanges, f.bytes);
        assert_eq!(tell(cut), tell(whole), "{name}, in segments of {segment}");
    }
    (exchanges(&whole), flows(&whole)[0].clone())
}

fn flags(flow: &Flow) -> Vec<&'static str> {
    flow.flags.names().collect()
}

fn client(bytes: impl AsRef<[u8]>) -> Turn {
    (CLIENT, bytes.as_ref().to_vec())
}

fn server(bytes: impl AsRef<[u8]>) -> Turn {
    (SERVER, bytes.as_ref().to_vec())
}

fn of(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::line).collect()
}

#[test]
fn http1_in_a_tunnel_is_read_and_counted_on() {
    for (name, turns) in [
        (
            "in turn",
            vec![
                client(CONNECT),
                server(AGREED),
                client(get("/1")),
                server(ok("one")),
                client(get("/2")),
                server(ok("two!")),
            ],
        ),
        (
            "behind another exchange, without waiting",
            vec![
                client([&get("/0")[..], CONNECT, &get("/1"), &get("/2")].concat()),
                server([&ok("zero!")[..], AGREED, &ok("one"), &ok("two!")].concat()),
            ],
        ),
        (
            "without waiting for the answer",
            vec![
                client([CONNECT, &get("/1")].concat()),
                server([AGREED, &ok("one")].concat()),
                client(get("/2")),
                server(ok("two!")),
            ],
        ),
    ] {
        let (seen, flow) = told(name, &turns, "");
        let first = name.starts_with("behind");
        let mut want = vec!["GET /0 in > 200 0/5"];
        want.truncate(usize::from(first));
        want.extend([TUNNEL, "GET /1 in > 200 0/3", "GET /2 in > 200 0/4"]);
        assert_eq!(of(&seen), want, "{name}");
        let places: Vec<u32> = seen.iter().map(|s| s.place.1).collect();
        assert_eq!(places, (0..want.len() as u32).collect::<Vec<_>>(), "{name}");
        assert_eq!(
            (flow.app, flow.exchanges as usize, flags(&flow).len()),
            (App::Http1, want.len(), 0)
        );
    }
}

#[test]
fn http2_in_a_tunnel_is_read_and_counted_on() {
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let turns = [
        client(CONNECT),
        server(AGREED),
        client(
            [
                PREFACE,
                &frame(SETTINGS, 0, 0, &[]),
                &ask.get(1, "/a"),
                &ask.get(3, "/b"),
            ]
            .concat(),
        ),
        server(
            [
                frame(SETTINGS, 0, 0, &[]),
                answer.answer(3, "200", b"bb"),
                answer.answer(1, "404", b"a"),
            ]
            .concat(),
        ),
    ];
    let (seen, flow) = told("http/2", &turns, "");
    assert_eq!(of(&seen), [TUNNEL, "GET /a h > 404 0/1", "GET /b h > 200 0/2"]);
    let places: Vec<_> = seen.iter().map(|s| (s.place.1, s.protocol)).collect();
    assert_eq!(places, [(0, "http/1.1"), (1, "http/2"), (2, "http/2")]);
    assert_eq!((flow.app, flow.exchanges), (App::Http2, 3));
    // The server begins.
    let (mut ask, mut answer) = (Encoder::default(), Encoder::default());
    let turns = [
        client(CONNECT),
        server([AGREED, &frame(SETTINGS, 0, 0, &[])].concat()),
        client([PREFACE, &frame(SETTINGS, 0, 0, &[]), &ask.get(1, "/a")].concat()),
        server(answer.answer(1, "200", b"a")),
    ];
    let (seen, _) = told("the server begins", &turns, "");
    assert_eq!(of(&seen), [TUNNEL, "GET /a h > 200 0/1"]);
}

const CONVERSATIONS: [&str; 2] = [
    include_str!("../../fuzz/conversations/tls13.txt"),
    include_str!("../../fuzz/conversations/tls12.txt"),
];

#[test]
fn tls_in_a_tunnel_is_told_and_with_its_secrets_read() {
    for text in CONVERSATIONS {
        let (inner, secrets) = recorded(text);
        let bare = opened_with(&wire(&inner, 60_000), &secrets);
        let turns = [vec![client(CONNECT), server(AGREED)], inner.clone()].concat();
        // Not read.
        for secrets in ["", "CLIENT_RANDOM 00 00"] {
            let (seen, flow) = told("opaque", &turns, secrets);
            assert_eq!(of(&seen), [TUNNEL]);
            assert_eq!(
                (flow.app, flow.exchanges, flags(&flow)),
                (App::Http1, 1, vec!["opaque"])
            );
            assert_eq!(flow.tls, flows(&bare)[0].tls);
            assert!(flow.tls.expect("a hello").ja4.is_some());
        }
        // Read.
        let (seen, flow) = told("decrypted", &turns, &secrets);
        let want = [vec![TUNNEL.to_owned()], lines(&bare)].concat();
        assert_eq!(of(&seen), want);
        let places: Vec<u32> = seen.iter().map(|s| s.place.1).collect();
        assert_eq!(places, (0..want.len() as u32).collect::<Vec<_>>());
        assert_eq!((flow.app, flags(&flow).len()), (App::Http1, 0));
        assert_eq!(flow.tls, flows(&bare)[0].tls);
        // What led to it went in clear, what goes through it does not.
        let all = opened_with(&wire(&turns, 60_000), &secrets);
        let encrypted: Vec<bool> = all
            .iter()
            .filter_map(|event| match event {
                Event::Exchange(e) => Some(e.flow.tls),
                _ => None,
            })
            .collect();
        assert_eq!(encrypted, [vec![false], vec![true; want.len() - 1]].concat());
        // Cut off behind the hello, with secrets and without.
        for secrets in ["", &secrets] {
            let (seen, flow) = told("the hello alone", &turns[..3], secrets);
            assert_eq!(
                (of(&seen), flow.app, flags(&flow)),
                (vec![TUNNEL.to_owned()], App::Http1, vec!["opaque"])
            );
            assert!(flow.tls.is_some());
        }
        // Without waiting for the answer.
        let mut early = inner.clone();
        early[0].1.splice(..0, CONNECT.iter().copied());
        early[1].1.splice(..0, AGREED.iter().copied());
        assert_eq!(of(&told("early", &early, &secrets).0), want);
    }
}

/// Made for this, between two ends in one process: the answer to the request that led to TLS, and two exchanges.
const UPGRADED: &str = include_str!("conversations/upgraded.txt");

#[test]
fn a_request_to_change_to_tls_is_answered_in_tls() {
    let ask = b"OPTIONS * HTTP/1.1\r\nHost: printer.example\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2, TLS/1.0\r\n\r\n";
    let agreed =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n\r\n";
    let (inner, secrets) = recorded(UPGRADED);
    let opened = [
        vec![client(get("/0")), server(ok("0")), client(ask), server(agreed)],
        inner.clone(),
    ]
    .concat();
    let before = "GET /0 in > 200 0/1";
    for secrets in ["", "CLIENT_RANDOM 00 00"] {
        let (seen, flow) = told("opaque", &opened, secrets);
        assert_eq!(of(&seen), [before, "OPTIONS * printer.example > 101 0/0"]);
        assert_eq!((flow.app, flags(&flow)), (App::Http1, vec!["opaque"]));
        let tls = flow.tls.expect("a hello");
        assert_eq!(tls.sni.as_deref(), Some("printer.example"));
    }
    let (seen, flow) = told("decrypted", &opened, &secrets);
    let within = [
        "POST /ipp/0 printer.example > 210 10/20",
        "POST /ipp/1 printer.example > 211 11/21",
    ];
    let asked = "OPTIONS * printer.example > 200 0/0";
    assert_eq!(of(&seen), [before, asked, within[0], within[1]]);
    let places: Vec<u32> = seen.iter().map(|s| s.place.1).collect();
    assert_eq!((places, flow.exchanges), (vec![0, 1, 2, 3], 4));
    assert_eq!((flow.app, flags(&flow).len()), (App::Http1, 0));
    // That request went in clear.
    let all = opened_with(&wire(&opened, 60_000), &secrets);
    let encrypted = all.iter().filter_map(|event| match event {
        Event::Exchange(e) => Some(e.flow.tls),
        _ => None,
    });
    assert_eq!(encrypted.collect::<Vec<_>>(), [false, false, true, true]);
    // Cut off anywhere it is given out all the same, and once; without its answer it is not given another's.
    let turns = opened.len();
    for end in 4..turns {
        let seen = lines(&opened_with(&wire(&opened[..end], 60_000), &secrets));
        let asked = seen.iter().filter(|line| line.starts_with("OPTIONS")).count();
        assert_eq!((asked, seen[0].as_str()), (1, before), "{end} turns: {seen:?}");
    }
    for lost in 4..turns {
        let seen = lines(&opened_with(&without(&opened, lost, 60_000), &secrets));
        let asked: Vec<&String> = seen.iter().filter(|line| line.starts_with("OPTIONS")).collect();
        assert_eq!(asked.len(), 1, "without turn {lost}: {seen:?}");
        let answered = |status: &str| asked[0].contains(&format!("> {status}"));
        assert!(
            answered("200") || answered("101") || answered("-"),
            "without turn {lost}: {seen:?}"
        );
    }
}

#[test]
fn what_is_none_of_these_in_a_tunnel_is_opaque() {
    let (hello, _) = recorded(CONVERSATIONS[0]);
    let ssh = [
        client(CONNECT),
        server(AGREED),
        server("SSH-2.0-OpenSSH_9.2\r\n"),
        client("SSH-2.0-OpenSSH_9.6\r\n"),
    ];
    let (seen, flow) = told("ssh", &ssh, "");
    assert_eq!(
        (of(&seen), flow.app, flags(&flow)),
        (vec![TUNNEL.to_owned()], App::Http1, vec!["opaque"])
    );
    assert_eq!(flow.tls, None);
    // Mail that goes over to TLS.
    let mut smtp = vec![
        client(CONNECT),
        server(AGREED),
        server("220 mail\r\n"),
        client("STARTTLS\r\n"),
        server("220 go\r\n"),
    ];
    smtp.extend(hello);
    let (seen, flow) = told("smtp", &smtp, "");
    assert_eq!(
        (of(&seen), flow.app, flags(&flow)),
        (vec![TUNNEL.to_owned()], App::Http1, vec!["opaque"])
    );
    assert!(flow.tls.is_some());
    // Nothing at all.
    let (seen, flow) = told("nothing", &[client(CONNECT), server(AGREED)], "");
    assert_eq!(
        (of(&seen), flow.app, flags(&flow)),
        (vec![TUNNEL.to_owned()], App::Http1, vec![])
    );
}

#[test]
fn tunnels_in_tunnels_are_read_as_far_as_they_go() {
    // Proxies that ask each other; and a flow that is nothing but tunnels.
    for levels in [1, 2, 4, 5, 300] {
        let mut turns: Vec<Turn> = (0..levels)
            .flat_map(|_| [client(CONNECT), server(AGREED)])
            .collect();
        turns.extend([client(get("/in")), server(ok("yes"))]);
        let seen = lines(&opened_with(&wire(&turns, 60_000), ""));
        let read = levels.min(5);
        assert_eq!(seen[..read], vec![TUNNEL; read], "{levels} levels");
        let inner: &[&str] = if levels < 5 {
            &["GET /in in > 200 0/3"]
        } else {
            &[]
        };
        assert_eq!(seen[read..], *inner, "{levels} levels");
        let whole = |side| {
            turns
                .iter()
                .filter(|t| t.0 == side)
                .flat_map(|t| t.1.clone())
                .collect::<Vec<u8>>()
        };
        let at_once = [client(whole(CLIENT)), server(whole(SERVER))];
        assert_eq!(
            lines(&opened_with(&wire(&at_once, 60_000), "")),
            seen,
            "{levels} levels at once"
        );
    }
}

#[test]
fn a_side_that_ends_behind_its_request_is_answered_in_the_tunnel() {
    let mut wire = Wire::new(40_000);
    wire.open()
        .send(CLIENT, [CONNECT, &get("/1")].concat())
        .fin(CLIENT)
        .send(SERVER, AGREED)
        .send(SERVER, b"HTTP/1.1 200 OK\r\n\r\nto the end")
        .fin(SERVER)
        .ack(CLIENT);
    assert_eq!(lines(&opened_with(&wire, "")), [TUNNEL, "GET /1 in > 200 0/10"]);
}

#[test]
fn what_is_joined_midway_is_read_from_there() {
    let rest = ["GET /1 in > 200 0/3 midstream", "GET /2 in > 200 0/3 midstream"];
    let answer = "- > 200 0~/0 gap,midstream,no_request";
    let http1 = [
        client(CONNECT),
        server(AGREED),
        client(get("/1")),
        server(ok("one")),
        client(get("/2")),
        server(ok("two")),
    ];
    // From the request on, from its answer on, and from what goes through the tunnel on.
    let midway = |turns: &[Turn], from: usize, segment: usize, secrets: &str| {
        let mut whole = wire(turns, segment);
        let behind: usize = turns[..from]
            .iter()
            .map(|(_, bytes)| bytes.len().div_ceil(segment))
            .sum();
        whole.frames.drain(..3 + behind);
        opened_with(&whole, secrets)
    };
    for segment in [1, 5, 60_000] {
        let found = |from| lines(&midway(&http1, from, segment, ""));
        assert_eq!(
            found(0),
            [vec![format!("{TUNNEL} midstream").as_str()], rest.to_vec()].concat()
        );
        assert_eq!(
            found(1),
            [vec![answer], rest.to_vec()].concat(),
            "in segments of {segment}"
        );
        assert_eq!(found(2), rest);
    }
    let (mut ask, mut reply) = (Encoder::default(), Encoder::default());
    let http2 = [
        client(CONNECT),
        server(AGREED),
        client([PREFACE, &frame(SETTINGS, 0, 0, &[]), &ask.get(1, "/a")].concat()),
        server([frame(SETTINGS, 0, 0, &[]), reply.answer(1, "200", b"a")].concat()),
    ];
    for segment in [1, 5, 60_000] {
        let found = lines(&midway(&http2, 1, segment, ""));
        assert_eq!(
            found,
            [answer, "GET /a h > 200 0/1 midstream"],
            "in segments of {segment}"
        );
    }
    let (inner, secrets) = recorded(CONVERSATIONS[0]);
    let tls = [vec![client(CONNECT), server(AGREED)], inner.clone()].concat();
    let bare = lines(&opened_with(&wire(&inner, 60_000), &secrets));
    for segment in [1, 5, 60_000] {
        let found = midway(&tls, 1, segment, "");
        assert_eq!(lines(&found), [answer], "in segments of {segment}");
        assert_eq!(
            flows(&found)[0].tls,
            flows(&opened_with(&wire(&inner, 60_000), ""))[0].tls
        );
        let found = lines(&midway(&tls, 1, segment, &secrets));
        let want: Vec<String> = bare.iter().map(|line| format!("{line} midstream")).collect();
        assert_eq!(found[0], answer);
        assert_eq!(found[1..], want, "in segments of {segment}");
    }
}

/// The flow without one of its turns, which was acknowledged all the same.
fn without(turns: &[Turn], lost: usize, segment: usize) -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open();
    for (at, (side, bytes)) in turns.iter().enumerate() {
        for piece in bytes.chunks(segment) {
            if at == lost {
                wire.lose(*side, piece);
            } else {
                wire.send(*side, piece);
            }
        }
    }
    wire.close();
    wire
}

#[test]
fn a_lost_answer_does_not_hide_the_tunnel() {
    let unanswered = "CONNECT db:8080 db:8080 > - 0/0~ gap,no_response";
    let http1 = [
        client(CONNECT),
        server(AGREED),
        client(get("/1")),
        server(ok("one")),
    ];
    let (mut ask, mut reply) = (Encoder::default(), Encoder::default());
    let http2 = [
        client(CONNECT),
        server(AGREED),
        client([PREFACE, &frame(SETTINGS, 0, 0, &[]), &ask.get(1, "/a")].concat()),
        server([frame(SETTINGS, 0, 0, &[]), reply.answer(1, "200", b"a")].concat()),
    ];
    let (inner, secrets) = recorded(CONVERSATIONS[0]);
    let tls = [vec![client(CONNECT), server(AGREED)], inner.clone()].concat();
    let bare = lines(&opened_with(&wire(&inner, 60_000), &secrets));
    for segment in [60_000, 5, 1] {
        let found = |turns| lines(&opened_with(&without(turns, 1, segment), &secrets));
        assert_eq!(
            found(&http1),
            [unanswered, "GET /1 in > 200 0/3"],
            "segments of {segment}"
        );
        assert_eq!(
            found(&http2),
            [unanswered, "GET /a h > 200 0/1"],
            "segments of {segment}"
        );
        assert_eq!(
            found(&tls),
            [vec![unanswered.to_owned()], bare.clone()].concat(),
            "segments of {segment}"
        );
    }
    // One that was declined, as a proxy does that wants to know who asks; the refusal was lost.
    let declined = [
        client(CONNECT),
        server("HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n"),
        client(CONNECT),
        server(AGREED),
        client(get("/1")),
        server(ok("one")),
    ];
    let found = lines(&opened_with(&without(&declined, 1, 60_000), ""));
    assert_eq!(found, [unanswered, TUNNEL, "GET /1 in > 200 0/3"]);
}

/// Whatever is lost, what is found was there, and no request is given another's answer.
#[test]
fn a_loss_in_a_tunnel_invents_nothing() {
    let answer = |n: u32| {
        let body = "x".repeat(n as usize);
        let head = format!("HTTP/1.1 21{n} OK\r\nContent-Length: {n}\r\n\r\n");
        [head.as_bytes(), body.as_bytes()].concat()
    };
    let (mut ask, mut reply) = (Encoder::default(), Encoder::default());
    let settings = || frame(SETTINGS, 0, 0, &[]);
    let mut http2 = vec![client([PREFACE, &settings()].concat()), server(settings())];
    for n in 0..5 {
        let status = format!("21{n}");
        let stream = 2 * n + 1;
        let head = reply.headers(stream, 0, &[(":status", &status)]);
        let body = frame(DATA, END_STREAM, stream, status.as_bytes());
        http2.push(client(ask.get(stream, &format!("/{n}"))));
        http2.push(server([head, body].concat()));
    }
    let (inner, secrets) = recorded(CONVERSATIONS[1]);
    let opened = |inner: Vec<Turn>| [vec![client(CONNECT), server(AGREED)], inner].concat();
    let all = |piece: &dyn Fn(u32) -> Vec<u8>| (1..6).flat_map(piece).collect::<Vec<u8>>();
    let ask = |n: u32| get(&format!("/{n}"));
    let (line, end) = AGREED.split_at(AGREED.len() - 2);
    let conversations: [Vec<Turn>; 6] = [
        opened((1..6).flat_map(|n| [client(ask(n)), server(answer(n))]).collect()),
        opened(vec![client(all(&ask)), server(all(&answer))]),
        // Without waiting for the answer.
        vec![
            client([CONNECT, &all(&ask)].concat()),
            server([AGREED, &all(&answer)].concat()),
        ],
        [
            vec![client(CONNECT)],
            (1..6).map(|n| client(ask(n))).collect(),
            vec![server(line), server(end)],
            (1..6).map(|n| server(answer(n))).collect(),
        ]
        .concat(),
        opened(http2),
        opened(inner),
    ];
    // The host may have been lost with the end of the head.
    let request = |seen: &Seen| {
        let whole = seen.request.as_ref()?;
        whole.rsplit_once(' ').map(|(request, _host)| request.to_owned())
    };
    let pair = |seen: &Seen| Some((request(seen)?, seen.status?.0));
    for (number, turns) in conversations.iter().enumerate() {
        let sent = exchanges(&opened_with(&wire(turns, 60_000), &secrets));
        let pairs: Vec<_> = sent.iter().filter_map(pair).collect();
        assert!(sent.len() >= 5 && pairs.len() == sent.len(), "{number}");
        let asked: Vec<_> = sent.iter().filter_map(request).collect();
        for segment in [1_460, 37] {
            let whole = wire(turns, segment);
            let packets = 3..whole.frames.len() - 3;
            for (lost, run) in packets.flat_map(|lost| [(lost, 1), (lost, 2), (lost, 5)]) {
                let mut some = whole.clone();
                let end = (lost + run).min(some.frames.len() - 3);
                some.frames.drain(lost..end);
                let name = format!("{number}, without {run} packets of {segment} bytes from {lost} on");
                let found = exchanges(&opened_with(&some, &secrets));
                for seen in &found {
                    let line = seen.line();
                    let known = pair(seen).is_none_or(|pair| pairs.contains(&pair));
                    let asked = request(seen).is_none_or(|request| asked.contains(&request));
                    assert!(known && asked, "{line}: {name}");
                }
                assert!(found.len() <= 2 * sent.len(), "{name}");
            }
        }
    }
}

/// Something that a side says, rightly or not.
fn saying() -> impl Strategy<Value = Turn> {
    let (inner, _) = recorded(CONVERSATIONS[0]);
    let mut ask = Encoder::default();
    let from_client: Vec<Vec<u8>> = vec![
        CONNECT.to_vec(),
        [CONNECT, &get("/with")].concat(),
        get("/1"),
        [PREFACE, &frame(SETTINGS, 0, 0, &[]), &ask.get(1, "/a")].concat(),
        inner[0].1.clone(),
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: TLS/1.2\r\n\r\n".to_vec(),
        b"PR".to_vec(),
        b"\x16".to_vec(),
        b"what is nothing\r\n".to_vec(),
    ];
    let from_server: Vec<Vec<u8>> = vec![
        AGREED.to_vec(),
        [AGREED, &ok("with")].concat(),
        b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ok("one"),
        [
            frame(SETTINGS, 0, 0, &[]),
            Encoder::default().answer(1, "200", b"a"),
        ]
        .concat(),
        inner[1].1.clone(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.2\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        b"HTTP".to_vec(),
        b"what is nothing\r\n".to_vec(),
    ];
    prop_oneof![
        select(from_client).prop_map(|bytes| (CLIENT, bytes)),
        select(from_server).prop_map(|bytes| (SERVER, bytes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 512,
        ..ProptestConfig::default()
    })]

    /// Whatever is said, in order or not, the exchanges are the same however it is cut, from the beginning and behind a CONNECT that was not
    /// seen.
    #[test]
    fn whatever_is_said_is_read_the_same_however_it_is_cut(
        turns in vec(saying(), 1..9),
        cuts in vec(1usize..60, 1..20),
        midway in any::<bool>(),
        decrypts in any::<bool>(),
    ) {
        let secrets = if decrypts { recorded(CONVERSATIONS[0]).1 } else { String::new() };
        let read = |cuts: &[usize]| {
            let mut wire = Wire::new(40_000);
            wire.open();
            if midway {
                wire.send(CLIENT, CONNECT);
                wire.frames.clear();
                wire.send(SERVER, AGREED);
            }
            wire.send_turns(&turns, cuts, &[]).close();
            let events = opened_with(&wire, &secrets);
            let flow = flows(&events)[0];
            (lines(&events), flow.app, flow.tls.clone(), flow.flags, flow.exchanges)
        };
        prop_assert_eq!(read(&cuts), read(&[60_000]));
    }
}
