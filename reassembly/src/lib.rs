//! Turns captured packets into HTTP exchanges.
//!
//! ```text
//! packet ─▶ flow ─▶ stream ─▶ http1 ─▶ exchange
//!  headers   found by  ordered bytes,  messages   request and
//!  decoded   addresses gaps marked     in order   response, paired
//! ```
//!
//! Each stage sees only the stage to its left. Nothing here reads a clock, opens a file or starts a
//! thread. Packets and their capture times go in through [`Reassembler::push`], events come out of
//! [`Reassembler::poll`], and the same capture gives the same events on every machine.

pub mod limits;
pub mod time;

pub mod packet;

mod tcp;
mod tls;

mod quic;
mod udp;

mod http1;

pub mod exchange;
pub mod flow;

mod reassembler;

pub mod build;

pub use exchange::{Ambiguities, Exchange, Flags, FlowRef, Head, Message, Protocol, Request, Response};
pub use flow::{App, Flow};
pub use limits::{Counters, Limits};
pub use packet::{LinkType, Packet, Tunnel, TunnelPorts};
pub use reassembler::{Event, Reassembler};
pub use time::Timestamp;
pub use tls::{Tls, Version as TlsVersion};
