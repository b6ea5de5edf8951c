//! Ties the stages together: source → reassembly → analysis → outputs.
//!
//! With one worker all of it happens in the calling thread; with more, analysis and outputs have a thread of their
//! own. Events reach the analysis in the same order either way, so the results are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use reassembly::{Counters, Event, Limits, Packet, Reassembler, Timestamp};

use crate::desk::Desk;
use crate::keylog::{self, KeyLog};
use crate::signals::Stop;
use crate::source::capture::{Capture, FileError, Piece};
use crate::source::file::Inputs;
use crate::source::live::{Live, LiveError};
use crate::source::{Drops, Step};

/// How often, in packet time, the analysis is told the time and the counters.
const TICK: Duration = Duration::from_secs(1);
/// Events handed to the other thread at once, and how many such parcels may wait. Together with the bytes below
/// this bounds what lies between the threads.
const PARCEL_EVENTS: usize = 128;
const PARCEL_BYTES: usize = 1 << 20;
const PARCELS: usize = 8;

/// What passes from reassembly to analysis.
pub(crate) enum Item {
    /// An exchange or a flow is over.
    Event(Event),
    /// Packet time has come this far, with what was seen and lost until then.
    Tick(Timestamp, Box<Counters>, Option<Drops>),
}

/// What a run saw.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Reassembly's counters.
    pub(crate) counters: Counters,
    /// The kernel's, for a live capture.
    pub(crate) drops: Option<Drops>,
    /// Capture time of the first and the last packet.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// What was wrong with the input.
    pub(crate) damage: Vec<String>,
    /// Files of which at least the header could be read.
    pub(crate) readable: usize,
    /// Stopped by a signal before the end of the input.
    pub(crate) stopped: Option<Stopped>,
    /// Requests and responses of which the end was not seen, though no byte before it is missing.
    pub(crate) incomplete: u64,
}

/// How far a replay came before a signal stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Name of the signal.
    pub(crate) signal: &'static str,
    /// Bytes of the files that were read, and all their bytes, when both are known.
    pub(crate) bytes: Option<(u64, u64)>,
}

/// The way from reassembly to the desk.
enum Downstream {
    Here(Box<Desk>),
    Thread {
        sender: SyncSender<Vec<Item>>,
        parcel: Vec<Item>,
        bytes: usize,
        full: Arc<AtomicBool>,
        desk: JoinHandle<Desk>,
    },
}

impl Downstream {
    fn new(mut desk: Desk, workers: u8) -> Self {
        if workers <= 1 {
            return Self::Here(Box::new(desk));
        }
        let (sender, receiver) = sync_channel::<Vec<Item>>(PARCELS);
        let full = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&full);
        let thread = std::thread::spawn(move || {
            for parcel in receiver {
                for item in parcel {
                    desk.take(item);
                }
                if desk.wants_no_more() {
                    tell.store(true, Ordering::Relaxed);
                }
            }
            desk
        });
        Self::Thread {
            sender,
            parcel: Vec::with_capacity(PARCEL_EVENTS),
            bytes: 0,
            full,
            desk: thread,
        }
    }

    #[inline]
    fn take(&mut self, item: Item) {
        match self {
            Self::Here(desk) => desk.take(item),
            Self::Thread {
                sender,
                parcel,
                bytes,
                ..
            } => {
                let held = |m: &reassembly::Message| m.body.len();
                *bytes += match &item {
                    Item::Event(Event::Exchange(exchange)) => {
                        exchange.request.as_ref().map_or(0, |r| held(&r.message))
                            + exchange.response.as_ref().map_or(0, |r| held(&r.message))
                    }
                    Item::Event(Event::Part(part)) => part.part.body.len(),
                    _ => 0,
                };
                parcel.push(item);
                if parcel.len() >= PARCEL_EVENTS || *bytes >= PARCEL_BYTES {
                    *bytes = 0;
                    // The other side ends only after this one; were it gone, finish() tells.
                    let _ = sender.send(std::mem::replace(parcel, Vec::with_capacity(PARCEL_EVENTS)));
                }
            }
        }
    }

    /// Makes sure that nothing waits here while no packets come.
    fn hand_over(&mut self) {
        if let Self::Thread {
            sender,
            parcel,
            bytes,
            ..
        } = self
            && !parcel.is_empty()
        {
            *bytes = 0;
            let _ = sender.send(std::mem::take(parcel));
        }
    }

    fn wants_no_more(&self) -> bool {
        match self {
            Self::Here(desk) => desk.wants_no_more(),
            Self::Thread { full, .. } => full.load(Ordering::Relaxed),
        }
    }

    fn finish(mut self) -> anyhow::Result<Desk> {
        self.hand_over();
        match self {
            Self::Here(desk) => Ok(*desk),
            Self::Thread { sender, desk, .. } => {
                drop(sender);
                desk.join().map_err(|_| {
                    anyhow::anyhow!("the analysis stopped because of a defect in tapline; please report it")
                })
            }
        }
    }
}

/// Reassembly and what follows it.
struct Stages {
    reassembler: Reassembler,
    downstream: Downstream,
    now: Timestamp,
    next_tick: Timestamp,
    first: Option<Timestamp>,
}

impl Stages {
    fn new(limits: Limits, desk: Desk, workers: u8) -> Self {
        Self {
            reassembler: Reassembler::new(limits),
            downstream: Downstream::new(desk, workers),
            now: Timestamp::default(),
            next_tick: Timestamp::default(),
            first: None,
        }
    }

    #[inline]
    fn packet(&mut self, packet: &Packet<'_>) {
        if self.first.is_none() {
            self.first = Some(packet.ts);
        }
        if packet.ts > self.now {
            self.now = packet.ts;
        }
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

    fn tick(&mut self, drops: Option<Drops>) {
        self.next_tick = self.now.plus(TICK);
        self.downstream
            .take(Item::Tick(self.now, Box::new(self.reassembler.counters()), drops));
    }

    fn finish(mut self, mut run: Run) -> anyhow::Result<(Run, Desk)> {
        // One after the other, so that what all of them give out is not there at once.
        while self.reassembler.finish_next() {
            self.drain();
        }
        self.drain();
        run.counters = self.reassembler.counters();
        run.span = self.first.map(|first| (first, self.now));
        let mut desk = self.downstream.finish()?;
        desk.finish(self.now, &run.counters, run.drops);
        run.incomplete = desk.incomplete();
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
    let mut stages = Stages::new(limits, desk, workers);
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

/// Captures until `stop`, `duration` has passed, or the interface goes away.
///
/// # Errors
///
/// Only for a defect; when the interface can no longer be read, that is in [`Run::damage`].
pub(crate) fn capture(
    mut live: Live,
    limits: Limits,
    desk: Desk,
    workers: u8,
    duration: Option<Duration>,
    stop: &Stop,
) -> anyhow::Result<(Run, Desk)> {
    let mut stages = Stages::new(limits, desk, workers);
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
                stages.tick(Some(drops));
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
    run.drops = Some(live.drops());
    stages.finish(run)
}

/// One second ago, so that packets still on their way to us are not overtaken.
fn wall_clock() -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let past = now.checked_sub(Duration::from_secs(1))?;
    u64::try_from(past.as_nanos()).ok().map(Timestamp)
}
