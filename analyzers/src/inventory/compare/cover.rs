//! When a host was watched, and which declared operations were called on it.
//!
//! Time is covered in slots of ten minutes: a slot counts when the host was seen to answer in it. What was lost on the way is
//! taken off: where a fifth of the exchanges lack bytes or an answer, a fifth of the time was not covered.

use std::collections::BTreeMap;
use std::sync::Arc;

use reassembly::{Exchange, Flags, Timestamp};
use serde::{Deserialize, Serialize};

use super::Check;
use crate::id::Id;
use crate::inventory::declared::Declared;
use crate::inventory::host::Scope;
use crate::spec::{Operation, Spec};
use crate::store::Row;

/// Seconds of a slot.
const SLOT: u64 = 600;

/// Slots of a day, in words of 64 bits.
const WORDS: usize = 3;

/// Days remembered.
const DAYS: usize = 400;

/// Declared operations told apart on one host.
const OPERATIONS: usize = 50_000;

/// Operations of a document that names no host, after which it is taken to be meant.
const MEANT: u32 = 3;

/// A host as it was watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cover {
    pub(crate) host: String,
    environment: Option<Box<str>>,
    /// Slots by days since 1970.
    days: BTreeMap<u32, [u64; WORDS]>,
    pub(crate) exchanges: u64,
    /// Exchanges of which bytes, a direction or the answer are missing.
    pub(crate) lost: u64,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    /// Declared operations that were called, by [`operation`], with how often they did what was asked.
    called: BTreeMap<u64, u64>,
    /// Of those, how many belong to a document that names no host, by its name.
    unnamed: BTreeMap<String, u32>,
    /// Versions that its paths name, a bit for each.
    #[serde(default, skip_serializing_if = "is_zero")]
    versions: u64,
    /// The days of `days`, for those who look at them elsewhere.
    #[serde(skip)]
    watched: Arc<Vec<u32>>,
}

fn is_zero(bits: &u64) -> bool {
    *bits == 0
}

impl Row for Cover {
    fn worth(&self) -> (bool, Timestamp) {
        (!self.called.is_empty(), self.last)
    }
}

/// A declared operation, whatever else changes in its document.
pub(crate) fn operation(spec: &Spec, operation: &Operation) -> u64 {
    let template = operation.path.hierarchy();
    let id = Id::of(&[
        b"operation",
        super::short_name(spec).as_bytes(),
        operation.method.as_bytes(),
        template.as_bytes(),
    ]);
    id.short()
}

impl Cover {
    pub(crate) fn new(scope: Scope<'_>) -> Self {
        Self {
            host: scope.host.to_owned(),
            environment: scope.environment.map(Box::from),
            days: BTreeMap::new(),
            exchanges: 0,
            lost: 0,
            last: Timestamp(0),
            called: BTreeMap::new(),
            unnamed: BTreeMap::new(),
            versions: 0,
            watched: Arc::default(),
        }
    }

    /// Notes that paths of the host name a version. Those above it, lowest first, when there are any.
    pub(crate) fn versions_above(&mut self, version: u32) -> Option<Vec<u32>> {
        let bit = 1_u64.checked_shl(version)?;
        self.versions |= bit;
        let above = self.versions & !(bit | (bit - 1));
        (above != 0).then(|| (version + 1..64).filter(|next| above >> next & 1 == 1).collect())
    }

    /// The key of its row: that of what the inventory keeps of the host.
    pub(crate) fn id(&self) -> Id {
        let scope = Scope {
            host: &self.host,
            environment: self.environment.as_deref(),
        };
        scope.id()
    }

    /// Counts an exchange. True when it is the first of its slot, or of its operation.
    pub(crate) fn observe(&mut self, exchange: &Exchange, check: Option<&Check<'_>>) -> bool {
        let ts = exchange.ts();
        self.exchanges += 1;
        self.last = self.last.max(ts);
        let mut harmed = Flags::GAP;
        for flag in [Flags::TRUNCATED, Flags::ONE_SIDED, Flags::NO_RESPONSE] {
            harmed.insert(flag);
        }
        self.lost += u64::from(exchange.flags.intersects(harmed));
        if exchange.response.is_none() {
            return false;
        }
        let mut fresh = self.add_slot(ts);
        if let Some(check) = check
            && let Some(found) = &check.found
        {
            let key = operation(found.spec, found.operation);
            let known = self.called.contains_key(&key);
            if known || self.called.len() < OPERATIONS {
                let done = self.called.entry(key).or_default();
                *done += u64::from(check.done);
                if !check.named && check.done && *done == 1 {
                    *self.unnamed.entry(found.spec.name.clone()).or_default() += 1;
                }
                fresh |= !known;
            }
        }
        fresh
    }

    fn add_slot(&mut self, ts: Timestamp) -> bool {
        let seconds = ts.seconds();
        let slot = (seconds % 86_400 / SLOT) as usize;
        let words = self.days.entry((seconds / 86_400) as u32).or_default();
        let bit = 1u64 << (slot % 64);
        let fresh = words[slot / 64] & bit == 0;
        words[slot / 64] |= bit;
        if self.days.len() > DAYS {
            self.days.pop_first();
        }
        fresh
    }

    /// Covered time in seconds, without what was lost.
    pub(crate) fn covered(&self) -> u64 {
        let slots: u64 = self
            .days
            .values()
            .flatten()
            .map(|word| u64::from(word.count_ones()))
            .sum();
        let whole = 1.0 - self.lost as f64 / (self.exchanges.max(1)) as f64;
        (slots as f64 * SLOT as f64 * whole) as u64
    }

    /// Days on which it was watched, between two times and without their own days.
    pub(crate) fn days_between(&self, from: Timestamp, to: Timestamp) -> u64 {
        let (from, to) = ((from.seconds() / 86_400) as u32, (to.seconds() / 86_400) as u32);
        if to <= from + 1 {
            return 0;
        }
        self.days.range(from + 1..to).count() as u64
    }

    /// Days since 1970 on which it was watched, in order.
    pub(crate) fn watched(&mut self) -> &Arc<Vec<u32>> {
        let ends = (self.days.keys().next(), self.days.keys().next_back());
        let known =
            self.watched.len() == self.days.len() && ends == (self.watched.first(), self.watched.last());
        if !known {
            self.watched = Arc::new(self.days.keys().copied().collect());
        }
        &self.watched
    }

    /// Days on which it was watched.
    pub(crate) fn days(&self) -> u64 {
        self.days.len() as u64
    }

    /// Whether a declared operation was called, whatever was answered.
    pub(crate) fn was_called(&self, key: u64) -> bool {
        self.called.contains_key(&key)
    }

    /// Whether a document that names no host is meant here: some of its operations were called, or all that it has.
    pub(crate) fn is_meant(&self, declared: &Declared) -> bool {
        !self.unnamed.is_empty() && declared.specs.specs().iter().any(|spec| self.means(spec))
    }

    /// Whether a document that names no host is meant here.
    pub(crate) fn means(&self, spec: &Spec) -> bool {
        let called = self.unnamed.get(&spec.name).copied().unwrap_or(0);
        called > 0 && (called >= MEANT || called as usize >= spec.operations.len())
    }
}
