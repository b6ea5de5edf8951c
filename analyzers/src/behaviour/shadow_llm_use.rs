//! # `shadow_llm_use`: a language model that nobody allowed is used
//!
//! Reports, once per caller and host:
//! - `host`: a request to a host of a known provider of language models;
//! - `shape`: a call of a model, told by its body, on any other host that is not on the list of what is allowed;
//! - `server_name`: an encrypted connection (TLS, QUIC, DTLS) whose hello names the host of a known provider;
//! - `ja4`: an encrypted connection by a client whose fingerprint the operator listed as that of a program for models
//!   (`llm.client_ja4`), to a host that is not allowed.
//!
//! Medium once `llm.allowed` says what is in order; low while it says nothing, since then nobody said what is not. `shape` is
//! told only when the list says something.
//!
//! Source: OWASP API9 and API10:2023; LLM03:2025; NHI3:2025. Hosts of providers: `analyzers/src/llm/providers.txt`, with the day
//! and source of each.
//!
//! Blind to: providers that are not on the list, names hidden by an encrypted hello (ECH) without a fingerprint that is listed, and
//! models behind a proxy of one's own that is allowed. A fingerprint is that of a TLS library as it is set up; another program
//! may share it, which is why `ja4` is told with half the confidence.
//!
//! Quiet when: `llm.allowed` names the host or its provider.

use reassembly::{App, Flow};
use serde_json::json;

use super::activity::Activity;
use crate::analyzer::exchange_id;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::trace::Trace;
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Resource, Severity};
use crate::llm::{Allowed, provider_of};
use crate::privacy::safe_host;
use crate::settings::Settings;

fn severity(allowed: &Allowed) -> Severity {
    match allowed.is_empty() {
        true => Severity::Low,
        false => Severity::Medium,
    }
}

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, allowed: &Allowed, ledger: &mut Ledger) {
    let name = &activity.request.host;
    let provider = provider_of(name);
    let by_shape = activity.llm.is_some() && !allowed.is_empty();
    if provider.is_none() && !by_shape || allowed.has(name, provider) {
        return;
    }
    let host = activity.host_name();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), host.as_bytes()];
    let subject = Subject {
        kind: Kind::ShadowLlmUse,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.95,
        principal: true,
        resource: activity.host_resource(),
        observed: vec![
            ("reason", json!(if provider.is_some() { "host" } else { "shape" })),
            ("provider", json!(provider)),
            ("model", json!(activity.llm.and_then(|l| l.model.as_deref()))),
            ("status", json!(activity.status)),
        ],
        expected: vec![("allowed", json!(true))],
        ..Draft::default()
    };
    ledger.report(subject, severity(allowed), activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// Looks at a flow that could not be read.
pub(crate) fn observe_flow(flow: &Flow, allowed: &Allowed, settings: &Settings, ledger: &mut Ledger) {
    if !matches!(flow.app, App::Tls | App::Quic | App::Dtls) {
        return;
    }
    let Some(tls) = &flow.tls else { return };
    let name = tls.sni.as_deref().unwrap_or("").to_ascii_lowercase();
    let provider = provider_of(&name);
    let listed = tls
        .ja4
        .as_deref()
        .filter(|ja4| settings.llm_client_ja4.iter().any(|known| known == ja4));
    if provider.is_none() && listed.is_none() || allowed.has(&name, provider) {
        return;
    }
    let client = flow.flow.client.ip().to_string();
    let host = match name.as_str() {
        "" => flow.flow.server.ip().to_string(),
        name => safe_host(name).into_owned(),
    };
    let parts: [&[u8]; 3] = [b"flow", client.as_bytes(), host.as_bytes()];
    let subject = Subject {
        kind: Kind::ShadowLlmUse,
        parts: &parts,
        window: 0,
    };
    let again = ledger.knows(subject);
    let (reason, confidence) = match provider {
        Some(_) => ("server_name", 0.9),
        None => ("ja4", 0.5),
    };
    let start = flow.flow.start;
    let draft = || Draft {
        confidence,
        resource: Resource {
            host: Some(host.clone()),
            ..Resource::default()
        },
        observed: vec![
            ("reason", json!(reason)),
            ("provider", json!(provider)),
            ("client", json!(client)),
            ("ja4", json!(tls.ja4)),
            ("ech", json!(tls.ech)),
        ],
        expected: vec![("allowed", json!(true))],
        earlier: vec![Trace::of_flow(&flow.flow, exchange_id(&flow.flow, 0), &host)],
        ..Draft::default()
    };
    ledger.state(subject, severity(allowed), start, draft, |running| {
        let count = running.seen() + u64::from(again);
        running.set_count(count);
        running.support("connections", count);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let host = finding.host();
    let of = match finding.observed_text("provider") {
        "" => String::new(),
        provider => format!(", a host of the provider {provider}"),
    };
    let client = finding.observed_text("client");
    let connections = many(finding.count, "connection", "connections");
    match finding.observed_text("reason") {
        "server_name" => sentence(&format!(
            "the client {client} opened {connections} to {host}{of}, as the hello in clear tells; what was sent is encrypted."
        )),
        "ja4" => sentence(&format!(
            "the client {client} opened {connections} to {host} with the fingerprint {} of a program that uses language models; what was sent is encrypted.",
            finding.observed_text("ja4")
        )),
        _ => {
            let model = match finding.observed_text("model") {
                "" => String::new(),
                model => format!(", first for the model {model}"),
            };
            sentence(&format!(
                "{} sent {} to {host}{of}{model}, which nobody allowed.",
                finding.who(),
                many(finding.count, "request", "requests"),
            ))
        }
    }
}
