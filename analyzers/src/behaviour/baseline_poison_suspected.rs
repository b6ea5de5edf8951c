//! # `baseline_poison_suspected`: what is usual is moved a little each day
//!
//! Baselines learn what is clean, and what is a little more than yesterday is clean. For each principal this one keeps what each day was
//! like and learns nothing: objects asked for in a task that nothing had shown, calls refused or missing, objects changed in a task that it had not met, and
//! answers with sensitive data, each in the mean of its tasks. When a straight line through the logarithms of the last days of one sort (sixteen at most,
//! eight at least) rises by one percent a day and by half in all, a slope as steep has a chance below one in ten thousand where days only differ, and no single step
//! explains it better, somebody may be teaching the sensor. Told once in thirty days for each principal.
//!
//! Medium; low when those that are like it rise as well.
//!
//! Source: MITRE ATT&CK T1562; Rubinstein et al., IMC 2009; Kloft and Laskov 2010; ASI01:2026, ASI10:2026.
//!
//! Blind to: principals whose days differ by more than what they grow by; growth in steps with long pauses; growth of rates of calls alone.
//!
//! Quiet when: a step up stays where it is; days go up and down; there are fewer than eight of a sort, or less than one in the mean of a task.

use serde_json::json;

use super::activity::Activity;
use super::days::{Days, Line, Sums};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, percent, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Growth a day and in all below which nothing is told.
const A_DAY: f64 = 0.01;
const IN_ALL: f64 = 0.5;

/// Days until it is told again.
const AGAIN: u32 = 30;

/// Tasks of a day below which it says nothing.
const TASKS: f32 = 2.0;

type Of = fn(&Sums) -> f32;

/// What is looked at.
const WHAT: [(&str, Of); 4] = [
    ("objects_not_shown", |day| day.guesses),
    ("refused", |day| day.refused),
    ("objects_changed_unseen", |day| day.changes),
    ("sensitive_answers", |day| day.sensitive),
];

/// In the mean of the tasks of a day.
fn a_task(of: Of) -> impl Fn(&Sums) -> Option<f64> {
    move |day| {
        let mean = f64::from(of(day) / day.tasks.max(1.0));
        (day.tasks >= TASKS && mean >= 1.0).then_some(mean)
    }
}

fn rises(days: &Days, ended: u32, of: Of) -> Option<Line> {
    let line = days.line(ended, a_task(of))?;
    line.rises(A_DAY, IN_ALL).then_some(line)
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
    if *told != 0 && ended < told.saturating_add(AGAIN) {
        return;
    }
    let found = WHAT
        .into_iter()
        .find_map(|(name, of)| Some((name, of, rises(own, ended, of)?)));
    let Some((name, of, line)) = found else {
        return;
    };
    *told = ended;
    let all = group.and_then(|group| rises(group, ended, of));
    let severity = match all.is_some() {
        true => Severity::Low,
        false => Severity::Medium,
    };
    let parts: [&[u8]; 1] = [activity.identity.text.as_bytes()];
    let subject = Subject {
        kind: Kind::BaselinePoisonSuspected,
        parts: &parts,
        window: u64::from(ended),
    };
    let thousandths = |x: f64| (x * 1000.0).round() / 1000.0;
    let (lately, _) = own.lately();
    let by_day = own.by_day(ended, a_task(of));
    let draft = || Draft {
        confidence: 0.7,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![
            ("of", json!(name)),
            (
                "a_task",
                json!(thousandths(f64::from(of(&lately) / lately.tasks.max(1.0)))),
            ),
            ("a_day", json!(thousandths(line.slope))),
            ("in_all", json!(thousandths(line.growth))),
            ("standard_errors", json!(thousandths(line.errors))),
            ("mean_by_day", serde_json::Value::Object(by_day)),
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
        let value = finding.observed.get(name);
        value.and_then(serde_json::Value::as_f64).unwrap_or(0.0)
    };
    let what = match finding.observed.get("of").and_then(serde_json::Value::as_str) {
        Some("refused") => "calls that are refused or miss",
        Some("objects_changed_unseen") => "objects that it changes and had not met",
        Some("sensitive_answers") => "answers with sensitive data",
        _ => "objects that nothing had shown to it",
    };
    let days = finding.support.get("days").and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "The tasks of {} at {} have more and more {what}: {:.1} in the mean of the last two weeks, {} more each day and {} more over {}. No \
         day is far from the one before, so what is learned as usual moves along; the line through the days is {:.1} times as steep as its own error.",
        finding.who(),
        finding.place(),
        number("a_task"),
        percent(number("a_day")),
        percent(number("in_all")),
        many(days.unwrap_or(0), "day", "days"),
        number("standard_errors"),
    ))
}
