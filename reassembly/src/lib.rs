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

pub mod flow;

pub mod exchange;

pub mod build;

pub use exchange::{
    Ambiguities, Exchange, Flags, FlowRef, Head, Message, Protocol, Request, Response,
};
pub use flow::{App, Flow};
pub use limits::{Counters, Limits};
pub use packet::{LinkType, Packet};
pub use time::Timestamp;

/// What a [`Reassembler`] gives out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An exchange is over.
    Exchange(Box<Exchange>),
    /// A flow is over; its exchanges have been given out before.
    Flow(Box<Flow>),
}

/// Packets in, exchanges and flows out.
#[derive(Debug, Default)]
pub struct Reassembler {
    counters: Counters,
}

impl Reassembler {
    /// An empty reassembler that holds no more than `limits`.
    #[must_use]
    pub fn new(_limits: Limits) -> Self {
        Self::default()
    }

    /// Takes one packet. Never fails: what cannot be read is counted.
    pub fn push(&mut self, _packet: &Packet<'_>) {}

    /// Tells that capture time has reached `now`: closes idle flows, gives up on bytes that are overdue.
    /// [`Self::push`] does this too; calling it early or often is harmless.
    pub fn advance(&mut self, _now: Timestamp) {}

    /// Ends every flow as if the capture were over.
    pub fn finish(&mut self) {}

    /// The oldest event not yet taken. Drain it after each [`Self::push`].
    pub fn poll(&mut self) -> Option<Event> {
        None
    }

    /// What was seen and lost so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
