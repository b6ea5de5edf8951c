//! What a call does, and what rules say of it.
//!
//! Paths are held against the request as it was sent and not against the template that was learned: what a policy permits must
//! not depend on what else was seen. A path that a server may read in two ways suits no rule.

use std::borrow::Cow;

use crate::behaviour::Activity;
use crate::inventory::declared::{glob, template_segments};
use crate::inventory::rpc;
use crate::mcp::message::{self, Value};
use crate::privacy::{safe_name, segment};

/// Messages of one batch that are judged one by one.
const BATCH: usize = 64;

/// Bytes of a body that are read.
pub(super) const SEARCHED: usize = 64 * 1024;

/// Calls by which protocols keep house: they do nothing by themselves, and are in order where anything of the protocol is.
const HOUSEKEEPING: [&str; 12] = [
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "prompts/list",
    "logging/setLevel",
    "roots/list",
    "tasks/get",
    "tasks/result",
    "tasks/resubscribe",
    "GetTask",
    "SubscribeToTask",
    "TaskSubscription",
];

/// One thing that a call does.
#[derive(Debug)]
pub(super) struct Deed<'a> {
    /// `mcp`, `a2a`, `jsonrpc`, `graphql`, `soap`, `llm`, `grpc`; nothing for plain HTTP.
    pub(super) protocol: Option<&'static str>,
    method: Cow<'a, str>,
    pub(super) name: Option<Cow<'a, str>>,
    /// As templates have it behind `#`.
    pub(super) operation: String,
    /// Part of keeping a session.
    pub(super) setup: bool,
    /// The message of a batch that it is, or the only one.
    pub(super) message: Option<Value<'a>>,
    /// It could not be read to its end.
    pub(super) unread: bool,
}

impl<'a> Deed<'a> {
    /// What an exchange does: one thing, or several in a batch.
    pub(super) fn all(activity: &Activity<'a>, key: &[u8; 32]) -> Vec<Self> {
        let body = &activity.request.message.body;
        let body = &body[..body.len().min(SEARCHED)];
        let Some(call) = activity.call else {
            return vec![Self::plain(activity)];
        };
        if call.method == "batch" && matches!(call.protocol, "mcp" | "jsonrpc") {
            let (messages, _) = message::read(body);
            let whole =
                activity.request.message.complete && body.len() == activity.request.message.body.len();
            let mut out: Vec<Self> = messages
                .iter()
                .filter_map(|message| {
                    let method = message.method_name()?;
                    let named = matches!(method.as_ref(), "tools/call" | "prompts/get" | "resources/read");
                    let params = message.params;
                    let text = |name: &str| params?.get(name)?.text();
                    let name = text("name").or_else(|| text("uri")).filter(|_| named);
                    let name = name.map(|name| Cow::Owned(safe_name(key, &name)));
                    let method = safe_name(key, &method);
                    Some(Self::called(call.protocol, Cow::Owned(method), name, params))
                })
                .collect();
            let unread = !whole || out.len() > BATCH || out.is_empty();
            out.truncate(BATCH);
            if unread {
                let mut rest = Self::called(call.protocol, Cow::Borrowed("batch"), None, None);
                rest.unread = true;
                out.push(rest);
            }
            return out;
        }
        let params = match call.protocol {
            "mcp" | "jsonrpc" | "a2a" => {
                let (messages, _) = message::read(body);
                messages.first().and_then(|m| m.params)
            }
            _ => None,
        };
        let name = call.name.as_deref().map(Cow::Borrowed);
        let mut deed = Self::called(call.protocol, Cow::Borrowed(&call.method), name, params);
        deed.setup |= call.is_setup();
        // A batch of a protocol whose messages are not told apart.
        deed.unread = call.method == "batch";
        vec![deed]
    }

    fn plain(activity: &Activity<'_>) -> Self {
        let grpc = rpc::grpc_method(activity.exchange);
        let is_mcp = activity.signals.mcp && matches!(activity.request.method(), "GET" | "DELETE");
        Self {
            protocol: match (is_mcp, &grpc) {
                (true, _) => Some("mcp"),
                (false, Some(_)) => Some("grpc"),
                (false, None) => None,
            },
            method: Cow::Borrowed(""),
            name: None,
            operation: grpc.unwrap_or_default(),
            // Streams and ends of sessions.
            setup: is_mcp,
            message: None,
            unread: false,
        }
    }

    fn called(
        protocol: &'static str,
        method: Cow<'a, str>,
        name: Option<Cow<'a, str>>,
        message: Option<Value<'a>>,
    ) -> Self {
        let operation = match &name {
            Some(name) if method != "resources/read" => format!("{method}:{name}"),
            _ => method.to_string(),
        };
        let setup = HOUSEKEEPING.contains(&method.as_ref())
            || matches!(method.as_ref(), "initialize" | "ping" | "server/discover")
            || method.starts_with("notifications/");
        Self {
            protocol: Some(protocol),
            method,
            name,
            operation,
            setup: setup && matches!(protocol, "mcp" | "a2a"),
            message,
            unread: false,
        }
    }
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Http(Http),
    /// Globs of names.
    Tool(String),
    Prompt(String),
    Resource(String),
    Skill(String),
    Operation(String),
    Model(String),
}

/// Values of the parameters of a path.
pub(super) type Parameters<'p> = Vec<(&'p str, String)>;

impl What {
    /// Whether a call does this. Gives the parameters of its path.
    pub(super) fn suits<'p>(&'p self, deed: &Deed<'_>, method: &str, path: &str) -> Option<Parameters<'p>> {
        let name = || deed.name.as_deref().unwrap_or("");
        let is = |protocol: &str| deed.protocol == Some(protocol);
        let suits = match self {
            Self::Http(http) => return http.suits(deed, method, path),
            Self::Tool(tool) => is("mcp") && deed.method == "tools/call" && glob(tool, name()),
            Self::Prompt(prompt) => is("mcp") && deed.method == "prompts/get" && glob(prompt, name()),
            Self::Resource(uri) => is("mcp") && deed.method == "resources/read" && glob(uri, name()),
            Self::Skill(skill) => is("a2a") && glob(skill, name()),
            Self::Operation(operation) => {
                deed.protocol.is_some() && !is("llm") && glob(operation, &deed.operation)
            }
            Self::Model(model) => is("llm") && glob(model, name()),
        };
        suits.then(Vec::new)
    }

    /// Whether it is about calls of a protocol, so that keeping house of it is in order.
    pub(super) fn is_of(&self, protocol: &str) -> bool {
        match self {
            Self::Http(http) => http.operation.is_some(),
            Self::Tool(_) | Self::Prompt(_) | Self::Resource(_) => protocol == "mcp",
            Self::Skill(_) => protocol == "a2a",
            Self::Operation(_) => true,
            Self::Model(_) => protocol == "llm",
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Http(http) => http.text.clone(),
            Self::Tool(name) => format!("tool {name}"),
            Self::Prompt(name) => format!("prompt {name}"),
            Self::Resource(name) => format!("resource {name}"),
            Self::Skill(name) => format!("skill {name}"),
            Self::Operation(name) => format!("operation {name}"),
            Self::Model(name) => format!("model {name}"),
        }
    }
}

/// Methods and a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Http {
    /// In capitals; empty for every one.
    methods: Vec<String>,
    segments: Vec<Segment>,
    /// Of an RPC, behind `#`.
    operation: Option<String>,
    /// As it was written.
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Text(String),
    Glob(String),
    Parameter { name: String, form: Form },
    Rest,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    Int,
    Uuid,
}

impl Form {
    fn takes(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Int => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            }
            Self::Uuid => {
                text.len() == 36
                    && text.bytes().enumerate().all(|(at, b)| match at {
                        8 | 13 | 18 | 23 => b == b'-',
                        _ => b.is_ascii_hexdigit(),
                    })
            }
        }
    }
}

impl Http {
    /// Reads `GET,POST /v1/orders/{id}`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const METHODS: [&str; 9] = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
        ];
        let Some((methods, path)) = text.split_once(char::is_whitespace) else {
            return Err(match text.starts_with('/') {
                true => {
                    "names no method; write it before the path, such as \"GET /v1/orders/{id}\", or * for all"
                        .to_owned()
                }
                false => "is no method and path; write e.g. \"GET /v1/orders/{id}\"".to_owned(),
            });
        };
        let path = path.trim();
        let mut known = Vec::new();
        if methods != "*" {
            for method in methods.split(',') {
                if method.is_empty() || !method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') {
                    return Err("is no method and path; write e.g. \"GET,POST /v1/orders\", without spaces between methods".to_owned());
                }
                let upper = method.to_ascii_uppercase();
                if method != upper {
                    return Err(format!("has a method in small letters; write \"{upper} {path}\""));
                }
                if let Some(near) = (!METHODS.contains(&method))
                    .then(|| crate::nearest(method, METHODS.into_iter()))
                    .flatten()
                {
                    return Err(format!("has no known method; did you mean \"{near} {path}\"?"));
                }
                known.push(upper);
            }
        }
        if !path.starts_with('/') {
            return Err(format!(
                "has a path that does not begin with a slash; write the host as `host`, and e.g. \"{methods} /{path}\" here"
            ));
        }
        if path.contains('?') {
            return Err(
                "has a query; write what it must hold as `when`, such as 'args.limit <= 100'".to_owned(),
            );
        }
        let (path, operation) = match path.split_once('#') {
            Some((path, operation)) => (path, Some(operation.to_owned())),
            None => (path, None),
        };
        let mut segments = Vec::new();
        for part in template_segments(path) {
            if segments.last() == Some(&Segment::Rest) {
                return Err("goes on behind what stands for the rest of the path".to_owned());
            }
            segments.push(segment_of(part)?);
        }
        Ok(Self {
            methods: known,
            segments,
            operation,
            text: text.to_owned(),
        })
    }

    fn suits<'p>(&'p self, deed: &Deed<'_>, method: &str, path: &str) -> Option<Parameters<'p>> {
        let is_meant = |own: &String| own == method || (own == "GET" && method == "HEAD");
        if !self.methods.is_empty() && !self.methods.iter().any(is_meant) {
            return None;
        }
        // What lies behind one path of an RPC is not permitted with the path.
        match (&self.operation, deed.protocol) {
            (None, None | Some("grpc")) => {}
            (None, Some(_)) => return None,
            (Some(operation), _) => {
                if !glob(operation, &deed.operation) {
                    return None;
                }
            }
        }
        let mut out = Vec::new();
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        for own in &self.segments {
            if *own == Segment::Rest {
                return parts.all(|part| plain(part).is_some()).then_some(out);
            }
            let part = plain(parts.next()?)?;
            let suits = match own {
                Segment::Text(text) => *text == part,
                Segment::Glob(pattern) => glob(pattern, &part),
                Segment::Parameter { name, form } => {
                    let takes = form.takes(&part);
                    if takes {
                        out.push((name.as_str(), part.into_owned()));
                    }
                    takes
                }
                Segment::Rest => true,
            };
            if !suits {
                return None;
            }
        }
        parts.next().is_none().then_some(out)
    }
}

/// A segment as every server reads it; nothing when servers differ.
fn plain(part: &str) -> Option<Cow<'_, str>> {
    let decoded = segment::decode(part);
    // A coded slash is part of an id to some servers and of the path to others: nothing below may lead upwards.
    let odd = decoded.contains(|c: char| c.is_control())
        || decoded
            .split(['/', '\\'])
            .any(|piece| matches!(piece, "." | ".."));
    (!odd).then_some(decoded)
}

fn segment_of(part: &str) -> Result<Segment, String> {
    match part {
        "**" => return Ok(Segment::Rest),
        "*" => {
            return Ok(Segment::Parameter {
                name: String::new(),
                form: Form::Any,
            });
        }
        _ => {}
    }
    let Some((before, after)) = part.split_once('{') else {
        return Ok(match part.contains('*') {
            true => Segment::Glob(part.to_owned()),
            false => Segment::Text(part.to_owned()),
        });
    };
    let Some((inside, behind)) = after.split_once('}') else {
        return Err("has a { without }".to_owned());
    };
    if !before.is_empty() || !behind.is_empty() {
        // Several in one segment: what lies between them is any text.
        let mut glob = String::from(before);
        glob.push('*');
        let mut rest = behind;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, behind)) = after.split_once('}') else {
                return Err("has a { without }".to_owned());
            };
            glob.push_str(before);
            glob.push('*');
            rest = behind;
        }
        glob.push_str(rest);
        return Ok(Segment::Glob(glob));
    }
    if let Some(name) = inside.strip_suffix("...") {
        if name.contains(['{', '}']) {
            return Err("has brackets in brackets".to_owned());
        }
        return Ok(Segment::Rest);
    }
    Ok(Segment::Parameter {
        name: inside.to_owned(),
        form: match inside {
            "int" => Form::Int,
            "uuid" => Form::Uuid,
            _ => Form::Any,
        },
    })
}
