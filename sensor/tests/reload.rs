//! The configuration read anew while a capture goes on: what is right comes into force, what is wrong changes nothing.
//!
//! Needs the right to capture on the loopback interface; where the machine does not allow it, the test says so and does nothing.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use support::{folder, lines};

/// A server that answers every request with the same record.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 2048];
            while let Ok(1..) = stream.read(&mut buffer) {
                let body = r#"{"id":7,"state":"open"}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    address
}

fn call(server: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(server).expect("the server");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: orders.example\r\nAuthorization: Bearer t0k3n-of-somebody\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = [0; 1024];
    assert!(stream.read(&mut answer).expect("an answer") > 0);
}

struct Sensor {
    child: Child,
    said: Receiver<String>,
    all: Vec<String>,
}

impl Sensor {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tapline"))
            .arg("capture")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the sensor starts");
        let (tell, said) = channel();
        let words = BufReader::new(child.stderr.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in words.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self {
            child,
            said,
            all: Vec::new(),
        }
    }

    /// Waits until it says something with `words`. False when it ends before.
    fn says(&mut self, words: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            match self.said.recv_timeout(Duration::from_secs(20)) {
                Ok(line) => {
                    self.all.push(line);
                    if self.all.last().is_some_and(|line| line.contains(words)) {
                        return true;
                    }
                }
                Err(_) => break,
            }
        }
        false
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }
}

fn kinds(findings: &Path) -> Vec<String> {
    lines(findings)
        .iter()
        .map(|f| f["kind"].as_str().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn what_is_right_comes_into_force_and_what_is_wrong_changes_nothing() {
    for workers in ["1", "3", "4"] {
        let out = folder(&format!("reload-{workers}"));
        let name = |name: &str| out.join(name).display().to_string();
        let (config, findings, exchanges) = (
            name("tapline.toml"),
            name("findings.jsonl"),
            name("exchanges.jsonl"),
        );
        fs::write(&config, "[detection]\nunknown_paths = 40\n").expect("a file");
        fs::write(
            out.join("orders.json"),
            r#"{"openapi":"3.0.3","info":{"title":"Orders","version":"1"},"servers":[{"url":"http://orders.example"}],
                "paths":{"/v1/orders":{"get":{"responses":{"200":{"description":"all"}}}}}}"#,
        )
        .expect("a file");
        let server = serve();
        let filter = format!("tcp port {}", server.port());
        let mut sensor = Sensor::start(&[
            "-i",
            "lo",
            "--filter",
            &filter,
            "--config",
            &config,
            "--findings",
            &findings,
            "--exchanges",
            &exchanges,
            "--workers",
            workers,
            "--store",
            &name("store"),
        ]);
        if !sensor.says("listening on lo") {
            eprintln!(
                "skipped: this machine does not allow capturing on lo: {:?}",
                sensor.all
            );
            return;
        }
        let twelve = |path: &str| (0..12).for_each(|n| call(server, &format!("{path}/{n}")));
        twelve("/v1/refunds");
        // The kernel hands packets over a little later.
        std::thread::sleep(Duration::from_millis(500));
        // A file that is wrong: told with its line, and nothing changes.
        fs::write(&config, "[detection]\nunknown_paths = \"many\"\n").expect("a file");
        sensor.signal("-HUP");
        assert!(sensor.says("was not taken over"), "{:?}", sensor.all);
        assert!(sensor.says("2:17  detection.unknown_paths"), "{:?}", sensor.all);
        // One that names a pipe into which nobody writes: refused at once, and not waited for.
        let pipe = name("owners.toml");
        if !Path::new(&pipe).exists() {
            assert!(
                Command::new("mkfifo")
                    .arg(&pipe)
                    .status()
                    .expect("mkfifo runs")
                    .success()
            );
        }
        fs::write(&config, format!("[inventory]\nowners = \"{pipe}\"\n")).expect("a file");
        sensor.signal("-HUP");
        assert!(
            sensor.says("it is a pipe, and only a regular file is read here"),
            "{:?}",
            sensor.all
        );
        // A file that is right, with one key that is for the next start.
        let spec = name("orders.json");
        fs::write(
            &config,
            format!("[detection]\nunknown_paths = 50\n[inventory]\nspecs = [\"{spec}\"]\n[capture]\nbuffer = \"32MiB\"\n"),
        )
        .expect("a file");
        sensor.signal("-HUP");
        assert!(
            sensor.says("for the next start only: capture.buffer"),
            "{:?}",
            sensor.all
        );
        let told = |words: &str| sensor.all.iter().any(|line| line.contains(words));
        assert!(
            told("are in force") && told("detection.unknown_paths = 50 (was 40)"),
            "{:?}",
            sensor.all
        );
        // A specification that was cut off while it was copied would switch off what is compared with it.
        fs::write(&spec, "openapi: [\n").expect("a file");
        sensor.signal("-HUP");
        assert!(sensor.says("declares no operation"), "{:?}", sensor.all);
        assert!(!kinds(Path::new(&findings)).contains(&"shadow_endpoint".to_owned()));
        twelve("/v1/refunds");
        twelve("/v1/orders");
        std::thread::sleep(Duration::from_millis(1500));
        sensor.signal("-TERM");
        let mut child = sensor.child;
        assert!(child.wait().expect("it ends").success());
        // One was called all the time and is not declared; what came before the wrong file and after it is all there.
        assert_eq!(lines(Path::new(&exchanges)).len(), 36);
        assert!(kinds(Path::new(&findings)).contains(&"shadow_endpoint".to_owned()));
        let trail = lines(&out.join("store/audit.jsonl"));
        let count = |what: &str| trail.iter().filter(|record| record["what"] == what).count();
        assert_eq!(
            (count("configuration_refused"), count("configuration_reloaded")),
            (3, 1),
            "{trail:?}"
        );
    }
}
