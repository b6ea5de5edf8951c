//! # `slow_exfiltration`: a little more each day
//!
//! Adds up, for each principal, the bytes of answers of each day on which it was at work, and looks at the end of each day at the logarithms of
//! the last sixteen days of its sort (working days or days of the weekend): a straight line is laid through them. When it rises by at least half a percent a day,
//! by at least eight percent in all, and its slope is at least four and a half times its own standard error over eight days or more, that is a
//! finding, once in thirty days. So it is not when one step up explains the days better than the line does. The tests for bursts learn what is a little more each day; this one does not learn.
//!
//! Low when those that are like it rise as well (more to do for all), medium else.
//!
//! Source: OWASP API4:2023, API6:2023; ASI02:2026; MITRE ATT&CK T1030; ATLAS AML.T0025. Slope and its error: ordinary least squares.
//!
//! Blind to: growth of less than eight percent; principals whose days differ by more than what they grow by; growth in steps with long
//! pauses.
//!
//! Quiet when: days go up and down; there are fewer than eight of a sort; the principal's days have fewer than 64 kB.

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, percent, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::inventory::declared::Day;

/// Days of one sort that a line is laid through, at most and at least.
const MOST: usize = 16;
const LEAST: usize = 8;

/// Growth a day and in all, and standard errors, below which nothing is told.
const A_DAY: f64 = 0.005;
const IN_ALL: f64 = 0.08;
const ERRORS: f64 = 4.5;

/// Bytes of a day below which it is not looked at.
const BYTES: f64 = 64.0 * 1024.0;

/// Days until it is told again.
const AGAIN: u32 = 30;

/// Daily sums of one principal, or of its like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Daily {
    /// Days since 1970 of the latest call, and bytes of that day.
    day: u32,
    today: f64,
    /// Working days and days of the weekend with the logarithm of their sums, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    work: Vec<(u32, f32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    weekend: Vec<(u32, f32)>,
    told: u32,
}

/// A line through the logarithms of days.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    days: usize,
    /// A day, as a share; in all; and by how many standard errors the slope is above zero.
    slope: f64,
    growth: f64,
    errors: f64,
    /// One step up explains the days better.
    is_step: bool,
}

/// The first of January 1970 was a Thursday.
fn is_weekend(day: u32) -> bool {
    matches!(day % 7, 2 | 3)
}

fn line(days: &[(u32, f32)]) -> Option<Line> {
    let n = days.len() as f64;
    if days.len() < LEAST {
        return None;
    }
    let (first, last) = (days[0].0, days[days.len() - 1].0);
    let x = |day: u32| f64::from(day - first);
    let mean = |of: &dyn Fn(&(u32, f32)) -> f64| days.iter().map(of).sum::<f64>() / n;
    let (mx, my) = (mean(&|d| x(d.0)), mean(&|d| f64::from(d.1)));
    let sxx: f64 = days.iter().map(|d| (x(d.0) - mx).powi(2)).sum();
    let sxy: f64 = days.iter().map(|d| (x(d.0) - mx) * (f64::from(d.1) - my)).sum();
    if sxx <= 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let rest: f64 = days
        .iter()
        .map(|d| (f64::from(d.1) - my - slope * (x(d.0) - mx)).powi(2))
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
fn apart(days: &[(u32, f32)]) -> f64 {
    let mean = days.iter().map(|d| f64::from(d.1)).sum::<f64>() / days.len().max(1) as f64;
    days.iter().map(|d| (f64::from(d.1) - mean).powi(2)).sum()
}

impl Line {
    fn rises(&self) -> bool {
        self.slope >= A_DAY && self.growth >= IN_ALL && self.errors >= ERRORS && !self.is_step
    }
}

impl Daily {
    pub(crate) fn is_empty(&self) -> bool {
        self.day == 0
    }

    /// Adds an answer. Gives the line of the days before, when this is the first call of another day.
    fn add(&mut self, ts: Timestamp, bytes: u64) -> Option<Line> {
        let day = (ts.seconds() / 86_400) as u32;
        let mut found = None;
        if day > self.day {
            let days = match is_weekend(self.day) {
                true => &mut self.weekend,
                false => &mut self.work,
            };
            if self.today >= BYTES {
                if days.len() >= MOST {
                    days.remove(0);
                }
                days.push((self.day, self.today.ln() as f32));
                found = line(days);
            }
            (self.day, self.today) = (day, 0.0);
        }
        self.today += bytes as f64;
        found
    }

    /// The sums of the days of the sort of `day`, each with its day.
    fn by_day(&self, day: u32) -> Map<String, Value> {
        let days = match is_weekend(day) {
            true => &self.weekend,
            false => &self.work,
        };
        let sum = |(day, sum): &(u32, f32)| (Day::of(*day).to_string(), json!(f64::from(*sum).exp().round()));
        days.iter().map(sum).collect()
    }

    /// Whether the days of that sort rose as well, by the last that is known.
    fn rises(&self, day: u32) -> bool {
        let days = match is_weekend(day) {
            true => &self.weekend,
            false => &self.work,
        };
        line(days).is_some_and(|line| line.rises())
    }
}

/// Looks at one exchange. `group` are the sums of those that are like the principal, itself among them.
pub(super) fn observe(
    activity: &Activity<'_>,
    own: &mut Daily,
    group: &mut Daily,
    alone: bool,
    ledger: &mut Ledger,
) {
    let response = activity.exchange.response.as_ref();
    let bytes = response.map_or(0, |r| r.message.content_bytes);
    group.add(activity.ts, bytes);
    let ended = own.day;
    let Some(line) = own.add(activity.ts, bytes).filter(Line::rises) else {
        return;
    };
    if own.told != 0 && ended < own.told.saturating_add(AGAIN) {
        return;
    }
    own.told = ended;
    let severity = match !alone && group.rises(ended) {
        true => Severity::Low,
        false => Severity::Medium,
    };
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::SlowExfiltration,
        parts: &parts,
        window: u64::from(ended),
    };
    let by_day = own.by_day(ended);
    let thousandths = |x: f64| (x * 1000.0).round() / 1000.0;
    let draft = || Draft {
        confidence: 0.7,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![
            ("a_day", json!(thousandths(line.slope))),
            ("in_all", json!(thousandths(line.growth))),
            ("standard_errors", json!(thousandths(line.errors))),
            ("bytes_by_day", Value::Object(by_day)),
        ],
        expected: vec![
            ("a_day_below", json!(A_DAY)),
            ("standard_errors_below", json!(ERRORS)),
        ],
        support: vec![("days", json!(line.days))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |name: &str| {
        finding
            .observed
            .get(name)
            .and_then(serde_json::Value::as_f64)
            .unwrap_or(0.0)
    };
    let days = finding
        .support
        .get("days")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0);
    sentence(&format!(
        "What {} gets from {} grows by {} a day, by {} over {} of the same sort, and the line through them is {:.1} times as steep as its \
         own error: too steady for chance, too slow for a burst.",
        finding.who(),
        finding.place(),
        percent(number("a_day")),
        percent(number("in_all")),
        many(days, "day", "days"),
        number("standard_errors"),
    ))
}
