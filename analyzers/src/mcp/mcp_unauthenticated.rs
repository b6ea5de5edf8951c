//! # `mcp_unauthenticated`: an MCP server does what strangers ask
//!
//! Reports, once per server, a call of a tool, a read of a resource or a fetch of a prompt that was done for a caller without any
//! credential: medium; high when the tool changes something by its name and its definition does not say otherwise.
//!
//! Source: OWASP API2:2023; Agentic ASI07:2026; NHI4:2025; MCP, "Authorization" (a session's id must not authenticate).
//!
//! Blind to: client certificates and network policy; credentials in arguments.
//!
//! Quiet when: the call failed; only a session is set up or what there is is listed, as servers may leave open.

use serde_json::json;

use super::At;
use crate::finding::ledger::{Draft, Filing, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;

pub(super) fn observe(at: &At<'_>, filing: &mut Filing) {
    if at.activity.scheme != Scheme::None || !at.activity.accepted() {
        return;
    }
    let Some(call) = at.seen.uses().find(|call| call.failed != Some(true)) else {
        return;
    };
    let tool = call.name.as_deref().filter(|_| call.method == "tools/call");
    let known = tool.and_then(|name| at.server.tools.get(name));
    let read_only = known
        .and_then(|t| t.definition.as_ref())
        .is_some_and(|d| d.read_only());
    let changes = tool.is_some() && at.activity.changes_state() && !read_only;
    let severity = if changes { Severity::High } else { Severity::Medium };
    let id = at.server.id.to_string();
    let parts: [&[u8]; 1] = [id.as_bytes()];
    let subject = Subject {
        kind: Kind::McpUnauthenticated,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.9,
        resource: at.resource(tool),
        observed: vec![
            ("method", json!(call.method)),
            ("name", json!(call.name)),
            ("changes_state", json!(changes)),
            ("session", json!(at.seen.session.1)),
        ],
        expected: vec![("credential", json!(true))],
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |entry| {
        entry.support("exchanges", at.server.exchanges);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let what = match (finding.observed_text("method"), finding.observed_text("name")) {
        ("tools/call", name) if !name.is_empty() => format!("the tool {name}"),
        (method, _) => method.to_owned(),
    };
    let session = match finding.observed_flag("session") {
        true => " An id of a session is no credential.",
        false => "",
    };
    sentence(&format!(
        "the MCP server {} did what callers without any credential asked, {}, first {what}.{session}",
        finding.place(),
        many(finding.count, "time", "times"),
    ))
}
