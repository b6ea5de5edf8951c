//! One stream: a request and its response, each as far as it was seen (RFC 9113 sections 5 and 8.1).

use crate::exchange::{Ambiguities, Exchange, Flags, Head, Message, Protocol, Request, Response};
use crate::http1::body::Body;
use crate::http1::connection::{Context, Direction};
use crate::http1::pairing;
use crate::part::{self, Part, Stamp};
use crate::tcp::stream::Meta;
use crate::websocket::{self, Extensions, WebSocket};

use super::fields::RequestFields;

/// What a message begins with.
#[derive(Debug)]
pub(super) enum Start {
    Request(Box<RequestFields>),
    Response(u16, Head),
}

impl Start {
    fn head(&self) -> &Head {
        match self {
            Self::Request(request) => &request.head,
            Self::Response(_, head) => head,
        }
    }
}

/// One direction of a stream.
#[derive(Default)]
pub(super) struct Half {
    pub(super) start: Option<Start>,
    pub(super) trailers: Head,
    body: Option<Body>,
    first: Meta,
    last: Meta,
    /// The sender has said that this was all.
    pub(super) ended: bool,
    /// Some of its fields refer to bytes that were never seen, or were lost themselves.
    pub(super) unknown: bool,
    /// Its fields are more than are kept.
    pub(super) cut: bool,
    /// A block of fields did not end, though nothing was lost.
    pub(super) broke_off: bool,
    pub(super) flags: Flags,
    pub(super) ambiguities: Ambiguities,
}

impl Half {
    /// Bytes of memory it takes beside itself.
    fn weight(&self) -> usize {
        self.start.as_ref().map_or(0, |start| start.head().weight())
            + self.trailers.weight()
            + self.body.as_ref().map_or(0, Body::weight)
    }

    /// A head was read.
    pub(super) fn begin(&mut self, start: Start, first: Meta, last: Meta, cx: &mut Context<'_>) {
        let head = start.head();
        let length = head.field("content-length").and_then(|v| v.parse().ok());
        let codings = head
            .fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"))
            .map(|(_, value)| value);
        let mut body = Body::new(codings, length, cx.limits, cx.pool, *cx.room);
        let direction = match start {
            Start::Request(_) => part::Direction::ToServer,
            Start::Response(..) => part::Direction::ToClient,
        };
        body.read_parts(direction, head, cx.limits, cx.pool, cx.room);
        self.body = Some(body);
        self.first = first;
        self.last = last;
        self.start = Some(start);
    }

    /// Takes bytes of the body; returns the parts that end in them. A frame of `begins` bytes may begin here.
    pub(super) fn data(
        &mut self,
        bytes: &[u8],
        begins: Option<u32>,
        at: Meta,
        cx: &mut Context<'_>,
    ) -> Vec<Part> {
        let Some(body) = &mut self.body else {
            return Vec::new();
        };
        body.at(stamp(at));
        if let Some(len) = begins {
            body.frame(len);
        }
        body.push(bytes, cx.limits, cx.pool, cx.room);
        self.last = at;
        body.take_parts(cx.room)
    }

    /// The last part of it that was seen.
    pub(super) fn reach(&mut self, at: Meta) {
        self.last = at;
    }

    /// Some of it was never seen: so many bytes of its body, where that is known. Returns the parts that end there.
    pub(super) fn gap(&mut self, len: Option<u64>, cx: &mut Context<'_>) -> Vec<Part> {
        if self.ended {
            return Vec::new();
        }
        self.flags.insert(Flags::GAP);
        self.body.as_mut().map_or_else(Vec::new, |body| {
            body.gap(len, cx.limits, cx.pool, cx.room);
            body.take_parts(cx.room)
        })
    }

    /// The message, with whether there was more of it to come; nothing when its head was not seen.
    fn finish(
        self,
        flags: &mut Flags,
        ambiguities: &mut Ambiguities,
        parts: &mut Vec<Part>,
        cx: &mut Context<'_>,
    ) -> Option<(Start, Message)> {
        flags.insert(self.flags);
        if self.unknown {
            flags.insert(Flags::GAP);
        }
        if self.cut {
            flags.insert(Flags::TRUNCATED);
        }
        let (start, body) = (self.start?, self.body?);
        let complete = self.ended && !self.broke_off && !self.flags.contains(Flags::GAP);
        if !complete && !self.flags.contains(Flags::GAP) {
            flags.insert(Flags::TRUNCATED);
        }
        let mut done = body.finish(complete, cx.limits, cx.counters, cx.pool, cx.room);
        parts.append(&mut done.rest);
        if done.opaque {
            flags.insert(Flags::OPAQUE);
        }
        if done.over_limit {
            flags.insert(Flags::TRUNCATED);
        }
        let declared = start.head().field("content-length").map(str::parse::<u64>);
        // An answer to HEAD, or of status 304, tells the length of what it does not send.
        if complete && done.bytes > 0 && declared.is_some_and(|length| length != Ok(done.bytes)) {
            ambiguities.insert(Ambiguities::LENGTH_DIFFERS);
        }
        cx.counters.ambiguous += u64::from(!ambiguities.is_empty());
        cx.counters.damaged += u64::from(self.flags.contains(Flags::GAP));
        let message = Message {
            head: Head::default(),
            trailers: if self.trailers.fields.is_empty() {
                done.trailers
            } else {
                self.trailers
            },
            first: self.first.ts,
            last: self.last.ts,
            frames: (self.first.frame, self.last.frame),
            body_bytes: done.bytes,
            content_bytes: done.content_bytes,
            complete,
            head_cut: self.unknown || self.cut,
            body: done.kept,
            parts: done.parts,
            part_bytes: done.part_bytes,
        };
        Some((start, message))
    }
}

/// A stream that is open, or waits for a part that was sent before.
#[derive(Default)]
pub(super) struct Stream {
    /// Its place among the exchanges of the flow.
    pub(super) index: u32,
    /// Request and response.
    halves: [Half; 2],
    /// A request of HTTP/1 that is answered here.
    upgraded: Option<Box<Request>>,
    pub(super) interim: u16,
    /// One side gave it up.
    pub(super) reset: bool,
    /// The exchange was given out, and what the stream carries from there on is this.
    tunnel: Option<Box<WebSocket>>,
}

impl Stream {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    /// The stream on which a request of HTTP/1 is answered.
    pub(super) fn upgraded(index: u32, request: pairing::Half<Request>) -> Self {
        let mut new = Self::new(index);
        let half = new.half(Direction::Request);
        half.ended = true;
        half.flags = request.flags;
        half.ambiguities = request.ambiguities;
        new.upgraded = Some(Box::new(request.message));
        new
    }

    /// Bytes of memory it takes, with its place in a table.
    pub(super) fn weight(&self) -> usize {
        let upgraded = self.upgraded.as_ref().map_or(0, |r| r.message.weight());
        let tunnel = self.tunnel.as_ref().map_or(0, |websocket| websocket.weight());
        // Streams begin in order, and a tree that grows at its end is half empty.
        2 * size_of::<Self>() + 64 + upgraded + tunnel + self.halves.iter().map(Half::weight).sum::<usize>()
    }

    pub(super) fn half(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction as usize]
    }

    /// The stream behind an exchange that opened a WebSocket (RFC 8441 section 5), and that exchange, when this is one.
    pub(super) fn open_websocket(&mut self, cx: &mut Context<'_>) -> Option<Exchange> {
        let [request, response] = &self.halves;
        let asked = matches!(&request.start, Some(Start::Request(fields)) if fields.websocket);
        let Some(Start::Response(200..300, head)) = &response.start else {
            return None;
        };
        // What the two agreed on is not known where fields are missing.
        if !asked || self.reset || response.unknown || response.cut {
            return None;
        }
        let values = head
            .fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
        let extensions = Extensions::negotiated(values.map(|(_, value)| value));
        // Frames begin where the client waited for the answer.
        let in_step =
            request.body.as_ref().is_none_or(|body| body.bytes == 0) && !request.flags.contains(Flags::GAP);
        let ended = [request.ended, response.ended];
        let mut before = Self {
            index: self.index,
            ..Self::default()
        };
        std::mem::swap(self, &mut before);
        before.halves.iter_mut().for_each(|half| half.ended = true);
        let mut websocket = WebSocket::new(&extensions);
        if !in_step {
            // Nothing was read, so nothing comes out of it.
            websocket.gap(part::Direction::ToServer, 0, &mut frames(cx), &mut |_| {});
        }
        self.tunnel = Some(Box::new(websocket));
        for (half, ended) in self.halves.iter_mut().zip(ended) {
            half.ended = ended;
        }
        let mut parts = Vec::new();
        before.into_exchange(&mut parts, cx)
    }

    /// Whether the exchange was given out, and something else goes over the stream.
    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Takes bytes of a direction; returns the parts that end in them. A frame of `begins` bytes may begin here.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        begins: Option<u32>,
        at: Meta,
        cx: &mut Context<'_>,
    ) -> Vec<Part> {
        let Some(websocket) = &mut self.tunnel else {
            return self.half(direction).data(bytes, begins, at, cx);
        };
        let mut parts = Vec::new();
        websocket.data(way(direction), bytes, stamp(at), &mut frames(cx), &mut |part| {
            parts.push(part);
        });
        parts
    }

    /// Some of a direction was never seen: so many bytes of what it carries, where that is known. Returns the parts that
    /// end there.
    pub(super) fn gap(&mut self, direction: Direction, len: Option<u64>, cx: &mut Context<'_>) -> Vec<Part> {
        let Some(websocket) = &mut self.tunnel else {
            return self.half(direction).gap(len, cx);
        };
        if self.halves[direction as usize].ended {
            return Vec::new();
        }
        let mut parts = Vec::new();
        // No payload is that long.
        let len = len.unwrap_or(u64::MAX);
        websocket.gap(way(direction), len, &mut frames(cx), &mut |part| parts.push(part));
        parts
    }

    /// Whether nothing more can come. `late` tells that a request that was not seen yet will not be.
    pub(super) fn is_over(&self, late: bool) -> bool {
        let [request, response] = &self.halves;
        self.reset || (response.ended && (request.ended || (request.start.is_none() && late)))
    }

    /// The exchange as it stands; nothing when neither head was seen, or it was given out. Parts that are not over are put
    /// among `parts`.
    pub(super) fn into_exchange(self, parts: &mut Vec<Part>, cx: &mut Context<'_>) -> Option<Exchange> {
        if let Some(mut websocket) = self.tunnel {
            for direction in [part::Direction::ToServer, part::Direction::ToClient] {
                websocket.end(direction, &mut frames(cx), &mut |part| parts.push(part));
            }
            return None;
        }
        let (mut flags, mut asked, mut answered) = (cx.flags, Ambiguities::empty(), Ambiguities::empty());
        let [request, response] = self.halves;
        asked.insert(request.ambiguities);
        answered.insert(response.ambiguities);
        let request = request.finish(&mut flags, &mut asked, parts, cx);
        let response = response.finish(&mut flags, &mut answered, parts, cx);
        if request.is_none() && response.is_none() && self.upgraded.is_none() {
            return None;
        }
        let mut websocket = false;
        let request = request.and_then(|(start, message)| match start {
            Start::Response(..) => None,
            Start::Request(fields) => {
                websocket = fields.websocket;
                Some(Request {
                    method: fields.method,
                    target: fields.target,
                    minor: 0,
                    host: fields.host,
                    message: Message {
                        head: fields.head,
                        ..message
                    },
                })
            }
        });
        let request = request.or(self.upgraded.map(|request| *request));
        let response = response.and_then(|(start, message)| match start {
            Start::Request(_) => None,
            Start::Response(status, head) => Some(Response {
                status,
                minor: 0,
                interim: self.interim,
                message: Message { head, ..message },
            }),
        });
        if request.is_none() {
            flags.insert(Flags::NO_REQUEST);
            cx.counters.no_request += 1;
        }
        if response.is_none() {
            flags.insert(Flags::NO_RESPONSE);
            cx.counters.no_response += 1;
        }
        let mut ambiguities = asked;
        ambiguities.insert(answered);
        if !ambiguities.is_empty() {
            flags.insert(Flags::AMBIGUOUS);
        }
        if !cx.server_seen && response.is_none() {
            flags.insert(Flags::ONE_SIDED);
        }
        let bodies = [
            request.as_ref().map(|r| &r.message),
            response.as_ref().map(|r| &r.message),
        ];
        *cx.room += bodies.iter().flatten().map(|m| m.body.len()).sum::<usize>();
        let grpc = bodies.iter().flatten().any(|message| {
            let kind = message.field("content-type").unwrap_or("");
            kind.get(..16)
                .is_some_and(|k| k.eq_ignore_ascii_case("application/grpc"))
        });
        let accepted = response.as_ref().is_none_or(|r| (200..300).contains(&r.status));
        cx.counters.exchanges += 1;
        Some(Exchange {
            flow: cx.flow.flow_ref(),
            index: self.index,
            protocol: match (websocket && accepted, grpc) {
                (true, _) => Protocol::WebSocket,
                (false, true) => Protocol::Grpc,
                (false, false) => Protocol::Http2,
            },
            request,
            response,
            flags,
            ambiguities,
            request_ambiguities: asked,
            completed: cx.now,
        })
    }
}

/// The way that a direction is for parts.
fn way(direction: Direction) -> part::Direction {
    match direction {
        Direction::Request => part::Direction::ToServer,
        Direction::Response => part::Direction::ToClient,
    }
}

fn stamp(at: Meta) -> Stamp {
    Stamp {
        ts: at.ts,
        frame: at.frame,
    }
}

/// What of the context a WebSocket needs.
fn frames<'a>(cx: &'a mut Context<'_>) -> websocket::Context<'a> {
    websocket::Context {
        limits: cx.limits,
        counters: cx.counters,
        pool: cx.pool,
        room: cx.room,
    }
}
