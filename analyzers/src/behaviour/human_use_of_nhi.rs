//! # `human_use_of_nhi`: a person uses the token of a machine
//!
//! Reports, once per principal, accepted calls with a token that was made for a program (client credentials, a service account, an
//! agent) from a browser, known by fields that only browsers send, or from a program that people make calls by hand with (Postman,
//! Insomnia and others): medium. What people do with it cannot be told from what the program does, and leaves with them.
//!
//! Source: OWASP NHI10:2025, "Human Use of NHI".
//!
//! Blind to: API keys, which pages may hold on purpose; curl, which scripts use as well.
//!
//! Quiet when: a bot signs its requests and drives a browser (Web Bot Auth); the call was refused.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{Evidence, Program};

/// Programs with which calls are made by hand.
const BY_HAND: [&str; 7] = [
    "postmanruntime",
    "insomnia",
    "bruno-runtime",
    "httpie",
    "hoppscotch",
    "paw",
    "rapidapi",
];

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let identity = activity.identity;
    let Some(machine) = identity.machine.as_deref() else {
        return;
    };
    let product = identity.product.as_deref().unwrap_or("");
    let browser = identity.program == Program::Browser && identity.fetch_metadata;
    if !(browser || BY_HAND.contains(&product)) || !activity.accepted() {
        return;
    }
    if identity.person.is_some()
        || activity.signals.signature_input.is_some()
        || !matches!(identity.decided_by, Evidence::Token | Evidence::Spiffe)
    {
        return;
    }
    let parts: [&[u8]; 1] = [identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::HumanUseOfNhi,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.8,
        principal: true,
        resource: activity.resource(),
        observed: vec![("program", json!(product)), ("machine_by", json!(machine))],
        expected: vec![("used_by", json!("programs"))],
        ..Draft::default()
    };
    ledger.report(subject, Severity::Medium, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    sentence(&format!(
        "somebody used the token of {} at {} by hand, with {}; {} so far.",
        finding.who(),
        finding.place(),
        finding.observed_text("program"),
        many(finding.count, "call", "calls"),
    ))
}
