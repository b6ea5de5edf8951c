//! The start of a run: from the database when it is whole, else from the last whole copy of it.
//!
//! A store that was there is never silently taken for an empty one. What is gone, and since when, is told.

use std::fs;
use std::path::Path;

use analyzers::Analyzer;

use super::backup::{self, BackupSettings, Backups, generations, has_traces, last_told};
use super::{COPY, DATABASE, Snapshot, Store, StoreError, lock};

/// A store that a run goes on from.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) store: Store,
    /// With what the store has learned.
    pub(crate) analyzer: Analyzer,
    /// What has to be said: what was lost, and what was carried over.
    pub(crate) told: Vec<String>,
    /// Whether something was lost.
    pub(crate) lost: bool,
}

/// Opens the store in `dir` for a run with this hash key, makes it when there is none, and puts what it knows into what `make`
/// makes.
///
/// # Errors
///
/// When it cannot be used, and no copy of it either.
pub(crate) fn begin(
    dir: &Path,
    key: &[u8; 32],
    settings: BackupSettings,
    make: impl Fn() -> Analyzer,
) -> Result<Begun, StoreError> {
    let name = dir.display().to_string();
    fs::create_dir_all(dir).map_err(|cause| StoreError::Folder {
        dir: name.clone(),
        cause,
    })?;
    let held = lock(dir)?;
    backup::clear(dir);
    let told = last_told(dir);
    let empty = fs::metadata(dir.join(DATABASE)).is_ok_and(|file| file.len() == 0);
    let found = whole(dir, key, &make);
    let cause = match found {
        Ok((store, analyzer)) => {
            let known = store.last_snapshot();
            let is_copy = store.noted(COPY).ok().flatten().is_some();
            let behind = told
                .as_ref()
                .filter(|told| told.number > known.as_ref().map_or(0, |known| known.number));
            match behind {
                Some(told) if !is_copy && better_copy(dir, &store, key) => {
                    let cause = lost_snapshots(told, known.as_ref());
                    drop((store, analyzer));
                    cause
                }
                _ => {
                    let mut messages = Vec::new();
                    let mut lost = false;
                    if empty {
                        lost = true;
                        messages.push(format!(
                            "{name}/{DATABASE} was empty and has no backup, as when a process is killed before its first snapshot: the \
                             store begins with nothing"
                        ));
                    }
                    if let Some(told) = behind {
                        let known = known.map_or_else(|| "no snapshot".to_owned(), |known| known.to_string());
                        messages.push(match is_copy {
                            true => format!(
                                "the store {name} goes on from a copy that was put in its place, of {known}; it had {told}"
                            ),
                            false => format!(
                                "the store {name} goes on from {known}, though {told} was written: what was learned in between is \
                                 lost, as after a power failure, or because its log {DATABASE}-wal was cut or removed"
                            ),
                        });
                        lost = !is_copy;
                    }
                    return Ok(begun(dir, (store, held), settings, analyzer, messages, lost));
                }
            }
        }
        Err(StoreError::Damaged { cause, .. }) => cause,
        // Of a file that is no database, only the copies beside it tell that it was one.
        Err(StoreError::NotOurs { .. }) if !generations(dir).is_empty() => {
            "its file is no database any more".to_owned()
        }
        Err(other) => return Err(other),
    };
    let (copy, snapshot, analyzer) = best_copy(dir, key, &make, &cause)?;
    let aside = backup::put_in_place(dir, &copy)?;
    let store = Store::open_locked(dir, None)?.for_key(key)?;
    let until = told.map_or_else(String::new, |told| format!(" (the last was {told})"));
    let message = format!(
        "the store {name} is damaged: {cause}; the run goes on from its backup, {snapshot}, and what was learned after that{until} \
         is lost; the damaged files are in {}",
        aside.display()
    );
    Ok(begun(dir, (store, held), settings, analyzer, vec![message], true))
}

/// The same for a live capture, which begins also where there is no room on the disk: with what the store knows, as far as there is one, and
/// what it learns is written once there is room.
///
/// # Errors
///
/// When it cannot be used, and no copy of it either.
pub(crate) fn begin_live(
    dir: &Path,
    key: &[u8; 32],
    settings: BackupSettings,
    make: impl Fn() -> Analyzer,
) -> Result<Begun, StoreError> {
    match begin(dir, key, settings, &make) {
        Err(error) if error.is_full() => without_room(dir, key, settings, &make).ok_or(error),
        other => other,
    }
}

/// `None` when what the store knows cannot be read either, or is not all: nothing may take its place then.
fn without_room(
    dir: &Path,
    key: &[u8; 32],
    settings: BackupSettings,
    make: impl Fn() -> Analyzer,
) -> Option<Begun> {
    let held = match lock(dir) {
        Ok(lock) => Some(lock),
        Err(StoreError::Folder { .. }) => None,
        Err(_) => return None,
    };
    let fresh = fs::metadata(dir.join(DATABASE)).map_or(true, |file| file.len() == 0);
    let mut analyzer = make();
    let mut knows = "nothing";
    if fresh {
        if has_traces(dir) {
            return None;
        }
        // Left by a start that found no room.
        let _ = fs::remove_file(dir.join(DATABASE));
    } else {
        let store = Store::open_without_room(dir).ok()?;
        store.examine().ok()?;
        let store = store.for_key(key).ok()?;
        store.restore(&mut analyzer).ok()?;
        if last_told(dir).is_some_and(|told| told.number > store.snapshot) {
            return None;
        }
        knows = "what the store knows";
    }
    let mut store = Store::unopened(dir, key, held).ok()?;
    store.backups = Some(Backups::new(dir, settings));
    Some(Begun {
        store,
        analyzer,
        told: vec![format!(
            "there is no room for the store {} (see df and ulimit -f): the run begins with {knows}, and what it learns is held in memory \
             until there is",
            dir.display()
        )],
        lost: true,
    })
}

fn begun(
    dir: &Path,
    (mut store, lock): (Store, fs::File),
    settings: BackupSettings,
    analyzer: Analyzer,
    told: Vec<String>,
    lost: bool,
) -> Begun {
    store._lock = Some(lock);
    let mut backups = Backups::new(dir, settings);
    if !told.is_empty() {
        // What is lost is told once, and from here on counted anew.
        match store.last_snapshot() {
            Some(snapshot) => backups.note_snapshot(&snapshot),
            None => backups.forget_snapshots(),
        }
    }
    store.backups = Some(backups);
    Begun {
        store,
        analyzer,
        told,
        lost,
    }
}

/// The database, read to its last row.
fn whole(dir: &Path, key: &[u8; 32], make: impl Fn() -> Analyzer) -> Result<(Store, Analyzer), StoreError> {
    let fresh = fs::metadata(dir.join(DATABASE)).map_or(true, |file| file.len() == 0);
    if fresh && has_traces(dir) {
        return Err(StoreError::Damaged {
            dir: dir.display().to_string(),
            cause: format!("{DATABASE} is gone or empty"),
        });
    }
    let store = Store::open_locked(dir, None)?;
    store.examine()?;
    let store = store.for_key(key)?;
    let mut analyzer = make();
    store.restore(&mut analyzer)?;
    Ok((store, analyzer))
}

fn lost_snapshots(told: &Snapshot, known: Option<&Snapshot>) -> String {
    let known = known.map_or_else(|| "no snapshot".to_owned(), |known| known.to_string());
    format!("it has {known}, though {told} was written")
}

/// Whether a copy has a later snapshot than the database itself.
fn better_copy(dir: &Path, store: &Store, key: &[u8; 32]) -> bool {
    generations(dir).iter().any(|path| {
        let copy = Store::open_unchangeable(dir, path).and_then(|copy| {
            copy.examine()?;
            copy.for_key(key)
        });
        copy.is_ok_and(|copy| copy.snapshot > store.snapshot)
    })
}

/// The newest copy that is whole, with what it knows.
fn best_copy(
    dir: &Path,
    key: &[u8; 32],
    make: impl Fn() -> Analyzer,
    cause: &str,
) -> Result<(std::path::PathBuf, String, Analyzer), StoreError> {
    let mut why = Vec::new();
    for path in generations(dir) {
        let read = Store::open_unchangeable(dir, &path).and_then(|copy| {
            copy.examine()?;
            let copy = copy.for_key(key)?;
            let mut analyzer = make();
            copy.restore(&mut analyzer)?;
            let snapshot = copy.last_snapshot().map(|s| s.to_string());
            Ok((
                snapshot.unwrap_or_else(|| "before its first snapshot".to_owned()),
                analyzer,
            ))
        });
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match read {
            Ok((snapshot, analyzer)) => return Ok((path, snapshot, analyzer)),
            Err(error @ StoreError::OtherKey { .. }) => return Err(error),
            Err(StoreError::Damaged { cause, .. }) => why.push(format!("{file} is damaged too: {cause}")),
            Err(error) => why.push(format!("{file}: {error}")),
        }
    }
    if why.is_empty() {
        why.push("none was made yet".to_owned());
    }
    Err(StoreError::Lost {
        dir: dir.display().to_string(),
        cause: cause.to_owned(),
        backups: why.join("; "),
    })
}
