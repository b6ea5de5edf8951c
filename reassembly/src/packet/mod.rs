//! Link layers and IP: a captured frame in, a TCP segment out.

use crate::time::Timestamp;

/// Link-layer header type of a capture, by its `LINKTYPE_` number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP, version from the first nibble.
    pub const RAW: Self = Self(101);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
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
