//! A store survives what happens to files: crashes, strangers, other versions.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use analyzers::{Change, Table};
use rusqlite::Connection;

use super::{DATABASE, Store, StoreError};

const ROWS: usize = 300;
/// Tells a child process that it is the writer, and where.
const WRITER: &str = "TAPLINE_TEST_STORE_WRITER";

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
        store.write(snapshot(number).into_iter()).unwrap();
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
    store.write(snapshot(1).into_iter()).unwrap();
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
    open(2).unwrap().write(snapshot(1).into_iter()).unwrap();
    let refused = open(1).unwrap_err().to_string();
    assert!(refused.contains("another privacy.hash_key"), "{refused}");
    drop(open(2).unwrap());
    drop(Store::open_to_read(dir.path()).unwrap());
}

#[test]
fn a_row_that_is_removed_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.write(snapshot(1).into_iter()).unwrap();
    store
        .write(std::iter::once(Change {
            table: Table::Endpoints,
            key: "0000".into(),
            value: None,
        }))
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
            Connection::open(path)
                .unwrap()
                .execute_batch(&format!("PRAGMA user_version = {version}"))
                .unwrap();
        }
    };
    let said = complaint(&of_version(99));
    assert!(matches!(said, StoreError::Newer { found: 99, .. }), "{said}");
    let said = complaint(&of_version(1));
    assert!(matches!(said, StoreError::Older { found: 1, .. }), "{said}");
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
    store.write(snapshot(1).into_iter()).unwrap();
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
