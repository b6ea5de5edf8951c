//! Tokens checked once, within a budget of packet time: whoever sends many forged tokens must not keep the sensor busy.

use std::sync::Arc;
use std::time::Duration;

use reassembly::{Exchange, Timestamp};

use super::{Keys, Signed, Verdict};
use crate::id::{HashTable, Id};
use crate::inventory::rpc;

/// Verdicts remembered per generation. A forgotten one is worked out again.
const REMEMBERED: usize = 16_384;

/// Work that may be done in a second of packet time, and no more than ten seconds of it at once. A signature takes about a fifth of a
/// millisecond, so that tokens and proofs together take no more than a seventh of a core for long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Signatures a second.
    rate: u32,
    /// Billionths of a signature that are left.
    left: i64,
    last: Timestamp,
}

/// Seconds of work that a budget saves up.
const SAVED: i64 = 10;

const BILLION: i64 = 1_000_000_000;

/// Packets of one capture are no further out of order.
const BACK: Duration = Duration::from_secs(60);

impl Budget {
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate,
            left: i64::from(rate) * SAVED * BILLION,
            last: Timestamp(0),
        }
    }

    /// Whether there is time for some work.
    pub(crate) fn allows(&mut self, now: Timestamp) -> bool {
        if now > self.last {
            let passed = i64::try_from(now.since(self.last).as_nanos()).unwrap_or(i64::MAX);
            let most = i64::from(self.rate) * SAVED * BILLION;
            let gained = passed.min(SAVED * BILLION) * i64::from(self.rate);
            self.left = self.left.saturating_add(gained).min(most);
            self.last = now;
        } else if self.last.since(now) > BACK {
            // Another capture, of a time before.
            self.last = now;
        }
        self.left > 0
    }

    /// Takes off what was done.
    pub(crate) fn spend(&mut self, work: u32) {
        self.left -= i64::from(work) * BILLION;
    }
}

/// When a token was shown, and what came of it: what decides how much may be spent on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) ts: Timestamp,
    pub(crate) status: Option<u16>,
}

impl Moment {
    pub(crate) fn of(exchange: &Exchange) -> Self {
        Self {
            ts: exchange.ts(),
            status: rpc::status(exchange),
        }
    }

    /// The server did what was asked.
    fn accepted(self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// The server did not let it in.
    pub(crate) fn refused(self) -> bool {
        matches!(self.status, Some(401 | 403))
    }
}

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Checker {
    keys: Arc<Keys>,
    recent: HashTable<Id, Verdict>,
    older: HashTable<Id, Verdict>,
    /// For what servers let in, which matters most.
    accepted: Budget,
    /// For everything else, so that many tokens that are refused do not use up the time for one that is not.
    others: Budget,
    unchecked: u64,
}

impl Checker {
    pub(crate) fn new(keys: Arc<Keys>) -> Self {
        Self {
            keys,
            recent: HashTable::default(),
            older: HashTable::default(),
            accepted: Budget::new(400),
            others: Budget::new(100),
            unchecked: 0,
        }
    }

    /// Counts tokens that one before this one did not check.
    pub(crate) fn add_unchecked(&mut self, tokens: u64) {
        self.unchecked = self.unchecked.saturating_add(tokens);
    }

    /// Tokens that were shown and not checked, for there was no time.
    pub(crate) fn unchecked(&self) -> u64 {
        self.unchecked
    }

    /// What is known of a token. `id` is its keyed hash.
    pub(crate) fn verdict(&mut self, id: Id, token: Signed<'_>, others: bool, moment: Moment) -> Verdict {
        if !self.keys.concern(token.issuer) {
            return Verdict::Unknown;
        }
        let id = match others {
            true => Id::of(&[b"beside", &id.to_bytes()]),
            false => id,
        };
        if let Some(known) = self.recent.get(&id) {
            return *known;
        }
        let verdict = match self.older.remove(&id) {
            Some(known) => known,
            None => {
                let budget = match moment.accepted() {
                    true => &mut self.accepted,
                    false => &mut self.others,
                };
                if !budget.allows(moment.ts) {
                    self.unchecked += 1;
                    return match self.keys.knows(token.issuer) {
                        true => Verdict::Unchecked,
                        false => Verdict::Unknown,
                    };
                }
                let mut work = 0;
                let verdict = self.keys.judge(token, others, &mut work);
                budget.spend(work);
                verdict
            }
        };
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(id, verdict);
        verdict
    }

    /// How many verdicts are remembered, in both generations.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.recent.len(), self.older.len())
    }
}
