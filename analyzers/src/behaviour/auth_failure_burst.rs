//! # `auth_failure_burst`: one door, tried again and again
//!
//! Counts, for each client address and host, tries to be let in: calls with a credential that are answered with 401, and calls of a door (`login`, `token`, `session` …).
//! Twenty failures with no more than three names or credentials, with less than ten minutes between them and seven of ten tries failing, are somebody who guesses a
//! password, or a program that goes on with a credential that has ended.
//!
//! Medium; high at a hundred, or when somebody is let in afterwards.
//!
//! Source: OWASP API2:2023; MITRE ATT&CK T1110.001.
//!
//! Blind to: guesses spread over many addresses, or with more than ten minutes between two.
//!
//! Quiet when: most tries succeed; a token has ended and is renewed.

use crate::finding::Finding;
use crate::finding::words::{many, sentence, span};

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let seconds = finding.support.get("seconds").and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "{} was not let in to {} {} within {}, with {}; {} made in all{}.",
        finding.who(),
        finding.place(),
        many(finding.observed_number("failures"), "time", "times"),
        span(seconds.unwrap_or(0)),
        many(
            finding.observed_number("names"),
            "name or credential",
            "names or credentials"
        ),
        match finding.observed_number("tries") {
            1 => "1 try was".to_owned(),
            tries => format!("{tries} tries were"),
        },
        match finding.observed_number("let_in_afterwards") {
            0 => String::new(),
            times => format!(", {times} of them let in after that"),
        },
    ))
}
