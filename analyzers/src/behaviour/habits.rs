//! What is usual for a principal, and for those that are like it: callers of the same host and sort, whose ways stand in for what
//! a principal has not shown yet.

use std::collections::BTreeMap;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::bfla_access;
use super::business_flow_abuse::{Flows, Lately};
use super::customs::Customs;
use super::days::Days;
use super::doing::Unit;
use super::hours::Hours;
use super::intent_violation;
use super::new_data_class_for_principal::{Alike, Classes};
use super::owners::{Owners, Read};
use super::peers::Peers;
use super::sequence::Sequence;
use super::sketch::Sketch;
use super::usual::{Usual, make_room};
use crate::id::Id;
use crate::store::Row;

/// Endpoints of which something is kept; those learned from least make way.
const PLACES: usize = 64;

/// Values from which on a principal's own are enough to judge by.
const OWN: u32 = 8;

/// Values from which on those of its group are.
const GROUP: u32 = 20;

/// Ways of one, or of a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Habits {
    /// Of a unit of work, by endpoint: objects asked for that nothing had shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) guesses: BTreeMap<Id, Usual>,
    /// Of a unit of work: objects changed that it had not met before.
    #[serde(default)]
    pub(crate) changes: Usual,
    /// Bytes of one answer, by endpoint, and of any endpoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) answers: BTreeMap<Id, Usual>,
    #[serde(default)]
    pub(crate) answer: Usual,
    #[serde(default)]
    pub(crate) hours: Hours,
    /// In which order operations are called, and by how much a call surprises.
    #[serde(default, skip_serializing_if = "Sequence::is_empty")]
    pub(crate) sequence: Sequence,
    #[serde(default)]
    pub(crate) surprise: Usual,
    /// By template: reads of objects that were shown to it alone, or to another one alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) reads: BTreeMap<Id, Read>,
    /// Of a unit of work that calls models: how often, and the tokens it takes.
    #[serde(default)]
    pub(crate) turns: Usual,
    #[serde(default)]
    pub(crate) tokens: Usual,
    /// What it costs, where prices say so.
    #[serde(default)]
    pub(crate) costs: Usual,
    /// Of a unit of work: how often the same change succeeded.
    #[serde(default)]
    pub(crate) repeats: Usual,
    /// Amounts sent, by endpoint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) amounts: BTreeMap<Id, Usual>,
    /// Which steps of flows it took lately.
    #[serde(default, skip_serializing_if = "Lately::is_empty")]
    pub(crate) steps: Lately,
    /// Functions of other roles that were told of.
    #[serde(default)]
    pub(crate) other_roles: bfla_access::Told,
    /// Which data classes it was given.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub(crate) classes: Classes,
    /// What each day was like.
    #[serde(default, skip_serializing_if = "Days::is_empty")]
    pub(crate) days: Days,
    /// The days on which slow growth was told last: of bytes, and of what baselines learn.
    #[serde(default)]
    pub(crate) told: (u32, u32),
    /// The last day with a task that was reported, and on how many that was so.
    #[serde(default)]
    reported: (u32, u8),
}

/// Days on which tasks are reported and not learned; who goes on after that has changed. Of later days one task each is learned.
const CHANGE: u8 = 3;

/// Days without a reported task after which the next one is the first again.
const FORGOTTEN: u32 = 14;

/// Puts a value where it belongs, while there is room.
pub(crate) fn learn(all: &mut BTreeMap<Id, Usual>, id: Id, value: f64) {
    place_for(all, id, Usual::learned).learn(value);
}

/// The place of an endpoint or template in a table; in a full one those that weigh least make way, when it has none yet.
pub(super) fn place_for<V: Default>(all: &mut BTreeMap<Id, V>, id: Id, weight: impl Fn(&V) -> u32) -> &mut V {
    if all.len() >= PLACES && !all.contains_key(&id) {
        make_room(all, PLACES, weight);
    }
    all.entry(id).or_default()
}

impl Habits {
    /// Learns what a unit of work was like.
    pub(crate) fn take(&mut self, unit: &Unit) {
        for (template, guesses) in &unit.guesses {
            learn(&mut self.guesses, *template, guesses.objects.len() as f64);
        }
        self.changes.learn(unit.changed.len() as f64);
        self.sequence.learn(&unit.order);
        self.take_repeats(unit);
        if unit.spent.models > 0 {
            self.turns.learn(f64::from(unit.spent.models));
            self.tokens.learn(unit.spent.tokens as f64);
            if let Some(cost) = unit.spent.cost {
                self.costs.learn(cost);
            }
        }
        for (endpoint, size) in &unit.held {
            learn(&mut self.answers, *endpoint, *size);
            self.answer.learn(*size);
        }
    }

    /// Learns how often a task made the same change.
    fn take_repeats(&mut self, unit: &Unit) {
        if let Some(most) = unit.spent.repeats() {
            self.repeats.learn(f64::from(most));
        }
    }

    /// Learns a task of which something was reported, when that has gone on for days.
    pub(crate) fn take_reported(&mut self, unit: &Unit) {
        // A loop that comes in each task is how it works, or nobody minds.
        self.take_repeats(unit);
        let day = (unit.first.seconds() / 86_400) as u32;
        let (last, days) = self.reported;
        if day <= last {
            return;
        }
        let days = if day - last > FORGOTTEN {
            1
        } else {
            days.saturating_add(1)
        };
        self.reported = (day, days);
        if days > CHANGE {
            self.take(unit);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.answer.learned() == 0
            && self.changes.learned() == 0
            && self.hours == Hours::default()
            && self.days.is_empty()
            && self.classes.is_empty()
            && self.steps.is_empty()
            && self.reads.is_empty()
    }
}

/// What tells how much is usual: a principal's own values, or those of its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// From here on it is beyond the usual.
    pub(crate) beyond: f64,
    pub(crate) mean: f64,
    pub(crate) most: f64,
    pub(crate) learned: u32,
    /// Whether that rests on others.
    pub(crate) peers: bool,
}

impl Measure {
    /// The same, when no more than this is usual.
    pub(crate) fn at_most(self, most: f64) -> Self {
        Self {
            beyond: self.beyond.min(most),
            ..self
        }
    }

    fn of(usual: &Usual, beyond: f64, peers: bool) -> Self {
        Self {
            beyond,
            mean: usual.mean(),
            most: usual.most(),
            learned: usual.learned(),
            peers,
        }
    }
}

/// A principal's own values when there are enough, its group's else.
fn chosen<'a>(own: Option<&'a Usual>, group: Option<&'a Usual>) -> Option<(&'a Usual, bool)> {
    let own = own.filter(|usual| usual.learned() >= OWN).map(|own| (own, false));
    own.or_else(|| Some((group.filter(|usual| usual.learned() >= GROUP)?, true)))
}

/// How many are usual. `times` is how often the most that was seen is not yet much.
pub(crate) fn count_of(own: Option<&Usual>, group: Option<&Usual>, times: f64) -> Option<Measure> {
    let (usual, peers) = chosen(own, group)?;
    Some(Measure::of(usual, usual.beyond(times), peers))
}

/// How large is usual: by a few own values when there is nothing better.
pub(crate) fn size_of(own: Option<&Usual>, group: Option<&Usual>, times: f64) -> Option<Measure> {
    let few = own.filter(|usual| usual.learned() > 0).map(|own| (own, false));
    let (usual, peers) = chosen(own, group).or(few)?;
    Some(Measure::of(usual, usual.larger(times), peers))
}

/// The callers of one host that are of one sort.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) habits: Habits,
    /// What they send where.
    #[serde(default)]
    pub(crate) sends: intent_violation::Habit,
    /// Of all callers of a host: destinations that any request or answer held.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub(crate) mentioned: Sketch,
    /// Of all callers of a host: to whom which object was shown.
    #[serde(default, skip_serializing_if = "Owners::is_empty")]
    pub(crate) owners: Owners,
    /// Of all callers of a host: what is the custom at each endpoint.
    #[serde(default, skip_serializing_if = "Customs::is_empty")]
    pub(crate) customs: Customs,
    /// Which of them were given which data classes.
    #[serde(default, skip_serializing_if = "Alike::is_empty")]
    pub(crate) given: Alike,
    /// Of all callers of a host: which steps come before which.
    #[serde(default, skip_serializing_if = "Flows::is_empty")]
    pub(crate) flows: Flows,
    /// Each of them by itself.
    #[serde(default, skip_serializing_if = "Peers::is_empty")]
    pub(crate) peers: Peers,
    #[serde(with = "crate::store::nanos")]
    pub(crate) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
}

impl Row for Group {
    fn worth(&self) -> (bool, Timestamp) {
        (self.habits.answer.learned() >= GROUP, self.last)
    }
}

impl Group {
    pub(crate) fn new(ts: Timestamp) -> Self {
        Self {
            habits: Habits::default(),
            sends: intent_violation::Habit::default(),
            mentioned: Sketch::default(),
            owners: Owners::default(),
            customs: Customs::default(),
            given: Alike::default(),
            flows: Flows::default(),
            peers: Peers::default(),
            first: ts,
            last: ts,
        }
    }

    /// Counts a call of one of them.
    pub(crate) fn count(&mut self, who: Id, ts: Timestamp, strange: bool) {
        self.last = self.last.max(ts);
        if !strange {
            self.habits.hours.count_of(who, ts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_makes_room_for_what_is_new_alone() {
        let id = |n: usize| Id::of(&[&n.to_le_bytes()]);
        let mut all: BTreeMap<Id, u32> = BTreeMap::new();
        for n in 0..PLACES {
            *place_for(&mut all, id(n), |count| *count) = n as u32;
        }
        for _ in 0..10 {
            *place_for(&mut all, id(PLACES - 1), |count| *count) += 1;
        }
        assert_eq!(all.len(), PLACES);
        place_for(&mut all, id(PLACES), |count| *count);
        assert_eq!(all.len(), PLACES - PLACES / 4 + 1);
        assert!(all.contains_key(&id(PLACES - 1)) && !all.contains_key(&id(0)));
    }
}
