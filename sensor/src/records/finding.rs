//! The finding record: one revision of a finding.

use analyzers::Finding;
use analyzers::finding::{BlastRadius, Evidence, FindingPrincipal, Resource};
use analyzers::inventory::declared::Suppression;
use serde::Serialize;
use serde_json::{Map, Value};

use super::time::Rfc3339;
use super::{Pairs, SensorRecord};

#[derive(Serialize)]
struct PrincipalPart<'a> {
    id: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    evidence: &'a [String],
}

impl<'a> From<&'a FindingPrincipal> for PrincipalPart<'a> {
    fn from(p: &'a FindingPrincipal) -> Self {
        Self {
            id: &p.id,
            kind: p.kind.name(),
            name: p.name.as_deref(),
            evidence: &p.evidence,
        }
    }
}

#[derive(Serialize)]
struct ResourcePart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
}

impl<'a> From<&'a Resource> for ResourcePart<'a> {
    fn from(r: &'a Resource) -> Self {
        Self {
            endpoint: r.endpoint.as_deref(),
            host: r.host.as_deref(),
            method: r.method.as_deref(),
            template: r.template.as_deref(),
            tool: r.tool.as_deref(),
            object: r.object.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct EvidencePart<'a> {
    exchange: &'a str,
    ts: Rfc3339,
    client: &'a str,
    server: &'a str,
    index: u32,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    frames: &'a [u64],
    method: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl<'a> From<&'a Evidence> for EvidencePart<'a> {
    fn from(e: &'a Evidence) -> Self {
        Self {
            exchange: &e.exchange,
            ts: Rfc3339(e.ts),
            client: &e.client,
            server: &e.server,
            index: e.index,
            frames: &e.frames,
            method: &e.method,
            target: &e.target,
            status: e.status,
        }
    }
}

#[derive(Serialize)]
struct ReachPart {
    since: Rfc3339,
    objects: u64,
    records: u64,
    bytes: u64,
    services: u64,
    endpoints: u64,
}

impl From<BlastRadius> for ReachPart {
    fn from(b: BlastRadius) -> Self {
        Self {
            since: Rfc3339(b.since),
            objects: b.objects,
            records: b.records,
            bytes: b.bytes,
            services: b.services,
            endpoints: b.endpoints,
        }
    }
}

#[derive(Serialize)]
struct SuppressedPart<'a> {
    owner: &'a str,
    reason: &'a str,
    until: String,
    line: u32,
}

#[derive(Serialize)]
struct PlaybookPart<'a> {
    id: &'a str,
    steps: &'a [String],
}

/// One line of `--findings`, and the value on the findings topic.
#[derive(Serialize)]
pub(crate) struct FindingRecord<'a> {
    v: u8,
    id: &'a str,
    revision: u32,
    count: u64,
    status: analyzers::Status,
    kind: analyzers::Kind,
    title: &'a str,
    severity: &'static str,
    confidence: f64,
    first_seen: Rfc3339,
    last_seen: Rfc3339,
    detected_at: Rfc3339,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<PrincipalPart<'a>>,
    resource: ResourcePart<'a>,
    explanation: &'a str,
    impact: &'a str,
    observed: &'a Map<String, Value>,
    expected: &'a Map<String, Value>,
    support: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blast_radius: Option<ReachPart>,
    evidence: Vec<EvidencePart<'a>>,
    filter: &'a str,
    mapping: Pairs<'a, Vec<String>>,
    playbook: PlaybookPart<'a>,
    capture: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<SuppressedPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'a str>,
    sensor: SensorRecord<'a>,
}

impl<'a> FindingRecord<'a> {
    /// The record of `finding`.
    pub(crate) fn new(finding: &'a Finding) -> Self {
        Self {
            v: super::VERSION,
            id: &finding.id,
            revision: finding.revision,
            count: finding.count,
            status: finding.status,
            kind: finding.kind,
            title: &finding.title,
            severity: finding.severity.name(),
            confidence: finding.confidence,
            first_seen: Rfc3339(finding.first_seen),
            last_seen: Rfc3339(finding.last_seen),
            detected_at: Rfc3339(finding.detected_at),
            principal: finding.principal.as_ref().map(Into::into),
            resource: (&finding.resource).into(),
            explanation: &finding.explanation,
            impact: finding.kind.entry().impact,
            observed: &finding.observed,
            expected: &finding.expected,
            support: &finding.support,
            blast_radius: finding.blast_radius.map(Into::into),
            evidence: finding.evidence.iter().map(Into::into).collect(),
            filter: &finding.filter,
            mapping: Pairs(&finding.mapping),
            playbook: PlaybookPart {
                id: &finding.playbook.0,
                steps: &finding.playbook.1,
            },
            capture: &finding.capture,
            suppressed: None,
            held_by: None,
            sensor: SensorRecord {
                name: &finding.sensor.0,
                version: &finding.sensor.1,
            },
        }
    }
}

impl<'a> FindingRecord<'a> {
    /// The record of a finding that a storm holds back.
    pub(crate) fn held_by(mut self, storm: &'a str) -> Self {
        self.held_by = Some(storm);
        self
    }

    /// The record of a finding that is hidden.
    pub(crate) fn hidden_by(mut self, by: &'a Suppression) -> Self {
        self.suppressed = Some(SuppressedPart {
            owner: &by.owner,
            reason: &by.reason,
            until: by.until.to_string(),
            line: by.line,
        });
        self
    }
}

/// The stable name of a kind, as records have it.
pub(crate) fn kind_name(kind: analyzers::Kind) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}
