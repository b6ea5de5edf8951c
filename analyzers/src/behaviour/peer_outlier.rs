//! # `peer_outlier`: somebody is not like those that do the same
//!
//! A caller that has always misused its access is usual by its own past. This one holds each machine against the other callers of its sort on
//! the same host, once a day, by what they were like in their last fourteen days: objects in a task that nothing had shown, share of calls refused or missing,
//! objects changed in a task that it had not met, share of answers with sensitive data, bytes of an answer, calls of a task. All are shares or means, so
//! that doing more of the same is no difference. A dimension is far when it is six robust deviations (1.4826 times the median of the absolute ones, of logarithms) above the
//! median of the others, three times as much, and half again as much as the most of any of them. Two dimensions make a finding, one of which is of the first four.
//!
//! Medium for agents, low for services (a job looks like this). Told once for each principal and host, again when it grows worse.
//!
//! Source: Bolton and Hand, peer group analysis, 2001; ASI10:2026; NHI1:2025; MITRE ATT&CK T1078.
//!
//! Blind to: callers with fewer than four others of their sort that are known; attackers that are most of their group; who differs in one
//! dimension alone.
//!
//! Quiet when: fewer than three days or twelve tasks are known; a caller is a person.

use serde_json::json;

use super::activity::Activity;
use super::peers::Apart;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;

/// Tells of what sets a caller apart from so many others.
pub(super) fn tell(activity: &Activity<'_>, apart: &[Apart], others: usize, days: u32, ledger: &mut Ledger) {
    let severity = match activity.kind {
        PrincipalKind::Human => return,
        PrincipalKind::AiAgent => Severity::Medium,
        _ => Severity::Low,
    };
    let host = activity.host_name();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), host.as_bytes()];
    let subject = Subject {
        kind: Kind::PeerOutlier,
        parts: &parts,
        window: 0,
    };
    let round = |x: f64| (x * 1000.0).round() / 1000.0;
    let numbers = |of: fn(&Apart) -> f64| {
        let named = apart
            .iter()
            .map(|a| (a.feature.name().to_owned(), json!(round(of(a)))));
        serde_json::Value::Object(named.collect())
    };
    let draft = || Draft {
        confidence: 0.7,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![
            ("values", numbers(|a| a.own)),
            ("deviations", numbers(|a| a.deviations)),
        ],
        expected: vec![
            ("values_of_the_middle", numbers(|a| a.middle)),
            ("most_of_any_other", numbers(|a| a.most)),
        ],
        support: vec![("peers", json!(others)), ("days", json!(days))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let of = |all: &serde_json::Map<String, serde_json::Value>, map: &str, name: &str| {
        all.get(map)
            .and_then(|map| map.get(name))
            .and_then(serde_json::Value::as_f64)
            .unwrap_or(0.0)
    };
    let names = finding
        .observed
        .get("values")
        .and_then(serde_json::Value::as_object);
    let list: Vec<String> = names
        .into_iter()
        .flat_map(|names| names.keys())
        .map(|name| {
            format!(
                "{} {} (middle of the others {}, most of any {})",
                name.replace('_', " "),
                short(of(&finding.observed, "values", name)),
                short(of(&finding.expected, "values_of_the_middle", name)),
                short(of(&finding.expected, "most_of_any_other", name)),
            )
        })
        .collect();
    let support = |name: &str| {
        let value = finding.support.get(name);
        value.and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    sentence(&format!(
        "{} is not like {} of its sort at {}, however usual that is by its own past: {}. That is over its last {}; it was so on {}.",
        finding.who(),
        many(support("peers"), "other caller", "other callers"),
        finding.place(),
        list.join("; "),
        many(support("days"), "day", "days"),
        many(finding.count, "day", "days"),
    ))
}

fn short(x: f64) -> String {
    match x {
        x if x >= 100.0 => format!("{x:.0}"),
        x if x >= 10.0 => format!("{x:.1}"),
        x => format!("{x:.2}"),
    }
}
