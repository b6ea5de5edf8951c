//! Several interfaces as one: a network tap sends the two directions of a link to two of them.
//!
//! Needs root and `ip`; where the machine does not allow it, the tests say so and do nothing.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::exposition::{self, Metrics, labelled};
use support::net::{Cable, ok, wait_for};
use support::{folder, lines, said, tapline, testdata};

/// What tells this binary that it sends: `both`, or all on `out`.
const SENDS: &str = "TAPLINE_TEST_DIRECTIONS";
/// What tells it that it records what comes in, and the file for that.
const RECORDS: &str = "TAPLINE_TEST_RECORDS";
/// Packets a second, so that no more than some megabits are sent.
const RATE: u32 = 2500;

/// The frames of the demo.
fn demo() -> Vec<Vec<u8>> {
    let mut file = pcap::Capture::from_file(testdata("demo.pcap")).expect("the demo");
    let mut frames = Vec::new();
    while let Ok(packet) = file.next_packet() {
        frames.push(packet.data.to_vec());
    }
    frames
}

/// Whether a frame goes in one of the two directions of its conversation; what is none goes there too.
fn is_one_way(frame: &[u8]) -> bool {
    let mut at = 12;
    while frame[at..at + 2] == [0x81, 0] || frame[at..at + 2] == [0x88, 0xa8] {
        at += 4;
    }
    let ip = &frame[at + 2..];
    let (from, to, ports) = match frame[at..at + 2] {
        [0x08, 0x00] => (&ip[12..16], &ip[16..20], usize::from(ip[0] & 15) * 4),
        [0x86, 0xdd] => (&ip[8..24], &ip[24..40], 40),
        _ => return true,
    };
    let port = |at: usize| ip.get(at..at + 2).unwrap_or_default();
    (from, port(ports)) <= (to, port(ports + 2))
}

/// Not a test by itself: what the child process of the others does.
#[test]
fn sender() {
    let Some(how) = std::env::var_os(SENDS) else {
        return;
    };
    let open = |name: &str| {
        pcap::Capture::from_device(name)
            .and_then(pcap::Capture::open)
            .expect("an interface")
    };
    let (mut one, mut two) = (open("out"), (how == "both").then(|| open("out2")));
    let begin = Instant::now();
    for (sent, frame) in (1_u32..).zip(demo()) {
        match &mut two {
            Some(two) if !is_one_way(&frame) => two.sendpacket(frame),
            _ => one.sendpacket(frame),
        }
        .expect("sent");
        let due = Duration::from_secs(1) * sent / RATE;
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
}

/// Not a test by itself either: takes what comes in on both interfaces until a file says that this is all, and writes it in the order of
/// its times.
#[test]
fn recorder() {
    let Some(file) = std::env::var_os(RECORDS).map(PathBuf::from) else {
        return;
    };
    let open = |name: &str| {
        pcap::Capture::from_device(name)
            .expect("an interface")
            .precision(pcap::Precision::Nano)
            .immediate_mode(true)
            .buffer_size(32 << 20)
            .open()
            .and_then(pcap::Capture::setnonblock)
            .expect("an interface")
    };
    let mut captures = [open("span"), open("span2")];
    fs::write(file.with_extension("begun"), "").expect("a file");
    let mut frames: Vec<(i64, i64, Vec<u8>)> = Vec::new();
    while !file.with_extension("all").exists() {
        for capture in &mut captures {
            while let Ok(packet) = capture.next_packet() {
                let ts = packet.header.ts;
                frames.push((ts.tv_sec, ts.tv_usec, packet.data.to_vec()));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    frames.sort_by_key(|(seconds, nanos, _)| (*seconds, *nanos));
    // Nanoseconds (0xa1b23c4d), version 2.4, Ethernet.
    let mut out = Vec::new();
    for number in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        out.extend(number.to_le_bytes());
    }
    for (seconds, nanos, data) in frames {
        let number = |n: i64| u32::try_from(n).expect("a number").to_le_bytes();
        let length = number(i64::try_from(data.len()).expect("a length"));
        out.extend([number(seconds), number(nanos), length, length].concat());
        out.extend(data);
    }
    fs::write(&file, out).expect("a file");
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A namespace with two cables, `out` to `span` and `out2` to `span2`.
struct Tap {
    cable: Cable,
    out: PathBuf,
}

impl Tap {
    fn new(name: &str) -> Option<Self> {
        let tap = Self {
            cable: Cable::new(name)?,
            out: folder(&format!("interfaces-{name}")),
        };
        tap.ip("link add out2 mtu 65535 type veth peer name span2");
        tap.ip("link set span2 mtu 65535");
        tap.ip("link set span2 up");
        tap.ip("link set out2 up");
        Some(tap)
    }

    fn ip(&self, line: &str) {
        let status = self.cable.within("ip").args(line.split(' ')).status();
        assert!(status.expect("ip runs").success(), "{line}");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    fn again(&self, test: &str) -> std::process::Command {
        let exe = std::env::current_exe().expect("this binary");
        let mut command = self.cable.within(&exe.display().to_string());
        command.args(["--exact", test, "--nocapture"]);
        command
    }

    fn sends(&self, how: &str) {
        let output = self.again("sender").env(SENDS, how).output().expect("it runs");
        assert!(output.status.success(), "{}", said(&output));
    }

    /// A capture of both; what it says goes to a file.
    fn capture(&self, listen: &str, more: &[&str]) -> Running {
        let file = fs::File::create(self.at("said")).expect("a file");
        let child = self
            .cable
            .within(env!("CARGO_BIN_EXE_tapline"))
            .args(["capture", "-i", "span", "-i", "span2", "--listen", listen])
            .args(more)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the sensor starts");
        let address: SocketAddr = listen.parse().expect("an address");
        wait_for("the sensor to be ready", || {
            self.cable.get(address, "/readyz").0 == 200
        });
        Running(child)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.at("said")).unwrap_or_default()
    }

    fn says(&self, what: &str) {
        let start = Instant::now();
        while !self.said().contains(what) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "it never said {what:?}, but:\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn metrics(&self, listen: &str) -> Metrics {
        let (status, text) = self.cable.get(listen.parse().expect("an address"), "/metrics");
        assert_eq!(status, 200);
        exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

fn of(metrics: &Metrics, name: &str, interface: &str) -> f64 {
    labelled(metrics, name, &[("interface", interface)])
}

fn stop(mut sensor: Running) -> Option<i32> {
    assert!(ok("kill", &["-TERM", &sensor.0.id().to_string()]));
    sensor.0.wait().expect("it ends").code()
}

/// How often each of these is there, by what tells it apart wherever its packets were stamped: the kernel stamps a frame for each of those
/// who listen.
fn counted(file: &Path, fields: &[&str]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for record in lines(file) {
        let field = |name: &&str| -> &Value { record.pointer(name).unwrap_or(&Value::Null) };
        let words: Vec<String> = fields.iter().map(|name| field(name).to_string()).collect();
        *all.entry(words.join(" ")).or_default() += 1;
    }
    all
}

#[test]
fn the_two_directions_on_two_interfaces_are_what_a_replay_of_both_in_one_file_is() {
    let Some(tap) = Tap::new("b") else { return };
    let record = tap.at("both.pcap");
    let mut recorder = Running(
        tap.again("recorder")
            .env(RECORDS, &record)
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs"),
    );
    wait_for("the recorder", || record.with_extension("begun").exists());
    let text = |path: PathBuf| path.display().to_string();
    let outputs = |which: &str| {
        [
            "--exchanges".to_owned(),
            text(tap.at(&format!("{which}-exchanges.jsonl"))),
            "--findings".to_owned(),
            text(tap.at(&format!("{which}-findings.jsonl"))),
            "--flows".to_owned(),
            text(tap.at(&format!("{which}-flows.jsonl"))),
        ]
    };
    let live = outputs("live");
    let listen = "127.0.0.1:9466";
    let sensor = tap.capture(listen, &live.each_ref().map(String::as_str));
    tap.sends("both");
    let frames = demo();
    let wanted = frames.len() as f64;
    wait_for("all frames", || {
        let metrics = tap.metrics(listen);
        of(&metrics, "tapline_interface_received_packets_total", "span")
            + of(&metrics, "tapline_interface_received_packets_total", "span2")
            >= wanted
    });
    let one_way = frames.iter().filter(|frame| is_one_way(frame)).count() as f64;
    let metrics = tap.metrics(listen);
    assert_eq!(
        of(&metrics, "tapline_interface_received_packets_total", "span"),
        one_way
    );
    assert_eq!(
        of(&metrics, "tapline_interface_received_packets_total", "span2"),
        wanted - one_way
    );
    std::thread::sleep(Duration::from_millis(300));
    fs::write(record.with_extension("all"), "").expect("a file");
    assert!(recorder.0.wait().expect("it ends").success());
    assert_eq!(stop(sensor), Some(0), "{}", tap.said());
    assert!(tap.said().contains("the interfaces are open"), "{}", tap.said());
    assert!(tap.said().contains("listening on span, span2"), "{}", tap.said());
    let replayed = outputs("replayed");
    let mut arguments = vec!["replay".to_owned(), text(record)];
    arguments.extend(replayed);
    let run = tapline(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    for (what, fields) in [
        (
            "exchanges",
            &[
                "/flow/client",
                "/flow/server",
                "/flow/index",
                "/method",
                "/host",
                "/target",
                "/status",
                "/request",
                "/response",
                "/flags",
                "/endpoint",
                "/principal",
            ][..],
        ),
        (
            "flows",
            &["/client", "/server", "/packets", "/bytes", "/app", "/flags"][..],
        ),
        ("findings", &["/kind", "/principal/id", "/resource"][..]),
    ] {
        let of = |which: &str| counted(&tap.at(&format!("{which}-{what}.jsonl")), fields);
        let (live, replayed) = (of("live"), of("replayed"));
        assert!(live.len() > 20, "{what}: {}", live.len());
        for (record, count) in &replayed {
            assert_eq!(live.get(record), Some(count), "{what}: {record}");
        }
        assert_eq!(live.len(), replayed.len(), "{what}");
        println!("{what}: {} live and replayed", live.values().sum::<usize>());
    }
}

#[test]
fn one_that_goes_down_or_away_is_named_and_the_other_goes_on() {
    let Some(tap) = Tap::new("d") else { return };
    let listen = "127.0.0.1:9467";
    let sensor = tap.capture(listen, &["--findings", "/dev/null"]);
    let address: SocketAddr = listen.parse().expect("an address");
    let received = |interface: &str| {
        of(
            &tap.metrics(listen),
            "tapline_interface_received_packets_total",
            interface,
        )
    };
    let all = demo().len() as f64;
    tap.ip("link set span2 down");
    tap.says("span2 is down, and nothing is captured on it until it is up: sudo ip link set span2 up");
    wait_for("not to be ready", || {
        let (status, text) = tap.cable.get(address, "/readyz");
        status == 503 && text.contains("span2 is down") && !text.contains("span is down")
    });
    assert_eq!(of(&tap.metrics(listen), "tapline_interface_up", "span"), 1.0);
    assert_eq!(of(&tap.metrics(listen), "tapline_interface_up", "span2"), 0.0);
    tap.sends("all on out");
    wait_for("frames of the other", || received("span") == all);
    tap.ip("link set span2 up");
    tap.says("span2 is up again after");
    wait_for("to be ready", || tap.cable.get(address, "/readyz").0 == 200);
    tap.sends("both");
    wait_for("frames of both", || {
        received("span") + received("span2") == 2.0 * all && received("span2") > 0.0
    });
    tap.ip("link del span2");
    tap.says("cannot capture on span2: ");
    tap.says("; the capture goes on without span2, on span");
    wait_for("not to be ready", || {
        let (status, text) = tap.cable.get(address, "/readyz");
        status == 503 && text.contains("span2 is gone")
    });
    let before = received("span");
    tap.sends("all on out");
    wait_for("frames of the one that is left", || {
        received("span") == before + all
    });
    // That one was lost is told by the status.
    assert_eq!(stop(sensor), Some(3), "{}", tap.said());
}

#[test]
fn drops_of_each_interface_are_counted() {
    let Some(tap) = Tap::new("l") else { return };
    let config = tap.at("tapline.toml");
    fs::write(
        &config,
        "[capture]\nbuffer = \"1MiB\"\ninterface = [\"span2\", \"span\"]\n",
    )
    .expect("a file");
    let listen = "127.0.0.1:9468";
    let text = |path: PathBuf| path.display().to_string();
    let sensor = tap.capture(
        listen,
        &["--config", &text(config), "--flows", &text(tap.at("flows.jsonl"))],
    );
    // `ip netns exec` becomes the sensor.
    let pid = sensor.0.id().to_string();
    assert!(ok("kill", &["-STOP", &pid]));
    tap.sends("all on out");
    assert!(ok("kill", &["-CONT", &pid]));
    let all = demo().len() as f64;
    let mut seen = BTreeMap::new();
    wait_for("all to be counted", || {
        let metrics = tap.metrics(listen);
        for interface in ["span", "span2"] {
            for what in ["received", "kernel_dropped"] {
                let name = format!("tapline_interface_{what}_packets_total");
                seen.insert((interface, what), of(&metrics, &name, interface));
            }
        }
        seen[&("span", "received")] == all
    });
    assert!(seen[&("span", "kernel_dropped")] > 0.0, "{seen:?}");
    assert_eq!(seen[&("span2", "received")], 0.0, "{seen:?}");
    assert_eq!(seen[&("span2", "kernel_dropped")], 0.0, "{seen:?}");
    assert_eq!(stop(sensor), Some(0));
    assert!(
        tap.said().contains("dropped by the kernel (buffer full) on span"),
        "{}",
        tap.said()
    );
    assert!(!tap.said().contains("on span2;"), "{}", tap.said());
}

#[test]
fn what_cannot_be_captured_together_is_told_before_anything_is_captured() {
    let Some(tap) = Tap::new("r") else { return };
    let config = tap.at("tapline.toml");
    fs::write(
        &config,
        "[[inventory.environments]]\nname = \"production\"\ninterface = \"span\"\n",
    )
    .expect("a file");
    let config = config.display().to_string();
    for (arguments, status, wanted) in [
        (
            &["-i", "span", "-i", "span"][..],
            2,
            "the interface span is named twice",
        ),
        (
            &["-i", "any", "-i", "span"],
            2,
            "`any` is all interfaces of this machine",
        ),
        (
            &["-i", "span", "-i", "span9"],
            3,
            "there is no interface span9; this machine has ",
        ),
        (
            &["-i", "span", "-i", "span2", "--config", &config],
            2,
            "`production` is what comes in on span and not on span2",
        ),
    ] {
        let output = tap
            .cable
            .within(env!("CARGO_BIN_EXE_tapline"))
            .args(["capture", "--duration", "5s"])
            .args(arguments)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert!(said(&output).contains(wanted), "{}", said(&output));
    }
    // A rule about all of them, or about none, is as good as ever.
    for interfaces in ["[\"span2\", \"span\", \"span3\"]", "\"span9\""] {
        fs::write(
            &config,
            format!("[[inventory.environments]]\nname = \"production\"\ninterface = {interfaces}\n"),
        )
        .expect("a file");
        let output = tap
            .cable
            .within(env!("CARGO_BIN_EXE_tapline"))
            .args(["capture", "-i", "span", "-i", "span2", "--duration", "1s"])
            .args(["--config", &config])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    let output = tap
        .cable
        .within(env!("CARGO_BIN_EXE_tapline"))
        .args(["doctor", "--all", "-i", "span", "-i", "span2"])
        .output()
        .expect("it runs");
    assert!(
        said(&output).contains("allowed on span, span2"),
        "{}",
        said(&output)
    );
}
