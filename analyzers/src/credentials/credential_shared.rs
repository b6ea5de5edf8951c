//! # `credential_shared`: one credential, several clients
//!
//! Reports, once per credential and day, a credential that is accepted from two client addresses where that is not
//! one client moving:
//! - from another network (/24, /64) within fifteen minutes, or going back and forth between two networks: medium;
//!   with another kind of program as well: high;
//! - from another network after whatever time, of an agent or a service that was in use for a day and in at most two networks: medium;
//!   with another kind of program: high;
//! - going back and forth between addresses of one network with different programs: medium; with the same program: low
//!   (replicas that share one key).
//!
//! Source: OWASP API2:2023, NHI9:2025; MITRE ATLAS AML.T0091.
//!
//! Blind to: clients behind one address (a proxy, a NAT); a thief on the same machine.
//!
//! Quiet when: both addresses lie in networks set as `shared_egress`; a client moves within its network and does
//! not come back (rescheduled, new lease); it moves after a pause and does not come back (a laptop); a
//! browser's session roams (it must come back twice); a credential is handed over right after it was made
//! (first use, then another client for good).

use std::net::IpAddr;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::known::Known;
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::{PrincipalKind, Scheme};
use crate::network::Networks;

/// Clients remembered per credential; the one idle for longest makes way.
const CLIENTS: usize = 16;

/// Time in which nobody moves house.
const MINUTES: Duration = Duration::from_secs(15 * 60);

/// Time after its first use in which a credential may still be handed over.
const HANDOVER: Duration = Duration::from_secs(120);

/// The clients of one credential, the one that used it last at the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Clients {
    clients: Vec<Client>,
    /// Times the credential came back to a client it had left.
    returns: u32,
    latest: Option<Trace>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Client {
    address: IpAddr,
    family: u64,
    uses: u64,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
}

impl Known {
    /// Looks at one accepted use, which is counted already.
    /// `settled` says that the principal was always in the same few networks.
    pub(super) fn used_by(
        &mut self,
        activity: &Activity<'_>,
        settled: bool,
        egress: &Networks,
        ledger: &mut Ledger,
    ) {
        let address = activity.exchange.flow.client.ip();
        let family = activity.identity.family;
        let ts = activity.ts;
        let all = &mut self.clients;
        // The client used last is kept at the end; the common case is that it goes on.
        if let Some(last) = all.clients.last_mut()
            && last.address == address
            && last.family == family
        {
            last.uses += 1;
            last.last = last.last.max(ts);
            return;
        }
        let known = all.clients.iter().position(|c| c.address == address);
        let client = match known {
            Some(place) => all.clients.remove(place),
            None => Client {
                address,
                family,
                uses: 0,
                last: ts,
            },
        };
        let previous = all.clients.last().cloned();
        let returned = known.is_some() && previous.is_some();
        all.returns += u32::from(returned);
        if all.clients.len() >= CLIENTS {
            all.clients.remove(0);
        }
        all.clients.push(Client {
            family,
            uses: client.uses + 1,
            last: ts,
            ..client
        });
        if let Some(previous) = previous {
            self.judge(activity, &previous, (returned, settled), egress, ledger);
        }
        self.clients.latest = Some(activity.trace());
    }

    fn judge(
        &self,
        activity: &Activity<'_>,
        previous: &Client,
        (returned, settled): (bool, bool),
        egress: &Networks,
        ledger: &mut Ledger,
    ) {
        let address = activity.exchange.flow.client.ip();
        if address == previous.address || (egress.contains(address) && egress.contains(previous.address)) {
            return;
        }
        let ts = activity.ts;
        let elsewhere = !same_network(address, previous.address);
        let other_program = activity.identity.family != previous.family;
        let soon = ts.since(previous.last) <= MINUTES;
        let handed_over = self.uses <= 4 && ts.since(self.first) <= HANDOVER;
        let roaming = activity.scheme == Scheme::Cookie && activity.identity.browser && !other_program;
        let is_program = settled && matches!(activity.kind, PrincipalKind::AiAgent | PrincipalKind::Service);
        let severity = match (elsewhere, other_program) {
            _ if roaming && self.clients.returns < 2 => return,
            _ if handed_over && !returned => return,
            (true, true) if soon || returned => Severity::High,
            (true, false) if soon || returned => Severity::Medium,
            // Programs do not travel: a token that was in use in one network turns up in another.
            (true, true) if is_program => Severity::High,
            (true, false) if is_program => Severity::Medium,
            (false, true) if returned || soon => Severity::Medium,
            (false, false) if returned && self.clients.returns >= 2 => Severity::Low,
            _ => return,
        };
        let severity = if roaming {
            severity.min(Severity::Low)
        } else {
            severity
        };
        let Some(credential) = &activity.identity.credential else {
            return;
        };
        let id = credential.id.to_string();
        let parts: [&[u8]; 1] = [id.as_bytes()];
        let subject = Subject {
            kind: Kind::CredentialShared,
            parts: &parts,
            window: day(ts),
        };
        let draft = || Draft {
            confidence: match severity {
                Severity::High => 0.9,
                Severity::Medium => 0.75,
                _ => 0.5,
            },
            principal: true,
            resource: activity.resource(),
            observed: vec![
                ("scheme", json!(self.scheme.name())),
                ("from", json!(previous.address.to_string())),
                ("to", json!(address.to_string())),
                ("seconds_between", json!(ts.since(previous.last).as_secs())),
                ("another_network", json!(elsewhere)),
                ("another_program", json!(other_program)),
            ],
            expected: vec![("clients", json!(1))],
            earlier: self.clients.latest.iter().cloned().collect(),
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.observed("clients", self.clients.clients.len());
            running.observed("returns", self.clients.returns);
            running.support("uses", self.uses);
            running.support("seconds", ts.since(self.first).as_secs());
        });
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let clients = finding.observed_number("clients");
    let network = if finding.observed_flag("another_network") {
        "in another network"
    } else {
        "in the same network"
    };
    let program = if finding.observed_flag("another_program") {
        "with another kind of program"
    } else {
        "with the same kind of program"
    };
    sentence(&format!(
        "A credential ({}) of {} was accepted from {} and {} later from {}, {network} and {program}, at {}. It changed \
         clients {} that day and has been used from {clients}{} addresses.",
        finding.observed_text("scheme"),
        finding.who(),
        finding.observed_text("from"),
        span(finding.observed_number("seconds_between")),
        finding.observed_text("to"),
        finding.place(),
        many(finding.count, "time", "times"),
        if clients >= CLIENTS as u64 { " or more" } else { "" },
    ))
}

/// Whether two addresses lie in one network of the size that is usually one site.
fn same_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        _ => false,
    }
}
