//! The same exchange is read from every file format, link layer and unkind network.

mod support;

use std::fs;
use std::net::SocketAddr;

use support::{folder, lines, said, tapline};
use testdata::wire::{Capture, Conn, Extension, Link, Resolution, Segment, Side};

const AT: u64 = 1_791_277_507_123_456_000;
const REQUEST: &[u8] =
    b"POST /v1/items?page=2 HTTP/1.1\r\nHost: api.wire.example\r\nContent-Length: 11\r\n\r\nhello world";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn v4() -> Conn {
    Conn::new(addr("10.0.0.1:40000"), addr("10.0.0.2:80"))
}

fn v6() -> Conn {
    Conn::new(addr("[2001:db8::1]:40000"), addr("[2001:db8::2]:80"))
}

/// Writes both messages, each cut into five, after `order` has had its way with the segments.
fn talk(link: Link, mut conn: Conn, order: fn(Vec<Segment>) -> Vec<Segment>) -> Capture {
    let mut capture = Capture::new(link);
    let mut t = conn.open(&mut capture, AT);
    for (side, data) in [(Side::Client, REQUEST), (Side::Server, RESPONSE)] {
        let fifth = data.len() / 5;
        let cuts = [1, fifth, 2 * fifth, 3 * fifth + 1];
        let segments = conn.segments(side, data, &cuts);
        for segment in order(segments) {
            conn.emit(&mut capture, t, &segment);
            t += 20_000;
        }
        t += 1_000_000;
    }
    conn.close(&mut capture, t, Side::Client);
    capture
}

fn as_sent(segments: Vec<Segment>) -> Vec<Segment> {
    segments
}

fn backwards(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.reverse();
    segments
}

fn each_twice(segments: Vec<Segment>) -> Vec<Segment> {
    segments.into_iter().flat_map(|s| [s.clone(), s]).collect()
}

/// One segment more, over the end of the first and the whole of the second.
fn overlapping(mut segments: Vec<Segment>) -> Vec<Segment> {
    let mut wide = segments[1].clone();
    wide.payload.extend_from_slice(&segments[2].payload[..3]);
    segments.insert(2, wide);
    segments
}

#[test]
fn one_exchange_is_read_from_each_of_them() {
    let folder = folder("captures");
    let nanos = |c: &Capture| c.pcap(Resolution::Nanoseconds);
    let micros = |c: &Capture| c.pcap(Resolution::Microseconds);
    let ethernet = |conn: Conn| nanos(&talk(Link::Ethernet, conn, as_sent));
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("nanoseconds", ethernet(v4())),
        ("microseconds", micros(&talk(Link::Ethernet, v4(), as_sent))),
        ("pcapng", talk(Link::Ethernet, v4(), as_sent).pcapng()),
        ("sll", nanos(&talk(Link::Sll, v4(), as_sent))),
        ("sll2", nanos(&talk(Link::Sll2, v6(), as_sent))),
        ("raw", nanos(&talk(Link::RawIp, v6(), as_sent))),
        ("vlan", ethernet(v4().with_vlans(&[7]))),
        ("qinq", ethernet(v6().with_vlans(&[300, 7]))),
        ("ipv6", ethernet(v6())),
        (
            "ipv6-extensions",
            ethernet(v6().with_extensions(&[
                Extension::HopByHop,
                Extension::Destination,
                Extension::AtomicFragment,
            ])),
        ),
        ("timestamps", ethernet(v4().with_timestamps())),
        ("wrap", ethernet(v4().with_sequence(u32::MAX - 20, u32::MAX - 60))),
        ("backwards", nanos(&talk(Link::Ethernet, v4(), backwards))),
        (
            "wrap-backwards",
            nanos(&talk(
                Link::Ethernet,
                v4().with_sequence(u32::MAX - 20, u32::MAX - 60),
                backwards,
            )),
        ),
        ("twice", nanos(&talk(Link::Ethernet, v4(), each_twice))),
        ("overlap", nanos(&talk(Link::Ethernet, v4(), overlapping))),
    ];
    for (name, bytes) in files {
        let file = folder.join(format!("{name}.pcap"));
        fs::write(&file, bytes).expect("written");
        let out = folder.join(format!("{name}.jsonl"));
        let run = tapline(&[
            "replay".as_ref(),
            file.as_os_str(),
            "--reveal".as_ref(),
            "query".as_ref(),
            "--exchanges".as_ref(),
            out.as_os_str(),
        ]);
        assert_eq!(run.status.code(), Some(0), "{name}: {}", said(&run));
        let found = lines(&out);
        let [exchange] = found.as_slice() else {
            panic!("{name}: {} exchanges", found.len());
        };
        for (pointer, want) in [
            ("/method", "POST".into()),
            ("/host", "api.wire.example".into()),
            ("/target", "/v1/items?page=2".into()),
            ("/status", 200.into()),
            ("/request/body_bytes", 11.into()),
            ("/request/complete", true.into()),
            ("/response/body_bytes", 8.into()),
            ("/response/complete", true.into()),
            ("/flags", serde_json::json!([])),
        ] {
            assert_eq!(
                exchange.pointer(pointer),
                Some(&want),
                "{name}: {pointer} in {exchange}"
            );
        }
        let vlan = match name {
            "vlan" | "qinq" => Some(7),
            _ => None,
        };
        let found = exchange.pointer("/flow/vlan").and_then(serde_json::Value::as_u64);
        assert_eq!(found, vlan, "{name}");
    }
}
