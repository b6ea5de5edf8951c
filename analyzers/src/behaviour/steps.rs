//! The numbers that one caller counts through, lately, kept so that none of them can be read from a stored row.
//!
//! Ids in a call may be card, account or telephone numbers. The last one is kept under a mask that only the sensor's key
//! can make, another each time. Of the way from one to the next only a small step is kept as it is; of a large one,
//! which together with one known number would give the other, a keyed hash, since all that is asked of it is whether it
//! equals the one before.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::id::{Id, Seed};

/// Steps looked at.
const STEPS: usize = 32;
const HOUR_NS: u64 = 3_600_000_000_000;

/// Longest step kept as it is.
const SMALL: u64 = 1000;

/// Successive numbers of one caller at one endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Steps {
    /// The last number under its mask, and the time in nanoseconds that makes the mask.
    last: Option<(u64, u64)>,
    /// Differences, those beyond [`SMALL`] hashed, with the time of each.
    #[serde(deserialize_with = "crate::store::tight")]
    steps: VecDeque<(i64, u64)>,
}

impl Steps {
    /// Adds a number seen at `now`, in nanoseconds. `row` is whose numbers these are.
    pub(super) fn push(&mut self, number: u64, now: u64, row: [Id; 2], seed: Seed) {
        let mask = |what: &[u8; 8], with: u64| {
            let mut parts = [0; 32];
            for (part, value) in parts
                .chunks_exact_mut(8)
                .zip([row[0].short(), row[1].short(), with])
            {
                part.copy_from_slice(&value.to_le_bytes());
            }
            parts[24..].copy_from_slice(what);
            seed.hash(&parts)
        };
        let hidden = number ^ mask(b"a number", now);
        let Some((before, then)) = self.last.replace((hidden, now)) else {
            return;
        };
        let step = number.wrapping_sub(before ^ mask(b"a number", then)) as i64;
        let kept = if step.unsigned_abs() <= SMALL {
            step
        } else {
            // Never one of the small ones.
            (mask(b"one step", step as u64) | 1 << 62) as i64
        };
        if self.steps.len() >= STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back((kept, now));
    }

    /// Steps within the hour before `now`, and how many of them are those of somebody counting: by no more than two,
    /// or the same again.
    pub(super) fn regular(&self, now: u64) -> (u32, u32) {
        let lately = self
            .steps
            .iter()
            .filter(|(_, at)| now.saturating_sub(*at) <= HOUR_NS);
        let (mut all, mut regular, mut before) = (0, 0, 0);
        for (step, _) in lately {
            all += 1;
            regular += u32::from(*step != 0 && (step.unsigned_abs() <= 2 || *step == before));
            before = *step;
        }
        (all, regular)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn kept(numbers: &[u64], row: &[u8]) -> Steps {
        let mut steps = Steps::default();
        for (n, number) in (1..).zip(numbers) {
            steps.push(
                *number,
                n * 1_000,
                [Id::of(&[row]), Id::of(&[b"t"])],
                Seed::new(&SEED),
            );
        }
        steps
    }

    #[test]
    fn counting_is_seen_in_any_stride_and_nothing_else_is() {
        let regular = |numbers: &[u64]| kept(numbers, b"a").regular(50_000);
        assert_eq!(regular(&[5, 6, 7, 8, 10, 9]), (5, 5));
        assert_eq!(regular(&[10, 17, 24, 31]), (3, 2));
        assert_eq!(regular(&[0, 70_000, 140_000, 210_000]), (3, 2));
        assert_eq!(regular(&[9, 9, 9]), (2, 0));
        assert_eq!(regular(&[1, 5_000, 12, 900_000, 40, u64::MAX, 0]), (6, 1));
        assert_eq!(kept(&[1, 2, 3], b"a").regular(3_600_000_003_000 - 500), (1, 1));
    }

    /// Whoever reads the rows and knows some of the numbers learns no other.
    #[test]
    fn no_number_can_be_worked_out_from_another() {
        let cards = [
            4_539_578_763_621_486_u64,
            4_111_111_111_111_111,
            5_500_005_555_555_559,
        ];
        let rows: Vec<_> = [&b"a"[..], b"b", b"c"]
            .into_iter()
            .zip([[0, 1], [1, 0], [2, 1]])
            .map(|(row, [first, second])| kept(&[cards[first], cards[second]], row))
            .collect();
        let mut seen: Vec<u64> = Vec::new();
        for row in &rows {
            seen.extend(row.last.map(|(hidden, _)| hidden));
            seen.extend(row.steps.iter().map(|(step, _)| *step as u64));
        }
        for a in cards {
            for b in cards {
                for wrong in [a, a.wrapping_sub(b), a ^ b].into_iter().filter(|&n| n != 0) {
                    assert!(!seen.contains(&wrong), "{wrong}");
                    for (n, x) in seen.iter().enumerate() {
                        for y in &seen[n + 1..] {
                            assert!(![x.wrapping_sub(*y), y.wrapping_sub(*x), x ^ y].contains(&wrong));
                        }
                    }
                }
            }
        }
    }
}
