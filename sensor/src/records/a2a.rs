//! The a2a record: an agent of the Agent2Agent protocol with its card, its tasks and everybody who calls it; and what an exchange
//! carried of that protocol.

use std::collections::BTreeMap;

use analyzers::{A2aLabels, A2aParts, AgentView, InterfaceView, SignatureView};
use serde::Serialize;

use super::time::Rfc3339;

#[derive(Serialize)]
struct InterfaceRecord<'a> {
    url: &'a str,
    binding: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

impl<'a> InterfaceRecord<'a> {
    fn new(interface: &'a InterfaceView) -> Self {
        Self {
            url: &interface.url,
            binding: &interface.binding,
            version: interface.version.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct SkillRecord<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct SignatureRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jku: Option<&'a str>,
}

impl<'a> SignatureRecord<'a> {
    fn new(signature: &'a SignatureView) -> Self {
        Self {
            alg: signature.alg.as_deref(),
            kid: signature.kid.as_deref(),
            jku: signature.jku.as_deref(),
        }
    }
}

/// One line of `--a2a`.
#[derive(Serialize)]
pub(crate) struct AgentRecord<'a> {
    v: u8,
    id: &'a str,
    host: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    versions: &'a [String],
    interfaces: Vec<InterfaceRecord<'a>>,
    skills: Vec<SkillRecord<'a>>,
    streaming: bool,
    push_notifications: bool,
    extended_card: bool,
    security_schemes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    asks_for_credentials: Option<bool>,
    signatures: Vec<SignatureRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'a str>,
    card_reads: u64,
    extended_cards: u64,
    first_seen: Rfc3339,
    last_seen: Rfc3339,
    calls: u64,
    failed: u64,
    open_calls: u64,
    bindings: &'a [String],
    methods: &'a BTreeMap<String, u64>,
    tasks: &'a BTreeMap<String, u64>,
    callers: &'a BTreeMap<String, u64>,
}

impl<'a> AgentRecord<'a> {
    /// The record of `agent`.
    pub(crate) fn new(agent: &'a AgentView) -> Self {
        Self {
            v: super::VERSION,
            id: &agent.id,
            host: &agent.host,
            path: &agent.path,
            name: agent.name.as_deref(),
            version: agent.version.as_deref(),
            provider: agent.provider.as_deref(),
            versions: &agent.versions,
            interfaces: agent.interfaces.iter().map(InterfaceRecord::new).collect(),
            skills: agent
                .skills
                .iter()
                .map(|(id, name)| SkillRecord { id, name })
                .collect(),
            streaming: agent.streaming,
            push_notifications: agent.push_notifications,
            extended_card: agent.extended_card,
            security_schemes: &agent.security_schemes,
            asks_for_credentials: agent.asks_for_credentials,
            signatures: agent.signatures.iter().map(SignatureRecord::new).collect(),
            card: agent.card.as_deref(),
            card_reads: agent.card_reads,
            extended_cards: agent.extended_cards,
            first_seen: Rfc3339(agent.first_seen.0),
            last_seen: Rfc3339(agent.last_seen.0),
            calls: agent.calls,
            failed: agent.failed,
            open_calls: agent.open_calls,
            bindings: &agent.bindings,
            methods: &agent.methods,
            tasks: &agent.tasks,
            callers: &agent.callers,
        }
    }
}

#[derive(Serialize)]
struct PartsRecord {
    kind: &'static str,
    count: u64,
    bytes: u64,
}

fn parts(of: &[A2aParts]) -> Vec<PartsRecord> {
    let record = |parts: &A2aParts| PartsRecord {
        kind: parts.kind,
        count: parts.count,
        bytes: parts.bytes,
    };
    of.iter().map(record).collect()
}

/// `a2a` of an exchange record.
#[derive(Serialize)]
pub(super) struct CallRecord<'a> {
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sent: Vec<PartsRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    received: Vec<PartsRecord>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    states: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'a str>,
}

impl<'a> CallRecord<'a> {
    pub(super) fn new(labels: &'a A2aLabels) -> Self {
        Self {
            direction: labels.direction,
            version: labels.version.as_deref(),
            binding: labels.binding,
            method: labels.method.as_deref(),
            task: labels.task.as_deref(),
            context: labels.context.as_deref(),
            sent: parts(&labels.sent),
            received: parts(&labels.received),
            states: &labels.states,
            events: labels.events,
            failed: labels.failed,
            error: labels.error,
            card: labels.card.as_deref(),
        }
    }
}
