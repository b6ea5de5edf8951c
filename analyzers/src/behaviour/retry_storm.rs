//! # `retry_storm`: the same call fails and is made again, without a pause
//!
//! Follows, in each unit of work, a call that fails and is repeated as it was: the same operation with the same target and
//! the same arguments. Eight failures in a row make a finding when the caller does not back off: the latest pauses are
//! not at least twice as long as the first ones, and shorter than ten seconds on the average. So does a caller that comes back five times
//! before the time that `Retry-After` names.
//!
//! Medium; high from fifty failures on, or when the call changes something and comes back before it was allowed to.
//!
//! Source: OWASP API4:2023; RFC 9110 section 10.2.3 (`Retry-After`); RFC 6585 section 4; the backoff that client libraries of cloud
//! providers agree on (exponential, with jitter).
//!
//! Blind to: retries with other arguments each time (`bola_enumeration` and `rate_anomaly` look at those); retries spread over many
//! principals.
//!
//! Quiet when: pauses grow, also up to a ceiling of ten seconds or more; the call succeeds in between; the caller gives up before the eighth.

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::activity::Activity;
use super::doing::{Unit, note};
use super::failure;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::id::{Id, Seed};
use crate::mcp::message;

/// Times that a caller may come back before it was allowed to.
const EARLY: u32 = 5;

/// Seconds between attempts that are a pause.
const PAUSE: f64 = 10.0;

/// Failures from which on it matters more.
const MANY: u32 = 50;

/// A call that fails again and again. Part of a unit of work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Loop {
    pub(super) template: Id,
    /// Of target and arguments.
    call: u64,
    failures: u32,
    #[serde(with = "crate::store::nanos")]
    first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// Mean of the first three pauses, and of the latest, in seconds.
    early: f64,
    late: f64,
    /// When it may come back, and how often it came before that.
    #[serde(with = "crate::store::nanos")]
    allowed: Timestamp,
    ignored: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trail: Vec<Trace>,
}

impl Loop {
    pub(super) fn new(template: Id) -> Self {
        Self {
            template,
            call: 0,
            failures: 0,
            first: Timestamp(0),
            last: Timestamp(0),
            early: 0.0,
            late: 0.0,
            allowed: Timestamp(0),
            ignored: 0,
            trail: Vec::new(),
        }
    }

    fn restart(&mut self, call: u64, ts: Timestamp) {
        *self = Self {
            call,
            first: ts,
            last: ts,
            ..Self::new(self.template)
        };
    }

    /// Counts one more failure of the same call.
    fn fail(&mut self, activity: &Activity<'_>) {
        let ts = activity.ts;
        if self.failures > 0 {
            let gap = ts.since(self.last).as_secs_f64();
            let gaps = f64::from(self.failures);
            if self.failures <= 3 {
                self.early += (gap - self.early) / gaps;
            }
            self.late += (gap - self.late) / gaps.min(3.0);
            self.ignored += u32::from(ts < self.allowed);
        }
        self.failures += 1;
        self.last = self.last.max(ts);
        if let Some(wait) = retry_after(activity) {
            let end = activity.exchange.completed.max(ts);
            // A clock may be a little off, and so may a timer.
            self.allowed = Timestamp(end.0.saturating_add(wait.saturating_mul(900_000_000)));
        }
    }

    fn storms(&self, failures: u64) -> bool {
        let backs_off = self.late >= PAUSE || self.late >= 2.0 * self.early.max(0.05);
        (u64::from(self.failures) >= failures && !backs_off) || self.ignored >= EARLY
    }
}

/// Seconds that the server asks to wait; dates are not read.
fn retry_after(activity: &Activity<'_>) -> Option<u64> {
    let response = activity.exchange.response.as_ref()?;
    response.message.field("retry-after")?.trim().parse().ok()
}

/// What is the same when a call is made again. Messages of JSON-RPC have another id each time, and some a token to tell progress
/// by: of those the arguments count.
pub(super) fn call_of(activity: &Activity<'_>, seed: Seed) -> u64 {
    let request = activity.request;
    let body = request.message.body.as_slice();
    let (messages, _) = match activity.call {
        Some(call) if matches!(call.protocol, "mcp" | "jsonrpc" | "a2a") => message::read(body),
        _ => (Vec::new(), false),
    };
    let params = messages.first().and_then(|message| message.params);
    let asked = match (params.and_then(|params| params.get("arguments")), params) {
        (Some(arguments), _) => arguments.bytes,
        (None, Some(params)) => params.bytes,
        (None, None) => body,
    };
    seed.hash(request.target().as_bytes()).rotate_left(17) ^ seed.hash(asked)
}

/// Looks at one exchange.
pub(super) fn observe(activity: &Activity<'_>, unit: &mut Unit, seed: Seed, ledger: &mut Ledger) {
    let template = activity.place.template;
    if activity.status.is_none() {
        return;
    }
    if !failure::failed(activity) {
        if let Some(known) = unit.loops.iter_mut().find(|l| l.template == template) {
            known.restart(0, activity.ts);
        }
        return;
    }
    let call = call_of(activity, seed);
    let known = unit.repeats(template);
    if known.call != call {
        known.restart(call, activity.ts);
    }
    known.fail(activity);
    if !known.storms(activity.thresholds.retry_failures) {
        note(&mut known.trail, || activity.trace());
        return;
    }
    let severity = match known {
        _ if known.failures >= MANY => Severity::High,
        _ if known.ignored >= EARLY && activity.changes_state() => Severity::High,
        _ => Severity::Medium,
    };
    let template = template.to_string();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), template.as_bytes()];
    let subject = Subject {
        kind: Kind::RetryStorm,
        parts: &parts,
        window: day(known.first),
    };
    let draft = || Draft {
        confidence: 0.9,
        principal: true,
        resource: activity.resource(),
        expected: vec![
            (
                "failures_in_a_row",
                json!(activity.thresholds.retry_failures.saturating_sub(1)),
            ),
            ("pause_s", json!(PAUSE)),
        ],
        earlier: known.trail.clone(),
        ..Draft::default()
    };
    let hundredths = |x: f64| (x * 100.0).round() / 100.0;
    ledger.report(subject, severity, activity, draft, |running| {
        running.count(known.failures.into());
        running.observed("failures", known.failures);
        running.observed("status", json!(activity.status));
        running.observed("first_pauses_s", hundredths(known.early));
        running.observed("latest_pauses_s", hundredths(known.late));
        running.observed("before_allowed", known.ignored);
        running.observed("seconds", known.last.since(known.first).as_secs());
        running.support("failures", known.failures);
    });
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let pause = |name: &str| {
        let value = finding.observed.get(name).and_then(serde_json::Value::as_f64);
        value.unwrap_or(0.0)
    };
    let early = match finding.observed_number("before_allowed") {
        0 => String::new(),
        times => format!(
            " It came back {} before the time that the server had named.",
            many(times, "time", "times")
        ),
    };
    sentence(&format!(
        "{} made the same call of {} again and again: {} within {}, {:.1} s apart at first and {:.1} s at the end (the last one {}).{early}",
        finding.who(),
        finding.place(),
        many(
            finding.observed_number("failures"),
            "failure in a row",
            "failures in a row"
        ),
        span(finding.observed_number("seconds")),
        pause("first_pauses_s"),
        pause("latest_pauses_s"),
        finding.answer(),
    ))
}
