//! A capture that somebody means harm to: thousands of broken frames, and the sensor is what it was before them.
//!
//! What the kernel refuses such a process is tested beside the filter itself, in `sensor/src/privileges.rs`.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::exposition::{self, Metrics, value};
use support::net::{Cable, ok, send_if_asked, wait_for};
use support::servers::Running;
use support::{folder, testdata};

const LISTEN: &str = "127.0.0.1:9465";
/// Frames that are broken on purpose.
const FRAMES: usize = 8000;

#[test]
fn sender() {
    send_if_asked();
}

/// xorshift64*: the same frames in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).expect("31 bits") % most.max(1)
    }
}

/// Frames of a capture file (pcap, little endian).
fn frames(file: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(file).expect("a capture");
    let mut frames = Vec::new();
    let mut at = 24;
    while at + 16 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().expect("four bytes")) as usize;
        frames.push(bytes[at + 16..at + 16 + length].to_vec());
        at += 16 + length;
    }
    frames
}

/// Values at which lengths and offsets go wrong.
const EDGES: [u8; 8] = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x0f, 0xf0];

/// A frame of the capture, broken in one to three ways.
fn broken(whole: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut frame = whole[random.below(whole.len())].clone();
    for _ in 0..=random.below(3) {
        let length = frame.len();
        match random.below(8) {
            // Bits, anywhere and in the headers.
            0 => (0..=random.below(16)).for_each(|_| frame[random.below(length)] ^= 1 << random.below(8)),
            1 => (0..=random.below(4)).for_each(|_| {
                frame[12 + random.below(length.min(80) - 12)] ^= 1 << random.below(8);
            }),
            // Lengths: of IP, of the header of TCP, of UDP; and numbers in what is carried.
            2 => {
                let at = [16, 17, 14, 46, 47, 38, 39][random.below(7)].min(length - 1);
                frame[at] = EDGES[random.below(EDGES.len())];
            }
            3 => frame
                .iter_mut()
                .skip(54)
                .filter(|byte| byte.is_ascii_digit())
                .for_each(|byte| *byte = b"0123456789fF-x"[random.below(14)]),
            // Cut short, but for its link layer.
            4 => frame.truncate(14 + random.below(length - 14)),
            // The beginning of one and the end of another.
            5 => {
                let other = &whole[random.below(whole.len())];
                frame.truncate(14 + random.below(length - 14));
                frame.extend_from_slice(&other[random.below(other.len())..]);
            }
            // A part of it again and again.
            6 => {
                let from = 14 + random.below(length - 14);
                let piece = frame[from..length.min(from + 1 + random.below(40))].to_vec();
                (0..random.below(400)).for_each(|_| frame.extend_from_slice(&piece));
            }
            // Bytes of no meaning.
            _ => (0..=random.below(64)).for_each(|_| {
                let at = 14 + random.below(frame.len() - 14);
                frame.insert(
                    at,
                    EDGES[random.below(EDGES.len())] ^ random.below(2).to_le_bytes()[0],
                );
            }),
        }
        frame.truncate(60_000);
        frame.resize(frame.len().max(20), 0);
    }
    frame
}

fn write(file: &Path, frames: &[Vec<u8>]) {
    let mut bytes = fs::read(testdata("demo.pcap")).expect("the demo")[..24].to_vec();
    // Frames may be larger than those of the demo.
    bytes[16..20].copy_from_slice(&65_535_u32.to_le_bytes());
    for frame in frames {
        let length = u32::try_from(frame.len()).expect("a small frame").to_le_bytes();
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(frame);
    }
    fs::write(file, bytes).expect("a capture");
}

/// The process as proc(5) shows it.
struct Process(u32);

impl Process {
    fn file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0)).expect("it runs")
    }

    /// What its open descriptors are that are no files.
    fn sockets(&self) -> BTreeSet<String> {
        fs::read_dir(format!("/proc/{}/fd", self.0))
            .expect("it runs")
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|to| to.display().to_string())
            .filter(|to| to.starts_with("socket:"))
            .collect()
    }

    /// Programs and libraries that it may run code of.
    fn code(&self) -> BTreeSet<String> {
        self.file("maps")
            .lines()
            .filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.contains('x')))
            .filter_map(|line| Some(line.split_once('/')?.1.to_owned()))
            .collect()
    }

    /// Processes that it started.
    fn children(&self) -> Vec<String> {
        let all = fs::read_dir("/proc").expect("processes").flatten();
        let is_child = |stat: &String| {
            let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            rest.split(' ').nth(1) == Some(&self.0.to_string())
        };
        all.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
            .filter(is_child)
            .collect()
    }

    fn says(&self, name: &str) -> String {
        let status = self.file("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:\t")));
        line.expect("the kernel tells it").trim().to_owned()
    }
}

#[test]
fn thousands_of_broken_frames_leave_a_confined_capture_as_it_was() {
    let Some(cable) = Cable::new("x") else { return };
    let out = folder("hostile");
    let at = |name: &str| out.join(name).display().to_string();
    let config = at("tapline.toml");
    fs::write(&config, "[store]\nsnapshot_every = \"1s\"\n").expect("written");
    let whole = frames(&testdata("demo.pcap"));
    let mut random = Random(0x7461_706c_696e_6521);
    let broken: Vec<Vec<u8>> = (0..FRAMES).map(|_| broken(&whole, &mut random)).collect();
    let different = broken.iter().filter(|frame| !whole.contains(frame)).count();
    assert!(different > FRAMES * 9 / 10, "{different} frames are broken");
    let hostile = out.join("hostile.pcap");
    write(&hostile, &broken);

    let address: SocketAddr = LISTEN.parse().expect("an address");
    let mut sensor = Running::start(
        cable
            .within(env!("CARGO_BIN_EXE_tapline"))
            .args(["capture", "-i", "span", "--listen", LISTEN, "--config", &config])
            .args(["--store", &at("store"), "--exchanges", &at("exchanges.jsonl")])
            .args(["--findings", &at("findings.jsonl")])
            .stdout(Stdio::null())
            .stderr(fs::File::create(out.join("said")).expect("a file")),
    );
    let metrics = || -> Metrics {
        let (status, text) = cable.get(address, "/metrics");
        assert_eq!(
            status,
            200,
            "{}",
            fs::read_to_string(out.join("said")).unwrap_or_default()
        );
        exposition::read(&text).expect("metrics")
    };
    wait_for("the sensor to be ready", || {
        cable.get(address, "/readyz").0 == 200
    });
    let process = Process(sensor.0.id());
    // The packet socket and the one that is listened on; that of whoever asked just now goes.
    wait_for("connections to be over", || process.sockets().len() == 2);
    let (sockets, code, exe) = (process.sockets(), process.code(), process.file("cmdline"));
    assert!(code.iter().any(|file| file.ends_with("/tapline")), "{code:?}");

    // While they come, it is looked all the time.
    let (over, mut looks) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            cable.send(&hostile, "sender");
            std::thread::sleep(Duration::from_secs(1));
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            assert_eq!(process.children(), Vec::<String>::new());
            assert_eq!(process.sockets(), sockets);
            looks += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert!(looks > 20, "{looks} looks");

    let sent = broken.len() as f64;
    wait_for("every frame to be counted", || {
        value(&metrics(), "tapline_packets_total") >= sent
    });
    let now = metrics();
    assert_eq!(value(&now, "tapline_packets_total"), sent);
    assert_eq!(value(&now, "tapline_capture_kernel_dropped_packets_total"), 0.0);
    assert_eq!(cable.get(address, "/healthz"), (200, "healthy\n".to_owned()));
    // It goes on doing its work: the same frames whole are exchanges, and are stored.
    let (before, stored) = (
        value(&now, "tapline_exchanges_total"),
        value(&now, "tapline_store_snapshots_total"),
    );
    cable.send(&testdata("demo.pcap"), "sender");
    wait_for("exchanges and snapshots after them", || {
        let now = metrics();
        value(&now, "tapline_packets_total") >= sent + whole.len() as f64
            && value(&now, "tapline_exchanges_total") > before + 100.0
            && value(&now, "tapline_store_snapshots_total") > stored
    });

    for (name, wanted) in [
        ("Seccomp", "2"),
        ("NoNewPrivs", "1"),
        ("CapInh", "0000000000000000"),
    ] {
        assert_eq!(process.says(name), wanted, "{name}");
    }
    assert_eq!(process.children(), Vec::<String>::new());
    wait_for("connections to be over", || process.sockets() == sockets);
    assert_eq!(process.code(), code, "code of other files");
    assert_eq!(process.file("cmdline"), exe);
    let own = format!("{}/", process.0);
    let status = |name: &str| fs::read_to_string(format!("/proc/{own}{name}/status")).expect("a thread");
    for task in fs::read_dir(format!("/proc/{own}task"))
        .expect("threads")
        .flatten()
    {
        let text = status(&format!("task/{}", task.file_name().to_string_lossy()));
        assert!(
            text.contains("Seccomp:\t2") && text.contains("NoNewPrivs:\t1"),
            "{text}"
        );
    }
    let sent_back = cable
        .within("cat")
        .arg("/sys/class/net/span/statistics/tx_packets")
        .output()
        .expect("the counter");
    assert_eq!(
        String::from_utf8_lossy(&sent_back.stdout).trim(),
        "0",
        "frames were sent"
    );
    assert!(ok("kill", &["-TERM", &process.0.to_string()]));
    let ended = sensor.0.wait().expect("it ends");
    let said = fs::read_to_string(out.join("said")).expect("what it said");
    assert_eq!(ended.code(), Some(0), "{said}");
    assert!(!said.contains("panicked") && !said.contains("defect"), "{said}");
    let checked = support::tapline(&["store", "check", "--store", &at("store")]);
    assert_eq!(checked.status.code(), Some(0), "{}", support::said(&checked));
}
