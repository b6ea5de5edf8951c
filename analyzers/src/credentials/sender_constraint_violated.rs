//! # `sender_constraint_violated`: a bound token is accepted without what it is bound to
//!
//! Reports, once per principal, host, day and reason, an accepted request whose token is bound to a key (`cnf.jkt`), or that came with
//! a DPoP proof, when
//! - `no_proof`: no proof came with the bound token: high;
//! - `wrong_key`: the proof is made with another key than the token is bound to: high;
//! - `alg_none`: the proof is not signed, or with a shared key: high;
//! - `bad_signature`: the key in the proof did not make its signature: high;
//! - `private_key`: the key in the proof is there with its private part, so that whoever reads it can make proofs: high;
//! - `wrong_token`: its `ath` is missing or the hash of another token: high;
//! - `wrong_method`: its `htm` is another method: medium;
//! - `wrong_url`: its `htu` is another URL: medium; low when only the host differs, and no proof that came with this token has named
//!   the host that was called, since a proxy may have changed it;
//! - `stale`: its `iat` lies more than five minutes from packet time: medium;
//! - `unreadable`: the field holds no proof, or one without a key or an id (`jti`): medium;
//! - `wrong_certificate`: the token is bound to a certificate (`cnf.x5t#S256`), and the one that a proxy names in
//!   `X-Forwarded-Client-Cert` is another: high.
//!
//! A proof that comes twice is a `token_replay`.
//!
//! Source: RFC 9449 sections 4.3, 6.1 and 7.1; RFC 8705 section 3; RFC 7800; OWASP API2:2023; NHI4:2025.
//!
//! Blind to: signatures by algorithms other than those of `token.jwks`, and those past two hundred a second, which are not checked
//! (`proofs_unchecked` counts them); opaque tokens, which do not say that they are bound; certificates of connections that are not read.
//!
//! Quiet when: the request was refused; a proxy put a prefix before the path or took one away.

use reassembly::Request;
use serde_json::json;

use super::known::Known;
use super::proof::{self, Elsewhere, Proof, Proofs};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{Binding, Credential};
use crate::settings::Settings;

/// Seconds that the clock of a proof may be away from packet time, besides the leeway (RFC 9449 section 11.1: seconds or minutes).
const WINDOW: i64 = 300;

/// Looks at one accepted use, and gives the proof that came with it.
pub(super) fn observe(
    activity: &Activity<'_>,
    credential: &Credential,
    row: &mut Known,
    (settings, proofs): (&Settings, &mut Proofs),
    ledger: &mut Ledger,
) -> Option<Proof> {
    let bound = credential.token.as_ref().and_then(|token| token.bound);
    let (scheme, token) = shown(activity)?;
    if let Some(Binding::Certificate(hash)) = bound
        && names_another_certificate(activity.request, &hash)
    {
        tell(activity, "wrong_certificate", Severity::High, 0.9, ledger);
    }
    let field = activity.request.message.field("dpop");
    let Some(field) = field.filter(|_| scheme || bound.is_some()) else {
        if matches!(bound, Some(Binding::Key(_))) {
            tell(activity, "no_proof", Severity::High, 0.95, ledger);
        }
        return None;
    };
    let Some(proof) = proof::read(field) else {
        tell(activity, "unreadable", Severity::Medium, 0.9, ledger);
        return None;
    };
    if proof.unsigned {
        tell(activity, "alg_none", Severity::High, 0.95, ledger);
    } else if proofs.is_forged(field, activity.ts) {
        tell(activity, "bad_signature", Severity::High, 0.95, ledger);
    }
    if proof.private {
        tell(activity, "private_key", Severity::High, 0.95, ledger);
    }
    if let Some(Binding::Key(thumbprint)) = bound
        && proof.key != Some(thumbprint)
    {
        tell(activity, "wrong_key", Severity::High, 0.95, ledger);
    }
    if !proof.is_for(token) {
        tell(activity, "wrong_token", Severity::High, 0.9, ledger);
    }
    if proof.method.as_deref() != Some(activity.request.method()) {
        tell(activity, "wrong_method", Severity::Medium, 0.9, ledger);
    }
    match proof.elsewhere(activity.request) {
        Some(Elsewhere::Host) if !row.life().is_some_and(|life| life.placed) => {
            tell(activity, "wrong_url", Severity::Low, 0.5, ledger);
        }
        Some(_) => tell(activity, "wrong_url", Severity::Medium, 0.9, ledger),
        None if proof.url.is_none() => tell(activity, "wrong_url", Severity::Medium, 0.9, ledger),
        None => row.life_mut().placed = true,
    }
    let now = i64::try_from(activity.ts.seconds()).unwrap_or(i64::MAX);
    let leeway = i64::try_from(settings.token_leeway.as_secs()).unwrap_or(i64::MAX);
    let apart = proof
        .issued
        .map(|issued| now.saturating_sub(issued).saturating_abs());
    if apart.is_none_or(|apart| apart > WINDOW.saturating_add(leeway)) {
        tell(activity, "stale", Severity::Medium, 0.9, ledger);
    }
    Some(proof)
}

/// Whether a token is shown in the scheme of DPoP (RFC 9449 section 7.1), and the token.
fn shown<'a>(activity: &Activity<'a>) -> Option<(bool, &'a str)> {
    let (scheme, token) = activity.signals.authorization?.trim().split_once([' ', '\t'])?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("dpop") {
        Some((true, token))
    } else {
        scheme.eq_ignore_ascii_case("bearer").then_some((false, token))
    }
}

/// Whether a proxy says that the client showed another certificate: `Hash=` of Envoy's field is the SHA-256 in hexadecimal digits. Of
/// several proxies the first one spoke to the client.
fn names_another_certificate(request: &Request, want: &[u8; 32]) -> bool {
    let Some(field) = request.message.field("x-forwarded-client-cert") else {
        return false;
    };
    let first = field.split(',').next().unwrap_or(field);
    let hash = first.split(';').find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("hash").then(|| value.trim_matches('"'))
    });
    let Some(hash) = hash.filter(|hash| hash.len() == 64 && hash.is_ascii()) else {
        return false;
    };
    let hex: String = want.iter().map(|byte| format!("{byte:02x}")).collect();
    !hash.eq_ignore_ascii_case(&hex)
}

fn tell(
    activity: &Activity<'_>,
    reason: &'static str,
    severity: Severity,
    confidence: f64,
    ledger: &mut Ledger,
) {
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        reason.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::SenderConstraintViolated,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence,
        principal: true,
        resource: activity.resource(),
        observed: vec![("reason", json!(reason)), ("status", json!(activity.status))],
        expected: vec![("status", json!(401))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let wrong = match finding.observed_text("reason") {
        "no_proof" => "that is bound to a key, without a proof of that key",
        "wrong_key" => "with a proof made by another key than it is bound to",
        "alg_none" => "with a proof that nobody has to sign",
        "bad_signature" => "with a proof that its own key did not sign",
        "private_key" => "with a proof that gives its private key away",
        "wrong_token" => "with a proof made for another token",
        "wrong_method" => "with a proof made for another method",
        "wrong_url" => "with a proof made for another URL",
        "stale" => "with a proof that is not of this time",
        "unreadable" => "with a proof that cannot be read",
        _ => "that is bound to another certificate than the client showed",
    };
    sentence(&format!(
        "{} {} to a token of {} {wrong}: {} that day.",
        finding.place(),
        finding.answer(),
        finding.who(),
        many(finding.count, "call", "calls"),
    ))
}
