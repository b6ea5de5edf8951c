//! # `cors_misconfig`: pages of strangers may call with the visitor's credentials
//!
//! Reports, once per endpoint and reason, answers with `Access-Control-Allow-Credentials: true` that
//! - allow whatever origin asks: three unrelated sites were each told that they may, and none was ever refused: high with
//!   session cookies, else medium;
//! - allow the origin `null`, which any page can have (a sandboxed frame, a file): high;
//! - allow `*` beside it, which browsers refuse, and which is one setting away from the first: low.
//!
//! Source: OWASP API8:2023; Fetch standard section 3.2; CWE-942.
//!
//! Blind to: lists with a hole in them that no caller has tried yet (a suffix of another domain).
//!
//! Quiet when: the origin is of the host's own site; a fixed list answers few sites and refuses others.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Id;
use crate::identity::Scheme;

/// Sites told apart, and how many of them make it plain that nobody is refused.
const SITES: usize = 8;
const UNRELATED: usize = 3;

const ANY: u8 = 0;
const NULL: u8 = 1;
const REFLECTED: u8 = 2;
const REFLECTED_WITH_COOKIE: u8 = 3;

/// Sites that were allowed in with credentials, by hash, and whether one was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origins {
    allowed: Vec<u32>,
    refused: bool,
}

impl Origins {
    pub(super) fn is_empty(&self) -> bool {
        self.allowed.is_empty() && !self.refused
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.allowed.extend(other.allowed);
        self.allowed.sort_unstable();
        self.allowed.dedup();
        self.allowed.truncate(SITES);
        self.refused |= other.refused;
    }

    fn allow(&mut self, site: u32) {
        if let Err(place) = self.allowed.binary_search(&site)
            && place < SITES
        {
            self.allowed.truncate(SITES - 1);
            self.allowed.insert(place, site);
        }
    }
}

pub(super) fn look(at: &Looked<'_>, posture: &mut Posture) {
    let Some(origin) = at.request.message.field("origin") else {
        return;
    };
    let field = |name: &str| at.response.message.field(name);
    let credentials = field("access-control-allow-credentials") == Some("true");
    let allowed = field("access-control-allow-origin");
    let foreign = origin_site(origin).filter(|site| *site != site_of(&at.request.host));
    let same = |a: &str| a.eq_ignore_ascii_case(origin);
    match allowed {
        Some("*") if credentials => posture.note(What::Cors, ANY),
        Some(allowed) if credentials && same(allowed) && origin == "null" => posture.note(What::Cors, NULL),
        Some(allowed) if credentials && same(allowed) => {
            let Some(site) = foreign else { return };
            posture
                .origins
                .allow(Id::of(&[b"site", site.to_ascii_lowercase().as_bytes()]).short() as u32);
            if posture.origins.allowed.len() >= UNRELATED && !posture.origins.refused {
                let cookie = at.seen.scheme == Scheme::Cookie;
                posture.note(What::Cors, if cookie { REFLECTED_WITH_COOKIE } else { REFLECTED });
            }
        }
        // An error says nothing of who may: many are made before it is looked at.
        _ => posture.origins.refused |= foreign.is_some() && at.response.status < 400,
    }
}

/// The site of an origin: `https://a.shop.example:8443` is of `shop.example`.
fn origin_site(origin: &str) -> Option<&str> {
    let (_, host) = origin.split_once("://")?;
    let host = host.rsplit_once(':').map_or(host, |(host, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            host
        } else {
            origin.split_once("://").map_or(origin, |(_, all)| all)
        }
    });
    Some(site_of(host))
}

/// The last two labels of a host, or three where the second one is short, as in `shop.co.uk`. An address is its own site.
fn site_of(host: &str) -> &str {
    let host = host
        .split_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return host;
    }
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(top), Some(second)) = (dots.next(), dots.next()) else {
        return host;
    };
    let short = host.len() - top == 3 && top - second <= 4;
    match (short, dots.next()) {
        (false, _) => &host[second + 1..],
        (true, Some(third)) => &host[third + 1..],
        (true, None) => host,
    }
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let (reason, severity) = match noted.which {
        ANY => ("any", Severity::Low),
        NULL => ("null", Severity::High),
        REFLECTED_WITH_COOKIE => ("reflected", Severity::High),
        _ => ("reflected", Severity::Medium),
    };
    let words = Words {
        kind: Kind::CorsMisconfig,
        severity,
        confidence: 0.85,
        title: None,
        observed: vec![
            ("reason", json!(reason)),
            ("cookie", json!(noted.which == REFLECTED_WITH_COOKIE)),
        ],
        expected: vec![("origins", json!("a list of your own"))],
    };
    let sites = noted.endpoint.posture.origins.allowed.len();
    noted.of_endpoint(reason, words, filing, |running| {
        running.observed("sites", sites);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = match finding.observed_text("reason") {
        "any" => "allows any origin (`*`) together with credentials".to_owned(),
        "null" => "allows the origin `null` with credentials, which any page can take".to_owned(),
        _ => format!(
            "allows whatever origin asks, with credentials: {} or more unrelated sites were told so, and none was refused",
            finding.observed_number("sites")
        ),
    };
    sentence(&format!(
        "{} {what}. It did so in {}.",
        finding.place(),
        many(finding.count, "answer", "answers"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_what_somebody_registers() {
        for (host, want) in [
            ("a.shop.example", "shop.example"),
            ("shop.example:8443", "shop.example"),
            ("a.b.shop.co.uk", "shop.co.uk"),
            ("shop.co.uk", "shop.co.uk"),
            ("10.0.0.5:80", "10.0.0.5"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(site_of(host), want, "{host}");
        }
        assert_eq!(origin_site("https://a.shop.example:8443"), Some("shop.example"));
        assert_eq!(origin_site("null"), None);
    }
}
