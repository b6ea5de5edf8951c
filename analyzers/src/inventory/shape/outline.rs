//! The outline of a body: a hash of its keys and kinds, whatever its values are.
//!
//! Bodies with one outline show the same facts. The other way round it need not be: the order of keys means nothing, nor how often
//! an array holds the like, but elements that differ in many ways give many outlines. The hash is keyed with the sensor's key,
//! so nobody can prepare a body that has the outline of another.

use super::body::{Content, LEVELS};
use super::walk::{End, Kind, Visitor};
use crate::id::Seed;

/// Elements of an array told apart.
const APART: usize = 6;

/// The outline of a body, and how it ended.
pub(super) fn of(content: &impl Content, seed: Seed) -> (u64, End) {
    let mut outline = Outline {
        levels: [Level::default(); LEVELS],
        depth: 0,
        seed: seed.hash(b"outline"),
    };
    let end = content.tell(&mut outline);
    // What a body that was cut off left open.
    while outline.depth > 0 {
        let kind = match outline.levels[outline.depth].object {
            true => Kind::Object,
            false => Kind::Array,
        };
        outline.close(kind, 0);
    }
    let sum = outline.levels[0].sum;
    (mix(sum, 0x51ed_270b ^ u64::from(end == End::Cut)), end)
}

/// The same of a set of names.
pub(super) fn of_names<'a>(names: impl Iterator<Item = &'a [u8]>, seed: Seed) -> u64 {
    let seed = seed.hash(b"names");
    names.fold(0, |sum: u64, name| sum.wrapping_add(mix(hash(seed, name), 1)))
}

#[derive(Clone, Copy, Default)]
struct Level {
    /// Of what it holds; sums, so that the order means nothing.
    sum: u64,
    /// Hash of the last key, odd for an object's.
    key: u64,
    /// Elements of an array that were met.
    apart: [u64; APART],
    met: u8,
    object: bool,
}

struct Outline {
    levels: [Level; LEVELS],
    depth: usize,
    seed: u64,
}

impl Outline {
    #[inline]
    fn add(&mut self, value: u64) {
        let level = &mut self.levels[self.depth];
        if level.object && level.key != self.seed {
            level.sum = level.sum.wrapping_add(mix(level.key, value));
            return;
        }
        // Elements of an array, and what data is a key of: how often the like comes means nothing.
        let met = usize::from(level.met);
        if level.apart[..met].contains(&value) {
            return;
        }
        if met < APART {
            level.apart[met] = value;
            level.met += 1;
        }
        level.sum = level.sum.wrapping_add(mix(0x2545_f491_4f6c_dd1d, value));
    }
}

impl Visitor for Outline {
    #[inline]
    fn key(&mut self, raw: &[u8]) {
        self.levels[self.depth].key = hash(self.seed, raw);
    }

    #[inline]
    fn scalar(&mut self, kind: Kind, _: Option<&[u8]>) {
        self.add(kind_hash(kind));
    }

    #[inline]
    fn open(&mut self, kind: Kind) {
        self.depth = (self.depth + 1).min(LEVELS - 1);
        let level = &mut self.levels[self.depth];
        level.sum = 0;
        level.met = 0;
        level.object = kind == Kind::Object;
    }

    #[inline]
    fn close(&mut self, kind: Kind, _: u32) {
        let sum = self.levels[self.depth].sum;
        self.depth = self.depth.saturating_sub(1);
        self.add(mix(sum, kind_hash(kind)));
    }
}

fn kind_hash(kind: Kind) -> u64 {
    (kind as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0xa076_1d64_78bd_642f) * u128::from(b ^ 0xe703_7ed1_a0b4_28db);
    wide as u64 ^ (wide >> 64) as u64
}

/// The hash of a key: most have at most sixteen bytes, and then it is two words.
#[inline]
fn hash(seed: u64, key: &[u8]) -> u64 {
    let long = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let short = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    let (low, high) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) if key.len() <= 16 => (long(first), long(last)),
        (Some(_), Some(_)) => {
            // What data is, is not told apart: maps with ids for keys would have an outline each.
            if key.len() > 48 {
                return seed;
            }
            let (words, _) = key.as_chunks::<8>();
            let rest = key.last_chunk::<8>().map_or(0, long);
            words
                .iter()
                .fold((seed, rest), |(sum, rest), word| (mix(sum, long(word)), rest))
        }
        _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            (Some(first), Some(last)) => (short(first), short(last)),
            _ => (key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
        },
    };
    if key.len() >= 5 && digits(low) + digits(high) > 4 && many_digits(key) {
        return seed;
    }
    mix(
        seed ^ low,
        high ^ (key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    )
}

/// How many bytes of a word may be digits; not less than are.
#[inline]
fn digits(word: u64) -> u32 {
    // Digits are 0x30 to 0x39; this takes all from 0x30 to 0x3f.
    let high = word & 0xf0f0_f0f0_f0f0_f0f0 ^ 0x3030_3030_3030_3030;
    let zero = high.wrapping_sub(0x0101_0101_0101_0101) & !high & 0x8080_8080_8080_8080;
    zero.count_ones()
}

/// No plain name has more than four ([`crate::privacy::is_plain_name`]).
#[cold]
fn many_digits(key: &[u8]) -> bool {
    key.iter().filter(|b| b.is_ascii_digit()).count() > 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::shape::walk::walk;

    struct Json<'a>(&'a str, bool);

    impl Content for Json<'_> {
        fn tell<V: Visitor>(&self, visitor: &mut V) -> End {
            walk(self.0.as_bytes(), self.1, visitor)
        }
    }

    fn outline(text: &str) -> u64 {
        let (outline, end) = of(&Json(text, true), Seed::new(&[1; 32]));
        assert_eq!(end, End::Whole, "{text}");
        outline
    }

    #[test]
    fn outlines_are_of_keys_and_kinds() {
        let same = [
            (r#"{"a":1,"b":"x"}"#, r#"{ "b" : "\"y", "a" : 22 }"#),
            (r#"{"l":[{"a":1},{"a":2}]}"#, r#"{"l":[{"a":1}]}"#),
            (r#"{"l":[{"a":1},{"b":2}]}"#, r#"{"l":[{"b":1},{"a":2},{"a":3}]}"#),
            (
                r#"{"7d444840-9dc0-11d1-b245":1}"#,
                r#"{"8d444840-9dc0-11d1-b246":1}"#,
            ),
            (
                r#"{"7d444840-9dc0":1,"a":2}"#,
                r#"{"a":1,"8d444840-9dc0":1,"9d444840-9dc0":7}"#,
            ),
        ];
        for (a, b) in same {
            assert_eq!(outline(a), outline(b), "{a} {b}");
        }
        let apart = [
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":1}"#, r#"{"a":1.5}"#),
            (r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":{}}"#, r#"{"a":[]}"#),
            (r#"{"a":[]}"#, r#"{"a":[1]}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":1,"b":{}}"#),
            (r#"{"a":{"b":1},"c":{"d":1}}"#, r#"{"a":{"d":1},"c":{"b":1}}"#),
            (r#"{"line1":1}"#, r#"{"line2":1}"#),
            (
                r#"{"a_rather_long_name_of_a_field":1}"#,
                r#"{"a_rather_long_name_of_b_field":1}"#,
            ),
            ("[1]", "[[1]]"),
        ];
        for (a, b) in apart {
            assert_ne!(outline(a), outline(b), "{a} {b}");
        }
        let cut = of(&Json(r#"{"a":1"#, false), Seed::new(&[1; 32])).0;
        assert_ne!(cut, outline(r#"{"a":1}"#));
        let open = |text| of(&Json(text, false), Seed::new(&[1; 32])).0;
        assert_ne!(open(r#"{"a":{"b":1,"#), open(r#"{"a":{"c":1,"#));
    }

    #[test]
    fn another_sensor_has_other_outlines() {
        let json = Json(r#"{"a":1}"#, true);
        assert_ne!(of(&json, Seed::new(&[1; 32])), of(&json, Seed::new(&[2; 32])));
    }
}
