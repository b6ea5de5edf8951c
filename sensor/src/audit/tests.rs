//! What is done to a trail shows, wherever it is done.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::trail::{Audit, Head, files};
use super::verify::{Verdict, verify};

const FILE: &str = "audit.jsonl";

/// A trail of so many records.
fn made(dir: &Path, records: u64) -> Head {
    let mut audit = Audit::open(dir).unwrap();
    for n in 1..=records {
        audit
            .append(
                "finding_new",
                json!({ "finding": format!("{n:032x}"), "severity": "high" }),
            )
            .unwrap();
    }
    assert!(verify(dir, &[]).unwrap().good);
    audit.head().clone()
}

fn lines(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join(FILE)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write(dir: &Path, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(dir.join(FILE), text).unwrap();
}

/// The verdict on a trail of twelve records after something was done to its lines.
fn after(change: impl FnOnce(&mut Vec<String>)) -> Verdict {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), 12);
    let mut all = lines(dir.path());
    change(&mut all);
    write(dir.path(), &all);
    verify(dir.path(), &[]).unwrap()
}

#[test]
fn a_record_that_is_changed_in_any_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path(), 3);
    let good = fs::read(dir.path().join(FILE)).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        assert!(!verify(dir.path(), &[]).unwrap().good, "byte {at}");
    }
}

#[test]
fn what_is_taken_out_moved_or_put_in_is_named() {
    for n in 1..11 {
        let verdict = after(|all| {
            all.remove(n);
        });
        assert_eq!(
            verdict.problems,
            [format!(
                "audit.jsonl:{}: record {} is missing before this one",
                n + 1,
                n + 1
            )]
        );
        let verdict = after(|all| all.swap(n, n + 1));
        assert!(verdict.problems.len() >= 2, "{:?}", verdict.problems);
        let verdict = after(|all| all.insert(n + 1, all[n].clone()));
        assert!(
            verdict.problems[0].contains("was moved, or put in again"),
            "{:?}",
            verdict.problems
        );
        let verdict = after(|all| all[n] = all[n].replace("high", "info"));
        assert!(
            verdict.problems[0].contains(&format!("record {} was changed", n + 1)),
            "{:?}",
            verdict.problems
        );
    }
    let verdict = after(|all| {
        all.drain(3..7);
    });
    assert!(
        verdict.problems[0].contains("records 4 to 7 are missing"),
        "{:?}",
        verdict.problems
    );
    let verdict = after(|all| {
        all.drain(..4);
    });
    assert!(
        verdict.problems[0].contains("records 1 to 4 are missing at the beginning"),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn a_record_made_anew_with_a_right_hash_is_found_by_the_next_one() {
    let verdict = after(|all| {
        let body = all[5].replace("high", "info");
        let body = body.split(",\"hash\":").next().unwrap().to_owned();
        all[5] = format!("{body},\"hash\":\"{}\"}}", super::sha256(body.as_bytes()));
    });
    assert_eq!(
        verdict.problems,
        ["audit.jsonl:7: record 7 does not follow from record 6: one of them was replaced"]
    );
}

#[test]
fn an_end_that_is_cut_off_shows_beside_a_head_that_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let head = made(dir.path(), 12);
    let mut all = lines(dir.path());
    all.truncate(9);
    write(dir.path(), &all);
    // A chain alone cannot show it.
    assert!(verify(dir.path(), &[]).unwrap().good);
    let verdict = verify(dir.path(), &[("the store", head.clone())]).unwrap();
    assert_eq!(
        verdict.problems,
        ["the end is cut off: the store says that there was a record 12, and the last is 9"]
    );
    // Nor that everything after a place was written anew.
    let mut audit = Audit::open(dir.path()).unwrap();
    for _ in 0..5 {
        audit.append("finding_new", json!({})).unwrap();
    }
    assert!(verify(dir.path(), &[]).unwrap().good);
    let verdict = verify(dir.path(), &[("--head", head)]).unwrap();
    assert!(
        verdict.problems[0].contains("the chain was made anew"),
        "{:?}",
        verdict.problems
    );
    // Nor that all of it is gone.
    for file in files(dir.path()) {
        fs::remove_file(file).unwrap();
    }
    let gone = verify(
        dir.path(),
        &[(
            "the store",
            Head {
                seq: 14,
                hash: "0".repeat(64),
            },
        )],
    )
    .unwrap();
    assert!(!gone.good);
}

#[test]
fn a_torn_last_line_is_told_and_taken_off_by_the_next_writer_who_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let head = made(dir.path(), 4);
    let whole = fs::read(dir.path().join(FILE)).unwrap();
    let start = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    for cut in [start + 1, start + 40, whole.len() - 1] {
        fs::write(dir.path().join(FILE), &whole[..cut]).unwrap();
        let told = verify(dir.path(), &[]).unwrap();
        assert!(told.problems[0].contains("is torn"), "{:?}", told.problems);
        drop(Audit::open(dir.path()).unwrap());
        assert!(verify(dir.path(), &[]).unwrap().good);
        let last = lines(dir.path()).pop().unwrap();
        assert!(
            last.contains("torn_line_removed") && last.contains("\"seq\":4"),
            "{last}"
        );
        // The record that was torn is gone all the same, which whoever kept its hash sees.
        assert!(!verify(dir.path(), &[("--head", head.clone())]).unwrap().good);
    }
}

#[test]
fn the_chain_goes_on_through_files_and_the_oldest_go_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut heads = Vec::new();
    for n in 0..120 {
        // As many processes would, one after the other.
        let mut audit = Audit::with_bounds(dir.path(), 2_000, 3).unwrap();
        audit
            .append("finding_new", json!({ "finding": format!("{n:032x}") }))
            .unwrap();
        heads.push(audit.head().clone());
    }
    let all = files(dir.path());
    assert_eq!(all.len(), 4, "{all:?}");
    let size: u64 = all.iter().map(|f| fs::metadata(f).unwrap().len()).sum();
    assert!(size < 4 * 2_600, "{size}");
    let verdict = verify(dir.path(), &[("the store", heads.pop().unwrap())]).unwrap();
    assert!(verdict.good && verdict.first > 50, "{verdict:?}");
    // One of long ago went in order.
    assert!(verify(dir.path(), &[("--head", heads[0].clone())]).unwrap().good);
    // Somebody takes away one file more.
    fs::rename(&all[0], dir.path().join("away")).unwrap();
    let verdict = verify(dir.path(), &[]).unwrap();
    assert!(
        verdict.problems[0].contains("are missing at the beginning"),
        "{verdict:?}"
    );
    fs::rename(dir.path().join("away"), &all[0]).unwrap();
    // Or one from the middle, or lets two trade places.
    fs::rename(&all[1], dir.path().join("away")).unwrap();
    assert!(!verify(dir.path(), &[]).unwrap().good);
    fs::rename(&all[2], &all[1]).unwrap();
    fs::rename(dir.path().join("away"), &all[2]).unwrap();
    assert!(!verify(dir.path(), &[]).unwrap().good);
}

/// Many writers, and files so short that most records begin one: whoever comes to a file that another has just begun goes on
/// from its end, and who reads meanwhile sees a chain without a break.
#[test]
fn writers_take_turns_however_often_files_are_begun() {
    for (file_bytes, kept) in [(8_000, 100), (300, 1_000), (300, 3)] {
        let dir = tempfile::tempdir().unwrap();
        let writing = AtomicUsize::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut audit = Audit::with_bounds(dir.path(), file_bytes, kept).unwrap();
                    for _ in 0..50 {
                        audit.append("finding_new", json!({})).unwrap();
                    }
                    writing.fetch_sub(1, Ordering::SeqCst);
                });
            }
            while writing.load(Ordering::SeqCst) > 0 {
                let verdict = verify(dir.path(), &[]).unwrap();
                assert!(verdict.good, "while writing: {:?}", verdict.problems);
            }
        });
        let verdict = verify(dir.path(), &[]).unwrap();
        assert!(verdict.good, "{:?}", verdict.problems);
        let head = verdict.head.unwrap();
        assert!(head.seq >= 200, "{head:?}");
        if kept > 100 {
            assert_eq!(verdict.records, head.seq);
        }
    }
}

/// The newest file is as long as the one before was when this writer wrote last: it is another one all the same.
#[test]
fn a_file_of_the_same_length_is_not_taken_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Audit::with_bounds(dir.path(), 1, 100).unwrap();
    let mut second = Audit::with_bounds(dir.path(), 1, 100).unwrap();
    for _ in 0..8 {
        first.append("finding_new", json!({})).unwrap();
        second.append("finding_new", json!({})).unwrap();
        second.append("finding_new", json!({})).unwrap();
    }
    let verdict = verify(dir.path(), &[]).unwrap();
    assert!(verdict.good, "{:?}", verdict.problems);
}

/// Killed in the middle of the first line of a new file.
#[test]
fn a_torn_line_at_the_beginning_of_a_file_does_not_begin_the_chain_anew() {
    let dir = tempfile::tempdir().unwrap();
    let head = made(dir.path(), 5);
    fs::rename(dir.path().join(FILE), dir.path().join("audit.1.jsonl")).unwrap();
    fs::write(dir.path().join(FILE), "{\"v\":1,\"se").unwrap();
    let mut audit = Audit::open(dir.path()).unwrap();
    audit.append("finding_new", json!({})).unwrap();
    assert_eq!(audit.head().seq, head.seq + 2);
    let verdict = verify(dir.path(), &[("the store", head)]).unwrap();
    assert!(verdict.good, "{:?}", verdict.problems);
}
