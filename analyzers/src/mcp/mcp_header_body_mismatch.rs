//! # `mcp_header_body_mismatch`: fields and body of a call say different things
//!
//! Reports requests whose `Mcp-Method`, `Mcp-Name` or `MCP-Protocol-Version` is not what the body says, whose `Mcp-Param-` field is
//! not the parameter that the tool's definition says it repeats, or whose body names its method or parameters twice with different
//! values: what a gateway allows by the field, the server does by the body. High when the server did it; low when it refused, as it
//! must (400, code −32020). One finding a day, server and caller.
//!
//! Source: MCP 2026-07-28, "Standard Request Headers", "Custom Headers"; OWASP API8:2023; Agentic ASI07:2026; CWE-444.
//!
//! Blind to: bodies that are cut off before what is compared; parameters of tools whose definition was not seen, and those that lie
//! in others.
//!
//! Quiet when: a field is absent, as in every revision before; the difference is that of encoding only.

use serde_json::json;

use super::message::Message;
use super::{At, header_name, name_of, unwrapped};
use crate::finding::ledger::{Draft, Filing, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::privacy::safe_name;
use crate::settings::Settings;

/// The beginning of the names of fields that repeat parameters, and how many of them are compared.
const PARAMETER: &str = "mcp-param-";
const FIELDS: usize = 32;

/// What differs, what the field says and what the body says.
fn difference(at: &At<'_>) -> Option<(&'static str, String, String)> {
    let signals = at.activity.signals;
    let requests = &at.seen.requests;
    for message in requests {
        if let Some(found) = of_message(at, message) {
            return Some(found);
        }
        let body = message.method_name();
        if message.doubled && (signals.mcp_method.is_some() || body.is_some()) {
            let body = body.unwrap_or_default().into_owned();
            return Some((
                "repeated_member",
                signals.mcp_method.unwrap_or("").to_owned(),
                body,
            ));
        }
    }
    None
}

fn of_message(at: &At<'_>, message: &Message<'_>) -> Option<(&'static str, String, String)> {
    let signals = at.activity.signals;
    let method = message.method_name()?;
    if let Some(field) = signals.mcp_method.map(str::trim)
        && field != method
    {
        return Some(("method", field.to_owned(), method.into_owned()));
    }
    if let Some(field) = header_name(signals)
        && let Some(body) = name_of(&method, message.params)
        && field != body
    {
        return Some(("name", field.into_owned(), body.into_owned()));
    }
    if let Some(parameter) = parameter(at, message, &method) {
        return Some(parameter);
    }
    let field = at.activity.request.message.field("mcp-protocol-version")?.trim();
    let body = message.meta("protocolVersion").filter(|v| v.whole)?.text()?;
    (field != body).then(|| ("protocol_version", field.to_owned(), body.into_owned()))
}

/// A parameter of a tool that is another one in the field that repeats it.
fn parameter(at: &At<'_>, message: &Message<'_>, method: &str) -> Option<(&'static str, String, String)> {
    if method != "tools/call" {
        return None;
    }
    let name = message.params?.get_text("name")?;
    let definition = at.server.tools.get(name.as_ref())?.definition.as_ref()?;
    let arguments = message.params?.get("arguments")?;
    let fields = at
        .activity
        .request
        .message
        .head
        .fields()
        .filter_map(|(field, value)| {
            let prefix = field.get(..PARAMETER.len())?;
            prefix
                .eq_ignore_ascii_case(PARAMETER)
                .then(|| (&field[PARAMETER.len()..], value))
        });
    for (field, value) in fields.take(FIELDS) {
        let Some(parameter) = definition.parameter_of(field, at.seed) else {
            continue;
        };
        let Some(said) = arguments.get(parameter).filter(|said| said.whole) else {
            continue;
        };
        let said = match said.text() {
            Some(text) => text.into_owned(),
            None => String::from_utf8_lossy(said.bytes).into_owned(),
        };
        if !same(&unwrapped(value), said.trim()) {
            // What parameters hold is not shown.
            return Some(("parameter", parameter.to_owned(), String::new()));
        }
    }
    None
}

/// Whether a field and a value of the body say the same: text as it is, numbers by what they are worth, flags in any case.
fn same(field: &str, body: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    field == body
        || field.eq_ignore_ascii_case(body) && matches!(body, "true" | "false" | "null")
        || number(field).is_some_and(|value| Some(value) == number(body))
}

pub(super) fn observe(at: &At<'_>, settings: &Settings, filing: &mut Filing) {
    let Some((what, field, body)) = difference(at) else {
        return;
    };
    // What was refused in the answer's body was refused, whatever its status.
    let refused = at.seen.answers.iter().any(|a| {
        let code = a.error.and_then(|e| e.get("code"));
        code.is_some_and(|c| c.bytes == b"-32020")
    });
    let done = at.activity.accepted() && !refused;
    let severity = if done { Severity::High } else { Severity::Low };
    let (id, who) = (at.server.id.to_string(), at.activity.identity.text.to_string());
    let parts: [&[u8]; 2] = [id.as_bytes(), who.as_bytes()];
    let subject = Subject {
        kind: Kind::McpHeaderBodyMismatch,
        parts: &parts,
        window: day(at.activity.ts),
    };
    let shown = |text: &str| match text {
        "" => "nothing".to_owned(),
        text => safe_name(&settings.hash_key, text),
    };
    let draft = || Draft {
        confidence: 0.95,
        principal: true,
        resource: at.resource(None),
        observed: vec![
            ("differs", json!(what)),
            ("body", json!(shown(&body))),
            ("accepted", json!(done)),
            ("status", json!(at.activity.status)),
        ],
        expected: vec![("body", json!(shown(&field)))],
        ..Draft::default()
    };
    filing.report(subject, severity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let field = finding
        .expected
        .get("body")
        .and_then(|v| v.as_str())
        .unwrap_or("");
    let body = finding.observed_text("body");
    let what = match finding.observed_text("differs") {
        "method" => format!("asked for {field} in the field Mcp-Method and for {body} in the body"),
        "name" => format!("named {field} in the field Mcp-Name and {body} in the body"),
        "parameter" => format!("gave {field} one value in the head and another one in the body"),
        "protocol_version" => format!("named the revision {field} in the head and {body} in the body"),
        _ => format!("named a member of the call twice in the body, the last time for {body}"),
    };
    let done = match finding.observed_flag("accepted") {
        true => "the server did it",
        false => "the server did not do it",
    };
    sentence(&format!(
        "{} {what}, {} at {}; {done}.",
        finding.who(),
        many(finding.count, "time", "times"),
        finding.place(),
    ))
}
