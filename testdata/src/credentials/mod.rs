//! A small capture for every way in which a credential may be wrong, and one for what is nearly so and right.
//!
//! Tokens and DPoP proofs are signed by keys that follow from a number. What a reader must find of each stands beside it.

mod cases;
mod sign;

pub use cases::cases;

use crate::http::Message;
use crate::time::{MILLI, SECOND};
use crate::wire::{Capture, Conn, Link, Resolution, Side};

/// 2026-10-05T12:00:00Z.
const START: u64 = 1_791_201_600;

/// A capture, and what is to be found in it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name, fit for a file.
    pub name: &'static str,
    /// Kinds of findings about credentials, each with its reason where it has one (`weak_auth in_url`), sorted; none where nothing is wrong.
    pub found: &'static [&'static str],
    /// Settings of the reader, as TOML. Where there are keys, `KEYS` stands for the name of their file.
    pub settings: String,
    /// A JSON Web Key Set.
    pub keys: Option<String>,
    /// The capture, a pcap file.
    pub pcap: Vec<u8>,
}

/// A call and its answer.
#[derive(Debug, Clone)]
struct Call {
    method: &'static str,
    target: String,
    host: &'static str,
    server: &'static str,
    client: &'static str,
    program: &'static str,
    fields: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
    status: u16,
    answer: String,
}

impl Call {
    fn new(method: &'static str, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            host: "api.acme.example",
            server: "10.10.2.21",
            client: "10.30.7.21",
            program: "python-httpx/0.28",
            fields: Vec::new(),
            body: None,
            status: 200,
            answer: r#"{"ok":true}"#.to_owned(),
        }
    }

    fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    fn post(target: &str, body: &str) -> Self {
        Self::new("POST", target).json(body)
    }

    /// A form, as token endpoints take them.
    fn form(target: &str, form: &str) -> Self {
        let mut call = Self::new("POST", target).at("id.acme.example", "10.10.1.15");
        call.body = Some(("application/x-www-form-urlencoded", form.to_owned()));
        call
    }

    /// A call of a tool over MCP.
    fn tool(name: &str, arguments: &str, result: &str) -> Self {
        let result = result.replace('"', "\\\"");
        Self::post(
            "/mcp",
            &format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#),
        )
        .at("mcp.acme.example", "10.10.2.31")
        .answer(&format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[{{"type":"text","text":"{result}"}}]}}}}"#))
    }

    fn json(mut self, body: &str) -> Self {
        self.body = Some(("application/json", body.to_owned()));
        self
    }

    fn at(mut self, host: &'static str, server: &'static str) -> Self {
        (self.host, self.server) = (host, server);
        self
    }

    fn from(mut self, client: &'static str) -> Self {
        self.client = client;
        self
    }

    fn with(mut self, program: &'static str) -> Self {
        self.program = program;
        self
    }

    fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.field("Authorization", format!("Bearer {token}"))
    }

    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn answer(mut self, answer: &str) -> Self {
        answer.clone_into(&mut self.answer);
        self
    }
}

/// Calls one after another.
#[derive(Debug)]
struct Tape {
    capture: Capture,
    /// Nanoseconds since 1970.
    now: u64,
    calls: u16,
}

impl Tape {
    fn new() -> Self {
        Self {
            capture: Capture::new(Link::Ethernet),
            now: START * SECOND,
            calls: 0,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += seconds * SECOND;
    }

    /// Seconds since 1970 at which the next call is sent.
    fn next(&self) -> u64 {
        self.now / SECOND + 1
    }

    /// Sends a call on a connection of its own, a second after the one before.
    fn send(&mut self, call: &Call) {
        self.wait(1);
        self.calls += 1;
        let (Ok(client), Ok(server)) = (call.client.parse(), call.server.parse()) else {
            unreachable!("addresses are written right")
        };
        let mut conn = Conn::new(
            std::net::SocketAddr::new(client, 40_000 + self.calls),
            std::net::SocketAddr::new(server, 8080),
        );
        let mut request = Message::request(call.method, &call.target)
            .field("Host", call.host)
            .field("User-Agent", call.program)
            .field("X-Forwarded-Proto", "https");
        for (name, value) in &call.fields {
            request = request.field(name, value.as_str());
        }
        if let Some((kind, body)) = &call.body {
            request = request.content(kind, body.as_bytes());
        }
        let answer = Message::response(call.status).json(call.answer.as_bytes());
        let at = conn.open(&mut self.capture, self.now);
        let at = conn.send(&mut self.capture, at, Side::Client, &request.encode().bytes());
        let at = conn.send(
            &mut self.capture,
            at + 3 * MILLI,
            Side::Server,
            &answer.encode().bytes(),
        );
        let at = conn.close(&mut self.capture, at + MILLI, Side::Client);
        conn.settle(&mut self.capture, at);
    }

    fn pcap(&self) -> Vec<u8> {
        self.capture.pcap(Resolution::Nanoseconds)
    }
}
