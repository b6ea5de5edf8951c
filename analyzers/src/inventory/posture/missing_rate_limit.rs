//! # `missing_rate_limit`: nothing slowed a caller at its peak
//!
//! Reports, once per endpoint, that one caller made far more calls within a minute than a person or a job needs, and that
//! the server answered them all: 60 at an endpoint where credentials are given or proven (login, token, password reset,
//! one-time codes): medium; 1200 at any other: low.
//!
//! A finding of this kind says what was not seen. It is quiet once the endpoint has ever answered 429 or 503, or named a
//! limit (`RateLimit`, `X-RateLimit-Limit`, `Retry-After` and their like), whenever that was; one that was told is closed then.
//!
//! Source: OWASP API4:2023, API2:2023; CWE-770, CWE-307.
//!
//! Blind to: limits above what was tried; limits spread over several endpoints; floods of many callers.
//!
//! Quiet when: many callers share the calls; the path is a health check or static.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Endpoint, Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Id;

/// Calls of one caller within a minute: where credentials are tried, and elsewhere.
const TRIES: u32 = 60;
const CALLS: u32 = 1200;

const OTHER: u8 = 0;
const CREDENTIALS: u8 = 1;
/// A limit after all, once there was said to be none.
const LIMITED: u8 = 2;

/// Words of routes where credentials are given or proven.
const WORDS: [&str; 16] = [
    "login",
    "signin",
    "sign-in",
    "logon",
    "token",
    "authenticate",
    "password",
    "forgot-password",
    "reset-password",
    "otp",
    "2fa",
    "mfa",
    "verify",
    "verification",
    "register",
    "signup",
];

/// Names of fields that tell a limit.
const FIELDS: [&str; 8] = [
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "x-ratelimit-limit",
    "x-rate-limit-limit",
    "x-ratelimit-remaining",
    "retry-after",
];

/// The busiest caller of this minute, by majority: each call of another one takes one of its calls away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peak {
    minute: u64,
    caller: Id,
    calls: u32,
    /// Most calls of one caller within a minute.
    most: u32,
    /// A limit was named or enforced.
    limited: bool,
}

impl Peak {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        let limited = self.limited || other.limited;
        let most = self.most.max(other.most);
        if (other.minute, other.calls) > (self.minute, self.calls) {
            self.clone_from(other);
        }
        self.limited = limited;
        self.most = most;
    }
}

pub(super) fn look(at: &Looked<'_>, endpoint: &Endpoint, posture: &mut Posture) {
    if posture.peak.limited || endpoint.is_static {
        return;
    }
    let told = [CREDENTIALS, OTHER].map(|which| posture.count(What::NoRateLimit, which)) != [0, 0];
    let names_limit = || {
        FIELDS
            .iter()
            .any(|name| at.response.message.field(name).is_some())
    };
    if matches!(at.response.status, 429 | 503) || told && names_limit() {
        posture.peak.limited = true;
        if told {
            posture.note(What::NoRateLimit, LIMITED);
        }
        return;
    }
    let peak = &mut posture.peak;
    let minute = at.seen.ts.seconds() / 60;
    let caller = at.seen.identity.id;
    if minute < peak.minute {
        return;
    }
    if minute > peak.minute {
        (peak.minute, peak.caller, peak.calls) = (minute, caller, 0);
    }
    if caller == peak.caller {
        peak.calls += 1;
    } else if peak.calls == 0 {
        (peak.caller, peak.calls) = (caller, 1);
    } else {
        peak.calls -= 1;
        return;
    }
    peak.most = peak.most.max(peak.calls);
    // Fields that name a limit are in every answer, or in those that come near it.
    if (peak.calls.is_power_of_two() || peak.calls == TRIES || peak.calls == CALLS) && names_limit() {
        peak.limited = true;
        return;
    }
    if peak.calls == TRIES && is_credential_route(&endpoint.template) {
        posture.note(What::NoRateLimit, CREDENTIALS);
    } else if peak.calls == CALLS && !is_health(&endpoint.template) {
        posture.note(What::NoRateLimit, OTHER);
    }
}

fn is_credential_route(template: &str) -> bool {
    template
        .split('/')
        .any(|part| WORDS.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

fn is_health(template: &str) -> bool {
    const HEALTH: [&str; 8] = [
        "health", "healthz", "livez", "readyz", "ping", "status", "metrics", "ready",
    ];
    template
        .split('/')
        .any(|part| HEALTH.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    if noted.which == LIMITED {
        return noted.close(Kind::MissingRateLimit, filing);
    }
    let credentials = noted.which == CREDENTIALS;
    let words = Words {
        kind: Kind::MissingRateLimit,
        severity: if credentials {
            Severity::Medium
        } else {
            Severity::Low
        },
        confidence: 0.6,
        title: None,
        observed: vec![("credentials", json!(credentials)), ("limited_answers", json!(0))],
        expected: vec![(
            "fewer_than_a_minute",
            json!(if credentials { TRIES } else { CALLS }),
        )],
    };
    let most = noted.endpoint.posture.peak.most;
    noted.of_endpoint("", words, filing, |running| {
        running.observed("most_in_a_minute", most);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = if finding.observed_flag("credentials") {
        ", where credentials are tried,"
    } else {
        ""
    };
    sentence(&format!(
        "{}{what} answered one caller {} times or more within a minute and never said that it was too often (no 429, no 503, no \
         field that names a limit). That happened in {}.",
        finding.place(),
        finding.observed_number("most_in_a_minute"),
        many(finding.count, "minute", "minutes"),
    ))
}
