//! Calls that were only taken on (202) and are answered on a stream of their session, as in 2024-11-05.
//!
//! What is answered is known by session and id of JSON-RPC. Of a call are kept its method, its name and the exchange that asked.

use std::collections::{BTreeMap, VecDeque};

use crate::id::Id;

/// Calls that wait at once, of all sessions; the oldest makes way.
const WAITING: usize = 16_384;

/// A call that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) exchange: Id,
    pub(super) method: String,
    pub(super) name: Option<String>,
}

/// By session, and hash of the id of JSON-RPC.
type Key = (Id, u64);

/// The calls that wait.
#[derive(Debug, Default)]
pub(super) struct Late {
    waiting: BTreeMap<Key, (u64, Asked)>,
    order: VecDeque<(Key, u64)>,
    number: u64,
    /// Given up for others.
    pub(super) evicted: u64,
}

impl Late {
    /// Waits for an answer to `asked`. Who uses an id twice is answered the last time.
    pub(super) fn ask(&mut self, session: Id, id: u64, asked: Asked) {
        self.number += 1;
        self.waiting.insert((session, id), (self.number, asked));
        self.order.push_back(((session, id), self.number));
        while self.order.len() > WAITING {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((key, number)) = self.order.pop_front() else {
            return;
        };
        // What was answered, or asked again, left its place in the order.
        if self.waiting.get(&key).is_some_and(|(own, _)| *own == number) {
            self.waiting.remove(&key);
            self.evicted += 1;
        }
    }

    /// The call that this answers.
    pub(super) fn answer(&mut self, session: Id, id: u64) -> Option<Asked> {
        self.waiting.remove(&(session, id)).map(|(_, asked)| asked)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(n: u64) -> Asked {
        Asked {
            exchange: Id::of(&[&n.to_le_bytes()]),
            method: "tools/call".into(),
            name: None,
        }
    }

    #[test]
    fn what_waits_is_bounded_and_answered_once() {
        let (mut late, a, b) = (Late::default(), Id::of(&[b"a"]), Id::of(&[b"b"]));
        late.ask(a, 1, asked(1));
        late.ask(b, 1, asked(2));
        late.ask(b, 1, asked(3));
        assert_eq!(late.answer(b, 1), Some(asked(3)));
        assert_eq!((late.answer(b, 1), late.answer(a, 2)), (None, None));
        for n in 0..WAITING as u64 {
            late.ask(b, n + 10, asked(n));
        }
        assert_eq!((late.waiting.len(), late.order.len()), (WAITING, WAITING));
        assert_eq!(late.evicted, 1, "the one of a; what was answered is none");
        assert_eq!(late.answer(a, 1), None);
        assert_eq!(late.answer(b, 10), Some(asked(0)));
    }
}
