//! # `agent_changed`: an agent is no longer what it was
//!
//! Knows of each machine the version of its program (User-Agent), the models it asks, the tools that it offers to them, and the keyed hash of its system
//! prompt. A value that was never seen, after thirty calls with a few others, is a change: an epoch begins. That explains other ways: for
//! three days `sequence_anomaly`, `data_volume_anomaly`, `rate_anomaly` and `new_endpoint_for_principal` are told a step lower, and say how long ago the change was. The same
//! without a change is told at its full severity. What is wrong whatever the version (guessing, destinations, injection, credentials) is not lowered.
//!
//! Low.
//!
//! Source: field practice of agent operations; ASI10:2026; NIST AI RMF MEASURE 2.4.
//!
//! Blind to: changes behind the same version, model, tools and prompt; programs of another name with the same credential, which are no new version (see `credential_shared`
//! and `agent_identity_mismatch`).
//!
//! Quiet when: a value comes back; a part has more than six values (a prompt with the time of day in it); the caller is a person.

use serde_json::json;

use super::activity::Activity;
use super::epochs::{Change, Epochs, Part};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Seed;
use crate::identity::PrincipalKind;
use crate::privacy::safe_name;

/// Bytes of a User-Agent that are read.
const READ: usize = 256;

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    epochs: &mut Epochs,
    seed: Seed,
    key: &[u8; 32],
    ledger: &mut Ledger,
) {
    if activity.kind == PrincipalKind::Human || activity.identity.by_address || activity.identity.browser {
        return;
    }
    let now = activity.ts;
    let mut changes: Vec<Change> = Vec::new();
    let agent = activity.signals.user_agent;
    if !epochs.is_other_agent(agent, seed) {
        epochs.again(Part::Version);
    } else if let Some((name, version)) = program(agent) {
        let value = format!("{} {}", safe_name(key, name), safe_name(key, version));
        let same = epochs.program_is(&safe_name(key, name));
        if same {
            changes.extend(epochs.see(Part::Version, &value, seed, now));
        }
    }
    if let Some(call) = activity.llm {
        if let Some(model) = &call.model {
            changes.extend(epochs.see(Part::Model, model, seed, now));
        }
        if !call.tools_offered.is_empty() {
            changes.extend(epochs.see(Part::Tools, &call.tools_offered.join(", "), seed, now));
        }
        if let Some(prompt) = &call.system {
            changes.extend(epochs.see(Part::Prompt, prompt, seed, now));
        }
    }
    for change in changes {
        tell(activity, &change, ledger);
    }
}

/// Name and version of a program: what stands before and behind the first slash.
fn program(agent: &str) -> Option<(&str, &str)> {
    let end = agent.len().min(READ);
    let agent = agent.get(..end)?;
    let (name, rest) = agent.split_once('/')?;
    let version = rest.split([' ', ';', ',']).next()?;
    let numbered = version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
    (numbered && !name.is_empty()).then_some((name.trim(), version))
}

fn tell(activity: &Activity<'_>, change: &Change, ledger: &mut Ledger) {
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        change.part.name().as_bytes(),
        change.after.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::AgentChanged,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.9,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![
            ("part", json!(change.part.name())),
            ("after", json!(change.after)),
        ],
        expected: vec![("before", json!(change.before))],
        support: vec![("calls", json!(change.calls))],
        ..Draft::default()
    };
    ledger.report(subject, Severity::Low, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let text = |all: &serde_json::Map<String, serde_json::Value>, name: &str| {
        let value = all.get(name).and_then(serde_json::Value::as_str);
        value.unwrap_or("?").to_owned()
    };
    let calls = finding.support.get("calls").and_then(serde_json::Value::as_u64);
    let part = match text(&finding.observed, "part").as_str() {
        "program" => "The program of",
        "model" => "The model of",
        "tools" => "The tools offered by",
        _ => "The system prompt (by its keyed hash) of",
    };
    sentence(&format!(
        "{part} {} changed, as seen at {}: {} before, in {}, and {} now. Its ways may change with it; for three days what is only unusual is told a step lower.",
        finding.who(),
        finding.place(),
        text(&finding.expected, "before"),
        many(calls.unwrap_or(0), "call", "calls"),
        text(&finding.observed, "after"),
    ))
}
