//! A frame in, a TCP segment or a UDP datagram out.
//!
//! Knows the headers of TCP and UDP, and puts the stages beside it together: [`super::layers`] and [`super::tunnel`] take headers off,
//! [`super::fragments`] puts datagrams together, [`super::duplicates`] tells copies.

use super::checksum::{self, Checksums, Told};
use super::duplicates::{Duplicates, Mark};
use super::fragments::{Fragments, Taken};
use super::key::FlowKey;
use super::layers::{Addresses, ETHERTYPE_IPV4, Found, Next, Skipped, Walk};
use super::{LinkType, Packet, Wrapping};
use crate::limits::{Counters, Limits};
use crate::time::Timestamp;

/// The protocol number of TCP.
const TCP: u8 = 6;

/// The TCP flags that reassembly acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TcpFlags {
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
}

/// One TCP segment with the ends it went between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) key: FlowKey,
    /// The end that sent it, as in the key.
    pub(crate) side: usize,
    pub(crate) wrapping: Wrapping,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: TcpFlags,
    pub(crate) payload: &'a [u8],
    /// Payload bytes that were sent but not captured (`caplen < len`), at the segment's end.
    pub(crate) cut: u32,
    /// Seen a moment ago.
    pub(crate) copy: bool,
    /// Put together from fragments that overlapped: hosts may have read it otherwise.
    pub(crate) overlap: bool,
    /// Its sender takes no more bytes. Other windows mean little where the handshake was not seen (RFC 7323 section 2.3).
    pub(crate) shut: bool,
    /// Some of its payload is urgent.
    pub(crate) urgent: bool,
}

/// One UDP datagram with the ends it went between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) key: FlowKey,
    /// The end that sent it, as in the key.
    pub(crate) side: usize,
    pub(crate) wrapping: Wrapping,
    pub(crate) payload: &'a [u8],
    /// Payload bytes that were sent but not captured.
    pub(crate) cut: u32,
    mark: Mark,
}

/// What a frame carried.
#[derive(Debug)]
pub(crate) enum Decoded<'a> {
    Tcp(Segment<'a>),
    Udp(Datagram<'a>),
}

/// What decoding remembers from one frame to the next.
#[derive(Default)]
pub(crate) struct Memory {
    fragments: Fragments,
    duplicates: Duplicates,
}

/// Reads the headers of a frame of any form. `whole` holds the datagram where it came in fragments.
pub(crate) fn decode<'a>(
    packet: &Packet<'a>,
    memory: &mut Memory,
    whole: &'a mut Vec<u8>,
    limits: &Limits,
    counters: &mut Counters,
) -> Result<Decoded<'a>, Skipped> {
    let checks = limits.checksums.looks_at(counters.packets);
    let mut next = Next::Link(packet.link);
    let mut wrapping = Wrapping::default();
    let (mut nested, mut overlap, mut reassembled) = (0, false, false);
    let mut routed = false;
    let found = loop {
        let data = if reassembled { &whole[..] } else { packet.data };
        // What the capture cut off can only be the end of the frame, so it is missing at the end of `data`.
        let uncaptured = if reassembled {
            0
        } else {
            (packet.wire_len as usize).saturating_sub(packet.data.len())
        };
        let mut walk = Walk {
            data,
            at: 0,
            end: data.len() + uncaptured,
            captured: data.len(),
            uncaptured,
            wrapping,
            nested,
            ports: &limits.tunnels,
            checks,
            told: Told::Right,
            routed,
        };
        let found = walk.run(next)?;
        (wrapping, nested) = (walk.wrapping, walk.nested);
        if checks {
            routed = walk.routed;
            let told = walk.told;
            counters.ip_checksums_wrong += u64::from(told == Told::Wrong);
            believe(told, limits, counters)?;
        }
        let piece = match found {
            Found::Tcp { .. } | Found::Udp { .. } => break found,
            Found::Fragment(piece) => piece,
        };
        counters.fragments += 1;
        let bytes = &data[piece.data.clone()];
        let taken = memory
            .fragments
            .take(&piece, bytes, wrapping.vni, packet.ts, limits, counters);
        match taken {
            Taken::Waits => return Err(Skipped::Fragment),
            Taken::Refused => {
                counters.fragments_refused += 1;
                return Err(Skipped::Fragment);
            }
            Taken::Whole(datagram) => {
                counters.datagrams += 1;
                overlap |= datagram.overlap;
                *whole = datagram.data;
                reassembled = true;
                next = Next::Transport(piece.addresses, piece.protocol);
            }
        }
    };
    let from: &'a [u8] = if reassembled { whole } else { packet.data };
    let (addresses, bytes, cut) = match found {
        Found::Tcp { addresses, data, cut } => {
            let bytes = &from[data];
            if checks {
                counters.checksums_checked += 1;
                if cut == 0 && !routed {
                    let told = checksum::of_transport(addresses, 6, bytes, 16);
                    counters.tcp_checksums_wrong += u64::from(told == Told::Wrong);
                    believe(told, limits, counters)?;
                }
            }
            (addresses, bytes, cut)
        }
        Found::Udp { addresses, data, cut } => {
            let bytes = &from[data];
            if checks {
                counters.checksums_checked += 1;
                if cut == 0 && !routed {
                    let told = of_datagram(addresses, bytes);
                    counters.udp_checksums_wrong += u64::from(told == Told::Wrong);
                    believe(told, limits, counters)?;
                }
            }
            return udp(addresses, wrapping, bytes, cut, limits).map(Decoded::Udp);
        }
        Found::Fragment(_) => return Err(Skipped::Fragment),
    };
    let key = |from, to| {
        let (src, dst) = ((addresses.src, from), (addresses.dst, to));
        FlowKey::new(src, dst, limits.network_of(wrapping))
    };
    let (mut segment, mark) = tcp(key, wrapping, bytes, cut)?;
    segment.overlap = overlap;
    segment.copy = memory.seen(mark, packet.ts, limits);
    Ok(Decoded::Tcp(segment))
}

/// Reads the headers of a frame of the commonest form: Ethernet, an IPv4 header without options or fragmentation, TCP, all of
/// it captured. Nothing where it has another form, may be damaged, or has its checksums looked at; where it gives a
/// segment, [`decode`] gives the same. `number` is the packet's, from 1.
#[inline(always)]
pub(crate) fn decode_plain<'a>(
    packet: &Packet<'a>,
    memory: &mut Memory,
    limits: &Limits,
    number: u64,
) -> Option<Segment<'a>> {
    let (mut segment, mark) = plain(packet).filter(|_| !limits.checksums.looks_at(number))?;
    segment.copy = memory.seen(mark, packet.ts, limits);
    Some(segment)
}

#[inline(always)]
fn plain<'a>(packet: &Packet<'a>) -> Option<(Segment<'a>, Mark)> {
    /// Ethernet's header, and the shortest ones of IPv4 and TCP.
    const HEADERS: [usize; 3] = [14, 20, 20];
    const ALL: usize = HEADERS[0] + HEADERS[1] + HEADERS[2];
    if packet.link != LinkType::ETHERNET || packet.data.len() < packet.wire_len as usize {
        return None;
    }
    let header = packet.data.first_chunk::<ALL>()?;
    let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let u32_at = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (kind, place, total) = (u16_at(12), u16_at(20), usize::from(u16_at(16)));
    if kind != ETHERTYPE_IPV4 || header[14] != 0x45 || place & 0x3fff != 0 || header[23] != TCP {
        return None;
    }
    let data = packet
        .data
        .get(HEADERS[0]..HEADERS[0] + total)?
        .get(HEADERS[1]..)?;
    let wrapping = Wrapping {
        ip_id: u16_at(18),
        ..Wrapping::default()
    };
    let (src, dst) = (u32_at(26), u32_at(30));
    tcp(
        |from, to| FlowKey::v4((src, from), (dst, to), 0),
        wrapping,
        data,
        0,
    )
    .ok()
}

/// Counts what a checksum tells, and refuses the packet where wrong ones are not wanted. One left to the card is refused
/// too: on the wire every host would.
fn believe(told: Told, limits: &Limits, counters: &mut Counters) -> Result<(), Skipped> {
    counters.checksums_unfilled += u64::from(told == Told::Unfilled);
    if told != Told::Right && limits.checksums == Checksums::Verify {
        counters.checksum_dropped += 1;
        return Err(Skipped::Checksum);
    }
    Ok(())
}

/// What the checksum of a UDP datagram tells. Zero stands for none (RFC 768, RFC 6935).
fn of_datagram(addresses: Addresses, data: &[u8]) -> Told {
    let u16_at = |at: usize| {
        data.get(at..)
            .and_then(|rest| rest.first_chunk())
            .map(|b| u16::from_be_bytes(*b))
    };
    let len = u16_at(4).map_or(0, usize::from);
    match data.get(..len) {
        _ if u16_at(6) == Some(0) => Told::Right,
        Some(datagram) if len >= 8 => checksum::of_transport(addresses, 17, datagram, 6),
        _ => Told::Right,
    }
}

impl Memory {
    #[inline]
    fn seen(&mut self, mark: Mark, now: Timestamp, limits: &Limits) -> bool {
        !limits.duplicate_window.is_zero() && self.duplicates.seen(mark, now, limits.duplicate_window)
    }
}

impl<'a> Segment<'a> {
    /// The same with another payload, and the one it had.
    pub(crate) fn with<'b>(self, payload: &'b [u8]) -> (Segment<'b>, &'a [u8]) {
        (Segment { payload, ..self }, self.payload)
    }
}

impl<'a> Datagram<'a> {
    /// The same with another payload, and the one it had.
    pub(crate) fn with<'b>(self, payload: &'b [u8]) -> (Datagram<'b>, &'a [u8]) {
        (Datagram { payload, ..self }, self.payload)
    }

    /// Whether it was seen a moment ago; remembers it.
    pub(crate) fn is_copy(&self, recent: &mut Duplicates, now: Timestamp, limits: &Limits) -> bool {
        !limits.duplicate_window.is_zero() && recent.seen(self.mark, now, limits.duplicate_window)
    }
}

fn udp<'a>(
    addresses: Addresses,
    wrapping: Wrapping,
    data: &'a [u8],
    cut: usize,
    limits: &Limits,
) -> Result<Datagram<'a>, Skipped> {
    // RFC 768. Its length is that of the IP packet but for padding, and zero in a jumbogram.
    let (header, payload) = data.split_first_chunk::<8>().ok_or(Skipped::Broken)?;
    let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let len = usize::from(u16_at(4)).saturating_sub(header.len());
    let sent = match payload.len() + cut {
        all if len > 0 => all.min(len),
        all => all,
    };
    let payload = &payload[..payload.len().min(sent)];
    let four = |bytes: Option<&[u8; 4]>| bytes.map_or(0, |b| u32::from_be_bytes(*b));
    let (src, dst) = ((addresses.src, u16_at(0)), (addresses.dst, u16_at(2)));
    let (key, side) = FlowKey::new(src, dst, limits.network_of(wrapping));
    // What is at either end of a payload tells encrypted datagrams apart where checksums are not filled in.
    let ends = (four(payload.first_chunk()), four(payload.last_chunk()));
    let len = u32::try_from(sent).unwrap_or(u32::MAX);
    let mark = Mark::new((&key, side), ends.0, ends.1, 0, len, [u16_at(6), wrapping.ip_id]);
    Ok(Datagram {
        key,
        side,
        wrapping,
        payload,
        cut: u32::try_from(sent - payload.len()).unwrap_or(0),
        mark,
    })
}

#[inline(always)]
fn tcp<'a>(
    key: impl FnOnce(u16, u16) -> (FlowKey, usize),
    wrapping: Wrapping,
    data: &'a [u8],
    cut: usize,
) -> Result<(Segment<'a>, Mark), Skipped> {
    // RFC 9293 section 3.1. Options are not needed, so a capture may be cut within them.
    let Some(header) = data.first_chunk::<20>() else {
        return Err(Skipped::Broken);
    };
    let u16_at = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) << 16 | u32::from(u16_at(at + 2));
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < header.len() || header_len > data.len() + cut {
        return Err(Skipped::Broken);
    }
    let payload = data.get(header_len..).unwrap_or(&[]);
    let cut = data.len() + cut - header_len - payload.len();
    let flag = |bit: u8| header[13] & bit != 0;
    let (key, side) = key(u16_at(0), u16_at(2));
    let segment = Segment {
        key,
        side,
        wrapping,
        seq: u32_at(4),
        ack: u32_at(8),
        flags: TcpFlags {
            fin: flag(0x01),
            syn: flag(0x02),
            rst: flag(0x04),
            ack: flag(0x10),
        },
        payload,
        cut: u32::try_from(cut).unwrap_or(0),
        copy: false,
        overlap: false,
        shut: u16_at(14) == 0,
        urgent: flag(0x20) && u16_at(18) > 0 && !payload.is_empty(),
    };
    let len = u32::try_from(payload.len() + cut).unwrap_or(u32::MAX);
    let sums = [u16_at(16), wrapping.ip_id];
    let mark = Mark::new((&key, side), segment.seq, segment.ack, header[13], len, sums);
    Ok((segment, mark))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A segment of 24 bytes of header and 6 of payload, with padding behind it.
    fn frame() -> Vec<u8> {
        let mut frame = vec![0x11; 14];
        frame[12..].copy_from_slice(&[0x08, 0x00]);
        frame.extend([0x45, 0, 0, 50, 0x12, 0x34, 0x40, 0, 64, TCP, 0, 0]);
        frame.extend([192, 0, 2, 1, 198, 51, 100, 2]);
        frame.extend([
            0xc0, 0x01, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x18, 1, 0, 0xab, 0xcd, 0, 0, 1, 1, 1, 1,
        ]);
        frame.extend(b"GET / paddingpad");
        frame
    }

    fn packet(data: &[u8], wire_len: u32) -> Packet<'_> {
        Packet {
            ts: Timestamp(1),
            link: LinkType::ETHERNET,
            data,
            wire_len,
            frame: 1,
        }
    }

    fn segment<'a>(packet: &Packet<'a>, whole: &'a mut Vec<u8>, limits: &Limits) -> Option<Segment<'a>> {
        let (mut memory, mut counters) = (Memory::default(), Counters::default());
        match decode(packet, &mut memory, whole, limits, &mut counters) {
            Ok(Decoded::Tcp(segment)) => Some(segment),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn the_common_frame_is_read_as_any_other(
            changes in prop::collection::vec((12..60_usize, any::<u8>()), 0..4),
            len in 0..80_usize,
            beyond in prop_oneof![Just(0_u32), 1..30_u32],
        ) {
            let mut data = frame();
            for (at, byte) in changes {
                data[at] = byte;
            }
            data.truncate(len.max(30));
            let wire_len = u32::try_from(data.len()).unwrap() + beyond;
            let packet = packet(&data, wire_len);
            let limits = Limits { checksums: Checksums::Ignore, ..Limits::default() };
            if let Some((found, _)) = plain(&packet) {
                let mut whole = Vec::new();
                let walked = segment(&packet, &mut whole, &limits);
                prop_assert_eq!(Some(found), walked);
            }
        }
    }

    #[test]
    fn a_common_frame_is_read_at_once() {
        let data = frame();
        let (found, _) = plain(&packet(&data, 74)).expect("a common frame");
        assert_eq!(
            (found.payload, found.cut, found.wrapping.ip_id),
            (&b"GET / "[..], 0, 0x1234)
        );
        assert!(plain(&packet(&data, 75)).is_none(), "cut off by the capture");
        for (at, byte, why) in [
            (12, 0x86, "another type"),
            (14, 0x46, "options"),
            (20, 0x20, "a fragment"),
            (23, 17, "UDP"),
        ] {
            let mut other = data.clone();
            other[at] = byte;
            assert!(plain(&packet(&other, 74)).is_none(), "{why}");
        }
    }
}
