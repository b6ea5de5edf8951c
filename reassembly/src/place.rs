//! Where an event stands among those of all rooms of flows.
//!
//! Each step of capture time (a packet, a moment that is told) has a number. What a room gives out belongs to the step that caused it, and
//! what time alone settles in one step comes in the order in which it was due. So the events of all rooms have one order, whoever
//! worked on a room and when.

use crate::time::Timestamp;

/// What caused an event, in the order in which one step causes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// All flows end, because the capture does or its time begins anew.
    #[default]
    End,
    /// Those over UDP.
    EndUdp,
    /// Bytes are given up that were waited for.
    Overdue,
    /// A flow that is closed is no longer remembered.
    Closed,
    /// A flow was quiet for long.
    Quiet,
    /// One over UDP.
    QuietUdp,
    /// The packet.
    Packet,
}

/// A place in the order of events. Two of different rooms may be equal; then that of the room with the lower number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    pub(crate) step: u64,
    pub(crate) phase: Phase,
    /// Since when that was due in this phase.
    pub(crate) since: Timestamp,
}
