//! # `missing_cache_control`: sensitive answers may be kept by caches
//!
//! Reports, once per endpoint, successful answers to GET that hold sensitive data, of a class that the endpoint is known to
//! hold, and
//! - that say that anybody may keep them (`public`, `s-maxage`): medium;
//! - that say nothing of it (no `no-store`, `no-cache` or `private`): low.
//!
//! Source: OWASP API8:2023; RFC 9111 sections 3 and 5.2; CWE-525.
//!
//! Blind to: caches that are told to keep everything, or nothing, by their own configuration.
//!
//! Quiet when: ways to reach somebody come one at a time; the answer is to another method, which caches do not keep.

use serde_json::json;

use super::{Endpoint, Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};

const SILENT: u8 = 0;
const PUBLIC: u8 = 1;

pub(super) fn look(at: &Looked<'_>, endpoint: &Endpoint, posture: &mut Posture) {
    if at.request.method() != "GET" || sensitive(at, endpoint).is_none() {
        return;
    }
    let field = |name: &str| at.response.message.field(name);
    let said = field("cache-control").unwrap_or("").to_ascii_lowercase();
    let has = |word: &str| said.split(',').any(|part| part.trim().starts_with(word));
    if has("no-store") || has("private") || has("no-cache") {
        return;
    }
    if has("public") || has("s-maxage") {
        posture.note(What::NoCacheControl, PUBLIC);
    } else if !field("pragma").is_some_and(|v| v.eq_ignore_ascii_case("no-cache")) {
        posture.note(What::NoCacheControl, SILENT);
    }
}

/// A class in this answer that the endpoint is known to hold and that is not there to be passed on.
fn sensitive(at: &Looked<'_>, endpoint: &Endpoint) -> Option<&'static str> {
    at.seen.carried.response.iter().find_map(|(class, _)| {
        let claimed = endpoint
            .data
            .response
            .get(&class)
            .is_some_and(|data| data.is_claimed(class) && (!class.is_contact() || data.most >= 20));
        claimed.then(|| class.name())
    })
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let held = &noted.endpoint.data.response;
    let classes: Vec<&str> = noted
        .activity
        .carried
        .response
        .iter()
        .filter(|(class, _)| held.get(class).is_some_and(|data| data.is_claimed(*class)))
        .map(|(class, _)| class.name())
        .collect();
    let public = noted.which == PUBLIC;
    let words = Words {
        kind: Kind::MissingCacheControl,
        severity: if public { Severity::Medium } else { Severity::Low },
        confidence: 0.8,
        title: None,
        observed: vec![
            ("cache_control", json!(if public { "public" } else { "none" })),
            ("data", json!(classes)),
        ],
        expected: vec![("cache_control", json!("no-store"))],
    };
    noted.of_endpoint("", words, filing, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let data: Vec<_> = finding
        .observed_list("data")
        .into_iter()
        .map(class_title)
        .collect();
    let how = match finding.observed_text("cache_control") {
        "public" => "and says that any cache may keep them",
        _ => "and does not say that caches must not keep them",
    };
    sentence(&format!(
        "{} answers with {} {how}, in {}.",
        finding.place(),
        data.join(" and "),
        many(finding.count, "answer", "answers"),
    ))
}
