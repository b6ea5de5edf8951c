//! How a capture goes on, for those who ask over HTTP: `/metrics`, `/healthz`, `/readyz`.
//!
//! ```text
//! reader of packets ──▶ Wire ──┐
//!                              ├─ Board ◀── server, a thread of its own with the lowest priority
//! desk ──────────────▶ Work ──┘
//! ```
//!
//! Once a second the two sides put a new value in the place of the old one and go on: no lock, nothing to wait for, whoever
//! reads. Nothing here comes from the wire but as a count.

mod health;
mod metrics;
mod process;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use analyzers::{Kind, Severity};
use arc_swap::{ArcSwap, ArcSwapOption};
use reassembly::{Counters, Timestamp};

use crate::coverage::Amounts;
use crate::source::{Losses, Missing};

/// What the side that reads packets tells.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) counters: Counters,
    pub(crate) drops: Losses,
    /// Flows that are followed, and the memory that they take.
    pub(crate) open_flows: usize,
    pub(crate) flow_memory: usize,
    /// Packet time so far, and that of the last packet.
    pub(crate) now: Timestamp,
    pub(crate) last_packet: Option<Timestamp>,
}

/// What the side that analyses tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    /// Packet time so far.
    pub(crate) now: Timestamp,
    pub(crate) flows_ended: u64,
    pub(crate) coverage: Amounts,
    pub(crate) silent_flows: u64,
    /// Flows of the last ones in which one direction is missing, of how many, and whether that is worth an alarm.
    pub(crate) one_sided: (usize, usize, bool),
    /// What the analysis gave up, by name.
    pub(crate) given_up: Vec<(&'static str, u64)>,
    /// Memory that what was learned takes, and that it may, by name.
    pub(crate) weights: Vec<(&'static str, u64, u64)>,
    pub(crate) findings: FindingCounts,
    pub(crate) endpoints: usize,
    /// Callers, by the name of their kind.
    pub(crate) principals: Vec<(&'static str, usize)>,
    pub(crate) store: Option<StoreWork>,
    pub(crate) kafka: Option<KafkaWork>,
    /// Names of files that can no longer be written.
    pub(crate) outputs_failed: Vec<String>,
}

/// Findings told, and revisions of them, by kind and severity.
pub(crate) type FindingCounts = BTreeMap<(Kind, Severity), (u64, u64)>;

/// Counts one record of a finding: the first revision is new, the others tell it again.
pub(crate) fn count_finding(counts: &mut FindingCounts, kind: Kind, severity: Severity, revision: u32) {
    let (new, again) = counts.entry((kind, severity)).or_default();
    match revision {
        0 | 1 => *new += 1,
        _ => *again += 1,
    }
}

/// What became of snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct StoreWork {
    pub(crate) written: u64,
    /// Attempts that were in vain.
    pub(crate) failed: u64,
    /// What could not be written waits for the next attempt.
    pub(crate) waits: bool,
    /// No more is written.
    pub(crate) given_up: bool,
    /// Seconds since 1970 by the clock, when the last one was written, and how long that took.
    pub(crate) last_success: Option<f64>,
    pub(crate) last_seconds: f64,
}

/// What became of records for Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KafkaWork {
    /// A broker answers.
    pub(crate) up: bool,
    pub(crate) delivered: u64,
    pub(crate) spooled: u64,
    pub(crate) queued: u64,
    pub(crate) queued_bytes: u64,
    /// Given up: at the queue, at the spool, refused by the broker, neither confirmed nor kept.
    pub(crate) shed: [u64; 4],
    /// Entries of the spool that were damaged.
    pub(crate) torn: u64,
    /// The spool cannot be written.
    pub(crate) spool_failed: bool,
}

impl KafkaWork {
    /// Names of what [`Self::shed`] counts.
    pub(crate) const CAUSES: [&'static str; 4] = ["queue_full", "spool_full", "refused", "not_kept"];
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The interface is not open yet.
    Opening,
    /// It is, and the store is being read.
    Reading,
    /// Packets are taken.
    Capturing,
    /// What is left is decided, written and published.
    Ending,
}

/// What is known of the run, written by it and read by the server.
#[derive(Debug)]
pub(crate) struct Board {
    started: Instant,
    /// The same by the clock.
    started_at: f64,
    stage: AtomicU64,
    wire: ArcSwapOption<Wire>,
    work: ArcSwap<Work>,
    /// Milliseconds since `started` when either side last told something.
    wire_at: AtomicU64,
    work_at: AtomicU64,
    /// When records were last given up, and how many were by then.
    shed_at: AtomicU64,
    shed: AtomicU64,
    has_shed: AtomicBool,
    /// Parcels between the two sides, and how many may be there.
    parcels: AtomicUsize,
    parcels_most: AtomicUsize,
    /// The interfaces from which nothing comes.
    missing: ArcSwap<Vec<Missing>>,
    /// How often the configuration was read anew and taken over, and refused.
    reloads: [AtomicU64; 2],
    /// Memory that flows may take.
    flow_memory_most: u64,
}

impl Board {
    pub(crate) fn new(flow_memory_most: u64) -> Self {
        Self {
            started: Instant::now(),
            started_at: clock_seconds(),
            stage: AtomicU64::new(Stage::Opening as u64),
            wire: ArcSwapOption::empty(),
            work: ArcSwap::default(),
            wire_at: AtomicU64::new(0),
            work_at: AtomicU64::new(0),
            shed_at: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            has_shed: AtomicBool::new(false),
            parcels: AtomicUsize::new(0),
            parcels_most: AtomicUsize::new(0),
            missing: ArcSwap::default(),
            reloads: [AtomicU64::new(0), AtomicU64::new(0)],
            flow_memory_most,
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The run came to this stage.
    pub(crate) fn reach(&self, stage: Stage) {
        let now = self.millis();
        // Both sides begin with the stage, so that their silence is counted from here.
        self.wire_at.store(now, Ordering::Relaxed);
        self.work_at.store(now, Ordering::Relaxed);
        self.stage.store(stage as u64, Ordering::Release);
    }

    fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Opening,
            1 => Stage::Reading,
            2 => Stage::Capturing,
            _ => Stage::Ending,
        }
    }

    /// Takes what the reader of packets tells.
    pub(crate) fn tell_wire(&self, wire: Wire) {
        self.wire.store(Some(wire.into()));
        self.wire_at.store(self.millis(), Ordering::Relaxed);
    }

    /// The reader of packets goes on; what there is to tell comes later.
    pub(crate) fn reader_goes_on(&self) {
        self.wire_at.store(self.millis(), Ordering::Relaxed);
    }

    /// Takes what the desk tells.
    pub(crate) fn tell_work(&self, work: Work) {
        let now = self.millis();
        let shed = work.kafka.map_or(0, |kafka| kafka.shed.iter().sum());
        if shed > self.shed.swap(shed, Ordering::Relaxed) {
            self.shed_at.store(now, Ordering::Relaxed);
            self.has_shed.store(true, Ordering::Relaxed);
        }
        self.work.store(work.into());
        self.work_at.store(now, Ordering::Relaxed);
    }

    /// Names the interfaces from which nothing comes.
    pub(crate) fn tell_missing(&self, missing: Vec<Missing>) {
        if missing != **self.missing.load() {
            self.missing.store(missing.into());
        }
    }

    /// The configuration was read anew.
    pub(crate) fn count_reload(&self, taken: bool) {
        self.reloads[usize::from(!taken)].fetch_add(1, Ordering::Relaxed);
    }

    /// So many parcels may wait between the two sides.
    pub(crate) fn parcels_may_wait(&self, most: usize) {
        self.parcels_most.store(most, Ordering::Relaxed);
    }

    /// A parcel was handed over.
    pub(crate) fn parcel_sent(&self) {
        self.parcels.fetch_add(1, Ordering::Relaxed);
    }

    /// A parcel was taken.
    pub(crate) fn parcel_taken(&self) {
        self.parcels.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Seconds since 1970 by the clock.
pub(crate) fn clock_seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_is_told_again_is_not_a_new_one() {
        let mut counts = FindingCounts::new();
        for (severity, revision) in [
            (Severity::Low, 1),
            (Severity::Low, 2),
            (Severity::High, 3),
            (Severity::Low, 1),
        ] {
            count_finding(&mut counts, Kind::MissingAuth, severity, revision);
        }
        let all: Vec<_> = counts.into_iter().collect();
        assert_eq!(
            all,
            [
                ((Kind::MissingAuth, Severity::Low), (2, 1)),
                ((Kind::MissingAuth, Severity::High), (0, 1))
            ]
        );
    }
}
