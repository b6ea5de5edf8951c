//! The inventory record: an endpoint and what is known of it.

use analyzers::EndpointView;
use analyzers::inventory::Quantiles;
use serde::Serialize;

use super::time::Rfc3339;
use super::{Pairs, StatusRecord};

/// Quantiles of a measured quantity.
#[derive(Serialize)]
struct QuantilesRecord {
    count: u64,
    min: u64,
    p50: u64,
    p95: u64,
    p99: u64,
    max: u64,
}

impl From<&Quantiles> for QuantilesRecord {
    fn from(q: &Quantiles) -> Self {
        Self {
            count: q.count,
            min: q.min,
            p50: q.p50,
            p95: q.p95,
            p99: q.p99,
            max: q.max,
        }
    }
}

/// One line of `--inventory`, and the value on the inventory topic.
#[derive(Serialize)]
pub(crate) struct EndpointRecord<'a> {
    v: u8,
    id: &'a str,
    host: &'a str,
    method: &'a str,
    template: &'a str,
    protocol: &'a str,
    first_seen: Rfc3339,
    last_seen: Rfc3339,
    exchanges: u64,
    status: StatusRecord,
    callers: u64,
    agents: u64,
    auth: Pairs<'a, u64>,
    request_types: Pairs<'a, u64>,
    response_types: Pairs<'a, u64>,
    data_classes: Pairs<'a, u64>,
    latency_us: QuantilesRecord,
    request_bytes: QuantilesRecord,
    response_bytes: QuantilesRecord,
    damaged: u64,
    callers_by_kind: Pairs<'a, u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    purpose: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    tier: &'a str,
    tier_reasons: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_source: Option<&'a str>,
    documented: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<DeclaredRecord<'a>>,
    deprecated: bool,
    agent_facing: bool,
    confidence: f64,
    confidence_reasons: &'a [String],
}

/// Where an endpoint is declared.
#[derive(Serialize)]
struct DeclaredRecord<'a> {
    specification: &'a str,
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
}

impl<'a> EndpointRecord<'a> {
    /// The record of `endpoint`.
    pub(crate) fn new(endpoint: &'a EndpointView) -> Self {
        let facts = &endpoint.facts;
        Self {
            v: super::VERSION,
            id: &endpoint.id,
            host: &endpoint.host,
            method: &endpoint.method,
            template: &endpoint.template,
            protocol: &endpoint.protocol,
            first_seen: Rfc3339(endpoint.first_seen.0),
            last_seen: Rfc3339(endpoint.last_seen.0),
            exchanges: endpoint.exchanges,
            status: StatusRecord::new(endpoint.status, endpoint.no_response),
            callers: endpoint.callers,
            agents: endpoint.agents,
            auth: Pairs(&endpoint.auth),
            request_types: Pairs(&endpoint.request_types),
            response_types: Pairs(&endpoint.response_types),
            data_classes: Pairs(&endpoint.data_classes),
            latency_us: (&endpoint.latency_us).into(),
            request_bytes: (&endpoint.request_bytes).into(),
            response_bytes: (&endpoint.response_bytes).into(),
            damaged: endpoint.damaged,
            callers_by_kind: Pairs(&endpoint.callers_by_kind),
            purpose: &facts.purpose,
            environment: facts.environment.as_deref(),
            tier: facts.tier,
            tier_reasons: &facts.tier_reasons,
            owner: facts.owner.as_deref(),
            owner_source: facts.owner_source,
            documented: facts.documented.name(),
            declared: facts.declared.as_ref().map(|place| DeclaredRecord {
                specification: &place.specification,
                line: place.line,
                operation: place.operation.as_deref(),
            }),
            deprecated: facts.deprecated,
            agent_facing: facts.agent_facing,
            confidence: facts.confidence,
            confidence_reasons: &facts.confidence_reasons,
        }
    }
}
