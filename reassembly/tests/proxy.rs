//! Flows that a load balancer begins with a header of the PROXY protocol: what comes behind it is read as if it had come
//! alone, whatever it is and however it is cut.

mod support;

use proptest::prelude::*;
use reassembly::{App, Counters, Event, Limits};
use support::{CLIENT, SERVER, Seen, Turn, Wire, exchanges, flows, opened_with};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn http() -> Vec<Turn> {
    let body = b"{\"a\":1}";
    let answer =
        |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}").into_bytes();
    vec![
        (CLIENT, b"GET /first HTTP/1.1\r\nHost: in\r\n\r\n".to_vec()),
        (SERVER, answer("200 OK")),
        (
            CLIENT,
            [
                &b"PUT /second HTTP/1.1\r\nHost: in\r\nContent-Length: 7\r\n\r\n"[..],
                body,
            ]
            .concat(),
        ),
        (SERVER, answer("409 Conflict")),
    ]
}

fn with_header(header: &[u8], mut turns: Vec<Turn>) -> Vec<Turn> {
    turns[0].1.splice(0..0, header.iter().copied());
    turns
}

/// The flow in segments of these lengths, over and over.
fn events(turns: &[Turn], lengths: &[usize]) -> Vec<Event> {
    let mut wire = Wire::new(40_000);
    wire.open();
    let mut lengths = lengths.iter().copied().cycle();
    for (side, bytes) in turns {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(lengths.next().unwrap_or(1_460).clamp(1, rest.len()));
            wire.send(*side, piece);
            rest = behind;
        }
    }
    wire.close();
    opened_with(&wire, "")
}

fn lines(events: &[Event]) -> Vec<String> {
    exchanges(events).iter().map(Seen::line).collect()
}

#[test]
fn http_behind_a_header_is_read() {
    let plain = lines(&events(&http(), &[1_460]));
    assert_eq!(plain, ["GET /first in > 200 0/7", "PUT /second in > 409 7/7"]);
    for header in [V1, V2, LOCAL, b"PROXY UNKNOWN\r\n"] {
        let events = events(&with_header(header, http()), &[1_460]);
        assert_eq!(lines(&events), plain, "{header:?}");
        assert_eq!(flows(&events)[0].app, App::Http1);
    }
}

#[test]
fn a_header_in_a_segment_of_its_own_waits_for_what_it_is_in_front_of() {
    let mut turns = vec![(CLIENT, V2.to_vec())];
    turns.extend(http());
    assert_eq!(lines(&events(&turns, &[1_460])).len(), 2);
}

#[test]
fn a_request_that_begins_as_a_header_does_is_none() {
    for first in ["PROXY /x HTTP/1.1", "POST /x HTTP/1.1", "P /x HTTP/1.1"] {
        let request = format!("{first}\r\nHost: in\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let turns = vec![
            (CLIENT, request),
            (SERVER, b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ];
        for lengths in [&[1][..], &[3], &[1_460]] {
            let seen = lines(&events(&turns, lengths));
            assert_eq!(seen.len(), 1, "{first}");
            assert!(seen[0].ends_with("> 204 0/0"), "{first}: {}", seen[0]);
        }
    }
}

#[test]
fn http2_and_tls_behind_a_header_are_recognised() {
    let preface = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0],
    ]
    .concat();
    // The beginning of a hello is enough to know TLS.
    let hello = b"\x16\x03\x01\0\x05\x01\0\0\x01\x03".to_vec();
    for (bytes, app) in [(preface, App::Http2), (hello, App::Tls)] {
        for lengths in [&[1][..], &[5], &[1_460]] {
            let turns = with_header(V2, vec![(CLIENT, bytes.clone())]);
            assert_eq!(flows(&events(&turns, lengths))[0].app, app);
        }
    }
}

#[test]
fn they_are_counted() {
    let counted = |turns: &[Turn]| -> Counters {
        let mut wire = Wire::new(40_000);
        wire.open();
        for (side, bytes) in turns {
            wire.send(*side, bytes);
        }
        wire.close();
        support::counted(&wire.frames, &Limits::default()).1
    };
    assert_eq!(counted(&http()).proxied_flows, 0);
    assert_eq!(counted(&with_header(V1, http())).proxied_flows, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_cut_changes_what_is_read(
        header in prop::sample::select(vec![V1, V2, LOCAL, &b"PROXY UNKNOWN\r\n"[..], b""]),
        lengths in prop::collection::vec(1..60_usize, 1..12),
    ) {
        let turns = with_header(header, http());
        prop_assert_eq!(lines(&events(&turns, &lengths)), lines(&events(&http(), &[1_460])));
    }
}
