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
    request_data_classes: Pairs<'a, u64>,
    url_data_classes: Pairs<'a, u64>,
    regimes: &'a [String],
    latency_us: QuantilesRecord,
    request_bytes: QuantilesRecord,
    response_bytes: QuantilesRecord,
    damaged: u64,
}

impl<'a> EndpointRecord<'a> {
    /// The record of `endpoint`.
    pub(crate) fn new(endpoint: &'a EndpointView) -> Self {
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
            request_data_classes: Pairs(&endpoint.request_data_classes),
            url_data_classes: Pairs(&endpoint.url_data_classes),
            regimes: &endpoint.regimes,
            latency_us: (&endpoint.latency_us).into(),
            request_bytes: (&endpoint.request_bytes).into(),
            response_bytes: (&endpoint.response_bytes).into(),
            damaged: endpoint.damaged,
        }
    }
}
