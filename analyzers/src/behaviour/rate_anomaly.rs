//! # `rate_anomaly`: many more calls than is usual for the principal
//!
//! Counts a principal's calls in buckets of a minute, ten minutes and an hour. What is usual in a bucket in
//! which it calls at all is a negative binomial distribution (a Poisson rate that itself varies, as a gamma
//! distribution) fitted to the mean and spread of its own buckets, old ones forgotten by and by. A bucket is
//! beyond the usual when so many calls have a chance below one in a million, are at least three times the mean and
//! twice (two and a half times) the most ever seen, and at least thirty (a hundred, three hundred). Two such buckets, of one
//! size and near each other or of two sizes at once, make a finding.
//!
//! Source: OWASP API4:2023; Gelman et al., Bayesian Data Analysis, chapter 2.
//!
//! Blind to: growth slow enough to be learned; floods spread over many principals.
//!
//! Quiet when: the principal is not learned; a nightly job does what it does every night (the most ever seen is
//! remembered for weeks). Buckets beyond the usual are not learned (only that
//! they come on more than one day is), others are learned up to four deviations, so
//! that usual cannot be moved by a burst.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::activity::Activity;
use super::usual::tail;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{sentence, span};
use crate::finding::{Finding, Kind, Severity};

/// Length of the buckets in seconds, and the least count that is worth a word.
const WINDOWS: [(u64, u32); 3] = [(60, 30), (600, 100), (3600, 300)];

/// Times the most ever seen that are not yet much. A minute tells how fast it goes; the longer ones also how long, and a job that has more
/// to do takes longer.
const TIMES: [f64; 3] = [2.0, 2.5, 2.5];

/// Buckets over which the past is forgotten to a half.
const HALF: f64 = 500.0;

/// Buckets needed before a window of this size is judged.
const LEAST: [u32; 3] = [20, 10, 6];

/// Chance of a count, below which it is beyond the usual.
const ALPHA: f64 = 1e-6;

/// Calls of one principal over time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Rate {
    windows: [Window; 3],
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Window {
    /// Number of the current bucket since 1970, and calls in it.
    bucket: u64,
    count: u32,
    /// Buckets learned (whole number), weight, mean and mean of squares of their counts.
    learned: u32,
    weight: f64,
    mean: f64,
    square: f64,
    /// The most calls in a bucket that was learned, slowly forgotten.
    most: f64,
    /// Counts from here on are beyond the usual; zero while that is not known.
    bound: u32,
    /// The last bucket beyond the usual.
    beyond: u64,
    /// The largest bucket beyond the usual on the last day that had one, and that day.
    held: f64,
    held_day: u64,
}

impl Window {
    /// Counts a call in `bucket`. True when the bucket goes beyond the usual with this call.
    fn count(&mut self, bucket: u64, size: usize, known: bool) -> bool {
        if bucket > self.bucket {
            if self.count > 0 && (self.beyond != self.bucket || !known) {
                self.learn();
            } else if self.count > 0 {
                self.quarantine(size);
            }
            self.bucket = bucket;
            self.count = 0;
            self.bound = self.judge(size);
        }
        self.count = self.count.saturating_add(1);
        if self.bound > 0 && self.count == self.bound {
            self.beyond = self.bucket;
            return true;
        }
        false
    }

    fn learn(&mut self) {
        let deviation = (self.square - self.mean * self.mean).max(self.mean).sqrt();
        let count = f64::from(self.count);
        let held = if self.learned >= 5 {
            count.min(self.mean + 4.0 * deviation + 3.0)
        } else {
            count
        };
        let keep = 0.5f64.powf(1.0 / HALF);
        self.weight = self.weight * keep + 1.0;
        self.mean += (held - self.mean) / self.weight;
        self.square += (held * held - self.square) / self.weight;
        self.most = (self.most * keep).max(count);
        self.learned = self.learned.saturating_add(1);
    }

    /// Keeps a bucket beyond the usual apart. When one of another day was as large, it is the principal's way
    /// and counts among what was seen; mean and spread still learn nothing from it.
    fn quarantine(&mut self, size: usize) {
        let day = self.bucket * WINDOWS[size].0 / 86_400;
        let count = f64::from(self.count);
        if self.held_day != 0 && day > self.held_day {
            self.most = self.most.max(count.min(self.held));
            self.held = count;
        } else {
            self.held = self.held.max(count);
        }
        self.held_day = day;
    }

    /// The count from which on a bucket is beyond the usual.
    fn judge(&self, size: usize) -> u32 {
        if self.learned < LEAST[size] {
            return 0;
        }
        let rare = tail(self.mean, self.square - self.mean * self.mean, ALPHA);
        let bound = f64::from(WINDOWS[size].1)
            .max(rare)
            .max(3.0 * self.mean)
            .max(TIMES[size] * self.most + 1.0);
        bound.ceil().min(f64::from(u32::MAX)) as u32
    }
}

impl Rate {
    /// Counts one call, whatever comes of it.
    pub(crate) fn observe(&mut self, activity: &Activity<'_>, learned: bool, ledger: &mut Ledger) {
        let mut reached = None;
        for (place, window) in self.windows.iter_mut().enumerate() {
            let before = window.beyond;
            let bucket = activity.ts.seconds() / WINDOWS[place].0;
            if window.count(bucket, place, learned) {
                let near = before > 0 && bucket.abs_diff(before) <= 3;
                reached = Some((place, near));
            }
        }
        let Some((place, near)) = reached else { return };
        if !learned {
            return;
        }
        let now = self
            .windows
            .iter()
            .enumerate()
            .filter(|(n, w)| w.beyond > 0 && w.beyond == activity.ts.seconds() / WINDOWS[*n].0)
            .count();
        if near || now >= 2 {
            self.report(activity, place, ledger);
        }
    }

    fn report(&self, activity: &Activity<'_>, place: usize, ledger: &mut Ledger) {
        let window = &self.windows[place];
        let ratio = f64::from(window.count) / window.mean.max(0.1);
        let severity = if ratio >= 20.0 {
            Severity::High
        } else {
            Severity::Medium
        };
        let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
        let subject = Subject {
            kind: Kind::RateAnomaly,
            parts: &parts,
            window: day(activity.ts),
        };
        let draft = || Draft {
            confidence: 0.8,
            principal: true,
            resource: activity.resource(),
            observed: vec![
                ("calls", json!(window.count)),
                ("window_s", json!(WINDOWS[place].0)),
            ],
            expected: vec![
                ("mean", json!((window.mean * 100.0).round() / 100.0)),
                ("most_seen", json!(window.most.round())),
                ("fewer_than", json!(window.bound)),
            ],
            support: vec![("buckets", json!(window.learned))],
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |_| {});
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let expected = |name: &str| finding.expected.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let again = match finding.count {
        1 => String::new(),
        times => format!(" It went beyond the usual {times} times that day."),
    };
    sentence(&format!(
        "{} reached {} calls within {}, the last of them to {}; while it is active, its mean in that time is {:.1} and the \
         most seen before is {:.0}.{again}",
        finding.who(),
        finding.observed_number("calls"),
        span(finding.observed_number("window_s")),
        finding.place(),
        expected("mean"),
        expected("most_seen"),
    ))
}
