//! What comes before the rooms of flows: packets in, segments and datagrams out, and the course of capture time.

use std::time::Duration;

use crate::limits::{Counters, Limits};
use crate::packet::{self, Decoded, Memory, Packet, Segment, Skipped};
use crate::time::Timestamp;

/// Capture time that steps back by more than this has begun anew: another capture follows, or the clock was
/// set. Cards and queues differ by far less.
const STEP_BACK: Duration = Duration::from_secs(30);

/// Where capture time goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Not beyond where it was.
    Stands,
    On,
    /// It begins anew: nothing can be timed against what came before.
    Anew,
}

/// Decodes packets, and keeps what that remembers from one to the next.
pub(crate) struct Front {
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    /// Capture time so far.
    pub(crate) now: Timestamp,
    /// Fragments and recent packets.
    memory: Memory,
    /// Room for a datagram that came in fragments.
    datagram: Vec<u8>,
}

impl Front {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            counters: Counters::default(),
            now: Timestamp(0),
            memory: Memory::default(),
            datagram: Vec::new(),
        }
    }

    /// Where time goes with a moment `now`, which holds from here on unless time stands.
    #[inline]
    pub(crate) fn advance(&mut self, now: Timestamp) -> Course {
        if now > self.now {
            self.now = now;
            Course::On
        } else if self.is_anew(now) {
            self.now = now;
            Course::Anew
        } else {
            Course::Stands
        }
    }

    /// Whether time begins anew with a moment.
    pub(crate) fn is_anew(&self, now: Timestamp) -> bool {
        self.now.since(now) > STEP_BACK
    }

    /// Takes a packet, and reads its headers where it is of the commonest form; [`Self::decode`] reads any other.
    #[inline(always)]
    pub(crate) fn plain<'a>(&mut self, packet: &Packet<'a>) -> Option<Segment<'a>> {
        self.counters.packets += 1;
        self.counters.packet_bytes += packet.data.len() as u64;
        self.counters.truncated += u64::from(packet.data.len() < packet.wire_len as usize);
        packet::decode_plain(packet, &mut self.memory, &self.limits, self.counters.packets)
    }

    /// Reads the headers of a packet of any form, which [`Self::plain`] took before. What cannot be read is counted.
    pub(crate) fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Option<Decoded<'a>> {
        let Self {
            memory,
            datagram,
            limits,
            counters,
            ..
        } = self;
        match packet::decode(packet, memory, datagram, limits, counters) {
            Ok(decoded) => Some(decoded),
            Err(why) => {
                let counter = match why {
                    Skipped::Other => &mut counters.other_protocol,
                    Skipped::Broken => &mut counters.undecodable,
                    Skipped::UnknownLink => &mut counters.unknown_link,
                    Skipped::Nested => &mut counters.nested,
                    // Counted where it was found.
                    Skipped::Fragment | Skipped::Checksum => return None,
                };
                *counter += 1;
                None
            }
        }
    }
}
