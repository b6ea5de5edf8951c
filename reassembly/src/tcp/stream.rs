//! One direction of a flow: which bytes are next, which wait, which were seen before.
//!
//! Sequence numbers become 64-bit stream offsets at the door ([`Stream::offset`]), so nothing behind it
//! knows of the 32-bit wrap. The low 32 bits of an offset are the sequence number.

use std::collections::BTreeMap;

use crate::tcp::history::{Compared, Differing, History, Place};
use crate::time::Timestamp;

/// Delivered segments whose digest is kept. Retransmissions mostly repeat one of the last few with the same bounds.
const RECENT: usize = 4;

/// Changes remembered of what a direction told of having received: where the two directions are captured apart, one may
/// be several exchanges ahead.
const TOLD: usize = 8;

/// Bytes of memory that a held segment takes beside its bytes: its place in a tree, and an allocation.
pub(crate) const HELD: usize = 160;

/// Bytes of memory that the first of them takes beside that: a tree has room for eleven at once.
const TREE: usize = 11 * (size_of::<u64>() + size_of::<Held>());

/// Where bytes came from; goes with them to the messages they become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    /// Capture time of the packet.
    pub(crate) ts: Timestamp,
    /// Its frame number.
    pub(crate) frame: u64,
    /// Stream offset of the first byte.
    pub(crate) offset: u64,
    /// How far its sender had received the other direction.
    pub(crate) ack: u64,
    /// What the other side told last before it sent the last of those bytes.
    pub(crate) other: Told,
}

/// Where a direction stood when its sender told how much of the other one it had. Zero where unknown.
///
/// What the sender sent from `at` on, it sent with `received` at hand. What the other side sent before `received`, it
/// sent with no more than `at` at hand: it has acknowledged no more, for a sender repeats nothing that was acknowledged
/// to it (RFC 9293 section 3.8.1), so this holds for repeated segments too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) at: u64,
    pub(crate) received: u64,
}

/// A segment that waits for earlier bytes, of its own direction or of the other one.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    pub(crate) meta: Meta,
}

/// Bytes that their receiver may not have taken: sent with a SYN (RFC 7413), or into a closed window (RFC 9293 section
/// 3.8.6.1). What comes in their place counts, not they.
#[derive(Debug)]
pub(crate) struct Tentative {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) meta: Meta,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Whether a packet of this direction was seen.
    pub(crate) seen: bool,
    /// Whether `next` means anything yet.
    pub(crate) started: bool,
    /// Offset of the next byte to deliver; the FIN counts as one byte.
    pub(crate) next: u64,
    /// How far the other side has acknowledged this direction.
    pub(crate) acked: u64,
    /// Offset at which the FIN stands.
    pub(crate) fin: Option<u64>,
    /// Whether the FIN was delivered.
    pub(crate) ended: bool,
    /// Segments that wait, by offset; they do not overlap.
    pub(crate) held: BTreeMap<u64, Held>,
    /// Bytes in `held`.
    pub(crate) held_bytes: usize,
    /// Since when nothing could be delivered although something waits or is overdue, and at which `next`.
    pub(crate) stuck: Option<(u64, Timestamp)>,
    /// Payload bytes delivered.
    pub(crate) delivered: u64,
    /// Payload bytes given up.
    pub(crate) lost: u64,
    /// What this direction told of the other, the last of each place; both numbers rise. A ring, of which `told_at` is the
    /// newest.
    told: [Told; TOLD],
    told_at: u8,
    /// Where the segment delivered last is remembered.
    remembered: Place,
    /// Offset, length and digest of the last few.
    recent: [(u64, u32, u32); RECENT],
    recent_at: u8,
    /// Whether this side said last that it takes no more bytes.
    pub(crate) shut: bool,
    pub(crate) tentative: Option<Box<Tentative>>,
}

/// What became of bytes that were put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Repeated {
    /// Bytes seen before.
    pub(crate) bytes: u64,
    /// Those of them that differ from the first copy.
    pub(crate) differing: Option<Differing>,
}

impl Stream {
    /// Sets where the direction begins, unless that is known.
    pub(crate) fn start(&mut self, seq: u32) {
        if !self.started {
            self.started = true;
            // One wrap away from zero, so that bytes from before the start have an offset too.
            self.next = (1 << 32) | u64::from(seq);
            self.acked = self.next;
        }
    }

    /// The stream offset that `seq` means: the one nearest to the next byte (RFC 9293 section 3.4).
    pub(crate) fn offset(&self, seq: u32) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "serial number arithmetic"
        )]
        let ahead = seq.wrapping_sub(self.next as u32) as i32;
        self.next.wrapping_add_signed(i64::from(ahead))
    }

    /// Notes that the sender had `received` that much of the other direction when it sent what begins at `offset`.
    pub(crate) fn tells(&mut self, offset: u64, received: u64) {
        let last = self.told[usize::from(self.told_at) % TOLD];
        if received > last.received && offset >= last.at {
            if offset > last.at {
                self.told_at = self.told_at.wrapping_add(1);
            }
            self.told[usize::from(self.told_at) % TOLD] = Told { at: offset, received };
        }
    }

    /// What the sender told last before it sent the last of the bytes before `offset`.
    pub(crate) fn told_before(&self, offset: u64) -> Told {
        let newest = usize::from(self.told_at) + TOLD;
        (0..TOLD)
            .map(|back| self.told[(newest - back) % TOLD])
            .find(|told| told.at < offset)
            .unwrap_or_default()
    }

    /// Notes bytes that are being delivered at `next`.
    #[inline]
    pub(crate) fn remember(&mut self, bytes: &[u8], history: &mut History) {
        self.remembered = history.keep(self.remembered, self.next, bytes);
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.recent[usize::from(self.recent_at) % RECENT] = (self.next, len, history.digest(bytes));
        self.recent_at = self.recent_at.wrapping_add(1);
        self.delivered += bytes.len() as u64;
        self.next += bytes.len() as u64;
    }

    /// Compares bytes at `offset`, all before `next`, with what was delivered in their place: byte by byte while that is
    /// remembered, else by digest, when they have the bounds of one of the last few segments.
    pub(crate) fn compare(&self, offset: u64, bytes: &[u8], history: &History) -> Compared {
        let compared = history.compare(self.remembered, offset, bytes);
        let whole = |(at, len, _): &&(u64, u32, u32)| *at == offset && *len as usize == bytes.len();
        match self.recent.iter().find(whole) {
            Some((.., digest)) if compared.bytes < bytes.len() as u64 => Compared {
                bytes: bytes.len() as u64,
                differing: (*digest != history.digest(bytes)).then(|| Differing::somewhere(offset, bytes)),
            },
            _ => compared,
        }
    }

    /// Bytes of memory that `held` and `tentative` take.
    pub(crate) fn held_weight(&self) -> usize {
        let tree = if self.held.is_empty() { 0 } else { TREE };
        self.held_bytes + self.held.len() * HELD + tree + self.tentative_weight()
    }

    fn tentative_weight(&self) -> usize {
        self.tentative.as_ref().map_or(0, |t| t.bytes.len() + HELD)
    }

    /// Bytes of memory that holding these bytes may take. Each segment held among them cuts them once more.
    pub(crate) fn cost(&self, offset: u64, bytes: &[u8]) -> usize {
        let within = self.held.range(offset..offset + bytes.len() as u64).count();
        let tree = if self.held.is_empty() { TREE } else { 0 };
        bytes.len() + (within + 1) * HELD + tree
    }

    /// Holds bytes that cannot be delivered yet. Of two copies of a byte the first taken stays.
    pub(crate) fn hold(&mut self, offset: u64, bytes: &[u8], meta: Meta) -> Repeated {
        if bytes.is_empty() {
            return Repeated::default();
        }
        let end = offset + bytes.len() as u64;
        let mut repeated = Repeated::default();
        let mut at = offset;
        // Held segments do not overlap, so their ends are in order too: one look back is enough.
        let before = self.held.range(..=offset).next_back().map(|(from, _)| *from);
        let overlapping: Vec<u64> = before
            .into_iter()
            .chain(self.held.range(offset + 1..end).map(|(f, _)| *f))
            .collect();
        for from in overlapping {
            let Some(known) = self.held.get(&from) else {
                continue;
            };
            let known_end = from + known.bytes.len() as u64;
            let (low, high) = (from.max(at), known_end.min(end));
            if low < high {
                repeated.bytes += high - low;
                let first = &known.bytes[index(low - from)..index(high - from)];
                let second = &bytes[index(low - offset)..index(high - offset)];
                if repeated.differing.is_none() {
                    repeated.differing = Differing::between(low, first, second);
                }
            }
            if at < from {
                self.insert(
                    at,
                    &bytes[index(at - offset)..index(from.min(end) - offset)],
                    meta,
                );
            }
            at = at.max(known_end);
        }
        if at < end {
            self.insert(at, &bytes[index(at - offset)..], meta);
        }
        repeated
    }

    fn insert(&mut self, offset: u64, bytes: &[u8], meta: Meta) {
        if !bytes.is_empty() {
            self.held_bytes += bytes.len();
            self.held.insert(
                offset,
                Held {
                    bytes: bytes.to_vec(),
                    meta: Meta { offset, ..meta },
                },
            );
        }
    }

    /// Offset of the first byte delivered or given up, once nothing waits any more.
    pub(crate) fn begin(&self) -> u64 {
        let fin = self.ended && self.fin.is_some_and(|fin| fin < self.next);
        self.next
            .saturating_sub(self.delivered + self.lost + u64::from(fin))
    }

    /// Offset of the first held byte.
    pub(crate) fn first_held(&self) -> Option<u64> {
        self.held.keys().next().copied()
    }

    /// Offset behind the last byte that was seen.
    pub(crate) fn known_end(&self) -> u64 {
        let held = self.held.last_key_value();
        let held = held.map_or(self.next, |(at, h)| at + h.bytes.len() as u64);
        let tentative = self.tentative.as_ref();
        held.max(tentative.map_or(self.next, |t| t.offset + t.bytes.len() as u64))
            .max(self.next)
    }

    /// Takes the first held segment out.
    pub(crate) fn take_first(&mut self) -> Option<Held> {
        let (_, held) = self.held.pop_first()?;
        self.held_bytes -= held.bytes.len();
        Some(held)
    }

    /// How many bytes at `next` were sent (the other side has them, or what follows them was seen) but
    /// never seen here. Zero when the next byte is at hand.
    pub(crate) fn missing(&self) -> u64 {
        let data_end = self.fin.unwrap_or(u64::MAX);
        match self.first_held() {
            Some(first) => first.saturating_sub(self.next),
            None => self.acked.min(data_end).saturating_sub(self.next),
        }
    }

    /// As [`Self::missing`], but only what the other side is known to have received.
    pub(crate) fn missing_acked(&self) -> u64 {
        self.missing().min(self.acked.saturating_sub(self.next))
    }
}

/// Offsets inside one segment fit a usize: they come from a slice's length.
#[expect(clippy::cast_possible_truncation, reason = "a distance inside one segment")]
fn index(distance: u64) -> usize {
    distance as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(stream: &Stream) -> Vec<(u64, &[u8])> {
        stream
            .held
            .iter()
            .map(|(at, h)| (*at, h.bytes.as_slice()))
            .collect()
    }

    #[test]
    fn first_copy_stays_and_a_differing_one_is_told() {
        let mut s = Stream::default();
        s.start(100);
        let base = s.next;
        let meta = Meta::default();
        assert_eq!(s.hold(base + 10, b"kl", meta), Repeated::default());
        assert_eq!(s.hold(base + 4, b"efgh", meta), Repeated::default());
        let r = s.hold(base + 2, b"cdEfghijKl", meta);
        let differing = Differing {
            offset: base + 4,
            len: 1,
            first: Some(b"e".to_vec()),
            second: b"E".to_vec(),
        };
        assert_eq!(
            r,
            Repeated {
                bytes: 6,
                differing: Some(differing)
            }
        );
        assert_eq!(
            held(&s),
            vec![
                (base + 2, &b"cd"[..]),
                (base + 4, b"efgh"),
                (base + 8, b"ij"),
                (base + 10, b"kl")
            ]
        );
        assert_eq!(s.held_bytes, 10);
    }

    #[test]
    fn offsets_pass_the_wrap() {
        let mut s = Stream::default();
        s.start(u32::MAX - 1);
        let base = s.next;
        assert_eq!(s.offset(u32::MAX), base + 1);
        assert_eq!(s.offset(3), base + 5);
        s.next = base + 5;
        assert_eq!(s.offset(u32::MAX), base + 1);
    }
}
