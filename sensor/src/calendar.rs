//! When what was learned is written to the store and published. It is decided before the analysis, and in a replay follows from packet time
//! and the number of exchanges alone, so that it falls between the same two exchanges whatever threads there are. In a live capture time by a
//! clock that nobody sets decides too: packet time may stand still.

use std::time::Duration;

use reassembly::Timestamp;

use crate::records::time::NANOS_PER_DAY;

/// How often a live capture publishes inventory, agents and health again.
const REPUBLISH: Duration = Duration::from_secs(60);
/// How often callers and endpoints are counted for those who ask.
const COUNT: Duration = Duration::from_secs(10);
/// Exchanges after which a replay writes what it learned to the store.
const SNAPSHOT_EXCHANGES: u64 = 200_000;

/// What is due with everything learned so far, from both stages of the analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The first exchange of this day, in packet time, is about to be taken: what the day before ended with goes into the history.
    Day(u64),
    /// Many exchanges have been taken since anything was written.
    Snapshot,
    /// Of a live capture.
    Tick {
        count: bool,
        snapshot: bool,
        publish: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Calendar {
    live: bool,
    snapshot_every: Duration,
    /// The day of the last exchange.
    day: Option<u64>,
    since_snapshot: u64,
    next_count: Duration,
    next_snapshot: Duration,
    next_publish: Duration,
}

impl Calendar {
    /// A calendar that goes on after `day`, when anything was learned before.
    pub(crate) fn new(live: bool, snapshot_every: Duration, day: Option<u64>) -> Self {
        Self {
            live,
            snapshot_every,
            day,
            since_snapshot: 0,
            next_count: Duration::ZERO,
            next_snapshot: snapshot_every,
            next_publish: REPUBLISH,
        }
    }

    /// What is due before an exchange.
    #[inline]
    pub(crate) fn before(&mut self, ts: Timestamp) -> Option<Due> {
        let day = ts.0 / NANOS_PER_DAY;
        if self.day.is_some_and(|known| day <= known) {
            return None;
        }
        self.day = Some(day);
        self.since_snapshot = 0;
        Some(Due::Day(day))
    }

    /// What is due after an exchange.
    #[inline]
    pub(crate) fn after(&mut self) -> Option<Due> {
        self.since_snapshot += 1;
        if self.since_snapshot < SNAPSHOT_EXCHANGES {
            return None;
        }
        self.since_snapshot = 0;
        Some(Due::Snapshot)
    }

    /// What is due when a live capture has gone on for this long. In a replay nothing depends on it.
    pub(crate) fn tick(&mut self, up: Duration) -> Option<Due> {
        if !self.live {
            return None;
        }
        let every = |next: &mut Duration, time: Duration| {
            let due = up >= *next;
            if due {
                *next = up + time;
            }
            due
        };
        let count = every(&mut self.next_count, COUNT);
        let snapshot = every(&mut self.next_snapshot, self.snapshot_every);
        let publish = every(&mut self.next_publish, REPUBLISH);
        if snapshot {
            self.since_snapshot = 0;
        }
        (count || snapshot || publish).then_some(Due::Tick {
            count,
            snapshot,
            publish,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_once_and_a_clock_that_steps_back_begins_none() {
        let mut calendar = Calendar::new(false, Duration::ZERO, Some(2));
        let day = |n: u64| Timestamp(n * NANOS_PER_DAY + 5);
        assert_eq!(calendar.before(day(1)), None);
        assert_eq!(calendar.before(day(3)), Some(Due::Day(3)));
        assert_eq!(calendar.before(day(3)), None);
        assert_eq!(calendar.before(day(2)), None);
        assert_eq!(
            Calendar::new(false, Duration::ZERO, None).before(day(1)),
            Some(Due::Day(1))
        );
    }

    #[test]
    fn a_replay_writes_by_exchanges_and_a_capture_by_time_too() {
        let mut replay = Calendar::new(false, Duration::from_secs(30), None);
        let due = (0..2 * SNAPSHOT_EXCHANGES).filter(|_| replay.after().is_some());
        assert_eq!(due.count(), 2);
        assert_eq!(replay.tick(Duration::from_secs(90)), None);
        let mut live = Calendar::new(true, Duration::from_secs(30), None);
        let due: Vec<_> = (0..=90)
            .filter_map(|s| match live.tick(Duration::from_secs(s))? {
                Due::Tick {
                    count: _,
                    snapshot,
                    publish,
                } if snapshot || publish => Some((s, snapshot, publish)),
                Due::Tick { .. } => None,
                due => panic!("{due:?}"),
            })
            .collect();
        assert_eq!(due, [(30, true, false), (60, true, true), (90, true, false)]);
        assert!(matches!(
            live.tick(Duration::from_secs(101)),
            Some(Due::Tick { count: true, .. })
        ));
    }
}
