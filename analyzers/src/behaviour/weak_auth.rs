//! # `weak_auth`: a credential is shown in a way that gives it away
//!
//! Reports, once per principal, host and reason:
//! - `alg_none`: a token without a signature was accepted (high);
//! - `in_url`: a credential in the query, where logs and proxies keep it (medium);
//! - `basic_cleartext`: Basic over plain HTTP (medium);
//! - `key_cleartext`: an API key over plain HTTP (low).
//!
//! Source: OWASP API2 and API8:2023, NHI2 and NHI4:2025; RFC 7617 section 4; RFC 6750 section 5.3; RFC 8725 section 3.1.
//!
//! Blind to: what happens beyond a TLS-terminating proxy that does not say so. Where it does
//! (`X-Forwarded-Proto`, `Forwarded`), the cleartext reasons are a note (info) on the inner leg only.
//!
//! Quiet when: an unsigned token was refused; the client is the same machine (loopback); the query holds the
//! signature of a URL made for one use.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::{Kind, Severity};
use crate::identity::Scheme;

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let token = activity
        .identity
        .credential
        .as_ref()
        .and_then(|c| c.token.as_ref());
    if token.is_some_and(|t| t.alg_none) && activity.accepted() {
        report(
            activity,
            ledger,
            "alg_none",
            Severity::High,
            "a token without a signature was accepted",
        );
    }
    if let Some(query) = activity.signals.query.filter(|q| !q.signature) {
        let what = format!("the URL carried a credential in the parameter `{}`", query.name);
        report(activity, ledger, "in_url", Severity::Medium, &what);
    }
    if activity.exchange.flow.client.ip().is_loopback() {
        return;
    }
    let lowered = |severity| {
        if activity.signals.tls_before {
            Severity::Info
        } else {
            severity
        }
    };
    match activity.scheme {
        Scheme::Basic => {
            report(
                activity,
                ledger,
                "basic_cleartext",
                lowered(Severity::Medium),
                "user name and password went over plain HTTP",
            );
        }
        Scheme::ApiKey => {
            report(
                activity,
                ledger,
                "key_cleartext",
                lowered(Severity::Low),
                "an API key went over plain HTTP",
            );
        }
        _ => {}
    }
}

fn report(
    activity: &Activity<'_>,
    ledger: &mut Ledger,
    reason: &'static str,
    severity: Severity,
    what: &str,
) {
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        reason.as_bytes(),
    ];
    ledger.report(
        Subject {
            kind: Kind::WeakAuth,
            parts: &parts,
            window: 0,
        },
        severity,
        activity,
        || Draft {
            confidence: 0.95,
            principal: true,
            resource: activity.resource(),
            explanation: format!(
                "{} called {}: {what}{}.",
                activity.caller(),
                activity.place_name(),
                if activity.signals.tls_before {
                    " (behind a proxy that was reached over TLS)"
                } else {
                    ""
                }
            ),
            observed: vec![
                ("reason", json!(reason)),
                ("scheme", json!(activity.scheme.name())),
                ("status", json!(activity.status)),
            ],
            expected: vec![
                ("transport", json!("tls")),
                ("place", json!("authorization header")),
            ],
            support: vec![("exchanges", json!(1))],
            ..Draft::default()
        },
    );
}
