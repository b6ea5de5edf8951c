//! # `new_endpoint_for_principal`: a principal calls what it never called
//!
//! Reports, after the principal was learned, the first accepted call of an endpoint it never called before, when its
//! history says that this is unusual: Good and Turing's estimate of the chance of something new (the
//! share of its calls that were the only one to their endpoint) is below one in fifty.
//!
//! Info when the endpoint is new to everybody (deployed lately) or the principal has been seen to explore; low else;
//! medium when it changes state, hands out sensitive data or is an operator's, and others have long known it or few
//! call it.
//!
//! Source: OWASP API5:2023, NHI5:2025; Good 1953.
//!
//! Blind to: misuse of endpoints the principal has always called.
//!
//! Quiet when: the principal is not learned, is told by address alone (others may stand behind it), is a
//! person (people explore), or the call was refused.

use serde_json::json;

use super::activity::{Activity, privileged};
use super::profile::Profile;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::{Kind, Severity};
use crate::identity::PrincipalKind;
use crate::settings::Settings;

/// Chance of something new above which something new is nothing new.
const EXPLORER: f64 = 0.02;

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
    let notable = activity.changes_state() || privileged(&endpoint.template) || !endpoint.data.is_empty();
    let severity = match (novelty < EXPLORER, notable, established) {
        (false, _, _) => return,
        (true, true, true) => Severity::Medium,
        (true, true, false) if privileged(&endpoint.template) => Severity::Medium,
        (true, _, true) => Severity::Low,
        (true, _, false) => Severity::Info,
    };
    let id = endpoint.id.to_string();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), id.as_bytes()];
    ledger.report(Subject { kind: Kind::NewEndpointForPrincipal, parts: &parts, window: 0 }, severity, activity, || {
        let days = profile.last.since(profile.first).as_secs_f64() / 86_400.0;
        Draft {
            confidence: if established { 0.7 } else { 0.4 },
            principal: true,
            resource: activity.resource(),
            explanation: format!(
                "{} called {} for the first time after {} exchanges over {days:.1} days with {} endpoints; {:.2} % of its calls were to something new.",
                activity.caller(),
                activity.place_name(),
                profile.exchanges,
                profile.endpoint_count().saturating_sub(1),
                novelty * 100.0
            ),
            observed: vec![("endpoint_exchanges", json!(endpoint.exchanges)), ("endpoint_callers", json!(endpoint.caller_count()))],
            expected: vec![("chance_of_new", json!((novelty * 1e6).round() / 1e6))],
            support: vec![
                ("exchanges", json!(profile.exchanges)),
                ("days", json!((days * 10.0).round() / 10.0)),
                ("endpoint_known_for_s", json!(known_for.as_secs())),
            ],
            ..Draft::default()
        }
    });
}
