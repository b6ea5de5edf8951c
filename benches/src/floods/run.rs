//! Runs the program on a flood and looks at it from outside: memory, time, what it says, and which ordinary exchanges
//! it found.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cases::Flood;
use super::ordinary::{Expected, Ordinary};
use super::wire::Wire;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Length of a tick of `/proc/PID/stat` on Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// What the program may take.
#[derive(Debug, Clone)]
pub struct Budget {
    /// What flows may take (`limits.flow_memory`).
    pub memory: u64,
    /// What the program takes beside it: itself, what it learned of ordinary flows, tables of fixed size.
    pub beside: u64,
    /// What it takes to know as many callers as `limits.principals` says, where a flood comes from that many.
    pub callers: u64,
}

/// What is run, and how.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program.
    pub binary: PathBuf,
    /// Its configuration, when not the default.
    pub config: Option<PathBuf>,
    /// Packets of ordinary flows during the flood.
    pub ordinary: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Packets of the flood, and their bytes.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// Packets of ordinary flows.
    pub ordinary_packets: u64,
    /// Ordinary exchanges that were written.
    pub ordinary: u64,
    /// Of these, those that were found just as they were, once.
    pub found: u64,
    /// What was wrong with others, a few of them.
    pub wrong: Vec<String>,
    /// Exchanges beside the ordinary ones.
    pub others: u64,
    /// From the beginning to the end of the run.
    pub wall: Duration,
    /// Time that the program spent on a processor.
    pub cpu: Duration,
    /// Most memory that was resident, mapped files included.
    pub resident: u64,
    /// Most memory that was its own.
    pub anonymous: u64,
    /// Exit status.
    pub status: Option<i32>,
    /// The last line on standard error: what was lost, by cause.
    pub said: String,
}

impl Outcome {
    /// Everything that is not as it has to be; `full` tells that the flood was large enough to reach its ceiling.
    #[must_use]
    pub fn faults(&self, flood: &Flood, budget: &Budget, full: bool) -> Vec<String> {
        let mut faults = Vec::new();
        if self.status != Some(0) {
            faults.push(format!("exit status {:?}: {}", self.status, self.said));
        }
        if self.found != self.ordinary || !self.wrong.is_empty() {
            faults.push(format!(
                "{} of {} ordinary exchanges found; {}",
                self.found,
                self.ordinary,
                self.wrong.join("; ")
            ));
        }
        let callers = if flood.callers { budget.callers } else { 0 };
        let most = budget.memory + budget.beside + callers;
        if self.anonymous > most {
            faults.push(format!("{} bytes of memory, over {most}", self.anonymous));
        }
        for words in flood.tells.iter().filter(|_| full) {
            if !self.said.contains(words) {
                faults.push(format!("nothing of \"{words}\" in: {}", self.said));
            }
        }
        if flood.whole && self.others == 0 {
            faults.push("the exchange of the flood itself was not found".into());
        }
        faults
    }
}

/// Runs one flood of `size`; with none, ordinary flows alone, of `size` packets.
///
/// # Errors
///
/// When the program cannot be started, or what it writes cannot be read.
pub fn run(flood: Option<&Flood>, size: u64, setup: &Setup) -> io::Result<Outcome> {
    let mut command = Command::new(&setup.binary);
    command.args(["replay", "-", "--exchanges", "-", "--reveal", "query"]);
    if let Some(config) = &setup.config {
        command.arg("--config").arg(config);
    }
    let begun = Instant::now();
    let mut child = command
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let watch = Watch::new(&child);
    let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let reader = thread::spawn(move || read(out));
    let mut err = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let errors = thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });

    let mut wire = Wire::new(Box::new(pipe), Some(Ordinary::new()));
    match flood {
        Some(flood) => {
            wire.step = flood.nanos;
            wire.begin((flood.packets)(size), setup.ordinary);
            (flood.send)(&mut wire, size);
        }
        None => wire.alone(size),
    }
    let sent = wire.end();
    let mut outcome = Outcome::default();
    let (found, others) = reader.join().map_err(|_| io::ErrorKind::Other)??;
    let text = errors.join().map_err(|_| io::ErrorKind::Other)??;
    outcome.said = text.lines().last().unwrap_or_default().to_owned();
    outcome.cpu = cpu(&child);
    outcome.status = child.wait()?.code();
    outcome.wall = begun.elapsed();
    (outcome.resident, outcome.anonymous) = watch.most();
    outcome.others = others;
    match sent {
        Ok(sent) => {
            outcome.packets = sent.packets;
            outcome.bytes = sent.bytes;
            outcome.ordinary_packets = sent.ordinary_packets;
            outcome.compare(sent.expected, found);
        }
        Err(error) => outcome.wrong.push(format!("it stopped reading: {error}")),
    }
    Ok(outcome)
}

impl Outcome {
    fn compare(&mut self, mut expected: Vec<Expected>, mut found: Vec<Expected>) {
        self.ordinary = expected.len() as u64;
        expected.sort();
        found.sort();
        let (mut at, mut wrong) = (0, Vec::new());
        for one in &expected {
            while found.get(at).is_some_and(|f| f < one) {
                wrong.push(format!("not so: {:?}", found[at]));
                at += 1;
            }
            if found.get(at) == Some(one) {
                self.found += 1;
                at += 1;
            } else {
                wrong.push(format!("missed: {one:?}"));
            }
        }
        wrong.extend(found[at..].iter().map(|f| format!("not so: {f:?}")));
        wrong.truncate(6);
        self.wrong = wrong;
    }
}

/// Reads exchanges; ordinary ones come back, the others are counted.
fn read(out: impl Read) -> io::Result<(Vec<Expected>, u64)> {
    let mut reader = BufReader::with_capacity(1 << 20, out);
    let (mut line, mut found, mut others) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok((found, others));
        }
        // The target comes early in the record; what floods send has another one.
        let begin = &line[..line.len().min(2048)];
        if !begin.windows(10).any(|w| w == b"/ordinary/") {
            others += 1;
            continue;
        }
        let record: Value = serde_json::from_slice(&line)?;
        found.push(expected(&record));
    }
}

/// An exchange as it was found; one that is damaged in any way is like none that was sent.
fn expected(record: &Value) -> Expected {
    let number = |side: &str, key: &str| record[side][key].as_u64().unwrap_or(u64::MAX);
    let whole = record["flags"].as_array().is_none_or(Vec::is_empty)
        && record["request"]["complete"] == true
        && record["response"]["complete"] == true;
    let target = record["target"].as_str().unwrap_or_default();
    Expected {
        target: if whole {
            target.to_owned()
        } else {
            format!("{target} {}", record["flags"])
        },
        status: record["status"].as_u64().unwrap_or_default(),
        lengths: (
            number("request", "body_bytes"),
            number("response", "body_bytes"),
            number("response", "content_bytes"),
        ),
    }
}

/// Looks at the memory of a process again and again.
struct Watch {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<(u64, u64)>,
}

impl Watch {
    fn new(child: &Child) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stop, path) = (Arc::clone(&over), format!("/proc/{}/status", child.id()));
        let thread = thread::spawn(move || {
            let mut most = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                if let Ok(text) = fs::read_to_string(&path) {
                    most.0 = most.0.max(kib(&text, "VmHWM:"));
                    most.1 = most.1.max(kib(&text, "RssAnon:"));
                }
                thread::sleep(LOOK);
            }
            most
        });
        Self { over, thread }
    }

    fn most(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Time that a process which has ended, and was not waited for, spent on a processor.
fn cpu(child: &Child) -> Duration {
    let path = format!("/proc/{}/stat", child.id());
    let read = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        // The name, in brackets, may hold anything; what follows it does not.
        let rest: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| rest.get(at)?.parse::<f64>().ok();
        Some((rest.first()? == &"Z", ticks(11)? + ticks(12)?))
    };
    let mut known = 0.0;
    // Its outputs are closed, so it is about to end.
    for _ in 0..2000 {
        match read(Path::new(&path)) {
            Some((over, ticks)) => {
                known = ticks;
                if over {
                    break;
                }
            }
            None => break,
        }
        thread::sleep(Duration::from_millis(1));
    }
    Duration::from_secs_f64(known / TICKS_A_SECOND)
}
