//! A real Kafka broker for a test, by way of `deploy/kafka/broker`, and an independent reader: kcat.
//!
//! A broker that cannot start fails the test. Each has its own folder and ports, so test binaries
//! may run side by side, and it ends with the test process, however that ends.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// A running broker; dropping it stops it and removes its folder.
#[derive(Debug)]
pub(crate) struct Broker {
    settings: BTreeMap<String, String>,
}

/// A record as kcat shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

fn script(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/broker");
    let output = Command::new(&script).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(
        output.status.success(),
        "deploy/kafka/broker {} failed:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The broker that the tests of one binary share, with TLS and SASL listeners as well. Tests keep
/// apart by the prefix of their topics.
pub(crate) fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    // Statics are never dropped: `--owner` is what stops this one.
    SHARED.get_or_init(|| Broker::up(&["--tls-sasl"]))
}

impl Broker {
    /// Starts a broker of one's own.
    pub(crate) fn up(options: &[&str]) -> Self {
        let base = std::env::temp_dir().join(format!("tapline-test-{}", std::process::id()));
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = format!("{}-{count}", base.display());
        let owner = std::process::id().to_string();
        let mut arguments = vec!["up", "--dir", &dir, "--owner", &owner];
        arguments.extend(options);
        let output = script(&arguments);
        let settings = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { settings }
    }

    /// What `deploy/kafka/broker env` says.
    pub(crate) fn setting(&self, name: &str) -> &str {
        self.settings
            .get(name)
            .unwrap_or_else(|| panic!("the broker has no setting {name}"))
    }

    pub(crate) fn bootstrap(&self) -> &str {
        self.setting("bootstrap")
    }

    /// Kills it without warning.
    pub(crate) fn kill(&self) {
        script(&["kill", "--dir", self.setting("dir")]);
    }

    /// Starts it again after [`Self::kill`].
    pub(crate) fn start(&self) {
        script(&["start", "--dir", self.setting("dir")]);
    }

    /// Whether it runs and answers.
    pub(crate) fn runs(&self) -> bool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/broker");
        let output = Command::new(script)
            .args(["status", "--dir", self.setting("dir")])
            .output();
        output.expect("the script runs").status.success()
    }

    /// Changes the password with which clients log in.
    pub(crate) fn password(&self, new: &str) {
        script(&["password", new, "--dir", self.setting("dir")]);
    }

    /// Everything in a topic of one partition, in order, as kcat reads it.
    pub(crate) fn read(&self, topic: &str) -> Vec<Seen> {
        let output = Command::new("kcat")
            .args([
                "-C",
                "-J",
                "-q",
                "-e",
                "-o",
                "beginning",
                "-b",
                self.bootstrap(),
                "-t",
                topic,
            ])
            .output()
            .expect("kcat is installed: deploy/install-deps test");
        assert!(
            output.status.success(),
            "kcat: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = |value: &Value| value.as_str().map(str::to_owned);
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| {
                let record: Value = serde_json::from_str(line).expect("kcat writes JSON");
                let headers: Vec<&Value> = record["headers"].as_array().into_iter().flatten().collect();
                Seen {
                    key: text(&record["key"]).unwrap_or_default(),
                    value: text(&record["payload"]),
                    headers: headers
                        .chunks_exact(2)
                        .map(|pair| {
                            (
                                text(pair[0]).unwrap_or_default(),
                                text(pair[1]).unwrap_or_default(),
                            )
                        })
                        .collect(),
                }
            })
            .collect()
    }

    /// The compression codec of each batch of a topic's first partition, out of the broker's own
    /// file: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(crate) fn codecs(&self, topic: &str) -> Vec<u8> {
        let log: PathBuf = [self.setting("dir"), "data", &format!("{topic}-0")]
            .iter()
            .collect();
        let bytes = std::fs::read(log.join("00000000000000000000.log")).expect("the broker's log");
        let mut codecs = Vec::new();
        let mut at = 0;
        // Record batch: base offset i64, length i32, leader epoch i32, magic i8, CRC u32, attributes i16.
        while let Some(head) = bytes.get(at..at + 23) {
            let length = u32::from_be_bytes([head[8], head[9], head[10], head[11]]) as usize;
            codecs.push(head[22] & 7);
            at += 12 + length;
        }
        codecs
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let dir = self.setting("dir").to_owned();
        if !std::thread::panicking() {
            script(&["down", "--dir", &dir]);
        }
    }
}
