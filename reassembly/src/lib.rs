//! Turns captured packets into HTTP exchanges.
//!
//! ```text
//! packet ─▶ flow ─▶ stream ─▶ http ─▶ exchange
//!  headers   found by  ordered bytes,  messages   request and
//!  decoded   addresses gaps marked     in order   response, paired
//!                                        │
//!                                        └──▶ websocket, grpc, sse ─▶ part
//!                                              messages and events, as they come
//! ```
//!
//! Each stage sees only the stage to its left. Flows lie in rooms, by their addresses, which share nothing: [`shards`] works them apart and
//! gives the same. Nothing here reads a clock, opens a file or starts a thread. Packets and their capture times go in through [`Reassembler::push`], events come out of
//! [`Reassembler::poll`], and the same capture gives the same events on every machine.

pub mod limits;
pub mod time;

pub mod packet;

mod tcp;
mod tls;

mod quic;
mod udp;

mod proxy;

mod http1;
mod http2;

mod grpc;
mod sse;
mod websocket;

pub mod exchange;
pub mod flow;
pub mod part;

mod front;
mod place;
mod room;
mod rooms;

mod reassembler;
pub mod shards;

pub mod build;

pub use exchange::{Ambiguities, Exchange, Flags, FlowRef, Head, Message, Protocol, Request, Response};
pub use flow::{App, Conflict, Flow};
pub use limits::{Counters, Limits};
pub use packet::{Checksums, LinkType, Packet, Tunnel, TunnelPorts};
pub use part::{Direction, Part, PartKind, PartOf};
pub use reassembler::Reassembler;
pub use room::Event;
pub use time::Timestamp;
pub use tls::{KeyLogError, KeyLogRead, Tls, Version as TlsVersion};
