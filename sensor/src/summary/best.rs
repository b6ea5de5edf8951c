//! The first few of many: what a table shows of a list that is too long to be kept.

use std::cmp::Reverse;

/// Items offered one by one, of which those of the highest rank are kept. Of two with the same rank the one offered
/// first is the better.
#[derive(Debug)]
pub(super) struct Best<R, T> {
    most: usize,
    offered: usize,
    kept: Vec<(R, usize, T)>,
}

impl<R: Ord, T> Best<R, T> {
    /// Keeps up to `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            offered: 0,
            kept: Vec::new(),
        }
    }

    pub(super) fn offer(&mut self, rank: R, item: T) {
        self.kept.push((rank, self.offered, item));
        self.offered += 1;
        // Sorting out at twice the number keeps the cost of an offer constant.
        if self.kept.len() >= self.most.saturating_mul(2).max(16) {
            self.sort_out();
        }
    }

    /// How many were offered.
    pub(super) fn offered(&self) -> usize {
        self.offered
    }

    /// What is kept with its rank, in the order in which it was offered.
    pub(super) fn in_order(&mut self) -> impl Iterator<Item = (&R, &T)> {
        self.sort_out();
        self.kept.sort_by_key(|(_, place, _)| *place);
        self.kept.iter().map(|(rank, _, item)| (rank, item))
    }

    /// What is kept, the best first.
    pub(super) fn by_rank(&mut self) -> impl Iterator<Item = &T> {
        self.sort_out();
        self.kept.iter().map(|(_, _, item)| item)
    }

    fn sort_out(&mut self) {
        self.kept
            .sort_by(|(a, i, _), (b, j, _)| (Reverse(a), i).cmp(&(Reverse(b), j)));
        self.kept.truncate(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_in_either_order() {
        let mut best = Best::new(5);
        for n in 0..1000_u32 {
            best.offer(n * 37 % 100, n);
        }
        assert_eq!(best.offered(), 1000);
        let ranked: Vec<_> = best.by_rank().copied().collect();
        // 37 n ≡ 99 (mod 100) for n = 27, 127, …; of equal ranks the first ones stay.
        assert_eq!(ranked, [27, 127, 227, 327, 427]);
        best.offer(100, 1000);
        let ordered: Vec<_> = best.in_order().map(|(rank, n)| (*rank, *n)).collect();
        assert_eq!(ordered, [(99, 27), (99, 127), (99, 227), (99, 327), (100, 1000)]);
    }
}
