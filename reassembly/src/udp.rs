//! Flows of QUIC and DTLS over UDP.
//!
//! Knows what their first datagrams look like and how DTLS lies in STUN and TURN; leaves the hellos to [`crate::quic`] and
//! [`crate::tls`]. Datagrams of anything else leave no trace here: a look at their first bytes tells.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::exchange::{Flags, FlowRef};
use crate::flow::{App, Flow};
use crate::limits::{Counters, Limits};
use crate::packet::{Datagram, Duplicates, FlowKey, Wrapping};
use crate::quic;
use crate::room::{DataSeen, Event, guess_client};
use crate::tcp::table::{Class, FlowId, Table};
use crate::time::Timestamp;
use crate::tls::{self, Dtls};

/// The share of flows and of memory that those over UDP may take.
const SHARE: usize = 8;

/// The fixed number in every message of STUN (RFC 8489 section 5).
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Indications of TURN that carry a datagram (RFC 8656 sections 11.4 and 18), and the attribute they carry it in.
const STUN_SEND: [u8; 2] = [0x00, 0x16];
const STUN_DATA: [u8; 2] = [0x00, 0x17];
const STUN_ATTRIBUTE_DATA: u16 = 0x0013;
const MAX_ATTRIBUTES: usize = 16;

/// What a datagram looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks<'a> {
    Quic,
    /// DTLS, and where it lies.
    Dtls(&'a [u8]),
    /// The ends look for a way to each other, and may speak DTLS once they found one (RFC 8445).
    Stun,
    Other,
}

/// What a datagram looks like that may begin a flow, or that carries a hello within one.
fn looks(payload: &[u8]) -> Looks<'_> {
    if quic::begins(payload) {
        return Looks::Quic;
    }
    let inner = unwrapped(payload);
    if inner.is_some_and(tls::begins_dtls) {
        return Looks::Dtls(inner.unwrap_or(payload));
    }
    if is_stun(payload) {
        Looks::Stun
    } else {
        Looks::Other
    }
}

fn is_stun(payload: &[u8]) -> bool {
    // Messages are padded to a multiple of four bytes.
    matches!(payload, [0..=3, _, high, low, a, b, c, d, ..] if [*a, *b, *c, *d] == STUN_COOKIE
        && payload.len() == 20 + usize::from(u16::from_be_bytes([*high, *low])))
}

/// What TURN carries, or the payload itself.
fn unwrapped(payload: &[u8]) -> Option<&[u8]> {
    match payload {
        // Channel data: a number and a length (RFC 8656 section 12.4).
        [0x40..=0x4f, _, high, low, rest @ ..] => rest.get(..usize::from(u16::from_be_bytes([*high, *low]))),
        [a, b, ..] if matches!([*a, *b], STUN_SEND | STUN_DATA) && is_stun(payload) => {
            let mut rest = payload.get(20..)?;
            for _ in 0..MAX_ATTRIBUTES {
                let (header, more) = rest.split_first_chunk::<4>()?;
                let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
                if u16::from_be_bytes([header[0], header[1]]) == STUN_ATTRIBUTE_DATA {
                    return more.get(..len);
                }
                rest = more.get(len.next_multiple_of(4)..)?;
            }
            None
        }
        _ => Some(payload),
    }
}

/// What a flow carries.
#[derive(Debug)]
enum Content {
    /// Only STUN so far.
    Stun,
    Quic(Box<quic::Connection>),
    Dtls(Box<Dtls>),
}

/// A flow being followed.
#[derive(Debug)]
struct Entry {
    key: FlowKey,
    content: Content,
    /// The side that opened it.
    opened: usize,
    /// It was opened with STUN, which told who opens it.
    by_stun: bool,
    start: Timestamp,
    last: Timestamp,
    packets: u64,
    bytes: [u64; 2],
    data: DataSeen,
    wrapping: Wrapping,
    cut: bool,
    weight: usize,
}

impl Entry {
    fn weigh(&self) -> usize {
        /// Keys, links and the spare room of the index.
        const TABLE: usize = 256;
        let content = match &self.content {
            Content::Stun => 0,
            Content::Quic(connection) => size_of::<quic::Connection>() + connection.weight(),
            Content::Dtls(dtls) => size_of::<Dtls>() + dtls.weight(),
        };
        size_of::<Self>() + TABLE + content
    }
}

/// Flows of QUIC and DTLS, and of STUN, which may become the latter.
#[derive(Debug)]
pub(crate) struct UdpFlows {
    flows: Table<Entry>,
    weight: usize,
    /// Recent datagrams of them.
    duplicates: Duplicates,
    /// Room for what is decrypted.
    room: Vec<u8>,
}

impl UdpFlows {
    pub(crate) fn new() -> Self {
        Self {
            flows: Table::new(),
            weight: 0,
            duplicates: Duplicates::default(),
            room: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// About the bytes of memory that these flows take.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Takes a datagram. False when it belongs to no flow of QUIC or DTLS.
    pub(crate) fn take(
        &mut self,
        datagram: &Datagram<'_>,
        now: Timestamp,
        limits: &Limits,
        counters: &mut Counters,
        events: &mut VecDeque<Event>,
    ) -> bool {
        let looks = looks(datagram.payload);
        if looks == Looks::Other && self.flows.len() == 0 {
            return false;
        }
        let (key, side) = (datagram.key, datagram.side);
        let id = match self.flows.find(&key) {
            Some(id) => id,
            None => match self.begin(key, side, datagram, now, looks, limits, counters, events) {
                Some(id) => id,
                None => return false,
            },
        };
        self.flows.touch(id);
        let copy = datagram.is_copy(&mut self.duplicates, now, limits);
        let Some(entry) = self.flows.get_mut(id) else {
            return false;
        };
        entry.last = now.max(entry.last);
        counters.duplicates += u64::from(copy);
        if !copy {
            entry.packets += 1;
            entry.bytes[side] += datagram.payload.len() as u64;
            if !datagram.payload.is_empty() {
                entry.data.note(side, now);
            }
            entry.cut |= datagram.cut > 0;
            match (&mut entry.content, looks) {
                (Content::Quic(connection), _) => {
                    connection.datagram(side, datagram.payload, &mut self.room);
                }
                (Content::Dtls(dtls), Looks::Dtls(inner)) => dtls.datagram(side, inner),
                (Content::Stun, Looks::Dtls(inner)) => {
                    let mut dtls = Box::<Dtls>::default();
                    dtls.datagram(side, inner);
                    entry.content = Content::Dtls(dtls);
                }
                (Content::Stun | Content::Dtls(_), _) => {}
            }
        }
        let counted = !matches!(entry.content, Content::Stun);
        let weight = entry.weigh();
        self.weight = self.weight + weight - std::mem::replace(&mut entry.weight, weight);
        while self.weight > limits.memory / SHARE && self.evict(counters, events) {}
        counted
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what the datagram said, and where to tell of flows that go"
    )]
    fn begin(
        &mut self,
        key: FlowKey,
        side: usize,
        datagram: &Datagram<'_>,
        now: Timestamp,
        looks: Looks<'_>,
        limits: &Limits,
        counters: &mut Counters,
        events: &mut VecDeque<Event>,
    ) -> Option<FlowId> {
        let content = match looks {
            Looks::Other => return None,
            Looks::Stun => Content::Stun,
            Looks::Dtls(_) => Content::Dtls(Box::default()),
            Looks::Quic => {
                // Tried first, so that what only has the form of it begins no flow.
                let mut tried = quic::Connection::default();
                tried.datagram(side, datagram.payload, &mut self.room);
                if !tried.is_certain(datagram.payload) {
                    return None;
                }
                Content::Quic(Box::default())
            }
        };
        while self.flows.len() >= (limits.flows / SHARE).max(1) {
            let (oldest, _) = self.flows.oldest(Class::New)?;
            counters.evicted_flows += 1;
            self.end(oldest, counters, events);
        }
        let entry = Entry {
            key,
            content,
            opened: side,
            by_stun: looks == Looks::Stun,
            start: now,
            last: now,
            packets: 0,
            bytes: [0; 2],
            data: DataSeen::default(),
            wrapping: datagram.wrapping,
            cut: false,
            weight: 0,
        };
        Some(self.flows.insert(key, entry))
    }

    /// Lets the flow go that was quiet for longest, for want of memory. False when there is none.
    pub(crate) fn evict(&mut self, counters: &mut Counters, events: &mut VecDeque<Event>) -> bool {
        let Some((id, _)) = self.flows.oldest(Class::New) else {
            return false;
        };
        counters.evicted_memory += 1;
        self.end(id, counters, events);
        true
    }

    /// Since when the one quiet for longest is.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.flows.oldest(Class::New).map(|(_, entry)| entry.last)
    }

    /// Ends that one.
    pub(crate) fn end_oldest(&mut self, counters: &mut Counters, events: &mut VecDeque<Event>) {
        if let Some((id, _)) = self.flows.oldest(Class::New) {
            self.end(id, counters, events);
        }
    }

    fn end(&mut self, id: FlowId, counters: &mut Counters, events: &mut VecDeque<Event>) {
        let Some(entry) = self.flows.remove(id) else {
            return;
        };
        self.weight -= entry.weight;
        let mut flags = Flags::empty();
        let guessed = guess_client(&entry.key, entry.opened);
        let (app, tls, client) = match &entry.content {
            // Nothing came of it.
            Content::Stun => return,
            Content::Quic(connection) => {
                counters.quic_flows += 1;
                if connection.client().is_none() {
                    flags.insert(Flags::MIDSTREAM);
                }
                let client = connection.client().unwrap_or(guessed);
                (App::Quic, connection.told(), client)
            }
            Content::Dtls(dtls) => {
                counters.dtls_flows += 1;
                // Where STUN came first, the side that began with it opened the flow, whoever said hello then.
                let client = if entry.by_stun {
                    entry.opened
                } else {
                    dtls.client().unwrap_or(guessed)
                };
                (App::Dtls, dtls.told(), client)
            }
        };
        flags.insert(Flags::OPAQUE);
        if entry.bytes.contains(&0) {
            flags.insert(Flags::ONE_SIDED);
        }
        if entry.cut {
            flags.insert(Flags::TRUNCATED);
        }
        let at = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port);
        events.push_back(Event::Flow(Box::new(Flow {
            flow: FlowRef {
                client: at(entry.key.end(client)),
                server: at(entry.key.end(1 - client)),
                start: entry.start,
                vlan: entry.wrapping.vlan,
                vni: entry.wrapping.vni,
                tls: true,
            },
            end: entry.last,
            packets: entry.packets,
            bytes: (entry.bytes[client], entry.bytes[1 - client]),
            lost: (0, 0),
            data_packets: (entry.data.packets[client], entry.data.packets[1 - client]),
            first_data: (entry.data.first(client), entry.data.first(1 - client)),
            turns: entry.data.turns[client],
            exchanges: 0,
            conflicts: Vec::new(),
            conflict_count: 0,
            tunnel: entry.wrapping.tunnel,
            app,
            tls: tls.cloned(),
            flags,
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{LinkType, Packet};
    use crate::reassembler::Reassembler;

    const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 50_000);
    const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 443);

    /// A capture being taken.
    struct Wire {
        reassembler: Reassembler,
        now: Timestamp,
        id: u16,
    }

    impl Wire {
        fn new(limits: Limits) -> Self {
            Self {
                reassembler: Reassembler::new(limits),
                now: Timestamp(1_000_000_000_000),
                id: 0,
            }
        }

        /// A datagram as IPv4 carries it.
        fn packet(&mut self, from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
            self.id += 1;
            let len = u16::try_from(28 + payload.len()).unwrap();
            let mut out = vec![0x45, 0];
            out.extend(len.to_be_bytes());
            out.extend(self.id.to_be_bytes());
            out.extend([0, 0, 64, 17, 0, 0]);
            out.extend(from.0);
            out.extend(to.0);
            out.extend(from.1.to_be_bytes());
            out.extend(to.1.to_be_bytes());
            out.extend((len - 20).to_be_bytes());
            out.extend([0, 0]);
            out.extend(payload);
            out
        }

        fn push(&mut self, data: &[u8]) {
            self.now = Timestamp(self.now.0 + 1_000_000);
            self.reassembler.push(&Packet {
                ts: self.now,
                link: LinkType::RAW,
                data,
                wire_len: u32::try_from(data.len()).unwrap(),
                frame: 0,
            });
        }

        fn send(&mut self, from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> &mut Self {
            let packet = self.packet(from, to, payload);
            self.push(&packet);
            self
        }

        fn flows(&mut self) -> Vec<Flow> {
            self.reassembler.finish();
            std::iter::from_fn(|| self.reassembler.poll())
                .filter_map(|event| match event {
                    Event::Flow(flow) => Some(*flow),
                    Event::Exchange(_) | Event::Part(_) => None,
                })
                .collect()
        }
    }

    fn hello() -> Vec<Vec<u8>> {
        quic::testing::hello(1, &[7; 8], 2)
    }

    /// A DTLS client hello in a record.
    fn dtls() -> Vec<u8> {
        tls::testing::dtls_hello()
    }

    fn stun(kind: u8, attributes: &[u8]) -> Vec<u8> {
        let len = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [
            &[0, kind, len[0], len[1], 0x21, 0x12, 0xa4, 0x42][..],
            &[5; 12],
            attributes,
        ]
        .concat()
    }

    #[test]
    fn a_flow_of_quic_is_told_with_all_its_packets() {
        let mut wire = Wire::new(Limits::default());
        let hello = hello();
        wire.send(CLIENT, SERVER, &hello[0])
            .send(SERVER, CLIENT, &[0xc5; 300]);
        wire.send(CLIENT, SERVER, &hello[1])
            .send(SERVER, CLIENT, &[0x40; 50]);
        // Other ports are other flows; most datagrams are of none.
        wire.send(
            (CLIENT.0, 1),
            (SERVER.0, 53),
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01",
        );
        wire.send((CLIENT.0, 2), SERVER, &[0x40; 50]);
        let flows = wire.flows();
        let [flow] = &flows[..] else { panic!("{flows:?}") };
        assert_eq!(flow.app, App::Quic);
        assert_eq!(flow.flow.client.to_string(), "10.0.0.1:50000");
        assert_eq!(flow.flow.server.to_string(), "10.0.0.2:443");
        assert_eq!(flow.packets, 4);
        assert_eq!(flow.bytes, ((hello[0].len() + hello[1].len()) as u64, 350));
        assert_eq!(flow.flags.names().collect::<Vec<_>>(), ["opaque"]);
        let tls = flow.tls.as_ref().unwrap();
        assert_eq!(tls.sni.as_deref(), Some("www.example.com"));
        assert_eq!(tls.version.name(), "TLSv1.3");
        assert_eq!(tls.ja4.as_deref(), Some("q13d1516h2_8daaf6152771_e5627efa2ab1"));
        let counters = wire.reassembler.counters();
        assert_eq!((counters.udp_packets, counters.other_protocol), (4, 2));
        assert_eq!((counters.quic_flows, counters.flows), (1, 0));
        assert_eq!(wire.reassembler.weight(), 0);
    }

    #[test]
    fn copies_fragments_and_quiet_periods() {
        let mut wire = Wire::new(Limits::default());
        let hello = hello();
        let packet = wire.packet(CLIENT, SERVER, &hello[0]);
        wire.push(&packet);
        wire.push(&packet);
        // The second half comes in two fragments.
        let packet = wire.packet(CLIENT, SERVER, &hello[1]);
        let at = 20 + 80;
        let (mut first, mut second) = (packet[..at].to_vec(), packet[..20].to_vec());
        second.extend_from_slice(&packet[at..]);
        for (piece, place) in [(&mut first, 0x2000_u16), (&mut second, 10)] {
            let len = u16::try_from(piece.len()).unwrap();
            piece[2..4].copy_from_slice(&len.to_be_bytes());
            piece[6..8].copy_from_slice(&place.to_be_bytes());
        }
        wire.push(&second);
        wire.push(&first);
        wire.reassembler.advance(Timestamp(wire.now.0 + 400_000_000_000));
        let Some(Event::Flow(flow)) = wire.reassembler.poll() else {
            panic!("the flow was quiet")
        };
        assert_eq!(
            (flow.packets, flow.bytes.0),
            (2, (hello[0].len() + hello[1].len()) as u64)
        );
        assert_eq!(flow.tls.unwrap().sni.as_deref(), Some("www.example.com"));
        assert_eq!(flow.flags.names().collect::<Vec<_>>(), ["one_sided", "opaque"]);
        assert_eq!(wire.reassembler.counters().duplicates, 1);
    }

    #[test]
    fn dtls_is_found_behind_stun_and_within_turn() {
        let server_name = |flow: &Flow| flow.tls.as_ref().and_then(|t| t.sni.clone());
        let len = u16::try_from(dtls().len()).unwrap().to_be_bytes();
        let channel = [&[0x40, 1, len[0], len[1]][..], &dtls()].concat();
        let mut attributes = [&[0, 0x12, 0, 8][..], &[1; 8], &[0, 0x13, len[0], len[1]], &dtls()].concat();
        attributes.resize(attributes.len().next_multiple_of(4), 0);
        let within = stun(0x17, &attributes);
        for (name, first, hello, client) in [
            ("alone", None, dtls(), SERVER),
            (
                "behind STUN the one who began is the client",
                Some(stun(1, &[])),
                dtls(),
                CLIENT,
            ),
            ("channel data", None, channel, SERVER),
            ("an indication", Some(stun(1, &[])), within, CLIENT),
        ] {
            let mut wire = Wire::new(Limits::default());
            if let Some(first) = &first {
                wire.send(CLIENT, SERVER, first).send(SERVER, CLIENT, first);
            }
            wire.send(SERVER, CLIENT, &hello)
                .send(CLIENT, SERVER, &[0x80; 90]);
            let flows = wire.flows();
            let [flow] = &flows[..] else {
                panic!("{name}: {flows:?}")
            };
            assert_eq!(
                (flow.app, server_name(flow).as_deref()),
                (App::Dtls, Some("a.example")),
                "{name}"
            );
            assert_eq!(flow.flow.client.port(), client.1, "{name}");
            assert_eq!(flow.packets, if first.is_some() { 4 } else { 2 });
        }
    }

    #[test]
    fn other_datagrams_leave_no_trace() {
        let mut wire = Wire::new(Limits::default());
        let quic = &hello()[0];
        let damaged = [&quic[..quic.len() - 1], &[0]].concat();
        let turn = [0x40, 1, 0xff, 0xff, 22];
        let others = [
            &b""[..],
            b"x",
            &[0xff; 1300],
            &damaged,
            &turn,
            &stun(1, &[]),
            &dtls()[..20],
        ];
        for other in others {
            wire.send(CLIENT, SERVER, other);
        }
        assert_eq!(wire.flows(), []);
        assert_eq!(wire.reassembler.counters().other_protocol, others.len() as u64);
        assert_eq!(wire.reassembler.counters().udp_packets, 0);
    }

    #[test]
    fn a_flood_of_beginnings_takes_bounded_room() {
        let limits = Limits {
            flows: 80,
            memory: 100_000,
            ..Limits::default()
        };
        let mut wire = Wire::new(limits);
        let half = &hello()[0];
        for port in 1..2000 {
            wire.send((CLIENT.0, port), SERVER, half);
            assert!(wire.reassembler.open_flows() <= 10);
            assert!(wire.reassembler.weight() <= 100_000 / SHARE);
        }
        let counters = wire.reassembler.counters();
        assert!(counters.evicted_flows + counters.evicted_memory >= 1900);
        assert_eq!(wire.flows().len(), 1999, "each is told");
    }
}
