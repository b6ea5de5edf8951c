//! `tapline store`, and what a run says of a store that is damaged.

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use support::{folder, said, tapline, testdata};

fn store(command: &str, dir: &Path, more: &[&str]) -> Output {
    let dir = dir.display().to_string();
    let mut arguments = vec!["store", command, "--store", &dir];
    arguments.extend(more);
    tapline(&arguments)
}

fn replay(dir: &Path) -> Output {
    tapline(&[
        "replay".as_ref(),
        testdata("demo.pcap").as_os_str(),
        "--store".as_ref(),
        dir.as_os_str(),
    ])
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn spoil(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100].fill(0x5a);
    fs::write(path, bytes).expect("a file");
}

#[test]
fn a_damaged_store_is_told_by_check_and_the_next_run_goes_on_from_its_backup() {
    let out = folder("store-damaged");
    let dir = out.join("store");
    assert_eq!(replay(&dir).status.code(), Some(0));
    let whole = store("check", &dir, &["--json"]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    let report = json(&whole);
    assert_eq!(report["good"], true);
    assert_eq!(report["snapshot"], report["backups"][0]["snapshot"]);
    assert_eq!(report["backups"][0]["good"], true);
    assert!(report["rows"]["endpoints"].as_u64() > Some(50), "{report}");
    let words = store("check", &dir, &[]);
    assert!(
        said(&words).contains("whole, snapshot 2 of 20"),
        "{}",
        said(&words)
    );

    spoil(&dir.join("tapline.db"));
    let told = store("check", &dir, &[]);
    assert_eq!(told.status.code(), Some(3), "{}", said(&told));
    for part in [
        "DAMAGED",
        "start the sensor: it goes on from",
        "1.db, snapshot 2 of 20",
    ] {
        assert!(said(&told).contains(part), "{}", said(&told));
    }
    let asked = tapline(&["inventory".as_ref(), "--store".as_ref(), dir.as_os_str()]);
    let doctor = tapline(&["doctor".as_ref(), "--store".as_ref(), dir.as_os_str()]);
    assert!(asked.status.code() == Some(3) || asked.status.code() == Some(0));
    assert!(said(&doctor).contains("it goes on from"), "{}", said(&doctor));
    let run = replay(&dir);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let message = String::from_utf8_lossy(&run.stderr).into_owned();
    for part in [
        "is damaged",
        "goes on from its backup, snapshot 2 of 20",
        "is lost",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(dir.join("damaged/tapline.db").exists());
    assert_eq!(store("check", &dir, &[]).status.code(), Some(0));

    // Both damaged: refused, and nothing is begun in its place.
    spoil(&dir.join("tapline.db"));
    spoil(&dir.join("backup/1.db"));
    let before = fs::read(dir.join("tapline.db")).expect("a file");
    let run = replay(&dir);
    assert_eq!(run.status.code(), Some(2), "{}", said(&run));
    assert!(said(&run).contains("it has no whole backup"), "{}", said(&run));
    assert_eq!(fs::read(dir.join("tapline.db")).expect("a file"), before);
}

#[test]
fn a_copy_goes_on_as_the_store_did_and_less_room_holds_the_same() {
    let out = folder("store-copy");
    let dir = out.join("store");
    replay(&dir);
    let file = out.join("copy.db").display().to_string();
    let made = store("backup", &dir, &["--to", &file, "--json"]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert_eq!(json(&made)["snapshot"]["number"], 2);
    let inside = store("backup", &dir, &["--to", &dir.join("x.db").display().to_string()]);
    assert_eq!(inside.status.code(), Some(2), "{}", said(&inside));
    // No command writes into the store that it reads, under whatever name, or in the place of what is no file.
    let link = out.join("link.jsonl");
    std::os::unix::fs::symlink(dir.join("audit.jsonl"), &link).expect("a link");
    std::os::unix::fs::symlink(out.join("nowhere/x"), out.join("dangling")).expect("a link");
    let before = fs::read(dir.join("audit.jsonl")).expect("the trail");
    for to in [
        link.clone(),
        out.join("dangling"),
        out.clone(),
        "/dev/null".into(),
    ] {
        let refused = store("backup", &dir, &["--to", &to.display().to_string()]);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{}: {}",
            to.display(),
            said(&refused)
        );
    }
    for to in [dir.join("tapline.db"), link] {
        let refused = store("export", &dir, &["--out", &to.display().to_string()]);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{}: {}",
            to.display(),
            said(&refused)
        );
    }
    assert_eq!(fs::read(dir.join("audit.jsonl")).expect("the trail"), before);
    let there = out.join("there");
    fs::create_dir_all(&there).expect("a folder");
    fs::copy(&file, there.join("tapline.db")).expect("a file");
    let export = |dir: &Path| -> Vec<String> {
        let output = store("export", dir, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(str::to_owned).collect()
    };
    let lines = export(&dir);
    assert_eq!(export(&there), lines);
    let about = |name: &str| {
        lines
            .iter()
            .filter(|line| {
                let line: Value = serde_json::from_str(line).expect("JSON");
                line["about"] == name && line["record"].is_object()
            })
            .count()
    };
    assert_eq!(about("store"), 1);
    for (name, command) in [
        ("endpoint", "inventory"),
        ("principal", "agents"),
        ("finding", "findings"),
    ] {
        let listed = tapline(&[
            command.as_ref(),
            "--json".as_ref(),
            "--store".as_ref(),
            dir.as_os_str(),
        ]);
        let listed = String::from_utf8_lossy(&listed.stdout).lines().count();
        assert_eq!(about(name), listed, "{name}");
    }
    let small = store("compact", &dir, &["--history-days", "1", "--json"]);
    assert_eq!(small.status.code(), Some(0), "{}", said(&small));
    let small = json(&small);
    assert!(
        small["bytes_after"].as_u64() <= small["bytes_before"].as_u64(),
        "{small}"
    );
    let after = export(&dir);
    assert_eq!(after[1..], lines[1..]);
    let none = store("compact", &out.join("nowhere"), &[]);
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));
    assert!(!out.join("nowhere").exists());
}
