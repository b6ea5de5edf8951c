//! Link layers, tunnels and IP: a captured frame in, a TCP segment or a UDP datagram out.
//!
//! ```text
//! frame ─▶ layers ─▶ tunnel ─▶ fragments ─▶ segment ─▶ key ─▶ duplicates
//!          one header  what IP   datagrams    TCP        the    copies
//!          to the next carries   made whole   header     flow   marked
//! ```
//!
//! Knows headers, and how much of a payload was captured; leaves order, loss and meaning to `tcp` and `udp`.

mod checksum;
mod duplicates;
mod fragments;
mod key;
mod layers;
mod segment;
mod tunnel;

pub use checksum::Checksums;
pub(crate) use duplicates::Duplicates;
pub(crate) use key::FlowKey;
pub(crate) use layers::Skipped;
pub(crate) use segment::{Datagram, Decoded, Memory, Segment, TcpFlags, decode, decode_plain};
pub use tunnel::Ports as TunnelPorts;

use crate::time::Timestamp;

/// Link-layer header type of a capture, by its `LINKTYPE_` number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP.
    pub const PPP: Self = Self(9);
    /// Raw IP, as some BSD systems number it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPP over Ethernet, from its own header on.
    pub const PPPOE: Self = Self(51);
    /// Raw IP, version from the first nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// What a packet was wrapped in, told by its innermost wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wrapping {
    pub(crate) vlan: Option<u16>,
    /// Virtual network: of VXLAN, GENEVE or NVGRE.
    pub(crate) vni: Option<u32>,
    pub(crate) tunnel: Option<Tunnel>,
    /// Identification of the innermost IPv4 header; zero in IPv6.
    pub(crate) ip_id: u16,
}

/// A tunnel that packets came through, by its innermost header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tunnel {
    /// IP in IP, either version in either.
    Ip,
    /// GRE and NVGRE.
    Gre,
    /// ERSPAN of any type.
    Erspan,
    /// VXLAN and VXLAN-GPE.
    Vxlan,
    /// GENEVE.
    Geneve,
    /// GTP-U.
    Gtp,
    /// Teredo.
    Teredo,
    /// Ethernet in IP.
    EtherIp,
    /// MPLS in IP or UDP.
    Mpls,
    /// TZSP.
    Tzsp,
}

impl Tunnel {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gtp => "gtp",
            Self::Teredo => "teredo",
            Self::EtherIp => "etherip",
            Self::Mpls => "mpls",
            Self::Tzsp => "tzsp",
        }
    }
}

/// One captured frame.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Capture time.
    pub ts: Timestamp,
    /// What `data` begins with.
    pub link: LinkType,
    /// The bytes captured.
    pub data: &'a [u8],
    /// Bytes the frame had on the wire; more than `data.len()` when the capture cut it off.
    pub wire_len: u32,
    /// Number of the frame in its file, from 1; zero for a live capture.
    pub frame: u64,
}
