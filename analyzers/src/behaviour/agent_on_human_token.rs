//! # `agent_on_human_token`: an agent shows a person's token as its own
//!
//! Reports, once per principal, accepted calls of an agent's program (by its user agent, or because it speaks MCP) with a token of a
//! person that does not say who acts (no `act`, no mark of an agent): what the agent does is logged as what the person did. Medium
//! when a browser shows the same principal's credentials too; low else, since the client of the token is then the agent's own.
//!
//! Source: OWASP NHI10:2025, ASI03:2026; RFC 8693 section 4.1.
//!
//! Blind to: agents whose program does not show; sessions and keys that do not say whose they are.
//!
//! Quiet when: the token names an actor or marks its client as an agent; the registry names the principal; the call was refused; a
//! script that is no agent uses the token.

use serde_json::json;

use super::activity::Activity;
use super::profile::Profile;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{Evidence, Program};

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, profile: &Profile, registered: bool, ledger: &mut Ledger) {
    let identity = activity.identity;
    let Some(person) = identity.person.as_deref() else {
        return;
    };
    let program =
        identity.program == Program::Agent || activity.signals.mcp || activity.signals.agent_field.is_some();
    if !program || registered || identity.decided_by != Evidence::Token || !activity.accepted() {
        return;
    }
    let browser = profile.was_browser();
    let severity = if browser { Severity::Medium } else { Severity::Low };
    let parts: [&[u8]; 1] = [identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::AgentOnHumanToken,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: if browser { 0.85 } else { 0.7 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("program", json!(identity.product)),
            ("person_by", json!(person)),
            ("browser_too", json!(browser)),
        ],
        expected: vec![("actor_named", json!(true))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let too = match finding.observed_flag("browser_too") {
        true => " A browser uses the same identity.",
        false => "",
    };
    sentence(&format!(
        "{} called {} with the program of an agent ({}) and a person's token that names no actor; {} so far.{too}",
        finding.who(),
        finding.place(),
        match finding.observed_text("program") {
            "" => "it speaks MCP",
            program => program,
        },
        many(finding.count, "call", "calls"),
    ))
}
