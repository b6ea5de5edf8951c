//! Tells packets seen twice: mirrored where they came in and where they went out, or on two VLANs or tunnels.
//!
//! Knows the headers of recent segments. A copy differs from a retransmission: it has the same IP identification, the
//! same checksum and comes within a moment. It is only marked here: bytes are compared where retransmissions are, so that
//! nobody hides a differing copy behind a header like that of the first.

use std::time::Duration;

use super::key::{FlowKey, mixed};
use crate::time::Timestamp;

/// Segments remembered: few enough to stay in the cache of a core, for every packet asks. Each has one of two places, so
/// a copy is found unless two others took both since.
const PLACES: usize = 1024;

/// What copies of a segment have in common, as one number: flow and sender, sequence and acknowledgment number, flags,
/// length, checksum and, of IPv4, the identification. That two others have the same number is as likely as a guess of 64
/// bits; who makes it so on purpose has a retransmission counted as a copy, which he could have as well by making it one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    #[inline]
    pub(super) fn new(
        sender: (&FlowKey, usize),
        seq: u32,
        ack: u32,
        flags: u8,
        len: u32,
        sums: [u16; 2],
    ) -> Self {
        let [checksum, ip_id] = sums;
        let place = u64::from(seq) << 32 | u64::from(ack);
        let sums = u64::from(checksum) << 16 | u64::from(ip_id);
        let rest = u64::from(len) << 40 | u64::from(flags) << 32 | sums;
        let sender = sender.0.fold() ^ (sender.1 as u64);
        // None is zero, which stands for an empty place.
        Self(mixed(sender ^ place, rest) | 1)
    }
}

/// Recent segments.
#[derive(Debug)]
pub(crate) struct Duplicates {
    places: Box<[(u64, Timestamp); PLACES]>,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self {
            places: Box::new([(0, Timestamp(0)); PLACES]),
        }
    }
}

impl Duplicates {
    /// Whether a segment like this was seen no more than `window` ago; remembers it.
    #[inline]
    pub(crate) fn seen(&mut self, mark: Mark, now: Timestamp, window: Duration) -> bool {
        let (first, second) = (place(mark.0 >> 8), place(mark.0 >> 32));
        for at in [first, second] {
            let (known, since) = self.places[at];
            if known == mark.0 && now.since(since) <= window {
                return true;
            }
        }
        // The older of the two makes way.
        let at = if self.places[first].1 <= self.places[second].1 {
            first
        } else {
            second
        };
        self.places[at] = (mark.0, now);
        false
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a few bits are wanted")]
fn place(hash: u64) -> usize {
    hash as usize % PLACES
}
