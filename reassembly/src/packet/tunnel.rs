//! Tunnels: what an IP packet carries when that is another packet.
//!
//! Knows the headers of tunnels and the ports they are found on; leaves what lies inside to [`super::layers`].

use super::Tunnel;
use super::layers::{
    Addresses, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_MPLS, ETHERTYPE_TEB, Next, Skipped, Walk,
};

/// UDP ports that tunnels are expected on, beside the fixed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// VXLAN (RFC 7348). 4789 is the assigned one, 8472 what Linux used before.
    pub vxlan: Vec<u16>,
    /// GENEVE (RFC 8926).
    pub geneve: Vec<u16>,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            vxlan: vec![4789, 8472],
            geneve: vec![6081],
        }
    }
}

/// VXLAN with the protocol of the inner packet (draft-ietf-nvo3-vxlan-gpe).
const VXLAN_GPE: u16 = 4790;
/// GTP-U (3GPP TS 29.281).
const GTP_U: u16 = 2152;
/// Teredo (RFC 4380).
const TEREDO: u16 = 3544;
/// GRE in UDP (RFC 8086).
const GRE_IN_UDP: u16 = 4754;
/// MPLS in UDP (RFC 7510).
const MPLS_IN_UDP: u16 = 6635;
/// `TaZmen` sniffer protocol, of access points and routers that mirror.
const TZSP: u16 = 37_008;

const IPV4: u8 = 4;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const AH: u8 = 51;
const ETHERIP: u8 = 97;
const MPLS_IN_IP: u8 = 137;

impl Walk<'_> {
    /// What an IP packet carries that is not TCP.
    pub(super) fn transport(&mut self, addresses: Addresses, protocol: u8) -> Result<Next, Skipped> {
        match protocol {
            IPV4 | IPV6 => {
                self.wrapping.tunnel = Some(Tunnel::Ip);
                Ok(Next::Ip)
            }
            GRE => self.gre(),
            UDP => self.udp(),
            AH => {
                // Length in units of four bytes, less two (RFC 4302 section 2.2).
                let (next, len) = (self.u8_at(0)?, (usize::from(self.u8_at(1)?) + 2) * 4);
                self.skip(len)?;
                Ok(Next::Transport(addresses, next))
            }
            // Extension headers within a datagram that came in fragments.
            0 | 43 | 60 | 135 | 139 | 140 if addresses.src.is_ipv6() => {
                let (next, len) = (self.u8_at(0)?, (usize::from(self.u8_at(1)?) + 1) * 8);
                self.skip(len)?;
                Ok(Next::Transport(addresses, next))
            }
            ETHERIP => {
                // Version 3, then a frame (RFC 3378).
                if self.u16_at(0)? != 0x3000 {
                    return Err(Skipped::Other);
                }
                self.skip(2)?;
                self.wrapping.tunnel = Some(Tunnel::EtherIp);
                Ok(Next::Ethernet)
            }
            MPLS_IN_IP => {
                self.wrapping.tunnel = Some(Tunnel::Mpls);
                Ok(Next::Mpls)
            }
            _ => Err(Skipped::Other),
        }
    }

    /// GRE (RFC 2784, RFC 2890; version 1: RFC 2637) and what mirrors and clouds put into it: ERSPAN, NVGRE.
    fn gre(&mut self) -> Result<Next, Skipped> {
        const CHECKSUM: u16 = 0x8000;
        const ROUTING: u16 = 0x4000;
        const KEY: u16 = 0x2000;
        const SEQUENCE: u16 = 0x1000;
        const ACKNOWLEDGMENT: u16 = 0x0080;
        let (flags, kind) = (self.u16_at(0)?, self.u16_at(2)?);
        let version = flags & 7;
        if version > 1 || flags & ROUTING != 0 {
            return Err(Skipped::Other);
        }
        self.skip(4)?;
        if flags & CHECKSUM != 0 {
            self.skip(4)?;
        }
        let mut key = None;
        if flags & KEY != 0 {
            key = Some(self.u24_at(0)?);
            self.skip(4)?;
        }
        if flags & SEQUENCE != 0 {
            self.skip(4)?;
        }
        if version == 1 && flags & ACKNOWLEDGMENT != 0 {
            self.skip(4)?;
        }
        self.wrapping.tunnel = Some(Tunnel::Gre);
        Ok(match kind {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Next::Ip,
            ETHERTYPE_TEB => {
                // NVGRE has the virtual subnet in the upper bits of the key (RFC 7637 section 3.2).
                self.wrapping.vni = key.or(self.wrapping.vni);
                Next::Ethernet
            }
            // ERSPAN: type I has no sequence number and no header of its own, type II both.
            0x88be => {
                self.wrapping.tunnel = Some(Tunnel::Erspan);
                if flags & SEQUENCE != 0 && self.u8_at(0)? >> 4 == 1 {
                    self.skip(8)?;
                }
                Next::Ethernet
            }
            // Type III: the last bit of its header tells of eight bytes more.
            0x22eb => {
                self.wrapping.tunnel = Some(Tunnel::Erspan);
                let more = self.u8_at(11)? & 1 == 1;
                let frame_type = (self.u16_at(10)? >> 11) & 0x1f;
                self.skip(if more { 20 } else { 12 })?;
                // Frame type 2 is an IP packet without Ethernet.
                if frame_type == 2 { Next::Ip } else { Next::Ethernet }
            }
            0x880b => Next::Ppp,
            _ if ETHERTYPE_MPLS.contains(&kind) => Next::Mpls,
            _ => Next::Type(kind),
        })
    }

    /// Whether UDP comes from or goes to where a tunnel is expected.
    pub(super) fn is_tunnel(&self) -> Result<bool, Skipped> {
        let (from, to) = (self.u16_at(0)?, self.u16_at(2)?);
        let port = |p: u16| from == p || to == p;
        let ports = self.ports;
        let known = ports.vxlan.contains(&to)
            || ports.geneve.contains(&to)
            || [VXLAN_GPE, GTP_U, TEREDO, GRE_IN_UDP, MPLS_IN_UDP, TZSP]
                .into_iter()
                .any(port);
        Ok(known || self.is_teredo_data())
    }

    /// A tunnel on one of those ports.
    fn udp(&mut self) -> Result<Next, Skipped> {
        let (from, to) = (self.u16_at(0)?, self.u16_at(2)?);
        let port = |p: u16| from == p || to == p;
        let ports = self.ports;
        self.skip(8)?;
        match () {
            () if ports.vxlan.contains(&to) => self.vxlan(),
            () if ports.geneve.contains(&to) => self.geneve(),
            () if to == VXLAN_GPE => self.vxlan_gpe(),
            () if port(GTP_U) => self.gtp_u(),
            () if port(TEREDO) => self.teredo(),
            () if to == GRE_IN_UDP => self.gre(),
            () if to == MPLS_IN_UDP => {
                self.wrapping.tunnel = Some(Tunnel::Mpls);
                Ok(Next::Mpls)
            }
            () if to == TZSP => self.tzsp(),
            () => self.teredo(),
        }
    }

    /// Teredo hosts talk to each other and to relays on ports of their choice. What they send is an IPv6 packet that fills
    /// the datagram, from or to an address with Teredo's prefix (RFC 4380 section 2.6).
    fn is_teredo_data(&self) -> bool {
        const PREFIX: [u8; 4] = [0x20, 0x01, 0, 0];
        let Some(inner) = self.rest().get(8..48) else {
            return false;
        };
        let len = usize::from(u16::from_be_bytes([inner[4], inner[5]]));
        inner[0] >> 4 == 6
            && self.end - self.at == 48 + len
            && (inner[8..12] == PREFIX || inner[24..28] == PREFIX)
    }

    fn vxlan(&mut self) -> Result<Next, Skipped> {
        // The I flag says that the network identifier is there; other bits are of extensions (group policy).
        if self.u8_at(0)? & 0x08 == 0 {
            return Err(Skipped::Other);
        }
        self.wrapping.vni = Some(self.u24_at(4)?);
        self.wrapping.tunnel = Some(Tunnel::Vxlan);
        self.skip(8)?;
        Ok(Next::Ethernet)
    }

    fn vxlan_gpe(&mut self) -> Result<Next, Skipped> {
        let (flags, protocol) = (self.u8_at(0)?, self.u8_at(3)?);
        if flags & 0x08 != 0 {
            self.wrapping.vni = Some(self.u24_at(4)?);
        }
        self.wrapping.tunnel = Some(Tunnel::Vxlan);
        self.skip(8)?;
        // Without the P flag it is plain VXLAN.
        let mut protocol = if flags & 0x04 == 0 { 3 } else { protocol };
        if protocol == 4 {
            // A network service header (RFC 8300): its length in words, and what comes next.
            let len = usize::from(self.u16_at(0)? & 0x3f) * 4;
            protocol = self.u8_at(3)?;
            self.skip(len.max(8))?;
        }
        match protocol {
            1 | 2 => Ok(Next::Ip),
            3 => Ok(Next::Ethernet),
            5 => Ok(Next::Mpls),
            _ => Err(Skipped::Other),
        }
    }

    fn geneve(&mut self) -> Result<Next, Skipped> {
        let first = self.u8_at(0)?;
        if first >> 6 != 0 {
            return Err(Skipped::Other);
        }
        let kind = self.u16_at(2)?;
        self.wrapping.vni = Some(self.u24_at(4)?);
        self.wrapping.tunnel = Some(Tunnel::Geneve);
        self.skip(8 + usize::from(first & 0x3f) * 4)?;
        Ok(Next::Type(kind))
    }

    fn gtp_u(&mut self) -> Result<Next, Skipped> {
        const USER_DATA: u8 = 255;
        let flags = self.u8_at(0)?;
        // Version 1, GTP and not GTP'.
        if flags >> 4 != 3 || self.u8_at(1)? != USER_DATA {
            return Err(Skipped::Other);
        }
        self.skip(8)?;
        if flags & 0x07 != 0 {
            let mut next = self.u8_at(3)?;
            self.skip(4)?;
            for _ in 0..16 {
                // Extension headers are only there when their flag is.
                if next == 0 || flags & 0x04 == 0 {
                    break;
                }
                let len = usize::from(self.u8_at(0)?) * 4;
                if len == 0 {
                    return Err(Skipped::Broken);
                }
                next = self.u8_at(len - 1)?;
                self.skip(len)?;
            }
        }
        self.wrapping.tunnel = Some(Tunnel::Gtp);
        Ok(Next::Ip)
    }

    fn teredo(&mut self) -> Result<Next, Skipped> {
        if self.u16_at(0)? == 0x0001 {
            // Authentication: identifier, value, nonce of eight bytes and a confirmation byte.
            let len = 4 + usize::from(self.u8_at(2)?) + usize::from(self.u8_at(3)?) + 9;
            self.skip(len)?;
        }
        if self.u16_at(0)? == 0x0000 {
            // Origin: port and address.
            self.skip(8)?;
        }
        if self.u8_at(0)? >> 4 != 6 {
            return Err(Skipped::Other);
        }
        self.wrapping.tunnel = Some(Tunnel::Teredo);
        Ok(Next::Ip)
    }

    fn tzsp(&mut self) -> Result<Next, Skipped> {
        // Version 1, a received packet, of Ethernet.
        if self.u8_at(0)? != 1 || self.u16_at(2)? != 1 {
            return Err(Skipped::Other);
        }
        self.skip(4)?;
        self.wrapping.tunnel = Some(Tunnel::Tzsp);
        for _ in 0..32 {
            match self.u8_at(0)? {
                // Padding.
                0 => self.skip(1)?,
                1 => {
                    self.skip(1)?;
                    return Ok(Next::Ethernet);
                }
                _ => {
                    let len = 2 + usize::from(self.u8_at(1)?);
                    self.skip(len)?;
                }
            }
        }
        Err(Skipped::Broken)
    }
}
