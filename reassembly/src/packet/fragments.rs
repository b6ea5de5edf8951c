//! Puts fragmented IP datagrams together (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! Knows pieces by place; leaves what they make to [`super::layers`]. Of two copies of a byte the first taken stays, and
//! the datagram is marked; overlapping IPv6 fragments make hosts drop the datagram (RFC 5722), so it is dropped here too.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;

use super::layers::{Addresses, Fragment};
use crate::limits::{Counters, Limits};
use crate::time::Timestamp;

/// Pieces of one datagram.
const MAX_PIECES: usize = 256;

/// Bytes of one datagram: IP has 16 bits for its length.
const MAX_LEN: usize = 65_535;

/// Bytes of memory that a datagram takes beside its pieces: its places in two tables, and a first node for its pieces.
const DATAGRAM: usize = 768;

/// Bytes of memory that a piece takes beside its bytes: its place among the pieces, and an allocation.
const PIECE: usize = 96;

/// What tells datagrams apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    addresses: Addresses,
    id: u32,
    protocol: u8,
    vni: Option<u32>,
}

#[derive(Debug)]
struct Datagram {
    pieces: BTreeMap<usize, Vec<u8>>,
    /// Length, once the last piece was seen.
    total: Option<usize>,
    bytes: usize,
    overlap: bool,
    /// Place in the order of arrival.
    turn: u64,
}

/// A datagram that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) data: Vec<u8>,
    /// Pieces overlapped with other bytes.
    pub(super) overlap: bool,
}

/// Datagrams of which pieces are missing.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    datagrams: HashMap<Key, Datagram>,
    /// By arrival of the first piece.
    order: BTreeMap<u64, (Key, Timestamp)>,
    /// Bytes of memory that all of them take.
    weight: usize,
    next_turn: u64,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits for others.
    Waits,
    /// The datagram is whole.
    Whole(Whole),
    /// It makes no sense, or came cut off.
    Refused,
}

impl Fragments {
    /// Takes a piece with its bytes; `vni` is the virtual network it was seen in. Datagrams given up are counted.
    pub(super) fn take(
        &mut self,
        piece: &Fragment,
        data: &[u8],
        vni: Option<u32>,
        now: Timestamp,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Taken {
        let gone = &mut counters.fragments_lost;
        self.expire(now, limits.fragment_wait, gone);
        // Every piece but the last is a multiple of eight bytes; and what the capture cut off is never whole.
        if data.len() < piece.len
            || data.is_empty()
            || piece.offset + data.len() > MAX_LEN
            || (piece.more && !data.len().is_multiple_of(8))
        {
            return Taken::Refused;
        }
        let key = Key {
            addresses: piece.addresses,
            id: piece.id,
            // IPv4 tells datagrams of different protocols apart (RFC 791 section 3.2), IPv6 does not.
            protocol: if piece.addresses.src.is_ipv4() {
                piece.protocol
            } else {
                0
            },
            vni,
        };
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            self.next_turn += 1;
            self.order.insert(self.next_turn, (key, now));
            self.weight += DATAGRAM;
            Datagram {
                pieces: BTreeMap::new(),
                total: None,
                bytes: 0,
                overlap: false,
                turn: self.next_turn,
            }
        });
        let before = datagram.weight();
        let fits = datagram.put(piece, data);
        self.weight = self.weight + datagram.weight() - before;
        let v6 = matches!(piece.addresses.src, IpAddr::V6(_));
        if !fits || (v6 && datagram.overlap) || datagram.pieces.len() > MAX_PIECES {
            self.remove(&key);
            *gone += 1;
            return Taken::Refused;
        }
        if !datagram.is_whole() {
            while self.weight > limits.fragments_total && self.drop_oldest(gone) {}
            return if self.datagrams.contains_key(&key) {
                Taken::Waits
            } else {
                Taken::Refused
            };
        }
        match self.remove(&key) {
            Some(datagram) => Taken::Whole(Whole {
                overlap: datagram.overlap,
                data: datagram.pieces.into_values().flatten().collect(),
            }),
            None => Taken::Refused,
        }
    }

    fn expire(&mut self, now: Timestamp, wait: Duration, gone: &mut u64) {
        while let Some((_, (_, since))) = self.order.first_key_value()
            && now.since(*since) >= wait
        {
            self.drop_oldest(gone);
        }
    }

    fn drop_oldest(&mut self, gone: &mut u64) -> bool {
        let Some((_, (key, _))) = self.order.pop_first() else {
            return false;
        };
        *gone += u64::from(self.remove(&key).is_some());
        true
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.order.remove(&datagram.turn);
        self.weight -= datagram.weight();
        Some(datagram)
    }
}

impl Datagram {
    /// Puts a piece in its place; false when it contradicts what is known of the length.
    fn put(&mut self, piece: &Fragment, data: &[u8]) -> bool {
        let end = piece.offset + data.len();
        if !piece.more {
            if self.total.is_some_and(|total| total != end) {
                return false;
            }
            self.total = Some(end);
        }
        let known_end = self.pieces.last_key_value().map_or(0, |(at, p)| at + p.len());
        if self.total.is_some_and(|total| end.max(known_end) > total) {
            return false;
        }
        let mut at = piece.offset;
        let before = self.pieces.range(..=at).next_back().map(|(from, _)| *from);
        let touched: Vec<usize> = before
            .into_iter()
            .chain(self.pieces.range(at + 1..end).map(|(from, _)| *from))
            .collect();
        for from in touched {
            let known = &self.pieces[&from];
            let known_end = from + known.len();
            let (low, high) = (from.max(piece.offset), known_end.min(end));
            // The same piece again is a copy, not an overlap.
            let copy = from == piece.offset && known.len() == data.len() && known[..] == *data;
            self.overlap |= low < high && !copy;
            if at < from {
                self.insert(at, &data[at - piece.offset..from.min(end) - piece.offset]);
            }
            at = at.max(known_end);
        }
        if at < end {
            self.insert(at, &data[at - piece.offset..]);
        }
        true
    }

    /// Bytes of memory it takes.
    fn weight(&self) -> usize {
        DATAGRAM + self.pieces.len() * PIECE + self.bytes
    }

    fn insert(&mut self, at: usize, data: &[u8]) {
        self.bytes += data.len();
        self.pieces.insert(at, data.to_vec());
    }

    fn is_whole(&self) -> bool {
        // Pieces do not overlap, so their lengths add up to the whole only when none is missing.
        self.total == Some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(version: u8, offset: usize, more: bool, len: usize) -> Fragment {
        let ip = |n: u8| -> IpAddr {
            if version == 4 {
                [10, 0, 0, n].into()
            } else {
                [0xfd, 0, 0, 0, 0, 0, 0, u16::from(n)].into()
            }
        };
        Fragment {
            addresses: Addresses {
                src: ip(1),
                dst: ip(2),
            },
            id: 7,
            protocol: 6,
            offset,
            more,
            data: 0..len,
            len,
        }
    }

    fn put(store: &mut Fragments, version: u8, offset: usize, more: bool, data: &[u8]) -> Taken {
        let piece = piece(version, offset, more, data.len());
        store.take(
            &piece,
            data,
            None,
            Timestamp(0),
            &Limits::default(),
            &mut Counters::default(),
        )
    }

    #[test]
    fn pieces_in_any_order_make_the_datagram_once() {
        let mut store = Fragments::default();
        assert_eq!(put(&mut store, 4, 16, false, b"end"), Taken::Waits);
        assert_eq!(put(&mut store, 4, 8, true, b"ijklmnop"), Taken::Waits);
        assert_eq!(put(&mut store, 4, 8, true, b"ijklmnop"), Taken::Waits, "a copy");
        let whole = Taken::Whole(Whole {
            data: b"abcdefghijklmnopend".to_vec(),
            overlap: false,
        });
        assert_eq!(put(&mut store, 4, 0, true, b"abcdefgh"), whole);
        assert_eq!((store.weight, store.order.len()), (0, 0));
    }

    #[test]
    fn the_first_copy_of_an_overlap_stays_and_version_6_drops_it() {
        let mut store = Fragments::default();
        put(&mut store, 4, 8, true, b"ijklmnop");
        put(&mut store, 4, 0, true, b"abcdefghIJKLMNOP");
        let whole = Taken::Whole(Whole {
            data: b"abcdefghijklmnopend".to_vec(),
            overlap: true,
        });
        assert_eq!(put(&mut store, 4, 16, false, b"end"), whole);
        put(&mut store, 6, 8, true, b"ijklmnop");
        assert_eq!(put(&mut store, 6, 0, true, b"abcdefghIJKLMNOP"), Taken::Refused);
        assert_eq!(store.weight, 0);
    }

    #[test]
    fn nonsense_is_refused() {
        let mut store = Fragments::default();
        assert_eq!(put(&mut store, 4, 0, true, b"odd"), Taken::Refused);
        assert_eq!(put(&mut store, 4, 65_528, false, &[0; 8]), Taken::Refused);
        put(&mut store, 4, 8, false, b"end");
        assert_eq!(
            put(&mut store, 4, 16, true, &[0; 8]),
            Taken::Refused,
            "behind the end"
        );
        assert_eq!(store.weight, 0);
    }

    #[test]
    fn room_and_time_are_bounded() {
        let mut store = Fragments::default();
        let mut counters = Counters::default();
        let limits = Limits {
            fragments_total: 100 * (DATAGRAM + PIECE + 64),
            ..Limits::default()
        };
        for id in 0..1000u32 {
            let piece = Fragment {
                id,
                ..piece(4, 0, true, 64)
            };
            store.take(
                &piece,
                &[0; 64],
                None,
                Timestamp(u64::from(id)),
                &limits,
                &mut counters,
            );
            assert!(store.weight <= limits.fragments_total);
        }
        assert_eq!((counters.fragments_lost, store.datagrams.len()), (900, 100));
        let late = Timestamp(60_000_000_000);
        store.take(&piece(4, 0, true, 8), &[0; 8], None, late, &limits, &mut counters);
        assert_eq!((counters.fragments_lost, store.datagrams.len()), (1000, 1));
    }

    #[test]
    fn small_pieces_take_no_more_room_than_large_ones() {
        let limits = Limits {
            fragments_total: 1 << 20,
            ..Limits::default()
        };
        for pieces in [1, 200] {
            let mut store = Fragments::default();
            for number in 0..200_000_u32 {
                let at = (number % pieces) as usize * 16;
                let piece = Fragment {
                    id: number / pieces,
                    ..piece(4, at, true, 8)
                };
                let now = Timestamp(u64::from(number));
                store.take(&piece, &[0; 8], None, now, &limits, &mut Counters::default());
            }
            let held: usize = store.datagrams.values().map(|d| d.pieces.len()).sum();
            let tables = store.datagrams.capacity() * size_of::<(Key, Datagram)>()
                + store.order.len() * size_of::<(u64, Key, Timestamp)>()
                + held * size_of::<(usize, Vec<u8>)>();
            assert!(tables < 1 << 20, "{tables} for {pieces} pieces a datagram");
            assert!(held > 500, "{held} for {pieces} pieces a datagram");
        }
    }
}
