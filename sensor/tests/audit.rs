//! The audit trail of real runs: what is in it, and that what is done to it shows.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use support::{folder, lines, said, tapline, testdata};

fn run(dir: &Path, more: &[&str]) -> Output {
    let demo = testdata("demo.pcap").display().to_string();
    let dir = dir.display().to_string();
    let mut arguments = vec!["replay", &demo, "--store", &dir];
    arguments.extend(more);
    let output = tapline(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    output
}

fn audit(command: &str, dir: &Path, more: &[&str]) -> Output {
    let dir = dir.display().to_string();
    let mut arguments = vec!["audit", command, "--store", &dir];
    arguments.extend(more);
    tapline(&arguments)
}

fn records(dir: &Path, what: &str) -> Vec<Value> {
    let output = audit("show", dir, &["--json", "--what", what]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn trail(dir: &Path) -> PathBuf {
    dir.join("audit.jsonl")
}

#[test]
fn runs_changes_and_the_life_of_findings_are_in_it_and_nothing_of_the_traffic() {
    let out = folder("audit-life");
    let dir = out.join("store");
    let findings = out.join("findings.jsonl").display().to_string();
    run(&dir, &["--findings", &findings]);
    let told = lines(Path::new(&findings));
    let born = records(&dir, "finding_new");
    let first: Vec<&Value> = told.iter().filter(|f| f["revision"] == 1).collect();
    assert!(!first.is_empty());
    assert_eq!(born.len(), first.len());
    let revisions: usize = [
        "finding_new",
        "finding_updated",
        "finding_raised",
        "finding_closed",
    ]
    .iter()
    .map(|what| records(&dir, what).len())
    .sum();
    assert_eq!(revisions, told.len(), "each revision once");
    assert_eq!(records(&dir, "run_ended").len(), 1);

    // Somebody answers for one, with a file that the next run reads.
    let id = first[0]["id"].as_str().expect("an id").to_owned();
    let file = out.join("suppressions.toml");
    let config = out.join("tapline.toml");
    fs::write(
        &config,
        format!(
            "[findings]\nsuppressions = \"{}\"\n[kafka]\nsecurity_protocol = \"sasl_plaintext\"\nsasl_mechanism = \"PLAIN\"\nsasl_username = \"u\"\nsasl_password = \"hunter2-secret\"\n",
            file.display()
        ),
    )
    .expect("a file");
    let done = tapline(&[
        "suppress",
        &id,
        "--store",
        &dir.display().to_string(),
        "--file",
        &file.display().to_string(),
        "--owner",
        "ana",
        "--reason",
        "load test",
        "--until",
        "2030-01-31",
    ]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let added = records(&dir, "suppression_added");
    assert_eq!(
        (&added[0]["about"]["finding"], &added[0]["about"]["owner"]),
        (&id.as_str().into(), &"ana".into())
    );
    assert!(added[0]["who"]["uid"].is_u64());
    run(&dir, &["--config", &config.display().to_string()]);
    let runs = records(&dir, "run_started");
    assert_eq!(runs.len(), 2);
    let changed = &runs[1]["about"];
    assert_ne!(runs[0]["about"]["config_hash"], changed["config_hash"]);
    assert!(
        changed["changed"]["findings.suppressions"]["from"].is_null(),
        "{changed}"
    );
    let files = changed["files_changed"].as_object().expect("an object");
    assert!(
        files.keys().any(|name| name.contains("the suppressions")),
        "{changed}"
    );
    let hidden = records(&dir, "finding_suppressed");
    assert!(
        hidden.iter().any(|r| r["about"]["finding"] == id.as_str()),
        "{hidden:?}"
    );
    let life = audit("show", &dir, &["--finding", &id[..12]]);
    let life = String::from_utf8_lossy(&life.stdout).into_owned();
    for what in ["finding_new", "suppression_added", "finding_suppressed"] {
        assert!(life.contains(what), "{life}");
    }
    // The file is changed by hand: the next run tells.
    let text = fs::read_to_string(&file).expect("the file");
    fs::write(&file, text.replace("2030-01-31", "2031-01-31")).expect("the file");
    run(&dir, &["--config", &config.display().to_string()]);
    let runs = records(&dir, "run_started");
    let changed = &runs[2]["about"];
    assert_eq!(changed["changed"], serde_json::json!({}));
    assert_eq!(
        changed["files_changed"].as_object().map(serde_json::Map::len),
        Some(1)
    );

    let whole = audit("verify", &dir, &[]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    let all = fs::read_to_string(trail(&dir)).expect("the trail");
    for secret in ["hunter2-secret", "acme.example", "/v1/", "Bearer"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_done_to_it_gives_exit_status_1_also_when_its_end_is_cut_off() {
    let out = folder("audit-tampered");
    let dir = out.join("store");
    run(&dir, &[]);
    let good = fs::read_to_string(trail(&dir)).expect("the trail");
    let whole = audit("verify", &dir, &["--json"]);
    let verdict: Value = serde_json::from_slice(&whole.stdout).expect("JSON");
    let head = format!(
        "{}:{}",
        verdict["head"]["seq"],
        verdict["head"]["hash"].as_str().expect("a hash")
    );
    assert_eq!(audit("verify", &dir, &["--head", &head]).status.code(), Some(0));
    let all: Vec<&str> = good.lines().collect();
    let tampered: [(&str, String); 4] = [
        ("was changed", good.replacen("\"high\"", "\"info\"", 1)),
        ("is missing", [&all[..3], &all[4..]].concat().join("\n") + "\n"),
        (
            "the end is cut off: the store says",
            all[..all.len() - 1].join("\n") + "\n",
        ),
        ("is torn", good[..good.len() - 20].to_owned()),
    ];
    for (problem, text) in tampered {
        assert_ne!(text, good);
        fs::write(trail(&dir), text).expect("the trail");
        let found = audit("verify", &dir, &[]);
        assert_eq!(found.status.code(), Some(1), "{problem}: {}", said(&found));
        assert!(said(&found).contains(problem), "{}", said(&found));
    }
    // A run that goes on behind an end that was cut off says so, and its record of it stays.
    fs::write(trail(&dir), all[..all.len() - 2].join("\n") + "\n").expect("the trail");
    let again = run(&dir, &[]);
    assert!(said(&again).contains("was cut off"), "{}", said(&again));
    let noted = &records(&dir, "trail_cut")[0];
    assert_eq!(noted["about"]["noted"]["seq"], all.len());
    assert_eq!(noted["about"]["found"]["seq"], all.len() - 2);
    assert!(!said(&run(&dir, &[])).contains("was cut off"));
    fs::remove_file(trail(&dir)).expect("the trail");
    assert_eq!(audit("verify", &dir, &[]).status.code(), Some(1));
    assert_eq!(audit("verify", &out.join("nowhere"), &[]).status.code(), Some(3));
}
