//! A network namespace with a cable in it, and a sender of frames that works there.
//!
//! Needs root and `ip`; where the machine does not allow it, that is said, and tests do nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What tells a test binary that it is the sender, and the capture whose frames it sends.
const SENDS: &str = "TAPLINE_TEST_SENDS";

/// Runs a program and says whether it did its work.
pub(crate) fn ok(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A namespace in which what is sent on `out` comes in on `span`. Neither has an address, and both are silent by themselves.
pub(crate) struct Cable {
    namespace: String,
}

impl Cable {
    /// `None`, and a message, where this is not possible.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let n = format!("tlo{name}{}", std::process::id() % 100_000);
        let made = [
            format!("netns add {n}"),
            format!("-n {n} link set lo up"),
            format!("netns exec {n} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"),
            format!("-n {n} link add out mtu 65535 type veth peer name span"),
            format!("-n {n} link set span mtu 65535"),
            format!("-n {n} link set span up"),
            format!("-n {n} link set out up"),
        ]
        .iter()
        .all(|line| ok("ip", &line.split(' ').collect::<Vec<_>>()));
        let cable = Self { namespace: n };
        if !made || !ok("curl", &["--version"]) {
            eprintln!(
                "skipped: this machine does not allow network namespaces (root is needed), or has no curl"
            );
            return None;
        }
        Some(cable)
    }

    /// A program that runs in the namespace.
    pub(crate) fn within(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Sends the frames of a capture on `out`: this very binary runs again for that, in the namespace. `test` is the name of the
    /// test that calls [`send_if_asked`] and nothing else.
    pub(crate) fn send(&self, capture: &Path, test: &str) {
        let exe = std::env::current_exe().expect("this binary");
        let output = self
            .within(&exe.display().to_string())
            .args(["--exact", test, "--nocapture"])
            .env(SENDS, capture)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", super::said(&output));
    }

    /// Asks over HTTP: the status, and the body.
    pub(crate) fn get(&self, address: SocketAddr, path: &str) -> (u16, String) {
        let url = format!("http://{address}{path}");
        let Output { stdout, .. } = self
            .within("curl")
            .args(["-s", "-m", "10", "-w", "\n%{http_code}", &url])
            .output()
            .expect("curl runs");
        let text = String::from_utf8(stdout).expect("text");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().unwrap_or(0), body.to_owned())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ok("ip", &["netns", "del", &self.namespace]);
    }
}

/// Sends frames when it was asked to by [`Cable::send`].
pub(crate) fn send_if_asked() {
    let Some(capture) = std::env::var_os(SENDS) else {
        return;
    };
    let mut file = pcap::Capture::from_file(capture).expect("a capture");
    let mut out = pcap::Capture::from_device("out")
        .and_then(pcap::Capture::open)
        .expect("an interface");
    let mut sent = 0_u32;
    while let Ok(packet) = file.next_packet() {
        out.sendpacket(packet.data).expect("sent");
        sent += 1;
        // Some 20,000 a second: what counts here is that each arrives.
        if sent.is_multiple_of(100) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits until something is so, for half a minute.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
