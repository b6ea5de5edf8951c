//! How an endpoint is set up, as its answers show it: findings that say nothing of any one caller.
//!
//! One file knows each kind. While an exchange is counted for its endpoint, each file looks at it and *notes* what it sees
//! (`note`, in [`Posture`]): what, which of its kinds, how often. A note is worth telling the first time and each time its
//! number has doubled; only then is the finding worked out and filed (`tell`). So what is always so costs a
//! few compares an exchange, and the head of an answer is searched for what it is not likely to have only now and then.
//!
//! Notes are part of the endpoint's row: bounded, stored, and added up where rows become one.

pub(crate) mod cleartext_api;
pub(crate) mod cors_misconfig;
pub(crate) mod debug_endpoint;
pub(crate) mod graphql_introspection;
pub(crate) mod missing_cache_control;
pub(crate) mod missing_rate_limit;
pub(crate) mod property_overexposure;
#[cfg(test)]
mod tests;
pub(crate) mod trace_enabled;
pub(crate) mod unowned_endpoint;
pub(crate) mod verbose_error;
pub(crate) mod version_disclosure;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::endpoint::{Endpoint, Seen};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Filing, Running, Subject};
use crate::finding::{Kind, Resource, Severity};
use crate::settings::Settings;

/// Notes kept of an endpoint.
const NOTES: usize = 32;

/// What can be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Cleartext,
    Cors,
    Debug,
    Introspection,
    NoCacheControl,
    NoRateLimit,
    Overexposure,
    Trace,
    VerboseError,
    Version,
}

/// Something seen, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    what: What,
    /// Which of its kinds: a number that its file knows.
    which: u8,
    count: u64,
}

/// What is known of how an endpoint is set up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Posture {
    /// In order of what and which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
    #[serde(default, skip_serializing_if = "cors_misconfig::Origins::is_empty")]
    origins: cors_misconfig::Origins,
    #[serde(default, skip_serializing_if = "missing_rate_limit::Peak::is_empty")]
    peak: missing_rate_limit::Peak,
    #[serde(default, skip_serializing_if = "property_overexposure::Shares::is_empty")]
    shares: property_overexposure::Shares,
    /// Answers that were errors and had text.
    #[serde(default)]
    errors: u32,
    /// What of the exchange at hand is worth telling.
    #[serde(skip)]
    due: Vec<(What, u8)>,
}

impl Posture {
    /// Counts something.
    fn note(&mut self, what: What, which: u8) {
        let count = match self
            .notes
            .binary_search_by_key(&(what, which), |n| (n.what, n.which))
        {
            Ok(place) => {
                self.notes[place].count += 1;
                self.notes[place].count
            }
            Err(_) if self.notes.len() >= NOTES => return,
            Err(place) => {
                let note = Note {
                    what,
                    which,
                    count: 1,
                };
                self.notes.insert(place, note);
                1
            }
        };
        if count.is_power_of_two() {
            self.due.push((what, which));
        }
    }

    /// How often something was noted.
    fn count(&self, what: What, which: u8) -> u64 {
        self.notes
            .iter()
            .find(|n| (n.what, n.which) == (what, which))
            .map_or(0, |n| n.count)
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        for theirs in other.notes {
            match self
                .notes
                .binary_search_by_key(&(theirs.what, theirs.which), |n| (n.what, n.which))
            {
                Ok(place) => self.notes[place].count += theirs.count,
                Err(place) => self.notes.insert(place, theirs),
            }
        }
        self.notes.truncate(NOTES);
        self.origins.absorb(other.origins);
        self.peak.absorb(&other.peak);
        self.shares.absorb(other.shares);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// Looks at one exchange that is counted for `endpoint`, the data of which is counted already.
pub(crate) fn look(endpoint: &mut Endpoint, seen: &Seen<'_>) {
    let mut posture = std::mem::take(&mut endpoint.posture);
    posture.due.clear();
    let (Some(request), Some(response)) = (&seen.exchange.request, &seen.exchange.response) else {
        endpoint.posture = posture;
        return;
    };
    let at = Looked {
        seen,
        request,
        response,
        ok: (200..300).contains(&response.status),
    };
    cleartext_api::look(&at, &mut posture);
    cors_misconfig::look(&at, &mut posture);
    missing_rate_limit::look(&at, endpoint, &mut posture);
    verbose_error::look(&at, &mut posture);
    if at.ok {
        debug_endpoint::look(&at, endpoint, &mut posture);
        graphql_introspection::look(&at, &mut posture);
        missing_cache_control::look(&at, endpoint, &mut posture);
        property_overexposure::look(&at, endpoint, &mut posture);
        trace_enabled::look(&at, &mut posture);
    }
    // What a server says of itself it says always: the first answers tell it.
    if endpoint.exchanges.is_power_of_two() {
        version_disclosure::look(&at, &mut posture);
    }
    endpoint.posture = posture;
}

/// An exchange of which both sides were seen.
struct Looked<'a> {
    seen: &'a Seen<'a>,
    request: &'a reassembly::Request,
    response: &'a reassembly::Response,
    ok: bool,
}

/// Tells what the exchange at hand gave reason to.
pub(crate) fn tell(activity: &Activity<'_>, endpoint: &Endpoint, settings: &Settings, filing: &mut Filing) {
    for (what, which) in &endpoint.posture.due {
        let noted = Noted {
            activity,
            endpoint,
            which: *which,
            count: endpoint.posture.count(*what, *which),
        };
        match what {
            What::Cleartext => cleartext_api::tell(&noted, filing),
            What::Cors => cors_misconfig::tell(&noted, filing),
            What::Debug => debug_endpoint::tell(&noted, filing),
            What::Introspection => graphql_introspection::tell(&noted, filing),
            What::NoCacheControl => missing_cache_control::tell(&noted, filing),
            What::NoRateLimit => missing_rate_limit::tell(&noted, filing),
            What::Overexposure => property_overexposure::tell(&noted, filing),
            What::Trace => trace_enabled::tell(&noted, filing),
            What::VerboseError => verbose_error::tell(&noted, filing),
            What::Version => version_disclosure::tell(&noted, filing),
        }
    }
    unowned_endpoint::observe(activity, endpoint, settings, filing);
}

/// A note that is worth telling, and the exchange that made it so.
struct Noted<'a> {
    activity: &'a Activity<'a>,
    endpoint: &'a Endpoint,
    which: u8,
    count: u64,
}

/// What is told of a note.
struct Words {
    kind: Kind,
    severity: Severity,
    confidence: f64,
    title: Option<String>,
    observed: Vec<(&'static str, Value)>,
    expected: Vec<(&'static str, Value)>,
}

impl Noted<'_> {
    /// One finding for the endpoint and this part.
    fn of_endpoint(
        &self,
        part: &str,
        words: Words,
        filing: &mut Filing,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        let id = self.endpoint.id.to_string();
        self.report(&id, part, self.activity.resource(), words, filing, running);
    }

    /// The finding for the endpoint is no longer so.
    fn close(&self, kind: Kind, filing: &mut Filing) {
        let id = self.endpoint.id.to_string();
        let parts: [&[u8]; 2] = [id.as_bytes(), b""];
        let subject = Subject {
            kind,
            parts: &parts,
            window: 0,
        };
        filing.close(subject, self.activity.ts);
    }

    /// One finding for the host and this part, whichever of its endpoints shows it.
    fn of_host(&self, part: &str, words: Words, filing: &mut Filing) {
        let host = &self.endpoint.host;
        let resource = self.activity.host_resource();
        self.report(host, part, resource, words, filing, |_| {});
    }

    fn report(
        &self,
        whose: &str,
        part: &str,
        resource: Resource,
        words: Words,
        filing: &mut Filing,
        running: impl FnOnce(&mut Running<'_>),
    ) {
        let parts: [&[u8]; 2] = [whose.as_bytes(), part.as_bytes()];
        let subject = Subject {
            kind: words.kind,
            parts: &parts,
            window: 0,
        };
        let draft = || Draft {
            confidence: words.confidence,
            title: words.title,
            resource,
            observed: words.observed,
            expected: words.expected,
            ..Draft::default()
        };
        let (count, exchanges) = (self.count, self.endpoint.exchanges);
        filing.report(subject, words.severity, draft, |entry| {
            entry.count(count);
            entry.support("exchanges", exchanges);
            running(entry);
        });
    }
}
