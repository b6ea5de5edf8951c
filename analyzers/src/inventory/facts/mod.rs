//! Facts about an endpoint that follow from what was seen and what was declared: what it is for, whom it is for, who owns
//! it, whether anybody documented it, and how sure all that is.
//!
//! What has to be counted while traffic goes by is kept in the endpoint's row (`Watch`); the rest is worked out when an
//! endpoint is shown (`complete`), so that a change of overrides or owners holds for what was seen before as well.

mod confidence;
mod purpose;
mod tier;

use std::net::IpAddr;

use reassembly::{Exchange, Flags};
use serde::{Deserialize, Serialize};

use super::EndpointView;
use super::declared::Declared;
use crate::privacy::is_plain_name;
use crate::spec::Lookup;

/// Days remembered; a year and a bit.
const DAYS: usize = 400;

/// What is counted of an endpoint for its facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// 2xx to clients with a public address.
    pub(crate) public_ok: u64,
    /// Exchanges of which something is missing: bytes, a direction, the answer.
    pub(crate) lost: u64,
    /// Days since 1970 on which it was called, sorted; the latest [`DAYS`].
    #[serde(deserialize_with = "crate::store::tight")]
    days: Vec<u32>,
}

impl Watch {
    /// Counts an exchange.
    pub(crate) fn observe(&mut self, exchange: &Exchange, ok: bool) {
        let mut harmed = Flags::GAP;
        for flag in [Flags::TRUNCATED, Flags::ONE_SIDED, Flags::NO_RESPONSE] {
            harmed.insert(flag);
        }
        self.lost += u64::from(exchange.flags.intersects(harmed));
        self.public_ok += u64::from(ok && is_public(exchange.flow.client.ip()));
        self.add_day((exchange.ts().seconds() / 86_400) as u32);
    }

    fn add_day(&mut self, day: u32) {
        // Traffic comes in order, nearly.
        if self.days.last() == Some(&day) {
            return;
        }
        if let Err(at) = self.days.binary_search(&day) {
            self.days.insert(at, day);
            if self.days.len() > DAYS {
                self.days.remove(0);
            }
        }
    }

    /// Takes over what another has counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.public_ok += other.public_ok;
        self.lost += other.lost;
        for day in &other.days {
            self.add_day(*day);
        }
    }

    /// Days on which it was called.
    pub(crate) fn days(&self) -> u64 {
        self.days.len() as u64
    }
}

/// Whether an address is one of the whole internet, and not of a network of somebody's own (RFC 1918, RFC 4193, RFC 6598,
/// loopback and link-local addresses), nor one that is never routed (RFC 3849).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => {
            let shared = a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64;
            !(a.is_private()
                || a.is_loopback()
                || a.is_link_local()
                || a.is_unspecified()
                || a.is_broadcast()
                || shared)
        }
        IpAddr::V6(a) => {
            let documentation = a.segments()[..2] == [0x2001, 0xdb8];
            !(a.is_loopback()
                || a.is_unspecified()
                || a.is_unique_local()
                || a.is_unicast_link_local()
                || documentation)
        }
    }
}

/// Whether somebody documented an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Documented {
    /// A specification declares it.
    Yes,
    /// A specification speaks of its host, and does not declare it.
    No,
    /// No specification speaks of its host.
    #[default]
    Unknown,
}

impl Documented {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Where an endpoint is declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Name of the specification's file.
    pub specification: String,
    /// Line of the operation.
    pub line: u32,
    /// Its `operationId`, when it has one that is a plain name.
    pub operation: Option<String>,
}

/// What is known about an endpoint besides its traffic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// What it is for: a verb and a noun, `list orders`; empty when its path has no words for it.
    pub purpose: String,
    /// Environment, where one is configured.
    pub environment: Option<String>,
    /// `public`, `internal`, `confidential`, or `unknown` while nothing was answered.
    pub tier: &'static str,
    /// Why it is of that tier.
    pub tier_reasons: Vec<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Who says so: `override`, `owners` or `specification`.
    pub owner_source: Option<&'static str>,
    /// Whether somebody documented it.
    pub documented: Documented,
    /// Where, if so.
    pub declared: Option<Place>,
    /// Declared as deprecated, or said to be by its answers.
    pub deprecated: bool,
    /// At least one AI agent called it.
    pub agent_facing: bool,
    /// How sure what is known of it is, 0 to 1.
    pub confidence: f64,
    /// Why no surer.
    pub confidence_reasons: Vec<String>,
}

/// Facts that follow from traffic alone. `watch` is of the endpoint's row.
pub(crate) fn inferred(view: &EndpointView, watch: &Watch) -> Facts {
    let (tier, tier_reasons) = tier::of(view, watch);
    let (confidence, confidence_reasons) = confidence::of(view, watch);
    Facts {
        purpose: purpose::of(&view.method, &view.template),
        tier,
        tier_reasons,
        agent_facing: view.agents > 0,
        confidence,
        confidence_reasons,
        ..Facts::default()
    }
}

/// Adds what people say of an endpoint, and puts it before what was inferred.
pub(crate) fn declare(view: &mut EndpointView, declared: &Declared) {
    let said = declared.facts(&view.host, &view.method, &view.template);
    let (documented, place) = documented(view, declared);
    let facts = &mut view.facts;
    if let Some(purpose) = said.purpose {
        purpose.clone_into(&mut facts.purpose);
    }
    if let Some(environment) = said.environment {
        facts.environment = Some(environment.to_owned());
    }
    if let Some(tier) = said.tier {
        facts.tier = tier.name();
        facts.tier_reasons = vec!["the overrides say so".to_owned()];
    }
    facts.owner = said.owner.map(|(owner, _)| owner.to_owned());
    facts.owner_source = said.owner.map(|(_, source)| source.name());
    facts.documented = documented;
    facts.declared = place;
    facts.deprecated |= said.operation.is_some_and(|found| found.operation.deprecated);
}

fn documented(view: &EndpointView, declared: &Declared) -> (Documented, Option<Place>) {
    let path = view.template.split('#').next().unwrap_or("");
    // What answers GET answers HEAD (RFC 9110 section 9.3.2).
    let method = if view.method == "HEAD" {
        "GET"
    } else {
        &view.method
    };
    match declared.specs.lookup(method, &view.host, path) {
        Lookup::Operation(found) => {
            let place = Place {
                specification: found.spec.name.clone(),
                line: found.operation.at.line,
                operation: found.operation.id.clone().filter(|id| is_plain_name(id)),
            };
            (Documented::Yes, Some(place))
        }
        Lookup::OtherMethods(_) | Lookup::OtherPaths(_) => (Documented::No, None),
        Lookup::Nothing => (Documented::Unknown, None),
    }
}

#[cfg(test)]
mod tests;
