//! Ties the stages together: source → reassembly → analysis → outputs.
//!
//! With one worker all of it happens in the calling thread; with more, each stage of the analysis has a thread of its
//! own. Events reach both in the same order either way, so the results are the same.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reassembly::{Counters, Limits, Packet, Reassembler, Timestamp};

use crate::cores::Cores;
use crate::desk::Desk;
use crate::downstream::{Downstream, Item, Tick};
use crate::keylog::{self, KeyLog};
use crate::mirror::Mirror;
use crate::reload::{Heard, Reload};
use crate::signals::Stop;
use crate::source::capture::{Capture, FileError, Piece};
use crate::source::file::Inputs;
use crate::source::live::{Live, LiveError};
use crate::source::{Losses, Step};
use crate::status::{Board, Stage, Wire};

/// How often, in packet time, the analysis is told the time and the counters.
const TICK: Duration = Duration::from_secs(1);

/// What a run saw.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Reassembly's counters.
    pub(crate) counters: Counters,
    /// The kernel's, for a live capture.
    pub(crate) drops: Option<Losses>,
    /// Capture time of the first and the last packet.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// What was wrong with the input.
    pub(crate) damage: Vec<String>,
    /// One of several interfaces ended before the capture did, which was told then.
    pub(crate) lost_one: bool,
    /// Files of which at least the header could be read.
    pub(crate) readable: usize,
    /// Stopped by a signal before the end of the input.
    pub(crate) stopped: Option<Stopped>,
    /// Requests and responses of which the end was not seen, though no byte before it is missing.
    pub(crate) incomplete: u64,
    /// Rows of what was learned that had to make way, by name.
    pub(crate) given_up: Vec<(&'static str, u64)>,
}

/// How far a replay came before a signal stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Name of the signal.
    pub(crate) signal: &'static str,
    /// Bytes of the files that were read, and all their bytes, when both are known.
    pub(crate) bytes: Option<(u64, u64)>,
}

/// Reassembly and what follows it.
struct Stages {
    reassembler: Reassembler,
    downstream: Downstream,
    now: Timestamp,
    next_tick: Timestamp,
    first: Option<Timestamp>,
    /// Time of the last packet, for those who ask.
    last_packet: Option<Timestamp>,
    board: Option<Arc<Board>>,
    began: Instant,
    mirror: Mirror,
}

impl Stages {
    fn new(limits: Limits, downstream: Downstream, board: Option<Arc<Board>>) -> Self {
        Self {
            reassembler: Reassembler::new(limits),
            downstream,
            now: Timestamp::default(),
            next_tick: Timestamp::default(),
            first: None,
            last_packet: None,
            board,
            began: Instant::now(),
            mirror: Mirror::default(),
        }
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>) {
        if self.first.is_none() {
            self.first = Some(packet.ts);
        }
        if packet.ts > self.now {
            self.now = packet.ts;
        } else {
            self.mirror.packet(packet.ts, self.now);
        }
        self.last_packet = Some(packet.ts);
        self.reassembler.push(packet);
        self.drain();
    }

    #[inline]
    fn drain(&mut self) {
        while let Some(event) = self.reassembler.poll() {
            self.downstream.take(Item::Event(event));
        }
    }

    fn tick_due(&self) -> bool {
        self.now >= self.next_tick
    }

    fn tick(&mut self, drops: Option<Losses>) {
        self.next_tick = self.now.plus(TICK);
        let counters = self.reassembler.counters();
        self.mirror.look(&counters);
        if let (Some(board), Some(drops)) = (&self.board, &drops) {
            board.tell_wire(Wire {
                counters,
                drops: drops.clone(),
                open_flows: self.reassembler.open_flows(),
                flow_memory: self.reassembler.weight(),
                now: self.now,
                last_packet: self.last_packet,
            });
        }
        self.downstream.take(Item::Tick(Box::new(Tick {
            now: self.now,
            up: self.began.elapsed(),
            counters,
            drops,
        })));
    }

    fn finish(mut self, mut run: Run) -> anyhow::Result<(Run, Desk)> {
        // One after the other, so that what all of them give out is not there at once.
        while self.reassembler.finish_next() {
            self.drain();
        }
        self.drain();
        run.counters = self.reassembler.counters();
        self.mirror.finish(&run.counters);
        run.span = self.first.map(|first| (first, self.now));
        let mut desk = self.downstream.finish()?;
        desk.finish(self.now, &run.counters, run.drops.as_ref());
        run.incomplete = desk.incomplete();
        run.given_up = desk.given_up();
        Ok((run, desk))
    }
}

/// Reads capture files to their ends, or until `stop`. `total` are the bytes of all files, when that is known.
///
/// # Errors
///
/// Only for a defect; what is wrong with the files is in [`Run::damage`].
pub(crate) fn replay(
    inputs: Inputs<'_>,
    total: Option<u64>,
    limits: Limits,
    key_logs: &[KeyLog],
    desk: Desk,
    workers: u8,
    stop: &Stop,
) -> anyhow::Result<(Run, Desk)> {
    let downstream = Downstream::new(desk, (workers, &Cores::default()), None, || {});
    replay_into(downstream, inputs, total, limits, key_logs, stop)
}

fn replay_into(
    downstream: Downstream,
    inputs: Inputs<'_>,
    total: Option<u64>,
    limits: Limits,
    key_logs: &[KeyLog],
    stop: &Stop,
) -> anyhow::Result<(Run, Desk)> {
    let mut stages = Stages::new(limits, downstream, None);
    for log in key_logs {
        keylog::tell(&log.name, &stages.reassembler.add_secrets(&log.text));
    }
    let mut run = Run::default();
    let mut read = Some(0);
    for input in inputs {
        if stop.asked() {
            run.stopped = Some(stopped(stop, read, total));
            break;
        }
        match input {
            Ok(mut capture) => {
                run.readable += 1;
                let ended = replay_one(&mut capture, &mut stages, stop);
                read = read.zip(capture.consumed()).map(|(before, now)| before + now);
                match ended {
                    Ok(true) => {}
                    Ok(false) => {
                        if stop.asked() {
                            run.stopped = Some(stopped(stop, read, total));
                        }
                        break;
                    }
                    // Waiting for more of a pipe was broken off.
                    Err(FileError::Read { .. }) if stop.asked() => {
                        run.stopped = Some(stopped(stop, read, total));
                        break;
                    }
                    Err(error) => run.damage.push(error.to_string()),
                }
            }
            Err(FileError::Read { .. }) if stop.asked() => {
                run.stopped = Some(stopped(stop, read, total));
                break;
            }
            Err(error) => run.damage.push(error.to_string()),
        }
        if stages.downstream.wants_no_more() {
            break;
        }
    }
    stages.finish(run)
}

fn stopped(stop: &Stop, read: Option<u64>, total: Option<u64>) -> Stopped {
    Stopped {
        signal: stop.by().0,
        bytes: read.zip(total),
    }
}

/// Reads one file; says whether it came to the end.
fn replay_one(capture: &mut Capture, stages: &mut Stages, stop: &Stop) -> Result<bool, FileError> {
    let mut count = 0_u32;
    // Key logs of one file are numbered, for those who look for a wrong line.
    let mut key_logs = 0_u32;
    while let Some(piece) = capture.next()? {
        match piece {
            Piece::Packet(packet) => stages.packet(&packet),
            Piece::KeyLog(text) => {
                let read = stages.reassembler.add_secrets(text);
                key_logs += 1;
                keylog::tell(
                    &format!("{}, decryption secrets block {key_logs}", capture.name()),
                    &read,
                );
            }
        }
        // Asking is cheap, but not as cheap as a packet.
        count = count.wrapping_add(1);
        if count.is_multiple_of(1024) && (stop.asked() || stages.downstream.wants_no_more()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Captures until `stop`, `duration` has passed, or the last interface goes away; takes over what `reload` reads.
///
/// # Errors
///
/// Only for a defect; when an interface can no longer be read, that is in [`Run::damage`].
pub(crate) fn capture(
    mut live: Live,
    limits: Limits,
    desk: Desk,
    workers: (u8, &Cores),
    duration: Option<Duration>,
    (stop, mut reload): (&Stop, Reload),
    board: Option<Arc<Board>>,
) -> anyhow::Result<(Run, Desk)> {
    board.iter().for_each(|board| board.reach(Stage::Capturing));
    let downstream = Downstream::new(desk, workers, board.clone(), || {});
    let mut stages = Stages::new(limits, downstream, board.clone());
    let mut run = Run {
        readable: 1,
        ..Run::default()
    };
    let deadline = duration.map(|d| Instant::now() + d);
    let mut count = 0_u32;
    // The clock of packets may step back, and what is done every second must go on.
    let mut ticked = Instant::now();
    loop {
        let idle = match live.next() {
            Ok(Step::Packet(packet)) => {
                stages.packet(&packet);
                false
            }
            Ok(Step::Idle) => {
                // Packet time stands still without packets, and flows would never end. The kernel stamps packets
                // with the wall clock, so a moment of it that is safely past is packet time too.
                if let Some(now) = wall_clock() {
                    stages.now = stages.now.max(now);
                    stages.reassembler.advance(stages.now);
                    stages.drain();
                }
                true
            }
            Ok(Step::End) => break,
            Err(error @ LiveError::Other { .. }) => {
                run.damage.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        };
        count = count.wrapping_add(1);
        if idle || count.is_multiple_of(256) {
            if stages.tick_due() || ticked.elapsed() >= TICK {
                ticked = Instant::now();
                let drops = live.drops();
                board.iter().for_each(|board| board.tell_missing(live.missing()));
                stages.tick(Some(drops));
            }
            if let Some(heard) = reload.poll() {
                let taken = matches!(heard, Heard::Taken(_));
                board.iter().for_each(|board| board.count_reload(taken));
                stages.downstream.take(match heard {
                    Heard::Taken(reloaded) => Item::Reload(reloaded),
                    Heard::Refused(why) => Item::Refused(why),
                });
            }
            if idle {
                stages.downstream.hand_over();
            }
            if deadline.is_some_and(|d| Instant::now() >= d) || stages.downstream.wants_no_more() {
                break;
            }
        }
        if stop.asked() {
            break;
        }
    }
    board.iter().for_each(|board| board.reach(Stage::Ending));
    while let Some(packet) = live.rest() {
        stages.packet(&packet);
    }
    run.lost_one = live.has_lost_one();
    run.drops = Some(live.drops());
    stages.finish(run)
}

/// One second ago, so that packets still on their way to us are not overtaken.
fn wall_clock() -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let past = now.checked_sub(Duration::from_secs(1))?;
    u64::try_from(past.as_nanos()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU64, Ordering};

    use analyzers::{Analyzer, Settings};

    use super::*;
    use crate::desk::{DeskSettings, HashKey};
    use crate::output::Outputs;
    use crate::output::lines::Lines;
    use crate::source::file::Progress;
    use crate::store::Store;

    /// Sleeps now and then, each thread by dice of its own.
    fn pause() {
        static THREADS: AtomicU64 = AtomicU64::new(1);
        thread_local!(static DICE: Cell<u64> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let thrown = DICE.get();
        let thrown = thrown ^ thrown << 13;
        let thrown = thrown ^ thrown >> 7;
        let thrown = thrown ^ thrown << 17;
        DICE.set(thrown);
        if thrown.is_multiple_of(3) {
            std::thread::sleep(Duration::from_micros(thrown >> 32 & 0xfff));
        }
    }

    /// What a replay of captures writes, by name, with what a second run over its store writes.
    fn written(captures: &[PathBuf], workers: u8, pause: fn()) -> BTreeMap<String, Vec<u8>> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut all = BTreeMap::new();
        for round in ["first", "second"] {
            let out = dir.path().join(round);
            fs::create_dir(&out).expect("a folder");
            let settings = Settings::default();
            let store = Store::open(&dir.path().join("store")).expect("a store");
            let mut analyzer = Analyzer::new(settings.clone());
            store.restore(&mut analyzer).expect("rows");
            let lines = |name: &str| {
                let mut lines = Lines::open(&out.join(name)).expect("a file");
                lines.begin().expect("a file");
                Some(lines)
            };
            let mut outputs = Outputs::default();
            outputs.exchanges = lines("exchanges");
            outputs.parts = lines("parts");
            outputs.flows = lines("flows");
            outputs.findings = lines("findings");
            outputs.inventory = lines("inventory");
            outputs.agents = lines("agents");
            outputs.mcp = lines("mcp");
            outputs.a2a = lines("a2a");
            let desk_settings = DeskSettings {
                reveal: false,
                sensor: "s".to_owned(),
                live: false,
                hash_key: HashKey(settings.hash_key),
                one_sided_percent: 20,
                snapshot_every: Duration::from_secs(30),
                write_rate: 0,
                history_days: 30,
                destination: None,
                board: None,
            };
            let desk = Desk::new(analyzer, outputs, Some(store), desk_settings);
            let (progress, stop) = (Progress::default(), Stop::on_signals());
            let inputs = Inputs::open(captures, 1 << 16, &progress, &stop);
            let downstream = Downstream::new(desk, (workers, &Cores::default()), None, pause);
            let (run, desk) =
                replay_into(downstream, inputs, None, Limits::default(), &[], &stop).expect("a run");
            assert!(run.damage.is_empty() && !desk.store_failed());
            drop(desk);
            for file in fs::read_dir(&out).expect("a folder") {
                let path = file.expect("a file").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                all.insert(format!("{round} {name}"), fs::read(&path).expect("a file"));
            }
        }
        all
    }

    fn same_with_any_workers(captures: &[PathBuf]) {
        let alone = written(captures, 1, || {});
        assert!(alone.len() == 16 && alone["first findings"].len() > 1000);
        for workers in [2, 4, 8] {
            let upset = written(captures, workers, pause);
            for (name, bytes) in &alone {
                assert!(upset[name] == *bytes, "{name} differs with {workers} workers");
            }
        }
    }

    #[test]
    fn threads_in_whatever_time_give_the_same_results() {
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
        same_with_any_workers(&[testdata.join("demo.pcap")]);
    }

    #[test]
    fn threads_give_the_same_results_over_days_of_labelled_traffic() {
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval/data/luna_mcp");
        let world = ["train.pcap.gz", "test.pcap.gz"].map(|part| world.join(part));
        if world.iter().any(|capture| !capture.exists()) {
            println!("skipped: there is no labelled traffic beside the project");
            return;
        }
        same_with_any_workers(&world);
    }
}
