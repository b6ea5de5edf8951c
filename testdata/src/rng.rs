//! A small random number generator, so that a seed gives the same bytes on every machine and forever.
//!
//! xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64. Not for secrets.

/// Random numbers from a seed.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator for this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut mix = seed;
        let mut next = || {
            mix = mix.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = mix;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self {
            state: [next(), next(), next(), next()],
        }
    }

    /// A generator of its own for one part of the work, so that a change to one part does not shift the
    /// numbers of all others.
    #[must_use]
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a, 64 bit.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(seed ^ hash)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `from..to`; `from` when the range is empty.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        // The bias of the remainder is far below anything that shows in a capture.
        from + self.bits() % to.saturating_sub(from).max(1)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.range(0, 100) < percent
    }

    /// One of the items. Panics when there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.range(0, items.len() as u64);
        &items[usize::try_from(at).unwrap_or(0)]
    }

    /// `len` random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.bits() >> 56) as u8).collect()
    }

    /// `len` characters of `alphabet`.
    pub fn text(&mut self, alphabet: &str, len: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..len).map(|_| *self.pick(&letters)).collect()
    }

    /// `len` lower-case hexadecimal digits.
    pub fn hex(&mut self, len: usize) -> String {
        self.text("0123456789abcdef", len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_it_always_gave() {
        let mut rng = Rng::new(1);
        assert_eq!(
            [rng.bits(), rng.bits(), rng.bits()],
            [
                12_966_619_160_104_079_557,
                9_600_361_134_598_540_522,
                10_590_380_919_521_690_900
            ]
        );
        assert_ne!(Rng::named(1, "a").bits(), Rng::named(1, "b").bits());
    }
}
