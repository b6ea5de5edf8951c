//! The stages tied together: one exchange in, labels and findings out.

use reassembly::Exchange;

use crate::finding::Finding;
use crate::identity::PrincipalView;
use crate::inventory::EndpointView;
use crate::settings::Settings;

/// What is known about an exchange after it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// Stable exchange id: from flow, start time and index in the flow.
    pub exchange: String,
    /// Endpoint id, when the exchange belongs to one.
    pub endpoint: Option<String>,
    /// Principal id.
    pub principal: Option<String>,
    /// RPC carried: protocol (`mcp`, `jsonrpc`), method, and name of tool, resource or prompt.
    pub rpc: Option<(String, String, Option<String>)>,
}

/// Tables of learned state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Table {
    /// Endpoints and their statistics.
    Endpoints,
    /// Principals and their baselines.
    Principals,
    /// Credentials seen (keyed hashes).
    Credentials,
    /// Findings, latest revision.
    Findings,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 4] = [
        Self::Endpoints,
        Self::Principals,
        Self::Credentials,
        Self::Findings,
    ];

    /// The name used by stores.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::Principals => "principals",
            Self::Credentials => "credentials",
            Self::Findings => "findings",
        }
    }
}

/// A row of learned state that changed since it was last asked for. `value` is JSON; `None` = removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which table.
    pub table: Table,
    /// Key in the table.
    pub key: String,
    /// The row, or nothing when it was removed.
    pub value: Option<Vec<u8>>,
}

/// A stored row that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("row {key} of table {table} cannot be read: {reason}")]
pub struct RestoreError {
    /// Table name.
    pub table: &'static str,
    /// Key in the table.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Exchanges in; endpoints, principals and findings out.
#[derive(Debug)]
pub struct Analyzer {
    _settings: Settings,
}

impl Analyzer {
    /// An analyzer that has learned nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { _settings: settings }
    }

    /// Takes one exchange, in the order in which exchanges were completed.
    pub fn observe(&mut self, _exchange: &Exchange) -> Labels {
        Labels::default()
    }

    /// Ends the input: what is still being counted is decided.
    pub fn finish(&mut self) {}

    /// The oldest finding record not yet taken. Drain it after each [`Self::observe`].
    pub fn poll(&mut self) -> Option<Finding> {
        None
    }

    /// All endpoints, sorted by host, template and method.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointView> {
        Vec::new()
    }

    /// All principals, sorted by kind, then id.
    #[must_use]
    pub fn principals(&self) -> Vec<PrincipalView> {
        Vec::new()
    }

    /// The latest revision of every finding kept, by first time seen, then id.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Rows changed since this was last called, sorted by table and key.
    pub fn take_changes(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Puts a stored row back. Call before the first [`Self::observe`].
    ///
    /// # Errors
    ///
    /// [`RestoreError`] when the row is not one of ours; the analyzer is as it was.
    pub fn restore(&mut self, _table: Table, _key: &str, _value: &[u8]) -> Result<(), RestoreError> {
        Ok(())
    }

    /// What was given up at the limits, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
