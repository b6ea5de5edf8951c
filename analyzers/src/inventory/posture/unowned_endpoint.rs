//! # `unowned_or_unclassified_endpoint`: nobody is named who answers for an endpoint
//!
//! Reports, once per endpoint, that it is in use and neither the owner map, nor an override, nor a specification names an
//! owner: low; medium when it holds sensitive data or is an operator's (`admin`, `internal`, `export`).
//!
//! Source: OWASP API9:2023; CWE-1059.
//!
//! Blind to: owners that are named and gone.
//!
//! Quiet when: no owner map is set at all (then nothing has an owner); the endpoint was called once.

use serde_json::json;

use super::Endpoint;
use crate::behaviour::Activity;
use crate::behaviour::privileged;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::settings::Settings;

/// Calls after which an endpoint is in use.
const IN_USE: u64 = 4;

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    endpoint: &Endpoint,
    settings: &Settings,
    filing: &mut Filing,
) {
    let declared = &settings.declared;
    if endpoint.exchanges < IN_USE
        || !endpoint.exchanges.is_power_of_two()
        || endpoint.is_static
        || declared.owners.is_empty()
    {
        return;
    }
    let facts = declared.facts(&endpoint.host, &endpoint.method, &endpoint.template);
    if facts.owner.is_some() {
        return;
    }
    let classes: Vec<&str> = endpoint
        .data
        .response
        .iter()
        .filter(|(class, data)| !class.is_contact() && data.is_claimed(**class))
        .map(|(class, _)| class.name())
        .collect();
    let severity = if classes.is_empty() && !privileged(&endpoint.template) {
        Severity::Low
    } else {
        Severity::Medium
    };
    let id = endpoint.id.to_string();
    let subject = Subject {
        kind: Kind::UnownedOrUnclassifiedEndpoint,
        parts: &[id.as_bytes()],
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.95,
        resource: activity.resource(),
        observed: vec![
            ("data", json!(classes)),
            ("tier_declared", json!(facts.tier.is_some())),
        ],
        expected: vec![("owners", json!(1))],
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |running| {
        running.count(endpoint.exchanges);
        running.support("exchanges", endpoint.exchanges);
        running.support("callers", endpoint.caller_count());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let tier = if finding.observed_flag("tier_declared") {
        ""
    } else {
        " or for whom it is"
    };
    sentence(&format!(
        "{} was called in {} and nobody has said who owns it{tier}.",
        finding.place(),
        many(finding.count, "exchange", "exchanges"),
    ))
}
