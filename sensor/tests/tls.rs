//! TLS with the secrets at hand: what nginx logged is what comes out of a capture of its encrypted traffic.
//!
//! Needs `nginx`, `curl`, `openssl` and `tcpdump`, and the right to capture on loopback; where something is missing, the
//! test says so and does nothing.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::servers::{Running, free_port, has, wait_for};
use support::{folder, lines, said, tapline};

/// Suites by the names of OpenSSL, each for one connection.
const TLS12: [&str; 10] = [
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
];
const TLS13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

fn ok(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A pcapng file with the frames of a pcap file of this machine, behind a block with the key log.
fn with_secrets(pcap: &[u8], key_log: &[u8]) -> Vec<u8> {
    let u32_at = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(
        u32_at(0),
        0xa1b2_c3d4,
        "tcpdump writes microseconds, in the order of this machine"
    );
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(body.len() + 12).expect("short").to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &body, &length].concat()
    };
    let numbers = |all: &[u32]| all.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let mut out = block(0x0a0d_0d0a, &numbers(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    out.extend(block(1, &numbers(&[u32_at(20), 262_144])));
    let length = u32::try_from(key_log.len()).expect("short");
    out.extend(block(
        10,
        &[&numbers(&[0x544c_534b, length])[..], key_log].concat(),
    ));
    let mut at = 24;
    while at < pcap.len() {
        let (captured, wire) = (u32_at(at + 8), u32_at(at + 12));
        let units = u64::from(u32_at(at)) * 1_000_000 + u64::from(u32_at(at + 4));
        let (high, low) = ((units >> 32) as u32, units as u32);
        let frame = &pcap[at + 16..at + 16 + captured as usize];
        out.extend(block(
            6,
            &[&numbers(&[0, high, low, captured, wire])[..], frame].concat(),
        ));
        at += 16 + captured as usize;
    }
    out
}

/// A capture without one of so many frames.
fn without(pcap: &[u8], every: usize) -> Vec<u8> {
    let (mut out, mut at, mut number) = (pcap[..24].to_vec(), 24, 0);
    while at < pcap.len() {
        let captured = u32::from_le_bytes(pcap[at + 8..at + 12].try_into().expect("four bytes"));
        let end = at + 16 + captured as usize;
        number += 1;
        if number % every != 0 {
            out.extend_from_slice(&pcap[at..end]);
        }
        at = end;
    }
    out
}

/// What was captured, and what nginx logged: one line an exchange.
struct Captured {
    connections: usize,
    logged: Vec<String>,
}

/// Runs nginx and clients, and leaves `capture.pcap` and `keys.log` in `out`. `None` where that is not possible.
fn record(out: &Path) -> Option<Captured> {
    for (program, version, package) in [
        ("nginx", "-v", "nginx"),
        ("curl", "--version", "curl"),
        ("openssl", "version", "openssl"),
        ("tcpdump", "--version", "tcpdump"),
    ] {
        if !has(program, version, package) {
            return None;
        }
    }
    let dir = out.display();
    for (name, key) in [
        ("rsa", vec!["rsa:2048"]),
        ("ec", vec!["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]),
    ] {
        let (key_out, cert_out) = (format!("{dir}/{name}.key"), format!("{dir}/{name}.crt"));
        let mut arguments = vec![
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=shop.example",
        ];
        arguments.push("-newkey");
        arguments.extend(key);
        arguments.extend(["-keyout", &key_out, "-out", &cert_out]);
        assert!(ok("openssl", &arguments), "openssl makes a certificate");
    }
    let dh = format!("{dir}/dh.pem");
    let group = [
        "genpkey",
        "-genparam",
        "-algorithm",
        "DH",
        "-pkeyopt",
        "group:ffdhe2048",
        "-out",
        &dh,
    ];
    assert!(ok("openssl", &group), "openssl writes parameters");
    let (port, retrying) = (free_port(), free_port());
    let tls = format!(
        "ssl_certificate {dir}/rsa.crt; ssl_certificate_key {dir}/rsa.key; ssl_certificate {dir}/ec.crt; ssl_certificate_key {dir}/ec.key;\n\
         ssl_dhparam {dh}; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;\n\
         location /ok/ {{ default_type application/json; return 200 '{{\"ok\":true}}'; }}\n\
         location /made/ {{ return 201 'made'; }} location /big/ {{ alias {dir}/; }} location / {{ return 404; }}"
    );
    fs::write(
        out.join("nginx.conf"),
        format!(
            "pid {dir}/nginx.pid; error_log {dir}/error.log; daemon off; worker_processes 1; user root; events {{}}\n\
             http {{ log_format t '$request_method $request_uri $status $body_bytes_sent $ssl_protocol'; access_log {dir}/access.log t;\n\
             client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             server {{ listen 127.0.0.1:{port} ssl; {tls} }}\n\
             server {{ listen 127.0.0.1:{retrying} ssl; ssl_ecdh_curve secp384r1; {tls} }} }}\n"
        ),
    )
    .expect("a file");
    let big: Vec<u8> = (0..300_000_u32)
        .map(|n| b"0123456789abcdef\n"[n as usize % 17])
        .collect();
    fs::write(out.join("big.txt"), &big).expect("a file");
    let mut nginx = Running::start(
        Command::new("nginx")
            .args(["-c", &format!("{dir}/nginx.conf")])
            .stderr(Stdio::null()),
    );
    wait_for("nginx", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let pcap = format!("{dir}/capture.pcap");
    let filter = format!("tcp port {port} or tcp port {retrying}");
    let arguments = [
        "-i",
        "lo",
        "-s",
        "0",
        "-B",
        "32768",
        "-U",
        "--immediate-mode",
        "-w",
    ];
    let mut tcpdump = Running::start(
        Command::new("tcpdump")
            .args(arguments)
            .args([&pcap, &filter])
            .stderr(Stdio::piped()),
    );
    let mut said = String::new();
    let mut stderr = BufReader::new(tcpdump.0.stderr.take().expect("a pipe"));
    while stderr.read_line(&mut said).is_ok_and(|read| read > 0) && !said.contains("listening on") {}
    if !said.contains("listening on") {
        eprintln!("skipped: tcpdump may not capture on loopback: {}", said.trim());
        return None;
    }
    let suites = TLS12.iter().map(|suite| (port, "1.2", *suite));
    let suites = suites.chain(TLS13.iter().map(|suite| (port, "1.3", *suite)));
    // The curve of this one is not what the client offers a key for: a HelloRetryRequest.
    let suites: Vec<_> = suites.chain([(retrying, "1.3", TLS13[1])]).collect();
    for (number, (port, version, suite)) in suites.iter().enumerate() {
        let url = |path: &str| format!("https://shop{number}.example:{port}/{path}");
        let option = if *version == "1.2" {
            "--ciphers"
        } else {
            "--tls13-ciphers"
        };
        let status = Command::new("curl")
            .env("SSLKEYLOGFILE", out.join("keys.log"))
            .args([
                "-s",
                "-k",
                "--http1.1",
                "-o",
                "/dev/null",
                "-o",
                "/dev/null",
                "-o",
                "/dev/null",
                "-o",
                "/dev/null",
            ])
            .args([
                "--connect-to",
                &format!("::127.0.0.1:{port}"),
                "--tls-max",
                version,
                option,
                suite,
            ])
            .args([&url("ok/1"), &url("none"), &url("big/big.txt"), &url("ok/2")])
            // Another request with a body, on the same connection.
            .args(["--next", "-s", "-k", "--http1.1", "-o", "/dev/null"])
            .args([
                "--connect-to",
                &format!("::127.0.0.1:{port}"),
                "--tls-max",
                version,
                option,
                suite,
            ])
            .args(["--data-binary", &format!("@{dir}/big.txt"), &url("made/1")])
            .status()
            .expect("curl runs");
        assert!(status.success(), "curl with {suite}: {status}");
    }
    // What is captured reaches the file a moment later.
    let (mut length, mut since) = (0, Instant::now());
    wait_for("the end of the capture", || {
        let now = fs::metadata(&pcap).map_or(0, |m| m.len());
        if now != length {
            (length, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(1)
    });
    tcpdump.stop();
    let mut last = String::new();
    let _ = std::io::Read::read_to_string(&mut stderr, &mut last);
    assert!(
        last.contains("\n0 packets dropped by kernel"),
        "the capture is not whole: {last}"
    );
    nginx.stop();
    let log = fs::read_to_string(out.join("access.log")).expect("the log");
    Some(Captured {
        connections: suites.len(),
        logged: log.lines().map(str::to_owned).collect(),
    })
}

/// Exchanges as nginx would log them, after a look at what must hold of every one.
fn seen(out: &Path, exchanges: &Path, flows: &Path) -> Vec<String> {
    let flows = lines(flows);
    lines(exchanges)
        .iter()
        .map(|e| {
            assert_eq!(e["flags"], serde_json::json!([]), "{e}");
            assert_eq!(e["scheme"], "https", "{e}");
            assert_eq!(e["response"]["complete"], true, "{e} in {}", out.display());
            let flow = flows
                .iter()
                .find(|f| f["client"] == e["flow"]["client"])
                .expect("its flow");
            let text = |name: &str| e[name].as_str().unwrap_or("?").to_owned();
            let version = flow["tls"]["version"].as_str().unwrap_or("?");
            format!(
                "{} {} {} {} {version}",
                text("method"),
                text("target"),
                e["status"],
                e["response"]["body_bytes"]
            )
        })
        .collect()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

#[test]
fn with_its_secrets_a_capture_shows_what_nginx_logged() {
    let out = folder("tls");
    let Some(captured) = record(&out) else {
        return;
    };
    let path = |name: &str| out.join(name).display().to_string();
    let replay = |capture: &str, name: &str, more: &[&str]| {
        let (exchanges, flows) = (path(&format!("{name}.exchanges")), path(&format!("{name}.flows")));
        let capture = path(capture);
        let mut arguments = vec!["replay", &capture, "--exchanges", &exchanges, "--flows", &flows];
        arguments.extend(more);
        let output = tapline(&arguments);
        assert!(output.status.success(), "{}", said(&output));
        eprintln!("{name}: {}", said(&output).trim());
        said(&output)
    };
    assert_eq!(captured.logged.len(), captured.connections * 5);
    let keys = fs::read(out.join("keys.log")).expect("the key log");
    let key_log = path("keys.log");

    // With a file.
    let mut told = replay("capture.pcap", "file", &["--keylog", &key_log]);
    let (exchanges, flows) = (out.join("file.exchanges"), out.join("file.flows"));
    assert_eq!(
        sorted(seen(&out, &exchanges, &flows)),
        sorted(captured.logged.clone())
    );
    let check_names = |flows: &Path, app: &str, flags: serde_json::Value| {
        let mut names: Vec<String> = lines(flows)
            .iter()
            .map(|f| {
                assert_eq!((&f["app"], &f["flags"]), (&serde_json::json!(app), &flags), "{f}");
                f["tls"]["sni"].as_str().unwrap_or("?").to_owned()
            })
            .collect();
        names.sort();
        let wanted = (0..captured.connections).map(|n| format!("shop{n}.example"));
        assert_eq!(names, sorted(wanted.collect()));
    };
    check_names(&flows, "http/1", serde_json::json!([]));

    // With the secrets in the capture.
    let pcap = fs::read(out.join("capture.pcap")).expect("the capture");
    fs::write(out.join("capture.pcapng"), with_secrets(&pcap, &keys)).expect("a file");
    told += &replay("capture.pcapng", "block", &[]);
    let same = |a: &str, b: &str| fs::read(out.join(a)).expect(a) == fs::read(out.join(b)).expect(b);
    assert!(same("file.exchanges", "block.exchanges"));
    assert!(same("file.flows", "block.flows"));

    // Without them.
    told += &replay("capture.pcap", "none", &[]);
    assert_eq!(
        lines(&out.join("none.exchanges")),
        Vec::<serde_json::Value>::new()
    );
    check_names(&out.join("none.flows"), "tls", serde_json::json!(["opaque"]));

    // A secret of the first connection alone opens that one alone.
    let text = String::from_utf8(keys).expect("text");
    let first = text
        .lines()
        .find(|l| l.starts_with("CLIENT_RANDOM "))
        .expect("a secret");
    fs::write(out.join("one.log"), format!("{first}\nCLIENT_RANDOM 00 11\n")).expect("a file");
    let one = replay("capture.pcap", "one", &["--keylog", &path("one.log")]);
    assert!(
        one.contains("one.log:2: the client random is not 32 bytes"),
        "{one}"
    );
    assert_eq!(lines(&out.join("one.exchanges")).len(), 5);
    told += &one;

    // With frames missing: what comes out without a flag is what was there before.
    let whole = seen(&out, &exchanges, &flows);
    for every in [97, 53, 29] {
        fs::write(out.join("lossy.pcap"), without(&pcap, every)).expect("a file");
        told += &replay("lossy.pcap", "lossy", &["--keylog", &key_log]);
        let lossy = out.join("lossy.exchanges");
        let text = fs::read_to_string(&lossy).expect("text");
        let unharmed: String = text
            .lines()
            .filter(|l| l.contains("\"flags\":[]"))
            .map(|l| format!("{l}\n"))
            .collect();
        assert!(unharmed.lines().count() > text.lines().count() / 2, "{every}");
        fs::write(&lossy, unharmed).expect("a file");
        for line in seen(&out, &lossy, &out.join("lossy.flows")) {
            assert!(whole.contains(&line), "{line}, with one frame of {every} missing");
        }
    }

    // No output has a secret, nor a part of one.
    for name in ["file", "block", "none", "one"] {
        for kind in ["exchanges", "flows"] {
            told += &fs::read_to_string(out.join(format!("{name}.{kind}"))).expect("text");
        }
    }
    for word in text.lines().flat_map(|line| line.split(' ').skip(2)) {
        assert!(!told.contains(&word[..16]), "a secret came out");
    }
}
