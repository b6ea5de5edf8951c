//! In which order operations are called: a Markov model of order two, with Witten and Bell's estimate of the chance of what was never
//! seen behind a context, mixed from the lower orders.
//!
//! Source: Witten and Bell, IEEE Transactions on Information Theory 37(4), 1991; Cleary and Witten 1984 for the mixture.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::usual::make_room;

/// What may follow a context that is told apart; the rest is the chance of something new.
const NEXT: usize = 32;

/// Contexts of one model; the rarest make way.
const CONTEXTS: usize = 384;

/// The beginning of a task.
pub(super) const BEGIN: u32 = 0;

/// What followed a context, and how often.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Followed(Vec<(u32, u32)>);

impl Followed {
    fn calls(&self) -> u32 {
        self.0.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    fn count(&mut self, next: u32) {
        match self.0.iter_mut().find(|(known, _)| *known == next) {
            Some((_, n)) => *n = n.saturating_add(1),
            None => {
                if self.0.len() >= NEXT {
                    let rarest = (0..self.0.len()).min_by_key(|at| self.0[*at].1).unwrap_or(0);
                    self.0.swap_remove(rarest);
                }
                self.0.reserve_exact(1);
                self.0.push((next, 1));
            }
        }
    }

    /// The chance of `next` behind this context, where `lower` is that without it.
    fn chance(&self, next: u32, lower: f64) -> f64 {
        let (calls, kinds) = (f64::from(self.calls()), self.0.len() as f64);
        if calls == 0.0 {
            return lower;
        }
        let seen = self.0.iter().find(|(known, _)| *known == next);
        let seen = seen.map_or(0.0, |(_, n)| f64::from(*n));
        (seen + kinds * lower) / (calls + kinds)
    }
}

/// The order of one caller's operations, or of those of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sequence {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contexts: BTreeMap<u64, Followed>,
    /// Calls learned.
    learned: u32,
}

/// The context of the operations before: none, one, or two.
fn contexts(before: [u32; 2]) -> [u64; 3] {
    let [older, latest] = before.map(u64::from);
    [0, 1 << 63 | latest, 1 << 62 | older << 31 ^ latest]
}

impl Sequence {
    pub(crate) fn learned(&self) -> u32 {
        self.learned
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.learned == 0
    }

    /// How surprising `next` is behind `before`, in bits.
    pub(super) fn surprise(&self, before: [u32; 2], next: u32) -> f64 {
        let [none, one, two] = contexts(before);
        let kinds = self.contexts.get(&none).map_or(0, |all| all.0.len());
        let mut chance = 1.0 / (kinds as f64 + 1.0);
        for context in [none, one, two] {
            if let Some(followed) = self.contexts.get(&context) {
                chance = followed.chance(next, chance);
            }
        }
        -chance.max(1e-9).log2()
    }

    /// Learns the operations of one task.
    pub(super) fn learn(&mut self, task: &[u32]) {
        let mut before = [BEGIN; 2];
        for next in task {
            for context in contexts(before) {
                if !self.contexts.contains_key(&context) {
                    make_room(&mut self.contexts, CONTEXTS, Followed::calls);
                }
                self.contexts.entry(context).or_default().count(*next);
            }
            self.learned = self.learned.saturating_add(1);
            before = [before[1], *next];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_always_is_no_surprise_and_what_never_did_is_one() {
        let mut model = Sequence::default();
        (0..50).for_each(|_| model.learn(&[1, 2, 3, 1, 2, 4]));
        assert!(model.surprise([1, 2], 3) < 1.5);
        assert!(model.surprise([BEGIN, BEGIN], 1) < 0.2);
        assert!(model.surprise([3, 1], 2) < 0.1);
        assert!(model.surprise([1, 2], 1) > 4.0);
        assert!(model.surprise([1, 2], 9) > 7.0);
        // The chances of all that may come, and of one that never came, are no more than one.
        let all: f64 = [1, 2, 3, 4, 9]
            .iter()
            .map(|n| (-model.surprise([1, 2], *n)).exp2())
            .sum();
        assert!(all <= 1.0 + 1e-9, "{all}");
    }

    #[test]
    fn a_model_stays_bounded() {
        let mut model = Sequence::default();
        let mut rng = 7_u32;
        for _ in 0..3000 {
            let task: Vec<u32> = (0..10)
                .map(|_| {
                    rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    1 + (rng >> 20) % 500
                })
                .collect();
            model.learn(&task);
        }
        assert!(model.contexts.len() <= CONTEXTS);
        assert!(model.contexts.values().all(|f| f.0.len() <= NEXT));
    }
}
