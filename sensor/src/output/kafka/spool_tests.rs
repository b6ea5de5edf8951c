//! The spool by itself: order, restarts, a cap, damage.

use std::fs;
use std::path::PathBuf;

use analyzers::Severity;
use tempfile::TempDir;

use super::*;

const NO_CAP: u64 = 1 << 30;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(dir: &TempDir, cap: u64) -> Spool {
    Spool::open(dir.path(), cap).expect("the spool opens")
}

fn record(n: usize, severity: Severity) -> Record {
    Record {
        topic: Topic::Findings,
        key: n.to_string(),
        value: Some(format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(100)).into_bytes()),
        severity: Some(severity),
        kind: Some("rate_anomaly".to_owned()),
        principal_kind: Some("ai_agent"),
        time_ns: n as u64,
        subject: "GET api.example /".to_owned(),
    }
}

fn fill(spool: &mut Spool, numbers: std::ops::Range<usize>) {
    for n in numbers {
        assert!(spool.append(&record(n, Severity::Low)).expect("room on disk"));
    }
    spool.sync().expect("synced");
}

fn drain(spool: &mut Spool) -> Vec<usize> {
    let mut keys = Vec::new();
    while let Some((serial, record)) = spool.next(1).expect("readable") {
        spool.confirm(serial);
        keys.push(record.key.parse().expect("a number"));
    }
    keys
}

fn segments(dir: &TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir.path())
        .expect("the folder")
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    paths.sort();
    paths
}

fn disk_bytes(dir: &TempDir) -> u64 {
    segments(dir)
        .iter()
        .map(|path| fs::metadata(path).map_or(0, |file| file.len()))
        .sum()
}

#[test]
fn a_record_comes_back_as_it_went_in() {
    let dir = folder();
    let tombstone = Record {
        topic: Topic::Agents,
        value: None,
        severity: None,
        kind: None,
        principal_kind: None,
        ..record(2, Severity::Low)
    };
    let records = [record(1, Severity::Critical), tombstone];
    let mut spool = open(&dir, NO_CAP);
    for record in &records {
        assert!(spool.append(record).expect("room"));
    }
    drop(spool);
    let mut spool = open(&dir, NO_CAP);
    for wanted in &records {
        let (_, got) = spool.next(1).expect("readable").expect("a record");
        assert_eq!(&got, wanted);
    }
    assert!(spool.next(1).expect("readable").is_none());
}

#[test]
fn order_holds_across_restarts_and_what_is_confirmed_is_gone() {
    let dir = folder();
    fill(&mut open(&dir, NO_CAP), 0..10);
    let mut spool = open(&dir, NO_CAP);
    fill(&mut spool, 10..20);
    for n in 0..7 {
        let (serial, record) = spool.next(1).expect("readable").expect("a record");
        assert_eq!(record.key, n.to_string());
        spool.confirm(serial);
    }
    spool.save().expect("saved");
    drop(spool);
    let mut spool = open(&dir, NO_CAP);
    assert_eq!(spool.pending(), 13);
    assert_eq!(drain(&mut spool), (7..20).collect::<Vec<_>>());
    spool.save().expect("saved");
    assert_eq!(segments(&dir), Vec::<PathBuf>::new());
    fill(&mut spool, 20..22);
    drop(spool);
    assert_eq!(drain(&mut open(&dir, NO_CAP)), [20, 21]);
}

#[test]
fn what_was_handed_out_and_not_confirmed_is_uncertain_after_a_kill() {
    let dir = folder();
    let mut spool = open(&dir, NO_CAP);
    fill(&mut spool, 0..3000);
    for _ in 0..10 {
        spool.next(77).expect("readable");
    }
    // Not saved, as when the process is killed here.
    drop(spool);
    let spool = open(&dir, NO_CAP);
    let uncertain = spool.uncertain();
    assert!(
        uncertain.len() >= 10 && uncertain.len() < 3000,
        "{}",
        uncertain.len()
    );
    assert!(uncertain.iter().all(|(_, since)| *since == 77));
    assert_eq!(spool.pending(), 3000);
}

#[test]
fn what_goes_to_the_front_comes_first_also_when_the_front_is_half_confirmed() {
    let dir = folder();
    let mut spool = open(&dir, NO_CAP);
    fill(&mut spool, 100..110);
    for _ in 0..4 {
        let (serial, _) = spool.next(1).expect("readable").expect("a record");
        spool.confirm(serial);
    }
    let front: Vec<(Record, u64)> = (50..60).map(|n| (record(n, Severity::Low), 9)).collect();
    spool.prepend(&front).expect("room");
    let wanted: Vec<usize> = (50..60).chain(104..110).collect();
    drop(spool);
    let mut spool = open(&dir, NO_CAP);
    // Those at the front, and the one read before them.
    assert!(spool.uncertain().len() >= 10);
    assert_eq!(drain(&mut spool), wanted);
    drop(spool);
    assert_eq!(
        open(&dir, NO_CAP).pending(),
        16,
        "not saved, so nothing is confirmed on disk"
    );
}

#[test]
fn a_file_cut_at_any_byte_gives_every_whole_entry() {
    let dir = folder();
    fill(&mut open(&dir, NO_CAP), 0..3);
    let path = segments(&dir).remove(0);
    let whole = fs::read(&path).expect("the file");
    let entry = (whole.len() - MAGIC.len()) / 3;
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        let mut spool = open(&dir, NO_CAP);
        let entries = cut.saturating_sub(MAGIC.len()) / entry;
        let torn = cut > 0
            && cut != MAGIC.len()
            && (cut < MAGIC.len() || !(cut - MAGIC.len()).is_multiple_of(entry));
        assert_eq!(spool.torn, u64::from(torn), "cut at {cut}");
        assert_eq!(
            drain(&mut spool),
            (0..entries).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        drop(spool);
        drop(fs::remove_file(dir.path().join("progress")));
        if !cut.is_multiple_of(16) {
            continue; // saves time: what follows waits for the disk
        }
        let mut spool = open(&dir, NO_CAP);
        // The next process appends behind the damage and loses nothing of its own.
        fill(&mut spool, 7..8);
        drop(spool);
        let mut spool = open(&dir, NO_CAP);
        let wanted: Vec<usize> = (0..entries).chain([7]).collect();
        assert_eq!(drain(&mut spool), wanted, "cut at {cut}, then appended");
        spool.save().expect("saved");
        drop(spool);
        fs::remove_file(dir.path().join("progress")).expect("removed");
    }
}

#[test]
fn a_flipped_bit_is_noticed() {
    let dir = folder();
    fill(&mut open(&dir, NO_CAP), 0..3);
    let path = segments(&dir).remove(0);
    let mut bytes = fs::read(&path).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    let mut spool = open(&dir, NO_CAP);
    assert_eq!(spool.torn, 1);
    assert_eq!(drain(&mut spool), [0]);
}

#[test]
fn over_the_cap_the_lowest_severity_goes_first_and_of_that_the_oldest() {
    let dir = folder();
    let cap = 200 << 10;
    let mut spool = open(&dir, cap);
    let severities = [Severity::Info, Severity::High, Severity::Medium];
    let total = 3000;
    for n in 0..total {
        spool.append(&record(n, severities[n % 3])).expect("room on disk");
        assert!(disk_bytes(&dir) <= cap, "{} bytes after {n}", disk_bytes(&dir));
    }
    let kept = spool.pending() as u64;
    assert_eq!(kept + spool.shed, total as u64);
    drop(spool);
    let mut spool = open(&dir, cap);
    let left = drain(&mut spool);
    assert_eq!(left.len() as u64, kept);
    assert!(left.is_sorted(), "order holds");
    let highs: Vec<usize> = left.iter().copied().filter(|n| n % 3 == 1).collect();
    // The cap does not hold every high one, so the others had to go, but for the last few, which fit into
    // what shedding freed beyond the need.
    let others: Vec<usize> = left.iter().copied().filter(|n| n % 3 != 1).collect();
    assert!(
        others.len() < 30 && others.iter().all(|n| *n > total - 60),
        "{others:?}"
    );
    assert_eq!(highs.last(), Some(&(total - 2)));
    assert!(highs.windows(2).all(|pair| pair[1] - pair[0] == 3), "no hole");
}

#[test]
fn what_matters_less_than_everything_there_is_shed_itself() {
    let dir = folder();
    let mut spool = open(&dir, 20 << 10);
    let mut n = 0;
    while spool.shed == 0 {
        spool.append(&record(n, Severity::High)).expect("room on disk");
        n += 1;
    }
    let highs = |spool: &Spool| spool.by_rank[usize::from(rank(&record(0, Severity::High)))];
    let before = highs(&spool);
    for n in 0..50 {
        spool.append(&record(n, Severity::Low)).expect("room on disk");
        assert_eq!(highs(&spool), before);
    }
    assert!(spool.shed > 40, "{}", spool.shed);
}

#[test]
fn two_processes_do_not_share_a_spool() {
    let dir = folder();
    let held = open(&dir, NO_CAP);
    let error = Spool::open(dir.path(), NO_CAP).expect_err("it is held");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
    open(&dir, NO_CAP);
}

#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = folder();
    fill(&mut open(&dir, NO_CAP), 0..1);
    for path in segments(&dir) {
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn what_this_run_put_there_is_not_of_an_earlier_one() {
    let dir = TempDir::new().expect("a folder");
    let mut spool = Spool::open(dir.path(), 1 << 20).expect("a spool");
    fill(&mut spool, 0..2);
    drop(spool);
    let mut spool = Spool::open(dir.path(), 1 << 20).expect("a spool");
    fill(&mut spool, 2..4);
    spool
        .prepend(&[(record(9, Severity::Low), 1)])
        .expect("room on disk");
    spool.rewind();
    let mut earlier = Vec::new();
    while let Some((serial, record)) = spool.next(1).expect("readable") {
        earlier.push((record.key, spool.confirm(serial)));
    }
    let earlier: Vec<(&str, bool)> = earlier
        .iter()
        .map(|(key, earlier)| (key.as_str(), *earlier))
        .collect();
    assert_eq!(
        earlier,
        [("9", false), ("0", true), ("1", true), ("2", false), ("3", false)]
    );
}
