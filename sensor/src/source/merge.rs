//! Several interfaces as one: their frames in the order of their times.
//!
//! A network tap has an output for each direction of a link, so that a request comes in on one interface and its response on the other.
//! The kernel hands frames over in blocks, each interface's when its own block is full or old. So the first frame of each is kept until it
//! is certain that no other interface has an earlier one: each of the others has a frame, or was found empty long enough after that time.
//!
//! Of each interface one frame is kept, in a buffer of its own; the others stay in the ring of the kernel.

use std::time::{Duration, SystemTime};

use reassembly::{LinkType, Packet, Timestamp};

use super::Step;
use super::live::LiveError;

/// How long after its time the kernel may hand a frame over: its blocks wait for 20 ms, and its timers have grains of up to 10 ms. No frame is
/// kept for longer by an interface that is silent.
const LATE: Duration = Duration::from_millis(40);
/// An interface with nothing to read is asked again after so many frames of others, whatever their times say: the clock that stamps
/// them may have been set.
const ASK_AGAIN: u32 = 256;

/// Something that frames are read from without waiting.
pub(super) trait Port {
    /// The next frame, or [`Step::Idle`] when there is none now.
    fn poll(&mut self) -> Result<Step<'_>, LiveError>;
}

/// What is known of one interface.
#[derive(Debug, Default)]
struct Slot {
    /// The frame that is kept, but for its bytes.
    head: Option<Head>,
    data: Vec<u8>,
    /// The time by the clock when there was last nothing to read.
    empty_at: Timestamp,
    /// Frames of others since then.
    since: u32,
    /// It ended.
    gone: bool,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    ts: Timestamp,
    link: LinkType,
    wire_len: u32,
}

impl Slot {
    /// Whether every frame from before `ts` was read.
    fn covers(&self, ts: Timestamp) -> bool {
        self.gone || self.head.is_some() || (self.empty_at >= late(ts) && self.since < ASK_AGAIN)
    }

    /// Reads the next frame, when there is none.
    fn fill(&mut self, port: &mut impl Port, clock: impl FnOnce() -> Timestamp) -> Result<(), LiveError> {
        if self.head.is_some() || self.gone {
            return Ok(());
        }
        self.since = 0;
        match port.poll() {
            Ok(Step::Packet(packet)) => {
                self.data.clear();
                self.data.extend_from_slice(packet.data);
                self.head = Some(Head {
                    ts: packet.ts,
                    link: packet.link,
                    wire_len: packet.wire_len,
                });
                Ok(())
            }
            Ok(Step::Idle) => {
                self.empty_at = clock();
                Ok(())
            }
            Ok(Step::End) => {
                self.gone = true;
                Ok(())
            }
            Err(error) => {
                self.gone = true;
                Err(error)
            }
        }
    }
}

fn late(ts: Timestamp) -> Timestamp {
    Timestamp(ts.0.saturating_add(u64::try_from(LATE.as_nanos()).unwrap_or(u64::MAX)))
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// The frame of this interface.
    Frame(usize),
    /// None for now; some may be kept.
    Nothing,
    /// This interface can no longer be read, for this reason. The others go on.
    Lost(usize, LiveError),
    /// All of them ended.
    End,
}

/// Puts frames in order.
#[derive(Debug)]
pub(super) struct Merge {
    slots: Vec<Slot>,
    /// Whose frame was given out last, which makes room for its next one.
    taken: Option<usize>,
}

impl Merge {
    pub(super) fn new(ports: usize) -> Self {
        Self {
            slots: (0..ports).map(|_| Slot::default()).collect(),
            taken: None,
        }
    }

    /// Finds the frame that comes next; [`Self::frame`] shows it. `clock` is the one that stamps frames.
    pub(super) fn next<P: Port>(&mut self, ports: &mut [P], clock: impl Fn() -> Timestamp) -> Next {
        if let Some(last) = self.taken.take() {
            self.slots[last].head = None;
            if let Err(error) = self.slots[last].fill(&mut ports[last], &clock) {
                return Next::Lost(last, error);
            }
        }
        loop {
            let first = self.first();
            let ts = first.map_or(Timestamp(u64::MAX), |(ts, _)| ts);
            let (mut came, mut waits) = (false, false);
            for (at, slot) in self.slots.iter_mut().enumerate() {
                if slot.covers(ts) {
                    continue;
                }
                if let Err(error) = slot.fill(&mut ports[at], &clock) {
                    return Next::Lost(at, error);
                }
                came |= slot.head.is_some();
                // A frame of later than now was stamped before the clock was set back: nothing is known of what is earlier.
                waits |= !slot.covers(ts) && slot.empty_at >= ts;
            }
            match first {
                // It may be earlier.
                _ if came => {}
                _ if self.slots.iter().all(|slot| slot.gone && slot.head.is_none()) => return Next::End,
                None => return Next::Nothing,
                Some(_) if waits => return Next::Nothing,
                Some((_, at)) => return self.give(at),
            }
        }
    }

    /// The frames that are kept at the end, in their order.
    pub(super) fn rest(&mut self) -> Option<usize> {
        if let Some(last) = self.taken.take() {
            self.slots[last].head = None;
        }
        let (_, at) = self.first()?;
        self.taken = Some(at);
        Some(at)
    }

    /// The earliest of the frames that are kept; of several of one time that of the interface named first.
    fn first(&self) -> Option<(Timestamp, usize)> {
        let heads = self.slots.iter().enumerate();
        heads
            .filter_map(|(at, slot)| slot.head.map(|head| (head.ts, at)))
            .min()
    }

    fn give(&mut self, at: usize) -> Next {
        self.slots.iter_mut().for_each(|slot| slot.since += 1);
        self.taken = Some(at);
        Next::Frame(at)
    }

    /// The frame that this interface gave.
    pub(super) fn frame(&self, at: usize) -> Option<Packet<'_>> {
        let slot = &self.slots[at];
        slot.head.map(|head| Packet {
            ts: head.ts,
            link: head.link,
            data: &slot.data,
            wire_len: head.wire_len,
            frame: 0,
        })
    }

    pub(super) fn is_gone(&self, at: usize) -> bool {
        self.slots[at].gone
    }
}

/// The time by the clock that the kernel stamps frames with.
pub(super) fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::VecDeque;

    use super::*;

    const MS: u64 = 1_000_000;

    /// Frames with the time at which the kernel hands each over.
    struct Fake<'a> {
        frames: VecDeque<(u64, u64)>,
        now: &'a Cell<u64>,
        polls: u64,
        /// What comes when there are no more.
        ends: Option<&'static str>,
        data: Vec<u8>,
    }

    impl Port for Fake<'_> {
        fn poll(&mut self) -> Result<Step<'_>, LiveError> {
            self.polls += 1;
            if let Some(&(ts, at)) = self.frames.front()
                && at <= self.now.get()
            {
                self.frames.pop_front();
                self.data = ts.to_le_bytes().to_vec();
                return Ok(Step::Packet(Packet {
                    ts: Timestamp(ts),
                    link: LinkType::ETHERNET,
                    data: &self.data,
                    wire_len: 8,
                    frame: 0,
                }));
            }
            match self.ends {
                Some(cause) if self.frames.is_empty() => Err(LiveError::Other {
                    name: "eth9".to_owned(),
                    cause: cause.to_owned(),
                }),
                _ => Ok(Step::Idle),
            }
        }
    }

    fn fake<'a>(frames: impl IntoIterator<Item = (u64, u64)>, now: &'a Cell<u64>) -> Fake<'a> {
        Fake {
            frames: frames.into_iter().collect(),
            now,
            polls: 0,
            ends: None,
            data: Vec::new(),
        }
    }

    /// What is given out until the clock, which goes on by a millisecond whenever there is nothing, shows `until`: interface, time of
    /// the frame, and time by the clock.
    fn all(ports: &mut [Fake<'_>], now: &Cell<u64>, until: u64) -> Vec<(usize, u64, u64)> {
        let (mut merge, mut out) = (Merge::new(ports.len()), Vec::new());
        while now.get() < until {
            match merge.next(ports, || Timestamp(now.get())) {
                Next::Frame(at) => {
                    let packet = merge.frame(at).expect("a frame");
                    assert_eq!(packet.data, packet.ts.0.to_le_bytes());
                    out.push((at, packet.ts.0, now.get()));
                }
                Next::Nothing => now.set(now.get() + MS),
                Next::Lost(at, error) => {
                    assert!(merge.is_gone(at) && error.to_string().contains("eth9"));
                }
                Next::End => break,
            }
        }
        out
    }

    fn is_in_order(out: &[(usize, u64, u64)]) {
        assert!(out.is_sorted_by_key(|(_, ts, _)| *ts), "{out:?}");
    }

    #[test]
    fn directions_handed_over_in_blocks_come_in_the_order_of_their_times() {
        // Requests and responses in turns, each interface's in blocks of 20 ms that end at other times.
        let now = Cell::new(0);
        let block = |ts: u64, begin: u64| (ts + begin).div_ceil(20 * MS) * 20 * MS - begin + 2 * MS;
        let one: Vec<_> = (0..2000).map(|n| n * MS).map(|ts| (ts, block(ts, 0))).collect();
        let two: Vec<_> = (0..2000)
            .map(|n| n * MS + 300_000)
            .map(|ts| (ts, block(ts, 13 * MS)))
            .collect();
        let out = all(&mut [fake(one, &now), fake(two, &now)], &now, 2100 * MS);
        assert_eq!(out.len(), 4000);
        is_in_order(&out);
        assert!(out.iter().all(|(_, ts, at)| at - ts <= 42 * MS));
    }

    #[test]
    fn an_interface_that_is_silent_holds_up_nobody_for_long() {
        let now = Cell::new(0);
        let busy: Vec<_> = (0..500).map(|n| (n * 3 * MS, n * 3 * MS)).collect();
        let mut ports = [fake([], &now), fake(busy, &now), fake([], &now)];
        let out = all(&mut ports, &now, 1600 * MS);
        assert_eq!(out.len(), 500);
        assert!(out.iter().all(|(_, ts, at)| at - ts <= 41 * MS), "{out:?}");
    }

    #[test]
    fn what_waits_in_the_ring_is_read_without_asking_the_silent_ones_each_time() {
        let now = Cell::new(10_000 * MS);
        // Ten thousand frames of the last seconds, as when the analysis was busy.
        let backlog: Vec<_> = (0..10_000).map(|n| (n * MS / 2, 0)).collect();
        let mut ports = [fake(backlog, &now), fake([], &now)];
        let out = all(&mut ports, &now, 10_010 * MS);
        assert_eq!(out.len(), 10_000);
        assert!(out.iter().all(|(_, _, at)| *at == 10_000 * MS), "nothing waited");
        assert!(ports[1].polls < 100, "{}", ports[1].polls);
    }

    #[test]
    fn a_clock_that_is_set_holds_up_nobody() {
        for (before, after) in [(3_600_000 * MS, 1000 * MS), (1000 * MS, 3_600_000 * MS)] {
            let now = Cell::new(before);
            // One frame was read with the old clock.
            let mut ports = [fake([(before, before.min(after))], &now), fake([], &now)];
            let mut merge = Merge::new(2);
            assert!(matches!(
                merge.next(&mut ports, || Timestamp(now.get())),
                Next::Nothing
            ));
            now.set(after);
            ports[1].frames.push_back((after + 5 * MS, after + 5 * MS));
            ports[0].frames.push_back((after + 6 * MS, after + 6 * MS));
            let mut out = Vec::new();
            while now.get() < after + 100 * MS {
                match merge.next(&mut ports, || Timestamp(now.get())) {
                    Next::Frame(at) => out.push((at, now.get() - after)),
                    _ => now.set(now.get() + MS),
                }
            }
            let order: Vec<usize> = out.iter().map(|(at, _)| *at).collect();
            assert!(out.len() == 3 && out[0] == (0, 0), "{out:?}");
            assert!(order == [0, 1, 0] && out[2].1 <= 50 * MS, "{out:?}");
        }
    }

    #[test]
    fn one_that_can_no_longer_be_read_is_named_and_the_others_go_on() {
        let now = Cell::new(0);
        let mut ports = [
            fake([(MS, MS), (2 * MS, 2 * MS)], &now),
            fake((0..100).map(|n| (n * MS, n * MS)), &now),
        ];
        ports[0].ends = Some("it is gone");
        let out = all(&mut ports, &now, 500 * MS);
        assert_eq!(out.len(), 102);
        is_in_order(&out);
        // And when the last one goes too, that is the end.
        let now = Cell::new(0);
        let mut ports = [fake([(MS, MS)], &now), fake([(2 * MS, MS)], &now)];
        ports.iter_mut().for_each(|port| port.ends = Some("it is gone"));
        assert_eq!(all(&mut ports, &now, 500 * MS).len(), 2);
        assert!(now.get() < 500 * MS);
    }

    #[test]
    fn what_is_kept_at_the_end_is_given_out_in_order() {
        let now = Cell::new(3 * MS);
        let mut ports = [
            fake([(3 * MS, 0)], &now),
            fake([(2 * MS, 0)], &now),
            fake([], &now),
        ];
        let mut merge = Merge::new(3);
        assert!(matches!(
            merge.next(&mut ports, || Timestamp(now.get())),
            Next::Nothing
        ));
        assert_eq!(
            [merge.rest(), merge.rest(), merge.rest()],
            [Some(1), Some(0), None]
        );
    }
}
