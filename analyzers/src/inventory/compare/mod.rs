//! What is seen, held against what was declared.
//!
//! ```text
//! exchange ─▶ check ─▶ Compared, in the row of its endpoint ─▶ shadow, undocumented, zombie ─▶ ledger
//!             against    counts, with first examples
//!             the index
//!             ─▶ Cover, a row for each host: when it was watched, which operations were called ─▶ orphan, zombie
//! ```
//!
//! Comparison is containment with counts: an endpoint is held against the declared operation that it belongs to, and what
//! is declared of it against all that was seen, never one call against a text. Calls that conform count as well: they are
//! what a deprecated operation is still used by, and what is left of the declared ones was not called.

pub(crate) mod contract;
pub(crate) mod cover;
pub(crate) mod names;
pub(crate) mod orphan;
pub(crate) mod shadow;
pub(crate) mod undocumented;
pub(crate) mod zombie;

use std::collections::{BTreeMap, BTreeSet};

use reassembly::{Exchange, Request, Timestamp};
use serde::{Deserialize, Serialize};

use super::declared::Declared;
use super::endpoint::Endpoint;
use super::host::{Inventory, Scope};
use super::rpc;
use crate::behaviour::Activity;
use crate::finding::Kind;
use crate::finding::ledger::{Filing, Ledger};
use crate::finding::trace::Trace;
use crate::id::Id;
use crate::settings::{Room, Settings};
use crate::spec::{self, Kind as SpecKind, Lookup, Spec};
use crate::store::Store;
use cover::Cover;

pub use orphan::Standing;

/// Findings about single endpoints.
const KINDS: [Kind; 5] = [
    Kind::SchemaDrift,
    Kind::ShadowEndpoint,
    Kind::UndocumentedParameter,
    Kind::UndocumentedStatus,
    Kind::ZombieEndpoint,
];

/// Undeclared names kept of one endpoint; those with the smallest hashes, so that the order in which they come does not
/// matter.
const NAMES: usize = 48;

/// Undeclared statuses kept of one endpoint.
const STATUSES: usize = 24;

/// How a call stands to the specifications that speak of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// An operation of one of them.
    Declared,
    /// A path of one of them, with another method.
    OtherMethod,
    /// Neither.
    OtherPath,
}

/// One exchange held against the specifications.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    pub(crate) verdict: Verdict,
    /// A document names this host; otherwise one that names none may be meant.
    pub(crate) named: bool,
    /// The operation.
    pub(crate) found: Option<spec::Declared<'a>>,
    /// The answer's status is not declared for the operation.
    pub(crate) status: Option<u16>,
    /// Names in the request that are not declared for the operation: where they stand, and they, fit to be shown.
    pub(crate) names: Vec<(&'static str, String)>,
    /// The server did what was asked.
    pub(crate) done: bool,
    /// It answered with a page for people, or a part of one.
    pub(crate) page: bool,
}

/// Holds an exchange against the specifications. Nothing when none of them may speak of its host, or nothing was answered.
pub(crate) fn check<'a>(
    declared: &'a Declared,
    exchange: &Exchange,
    request: &Request,
    host: &str,
) -> Option<Check<'a>> {
    let specs = &declared.specs;
    if specs.specs().is_empty() || !specs.speaks_of(host) {
        return None;
    }
    let response = exchange.response.as_ref()?;
    let status = rpc::status(exchange)?;
    let method = request.method();
    if matches!(method, "CONNECT" | "OPTIONS" | "TRACE") {
        // A question about a route, and no route: preflights are sent to every declared path.
        return None;
    }
    let (mut verdict, mut found) = (Verdict::OtherPath, None);
    let mut named = false;
    match specs.lookup(method, host, request.path()) {
        Lookup::Operation(operation) => {
            verdict = Verdict::Declared;
            named = operation.names_host;
            found = Some(operation);
        }
        Lookup::OtherMethods(others) => {
            // What answers GET answers HEAD (RFC 9110 section 9.3.2).
            found = others
                .iter()
                .find(|o| method == "HEAD" && o.operation.method == "GET")
                .copied();
            named = others.iter().any(|o| o.names_host);
            verdict = match found {
                Some(_) => Verdict::Declared,
                None => Verdict::OtherMethod,
            };
        }
        Lookup::OtherPaths(_) => named = true,
        Lookup::Nothing => {}
    }
    let done = matches!(status, 101 | 200..=299 | 304)
        || ((300..400).contains(&status) && !matches!(method, "GET" | "HEAD"));
    let mut check = Check {
        verdict,
        named,
        found,
        status: None,
        names: Vec::new(),
        done,
        page: method == "GET" && response.message.field("content-type").is_some_and(is_page),
    };
    if let Some(found) = check.found.filter(|found| is_contract(found.spec)) {
        check.status = undocumented::status(found.operation, status).then_some(status);
        if (200..300).contains(&status) {
            check.names = names::undeclared(&found, request);
        }
    }
    Some(check)
}

/// Whether a document says all that there is. Collections and archives are examples.
fn is_contract(spec: &Spec) -> bool {
    matches!(
        spec.kind,
        SpecKind::Swagger20 | SpecKind::OpenApi30 | SpecKind::OpenApi31 | SpecKind::OpenApi32
    )
}

/// Pages and their parts, which no specification of an API declares.
fn is_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("").trim();
    let starts = |with: &str| {
        kind.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    [
        "text/html",
        "text/css",
        "text/javascript",
        "application/javascript",
        "image/",
        "font/",
    ]
    .into_iter()
    .any(starts)
}

/// Something that was not declared, how often it was seen and where first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Departure {
    pub(crate) count: u64,
    pub(crate) first: Box<Trace>,
}

impl Departure {
    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        if other.first.ts < self.first.ts {
            self.first = other.first;
        }
    }
}

/// What came of the comparison for one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// Successful calls of declared operations.
    pub(crate) declared: u64,
    /// Successful calls of what is not declared, but for pages.
    pub(crate) undeclared: u64,
    /// The first of those.
    pub(crate) first: Option<Box<Trace>>,
    /// Statuses that are not declared.
    pub(crate) statuses: BTreeMap<u16, Departure>,
    /// Names that are not declared: `query limit`.
    pub(crate) names: BTreeMap<String, Departure>,
    /// Names and statuses for which there was no room.
    pub(crate) dropped: u64,
}

impl Compared {
    /// Counts an exchange.
    pub(crate) fn observe(&mut self, check: &Check<'_>, evidence: impl Fn() -> Option<Box<Trace>>) {
        if check.done {
            match check.verdict {
                Verdict::Declared => self.declared += 1,
                _ if check.page => {}
                _ => {
                    self.undeclared += 1;
                    if self.first.is_none() {
                        self.first = evidence();
                    }
                }
            }
        }
        let found = || evidence().map(|first| Departure { count: 1, first });
        if let Some(status) = check.status {
            let room = self.statuses.len() < STATUSES;
            match self.statuses.get_mut(&status) {
                Some(known) => known.count += 1,
                None if room => {
                    self.statuses.extend(found().map(|new| (status, new)));
                }
                None => self.dropped += 1,
            }
        }
        for (place, name) in &check.names {
            let name = format!("{place} {name}");
            match self.names.get_mut(&name) {
                Some(known) => known.count += 1,
                None => {
                    self.names.extend(found().map(|new| (name, new)));
                    self.trim();
                }
            }
        }
    }

    /// Keeps those names that have the smallest hashes.
    fn trim(&mut self) {
        while self.names.len() > NAMES {
            let largest = self
                .names
                .keys()
                .max_by_key(|name| Id::of(&[name.as_bytes()]))
                .cloned();
            let Some(largest) = largest else { return };
            self.names.remove(&largest);
            self.dropped += 1;
        }
    }

    /// Takes over what was seen of another part of the same endpoint.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.declared += other.declared;
        self.undeclared += other.undeclared;
        self.first = self
            .first
            .take()
            .into_iter()
            .chain(other.first)
            .min_by_key(|t| t.ts);
        for (status, theirs) in other.statuses {
            let room = self.statuses.len() < STATUSES;
            match self.statuses.get_mut(&status) {
                Some(mine) => mine.absorb(theirs),
                None if room => drop(self.statuses.insert(status, theirs)),
                None => self.dropped += 1,
            }
        }
        for (name, theirs) in other.names {
            match self.names.get_mut(&name) {
                Some(mine) => mine.absorb(theirs),
                None => drop(self.names.insert(name, theirs)),
            }
        }
        self.trim();
        self.dropped += other.dropped;
    }
}

/// The stage: what is kept of hosts, and the comparisons that report.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) covers: Store<Cover>,
}

impl Comparison {
    pub(crate) fn new(max_hosts: usize, room: usize) -> Self {
        Self {
            covers: Store::new(max_hosts, Room::share(room, 1)),
        }
    }

    /// When a host was watched, and what was called on it.
    pub(crate) fn cover(&mut self, id: Id, host: &str, environment: Option<&str>) -> &mut Cover {
        self.covers.entry(id, || Cover::new(Scope { host, environment }))
    }

    /// Looks at one exchange that the inventory and the cover of its host have counted. `fresh` is what the latter said of it.
    pub(crate) fn observe(
        &mut self,
        activity: &Activity<'_>,
        (id, fresh): (Id, bool),
        check: Option<&Check<'_>>,
        (inventory, endpoint): (&Inventory, Option<&Endpoint>),
        settings: &Settings,
        filing: &mut Filing,
    ) {
        let Some(cover) = self.covers.get_mut(id) else {
            return;
        };
        let meant = check.is_some_and(|check| check.named || cover.is_meant(&settings.declared));
        if let Some(endpoint) = endpoint {
            if let Some(check) = check.filter(|_| meant) {
                shadow::observe(endpoint, activity.status, check, settings, filing);
                undocumented::observe(activity, endpoint, check, filing);
                contract::observe(activity, endpoint, check, filing);
            }
            zombie::observe(activity, endpoint, check, inventory, cover, settings, filing);
        }
        if fresh {
            orphan::observe(&self.covers, id, activity.ts, settings, filing);
        }
    }

    /// What could not be decided while traffic went by is decided now that it is over.
    pub(crate) fn finish(&mut self, inventory: &Inventory, settings: &Settings, ledger: &mut Ledger) {
        let specs = &settings.declared.specs;
        if specs.specs().is_empty() && !ledger.has_any(&KINDS) {
            return;
        }
        let mut filing = Filing::default();
        let mut ids: BTreeSet<Id> = BTreeSet::new();
        inventory.each(|id, endpoint| {
            ids.insert(id);
            let Some(endpoint) = endpoint else { return };
            let cover = self.covers.get(endpoint.scope().id());
            let meant =
                specs.names_host(&endpoint.host) || cover.is_some_and(|c| c.is_meant(&settings.declared));
            if meant {
                shadow::conclude(endpoint, settings, &mut filing);
                contract::conclude(endpoint, settings, &mut filing);
            }
        });
        ledger.take_states(filing);
        // What was told of a name that has since been recognised as a value is told of the endpoint with the parameter.
        let hosts: BTreeSet<&str> = inventory
            .hosts
            .sorted()
            .into_iter()
            .map(|(_, h)| h.name.as_str())
            .collect();
        ledger.drop_superseded(&KINDS, |host, id| hosts.contains(host) && !ids.contains(&id));
        let covers: Vec<(Id, Timestamp)> = self
            .covers
            .sorted()
            .into_iter()
            .map(|(id, c)| (id, c.last))
            .collect();
        let mut filing = Filing::default();
        for (id, last) in covers {
            orphan::observe(&self.covers, id, last, settings, &mut filing);
        }
        ledger.take_states(filing);
    }
}

/// How all specifications stand to what was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// One for each specification, in the order in which they were given. Without hosts where none was seen.
    pub specifications: Vec<Standing>,
    /// Hosts that were seen and of which no specification speaks, sorted.
    pub undeclared_hosts: Vec<String>,
}

impl Comparison {
    /// How all specifications stand to what was seen.
    pub(crate) fn overview(&self, settings: &Settings) -> Overview {
        let specs = &settings.declared.specs;
        let specifications = specs.specs().iter().enumerate().map(|(number, spec)| {
            orphan::standing(spec, number, &self.covers, settings).unwrap_or_else(|| Standing {
                specification: short_name(spec).to_owned(),
                operations: spec.operations.len() as u64,
                ..Standing::default()
            })
        });
        let mut undeclared: Vec<String> = self
            .covers
            .sorted()
            .into_iter()
            .map(|(_, cover)| cover)
            .filter(|cover| !specs.names_host(&cover.host) && !cover.is_meant(&settings.declared))
            .map(|cover| cover.host.clone())
            .collect();
        undeclared.sort();
        Overview {
            specifications: specifications.collect(),
            undeclared_hosts: undeclared,
        }
    }
}

/// A document as findings call it: its file's name without folders.
pub(crate) fn short_name(spec: &Spec) -> &str {
    let name = spec.name.rsplit(['/', '\\']).next().unwrap_or("");
    if name.is_empty() {
        "the specification"
    } else {
        name
    }
}

#[cfg(test)]
mod tests;
