//! # `new_endpoint_for_principal`: a principal calls what it never called
//!
//! Reports, after the principal was learned, the first accepted call of an endpoint it never called before, when its
//! history says that this is unusual: Good and Turing's estimate of the chance of something new (the
//! share of its calls that were the only one to their endpoint) is below one in fifty.
//!
//! Info when the endpoint is new to everybody (deployed lately) or the principal has been seen to explore; low else;
//! medium when it changes state or hands out sensitive data, it is known for long and no more than three call it, or when it is an
//! operator's.
//!
//! Source: OWASP API5:2023, NHI5:2025; Good 1953.
//!
//! Blind to: misuse of endpoints the principal has always called.
//!
//! Quiet when: the principal is not learned, is told by address alone (others may stand behind it), is a
//! person (people explore), or the call was refused.

use serde_json::{Value, json};

use super::activity::{Activity, privileged};
use super::profile::Profile;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;
use crate::settings::Settings;

/// Chance of something new above which something new is nothing new.
const EXPLORER: f64 = 0.02;

/// Callers beyond which an endpoint is for everybody.
const COMMON: usize = 3;

/// Looks at an exchange whose endpoint [`Profile::count`] found to be new for the principal.
pub(crate) fn observe(activity: &Activity<'_>, profile: &Profile, settings: &Settings, ledger: &mut Ledger) {
    let Some(endpoint) = activity.endpoint else {
        return;
    };
    if !profile.learned(settings) || activity.kind == PrincipalKind::Human || endpoint.is_static {
        return;
    }
    if activity.identity.by_address || activity.call.is_some_and(crate::inventory::rpc::Call::is_setup) {
        return;
    }
    // The call itself has been counted, as one of those made once.
    let novelty = (profile.novelty() - 1.0 / profile.exchanges.max(1) as f64).max(0.0);
    let known_for = activity.ts.since(endpoint.first);
    let established = known_for >= settings.learn_period && endpoint.exchanges > 1;
    let notable = activity.changes_state() || privileged(&endpoint.template) || endpoint.holds_data;
    // What many call is for many, whoever comes last.
    let common = endpoint.caller_count() > COMMON;
    let severity = match (novelty < EXPLORER, notable, established) {
        (false, _, _) => return,
        (true, true, _) if common && !privileged(&endpoint.template) => Severity::Low,
        (true, true, true) => Severity::Medium,
        (true, true, false) if privileged(&endpoint.template) => Severity::Medium,
        (true, _, true) => Severity::Low,
        (true, _, false) => Severity::Info,
    };
    let id = endpoint.id.to_string();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), id.as_bytes()];
    let subject = Subject {
        kind: Kind::NewEndpointForPrincipal,
        parts: &parts,
        window: 0,
    };
    let draft = || {
        let days = profile.last.since(profile.first).as_secs_f64() / 86_400.0;
        Draft {
            confidence: if established { 0.7 } else { 0.4 },
            principal: true,
            resource: activity.resource(),
            observed: vec![
                ("status", json!(activity.status)),
                ("endpoint_exchanges", json!(endpoint.exchanges)),
                ("endpoint_callers", json!(endpoint.caller_count())),
            ],
            expected: vec![("chance_of_new", json!((novelty * 1e6).round() / 1e6))],
            support: vec![
                ("exchanges", json!(profile.exchanges.saturating_sub(1))),
                ("endpoints", json!(profile.endpoint_count().saturating_sub(1))),
                ("days", json!((days * 10.0).round() / 10.0)),
                ("endpoint_known_for_s", json!(known_for.as_secs())),
            ],
            ..Draft::default()
        }
    };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let support = |name: &str| finding.support.get(name).and_then(Value::as_u64).unwrap_or(0);
    let days = finding.support.get("days").and_then(Value::as_f64);
    let chance = finding.expected.get("chance_of_new").and_then(Value::as_f64);
    let others = match finding.observed_number("endpoint_callers") {
        0 | 1 => "nobody else has called it".to_owned(),
        2 => "1 other caller is known".to_owned(),
        callers => format!("{} other callers are known", callers - 1),
    };
    let chance = chance.unwrap_or(0.0) * 100.0;
    let chance = if chance < 0.01 {
        "less than 0.01 %".to_owned()
    } else {
        format!("{chance:.2} %")
    };
    sentence(&format!(
        "{} called {} for the first time (it {}), after {} to {} in {:.1} days, by which the chance of something new was \
         {chance}; {others}.",
        finding.who(),
        finding.place(),
        finding.answer(),
        many(support("exchanges"), "call", "calls"),
        many(support("endpoints"), "endpoint", "endpoints"),
        days.unwrap_or(0.0),
    ))
}
