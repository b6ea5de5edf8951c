//! One capture, one answer: whatever the read size, the number of workers, and how often it is asked.

mod support;

use std::fs;
use std::path::Path;

use support::{all_outputs, files, folder, lines, said, tapline, testdata};

fn replay(name: &str, more: &[&str]) -> Vec<(String, Vec<u8>)> {
    let out = folder(name);
    let mut arguments = vec!["replay".to_owned(), testdata("demo.pcap").display().to_string()];
    arguments.extend(all_outputs(&out));
    arguments.extend(more.iter().map(|&a| a.to_owned()));
    let output = tapline(&arguments);
    assert!(output.status.success(), "{}", said(&output));
    files(&out)
        .iter()
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a file"))
        })
        .collect()
}

#[test]
fn read_size_workers_and_repetition_change_no_byte() {
    let wanted = replay("replay-plain", &[]);
    assert_eq!(wanted.len(), 8);
    assert!(
        wanted
            .iter()
            .any(|(name, bytes)| name == "exchanges.jsonl" && bytes.len() > 100_000)
    );
    for (name, more) in [
        ("replay-again", &[][..]),
        ("replay-bytewise", &["--read-size", "1"]),
        ("replay-odd", &["--read-size", "1009"]),
        ("replay-large", &["--read-size", "64MiB"]),
        ("replay-two", &["--workers", "2"]),
        ("replay-many", &["--workers", "64", "--read-size", "4096"]),
    ] {
        let got = replay(name, more);
        for ((file, bytes), (_, other)) in wanted.iter().zip(&got) {
            assert!(bytes == other, "{file} differs with {more:?}");
        }
    }
}

#[test]
fn every_record_fits_its_schema() {
    let out = folder("replay-schemas");
    let mut arguments = vec!["replay".to_owned(), testdata("demo.pcap").display().to_string()];
    arguments.extend(all_outputs(&out));
    let output = tapline(&arguments);
    assert!(output.status.success(), "{}", said(&output));
    for (file, schema) in [
        ("exchanges", "exchange"),
        ("parts", "part"),
        ("flows", "flow"),
        ("findings", "finding"),
        ("inventory", "inventory"),
        ("agents", "agents"),
        ("mcp", "mcp"),
    ] {
        let text = tapline(&["schema", schema]).stdout;
        let schema: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap_or_else(|e| panic!("{file}: {e}"));
        let records = lines(&out.join(format!("{file}.jsonl")));
        assert!(!records.is_empty(), "no {file} to check");
        for record in records {
            if let Err(error) = validator.validate(&record) {
                panic!("{file}: {error} at {} in {record}", error.instance_path());
            }
        }
    }
}

/// What a person reads and what a program reads are of the same run.
#[test]
fn the_summary_shows_what_the_records_hold() {
    let output = tapline(&[Path::new("replay"), &testdata("demo.pcap")]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let records = replay("replay-summary", &[]);
    let count = |name: &str| {
        records
            .iter()
            .find(|(n, _)| n == name)
            .map_or(0, |(_, b)| b.iter().filter(|b| **b == b'\n').count())
    };
    let number = |label: &str| {
        let line = text
            .lines()
            .find(|l| l.trim_start_matches([' ', '▼']).starts_with(label))
            .unwrap_or_default();
        let digits: String = line
            .split(label)
            .nth(1)
            .unwrap_or("")
            .trim()
            .split(' ')
            .next()
            .unwrap_or("")
            .replace(',', "");
        digits
            .parse::<usize>()
            .unwrap_or_else(|_| panic!("no {label} in\n{text}"))
    };
    assert_eq!(number("TCP flows"), count("flows.jsonl"));
    assert_eq!(number("exchanges"), count("exchanges.jsonl"));
    assert_eq!(number("endpoints"), count("inventory.jsonl"));
    assert!(!text.contains('\x1b'), "no colours away from a terminal");
}

/// A capture through a pipe, so that the signal comes when half of it is read.
#[test]
fn a_replay_stopped_by_a_signal_says_so_and_has_its_status() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let whole = fs::read(testdata("demo.pcap")).expect("the demo capture");
    for (signal, name, status) in [("INT", "SIGINT", 130), ("TERM", "SIGTERM", 143)] {
        let out = folder("replay-stopped");
        let found = out.join("exchanges.jsonl");
        let mut sensor = Command::new(env!("CARGO_BIN_EXE_tapline"))
            .args(["replay", "-", "--read-size", "4096", "--exchanges"])
            .arg(&found)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut pipe = sensor.stdin.take().expect("a pipe");
        // More than the pipe itself holds, so that reading has begun when this returns.
        pipe.write_all(&whole[..whole.len() / 2]).expect("it is read");
        let kill = Command::new("kill")
            .args([format!("-{signal}"), sensor.id().to_string()])
            .status();
        assert!(kill.expect("kill runs").success());
        // The sensor may have gone before it took all of this.
        let _ = pipe.write_all(&whole[whole.len() / 2..]);
        drop(pipe);
        let output = sensor.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.contains(&format!("stopped by {name} after "))
                && message.contains("what comes after them was not read"),
            "{message}"
        );
        assert!(!lines(&found).is_empty(), "what was read is written");
    }
}

/// A response of which the connection's end took the rest is no gap, and no message that is whole.
#[test]
fn a_message_without_its_end_is_told() {
    let output = tapline(&[
        "replay",
        &testdata("demo.pcap").display().to_string(),
        "--flows",
        "/dev/null",
    ]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("1 message whose end was not seen"), "{text}");
}
