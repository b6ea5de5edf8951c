//! What the counters say of how the mirror is set up, in words: frames that come twice, frames that are cut off, traffic that is none,
//! and time that steps back. That one direction is missing is told by [`crate::coverage`].
//!
//! Looked at each [`WINDOW`] packets, and at the end of a run. Each is told once a run, with the share that was seen and what to do.

use reassembly::{Counters, Timestamp};

use crate::message;

/// Packets on which shares are taken.
const WINDOW: u64 = 20_000;
/// Fewer of them, at the end of a run, tell nothing.
const LEAST: u64 = 2_000;

/// Shares, in percent, from which on something is told.
const TWICE: u64 = 20;
const CUT: u64 = 1;
const NOT_FLOWS: u64 = 95;

/// Seconds by which time may step back without a word: queues of one card are apart by much less.
const BACK: u64 = 60;

/// Watches a mirror.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    /// Counters when the window began.
    before: Counters,
    told: [bool; 3],
    /// That time stepped back was told.
    stepped: bool,
}

impl Mirror {
    /// Takes the time of a packet; `now` is the latest before it.
    #[inline]
    pub(crate) fn packet(&mut self, ts: Timestamp, now: Timestamp) {
        if !self.stepped && now.0.saturating_sub(ts.0) > BACK * 1_000_000_000 {
            self.stepped = true;
            message::warn(&format!(
                "time stepped back by {} s between two packets: the clock that stamps them was set, or files are not in the order of their \
                 times; flows go on by the later time until it is reached again",
                (now.0 - ts.0) / 1_000_000_000
            ));
        }
    }

    /// Looks at the counters while packets come.
    pub(crate) fn look(&mut self, counters: &Counters) {
        if counters.packets - self.before.packets >= WINDOW {
            self.judge(counters).iter().for_each(|text| message::warn(text));
        }
    }

    /// Looks at the counters when all packets have come.
    pub(crate) fn finish(&mut self, counters: &Counters) {
        if counters.packets - self.before.packets >= LEAST {
            self.judge(counters).iter().for_each(|text| message::warn(text));
        }
    }

    fn judge(&mut self, counters: &Counters) -> Vec<String> {
        let before = std::mem::replace(&mut self.before, *counters);
        let packets = counters.packets - before.packets;
        let twice = counters.duplicates - before.duplicates;
        let cut = counters.truncated - before.truncated;
        let flows = counters.tcp_packets - before.tcp_packets + counters.udp_packets - before.udp_packets;
        let other = packets.saturating_sub(flows);
        let percent = |of: u64| of * 100 / packets.max(1);
        let found = [
            (
                percent(twice) >= TWICE,
                format!(
                    "{} % of the last {packets} packets came twice: the mirror copies them where they come in and where they go out; mirror one \
                     side, which halves the work",
                    percent(twice)
                ),
            ),
            (
                percent(cut) >= CUT,
                format!(
                    "{} % of the last {packets} packets were cut off: raise the length that the mirror or `capture.snaplen` keeps, or bodies \
                     have gaps",
                    percent(cut)
                ),
            ),
            (
                percent(other) >= NOT_FLOWS,
                format!(
                    "{} % of the last {packets} packets belong to no flow that is read: broadcasts, other protocols, or a tunnel on a port of its \
                     own (`tunnels`); see whether the right ports are mirrored",
                    percent(other)
                ),
            ),
        ];
        let told = self.told.iter_mut().zip(found);
        told.filter_map(|(told, (found, text))| (found && !std::mem::replace(told, true)).then_some(text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(packets: u64, tcp: u64, twice: u64, cut: u64) -> Counters {
        Counters {
            packets,
            tcp_packets: tcp,
            duplicates: twice,
            truncated: cut,
            ..Counters::default()
        }
    }

    #[test]
    fn a_mirror_that_is_sound_is_not_spoken_of() {
        let mut mirror = Mirror::default();
        for n in 1..20 {
            let at = n * WINDOW;
            assert!(mirror.judge(&seen(at, at / 2, at / 10, at / 200)).is_empty());
        }
    }

    #[test]
    fn each_fault_is_told_once_with_its_share() {
        for (of, words) in [
            (
                seen(WINDOW, WINDOW, WINDOW / 2, 0),
                "50 % of the last 20000 packets came twice",
            ),
            (
                seen(WINDOW, WINDOW, 0, WINDOW / 50),
                "2 % of the last 20000 packets were cut off",
            ),
            (
                seen(WINDOW, WINDOW / 100, 0, 0),
                "99 % of the last 20000 packets belong to no flow",
            ),
        ] {
            let mut mirror = Mirror::default();
            let told = mirror.judge(&of);
            assert!(told.len() == 1 && told[0].starts_with(words), "{told:?}");
            let again = Counters {
                packets: of.packets * 2,
                tcp_packets: of.tcp_packets * 2,
                duplicates: of.duplicates * 2,
                truncated: of.truncated * 2,
                ..Counters::default()
            };
            assert!(mirror.judge(&again).is_empty());
        }
    }

    #[test]
    fn shares_are_of_the_last_packets_and_not_of_all() {
        let mut mirror = Mirror::default();
        let sound = 100 * WINDOW;
        assert!(mirror.judge(&seen(sound, sound, 0, 0)).is_empty());
        let late = seen(sound + WINDOW, sound + WINDOW, WINDOW, 0);
        assert_eq!(mirror.judge(&late).len(), 1);
    }
}
