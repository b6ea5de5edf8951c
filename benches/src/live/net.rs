//! Two namespaces joined by a pair of interfaces: what goes in at `out` comes out at `span`, which is silent by itself.

use std::process::{Child, Command, Stdio};

pub(super) struct Net {
    pub(super) sender: String,
    pub(super) sensor: String,
}

fn ip(line: &str) -> Result<(), String> {
    let done = Command::new("ip").args(line.split(' ')).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("`ip {line}` failed; root is needed")),
        Err(error) => Err(format!("ip: {error}")),
    }
}

impl Net {
    pub(super) fn new() -> Result<Self, String> {
        let id = std::process::id() % 100_000;
        let net = Self {
            sender: format!("tlo{id}"),
            sensor: format!("tli{id}"),
        };
        let (o, i) = (&net.sender, &net.sensor);
        ip(&format!("netns add {o}"))?;
        ip(&format!("netns add {i}"))?;
        ip(&format!(
            "link add out netns {o} type veth peer name span netns {i}"
        ))?;
        for (namespace, interface) in [(o, "out"), (i, "span")] {
            // No address and no neighbour discovery, so that every frame is one that was sent on purpose.
            let silent = format!("net.ipv6.conf.{interface}.disable_ipv6=1");
            ip(&format!(
                "netns exec {namespace} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 {silent}"
            ))?;
            ip(&format!("-n {namespace} link set {interface} up"))?;
        }
        Ok(net)
    }

    /// A number that the kernel counts for the sensor's interface.
    pub(super) fn counter(&self, name: &str) -> Result<u64, String> {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.sensor, "cat"])
            .arg(format!("/sys/class/net/span/statistics/{name}"))
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim()
            .parse()
            .map_err(|_| format!("{name} is no number: {text}"))
    }

    /// Starts a program within a namespace; its words on standard error and its output can be read.
    pub(super) fn start(&self, namespace: &str, program: &str, arguments: &[&str]) -> Result<Child, String> {
        Command::new("ip")
            .args(["netns", "exec", namespace, program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))
    }

    /// Starts another part of this program within a namespace.
    pub(super) fn part(&self, namespace: &str, arguments: &[&str]) -> Result<Child, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        self.start(namespace, &own.display().to_string(), arguments)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.sender, &self.sensor] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Asks a program to end in order, and waits; gives what it printed and said.
pub(super) fn end(child: Child, signal: &str) -> Result<(String, String), String> {
    let _ = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    finish(child)
}

/// Waits for the end of a program; gives what it printed and said.
pub(super) fn finish(child: Child) -> Result<(String, String), String> {
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    match output.status.success() {
        true => Ok((printed, said)),
        false => Err(format!("{}: {said}", output.status)),
    }
}

/// The number after `name=` in what a part printed.
pub(super) fn number(printed: &str, name: &str) -> Result<u64, String> {
    let found = printed
        .split_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    found.ok_or_else(|| format!("no {name} in {printed:?}"))
}
