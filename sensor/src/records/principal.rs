//! The agents record: a principal and what is known of it. Services, people and unknown callers have one too;
//! `kind` tells them apart.

use analyzers::{ModelUse, PrincipalView};
use serde::Serialize;

use super::time::Rfc3339;
use super::{Pairs, StatusRecord};

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    exchanges: u64,
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    #[serde(flatten)]
    used: ModelUse,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    evidence: &'a [String],
    first_seen: Rfc3339,
    last_seen: Rfc3339,
    exchanges: u64,
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
}

impl<'a> PrincipalRecord<'a> {
    /// The record of `principal`.
    pub(crate) fn new(principal: &'a PrincipalView) -> Self {
        Self {
            v: super::VERSION,
            id: &principal.id,
            kind: principal.kind.name(),
            name: principal.name.as_deref(),
            evidence: &principal.evidence,
            first_seen: Rfc3339(principal.first_seen.0),
            last_seen: Rfc3339(principal.last_seen.0),
            exchanges: principal.exchanges,
            status: StatusRecord::new(principal.status, principal.no_response),
            auth: Pairs(&principal.auth),
            credentials: principal.credentials,
            clients: principal.clients,
            addresses: &principal.addresses,
            endpoint_count: principal.endpoint_count,
            endpoints: principal
                .endpoints
                .iter()
                .map(|(id, exchanges)| Called {
                    id,
                    exchanges: *exchanges,
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
        }
    }
}
