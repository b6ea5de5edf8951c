//! The tables of a store and their versions: what is a store of ours, and how an older one is carried over.

use rusqlite::{Connection, Transaction, params};

use super::history;

/// Marks a database as ours ("TAPL").
pub(super) const APPLICATION: i32 = 0x5441_504c;

/// Versions of a store: of the rows of the analysis in it, and of the tables that these lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Format {
    pub(crate) rows: i32,
    pub(crate) tables: i32,
}

impl Format {
    /// What this program writes. Tables of version 2 have a sum beside each row.
    pub(crate) const CURRENT: Self = Self {
        rows: analyzers::STORE_VERSION.cast_signed(),
        tables: 2,
    };

    /// As it stands in the head of a database. While there were tables of one version only, it was the version of the rows.
    pub(super) fn of(number: i32) -> Self {
        match number {
            ..100 => Self {
                rows: number,
                tables: 1,
            },
            _ => Self {
                rows: number / 100,
                tables: number % 100,
            },
        }
    }

    pub(super) fn number(self) -> i32 {
        match self.tables {
            1 => self.rows,
            tables => self.rows.saturating_mul(100).saturating_add(tables),
        }
    }

    /// Whether it can be read as it is: the tables of before had the same rows, without sums.
    pub(super) fn is_readable(self) -> bool {
        self.rows == Self::CURRENT.rows && self.tables <= Self::CURRENT.tables && self.tables > 0
    }

    pub(super) fn has_sums(self) -> bool {
        self.tables >= 2
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.tables {
            1 => write!(f, "{}", self.rows),
            tables => write!(f, "{}.{tables}", self.rows),
        }
    }
}

/// Name of the note that repeats the version, so that one wrong bit in the head of the file is not taken for another program's.
const NOTED: &str = "format";

/// Makes the tables in an empty database.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(&format!(
        "BEGIN;
         CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER) WITHOUT ROWID;
         CREATE TABLE learned (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, sum INTEGER,
                               PRIMARY KEY (kind, key)) WITHOUT ROWID;
         {}
         PRAGMA application_id = {APPLICATION};
         PRAGMA user_version = {};",
        history::TABLE,
        Format::CURRENT.number()
    ))?;
    note(connection, NOTED, &Format::CURRENT.to_string())?;
    connection.execute_batch("COMMIT")
}

/// Carries a store over from the tables of before: all of it or nothing.
pub(super) fn migrate(connection: &mut Connection, from: Format) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if from.tables < 2 {
        // Stores of before may be without the history too.
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS history
                 (about TEXT NOT NULL, key TEXT NOT NULL, day INTEGER NOT NULL, value BLOB, PRIMARY KEY (about, key, day))
                 WITHOUT ROWID;
             ALTER TABLE meta ADD COLUMN sum INTEGER;
             ALTER TABLE learned ADD COLUMN sum INTEGER;
             ALTER TABLE history ADD COLUMN sum INTEGER;",
        )?;
        sum_up(&transaction)?;
    }
    note(&transaction, NOTED, &Format::CURRENT.to_string())?;
    transaction.pragma_update(None, "user_version", Format::CURRENT.number())?;
    transaction.commit()
}

/// Puts its sum beside every row.
fn sum_up(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    // A table without row ids that is updated while it is read may give a row twice, which does no harm; but it is
    // read from beginning to end first, a few keys at a time, all the same.
    const AT_ONCE: usize = 512;
    let mut last: Option<(String, String)> = None;
    loop {
        let mut rows: Vec<(String, String, i64)> = Vec::with_capacity(AT_ONCE);
        {
            let mut statement = transaction.prepare_cached(
                "SELECT kind, key, value FROM learned WHERE (kind, key) > (?1, ?2) ORDER BY kind, key LIMIT ?3",
            )?;
            let (kind, key) = last.clone().unwrap_or_default();
            let mut found = statement.query(params![kind, key, AT_ONCE as i64])?;
            while let Some(row) = found.next()? {
                let (kind, key): (String, String) = (row.get(0)?, row.get(1)?);
                let value: Vec<u8> = row.get(2)?;
                let sum = of_learned(&kind, &key, &value);
                rows.push((kind, key, sum));
            }
        }
        let mut put =
            transaction.prepare_cached("UPDATE learned SET sum = ?3 WHERE kind = ?1 AND key = ?2")?;
        for (kind, key, sum) in &rows {
            put.execute(params![kind, key, sum])?;
        }
        match rows.pop() {
            Some((kind, key, _)) => last = Some((kind, key)),
            None => break,
        }
    }
    let mut last: Option<(String, String, i64)> = None;
    loop {
        let mut rows: Vec<(String, String, i64, i64)> = Vec::with_capacity(AT_ONCE);
        {
            let mut statement = transaction.prepare_cached(
                "SELECT about, key, day, value FROM history WHERE (about, key, day) > (?1, ?2, ?3)
                 ORDER BY about, key, day LIMIT ?4",
            )?;
            let (about, key, day) = last
                .clone()
                .unwrap_or_else(|| (String::new(), String::new(), i64::MIN));
            let mut found = statement.query(params![about, key, day, AT_ONCE as i64])?;
            while let Some(row) = found.next()? {
                let (about, key, day): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let value: Option<Vec<u8>> = row.get(3)?;
                let sum = of_history(&about, &key, day, value.as_deref());
                rows.push((about, key, day, sum));
            }
        }
        let mut put = transaction
            .prepare_cached("UPDATE history SET sum = ?4 WHERE about = ?1 AND key = ?2 AND day = ?3")?;
        for (about, key, day, sum) in &rows {
            put.execute(params![about, key, day, sum])?;
        }
        match rows.pop() {
            Some((about, key, day, _)) => last = Some((about, key, day)),
            None => break,
        }
    }
    let notes: Vec<(String, String)> = transaction
        .prepare("SELECT name, value FROM meta")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, value) in notes {
        note(transaction, &name, &value)?;
    }
    Ok(())
}

/// Writes a note in the place of an earlier one.
pub(super) fn note(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value, sum) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, sum = excluded.sum",
        )?
        .execute(params![name, value, of_note(name, value)])
        .map(|_| ())
}

/// Whether the note of the version is whole and says that the database is of this program, whatever its head says.
pub(super) fn is_noted_as_ours(connection: &Connection) -> bool {
    let sql = "SELECT value, sum FROM meta WHERE name = ?1";
    let found = connection.query_row(sql, params![NOTED], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    });
    found.is_ok_and(|(value, sum)| value == Format::CURRENT.to_string() && sum == of_note(NOTED, &value))
}

/// Bytes of the head of a database file (SQLite's file format, section 1.3).
pub(super) const HEAD: usize = 100;

/// What is wrong with the head of a database of ours. SQLite itself takes most of these bytes as they are, and one of them wrong
/// makes a file that can be read and not written.
pub(super) fn wrong_in_head(head: &[u8; HEAD]) -> Option<&'static str> {
    let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    // A log of changes, or none as in copies that somebody asked for; for reading and writing the same.
    if !matches!((head[18], head[19]), (1, 1) | (2, 2)) {
        return Some("its head gives a form of writing that there is not");
    }
    // Bytes left free in each page, and shares of a page that a row may fill, which are fixed.
    if head[20..24] != [0, 64, 32, 32] {
        return Some("its head gives a form of pages that there is not");
    }
    // The schema's format and the encoding of text, which are none while all of it is in the log; the suggested size of the cache, and
    // vacuuming.
    let either = [(44, 0, 4), (56, 0, 1), (48, 0, 0), (52, 0, 0), (64, 0, 0)];
    let is_other = |(at, one, two): (usize, u32, u32)| ![one, two].contains(&number(at));
    if either.into_iter().any(is_other) || head[72..92].iter().any(|byte| *byte != 0) {
        return Some("its head has values that were not written there");
    }
    None
}

/// Sum of parts, each with its length, so that no two rows have the same parts otherwise cut.
fn sum(parts: &[&[u8]]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    i64::from(hasher.finalize())
}

pub(super) fn of_note(name: &str, value: &str) -> i64 {
    sum(&[name.as_bytes(), value.as_bytes()])
}

pub(super) fn of_learned(kind: &str, key: &str, value: &[u8]) -> i64 {
    sum(&[kind.as_bytes(), key.as_bytes(), value])
}

pub(super) fn of_history(about: &str, key: &str, day: i64, value: Option<&[u8]>) -> i64 {
    let day = day.to_le_bytes();
    let there: &[u8] = if value.is_some() { b"1" } else { b"0" };
    sum(&[
        about.as_bytes(),
        key.as_bytes(),
        &day,
        there,
        value.unwrap_or_default(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_one_number() {
        for (number, words) in [(9, "9"), (1, "1"), (902, "9.2"), (1002, "10.2")] {
            assert_eq!(Format::of(number).number(), number);
            assert_eq!(Format::of(number).to_string(), words);
        }
        assert!(
            Format::CURRENT > Format::of(Format::CURRENT.rows),
            "the tables of before"
        );
        assert!(
            Format::of(Format::CURRENT.rows).is_readable(),
            "the tables of before"
        );
    }

    #[test]
    fn a_row_cut_otherwise_has_another_sum() {
        assert_ne!(of_learned("ab", "c", b""), of_learned("a", "bc", b""));
        assert_ne!(of_history("a", "b", 1, None), of_history("a", "b", 1, Some(b"")));
    }
}
