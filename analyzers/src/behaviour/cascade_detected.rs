//! # `cascade_detected`: one call that leads to very many
//!
//! Counts for each call the calls that its server sent while it was at work on it, where a trace, a value or a credential shows that it caused them
//! (not where time alone does). Twenty or more, beyond three times the most that any call of that endpoint ever led to and with a chance below one in ten thousand, are a cascade; so are
//! ten or more of which half fail, where none led to half as many before.
//!
//! Medium; high from a hundred calls on.
//!
//! Source: OWASP ASI08:2026; API4:2023; MITRE ATT&CK T1499.003.
//!
//! Blind to: calls that pass no trace, value or credential on; what a server does after it has answered; endpoints with fewer than twenty calls.
//!
//! Quiet when: an endpoint leads to many calls every time.

use serde_json::json;

use super::activity::Activity;
use super::usual::Usual;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::graph::{Cause, Caused};

/// Calls that one leads to, of which on it is many, and what is many when half of them fail.
const CALLS: usize = 20;
const FAILING: usize = 10;

/// Calls of an endpoint from which on it is known what they lead to.
const KNOWN: u32 = 20;

/// Times the most that was seen.
const TIMES: f64 = 3.0;

/// Where it matters more.
const MUCH: usize = 100;

/// Looks at an exchange and at what it caused. `usual` is how many calls one of this endpoint leads to.
pub(super) fn observe(activity: &Activity<'_>, caused: &[Caused], usual: &mut Usual, ledger: &mut Ledger) {
    let sure = |one: &&Caused| one.cause != Cause::Time;
    let calls = caused.iter().filter(sure).count();
    let failed = caused.iter().filter(sure).filter(|one| !one.accepted).count();
    let known = usual.learned() >= KNOWN;
    let bound = usual.beyond(TIMES);
    let much = calls >= CALLS && calls as f64 >= bound;
    let fails = calls >= FAILING && failed * 2 >= calls && calls as f64 >= 2.0 * usual.most() + 1.0;
    if !known || !(much || fails) {
        usual.learn(calls as f64);
        return;
    }
    let severity = match calls {
        MUCH.. => Severity::High,
        _ => Severity::Medium,
    };
    let resource = activity.resource();
    let parts: [&[u8]; 2] = [
        activity.identity.text.as_bytes(),
        resource.endpoint.as_deref().unwrap_or("").as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::CascadeDetected,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence: 0.8,
        principal: true,
        resource: resource.clone(),
        observed: vec![("calls", json!(calls)), ("failed", json!(failed))],
        expected: vec![
            ("fewer_than", json!(bound.max(CALLS as f64).ceil())),
            ("most_seen", json!(usual.most().round())),
        ],
        support: vec![("calls", json!(usual.learned()))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |all: &serde_json::Map<String, serde_json::Value>, name: &str| {
        all.get(name).and_then(serde_json::Value::as_f64).unwrap_or(0.0) as u64
    };
    sentence(&format!(
        "One call of {} to {} led to {} of other services, {} of which failed. The most that any of {} there led to before is {}{}.",
        finding.who(),
        finding.place(),
        many(finding.observed_number("calls"), "call", "calls"),
        finding.observed_number("failed"),
        many(number(&finding.support, "calls"), "call", "calls"),
        number(&finding.expected, "most_seen"),
        match finding.count {
            1 => String::new(),
            count => format!("; this is the latest of {count} such"),
        },
    ))
}
