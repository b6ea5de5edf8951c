//! # `expired_token_accepted`: a token is accepted after its end
//!
//! Reports, once per principal, host and day, a JWT whose `exp` plus the leeway lies before packet time and that was
//! answered 2xx: high when it is more than five minutes late, medium else. Of an opaque token the end counts that its token
//! endpoint told (`expires_in`, RFC 6749 section 5.1), where that was seen.
//!
//! Source: OWASP API2:2023, NHI4:2025; RFC 7519 section 4.1.4.
//!
//! Blind to: opaque tokens whose issue was not seen. A token that was taken back is a `revoked_credential_accepted`.
//!
//! Quiet when: the request was not answered 2xx. Low when the endpoint answers without any credential as
//! well, since then the token proves nothing. A login, token or logout endpoint is left alone: old tokens
//! are brought there to be renewed.

use serde_json::{Value, json};

use super::known::Issued;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::settings::Settings;

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    issued: Option<Issued>,
    settings: &Settings,
    ledger: &mut Ledger,
) {
    if !activity.accepted() {
        return;
    }
    let token = activity
        .identity
        .credential
        .as_ref()
        .and_then(|c| c.token.as_ref());
    // What the token endpoint told counts where the token tells nothing.
    let told = || issued.and_then(|issued| issued.at.checked_add(issued.lifetime?));
    let Some(exp) = token.and_then(|t| t.exp).or_else(told) else {
        return;
    };
    let now = i64::try_from(activity.ts.seconds()).unwrap_or(i64::MAX);
    let leeway = i64::try_from(settings.token_leeway.as_secs()).unwrap_or(i64::MAX);
    let late = now.saturating_sub(exp);
    if late <= leeway {
        return;
    }
    let template = activity.endpoint.map_or("", |e| e.template.as_str());
    let renewal = [
        "login", "logout", "token", "refresh", "oauth", "signin", "revoke", "health", "healthz",
    ];
    if template.split(['/', '#']).any(|part| renewal.contains(&part)) {
        return;
    }
    let open = activity.endpoint.is_some_and(|e| e.open_ok > 0 || e.is_static);
    let severity = match (open, late) {
        (true, _) => Severity::Low,
        (false, 301..) => Severity::High,
        (false, _) => Severity::Medium,
    };
    let host = activity.host_name();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), host.as_bytes()];
    let subject = Subject {
        kind: Kind::ExpiredTokenAccepted,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence: if open { 0.5 } else { 0.95 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("late_s", json!(late)),
            ("status", json!(activity.status)),
            ("answers_without_credential", json!(open)),
        ],
        expected: vec![("status", json!(401)), ("late_s_at_most", json!(leeway))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let leeway = finding.expected.get("late_s_at_most").and_then(Value::as_u64);
    let open = if finding.observed_flag("answers_without_credential") {
        "; it answers without any credential too, so the token proves little here"
    } else {
        ""
    };
    sentence(&format!(
        "{} {} to a token of {} that had ended {} before (leeway {}){open}. Seen in {} to {} that day.",
        finding.place(),
        finding.answer(),
        finding.who(),
        span(finding.observed_number("late_s")),
        span(leeway.unwrap_or(0)),
        many(finding.count, "call", "calls"),
        finding.host(),
    ))
}
