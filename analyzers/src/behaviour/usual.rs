//! How many is usual: the statistics that baselines are made of. Nothing here knows what is counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values over which the past is forgotten to a half.
const HALF: f64 = 500.0;

/// No value is larger: its square still fits, however large the numbers that a server tells are. What does not fit could not be read back
/// from the store.
const LARGEST: f64 = 1e15;

/// Values before large ones are held back.
const EARLY: u32 = 5;

/// The values that something has had: mean, spread, and the most.
///
/// What is learned is held at four deviations above the mean, so that no single value moves the usual far, and the past is
/// forgotten by and by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u32, f32, f32, f32)", into = "(u32, f32, f32, f32)")]
pub(crate) struct Usual {
    learned: u32,
    mean: f32,
    square: f32,
    most: f32,
}

impl From<(u32, f32, f32, f32)> for Usual {
    fn from((learned, mean, square, most): (u32, f32, f32, f32)) -> Self {
        Self {
            learned,
            mean,
            square,
            most,
        }
    }
}

impl From<Usual> for (u32, f32, f32, f32) {
    fn from(usual: Usual) -> Self {
        (usual.learned, usual.mean, usual.square, usual.most)
    }
}

impl Usual {
    pub(crate) fn learn(&mut self, value: f64) {
        let value = if value.is_nan() {
            0.0
        } else {
            value.clamp(0.0, LARGEST)
        };
        let (mean, square) = (f64::from(self.mean), f64::from(self.square));
        let deviation = (square - mean * mean).max(mean).sqrt();
        let held = match self.learned >= EARLY {
            true => value.min(mean + 4.0 * deviation + 3.0),
            false => value,
        };
        self.learned = self.learned.saturating_add(1);
        let weight = f64::from(self.learned).min(HALF / std::f64::consts::LN_2);
        self.mean = (mean + (held - mean) / weight) as f32;
        self.square = (square + (held * held - square) / weight) as f32;
        self.most = (f64::from(self.most) * 0.5f64.powf(1.0 / HALF)).max(value) as f32;
    }

    /// Values learned.
    pub(crate) fn learned(&self) -> u32 {
        self.learned
    }

    pub(crate) fn mean(&self) -> f64 {
        f64::from(self.mean)
    }

    pub(crate) fn deviation(&self) -> f64 {
        let (mean, square) = (f64::from(self.mean), f64::from(self.square));
        (square - mean * mean).max(0.0).sqrt()
    }

    /// The most that was learned, slowly forgotten.
    pub(crate) fn most(&self) -> f64 {
        f64::from(self.most)
    }

    /// The count from which on it is beyond the usual: its chance is below one in ten thousand, and it is beyond `times` the most
    /// that was seen.
    pub(crate) fn beyond(&self, times: f64) -> f64 {
        let (mean, square) = (f64::from(self.mean), f64::from(self.square));
        tail(mean, square - mean * mean, 1e-4).max(times * self.most() + 1.0)
    }
}

impl Usual {
    /// The size from which on it is beyond the usual: `times` the largest, and three deviations above the mean. Sizes are no counts,
    /// and have no distribution that holds for all.
    pub(crate) fn larger(&self, times: f64) -> f64 {
        (self.mean() + 3.0 * self.deviation()).max(times * self.most())
    }
}

/// Makes room in a full table: a quarter of it goes, what weighs least first. One by one would be a search for each new entry.
pub(crate) fn make_room<K: Ord + Copy, V>(all: &mut BTreeMap<K, V>, most: usize, weight: impl Fn(&V) -> u32) {
    if all.len() >= most {
        let order = all.iter().map(|(key, value)| (weight(value), *key)).collect();
        for (_, key) in lightest_quarter(order) {
            all.remove(&key);
        }
    }
}

/// The quarter that weighs least.
pub(super) fn lightest_quarter<K: Ord>(mut order: Vec<(u32, K)>) -> Vec<(u32, K)> {
    let quarter = order.len().div_ceil(4);
    if quarter > 0 {
        order.select_nth_unstable(quarter - 1);
    }
    order.truncate(quarter);
    order
}

/// The least count whose chance to be reached or passed is below `alpha`, where counts are spread as a negative binomial
/// distribution: a Poisson rate that itself varies as a gamma distribution.
pub(crate) fn tail(mean: f64, variance: f64, alpha: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    // With few values the spread is underestimated; a Poisson rate with a quarter more is the floor.
    let variance = variance.max(mean * 1.25);
    let r = mean * mean / (variance - mean);
    let p = r / (r + mean);
    let log_zero = r * p.ln();
    if mean > 1_000.0 || log_zero < -600.0 {
        // Far from zero the distribution is near a normal one, with its skew added (Cornish and Fisher).
        let deviation = variance.sqrt();
        let skew = (2.0 * variance - mean) / (mean * deviation);
        let z = normal(alpha);
        return mean + deviation * (z + skew * (z * z - 1.0) / 6.0);
    }
    let mut chance = log_zero.exp();
    let mut below = chance;
    let mut count = 0.0;
    while 1.0 - below > alpha && count < 100_000.0 {
        chance *= (count + r) / (count + 1.0) * (1.0 - p);
        below += chance;
        count += 1.0;
    }
    count + 1.0
}

/// The deviations beyond which a normal value is with a chance of `alpha`, for small ones (Abramowitz and Stegun 26.2.23).
fn normal(alpha: f64) -> f64 {
    let t = (-2.0 * alpha.ln()).sqrt();
    let over = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let under = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - over / under
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_poisson_like_rate_is_where_tables_have_it() {
        // Poisson(10): P(X >= 29) is about 1.5e-6; a little spread moves it out.
        let bound = tail(10.0, 10.0, 1e-6);
        assert!((29.0..36.0).contains(&bound), "{bound}");
        assert!(tail(10.0, 100.0, 1e-6) > 60.0);
        let large = tail(5_000.0, 5_000.0, 1e-6);
        assert!((5_300.0..5_700.0).contains(&large), "{large}");
        assert!(tail(0.0, 0.0, 1e-6) >= 1.0);
        assert!(tail(900.0, 1e12, 1e-6).is_finite());
    }

    #[test]
    fn numbers_without_end_are_read_back_from_the_store() {
        for value in [f64::INFINITY, f64::NAN, f64::MAX, u64::MAX as f64, -1.0] {
            let mut usual = Usual::default();
            (0..600).for_each(|_| usual.learn(value));
            let json = serde_json::to_string(&usual).unwrap();
            assert_eq!(serde_json::from_str::<Usual>(&json).unwrap(), usual, "{json}");
        }
    }

    #[test]
    fn one_value_moves_the_usual_little_and_many_move_it() {
        let mut usual = Usual::default();
        (0..50).for_each(|n| usual.learn(f64::from(2 + n % 3)));
        let bound = usual.beyond(2.0);
        assert!((9.0..16.0).contains(&bound), "{bound}");
        let before = usual.mean();
        usual.learn(1000.0);
        assert!(usual.mean() < before + 0.5, "{}", usual.mean());
        (0..400).for_each(|_| usual.learn(20.0));
        assert!(usual.mean() > 15.0);
    }
}
