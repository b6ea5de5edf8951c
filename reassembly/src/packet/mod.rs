//! Link layers and IP: a captured frame in, a TCP segment out.
//!
//! Knows headers, and how much of a payload was captured; leaves order, loss and meaning to [`crate::tcp`].

mod link;

mod segment;

pub(crate) use segment::{Segment, Skipped, decode};

use crate::time::Timestamp;

/// Link-layer header type of a capture, by its `LINKTYPE_` number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP, version from the first nibble.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
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
