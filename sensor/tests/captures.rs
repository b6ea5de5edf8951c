//! The same exchange is read from every file format, link layer and unkind network.

mod support;

use std::fs;
use std::net::SocketAddr;

use support::{folder, lines, said, tapline};
use testdata::wire::{Capture, Conn, Extension, Flags, Link, Resolution, Segment, Side};

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

/// As many connections of one request and its answer, with the frames of one end left out.
fn mirrored(connections: u16, without: Option<SocketAddr>) -> Capture {
    let mut all = Capture::new(Link::Ethernet);
    let server = addr("10.0.0.2:80");
    for n in 0..connections {
        let mut conn = Conn::new(SocketAddr::new(addr("10.0.0.1:1").ip(), 20_000 + n), server);
        let mut t = conn.open(&mut all, AT + u64::from(n) * 10_000_000);
        for (side, data) in [(Side::Client, REQUEST), (Side::Server, RESPONSE)] {
            t = conn.send(&mut all, t, side, data) + 1_000_000;
        }
        conn.close(&mut all, t, Side::Client);
    }
    let Some(without) = without else { return all };
    let source = match without.ip() {
        std::net::IpAddr::V4(ip) => ip.octets(),
        std::net::IpAddr::V6(_) => panic!("these are IPv4"),
    };
    let mut kept = Capture::new(Link::Ethernet);
    for frame in all.frames() {
        if frame.bytes[26..30] != source {
            kept.push(frame.at, frame.bytes.clone());
        }
    }
    kept
}

#[test]
fn a_mirror_of_one_direction_is_told_and_a_scan_is_not() {
    let folder = folder("one-sided");
    let run = |name: &str, capture: &Capture, config: &str| {
        let (file, settings) = (
            folder.join(format!("{name}.pcap")),
            folder.join(format!("{name}.toml")),
        );
        fs::write(&file, capture.pcap(Resolution::Nanoseconds)).expect("a file");
        fs::write(&settings, config).expect("a file");
        let output = tapline(&[
            "replay".as_ref(),
            file.as_os_str(),
            "--config".as_ref(),
            settings.as_os_str(),
        ]);
        assert!(output.status.success(), "{}", said(&output));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    for (name, without) in [("client", "10.0.0.2:80"), ("server", "10.0.0.1:1")] {
        let half = mirrored(80, Some(addr(without)));
        let (summary, messages) = run(name, &half, "");
        let warning = "tapline: warning: one direction only: 50 of 50 TCP flows with data (100 %) were seen in one direction";
        assert!(messages.contains(warning), "{name} alone: {messages}");
        assert_eq!(messages.matches("one direction only").count(), 1);
        assert!(summary.contains("\nCoverage  "), "{summary}");
        assert!(
            summary.contains("One direction only: 50 of 50 TCP flows"),
            "{summary}"
        );
        let (_, messages) = run(name, &half, "[wire]\none_sided_percent = 0\n");
        assert_eq!(messages.matches("one direction only").count(), 0, "{messages}");
    }
    let (summary, messages) = run("both", &mirrored(80, None), "");
    assert!(!messages.contains("one direction only"), "{messages}");
    assert!(!summary.contains("Coverage"), "all was read: {summary}");
    // Of each connection nothing but the SYN.
    let mut scan = Capture::new(Link::Ethernet);
    for frame in mirrored(200, None).frames() {
        if frame.bytes[14 + 20 + 13] == 2 {
            scan.push(frame.at, frame.bytes.clone());
        }
    }
    let (summary, messages) = run("scan", &scan, "");
    assert!(!messages.contains("one direction only"), "{messages}");
    assert!(!summary.contains("Coverage"), "{summary}");
}

#[test]
fn a_differing_retransmission_is_told_by_place_and_hashes() {
    let folder = folder("conflict");
    let mut capture = Capture::new(Link::Ethernet);
    let mut conn = v4();
    let t = conn.open(&mut capture, AT);
    let t = conn.send(&mut capture, t, Side::Client, REQUEST);
    let again = Segment {
        side: Side::Client,
        seq: conn.next_sequence(Side::Client).wrapping_sub(11),
        ack: conn.next_sequence(Side::Server),
        flags: Flags::ACK,
        payload: b"hello s3cr3".to_vec(),
    };
    conn.emit(&mut capture, t, &again);
    let t = conn.send(&mut capture, t + 1_000_000, Side::Server, RESPONSE);
    conn.close(&mut capture, t, Side::Client);
    let (file, flows) = (folder.join("c.pcap"), folder.join("flows.jsonl"));
    fs::write(&file, capture.pcap(Resolution::Nanoseconds)).expect("a file");
    let settings = folder.join("c.toml");
    let mut hashes = Vec::new();
    for key in ["", &format!("[privacy]\nhash_key = \"{}\"\n", "5a".repeat(32))] {
        fs::write(&settings, key).expect("a file");
        let output = tapline(&[
            "replay".as_ref(),
            file.as_os_str(),
            "--flows".as_ref(),
            flows.as_os_str(),
            "--config".as_ref(),
            settings.as_os_str(),
        ]);
        assert!(output.status.success(), "{}", said(&output));
        let text = fs::read_to_string(&flows).expect("text");
        assert!(!text.contains("s3cr3") && !text.contains("world"), "{text}");
        let schema: serde_json::Value =
            serde_json::from_slice(&tapline(&["schema", "flow"]).stdout).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let record = &lines(&flows)[0];
        if let Err(error) = validator.validate(record) {
            panic!("{error} in {record}");
        }
        assert_eq!(record["flags"], serde_json::json!(["conflict"]));
        assert_eq!(record["conflict_count"], 1);
        let conflict = &record["conflicts"][0];
        assert_eq!(conflict["from"], "client");
        assert_eq!(conflict["offset"], REQUEST.len() - 5);
        assert_eq!(conflict["len"], 5);
        assert_eq!(conflict["frame"], 5);
        assert_ne!(conflict["first"], conflict["second"]);
        hashes.push(conflict["first"].as_str().expect("a hash").to_owned());
    }
    assert_ne!(hashes[0], hashes[1], "the hash has a key");
}

/// Somebody shows the sensor a request that no host will read: its checksum is wrong, and the real one follows.
#[test]
fn what_is_done_about_wrong_checksums_is_what_the_configuration_says() {
    let folder = folder("checksums");
    let text = String::from_utf8_lossy(REQUEST);
    let decoy = text.replace("/v1/items", "/v1/decoy");
    assert_eq!(decoy.len(), REQUEST.len());
    // Where the sums stand in a frame of Ethernet.
    for (sum, at, words) in [
        ("tcp", 14 + 20 + 16, "wrong TCP checksum"),
        ("ip", 14 + 10, "wrong IPv4 checksum"),
    ] {
        let mut conn = v4();
        let mut whole = Capture::new(Link::Ethernet);
        let t = conn.open(&mut whole, AT);
        let real = conn.segments(Side::Client, REQUEST, &[]).remove(0);
        let shown = Segment {
            payload: decoy.clone().into_bytes(),
            ..real.clone()
        };
        conn.emit(&mut whole, t, &shown);
        conn.emit(&mut whole, t + 60_000_000, &real);
        let t = conn.send(&mut whole, t + 70_000_000, Side::Server, RESPONSE);
        conn.close(&mut whole, t, Side::Client);
        let mut capture = Capture::new(Link::Ethernet);
        let mut spoilt = 0;
        for frame in whole.frames() {
            let mut bytes = frame.bytes.clone();
            if bytes.windows(9).any(|window| window == b"/v1/decoy") {
                bytes[at] ^= 0x55;
                spoilt += 1;
            }
            capture.push(frame.at, bytes);
        }
        assert_eq!(spoilt, 1);
        let (file, settings, out) = (
            folder.join(format!("{sum}.pcap")),
            folder.join(format!("{sum}.toml")),
            folder.join(format!("{sum}.jsonl")),
        );
        fs::write(&file, capture.pcap(Resolution::Nanoseconds)).expect("a file");
        for (config, counted, dropped) in [
            ("[wire]\nchecksums = \"verify\"\n", true, true),
            ("[wire]\nchecksums = \"count\"\n", true, false),
            ("[wire]\nchecksums = \"ignore\"\n", false, false),
            ("", true, false),
        ] {
            fs::write(&settings, config).expect("a file");
            for workers in ["1", "2"] {
                let output = tapline(&[
                    "replay".as_ref(),
                    file.as_os_str(),
                    "--config".as_ref(),
                    settings.as_os_str(),
                    "--exchanges".as_ref(),
                    out.as_os_str(),
                    "--workers".as_ref(),
                    workers.as_ref(),
                ]);
                assert!(output.status.success(), "{}", said(&output));
                let found = lines(&out);
                let targets: Vec<&str> = found.iter().filter_map(|e| e["target"].as_str()).collect();
                let (path, flags) = if dropped {
                    ("/v1/items", serde_json::json!([]))
                } else {
                    ("/v1/decoy", serde_json::json!(["conflict"]))
                };
                let name = format!("{sum} {config:?} {workers}: {found:?}");
                assert!(targets.len() == 1 && targets[0].starts_with(path), "{name}");
                assert_eq!(
                    (&found[0]["flags"], &found[0]["status"]),
                    (&flags, &200.into()),
                    "{name}"
                );
                let told = String::from_utf8_lossy(&output.stderr);
                assert_eq!(told.contains(&format!("1 {words}")), counted, "{name}: {told}");
                let drop = "1 packet dropped for their checksum";
                assert_eq!(told.contains(drop), dropped, "{name}: {told}");
            }
        }
    }
}
