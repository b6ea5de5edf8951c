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
//! Quiet when: an unsigned token was refused; the query holds the signature of a URL made for one use. The cleartext
//! reasons also when the client is the same machine (loopback), or the connection is TLS that was decrypted.

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let token = activity
        .identity
        .credential
        .as_ref()
        .and_then(|c| c.token.as_ref());
    if token.is_some_and(|t| t.alg_none) && activity.accepted() {
        report(activity, ledger, "alg_none", Severity::High);
    }
    if activity.signals.query.is_some_and(|q| !q.signature) {
        report(activity, ledger, "in_url", Severity::Medium);
    }
    if activity.exchange.flow.tls || activity.exchange.flow.client.ip().is_loopback() {
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
        Scheme::Basic => report(activity, ledger, "basic_cleartext", lowered(Severity::Medium)),
        Scheme::ApiKey => report(activity, ledger, "key_cleartext", lowered(Severity::Low)),
        _ => {}
    }
}

fn report(activity: &Activity<'_>, ledger: &mut Ledger, reason: &'static str, severity: Severity) {
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        reason.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::WeakAuth,
        parts: &parts,
        window: 0,
    };
    let draft = || {
        let mut observed = vec![
            ("reason", json!(reason)),
            ("scheme", json!(activity.scheme.name())),
            ("status", json!(activity.status)),
            ("tls_before_proxy", json!(activity.signals.tls_before)),
        ];
        if let Some(query) = activity.signals.query.filter(|_| reason == "in_url") {
            observed.push(("parameter", json!(query.name)));
        }
        Draft {
            confidence: 0.95,
            principal: true,
            resource: activity.resource(),
            observed,
            expected: vec![
                ("transport", json!("tls")),
                ("place", json!("authorization header")),
            ],
            ..Draft::default()
        }
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let (who, place) = (finding.who(), finding.place());
    let parameter = finding.observed_text("parameter");
    let (what, cleartext) = match finding.observed_text("reason") {
        "alg_none" => (
            format!("was let in at {place} with a token that has no signature, such as anybody can make"),
            false,
        ),
        "in_url" => (
            format!(
                "called {place} with a credential in the URL (parameter `{parameter}`), where logs and proxies keep it"
            ),
            false,
        ),
        "basic_cleartext" => (
            format!("called {place} with user name and password over plain HTTP"),
            true,
        ),
        _ => (format!("called {place} with an API key over plain HTTP"), true),
    };
    let inner = if cleartext && finding.observed_flag("tls_before_proxy") {
        "; a proxy before it was reached over TLS, so that this is the inner leg only"
    } else {
        ""
    };
    let calls = many(finding.count, "call", "calls");
    sentence(&format!(
        "{who} {what}{inner}. It did so in {calls} to {}.",
        finding.host()
    ))
}
