//! # `dormant_reactivated`: somebody wakes up and is another one
//!
//! Who was at work on five days or more, was then silent for two weeks and four times as long as ever between two of its days, and is back, is looked at for a
//! day. Told when on that day it does at least two of: it comes from an address it never came from, calls endpoints it never called, gets answers with sensitive data, makes three times the
//! calls of its usual day.
//!
//! Medium; high with three or more.
//!
//! Source: OWASP NHI1:2025; ASI10:2026; MITRE ATT&CK T1078.
//!
//! Blind to: who does after its sleep what it always did (see `stale_principal_active` for long silence by itself); hosts that were not watched in
//! between, where silence is no silence.
//!
//! Quiet when: holidays and vacations end, and work goes on as before; the caller is known by its address alone.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::activity::Activity;
use super::days::{Days, day_of};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Days of silence, at least, and times the longest pause before.
const SILENT: u32 = 14;
const TIMES: u32 = 4;

/// Days at work before.
const DAYS: usize = 5;

/// Times the calls of a usual day.
const MUCH: f32 = 3.0;

/// Somebody who came back. Part of a principal's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Woken {
    /// The day on which it came back, and for how many it had been silent.
    day: u32,
    silent: u32,
    /// What was strange since: a bit each, see [`STRANGE`].
    strange: u8,
}

const STRANGE: [&str; 4] = ["new_address", "new_endpoints", "sensitive_data", "many_calls"];

impl Woken {
    pub(crate) fn is_none(&self) -> bool {
        self.day == 0
    }
}

/// Looks at one exchange, before it is counted in `days`. `strange` says whether it comes from an address, and goes to an endpoint, that
/// the principal had nothing to do with before.
pub(super) fn observe(
    activity: &Activity<'_>,
    woken: &mut Woken,
    days: &Days,
    (address, endpoint): (bool, bool),
    ledger: &mut Ledger,
) {
    if activity.identity.by_address {
        return;
    }
    let today = day_of(activity.ts);
    if let Some(silent) = days.silent_before(today) {
        let enough = days
            .pauses()
            .filter(|(count, longest)| *count >= DAYS && silent >= SILENT.max(longest.saturating_mul(TIMES)));
        *woken = match enough {
            Some(_) => Woken {
                day: today,
                silent,
                strange: 0,
            },
            None => Woken::default(),
        };
    }
    if woken.day != today || today == 0 || !activity.accepted() {
        return;
    }
    let before = woken.strange;
    let many = days.today_calls() >= MUCH * days.usual_calls().max(10.0);
    let sensitive = activity.carried.response.iter().next().is_some();
    for (bit, on) in [address, endpoint, sensitive, many].into_iter().enumerate() {
        woken.strange |= u8::from(on) << bit;
    }
    let count = woken.strange.count_ones();
    if woken.strange == before || count < 2 {
        return;
    }
    let severity = match count {
        2 => Severity::Medium,
        _ => Severity::High,
    };
    let day = today.to_le_bytes();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), &day];
    let subject = Subject {
        kind: Kind::DormantReactivated,
        parts: &parts,
        window: u64::from(today),
    };
    let (worked, longest) = days.pauses().unwrap_or_default();
    let names: Vec<&str> = STRANGE
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| woken.strange >> bit & 1 == 1)
        .map(|(_, name)| name)
        .collect();
    let draft = || Draft {
        confidence: 0.75,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![("days_silent", json!(woken.silent)), ("strange", json!(names))],
        expected: vec![("longest_pause_days", json!(longest))],
        support: vec![("days", json!(worked))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let longest = finding.expected.get("longest_pause_days");
    let strange = finding
        .observed
        .get("strange")
        .and_then(serde_json::Value::as_array);
    let words: Vec<&str> = strange
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .map(|name| match name {
            "new_address" => "comes from an address that it never had",
            "new_endpoints" => "calls what it never called",
            "sensitive_data" => "gets sensitive data",
            _ => "makes many more calls than on a usual day",
        })
        .collect();
    sentence(&format!(
        "{} is back at {} after {} of silence (its longest pause before was {}), and on that day {}.",
        finding.who(),
        finding.place(),
        many(finding.observed_number("days_silent"), "day", "days"),
        many(
            longest.and_then(serde_json::Value::as_u64).unwrap_or(0),
            "day",
            "days"
        ),
        words.join(", "),
    ))
}
