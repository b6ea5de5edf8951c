//! # `agent_runaway`: an agent that does not come to an end
//!
//! Looks at each unit of work of a machine: calls of language models and the tokens they took, and calls that change something (or of tools that do) which are made
//! again with the same arguments and succeed. It has run away when
//! - one task has more calls of models than any before, beyond twice the most, with a chance below one in ten thousand, and at least forty;
//! - its calls of models took three times the tokens of the largest task before, and at least 200,000;
//! - they cost three times as much as the dearest task before, and at least 1 (of the currency of the prices in the policies of intent, which say what
//!   models cost): another model is dearer though it takes no more tokens; or
//! - the same call that changes something succeeded twelve times in one task, more than twice as often as in any task before, less than ten seconds apart in the
//!   mean; forty times while it is not known how often it is made.
//!
//! Medium; high at four times the bound.
//!
//! Source: OWASP ASI08:2026; LLM10:2025 (unbounded consumption); MITRE ATLAS AML.T0034.002.
//!
//! Blind to: loops that change their arguments each time and call no model; tasks of a caller and group without a past (for models).
//!
//! Quiet when: GET is repeated (waiting for a job to be done), or what beats slowly (heartbeats, metrics); calls fail (see `retry_storm`); tasks were as long before.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::activity::Activity;
use super::doing::{Unit, note};
use super::failure;
use super::habits::{Habits, count_of, size_of};
use super::retry_storm::call_of;
use super::stage::World;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;

/// Least calls of models and tokens of a task that are much.
const CALLS: u32 = 40;
const TOKENS: u64 = 200_000;

/// Least cost of a task that is much, in hundredths.
const COST: u64 = 100;

/// The same change in one task.
const SAME: u32 = 12;

/// The same while it is not known how often it is made; and the longest pause in the mean.
const UNKNOWN: u32 = 40;
const PACE: Duration = Duration::from_secs(10);

/// Times the bound at which it matters more.
const MUCH: u32 = 4;

/// Changes of one task that are told apart.
const CHANGES: usize = 16;

/// What a task spent. Part of a unit of work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Calls of models, and tokens in and out.
    pub(crate) models: u32,
    pub(crate) tokens: u64,
    /// What they cost, where there are prices; models without one cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<f64>,
    /// Changes by hash, and how often each succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trail: Vec<Trace>,
}

impl Spent {
    /// How often the change that was made most often succeeded.
    pub(crate) fn repeats(&self) -> Option<u32> {
        self.changes.iter().map(|(_, times)| *times).max()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.models == 0 && self.changes.is_empty()
    }
}

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    unit: &mut Unit,
    (own, group): (&Habits, &Habits),
    learned: bool,
    world: &World<'_>,
    ledger: &mut Ledger,
) {
    if activity.kind == PrincipalKind::Human || failure::failed(activity) || activity.status.is_none() {
        return;
    }
    let spent = &mut unit.spent;
    let mut reason = None;
    if let Some(call) = activity.llm {
        spent.models = spent.models.saturating_add(1);
        let tokens = call
            .input_tokens
            .unwrap_or(0)
            .saturating_add(call.output_tokens.unwrap_or(0));
        spent.tokens = spent.tokens.saturating_add(tokens);
        let turns = count_of(Some(&own.turns), Some(&group.turns), 2.0).filter(|_| learned);
        let bound = turns.map(|usual| usual.beyond.ceil().max(f64::from(CALLS)) as u32);
        if let Some((bound, usual)) = bound.zip(turns).filter(|(bound, _)| spent.models >= *bound) {
            reason = Some((
                "model_calls",
                u64::from(spent.models),
                u64::from(bound),
                usual.learned,
            ));
        }
        let tokens = size_of(Some(&own.tokens), Some(&group.tokens), 3.0).filter(|_| learned);
        let bound = tokens.map(|usual| (usual.beyond.ceil() as u64).max(TOKENS));
        if let Some((bound, usual)) = bound.zip(tokens).filter(|(bound, _)| spent.tokens >= *bound) {
            reason = reason.or(Some(("tokens", spent.tokens, bound, usual.learned)));
        }
        if world.settings.intents.has_prices() {
            spent.cost = Some(spent.cost.unwrap_or(0.0) + world.settings.intents.cost(call));
        }
        let cost = spent.cost.unwrap_or(0.0);
        let costs = size_of(Some(&own.costs), Some(&group.costs), 3.0).filter(|_| learned);
        let hundredths = |cost: f64| (cost * 100.0).ceil() as u64;
        let bound = costs.map(|usual| hundredths(usual.beyond).max(COST));
        if let Some((bound, usual)) = bound.zip(costs).filter(|(bound, _)| hundredths(cost) >= *bound) {
            // Money first: it goes on growing while other bounds are passed.
            reason = Some(("cost", hundredths(cost), bound, usual.learned));
        }
    } else if activity.changes_state() {
        let call = call_of(activity, world.seed) as u32;
        let known = spent.changes.iter().position(|(known, _)| *known == call);
        let at = known.unwrap_or_else(|| {
            if spent.changes.len() >= CHANGES {
                spent.changes.remove(0);
            }
            spent.changes.push((call, 0));
            spent.changes.len() - 1
        });
        let times = &mut spent.changes[at].1;
        *times = times.saturating_add(1);
        // Without a body or an object there is nothing that could be the same.
        let says = !activity.request.message.body.is_empty();
        let times = *times;
        let usual = count_of(Some(&own.repeats), Some(&group.repeats), 2.0);
        let bound = match usual {
            Some(usual) => usual.beyond.ceil().max(f64::from(SAME)) as u32,
            // Nobody knows yet how it works: what beats slowly is a heart.
            None => UNKNOWN,
        };
        let quick = unit.last.since(unit.first) <= PACE * times;
        if times >= bound && says && quick {
            let tasks = usual.map_or(0, |usual| usual.learned);
            reason = Some(("same_change", u64::from(times), u64::from(bound), tasks));
        }
    } else {
        return;
    }
    let Some((what, value, bound, tasks)) = reason else {
        return note(&mut spent.trail, || activity.trace());
    };
    let severity = match value >= bound.saturating_mul(u64::from(MUCH)) {
        true => Severity::High,
        false => Severity::Medium,
    };
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), what.as_bytes()];
    let subject = Subject {
        kind: Kind::AgentRunaway,
        parts: &parts,
        window: day(unit.first),
    };
    let (name, usual) = names(what);
    let spent = &unit.spent;
    let shown = |value: u64| match what {
        "cost" => json!(value as f64 / 100.0),
        _ => json!(value),
    };
    let draft = || Draft {
        confidence: 0.75,
        principal: true,
        resource: activity.resource(),
        observed: vec![("reason", json!(what))],
        expected: vec![(usual, shown(bound))],
        support: vec![("tasks", json!(tasks))],
        earlier: spent.trail.clone(),
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.set_count(u64::from(unit.calls));
        running.observed("model_calls", spent.models);
        running.observed("tokens", spent.tokens);
        running.observed(name, shown(value));
        running.observed("calls", unit.calls);
        running.observed("seconds", unit.last.since(unit.first).as_secs());
    });
    unit.reported = true;
}

/// What is counted for a reason, and what would have been usual, as records name them.
fn names(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "cost" => ("cost", "cost_fewer_than"),
        "tokens" => ("tokens", "tokens_fewer_than"),
        "model_calls" => ("model_calls", "model_calls_fewer_than"),
        _ => ("same_changes", "same_changes_fewer_than"),
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let reason = finding.observed.get("reason").and_then(serde_json::Value::as_str);
    let (name, usual) = names(reason.unwrap_or(""));
    let value = finding.observed_number(name);
    let bound = finding.expected.get(usual).and_then(serde_json::Value::as_u64);
    let bound = bound.unwrap_or(0);
    let what = match reason {
        Some("model_calls") => format!("called models {}", many(value, "time", "times")),
        Some("cost") => {
            let cost =
                |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_f64).unwrap_or(0.0);
            return sentence(&format!(
                "In one task of {} and {}, {} had models cost {:.2} by the prices that were set; less than {:.2} would have been usual. The \
                 latest call went to {}.",
                span(finding.observed_number("seconds")),
                many(finding.observed_number("calls"), "call", "calls"),
                finding.who(),
                cost(finding.observed.get(name)),
                cost(finding.expected.get(usual)),
                finding.place(),
            ));
        }
        Some("tokens") => format!("took {} of models", many(value, "token", "tokens")),
        _ => format!(
            "made the same change {}, each time with success",
            many(value, "time", "times")
        ),
    };
    sentence(&format!(
        "In one task of {} and {}, {} {what}; fewer than {bound} would have been usual. The latest call went to {}.",
        span(finding.observed_number("seconds")),
        many(finding.observed_number("calls"), "call", "calls"),
        finding.who(),
        finding.place(),
    ))
}
