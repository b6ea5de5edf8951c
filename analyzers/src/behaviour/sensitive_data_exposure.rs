//! # `sensitive_data_exposure`: personal, card, health or secret data in responses and URLs
//!
//! Reports, once per endpoint and class, responses that hold
//! - card numbers (issuer, length and Luhn's check; a field name, grouping or company speaks for them), and verification
//!   codes beside them: high;
//! - magnetic stripe data of cards, private keys, and keys of known providers, from the first one: high; Google API keys,
//!   which may be meant for browsers: medium;
//! - numbers that states give to people: social security and taxpayer numbers of the United States (rules of issue, and
//!   delimiters or a field name), Medicare beneficiary identifiers, passports (field name, or the machine readable zone),
//!   and those of the countries set as `classes.national_ids` (field name and check digits): high;
//! - codes of diagnoses, tests and drugs: high with something that names a person in the same response, low by themselves;
//!   medical record numbers: medium, and high with such a code beside them; DEA numbers: medium;
//! - health records by their format (FHIR, HL7), when no credential was shown: medium;
//! - bank account numbers (country, length and mod 97): low, medium when no credential was shown;
//! - three secrets or more in a response: medium; as many JSON web tokens: low, medium when no credential was shown;
//! - e-mail addresses, telephone numbers, names, postal and IP addresses, dates of birth in bulk (twenty or more in a
//!   response): low, medium from a hundred without credential; as many provider identifiers or bank routing numbers: low.
//!
//! And, once per endpoint and class, URLs (path and query) that hold such data, as logs, proxies and histories keep them:
//! cards and numbers of states high, accounts and record numbers medium, ways to reach somebody low.
//!
//! Where nothing else is said, at least three distinct values in two exchanges are needed, or three with context in one.
//! Values are shown masked; what is kept of them are keyed hashes.
//!
//! Source: OWASP API3:2023; PCI DSS 4.0.1 requirement 3.4.1; ISO 13616; ISO/IEC 7812-1; ICAO 9303; 45 CFR 160.103 (HIPAA);
//! CWE-598.
//!
//! Blind to: data past the first 256 KiB of a body, encrypted or packed bodies, national numbers that were not asked for.
//! Bodies of requests are searched for the inventory, and are no finding: that is where such data is sent. Credentials in a
//! URL are `weak_auth`.
//!
//! Quiet when: a number is a published test card, a time in milliseconds, or an id that only happens to
//! pass the check; tokens come from an endpoint that gives them out by purpose (`login`, `token`); a key is a placeholder.

use serde_json::json;

use super::activity::Activity;
use super::missing_auth::is_public;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;
use crate::inventory::endpoint::Endpoint;
use crate::inventory::sensitive::{Data, DataClass, Found, VALUES};

const BULK: u32 = 20;
const LARGE: u32 = 100;

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, endpoint: &Endpoint, filing: &mut Filing) {
    if !activity.accepted() {
        return;
    }
    let open = activity.scheme == Scheme::None;
    let found = &activity.carried.response;
    for (class, hits) in found.iter() {
        let Some(data) = endpoint.data.response.get(&class) else {
            continue;
        };
        let here = hits.values.len() as u32;
        if let Some(severity) = in_response(class, data, here, found, open, endpoint) {
            report(activity, endpoint, class, data, "response", severity, filing);
        }
    }
    for (class, _) in activity.carried.url.iter() {
        let Some(data) = endpoint.data.url.get(&class) else {
            continue;
        };
        if let Some(severity) = in_url(class).filter(|_| data.is_claimed(class)) {
            report(activity, endpoint, class, data, "url", severity, filing);
        }
    }
}

/// How much it matters that responses hold this, if it does.
fn in_response(
    class: DataClass,
    data: &Data,
    here: u32,
    found: &Found,
    open: bool,
    endpoint: &Endpoint,
) -> Option<Severity> {
    let of_person = found.iter().any(|(other, _)| other.names_person());
    let health = class.is_health() && class != DataClass::HealthRecord && of_person;
    let enough = match class {
        _ if health => data.is_claimed(class),
        _ if class.is_contact() => here >= BULK && (data.exchanges >= 2 || data.most >= LARGE),
        DataClass::BrowserKey | DataClass::PrivateKey | DataClass::ProviderKey | DataClass::Track => true,
        DataClass::Jwt | DataClass::Secret => here >= 3 && !is_public(&endpoint.template),
        DataClass::HealthRecord => open,
        _ => data.is_claimed(class),
    };
    let severity = match class {
        DataClass::Card
        | DataClass::Cvv
        | DataClass::PrivateKey
        | DataClass::ProviderKey
        | DataClass::Track => Severity::High,
        _ if class.is_state_number() => Severity::High,
        // A list of codes tells nothing of anybody.
        _ if health => Severity::High,
        DataClass::Mrn if found.iter().any(|(other, _)| other.is_health()) => Severity::High,
        DataClass::BrowserKey
        | DataClass::Dea
        | DataClass::HealthRecord
        | DataClass::Mrn
        | DataClass::Secret => Severity::Medium,
        DataClass::Iban | DataClass::Jwt if open => Severity::Medium,
        _ if class.names_person() && open && data.most >= LARGE => Severity::Medium,
        _ => Severity::Low,
    };
    enough.then_some(severity)
}

/// How much it matters that URLs hold this, if it does.
fn in_url(class: DataClass) -> Option<Severity> {
    match class {
        DataClass::Card | DataClass::Cvv | DataClass::Track => Some(Severity::High),
        _ if class.is_state_number() => Some(Severity::High),
        DataClass::Iban | DataClass::Mrn => Some(Severity::Medium),
        DataClass::BirthDate | DataClass::Email | DataClass::Phone => Some(Severity::Low),
        _ => None,
    }
}

fn report(
    activity: &Activity<'_>,
    endpoint: &Endpoint,
    class: DataClass,
    data: &Data,
    place: &'static str,
    severity: Severity,
    filing: &mut Filing,
) {
    let open = activity.scheme == Scheme::None;
    let id = endpoint.id.to_string();
    let parts: [&[u8]; 3] = [id.as_bytes(), class.name().as_bytes(), place.as_bytes()];
    // The id of what is found in responses has two parts.
    let parts = if place == "response" { &parts[..2] } else { &parts };
    let subject = Subject {
        kind: Kind::SensitiveDataExposure,
        parts,
        window: 0,
    };
    let where_in = if place == "url" { "URLs" } else { "Responses" };
    let draft = || Draft {
        confidence: match (class, data.strong > 0) {
            (DataClass::Card | DataClass::Itin | DataClass::Ssn, false) => 0.7,
            _ => 0.9,
        },
        title: Some(format!("{where_in} hold {}", class.title())),
        resource: activity.resource(),
        observed: vec![
            ("class", json!(class.name())),
            ("credential", json!(!open)),
            ("place", json!(place)),
        ],
        expected: vec![("distinct_values", json!(0))],
        earlier: data.first.iter().map(|e| (**e).clone()).collect(),
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |running| {
        running.count(data.exchanges);
        running.observed("distinct_values", data.distinct());
        running.observed("responses", data.exchanges);
        running.observed("most_in_one_response", data.most);
        running.observed("samples", json!(data.samples));
        running.support("exchanges", endpoint.exchanges);
        running.support("callers", endpoint.caller_count());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let distinct = finding.observed_number("distinct_values");
    let or_more = if distinct >= VALUES as u64 { " or more" } else { "" };
    let class = class_title(finding.observed_text("class"));
    let example = match finding.observed_list("samples").first() {
        Some(sample) => format!(", for example {sample}"),
        None => String::new(),
    };
    let seen = finding.observed_number("responses");
    if finding.observed_text("place") == "url" {
        return sentence(&format!(
            "{} was called with {class} in the URL in {}: {distinct}{or_more} different ones in all{example}. Logs, proxies and browsers keep URLs.",
            finding.place(),
            many(seen, "request", "requests"),
        ));
    }
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
        "{} returned {class} in {}: {distinct}{or_more} different ones in all{most}{example}.{open}",
        finding.place(),
        many(seen, "response", "responses"),
    ))
}
