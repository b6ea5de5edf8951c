//! # `undocumented_parameter`: an operation takes parameters that its specification does not declare
//!
//! Reports, once for each operation of OpenAPI, names in the query, in form bodies and of fields that begin with `x-`, that were
//! sent in at least three calls that were answered 2xx, and in a twentieth of all such calls.
//!
//! Blind to: whether the server reads them; parameters in cookies. A name that is no plain word is told as `(hidden)`.
//!
//! Quiet when: a name is a declared credential, a property of a declared object that is exploded, or one that belongs to no
//! API (`utm_source`, cache busters, fields of proxies and tracers); the schema allows any name.
//!
//! # `undocumented_status`: an operation answers with a status that its specification does not declare
//!
//! Reports a status for which the operation declares neither itself, nor its class, nor a default: of 2xx and 3xx at once,
//! of others after three answers.
//!
//! Quiet when: HTTP itself, a gateway or a proxy may give the status to any request (304, 401, 403, 404, 405, 429, 500, 502 …),
//! or the operation declares no response at all.
//!
//! Source of both: OWASP API Security Top 10 2023, API9; field.md R03.

use serde_json::{Value, json};

use super::{Check, short_name};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::inventory::endpoint::Endpoint;
use crate::spec::Operation;

/// Successful calls with a name before it is told …
const CALLS: u64 = 3;

/// … and the share of all successful calls that they must be: servers pass over names that they do not know, so what a
/// scanner tries is answered as well.
const SHARE: u64 = 20;

/// Answers outside 2xx and 3xx before a status is told.
const ANSWERS: u64 = 3;

/// Statuses that HTTP itself, a gateway or a proxy gives to any request, whatever the operation is.
const ANY: [u16; 23] = [
    304, 401, 403, 404, 405, 406, 407, 408, 411, 412, 413, 414, 415, 416, 417, 421, 426, 429, 431, 500, 502,
    503, 504,
];

/// Whether a status departs from what an operation declares.
pub(crate) fn status(operation: &Operation, status: u16) -> bool {
    status >= 200
        && !ANY.contains(&status)
        && !operation.responses.is_empty()
        && operation.response(status).is_none()
}

/// Looks at one exchange of a declared operation.
pub(crate) fn observe(activity: &Activity<'_>, endpoint: &Endpoint, check: &Check<'_>, filing: &mut Filing) {
    let (Some(found), Some(compared)) = (&check.found, &endpoint.compared) else {
        return;
    };
    let id = endpoint.id.to_string();
    let name = short_name(found.spec);
    if !check.names.is_empty() {
        let enough = |count: u64| count >= CALLS && count * SHARE >= compared.declared;
        let told: Vec<_> = compared.names.iter().filter(|(_, d)| enough(d.count)).collect();
        let count = told.iter().map(|(_, d)| d.count).max().unwrap_or(0);
        let here = |name: &String| {
            check
                .names
                .iter()
                .any(|(place, own)| *name == format!("{place} {own}"))
        };
        if told.iter().any(|(name, _)| here(name)) {
            let subject = Subject {
                kind: Kind::UndocumentedParameter,
                parts: &[id.as_bytes()],
                window: 0,
            };
            let list: Vec<String> = told.iter().map(|(name, _)| (*name).clone()).collect();
            let draft = || Draft {
                confidence: 0.8,
                resource: activity.resource(),
                observed: vec![("status", json!(activity.status))],
                expected: vec![
                    ("specification", json!(name)),
                    ("line", json!(found.operation.at.line)),
                    ("declared_parameters", json!(found.operation.parameters.len())),
                ],
                earlier: told.iter().take(5).map(|(_, d)| (*d.first).clone()).collect(),
                ..Draft::default()
            };
            filing.report(subject, Severity::Low, draft, |running| {
                running.set_count(count);
                running.observed("parameters", list);
                running.support("exchanges", compared.declared);
            });
        }
    }
    let Some(status) = check.status else { return };
    let Some(departure) = compared.statuses.get(&status) else {
        return;
    };
    let success = status < 400;
    if !success && departure.count < ANSWERS {
        return;
    }
    let text = status.to_string();
    let subject = Subject {
        kind: Kind::UndocumentedStatus,
        parts: &[id.as_bytes(), text.as_bytes()],
        window: 0,
    };
    let severity = if success { Severity::Low } else { Severity::Info };
    let draft = || Draft {
        confidence: 0.9,
        resource: activity.resource(),
        observed: vec![("status", json!(status))],
        expected: vec![
            ("specification", json!(name)),
            ("line", json!(found.operation.at.line)),
            (
                "statuses",
                json!(
                    found
                        .operation
                        .responses
                        .iter()
                        .map(|r| r.status.to_string())
                        .collect::<Vec<_>>()
                ),
            ),
        ],
        earlier: vec![(*departure.first).clone()],
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |running| {
        running.set_count(departure.count);
        running.observed("answers", departure.count);
        running.support("exchanges", endpoint.exchanges);
    });
}

/// The finding about parameters in words.
pub(crate) fn explain_parameter(finding: &Finding) -> String {
    let names = finding.observed_list("parameters");
    let shown = names
        .iter()
        .take(8)
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let more = names.len().saturating_sub(8);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    sentence(&format!(
        "{} was called with {} that {} does not declare, and answered with success: {shown}{more}. The one sent most was in {}.",
        finding.place(),
        many(names.len() as u64, "parameter", "parameters"),
        expected_text(finding, "specification"),
        many(finding.count, "call", "calls"),
    ))
}

/// The finding about a status in words.
pub(crate) fn explain_status(finding: &Finding) -> String {
    let declared = finding.expected.get("statuses").and_then(Value::as_array);
    let declared: Vec<&str> = declared.into_iter().flatten().filter_map(Value::as_str).collect();
    sentence(&format!(
        "{} answered {} with {}; {} declares {} for it.",
        finding.place(),
        many(finding.count, "call", "calls"),
        finding.observed_number("status"),
        expected_text(finding, "specification"),
        declared.join(", "),
    ))
}

pub(crate) fn expected_text<'a>(finding: &'a Finding, name: &str) -> &'a str {
    finding
        .expected
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or("the specification")
}
