//! Streams that are being answered: what their events told so far, until the exchange is over.
//!
//! Of a body no more is kept than its first bytes, and what a call cost is told at its end. So the events of a stream are
//! read as they come, and only counts and names are kept.

use std::collections::BTreeMap;

use reassembly::{Direction, PartKind, PartOf, Timestamp};

use super::answer::Answer;
use super::find;
use crate::id::Id;

/// Streams followed at once; the one quiet for longest makes way.
const STREAMS: usize = 4096;

/// What the first event of an answer has, of every dialect that streams in events.
const SIGNS: [&[u8]; 5] = [
    b"\"chat.completion.chunk\"",
    b"\"choices\"",
    b"\"message_start\"",
    b"\"response.created\"",
    b"\"candidates\"",
];

/// The streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<Id, (Timestamp, Answer)>,
    /// Given up for others.
    pub(crate) evicted: u64,
}

impl Streams {
    /// Takes an event of the exchange `id`.
    pub(crate) fn observe(&mut self, id: Id, of: &PartOf, key: &[u8; 32]) {
        let part = &of.part;
        let event = matches!(part.kind, PartKind::Event { .. }) && part.direction == Direction::ToClient;
        if !event || !of.settled {
            return;
        }
        if let Some((last, answer)) = self.open.get_mut(&id) {
            *last = (*last).max(part.last);
            answer.take(&part.body, key, None);
            return;
        }
        let begins =
            part.number == 0 && part.body.starts_with(b"{") && SIGNS.iter().any(|s| find(&part.body, s));
        if !begins {
            return;
        }
        if self.open.len() >= STREAMS
            && let Some(oldest) = self.open.iter().map(|(id, (last, _))| (*last, *id)).min()
        {
            self.open.remove(&oldest.1);
            self.evicted += 1;
        }
        let mut answer = Answer::default();
        answer.take(&part.body, key, None);
        self.open.insert(id, (part.last, answer));
    }

    /// What the stream of an exchange told.
    pub(crate) fn take(&mut self, id: Id) -> Option<Answer> {
        if self.open.is_empty() {
            return None;
        }
        self.open.remove(&id).map(|(_, answer)| answer)
    }
}
