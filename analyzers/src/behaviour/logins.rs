//! Who fails to be let in: of each client and host, the failures of a run, and the names and credentials that were tried. Two detectors
//! look at that.

use std::collections::BTreeSet;
use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::trace::Trace;
use crate::finding::{Kind, Severity};
use crate::id::{Id, Seed};
use crate::json::{Scalar, Scanner};
use crate::privacy::segment;
use crate::store::Row;

/// Names and credentials remembered of one run.
const NAMES: usize = 64;

/// Time without a failure after which another run begins.
const QUIET: Duration = Duration::from_secs(600);

/// Failures with few names, and what few is.
const BURST: u32 = 20;
const MANY: u32 = 100;
const FEW: usize = 3;

/// Names that fail, and failures, of a run that tries what others have lost.
const LISTED: usize = 10;
const TRIED: u32 = 15;

/// Share of tries that fail.
const SHARE: f64 = 0.7;

/// Bytes of a body in which a name is looked for.
const SEARCHED: usize = 4096;

/// Parts of paths at which somebody is let in.
const DOORS: [&str; 10] = [
    "login",
    "signin",
    "sign-in",
    "sign_in",
    "logon",
    "token",
    "authenticate",
    "session",
    "oauth",
    "auth",
];

/// The run of one client at one host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Logins {
    /// Tries and failures.
    tries: u32,
    failures: u32,
    /// Names and credentials that failed.
    names: BTreeSet<u32>,
    /// Of those, how many got in after others had failed.
    let_in: u32,
    #[serde(with = "crate::store::nanos")]
    since: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    #[serde(deserialize_with = "crate::store::tight")]
    trail: Vec<Trace>,
    reported: bool,
}

impl Row for Logins {
    fn worth(&self) -> (bool, Timestamp) {
        (self.reported, self.last)
    }
}

/// Whether an exchange is a try to be let in, and failed. `known` says that its credential was accepted before: one that has ended is
/// no guess.
fn outcome(activity: &Activity<'_>, known: bool) -> Option<bool> {
    let status = activity.status?;
    if activity.identity.credential.is_some() && !known {
        match status {
            401 => return Some(true),
            200..=299 => return Some(false),
            _ => {}
        }
    }
    if activity.request.method() != "POST" {
        return None;
    }
    let is_door = |part: &str| {
        DOORS.iter().any(|door| {
            let (head, rest) = part.as_bytes().split_at(door.len().min(part.len()));
            head.eq_ignore_ascii_case(door.as_bytes()) && matches!(rest, b"" | b"s" | b"S")
        })
    };
    if !activity.request.path().split('/').any(is_door) {
        return None;
    }
    match status {
        400 | 401 | 403 | 422 | 423 | 429 => Some(true),
        200..=399 => Some(false),
        _ => None,
    }
}

/// Whose run it is, when there has to be one.
pub(super) fn subject(activity: &Activity<'_>, known: bool, seed: Seed) -> Option<Id> {
    outcome(activity, known)?;
    let address = activity.identity.address.to_string();
    let hash = seed.wide(address.as_bytes());
    let host = activity.host_name();
    Some(Id::of(&[b"logins", &hash.to_le_bytes(), host.as_bytes()]))
}

/// Whether it is of interest when nothing is known of the client.
pub(super) fn begins(activity: &Activity<'_>, known: bool) -> bool {
    outcome(activity, known) == Some(true)
}

/// The name that is tried: of the body, or the credential itself.
fn name(activity: &Activity<'_>, seed: Seed) -> u32 {
    const FIELDS: [&[u8]; 8] = [
        b"username",
        b"user",
        b"email",
        b"login",
        b"user_name",
        b"client_id",
        b"account",
        b"phone",
    ];
    let is = |key: &[u8]| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(key));
    let body = activity.request.message.body.as_slice();
    let body = &body[..body.len().min(SEARCHED)];
    if body.trim_ascii_start().starts_with(b"{") {
        let mut scanner = Scanner::new(body);
        while let Some(scalar) = scanner.next() {
            if let Scalar::Text(value) = scalar
                && is(scanner.key())
            {
                return seed.hash(value) as u32;
            }
        }
    } else if let Ok(text) = std::str::from_utf8(body) {
        for pair in segment::parts(text, b'&').take(32) {
            if let Some((key, value)) = segment::once(pair, b'=')
                && is(key.as_bytes())
            {
                return seed.hash(value.as_bytes()) as u32;
            }
        }
    }
    match &activity.identity.credential {
        Some(credential) => credential.id.short() as u32,
        None => activity.identity.id.short() as u32,
    }
}

impl Logins {
    /// Looks at one try.
    pub(super) fn observe(
        &mut self,
        activity: &Activity<'_>,
        (subject, known): (Id, bool),
        seed: Seed,
        ledger: &mut Ledger,
    ) {
        let Some(failed) = outcome(activity, known) else {
            return;
        };
        if activity.ts.since(self.last) > QUIET {
            *self = Self {
                since: activity.ts,
                ..Self::default()
            };
        }
        self.last = self.last.max(activity.ts);
        self.tries = self.tries.saturating_add(1);
        let name = name(activity, seed);
        if failed {
            self.failures = self.failures.saturating_add(1);
            if self.names.len() < NAMES {
                self.names.insert(name);
            }
        } else if self.failures >= TRIED {
            self.let_in = self.let_in.saturating_add(1);
        } else {
            return;
        }
        if self.trail.len() < 9 {
            self.trail.reserve_exact(1);
            self.trail.push(activity.trace());
        }
        let share = f64::from(self.failures) / f64::from(self.tries);
        if share < SHARE {
            return;
        }
        let (kind, severity) = match self.names.len() {
            LISTED.. if self.failures >= TRIED => match self.let_in {
                0 => (Kind::CredentialStuffing, Severity::High),
                _ => (Kind::CredentialStuffing, Severity::Critical),
            },
            0..=FEW if self.failures >= BURST => match (self.let_in, self.failures >= MANY) {
                (0, false) => (Kind::AuthFailureBurst, Severity::Medium),
                _ => (Kind::AuthFailureBurst, Severity::High),
            },
            _ => return,
        };
        self.reported = true;
        let id = subject.to_string();
        let parts: [&[u8]; 1] = [id.as_bytes()];
        let subject = Subject {
            kind,
            parts: &parts,
            window: day(self.since),
        };
        let draft = || Draft {
            confidence: 0.9,
            principal: true,
            resource: activity.resource(),
            expected: vec![match kind {
                Kind::AuthFailureBurst => ("failures_fewer_than", json!(BURST)),
                _ => ("names_fewer_than", json!(LISTED)),
            }],
            earlier: self.trail.clone(),
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |running| {
            running.set_count(u64::from(self.failures + self.let_in));
            running.observed("tries", self.tries);
            running.observed("failures", self.failures);
            running.observed("names", self.names.len());
            running.observed("let_in_afterwards", self.let_in);
            running.support("seconds", activity.ts.since(self.since).as_secs());
        });
    }
}
