//! Any packets between few addresses, under tiny limits: no panic, memory bounded, the same answer twice, and in shards.

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::Arbitrary;
use reassembly::shards::{Dealer, Merge, Piece, Told, Work};
use reassembly::{Counters, Event, Limits, LinkType, Packet, Reassembler, Timestamp};

use crate::sensor::Sensor;

/// One packet. Sequence numbers are small steps around the wrap, so that packets meet.
#[derive(Debug, Arbitrary)]
pub enum Frame {
    Tcp {
        flow: u8,
        seq: i16,
        ack: i16,
        flags: u8,
        wait_ms: u16,
        cut: u8,
        wrap: u8,
        payload: Payload,
    },
    Raw {
        link: u16,
        wire_more: u8,
        data: Vec<u8>,
    },
}

#[derive(Debug, Arbitrary)]
pub enum Payload {
    Bytes(Vec<u8>),
    Request { method: u8, upload: u8 },
    Response { status: u8, framing: u8, len: u8 },
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Request { method, upload } => {
                let method = ["GET", "HEAD", "POST", "CONNECT"][usize::from(method % 4)];
                let length = format!("Content-Length: {upload}\r\n");
                let length = if *upload == 0 { "" } else { &length };
                format!("{method} /a HTTP/1.1\r\nHost: a\r\n{length}\r\n").into_bytes()
            }
            Self::Response { status, framing, len } => {
                let status = [200, 204, 304, 100, 101, 404][usize::from(status % 6)];
                let framing = match framing % 4 {
                    0 => format!("Content-Length: {len}\r\n"),
                    1 => "Transfer-Encoding: chunked\r\n".to_owned(),
                    2 => format!("Content-Encoding: gzip\r\nContent-Length: {len}\r\n"),
                    _ => String::new(),
                };
                format!("HTTP/1.1 {status} X\r\n{framing}\r\n").into_bytes()
            }
        }
    }
}

fn limits() -> Limits {
    Limits {
        flows: 4,
        idle: Duration::from_secs(20),
        reorder_wait: Duration::from_millis(100),
        held_per_flow: 1000,
        held_total: 2500,
        head: 200,
        body_capture: 50,
        body_capture_total: 120,
        decoded: 1000,
        pipelined: 3,
        key_by_vlan: true,
        key_by_vni: true,
        memory: 30_000,
        fragments_total: 3000,
        fragment_wait: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// IPv4 and TCP headers; checksums are not looked at.
fn ip(flow: u8, seq: i16, ack: i16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let len = (40 + payload.len()) as u16;
    let mut out = vec![0x45, 0];
    out.extend(len.to_be_bytes());
    out.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let port = (40_000 + u16::from(flow >> 1 & 7)).to_be_bytes();
    let (from, to, from_port, to_port) = if flow & 1 == 0 {
        (client, server, port, 80_u16.to_be_bytes())
    } else {
        (server, client, 80_u16.to_be_bytes(), port)
    };
    out.extend(from);
    out.extend(to);
    out.extend(from_port);
    out.extend(to_port);
    out.extend(i32::from(seq).to_be_bytes());
    out.extend(i32::from(ack).to_be_bytes());
    out.extend([0x50, flags & 0x1f, 1, 0, 0, 0, 0, 0]);
    out.extend(payload);
    out
}

/// Another packet around it.
fn wrapped(wrap: u8, inner: Vec<u8>) -> Vec<u8> {
    let (protocol, header): (u8, Vec<u8>) = match wrap & 7 {
        1 => (4, vec![]),
        2 => (47, vec![0, 0, 8, 0]),
        3 => {
            let mut udp = vec![1, 1, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, wrap >> 5, 0];
            udp.extend([0; 12]);
            udp.extend([8, 0]);
            (17, udp)
        }
        4 => (137, vec![0, 0, 0x11, 9]),
        _ => return inner,
    };
    let len = (20 + header.len() + inner.len()) as u16;
    let mut out = vec![0x45, 0];
    out.extend(len.to_be_bytes());
    out.extend([0, 0, 0, 0, 64, protocol, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    out.extend(header);
    out.extend(inner);
    out
}

/// A packet with its bytes.
struct Written {
    now: u64,
    link: LinkType,
    data: Vec<u8>,
    wire_len: u32,
    frame: u64,
}

impl Written {
    fn packet(&self) -> Packet<'_> {
        Packet {
            ts: Timestamp(self.now),
            link: self.link,
            data: &self.data,
            wire_len: self.wire_len,
            frame: self.frame,
        }
    }
}

fn written(frames: &[Frame]) -> Vec<Written> {
    let (mut now, mut all) = (1_000_000_000_000, Vec::new());
    for (number, frame) in (1..).zip(frames) {
        let (link, data, more) = match frame {
            Frame::Tcp {
                flow,
                seq,
                ack,
                flags,
                wait_ms,
                cut,
                wrap,
                payload,
            } => {
                now += u64::from(*wait_ms) * 1_000_000;
                let mut data = wrapped(*wrap, ip(*flow, *seq, *ack, *flags, &payload.bytes()));
                if wrap & 0x80 != 0 {
                    // The first of two fragments goes ahead.
                    let at = 20 + (data.len() - 20) / 2 / 8 * 8;
                    let (mut first, mut second) = (data[..at].to_vec(), data[..20].to_vec());
                    second.extend_from_slice(&data[at..]);
                    for (piece, place) in [(&mut first, 0x2000u16), (&mut second, (at as u16 - 20) / 8)] {
                        let len = piece.len() as u16;
                        piece[2..4].copy_from_slice(&len.to_be_bytes());
                        piece[4..6].copy_from_slice(&(number as u16).to_be_bytes());
                        piece[6..8].copy_from_slice(&place.to_be_bytes());
                    }
                    all.push(Written {
                        now,
                        link: LinkType::RAW,
                        wire_len: first.len() as u32,
                        data: first,
                        frame: number,
                    });
                    data = second;
                }
                // Most frames are whole.
                let cut = if *cut > 200 {
                    usize::from(*cut - 200).min(data.len())
                } else {
                    0
                };
                data.truncate(data.len() - cut);
                (LinkType::RAW, data, cut as u32)
            }
            Frame::Raw {
                link,
                wire_more,
                data,
            } => {
                // One that tells of no link there is has time go on or back instead.
                if *link > 60_000 {
                    now = now.saturating_add_signed(i64::from(*wire_more as i8) * 1_000_000_000);
                }
                (LinkType(u32::from(*link)), data.clone(), u32::from(*wire_more))
            }
        };
        let wire_len = data.len() as u32 + more;
        all.push(Written {
            now,
            link,
            data,
            wire_len,
            frame: number,
        });
    }
    all
}

fn replay(packets: &[Written]) -> Vec<Event> {
    let limits = limits();
    let mut sensor = Sensor::new(limits.clone());
    sensor.inflaters = 16;
    let mut events = Vec::new();
    let mut keep = |event: &Event| events.push(event.clone());
    for packet in packets {
        sensor.push(&packet.packet(), &mut keep);
        let reassembler = &sensor.reassembler;
        assert!(
            reassembler.open_flows() <= limits.flows,
            "more flows than allowed"
        );
        assert!(
            reassembler.weight() <= limits.memory || reassembler.open_flows() == 1,
            "more memory than allowed"
        );
    }
    sensor.finish(&mut keep);
    for event in &events {
        if let Event::Exchange(e) = event {
            let bodies = e
                .request
                .iter()
                .map(|r| &r.message)
                .chain(e.response.iter().map(|r| &r.message));
            for message in bodies {
                assert!(
                    message.body.len() <= limits.body_capture,
                    "more body kept than allowed"
                );
                assert!(message.content_bytes <= limits.decoded.max(message.body_bytes));
            }
            assert!(
                e.request.is_some() || e.response.is_some(),
                "an exchange of nothing"
            );
        }
    }
    let ended = events.iter().filter(|e| matches!(e, Event::Flow(_))).count();
    assert_eq!(
        ended as u64,
        sensor.reassembler.counters().flows,
        "every flow is given out once"
    );
    events
}

/// What flows in several rooms give, in one thread and in so many shards.
fn in_rooms(packets: &[Written], shards: Option<usize>) -> (Vec<Event>, Counters) {
    let limits = Limits {
        rooms: 4,
        flows: 8,
        ..limits()
    };
    let mut events = Vec::new();
    let Some(shards) = shards else {
        let mut reassembler = Reassembler::new(limits);
        packets
            .iter()
            .for_each(|packet| reassembler.push(&packet.packet()));
        reassembler.finish();
        events.extend(std::iter::from_fn(|| reassembler.poll()));
        return (events, reassembler.counters());
    };
    let mut dealer = Dealer::new(limits, shards);
    let mut all = dealer.shards();
    let (mut merge, mut told) = (Merge::new(all.len()), Told::default());
    let mut round = |work: Vec<Work>| {
        let mut pieces: Vec<VecDeque<Piece>> = Vec::new();
        for (shard, work) in all.iter_mut().zip(work) {
            let mut out = VecDeque::new();
            shard.work(work, &mut |piece| out.push_back(piece));
            pieces.push(out);
        }
        merge.begin();
        loop {
            while let Some(shard) = merge.waits_for() {
                let Some(mut piece) = pieces[shard].pop_front() else {
                    panic!("a round that does not end");
                };
                piece.told.take().iter().for_each(|more| told.add(more));
                merge.put(shard, piece);
            }
            match merge.poll() {
                Some(event) => events.push(event),
                None => break,
            }
        }
    };
    for (number, packet) in packets.iter().enumerate() {
        if !dealer.is_empty() && (number % 7 == 0 || !dealer.has_room_for(Timestamp(packet.now))) {
            round(dealer.deal(false));
        }
        dealer.push(&packet.packet());
    }
    round(dealer.finish());
    told.counters.add(&dealer.counters());
    (events, told.counters)
}

/// The target.
pub fn check(frames: &Vec<Frame>) {
    let packets = written(frames);
    assert_eq!(replay(&packets), replay(&packets), "one capture gave two answers");
    let alone = in_rooms(&packets, None);
    for shards in [1, 3] {
        assert_eq!(
            in_rooms(&packets, Some(shards)),
            alone,
            "{shards} shards give something else"
        );
    }
}
