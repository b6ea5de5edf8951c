//! # `slow_exfiltration`: a little more each day
//!
//! Adds up, for each principal, the bytes of answers of each day on which it was at work, and looks at the end of each day at the logarithms of
//! the last sixteen days of its sort (working days or days of the weekend): a straight line is laid through them. When it rises by at least half a percent a day,
//! by at least eight percent in all, and a slope as steep has a chance below one in ten thousand where days only differ (Student's distribution,
//! eight days or more), that is a finding, once in thirty days. So it is not when one step up explains the days better than the line does. The tests for bursts learn what is a little more each day; this one does not learn.
//!
//! Low when those that are like it rise as well (more to do for all), medium else.
//!
//! Source: OWASP API4:2023, API6:2023; ASI02:2026; MITRE ATT&CK T1030; ATLAS AML.T0025. Slope and its error: ordinary least squares.
//!
//! Blind to: growth of less than eight percent; principals whose days differ by more than what they grow by; growth in steps with long
//! pauses.
//!
//! Quiet when: days go up and down; there are fewer than eight of a sort; the principal's days have fewer than 64 kB.

use serde_json::{Value, json};

use super::activity::Activity;
use super::days::{Days, Sums};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, percent, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Growth a day and in all below which nothing is told.
const A_DAY: f64 = 0.005;
const IN_ALL: f64 = 0.08;

/// Bytes of a day below which it is not looked at.
const BYTES: f32 = 64.0 * 1024.0;

/// Days until it is told again.
const AGAIN: u32 = 30;

/// What of a day counts.
fn bytes(day: &Sums) -> Option<f64> {
    (day.bytes >= BYTES).then_some(f64::from(day.bytes))
}

/// Looks at the first exchange of a day, when another one `ended`. `group` are the days of those that are like the principal, itself
/// among them; `told` is when it was told last.
pub(super) fn observe(
    activity: &Activity<'_>,
    ended: u32,
    (own, told): (&Days, &mut u32),
    group: Option<&Days>,
    ledger: &mut Ledger,
) {
    let line = own.line(ended, bytes);
    let Some(line) = line.filter(|line| line.rises(A_DAY, IN_ALL)) else {
        return;
    };
    if *told != 0 && ended < told.saturating_add(AGAIN) {
        return;
    }
    *told = ended;
    let all = group.and_then(|group| group.line(ended, bytes));
    let severity = match all.is_some_and(|all| all.rises(A_DAY, IN_ALL)) {
        true => Severity::Low,
        false => Severity::Medium,
    };
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::SlowExfiltration,
        parts: &parts,
        window: u64::from(ended),
    };
    let by_day = own.by_day(ended, bytes);
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
            ("standard_errors_below", json!(thousandths(line.needed()))),
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
