//! Puts a message together from pieces that come in any order: CRYPTO frames of QUIC, fragments of DTLS.
//!
//! Knows places and lengths; what the bytes mean is for others. The first copy of a byte counts.

use super::hello::MAX_HELLO;

/// Pieces with bytes missing between them. Clients that cut a hello up on purpose send about ten.
const MAX_PIECES: usize = 64;

/// The beginning of a stream, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    bytes: Vec<u8>,
    /// What is there, by begin and end, in order and with bytes missing between any two.
    have: Vec<(usize, usize)>,
}

impl Assembly {
    /// Takes a piece. One that reaches farther than a hello does, or leaves too many holes, is not taken.
    pub(crate) fn insert(&mut self, at: u64, piece: &[u8]) {
        let Ok(begin) = usize::try_from(at) else { return };
        let end = begin.saturating_add(piece.len());
        if piece.is_empty() || end > MAX_HELLO {
            return;
        }
        let touches = self.have.iter().any(|&(b, e)| begin <= e && b <= end);
        if self.have.len() >= MAX_PIECES && !touches {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut from = begin;
        for &(b, e) in self.have.iter().filter(|&&(b, e)| b < end && begin < e) {
            if from < b {
                self.bytes[from..b].copy_from_slice(&piece[from - begin..b - begin]);
            }
            from = from.max(e);
        }
        if from < end {
            self.bytes[from..end].copy_from_slice(&piece[from - begin..]);
        }
        self.have.push((begin, end));
        self.have.sort_unstable();
        self.have.dedup_by(|next, last| {
            let joins = next.0 <= last.1;
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
    }

    /// The bytes from the beginning to the first that is missing.
    pub(crate) fn prefix(&self) -> &[u8] {
        match self.have.first() {
            Some(&(0, end)) => &self.bytes[..end],
            _ => &[],
        }
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.capacity() + self.have.capacity() * size_of::<(usize, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_in_any_order_give_the_same(cuts in proptest::collection::vec((0_usize..300, 1_usize..80), 1..40)) {
            let whole: Vec<u8> = (0..400_u32).map(|n| (n % 251) as u8).collect();
            let mut assembly = Assembly::default();
            let mut there = vec![false; whole.len()];
            for &(at, len) in &cuts {
                assembly.insert(at as u64, &whole[at..at + len]);
                there[at..at + len].fill(true);
                let prefix = there.iter().take_while(|t| **t).count();
                prop_assert_eq!(assembly.prefix(), &whole[..prefix]);
            }
        }
    }

    #[test]
    fn the_first_copy_of_a_byte_counts() {
        let mut assembly = Assembly::default();
        assembly.insert(2, b"cd");
        assembly.insert(0, b"abXXe");
        assert_eq!(assembly.prefix(), b"abcde");
    }

    #[test]
    fn neither_length_nor_holes_grow_without_end() {
        let mut assembly = Assembly::default();
        for at in (1..1 << 20).step_by(2) {
            assembly.insert(at, b"x");
        }
        assembly.insert(u64::MAX, b"x");
        assert!(assembly.have.len() <= MAX_PIECES && assembly.weight() < 4096);
        assembly.insert(0, &[b'y'; MAX_HELLO]);
        assert_eq!(assembly.prefix().len(), MAX_HELLO);
        assert!(assembly.weight() < 3 * MAX_HELLO);
    }
}
