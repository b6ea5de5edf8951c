//! What a caller with a policy did so far: part of its row.
//!
//! Rules are known by a hash of their id, so that a policy may change while its callers go on.

use std::collections::BTreeMap;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::OBJECTS;
use crate::finding::trace::Trace;
use crate::id::Id;

/// Tasks of one caller that are followed; for another one that is quiet for longest makes way.
const UNITS: usize = 8;

/// Time without a call after which a task is over.
const OVER: Duration = Duration::from_secs(30 * 60);

/// Permits of one task, and budgets, that are remembered: as many as a policy may have.
const RULES: usize = 512;
const BUDGETS: usize = 128;

/// Rules with what was done against them, and how many different things of each.
const BROKEN: usize = 16;
const ACTIONS: usize = 8;

/// Calls of a task kept for a finding to come.
const TRAIL: usize = 4;

/// What was spent of a budget in one window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    window: u64,
    pub(super) calls: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) bytes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) tokens: u64,
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(super) cost: f64,
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(super) amount: f64,
    /// Parts of hashes of distinct objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) objects: Vec<u32>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_nothing(number: &f64) -> bool {
    *number == 0.0
}

impl Spent {
    /// Takes an object, one more than any budget allows at most.
    pub(super) fn meet(&mut self, object: u64) {
        let object = (object >> 7) as u32;
        if self.objects.len() <= OBJECTS as usize
            && let Err(place) = self.objects.binary_search(&object)
        {
            self.objects.insert(place, object);
        }
    }
}

/// One task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unit {
    id: Id,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// How often each permit was used with success.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    done: BTreeMap<u32, u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spent: BTreeMap<u32, Spent>,
    /// Its last calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) trail: Vec<Trace>,
}

impl Unit {
    pub(super) fn times(&self, permit: u32) -> u32 {
        self.done.get(&permit).copied().unwrap_or(0)
    }

    pub(super) fn mark(&mut self, permit: u32) {
        if self.done.len() < RULES || self.done.contains_key(&permit) {
            let times = self.done.entry(permit).or_default();
            *times = times.saturating_add(1);
        }
    }

    pub(super) fn note(&mut self, trace: Trace) {
        if self.trail.len() >= TRAIL {
            self.trail.remove(0);
        }
        self.trail.push(trace);
    }
}

/// What a caller with a policy did so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The agent of the policy by which it was judged last.
    pub(crate) agent: String,
    /// Calls that were judged, and those of them that were outside.
    pub(crate) calls: u64,
    pub(crate) outside: u64,
    units: Vec<Unit>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spent: BTreeMap<u32, Spent>,
    /// By rule, what was done against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    broken: Vec<(u32, Vec<String>)>,
}

impl Standing {
    /// The task that a call belongs to, as the last one. Those that are over go.
    pub(super) fn turn(&mut self, id: Id, ts: Timestamp) -> &mut Unit {
        self.units
            .retain(|unit| unit.id == id || ts.since(unit.last) <= OVER);
        let known = self.units.iter().position(|unit| unit.id == id);
        let mut unit = match known {
            Some(at) => self.units.remove(at),
            None => {
                if self.units.len() >= UNITS {
                    self.units.remove(0);
                }
                Unit {
                    id,
                    last: ts,
                    done: BTreeMap::new(),
                    spent: BTreeMap::new(),
                    trail: Vec::new(),
                }
            }
        };
        unit.last = unit.last.max(ts);
        self.units.push(unit);
        let last = self.units.len() - 1;
        &mut self.units[last]
    }

    /// The task turned to last.
    pub(super) fn unit(&mut self) -> Option<&mut Unit> {
        self.units.last_mut()
    }

    /// The same, to look at.
    pub(super) fn current(&self) -> Option<&Unit> {
        self.units.last()
    }

    /// What was spent of a budget: in the window, or in the task turned to last when there is none.
    pub(super) fn spent(&mut self, budget: u32, window: Option<u64>) -> Option<&mut Spent> {
        let all = match window {
            Some(_) => &mut self.spent,
            None => &mut self.units.last_mut()?.spent,
        };
        if all.len() >= BUDGETS && !all.contains_key(&budget) {
            // Of a rule that is no more.
            all.pop_first();
        }
        let spent = all.entry(budget).or_default();
        let window = window.unwrap_or(0);
        if spent.window != window {
            *spent = Spent {
                window,
                ..Spent::default()
            };
        }
        Some(spent)
    }

    /// Remembers what was done against a rule; gives all of it that is remembered.
    pub(super) fn against(&mut self, rule: u32, action: &str) -> &[String] {
        let at = match self.broken.iter().position(|(known, _)| *known == rule) {
            Some(at) => at,
            None => {
                if self.broken.len() >= BROKEN {
                    self.broken.remove(0);
                }
                self.broken.push((rule, Vec::new()));
                self.broken.len() - 1
            }
        };
        let actions = &mut self.broken[at].1;
        if actions.len() < ACTIONS && !actions.iter().any(|known| known == action) {
            actions.push(action.to_owned());
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_ceilings() {
        let mut standing = Standing::default();
        for n in 0..2000_u32 {
            let ts = Timestamp(1_000_000_000_000_000_000 + u64::from(n));
            let unit = standing.turn(Id::of(&[&n.to_le_bytes()]), ts);
            unit.mark(n);
            for rule in 0..2000 {
                unit.mark(rule);
            }
            standing.spent(n, Some(7)).unwrap().meet(9);
            standing.spent(n, None).unwrap().calls += 1;
            standing.against(n, "GET a.example/x");
            for action in 0..40 {
                standing.against(7, &action.to_string());
            }
        }
        assert_eq!(standing.units.len(), UNITS);
        assert!(standing.units.iter().all(|u| u.done.len() <= RULES));
        assert!(standing.spent.len() <= BUDGETS && standing.broken.len() <= BROKEN);
        assert!(
            standing
                .broken
                .iter()
                .all(|(_, actions)| actions.len() <= ACTIONS)
        );
        let mut spent = Spent::default();
        for n in 0..20_000_u64 {
            spent.meet(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        assert_eq!(spent.objects.len(), OBJECTS as usize + 1);
    }

    #[test]
    fn another_window_begins_anew_and_a_task_is_forgotten() {
        let mut standing = Standing::default();
        let (task, start) = (Id::of(&[b"t"]), 1_000_000_000_000_000_000);
        standing.turn(task, Timestamp(start)).mark(1);
        standing.spent(3, Some(1)).unwrap().calls = 5;
        assert_eq!(standing.spent(3, Some(1)).unwrap().calls, 5);
        assert_eq!(standing.spent(3, Some(2)).unwrap().calls, 0);
        assert_eq!(standing.turn(task, Timestamp(start + 1)).times(1), 1);
        let later = Timestamp(start).plus(OVER * 2);
        standing.turn(Id::of(&[b"u"]), later);
        assert_eq!(standing.turn(task, later).times(1), 0);
    }
}
