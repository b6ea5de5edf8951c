//! What was learned, kept in SQLite so that the next run goes on from there.
//!
//! One row for each row of the analysis, and one transaction for each snapshot: a crash at any moment leaves the
//! state of the last snapshot. One process writes at a time, others may read meanwhile.
//!
//! ```text
//! DIR/tapline.db          the database, with a sum beside each row
//! DIR/lock                held by the process that writes
//! DIR/backup/1.db …       verified copies, the newest first
//! DIR/backup/last         number and time of the last snapshot, to tell when the database has lost it
//! DIR/damaged/            what was last found damaged
//! ```

mod backup;
mod begin;
mod check;
mod format;
mod history;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use analyzers::{Analyzer, Change, Table};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use crate::audit::Head;
use crate::declared::Noted;

use backup::Backups;
use format::Format;

pub(crate) use backup::{BackupSettings, copy_to};
pub(crate) use begin::{begin, begin_live};
pub(crate) use check::{Report, examine};
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
/// Name of the note about the number of the last snapshot.
const SNAPSHOT: &str = "snapshot";
/// Name of the note about the time by the clock of the last snapshot.
const WRITTEN: &str = "written";
/// Name of the note that says that a database is a copy that somebody asked for; the first snapshot takes it away.
const COPY: &str = "copy";
/// Bytes of rows that wait for room on the disk at most.
const MOST_HELD: usize = 64 << 20;
/// Name of the note about how far the audit trail goes.
const AUDIT: &str = "audit";

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
        "the store {dir} was written by a newer tapline (format {found}, this one knows up to {}); use that version, or give another --store",
        Format::CURRENT
    )]
    Newer { dir: String, found: Format },
    /// Written by an earlier version.
    #[error(
        "the store {dir} was written by an older tapline (format {found}, this one reads {}) and cannot be carried over; move {dir}/{DATABASE} and {dir}/backup away to begin anew, or give another --store",
        Format::CURRENT
    )]
    Older { dir: String, found: Format },
    /// Learned by a sensor that hashes otherwise.
    #[error(
        "the store {dir} was learned with another privacy.hash_key, so nobody in it would be known again; give that key, or another --store"
    )]
    OtherKey { dir: String },
    /// Damaged.
    #[error(
        "the store {dir} is damaged: {cause}; `tapline store check --store {dir}` tells what is whole: the next run goes on from the \
         last whole backup, and where there is none move {dir}/{DATABASE} and {dir}/backup away to begin anew"
    )]
    Damaged { dir: String, cause: String },
    /// Damaged, and so is every backup of it.
    #[error(
        "the store {dir} is damaged ({cause}), and it has no whole backup ({backups}); put a copy of your own in the place of \
         {dir}/{DATABASE}, or move {dir}/{DATABASE} and {dir}/backup away to begin anew"
    )]
    Lost {
        dir: String,
        cause: String,
        backups: String,
    },
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
        match self {
            Self::Write { full, .. } => *full,
            Self::Folder { cause, .. } => is_want_of_room(cause),
            _ => false,
        }
    }

    /// Whether trying again later may help: a disk may get room, a folder its rights.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Folder { .. })
    }

    /// What mends it, as a command or in words; empty when the message says it.
    pub(crate) fn mend(&self) -> String {
        match self {
            Self::Folder { dir, .. } => format!("sudo install -d -o $(id -un) {dir}"),
            Self::Damaged { dir, .. } => format!("tapline store check --store {dir}"),
            Self::Newer { dir, .. } | Self::Older { dir, .. } | Self::Lost { dir, .. } => {
                format!(
                    "mkdir {dir}/old && mv {dir}/{DATABASE}* {dir}/backup {dir}/old/, or put a copy in their place"
                )
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
    /// Whether there are sums beside the rows.
    sums: bool,
    /// Number of the last snapshot.
    snapshot: u64,
    /// Copies made while this store is written.
    backups: Option<Backups>,
    /// What could not be written for want of room, by table and key.
    held: BTreeMap<(Table, String), Option<Vec<u8>>>,
    /// More than may be held could not be written: the next snapshot is one of everything.
    everything: bool,
    /// The folder, while there was no room in it to open the database.
    unopened: Option<PathBuf>,
    /// What is declared, while that could not be noted.
    undeclared: Option<String>,
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
        Self::open_locked(dir, Some(lock))
    }

    /// Opens it for writing with the lock of the folder at hand.
    fn open_locked(dir: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let is_new = !path.exists();
        if is_new {
            create(&path).map_err(|cause| StoreError::Write {
                dir: dir.display().to_string(),
                cause: cause.to_string(),
                full: is_want_of_room(&cause),
            })?;
        }
        let mut store = Self::connect(dir, &path, flags, lock)?;
        if let Err(error) = store.prepare(&path) {
            drop(store);
            if is_new {
                // An empty file would look like a store that lost everything.
                for rest in ["-wal", "-shm", "-journal", ""] {
                    let _ = fs::remove_file(dir.join(format!("{DATABASE}{rest}")));
                }
            }
            return Err(error);
        }
        Ok(store)
    }

    /// A store whose database is opened with the first snapshot that finds room for it.
    fn unopened(dir: &Path, key: &[u8; 32], lock: Option<File>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_MEMORY;
        let mut store = Self::connect(dir, Path::new(":memory:"), flags, lock)?;
        store.unopened = Some(dir.to_owned());
        store.for_key(key)
    }

    /// Opens the database that there was no room for when the run began.
    fn open_at_last(&mut self) -> Result<(), StoreError> {
        let Some(dir) = self.unopened.clone() else {
            return Ok(());
        };
        if self._lock.is_none() {
            fs::create_dir_all(&dir).map_err(|cause| StoreError::Folder {
                dir: self.dir.clone(),
                cause,
            })?;
            self._lock = Some(lock(&dir)?);
        }
        let opened = Self::open_locked(&dir, None)?;
        self.connection = opened.connection;
        self.sums = opened.sums;
        self.snapshot = opened.snapshot;
        self.unopened = None;
        Ok(())
    }

    /// Whether it waits for room since the run began.
    pub(crate) fn is_unopened(&self) -> bool {
        self.unopened.is_some()
    }

    /// Opens the database in `dir` to read it where there is no room for the files that SQLite makes beside one that is read and written.
    fn open_without_room(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::connect(dir, &path, flags, None)?;
        // Before the first look at it: the index of its log is kept in memory then.
        store
            .connection
            .pragma_update(None, "locking_mode", "EXCLUSIVE")
            .map_err(|e| trouble(&store.dir, &path, &e))?;
        store.check(&path)?;
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
            let opened = Self::connect(dir, &path, flags, None).and_then(|mut store| {
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
        Self::open_unchangeable(dir, &path)
    }

    /// Opens a database that nobody writes to, for reading. `dir` is the folder that messages name.
    fn open_unchangeable(dir: &Path, path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let uri = format!("file:{}?immutable=1", percent(path));
        let mut store = Self::connect(dir, Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI, None)?;
        store.check(path)?;
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
            sums: false,
            snapshot: 0,
            backups: None,
            held: BTreeMap::new(),
            everything: false,
            unopened: None,
            undeclared: None,
            _lock: lock,
        })
    }

    fn pragma(&self, path: &Path, name: &str) -> Result<i32, StoreError> {
        self.connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|e| trouble(&self.dir, path, &e))
    }

    /// Whether the database is a store that this program can read.
    fn check(&mut self, path: &Path) -> Result<(), StoreError> {
        let ours = self.pragma(path, "application_id")? == format::APPLICATION;
        let found = Format::of(self.pragma(path, "user_version")?);
        if (!ours || !found.is_readable()) && format::is_noted_as_ours(&self.connection) {
            return Err(self.damaged("its head does not say what it is".into()));
        }
        if !ours {
            return Err(StoreError::NotOurs {
                path: path.display().to_string(),
            });
        }
        if !found.is_readable() {
            let dir = self.dir.clone();
            return Err(match found > Format::CURRENT {
                true => StoreError::Newer { dir, found },
                false => StoreError::Older { dir, found },
            });
        }
        self.sums = found.has_sums();
        let number = self.noted(SNAPSHOT).ok().flatten();
        self.snapshot = number.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(())
    }

    /// Makes the tables in a new database, or checks that an old one is ours and carries it over.
    fn prepare(&mut self, path: &Path) -> Result<(), StoreError> {
        let tables: i64 = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(|e| trouble(&self.dir, path, &e))?;
        if tables > 0 {
            self.check(path)?;
            if !self.sums {
                let old = Format {
                    tables: 1,
                    ..Format::CURRENT
                };
                format::migrate(&mut self.connection, old).map_err(|e| trouble(&self.dir, path, &e))?;
                self.sums = true;
            }
            return Ok(());
        }
        // With WAL this keeps the database whole through a crash of the machine too; the last snapshot may be missing then.
        self.connection
            .pragma_update(None, "synchronous", "NORMAL")
            .and_then(|()| format::make(&self.connection))
            .map_err(|e| trouble(&self.dir, path, &e))?;
        self.sums = true;
        Ok(())
    }

    fn damaged(&self, cause: String) -> StoreError {
        StoreError::Damaged {
            dir: self.dir.clone(),
            cause,
        }
    }

    /// A note, when there is one.
    fn noted(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", params![name], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|e| self.damaged(in_words(&e)))
    }

    /// Number and time of the last snapshot; nothing while none was written.
    pub(crate) fn last_snapshot(&self) -> Option<Snapshot> {
        let written = self.noted(WRITTEN).ok().flatten()?;
        Some(Snapshot {
            number: self.snapshot,
            written,
        })
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

    /// Writes a snapshot as [`Self::write`] does. What cannot be written is held, within a bound, and written with the next snapshot
    /// that can; beyond the bound that one has to be of everything ([`Self::wants_everything`]).
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn write_or_hold(
        &mut self,
        changes: impl Iterator<Item = Change>,
        up_to: Option<u64>,
    ) -> Result<u64, StoreError> {
        if self.everything {
            let written = self.write_rows(changes, up_to, true)?;
            self.everything = false;
            return Ok(written);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend(changes.map(|Change { table, key, value }| ((table, key), value)));
        let all = held.iter().map(|((table, key), value)| Change {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        });
        let written = self.write_rows(all, up_to, false);
        if written.is_err() {
            let bytes: usize = held
                .iter()
                .map(|((_, key), value)| key.len() + value.as_ref().map_or(0, Vec::len))
                .sum();
            if bytes <= MOST_HELD {
                self.held = held;
            } else {
                self.everything = true;
            }
        }
        written
    }

    /// Whether the next snapshot has to be of everything, since too much could not be written to be held.
    pub(crate) fn wants_everything(&self) -> bool {
        self.everything
    }

    /// Writes a snapshot: all of it or nothing. `up_to` is the day of the last exchange in it. Tells the bytes of its rows.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the store is as it was.
    pub(crate) fn write(
        &mut self,
        changes: impl Iterator<Item = Change>,
        up_to: Option<u64>,
    ) -> Result<u64, StoreError> {
        self.write_rows(changes, up_to, false)
    }

    /// `anew`: in the place of every row that is there.
    fn write_rows(
        &mut self,
        changes: impl Iterator<Item = Change>,
        up_to: Option<u64>,
        anew: bool,
    ) -> Result<u64, StoreError> {
        self.open_at_last()?;
        let key = &self.key;
        let number = self.snapshot + 1;
        let written = now();
        let mut bytes = 0;
        let snapshot = |connection: &mut Connection| -> rusqlite::Result<()> {
            let mut any = false;
            let transaction = connection.transaction()?;
            if anew {
                transaction.execute("DELETE FROM learned", [])?;
            }
            {
                let mut put = transaction.prepare_cached(
                    "INSERT INTO learned (kind, key, value, sum) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, sum = excluded.sum",
                )?;
                let mut remove =
                    transaction.prepare_cached("DELETE FROM learned WHERE kind = ?1 AND key = ?2")?;
                for Change { table, key, value } in changes {
                    any = true;
                    let kind = table.name();
                    match &value {
                        Some(value) => {
                            bytes += (key.len() + value.len()) as u64;
                            put.execute(params![kind, key, value, format::of_learned(kind, &key, value)])?
                        }
                        None => remove.execute(params![kind, key])?,
                    };
                }
                let up_to = up_to.map_or(String::new(), |day| day.to_string());
                let notes = [
                    ("tapline", env!("CARGO_PKG_VERSION")),
                    ("hash key", key),
                    (LEARNED_UP_TO, &up_to),
                    (SNAPSHOT, &number.to_string()),
                    (WRITTEN, &written),
                ];
                for (name, value) in notes.into_iter().filter(|(_, value)| !value.is_empty()) {
                    format::note(&transaction, name, value)?;
                }
                transaction.execute("DELETE FROM meta WHERE name = ?1", params![COPY])?;
                // What was published to whatever place is the state of before.
                if any {
                    transaction.execute("DELETE FROM meta WHERE name LIKE 'published to %'", [])?;
                }
            }
            transaction.commit()
        };
        snapshot(&mut self.connection).map_err(|e| self.unwritable(&e))?;
        self.snapshot = number;
        if let Some(declared) = self.undeclared.take()
            && format::note(&self.connection, DECLARED, &declared).is_err()
        {
            self.undeclared = Some(declared);
        }
        if let Some(backups) = &mut self.backups {
            backups.note_snapshot(&Snapshot { number, written });
            backups.consider();
        }
        Ok(bytes)
    }

    /// The end of a run: a last copy, when it is time for one.
    pub(crate) fn close(&mut self) {
        if self.is_unopened() {
            return;
        }
        if let Some(backups) = &mut self.backups {
            backups.finish();
        }
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

    /// Notes the files in which this run has things declared, for those who ask later. What cannot be noted is, with the next snapshot
    /// that can be written.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn note_declared(&mut self, noted: &Noted) -> Result<(), StoreError> {
        let text = serde_json::to_string(noted).unwrap_or_default();
        if self.is_unopened() {
            self.undeclared = Some(text);
            return Ok(());
        }
        format::note(&self.connection, DECLARED, &text).map_err(|e| {
            let error = self.unwritable(&e);
            self.undeclared = Some(text);
            error
        })
    }

    /// How far the audit trail went when that was last noted.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) fn noted_audit(&self) -> Result<Option<Head>, StoreError> {
        Ok(self
            .noted(AUDIT)?
            .and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Notes how far the audit trail goes, so that its end cannot be cut off alone.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn note_audit(&self, head: &Head) -> Result<(), StoreError> {
        let text = serde_json::to_string(head).unwrap_or_default();
        format::note(&self.connection, AUDIT, &text).map_err(|e| self.unwritable(&e))
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
        if files.is_empty() {
            return Ok(());
        }
        let mut all = self.captures();
        for file in files.iter().filter(|file| file.as_os_str() != "-") {
            let full = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            all.retain(|known| *known != full);
            all.push(full);
        }
        all.drain(..all.len().saturating_sub(MOST_CAPTURES));
        // A name that is no text is not noted, and neither are those beside it.
        let text = serde_json::to_string(&all).unwrap_or_default();
        format::note(&self.connection, CAPTURES, &text).map_err(|e| self.unwritable(&e))
    }

    /// The day of the last exchange that is in the store, counted from 1970.
    pub(crate) fn learned_up_to(&self) -> Option<u64> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let found = self
            .connection
            .query_row(sql, params![LEARNED_UP_TO], |row| row.get::<_, String>(0));
        found.ok()?.parse().ok()
    }

    /// Reads every page and holds every row against its sum.
    ///
    /// # Errors
    ///
    /// When a page or a row is damaged.
    pub(crate) fn examine(&self) -> Result<(), StoreError> {
        let broken = |e: rusqlite::Error| self.damaged(in_words(&e));
        self.examine_head()?;
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(broken)?;
        // The first line only names the database.
        let last = found.lines().last().unwrap_or_default();
        if last != "ok" {
            return Err(self.damaged(last.to_owned()));
        }
        if !self.sums {
            return Ok(());
        }
        let wrong =
            |what: &str, key: &str| self.damaged(format!("row {key} of {what} is not what was written"));
        let mut statement = self
            .connection
            .prepare("SELECT name, value, sum FROM meta")
            .map_err(broken)?;
        let mut rows = statement.query([]).map_err(broken)?;
        while let Some(row) = rows.next().map_err(broken)? {
            let read =
                || -> rusqlite::Result<(String, String, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
            let (name, value, sum) = read().map_err(broken)?;
            if format::of_note(&name, &value) != sum {
                return Err(self.damaged("a note of it is not what was written".to_owned()));
            }
        }
        let mut statement = self
            .connection
            .prepare("SELECT kind, key, value, sum FROM learned")
            .map_err(broken)?;
        let mut rows = statement.query([]).map_err(broken)?;
        while let Some(row) = rows.next().map_err(broken)? {
            let read = || -> rusqlite::Result<(String, String, Vec<u8>, i64)> {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            };
            let (kind, key, value, sum) = read().map_err(broken)?;
            if format::of_learned(&kind, &key, &value) != sum {
                return Err(wrong(&kind, &key));
            }
        }
        let mut statement = self
            .connection
            .prepare("SELECT about, key, day, value, sum FROM history")
            .map_err(broken)?;
        let mut rows = statement.query([]).map_err(broken)?;
        while let Some(row) = rows.next().map_err(broken)? {
            type Row = (String, String, i64, Option<Vec<u8>>, i64);
            let read = || -> rusqlite::Result<Row> {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            };
            let (about, key, day, value, sum) = read().map_err(broken)?;
            if format::of_history(&about, &key, day, value.as_deref()) != sum {
                return Err(wrong("the history", &key));
            }
        }
        Ok(())
    }

    /// Looks at the head of the file itself: what is wrong there SQLite may read over.
    fn examine_head(&self) -> Result<(), StoreError> {
        let mut head = [0; format::HEAD];
        let read = match self.connection.path() {
            Some(path) => File::open(path).and_then(|mut file| file.read_exact(&mut head)),
            None => return Ok(()),
        };
        match read {
            Ok(()) => match format::wrong_in_head(&head) {
                Some(wrong) => Err(self.damaged(wrong.to_owned())),
                None => Ok(()),
            },
            // All of it is in the log still.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(StoreError::Read {
                dir: self.dir.clone(),
                cause: error.to_string(),
            }),
        }
    }

    /// Gives back the room of what was removed from the store in `dir`, and leaves out history older than so many days. Tells its
    /// bytes before and after.
    ///
    /// # Errors
    ///
    /// When it is in use or damaged, or the disk has no room for a second copy.
    pub(crate) fn compact(dir: &Path, history_days: Option<u64>) -> Result<(u64, u64), StoreError> {
        let path = dir.join(DATABASE);
        if !path.exists() {
            return Err(StoreError::Missing {
                dir: dir.display().to_string(),
            });
        }
        let size = || {
            let files = ["", "-wal"].map(|rest| dir.join(format!("{DATABASE}{rest}")));
            files
                .iter()
                .map(|f| fs::metadata(f).map_or(0, |m| m.len()))
                .sum::<u64>()
        };
        let mut store = Self::open(dir)?;
        // Rebuilding a damaged database would make its damage look whole.
        store.examine()?;
        let before = size();
        if let (Some(days), Some(reach)) = (history_days, store.reach()?) {
            store.forget_history((reach.to + 1).saturating_sub(days))?;
        }
        // The rebuilt database is written to the log, and from there to its place.
        let room = rustix::fs::statvfs(dir).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        if room < before.saturating_mul(2) {
            return Err(StoreError::Write {
                dir: dir.display().to_string(),
                cause: format!(
                    "rebuilding it takes up to {} MiB of room for a while, and the disk has {} MiB",
                    (before >> 19) + 1,
                    room >> 20
                ),
                full: true,
            });
        }
        store
            .connection
            .execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
            .map_err(|e| store.unwritable(&e))?;
        drop(store);
        Ok((before, size()))
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
        let name = format!("published to {to}");
        let _ = format::note(&self.connection, &name, env!("CARGO_PKG_VERSION"));
    }

    /// Puts everything that was kept back into `analyzer`, which has learned nothing yet.
    ///
    /// # Errors
    ///
    /// When a row cannot be read.
    pub(crate) fn restore(&self, analyzer: &mut Analyzer) -> Result<u64, StoreError> {
        let damaged = |cause: String| self.damaged(cause);
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

/// How many copies lie beside the store in `dir`.
pub(crate) fn copies(dir: &Path) -> u64 {
    backup::generations(dir).len() as u64
}

/// Which snapshot a database has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Snapshot {
    /// Counted from 1 since the store was made.
    pub(crate) number: u64,
    /// When it was written, by the clock of the machine.
    pub(crate) written: String,
}

impl std::fmt::Display for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // To the second: it is for people.
        let second = self.written.get(..19).unwrap_or(&self.written);
        write!(f, "snapshot {} of {} UTC", self.number, second.replace('T', " "))
    }
}

/// Now, by the clock of the machine.
fn now() -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    String::from_utf8_lossy(&crate::records::Rfc3339(nanos).ascii()).into_owned()
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

/// Makes a file that its owner writes and the group may read, or opens the one that is there. SQLite gives what it makes beside a database
/// the rights of the database.
fn create(path: &Path) -> std::io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(path)
}

/// Takes the lock of the folder, which the system gives back when the process ends in whatever way.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let name = dir.display().to_string();
    let path: PathBuf = dir.join(LOCK);
    let folder = |cause| StoreError::Folder {
        dir: name.clone(),
        cause,
    };
    let mut file = create(&path).map_err(folder)?;
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
        // What SQLite has no better name for are statements that do not fit what is there: tables missing, a head of no known form.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => StoreError::Damaged {
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

/// The same of the system's own words.
fn is_want_of_room(error: &std::io::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | FileTooLarge | QuotaExceeded)
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
mod damage_tests;
#[cfg(test)]
mod tests;
