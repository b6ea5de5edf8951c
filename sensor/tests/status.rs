//! A capture that tells how it goes on: what was sent is what `/metrics` says, and `/healthz` says in words what is wrong.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use support::exposition::{self, Metrics, labelled, value};
use support::net::{Cable, ok, send_if_asked, wait_for};
use support::{folder, lines, testdata};

const LISTEN: &str = "127.0.0.1:9464";

fn address() -> SocketAddr {
    LISTEN.parse().expect("an address")
}

#[test]
fn sender() {
    send_if_asked();
}

#[test]
fn the_reader_of_metrics_is_strict() {
    exposition::the_reader_is_strict();
}

fn capture(cable: &Cable, more: &[&str]) -> Child {
    cable
        .within(env!("CARGO_BIN_EXE_tapline"))
        .args(["capture", "-i", "span", "--listen", LISTEN])
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sensor starts")
}

fn ready(cable: &Cable) {
    wait_for("the sensor to be ready", || {
        cable.get(address(), "/readyz").0 == 200
    });
}

fn metrics(cable: &Cable) -> Metrics {
    let (status, text) = cable.get(address(), "/metrics");
    assert_eq!(status, 200);
    exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Ends it as a service manager does; what it said.
fn end(mut sensor: Child) -> (Option<i32>, String) {
    assert!(ok("kill", &["-TERM", &sensor.id().to_string()]));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut sensor.stderr.take().expect("a pipe"), &mut said).expect("text");
    (sensor.wait().expect("it ends").code(), said)
}

/// Frames of a capture file, and their bytes.
fn frames(file: &Path) -> (f64, f64) {
    let mut capture = pcap::Capture::from_file(file).expect("a capture");
    let (mut frames, mut bytes) = (0, 0);
    while let Ok(packet) = capture.next_packet() {
        frames += 1;
        bytes += packet.data.len();
    }
    (f64::from(frames), bytes as f64)
}

fn summed(metrics: &Metrics, name: &str) -> f64 {
    metrics[name].samples.values().sum()
}

#[test]
fn what_was_sent_is_what_metrics_say() {
    what_was_sent("2", "m");
}

#[test]
fn what_was_sent_is_what_metrics_say_where_reassembly_has_shards() {
    what_was_sent("6", "n");
}

fn what_was_sent(workers: &str, cable: &str) {
    let out = folder(&format!("status-metrics-{workers}"));
    let Some(cable) = Cable::new(cable) else { return };
    let at = |name: &str| out.join(name).display().to_string();
    let config = at("tapline.toml");
    fs::write(&config, "[store]\nsnapshot_every = \"1s\"\n").expect("written");
    let demo = testdata("demo.pcap");
    let (sent, bytes) = frames(&demo);
    let exchanges = at("replayed.jsonl");
    let replayed = support::tapline(&[
        "replay",
        &demo.display().to_string(),
        "--exchanges",
        &exchanges,
        "--flows",
        &at("replayed-flows.jsonl"),
    ]);
    assert_eq!(replayed.status.code(), Some(0));
    let exchanges = lines(Path::new(&exchanges)).len() as f64;
    let flows = lines(Path::new(&at("replayed-flows.jsonl"))).len() as f64;

    let sensor = capture(
        &cable,
        &[
            "--config",
            &config,
            "--workers",
            workers,
            "--store",
            &at("store"),
            "--findings",
            &at("findings.jsonl"),
            "--exchanges",
            &at("exchanges.jsonl"),
        ],
    );
    ready(&cable);
    let before = metrics(&cable);
    assert_eq!(value(&before, "tapline_ready"), 1.0);
    // The first finding of a kind is an increase, so it is there from the start.
    assert_eq!(
        labelled(
            &before,
            "tapline_findings_total",
            &[("kind", "missing_auth"), ("severity", "medium")]
        ),
        0.0
    );
    assert_eq!(
        before["tapline_findings_total"].samples.len(),
        analyzers::finding::CATALOGUE.len()
    );

    cable.send(&demo, "sender");
    wait_for("all frames", || {
        let now = metrics(&cable);
        value(&now, "tapline_packets_total") >= sent
            && value(&now, "tapline_store_snapshots_total") >= 2.0
            && value(&now, "tapline_endpoints") > 0.0
    });
    let now = metrics(&cable);
    assert_eq!(value(&now, "tapline_packets_total"), sent);
    assert_eq!(value(&now, "tapline_packet_bytes_total"), bytes);
    assert_eq!(value(&now, "tapline_capture_received_packets_total"), sent);
    assert_eq!(value(&now, "tapline_capture_kernel_dropped_packets_total"), 0.0);
    assert_eq!(
        value(&now, "tapline_capture_interface_dropped_packets_total"),
        0.0
    );
    // Exchanges that go on when a capture ends are given out then.
    let seen = value(&now, "tapline_exchanges_total");
    assert!(
        seen > exchanges * 0.9 && seen <= exchanges,
        "{seen} of {exchanges}"
    );
    let ended = value(&now, "tapline_flows_ended_total");
    let open = value(&now, "tapline_flows_open");
    assert!(
        ended > 0.0 && ended + open >= flows * 0.9,
        "{ended} + {open} of {flows}"
    );
    let decoded = labelled(&now, "tapline_coverage_ratio", &[("kind", "decoded")]);
    assert!(decoded > 0.5 && decoded <= 1.0, "{decoded}");
    let shares = summed(&now, "tapline_coverage_ratio");
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(summed(&now, "tapline_principals") > 1.0);
    assert!(value(&now, "process_resident_memory_bytes") > 1e6);
    assert!(value(&now, "tapline_flow_memory_limit_bytes") > value(&now, "tapline_flow_memory_bytes"));
    for of in ["apis", "callers"] {
        let memory = |name| labelled(&now, name, &[("of", of)]);
        assert!(memory("tapline_learned_memory_bytes") > 1e3, "{of}");
        assert!(memory("tapline_learned_memory_limit_bytes") > 1e8, "{of}");
    }
    assert_eq!(value(&now, "tapline_analysis_queue_capacity_parcels"), 8.0);
    assert_eq!(value(&now, "tapline_analysis_queue_parcels"), 0.0);
    assert_eq!(value(&now, "tapline_store_snapshot_failures_total"), 0.0);
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs_f64();
    let last = value(&now, "tapline_store_last_snapshot_timestamp_seconds");
    assert!(clock - last < 10.0 && last <= clock, "{last} at {clock}");
    let stamped = value(&now, "tapline_last_packet_timestamp_seconds");
    assert!(clock - stamped < 60.0 && stamped <= clock, "{stamped} at {clock}");
    assert_eq!(cable.get(address(), "/healthz"), (200, "healthy\n".to_owned()));

    // Labels come from lists of the program.
    let labels: BTreeSet<&str> = now
        .values()
        .flat_map(|of| of.samples.keys())
        .flat_map(|labels| labels.keys().map(String::as_str))
        .collect();
    assert_eq!(
        labels,
        ["kind", "of", "result", "severity", "table", "version"]
            .into_iter()
            .collect()
    );
    let (_, text) = cable.get(address(), "/metrics");
    assert!(!text.contains("acme"), "{text}");

    // What was told until now is in the file.
    let told = lines(Path::new(&at("findings.jsonl")));
    let (new, again): (Vec<_>, Vec<_>) = told.iter().partition(|f| f["revision"] == 1);
    let after = metrics(&cable);
    assert!(!new.is_empty());
    assert_eq!(summed(&after, "tapline_findings_total"), new.len() as f64);
    assert_eq!(
        summed(&after, "tapline_finding_revisions_total"),
        again.len() as f64
    );
    let (status, said) = end(sensor);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("metrics and health are at http://127.0.0.1:9464/"),
        "{said}"
    );
    assert_eq!(
        lines(Path::new(&at("exchanges.jsonl"))).len() as f64,
        exchanges,
        "{said}"
    );
}

#[test]
fn an_output_that_takes_nothing_is_told_in_words() {
    let Some(cable) = Cable::new("h") else { return };
    // With another one beside it: when nobody takes anything any more, a capture ends.
    let findings = folder("status-full").join("findings.jsonl").display().to_string();
    let sensor = capture(&cable, &["--exchanges", "/dev/full", "--findings", &findings]);
    ready(&cable);
    assert_eq!(cable.get(address(), "/healthz"), (200, "healthy\n".to_owned()));
    cable.send(&testdata("demo.pcap"), "sender");
    wait_for("the output to fail", || cable.get(address(), "/healthz").0 == 503);
    let (_, text) = cable.get(address(), "/healthz");
    assert_eq!(
        text,
        "not healthy\noutput: /dev/full cannot be written and is incomplete\n"
    );
    let now = metrics(&cable);
    assert_eq!(value(&now, "tapline_healthy"), 0.0);
    assert_eq!(value(&now, "tapline_outputs_failed"), 1.0);
    // It still captures.
    assert_eq!(cable.get(address(), "/readyz").0, 200);
    assert_eq!(end(sensor).0, Some(4));
}

#[test]
fn an_address_that_is_taken_is_told_before_anything_is_opened() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let run = support::tapline(&["capture", "-i", "lo", "--listen", &address]);
    // No mistake of whoever configured it: what starts the sensor is to try again.
    assert_eq!(run.status.code(), Some(4));
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        said.contains(&format!("cannot listen on {address} (http.listen, --listen)")),
        "{said}"
    );
}

/// What proc_pid_status(5) says of the process behind `ip netns exec`, which becomes the program that it runs.
fn status_of(sensor: &Child) -> std::collections::BTreeMap<String, String> {
    fs::read_to_string(format!("/proc/{}/status", sensor.id()))
        .expect("it runs")
        .lines()
        .filter_map(|line| line.split_once(":\t"))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

const NONE: &str = "0000000000000000";

/// A folder of the user `nobody`, where everybody gets to.
fn of_nobody() -> (tempfile::TempDir, u32) {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    let passwd = fs::read_to_string("/etc/passwd").expect("users");
    let nobody = passwd
        .lines()
        .find_map(|line| line.strip_prefix("nobody:"))
        .expect("nobody");
    let ids: Vec<u32> = nobody.split(':').filter_map(|id| id.parse().ok()).collect();
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("rights");
    chown(dir.path(), Some(ids[0]), Some(ids[1])).expect("an owner");
    (dir, ids[0])
}

#[test]
fn after_the_interface_is_open_nothing_is_left_but_what_a_capture_needs() {
    let Some(cable) = Cable::new("p") else { return };
    let (dir, nobody) = of_nobody();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let config = at("tapline.toml");
    let text = "[capture]\nuser = \"nobody\"\n[store]\nsnapshot_every = \"1s\"\n[log]\nformat = \"json\"\n";
    fs::write(&config, text).expect("written");
    let (store, findings) = (at("store"), at("findings.jsonl"));
    // Nobody listens on the discard port, so records wait in the spool.
    let sensor = capture(
        &cable,
        &[
            "--config",
            &config,
            "--workers",
            "6",
            "--store",
            &store,
            "--findings",
            &findings,
            "--kafka",
            "127.0.0.1:9",
        ],
    );
    ready(&cable);
    let status = status_of(&sensor);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], NONE, "{set}");
    }
    let id = nobody.to_string();
    for who in ["Uid", "Gid"] {
        let ids: Vec<&str> = status[who].split_whitespace().collect();
        assert_eq!(ids.len(), 4);
        assert!(
            who == "Gid" || ids.iter().all(|n| *n == id),
            "{who}: {}",
            status[who]
        );
        assert!(!ids.contains(&"0"), "{who}: {}", status[who]);
    }
    assert!(!status["Groups"].split_whitespace().any(|group| group == "0"));
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2");
    // Every thread, also those of the server and of librdkafka.
    let tasks = fs::read_dir(format!("/proc/{}/task", sensor.id())).expect("threads");
    let mut threads = 0;
    for task in tasks {
        let path = task.expect("a thread").path().join("status");
        let text = fs::read_to_string(path).expect("a thread");
        assert!(text.contains(&format!("CapEff:\t{NONE}")), "{text}");
        assert!(
            text.contains("Seccomp:\t2") && text.contains("NoNewPrivs:\t1"),
            "{text}"
        );
        threads += 1;
    }
    assert!(threads > 7, "{threads} threads");

    // It goes on: packets, store, spool and outputs.
    let demo = testdata("demo.pcap");
    let (sent, _) = frames(&demo);
    cable.send(&demo, "sender");
    wait_for("packets, snapshots and records in the spool", || {
        let now = metrics(&cable);
        value(&now, "tapline_packets_total") >= sent
            && value(&now, "tapline_store_snapshots_total") >= 2.0
            && value(&now, "tapline_kafka_spooled_records") > 0.0
    });
    let now = metrics(&cable);
    assert_eq!(value(&now, "tapline_store_snapshot_failures_total"), 0.0);
    assert_eq!(value(&now, "tapline_kafka_up"), 0.0);
    assert_eq!(value(&now, "tapline_kafka_spool_up"), 1.0);
    assert_eq!(cable.get(address(), "/healthz"), (200, "healthy\n".to_owned()));
    let (code, said) = end(sensor);
    assert_eq!(code, Some(4), "records wait, and that is told: {said}");
    assert!(!lines(Path::new(&findings)).is_empty());
    let listed = support::tapline(&["inventory", "--store", &store, "--json"]);
    assert!(listed.status.success() && !listed.stdout.is_empty());
    assert!(
        support::files(&Path::new(&store).join("spool"))
            .iter()
            .any(|file| fs::metadata(file).expect("a file").len() > 1000)
    );

    // Each message is an object with time, level and text, and tells what is in force.
    let told: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for message in &told {
        assert!(
            message["time"]
                .as_str()
                .is_some_and(|t| t.starts_with("20") && t.ends_with('Z')),
            "{message}"
        );
        assert!(
            message["level"].is_string() && message["message"].is_string(),
            "{message}"
        );
    }
    assert!(
        told.iter().any(|message| message["in_force"][0] == "user nobody"),
        "{said}"
    );
    assert!(
        told.iter().any(|message| message["interface"] == "span"),
        "{said}"
    );
}

#[test]
fn the_one_capability_that_a_capture_needs_is_dropped_too() {
    let Some(cable) = Cable::new("c") else { return };
    if !ok("setpriv", &["--version"]) {
        eprintln!("skipped: there is no setpriv");
        return;
    }
    let (dir, nobody) = of_nobody();
    let store = dir.path().join("store").display().to_string();
    // Without seccomp and Landlock, which would set no_new_privs too.
    let config = dir.path().join("tapline.toml").display().to_string();
    fs::write(&config, "[capture]\nconfine = false\n").expect("written");
    // As a service manager does with a user of its own and AmbientCapabilities=CAP_NET_RAW.
    let id = nobody.to_string();
    let sensor = cable
        .within("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .args([
            "--bounding-set",
            "-all,+net_raw",
            "--inh-caps",
            "-all,+net_raw",
            "--ambient-caps",
            "-all,+net_raw",
        ])
        .args([
            env!("CARGO_BIN_EXE_tapline"),
            "capture",
            "-i",
            "span",
            "--listen",
            LISTEN,
            "--store",
            &store,
            "--config",
            &config,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    ready(&cable);
    let status = status_of(&sensor);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], NONE, "{set}");
    }
    assert_eq!(status["Seccomp"], "0");
    assert_eq!(status["NoNewPrivs"], "1");
    let demo = testdata("demo.pcap");
    let (sent, _) = frames(&demo);
    cable.send(&demo, "sender");
    wait_for("packets", || {
        value(&metrics(&cable), "tapline_packets_total") >= sent
    });
    let (code, said) = end(sensor);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_user_that_may_not_be_become_is_told() {
    let dir = folder("status-user");
    let config = dir.join("tapline.toml");
    fs::write(&config, "[capture]\nuser = \"no-such-user-here\"\n").expect("written");
    let run = support::tapline(&[
        "capture",
        "-i",
        "lo",
        "--duration",
        "1s",
        "--config",
        &config.display().to_string(),
    ]);
    let said = support::said(&run);
    if said.contains("not allowed to capture") {
        eprintln!("skipped: this machine does not allow to capture");
        return;
    }
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no user no-such-user-here"), "{said}");
}

/// ICMP errors about ports that nobody listens on, which the kernel of the namespace sent.
fn unreachable(cable: &Cable) -> u64 {
    let output = cable
        .within("cat")
        .arg("/proc/net/snmp")
        .output()
        .expect("counters");
    let text = String::from_utf8(output.stdout).expect("text");
    let icmp: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("Icmp: ")?.split(' ').collect()))
        .collect();
    let place = icmp[0]
        .iter()
        .position(|name| *name == "OutDestUnreachs")
        .expect("it");
    icmp[1][place].parse().expect("a number")
}

#[test]
fn what_a_mirror_sends_to_this_machine_is_not_answered() {
    let Some(cable) = Cable::new("t") else { return };
    let dir = folder("status-hold");
    let config = dir.join("tapline.toml");
    let send = || {
        let sent = cable
            .within("bash")
            .args([
                "-c",
                "for n in 1 2 3; do echo x > /dev/udp/127.0.0.1/4789; sleep 0.1; done",
            ])
            .status()
            .expect("bash runs");
        assert!(sent.code().is_some());
    };
    for (ports, answered) in [("[]", true), ("[4789]", false)] {
        fs::write(&config, format!("[tunnels]\nhold_ports = {ports}\n")).expect("written");
        let sensor = capture(&cable, &["--config", &config.display().to_string()]);
        ready(&cable);
        let before = unreachable(&cable);
        send();
        let errors = unreachable(&cable) - before;
        assert_eq!(errors > 0, answered, "{errors} ICMP errors with {ports}");
        assert_eq!(end(sensor).0, Some(0));
    }
}
