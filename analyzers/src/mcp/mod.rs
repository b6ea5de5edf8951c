//! The Model Context Protocol, every revision, from what passes by.
//!
//! ```text
//! exchange ─▶ message ─▶ Seen ─▶ session ─▶ catalog ─▶ detectors
//!             JSON-RPC   what it  who says    tools and   one file each
//!             or fields  carries  so before   their past
//! ```
//!
//! An exchange is MCP's by the fields of its head or by the form of its body, never by its path. A server is a host and a path on
//! it. Where a body is missing, the fields of 2026-07-28 say what was called; where a session said once who it is, that holds for
//! what follows. Servers are kept with what is counted for them; names pass the functions of [`crate::privacy`], and of
//! definitions only hashes and forms are kept.

mod canonical;
mod catalog;
pub(crate) mod definition;
mod late;
pub(crate) mod mcp_header_body_mismatch;
pub(crate) mod mcp_unauthenticated;
pub(crate) mod message;
mod revision;
mod session;
#[cfg(test)]
mod tests;
pub(crate) mod tool_definition_changed;
pub(crate) mod tool_hint_violated;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reassembly::exchange::split_target;
use reassembly::{Exchange, Request, Timestamp};

use self::catalog::List;
pub(crate) use self::catalog::Server;
use self::definition::Definition;
use self::late::{Asked, Late};
use self::message::{Message, Text, Value};
use self::revision::Revision;
use self::session::{Session, Software};
use crate::behaviour::Activity;
use crate::finding::Resource;
use crate::finding::ledger::Filing;
use crate::id::{Id, Seed};
use crate::identity::signals::Signals;
use crate::inventory::rpc::Call;
use crate::privacy::{is_plain_name, redact_target, safe_name, safe_version, short_hash};
use crate::settings::{Room, Settings};
use crate::store::Store;

/// Arguments of a call that are named.
const ARGUMENTS: usize = 64;

/// Names of one list that are taken over.
const LISTED: usize = 1024;

/// What an exchange carried of MCP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct McpLabels {
    /// The revision that is spoken, as far as it was said.
    pub revision: Option<String>,
    /// Keyed hash of the session's id.
    pub session: Option<String>,
    /// The client's name for itself, said in this exchange or when its session began.
    pub client: Option<String>,
    /// Every request and notification of the client, in the order of the body; a batch has several.
    pub calls: Vec<McpCall>,
    /// Calls of other exchanges that were answered here, in the order of the answers: those of the stream of a session.
    pub answered: Vec<McpAnswer>,
}

/// An answer to a call of another exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct McpAnswer {
    /// Id of the exchange that asked.
    pub exchange: String,
    /// The method of the call.
    pub method: String,
    /// Tool, resource or prompt.
    pub name: Option<String>,
    /// Bytes of the result.
    pub result_bytes: Option<u64>,
    /// Whether it failed, as far as that was seen.
    pub failed: Option<bool>,
}

/// One request or notification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct McpCall {
    /// Its method.
    pub method: String,
    /// Tool, resource or prompt.
    pub name: Option<String>,
    /// Names of the arguments with their types in JSON, in the order of the body; nothing when there are none to be seen.
    pub arguments: Vec<(String, &'static str)>,
    /// Bytes of the result; of the answer's content, where its body was not kept.
    pub result_bytes: Option<u64>,
    /// Whether it failed: an error of the protocol or of the tool; nothing when that was not seen.
    pub failed: Option<bool>,
}

/// A server as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerView {
    /// Stable id, of host and path.
    pub id: String,
    /// Host.
    pub host: String,
    /// Path, redacted.
    pub path: String,
    /// Its name for itself.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Revisions spoken, oldest first.
    pub revisions: Vec<String>,
    /// Tools, by name.
    pub tools: Vec<ToolView>,
    /// Resources with calls.
    pub resources: BTreeMap<String, u64>,
    /// Prompts with calls.
    pub prompts: BTreeMap<String, u64>,
    /// Names of clients for themselves, with exchanges.
    pub clients: BTreeMap<String, u64>,
    /// Principals by id, with exchanges.
    pub callers: BTreeMap<String, u64>,
    /// Exchanges.
    pub exchanges: u64,
    /// First exchange.
    pub first_seen: Timestamp,
    /// Last exchange.
    pub last_seen: Timestamp,
}

/// A tool as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolView {
    /// Its name.
    pub name: String,
    /// Calls of it.
    pub calls: u64,
    /// Of these, how many failed.
    pub failed: u64,
    /// Hash of its definition, when that was seen.
    pub definition: Option<String>,
    /// The definition says that it changes nothing.
    pub read_only: bool,
}

/// What an exchange says, before anything is known of its server.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    requests: Vec<Message<'a>>,
    answers: Vec<Message<'a>>,
    pub(crate) calls: Vec<McpCall>,
    /// They came as a batch.
    pub(crate) batch: bool,
    revision: Option<Revision>,
    client: Option<Software>,
    server: Option<Software>,
    /// The key of the session's row, and whether it has an id.
    session: (Id, bool),
    /// The path that calls go to, where it is not that of the request.
    path: Option<String>,
}

/// The texts of the answer, when the exchange can be MCP's.
pub(crate) fn texts<'a>(
    exchange: &'a Exchange,
    request: &Request,
    signals: &Signals<'_>,
    call: Option<&Call>,
) -> Option<Vec<Text<'a>>> {
    let response = exchange.response.as_ref().map(|r| &r.message);
    let called = call.is_some_and(|call| call.protocol == "mcp");
    // The stream of 2024-11-05 has nothing in its request that would tell.
    let streamed = || {
        request.method() == "GET"
            && response.is_some_and(|r| {
                message::is_stream(r)
                    && (memchr::memmem::find(&r.body, b"\"jsonrpc\"").is_some()
                        || memchr::memmem::find(&r.body[..r.body.len().min(256)], b"event: endpoint")
                            .is_some())
            })
    };
    (called || signals.mcp || streamed()).then(|| response.map(message::texts).unwrap_or_default())
}

/// A header's value that may be wrapped for what fields may not hold (2026-07-28, "Value Encoding").
fn unwrapped(value: &str) -> Cow<'_, str> {
    let inner = value
        .trim()
        .strip_prefix("=?base64?")
        .and_then(|v| v.strip_suffix("?="));
    let decoded = inner.and_then(|inner| STANDARD.decode(inner).ok());
    match decoded {
        Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        None => Cow::Borrowed(value.trim()),
    }
}

/// The name that a field gives a call.
pub(crate) fn header_name<'a>(signals: &Signals<'a>) -> Option<Cow<'a, str>> {
    signals.mcp_name.map(unwrapped)
}

/// Where a call has its name.
fn name_of<'a>(method: &str, params: Option<Value<'a>>) -> Option<Cow<'a, str>> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
        _ => return None,
    };
    params?.get(member).filter(|v| v.whole)?.text()
}

fn software(value: Option<Value<'_>>, key: &[u8; 32]) -> Option<Software> {
    let value = value?;
    let text = |name: &str| value.get(name).filter(|v| v.whole)?.text();
    Some(Software {
        name: safe_name(key, &text("name")?),
        version: text("version").map(|v| safe_version(key, &v)),
    })
}

impl<'a> Seen<'a> {
    /// Reads what `request` and the `texts` of its answer say.
    pub(crate) fn read(
        exchange: &Exchange,
        request: &'a Request,
        texts: &'a [Text<'a>],
        signals: &Signals<'_>,
        key: &[u8; 32],
    ) -> Option<Self> {
        let (requests, batch) = match request.method() {
            "POST" => message::read(&request.message.body),
            _ => (Vec::new(), false),
        };
        let answers: Vec<Message<'_>> = texts
            .iter()
            .flat_map(|(_, text)| message::read(text).0)
            .take(message::MESSAGES)
            .collect();
        let endpoint = texts
            .first()
            .filter(|(name, _)| name.as_ref() == b"endpoint" && request.method() == "GET")
            .map(|(_, target)| String::from_utf8_lossy(target).into_owned());
        // Fields alone, or a stream of something else.
        if requests.is_empty() && answers.is_empty() && endpoint.is_none() && !signals.mcp {
            return None;
        }
        let response = exchange.response.as_ref();
        let field = |name: &str| request.message.field(name);
        let session_id = field("mcp-session-id")
            .or_else(|| response.and_then(|r| r.message.field("mcp-session-id")))
            .map(Cow::Borrowed)
            .or_else(|| query_session(request.query()?).map(Cow::Borrowed))
            .or_else(|| {
                let (_, query) = split_target(endpoint.as_deref()?);
                query_session(query?).map(|id| Cow::Owned(id.to_owned()))
            });
        let session = match &session_id {
            Some(id) => (session::by_id(key, &request.host, id), true),
            None => (session::by_flow(&exchange.flow), false),
        };
        let first_text = |all: &[Message<'_>], name: &str, result: bool| {
            all.iter().find_map(|m| {
                let place = if result { m.result } else { m.params };
                Revision::parse(&place?.get_text(name)?)
            })
        };
        let in_meta = || {
            let text = requests.iter().find_map(|m| m.meta("protocolVersion")?.text());
            text.as_deref().and_then(Revision::parse)
        };
        // What a client asks for is not what is spoken, where the server says it or says nothing yet.
        let asks = requests.iter().find_map(|m| m.method_name()).as_deref() == Some("initialize");
        let taken =
            response.is_some_and(|r| matches!(r.status, 200 | 201) && !answers.iter().any(|a| a.whole));
        let revision = first_text(&answers, "protocolVersion", true)
            .or_else(|| field("mcp-protocol-version").and_then(Revision::parse))
            .or_else(in_meta)
            .or_else(|| first_text(&requests, "protocolVersion", false).filter(|_| asks && taken))
            .or_else(|| endpoint.is_some().then_some(Revision::HTTP_SSE))
            .or_else(|| signals.mcp_method.map(|_| Revision::STATELESS))
            .or_else(|| field("mcp-session-id").map(|_| Revision::STREAMABLE))
            .or_else(|| session_id.as_ref().map(|_| Revision::HTTP_SSE));
        let client = requests.iter().find_map(|m| {
            let said = m.params.and_then(|p| p.get("clientInfo"));
            software(said.or_else(|| m.meta("clientInfo")), key)
        });
        let server = answers.iter().find_map(|m| {
            let said = m.result.and_then(|r| r.get("serverInfo"));
            software(said.or_else(|| m.meta("serverInfo")), key)
        });
        let calls = calls(exchange, &requests, &answers, batch, signals, key);
        Some(Self {
            requests,
            answers,
            calls,
            batch,
            revision,
            client,
            server,
            session,
            path: endpoint.map(|target| redact_target(path_of(&target))),
        })
    }

    /// Calls that have the server do something.
    fn uses(&self) -> impl Iterator<Item = &McpCall> {
        self.calls
            .iter()
            .filter(|c| matches!(c.method.as_str(), "tools/call" | "resources/read" | "prompts/get"))
    }
}

/// The path of a target that may be a whole address.
fn path_of(target: &str) -> &str {
    let target = target.trim();
    let behind = target.find("://").and_then(|at| {
        let rest = &target[at + 3..];
        rest.find('/').map(|slash| &rest[slash..])
    });
    split_target(behind.unwrap_or(target)).0
}

/// The session in a query, as servers of 2024-11-05 put it there.
fn query_session(query: &str) -> Option<&str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let names = ["sessionid", "session_id", "sessionId"];
    pairs
        .find(|(name, value)| names.contains(name) && value.len() >= 8)
        .map(|(_, value)| value)
}

fn calls(
    exchange: &Exchange,
    requests: &[Message<'_>],
    answers: &[Message<'_>],
    batch: bool,
    signals: &Signals<'_>,
    key: &[u8; 32],
) -> Vec<McpCall> {
    let response = exchange.response.as_ref();
    let refused = response.is_some_and(|r| r.status >= 400);
    let one = |method: &str, name: Option<Cow<'_, str>>, message: Option<&Message<'_>>| {
        let id = message.and_then(|m| m.id);
        let asks = message.is_none_or(|m| m.id.is_some() || !m.whole);
        let alone = !batch && requests.len() <= 1;
        let is_mine = |answer: &&Message<'_>| {
            let done = answer.result.is_some() || answer.error.is_some();
            // Where its own id is behind a cut, the only answer is that of the only call.
            done && match (id, answer.id) {
                (Some(id), Some(answer)) => answer.bytes == id.bytes,
                _ => alone,
            }
        };
        let answer = answers.iter().find(is_mine).filter(|_| asks);
        let result = answer.and_then(|a| a.result);
        // What was only taken on (202) or sent elsewhere (307) has no result here.
        let content = response
            .filter(|r| alone && asks && matches!(r.status, 200 | 201))
            .map(|r| r.message.content_bytes)
            .filter(|bytes| *bytes > 0);
        let failed = match answer {
            Some(a) => has_failed(a),
            None => refused.then_some(true),
        };
        let arguments = message.and_then(|m| m.params?.get("arguments"));
        McpCall {
            method: safe_name(key, method),
            name: name.map(|name| safe_name(key, &name)),
            arguments: arguments.map(|a| shape(a, key)).unwrap_or_default(),
            result_bytes: match result {
                Some(result) if result.whole => Some(result.bytes.len() as u64),
                Some(_) => content,
                None if answer.is_some() || refused => None,
                None => content,
            },
            failed: failed.filter(|_| asks),
        }
    };
    if requests.is_empty() {
        // The body is not there, or not all of it: fields suffice.
        let fields = |mut call: McpCall| {
            call.arguments = exchange.request.as_ref().map(parameters).unwrap_or_default();
            call
        };
        return signals
            .mcp_method
            .map(|method| fields(one(method, header_name(signals), None)))
            .into_iter()
            .collect();
    }
    let of = |m: &Message<'_>| {
        let method = m.method_name()?;
        let from_field = || header_name(signals).filter(|_| !m.whole && !batch);
        let named = matches!(method.as_ref(), "tools/call" | "prompts/get" | "resources/read");
        let name = name_of(&method, m.params).or_else(|| from_field().filter(|_| named));
        Some(one(&method, name, Some(m)))
    };
    requests.iter().filter_map(of).collect()
}

/// Whether an answer is an error, of the protocol or of the tool; nothing when that was cut off.
fn has_failed(answer: &Message<'_>) -> Option<bool> {
    if answer.error.is_some() {
        return Some(true);
    }
    answer.result.and_then(|r| match r.get("isError") {
        Some(flag) if flag.is_true() => Some(true),
        _ => r.whole.then_some(false),
    })
}

/// Arguments that stand in fields of the head (2026-07-28, `x-mcp-header`), by the names that they have there, sorted: they are
/// written by a client in any order.
fn parameters(request: &Request) -> Vec<(String, &'static str)> {
    const PREFIX: &str = "mcp-param-";
    let kind = |value: &str| match value.trim() {
        "true" | "false" => "boolean",
        value if value.parse::<f64>().is_ok_and(f64::is_finite) => "number",
        _ => "string",
    };
    let mut all: Vec<(String, &'static str)> = request
        .message
        .head
        .fields()
        .filter_map(|(name, value)| {
            let start = name.get(..PREFIX.len())?;
            let own = name.get(PREFIX.len()..).filter(|own| is_plain_name(own))?;
            start
                .eq_ignore_ascii_case(PREFIX)
                .then(|| (own.to_owned(), kind(value)))
        })
        .take(ARGUMENTS)
        .collect();
    all.sort();
    all
}

/// Names and types of arguments. What is no name is a star; what is cut off in its key is left out.
fn shape(arguments: Value<'_>, key: &[u8; 32]) -> Vec<(String, &'static str)> {
    let shown = |name: &str| match is_plain_name(name) {
        true => name.to_owned(),
        false => format!("hash:{}", short_hash(key, "name", name.as_bytes())),
    };
    arguments
        .members()
        .take(ARGUMENTS)
        .map(|(name, value)| (shown(&name), value.kind()))
        .collect()
}

/// Everything known of MCP.
#[derive(Debug)]
pub(crate) struct Mcp {
    pub(crate) servers: Store<Server>,
    pub(crate) sessions: Store<Session>,
    effects: tool_hint_violated::Effects,
    late: Late,
    seed: Seed,
}

/// What detectors look at.
struct At<'a> {
    activity: &'a Activity<'a>,
    seen: &'a Seen<'a>,
    server: &'a Server,
    seed: Seed,
}

impl At<'_> {
    /// The server as a resource, and a tool of it.
    fn resource(&self, tool: Option<&str>) -> Resource {
        Resource {
            host: Some(self.server.host.clone()),
            template: Some(self.server.path.clone()),
            tool: tool.map(str::to_owned),
            ..Resource::default()
        }
    }
}

impl Mcp {
    pub(crate) fn new(seed: Seed, (max_endpoints, max_principals): (usize, usize), room: &Room) -> Self {
        Self {
            servers: Store::new(max_endpoints.div_ceil(32), Room::share(room.apis, 1)),
            sessions: Store::new(max_principals, Room::share(room.callers, 1)),
            effects: tool_hint_violated::Effects::default(),
            late: Late::default(),
            seed,
        }
    }

    /// Puts a stored server back, beside what is known of it.
    pub(crate) fn load(&mut self, id: Id, row: Server) {
        match self.servers.get_mut(id) {
            Some(known) => known.absorb(row),
            None => self.servers.load(id, row),
        }
    }

    /// Names that servers have beyond their ceilings.
    pub(crate) fn given_up(&self) -> u64 {
        self.servers.sorted().iter().map(|(_, s)| s.given_up).sum()
    }

    /// Servers, by host and path.
    pub(crate) fn views(&self) -> impl Iterator<Item = ServerView> {
        let mut all: Vec<&Server> = self.servers.sorted().into_iter().map(|(_, s)| s).collect();
        all.sort_by(|a, b| (&a.host, &a.path, a.id).cmp(&(&b.host, &b.path, b.id)));
        all.into_iter().map(Server::view)
    }

    /// Looks at an exchange that is not MCP's: it may be what a tool did.
    pub(crate) fn look_beside(&mut self, activity: &Activity<'_>) {
        self.effects.note(activity, self.seed);
    }

    /// Takes an exchange over and tells what detectors find.
    pub(crate) fn observe(
        &mut self,
        activity: &Activity<'_>,
        seen: &Seen<'_>,
        settings: &Settings,
        filing: &mut Filing,
    ) -> McpLabels {
        let (id, has_id) = seen.session;
        let answered = activity.accepted();
        let (client, revision) = self.session(activity.ts, seen, answered);
        let mut labels = McpLabels {
            revision: revision.map(|r| r.to_string()),
            session: has_id.then(|| id.to_string()),
            client: client.as_ref().map(|c| c.name.clone()),
            calls: seen.calls.clone(),
            answered: Vec::new(),
        };
        if activity.status == Some(202) && has_id {
            self.wait(activity.exchange_id, seen);
        }
        let host = activity.host_name();
        let path = match &seen.path {
            Some(path) => path.clone(),
            None => redact_target(activity.request.path()),
        };
        let environment = activity.host.and_then(|h| h.environment.as_deref()).unwrap_or("");
        let server_id = Id::of(&[b"mcp", host.as_bytes(), path.as_bytes(), environment.as_bytes()]);
        if !answered && self.servers.get(server_id).is_none() {
            // Nothing shows that there is a server of this kind.
            return labels;
        }
        let server = self
            .servers
            .entry(server_id, || Server::new(server_id, host, path, activity.ts));
        server.first = server.first.min(activity.ts);
        server.last = server.last.max(activity.ts);
        server.exchanges += 1;
        server
            .revisions
            .extend(revision.filter(|_| answered && server.revisions.len() < 16));
        let refused = activity.exchange.status().is_some_and(|status| status >= 400);
        server.met(labels.client.as_deref(), &activity.identity.text, refused);
        if answered && seen.server.is_some() {
            server.software.clone_from(&seen.server);
        }
        for call in &seen.calls {
            count(server, call, answered);
        }
        let caller = activity.identity.id.short();
        let mut replaced = Vec::new();
        for list in lists(seen, server, caller, settings, self.seed) {
            replaced.extend(server.learn(list, caller, activity.ts));
        }
        if answered && has_id && !self.late.is_empty() {
            let late = &mut self.late;
            labels.answered = answers(seen, |id| late.answer(seen.session.0, self.seed.hash(id)));
            labels.answered.iter().for_each(|answer| correct(server, answer));
        }
        let at = At {
            activity,
            seen,
            server,
            seed: self.seed,
        };
        for change in &replaced {
            tool_definition_changed::tell(&at, change, filing);
        }
        mcp_unauthenticated::observe(&at, filing);
        mcp_header_body_mismatch::observe(&at, settings, filing);
        self.effects.observe(&at, self.seed, filing);
        labels
    }

    /// Calls that were only taken on are answered elsewhere.
    fn wait(&mut self, exchange: Id, seen: &Seen<'_>) {
        let asking = seen.requests.iter().filter(|m| m.method_name().is_some());
        for (message, call) in asking.zip(&seen.calls) {
            let Some(id) = message.id.filter(|id| id.whole) else {
                continue;
            };
            let asked = Asked {
                exchange,
                method: call.method.clone(),
                name: call.name.clone(),
            };
            self.late.ask(seen.session.0, self.seed.hash(id.bytes), asked);
        }
    }

    /// Calls that were given up before they were answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.late.evicted
    }

    /// Client and revision, as this exchange says or its session said before.
    fn session(
        &mut self,
        ts: Timestamp,
        seen: &Seen<'_>,
        answered: bool,
    ) -> (Option<Software>, Option<Revision>) {
        let (id, has_id) = seen.session;
        let says = seen.client.is_some() || seen.revision.is_some();
        if self.sessions.get(id).is_none() && !(says && answered && (has_id || seen.client.is_some())) {
            return (seen.client.clone(), seen.revision);
        }
        let row = self.sessions.entry(id, Session::default);
        row.last = row.last.max(ts);
        row.exchanges += 1;
        if seen.client.is_some() {
            row.client.clone_from(&seen.client);
        }
        // These two may be told by form alone, which says less than a name.
        let by_form = |r: &Revision| matches!(*r, Revision::STREAMABLE | Revision::HTTP_SSE);
        row.revision = seen
            .revision
            .filter(|r| !by_form(r) || row.revision.is_none())
            .or(row.revision);
        (row.client.clone(), row.revision)
    }
}

/// Answers to calls of other exchanges, which `take` knows by the id of JSON-RPC.
fn answers(seen: &Seen<'_>, mut take: impl FnMut(&[u8]) -> Option<Asked>) -> Vec<McpAnswer> {
    let own = |id: Value<'_>| {
        let mut ids = seen.requests.iter().filter_map(|m| m.id);
        ids.any(|of| of.bytes == id.bytes)
    };
    let of = |answer: &Message<'_>| {
        let done = answer.result.is_some() || answer.error.is_some();
        let id = answer.id.filter(|id| done && id.whole && !own(*id))?;
        let asked = take(id.bytes)?;
        Some(McpAnswer {
            exchange: asked.exchange.to_string(),
            method: asked.method,
            name: asked.name,
            result_bytes: answer.result.filter(|r| r.whole).map(|r| r.bytes.len() as u64),
            failed: has_failed(answer),
        })
    };
    seen.answers.iter().filter_map(of).collect()
}

/// Takes back what was counted for a call before it failed.
fn correct(server: &mut Server, answer: &McpAnswer) {
    let (Some(name), Some(true)) = (&answer.name, answer.failed) else {
        return;
    };
    match answer.method.as_str() {
        "tools/call" => server.tool_failed(name),
        "prompts/get" => server.take_back(true, name),
        "resources/read" => server.take_back(false, name),
        _ => {}
    }
}

/// Counts a call for what it names.
fn count(server: &mut Server, call: &McpCall, answered: bool) {
    let Some(name) = &call.name else { return };
    match call.method.as_str() {
        "tools/call" => {
            // A name that a server does not know is none of its tools.
            let known = server.tools.contains_key(name);
            if !known && (!answered || call.failed == Some(true)) {
                return;
            }
            if let Some(tool) = server.tool(name) {
                tool.calls += 1;
                tool.failed += u64::from(call.failed == Some(true));
            }
        }
        "prompts/get" if answered && call.failed != Some(true) => server.name(true, name, 1),
        "resources/read" if answered && call.failed != Some(true) => server.read(name),
        _ => {}
    }
}

/// Definitions in the answers; names of resources and prompts are taken over on the way.
fn lists(seen: &Seen<'_>, server: &mut Server, caller: u64, settings: &Settings, seed: Seed) -> Vec<List> {
    let key = &settings.hash_key;
    let mut all = Vec::new();
    let paged = |m: &Message<'_>| m.params.is_some_and(|p| p.get("cursor").is_some());
    let first_page = !seen.requests.iter().any(paged);
    for result in seen.answers.iter().filter_map(|m| m.result) {
        for (member, value) in result.members() {
            let listed = value
                .elements()
                .filter(|v| v.whole && v.kind() == "object")
                .take(LISTED);
            match member.as_ref() {
                "tools" => {
                    if server.has_read(seed.hash(value.bytes), caller) {
                        continue;
                    }
                    let texts: Vec<Value<'_>> = listed.filter(|v| v.get("inputSchema").is_some()).collect();
                    let names: BTreeSet<String> = texts
                        .iter()
                        .filter_map(|v| v.get_text("name").map(Cow::into_owned))
                        .collect();
                    let read = |v: &Value<'_>| Definition::read(v.bytes, &names, key, seed);
                    let tools: Vec<_> = texts
                        .iter()
                        .filter_map(read)
                        .map(|(name, definition)| (safe_name(key, &name), definition))
                        .collect();
                    let complete =
                        value.whole && first_page && result.whole && result.get("nextCursor").is_none();
                    all.push(List { tools, complete });
                }
                "resources" | "resourceTemplates" => {
                    for uri in listed.filter_map(|v| v.get_text("uri").or_else(|| v.get_text("uriTemplate")))
                    {
                        let name = safe_name(key, &uri);
                        match member.as_ref() {
                            "resources" => server.name(false, &name, 0),
                            _ => server.template(&name),
                        }
                    }
                }
                "prompts" => {
                    for name in listed.filter_map(|v| v.get_text("name")) {
                        server.name(true, &safe_name(key, &name), 0);
                    }
                }
                _ => {}
            }
        }
    }
    all
}
