//! A frame in, a TCP segment or a UDP datagram out.
//!
//! Knows the headers of TCP and UDP, and puts the stages beside it together: [`super::layers`] and [`super::tunnel`] take headers off,
//! [`super::fragments`] puts datagrams together, [`super::duplicates`] tells copies.

use std::net::IpAddr;

use super::checksum::{self, Checksums, Told};
use super::duplicates::{Duplicates, Mark};
use super::fragments::{Fragments, Taken};
use super::layers::{Addresses, Found, Next, Skipped, Walk};
use super::{Packet, Wrapping};
use crate::limits::{Counters, Limits};
use crate::time::Timestamp;

/// The TCP flags that reassembly acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TcpFlags {
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
}

/// One TCP segment with the addresses it went between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) src: (IpAddr, u16),
    pub(crate) dst: (IpAddr, u16),
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

/// One UDP datagram with the addresses it went between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) src: (IpAddr, u16),
    pub(crate) dst: (IpAddr, u16),
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

/// Reads the headers of a frame. `whole` holds the datagram where it came in fragments.
pub(crate) fn decode<'a>(
    packet: &Packet<'a>,
    memory: &mut Memory,
    whole: &'a mut Vec<u8>,
    limits: &Limits,
    counters: &mut Counters,
) -> Result<Decoded<'a>, Skipped> {
    let mut next = Next::Link(packet.link);
    let mut wrapping = Wrapping::default();
    let (mut nested, mut overlap, mut reassembled) = (0, false, false);
    let checks = limits.checksums.looks_at(counters.packets);
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
    let (mut segment, mark) = tcp(addresses, wrapping, bytes, cut, limits)?;
    segment.overlap = overlap;
    segment.copy = !limits.duplicate_window.is_zero()
        && memory.duplicates.seen(&mark, packet.ts, limits.duplicate_window);
    Ok(Decoded::Tcp(segment))
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
    /// Whether a datagram was seen a moment ago; remembers it.
    pub(crate) fn copy(&mut self, datagram: &Datagram<'_>, now: Timestamp, limits: &Limits) -> bool {
        !limits.duplicate_window.is_zero()
            && self.duplicates.seen(&datagram.mark, now, limits.duplicate_window)
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
    let mark = Mark {
        src,
        dst,
        network: limits.network_of(wrapping),
        // What is at either end of a payload tells encrypted datagrams apart where checksums are not filled in.
        seq: four(payload.first_chunk()),
        ack: four(payload.last_chunk()),
        flags: 0,
        checksum: u16_at(6),
        len: u32::try_from(sent).unwrap_or(u32::MAX),
        ip_id: wrapping.ip_id,
    };
    Ok(Datagram {
        src,
        dst,
        wrapping,
        payload,
        cut: u32::try_from(sent - payload.len()).unwrap_or(0),
        mark,
    })
}

fn tcp<'a>(
    addresses: Addresses,
    wrapping: Wrapping,
    data: &'a [u8],
    cut: usize,
    limits: &Limits,
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
    let segment = Segment {
        src: (addresses.src, u16_at(0)),
        dst: (addresses.dst, u16_at(2)),
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
    let mark = Mark {
        src: segment.src,
        dst: segment.dst,
        network: limits.network_of(wrapping),
        seq: segment.seq,
        ack: segment.ack,
        flags: header[13],
        checksum: u16_at(16),
        len: u32::try_from(payload.len() + cut).unwrap_or(u32::MAX),
        ip_id: wrapping.ip_id,
    };
    Ok((segment, mark))
}
