//! # `sequence_anomaly`: permitted calls in an order that is not the caller's
//!
//! Learns, for each caller and for its group, which operation follows which two others in a task (a Markov model with Witten and Bell's
//! estimate for what never came). A call surprises by as many bits as its chance has, by the model that it surprises less. Each
//! task sums up by how much its calls surprise more than those of the past did: a cumulative sum that loses half a deviation and half a bit
//! with each call and never goes below zero. Sixty bits make a finding: calls that go to operations at random reach them within
//! fifty, however permitted each is.
//!
//! Medium; high at three times as much.
//!
//! Source: OWASP API6:2023; ASI01:2026, ASI02:2026; Page, Biometrika 41, 1954 (CUSUM); Witten and Bell 1991.
//!
//! Blind to: misuse that keeps to the usual order; a few strange calls; callers with fewer than two hundred calls whose group has fewer than
//! a thousand; operations that nobody ever called before count as one surprise, not as proof.
//!
//! Quiet when: the same calls come in the order that was learned, however many; a task does something new and goes on as usual.

use serde_json::json;

use super::activity::Activity;
use super::doing::{Unit, note};
use super::habits::Habits;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;

/// Calls learned from which on an order is known: of a caller, and of its group.
const OWN: u32 = 200;
const GROUP: u32 = 1000;

/// Calls of one task below which nothing is told.
const LEAST: u32 = 10;

/// Operations of one task that are learned.
const LEARNED: usize = 256;

/// No call surprises more: what is new is new once.
const MOST: f64 = 10.0;

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    unit: &mut Unit,
    (own, group): (&mut Habits, &Habits),
    learned: bool,
    ledger: &mut Ledger,
) {
    let Some(endpoint) = activity.endpoint.filter(|e| !e.is_static) else {
        return;
    };
    let next = (endpoint.id.short() as u32 >> 1).max(1);
    let before = unit.before;
    let models = [(&own.sequence, OWN), (&group.sequence, GROUP)];
    let known = models.iter().filter(|(model, least)| model.learned() >= *least);
    let surprise = known
        .map(|(model, _)| model.surprise(before, next).min(MOST))
        .reduce(f64::min);
    unit.before = [before[1], next];
    if unit.order.len() < LEARNED {
        unit.order.push(next);
    }
    let Some(surprise) = surprise.filter(|_| learned && activity.kind != PrincipalKind::Human) else {
        return;
    };
    let (mean, deviation) = (own.surprise.mean(), own.surprise.deviation());
    if own.surprise.learned() < OWN {
        own.surprise.learn(surprise);
        return;
    }
    unit.strange = (unit.strange + surprise - mean - 0.5 * deviation - 0.5).max(0.0);
    unit.surprises = unit
        .surprises
        .saturating_add(u32::from(surprise > mean + deviation + 0.5));
    let alarm = activity.thresholds.sequence_bits as f64;
    if unit.strange < alarm || unit.order.len() < LEAST as usize {
        own.surprise.learn(surprise);
        if unit.strange > 0.0 {
            note(&mut unit.odd_order, || activity.trace());
        }
        return;
    }
    let severity = match unit.strange >= 3.0 * alarm {
        true => Severity::High,
        false => Severity::Medium,
    };
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::SequenceAnomaly,
        parts: &parts,
        window: day(unit.first),
    };
    let tenths = |x: f64| (x * 10.0).round() / 10.0;
    let draft = || Draft {
        confidence: 0.75,
        principal: true,
        resource: activity.resource(),
        expected: vec![("bits_a_call", json!(tenths(mean))), ("bits_below", json!(alarm))],
        support: vec![
            ("calls", json!(own.sequence.learned())),
            ("calls_of_peers", json!(group.sequence.learned())),
        ],
        earlier: unit.odd_order.clone(),
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.set_count(unit.surprises.into());
        running.observed("bits", tenths(unit.strange));
        running.observed("surprising_calls", unit.surprises);
        running.observed("calls", unit.calls);
        running.observed("seconds", unit.last.since(unit.first).as_secs());
    });
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let bits = |all: &serde_json::Map<String, serde_json::Value>, name: &str| {
        all.get(name).and_then(serde_json::Value::as_f64).unwrap_or(0.0)
    };
    sentence(&format!(
        "In one task of {}, {} made {} in an order that is not its own nor that of its like: {} of them surprise, by {:.0} bits in \
         all, where one surprises by {:.1} bits in the mean. The one that decided went to {}.",
        span(finding.observed_number("seconds")),
        finding.who(),
        many(finding.observed_number("calls"), "call", "calls"),
        finding.observed_number("surprising_calls"),
        bits(&finding.observed, "bits"),
        bits(&finding.expected, "bits_a_call"),
        finding.place(),
    ))
}
