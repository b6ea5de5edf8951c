//! What holds of any traffic: the way messages are cut, repeated, delayed and mixed changes nothing, and
//! what is lost takes nothing else with it.

mod support;

use std::io::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use support::{CLIENT, Frame, MS, SERVER, Seen, Wire, events_of, exchanges};

/// How long a packet may be delayed: well within the wait of [`Limits::reorder_wait`].
const DELAY: u64 = 100 * MS;

/// Decisions of the network, taken one after another. Zero is always the kind one, so that a failing case
/// shrinks to a kind network.
#[derive(Debug, Clone)]
struct Dice {
    throws: Vec<u16>,
    at: usize,
}

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        let throw = self.throws[self.at % self.throws.len()];
        self.at += 1;
        usize::from(throw) % sides.max(1)
    }

    /// Yes, once in `times`.
    fn one_in(&mut self, times: usize) -> bool {
        self.throw(times) == times - 1
    }
}

fn dice() -> impl Strategy<Value = Dice> {
    vec(any::<u16>(), 1..400).prop_map(|throws| Dice { throws, at: 0 })
}

/// One exchange as it will be written.
#[derive(Debug, Clone)]
struct Plan {
    method: &'static str,
    /// Length and whether chunked.
    upload: Option<(usize, bool)>,
    status: u16,
    interim: bool,
    len: usize,
    framing: Framing,
    gzip: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
    Trailers,
}

fn plan() -> impl Strategy<Value = Plan> {
    let method = prop::sample::select(vec!["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]);
    let upload = prop::option::of((0usize..600, any::<bool>()));
    let status = prop::sample::select(vec![200u16, 201, 204, 304, 404, 500]);
    let framing = prop::sample::select(vec![Framing::Length, Framing::Chunked, Framing::Trailers]);
    let parts = (
        method,
        upload,
        status,
        any::<bool>(),
        0usize..900,
        framing,
        any::<bool>(),
    );
    parts.prop_map(|(method, upload, status, interim, len, framing, gzip)| Plan {
        method,
        upload: upload.filter(|_| matches!(method, "POST" | "PUT" | "DELETE")),
        status,
        interim,
        len,
        framing,
        gzip,
    })
}

/// A flow: bursts of requests, each answered before the next burst.
#[derive(Debug, Clone)]
struct Talk {
    bursts: Vec<Vec<Plan>>,
    /// Whether the last response ends with the connection.
    to_close: bool,
    /// Initial sequence numbers.
    isn: (u32, u32),
    /// Whether segments are repeated although they arrived.
    repeats: bool,
}

fn talk(pipelined: usize) -> impl Strategy<Value = Talk> {
    // Near the wrap as often as elsewhere.
    let isn = || prop_oneof![any::<u32>(), (0u32..2000).prop_map(|n| u32::MAX - n)];
    (
        vec(vec(plan(), 1..=pipelined), 1..5),
        any::<bool>(),
        (isn(), isn()),
    )
        .prop_map(|(bursts, to_close, isn)| Talk {
            bursts,
            to_close,
            isn,
            repeats: true,
        })
}

/// What is true of one exchange, and where its bytes lie in the two streams.
#[derive(Debug, Clone)]
struct Truth {
    port: u16,
    request: String,
    status: u16,
    sent: Vec<u8>,
    received: Vec<u8>,
    ranges: [std::ops::Range<usize>; 2],
}

/// A body that nothing outside its framing could tell from messages. With `quotes` it holds whole ones.
fn body(len: usize, salt: usize, quotes: bool) -> Vec<u8> {
    let text: &[u8] = if quotes {
        b"\r\n0\r\n\r\nGET /never HTTP/1.1\r\nHost: never.example\r\n\r\nHTTP/1.1 299 Never\r\nContent-Length: 0\r\n\r\n"
    } else {
        // What looks like the start of a message where a segment begins can deceive a sensor that lost its place.
        b"{\"a\":[1,2],\"log\":\"got x\"}\r\n0\r\n\r\nHttp 1.1 20\n\x00\xff"
    };
    text.iter()
        .cycle()
        .skip(salt % text.len())
        .take(len)
        .copied()
        .collect()
}

fn chunked(data: &[u8], trailers: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, part) in data.chunks(97).enumerate() {
        let extension = if number % 3 == 1 { ";n=v" } else { "" };
        out.extend(format!("{:X}{extension}\r\n", part.len()).into_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    if trailers {
        out.extend_from_slice(b"X-Sum: 12\r\nX-Other: b\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Request, response, and what of them is seen: target, upload, content.
fn render(
    plan: &Plan,
    name: &str,
    salt: usize,
    to_close: bool,
    quotes: bool,
) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut request = format!("{} {name} HTTP/1.1\r\nHost: Shop.example\r\n", plan.method).into_bytes();
    let mut sent = Vec::new();
    match plan.upload {
        Some((len, true)) => {
            sent = body(len, salt, quotes);
            request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            request.extend(chunked(&sent, false));
        }
        Some((len, false)) => {
            sent = body(len, salt, quotes);
            request.extend(format!("Content-Length: {len}\r\n\r\n").into_bytes());
            request.extend_from_slice(&sent);
        }
        None => request.extend_from_slice(b"\r\n"),
    }
    let bodiless = plan.method == "HEAD" || matches!(plan.status, 204 | 304);
    let content = body(plan.len, salt + 7, quotes);
    let coded = if plan.gzip && !to_close {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).expect("a vector takes all");
        gzip.finish().expect("a vector takes all")
    } else {
        content.clone()
    };
    let mut response = Vec::new();
    if plan.interim {
        response.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    response.extend(format!("HTTP/1.1 {} Some Reason\r\nX-Id: {name}\r\n", plan.status).into_bytes());
    if plan.gzip && !to_close {
        response.extend_from_slice(b"Content-Encoding: gzip\r\n");
    }
    let framed = match plan.framing {
        _ if to_close => coded,
        Framing::Length => {
            // A response to HEAD tells the length a GET would have had; 204 may tell none.
            if plan.status != 204 {
                response.extend(format!("Content-Length: {}\r\n", coded.len()).into_bytes());
            }
            coded
        }
        framing => {
            if plan.status != 204 {
                response.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            chunked(&coded, framing == Framing::Trailers)
        }
    };
    response.extend_from_slice(b"\r\n");
    if bodiless {
        return (request, response, sent, Vec::new());
    }
    response.extend(framed);
    (request, response, sent, content)
}

/// How segments are cut and repeated.
struct Network<'a> {
    dice: &'a mut Dice,
    kind: bool,
    repeats: bool,
}

impl Network<'_> {
    /// Sends a message, cut somehow, now and then acknowledged and repeated.
    fn send(&mut self, wire: &mut Wire, side: usize, mut data: &[u8], acked: usize) {
        if self.kind {
            wire.send_acking(side, data, acked);
            return;
        }
        while !data.is_empty() {
            let len = match self.dice.throw(4) {
                0 => data.len(),
                1 => 1,
                2 => self.dice.throw(12),
                _ => self.dice.throw(500),
            };
            let (part, rest) = data.split_at(len.clamp(1, data.len()));
            wire.send_acking(side, part, acked);
            if self.dice.one_in(3) {
                wire.ack(1 - side);
            }
            if self.dice.one_in(6) && self.repeats {
                let to = wire.sent(side);
                let from = to - 1 - self.dice.throw(to.min(700));
                let end = to - self.dice.throw(to - from);
                let from = from.max(wire.known(side));
                if from < end {
                    wire.resend(side, from, end);
                }
            }
            if self.dice.one_in(12) && self.repeats {
                // A keep-alive repeats the byte before the next one.
                let to = wire.sent(side);
                if wire.known(side) < to {
                    wire.resend(side, to - 1, to);
                }
            }
            data = rest;
        }
    }
}

/// Writes a flow. The truth is the same however it is cut.
fn write(talk: &Talk, port: u16, dice: &mut Dice, kind: bool, quotes: bool) -> (Wire, Vec<Truth>) {
    let mut wire = Wire::new(port).sequence(talk.isn.0, talk.isn.1);
    let mut truths = Vec::new();
    wire.open();
    let mut network = Network {
        dice,
        kind,
        repeats: talk.repeats,
    };
    let count: usize = talk.bursts.iter().map(Vec::len).sum();
    for burst in &talk.bursts {
        let mut responses = Vec::new();
        let seen_by_client = wire.sent(SERVER);
        for plan in burst {
            let number = truths.len();
            let name = format!("/{port}/{number}");
            let to_close = talk.to_close && number + 1 == count;
            let (request, response, sent, received) = render(plan, &name, number * 31, to_close, quotes);
            let from = wire.sent(CLIENT);
            network.send(&mut wire, CLIENT, &request, seen_by_client);
            responses.push((response, wire.sent(CLIENT)));
            truths.push(Truth {
                port,
                request: format!("{} {name} shop.example", plan.method),
                status: plan.status,
                sent,
                received,
                ranges: [from..wire.sent(CLIENT), 0..0],
            });
        }
        let first = truths.len() - burst.len();
        for (number, (response, acked)) in responses.into_iter().enumerate() {
            let from = wire.sent(SERVER);
            network.send(&mut wire, SERVER, &response, acked);
            truths[first + number].ranges[SERVER] = from..wire.sent(SERVER);
        }
    }
    if talk.to_close {
        wire.fin(SERVER).fin(CLIENT).ack(SERVER);
    } else {
        wire.close();
    }
    (wire, truths)
}

/// Packets of several flows as they reach the sensor: delayed, and some twice. The handshakes come first.
fn arrive(wires: &[Wire], dice: &mut Dice) -> Vec<Frame> {
    let mut frames = Vec::new();
    for wire in wires {
        let skew = [dice.throw(20) as u64 * MS, dice.throw(20) as u64 * MS];
        for (number, frame) in wire.frames.iter().enumerate() {
            if number < 3 {
                frames.push(frame.clone());
                continue;
            }
            let copies = 1 + usize::from(dice.one_in(8));
            for _ in 0..copies {
                let mut copy = frame.clone();
                copy.at += MS + skew[frame.side];
                if dice.one_in(4) {
                    copy.at += dice.throw(800) as u64 * (DELAY / 1000);
                }
                frames.push(copy);
            }
        }
    }
    frames.sort_by_key(|f| f.at);
    frames
}

fn in_order(wires: &[Wire]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = wires.iter().flat_map(|w| w.frames.clone()).collect();
    frames.sort_by_key(|f| f.at);
    frames
}

/// The packets in short, to be read when something fails.
fn travels(frames: &[Frame]) -> String {
    let one = |f: &Frame| {
        let header = usize::from(f.ip[0] & 15) * 4;
        let word = |at: usize| u32::from_be_bytes([f.ip[at], f.ip[at + 1], f.ip[at + 2], f.ip[at + 3]]);
        let payload = String::from_utf8_lossy(&f.ip[f.ip.len() - f.len..]);
        let start: String = payload.chars().take(24).collect();
        format!(
            "\n{:>9} us port {} {} seq {} ack {} flags {:#04x} from {} len {} {start:?}",
            f.at / 1000 % 1_000_000_000,
            if f.side == CLIENT {
                word(header) >> 16
            } else {
                word(header) & 0xffff
            },
            ["client", "server"][f.side],
            word(header + 4),
            word(header + 8),
            f.ip[header + 13],
            f.from,
            f.len,
        )
    };
    frames.iter().map(one).collect()
}

/// Whether what was found is exactly what is true.
fn is_exact(truth: &Truth, found: &Seen) -> bool {
    found.request.as_deref() == Some(&truth.request)
        && found.status.is_some_and(|(status, _)| status == truth.status)
        && found.sent.as_ref().is_some_and(|m| m.body == truth.sent)
        && found.received.as_ref().is_some_and(|m| m.body == truth.received)
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 20_000,
        // What fails is made a named test in wire.rs instead.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// One segment a message, and any cutting, repeating, delaying and mixing, give the same exchanges; and
    /// these are the true ones.
    #[test]
    fn the_way_it_travels_changes_nothing(
        talks in vec(talk(3), 1..4),
        mut dice in dice(),
    ) {
        let limits = Limits::default();
        let (mut kind, mut unkind, mut truths) = (Vec::new(), Vec::new(), Vec::new());
        for (talk, port) in talks.iter().zip(40_000u16..) {
            let (wire, truth) = write(talk, port, &mut dice, true, true);
            kind.push(wire);
            truths.extend(truth);
            unkind.push(write(talk, port, &mut dice, false, true).0);
        }
        let plain = exchanges(&events_of(&in_order(&kind), &limits));
        prop_assert_eq!(plain.len(), truths.len());
        for (truth, found) in truths.iter().zip(&plain) {
            prop_assert!(is_exact(truth, found), "{:?} is not {:?}", found, truth);
            prop_assert!(found.flags.is_empty(), "{:?}", found);
            prop_assert_eq!(&found.id.as_deref(), &truth.request.split(' ').nth(1));
        }
        let cut = exchanges(&events_of(&in_order(&unkind), &limits));
        let told = |seen: &[Seen]| seen.iter().map(|s| format!("{:?} {}", s.place, s.line())).collect::<Vec<_>>();
        prop_assert_eq!(told(&cut), told(&plain), "cut");
        prop_assert_eq!(&cut, &plain, "cut");
        let arrived = arrive(&unkind, &mut dice);
        let delayed = exchanges(&events_of(&arrived, &limits));
        prop_assert_eq!(told(&delayed), told(&plain), "cut and delayed: {}", travels(&arrived));
        prop_assert_eq!(&delayed, &plain, "cut and delayed");
    }

    /// With segments lost to the sensor nothing is invented and nothing wrongly paired; what came before the
    /// first loss is exact, and every request that lost no byte is given out once.
    #[test]
    fn loss_takes_nothing_else_with_it(
        talks in vec(talk(3), 1..3),
        rate in 2usize..40,
        pipelined in any::<bool>(),
        delayed in any::<bool>(),
        mut dice in dice(),
        mut fate in dice(),
    ) {
        let (mut wires, mut truths) = (Vec::new(), Vec::new());
        for (talk, port) in talks.iter().zip(40_000u16..) {
            let mut talk = talk.clone();
            if !pipelined {
                talk.bursts = talk.bursts.into_iter().flatten().map(|plan| vec![plan]).collect();
            }
            let (wire, truth) = write(&talk, port, &mut dice, false, false);
            wires.push(wire);
            truths.extend(truth);
        }
        // What was seen of each stream, by flow and side.
        let mut seen: Vec<[Vec<bool>; 2]> =
            wires.iter().map(|w| [CLIENT, SERVER].map(|s| vec![false; w.sent(s)])).collect();
        for (wire, seen) in wires.iter_mut().zip(&mut seen) {
            let mut number = 0;
            wire.frames.retain(|frame| {
                number += 1;
                let keep = number <= 3 || !fate.one_in(rate);
                if keep && frame.len > 0 {
                    seen[frame.side][frame.from..frame.from + frame.len].fill(true);
                }
                keep
            });
        }
        let frames = if delayed { arrive(&wires, &mut dice) } else { in_order(&wires) };
        let found = exchanges(&events_of(&frames, &Limits::default()));
        let whole = |t: &Truth| {
            let seen = &seen[usize::from(t.port - 40_000)];
            [CLIENT, SERVER].iter().all(|s| seen[*s][t.ranges[*s].clone()].iter().all(|b| *b))
        };
        for e in &found {
            // Of a head whose end was lost the host may be missing.
            let names = |t: &Truth, r: &str| r == t.request || Some(r) == t.request.strip_suffix("shop.example");
            let by_request = e.request.as_ref().map(|r| truths.iter().find(|t| names(t, r)));
            prop_assert!(by_request.is_none_or(|truth| truth.is_some()), "invented {:?}", e);
            let truth = by_request.flatten();
            if let (Some(truth), Some((status, _))) = (truth, e.status) {
                prop_assert_eq!(status, truth.status, "wrong pair {:?}{}", e, travels(&frames));
                if let Some(id) = &e.id {
                    prop_assert_eq!(Some(id.as_str()), truth.request.split(' ').nth(1), "wrong pair{}", travels(&frames));
                }
            }
            if let (None, Some(id)) = (&e.request, &e.id) {
                prop_assert!(truths.iter().any(|t| t.request.split(' ').nth(1) == Some(id)));
            }
        }
        for truth in truths.iter().filter(|t| whole(t)) {
            let exact = found.iter().filter(|f| is_exact(truth, f)).count();
            let before = truths.iter().filter(|t| t.port == truth.port && t.ranges[CLIENT].start <= truth.ranges[CLIENT].start);
            if before.into_iter().all(whole) {
                prop_assert_eq!(exact, 1, "{:?} among {:#?}{}", truth, found.iter().map(Seen::line).collect::<Vec<_>>(), travels(&frames));
            }
            let halves = found.iter().filter(|f| f.request.as_ref() == Some(&truth.request)).count();
            prop_assert_eq!(halves, 1, "{:?} among {:#?}{}", truth, found.iter().map(Seen::line).collect::<Vec<_>>(), travels(&frames));
        }
    }

    /// One lost segment damages what it was part of and nothing else.
    #[test]
    fn one_lost_segment_damages_only_what_it_was_part_of(
        mut talk in talk(3),
        pipelined in any::<bool>(),
        at in any::<proptest::sample::Index>(),
        delayed in any::<bool>(),
        mut dice in dice(),
    ) {
        talk.repeats = false;
        if !pipelined {
            talk.bursts = talk.bursts.into_iter().flatten().map(|plan| vec![plan]).collect();
        }
        let (mut wire, truths) = write(&talk, 40_000, &mut dice, false, false);
        let lost = wire.frames.remove(3 + at.index(wire.frames.len() - 3));
        let frames = if delayed { arrive(std::slice::from_ref(&wire), &mut dice) } else { in_order(std::slice::from_ref(&wire)) };
        let found = exchanges(&events_of(&frames, &Limits::default()));
        for truth in &truths {
            let range = &truth.ranges[lost.side];
            if lost.from + lost.len <= range.start || range.end <= lost.from || lost.len == 0 {
                let exact = found.iter().filter(|f| is_exact(truth, f)).count();
                prop_assert_eq!(exact, 1, "{:?} among {:#?}{}", truth, found.iter().map(Seen::line).collect::<Vec<_>>(), travels(&frames));
            }
        }
    }

    /// Joined anywhere in mid-flow, the sensor finds every exchange that began after it, and pairs none wrongly.
    #[test]
    fn a_flow_joined_midway_gives_what_follows(
        talk in talk(1),
        join in any::<prop::sample::Index>(),
        mut dice in dice(),
    ) {
        let (mut wire, truths) = write(&talk, 40_000, &mut dice, false, false);
        let at = 3 + join.index(wire.frames.len() - 3);
        // Where both streams stood when the first packet was seen.
        let sent = |frames: &[Frame], side| {
            frames.iter().filter(|f| f.side == side).map(|f| f.from + f.len).max().unwrap_or(0)
        };
        let stood = [sent(&wire.frames[..at], CLIENT), sent(&wire.frames[..at], SERVER)];
        wire.frames.drain(..at);
        let frames = wire.frames;
        let found = exchanges(&events_of(&frames, &Limits::default()));
        for e in &found {
            if let (Some(request), Some(id)) = (&e.request, &e.id) {
                prop_assert_eq!(request.split(' ').nth(1), Some(id.as_str()), "wrong pair{}", travels(&frames));
            }
        }
        for truth in truths.iter().filter(|t| t.ranges[CLIENT].start >= stood[CLIENT]) {
            prop_assert_eq!(
                found.iter().filter(|f| is_exact(truth, f)).count(), 1,
                "{:?} among {:#?}{}", truth, found.iter().map(Seen::line).collect::<Vec<_>>(), travels(&frames)
            );
        }
    }

    /// The same packets give the same events, times and frame numbers included, however tight the limits; and
    /// what is held stays within them.
    #[test]
    fn the_same_packets_give_the_same_events(
        talks in vec(talk(3), 1..6),
        rate in 2usize..20,
        held in 64usize..4000,
        flows in 1usize..4,
        mut dice in dice(),
    ) {
        let limits = Limits {
            flows,
            held_per_flow: held,
            held_total: held * 2,
            head: 300,
            body_capture: 100,
            body_capture_total: 400,
            decoded: 1000,
            pipelined: 2,
            ..Limits::default()
        };
        let mut wires = Vec::new();
        for (talk, port) in talks.iter().zip(40_000u16..) {
            let (mut wire, _) = write(talk, port, &mut dice, false, true);
            wire.frames.retain(|_| !dice.one_in(rate));
            wires.push(wire);
        }
        // Losing frames may have left less than the three that `arrive` leaves alone.
        let frames = arrive(&wires, &mut dice);
        let once = events_of(&frames, &limits);
        prop_assert_eq!(&once, &events_of(&frames, &limits));
        for event in &once {
            if let Event::Exchange(e) = event {
                let kept = e.request.as_ref().map_or(0, |r| r.message.body.len());
                let kept_too = e.response.as_ref().map_or(0, |r| r.message.body.len());
                prop_assert!(kept <= 100 && kept_too <= 100);
            }
        }
    }

    /// Frames of any bytes, on any link, at any time, break nothing and are counted.
    #[test]
    fn any_bytes_are_taken(
        frames in vec((0u32..300, vec(any::<u8>(), 0..120), any::<u16>(), any::<u64>()), 0..60),
    ) {
        let mut reassembler = Reassembler::new(Limits::default());
        for (number, (link, data, more, ts)) in (1..).zip(&frames) {
            reassembler.push(&Packet {
                ts: Timestamp(*ts),
                link: LinkType(*link),
                data,
                wire_len: data.len() as u32 + u32::from(*more),
                frame: number,
            });
            while reassembler.poll().is_some() {}
        }
        reassembler.finish();
        let c = reassembler.counters();
        prop_assert_eq!(c.packets, frames.len() as u64);
        let counted = c.tcp_packets + c.other_protocol + c.undecodable + c.unknown_link + c.fragments;
        prop_assert_eq!(c.packets, counted);
    }

    /// A real flow with bytes of its packets changed anywhere breaks nothing and gives the same answer twice.
    #[test]
    fn damaged_packets_are_taken(
        talk in talk(2),
        damage in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
        mut dice in dice(),
    ) {
        let (mut wire, _) = write(&talk, 40_000, &mut dice, false, true);
        for (frame, place, byte) in damage {
            let at = frame.index(wire.frames.len());
            let ip = &mut wire.frames[at].ip;
            let place = place.index(ip.len());
            ip[place] = byte;
        }
        let once = events_of(&wire.frames, &Limits::default());
        prop_assert_eq!(&once, &events_of(&wire.frames, &Limits::default()));
    }
}
