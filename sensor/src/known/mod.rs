//! What a command is asked about: the records of a store, or of a file that a run wrote.
//!
//! ```text
//! store ─▶ Analyzer ─▶ records ─┐
//!                               ├─▶ Known ─▶ inventory, show, explain, diff, check, accept
//! inventory.jsonl … ────────────┘   records as JSON, one at a time
//! ```
//!
//! Commands look at records and not at what they are made from: whatever a record says can be asked for, by the name that
//! it has there, and a file of records answers like a store.

pub(crate) mod from_analyzer;

pub(crate) mod facts;
pub(crate) mod when;

pub(crate) mod filter;
pub(crate) mod subject;

pub(crate) mod accepted;
pub(crate) mod operations;
pub(crate) mod overrides;

pub(crate) mod change;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use analyzers::condition::{glob, names};
use analyzers::inventory::Declared;
use analyzers::{Analyzer, Settings, UsedEndpoint};
use serde_json::Value;

use crate::args::DeclaredArgs;
use crate::config;
use crate::declared::{self, Tell};
use crate::exit::Failure;
use crate::records::Rfc3339;
use crate::store::{Store, StoreError};

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Its fields.
    pub(crate) value: Value,
    /// The record as it is given out, without the end of its line.
    pub(crate) json: Vec<u8>,
    /// Where it stands, when it was read from a file: from 1.
    pub(crate) line: Option<usize>,
    /// Ids of the callers of an endpoint that are known, when it comes from a store.
    pub(crate) called_by: Vec<String>,
    /// Endpoints that let a principal in, all that are known; of a record in a file as many as it has.
    pub(crate) uses: Vec<UsedEndpoint>,
}

impl Known {
    fn of(json: Vec<u8>) -> Self {
        Self {
            // What was just written out reads back.
            value: serde_json::from_slice(&json).unwrap_or_default(),
            json,
            line: None,
            called_by: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// A text of the record; empty when it has none of this name.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    /// A count of the record.
    pub(crate) fn count(&self, field: &str) -> u64 {
        self.value[field].as_u64().unwrap_or_default()
    }

    /// A time of the record.
    pub(crate) fn time(&self, field: &str) -> Option<Rfc3339> {
        Rfc3339::parse(self.value[field].as_str()?)
    }

    /// The names of an object, or the texts of a list.
    pub(crate) fn names(&self, field: &str) -> Vec<&str> {
        names(&self.value[field])
    }
}

/// Where records come from.
pub(crate) enum Source {
    /// A store, as it was at one moment.
    Store(Box<Analyzer>),
    /// Files that a run wrote.
    Files {
        endpoints: Vec<Known>,
        principals: Vec<Known>,
        findings: Vec<Known>,
    },
}

/// Files of records.
#[derive(Debug, Default)]
pub(crate) struct Files<'a> {
    pub(crate) inventory: Option<&'a Path>,
    pub(crate) agents: Option<&'a Path>,
    pub(crate) findings: Option<&'a Path>,
}

impl Source {
    /// What the store in `dir` knows at this moment, also while a run writes to it.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read; mistakes in what is declared.
    pub(crate) fn store(dir: &Path, declared: &DeclaredArgs) -> Result<Self, Failure> {
        let declared = declarations(dir, declared)?;
        let read = Store::read(dir, |store| learned(store, &declared));
        read.map(|analyzer| Self::Store(Box::new(analyzer)))
            .map_err(Failure::input)
    }

    /// What stands in these files.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or has a line that is not a record of its kind.
    pub(crate) fn files(files: &Files<'_>) -> Result<Self, Failure> {
        let read = |path: Option<&Path>, marks: [&str; 2], what: &str| match path {
            Some(path) => lines(path, marks, what),
            None => Ok(Vec::new()),
        };
        Ok(Self::Files {
            endpoints: read(files.inventory, ["template", "exchanges"], "--inventory")?,
            principals: read(files.agents, ["kind", "endpoint_count"], "--agents")?,
            findings: latest(read(files.findings, ["kind", "severity"], "--findings")?),
        })
    }

    /// Every endpoint, sorted by host, template and method. Each is made when it is asked for.
    pub(crate) fn endpoints(&self) -> Box<dyn Iterator<Item = Known> + '_> {
        match self {
            Self::Store(analyzer) => Box::new(from_analyzer::endpoints(analyzer)),
            Self::Files { endpoints, .. } => Box::new(endpoints.iter().cloned()),
        }
    }

    /// Every principal, sorted by kind, then id.
    pub(crate) fn principals(&self) -> Box<dyn Iterator<Item = Known> + '_> {
        match self {
            Self::Store(analyzer) => Box::new(from_analyzer::principals(analyzer)),
            Self::Files { principals, .. } => Box::new(principals.iter().cloned()),
        }
    }

    /// The latest revision of every finding.
    pub(crate) fn findings(&self) -> Box<dyn Iterator<Item = Known> + '_> {
        match self {
            Self::Store(analyzer) => Box::new(from_analyzer::findings(analyzer)),
            Self::Files { findings, .. } => Box::new(findings.iter().cloned()),
        }
    }

    /// The latest revision of every finding that a suppression of the operator hides.
    pub(crate) fn hidden_findings(&self) -> Box<dyn Iterator<Item = Known> + '_> {
        match self {
            Self::Store(analyzer) => Box::new(from_analyzer::hidden(analyzer)),
            Self::Files { .. } => Box::new(std::iter::empty()),
        }
    }

    /// The time of the last exchange that is known: what "seven days ago" is counted from. The clock of whoever asks
    /// says nothing about when a capture was made.
    pub(crate) fn last(&self) -> Option<Rfc3339> {
        let of = |known: Known| known.time("last_seen").map(|t| t.0);
        let last = self.endpoints().chain(self.principals()).filter_map(of).max();
        last.map(Rfc3339)
    }
}

/// What is declared about the endpoints of a store: as the command line says, else in the files that the last run with the
/// store had, as they are today.
///
/// # Errors
///
/// A file that the command line names and that cannot be read; mistakes in overrides or owners.
pub(crate) fn declarations(dir: &Path, args: &DeclaredArgs) -> Result<Arc<Declared>, Failure> {
    declarations_with_hosts(Some(dir), args, Tell::Nothing).map(|(declared, _)| declared)
}

/// The same, with the hosts that were given for each specification. Without a store it is what the command line says.
///
/// # Errors
///
/// As above.
pub(crate) fn declarations_with_hosts(
    dir: Option<&Path>,
    args: &DeclaredArgs,
    tell: Tell,
) -> Result<(Arc<Declared>, Vec<Vec<String>>), Failure> {
    if args.config.is_some() || !args.spec.is_empty() {
        let config = config::from_file(args.config.as_deref()).map_err(Failure::usage)?;
        let declared = declared::load(&config, &args.spec, &[], tell).map_err(Failure::usage)?;
        let files = declared::spec_files(&config, &args.spec);
        return Ok((
            declared.into(),
            files.into_iter().map(|file| file.hosts).collect(),
        ));
    }
    let noted = match dir {
        Some(dir) => Store::read(dir, Store::declared).map_err(Failure::input)?,
        None => None,
    };
    Ok(noted.map_or_else(Default::default, |noted| {
        let (declared, hosts) = declared::reload(&noted);
        (declared.into(), hosts)
    }))
}

/// What a store has learned. Reading back needs room for everything that was kept, whatever the limits were.
pub(crate) fn learned(store: &Store, declared: &Arc<Declared>) -> Result<Analyzer, StoreError> {
    let settings = Settings {
        max_endpoints: usize::MAX,
        max_principals: usize::MAX,
        max_findings: usize::MAX,
        sensor_version: env!("CARGO_PKG_VERSION").into(),
        declared: Arc::clone(declared),
        ..Settings::default()
    };
    let mut analyzer = Analyzer::new(settings);
    store.restore(&mut analyzer)?;
    Ok(analyzer)
}

/// A file of records that cannot be used.
#[derive(Debug, thiserror::Error)]
enum LinesError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{}:{line}: {what}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        what: String,
    },
}

/// The records of a file. Each must have the fields `marks`, which tell its kind from the others.
fn lines(path: &Path, marks: [&str; 2], what: &str) -> Result<Vec<Known>, Failure> {
    let read = match path.as_os_str() == "-" {
        true => {
            let mut text = Vec::new();
            std::io::stdin().lock().read_to_end(&mut text).map(|_| text)
        }
        false => std::fs::read(path),
    };
    let text = read.map_err(|cause| {
        Failure::input(LinesError::Unreadable {
            path: path.to_owned(),
            cause,
        })
    })?;
    let mut found = Vec::new();
    for (index, bytes) in text.split(|&b| b == b'\n').enumerate() {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let wrong = |what: String| {
            Failure::input(LinesError::Line {
                path: path.to_owned(),
                line: index + 1,
                what,
            })
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            // The number of the line in the error is that within the one line.
            let cause = error.to_string();
            let cause = cause.split(" at line ").next().unwrap_or(&cause).to_owned();
            wrong(format!(
                "is not a JSON object ({cause}, column {}); give a file that replay or capture wrote with {what}",
                error.column()
            ))
        })?;
        if let Some(missing) = marks.iter().find(|mark| value.get(**mark).is_none()) {
            return Err(wrong(format!(
                "is not such a record, it has no `{missing}`; give a file that replay or capture wrote with {what}"
            )));
        }
        found.push(Known {
            value,
            json: bytes.to_vec(),
            line: Some(index + 1),
            called_by: Vec::new(),
            uses: Vec::new(),
        });
    }
    Ok(found)
}

/// Of several revisions of a finding the last one, in the order in which they first came.
fn latest(all: Vec<Known>) -> Vec<Known> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Known> = Vec::new();
    for known in all {
        match places.get(known.text("id")) {
            Some(&place) if kept[place].count("revision") <= known.count("revision") => kept[place] = known,
            Some(_) => {}
            None => {
                places.insert(known.text("id").to_owned(), kept.len());
                kept.push(known);
            }
        }
    }
    kept
}
