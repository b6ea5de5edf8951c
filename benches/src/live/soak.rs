//! Traffic without end: memory stays, nothing is lost, and a recording gives the same findings.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::net::{Net, end, finish, number};
use super::rates::{counted, last_words, listening};

/// Seconds between two looks at the memory.
const LOOK: u64 = 5;

/// Resident memory in KiB. The sensor is the only child of `ip`, or has taken its place.
fn resident(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn mean(of: &[u64]) -> f64 {
    of.iter().sum::<u64>() as f64 / of.len().max(1) as f64
}

/// Findings without the numbers of frames, which only a file has, and the filters made of them.
fn without_frames(file: &str) -> Result<Vec<Value>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let read = |line: &str| -> Result<Value, String> {
        let mut finding: Value = serde_json::from_str(line).map_err(|error| format!("{file}: {error}"))?;
        if let Some(finding) = finding.as_object_mut() {
            finding.remove("filter");
        }
        for one in finding["evidence"].as_array_mut().into_iter().flatten() {
            one.as_object_mut().map(|one| one.remove("frames"));
        }
        Ok(finding)
    };
    text.lines().map(read).collect()
}

/// Sends for so many minutes, after a time in which everybody becomes known, and prints what came of it.
///
/// # Errors
///
/// What cannot be set up; frames lost; findings that differ; memory that grows by more than 3 % from the first quarter to the last.
pub fn soak(tapline: &str, folder: &str, (warm_up, minutes): (&str, &str), mbit: &str) -> Result<(), String> {
    let time = |text: &str| -> Result<u64, String> {
        let minutes: f64 = text.parse().map_err(|_| format!("{text} is no time"))?;
        Ok((minutes * 60.0) as u64)
    };
    let warm_up = time(warm_up)?;
    let seconds = warm_up + time(minutes)?;
    fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    let file = |name: &str| Path::new(folder).join(name).display().to_string();
    let (recording, live, again) = (file("soak.pcap.zst"), file("live.jsonl"), file("again.jsonl"));
    let net = Net::new()?;
    let recorder = net.part(&net.sensor, &["record", "span", &recording])?;
    let mut sensor = net.start(
        &net.sensor,
        tapline,
        &["capture", "-i", "span", "--findings", &live],
    )?;
    let mut words = listening(&mut sensor)?;
    std::thread::sleep(Duration::from_secs(1));
    let sender = net.part(&net.sender, &["chat", "out", mbit, &seconds.to_string()])?;
    let start = Instant::now();
    let (mut looks, mut told) = (Vec::new(), 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_secs(LOOK.min(seconds)));
        let look = resident(sensor.id());
        told += 1;
        // What is learned of callers and endpoints grows until all of them are known.
        if start.elapsed().as_secs() >= warm_up {
            looks.extend(look);
        }
        if told % 60 == 0 {
            println!("{:>5} s  {:>8} KiB", start.elapsed().as_secs(), look.unwrap_or(0));
        }
    }
    let (printed, _) = finish(sender)?;
    std::thread::sleep(Duration::from_secs(3));
    let last = last_words(sensor, &mut words)?;
    let (recorded, _) = end(recorder, "-TERM")?;
    println!("{last}");
    let (sent, bytes) = (number(&printed, "frames")?, number(&printed, "bytes")?);
    let (seen, dropped) = (
        counted(&last, "packets →"),
        counted(&last, "dropped by the kernel") + counted(&last, "dropped by the interface"),
    );
    println!(
        "sent {sent} frames, {} MB; seen {seen}, dropped {dropped}; recorded {}, lost {}",
        bytes / 1_000_000,
        number(&recorded, "frames")?,
        number(&recorded, "lost")?
    );
    let quarter = looks.len() / 4;
    let (first, fourth) = (mean(&looks[..quarter]), mean(&looks[looks.len() - quarter..]));
    let growth = (fourth / first - 1.0) * 100.0;
    println!(
        "resident memory after {warm_up} s: first quarter {first:.0} KiB, last quarter {fourth:.0} KiB, {growth:+.1} %; highest {} KiB",
        looks.iter().max().copied().unwrap_or(0)
    );
    let replay = Command::new(tapline)
        .args(["replay", &recording, "--findings", &again])
        .output()
        .map_err(|error| error.to_string())?;
    if !replay.status.success() {
        return Err(String::from_utf8_lossy(&replay.stderr).into_owned());
    }
    let (of_live, of_recording) = (without_frames(&live)?, without_frames(&again)?);
    println!(
        "findings: {} live, {} of the recording, {}",
        of_live.len(),
        of_recording.len(),
        if of_live == of_recording {
            "the same but for the numbers of frames"
        } else {
            "which differ"
        }
    );
    if sent != seen || dropped > 0 || of_live != of_recording || growth > 3.0 {
        return Err("that is not how it should be".to_owned());
    }
    Ok(())
}
