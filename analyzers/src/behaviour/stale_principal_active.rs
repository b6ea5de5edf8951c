//! # `stale_principal_active`: somebody who should be gone is back
//!
//! Reports accepted calls of a principal
//! - that the registry says should be gone (`until`): high, once per principal;
//! - that was silent for `inventory.silent_after` while the host it calls now was watched on the days between: low, medium for
//!   machines; once per return.
//!
//! Source: OWASP NHI1:2025, improper offboarding; ASI10:2026.
//!
//! Blind to: principals that were never seen before they went; silence of hosts that were not watched.
//!
//! Quiet when: nothing but an address or a session names it; the days between were not watched; the calls were refused.

use serde_json::json;

use super::activity::Activity;
use super::profile::Profile;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;
use crate::inventory::declared::Agent;
use crate::settings::Settings;
use reassembly::Timestamp;

/// Looks at one exchange. `before` is when the principal was seen last, `covered` tells on how many days between two times the host
/// was watched.
pub(crate) fn observe(
    activity: &Activity<'_>,
    profile: &Profile,
    before: Timestamp,
    (agent, settings): (Option<&Agent>, &Settings),
    covered: impl FnOnce(Timestamp, Timestamp) -> u64,
    ledger: &mut Ledger,
) {
    if activity.identity.by_address || !activity.accepted() {
        return;
    }
    let gone = agent
        .and_then(|a| a.until)
        .filter(|day| activity.ts.seconds() >= day.end());
    if let Some(day) = gone {
        let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), b"until"];
        let late = activity.ts.seconds() - day.end();
        let draft = || Draft {
            confidence: 0.95,
            principal: true,
            resource: activity.resource(),
            observed: vec![("reason", json!("until")), ("seconds_late", json!(late))],
            expected: vec![("until", json!(day.to_string()))],
            ..Draft::default()
        };
        let subject = Subject {
            kind: Kind::StalePrincipalActive,
            parts: &parts,
            window: 0,
        };
        ledger.report(subject, Severity::High, activity, draft, |running| {
            running.support("exchanges", running.seen());
        });
        return;
    }
    let silent = activity.ts.since(before);
    if silent < settings.silent_after {
        return;
    }
    let days = settings.silent_after.as_secs().div_ceil(86_400);
    let covered = covered(before, activity.ts);
    if covered < days.saturating_sub(1).max(1) {
        return;
    }
    let since = before.seconds().to_le_bytes();
    let parts: [&[u8]; 3] = [activity.identity.text.as_bytes(), b"silent", &since];
    let machine = matches!(profile.kind, PrincipalKind::AiAgent | PrincipalKind::Service);
    let draft = || Draft {
        confidence: 0.8,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reason", json!("silent")),
            ("silent_seconds", json!(silent.as_secs())),
            ("covered_days", json!(covered)),
        ],
        expected: vec![("silent_days_less_than", json!(days))],
        support: vec![("exchanges", json!(profile.exchanges))],
        ..Draft::default()
    };
    let subject = Subject {
        kind: Kind::StalePrincipalActive,
        parts: &parts,
        window: 0,
    };
    let severity = if machine { Severity::Medium } else { Severity::Low };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let (who, place) = (finding.who(), finding.place());
    sentence(&match finding.observed_text("reason") {
        "until" => format!(
            "{who} should be gone since {}, as the registry says, and was let in at {place}; {} since then.",
            finding
                .expected
                .get("until")
                .and_then(serde_json::Value::as_str)
                .unwrap_or(""),
            many(finding.count, "call", "calls"),
        ),
        _ => format!(
            "{who} was let in at {place} after {} of silence, during which the host was watched on {}.",
            span(finding.observed_number("silent_seconds")),
            many(finding.observed_number("covered_days"), "day", "days"),
        ),
    })
}
