//! Writing the trail: one line at a time, by several processes in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Take, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use analyzers::{Finding, Severity, Status};
use serde_json::{Value, json};

use super::verify::{Line, split};
use super::{InForce, sha256, who};
use crate::records::Rfc3339;
use crate::records::finding::kind_name;

/// Name of the file with the newest records.
const FILE: &str = "audit.jsonl";
/// Bytes after which a new file is begun, and files kept beside it.
const FILE_BYTES: u64 = 16 << 20;
const FILES: usize = 7;
/// No line is longer; what is more is no line of ours.
pub(super) const LONGEST: u64 = 1 << 20;
/// The hash before the first record.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How far a trail goes: what a cut-off end cannot agree with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Head {
    /// Number of the last record.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
}

/// The files of the trail in `dir`, the oldest first.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u64, PathBuf)> = older(dir);
    let newest = dir.join(FILE);
    if newest.exists() {
        found.push((u64::MAX, newest));
    }
    found.into_iter().map(|(_, path)| path).collect()
}

/// The files of the trail in `dir` as they are at one moment, the oldest first, each with its name and open to its end then.
///
/// # Errors
///
/// When one of them cannot be opened.
pub(super) fn opened(dir: &Path) -> io::Result<Vec<(String, Take<File>)>> {
    // Whoever writes holds the directory alone.
    let held = File::open(dir)?;
    held.lock_shared()?;
    let mut opened = Vec::new();
    for path in files(dir) {
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let name = path.file_name().unwrap_or_default();
        opened.push((name.to_string_lossy().into_owned(), file.take(length)));
    }
    Ok(opened)
}

/// What each line ends with.
fn end_of_line(hash: &str) -> String {
    format!(",\"hash\":\"{hash}\"}}\n")
}

fn older(dir: &Path) -> Vec<(u64, PathBuf)> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("audit.").and_then(|n| n.strip_suffix(".jsonl"));
        if let Some(number) = number.and_then(|n| n.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    found
}

/// The trail of a store, open for adding to it.
#[derive(Debug)]
pub(crate) struct Audit {
    dir: PathBuf,
    head: Head,
    /// Bytes of the newest file when its end was last looked at.
    length: u64,
    file_bytes: u64,
    files: usize,
    /// Severity of findings told in this run, to know when one rises.
    told: BTreeMap<String, Severity>,
    /// Findings that are kept back.
    hidden: BTreeSet<String>,
    /// It could not be written; told once.
    failed: bool,
}

impl Audit {
    /// Opens the trail of the store in `dir`, which is there.
    ///
    /// # Errors
    ///
    /// When its end cannot be read.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        Self::with_bounds(dir, FILE_BYTES, FILES)
    }

    pub(super) fn with_bounds(dir: &Path, file_bytes: u64, files: usize) -> io::Result<Self> {
        let mut audit = Self {
            dir: dir.to_owned(),
            head: Head {
                seq: 0,
                hash: NOTHING.to_owned(),
            },
            length: u64::MAX,
            file_bytes,
            files,
            told: BTreeMap::new(),
            hidden: BTreeSet::new(),
            failed: false,
        };
        let _held = audit.hold()?;
        let mut file = audit.file()?;
        audit.look(&mut file)?;
        Ok(audit)
    }

    /// How far it goes.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The directory, held against other writers and readers until it is dropped. It is not the newest file that is held: that
    /// one is another as soon as a new file is begun.
    fn hold(&self) -> io::Result<File> {
        let held = File::open(&self.dir)?;
        held.lock()?;
        Ok(held)
    }

    /// The newest file.
    fn file(&self) -> io::Result<File> {
        File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(self.dir.join(FILE))
    }

    /// Whether the file ends with the record that was written last. Its length alone does not tell: another file may be as long.
    fn is_known(&self, file: &File, length: u64) -> io::Result<bool> {
        let end = end_of_line(&self.head.hash);
        if length != self.length || length < end.len() as u64 {
            return Ok(false);
        }
        let mut found = vec![0; end.len()];
        file.read_exact_at(&mut found, length - end.len() as u64)?;
        Ok(found == end.as_bytes())
    }

    /// Reads the end when it is not the one that was written last. A line that a killed process left half-written is taken off,
    /// and noted.
    fn look(&mut self, file: &mut File) -> io::Result<()> {
        let length = file.metadata()?.len();
        if self.is_known(file, length)? {
            return Ok(());
        }
        let (end, torn) = last_line(file, length)?;
        let before = match (&end, older(&self.dir).pop()) {
            (None, Some((_, path))) => {
                let mut file = File::open(path)?;
                let length = file.metadata()?.len();
                last_line(&mut file, length)?.0
            }
            _ => end,
        };
        self.head = before.map_or_else(
            || Head {
                seq: 0,
                hash: NOTHING.to_owned(),
            },
            |line| line.head(),
        );
        self.length = length;
        if let Some(torn) = torn {
            file.set_len(length - torn)?;
            self.length = length - torn;
            self.write(file, "torn_line_removed", json!({ "bytes": torn }))?;
        }
        Ok(())
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the trail is as it was then, or has a torn line at its end that the next writer takes off.
    pub(crate) fn append(&mut self, what: &str, about: Value) -> io::Result<()> {
        let _held = self.hold()?;
        let mut file = self.file()?;
        self.look(&mut file)?;
        if self.length >= self.file_bytes {
            file = self.turn()?;
        }
        self.write(&mut file, what, about)
    }

    fn write(&mut self, file: &mut File, what: &str, about: Value) -> io::Result<()> {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanos = nanos.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        let time = Rfc3339(nanos).ascii();
        let seq = self.head.seq + 1;
        // Names of events are ours, and a JSON value prints without the end of a line.
        let body = format!(
            "{{\"v\":1,\"seq\":{seq},\"time\":\"{}\",\"what\":\"{what}\",\"who\":{},\"about\":{about},\"prev\":\"{}\"",
            String::from_utf8_lossy(&time),
            who(),
            self.head.hash
        );
        let hash = sha256(body.as_bytes());
        let line = format!("{body}{}", end_of_line(&hash));
        if let Err(error) = file.write_all(line.as_bytes()) {
            // A disk that is full may have taken a part.
            let _ = file.set_len(self.length);
            return Err(error);
        }
        self.length += line.len() as u64;
        self.head = Head { seq, hash };
        Ok(())
    }

    /// Begins a new file. The oldest one goes when there are too many, and a record says which records went.
    fn turn(&mut self) -> io::Result<File> {
        let next = older(&self.dir).last().map_or(1, |(number, _)| number + 1);
        let name = format!("audit.{next}.jsonl");
        fs::rename(self.dir.join(FILE), self.dir.join(&name))?;
        let mut file = self.file()?;
        self.length = 0;
        let mut about = json!({ "file_before": name });
        let mut gone = older(&self.dir);
        gone.truncate(gone.len().saturating_sub(self.files));
        if let Some((_, path)) = gone.last() {
            let mut last = File::open(path)?;
            let length = last.metadata()?.len();
            if let (Some(line), _) = last_line(&mut last, length)? {
                about["removed_to"] = json!(line.head());
            }
        }
        // Said before it is done, so that a verifier never finds records gone without a word.
        self.write(&mut file, "file_begun", about)?;
        for (_, path) in gone {
            fs::remove_file(path)?;
        }
        Ok(file)
    }

    /// The last record of this name, as far back as the files of the trail go.
    pub(crate) fn last(&self, what: &str) -> Option<Value> {
        // Few lines are of one name, and a place in a text is found sooner than it is read.
        let name = format!("\"what\":\"{what}\"");
        for path in files(&self.dir).iter().rev() {
            let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
            let mut named = text.lines().rev().filter(|line| line.contains(&name));
            let record = named.find_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(record) = record {
                return Some(record["about"].clone());
            }
        }
        None
    }

    /// Findings that were kept back when the trail was last told.
    fn hidden_so_far(&self) -> BTreeSet<String> {
        let mut hidden = BTreeSet::new();
        for path in files(&self.dir) {
            let text = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            for line in text
                .lines()
                .filter(|line| line.contains("\"what\":\"finding_suppress"))
            {
                let record: Value = serde_json::from_str(line).unwrap_or_default();
                let Some(id) = record["about"]["finding"].as_str() else {
                    continue;
                };
                match record["what"].as_str() {
                    Some("finding_suppressed") => hidden.insert(id.to_owned()),
                    _ => hidden.remove(id),
                };
            }
        }
        hidden
    }

    /// Adds a record, and says once when that is no longer possible: analysis goes on without.
    pub(crate) fn add(&mut self, what: &str, about: Value) {
        match self.append(what, about) {
            Ok(()) => self.failed = false,
            Err(error) if !self.failed => {
                crate::message::error(&format!(
                    "cannot write to the audit trail in {}: {error}; what happens meanwhile is not in it",
                    self.dir.display()
                ));
                self.failed = true;
            }
            Err(_) => {}
        }
    }

    /// Another configuration has come into force while a run goes on.
    pub(crate) fn reloaded(&mut self, in_force: &InForce) {
        let last = self
            .last("configuration_reloaded")
            .or_else(|| self.last("run_started"));
        self.add("configuration_reloaded", in_force.record("reload", last.as_ref()));
    }

    /// A revision of a finding was given out.
    pub(crate) fn finding(&mut self, finding: &Finding) {
        let before = self.told.insert(finding.id.clone(), finding.severity);
        let what = match finding.status {
            Status::Closed => "finding_closed",
            _ if finding.revision <= 1 => "finding_new",
            _ if before.is_some_and(|before| finding.severity > before) => "finding_raised",
            _ => "finding_updated",
        };
        let mut about = json!({
            "finding": finding.id,
            "kind": kind_name(finding.kind),
            "severity": finding.severity.name(),
            "revision": finding.revision,
            "detected_at": Rfc3339(finding.detected_at),
        });
        if what == "finding_raised"
            && let Some(before) = before
        {
            about["severity_before"] = before.name().into();
        }
        self.add(what, about);
    }

    /// What is known of findings when a run begins.
    pub(crate) fn knows(&mut self, findings: impl Iterator<Item = (String, Severity)>) {
        self.told = findings.collect();
        self.hidden = self.hidden_so_far();
    }

    /// Which findings are kept back now, each with what hides it.
    pub(crate) fn hidden(&mut self, now: &BTreeMap<String, Value>) {
        let before = std::mem::take(&mut self.hidden);
        for (id, by) in now.iter().filter(|(id, _)| !before.contains(*id)) {
            self.add("finding_suppressed", json!({ "finding": id, "by": by }));
        }
        for id in before.iter().filter(|id| !now.contains_key(*id)) {
            self.add("finding_suppression_over", json!({ "finding": id }));
        }
        self.hidden = now.keys().cloned().collect();
    }

    /// Lets what was written reach the disk.
    pub(crate) fn sync(&self) {
        let _ = File::open(self.dir.join(FILE)).and_then(|file| file.sync_data());
    }
}

/// What the run before told, when it did not come to its end: whether that reached its place nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Unsure {
    /// Findings with the number of their revision.
    pub(crate) told: BTreeSet<(String, u64)>,
    /// When that run began, in milliseconds since 1970.
    pub(crate) since_ms: u64,
}

/// Findings looked for at most, the latest.
const MOST_UNSURE: usize = 10_000;

/// Of the store in `dir`, what its last run told without coming to its end.
pub(crate) fn unsure(dir: &Path) -> Unsure {
    let mut unsure = Unsure::default();
    for path in files(dir).iter().rev() {
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for line in text.lines().rev() {
            if line.contains("\"what\":\"run_ended\"") || unsure.told.len() >= MOST_UNSURE {
                return unsure;
            }
            let is_start = line.contains("\"what\":\"run_started\"");
            if !is_start && !line.contains("\"what\":\"finding_") {
                continue;
            }
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            let time = record["time"].as_str().and_then(Rfc3339::parse);
            unsure.since_ms = time.map_or(unsure.since_ms, |time| time.0 / 1_000_000);
            if is_start {
                return unsure;
            }
            let about = &record["about"];
            if let (Some(id), Some(revision)) = (about["finding"].as_str(), about["revision"].as_u64()) {
                unsure.told.insert((id.to_owned(), revision));
            }
        }
    }
    unsure
}

/// The last whole line of a file, and the bytes behind it that are no whole line.
fn last_line(file: &mut File, length: u64) -> io::Result<(Option<Line>, Option<u64>)> {
    let from = length.saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(LONGEST).read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = Some((end.len() - whole) as u64).filter(|bytes| *bytes > 0);
    let last = end[..whole.saturating_sub(1)]
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    match split(last) {
        Some(line) => Ok((Some(line), torn)),
        None if last.is_empty() => Ok((None, torn)),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its last line is no record; `tapline audit verify` tells more",
        )),
    }
}
