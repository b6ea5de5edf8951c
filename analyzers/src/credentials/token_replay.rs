//! # `token_replay`: what is good for one use is used again
//!
//! Reports, once per credential,
//! - `proof`: a DPoP proof whose `jti` came before with the same token, and is accepted again: high;
//! - `code`: an authorization code that is exchanged for tokens a second time: high; asked for a second time, refused, and from
//!   another client address: medium, for somebody has it who should not;
//! - `refresh_token`: a refresh token that another has replaced is accepted again: high; refused, and from another client address:
//!   medium (its owner or a thief came second, and nobody can tell which);
//! - `assertion`: a client's signed assertion that is accepted a second time: medium.
//!
//! Source: RFC 9449 sections 4.3 and 11.1; RFC 6749 section 4.1.2; RFC 9700 section 4.14.2; RFC 7523 section 3 rule 7; OWASP
//! API2:2023; NHI9:2025.
//!
//! Blind to: a token that is simply used by a thief (`credential_shared` tells that); a proof replayed after more than 64 others, or
//! with another token.
//!
//! Quiet when: both uses overlap in time (one exchange seen on both sides of a proxy); a client asks for the same tokens again within a
//! minute, as it does when an answer was lost; a refresh token is used again and never replaced, which is allowed.

use std::time::Duration;

use reassembly::Timestamp;
use serde_json::json;

use super::grant::{Grant, Once};
use super::known::{Known, Shown, Spent};
use super::proof::Proof;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::id::{Id, Seed};
use crate::identity::Scheme;
use crate::store::Store;

/// Time in which a client asks again when an answer was lost.
const AGAIN: Duration = Duration::from_secs(60);

fn end(activity: &Activity<'_>) -> Timestamp {
    let response = activity.exchange.response.as_ref();
    response.map_or(activity.ts, |r| r.message.last).max(activity.ts)
}

/// A proof that came with an accepted request.
pub(super) fn of_proof(
    activity: &Activity<'_>,
    proof: &Proof,
    row: &mut Known,
    seed: Seed,
    ledger: &mut Ledger,
) {
    let hash = seed.hash(proof.id.as_bytes());
    let shown = Shown {
        id: hash,
        from: activity.ts,
        to: end(activity),
    };
    let Some(before) = row.life_mut().show(shown) else {
        return;
    };
    if before.from <= end(activity) && activity.ts <= before.to {
        return;
    }
    let apart = if activity.ts > before.from {
        activity.ts.since(before.from)
    } else {
        before.from.since(activity.ts)
    };
    let what = hash.to_be_bytes();
    tell(
        activity,
        "proof",
        &what,
        (Severity::High, apart, true),
        None,
        ledger,
    );
}

/// Credentials that were given for tokens.
pub(super) fn of_grant(activity: &Activity<'_>, grant: &Grant, rows: &mut Store<Known>, ledger: &mut Ledger) {
    let given = grant.access.is_some();
    for (once, id) in &grant.once {
        let spent = rows.get(*id).and_then(|row| row.life()?.spent.clone());
        if let Some(before) = spent {
            again(activity, (*once, *id), &before, given, ledger);
            continue;
        }
        // A refresh token that was not replaced stays good.
        let replaced = grant.refresh.is_some_and(|next| next != *id);
        if given && (*once != Once::Refresh || replaced) {
            let row = rows.entry(*id, || Known::new(Scheme::Bearer, activity.ts));
            row.life_mut().spent = Some(Spent {
                from: activity.ts,
                to: end(activity),
                client: activity.exchange.flow.client.ip(),
                trace: activity.trace(),
            });
        }
    }
}

fn again(activity: &Activity<'_>, (once, id): (Once, Id), before: &Spent, given: bool, ledger: &mut Ledger) {
    let same_client = activity.exchange.flow.client.ip() == before.client;
    let overlaps = before.from <= end(activity) && activity.ts <= before.to;
    let apart = activity.ts.since(before.to.min(activity.ts));
    if overlaps || (same_client && apart <= AGAIN) {
        return;
    }
    let (what, severity) = match (once, given) {
        (Once::Code, true) => ("code", Severity::High),
        (Once::Refresh, true) => ("refresh_token", Severity::High),
        (Once::Assertion, true) => ("assertion", Severity::Medium),
        // Refused, as it should be; that somebody else tried is worth knowing.
        (Once::Code, false) if !same_client => ("code", Severity::Medium),
        (Once::Refresh, false) if !same_client => ("refresh_token", Severity::Medium),
        _ => return,
    };
    let id = id.to_string();
    let earlier = Some(&before.trace);
    tell(
        activity,
        what,
        id.as_bytes(),
        (severity, apart, given),
        earlier,
        ledger,
    );
}

fn tell(
    activity: &Activity<'_>,
    what: &'static str,
    id: &[u8],
    (severity, apart, accepted): (Severity, Duration, bool),
    earlier: Option<&Trace>,
    ledger: &mut Ledger,
) {
    let parts: [&[u8]; 2] = [what.as_bytes(), id];
    let subject = Subject {
        kind: Kind::TokenReplay,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: if accepted { 0.9 } else { 0.7 },
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("reason", json!(what)),
            ("seconds_between", json!(apart.as_secs())),
            ("accepted", json!(accepted)),
            ("client", json!(activity.exchange.flow.client.ip().to_string())),
        ],
        expected: vec![("uses", json!(1))],
        earlier: earlier.into_iter().cloned().collect(),
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.observed("uses", running.seen() + 1);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = match finding.observed_text("reason") {
        "proof" => "a DPoP proof",
        "code" => "an authorization code",
        "refresh_token" => "a refresh token that another had replaced",
        _ => "a client assertion",
    };
    let outcome = if finding.observed_flag("accepted") {
        "and it was accepted"
    } else {
        "and it was refused"
    };
    sentence(&format!(
        "{} showed {what} at {} from {} {} after its first use, {outcome}. It is good for one use and was shown again {}.",
        finding.who(),
        finding.place(),
        finding.observed_text("client"),
        span(finding.observed_number("seconds_between")),
        many(finding.count, "time", "times"),
    ))
}
