//! # `token_passthrough`: an MCP server hands on the token that it was given
//!
//! Reports, once per credential and host, a token that a client showed to an MCP server and that is then accepted elsewhere, shown
//! from the address of that server: high. The API behind cannot tell the server from its client, and the server takes tokens that were
//! not made for it.
//!
//! Source: MCP authorization 2025-06-18, "Access Token Privilege Restriction" (servers must not pass through tokens); MCP security
//! best practices, "Token Passthrough"; OWASP API2:2023; NHI9:2025; ASI03:2026.
//!
//! Blind to: servers whose way out has another address than their way in (NAT); the first calls of a session, when the call behind
//! ends before the call of the tool does and nothing came before.
//!
//! Quiet when: the second call is one of MCP too (a proxy before the server); both names are served at the same address; the client and
//! the server share an address; the server's address lies in a network set as `shared_egress`.

use serde_json::json;

use super::known::{Known, Server};
use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Scheme;
use crate::network::Networks;

/// Looks at one accepted use.
pub(super) fn observe(activity: &Activity<'_>, row: &mut Known, egress: &Networks, ledger: &mut Ledger) {
    if !matches!(row.scheme, Scheme::Jwt | Scheme::Bearer | Scheme::ApiKey) {
        return;
    }
    let flow = &activity.exchange.flow;
    let (client, server) = (flow.client.ip(), flow.server.ip());
    if activity.call.is_some_and(|call| call.protocol == "mcp") {
        if client != server && !egress.contains(server) {
            let known = row
                .life()
                .is_some_and(|life| life.servers.iter().any(|s| s.address == server));
            if !known {
                row.life_mut().serve(Server {
                    address: server,
                    host: activity.host_name(),
                    trace: activity.trace(),
                });
            }
        }
        return;
    }
    let Some(through) = row
        .life()
        .and_then(|life| life.servers.iter().find(|s| s.address == client))
    else {
        return;
    };
    let host = activity.host_name();
    if server == through.address || host == through.host {
        return;
    }
    let Some(credential) = &activity.identity.credential else {
        return;
    };
    let id = credential.id.to_string();
    let parts: [&[u8]; 2] = [id.as_bytes(), host.as_bytes()];
    let subject = Subject {
        kind: Kind::TokenPassthrough,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.9,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("through", json!(through.host)),
            ("address", json!(through.address.to_string())),
            ("scheme", json!(row.scheme.name())),
        ],
        expected: vec![("tokens_handed_on", json!(0))],
        earlier: vec![through.trace.clone()],
        ..Draft::default()
    };
    ledger.report(subject, Severity::High, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    sentence(&format!(
        "The token ({}) that {} showed to the MCP server {} was then accepted at {} from that server's address {}, in {}.",
        finding.observed_text("scheme"),
        finding.who(),
        finding.observed_text("through"),
        finding.place(),
        finding.observed_text("address"),
        many(finding.count, "call", "calls"),
    ))
}
