//! The exchange record, written by hand into a reused buffer: it is the one that can come by the hundred
//! thousand a second.

use std::borrow::Cow;

use analyzers::intent::Verdict;
use analyzers::{Labels, McpLabels, privacy};
use reassembly::exchange::authority_range;
use reassembly::{Exchange, FlowRef, Message, Request, Timestamp};

use super::json::{address, number, string};
use super::time::Rfc3339;

/// Appends the record of `exchange`, without newline. With `reveal`, method,
/// host and target are shown as they were sent.
pub(crate) fn write(out: &mut Vec<u8>, exchange: &Exchange, labels: &Labels, reveal: bool) {
    out.extend_from_slice(b"{\"v\":1,\"id\":");
    string(out, &labels.exchange);
    out.extend_from_slice(b",\"ts\":\"");
    out.extend_from_slice(&Rfc3339(exchange.ts().0).ascii());
    out.extend_from_slice(b"\",\"flow\":");
    flow(out, &exchange.flow, Some(exchange.index));
    out.extend_from_slice(b",\"protocol\":");
    string(out, exchange.protocol.name());
    if let Some(request) = &exchange.request {
        line(out, request, exchange.flow.tls, reveal);
    }
    if let Some(status) = exchange.status() {
        out.extend_from_slice(b",\"status\":");
        number(out, u64::from(status));
    }
    let request = exchange.request.as_ref().map(|r| &r.message);
    let response = exchange.response.as_ref().map(|r| &r.message);
    if let Some(request) = request {
        out.extend_from_slice(b",\"request\":");
        message(out, request);
    }
    if let Some(response) = response {
        out.extend_from_slice(b",\"response\":");
        message(out, response);
    }
    timing(out, request, response);
    if let Some((protocol, method, name)) = &labels.rpc {
        out.extend_from_slice(b",\"rpc\":{\"protocol\":");
        string(out, protocol);
        out.extend_from_slice(b",\"method\":");
        string(out, method);
        if let Some(name) = name {
            out.extend_from_slice(b",\"name\":");
            string(out, name);
        }
        if let Some(status) = labels.rpc_status {
            out.extend_from_slice(b",\"status\":");
            number(out, u64::from(status));
        }
        out.push(b'}');
    }
    if let Some(labels) = &labels.mcp {
        mcp(out, labels);
    }
    if let Some(labels) = &labels.a2a {
        out.extend_from_slice(b",\"a2a\":");
        // As few as calls of models.
        out.extend_from_slice(&super::to_json(&super::a2a::CallRecord::new(labels)));
    }
    if let Some(call) = &labels.llm {
        out.extend_from_slice(b",\"llm\":");
        // Calls of models are few beside others, and what is written are counts and names.
        out.extend_from_slice(&super::to_json(&super::llm::LlmRecord::new(call)));
    }
    if let Some(endpoint) = &labels.endpoint {
        out.extend_from_slice(b",\"endpoint\":");
        string(out, endpoint);
    }
    if let Some(principal) = &labels.principal {
        out.extend_from_slice(b",\"principal\":");
        string(out, principal);
    }
    if let Some(joined) = &labels.work {
        out.extend_from_slice(b",\"work\":{\"unit\":");
        string(out, &joined.unit.to_string());
        out.extend_from_slice(b",\"link\":");
        string(out, joined.link.name());
        out.extend_from_slice(b",\"strength\":");
        let hundredths = u64::from(joined.strength);
        out.extend_from_slice(format!("{}.{:02}", hundredths / 100, hundredths % 100).as_bytes());
        out.push(b'}');
    }
    if let Some(verdict) = &labels.intent {
        intent(out, verdict);
    }
    out.extend_from_slice(b",\"flags\":[");
    for (i, name) in exchange.flags.names().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, name);
    }
    out.extend_from_slice(b"]}");
}

/// Whether it is in the intent that was declared, and what decided it.
fn intent(out: &mut Vec<u8>, verdict: &Verdict) {
    out.extend_from_slice(b",\"intent\":{\"verdict\":");
    string(out, if verdict.inside { "in" } else { "out" });
    out.extend_from_slice(b",\"agent\":");
    string(out, &verdict.agent);
    if let Some(goal) = &verdict.goal {
        out.extend_from_slice(b",\"goal\":");
        string(out, goal);
    }
    out.extend_from_slice(b",\"rule\":");
    string(out, &verdict.rule);
    out.extend_from_slice(b",\"reason\":");
    string(out, verdict.reason);
    out.push(b'}');
}

/// What an exchange carried of the Model Context Protocol. Each of its calls is an object of its own.
fn mcp(out: &mut Vec<u8>, labels: &McpLabels) {
    out.extend_from_slice(b",\"mcp\":{");
    let said = [
        ("\"revision\":", &labels.revision),
        ("\"session\":", &labels.session),
        ("\"client\":", &labels.client),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            out.extend_from_slice(name.as_bytes());
            string(out, value);
            out.push(b',');
        }
    }
    out.extend_from_slice(b"\"calls\":[");
    for (n, call) in labels.calls.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"method\":");
        string(out, &call.method);
        if let Some(name) = &call.name {
            out.extend_from_slice(b",\"name\":");
            string(out, name);
        }
        if !call.arguments.is_empty() {
            out.extend_from_slice(b",\"arguments\":[");
            for (n, (name, kind)) in call.arguments.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"name\":");
                string(out, name);
                out.extend_from_slice(b",\"type\":");
                string(out, kind);
                out.push(b'}');
            }
            out.push(b']');
        }
        ended(out, call.result_bytes, call.failed);
        out.push(b'}');
    }
    out.push(b']');
    if !labels.answered.is_empty() {
        out.extend_from_slice(b",\"answered\":[");
        for (n, answer) in labels.answered.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"exchange\":");
            string(out, &answer.exchange);
            out.extend_from_slice(b",\"method\":");
            string(out, &answer.method);
            if let Some(name) = &answer.name {
                out.extend_from_slice(b",\"name\":");
                string(out, name);
            }
            ended(out, answer.result_bytes, answer.failed);
            out.push(b'}');
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// How a call ended.
fn ended(out: &mut Vec<u8>, result_bytes: Option<u64>, failed: Option<bool>) {
    if let Some(bytes) = result_bytes {
        out.extend_from_slice(b",\"result_bytes\":");
        number(out, bytes);
    }
    if let Some(failed) = failed {
        out.extend_from_slice(b",\"failed\":");
        out.extend_from_slice(if failed { b"true" } else { b"false" });
    }
}

/// The flow of an exchange, and its place in it where that is known.
pub(super) fn flow(out: &mut Vec<u8>, flow: &FlowRef, index: Option<u32>) {
    out.extend_from_slice(b"{\"client\":");
    address(out, flow.client);
    out.extend_from_slice(b",\"server\":");
    address(out, flow.server);
    if let Some(index) = index {
        out.extend_from_slice(b",\"index\":");
        number(out, u64::from(index));
    }
    if let Some(vlan) = flow.vlan {
        out.extend_from_slice(b",\"vlan\":");
        number(out, u64::from(vlan));
    }
    if let Some(vni) = flow.vni {
        out.extend_from_slice(b",\"vni\":");
        number(out, u64::from(vni));
    }
    out.push(b'}');
}

fn line(out: &mut Vec<u8>, request: &Request, tls: bool, reveal: bool) {
    out.extend_from_slice(b",\"method\":");
    string(
        out,
        if reveal {
            request.method()
        } else {
            privacy::safe_method(request.method())
        },
    );
    out.extend_from_slice(b",\"scheme\":");
    string(out, scheme(request.target(), tls));
    if !request.host.is_empty() {
        out.extend_from_slice(b",\"host\":");
        let host = if reveal {
            Cow::from(request.host.as_str())
        } else {
            privacy::safe_host(&request.host)
        };
        string(out, &host);
    }
    if request.target().is_empty() {
        // The request line had none.
        return;
    }
    out.extend_from_slice(b",\"target\":");
    if reveal {
        string(out, request.target());
    } else {
        string(out, &privacy::redact_target(request.target()));
    }
}

/// What the connection was; an absolute-form target can say something else, as one to a proxy does.
fn scheme(target: &str, tls: bool) -> &'static str {
    match authority_range(target) {
        None if tls => "https",
        None => "http",
        Some(_) => match target.as_bytes().get(..5) {
            Some(start) if start.eq_ignore_ascii_case(b"https") => "https",
            Some(start) if start.eq_ignore_ascii_case(b"wss:/") => "wss",
            Some(start) if start.eq_ignore_ascii_case(b"ws://") => "ws",
            _ => "http",
        },
    }
}

fn message(out: &mut Vec<u8>, message: &Message) {
    out.extend_from_slice(b"{\"body_bytes\":");
    number(out, message.body_bytes);
    out.extend_from_slice(b",\"content_bytes\":");
    number(out, message.content_bytes);
    let (mut kind, mut coding) = (None, None);
    for (name, value) in message.head.fields() {
        // The lengths tell most names apart without comparing them.
        match name.len() {
            12 if kind.is_none() && name.eq_ignore_ascii_case("content-type") => kind = Some(value),
            16 if coding.is_none() && name.eq_ignore_ascii_case("content-encoding") => coding = Some(value),
            _ => {}
        }
    }
    if let Some(kind) = kind {
        out.extend_from_slice(b",\"content_type\":");
        string(out, &privacy::safe_media_type(kind));
    }
    if let Some(coding) = coding {
        codings(out, coding);
    }
    if message.parts > 0 {
        out.extend_from_slice(b",\"parts\":");
        number(out, message.parts);
        out.extend_from_slice(b",\"part_bytes\":");
        number(out, message.part_bytes);
    }
    out.extend_from_slice(b",\"complete\":");
    out.extend_from_slice(if message.complete { b"true" } else { b"false" });
    out.push(b'}');
}

/// The content-codings in the order applied. One that is not registered could be anything, so it is `other`.
fn codings(out: &mut Vec<u8>, value: &str) {
    const KNOWN: [&str; 9] = [
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "x-compress",
        "identity",
        "aes128gcm",
    ];
    out.extend_from_slice(b",\"encoding\":\"");
    for (i, coding) in value.split(',').take(8).enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        let known = KNOWN
            .iter()
            .find(|known| known.eq_ignore_ascii_case(coding.trim()));
        out.extend_from_slice(known.unwrap_or(&"other").as_bytes());
    }
    out.push(b'"');
}

fn timing(out: &mut Vec<u8>, request: Option<&Message>, response: Option<&Message>) {
    let between = |from: Timestamp, to: Timestamp| to.0.saturating_sub(from.0);
    out.extend_from_slice(b",\"timing\":{");
    if let Some(request) = request {
        out.extend_from_slice(b"\"request_ns\":");
        number(out, between(request.first, request.last));
    }
    if let (Some(request), Some(response)) = (request, response) {
        out.extend_from_slice(b",\"wait_ns\":");
        number(out, between(request.last, response.first));
        out.push(b',');
    }
    if let Some(response) = response {
        out.extend_from_slice(b"\"response_ns\":");
        number(out, between(response.first, response.last));
    }
    out.push(b'}');
}
