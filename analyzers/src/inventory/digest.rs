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

/// Recorded values: two significant digits from the 49th on.
#[derive(Debug, Clone)]
pub(crate) enum Digest {
    Few(Vec<u64>),
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
            Self::Few(values) if values.len() < FEW => values.push(value),
            Self::Few(values) => {
                let mut values = std::mem::take(values);
                values.push(value);
                *self = Self::many(&values);
            }
            Self::Many(histogram) => put(histogram, value),
        }
    }

    fn many(values: &[u64]) -> Self {
        // Two digits are a valid precision, so this cannot fail; an exact list is the fallback.
        let Ok(mut histogram) = Histogram::<u32>::new(2) else {
            return Self::Few(values.iter().copied().take(FEW).collect());
        };
        histogram.auto(true);
        for value in values {
            put(&mut histogram, *value);
        }
        Self::Many(Box::new(histogram))
    }

    pub(crate) fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Few(values)) => values.into_iter().for_each(|v| self.record(v)),
            (Self::Few(values), Self::Many(mut histogram)) => {
                for value in values.drain(..) {
                    put(&mut histogram, value);
                }
                *self = Self::Many(histogram);
            }
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
            Self::Many(h) => Quantiles {
                count: h.len(),
                min: h.min(),
                p50: h.value_at_quantile(0.5),
                p95: h.value_at_quantile(0.95),
                p99: h.value_at_quantile(0.99),
                max: h.max(),
            },
        }
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
    Few(Vec<u64>),
    /// HdrHistogram's V2 format in base64.
    Hdr(String),
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Few(values) => Stored::Few(values.clone()),
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
            Stored::Few(values) if values.len() > FEW => Ok(Self::many(&values)),
            Stored::Few(values) => Ok(Self::Few(values)),
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
