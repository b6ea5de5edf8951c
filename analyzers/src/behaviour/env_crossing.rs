//! # `env_crossing`: one credential in two environments
//!
//! Reports, once per credential and environment, a credential that is accepted in another environment than before
//! (`inventory.environments`): high when one of the two is production by its name and the other is not, medium else. Also, once per
//! principal and environment, a registered agent in an environment that the registry does not name for it: medium.
//!
//! Source: OWASP NHI8:2025, environment isolation; API8:2023.
//!
//! Blind to: environments that the configuration does not tell apart; a principal with a credential of its own in each, which is as
//! it should be.
//!
//! Quiet when: no environments are set; the credential was refused.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;
use crate::inventory::declared::Agent;

/// Environments remembered per credential.
const ENVIRONMENTS: usize = 4;

/// Looks at an accepted call of a credential that was used in `seen` before.
pub(crate) fn observe(
    activity: &Activity<'_>,
    scheme: Scheme,
    seen: &mut Vec<String>,
    agent: Option<&Agent>,
    ledger: &mut Ledger,
) {
    let Some(here) = activity.host.and_then(|host| host.environment.as_deref()) else {
        return;
    };
    if let Some(agent) =
        agent.filter(|a| !a.environment.is_empty() && !a.environment.iter().any(|e| e == here))
    {
        let parts: [&[u8]; 3] = [activity.identity.text.as_bytes(), b"registry", here.as_bytes()];
        let allowed = agent.environment.join(", ");
        report(
            activity,
            &parts,
            ("registry", scheme),
            (here, &allowed),
            Severity::Medium,
            ledger,
        );
    }
    match seen.first() {
        None => seen.push(here.to_owned()),
        Some(first) if first == here => {}
        Some(first) => {
            let Some(credential) = &activity.identity.credential else {
                return;
            };
            let id = credential.id.to_string();
            let parts: [&[u8]; 3] = [id.as_bytes(), first.as_bytes(), here.as_bytes()];
            let severity = match is_production(first) != is_production(here) {
                true => Severity::High,
                false => Severity::Medium,
            };
            let first = first.clone();
            report(
                activity,
                &parts,
                ("credential", scheme),
                (here, &first),
                severity,
                ledger,
            );
            if seen.len() < ENVIRONMENTS && !seen.iter().any(|e| e == here) {
                seen.push(here.to_owned());
            }
        }
    }
}

fn report(
    activity: &Activity<'_>,
    parts: &[&[u8]],
    (reason, scheme): (&'static str, Scheme),
    (here, expected): (&str, &str),
    severity: Severity,
    ledger: &mut Ledger,
) {
    let subject = Subject {
        kind: Kind::EnvCrossing,
        parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.9,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reason", json!(reason)),
            ("scheme", json!(scheme.name())),
            ("environment", json!(here)),
        ],
        expected: vec![("environment", json!(expected))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// Whether an environment is production by its name.
fn is_production(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let prod = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| matches!(word, "prod" | "production" | "live" | "prd"));
    prod && !name.contains("pre")
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let here = finding.observed_text("environment");
    let there = finding
        .expected
        .get("environment")
        .and_then(serde_json::Value::as_str)
        .unwrap_or("");
    let (who, place) = (finding.who(), finding.place());
    let calls = many(finding.count, "call", "calls");
    sentence(&match finding.observed_text("reason") {
        "registry" => format!(
            "{who} was let in at {place} in the environment {here}, where the registry has it in {there}; {calls} so far."
        ),
        _ => format!(
            "a credential ({}) of {who} was accepted at {place} in the environment {here} and before that in {there}; {calls} so far.",
            finding.observed_text("scheme"),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_known_by_its_name() {
        for name in ["prod", "eu-prod-1", "Production", "live"] {
            assert!(is_production(name), "{name}");
        }
        for name in ["dev", "pre-prod", "product-test", "staging"] {
            assert!(!is_production(name), "{name}");
        }
    }
}
