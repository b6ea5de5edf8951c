//! # `trace_enabled`: the server sends requests back
//!
//! Reports, once per host, requests with the method `TRACE` that were answered 2xx with the request in them
//! (`message/http`, or its first line): low; medium when credentials came back with it.
//!
//! Source: OWASP API8:2023; RFC 9110 section 9.3.8; CWE-693.
//!
//! Blind to: servers that nobody asked.
//!
//! Quiet when: the answer is the application's own.

use memchr::memmem;
use serde_json::json;

use super::{Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

const PLAIN: u8 = 0;
const WITH_CREDENTIALS: u8 = 1;

pub(super) fn look(at: &Looked<'_>, posture: &mut Posture) {
    if at.request.method() != "TRACE" {
        return;
    }
    let message = &at.response.message;
    let text = &message.body[..message.body.len().min(8192)];
    let typed = message
        .field("content-type")
        .is_some_and(|kind| kind.starts_with("message/http"));
    if !typed && !text.starts_with(b"TRACE ") {
        return;
    }
    let lower = text.to_ascii_lowercase();
    let credentials = [b"\nauthorization:".as_slice(), b"\ncookie:"]
        .iter()
        .any(|name| memmem::find(&lower, name).is_some());
    posture.note(What::Trace, if credentials { WITH_CREDENTIALS } else { PLAIN });
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let credentials = noted.which == WITH_CREDENTIALS;
    let words = Words {
        kind: Kind::TraceEnabled,
        severity: if credentials {
            Severity::Medium
        } else {
            Severity::Low
        },
        confidence: 0.95,
        title: None,
        observed: vec![
            ("credentials", json!(credentials)),
            ("status", json!(noted.activity.status)),
        ],
        expected: vec![("status", json!(405))],
    };
    noted.of_host("", words, filing);
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = if finding.observed_flag("credentials") {
        "the request back, with the credentials in it"
    } else {
        "the request back"
    };
    sentence(&format!(
        "The host {} answered TRACE and sent {what}, in {} or more.",
        finding.place(),
        many(finding.count, "answer", "answers"),
    ))
}
