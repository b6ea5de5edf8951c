//! IP and TCP headers: a frame in, a segment out.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6ExtensionsSlice, Ipv6HeaderSlice, TcpHeaderSlice};

use super::Packet;
use super::link::{self, Network};

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
    pub(crate) vlan: Option<u16>,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: TcpFlags,
    pub(crate) payload: &'a [u8],
    /// Payload bytes that were sent but not captured (`caplen < len`), at the segment's end.
    pub(crate) cut: u32,
}

/// Why a frame gave no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skipped {
    Other,
    Broken,
    UnknownLink,
    Fragment,
}

/// Reads the headers of a frame.
pub(crate) fn decode<'a>(packet: &Packet<'a>) -> Result<Segment<'a>, Skipped> {
    let (data, vlan) = match link::strip(packet.link, packet.data) {
        Network::Ip { data, vlan } => (data, vlan),
        Network::Other => return Err(Skipped::Other),
        Network::Broken => return Err(Skipped::Broken),
        Network::UnknownLink => return Err(Skipped::UnknownLink),
    };
    // What the capture cut off can only be the end of the frame, so it is missing at the end of `data`.
    let uncaptured = (packet.wire_len as usize).saturating_sub(packet.data.len());
    if data[0] >> 4 == 4 {
        v4(data, vlan, uncaptured)
    } else {
        v6(data, vlan, uncaptured)
    }
}

fn v4(data: &[u8], vlan: Option<u16>, uncaptured: usize) -> Result<Segment<'_>, Skipped> {
    let header = Ipv4HeaderSlice::from_slice(data).map_err(|_| Skipped::Broken)?;
    if header.protocol() != IpNumber::TCP {
        return Err(Skipped::Other);
    }
    if header.is_fragmenting_payload() {
        return Err(Skipped::Fragment);
    }
    let header_len = header.slice().len();
    // A total length of zero is a segment that the card was left to split: as long as the frame says.
    let total = match usize::from(header.total_len()) {
        0 => data.len() + uncaptured,
        total => total,
    };
    let payload_len = total.checked_sub(header_len).ok_or(Skipped::Broken)?;
    tcp(
        IpAddr::V4(header.source_addr()),
        IpAddr::V4(header.destination_addr()),
        vlan,
        &data[header_len..],
        payload_len,
    )
}

fn v6(data: &[u8], vlan: Option<u16>, uncaptured: usize) -> Result<Segment<'_>, Skipped> {
    let header = Ipv6HeaderSlice::from_slice(data).map_err(|_| Skipped::Broken)?;
    let rest = &data[header.slice().len()..];
    let total = match usize::from(header.payload_length()) {
        // A jumbogram (RFC 2675) or a segment left to the card to split.
        0 => rest.len() + uncaptured,
        total => total,
    };
    let (extensions, next, payload) =
        Ipv6ExtensionsSlice::from_slice(header.next_header(), rest).map_err(|_| Skipped::Broken)?;
    if extensions.is_fragmenting_payload() {
        return Err(Skipped::Fragment);
    }
    if next != IpNumber::TCP {
        return Err(Skipped::Other);
    }
    let payload_len = total
        .checked_sub(rest.len() - payload.len())
        .ok_or(Skipped::Broken)?;
    tcp(
        IpAddr::V6(header.source_addr()),
        IpAddr::V6(header.destination_addr()),
        vlan,
        payload,
        payload_len,
    )
}

/// `captured` may be longer than `len` (Ethernet padding) or shorter (cut off).
fn tcp(
    src: IpAddr,
    dst: IpAddr,
    vlan: Option<u16>,
    captured: &[u8],
    len: usize,
) -> Result<Segment<'_>, Skipped> {
    let data = &captured[..captured.len().min(len)];
    let header = TcpHeaderSlice::from_slice(data).map_err(|_| Skipped::Broken)?;
    let payload = &data[header.slice().len()..];
    Ok(Segment {
        src: (src, header.source_port()),
        dst: (dst, header.destination_port()),
        vlan,
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: TcpFlags {
            syn: header.syn(),
            ack: header.ack(),
            fin: header.fin(),
            rst: header.rst(),
        },
        payload,
        cut: u32::try_from(len - data.len()).unwrap_or(0),
    })
}
