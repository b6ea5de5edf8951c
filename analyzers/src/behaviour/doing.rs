//! What a principal is at: for each unit of work that may go on, what later calls of it are held against. When a unit is over,
//! what it did is learned; of one that was reported nothing is.

use std::collections::BTreeMap;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::agent_runaway::Spent;
use super::business_flow_abuse::Taken;
use super::retry_storm::Loop;
use super::sequence::BEGIN;
use super::sketch::Sketch;
use crate::finding::trace::Trace;
use crate::id::Id;

/// Units of one principal that are looked at.
const UNITS: usize = 8;

/// Time without a call after which a unit is over.
const OVER: Duration = Duration::from_secs(30 * 60);

/// Of one unit: endpoints with objects, objects of one endpoint, and objects met.
const PLACES: usize = 8;
const OBJECTS: usize = 256;
const MET: usize = 128;

/// Loops of one unit.
const LOOPS: usize = 4;

/// Exchanges kept for a finding to come.
const TRAIL: usize = 9;

/// Objects of one endpoint that were asked for and that nothing had shown.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Guesses {
    pub(crate) objects: Vec<u32>,
    pub(crate) missing: u32,
    pub(crate) trail: Vec<Trace>,
}

/// One unit of work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unit {
    id: Id,
    #[serde(with = "crate::store::nanos")]
    pub(crate) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    pub(crate) calls: u32,
    /// Ids in its answers.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub(crate) shown: Sketch,
    /// Something of it was reported.
    #[serde(default)]
    pub(crate) reported: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) guesses: BTreeMap<Id, Guesses>,
    /// Objects named by calls that were answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    met: Vec<u32>,
    /// Reads of objects that were shown to somebody else alone.
    #[serde(default)]
    pub(crate) foreign: u32,
    /// Objects changed that it had not met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<Trace>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) loops: Vec<Loop>,
    /// Calls of models, tokens, and changes made again.
    #[serde(default, skip_serializing_if = "Spent::is_empty")]
    pub(crate) spent: Spent,
    /// Answers larger than usual, and their bytes.
    #[serde(default)]
    pub(crate) large: (u32, u64),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) largest: Vec<Trace>,
    /// Sizes that are learned when it is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) held: Vec<(Id, f64)>,
    /// Steps of flows that it took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Taken>,
    /// Operations called, the last two of them, and by how much their order surprises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) order: Vec<u32>,
    #[serde(default)]
    pub(crate) before: [u32; 2],
    #[serde(default)]
    pub(crate) strange: f64,
    #[serde(default)]
    pub(crate) surprises: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) odd_order: Vec<Trace>,
    /// Calls in an hour that is not usual.
    #[serde(default)]
    pub(crate) odd: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) odd_trail: Vec<Trace>,
}

impl Unit {
    fn new(id: Id, ts: Timestamp) -> Self {
        Self {
            id,
            first: ts,
            last: ts,
            calls: 0,
            shown: Sketch::default(),
            reported: false,
            guesses: BTreeMap::new(),
            met: Vec::new(),
            foreign: 0,
            changed: Vec::new(),
            changes: Vec::new(),
            loops: Vec::new(),
            spent: Spent::default(),
            large: (0, 0),
            largest: Vec::new(),
            held: Vec::new(),
            steps: Vec::new(),
            order: Vec::new(),
            before: [BEGIN; 2],
            strange: 0.0,
            surprises: 0,
            odd_order: Vec::new(),
            odd: 0,
            odd_trail: Vec::new(),
        }
    }

    /// Objects of an endpoint that nothing had shown.
    pub(crate) fn guessed(&mut self, template: Id) -> Option<&mut Guesses> {
        if self.guesses.len() >= PLACES && !self.guesses.contains_key(&template) {
            return None;
        }
        Some(self.guesses.entry(template).or_default())
    }

    /// Objects that were asked for and that nothing had shown, of all endpoints.
    pub(crate) fn guesses_made(&self) -> usize {
        self.guesses.values().map(|guesses| guesses.objects.len()).sum()
    }

    /// Whether an object was named by a call before, which it is from now on.
    pub(crate) fn meets(&mut self, object: u64) -> bool {
        push(&mut self.met, object, MET)
    }

    /// Keeps the size of an answer until the unit is over.
    pub(crate) fn hold(&mut self, endpoint: Id, size: f64) {
        if self.held.len() < PLACES {
            self.held.push((endpoint, size));
        }
    }

    /// The loop of an endpoint.
    pub(crate) fn repeats(&mut self, template: Id) -> &mut Loop {
        let known = self.loops.iter().position(|l| l.template == template);
        let at = known.unwrap_or_else(|| {
            if self.loops.len() >= LOOPS {
                self.loops.remove(0);
            }
            self.loops.push(Loop::new(template));
            self.loops.len() - 1
        });
        &mut self.loops[at]
    }
}

impl Guesses {
    /// Takes an object; true when it was not asked for before.
    pub(crate) fn ask(&mut self, object: u64) -> bool {
        !push(&mut self.objects, object, OBJECTS)
    }
}

/// Remembers a value by a part of its hash. True when it was known.
pub(crate) fn push(all: &mut Vec<u32>, value: u64, most: usize) -> bool {
    let value = (value >> 7) as u32;
    if all.contains(&value) {
        return true;
    }
    if all.len() >= most {
        all.remove(0);
    }
    all.push(value);
    false
}

/// Keeps an exchange for a finding to come.
pub(crate) fn note(trail: &mut Vec<Trace>, trace: impl FnOnce() -> Trace) {
    if trail.len() < TRAIL {
        trail.reserve_exact(1);
        trail.push(trace());
    }
}

/// The units of one principal. Part of its row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Doing {
    units: Vec<Unit>,
}

impl Doing {
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Takes the ids in the answer to the call that was turned to last.
    pub(crate) fn show(&mut self, found: &[u64]) {
        if let Some(unit) = self.units.last_mut() {
            unit.shown.insert_all(found);
        }
    }

    /// Something of the unit that was turned to last was reported, so that it is not learned.
    pub(crate) fn report(&mut self) {
        if let Some(unit) = self.units.last_mut() {
            unit.reported = true;
        }
    }

    /// The unit that a call belongs to. Those that are over by now are handed to `learn`.
    pub(crate) fn turn(&mut self, id: Id, ts: Timestamp, mut learn: impl FnMut(Unit)) -> &mut Unit {
        let mut at = 0;
        while at < self.units.len() {
            let unit = &self.units[at];
            if unit.id != id && ts.since(unit.last) > OVER {
                learn(self.units.remove(at));
            } else {
                at += 1;
            }
        }
        match self.units.iter().position(|unit| unit.id == id) {
            // Mostly the one turned to goes on, and nothing has to be moved.
            Some(at) => self.units[at..].rotate_left(1),
            None => {
                if self.units.len() >= UNITS {
                    learn(self.units.remove(0));
                }
                self.units.push(Unit::new(id, ts));
            }
        }
        let last = self.units.len() - 1;
        let unit = &mut self.units[last];
        unit.calls = unit.calls.saturating_add(1);
        unit.last = unit.last.max(ts);
        unit
    }
}
