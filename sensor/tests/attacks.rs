//! Attacks of dataset 1 of ATRDF in the shared evaluation set: found without training on them, named by their class, and none in its
//! benign half. Skipped where the set is not at hand; `TAPLINE_EVAL` names another place of its data.

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use support::{folder, lines, said, tapline};

/// Our classes of theirs: what they call `rce` is done through templates and pages.
const NAMES: [(&str, &[&str]); 6] = [
    ("sql_injection", &["sql_injection"]),
    ("log_forging", &["log_injection"]),
    ("log4j", &["jndi_lookup"]),
    ("dir_traversal", &["path_traversal"]),
    (
        "rce",
        &["template_injection", "script_injection", "command_injection"],
    ),
    ("cookie_injection", &["insecure_deserialisation"]),
];

#[test]
fn attacks_of_others_are_found_and_named() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval/data");
    let data = std::env::var_os("TAPLINE_EVAL").map_or_else(beside, PathBuf::from);
    let data = data.join("atrdf");
    if !data.exists() {
        println!("skipped: there is no evaluation set in {}", data.display());
        return;
    }
    let out = folder("attacks");
    let mut confusion: BTreeMap<(String, String), usize> = BTreeMap::new();
    for part in ["train", "train_attacks", "test"] {
        let findings = out.join(format!("{part}.jsonl"));
        let capture = data.join(format!("{part}.pcap.gz"));
        let run = tapline::<&OsStr>(&[
            "replay".as_ref(),
            "--findings".as_ref(),
            findings.as_os_str(),
            capture.as_os_str(),
        ]);
        assert!(run.status.success(), "{part}: {}", said(&run));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Each connection has one exchange.
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for record in lines(&findings) {
            if record["kind"] == "injection_attempt" {
                for one in record["evidence"].as_array().into_iter().flatten() {
                    found.insert(text(&one["client"]), text(&record["observed"]["class"]));
                }
            }
        }
        let mut rows = String::new();
        GzDecoder::new(
            File::open(data.join(format!("{part}.truth.jsonl.gz"))).expect("the ground truth opens"),
        )
        .read_to_string(&mut rows)
        .expect("the ground truth unpacks");
        for row in rows.lines() {
            let row: Value = serde_json::from_str(row).expect("JSON");
            let class = row["attack_class"].as_str().unwrap_or("benign").to_owned();
            let said = found.get(&text(&row["src"])).cloned().unwrap_or_default();
            *confusion.entry((class, said)).or_default() += 1;
        }
    }
    let (mut attacks, mut named, mut alarms) = (0, 0, 0);
    for ((class, said), count) in &confusion {
        println!("{class:<18} {said:<26} {count}");
        match NAMES.iter().find(|(name, _)| name == class) {
            Some((_, ours)) => {
                attacks += count;
                named += if ours.contains(&said.as_str()) { *count } else { 0 };
            }
            None if !said.is_empty() => alarms += count,
            None => {}
        }
    }
    println!("{named} of {attacks} attacks found and named, {alarms} false alarms");
    assert!(attacks > 800 && named as f64 >= 0.99 * attacks as f64);
    assert_eq!(alarms, 0);
}
