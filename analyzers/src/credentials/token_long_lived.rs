//! # `token_long_lived`: a token without an end, or with one too far away
//!
//! Reports, once per principal, an accepted JWT without `exp` (medium), with a lifetime (`exp` minus `iat`) over
//! the set limit (low), or over thirty days (medium). Without `iat` the lifetime left is taken.
//!
//! Source: OWASP API2:2023, NHI7:2025; RFC 8725; RFC 9068 section 2.2 (`exp` is required).
//!
//! Of an opaque token the lifetime counts that its token endpoint told (`expires_in`, RFC 6749 section 5.1), where that was seen.
//!
//! Blind to: opaque tokens whose issue was not seen, and keys: their lifetime nobody can read.
//!
//! Quiet when: the token was refused.

use serde_json::{Value, json};

use super::known::Issued;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::settings::Settings;

const MONTH: i64 = 30 * 86_400;

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
    let told = issued.and_then(|issued| issued.lifetime);
    if token.is_none() && told.is_none() {
        return;
    }
    let limit = i64::try_from(settings.token_max_lifetime.as_secs()).unwrap_or(i64::MAX);
    let now = i64::try_from(activity.ts.seconds()).unwrap_or(i64::MAX);
    let lifetime = match token {
        Some(token) => token.exp.map(|exp| exp.saturating_sub(token.iat.unwrap_or(now))),
        // What the token endpoint told of a token that says nothing itself.
        None => told,
    };
    let (reason, severity) = match lifetime {
        None => ("no_exp", Severity::Medium),
        Some(life) if life > MONTH.max(limit) => ("over_30_days", Severity::Medium),
        Some(life) if life > limit => ("over_limit", Severity::Low),
        Some(_) => return,
    };
    let issuer = token.map(|token| token.issuer.to_string()).unwrap_or_default();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        issuer.as_bytes(),
        if lifetime.is_none() { b"no_exp" } else { b"long" },
    ];
    let subject = Subject {
        kind: Kind::TokenLongLived,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.95,
        principal: true,
        resource: activity.resource(),
        observed: vec![("reason", json!(reason)), ("lifetime_s", json!(lifetime))],
        expected: vec![("lifetime_s_at_most", json!(limit))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let (who, place) = (finding.who(), finding.place());
    let calls = many(finding.count, "call was", "calls were");
    let token = match finding.observed.get("lifetime_s").and_then(Value::as_i64) {
        None => "a token that never ends (it has no `exp`)".to_owned(),
        Some(life) => {
            let limit = finding.expected.get("lifetime_s_at_most").and_then(Value::as_u64);
            format!(
                "a token that lives {}, where the limit is {}",
                span(life.unsigned_abs()),
                span(limit.unwrap_or(0))
            )
        }
    };
    sentence(&format!(
        "{who} was let in at {place} with {token}. {calls} made with such a token."
    ))
}
