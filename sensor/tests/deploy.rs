//! What is in `deploy/` is what those take who run it: systemd, dpkg, Kubernetes, shells.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{folder, said};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// Whether this machine has a program; that it has not is said.
fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: there is no {program}");
    }
    found
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env("TAPLINE", env!("CARGO_BIN_EXE_tapline"))
        .output()
        .expect("it runs")
}

#[test]
fn systemd_takes_the_unit_and_finds_it_closed() {
    if !has("systemd-analyze") {
        return;
    }
    let unit = fs::read_to_string(deploy("systemd/tapline.service")).expect("the unit");
    let at = folder("deploy-systemd").join("tapline.service");
    // The program has to be where the unit says, which it is not before it is installed.
    fs::write(
        &at,
        unit.replace("/usr/bin/tapline", env!("CARGO_BIN_EXE_tapline")),
    )
    .expect("written");
    let at = at.display().to_string();
    let verified = run("systemd-analyze", &["verify", &at]);
    let text = said(&verified);
    assert!(verified.status.success(), "{text}");
    assert!(!text.contains("tapline.service"), "{text}");
    let security = run(
        "systemd-analyze",
        &["security", "--offline=yes", "--no-pager", &at],
    );
    let text = String::from_utf8_lossy(&security.stdout).into_owned();
    let (_, line) = text
        .rsplit_once("Overall exposure level for tapline.service: ")
        .unwrap_or_else(|| panic!("{}", said(&security)));
    let score: f64 = line
        .split_whitespace()
        .next()
        .and_then(|s| s.parse().ok())
        .expect("a score");
    println!("systemd-analyze security: {score}, of 10");
    assert!(score <= 2.0, "{text}");
    for line in [
        "AmbientCapabilities=CAP_NET_RAW",
        "CapabilityBoundingSet=CAP_NET_RAW",
        "User=tapline",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
}

#[test]
fn a_broken_configuration_ends_the_service_for_good() {
    let unit = fs::read_to_string(deploy("systemd/tapline.service")).expect("the unit");
    let has = |line: &str| unit.lines().any(|own| own == line);
    // RestartPreventExitStatus= is about the main process alone (systemd.service(5)).
    assert!(has("RestartPreventExitStatus=2") && !unit.contains("\nExecStartPre="));
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/tapline "));
    let broken = folder("deploy-broken").join("tapline.toml");
    fs::write(&broken, "[capture]\ninterface = 7\n").expect("a file");
    let command = command
        .expect("a command")
        .replace("/etc/tapline/tapline.toml", &broken.display().to_string());
    let run = support::tapline(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(run.status.code(), Some(2), "{}", support::said(&run));
    assert!(
        support::said(&run).contains("2:13  capture.interface"),
        "{}",
        support::said(&run)
    );
}

/// Names of system calls in a set of systemd, with those of the sets in it.
fn calls(set: &str) -> std::collections::BTreeSet<String> {
    let output = run("systemd-analyze", &["syscall-filter", "--no-pager", set]);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .skip(1)
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(|line| {
            if line.starts_with('@') {
                calls(line)
            } else {
                [line.to_owned()].into()
            }
        })
        .collect()
}

#[test]
fn the_unit_lets_through_every_system_call_of_a_capture() {
    if !has("systemd-analyze") || !has("strace") || !has("curl") {
        return;
    }
    let dir = folder("deploy-calls");
    let at = |name: &str| dir.join(name).display().to_string();
    let traced = run(
        "strace",
        &[
            "-f",
            "-qq",
            "-o",
            &at("trace"),
            env!("CARGO_BIN_EXE_tapline"),
            "capture",
            "-i",
            "lo",
            "--duration",
            "3s",
            "--workers",
            "2",
            "--store",
            &at("store"),
            "--findings",
            &at("findings.jsonl"),
            "--kafka",
            "127.0.0.1:9",
            "--listen",
            "127.0.0.1:0",
        ],
    );
    if traced.status.code() == Some(3) || !dir.join("trace").exists() {
        eprintln!("skipped: this machine does not allow to capture or to trace");
        return;
    }
    let trace = fs::read_to_string(at("trace")).expect("a trace");
    let made: std::collections::BTreeSet<&str> = trace
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.trim().split_once('('))
        .map(|(call, _)| call)
        .filter(|call| {
            call.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
        .collect();
    assert!(made.len() > 40 && made.contains("capset"), "{made:?}");
    let unit = fs::read_to_string(deploy("systemd/tapline.service")).expect("the unit");
    let mut allowed = calls("@default");
    for filter in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        let (refuses, sets) = filter
            .strip_prefix('~')
            .map_or((false, filter), |sets| (true, sets));
        for set in sets.split(' ') {
            let named = if set.starts_with('@') {
                calls(set)
            } else {
                [set.to_owned()].into()
            };
            assert!(!named.is_empty(), "{set}");
            for call in named {
                if refuses {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    // SQLite gives new files the owner of the database when root runs it, as here, and nobody else (`robust_fchown` in os_unix.c).
    allowed.insert("fchown".to_owned());
    let refused: Vec<_> = made.iter().filter(|call| !allowed.contains(**call)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn the_debian_package_holds_what_it_should_and_is_the_same_again() {
    if !has("dpkg-deb") || !has("dpkg-shlibdeps") || !has("strip") {
        return;
    }
    let dir = folder("deploy-deb");
    let build = |name: &str| {
        let out = dir.join(name).display().to_string();
        let output = Command::new(deploy("deb/build"))
            .args([env!("CARGO_BIN_EXE_tapline"), &out])
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", said(&output));
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    };
    let package = build("one");
    let name = package.display().to_string();
    let held = String::from_utf8(run("dpkg-deb", &["--contents", &name]).stdout).expect("text");
    for (rights, file) in [
        ("-rwxr-xr-x root/root", "./usr/bin/tapline"),
        ("-rw-r--r-- root/root", "./usr/lib/systemd/system/tapline.service"),
        ("-rw-r--r-- root/root", "./etc/tapline/tapline.toml"),
        (
            "-rw-r--r-- root/root",
            "./usr/share/tapline/prometheus/alerts.yaml",
        ),
        ("-rw-r--r-- root/root", "./usr/share/tapline/grafana/tapline.json"),
        ("-rw-r--r-- root/root", "./usr/share/doc/tapline/copyright"),
        (
            "-rw-r--r-- root/root",
            "./usr/share/bash-completion/completions/tapline",
        ),
    ] {
        assert!(
            held.lines().any(|l| l.starts_with(rights) && l.ends_with(file)),
            "{file} in {held}"
        );
    }
    let told = String::from_utf8(run("dpkg-deb", &["--info", &name]).stdout).expect("text");
    for library in ["libpcap0.8", "libssl3", "zlib1g", "libc6"] {
        assert!(told.contains(library), "{library} in {told}");
    }
    let conffiles = run("dpkg-deb", &["--info", &name, "conffiles"]);
    assert_eq!(
        String::from_utf8_lossy(&conffiles.stdout).trim(),
        "/etc/tapline/tapline.toml"
    );
    assert_eq!(
        fs::read(&package).expect("a package"),
        fs::read(build("two")).expect("a package"),
        "the same input gave another package"
    );
    // The configuration in it is right but for the interface, which nobody can know.
    let config = dir.join("tapline.toml");
    let text = fs::read_to_string(deploy("deb/tapline.toml")).expect("a file");
    let key = dir.join("hash.key");
    fs::write(&key, "0".repeat(64)).expect("written");
    fs::write(
        &config,
        text.replace("/etc/tapline/hash.key", &key.display().to_string()),
    )
    .expect("written");
    let checked = support::tapline(&["config", "check", &config.display().to_string()]);
    assert!(checked.status.success(), "{}", said(&checked));
}

#[test]
fn the_chart_is_what_kubernetes_takes() {
    // What it needs is built and fetched by `deploy/helm/check`, which takes a while: here only where that was done.
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/helm");
    if !tools.join("venv/bin/kubernetes-validate").exists() {
        eprintln!("skipped: run deploy/helm/check once, which gets helm and the schemas");
        return;
    }
    let output = run(&deploy("helm/check").display().to_string(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn scripts_are_what_their_shell_reads() {
    for script in [
        "deb/build",
        "deb/check",
        "deb/postinst",
        "deb/prerm",
        "deb/postrm",
        "helm/check",
    ] {
        let path = deploy(script);
        let text = fs::read_to_string(&path).expect("a script");
        let shell = if text.starts_with("#!/bin/sh\n") {
            "sh"
        } else {
            "bash"
        };
        let read = run(shell, &["-n", &path.display().to_string()]);
        assert!(read.status.success(), "{}", said(&read));
    }
}

/// The steps of an image and the chart say the same of the user, and what the chart mounts is where the program looks.
#[test]
fn image_and_chart_agree() {
    let image = fs::read_to_string(deploy("Dockerfile")).expect("a file");
    let chart = fs::read_to_string(deploy("helm/tapline/templates/sensor.yaml")).expect("a file");
    assert!(
        image.contains("\nUSER 10001:10001\n") && image.contains("setcap cap_net_raw+p /usr/bin/tapline")
    );
    assert!(chart.contains("runAsUser: 10001") && chart.contains("runAsGroup: 10001"));
    let stages: Vec<&str> = image.lines().filter(|l| l.starts_with("FROM ")).collect();
    assert_eq!(stages.len(), 2, "{stages:?}");
    assert!(image.contains("cargo build --release --locked -p tapline"));
    let version = env!("CARGO_PKG_VERSION");
    let chart = fs::read_to_string(deploy("helm/tapline/Chart.yaml")).expect("a file");
    assert!(chart.contains(&format!("appVersion: \"{version}\"")), "{chart}");
}

/// Internet checksum of a header.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("it is folded")
}

/// An IPv4 packet with a UDP datagram from the source of a mirror to the sensor.
fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 28).expect("it fits");
    let mut ip = vec![0x45, 0];
    ip.extend(len.to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 200, 0, 1, 10, 200, 0, 2]);
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    ip.extend(65_001_u16.to_be_bytes());
    ip.extend(port.to_be_bytes());
    ip.extend((len - 20).to_be_bytes());
    // No checksum, as encapsulators send it (RFC 7348 section 5).
    ip.extend([0, 0]);
    ip.extend(payload);
    ip
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend(packet);
    frame
}

fn vxlan(frame: &[u8]) -> Vec<u8> {
    let mut payload = vec![8, 0, 0, 0, 0, 0x12, 0x34, 0];
    payload.extend(frame);
    datagram(4789, &payload)
}

/// GENEVE with the options that a Gateway Load Balancer of AWS sends: endpoint, attachment, flow cookie.
fn geneve(kind: u16, inner: &[u8]) -> Vec<u8> {
    let mut payload = vec![0x08, 0];
    payload.extend(kind.to_be_bytes());
    payload.extend([0, 0, 0, 0]);
    for (option, len) in [(1_u8, 2_u8), (2, 2), (3, 1)] {
        payload.extend([1, 8, option, len]);
        payload.extend(vec![7; usize::from(len) * 4]);
    }
    // Eight words of options: three heads and five of values.
    payload.extend(inner);
    datagram(6081, &payload)
}

/// The page on deploying says of each cloud how its mirror wraps packets. The demo in each of these wrappings is the same demo.
#[test]
fn what_clouds_wrap_packets_in_is_read_without_a_setting() {
    let dir = folder("deploy-mirrors");
    let demo = fs::read(support::testdata("demo.pcap")).expect("the demo");
    // Little-endian pcap of Ethernet.
    let word = |at: usize| u32::from_le_bytes(demo[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(20), 1);
    let exchanges = |name: &str, capture: &Path| {
        let out = dir.join(format!("{name}.jsonl")).display().to_string();
        let arguments = ["replay", &capture.display().to_string(), "--exchanges", &out];
        let run = support::tapline(&arguments);
        assert!(run.status.success(), "{name}: {}", said(&run));
        let mut seen: Vec<String> = support::lines(Path::new(&out))
            .iter()
            .map(|e| {
                format!(
                    "{} {} {} {} {}",
                    e["ts"], e["method"], e["host"], e["target"], e["status"]
                )
            })
            .collect();
        seen.sort();
        seen
    };
    let wanted = exchanges("plain", &support::testdata("demo.pcap"));
    assert!(wanted.len() > 2000, "{}", wanted.len());
    type Wrap = fn(&[u8]) -> Vec<u8>;
    let wrappings: [(&str, Wrap); 4] = [
        (
            "AWS, to an interface or a network load balancer, and Azure",
            |frame| ethernet(&vxlan(frame)),
        ),
        ("AWS, through a Gateway Load Balancer", |frame| {
            ethernet(&geneve(0x0800, &vxlan(frame)))
        }),
        ("GCP, by Network Security Integration", |frame| {
            ethernet(&geneve(0x6558, frame))
        }),
        ("a switch that mirrors into a VLAN", |frame| {
            let mut tagged = frame[..12].to_vec();
            tagged.extend([0x81, 0, 0, 42]);
            tagged.extend(&frame[12..]);
            tagged
        }),
    ];
    for (name, wrap) in wrappings {
        let mut out = demo[..24].to_vec();
        let mut at = 24;
        while at < demo.len() {
            let len = usize::try_from(word(at + 8)).expect("a length");
            let frame = wrap(&demo[at + 16..at + 16 + len]);
            out.extend(&demo[at..at + 8]);
            let len_now = u32::try_from(frame.len()).expect("a length").to_le_bytes();
            out.extend(len_now);
            out.extend(len_now);
            out.extend(frame);
            at += 16 + len;
        }
        let capture = dir.join("wrapped.pcap");
        fs::write(&capture, out).expect("written");
        assert!(
            exchanges("wrapped", &capture) == wanted,
            "{name}: other exchanges"
        );
    }
}
