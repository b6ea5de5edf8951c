//! What is the custom at each endpoint of a host, whoever calls it: which scopes callers have, which fields of weight they send, which
//! amounts, and how many calls one call leads to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::usual::{Usual, make_room};
use crate::id::Id;

/// Endpoints of one host; those called least make way.
const ENDPOINTS: usize = 256;

/// Scopes that all callers have in common, and fields, of one endpoint.
const SCOPES: usize = 16;
const FIELDS: usize = 24;

/// The custom at one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Custom {
    /// Calls that were let in.
    pub(crate) calls: u32,
    /// Callers, a bit for each of sixty-four hashes.
    callers: u64,
    /// Calls whose token names scopes, and the scopes that all of them had.
    #[serde(default)]
    pub(crate) scoped: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<u32>,
    /// Calls by people, and by machines.
    #[serde(default)]
    pub(crate) kinds: (u32, u32),
    /// Fields of weight that requests had, and how many had each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<(u32, u32)>,
    /// Requests with a body in which such fields could stand.
    #[serde(default)]
    pub(crate) bodies: u32,
    /// Callers that did what was not the custom, a bit each, and the day since 1970 on which the first of them did.
    #[serde(default)]
    odd: (u64, u32),
    #[serde(default)]
    pub(crate) amounts: Usual,
    /// Calls that one call leads to.
    #[serde(default)]
    pub(crate) led: Usual,
}

/// The customs of one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Customs(BTreeMap<Id, Custom>);

impl Customs {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The custom at an endpoint.
    pub(crate) fn at(&mut self, endpoint: Id) -> &mut Custom {
        if self.0.len() >= ENDPOINTS && !self.0.contains_key(&endpoint) {
            make_room(&mut self.0, ENDPOINTS, |custom| custom.calls);
        }
        self.0.entry(endpoint).or_default()
    }
}

/// A caller as one of sixty-four bits.
pub(crate) fn bit_of(who: Id) -> u64 {
    1 << (who.short() >> 9 & 63)
}

impl Custom {
    /// Counts a call that was let in.
    pub(crate) fn count(&mut self, who: Id, by_person: bool) {
        self.calls = self.calls.saturating_add(1);
        self.callers |= bit_of(who);
        let count = match by_person {
            true => &mut self.kinds.0,
            false => &mut self.kinds.1,
        };
        *count = count.saturating_add(1);
    }

    /// Different callers, sixty-four at most, and fewer when two have the same bit.
    pub(crate) fn callers(&self) -> u32 {
        self.callers.count_ones()
    }

    /// Notes a caller that does what is not the custom. True when three have done so within two days: then that is a deploy, and another
    /// custom.
    pub(crate) fn changes_with(&mut self, who: Id, day: u32) -> bool {
        const DEPLOY: u32 = 3;
        let (callers, first) = &mut self.odd;
        if day > first.saturating_add(1) {
            (*callers, *first) = (0, day);
        }
        *callers |= bit_of(who);
        callers.count_ones() >= DEPLOY
    }

    /// Forgets which scopes callers had.
    pub(crate) fn forget_scopes(&mut self) {
        self.scoped = 0;
        self.scopes.clear();
    }

    /// Takes the scopes of a token that was let in.
    pub(crate) fn take_scopes(&mut self, scopes: &[u32]) {
        if self.scoped == 0 {
            self.scopes = scopes.iter().take(SCOPES).copied().collect();
        } else {
            self.scopes.retain(|known| scopes.contains(known));
        }
        self.scoped = self.scoped.saturating_add(1);
    }

    /// Requests that had a field.
    pub(crate) fn had(&self, field: u32) -> u32 {
        let known = self.fields.iter().find(|(known, _)| *known == field);
        known.map_or(0, |(_, count)| *count)
    }

    /// Counts a field of a request.
    pub(crate) fn take_field(&mut self, field: u32) {
        let room = self.fields.len() < FIELDS;
        match self.fields.iter_mut().find(|(known, _)| *known == field) {
            Some((_, count)) => *count = count.saturating_add(1),
            None if room => self.fields.push((field, 1)),
            None => {}
        }
    }
}
