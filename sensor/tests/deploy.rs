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
