//! What happens when things break, with real parts: a live capture of real packets, its store, a real Kafka, real full disks.
//!
//! Packets of the demo are sent into one end of a pair of interfaces that lies in a namespace of its own; the sensor listens at the
//! other. Where the machine does not allow that (root is needed), a test says so and does nothing. `make faults` runs the long ones.

#[path = "support/broker.rs"]
mod broker;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use broker::Broker;
use serde_json::{Value, json};
use support::{folder, lines, said, tapline, testdata};

/// Tells a child process that it sends, and at which rate.
const SENDER: &str = "TAPLINE_TEST_SENDER";
/// And that the hosts of each round have names of their own, so that there is always something new to tell.
const FRESH: &str = "TAPLINE_TEST_FRESH";

fn ok(line: &str) -> bool {
    let mut words = line.split(' ');
    Command::new(words.next().expect("a program"))
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A pair of interfaces: `span` here, and its other end in a namespace.
struct Wire {
    span: String,
    namespace: String,
}

impl Wire {
    fn new(name: &str) -> Option<Self> {
        let id = std::process::id() % 100_000;
        let wire = Self {
            span: format!("tf{name}{id}"),
            namespace: format!("tlf{name}{id}"),
        };
        let (s, n) = (&wire.span, &wire.namespace);
        let made = [
            format!("ip netns add {n}"),
            format!("ip link add {s} type veth peer name other netns {n}"),
            format!("sysctl -qw net.ipv6.conf.{s}.disable_ipv6=1"),
            format!("ip netns exec {n} sysctl -qw net.ipv6.conf.other.disable_ipv6=1"),
            format!("ip link set {s} up"),
            format!("ip -n {n} link set other up"),
        ]
        .iter()
        .all(|line| ok(line));
        if !made {
            eprintln!("skipped: this machine does not allow network namespaces (root is needed)");
        }
        made.then_some(wire)
    }

    /// Sends the demo again and again, so many packets a second, until it is dropped.
    fn send(&self, rate: u32) -> Running {
        self.send_as(rate, "")
    }

    /// The same with other hosts each time, so that findings never end.
    fn send_fresh(&self, rate: u32) -> Running {
        self.send_as(rate, "yes")
    }

    fn send_as(&self, rate: u32, fresh: &str) -> Running {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.namespace])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "sender", "--nocapture"])
            .env(SENDER, rate.to_string())
            .env(FRESH, fresh)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the sender starts");
        Running(child)
    }

    /// A capture with these arguments, which says what it has to say into a file.
    fn capture(&self, out: &Path, arguments: &[String]) -> Sensor {
        let said = out.join("said");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&said)
            .expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_tapline"))
            .args(["capture", "-i", &self.span])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the sensor starts");
        Sensor {
            child: Running(child),
            said,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        ok(&format!("ip link del {}", self.span));
        ok(&format!("ip netns del {}", self.namespace));
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Sensor {
    child: Running,
    said: PathBuf,
}

impl Sensor {
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits until it says this so many times.
    fn says(&mut self, what: &str, times: usize) {
        let start = Instant::now();
        while self.said().matches(what).count() < times {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "it never said {what:?}, but:\n{}",
                self.said()
            );
            let ended = self.child.0.try_wait().expect("its state");
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it in order.
    fn stop(mut self) -> Option<i32> {
        assert!(ok(&format!("kill -TERM {}", self.child.0.id())));
        self.child.0.wait().expect("it ends").code()
    }

    /// Kills it (SIGKILL).
    fn kill(mut self) {
        self.child.0.kill().expect("it is there");
        self.child.0.wait().expect("it is gone");
    }
}

/// Not a test by itself: what the child process of the others does.
#[test]
fn sender() {
    let Some(rate) = std::env::var_os(SENDER) else {
        return;
    };
    let rate: u32 = rate.to_str().and_then(|rate| rate.parse().ok()).expect("a rate");
    let mut demo = fs::read(testdata("demo.pcap")).expect("the demo");
    let names: Vec<usize> = match std::env::var(FRESH).as_deref() {
        Ok("yes") => (0..demo.len() - 8)
            .filter(|at| demo[*at..].starts_with(b"acme.ex"))
            .collect(),
        _ => Vec::new(),
    };
    let mut wire = pcap::Capture::from_device("other")
        .and_then(pcap::Capture::open)
        .expect("the interface");
    let (begin, mut sent) = (Instant::now(), 0_u32);
    for round in 0_u32.. {
        for at in &names {
            let letter = |place: u32| b'a' + u8::try_from(round / 26_u32.pow(place) % 26).expect("a letter");
            demo[at + 1..at + 4].copy_from_slice(&[letter(2), letter(1), letter(0)]);
        }
        let mut at = 24;
        while at + 16 <= demo.len() {
            let number = demo[at + 8..at + 12].try_into().expect("four bytes");
            let length = u32::from_le_bytes(number) as usize;
            // The interface may be down for a while.
            let _ = wire.sendpacket(&demo[at + 16..at + 16 + length]);
            at += 16 + length;
            sent += 1;
            let due = Duration::from_secs(1) * sent / rate;
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
        }
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(40),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn config(out: &Path, more: &str) -> String {
    let file = out.join("tapline.toml");
    fs::write(&file, format!("[store]\nsnapshot_every = \"1s\"\n{more}")).expect("a file");
    text(&file)
}

fn known(store: &Path) -> Vec<Value> {
    let output = tapline(&["findings", "--json", "--store", &text(store)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn check(store: &Path) -> Output {
    tapline(&["store", "check", "--store", &text(store)])
}

/// Kills a capture with store and Kafka at random moments, and looks at what is left.
fn killed(times: u32) {
    let Some(wire) = Wire::new("k") else { return };
    let (kafka, out) = (Broker::up(&[]), folder(&format!("faults-killed-{times}")));
    let store = out.join("store");
    let arguments = [
        "--config".to_owned(),
        config(&out, ""),
        "--store".to_owned(),
        text(&store),
        "--kafka".to_owned(),
        kafka.bootstrap().to_owned(),
    ];
    let _sender = wire.send(1500);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(std::process::id());
    let mut confirmed: BTreeSet<(String, u64)> = BTreeSet::new();
    for round in 1..=times {
        let mut sensor = wire.capture(&out, &arguments);
        sensor.says("listening on", round as usize);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(50 + random % 2500));
        sensor.kill();
        if !store.join("tapline.db").exists() {
            continue;
        }
        let whole = check(&store);
        assert_eq!(whole.status.code(), Some(0), "round {round}: {}", said(&whole));
        // What Kafka confirmed up to now is in the store, in this revision or a later one.
        let there: BTreeMap<String, u64> = known(&store)
            .iter()
            .map(|f| {
                (
                    f["id"].as_str().expect("an id").to_owned(),
                    f["revision"].as_u64().expect("a number"),
                )
            })
            .collect();
        if kafka_has(&kafka, "tapline.findings") {
            confirmed = kafka.read("tapline.findings").iter().map(revision).collect();
        }
        for (id, revision) in &confirmed {
            assert!(
                there.get(id).is_some_and(|known| known >= revision),
                "round {round}: finding {id} of revision {revision} was confirmed, and the store has {:?}",
                there.get(id)
            );
        }
    }
    let mut last = wire.capture(&out, &arguments);
    last.says("listening on", times as usize + 1);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        last.stop(),
        Some(0),
        "{}",
        fs::read_to_string(out.join("said")).unwrap_or_default()
    );
    let all: Vec<(String, u64)> = kafka.read("tapline.findings").iter().map(revision).collect();
    let distinct: BTreeSet<&(String, u64)> = all.iter().collect();
    assert!(!all.is_empty());
    assert_eq!(
        all.len(),
        distinct.len(),
        "the same revision of a finding twice: {all:?}"
    );
    // And all that the store knows is in the topic.
    let told: BTreeMap<&String, u64> = all.iter().map(|(id, revision)| (id, *revision)).collect();
    for finding in known(&store) {
        let id = finding["id"].as_str().expect("an id").to_owned();
        assert_eq!(
            told.get(&id).copied(),
            finding["revision"].as_u64(),
            "finding {id}"
        );
    }
    let chain = tapline(&["audit", "verify", "--store", &text(&store)]);
    assert_eq!(chain.status.code(), Some(0), "{}", said(&chain));
    println!(
        "killed {times} times: {} findings in {} revisions, each once",
        told.len(),
        all.len()
    );
}

fn kafka_has(kafka: &Broker, topic: &str) -> bool {
    let output = Command::new("kcat")
        .args(["-L", "-b", kafka.bootstrap(), "-t", topic])
        .output();
    output.is_ok_and(|o| {
        let text = String::from_utf8_lossy(&o.stdout).into_owned();
        text.contains(topic) && !text.contains("Unknown topic")
    })
}

fn revision(seen: &broker::Seen) -> (String, u64) {
    let value: Value = serde_json::from_str(seen.value.as_deref().expect("a value")).expect("JSON");
    (seen.key.clone(), value["revision"].as_u64().expect("a number"))
}

#[test]
fn killed_at_random_moments_nothing_confirmed_is_lost_and_nothing_comes_twice() {
    killed(5);
}

#[test]
#[ignore = "three minutes; make faults"]
fn killed_at_fifty_random_moments_nothing_confirmed_is_lost_and_nothing_comes_twice() {
    killed(50);
}

/// A small disk in memory.
struct Disk(PathBuf);

impl Disk {
    fn new(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&at).expect("a folder");
        if !ok(&format!("mount -t tmpfs -o size={size} tmpfs {}", at.display())) {
            eprintln!("skipped: this machine does not allow a small disk in memory (root is needed)");
            return None;
        }
        Some(Self(at))
    }

    /// Takes all the room that is left; dropping the file gives it back.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).expect("a file");
        let zeros = vec![0; 4096];
        while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        ok(&format!("umount -l {}", self.0.display()));
    }
}

#[test]
fn a_disk_that_is_full_holds_up_the_store_and_nothing_else_until_there_is_room() {
    let Some(wire) = Wire::new("d") else { return };
    let out = folder("faults-store-full");
    let Some(disk) = Disk::new(out.join("disk"), "24m") else {
        return;
    };
    let store = disk.0.join("store");
    let findings = out.join("findings.jsonl");
    let arguments = [
        "--config".to_owned(),
        config(&out, "backup_every = \"0s\"\n"),
        "--store".to_owned(),
        text(&store),
        "--findings".to_owned(),
        text(&findings),
    ];
    let mut sensor = wire.capture(&out, &arguments);
    sensor.says("listening on", 1);
    wait_for("the store", || store.join("tapline.db").exists());
    let filler = disk.fill();
    let _sender = wire.send(2000);
    sensor.says(
        "the disk is full; what is learned is held in memory until there is room",
        1,
    );
    wait_for("a finding", || !lines(&findings).is_empty());
    fs::remove_file(filler).expect("the file");
    sensor.says("there is room again", 1);
    let told = lines(&findings);
    assert_eq!(sensor.stop(), Some(0));
    assert_eq!(check(&store).status.code(), Some(0), "{}", said(&check(&store)));
    let known: BTreeSet<String> = known(&store).iter().map(|f| f["id"].to_string()).collect();
    assert!(
        told.iter().all(|f| known.contains(&f["id"].to_string())),
        "{known:?}"
    );
}

/// Findings that were told are in the store, and it is whole.
fn has_all(store: &Path, findings: &Path) {
    assert_eq!(check(store).status.code(), Some(0), "{}", said(&check(store)));
    let known: BTreeSet<String> = known(store).iter().map(|f| f["id"].to_string()).collect();
    let told = lines(findings);
    assert!(!told.is_empty());
    let missing: Vec<_> = told
        .iter()
        .filter(|f| !known.contains(&f["id"].to_string()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_capture_begins_on_a_full_disk_and_stores_what_it_learned_when_there_is_room() {
    let Some(wire) = Wire::new("e") else { return };
    let out = folder("faults-store-begins-full");
    let Some(disk) = Disk::new(out.join("disk"), "24m") else {
        return;
    };
    let (store, findings) = (disk.0.join("store"), out.join("findings.jsonl"));
    let arguments = [
        "--config".to_owned(),
        config(&out, "backup_every = \"0s\"\n"),
        "--store".to_owned(),
        text(&store),
        "--findings".to_owned(),
        text(&findings),
    ];
    let _sender = wire.send_fresh(2000);
    // Without a store, and then with one of before.
    for (round, knows) in [
        (1, "the run begins with nothing"),
        (2, "the run begins with what the store knows"),
    ] {
        let filler = disk.fill();
        let before = if round == 1 { 0 } else { known(&store).len() };
        let mut sensor = wire.capture(&out, &arguments);
        sensor.says("listening on", round);
        sensor.says("there is no room for the store", round);
        sensor.says(knows, 1);
        wait_for("findings", || {
            fs::metadata(&findings).is_ok_and(|file| file.len() > 0)
        });
        if round == 1 {
            assert!(
                !store.join("tapline.db").exists(),
                "nothing that looks like a store"
            );
        }
        fs::remove_file(filler).expect("the file");
        sensor.says("there is room again", round);
        assert_eq!(sensor.stop(), Some(0));
        has_all(&store, &findings);
        // And the run is in the audit trail.
        let trail = lines(&store.join("audit.jsonl"));
        let started = trail
            .iter()
            .filter(|record| record["what"] == "run_started")
            .count();
        assert_eq!(started, round, "{trail:?}");
        let chain = tapline(&["audit", "verify", "--store", &text(&store)]);
        assert_eq!(chain.status.code(), Some(0), "{}", said(&chain));
        assert!(known(&store).len() > before, "{before} before");
    }
}

#[test]
fn a_small_disk_that_fills_is_tried_again_until_there_is_room() {
    let Some(wire) = Wire::new("s") else { return };
    let out = folder("faults-store-small");
    let _sender = wire.send_fresh(3000);
    for (round, size) in ["620k", "700k"].into_iter().enumerate() {
        let Some(disk) = Disk::new(out.join(size), size) else {
            return;
        };
        let (store, findings) = (disk.0.join("store"), out.join("findings.jsonl"));
        let arguments = [
            "--config".to_owned(),
            config(&out, "backup_every = \"0s\"\n"),
            "--store".to_owned(),
            text(&store),
            "--findings".to_owned(),
            text(&findings),
        ];
        let mut sensor = wire.capture(&out, &arguments);
        sensor.says(
            "the disk is full; what is learned is held in memory until there is room",
            round + 1,
        );
        // It is tried again and again meanwhile.
        std::thread::sleep(Duration::from_secs(3));
        assert!(ok(&format!("mount -o remount,size=48m {}", disk.0.display())));
        sensor.says("there is room again", round + 1);
        let said = sensor.said();
        assert!(!said.contains("is not kept"), "{said}");
        assert_eq!(sensor.stop(), Some(0), "{said}");
        has_all(&store, &findings);
    }
}

#[test]
fn a_disk_with_room_for_a_part_of_a_snapshot_is_tried_again_until_there_is_room_for_all() {
    let Some(wire) = Wire::new("a") else { return };
    let out = folder("faults-store-partly");
    let Some(disk) = Disk::new(out.join("disk"), "8m") else {
        return;
    };
    let (store, findings) = (disk.0.join("store"), out.join("findings.jsonl"));
    let arguments = [
        "--config".to_owned(),
        config(&out, "backup_every = \"0s\"\n"),
        "--store".to_owned(),
        text(&store),
        "--findings".to_owned(),
        text(&findings),
    ];
    let mut sensor = wire.capture(&out, &arguments);
    sensor.says("listening on", 1);
    let log = store.join("tapline.db-wal");
    wait_for("snapshots", || {
        fs::metadata(&log).is_ok_and(|log| log.len() > 50_000)
    });
    let filler = disk.fill();
    sensor.says(
        "the disk is full; what is learned is held in memory until there is room",
        1,
    );
    // A page more each time: once there is room for the rows and none for the note behind them, and so on.
    let left = File::options().write(true).open(&filler).expect("the file");
    let mut length = left.metadata().expect("its length").len();
    for _ in 0..8 {
        length -= 4096;
        left.set_len(length).expect("room");
        std::thread::sleep(Duration::from_millis(1100));
    }
    fs::remove_file(filler).expect("the file");
    drop(left);
    wait_for("room", || {
        let said = sensor.said();
        said.matches("is held in memory").count() == said.matches("there is room again").count()
    });
    let said = sensor.said();
    assert!(!said.contains("is not kept"), "{said}");
    let _sender = wire.send(2000);
    wait_for("findings", || {
        fs::metadata(&findings).is_ok_and(|file| file.len() > 0)
    });
    assert_eq!(sensor.stop(), Some(0), "{said}");
    has_all(&store, &findings);
}

/// The number before these words, the last time they were said.
fn number_before(said: &str, words: &str) -> u64 {
    let (before, _) = said
        .rsplit_once(words)
        .unwrap_or_else(|| panic!("no {words:?} in\n{said}"));
    let number = before.rsplit(' ').next().unwrap_or_default().replace(',', "");
    number
        .parse()
        .unwrap_or_else(|_| panic!("no number before {words:?} in\n{said}"))
}

#[test]
fn a_file_of_records_goes_on_when_its_disk_has_room_again_and_tells_what_it_lacks() {
    let Some(wire) = Wire::new("o") else { return };
    let out = folder("faults-output-full");
    let Some(disk) = Disk::new(out.join("disk"), "24m") else {
        return;
    };
    let exchanges = disk.0.join("exchanges.jsonl");
    let mut sensor = wire.capture(&out, &["--exchanges".to_owned(), text(&exchanges)]);
    sensor.says("listening on", 1);
    let size = || fs::metadata(&exchanges).map_or(0, |file| file.len());
    let sender = wire.send(3000);
    wait_for("exchanges", || size() > 0);
    let filler = disk.fill();
    sensor.says("it goes on when it can be written again", 1);
    // Longer than what waits in memory lasts.
    std::thread::sleep(Duration::from_secs(4));
    let before = size();
    fs::remove_file(filler).expect("the file");
    sensor.says("records are missing in it", 1);
    wait_for("further exchanges", || size() > before + 100_000);
    // And once more, until its end.
    let _filler = disk.fill();
    sensor.says("it goes on when it can be written again", 2);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(sensor.stop(), Some(4), "it is not whole, and that is told");
    drop(sender);
    let said = fs::read_to_string(out.join("said")).expect("what it said");
    assert_eq!(said.matches("cannot write to").count(), 2, "{said}");
    // Every line is a record, and those that are missing are counted to the last.
    let there = lines(&exchanges).len() as u64;
    assert_eq!(fs::read(&exchanges).expect("the file").last(), Some(&b'\n'));
    let (first, all) = (
        number_before(&said, " records are missing in it"),
        number_before(&said.replace('\n', " "), " records "),
    );
    assert!(
        said.contains(&format!("{} lacks {all} records", text(&exchanges))),
        "{said}"
    );
    assert_eq!(there + all, number_before(&said, " exchanges ("), "{said}");
    assert!(first > 0 && all > first && there > 0);
}

#[test]
fn a_replay_that_may_not_write_says_why_and_leaves_nothing_that_looks_like_a_store() {
    let out = folder("faults-store-limits");
    let (demo, store) = (text(&testdata("demo.pcap")), out.join("store"));
    // Blocks of 1 KiB, as bash counts them.
    for limit in [0, 1, 2, 4, 5, 8, 12, 16, 20, 24] {
        let _ = fs::remove_dir_all(&store);
        let line = format!(
            "ulimit -f {limit}; exec {} replay {demo} --store {}",
            env!("CARGO_BIN_EXE_tapline"),
            text(&store)
        );
        let run = Command::new("bash")
            .args(["-c", &line])
            .output()
            .expect("bash runs");
        assert_eq!(run.status.code(), Some(4), "{limit}: {}", said(&run));
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(told.contains("ulimit -f"), "{limit}: {told}");
        // Either nothing, or a store that is one.
        let checked = check(&store);
        let whole = checked.status.code() == Some(0);
        assert!(
            whole || !store.join("tapline.db").exists(),
            "{limit}: {}",
            said(&checked)
        );
    }
}

#[test]
fn a_spool_that_is_full_sheds_and_says_so_and_delivers_the_rest() {
    let out = folder("faults-spool-full");
    let Some(disk) = Disk::new(out.join("disk"), "64k") else {
        return;
    };
    let kafka = Broker::up(&[]);
    kafka.kill();
    let settings = config(
        &out,
        &format!(
            "[kafka]\nspool_dir = \"{}/spool\"\nconnect_timeout = \"500ms\"\nfinish_timeout = \"2s\"\n",
            disk.0.display()
        ),
    );
    let demo = text(&testdata("demo.pcap"));
    let run = tapline(&[
        "replay",
        &demo,
        "--config",
        &settings,
        "--kafka",
        kafka.bootstrap(),
    ]);
    assert_eq!(run.status.code(), Some(4), "{}", said(&run));
    assert!(
        said(&run).contains("neither confirmed nor kept") || said(&run).contains("shed"),
        "{}",
        said(&run)
    );
    kafka.start();
    // What found room is delivered by the next run, once.
    let none = out.join("none.pcap");
    let demo = fs::read(testdata("demo.pcap")).expect("the demo");
    fs::write(&none, &demo[..24]).expect("a file");
    let run = tapline(&[
        "replay",
        &text(&none),
        "--config",
        &settings,
        "--kafka",
        kafka.bootstrap(),
    ]);
    let told: Vec<String> = kafka
        .read("tapline.inventory")
        .iter()
        .map(|s| s.key.clone())
        .collect();
    let findings = kafka.read("tapline.findings").len();
    assert!(told.len() + findings > 3, "{told:?}\n{}", said(&run));
    let distinct: BTreeSet<&String> = told.iter().collect();
    assert_eq!(distinct.len(), told.len(), "one twice");
}

#[test]
fn an_interface_that_goes_down_is_told_and_capture_goes_on_when_it_is_up() {
    let Some(wire) = Wire::new("i") else { return };
    let out = folder("faults-interface");
    let exchanges = out.join("exchanges.jsonl");
    let mut sensor = wire.capture(
        &out,
        &["--exchanges", &text(&exchanges), "--listen", "127.0.0.1:9466"].map(str::to_owned),
    );
    sensor.says("listening on", 1);
    let _sender = wire.send(1000);
    let count = || fs::read_to_string(&exchanges).map_or(0, |text| text.lines().count());
    wait_for("exchanges", || count() > 20);
    let ready = || -> String {
        let asked = Command::new("curl")
            .args(["-s", "-m", "5", "http://127.0.0.1:9466/readyz"])
            .output();
        String::from_utf8_lossy(&asked.expect("curl runs").stdout).into_owned()
    };
    assert_eq!(ready(), "ready\n");
    assert!(ok(&format!("ip link set {} down", wire.span)));
    sensor.says("is down", 1);
    wait_for("it to be not ready", || {
        ready().starts_with(&format!("not ready\ncapture: {} is down", wire.span))
    });
    std::thread::sleep(Duration::from_secs(1));
    let before = count();
    assert!(ok(&format!("ip link set {} up", wire.span)));
    sensor.says("is up again", 1);
    wait_for("it to be ready", || ready() == "ready\n");
    wait_for("exchanges after it", || count() > before + 20);
    assert_eq!(sensor.stop(), Some(0));
    // Gone altogether: what was seen is reported, and the status tells.
    let mut sensor = wire.capture(&out, &[]);
    sensor.says("listening on", 2);
    assert!(ok(&format!("ip link del {}", wire.span)));
    let ended = sensor.child.0.wait().expect("it ends").code();
    assert_eq!(ended, Some(3), "{}", sensor.said());
    assert!(sensor.said().contains("cannot capture on"), "{}", sensor.said());
}

#[test]
fn a_clock_that_steps_back_an_hour_loses_nothing() {
    let out = folder("faults-clock");
    let demo = fs::read(testdata("demo.pcap")).expect("the demo");
    let number =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    // The second half of the packets an hour earlier, as when the clock of the machine is set.
    let mut stepped = demo.clone();
    let (mut at, mut frames) = (24, Vec::new());
    while at + 16 <= demo.len() {
        frames.push(at);
        at += 16 + number(&demo, at + 8) as usize;
    }
    for at in &frames[frames.len() / 2..] {
        let earlier = number(&demo, *at) - 3600;
        stepped[*at..*at + 4].copy_from_slice(&earlier.to_le_bytes());
    }
    let run = |name: &str, bytes: &[u8]| -> usize {
        let file = out.join(format!("{name}.pcap"));
        fs::write(&file, bytes).expect("a file");
        let exchanges = out.join(format!("{name}.jsonl"));
        let store = out.join(format!("{name}-store"));
        let run = tapline(&[
            "replay",
            &text(&file),
            "--store",
            &text(&store),
            "--exchanges",
            &text(&exchanges),
        ]);
        assert_eq!(run.status.code(), Some(0), "{}", said(&run));
        assert_eq!(check(&store).status.code(), Some(0));
        lines(&exchanges).iter().filter(|e| e["status"].is_u64()).count()
    };
    let (plain, after) = (run("plain", &demo), run("stepped", &stepped));
    // Exchanges that were under way at the step may come apart.
    assert!(after + 8 >= plain, "{after} of {plain}");
}

#[test]
fn a_live_capture_goes_on_every_second_when_the_clock_is_set_back() {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    if !Path::new(library).exists() {
        eprintln!("skipped: faketime is not installed");
        return;
    }
    let Some(wire) = Wire::new("c") else { return };
    let out = folder("faults-clock-live");
    let (store, offset) = (out.join("store"), out.join("offset"));
    fs::write(&offset, "+3600").expect("a file");
    let said = File::create(out.join("said")).expect("a file");
    let child = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args([
            "capture",
            "-i",
            &wire.span,
            "--config",
            &config(&out, ""),
            "--store",
            &text(&store),
        ])
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .expect("the sensor starts");
    let mut sensor = Sensor {
        child: Running(child),
        said: out.join("said"),
    };
    sensor.says("listening on", 1);
    // Its packet time is an hour ahead now; then the clock is set right, and packets are an hour earlier.
    std::thread::sleep(Duration::from_millis(1500));
    fs::write(&offset, "+0").expect("a file");
    let _sender = wire.send(1500);
    let snapshot = || -> u64 {
        let output = tapline(&["store", "check", "--json", "--store", &text(&store)]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        report["snapshot"]["number"].as_u64().unwrap_or(0)
    };
    wait_for("a snapshot", || snapshot() > 0);
    let first = snapshot();
    wait_for("snapshots after the step", || snapshot() >= first + 3);
    assert_eq!(sensor.stop(), Some(0));
}

/// Findings by id and revision, as the sensor wrote them to a file.
fn told(findings: &Path) -> Vec<(String, u64)> {
    lines(findings)
        .iter()
        .map(|f| {
            (
                f["id"].as_str().expect("an id").to_owned(),
                f["revision"].as_u64().expect("a number"),
            )
        })
        .collect()
}

/// A capture with a store and a broker under load, whose findings are also written to a file.
struct Publishing {
    wire: Wire,
    out: PathBuf,
    findings: PathBuf,
    sensor: Sensor,
    sender: Running,
}

impl Publishing {
    /// `more` is further configuration; it ends with keys of `[kafka]`.
    fn begin(wire: Wire, name: &str, kafka: &Broker, bootstrap: &str, more: &str) -> Self {
        let out = folder(name);
        let findings = out.join("findings.jsonl");
        let arguments = [
            "--config".to_owned(),
            config(&out, &format!("[kafka]\nfinish_timeout = \"90s\"\n{more}")),
            "--store".to_owned(),
            text(&out.join("store")),
            "--kafka".to_owned(),
            bootstrap.to_owned(),
            "--findings".to_owned(),
            text(&findings),
        ];
        let mut sensor = wire.capture(&out, &arguments);
        sensor.says("listening on", 1);
        let sender = wire.send_fresh(3000);
        wait_for("a finding", || {
            kafka_has(kafka, "tapline.findings") && !kafka.read("tapline.findings").is_empty()
        });
        Self {
            wire,
            out,
            findings,
            sensor,
            sender,
        }
    }

    /// Waits until more findings were told than there were.
    fn more(&self) {
        let before = told(&self.findings).len();
        wait_for("more findings", || told(&self.findings).len() > before + 3);
    }

    /// Ends it: what the file has, the topic has, in this order and each once.
    fn ends_with_each_once(self, kafka: &Broker) -> usize {
        // What waited comes first; then what is told now arrives too.
        drop(self.sender);
        let said = self.out.join("said");
        assert_eq!(
            self.sensor.stop(),
            Some(0),
            "{}",
            fs::read_to_string(&said).unwrap_or_default()
        );
        let wanted = told(&self.findings);
        let got: Vec<(String, u64)> = kafka.read("tapline.findings").iter().map(revision).collect();
        assert!(wanted.len() > 10);
        assert_eq!(got, wanted, "in order, and each once");
        drop(self.wire);
        wanted.len()
    }
}

/// A broker that goes away under load, for so long.
fn gone_for(name: &str, wire: &str, down: Duration) {
    let Some(wire) = Wire::new(wire) else { return };
    let kafka = Broker::up(&[]);
    let mut run = Publishing::begin(wire, name, &kafka, kafka.bootstrap(), "");
    kafka.kill();
    let begin = Instant::now();
    run.sensor.says("publishing to Kafka is interrupted: ", 1);
    run.sensor.says("records wait in the spool", 1);
    std::thread::sleep(down.saturating_sub(begin.elapsed()));
    run.more();
    kafka.start();
    run.sensor.says("takes records again", 1);
    let told = run.ends_with_each_once(&kafka);
    println!("{told} revisions of findings, each once");
}

#[test]
fn a_broker_that_goes_under_load_gets_every_finding_once_when_it_is_back() {
    gone_for("faults-broker", "b", Duration::from_secs(4));
}

#[test]
#[ignore = "eleven minutes; make faults"]
fn a_broker_that_is_gone_for_ten_minutes_under_load_gets_every_finding_once_when_it_is_back() {
    gone_for("faults-broker-long", "l", Duration::from_secs(600));
}

#[test]
fn a_broker_whose_disk_is_full_gets_every_finding_once_when_there_is_room() {
    let Some(wire) = Wire::new("f") else { return };
    let place = folder("faults-broker-full-disk");
    let Some(disk) = Disk::new(place.join("disk"), "64m") else {
        return;
    };
    let kafka = Broker::up(&["--data", &text(&disk.0.join("data"))]);
    let mut run = Publishing::begin(wire, "faults-broker-full", &kafka, kafka.bootstrap(), "");
    let filler = disk.fill();
    run.sensor.says("publishing to Kafka is interrupted: ", 1);
    run.sensor.says("cannot store records", 1);
    run.more();
    run.sensor.says("records wait in the spool", 1);
    fs::remove_file(filler).expect("the file");
    // Kafka gives up a disk that it could not write once, and its process ends with its last disk.
    wait_for("the broker to end", || !kafka.runs());
    kafka.start();
    run.sensor.says("takes records again", 1);
    run.ends_with_each_once(&kafka);
}

/// A token as the broker of these tests takes it (RFC 7515 appendix A.5, without a signature), for so many seconds from now on.
fn token(seconds: f64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs_f64();
    let part = |value: Value| BASE64.encode(value.to_string());
    format!(
        "{}.{}.",
        part(json!({ "alg": "none" })),
        part(json!({ "sub": "tapline", "iat": now - 60.0, "exp": now + seconds }))
    )
}

/// Puts a file in place as a whole, as managers of secrets and Kubernetes do it.
fn put(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("a file");
    fs::rename(new, file).expect("a file");
}

/// Local ports of the connections to this port of this machine; the sensor alone makes any to it.
fn connections(port: &str) -> BTreeSet<u16> {
    let port: u16 = port.parse().expect("a port");
    let mut local = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let number = |field: &str| {
                let (_, port) = field.rsplit_once(':').expect("an address");
                u16::from_str_radix(port, 16).expect("a port")
            };
            // 01 is a connection that is established.
            if fields[3] == "01" && number(fields[2]) == port {
                local.insert(number(fields[1]));
            }
        }
    }
    local
}

/// A broker that takes tokens, with the topics there already, and configuration that logs in with those of a file.
fn by_token(place: &Path) -> (Broker, PathBuf, String) {
    // The broker ends a connection whose token has run out and was not renewed (KIP-368).
    let kafka = Broker::up(&["--tls-sasl", "--reauth", "60000"]);
    // A capture without packets, published without a token: that makes the topics.
    let empty = place.join("empty.pcap");
    fs::write(&empty, &fs::read(testdata("demo.pcap")).expect("the demo")[..24]).expect("a file");
    let made = tapline(&["replay", &text(&empty), "--kafka", kafka.bootstrap()]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let file = place.join("token");
    let more = format!(
        "security_protocol = \"sasl_ssl\"\ntls_ca = \"{}\"\nsasl_mechanism = \"OAUTHBEARER\"\noauth_token_file = \"{}\"\n",
        kafka.setting("ca"),
        text(&file)
    );
    (kafka, file, more)
}

/// No message has a part of a token in it.
fn is_silent_about_tokens(said: &str) {
    let part = |text: &str| BASE64.encode(text);
    assert!(!said.contains(&part(r#"{"alg":"none"}"#)), "{said}");
    assert!(!said.contains(&part(r#"{"exp""#)[..8]), "{said}");
}

#[test]
fn tokens_of_a_file_are_renewed_on_the_connections_that_are_open() {
    let Some(wire) = Wire::new("t") else { return };
    let place = folder("faults-tokens-file");
    let (kafka, file, more) = by_token(&place);
    put(&file, &token(8.0));
    let ends = Arc::new(AtomicBool::new(false));
    let renewing = std::thread::spawn({
        let (file, ends) = (file.clone(), Arc::clone(&ends));
        move || {
            while !ends.load(Ordering::Relaxed) {
                put(&file, &format!("{}\n", token(8.0)));
                std::thread::sleep(Duration::from_millis(300));
            }
        }
    });
    let bootstrap = kafka.setting("sasl_bootstrap");
    let mut run = Publishing::begin(wire, "faults-tokens", &kafka, bootstrap, &more);
    let (_, port) = bootstrap.rsplit_once(':').expect("a port");
    std::thread::sleep(Duration::from_secs(2));
    let first = connections(port);
    assert!(!first.is_empty());
    let count = || kafka.read("tapline.findings").len();
    for round in 0..3 {
        let before = count();
        std::thread::sleep(Duration::from_secs(8));
        wait_for("findings with the next token", || count() > before);
        let now = connections(port);
        assert!(
            !now.is_empty() && now.is_subset(&first),
            "round {round}: {first:?} were there, and now {now:?}:\n{}",
            run.sensor.said()
        );
    }
    let said = run.sensor.said();
    for word in ["refuses", "interrupted", "token"] {
        assert!(!said.contains(word), "{said}");
    }
    // Whoever renewed it stops doing so: told before the token at hand runs out or when it does, and then the broker refuses it.
    ends.store(true, Ordering::Relaxed);
    renewing.join().expect("it ends");
    run.sensor.says("whose token ran out at", 1);
    run.sensor.says("publishing to Kafka is interrupted: ", 1);
    run.more();
    put(&file, "");
    run.sensor.says("which is empty", 1);
    fs::remove_file(&file).expect("the file");
    run.sensor.says("which cannot be read (No such file", 1);
    run.sensor.says("there is no new token for Kafka: ", 3);
    assert!(!run.sensor.said().contains("takes records again"));
    put(&file, &token(600.0));
    run.sensor.says("takes records again", 1);
    run.more();
    is_silent_about_tokens(&run.sensor.said());
    run.ends_with_each_once(&kafka);
}

#[test]
#[ignore = "half a minute; make faults"]
fn tokens_that_librdkafka_makes_itself_are_renewed_on_the_connections_that_are_open() {
    let Some(wire) = Wire::new("u") else { return };
    let kafka = Broker::up(&["--tls-sasl", "--reauth", "60000"]);
    let more = format!(
        "security_protocol = \"sasl_ssl\"\ntls_ca = \"{}\"\n[kafka.options]\n\"sasl.mechanisms\" = \"OAUTHBEARER\"\n\
         \"enable.sasl.oauthbearer.unsecure.jwt\" = \"true\"\n\
         \"sasl.oauthbearer.config\" = \"principal=tapline lifeSeconds=8\"\n",
        kafka.setting("ca")
    );
    let run = Publishing::begin(
        wire,
        "faults-tokens-unsecured",
        &kafka,
        kafka.setting("sasl_bootstrap"),
        &more,
    );
    let count = || kafka.read("tapline.findings").len();
    for _ in 0..3 {
        let before = count();
        std::thread::sleep(Duration::from_secs(8));
        wait_for("findings with the next token", || count() > before);
    }
    let said = run.sensor.said();
    assert!(
        !said.contains("refuses") && !said.contains("interrupted"),
        "{said}"
    );
    run.ends_with_each_once(&kafka);
}

#[test]
fn a_password_that_runs_out_is_told_and_its_successor_is_taken_up_while_it_runs() {
    let Some(wire) = Wire::new("p") else { return };
    // A login holds for three seconds, so what the broker was told last is what counts.
    let kafka = Broker::up(&["--tls-sasl", "--reauth", "3000"]);
    let place = folder("faults-password-file");
    let password = place.join("password");
    fs::write(&password, kafka.setting("sasl_password")).expect("a file");
    let more = format!(
        "security_protocol = \"sasl_ssl\"\ntls_ca = \"{}\"\nsasl_mechanism = \"SCRAM-SHA-512\"\n\
         sasl_username = \"{}\"\nsasl_password_file = \"{}\"\n",
        kafka.setting("ca"),
        kafka.setting("sasl_username"),
        text(&password)
    );
    let mut run = Publishing::begin(
        wire,
        "faults-password",
        &kafka,
        kafka.setting("sasl_bootstrap"),
        &more,
    );
    kafka.password("its-successor");
    run.sensor.says("publishing to Kafka is interrupted: ", 1);
    run.sensor.says("the broker refuses the login", 1);
    run.more();
    assert!(
        !run.sensor.said().contains("takes records again"),
        "{}",
        run.sensor.said()
    );
    // As a manager of secrets does it, without a word to the sensor.
    fs::write(place.join("new"), "its-successor\n").expect("a file");
    fs::rename(place.join("new"), &password).expect("a file");
    run.sensor.says("takes records again", 1);
    run.more();
    let said = run.sensor.said();
    assert!(
        !said.contains("its-successor") && !said.contains(kafka.setting("sasl_password")),
        "{said}"
    );
    run.ends_with_each_once(&kafka);
}
