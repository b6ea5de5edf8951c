//! `tapline doctor` on machines with one fault each: it names the fault and the command that mends it, and that command does.
//!
//! Faults are planted in network namespaces and on small disks in memory; where the machine does not allow that, a test says so
//! and does nothing.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{folder, said, tapline, testdata};

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

/// A namespace with an interface `span`, that is not up yet.
struct Net(String);

impl Net {
    fn new(name: &str) -> Option<Self> {
        let net = Self(format!("tld{name}{}", std::process::id() % 100_000));
        let n = &net.0;
        let made = [
            format!("ip netns add {n}"),
            format!("ip -n {n} link add span type veth peer name other"),
        ];
        let made = made.iter().all(|line| ok(line));
        if !made {
            eprintln!("skipped: this machine does not allow network namespaces (root is needed)");
        }
        made.then_some(net)
    }

    fn up(&self) {
        assert!(ok(&format!("ip -n {} link set other up", self.0)));
        assert!(ok(&format!("ip -n {} link set span up", self.0)));
    }

    fn doctor(&self, config: &Path) -> Output {
        Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.0,
                env!("CARGO_BIN_EXE_tapline"),
                "doctor",
                "-i",
                "span",
                "--config",
            ])
            .arg(config)
            .output()
            .expect("the binary runs")
    }

    /// Does what a mend says, without the `sudo`.
    fn mend(&self, command: &str) {
        assert!(ok(&format!("ip netns exec {} {command}", self.0)), "{command}");
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        ok(&format!("ip netns del {}", self.0));
    }
}

/// A configuration with a key of its own, with which a sound machine has nothing to be said about.
fn config(dir: &Path, more: &str) -> PathBuf {
    let file = dir.join("tapline.toml");
    let text = format!("[privacy]\nhash_key = \"{}\"\n{more}", "7a".repeat(32));
    fs::write(&file, text).expect("a file");
    file
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is said but the notes on the clock, which is that of the machine that runs the tests.
fn without_clock(output: &Output) -> String {
    let text = text(output);
    let mut kept = String::new();
    let mut clock = false;
    for line in text.lines() {
        clock = line.contains("  clock ") || (clock && line.starts_with("      "));
        if !clock {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[test]
fn an_interface_that_is_down_unplugged_or_cut_short_is_named_with_its_mend() {
    let Some(net) = Net::new("i") else { return };
    let out = folder("doctor-interface");
    let sound = config(&out, "");
    let down = net.doctor(&sound);
    assert_eq!(down.status.code(), Some(2), "{}", said(&down));
    assert!(
        text(&down).contains("span is down\n                     mend: sudo ip link set span up"),
        "{}",
        said(&down)
    );
    net.mend("ip link set span up");
    let alone = net.doctor(&sound);
    assert_eq!(alone.status.code(), Some(2), "{}", said(&alone));
    assert!(
        text(&alone).contains("span is up and has no carrier"),
        "{}",
        said(&alone)
    );
    net.up();
    // A sound machine: nothing but one line.
    let fine = net.doctor(&sound);
    assert_eq!(fine.status.code(), Some(0), "{}", said(&fine));
    assert!(
        without_clock(&fine).trim().starts_with("Ready"),
        "{}",
        said(&fine)
    );
    assert_eq!(without_clock(&fine).trim().lines().count(), 1, "{}", said(&fine));
    // Frames longer than what is kept of them.
    let short = config(&out, "[capture]\nsnaplen = 1000\n");
    let cut = net.doctor(&short);
    assert_eq!(cut.status.code(), Some(2), "{}", said(&cut));
    assert!(
        text(&cut).contains("1000 bytes are kept of each frame, and span has frames of up to 1522"),
        "{}",
        said(&cut)
    );
    assert!(
        text(&cut).contains("set capture.snaplen = 65557"),
        "{}",
        said(&cut)
    );
    // Not in promiscuous mode.
    let own = net.doctor(&config(&out, "[capture]\npromiscuous = false\n"));
    assert!(
        text(&own).contains("set capture.promiscuous = true"),
        "{}",
        said(&own)
    );
    if !ok("ethtool --version") {
        eprintln!("skipped: ethtool is not installed, so no offload was planted");
        return;
    }
    net.mend("ethtool -K span gro on tso off");
    let merged = config(&out, "[capture]\nsnaplen = 9000\n");
    let found = net.doctor(&merged);
    assert!(
        text(&found).contains("sudo ethtool -K span gro off tso off gso off"),
        "{}",
        said(&found)
    );
    assert_eq!(found.status.code(), Some(2), "{}", said(&found));
    net.mend("ethtool -K span gro off tso off gso off");
    let mended = net.doctor(&merged);
    assert!(
        without_clock(&mended).trim().starts_with("Ready"),
        "{}",
        said(&mended)
    );
}

#[test]
fn who_may_not_capture_is_told_what_allows_it() {
    let tried = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            env!("CARGO_BIN_EXE_tapline"),
            "doctor",
            "-i",
            "lo",
        ])
        .output();
    let Some(output) = tried.ok().filter(|output| !output.stdout.is_empty()) else {
        eprintln!("skipped: no process without rights can be started here (setpriv, root)");
        return;
    };
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        text(&output).contains("mend: sudo setcap cap_net_raw+ep "),
        "{}",
        said(&output)
    );
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
}

impl Drop for Disk {
    fn drop(&mut self) {
        ok(&format!("umount {}", self.0.display()));
    }
}

#[test]
fn disks_that_are_full_are_named() {
    let out = folder("doctor-disk");
    let Some(disk) = Disk::new(out.join("small"), "8m") else {
        return;
    };
    let place = disk.0.display();
    let store = config(&out, &format!("[store]\ndirectory = \"{place}/store\"\n"));
    let store = tapline(&["doctor", "--config", &store.display().to_string()]);
    assert_eq!(store.status.code(), Some(2), "{}", said(&store));
    assert!(
        text(&store).contains("7 MiB are free for the store in")
            || text(&store).contains("8 MiB are free for the store in"),
        "{}",
        said(&store)
    );
    assert!(
        text(&store).contains(&format!("mend: df -h {place}")),
        "{}",
        said(&store)
    );
    drop(disk);
    let Some(disk) = Disk::new(out.join("small"), "100m") else {
        return;
    };
    let place = disk.0.display();
    // Room, and less of it than the spool may take.
    let spool = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\nconnect_timeout = \"100ms\"\nspool_dir = \"{place}/spool\"\n"
    );
    let spool = config(&out, &spool);
    let spool = tapline(&["doctor", "--config", &spool.display().to_string()]);
    assert!(
        text(&spool).contains("for the spool in") && text(&spool).contains("lower kafka.spool_bytes"),
        "{}",
        said(&spool)
    );
}

#[test]
fn limits_memory_and_a_clock_that_stepped_back_are_named() {
    let out = folder("doctor-host");
    let sound = config(&out, "");
    let few = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 60; exec \"$0\" doctor --config \"$1\"",
            env!("CARGO_BIN_EXE_tapline"),
        ])
        .arg(&sound)
        .output()
        .expect("sh runs");
    assert!(
        text(&few).contains("60 files open at once") && text(&few).contains("LimitNOFILE=256"),
        "{}",
        said(&few)
    );
    let small = Command::new("sh")
        .args([
            "-c",
            "ulimit -f 20480; exec \"$0\" doctor --config \"$1\"",
            env!("CARGO_BIN_EXE_tapline"),
        ])
        .arg(&sound)
        .output()
        .expect("sh runs");
    assert!(text(&small).contains("ulimit -f unlimited"), "{}", said(&small));
    let huge = config(&out, "[limits]\nmemory = \"60GiB\"\n");
    let huge = tapline(&["doctor", "--config", &huge.display().to_string()]);
    assert_eq!(huge.status.code(), Some(2), "{}", said(&huge));
    assert!(text(&huge).contains("set limits.memory = \""), "{}", said(&huge));

    let store = out.join("store").display().to_string();
    let demo = testdata("demo.pcap").display().to_string();
    let key = config(&out, "").display().to_string();
    assert!(
        tapline(&["replay", &demo, "--store", &store, "--config", &key])
            .status
            .success()
    );
    let before = tapline(&["doctor", "--store", &store, "--config", &key]);
    assert!(!text(&before).contains("stepped back"), "{}", said(&before));
    // A snapshot of tomorrow, as it is after the clock was set back by a day.
    let database = rusqlite::Connection::open(Path::new(&store).join("tapline.db")).expect("the store");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let tomorrow = format!(
        "date -u -d @{} +%Y-%m-%dT%H:%M:%S.000000000Z",
        now.as_secs() + 86_400
    );
    let tomorrow = Command::new("sh")
        .args(["-c", &tomorrow])
        .output()
        .expect("date runs");
    let tomorrow = String::from_utf8(tomorrow.stdout)
        .expect("text")
        .trim()
        .to_owned();
    database
        .execute("UPDATE meta SET value = ?1 WHERE name = 'written'", [&tomorrow])
        .expect("a note");
    drop(database);
    let stepped = tapline(&["doctor", "--store", &store, "--config", &key]);
    assert!(
        text(&stepped).contains("it stepped back by 86") && text(&stepped).contains("set-ntp true"),
        "{}",
        said(&stepped)
    );
}

#[test]
fn a_filter_that_is_none_is_told_with_its_place() {
    let out = folder("doctor-filter");
    let file = out.join("tapline.toml");
    for (filter, wrong) in [
        ("tcp port 80 or", true),
        ("tpc port 80", true),
        ("vlan and tcp port 8080", false),
        ("wlan type data", false),
    ] {
        fs::write(&file, format!("[capture]\nfilter = \"{filter}\"\n")).expect("a file");
        let run = tapline(&["config", "check", &file.display().to_string()]);
        let told = said(&run);
        assert_eq!(
            run.status.code(),
            Some(if wrong { 2 } else { 0 }),
            "{filter}: {told}"
        );
        assert_eq!(
            told.contains("2:10  capture.filter is not a filter: "),
            wrong,
            "{filter}: {told}"
        );
    }
}

#[test]
fn a_user_or_address_that_is_not_there_is_a_fault() {
    let out = folder("doctor-user");
    let run = |more: &str| {
        let run = tapline(&["doctor", "--config", &config(&out, more).display().to_string()]);
        (run.status.code(), text(&run))
    };
    let (status, told) = run("[capture]\nuser = \"no-such-user-here\"\n");
    assert_eq!(status, Some(2), "{told}");
    assert!(
        told.contains("there is no user no-such-user-here (capture.user)"),
        "{told}"
    );
    assert!(
        told.contains("mend: sudo useradd --system no-such-user-here"),
        "{told}"
    );
    // An address of the documentation (RFC 5737), which no machine has.
    let (status, told) = run("[http]\nlisten = \"192.0.2.1:9464\"\n");
    assert_eq!(status, Some(2), "{told}");
    assert!(
        told.contains("192.0.2.1:9464 (http.listen) is no address of this machine"),
        "{told}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let (_, told) = run(&format!("[http]\nlisten = \"{address}\"\n"));
    assert!(
        told.contains("is taken already") && !told.contains("FAIL  http"),
        "{told}"
    );
}

#[test]
fn files_are_looked_at_as_the_user_that_a_capture_becomes() {
    use std::os::unix::fs::PermissionsExt as _;
    if !ok("setpriv --reuid nobody true") {
        eprintln!("skipped: only root can become another user");
        return;
    }
    // Where everybody gets to, but into what is root's own.
    let dir = tempfile::tempdir().expect("a folder");
    let rights = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("rights");
    };
    rights(dir.path(), 0o755);
    let (key, store) = (dir.path().join("key"), dir.path().join("store"));
    fs::write(&key, "7a".repeat(32)).expect("a file");
    fs::create_dir(&store).expect("a folder");
    rights(&key, 0o600);
    rights(&store, 0o700);
    let file = dir.path().join("tapline.toml");
    let write = |user: &str| {
        let text = format!(
            "[capture]\nuser = \"{user}\"\n[privacy]\nhash_key_file = \"{}\"\n[store]\ndirectory = \"{}\"\n",
            key.display(),
            store.display()
        );
        fs::write(&file, text).expect("a file");
    };
    let doctor = || text(&tapline(&["doctor", "--config", &file.display().to_string()]));
    write("root");
    let told = doctor();
    assert!(!told.contains("key") && !told.contains("FAIL  store"), "{told}");
    write("nobody");
    let told = doctor();
    assert!(told.contains("FAIL  configuration"), "{told}");
    assert!(
        told.contains("privacy.hash_key_file names") && told.contains("ermission denied"),
        "{told}"
    );
    // Once the key can be read, so can the rest of the configuration, and the store is next.
    ok(&format!("chown nobody {}", key.display()));
    let told = doctor();
    assert!(
        told.contains(&format!("cannot write to the store {}", store.display())),
        "{told}"
    );
    assert!(
        told.contains(&format!("mend: sudo chown -R nobody {}", store.display())),
        "{told}"
    );
    ok(&format!("chown -R nobody {}", store.display()));
    let told = doctor();
    assert!(
        !told.contains("FAIL  store") && !told.contains("FAIL  configuration"),
        "{told}"
    );
}
