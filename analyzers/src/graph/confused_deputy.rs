//! # `confused_deputy`: what a caller may not do, a server does for it
//!
//! Reports, once per caller, deputy and endpoint, that a principal was refused (403) at an endpoint, and within a day called
//! another server, which during that call did the same with rights of its own and was let in: high. The same is the endpoint, and
//! the object that both name; where none is named by path or name, all values of query and body. That the one call caused the other
//! is shown by their trace; what several callers may have said, and time alone, accuse nobody.
//!
//! Source: N. Hardy, "The Confused Deputy" (1988); MCP, "Security Best Practices"; OWASP Agentic ASI03:2026; OWASP API5:2023.
//!
//! Blind to: rights that a caller lacks and never tried; refusals that are told as 404; deputies that pass no trace on; what a deputy
//! does after it has answered, or has a second one do.
//!
//! Quiet when: the deputy names for whom it acts (`act`, RFC 8693), or shows the caller's own credential: then the server decided
//! about the caller; the caller itself was let in since; it was refused for asking too often (`Retry-After`).

use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Cause, Caused, values};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::{Id, Seed};

/// Refusals remembered of one principal, the latest.
const REFUSALS: usize = 16;

/// How long a refusal is remembered.
const DAY: Duration = Duration::from_secs(86_400);

/// A call that was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refusal {
    place: Id,
    /// Seeded hash of the object that was named.
    object: Option<u64>,
    /// Of all values that were sent.
    #[serde(default)]
    values: u64,
    trace: Trace,
}

/// What a principal was refused. Part of its row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Refused(Vec<Refusal>);

impl Refused {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn keep(&mut self, activity: &Activity<'_>, object: Option<u64>, seed: Seed) {
        let place = activity.place.template;
        let now = activity.ts;
        let old = |refusal: &Refusal| now.since(Timestamp(refusal.trace.ts)) > DAY;
        self.0
            .retain(|known| (known.place, known.object) != (place, object) && !old(known));
        match activity.status {
            // Who it is was known, and it was not allowed to (RFC 9110 section 15.5.4).
            Some(403) if !asks_to_wait(activity) => {}
            _ => return,
        }
        if self.0.len() >= REFUSALS {
            self.0.remove(0);
        }
        self.0.push(Refusal {
            place,
            object,
            values: values::all(activity.request, seed),
            trace: activity.trace(),
        });
    }

    /// The refusal of what was done.
    fn of(&self, caused: &Caused) -> Option<&Refusal> {
        self.0.iter().rev().find(|refusal| {
            let same = match refusal.object {
                Some(object) => caused.object == Some(object),
                None => caused.object.is_none() && caused.values == refusal.values,
            };
            let late = caused.at.since(Timestamp(refusal.trace.ts)) <= DAY;
            refusal.place == caused.place && same && late && caused.at.0 > refusal.trace.ts
        })
    }
}

/// Whether a refusal is one of asking too often, which says nothing of rights.
fn asks_to_wait(activity: &Activity<'_>) -> bool {
    let answer = activity.exchange.response.as_ref();
    answer.is_some_and(|r| r.message.field("retry-after").is_some())
}

/// Looks at one exchange and what it caused; `object` is what it names.
pub(crate) fn observe(
    activity: &Activity<'_>,
    refused: &mut Refused,
    object: Option<u64>,
    (caused, seed): (&[Caused], Seed),
    ledger: &mut Ledger,
) {
    for one in caused {
        let telling = one.cause == Cause::Trace;
        let others = one.own && one.by != activity.identity.id;
        if telling
            && one.accepted
            && others
            && let Some(refusal) = refused.of(one)
        {
            tell(activity, one, refusal, ledger);
        }
    }
    if activity
        .status
        .is_some_and(|status| status == 403 || (200..300).contains(&status))
    {
        refused.keep(activity, object, seed);
    }
}

fn tell(activity: &Activity<'_>, caused: &Caused, refusal: &Refusal, ledger: &mut Ledger) {
    let (by, place) = (caused.by.to_string(), caused.place.to_string());
    let parts: [&[u8]; 3] = [activity.identity.text.as_bytes(), by.as_bytes(), place.as_bytes()];
    let subject = Subject {
        kind: Kind::ConfusedDeputy,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: f64::from(caused.confidence) / 100.0,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            (
                "deputy",
                json!(caused.name.clone().unwrap_or_else(|| format!("principal {by}"))),
            ),
            (
                "done",
                json!(format!("{} {}", refusal.trace.method, refusal.trace.target)),
            ),
            ("joined_by", json!(caused.cause.name())),
        ],
        expected: vec![("status", json!(403))],
        earlier: [Some(&refusal.trace), caused.trace.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        ..Draft::default()
    };
    ledger.report(subject, Severity::High, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    sentence(&format!(
        "{} was refused {} and had it done by {} instead: its {} to {} made that server send the same with rights of its own, in the same trace.",
        finding.who(),
        finding.observed_text("done"),
        finding.observed_text("deputy"),
        many(finding.count, "call", "calls"),
        finding.place(),
    ))
}
