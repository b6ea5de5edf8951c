//! What was known at some moment, without what changes with every call: the facts that two moments are compared by.
//!
//! Facts are sets of words under names (`auth`, `data_classes`, `agents` …). Counts and sizes are no facts, so nothing
//! differs because more of the same was seen.

use std::collections::{BTreeMap, BTreeSet};

use analyzers::{Analyzer, UsedEndpoint};
use serde::{Deserialize, Serialize};

use super::facts;
use super::{Known, Source, from_analyzer};
use crate::records::Rfc3339;
use crate::records::time::NANOS_PER_DAY;

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum About {
    /// An endpoint.
    Endpoint,
    /// An AI agent or a service. People and callers that nobody knows come and go, and are not followed.
    Principal,
    /// A finding.
    Finding,
    /// What a specification declares. It has no history: its file has.
    Operation,
}

impl About {
    /// What a store knows.
    pub(crate) const LEARNED: [Self; 3] = [Self::Endpoint, Self::Principal, Self::Finding];
    /// Everything that a policy may be about.
    pub(crate) const ALL: [Self; 4] = [Self::Endpoint, Self::Principal, Self::Finding, Self::Operation];

    /// The name used in the store and in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Principal => "principal",
            Self::Finding => "finding",
            Self::Operation => "operation",
        }
    }
}

/// What is known of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// What it is called: host, method, template; name; title.
    #[serde(rename = "n")]
    pub(crate) names: BTreeMap<String, String>,
    /// Its facts, without those that are empty.
    #[serde(rename = "f", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) facts: BTreeMap<String, BTreeSet<String>>,
    /// The first day (from 1970) of those up to now on which an endpoint was not called.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub(crate) quiet: Option<u64>,
    /// Calls, and the times of the first and the last one; of the past only for endpoints that were not called on the
    /// last day of it, since these numbers stay as they are.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) calls: Option<Calls>,
}

/// How often an endpoint was called, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Facts {
    /// A name; empty when it has none of this sort.
    pub(crate) fn name(&self, sort: &str) -> &str {
        self.names.get(sort).map_or("", String::as_str)
    }

    /// A fact; empty when nothing is known.
    pub(crate) fn fact(&self, name: &str) -> impl Iterator<Item = &str> {
        self.facts.get(name).into_iter().flatten().map(String::as_str)
    }

    fn put(&mut self, name: &str, words: impl IntoIterator<Item = String>) {
        let words: BTreeSet<String> = words.into_iter().filter(|w| !w.is_empty()).collect();
        if !words.is_empty() {
            self.facts.insert(name.to_owned(), words);
        }
    }
}

/// Facts that are one word, so that a change of them goes from one to the other.
pub(crate) const SINGLE: [&str; 7] = [
    "owner",
    "tier",
    "environment",
    "documented",
    "deprecated",
    "severity",
    "kind",
];

/// Everything at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) all: BTreeMap<About, BTreeMap<String, Facts>>,
    /// The last exchange that is known; only of the present.
    pub(crate) last: Option<Rfc3339>,
}

/// Where the facts of one moment come from, one at a time: all at once may be larger than what they are made from.
pub(crate) trait Everything {
    /// Everything of one sort, by id.
    fn each(&self, about: About) -> Box<dyn Iterator<Item = (String, Facts)> + '_>;
}

impl Everything for State {
    fn each(&self, about: About) -> Box<dyn Iterator<Item = (String, Facts)> + '_> {
        let all = self.about(about).iter();
        Box::new(all.map(|(id, facts)| (id.clone(), facts.clone())))
    }
}

/// What an analysis knows.
pub(crate) struct Learned<'a> {
    analyzer: &'a Analyzer,
    /// Kinds of all principals by id.
    kinds: BTreeMap<String, String>,
}

impl<'a> Learned<'a> {
    /// The facts of `analyzer`, which are made when they are asked for.
    pub(crate) fn of(analyzer: &'a Analyzer) -> Self {
        let kinds = analyzer.principals().map(|p| (p.id, p.kind.name().to_owned()));
        Self {
            kinds: kinds.collect(),
            analyzer,
        }
    }
}

impl Everything for Learned<'_> {
    fn each(&self, about: About) -> Box<dyn Iterator<Item = (String, Facts)> + '_> {
        let id = |known: &Known| known.text("id").to_owned();
        match about {
            About::Endpoint => Box::new(
                from_analyzer::endpoints(self.analyzer)
                    .map(move |e| (id(&e), endpoint_facts(&e, &self.kinds))),
            ),
            About::Principal => Box::new(
                from_analyzer::principals(self.analyzer)
                    .filter(is_followed)
                    .map(move |p| (id(&p), principal_facts(&p))),
            ),
            About::Finding => {
                Box::new(from_analyzer::findings(self.analyzer).map(move |f| (id(&f), finding_facts(&f))))
            }
            About::Operation => Box::new(std::iter::empty()),
        }
    }
}

/// Whether a principal is one that is told of by itself.
fn is_followed(principal: &Known) -> bool {
    matches!(principal.text("kind"), "ai_agent" | "service")
}

impl State {
    /// What is known now.
    pub(crate) fn of(source: &Source) -> Self {
        Self::from_records(source.endpoints(), source.principals(), source.findings())
    }

    /// What an analysis knows now.
    pub(crate) fn of_analyzer(analyzer: &Analyzer) -> Self {
        Self::from_records(
            from_analyzer::endpoints(analyzer),
            from_analyzer::principals(analyzer),
            from_analyzer::findings(analyzer),
        )
    }

    /// Principals first: whether a caller is an agent or a service is known of them.
    fn from_records(
        endpoints: impl Iterator<Item = Known>,
        principals: impl Iterator<Item = Known>,
        findings: impl Iterator<Item = Known>,
    ) -> Self {
        let mut state = Self::default();
        let mut last = 0;
        let mut kinds: BTreeMap<String, String> = BTreeMap::new();
        let mut followed = BTreeMap::new();
        for principal in principals {
            last = last.max(principal.time("last_seen").map_or(0, |t| t.0));
            let (id, kind) = (principal.text("id"), principal.text("kind"));
            kinds.insert(id.to_owned(), kind.to_owned());
            if is_followed(&principal) {
                followed.insert(id.to_owned(), principal_facts(&principal));
            }
        }
        let mut own = BTreeMap::new();
        for endpoint in endpoints {
            last = last.max(endpoint.time("last_seen").map_or(0, |t| t.0));
            own.insert(endpoint.text("id").to_owned(), endpoint_facts(&endpoint, &kinds));
        }
        state.all.insert(About::Endpoint, own);
        state.all.insert(About::Principal, followed);
        let findings = findings.map(|f| (f.text("id").to_owned(), finding_facts(&f)));
        state.all.insert(About::Finding, findings.collect());
        state.last = (last > 0).then_some(Rfc3339(last));
        state
    }

    /// All of one sort.
    pub(crate) fn about(&self, about: About) -> &BTreeMap<String, Facts> {
        static NONE: BTreeMap<String, Facts> = BTreeMap::new();
        self.all.get(&about).unwrap_or(&NONE)
    }

    /// The day of the last exchange, counted from 1970.
    pub(crate) fn day(&self) -> Option<u64> {
        self.last.map(|t| t.0 / NANOS_PER_DAY)
    }
}

/// Facts of an endpoint. `kinds` are those of all callers by id.
fn endpoint_facts(endpoint: &Known, kinds: &BTreeMap<String, String>) -> Facts {
    let mut own = Facts::default();
    for name in ["host", "method", "template"] {
        own.names.insert(name.to_owned(), endpoint.text(name).to_owned());
    }
    let words = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect::<Vec<_>>();
    own.put("auth", words(endpoint.names("auth")));
    own.put("data_classes", words(facts::classes(endpoint)));
    own.put("request_types", words(endpoint.names("request_types")));
    own.put("response_types", words(endpoint.names("response_types")));
    for name in ["owner", "tier", "environment", "deprecated"] {
        own.put(name, facts::text(&endpoint.value, name));
    }
    let documented = facts::documented(endpoint);
    own.put(
        "documented",
        documented.map(|yes| if yes { "yes" } else { "no" }.to_owned()),
    );
    own.put("parameters", facts::parameters(endpoint));
    own.put("fields", facts::fields(endpoint));
    let of_kind = |wanted: &str| {
        let called_by = endpoint.called_by.iter();
        called_by
            .filter(|id| kinds.get(*id).is_some_and(|kind| kind == wanted))
            .cloned()
            .collect::<Vec<_>>()
    };
    own.put("agents", of_kind("ai_agent"));
    own.put("services", of_kind("service"));
    // Of people and strangers only that there are any: they come and go.
    let some = ["human", "unknown"]
        .into_iter()
        .filter(|kind| !of_kind(kind).is_empty());
    own.put("others", some.map(str::to_owned));
    let time = |field| endpoint.time(field).map(|t| t.0);
    if let (Some(first), Some(last)) = (time("first_seen"), time("last_seen")) {
        own.calls = Some(Calls {
            count: endpoint.count("exchanges"),
            first,
            last,
        });
    }
    own
}

fn principal_facts(principal: &Known) -> Facts {
    let mut own = Facts::default();
    let name = principal.value["name"].as_str().unwrap_or(principal.text("id"));
    own.names.insert("name".to_owned(), name.to_owned());
    own.put("kind", [principal.text("kind").to_owned()]);
    own.put("auth", principal.names("auth").into_iter().map(str::to_owned));
    own.put(ACCESS, principal.uses.iter().map(access));
    own
}

/// The fact that says which endpoints let a principal in, and with which scopes. It is for reviews of access: what a new caller
/// means to an endpoint is a fact of the endpoint.
pub(crate) const ACCESS: &str = "access";

/// The word of [`ACCESS`] for one endpoint: its id, and the scopes behind it.
fn access(used: &UsedEndpoint) -> String {
    let mut scopes = used.scopes.clone();
    scopes.sort_unstable();
    std::iter::once(used.id.clone())
        .chain(scopes)
        .collect::<Vec<_>>()
        .join(" ")
}

fn finding_facts(finding: &Known) -> Facts {
    let mut own = Facts::default();
    let resource = &finding.value["resource"];
    let part = |name: &str| resource[name].as_str().unwrap_or_default();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            own.names.insert(name.to_owned(), text.to_owned());
        }
    };
    put("kind", finding.text("kind"));
    put("title", finding.text("title"));
    for name in ["endpoint", "host", "method", "template"] {
        put(name, part(name));
    }
    let principal = &finding.value["principal"];
    put("principal", principal["id"].as_str().unwrap_or_default());
    own.put("severity", [finding.text("severity").to_owned()]);
    if finding.text("status") == "closed" {
        own.put("closed", ["yes".to_owned()]);
    }
    own
}
