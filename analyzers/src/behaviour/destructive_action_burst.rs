//! # `destructive_action_burst`: one task changes many things that it never looked at
//!
//! Counts, in each unit of work, the distinct objects that are changed (created below, updated, cancelled, deleted; the server did it) although no
//! answer of that unit had shown them and no earlier call of it had named them. Work looks at a thing, or is told of one, and
//! then changes it; three things changed blindly in one task, and more than twice as many as ever in one task of this caller (of its
//! group while it has no past) with a chance below one in ten thousand, make a finding.
//!
//! Medium; high from ten objects on.
//!
//! Source: OWASP API6:2023; ASI02:2026, ASI08:2026; MITRE ATT&CK T1485; ATLAS AML.T0101.
//!
//! Blind to: changes of one object over and over; objects that a listing showed before; calls that name no object in path, query or
//! arguments; the time before anything was learned.
//!
//! Quiet when: objects were listed or read before in the same task; a job changes as many on other days; changes are refused.

use serde_json::json;

use super::activity::Activity;
use super::doing::{Unit, note, push};
use super::habits::{Habits, count_of};
use super::objects::Object;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};

/// Objects of one task from which on it matters more.
const MANY: usize = 10;

/// Objects remembered of one task.
const OBJECTS: usize = 256;

/// Looks at one exchange that names an object. `explained`: an answer had shown it.
pub(super) fn observe(
    activity: &Activity<'_>,
    unit: &mut Unit,
    (object, explained): (Object, bool),
    (own, group): (&Habits, &Habits),
    ledger: &mut Ledger,
) {
    if !activity.accepted() || super::failure::says_error(activity) {
        return;
    }
    let known = unit.meets(object.last);
    if explained || known || !activity.changes_state() {
        return;
    }
    push(&mut unit.changed, object.last, OBJECTS);
    let count = unit.changed.len();
    let least = activity.thresholds.changed_objects;
    let usual = count_of(Some(&own.changes), Some(&group.changes), 2.0);
    let Some(usual) = usual.filter(|usual| count as u64 >= least && count as f64 >= usual.beyond) else {
        note(&mut unit.changes, || activity.trace());
        return;
    };
    let severity = match count {
        MANY.. => Severity::High,
        _ => Severity::Medium,
    };
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::DestructiveActionBurst,
        parts: &parts,
        window: day(unit.first),
    };
    let draft = || Draft {
        confidence: if usual.peers { 0.75 } else { 0.85 },
        principal: true,
        resource: activity.resource(),
        expected: vec![
            ("mean", json!((usual.mean * 100.0).round() / 100.0)),
            ("most_seen", json!(usual.most.round())),
            ("fewer_than", json!(usual.beyond.max(least as f64).ceil())),
        ],
        support: vec![("units", json!(usual.learned)), ("of_peers", json!(usual.peers))],
        earlier: unit.changes.clone(),
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.count(count as u64);
        running.observed("objects", count);
        running.observed("calls", unit.calls);
        running.observed("seconds", unit.last.since(unit.first).as_secs());
    });
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |all: &serde_json::Map<String, serde_json::Value>, name: &str| {
        all.get(name).and_then(serde_json::Value::as_f64).unwrap_or(0.0)
    };
    let whose = match finding
        .support
        .get("of_peers")
        .and_then(serde_json::Value::as_bool)
    {
        Some(true) => "callers of its sort",
        _ => "it",
    };
    sentence(&format!(
        "In one task of {}, {} changed {} that nothing in that task had shown or named before, the last of them by {}. In {} before, \
         {whose} changed {:.1} in the mean and at most {:.0}.",
        span(finding.observed_number("seconds")),
        finding.who(),
        many(finding.observed_number("objects"), "object", "objects"),
        finding.place(),
        many(number(&finding.support, "units") as u64, "task", "tasks"),
        number(&finding.expected, "mean"),
        number(&finding.expected, "most_seen"),
    ))
}
