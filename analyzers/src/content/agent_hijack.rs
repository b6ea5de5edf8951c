//! # `agent_hijack`: an agent does what a text told it to do
//!
//! Reports, once per agent and unit of work in which the text was read, that an agent sends a distinctive value (an address, an account, a name
//! of a file, a quoted phrase) that stood in a text told about as
//! [`prompt_injection_indicator`](#prompt_injection_indicator), and that it had not sent before: high. The exchange in which the text was
//! read and the one that follows it are its evidence.
//!
//! Source: OWASP ASI01:2026, LLM01:2025; MITRE ATLAS AML.T0051.001, AML.T0053.
//!
//! Blind to: instructions that name nothing (an amount, a word of everyday language); values that the agent writes in another form; texts
//! that came to the agent where this sensor does not see; deeds more than two hours later.
//!
//! Quiet when: the value was the agent's own before it read the text; the text was not strong enough to be told about.

use serde_json::json;

use super::taint::Reading;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};

/// Reports a request that carries values of a reading.
pub(super) fn report(activity: &Activity<'_>, reading: &Reading, shared: usize, ledger: &mut Ledger) {
    let unit = reading.unit.to_string();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), unit.as_bytes()];
    let subject = Subject {
        kind: Kind::AgentHijack,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: if shared > 1 { 0.95 } else { 0.9 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("values", json!(shared)),
            ("read_at", json!(reading.place[1])),
            ("seconds_after", json!(activity.ts.since(reading.at).as_secs())),
            ("score", json!(reading.score)),
            ("status", json!(activity.status)),
        ],
        expected: vec![("values", json!(0))],
        earlier: vec![reading.trace.clone()],
        ..Draft::default()
    };
    ledger.report(subject, Severity::High, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let values = finding.observed_number("values");
    sentence(&format!(
        "{} sent {} to {} from a text that it had read {} before and that tells its reader what to do; the server {}. {} so far.",
        finding.who(),
        many(values, "value", "values"),
        finding.place(),
        span(finding.observed_number("seconds_after")),
        finding.answer(),
        many(finding.count, "such call", "such calls"),
    ))
}
