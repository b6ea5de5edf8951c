//! # `verbose_error`: errors tell how the server is built
//!
//! Reports, once per endpoint and technology, answers of 4xx and 5xx whose text holds
//! - a stack trace of Java, .NET, Python, Node, PHP, Ruby or Go: medium;
//! - an error of a database (MySQL, PostgreSQL, Oracle, SQL Server, SQLite), which tells whoever tries to inject that
//!   their text was read as SQL: medium.
//!
//! Each needs two signs that come together in such text and nowhere else. Nothing of the text is kept.
//!
//! Source: OWASP API8:2023; CWE-209.
//!
//! Blind to: errors answered with 200; text past the first 16 KiB; traces in other languages' forms.
//!
//! Quiet when: an error names a class or a file alone.

use memchr::memmem;
use serde_json::json;

use super::{Looked, Noted, Posture, What, Words};
use crate::behaviour::is_text;
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Bytes of an error that are looked at.
const SEARCHED: usize = 16 * 1024;

/// Errors of an endpoint that are looked at one by one; after that, each sixteenth is.
const EACH: u32 = 64;

/// A technology, and two signs of it that must both be there.
const SIGNS: [(&str, &str, &str); 24] = [
    ("Java", "at ", ".java:"),
    ("Java", "java.lang.", "Exception: "),
    ("Java", "org.springframework.", "Exception"),
    (".NET", "   at System.", ")"),
    (".NET", "   at Microsoft.", ")"),
    (".NET", ".cs:line ", " at "),
    ("Python", "Traceback (most recent call last)", "File "),
    ("Python", "File ", ".py\", line "),
    ("Python", "File ", ".py\\\", line "),
    ("Node.js", "    at ", ".js:"),
    ("Node.js", "    at ", ".ts:"),
    ("Node.js", "    at ", "node_modules/"),
    ("PHP", "PHP Fatal error", " on line "),
    ("PHP", "Stack trace:", ".php("),
    ("PHP", "<b>Fatal error</b>", ".php"),
    ("Ruby", ".rb:", ":in "),
    ("Go", "goroutine ", "[running]"),
    ("MySQL", "You have an error in your SQL syntax", "near"),
    ("a database", "SQLSTATE[", "]"),
    ("PostgreSQL", "syntax error at or near", ""),
    ("PostgreSQL", "PSQLException", "ERROR"),
    ("Oracle", "ORA-0", ": "),
    (
        "SQL Server",
        "Unclosed quotation mark after the character string",
        "",
    ),
    ("SQLite", "SQLITE_ERROR", ""),
];

/// Place of the first database in the list.
const DATABASES: usize = 17;

pub(super) fn look(at: &Looked<'_>, posture: &mut Posture) {
    let message = &at.response.message;
    if at.response.status < 400 || message.body.len() < 24 || !is_text(message) {
        return;
    }
    posture.errors = posture.errors.saturating_add(1);
    if posture.errors > EACH && !posture.errors.is_multiple_of(16) {
        return;
    }
    let text = &message.body[..message.body.len().min(SEARCHED)];
    let has = |sign: &str| memmem::find(text, sign.as_bytes()).is_some();
    let found = SIGNS.iter().position(|(_, one, other)| has(one) && has(other));
    if let Some(place) = found {
        let name = SIGNS[place].0;
        // All signs of one technology are one note.
        let first = SIGNS.iter().position(|(other, ..)| *other == name);
        posture.note(What::VerboseError, first.unwrap_or(place) as u8);
    }
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let place = usize::from(noted.which).min(SIGNS.len() - 1);
    let name = SIGNS[place].0;
    let database = place >= DATABASES;
    let words = Words {
        kind: Kind::VerboseError,
        severity: Severity::Medium,
        confidence: 0.9,
        title: None,
        observed: vec![
            ("technology", json!(name)),
            (
                "content",
                json!(if database { "sql_error" } else { "stack_trace" }),
            ),
            ("status", json!(noted.activity.status)),
        ],
        expected: vec![("content", json!("a number or a short text"))],
    };
    let errors = noted.endpoint.posture.errors;
    noted.of_endpoint(name, words, filing, |running| {
        running.support("errors", errors);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let technology = finding.observed_text("technology");
    let what = match finding.observed_text("content") {
        "sql_error" => format!("errors of {technology}, as it words them"),
        _ => format!("stack traces of {technology}"),
    };
    sentence(&format!(
        "{} {} with {what}, in {}.",
        finding.place(),
        finding.answer(),
        many(finding.count, "answer", "answers"),
    ))
}
