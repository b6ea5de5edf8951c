//! The binary against a real broker: what lies in the topics equals the JSON Lines files.

mod support;

#[path = "support/broker.rs"]
mod broker;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use broker::{Broker, Seen, shared};
use support::{folder, lines, said, tapline, testdata};

/// Arguments of a replay into Kafka; topics begin with `prefix`.
fn arguments(out: &Path, bootstrap: &str, prefix: &str) -> Vec<String> {
    let settings = out.join("tapline.toml");
    let text = format!(
        "[kafka]\ntopic_prefix = \"{prefix}\"\nconnect_timeout = \"60s\"\nfinish_timeout = \"60s\"\n"
    );
    fs::write(&settings, text).expect("a configuration file");
    let path = |name: &str| out.join(name).display().to_string();
    ["--config".to_owned(), settings.display().to_string()]
        .into_iter()
        .chain(["--findings".to_owned(), path("findings.jsonl")])
        .chain(["--inventory".to_owned(), path("inventory.jsonl")])
        .chain(["--agents".to_owned(), path("agents.jsonl")])
        .chain(["--store".to_owned(), path("store")])
        .chain(["--kafka".to_owned(), bootstrap.to_owned()])
        .collect()
}

fn replay(arguments: &[String]) -> Output {
    let mut all = vec!["replay".to_owned(), testdata("demo.pcap").display().to_string()];
    all.extend_from_slice(arguments);
    tapline(&all)
}

/// The topic holds exactly the lines of the file, in order, each with key and headers as contracted.
fn assert_same(topic: &[Seen], file: &Path) {
    let text = fs::read_to_string(file).expect("the findings");
    let values: Vec<&str> = topic.iter().filter_map(|seen| seen.value.as_deref()).collect();
    assert_eq!(values, text.lines().collect::<Vec<_>>());
    assert!(!values.is_empty(), "the demo capture has findings");
    for (seen, finding) in topic.iter().zip(lines(file)) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id = text(&finding["id"]);
        assert_eq!(seen.key, id);
        assert_eq!(seen.header("ce_specversion"), "1.0");
        assert_eq!(seen.header("ce_type"), "tapline.finding.v1");
        assert_eq!(seen.header("ce_source"), "urn:tapline:sensor:tapline");
        assert_eq!(seen.header("ce_id"), format!("{id}.{}", finding["revision"]));
        assert_eq!(seen.header("content-type"), "application/json");
        assert_eq!(seen.header("severity"), text(&finding["severity"]));
        assert_eq!(seen.header("kind"), text(&finding["kind"]));
        assert_eq!(seen.header("principal_kind"), text(&finding["principal"]["kind"]));
        assert!(seen.header("ce_time").ends_with('Z') && !seen.header("ce_subject").is_empty());
    }
}

/// The last record of each key that is not a tombstone, against the file's objects.
fn assert_same_state(topic: &[Seen], file: &Path) {
    let mut last = std::collections::BTreeMap::new();
    for seen in topic {
        last.insert(seen.key.clone(), seen.value.clone());
    }
    let last: Vec<(String, String)> = last
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let mut wanted: Vec<(String, String)> = fs::read_to_string(file)
        .expect("the state")
        .lines()
        .map(|line| {
            let object: Value = serde_json::from_str(line).expect("JSON");
            (object["id"].as_str().expect("an id").to_owned(), line.to_owned())
        })
        .collect();
    wanted.sort();
    assert_eq!(last, wanted);
}

#[test]
fn topics_equal_the_json_lines_files() {
    let (broker, out) = (shared(), folder("kafka-equal"));
    let run = replay(&arguments(&out, broker.bootstrap(), "equal"));
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_same(&broker.read("equal.findings"), &out.join("findings.jsonl"));
    assert_same_state(&broker.read("equal.inventory"), &out.join("inventory.jsonl"));
    assert_same_state(&broker.read("equal.agents"), &out.join("agents.jsonl"));
    assert!(broker.codecs("equal.findings").iter().all(|codec| *codec == 4));
    let count = |topic: &str| broker.read(&format!("equal.{topic}")).len();
    let before = count("findings") + count("inventory") + count("agents");
    let health: Value =
        serde_json::from_str(broker.read("equal.health")[0].value.as_deref().expect("a value"))
            .expect("a health record");
    assert_eq!(health["kafka"]["delivered"], before, "everything before it");
}

#[test]
fn a_broker_that_is_never_there_gives_status_4_and_the_next_run_delivers() {
    let (broker, out) = (Broker::up(&[]), folder("kafka-never"));
    broker.kill();
    let mut arguments = arguments(&out, broker.bootstrap(), "never");
    let run = replay(&arguments);
    let message = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(4), "{}", said(&run));
    assert!(message.contains(broker.bootstrap()), "{message}");
    assert!(message.contains("nothing listens there"), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    let first = out.join("first.jsonl");
    fs::rename(out.join("findings.jsonl"), &first).expect("the findings");

    broker.start();
    // The next run reads a capture without a packet: what comes to the topic is what waited.
    let empty = out.join("empty.pcap");
    let whole = fs::read(testdata("demo.pcap")).expect("the demo capture");
    fs::write(&empty, &whole[..24]).expect("a capture without packets");
    arguments.splice(0..0, ["replay".to_owned(), empty.display().to_string()]);
    let run = tapline(&arguments);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_same(&broker.read("never.findings"), &first);
}

/// What is only delivered again, and what has not changed, is not counted or published as if it were new.
#[test]
fn a_run_that_learns_nothing_publishes_nothing_of_the_store_again() {
    let (broker, out) = (shared(), folder("kafka-again"));
    let whole = fs::read(testdata("demo.pcap")).expect("the demo capture");
    let empty = out.join("empty.pcap");
    fs::write(&empty, &whole[..24]).expect("a capture without packets");
    let count = |topic: &str| broker.read(&format!("again.{topic}")).len();
    let known = arguments(&out, broker.bootstrap(), "again");
    let run = replay(&known);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let before = (count("inventory"), count("agents"));
    assert!(before.0 > 0 && before.1 > 0);
    let mut again = vec!["replay".to_owned(), empty.display().to_string()];
    again.extend_from_slice(&known);
    let run = tapline(&again);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_eq!((count("inventory"), count("agents")), before);
    // Another place has nothing of it yet.
    let other = arguments(&out, broker.bootstrap(), "elsewhere");
    again.splice(2.., other);
    let run = tapline(&again);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_eq!(broker.read("elsewhere.inventory").len(), before.0);
}

#[test]
fn doctor_signs_in_as_a_run_does() {
    let (broker, out) = (shared(), folder("kafka-doctor"));
    let settings = out.join("tapline.toml");
    let (tls, plain) = (broker.setting("sasl_bootstrap"), broker.bootstrap());
    let (ca, other) = (broker.setting("ca"), broker.setting("other_ca"));
    let password = broker.setting("sasl_password");
    for (brokers, protocol, ca, password, wanted) in [
        (tls, "sasl_ssl", ca, password, "ok    kafka"),
        (tls, "sasl_ssl", ca, "wrong", "the broker refuses the login"),
        (tls, "sasl_ssl", other, password, "certificate cannot be trusted"),
        (plain, "ssl", ca, "", "the TLS handshake fails"),
    ] {
        let sasl = if password.is_empty() {
            String::new()
        } else {
            format!(
                "sasl_mechanism = \"SCRAM-SHA-512\"\nsasl_username = \"tapline\"\nsasl_password = \"{password}\"\n"
            )
        };
        let text = format!(
            "[kafka]\nbrokers = \"{brokers}\"\nsecurity_protocol = \"{protocol}\"\ntls_ca = \"{ca}\"\n\
             connect_timeout = \"60s\"\n{sasl}"
        );
        fs::write(&settings, text).expect("the configuration");
        let run = tapline(&["doctor", "--all", "--config", &settings.display().to_string()]);
        let shown = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(shown.contains(wanted), "no `{wanted}` in\n{shown}");
        assert_eq!(
            shown.contains("FAIL  kafka"),
            !wanted.starts_with("ok"),
            "{shown}"
        );
    }
}

/// The capture comes through a pipe, so that the broker is killed when half of it is read.
#[test]
fn a_broker_killed_in_mid_replay_has_every_finding_once() {
    let (broker, out) = (Broker::up(&[]), folder("kafka-killed"));
    let pipe = out.join("capture.pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let mut sensor = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .arg("replay")
        .arg(&pipe)
        .args(arguments(&out, broker.bootstrap(), "killed"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let capture = fs::read(testdata("demo.pcap")).expect("the demo capture");
    let (early, late) = capture.split_at(capture.len() / 2);
    {
        let mut pipe = File::options().write(true).open(&pipe).expect("the pipe");
        pipe.write_all(early).expect("the sensor reads");
        let until = Instant::now() + Duration::from_secs(60);
        while broker.read("killed.findings").is_empty() {
            assert!(Instant::now() < until, "no finding in the first half");
            assert!(
                sensor.try_wait().expect("its status").is_none(),
                "the sensor ended early"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        broker.kill();
        pipe.write_all(late)
            .expect("the sensor reads on while the broker is away");
    }
    std::thread::sleep(Duration::from_secs(2));
    broker.start();
    let run = sensor.wait_with_output().expect("its end");
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let before = fs::read_to_string(out.join("findings.jsonl"))
        .expect("findings")
        .lines()
        .count();
    assert!(before > 1, "a test of more than one finding");
    assert_same(&broker.read("killed.findings"), &out.join("findings.jsonl"));
}

#[test]
fn a_wrong_option_is_a_configuration_error_that_names_it() {
    let out = folder("kafka-option");
    let mut arguments = arguments(&out, "127.0.0.1:9", "wrong");
    let settings = out.join("tapline.toml");
    let mut text = fs::read_to_string(&settings).expect("the configuration");
    text.push_str("\n[kafka.options]\n\"linger.mss\" = \"5\"\n");
    fs::write(&settings, text).expect("the configuration");
    arguments.splice(
        0..0,
        ["replay".to_owned(), testdata("demo.pcap").display().to_string()],
    );
    let run = tapline(&arguments);
    assert_eq!(run.status.code(), Some(2), "{}", said(&run));
    let message = String::from_utf8_lossy(&run.stderr);
    assert!(message.contains("linger.mss"), "{message}");
}
