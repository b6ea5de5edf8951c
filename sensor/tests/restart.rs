//! What is learned does not depend on where a run ended and the next began.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

mod support;

use support::{folder, lines, tapline, testdata};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The demo in two files, cut in its middle where no connection was open.
fn halves(into: &Path) -> [PathBuf; 2] {
    let flows = into.join("flows.jsonl");
    let whole = testdata("demo.pcap");
    let output = tapline(&[
        "replay".as_ref(),
        whole.as_os_str(),
        "--flows".as_ref(),
        flows.as_os_str(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut spans: Vec<(String, String)> = lines(&flows)
        .iter()
        .map(|flow| {
            let time = |key: &str| flow[key].as_str().expect("a time").to_owned();
            (time("start"), time("end"))
        })
        .collect();
    spans.sort();
    // Times of one form are in the order of their texts.
    let mut open_until = String::new();
    let mut starts = Vec::new();
    for (number, (start, end)) in spans.iter().enumerate() {
        if *start > open_until && number > spans.len() / 4 {
            starts.push((number.abs_diff(spans.len() / 2), start.clone()));
        }
        open_until = open_until.max(end.clone());
    }
    let (_, cut_at) = starts.into_iter().min().expect("a moment without a connection");
    let demo = fs::read(whole).expect("the demo");
    let number = |at: usize| u32::from_le_bytes(demo[at..at + 4].try_into().expect("four bytes"));
    let mut cut = 24;
    while cut + 16 <= demo.len() && *seconds(number(cut)) < cut_at[..19] {
        cut += 16 + number(cut + 8) as usize;
    }
    assert!(cut > demo.len() / 5 && cut < demo.len() / 5 * 4, "{cut_at}");
    let files = [into.join("1.pcap"), into.join("2.pcap")];
    fs::write(&files[0], &demo[..cut]).expect("a file");
    fs::write(&files[1], [&demo[..24], &demo[cut..]].concat()).expect("a file");
    files
}

/// A time as records have it, to the second: `2026-10-05T12:00:00` (days from civil, Hinnant).
fn seconds(since_1970: u32) -> String {
    let (days, rest) = (i64::from(since_1970 / 86_400), since_1970 % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")
}

fn replay(file: &Path, store: &Path) {
    let output = tapline(&[
        "replay".as_ref(),
        file.as_os_str(),
        "--store".as_ref(),
        store.as_os_str(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// A record without what names places in a file, which are others in a part of it, and without the number of times it was
/// told, which is one more for each run that ended while it went on.
fn as_of_one_file(mut record: Value) -> Value {
    if let Some(record) = record.as_object_mut() {
        record.remove("filter");
        record.remove("revision");
        let evidence = record.get_mut("evidence").and_then(Value::as_array_mut);
        for of in evidence.into_iter().flatten().filter_map(Value::as_object_mut) {
            of.remove("frames");
        }
    }
    record
}

fn known(what: &str, store: &Path) -> Vec<Value> {
    let output = tapline(&[
        what.as_ref(),
        "--store".as_ref(),
        store.as_os_str(),
        "--json".as_ref(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let records = text(&output.stdout);
    records
        .lines()
        .map(|line| as_of_one_file(serde_json::from_str(line).expect("JSON")))
        .collect()
}

/// How the records differ, a line for each field.
fn differing(one: &[Value], other: &[Value]) -> Vec<String> {
    let mut out = Vec::new();
    if one.len() != other.len() {
        out.push(format!("{} records and {}", one.len(), other.len()));
    }
    for (a, b) in one.iter().zip(other) {
        for (key, value) in a.as_object().expect("an object") {
            if Some(value) != b.get(key) {
                out.push(format!("{} {key}: {value} and {:?}", a["id"], b.get(key)));
            }
        }
    }
    out
}

#[test]
fn two_runs_over_one_store_know_what_one_run_knows() {
    let out = folder("restart-halves");
    let [first, second] = halves(&out);
    let (parts, whole) = (out.join("parts"), out.join("whole"));
    replay(&first, &parts);
    replay(&second, &parts);
    replay(&testdata("demo.pcap"), &whole);
    for what in ["inventory", "agents", "findings"] {
        let (a, b) = (known(what, &parts), known(what, &whole));
        assert!(!a.is_empty());
        let differing = differing(&a, &b);
        assert!(differing.is_empty(), "{what}:\n{}", differing.join("\n"));
    }
}

#[test]
fn a_run_that_is_killed_loses_what_came_after_the_last_snapshot_and_nothing_else() {
    let out = folder("restart-killed");
    let [first, second] = halves(&out);
    let (killed, whole) = (out.join("killed"), out.join("whole"));
    replay(&first, &killed);
    let before: Vec<Vec<Value>> = ["inventory", "findings"]
        .iter()
        .map(|what| known(what, &killed))
        .collect();
    // The second half comes through a pipe that never ends, so the process is in the midst of it when it is killed.
    let mut process = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(["replay", "-", "--store"])
        .arg(&killed)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let packets = fs::read(&second).expect("the second half");
    let mut input = process.stdin.take().expect("a pipe");
    input.write_all(&packets).expect("the process reads");
    input.flush().expect("the process reads");
    std::thread::sleep(std::time::Duration::from_millis(300));
    process.kill().expect("it is there");
    process.wait().expect("it is gone");
    drop(input);
    // A replay takes a snapshot every 200,000 exchanges and at its end: this one had not come so far.
    let after: Vec<Vec<Value>> = ["inventory", "findings"]
        .iter()
        .map(|what| known(what, &killed))
        .collect();
    assert_eq!(before, after);
    // And the next run makes up for it.
    replay(&second, &killed);
    replay(&testdata("demo.pcap"), &whole);
    for what in ["inventory", "findings"] {
        let differing = differing(&known(what, &killed), &known(what, &whole));
        assert!(differing.is_empty(), "{what}:\n{}", differing.join("\n"));
    }
}
