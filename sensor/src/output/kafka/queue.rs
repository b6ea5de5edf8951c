//! The bounded queue between the packet path and the thread that publishes.
//!
//! In replay a full queue makes the caller wait, and nothing is lost. Live, it never does: what
//! matters least makes way, the oldest of it first, and is counted.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::spool::{RANKS, rank};
use crate::output::record::Record;

/// What a record takes in memory, near enough.
pub(super) fn weight(record: &Record) -> usize {
    let value = record.value.as_ref().map_or(0, Vec::len);
    256 + value + record.key.len() + record.subject.len()
}

#[derive(Default)]
struct Inner {
    /// One line a rank; `u64` is the order of arrival.
    lines: [VecDeque<(u64, Record)>; RANKS],
    arrivals: u64,
    records: usize,
    bytes: usize,
    shed: u64,
    /// Set at the end of a run: until when confirmations are awaited.
    closed: Option<Instant>,
    /// The publishing thread is gone.
    abandoned: bool,
}

impl Inner {
    fn pop(&mut self) -> Option<Record> {
        let line = self
            .lines
            .iter_mut()
            .min_by_key(|line| line.front().map_or(u64::MAX, |(arrival, _)| *arrival))?;
        let (_, record) = line.pop_front()?;
        self.records -= 1;
        self.bytes -= weight(&record);
        Some(record)
    }

    fn push(&mut self, record: Record) {
        self.records += 1;
        self.bytes += weight(&record);
        self.lines[usize::from(rank(&record))].push_back((self.arrivals, record));
        self.arrivals += 1;
    }

    fn shed_below(&mut self, limit: u8) -> bool {
        let lines = &mut self.lines[..=usize::from(limit)];
        let Some((_, victim)) = lines.iter_mut().find_map(VecDeque::pop_front) else {
            return false;
        };
        self.records -= 1;
        self.bytes -= weight(&victim);
        self.shed += 1;
        true
    }
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    most_records: usize,
    most_bytes: usize,
}

impl Queue {
    pub(super) fn new(most_records: usize, most_bytes: usize) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            most_records: most_records.max(1),
            most_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, inner: &Inner, more: usize) -> bool {
        // One record always fits, however large.
        inner.records > 0 && (inner.records >= self.most_records || inner.bytes + more > self.most_bytes)
    }

    /// Adds a record, waiting for room.
    pub(super) fn push_waiting(&self, record: Record) {
        let more = weight(&record);
        let mut inner = self.lock();
        while self.full(&inner, more) && !inner.abandoned {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.abandoned {
            inner.shed += 1;
            return;
        }
        inner.push(record);
        self.changed.notify_all();
    }

    /// Adds a record at once; over the bound, it or others that matter no more are shed.
    pub(super) fn push_shedding(&self, record: Record) {
        let (more, limit) = (weight(&record), rank(&record));
        let mut inner = self.lock();
        while self.full(&inner, more) || inner.abandoned {
            if inner.abandoned || !inner.shed_below(limit) {
                inner.shed += 1;
                return;
            }
        }
        inner.push(record);
        self.changed.notify_all();
    }

    /// The oldest record.
    pub(super) fn pop(&self) -> Option<Record> {
        let record = self.lock().pop()?;
        self.changed.notify_all();
        Some(record)
    }

    /// Waits until there is a record, the queue is closed, or the time is over.
    pub(super) fn wait(&self, at_most: Duration) {
        let inner = self.lock();
        let quiet = |inner: &mut Inner| inner.records == 0 && inner.closed.is_none();
        drop(self.changed.wait_timeout_while(inner, at_most, quiet));
    }

    /// No more records will come; what is there is to be delivered until `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        self.lock().closed = Some(deadline);
        self.changed.notify_all();
    }

    /// Lets nobody wait for a thread that is gone.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_all();
    }

    /// The deadline, once closed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lock().closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().records == 0
    }

    /// Records that wait here, and about the memory they take.
    pub(super) fn held(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.records, inner.bytes)
    }

    /// Records shed at this queue.
    pub(super) fn shed(&self) -> u64 {
        self.lock().shed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::record::Topic;
    use analyzers::Severity;
    use std::sync::Arc;

    fn finding(name: &str, severity: Severity) -> Record {
        Record {
            topic: Topic::Findings,
            key: name.to_owned(),
            value: None,
            severity: Some(severity),
            kind: None,
            principal_kind: None,
            time_ns: 0,
            subject: String::new(),
        }
    }

    fn keys(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop().map(|record| record.key)).collect()
    }

    #[test]
    fn live_sheds_the_lowest_severity_first_and_keeps_the_order() {
        let queue = Queue::new(3, usize::MAX);
        for (name, severity) in [
            ("a", Severity::High),
            ("b", Severity::Low),
            ("c", Severity::Info),
            ("d", Severity::Critical),
            ("e", Severity::Medium),
            ("f", Severity::Info),
        ] {
            queue.push_shedding(finding(name, severity));
        }
        assert_eq!(keys(&queue), ["a", "d", "e"]);
        assert_eq!(queue.shed(), 3);
    }

    #[test]
    fn a_bound_in_bytes_holds_too() {
        let queue = Queue::new(1000, 1000);
        for name in ["a", "b", "c", "d", "e"] {
            queue.push_shedding(finding(name, Severity::Low));
        }
        assert_eq!(keys(&queue), ["c", "d", "e"]);
    }

    #[test]
    fn replay_waits_and_loses_nothing() {
        let queue = Arc::new(Queue::new(2, usize::MAX));
        let writer = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            for n in 0..500 {
                writer.push_waiting(finding(&n.to_string(), Severity::Info));
            }
        });
        let mut got = Vec::new();
        while got.len() < 500 {
            queue.wait(Duration::from_secs(5));
            got.extend(keys(&queue));
        }
        thread.join().unwrap();
        assert_eq!(got, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(queue.shed(), 0);
    }
}
