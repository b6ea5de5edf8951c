//! Where memory is allocated: for flows and messages, and not for segments that come in order.
//!
//! One test, for the counter is one of the process.

mod support;

use allocation_counter::measure;
use reassembly::{Limits, LinkType, Packet, Reassembler};
use support::{CLIENT, Frame, SERVER, Wire};

/// Pushes frames and drops what comes out; tells how often memory was allocated.
fn allocations(reassembler: &mut Reassembler, frames: &[Frame]) -> u64 {
    let counted = measure(|| {
        for frame in frames {
            reassembler.push(&Packet {
                ts: reassembly::Timestamp(frame.at),
                link: LinkType::RAW,
                data: &frame.ip,
                wire_len: u32::try_from(frame.ip.len()).expect("short"),
                frame: 0,
            });
            while reassembler.poll().is_some() {}
        }
    });
    counted.count_total
}

/// How often pushing the last frames of a flow allocates, when those before have been pushed. The very last are left out:
/// with them the message is over, and given out.
fn behind(wire: &Wire, before: usize) -> u64 {
    // What is remembered of bytes delivered grows once, with the first that come.
    let mut reassembler = Reassembler::new(Limits {
        history: 256 << 10,
        ..Limits::default()
    });
    let (first, rest) = wire.frames[..wire.frames.len() - 4].split_at(before);
    assert!(rest.len() > 500);
    allocations(&mut reassembler, first);
    allocations(&mut reassembler, rest)
}

#[test]
fn segments_in_order_take_no_memory() {
    const SEGMENT: usize = 1460;
    let kept = Limits::default().body_capture;
    let mut found = Vec::new();

    // A body behind what is kept of it, by length, in chunks that begin and end anywhere, and until the close.
    let chunked: Vec<u8> = std::iter::repeat_with(|| b"3e8\r\n".iter().chain(&[b'x'; 1000]).chain(b"\r\n"))
        .take(2000)
        .flatten()
        .copied()
        .collect();
    let plain = vec![b'x'; 2_000_000];
    for (name, head, body) in [
        ("a length", "Content-Length: 2000000\r\n", &plain),
        ("chunks", "Transfer-Encoding: chunked\r\n", &chunked),
        ("a body until the close", "", &plain),
    ] {
        let mut wire = Wire::new(40_000);
        wire.open().send(CLIENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.send(SERVER, format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
        let (begin, rest) = body.split_at(kept + 10 * SEGMENT);
        for part in begin.chunks(SEGMENT) {
            wire.send(SERVER, part).ack(CLIENT);
        }
        let before = wire.frames.len();
        for part in rest.chunks(SEGMENT) {
            wire.send(SERVER, part).ack(CLIENT);
        }
        found.push((name, behind(&wire, before)));
        let said: usize = wire.frames[before..].iter().map(|f| f.len).sum();
        assert_eq!(said, rest.len(), "{name}");
    }

    // An upload, whose acknowledgments come the other way.
    let mut wire = Wire::new(40_001);
    wire.open().send(
        CLIENT,
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n",
    );
    let mut before = 0;
    for (n, part) in plain.chunks(SEGMENT).enumerate() {
        if n * SEGMENT > kept + SEGMENT && before == 0 {
            before = wire.frames.len();
        }
        wire.send(CLIENT, part).ack(SERVER);
    }
    found.push(("an upload", behind(&wire, before)));

    // What is not HTTP.
    let mut wire = Wire::new(40_002);
    wire.open()
        .send(SERVER, "220 mail ESMTP\r\n")
        .send(CLIENT, "EHLO a\r\n");
    let (begin, rest) = plain.split_at(400 * SEGMENT);
    for part in begin.chunks(SEGMENT) {
        wire.send(CLIENT, part).ack(SERVER);
    }
    let before = wire.frames.len();
    for part in rest.chunks(SEGMENT) {
        wire.send(CLIENT, part).ack(SERVER);
    }
    found.push(("another protocol", behind(&wire, before)));

    // The counter counts: the same segments late are held, and that takes memory.
    let mut wire = Wire::new(40_003);
    wire.open().send(CLIENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send(SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
    for part in plain.chunks(SEGMENT) {
        wire.send(SERVER, part);
    }
    let before = wire.frames.len() / 2;
    for pair in wire.frames[before..].chunks_mut(2) {
        if let [first, second] = pair {
            std::mem::swap(&mut first.ip, &mut second.ip);
        }
    }
    assert!(behind(&wire, before) > 100, "segments out of order are held");

    for (name, count) in found {
        println!("{name}: {count} allocations");
        assert_eq!(count, 0, "{name}");
    }
}
