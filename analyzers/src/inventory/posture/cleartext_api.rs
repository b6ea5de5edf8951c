//! # `cleartext_api`: credentials reach a host in the clear
//!
//! Reports, once per host and scheme, requests that carry a token, a session cookie or another credential over HTTP
//! without TLS:
//! - to a server with an address of the public internet: high;
//! - the same, but behind a proxy that says it was reached over TLS (`X-Forwarded-Proto: https`, `Forwarded: proto=https`):
//!   info, as only the inner leg is in the clear.
//!
//! Source: OWASP API8:2023; RFC 6750 section 5.3; RFC 6265 section 8.3; CWE-319.
//!
//! Blind to: what a proxy beyond the mirror adds, where it does not say so; credentials in bodies. User names with
//! passwords (Basic) and API keys are `weak_auth`, per caller.
//!
//! Quiet when: the connection is TLS that was decrypted; the client is the same machine (loopback); the credential is a
//! signature made for the request (AWS, Digest, signed URLs), which is not given away with it. The server has a private
//! address: behind a balancer that ends TLS every hop is in the clear, whether or not it passes the client's address on, and
//! a mirror sees nothing else.

use serde_json::json;

use super::{Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;
use crate::inventory::facts::is_public;

/// Schemes whose credential is worth as much to whoever reads it as to whoever sends it.
const SCHEMES: [Scheme; 3] = [Scheme::Bearer, Scheme::Cookie, Scheme::Jwt];

/// Where it goes: behind TLS that ended before, or over the internet.
const FORWARDED: u8 = 0;
const PUBLIC: u8 = 1;

pub(super) fn look(at: &Looked<'_>, posture: &mut Posture) {
    let flow = &at.seen.exchange.flow;
    let Some(scheme) = SCHEMES.iter().position(|s| *s == at.seen.scheme) else {
        return;
    };
    if flow.tls || flow.client.ip().is_loopback() {
        return;
    }
    let field = |name: &str| at.request.message.field(name);
    let forwarded = field("x-forwarded-proto").is_some_and(|v| v.trim().eq_ignore_ascii_case("https"))
        || field("forwarded").is_some_and(|v| v.to_ascii_lowercase().contains("proto=https"));
    if !is_public(flow.server.ip()) {
        return;
    }
    let zone = if forwarded { FORWARDED } else { PUBLIC };
    posture.note(What::Cleartext, zone * 8 + scheme as u8);
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let scheme = SCHEMES[usize::from(noted.which % 8) % SCHEMES.len()].name();
    let (zone, severity) = match noted.which / 8 {
        FORWARDED => ("behind_tls", Severity::Info),
        _ => ("public", Severity::High),
    };
    let words = Words {
        kind: Kind::CleartextApi,
        severity,
        confidence: 0.9,
        title: None,
        observed: vec![("scheme", json!(scheme)), ("network", json!(zone))],
        expected: vec![("transport", json!("tls"))],
    };
    noted.of_host(scheme, words, filing);
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = match finding.observed_text("scheme") {
        "cookie" => "session cookies",
        "jwt" => "JSON web tokens",
        _ => "bearer tokens",
    };
    let how = match finding.observed_text("network") {
        "public" => "over plain HTTP at a public address",
        _ => "over plain HTTP behind a proxy that was reached over TLS, so that this is the inner leg only",
    };
    sentence(&format!(
        "The host {} was sent {what} {how}, in {} or more.",
        finding.place(),
        many(finding.count, "request", "requests"),
    ))
}
