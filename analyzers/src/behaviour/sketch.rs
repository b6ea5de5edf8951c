//! Which ids a principal has been shown: a small set that forgets the oldest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of the first and of the largest generation; each is twice the one before.
const SMALLEST: usize = 1024;
const LARGEST: usize = 32 * 1024;

/// Bits set and looked up per id. A generation is full at eleven bits each, so that one strange id in sixty passes
/// as seen in each of them: that lengthens a walk's detection by as much, and accuses nobody.
const PROBES: u32 = 4;

/// Ids looked up together.
const BATCH: usize = 32;

/// Generations of a Bloom filter. Until they reach the largest size all are kept, and what is in one of them is not
/// put into another, so that seeing the same ids again takes no room. After that two are kept: when the newer is
/// full the older is dropped, so memory is bounded and at least the last generation's ids are always known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sketch {
    newer: Bits,
    older: Bits,
    /// Those before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    small: Vec<Bits>,
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Bits(Vec<u8>);

/// An id as every generation looks for it: which word it is in, and its bits in that word. All bits of an id lie in one
/// word, so that looking one up touches memory once.
#[derive(Debug, Clone, Copy, Default)]
struct Probe {
    word: usize,
    bits: u64,
}

impl Probe {
    fn new(hash: u64) -> Self {
        Self {
            word: hash as usize,
            bits: (0..PROBES).fold(0, |bits, n| bits | 1u64 << ((hash >> (32 + 6 * n)) & 63)),
        }
    }
}

impl Bits {
    /// Where the word of an id begins. Sizes are powers of two, so a mask does for a division.
    fn place(&self, probe: Probe) -> usize {
        (probe.word & (self.0.len() / 8).wrapping_sub(1)) * 8
    }

    fn word(&self, at: usize) -> u64 {
        self.0
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    }

    fn contains(&self, probe: Probe) -> bool {
        !self.0.is_empty() && self.word(self.place(probe)) & probe.bits == probe.bits
    }

    /// Notes of each id whether it is here, beside what is noted already. Without a branch that waits for memory, so that all the
    /// words are on their way at once.
    fn note_all(&self, probes: &mut [(Probe, bool)]) {
        let (words, _) = self.0.as_chunks::<8>();
        let Some(mask) = words.len().checked_sub(1) else {
            return;
        };
        for (probe, kept) in probes {
            // Sizes are powers of two, so the mask keeps within the words.
            let word = words
                .get(probe.word & mask)
                .map_or(0, |word| u64::from_le_bytes(*word));
            *kept |= word & probe.bits == probe.bits;
        }
    }

    fn insert(&mut self, probe: Probe) {
        let at = self.place(probe);
        let word = self.word(at) | probe.bits;
        if let Some(place) = self.0.get_mut(at..at + 8) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
}

impl Sketch {
    pub(crate) fn is_empty(&self) -> bool {
        self.newer.0.is_empty()
    }

    /// Puts in ids, in their order.
    ///
    /// Nearly every id costs a cache miss and most are there already. All are looked up before the first is put
    /// in, with nothing else between two lookups, so that their misses overlap.
    pub(crate) fn insert_all(&mut self, hashes: &[u64]) {
        for hashes in hashes.chunks(BATCH) {
            let mut probes = [(Probe::default(), false); BATCH];
            for ((probe, _), hash) in probes.iter_mut().zip(hashes) {
                *probe = Probe::new(*hash);
            }
            let probes = &mut probes[..hashes.len()];
            self.newer.note_all(probes);
            let grown = self.newer.0.len() >= LARGEST;
            if !grown && probes.iter().any(|(_, kept)| !kept) {
                self.older.note_all(probes);
                self.small.iter().rev().for_each(|bits| bits.note_all(probes));
            }
            let mut turned = false;
            for (probe, kept) in probes.iter() {
                // Since the lookup the newest may have got this id, or another may have become the newest.
                let known = if turned {
                    self.is_kept(*probe)
                } else {
                    *kept || self.newer.contains(*probe)
                };
                if !known {
                    turned |= self.insert(*probe);
                }
            }
        }
    }

    /// Whether an id needs not be put in again. What is about to be dropped is put into the newest when it is seen
    /// again.
    fn is_kept(&self, probe: Probe) -> bool {
        let grown = self.newer.0.len() >= LARGEST;
        self.newer.contains(probe) || (!grown && self.before(probe))
    }

    /// Puts an id in; true when a new generation was begun for it.
    fn insert(&mut self, probe: Probe) -> bool {
        let grown = self.newer.0.len() >= LARGEST;
        let full = self.count as usize >= self.newer.0.len() / 4 * 3;
        if full {
            let size = (self.newer.0.len() * 2).clamp(SMALLEST, LARGEST);
            let older = std::mem::replace(&mut self.newer, Bits(vec![0; size]));
            let oldest = std::mem::replace(&mut self.older, older);
            if grown {
                self.small = Vec::new();
            } else if !oldest.0.is_empty() {
                self.small.reserve_exact(1);
                self.small.push(oldest);
            }
            self.count = 0;
        }
        self.newer.insert(probe);
        self.count += 1;
        full
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        let probe = Probe::new(hash);
        self.newer.contains(probe) || self.before(probe)
    }

    /// Whether a generation before the newest has it.
    fn before(&self, probe: Probe) -> bool {
        self.older.contains(probe) || self.small.iter().rev().any(|bits| bits.contains(probe))
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = STANDARD
            .decode(String::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)?;
        if bytes.len() > LARGEST || !(bytes.is_empty() || (bytes.len() >= 8 && bytes.len().is_power_of_two()))
        {
            return Err(serde::de::Error::custom("not the size of a sketch"));
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    #[test]
    fn recent_ids_are_known_and_strange_ones_are_not() {
        let hash = |n: u32| xxh3_64(&n.to_le_bytes());
        let mut sketch = Sketch::default();
        for n in 0..100_000 {
            sketch.insert_all(&[hash(n)]);
        }
        assert!((80_000..100_000).all(|n| sketch.contains(hash(n))));
        let strange = (200_000..210_000).filter(|n| sketch.contains(hash(*n))).count();
        assert!(strange < 500, "{strange}");
        assert!(sketch.small.is_empty() && sketch.newer.0.len() + sketch.older.0.len() <= 2 * LARGEST);
        let json = serde_json::to_string(&sketch).unwrap();
        assert_eq!(serde_json::from_str::<Sketch>(&json).unwrap(), sketch);
    }

    #[test]
    fn the_same_ids_again_take_no_room() {
        let ids: Vec<_> = (0..20_000_u32).map(|n| xxh3_64(&n.to_le_bytes())).collect();
        let mut sketch = Sketch::default();
        sketch.insert_all(&ids);
        let once = sketch.clone();
        sketch.insert_all(&ids);
        assert!(sketch == once && sketch.small.len() == 3);
        let strange = (200_000..210_000_u32)
            .filter(|n| sketch.contains(xxh3_64(&n.to_le_bytes())))
            .count();
        assert!(strange < 800, "{strange}");
        let json = serde_json::to_string(&sketch).unwrap();
        assert_eq!(serde_json::from_str::<Sketch>(&json).unwrap(), sketch);
    }

    #[test]
    fn together_or_one_by_one_is_the_same() {
        // Every id twice, once soon and once much later, through several generations.
        let ids = (0..60_000_u32)
            .flat_map(|n| [n, n, n.saturating_sub(7), n / 3])
            .map(|n| xxh3_64(&n.to_le_bytes()))
            .collect::<Vec<_>>();
        let (mut together, mut single) = (Sketch::default(), Sketch::default());
        together.insert_all(&ids);
        for id in &ids {
            single.insert_all(&[*id]);
        }
        assert!(together == single);
    }
}
