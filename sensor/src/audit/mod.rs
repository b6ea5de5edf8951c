//! The audit trail of a store: what was configured, who changed what, and the life of every finding, as a chain of hashes.
//!
//! ```text
//! DIR/audit.jsonl         the newest records, one a line, each with the hash of the one before
//! DIR/audit.N.jsonl       the records before those, the larger the number the newer
//! ```
//!
//! A line is a JSON object whose last field is `hash`: SHA-256 of the bytes of the line before that field, among them `prev`,
//! the hash of the line before. So a record that is changed, taken out, put in or moved shows in the next one. The hashes
//! have no key: whoever may write here may read any key that the sensor has, so a key would only keep those out who want to
//! verify. What a chain cannot show by itself is that its end was cut off. The store notes how far it went with each snapshot,
//! health records tell it, and `tapline audit verify` prints it, to be kept elsewhere.
//!
//! Nothing of the traffic is in it but kinds, severities and ids of findings.

mod trail;
mod verify;

pub(crate) use trail::{Audit, Head, Unsure, files, unsure};
pub(crate) use verify::{Line, read, verify};

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::{self, Config};
use crate::message;

/// SHA-256 as hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Who acts, as the system knows it: the user of the process, and the one who logged in when that is another.
fn who() -> Value {
    let mut who = Map::new();
    if let Ok(me) = std::fs::metadata("/proc/self") {
        who.insert("uid".into(), me.uid().into());
    }
    // The kernel sets it at login, and sudo and su leave it as it is; 4294967295 is nobody.
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    let login = login.and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(uid) = login.filter(|uid| *uid != u32::MAX) {
        who.insert("login_uid".into(), uid.into());
    }
    who.insert("pid".into(), std::process::id().into());
    Value::Object(who)
}

/// What a run has in force: the keys that differ from their defaults, secrets masked, and hashes of the files that people keep.
pub(crate) struct InForce {
    keys: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl InForce {
    /// `files`: what each is, and where it lies.
    pub(crate) fn of(config: &Config, files: impl Iterator<Item = (&'static str, PathBuf)>) -> Self {
        let hashed = files.map(|(what, path)| {
            let hash =
                crate::regular::read(&path).map_or_else(|_| "cannot be read".to_owned(), |b| sha256(&b));
            (format!("{what}: {}", path.display()), hash)
        });
        Self {
            keys: config::differing(config),
            files: hashed.collect(),
        }
    }

    /// The same files with another configuration.
    pub(crate) fn with(self, config: &Config) -> Self {
        Self {
            keys: config::differing(config),
            ..self
        }
    }

    /// The hash of all of it.
    fn hash(&self) -> String {
        sha256(json!([self.keys, self.files]).to_string().as_bytes())
    }

    /// The record of a run that begins with it. `last` is that of the run before.
    pub(crate) fn record(&self, command: &str, last: Option<&Value>) -> Value {
        let mut about = json!({
            "command": command,
            "tapline": env!("CARGO_PKG_VERSION"),
            "config_hash": self.hash(),
            "config": self.keys,
            "files": self.files,
        });
        if let Some(last) = last {
            let changed = |name: &str, now: &BTreeMap<String, String>| {
                let before: BTreeMap<String, String> =
                    serde_json::from_value(last[name].clone()).unwrap_or_default();
                let names = before.keys().chain(now.keys());
                let mut changed = Map::new();
                for name in names {
                    let (from, to) = (before.get(name), now.get(name));
                    if from != to {
                        changed.insert(name.clone(), json!({"from": from, "to": to}));
                    }
                }
                Value::Object(changed)
            };
            about["changed"] = changed("config", &self.keys);
            about["files_changed"] = changed("files", &self.files);
            if last["tapline"] != about["tapline"] {
                about["tapline_before"] = last["tapline"].clone();
            }
        }
        about
    }
}

/// Notes what a command did in the trail of the store in `dir`. That it could not be noted is said and stops nothing: what was
/// done is done, and the next run notes that the file is another.
pub(crate) fn note(dir: &Path, what: &str, about: Value) {
    let noted = Audit::open(dir).and_then(|mut audit| audit.append(what, about));
    if let Err(error) = noted {
        message::warn(&format!(
            "this is not in the audit trail of {}: {error}",
            dir.display()
        ));
    }
}

/// A change of a file that people keep, for a record.
pub(crate) fn change(file: &Path, before: &str, after: &str) -> Value {
    let full = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    json!({
        "file": full.display().to_string(),
        "sha256_before": if before.is_empty() { Value::Null } else { sha256(before.as_bytes()).into() },
        "sha256": sha256(after.as_bytes()),
    })
}

#[cfg(test)]
mod tests;
