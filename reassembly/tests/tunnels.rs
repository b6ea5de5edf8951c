//! However the packets of a flow are wrapped, cut into fragments and mirrored, its exchanges are the same.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use support::{CLIENT, SERVER, Seen, Wire, exchanges, flows};

macro_rules! wraps {
    ($($name:ident),* $(,)?) => {
        /// One header in front of a packet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Wrap {
            $($name),*
        }

        const ALL: &[Wrap] = &[$(Wrap::$name),*];
    };
}

wraps![
    Vlan,
    QinQ,
    OldQinQ,
    Mpls,
    MplsEthernet,
    Pppoe,
    VnTag,
    Pbb,
    FabricPath,
    Snap,
    IpIp,
    SixInFour,
    FourInSix,
    Options,
    Gre,
    GreKeyed,
    Nvgre,
    Erspan1,
    Erspan2,
    Erspan3,
    Vxlan,
    VxlanGpe,
    Geneve,
    GtpU,
    EtherIp,
    MplsInUdp,
    GreInUdp,
    Tzsp,
    Authenticated,
];

use Wrap::*;

/// A packet with what it begins with.
#[derive(Debug, Clone)]
enum Wrapped {
    Ip(Vec<u8>),
    /// Of an Ethernet type.
    Typed(u16, Vec<u8>),
    Frame(Vec<u8>),
}

fn ip_type(data: &[u8]) -> u16 {
    if data[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

fn typed(packet: Wrapped) -> (u16, Vec<u8>) {
    match packet {
        Wrapped::Ip(data) => (ip_type(&data), data),
        Wrapped::Typed(kind, data) => (kind, data),
        // Ethernet in Ethernet, as GRE names it.
        Wrapped::Frame(data) => (0x6558, data),
    }
}

fn frame(packet: Wrapped) -> Vec<u8> {
    match packet {
        Wrapped::Frame(data) => data,
        other => {
            let (kind, data) = typed(other);
            [
                &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..],
                &kind.to_be_bytes(),
                &data,
            ]
            .concat()
        }
    }
}

/// An IP packet; anything else goes into GRE first.
fn ip(packet: Wrapped) -> Vec<u8> {
    match packet {
        Wrapped::Ip(data) => data,
        other => gre(0, &[], other),
    }
}

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).expect("fits").to_be_bytes();
    let mut data = vec![
        0x45, 0, len[0], len[1], 0, 9, 0, 0, 64, protocol, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2,
    ];
    data.extend_from_slice(payload);
    data
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("fits").to_be_bytes();
    let mut data = vec![0x60, 0, 0, 0, len[0], len[1], next, 64];
    data.extend_from_slice(&[0xfd; 32]);
    data.extend_from_slice(payload);
    data
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).expect("fits").to_be_bytes();
    let port = port.to_be_bytes();
    v4(
        17,
        &[&[0xc0, 1, port[0], port[1], len[0], len[1], 0, 0], payload].concat(),
    )
}

fn gre_data(flags: u16, extra: &[u8], packet: Wrapped) -> Vec<u8> {
    let (kind, data) = typed(packet);
    [&flags.to_be_bytes()[..], &kind.to_be_bytes(), extra, &data].concat()
}

fn gre(flags: u16, extra: &[u8], packet: Wrapped) -> Vec<u8> {
    v4(47, &gre_data(flags, extra, packet))
}

fn wrap(with: Wrap, packet: Wrapped) -> Wrapped {
    let tag = |kind: u16, tag: &[u8], packet: Wrapped| {
        let (next, data) = typed(packet);
        Wrapped::Typed(kind, [tag, &next.to_be_bytes(), &data].concat())
    };
    match with {
        Vlan => tag(0x8100, &[0x20, 100], packet),
        QinQ => {
            let inner = tag(0x8100, &[0, 101], packet);
            tag(0x88a8, &[0, 7], inner)
        }
        OldQinQ => {
            let inner = tag(0x8100, &[0, 102], packet);
            tag(0x9100, &[0, 7], inner)
        }
        Mpls => Wrapped::Typed(0x8847, [&[0, 1, 0, 9, 0, 2, 1, 9][..], &ip(packet)].concat()),
        MplsEthernet => Wrapped::Typed(0x8847, [&[0, 1, 1, 9, 0, 0, 0, 0][..], &frame(packet)].concat()),
        Pppoe => {
            let data = ip(packet);
            let protocol: [u8; 2] = if data[0] >> 4 == 4 { [0, 0x21] } else { [0, 0x57] };
            let len = u16::try_from(data.len() + 2).expect("fits").to_be_bytes();
            Wrapped::Typed(
                0x8864,
                [&[0x11, 0, 0, 1, len[0], len[1]][..], &protocol, &data].concat(),
            )
        }
        VnTag => tag(0x8926, &[0, 0, 0, 5], packet),
        Pbb => Wrapped::Typed(0x88e7, [&[0, 0, 1, 2][..], &frame(packet)].concat()),
        FabricPath => Wrapped::Typed(0x8903, [&[0, 1][..], &frame(packet)].concat()),
        Snap => {
            let (kind, data) = typed(packet);
            let body = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &kind.to_be_bytes(), &data].concat();
            match u16::try_from(body.len()) {
                Ok(len @ 0..=1500) => Wrapped::Typed(len, body),
                _ => Wrapped::Typed(kind, data),
            }
        }
        IpIp | SixInFour => {
            let data = ip(packet);
            Wrapped::Ip(v4(if data[0] >> 4 == 4 { 4 } else { 41 }, &data))
        }
        FourInSix => {
            let data = ip(packet);
            Wrapped::Ip(v6(if data[0] >> 4 == 4 { 4 } else { 41 }, &data))
        }
        Options => {
            let data = ip(packet);
            let next = if data[0] >> 4 == 4 { 4 } else { 41 };
            // Hop-by-hop, routing and destination options.
            let headers = [
                43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, next, 0, 1, 4, 0, 0, 0, 0,
            ];
            Wrapped::Ip(v6(0, &[&headers[..], &data].concat()))
        }
        Gre => Wrapped::Ip(gre(0, &[], packet)),
        // Checksum, key and sequence number.
        GreKeyed => Wrapped::Ip(gre(0xb000, &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1], packet)),
        Nvgre => Wrapped::Ip(gre(0x2000, &[0, 1, 2, 0], Wrapped::Frame(frame(packet)))),
        Erspan1 => Wrapped::Ip(gre(0, &[], Wrapped::Typed(0x88be, frame(packet)))),
        Erspan2 => {
            let data = [&[0x10, 1, 0, 2, 0, 0, 0, 3][..], &frame(packet)].concat();
            Wrapped::Ip(gre(0x1000, &[0, 0, 0, 1], Wrapped::Typed(0x88be, data)))
        }
        Erspan3 => {
            let data = [
                &[0x20, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1][..],
                &[0; 8],
                &frame(packet),
            ]
            .concat();
            Wrapped::Ip(gre(0x1000, &[0, 0, 0, 1], Wrapped::Typed(0x22eb, data)))
        }
        Vxlan => Wrapped::Ip(udp(
            4789,
            &[&[8, 0, 0, 0, 0, 1, 2, 0][..], &frame(packet)].concat(),
        )),
        VxlanGpe => {
            let data = ip(packet);
            let next = if data[0] >> 4 == 4 { 1 } else { 2 };
            Wrapped::Ip(udp(4790, &[&[0x0c, 0, 0, next, 0, 1, 2, 0][..], &data].concat()))
        }
        Geneve => {
            let (kind, data) = typed(packet);
            let kind = kind.to_be_bytes();
            // Two words of options.
            let header = [2, 0, kind[0], kind[1], 0, 1, 2, 0, 1, 8, 1, 1, 0, 0, 0, 0];
            Wrapped::Ip(udp(6081, &[&header[..], &data].concat()))
        }
        GtpU => {
            let data = ip(packet);
            let len = u16::try_from(data.len() + 8).expect("fits").to_be_bytes();
            // An extension header of four bytes.
            let header = [0x34, 255, len[0], len[1], 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 0, 0];
            Wrapped::Ip(udp(2152, &[&header[..], &data].concat()))
        }
        EtherIp => Wrapped::Ip(v4(97, &[&[0x30, 0][..], &frame(packet)].concat())),
        MplsInUdp => Wrapped::Ip(udp(6635, &[&[0, 1, 1, 9][..], &ip(packet)].concat())),
        GreInUdp => Wrapped::Ip(udp(4754, &gre_data(0, &[], packet))),
        Tzsp => Wrapped::Ip(udp(
            37_008,
            &[&[1, 0, 0, 1, 0, 10, 1, 5, 1][..], &frame(packet)].concat(),
        )),
        Authenticated => {
            let data = ip(packet);
            let next = if data[0] >> 4 == 4 { 4 } else { 41 };
            let header = [
                next, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ];
            Wrapped::Ip(v4(51, &[&header[..], &data].concat()))
        }
    }
}

/// Cuts the outermost IP packet into fragments of about `size` bytes.
fn fragments(packet: &[u8], size: usize, id: u32) -> Vec<Vec<u8>> {
    let size = size.max(8) / 8 * 8;
    let id4 = (id as u16).to_be_bytes();
    let (header, payload) = packet.split_at(if packet[0] >> 4 == 4 { 20 } else { 40 });
    let count = payload.len().div_ceil(size);
    let pieces = payload.chunks(size).enumerate().map(|(number, piece)| {
        let place = u16::try_from(number * size / 8).expect("fits");
        let more = number + 1 < count;
        let mut out = header.to_vec();
        if packet[0] >> 4 == 4 {
            out[2..4].copy_from_slice(&u16::try_from(20 + piece.len()).expect("fits").to_be_bytes());
            out[4..6].copy_from_slice(&id4);
            out[6..8].copy_from_slice(&(place | u16::from(more) << 13).to_be_bytes());
        } else {
            let next = std::mem::replace(&mut out[6], 44);
            out[4..6].copy_from_slice(&u16::try_from(8 + piece.len()).expect("fits").to_be_bytes());
            out.extend_from_slice(&[next, 0]);
            out.extend_from_slice(&(place << 3 | u16::from(more)).to_be_bytes());
            out.extend_from_slice(&id.to_be_bytes());
        }
        out.extend_from_slice(piece);
        out
    });
    pieces.collect()
}

fn read(frames: impl IntoIterator<Item = (u64, Vec<u8>)>, limits: &Limits) -> (Vec<Event>, Reassembler) {
    let mut reassembler = Reassembler::new(limits.clone());
    let mut events = Vec::new();
    for (number, (at, data)) in (1..).zip(frames) {
        // A trailer of the link layer, as switches leave it.
        let data = [&data[..], &[0xee; 4]].concat();
        reassembler.push(&Packet {
            ts: Timestamp(at),
            link: LinkType::ETHERNET,
            wire_len: data.len() as u32,
            data: &data,
            frame: number,
        });
        events.extend(std::iter::from_fn(|| reassembler.poll()));
    }
    reassembler.finish();
    events.extend(std::iter::from_fn(|| reassembler.poll()));
    (events, reassembler)
}

fn talk() -> Wire {
    let mut wire = Wire::new(40_000);
    wire.open();
    for number in 0..4 {
        let body = "x".repeat(number * 400);
        let len = body.len();
        wire.send(
            CLIENT,
            format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n{body}"),
        );
        wire.send(
            SERVER,
            format!("HTTP/1.1 20{number} OK\r\nContent-Length: {len}\r\n\r\n{body}"),
        );
    }
    wire.close();
    wire
}

fn told(events: &[Event]) -> Vec<String> {
    exchanges(events).iter().map(Seen::line).collect()
}

fn plain(wire: &Wire) -> Vec<String> {
    let frames = wire
        .frames
        .iter()
        .map(|f| (f.at, frame(Wrapped::Ip(f.ip.clone()))));
    told(&read(frames, &Limits::default()).0)
}

#[test]
fn every_wrapping_is_taken_off() {
    let wire = talk();
    let want = plain(&wire);
    assert_eq!(want.len(), 4);
    let mut networks = Vec::new();
    for with in ALL.iter().copied() {
        let frames = wire
            .frames
            .iter()
            .map(|f| (f.at, frame(wrap(with, Wrapped::Ip(f.ip.clone())))));
        let (events, reassembler) = read(frames, &Limits::default());
        assert_eq!(told(&events), want, "{with:?}: {:?}", reassembler.counters());
        let flow = &flows(&events)[0];
        networks.push(format!(
            "{with:?} vlan {:?} vni {:?} tunnel {:?}",
            flow.flow.vlan,
            flow.flow.vni,
            flow.tunnel.map(reassembly::Tunnel::name)
        ));
    }
    insta::assert_snapshot!(networks.join("\n"));
}

#[test]
fn copies_are_counted_and_change_nothing() {
    let wire = talk();
    // Mirrored on the way in, and on the way out with another VLAN and a smaller time to live.
    let copies = wire.frames.iter().flat_map(|f| {
        let mut out = f.ip.clone();
        out[8] -= 1;
        [
            (f.at, frame(wrap(Vlan, Wrapped::Ip(f.ip.clone())))),
            (f.at + 5000, frame(wrap(QinQ, Wrapped::Ip(out)))),
        ]
    });
    let (events, reassembler) = read(copies, &Limits::default());
    assert_eq!(told(&events), plain(&wire));
    let counters = reassembler.counters();
    assert_eq!(counters.duplicates as usize, wire.frames.len());
    assert_eq!(counters.retransmitted_bytes, 0);
    assert_eq!(flows(&events)[0].packets as usize, wire.frames.len());
}

#[test]
fn a_differing_copy_does_not_hide_behind_a_header() {
    let wire = talk();
    let mut frames: Vec<_> = wire.frames.iter().map(|f| (f.at, f.ip.clone())).collect();
    let at = frames
        .iter()
        .position(|(_, ip)| ip.windows(4).any(|w| w == b"PUT "))
        .expect("a request");
    let (when, mut other) = frames[at].clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    frames.insert(at + 1, (when + 10, other));
    let (events, reassembler) = read(
        frames.into_iter().map(|(at, ip)| (at, frame(Wrapped::Ip(ip)))),
        &Limits::default(),
    );
    assert_eq!(reassembler.counters().conflicts, 1);
    assert!(
        flows(&events)[0].flags.names().any(|f| f == "conflict"),
        "{:?}",
        flows(&events)
    );
}

#[test]
fn networks_tell_flows_apart_when_asked_to() {
    let wire = talk();
    let two = |limits: Limits| {
        let frames = wire.frames.iter().flat_map(|f| {
            let other = wrap(Vxlan, Wrapped::Ip(f.ip.clone()));
            let Wrapped::Ip(mut second) = other.clone() else {
                unreachable!()
            };
            // The network identifier, behind IP and UDP.
            second[20 + 8 + 6] = 9;
            [(f.at, frame(other)), (f.at, frame(Wrapped::Ip(second)))]
        });
        flows(&read(frames, &limits).0).len()
    };
    assert_eq!(two(Limits::default()), 1);
    assert_eq!(
        two(Limits {
            key_by_vni: true,
            ..Limits::default()
        }),
        2
    );
}

#[test]
fn nesting_without_end_is_given_up() {
    let wire = talk();
    let frames = wire.frames.iter().map(|f| {
        let deep = (0..12).fold(Wrapped::Ip(f.ip.clone()), |p, _| wrap(IpIp, p));
        (f.at, frame(deep))
    });
    let (events, reassembler) = read(frames, &Limits::default());
    assert!(events.is_empty());
    assert_eq!(reassembler.counters().nested as usize, wire.frames.len());
}

#[test]
fn a_mirror_that_cuts_packets_leaves_gaps_of_known_size() {
    let mut wire = Wire::new(40_000);
    wire.open();
    wire.send(CLIENT, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send(
        SERVER,
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}",
            "x".repeat(1000)
        ),
    );
    wire.send(CLIENT, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send(SERVER, "HTTP/1.1 204 OK\r\n\r\n");
    wire.close();
    // The mirror cuts what it copies to 400 bytes, and the outer headers tell the size after that.
    let frames = wire.frames.iter().map(|f| {
        let inner = frame(Wrapped::Ip(f.ip.clone()));
        let cut = Wrapped::Frame(inner[..inner.len().min(400)].to_vec());
        (f.at, frame(wrap(Vxlan, cut)))
    });
    let (events, _) = read(frames, &Limits::default());
    assert_eq!(told(&events), ["GET /1 a > 200 0/305~ gap", "GET /2 a > 204 0/0"]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Wrappings in wrappings, and the outermost packet in fragments that come in any order and some of them twice.
    #[test]
    fn wrapped_in_anything_and_cut_the_exchanges_are_the_same(
        wraps in vec(proptest::sample::select(ALL.to_vec()), 0..4),
        size in 16usize..1500,
        order in any::<u64>(),
        six in any::<bool>(),
    ) {
        let wire = talk();
        let want = plain(&wire);
        let mut frames = Vec::new();
        for (id, f) in (0u32..).zip(&wire.frames) {
            let packet = wraps.iter().fold(Wrapped::Ip(f.ip.clone()), |p, w| wrap(*w, p));
            let outer = ip(packet);
            let outer = if six { v6(if outer[0] >> 4 == 4 { 4 } else { 41 }, &outer) } else { outer };
            let mut pieces = fragments(&outer, size, id + 1);
            let count = pieces.len();
            let turn = order as usize % count;
            pieces.rotate_left(turn);
            if order & 1 == 1 {
                let copy = pieces[0].clone();
                pieces.insert(1, copy);
            }
            frames.extend(pieces.into_iter().map(|p| (f.at, frame(Wrapped::Ip(p)))));
        }
        let (events, reassembler) = read(frames, &Limits::default());
        prop_assert_eq!(told(&events), want, "{:?}", reassembler.counters());
        prop_assert_eq!(reassembler.counters().fragments_refused, 0);
    }
}
