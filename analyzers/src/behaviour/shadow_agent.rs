//! # `shadow_agent`: an AI agent that the registry does not name
//!
//! Reports, once per principal, accepted calls of an AI agent that is not in the registry (`inventory.agents`): medium; low when
//! nothing but its address and program names it.
//!
//! Source: OWASP ASI10:2026, API9:2023; MITRE ATLAS AML.T0103.
//!
//! Blind to: agents that show no sign of being one; one that uses the credential of a registered agent (`agent_identity_mismatch`,
//! `credential_shared`).
//!
//! Quiet when: no registry is set; the kind is unsure (score under 0.5); the calls were refused.

use serde_json::json;

use super::activity::Activity;
use super::profile::Profile;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;

/// Looks at one exchange of a principal that is not registered, where there is a registry.
pub(crate) fn observe(activity: &Activity<'_>, profile: &Profile, registered: usize, ledger: &mut Ledger) {
    let sure = profile.kind == PrincipalKind::AiAgent && profile.score >= 0.5;
    if !sure || !activity.accepted() {
        return;
    }
    let named = !activity.identity.by_address;
    // Sessions come and go: of a caller without a credential, the place where it runs is what is told.
    let place = format!("{} {}", activity.identity.address, activity.identity.family);
    let who = if named { &*activity.identity.text } else { &place };
    let parts: [&[u8]; 1] = [who.as_bytes()];
    let subject = Subject {
        kind: Kind::ShadowAgent,
        parts: &parts,
        window: 0,
    };
    let severity = if named { Severity::Medium } else { Severity::Low };
    let draft = || Draft {
        confidence: (profile.score * 100.0).round() / 100.0,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("program", json!(activity.identity.product)),
            ("score", json!((profile.score * 100.0).round() / 100.0)),
        ],
        expected: vec![("registered_agents", json!(registered))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
        running.support("endpoints", profile.endpoint_count());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let known = finding
        .expected
        .get("registered_agents")
        .and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "{} called {} and is none of the {} in the registry; {} accepted so far.",
        finding.who(),
        finding.place(),
        many(known.unwrap_or(0), "agent", "agents"),
        many(finding.count, "call was", "calls were"),
    ))
}
