//! The ledger: one entry per thing found, however often it is seen.
//!
//! A detector reports each time it sees something. The first report makes revision 1. Later ones raise the
//! count, and become a further revision only when there is something to say: the severity rose, or the
//! count has doubled and an hour of packet time has gone by.
//!
//! A finding is about its deciding exchange: the first that was reported, or the one with which the severity rose.
//! Resource and [`Draft`] are of that one. Numbers that go on with every report are [`Running`].

use std::collections::VecDeque;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Evidence, Finding, FindingPrincipal, Kind, Resource, Severity, Status};
use crate::behaviour::Activity;
use crate::id::Id;
use crate::settings::Settings;
use crate::store::{Row, Store};

/// Evidence of one finding: the first exchange, the deciding one, and examples.
pub(crate) const EVIDENCE: usize = 10;

/// Up to this many, repeats add themselves as examples; the rest of the room is for what led to the first one.
const EXAMPLES: usize = 5;

/// Packet time between two revisions that say no more than a higher count.
const QUIET: Duration = Duration::from_secs(3600);

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
    pub(crate) earlier: Vec<Evidence>,
}

/// The numbers of a finding that go on with every report.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a mut Finding);

impl Running<'_> {
    /// The finding stands for this many exchanges, by the detector's own count.
    pub(crate) fn count(&mut self, count: u64) {
        self.0.count = self.0.count.max(count);
    }

    /// Exchanges reported so far.
    pub(crate) fn seen(&self) -> u64 {
        self.0.count
    }

    /// A number seen.
    pub(crate) fn observed(&mut self, name: &str, value: impl Into<Value>) {
        put(&mut self.0.observed, name, value.into());
    }

    /// A number that would have been usual.
    pub(crate) fn expected(&mut self, name: &str, value: impl Into<Value>) {
        put(&mut self.0.expected, name, value.into());
    }

    /// A number that tells on how much it rests.
    pub(crate) fn support(&mut self, name: &str, value: impl Into<Value>) {
        put(&mut self.0.support, name, value.into());
    }
}

fn put(numbers: &mut Map<String, Value>, name: &str, value: Value) {
    match numbers.get_mut(name) {
        Some(old) => *old = value,
        None => {
            numbers.insert(name.to_owned(), value);
        }
    }
}

/// A finding and what was said of it last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) finding: Finding,
    told_count: u64,
    #[serde(with = "crate::store::nanos")]
    told_at: Timestamp,
}

impl Row for Entry {
    fn worth(&self) -> (bool, Timestamp) {
        (true, Timestamp(self.finding.last_seen))
    }
}

/// All findings kept.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) entries: Store<Entry>,
    queue: VecDeque<Finding>,
    /// Findings to be told once more because the input is over.
    last_words: VecDeque<Id>,
    sensor: (String, String),
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
            entries: Store::new(settings.max_findings),
            queue: VecDeque::new(),
            last_words: VecDeque::new(),
            sensor: (settings.sensor_name.clone(), settings.sensor_version.clone()),
        }
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
        let window = subject.window.to_le_bytes();
        let mut parts: Vec<&[u8]> = Vec::with_capacity(subject.parts.len() + 2);
        parts.push(subject.kind.name().as_bytes());
        parts.push(&window);
        parts.extend_from_slice(subject.parts);
        let id = Id::of(&parts);
        let ts = activity.ts;
        let Some(entry) = self.entries.get_mut(id) else {
            let mut finding = self.open(id, subject.kind, severity, activity, draft());
            running(&mut Running(&mut finding));
            self.queue.push_back(self.dressed(finding.clone()));
            self.entries.entry(id, || Entry {
                told_count: finding.count,
                finding,
                told_at: ts,
            });
            return;
        };
        let finding = &mut entry.finding;
        finding.count += 1;
        finding.first_seen = finding.first_seen.min(ts.0);
        finding.last_seen = finding.last_seen.max(ts.0);
        let worse = severity > finding.severity;
        if finding.evidence.len() < EXAMPLES || worse {
            // The deciding exchange always has a place.
            finding.evidence.truncate(EVIDENCE - 1);
            finding.evidence.reserve_exact(1);
            finding.evidence.push(activity.evidence());
            note_flags(&mut finding.capture, activity);
        }
        if worse {
            let draft = draft();
            finding.severity = severity;
            finding.confidence = finding.confidence.max(lowered(draft.confidence, activity));
            finding.detected_at = ts.0;
            finding.resource = draft.resource;
            finding.observed = named(draft.observed);
            finding.expected = named(draft.expected);
            finding.support = named(draft.support);
        }
        running(&mut Running(finding));
        if worse || (finding.count >= entry.told_count.saturating_mul(2) && ts.since(entry.told_at) >= QUIET)
        {
            let told = entry.tell(ts);
            self.queue.push_back(self.dressed(told));
        }
    }

    /// Puts in what follows from the rest, and what is the same for every finding of its kind or of this sensor.
    fn dressed(&self, mut finding: Finding) -> Finding {
        let entry = finding.kind.entry();
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<String>>();
        finding.mapping = entry
            .mapping
            .iter()
            .map(|(name, ids)| ((*name).to_owned(), owned(ids)))
            .collect();
        finding.playbook = (entry.playbook.to_owned(), owned(entry.steps));
        finding.filter = super::filter::display(&finding.evidence);
        finding.explanation = (entry.explain)(&finding);
        finding.sensor.clone_from(&self.sensor);
        finding
    }

    /// The latest revision of every finding kept, by first time seen, then id.
    pub(crate) fn latest(&self) -> Vec<Finding> {
        let rows = self.entries.sorted();
        let mut all: Vec<_> = rows
            .into_iter()
            .map(|(_, e)| self.dressed(e.finding.clone()))
            .collect();
        all.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        all
    }

    fn open(&self, id: Id, kind: Kind, severity: Severity, activity: &Activity<'_>, draft: Draft) -> Finding {
        let entry = kind.entry();
        let mut evidence = draft.earlier;
        evidence.retain(|e| e.exchange != activity.exchange_id);
        evidence.truncate(EVIDENCE - 1);
        evidence.shrink_to(evidence.len() + 1);
        evidence.push(activity.evidence());
        let first_seen = evidence.iter().map(|e| e.ts).min().unwrap_or(activity.ts.0);
        let mut capture = Vec::new();
        note_flags(&mut capture, activity);
        Finding {
            id: id.to_string(),
            revision: 1,
            count: 1,
            status: Status::New,
            kind,
            title: draft.title.unwrap_or_else(|| entry.title.to_owned()),
            severity,
            confidence: lowered(draft.confidence, activity),
            first_seen,
            last_seen: activity.ts.0.max(first_seen),
            detected_at: activity.ts.0,
            principal: draft.principal.then(|| FindingPrincipal {
                id: activity.identity.text.to_string(),
                kind: activity.kind,
                name: activity.name.map(str::to_owned),
                evidence: activity.identity.evidence.clone(),
            }),
            resource: draft.resource,
            // Follows from the numbers; put in when a finding is given out.
            explanation: String::new(),
            observed: named(draft.observed),
            expected: named(draft.expected),
            support: named(draft.support),
            // Follows from the evidence; put in when a finding is given out.
            filter: String::new(),
            evidence,
            // The same for every finding of the kind; put in when a finding is given out.
            mapping: Vec::new(),
            playbook: Default::default(),
            capture,
            sensor: Default::default(),
        }
    }

    /// Tells the last count of findings that went on after they were last told. They are made one by one as
    /// they are asked for: there may be as many as the table holds.
    pub(crate) fn finish(&mut self) {
        let grown = self
            .entries
            .sorted()
            .into_iter()
            .filter(|(_, e)| e.finding.count >= e.told_count.saturating_mul(2))
            .map(|(id, _)| id);
        self.last_words = grown.collect();
    }

    pub(crate) fn poll(&mut self) -> Option<Finding> {
        if let Some(finding) = self.queue.pop_front() {
            return Some(finding);
        }
        let id = self.last_words.pop_front()?;
        let entry = self.entries.get_mut(id)?;
        let told = entry.tell(Timestamp(entry.finding.last_seen));
        Some(self.dressed(told))
    }
}

impl Entry {
    /// The next revision.
    fn tell(&mut self, ts: Timestamp) -> Finding {
        self.finding.revision += 1;
        self.finding.status = Status::Updated;
        self.told_count = self.finding.count;
        self.told_at = ts;
        self.finding.clone()
    }
}

fn named(pairs: Vec<(&'static str, Value)>) -> Map<String, Value> {
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
