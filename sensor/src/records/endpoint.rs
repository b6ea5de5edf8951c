//! The inventory record: an endpoint and what is known of it.

use std::collections::BTreeMap;

use analyzers::EndpointView;
use analyzers::inventory::Quantiles;
use analyzers::inventory::shape::{BodyView, FieldType, FieldView, ParameterView, Presence, ValuesView};
use serde::Serialize;

use super::time::Rfc3339;
use super::{Pairs, StatusRecord};

/// Quantiles of a measured quantity.
#[derive(Serialize)]
pub(super) struct QuantilesRecord {
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

/// Types of a field or parameter with the number of exchanges.
#[derive(Serialize)]
#[serde(transparent)]
struct TypesRecord(BTreeMap<&'static str, u64>);

impl From<&[(FieldType, u64)]> for TypesRecord {
    fn from(types: &[(FieldType, u64)]) -> Self {
        Self(types.iter().map(|(kind, count)| (kind.name(), *count)).collect())
    }
}

/// Lower and upper bound of a share, with three digits.
fn bounds(presence: &Presence) -> [f64; 2] {
    [presence.low, presence.high].map(|share| (share * 1000.0).round() / 1000.0)
}

/// What is known of values, as far as it is known.
#[derive(Serialize)]
struct ValuesRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(rename = "enum", skip_serializing_if = "<[_]>::is_empty")]
    words: &'a [String],
}

impl<'a> From<&'a ValuesView> for ValuesRecord<'a> {
    fn from(values: &'a ValuesView) -> Self {
        Self {
            format: values.format.map(|format| format.name()),
            words: &values.words,
        }
    }
}

/// A parameter of requests.
#[derive(Serialize)]
struct ParameterRecord<'a> {
    #[serde(rename = "in")]
    place: &'static str,
    name: &'a str,
    types: TypesRecord,
    presence: [f64; 2],
    required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
    #[serde(flatten)]
    values: ValuesRecord<'a>,
}

impl<'a> From<&'a ParameterView> for ParameterRecord<'a> {
    fn from(parameter: &'a ParameterView) -> Self {
        Self {
            place: parameter.place.name(),
            name: &parameter.name,
            types: parameter.types.as_slice().into(),
            presence: bounds(&parameter.presence),
            required: parameter.presence.is_required(),
            repeated: parameter.repeated > 0,
            provisional: parameter.presence.is_provisional(),
            values: (&parameter.values).into(),
        }
    }
}

/// A field of a body.
#[derive(Serialize)]
struct FieldRecord<'a> {
    #[serde(rename = "in")]
    side: String,
    form: &'static str,
    path: String,
    types: TypesRecord,
    presence: [f64; 2],
    required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    provisional: bool,
    #[serde(flatten)]
    values: ValuesRecord<'a>,
}

impl<'a> FieldRecord<'a> {
    fn new(body: &BodyView, field: &'a FieldView) -> Self {
        Self {
            side: body.side.name(),
            form: body.form.name(),
            path: field.path(),
            types: field.types.as_slice().into(),
            presence: bounds(&field.presence),
            required: field.is_required(),
            provisional: field.presence.is_provisional(),
            values: (&field.values).into(),
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
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    template_reasons: &'a [String],
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
    parameters: Vec<ParameterRecord<'a>>,
    fields: Vec<FieldRecord<'a>>,
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
            template_reasons: &endpoint.template_reasons,
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
            parameters: endpoint.shape.parameters.iter().map(Into::into).collect(),
            fields: endpoint
                .shape
                .bodies
                .iter()
                .flat_map(|body| body.fields.iter().map(|field| FieldRecord::new(body, field)))
                .collect(),
        }
    }
}
