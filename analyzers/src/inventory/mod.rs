//! What is called: endpoints, by host, method and path template.
//!
//! This stage is keyed by server host: it needs all traffic of one host and nothing else. A path becomes an
//! endpoint only when a server's answer shows that it is one (see `endpoint::proves`); what was asked
//! for but never found is the business of the scan detector.

use reassembly::Timestamp;

pub(crate) mod called;
pub(crate) mod compare;
pub mod declared;
pub(crate) mod digest;
pub(crate) mod endpoint;
pub mod export;
pub(crate) mod face;
pub mod facts;
pub(crate) mod host;
pub(crate) mod paths;
pub(crate) mod posture;
pub(crate) mod rpc;
pub(crate) mod sensitive;
pub mod shape;

pub use compare::{Overview, Standing};
pub use declared::Declared;
pub use facts::Facts;
pub use sensitive::{COUNTRY_CODES, DataClass, Regime};
pub use shape::ShapeView;

/// Quantiles of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quantiles {
    /// Values recorded.
    pub count: u64,
    /// Smallest.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

/// An endpoint as it is shown and published.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointView {
    /// Stable id: a hash of host, method and template.
    pub id: String,
    /// Server host.
    pub host: String,
    /// Method; for JSON-RPC and MCP the HTTP method.
    pub method: String,
    /// Path template, e.g. `/orders/{int}`; an RPC operation follows a `#`: `/mcp#tools/call:search`.
    pub template: String,
    /// Why names in its paths count as values, where form alone does not tell: `after /users: 12 names answer with the same
    /// fields (100 % shared); not: me`.
    pub template_reasons: Vec<String>,
    /// `http`, `mcp`, `jsonrpc`, `graphql` or `soap`.
    pub protocol: String,
    /// First exchange.
    pub first_seen: Timestamp,
    /// Last exchange.
    pub last_seen: Timestamp,
    /// Exchanges.
    pub exchanges: u64,
    /// Answers by status class 1xx … 5xx.
    pub status: [u64; 5],
    /// Exchanges without an answer.
    pub no_response: u64,
    /// Distinct principals (bounded).
    pub callers: u64,
    /// Of those, AI agents.
    pub agents: u64,
    /// Ids of the principals counted in `callers`, sorted.
    pub called_by: Vec<String>,
    /// Of those, how many of each kind, sorted by name.
    pub callers_by_kind: Vec<(String, u64)>,
    /// Credential schemes seen, with counts, sorted by name; `none` when none was shown.
    pub auth: Vec<(String, u64)>,
    /// Request media types with counts, sorted by name.
    pub request_types: Vec<(String, u64)>,
    /// Response media types with counts, sorted by name.
    pub response_types: Vec<(String, u64)>,
    /// Data classes of which enough was found in responses, with the number of exchanges, sorted by name.
    pub data_classes: Vec<(String, u64)>,
    /// The same of bodies of requests.
    pub request_data_classes: Vec<(String, u64)>,
    /// The same of paths and queries.
    pub url_data_classes: Vec<(String, u64)>,
    /// Names of the regimes that speak of data of these classes, sorted.
    pub regimes: Vec<String>,
    /// Time from the request's last byte to the response's first, in microseconds.
    pub latency_us: Quantiles,
    /// Request content, in bytes.
    pub request_bytes: Quantiles,
    /// Response content, in bytes.
    pub response_bytes: Quantiles,
    /// Exchanges built from damaged input.
    pub damaged: u64,
    /// What it is for, for whom, whose, and how sure that is.
    pub facts: Facts,
    /// What it takes and gives.
    pub shape: ShapeView,
}
