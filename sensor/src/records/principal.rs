//! The agents record: a principal and what is known of it. Services, people and unknown callers have one too;
//! `kind` tells them apart.

use std::collections::BTreeMap;

use analyzers::graph::EdgeView;
use analyzers::identity::{GrantView, Registered};
use analyzers::work::WorkView;
use analyzers::{Mode, ModelUse, PrincipalView};
use serde::Serialize;

use super::endpoint::QuantilesRecord;
use super::time::Rfc3339;
use super::{Pairs, StatusRecord};

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    exchanges: u64,
    last_seen: Rfc3339,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    scopes: &'a [String],
}

/// Endpoints of one record. The store has all of them; the topic need not.
const CALLED: usize = 50;

/// What others are made to call.
#[derive(Serialize)]
struct Reached<'a> {
    through: &'a str,
    by: &'a str,
    endpoint: &'a str,
    exchanges: u64,
    causes: BTreeMap<&'static str, u64>,
    confidence: f64,
    last_seen: Rfc3339,
}

impl<'a> Reached<'a> {
    fn new(edge: &'a EdgeView) -> Self {
        Self {
            through: &edge.through,
            by: &edge.by,
            endpoint: &edge.to,
            exchanges: edge.exchanges,
            causes: edge
                .causes
                .iter()
                .map(|(cause, count)| (cause.name(), *count))
                .collect(),
            confidence: edge.confidence,
            last_seen: Rfc3339(edge.last_seen.0),
        }
    }
}

/// How tokens are asked for.
#[derive(Serialize)]
struct GrantRecord<'a> {
    grant: &'a str,
    client_auth: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    exchanges: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_s: Option<i64>,
    last_seen: Rfc3339,
}

impl<'a> GrantRecord<'a> {
    fn new(grant: &'a GrantView) -> Self {
        Self {
            grant: &grant.grant,
            client_auth: &grant.client_auth,
            client: grant.client.as_deref(),
            exchanges: grant.exchanges,
            lifetime_s: grant.lifetime,
            last_seen: Rfc3339(grant.last_seen.0),
        }
    }
}

/// Units of work.
#[derive(Serialize)]
struct WorkRecord {
    units: u64,
    /// Calls of one unit that is over.
    calls: QuantilesRecord,
    /// Calls by what joined them to others.
    links: BTreeMap<&'static str, u64>,
}

impl WorkRecord {
    fn new(work: &WorkView) -> Option<Self> {
        (work.units > 0).then(|| Self {
            units: work.units,
            calls: QuantilesRecord::from(&work.calls),
            links: work
                .links
                .iter()
                .map(|(link, count)| (link.name(), *count))
                .collect(),
        })
    }
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    #[serde(flatten)]
    used: ModelUse,
}

/// A sign of the kind.
#[derive(Serialize)]
struct Sign<'a> {
    what: &'a str,
    kind: &'static str,
    weight: f64,
    exchanges: u64,
}

#[derive(Serialize)]
struct Volume {
    request: u64,
    response: u64,
}

/// What the registry of agents says.
#[derive(Serialize)]
struct RegisteredRecord<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'a str>,
    scopes: &'a [String],
    tools_beyond: &'a [String],
}

impl<'a> RegisteredRecord<'a> {
    fn new(agent: &'a Registered) -> Self {
        Self {
            name: &agent.name,
            owner: agent.owner.as_deref(),
            purpose: agent.purpose.as_deref(),
            scopes: &agent.scopes,
            tools_beyond: &agent.tools_beyond,
        }
    }
}

fn some(pairs: &[(String, u64)]) -> Option<Pairs<'_, u64>> {
    (!pairs.is_empty()).then_some(Pairs(pairs))
}

/// One line of `--agents`, and the value on the agents topic.
#[derive(Serialize)]
pub(crate) struct PrincipalRecord<'a> {
    v: u8,
    id: &'a str,
    kind: &'static str,
    score: f64,
    reasons: Vec<Sign<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interactivity: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    decided_by: &'a str,
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<Pairs<'a, u64>>,
    programs: Pairs<'a, u64>,
    first_seen: Rfc3339,
    last_seen: Rfc3339,
    exchanges: u64,
    bytes: Volume,
    status: StatusRecord,
    auth: Pairs<'a, u64>,
    credentials: u64,
    clients: u64,
    addresses: &'a [String],
    endpoint_count: u64,
    endpoints: Vec<Called<'a>>,
    tools: Pairs<'a, u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Model<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_tools_offered: Option<Pairs<'a, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_tools_called: Option<Pairs<'a, u64>>,
    learned: bool,
    discovered_after_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<WorkRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reaches: Vec<Reached<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grants: Vec<GrantRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered: Option<RegisteredRecord<'a>>,
}

impl<'a> PrincipalRecord<'a> {
    /// The record of `principal`.
    pub(crate) fn new(principal: &'a PrincipalView) -> Self {
        Self {
            v: super::VERSION,
            id: &principal.id,
            kind: principal.kind.name(),
            score: principal.score,
            reasons: principal
                .reasons
                .iter()
                .map(|(reason, exchanges)| Sign {
                    what: &reason.what,
                    kind: reason.kind.name(),
                    weight: f64::from(reason.weight) / 100.0,
                    exchanges: *exchanges,
                })
                .collect(),
            mode: principal.mode.map(Mode::name),
            interactivity: principal.interactivity,
            name: principal.name.as_deref(),
            decided_by: &principal.decided_by,
            evidence: &principal.evidence,
            subject: principal.subject.as_deref(),
            on_behalf_of: some(&principal.on_behalf_of),
            programs: Pairs(&principal.programs),
            first_seen: Rfc3339(principal.first_seen.0),
            last_seen: Rfc3339(principal.last_seen.0),
            exchanges: principal.exchanges,
            bytes: Volume {
                request: principal.bytes.0,
                response: principal.bytes.1,
            },
            status: StatusRecord::new(principal.status, principal.no_response),
            auth: Pairs(&principal.auth),
            credentials: principal.credentials,
            clients: principal.clients,
            addresses: &principal.addresses,
            endpoint_count: principal.endpoint_count,
            endpoints: principal
                .endpoints
                .iter()
                .take(CALLED)
                .map(|used| Called {
                    id: &used.id,
                    exchanges: used.exchanges,
                    last_seen: Rfc3339(used.last_seen.0),
                    scopes: &used.scopes,
                })
                .collect(),
            tools: Pairs(&principal.tools),
            models: principal
                .models
                .iter()
                .map(|(name, used)| Model { name, used: *used })
                .collect(),
            llm_tools_offered: some(&principal.llm_tools_offered),
            llm_tools_called: some(&principal.llm_tools_called),
            learned: principal.learned,
            discovered_after_ms: principal.discovered_after_ms,
            work: WorkRecord::new(&principal.work),
            grants: principal.grants.iter().map(GrantRecord::new).collect(),
            reaches: principal.reaches.iter().take(CALLED).map(Reached::new).collect(),
            registered: principal.registered.as_ref().map(RegisteredRecord::new),
        }
    }
}
