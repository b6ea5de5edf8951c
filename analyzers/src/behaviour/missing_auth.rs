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

use serde_json::{Value, json};

use super::activity::{Activity, privileged};
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;
use crate::inventory::endpoint::Endpoint;
use crate::inventory::host::Host;
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
pub(crate) fn observe(
    activity: &Activity<'_>,
    endpoint: &Endpoint,
    host: Option<&Host>,
    filing: &mut Filing,
) {
    if activity.scheme != Scheme::None || !activity.accepted() {
        return;
    }
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
    // A shop gives out its telephone number, and a session its token.
    let sensitive = endpoint.data.response.iter().any(|(class, data)| {
        let few =
            class.is_contact() || matches!(class, DataClass::BrowserKey | DataClass::Jwt | DataClass::Secret);
        !few && data.distinct() > 0 || data.most >= 10
    });
    let changes = activity.changes_state() && endpoint.protocol == "http"
        || endpoint.tool().is_some() && activity.changes_state();
    let demands = endpoint.denied > 0;
    let carried = endpoint.auth_ok >= AUTHENTICATED && endpoint.open_ok * 4 <= endpoint.auth_ok;
    let (with, without) = host.map_or((0, 0), |h| (h.with_credential, h.without_credential));
    let alone = with + without >= HOST_CALLS
        && with >= 4 * without
        && endpoint.open_ok >= OWN_CALLS
        && endpoint.auth_ok == 0;
    let notable = sensitive || changes || privileged(&endpoint.template);
    let reason = if demands {
        "refused_others"
    } else if carried {
        "called_with_one"
    } else if alone && notable {
        "host_called_with_one"
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
    let subject = Subject {
        kind: Kind::MissingAuth,
        parts: &[id.as_bytes()],
        window: 0,
    };
    let draft = || Draft {
        confidence: if demands || alone { 0.8 } else { 0.7 },
        resource: activity.resource(),
        observed: vec![
            ("status", json!(activity.status)),
            ("reason", json!(reason)),
            ("changes_state", json!(changes)),
            (
                "data",
                json!(
                    endpoint
                        .data
                        .response
                        .keys()
                        .map(|c| c.name())
                        .collect::<Vec<_>>()
                ),
            ),
        ],
        expected: vec![("status", json!(401))],
        earlier: endpoint.first_open.iter().map(|e| (**e).clone()).collect(),
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |running| {
        running.count(endpoint.open_ok);
        running.observed("open_2xx", endpoint.open_ok);
        running.support("exchanges", endpoint.exchanges);
        running.support("authenticated_2xx", endpoint.auth_ok);
        running.support("denied", endpoint.denied);
        running.support("host_with_credential", with);
        running.support("host_without_credential", without);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let support = |name: &str| finding.support.get(name).and_then(Value::as_u64).unwrap_or(0);
    let why = match finding.observed_text("reason") {
        "refused_others" => format!(
            "although it refused {} without one",
            many(support("denied"), "other call", "other calls")
        ),
        "called_with_one" => format!(
            "although it was called with one {}",
            many(support("authenticated_2xx"), "time", "times")
        ),
        _ => {
            let with = support("host_with_credential");
            format!(
                "although {with} of {} to this host carried one",
                many(
                    with + support("host_without_credential"),
                    "successful call",
                    "successful calls"
                )
            )
        }
    };
    let mut weight = Vec::new();
    let classes: Vec<_> = finding
        .observed_list("data")
        .into_iter()
        .map(class_title)
        .collect();
    if !classes.is_empty() {
        weight.push(format!("hands out {}", classes.join(" and ")));
    }
    if finding.observed_flag("changes_state") {
        weight.push("changes state".to_owned());
    }
    let weight = if weight.is_empty() {
        String::new()
    } else {
        format!(" It {}.", weight.join(" and "))
    };
    sentence(&format!(
        "{} {} to {} without any credential, {why}.{weight}",
        finding.place(),
        finding.answer(),
        many(finding.count, "request", "requests"),
    ))
}

pub(crate) fn is_public(template: &str) -> bool {
    let path = template.split('#').next().unwrap_or("");
    path == "/"
        || path == "/favicon.ico"
        || path == "/robots.txt"
        || path.split(['/', '.', ':']).any(|part| {
            PUBLIC.iter().any(|w| part.eq_ignore_ascii_case(w)) || part.eq_ignore_ascii_case("well-known")
        })
}
