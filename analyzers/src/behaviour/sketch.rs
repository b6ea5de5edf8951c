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

impl Bits {
    /// Where the word of an id begins in a filter of `len` bytes, and its bits in that word. All bits of an id lie
    /// in one word, so that looking one up touches memory once.
    fn place(len: usize, hash: u64) -> (usize, u64) {
        // Sizes are powers of two, so a mask does for a division.
        let word = (hash as usize & (len / 8 - 1)) * 8;
        let bits = (0..PROBES).fold(0, |bits, n| bits | 1u64 << ((hash >> (32 + 6 * n)) & 63));
        (word, bits)
    }

    fn word(&self, at: usize) -> u64 {
        self.0
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    }

    fn contains(&self, hash: u64) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let (at, bits) = Self::place(self.0.len(), hash);
        self.word(at) & bits == bits
    }

    fn insert(&mut self, hash: u64) {
        let (at, bits) = Self::place(self.0.len(), hash);
        let word = self.word(at) | bits;
        if let Some(place) = self.0.get_mut(at..at + 8) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
}

impl Sketch {
    /// Puts in ids, in their order.
    ///
    /// Nearly every id costs a cache miss and most are there already. All are looked up before the first is put
    /// in, with nothing else between two lookups, so that their misses overlap.
    pub(crate) fn insert_all(&mut self, hashes: &[u64]) {
        for hashes in hashes.chunks(BATCH) {
            let mut seen = [false; BATCH];
            for (seen, hash) in seen.iter_mut().zip(hashes) {
                *seen = self.is_kept(*hash);
            }
            let mut turned = false;
            for (seen, hash) in seen.iter().zip(hashes) {
                // What was in the newest is in the one before it since a new one was begun.
                if (!seen || turned) && !self.is_kept(*hash) {
                    turned |= self.insert(*hash);
                }
            }
        }
    }

    /// Whether an id needs not be put in again. What is about to be dropped is put into the newest when it is seen
    /// again.
    fn is_kept(&self, hash: u64) -> bool {
        let grown = self.newer.0.len() >= LARGEST;
        self.newer.contains(hash) || (!grown && self.before(hash))
    }

    /// Puts an id in; true when a new generation was begun for it.
    fn insert(&mut self, hash: u64) -> bool {
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
        self.newer.insert(hash);
        self.count += 1;
        full
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.newer.contains(hash) || self.before(hash)
    }

    /// Whether a generation before the newest has it.
    fn before(&self, hash: u64) -> bool {
        self.older.contains(hash) || self.small.iter().rev().any(|bits| bits.contains(hash))
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
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
