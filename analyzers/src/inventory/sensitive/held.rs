//! What an endpoint is known to hold, by class and by where it was: in responses, in bodies of requests, in URLs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DataClass, Found};
use crate::finding::trace::Trace;

/// Distinct values of a data class remembered.
pub(crate) const VALUES: usize = 64;

/// Masked samples kept of a class.
const SAMPLES: usize = 3;

/// What was found in the parts of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) response: Found,
    pub(crate) request: Found,
    pub(crate) url: Found,
}

/// Data classes of an endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Holdings {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) response: BTreeMap<DataClass, Data>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) request: BTreeMap<DataClass, Data>,
    /// In paths and queries, which logs and proxies keep.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) url: BTreeMap<DataClass, Data>,
}

/// What is known of one data class at one place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Data {
    pub(crate) exchanges: u64,
    pub(crate) strong: u64,
    /// Seeded hashes of distinct values, sorted, at most [`VALUES`].
    values: Vec<u32>,
    /// Most distinct values in one message.
    pub(crate) most: u32,
    /// Masked, sorted.
    pub(crate) samples: Vec<String>,
    /// The first exchange that held some.
    pub(crate) first: Option<Box<Trace>>,
}

impl Data {
    pub(crate) fn distinct(&self) -> usize {
        self.values.len()
    }

    /// Whether enough was seen to say that the endpoint holds data of this class, and not one number that looks like it.
    pub(crate) fn is_claimed(&self, class: DataClass) -> bool {
        match class {
            _ if class.is_secret() => true,
            // The format of a message is no value, and there are few of them.
            DataClass::HealthRecord => self.exchanges >= 2,
            _ => self.distinct() >= 3 && (self.exchanges >= 2 || self.strong >= 3),
        }
    }

    fn absorb(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.strong += other.strong;
        self.most = self.most.max(other.most);
        self.values.extend(other.values);
        self.values.sort_unstable();
        self.values.dedup();
        self.values.truncate(VALUES);
        self.samples.extend(other.samples);
        self.samples.sort_unstable();
        self.samples.dedup();
        self.samples.truncate(SAMPLES);
        self.first = self
            .first
            .take()
            .into_iter()
            .chain(other.first)
            .min_by_key(|trace| trace.ts);
    }
}

impl Holdings {
    /// Counts what one exchange held. `evidence` is asked for when a class is new.
    pub(crate) fn count(&mut self, carried: &Carried, evidence: impl Fn() -> Option<Box<Trace>>) {
        for (found, held) in [
            (&carried.response, &mut self.response),
            (&carried.request, &mut self.request),
            (&carried.url, &mut self.url),
        ] {
            for (class, hits) in found.iter() {
                let data = held.entry(class).or_default();
                if data.first.is_none() {
                    data.first = evidence();
                }
                data.exchanges += 1;
                data.strong += u64::from(hits.strong);
                data.most = data.most.max(hits.values.len() as u32);
                for value in &hits.values {
                    // The smallest are kept: the same ones in whatever order they come.
                    if let Err(place) = data.values.binary_search(value)
                        && place < VALUES
                    {
                        data.values.truncate(VALUES - 1);
                        data.values.insert(place, *value);
                    }
                }
                if let Some(sample) = &hits.sample
                    && let Err(place) = data.samples.binary_search(sample)
                    && place < SAMPLES
                {
                    data.samples.truncate(SAMPLES - 1);
                    data.samples.insert(place, sample.clone());
                }
            }
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.response, other.response),
            (&mut self.request, other.request),
            (&mut self.url, other.url),
        ] {
            for (class, data) in theirs {
                mine.entry(class).or_default().absorb(data);
            }
        }
    }

    /// Classes that the endpoint is said to hold, at any place.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = DataClass> {
        [&self.response, &self.request, &self.url]
            .into_iter()
            .flatten()
            .filter(|(class, data)| data.is_claimed(**class))
            .map(|(class, _)| *class)
    }
}

/// Names of the classes claimed at one place, with the number of exchanges.
pub(crate) fn told(held: &BTreeMap<DataClass, Data>) -> Vec<(String, u64)> {
    held.iter()
        .filter(|(class, data)| data.is_claimed(**class))
        .map(|(class, data)| (class.name().to_owned(), data.exchanges))
        .collect()
}
