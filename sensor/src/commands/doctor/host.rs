//! The machine: its clock, room on its disks, limits of the process, memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::Outcome::{Bad, Doubtful};
use super::Point;
use crate::config::Config;
use crate::records::Rfc3339;
use crate::store::{self, Store};

/// Files that a run has open at once: store, outputs, brokers, captures, with room to spare.
const FILES: u64 = 256;
/// Room below which a disk is as good as full.
const ROOM: u64 = 64 << 20;
/// A clock is not believed before this day of 1970: the year 2025.
const YEAR_2025: u64 = 1_735_689_600;
/// A clock that lags behind its own earlier times by no more than this did not step.
const STEP: Duration = Duration::from_secs(5);

/// What is to be said of the clock.
pub(super) fn clock(config: &Config, points: &mut Vec<Point>) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let mend = "sudo timedatectl set-ntp true, or: sudo systemctl enable --now chrony";
    if now.as_secs() < YEAR_2025 {
        points.push((
            "clock",
            Bad(format!("it says {}", Rfc3339(nanos).second()), mend.into()),
        ));
        return;
    }
    // What was written here is in the past, or the clock stepped back since.
    let dir = &config.store.directory;
    let written = Store::read(dir, |store| Ok(store.last_snapshot())).ok().flatten();
    let written = written.and_then(|snapshot| Rfc3339::parse(&snapshot.written));
    if let Some(written) = written
        && Duration::from_nanos(written.0.saturating_sub(nanos)) > STEP
    {
        points.push((
            "clock",
            Bad(
                format!(
                    "it says {}, and the last snapshot in {} is of {}: it stepped back by {} s",
                    Rfc3339(nanos).second(),
                    dir.display(),
                    written.second(),
                    (written.0 - nanos) / 1_000_000_000
                ),
                mend.into(),
            ),
        ));
    }
    if synchronised() == Some(false) {
        points.push((
            "clock",
            Doubtful(
                "it is not synchronised with any other, so times of findings drift away from those of other systems".into(),
                mend.into(),
            ),
        ));
    }
}

/// Whether the clock is held in step with others; nothing when neither systemd nor chrony can tell.
fn synchronised() -> Option<bool> {
    let ask = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match ask("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).as_deref() {
        Some("yes") => return Some(true),
        Some("no") => return Some(false),
        _ => {}
    }
    // "Leap status     : Normal", or "Not synchronised".
    let tracking = ask("chronyc", &["-n", "tracking"])?;
    Some(!tracking.contains("Not synchronised"))
}

/// What is to be said of the room for store and spool.
pub(super) fn disks(config: &Config, points: &mut Vec<Point>) {
    let dir = &config.store.directory;
    if !dir.as_os_str().is_empty() {
        let size = std::fs::metadata(Store::database(dir)).map_or(0, |file| file.len());
        let copies = match config.store.backup_every.is_zero() {
            true => 0,
            // One is made beside those that are kept.
            false => config.store.backups + 1 - store::copies(dir).min(config.store.backups + 1),
        };
        let needed = size.saturating_mul(copies).saturating_add(ROOM);
        room("the store", dir, needed, "store.backups", points);
    }
    let spool = config
        .kafka()
        .and_then(|kafka| Some((kafka.spool_dir?, kafka.spool_bytes)));
    if let Some((dir, most)) = spool {
        let used = folder_bytes(&dir);
        room(
            "the spool",
            &dir,
            most.saturating_sub(used).saturating_add(ROOM),
            "kafka.spool_bytes",
            points,
        );
    }
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum()
}

fn room(what: &'static str, dir: &Path, needed: u64, key: &str, points: &mut Vec<Point>) {
    let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("."));
    let Ok(disk) = rustix::fs::statvfs(there) else {
        return;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let mend = format!(
        "df -h {}; make room, move it to a larger disk, or lower {key}",
        there.display()
    );
    let says = format!("{} MiB are free for {what} in {}", free >> 20, dir.display());
    if free < ROOM {
        points.push(("disk", Bad(says, mend)));
    } else if free < needed {
        let says = format!("{says}, and it may take {} MiB more", needed >> 20);
        points.push(("disk", Doubtful(says, mend)));
    } else if disk.f_files > 0 && disk.f_favail < 100 {
        let says = format!(
            "the disk of {what} ({}) takes {} more files",
            dir.display(),
            disk.f_favail
        );
        points.push((
            "disk",
            Bad(says, format!("df -i {}; remove files", there.display())),
        ));
    }
}

/// What is to be said of the limits of the process.
pub(super) fn limits(points: &mut Vec<Point>) {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    // Name, soft limit, hard limit, unit; the name has blanks in it.
    let soft = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    if let Some(files) = soft("Max open files").filter(|files| *files < FILES) {
        points.push((
            "open files",
            Bad(
                format!("the process may have {files} files open at once, and needs {FILES} to be safe"),
                format!("ulimit -n {FILES}; of a service: LimitNOFILE={FILES}"),
            ),
        ));
    }
    if let Some(bytes) = soft("Max file size") {
        points.push((
            "file size",
            Doubtful(
                format!(
                    "files may have {} MiB at most, which a store outgrows",
                    bytes >> 20
                ),
                "ulimit -f unlimited; of a service: LimitFSIZE=infinity".into(),
            ),
        ));
    }
}

/// What is to be said of memory.
pub(super) fn memory(config: &Config, points: &mut Vec<Point>) {
    let interfaces = config.capture.interface.0.len().max(1) as u64;
    let kernel = config.capture.buffer.0.saturating_mul(interfaces);
    let process = config.limits.memory.0;
    let Some((available, of)) = available() else {
        return;
    };
    let mib = |bytes: u64| bytes >> 20;
    if process.saturating_add(kernel) > available {
        // Something has to be left for the others.
        let fits = (available / 4 * 3).saturating_sub(kernel);
        points.push((
            "memory",
            Bad(
                format!(
                    "the sensor may take {} MiB (limits.memory) and the kernel {} MiB for it (capture.buffer), and {of} has {} MiB left",
                    mib(process),
                    mib(kernel),
                    mib(available)
                ),
                if mib(fits) < 256 {
                    "give it 512 MiB, and set limits.memory = \"256MiB\"".to_owned()
                } else {
                    format!("set limits.memory = \"{}MiB\"", mib(fits))
                },
            ),
        ));
    }
}

/// Memory that is left, and whose it is: that of the machine, or of the control group where that is less.
fn available() -> Option<(u64, &'static str)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let machine = text.lines().find_map(|line| {
        let kib: u64 = line
            .strip_prefix("MemAvailable:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()?;
        Some(kib * 1024)
    })?;
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = group
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/");
    let folder = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    let read = |name: &str| -> Option<u64> {
        std::fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    match (read("memory.max"), read("memory.current")) {
        (Some(most), Some(now)) if most.saturating_sub(now) < machine => {
            Some((most.saturating_sub(now), "the control group"))
        }
        _ => Some((machine, "the machine")),
    }
}
