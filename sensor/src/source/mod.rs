//! Where packets come from: capture files, standard input, or a network interface.
//!
//! Every source hands out frames that borrow its own buffer, so that nothing is copied before reassembly.

pub(crate) mod capture;
pub(crate) mod file;
pub(crate) mod hold;
pub(crate) mod live;
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
