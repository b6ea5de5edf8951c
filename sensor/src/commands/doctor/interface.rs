//! The interface: whether it is up, whether frames come through whole, and whether any were dropped.
//!
//! Read from `/sys/class/net` (Documentation/ABI/testing/sysfs-class-net of Linux) and, where it is installed, from `ethtool`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Outcome::{Bad, Doubtful};
use super::Point;
use crate::config::Config;

/// `IFF_UP` of netdevice(7).
const UP: u64 = 0x1;
/// `IFF_LOOPBACK`.
const LOOPBACK: u64 = 0x8;
/// Bytes of an Ethernet header with two VLAN tags.
const HEADER: u64 = 22;
/// Bytes of a frame that a card or the kernel made of several: the longest of IP, with its header.
const MERGED: u64 = 65_535 + HEADER;
/// Frames that the kernel drops because nobody wants them, as a share that is nothing to worry about.
const UNWANTED: f64 = 0.001;
/// Time for which the buffer should hold a line that is full, in milliseconds.
const HOLDS_MS: u64 = 20;

/// An interface as the kernel shows it.
struct Interface<'a> {
    name: &'a str,
    folder: PathBuf,
}

impl Interface<'_> {
    fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(file))
            .ok()
            .map(|text| text.trim().to_owned())
    }

    fn number(&self, file: &str) -> Option<u64> {
        let text = self.text(file)?;
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    fn counter(&self, name: &str) -> u64 {
        self.number(&format!("statistics/{name}")).unwrap_or(0)
    }
}

/// What is to be said of this interface; nothing when it is as it should be, or is not there at all.
pub(super) fn points(name: &str, config: &Config, snaplen: u64) -> Vec<Point> {
    let folder = Path::new("/sys/class/net").join(name);
    // A name with a slash in it is no interface, and neither is `any`.
    if name.is_empty() || name.contains('/') || !folder.exists() {
        return Vec::new();
    }
    let interface = Interface { name, folder };
    let mut points = Vec::new();
    state(&interface, config, &mut points);
    lengths(&interface, snaplen, &mut points);
    drops(&interface, &mut points);
    buffer(&interface, config, &mut points);
    points
}

fn state(interface: &Interface<'_>, config: &Config, points: &mut Vec<Point>) {
    let name = interface.name;
    let flags = interface.number("flags").unwrap_or(UP);
    if flags & UP == 0 {
        points.push((
            "interface",
            Bad(format!("{name} is down"), format!("sudo ip link set {name} up")),
        ));
        return;
    }
    // Reading it fails while an interface is down; 0 is a cable that is not plugged in, or a peer that is down.
    if interface.text("carrier").as_deref() == Some("0") {
        points.push((
            "interface",
            Bad(
                format!("{name} is up and has no carrier: nothing is connected, or the other end is down"),
                format!(
                    "ip -d link show {name}; see the cable, the port of the switch or the mirror session"
                ),
            ),
        ));
    }
    if !config.capture.promiscuous && flags & LOOPBACK == 0 {
        points.push((
            "promiscuous",
            Doubtful(
                format!(
                    "off, so {name} takes only frames to its own address, and a mirror has those of others"
                ),
                "set capture.promiscuous = true".into(),
            ),
        ));
    }
}

fn lengths(interface: &Interface<'_>, snaplen: u64, points: &mut Vec<Point>) {
    let name = interface.name;
    if let Some(mtu) = interface.number("mtu")
        && snaplen < mtu + HEADER
    {
        points.push((
            "snaplen",
            Bad(
                format!(
                    "{snaplen} bytes are kept of each frame, and {name} has frames of up to {}",
                    mtu + HEADER
                ),
                format!("set capture.snaplen = {}", (mtu + HEADER).max(65_535 + HEADER)),
            ),
        ));
    }
    let Some(features) = ethtool(interface, "-k") else {
        if interface.number("type") == Some(1) && !has_ethtool() {
            points.push((
                "offloads",
                Doubtful(
                    "offloads and rings of the card were not looked at: ethtool is not installed".into(),
                    "sudo apt-get install ethtool".into(),
                ),
            ));
        }
        return;
    };
    let on = |feature: &str| {
        features
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .any(|(name, state)| name == feature && state.starts_with("on"))
    };
    if on("large-receive-offload") {
        points.push((
            "offloads",
            Doubtful(
                format!("{name} merges frames before they are captured (LRO): their headers are made up, and what lay between is gone"),
                format!("sudo ethtool -K {name} lro off"),
            ),
        ));
    }
    // Frames that a program on this machine sends are cut up after they were captured.
    let merged = on("generic-receive-offload") || on("tcp-segmentation-offload");
    let longest = MERGED;
    if merged && snaplen < longest {
        points.push((
            "offloads",
            Bad(
                format!(
                    "{name} hands over frames merged to up to {longest} bytes (GRO, TSO), and {snaplen} bytes are kept of each"
                ),
                format!("sudo ethtool -K {name} gro off tso off gso off, or set capture.snaplen = {longest}"),
            ),
        ));
    }
}

fn drops(interface: &Interface<'_>, points: &mut Vec<Point>) {
    let name = interface.name;
    let received = interface.counter("rx_packets");
    let full: u64 = ["rx_missed_errors", "rx_fifo_errors", "rx_over_errors"]
        .map(|counter| interface.counter(counter))
        .iter()
        .sum();
    let rings = ethtool(interface, "-g").and_then(|text| rings(&text));
    if full > 0 {
        let mend = match rings {
            Some((now, most)) if now < most => format!("sudo ethtool -G {name} rx {most}"),
            _ => format!("less mirrored traffic, or more queues: ethtool -l {name}"),
        };
        points.push((
            "card",
            Doubtful(
                format!(
                    "{name} dropped {full} frames because its ring was full, beside {received} it received"
                ),
                mend,
            ),
        ));
    } else if let Some((now, most)) = rings.filter(|(now, most)| *now < 1024 && now < most) {
        points.push((
            "rings",
            Doubtful(
                format!("the receive ring of {name} holds {now} frames, of {most} that it may"),
                format!("sudo ethtool -G {name} rx {most}"),
            ),
        ));
    }
    let broken = interface.counter("rx_crc_errors") + interface.counter("rx_frame_errors");
    if broken > 0 {
        points.push((
            "card",
            Doubtful(
                format!("{name} received {broken} broken frames"),
                format!("see the cable and the optics; ethtool -S {name} tells more"),
            ),
        ));
    }
    let dropped = interface.counter("rx_dropped");
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    if dropped as f64 > received as f64 * UNWANTED && dropped > 100 {
        points.push((
            "kernel",
            Doubtful(
                format!("the kernel dropped {dropped} frames of {name}, beside {received} it took: for want of room, or of protocols nobody asked for"),
                format!("sudo sysctl -w net.core.netdev_max_backlog=10000; ip -s -s link show {name}"),
            ),
        ));
    }
}

/// Frames that the receive ring holds, and may hold at most: of `ethtool -g`, the maximum comes first.
fn rings(text: &str) -> Option<(u64, u64)> {
    let mut sizes = text
        .lines()
        .filter_map(|line| line.strip_prefix("RX:")?.trim().parse().ok());
    let (most, now) = (sizes.next()?, sizes.next()?);
    Some((now, most))
}

fn buffer(interface: &Interface<'_>, config: &Config, points: &mut Vec<Point>) {
    // Megabits a second; what has no speed says -1, or nothing.
    let Some(speed) = interface
        .number("speed")
        .filter(|speed| (1..10_000_000).contains(speed))
    else {
        return;
    };
    let needed = speed * 125 * HOLDS_MS;
    let buffer = config.capture.buffer.0;
    if buffer < needed {
        points.push((
            "buffer",
            Doubtful(
                format!(
                    "capture.buffer holds {} ms of {} at its {speed} Mbit/s, and pauses are longer",
                    buffer / (speed * 125),
                    interface.name
                ),
                format!("set capture.buffer = \"{}MiB\"", (needed >> 20) + 1),
            ),
        ));
    }
}

fn ethtool(interface: &Interface<'_>, what: &str) -> Option<String> {
    let output = Command::new("ethtool")
        .args([what, interface.name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn has_ethtool() -> bool {
    let tried = Command::new("ethtool")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    tried.is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is said of an interface with these counters.
    fn said(counters: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("statistics")).unwrap();
        for (name, value) in counters {
            fs::write(dir.path().join(name), format!("{value}\n")).unwrap();
        }
        let interface = Interface {
            name: "nosuch0",
            folder: dir.path().to_owned(),
        };
        let mut points = Vec::new();
        let config = Config::default();
        state(&interface, &config, &mut points);
        lengths(&interface, config.capture.snaplen, &mut points);
        drops(&interface, &mut points);
        buffer(&interface, &config, &mut points);
        points
            .into_iter()
            .map(|(name, outcome)| match outcome {
                Bad(text, mend) | Doubtful(text, mend) => format!("{name}: {text} | {mend}"),
                super::super::Outcome::Good(_) => String::new(),
            })
            .collect()
    }

    #[test]
    fn counters_that_show_drops_are_told_and_others_are_not() {
        let sound = [
            ("flags", "0x1003"),
            ("carrier", "1"),
            ("mtu", "1500"),
            ("speed", "10000"),
            ("statistics/rx_packets", "1000000"),
            ("statistics/rx_dropped", "900"),
            ("statistics/rx_missed_errors", "0"),
        ];
        assert_eq!(said(&sound), [""; 0]);
        let with = |name: &'static str, value: &'static str| {
            let mut all = sound.to_vec();
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
            said(&all)
        };
        for (name, value, wanted) in [
            ("flags", "0x1002", "sudo ip link set nosuch0 up"),
            ("carrier", "0", "has no carrier"),
            (
                "statistics/rx_missed_errors",
                "7",
                "dropped 7 frames because its ring was full",
            ),
            ("statistics/rx_crc_errors", "3", "3 broken frames"),
            ("statistics/rx_dropped", "2000", "netdev_max_backlog"),
            ("speed", "400000", "set capture.buffer = \"954MiB\""),
        ] {
            let found = with(name, value);
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(found[0].contains(wanted), "{found:?}");
        }
        assert!(with("mtu", "300000")[0].contains("set capture.snaplen = 300022"));
    }

    #[test]
    fn sizes_of_rings_are_read() {
        let text = "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nRX Mini:\tn/a\nTX:\t\t4096\nCurrent hardware settings:\nRX:\t\t256\nTX:\t\t256\n";
        assert_eq!(rings(text), Some((256, 4096)));
        assert_eq!(rings("Ring parameters for veth0:\nRX: n/a\n"), None);
    }
}
