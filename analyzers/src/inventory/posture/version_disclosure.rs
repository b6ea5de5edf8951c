//! # `version_disclosure`: answers name the software and its version
//!
//! Reports, once per host and field, answers whose `Server`, `X-Powered-By`, `X-AspNet-Version`, `X-AspNetMvc-Version` or
//! `X-Generator` holds a number of a version: info. It tells whoever looks which weaknesses to try.
//!
//! Source: OWASP API8:2023; RFC 9110 section 10.2.4; CWE-200.
//!
//! Blind to: versions in bodies, and in fields of other names.
//!
//! Quiet when: a product is named without its version. What stands there in another form than `name/1.2.3` is told
//! without its text.

use serde_json::json;

use super::{Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

const FIELDS: [&str; 5] = [
    "server",
    "x-powered-by",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-generator",
];

/// The product in a field, as it may be shown, when it has a version.
fn product(value: &str) -> Option<&str> {
    value.split([' ', ',', '(', ')', ';']).find(|word| {
        let (name, version) = word.split_once('/').unwrap_or(("", word));
        let named = name.len() <= 24
            && name
                .bytes()
                .all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'.' | b'_'));
        let dotted = version.contains('.') && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        named
            && dotted
            && (3..=16).contains(&version.len())
            && version.starts_with(|c: char| c.is_ascii_digit())
    })
}

pub(super) fn look(at: &Looked<'_>, posture: &mut Posture) {
    for (place, name) in FIELDS.iter().enumerate() {
        let value = at.response.message.field(name);
        if value.is_some_and(|value| product(value).is_some()) {
            posture.note(What::Version, place as u8);
        }
    }
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let name = FIELDS[usize::from(noted.which).min(FIELDS.len() - 1)];
    let response = noted.activity.exchange.response.as_ref();
    let shown = response
        .and_then(|r| r.message.field(name))
        .and_then(product)
        .unwrap_or("");
    let words = Words {
        kind: Kind::VersionDisclosure,
        severity: Severity::Info,
        confidence: 0.9,
        title: None,
        observed: vec![("field", json!(name)), ("product", json!(shown))],
        expected: vec![("product", json!("without a version"))],
    };
    noted.of_host(name, words, filing);
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    sentence(&format!(
        "The host {} names its software and version in the field `{}` ({}). It was seen in {} or more.",
        finding.place(),
        finding.observed_text("field"),
        finding.observed_text("product"),
        many(finding.count, "answer", "answers"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_versions_are_products() {
        for (value, want) in [
            ("nginx/1.18.0 (Ubuntu)", Some("nginx/1.18.0")),
            ("PHP/8.1.2", Some("PHP/8.1.2")),
            ("4.0.30319", Some("4.0.30319")),
            ("Apache/2.4.41 OpenSSL/1.1.1f", Some("Apache/2.4.41")),
            ("nginx", None),
            ("cloudflare", None),
            ("Express", None),
            ("x/<script>1.2</script>", None),
            ("secret@corp/1.2.3.4.5.6.7.8.9.0", None),
        ] {
            assert_eq!(product(value), want, "{value}");
        }
    }
}
