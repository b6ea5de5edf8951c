//! What a sink that publishes takes: one record, ready to be sent.
//!
//! The value is the very JSON object that the JSON Lines file holds for it, so that a consumer of the topic and
//! a reader of the file see the same bytes.

use analyzers::Severity;

/// Where a record belongs. The names of the topics are a prefix from the configuration and these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Topic {
    /// Findings: every revision is a record.
    Findings,
    /// Endpoints: the last record of a key counts.
    Inventory,
    /// Principals: the last record of a key counts.
    Agents,
    /// What the sensor saw and lost.
    Health,
}

impl Topic {
    /// The part of the topic's name that follows the prefix.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Inventory => "inventory",
            Self::Agents => "agents",
            Self::Health => "health",
        }
    }
}

/// A record ready to be published.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// Where it belongs.
    pub(crate) topic: Topic,
    /// Message key: finding id, endpoint id, principal id, or sensor name.
    pub(crate) key: String,
    /// The JSON object, without newline; `None` is a tombstone, which removes the key of a compacted topic.
    pub(crate) value: Option<Vec<u8>>,
    /// How much a finding matters; what is shed first is decided by it.
    pub(crate) severity: Option<Severity>,
    /// Kind of a finding, by its stable name.
    pub(crate) kind: Option<String>,
    /// `ai_agent`, `service`, `human` or `unknown`, when the record is about a principal.
    pub(crate) principal_kind: Option<&'static str>,
    /// Packet time of what the record tells, nanoseconds since 1970.
    pub(crate) time_ns: u64,
    /// CloudEvents subject: what the record is about, in a form fit to be shown (never a secret).
    pub(crate) subject: String,
}
