//! Drives the stages for the two directions of a flow.
//!
//! Knows what of a message has been read and what comes next; leaves the order of bytes to
//! [`crate::tcp`], what a head or a body means to the modules beside it, and what is HTTP of another connection, or none, to
//! [`tunnel`].

mod tunnel;

use crate::exchange::{Ambiguities, Exchange, Flags, Head, Message, Protocol, Request, Response};
use crate::limits::{Counters, Limits};
use crate::part::{self, Part, PartOf, Stamp};
use crate::room::{About, Event};
use crate::tcp::stream::Meta;
use crate::time::Timestamp;
use crate::websocket::{Extensions, WebSocket};

use super::body::Body;
use super::chunked::Chunked;
use super::framing::{self, Framing};
use super::head::{self, RequestHead, ResponseHead};
pub(crate) use super::pairing::Ready;
use super::pairing::{Half, Method, Pairing};
use super::plain;
use super::reader::{Behind, Current, Place, Reader, Start, StartLine, State};
use super::resync;
use tunnel::upgrades_to_tls;
pub(crate) use tunnel::{Handed, To};

/// Bytes searched for a first message in a flow that was joined midway before it is called unknown.
const SEARCH: u64 = 4 << 20;

/// What a response begins with.
const RESPONSE_START: &[u8] = b"HTTP/1.";

/// What its start line begins with, whatever its version.
const RESPONSE_WORD: &[u8] = b"HTTP/";

/// Bytes searched in one go.
const SEARCH_PIECE: usize = 4 << 10;

/// What the connection needs from outside.
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) counters: &'a mut Counters,
    /// Decoders of bodies.
    pub(crate) pool: &'a mut super::inflate::Pool,
    /// Body bytes that may still be kept.
    pub(crate) room: &'a mut usize,
    pub(crate) flow: &'a About,
    /// Flags of the flow that every exchange of it bears.
    pub(crate) flags: Flags,
    /// Whether a packet from the server was seen.
    pub(crate) server_seen: bool,
    /// Whether TLS that begins within the flow may be read.
    pub(crate) may_decrypt: bool,
    /// Time of the packet being read.
    pub(crate) now: Timestamp,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client: requests.
    Request,
    /// From the server: responses.
    Response,
}

/// What a connection turned out to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not known yet.
    Undecided,
    /// HTTP/1.
    Http,
    /// Something else.
    Foreign,
}

/// HTTP/1 on one flow.
pub(crate) struct Connection {
    requests: Reader,
    responses: Reader,
    pairing: Pairing,
    verdict: Verdict,
    /// Whether the client and the server ended their direction with a FIN.
    clean: (bool, bool),
    /// A head is being read of which the end was lost.
    salvaging: bool,
    /// The flow goes on as something else.
    handed: Option<Box<Handed>>,
    /// What goes through a tunnel is read by others.
    opens_tunnels: bool,
    /// The answer to CONNECT may be among what was lost; and so may be what the server sent behind what the client did.
    answer_lost: bool,
    answer_cut: bool,
    /// Behind an upgrade: what goes over the connection, and the exchange that led to it.
    websocket: Option<Box<Upgraded>>,
    /// Parts to be given out.
    parts: Vec<Unsent>,
    /// Stream offsets from which the directions are a tunnel.
    tunnel_from: [Option<u64>; 2],
}

/// A WebSocket and the exchange that it belongs to.
struct Upgraded {
    index: u32,
    settled: bool,
    websocket: WebSocket,
}

/// A head that was read.
enum Found {
    Request(RequestHead),
    Response(ResponseHead),
}

impl Found {
    /// Reads the head that these bytes are; nothing when they are none by any reading.
    fn read(direction: Direction, bytes: &[u8]) -> Option<Self> {
        match direction {
            Direction::Request => head::request(bytes).map(Self::Request),
            Direction::Response => head::response(bytes).map(Self::Response),
        }
    }

    /// Reads the head at the beginning of these bytes in one pass, where it is of the commonest form and whole; and its
    /// length.
    fn plain(direction: Direction, bytes: &[u8], limit: usize) -> Option<(Self, usize)> {
        match direction {
            Direction::Request => plain::request(bytes, limit).map(|(head, end)| (Self::Request(head), end)),
            Direction::Response => {
                plain::response(bytes, limit).map(|(head, end)| (Self::Response(head), end))
            }
        }
    }
}

/// A part and its exchange.
struct Unsent {
    index: u32,
    settled: bool,
    part: Part,
}

impl Connection {
    /// A connection of which nothing was read. One joined midway begins by searching. Its exchanges are counted from `index`
    /// on; `opens_tunnels` tells that what goes through a tunnel is handed over.
    pub(crate) fn new(midstream: bool, index: u32, opens_tunnels: bool) -> Self {
        let mut new = Self {
            requests: Reader::new(),
            responses: Reader::new(),
            pairing: Pairing::from(index),
            verdict: Verdict::Undecided,
            clean: (false, false),
            salvaging: false,
            handed: None,
            opens_tunnels,
            answer_lost: false,
            answer_cut: false,
            websocket: None,
            parts: Vec::new(),
            tunnel_from: [None; 2],
        };
        if midstream {
            new.requests.state = State::Search;
            new.responses.state = State::Search;
        }
        new
    }

    /// Bytes of memory it takes, with what it holds.
    pub(crate) fn weight(&self) -> usize {
        let websocket = self
            .websocket
            .as_ref()
            .map_or(0, |upgraded| size_of::<u64>() + upgraded.websocket.weight());
        size_of::<Self>()
            + self.requests.weight()
            + self.responses.weight()
            + self.pairing.weight()
            + websocket
            + self.parts.capacity() * size_of::<Unsent>()
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn reader(&mut self, direction: Direction) -> &mut Reader {
        match direction {
            Direction::Request => &mut self.requests,
            Direction::Response => &mut self.responses,
        }
    }

    /// Takes the next bytes of a direction.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        meta: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        self.read_all(direction, bytes, meta, cx);
        if matches!(self.requests.state, State::Connect { .. }) {
            self.settle_connect(cx);
        }
        self.release(cx, out);
    }

    /// Reads bytes, and what has to be read again of those that were put by.
    fn read_all(&mut self, direction: Direction, bytes: &[u8], meta: Meta, cx: &mut Context<'_>) {
        // The next one last.
        let mut again = self.read(direction, bytes, meta, cx);
        again.reverse();
        while let Some((bytes, meta)) = again.pop() {
            let more = self.read(direction, &bytes, meta, cx);
            again.extend(more.into_iter().rev());
        }
    }

    /// Reads bytes; gives back those that were put by and have to be read again, in order.
    fn read(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        meta: Meta,
        cx: &mut Context<'_>,
    ) -> Vec<(Vec<u8>, Meta)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = Meta {
                offset: meta.offset + (bytes.len() - rest.len()) as u64,
                ..meta
            };
            let undecided = self.verdict == Verdict::Undecided;
            let reader = self.reader(direction);
            reader.goes_on_at(at);
            let used = match reader.state {
                State::Start => {
                    let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                    if blank < rest.len() {
                        reader.clear();
                        reader.state = State::Head;
                    }
                    blank
                }
                State::Head => self.head(direction, rest, at, cx),
                State::Peek(place) => {
                    let len = rest.len().min(RESPONSE_START.len() - reader.buf.len());
                    reader.keep(&rest[..len], at);
                    if reader.buf.len() == RESPONSE_START.len() || !RESPONSE_START.starts_with(&reader.buf) {
                        let (mut kept, from) = (std::mem::take(&mut reader.buf), reader.origin(0));
                        reader.clear();
                        if kept == RESPONSE_START {
                            self.finish_message(direction, true, cx);
                        } else {
                            reader.state = State::Body(place);
                        }
                        kept.extend_from_slice(&rest[len..]);
                        return vec![(kept, from)];
                    }
                    len
                }
                State::Body(place) => self.body(direction, place, rest, at, cx),
                State::Search => {
                    // Small pieces keep what has to be read again small.
                    let mut piece = &rest[..rest.len().min(SEARCH_PIECE)];
                    if undecided {
                        // What is found does not depend on how the last of it came.
                        let left = SEARCH.saturating_sub(reader.searched).max(1);
                        piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                    }
                    if let Some((mut kept, from)) = self.search(direction, piece, at, cx) {
                        kept.extend_from_slice(&rest[piece.len()..]);
                        return vec![(kept, from)];
                    }
                    piece.len()
                }
                State::Connect { .. } => {
                    if reader.buf.len() + rest.len() > cx.limits.head {
                        cx.counters.unparsable_bytes += reader.buf.len() as u64;
                        reader.lost = true;
                        reader.lost_bytes = reader.lost_bytes.saturating_add(reader.buf.len() as u64);
                        reader.clear();
                    }
                    reader.keep(rest, at);
                    rest.len()
                }
                State::Handed => {
                    if let Some(handed) = &mut self.handed {
                        handed.rest.push((direction, rest.to_vec(), at));
                    }
                    rest.len()
                }
                State::Tunnel => {
                    self.tunnelled(direction, cx, |websocket, direction, cx, out| {
                        let stamp = Stamp {
                            ts: at.ts,
                            frame: at.frame,
                        };
                        websocket.data(direction, rest, stamp, cx, out);
                    });
                    rest.len()
                }
                State::Foreign | State::Over => rest.len(),
            };
            rest = &rest[used..];
        }
        Vec::new()
    }

    /// Reads a head; returns how many of `bytes` were used.
    fn head(&mut self, direction: Direction, bytes: &[u8], at: Meta, cx: &mut Context<'_>) -> usize {
        let limit = cx.limits.head;
        let reader = self.reader(direction);
        let before = reader.buf.len();
        if before == 0 {
            // The common case: the whole head in one segment, read where it lies.
            if let Some((found, end)) = Found::plain(direction, bytes, limit) {
                reader.position = at.offset + end as u64;
                self.begin(found, at, at, cx);
                return end;
            }
            let mut scanned = 0;
            if let Some(end) = head::end_of_head(bytes, &mut scanned) {
                let head = &bytes[..end];
                if let Some(found) = Found::read(direction, head).filter(|_| end <= limit) {
                    reader.position = at.offset + end as u64;
                    self.begin(found, at, at, cx);
                    return end;
                }
                let http = is_http(direction, head, limit);
                cx.counters.head_overflow += u64::from(http && end > limit);
                self.unread(direction, http);
                return 0;
            }
        }
        let first = if before == 0 { at } else { reader.origin(0) };
        reader.keep(bytes, at);
        let mut scanned = reader.scanned;
        let end = head::end_of_head(&reader.buf, &mut scanned);
        let (http, over) = if let Some(end) = end {
            let buf = std::mem::take(&mut reader.buf);
            let found = Found::read(direction, &buf[..end]).filter(|_| end <= limit);
            let begun = found.is_some();
            if let Some(found) = found {
                reader.position = at.offset + (end - before) as u64;
                self.begin(found, first, at, cx);
            }
            // The allocation serves the next head that comes in pieces.
            let reader = self.reader(direction);
            reader.buf = buf;
            if begun {
                reader.clear();
                return end - before;
            }
            (is_http(direction, &reader.buf[..end], limit), end > limit)
        } else if reader.buf.len() > limit {
            (is_http(direction, &reader.buf, limit), true)
        } else if begins_well(direction, reader, before) {
            reader.scanned = scanned;
            return bytes.len();
        } else {
            (false, false)
        };
        cx.counters.head_overflow += u64::from(http && over);
        // What came now is searched as if it had come alone.
        let reader = self.reader(direction);
        reader.take_back(before);
        self.unread(direction, http);
        0
    }

    /// A whole head was read.
    fn begin(&mut self, found: Found, first: Meta, last: Meta, cx: &mut Context<'_>) {
        match found {
            Found::Request(found) => self.begin_request(found, first, last, cx),
            Found::Response(found) => self.begin_response(found, first, last, cx),
        }
    }

    fn begin_request(&mut self, found: RequestHead, first: Meta, last: Meta, cx: &mut Context<'_>) {
        self.verdict = Verdict::Http;
        let mut ambiguities = found.ambiguities;
        let framing = framing::request(&found.head, found.minor, &mut ambiguities);
        if !cx.server_seen {
            // Nobody will answer in this capture.
            self.pairing.flush_finished(cx.now, cx.limits.reorder_wait);
        }
        if std::mem::take(&mut self.requests.lost) {
            self.pairing.requests_lost();
        }
        let method = match Method::of(found.head.slice(found.method)) {
            // Of one that is not whole, the field may have been lost.
            Method::Other if self.salvaging || found.head.field("upgrade").is_some() => Method::Upgrade,
            method => method,
        };
        let had_less = self.requests.had_more_from == first.offset;
        let index = self.pairing.request_began(method, first, had_less);
        let mut body = Body::new(
            encodings(&found.head),
            declared(framing),
            cx.limits,
            cx.pool,
            *cx.room,
        );
        if framing != Framing::None {
            body.read_parts(
                part::Direction::ToServer,
                &found.head,
                cx.limits,
                cx.pool,
                cx.room,
            );
        }
        let start = Start::Request(found);
        let current = Current {
            index,
            start,
            body,
            flags: Flags::empty(),
            ambiguities,
            first,
            last,
            kept: true,
            settled: true,
        };
        self.requests.current = Some(current);
        self.requests.searched = 0;
        self.requests.lost_bytes = 0;
        self.enter_body(Direction::Request, framing, false, cx);
        if method == Method::Connect {
            let behind = match self.requests.state {
                State::Body(place) => Behind::Body(place),
                _ => Behind::Start,
            };
            self.requests.state = State::Connect { behind, asked: true };
            (self.answer_lost, self.answer_cut) = (false, false);
            self.tunnel_from = [Some(self.requests.position), None];
        }
    }

    fn begin_response(&mut self, found: ResponseHead, first: Meta, last: Meta, cx: &mut Context<'_>) {
        self.verdict = Verdict::Http;
        let mut ambiguities = found.ambiguities;
        let status = found.status;
        if std::mem::take(&mut self.responses.lost) {
            self.pairing.responses_lost();
        }
        let place = self.pairing.response_began(status, first);
        if status == 101 && place.method.is_some() && upgrades_to(&found.head, "h2c") {
            if self.requests.current.is_some() {
                self.finish_message(Direction::Request, true, cx);
            }
            if let Some((index, request)) = self.pairing.take_request(place.index) {
                cx.counters.unparsable_bytes += self.requests.unread();
                let to = To::Http2(Box::new(request));
                self.hand(to, index, Vec::new());
                return;
            }
        }
        let method = place.method.map(Method::name);
        let mut framing = framing::response(&found.head, found.minor, status, method, &mut ambiguities);
        // Nobody changes to what nobody asked for: it is read as a response like others, with its body where it has one, as
        // most who receive it do.
        let switches = status == 101 && !matches!(place.method, Some(Method::Other));
        if status == 101 && !switches {
            ambiguities.insert(Ambiguities::UNASKED_SWITCH);
            let with_body = framing::response(&found.head, found.minor, 200, method, &mut ambiguities);
            if with_body != Framing::Close {
                framing = with_body;
            }
        }
        let to_tls = switches && place.method.is_some() && upgrades_to_tls(&found.head);
        if place.early {
            ambiguities.insert(Ambiguities::EARLY_RESPONSE);
        }
        let mut body = Body::new(
            encodings(&found.head),
            declared(framing),
            cx.limits,
            cx.pool,
            *cx.room,
        );
        body.read_parts(
            part::Direction::ToClient,
            &found.head,
            cx.limits,
            cx.pool,
            cx.room,
        );
        let upgrade = switches.then(|| websocket_extensions(&found.head)).flatten();
        let kept = !(100..200).contains(&status) || status == 101;
        let unknown = place.method.is_none() && (200..300).contains(&status);
        let may_answer_connect = unknown && found.head.field("content-type").is_none();
        let start = Start::Response(found);
        let current = Current {
            index: place.index,
            start,
            body,
            flags: Flags::empty(),
            ambiguities,
            first,
            last,
            kept,
            settled: place.method.is_some(),
        };
        self.responses.current = Some(current);
        self.responses.searched = 0;
        self.responses.lost_bytes = 0;
        let tunnel = switches || (place.method == Some(Method::Connect) && (200..300).contains(&status));
        if tunnel {
            self.pairing.upgraded(place.index);
        }
        self.enter_body(Direction::Response, framing, place.method.is_none(), cx);
        if tunnel {
            // Where the client speaks the other protocol from is known when it waited for the answer.
            let in_step = matches!(self.requests.state, State::Start) && !self.requests.lost;
            if self.requests.current.is_some() {
                self.finish_message(Direction::Request, true, cx);
            }
            if self.opens_tunnels && (!switches || (to_tls && in_step && !self.salvaging)) {
                let held = (to_tls && cx.may_decrypt).then(|| self.pairing.take_ready(place.index));
                self.open_tunnel(held.flatten().map(Box::new));
                return;
            }
            if let Some(extensions) = upgrade.filter(|_| !self.salvaging) {
                self.websocket = Some(Box::new(Upgraded {
                    index: place.index,
                    settled: place.method.is_some(),
                    websocket: WebSocket::new(&extensions),
                }));
                if !in_step {
                    self.tunnelled(Direction::Request, cx, |websocket, direction, cx, out| {
                        websocket.gap(direction, 0, cx, out);
                    });
                }
            }
            if !matches!(self.requests.state, State::Connect { asked: true, .. }) {
                self.tunnel_from[Direction::Request as usize] = Some(self.requests.position);
            }
            self.tunnel_from[Direction::Response as usize] = Some(self.responses.position);
            cx.counters.unparsable_bytes += self.requests.unread();
            self.requests.clear();
            self.requests.buf = Vec::new();
            self.requests.state = State::Tunnel;
            self.responses.state = State::Tunnel;
        } else if place.method == Some(Method::Connect) && kept {
            self.declined(cx);
        } else if may_answer_connect && self.opens_tunnels && self.waits_behind_answer() {
            let behind = match self.requests.state {
                State::Start => Some(Behind::Start),
                State::Search => Some(Behind::Search),
                _ => None,
            };
            if let Some(behind) = behind.filter(|_| self.requests.buf.is_empty()) {
                self.requests.state = State::Connect { behind, asked: false };
            }
        }
    }

    fn enter_body(&mut self, direction: Direction, framing: Framing, peek: bool, cx: &mut Context<'_>) {
        if self.salvaging {
            // Whatever the fields seen say, the ones lost may say otherwise.
            if let Some(current) = self.reader(direction).current.as_mut() {
                current.flags.insert(Flags::GAP);
            }
            self.finish_message(direction, false, cx);
            return;
        }
        let place = match framing {
            Framing::None => {
                self.finish_message(direction, true, cx);
                return;
            }
            Framing::Length(length) => Place::Length(length),
            Framing::Chunked => Place::Chunked(Chunked::START),
            Framing::Close => Place::Close,
        };
        self.reader(direction).state = if peek {
            State::Peek(place)
        } else {
            State::Body(place)
        };
    }

    /// Reads body bytes; returns how many of `bytes` were used.
    fn body(
        &mut self,
        direction: Direction,
        place: Place,
        bytes: &[u8],
        at: Meta,
        cx: &mut Context<'_>,
    ) -> usize {
        let reader = self.reader(direction);
        let Some(current) = reader.current.as_mut() else {
            reader.state = State::Start;
            return 0;
        };
        current.last = at;
        current.body.at(Stamp {
            ts: at.ts,
            frame: at.frame,
        });
        match place {
            Place::Close => {
                current.body.push(bytes, cx.limits, cx.pool, cx.room);
                self.take_parts(direction, cx);
                bytes.len()
            }
            Place::Length(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                current.body.push(&bytes[..take], cx.limits, cx.pool, cx.room);
                let left = left - take as u64;
                reader.state = State::Body(Place::Length(left));
                reader.position = at.offset + take as u64;
                self.take_parts(direction, cx);
                if left == 0 {
                    self.finish_message(direction, true, cx);
                }
                take
            }
            Place::Chunked(mut chunked) => {
                let mut used = 0;
                while used < bytes.len() {
                    let step = chunked.step(&bytes[used..]);
                    current.body.push(step.data, cx.limits, cx.pool, cx.room);
                    current.ambiguities.insert(step.ambiguities);
                    chunked = step.state;
                    used += step.used;
                    match chunked {
                        Chunked::Done => {
                            reader.position = at.offset + used as u64;
                            self.take_parts(direction, cx);
                            self.finish_message(direction, true, cx);
                            return used;
                        }
                        Chunked::Broken => {
                            self.take_parts(direction, cx);
                            self.finish_message(direction, false, cx);
                            let reader = self.reader(direction);
                            reader.lost = true;
                            reader.clear();
                            reader.state = State::Search;
                            return used;
                        }
                        _ => {}
                    }
                }
                reader.state = State::Body(Place::Chunked(chunked));
                self.take_parts(direction, cx);
                used
            }
        }
    }

    /// Puts the parts of a body that ended among those to be given out.
    fn take_parts(&mut self, direction: Direction, cx: &mut Context<'_>) {
        let Some(current) = self.reader(direction).current.as_mut() else {
            return;
        };
        if !current.body.has_parts() {
            return;
        }
        let (index, settled) = (current.index, current.settled);
        let parts = current.body.take_parts(cx.room);
        let unsent = |part| Unsent { index, settled, part };
        self.parts.extend(parts.into_iter().map(unsent));
    }

    /// Looks for the next message; uses all of `bytes`. Gives back what was put by behind the head found.
    fn search(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        at: Meta,
        cx: &mut Context<'_>,
    ) -> Option<(Vec<u8>, Meta)> {
        let undecided = self.verdict == Verdict::Undecided;
        let reader = self.reader(direction);
        if undecided && reader.searched >= SEARCH {
            cx.counters.unparsable_bytes += reader.unread();
            reader.state = State::Foreign;
            reader.clear();
            if self.requests.is_foreign() && self.responses.is_foreign() {
                self.verdict = Verdict::Foreign;
            }
            return None;
        }
        reader.searched += bytes.len() as u64;
        reader.keep(bytes, at);
        // A head ends with a line feed, so nothing new can be found without one.
        if memchr::memchr(b'\n', bytes).is_none() && reader.buf.len() < cx.limits.head {
            return None;
        }
        let found = match direction {
            Direction::Request => resync::request(&reader.buf, &mut reader.scanned, cx.limits.head),
            Direction::Response => resync::response(&reader.buf, &mut reader.scanned, cx.limits.head),
        };
        match found {
            resync::Found::Nothing(until) => {
                cx.counters.unparsable_bytes += until as u64;
                if until > 0 {
                    reader.discard(until);
                    // The end of a message, of which the beginning was not seen.
                    reader.passed = true;
                }
                None
            }
            resync::Found::Message(start) => {
                cx.counters.unparsable_bytes += start as u64;
                if (std::mem::take(&mut reader.passed) || start > 0) && direction == Direction::Request {
                    // It may be unanswered.
                    self.pairing.requests_lost();
                }
                let reader = self.reader(direction);
                let first = reader.origin(start);
                let buf = std::mem::take(&mut reader.buf);
                reader.clear();
                reader.state = State::Start;
                let mut from = 0;
                let end = start + head::end_of_head(&buf[start..], &mut from).unwrap_or(0);
                self.reader(direction).position = first.offset + (end - start) as u64;
                let Some(found) = Found::read(direction, &buf[start..end]) else {
                    self.reader(direction).state = State::Search;
                    return None;
                };
                self.begin(found, first, at, cx);
                let rest = buf[end..].to_vec();
                let offset = (at.offset + bytes.len() as u64).wrapping_sub(rest.len() as u64);
                Some((rest, Meta { offset, ..at }))
            }
        }
    }

    /// What was being read makes no message, and what was put by of it is searched with what follows; `http` tells
    /// whether it began like a message, and is only too long.
    fn unread(&mut self, direction: Direction, http: bool) {
        if http {
            self.verdict = Verdict::Http;
        }
        let first_of_flow = self.verdict == Verdict::Undecided;
        let reader = self.reader(direction);
        if first_of_flow {
            reader.clear();
            reader.state = State::Foreign;
            self.verdict = Verdict::Foreign;
            return;
        }
        reader.lost = true;
        reader.searched = reader.buf.len() as u64;
        reader.state = State::Search;
    }

    /// The next `len` bytes of a direction were never seen.
    pub(crate) fn gap(
        &mut self,
        direction: Direction,
        len: u64,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let peeking = matches!(self.reader(direction).state, State::Peek(_));
        self.unpeek(direction, cx);
        let reader = self.reader(direction);
        reader.skips();
        match reader.state {
            State::Start | State::Search | State::Head | State::Connect { .. } => {
                let passed = (reader.buf.len() as u64).saturating_add(len);
                reader.lost_bytes = reader.lost_bytes.saturating_add(passed);
            }
            _ => {}
        }
        match reader.state {
            State::Tunnel => self.tunnelled(direction, cx, |websocket, direction, cx, out| {
                websocket.gap(direction, len, cx, out);
            }),
            State::Foreign | State::Handed | State::Over => {}
            State::Connect { .. } => {
                cx.counters.unparsable_bytes += reader.buf.len() as u64;
                reader.clear();
                reader.lost = true;
            }
            State::Start | State::Search => {
                cx.counters.unparsable_bytes += reader.unread();
                reader.clear();
                reader.lost = true;
                reader.state = State::Search;
            }
            State::Head => {
                self.salvage(direction, cx);
                let reader = self.reader(direction);
                reader.clear();
                reader.lost_bytes = reader.lost_bytes.max(len);
                reader.lost = true;
                reader.state = State::Search;
            }
            State::Peek(place) | State::Body(place) => {
                cx.counters.damaged += 1;
                if let Some(current) = reader.current.as_mut() {
                    current.flags.insert(Flags::GAP);
                }
                let within = match place {
                    // It may have answered HEAD, and the next response begin anywhere.
                    _ if peeking => None,
                    Place::Close => Some(Place::Close),
                    Place::Length(left) if len <= left => Some(Place::Length(left - len)),
                    Place::Chunked(Chunked::Data { left }) if len < left => {
                        Some(Place::Chunked(Chunked::Data { left: left - len }))
                    }
                    Place::Chunked(Chunked::Data { left }) if len == left => {
                        Some(Place::Chunked(Chunked::DataEnd { cr: false }))
                    }
                    _ => None,
                };
                if let Some(current) = reader.current.as_mut() {
                    let known = within.map(|_| len);
                    current.body.gap(known, cx.limits, cx.pool, cx.room);
                }
                self.take_parts(direction, cx);
                let reader = self.reader(direction);
                match within {
                    Some(Place::Length(0)) => self.finish_message(direction, false, cx),
                    Some(place) => reader.state = State::Body(place),
                    None => {
                        self.finish_message(direction, false, cx);
                        let reader = self.reader(direction);
                        reader.clear();
                        reader.lost = true;
                        reader.lost_bytes = reader.lost_bytes.saturating_add(len);
                        reader.state = State::Search;
                    }
                }
            }
        }
        if matches!(self.requests.state, State::Connect { .. }) {
            let lost = matches!(self.responses.state, State::Search);
            self.answer_lost |= lost;
            self.answer_cut |= lost && !self.requests.buf.is_empty();
            self.settle_connect(cx);
        }
        self.release(cx, out);
    }

    /// The few bytes put by to tell a body from the next response turned out to be body.
    fn unpeek(&mut self, direction: Direction, cx: &mut Context<'_>) {
        let reader = self.reader(direction);
        if let State::Peek(place) = reader.state
            && !reader.buf.is_empty()
        {
            let (bytes, from) = (std::mem::take(&mut reader.buf), reader.origin(0));
            reader.clear();
            reader.state = State::Body(place);
            self.body(direction, place, &bytes, from, cx);
        }
    }

    /// Of a head whose end was lost, the start line and the fields seen whole are kept.
    fn salvage(&mut self, direction: Direction, cx: &mut Context<'_>) {
        let reader = self.reader(direction);
        let Some(line_end) = memchr::memrchr(b'\n', &reader.buf) else {
            return;
        };
        cx.counters.damaged += 1;
        let mut head = reader.buf[..=line_end].to_vec();
        head.extend_from_slice(b"\r\n");
        let (first, last) = (reader.origin(0), reader.last);
        let Some(found) = Found::read(direction, &head) else {
            return;
        };
        self.salvaging = true;
        self.begin(found, first, last, cx);
        self.salvaging = false;
    }

    /// A direction is over.
    pub(crate) fn end(
        &mut self,
        direction: Direction,
        clean: bool,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let foreign = self.verdict == Verdict::Foreign;
        match direction {
            Direction::Request => self.clean.0 |= clean,
            Direction::Response => self.clean.1 |= clean,
        }
        self.unpeek(direction, cx);
        if direction == Direction::Request
            && let State::Connect { asked, .. } = self.requests.state
            && (!asked || self.answer_lost)
        {
            // What is too short to tell begins no tunnel.
            self.declined(cx);
        }
        let reader = self.reader(direction);
        match reader.state {
            // The answer may still come.
            State::Connect { .. } if clean => return,
            State::Connect { .. } => {
                cx.counters.unparsable_bytes += reader.buf.len() as u64;
                self.finish_message(direction, false, cx);
            }
            State::Body(Place::Close) | State::Peek(Place::Close) => {
                let whole = clean
                    && !reader
                        .current
                        .as_ref()
                        .is_some_and(|c| c.flags.contains(Flags::GAP));
                self.finish_message(direction, whole, cx);
            }
            // A head that ends with the connection and lacks only its empty line is read as it is.
            State::Head if !foreign => self.salvage(direction, cx),
            State::Body(_) | State::Peek(_) => self.finish_message(direction, false, cx),
            State::Tunnel => self.tunnelled(direction, cx, |websocket, direction, cx, out| {
                websocket.end(direction, cx, out);
            }),
            _ => {}
        }
        let reader = self.reader(direction);
        cx.counters.unparsable_bytes += reader.unread();
        reader.clear();
        if !matches!(reader.state, State::Tunnel | State::Foreign) {
            reader.state = State::Over;
        }
        self.release(cx, out);
    }

    /// The flow goes on although it was ended: what comes next may be the rest of anything.
    pub(crate) fn resume(&mut self) {
        for reader in [&mut self.requests, &mut self.responses] {
            if matches!(reader.state, State::Over) {
                reader.state = State::Search;
                reader.lost = true;
            }
        }
        self.pairing.requests_lost();
        self.pairing.responses_lost();
    }

    /// Both directions are over: what waits for its other half is given out.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>, out: &mut impl FnMut(Event)) {
        self.end(Direction::Request, false, cx, out);
        self.end(Direction::Response, false, cx, out);
        if self.requests.may_lack_a_message() {
            self.pairing.requests_lost();
        }
        if cx.server_seen && self.responses.may_lack_a_message() {
            self.pairing.responses_lost();
        }
        self.pairing.finish(self.clean == (true, true));
        self.release(cx, out);
    }

    /// The message being read is over.
    fn finish_message(&mut self, direction: Direction, complete: bool, cx: &mut Context<'_>) {
        let reader = self.reader(direction);
        reader.state = State::Start;
        let end = reader.position;
        let Some(current) = reader.current.take() else {
            return;
        };
        let Current {
            index,
            start,
            body,
            mut flags,
            ambiguities,
            first,
            last,
            kept,
            settled,
        } = current;
        let complete = complete && !flags.contains(Flags::GAP);
        if !complete && !flags.contains(Flags::GAP) {
            // Nothing is missing, but the flow or the capture ended before the message did.
            flags.insert(Flags::TRUNCATED);
        }
        let done = body.finish(complete, cx.limits, cx.counters, cx.pool, cx.room);
        let unsent = |part| Unsent { index, settled, part };
        self.parts.extend(done.rest.into_iter().map(unsent));
        if done.opaque {
            flags.insert(Flags::OPAQUE);
        }
        if done.over_limit {
            flags.insert(Flags::TRUNCATED);
        }
        let message = |head| Message {
            head,
            trailers: done.trailers,
            first: first.ts,
            last: last.ts,
            frames: (first.frame, last.frame),
            body_bytes: done.bytes,
            content_bytes: done.content_bytes,
            complete,
            head_cut: !complete && (flags.contains(Flags::GAP) || flags.contains(Flags::TRUNCATED)),
            body: done.kept,
            parts: done.parts,
            part_bytes: done.part_bytes,
        };
        cx.counters.ambiguous += u64::from(!ambiguities.is_empty());
        // A message that comes too late for its exchange is dropped, and makes room for other bodies.
        let dropped = match start {
            Start::Request(h) => {
                let RequestHead {
                    head,
                    method,
                    target,
                    minor,
                    host,
                    ..
                } = h;
                let message = Request {
                    method,
                    target,
                    minor,
                    host,
                    message: message(head),
                };
                let half = Half {
                    message,
                    flags,
                    ambiguities,
                };
                let late = self.pairing.request_finished(index, end, half);
                late.map(|half| half.message.message)
            }
            Start::Response(h) if kept => {
                let ResponseHead {
                    head, status, minor, ..
                } = h;
                let message = Response {
                    status,
                    minor,
                    interim: 0,
                    message: message(head),
                };
                let half = Half {
                    message,
                    flags,
                    ambiguities,
                };
                let late = self.pairing.response_finished(index, end, half);
                late.map(|half| half.message.message)
            }
            Start::Response(h) => Some(message(h.head)),
        };
        *cx.room += dropped.map_or(0, |m| m.body.len());
    }

    /// Gives out what is over.
    fn release(&mut self, cx: &mut Context<'_>, out: &mut impl FnMut(Event)) {
        if self.parts.is_empty()
            && !self.pairing.is_ready()
            && !self.pairing.are_more_than(cx.limits.pipelined)
        {
            return;
        }
        if self.pairing.are_more_than(cx.limits.pipelined) {
            self.pairing.finish(false);
            self.pairing.responses_lost();
        }
        // The exchange that led to a WebSocket goes before its parts, any other one behind them.
        let upgraded = self.websocket.as_ref().map(|upgraded| upgraded.index);
        let flow = cx.flow;
        let event = |unsent: Unsent| {
            Event::Part(Box::new(PartOf {
                flow: flow.flow_ref(),
                exchange: unsent.index,
                settled: unsent.settled,
                part: unsent.part,
            }))
        };
        let of_upgraded = |unsent: &Unsent| Some(unsent.index) == upgraded;
        let before = self
            .parts
            .iter()
            .take_while(|unsent| !of_upgraded(unsent))
            .count();
        self.parts.drain(..before).map(event).for_each(&mut *out);
        while let Some(ready) = self.pairing.poll() {
            out(Event::Exchange(Box::new(exchange(ready, cx))));
        }
        std::mem::take(&mut self.parts)
            .into_iter()
            .map(event)
            .for_each(&mut *out);
    }
}

/// Whether a head names this protocol as one to change to (RFC 9110 section 7.8).
fn upgrades_to(head: &Head, protocol: &str) -> bool {
    let named = |value: &str| value.split(',').any(|p| p.trim().eq_ignore_ascii_case(protocol));
    head.named("upgrade").any(named)
}

/// The exchange that is over.
pub(crate) fn exchange(ready: Ready, cx: &mut Context<'_>) -> Exchange {
    let Ready {
        index,
        request,
        response,
        interim,
        upgraded,
        after_loss,
    } = ready;
    let mut flags = cx.flags;
    let mut ambiguities = Ambiguities::empty();
    if !cx.server_seen && response.is_none() {
        flags.insert(Flags::ONE_SIDED);
    }
    if after_loss {
        flags.insert(Flags::GAP);
    }
    let request = request.map(|half| {
        flags.insert(half.flags);
        ambiguities.insert(half.ambiguities);
        half.message
    });
    let request_ambiguities = ambiguities;
    let response = response.map(|half| {
        flags.insert(half.flags);
        ambiguities.insert(half.ambiguities);
        Response {
            interim,
            ..half.message
        }
    });
    if request.is_none() {
        flags.insert(Flags::NO_REQUEST);
        cx.counters.no_request += 1;
    }
    if response.is_none() {
        flags.insert(Flags::NO_RESPONSE);
        cx.counters.no_response += 1;
    }
    if !ambiguities.is_empty() {
        flags.insert(Flags::AMBIGUOUS);
    }
    let kept = request.as_ref().map_or(0, |r| r.message.body.len())
        + response.as_ref().map_or(0, |r| r.message.body.len());
    *cx.room += kept;
    let minor = request
        .as_ref()
        .map_or_else(|| response.as_ref().map_or(1, |r| r.minor), |r| r.minor);
    let websocket = match (&request, &response) {
        (Some(request), _) => upgraded && names_websocket(&request.message.head),
        (None, Some(response)) => response.status == 101 && names_websocket(&response.message.head),
        (None, None) => false,
    };
    cx.counters.exchanges += 1;
    Exchange {
        flow: cx.flow.flow_ref(),
        index,
        protocol: match minor {
            _ if websocket => Protocol::WebSocket,
            1 => Protocol::Http11,
            _ => Protocol::Http10,
        },
        request,
        response,
        flags,
        ambiguities,
        request_ambiguities,
        completed: cx.now,
    }
}

/// Whether the Upgrade field names WebSocket (RFC 6455 section 4.2).
fn names_websocket(head: &Head) -> bool {
    head.field("upgrade")
        .is_some_and(|u| u.split(',').any(|p| p.trim().eq_ignore_ascii_case("websocket")))
}

/// What a response to a handshake settled on, when the connection goes on as a WebSocket.
fn websocket_extensions(head: &Head) -> Option<Extensions> {
    names_websocket(head).then(|| Extensions::negotiated(head.named("sec-websocket-extensions")))
}

fn encodings(head: &Head) -> impl Iterator<Item = &str> {
    head.named("content-encoding")
}

/// The body length that the framing declares.
fn declared(framing: Framing) -> Option<u64> {
    match framing {
        Framing::Length(length) => Some(length),
        _ => None,
    }
}

/// Whether the beginning of a head can still become one; the bytes in front of `from` were judged before. Each byte is
/// looked at once, and the line as a whole when its end comes.
fn begins_well(direction: Direction, reader: &mut Reader, from: usize) -> bool {
    let Reader { buf, start_line, .. } = reader;
    if *start_line == StartLine::Whole {
        return true;
    }
    let new = &buf[from..];
    if let Some(end) = memchr::memchr(b'\n', new) {
        *start_line = StartLine::Whole;
        return is_start_line(direction, &buf[..from + end]);
    }
    match direction {
        Direction::Request if *start_line == StartLine::Word => {
            let space = new.iter().position(u8::is_ascii_whitespace);
            if space.is_some() {
                *start_line = StartLine::Rest;
            }
            new[..space.unwrap_or(new.len())]
                .iter()
                .all(|b| head::is_token(*b))
        }
        Direction::Request => true,
        Direction::Response if *start_line == StartLine::Word => {
            // White space in front is passed over, as where the line is read as a whole. Of the word, fewer than five
            // bytes were judged before.
            let word = buf[..from].iter().rev().take_while(|b| !b.is_ascii_whitespace());
            let begun = from - word.count();
            let skipped = buf[begun..]
                .iter()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
            let word = &buf[begun + skipped..];
            let len = word.len().min(RESPONSE_WORD.len());
            if len == RESPONSE_WORD.len() {
                *start_line = StartLine::Rest;
            }
            word[..len].eq_ignore_ascii_case(&RESPONSE_WORD[..len])
        }
        Direction::Response => true,
    }
}

/// Whether a head begins like one of HTTP, by its first `limit` bytes: of one that is too long it depends on the segments
/// how much more was seen.
fn is_http(direction: Direction, head: &[u8], limit: usize) -> bool {
    let head = &head[..head.len().min(limit)];
    match memchr::memchr(b'\n', head) {
        Some(end) => is_start_line(direction, &head[..end]),
        None => looks_like(head) == Some(direction),
    }
}

/// Whether a line, without its line feed, begins a message.
fn is_start_line(direction: Direction, line: &[u8]) -> bool {
    match direction {
        Direction::Request => head::request_line(line).is_some(),
        Direction::Response => head::status_line(line).is_some(),
    }
}

/// What the first bytes of a direction look like.
pub(crate) fn looks_like(bytes: &[u8]) -> Option<Direction> {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    let bytes = &bytes[start..];
    let line_end = memchr::memchr(b'\n', bytes);
    let line = &bytes[..line_end.unwrap_or(bytes.len())];
    if line.len() >= 7 && line[..5].eq_ignore_ascii_case(b"HTTP/") {
        // The end of a request line looks so too, and a body may quote half a status line: a status has three
        // digits.
        let status = line
            .get(8..12)
            .is_some_and(|s| s[0] == b' ' && s[1..].iter().all(u8::is_ascii_digit));
        return status.then_some(Direction::Response);
    }
    let method = head::METHODS
        .iter()
        .any(|m| line.starts_with(m) && line.get(m.len()) == Some(&b' '));
    (method || head::request_line(line).is_some()).then_some(Direction::Request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_line_is_judged_once() {
        let line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "x".repeat(4000));
        let mut reader = Reader::new();
        for (at, byte) in line.bytes().enumerate() {
            reader.keep(&[byte], Meta::default());
            if byte != b'\n' || reader.start_line == StartLine::Whole {
                // What was judged before could be anything now.
                reader.buf[..at].fill(b'\n');
            } else {
                reader.buf[..at].copy_from_slice(&line.as_bytes()[..at]);
            }
            assert!(begins_well(Direction::Request, &mut reader, at), "at {at}");
        }
        assert_eq!(reader.start_line, StartLine::Whole);
    }
}
