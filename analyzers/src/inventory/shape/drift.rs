//! # `schema_drift`: an endpoint no longer takes or gives what it did
//!
//! Reports, of an endpoint that is learned (`learning.exchanges` over `learning.period`, here of the endpoint's own exchanges), a
//! field of its bodies that is new, that is gone although it was always there, or that has another type; a new parameter; and a
//! first body of responses of another class of status. What is missing from an answer or has another type there is *breaking*;
//! what is added is *additive*, and so is all that requests have, since the server accepted it.
//!
//! Source: requirement R63 of the field (contract change); OWASP API9:2023, improper inventory management.
//!
//! Blind to: what changes while an endpoint is learned; values that keep their type; `null` in place of a value or the other way
//! round, and a fraction where numbers were whole, which data does by itself; what lists that were always empty hold; names that
//! are data.
//!
//! Quiet when: it was seen fewer than three times, or by one caller only within an hour; of one caller it needs ten times and an
//! hour. A field is gone after twenty answers without it, by more than one caller where there are several, and none with it between
//! them. One finding a day and endpoint lists all that changed; each change is told once and is as it should be from then on.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::{Body, Notes};
use super::content::Form;
use super::params::{ParameterPlace, Parameters};
use super::view::{Side, is_required};
use super::walk::Kind;
use super::{FieldType, Shape};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind as FindingKind, Severity};
use crate::id::Seed;
use crate::inventory::endpoint::Seen;

/// Times that something new is seen before it is told.
const REPEATED: u32 = 3;

/// The same when all are of one caller.
const REPEATED_ALONE: u32 = 10;

/// Answers without a field before it is gone.
const GONE: u32 = 20;

/// Seconds over which one caller must show it.
const OVER: u32 = 3600;

/// Changes watched at once; the one seen least makes way.
const WATCHED: usize = 16;

/// Changes that a finding lists.
const TOLD: usize = 32;

/// Exchanges kept as evidence of a change.
const TRACES: usize = 3;

/// Exchanges in which a body is watched for being new.
pub(super) const NEW_BODY_WATCHED: u32 = 64;

/// What learning takes: settings of the analysis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learning {
    pub(crate) seed: Seed,
    pub(crate) exchanges: u64,
    /// In seconds.
    pub(crate) period: u64,
}

/// Who called.
pub(super) struct Caller<'a> {
    pub(super) id: u64,
    /// Callers of the endpoint.
    pub(super) of: usize,
    pub(super) seen: &'a Seen<'a>,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum What {
    /// A field, by the hash of its path, of these kinds.
    New(u64),
    /// A field is no longer there; it had been there in so many exchanges before.
    Gone(u64, u32),
    Parameter(ParameterPlace, Box<str>),
    /// A body of this side and form.
    Body,
}

impl What {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gone(a, _), Self::Gone(b, _)) => a == b,
            _ => self == other,
        }
    }
}

/// A change that was seen and is not told yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    place: (Side, Form),
    what: What,
    kinds: u8,
    seen: u32,
    /// The first to show it, and whether others did.
    caller: u64,
    others: bool,
    first: u32,
    last: u32,
    traces: Vec<Trace>,
}

impl Item {
    fn is_due(&self, callers: usize) -> bool {
        let over = self.last.saturating_sub(self.first) >= OVER;
        match self.what {
            What::Gone(..) => self.seen >= GONE && (self.others || callers <= 1 && over),
            _ => self.seen >= REPEATED && (self.others || self.seen >= REPEATED_ALONE && over),
        }
    }
}

/// A change, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// `request`, `response 2xx`, `query`, `header`, `cookie`.
    #[serde(rename = "in")]
    place: String,
    path: String,
    /// `added`, `removed`, `retyped`, `first_body`.
    change: String,
    before: String,
    after: String,
    breaking: bool,
    /// Exchanges that showed it when it was told.
    exchanges: u32,
    /// Seconds since 1970.
    at: u32,
}

/// What is to be told of an endpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drift {
    /// All changes of this day.
    changes: Vec<Change>,
    /// Exchanges that led to those which are new.
    traces: Vec<Trace>,
    /// Exchanges of the endpoint that they are held against.
    exchanges: u32,
}

/// What is watched of an endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    /// When the endpoint was learned; zero while it is not.
    pub(super) learned: u32,
    items: Vec<Item>,
    /// Changes told, of one day.
    told: Vec<Change>,
    #[serde(skip)]
    pub(super) due: Option<Box<Drift>>,
}

impl Watch {
    /// Counts a change; gives it back when it is to be told.
    fn see(
        &mut self,
        place: (Side, Form),
        what: What,
        kinds: u8,
        at: u32,
        caller: &Caller<'_>,
    ) -> Option<Item> {
        let found = self
            .items
            .iter()
            .position(|item| item.place == place && item.what.is_same(&what));
        let n = match found {
            Some(n) => n,
            None => {
                if self.items.len() >= WATCHED {
                    let rank = |n: &usize| {
                        let item = &self.items[*n];
                        (item.others, item.seen, item.last, &item.what)
                    };
                    let least = (0..self.items.len()).min_by(|a, b| rank(a).cmp(&rank(b)))?;
                    self.items.swap_remove(least);
                }
                self.items.push(Item {
                    place,
                    what,
                    kinds: 0,
                    seen: 0,
                    caller: caller.id,
                    others: false,
                    first: at,
                    last: at,
                    traces: Vec::new(),
                });
                self.items.len() - 1
            }
        };
        let item = &mut self.items[n];
        item.seen = item.seen.saturating_add(1);
        item.kinds |= kinds;
        item.others |= item.caller != caller.id;
        item.first = item.first.min(at);
        item.last = item.last.max(at);
        if item.traces.len() < TRACES
            && let Some(trace) = caller.seen.evidence()
        {
            item.traces.reserve_exact(1);
            item.traces.push(*trace);
        }
        item.is_due(caller.of).then(|| self.items.swap_remove(n))
    }

    /// Begins to watch for a field's return anew.
    fn again(&mut self, mut item: Item, had: u32) {
        if let What::Gone(hash, _) = item.what {
            item.what = What::Gone(hash, had);
            (item.seen, item.others, item.first) = (0, false, item.last);
            item.traces.clear();
            self.items.push(item);
        }
    }

    fn tell(&mut self, item: Item, change: Change, exchanges: u32) {
        let of_day = |at: u32| at / 86_400;
        self.told.retain(|told| of_day(told.at) == of_day(change.at));
        if self.told.len() < TOLD {
            self.told.push(change);
        }
        let due = self.due.get_or_insert_with(|| {
            Box::new(Drift {
                changes: Vec::new(),
                traces: Vec::new(),
                exchanges,
            })
        });
        due.changes.clone_from(&self.told);
        due.traces.extend(item.traces);
        due.exchanges = due.exchanges.max(exchanges);
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.learned = match (self.learned, other.learned) {
            (0, n) | (n, 0) => n,
            (a, b) => a.min(b),
        };
        for theirs in other.items {
            let room = self.items.len() < WATCHED;
            match self
                .items
                .iter_mut()
                .find(|item| item.place == theirs.place && item.what.is_same(&theirs.what))
            {
                Some(mine) => {
                    mine.seen = mine.seen.saturating_add(theirs.seen);
                    mine.others |= theirs.others || mine.caller != theirs.caller;
                    mine.first = mine.first.min(theirs.first);
                    mine.last = mine.last.max(theirs.last);
                    mine.kinds |= theirs.kinds;
                }
                None if room => self.items.push(theirs),
                None => {}
            }
        }
        for told in other.told {
            if self.told.len() < TOLD && !self.told.contains(&told) {
                self.told.push(told);
            }
        }
    }
}

/// Decides what is learned from here on.
pub(super) fn review(shape: &mut Shape, learn: Learning, at: u32) {
    let parameters = &shape.parameters;
    let over = parameters.times.1.saturating_sub(parameters.times.0);
    if u64::from(parameters.requests) >= learn.exchanges && u64::from(over) >= learn.period {
        let watch = shape.watch.get_or_insert_default();
        if watch.learned == 0 {
            watch.learned = at.max(1);
        }
    }
    for (_, _, body) in &mut shape.bodies {
        body.review(learn.exchanges, learn.period, is_required);
    }
}

/// Takes parameters that were not there when the endpoint was learned.
pub(super) fn parameters(
    watch: &mut Option<Box<Watch>>,
    all: &mut Parameters,
    news: &[u16],
    at: u32,
    caller: &Caller<'_>,
) {
    let Some(watch) = watch.as_mut().filter(|watch| watch.learned > 0) else {
        return;
    };
    for place in news {
        let Some(parameter) = all.get(*place) else {
            continue;
        };
        let (stands, name) = (parameter.place, parameter.name.clone());
        let what = What::Parameter(stands, name.clone());
        let Some(item) = watch.see((Side::Request, Form::Urlencoded), what, 0, at, caller) else {
            continue;
        };
        let change = Change {
            place: stands.name().to_owned(),
            path: name.to_string(),
            change: "added".to_owned(),
            before: format!("in none of {}", all.requests.saturating_sub(item.seen)),
            after: format!("in {}", many(item.seen.into(), "request", "requests")),
            breaking: false,
            exchanges: item.seen,
            at,
        };
        all.accept(stands, &name);
        watch.tell(item, change, all.requests);
    }
}

/// Takes a body of a side and form that the endpoint had not when it was learned. `since` is when it was first seen.
pub(super) fn new_body(
    watch: &mut Option<Box<Watch>>,
    place: (Side, Form),
    since: u32,
    at: u32,
    caller: &Caller<'_>,
) {
    let Some(watch) = watch
        .as_mut()
        .filter(|watch| watch.learned > 0 && since > watch.learned)
    else {
        return;
    };
    let change = |item: &Item| Change {
        place: place.0.name(),
        path: String::new(),
        change: "first_body".to_owned(),
        before: "none".to_owned(),
        after: format!("{} in {} exchanges", place.1.name(), item.seen),
        breaking: false,
        exchanges: item.seen,
        at,
    };
    if watch
        .told
        .iter()
        .any(|told| told.change == "first_body" && told.place == place.0.name())
    {
        return;
    }
    if let Some(item) = watch.see(place, What::Body, 0, at, caller) {
        let change = change(&item);
        watch.tell(item, change, 0);
    }
}

/// Takes what an exchange showed of a learned body that is not as it was.
pub(super) fn fields(
    watch: &mut Option<Box<Watch>>,
    place: (Side, Form),
    body: &mut Body,
    notes: &Notes,
    at: u32,
    caller: &Caller<'_>,
) {
    if notes.news.is_empty() && notes.lacks.is_empty() {
        return;
    }
    let watch = watch.get_or_insert_default();
    for (hash, kinds) in &notes.news {
        let Some(item) = watch.see(place, What::New(*hash), *kinds, at, caller) else {
            continue;
        };
        let Some(n) = body.fields.iter().position(|field| field.hash == *hash) else {
            continue;
        };
        let known = body.fields[n].known;
        let retyped = known != 0;
        let change = Change {
            place: place.0.name(),
            path: body.path(n),
            change: if retyped { "retyped" } else { "added" }.to_owned(),
            before: match retyped {
                true => types(known),
                false => format!("in none of {}", body.exchanges.saturating_sub(item.seen)),
            },
            after: format!(
                "{} in {}",
                types(item.kinds),
                many(item.seen.into(), "exchange", "exchanges")
            ),
            breaking: retyped && place.0 != Side::Request,
            exchanges: item.seen,
            at,
        };
        body.accept(*hash, item.kinds, false);
        watch.tell(item, change, body.exchanges);
    }
    for hash in &notes.lacks {
        let had = |body: &Body| {
            body.fields
                .iter()
                .find(|field| field.hash == *hash)
                .map_or(0, |field| field.every)
        };
        let watched = watch
            .items
            .iter()
            .any(|item| item.place == place && matches!(item.what, What::Gone(h, _) if h == *hash));
        if !watched {
            // From here on it is counted how often it is there.
            body.settle();
        }
        let Some(item) = watch.see(place, What::Gone(*hash, had(body)), 0, at, caller) else {
            continue;
        };
        body.settle();
        let now = had(body);
        if matches!(item.what, What::Gone(_, before) if before != now) {
            watch.again(item, now);
            continue;
        }
        let Some(n) = body.fields.iter().position(|field| field.hash == *hash) else {
            continue;
        };
        let change = Change {
            place: place.0.name(),
            path: body.path(n),
            change: "removed".to_owned(),
            before: format!("{} in {now} exchanges", types(body.fields[n].kinds)),
            after: format!("in none of the last {}", item.seen),
            breaking: place.0 != Side::Request,
            exchanges: item.seen,
            at,
        };
        body.accept(*hash, 0, true);
        watch.tell(item, change, body.exchanges);
    }
}

/// Types of JSON Schema, joined.
fn types(kinds: u8) -> String {
    let names: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| kinds & kind.bit() != 0)
        .map(|kind| FieldType::from(kind).name())
        .collect();
    names.join(" or ")
}

/// Reports what is to be told.
pub(crate) fn observe(activity: &Activity<'_>, drift: &Drift, ledger: &mut Ledger) {
    let Some(endpoint) = activity.endpoint else { return };
    let breaking = drift.changes.iter().filter(|change| change.breaking).count();
    let additive = drift.changes.len() - breaking;
    let severity = if breaking > 0 {
        Severity::Medium
    } else {
        Severity::Info
    };
    let id = endpoint.id.to_string();
    let subject = Subject {
        kind: FindingKind::SchemaDrift,
        parts: &[id.as_bytes(), b"learned"],
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence: 0.8,
        resource: activity.resource(),
        observed: vec![("basis", json!("traffic"))],
        expected: vec![("changes", json!(0))],
        earlier: drift.traces.clone(),
        ..Draft::default()
    };
    let seen: u64 = drift
        .changes
        .iter()
        .map(|change| u64::from(change.exchanges))
        .sum();
    ledger.report(subject, severity, activity, draft, |running| {
        running.count(seen);
        running.observed("breaking", breaking as u64);
        running.observed("additive", additive as u64);
        running.observed("changes", json!(drift.changes));
        running.support("exchanges", drift.exchanges);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    if finding.observed_text("basis") == "specification" {
        return crate::inventory::compare::contract::explain(finding);
    }
    let empty = Vec::new();
    let changes = finding
        .observed
        .get("changes")
        .and_then(Value::as_array)
        .unwrap_or(&empty);
    let text = |change: &Value, name: &str| change.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let named = |change: &Value| {
        let [path, place, kind, before, after] =
            ["path", "in", "change", "before", "after"].map(|name| text(change, name));
        let what = match kind.as_str() {
            "added" => "is new",
            "removed" => "is gone",
            "retyped" => "has another type",
            _ => "has a body for the first time",
        };
        let subject = if path.is_empty() {
            format!("the {place}")
        } else {
            format!("{path} of the {place}")
        };
        format!("{subject} {what} ({after}; before {before})")
    };
    let mut order: Vec<&Value> = changes.iter().collect();
    order.sort_by_key(|change| change.get("breaking").and_then(Value::as_bool) != Some(true));
    let shown: Vec<String> = order.iter().take(3).map(|change| named(change)).collect();
    let rest = order.len().saturating_sub(shown.len());
    let more = if rest > 0 {
        format!("; and {}", many(rest as u64, "other change", "other changes"))
    } else {
        String::new()
    };
    let breaking = finding
        .observed
        .get("breaking")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let kind = if breaking > 0 { "breaking" } else { "additive" };
    sentence(&format!(
        "{} changed after it was learned ({kind}, seen {}): {}{more}.",
        finding.place(),
        many(finding.count, "time", "times"),
        shown.join("; "),
    ))
}
