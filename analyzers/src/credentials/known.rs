//! A credential's row: what is remembered of it, by its keyed hash.

use std::net::IpAddr;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::credential_shared::Clients;
use crate::finding::trace::Trace;
use crate::identity::Scheme;
use crate::store::Row;

/// Proofs remembered of one token: more than a client sends in the minutes for which one is good.
const PROOFS: usize = 64;

/// MCP servers remembered of one token.
const SERVERS: usize = 4;

/// What is remembered of a credential: some 300 bytes of most. At most sixteen clients, 64 proofs of 24 bytes, four servers and three
/// more exchanges, whose targets are cut at 512 bytes: 12 KiB, whatever is sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) scheme: Scheme,
    /// Environments that accepted it, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) environments: Vec<String>,
    #[serde(with = "crate::store::nanos")]
    pub(super) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(super) last: Timestamp,
    /// Accepted uses.
    pub(crate) uses: u64,
    pub(super) clients: Clients,
    /// What is only known of few; most credentials are just used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<Box<Life>>,
}

/// What happened to a credential besides being used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Life {
    /// A token endpoint gave it out: when, and for how many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issued: Option<Issued>,
    /// It was revoked, or its session was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Ended>,
    /// It is good for one use, and this was it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spent: Option<Spent>,
    /// Proofs that came with it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) proofs: Vec<Shown>,
    /// A proof for the host that was called has come with it.
    #[serde(default)]
    pub(super) placed: bool,
    /// MCP servers to which it was shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) servers: Vec<Server>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Issued {
    /// Seconds since 1970.
    pub(super) at: i64,
    /// Seconds.
    pub(super) lifetime: Option<i64>,
}

/// How a credential ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    /// At a revocation endpoint (RFC 7009).
    Revoked,
    /// Its session was ended by a logout.
    Logout,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) how: How,
    #[serde(with = "crate::store::nanos")]
    pub(super) at: Timestamp,
    pub(super) trace: Trace,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Spent {
    #[serde(with = "crate::store::nanos")]
    pub(super) from: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(super) to: Timestamp,
    pub(super) client: IpAddr,
    pub(super) trace: Trace,
}

/// A proof that came with a token, and the exchange it came with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shown {
    /// Seeded hash of its id.
    pub(super) id: u64,
    #[serde(with = "crate::store::nanos")]
    pub(super) from: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(super) to: Timestamp,
}

/// An MCP server to which a token was shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) address: IpAddr,
    /// As it may be shown.
    pub(super) host: String,
    pub(super) trace: Trace,
}

impl Row for Known {
    /// What was never used makes way first: whoever likes may have tokens revoked that nobody has. A credential that was good for one
    /// use was used when the server gave tokens for it.
    fn worth(&self) -> (bool, Timestamp) {
        let spent = self.life().is_some_and(|life| life.spent.is_some());
        let used = self.uses > 1 || (self.uses == 1 && self.life.is_some());
        (used || spent, self.last)
    }
}

impl Known {
    pub(super) fn new(scheme: Scheme, ts: Timestamp) -> Self {
        Self {
            scheme,
            environments: Vec::new(),
            first: ts,
            last: ts,
            uses: 0,
            clients: Clients::default(),
            life: None,
        }
    }

    /// What happened to it, if anything did.
    pub(super) fn life(&self) -> Option<&Life> {
        self.life.as_deref()
    }

    pub(super) fn life_mut(&mut self) -> &mut Life {
        self.life.get_or_insert_default()
    }

    /// It is in use again.
    pub(super) fn revive(&mut self) {
        if let Some(life) = &mut self.life {
            life.ended = None;
        }
    }
}

impl Life {
    /// Notes a proof; gives the exchange with which it came before.
    pub(super) fn show(&mut self, proof: Shown) -> Option<Shown> {
        let before = self.proofs.iter().find(|known| known.id == proof.id).cloned();
        if before.is_none() {
            if self.proofs.len() >= PROOFS {
                self.proofs.remove(0);
            }
            self.proofs.push(proof);
        }
        before
    }

    /// Notes an MCP server; the one met first makes way.
    pub(super) fn serve(&mut self, server: Server) {
        if self.servers.iter().any(|known| known.address == server.address) {
            return;
        }
        if self.servers.len() >= SERVERS {
            self.servers.remove(0);
        }
        self.servers.push(server);
    }
}
