//! # `bola_enumeration`: one principal walking through objects
//!
//! Counts, per principal and endpoint, the distinct objects it asks for that nobody handed to it: an id that stood in an
//! earlier response to the same principal is explained and does not count. Three tests look at these:
//!
//! 1. *Failures*: Wald's sequential test of "objects are missing as often as for others at this endpoint" (at least one
//!    in twenty) against "every second one is missing". Alarm at +11.5 (α = 1e-5) with six or more missing, start
//!    again at −4.6.
//! 2. *Gaps*: of the last 32 numbers sixteen or more are known and four of five follow the one before by no more
//!    than two, or by the same step, within an hour.
//! 3. *Number*: twenty or more in a day, and four times the principal's own usual day; without a history three
//!    times the calls its peers make here; without peers nine of ten calls must be to something new.
//!
//! 4. *Task*: eight or more in one unit of work, more than twice as many as in any unit before, with a chance below one in ten
//!    thousand by what this principal (its group, while it has no past) asks for in one.
//!
//! Reported when two of the first three agree, when the first or the fourth alarms alone, or when the second or third does and a hundred
//! objects were asked for. High when objects were handed out, medium when all were missing.
//!
//! Source: OWASP API1:2023; Wald 1945; Jung et al., IEEE S&P 2004.
//!
//! Blind to: walks through objects that were listed to the principal before; ids only in a request body (except
//! tool arguments of MCP); ids without digits in lower case; walks spread over many principals, which a client also is
//! that sends a new token each time to a server that goes by another credential; a new Host each time.
//!
//! Quiet when: pages are turned (`page`, `offset`, `cursor` name no object); a listing is followed by its items; a
//! known job reads as many as on other days and no more are missing than usual (its first day is reported: low for
//! a service, since a job looks like this).

use std::collections::VecDeque;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::activity::Activity;
use super::doing::{Unit, note};
use super::habits::{Habits, Measure, count_of};
use super::objects::Object;
use super::profile::Profile;
use super::stage::World;
use super::steps::Steps;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{many, percent, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Id;
use crate::identity::PrincipalKind;

/// Endpoints walked by one principal at a time, those that make way together when there are so many, and objects remembered per walk.
const WALKS: usize = 40;
const LEAVE: usize = 8;
const OBJECTS: usize = 512;

const DAY_NS: u64 = 86_400_000_000_000;

/// Time after which whoever was told is another one.
const REST: Duration = Duration::from_secs(15 * 60);

const ALARM: f64 = 11.5;
const RESET: f64 = -4.6;

/// A principal's way through the objects of one endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Walk {
    #[serde(with = "crate::store::nanos")]
    since: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// Calls that named an object, and of these the distinct ones nobody handed out, since `since`.
    calls: u32,
    unexplained: u32,
    missing: u32,
    given: u32,
    /// Missing ones in the run that `score` judges.
    run_missing: u32,
    score: f64,
    /// Distinct ones when it was told last.
    #[serde(default)]
    told: u32,
    /// The run was told.
    #[serde(default)]
    alarmed: bool,
    /// When it asked for something that nobody had shown.
    #[serde(with = "crate::store::nanos")]
    asked: Timestamp,
    /// Hashes of objects asked for, lately. Most walks hold one, so there is nothing to find them by.
    #[serde(deserialize_with = "crate::store::tight")]
    order: VecDeque<u32>,
    steps: Steps,
    /// Unexplained objects on a usual day; days that taught it.
    usual: f64,
    days: u32,
    /// The failures of this day raised an alarm.
    guessed: bool,
    /// Totals over the life of the walk, to be taken off the endpoint's when judging its usual failures.
    own_calls: u64,
    own_missing: u64,
    #[serde(deserialize_with = "crate::store::tight")]
    trail: Vec<Trace>,
}

/// How the endpoint fares with others.
struct Peers {
    failure: f64,
    calls_each: Option<f64>,
}

/// What of the unit of work at hand is beyond the usual.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    objects: u32,
    missing: u32,
    usual: Measure,
    trail: Vec<Trace>,
}

/// Counts the object of a call in its unit of work. `middle` is how many the caller in the middle of its group asks for in one.
pub(super) fn in_task(
    activity: &Activity<'_>,
    unit: &mut Unit,
    (object, missing): (Object, bool),
    (own, group): (&Habits, &Habits),
    middle: Option<f64>,
) -> Option<Task> {
    let template = activity.place.template;
    let guesses = unit.guessed(template)?;
    if !guesses.ask(object.last) {
        return None;
    }
    guesses.missing += u32::from(missing);
    let usual = count_of(own.guesses.get(&template), group.guesses.get(&template), 2.0);
    let least = activity.thresholds.task_objects;
    // One that was there from the beginning may have taught the group much; most of it does not.
    let usual = usual.map(|usual| match middle {
        Some(middle) if usual.peers => usual.at_most(4.0 * (middle + 2.0) + least as f64),
        _ => usual,
    });
    let count = guesses.objects.len();
    let beyond = usual.filter(|usual| count as u64 >= least && count as f64 >= usual.beyond);
    let Some(usual) = beyond else {
        note(&mut guesses.trail, || activity.trace());
        return None;
    };
    let task = Task {
        objects: count as u32,
        missing: guesses.missing,
        usual,
        trail: guesses.trail.clone(),
    };
    unit.reported = true;
    Some(task)
}

/// Looks at one exchange that names an object. `missing` says that the server had no such object for the caller.
pub(super) fn observe(
    activity: &Activity<'_>,
    profile: &mut Profile,
    (object, missing): (Object, bool),
    task: Option<Task>,
    world: &World<'_>,
    ledger: &mut Ledger,
) -> bool {
    let template = activity.place.template;
    let explained = profile.shown.contains(object.last);
    let learned = profile.learned(world.settings);
    if !profile.walks.contains_key(&template) && profile.walks.len() >= WALKS {
        // Who calls many endpoints once each would else have all of them searched with each call.
        let mut idle: Vec<_> = profile.walks.iter().map(|(id, w)| (w.last, *id)).collect();
        idle.select_nth_unstable(LEAVE - 1);
        for (_, id) in &idle[..LEAVE] {
            profile.walks.remove(id);
        }
    }
    let walk = profile.walks.entry(template).or_insert_with(|| {
        Box::new(Walk {
            since: activity.ts,
            ..Walk::default()
        })
    });
    walk.turn_day(activity.ts);
    walk.last = walk.last.max(activity.ts);
    walk.calls += 1;
    walk.own_calls += 1;
    walk.own_missing += u64::from(missing);
    let hash = (object.hash >> 7) as u32;
    let again = explained || !walk.remember(hash);
    if again && task.is_none() {
        return false;
    }
    walk.rest(activity.ts);
    let peers = peers(activity, walk);
    walk.step(activity, missing, &peers);
    if let Some(number) = object.number {
        let row = [activity.identity.id, template];
        walk.steps.push(number, activity.ts.0, row, world.seed);
    }
    walk.asked = activity.ts;
    let Some(tests) = walk.judge(activity, learned, &peers, task) else {
        return false;
    };
    walk.guessed |= tests.failures;
    walk.alarmed |= tests.failures;
    walk.told = walk.unexplained;
    walk.report(activity, template, &tests, learned, &peers, ledger);
    true
}

fn peers(activity: &Activity<'_>, walk: &Walk) -> Peers {
    let Some(endpoint) = activity.endpoint else {
        return Peers {
            failure: 0.05,
            calls_each: None,
        };
    };
    let calls = endpoint.objects.saturating_sub(walk.own_calls) as f64;
    let missing = endpoint.misses.saturating_sub(walk.own_missing) as f64;
    let others = endpoint.caller_count().saturating_sub(1);
    Peers {
        // Twenty calls' worth of doubt keep a few early failures from setting the rate.
        // No more than one in four: those who guess are others to each other.
        failure: ((missing + 1.0) / (calls + 20.0)).clamp(0.05, 0.25),
        calls_each: (others >= 3).then(|| calls / others as f64),
    }
}

/// Which tests spoke.
#[derive(Debug, Clone)]
struct Tests {
    task: Option<Task>,
    failures: bool,
    gaps: bool,
    number: bool,
    regular: f64,
}

impl Walk {
    /// Begins a new day's count when a day has gone by, and learns from the one that ended.
    fn turn_day(&mut self, now: Timestamp) {
        if now.0.saturating_sub(self.since.0) < DAY_NS {
            return;
        }
        if !self.guessed && self.unexplained > 0 {
            // A usual day grows at once and is forgotten slowly. A day of guessing teaches nothing; a day of
            // counting through objects that were all given was told once, and is then this principal's way.
            self.usual = (self.usual * 0.9).max(f64::from(self.unexplained));
            self.days += 1;
        }
        let kept = (
            self.usual,
            self.days,
            self.own_calls,
            self.own_missing,
            self.score,
            self.run_missing,
            self.alarmed,
            self.asked,
        );
        *self = Self {
            since: now,
            ..Self::default()
        };
        (
            self.usual,
            self.days,
            self.own_calls,
            self.own_missing,
            self.score,
            self.run_missing,
            self.alarmed,
            self.asked,
        ) = kept;
    }

    /// True when the object was not asked for lately.
    fn remember(&mut self, hash: u32) -> bool {
        if self.order.contains(&hash) {
            return false;
        }
        if self.order.len() >= OBJECTS {
            self.order.pop_front();
        } else if self.order.len() == self.order.capacity() {
            self.order.reserve_exact(self.order.len().max(1));
        }
        self.order.push_back(hash);
        true
    }

    /// Begins another run.
    fn begin(&mut self) {
        self.score = 0.0;
        self.run_missing = 0;
        self.alarmed = false;
    }

    /// A run that was told is over when nothing comes of it for a while: what comes later is judged by itself.
    fn rest(&mut self, now: Timestamp) {
        if self.alarmed && now.since(self.asked) > REST {
            self.begin();
            self.trail.clear();
        }
    }

    fn step(&mut self, activity: &Activity<'_>, missing: bool, peers: &Peers) {
        self.unexplained += 1;
        let (low, high) = (peers.failure, (5.0 * peers.failure).clamp(0.5, 0.95));
        if missing {
            self.missing += 1;
            self.run_missing += 1;
            self.score += (high / low).ln();
        } else if activity.accepted() {
            self.given += 1;
            self.score += ((1.0 - high) / (1.0 - low)).ln();
        }
        if self.score <= RESET {
            self.begin();
        }
        // Whoever goes on after an alarm is told on; whoever stops is not held to it for long.
        self.score = self.score.min(2.0 * ALARM);
        if self.trail.len() > 9 {
            // The first one tells since when.
            self.trail.remove(1);
        }
        // Most walks are one step long, and there are many.
        self.trail.reserve_exact(1);
        self.trail.push(activity.trace());
    }

    fn judge(
        &self,
        activity: &Activity<'_>,
        learned: bool,
        peers: &Peers,
        task: Option<Task>,
    ) -> Option<Tests> {
        let habit =
            learned && self.days > 0 && self.usual >= 10.0 && f64::from(self.unexplained) <= 4.0 * self.usual;
        let (regular, gaps) = self.gaps(activity.ts);
        let failures = self.score >= ALARM && self.run_missing >= 6;
        let own = learned && self.days > 0;
        let many = f64::from(self.unexplained);
        let (number, compared) = match peers.calls_each {
            _ if own => (many > 4.0 * self.usual, true),
            Some(each) => (many > 3.0 * each, true),
            None => (self.unexplained * 10 >= self.calls * 9, false),
        };
        let number = number && self.unexplained >= 20;
        let tests = Tests {
            task,
            failures,
            gaps: gaps && !habit,
            number: number && !habit,
            regular,
        };
        let agree = u32::from(tests.failures) + u32::from(tests.gaps) + u32::from(tests.number);
        let large = self.unexplained >= 100 && (tests.gaps || (tests.number && compared));
        // A day's count stays high once it is; it says something new when it has doubled.
        let grown = self.unexplained >= self.told.saturating_mul(2);
        (tests.failures || tests.task.is_some() || ((agree >= 2 || large) && grown)).then_some(tests)
    }

    /// Share of regular steps, and whether it is that of somebody counting.
    fn gaps(&self, now: Timestamp) -> (f64, bool) {
        let (all, regular) = self.steps.regular(now.0);
        let share = f64::from(regular) / f64::from(all.max(1));
        (share, all >= 15 && share >= 0.8)
    }

    /// Whether objects were handed out, rather than looked for in vain.
    fn gave(&self, tests: &Tests) -> bool {
        match &tests.task {
            Some(task) => task.objects >= task.missing + 3 && task.objects > 2 * task.missing,
            None => self.given >= 3 && self.given * 10 >= self.unexplained,
        }
    }

    fn report(
        &self,
        activity: &Activity<'_>,
        template: Id,
        tests: &Tests,
        learned: bool,
        peers: &Peers,
        ledger: &mut Ledger,
    ) {
        let severity = if !tests.failures
            && !learned
            && activity.kind == PrincipalKind::Service
            && self.unexplained < 100
        {
            // A job on its first day looks like this; its second day will tell.
            Severity::Low
        } else if self.gave(tests) {
            Severity::High
        } else {
            Severity::Medium
        };
        let template = template.to_string();
        let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), template.as_bytes()];
        let agreeing = [
            ("task", tests.task.is_some()),
            ("failures", tests.failures),
            ("gaps", tests.gaps),
            ("number", tests.number),
        ];
        let agreeing = || agreeing.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
        let subject = Subject {
            kind: Kind::BolaEnumeration,
            parts: &parts,
            window: day(self.since),
        };
        let draft = || Draft {
            confidence: if agreeing().count() >= 2 { 0.9 } else { 0.75 },
            principal: true,
            resource: activity.resource(),
            expected: vec![("score_below", json!(ALARM))],
            earlier: match &tests.task {
                Some(task) => task.trail.clone(),
                None => self.trail.clone(),
            },
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.count(u64::from(self.unexplained));
            running.observed("objects", self.unexplained);
            running.observed("given", self.given);
            running.observed("missing", self.missing);
            running.observed("regular_steps", (tests.regular * 100.0).round() / 100.0);
            running.observed("score", (self.score * 100.0).round() / 100.0);
            if let Some(task) = &tests.task {
                running.observed("objects_in_task", task.objects);
                running.expected("objects_in_task_fewer_than", task.usual.beyond.ceil());
                running.support("tasks", task.usual.learned);
            }
            running.observed("tests", agreeing().collect::<Vec<_>>());
            running.expected("failure_rate", (peers.failure * 1000.0).round() / 1000.0);
            running.expected("objects_a_day", self.usual.round());
            running.expected("calls_of_peers", json!(peers.calls_each.map(f64::round)));
            running.support("calls", self.own_calls);
            running.support("days", self.days);
            running.support(
                "peers",
                activity
                    .endpoint
                    .map_or(0, |e| e.caller_count().saturating_sub(1)),
            );
        });
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |name: &str| finding.observed_number(name);
    let share = |of: &serde_json::Map<String, Value>, name: &str| of.get(name).and_then(Value::as_f64);
    let (given, missing) = (number("given"), number("missing"));
    let usual = share(&finding.expected, "failure_rate").unwrap_or(0.0);
    let counting = match share(&finding.observed, "regular_steps") {
        Some(regular) if regular >= 0.5 => {
            format!(
                " Of the latest steps from one id to the next, {} were those of somebody counting.",
                percent(regular)
            )
        }
        _ => String::new(),
    };
    let task = match number("objects_in_task") {
        0 => String::new(),
        objects => format!(
            " One task alone asked for {objects}; fewer than {:.0} would have been usual.",
            share(&finding.expected, "objects_in_task_fewer_than").unwrap_or(0.0),
        ),
    };
    sentence(&format!(
        "{} asked {} for {} that no response had shown to it, within {}: {given} handed out, {missing} missing (at this \
         endpoint, {} missing is taken as usual).{counting}{task}",
        finding.who(),
        finding.place(),
        many(number("objects"), "different object", "different objects"),
        span(finding.seconds()),
        percent(usual),
    ))
}

/// Whether the answer says that there is no such object for the caller: by status, by an empty result, or by an
/// error inside a 200 (JSON-RPC, MCP).
pub(crate) fn is_missing(activity: &Activity<'_>) -> bool {
    match activity.status {
        Some(403 | 404 | 410 | 422) => true,
        Some(200) => {
            let Some(response) = &activity.exchange.response else {
                return false;
            };
            let body = &response.message.body;
            if matches!(body.trim_ascii(), b"[]" | b"{}" | b"null") {
                return true;
            }
            if activity.call.is_none() {
                return false;
            }
            let start = &body[..body.len().min(2048)];
            let has = |text: &[u8]| memchr::memmem::find(start, text).is_some();
            has(b"\"isError\":true")
                || has(b"\"isError\": true")
                || has(b"\"error\":{")
                || has(b"\"error\": {")
                || (body.len() <= 400 && has(b"not found"))
        }
        _ => false,
    }
}
