//! # `bfla_access`: a function of another role is used
//!
//! Learns of each endpoint, from calls that were let in, which scopes all tokens had that name any, and whether people or machines call it. A call that is let in
//! is of another role when the endpoint is known (thirty calls of three callers or more) and
//! - its token names scopes, and has none of those that every other token had; or
//! - the endpoint's name is one of operators' (`admin`, `internal`, `roles`, `backup` …), only people ever called it, and a machine does now.
//!
//! High when the endpoint's name is one of operators', medium when the call changes something, low else: reading is often allowed to several roles.
//!
//! Source: OWASP API5:2023; NHI5:2025; ASI03:2026; MITRE ATLAS AML.T0053; ATT&CK T1078.
//!
//! Blind to: tokens that do not say what they allow, at endpoints with ordinary names; functions that only one caller uses; roles that share a scope
//! (`openid`).
//!
//! Quiet when: the call was refused; a third caller does the same within two days (a scope was renamed); what is told is not learned, but a call on a third day is.

use serde_json::json;

use super::activity::{Activity, privileged};
use super::customs::Custom;
use super::days::day_of;
use super::doing::Unit;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Seed;
use crate::identity::PrincipalKind;

/// Calls and callers from which on an endpoint is known.
const CALLS: u32 = 30;
const CALLERS: u32 = 3;

/// Days on which it was told, until it is a role of its own.
const HABIT: u32 = 3;

/// What a caller was told of: the last day, and on how many.
pub(crate) type Told = (u32, u32);

/// Looks at a call that was let in. `told` is of this caller.
pub(super) fn observe(
    activity: &Activity<'_>,
    custom: &mut Custom,
    unit: &mut Unit,
    told: &mut Told,
    seed: Seed,
    ledger: &mut Ledger,
) {
    let person = activity.kind == PrincipalKind::Human;
    let token = activity
        .identity
        .credential
        .as_ref()
        .and_then(|c| c.token.as_ref());
    let scopes: Vec<u32> = token
        .into_iter()
        .flat_map(|token| &token.scopes)
        .map(|scope| seed.hash(scope.as_bytes()) as u32)
        .collect();
    let Some(endpoint) = activity.endpoint else {
        return;
    };
    let operators = privileged(&endpoint.template);
    let known = custom.calls >= CALLS && custom.callers() >= CALLERS;
    let lacks = !scopes.is_empty()
        && custom.scoped >= CALLS
        && !custom.scopes.is_empty()
        && !scopes.iter().any(|scope| custom.scopes.contains(scope));
    let machine = operators
        && custom.kinds.1 == 0
        && matches!(activity.kind, PrincipalKind::AiAgent | PrincipalKind::Service);
    let today = day_of(activity.ts);
    let habit = told.1 >= HABIT && told.0 < today;
    let (lacks, machine) =
        match known && (lacks || machine) && custom.changes_with(activity.identity.id, today) {
            true => {
                custom.forget_scopes();
                (false, false)
            }
            false => (lacks, machine),
        };
    if !known || habit || activity.identity.by_address || !(lacks || machine) {
        custom.count(activity.identity.id, person);
        if !scopes.is_empty() {
            custom.take_scopes(&scopes);
        }
        return;
    }
    if today > told.0 {
        *told = (today, told.1 + 1);
    }
    let severity = match (operators, activity.changes_state()) {
        (true, _) => Severity::High,
        (false, true) => Severity::Medium,
        // Reading is often allowed to several roles, of which one came first.
        (false, false) => Severity::Low,
    };
    let place = endpoint.id.to_string();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), place.as_bytes()];
    let subject = Subject {
        kind: Kind::BflaAccess,
        parts: &parts,
        window: day(unit.first),
    };
    let draft = || Draft {
        confidence: 0.8,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reason", json!(if lacks { "scopes" } else { "people" })),
            ("scopes_in_common", json!(0)),
        ],
        expected: vec![("scopes_of_all_others", json!(custom.scopes.len()))],
        support: vec![
            ("calls", json!(custom.calls)),
            ("callers", json!(custom.callers())),
        ],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
    unit.reported |= severity > Severity::Low;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let support = |name: &str| {
        let value = finding.support.get(name);
        value.and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    let scopes = finding.expected.get("scopes_of_all_others");
    let why = match finding.observed.get("reason").and_then(serde_json::Value::as_str) {
        Some("people") => "only people ever did that".to_owned(),
        _ => format!(
            "its token has none of {} that every other one had",
            match scopes.and_then(serde_json::Value::as_u64).unwrap_or(0) {
                1 => "the one scope".to_owned(),
                scopes => format!("the {scopes} scopes"),
            }
        ),
    };
    sentence(&format!(
        "{} was let in to {}, {}: {why}, in {} of {}.",
        finding.who(),
        finding.place(),
        many(finding.count, "time", "times"),
        many(support("calls"), "call", "calls"),
        many(support("callers"), "caller", "callers"),
    ))
}
