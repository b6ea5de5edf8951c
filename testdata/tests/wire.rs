//! The packet writer: link layers, IPv6 extension headers, file formats, sequence numbers at the wrap.

use std::net::SocketAddr;

use testdata::wire::{
    Capture, Checked, Conn, Extension, Link, Resolution, Side, check_frame, frames_of_pcap,
};

const AT: u64 = 1_791_277_507_123_456_789;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A handshake, a request in two segments, an answer, and the end.
fn talk(capture: &mut Capture, mut conn: Conn) {
    let t = conn.open(capture, AT);
    let segments = conn.segments(Side::Client, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &[7]);
    for (i, segment) in segments.iter().enumerate() {
        conn.emit(capture, t + i as u64 * 1000, segment);
    }
    let t = conn.send(
        capture,
        t + 9000,
        Side::Server,
        b"HTTP/1.1 204 No Content\r\n\r\n",
    );
    conn.close(capture, t + 1_000_000, Side::Client);
}

fn v4() -> Conn {
    Conn::new(addr("10.0.0.1:40000"), addr("10.0.0.2:80"))
}

fn v6() -> Conn {
    Conn::new(addr("[2001:db8::1]:40000"), addr("[2001:db8::2]:80"))
}

#[test]
fn every_link_layer_carries_the_same_ip_packets() {
    // Bytes before the IP packet.
    for (name, link, conn, header) in [
        ("ethernet", Link::Ethernet, v4(), 14),
        ("one tag", Link::Ethernet, v4().with_vlans(&[7]), 18),
        ("two tags", Link::Ethernet, v4().with_vlans(&[300, 7]), 22),
        ("sll", Link::Sll, v4(), 16),
        ("sll2", Link::Sll2, v4(), 20),
        ("raw", Link::RawIp, v4(), 0),
    ] {
        let mut capture = Capture::new(link);
        talk(&mut capture, conn);
        let mut plain = Capture::new(Link::RawIp);
        talk(&mut plain, v4());
        assert_eq!(capture.len(), 9, "{name}");
        for (framed, ip) in capture.frames().iter().zip(plain.frames()) {
            assert_eq!(framed.bytes[header..], ip.bytes, "{name}");
        }
    }
}

#[test]
fn checksums_hold_with_options_extensions_tags_and_at_the_wrap() {
    for (name, conn) in [
        ("plain", v4()),
        ("timestamps", v4().with_timestamps()),
        ("tags", v4().with_vlans(&[300, 7])),
        ("wrap", v4().with_sequence(u32::MAX - 3, u32::MAX)),
        ("IPv6", v6()),
        ("hop by hop", v6().with_extensions(&[Extension::HopByHop])),
        (
            "three extensions",
            v6().with_extensions(&[
                Extension::HopByHop,
                Extension::Destination,
                Extension::AtomicFragment,
            ]),
        ),
    ] {
        let mut capture = Capture::new(Link::Ethernet);
        talk(&mut capture, conn);
        for frame in capture.frames() {
            assert_eq!(check_frame(&frame.bytes), Checked::Valid, "{name}");
        }
    }
}

#[test]
fn segments_use_up_sequence_numbers_whether_written_or_not() {
    let mut conn = v4().with_sequence(u32::MAX - 1, 5);
    let mut capture = Capture::new(Link::Ethernet);
    conn.open(&mut capture, AT);
    assert_eq!(conn.next_sequence(Side::Client), u32::MAX);
    let segments = conn.segments(Side::Client, b"abcdef", &[2, 2, 4, 99]);
    let got: Vec<(u32, &[u8])> = segments.iter().map(|s| (s.seq, s.payload.as_slice())).collect();
    assert_eq!(got, [(u32::MAX, &b"ab"[..]), (1, b"cd"), (3, b"ef")]);
    assert_eq!(conn.next_sequence(Side::Client), 5);
    assert_eq!(capture.len(), 3, "segments write nothing by themselves");
}

#[test]
fn files_hold_times_and_lengths() {
    let mut capture = Capture::new(Link::Ethernet).with_snap_len(60);
    talk(&mut capture, v4());
    for (resolution, first) in [
        (Resolution::Nanoseconds, AT),
        (Resolution::Microseconds, AT / 1000 * 1000),
    ] {
        let file = capture.pcap(resolution);
        let frames = frames_of_pcap(&file).expect("a pcap file");
        assert_eq!(frames.len(), 9);
        assert_eq!(frames[0].0, first);
        assert!(frames.iter().all(|(_, bytes)| bytes.len() <= 60));
        assert!(frames.iter().any(|(_, bytes)| bytes.len() == 60));
    }
    // pcapng: every block says its length twice, and they fill the file.
    let file = capture.pcapng();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut kinds) = (0, Vec::new());
    while at < file.len() {
        let len = word(at + 4) as usize;
        assert_eq!((len % 4, word(at + len - 4) as usize), (0, len), "block at {at}");
        kinds.push(word(at));
        if word(at) == 6 {
            let time = u64::from(word(at + 12)) << 32 | u64::from(word(at + 16));
            assert!((AT..AT + 2_000_000_000).contains(&time));
        }
        at += len;
    }
    assert_eq!(kinds[..2], [0x0a0d_0d0a, 1]);
    assert_eq!(kinds[2..], [6; 9]);
}

#[test]
fn frames_are_written_in_the_order_of_time() {
    let mut capture = Capture::new(Link::RawIp);
    capture.push(30, vec![3]);
    capture.push(10, vec![1]);
    capture.push(30, vec![4]);
    let order: Vec<u8> = capture.frames().iter().map(|f| f.bytes[0]).collect();
    assert_eq!(order, [1, 3, 4]);
}
