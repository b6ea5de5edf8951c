//! Whether an exchange is a call of A2A, and which: over JSON-RPC, HTTP+JSON or gRPC.
//!
//! A path or the name of a method alone tells nothing: others have `tasks/get` (MCP), `GetTask` and `/tasks/7` too. It takes the form
//! of what is sent (a message with a role and parts), the form of what is answered (a task with a state of the protocol), or the
//! fields `A2A-Version` and `A2A-Extensions`. Names that only this protocol has (`CreateTaskPushNotificationConfig`) are enough.
//! What was said before makes no difference: the same exchange is the same call whatever came first.

use std::borrow::Cow;

use reassembly::{Exchange, Request, Response};

use super::{card, task};
use crate::identity::signals::Signals;
use crate::inventory::rpc;
use crate::mcp::message::{self, Message, Value};

/// What is asked for, whatever the generation calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Send,
    Stream,
    Get,
    List,
    Cancel,
    Subscribe,
    /// Where to send notifications: set, looked at, taken away.
    Push,
    /// The card for callers who have said who they are.
    ExtendedCard,
}

/// How a call is carried (A2A 1.0 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    JsonRpc,
    Http,
    Grpc,
}

impl Binding {
    /// The name used in records.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JsonRpc => "jsonrpc",
            Self::Http => "http+json",
            Self::Grpc => "grpc",
        }
    }
}

/// Names of methods over JSON-RPC, and whether they are those of 1.0. `tasks/send` and `tasks/sendSubscribe` are of before 0.2.
const METHODS: [(&str, Operation, bool); 26] = [
    ("message/send", Operation::Send, false),
    ("message/stream", Operation::Stream, false),
    ("tasks/send", Operation::Send, false),
    ("tasks/sendSubscribe", Operation::Stream, false),
    ("tasks/get", Operation::Get, false),
    ("tasks/list", Operation::List, false),
    ("tasks/cancel", Operation::Cancel, false),
    ("tasks/resubscribe", Operation::Subscribe, false),
    ("tasks/pushNotification/set", Operation::Push, false),
    ("tasks/pushNotification/get", Operation::Push, false),
    ("tasks/pushNotificationConfig/set", Operation::Push, false),
    ("tasks/pushNotificationConfig/get", Operation::Push, false),
    ("tasks/pushNotificationConfig/list", Operation::Push, false),
    ("tasks/pushNotificationConfig/delete", Operation::Push, false),
    (
        "agent/getAuthenticatedExtendedCard",
        Operation::ExtendedCard,
        false,
    ),
    ("SendMessage", Operation::Send, true),
    ("SendStreamingMessage", Operation::Stream, true),
    ("GetTask", Operation::Get, true),
    ("ListTasks", Operation::List, true),
    ("CancelTask", Operation::Cancel, true),
    ("SubscribeToTask", Operation::Subscribe, true),
    ("CreateTaskPushNotificationConfig", Operation::Push, true),
    ("GetTaskPushNotificationConfig", Operation::Push, true),
    ("ListTaskPushNotificationConfigs", Operation::Push, true),
    ("DeleteTaskPushNotificationConfig", Operation::Push, true),
    ("GetExtendedAgentCard", Operation::ExtendedCard, true),
];

/// Bytes of an error that are looked at.
const ERROR: usize = 4096;

/// Names that methods have over gRPC and nowhere else (0.3).
const GRPC_ONLY: [(&str, Operation); 4] = [
    ("TaskSubscription", Operation::Subscribe),
    ("GetAgentCard", Operation::ExtendedCard),
    ("ListTaskPushNotificationConfig", Operation::Push),
    ("ListTask", Operation::List),
];

/// A call.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) operation: Operation,
    pub(super) binding: Binding,
    /// Its name on the wire; over HTTP+JSON, which has none, that of the same method over the others.
    pub(super) method: &'static str,
    /// It has the form of 1.0.
    pub(super) modern: bool,
    /// Parameters, or the body that holds them.
    pub(super) params: Option<Value<'a>>,
    /// The task that the path names.
    pub(super) task: Option<Cow<'a, str>>,
    /// The path that belongs to the agent and not to the call.
    pub(super) base: &'a str,
}

/// The method of this name, and whether it is one of 1.0.
fn method(name: &str) -> Option<(&'static str, Operation, bool)> {
    METHODS.into_iter().find(|(known, ..)| *known == name)
}

/// Whether a call over JSON-RPC is one of A2A.
pub(crate) fn over_json_rpc(
    asked: &Message<'_>,
    answered: Option<&Response>,
    signals: &Signals<'_>,
) -> Option<&'static str> {
    let name = asked.method_name()?;
    let (name, operation, modern) = method(&name)?;
    let said = signals.a2a;
    let params = asked.params;
    let is = match operation {
        Operation::Send | Operation::Stream => match params.and_then(|p| p.get("message")) {
            Some(sent) => task::is_message(sent),
            // Behind a cut.
            None => said && !asked.whole,
        },
        Operation::Push => params.is_none_or(|p| p.kind() == "object"),
        Operation::ExtendedCard => true,
        Operation::Get | Operation::Cancel | Operation::Subscribe => {
            // MCP has tasks too, and calls their id `taskId`.
            let id = params.and_then(|p| p.get("id"));
            let named = id.is_some_and(|id| id.kind() == "string")
                && params.is_some_and(|p| p.get("taskId").is_none());
            match answered.and_then(|r| tells_of_tasks(r, true)) {
                _ if !named => false,
                Some(tells) => tells,
                None => said || !modern,
            }
        }
        Operation::List => said || answered.and_then(|r| tells_of_tasks(r, true)) == Some(true),
    };
    is.then_some(name)
}

/// Whether an answer tells of tasks; nothing when it is an error, or not there.
fn tells_of_tasks(response: &Response, json_rpc: bool) -> Option<bool> {
    if response.status >= 300 {
        return None;
    }
    let texts = message::texts(&response.message);
    let payload = |text: &[u8]| -> Option<bool> {
        let held = if json_rpc {
            let (all, _) = message::read(text);
            let first = all.first()?;
            match first.result {
                Some(result) => result,
                None => return first.error.is_none().then_some(false),
            }
        } else {
            Value::read(text)?.0
        };
        // Of one that is cut off, the state may be behind the cut.
        (tells(held) || held.whole).then(|| tells(held))
    };
    texts.iter().find_map(|(_, text)| payload(text))
}

/// Whether a payload is a task, an update of one, or a list of them.
fn tells(held: Value<'_>) -> bool {
    let listed = || {
        let list = held.get("tasks").filter(|list| list.kind() == "array");
        list.is_some_and(|list| list.elements().next().is_some_and(task::is_task))
    };
    let update = || {
        let kind = held.get_text("kind");
        matches!(kind.as_deref(), Some("status-update" | "artifact-update")) && held.get("taskId").is_some()
    };
    task::is_task(held) || task::is_wrapped(held) || update() || listed()
}

/// The call that an exchange is. `found` is the method that was found over JSON-RPC.
pub(super) fn of<'a>(
    exchange: &Exchange,
    request: &'a Request,
    signals: &Signals<'_>,
    found: Option<&str>,
) -> Option<Asked<'a>> {
    if let Some(found) = found {
        let (method, operation, modern) = method(found)?;
        let (all, _) = message::read(&request.message.body);
        let params = all.iter().find(|m| m.method.is_some()).and_then(|m| m.params);
        return Some(Asked {
            operation,
            binding: Binding::JsonRpc,
            method,
            modern,
            params,
            task: None,
            base: trimmed(request.path()),
        });
    }
    over_grpc(exchange, request).or_else(|| over_http(exchange.response.as_ref(), request, signals))
}

/// What an agent tells a client unasked (A2A 1.0 section 4.3.3): a task, or an update of one, posted to an address of the client's own,
/// which may be any. Its form tells.
pub(super) fn notified<'a>(request: &'a Request, signals: &Signals<'_>) -> Option<task::Told<'a>> {
    let body = &request.message.body;
    let may_be = request.method() == "POST"
        && signals.json
        && (memchr::memmem::find(body, b"\"contextId\"").is_some()
            || memchr::memmem::find(body, b"TASK_STATE_").is_some());
    if !may_be {
        return None;
    }
    let (told, _) = Value::read(body)?;
    let is = task::is_wrapped(told) && told.get("message").is_none() || task::is_task(told);
    is.then(|| {
        let mut all = task::Told::default();
        all.take(told);
        all
    })
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// A call of the service `A2AService`, of whichever package (`a2a.v1`, `lf.a2a.v1`).
fn over_grpc<'a>(exchange: &Exchange, request: &'a Request) -> Option<Asked<'a>> {
    let (service, name) = request.path().rsplit_once('/')?;
    let service = service.trim_start_matches('/');
    if service.rsplit('.').next() != Some("A2AService") || !rpc::is_grpc(exchange) {
        return None;
    }
    let (method, operation) = match method(name).filter(|(.., modern)| *modern) {
        Some((method, operation, _)) => (method, operation),
        None => GRPC_ONLY.into_iter().find(|(known, _)| *known == name)?,
    };
    Some(Asked {
        operation,
        binding: Binding::Grpc,
        method,
        modern: service != "a2a.v1.A2AService",
        params: None,
        task: None,
        base: "",
    })
}

/// A call over HTTP+JSON (A2A 1.0 section 11): a path of that binding and the form of what is sent or answered.
fn over_http<'a>(
    answered: Option<&Response>,
    request: &'a Request,
    signals: &Signals<'_>,
) -> Option<Asked<'a>> {
    let path = request.path();
    let (verb, posted) = (request.method(), request.method() == "POST");
    let ok = answered.filter(|r| (200..300).contains(&r.status));
    let body = || Value::read(&request.message.body).map(|(value, _)| value);
    // Errors of 1.0 name whose they are (A2A 1.0 section 11.6).
    let refuses = || {
        let refused = answered.filter(|r| r.status >= 400);
        refused.is_some_and(|r| {
            let start = &r.message.body[..r.message.body.len().min(ERROR)];
            memchr::memmem::find(start, b"\"a2a-protocol.org\"").is_some()
        })
    };
    let answers = || ok.is_some_and(|r| tells_of_tasks(r, false) == Some(true)) || refuses();
    let asked = |operation, method, base, task: Option<&'a str>, params| Asked {
        operation,
        binding: Binding::Http,
        method,
        // 0.3 puts its version into the path and speaks the same otherwise.
        modern: !trimmed(base).ends_with("/v1") || signals.a2a_version.is_some(),
        params,
        task: task.map(Cow::Borrowed),
        base: trimmed(base),
    };
    if posted
        && let Some((base, operation, method)) = path
            .strip_suffix("/message:send")
            .map(|base| (base, Operation::Send, "SendMessage"))
            .or_else(|| {
                let base = path.strip_suffix("/message:stream")?;
                Some((base, Operation::Stream, "SendStreamingMessage"))
            })
    {
        let sent = body()?;
        let is = sent.get("message").is_some_and(task::is_message);
        return is.then(|| asked(operation, method, base, None, Some(sent)));
    }
    for end in ["/extendedAgentCard", "/card", "/agent/authenticatedExtendedCard"] {
        if let Some(base) = path.strip_suffix(end).filter(|_| verb == "GET") {
            let given = ok.is_some_and(|r| card::has_form(&r.message.body, false));
            let refused = signals.a2a && end == "/extendedAgentCard";
            return (given || refused)
                .then(|| asked(Operation::ExtendedCard, "GetExtendedAgentCard", base, None, None));
        }
    }
    let at = path.rfind("/tasks")?;
    let (base, rest) = (&path[..at], &path[at + "/tasks".len()..]);
    if rest.is_empty() {
        let is = verb == "GET" && (signals.a2a || answers());
        return is.then(|| asked(Operation::List, "ListTasks", base, None, None));
    }
    let rest = rest.strip_prefix('/')?;
    let (id, behind) = match rest.split_once('/') {
        Some((id, behind)) => (id, Some(behind)),
        None => (rest, None),
    };
    if let Some(behind) = behind {
        let config = behind.strip_prefix("pushNotificationConfigs")?;
        let one = config.strip_prefix('/').filter(|id| !id.contains('/'));
        let method = match (verb, one) {
            ("POST", None) if config.is_empty() => "CreateTaskPushNotificationConfig",
            ("GET", None) if config.is_empty() => "ListTaskPushNotificationConfigs",
            ("GET", Some(_)) => "GetTaskPushNotificationConfig",
            ("DELETE", Some(_)) => "DeleteTaskPushNotificationConfig",
            _ => return None,
        };
        // Nobody else has a collection of this name below tasks.
        return Some(asked(Operation::Push, method, base, Some(id), body()));
    }
    let (id, operation, method) = match id.rsplit_once(':') {
        Some((id, "cancel")) if posted => (id, Operation::Cancel, "CancelTask"),
        Some((id, "subscribe")) => (id, Operation::Subscribe, "SubscribeToTask"),
        _ if verb == "GET" => (id, Operation::Get, "GetTask"),
        _ => return None,
    };
    let is = !id.is_empty() && (signals.a2a || answers());
    is.then(|| asked(operation, method, base, Some(id), None))
}
