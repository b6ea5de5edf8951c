//! The way round: what traffic was written down as, held against the same traffic, departs in nothing.
//!
//! capture ─▶ replay ─▶ store ─▶ export ─▶ a validator of others ─▶ replay of the capture with the export as specification

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testdata::{demo, shapes};

mod support;

use support::{files, folder, lines, said, tapline};

/// What a comparison with a specification may find.
const KINDS: [&str; 6] = [
    "shadow_endpoint",
    "schema_drift",
    "undocumented_parameter",
    "undocumented_status",
    "orphan_endpoint",
    "zombie_endpoint",
];

/// Findings of those kinds without what the traffic alone shows: kind, method, host, template, explanation.
fn compared(findings: &Path, before: &BTreeSet<String>) -> Vec<String> {
    let mut told: Vec<String> = lines(findings)
        .iter()
        .filter(|f| KINDS.iter().any(|kind| f["kind"] == *kind))
        .filter(|f| !before.contains(&about(f)))
        .map(|f| format!("{}: {}", about(f), f["explanation"]))
        .collect();
    told.dedup();
    told
}

/// What a finding is about, whatever its endpoint's parameters are called: a document may give them names.
fn about(finding: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = &finding["resource"];
    let bare = |template: &str| {
        let pieces: Vec<&str> = template
            .split(['{', '}'])
            .enumerate()
            .map(|(n, piece)| if n % 2 == 0 { piece } else { "{}" })
            .collect();
        pieces.concat()
    };
    [
        text(&finding["kind"]),
        text(&finding["observed"]["reason"]),
        text(&finding["observed"]["basis"]),
        text(&of["method"]),
        text(&of["host"]),
        bare(&text(&of["template"])),
    ]
    .join(" ")
}

/// Replays a capture; the findings that came of it.
fn replay(capture: &Path, out: &Path, specs: &[PathBuf], more: &[&str]) -> (PathBuf, String) {
    let findings = out.join("findings.jsonl");
    let mut arguments: Vec<String> = vec!["replay".into(), capture.display().to_string()];
    for spec in specs {
        arguments.extend(["--spec".into(), spec.display().to_string()]);
    }
    arguments.extend(["--findings".into(), findings.display().to_string()]);
    arguments.extend(more.iter().map(|s| (*s).to_owned()));
    let output = tapline(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    (findings, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Goes the way round, and gives the capture and the documents.
fn round(name: &str, capture: &[u8]) -> (PathBuf, Vec<PathBuf>) {
    let out = folder(name);
    let pcap = out.join("traffic.pcap");
    fs::write(&pcap, capture).expect("a capture");
    let store = out.join("store").display().to_string();
    let (findings, _) = replay(&pcap, &out, &[], &["--store", &store]);
    let before: BTreeSet<String> = lines(&findings).iter().map(about).collect();

    let documents = out.join("documents");
    let export = |format: &str, to: &Path| {
        let to = to.display().to_string();
        let output = tapline(&["export", "--store", &store, "--format", format, "--out", &to]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    };
    fs::create_dir(&documents).expect("a folder");
    export("openapi", &documents);
    let documents = files(&documents);
    assert!(documents.len() > 3, "{documents:?}");
    if let Some(validator) = support::openapi_validator() {
        let output = Command::new(validator)
            .args(&documents)
            .output()
            .expect("the validator runs");
        assert!(output.status.success(), "{}", said(&output));
    }
    let again = out.join("again");
    fs::create_dir(&again).expect("a folder");
    let (findings, messages) = replay(&pcap, &again, &documents, &[]);
    assert_eq!(compared(&findings, &before), [""; 0], "{name}, OpenAPI");
    assert!(!messages.contains("warning"), "{messages}");
    let collection = out.join("collection.json");
    export("postman", &collection);
    let (findings, _) = replay(&pcap, &again, &[collection], &[]);
    assert_eq!(compared(&findings, &before), [""; 0], "{name}, Postman");
    (pcap, documents)
}

/// Takes a path, the parameters, the answers but for one status and the types of fields out of a document.
fn maim(text: &str) -> String {
    let mut document: Value = serde_json::from_str(text).expect("JSON");
    let most = |item: &Value| {
        let calls = |operation: &Value| operation["x-tapline-exchanges"].as_u64().unwrap_or(0);
        item.as_object().map_or(0, |item| item.values().map(calls).sum())
    };
    let paths = document["paths"].as_object_mut().expect("paths");
    let busiest = paths
        .iter()
        .max_by_key(|(_, item)| most(item))
        .map(|(path, _)| path.clone());
    paths.remove(&busiest.expect("a path"));
    for item in paths.values_mut() {
        for operation in item.as_object_mut().expect("a path item").values_mut() {
            let Some(operation) = operation.as_object_mut() else {
                continue;
            };
            operation.remove("parameters");
            let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
                continue;
            };
            for (status, response) in responses.iter_mut() {
                if status == "200" {
                    let content = response["content"].as_object_mut();
                    for media in content.into_iter().flat_map(|content| content.values_mut()) {
                        media["schema"] = serde_json::json!({"type": "boolean"});
                    }
                }
            }
            responses.retain(|status, _| status == "200" || !status.starts_with('2'));
            if responses.is_empty() {
                responses.insert("404".into(), serde_json::json!({"description": "none"}));
            }
        }
    }
    document.to_string()
}

#[test]
fn the_demo_conforms_to_what_it_was_written_down_as() {
    round("roundtrip-demo", &demo::demo(demo::SEED).pcap);
}

#[test]
fn apis_of_all_makes_conform_to_what_they_were_written_down_as() {
    let (pcap, documents) = round("roundtrip-shapes", &shapes::shapes(demo::SEED));
    // The comparison finds what a document lacks: a path, parameters, statuses, the types of fields.
    let largest = documents
        .iter()
        .max_by_key(|file| fs::metadata(file).map_or(0, |meta| meta.len()))
        .expect("a document");
    let text = fs::read_to_string(largest).expect("a document");
    let out = folder("roundtrip-maimed");
    let maimed = out.join("maimed.json");
    fs::write(&maimed, maim(&text)).expect("a document");
    let (findings, _) = replay(&pcap, &out, &[maimed], &[]);
    let told: BTreeSet<String> = lines(&findings)
        .iter()
        .filter_map(|f| f["kind"].as_str().map(str::to_owned))
        .collect();
    for kind in &KINDS[..4] {
        assert!(told.contains(*kind), "no {kind} in {told:?}");
    }
}
