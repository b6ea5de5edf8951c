//! Real servers and real clients on loopback, and `tapline capture` beside them: what the servers logged is what it gave out.
//!
//! HTTP/2 with nginx, nghttpx, nghttpd, curl, nghttp and h2load; gRPC; WebSockets over HTTP/1.1 and HTTP/2; server-sent
//! events. Where a peer is not installed, or capturing on loopback is not allowed, a test says so and does nothing;
//! `deploy/install-deps test` installs them.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::folder;
use support::servers::{Running, free_port, has, wait_for};

/// A Python that has this module; packages of the system belong to the system's own.
fn python(module: &str, package: &str) -> Option<&'static str> {
    let has_module = |python: &&str| {
        Command::new(python)
            .args(["-c", &format!("import {module}")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let found = ["/usr/bin/python3", "python3"].into_iter().find(has_module);
    if found.is_none() {
        eprintln!("skipped: no python3 has the module {module} (package {package})");
    }
    found
}

/// A script in `tests/peers/`.
fn script(python: &str, name: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name);
    let mut command = Command::new(python);
    command.arg("-B").arg(path).args(arguments);
    command
}

/// A script that serves and prints its port.
fn serve(python: &str, name: &str, log: &Path) -> (Running, u16) {
    let mut command = script(python, name, &["serve", &log.display().to_string()]);
    let mut server = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut line = String::new();
    let mut stdout = BufReader::new(server.0.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("text");
    let port = line
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{name} printed {line:?} for its port"));
    (server, port)
}

/// Runs a client to its end; what it printed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the client runs");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn wait_for_port(port: u16) {
    wait_for("a server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// The lines of a file that are whole, while somebody writes to it.
fn whole_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end].lines().map(str::to_owned).collect()
}

fn objects(path: &Path) -> Vec<Value> {
    let lines = whole_lines(path);
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
    lines.iter().map(parse).collect()
}

/// `tapline capture` on loopback.
struct Sensor {
    running: Running,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
    out: PathBuf,
}

impl Sensor {
    /// Listens to these ports; nothing where that is not allowed.
    fn listen(out: &Path, ports: &[u16]) -> Option<Self> {
        let filter: Vec<String> = ports.iter().map(|port| format!("tcp port {port}")).collect();
        // Everything that is sent fits in it, so that nothing is lost however busy this machine is.
        let config = out.join("tapline.toml");
        fs::write(&config, "[capture]\nbuffer = \"128MiB\"\n").expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapline"));
        command
            .args(["capture", "-i", "lo", "--reveal", "query", "--config"])
            .arg(&config)
            .args(["--filter", &filter.join(" or ")])
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped());
        for kind in ["exchanges", "parts", "flows"] {
            command
                .arg(format!("--{kind}"))
                .arg(out.join(format!("{kind}.jsonl")));
        }
        let mut running = Running::start(&mut command);
        let mut stderr = BufReader::new(running.0.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("listening on") {
            if stderr.read_line(&mut said).is_ok_and(|read| read > 0) {
                continue;
            }
            assert!(
                ["may not", "permi", "allowed", "no interface"]
                    .iter()
                    .any(|word| said.contains(word)),
                "the capture did not begin: {said}"
            );
            eprintln!(
                "skipped: capturing on loopback is not possible here: {}",
                said.trim()
            );
            return None;
        }
        Some(Self {
            running,
            stderr,
            said,
            out: out.to_owned(),
        })
    }

    fn exchanges(&self) -> Vec<Value> {
        objects(&self.out.join("exchanges.jsonl"))
    }

    fn parts(&self) -> Vec<Value> {
        objects(&self.out.join("parts.jsonl"))
    }

    /// Waits until so many exchanges were given out, or no more come, and ends the capture. Nothing may have been lost.
    fn finish(mut self, count: usize) -> (Vec<Value>, Vec<Value>) {
        let path = self.out.join("exchanges.jsonl");
        let start = Instant::now();
        while whole_lines(&path).len() < count && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.running.stop();
        let _ = self.stderr.read_to_string(&mut self.said);
        eprintln!("{}", self.said.trim());
        assert!(
            !self.said.contains("dropped by the kernel"),
            "the capture is not whole, this machine is too busy: {}",
            self.said
        );
        (self.exchanges(), self.parts())
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

fn sorted<T: Ord>(list: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = list.into_iter().collect();
    list.sort();
    list
}

/// Says where two lists differ, without the thousands of lines in which they do not.
fn assert_same(what: &str, seen: Vec<String>, logged: Vec<String>) {
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    for line in &seen {
        *balance.entry(line.clone()).or_default() += 1;
    }
    for line in &logged {
        *balance.entry(line.clone()).or_default() -= 1;
    }
    balance.retain(|_, count| *count != 0);
    assert!(
        balance.is_empty(),
        "{what}: {} seen, {} logged; more seen than logged (less, where negative): {balance:#?}",
        seen.len(),
        logged.len()
    );
    eprintln!("{what}: {} of {} equal", seen.len(), logged.len());
}

/// Every exchange is whole, and nothing about it is doubtful.
fn assert_whole(exchanges: &[Value]) {
    for e in exchanges {
        assert_eq!(e["flags"], json!([]), "{e}");
        assert_eq!(
            (&e["request"]["complete"], &e["response"]["complete"]),
            (&json!(true), &json!(true)),
            "{e}"
        );
    }
}

/// Method, target, status and body sizes of an exchange.
fn line(e: &Value) -> String {
    format!(
        "{} {} {} {} {}",
        text(e, "method"),
        text(e, "target"),
        e["status"],
        e["response"]["body_bytes"],
        e["request"]["body_bytes"]
    )
}

/// Starts nginx with a server that listens so; the log has lines as [`line()`] makes them.
fn nginx(out: &Path, listen: &str) -> Running {
    let maker = free_port();
    let dir = out.display();
    let format = "$request_method $request_uri $status $body_bytes_sent $content_length";
    fs::write(
        out.join("nginx.conf"),
        format!(
            "pid {dir}/nginx.pid; error_log {dir}/error.log; daemon off; master_process off; user root; events {{}}\n\
             http {{ log_format t '{format}'; access_log {dir}/access.log t;\n\
             client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             keepalive_requests 100000; default_type text/plain;\n\
             server {{ listen 127.0.0.1:{maker}; access_log off; return 201 'made'; }}\n\
             server {{ listen 127.0.0.1:{listen}; {} }} }}\n",
            locations(out, maker)
        ),
    )
    .expect("a file");
    let content: Vec<u8> = (0..300_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    fs::write(out.join("big.txt"), &content).expect("a file");
    let conf = out.join("nginx.conf").display().to_string();
    Running::start(Command::new("nginx").args(["-c", &conf]).stderr(Stdio::null()))
}

/// The log of nginx, with a zero where a request told no length.
fn nginx_log(out: &Path) -> Vec<String> {
    let lines = whole_lines(&out.join("access.log"));
    let line = |line: String| line.strip_suffix(" -").map(|l| format!("{l} 0")).unwrap_or(line);
    lines.into_iter().map(line).collect()
}

/// What the servers have. What is sent to `/made/` is read to its end, which nginx does only for another server.
fn locations(out: &Path, maker: u16) -> String {
    format!(
        "location /ok/ {{ default_type application/json; return 200 '{{\"ok\":true}}'; }}\n\
         location /none/ {{ return 204; }} location /moved/ {{ return 302 /ok/; }}\n\
         location /made/ {{ proxy_pass http://127.0.0.1:{maker}; }} location /big/ {{ alias {}/; }}\n\
         location / {{ return 404; }}",
        out.display()
    )
}

#[test]
fn what_goes_through_a_proxy_s_tunnels_is_what_the_server_behind_it_logged() {
    let there = has("nginx", "-v", "nginx-light") && has("curl", "--version", "curl");
    let Some(python) = python("socketserver", "python3").filter(|_| there) else {
        return;
    };
    let out = folder("peers-proxy");
    let (port, http2) = (free_port(), free_port());
    let mut server = nginx(&out, &format!("{port}; listen 127.0.0.1:{http2} http2"));
    wait_for_port(port);
    let log = out.join("proxy.log");
    let (mut proxy, through) = serve(python, "proxy_peer.py", &log);
    // What the proxy itself asks the server for is not seen.
    let Some(sensor) = Sensor::listen(&out, &[through]) else {
        return;
    };
    let proxied = format!("http://127.0.0.1:{through}");
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-p", "-x", &proxied]).args(arguments);
        command
    };
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    run(&mut curl(&[
        &url("/ok/1"),
        &url("/big/big.txt"),
        &url("/nowhere"),
    ]));
    run(&mut curl(&["-d", "a=b&c=d", &url("/made/1")]));
    run(&mut curl(&["-I", &url("/big/big.txt")]));
    for path in ["/ok/2", "/big/big.txt?second"] {
        let url = format!("http://127.0.0.1:{http2}{path}");
        run(&mut curl(&["--http2-prior-knowledge", &url]));
    }
    let declined = curl(&["http://declined.example/ok/3"]).output();
    assert!(!declined.expect("curl runs").status.success());
    let logged = || [nginx_log(&out), whole_lines(&log)].concat();
    wait_for("what is logged", || logged().len() == 7 + 6);
    let (exchanges, _) = sensor.finish(7 + 6);
    proxy.stop();
    server.stop();
    assert_whole(&exchanges);
    assert_same(
        "exchanges through a proxy",
        exchanges.iter().map(line).collect(),
        logged(),
    );
    // The tunnel comes first, and what goes through it is counted on.
    for e in &exchanges {
        let first = e["method"] == "CONNECT";
        assert_eq!(e["flow"]["index"] == 0, first, "{e}");
        assert_eq!(e["flow"]["server"], format!("127.0.0.1:{through}"), "{e}");
    }
    let flows = objects(&out.join("flows.jsonl"));
    let apps = |app: &str| flows.iter().filter(|flow| flow["app"] == app).count();
    assert_eq!((flows.len(), apps("http/1"), apps("http/2")), (6, 4, 2));
}

#[test]
fn http2_of_nginx_is_what_it_logged() {
    if !has("nginx", "-v", "nginx-light")
        || !has("curl", "--version", "curl")
        || !has("h2load", "--version", "nghttp2-client")
        || !has("nghttp", "--version", "nghttp2-client")
    {
        return;
    }
    let out = folder("peers-http2");
    let port = free_port();
    let mut server = nginx(&out, &format!("{port} http2"));
    wait_for_port(port);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--http2-prior-knowledge"]).args(arguments);
        run(&mut command);
    };
    // One request each: some versions of curl (7.88.1) cannot use such a connection twice.
    for path in [
        "/ok/1",
        "/nowhere",
        "/big/big.txt?part=all",
        "/none/",
        "/moved/here",
    ] {
        curl(&[&url(path)]);
    }
    curl(&["-I", &url("/big/big.txt")]);
    curl(&["-d", "a=b&c=d", &url("/made/1")]);
    curl(&["-r", "100-299", &url("/big/big.txt")]);
    curl(&["-X", "DELETE", &url("/none/1")]);
    let body = out.join("body.txt").display().to_string();
    fs::write(&body, vec![b'q'; 20_000]).expect("a file");
    let nghttp = |arguments: &[&str]| {
        run(Command::new("nghttp").arg("-n").args(arguments));
    };
    nghttp(&[
        "-m",
        "10",
        &url("/ok/3"),
        &url("/nowhere/else"),
        &url("/big/big.txt"),
    ]);
    nghttp(&["-d", &body, "-m", "3", &url("/made/3")]);
    // Padding, and header blocks that go on in CONTINUATION frames.
    nghttp(&["-b", "100", "--continuation", &url("/ok/4"), &url("/none/4")]);
    let h2load = |arguments: &[&str]| {
        let told = run(Command::new("h2load").args(arguments));
        assert!(told.contains(" 0 errored, 0 timeout"), "{told}");
    };
    h2load(&[
        "-n",
        "2000",
        "-c",
        "20",
        "-m",
        "50",
        &url("/ok/load"),
        &url("/nowhere/load"),
    ]);
    h2load(&[
        "-n",
        "60",
        "-c",
        "3",
        "-m",
        "100",
        "-w",
        "16",
        &url("/big/big.txt"),
    ]);
    h2load(&[
        "-n",
        "400",
        "-c",
        "10",
        "-m",
        "10",
        "-d",
        &body,
        &url("/made/load"),
    ]);
    let told = 5 + 4 + 30 + 3 + 2 + 2460;
    wait_for("the log of nginx", || nginx_log(&out).len() >= told);
    let (exchanges, _) = sensor.finish(told);
    server.stop();
    assert_whole(&exchanges);
    assert!(exchanges.iter().all(|e| e["protocol"] == "http/2"));
    let logged = nginx_log(&out);
    assert_eq!(logged.len(), told);
    assert_same("HTTP/2 of nginx", exchanges.iter().map(line).collect(), logged);
}

#[test]
fn http2_by_upgrade_is_what_nghttpx_logged() {
    if !has("nginx", "-v", "nginx-light")
        || !has("curl", "--version", "curl")
        || !has("nghttp", "--version", "nghttp2-client")
        || !has("nghttpx", "--version", "nghttp2-proxy")
    {
        return;
    }
    let out = folder("peers-upgrade");
    let (port, behind) = (free_port(), free_port());
    let mut backend = nginx(&out, &behind.to_string());
    wait_for_port(behind);
    let log = out.join("proxy.log");
    let mut proxy = Running::start(
        Command::new("nghttpx")
            .args(["--conf=/dev/null", "--single-process", "--workers=1", "--no-ocsp"])
            .arg(format!("--frontend=127.0.0.1,{port};no-tls"))
            .arg(format!("--backend=127.0.0.1,{behind}"))
            .arg(format!("--accesslog-file={}", log.display()))
            .arg("--accesslog-format=$method $path $status $body_bytes_sent")
            .stderr(Stdio::null()),
    );
    wait_for_port(port);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let curl = |arguments: &[&str]| {
        run(Command::new("curl").arg("-sS").args(arguments));
    };
    // The first request is HTTP/1.1 and its answer stream 1 of HTTP/2; those after it are HTTP/2.
    curl(&[
        "--http2",
        &url("/ok/1"),
        &url("/nowhere"),
        &url("/big/big.txt?a=1"),
    ]);
    curl(&["--http2", "-I", &url("/ok/2"), &url("/big/big.txt")]);
    curl(&["--http2", &url("/moved/1"), &url("/none/")]);
    run(Command::new("nghttp").args(["-n", "-u", "-m", "5", &url("/ok/3"), &url("/big/big.txt")]));
    // The other two ways to speak to the same port.
    curl(&["--http1.1", &url("/ok/4"), &url("/nowhere/4")]);
    curl(&["--http2-prior-knowledge", "-d", "a=b", &url("/made/5")]);
    curl(&["--http2-prior-knowledge", &url("/big/big.txt")]);
    let told = 3 + 2 + 2 + 10 + 2 + 2;
    wait_for("the log of nghttpx", || whole_lines(&log).len() >= told);
    let (exchanges, _) = sensor.finish(told);
    proxy.stop();
    backend.stop();
    assert_whole(&exchanges);
    let seen = exchanges.iter().map(|e| {
        let without_request_body = line(e);
        let end = without_request_body.rfind(' ').expect("a space");
        without_request_body[..end].to_owned()
    });
    assert_same("HTTP/2 by upgrade", seen.collect(), whole_lines(&log));
    // Of the upgraded connections the first exchange is there with what HTTP/2 answered.
    let flows = objects(&out.join("flows.jsonl"));
    let count = |app: &str| flows.iter().filter(|f| f["app"] == app).count();
    assert_eq!((count("http/2"), count("http/1")), (6, 1), "{flows:#?}");
}

#[test]
fn http2_of_nghttpd_is_what_it_printed() {
    if !has("nghttpd", "--version", "nghttp2-server") || !has("nghttp", "--version", "nghttp2-client") {
        return;
    }
    let out = folder("peers-nghttpd");
    let port = free_port();
    fs::write(out.join("index.html"), vec![b'i'; 5000]).expect("a file");
    fs::write(out.join("pushed.css"), vec![b'c'; 700]).expect("a file");
    let log = out.join("nghttpd.log");
    let printed = fs::File::create(&log).expect("a file");
    let mut server = Running::start(
        Command::new("nghttpd")
            .args([
                "--no-tls",
                "-v",
                "-a",
                "127.0.0.1",
                "-b",
                "40",
                "--echo-upload",
                "--trailer",
                "x-sum: 1",
            ])
            // What is pushed was not asked for, and is no exchange of the client's.
            .args(["-p", "/index.html=/pushed.css", "-d", &out.display().to_string()])
            .arg(port.to_string())
            .stdout(printed)
            .stderr(Stdio::null()),
    );
    wait_for_port(port);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let body = out.join("body.txt").display().to_string();
    fs::write(&body, vec![b'q'; 50_000]).expect("a file");
    run(Command::new("nghttp").args(["-n", "-m", "4", &url("/index.html"), &url("/nowhere")]));
    // The body comes back.
    run(Command::new("nghttp").args(["-n", "-d", &body, "--trailer", "x-end: 1", &url("/echo")]));
    let told = 4 + 4 + 1;
    let (exchanges, _) = sensor.finish(told);
    server.stop();
    assert_whole(&exchanges);
    assert_same(
        "HTTP/2 of nghttpd",
        exchanges.iter().map(line).collect(),
        nghttpd_log(&whole_lines(&log)),
    );
}

/// The requests that nghttpd printed, frame by frame, with what it answered.
fn nghttpd_log(lines: &[String]) -> Vec<String> {
    #[derive(Default)]
    struct Stream {
        method: String,
        path: String,
        status: String,
        bodies: [u64; 2],
    }
    // What stands between two texts.
    let between = |line: &str, before: &str, behind: &[char]| -> Option<String> {
        let rest = line.split(before).nth(1)?;
        Some(rest.split(behind).next()?.to_owned())
    };
    let mut streams: BTreeMap<(String, String), Stream> = BTreeMap::new();
    // A frame that is sent, and its kind; what is told of it comes in the lines behind, which do not name it.
    let mut sent = None;
    for line in lines {
        let Some(connection) = between(line, "[id=", &[']']) else {
            let Some((key, kind)) = &sent else { continue };
            let Some(stream) = streams.get_mut(key) else {
                continue;
            };
            match kind {
                &"HEADERS" => {
                    if let Some(status) = line.trim().strip_prefix(":status: ") {
                        stream.status = status.to_owned();
                    }
                }
                // Padding is part of the length of its frame.
                _ => {
                    if let Some(padding) = between(line, "(padlen=", &[')']) {
                        stream.bodies[1] -= padding.parse::<u64>().expect("a number");
                    }
                }
            }
            continue;
        };
        sent = None;
        let Some(stream) = between(line, "stream_id=", &['>', ')', ',', ' ']) else {
            continue;
        };
        let key = (connection, stream);
        let found = streams.entry(key.clone()).or_default();
        if let Some(method) = between(line, ") :method: ", &['\n']) {
            found.method = method;
        } else if let Some(path) = between(line, ") :path: ", &['\n']) {
            found.path = path;
        } else if line.contains(" DATA frame") {
            let length = between(line, "<length=", &[',']).expect("a length");
            let way = usize::from(line.contains("] send "));
            found.bodies[way] += length.parse::<u64>().expect("a number");
            sent = (way == 1).then_some((key, "DATA"));
        } else if line.contains("] send HEADERS frame") {
            sent = Some((key, "HEADERS"));
        }
    }
    let asked = streams.values().filter(|s| !s.method.is_empty());
    asked
        .map(|s| {
            format!(
                "{} {} {} {} {}",
                s.method, s.path, s.status, s.bodies[1], s.bodies[0]
            )
        })
        .collect()
}

/// The content sizes of the parts of an exchange that one side sent, in order.
fn sizes(parts: &[Value], exchange: &Value, from: &str) -> Vec<u64> {
    let mut found: Vec<&Value> = parts
        .iter()
        .filter(|p| p["exchange"] == exchange["id"] && p["from"] == from)
        .collect();
    found.sort_by_key(|p| p["number"].as_u64());
    found
        .iter()
        .map(|p| p["content_bytes"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn calls_of_grpc_are_what_the_server_logged() {
    let Some(python) = python("grpc", "python3-grpcio") else {
        return;
    };
    let out = folder("peers-grpc");
    let log = out.join("server.log");
    let (mut server, port) = serve(python, "grpc_peers.py", &log);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let told = run(&mut script(python, "grpc_peers.py", &["call", &port.to_string()]));
    let told: usize = told.trim().parse().expect("a number");
    assert!(told >= 64, "{told} calls");
    wait_for("the log of the server", || whole_lines(&log).len() >= told);
    let (exchanges, parts) = sensor.finish(told);
    server.stop();
    assert!(
        exchanges
            .iter()
            .all(|e| e["protocol"] == "grpc" && e["method"] == "POST")
    );
    let logged = objects(&log).into_iter().map(|call| {
        let received = &call["received"];
        // A method that is not there: the server does not say what it was sent.
        let received = if received.is_null() {
            json!([0])
        } else {
            received.clone()
        };
        format!(
            "{} {received} {} {}",
            text(&call, "method"),
            call["sent"],
            call["status"]
        )
    });
    let seen = exchanges.iter().map(|e| {
        let (sent, received) = (sizes(&parts, e, "client"), sizes(&parts, e, "server"));
        // The sums in the exchange are those of its parts.
        for (message, sizes) in [("request", &sent), ("response", &received)] {
            let count = e[message]["parts"].as_u64().unwrap_or(0);
            let bytes = e[message]["part_bytes"].as_u64().unwrap_or(0);
            assert_eq!((count, bytes), (sizes.len() as u64, sizes.iter().sum()), "{e}");
        }
        format!(
            "{} {} {} {}",
            text(e, "target"),
            json!(sent),
            json!(received),
            e["rpc"]["status"]
        )
    });
    assert_same("calls of gRPC", seen.collect(), logged.collect());
    for p in &parts {
        assert_eq!(
            (&p["kind"], &p["complete"], &p["flags"]),
            (&json!("message"), &json!(true), &json!([])),
            "{p}"
        );
    }
    // Some went packed, and were counted as what they are.
    assert!(
        parts
            .iter()
            .any(|p| p["bytes"].as_u64() < p["content_bytes"].as_u64())
    );
    // Only calls that were given up are not whole.
    for e in &exchanges {
        let given_up = ["Sleep", "Watch"]
            .iter()
            .any(|name| text(e, "target").ends_with(name));
        assert_eq!(e["flags"] == json!([]), !given_up, "{e}");
    }
}

#[test]
fn messages_of_websockets_are_what_the_server_logged() {
    let Some(python) = python("websockets.legacy.server", "python3-websockets") else {
        return;
    };
    let out = folder("peers-websocket");
    let log = out.join("server.log");
    let (mut server, port) = serve(python, "websocket_peers.py", &log);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let told = run(&mut script(
        python,
        "websocket_peers.py",
        &["talk", &port.to_string()],
    ));
    let told: usize = told.trim().parse().expect("a number");
    // Frames that have the server's log; the last of them are close frames.
    let closes = |lines: Vec<Value>| lines.iter().filter(|f| f["opcode"] == 8).count();
    wait_for("the log of the server", || closes(objects(&log)) >= 2 * told);
    let all_seen = || sensor.parts().iter().filter(|p| p["kind"] == "close").count() >= 2 * told;
    wait_for("the parts", all_seen);
    let (exchanges, parts) = sensor.finish(told);
    server.stop();
    assert_whole(&exchanges);
    assert!(
        exchanges
            .iter()
            .all(|e| e["protocol"] == "websocket" && e["status"] == 101)
    );
    assert_eq!(exchanges.len(), told);
    // Frames of a message are joined; control frames come between them.
    let mut open: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let mut logged: Vec<String> = Vec::new();
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for f in objects(&log) {
        let key = (f["peer"].to_string(), text(&f, "from").to_owned());
        let (opcode, bytes) = (
            f["opcode"].as_u64().expect("a number"),
            f["bytes"].as_u64().expect("a number"),
        );
        let (kind, bytes) = match opcode {
            8..=10 => (opcode, bytes),
            0 => {
                let (kind, before) = open.remove(&key).expect("a message goes on");
                (kind, before + bytes)
            }
            _ => (opcode, bytes),
        };
        if kind < 8 && f["fin"] == false {
            open.insert(key, (kind, bytes));
            continue;
        }
        let kind = match kind {
            1 => "text",
            2 => "binary",
            8 => "close",
            9 => "ping",
            _ => "pong",
        };
        let number = counts.entry(key.clone()).or_default();
        logged.push(format!("{} {} {number} {kind} {bytes}", key.0, key.1));
        *number += 1;
    }
    let seen = parts.iter().map(|p| {
        assert_eq!((&p["complete"], &p["flags"]), (&json!(true), &json!([])), "{p}");
        let peer = text(&p["flow"], "client")
            .rsplit(':')
            .next()
            .unwrap_or("?")
            .to_owned();
        format!(
            "{peer} {} {} {} {}",
            text(p, "from"),
            p["number"],
            text(p, "kind"),
            p["content_bytes"]
        )
    });
    assert_same("messages of WebSockets", seen.collect(), logged);
    let codes = sorted(parts.iter().filter_map(|p| p["code"].as_u64()));
    assert_eq!(codes, [1000, 1000, 1000, 1000, 4001, 4001, 4001, 4001]);
    assert!(
        parts
            .iter()
            .any(|p| p["bytes"].as_u64() < p["content_bytes"].as_u64())
    );
}

/// Starts Hypercorn with the application of `asgi_peers.py`.
fn hypercorn(python: &str, log: &Path) -> (Running, u16) {
    let port = free_port();
    let mut command = script(
        python,
        "asgi_peers.py",
        &["serve", &port.to_string(), &log.display().to_string()],
    );
    let server = Running::start(command.stderr(Stdio::null()));
    wait_for_port(port);
    (server, port)
}

#[test]
fn messages_of_websockets_over_http2_are_what_the_server_logged() {
    let Some(python) = python("hypercorn, h2, wsproto", "python3-hypercorn") else {
        return;
    };
    let out = folder("peers-websocket-http2");
    let log = out.join("server.log");
    let (mut server, port) = hypercorn(python, &log);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let told = run(&mut script(python, "asgi_peers.py", &["talk", &port.to_string()]));
    let told: usize = told.trim().parse().expect("a number");
    let all_seen = || sensor.parts().iter().filter(|p| p["kind"] == "close").count() >= 2 * told;
    wait_for("the parts", all_seen);
    let (exchanges, parts) = sensor.finish(told);
    server.stop();
    assert_whole(&exchanges);
    let lines: Vec<String> = sorted(exchanges.iter().map(line));
    let wanted = (0..told).map(|n| format!("CONNECT /chat/{n} 200 0 0"));
    assert_eq!(lines, wanted.collect::<Vec<_>>());
    assert!(exchanges.iter().all(|e| e["protocol"] == "websocket"));
    let logged = objects(&log);
    let logged = logged.iter().map(|m| {
        format!(
            "{} {} {} {}",
            text(m, "path"),
            text(m, "sender"),
            text(m, "kind"),
            m["bytes"]
        )
    });
    let path = |p: &Value| {
        let found = exchanges.iter().find(|e| e["id"] == p["exchange"]);
        text(found.expect("its exchange"), "target").to_owned()
    };
    let of_data = |p: &&Value| matches!(text(p, "kind"), "text" | "binary");
    let seen = parts.iter().filter(of_data).map(|p| {
        format!(
            "{} {} {} {}",
            path(p),
            text(p, "from"),
            text(p, "kind"),
            p["content_bytes"]
        )
    });
    assert_same(
        "messages of WebSockets over HTTP/2",
        seen.collect(),
        logged.collect(),
    );
    // The application is not told of control frames: one ping, its answer, and a close frame each way.
    let control = sorted(
        parts
            .iter()
            .filter(|p| !of_data(p))
            .map(|p| format!("{} {} {}", path(p), text(p, "from"), text(p, "kind"))),
    );
    let wanted = (0..told).flat_map(|n| {
        ["client close", "client ping", "server close", "server pong"].map(|what| format!("/chat/{n} {what}"))
    });
    assert_eq!(control, wanted.collect::<Vec<_>>());
    assert!(
        parts
            .iter()
            .any(|p| p["bytes"].as_u64() < p["content_bytes"].as_u64())
    );
}

#[test]
fn server_sent_events_come_before_the_response_ends_and_are_what_the_server_logged() {
    let Some(python) = python("hypercorn", "python3-hypercorn") else {
        return;
    };
    if !has("curl", "--version", "curl") {
        return;
    }
    let out = folder("peers-events");
    let log = out.join("server.log");
    let (mut server, port) = hypercorn(python, &log);
    let Some(sensor) = Sensor::listen(&out, &[port]) else {
        return;
    };
    let ways = ["--http1.1", "--http2-prior-knowledge"];
    let url = |path: &str, way: usize| format!("http://127.0.0.1:{port}{path}?way={way}");
    let mut readers: Vec<Running> = (0..ways.len())
        .map(|way| {
            let mut command = Command::new("curl");
            command.args(["-s", "-N", ways[way], &url("/events", way)]);
            Running::start(command.stdout(Stdio::null()))
        })
        .collect();
    // All but the last events of both are there, and neither response is.
    wait_for("the events", || sensor.parts().len() >= 2 * 20);
    assert_eq!(sensor.parts().len(), 2 * 20);
    assert_eq!(sensor.exchanges(), Vec::<Value>::new());
    for (way, option) in ways.iter().enumerate() {
        run(Command::new("curl").args(["-s", option, &url("/release", way)]));
    }
    for reader in &mut readers {
        assert!(reader.0.wait().is_ok_and(|status| status.success()));
    }
    let (exchanges, parts) = sensor.finish(4);
    server.stop();
    assert_whole(&exchanges);
    let streams: Vec<&Value> = exchanges
        .iter()
        .filter(|e| text(e, "target").starts_with("/events"))
        .collect();
    assert_eq!((exchanges.len(), streams.len()), (4, 2), "{exchanges:#?}");
    assert_eq!(
        sorted(streams.iter().map(|e| text(e, "protocol"))),
        ["http/1.1", "http/2"]
    );
    for e in &streams {
        let found = sizes(&parts, e, "server");
        assert_eq!(e["response"]["parts"], 21, "{e}");
        assert_eq!(e["response"]["part_bytes"], found.iter().sum::<u64>(), "{e}");
    }
    let logged = objects(&log);
    let logged = logged
        .iter()
        .map(|event| format!("{} {}", text(event, "path"), event["data"]));
    let seen = streams.iter().flat_map(|e| {
        let target = text(e, "target");
        sizes(&parts, e, "server")
            .into_iter()
            .map(move |size| format!("{target} {size}"))
    });
    // In their order too: of each stream the log has one line after the other.
    let by_stream = |lines: Vec<String>| {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines {
            let (path, size) = line.split_once(' ').expect("a space");
            all.entry(path.to_owned()).or_default().push(size.to_owned());
        }
        all
    };
    let (seen, logged): (Vec<String>, Vec<String>) = (seen.collect(), logged.collect());
    assert_eq!(by_stream(seen.clone()), by_stream(logged.clone()));
    assert_same("server-sent events", seen, logged);
}
