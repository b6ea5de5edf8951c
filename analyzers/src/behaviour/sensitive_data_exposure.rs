//! # `sensitive_data_exposure`: personal, card, health or secret data in responses
//!
//! Reports, once per endpoint and class, responses that hold
//! - card numbers (issuer, length and Luhn's check; a field name, grouping or company speaks for them): high;
//! - magnetic stripe data of cards, private keys, and keys of known providers, from the first one: high;
//! - social security numbers (rules of issue, and delimiters or a field name) and Medicare beneficiary identifiers: high;
//! - codes of diagnoses: high with something that names a person in the same response, low by themselves;
//! - health records by their format (FHIR, HL7), when no credential was shown: medium;
//! - bank account numbers (country, length and mod 97): low, medium when no credential was shown;
//! - three secrets or more in a response: medium; as many JSON web tokens: low, medium when no credential was shown;
//! - e-mail addresses, telephone numbers, postal addresses, dates of birth in bulk (twenty or more in a response): low,
//!   medium from a hundred without credential; as many national provider identifiers: low.
//!
//! Where nothing else is said, at least three distinct values in two exchanges are needed, or three with context in one.
//! Values are shown masked; what is kept of them are keyed hashes.
//!
//! Source: OWASP API3:2023; PCI DSS 4.0.1 requirement 3.4.1; ISO 13616; ISO/IEC 7812-1; 45 CFR 160.103 (HIPAA).
//!
//! Blind to: data past the first 256 KiB of a body, encrypted or packed bodies, other countries' numbers, elements of XML.
//!
//! Quiet when: a number is a published test card, a time in milliseconds, or an id that only happens to
//! pass the check; tokens come from an endpoint that gives them out by purpose (`login`, `token`); a key is a placeholder.

use serde_json::json;

use super::activity::Activity;
use super::missing_auth::is_public;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;
use crate::inventory::sensitive::DataClass;

const BULK: u32 = 20;
const LARGE: u32 = 100;

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let (Some(found), Some(endpoint)) = (activity.found, activity.endpoint) else {
        return;
    };
    if !activity.accepted() {
        return;
    }
    let open = activity.scheme == Scheme::None;
    for (class, hits) in found.iter() {
        let Some(data) = endpoint.data.get(&class) else {
            continue;
        };
        let here = hits.values.len() as u32;
        let enough = match class {
            _ if class.is_contact() => here >= BULK && (data.exchanges >= 2 || data.most >= LARGE),
            DataClass::PrivateKey | DataClass::ProviderKey | DataClass::Track => true,
            DataClass::Jwt | DataClass::Secret => here >= 3 && !is_public(&endpoint.template),
            DataClass::HealthRecord => open,
            _ => data.distinct() >= 3 && (data.exchanges >= 2 || data.strong >= 3),
        };
        if !enough {
            continue;
        }
        let severity = match class {
            DataClass::Card
            | DataClass::Mbi
            | DataClass::PrivateKey
            | DataClass::ProviderKey
            | DataClass::Ssn
            | DataClass::Track => Severity::High,
            // A list of codes tells nothing of anybody.
            DataClass::Diagnosis if DataClass::ALL.iter().any(|c| c.names_person() && found.has(*c)) => {
                Severity::High
            }
            DataClass::HealthRecord | DataClass::Secret => Severity::Medium,
            DataClass::Iban | DataClass::Jwt if open => Severity::Medium,
            DataClass::Address | DataClass::BirthDate | DataClass::Email | DataClass::Phone
                if open && data.most >= LARGE =>
            {
                Severity::Medium
            }
            _ => Severity::Low,
        };
        let id = endpoint.id.to_string();
        let parts: [&[u8]; 2] = [id.as_bytes(), class.name().as_bytes()];
        let subject = Subject {
            kind: Kind::SensitiveDataExposure,
            parts: &parts,
            window: 0,
        };
        let draft = || Draft {
            confidence: match (class, data.strong > 0) {
                (DataClass::Card | DataClass::Ssn, false) => 0.7,
                _ => 0.9,
            },
            title: Some(format!("Responses hold {}", class.title())),
            resource: activity.resource(),
            observed: vec![("class", json!(class.name())), ("credential", json!(!open))],
            expected: vec![("distinct_values", json!(0))],
            earlier: data.first.iter().map(|e| (**e).clone()).collect(),
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.count(data.exchanges);
            running.observed("distinct_values", data.distinct());
            running.observed("responses", data.exchanges);
            running.observed("most_in_one_response", data.most);
            running.observed("samples", json!(data.samples));
            running.support("exchanges", endpoint.exchanges);
            running.support("callers", endpoint.caller_count());
        });
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let distinct = finding.observed_number("distinct_values");
    let example = match finding.observed_list("samples").first() {
        Some(sample) => format!(", for example {sample}"),
        None => String::new(),
    };
    let open = if finding.observed.get("credential") == Some(&json!(false)) {
        " It was asked for them without any credential."
    } else {
        ""
    };
    let most = match finding.observed_number("most_in_one_response") {
        0 | 1 => String::new(),
        most => format!(", up to {most} in one response"),
    };
    sentence(&format!(
        "{} returned {} in {}: {distinct}{} different ones in all{most}{example}.{open}",
        finding.place(),
        class_title(finding.observed_text("class")),
        many(finding.observed_number("responses"), "response", "responses"),
        if distinct >= crate::inventory::endpoint::VALUES as u64 {
            " or more"
        } else {
            ""
        },
    ))
}
