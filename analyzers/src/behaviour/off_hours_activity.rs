//! # `off_hours_activity`: at work when neither it nor its like ever were
//!
//! Keeps, for each principal, in which hours of the day it was ever at work, and for each host, in which hours more than one caller was,
//! of the same sort and of any. A call is odd when the principal has been watched for at least five days with calls, was never at work in that
//! hour nor in one beside it, and its like were not either. Ten odd calls of one unit of work make a finding. An hour that comes
//! back on a third day is its way from then on.
//!
//! Medium for agents and services, high from a hundred calls on; low for people, who work late, and for callers of unknown sort.
//!
//! Source: OWASP ASI10:2026; MITRE ATT&CK T1078; requirement of analysts that "valid token, 3 a.m." is a question worth asking.
//!
//! Blind to: misuse in the usual hours; callers that never rest; a thief who keeps to office hours.
//!
//! Quiet when: others of its sort are at work then (a deadline, a shift, a job that is run by hand during the day); a few calls
//! only; the principal is not known for five days.

use serde_json::json;

use super::activity::Activity;
use super::doing::{Unit, note};
use super::habits::Group;
use super::hours::Hours;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;

/// Days with calls before hours are judged.
const DAYS: u16 = 5;

/// Odd calls of one unit from which on it matters more.
const MANY: u32 = 100;

/// Whether the hour of a call is not usual.
pub(super) fn is_odd(activity: &Activity<'_>, own: &Hours, groups: [Option<&Group>; 2]) -> bool {
    own.days() >= DAYS
        && !own.knows(activity.ts)
        && !groups
            .iter()
            .flatten()
            .any(|group| group.habits.hours.knows_several(activity.ts))
}

/// Looks at one exchange whose hour is not usual.
pub(super) fn observe(activity: &Activity<'_>, unit: &mut Unit, own: &Hours, ledger: &mut Ledger) {
    unit.odd = unit.odd.saturating_add(1);
    if u64::from(unit.odd) < activity.thresholds.off_hours_calls {
        note(&mut unit.odd_trail, || activity.trace());
        return;
    }
    let severity = match activity.kind {
        PrincipalKind::AiAgent | PrincipalKind::Service if unit.odd >= MANY => Severity::High,
        PrincipalKind::AiAgent | PrincipalKind::Service => Severity::Medium,
        _ => Severity::Low,
    };
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::OffHoursActivity,
        parts: &parts,
        window: day(unit.first),
    };
    let draft = || Draft {
        confidence: 0.8,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![("hour_utc", json!(activity.ts.seconds() / 3600 % 24))],
        expected: vec![("calls", json!(0)), ("days_by_hour", json!(own.by_hour()))],
        earlier: unit.odd_trail.clone(),
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.count(unit.odd.into());
        running.observed("calls", unit.odd);
        running.observed("seconds", unit.last.since(unit.first).as_secs());
        running.support("days", own.days());
    });
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let support = finding.support.get("days").and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "{} made {} to {} within {} in the hour from {:02}:00 UTC. On the {} on which it was at work before, neither it nor more \
         than one of those that are like it ever called at that time.",
        finding.who(),
        many(finding.observed_number("calls"), "call", "calls"),
        finding.place(),
        span(finding.observed_number("seconds")),
        finding.observed_number("hour_utc"),
        many(support.unwrap_or(0), "day", "days"),
    ))
}
