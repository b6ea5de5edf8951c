//! # `forged_token`: a token that its issuer did not make
//!
//! Reports a JWT of an issuer whose keys the operator named (`token.jwks`), when
//! - `unsigned`: it has no signature;
//! - `bad_signature`: its signature is not that of the key it names;
//! - `key_confusion`: it is signed with a public key of its issuer as if that were a shared one (`HS256` where `RS256` should be);
//! - `no_such_key`: no key of its issuer made it, and the file holds all of them (`token.jwks_complete`).
//!
//! Accepted: critical, once per caller, host, day and reason; low where the endpoint answers without any credential too. Refused (401,
//! 403), as it should be: low, once per server and day, for somebody tries.
//!
//! Nothing of what a forged token says is believed: the caller is told apart by address and program, and not as the one whom the token
//! names.
//!
//! Source: RFC 8725 sections 2.1, 3.1 and 3.2; RFC 7515 section 5.2; OWASP API2:2023; NHI4:2025; CWE-347.
//!
//! Blind to: issuers of which no key was named; keys that came after the file was written, unless it is said to be complete; algorithms
//! other than RS, PS, HS, ES256, ES384 and EdDSA; tokens for which there was no time (`tokens_unchecked` counts them); tokens that proxies
//! put beside the caller's own.
//!
//! Quiet when: another answer was given than yes or no; a key of no stated issuer has a name of fewer than eight characters.

use serde_json::json;

use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::keys::Forgery;

/// Looks at one exchange with a forged token.
pub(super) fn observe(activity: &Activity<'_>, how: Forgery, ledger: &mut Ledger) {
    let accepted = activity.accepted();
    if !accepted && !matches!(activity.status, Some(401 | 403)) {
        return;
    }
    let open = activity.endpoint.is_some_and(|e| e.open_ok > 0 || e.is_static);
    let severity = match accepted && !open {
        true => Severity::Critical,
        false => Severity::Low,
    };
    let host = activity.host_name();
    let of_caller: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        how.name().as_bytes(),
    ];
    // Whoever is refused may name as many hosts as there are words.
    let server = activity.exchange.flow.server.to_string();
    let of_server: [&[u8]; 2] = [server.as_bytes(), b"refused"];
    let subject = Subject {
        kind: Kind::ForgedToken,
        parts: if accepted { &of_caller } else { &of_server },
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence: match how {
            Forgery::NoKey => 0.85,
            _ => 0.95,
        },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reason", json!(how.name())),
            ("accepted", json!(accepted)),
            ("answers_without_credential", json!(open)),
            ("status", json!(activity.status)),
        ],
        expected: vec![("status", json!(401))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let how = match finding.observed_text("reason") {
        "unsigned" => "has no signature, where its issuer signs",
        "bad_signature" => "has a signature that is not of the key it names",
        "key_confusion" => "is signed with a public key of its issuer as if that were a secret",
        _ => "no key of its issuer made",
    };
    let open = if finding.observed_flag("answers_without_credential") {
        "; it answers without any credential too, so the token proves little here"
    } else {
        ""
    };
    let calls = many(finding.count, "call", "calls");
    let (who, place) = (finding.who(), finding.place());
    sentence(&if finding.observed_flag("accepted") {
        format!("{who} was let in at {place} with a token that {how}{open}. It did so in {calls} that day.")
    } else {
        format!(
            "{who} showed {place} a token that {how}, and was refused. Forged tokens were shown there in {calls} that day."
        )
    })
}
