//! # `sender_constraint_missing`: a token that anybody may use, where others are bound to their holder
//!
//! Reports, once per principal, host and reason,
//! - `not_bound`: a JWT that is accepted with a DPoP proof and says nothing of a key, so that the proof protects nothing: medium;
//! - `plain_bearer`: a plain JWT of a program that is accepted by a host for a call that changes something, or at an endpoint for
//!   operators, where the host has accepted at least ten calls with bound tokens: low; for operators' endpoints medium.
//!
//! Source: RFC 9449 section 6; RFC 9700 section 2.2.1 (tokens should be sender-constrained); OWASP API2:2023; NHI4:2025.
//!
//! Blind to: opaque tokens, which do not say that they are bound; hosts at which no token is bound, where nothing tells that they could.
//!
//! Quiet when: the request was refused; the caller is a person or not known.

use serde_json::json;

use crate::behaviour::{Activity, privileged};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{Credential, PrincipalKind};

/// Calls with bound tokens that show that a host takes them.
const ENOUGH: u64 = 10;

/// Looks at an accepted use that came with a proof.
pub(super) fn of_proof(activity: &Activity<'_>, credential: &Credential, ledger: &mut Ledger) {
    if credential
        .token
        .as_ref()
        .is_some_and(|token| token.bound.is_none())
    {
        tell(activity, "not_bound", Severity::Medium, 0.9, 0, ledger);
    }
}

/// Looks at an accepted use without a proof.
pub(super) fn observe(activity: &Activity<'_>, credential: &Credential, ledger: &mut Ledger) {
    let plain = credential
        .token
        .as_ref()
        .is_some_and(|token| token.bound.is_none());
    let program = matches!(activity.kind, PrincipalKind::AiAgent | PrincipalKind::Service);
    let bound = activity.host.map_or(0, |host| host.bound);
    if !plain || !program || bound < ENOUGH {
        return;
    }
    let operators = activity.endpoint.is_some_and(|e| privileged(&e.template));
    let severity = match (operators, activity.changes_state()) {
        (true, _) => Severity::Medium,
        (false, true) => Severity::Low,
        (false, false) => return,
    };
    tell(activity, "plain_bearer", severity, 0.7, bound, ledger);
}

fn tell(
    activity: &Activity<'_>,
    reason: &'static str,
    severity: Severity,
    confidence: f64,
    bound: u64,
    ledger: &mut Ledger,
) {
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        reason.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::SenderConstraintMissing,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence,
        principal: true,
        resource: activity.resource(),
        observed: vec![("reason", json!(reason)), ("status", json!(activity.status))],
        expected: vec![("bound", json!(true))],
        support: vec![("bound_calls_of_host", json!(bound))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let calls = many(finding.count, "call", "calls");
    let (who, place) = (finding.who(), finding.place());
    sentence(&match finding.observed_text("reason") {
        "not_bound" => format!(
            "{who} sends DPoP proofs to {place} with a token that is bound to no key, so whoever has the token can use it with a \
             key of their own: {calls}."
        ),
        _ => format!(
            "{who} was let in at {place} with a token that anybody may use who has it, at a host that has accepted bound tokens in {}: \
             {calls}.",
            many(
                finding
                    .support
                    .get("bound_calls_of_host")
                    .and_then(serde_json::Value::as_u64)
                    .unwrap_or(0),
                "call",
                "calls"
            ),
        ),
    })
}
