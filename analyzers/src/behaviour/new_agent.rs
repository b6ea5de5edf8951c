//! # `new_agent`: an AI agent that was never seen before
//!
//! Reports, once per principal, the first accepted call of an AI agent that this sensor never saw, as low: somebody should know
//! what it is and who owns it.
//!
//! The rule that keeps a fresh sensor quiet: an agent is new only when the sensor had watched for `learning.period` and had seen
//! `learning.exchanges` before the agent's own first call. Whoever calls earlier was there before the sensor, or may have been.
//!
//! Source: OWASP ASI10:2026, API9:2023; MITRE ATLAS AML.T0103.
//!
//! Blind to: agents that show no sign of being one; those that came while the sensor was still learning.
//!
//! Quiet when: a registry of agents is set (`inventory.agents`), which knows better (`shadow_agent`); nothing but an address or a
//! session names it; its kind is unsure (score under 0.5); principals had to make way for others, since one that comes back would
//! look new.

use serde_json::json;

use super::activity::Activity;
use super::profile::Profile;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;

/// Looks at one exchange of a principal that came late. `watched` is for how many seconds the sensor had watched before.
pub(crate) fn observe(activity: &Activity<'_>, profile: &Profile, watched: u64, ledger: &mut Ledger) {
    let sure = profile.kind == PrincipalKind::AiAgent && profile.score >= 0.5;
    if !sure || activity.identity.by_address || !activity.accepted() {
        return;
    }
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::NewAgent,
        parts: &parts,
        window: 0,
    };
    if ledger.knows(Subject { ..subject }) {
        return;
    }
    let draft = || Draft {
        confidence: (profile.score * 100.0).round() / 100.0,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("first_call", json!(profile.first.seconds())),
            ("program", json!(activity.identity.product)),
        ],
        expected: vec![("known", json!(true))],
        support: vec![
            ("exchanges", json!(profile.exchanges)),
            ("watched_s", json!(watched)),
        ],
        ..Draft::default()
    };
    ledger.report(subject, Severity::Low, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let watched = finding
        .support
        .get("watched_s")
        .and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "{} called {} and was never seen in the {} that this sensor had watched before.",
        finding.who(),
        finding.place(),
        span(watched.unwrap_or(0)),
    ))
}
