//! Where packets come from: capture files, standard input, or a network interface.
//!
//! Every source hands out frames that borrow its own buffer, so that nothing is copied before reassembly.

pub(crate) mod capture;
pub(crate) mod file;
pub(crate) mod hold;
pub(crate) mod live;
mod merge;
mod pcap_file;
mod pcapng;
mod stream;
mod window;

use reassembly::Packet;

/// What a source has to tell next.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A frame.
    Packet(Packet<'a>),
    /// Nothing arrived for a while; only a live source says so.
    Idle,
    /// There is no more.
    End,
}

/// Frames the kernel or the interface dropped before anybody could read them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Frames that passed the filter.
    pub(crate) received: u64,
    /// Dropped because the kernel's buffer was full.
    pub(crate) kernel: u64,
    /// Dropped by the interface or its driver.
    pub(crate) interface: u64,
}

/// The same of a capture, and of each of its interfaces where it has several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Of all together.
    pub(crate) all: Drops,
    /// Of each, in the order in which they were named; empty when there is one.
    pub(crate) each: Vec<PortLosses>,
}

/// What became of frames on one of several interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortLosses {
    /// Name of the interface.
    pub(crate) name: String,
    /// Its drops.
    pub(crate) drops: Drops,
    /// Frames can come.
    pub(crate) up: bool,
}

/// Why nothing comes from an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Name of the interface.
    pub(crate) name: String,
    /// It can no longer be read, also when it comes back.
    pub(crate) gone: bool,
}
