//! Tells packets seen twice: mirrored where they came in and where they went out, or on two VLANs or tunnels.
//!
//! Knows the headers of recent segments. A copy differs from a retransmission: it has the same IP identification, the
//! same checksum and comes within a moment. It is only marked here: bytes are compared where retransmissions are, so that
//! nobody hides a differing copy behind a header like that of the first.

use std::net::IpAddr;
use std::time::Duration;

use crate::time::Timestamp;

/// Segments remembered: few enough to stay in the cache of a core, for every packet asks. Each has one of two places, so
/// a copy is found unless two others took both since.
const PLACES: usize = 1024;

/// What copies of a segment have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) src: (IpAddr, u16),
    pub(crate) dst: (IpAddr, u16),
    /// VLAN and network identifier, where they tell flows apart.
    pub(crate) network: (Option<u16>, Option<u32>),
    /// IPv4 identification; zero in IPv6.
    pub(crate) ip_id: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) checksum: u16,
    pub(crate) len: u32,
}

/// Recent segments.
pub(crate) struct Duplicates {
    places: Vec<Option<(Mark, Timestamp)>>,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self {
            places: vec![None; PLACES],
        }
    }
}

impl Duplicates {
    /// Whether a segment like this was seen no more than `window` ago; remembers it.
    pub(crate) fn seen(&mut self, mark: &Mark, now: Timestamp, window: Duration) -> bool {
        let hash = hash(mark);
        let (first, second) = (place(hash), place(hash.rotate_left(32)));
        for at in [first, second] {
            if let Some((known, since)) = &self.places[at]
                && known == mark
                && now.since(*since) <= window
            {
                return true;
            }
        }
        // The older of the two makes way.
        let age = |at: usize| self.places[at].as_ref().map_or(Timestamp(0), |(_, since)| *since);
        let at = if age(first) <= age(second) { first } else { second };
        self.places[at] = Some((*mark, now));
        false
    }
}

/// Marks are compared whole, so a poor hash costs forgotten segments and nothing else; a seeded one would make what is
/// forgotten differ from run to run.
fn hash(mark: &Mark) -> u64 {
    let words = [
        u64::from(mark.seq) << 32 | u64::from(mark.ack),
        u64::from(mark.src.1) << 48
            | u64::from(mark.dst.1) << 32
            | u64::from(mark.checksum) << 16
            | u64::from(mark.ip_id),
    ];
    let mixed = words.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |h, w| {
        (h ^ w).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31)
    });
    mixed ^ (mixed >> 29)
}

#[expect(clippy::cast_possible_truncation, reason = "a few bits are wanted")]
fn place(hash: u64) -> usize {
    hash as usize % PLACES
}
