//! # `audience_mismatch`: a token made for another API is accepted
//!
//! Reports, once per host and audience, a JWT that is accepted by a host although none of its audiences (`aud`) was among those that
//! the host accepted while it was learned (`learning.exchanges` accepted JWTs over `learning.period`): medium; high at an endpoint for
//! operators.
//!
//! Source: RFC 7519 section 4.1.3 (a token that is not for whom it reaches must be rejected); RFC 9068 section 4; RFC 8707; MCP
//! authorization, "Token Audience Binding and Validation"; OWASP API2:2023; NHI4:2025.
//!
//! Blind to: a host that accepted foreign tokens while it was learned; tokens without an audience; hosts with more than sixteen
//! audiences, which are not judged.
//!
//! Quiet when: the request was refused; the host is not learned yet.

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::behaviour::{Activity, privileged};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Id;
use crate::identity::{Binding, TokenFacts};
use crate::inventory::shape::drift::Learning;

/// Audiences of one host; with more it is not judged.
const AUDIENCES: usize = 16;

/// What the tokens that a host accepts have in common. Part of the host's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Accepted calls with a bound token.
    #[serde(default)]
    pub(crate) bound: u64,
    /// Accepted calls with a JWT that has an audience, while the host was learned.
    #[serde(default)]
    accepted: u64,
    /// Seconds since 1970 of the first of them.
    #[serde(default)]
    first: u64,
    /// Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<Id>,
    #[serde(default)]
    learned: bool,
    #[serde(default)]
    too_many: bool,
}

impl Tokens {
    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a token that was accepted.
    pub(crate) fn accept(&mut self, token: &TokenFacts, ts: Timestamp, learn: Learning) {
        let bound = matches!(token.bound, Some(Binding::Key(_) | Binding::Certificate(_)));
        self.bound += u64::from(bound);
        if self.learned || token.audiences.is_empty() {
            return;
        }
        if self.accepted == 0 {
            self.first = ts.seconds();
        }
        let enough =
            self.accepted >= learn.exchanges && ts.seconds().saturating_sub(self.first) >= learn.period;
        if enough {
            self.learned = true;
            return;
        }
        self.accepted += 1;
        for id in &token.audiences {
            if let Err(at) = self.audiences.binary_search(id) {
                if self.audiences.len() >= AUDIENCES {
                    self.too_many = true;
                } else {
                    self.audiences.insert(at, *id);
                }
            }
        }
    }

    /// Of a token that is for others than all those that were accepted while this was learned: how many audiences these had, and
    /// how many tokens they were.
    pub(crate) fn foreign(&self, token: &TokenFacts) -> Option<(usize, u64)> {
        let is_foreign = self.learned
            && !self.too_many
            && !token.audiences.is_empty()
            && token
                .audiences
                .iter()
                .all(|id| self.audiences.binary_search(id).is_err());
        is_foreign.then_some((self.audiences.len(), self.accepted))
    }
}

/// Looks at one accepted use.
pub(super) fn observe(activity: &Activity<'_>, token: &TokenFacts, ledger: &mut Ledger) {
    let Some((audiences, accepted)) = activity.host.and_then(|host| host.foreign) else {
        return;
    };
    let severity = match activity.endpoint {
        Some(endpoint) if privileged(&endpoint.template) => Severity::High,
        _ => Severity::Medium,
    };
    let host = activity.host_name();
    let audience = token.audiences[0].to_string();
    let parts: [&[u8]; 2] = [host.as_bytes(), audience.as_bytes()];
    let subject = Subject {
        kind: Kind::AudienceMismatch,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.75,
        principal: true,
        resource: activity.resource(),
        observed: vec![("audience", json!(audience)), ("status", json!(activity.status))],
        expected: vec![("audiences", json!(audiences))],
        support: vec![("accepted_tokens", json!(accepted))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let known = finding
        .expected
        .get("audiences")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0);
    let rests = finding
        .support
        .get("accepted_tokens")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0);
    sentence(&format!(
        "{} {} to a token of {} that is made for somebody else: its audience is not among the {} accepted in {} before. {} with such a token so far.",
        finding.place(),
        finding.answer(),
        finding.who(),
        many(known, "audience", "audiences"),
        many(rests, "call", "calls"),
        many(finding.count, "call", "calls"),
    ))
}
