//! What a call has in common with others of its task. Everything here is a hash; nothing that was said is kept.

use reassembly::Timestamp;

use crate::behaviour::Activity;
use crate::id::{Id, Seed};
use crate::json::{Scalar, Scanner};
use crate::mcp::message::{self, Value};
use crate::trace_context;

/// Bytes of a body that are looked at, and messages of a conversation.
const SEARCHED: usize = 1 << 20;
const MESSAGES: usize = 512;

/// Names of objects taken of one call.
const NAMES: usize = 16;

/// What joins a call to others.
#[derive(Debug, Clone)]
pub(crate) struct Clues {
    pub(crate) ts: Timestamp,
    pub(crate) exchange: Id,
    pub(super) flow: u64,
    /// Host and path of what is called by messages.
    pub(super) server: u64,
    pub(super) trace: Option<u64>,
    pub(super) session: Option<u64>,
    pub(super) number: Option<i64>,
    /// A conversation with a model after each of its messages.
    pub(super) talk: Vec<u64>,
    /// What the call names.
    pub(super) names: Vec<u64>,
    /// The tool that is called.
    pub(super) called: Option<u64>,
}

impl Clues {
    /// The trace that the call belongs to.
    pub(crate) fn context(&self) -> Option<u64> {
        self.trace
    }

    /// What `activity` tells; `object` is what it names.
    pub(crate) fn of(activity: &Activity<'_>, object: Option<u64>, seed: Seed) -> Self {
        let (exchange, request) = (activity.exchange, activity.request);
        let flow = &exchange.flow;
        // Of the flow, as ids of exchanges are.
        let flow = seed.hash(&crate::analyzer::exchange_id(flow, 0).to_bytes());
        let call = activity.call;
        let spoken = call.is_some_and(|call| matches!(call.protocol, "mcp" | "jsonrpc" | "a2a"));
        let server =
            seed.hash(request.host.as_bytes()).rotate_left(17) ^ seed.hash(request.path().as_bytes());
        let body = &request.message.body[..request.message.body.len().min(SEARCHED)];
        let message = if spoken { message::read(body).0 } else { Vec::new() };
        let said = message.first();
        let answered = exchange.response.as_ref();
        let session = request
            .message
            .field("mcp-session-id")
            .or_else(|| answered?.message.field("mcp-session-id"));
        let in_meta = said.and_then(|m| m.params?.get("_meta")?.get_text("traceparent"));
        let number = said.and_then(|m| std::str::from_utf8(m.id?.bytes).ok()?.parse().ok());
        let called = call
            .filter(|call| call.protocol != "llm")
            .and_then(|call| call.name.as_deref());
        let mut names: Vec<u64> = object.into_iter().collect();
        let read = activity.llm.and_then(|_| Value::read(body)).map(|(body, _)| body);
        if let Some(before) = read.and_then(|body| body.get_text("previous_response_id")) {
            names.push(seed.hash(before.as_bytes()));
        }
        if let Some(arguments) = said.and_then(|m| m.params?.get("arguments")) {
            values(arguments.bytes, seed, &mut names);
        }
        Self {
            ts: activity.ts,
            exchange: activity.exchange_id,
            flow,
            server,
            trace: in_meta
                .and_then(|value| trace_context::of_traceparent(&value, seed))
                .or_else(|| trace_context::of_request(request, seed)),
            session: session.map(|id| seed.hash(id.as_bytes())),
            number,
            talk: read.map(|body| talk(body, seed)).unwrap_or_default(),
            names,
            called: called.map(|name| seed.hash(name.as_bytes())),
        }
    }
}

/// Values of arguments that can be ids.
fn values(arguments: &[u8], seed: Seed, names: &mut Vec<u64>) {
    for scalar in Scanner::new(arguments) {
        let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
        let has_digit = value.iter().any(u8::is_ascii_digit);
        if names.len() < NAMES && (6..=64).contains(&value.len()) && has_digit {
            names.push(seed.hash(value));
        }
    }
}

/// A conversation as a hash after each of its messages. A call that goes on has the whole of an earlier one in it as its beginning:
/// clients send everything again.
fn talk(body: Value<'_>, seed: Seed) -> Vec<u64> {
    let list = ["messages", "contents", "input"]
        .into_iter()
        .find_map(|name| body.get(name).filter(|v| v.kind() == "array"));
    let mut hash = 0_u64;
    let mut all: Vec<u64> = Vec::new();
    // What is said by the system is the same in each conversation; one has begun when somebody else has spoken.
    let spoken =
        |message: &Value<'_>| !matches!(message.get_text("role").as_deref(), Some("system" | "developer"));
    let messages = list.into_iter().flat_map(Value::elements);
    for message in messages.filter(|v| v.whole).filter(spoken).take(MESSAGES) {
        // Marks for caches move from message to message.
        let mut scanner = Scanner::new(message.bytes);
        while let Some(scalar) = scanner.next() {
            let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
            if !matches!(scanner.key(), b"type" | b"ttl" | b"cache_control") {
                hash = hash.rotate_left(11).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.hash(value);
            }
        }
        all.push(hash);
    }
    all
}
