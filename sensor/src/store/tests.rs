//! A store survives what happens to files: crashes, strangers, other versions.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use analyzers::{Change, Table};
use rusqlite::Connection;

use super::{DATABASE, Day, Store, StoreError};
use crate::known::state::{About, Calls, Everything, Facts, State};
use crate::records::time::NANOS_PER_DAY;

const ROWS: usize = 300;
/// Tells a child process that it is the writer, and where.
const WRITER: &str = "TAPLINE_TEST_STORE_WRITER";
const BUSY_WRITER: &str = "TAPLINE_TEST_STORE_BUSY_WRITER";

/// A snapshot in which every row says the same number.
fn snapshot(number: u64) -> Vec<Change> {
    (0..ROWS)
        .map(|row| Change {
            table: Table::Endpoints,
            key: format!("{row:04}"),
            value: Some(format!("{number:0>200}").into_bytes()),
        })
        .collect()
}

fn rows(dir: &Path) -> Vec<String> {
    let connection = Connection::open(dir.join(DATABASE)).unwrap();
    let mut statement = connection
        .prepare("SELECT value FROM learned ORDER BY key")
        .unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(|r| String::from_utf8(r.unwrap()).unwrap()).collect()
}

/// Not a test by itself: what the child process of the next one does until it is killed.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(WRITER) else {
        return;
    };
    let mut store = Store::open(Path::new(&dir)).unwrap();
    for number in 1.. {
        store.write(snapshot(number).into_iter(), None).unwrap();
    }
}

#[test]
fn killed_at_any_moment_it_holds_one_whole_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::writer"])
            .env(WRITER, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(120 + 17 * round));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        drop(Store::open(dir.path()).unwrap());
        let check = Connection::open(dir.path().join(DATABASE)).unwrap();
        let verdict: String = check
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
        let rows = rows(dir.path());
        if let Some(first) = rows.first() {
            assert_eq!(rows.len(), ROWS);
            assert!(
                rows.iter().all(|row| row == first),
                "rows of two snapshots, round {round}"
            );
            last = first.parse::<u64>().unwrap();
        }
    }
    assert!(last > 0, "no snapshot was ever written");
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.write(snapshot(1).into_iter(), None).unwrap();
    let refused = Store::open(dir.path()).unwrap_err().to_string();
    let me = std::process::id().to_string();
    assert!(
        refused.contains("in use by another tapline") && refused.contains(&me),
        "{refused}"
    );
    drop(Store::open_to_read(dir.path()).unwrap());
    drop(store);
    drop(Store::open(dir.path()).unwrap());
}

#[test]
fn a_store_goes_on_with_its_own_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let open = |key: u8| Store::open(dir.path()).unwrap().for_key(&[key; 32]);
    drop(open(1).unwrap());
    // Nothing was learned with that one.
    open(2).unwrap().write(snapshot(1).into_iter(), None).unwrap();
    let refused = open(1).unwrap_err().to_string();
    assert!(refused.contains("another privacy.hash_key"), "{refused}");
    drop(open(2).unwrap());
    drop(Store::open_to_read(dir.path()).unwrap());
}

#[test]
fn a_row_that_is_removed_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.write(snapshot(1).into_iter(), None).unwrap();
    store
        .write(
            std::iter::once(Change {
                table: Table::Endpoints,
                key: "0000".into(),
                value: None,
            }),
            None,
        )
        .unwrap();
    assert_eq!(rows(dir.path()).len(), ROWS - 1);
}

#[test]
fn what_is_not_a_store_of_this_version_is_named() {
    let complaint = |make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        make(&dir.path().join(DATABASE));
        let before = std::fs::read(dir.path().join(DATABASE)).unwrap_or_default();
        let open = Store::open(dir.path()).unwrap_err();
        let read = Store::open_to_read(dir.path()).unwrap_err();
        assert_eq!(
            std::mem::discriminant(&open),
            std::mem::discriminant(&read),
            "{open} / {read}"
        );
        assert_eq!(
            std::fs::read(dir.path().join(DATABASE)).unwrap_or_default(),
            before,
            "it was left alone"
        );
        open
    };
    let text = |path: &Path| {
        std::fs::write(
            path,
            "a text that somebody keeps here, longer than a header of SQLite is\n".repeat(20),
        )
        .unwrap()
    };
    assert!(matches!(complaint(&text), StoreError::NotOurs { .. }));
    let other = |path: &Path| {
        Connection::open(path)
            .unwrap()
            .execute_batch("CREATE TABLE notes (text TEXT)")
            .unwrap();
    };
    assert!(matches!(complaint(&other), StoreError::NotOurs { .. }));
    let of_version = |version: i32| {
        move |path: &Path| {
            drop(Store::open(path.parent().unwrap()).unwrap());
            // Of another version is what says so twice: in its head, and in its notes.
            Connection::open(path)
                .unwrap()
                .execute_batch(&format!(
                    "PRAGMA user_version = {version}; DELETE FROM meta WHERE name = 'format'"
                ))
                .unwrap();
        }
    };
    let said = complaint(&of_version(99));
    assert!(matches!(said, StoreError::Newer { .. }), "{said}");
    let said = complaint(&of_version(1));
    assert!(matches!(said, StoreError::Older { .. }), "{said}");
    assert!(said.to_string().contains("to begin anew"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::open_to_read(dir.path()).unwrap_err(),
        StoreError::Missing { .. }
    ));
}

#[test]
fn a_damaged_store_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.write(snapshot(1).into_iter(), None).unwrap();
    drop(store);
    let path = dir.path().join(DATABASE);
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let said = Store::open(dir.path())
        .and_then(|store| store.restore(&mut analyzers::Analyzer::new(analyzers::Settings::default())))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("is damaged") && said.contains("to begin anew"),
        "{said}"
    );
}

/// A state with these endpoints, each with its schemes of auth and the day of its last call.
fn state(endpoints: &[(&str, &str, u64)]) -> State {
    let mut own = BTreeMap::new();
    for (id, auth, last) in endpoints {
        let mut facts = Facts::default();
        facts.names.insert("template".into(), (*id).into());
        let words = auth.split(' ').map(str::to_owned).collect();
        facts.facts.insert("auth".into(), words);
        facts.calls = Some(Calls {
            count: last * 10,
            first: 0,
            last: last * NANOS_PER_DAY,
        });
        own.insert((*id).to_owned(), facts);
    }
    State {
        all: BTreeMap::from([(About::Endpoint, own)]),
        last: None,
    }
}

fn turn(store: &mut Store, number: u64, keep: u64, state: &State) {
    let all: &dyn Everything = state;
    store.write(std::iter::empty(), Some(number)).unwrap();
    store.write_day(&Day { number, all, keep }).unwrap();
}

/// Endpoints with their auth at the end of a day, and which of them were not called on it.
fn at(store: &Store, day: u64) -> Vec<String> {
    let state = store.state_at(day).unwrap();
    let all = state.about(About::Endpoint).iter();
    all.map(|(id, facts)| {
        let auth: Vec<&str> = facts.fact("auth").collect();
        let quiet = facts.quiet.map_or(String::new(), |day| format!(" quiet {day}"));
        format!("{id} {}{quiet}", auth.join("+"))
    })
    .collect()
}

fn history_rows(dir: &Path) -> Vec<(String, i64, bool)> {
    let connection = Connection::open(dir.join(DATABASE)).unwrap();
    let mut statement = connection
        .prepare("SELECT key, day, value IS NULL FROM history ORDER BY key, day")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_day_can_be_told_and_only_changes_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.reach().unwrap(), None);
    turn(&mut store, 10, 90, &state(&[("a", "jwt", 10), ("b", "none", 10)]));
    turn(&mut store, 11, 90, &state(&[("a", "jwt", 11), ("b", "none", 10)]));
    turn(&mut store, 12, 90, &state(&[("a", "jwt", 12), ("b", "none", 10)]));
    turn(
        &mut store,
        14,
        90,
        &state(&[("a", "jwt none", 14), ("c", "jwt", 14)]),
    );
    assert_eq!(at(&store, 9), [""; 0]);
    assert_eq!(at(&store, 10), ["a jwt", "b none"]);
    assert_eq!(at(&store, 11), ["a jwt", "b none quiet 11"]);
    assert_eq!(at(&store, 13), ["a jwt", "b none quiet 11"]);
    assert_eq!(at(&store, 14), ["a jwt+none", "c jwt"]);
    assert_eq!(at(&store, 99), ["a jwt+none", "c jwt"]);
    let kept: Vec<_> = history_rows(dir.path())
        .into_iter()
        .map(|(key, day, gone)| format!("{key}{day}{}", if gone { "-" } else { "" }))
        .collect();
    assert_eq!(kept, ["a10", "a14", "b10", "b11", "b14-", "c14"]);
    let reach = store.reach().unwrap().unwrap();
    assert_eq!((reach.begins, reach.from, reach.to), (10, 10, 14));
    assert_eq!(store.learned_up_to(), Some(14));
}

#[test]
fn a_day_written_in_parts_reads_as_one_written_at_once() {
    let rows = |parts: &[State]| {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        turn(&mut store, 10, 90, &state(&[("a", "jwt", 10), ("b", "none", 10)]));
        for part in parts {
            turn(&mut store, 11, 90, part);
        }
        (history_rows(dir.path()), at(&store, 11))
    };
    let end = || state(&[("a", "jwt", 11), ("b", "none", 11), ("d", "jwt", 11)]);
    let at_once = rows(&[end()]);
    // At noon `b` was not called yet, `c` was there for a while and `d` was not.
    let noon = state(&[("a", "jwt", 11), ("b", "none", 10), ("c", "jwt", 11)]);
    assert_eq!(rows(&[noon, end()]), at_once);
}

#[test]
fn an_old_history_makes_way_and_the_state_at_its_edge_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    for day in 1..=30 {
        let auth = if day % 2 == 0 { "jwt" } else { "jwt none" };
        let mut all = vec![("a", auth, day), ("steady", "jwt", day)];
        if day < 10 {
            all.push(("gone", "jwt", day));
        }
        turn(&mut store, day, 5, &state(&all));
    }
    let reach = store.reach().unwrap().unwrap();
    assert_eq!((reach.begins, reach.from, reach.to), (1, 26, 30));
    assert_eq!(at(&store, 26), ["a jwt", "steady jwt"]);
    assert_eq!(at(&store, 29), ["a jwt+none", "steady jwt"]);
    assert!(
        history_rows(dir.path()).len() <= 6,
        "{:?}",
        history_rows(dir.path())
    );
}

/// What the child process of the next test does: a store that changes all the time, closed and opened again.
#[test]
fn busy_writer() {
    let Some(dir) = std::env::var_os(BUSY_WRITER) else {
        return;
    };
    for number in 1.. {
        let mut store = Store::open(Path::new(&dir)).unwrap();
        for more in 0..3 {
            store
                .write(snapshot(number * 10 + more).into_iter(), None)
                .unwrap();
        }
    }
}

#[test]
fn a_reader_beside_a_writer_sees_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.write(snapshot(1).into_iter(), None).unwrap();
    drop(store);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::busy_writer"])
        .env(BUSY_WRITER, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let rows = Store::read(dir.path(), |store| {
            // Two readings of one moment, with time for the writer between them.
            let read = || -> Vec<Vec<u8>> {
                let mut statement = store.connection.prepare("SELECT value FROM learned").unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(|row| row.unwrap_or_default()).collect()
            };
            let first = read();
            std::thread::sleep(Duration::from_millis(2));
            if store
                .connection
                .query_row("SELECT count(*) FROM learned", [], |row| row.get::<_, i64>(0))
                .is_err()
            {
                return Err(StoreError::Read {
                    dir: String::new(),
                    cause: String::new(),
                });
            }
            Ok((first, read()))
        });
        let (first, second) = rows.unwrap();
        assert_eq!(first.len(), ROWS);
        assert!(first.iter().all(|row| *row == first[0]), "rows of two snapshots");
        assert_eq!(first, second, "what was read changed while it was read");
        seen.insert(first[0].clone());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen.len() > 3, "the writer was not at work: {}", seen.len());
}

#[test]
fn what_was_read_while_a_writer_came_and_went_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path())
        .unwrap()
        .write(snapshot(1).into_iter(), None)
        .unwrap();
    let readings = std::cell::Cell::new(0);
    let found = Store::read(dir.path(), |store| {
        readings.set(readings.get() + 1);
        if readings.get() == 1 {
            // Nobody wrote when this reading began, so the database was taken as unchangeable.
            let mut writer = Store::open(dir.path()).unwrap();
            writer.write(snapshot(2).into_iter(), None).unwrap();
        }
        let mut statement = store.connection.prepare("SELECT value FROM learned").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        Ok(rows.map(Result::unwrap_or_default).collect::<Vec<_>>())
    });
    assert_eq!(readings.get(), 2);
    let wanted = snapshot(2).into_iter().map(|change| change.value.unwrap());
    assert_eq!(found.unwrap(), wanted.collect::<Vec<_>>());
}
