//! How it was before: for each day of packet time, what was other than on the day before.
//!
//! The state at the end of a day is, for each thing, its last row up to that day; a row without a value says that the thing
//! was gone. A day is written when the first exchange of a later one comes, and at the end of a run; written again it gives
//! the same rows, so that runs may end in the middle of a day. Of what is older than the history goes back, the last row of
//! each thing is kept: the state at the first day that can be asked for.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Store, StoreError, in_words};
use crate::known::state::{About, Facts, State};
use crate::records::time::NANOS_PER_DAY;

/// Rows kept at most. When there would be more, the history goes back less far.
const MOST_ROWS: u64 = 1_000_000;

/// The table; also made in a store of before it was there.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS history
    (about TEXT NOT NULL, key TEXT NOT NULL, day INTEGER NOT NULL, value BLOB, PRIMARY KEY (about, key, day))
    WITHOUT ROWID;";

/// A day to be written.
#[derive(Debug)]
pub(crate) struct Day<'a> {
    /// Counted from 1970.
    pub(crate) number: u64,
    /// What is known at its end.
    pub(crate) state: &'a State,
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

/// Writes a day, in the transaction of the snapshot that it belongs to.
pub(super) fn write(transaction: &Transaction<'_>, day: &Day<'_>) -> rusqlite::Result<()> {
    let number = day.number.cast_signed();
    for about in About::ALL {
        let before = rows_until(transaction, about, number - 1)?;
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
            "INSERT INTO history (about, key, day, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (about, key, day) DO UPDATE SET value = excluded.value",
        )?;
        let mut now: BTreeSet<&String> = BTreeSet::new();
        for (key, facts) in day.state.about(about) {
            now.insert(key);
            let value = encode(facts, day.number);
            if before.get(key).is_none_or(|old| *old != value) {
                put.execute(params![about.name(), key, number, value])?;
                here.remove(key);
            }
        }
        for key in before.keys().filter(|key| !now.contains(key)) {
            put.execute(params![about.name(), key, number, None::<Vec<u8>>])?;
            here.remove(key);
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
    while count(transaction)? > MOST_ROWS && from < day.number {
        from += 1;
        prune(transaction, from)?;
    }
    Ok(())
}

/// A day in the table of notes; `again` whether a later one takes its place.
fn note(transaction: &Transaction<'_>, name: &str, day: u64, again: bool) -> rusqlite::Result<()> {
    let sql = if again {
        "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))"
    } else {
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING"
    };
    transaction.execute(sql, params![name, day.to_string()])?;
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

fn count(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    transaction
        .query_row("SELECT count(*) FROM history", [], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
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

/// Facts as they are kept at the end of a day.
fn encode(facts: &Facts, day: u64) -> Vec<u8> {
    let mut facts = facts.clone();
    let last = facts.calls.map(|calls| calls.last / NANOS_PER_DAY);
    facts.quiet = last.filter(|last| *last < day).map(|last| last + 1);
    if facts.quiet.is_none() {
        facts.calls = None;
    }
    // Maps with texts for keys: serialising them cannot fail.
    serde_json::to_vec(&facts).unwrap_or_default()
}

impl Store {
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
        for about in About::ALL {
            let rows =
                rows_until(&self.connection, about, day.cast_signed()).map_err(|e| self.unreadable(&e))?;
            let mut all = BTreeMap::new();
            for (key, value) in rows {
                let facts = serde_json::from_slice(&value).map_err(|e| StoreError::Damaged {
                    dir: self.dir.clone(),
                    cause: format!("row {key} of the history cannot be read: {e}"),
                })?;
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
