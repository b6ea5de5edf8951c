//! Live capture between two network namespaces: what nginx logged is what the sensor saw, and nothing was sent.
//!
//! Needs root, `ip`, `nginx` and `curl`; where the machine does not allow it, the test says so and does nothing.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{folder, lines};

/// Namespaces of client, server and sensor, joined by a hub: a bridge that learns nothing, so that each frame
/// goes to every port, as a mirror port has it.
struct Net {
    client: String,
    server: String,
    sensor: String,
    hub: String,
}

fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()
}

fn ok(program: &str, arguments: &[&str]) -> bool {
    run(program, arguments).is_some_and(|o| o.status.success())
}

impl Net {
    /// `None` where this is not possible.
    fn new() -> Option<Self> {
        let id = std::process::id() % 100_000;
        let net = Self {
            client: format!("tlc{id}"),
            server: format!("tls{id}"),
            sensor: format!("tlm{id}"),
            hub: format!("tlh{id}"),
        };
        let (c, s, m, h) = (&net.client, &net.server, &net.sensor, &net.hub);
        let made = [
            format!("netns add {c}"),
            format!("netns add {s}"),
            format!("netns add {m}"),
            format!("netns add {h}"),
            format!("-n {h} link add hub type bridge ageing_time 0 mcast_snooping 0"),
            format!("link add eth0 netns {c} type veth peer name client netns {h}"),
            format!("link add eth0 netns {s} type veth peer name server netns {h}"),
            format!("link add span netns {m} type veth peer name sensor netns {h}"),
            format!("-n {c} addr add 10.99.0.1/24 dev eth0"),
            format!("-n {s} addr add 10.99.0.2/24 dev eth0"),
            // The sensor's side is silent by itself: no address, no neighbour discovery.
            format!(
                "netns exec {m} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.span.disable_ipv6=1"
            ),
            format!("-n {h} link set client master hub"),
            format!("-n {h} link set server master hub"),
            format!("-n {h} link set sensor master hub"),
            format!("-n {h} link set hub up"),
            format!("-n {h} link set client up"),
            format!("-n {h} link set server up"),
            format!("-n {h} link set sensor up"),
            format!("-n {c} link set eth0 up"),
            format!("-n {s} link set eth0 up"),
            format!("-n {m} link set span up"),
        ];
        made.iter()
            .all(|line| ok("ip", &line.split(' ').collect::<Vec<_>>()))
            .then_some(net)
    }

    fn within(&self, namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    /// Frames sent by the sensor's interface.
    fn sent(&self) -> u64 {
        let output = self
            .within(&self.sensor, "cat")
            .arg("/sys/class/net/span/statistics/tx_packets")
            .output()
            .expect("the counter");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a number")
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.client, &self.server, &self.sensor, &self.hub] {
            run("ip", &["netns", "del", name]);
        }
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_nginx_logs_is_what_the_sensor_sees_and_nothing_is_sent() {
    if !ok("nginx", &["-v"]) || !ok("curl", &["--version"]) {
        eprintln!("skipped: nginx and curl are not installed");
        return;
    }
    let Some(net) = Net::new() else {
        eprintln!("skipped: this machine does not allow network namespaces (root is needed)");
        return;
    };
    let out = folder("live");
    let access = out.join("access.log");
    let conf = out.join("nginx.conf");
    let dir = out.display();
    fs::write(
        &conf,
        format!(
            "pid {dir}/nginx.pid; error_log {dir}/error.log; daemon off; worker_processes 1; user root; events {{}}\n\
             http {{ log_format t '$request_method $request_uri $status $body_bytes_sent'; access_log {dir}/access.log t;\n\
             client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             server {{ listen 10.99.0.2:80;\n\
             location /ok/ {{ default_type application/json; return 200 '{{\"ok\":true}}'; }}\n\
             location /made/ {{ return 201 'made'; }} location / {{ return 404; }} }} }}\n"
        ),
    )
    .expect("a file");
    let mut nginx = net
        .within(&net.server, "nginx")
        .args(["-c", &conf.display().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx starts");
    let exchanges = out.join("exchanges.jsonl").display().to_string();
    let mut sensor = net
        .within(&net.sensor, env!("CARGO_BIN_EXE_tapline"))
        .args([
            "capture",
            "-i",
            "span",
            "--filter",
            "tcp port 80",
            "--exchanges",
            &exchanges,
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sensor starts");
    let before = net.sent();
    wait_for("nginx", || {
        access.exists()
            && ok(
                "ip",
                &[
                    "netns",
                    "exec",
                    &net.client,
                    "curl",
                    "-s",
                    "-o",
                    "/dev/null",
                    "http://10.99.0.2/wait",
                ],
            )
    });
    // From here on both must have everything; the waiting before is not compared.
    std::thread::sleep(Duration::from_millis(1500));
    for round in 0..20 {
        let url = |path: &str| format!("http://10.99.0.2/{path}/{round}");
        for arguments in [
            vec!["-s".to_owned(), url("ok"), url("none"), url("ok")],
            vec!["-s".to_owned(), "-d".to_owned(), "a=b".to_owned(), url("made")],
            vec!["-s".to_owned(), "-I".to_owned(), url("ok")],
        ] {
            let status = net
                .within(&net.client, "curl")
                .args(&arguments)
                .stdout(Stdio::null())
                .status();
            assert!(status.expect("curl runs").success());
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    // SIGTERM, as a service manager sends it.
    assert!(ok("kill", &["-TERM", &sensor.id().to_string()]));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut sensor.stderr.take().expect("a pipe"), &mut said).expect("text");
    let status = sensor.wait().expect("it ends");
    let sent = net.sent() - before;
    ok("kill", &["-TERM", &nginx.id().to_string()]);
    let _ = nginx.wait();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(sent, 0, "frames were sent on the interface of the sensor");
    let logged: Vec<String> = fs::read_to_string(&access)
        .expect("the log")
        .lines()
        .filter(|l| !l.contains("/wait"))
        .map(str::to_owned)
        .collect();
    let seen: Vec<String> = lines(Path::new(&exchanges))
        .iter()
        .filter(|e| e["target"] != "/wait")
        .map(|e| {
            let text = |name: &str| e[name].as_str().unwrap_or("?").to_owned();
            format!(
                "{} {} {} {}",
                text("method"),
                text("target"),
                e["status"],
                e["response"]["body_bytes"]
            )
        })
        .collect();
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(logged.len(), 100);
    assert_eq!(sorted(seen), sorted(logged), "{said}");
}
