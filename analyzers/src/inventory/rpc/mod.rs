//! Calls below one path: JSON-RPC 2.0, the Model Context Protocol, Agent2Agent, GraphQL, SOAP, gRPC.

mod graphql;
mod soap;

use std::borrow::Cow;

use crate::a2a;
use crate::identity::signals::Signals;
use crate::mcp::message::{self, Message, Value};
use crate::privacy::{redact_target, safe_name};
use reassembly::{Exchange, Protocol, Request, Response};

/// A call found in a request. What it names is fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `mcp`, `a2a`, `jsonrpc`, `graphql` or `soap`.
    pub(crate) protocol: &'static str,
    pub(crate) method: String,
    /// Tool, resource, prompt or skill.
    pub(crate) name: Option<String>,
    /// The client's name for itself (MCP `clientInfo`).
    pub(crate) client: Option<String>,
}

/// Bytes of a body searched.
const SEARCHED: usize = 64 * 1024;

/// Beginnings of MCP's methods, all revisions.
const MCP: [&str; 14] = [
    "tools/",
    "resources/",
    "prompts/",
    "sampling/",
    "roots/",
    "elicitation/",
    "logging/",
    "completion/",
    "notifications/",
    "server/discover",
    "subscriptions/",
    "initialize",
    "ping",
    "tasks/",
];

/// The call in a request, when there is one. What was answered tells where names of methods are those of several protocols.
pub(crate) fn detect(
    request: &Request,
    answered: Option<&Response>,
    signals: &Signals<'_>,
    key: &[u8; 32],
) -> Option<Call> {
    if request.method() == "GET" {
        let query = request
            .query()
            .filter(|q| q.contains("query=") || q.contains("persistedQuery"))?;
        return graphql::in_query(query, key);
    }
    if request.method() != "POST" {
        return None;
    }
    let body = &request.message.body[..request.message.body.len().min(SEARCHED)];
    if !(signals.json || signals.mcp) {
        let kind = request.message.field("content-type")?;
        let start = |text: &str| {
            kind.get(..text.len())
                .is_some_and(|k| k.eq_ignore_ascii_case(text))
        };
        return match start("application/graphql") {
            true => graphql::in_body(body, true, key),
            false => soap::detect(request, kind, key),
        };
    }
    if !signals.mcp
        && let Some(call) = graphql::in_body(body, false, key)
    {
        return Some(call);
    }
    let mut seen = Seen::default();
    if memchr::memmem::find(body, b"\"jsonrpc\"").is_some() {
        seen = Seen::of(body);
    }
    if !signals.mcp
        && let Some(first) = seen.first.filter(|_| !seen.batch)
        && let Some(method) = a2a::over_json_rpc(&first, answered, signals)
    {
        return Some(Call {
            protocol: "a2a",
            method: method.to_owned(),
            name: first.params.and_then(a2a::skill),
            client: None,
        });
    }
    let method = match (signals.mcp_method, seen.method) {
        (_, Some(method)) => method.into_owned(),
        (Some(header), None) => header.to_owned(),
        (None, None) => return None,
    };
    let is_mcp = signals.mcp
        || (seen.client.is_some() || MCP.iter().any(|m| method.starts_with(m)) && method.contains('/'));
    let protocol = if is_mcp { "mcp" } else { "jsonrpc" };
    let name = match seen.name {
        Some(name) => Some(name),
        None => crate::mcp::header_name(signals),
    };
    // Names have a place only in the calls that take one; elsewhere `params.name` is data.
    let named =
        is_mcp && !seen.batch && matches!(method.as_str(), "tools/call" | "prompts/get" | "resources/read");
    Some(Call {
        protocol,
        name: name.filter(|_| named).map(|n| operation_name(key, &n)),
        method: if seen.batch {
            "batch".to_owned()
        } else {
            operation_name(key, &method)
        },
        client: seen.client.map(|c| safe_name(key, &c)),
    })
}

/// The method of a gRPC call, `package.Service/Method`, as far as it may be shown. The path is nothing else
/// (gRPC over HTTP/2, "Requests"), so it needs no operation behind its template.
pub(crate) fn grpc_method(exchange: &Exchange) -> Option<String> {
    let request = exchange.request.as_ref().filter(|_| is_grpc(exchange))?;
    let shown = redact_target(request.path());
    Some(shown.trim_start_matches('/').to_owned()).filter(|method| !method.is_empty())
}

/// Whether an exchange is a call of gRPC; over HTTP/1 one of gRPC-Web, which is always a POST (`PROTOCOL-WEB.md` of gRPC).
pub(crate) fn is_grpc(exchange: &Exchange) -> bool {
    let web = |request: &Request| {
        let kind = request.message.field("content-type").unwrap_or("");
        let start = kind.as_bytes().get(..b"application/grpc-web".len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc-web"))
    };
    let posted = exchange
        .request
        .as_ref()
        .filter(|request| request.method() == "POST");
    exchange.protocol == Protocol::Grpc || posted.is_some_and(web)
}

/// What `grpc-status` says, behind the body or, without one, in the head.
pub(crate) fn grpc_status(exchange: &Exchange) -> Option<u32> {
    let message = &exchange.response.as_ref()?.message;
    let code = message
        .trailers
        .field("grpc-status")
        .or_else(|| message.field("grpc-status"));
    code.and_then(|code| code.parse().ok())
}

/// How an exchange ended. gRPC answers 200 also when it fails and says so in a status of its own; that counts as the status of HTTP that it stands for in its documentation ("HTTP to gRPC status
/// code mapping", read backwards, and google.rpc.Code).
pub(crate) fn status(exchange: &Exchange) -> Option<u16> {
    let status = exchange.status()?;
    if status != 200 || !is_grpc(exchange) {
        return Some(status);
    }
    Some(match grpc_status(exchange) {
        None | Some(0) => 200,
        Some(1) => 499,
        Some(3 | 9 | 11) => 400,
        Some(4) => 504,
        Some(5) => 404,
        Some(6 | 10) => 409,
        Some(7) => 403,
        Some(8) => 429,
        Some(12) => 501,
        Some(14) => 503,
        Some(16) => 401,
        Some(_) => 500,
    })
}

/// Names of methods and tools may be longer than other names and hold slashes; the same rules else.
fn operation_name(key: &[u8; 32], name: &str) -> String {
    safe_name(key, name)
}

impl Call {
    /// What follows the `#` in a template. Resources are data: their addresses make no endpoints.
    pub(crate) fn operation(&self) -> String {
        match &self.name {
            Some(name) if self.method != "resources/read" => format!("{}:{name}", self.method),
            _ => self.method.clone(),
        }
    }

    /// Whether it is a part of setting up a session rather than use of it.
    pub(crate) fn is_setup(&self) -> bool {
        matches!(
            self.method.as_str(),
            "initialize"
                | "ping"
                | "server/discover"
                | "tools/list"
                | "agent/getAuthenticatedExtendedCard"
                | "GetExtendedAgentCard"
        ) || self.method.starts_with("notifications/")
    }
}

/// What the first message of a body says.
#[derive(Default)]
struct Seen<'a> {
    method: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    client: Option<Cow<'a, str>>,
    batch: bool,
    first: Option<Message<'a>>,
}

impl<'a> Seen<'a> {
    fn of(body: &'a [u8]) -> Self {
        let (messages, batch) = message::read(body);
        let Some(first) = messages.iter().find(|m| m.method.is_some()) else {
            return Self::default();
        };
        // Half a name may be half a secret, which does not look like one.
        let text = |value: Option<Value<'a>>, name: &str| value?.get(name).filter(|v| v.whole)?.text();
        let client = first.params.and_then(|params| params.get("clientInfo"));
        Self {
            method: first.method_name(),
            name: text(first.params, "name").or_else(|| text(first.params, "uri")),
            client: text(client.or_else(|| first.meta("clientInfo")), "name"),
            batch,
            first: Some(*first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use reassembly::Timestamp;
    use reassembly::build::ExchangeBuilder;

    fn call(fields: &str, body: &str) -> Option<Call> {
        let head = format!("POST /mcp HTTP/1.1\nHost: a\n{fields}");
        let exchange = ExchangeBuilder::new(Timestamp(1)).request(&head, body).build();
        let request = exchange.request.unwrap();
        let settings = Settings::default();
        let signals = Signals::gather(&request, &settings);
        detect(&request, None, &signals, &settings.hash_key)
    }

    #[test]
    fn a_grpc_call_is_its_path_and_its_own_status() {
        let build = |trailers: &str| {
            ExchangeBuilder::new(Timestamp(1))
                .request(
                    "POST /shop.v1.Orders/Get HTTP/2\ncontent-type: application/grpc\n",
                    "",
                )
                .response("HTTP/2 200\ncontent-type: application/grpc\n", "")
                .protocol(Protocol::Grpc)
                .trailers(trailers)
                .build()
        };
        let found = build("grpc-status: 5\ngrpc-message: none\n");
        assert_eq!(grpc_method(&found).as_deref(), Some("shop.v1.Orders/Get"));
        assert_eq!((found.status(), status(&found)), (Some(200), Some(404)));
        assert_eq!(status(&build("grpc-status: 0\n")), Some(200));
        assert_eq!(status(&build("grpc-status: 16\n")), Some(401));
        assert_eq!(status(&build("")), Some(200));
    }

    #[test]
    fn a_call_of_grpc_web_is_one_over_http_1_too() {
        let build = |method: &str, kind: &str| {
            ExchangeBuilder::new(Timestamp(1))
                .request(
                    &format!("{method} /shop.v1.Orders/Get HTTP/1.1\ncontent-type: {kind}\n"),
                    "",
                )
                .response(&format!("HTTP/1.1 200 OK\ncontent-type: {kind}\n"), "")
                .trailers("grpc-status: 7\n")
                .build()
        };
        let found = build("POST", "application/grpc-web-text+proto");
        assert_eq!(grpc_method(&found).as_deref(), Some("shop.v1.Orders/Get"));
        assert_eq!(status(&found), Some(403));
        let other = build("POST", "application/json");
        assert_eq!((grpc_method(&other), status(&other)), (None, Some(200)));
        let got = build("GET", "application/grpc-web");
        assert_eq!((grpc_method(&got), status(&got)), (None, Some(200)));
    }

    #[test]
    fn calls_are_found_by_shape_and_by_field() {
        let json = "Content-Type: application/json\n";
        let tool = call(json, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"name":"x"},"name":"search"}}"#).unwrap();
        assert_eq!(
            (tool.protocol, tool.operation().as_str()),
            ("mcp", "tools/call:search")
        );
        let plain = call(json, r#"{"jsonrpc":"2.0","method":"eth_call","params":[]}"#).unwrap();
        assert_eq!(
            (plain.protocol, plain.operation().as_str()),
            ("jsonrpc", "eth_call")
        );
        let header = call("Mcp-Method: tools/call\nMcp-Name: search\n", "cut off").unwrap();
        assert_eq!(header.operation(), "tools/call:search");
        let hello = call(
            json,
            r#"{"jsonrpc":"2.0","method":"initialize","params":{"clientInfo":{"name":"my-agent"}}}"#,
        )
        .unwrap();
        assert_eq!(
            (hello.client.as_deref(), hello.is_setup()),
            (Some("my-agent"), true)
        );
        let batch = call(
            json,
            r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#,
        )
        .unwrap();
        assert_eq!(batch.operation(), "batch");
        assert_eq!(call(json, r#"{"method":"tools/call"}"#), None);
        let read = call(
            json,
            r#"{"jsonrpc":"2.0","method":"resources/read","params":{"uri":"file:///home/ann/x"}}"#,
        )
        .unwrap();
        assert_eq!(read.operation(), "resources/read");
    }
}
