//! What a caller does, as far as a policy could say it: endpoints, the order of steps in a task that always held, and how much it
//! uses at most. Part of its row; a policy is drawn up from it and from nothing else, so that the same store gives the same one.
//!
//! Tasks, what counts as done and what counts as a call are those of [`super::judge`]: a policy that permits what was seen must
//! not object to it.

use std::collections::BTreeMap;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Activity, failure};
use crate::id::Id;
use crate::identity::PrincipalKind;

/// Endpoints of one caller that are told apart; at most as many as there are bits in [`Step::before`].
const STEPS: usize = 40;

/// Operations of batches.
const BATCHED: usize = 16;

/// Tasks that may go on, as for those that are judged.
const UNITS: usize = 8;
const OVER: Duration = Duration::from_secs(30 * 60);

/// Distinct objects that are told apart in one task, hour or day.
const OBJECTS: usize = 48;

/// Calls of an endpoint that makes way for another: it was hardly used.
const RARE: u64 = 2;

/// One endpoint.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
struct Step {
    endpoint: Id,
    calls: u64,
    /// Those that the server did.
    done: u64,
    day: u32,
    days: u32,
    /// Tasks in which it was called.
    units: u64,
    /// What was done in all of these before it was called first: a bit for each step.
    before: u64,
}

/// A step as it is stored: rows are many.
type Row = (Id, u64, u64, u32, u32, u64, u64);

impl From<Row> for Step {
    fn from((endpoint, calls, done, day, days, units, before): Row) -> Self {
        Self {
            endpoint,
            calls,
            done,
            day,
            days,
            units,
            before,
        }
    }
}

impl From<Step> for Row {
    fn from(s: Step) -> Self {
        (s.endpoint, s.calls, s.done, s.day, s.days, s.units, s.before)
    }
}

/// How much was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Amounts", into = "Amounts")]
pub struct Used {
    /// Calls, each of a batch by itself.
    pub calls: u64,
    /// Distinct objects; nothing when there were too many to be told apart.
    pub objects: Option<u64>,
    /// Of bodies, both ways.
    pub bytes: u64,
    /// Of language models, both ways.
    pub tokens: u64,
}

/// The same as it is stored.
type Amounts = (u64, Option<u64>, u64, u64);

impl From<Amounts> for Used {
    fn from((calls, objects, bytes, tokens): Amounts) -> Self {
        Self {
            calls,
            objects,
            bytes,
            tokens,
        }
    }
}

impl From<Used> for Amounts {
    fn from(used: Used) -> Self {
        (used.calls, used.objects, used.bytes, used.tokens)
    }
}

impl Default for Used {
    fn default() -> Self {
        Self {
            calls: 0,
            objects: Some(0),
            bytes: 0,
            tokens: 0,
        }
    }
}

impl Used {
    fn max(self, other: Self) -> Self {
        Self {
            calls: self.calls.max(other.calls),
            objects: self.objects.zip(other.objects).map(|(a, b)| a.max(b)),
            bytes: self.bytes.max(other.bytes),
            tokens: self.tokens.max(other.tokens),
        }
    }
}

/// What is being used: in one task, this hour, this day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tally {
    window: u64,
    used: Used,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objects: Vec<u32>,
}

impl Tally {
    /// Adds a call to that of its window; gives how much that is by now.
    fn add(&mut self, window: u64, more: Used, object: Option<u64>) -> Used {
        if self.window != window {
            *self = Self {
                window,
                ..Self::default()
            };
        }
        self.used.calls = self.used.calls.saturating_add(more.calls);
        self.used.bytes = self.used.bytes.saturating_add(more.bytes);
        self.used.tokens = self.used.tokens.saturating_add(more.tokens);
        if let Some(object) = object {
            let object = (object >> 7) as u32;
            if self.objects.len() <= OBJECTS
                && let Err(place) = self.objects.binary_search(&object)
            {
                self.objects.insert(place, object);
            }
        }
        let count = self.objects.len();
        self.used.objects = (count <= OBJECTS).then_some(count as u64);
        self.used
    }
}

/// A task that goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Unit {
    id: Id,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// Steps that were called, and those that were done: a bit each.
    called: u64,
    done: u64,
    tally: Tally,
}

/// What a caller does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Watch {
    steps: Vec<Step>,
    /// Operations of batches, by endpoint and operation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    batched: BTreeMap<String, (Id, u64)>,
    units: Vec<Unit>,
    begun: u64,
    day: u32,
    days: u32,
    calls: u64,
    /// Calls of endpoints for which there was no room, and of none.
    untold: u64,
    unplaced: u64,
    hour: Tally,
    today: Tally,
    /// The most of one task, of one hour, of one day.
    most: [Used; 3],
}

/// Takes a call of a caller that may get a policy.
pub(crate) fn watch(activity: &Activity<'_>, object: Option<u64>, watch: &mut Option<Box<Watch>>) {
    if !matches!(activity.kind, PrincipalKind::AiAgent | PrincipalKind::Service) {
        return;
    }
    let Some(unit) = activity.unit else { return };
    watch.get_or_insert_default().take(activity, unit, object);
}

impl Watch {
    fn take(&mut self, activity: &Activity<'_>, unit: Id, object: Option<u64>) {
        let ts = activity.ts;
        let today = (ts.seconds() / 86_400) as u32;
        let is_batch = activity.call.is_some_and(|call| call.method == "batch");
        let answer = activity
            .exchange
            .response
            .as_ref()
            .map_or(0, |r| r.message.body_bytes);
        let tokens = activity.llm.map_or(0, |llm| {
            let (input, output) = (llm.input_tokens.unwrap_or(0), llm.output_tokens.unwrap_or(0));
            input.saturating_add(output)
        });
        let more = Used {
            calls: if is_batch {
                activity.batch.len().max(1) as u64
            } else {
                1
            },
            objects: Some(0),
            bytes: activity.request.message.body_bytes.saturating_add(answer),
            tokens,
        };
        self.calls += more.calls;
        if self.days == 0 || self.day != today {
            self.days += 1;
            self.day = today;
        }
        let at = self.unit(unit, ts);
        let task = self.units[at].tally.add(0, more, object);
        let hour = self.hour.add(ts.seconds() / 3600, more, object);
        let day = self.today.add(ts.seconds() / 86_400, more, object);
        for (most, used) in self.most.iter_mut().zip([task, hour, day]) {
            *most = most.max(used);
        }
        let Some(endpoint) = activity.endpoint else {
            self.unplaced += 1;
            return;
        };
        if is_batch {
            for call in activity.batch {
                let operation = match &call.name {
                    Some(name) if call.method != "resources/read" => format!("{}:{name}", call.method),
                    _ => call.method.clone(),
                };
                if self.batched.len() < BATCHED || self.batched.contains_key(&operation) {
                    self.batched.entry(operation).or_insert((endpoint.id, 0)).1 += 1;
                }
            }
        }
        let Some(place) = self.step(endpoint.id) else {
            self.untold += 1;
            return;
        };
        let bit = 1_u64 << place;
        let done = activity.accepted() && !failure::failed(activity);
        let unit = &mut self.units[at];
        let step = &mut self.steps[place];
        step.calls += 1;
        step.done += u64::from(done);
        if step.days == 0 || step.day != today {
            step.days += 1;
            step.day = today;
        }
        if unit.called & bit == 0 {
            unit.called |= bit;
            step.units += 1;
            step.before &= unit.done;
        }
        if done {
            unit.done |= bit;
        }
    }

    /// The place of a task; those that are over go.
    fn unit(&mut self, id: Id, ts: Timestamp) -> usize {
        self.units
            .retain(|unit| unit.id == id || ts.since(unit.last) <= OVER);
        let known = self.units.iter().position(|unit| unit.id == id);
        let mut unit = match known {
            Some(at) => self.units.remove(at),
            None => {
                self.begun += 1;
                if self.units.len() >= UNITS {
                    self.units.remove(0);
                }
                Unit {
                    id,
                    last: ts,
                    called: 0,
                    done: 0,
                    tally: Tally::default(),
                }
            }
        };
        unit.last = unit.last.max(ts);
        self.units.push(unit);
        self.units.len() - 1
    }

    /// The place of an endpoint. One that was hardly used makes way when there is no room.
    fn step(&mut self, endpoint: Id) -> Option<usize> {
        if let Some(known) = self.steps.iter().position(|step| step.endpoint == endpoint) {
            return Some(known);
        }
        let new = Step {
            endpoint,
            calls: 0,
            done: 0,
            day: 0,
            days: 0,
            units: 0,
            before: u64::MAX,
        };
        if self.steps.len() < STEPS {
            self.steps.push(new);
            return Some(self.steps.len() - 1);
        }
        let rarest = (0..self.steps.len()).min_by_key(|n| (self.steps[*n].calls, self.steps[*n].endpoint))?;
        if self.steps[rarest].calls > RARE {
            return None;
        }
        self.untold += self.steps[rarest].calls;
        self.steps[rarest] = new;
        let kept = !(1_u64 << rarest);
        self.steps.iter_mut().for_each(|step| {
            if step.units > 0 {
                step.before &= kept;
            }
        });
        for unit in &mut self.units {
            unit.called &= kept;
            unit.done &= kept;
        }
        Some(rarest)
    }

    /// What was seen, by endpoint.
    pub(crate) fn view(&self) -> WatchView {
        let steps = self.steps.iter().map(|step| StepView {
            endpoint: step.endpoint.to_string(),
            calls: step.calls,
            done: step.done,
            days: step.days,
            units: step.units,
            after: (self.steps.iter().enumerate())
                .filter(|(n, other)| {
                    step.units > 0 && step.before >> n & 1 == 1 && other.endpoint != step.endpoint
                })
                .map(|(_, other)| other.endpoint.to_string())
                .collect(),
        });
        let mut steps: Vec<_> = steps.collect();
        steps.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        WatchView {
            calls: self.calls,
            days: self.days,
            units: self.begun,
            untold: self.untold,
            unplaced: self.unplaced,
            steps,
            batched: (self.batched.iter())
                .map(|(operation, (endpoint, calls))| (endpoint.to_string(), operation.clone(), *calls))
                .collect(),
            most: self.most,
        }
    }
}

/// What a caller was seen to do: what a policy for it may be drawn up from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchView {
    /// Calls, each of a batch by itself.
    pub calls: u64,
    /// Days (UTC) with calls.
    pub days: u32,
    /// Units of work.
    pub units: u64,
    /// Calls of endpoints for which there was no room.
    pub untold: u64,
    /// Calls that belong to no known endpoint.
    pub unplaced: u64,
    /// By endpoint id.
    pub steps: Vec<StepView>,
    /// Operations that were called in batches: endpoint of the batch, operation, calls.
    pub batched: Vec<(String, String, u64)>,
    /// The most that was used in one task, in one hour, in one day.
    pub most: [Used; 3],
}

/// An endpoint that a caller was seen to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// Its id.
    pub endpoint: String,
    /// Calls.
    pub calls: u64,
    /// Calls that the server did.
    pub done: u64,
    /// Days with calls.
    pub days: u32,
    /// Tasks with calls.
    pub units: u64,
    /// Endpoints that had been used with success before its first call in every one of these tasks.
    pub after: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, Scene, agent_token};

    fn watched(scene: &Scene) -> WatchView {
        scene.analyzer.watched().next().expect("somebody is watched").2
    }

    #[test]
    fn only_an_order_that_held_in_every_task_is_kept() {
        let mut scene = Scene::new();
        let token = agent_token("a", 0);
        for task in 0..6 {
            scene.wait(7200);
            // The third task leaves the look out, and in the fifth it fails.
            if task != 2 {
                let status = if task == 4 { 404 } else { 200 };
                scene.send(&Call::get("/look").bearer(&token).status(status));
            }
            scene.send(&Call::get("/list").bearer(&token));
            scene.send(&Call::new("POST", "/pay").bearer(&token));
        }
        let seen = watched(&scene);
        let endpoints = scene.endpoints();
        let id = |template: &str| {
            endpoints
                .iter()
                .find(|e| e.template == template)
                .unwrap()
                .id
                .clone()
        };
        let step = |template: &str| seen.steps.iter().find(|s| s.endpoint == id(template)).unwrap();
        assert_eq!(step("/pay").after, [id("/list")]);
        assert_eq!(step("/list").after, Vec::<String>::new());
        assert_eq!(
            (step("/look").calls, step("/look").done, step("/look").units),
            (5, 4, 5)
        );
        assert_eq!((seen.units, seen.calls, seen.most[0].calls), (6, 17, 3));
    }

    #[test]
    fn people_are_not_watched_and_rows_have_a_ceiling() {
        let mut scene = Scene::new();
        scene.send(
            &Call::get("/a").agent("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"),
        );
        assert_eq!(scene.analyzer.watched().count(), 0);
        let token = agent_token("a", 0);
        for n in 0..400_u64 {
            let path = format!(
                "/p{}/x{}",
                char::from(b'a' + (n % 26) as u8),
                "y".repeat(1 + n as usize % 40)
            );
            scene.send(&Call::get(format!("{path}?order_id={n}")).bearer(&token));
        }
        let seen = watched(&scene);
        assert!(
            seen.steps.len() <= STEPS && seen.untold > 0,
            "{}",
            seen.steps.len()
        );
        assert_eq!(seen.calls, 400);
    }
}
