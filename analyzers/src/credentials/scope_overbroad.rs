//! # `scope_overbroad`: a program's token allows far more than a program needs
//!
//! Reports, once per principal, issuer and reason, an accepted JWT of an AI agent or service that holds
//! - `wildcard`: a scope for everything (`*`, `write:*`, `Directory.ReadWrite.All`, `full_access`): medium; high for an AI agent;
//! - `admin`: a scope or role of administrators (`admin:org`, `roles: admin`): medium; high for an AI agent;
//! - `many`: more than twenty scopes: low; medium for an AI agent.
//!
//! Source: OWASP API5:2023; NHI5:2025; ASI03:2026; RFC 9700 section 2.3 (least privilege of access tokens).
//!
//! Blind to: opaque tokens; what scopes of your own names allow; tokens without scopes that are allowed everything.
//!
//! Quiet when: the request was refused; the caller is a person or not known.

use serde_json::json;

use super::scope_unused::{Access, access, words};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{PrincipalKind, TokenFacts};

/// Scopes that a program may need.
const MOST: usize = 20;

/// Looks at one accepted use.
pub(super) fn observe(activity: &Activity<'_>, token: &TokenFacts, ledger: &mut Ledger) {
    let agent = match activity.kind {
        PrincipalKind::AiAgent => true,
        PrincipalKind::Service => false,
        _ => return,
    };
    if token.scopes.is_empty() {
        return;
    }
    let everything = token.scopes.iter().find(|scope| is_wildcard(scope));
    let admin = token.scopes.iter().find(|scope| is_admin(scope));
    let severity = if agent { Severity::High } else { Severity::Medium };
    if let Some(scope) = everything {
        tell(activity, token, ("wildcard", scope), severity, ledger);
    }
    if let Some(scope) = admin {
        tell(activity, token, ("admin", scope), severity, ledger);
    }
    if token.scopes.len() > MOST {
        let severity = if agent { Severity::Medium } else { Severity::Low };
        tell(activity, token, ("many", &token.scopes[0]), severity, ledger);
    }
}

/// Whether a scope allows everything, or everything of something to be changed.
fn is_wildcard(scope: &str) -> bool {
    const WHOLE: [&str; 7] = [
        "full_access",
        "full-access",
        "fullaccess",
        "all_access",
        "cloud-platform",
        "root",
        "superuser",
    ];
    let parts: Vec<&str> = scope.split([':', '.', '/']).collect();
    let whole = |part: &&str| WHOLE.iter().any(|word| part.eq_ignore_ascii_case(word));
    if parts.iter().any(whole) || scope.eq_ignore_ascii_case("all") {
        return true;
    }
    let ends_all = parts.len() > 1 && parts.last().is_some_and(|last| last.eq_ignore_ascii_case("all"));
    (ends_all || parts.contains(&"*")) && access(scope) != Some(Access::Read)
}

fn is_admin(scope: &str) -> bool {
    words(scope).iter().any(|word| {
        matches!(
            word.as_str(),
            "admin" | "administrator" | "sysadmin" | "superadmin"
        )
    })
}

fn tell(
    activity: &Activity<'_>,
    token: &TokenFacts,
    (reason, scope): (&'static str, &str),
    severity: Severity,
    ledger: &mut Ledger,
) {
    let issuer = token.issuer.to_string();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        issuer.as_bytes(),
        reason.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::ScopeOverbroad,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: if reason == "many" { 0.7 } else { 0.9 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reason", json!(reason)),
            ("scope", json!(scope)),
            ("scopes", json!(token.scopes.len())),
        ],
        expected: vec![("scopes_at_most", json!(MOST))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let scopes = finding.observed_number("scopes");
    let scope = finding.observed_text("scope");
    let why = match finding.observed_text("reason") {
        "wildcard" => format!("the scope `{scope}`, which allows everything"),
        "admin" => format!("the scope `{scope}`, which is for administrators"),
        _ => format!("{}, where {MOST} are many", many(scopes, "scope", "scopes")),
    };
    sentence(&format!(
        "{} was let in at {} with a token that holds {why}: {} so far.",
        finding.who(),
        finding.place(),
        many(finding.count, "call", "calls"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_for_everything_and_for_administrators() {
        for scope in [
            "*",
            "write:*",
            "orders:*",
            "Directory.ReadWrite.All",
            "Mail.ReadWrite.All",
            "full_access",
            "https://www.googleapis.com/auth/cloud-platform",
            "all",
        ] {
            assert!(is_wildcard(scope), "{scope}");
        }
        for scope in [
            "read:*",
            "Directory.Read.All",
            "orders.read",
            "write:orders",
            "call:all-hands",
            "small",
            "hash:0123456789ab",
        ] {
            assert!(!is_wildcard(scope), "{scope}");
        }
        for scope in ["admin", "admin:org", "Orders.Admin", "sys_admin", "roleAdmin"] {
            assert!(is_admin(scope), "{scope}");
        }
        for scope in [
            "administrative-areas:read",
            "orders.write",
            "badminton",
            "home-owners:read",
        ] {
            assert!(!is_admin(scope), "{scope}");
        }
    }
}
