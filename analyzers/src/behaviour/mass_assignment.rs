//! # `mass_assignment`: a field that nobody sends is sent, and taken
//!
//! Looks in bodies of JSON and forms that change something, and in arguments of tools, for fields that a server should set by itself: roles, permissions, flags of operators, balances,
//! prices, approvals, owners. Learns of each endpoint which of them its callers send. One that none of forty requests or more had is told when
//! the server lets it in.
//!
//! Medium; high when the answer has the field, with the same value.
//!
//! Source: OWASP API3:2023 (which holds API6:2019, mass assignment); CWE-915.
//!
//! Blind to: fields with names of their own; endpoints with fewer than forty bodies; fields that some callers send all the time.
//!
//! Quiet when: the server refuses; the field came three times before: it was told then; a third caller sends it within two days (a release).

use serde_json::json;

use super::activity::Activity;
use super::customs::Custom;
use super::days::day_of;
use super::doing::Unit;
use super::failure;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Seed;

/// Bodies from which on it is known what is sent.
const BODIES: u32 = 40;

/// Bytes of a request and of an answer that are looked at.
const SEARCHED: usize = 16 * 1024;

/// What servers set by themselves, in lower case and without `_` and `-`.
const PROTECTED: [&str; 36] = [
    "role",
    "roles",
    "isadmin",
    "admin",
    "superuser",
    "issuperuser",
    "isstaff",
    "permissions",
    "permission",
    "scopes",
    "privileges",
    "accesslevel",
    "usertype",
    "accounttype",
    "balance",
    "credit",
    "creditlimit",
    "credits",
    "price",
    "unitprice",
    "discount",
    "totalprice",
    "verified",
    "isverified",
    "emailverified",
    "approved",
    "isapproved",
    "approvedby",
    "ownerid",
    "owner",
    "tenantid",
    "organizationid",
    "orgid",
    "paid",
    "ispaid",
    "internal",
];

/// Letters of the longest of them.
const LONGEST: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < PROTECTED.len() {
        if PROTECTED[at].len() > longest {
            longest = PROTECTED[at].len();
        }
        at += 1;
    }
    longest
};

/// Which of them have so many letters, a bit for each.
const OF_LENGTH: [u64; LONGEST + 1] = {
    let (mut all, mut at) = ([0; LONGEST + 1], 0);
    while at < PROTECTED.len() {
        all[PROTECTED[at].len()] |= 1 << at;
        at += 1;
    }
    all
};

/// Fields of one body that are looked at.
const FIELDS: usize = 256;

/// The keys of an object of JSON, or names of a form, that are protected, each with the bytes of its value.
fn protected(body: &[u8]) -> Vec<(&'static str, &[u8])> {
    let mut found: Vec<(&'static str, &[u8])> = Vec::new();
    let json = body.trim_ascii_start().starts_with(b"{");
    let mut at = 0;
    for _ in 0..FIELDS {
        let (name, value) = if json {
            let Some((name, value)) = next_key(body, &mut at) else {
                break;
            };
            (name, value)
        } else {
            if at >= body.len() {
                break;
            }
            let rest = &body[at..];
            let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
            at += end + 1;
            let pair = &rest[..end];
            let Some(middle) = memchr::memchr(b'=', pair) else {
                continue;
            };
            (&pair[..middle], &pair[middle + 1..])
        };
        if let Some(known) = known(name)
            && !found.iter().any(|(before, _)| *before == known)
        {
            found.push((known, if json { scalar(value) } else { value }));
        }
    }
    found
}

/// The value that a text begins with, as far as it is looked at.
fn scalar(text: &[u8]) -> &[u8] {
    let value = text.trim_ascii_start();
    let until = value
        .iter()
        .take(64)
        .position(|b| matches!(b, b',' | b'}' | b'\n'))
        .unwrap_or(value.len().min(64));
    value[..until].trim_ascii_end()
}

/// The next text that is followed by a colon, and all that stands behind that.
fn next_key<'a>(body: &'a [u8], at: &mut usize) -> Option<(&'a [u8], &'a [u8])> {
    loop {
        let start = *at + memchr::memchr(b'"', body.get(*at..)?)? + 1;
        let mut end = start;
        loop {
            end += memchr::memchr2(b'"', b'\\', body.get(end..)?)?;
            if body[end] == b'"' {
                break;
            }
            end += 2;
        }
        *at = end + 1;
        let rest = body[*at..].trim_ascii_start();
        if let Some(value) = rest.strip_prefix(b":") {
            return Some((&body[start..end], value));
        }
    }
}

/// The protected field that a name is, however it is written: `is_admin`, `isAdmin`, `IS-ADMIN`.
fn known(name: &[u8]) -> Option<&'static str> {
    let mut letters = [0; LONGEST];
    let mut len = 0;
    for byte in name.iter().filter(|b| !matches!(b, b'_' | b'-')) {
        *letters.get_mut(len)? = byte.to_ascii_lowercase();
        len += 1;
    }
    let letters = &letters[..len];
    // Names of one length are few.
    let mut left = OF_LENGTH[len];
    while left != 0 {
        let known = PROTECTED[left.trailing_zeros() as usize];
        if known.as_bytes() == letters {
            return Some(known);
        }
        left &= left - 1;
    }
    None
}

/// Looks at a call that was let in.
pub(super) fn observe(
    activity: &Activity<'_>,
    custom: &mut Custom,
    unit: &mut Unit,
    seed: Seed,
    ledger: &mut Ledger,
) {
    let body = activity.request.message.body.as_slice();
    if body.is_empty() || !activity.changes_state() || failure::says_error(activity) {
        return;
    }
    let Some(endpoint) = activity.endpoint else {
        return;
    };
    let fields = protected(&body[..body.len().min(SEARCHED)]);
    let known = custom.bodies >= BODIES;
    custom.bodies = custom.bodies.saturating_add(1);
    let answer = activity
        .exchange
        .response
        .as_ref()
        .map_or(&[][..], |r| r.message.body.as_slice());
    let answer = &answer[..answer.len().min(SEARCHED)];
    // Looked at when something is told of, and then once.
    let mut taken = None;
    for (name, value) in fields {
        let hash = seed.hash(name.as_bytes()) as u32;
        // What comes for the fourth time was told three times.
        let had = custom.had(hash);
        custom.take_field(hash);
        if !known || had > 3 {
            continue;
        }
        if custom.changes_with(activity.identity.id, day_of(activity.ts)) {
            // A release of all clients, and not one of them.
            (0..3).for_each(|_| custom.take_field(hash));
            continue;
        }
        let taken = taken.get_or_insert_with(|| protected(answer));
        let echoed = taken.contains(&(name, value));
        let severity = match echoed {
            true => Severity::High,
            false => Severity::Medium,
        };
        let place = endpoint.id.to_string();
        let parts: [&[u8]; 3] = [
            activity.identity.text.as_bytes(),
            place.as_bytes(),
            name.as_bytes(),
        ];
        let subject = Subject {
            kind: Kind::MassAssignment,
            parts: &parts,
            window: day(unit.first),
        };
        let draft = || Draft {
            confidence: if echoed { 0.85 } else { 0.65 },
            principal: true,
            resource: activity.resource(),
            observed: vec![("field", json!(name)), ("taken", json!(echoed))],
            expected: vec![("requests_with_it", json!(had))],
            support: vec![("requests", json!(custom.bodies.saturating_sub(1)))],
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |_| {});
        unit.reported = true;
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let field = finding.observed.get("field").and_then(serde_json::Value::as_str);
    let taken = finding.observed.get("taken").and_then(serde_json::Value::as_bool);
    let requests = finding
        .support
        .get("requests")
        .and_then(serde_json::Value::as_u64);
    let had = finding
        .expected
        .get("requests_with_it")
        .and_then(serde_json::Value::as_u64);
    sentence(&format!(
        "{} sent the field {} to {}, {}, which {} before had{}.",
        finding.who(),
        field.unwrap_or("of weight"),
        finding.place(),
        many(finding.count, "time", "times"),
        match had.unwrap_or(0) {
            0 => format!("none of {}", many(requests.unwrap_or(0), "request", "requests")),
            had => format!("{had} of {}", many(requests.unwrap_or(0), "request", "requests")),
        },
        match taken {
            Some(true) => ", and the answer has it with the same value",
            _ => "; the server let it in",
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_json_and_forms_however_they_are_written() {
        let body = br#"{"name":"a \" role\":","profile":{"is_admin": true,"Role":"owner"},"note":"admin"}"#;
        let found = protected(body);
        assert_eq!(found, [("isadmin", &b"true"[..]), ("role", &b"\"owner\""[..])]);
        assert_eq!(
            protected(b"name=a&credit-limit=900&x"),
            [("creditlimit", &b"900"[..])]
        );
        assert!(protected(br#"{"roles"#).is_empty());
        assert!(protected(b"{\"a\\").is_empty());
    }
}
