//! # `credential_never_rotated`: a key or password in use for longer than keys should be
//!
//! Reports, once per credential, an API key, a password (Basic), a key in a query or an opaque token that is accepted longer
//! than `token.credential_max_age` (90 days) after it was accepted first. Medium for an AI agent and for a key that is shown in the
//! URL, low else.
//!
//! Source: OWASP NHI7:2025; API2:2023; NIST SP 800-57 part 1 section 5.3 (cryptoperiods).
//!
//! Blind to: how old a credential was when it was first seen: it is at least as old as is told. Signatures (SigV4, Digest), whose
//! key does not pass.
//!
//! Quiet when: the credential says itself when it ends (a JWT), its issue was seen with an end, or it is a session's cookie.

use serde_json::json;

use super::known::Known;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{PrincipalKind, Scheme};
use crate::settings::Settings;

/// Looks at one accepted use.
pub(super) fn observe(activity: &Activity<'_>, row: &Known, settings: &Settings, ledger: &mut Ledger) {
    let lasting = matches!(
        row.scheme,
        Scheme::ApiKey | Scheme::Basic | Scheme::Bearer | Scheme::Query
    );
    let limit = settings.credential_max_age;
    let age = activity.ts.since(row.first);
    if !lasting || limit.is_zero() || age <= limit {
        return;
    }
    let ends = row
        .life()
        .and_then(|life| life.issued)
        .is_some_and(|issued| issued.lifetime.is_some());
    let Some(credential) = activity.identity.credential.as_ref().filter(|_| !ends) else {
        return;
    };
    let severity = if activity.kind == PrincipalKind::AiAgent || row.scheme == Scheme::Query {
        Severity::Medium
    } else {
        Severity::Low
    };
    let id = credential.id.to_string();
    let parts: [&[u8]; 1] = [id.as_bytes()];
    let subject = Subject {
        kind: Kind::CredentialNeverRotated,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.9,
        principal: true,
        resource: activity.resource(),
        observed: vec![("scheme", json!(row.scheme.name()))],
        expected: vec![("age_s_at_most", json!(limit.as_secs()))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.observed("age_s", age.as_secs());
        running.support("uses", row.uses);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let limit = finding
        .expected
        .get("age_s_at_most")
        .and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "{} still uses a credential ({}) at {} that was first accepted {} ago, where the limit is {}: {} since then.",
        finding.who(),
        finding.observed_text("scheme"),
        finding.place(),
        span(finding.observed_number("age_s")),
        span(limit.unwrap_or(0)),
        many(finding.count, "call", "calls"),
    ))
}
