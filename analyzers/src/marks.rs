//! Where digits and words stand in a text: one pass over its bytes, which every search for ids and numbers shares.
//!
//! Bodies are searched more than once, and nearly all of their bytes are of no interest to any search. So the bytes
//! are told apart once, sixty-four at a time and without a branch, into bits; the searches then go from one place of
//! interest to the next and learn how far a word or a number reaches by counting bits.

use wide::i8x16;

/// What is known of 64 bytes of the text; the lowest bit is the first byte.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    digit: u64,
    /// Letters, digits, `-` and `_`.
    word: u64,
    /// A digit, or the last of four capitals in a row: no word without one of them can be an id.
    hint: u64,
    /// The last of four digits in a row.
    fourth: u64,
    /// `:` or `=`, which stand between a name and its value.
    sign: u64,
}

/// The marks of one text. Made to be used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    lines: Vec<Line>,
}

impl Marks {
    /// Marks the places of `text`. Its end is not a word.
    pub(crate) fn read(&mut self, text: &[u8]) {
        self.lines.clear();
        self.lines.reserve(text.len() / 64 + 1);
        let (blocks, rest) = text.as_chunks::<64>();
        let (mut capitals, mut digits) = (0, 0);
        let mut add = |block: &[u8; 64]| {
            let Classes {
                digit,
                capital,
                word,
                sign,
            } = classes(block);
            self.lines.push(Line {
                digit,
                word,
                hint: digit | fours(capital, capitals),
                fourth: fours(digit, digits),
                sign,
            });
            (capitals, digits) = (capital, digit);
        };
        blocks.iter().for_each(&mut add);
        // Always one more, so that a run that reaches the end is followed by something that ends it.
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        add(&last);
    }

    /// The words that may be ids, in order.
    pub(crate) fn words(&self) -> Words<'_> {
        Words {
            marks: self,
            line: 0,
            hints: self.line(0).hint,
            floor: 0,
        }
    }

    /// The places of `:` and `=`, in order.
    pub(crate) fn signs(&self) -> Signs<'_> {
        let mut lines = self.lines.iter();
        Signs {
            bits: lines.next().map_or(0, |line| line.sign),
            lines,
            base: 0,
        }
    }

    /// The runs of four digits and more, in order.
    pub(crate) fn numbers(&self) -> Numbers<'_> {
        Numbers {
            marks: self,
            line: 0,
            fourths: self.line(0).fourth,
            floor: 0,
        }
    }

    /// The next word of sixteen characters or more that does not begin before `from`: where it begins and ends.
    pub(crate) fn next_long_word(&self, from: usize) -> Option<(usize, usize)> {
        self.next_word_of(16, from)
    }

    /// The same of words of `length` characters or more, which is at least eight and at most sixteen.
    #[inline]
    pub(crate) fn next_word_of(&self, length: usize, from: usize) -> Option<(usize, usize)> {
        debug_assert!((8..=16).contains(&length));
        let first = from / 64;
        let mut bits = self.line(first).word & (u64::MAX << (from % 64));
        for line in first..self.lines.len() {
            // This line and the next, as words go over; a set bit is left where so many begin.
            let mut runs = u128::from(bits) | u128::from(self.line(line + 1).word) << 64;
            for shift in [1, 2, 4, length - 8] {
                runs &= runs >> shift;
            }
            if runs as u64 != 0 {
                let start = line * 64 + (runs as u64).trailing_zeros() as usize;
                return Some((start, self.end(start, |line| line.word)));
            }
            bits = self.line(line + 1).word;
        }
        None
    }

    fn line(&self, at: usize) -> Line {
        self.lines.get(at).copied().unwrap_or_default()
    }

    /// The 64 bits from `start`.
    #[inline]
    fn window(&self, start: usize, of: impl Fn(&Line) -> u64) -> u64 {
        let (line, shift) = (start / 64, start % 64);
        let low = of(&self.line(line)) >> shift;
        if shift == 0 {
            return low;
        }
        low | of(&self.line(line + 1)) << (64 - shift)
    }

    /// Where the run of set bits that `at` lies in ends.
    #[inline]
    fn end(&self, mut at: usize, of: impl Fn(&Line) -> u64) -> usize {
        loop {
            let bits = of(&self.line(at / 64)) >> (at % 64);
            let run = bits.trailing_ones() as usize;
            at += run;
            if run == 0 || !at.is_multiple_of(64) {
                return at;
            }
        }
    }

    /// Where the run of set bits that `at` lies in begins, not before `floor`.
    #[inline]
    fn begin(&self, at: usize, floor: usize, of: impl Fn(&Line) -> u64) -> usize {
        let mut at = at;
        while at > floor {
            // The bits before `at`, of its line or of the one before, moved up so that the nearest is the highest.
            let line = (at - 1) / 64;
            let bits = of(&self.line(line)) << (63 - (at - 1) % 64);
            let run = bits.leading_ones() as usize;
            at -= run;
            if run == 0 || !at.is_multiple_of(64) {
                break;
            }
        }
        at.max(floor)
    }
}

/// A word that may be an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Which of its first 64 bytes are digits, the lowest bit being the first.
    pub(crate) digits: u64,
}

/// Goes through the words that may be ids.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    marks: &'a Marks,
    line: usize,
    /// The hints of this line that are not yet behind.
    hints: u64,
    /// The end of the last word.
    floor: usize,
}

impl Iterator for Words<'_> {
    type Item = Word;

    #[inline]
    fn next(&mut self) -> Option<Word> {
        let lines = self.marks.lines.as_slice();
        while self.hints == 0 {
            self.line += 1;
            self.hints = lines.get(self.line)?.hint;
        }
        let line = lines.get(self.line)?;
        let at = self.hints.trailing_zeros();
        let before = (line.word << (63 - at)).leading_ones();
        let after = (line.word >> at).trailing_ones();
        if before <= at && at + after < 64 {
            // Most words lie in one line, and all that is asked of them is at hand.
            let first = at + 1 - before;
            self.hints &= u64::MAX << (at + after);
            self.floor = self.line * 64 + (at + after) as usize;
            return Some(Word {
                start: self.line * 64 + first as usize,
                end: self.floor,
                digits: (line.digit >> first) & (u64::MAX >> (64 - (before - 1 + after))),
            });
        }
        Some(self.across(self.line * 64 + at as usize))
    }
}

impl Words<'_> {
    /// The word at `hint`, which goes on in another line.
    #[cold]
    fn across(&mut self, hint: usize) -> Word {
        let marks = self.marks;
        let start = marks.begin(hint, self.floor, |line| line.word);
        let end = marks.end(hint, |line| line.word);
        self.floor = end;
        self.line = end / 64;
        self.hints = marks.line(self.line).hint & (u64::MAX << (end % 64));
        let known = u64::MAX >> (64 - (end - start).clamp(1, 64));
        Word {
            start,
            end,
            digits: marks.window(start, |line| line.digit) & known,
        }
    }
}

/// Goes through the runs of four digits and more.
#[derive(Debug)]
pub(crate) struct Numbers<'a> {
    marks: &'a Marks,
    line: usize,
    /// Fourth digits of this line that are not yet behind.
    fourths: u64,
    /// Where the last run ended, or what was skipped.
    floor: usize,
}

impl Numbers<'_> {
    /// Goes on behind `at`.
    pub(crate) fn skip_to(&mut self, at: usize) {
        if at > self.floor {
            self.floor = at;
            self.line = at / 64;
            self.fourths = self.marks.line(self.line).fourth & (u64::MAX << (at % 64));
        }
    }
}

impl Iterator for Numbers<'_> {
    /// Where a run begins, not before what is behind, and ends.
    type Item = (usize, usize);

    #[inline]
    fn next(&mut self) -> Option<(usize, usize)> {
        let lines = self.marks.lines.as_slice();
        while self.fourths == 0 {
            self.line += 1;
            self.fourths = lines.get(self.line)?.fourth;
        }
        let digit = lines.get(self.line)?.digit;
        let at = self.fourths.trailing_zeros();
        let base = self.line * 64;
        let before = (digit << (63 - at)).leading_ones();
        let after = (digit >> at).trailing_ones();
        if before <= at && at + after < 64 {
            // Most runs lie in one line.
            let end = at + after;
            self.fourths &= u64::MAX << end;
            let start = (base + (at + 1 - before) as usize).max(self.floor);
            self.floor = base + end as usize;
            return Some((start, self.floor));
        }
        let start = self
            .marks
            .begin(base + at as usize, self.floor, |line| line.digit);
        let end = self.marks.end(base + at as usize, |line| line.digit);
        self.skip_to(end);
        Some((start, end))
    }
}

/// Goes through the places of `:` and `=`.
#[derive(Debug)]
pub(crate) struct Signs<'a> {
    lines: std::slice::Iter<'a, Line>,
    /// Those of this line that are not yet behind.
    bits: u64,
    base: usize,
}

impl Iterator for Signs<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.bits = self.lines.next()?.sign;
            self.base += 64;
        }
        let at = self.base + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }
}

/// Bits that end four set ones in a row, `before` being the bits of the line before.
fn fours(bits: u64, before: u64) -> u64 {
    let pairs = bits & (bits << 1 | before >> 63);
    let pairs_before = before & before << 1;
    pairs & (pairs << 2 | pairs_before >> 62)
}

/// What the bytes of a block are, as bits.
struct Classes {
    digit: u64,
    capital: u64,
    word: u64,
    sign: u64,
}

/// Sixteen bytes as a vector. A loop, since a closure for each byte is not always inlined.
#[inline]
pub(crate) fn signed(bytes: &[u8; 16]) -> i8x16 {
    let mut signed = [0_i8; 16];
    for (place, byte) in signed.iter_mut().zip(bytes) {
        *place = byte.cast_signed();
    }
    i8x16::from(signed)
}

#[inline]
fn classes(block: &[u8; 64]) -> Classes {
    let each = |byte: u8| i8x16::splat(byte.cast_signed());
    // Vectors compare signed numbers: the range is moved to where these begin.
    let within = |bytes: i8x16, first: u8, count: u8| {
        (bytes + each(0x80_u8.wrapping_sub(first))).simd_lt(each(0x80 + count))
    };
    let mut all = Classes {
        digit: 0,
        capital: 0,
        word: 0,
        sign: 0,
    };
    let (quarters, _) = block.as_chunks::<16>();
    for (place, quarter) in quarters.iter().enumerate() {
        let bytes = signed(quarter);
        let bits = |mask: i8x16| u64::from(mask.to_bitmask() as u16) << (16 * place);
        let digits = within(bytes, b'0', 10);
        let letters = within(bytes | each(0x20), b'a', 26);
        let joins = bytes.simd_eq(each(b'-')) | bytes.simd_eq(each(b'_'));
        all.digit |= bits(digits);
        all.capital |= bits(within(bytes, b'A', 26));
        all.word |= bits(digits | letters | joins);
        all.sign |= bits(bytes.simd_eq(each(b':')) | bytes.simd_eq(each(b'=')));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_word(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
    }

    proptest! {
        #[test]
        fn marks_are_what_looking_at_each_byte_tells(
            text in proptest::collection::vec(prop_oneof![
                3 => Just(b'7'), 2 => Just(b'A'), 2 => Just(b'a'), 1 => Just(b'-'), 1 => Just(b':'), 1 => Just(b'='),
                1 => any::<u8>(),
            ], 0..400),
            at in 0usize..400,
        ) {
            let mut marks = Marks::default();
            marks.read(b"what was here before is 1234 GONE");
            marks.read(&text);
            let four = |end: usize, of: fn(&u8) -> bool| end >= 3 && text[end - 3..=end].iter().all(of);
            let mut words = Vec::new();
            let mut n = 0;
            while n < text.len() {
                let len = text[n..].iter().take_while(|b| is_word(**b)).count();
                let word = &text[n..n + len];
                let digits = word.iter().take(64).enumerate();
                let digits = digits.fold(0, |bits, (place, b)| bits | u64::from(b.is_ascii_digit()) << place);
                if word.iter().any(u8::is_ascii_digit) || (n..n + len).any(|end| four(end, u8::is_ascii_uppercase)) {
                    words.push(Word { start: n, end: n + len, digits });
                }
                n += len + 1;
            }
            prop_assert_eq!(marks.words().collect::<Vec<_>>(), words);
            let signs: Vec<usize> = (0..text.len()).filter(|n| matches!(text[*n], b':' | b'=')).collect();
            prop_assert_eq!(marks.signs().collect::<Vec<_>>(), signs);
            let mut runs = Vec::new();
            let mut n = 0;
            while n < text.len() {
                let len = text[n..].iter().take_while(|b| b.is_ascii_digit()).count();
                if len >= 4 {
                    runs.push((n, n + len));
                }
                n += len + 1;
            }
            prop_assert_eq!(marks.numbers().collect::<Vec<_>>(), runs.clone());
            let mut numbers = marks.numbers();
            let first = numbers.next();
            numbers.skip_to(at);
            // A run that goes on behind what was skipped begins there, if it still ends four digits.
            let rest = runs.into_iter().filter(|run| Some(*run) != first && run.1 > at.max(run.0 + 3));
            let rest: Vec<_> = rest.map(|(from, to)| (from.max(at), to)).collect();
            prop_assert_eq!(numbers.collect::<Vec<_>>(), rest);
        }
    }
}
