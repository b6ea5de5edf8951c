//! Who calls: principals and the credentials they show.
//!
//! `resolve` turns the head of a request into an [`Identity`]: principal, kind, and the credential as a keyed hash. It looks at
//! nothing but the exchange, so the same caller gets the same id on every machine and whatever came before. What may decide, and in
//! which order, is in `evidence`; what a token's claims mean in `claims`; what sort of caller it is follows from `reasons`.

use std::sync::Arc;

use reassembly::Timestamp;

pub use crate::behaviour::Mode;
use crate::graph::EdgeView;
use crate::id::Id;
use crate::keys::Verdict;
use crate::work::WorkView;

mod claims;
mod client;
mod evidence;
mod facts;
mod forwarded;
mod jwt;
mod reasons;
mod resolve;
pub(crate) mod signals;
mod signature;

#[cfg(test)]
mod corpus;

pub(crate) use client::Program;
pub use evidence::Evidence;
pub use facts::{Binding, TokenFacts};
pub use reasons::Reason;
pub(crate) use reasons::judge;
pub(crate) use resolve::Resolver;
pub(crate) use signature::agent_host;

/// The claims of the token that a request shows, when its caller is told by it. What a forged token says is not believed.
pub(crate) fn claims(signals: &signals::Signals<'_>, identity: &Identity) -> Option<serde_json::Value> {
    if matches!(identity.signature, Verdict::Forged(_)) {
        return None;
    }
    let shown = signals.authorization?;
    let (_, token) = shown.split_once(' ')?;
    jwt::decode(token.trim()).map(|token| token.claims)
}

/// The evidence of a principal that showed no credential.
pub(crate) const BY_ADDRESS: &str = "client address and user agent";

/// What sort of caller a principal is; what says more comes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// An AI agent.
    AiAgent,
    /// A program that is not known to be an agent.
    Service,
    /// A person.
    Human,
    /// Not known.
    #[default]
    Unknown,
}

impl PrincipalKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AiAgent, Self::Service, Self::Human, Self::Unknown];

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

/// How a credential is shown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// A JSON Web Token.
    Jwt,
    /// A bearer token of another form.
    Bearer,
    /// User name and password (RFC 7617).
    Basic,
    /// An API key in a field.
    ApiKey,
    /// Digest (RFC 7616).
    Digest,
    /// AWS signature version 4.
    #[serde(rename = "sigv4")]
    SigV4,
    /// A session cookie.
    Cookie,
    /// A credential in the query.
    Query,
    /// A signature over the URL.
    SignedUrl,
    /// Another scheme, which names nobody to us.
    Other,
    /// None shown.
    #[default]
    None,
}

impl Scheme {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::ApiKey => "api_key",
            Self::Digest => "digest",
            Self::SigV4 => "sigv4",
            Self::Cookie => "cookie",
            Self::Query => "query",
            Self::SignedUrl => "signed_url",
            Self::Other => "other",
            Self::None => "none",
        }
    }
}

/// A credential, by its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Keyed hash of the whole value.
    pub id: Id,
    /// How it was shown.
    pub scheme: Scheme,
    /// What it says of itself, when it is a JWT.
    pub token: Option<TokenFacts>,
}

/// Who sent a request, and what told so.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Principal id.
    pub id: Id,
    /// The same as text.
    pub text: Arc<str>,
    /// What sort of evidence decided.
    pub decided_by: Evidence,
    /// The subject of its token, whatever client asked for it: what several principals of one person have in common.
    pub subject: Option<Id>,
    /// For whom it acts, when that is somebody else.
    pub on_behalf_of: Option<Id>,
    /// What sort of caller, by this exchange alone.
    pub kind: PrincipalKind,
    /// How sure that is, 0 to 1.
    pub score: f64,
    /// What speaks for which kind.
    pub reasons: Vec<Reason>,
    /// Of all of these, so that who met them before knows it without reading them.
    pub(crate) reasons_mark: u64,
    /// A name fit to be shown.
    pub name: Option<String>,
    /// What decided id and kind, strongest first.
    pub evidence: Vec<String>,
    /// How the credential was shown.
    pub scheme: Scheme,
    /// The credential, when one was shown that can be told from others.
    pub credential: Option<Credential>,
    /// What is known of its signature. What a forged token says of itself is not taken from it.
    pub signature: Verdict,
    /// Seeded hash of the program's product name.
    pub family: u64,
    /// Known by address and program only: no credential names it.
    pub by_address: bool,
    /// The program is a browser.
    pub browser: bool,
    /// The program's product name, fit to be shown.
    pub product: Option<String>,
    /// What kind of program.
    pub(crate) program: Program,
    /// It sends what only browsers can (Fetch metadata).
    pub(crate) fetch_metadata: bool,
    /// What says that the token shown is a person's, or a machine's.
    pub(crate) person: Option<String>,
    pub(crate) machine: Option<String>,
    /// JA4 of the caller's TLS, from a proxy that is believed.
    pub ja4: Option<String>,
    /// The caller's address, behind proxies that are trusted.
    pub(crate) address: std::net::IpAddr,
}

/// How much of a language model was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct ModelUse {
    /// Calls.
    pub calls: u64,
    /// Tokens taken in, where the model told.
    pub input_tokens: u64,
    /// Tokens given out, where the model told.
    pub output_tokens: u64,
    /// Tokens taken in that a cache had.
    pub cached_tokens: u64,
}

/// What the operator's registry says of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// What people call it.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Scopes that it may have.
    pub scopes: Vec<String>,
    /// Tools it called that it may not call.
    pub tools_beyond: Vec<String>,
}

/// Tokens that a principal was given, asked for in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantView {
    /// The grant (RFC 6749 and its extensions) in one word.
    pub grant: String,
    /// How the client proves itself: `secret_basic`, `secret_post`, `assertion`, or `none` that is seen.
    pub client_auth: String,
    /// Its `client_id`, as it may be shown.
    pub client: Option<String>,
    /// Times.
    pub exchanges: u64,
    /// Seconds that the tokens live, the longest that was told.
    pub lifetime: Option<i64>,
    /// The last time.
    pub last_seen: Timestamp,
}

/// An endpoint that let a principal in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedEndpoint {
    /// Its id.
    pub id: String,
    /// Calls.
    pub exchanges: u64,
    /// The last call.
    pub last_seen: Timestamp,
    /// Scopes of the tokens shown there, as far as tokens say.
    pub scopes: Vec<String>,
}

/// A principal as it is shown and published.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalView {
    /// Stable id.
    pub id: String,
    /// What sort of caller.
    pub kind: PrincipalKind,
    /// How sure the kind is, 0 to 1.
    pub score: f64,
    /// What speaks for which kind, and in how many exchanges it was seen.
    pub reasons: Vec<(Reason, u64)>,
    /// Whether a person sets its rhythm, when that can be told.
    pub mode: Option<Mode>,
    /// 1 for a rhythm that a person sets, 0 for one that nobody does.
    pub interactivity: Option<f64>,
    /// A name fit to be shown: a client id, never a secret.
    pub name: Option<String>,
    /// What decided id and kind, strongest first, e.g. `jwt sub`, `claim client_type=ai-agent`.
    pub evidence: Vec<String>,
    /// The sort of evidence that decided, by its name in [`Evidence::NAMES`].
    pub decided_by: String,
    /// The subject of its tokens, whatever client they were made for.
    pub subject: Option<String>,
    /// For whom it acts (subjects), with counts, most often first, at most fifty.
    pub on_behalf_of: Vec<(String, u64)>,
    /// Programs it was seen with, with counts.
    pub programs: Vec<(String, u64)>,
    /// Bytes of bodies of its requests, and of the responses.
    pub bytes: (u64, u64),
    /// Packet time in milliseconds until it was known for what it is, and each of its endpoints was listed.
    pub discovered_after_ms: u64,
    /// What the registry of agents says of it.
    pub registered: Option<Registered>,
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
    /// Endpoints that let it in, most called first (bounded).
    pub endpoints: Vec<UsedEndpoint>,
    /// Distinct endpoints called (bounded).
    pub endpoint_count: u64,
    /// Tools, resources and prompts called over MCP, with counts, most called first, at most fifty.
    pub tools: Vec<(String, u64)>,
    /// Language models used, most called first (bounded).
    pub models: Vec<(String, ModelUse)>,
    /// Tools offered to language models, with counts of calls, most offered first, at most fifty.
    pub llm_tools_offered: Vec<(String, u64)>,
    /// Tools that language models called for this principal, most called first, at most fifty.
    pub llm_tools_called: Vec<(String, u64)>,
    /// Whether enough has been seen to say what is usual.
    pub learned: bool,
    /// Its units of work.
    pub work: WorkView,
    /// What it has others call, most often first.
    pub reaches: Vec<EdgeView>,
    /// How it asks for tokens, where it does (bounded).
    pub grants: Vec<GrantView>,
}
