//! A session on the wire and, line by line, the truth about it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value, json};

use crate::http::{Encoded, Framing, Message};
use crate::rng::Rng;
use crate::time::{MILLI, SECOND, rfc3339};
use crate::wire::{Capture, Conn, Flags, Link, Segment, Side};

/// Everything written so far.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) capture: Capture,
    truth: Vec<(u64, usize, Value)>,
    ports: BTreeMap<IpAddr, u16>,
    /// Draws of the network alone, so that the content of a seed does not hang on them.
    network: Rng,
}

/// Who opens a session, from where, with what software.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Name in the truth file.
    pub(super) actor: &'static str,
    pub(super) addr: IpAddr,
    pub(super) agent: String,
    /// Time to live as the sensor sees it.
    pub(super) ttl: u8,
    pub(super) rtt: u64,
}

/// A service: where it listens and what it is called.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) host: &'static str,
    pub(super) addr: SocketAddr,
    pub(super) vlan: Option<u16>,
    /// The Server field; the API servers send none.
    pub(super) software: &'static str,
}

impl Recorder {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            capture: Capture::new(Link::Ethernet),
            truth: Vec::new(),
            ports: BTreeMap::new(),
            network: Rng::named(seed, "network"),
        }
    }

    /// A client port that no other session of the capture has.
    fn port(&mut self, addr: IpAddr) -> u16 {
        let seed = addr.to_string().bytes().map(u16::from).sum::<u16>();
        let port = self.ports.entry(addr).or_insert(33_000 + seed * 3);
        *port += 2;
        *port
    }

    /// A connection for this client and service, not yet opened.
    pub(super) fn connection(&mut self, client: &Client, service: &Service) -> Conn {
        let port = self.port(client.addr);
        let mut conn = Conn::new(SocketAddr::new(client.addr, port), service.addr)
            .with_ttl(client.ttl, 64)
            .with_rtt(client.rtt);
        if let Some(vlan) = service.vlan {
            conn = conn.with_vlans(&[vlan]);
        }
        if client.ttl < 64 && client.addr.is_ipv6() {
            conn = conn.with_timestamps().with_mss(1428);
        }
        conn
    }

    /// Opens a session at `at`.
    pub(super) fn session(&mut self, client: &Client, service: &Service, at: u64) -> Session<'_> {
        let mut conn = self.connection(client, service);
        let now = conn.open(&mut self.capture, at);
        self.resume(client, service, conn, now)
    }

    /// A session on a connection whose handshake the capture does not have.
    pub(super) fn resume(&mut self, client: &Client, service: &Service, conn: Conn, now: u64) -> Session<'_> {
        Session {
            out: self,
            conn,
            now,
            actor: client.actor,
            agent: client.agent.clone(),
            host: service.host,
            software: service.software,
            vlan: service.vlan,
            index: 0,
            busy_until: 0,
            incident: None,
            flow_flags: Vec::new(),
        }
    }

    /// The truth file: one JSON object a line, by time.
    pub(super) fn truth(&self) -> String {
        let mut lines: Vec<_> = self.truth.iter().collect();
        lines.sort_by_key(|(at, serial, _)| (*at, *serial));
        lines.iter().fold(String::new(), |mut text, (_, _, line)| {
            text.push_str(&line.to_string());
            text.push('\n');
            text
        })
    }
}

/// What the network does to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing worse than a retransmission or two.
    None,
    /// This third of the request, from 0, is never seen.
    Request(usize),
    /// This third of the response is never seen.
    Response(usize),
}

/// One connection in use.
#[derive(Debug)]
pub(super) struct Session<'a> {
    out: &'a mut Recorder,
    pub(super) conn: Conn,
    /// When the next thing may happen.
    pub(super) now: u64,
    actor: &'static str,
    agent: String,
    host: &'static str,
    software: &'static str,
    vlan: Option<u16>,
    index: u32,
    /// A copy of a segment is still on its way; the connection does not end before.
    busy_until: u64,
    incident: Option<&'static str>,
    flow_flags: Vec<&'static str>,
}

impl Session<'_> {
    /// Marks what follows as a part of a planted incident; nothing ends it.
    pub(super) fn incident(&mut self, name: Option<&'static str>) {
        self.incident = name;
    }

    /// Says of every exchange of this session that it has this flag, though nothing of it is missing.
    pub(super) fn flag(&mut self, flag: &'static str) {
        self.flow_flags.push(flag);
    }

    /// A request with the fields that this client always sends.
    pub(super) fn request(&self, method: &str, target: &str) -> Message {
        Message::request(method, target)
            .field("Host", self.host)
            .field("User-Agent", self.agent.as_str())
    }

    /// A response with the fields that this server always sends.
    pub(super) fn response(&self, status: u16) -> Message {
        let mut message = Message::response(status);
        if !self.software.is_empty() {
            message = message.field("Server", self.software);
        }
        message.field("Date", crate::time::http_date(self.now))
    }

    /// Waits.
    pub(super) fn pause(&mut self, nanos: u64) {
        self.now += nanos;
    }

    /// Time between the end of a response and the next request of the same program.
    fn breath(&mut self) -> u64 {
        self.out.network.range(3 * MILLI, 70 * MILLI)
    }

    /// Sends a message with what the network does to it; returns the times of its first and last byte.
    fn transmit(&mut self, side: Side, data: &[u8], lost: Option<usize>) -> (u64, u64) {
        let out = &mut *self.out;
        let draw = out.network.range(0, 1000);
        let count = data.len().div_ceil(1460);
        if lost.is_none() && draw >= 18 {
            let last = self.conn.send(&mut out.capture, self.now, side, data);
            return (self.now, last);
        }
        self.conn.settle(&mut out.capture, self.now);
        // What is lost is a third of the message, so that a lot of it is still there.
        let cuts: Vec<usize> = match lost {
            Some(_) => vec![data.len() / 3, data.len() * 2 / 3],
            None => Vec::new(),
        };
        let segments: Vec<Segment> = self.conn.segments(side, data, &cuts);
        let at = |i: usize| self.now + i as u64 * 12_000;
        let mut last = at(segments.len() - 1);
        for (i, segment) in segments.iter().enumerate() {
            let when = match draw {
                _ if Some(i) == lost => continue,
                // Two change places on the way; the first stays where it is, to keep the start exact.
                0..=6 if count > 2 && i == 1 => at(2) + 4_000,
                // Lost before the sensor: only the retransmission is seen.
                7..=9 if count > 2 && i == 1 => {
                    last = at(i) + 208 * MILLI;
                    last
                }
                _ => at(i),
            };
            self.conn.emit(&mut out.capture, when, segment);
        }
        if lost.is_none() && draw >= 10 || lost.is_none() && count <= 2 {
            // The acknowledgement was lost, or came late: the last segment is sent again.
            if let Some(segment) = segments.last() {
                self.conn.emit(&mut out.capture, last + 206 * MILLI, segment);
                last += 206 * MILLI;
                self.busy_until = last;
                self.conn.expect_ack(last, side);
                return (self.now, at(segments.len() - 1));
            }
        }
        self.conn.expect_ack(last, side);
        (self.now, last)
    }

    /// One request and its response, `wait` apart.
    pub(super) fn exchange(&mut self, request: &Message, response: &Message, wait: u64) {
        self.lossy_exchange(request, response, wait, Loss::None);
    }

    /// As [`Self::exchange`], with a segment that the capture lost.
    pub(super) fn lossy_exchange(&mut self, request: &Message, response: &Message, wait: u64, loss: Loss) {
        let (sent, received) = (request.encode(), response.encode());
        let lost = |want| match (want, loss) {
            (Side::Client, Loss::Request(n)) | (Side::Server, Loss::Response(n)) => Some(n),
            _ => None,
        };
        let (first, last) = self.transmit(Side::Client, &sent.bytes(), lost(Side::Client));
        self.now = last + wait;
        let (_, end) = self.transmit(Side::Server, &received.bytes(), lost(Side::Server));
        self.now = end + self.breath();
        let damage: &[&str] = if loss == Loss::None { &[] } else { &["gap"] };
        self.note(first, &sent, Some(&received), damage);
    }

    /// Several requests in one go, answered in order (RFC 9112 section 9.3.2).
    pub(super) fn pipeline(&mut self, pairs: &[(Message, Message)], wait: u64) {
        let requests: Vec<Encoded> = pairs.iter().map(|(r, _)| r.encode()).collect();
        let blob: Vec<u8> = requests.iter().flat_map(Encoded::bytes).collect();
        // Each request of a pipeline begins with the segment that has its first byte.
        let mut starts = Vec::new();
        let mut offset = 0;
        for request in &requests {
            starts.push(self.now + (offset / 1460) as u64 * 12_000);
            offset += request.bytes().len();
        }
        self.now = self
            .conn
            .send(&mut self.out.capture, self.now, Side::Client, &blob);
        for ((_, response), (request, start)) in pairs.iter().zip(requests.iter().zip(starts)) {
            self.now += wait;
            let received = response.encode();
            self.now = self
                .conn
                .send(&mut self.out.capture, self.now, Side::Server, &received.bytes());
            self.note(start, request, Some(&received), &[]);
        }
        self.now += self.breath();
    }

    /// A request that waits for `100 Continue` before its body.
    pub(super) fn expecting(&mut self, request: Message, response: &Message, wait: u64) {
        let sent = request.field("Expect", "100-continue").encode();
        let capture = &mut self.out.capture;
        let first = self.now;
        self.conn.send(capture, first, Side::Client, &sent.head);
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let then = first + 3 * MILLI;
        self.conn.send(capture, then, Side::Server, interim);
        let last = self
            .conn
            .send(capture, then + 2 * MILLI, Side::Client, &sent.body);
        let received = response.encode();
        let end = self
            .conn
            .send(capture, last + wait, Side::Server, &received.bytes());
        self.now = end + self.breath();
        self.note(first, &sent, Some(&received), &[]);
    }

    /// A request whose response comes in pieces over time, one a pause.
    pub(super) fn streamed(&mut self, request: &Message, head: &Message, events: &[String], gap: u64) {
        let sent = request.encode();
        let first = self.now;
        let capture = &mut self.out.capture;
        self.now = self.conn.send(capture, first, Side::Client, &sent.bytes());
        let mut received = head
            .clone()
            .field("Transfer-Encoding", "chunked")
            .bodiless()
            .framing(Framing::Close)
            .encode();
        self.now += 20 * MILLI;
        self.now = self.conn.send(capture, self.now, Side::Server, &received.head);
        for event in events {
            self.now += gap;
            received.body_bytes += event.len() as u64;
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            self.now = self.conn.send(capture, self.now, Side::Server, chunk.as_bytes());
        }
        self.now = self
            .conn
            .send(capture, self.now + gap, Side::Server, b"0\r\n\r\n");
        received.content_bytes = received.body_bytes;
        self.now += self.breath();
        self.note(first, &sent, Some(&received), &[]);
    }

    /// A request whose answer turns the connection into a tunnel.
    pub(super) fn connect(&mut self, request: &Message, response: &Message, wait: u64) {
        self.exchange(request, &response.clone().framing(Framing::Close), wait);
    }

    /// Bytes that are no HTTP, from either side.
    pub(super) fn raw(&mut self, side: Side, data: &[u8]) {
        self.now = self.conn.send(&mut self.out.capture, self.now, side, data) + 5 * MILLI;
    }

    /// A response whose end never comes: the client resets after `seen` bytes of it.
    pub(super) fn cut_off(&mut self, request: &Message, response: &Message, wait: u64, seen: usize) {
        let (sent, received) = (request.encode(), response.encode());
        let first = self.now;
        let capture = &mut self.out.capture;
        let last = self.conn.send(capture, first, Side::Client, &sent.bytes());
        let bytes = received.bytes();
        let end = self.conn.send(capture, last + wait, Side::Server, &bytes[..seen]);
        self.now = end + 30 * MILLI;
        self.note(first, &sent, Some(&received), &["truncated"]);
        self.conn.reset(&mut self.out.capture, self.now, Side::Client);
    }

    /// The second half of a response whose first half was sent before the capture began.
    pub(super) fn tail_of_response(&mut self, data: &[u8]) {
        self.raw(Side::Server, data);
    }

    fn note(&mut self, at: u64, sent: &Encoded, received: Option<&Encoded>, damage: &[&str]) {
        let text = String::from_utf8_lossy(&sent.head);
        let line = text.lines().next().unwrap_or("");
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let version = words.next().unwrap_or("");
        let status = received.and_then(|r| {
            let text = String::from_utf8_lossy(&r.head);
            text.get(9..12).and_then(|s| s.parse::<u16>().ok())
        });
        let protocol = match (version, status) {
            ("HTTP/1.0", _) => "http/1.0",
            (_, Some(101)) => "websocket",
            _ => "http/1.1",
        };
        // The host is the target's when that names one (RFC 9112 section 3.2.2), else the Host field's.
        let host = match target.strip_prefix("http://") {
            Some(rest) => rest.split('/').next().unwrap_or("").to_owned(),
            None => text
                .lines()
                .find_map(|l| l.strip_prefix("Host: "))
                .unwrap_or("")
                .to_owned(),
        };
        let mut flow = Map::new();
        flow.insert("client".into(), json!(self.conn.client().to_string()));
        flow.insert("server".into(), json!(self.conn.server().to_string()));
        flow.insert("index".into(), json!(self.index));
        if let Some(vlan) = self.vlan {
            flow.insert("vlan".into(), json!(vlan));
        }
        let lengths = |m: &Encoded| json!({"body_bytes": m.body_bytes, "content_bytes": m.content_bytes});
        let mut entry = Map::new();
        entry.insert("ts".into(), json!(rfc3339(at)));
        entry.insert("flow".into(), Value::Object(flow));
        entry.insert("protocol".into(), json!(protocol));
        entry.insert("method".into(), json!(method));
        entry.insert("host".into(), json!(host));
        entry.insert("target".into(), json!(target));
        if let (Some(status), Some(received)) = (status, received) {
            entry.insert("status".into(), json!(status));
            entry.insert("response".into(), lengths(received));
        }
        entry.insert("request".into(), lengths(sent));
        entry.insert("actor".into(), json!(self.actor));
        if let Some(incident) = self.incident {
            entry.insert("incident".into(), json!(incident));
        }
        if !self.flow_flags.is_empty() {
            entry.insert("flags".into(), json!(self.flow_flags));
        }
        if !damage.is_empty() {
            entry.insert("damaged".into(), json!(damage));
        }
        let serial = self.out.truth.len();
        self.out.truth.push((at, serial, Value::Object(entry)));
        self.index += 1;
    }

    /// Ends the session: the client closes.
    pub(super) fn close(mut self) -> u64 {
        self.now = self.now.max(self.busy_until) + 20 * MILLI;
        self.conn.close(&mut self.out.capture, self.now, Side::Client)
    }

    /// Ends the session: the server closes, after the keep-alive time or at the end of a body.
    pub(super) fn server_closes(mut self, after: u64) -> u64 {
        self.now = self.now.max(self.busy_until) + after;
        self.conn.close(&mut self.out.capture, self.now, Side::Server)
    }

    /// Ends the session with a reset by the client, after everything was answered.
    pub(super) fn reset(mut self) -> u64 {
        self.now = self.now.max(self.busy_until) + 20 * MILLI;
        self.conn.reset(&mut self.out.capture, self.now, Side::Client);
        self.now
    }

    /// Leaves the session as it is: the capture ends before it does, or the end was not seen.
    pub(super) fn abandon(self) -> u64 {
        self.now
    }

    /// Keep-alive probe of the client: one byte before the next one, which was acknowledged already.
    pub(super) fn keep_alive_probe(&mut self, byte: u8) {
        let next = self.conn.segments(Side::Client, &[], &[]);
        debug_assert!(next.is_empty());
        let seq = self.conn.next_sequence(Side::Client).wrapping_sub(1);
        let ack = self.conn.next_sequence(Side::Server);
        let probe = Segment {
            side: Side::Client,
            seq,
            ack,
            flags: Flags::ACK,
            payload: vec![byte],
        };
        self.conn.emit(&mut self.out.capture, self.now, &probe);
        self.conn
            .acknowledge(&mut self.out.capture, self.now + 50_000, Side::Server);
        self.now += SECOND;
    }
}
