//! Violations as SARIF 2.1.0 (OASIS), which code-scanning services and editors read.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Judged, Policy, Rule, Violation};
use crate::known::state::About;

/// The schema that the log is of (SARIF 2.1.0 with errata 01).
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log of a check. `input` is the file that the records were read from, when it was one.
pub(crate) fn log(policy: &Policy, judged: &Judged, input: Option<&Path>) -> Value {
    let rules: Vec<Value> = policy.rules.iter().map(rule).collect();
    let results: Vec<Value> = judged
        .violations()
        .map(|violation| result(policy, violation, input))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tapline",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    })
}

fn level(severity: &str) -> &'static str {
    match severity {
        "critical" | "high" => "error",
        "medium" => "warning",
        _ => "note",
    }
}

/// The number that GitHub sorts security findings by.
fn score(severity: &str) -> &'static str {
    match severity {
        "critical" => "9.5",
        "high" => "8.0",
        "medium" => "5.5",
        "low" => "3.0",
        _ => "0.5",
    }
}

fn rule(rule: &Rule) -> Value {
    let about = match rule.about {
        About::Endpoint => "Every endpoint",
        About::Principal => "Every caller",
        About::Finding => "Every finding",
    };
    let some = if rule.on.is_some() {
        " that the rule is about"
    } else {
        ""
    };
    let full = format!("{about}{some} {}.", rule.wording);
    let help = if rule.help.is_empty() { &full } else { &rule.help };
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": full},
        "help": {"text": help},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {
            "tags": ["security", "api"],
            "security-severity": score(rule.severity),
            "severity": rule.severity,
        },
    })
}

fn result(policy: &Policy, violation: &Violation, input: Option<&Path>) -> Value {
    let rule = &policy.rules[violation.rule];
    // Where somebody can mend it: the declared operation, else the record, else the rule itself.
    let (file, line, column) = match (&violation.declared, input, violation.line) {
        (Some(place), ..) => (uri(Path::new(&place.file)), place.line, None),
        (None, Some(input), Some(line)) => (uri(input), line as u64, None),
        _ => (uri(Path::new(&policy.file)), rule.line as u64, Some(rule.column)),
    };
    let mut region = json!({"startLine": line});
    if let Some(column) = column {
        region["startColumn"] = column.into();
    }
    let name = violation.name.as_str();
    let last = name
        .rsplit(['/', ' '])
        .next()
        .filter(|n| !n.is_empty())
        .unwrap_or(name);
    let kind = match rule.about {
        About::Endpoint => "resource",
        About::Principal => "principal",
        About::Finding => "finding",
    };
    let observed: serde_json::Map<String, Value> = violation
        .observed
        .iter()
        .map(|(field, value)| (field.clone(), json!(value)))
        .collect();
    json!({
        "ruleId": rule.id,
        "ruleIndex": violation.rule,
        "level": level(rule.severity),
        "kind": "fail",
        "message": {"text": violation.message(rule)},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": file}, "region": region},
            "logicalLocations": [{
                "name": last,
                "fullyQualifiedName": name,
                "kind": kind,
            }],
        }],
        "partialFingerprints": {"ruleAndSubject/v1": violation.fingerprint},
        "properties": {"id": violation.subject, "observed": observed},
    })
}

/// A path as a URI reference: relative as it was given, or `file://` of an absolute one (RFC 3986, RFC 8089).
fn uri(path: &Path) -> String {
    let mut out = String::from(if path.is_absolute() { "file://" } else { "" });
    let bytes = path.as_os_str().as_bytes();
    let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
    for (place, &byte) in bytes.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // In the first segment of a relative reference a colon would end a scheme.
            b'@' | b'+' | b',' | b'=' if place > 0 => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;
    use std::path::Path;

    #[test]
    fn paths_are_uris() {
        for (path, wanted) in [
            ("specs/orders.yaml", "specs/orders.yaml"),
            ("./policy.toml", "policy.toml"),
            ("/etc/tapline/policy.toml", "file:///etc/tapline/policy.toml"),
            ("a b#c?.toml", "a%20b%23c%3F.toml"),
            ("c:d", "c%3Ad"),
            ("ünter", "%C3%BCnter"),
        ] {
            assert_eq!(uri(Path::new(path)), wanted);
        }
    }
}
