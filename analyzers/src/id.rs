//! Ids and hashes: content in, the same id out, on every machine.
//!
//! Two families. *Ids* of things that are no secret (exchange, endpoint, finding) are a plain fast hash
//! of their content. *Fingerprints* of things that are secret (credentials, user names) are keyed with
//! [`crate::Settings::hash_key`], see [`crate::privacy::keyed_hash`]; without the key they cannot be tried out.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128, xxh3_128_with_seed};

/// A 96-bit id, written as 24 hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(u128);

impl Id {
    const MASK: u128 = (1 << 96) - 1;

    /// The id of this content: the parts with their lengths, so that moving a byte from one part to the
    /// next gives another id.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|p| p.len() + 4).sum();
        let mut short = [0; 256];
        let mut long;
        // Most are short, and many are made for each exchange.
        let buffer = match short.get_mut(..length) {
            Some(room) => room,
            None => {
                long = vec![0; length];
                long.as_mut_slice()
            }
        };
        let mut rest = &mut *buffer;
        for part in parts {
            let (head, more) = rest.split_at_mut(4);
            head.copy_from_slice(&(part.len() as u32).to_le_bytes());
            let (place, more) = more.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = more;
        }
        Self(xxh3_128(buffer) & Self::MASK)
    }

    /// The first 96 bits of a wider hash.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut wide = [0; 16];
        wide[4..].copy_from_slice(&bytes[..12]);
        Self(u128::from_be_bytes(wide))
    }

    /// Reads the 24 characters back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 24 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }

    /// Its bits, for hashing it along with others.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// 64 of its bits, for keying small tables.
    #[must_use]
    pub fn short(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 24];
        for (place, slot) in text.iter_mut().enumerate() {
            *slot = DIGITS[(self.0 >> (92 - 4 * place)) as usize & 15];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u128(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an id of 24 hex characters"))
    }
}

/// A fast hash for tables that an outsider can fill: seeded with the sensor's key, so that collisions
/// cannot be prepared, and still the same on every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(xxh3_64_with_seed(key, 0x7461_706c))
    }

    pub(crate) fn hash(self, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.0)
    }

    pub(crate) fn wide(self, bytes: &[u8]) -> u128 {
        xxh3_128_with_seed(bytes, self.0)
    }
}

/// Hands a key that is already a hash to the table as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PassHasher(u64);

impl Hasher for PassHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }

    fn write_u128(&mut self, value: u128) {
        // hashbrown takes its control byte from the top bits; an id's top bits are zero.
        self.0 ^= (value as u64) ^ ((value >> 64) as u64).rotate_left(32);
    }
}

/// A table keyed by hashes.
pub(crate) type HashTable<K, V> = HashMap<K, V, BuildHasherDefault<PassHasher>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_its_parts_with_their_lengths_however_long_they_are() {
        for length in [0, 1, 100, 248, 249, 5000] {
            let part = vec![7; length];
            let flat = [
                &(length as u32).to_le_bytes()[..],
                &part,
                &1_u32.to_le_bytes(),
                b"x",
            ]
            .concat();
            assert_eq!(Id::of(&[&part, b"x"]), Id(xxh3_128(&flat) & Id::MASK), "{length}");
        }
    }

    #[test]
    fn an_id_is_24_characters_and_reads_back() {
        let id = Id::of(&[b"host", b"GET", b"/a"]);
        assert_eq!(id.to_string().len(), 24);
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_ne!(id, Id::of(&[b"hostG", b"ET", b"/a"]));
        for bad in ["", "00", "zz0000000000000000000000", "+00000000000000000000000"] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), id);
    }
}
