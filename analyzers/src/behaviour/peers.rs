//! The callers of one sort on one host, each by itself: what a caller is held against that has always been as it is. An attacker that was
//! there while everything was learned is usual by its own past, and not by its like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::days::{Days, Sums};
use crate::id::Id;

/// Callers of one group that are told apart; whoever was seen least lately makes way.
const MEMBERS: usize = 48;

/// Days and tasks from which on it is known what a caller is like.
const DAYS: u32 = 3;
const TASKS: f32 = 12.0;

/// Others that must be known before one is held against them.
const OTHERS: usize = 4;

/// Robust deviations from the middle of the others beyond which one is not like them.
const FAR: f64 = 6.0;

/// Times the middle of the others, at least.
const TIMES: f64 = 3.0;

/// A feature in which callers are held against each other. All are shares or means, so that who does more of the same is like
/// the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Objects of a task that nothing had shown.
    Guesses,
    /// Share of calls that are refused or miss.
    Refused,
    /// Objects changed in a task that it had not met.
    Changes,
    /// Share of answers with sensitive data.
    Sensitive,
    /// Bytes of an answer.
    Bytes,
    /// Calls of a task.
    Calls,
}

impl Feature {
    pub(crate) const ALL: [Self; 6] = [
        Self::Guesses,
        Self::Refused,
        Self::Changes,
        Self::Sensitive,
        Self::Bytes,
        Self::Calls,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Guesses => "objects_not_shown_a_task",
            Self::Refused => "share_refused",
            Self::Changes => "objects_changed_unseen_a_task",
            Self::Sensitive => "share_sensitive",
            Self::Bytes => "bytes_an_answer",
            Self::Calls => "calls_a_task",
        }
    }

    /// Whether much of it is wrong by itself, rather than much of the same.
    fn is_telling(self) -> bool {
        matches!(
            self,
            Self::Guesses | Self::Refused | Self::Changes | Self::Sensitive
        )
    }

    fn of(self, sums: &Sums) -> f64 {
        let (tasks, calls) = (sums.tasks.max(1.0), sums.calls.max(1.0));
        f64::from(match self {
            Self::Guesses => sums.guesses / tasks,
            Self::Refused => sums.refused / calls,
            Self::Changes => sums.changes / tasks,
            Self::Sensitive => sums.sensitive / calls,
            Self::Bytes => sums.bytes / calls,
            Self::Calls => calls / tasks,
        })
    }

    /// What is added before the logarithm is taken: below it there is no difference worth a word.
    fn floor(self) -> f64 {
        match self {
            Self::Guesses | Self::Changes => 2.0,
            Self::Refused | Self::Sensitive => 0.05,
            Self::Bytes => 1024.0,
            Self::Calls => 4.0,
        }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, f32, [f32; 6])", into = "(u32, u32, f32, [f32; 6])")]
struct Member {
    /// The last day that it was looked at.
    day: u32,
    /// Tasks that its group learned from it.
    taught: u32,
    /// Tasks of the days that the values are of; zero while it is not known what it is like.
    tasks: f32,
    values: [f32; 6],
}

impl From<(u32, u32, f32, [f32; 6])> for Member {
    fn from((day, taught, tasks, values): (u32, u32, f32, [f32; 6])) -> Self {
        Self {
            day,
            taught,
            tasks,
            values,
        }
    }
}

impl From<Member> for (u32, u32, f32, [f32; 6]) {
    fn from(member: Member) -> Self {
        (member.day, member.taught, member.tasks, member.values)
    }
}

/// A feature in which one is far from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Apart {
    pub(crate) feature: Feature,
    pub(crate) own: f64,
    /// The middle of the others, and the most of any.
    pub(crate) middle: f64,
    pub(crate) most: f64,
    pub(crate) deviations: f64,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Peers(BTreeMap<Id, Member>);

impl Peers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn member(&mut self, who: Id) -> &mut Member {
        if !self.0.contains_key(&who) && self.0.len() >= MEMBERS {
            let idle = self
                .0
                .iter()
                .min_by_key(|(id, m)| (m.day, **id))
                .map(|(id, _)| *id);
            idle.and_then(|id| self.0.remove(&id));
        }
        self.0.entry(who).or_default()
    }

    /// Whether the group may learn one more task of a caller: no more than half of what a group knows is of one, so that nobody
    /// decides alone what is usual. The first few of each are learned in any case.
    pub(crate) fn may_teach(&mut self, who: Id) -> bool {
        const FIRST: u32 = 8;
        let others: u32 = self
            .0
            .iter()
            .filter(|(id, _)| **id != who)
            .map(|(_, m)| m.taught)
            .sum();
        let alone = self.0.keys().all(|id| *id == who);
        let member = self.member(who);
        let may = alone || member.taught < FIRST.max(others);
        member.taught += u32::from(may);
        may
    }

    /// What the caller in the middle is like, when enough are known.
    pub(crate) fn middle(&self, feature: Feature) -> Option<f64> {
        let at = Feature::ALL.iter().position(|d| *d == feature)?;
        let known = self.0.values().filter(|m| m.tasks > 0.0);
        let mut values: Vec<f64> = known.map(|m| f64::from(m.values[at])).collect();
        (values.len() >= OTHERS).then(|| median(&mut values))
    }

    /// Takes what a caller was like in its last days. Gives in what it is far from the others, when it and enough of them are
    /// known: two features at least, one of which tells something by itself.
    pub(crate) fn compare(&mut self, who: Id, day: u32, days: &Days) -> Option<(Vec<Apart>, usize)> {
        let (sums, count) = days.lately();
        let member = self.member(who);
        member.day = day;
        if count < DAYS || sums.tasks < TASKS {
            return None;
        }
        member.tasks = sums.tasks;
        member.values = Feature::ALL.map(|feature| feature.of(&sums) as f32);
        let own = member.values;
        let known = self.0.iter().filter(|(id, m)| **id != who && m.tasks > 0.0);
        let others: Vec<[f32; 6]> = known.map(|(_, m)| m.values).collect();
        if others.len() < OTHERS {
            return None;
        }
        let apart: Vec<Apart> = Feature::ALL
            .into_iter()
            .enumerate()
            .filter_map(|(at, feature)| {
                let values = others.iter().map(|values| f64::from(values[at])).collect();
                apart(feature, f64::from(own[at]), values)
            })
            .collect();
        let telling = apart.iter().any(|apart| apart.feature.is_telling());
        (apart.len() >= 2 && telling).then_some((apart, others.len()))
    }
}

/// Whether a value is far above all others.
fn apart(feature: Feature, own: f64, mut others: Vec<f64>) -> Option<Apart> {
    let log = |value: f64| (value + feature.floor()).ln();
    let middle = median(&mut others);
    let most = others.iter().copied().fold(0.0, f64::max);
    let mut off: Vec<f64> = others.iter().map(|v| (log(*v) - log(middle)).abs()).collect();
    // Others that are all the same still differ by a tenth.
    let spread = (1.4826 * median(&mut off)).max(0.1);
    let deviations = (log(own) - log(middle)) / spread;
    let far =
        deviations >= FAR && own + feature.floor() >= TIMES * (middle + feature.floor()) && own > 1.5 * most;
    far.then_some(Apart {
        feature,
        own,
        middle,
        most,
        deviations,
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reassembly::Timestamp;

    fn days(guesses: f32, refused: f32) -> Days {
        let mut days = Days::default();
        for day in 0..8u64 {
            let call = Sums {
                calls: 40.0,
                tasks: 10.0,
                guesses: guesses * 10.0,
                refused,
                bytes: 40_000.0,
                ..Sums::default()
            };
            days.add(Timestamp((20_000 + day) * 86_400 * 1_000_000_000), &call);
        }
        days
    }

    fn id(n: u8) -> Id {
        Id::of(&[&[n]])
    }

    #[test]
    fn who_guesses_and_is_refused_far_more_than_its_like_is_apart_from_its_first_days() {
        let mut peers = Peers::default();
        for n in 0..5 {
            let like = days(1.0 + f32::from(n) / 4.0, 1.0);
            assert_eq!(peers.compare(id(n), 20_008, &like), None);
        }
        let (apart, others) = peers.compare(id(9), 20_008, &days(30.0, 16.0)).unwrap();
        let names: Vec<_> = apart.iter().map(|a| a.feature.name()).collect();
        assert_eq!(
            (names, others),
            (vec!["objects_not_shown_a_task", "share_refused"], 5)
        );
        // One feature alone is somebody with another job.
        assert_eq!(peers.compare(id(8), 20_008, &days(40.0, 1.0)), None);
    }

    #[test]
    fn nobody_teaches_a_group_more_than_half() {
        let mut peers = Peers::default();
        assert!((0..30).all(|_| peers.may_teach(id(1))), "it is alone");
        (0..10).for_each(|_| assert!(peers.may_teach(id(2))));
        assert!(!peers.may_teach(id(1)));
        (10..30).for_each(|n| assert!(peers.may_teach(id(2)), "{n}"));
        assert!(!peers.may_teach(id(2)));
    }
}
