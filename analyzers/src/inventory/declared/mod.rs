//! What people declared about their APIs: specifications, overrides, owners, environments.
//!
//! ```text
//! specifications ─▶ spec::Index ─┐
//! overrides.toml ─▶ Overrides ───┤
//! owners.toml ────▶ Owners ──────┼─▶ Declared ─▶ templates, environments, facts of endpoints, what is accepted
//! agents.toml ────▶ Agents ──────┤
//! suppressions ───▶ Suppressions ┤
//! configuration ──▶ Environments ┘
//! ```
//!
//! All of it is read before the first exchange and never changes, so nothing that follows from it depends on the order of
//! traffic. An override wins over a specification, and both over what traffic shows.

mod agents;
mod environment;
pub(crate) mod file;
mod overrides;
mod owners;
mod pattern;
mod suppressions;

use std::fmt;

use reassembly::{FlowRef, Timestamp};

pub use agents::{Agent, Agents};
pub use environment::{EnvironmentRule, Environments};
pub use file::Day;
pub use overrides::{Overrides, Tier};
pub use owners::Owners;
pub use suppressions::{Suppression, Suppressions};

use crate::finding::{Kind, Resource};
use crate::spec::{self, Index, Lookup, TemplateSegment, path_segments};
pub(crate) use pattern::{HostGlob, glob, template_segments};

use pattern::{canonical, literal};

/// Whether a text is a glob of hosts as all files here have them: a star stands for any text, one without a port means every
/// port.
#[must_use]
pub fn is_host_glob(text: &str) -> bool {
    pattern::HostGlob::parse(text).is_ok()
}

/// Everything declared.
#[derive(Clone, Default, PartialEq)]
pub struct Declared {
    /// Specifications.
    pub specs: Index,
    /// The overrides file.
    pub overrides: Overrides,
    /// The map of owners.
    pub owners: Owners,
    /// Rules for environments.
    pub environments: Environments,
    /// The registry of agents.
    pub agents: Agents,
    /// Findings that somebody answers for.
    pub suppressions: Suppressions,
}

/// Specifications have megabytes, and are named here.
impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let specs: Vec<_> = self
            .specs
            .specs()
            .iter()
            .map(|s| (&s.name, s.operations.len()))
            .collect();
        f.debug_struct("Declared")
            .field("specs", &specs)
            .field("overrides", &self.overrides.len())
            .field("owners", &self.owners.len())
            .field("environments", &self.environments)
            .field("agents", &self.agents.len())
            .field("suppressions", &self.suppressions.iter().count())
            .finish()
    }
}

/// Who says who owns an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerSource {
    /// The overrides file.
    Override,
    /// The map of owners.
    Map,
    /// The specification, by `x-owner` or its contact.
    Specification,
}

impl OwnerSource {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Map => "owners",
            Self::Specification => "specification",
        }
    }
}

/// A finding that is accepted, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance<'a> {
    /// The reason given.
    pub reason: &'a str,
    /// The last day on which it holds.
    pub until: Option<Day>,
    /// Line of the overrides file.
    pub line: u32,
}

/// What people say of an endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts<'a> {
    /// Who owns it, and who says so.
    pub owner: Option<(&'a str, OwnerSource)>,
    /// Its tier.
    pub tier: Option<Tier>,
    /// Its environment, where the overrides name one.
    pub environment: Option<&'a str>,
    /// What it is for.
    pub purpose: Option<&'a str>,
    /// The declared operation that it is.
    pub operation: Option<spec::Declared<'a>>,
}

impl Declared {
    /// Whether nobody declared anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.specs.specs().is_empty()
            && self.overrides.is_empty()
            && self.owners.is_empty()
            && self.environments.is_empty()
            && self.agents.is_empty()
            && self.suppressions.is_empty()
    }

    /// The path template that an override or a specification gives to a path: `/users/{userId}`, in the one form that
    /// endpoints have (no slash at the end, `{name...}` for a parameter that holds the rest). `None` when nobody declared
    /// anything about the path. A template declared for another method of the path counts too: which segments are
    /// parameters does not depend on the method.
    ///
    /// `host` in lower case without default port and `method` in capitals, as exchanges have them; `path` as it was sent,
    /// with or without query.
    #[must_use]
    pub fn template(&self, host: &str, method: &str, path: &str) -> Option<String> {
        let overridden = self.overrides.has_templates() || self.overrides.has_keeps();
        if !overridden && !self.specs.speaks_of(host) {
            return None;
        }
        let (segments, _) = path_segments(path);
        let template = self
            .overrides
            .template(host, method, &segments)
            .map(str::to_owned)
            .or_else(|| self.specified(host, method, path));
        let kept = match self.overrides.has_keeps() {
            true => self.overrides.kept(host, &segments),
            false => 0,
        };
        if kept == 0 || (template.is_none() && kept < segments.len()) {
            return template;
        }
        // Names that stay take the place of parameters; what is declared of the rest holds.
        let mut out = String::with_capacity(path.len());
        for segment in &segments[..kept] {
            out.push('/');
            literal(segment, &mut out);
        }
        let declared: Vec<&str> = template
            .as_deref()
            .map(template_segments)
            .into_iter()
            .flatten()
            .collect();
        match declared.iter().position(|segment| segment.ends_with("...}")) {
            Some(rest) if rest <= kept && kept < segments.len() => {
                out.push('/');
                out.push_str(declared[rest]);
            }
            _ => declared.iter().skip(kept).for_each(|segment| {
                out.push('/');
                out.push_str(segment);
            }),
        }
        Some(out)
    }

    /// How many of the first segments of a path must stay as they are, because the overrides keep them.
    #[must_use]
    pub fn kept(&self, host: &str, path: &str) -> usize {
        match self.overrides.has_keeps() {
            true => self.overrides.kept(host, &path_segments(path).0),
            false => 0,
        }
    }

    fn specified(&self, host: &str, method: &str, path: &str) -> Option<String> {
        let found = match self.specs.lookup(method, host, path) {
            Lookup::Operation(found) => found,
            Lookup::OtherMethods(all) => *all.first()?,
            Lookup::OtherPaths(_) | Lookup::Nothing => return None,
        };
        // A document that does not say where it is served is believed about a host where one of its names stands.
        let named = found.names_host
            || !template_segments(found.base()).collect::<Vec<_>>().is_empty()
            || found
                .operation
                .path
                .segments()
                .iter()
                .any(|segment| matches!(segment, TemplateSegment::Literal(_)));
        (named || found.operation.path.segments().is_empty())
            .then(|| canonical(found.base(), &found.operation.path))
    }

    /// The environment of an exchange, by the first rule that holds.
    #[must_use]
    pub fn environment(&self, flow: &FlowRef, host: &str) -> Option<&str> {
        match self.environments.is_empty() {
            true => None,
            false => self.environments.of(flow, host),
        }
    }

    /// What people say of an endpoint. An RPC operation is the endpoint of its path as far as specifications go.
    #[must_use]
    pub fn facts(&self, host: &str, method: &str, template: &str) -> Facts<'_> {
        let mut facts = Facts::default();
        for entry in self.overrides.of(host, method, template) {
            facts.owner = facts
                .owner
                .or(entry.owner.as_deref().map(|owner| (owner, OwnerSource::Override)));
            facts.tier = facts.tier.or(entry.tier);
            facts.environment = facts.environment.or(entry.environment.as_deref());
            facts.purpose = facts.purpose.or(entry.purpose.as_deref());
        }
        let path = template.split('#').next().unwrap_or("");
        facts.operation = self.specs.find(method, host, path);
        if facts.owner.is_none() {
            let mapped = self.owners.of(host, method, template);
            facts.owner = mapped.map(|owner| (owner, OwnerSource::Map)).or_else(|| {
                let found = facts.operation?;
                let owner = found.spec.owner_of(found.operation)?;
                Some((owner, OwnerSource::Specification))
            });
        }
        facts
    }

    /// Why a finding is accepted, if it is, at this packet time.
    #[must_use]
    pub fn accepts(&self, kind: Kind, about: &Resource, ts: Timestamp) -> Option<Acceptance<'_>> {
        if !self.overrides.accepts(kind) {
            return None;
        }
        let host = about.host.as_deref()?;
        let (method, template) = (about.method.as_deref(), about.template.as_deref());
        let entry = self
            .overrides
            .of(host, method.unwrap_or(""), template.unwrap_or("/"))
            .find(|entry| {
                entry.accept.contains(&kind)
                    && entry.until.is_none_or(|day| ts.seconds() < day.end())
                    // What is about a whole host is accepted for all of it.
                    && (template.is_some() || entry.pattern.is_whole_host())
            })?;
        Some(Acceptance {
            reason: entry.reason.as_deref().unwrap_or(""),
            until: entry.until,
            line: entry.line,
        })
    }
}

#[cfg(test)]
mod tests;
