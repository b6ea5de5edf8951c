//! # `secret_in_traffic`: a secret in a prompt, an answer, or the arguments or result of a tool
//!
//! Reports, once per caller, host, place and class, keys of known providers and private keys (high), JSON web tokens and keys of
//! Google's for browsers (medium) in
//! - `prompt`: the request of a call of a language model;
//! - `answer`: what the model returned;
//! - `tool_arguments` and `tool_result`: the arguments and the result of a tool called over MCP; there secrets by the name of
//!   their field count too (low: a tool that changes a password is given one).
//!
//! Source: OWASP LLM02:2025; NHI2:2025; API8:2023; CWE-522. The forms of keys are those that their providers publish.
//!
//! Blind to: passwords in running text, which have no form; requests that were refused; what is past the first bytes kept of a body.
//!
//! Quiet when: a key is a placeholder or one for tests. The credential of the call itself, in its fields, is where it belongs.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::inventory::sensitive::{DataClass, Found};

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let places = if activity.llm.is_some() {
        ["prompt", "answer"]
    } else if activity.call.is_some_and(|c| matches!(c.protocol, "mcp" | "a2a")) {
        ["tool_arguments", "tool_result"]
    } else {
        return;
    };
    look(activity, &activity.carried.request, places[0], ledger);
    look(activity, &activity.carried.response, places[1], ledger);
}

fn look(activity: &Activity<'_>, found: &Found, place: &'static str, ledger: &mut Ledger) {
    for (class, hits) in found.iter() {
        let severity = match class {
            DataClass::PrivateKey | DataClass::ProviderKey => Severity::High,
            DataClass::Jwt | DataClass::BrowserKey => Severity::Medium,
            // Fields of a model's API are no secrets, whatever they are called; and a tool that changes a password is given one.
            DataClass::Secret if activity.llm.is_none() => Severity::Low,
            _ => continue,
        };
        let host = activity.host_name();
        let parts: [&[u8]; 4] = [
            activity.identity.text.as_bytes(),
            host.as_bytes(),
            place.as_bytes(),
            class.name().as_bytes(),
        ];
        let subject = Subject {
            kind: Kind::SecretInTraffic,
            parts: &parts,
            window: 0,
        };
        let draft = || Draft {
            confidence: 0.9,
            principal: true,
            resource: activity.resource(),
            observed: vec![
                ("place", json!(place)),
                ("class", json!(class.name())),
                ("distinct_values", json!(hits.values.len())),
                ("sample", json!(hits.sample)),
            ],
            expected: vec![("distinct_values", json!(0))],
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.support("exchanges", running.seen());
        });
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let class = class_title(finding.observed_text("class"));
    let example = match finding.observed_text("sample") {
        "" => String::new(),
        sample => format!(", for example {sample}"),
    };
    let what = match finding.observed_text("place") {
        "prompt" => "sent in prompts",
        "answer" => "was given in answers of a language model",
        "tool_arguments" => "sent in the arguments of tools",
        _ => "was given in the results of tools",
    };
    sentence(&format!(
        "{} {what} at {} {class}{example}: {} so far.",
        finding.who(),
        finding.place(),
        many(finding.count, "call", "calls"),
    ))
}
