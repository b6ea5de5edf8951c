//! How it was before: for each day of packet time, what was other than on the day before.
//!
//! The state at the end of a day is, for each thing, its last row up to that day; a row without a value says that the thing
//! was gone. A day is written when the first exchange of a later one comes, and at the end of a run; written again it gives
//! the same rows, so that runs may end in the middle of a day. Of what is older than the history goes back, the last row of
//! each thing is kept: the state at the first day that can be asked for.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Store, StoreError, format, in_words};
use crate::known::state::{About, Everything, Facts, State};
use crate::records::time::NANOS_PER_DAY;

/// Rows kept at most. When there would be more, the history goes back less far.
const MOST_ROWS: i64 = 1_000_000;
/// The same of their bytes.
const MOST_BYTES: i64 = 256 << 20;
/// Bytes of one row when it is unpacked.
const MOST_OF_ONE: usize = 16 << 20;

/// The table.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS history
    (about TEXT NOT NULL, key TEXT NOT NULL, day INTEGER NOT NULL, value BLOB, sum INTEGER, PRIMARY KEY (about, key, day))
    WITHOUT ROWID;";

/// A day to be written.
pub(crate) struct Day<'a> {
    /// Counted from 1970.
    pub(crate) number: u64,
    /// What is known at its end.
    pub(crate) all: &'a dyn Everything,
    /// Days that can be asked for, at least one.
    pub(crate) keep: u64,
}

/// How far the history of a store goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The first day that was ever written.
    pub(crate) begins: u64,
    /// The first day whose end can still be told.
    pub(crate) from: u64,
    /// The last day that was written.
    pub(crate) to: u64,
}

/// Writes a day.
fn write(transaction: &Transaction<'_>, day: &Day<'_>) -> rusqlite::Result<()> {
    let number = day.number.cast_signed();
    for about in About::LEARNED {
        // What there was at the end of the day before.
        let mut gone: BTreeSet<String> = BTreeSet::new();
        {
            let mut statement = transaction.prepare_cached(
                "SELECT key, value IS NULL, max(day) FROM history WHERE about = ?1 AND day < ?2 GROUP BY key",
            )?;
            let mut rows = statement.query(params![about.name(), number])?;
            while let Some(row) = rows.next()? {
                if !row.get::<_, bool>(1)? {
                    gone.insert(row.get(0)?);
                }
            }
        }
        let mut here: BTreeSet<String> = BTreeSet::new();
        {
            let mut statement =
                transaction.prepare_cached("SELECT key FROM history WHERE about = ?1 AND day = ?2")?;
            let mut rows = statement.query(params![about.name(), number])?;
            while let Some(row) = rows.next()? {
                here.insert(row.get(0)?);
            }
        }
        let mut put = transaction.prepare_cached(
            "INSERT INTO history (about, key, day, value, sum) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (about, key, day) DO UPDATE SET value = excluded.value, sum = excluded.sum",
        )?;
        let mut put = |key: &str, value: Option<&[u8]>| {
            let sum = format::of_history(about.name(), key, number, value);
            put.execute(params![about.name(), key, number, value, sum])
        };
        let mut last = transaction.prepare_cached(
            "SELECT value FROM history WHERE about = ?1 AND key = ?2 AND day < ?3 ORDER BY day DESC LIMIT 1",
        )?;
        for (key, facts) in day.all.each(about) {
            let value = plain(facts, day.number);
            let old = if gone.remove(&key) {
                let packed: Option<Vec<u8>> =
                    last.query_row(params![about.name(), key, number], |row| row.get(0))?;
                packed.and_then(|packed| unpacked(&packed).ok())
            } else {
                None
            };
            if old.is_none_or(|old| old != value) {
                put(&key, Some(&packed(&value)))?;
                here.remove(&key);
            }
        }
        for key in gone {
            put(&key, None)?;
            here.remove(&key);
        }
        // What an earlier writing of the same day said, and is no longer so at its end.
        let mut remove =
            transaction.prepare_cached("DELETE FROM history WHERE about = ?1 AND key = ?2 AND day = ?3")?;
        for key in here {
            remove.execute(params![about.name(), key, number])?;
        }
    }
    note(transaction, "history begins", day.number, false)?;
    note(transaction, "history ends", day.number, true)?;
    let mut from = (day.number + 1).saturating_sub(day.keep.max(1));
    prune(transaction, from)?;
    while from < day.number && is_full(transaction)? {
        from += 1;
        prune(transaction, from)?;
    }
    Ok(())
}

/// A day in the table of notes; `again` whether a later one takes its place.
fn note(transaction: &Transaction<'_>, name: &str, day: u64, again: bool) -> rusqlite::Result<()> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let known: Option<String> = transaction
        .query_row(sql, params![name], |row| row.get(0))
        .optional()?;
    let known = known.and_then(|text| text.parse::<u64>().ok());
    let day = match known {
        Some(known) if again => known.max(day),
        Some(known) => known,
        None => day,
    };
    format::note(transaction, name, &day.to_string())?;
    Ok(())
}

/// Leaves out what only tells of days before `from`.
fn prune(transaction: &Transaction<'_>, from: u64) -> rusqlite::Result<()> {
    let cut = from.cast_signed();
    let removed = transaction.execute(
        "DELETE FROM history WHERE day < ?1 AND EXISTS
             (SELECT 1 FROM history AS later WHERE later.about = history.about AND later.key = history.key
                 AND later.day > history.day AND later.day <= ?1)",
        params![cut],
    )?;
    let gone = transaction.execute(
        "DELETE FROM history WHERE day <= ?1 AND value IS NULL",
        params![cut],
    )?;
    if removed + gone > 0 {
        note(transaction, "history goes back to", from, true)?;
    }
    Ok(())
}

fn is_full(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*), CAST(total(length(value)) AS INTEGER) FROM history";
    transaction.query_row(sql, [], |row| {
        Ok(row.get::<_, i64>(0)? > MOST_ROWS || row.get::<_, i64>(1)? > MOST_BYTES)
    })
}

/// The last row of each thing up to a day; things that were gone by then are left out.
fn rows_until(
    connection: &Connection,
    about: About,
    day: i64,
) -> rusqlite::Result<BTreeMap<String, Vec<u8>>> {
    // Beside max() SQLite takes the other columns from the row that has it.
    let mut statement = connection.prepare_cached(
        "SELECT key, value, max(day) FROM history WHERE about = ?1 AND day <= ?2 GROUP BY key",
    )?;
    let mut rows = statement.query(params![about.name(), day])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        if let Some(value) = row.get::<_, Option<Vec<u8>>>(1)? {
            found.insert(row.get(0)?, value);
        }
    }
    Ok(found)
}

/// Facts as they are at the end of a day.
fn plain(mut facts: Facts, day: u64) -> Vec<u8> {
    let last = facts.calls.map(|calls| calls.last / NANOS_PER_DAY);
    facts.quiet = last.filter(|last| *last < day).map(|last| last + 1);
    if facts.quiet.is_none() {
        facts.calls = None;
    }
    // Maps with texts for keys: serialising them cannot fail.
    serde_json::to_vec(&facts).unwrap_or_default()
}

/// Facts as they are kept: names of fields repeat each other.
fn packed(plain: &[u8]) -> Vec<u8> {
    // Writing to memory does not fail.
    zstd::bulk::compress(plain, 3).unwrap_or_default()
}

fn unpacked(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::decompress(packed, MOST_OF_ONE)
}

impl Store {
    /// Writes how it was at the end of a day.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the history is as it was.
    pub(crate) fn write_day(&mut self, day: &Day<'_>) -> Result<(), StoreError> {
        let history = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            write(&transaction, day)?;
            transaction.commit()
        };
        history(&mut self.connection).map_err(|e| self.unwritable(&e))
    }

    /// Leaves out what only tells of days before `from`.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the history is as it was.
    pub(super) fn forget_history(&mut self, from: u64) -> Result<(), StoreError> {
        let forget = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            prune(&transaction, from)?;
            transaction.commit()
        };
        forget(&mut self.connection).map_err(|e| self.unwritable(&e))
    }

    /// How far the history goes; nothing when no day was ever written.
    pub(crate) fn reach(&self) -> Result<Option<Reach>, StoreError> {
        let day = |name: &str| -> Result<Option<u64>, StoreError> {
            let sql = "SELECT value FROM meta WHERE name = ?1";
            let found: Option<String> = self
                .connection
                .query_row(sql, params![name], |row| row.get(0))
                .optional()
                .map_err(|e| self.unreadable(&e))?;
            Ok(found.and_then(|text| text.parse().ok()))
        };
        let (Some(begins), Some(to)) = (day("history begins")?, day("history ends")?) else {
            return Ok(None);
        };
        let from = day("history goes back to")?.unwrap_or(begins).max(begins);
        Ok(Some(Reach { begins, from, to }))
    }

    /// What was known at the end of a day.
    pub(crate) fn state_at(&self, day: u64) -> Result<State, StoreError> {
        let mut state = State::default();
        for about in About::LEARNED {
            let rows =
                rows_until(&self.connection, about, day.cast_signed()).map_err(|e| self.unreadable(&e))?;
            let mut all = BTreeMap::new();
            for (key, value) in rows {
                let damaged = |cause: String| StoreError::Damaged {
                    dir: self.dir.clone(),
                    cause: format!("row {key} of the history cannot be read: {cause}"),
                };
                let value = unpacked(&value).map_err(|e| damaged(e.to_string()))?;
                let facts = serde_json::from_slice(&value).map_err(|e| damaged(e.to_string()))?;
                all.insert(key, facts);
            }
            state.all.insert(about, all);
        }
        Ok(state)
    }

    fn unreadable(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::Read {
            dir: self.dir.clone(),
            cause: in_words(error),
        }
    }
}
