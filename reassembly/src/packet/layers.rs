//! One header after another, from the frame down to TCP.
//!
//! Knows what each header says comes next. A mirror wraps what it copies, and networks wrap what they carry, so an
//! IP packet may lie in a tunnel in an IP packet: headers are taken off until TCP is reached, something else than a
//! tunnel is, or too many were nested. Speaks of places in a buffer, not of slices, because a reassembled datagram
//! goes on in a buffer of its own.

use std::net::IpAddr;
use std::ops::Range;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::checksum::{self, Told};
use super::tunnel;
use super::{LinkType, Wrapping};

/// IP headers and tunnels taken off one frame; as many as nobody honest nests.
const MAX_NESTED: u8 = 8;

/// IPv6 extension headers taken off in front of one transport header.
const MAX_EXTENSIONS: usize = 16;

/// Tags and labels taken off in front of one network header.
const MAX_TAGS: usize = 8;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const ETHERTYPE_TEB: u16 = 0x6558;
pub(super) const ETHERTYPE_MPLS: [u16; 2] = [0x8847, 0x8848];
/// 802.1Q, 802.1ad and the value used before it was agreed.
const ETHERTYPE_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
/// Cisco VN-Tag: four bytes, then the next type.
const ETHERTYPE_VNTAG: u16 = 0x8926;
/// 802.1ah provider backbone: a service tag of four bytes, then a whole Ethernet frame.
const ETHERTYPE_PBB: u16 = 0x88e7;
/// Cisco `FabricPath`: two bytes, then a whole Ethernet frame.
const ETHERTYPE_FABRICPATH: u16 = 0x8903;
/// 802.1AE.
const ETHERTYPE_MACSEC: u16 = 0x88e5;
/// Cisco metadata (security group tags), in front of the next type.
const ETHERTYPE_CMD: u16 = 0x8909;

/// What a header says comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Link(LinkType),
    Ethernet,
    Type(u16),
    /// PPP with its protocol field.
    Ppp,
    Mpls,
    /// IP of either version, told by the first nibble.
    Ip,
    /// What an IP header of that protocol number carries.
    Transport(Addresses, u8),
}

/// The addresses of an IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Addresses {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
}

/// Why a frame gave no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// Nothing that carries TCP.
    Other,
    /// A header is cut off or makes no sense.
    Broken,
    /// The link type is not known.
    UnknownLink,
    /// A fragment whose datagram is not whole yet.
    Fragment,
    /// More headers in each other than are taken off.
    Nested,
    /// A checksum is wrong, and such packets are not wanted.
    Checksum,
}

/// Where the walk through the headers ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// TCP between two addresses; the range begins with its header and ends where the IP packet does or where the
    /// capture was cut.
    Tcp {
        addresses: Addresses,
        data: Range<usize>,
        /// Bytes the IP packet has beyond the range.
        cut: usize,
    },
    /// UDP that is no tunnel; the range begins with its header.
    Udp {
        addresses: Addresses,
        data: Range<usize>,
        cut: usize,
    },
    /// A piece of a datagram.
    Fragment(Fragment),
}

/// A piece of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) addresses: Addresses,
    pub(super) id: u32,
    pub(super) protocol: u8,
    /// Place in the datagram.
    pub(super) offset: usize,
    pub(super) more: bool,
    /// Its bytes in the frame; shorter than `len` when the capture was cut.
    pub(super) data: Range<usize>,
    pub(super) len: usize,
}

/// Walks from header to header.
pub(super) struct Walk<'a> {
    pub(super) data: &'a [u8],
    /// Where the next header begins.
    pub(super) at: usize,
    /// Where the data of the innermost header ends; behind `captured` when the capture or a mirror cut it.
    pub(super) end: usize,
    /// Where the captured data of all headers so far ends. Padding lies behind it.
    pub(super) captured: usize,
    /// Bytes that the frame had beyond what was captured.
    pub(super) uncaptured: usize,
    pub(super) wrapping: Wrapping,
    pub(super) nested: u8,
    pub(super) ports: &'a tunnel::Ports,
    /// Whether checksums are looked at.
    pub(super) checks: bool,
    /// The worst that the IPv4 headers' tell.
    pub(super) told: Told,
    /// The addresses are not those of the checksum, for a router on the way changes them.
    pub(super) routed: bool,
}

impl Walk<'_> {
    pub(super) fn run(&mut self, mut next: Next) -> Result<Found, Skipped> {
        for _ in 0..usize::from(MAX_NESTED) * MAX_TAGS {
            next = match next {
                Next::Link(link) => self.link(link)?,
                Next::Ethernet => {
                    let kind = self.u16_at(12)?;
                    self.skip(14)?;
                    Next::Type(kind)
                }
                Next::Type(kind) => self.typed(kind)?,
                Next::Ppp => self.ppp()?,
                Next::Mpls => self.mpls()?,
                Next::Ip => {
                    self.deeper()?;
                    match self.u8_at(0)? >> 4 {
                        4 => match self.v4()? {
                            Ok(next) => next,
                            Err(fragment) => return Ok(Found::Fragment(fragment)),
                        },
                        6 => match self.v6()? {
                            Ok(next) => next,
                            Err(fragment) => return Ok(Found::Fragment(fragment)),
                        },
                        _ => return Err(Skipped::Other),
                    }
                }
                Next::Transport(addresses, protocol) => {
                    if protocol == IpNumber::TCP.0 {
                        return Ok(Found::Tcp {
                            addresses,
                            data: self.at..self.captured.max(self.at),
                            cut: self.end.saturating_sub(self.captured.max(self.at)),
                        });
                    }
                    if protocol == IpNumber::UDP.0 && !self.is_tunnel()? {
                        return Ok(Found::Udp {
                            addresses,
                            data: self.at..self.captured.max(self.at),
                            cut: self.end.saturating_sub(self.captured.max(self.at)),
                        });
                    }
                    self.transport(addresses, protocol)?
                }
            };
        }
        Err(Skipped::Nested)
    }

    fn deeper(&mut self) -> Result<(), Skipped> {
        self.nested += 1;
        if self.nested > MAX_NESTED {
            return Err(Skipped::Nested);
        }
        Ok(())
    }

    /// What is left of the innermost header's data, as far as captured.
    pub(super) fn rest(&self) -> &[u8] {
        self.data.get(self.at..self.captured).unwrap_or(&[])
    }

    pub(super) fn skip(&mut self, len: usize) -> Result<(), Skipped> {
        if len > self.rest().len() {
            return Err(Skipped::Broken);
        }
        self.at += len;
        Ok(())
    }

    pub(super) fn u8_at(&self, at: usize) -> Result<u8, Skipped> {
        self.rest().get(at).copied().ok_or(Skipped::Broken)
    }

    pub(super) fn u16_at(&self, at: usize) -> Result<u16, Skipped> {
        Ok(u16::from_be_bytes([self.u8_at(at)?, self.u8_at(at + 1)?]))
    }

    pub(super) fn u24_at(&self, at: usize) -> Result<u32, Skipped> {
        Ok(u32::from_be_bytes([
            0,
            self.u8_at(at)?,
            self.u8_at(at + 1)?,
            self.u8_at(at + 2)?,
        ]))
    }

    fn link(&mut self, link: LinkType) -> Result<Next, Skipped> {
        Ok(match link {
            LinkType::ETHERNET => Next::Ethernet,
            // Version 1 has the protocol at 14 of 16 bytes; the field before is the sender's address.
            LinkType::LINUX_SLL => {
                let kind = self.u16_at(14)?;
                self.skip(16)?;
                Next::Type(kind)
            }
            // Version 2 has the protocol first and 20 bytes of header.
            LinkType::LINUX_SLL2 => {
                let kind = self.u16_at(0)?;
                self.skip(20)?;
                Next::Type(kind)
            }
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
                Next::Ip
            }
            // The address family differs between systems; the version nibble does not.
            LinkType::NULL | LinkType::LOOP => {
                self.skip(4)?;
                Next::Ip
            }
            LinkType::PPP | LinkType::PPP_HDLC => Next::Ppp,
            LinkType::PPPOE => Next::Type(ETHERTYPE_PPPOE_SESSION),
            // Cisco HDLC: address, control, then a type as on Ethernet.
            LinkType::C_HDLC => {
                let kind = self.u16_at(2)?;
                self.skip(4)?;
                Next::Type(kind)
            }
            LinkType::NFLOG => self.nflog()?,
            _ => return Err(Skipped::UnknownLink),
        })
    }

    /// Netfilter log: values with a length and a type in the host's byte order; the one of type 9 is the packet.
    fn nflog(&mut self) -> Result<Next, Skipped> {
        const PAYLOAD: u16 = 9;
        self.skip(4)?;
        for _ in 0..64 {
            let length = u16::from_le_bytes([self.u8_at(0)?, self.u8_at(1)?]);
            let kind = u16::from_le_bytes([self.u8_at(2)?, self.u8_at(3)?]) & 0x7fff;
            if kind == PAYLOAD {
                self.skip(4)?;
                return Ok(Next::Ip);
            }
            self.skip(usize::from(length).max(4).next_multiple_of(4))?;
        }
        Err(Skipped::Broken)
    }

    /// What an Ethernet type announces.
    fn typed(&mut self, kind: u16) -> Result<Next, Skipped> {
        Ok(match kind {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Next::Ip,
            _ if ETHERTYPE_VLAN.contains(&kind) => {
                self.wrapping.vlan = Some(self.u16_at(0)? & 0x0fff);
                self.tag(4, 2)?
            }
            _ if ETHERTYPE_MPLS.contains(&kind) => Next::Mpls,
            ETHERTYPE_PPPOE_SESSION => {
                // Version and type 1, code 0: session data (RFC 2516 section 4).
                if self.u16_at(0)? != 0x1100 {
                    return Err(Skipped::Other);
                }
                self.skip(6)?;
                Next::Ppp
            }
            ETHERTYPE_VNTAG => self.tag(6, 4)?,
            ETHERTYPE_PBB => {
                self.skip(4)?;
                Next::Ethernet
            }
            ETHERTYPE_FABRICPATH => {
                self.skip(2)?;
                Next::Ethernet
            }
            ETHERTYPE_MACSEC => {
                // Only where it is not encrypted (E and C bits), with or without the sender's identifier (SC bit).
                let flags = self.u8_at(0)?;
                if flags & 0x0c != 0 {
                    return Err(Skipped::Other);
                }
                let len = if flags & 0x20 == 0 { 6 } else { 14 };
                self.tag(len + 2, len)?
            }
            ETHERTYPE_CMD => {
                // Version, length, then options of two bytes each; the whole is a multiple of four with the next type.
                let words = usize::from(self.u8_at(1)?).max(1);
                self.tag(words * 4 + 4, words * 4 + 2)?
            }
            ETHERTYPE_TEB => Next::Ethernet,
            // A length: 802.2 with a SNAP header may carry a type (RFC 1042).
            0..=1500 if self.rest().get(..3) == Some(&[0xaa, 0xaa, 0x03]) => self.tag(8, 6)?,
            _ => return Err(Skipped::Other),
        })
    }

    /// Skips a tag of `len` bytes in which the next type stands at `kind_at`.
    fn tag(&mut self, len: usize, kind_at: usize) -> Result<Next, Skipped> {
        let kind = self.u16_at(kind_at)?;
        self.skip(len)?;
        Ok(Next::Type(kind))
    }

    /// PPP, with or without the address and control bytes of HDLC (RFC 1661 section 2, RFC 1662 section 3.1).
    fn ppp(&mut self) -> Result<Next, Skipped> {
        if self.rest().get(..2) == Some(&[0xff, 0x03]) {
            self.skip(2)?;
        }
        let first = self.u8_at(0)?;
        let protocol = if first & 1 == 1 {
            // Compressed to one byte.
            self.skip(1)?;
            u16::from(first)
        } else {
            let protocol = self.u16_at(0)?;
            self.skip(2)?;
            protocol
        };
        Ok(match protocol {
            0x0021 | 0x0057 => Next::Ip,
            0x0281 | 0x0283 => Next::Mpls,
            _ => return Err(Skipped::Other),
        })
    }

    /// Labels up to the bottom of the stack. What they carry is not told: the first nibble is that of IP, or zero where
    /// a control word stands in front of Ethernet (RFC 4385), or Ethernet begins at once.
    fn mpls(&mut self) -> Result<Next, Skipped> {
        for _ in 0..MAX_TAGS * 2 {
            let bottom = self.u8_at(2)? & 1 == 1;
            self.skip(4)?;
            if bottom {
                return Ok(match self.u8_at(0)? >> 4 {
                    4 | 6 => Next::Ip,
                    0 if !self.is_ethernet_at(0) && self.is_ethernet_at(4) => {
                        self.skip(4)?;
                        Next::Ethernet
                    }
                    _ => Next::Ethernet,
                });
            }
        }
        Err(Skipped::Nested)
    }

    /// Whether an Ethernet header that begins here names a type that is taken off.
    fn is_ethernet_at(&self, at: usize) -> bool {
        match self.u16_at(at + 12) {
            Ok(0..=1500) => self.rest().get(at + 14..at + 17) == Some(&[0xaa, 0xaa, 0x03]),
            Ok(
                ETHERTYPE_IPV4
                | ETHERTYPE_IPV6
                | ETHERTYPE_PPPOE_SESSION
                | ETHERTYPE_VNTAG
                | ETHERTYPE_PBB
                | ETHERTYPE_FABRICPATH
                | ETHERTYPE_MACSEC
                | ETHERTYPE_CMD,
            ) => true,
            Ok(kind) => ETHERTYPE_VLAN.contains(&kind) || ETHERTYPE_MPLS.contains(&kind),
            Err(_) => false,
        }
    }

    fn v4(&mut self) -> Result<Result<Next, Fragment>, Skipped> {
        let rest = self.rest();
        let header = Ipv4HeaderSlice::from_slice(rest).map_err(|_| Skipped::Broken)?;
        let header_len = header.slice().len();
        let told = if self.checks {
            checksum::of_header(header.slice())
        } else {
            Told::Right
        };
        let addresses = Addresses {
            src: IpAddr::V4(header.source_addr()),
            dst: IpAddr::V4(header.destination_addr()),
        };
        let protocol = header.protocol().0;
        let ip_id = header.identification();
        // A total length of zero is a segment that the card was left to split: as long as the frame says.
        let total = match usize::from(header.total_len()) {
            0 => self.whole_rest(),
            total => total,
        };
        let fragment = header.is_fragmenting_payload().then(|| {
            let offset = usize::from(header.fragments_offset().value()) * 8;
            (
                u32::from(header.identification()),
                offset,
                header.more_fragments(),
            )
        });
        self.wrapping.ip_id = ip_id;
        self.told = self.told.max(told);
        self.ends_at(self.at + total.max(header_len));
        self.at += header_len;
        Ok(self.carry(addresses, protocol, fragment))
    }

    fn v6(&mut self) -> Result<Result<Next, Fragment>, Skipped> {
        let rest = self.rest();
        let header = Ipv6HeaderSlice::from_slice(rest).map_err(|_| Skipped::Broken)?;
        let header_len = header.slice().len();
        let addresses = Addresses {
            src: IpAddr::V6(header.source_addr()),
            dst: IpAddr::V6(header.destination_addr()),
        };
        let total = match usize::from(header.payload_length()) {
            // A jumbogram (RFC 2675) or a segment left to the card to split.
            0 => self.whole_rest() - header_len,
            total => total,
        };
        let mut next = header.next_header().0;
        self.wrapping.ip_id = 0;
        self.at += header_len;
        self.ends_at(self.at + total);
        for _ in 0..MAX_EXTENSIONS {
            match next {
                // Hop-by-hop, routing and destination options; mobility, host identity, shim6 (RFC 7045).
                0 | 43 | 60 | 135 | 139 | 140 => {
                    let len = (usize::from(self.u8_at(1)?) + 1) * 8;
                    // Stations left to visit (RFC 8200 section 4.4).
                    self.routed |= next == 43 && self.u8_at(3)? > 0;
                    next = self.u8_at(0)?;
                    self.skip(len)?;
                }
                51 => {
                    let len = (usize::from(self.u8_at(1)?) + 2) * 4;
                    next = self.u8_at(0)?;
                    self.skip(len)?;
                }
                // A fragment (RFC 8200 section 4.5). An atomic one (RFC 6946) is whole.
                44 => {
                    let place = self.u16_at(2)?;
                    let id = u32::from(self.u16_at(4)?) << 16 | u32::from(self.u16_at(6)?);
                    next = self.u8_at(0)?;
                    self.skip(8)?;
                    if place & !0x6 != 0 {
                        let (offset, more) = (usize::from(place & !0x7), place & 1 == 1);
                        return Ok(self.carry(addresses, next, Some((id, offset, more))));
                    }
                }
                _ => break,
            }
        }
        Ok(self.carry(addresses, next, None))
    }

    /// Bytes from here to the end of the frame, the uncaptured ones too, or of the tunnel's data.
    fn whole_rest(&self) -> usize {
        let cut = if self.captured == self.data.len() {
            self.uncaptured
        } else {
            0
        };
        self.rest().len() + cut
    }

    fn ends_at(&mut self, end: usize) {
        self.end = end;
        self.captured = self.captured.min(end);
    }

    fn carry(
        &mut self,
        addresses: Addresses,
        protocol: u8,
        fragment: Option<(u32, usize, bool)>,
    ) -> Result<Next, Fragment> {
        let Some((id, offset, more)) = fragment else {
            return Ok(Next::Transport(addresses, protocol));
        };
        Err(Fragment {
            addresses,
            id,
            protocol,
            offset,
            more,
            data: self.at..self.captured.max(self.at),
            len: self.end.saturating_sub(self.at),
        })
    }
}
