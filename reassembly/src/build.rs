//! Exchanges made from text instead of packets: for tests, and for importing from other recordings
//! (HAR files, proxy logs).
//!
//! The builder reads a head just well enough to fill in the spans; it judges nothing. Flags and
//! ambiguities are what the caller says they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::exchange::{
    Ambiguities, Exchange, FieldSpan, Flags, FlowRef, Head, Message, Protocol, Request, Response,
    authority_range,
};
use crate::time::Timestamp;

/// Makes an [`Exchange`] from heads as text, bodies, times and addresses.
#[derive(Debug, Clone)]
pub struct ExchangeBuilder {
    flow: FlowRef,
    index: u32,
    request: Option<(String, Vec<u8>)>,
    response: Option<(String, Vec<u8>)>,
    sent: Timestamp,
    wait_ns: u64,
    frames: [u64; 4],
    flags: Flags,
    protocol: Option<Protocol>,
    /// Fields behind the response's body, as lines.
    trailers: String,
    /// Of the request and of the response.
    ambiguities: [Ambiguities; 2],
}

impl ExchangeBuilder {
    /// An exchange without request and response, between two documentation addresses.
    #[must_use]
    pub fn new(sent: Timestamp) -> Self {
        let address = |last, port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
        Self {
            flow: FlowRef {
                client: address(10, 40_000),
                server: address(80, 80),
                start: sent,
                vlan: None,
                vni: None,
                tls: false,
            },
            index: 0,
            request: None,
            response: None,
            sent,
            wait_ns: 5_000_000,
            frames: [0; 4],
            flags: Flags::empty(),
            protocol: None,
            trailers: String::new(),
            ambiguities: [Ambiguities::empty(); 2],
        }
    }

    /// Client and server address.
    #[must_use]
    pub fn between(mut self, client: SocketAddr, server: SocketAddr) -> Self {
        self.flow.client = client;
        self.flow.server = server;
        self
    }

    /// Decrypted out of TLS.
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        self.flow.tls = true;
        self
    }

    /// When the flow began, and the exchange's place in it.
    #[must_use]
    pub fn in_flow(mut self, start: Timestamp, index: u32) -> Self {
        self.flow.start = start;
        self.index = index;
        self
    }

    /// The request: its head (lines ended by LF or CRLF, the last blank line optional) and its body.
    #[must_use]
    pub fn request(mut self, head: &str, body: impl Into<Vec<u8>>) -> Self {
        self.request = Some((head.to_owned(), body.into()));
        self
    }

    /// The response: its head and its body.
    #[must_use]
    pub fn response(mut self, head: &str, body: impl Into<Vec<u8>>) -> Self {
        self.response = Some((head.to_owned(), body.into()));
        self
    }

    /// Time from the request's last byte to the response's first.
    #[must_use]
    pub fn waited(mut self, ns: u64) -> Self {
        self.wait_ns = ns;
        self
    }

    /// Frame numbers: request first and last, response first and last.
    #[must_use]
    pub fn frames(mut self, frames: [u64; 4]) -> Self {
        self.frames = frames;
        self
    }

    /// What was missing or damaged.
    #[must_use]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// What was spoken; HTTP/1 of the version in the request line unless said otherwise.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Fields behind the response's body, a line each.
    #[must_use]
    pub fn trailers(mut self, lines: &str) -> Self {
        self.trailers = format!("\n{lines}");
        self
    }

    /// Where receivers may read the bytes of the request and of the response differently.
    #[must_use]
    pub fn ambiguities(mut self, request: Ambiguities, response: Ambiguities) -> Self {
        self.ambiguities = [request, response];
        self
    }

    /// The exchange. `NO_REQUEST` and `NO_RESPONSE` are set where a half was not given.
    #[must_use]
    pub fn build(self) -> Exchange {
        let complete = !self.flags.intersects(Flags::GAP) && !self.flags.intersects(Flags::TRUNCATED);
        let answered = Timestamp(self.sent.0.saturating_add(self.wait_ns));
        let mut flags = self.flags;
        if self.request.is_none() {
            flags.insert(Flags::NO_REQUEST);
        }
        if self.response.is_none() {
            flags.insert(Flags::NO_RESPONSE);
        }
        let [request_first, request_last, response_first, response_last] = self.frames;
        let request = self
            .request
            .map(|(head, body)| request(&head, body, self.sent, (request_first, request_last), complete));
        let trailers = head(&self.trailers);
        let response = self.response.map(|(head, body)| {
            let mut response = response(&head, body, answered, (response_first, response_last), complete);
            response.message.trailers = trailers;
            response
        });
        let protocol = match &request {
            _ if self.protocol.is_some() => self.protocol.unwrap_or(Protocol::Http11),
            Some(r) if r.minor != 1 => Protocol::Http10,
            _ => Protocol::Http11,
        };
        let mut ambiguities = self.ambiguities[0];
        ambiguities.insert(self.ambiguities[1]);
        Exchange {
            flow: self.flow,
            index: self.index,
            protocol,
            completed: if response.is_some() { answered } else { self.sent },
            request,
            response,
            flags,
            ambiguities,
            request_ambiguities: self.ambiguities[0],
        }
    }
}

fn request(head: &str, body: Vec<u8>, at: Timestamp, frames: (u64, u64), complete: bool) -> Request {
    let message = message(head, body, at, frames, complete);
    let line = message.head.text.lines().next().unwrap_or("");
    let method = (0, line.find(' ').unwrap_or(line.len()));
    let from = (method.1 + 1).min(line.len());
    let (to, minor) = match line.rfind(" HTTP/") {
        Some(at) if at >= from => (at, if line.ends_with("1.0") { 0 } else { 1 }),
        _ => (line.len(), 9),
    };
    let target = line.get(from..to).unwrap_or("");
    let host = match authority_range(target) {
        Some(range) => target[range].rsplit('@').next().unwrap_or("").to_owned(),
        None => message.field("host").unwrap_or("").to_owned(),
    };
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":80").unwrap_or(&host).to_owned();
    Request {
        method: (0, span(method.1)),
        target: (span(from), span(to)),
        minor,
        host,
        message,
    }
}

fn response(head: &str, body: Vec<u8>, at: Timestamp, frames: (u64, u64), complete: bool) -> Response {
    let message = message(head, body, at, frames, complete);
    let line = message.head.text.lines().next().unwrap_or("");
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
    Response {
        status: status.unwrap_or(0),
        minor: u8::from(!line.starts_with("HTTP/1.0")),
        interim: 0,
        message,
    }
}

fn message(text: &str, body: Vec<u8>, at: Timestamp, frames: (u64, u64), complete: bool) -> Message {
    Message {
        head: head(text),
        trailers: Head::default(),
        first: at,
        last: at,
        frames,
        body_bytes: body.len() as u64,
        content_bytes: body.len() as u64,
        complete,
        head_cut: !complete,
        body,
        parts: 0,
        part_bytes: 0,
    }
}

/// The fields of a head: every line behind the first.
fn head(text: &str) -> Head {
    let text = text.to_owned();
    let mut fields = Vec::new();
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end_matches(['\r', '\n']);
        if let (true, Some(colon)) = (number > 0, bare.find(':')) {
            let value = &bare[colon + 1..];
            let start = offset + colon + 1 + (value.len() - value.trim_start().len());
            fields.push(FieldSpan {
                name: (span(offset), span(offset + colon)),
                value: (span(start), span(start + value.trim().len())),
            });
        }
        offset += line.len();
    }
    Head::new(text, fields)
}

/// Offsets in a head fit in 32 bits: heads are far below 4 GiB, and a longer one reads as empty.
fn span(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_into_spans() {
        let exchange = ExchangeBuilder::new(Timestamp(1_000))
            .request(
                "POST http://u:p@Shop.example:80/a?b=c HTTP/1.1\r\nX-One:  1 \r\nTwo: 2\r\n\r\n",
                "body",
            )
            .response("HTTP/1.1 201 Created\nLocation: /a/1\n", "")
            .build();
        let request = exchange.request.as_ref().expect("a request");
        assert_eq!((request.method(), request.path()), ("POST", "/a"));
        assert_eq!(
            (request.query(), request.host.as_str()),
            (Some("b=c"), "shop.example")
        );
        assert_eq!(request.message.field("x-one"), Some("1"));
        assert_eq!(exchange.status(), Some(201));
        assert_eq!(
            exchange
                .response
                .as_ref()
                .and_then(|r| r.message.field("location")),
            Some("/a/1")
        );
        assert!(exchange.flags.is_empty());
    }

    #[test]
    fn a_missing_half_is_flagged() {
        let exchange = ExchangeBuilder::new(Timestamp(1)).request("GET /", "").build();
        assert!(exchange.flags.contains(Flags::NO_RESPONSE));
        assert_eq!(exchange.request.as_ref().map(|r| r.minor), Some(9));
    }
}
