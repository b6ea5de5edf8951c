//! # `zombie_endpoint`: an endpoint that should be gone still answers
//!
//! Reports an endpoint that answers with success although
//! - its end is over or announced: `x-sunset` of its operation or a `Sunset` in its answers (medium once it is over), or
//! - it is deprecated: by its operation, or by `Deprecation` in its answers, or
//! - a newer version is in use beside it: the same path with a higher `/v…/` on the same host, which had done three times what was
//!   asked, for two callers or one with a credential, before this call; for the record when a specification declares the older
//!   one and does not call it deprecated; high when the older one lets in without a credential and the newer one does not, or
//! - it was silent for [`crate::Settings::silent_after`] and is called again, and its host was watched on the days between.
//!
//! That the newer version lets nobody in without a credential is taken from what it did and not from one call: it never let anyone
//! in without and has refused who tried; or so many calls came with one that, were it as open as the older one, there would be less
//! than one chance in a hundred of it.
//!
//! Calls that conform count: they are who still uses it.
//!
//! Source: RFC 8594, RFC 9745; OWASP API Security Top 10 2023, API9; field.md R04.
//!
//! Blind to: versions in a host name, a header, a query or a date, or above 63; a newer version with other names or methods.
//!
//! Quiet when: the answer is no success. What is refused is gone. And while the newer version was only tried: by one caller without
//! a credential, or once or twice.

use reassembly::{Message, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cover::Cover;
use super::undocumented::expected_text;
use super::{Check, Verdict, short_name};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::inventory::endpoint::Endpoint;
use crate::inventory::host::Inventory;
use crate::settings::Settings;
use crate::spec::Sunset;

/// Successful calls of an endpoint up to which each one looks for a newer version, and between two looks after that: each call
/// would find the same.
const OFTEN: u64 = 16;

/// Successful calls from which on a version is in use.
const IN_USE: u64 = 3;

/// The chance left that the newer version is as open as the older one, below which it is not.
const CHANCE: f64 = 0.01;

/// What answers said about the end of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Answers that said so.
    pub(crate) answers: u64,
    /// The earliest `Deprecation` (RFC 9745), in seconds since 1970; zero for one without a time.
    pub(crate) deprecated: Option<u64>,
    /// The earliest `Sunset` (RFC 8594).
    pub(crate) sunset: Option<u64>,
    pub(crate) first: Box<Trace>,
}

/// What an answer says about the end of its endpoint.
pub(crate) fn said(message: &Message) -> (Option<u64>, Option<u64>) {
    let deprecated = message.field("deprecation").and_then(deprecation);
    let date = |text: &str| {
        Sunset::parse(text)
            .unix_seconds
            .and_then(|s| u64::try_from(s).ok())
    };
    (deprecated, message.field("sunset").and_then(date))
}

/// `@1688169599` (RFC 9745 section 2.1); drafts of it had `true` and dates of HTTP.
fn deprecation(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    if text.eq_ignore_ascii_case("true") {
        return Some(0);
    }
    u64::try_from(Sunset::parse(text).unix_seconds?).ok()
}

impl Ending {
    /// Adds what one answer said.
    pub(crate) fn add(
        known: &mut Option<Box<Self>>,
        (deprecated, sunset): (Option<u64>, Option<u64>),
        evidence: impl FnOnce() -> Option<Box<Trace>>,
    ) {
        if deprecated.is_none() && sunset.is_none() {
            return;
        }
        match known {
            Some(known) => {
                known.answers += 1;
                known.deprecated = earliest(known.deprecated, deprecated);
                known.sunset = earliest(known.sunset, sunset);
            }
            None => {
                *known = evidence().map(|first| {
                    Box::new(Self {
                        answers: 1,
                        deprecated,
                        sunset,
                        first,
                    })
                });
            }
        }
    }

    /// Takes over what other answers of the same endpoint said.
    pub(crate) fn absorb(known: &mut Option<Box<Self>>, other: Option<Box<Self>>) {
        let Some(other) = other else { return };
        match known {
            None => *known = Some(other),
            Some(known) => {
                known.answers += other.answers;
                known.deprecated = earliest(known.deprecated, other.deprecated);
                known.sunset = earliest(known.sunset, other.sunset);
                if other.first.ts < known.first.ts {
                    known.first = other.first;
                }
            }
        }
    }
}

fn earliest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

/// Looks at one exchange.
pub(crate) fn observe(
    activity: &Activity<'_>,
    endpoint: &Endpoint,
    check: Option<&Check<'_>>,
    inventory: &Inventory,
    cover: &mut Cover,
    settings: &Settings,
    filing: &mut Filing,
) {
    // What refuses is gone, as far as its callers go.
    let answered = activity
        .status
        .is_some_and(|s| matches!(s, 101 | 200..=299 | 304));
    if !answered || endpoint.is_static || activity.request.method() == "OPTIONS" {
        return;
    }
    ended(activity, endpoint, check, filing);
    superseded(activity, endpoint, check, inventory, cover, filing);
    silent(activity, endpoint, cover, settings, filing);
}

fn subject<'a>(parts: &'a [&'a [u8]]) -> Subject<'a> {
    Subject {
        kind: Kind::ZombieEndpoint,
        parts,
        window: 0,
    }
}

/// Declared as deprecated, or its answers say so, or say that it ends.
fn ended(activity: &Activity<'_>, endpoint: &Endpoint, check: Option<&Check<'_>>, filing: &mut Filing) {
    let declared = check
        .filter(|c| c.verdict == Verdict::Declared)
        .and_then(|c| c.found);
    let now = activity.ts.seconds();
    let ending = endpoint.ending.as_deref();
    let sunset_declared = declared
        .and_then(|d| d.operation.sunset.as_ref()?.unix_seconds)
        .and_then(|s| u64::try_from(s).ok());
    let sunset = earliest(sunset_declared, ending.and_then(|e| e.sunset));
    let by_document = declared.filter(|d| d.operation.deprecated);
    let by_answer = ending.and_then(|e| e.deprecated).filter(|since| *since <= now);
    let over = sunset.is_some_and(|sunset| sunset < now);
    let reason = match (over, by_document, by_answer, sunset) {
        (true, ..) => "past_sunset",
        (_, Some(_), ..) => "declared_deprecated",
        (_, _, Some(_), _) => "answers_deprecated",
        (_, _, _, Some(_)) => "sunset_announced",
        _ => return,
    };
    let severity = match reason {
        "past_sunset" => Severity::Medium,
        "sunset_announced" => Severity::Info,
        _ => Severity::Low,
    };
    let id = endpoint.id.to_string();
    let draft = || Draft {
        confidence: 0.95,
        resource: activity.resource(),
        observed: vec![("status", json!(activity.status)), ("reason", json!(reason))],
        expected: vec![
            ("specification", json!(declared.map(|d| short_name(d.spec)))),
            ("line", json!(declared.map(|d| d.operation.at.line))),
            ("sunset", json!(sunset)),
            ("deprecated_since", json!(by_answer.filter(|since| *since > 0))),
        ],
        earlier: ending.map(|e| (*e.first).clone()).into_iter().collect(),
        ..Draft::default()
    };
    filing.report(subject(&[id.as_bytes(), b"ended"]), severity, draft, |running| {
        running.count(endpoint.status[1].max(1));
        running.observed("calls", endpoint.status[1]);
        running.observed("callers", endpoint.caller_count() as u64);
        if let Some(sunset) = sunset.filter(|sunset| *sunset < now) {
            running.observed("seconds_past_sunset", now - sunset);
        }
        running.support("exchanges", endpoint.exchanges);
    });
}

/// An older version that answers beside a newer one.
fn superseded(
    activity: &Activity<'_>,
    endpoint: &Endpoint,
    check: Option<&Check<'_>>,
    inventory: &Inventory,
    cover: &mut Cover,
    filing: &mut Filing,
) {
    let done = endpoint.status[1];
    if done > OFTEN && !done.is_multiple_of(OFTEN) {
        return;
    }
    let Some((start, version, end)) = version_of(&endpoint.template) else {
        return;
    };
    // Most hosts have one version of everything, so there is nothing to look for.
    let Some(above) = cover.versions_above(version) else {
        return;
    };
    let template = &endpoint.template;
    let newer = above.into_iter().rev().find_map(|next| {
        let other = format!("{}{next}{}", &template[..start], &template[end..]);
        let found = inventory.beside(endpoint, &endpoint.method, &other)?;
        is_in_use(found).then_some((next, found))
    });
    let Some((next, newer)) = newer else { return };
    let weaker = asks_for_more(newer, endpoint);
    let meant = check.is_some_and(|c| c.found.is_some_and(|d| !d.operation.deprecated));
    let severity = match (weaker, meant) {
        (true, _) => Severity::High,
        // Whoever declares both versions keeps both.
        (false, true) => Severity::Info,
        (false, false) => Severity::Low,
    };
    let short = endpoint.id.short().to_le_bytes();
    let draft = || Draft {
        confidence: 0.85,
        resource: activity.resource(),
        observed: vec![
            ("status", json!(activity.status)),
            ("reason", json!("superseded")),
            ("version", json!(version)),
            ("asks_for_less", json!(weaker)),
        ],
        expected: vec![
            ("version", json!(next)),
            ("template", json!(newer.template)),
            ("newer_since", json!(newer.first.seconds())),
        ],
        ..Draft::default()
    };
    filing.report(subject(&[&short, b"superseded"]), severity, draft, |running| {
        running.count(done.max(1));
        running.observed("callers", endpoint.caller_count() as u64);
        running.observed("without_credential", endpoint.open_ok);
        running.support("exchanges", endpoint.exchanges);
        running.support("newer_exchanges", newer.exchanges);
    });
}

/// Whether a version does what callers ask for, and not for one who tries.
fn is_in_use(newer: &Endpoint) -> bool {
    newer.proven && newer.status[1] >= IN_USE && (newer.caller_count() >= 2 || newer.auth_ok > 0)
}

/// Whether the newer version asks for a credential that the older one does without.
fn asks_for_more(newer: &Endpoint, older: &Endpoint) -> bool {
    if older.open_ok == 0 || newer.open_ok > 0 || newer.auth_ok == 0 {
        return false;
    }
    // How open the older one is, with two calls more that are not known (Laplace's rule of succession).
    let open = older.open_ok as f64 / (older.open_ok + older.auth_ok + 2) as f64;
    let calls = i32::try_from(newer.auth_ok).unwrap_or(i32::MAX);
    newer.denied > 0 || (newer.auth_ok >= IN_USE && (1.0 - open).powi(calls) < CHANCE)
}

/// The number of the first version in a path, and where it stands: `/api/v2/orders` has 2.
pub(crate) fn version_of(template: &str) -> Option<(usize, u32, usize)> {
    let mut start = 0;
    for part in template.split('/') {
        let digits = part.strip_prefix(['v', 'V']).unwrap_or("");
        if (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Some((start + 1, digits.parse().ok()?, start + part.len()));
        }
        start += part.len() + 1;
    }
    None
}

/// Called again after it was silent while its host was watched.
fn silent(
    activity: &Activity<'_>,
    endpoint: &Endpoint,
    cover: &Cover,
    settings: &Settings,
    filing: &mut Filing,
) {
    let gap = activity.ts.since(endpoint.before);
    if gap < settings.silent_after {
        return;
    }
    let days = settings.silent_after.as_secs().div_ceil(86_400);
    let covered = cover.days_between(endpoint.before, activity.ts);
    if covered < days.saturating_sub(1).max(1) {
        return;
    }
    let id = endpoint.id.to_string();
    let since = endpoint.before.seconds().to_le_bytes();
    let draft = || Draft {
        confidence: 0.8,
        resource: activity.resource(),
        observed: vec![
            ("status", json!(activity.status)),
            ("reason", json!("silent")),
            ("silent_seconds", json!(gap.as_secs())),
            ("covered_days", json!(covered)),
        ],
        expected: vec![("silent_days", json!(days))],
        ..Draft::default()
    };
    filing.report(
        subject(&[id.as_bytes(), b"silent", &since]),
        Severity::Low,
        draft,
        |running| running.support("exchanges", endpoint.exchanges),
    );
}

/// A time when an endpoint was called before the call at hand: of several, the latest but for that of the call.
pub(crate) fn before(times: [Timestamp; 4]) -> Timestamp {
    let last = times.into_iter().max().unwrap_or(Timestamp(0));
    times.into_iter().filter(|t| *t < last).max().unwrap_or(last)
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let expected = |name: &str| finding.expected.get(name).and_then(Value::as_u64).unwrap_or(0);
    let calls = many(finding.count, "call", "calls");
    let callers = many(finding.observed_number("callers"), "caller", "callers");
    let place = finding.place();
    sentence(&match finding.observed_text("reason") {
        "past_sunset" => format!(
            "{place} answered {calls} of {callers} with success, the last {} after its announced end.",
            span(finding.observed_number("seconds_past_sunset")),
        ),
        "sunset_announced" => format!(
            "{place} answered {calls} of {callers} with success; it is announced to end, and they have to move before."
        ),
        "declared_deprecated" => format!(
            "{place} is deprecated, as {} says, and answered {calls} of {callers} with success.",
            expected_text(finding, "specification"),
        ),
        "answers_deprecated" => format!(
            "{place} is deprecated, as its own answers say, and answered {calls} of {callers} with success."
        ),
        "superseded" => {
            let less = if finding.observed_flag("asks_for_less") {
                " It lets in without the credential that the newer one asks for."
            } else {
                ""
            };
            format!(
                "{place} is version {} and answered {calls} of {callers}, and version {} of it is in use beside it.{less}",
                finding.observed_number("version"),
                expected("version"),
            )
        }
        _ => format!(
            "{place} was called again after {} of silence, during which its host was watched on {}; it answered {}.",
            span(finding.observed_number("silent_seconds")),
            many(finding.observed_number("covered_days"), "day", "days"),
            finding.observed_number("status"),
        ),
    })
}
