//! The ledger: one entry per thing found, however often it is seen.
//!
//! A detector reports each time it sees something. The first report makes revision 1. Later ones raise the
//! count, and become a further revision only when there is something to say: the severity rose, or the
//! count has doubled and an hour of packet time has gone by. What a caller does may also come back: a report of another
//! unit of work, or after half an hour without one, is another episode of the same finding, told as a further revision with the exchanges of that episode.
//! How something is set up does not come back, it stays; its count has to be ten times what was told.
//!
//! A finding is about its deciding exchange: the first that was reported, or the one with which the severity rose.
//! Resource and [`Draft`] are of that one. Numbers that go on with every report are [`Running`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::alert_storm::{self, Budgets, Over};
use super::trace::Trace;
use super::{Finding, FindingPrincipal, Kind, Resource, Severity, Status};
use crate::behaviour::Activity;
use crate::behaviour::blast_radius::{Contribution, OfUnit, Reach};
use crate::id::Id;
use crate::inventory::Declared;
use crate::inventory::declared::Suppression;
use crate::settings::Settings;
use crate::store::{Row, Store};

/// Evidence of one finding: the first exchange, the deciding one, and examples.
pub(crate) const EVIDENCE: usize = 10;

/// Up to this many, repeats add themselves as examples; the rest of the room is for what led to the first one.
const EXAMPLES: usize = 5;

/// Packet time between two revisions that say no more than a higher count.
const QUIET: Duration = Duration::from_secs(3600);

/// Packet time without a report after which what a caller does has come back.
const EPISODE: Duration = Duration::from_secs(30 * 60);

/// Packet time between two episodes when they are of different units of work. Where units are of a few calls each, as with somebody who
/// takes his time, the third has to wait for twice as long, and so on.
const NEXT: Duration = Duration::from_secs(5 * 60);

/// Calls of a unit that is a task, and not one of many small ones.
const TASK: u32 = 8;

/// What a detector says of the deciding exchange: asked for when a finding is not in the ledger yet, or has grown
/// worse.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) confidence: f64,
    /// Whether it is about the caller; false for what is about an endpoint whoever calls.
    pub(crate) principal: bool,
    pub(crate) resource: Resource,
    pub(crate) title: Option<String>,
    pub(crate) observed: Vec<(&'static str, Value)>,
    pub(crate) expected: Vec<(&'static str, Value)>,
    pub(crate) support: Vec<(&'static str, Value)>,
    /// Exchanges before the deciding one.
    pub(crate) earlier: Vec<Trace>,
}

/// The numbers of a finding that go on with every report.
#[derive(Debug)]
pub(crate) struct Running<'a>(Goes<'a>);

/// Where the numbers go.
#[derive(Debug)]
enum Goes<'a> {
    Entry(&'a mut Entry),
    Filed(&'a mut Noted),
}

/// Numbers that are put into the ledger later.
#[derive(Debug, Default)]
struct Noted {
    at_least: Option<u64>,
    exactly: Option<u64>,
    numbers: Vec<(Part, &'static str, Value)>,
}

impl Noted {
    fn put_into(self, running: &mut Running<'_>) {
        if let Some(count) = self.exactly {
            running.set_count(count);
        }
        if let Some(count) = self.at_least {
            running.count(count);
        }
        for (part, name, value) in self.numbers {
            running.put(part, name, value);
        }
    }
}

impl Running<'_> {
    /// The finding stands for this many exchanges, by the detector's own count.
    pub(crate) fn count(&mut self, count: u64) {
        match &mut self.0 {
            Goes::Entry(entry) => entry.count = entry.count.max(count),
            Goes::Filed(noted) => noted.at_least = noted.at_least.max(Some(count)),
        }
    }

    /// The finding stands for this many things, fewer than before or more.
    pub(crate) fn set_count(&mut self, count: u64) {
        match &mut self.0 {
            Goes::Entry(entry) => entry.count = count,
            Goes::Filed(noted) => (noted.exactly, noted.at_least) = (Some(count), None),
        }
    }

    /// Exchanges reported so far. Only the behaviour stage may ask: what is filed does not know the ledger.
    pub(crate) fn seen(&self) -> u64 {
        match &self.0 {
            Goes::Entry(entry) => entry.count,
            Goes::Filed(_) => {
                debug_assert!(false, "nobody knows yet");
                0
            }
        }
    }

    /// A number seen.
    pub(crate) fn observed(&mut self, name: &'static str, value: impl Into<Value>) {
        self.put(Part::Observed, name, value.into());
    }

    /// A number that would have been usual.
    pub(crate) fn expected(&mut self, name: &'static str, value: impl Into<Value>) {
        self.put(Part::Expected, name, value.into());
    }

    /// A number that tells on how much it rests.
    pub(crate) fn support(&mut self, name: &'static str, value: impl Into<Value>) {
        self.put(Part::Support, name, value.into());
    }

    fn put(&mut self, part: Part, name: &'static str, value: Value) {
        let running = match &mut self.0 {
            Goes::Entry(entry) => &mut entry.running,
            Goes::Filed(noted) => &mut noted.numbers,
        };
        match running.iter_mut().find(|(p, n, _)| (*p, *n) == (part, name)) {
            Some((_, _, old)) => *old = value,
            None => running.push((part, name, value)),
        }
    }
}

/// What a number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Observed,
    Expected,
    Support,
}

/// A finding and what was said of it last. There may be thousands, and few are told again, so they are kept small
/// and become a [`Finding`] when they are told. What each call touches stands together at the beginning: with thousands of them
/// nearly every cache line of one has to be waited for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
#[repr(C)]
pub(crate) struct Entry {
    kind: Kind,
    severity: Severity,
    status: Status,
    /// Its last revision was kept back by a suppression.
    hidden: bool,
    revision: u32,
    count: u64,
    told_count: u64,
    told_at: Timestamp,
    first_seen: u64,
    last_seen: u64,
    /// The unit of work that it was told of last.
    unit: Option<Id>,
    /// The `alert_storm` that counts it while it is held back.
    held: Option<Id>,
    /// How far the caller reached.
    reach: Option<Box<Reach>>,
    /// The latest of the numbers that go on, in place of those or beside them.
    running: Vec<(Part, &'static str, Value)>,
    evidence: Vec<Trace>,
    pub(crate) id: Id,
    confidence: f64,
    detected_at: u64,
    /// Packet time at which its first revision was given out, nanoseconds since 1970; zero while none was.
    given: u64,
    /// Only when it is not that of the kind.
    title: Option<Box<str>>,
    principal: Option<Box<FindingPrincipal>>,
    resource: Resource,
    /// What was observed, expected, and what that rests on, as JSON.
    numbers: Box<str>,
    capture: Vec<String>,
}

/// An entry as it is stored. What follows from the kind and from the evidence is left empty.
#[derive(Serialize, Deserialize)]
struct Stored {
    finding: Finding,
    told_count: u64,
    #[serde(with = "crate::store::nanos")]
    told_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reach: Option<Box<Reach>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    #[serde(default)]
    given: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Id>,
}

impl From<Entry> for Stored {
    fn from(entry: Entry) -> Self {
        Self {
            finding: entry.finding(),
            told_count: entry.told_count,
            told_at: entry.told_at,
            unit: entry.unit,
            reach: entry.reach,
            hidden: entry.hidden,
            given: entry.given,
            held: entry.held,
        }
    }
}

impl TryFrom<Stored> for Entry {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let finding = stored.finding;
        let mut evidence = Vec::with_capacity(finding.evidence.len());
        for one in finding.evidence {
            evidence.push(Trace::try_from(one)?);
        }
        Ok(Self {
            id: Id::parse(&finding.id).ok_or("a finding with no id")?,
            told_count: stored.told_count,
            told_at: stored.told_at,
            unit: stored.unit,
            count: finding.count,
            revision: finding.revision,
            status: finding.status,
            kind: finding.kind,
            severity: finding.severity,
            confidence: finding.confidence,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            detected_at: finding.detected_at,
            title: own_title(finding.kind, &finding.title),
            principal: finding.principal.map(Box::new),
            resource: finding.resource,
            numbers: packed(&finding.observed, &finding.expected, &finding.support),
            running: Vec::new(),
            evidence,
            capture: finding.capture,
            reach: stored.reach,
            hidden: stored.hidden,
            given: stored.given,
            held: stored.held,
        })
    }
}

fn own_title(kind: Kind, title: &str) -> Option<Box<str>> {
    (title != kind.entry().title).then(|| title.into())
}

/// Named numbers as they are kept.
fn packed(observed: &Numbers, expected: &Numbers, support: &Numbers) -> Box<str> {
    // Maps with names for keys: serialising them cannot fail.
    serde_json::to_string(&(observed, expected, support))
        .unwrap_or_default()
        .into()
}

type Numbers = Map<String, Value>;

impl Row for Entry {
    fn worth(&self) -> (bool, Timestamp) {
        // What matters little goes before what matters; a storm is counted for as long as it lasts.
        (self.severity >= Severity::Medium, Timestamp(self.last_seen))
    }
}

/// What the inventory stage has found: kept with the exchange until the ledger takes it, which another thread may hold.
#[derive(Debug, Default)]
pub(crate) struct Filing(Vec<Filed>);

#[derive(Debug)]
enum Filed {
    Report((Kind, Id), Severity, Box<Draft>, Noted),
    State((Kind, Id), Severity, Timestamp, Box<Draft>, Noted),
    Close(Id, Timestamp),
}

impl Filing {
    /// As [`Ledger::report`] does.
    pub(crate) fn report(
        &mut self,
        subject: Subject<'_>,
        severity: Severity,
        draft: impl FnOnce() -> Draft,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        let filed = Filed::Report(
            (subject.kind, subject.id()),
            severity,
            Box::new(draft()),
            noted(running),
        );
        self.0.push(filed);
    }

    /// As [`Ledger::state`] does.
    pub(crate) fn state(
        &mut self,
        subject: Subject<'_>,
        severity: Severity,
        ts: Timestamp,
        draft: impl FnOnce() -> Draft,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        let (as_is, draft) = ((subject.kind, subject.id()), Box::new(draft()));
        self.0
            .push(Filed::State(as_is, severity, ts, draft, noted(running)));
    }

    /// Says that something is no longer so.
    pub(crate) fn close(&mut self, subject: Subject<'_>, ts: Timestamp) {
        self.0.push(Filed::Close(subject.id(), ts));
    }
}

fn noted(running: impl FnOnce(&mut Running<'_>)) -> Noted {
    let mut noted = Noted::default();
    running(&mut Running(Goes::Filed(&mut noted)));
    noted
}

/// All findings kept.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) entries: Store<Entry>,
    queue: VecDeque<Finding>,
    /// Findings to be told once more because the input is over.
    last_words: VecDeque<Id>,
    sensor: (String, String),
    declared: Arc<Declared>,
    accepted: u64,
    /// What the unit of work of the exchange at hand reached.
    at_hand: Option<OfUnit>,
    /// The latest packet time.
    now: Timestamp,
    /// Revisions that each suppression kept back, by its place in the file.
    kept_back: Vec<u64>,
    /// And those of suppressions that are no longer in force.
    kept_back_before: u64,
    budgets: Budgets,
    /// Findings held back by budgets in this run.
    held_back: u64,
}

/// What a suppression hides.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppressed {
    /// The suppression.
    pub by: Suppression,
    /// It hides no more at the latest packet time.
    pub is_over: bool,
    /// Findings that are hidden.
    pub findings: u64,
    /// The worst of them.
    pub worst: Option<Severity>,
    /// Revisions that it has kept back in this run.
    pub revisions: u64,
}

/// What a report is about: the parts of its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: Kind,
    /// Principal, endpoint, host or whatever else tells one finding of this kind from the next.
    pub(crate) parts: &'a [&'a [u8]],
    /// Start of the window in which repeats are the same finding; zero when they always are.
    pub(crate) window: u64,
}

/// The UTC day of a time: the window of findings about behaviour.
pub(crate) fn day(ts: Timestamp) -> u64 {
    ts.seconds() / 86_400
}

impl Ledger {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            entries: Store::new(settings.max_findings, settings.room.findings),
            queue: VecDeque::new(),
            last_words: VecDeque::new(),
            sensor: (settings.sensor_name.clone(), settings.sensor_version.clone()),
            declared: Arc::clone(&settings.declared),
            accepted: 0,
            at_hand: None,
            now: Timestamp(0),
            budgets: Budgets::new(settings),
            held_back: 0,
            kept_back: vec![0; settings.declared.suppressions.iter().count()],
            kept_back_before: 0,
        }
    }

    /// Takes other settings into force. What was told in the window that goes on counts against the new budgets too.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) {
        self.kept_back_before = self.kept_back();
        self.kept_back = vec![0; settings.declared.suppressions.iter().count()];
        self.declared = Arc::clone(&settings.declared);
        self.sensor.0.clone_from(&settings.sensor_name);
        self.budgets = Budgets::new(settings);
    }

    /// Takes the unit of work of the exchange that is looked at next, and counts what that adds: to the unit, and to every finding
    /// that was told of it.
    pub(crate) fn reaches(&mut self, mut unit: OfUnit, by: &Contribution) {
        self.now = self.now.max(by.ts());
        let fresh = unit.count(by);
        for id in unit.told() {
            if let Some(reach) = self.entries.get_mut(*id).and_then(|entry| entry.reach.as_mut()) {
                reach.count_of_unit(by, fresh);
            }
        }
        self.at_hand = Some(unit);
    }

    /// Gives that unit back.
    pub(crate) fn reached(&mut self) -> Option<OfUnit> {
        self.at_hand.take()
    }

    /// Records that `subject` was seen in `activity`. `draft` is asked for only when it is needed, `running` each
    /// time.
    pub(crate) fn report(
        &mut self,
        subject: Subject<'_>,
        severity: Severity,
        activity: &Activity<'_>,
        draft: impl FnOnce() -> Draft,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        self.report_as((subject.kind, subject.id()), severity, activity, draft, running);
    }

    fn report_as(
        &mut self,
        (kind, id): (Kind, Id),
        severity: Severity,
        activity: &Activity<'_>,
        draft: impl FnOnce() -> Draft,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        let changed = activity.changed.filter(|_| kind.is_unusual_only());
        let severity = changed.map_or(severity, |_| severity.lowered());
        let draft = || {
            let mut draft = draft();
            if let Some(ago) = changed {
                draft
                    .support
                    .push(("changed_s_before", Value::from(ago.as_secs())));
            }
            draft
        };
        let ts = activity.ts;
        self.now = self.now.max(ts);
        let known = self.entries.get(id);
        let freed = known.is_some_and(|entry| self.is_freed(entry, ts));
        // What the operator accepts is counted and not told; what was told before stays as it was then.
        if known.is_some_and(|entry| self.declared.accepts(kind, &entry.resource, ts).is_some()) {
            self.accepted += 1;
            return;
        }
        let Some(entry) = self.entries.get_mut(id) else {
            let draft = draft();
            if self.declared.accepts(kind, &draft.resource, ts).is_some() {
                self.accepted += 1;
                return;
            }
            let mut entry = open(id, kind, severity, About::Exchange(activity), draft);
            entry.reach(self.at_hand.as_mut());
            running(&mut Running(Goes::Entry(&mut entry)));
            entry.told_count = entry.count;
            self.entries.entry(id, || entry);
            self.give(id, ts);
            return;
        };
        entry.count += 1;
        entry.reach(self.at_hand.as_mut());
        entry.first_seen = entry.first_seen.min(ts.0);
        let another = activity.unit.is_some() && activity.unit != entry.unit;
        let again = entry.kind.comes_back()
            && (ts.since(Timestamp(entry.last_seen)) >= EPISODE
                || (another && ts.since(entry.told_at) >= entry.pause(activity.unit_calls)));
        entry.last_seen = entry.last_seen.max(ts.0);
        let worse = severity > entry.severity;
        if again || worse {
            let draft = draft();
            if again {
                // The first exchange of all, and what this episode rests on.
                entry.evidence.truncate(1);
                let earlier = draft.earlier.into_iter();
                let others = earlier.filter(|e| e.exchange != activity.exchange_id);
                entry.evidence.extend(others.take(EVIDENCE - 2));
            }
            entry.severity = entry.severity.max(severity);
            entry.confidence = entry.confidence.max(lowered(draft.confidence, activity));
            entry.detected_at = ts.0;
            entry.resource = draft.resource;
            entry.numbers = packed(
                &named(draft.observed),
                &named(draft.expected),
                &named(draft.support),
            );
            entry.running.clear();
        }
        if entry.evidence.len() < EXAMPLES || worse || again {
            // The deciding exchange always has a place.
            entry.evidence.truncate(EVIDENCE - 1);
            entry.evidence.reserve_exact(1);
            entry.evidence.push(activity.trace());
            note_flags(&mut entry.capture, activity);
        }
        running(&mut Running(Goes::Entry(entry)));
        let grown = entry.grown() && ts.since(entry.told_at) >= QUIET;
        if worse || again || grown || freed {
            entry.unit = activity.unit.filter(|_| entry.kind.comes_back());
            entry.tell(ts);
            self.give(id, ts);
        }
    }

    /// Records how something is that no single exchange shows. It is told when it is new and when it has grown worse; what
    /// else changes is kept, and told with the last words.
    pub(crate) fn state(
        &mut self,
        subject: Subject<'_>,
        severity: Severity,
        ts: Timestamp,
        draft: impl FnOnce() -> Draft,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        self.state_as((subject.kind, subject.id()), severity, ts, draft, running);
    }

    fn state_as(
        &mut self,
        (kind, id): (Kind, Id),
        severity: Severity,
        ts: Timestamp,
        draft: impl FnOnce() -> Draft,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        let known = self.entries.get(id);
        if known.is_some_and(|entry| self.declared.accepts(entry.kind, &entry.resource, ts).is_some()) {
            self.accepted += 1;
            return;
        }
        let reopened = known.is_some_and(|entry| entry.status == Status::Closed);
        let freed = known.is_some_and(|entry| self.is_freed(entry, ts));
        self.now = self.now.max(ts);
        let Some(entry) = self.entries.get_mut(id) else {
            let draft = draft();
            if self.declared.accepts(kind, &draft.resource, ts).is_some() {
                self.accepted += 1;
                return;
            }
            let mut entry = open(id, kind, severity, About::State(ts), draft);
            running(&mut Running(Goes::Entry(&mut entry)));
            entry.told_count = entry.count;
            self.entries.entry(id, || entry);
            self.give(id, ts);
            return;
        };
        entry.last_seen = entry.last_seen.max(ts.0);
        let worse = severity > entry.severity;
        entry.severity = entry.severity.max(severity);
        running(&mut Running(Goes::Entry(entry)));
        if worse || reopened || freed {
            entry.tell(ts);
            self.give(id, ts);
        }
    }

    /// Whether this was reported before.
    pub(crate) fn knows(&self, subject: Subject<'_>) -> bool {
        self.entries.get(subject.id()).is_some()
    }

    /// Whether there is any finding of these kinds.
    pub(crate) fn has_any(&self, kinds: &[Kind]) -> bool {
        self.entries
            .sorted()
            .iter()
            .any(|(_, entry)| kinds.contains(&entry.kind))
    }

    /// Gives up findings about endpoints that are told of others: they are told as closed, and are gone.
    pub(crate) fn drop_superseded(&mut self, kinds: &[Kind], superseded: impl Fn(&str, Id) -> bool) {
        let is = |entry: &Entry| {
            let about = &entry.resource;
            let id = about.endpoint.as_deref().and_then(Id::parse);
            kinds.contains(&entry.kind)
                && id
                    .zip(about.host.as_deref())
                    .is_some_and(|(id, host)| superseded(host, id))
        };
        let gone: Vec<Id> = self
            .entries
            .sorted()
            .into_iter()
            .filter(|(_, entry)| is(entry))
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            let Some(mut entry) = self.entries.remove(id) else {
                continue;
            };
            entry.tell(Timestamp(entry.last_seen));
            entry.status = Status::Closed;
            // Nobody waits for the end of what was never told.
            if entry.given == 0 || self.suppression(&entry, self.now).is_some() {
                continue;
            }
            let told = self.dressed(&entry);
            self.queue.push_back(told);
        }
    }

    /// Records that something is no longer so.
    pub(crate) fn close(&mut self, subject: Subject<'_>, ts: Timestamp) {
        self.close_as(subject.id(), ts);
    }

    /// Takes what was filed, in its order; all of it is about `activity`.
    pub(crate) fn take(&mut self, filing: Filing, activity: &Activity<'_>) {
        for filed in filing.0 {
            match filed {
                Filed::Report(as_is, severity, draft, noted) => {
                    self.report_as(
                        as_is,
                        severity,
                        activity,
                        || *draft,
                        |running| noted.put_into(running),
                    );
                }
                filed => self.take_state(filed),
            }
        }
    }

    /// Takes what was filed when there was no exchange.
    pub(crate) fn take_states(&mut self, filing: Filing) {
        filing.0.into_iter().for_each(|filed| self.take_state(filed));
    }

    fn take_state(&mut self, filed: Filed) {
        match filed {
            Filed::State(as_is, severity, ts, draft, noted) => {
                self.state_as(as_is, severity, ts, || *draft, |running| noted.put_into(running));
            }
            Filed::Close(id, ts) => self.close_as(id, ts),
            Filed::Report((kind, _), ..) => debug_assert!(false, "{kind:?} without an exchange"),
        }
    }

    fn close_as(&mut self, id: Id, ts: Timestamp) {
        let open = |entry: &Entry| entry.status != Status::Closed;
        if !self.entries.get(id).is_some_and(open) {
            return;
        }
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        entry.last_seen = entry.last_seen.max(ts.0);
        entry.tell(ts);
        entry.status = Status::Closed;
        self.give(id, ts);
    }

    /// The place of the suppression that hides a finding at a packet time.
    fn suppression(&self, entry: &Entry, ts: Timestamp) -> Option<usize> {
        let all = &self.declared.suppressions;
        if all.is_empty() {
            return None;
        }
        let principal = entry.principal.as_deref();
        all.of(&entry.id.to_string(), entry.kind, principal, &entry.resource, ts)
    }

    /// Whether it was hidden, and what hid it is over.
    fn is_unhidden(&self, entry: &Entry, ts: Timestamp) -> bool {
        entry.hidden && self.suppression(entry, ts).is_none()
    }

    /// Whether what kept it from being told is over: its suppression, or the window in which it went beyond a budget.
    fn is_freed(&self, entry: &Entry, ts: Timestamp) -> bool {
        let window = |ts| self.budgets.window(ts);
        let held = entry.held.is_some() && window(entry.told_at) < window(ts);
        held || self.is_unhidden(entry, ts)
    }

    /// Gives out a revision, unless somebody answers for it at this packet time: then it is counted.
    fn give(&mut self, id: Id, ts: Timestamp) {
        let Some(entry) = self.entries.get(id) else { return };
        let by = self.suppression(entry, ts);
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        entry.hidden = by.is_some();
        if let Some(by) = by {
            if let Some(kept_back) = self.kept_back.get_mut(by) {
                *kept_back += 1;
            }
            return;
        }
        if entry.given == 0 {
            // Nobody waits for the end of what was never told.
            if entry.status == Status::Closed || self.is_beyond(id, ts) {
                return;
            }
            let Some(entry) = self.entries.get_mut(id) else {
                return;
            };
            entry.status = Status::New;
            entry.given = ts.0.max(1);
            entry.held = None;
        }
        if let Some(entry) = self.entries.get(id) {
            let told = self.dressed(entry);
            self.queue.push_back(told);
        }
    }

    /// Whether a finding that was never told goes beyond a budget: then it is held back, and counted by a finding about that.
    fn is_beyond(&mut self, id: Id, ts: Timestamp) -> bool {
        let Some(entry) = self.entries.get(id) else {
            return false;
        };
        let (kind, severity) = (entry.kind, entry.severity);
        if kind == Kind::AlertStorm || !self.budgets.limits(severity) {
            return false;
        }
        let caller = entry.caller();
        if self.budgets.is_new(ts) {
            let window = self.budgets.window(ts);
            for (_, entry) in self.entries.sorted() {
                let told = entry.given != 0 && self.budgets.window(Timestamp(entry.given)) == window;
                if told && entry.kind != Kind::AlertStorm && self.budgets.limits(entry.severity) {
                    self.budgets.count(entry.caller(), entry.kind, entry.severity);
                }
            }
        }
        let Some(over) = self.budgets.beyond(caller, kind, severity) else {
            self.budgets.count(caller, kind, severity);
            return false;
        };
        self.hold(id, over, ts);
        true
    }

    /// Holds a finding back, and counts it in the storm of its caller or kind.
    fn hold(&mut self, id: Id, over: Over, ts: Timestamp) {
        let Some(entry) = self.entries.get(id) else { return };
        let held = entry.finding();
        let (name, of) = match (over, &held.principal) {
            (Over::Caller, Some(caller)) => ("caller", caller.id.clone()),
            _ => ("kind", held.kind.name().to_owned()),
        };
        let subject = Subject {
            kind: Kind::AlertStorm,
            parts: &[name.as_bytes(), of.as_bytes()],
            window: self.budgets.window(ts),
        };
        let storm = subject.id();
        if entry.held == Some(storm) {
            return;
        }
        let deciding = entry.evidence.last().cloned();
        if let Some(entry) = self.entries.get_mut(id) {
            entry.held = Some(storm);
        }
        self.held_back += 1;
        let is_new = self.entries.get(storm).is_none();
        if is_new {
            let mut observed = vec![("budget", name.into())];
            if name == "kind" {
                observed.push(("kind", of.into()));
            }
            let draft = Draft {
                confidence: 1.0,
                observed,
                expected: vec![("told_at_most", self.budgets.most(over).into())],
                support: vec![("window_s", self.budgets.seconds().into())],
                resource: Resource {
                    host: held
                        .resource
                        .host
                        .clone()
                        .or_else(|| Some(held.evidence.last()?.server.clone())),
                    ..Resource::default()
                },
                ..Draft::default()
            };
            let mut entry = open(storm, Kind::AlertStorm, held.severity, About::State(ts), draft);
            (entry.count, entry.told_count) = (0, 0);
            entry.first_seen = deciding.as_ref().map_or(held.first_seen, |trace| trace.ts);
            entry.last_seen = held.last_seen;
            if name == "caller" {
                entry.principal = held.principal.clone().map(Box::new);
            }
            self.entries.entry(storm, || entry);
        }
        let Some(entry) = self.entries.get_mut(storm) else {
            return;
        };
        entry.count += 1;
        entry.last_seen = entry.last_seen.max(held.last_seen);
        entry.severity = entry.severity.max(held.severity);
        let (mut observed, expected, support): (Numbers, Numbers, Numbers) =
            serde_json::from_str(&entry.numbers).unwrap_or_default();
        alert_storm::hold(&mut observed, &held);
        entry.numbers = packed(&observed, &expected, &support);
        if entry.evidence.len() < EVIDENCE
            && let Some(deciding) = deciding
        {
            entry.first_seen = entry.first_seen.min(deciding.ts);
            entry.evidence.push(deciding);
        }
        if is_new || entry.grown() {
            match is_new {
                true => entry.told_count = entry.count,
                false => entry.tell(ts),
            }
            self.give(storm, ts);
        }
    }

    /// Findings held back by budgets in this run.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back
    }

    /// The latest revision of every finding that is held back, with the id of the storm that counts it.
    pub(crate) fn held(&self) -> Vec<(Finding, String)> {
        let all = self.entries.sorted().into_iter();
        let held = |(_, entry): (Id, &Entry)| Some((self.dressed(entry), entry.held?.to_string()));
        all.filter_map(held).collect()
    }

    /// Takes the packet time up to which something is known.
    pub(crate) fn is_now(&mut self, ts: Timestamp) {
        self.now = self.now.max(ts);
    }

    /// Revisions kept back by suppressions in this run.
    pub(crate) fn kept_back(&self) -> u64 {
        self.kept_back_before + self.kept_back.iter().sum::<u64>()
    }

    /// What each suppression hides at the latest packet time.
    pub(crate) fn suppressed(&self) -> Vec<Suppressed> {
        let all = self.declared.suppressions.iter().zip(self.kept_back.iter());
        let mut out: Vec<Suppressed> = all
            .map(|(by, revisions)| Suppressed {
                by: by.clone(),
                is_over: by.is_over(self.now),
                findings: 0,
                worst: None,
                revisions: *revisions,
            })
            .collect();
        if out.is_empty() {
            return out;
        }
        for (_, entry) in self.entries.sorted() {
            if let Some(one) = self
                .suppression(entry, self.now)
                .and_then(|place| out.get_mut(place))
            {
                one.findings += 1;
                one.worst = one.worst.max(Some(entry.severity));
            }
        }
        out
    }

    /// The latest revision of every finding that is hidden, with the suppression that hides it.
    pub(crate) fn hidden(&self) -> Vec<(Finding, Suppression)> {
        if self.declared.suppressions.is_empty() {
            return Vec::new();
        }
        let all = self
            .entries
            .sorted()
            .into_iter()
            .filter(|(_, entry)| !self.is_accepted(entry));
        let hidden = |(_, entry): (Id, &Entry)| {
            let by = self
                .declared
                .suppressions
                .get(self.suppression(entry, self.now)?)?;
            Some((self.dressed(entry), by.clone()))
        };
        all.filter_map(hidden).collect()
    }

    /// Puts in what follows from the rest, and what is the same for every finding of its kind or of this sensor.
    fn dressed(&self, entry: &Entry) -> Finding {
        let mut finding = entry.finding();
        let kind = finding.kind.entry();
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<String>>();
        finding.mapping = kind
            .mapping
            .iter()
            .map(|(name, ids)| ((*name).to_owned(), owned(ids)))
            .collect();
        finding.playbook = (kind.playbook.to_owned(), owned(kind.steps));
        finding.filter = super::filter::display(&entry.evidence);
        finding.explanation = (kind.explain)(&finding);
        finding.sensor.clone_from(&self.sensor);
        finding
    }

    /// Reports of what the operator accepts.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    fn is_accepted(&self, entry: &Entry) -> bool {
        let last = Timestamp(entry.last_seen);
        self.declared.accepts(entry.kind, &entry.resource, last).is_some()
    }

    /// The latest revision of every finding kept, by first time seen, then id.
    pub(crate) fn latest(&self) -> impl Iterator<Item = Finding> {
        let mut all = self.entries.sorted();
        all.retain(|(_, entry)| {
            entry.held.is_none() && !self.is_accepted(entry) && self.suppression(entry, self.now).is_none()
        });
        all.sort_by_key(|(_, e)| e.first_seen);
        all.into_iter().map(|(_, e)| self.dressed(e))
    }

    /// Tells the last count of findings that went on after they were last told. They are made one by one as
    /// they are asked for: there may be as many as the table holds.
    pub(crate) fn finish(&mut self) {
        let grown = self
            .entries
            .sorted()
            .into_iter()
            .filter(|(_, e)| {
                (e.grown() || e.is_untold_storm() || self.is_unhidden(e, self.now)) && !self.is_accepted(e)
            })
            .map(|(id, _)| id);
        self.last_words = grown.collect();
    }

    pub(crate) fn poll(&mut self) -> Option<Finding> {
        loop {
            if let Some(finding) = self.queue.pop_front() {
                return Some(finding);
            }
            let id = self.last_words.pop_front()?;
            if let Some(entry) = self.entries.get_mut(id) {
                entry.tell(Timestamp(entry.last_seen));
                self.give(id, self.now);
            }
        }
    }
}

impl Subject<'_> {
    fn id(&self) -> Id {
        let window = self.window.to_le_bytes();
        let first: [&[u8]; 2] = [self.kind.name().as_bytes(), &window];
        // None has more parts than there is room for here, so that nothing has to be allocated.
        let mut all: [&[u8]; 10] = [&[]; 10];
        let count = self.parts.len() + first.len();
        match all.get_mut(..count) {
            Some(parts) => {
                parts[..2].copy_from_slice(&first);
                parts[2..].copy_from_slice(self.parts);
                Id::of(parts)
            }
            None => Id::of(&[&first, self.parts].concat()),
        }
    }
}

/// What a finding rests on.
#[derive(Clone, Copy)]
enum About<'a> {
    /// This exchange decides it.
    Exchange(&'a Activity<'a>),
    /// No exchange shows it; this is when it was found.
    State(Timestamp),
}

fn open(id: Id, kind: Kind, severity: Severity, about: About<'_>, draft: Draft) -> Entry {
    let mut evidence = draft.earlier;
    let mut capture = Vec::new();
    let (ts, confidence, principal) = match about {
        About::Exchange(activity) => {
            evidence.retain(|e| e.exchange != activity.exchange_id);
            evidence.truncate(EVIDENCE - 1);
            evidence.shrink_to(evidence.len() + 1);
            evidence.reserve_exact(1);
            evidence.push(activity.trace());
            note_flags(&mut capture, activity);
            let principal = draft.principal.then(|| {
                Box::new(FindingPrincipal {
                    id: activity.identity.text.to_string(),
                    kind: activity.kind,
                    name: activity.name.map(str::to_owned),
                    evidence: activity.identity.evidence.clone(),
                })
            });
            (activity.ts, lowered(draft.confidence, activity), principal)
        }
        About::State(ts) => {
            evidence.truncate(EVIDENCE);
            (ts, draft.confidence, None)
        }
    };
    let first_seen = evidence.iter().map(|e| e.ts).min().unwrap_or(ts.0);
    let unit = match about {
        About::Exchange(activity) => activity.unit.filter(|_| kind.comes_back()),
        About::State(_) => None,
    };
    Entry {
        id,
        unit,
        told_count: 1,
        told_at: ts,
        count: 1,
        revision: 1,
        status: Status::New,
        kind,
        severity,
        confidence,
        first_seen,
        last_seen: ts.0.max(first_seen),
        detected_at: ts.0,
        title: draft.title.and_then(|title| own_title(kind, &title)),
        principal,
        resource: draft.resource,
        numbers: packed(
            &named(draft.observed),
            &named(draft.expected),
            &named(draft.support),
        ),
        running: Vec::new(),
        evidence,
        capture,
        reach: None,
        hidden: false,
        given: 0,
        held: None,
    }
}

impl Entry {
    /// Takes over what the unit of work reached in which it is reported, the first time.
    fn reach(&mut self, unit: Option<&mut OfUnit>) {
        let Some(unit) = unit.filter(|_| self.kind.has_reach()) else {
            return;
        };
        if !unit.tell(self.id) {
            // Of the unit it knows, or it is one of too many: then the first one stands for it.
            self.reach.get_or_insert_with(|| Box::new(unit.reach.clone()));
            return;
        }
        match &mut self.reach {
            Some(reach) => reach.merge(&unit.reach),
            none => *none = Some(Box::new(unit.reach.clone())),
        }
    }

    /// Packet time that has to go by until another unit of so many calls is another episode.
    fn pause(&self, calls: u32) -> Duration {
        match calls {
            TASK.. => NEXT,
            _ => (NEXT * self.revision).min(EPISODE),
        }
    }

    /// Whom it is about.
    fn caller(&self) -> Option<Id> {
        self.principal.as_deref().and_then(|caller| Id::parse(&caller.id))
    }

    /// Whether it is a storm that has grown since it was told.
    fn is_untold_storm(&self) -> bool {
        self.kind == Kind::AlertStorm && self.count > self.told_count
    }

    /// Whether the count alone is worth another revision.
    fn grown(&self) -> bool {
        let storm = self.kind == Kind::AlertStorm;
        let times = if storm || self.kind.is_done() { 2 } else { 10 };
        self.count >= self.told_count.saturating_mul(times)
    }

    /// Makes the next revision.
    fn tell(&mut self, ts: Timestamp) {
        self.revision += 1;
        self.status = Status::Updated;
        self.told_count = self.count;
        self.told_at = ts;
    }

    /// The finding, without what follows from its kind and from the evidence.
    fn finding(&self) -> Finding {
        let title = self.title.as_deref().unwrap_or(self.kind.entry().title);
        let (mut observed, mut expected, mut support): (Numbers, Numbers, Numbers) =
            serde_json::from_str(&self.numbers).unwrap_or_default();
        for (part, name, value) in &self.running {
            let numbers = match part {
                Part::Observed => &mut observed,
                Part::Expected => &mut expected,
                Part::Support => &mut support,
            };
            numbers.insert((*name).to_owned(), value.clone());
        }
        Finding {
            id: self.id.to_string(),
            revision: self.revision,
            count: self.count,
            status: self.status,
            kind: self.kind,
            title: title.to_owned(),
            severity: self.severity,
            confidence: self.confidence,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            detected_at: self.detected_at,
            principal: self.principal.as_deref().cloned(),
            resource: self.resource.clone(),
            explanation: String::new(),
            observed,
            expected,
            support,
            blast_radius: self.reach.as_ref().map(|reach| reach.numbers()),
            evidence: self.evidence.iter().map(Into::into).collect(),
            filter: String::new(),
            mapping: Vec::new(),
            playbook: Default::default(),
            capture: self.capture.clone(),
            sensor: Default::default(),
        }
    }
}

fn named(pairs: Vec<(&'static str, Value)>) -> Numbers {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn note_flags(capture: &mut Vec<String>, activity: &Activity<'_>) {
    for name in activity.exchange.flags.names() {
        if !capture.iter().any(|c| c == name) {
            capture.push(name.to_owned());
        }
    }
    capture.sort_unstable();
}

/// A fifth less for each way in which the deciding exchange was damaged.
fn lowered(confidence: f64, activity: &Activity<'_>) -> f64 {
    use reassembly::Flags;
    let harm = [Flags::GAP, Flags::TRUNCATED, Flags::CONFLICT, Flags::MIDSTREAM];
    let harmed = harm
        .iter()
        .filter(|f| activity.exchange.flags.contains(**f))
        .count();
    (confidence * 0.8f64.powi(harmed as i32) * 100.0).round() / 100.0
}
