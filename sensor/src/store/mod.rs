//! What was learned, kept in SQLite so that the next run goes on from there.
//!
//! One row for each row of the analysis, and one transaction for each snapshot: a crash at any moment leaves the
//! state of the last snapshot. One process writes at a time, others may read meanwhile.

mod history;

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use analyzers::{Analyzer, Change, Table};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::declared::Noted;

pub(crate) use history::{Day, Reach};

/// Name of the database in the store's folder.
const DATABASE: &str = "tapline.db";
/// Name of the file whose lock says that a process writes here.
const LOCK: &str = "lock";
/// Name of the note about the day of the last exchange.
const LEARNED_UP_TO: &str = "learned up to day";
/// Name of the note about declarations.
const DECLARED: &str = "declared in";
/// Name of the note about the capture files of the last replays.
const CAPTURES: &str = "captures";
/// Capture files noted; those of the latest replays.
const MOST_CAPTURES: usize = 32;
/// Marks a database as ours ("TAPL").
const APPLICATION: i32 = 0x5441_504c;
/// Version of what is kept: the tables below have had one form only, so it is that of the rows.
const VERSION: i32 = analyzers::STORE_VERSION.cast_signed();

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The folder cannot be made or entered.
    #[error("cannot use the store {dir}: {cause}; make the folder, or give one you may write to")]
    Folder { dir: String, cause: std::io::Error },
    /// Nothing was ever kept there.
    #[error("there is no store in {dir}; make one with: tapline replay FILE --store {dir}")]
    Missing { dir: String },
    /// Another process writes there.
    #[error("the store {dir} is in use by another tapline{who}; stop it first, or give another --store")]
    Locked { dir: String, who: String },
    /// Some other program's file.
    #[error("{path} is not a store of tapline; give another --store, or move the file away")]
    NotOurs { path: String },
    /// Written by a later version.
    #[error(
        "the store {dir} was written by a newer tapline (format {found}, this one knows up to {VERSION}); use that version, or give another --store"
    )]
    Newer { dir: String, found: i32 },
    /// Written by an earlier version.
    #[error(
        "the store {dir} was written by an older tapline (format {found}, this one reads {VERSION}) and cannot be carried over; move {dir}/{DATABASE} away to begin anew, or give another --store"
    )]
    Older { dir: String, found: i32 },
    /// Learned by a sensor that hashes otherwise.
    #[error(
        "the store {dir} was learned with another privacy.hash_key, so nobody in it would be known again; give that key, or another --store"
    )]
    OtherKey { dir: String },
    /// Damaged.
    #[error("the store {dir} is damaged: {cause}; move {dir}/{DATABASE} away to begin anew")]
    Damaged { dir: String, cause: String },
    /// Cannot be written.
    #[error("cannot write to the store {dir}: {cause}")]
    Write { dir: String, cause: String, full: bool },
    /// Cannot be read.
    #[error("cannot read the store {dir}: {cause}")]
    Read { dir: String, cause: String },
}

impl StoreError {
    /// Whether the place has no more room, which is no mistake of whoever gave it.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Write { full: true, .. })
    }

    /// What mends it, as a command or in words; empty when the message says it.
    pub(crate) fn mend(&self) -> String {
        match self {
            Self::Folder { dir, .. } => format!("sudo install -d -o $(id -un) {dir}"),
            Self::Newer { dir, .. } | Self::Older { dir, .. } | Self::Damaged { dir, .. } => {
                format!("mv {dir}/{DATABASE} {dir}/{DATABASE}.old, or put a backup in its place")
            }
            Self::NotOurs { path } => format!("mv {path} {path}.old, or give another --store"),
            Self::Write { dir, full: true, .. } => format!("df {dir}; ulimit -f"),
            Self::Write { dir, .. } => format!("sudo chown -R $(id -un) {dir}"),
            Self::Missing { .. } | Self::Locked { .. } | Self::OtherKey { .. } | Self::Read { .. } => {
                String::new()
            }
        }
    }
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    dir: String,
    connection: Connection,
    /// What tells the hash key of this run from others; empty when only read.
    key: String,
    /// Held for as long as the store is open for writing.
    _lock: Option<File>,
}

impl Store {
    /// The file of the store in `dir`.
    pub(crate) fn database(dir: &Path) -> PathBuf {
        dir.join(DATABASE)
    }

    /// Opens the store in `dir` for writing; makes it when there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be used, with the reason.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let name = dir.display().to_string();
        fs::create_dir_all(dir).map_err(|cause| StoreError::Folder {
            dir: name.clone(),
            cause,
        })?;
        let lock = lock(dir)?;
        let path = dir.join(DATABASE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::connect(dir, &path, flags, Some(lock))?;
        store.prepare(&path)?;
        Ok(store)
    }

    /// Opens the store in `dir` for reading, also while another process writes. Nothing in the folder is changed.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be used.
    pub(crate) fn open_to_read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE);
        let name = dir.display().to_string();
        let unreadable = |cause: String| StoreError::Read {
            dir: name.clone(),
            cause,
        };
        match File::open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::Missing { dir: name });
            }
            Err(error) => {
                return Err(unreadable(format!(
                    "{error}; see ls -ld {name} {}",
                    path.display()
                )));
            }
        }
        // Beside the database of a process that writes, or of one that was killed, lies a log of the last changes.
        let log = dir.join(format!("{DATABASE}-wal"));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let pending = match fs::metadata(&log) {
            Ok(log) => log.len() > 0,
            Err(_) => false,
        };
        if pending {
            let opened = Self::connect(dir, &path, flags, None).and_then(|store| {
                store.check(&path)?;
                Ok(store)
            });
            return opened.map_err(|error| match error {
                StoreError::Write { cause, .. } => unreadable(format!(
                    "its last changes lie in {}, which takes the rights of whoever wrote it to read ({cause}); run \
                     as that user",
                    log.display()
                )),
                other => other,
            });
        }
        // Without it the database is whole by itself. SQLite would make a log all the same, in the name of whoever
        // reads; taken as unchangeable it needs none.
        let uri = format!("file:{}?immutable=1", percent(&path));
        let store = Self::connect(dir, Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI, None)?;
        store.check(&path)?;
        Ok(store)
    }

    /// Opens the store in `dir` for reading and hands it to `read` as it was at one moment, also while another process
    /// writes. When that comes in between, it is read again.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read.
    pub(crate) fn read<T>(
        dir: &Path,
        read: impl Fn(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        const ATTEMPTS: u32 = 20;
        let mut attempt = 1;
        loop {
            let before = Files::now(dir);
            let result = Self::open_to_read(dir).and_then(|store| store.at_one_moment(&read));
            // A database that was taken as unchangeable and was changed all the same may read as anything.
            let calm = before == Files::now(dir) || (result.is_ok() && before.log > 0);
            if calm || attempt >= ATTEMPTS {
                return result;
            }
            std::thread::sleep(std::time::Duration::from_millis(5 << attempt.min(5)));
            attempt += 1;
        }
    }

    /// Reads in one transaction: what is written meanwhile is not seen.
    fn at_one_moment<T>(&self, read: impl Fn(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let unreadable = |e: rusqlite::Error| StoreError::Read {
            dir: self.dir.clone(),
            cause: in_words(&e),
        };
        self.connection.execute_batch("BEGIN").map_err(unreadable)?;
        let result = read(self);
        let _ = self.connection.execute_batch("END");
        result
    }

    fn connect(dir: &Path, path: &Path, flags: OpenFlags, lock: Option<File>) -> Result<Self, StoreError> {
        let dir = dir.display().to_string();
        let connection = Connection::open_with_flags(path, flags).map_err(|e| trouble(&dir, path, &e))?;
        // A reader may hold the database for a moment.
        let _ = connection.busy_timeout(std::time::Duration::from_secs(10));
        Ok(Self {
            dir,
            connection,
            key: String::new(),
            _lock: lock,
        })
    }

    fn pragma(&self, path: &Path, name: &str) -> Result<i32, StoreError> {
        self.connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|e| trouble(&self.dir, path, &e))
    }

    fn check(&self, path: &Path) -> Result<(), StoreError> {
        if self.pragma(path, "application_id")? != APPLICATION {
            return Err(StoreError::NotOurs {
                path: path.display().to_string(),
            });
        }
        let found = self.pragma(path, "user_version")?;
        if found > VERSION {
            return Err(StoreError::Newer {
                dir: self.dir.clone(),
                found,
            });
        }
        if found < VERSION {
            return Err(StoreError::Older {
                dir: self.dir.clone(),
                found,
            });
        }
        Ok(())
    }

    /// Makes the tables in a new database, or checks that an old one is ours.
    fn prepare(&mut self, path: &Path) -> Result<(), StoreError> {
        let tables: i64 = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|e| trouble(&self.dir, path, &e))?;
        if tables > 0 {
            self.check(path)?;
            let made = self.connection.execute_batch(history::TABLE);
            return made.map_err(|e| trouble(&self.dir, path, &e));
        }
        let make = || -> rusqlite::Result<()> {
            self.connection.pragma_update(None, "journal_mode", "WAL")?;
            // With WAL this keeps the database whole through a crash of the machine too; the last snapshot may
            // be missing then.
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
            self.connection.execute_batch(&format!(
                "BEGIN;
                 CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE learned (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
                                       PRIMARY KEY (kind, key)) WITHOUT ROWID;
                 {}
                 PRAGMA application_id = {APPLICATION};
                 PRAGMA user_version = {VERSION};
                 COMMIT;",
                history::TABLE
            ))
        };
        make().map_err(|e| trouble(&self.dir, path, &e))
    }

    /// The store for a run with this hash key. It remembers the key, by a hash, with the first snapshot.
    ///
    /// # Errors
    ///
    /// When it was learned with another key.
    pub(crate) fn for_key(mut self, key: &[u8; 32]) -> Result<Self, StoreError> {
        self.key = analyzers::privacy::short_hash(key, "store", b"hash key");
        let sql = "SELECT value FROM meta WHERE name = 'hash key'";
        let known = self.connection.query_row(sql, [], |row| row.get::<_, String>(0));
        match known {
            Ok(known) if known != self.key => Err(StoreError::OtherKey { dir: self.dir }),
            _ => Ok(self),
        }
    }

    /// Writes a snapshot: all of it or nothing. `up_to` is the day of the last exchange in it.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the store is as it was.
    pub(crate) fn write(
        &mut self,
        changes: impl Iterator<Item = Change>,
        up_to: Option<u64>,
    ) -> Result<(), StoreError> {
        let key = &self.key;
        let snapshot = |connection: &mut Connection| -> rusqlite::Result<()> {
            let mut any = false;
            let transaction = connection.transaction()?;
            {
                let mut put = transaction.prepare_cached(
                    "INSERT INTO learned (kind, key, value) VALUES (?1, ?2, ?3)
                                     ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                )?;
                let mut remove =
                    transaction.prepare_cached("DELETE FROM learned WHERE kind = ?1 AND key = ?2")?;
                for change in changes {
                    any = true;
                    match &change.value {
                        Some(value) => put.execute(params![change.table.name(), change.key, value])?,
                        None => remove.execute(params![change.table.name(), change.key])?,
                    };
                }
                let up_to = up_to.map_or(String::new(), |day| day.to_string());
                let notes = [
                    ("tapline", env!("CARGO_PKG_VERSION")),
                    ("hash key", key),
                    (LEARNED_UP_TO, &up_to),
                ];
                for (name, value) in notes.into_iter().filter(|(_, value)| !value.is_empty()) {
                    transaction.execute(
                        "INSERT INTO meta (name, value) VALUES (?1, ?2)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                        params![name, value],
                    )?;
                }
                // What was published to whatever place is the state of before.
                if any {
                    transaction.execute("DELETE FROM meta WHERE name LIKE 'published to %'", [])?;
                }
            }
            transaction.commit()
        };
        snapshot(&mut self.connection).map_err(|e| self.unwritable(&e))
    }

    fn unwritable(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::Write {
            dir: self.dir.clone(),
            cause: in_words(error),
            full: is_full(error),
        }
    }

    /// The files in which the last run had things declared.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) fn declared(&self) -> Result<Option<Noted>, StoreError> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let found: rusqlite::Result<String> = self
            .connection
            .query_row(sql, params![DECLARED], |row| row.get(0));
        Ok(found.ok().and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Notes the files in which this run has things declared, for those who ask later.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn note_declared(&self, noted: &Noted) -> Result<(), StoreError> {
        let text = serde_json::to_string(noted).unwrap_or_default();
        let done = self.connection.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![DECLARED, text],
        );
        done.map(|_| ()).map_err(|e| self.unwritable(&e))
    }

    /// The capture files of the last replays with this store, the latest last; none of a live capture.
    pub(crate) fn captures(&self) -> Vec<PathBuf> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let found = self
            .connection
            .query_row(sql, params![CAPTURES], |row| row.get::<_, String>(0));
        let names: Option<Vec<PathBuf>> = found.ok().and_then(|text| serde_json::from_str(&text).ok());
        names.unwrap_or_default()
    }

    /// Notes the capture files of this run, for those who look for its packets later.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn note_captures(&self, files: &[PathBuf]) -> Result<(), StoreError> {
        let mut all = self.captures();
        for file in files.iter().filter(|file| file.as_os_str() != "-") {
            let full = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            all.retain(|known| *known != full);
            all.push(full);
        }
        all.drain(..all.len().saturating_sub(MOST_CAPTURES));
        // A name that is no text is not noted, and neither are those beside it.
        let text = serde_json::to_string(&all).unwrap_or_default();
        let done = self.connection.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![CAPTURES, text],
        );
        done.map(|_| ()).map_err(|e| self.unwritable(&e))
    }

    /// The day of the last exchange that is in the store, counted from 1970.
    pub(crate) fn learned_up_to(&self) -> Option<u64> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let found = self
            .connection
            .query_row(sql, params![LEARNED_UP_TO], |row| row.get::<_, String>(0));
        found.ok()?.parse().ok()
    }

    /// Reads every page.
    ///
    /// # Errors
    ///
    /// When one of them is damaged.
    pub(crate) fn examine(&self) -> Result<(), StoreError> {
        let damaged = |cause: String| StoreError::Damaged {
            dir: self.dir.clone(),
            cause,
        };
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|e| damaged(in_words(&e)))?;
        match found.lines().last() {
            Some("ok") => Ok(()),
            // The first line only names the database.
            last => Err(damaged(last.unwrap_or_default().to_owned())),
        }
    }

    /// Whether all that is kept was published to this place, by this version, which writes records in the same form.
    pub(crate) fn was_published(&self, to: &str) -> bool {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let found = self
            .connection
            .query_row(sql, params![format!("published to {to}")], |row| {
                row.get::<_, String>(0)
            });
        found.is_ok_and(|version| version == env!("CARGO_PKG_VERSION"))
    }

    /// Notes that all that is kept was published to this place. Without the note it is published again.
    pub(crate) fn note_published(&self, to: &str) {
        let _ = self.connection.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![format!("published to {to}"), env!("CARGO_PKG_VERSION")],
        );
    }

    /// Puts everything that was kept back into `analyzer`, which has learned nothing yet.
    ///
    /// # Errors
    ///
    /// When a row cannot be read.
    pub(crate) fn restore(&self, analyzer: &mut Analyzer) -> Result<u64, StoreError> {
        let damaged = |cause: String| StoreError::Damaged {
            dir: self.dir.clone(),
            cause,
        };
        let sql = |e: rusqlite::Error| damaged(in_words(&e));
        let mut rows_read = 0;
        for table in Table::ALL {
            let mut statement = self
                .connection
                .prepare("SELECT key, value FROM learned WHERE kind = ?1 ORDER BY key")
                .map_err(sql)?;
            let mut rows = statement.query(params![table.name()]).map_err(sql)?;
            while let Some(row) = rows.next().map_err(sql)? {
                let key: String = row.get(0).map_err(sql)?;
                let value: Vec<u8> = row.get(1).map_err(sql)?;
                analyzer
                    .restore(table, &key, &value)
                    .map_err(|e| damaged(e.to_string()))?;
                rows_read += 1;
            }
        }
        Ok(rows_read)
    }
}

/// What the files of a store look like from outside: when a writer changes them, one of these changes.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    database: (u64, Option<SystemTime>),
    /// Bytes of the log of changes that are not in the database yet.
    log: u64,
}

impl Files {
    fn now(dir: &Path) -> Self {
        let of = |name: &str| fs::metadata(dir.join(name)).ok();
        let database = of(DATABASE);
        Self {
            database: database.map_or((0, None), |m| (m.len(), m.modified().ok())),
            log: of(&format!("{DATABASE}-wal")).map_or(0, |m| m.len()),
        }
    }
}

/// Takes the lock of the folder, which the system gives back when the process ends in whatever way.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let name = dir.display().to_string();
    let path: PathBuf = dir.join(LOCK);
    let folder = |cause| StoreError::Folder {
        dir: name.clone(),
        cause,
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(folder)?;
    match file.try_lock() {
        Ok(()) => {
            // Only a help for whoever finds the store locked.
            let _ = file
                .set_len(0)
                .and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut owner));
            let owner = owner.trim();
            let who = if owner.is_empty() {
                String::new()
            } else {
                format!(" (process {owner})")
            };
            Err(StoreError::Locked { dir: name, who })
        }
        Err(TryLockError::Error(cause)) => Err(folder(cause)),
    }
}

fn trouble(dir: &str, path: &Path, error: &rusqlite::Error) -> StoreError {
    let dir = dir.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotOurs {
            path: path.display().to_string(),
        },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            dir,
            cause: in_words(error),
        },
        _ => StoreError::Write {
            dir,
            cause: in_words(error),
            full: is_full(error),
        },
    }
}

/// Whether a write failed for want of room, or of leave to take it.
fn is_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error().map_or(0, |e| e.extended_code);
    [
        SQLITE_FULL,
        SQLITE_IOERR_WRITE,
        SQLITE_IOERR_TRUNCATE,
        SQLITE_IOERR_SHMSIZE,
    ]
    .contains(&code)
}

/// A path as it stands in a URI.
fn percent(path: &Path) -> String {
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn in_words(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".into(),
        Some(ErrorCode::SystemIoFailure) if is_full(error) => {
            "the system does not let its files grow; see ulimit -f, and the health of the disk".into()
        }
        Some(ErrorCode::ReadOnly) => "it may only be read; check who owns the folder".into(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it".into(),
        Some(ErrorCode::CannotOpen) => "it cannot be opened; check who owns the folder".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
