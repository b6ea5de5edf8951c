//! Ties the stages together: source → reassembly → analysis → outputs.
//!
//! With one worker all of it happens in the calling thread; with more, each stage of the analysis has a thread of its
//! own, and with four or more reassembly has shards. Events reach the analysis in the same order either way, so the results are the same.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reassembly::{Counters, KeyLogRead, Limits, Packet, Timestamp};

use crate::cores::Cores;
use crate::desk::Desk;
use crate::downstream::{Downstream, Item, Reassembly, Tick};
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
    reassembly: Reassembly,
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
    fn new((reassembly, downstream): (Reassembly, Downstream), board: Option<Arc<Board>>) -> Self {
        Self {
            reassembly,
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
        match &mut self.reassembly {
            Reassembly::Here(reassembler) => reassembler.push(packet),
            Reassembly::Shards(reader) => reader.push(packet),
        }
        self.drain();
    }

    /// Time goes on without packets.
    fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        match &mut self.reassembly {
            Reassembly::Here(reassembler) => reassembler.advance(self.now),
            Reassembly::Shards(reader) => reader.advance(self.now),
        }
        self.drain();
    }

    #[inline]
    fn drain(&mut self) {
        if let Reassembly::Here(reassembler) = &mut self.reassembly {
            while let Some(event) = reassembler.poll() {
                self.downstream.take(Item::Event(event));
            }
        }
    }

    fn add_secrets(&mut self, key_log: &[u8]) -> KeyLogRead {
        match &mut self.reassembly {
            Reassembly::Here(reassembler) => reassembler.add_secrets(key_log),
            Reassembly::Shards(reader) => reader.add_secrets(key_log),
        }
    }

    /// Hands an item on in its place among the packets.
    fn take(&mut self, item: Item) {
        match &mut self.reassembly {
            Reassembly::Here(_) => self.downstream.take(item),
            Reassembly::Shards(reader) => reader.take(item),
        }
    }

    /// Makes sure that nothing waits while no packets come.
    fn hand_over(&mut self) {
        match &mut self.reassembly {
            Reassembly::Here(_) => self.downstream.hand_over(),
            Reassembly::Shards(reader) => reader.hand_over(),
        }
    }

    fn tick_due(&self) -> bool {
        self.now >= self.next_tick
    }

    fn tick(&mut self, drops: Option<Losses>) {
        self.next_tick = self.now.plus(TICK);
        let counters = match &self.reassembly {
            Reassembly::Here(reassembler) => {
                let counters = reassembler.counters();
                self.mirror.look(&counters);
                if let (Some(board), Some(drops)) = (&self.board, &drops) {
                    board.tell_wire(Wire {
                        counters,
                        drops: drops.clone(),
                        open_flows: reassembler.open_flows(),
                        flow_memory: reassembler.weight(),
                        now: self.now,
                        last_packet: self.last_packet,
                    });
                }
                counters
            }
            // They are counted behind the round, and told then.
            Reassembly::Shards(_) => Counters::default(),
        };
        self.take(Item::Tick(Box::new(Tick {
            now: self.now,
            up: self.began.elapsed(),
            counters,
            drops,
            last_packet: self.last_packet,
        })));
    }

    fn finish(self, mut run: Run) -> anyhow::Result<(Run, Desk)> {
        let Self {
            reassembly,
            mut downstream,
            mut mirror,
            now,
            first,
            ..
        } = self;
        match reassembly {
            Reassembly::Here(mut reassembler) => {
                // One after the other, so that what all of them give out is not there at once.
                while reassembler.finish_next() {
                    while let Some(event) = reassembler.poll() {
                        downstream.take(Item::Event(event));
                    }
                }
                run.counters = reassembler.counters();
            }
            Reassembly::Shards(reader) => run.counters = reader.finish(),
        }
        let (mut desk, ending) = downstream.finish()?;
        if let Some(ending) = ending {
            run.counters.add(&ending.told.counters);
            mirror = ending.mirror;
        }
        mirror.finish(&run.counters);
        run.span = first.map(|first| (first, now));
        desk.finish(now, &run.counters, run.drops.as_ref());
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
    let parts = Downstream::new(desk, limits, (workers, &Cores::default()), None, || {});
    replay_into(parts, inputs, total, key_logs, stop)
}

fn replay_into(
    parts: (Reassembly, Downstream),
    inputs: Inputs<'_>,
    total: Option<u64>,
    key_logs: &[KeyLog],
    stop: &Stop,
) -> anyhow::Result<(Run, Desk)> {
    let mut stages = Stages::new(parts, None);
    for log in key_logs {
        keylog::tell(&log.name, &stages.add_secrets(&log.text));
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
                let read = stages.add_secrets(text);
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
    let parts = Downstream::new(desk, limits, workers, board.clone(), || {});
    let mut stages = Stages::new(parts, board.clone());
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
                    stages.advance(now);
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
                stages.take(match heard {
                    Heard::Taken(reloaded) => Item::Reload(reloaded),
                    Heard::Refused(why) => Item::Refused(why),
                });
            }
            if idle {
                stages.hand_over();
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

    /// What is replayed.
    struct Case {
        captures: Vec<PathBuf>,
        key_logs: Vec<KeyLog>,
        limits: Limits,
    }

    /// What a replay of captures writes, by name, with what a second run over its store writes, and what it counts.
    fn written(case: &Case, workers: u8, pause: fn()) -> (BTreeMap<String, Vec<u8>>, Counters) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut all = BTreeMap::new();
        let mut counters = Counters::default();
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
            let inputs = Inputs::open(&case.captures, 1 << 16, &progress, &stop);
            let cores = Cores::default();
            let parts = Downstream::new(desk, case.limits.clone(), (workers, &cores), None, pause);
            let (run, desk) = replay_into(parts, inputs, None, &case.key_logs, &stop).expect("a run");
            assert!(run.damage.is_empty() && !desk.store_failed());
            counters = run.counters;
            drop(desk);
            for file in fs::read_dir(&out).expect("a folder") {
                let path = file.expect("a file").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                all.insert(format!("{round} {name}"), fs::read(&path).expect("a file"));
            }
        }
        (all, counters)
    }

    fn same_with_any_workers(case: &Case) -> Counters {
        let (alone, counted) = written(case, 1, || {});
        assert!(alone.len() == 16 && alone["first findings"].len() > 1000);
        for workers in [2, 4, 5, 8] {
            let (upset, counters) = written(case, workers, pause);
            for (name, bytes) in &alone {
                assert!(upset[name] == *bytes, "{name} differs with {workers} workers");
            }
            assert_eq!(counters, counted, "{workers} workers");
        }
        counted
    }

    fn case(captures: &[PathBuf]) -> Case {
        Case {
            captures: captures.to_vec(),
            key_logs: Vec::new(),
            limits: Limits::default(),
        }
    }

    fn testdata() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
    }

    #[test]
    fn threads_in_whatever_time_give_the_same_results() {
        same_with_any_workers(&case(&[testdata().join("demo.pcap")]));
    }

    #[test]
    fn threads_give_the_same_results_over_days_of_labelled_traffic() {
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval/data/luna_mcp");
        let world = ["train.pcap.gz", "test.pcap.gz"].map(|part| world.join(part));
        if world.iter().any(|capture| !capture.exists()) {
            println!("skipped: there is no labelled traffic beside the project");
            return;
        }
        same_with_any_workers(&case(&world));
    }

    #[test]
    fn a_defect_in_any_thread_is_told_and_nobody_waits_for_ever() {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        /// Each time another one of all threads.
        fn breaks() {
            let calls = CALLS.fetch_add(1, Ordering::Relaxed);
            assert!(!calls.is_multiple_of(37), "broken on purpose");
        }
        for workers in [2, 4, 6, 6, 6] {
            let desk_settings = DeskSettings {
                reveal: false,
                sensor: "s".to_owned(),
                live: false,
                hash_key: HashKey(Settings::default().hash_key),
                one_sided_percent: 20,
                snapshot_every: Duration::from_secs(30),
                write_rate: 0,
                history_days: 30,
                destination: None,
                board: None,
            };
            let analyzer = Analyzer::new(Settings::default());
            let desk = Desk::new(analyzer, Outputs::default(), None, desk_settings);
            let (progress, stop) = (Progress::default(), Stop::on_signals());
            let captures = [testdata().join("demo.pcap")];
            let inputs = Inputs::open(&captures, 1 << 16, &progress, &stop);
            let cores = Cores::default();
            let parts = Downstream::new(desk, Limits::default(), (workers, &cores), None, breaks);
            let error = replay_into(parts, inputs, None, &[], &stop)
                .map(|_| ())
                .unwrap_err();
            assert!(error.to_string().contains("defect"), "{workers} workers: {error}");
        }
    }

    /// An Ethernet frame with IPv4 in it, in a VXLAN tunnel.
    fn tunnelled(frame: &[u8]) -> Vec<u8> {
        let len = |more: usize| u16::try_from(frame.len() + more).expect("fits").to_be_bytes();
        [
            &frame[..14],
            &[0x45, 0],
            &len(36),
            &[0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
            &[0xc0, 0, 0x12, 0xb5],
            &len(16),
            &[0, 0, 8, 0, 0, 0, 0, 0, 9, 0],
            frame,
        ]
        .concat()
    }

    /// The same in two fragments, the second one first.
    fn fragments(frame: &[u8], id: u16) -> [Vec<u8>; 2] {
        let (headers, data) = frame.split_at(34);
        let at = data.len() / 2 / 8 * 8;
        [(&data[at..], at / 8), (&data[..at], 0x2000)].map(|(data, place)| {
            let mut headers = headers.to_vec();
            let word = |n: usize| u16::try_from(n).expect("fits").to_be_bytes();
            headers[16..18].copy_from_slice(&word(20 + data.len()));
            headers[18..20].copy_from_slice(&id.to_be_bytes());
            headers[20..22].copy_from_slice(&word(place));
            [&headers, data].concat()
        })
    }

    /// The demo capture with all that upsets time and packets, and a TLS connection with its secrets: time leaps and steps back, a part goes
    /// through tunnels, a part comes in fragments, twice, or not at all.
    /// `faster`: so many times, for more flows at once.
    fn upset(dir: &Path, faster: u64) -> (PathBuf, KeyLog) {
        const SECOND: u64 = 1_000_000_000;
        let mut out: Vec<(u64, Vec<u8>)> = Vec::new();
        let file = fs::read(testdata().join("demo.pcap")).expect("the demo capture");
        let mut shift = 7200 * SECOND;
        for (number, (at, frame)) in testdata::wire::frames_of_pcap(&file)
            .expect("a pcap file")
            .into_iter()
            .enumerate()
        {
            match number % 1500 {
                700 => shift += 400 * SECOND,
                1400 => shift += 8 * SECOND,
                _ => {}
            }
            if number == 6000 {
                shift -= 3600 * SECOND;
            }
            let at = at / faster + shift;
            let plain = frame.get(12..15) == Some(&[8, 0, 0x45]) && frame.get(23) == Some(&6);
            let ports = frame
                .get(34..38)
                .map_or(0, |p| p.iter().map(|b| u32::from(*b)).sum());
            match number % 40 {
                3 => continue,
                8 => out.push((at, frame.to_vec())),
                _ => {}
            }
            if plain && ports % 5 == 0 {
                out.push((at, tunnelled(frame)));
            } else if plain && frame.len() > 200 && number % 11 == 0 {
                let id = u16::try_from(number % 60_000).expect("fits");
                out.extend(fragments(frame, id).map(|piece| (at, piece)));
            } else {
                out.push((at, frame.to_vec()));
            }
        }
        // In the middle of it, where its time is.
        let recorded = include_str!("../../fuzz/conversations/tls12.txt");
        let address = |end: u8, port| std::net::SocketAddr::from(([192, 0, 2, end], port));
        let mut conn = testdata::wire::Conn::new(address(1, 40_001), address(2, 443));
        let mut tls = testdata::wire::Capture::new(testdata::wire::Link::Ethernet);
        let middle = out[out.len() / 4].0;
        let mut now = conn.open(&mut tls, middle);
        let mut key_log = String::new();
        for line in recorded.lines() {
            let Some((kind, rest)) = line.split_once(' ') else {
                continue;
            };
            let side = match kind {
                "K" => {
                    key_log += &format!("{rest}\n");
                    continue;
                }
                "C" => testdata::wire::Side::Client,
                _ => testdata::wire::Side::Server,
            };
            let bytes = rest.as_bytes().chunks(2).map(|pair| {
                let text = std::str::from_utf8(pair).expect("digits");
                u8::from_str_radix(text, 16).expect("digits")
            });
            now = conn.send(&mut tls, now + SECOND / 100, side, &bytes.collect::<Vec<u8>>());
        }
        let tls = tls
            .frames()
            .into_iter()
            .map(|frame| (frame.at, frame.bytes.clone()));
        let from = out.len() / 4;
        for (number, frame) in tls.enumerate() {
            out.insert(from + 1 + number, frame);
        }
        let mut pcap = [0xa1b2_3c4d_u32, 4 << 16 | 2, 0, 0, 262_144, 1]
            .map(u32::to_le_bytes)
            .concat();
        for (at, bytes) in out {
            let word = |n: u64| u32::try_from(n).expect("fits").to_le_bytes();
            let len = word(bytes.len() as u64);
            pcap.extend([word(at / SECOND), word(at % SECOND), len, len].concat());
            pcap.extend(bytes);
        }
        let path = dir.join(format!("upset{faster}.pcap"));
        fs::write(&path, pcap).expect("a file");
        let key_log = KeyLog {
            name: "secrets".to_owned(),
            text: key_log.into_bytes(),
        };
        (path, key_log)
    }

    #[test]
    fn shards_give_the_same_results_whatever_happens_to_time_and_packets() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, key_log) = upset(dir.path(), 1);
        let mut case = Case {
            // The second time all of it is in the past.
            captures: vec![path.clone(), path],
            key_logs: vec![key_log],
            limits: Limits {
                rooms: 8,
                ..Limits::default()
            },
        };
        let counters = same_with_any_workers(&case);
        assert!(counters.datagrams > 50 && counters.gaps > 100, "{counters:?}");
        assert!(
            counters.duplicates > 50 && counters.tls_decrypted > 0,
            "{counters:?}"
        );
        assert_eq!((counters.evicted_flows, counters.evicted_memory), (0, 0));
        let (path, key_log) = upset(dir.path(), 2000);
        (case.captures, case.key_logs) = (vec![path.clone(), path], vec![key_log]);
        case.limits = Limits {
            flows: 8,
            memory: 120_000,
            held_total: 64 << 10,
            body_capture_total: 64 << 10,
            ..case.limits
        };
        let counters = same_with_any_workers(&case);
        assert!(
            counters.evicted_flows > 10 && counters.evicted_memory > 10,
            "{counters:?}"
        );
    }
}
