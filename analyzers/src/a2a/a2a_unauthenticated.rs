//! # `a2a_unauthenticated`: an agent does what strangers ask
//!
//! Reports, once per agent, a call over A2A that was done for a caller without any credential: medium; high when the card of the agent
//! says that callers must show one.
//!
//! Source: OWASP API2:2023; Agentic ASI03:2026, ASI07:2026; NHI4:2025; A2A 1.0 section 7 (servers must authenticate every request as
//! their card says).
//!
//! Blind to: client certificates and network policy, unless the card declares `mutualTLS`; credentials in messages.
//!
//! Quiet when: the call failed, or its task was rejected or asks for a credential (`auth_required`); the card alone is read; the
//! request carries the field, parameter or cookie that the card names for keys; the card declares client certificates.

use serde_json::json;

use super::{At, Seen};
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

pub(super) fn observe(at: &At<'_>, seen: &Seen<'_>, cards: u64, filing: &mut Filing) {
    let asks = at.agent.known_asks(cards).and_then(|asks| asks.credential);
    let severity = match asks {
        Some(true) => Severity::High,
        _ => Severity::Medium,
    };
    let id = at.agent.id.to_string();
    let parts: [&[u8]; 1] = [id.as_bytes()];
    let subject = Subject {
        kind: Kind::A2aUnauthenticated,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.9,
        resource: at.resource(),
        observed: vec![
            ("method", json!(seen.method())),
            ("binding", json!(seen.labels.binding)),
        ],
        expected: vec![("credential", json!(true))],
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |entry| {
        entry.observed("card_asks", asks);
        entry.support("calls", at.agent.calls);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let asks = match finding.observed_flag("card_asks") {
        true => " Its card says that callers must show one.",
        false => "",
    };
    sentence(&format!(
        "the agent at {} did what callers without any credential asked, {}, first {}.{asks}",
        finding.place(),
        many(finding.count, "time", "times"),
        finding.observed_text("method"),
    ))
}
