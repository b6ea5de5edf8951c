//! Where the signs of a JSON text stand: its quotes, and the brackets, colons and commas outside of strings.
//!
//! Sixty-four bytes are told apart at a time and without a branch, as [`crate::marks`] does it, but only when the walk comes to
//! them, so what is passed over costs little. Which quotes are escaped and what lies within strings follows from the bits alone
//! (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019, sections 3.1.1 and 3.1.2).

use wide::i8x16;

use crate::marks::signed;

/// Goes from sign to sign.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    body: &'a [u8],
    /// Where the block at hand begins.
    start: usize,
    /// Signs of it that are not yet behind.
    bits: u64,
    /// Where the next block begins.
    next: usize,
    /// 1 when the first byte of the next block is escaped.
    escaped: u64,
    /// All ones when the next block begins within a string.
    within: u64,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            start: 0,
            bits: 0,
            next: 0,
            escaped: 0,
            within: 0,
        }
    }

    /// The place of the next sign.
    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            if self.next >= self.body.len() {
                return None;
            }
            self.load();
        }
        let at = self.start + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }

    /// Passes over the elements that are left of an array: gives how many commas stand between them, and the place of its end.
    ///
    /// A block in which the array cannot end is counted at once, when all of it lies deeper.
    pub(super) fn skip_elements(&mut self) -> Option<(u32, usize)> {
        let (mut depth, mut commas) = (0_u32, 0_u32);
        loop {
            while self.bits == 0 {
                if self.next >= self.body.len() {
                    return None;
                }
                self.load();
                let block = &self.body[self.start..self.next.min(self.body.len())];
                let (opens, closes) = brackets(block);
                let (opens, closes) = (opens & self.bits, closes & self.bits);
                if closes.count_ones() < depth {
                    depth = depth + opens.count_ones() - closes.count_ones();
                    self.bits = 0;
                }
            }
            let at = self.next()?;
            match self.body[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return Some((commas, at)),
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => commas = commas.saturating_add(1),
                _ => {}
            }
        }
    }

    /// Passes over everything up to the end of the bracket that is open, and gives the place of its end.
    pub(super) fn skip(&mut self) -> Option<usize> {
        let mut depth = 1_u32;
        loop {
            let at = self.next()?;
            match self.body[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at);
            }
        }
    }

    #[inline]
    fn load(&mut self) {
        let mut padded = [0; 64];
        let rest = &self.body[self.next..];
        let block = match rest.first_chunk::<64>() {
            Some(block) => block,
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            }
        };
        let (quotes, slashes, signs) = classes(block);
        let quotes = quotes & !self.escapes(slashes);
        // Each bit is whether the number of quotes up to it is odd: an opening quote lies within, a closing one without.
        let mut within = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            within ^= within << shift;
        }
        within ^= self.within;
        self.within = (within.cast_signed() >> 63).cast_unsigned();
        self.bits = signs & !within | quotes;
        self.start = self.next;
        self.next += 64;
    }

    /// The bytes that a backslash stands before which is not escaped itself.
    #[inline]
    fn escapes(&mut self, slashes: u64) -> u64 {
        if slashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let slashes = slashes & !self.escaped;
        let follows = slashes << 1 | self.escaped;
        let odd_starts = slashes & !EVEN & !follows;
        let (from_even, over) = odd_starts.overflowing_add(slashes);
        self.escaped = u64::from(over);
        (EVEN ^ (from_even << 1)) & follows
    }
}

/// Opening and closing brackets of a block, as bits.
#[inline]
fn brackets(bytes: &[u8]) -> (u64, u64) {
    let mut block = [0; 64];
    block[..bytes.len()].copy_from_slice(bytes);
    let each = |byte: u8| i8x16::splat(byte.cast_signed());
    let (mut opens, mut closes) = (0, 0);
    let (quarters, _) = block.as_chunks::<16>();
    for (place, quarter) in quarters.iter().enumerate() {
        let curled = signed(quarter) | each(0x20);
        let bits = |mask: i8x16| u64::from(mask.to_bitmask() as u16) << (16 * place);
        opens |= bits(curled.simd_eq(each(b'{')));
        closes |= bits(curled.simd_eq(each(b'}')));
    }
    (opens, closes)
}

/// Quotes, backslashes, and brackets, colons and commas of a block, as bits.
#[inline]
fn classes(block: &[u8; 64]) -> (u64, u64, u64) {
    let each = |byte: u8| i8x16::splat(byte.cast_signed());
    let (mut quotes, mut slashes, mut signs) = (0, 0, 0);
    let (quarters, _) = block.as_chunks::<16>();
    for (place, quarter) in quarters.iter().enumerate() {
        let bytes = signed(quarter);
        let bits = |mask: i8x16| u64::from(mask.to_bitmask() as u16) << (16 * place);
        // A bit tells `[` from `{` and `]` from `}`.
        let curled = bytes | each(0x20);
        quotes |= bits(bytes.simd_eq(each(b'"')));
        slashes |= bits(bytes.simd_eq(each(b'\\')));
        let brackets = curled.simd_eq(each(b'{')) | curled.simd_eq(each(b'}'));
        signs |= bits(brackets | bytes.simd_eq(each(b':')) | bytes.simd_eq(each(b',')));
    }
    (quotes, slashes, signs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn signs_are_what_looking_at_each_byte_tells(
            text in proptest::collection::vec(prop_oneof![
                4 => Just(b'"'), 4 => Just(b'\\'), 2 => Just(b'{'), 1 => Just(b']'), 1 => Just(b':'), 1 => Just(b','),
                4 => Just(b'a'), 1 => any::<u8>(),
            ], 0..300),
        ) {
            let (mut within, mut escaped, mut want) = (false, false, Vec::new());
            for (at, byte) in text.iter().enumerate() {
                match byte {
                    // As in JSON, a backslash outside of a string has no place; it escapes there as well.
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => {
                        within = !within;
                        want.push(at);
                    }
                    b'{' | b'}' | b'[' | b']' | b':' | b',' if !within => want.push(at),
                    _ => {}
                }
            }
            let mut tokens = Tokens::new(&text);
            let found: Vec<_> = std::iter::from_fn(|| tokens.next()).collect();
            // A sign behind a backslash outside of a string is found; such a text is not JSON.
            let known = |at: &usize| want.contains(at) || text[..*at].last() == Some(&b'\\');
            prop_assert!(found.iter().all(known), "{:?} {:?}", found, want);
            prop_assert!(want.iter().all(|at| found.contains(at)));
        }
    }
}
