//! # `revoked_credential_accepted`: a credential works on after it was taken back
//!
//! Reports, once per credential, a token or session that is accepted more than five seconds after
//! - it was revoked at a revocation endpoint that said yes (RFC 7009): high;
//! - its session was ended by a logout: high for a session cookie, medium for a token, since servers that only check the signature
//!   of a token cannot know.
//!
//! Source: OWASP API2:2023; NHI1:2025; RFC 7009 section 2.2; CWE-613.
//!
//! Blind to: revocation by an administrator, which passes elsewhere; a logout under another name than those in use; a session whose
//! cookie is replaced at the logout.
//!
//! Quiet when: the request was under way when the credential ended; the same session comes in again by a login; the credential is
//! brought to a token or logout endpoint; the endpoint answers without any credential too.

use std::time::Duration;

use serde_json::json;

use super::known::{How, Known};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;

/// Time in which what was sent before may still be answered.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// Looks at one accepted use.
pub(super) fn observe(activity: &Activity<'_>, row: &Known, ledger: &mut Ledger) {
    let Some(ended) = row.life().and_then(|life| life.ended.as_ref()) else {
        return;
    };
    let late = activity.ts.since(ended.at);
    if activity.ts <= ended.at || late <= UNDER_WAY {
        return;
    }
    let open = activity.endpoint.is_none_or(|e| e.open_ok > 0 || e.is_static);
    let Some(credential) = activity.identity.credential.as_ref().filter(|_| !open) else {
        return;
    };
    let severity = match (ended.how, row.scheme) {
        (How::Revoked, _) | (How::Logout, Scheme::Cookie) => Severity::High,
        (How::Logout, _) => Severity::Medium,
    };
    let id = credential.id.to_string();
    let parts: [&[u8]; 1] = [id.as_bytes()];
    let subject = Subject {
        kind: Kind::RevokedCredentialAccepted,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: if ended.how == How::Revoked { 0.95 } else { 0.8 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            (
                "ended_by",
                json!(match ended.how {
                    How::Revoked => "revocation",
                    How::Logout => "logout",
                }),
            ),
            ("scheme", json!(row.scheme.name())),
            ("late_s", json!(late.as_secs())),
            ("status", json!(activity.status)),
        ],
        expected: vec![("status", json!(401))],
        earlier: vec![ended.trace.clone()],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let how = match finding.observed_text("ended_by") {
        "revocation" => "had been revoked",
        _ => "had been ended by a logout",
    };
    sentence(&format!(
        "{} {} to a credential ({}) of {} that {how} {} before. {} made with it since.",
        finding.place(),
        finding.answer(),
        finding.observed_text("scheme"),
        finding.who(),
        span(finding.observed_number("late_s")),
        many(finding.count, "call was", "calls were"),
    ))
}
