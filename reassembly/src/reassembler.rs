//! The stages tied together in one thread: packets in, events out.

use std::collections::VecDeque;

use crate::front::{Course, Front};
use crate::limits::{Counters, Limits};
use crate::packet::{Decoded, Packet};
use crate::room::{Captured, Event};
use crate::rooms::Rooms;
use crate::time::Timestamp;
use crate::tls::KeyLogRead;

/// Packets in, exchanges and flows out.
pub struct Reassembler {
    front: Front,
    rooms: Rooms,
    /// How often time settled something.
    step: u64,
    events: VecDeque<Event>,
}

impl std::fmt::Debug for Reassembler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reassembler")
            .field("flows", &self.open_flows())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Reassembler {
    /// An empty reassembler that holds no more than `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            rooms: Rooms::new(&limits, limits.rooms_in_all()),
            front: Front::new(limits),
            step: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes the secrets of TLS connections from a key log in the format of NSS (`SSLKEYLOGFILE`). They count for what is
    /// pushed from here on, beside those taken before.
    pub fn add_secrets(&mut self, key_log: &[u8]) -> KeyLogRead {
        self.rooms.add_secrets(key_log)
    }

    /// Takes one packet. Never fails: what cannot be read is counted.
    pub fn push(&mut self, packet: &Packet<'_>) {
        self.advance(packet.ts);
        if let Some(segment) = self.front.plain(packet) {
            let room = segment.key.room(self.rooms.len());
            let room = self.rooms.work(room, self.front.now, |room| {
                room.tcp(&segment, Captured::of(packet))
            });
            if !room.events().is_empty() {
                self.events.append(room.events());
            }
        } else {
            self.take(packet);
        }
    }

    /// A packet of any form.
    fn take(&mut self, packet: &Packet<'_>) {
        let captured = Captured::of(packet);
        let (now, rooms) = (self.front.now, self.rooms.len());
        let room = match self.front.decode(packet) {
            Some(Decoded::Tcp(segment)) => {
                let room = segment.key.room(rooms);
                self.rooms.work(room, now, |room| room.tcp(&segment, captured))
            }
            Some(Decoded::Udp(datagram)) => {
                let room = datagram.key.room(rooms);
                self.rooms.work(room, now, |room| room.udp(&datagram, captured))
            }
            None => return,
        };
        self.events.append(room.events());
    }

    /// Tells that capture time has reached `now`: closes idle flows, gives up on bytes that are overdue.
    /// [`Self::push`] does this too; calling it early or often is harmless.
    #[inline]
    pub fn advance(&mut self, now: Timestamp) {
        let before = self.front.now;
        match self.front.advance(now) {
            Course::On if now >= self.rooms.due() => self.settle(now),
            Course::On | Course::Stands => {}
            Course::Anew => while self.end_next(before) {},
        }
    }

    /// Does what time alone settles.
    fn settle(&mut self, now: Timestamp) {
        self.step += 1;
        let events = &mut self.events;
        self.rooms
            .settle(now, self.step, |_, _, event| events.push_back(event));
    }

    /// Ends every flow as if the capture were over.
    pub fn finish(&mut self) {
        while self.finish_next() {}
    }

    /// Ends one flow as if the capture were over, the one quiet for longest; false when there was none left. What it gives
    /// out can be taken before the next one ends.
    pub fn finish_next(&mut self) -> bool {
        self.end_next(self.front.now)
    }

    fn end_next(&mut self, now: Timestamp) -> bool {
        let ended = self.rooms.end_next(now);
        ended
            .map(|(_, _, room)| self.events.append(room.events()))
            .is_some()
    }

    /// The oldest event not yet taken. Drain it after each [`Self::push`].
    #[inline]
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What was seen and lost so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.front.counters;
        counters.add(&self.rooms.counters());
        counters
    }

    /// About the bytes of memory that flows take with all they hold.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.rooms.weight()
    }

    /// Flows being followed.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        self.rooms.open_flows()
    }
}
