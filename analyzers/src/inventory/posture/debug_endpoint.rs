//! # `debug_endpoint`: what was made for developers answers
//!
//! Reports, once per endpoint, paths of debugging, operation and documentation that answer 2xx with what such a path
//! answers: both the path and the content must be right.
//! - environment files, repositories, dumps of memory, consoles: high;
//! - the environment, configuration, threads or profiles of a running program, `phpinfo`, status pages: high or medium;
//! - metrics and descriptions of the API (`/metrics`, `/openapi.json`, Swagger UI): low.
//!
//! Whoever asks with a credential gets one degree less said of them, as it may be right that they may.
//!
//! Source: OWASP API8:2023, API9:2023; CWE-489, CWE-538, CWE-215.
//!
//! Blind to: such content under other paths; bodies that are not text, beyond their media type.
//!
//! Quiet when: the path answers with a page of the application (many answer every path with the same page); a health
//! check tells no more than that it is up.

use memchr::memmem;
use serde_json::json;

use super::{Endpoint, Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;

/// Successful answers of an endpoint whose content is looked at: what it answers, it answers always.
const LOOKED: u64 = 4;

/// Bytes of content that are looked at.
const SEARCHED: usize = 16 * 1024;

/// What a path ends with, what its content has, what it is called, and how much it matters.
type Sign = (&'static str, &'static [&'static str], &'static str, Severity);

/// All signs of a content must be there.
const SIGNS: [Sign; 33] = [
    ("/.env", &["=", "\n"], "an environment file", Severity::High),
    ("/.git/config", &["[core]"], "a Git repository", Severity::High),
    ("/.git/head", &["ref: refs/"], "a Git repository", Severity::High),
    (
        "/.svn/entries",
        &["dir"],
        "a Subversion repository",
        Severity::High,
    ),
    (
        "/.aws/credentials",
        &["aws_access_key_id"],
        "cloud credentials",
        Severity::High,
    ),
    (
        "/actuator",
        &["\"_links\""],
        "the list of Spring's actuators",
        Severity::Medium,
    ),
    (
        "/actuator/env",
        &["propertySources"],
        "the environment of a program",
        Severity::High,
    ),
    (
        "/actuator/configprops",
        &["contexts"],
        "the configuration of a program",
        Severity::High,
    ),
    (
        "/actuator/heapdump",
        &["JAVA PROFILE"],
        "a dump of memory",
        Severity::High,
    ),
    (
        "/actuator/threaddump",
        &["\"threads\""],
        "a dump of threads",
        Severity::Medium,
    ),
    (
        "/actuator/mappings",
        &["dispatcherServlet"],
        "the routes of a program",
        Severity::Medium,
    ),
    (
        "/actuator/beans",
        &["\"contexts\""],
        "the parts of a program",
        Severity::Medium,
    ),
    (
        "/actuator/loggers",
        &["\"levels\""],
        "the loggers of a program",
        Severity::Medium,
    ),
    (
        "/actuator/httptrace",
        &["\"traces\""],
        "requests of other callers",
        Severity::High,
    ),
    ("/actuator/prometheus", &["# TYPE "], "metrics", Severity::Low),
    ("/metrics", &["# TYPE "], "metrics", Severity::Low),
    (
        "/debug/pprof/",
        &["goroutine", "heap"],
        "profiles of a Go program",
        Severity::High,
    ),
    (
        "/debug/pprof",
        &["goroutine", "heap"],
        "profiles of a Go program",
        Severity::High,
    ),
    (
        "/debug/pprof/cmdline",
        &["/"],
        "profiles of a Go program",
        Severity::High,
    ),
    (
        "/debug/vars",
        &["\"memstats\""],
        "variables of a Go program",
        Severity::Medium,
    ),
    ("/phpinfo.php", &["PHP Version"], "phpinfo", Severity::High),
    ("/info.php", &["phpinfo()"], "phpinfo", Severity::High),
    ("/phpinfo", &["PHP Version"], "phpinfo", Severity::High),
    (
        "/server-status",
        &["Server uptime"],
        "the status page of Apache",
        Severity::Medium,
    ),
    (
        "/elmah.axd",
        &["Error log"],
        "the error log of a program",
        Severity::High,
    ),
    (
        "/h2-console",
        &["H2 Console"],
        "a database console",
        Severity::High,
    ),
    (
        "/_profiler",
        &["Symfony"],
        "the profiler of Symfony",
        Severity::High,
    ),
    (
        "/telescope/requests",
        &["Telescope"],
        "requests of other callers",
        Severity::High,
    ),
    (
        "/swagger-ui.html",
        &["swagger"],
        "the description of the API",
        Severity::Low,
    ),
    (
        "/swagger-ui/index.html",
        &["swagger"],
        "the description of the API",
        Severity::Low,
    ),
    (
        "/swagger.json",
        &["\"paths\""],
        "the description of the API",
        Severity::Low,
    ),
    (
        "/openapi.json",
        &["\"paths\""],
        "the description of the API",
        Severity::Low,
    ),
    (
        "/v3/api-docs",
        &["\"paths\""],
        "the description of the API",
        Severity::Low,
    ),
];

/// The parts of the list of which the last letter of a path may be: most paths are passed by.
fn may_be(path: &str) -> bool {
    path.as_bytes()
        .last()
        .is_some_and(|last| b"vgdsyrekpuxlnm/o".contains(&last.to_ascii_lowercase()))
}

pub(super) fn look(at: &Looked<'_>, endpoint: &Endpoint, posture: &mut Posture) {
    let known = posture.notes.iter().any(|n| n.what == What::Debug);
    if !known && endpoint.status[1] > LOOKED {
        return;
    }
    let path = at.request.path();
    if !may_be(path) {
        return;
    }
    let ends = |end: &str| {
        path.len() >= end.len()
            && path.is_char_boundary(path.len() - end.len())
            && path[path.len() - end.len()..].eq_ignore_ascii_case(end)
    };
    let message = &at.response.message;
    let content = &message.body[..message.body.len().min(SEARCHED)];
    let has = |sign: &&str| memmem::find(content, sign.as_bytes()).is_some();
    let found = SIGNS
        .iter()
        .position(|(end, signs, ..)| ends(end) && signs.iter().all(has));
    let Some(place) = found else { return };
    // A page of the application is no file and no dump.
    let page = message
        .field("content-type")
        .is_some_and(|t| t.starts_with("text/html"));
    let name = SIGNS[place].0;
    let is_page = name.contains("swagger")
        || name.contains("php")
        || name.contains("pprof")
        || matches!(
            name,
            "/server-status" | "/elmah.axd" | "/h2-console" | "/_profiler" | "/telescope/requests"
        );
    if (page && !is_page) || (name == "/.env" && !is_environment(content)) {
        return;
    }
    posture.note(What::Debug, place as u8);
}

/// Whether a text is lines of `NAME=value`.
fn is_environment(text: &[u8]) -> bool {
    let is_setting = |line: &[u8]| {
        let name = line
            .iter()
            .position(|b| *b == b'=')
            .map_or(&[][..], |at| &line[..at]);
        name.len() >= 2
            && name
                .iter()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
    };
    text.split(|b| *b == b'\n')
        .take(64)
        .filter(|l| is_setting(l))
        .count()
        >= 2
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let (_, _, name, severity) = SIGNS[usize::from(noted.which).min(SIGNS.len() - 1)];
    let open = noted.activity.scheme == Scheme::None;
    let severity = match severity {
        severity if open => severity,
        Severity::High => Severity::Medium,
        _ => Severity::Low,
    };
    let words = Words {
        kind: Kind::DebugEndpoint,
        severity,
        confidence: 0.9,
        title: None,
        observed: vec![
            ("content", json!(name)),
            ("status", json!(noted.activity.status)),
            ("credential", json!(!open)),
        ],
        expected: vec![("status", json!(404))],
    };
    noted.of_endpoint(name, words, filing, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let open = if finding.observed_flag("credential") {
        ""
    } else {
        " without any credential"
    };
    sentence(&format!(
        "{} {} with {}{open}, in {}.",
        finding.place(),
        finding.answer(),
        finding.observed_text("content"),
        many(finding.count, "answer", "answers"),
    ))
}
