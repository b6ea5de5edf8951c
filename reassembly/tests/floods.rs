//! Who makes way in a flood: what anybody can begin does not push out what is being read, and a few flows that hold much
//! do not push out many that hold little.

mod support;

use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use support::{CLIENT, SERVER, Seen, Wire, exchanges};
use testdata::wire::Flags;

/// The request of a flow, and its answer.
fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A reassembler, with the lines of the exchanges that it gave out.
struct Sensor {
    reassembler: Reassembler,
    found: Vec<String>,
    now: u64,
}

impl Sensor {
    fn new(limits: Limits) -> Self {
        Self {
            reassembler: Reassembler::new(limits),
            found: Vec::new(),
            now: 1_000_000_000,
        }
    }

    /// Takes the packets of a flow that were not taken before, a microsecond apart.
    fn take(&mut self, wire: &mut Wire) {
        for frame in wire.frames.drain(..) {
            self.now += 1_000;
            self.reassembler.push(&Packet {
                ts: Timestamp(self.now),
                link: LinkType::RAW,
                data: &frame.ip,
                wire_len: frame.ip.len() as u32,
                frame: 0,
            });
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.reassembler.poll() {
            self.found.extend(exchanges(&[event]).iter().map(Seen::line));
        }
    }

    fn finish(&mut self) -> Vec<String> {
        self.reassembler.finish();
        self.drain();
        std::mem::take(&mut self.found)
    }
}

/// A flow whose request waits for its answer.
fn asking(port: u16) -> Wire {
    let mut wire = Wire::new(port);
    wire.open().send(CLIENT, get("/slow"));
    wire
}

fn few_flows() -> Limits {
    Limits {
        flows: 100,
        ..Limits::default()
    }
}

#[test]
fn half_open_flows_do_not_push_out_one_that_waits_for_its_answer() {
    for answered in [false, true] {
        let mut sensor = Sensor::new(few_flows());
        let mut slow = asking(1000);
        sensor.take(&mut slow);
        for port in 2000..6000 {
            let mut syn = Wire::new(port);
            if answered {
                syn.open().frames.truncate(2);
            } else {
                syn.raw(CLIENT, 0, b"", Flags::SYN, 0);
            }
            sensor.take(&mut syn);
        }
        slow.send(SERVER, OK).close();
        sensor.take(&mut slow);
        assert_eq!(sensor.found, ["GET /slow a > 200 0/2"], "answered {answered}");
        assert_eq!(sensor.reassembler.counters().evicted_flows, 3901);
    }
}

#[test]
fn segments_of_nothing_that_is_known_do_not_push_it_out_either() {
    let mut sensor = Sensor::new(few_flows());
    let mut slow = asking(1000);
    sensor.take(&mut slow);
    for port in 2000..6000 {
        let mut noise = Wire::new(port);
        noise.open().send(CLIENT, "\u{1}\u{2}\u{3}nothing\n").ack(SERVER);
        sensor.take(&mut noise);
    }
    slow.send(SERVER, OK).close();
    sensor.take(&mut slow);
    assert_eq!(sensor.found, ["GET /slow a > 200 0/2"]);
}

#[test]
fn new_flows_can_be_read_where_all_others_are_in_use() {
    let mut sensor = Sensor::new(few_flows());
    let mut slow: Vec<Wire> = (1000..1200).map(asking).collect();
    for wire in &mut slow {
        sensor.take(wire);
    }
    // They come packet by packet, all at the same time.
    let mut new: Vec<Wire> = (2000..2020).map(asking).collect();
    let packets: Vec<Vec<_>> = new.iter_mut().map(|w| std::mem::take(&mut w.frames)).collect();
    for at in 0..packets[0].len() {
        for (wire, packets) in new.iter_mut().zip(&packets) {
            wire.frames.push(packets[at].clone());
            sensor.take(wire);
        }
    }
    sensor.found.clear();
    for wire in &mut new {
        wire.send(SERVER, OK);
        sensor.take(wire);
    }
    assert_eq!(sensor.found, vec!["GET /slow a > 200 0/2"; 20]);
}

#[test]
fn flows_that_are_over_make_way_first_and_are_no_loss() {
    let mut sensor = Sensor::new(few_flows());
    let mut slow = asking(1000);
    sensor.take(&mut slow);
    for port in 2000..4000 {
        let mut short = Wire::new(port);
        short.open().send(CLIENT, get("/short")).send(SERVER, OK).close();
        sensor.take(&mut short);
    }
    slow.send(SERVER, OK).close();
    sensor.take(&mut slow);
    let found = sensor.finish();
    assert_eq!(
        found.iter().filter(|l| *l == "GET /short a > 200 0/2").count(),
        2000
    );
    assert_eq!(found.iter().filter(|l| *l == "GET /slow a > 200 0/2").count(), 1);
    assert_eq!(sensor.reassembler.counters().evicted_flows, 0);
}

#[test]
fn a_flow_that_is_over_holds_no_message() {
    let mut sensor = Sensor::new(Limits::default());
    let body = "b".repeat(50_000);
    for port in 2000..2100 {
        let mut wire = Wire::new(port);
        wire.open()
            .send(CLIENT, get("/"))
            .send(
                SERVER,
                format!("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n{body}"),
            )
            .close();
        sensor.take(&mut wire);
    }
    assert_eq!(sensor.reassembler.open_flows(), 100);
    assert!(
        sensor.reassembler.weight() < 200_000,
        "{}",
        sensor.reassembler.weight()
    );
    sensor.finish();
    let counters = sensor.reassembler.counters();
    assert_eq!((counters.http_flows, counters.unknown_flows), (100, 0));
}

#[test]
fn a_few_flows_that_hold_much_do_not_push_out_many_that_hold_little() {
    let mut sensor = Sensor::new(Limits {
        memory: 4 << 20,
        ..Limits::default()
    });
    let mut slow: Vec<Wire> = (1000..1100).map(asking).collect();
    for wire in &mut slow {
        sensor.take(wire);
    }
    let piece = "p".repeat(1400);
    let mut heavy: Vec<Wire> = (2000..2100).map(Wire::new).collect();
    for wire in &mut heavy {
        wire.open().send(
            CLIENT,
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n",
        );
    }
    for _ in 0..100 {
        for wire in &mut heavy {
            wire.send(CLIENT, &piece);
            sensor.take(wire);
            assert!(sensor.reassembler.weight() <= 4 << 20);
        }
    }
    assert!(sensor.reassembler.counters().evicted_memory > 50);
    sensor.found.clear();
    for wire in &mut slow {
        wire.send(SERVER, OK);
        sensor.take(wire);
    }
    assert_eq!(sensor.found, vec!["GET /slow a > 200 0/2"; 100]);
}

#[test]
fn bodies_make_way_before_flows_do() {
    const BODY: usize = 200_000;
    let mut sensor = Sensor::new(Limits {
        memory: 4 << 20,
        ..Limits::default()
    });
    let piece = "p".repeat(1400);
    let mut heavy: Vec<Wire> = (2000..2040).map(Wire::new).collect();
    for wire in &mut heavy {
        wire.open().send(
            CLIENT,
            format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\n"),
        );
    }
    let mut sent = 0;
    while sent < BODY {
        let len = piece.len().min(BODY - sent);
        for wire in &mut heavy {
            wire.send(CLIENT, &piece[..len]);
            sensor.take(wire);
        }
        sent += len;
    }
    // An ordinary body meanwhile is kept.
    let mut ordinary = asking(1000);
    ordinary.send(SERVER, OK).close();
    sensor.take(&mut ordinary);
    assert_eq!(sensor.found, ["GET /slow a > 200 0/2"]);
    for wire in &mut heavy {
        wire.send(SERVER, OK);
        sensor.take(wire);
    }
    // All were followed to their ends, and counted; of most the bodies were not kept whole.
    assert_eq!(sensor.found[1..], vec![format!("POST /a a > 200 {BODY}/2"); 40]);
    let counters = sensor.reassembler.counters();
    assert_eq!(counters.evicted_memory, 0);
    assert!(counters.bodies_unkept >= 20, "{}", counters.bodies_unkept);
}

#[test]
fn flows_end_one_after_the_other() {
    let mut sensor = Sensor::new(Limits::default());
    for port in 1000..1010 {
        sensor.take(&mut asking(port));
    }
    let mut ports = Vec::new();
    while sensor.reassembler.finish_next() {
        let events: Vec<Event> = std::iter::from_fn(|| sensor.reassembler.poll()).collect();
        assert_eq!(events.len(), 2, "an exchange and a flow");
        for event in events {
            if let Event::Flow(flow) = event {
                ports.push(flow.flow.client.port());
            }
        }
    }
    assert_eq!(ports, (1000..1010).collect::<Vec<u16>>());
    assert_eq!(sensor.reassembler.weight(), 0);
}
