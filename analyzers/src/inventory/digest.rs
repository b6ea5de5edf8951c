//! Quantiles of sizes and times at a small cost: exact while there are few, a histogram after that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HdrReader, Serializer as _, V2Serializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Quantiles;

/// Values kept one by one. Most endpoints of a scan or a test never have more, and a histogram takes
/// thousands of counters.
const FEW: usize = 48;

/// Largest value told apart: about nine years in microseconds, or 256 TiB.
const LARGEST: u64 = 1 << 48;

/// Counters kept one by one before all of them are. Values mostly lie close together.
const COUNTERS: usize = 512;

/// As large as a histogram.
static HISTOGRAM: [u8; 21 << 10] = [0; 21 << 10];

/// Recorded values: two significant digits from the 49th on.
#[derive(Debug, Clone)]
pub(crate) enum Digest {
    Few(Vec<u64>),
    /// The counters of a histogram that are not zero, in order: number of the counter and count.
    Some(Vec<(u16, u32)>),
    Many(Box<Histogram<u32>>),
}

impl Default for Digest {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Digest {
    pub(crate) fn record(&mut self, value: u64) {
        match self {
            Self::Few(values) if values.len() < FEW => {
                make_room(values);
                values.push(value);
            }
            Self::Few(values) => {
                let values = std::mem::take(values);
                *self = Self::counted(&values);
                self.record(value);
            }
            Self::Some(counters) => {
                count(counters, place(value.min(LARGEST)), 1);
                if counters.len() > COUNTERS
                    && let Some(histogram) = histogram(counters)
                {
                    *self = Self::Many(Box::new(histogram));
                }
            }
            Self::Many(histogram) => put(histogram, value),
        }
    }

    fn counted(values: &[u64]) -> Self {
        let mut counters = Vec::new();
        for value in values {
            count(&mut counters, place((*value).min(LARGEST)), 1);
        }
        Self::Some(counters)
    }

    pub(crate) fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Few(values)) => values.into_iter().for_each(|v| self.record(v)),
            (Self::Few(values), mut many) => {
                let values = std::mem::take(values);
                values.into_iter().for_each(|v| many.record(v));
                *self = many;
            }
            (Self::Some(mine), Self::Some(theirs)) => {
                theirs.into_iter().for_each(|(place, n)| count(mine, place, n));
            }
            (Self::Some(mine), Self::Many(mut histogram)) => {
                add(&mut histogram, mine);
                *self = Self::Many(histogram);
            }
            (Self::Many(mine), Self::Some(theirs)) => add(mine, &theirs),
            (Self::Many(mine), Self::Many(theirs)) => {
                // Both resize by themselves, so adding cannot fail.
                let _ = mine.add(*theirs);
            }
        }
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        match self {
            Self::Few(values) if values.is_empty() => Quantiles::default(),
            Self::Few(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable();
                let at = |q: usize| sorted[(sorted.len() * q).div_ceil(100).saturating_sub(1)];
                Quantiles {
                    count: sorted.len() as u64,
                    min: sorted[0],
                    p50: at(50),
                    p95: at(95),
                    p99: at(99),
                    max: at(100),
                }
            }
            Self::Some(counters) => histogram(counters).as_ref().map(of_histogram).unwrap_or_default(),
            Self::Many(h) => of_histogram(h),
        }
    }
}

fn of_histogram(h: &Histogram<u32>) -> Quantiles {
    Quantiles {
        count: h.len(),
        min: h.min(),
        p50: h.value_at_quantile(0.5),
        p95: h.value_at_quantile(0.95),
        p99: h.value_at_quantile(0.99),
        max: h.max(),
    }
}

/// Number of the counter for a value: as in a histogram with two significant digits, values below 256 have one each,
/// and every doubling from there on has 128.
fn place(value: u64) -> u16 {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(8);
    (shift as u16) * 128 + (value >> shift) as u16
}

/// The least value that counter counts.
fn least(place: u16) -> u64 {
    let shift = (place / 128).saturating_sub(1);
    u64::from(place - shift * 128) << shift
}

fn count(counters: &mut Vec<(u16, u32)>, place: u16, n: u32) {
    match counters.binary_search_by_key(&place, |(place, _)| *place) {
        Ok(at) => counters[at].1 = counters[at].1.saturating_add(n),
        Err(at) => {
            make_room(counters);
            counters.insert(at, (place, n));
        }
    }
}

/// Room for one more, and not for many: there are many digests, and most grow no more after a while.
fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(4));
    }
}

/// The histogram with these counters. Two digits are a valid precision, so there always is one.
fn histogram(counters: &[(u16, u32)]) -> Option<Histogram<u32>> {
    let mut histogram = Histogram::<u32>::new(2).ok()?;
    histogram.auto(true);
    add(&mut histogram, counters);
    Some(histogram)
}

fn add(histogram: &mut Histogram<u32>, counters: &[(u16, u32)]) {
    for (place, n) in counters {
        // It grows by itself, so this cannot fail.
        let _ = histogram.record_n(least(*place), *n);
    }
}

/// Records a value, growing the histogram up to the largest value told apart.
fn put(histogram: &mut Histogram<u32>, value: u64) {
    // It grows by itself, so this cannot fail; what is past the cap counts as the cap.
    let _ = histogram.record(value.min(LARGEST));
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Few(#[serde(deserialize_with = "crate::store::tight")] Vec<u64>),
    Some(#[serde(deserialize_with = "crate::store::tight")] Vec<(u16, u32)>),
    /// HdrHistogram's V2 format in base64.
    Hdr(String),
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return match self {
                Self::Few(values) => values.serialize(serializer),
                Self::Some(counters) => counters.serialize(serializer),
                Self::Many(_) => serializer.serialize_bytes(&HISTOGRAM),
            };
        }
        match self {
            Self::Few(values) => Stored::Few(values.clone()),
            Self::Some(counters) => Stored::Some(counters.clone()),
            Self::Many(histogram) => {
                let mut bytes = Vec::new();
                V2Serializer::new()
                    .serialize(histogram, &mut bytes)
                    .map_err(serde::ser::Error::custom)?;
                Stored::Hdr(STANDARD.encode(bytes))
            }
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match Stored::deserialize(deserializer)? {
            Stored::Few(values) if values.len() > FEW => Ok(Self::counted(&values)),
            Stored::Few(values) => Ok(Self::Few(values)),
            Stored::Some(counters) => {
                let known = |n: &[(u16, u32)]| n.is_sorted_by(|a, b| a.0 < b.0);
                if !known(&counters) || counters.last().is_some_and(|(last, _)| *last > place(LARGEST)) {
                    return Err(D::Error::custom("not the counters of a histogram"));
                }
                Ok(Self::Some(counters))
            }
            Stored::Hdr(text) => {
                let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
                let mut histogram: Histogram<u32> = HdrReader::new()
                    .deserialize(&mut bytes.as_slice())
                    .map_err(|e| D::Error::custom(format!("{e:?}")))?;
                histogram.auto(true);
                Ok(Self::Many(Box::new(histogram)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_exact_and_many_have_two_digits() {
        let mut digest = Digest::default();
        for n in 1..=20 {
            digest.record(n);
        }
        assert_eq!(
            digest.quantiles(),
            Quantiles {
                count: 20,
                min: 1,
                p50: 10,
                p95: 19,
                p99: 20,
                max: 20
            }
        );
        for n in 21..=10_000 {
            digest.record(n);
        }
        let q = digest.quantiles();
        assert_eq!(q.count, 10_000);
        assert!(
            q.p50.abs_diff(5_000) <= 60 && q.p99.abs_diff(9_900) <= 110,
            "{q:?}"
        );
        digest.record(u64::MAX);
    }

    #[test]
    fn a_digest_is_the_same_after_it_was_stored() {
        for n in [0, 3, 48, 49, 1000] {
            let mut digest = Digest::default();
            (0..n).for_each(|v| digest.record(v * 7));
            let json = serde_json::to_string(&digest).unwrap();
            let mut back: Digest = serde_json::from_str(&json).unwrap();
            assert_eq!(back.quantiles(), digest.quantiles());
            (0..100_000).step_by(999).for_each(|v| {
                digest.record(v);
                back.record(v);
            });
            assert_eq!(
                serde_json::to_string(&back).unwrap(),
                serde_json::to_string(&digest).unwrap()
            );
        }
    }

    #[test]
    fn counters_are_those_of_a_histogram() {
        let values = (0..60).flat_map(|n| [0, 1, 3, 77].map(|more| ((1_u64 << n) + more * n).min(LARGEST)));
        let mut exact = Histogram::<u32>::new(2).unwrap();
        exact.auto(true);
        let mut digest = Digest::default();
        for (n, value) in values.chain(0..3000).enumerate() {
            assert!(least(place(value)) <= value && place(least(place(value))) == place(value));
            put(&mut exact, value);
            digest.record(value);
            if n >= FEW {
                assert_eq!(digest.quantiles(), of_histogram(&exact), "{n} {value}");
            }
        }
        assert!(matches!(digest, Digest::Many(_)));
    }

    #[test]
    fn merging_keeps_every_value() {
        for (a, b) in [(3, 4), (3, 100), (100, 3), (100, 100)] {
            let make = |n| {
                let mut d = Digest::default();
                (0..n).for_each(|v| d.record(v));
                d
            };
            let mut sum = make(a);
            sum.merge(make(b));
            assert_eq!(sum.quantiles().count, a + b);
        }
    }
}
