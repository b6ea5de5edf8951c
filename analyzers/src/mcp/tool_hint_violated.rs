//! # `tool_hint_violated`: a tool that says it changes nothing changes something
//!
//! Reports, once per tool, that while a tool with `readOnlyHint` was at work, its server's address sent a request that changes data
//! (POST, PUT, PATCH or DELETE, a mutation of GraphQL, a tool that says so by its name), and that this request belongs to the call:
//! both are of one trace (`traceparent`): high; or a value of the call's arguments is in it: medium.
//!
//! Source: MCP, "Tool Annotations" (hints are not to be trusted); OWASP Agentic ASI02:2026, ASI04:2026.
//!
//! Blind to: what a server changes in itself, or over what this sensor does not see or cannot read; requests that are answered
//! after the call is; calls by values that are not copied as they are.
//!
//! Quiet when: nothing but the time joins the two; the request was refused; a search is sent as POST (`/search`, `/query`).

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use reassembly::Timestamp;
use serde_json::json;

use super::At;
use super::message::Value;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::graph::values;
use crate::id::Seed;
use crate::trace_context;

/// Requests of servers remembered, the latest.
const EFFECTS: usize = 512;

/// Addresses of servers with tools that say they only read.
const ADDRESSES: usize = 1024;

/// A request that changed something.
#[derive(Debug)]
struct Effect {
    client: IpAddr,
    at: Timestamp,
    context: Option<u64>,
    values: Vec<u64>,
    what: String,
    trace: Trace,
}

/// What servers with such tools did lately. It is of seconds, and not stored.
#[derive(Debug, Default)]
pub(super) struct Effects {
    servers: BTreeSet<IpAddr>,
    recent: VecDeque<Effect>,
}

fn is_search(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    let last = last.trim_start_matches(['_', ':']);
    [
        "search", "query", "lookup", "find", "list", "count", "validate", "graphql",
    ]
    .contains(&last)
}

impl Effects {
    /// Remembers a request of a server that changed something.
    pub(super) fn note(&mut self, activity: &Activity<'_>, seed: Seed) {
        let client = activity.exchange.flow.client.ip();
        if self.servers.is_empty() || !self.servers.contains(&client) || !activity.accepted() {
            return;
        }
        let reads = activity.call.is_none() && is_search(activity.request.path());
        if !activity.changes_state() || reads {
            return;
        }
        if self.recent.len() >= EFFECTS {
            self.recent.pop_front();
        }
        let resource = activity.resource();
        let place = (resource.method, resource.host, resource.template);
        self.recent.push_back(Effect {
            client,
            at: activity.ts,
            context: trace_context::of_request(activity.request, seed),
            values: values::of_request(activity.request, seed),
            what: match place {
                (Some(method), Some(host), Some(template)) => format!("{method} {host}{template}"),
                _ => format!("{} {}", activity.trace().method, activity.host_name()),
            },
            trace: activity.trace(),
        });
    }

    /// Looks at calls of tools for what was done meanwhile.
    pub(super) fn observe(&mut self, at: &At<'_>, seed: Seed, filing: &mut Filing) {
        let read_only = |name: &str| {
            let definition = at.server.tools.get(name).and_then(|t| t.definition.as_ref());
            definition.is_some_and(|d| d.read_only())
        };
        if !at.server.tools.keys().any(|name| read_only(name)) {
            // It may be a server of tools itself, called by another.
            self.note(at.activity, seed);
            return;
        }
        let address = at.activity.exchange.flow.server.ip();
        if self.servers.len() < ADDRESSES {
            self.servers.insert(address);
        }
        let flow = &at.activity.exchange;
        let (Some(request), Some(response)) = (&flow.request, &flow.response) else {
            return;
        };
        let window = request.message.first..=response.message.last;
        // With several tools in one request nobody knows which of them did it.
        let mut called = at
            .seen
            .requests
            .iter()
            .filter(|m| m.method_name().as_deref() == Some("tools/call"));
        let (Some(message), None) = (called.next(), called.next()) else {
            return;
        };
        let mut uses = at.seen.calls.iter().filter(|c| c.method == "tools/call");
        let Some(name) = uses
            .next()
            .and_then(|c| c.name.as_deref())
            .filter(|n| read_only(n))
        else {
            return;
        };
        let said = message
            .params
            .and_then(|p| p.get("_meta")?.get_text("traceparent"));
        let own = match said {
            Some(said) => trace_context::of_traceparent(&said, seed),
            None => trace_context::of_request(request, seed),
        };
        let mut given = Vec::new();
        if let Some(arguments) = message.params.and_then(|p| p.get("arguments")) {
            let Value { bytes, .. } = arguments;
            values::of_json(bytes, seed, &mut given);
        }
        // Many requests may have been sent meanwhile, each with many values.
        given.sort_unstable();
        let mut best: Option<(bool, &Effect)> = None;
        for effect in self
            .recent
            .iter()
            .filter(|e| e.client == address && window.contains(&e.at))
        {
            let same = own.is_some() && effect.context == own;
            let shared = effect
                .values
                .iter()
                .any(|value| given.binary_search(value).is_ok());
            if (same || shared) && best.is_none_or(|(before, _)| same && !before) {
                best = Some((same, effect));
            }
        }
        if let Some((same, effect)) = best {
            tell(at, name, same, effect, filing);
        }
    }
}

fn tell(at: &At<'_>, tool: &str, same: bool, effect: &Effect, filing: &mut Filing) {
    let id = at.server.id.to_string();
    let parts: [&[u8]; 2] = [id.as_bytes(), tool.as_bytes()];
    let subject = Subject {
        kind: Kind::ToolHintViolated,
        parts: &parts,
        window: 0,
    };
    let severity = if same { Severity::High } else { Severity::Medium };
    let draft = || Draft {
        confidence: if same { 0.9 } else { 0.7 },
        resource: at.resource(Some(tool)),
        observed: vec![
            ("tool", json!(tool)),
            ("request", json!(effect.what)),
            ("joined_by", json!(if same { "trace" } else { "value" })),
        ],
        expected: vec![("readOnlyHint", json!(true))],
        earlier: vec![effect.trace.clone()],
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |entry| {
        let calls = at.server.tools.get(tool).map_or(0, |t| t.calls);
        entry.support("calls", calls);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let joined = match finding.observed_text("joined_by") {
        "trace" => "of the same trace",
        _ => "with a value of the call in it",
    };
    sentence(&format!(
        "The tool {} of {} says that it only reads, and in {} of it the server sent {}, {joined}.",
        finding.observed_text("tool"),
        finding.place(),
        many(finding.count, "call", "calls"),
        finding.observed_text("request"),
    ))
}
