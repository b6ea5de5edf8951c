//! # `a2a_card_unsigned_or_changed`: an agent's card is signed by nobody, or is no longer what it was
//!
//! Reports, once per agent, a card that is shown to all and carries no signature (low, for the record); and each card that is not the
//! one first seen, nor one seen since, with the fields that differ. Severity of a change is by what the new card *introduced*:
//! nothing that leads callers elsewhere, lets more in or misleads a model: low, whatever else changed. An address in a text, or an
//! interface without TLS where there was none: medium; both: high. An interface at another host, a way to say who one is that is no
//! longer declared or asked for, another provider, a signature that is gone or by another key, instructions to a model, characters
//! that people do not see: high, and with anything else critical.
//!
//! Source: OWASP Agentic ASI07:2026; A2A 1.0 sections 8.4 (signatures) and 13 (security); MITRE ATT&CK T1036. Canonical form: RFC
//! 8785.
//!
//! Blind to: a card that was bad when it was first seen; whether a signature is right, which takes its key; cards over gRPC, and
//! those that are cut off or longer than 256 KiB (`a2a_cards_unread`); instructions in words that are not on the list; changes in
//! parts beyond the 256 that are told apart of a card, of which only the hash is known.
//!
//! Quiet when: it is another way to write the same, or the same signed anew with the same key; members change on which neither
//! client nor model acts (icons, documentation); the same card comes again; two hosts show cards of one name; a caller who has said
//! who it is is shown another card than others (each caller's own is compared with what that caller was shown before).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::At;
use super::agents::Replaced;
use super::card::host_name;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Fields that a finding lists.
const TOLD: usize = 32;

fn severity(introduced: &BTreeSet<&str>) -> Severity {
    let weak = introduced
        .iter()
        .filter(|cue| matches!(**cue, "url" | "interface_cleartext"))
        .count();
    match (introduced.len() - weak, introduced.len()) {
        (0, 0) => Severity::Low,
        (0, 1) => Severity::Medium,
        (0, _) | (1, 1) => Severity::High,
        _ => Severity::Critical,
    }
}

/// A card is seen for the first time.
pub(super) fn first(at: &At<'_>, filing: &mut Filing) {
    let Some(known) = at.agent.card.as_ref().filter(|_| !at.extended) else {
        return;
    };
    if !known.card.signatures.is_empty() {
        return;
    }
    let id = at.agent.id.to_string();
    let parts: [&[u8]; 2] = [id.as_bytes(), b"unsigned"];
    let subject = Subject {
        kind: Kind::A2aCardUnsignedOrChanged,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.95,
        resource: at.resource(),
        observed: vec![
            ("reason", json!("unsigned")),
            ("agent", json!(known.card.name)),
            ("signatures", json!(0)),
            ("card", json!(known.card.definition.hash.to_string())),
        ],
        expected: vec![("signatures", json!(1))],
        support: vec![("calls", json!(at.agent.calls))],
        ..Draft::default()
    };
    filing.report(subject, Severity::Low, draft, |_| {});
}

/// A card is not as it was.
pub(super) fn changed(at: &At<'_>, change: &Replaced, filing: &mut Filing) {
    let (before, after) = (&change.before, &change.after);
    let introduced = before.introduced(after, host_name(&at.activity.request.host, at.seed));
    let mut fields = before.definition.changes(&after.definition);
    let count = fields.len();
    fields.truncate(TOLD);
    let hashes = (
        before.definition.hash.to_string(),
        after.definition.hash.to_string(),
    );
    let id = at.agent.id.to_string();
    // A card that says the same may be signed by somebody else.
    let stamps = format!("{:?} {:?}", before.stamp(), after.stamp());
    let parts: [&[u8]; 4] = [
        id.as_bytes(),
        hashes.0.as_bytes(),
        hashes.1.as_bytes(),
        stamps.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::A2aCardUnsignedOrChanged,
        parts: &parts,
        window: 0,
    };
    let days = at.activity.ts.since(change.since).as_secs() / 86_400;
    let signed = |card: &super::Card| json!(card.signatures.len());
    let places = |card: &super::Card| {
        let shown: Vec<&str> = card.interfaces.iter().map(|one| one.url.as_str()).collect();
        json!(shown)
    };
    let draft = || {
        let mut observed = vec![
            ("reason", json!("changed")),
            ("agent", json!(after.name)),
            ("fields", json!(count)),
            ("changes", json!(fields)),
            ("introduced", json!(introduced)),
            ("signatures", signed(after)),
            ("interfaces", places(after)),
            ("card", json!(hashes.1)),
        ];
        let mut expected = vec![
            ("signatures", signed(before)),
            ("interfaces", places(before)),
            ("card", json!(hashes.0)),
        ];
        if at.extended {
            observed.push(("extended", json!(true)));
        }
        observed.extend(after.version.as_ref().map(|version| ("version", json!(version))));
        expected.extend(before.version.as_ref().map(|version| ("version", json!(version))));
        Draft {
            confidence: 0.95,
            resource: at.resource(),
            observed,
            expected,
            support: vec![("calls", json!(at.agent.calls)), ("days", json!(days))],
            ..Draft::default()
        }
    };
    filing.report(subject, severity(&introduced), draft, |_| {});
}

/// A cue in words.
fn words(cue: &str) -> &str {
    match cue {
        "instructions" => "instructions to the model",
        "hidden_unicode" => "characters that people do not see",
        "url" => "an address in its texts",
        "interface_host" => "an interface at another host",
        "interface_cleartext" => "an interface without TLS",
        "security_dropped" => "less that callers must show",
        "provider" => "another provider",
        "signature_removed" => "no signature any more",
        "signing_key" => "a signature by another key",
        other => other,
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let agent = finding.observed_text("agent");
    if finding.observed_text("reason") == "unsigned" {
        return sentence(&format!(
            "the card of the agent {agent} at {} carries no signature: whoever answers in its place can say the same.",
            finding.place(),
        ));
    }
    let path = |change: &Value| change.get("path")?.as_str().map(str::to_owned);
    let changes = finding.observed.get("changes").and_then(Value::as_array);
    let paths: Vec<String> = changes.into_iter().flatten().filter_map(path).take(3).collect();
    let fields = match (finding.observed_number("fields"), paths.is_empty()) {
        (_, true) => "nothing but its signatures, or parts of which the hash alone is known".to_owned(),
        (n, _) if n > 3 => format!("{} (among them {})", many(n, "field", "fields"), paths.join(", ")),
        (n, _) => format!("{} ({})", many(n, "field", "fields"), paths.join(", ")),
    };
    let cues: Vec<&str> = finding
        .observed_list("introduced")
        .into_iter()
        .map(words)
        .collect();
    let new = match cues.is_empty() {
        true => "Nothing in it leads callers elsewhere, lets more in or misleads a model.".to_owned(),
        false => format!("New in it: {}.", cues.join(", ")),
    };
    sentence(&format!(
        "the card of the agent {agent} at {} changed in {fields}. {new}",
        finding.place(),
    ))
}
