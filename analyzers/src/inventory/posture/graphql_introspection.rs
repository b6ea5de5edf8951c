//! # `graphql_introspection`: a GraphQL server tells its whole schema
//!
//! Reports, once per endpoint, answers to introspection (`__schema`) that hold the schema: medium without a credential,
//! low with one.
//!
//! Source: OWASP API8:2023, API9:2023; GraphQL specification (October 2021) section 4; CWE-200.
//!
//! Blind to: persisted queries, whose text is not in the request.
//!
//! Quiet when: the server refuses; only `__typename` is asked for, as clients do.

use memchr::memmem;
use serde_json::json;

use super::{Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;

/// Bytes of request and answer that are looked at.
const SEARCHED: usize = 8 * 1024;

pub(super) fn look(at: &Looked<'_>, posture: &mut Posture) {
    let path = at.request.path().as_bytes();
    let graphql = path.windows(3).any(|part| part.eq_ignore_ascii_case(b"gql"))
        || path.windows(7).any(|part| part.eq_ignore_ascii_case(b"graphql"));
    if !graphql {
        return;
    }
    let asks = |text: &[u8]| memmem::find(&text[..text.len().min(SEARCHED)], b"__schema").is_some();
    let body = &at.response.message.body;
    let answer = &body[..body.len().min(SEARCHED)];
    if (asks(&at.request.message.body) || at.request.query().is_some_and(|q| asks(q.as_bytes())))
        && memmem::find(answer, b"\"__schema\"").is_some()
        && memmem::find(answer, b"\"name\"").is_some()
    {
        posture.note(What::Introspection, 0);
    }
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let open = noted.activity.scheme == Scheme::None;
    let words = Words {
        kind: Kind::GraphqlIntrospection,
        severity: if open { Severity::Medium } else { Severity::Low },
        confidence: 0.95,
        title: None,
        observed: vec![("credential", json!(!open))],
        expected: vec![("introspection", json!("refused"))],
    };
    noted.of_endpoint("", words, filing, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let open = if finding.observed_flag("credential") {
        ""
    } else {
        " to whoever asks, without any credential"
    };
    sentence(&format!(
        "{} gave out its schema{open}, in {}.",
        finding.place(),
        many(finding.count, "answer", "answers"),
    ))
}
