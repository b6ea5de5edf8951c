//! The catalogue of findings and the record of each.

use reassembly::Timestamp;

mod alert_storm;
mod catalogue;
mod filter;
pub(crate) mod ledger;
#[cfg(test)]
mod tests;
pub(crate) mod trace;
pub(crate) mod words;

pub use catalogue::{CATALOGUE, Entry};
pub use ledger::Suppressed;

use crate::identity::PrincipalKind;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    Info,
    /// Worth knowing.
    Low,
    /// Worth a look this week.
    Medium,
    /// Worth a look today.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// One step lower.
    pub(crate) fn lowered(self) -> Self {
        match self {
            Self::Info | Self::Low => Self::Info,
            Self::Medium => Self::Low,
            Self::High => Self::Medium,
            Self::Critical => Self::High,
        }
    }
}

/// Where a finding is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// First record of this id.
    New,
    /// A later record of the same id.
    Updated,
    /// No longer so.
    Closed,
}

/// Kinds of findings; the name is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// An endpoint answered a request that showed no credential.
    MissingAuth,
    /// A credential shown in a way that gives it away.
    WeakAuth,
    /// A token without an end, or with one too far away.
    TokenLongLived,
    /// A token accepted after its end.
    ExpiredTokenAccepted,
    /// One credential used by several clients.
    CredentialShared,
    /// One principal walking through objects.
    BolaEnumeration,
    /// More calls than is usual for the principal.
    RateAnomaly,
    /// One client looking for endpoints.
    EndpointDiscoveryScan,
    /// A principal calling what it never called.
    NewEndpointForPrincipal,
    /// Personal or card data in responses.
    SensitiveDataExposure,
    /// Bytes that two receivers may frame differently.
    RequestSmugglingIndicator,
    /// An endpoint that no specification of its host declares.
    ShadowEndpoint,
    /// Parameters that an operation takes and does not declare.
    UndocumentedParameter,
    /// A status that an operation answers with and does not declare.
    UndocumentedStatus,
    /// An endpoint that should be gone and answers.
    ZombieEndpoint,
    /// Declared operations that nobody calls.
    OrphanEndpoint,
    /// An endpoint no longer takes or gives what it did.
    SchemaDrift,
    /// Credentials that reach a host in the clear.
    CleartextApi,
    /// Pages of strangers may call with the visitor's credentials.
    CorsMisconfig,
    /// Errors that tell how the server is built.
    VerboseError,
    /// What was made for developers answers.
    DebugEndpoint,
    /// A GraphQL server tells its whole schema.
    GraphqlIntrospection,
    /// Sensitive answers that caches may keep.
    MissingCacheControl,
    /// The server sends requests back.
    TraceEnabled,
    /// Answers name the software and its version.
    VersionDisclosure,
    /// Nothing slowed a caller at its peak.
    MissingRateLimit,
    /// Responses carry more of people than their caller needs.
    PropertyOverexposure,
    /// Nobody is named who answers for an endpoint.
    UnownedOrUnclassifiedEndpoint,
    /// A tool is no longer what it was said to be.
    ToolDefinitionChanged,
    /// An MCP server does what strangers ask.
    McpUnauthenticated,
    /// Fields and body of a call say different things.
    McpHeaderBodyMismatch,
    /// A tool that says it changes nothing changes something.
    ToolHintViolated,
    /// A language model that nobody allowed is used.
    ShadowLlmUse,
    /// Personal, card or health data sent to a language model.
    SensitiveDataToLlm,
    /// A secret in a prompt, an answer, or the arguments or result of a tool.
    SecretInTraffic,
    /// A language model gives its system prompt away.
    SystemPromptExposure,
    /// A tool that runs code or commands is called.
    CodeExecToolCall,
    /// A credential works on after it was taken back.
    RevokedCredentialAccepted,
    /// A key or password in use for longer than keys should be.
    CredentialNeverRotated,
    /// What is good for one use is used again.
    TokenReplay,
    /// A bound token is accepted without what it is bound to.
    SenderConstraintViolated,
    /// A token that anybody may use, where others are bound to their holder.
    SenderConstraintMissing,
    /// A token made for another API is accepted.
    AudienceMismatch,
    /// An MCP server hands on the token that it was given.
    TokenPassthrough,
    /// A program's token allows far more than a program needs.
    ScopeOverbroad,
    /// A token allows what its holder never does.
    ScopeUnused,
    /// A token that its issuer did not make.
    ForgedToken,
    /// An AI agent that was never seen before.
    NewAgent,
    /// An AI agent that the registry does not name.
    ShadowAgent,
    /// What a caller says of itself does not agree.
    AgentIdentityMismatch,
    /// An agent shows a person's token as its own.
    AgentOnHumanToken,
    /// A person uses the token of a machine.
    HumanUseOfNhi,
    /// A principal that should be gone is back.
    StalePrincipalActive,
    /// One credential in two environments.
    EnvCrossing,
    /// A server does for a caller what that may not do.
    ConfusedDeputy,
    /// The card of an agent is signed by nobody, or is no longer what it was.
    A2aCardUnsignedOrChanged,
    /// An agent does what strangers ask.
    A2aUnauthenticated,
    /// A call that fails is made again and again without a pause.
    RetryStorm,
    /// At work at a time at which neither the principal nor its like ever were.
    OffHoursActivity,
    /// Answers far larger than the principal ever gets.
    DataVolumeAnomaly,
    /// One task changes many things that it never looked at.
    DestructiveActionBurst,
    /// A call outside of what the principal is there for.
    IntentViolation,
    /// Permitted calls in an order that is not the principal's.
    SequenceAnomaly,
    /// A value that is code to the one who reads it.
    InjectionAttempt,
    /// A text that tells the agent that reads it what to do.
    PromptInjectionIndicator,
    /// An agent does what a text told it to do.
    AgentHijack,
    /// A little more each day.
    SlowExfiltration,
    /// What a baseline learns is moved a little each day.
    BaselinePoisonSuspected,
    /// A caller that is not like those that do the same.
    PeerOutlier,
    /// An object of somebody else is read.
    Bola,
    /// A function of another role is used.
    BflaAccess,
    /// A field that nobody sends is sent, and taken.
    MassAssignment,
    /// Far more money than ever.
    UnusualAmount,
    /// An agent that does not come to an end.
    AgentRunaway,
    /// One door, tried again and again.
    AuthFailureBurst,
    /// Many names, each tried a few times.
    CredentialStuffing,
    /// Somebody wakes up and is another one.
    DormantReactivated,
    /// One call that leads to very many.
    CascadeDetected,
    /// An agent is no longer what it was.
    AgentChanged,
    /// More findings than anybody reads.
    AlertStorm,
    /// A step of a flow is left out, or done again.
    BusinessFlowAbuse,
    /// A caller is given data of a sort that it never was given.
    NewDataClassForPrincipal,
    /// What is not seen is not looked at.
    SensorBlindSpot,
}

impl Kind {
    /// Whether it is something that a caller does, rather than how something is set up.
    #[must_use]
    pub fn is_done(self) -> bool {
        self.comes_back()
            || matches!(
                self,
                Self::CredentialShared
                    | Self::AuthFailureBurst
                    | Self::CredentialStuffing
                    | Self::PeerOutlier
                    | Self::BaselinePoisonSuspected
            )
    }

    /// Whether it is only unusual: a change of the caller explains it, see `agent_changed`.
    #[must_use]
    pub fn is_unusual_only(self) -> bool {
        matches!(
            self,
            Self::RateAnomaly
                | Self::SequenceAnomaly
                | Self::DataVolumeAnomaly
                | Self::NewEndpointForPrincipal
                | Self::NewDataClassForPrincipal
        )
    }

    /// Whether it tells how far its caller reached: what callers do, and not how something is set up.
    #[must_use]
    pub fn has_reach(self) -> bool {
        self.is_done()
            || matches!(
                self,
                Self::SlowExfiltration
                    | Self::NewEndpointForPrincipal
                    | Self::ConfusedDeputy
                    | Self::TokenReplay
                    | Self::RevokedCredentialAccepted
                    | Self::ExpiredTokenAccepted
                    | Self::ForgedToken
                    | Self::SenderConstraintViolated
                    | Self::StalePrincipalActive
                    | Self::EnvCrossing
                    | Self::AgentIdentityMismatch
                    | Self::AgentOnHumanToken
                    | Self::HumanUseOfNhi
                    | Self::NewAgent
                    | Self::ShadowAgent
            )
    }

    /// Whether a caller may do it again after a while, and it is the same incident and another episode of it.
    #[must_use]
    pub fn comes_back(self) -> bool {
        matches!(
            self,
            Self::Bola
                | Self::BolaEnumeration
                | Self::RateAnomaly
                | Self::EndpointDiscoveryScan
                | Self::RetryStorm
                | Self::OffHoursActivity
                | Self::DataVolumeAnomaly
                | Self::DestructiveActionBurst
                | Self::IntentViolation
                | Self::SequenceAnomaly
                | Self::InjectionAttempt
                | Self::PromptInjectionIndicator
                | Self::AgentHijack
                | Self::BusinessFlowAbuse
                | Self::CascadeDetected
                | Self::DormantReactivated
                | Self::AgentRunaway
                | Self::UnusualAmount
                | Self::MassAssignment
                | Self::BflaAccess
        )
    }
}

/// An exchange that a finding rests on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// Exchange id.
    pub exchange: String,
    /// Packet time of its request, nanoseconds since 1970.
    pub ts: u64,
    /// Client `ip:port`.
    pub client: String,
    /// Server `ip:port`.
    pub server: String,
    /// Index in the flow.
    pub index: u32,
    /// Frame numbers: request first and last, response first and last; empty when not from a file.
    pub frames: Vec<u64>,
    /// Method.
    pub method: String,
    /// Redacted target.
    pub target: String,
    /// Status.
    pub status: Option<u16>,
}

/// The principal a finding is about.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FindingPrincipal {
    /// Principal id.
    pub id: String,
    /// What sort of caller.
    pub kind: PrincipalKind,
    /// Name fit to be shown.
    pub name: Option<String>,
    /// What decided id and kind.
    pub evidence: Vec<String>,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Resource {
    /// Endpoint id.
    pub endpoint: Option<String>,
    /// Server host.
    pub host: Option<String>,
    /// Method.
    pub method: Option<String>,
    /// Path template.
    pub template: Option<String>,
    /// Tool called.
    pub tool: Option<String>,
    /// Object concerned.
    pub object: Option<String>,
}

/// How far a caller reached since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlastRadius {
    /// Packet time of the first call that is counted, nanoseconds since 1970: the first of the unit of work.
    pub since: u64,
    /// Different objects that were named and given.
    pub objects: u64,
    /// Records in answers: elements of their lists.
    pub records: u64,
    /// Bytes of answers, content-coding removed.
    pub bytes: u64,
    /// Different hosts.
    pub services: u64,
    /// Different endpoints.
    pub endpoints: u64,
}

/// One revision of a finding.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// Hash of kind, principal, resource and time window.
    pub id: String,
    /// 1, 2, ….
    pub revision: u32,
    /// Exchanges in which it was observed, as the detector counts them.
    pub count: u64,
    /// Where it is in its life.
    pub status: Status,
    /// What it is.
    pub kind: Kind,
    /// One line for people.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// How sure, 0 to 1, lowered by loss.
    pub confidence: f64,
    /// Packet time of the first exchange concerned, nanoseconds since 1970.
    pub first_seen: u64,
    /// Packet time of the last exchange concerned.
    pub last_seen: u64,
    /// Packet time of the deciding exchange.
    pub detected_at: u64,
    /// Whom it is about.
    pub principal: Option<FindingPrincipal>,
    /// What it is about.
    pub resource: Resource,
    /// One to three sentences with the numbers in them: who did what, where and how often.
    pub explanation: String,
    /// Named numbers seen.
    pub observed: serde_json::Map<String, serde_json::Value>,
    /// Named numbers that would have been usual or right.
    pub expected: serde_json::Map<String, serde_json::Value>,
    /// What that rests on: exchanges, days, peers.
    pub support: serde_json::Map<String, serde_json::Value>,
    /// How far the caller reached; only of what callers do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<BlastRadius>,
    /// The first exchange, the deciding one, and examples; at most ten.
    pub evidence: Vec<Evidence>,
    /// Wireshark display filter.
    pub filter: String,
    /// Ids in public catalogues, qualified by edition: catalogue name to ids.
    pub mapping: Vec<(String, Vec<String>)>,
    /// Playbook id and its steps.
    pub playbook: (String, Vec<String>),
    /// Loss flags of the exchanges concerned.
    pub capture: Vec<String>,
    /// Sensor name and version.
    pub sensor: (String, String),
}

impl Finding {
    /// `detected_at` as a time.
    #[must_use]
    pub fn detected(&self) -> Timestamp {
        Timestamp(self.detected_at)
    }
}
