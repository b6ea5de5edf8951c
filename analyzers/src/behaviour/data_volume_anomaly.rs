//! # `data_volume_anomaly`: answers far larger than this caller ever gets
//!
//! Knows, per principal and endpoint and for its group (callers of the host that are of its sort), how large one answer is, content-coding
//! removed. An answer is large when it is beyond twice the largest of the past, and it is more than three deviations above the mean by the
//! caller's own past, or by that of the group while there is no own one, and when it has 32 kB or more. At an endpoint that is new to both, it is large when it is
//! beyond twice the largest answer that the caller ever got from anywhere on the host. Two large answers in one unit of work, or a single one
//! of ten times the largest of its endpoint, make a finding.
//!
//! Medium; high when answers hold personal, card or health data, or secrets.
//!
//! Source: OWASP API4:2023, API6:2023; ASI02:2026; MITRE ATT&CK T1030, T1567; ATLAS AML.T0025.
//!
//! Blind to: many answers of usual size (`slow_exfiltration` and `rate_anomaly` look at sums); bodies of which the length is not known because
//! bytes were lost.
//!
//! Quiet when: one report is larger than those before; pages are turned, however many; the caller, or its group, had answers of
//! that size before.

use serde_json::json;

use super::activity::Activity;
use super::doing::{Unit, note};
use super::habits::{Habits, Measure, learn, size_of};
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{bytes, many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Times the largest of the past that are not yet much, and that are much by themselves.
const TIMES: f64 = 2.0;
const ALONE: f64 = 10.0;

/// Large answers of one unit that make a finding.
const ANSWERS: u32 = 2;

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    unit: &mut Unit,
    own: &mut Habits,
    group: &mut Habits,
    learned: bool,
    ledger: &mut Ledger,
) {
    let Some(response) = activity.exchange.response.as_ref() else {
        return;
    };
    let Some(endpoint) = activity.endpoint.filter(|_| activity.accepted()) else {
        return;
    };
    let size = response.message.content_bytes as f64;
    // What is small is not held against anything.
    let judged = learned && size >= activity.thresholds.volume_bytes as f64;
    let here = match judged {
        true => size_of(
            own.answers.get(&endpoint.id),
            group.answers.get(&endpoint.id),
            TIMES,
        ),
        false => None,
    };
    let usual = here.or_else(|| size_of(Some(&own.answer).filter(|_| judged), None, TIMES));
    let large = usual.filter(|usual| judged && size > usual.beyond);
    let Some(usual) = large else {
        learn(&mut own.answers, endpoint.id, size);
        learn(&mut group.answers, endpoint.id, size);
        own.answer.learn(size);
        group.answer.learn(size);
        return;
    };
    unit.large.0 = unit.large.0.saturating_add(1);
    unit.large.1 = unit.large.1.saturating_add(response.message.content_bytes);
    let alone = here.is_some() && size >= ALONE * usual.most.max(1.0);
    if unit.large.0 < ANSWERS && !alone {
        note(&mut unit.largest, || activity.trace());
        // A report that grows is learned when its task is over and nothing else was wrong.
        unit.hold(endpoint.id, size);
        return;
    }
    tell(activity, unit, usual, (size, here.is_none()), ledger);
}

fn tell(
    activity: &Activity<'_>,
    unit: &mut Unit,
    usual: Measure,
    (size, elsewhere): (f64, bool),
    ledger: &mut Ledger,
) {
    let severity = match activity.carried.response.iter().next().is_none() {
        true => Severity::Medium,
        false => Severity::High,
    };
    let resource = activity.resource();
    let parts: [&[u8]; 2] = [
        activity.identity.text.as_bytes(),
        resource.endpoint.as_deref().unwrap_or("").as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::DataVolumeAnomaly,
        parts: &parts,
        window: day(unit.first),
    };
    let draft = || Draft {
        confidence: if usual.peers { 0.75 } else { 0.85 },
        principal: true,
        resource: resource.clone(),
        observed: vec![("bytes", json!(size))],
        expected: vec![
            ("bytes_mean", json!(usual.mean.round())),
            ("bytes_most", json!(usual.most.round())),
            ("fewer_than", json!(usual.beyond.round())),
        ],
        support: vec![
            ("answers", json!(usual.learned)),
            ("of_peers", json!(usual.peers)),
            ("of_other_endpoints", json!(elsewhere)),
        ],
        earlier: unit.largest.clone(),
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.count(unit.large.0.into());
        running.observed("large_answers", unit.large.0);
        running.observed("bytes_in_large_answers", unit.large.1);
    });
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |all: &serde_json::Map<String, serde_json::Value>, name: &str| {
        all.get(name).and_then(serde_json::Value::as_f64).unwrap_or(0.0) as u64
    };
    let of = |name: &str| finding.support.get(name).and_then(serde_json::Value::as_bool) == Some(true);
    let whose = match (of("of_other_endpoints"), of("of_peers")) {
        (true, _) => "it had ever got from this host",
        (_, true) => "callers of its sort had ever got there",
        _ => "it had ever got there",
    };
    sentence(&format!(
        "{} got {} from {}, {} in all; the one that decided had {}, and the largest that {whose} before had {} (mean {}, of {}).",
        finding.who(),
        many(
            finding.observed_number("large_answers"),
            "answer far larger than usual",
            "answers far larger than usual"
        ),
        finding.place(),
        bytes(finding.observed_number("bytes_in_large_answers")),
        bytes(number(&finding.observed, "bytes")),
        bytes(number(&finding.expected, "bytes_most")),
        bytes(number(&finding.expected, "bytes_mean")),
        many(number(&finding.support, "answers"), "answer", "answers"),
    ))
}
