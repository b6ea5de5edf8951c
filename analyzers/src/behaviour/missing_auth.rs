//! # `missing_auth`: an endpoint answers a request that shows no credential
//!
//! Reports an endpoint that answered 2xx without any credential although
//! - it refused others without one (401 or 403), or is otherwise called with one in a field, or
//! - it changes state, hands out personal or card data, or is an operator's (`admin`, `internal`, `export`), on a
//!   host where at least four of five successful calls carry a credential.
//!
//! Source: OWASP API Security Top 10 2023, API2; NHI Top 10 2025, NHI4.
//!
//! Blind to: client certificates and network policy (an endpoint guarded by them looks open); credentials in
//! a body; hosts where nothing is authenticated.
//!
//! Quiet when: the endpoint is a login, token, health, static, documentation or `.well-known` one, the request
//! is OPTIONS or HEAD, the response sets a cookie (that is how a login looks), the answer is a redirect, an
//! MCP call only sets up a session, or the request carries a signature (webhooks). 401 and 403 are never
//! exposure.

use serde_json::json;

use super::activity::{Activity, privileged};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::{Kind, Severity};
use crate::identity::Scheme;
use crate::inventory::sensitive::DataClass;

/// Calls with a credential before an endpoint is said to be called with one.
const AUTHENTICATED: u64 = 10;

/// Successful calls of a host before its habit is known, and of the endpoint itself.
const HOST_CALLS: u64 = 50;
const OWN_CALLS: u64 = 3;

/// Words of routes that are open by purpose.
const PUBLIC: [&str; 46] = [
    "login",
    "signin",
    "sign-in",
    "logout",
    "register",
    "signup",
    "sign-up",
    "token",
    "tokens",
    "oauth",
    "oauth2",
    "auth",
    "authorize",
    "authenticate",
    "callback",
    "sso",
    "saml",
    "oidc",
    "jwks",
    "certs",
    "forgot",
    "forgot-password",
    "reset",
    "reset-password",
    "health",
    "healthz",
    "healthcheck",
    "livez",
    "readyz",
    "ready",
    "live",
    "ping",
    "status",
    "version",
    "docs",
    "swagger",
    "openapi",
    "redoc",
    "static",
    "assets",
    "public",
    "csrf",
    "captcha",
    "webhook",
    "webhooks",
    "beacon",
];

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    if activity.scheme != Scheme::None || !activity.accepted() {
        return;
    }
    let Some(endpoint) = activity.endpoint else {
        return;
    };
    if endpoint.is_static
        || matches!(activity.request.method(), "OPTIONS" | "HEAD")
        || is_public(&endpoint.template)
    {
        return;
    }
    if activity.call.is_some_and(crate::inventory::rpc::Call::is_setup) {
        return;
    }
    let sets_cookie = activity
        .exchange
        .response
        .as_ref()
        .is_some_and(|r| r.message.field("set-cookie").is_some());
    if sets_cookie {
        return;
    }
    let sensitive = endpoint
        .data
        .iter()
        .any(|(class, data)| *class != DataClass::Email && data.distinct() > 0 || data.most >= 10);
    let changes = activity.changes_state() && endpoint.protocol == "http"
        || endpoint.tool().is_some() && activity.changes_state();
    let demands = endpoint.denied > 0;
    let carried = endpoint.auth_ok >= AUTHENTICATED && endpoint.open_ok * 4 <= endpoint.auth_ok;
    let (with, without) = activity
        .host
        .map_or((0, 0), |h| (h.with_credential, h.without_credential));
    let alone = with + without >= HOST_CALLS
        && with >= 4 * without
        && endpoint.open_ok >= OWN_CALLS
        && endpoint.auth_ok == 0;
    let notable = sensitive || changes || privileged(&endpoint.template);
    let reason = if demands {
        "refused others without one"
    } else if carried {
        "is otherwise called with one"
    } else if alone && notable {
        "stands on a host where nearly all calls carry one"
    } else {
        return;
    };
    let severity = match (sensitive, changes) {
        (true, _) => Severity::High,
        (false, true) => Severity::High,
        (false, false) if demands || alone => Severity::Medium,
        // Optional authentication is common for reading.
        (false, false) => Severity::Low,
    };
    let id = endpoint.id.to_string();
    ledger.report(Subject { kind: Kind::MissingAuth, parts: &[id.as_bytes()], window: 0 }, severity, activity, || Draft {
        confidence: if demands || alone { 0.8 } else { 0.7 },
        resource: activity.resource(),
        explanation: format!(
            "{} answered {} to a request without any credential; it {reason} ({} calls with a credential, {} without, {} refused).",
            activity.place_name(),
            activity.status.unwrap_or(0),
            endpoint.auth_ok,
            endpoint.open_ok,
            endpoint.denied
        ),
        observed: vec![("open_2xx", json!(endpoint.open_ok)), ("status", json!(activity.status))],
        expected: vec![("status", json!(401))],
        support: vec![
            ("exchanges", json!(endpoint.exchanges)),
            ("authenticated_2xx", json!(endpoint.auth_ok)),
            ("denied", json!(endpoint.denied)),
            ("host_with_credential", json!(with)),
            ("host_without_credential", json!(without)),
        ],
        ..Draft::default()
    });
}

fn is_public(template: &str) -> bool {
    let path = template.split('#').next().unwrap_or("");
    path == "/"
        || path == "/favicon.ico"
        || path == "/robots.txt"
        || path.split(['/', '.', ':']).any(|part| {
            PUBLIC.iter().any(|w| part.eq_ignore_ascii_case(w)) || part.eq_ignore_ascii_case("well-known")
        })
}
