//! Link-layer headers: finds where the IP packet begins.

use super::LinkType;

/// VLAN tags looked through in one frame. Two are QinQ; more are hardly sent by anybody honest.
const MAX_TAGS: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// What lies behind the link-layer header.
pub(super) enum Network<'a> {
    /// An IP packet and the innermost VLAN id.
    Ip { data: &'a [u8], vlan: Option<u16> },
    /// Something that is not IP.
    Other,
    /// The header is cut off or makes no sense.
    Broken,
    /// The link type is not known.
    UnknownLink,
}

/// Removes the link-layer header.
pub(super) fn strip(link: LinkType, data: &[u8]) -> Network<'_> {
    match link {
        LinkType::ETHERNET => ether(data, 12),
        // Version 1 has the protocol at 14 of 16 bytes; the field before is the sender's address.
        LinkType::LINUX_SLL => ether(data, 14),
        // Version 2 has the protocol first and 20 bytes of header.
        LinkType::LINUX_SLL2 => match (u16_at(data, 0), data.get(20..)) {
            (Some(kind), Some(rest)) => tagged(kind, rest, None),
            _ => Network::Broken,
        },
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => ip(data, None),
        // The address family differs between systems; the version nibble does not.
        LinkType::NULL | LinkType::LOOP => data.get(4..).map_or(Network::Broken, |rest| ip(rest, None)),
        _ => Network::UnknownLink,
    }
}

fn ether(data: &[u8], kind_at: usize) -> Network<'_> {
    match (u16_at(data, kind_at), data.get(kind_at + 2..)) {
        (Some(kind), Some(rest)) => tagged(kind, rest, None),
        _ => Network::Broken,
    }
}

fn tagged(mut kind: u16, mut data: &[u8], mut vlan: Option<u16>) -> Network<'_> {
    for _ in 0..=MAX_TAGS {
        if kind == IPV4 || kind == IPV6 {
            return ip(data, vlan);
        }
        if !VLAN.contains(&kind) {
            return Network::Other;
        }
        let (Some(tag), Some(next), Some(rest)) = (u16_at(data, 0), u16_at(data, 2), data.get(4..)) else {
            return Network::Broken;
        };
        vlan = Some(tag & 0x0fff);
        kind = next;
        data = rest;
    }
    Network::Broken
}

fn ip(data: &[u8], vlan: Option<u16>) -> Network<'_> {
    match data.first().map(|b| b >> 4) {
        Some(4 | 6) => Network::Ip { data, vlan },
        Some(_) => Network::Other,
        None => Network::Broken,
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]))
}
