//! # `system_prompt_exposure`: a language model gives its system prompt away
//!
//! Reports, once per caller, host and prompt, an answer that repeats the system prompt of its own request: at least twelve runs of
//! eight words and three of ten of all that the prompt has, or sixty of them: medium; eight of ten or more: high. Compared are
//! keyed hashes while the exchange is at hand; neither the prompt nor the answer is kept.
//!
//! Source: OWASP LLM07:2025, "System Prompt Leakage"; MITRE ATLAS AML.T0056.
//!
//! Blind to: prompts of fewer than some twenty words, in other words or another language, in scripts without spaces; prompts
//! that are kept by the provider and not sent; answers past what is kept of a body.
//!
//! Quiet when: what comes back was in what the user said too.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, percent, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Runs of eight words that are no chance, and that are much by themselves.
const LEAST: u32 = 12;
const MUCH: u32 = 60;

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let Some(call) = activity.llm else { return };
    let Some((found, all)) = call.repeated else { return };
    let share = f64::from(found) / f64::from(all.max(1));
    if !(found >= LEAST && share >= 0.3 || found >= MUCH) {
        return;
    }
    let severity = match share >= 0.8 {
        true => Severity::High,
        false => Severity::Medium,
    };
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        call.system.as_deref().unwrap_or("").as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::SystemPromptExposure,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: if found >= LEAST * 2 { 0.9 } else { 0.75 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("repeated", json!(found)),
            ("share", json!((share * 100.0).round() / 100.0)),
            ("system_prompt", json!(call.system)),
            ("model", json!(call.model)),
        ],
        expected: vec![("repeated", json!(0))],
        support: vec![("runs_of_eight_words", json!(all))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let share = finding
        .observed
        .get("share")
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(0.0);
    sentence(&format!(
        "{} was given the system prompt of the language model at {} in {}: {} of it, word for word, in the deciding one.",
        finding.who(),
        finding.place(),
        many(finding.count, "answer", "answers"),
        percent(share),
    ))
}
