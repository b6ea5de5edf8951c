//! Shards give what one thread gives, in the same order, whoever of them is ahead: at limits, when time stands, leaps or steps back, through
//! tunnels, in fragments, and with secrets that come in between.

mod support;

use std::collections::VecDeque;
use std::net::SocketAddr;

use reassembly::shards::{Dealer, Merge, Piece, Shard, Told, Work};
use reassembly::{Counters, Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use support::{CLIENT, MS, SERVER, Wire, recorded};

const SECOND: u64 = 1000 * MS;

/// What happens to a sensor.
#[derive(Debug, Clone)]
enum Step {
    Packet(u64, LinkType, Vec<u8>),
    Moment(u64),
    KeyLog(String),
}

/// Numbers by chance, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides.max(1)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.throw(times) == 0
    }
}

fn packet<'a>(at: u64, link: LinkType, data: &'a [u8], frame: u64) -> Packet<'a> {
    Packet {
        ts: Timestamp(at),
        link,
        data,
        wire_len: data.len() as u32,
        frame,
    }
}

/// What is known behind a step: how many events there were, what was counted, open flows and weight.
type Behind = (usize, Counters, usize, usize);

/// Everything in one thread.
fn alone(steps: &[Step], limits: &Limits) -> (Vec<Event>, Vec<Behind>) {
    let mut reassembler = Reassembler::new(limits.clone());
    let (mut events, mut behind) = (Vec::new(), Vec::new());
    let mut note = |reassembler: &mut Reassembler, events: &mut Vec<Event>| {
        events.extend(std::iter::from_fn(|| reassembler.poll()));
        behind.push((
            events.len(),
            reassembler.counters(),
            reassembler.open_flows(),
            reassembler.weight(),
        ));
    };
    for (step, frame) in steps.iter().zip(1..) {
        match step {
            Step::Packet(at, link, data) => reassembler.push(&packet(*at, *link, data, frame)),
            Step::Moment(at) => reassembler.advance(Timestamp(*at)),
            Step::KeyLog(text) => {
                reassembler.add_secrets(text.as_bytes());
            }
        }
        note(&mut reassembler, &mut events);
    }
    // One by one, as the sensor does.
    while reassembler.finish_next() {}
    note(&mut reassembler, &mut events);
    (events, behind)
}

enum Task {
    Work(Work),
    KeyLog(String),
}

/// A shard with what waits before and behind it.
struct Bench {
    shard: Shard,
    tasks: VecDeque<Task>,
    pieces: VecDeque<Piece>,
    done: Vec<Work>,
}

impl Bench {
    fn do_one(&mut self) -> bool {
        match self.tasks.pop_front() {
            Some(Task::Work(work)) => {
                let pieces = &mut self.pieces;
                self.done
                    .push(self.shard.work(work, &mut |piece| pieces.push_back(piece)));
            }
            Some(Task::KeyLog(text)) => self.shard.add_secrets(text.as_bytes()),
            None => return false,
        }
        true
    }
}

/// The same in so many shards, of which any may be ahead, and rounds of any length. Checks what is told behind rounds.
fn sharded(steps: &[Step], limits: &Limits, shards: usize, dice: &mut Dice, behind: &[Behind]) -> Vec<Event> {
    let mut dealer = Dealer::new(limits.clone(), shards);
    let mut benches: Vec<Bench> = dealer
        .shards()
        .into_iter()
        .map(|shard| Bench {
            shard,
            tasks: VecDeque::new(),
            pieces: VecDeque::new(),
            done: Vec::new(),
        })
        .collect();
    let mut merge = Merge::new(benches.len());
    // Behind which step rounds end that tell, and what of decoding was counted then.
    let mut rounds: VecDeque<Option<(usize, Counters)>> = VecDeque::new();
    let mut events = Vec::new();
    let close = |dealer: &mut Dealer,
                 benches: &mut Vec<Bench>,
                 rounds: &mut VecDeque<Option<(usize, Counters)>>,
                 all: Vec<Work>,
                 told: Option<usize>| {
        rounds.push_back(told.map(|step| (step, dealer.counters())));
        for (bench, work) in benches.iter_mut().zip(all) {
            bench.tasks.push_back(Task::Work(work));
            bench.done.drain(..).for_each(|work| dealer.give_back(work));
        }
    };
    let mut collect = |benches: &mut Vec<Bench>,
                       rounds: &mut VecDeque<Option<(usize, Counters)>>,
                       dice: &mut Dice,
                       left: usize| {
        while rounds.len() > left {
            merge.begin();
            let mut told = Told::default();
            loop {
                while let Some(shard) = merge.waits_for() {
                    let ahead = dice.throw(benches.len() as u64) as usize;
                    benches[ahead].do_one();
                    if let Some(mut piece) = benches[shard].pieces.pop_front() {
                        piece.told.take().iter().for_each(|more| told.add(more));
                        merge.put(shard, piece);
                    } else {
                        benches[shard].do_one();
                    }
                }
                match merge.poll() {
                    Some(event) => events.push(event),
                    None => break,
                }
            }
            if let Some((step, counters)) = rounds.pop_front().flatten() {
                told.counters.add(&counters);
                let seen = (events.len(), told.counters, told.open_flows, told.weight);
                assert_eq!(seen, behind[step], "behind step {step}");
            }
        }
    };
    for ((number, step), frame) in steps.iter().enumerate().zip(1..) {
        let room = match step {
            Step::Packet(at, ..) | Step::Moment(at) => dealer.has_room_for(Timestamp(*at)),
            Step::KeyLog(_) => false,
        };
        if !dealer.is_empty() && (!room || dice.one_in(50)) {
            let tell = dice.one_in(2);
            let all = dealer.deal(tell);
            close(
                &mut dealer,
                &mut benches,
                &mut rounds,
                all,
                tell.then(|| number - 1),
            );
            let left = dice.throw(6) as usize;
            collect(&mut benches, &mut rounds, dice, left);
        }
        match step {
            Step::Packet(at, link, data) => dealer.push(&packet(*at, *link, data, frame)),
            Step::Moment(at) => dealer.advance(Timestamp(*at)),
            Step::KeyLog(text) => {
                dealer.add_secrets(text.as_bytes());
                benches
                    .iter_mut()
                    .for_each(|bench| bench.tasks.push_back(Task::KeyLog(text.clone())));
            }
        }
    }
    let all = dealer.finish();
    close(&mut dealer, &mut benches, &mut rounds, all, Some(steps.len()));
    collect(&mut benches, &mut rounds, dice, 0);
    events
}

fn same_with_any_shards(steps: &[Step], limits: &Limits, seed: u64) -> (Vec<Event>, Counters) {
    let (events, behind) = alone(steps, limits);
    let mut dice = Dice(seed);
    for shards in [1, 2, 3, 8] {
        let other = sharded(steps, limits, shards, &mut dice, &behind);
        let differs = events.iter().zip(&other).position(|(one, two)| one != two);
        assert!(
            differs.is_none() && events.len() == other.len(),
            "seed {seed}, {shards} shards: {} events and {}, the first that differs is {differs:?}",
            events.len(),
            other.len()
        );
    }
    (events, behind[steps.len()].1)
}

/// The packet in a VXLAN tunnel.
fn tunnelled(ip: &[u8]) -> Vec<u8> {
    let kind = if ip[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let inner = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &[2; 12], &kind, ip].concat();
    let len = |more: usize| u16::try_from(inner.len() + more).expect("fits").to_be_bytes();
    [
        &[0x45, 0][..],
        &len(28),
        &[0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
        &[0xc0, 0, 0x12, 0xb5],
        &len(8),
        &[0, 0],
        &inner,
    ]
    .concat()
}

/// The packet in two fragments, the second one first.
fn fragments(ip: &[u8], id: u16) -> [Vec<u8>; 2] {
    let (header, data) = ip.split_at(20);
    let at = data.len() / 2 / 8 * 8;
    [(&data[at..], at / 8), (&data[..at], 0x2000)].map(|(data, place)| {
        let mut header = header.to_vec();
        header[2..4].copy_from_slice(&(20 + data.len() as u16).to_be_bytes());
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[6..8].copy_from_slice(&(place as u16).to_be_bytes());
        [&header, data].concat()
    })
}

/// Flows with requests and answers, of which a part gets lost, is repeated, comes late or never ends.
fn traffic(seed: u64, flows: u64) -> Vec<Step> {
    let mut dice = Dice(seed);
    let (turns, secrets) = recorded(include_str!("../../fuzz/conversations/tls12.txt"));
    let mut frames: Vec<(u64, Vec<u8>)> = Vec::new();
    for flow in 0..flows {
        let client = SocketAddr::from((
            [10, 0, (flow / 200) as u8, (flow % 200) as u8],
            30_000 + dice.throw(40) as u16,
        ));
        let server = SocketAddr::from(([10, 9, 0, dice.throw(3) as u8], 80));
        let mut wire = Wire::between(client, server);
        wire.now += dice.throw(20 * SECOND);
        if !dice.one_in(6) {
            wire.open();
        }
        if dice.one_in(10) {
            wire.send_turns(&turns, &[200], &[]);
        } else {
            for number in 0..dice.throw(6) {
                let body = "x".repeat(dice.throw(3000) as usize);
                wire.send(CLIENT, format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
                wire.wait(dice.throw(80));
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                wire.send_cut(SERVER, &answer, dice.throw(answer.len() as u64) as usize);
                wire.wait(dice.throw(900));
            }
        }
        if !dice.one_in(3) {
            wire.close();
        }
        let wrapped = dice.one_in(5);
        for frame in wire.frames {
            if dice.one_in(25) {
                continue;
            }
            let at = frame.at + if dice.one_in(10) { dice.throw(300 * MS) } else { 0 };
            if dice.one_in(25) {
                frames.push((at + dice.throw(60 * MS), frame.ip.clone()));
            }
            if wrapped {
                frames.push((at, tunnelled(&frame.ip)));
            } else if frame.ip.len() > 100 && dice.one_in(10) {
                let id = dice.throw(60_000) as u16;
                frames.extend(fragments(&frame.ip, id).map(|piece| (at, piece)));
            } else {
                frames.push((at, frame.ip));
            }
        }
    }
    frames.sort_by_key(|(at, _)| *at);
    let key_log = dice.throw(frames.len() as u64) as usize;
    let mut steps = Vec::new();
    let mut shift = 4000 * SECOND;
    for (number, (at, ip)) in frames.into_iter().enumerate() {
        match dice.throw(400) {
            0 => shift += 7 * SECOND,
            1 => shift += 400 * SECOND,
            2 => shift -= 45 * SECOND,
            3 => steps.push(Step::Moment(at + shift + dice.throw(2 * SECOND))),
            4 => steps.push(Step::Packet(at + shift, LinkType(9999), vec![1, 2, 3])),
            _ => {}
        }
        if number == key_log {
            steps.push(Step::KeyLog(secrets.clone()));
        }
        steps.push(Step::Packet(at + shift, LinkType::RAW, ip));
    }
    steps
}

#[test]
fn shards_give_what_one_thread_gives() {
    let limits = Limits {
        rooms: 8,
        ..Limits::default()
    };
    let mut decrypted = 0;
    for seed in 0..12 {
        let (events, counters) = same_with_any_shards(&traffic(seed, 150), &limits, seed);
        assert!(
            events.len() > 300 && counters.gaps > 0 && counters.datagrams > 0,
            "{seed}: {counters:?}"
        );
        assert!(
            counters.tls_flows > 0 && counters.conflicts == 0,
            "{seed}: {counters:?}"
        );
        decrypted += counters.tls_decrypted;
    }
    assert!(decrypted > 10, "secrets opened {decrypted} flows");
}

#[test]
fn shards_give_what_one_thread_gives_at_every_limit() {
    let small = Limits {
        rooms: 8,
        held_total: 40_000,
        body_capture_total: 40_000,
        history: 8192,
        ..Limits::default()
    };
    let few = Limits {
        flows: 64,
        ..small.clone()
    };
    let little = Limits {
        memory: 400_000,
        ..small
    };
    for seed in 20..26 {
        let steps = traffic(seed, 400);
        let (_, counters) = same_with_any_shards(&steps, &few, seed);
        assert!(counters.evicted_flows > 50, "{seed}: {counters:?}");
        let (_, counters) = same_with_any_shards(&steps, &little, seed);
        assert!(counters.evicted_memory > 10, "{seed}: {counters:?}");
        assert!(counters.bodies_unkept > 0, "{seed}: {counters:?}");
    }
}

#[test]
fn rooms_change_nothing_where_there_is_room() {
    for seed in 40..44 {
        let steps = traffic(seed, 100);
        let with = |rooms| {
            let limits = Limits {
                rooms,
                ..Limits::default()
            };
            alone(&steps, &limits).0
        };
        let one = with(1);
        for rooms in [2, 4, 8] {
            // Only the order of what time settles for several rooms at one step may differ.
            let mut many = with(rooms);
            let mut all = one.clone();
            [&mut many, &mut all]
                .into_iter()
                .for_each(|events| events.sort_by_cached_key(|event| format!("{event:?}")));
            assert!(many == all, "seed {seed}, {rooms} rooms");
        }
    }
}

#[test]
fn a_capture_of_all_sorts_of_traffic_gives_the_same_in_shards() {
    let file = include_bytes!("../../testdata/demo.pcap");
    let frames = testdata::wire::frames_of_pcap(file).expect("a pcap file");
    let mut steps: Vec<Step> = frames
        .into_iter()
        .map(|(at, data)| Step::Packet(at, LinkType::ETHERNET, data.to_vec()))
        .collect();
    // And once more, an hour earlier.
    let again: Vec<Step> = steps[..3000].to_vec();
    steps.extend(again);
    let limits = Limits {
        rooms: 8,
        ..Limits::default()
    };
    let (events, _) = same_with_any_shards(&steps, &limits, 7);
    assert!(events.len() > 3000, "{}", events.len());
}
