//! Whatever happens to its files, a store is whole, goes on from a copy and says so, or is refused: never is something else
//! taken for what was learned.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use analyzers::{Analyzer, Settings};
use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};
use rusqlite::Connection;

use super::begin::{Begun, begin};
use super::{BackupSettings, DATABASE, Store, StoreError, copy_to, examine};

const KEY: [u8; 32] = [7; 32];
const HOURLY: BackupSettings = BackupSettings {
    every: Duration::from_secs(3600),
    keep: 2,
    rate: 0,
};

fn make() -> Analyzer {
    Analyzer::new(Settings::default())
}

fn start(dir: &Path) -> Result<Begun, StoreError> {
    loop {
        match begin(dir, &KEY, HOURLY, make) {
            // Another test begins a process at this moment, which has the lock too until it is a program of its own.
            Err(StoreError::Locked { .. }) => std::thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}

/// Lets an analyzer learn from packets of the demo, from one number up to another.
fn learn(analyzer: &mut Analyzer, from: usize, to: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/demo.pcap");
    let demo = fs::read(path).unwrap();
    let number = |at: usize| u32::from_le_bytes(demo[at..at + 4].try_into().unwrap());
    let mut reassembler = Reassembler::new(Limits::default());
    let mut at = 24;
    for frame in 0..to {
        let length = number(at + 8) as usize;
        let packet = Packet {
            ts: Timestamp(u64::from(number(at)) * 1_000_000_000 + u64::from(number(at + 4))),
            link: LinkType(number(20)),
            data: &demo[at + 16..at + 16 + length],
            wire_len: number(at + 12),
            frame: frame as u64 + 1,
        };
        at += 16 + length;
        if frame < from {
            continue;
        }
        reassembler.push(&packet);
        while let Some(event) = reassembler.poll() {
            if let Event::Exchange(exchange) = event {
                analyzer.observe(&exchange);
            }
        }
    }
}

/// A store with two snapshots and a copy of the first; where nobody writes.
fn made(dir: &Path) {
    let mut begun = start(dir).unwrap();
    learn(&mut begun.analyzer, 0, 600);
    begun.store.write(begun.analyzer.take_changes(), Some(1)).unwrap();
    begun.store.close();
    drop(begun);
    let mut begun = start(dir).unwrap();
    learn(&mut begun.analyzer, 600, 900);
    begun.store.write(begun.analyzer.take_changes(), Some(1)).unwrap();
    begun.store.close();
    assert!(dir.join("backup/1.db").exists() && !dir.join("backup/2.db").exists());
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

type Rows = BTreeMap<(String, String), Vec<u8>>;

fn rows(store: &Store) -> Rows {
    let mut statement = store
        .connection
        .prepare("SELECT kind, key, value FROM learned")
        .unwrap();
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// What a whole store may have: all, or what the copy has.
fn all_and_copied(dir: &Path) -> (Rows, Rows) {
    let all = rows(&Store::open_to_read(dir).unwrap());
    let copied = rows(&Store::open_unchangeable(dir, &dir.join("backup/1.db")).unwrap());
    assert!(copied.len() > 50 && all != copied && all.len() > copied.len());
    (all, copied)
}

/// Does `damage` to copies of one store, once with its backup and once without.
fn each_damage(cases: impl Iterator<Item = (String, Box<dyn Fn(&Path)>)>) -> (usize, usize) {
    let root = tempfile::tempdir().unwrap();
    let (whole, hit) = (root.path().join("whole"), root.path().join("hit"));
    made(&whole);
    let (all, copied) = all_and_copied(&whole);
    let (mut unharmed, mut told) = (0, 0);
    for (case, damage) in cases {
        for with_copy in [true, false] {
            let _ = fs::remove_dir_all(&hit);
            copy_folder(&whole, &hit);
            if !with_copy {
                let _ = fs::remove_dir_all(hit.join("backup"));
            }
            damage(&hit.join(DATABASE));
            let checked = examine(&hit);
            let begun = start(&hit);
            match begun {
                Ok(begun) => {
                    let now = rows(&begun.store);
                    // What is found good has to take what is learned next.
                    let mut begun = begun;
                    let written = begun.store.write([].into_iter(), Some(1));
                    assert!(written.is_ok(), "{case}: {written:?}");
                    if begun.told.is_empty() {
                        assert!(now == all, "{case}: silently other rows");
                        assert!(checked.is_ok_and(|r| r.good), "{case}: check disagrees");
                        unharmed += 1;
                    } else if !with_copy && case == "cut 0" {
                        // Nothing is left that could be told from a store that was never written.
                        assert!(begun.told[0].contains("begins with nothing") && now.is_empty());
                    } else {
                        assert!(with_copy, "{case}: {:?}", begun.told);
                        assert!(now == copied, "{case}: not what the copy has");
                        assert!(
                            begun.lost && begun.told[0].contains("what was learned after that"),
                            "{case}"
                        );
                        assert!(checked.is_ok_and(|r| !r.good && !r.problems.is_empty()), "{case}");
                        assert!(
                            hit.join("damaged").join(DATABASE).exists() || case.contains("gone"),
                            "{case}"
                        );
                        told += 1;
                    }
                    // And the next run has nothing to say any more.
                    drop(begun);
                    assert_eq!(start(&hit).unwrap().told, [""; 0], "{case}");
                }
                Err(error) => {
                    assert!(!with_copy, "{case}: {error}");
                    assert!(!matches!(error, StoreError::Write { .. }), "{case}: {error}");
                    assert!(
                        checked.is_err() || checked.is_ok_and(|r| !r.good),
                        "{case}: {error}"
                    );
                    told += 1;
                }
            }
        }
    }
    (unharmed, told)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_byte_that_flips_anywhere_is_harmless_or_told() {
    let steps = 0..400_usize;
    let cases = steps.map(|step| {
        let damage = move |path: &Path| {
            change(path, |bytes| {
                // The head byte by byte, then places all over the file, the beginnings of pages among them.
                let at = match step {
                    0..100 => step,
                    100..200 => (step - 100) * 4096 % bytes.len() + step % 8,
                    _ => (step * 7919 * 31) % bytes.len(),
                };
                bytes[at] ^= 1 << (step % 8);
            });
        };
        (format!("flip {step}"), Box::new(damage) as Box<dyn Fn(&Path)>)
    });
    let (unharmed, told) = each_damage(cases);
    assert!(told > 500 && unharmed > 10, "{unharmed} unharmed, {told} told");
}

#[test]
fn any_bit_of_the_head_that_flips_is_harmless_or_told() {
    let cases = (0..800_usize).map(|bit| {
        let damage = move |path: &Path| change(path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        (format!("bit {bit}"), Box::new(damage) as Box<dyn Fn(&Path)>)
    });
    let (unharmed, told) = each_damage(cases);
    // Counters of changes and versions of libraries are as good with any value.
    assert!(told > 900 && unharmed > 200, "{unharmed} unharmed, {told} told");
}

#[test]
fn a_file_that_is_cut_or_torn_is_told() {
    let cases = (0..48_usize).map(|step| {
        let damage = move |path: &Path| {
            change(path, |bytes| match step {
                0..16 => bytes.truncate(bytes.len() * step / 16),
                16..32 => bytes.truncate(bytes.len() * (step - 15) / 17 + 1),
                // A stretch that was never written, as after a crash of the machine.
                _ => {
                    let from = bytes.len() * (step - 32) / 16 / 512 * 512;
                    let to = (from + 4096).min(bytes.len());
                    bytes[from..to].fill(0);
                }
            });
        };
        (format!("cut {step}"), Box::new(damage) as Box<dyn Fn(&Path)>)
    });
    let gone: Box<dyn Fn(&Path)> = Box::new(|path| {
        // Without any trace of it, a store that is gone was never there.
        if path.parent().unwrap().join("backup").exists() {
            fs::remove_file(path).unwrap();
        }
    });
    let (_, told) = each_damage(cases.chain([("gone".to_owned(), gone)]));
    assert!(told > 80, "{told}");
}

#[test]
fn a_log_that_is_cut_is_told_and_the_later_of_what_is_whole_is_used() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("store");
    let hit = root.path().join("hit");
    let never = BackupSettings {
        every: Duration::ZERO,
        ..HOURLY
    };
    let mut begun = begin(&dir, &KEY, never, make).unwrap();
    learn(&mut begun.analyzer, 0, 500);
    begun.store.write(begun.analyzer.take_changes(), Some(1)).unwrap();
    begun
        .store
        .connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    for upto in [600, 700, 800] {
        learn(&mut begun.analyzer, upto - 100, upto);
        begun.store.write(begun.analyzer.take_changes(), Some(1)).unwrap();
    }
    // As the files are when the process is killed now.
    let log = fs::metadata(dir.join(format!("{DATABASE}-wal"))).unwrap().len();
    assert!(log > 10_000);
    let all = rows(&begun.store);
    let mut told = 0;
    for step in 0..24_u64 {
        let _ = fs::remove_dir_all(&hit);
        copy_folder(&dir, &hit);
        let _ = fs::remove_file(hit.join(format!("{DATABASE}-shm")));
        let path = hit.join(format!("{DATABASE}-wal"));
        match step % 2 {
            0 => change(&path, |bytes| bytes.truncate((log * step / 24) as usize)),
            _ => change(&path, |bytes| bytes[(log * step / 24) as usize] ^= 0x10),
        }
        let good = examine(&hit).unwrap().good;
        let begun = start(&hit).unwrap();
        if begun.told.is_empty() {
            assert!(
                good && rows(&begun.store) == all,
                "step {step}: silently other rows"
            );
        } else {
            assert!(!good && begun.lost, "step {step}");
            let said = &begun.told[0];
            assert!(
                said.contains("snapshot 4 of 20") && said.contains("lost"),
                "{said}"
            );
            told += 1;
        }
    }
    assert!(told > 15, "{told}");
    // With a copy that has more than what is left, the run goes on from the copy.
    copy_to(&dir, &dir.join("backup/1.db"), 0).unwrap();
    let copied = rows(&Store::open_unchangeable(&dir, &dir.join("backup/1.db")).unwrap());
    let _ = fs::remove_dir_all(&hit);
    copy_folder(&dir, &hit);
    fs::remove_file(hit.join(format!("{DATABASE}-wal"))).unwrap();
    let _ = fs::remove_file(hit.join(format!("{DATABASE}-shm")));
    let before = Store::open_to_read(&hit).unwrap().snapshot;
    let begun = start(&hit).unwrap();
    assert!(
        begun.told[0].contains("goes on from its backup"),
        "{:?}",
        begun.told
    );
    assert_eq!(rows(&begun.store), copied);
    assert!(begun.store.snapshot > before);
}

#[test]
fn a_row_that_does_not_parse_is_told() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    made(dir);
    // With a sum that fits, as a defect of this program would write it.
    let key = "0".repeat(32);
    let sum = super::format::of_learned("findings", &key, b"{\"v\":9,\"row\":");
    Connection::open(dir.join(DATABASE))
        .unwrap()
        .execute(
            "INSERT INTO learned (kind, key, value, sum) VALUES ('findings', ?1, CAST('{\"v\":9,\"row\":' AS BLOB), ?2)",
            (&key, sum),
        )
        .unwrap();
    assert!(!examine(dir).unwrap().good);
    let begun = start(dir).unwrap();
    assert!(
        begun.lost && begun.told[0].contains("goes on from its backup"),
        "{:?}",
        begun.told
    );
}

#[test]
fn a_damaged_copy_is_never_used_and_a_damaged_store_never_copied() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    made(dir);
    let spoil = |path: &Path| {
        change(path, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 64].fill(0xa5);
        })
    };
    // A copy that is asked for while the store is damaged takes the place of nothing.
    let elsewhere = root.path().join("elsewhere.db");
    copy_to(dir, &elsewhere, 0).unwrap();
    let good = fs::read(&elsewhere).unwrap();
    spoil(&dir.join(DATABASE));
    let refused = copy_to(dir, &elsewhere, 0).unwrap_err().to_string();
    assert!(refused.contains("is damaged"), "{refused}");
    assert_eq!(fs::read(&elsewhere).unwrap(), good);
    assert_eq!(
        fs::read_dir(dir)
            .unwrap()
            .filter(|e| { e.as_ref().unwrap().file_name().to_string_lossy().contains(".new") })
            .count(),
        0
    );
    spoil(&dir.join("backup/1.db"));
    let refused = start(dir).unwrap_err().to_string();
    assert!(
        refused.contains("no whole backup (1.db is damaged too") && refused.contains("to begin anew"),
        "{refused}"
    );
    // A copy of one's own in its place goes on, and is not taken for a store that lost its last snapshot.
    for rest in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(dir.join(format!("{DATABASE}{rest}")));
    }
    fs::copy(&elsewhere, dir.join(DATABASE)).unwrap();
    let mut begun = start(dir).unwrap();
    assert!(!begun.lost, "{:?}", begun.told);
    begun.store.write(begun.analyzer.take_changes(), Some(1)).unwrap();
    drop(begun);
    assert_eq!(start(dir).unwrap().told, [""; 0]);
}

#[test]
fn copies_are_kept_as_many_as_asked_for_and_at_the_rate_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let often = BackupSettings {
        every: Duration::from_millis(1),
        keep: 2,
        rate: 0,
    };
    for _ in 0..4 {
        let mut begun = begin(dir, &KEY, often, make).unwrap();
        learn(&mut begun.analyzer, 0, 300);
        begun.store.write(begun.analyzer.take_changes(), Some(1)).unwrap();
        begun.store.close();
    }
    let numbers: Vec<u64> = super::backup::generations(dir)
        .iter()
        .map(|path| Store::open_unchangeable(dir, path).unwrap().snapshot)
        .collect();
    assert_eq!(numbers.len(), 2);
    assert!(numbers[0] > numbers[1], "the newest first: {numbers:?}");
    let to = root.path().join("slow.db");
    let begin = std::time::Instant::now();
    let bytes = fs::metadata(dir.join(DATABASE)).unwrap().len();
    copy_to(dir, &to, bytes).unwrap();
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(500), "{bytes} bytes in {took:?}");
}

#[test]
fn a_store_of_before_is_carried_over() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    made(dir);
    let all = rows(&Store::open_to_read(dir).unwrap());
    // The tables as they were before there were sums.
    let old: PathBuf = dir.join("old.db");
    Connection::open(&old)
        .unwrap()
        .execute_batch(&format!(
            "ATTACH '{}' AS new;
             CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
             CREATE TABLE learned (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
                                   PRIMARY KEY (kind, key)) WITHOUT ROWID;
             INSERT INTO meta SELECT name, value FROM new.meta WHERE name IN ('hash key', 'tapline');
             INSERT INTO learned SELECT kind, key, value FROM new.learned;
             PRAGMA application_id = {};
             PRAGMA user_version = {};",
            dir.join(DATABASE).display(),
            super::format::APPLICATION,
            analyzers::STORE_VERSION
        ))
        .unwrap();
    let dir = root.path().join("older");
    fs::create_dir_all(&dir).unwrap();
    fs::rename(&old, dir.join(DATABASE)).unwrap();
    let readable = Store::open_to_read(&dir).unwrap();
    assert_eq!(rows(&readable), all);
    assert_eq!(
        examine(&dir).unwrap().format.unwrap(),
        analyzers::STORE_VERSION.to_string()
    );
    drop(readable);
    let begun = start(&dir).unwrap();
    assert_eq!(rows(&begun.store), all);
    begun.store.examine().unwrap();
    drop(begun);
    let report = examine(&dir).unwrap();
    assert!(report.good, "{:?}", report.problems);
    assert_eq!(report.format.unwrap(), super::Format::CURRENT.to_string());
}

#[test]
fn more_than_may_be_held_is_written_anew_as_a_whole_once_it_can_be() {
    let root = tempfile::tempdir().unwrap();
    // A file where a folder should be, as a stand-in for a disk that takes nothing.
    let (wall, dir) = (root.path().join("wall"), root.path().join("wall/store"));
    fs::write(&wall, "").unwrap();
    let mut store = Store::unopened(&dir, &KEY, None).unwrap();
    let mut analyzer = make();
    learn(&mut analyzer, 0, 600);
    let some = analyzer.take_changes().count();
    let large = (0..70).map(|n| analyzers::Change {
        table: analyzers::Table::Endpoints,
        key: format!("{n}"),
        value: Some(vec![b'x'; 1 << 20]),
    });
    assert!(store.write_or_hold(large, Some(1)).unwrap_err().may_pass());
    assert!(store.wants_everything());
    // Again in vain, and then with a place to write to.
    analyzer.change_everything();
    assert!(store.write_or_hold(analyzer.take_changes(), Some(1)).is_err());
    fs::remove_file(&wall).unwrap();
    assert!(store.wants_everything());
    analyzer.change_everything();
    store.write_or_hold(analyzer.take_changes(), Some(1)).unwrap();
    assert!(!store.wants_everything() && !store.is_unopened());
    drop(store);
    let stored = rows(&Store::open_to_read(&dir).unwrap());
    assert_eq!(stored.len(), some, "all of it, and nothing else");
    let begun = start(&dir).unwrap();
    assert!(begun.told.is_empty(), "{:?}", begun.told);
}

#[test]
fn files_of_a_store_are_for_its_owner_and_group_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    made(root.path());
    let begun = start(root.path()).unwrap();
    let mut looked = 0;
    for dir in [root.path().to_owned(), root.path().join("backup")] {
        for entry in fs::read_dir(dir)
            .unwrap()
            .flatten()
            .filter(|e| e.path().is_file())
        {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o137, 0, "{} is {mode:o}", entry.path().display());
            looked += 1;
        }
    }
    assert!(looked >= 5, "{looked}");
    drop(begun);
}
