//! Rooms of flows that one thread works.

use std::sync::Arc;

use crate::limits::{Counters, Limits};
use crate::place::{Phase, Place};
use crate::room::{Event, Room};
use crate::time::Timestamp;
use crate::tls::{KeyLogRead, Secrets};

/// All rooms, or some of them, in the order of their numbers.
pub(crate) struct Rooms {
    rooms: Vec<Room>,
    secrets: Arc<Secrets>,
    /// In none is anything settled by time before then.
    due: Timestamp,
}

impl Rooms {
    /// So many of the rooms that hold no more than `limits` together.
    pub(crate) fn new(limits: &Limits, rooms: usize) -> Self {
        let all = limits.rooms_in_all();
        Self {
            rooms: (0..rooms).map(|_| Room::new(limits, all)).collect(),
            secrets: Arc::default(),
            due: Timestamp(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Takes a key log.
    pub(crate) fn add_secrets(&mut self, key_log: &[u8]) -> KeyLogRead {
        let Self { rooms, secrets, .. } = self;
        // While they change nobody else holds them.
        rooms.iter_mut().for_each(|room| room.set_secrets(Arc::default()));
        let read = Arc::get_mut(secrets).map(|secrets| secrets.read(key_log));
        rooms
            .iter_mut()
            .for_each(|room| room.set_secrets(Arc::clone(secrets)));
        read.unwrap_or_default()
    }

    /// Works in one of them at `now`.
    #[inline]
    pub(crate) fn work(&mut self, room: usize, now: Timestamp, work: impl FnOnce(&mut Room)) -> &mut Room {
        let room = &mut self.rooms[room];
        work(room.at(now));
        self.due = self.due.min(room.due());
        room
    }

    pub(crate) fn room(&mut self, room: usize) -> &mut Room {
        &mut self.rooms[room]
    }

    /// In none is anything settled by time before then.
    #[inline]
    pub(crate) fn due(&self) -> Timestamp {
        self.due
    }

    /// Does what time alone settles, now that it has gone on. Hands on what comes of it in its order, with the number of the room.
    pub(crate) fn settle(&mut self, now: Timestamp, step: u64, mut each: impl FnMut(Place, usize, Event)) {
        for room in &mut self.rooms {
            if now >= room.due() {
                room.settle(now, step);
            }
        }
        self.due = self.rooms.iter().map(Room::due).min().unwrap_or_default();
        while let Some((_, number)) = self.first()
            && let Some((place, event)) = self.rooms[number].poll()
        {
            each(place, number, event);
        }
    }

    /// The first event that was marked, and its room.
    fn first(&self) -> Option<(Place, usize)> {
        let rooms = self.rooms.iter().enumerate();
        let firsts = rooms.filter_map(|(number, room)| Some((room.first()?, number)));
        firsts.min()
    }

    /// Ends the flow that is the next to end when all do. Tells its place among those, and the number of the room, which holds
    /// what came of it; nothing when none was left.
    pub(crate) fn end_next(&mut self, now: Timestamp) -> Option<((Phase, Timestamp), usize, &mut Room)> {
        let rooms = self.rooms.iter().enumerate();
        let next = rooms.filter_map(|(number, room)| Some((room.next_to_end()?, number)));
        let Some((place, number)) = next.min() else {
            self.rooms.iter_mut().for_each(Room::ended);
            self.due = Timestamp(0);
            return None;
        };
        let room = &mut self.rooms[number];
        room.at(now).end_next();
        Some((place, number, room))
    }

    /// What was seen and lost so far.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        self.rooms.iter().for_each(|room| counters.add(&room.counters()));
        counters
    }

    /// About the bytes of memory that flows take with all they hold.
    pub(crate) fn weight(&self) -> usize {
        self.rooms.iter().map(Room::weight).sum()
    }

    /// Flows being followed.
    pub(crate) fn open_flows(&self) -> usize {
        self.rooms.iter().map(Room::open_flows).sum()
    }
}
