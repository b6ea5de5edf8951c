//! # `tool_definition_changed`: a tool is no longer what it was said to be
//!
//! Reports each definition of a tool that is not the one first seen, nor one seen since, with the fields that differ. Severity is
//! by what the new one *introduced*: nothing that misleads: low, whatever else changed; one of an address, the name of another
//! tool, a schema that takes more or asks for what the model knows, a hint that was dropped or relaxed: medium; two of these: high;
//! instructions to the model or characters that people do not see: high, and with anything else critical. A tool under a new name
//! counts as the old one when a caller who was shown the old one is shown it instead, with the same parameters.
//!
//! Source: OWASP Agentic ASI04:2026; Invariant Labs, "tool poisoning" and "rug pull" (2025); CWE-494. Canonical form: RFC 8785.
//!
//! Blind to: a definition that was bad when it was first seen; instructions in words that are not on the list; changes in parts
//! beyond the 128 that are told apart of a definition, of which only the hash is known.
//!
//! Quiet when: it is another way to write the same; members change on which neither model nor client acts (`_meta`, `icons`); the
//! same definition comes again, as where a server shows different ones to different callers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::At;
use super::catalog::Replaced;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Fields that a finding lists.
const TOLD: usize = 32;

fn severity(introduced: &BTreeSet<&str>) -> Severity {
    let strong = introduced
        .iter()
        .filter(|cue| matches!(**cue, "instructions" | "hidden_unicode"))
        .count();
    match (strong, introduced.len()) {
        (0, 0) => Severity::Low,
        (0, 1) => Severity::Medium,
        (0, _) | (1, 1) => Severity::High,
        _ => Severity::Critical,
    }
}

pub(super) fn tell(at: &At<'_>, change: &Replaced, filing: &mut Filing) {
    let introduced = change.before.introduced(&change.after);
    let mut fields = change.before.changes(&change.after);
    let count = fields.len();
    fields.truncate(TOLD);
    // Of a definition of which the hash alone is kept, nobody knows what changed.
    let unknown = change.before.is_stripped() || change.after.is_stripped();
    let level = if unknown {
        Severity::Medium
    } else {
        severity(&introduced)
    };
    let software = at.server.software.as_ref();
    let versions = (change.version.clone(), software.and_then(|s| s.version.clone()));
    let hashes = (change.before.hash.to_string(), change.after.hash.to_string());
    let id = at.server.id.to_string();
    let parts: [&[u8]; 4] = [
        id.as_bytes(),
        change.tool.as_bytes(),
        hashes.0.as_bytes(),
        hashes.1.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::ToolDefinitionChanged,
        parts: &parts,
        window: 0,
    };
    let days = at.activity.ts.since(change.since).as_secs() / 86_400;
    let draft = || {
        let mut observed = vec![
            ("tool", json!(change.tool)),
            ("fields", json!(count)),
            ("changes", json!(fields)),
            ("introduced", json!(introduced)),
            ("definition", json!(hashes.1)),
        ];
        observed.extend(
            change
                .renamed_from
                .as_ref()
                .map(|name| ("renamed_from", json!(name))),
        );
        observed.extend(versions.1.map(|version| ("server_version", json!(version))));
        let mut expected = vec![("definition", json!(hashes.0))];
        expected.extend(versions.0.map(|version| ("server_version", json!(version))));
        Draft {
            confidence: if change.renamed_from.is_some() { 0.8 } else { 0.95 },
            resource: at.resource(Some(&change.tool)),
            observed,
            expected,
            support: vec![("calls", json!(change.calls)), ("days", json!(days))],
            ..Draft::default()
        }
    };
    filing.report(subject, level, draft, |_| {});
}

/// A cue in words.
fn words(cue: &str) -> &str {
    match cue {
        "instructions" => "instructions to the model",
        "hidden_unicode" => "characters that people do not see",
        "url" => "an address",
        "cross_tool_reference" => "the name of another tool",
        "widened_schema" => "parameters that take more",
        "dropped_read_only_hint" => "that it may change data",
        "relaxed_hint" => "a hint that has clients ask less",
        other => other,
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let path = |change: &Value| change.get("path")?.as_str().map(str::to_owned);
    let changes = finding.observed.get("changes").and_then(Value::as_array);
    let paths: Vec<String> = changes.into_iter().flatten().filter_map(path).take(3).collect();
    let count = finding.observed_number("fields");
    let fields = match (count, paths.is_empty()) {
        (_, true) => "its hash".to_owned(),
        (n, _) if n > 3 => format!("{} (among them {})", many(n, "field", "fields"), paths.join(", ")),
        (n, _) => format!("{} ({})", many(n, "field", "fields"), paths.join(", ")),
    };
    let renamed = match finding.observed_text("renamed_from") {
        "" => String::new(),
        old => format!(", which was called {old} before,"),
    };
    let cues: Vec<&str> = finding
        .observed_list("introduced")
        .into_iter()
        .map(words)
        .collect();
    let new = match cues.is_empty() {
        true => "It introduced nothing that is known to mislead a model.".to_owned(),
        false => format!("New in it: {}.", cues.join(", ")),
    };
    sentence(&format!(
        "the MCP server {} changed the definition of its tool {}{renamed} in {fields}. {new}",
        finding.place(),
        finding.observed_text("tool"),
    ))
}
