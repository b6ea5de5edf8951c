//! `tapline store check`: how a store and the copies beside it are, without changing anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use analyzers::{Analyzer, Settings};
use serde::Serialize;

use super::backup::{generations, last_told};
use super::{COPY, DATABASE, Snapshot, Store, StoreError, in_words};

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    v: u32,
    /// The folder.
    pub(crate) store: String,
    /// Whether a run would go on from the database, with nothing lost.
    pub(crate) good: bool,
    /// What is wrong; empty when nothing is.
    pub(crate) problems: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) mend: String,
    /// Version of rows and tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    /// Bytes of the database and of its log.
    pub(crate) bytes: u64,
    pub(crate) log_bytes: u64,
    /// Rows by what they are about.
    pub(crate) rows: BTreeMap<String, u64>,
    /// The last snapshot in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<Snapshot>,
    /// The last that was written, when that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_written: Option<Snapshot>,
    /// Copies beside it, the newest first.
    pub(crate) backups: Vec<CopyReport>,
    /// Bytes of files that were put aside as damaged.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) damaged_bytes: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` asks for this form"
)]
fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// A copy beside a store.
#[derive(Debug, Serialize)]
pub(crate) struct CopyReport {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<Snapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// Reads the store in `dir` to its last row, and the copies beside it.
///
/// # Errors
///
/// When there is nothing, or it may not be read. Damage is no error here.
pub(crate) fn examine(dir: &Path) -> Result<Report, StoreError> {
    let path = dir.join(DATABASE);
    let mut report = Report {
        v: 1,
        store: dir.display().to_string(),
        good: true,
        problems: Vec::new(),
        mend: String::new(),
        format: None,
        bytes: size(&path),
        log_bytes: size(&dir.join(format!("{DATABASE}-wal"))),
        rows: BTreeMap::new(),
        snapshot: None,
        last_written: None,
        backups: generations(dir).iter().map(|path| of_copy(dir, path)).collect(),
        damaged_bytes: fs::read_dir(dir.join("damaged"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| size(&entry.path()))
            .sum(),
    };
    // Told before the database is read, so that a snapshot written meanwhile does not look like a lost one.
    let told = last_told(dir);
    let whole = report.backups.iter().find(|copy| copy.good);
    let goes_on = match whole {
        Some(copy) => {
            let snapshot = copy
                .snapshot
                .as_ref()
                .map_or_else(String::new, |s| format!(", {s}"));
            format!(
                "start the sensor: it goes on from {}{snapshot}, and puts the damaged files aside",
                copy.file
            )
        }
        None => format!(
            "put a copy of your own in the place of {}, or move it and {}/backup away to begin anew",
            path.display(),
            dir.display()
        ),
    };
    let read = Store::read(dir, |store| {
        store.examine()?;
        let settings = Settings {
            max_endpoints: usize::MAX,
            max_principals: usize::MAX,
            max_findings: usize::MAX,
            ..Settings::default()
        };
        store.restore(&mut Analyzer::new(settings))?;
        let unreadable = |e: rusqlite::Error| StoreError::Read {
            dir: store.dir.clone(),
            cause: in_words(&e),
        };
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        // Stores of before may be without a history.
        let history = "SELECT count(*) FROM sqlite_schema WHERE name = 'history'";
        let history: i64 = (store.connection)
            .query_row(history, [], |row| row.get(0))
            .map_err(unreadable)?;
        let sql = match history {
            0 => "SELECT kind, count(*) FROM learned GROUP BY kind",
            _ => {
                "SELECT kind, count(*) FROM learned GROUP BY kind
                 UNION ALL SELECT 'history', count(*) FROM history"
            }
        };
        let mut statement = store.connection.prepare(sql).map_err(unreadable)?;
        let mut found = statement.query([]).map_err(unreadable)?;
        while let Some(row) = found.next().map_err(unreadable)? {
            let name: String = row.get(0).map_err(unreadable)?;
            let count: i64 = row.get(1).map_err(unreadable)?;
            rows.insert(name, count.unsigned_abs());
        }
        let format = super::Format {
            tables: if store.sums {
                super::Format::CURRENT.tables
            } else {
                1
            },
            ..super::Format::CURRENT
        };
        let is_copy = store.noted(COPY)?.is_some();
        Ok((rows, store.last_snapshot(), format.to_string(), is_copy))
    });
    match read {
        Ok((rows, snapshot, format, is_copy)) => {
            let number = snapshot.as_ref().map_or(0, |s| s.number);
            if let Some(told) = told.filter(|told| told.number > number) {
                if !is_copy {
                    let has = snapshot
                        .as_ref()
                        .map_or_else(|| "no snapshot".to_owned(), Snapshot::to_string);
                    let better = (report.backups.iter())
                        .any(|copy| copy.good && copy.snapshot.as_ref().is_some_and(|s| s.number > number));
                    report.good = false;
                    report.problems.push(format!(
                        "it has {has}, though {told} was written: its log {DATABASE}-wal was cut or removed, or the machine lost power"
                    ));
                    report.mend = match better {
                        true => goes_on,
                        false => {
                            "start the sensor: it goes on from what there is, and says once more what is lost"
                                .to_owned()
                        }
                    };
                }
                report.last_written = Some(told);
            }
            report.rows = rows;
            report.snapshot = snapshot;
            report.format = Some(format);
        }
        Err(error) => {
            let problem = match &error {
                StoreError::Damaged { cause, .. } => cause.clone(),
                StoreError::Missing { .. } if told.is_some() || !report.backups.is_empty() => {
                    format!("{DATABASE} is gone")
                }
                StoreError::NotOurs { .. } if !report.backups.is_empty() => {
                    "its file is no database any more".to_owned()
                }
                _ => return Err(error),
            };
            report.good = false;
            report.problems.push(problem);
            report.last_written = told;
            report.mend = goes_on;
        }
    }
    for copy in &report.backups {
        if let Some(problem) = &copy.problem {
            report.problems.push(format!("backup {}: {problem}", copy.file));
        }
    }
    Ok(report)
}

fn of_copy(dir: &Path, path: &Path) -> CopyReport {
    let read = Store::open_unchangeable(dir, path).and_then(|copy| {
        copy.examine()?;
        Ok(copy.last_snapshot())
    });
    let (snapshot, problem) = match read {
        Ok(snapshot) => (snapshot, None),
        Err(StoreError::Damaged { cause, .. }) => (None, Some(format!("damaged: {cause}"))),
        Err(error) => (None, Some(error.to_string())),
    };
    CopyReport {
        file: path.display().to_string(),
        bytes: size(path),
        good: problem.is_none(),
        snapshot,
        problem,
    }
}
