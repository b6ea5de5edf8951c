//! Named cases of TCP's rarer segments (RFC 5961, RFC 6093, RFC 7413, RFC 9293), and of checksums: what each must become.

mod support;

use reassembly::{Checksums, Counters, Event, Flow, Limits, LinkType, Packet, Reassembler, Timestamp};
use support::{CLIENT, Frame, MS, SERVER, Seen, Wire, exchanges, flows};
use testdata::wire::Flags;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SYN_ACK: Flags = Flags::SYN.and(Flags::ACK);
/// Bytes of the IPv4 header that the frames of these tests have.
const IP: usize = 20;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn open() -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open();
    wire
}

/// The frame written last says that its sender takes no more bytes.
fn shut(wire: &mut Wire) -> &mut Wire {
    let frame = wire.frames.last_mut().expect("a frame");
    frame.ip[IP + 14..IP + 16].copy_from_slice(&[0, 0]);
    wire
}

/// The frame written last has an urgent pointer.
fn urgent(wire: &mut Wire, pointer: u16) -> &mut Wire {
    let frame = wire.frames.last_mut().expect("a frame");
    frame.ip[IP + 13] |= Flags::URG.0;
    frame.ip[IP + 18..IP + 20].copy_from_slice(&pointer.to_be_bytes());
    wire
}

fn run(frames: &[Frame], limits: Limits) -> (Vec<String>, Vec<Flow>, Counters) {
    let mut reassembler = Reassembler::new(limits);
    for (number, frame) in (1..).zip(frames) {
        reassembler.push(&Packet {
            ts: Timestamp(frame.at),
            link: LinkType::RAW,
            data: &frame.ip,
            wire_len: frame.ip.len() as u32,
            frame: number,
        });
    }
    reassembler.finish();
    assert_eq!(reassembler.weight(), 0);
    let events: Vec<Event> = std::iter::from_fn(|| reassembler.poll()).collect();
    let lines = exchanges(&events).iter().map(Seen::line).collect();
    let flows = flows(&events).into_iter().cloned().collect();
    (lines, flows, reassembler.counters())
}

fn all(wire: &Wire) -> (Vec<String>, Vec<Flow>, Counters) {
    run(&wire.frames, Limits::default())
}

#[test]
fn urgent_data_is_read_in_line_and_told() {
    let mut wire = open();
    let request = get("/urgent");
    wire.send(CLIENT, &request[..10]).send(CLIENT, &request[10..]);
    urgent(&mut wire, 5).send(SERVER, OK);
    // A pointer without payload, and a flag without pointer, make nothing urgent.
    wire.ack(CLIENT);
    urgent(&mut wire, 5).send(CLIENT, get("/2"));
    urgent(&mut wire, 0).send(SERVER, OK).close();
    let (lines, flows, counters) = all(&wire);
    assert_eq!(
        lines,
        ["GET /urgent a > 200 0/2 urgent", "GET /2 a > 200 0/2 urgent"]
    );
    assert_eq!(counters.urgent, 1);
    assert_eq!(flows[0].flags.names().collect::<Vec<_>>(), ["urgent"]);
}

#[test]
fn a_keep_alive_with_a_byte_of_garbage_changes_nothing() {
    let want = ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"];
    for garbage in [&b""[..], b"\0", b"X"] {
        for side in [CLIENT, SERVER] {
            let mut wire = open();
            wire.send(CLIENT, get("/1")).send(SERVER, OK).ack(CLIENT);
            for _ in 0..3 {
                wire.wait(75_000);
                let sent = wire.sent(side);
                wire.raw(side, sent - 1, garbage, Flags::ACK, wire.sent(1 - side));
                wire.ack(1 - side);
            }
            wire.send(CLIENT, get("/2")).send(SERVER, OK).close();
            let (lines, flows, counters) = all(&wire);
            assert_eq!(lines, want);
            assert!(flows[0].flags.is_empty());
            assert_eq!((counters.conflicts, counters.retransmitted_bytes), (0, 0));
        }
    }
    // The bytes before it were lost: it is behind a gap, and not the byte that was sent there.
    let mut wire = open();
    wire.send(CLIENT, get("/1"))
        .send(SERVER, OK)
        .lose(SERVER, "HTTP/1.1 2");
    wire.ack(CLIENT).wait(75_000);
    let (sent, got) = (wire.sent(SERVER), wire.sent(CLIENT));
    wire.raw(SERVER, sent - 1, b"X", Flags::ACK, got);
    wire.ack(CLIENT).send(CLIENT, get("/2")).send(SERVER, OK).close();
    let (lines, _, counters) = all(&wire);
    assert_eq!(lines, want);
    assert_eq!((counters.gap_bytes, counters.unparsable_bytes), (10, 0));
}

/// One byte at a time, each first with other content: no keep-alive, for nobody has acknowledged the byte.
#[test]
fn bytes_sent_twice_one_by_one_are_compared() {
    let mut wire = open();
    for (at, byte) in get("/1").bytes().enumerate() {
        wire.send_acking(CLIENT, &[byte], 0);
        wire.raw(CLIENT, at, b"#", Flags::ACK, 0);
    }
    wire.send(SERVER, OK).close();
    let (lines, flows, counters) = all(&wire);
    assert_eq!(lines, ["GET /1 a > 200 0/2 conflict"]);
    assert_eq!(counters.conflicts, get("/1").len() as u64);
    assert_eq!(flows[0].conflict_count, get("/1").len() as u32);
    assert_eq!(flows[0].conflicts.len(), 4);
}

#[test]
fn a_probe_of_a_closed_window_counts_when_it_is_taken() {
    let request = get("/probed");
    let (first, rest) = request.split_at(20);
    let closed = || {
        let mut wire = open();
        wire.send(CLIENT, first).ack(SERVER);
        shut(&mut wire).wait(5_000);
        wire
    };
    // Refused, whatever the byte is; then the window opens and all of it is sent.
    for byte in [&rest.as_bytes()[..1], b"\0"] {
        for probes in 1..4 {
            let mut wire = closed();
            for _ in 0..probes {
                let sent = wire.sent(CLIENT);
                wire.raw(CLIENT, sent, byte, Flags::ACK, 0);
                wire.ack(SERVER);
                shut(&mut wire).wait(5_000);
            }
            wire.ack(SERVER).send(CLIENT, rest).send(SERVER, OK).close();
            let (lines, _, counters) = all(&wire);
            let conflict = if byte == b"\0" { " conflict" } else { "" };
            assert_eq!(lines, [format!("GET /probed a > 200 0/2{conflict}")]);
            assert_eq!(counters.refused_bytes, probes);
        }
    }
    // Taken: by its acknowledgment, by that of what follows, or because the sender goes on, the answer not seen.
    for seen in [true, false] {
        let mut wire = closed();
        wire.send(CLIENT, &rest[..1]);
        if seen {
            wire.ack(SERVER);
        }
        wire.send(CLIENT, &rest[1..]).send(SERVER, OK).close();
        let (lines, _, counters) = all(&wire);
        assert_eq!(lines, ["GET /probed a > 200 0/2"], "acknowledgment seen: {seen}");
        assert_eq!((counters.refused_bytes, counters.gaps), (0, 0));
    }
    // Nobody ever took it.
    let mut wire = closed();
    let sent = wire.sent(CLIENT);
    wire.raw(CLIENT, sent, b"\0", Flags::ACK, 0);
    let (lines, flows, counters) = all(&wire);
    assert_eq!((lines.len(), counters.refused_bytes), (0, 1));
    assert_eq!(flows[0].bytes.0, first.len() as u64);
}

#[test]
fn data_in_a_syn_counts_when_it_is_taken() {
    let request = get("/fast");
    let data = request.as_bytes();
    let with_data = |wire: &mut Wire, data: &[u8]| wire.raw(CLIENT, 0, data, Flags::SYN, 0);
    let want = ["GET /fast a > 200 0/2"];

    // Taken whole, or in part.
    for taken in [data.len(), 12] {
        let mut wire = Wire::new(40_000);
        with_data(&mut wire, data);
        wire.streams[CLIENT].extend_from_slice(&data[..taken]);
        wire.raw(SERVER, 0, b"", SYN_ACK, taken);
        wire.ack(CLIENT);
        if taken < data.len() {
            wire.send(CLIENT, &data[taken..]);
        }
        wire.send(SERVER, OK).close();
        let (lines, flows, counters) = all(&wire);
        assert_eq!(lines, want, "{taken} bytes taken");
        assert_eq!(flows[0].bytes.0, data.len() as u64);
        assert_eq!((counters.gaps, counters.conflicts), (0, 0));
        assert_eq!(counters.refused_bytes, (data.len() - taken) as u64);
    }

    // Refused, and sent again after the handshake: the same, or something else, which is no conflict, for nobody read it.
    for first in [data, b"GET /none HTTP/1.1"] {
        let mut wire = Wire::new(40_000);
        with_data(&mut wire, first);
        wire.raw(SERVER, 0, b"", SYN_ACK, 0);
        wire.ack(CLIENT).send(CLIENT, data).send(SERVER, OK).close();
        let (lines, _, counters) = all(&wire);
        assert_eq!(lines, want, "refused");
        assert_eq!(counters.refused_bytes, first.len() as u64);
    }

    // The SYN is sent twice; its answer comes first; its answer is not seen; one direction alone.
    let fast = || {
        let mut wire = Wire::new(40_000);
        with_data(&mut wire, data);
        wire.streams[CLIENT].extend_from_slice(data);
        wire.raw(SERVER, 0, b"", SYN_ACK, data.len());
        wire.ack(CLIENT).send(SERVER, OK).close();
        wire
    };
    let mut twice = fast();
    let again = Frame {
        at: twice.frames[0].at + 1,
        ..twice.frames[0].clone()
    };
    twice.frames.insert(1, again);
    let mut late = fast();
    late.frames.swap(0, 1);
    let mut unanswered = fast();
    unanswered.frames.remove(1);
    for (name, wire) in [("twice", &twice), ("late", &late), ("unanswered", &unanswered)] {
        let (lines, _, counters) = all(wire);
        assert_eq!(lines, want, "{name}");
        assert_eq!((counters.gaps, counters.conflicts), (0, 0), "{name}");
    }
    let mut alone = fast();
    alone.frames.retain(|f| f.side == CLIENT);
    let (lines, ..) = all(&alone);
    assert!(
        lines.len() == 1 && lines[0].starts_with("GET /fast a > -"),
        "{lines:?}"
    );
}

#[test]
fn a_half_closed_flow_is_read_to_its_end() {
    for side in [CLIENT, SERVER] {
        let mut wire = open();
        wire.send(CLIENT, get("/half"));
        if side == CLIENT {
            wire.fin(CLIENT);
        }
        wire.ack(SERVER).wait(30_000);
        for part in OK.as_bytes().chunks(7) {
            wire.send(SERVER, part).ack(CLIENT).wait(10_000);
        }
        wire.fin(SERVER);
        if side == SERVER {
            // What the client still sends is read: it is a request that nobody will answer.
            wire.send(CLIENT, get("/on")).fin(CLIENT).ack(SERVER);
        }
        let (lines, flows, _) = all(&wire);
        let want: &[&str] = match side {
            CLIENT => &["GET /half a > 200 0/2"],
            _ => &["GET /half a > 200 0/2", "GET /on a > - 0/0~ no_response"],
        };
        assert_eq!(lines, want);
        assert_eq!(flows.len(), 1);
    }
}

/// RFC 5961 section 3.2: only a RST at the very next byte is believed.
#[test]
fn a_reset_is_believed_at_the_next_byte_alone() {
    for (name, ahead, ends) in [
        ("in the window", 1000, false),
        ("old", -5, false),
        ("exact", 0, true),
    ] {
        let mut wire = open();
        wire.send(CLIENT, get("/1")).send(SERVER, OK).ack(CLIENT);
        let at = wire.sent(CLIENT).wrapping_add_signed(ahead);
        wire.raw(CLIENT, at, b"", Flags::RST, 0);
        let mut reassembler = Reassembler::new(Limits::default());
        for frame in &wire.frames {
            reassembler.push(&Packet {
                ts: Timestamp(frame.at),
                link: LinkType::RAW,
                data: &frame.ip,
                wire_len: frame.ip.len() as u32,
                frame: 0,
            });
        }
        // Longer than a closed flow is remembered.
        reassembler.advance(Timestamp(wire.now + 6_000 * MS));
        assert_eq!(reassembler.open_flows() == 0, ends, "{name}");
    }
}

#[test]
fn a_syn_after_a_reset_begins_another_flow_when_it_is_answered() {
    // Neither the RST nor the SYN reached the server: the flow goes on.
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK).ack(CLIENT);
    let rst_at = wire.sent(CLIENT);
    wire.raw(CLIENT, rst_at, b"", Flags::RST, 0);
    wire.bare(CLIENT, 3_000_000_000, 0, Flags::SYN);
    wire.send(CLIENT, get("/2")).send(SERVER, OK).close();
    let (lines, flows, _) = all(&wire);
    assert_eq!(lines, ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"]);
    assert_eq!(flows.len(), 1);

    // Both did.
    let mut first = open();
    first.send(CLIENT, get("/1")).send(SERVER, OK).rst(CLIENT);
    let mut second = Wire::new(40_000).sequence(3_000_000_000, 99);
    second.now = first.now + 20 * MS;
    second.open().send(CLIENT, get("/2")).send(SERVER, OK).close();
    first.frames.extend(second.frames);
    let (lines, flows, _) = all(&first);
    assert_eq!(lines, ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"]);
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|f| f.flags.is_empty()));
}

/// A flow closed in order is over whatever comes: another SYN begins another flow, and the answer need not be waited for.
#[test]
fn a_syn_after_an_orderly_close_begins_another_flow() {
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK).close();
    let mut forged = Wire::new(40_000).sequence(5, 6);
    forged.now = wire.now + MS;
    forged.raw(CLIENT, 0, b"", Flags::SYN, 0);
    let mut second = Wire::new(40_000).sequence(3_000_000_000, 99);
    second.now = forged.now + MS;
    second.open().send(CLIENT, get("/2")).send(SERVER, OK).close();
    wire.frames.extend(forged.frames);
    wire.frames.extend(second.frames);
    let (lines, flows, _) = all(&wire);
    assert_eq!(lines, ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"]);
    assert_eq!(flows.iter().filter(|f| f.exchanges > 0).count(), 2);
}

#[test]
fn an_answer_long_after_a_reset_finds_its_request() {
    for (wait, want) in [(20_000, 1), (50_000, 1), (70_000, 0)] {
        let mut wire = open();
        wire.raw(CLIENT, 0, b"", Flags::RST, 0);
        wire.send(CLIENT, get("/slow")).wait(wait);
        // Packets of others let capture time pass.
        let mut other = Wire::new(50_000);
        other.now = wire.now - wait * MS;
        other.step = wait / 10 * MS;
        for _ in 0..10 {
            other.ack(CLIENT);
        }
        wire.send(SERVER, OK).close();
        wire.frames.extend(other.frames);
        wire.frames.sort_by_key(|f| f.at);
        let (lines, ..) = all(&wire);
        let found = lines
            .iter()
            .filter(|l| l.starts_with("GET /slow a > 200 0/2"))
            .count();
        assert_eq!(found, want, "answered after {wait} ms: {lines:?}");
    }
}

/// The second copy is cut otherwise, after the first was delivered, read beyond, or is still held.
#[test]
fn differing_copies_are_found_however_they_are_cut() {
    let head = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n";
    let body: Vec<u8> = (0..300).map(|n| b'a' + (n % 26) as u8).collect();
    let begin = head.len();
    for size in [1, 7, 100, 300] {
        for (from, to) in [(0, 300), (10, 20), (95, 105), (150, 151), (299, 300)] {
            // 64 segments are looked through.
            if size == 1 && from < 240 {
                continue;
            }
            let mut wire = open();
            wire.send(CLIENT, head);
            for part in body.chunks(size) {
                wire.send(CLIENT, part);
            }
            let mut copy = body[from..to].to_vec();
            *copy.last_mut().unwrap() = b'#';
            wire.raw(CLIENT, begin + from, &copy, Flags::ACK, 0);
            let number = wire.frames.len() as u64;
            let at = wire.frames.last().unwrap().at;
            wire.send(SERVER, OK).close();
            let (lines, flows, counters) = all(&wire);
            assert_eq!(lines, ["POST /b a > 200 300/2 conflict"], "{size} {from}..{to}");
            assert_eq!(counters.conflicts, 1);
            assert_eq!(flows[0].conflict_count, 1);
            let [conflict] = &flows[0].conflicts[..] else {
                panic!("{:?}", flows[0].conflicts)
            };
            assert!(conflict.from_client);
            assert_eq!((conflict.ts, conflict.frame), (Timestamp(at), number));
            assert_eq!(conflict.offset, (begin + to - 1) as u64);
            let isn = 1_000_003u32.wrapping_mul(40_000);
            assert_eq!(conflict.seq, isn.wrapping_add(1 + (begin + to - 1) as u32));
            assert_eq!(conflict.len, 1);
            assert_eq!(conflict.first.as_deref(), Some(&body[to - 1..to]));
            assert_eq!(conflict.second, b"#");

            // A faithful copy is none.
            let mut wire = open();
            wire.send(CLIENT, head);
            for part in body.chunks(size) {
                wire.send(CLIENT, part);
            }
            wire.resend(CLIENT, begin + from, begin + to)
                .send(SERVER, OK)
                .close();
            let (lines, flows, counters) = all(&wire);
            assert_eq!(lines, ["POST /b a > 200 300/2"]);
            assert!(flows[0].conflicts.is_empty());
            assert_eq!((counters.conflicts, counters.uncompared_bytes), (0, 0));
        }
    }
    // Half of it delivered before, and half of it new.
    let mut wire = open();
    wire.send(CLIENT, head).send(CLIENT, &body[..200]);
    let mut copy = body[100..].to_vec();
    copy[50..60].fill(b'#');
    wire.raw(CLIENT, begin + 100, &copy, Flags::ACK, 0);
    wire.streams[CLIENT].extend_from_slice(&body[200..]);
    wire.send(SERVER, OK).close();
    let (lines, flows, _) = all(&wire);
    assert_eq!(lines, ["POST /b a > 200 300/2 conflict"]);
    let conflict = &flows[0].conflicts[0];
    assert_eq!((conflict.offset, conflict.len), ((begin + 150) as u64, 10));
    assert_eq!(
        (conflict.first.as_deref(), &conflict.second[..]),
        (Some(&body[150..160]), &[b'#'; 10][..])
    );
}

#[test]
fn what_cannot_be_compared_any_more_is_counted() {
    let limits = Limits {
        history: 1000,
        ..Limits::default()
    };
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK);
    for n in 2..20 {
        wire.send(CLIENT, get(&format!("/{n}"))).send(SERVER, OK);
    }
    let old = vec![b'#'; get("/1").len()];
    let acked = wire.sent(SERVER);
    wire.raw(CLIENT, 0, &old, Flags::ACK, acked);
    wire.close();
    let (lines, flows, counters) = run(&wire.frames, limits);
    assert_eq!(lines.len(), 19);
    assert!(flows[0].conflicts.is_empty());
    assert_eq!(counters.uncompared_bytes, old.len() as u64);
    assert_eq!(counters.retransmitted_bytes, old.len() as u64);
    let (.., counters) = all(&wire);
    assert_eq!((counters.uncompared_bytes, counters.conflicts), (0, 1));

    // With the bounds of one of the last segments it is told by their digest, and how the first copy read is not known.
    for (content, found) in [(get("/19"), 0), ("#".repeat(get("/19").len()), 1)] {
        let mut wire = open();
        for n in 1..20 {
            wire.send(CLIENT, get(&format!("/{n}"))).send(SERVER, OK);
        }
        let (sent, acked) = (wire.sent(CLIENT), wire.sent(SERVER));
        wire.raw(
            CLIENT,
            sent - content.len(),
            content.as_bytes(),
            Flags::ACK,
            acked,
        );
        wire.close();
        let limits = Limits {
            history: 0,
            ..Limits::default()
        };
        let (_, flows, counters) = run(&wire.frames, limits);
        assert_eq!((counters.uncompared_bytes, counters.conflicts), (0, found));
        let conflicts = &flows[0].conflicts;
        assert_eq!(conflicts.len() as u64, found);
        for conflict in conflicts {
            assert_eq!((&conflict.first, conflict.len), (&None, content.len() as u64));
            assert_eq!(conflict.second, content.as_bytes());
        }
    }
}

#[test]
fn sizes_and_times_of_what_cannot_be_read() {
    let mut wire = open();
    let start = wire.frames[0].at;
    wire.send(CLIENT, b"\x16\x03\x01\x00\x05hello").wait(5);
    wire.send(SERVER, b"\x00\x00answer").send(SERVER, b"more").wait(7);
    wire.ack(CLIENT)
        .send(CLIENT, b"again")
        .send(SERVER, b"so")
        .close();
    let (_, flows, _) = all(&wire);
    let flow = &flows[0];
    assert!(flow.flags.names().any(|f| f == "opaque"));
    assert_eq!(flow.bytes, (15, 14));
    assert_eq!(flow.data_packets, (2, 3));
    assert_eq!(flow.turns, 2);
    let after = |at: Option<Timestamp>| at.unwrap().0 - start;
    assert_eq!(after(flow.first_data.0), 3 * MS / 50);
    assert_eq!(after(flow.first_data.1), 5 * MS + 4 * MS / 50);
    assert_eq!(flow.packets, wire.frames.len() as u64);
    assert_eq!(flow.end.0, wire.frames.last().unwrap().at);
    // Nothing was said.
    let (_, flows, _) = all(open().close());
    assert_eq!((flows[0].data_packets, flows[0].turns), ((0, 0), 0));
    assert_eq!(flows[0].first_data, (None, None));
}

/// What tells a mirror of one direction from a scan.
#[test]
fn one_direction_alone_tells_of_the_other() {
    for side in [CLIENT, SERVER] {
        let mut wire = open();
        wire.send(CLIENT, get("/1")).send(SERVER, OK).close();
        wire.frames.retain(|f| f.side == side);
        let (_, flows, _) = all(&wire);
        let flow = &flows[0];
        assert!(flow.flags.names().any(|f| f == "one_sided"));
        let (seen, unseen) = match side {
            CLIENT => ((flow.bytes.0, flow.lost.0), (flow.bytes.1, flow.lost.1)),
            _ => ((flow.bytes.1, flow.lost.1), (flow.bytes.0, flow.lost.0)),
        };
        assert_eq!(seen, (wire.sent(side) as u64, 0));
        // The FIN may be among them: where it stands is not seen.
        assert_eq!(unseen.0, 0);
        assert!(
            (wire.sent(1 - side) as u64..=wire.sent(1 - side) as u64 + 1).contains(&unseen.1),
            "{unseen:?}"
        );
    }
    let mut scan = Wire::new(40_000);
    scan.raw(CLIENT, 0, b"", Flags::SYN, 0);
    let (_, flows, _) = all(&scan);
    assert!(flows[0].flags.names().any(|f| f == "one_sided"));
    assert_eq!((flows[0].bytes, flows[0].lost), ((0, 0), (0, 0)));
}

#[test]
fn checksums_are_counted_and_believed_only_when_asked() {
    let mut wire = open();
    wire.send(CLIENT, get("/1")).send(SERVER, OK);
    wire.send(CLIENT, get("/2")).send(SERVER, OK).close();
    let whole = wire.frames.len() as u64;
    // A segment in between with a wrong sum and other content; and one with a wrong header.
    let bad = |at: usize, bytes: &[u8]| {
        let mut frames = wire.frames.clone();
        let mut frame = frames[5].clone();
        frame.ip[at..at + bytes.len()].copy_from_slice(bytes);
        frames.insert(5, frame);
        frames
    };
    let body = wire.frames[5].ip.len() - 20;
    for (name, frames, tcp, ip, unfilled) in [
        ("segment", bad(body, b"#####"), 1, 0, 0),
        ("header", bad(8, &[7]), 0, 1, 0),
        ("left to the card", bad(IP + 16, &[0, 0]), 0, 0, 1),
    ] {
        for checksums in [
            Checksums::Ignore,
            Checksums::Sample,
            Checksums::Count,
            Checksums::Verify,
        ] {
            let (lines, flows, counters) = run(
                &frames,
                Limits {
                    checksums,
                    ..Limits::default()
                },
            );
            let looked = checksums != Checksums::Ignore;
            let drops = checksums == Checksums::Verify;
            let count = |n: u64| if looked { n } else { 0 };
            assert_eq!(counters.tcp_checksums_wrong, count(tcp), "{name} {checksums:?}");
            assert_eq!(counters.ip_checksums_wrong, count(ip), "{name} {checksums:?}");
            assert_eq!(
                counters.checksums_unfilled,
                count(unfilled),
                "{name} {checksums:?}"
            );
            assert_eq!(
                counters.checksum_dropped,
                u64::from(drops),
                "{name} {checksums:?}"
            );
            let header = u64::from(drops && ip > 0);
            assert_eq!(
                counters.checksums_checked,
                count(whole + 1 - header),
                "{name} {checksums:?}"
            );
            // With the same checksum it counts as a copy.
            assert_eq!(flows[0].packets, whole + u64::from(!drops && unfilled > 0));
            if name != "segment" || drops {
                assert_eq!(
                    lines,
                    ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"],
                    "{name} {checksums:?}"
                );
            } else {
                assert_ne!(lines, ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"]);
            }
        }
    }
}

#[test]
fn of_many_packets_a_few_checksums_are_looked_at() {
    let mut wire = open();
    for _ in 0..500 {
        wire.send(CLIENT, get("/1")).send(SERVER, OK);
    }
    for frame in &mut wire.frames {
        frame.ip[IP + 16] ^= 1;
    }
    let (.., counters) = all(&wire);
    assert_eq!(counters.packets, 1003);
    assert_eq!(counters.checksums_checked, 64 + 1003 / 64 - 1);
    assert_eq!(counters.tcp_checksums_wrong, counters.checksums_checked);
}

/// Segments that a card is left to split have an IP length of zero, and the sum of the pseudo-header for a checksum.
#[test]
fn segments_left_to_the_card_are_read_and_told() {
    let mut wire = open();
    wire.send(CLIENT, get("/large")).send(SERVER, OK).close();
    for frame in &mut wire.frames {
        let len = (frame.ip.len() - IP) as u16;
        frame.ip[2..4].copy_from_slice(&[0, 0]);
        let mut header = [0; 2];
        frame.ip[10..12].copy_from_slice(&header);
        header = (!sum(&frame.ip[..IP])).to_be_bytes();
        frame.ip[10..12].copy_from_slice(&header);
        let pseudo = [&frame.ip[12..20], &[0, 6], &len.to_be_bytes()].concat();
        let pseudo = sum(&pseudo).to_be_bytes();
        frame.ip[IP + 16..IP + 18].copy_from_slice(&pseudo);
    }
    let limits = Limits {
        checksums: Checksums::Count,
        ..Limits::default()
    };
    let (lines, _, counters) = run(&wire.frames, limits);
    assert_eq!(lines, ["GET /large a > 200 0/2"]);
    assert_eq!(counters.checksums_unfilled, wire.frames.len() as u64);
    assert_eq!(counters.tcp_checksums_wrong + counters.ip_checksums_wrong, 0);
}

/// RFC 1071, two bytes at a time.
fn sum(bytes: &[u8]) -> u16 {
    let mut all: u32 = bytes
        .chunks(2)
        .map(|p| u32::from(p[0]) << 8 | u32::from(p[1]))
        .sum();
    while all >> 16 != 0 {
        all = (all & 0xffff) + (all >> 16);
    }
    all as u16
}

#[test]
fn late_copies_are_not_of_the_flow_that_a_syn_begins() {
    const ISN: u32 = 0x7000_0000;
    for step in 0..64_u32 {
        // Above and below the first flow's numbers, and far from them.
        let isn = ISN.wrapping_add(0x0200_0000 + step * 0x0400_0000);
        for (acked, forged) in [(false, true), (true, true), (false, false), (true, false)] {
            let mut first = Wire::new(40_000).sequence(ISN, !ISN);
            first.open().send(CLIENT, get("/1")).send(SERVER, OK).close();
            let mut second = Wire::new(40_000).sequence(isn, !isn);
            second.now = first.now + MS;
            if forged {
                second.raw(CLIENT, 0, b"", Flags::SYN, 0);
            } else {
                second.open();
            }
            let copied = first.frames.len();
            first.now = second.now;
            for side in [CLIENT, SERVER] {
                let (all, has) = (first.streams[side].clone(), first.sent(1 - side));
                first.raw(side, 0, &all, Flags::ACK, if acked { has } else { 0 });
            }
            first.fin(SERVER).ack(CLIENT);
            let late = first.frames.split_off(copied);
            second.now = first.now;
            let before = second.frames.len();
            if !forged {
                second.send(CLIENT, get("/2")).send(SERVER, OK).close();
            }
            let rest = second.frames.split_off(before);
            first.frames.extend([second.frames, late, rest].concat());
            let (lines, flows, _) = all(&first);
            let both = ["GET /1 a > 200 0/2", "GET /2 a > 200 0/2"];
            assert_eq!(
                lines,
                both[..if forged { 1 } else { 2 }],
                "{step} {acked} {forged}"
            );
            assert_eq!(flows.len(), 2);
        }
    }
}
