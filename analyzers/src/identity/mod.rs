//! Who calls: principals and the credentials they show.

use reassembly::Timestamp;

/// What sort of caller a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// An AI agent.
    AiAgent,
    /// A program that is not known to be an agent.
    Service,
    /// A person.
    Human,
    /// Not known.
    Unknown,
}

impl PrincipalKind {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AiAgent => "ai_agent",
            Self::Service => "service",
            Self::Human => "human",
            Self::Unknown => "unknown",
        }
    }
}

/// A principal as it is shown and published.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalView {
    /// Stable id.
    pub id: String,
    /// What sort of caller.
    pub kind: PrincipalKind,
    /// A name fit to be shown: a client id, never a secret.
    pub name: Option<String>,
    /// What decided id and kind, strongest first, e.g. `jwt sub`, `claim client_type=ai-agent`.
    pub evidence: Vec<String>,
    /// First and last exchange.
    pub first_seen: Timestamp,
    /// Last exchange.
    pub last_seen: Timestamp,
    /// Exchanges.
    pub exchanges: u64,
    /// Answers by status class 1xx … 5xx.
    pub status: [u64; 5],
    /// Exchanges without an answer.
    pub no_response: u64,
    /// Credential schemes shown, with counts, sorted by name.
    pub auth: Vec<(String, u64)>,
    /// Distinct credentials shown (keyed hashes; bounded).
    pub credentials: u64,
    /// Client addresses, sorted, at most ten; `clients` has the number.
    pub addresses: Vec<String>,
    /// Distinct client addresses (bounded).
    pub clients: u64,
    /// Endpoint ids called, with counts, most called first, at most fifty.
    pub endpoints: Vec<(String, u64)>,
    /// Distinct endpoints called (bounded).
    pub endpoint_count: u64,
    /// Tools, resources and prompts called over MCP, with counts, most called first, at most fifty.
    pub tools: Vec<(String, u64)>,
    /// Whether enough has been seen to say what is usual.
    pub learned: bool,
}
