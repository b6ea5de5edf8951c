//! What each day of a caller was like, by dimension, and whether a dimension grows a little each day. Bursts are for others; this is what
//! a baseline that forgets would learn.

use std::collections::VecDeque;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::inventory::declared::Day;

/// Days kept: six weeks, so that eight days of a weekend are among them.
const KEPT: usize = 42;

/// Days of one sort that a line is laid through, at most and at least.
const MOST: usize = 16;
const LEAST: usize = 8;

/// The sums of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 7]", into = "[f32; 7]")]
pub(crate) struct Sums {
    pub(crate) calls: f32,
    /// Units of work begun.
    pub(crate) tasks: f32,
    /// Objects asked for that nothing in their task had shown.
    pub(crate) guesses: f32,
    /// Calls that were refused, or whose object was missing.
    pub(crate) refused: f32,
    /// Objects changed that their task had not met.
    pub(crate) changes: f32,
    /// Bytes of answers.
    pub(crate) bytes: f32,
    /// Answers with personal, card or health data or secrets.
    pub(crate) sensitive: f32,
}

impl From<[f32; 7]> for Sums {
    fn from([calls, tasks, guesses, refused, changes, bytes, sensitive]: [f32; 7]) -> Self {
        Self {
            calls,
            tasks,
            guesses,
            refused,
            changes,
            bytes,
            sensitive,
        }
    }
}

impl From<Sums> for [f32; 7] {
    fn from(s: Sums) -> Self {
        [
            s.calls,
            s.tasks,
            s.guesses,
            s.refused,
            s.changes,
            s.bytes,
            s.sensitive,
        ]
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        let (one, two): ([f32; 7], [f32; 7]) = ((*self).into(), (*other).into());
        *self = std::array::from_fn(|at| one[at] + two[at]).into();
    }
}

/// Days of one caller, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Days {
    /// Days since 1970 of the latest call, and the sums of that day so far.
    day: u32,
    today: Sums,
    /// Days that are over, the latest last.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    past: VecDeque<(u32, Sums)>,
}

/// A line through the logarithms of days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) days: usize,
    /// A day, as a share; in all; and by how many standard errors the slope is above zero.
    pub(crate) slope: f64,
    pub(crate) growth: f64,
    pub(crate) errors: f64,
    /// One step up explains the days better.
    pub(crate) is_step: bool,
}

/// The day of a time, since 1970.
pub(crate) fn day_of(ts: Timestamp) -> u32 {
    (ts.seconds() / 86_400) as u32
}

/// The first of January 1970 was a Thursday.
fn is_weekend(day: u32) -> bool {
    matches!(day % 7, 2 | 3)
}

impl Days {
    pub(crate) fn is_empty(&self) -> bool {
        self.day == 0
    }

    /// Adds a call. Gives the day that ended before it, when this is the first call of another one.
    pub(crate) fn add(&mut self, ts: Timestamp, call: &Sums) -> Option<u32> {
        let day = day_of(ts);
        let mut ended = None;
        if day > self.day {
            if self.day != 0 {
                if self.past.len() >= KEPT {
                    self.past.pop_front();
                } else if self.past.len() == self.past.capacity() {
                    self.past.reserve_exact(7);
                }
                self.past.push_back((self.day, self.today));
                ended = Some(self.day);
            }
            (self.day, self.today) = (day, Sums::default());
        }
        self.today.add(call);
        ended
    }

    /// For how many days there was no call before this one, when it is the first of its day.
    pub(crate) fn silent_before(&self, today: u32) -> Option<u32> {
        (self.day != 0 && today > self.day).then(|| today - self.day - 1)
    }

    /// How many days are known, the latest among them, and the longest pause between two of them.
    pub(crate) fn pauses(&self) -> Option<(usize, u32)> {
        let days = self.past.iter().map(|(day, _)| *day).chain([self.day]);
        let longest = days
            .clone()
            .zip(days.skip(1))
            .map(|(one, two)| two - one - 1)
            .max();
        Some((self.past.len() + 1, longest?))
    }

    /// Calls of the latest day so far.
    pub(crate) fn today_calls(&self) -> f32 {
        self.today.calls
    }

    /// Calls of a day that is over, in the mean.
    pub(crate) fn usual_calls(&self) -> f32 {
        let sum: f32 = self.past.iter().map(|(_, day)| day.calls).sum();
        sum / (self.past.len().max(1) as f32)
    }

    /// The sums of the last days that are over, fourteen at most, and how many those are.
    pub(crate) fn lately(&self) -> (Sums, u32) {
        let mut sums = Sums::default();
        let lately = self.past.iter().rev().take(14);
        let days = lately.inspect(|(_, day)| sums.add(day)).count();
        (sums, days as u32)
    }

    /// What `of` takes of the days that a line up to `day` is laid through, each with its date.
    pub(crate) fn by_day(&self, day: u32, of: impl Fn(&Sums) -> Option<f64>) -> Map<String, Value> {
        let alike = self.past.iter().rev();
        let alike = alike.filter(|(d, _)| is_weekend(*d) == is_weekend(day));
        let days = alike.filter_map(|(d, sums)| Some((*d, of(sums)?)));
        let shown = |value: f64| json!((value * 100.0).round() / 100.0);
        days.take(MOST)
            .map(|(d, value)| (Day::of(d).to_string(), shown(value)))
            .collect()
    }

    /// A line through the logarithms of what `of` takes of the days of the same sort (working days, or days of the weekend) up to
    /// `day`. Days of which it takes nothing are left out.
    pub(crate) fn line(&self, day: u32, of: impl Fn(&Sums) -> Option<f64>) -> Option<Line> {
        let alike = self
            .past
            .iter()
            .rev()
            .filter(|(d, _)| is_weekend(*d) == is_weekend(day));
        let mut days: Vec<(u32, f64)> = alike
            .filter_map(|(d, sums)| Some((*d, of(sums)?.ln())))
            .take(MOST)
            .collect();
        days.reverse();
        line(&days)
    }
}

fn line(days: &[(u32, f64)]) -> Option<Line> {
    let n = days.len() as f64;
    if days.len() < LEAST {
        return None;
    }
    let (first, last) = (days[0].0, days[days.len() - 1].0);
    let x = |day: u32| f64::from(day - first);
    let mean = |of: &dyn Fn(&(u32, f64)) -> f64| days.iter().map(of).sum::<f64>() / n;
    let (mx, my) = (mean(&|d| x(d.0)), mean(&|d| d.1));
    let sxx: f64 = days.iter().map(|d| (x(d.0) - mx).powi(2)).sum();
    let sxy: f64 = days.iter().map(|d| (x(d.0) - mx) * (d.1 - my)).sum();
    if sxx <= 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let rest: f64 = days
        .iter()
        .map(|d| (d.1 - my - slope * (x(d.0) - mx)).powi(2))
        .sum();
    let step = (2..days.len() - 1).map(|at| apart(&days[..at]) + apart(&days[at..]));
    let is_step = step.reduce(f64::min).is_some_and(|step| step < rest);
    // Days that lie on the line to the last byte still differ by a percent.
    let error = (rest / (n - 2.0) / sxx).sqrt().max(0.01 / sxx.sqrt());
    Some(Line {
        days: days.len(),
        slope,
        growth: (slope * x(last)).exp() - 1.0,
        errors: slope / error,
        is_step,
    })
}

/// How far days are from their mean, squares summed up.
fn apart(days: &[(u32, f64)]) -> f64 {
    let mean = days.iter().map(|d| d.1).sum::<f64>() / days.len().max(1) as f64;
    days.iter().map(|d| (d.1 - mean).powi(2)).sum()
}

impl Line {
    /// Whether it rises by so much a day and in all, and a slope like that has a chance below one in ten thousand where days only differ
    /// (Student's distribution, since the spread is taken from the same few days).
    pub(crate) fn rises(&self, a_day: f64, in_all: f64) -> bool {
        self.slope >= a_day && self.growth >= in_all && self.errors >= self.needed() && !self.is_step
    }

    /// Standard errors that a slope through so many days has to be above zero.
    pub(crate) fn needed(&self) -> f64 {
        student(self.days as f64 - 2.0)
    }
}

/// The value of Student's distribution that is passed with a chance of 1e-4, by its expansion around the normal one (Abramowitz and
/// Stegun 26.7.5).
fn student(freedom: f64) -> f64 {
    const Z: f64 = 3.719;
    let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
    Z + (z3 + Z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * freedom.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_values_are_those_of_tables() {
        // Tables have 8.02, 6.44, 5.69 and 4.99 for one in ten thousand.
        for (freedom, table) in [(6.0, 8.02), (8.0, 6.44), (10.0, 5.69), (14.0, 4.99)] {
            let value = student(freedom);
            assert!((value - table).abs() < 0.25, "{freedom}: {value}");
        }
    }

    #[test]
    fn days_stay_bounded_and_go_in_order() {
        let mut days = Days::default();
        for day in 0..200u64 {
            let call = Sums {
                calls: 1.0,
                ..Sums::default()
            };
            let ended = days.add(Timestamp((20_000 + day) * 86_400 * 1_000_000_000), &call);
            assert_eq!(ended, day.checked_sub(1).map(|d| 20_000 + d as u32));
        }
        assert_eq!(days.past.len(), KEPT);
        assert_eq!(days.lately().1, 14);
    }
}
