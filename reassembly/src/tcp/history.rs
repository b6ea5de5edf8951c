//! The bytes delivered last, of all flows together, so that a retransmission can be compared with its first copy.
//!
//! One ring for all: no flow takes memory of its own for it, and what is remembered is what was delivered last. A stream
//! finds its own segments by a chain from the newest to the oldest. How long a segment stays depends on the traffic: a
//! ring of 4 MiB holds the last 33 ms of a full gigabit line, and stays in the cache of a core or near it.

/// Bytes in front of each segment: where the stream's segment before it begins, its stream offset, its length.
const HEADER: usize = 20;

/// Segments of a stream that are looked through for one retransmission, from the newest on, so that its cost is bounded.
const SEGMENTS: usize = 64;

/// Bytes of each copy that are given out when they differ.
const SHOWN: usize = 256;

/// Place of a stream's newest segment. Zero: there is none.
pub(crate) type Place = u64;

/// Two copies of the same bytes that are not equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differing {
    /// Stream offset of the first byte that differs.
    pub(crate) offset: u64,
    /// Bytes from there to the last one that differs.
    pub(crate) len: u64,
    /// Those bytes as they came first, up to [`SHOWN`].
    pub(crate) first: Vec<u8>,
    /// And as they came again.
    pub(crate) second: Vec<u8>,
}

impl Differing {
    /// Compares two copies of the bytes at `offset`.
    pub(crate) fn between(offset: u64, first: &[u8], second: &[u8]) -> Option<Self> {
        if first == second {
            return None;
        }
        let pairs = || first.iter().zip(second);
        let from = pairs().position(|(a, b)| a != b)?;
        let to = pairs().rposition(|(a, b)| a != b)? + 1;
        let shown = from..to.min(from + SHOWN);
        Some(Self {
            offset: offset + from as u64,
            len: (to - from) as u64,
            first: first[shown.clone()].to_vec(),
            second: second[shown].to_vec(),
        })
    }
}

/// What comparing told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Bytes whose first copy is at hand.
    pub(crate) bytes: u64,
    pub(crate) differing: Option<Differing>,
}

/// The ring.
#[derive(Debug)]
pub(crate) struct History {
    ring: Vec<u8>,
    size: usize,
    /// Where the next segment goes. Places only grow; where they lie in the ring is the remainder by its size.
    head: u64,
}

impl History {
    /// A ring of so many bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            ring: Vec::new(),
            size,
            // No place is zero.
            head: size as u64,
        }
    }

    /// Remembers a segment at stream offset `offset`, behind the stream's one at `before`. Gives its place.
    #[inline]
    pub(crate) fn keep(&mut self, before: Place, offset: u64, bytes: &[u8]) -> Place {
        let needed = HEADER + bytes.len();
        if needed > self.size {
            return 0;
        }
        let mut at = self.within(self.head);
        if at + needed > self.size {
            self.head += (self.size - at) as u64;
            at = 0;
        }
        if at + needed > self.ring.len() {
            // Grown as it is filled: most captures are short.
            self.ring
                .resize((at + needed).next_power_of_two().min(self.size), 0);
        }
        let place = self.head;
        let (header, rest) = self.ring[at..at + needed].split_at_mut(HEADER);
        header[..8].copy_from_slice(&before.to_ne_bytes());
        header[8..16].copy_from_slice(&offset.to_ne_bytes());
        header[16..].copy_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_ne_bytes());
        rest.copy_from_slice(bytes);
        self.head += needed as u64;
        place
    }

    /// Compares a copy of the bytes at `offset` with what is remembered of the stream whose newest segment lies at `place`.
    pub(crate) fn compare(&self, mut place: Place, offset: u64, bytes: &[u8]) -> Compared {
        let mut compared = Compared::default();
        let end = offset + bytes.len() as u64;
        for _ in 0..SEGMENTS {
            let Some((before, from, known)) = self.segment(place) else {
                break;
            };
            let known_end = from + known.len() as u64;
            // A stream is delivered in order, so nothing before this one reaches farther.
            if known_end <= offset {
                break;
            }
            let (low, high) = (from.max(offset), known_end.min(end));
            if low < high {
                compared.bytes += high - low;
                let first = &known[span(from, low, high)];
                let second = &bytes[span(offset, low, high)];
                // Of several the one that lies first is told.
                compared.differing = Differing::between(low, first, second).or(compared.differing);
            }
            place = before;
        }
        compared
    }

    /// The segment at a place, unless others were written over it.
    fn segment(&self, place: Place) -> Option<(Place, u64, &[u8])> {
        if place == 0 || self.head - place > self.size as u64 {
            return None;
        }
        let (header, rest) = self
            .ring
            .get(self.within(place)..)?
            .split_first_chunk::<HEADER>()?;
        let u64_at = |at: usize| header[at..].first_chunk().map_or(0, |b| u64::from_ne_bytes(*b));
        let len = header[16..].first_chunk().map_or(0, |b| u32::from_ne_bytes(*b));
        Some((u64_at(0), u64_at(8), rest.get(..len as usize)?))
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the ring's size")]
    fn within(&self, place: Place) -> usize {
        (place % self.size.max(1) as u64) as usize
    }
}

/// Where bytes `low..high` of a stream lie in a slice that begins at `from`.
#[expect(clippy::cast_possible_truncation, reason = "distances inside one segment")]
fn span(from: u64, low: u64, high: u64) -> std::ops::Range<usize> {
    (low - from) as usize..(high - from) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two streams that send in turn; what `place` of each leads to.
    fn streams(history: &mut History, rounds: u64, len: usize) -> [Place; 2] {
        let mut places = [0; 2];
        for round in 0..rounds {
            for (side, place) in (0_u8..).zip(&mut places) {
                *place = history.keep(*place, 100 + round * len as u64, &vec![b'a' + side; len]);
            }
        }
        places
    }

    #[test]
    fn any_cut_of_what_is_remembered_is_compared() {
        let mut history = History::new(4096);
        let places = streams(&mut history, 10, 20);
        for from in 100..300 {
            for to in from..=300 {
                let mut copy = vec![b'a'; (to - from) as usize];
                let same = history.compare(places[0], from, &copy);
                assert_eq!(
                    same,
                    Compared {
                        bytes: to - from,
                        differing: None
                    }
                );
                if let Some(byte) = copy.last_mut() {
                    *byte = b'X';
                    let differing = history.compare(places[0], from, &copy).differing.unwrap();
                    assert_eq!((differing.offset, differing.len), (to - 1, 1));
                    assert_eq!(
                        (&differing.first[..], &differing.second[..]),
                        (&b"a"[..], &b"X"[..])
                    );
                }
            }
        }
        let beyond = history.compare(places[1], 290, &[b'b'; 50]);
        assert_eq!(
            beyond,
            Compared {
                bytes: 10,
                differing: None
            }
        );
        let before = history.compare(places[1], 90, &[b'b'; 20]);
        assert_eq!(before.bytes, 10);
    }

    #[test]
    fn what_was_written_over_is_not_compared_and_no_other_stream_is() {
        for size in [100, 137, 1000, 4096] {
            for len in [1, 7, 40, 79] {
                let mut history = History::new(size);
                let places = streams(&mut history, 200, len);
                let all = vec![b'b'; 200 * len];
                let compared = history.compare(places[1], 100, &all);
                assert_eq!(compared.differing, None, "{size} {len}");
                let fits = size / (len + HEADER) / 2 * len;
                assert!(compared.bytes as usize >= fits.min(SEGMENTS * len).saturating_sub(2 * len));
                assert!(compared.bytes as usize <= size);
                assert!(history.ring.len() <= size);
            }
        }
        let mut history = History::new(50);
        assert_eq!(history.keep(0, 100, &[0; 31]), 0, "too long to be kept");
        assert_eq!(history.compare(0, 100, &[1; 31]), Compared::default());
        let mut none = History::new(0);
        assert_eq!(none.keep(0, 100, b"a"), 0);
    }

    #[test]
    fn of_long_differences_the_beginning_is_shown() {
        let differing = Differing::between(10, &[1; 5000], &[2; 5000]).unwrap();
        assert_eq!(
            (differing.offset, differing.len, differing.first.len()),
            (10, 5000, SHOWN)
        );
        assert_eq!(Differing::between(10, b"abc", b"abc"), None);
        let middle = Differing::between(10, b"abcdef", b"abXdXf").unwrap();
        assert_eq!((middle.offset, middle.len), (12, 3));
        assert_eq!(middle.second, b"XdX");
    }
}
