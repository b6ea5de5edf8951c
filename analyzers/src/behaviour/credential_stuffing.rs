//! # `credential_stuffing`: many names, each tried a few times
//!
//! Counts, for each client address and host, tries to be let in (see `auth_failure_burst`). Ten names or credentials that fail and fifteen failures in one run, with less than ten
//! minutes between them and seven of ten tries failing, are somebody who works off a list.
//!
//! High; critical when somebody is let in after that: one of the list fits.
//!
//! Source: OWASP API2:2023; MITRE ATT&CK T1110.004; OWASP Automated Threats OAT-008.
//!
//! Blind to: lists worked off over many addresses; names that stand neither in a body of JSON or a form, nor in a credential; failures that are answered
//! like successes (a redirect, or status 200 with an error in the body).
//!
//! Quiet when: many people behind one address log in, most with success; credentials that were accepted before have ended.

use crate::finding::Finding;
use crate::finding::words::{many, sentence, span};

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let seconds = finding.support.get("seconds").and_then(serde_json::Value::as_u64);
    let names = finding.observed_number("names");
    sentence(&format!(
        "{} tried {}{} at {} within {}: {} of {} failed{}.",
        finding.who(),
        many(names, "name or credential", "names or credentials"),
        if names >= 64 { " or more" } else { "" },
        finding.place(),
        span(seconds.unwrap_or(0)),
        finding.observed_number("failures"),
        many(finding.observed_number("tries"), "try", "tries"),
        match finding.observed_number("let_in_afterwards") {
            0 => String::new(),
            1 => ", and one after those was let in".to_owned(),
            times => format!(", and {times} after those were let in"),
        },
    ))
}
