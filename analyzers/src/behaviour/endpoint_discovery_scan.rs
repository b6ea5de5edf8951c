//! # `endpoint_discovery_scan`: one client looking for endpoints
//!
//! Reports a client that asks for many distinct paths the server does not know (404, 405, 400, 501). A sequential test
//! (Wald) weighs two stories: one call in twenty is to a new unknown path, or one in two. Each new
//! unknown path adds 2.30, every other call takes 0.64 away; past 11.5 with ten distinct paths it is reported.
//! High when the paths are ones that scanners ask for (`/.env`, `/.git/config`, …).
//!
//! A client is a principal whose credential was accepted before, else an address: a token made up for each request hides
//! nobody.
//!
//! Source: OWASP API9:2023; MITRE ATT&CK T1595.003; Wald 1945; Jung et al. 2004.
//!
//! Blind to: scans slower than one new path in ten minutes, spread over many addresses, or answered 401, 403 or
//! 200 throughout.
//!
//! Quiet when: the same unknown path is asked for again; ids below one template fail (one template counts
//! once); parts of pages are missing (a browser's `/img/old.png`).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::id::{Id, Seed};
use crate::inventory::endpoint::refuses;
use crate::store::Row;

/// Unknown paths remembered; a scan is long reported by then.
const PATHS: usize = 64;
const QUIET: Duration = Duration::from_secs(600);

/// Log likelihood ratios for θ₀ = 0.05, θ₁ = 0.5, and the bound for α = 1e-5.
const NEW: f64 = std::f64::consts::LN_10;
const OTHER: f64 = -0.641_854;
const ALARM: f64 = 11.5;

/// What scanners ask for first.
const PROBES: [&str; 20] = [
    "/.env",
    "/.git",
    "/.svn",
    "/.aws",
    "/.ssh",
    "/wp-",
    "/phpmyadmin",
    "/actuator",
    "/server-status",
    "/cgi-bin",
    "/etc/passwd",
    "/console",
    "/solr",
    "/jenkins",
    "/manager/html",
    "/.ds_store",
    "/backup",
    "/config.",
    "/debug",
    "/graphql",
];

/// What one client has asked for in vain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Scan {
    unknown: BTreeSet<u64>,
    score: f64,
    probes: u32,
    calls: u64,
    /// Calls for unknown paths.
    asked: u64,
    #[serde(with = "crate::store::nanos")]
    since: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    #[serde(deserialize_with = "crate::store::tight")]
    trail: Vec<Trace>,
    reported: bool,
}

impl Row for Scan {
    fn worth(&self) -> (bool, Timestamp) {
        (self.reported, self.last)
    }
}

/// Whether an exchange is of interest to a client that has no [`Scan`] yet.
pub(crate) fn begins(activity: &Activity<'_>) -> bool {
    activity.endpoint.is_none() && !activity.place.is_static && activity.status.is_some_and(refuses)
}

impl Scan {
    /// Looks at one exchange of the client.
    pub(crate) fn observe(&mut self, activity: &Activity<'_>, subject: Id, ledger: &mut Ledger) {
        if activity.ts.since(self.last) > QUIET {
            *self = Self {
                since: activity.ts,
                ..Self::default()
            };
        }
        self.calls += 1;
        let unknown = begins(activity);
        if !unknown {
            self.score = (self.score + OTHER).max(0.0);
            return;
        }
        self.asked += 1;
        self.last = self.last.max(activity.ts);
        let path = activity.place.template.short();
        if self.unknown.contains(&path) {
            if self.reported {
                return;
            }
        } else {
            self.score = (self.score + NEW).min(4.0 * ALARM);
            if self.unknown.len() < PATHS {
                self.unknown.insert(path);
            }
            let lower = activity.request.path().to_ascii_lowercase();
            self.probes += u32::from(PROBES.iter().any(|p| lower.starts_with(p)));
            if self.trail.len() < 9 {
                self.trail.reserve_exact(1);
                self.trail.push(activity.trace());
            }
        }
        if (self.unknown.len() as u64) < activity.thresholds.unknown_paths || self.score < ALARM {
            return;
        }
        self.reported = true;
        let severity = if self.probes >= 3 {
            Severity::High
        } else {
            Severity::Medium
        };
        let id = subject.to_string();
        let parts: [&[u8]; 1] = [id.as_bytes()];
        let subject = Subject {
            kind: Kind::EndpointDiscoveryScan,
            parts: &parts,
            window: day(self.since),
        };
        let draft = || Draft {
            confidence: 0.9,
            principal: true,
            resource: activity.host_resource(),
            expected: vec![
                ("share_of_unknown_paths", json!(0.05)),
                ("score_below", json!(ALARM)),
            ],
            earlier: self.trail.clone(),
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.count(self.asked);
            running.observed("unknown_paths", self.unknown.len());
            running.observed("scanner_paths", self.probes);
            running.observed("calls", self.calls);
            running.observed("score", (self.score * 100.0).round() / 100.0);
            running.support("seconds", activity.ts.since(self.since).as_secs());
        });
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let paths = finding.observed_number("unknown_paths");
    let probes = match finding.observed_number("scanner_paths") {
        0 => String::new(),
        probes => format!(", {probes} of them such as scanners ask for"),
    };
    sentence(&format!(
        "{} asked {} {} within {} for paths that it does not know: {paths}{} different ones{probes}. It made {} in all.",
        finding.who(),
        finding.place(),
        many(finding.count, "time", "times"),
        span(finding.seconds()),
        if paths >= PATHS as u64 { " or more" } else { "" },
        many(finding.observed_number("calls"), "call", "calls"),
    ))
}

/// The client a scan is counted for: a principal whose credential a server has `accepted` is itself; all others at one
/// address are one, whatever programs they say they are and whatever tokens they make up.
pub(crate) fn subject(activity: &Activity<'_>, accepted: bool, seed: Seed) -> Id {
    if accepted && !activity.identity.by_address {
        return activity.identity.id;
    }
    let hash = match activity.exchange.flow.client.ip() {
        IpAddr::V4(ip) => seed.wide(&ip.octets()),
        IpAddr::V6(ip) => seed.wide(&ip.octets()),
    };
    Id::of(&[b"scan", &hash.to_le_bytes()])
}
