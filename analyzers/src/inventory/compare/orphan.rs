//! # `orphan_endpoint`: operations that a specification declares and nobody calls
//!
//! Reports, once for each specification and with the list, operations for which no request was seen on any host that it is
//! served on, once one of these was watched for [`crate::Settings::orphan_after`] of covered time: slots of ten minutes in
//! which the host was seen to answer, less the share of exchanges that were not seen whole. Whoever calls one, whatever is
//! answered, takes it off the list; the last one closes the finding.
//!
//! Source: field.md R03; OWASP API Security Top 10 2023, API9.
//!
//! Blind to: what is called less often than the covered time is long, and where nothing is mirrored.
//!
//! Quiet when: none of the specification's hosts was seen.

use reassembly::Timestamp;
use serde_json::{Value, json};

use super::cover::{self, Cover};
use super::short_name;
use super::undocumented::expected_text;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Resource, Severity};
use crate::id::Id;
use crate::settings::Settings;
use crate::spec::Spec;
use crate::store::Store;

/// Operations listed in one finding.
const LISTED: usize = 100;

/// How a specification stands to what was called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its file's name without folders.
    pub specification: String,
    /// Operations that it declares.
    pub operations: u64,
    /// Hosts on which it is served and that were seen, sorted.
    pub hosts: Vec<String>,
    /// Operations that were not called on any of them, `GET /orders/{id}`, in the order of the document.
    pub uncalled: Vec<String>,
    /// The longest covered time of one host, in seconds.
    pub covered: u64,
    /// The days on which that host was watched.
    pub days: u64,
    /// Exchanges of its hosts.
    pub exchanges: u64,
    /// Of those, how many were not seen whole.
    pub lost: u64,
}

/// How a document stands. Nothing when none of its hosts was seen.
pub(crate) fn standing(
    spec: &Spec,
    number: usize,
    covers: &Store<Cover>,
    settings: &Settings,
) -> Option<Standing> {
    let specs = &settings.declared.specs;
    let all = covers.sorted();
    let mut hosts: Vec<&Cover> = all
        .into_iter()
        .map(|(_, cover)| cover)
        .filter(|cover| specs.is_served_on(number, &cover.host) || cover.means(spec))
        .collect();
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    let best = hosts.iter().max_by_key(|cover| cover.covered())?;
    let uncalled = spec
        .operations
        .iter()
        .filter(|operation| !matches!(operation.method.as_str(), "OPTIONS" | "HEAD" | "TRACE"))
        .filter(|operation| {
            let key = cover::operation(spec, operation);
            !hosts.iter().any(|cover| cover.was_called(key))
        })
        .map(|operation| format!("{} {}", operation.method, operation.path))
        .collect();
    Some(Standing {
        specification: short_name(spec).to_owned(),
        operations: spec.operations.len() as u64,
        uncalled,
        covered: best.covered(),
        days: best.days(),
        exchanges: hosts.iter().map(|cover| cover.exchanges).sum(),
        lost: hosts.iter().map(|cover| cover.lost).sum(),
        hosts: hosts.into_iter().map(|cover| cover.host.clone()).collect(),
    })
}

/// Looks at the documents of a host whose covered time, or whose called operations, have grown.
pub(crate) fn observe(
    covers: &Store<Cover>,
    id: Id,
    ts: Timestamp,
    settings: &Settings,
    filing: &mut Filing,
) {
    let specs = &settings.declared.specs;
    let Some(here) = covers.get(id) else { return };
    for (number, spec) in specs.specs().iter().enumerate() {
        if !specs.is_served_on(number, &here.host) && !here.means(spec) {
            continue;
        }
        let subject = Subject {
            kind: Kind::OrphanEndpoint,
            parts: &[short_name(spec).as_bytes()],
            window: 0,
        };
        // Until enough is covered, nothing is worked out.
        if here.covered() < settings.orphan_after.as_secs() {
            continue;
        }
        let Some(standing) = standing(spec, number, covers, settings) else {
            continue;
        };
        if standing.uncalled.is_empty() {
            filing.close(subject, ts);
            continue;
        }
        let whole = 1.0 - standing.lost as f64 / standing.exchanges.max(1) as f64;
        let draft = || Draft {
            confidence: (whole * 0.9 * 100.0).round() / 100.0,
            resource: Resource {
                host: standing.hosts.first().cloned(),
                ..Resource::default()
            },
            expected: vec![
                ("specification", json!(short_name(spec))),
                ("operations", json!(spec.operations.len())),
            ],
            ..Draft::default()
        };
        let listed: Vec<&String> = standing.uncalled.iter().take(LISTED).collect();
        filing.state(subject, Severity::Info, ts, draft, |running| {
            running.set_count(standing.uncalled.len() as u64);
            running.observed("uncalled", standing.uncalled.len() as u64);
            running.observed("operations", json!(listed));
            running.support("covered_seconds", standing.covered);
            running.support("days", standing.days);
            running.support("exchanges", standing.exchanges);
            running.support("lost", standing.lost);
            running.support("hosts", standing.hosts.len() as u64);
        });
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let support = |name: &str| finding.support.get(name).and_then(Value::as_u64).unwrap_or(0);
    let operations = finding
        .expected
        .get("operations")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let listed = finding.observed_list("operations");
    let shown = listed.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = finding.count.saturating_sub(listed.len().min(5) as u64);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let others = support("hosts").saturating_sub(1);
    let others = if others > 0 {
        format!(" and {}", many(others, "other host", "other hosts"))
    } else {
        String::new()
    };
    sentence(&format!(
        "Nobody called {} of {} that {} declares for {}{others} in {} of covered time on {}: {shown}{more}.",
        finding.count,
        many(operations, "operation", "operations"),
        expected_text(finding, "specification"),
        finding.place(),
        span(support("covered_seconds")),
        many(support("days"), "day", "days"),
    ))
}
