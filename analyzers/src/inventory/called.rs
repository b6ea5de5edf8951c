//! What the inventory tells of the endpoint and the host that an exchange called: a copy as small as the behaviour stage needs, so
//! that this stage may be at work on one exchange while the inventory is at work on those after it.

use std::ops::Deref;
use std::sync::Arc;

use reassembly::Timestamp;

use super::host::Host;
use crate::credentials::scope_unused::Names;
use crate::id::Id;
use crate::identity::TokenFacts;

/// How an endpoint is called. Made once, and again when its template changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointName {
    pub(crate) host: String,
    pub(crate) method: String,
    pub(crate) template: String,
}

impl EndpointName {
    /// Tool or prompt of an MCP endpoint.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.template.split_once("#tools/call:").map(|(_, tool)| tool)
    }
}

/// An endpoint as an exchange found it, that exchange included.
#[derive(Debug, Clone)]
pub(crate) struct CalledEndpoint {
    pub(crate) id: Id,
    pub(crate) name: Arc<EndpointName>,
    pub(crate) is_static: bool,
    pub(crate) first: Timestamp,
    pub(crate) exchanges: u64,
    pub(crate) callers: usize,
    /// 2xx without a credential.
    pub(crate) open_ok: u64,
    /// Calls that name an object, and those of them that found none.
    pub(crate) objects: u64,
    pub(crate) misses: u64,
    /// Its answers held personal or secret data.
    pub(crate) holds_data: bool,
}

impl Deref for CalledEndpoint {
    type Target = EndpointName;

    fn deref(&self) -> &EndpointName {
        &self.name
    }
}

impl CalledEndpoint {
    /// Distinct callers, as far as they are told apart.
    pub(crate) fn caller_count(&self) -> usize {
        self.callers
    }
}

/// A host as an exchange found it.
#[derive(Debug, Clone)]
pub(crate) struct CalledHost {
    pub(crate) name: Arc<str>,
    pub(crate) environment: Option<Box<str>>,
    /// Accepted calls with a token that is bound to a key.
    pub(crate) bound: u64,
    /// The token of this exchange is for another audience than all that were accepted: how many of these are known, and from how
    /// many tokens.
    pub(crate) foreign: Option<(usize, u64)>,
    /// Of its endpoints and tools.
    pub(crate) names: Arc<Names>,
    /// Days since 1970 on which it was watched.
    pub(crate) watched: Arc<Vec<u32>>,
}

impl CalledHost {
    /// `token` is the one that the exchange showed.
    pub(crate) fn of(
        host: &Host,
        name: &Arc<str>,
        watched: &Arc<Vec<u32>>,
        token: Option<&TokenFacts>,
    ) -> Self {
        Self {
            name: Arc::clone(name),
            environment: host.environment.clone(),
            bound: host.tokens.bound,
            foreign: token.and_then(|token| host.tokens.foreign(token)),
            names: Arc::clone(&host.names),
            watched: Arc::clone(watched),
        }
    }

    /// Days on which it was watched, between two times and without their own days.
    pub(crate) fn days_between(&self, from: Timestamp, to: Timestamp) -> u64 {
        let (from, to) = ((from.seconds() / 86_400) as u32, (to.seconds() / 86_400) as u32);
        let days = &self.watched;
        let until = |day: u32| days.partition_point(|known| *known < day);
        until(to).saturating_sub(until(from.saturating_add(1))) as u64
    }
}
