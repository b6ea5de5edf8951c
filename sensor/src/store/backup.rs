//! Copies of a store: beside it while a run goes on, and where somebody asks for one.
//!
//! A copy is made page by page through SQLite's backup, of one moment and at a bounded rate, on a thread of its own. It is
//! read back whole, page by page and row by row, before it takes the place of an older one: a database that is damaged
//! meanwhile never takes the place of a whole copy.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{COPY, DATABASE, Snapshot, Store, StoreError, format, in_words, is_full};
use crate::message;

/// Folder of the copies, in that of the store.
const FOLDER: &str = "backup";
/// Name of the file that tells of the last snapshot.
const LAST: &str = "last";
/// Pages copied between two looks at the time.
const STEP: i32 = 64;
/// Bytes of a page, when SQLite is not asked.
const PAGE: u64 = 4096;

/// How copies are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackupSettings {
    /// Time between two of them; zero for none.
    pub(crate) every: Duration,
    /// How many are kept.
    pub(crate) keep: u64,
    /// Bytes a second that are copied; zero for as fast as it goes.
    pub(crate) rate: u64,
}

/// The folder of copies of the store in `dir`.
pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join(FOLDER)
}

/// The copies beside the store in `dir`, the newest first.
pub(super) fn generations(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder(dir)).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_copy = path.extension().is_some_and(|e| e == "db");
        let number = path.file_stem().and_then(|s| s.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| is_copy) {
            found.push((number, path));
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// The last snapshot that was written, as told outside the database; nothing when that was not told, or cannot be read.
pub(super) fn last_told(dir: &Path) -> Option<Snapshot> {
    let text = fs::read(folder(dir).join(LAST)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether anything is there that tells of a store that was.
pub(super) fn has_traces(dir: &Path) -> bool {
    last_told(dir).is_some() || !generations(dir).is_empty()
}

/// What is made beside a store while it is written.
#[derive(Debug)]
pub(super) struct Backups {
    dir: PathBuf,
    settings: BackupSettings,
    /// When the newest copy was made, or the last attempt to.
    last: Option<SystemTime>,
    /// There was no copy when the run began: at its end there is one of all of it.
    first: bool,
    /// Number of the last snapshot.
    written: u64,
    stop: Arc<AtomicBool>,
    /// Whether somebody waits for the end of it.
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
    /// What was said of it last, so that a disk that stays full is told once.
    said: String,
}

impl Backups {
    pub(super) fn new(dir: &Path, settings: BackupSettings) -> Self {
        let newest = generations(dir).into_iter().next();
        let made = newest.and_then(|path| fs::metadata(path).ok()?.modified().ok());
        Self {
            dir: dir.to_owned(),
            settings,
            last: made,
            first: made.is_none(),
            written: 0,
            stop: Arc::default(),
            hurry: Arc::default(),
            thread: None,
            said: String::new(),
        }
    }

    /// Tells outside the database what it should have, for a start at which it has less. It need not reach the disk: an
    /// older number than the database's does no harm.
    pub(super) fn note_snapshot(&mut self, snapshot: &Snapshot) {
        self.written = snapshot.number;
        let folder = folder(&self.dir);
        let new = folder.join(format!("{LAST}.new"));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&folder)?;
            let mut file = super::create(&new)?;
            file.set_len(0)?;
            file.write_all(&serde_json::to_vec(snapshot).unwrap_or_default())?;
            fs::rename(&new, folder.join(LAST))
        };
        if write().is_err() {
            // The disk is full, for one; the next snapshot tells that.
            let _ = fs::remove_file(new);
        }
    }

    /// Takes back what was told so.
    pub(super) fn forget_snapshots(&self) {
        let _ = fs::remove_file(folder(&self.dir).join(LAST));
    }

    fn is_due(&self) -> bool {
        !self.settings.every.is_zero()
            && self
                .last
                .is_none_or(|last| last.elapsed().is_ok_and(|age| age >= self.settings.every))
    }

    /// Begins a copy when it is time for one, and tells what became of the last.
    pub(super) fn consider(&mut self) {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join();
        }
        if self.thread.is_some() || !self.is_due() {
            return;
        }
        self.last = Some(SystemTime::now());
        let (dir, settings) = (self.dir.clone(), self.settings);
        let (stop, hurry) = (Arc::clone(&self.stop), Arc::clone(&self.hurry));
        let thread = std::thread::Builder::new()
            .name("backup".to_owned())
            .spawn(move || make(&dir, settings, &stop, &hurry));
        match thread {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => self.say(format!("cannot start the thread that copies the store: {error}")),
        }
    }

    /// Waits for the copy that is being made, and makes one when it is time for it.
    pub(super) fn finish(&mut self) {
        self.hurry.store(true, Ordering::Relaxed);
        self.join();
        let newest = generations(&self.dir).into_iter().next();
        let newest = newest.and_then(|path| Store::open_unchangeable(&self.dir, &path).ok());
        match newest.map(|copy| copy.snapshot < self.written) {
            Some(false) => return,
            Some(true) if self.first => self.last = None,
            _ => {}
        }
        self.consider();
        self.join();
    }

    fn join(&mut self) {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Ok(()))) => self.said.clear(),
            Some(Ok(Err(error))) => self.say(format!("no backup of the store was made: {error}")),
            Some(Err(_)) => {
                self.say("no backup of the store was made because of a defect in tapline".to_owned());
            }
            None => {}
        }
    }

    fn say(&mut self, text: String) {
        if text != self.said {
            message::warn(&text);
            self.said = text;
        }
    }
}

impl Drop for Backups {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A copy beside the store, in the place of the oldest one.
fn make(
    dir: &Path,
    settings: BackupSettings,
    stop: &AtomicBool,
    hurry: &AtomicBool,
) -> Result<(), StoreError> {
    let folder = folder(dir);
    fs::create_dir_all(&folder).map_err(|cause| unwritable(&folder, &cause))?;
    let new = folder.join("copy.new");
    let pace = Pace {
        rate: settings.rate,
        begin: Instant::now(),
        hurry,
    };
    if !copy(dir, &new, &pace, stop)? {
        let _ = fs::remove_file(&new);
        return Ok(());
    }
    // From the oldest to the newest, so that being killed in between leaves a gap in the numbers and nothing worse.
    let place = |number: u64| folder.join(format!("{number}.db"));
    for path in generations(dir).iter().rev() {
        let number = path.file_stem().and_then(|s| s.to_str()?.parse::<u64>().ok());
        match number {
            Some(number) if number < settings.keep => {
                let _ = fs::rename(path, place(number + 1));
            }
            _ => {
                let _ = fs::remove_file(path);
            }
        }
    }
    fs::rename(&new, place(1)).map_err(|cause| unwritable(&folder, &cause))?;
    let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn unwritable(place: &Path, cause: &std::io::Error) -> StoreError {
    StoreError::Write {
        dir: place.display().to_string(),
        cause: match cause.kind() {
            std::io::ErrorKind::StorageFull => "the disk is full".to_owned(),
            _ => cause.to_string(),
        },
        full: super::is_want_of_room(cause),
    }
}

/// How fast pages are copied.
struct Pace<'a> {
    rate: u64,
    begin: Instant,
    hurry: &'a AtomicBool,
}

impl Pace<'_> {
    /// Sleeps until `bytes` since the beginning are within the rate.
    fn wait(&self, bytes: u64, stop: &AtomicBool) {
        const NAP: Duration = Duration::from_millis(50);
        if self.rate == 0 {
            return;
        }
        let due = Duration::from_millis(bytes.saturating_mul(1000) / self.rate);
        loop {
            let left = due.saturating_sub(self.begin.elapsed());
            let hurry = self.hurry.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed);
            if left.is_zero() || hurry {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

/// A whole copy of the store in `dir`, of one moment and verified, in the file `to`; false when it was broken off.
fn copy(dir: &Path, to: &Path, pace: &Pace<'_>, stop: &AtomicBool) -> Result<bool, StoreError> {
    let _ = fs::remove_file(to);
    let done = copy_pages(dir, to, pace, stop);
    let whole = done.and_then(|done| {
        if !done {
            return Ok(false);
        }
        let name = dir.display().to_string();
        let copy = Store::open_unchangeable(dir, to)?;
        match copy.examine() {
            Ok(()) => {}
            // What the copy has was read from the store.
            Err(StoreError::Damaged { cause, .. }) => return Err(StoreError::Damaged { dir: name, cause }),
            Err(other) => return Err(other),
        }
        drop(copy);
        File::open(to)
            .and_then(|file| file.sync_all())
            .map_err(|cause| unwritable(to, &cause))?;
        Ok(true)
    });
    if !matches!(whole, Ok(true)) {
        for rest in ["", "-journal", "-wal", "-shm"] {
            let mut name = to.as_os_str().to_owned();
            name.push(rest);
            let _ = fs::remove_file(name);
        }
    }
    whole
}

fn copy_pages(dir: &Path, to: &Path, pace: &Pace<'_>, stop: &AtomicBool) -> Result<bool, StoreError> {
    let source_failed =
        |e: &rusqlite::Error| super::trouble(&dir.display().to_string(), &dir.join(DATABASE), e);
    let target_failed = |e: &rusqlite::Error| StoreError::Write {
        dir: to.display().to_string(),
        cause: in_words(e),
        full: is_full(e),
    };
    let source = Store::open_to_read(dir)?;
    // What is written from here on is not seen, so that the copy need not begin again with each snapshot.
    let hold = source
        .connection
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema");
    hold.map_err(|e| source_failed(&e))?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // What is wrong with the place SQLite tells.
    let _ = super::create(to);
    let mut target = Connection::open_with_flags(to, flags).map_err(|e| target_failed(&e))?;
    // One transaction into a new file: there is nothing to go back to.
    target
        .pragma_update(None, "journal_mode", "OFF")
        .map_err(|e| target_failed(&e))?;
    let backup = Backup::new(&source.connection, &mut target).map_err(|e| target_failed(&e))?;
    let mut pages = 0_u64;
    loop {
        match backup.step(STEP) {
            Ok(StepResult::Done) => return Ok(true),
            Ok(StepResult::More) => pages += u64::from(STEP.unsigned_abs()),
            Ok(_) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => {
                return Err(match error.sqlite_error_code() {
                    Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                        source_failed(&error)
                    }
                    _ => target_failed(&error),
                });
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        pace.wait(pages.saturating_mul(PAGE), stop);
    }
}

/// A copy of the store in `dir` as the file `to`, which it replaces once it is whole. `rate` in bytes a second.
///
/// # Errors
///
/// When the store is damaged or cannot be read, or the file cannot be written; the file is as it was then.
pub(crate) fn copy_to(dir: &Path, to: &Path, rate: u64) -> Result<Option<Snapshot>, StoreError> {
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let pace = Pace {
        rate,
        begin: Instant::now(),
        hurry: &AtomicBool::new(false),
    };
    copy(dir, &new, &pace, &AtomicBool::new(false))?;
    let mark = || -> Result<Option<Snapshot>, rusqlite::Error> {
        let copy = Connection::open(&new)?;
        // So that it can be read where nothing may be written, and holds all by itself.
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        format::note(&copy, COPY, "yes")?;
        let noted = |name: &str| -> Option<String> {
            let sql = "SELECT value FROM meta WHERE name = ?1";
            copy.query_row(sql, [name], |row| row.get(0)).ok()
        };
        let number = noted(super::SNAPSHOT).and_then(|text| text.parse().ok());
        Ok(number
            .zip(noted(super::WRITTEN))
            .map(|(number, written)| Snapshot { number, written }))
    };
    let snapshot = mark().map_err(|e| StoreError::Write {
        dir: to.display().to_string(),
        cause: in_words(&e),
        full: is_full(&e),
    });
    let placed = snapshot.and_then(|snapshot| {
        fs::rename(&new, to).map_err(|cause| unwritable(to, &cause))?;
        Ok(snapshot)
    });
    if placed.is_err() {
        let _ = fs::remove_file(&new);
    }
    placed
}

/// Puts a copy in the place of the database of the store in `dir`, whose files go to the folder of what is damaged.
pub(super) fn put_in_place(dir: &Path, copy: &Path) -> Result<PathBuf, StoreError> {
    let failed = |cause: std::io::Error| unwritable(dir, &cause);
    let new = dir.join(format!("{DATABASE}.new"));
    fs::copy(copy, &new).map_err(failed)?;
    File::options()
        .write(true)
        .open(&new)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    // Only the last that was damaged is kept: these files are as large as the store.
    let aside = dir.join("damaged");
    let _ = fs::remove_dir_all(&aside);
    fs::create_dir_all(&aside).map_err(failed)?;
    // The log before what it belongs to, so that it is never taken for that of the copy.
    for rest in ["-wal", "-shm", ""] {
        let name = format!("{DATABASE}{rest}");
        match fs::rename(dir.join(&name), aside.join(&name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    fs::rename(&new, dir.join(DATABASE)).map_err(failed)?;
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
    Ok(aside)
}

/// What a process that was killed left half-made.
pub(super) fn clear(dir: &Path) {
    let _ = fs::remove_file(dir.join(format!("{DATABASE}.new")));
    for name in ["copy.new", "copy.new-journal", "last.new"] {
        let _ = fs::remove_file(folder(dir).join(name));
    }
}
