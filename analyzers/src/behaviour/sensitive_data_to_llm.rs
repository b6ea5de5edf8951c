//! # `sensitive_data_to_llm`: personal, card or health data sent to a language model
//!
//! Reports, once per caller, host and class, calls of a language model whose request holds data of that class, as the search for
//! sensitive data finds it (form, checksum and company, as for `sensitive_data_exposure`):
//! - cards, numbers of states, and health data of a person: high;
//! - accounts and records: medium;
//! - names, addresses and the like of five or more people: low, of twenty or more: medium.
//!
//! On a host that is not one of a known provider, as that of a model of one's own, one degree less.
//!
//! Source: OWASP LLM02:2025; API10:2023; ASI02:2026; GDPR Art. 28 and 44.
//!
//! Blind to: requests that were refused, encrypted or longer than what is kept of a body, and pictures. What a contract with the
//! provider allows is not known here: accept the finding where it does.
//!
//! Quiet when: a number only happens to look like one; secrets are told as `secret_in_traffic`.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::inventory::sensitive::DataClass;

const FEW: usize = 5;
const BULK: usize = 20;

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let Some(call) = activity.llm else { return };
    let found = &activity.carried.request;
    let of_person = found.iter().any(|(class, _)| class.names_person());
    for (class, hits) in found.iter() {
        let distinct = hits.values.len();
        let Some(severity) = weight(class, distinct, of_person) else {
            continue;
        };
        let severity = match (call.provider, severity) {
            (Some(_), severity) => severity,
            (None, Severity::High) => Severity::Medium,
            (None, _) => Severity::Low,
        };
        let host = activity.host_name();
        let parts: [&[u8]; 3] = [
            activity.identity.text.as_bytes(),
            host.as_bytes(),
            class.name().as_bytes(),
        ];
        let subject = Subject {
            kind: Kind::SensitiveDataToLlm,
            parts: &parts,
            window: 0,
        };
        let draft = || Draft {
            confidence: if hits.strong > 0 { 0.9 } else { 0.7 },
            principal: true,
            title: Some(format!("{} sent to a language model", sentence(class.title()))),
            resource: activity.resource(),
            observed: vec![
                ("class", json!(class.name())),
                ("distinct_values", json!(distinct)),
                ("sample", json!(hits.sample)),
                ("provider", json!(call.provider)),
                ("model", json!(call.model)),
            ],
            expected: vec![("distinct_values", json!(0))],
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.support("exchanges", running.seen());
        });
    }
}

fn weight(class: DataClass, distinct: usize, of_person: bool) -> Option<Severity> {
    match class {
        _ if class.is_secret() && class != DataClass::Track => None,
        DataClass::Card | DataClass::Cvv | DataClass::Track => Some(Severity::High),
        _ if class.is_state_number() => Some(Severity::High),
        _ if class.is_contact() => match distinct {
            BULK.. => Some(Severity::Medium),
            FEW.. => Some(Severity::Low),
            _ => None,
        },
        _ if class.is_health() && of_person => Some(Severity::High),
        _ => Some(Severity::Medium),
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let distinct = finding.observed_number("distinct_values");
    let class = class_title(finding.observed_text("class"));
    let example = match finding.observed_text("sample") {
        "" => String::new(),
        sample => format!(", for example {sample}"),
    };
    let where_to = match finding.observed_text("provider") {
        "" => String::new(),
        provider => format!(" of the provider {provider}"),
    };
    sentence(&format!(
        "{} sent {class} to the language model at {}{where_to} in {}; the deciding one held {distinct} different{example}.",
        finding.who(),
        finding.place(),
        many(finding.count, "call", "calls"),
    ))
}
