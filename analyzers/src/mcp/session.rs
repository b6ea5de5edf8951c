//! Who is on which session: what was said once, when it began, holds for the calls that follow.
//!
//! A session is known by the keyed hash of its id (`Mcp-Session-Id`, or the query of 2024-11-05); where there is none, by its
//! connection. The id itself lets whoever has it in, so it is kept nowhere.

use reassembly::{FlowRef, Timestamp};
use serde::{Deserialize, Serialize};

use super::revision::Revision;
use crate::id::Id;
use crate::privacy::keyed_hash;
use crate::store::Row;

/// A session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The client's name for itself, and its version.
    pub(crate) client: Option<Software>,
    pub(crate) revision: Option<Revision>,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    pub(crate) exchanges: u64,
}

/// A program's name for itself, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Software {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

impl Row for Session {
    fn worth(&self) -> (bool, Timestamp) {
        (self.client.is_some(), self.last)
    }
}

/// The key of a session's row by its id.
pub(crate) fn by_id(key: &[u8; 32], host: &str, id: &str) -> Id {
    Id::from_bytes(&keyed_hash(
        key,
        "mcp session",
        format!("{host}\n{id}").as_bytes(),
    ))
}

/// The key of the row of a connection that names no session.
pub(crate) fn by_flow(flow: &FlowRef) -> Id {
    let ends = format!("{} {} {}", flow.client, flow.server, flow.start.0);
    Id::of(&[b"mcp flow", ends.as_bytes()])
}
