//! # `agent_identity_mismatch`: what a caller says of itself does not agree
//!
//! Reports, once per principal and reason, an accepted call in which claim, user agent, signature and TLS fingerprint contradict
//! each other:
//! - `sdk_language`: the user agent is that of an SDK in one language, its own fields name another (`X-Stainless-Lang`): medium;
//! - `signature_agent`: the user agent is that of one company's agent, the signature is another's (Web Bot Auth): medium;
//! - `browser_without_http2`: the user agent is a browser's, the TLS fingerprint (JA4, told by a proxy) offers no HTTP/2, which all
//!   browsers do: low;
//! - `program`: an agent of the registry with a program that the registry does not name for it (`user_agent`): medium;
//! - `fingerprint`: the same with its TLS fingerprint (`ja4`): high.
//!
//! Source: OWASP ASI07:2026, ASI10:2026; MITRE ATLAS AML.T0073; ATT&CK T1036.
//!
//! Blind to: whoever copies all of it; programs of agents that are not registered, since these change with each release.
//!
//! Quiet when: the call was refused; a registered agent names neither programs nor fingerprints; a person's traffic goes through a
//! proxy that opens TLS (low, and it can be accepted).

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::Program;
use crate::inventory::declared::Agent;

/// Companies behind agents: words of user agents, and hosts that sign for them.
const COMPANIES: [(&[&str], &[&str]); 6] = [
    (
        &["gptbot", "chatgpt", "oai-searchbot", "openai"],
        &["openai.com", "chatgpt.com"],
    ),
    (
        &["claudebot", "claude-user", "claude-searchbot", "anthropic"],
        &["anthropic.com", "claude.ai", "claude.com"],
    ),
    (&["perplexity"], &["perplexity.ai"]),
    (
        &["googleagent", "google-agent", "gemini"],
        &["google.com", "googleapis.com"],
    ),
    (
        &["amazonbot", "novaact", "bedrockbot"],
        &["amazon.com", "amazonaws.com", "amazon.dev"],
    ),
    (&["mistralai"], &["mistral.ai"]),
];

/// Looks at one exchange. `agent` is what the registry says of its principal.
pub(crate) fn observe(activity: &Activity<'_>, agent: Option<&Agent>, ledger: &mut Ledger) {
    let signals = activity.signals;
    let identity = activity.identity;
    let suspect = signals.sdk_lang.is_some()
        || signals.signature_agent.is_some()
        || (signals.ja4.is_some() && identity.program == Program::Browser)
        || agent.is_some_and(|a| !a.user_agent.is_empty() || !a.ja4.is_empty());
    if !suspect || !activity.accepted() {
        return;
    }
    let mut tell = |reason: &'static str, severity, confidence, observed: String, expected: String| {
        report(
            activity,
            reason,
            (severity, confidence),
            (observed, expected),
            ledger,
        );
    };
    if let Some(own) = signals.sdk_lang
        && let (Some(said), Some(own)) = (language_of_agent(signals.user_agent), language(own))
        && said != own
    {
        tell(
            "sdk_language",
            Severity::Medium,
            0.8,
            said.to_owned(),
            own.to_owned(),
        );
    }
    if let Some(host) = signals.signature_agent.and_then(crate::identity::agent_host) {
        let company = COMPANIES
            .iter()
            .find(|(words, _)| words.iter().any(|w| contains(signals.user_agent, w)));
        if let Some((_, hosts)) = company {
            let own = |h: &&str| host == *h || host.strip_suffix(*h).is_some_and(|rest| rest.ends_with('.'));
            if !hosts.iter().any(own) {
                let host = crate::privacy::safe_host(host).into_owned();
                tell(
                    "signature_agent",
                    Severity::Medium,
                    0.85,
                    host,
                    hosts[0].to_owned(),
                );
            }
        }
    }
    if let Some(ja4) = identity.ja4.as_deref() {
        let offers = ja4.get(8..10);
        if identity.program == Program::Browser && offers.is_some_and(|alpn| !matches!(alpn, "h2" | "h3")) {
            tell(
                "browser_without_http2",
                Severity::Low,
                0.5,
                ja4.to_owned(),
                "h2".to_owned(),
            );
        }
        if let Some(agent) = agent.filter(|a| !a.ja4.is_empty() && !a.ja4.iter().any(|own| own == ja4)) {
            tell(
                "fingerprint",
                Severity::High,
                0.85,
                ja4.to_owned(),
                agent.ja4[0].clone(),
            );
        }
    }
    if let Some(agent) = agent.filter(|a| !a.user_agent.is_empty()) {
        let product = identity.product.as_deref().unwrap_or("none");
        if !agent.user_agent.iter().any(|own| own == product) {
            tell(
                "program",
                Severity::Medium,
                0.75,
                product.to_owned(),
                agent.user_agent[0].clone(),
            );
        }
    }
}

fn report(
    activity: &Activity<'_>,
    reason: &'static str,
    (severity, confidence): (Severity, f64),
    (observed, expected): (String, String),
    ledger: &mut Ledger,
) {
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), reason.as_bytes()];
    let subject = Subject {
        kind: Kind::AgentIdentityMismatch,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence,
        principal: true,
        resource: activity.resource(),
        observed: vec![("reason", json!(reason)), ("says", json!(observed))],
        expected: vec![("says", json!(expected))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The language of an SDK by its user agent: `OpenAI/Python 2.8.1`.
fn language_of_agent(user_agent: &str) -> Option<&'static str> {
    let word = user_agent.split_once('/')?.1.split(' ').next()?;
    language(word)
}

fn language(word: &str) -> Option<&'static str> {
    const LANGUAGES: [(&str, &str); 10] = [
        ("python", "python"),
        ("js", "js"),
        ("javascript", "js"),
        ("typescript", "js"),
        ("go", "go"),
        ("java", "java"),
        ("kotlin", "java"),
        ("ruby", "ruby"),
        ("csharp", "csharp"),
        ("php", "php"),
    ];
    LANGUAGES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, language)| *language)
}

fn contains(text: &str, word: &str) -> bool {
    text.as_bytes()
        .windows(word.len())
        .take(512)
        .any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let says = finding.observed_text("says");
    let expected = finding
        .expected
        .get("says")
        .and_then(serde_json::Value::as_str)
        .unwrap_or("");
    let what = match finding.observed_text("reason") {
        "sdk_language" => format!("a user agent of an SDK for {says} and fields of one for {expected}"),
        "signature_agent" => format!("the name of an agent of {expected} and a signature of {says}"),
        "browser_without_http2" => {
            format!(
                "the name of a browser and a TLS fingerprint ({says}) without HTTP/2, which browsers have"
            )
        }
        "fingerprint" => format!("the TLS fingerprint {says}, where the registry has {expected}"),
        _ => format!("the program {says}, where the registry has {expected}"),
    };
    sentence(&format!(
        "{} called {} with {what}; {} so far.",
        finding.who(),
        finding.place(),
        many(finding.count, "call", "calls"),
    ))
}
