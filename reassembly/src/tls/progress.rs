//! Where the plaintext of a direction stood at which place of its stream.
//!
//! Knows two ways of counting one direction, by bytes of TCP and by bytes of plaintext, and translates what acknowledgments
//! tell of the first into the second.

use std::collections::VecDeque;

/// Places remembered at which the plaintext stood.
const MAX_MARKS: usize = 256;

/// Where the plaintext of a direction stood at which place of its stream.
///
/// Acknowledgments speak of the stream; what a sender had of the plaintext is what whole records gave before that.
pub(super) struct Progress {
    /// Offset of the next byte of plaintext.
    next: u64,
    /// From and to where in the stream the plaintext stood where: nothing of it lies between.
    marks: VecDeque<(u64, u64, u64)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            next: Self::FIRST,
            marks: VecDeque::new(),
        }
    }
}

impl Progress {
    /// The offset of the first byte; zero stands for unknown.
    const FIRST: u64 = 1;
    /// What is missing counts as this much, so that nothing behind it seems to follow what was before.
    const MISSING: u64 = 1 << 20;

    pub(super) fn weight(&self) -> usize {
        self.marks.capacity() * size_of::<(u64, u64, u64)>()
    }

    /// The offset of the next byte.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether there was any plaintext.
    pub(super) fn has_begun(&self) -> bool {
        self.next > Self::FIRST
    }

    /// So many bytes came out.
    pub(super) fn advance(&mut self, count: usize) {
        self.next += count as u64;
    }

    /// It is not known any more where the plaintext stood.
    pub(super) fn forget(&mut self) {
        self.marks.clear();
    }

    /// A record ended at this place of the stream.
    pub(super) fn stands_at(&mut self, place: u64) {
        match self.marks.back_mut() {
            Some((_, to, next)) if *next == self.next => *to = place,
            _ => self.marks.push_back((place, place, self.next)),
        }
        if self.marks.len() > MAX_MARKS {
            self.marks.pop_front();
        }
    }

    /// A record ended there of which the plaintext is not known.
    pub(super) fn skips(&mut self, place: u64) {
        self.marks.clear();
        self.stands_at(place);
    }

    /// Plaintext is missing.
    pub(super) fn passes_over(&mut self) {
        self.next += Self::MISSING;
        self.marks.clear();
    }

    /// The plaintext before this place of the stream.
    pub(super) fn at(&self, place: u64) -> Option<u64> {
        let before = self.marks.partition_point(|(from, _, _)| *from <= place);
        let (_, _, next) = self.marks.get(before.checked_sub(1)?)?;
        Some(*next)
    }

    /// The same, when no record is cut there.
    pub(super) fn exactly(&self, place: u64) -> Option<u64> {
        let before = self.marks.partition_point(|(from, _, _)| *from <= place);
        let (_, to, next) = self.marks.get(before.checked_sub(1)?)?;
        (place <= *to).then_some(*next)
    }
}
