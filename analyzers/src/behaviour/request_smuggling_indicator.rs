//! # `request_smuggling_indicator`: a request that two receivers may frame differently
//!
//! Reports, once per client, host, set of reasons and day, a request whose framing RFC 9112 forbids or leaves to the
//! receiver: both Content-Length and Transfer-Encoding, differing lengths, a transfer-coding some receivers do
//! not recognise (all high); a malformed length or chunk, space before a colon, NUL or
//! bare CR in the head (medium); a Host that differs from the target (low). In HTTP/2, which a proxy may pass on as
//! HTTP/1 (RFC 9113 section 10.3): a Content-Length that the body does not have, or a line end in a field (high); a
//! field that speaks of connections, a pseudo-field out of place (medium).
//!
//! Source: RFC 9112 sections 6.1, 6.3 and 11.2; RFC 9113 sections 8.1.1, 8.2 and 10.3; OWASP API8:2023.
//!
//! Blind to: smuggling through HTTP/2 that only a proxy sees in the clear, and through heads that are in order.
//!
//! Quiet when: only the response is at fault (servers do send both fields; nobody can smuggle through it), or
//! the fault is one that no receiver frames by (folding, bare LF).

use reassembly::Ambiguities;
use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    let seen = activity.exchange.request_ambiguities;
    if seen.is_empty() {
        return;
    }
    let mut severity = None;
    let mut reasons = Vec::new();
    for (flag, level) in [
        (Ambiguities::LENGTH_AND_CODING, Severity::High),
        (Ambiguities::LENGTHS_DIFFER, Severity::High),
        (Ambiguities::CODING_MALFORMED, Severity::High),
        (Ambiguities::CODING_IN_HTTP10, Severity::High),
        (Ambiguities::LENGTH_DIFFERS, Severity::High),
        (Ambiguities::LINE_IN_FIELD, Severity::High),
        (Ambiguities::CONNECTION_FIELD, Severity::Medium),
        (Ambiguities::PSEUDO_FIELD, Severity::Medium),
        (Ambiguities::LENGTH_MALFORMED, Severity::Medium),
        (Ambiguities::CHUNK_MALFORMED, Severity::Medium),
        (Ambiguities::SPACE_BEFORE_COLON, Severity::Medium),
        (Ambiguities::NUL, Severity::Medium),
        (Ambiguities::BARE_CR, Severity::Medium),
        (Ambiguities::HOST_DIFFERS, Severity::Low),
    ] {
        if seen.contains(flag) {
            severity = severity.max(Some(level));
            reasons.extend(flag.names());
        }
    }
    let Some(severity) = severity else { return };
    let host = activity.host_name();
    let client = activity.exchange.flow.client.ip().to_string();
    let all = reasons.join(",");
    let parts: [&[u8]; 3] = [client.as_bytes(), host.as_bytes(), all.as_bytes()];
    let subject = Subject {
        kind: Kind::RequestSmugglingIndicator,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence: if severity == Severity::High { 0.8 } else { 0.5 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reasons", json!(reasons)),
            ("message", json!("request")),
            ("reading", json!(reading(seen))),
            ("body_bytes", json!(activity.request.message.body_bytes)),
            ("status", json!(activity.status)),
        ],
        expected: vec![("status", json!(400))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let reasons: Vec<_> = finding
        .observed_list("reasons")
        .into_iter()
        .map(in_words)
        .collect();
    sentence(&format!(
        "{} sent a request to {} that two receivers may read differently: it has {}. Here {}, by which its body has {}; the \
         server {}. Seen in {} that day.",
        finding.who(),
        finding.place(),
        reasons.join(", "),
        finding.observed_text("reading"),
        many(finding.observed_number("body_bytes"), "byte", "bytes"),
        finding.answer(),
        many(finding.count, "request", "requests"),
    ))
}

/// What a request with this ambiguity has.
fn in_words(reason: &str) -> &str {
    match reason {
        "length_and_transfer_coding" => "both Content-Length and Transfer-Encoding",
        "content_lengths_differ" => "several values of Content-Length",
        "content_length_malformed" => "a Content-Length that is no plain number",
        "transfer_coding_malformed" => "a Transfer-Encoding that some receivers do not know",
        "transfer_coding_in_http10" => "Transfer-Encoding in HTTP/1.0",
        "chunk_malformed" => "a chunk size that is no plain number",
        "space_before_colon" => "white space before the colon of a field",
        "nul" => "a NUL byte in its head",
        "bare_cr" => "a CR without LF in its head",
        "content_length_differs" => "a Content-Length that its body does not have",
        "line_end_in_field" => "a line end inside a field",
        "connection_field" => "a field that speaks of an HTTP/1 connection",
        "pseudo_field_malformed" => "a pseudo-field that is malformed or out of place",
        "host_differs" => "more than one name of its host",
        other => other,
    }
}

/// The reading that RFC 9112 section 6.3 gives and that was taken.
fn reading(seen: Ambiguities) -> &'static str {
    if seen.contains(Ambiguities::LENGTH_AND_CODING) {
        "Transfer-Encoding was followed and Content-Length ignored"
    } else if seen.contains(Ambiguities::LENGTHS_DIFFER) {
        "the first Content-Length was followed"
    } else if [
        Ambiguities::LENGTH_DIFFERS,
        Ambiguities::LINE_IN_FIELD,
        Ambiguities::CONNECTION_FIELD,
        Ambiguities::PSEUDO_FIELD,
    ]
    .iter()
    .any(|flag| seen.contains(*flag))
    {
        "the frames of HTTP/2 were followed"
    } else {
        "the strict reading of RFC 9112 was followed"
    }
}
