//! Ordinary flows beside a flood: short ones, ones that stay open, one of HTTP/2, and one whose answers take as long as
//! half the flood. Every exchange is noted with what a decoder should make of it.

use std::collections::VecDeque;
use std::sync::Arc;

use testdata::http::Coding;
use testdata::http2::{DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, field, frame};

use super::bytes::{preface, request_fields};
use super::wire::{ACK, CLIENT, End, FIN, Flow, MSS, PSH, SERVER, SYN, Wire};

/// Flows with one exchange that are open at the same time.
const SHORT: usize = 6;
/// Flows that stay open for the whole flood.
const LONG: usize = 3;

/// What a decoder should find of one exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expected {
    /// The target, which no other exchange has.
    pub(super) target: String,
    /// The status.
    pub(super) status: u64,
    /// Bytes of the request's body, those of the response's, and those of the response's content.
    pub(super) lengths: (u64, u64, u64),
}

/// A body with its coding and the length of its content.
type Coded = (Arc<Vec<u8>>, Option<&'static str>, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Short,
    Long,
    Http2,
    Slow,
}

/// One flow with what it still has to say.
struct Talk {
    kind: Kind,
    flow: Flow,
    queue: VecDeque<(usize, u8, Vec<u8>)>,
    opened: bool,
    stream: u32,
}

/// All of them.
pub(super) struct Ordinary {
    talks: Vec<Talk>,
    slow: Talk,
    turn: usize,
    bodies: Vec<Coded>,
    flows: u32,
    pub(super) expected: Vec<Expected>,
}

impl Ordinary {
    pub(super) fn new() -> Self {
        let mut new = Self {
            talks: Vec::new(),
            slow: Talk::new(Kind::Slow, 0),
            turn: 0,
            bodies: bodies(),
            flows: 1,
            expected: Vec::new(),
        };
        for (kind, count) in [(Kind::Short, SHORT), (Kind::Long, LONG), (Kind::Http2, 1)] {
            for _ in 0..count {
                let talk = Talk::new(kind, new.flows);
                new.flows += 1;
                new.talks.push(talk);
            }
        }
        new
    }

    /// Before the flood: the slow flow asks.
    pub(super) fn begin(&mut self, wire: &mut Wire) {
        self.slow.open();
        self.slow.play_all(wire);
        self.ask_slowly(wire);
    }

    fn ask_slowly(&mut self, wire: &mut Wire) {
        let (request, _) = self.exchange(CLIENT);
        self.slow.queue.push_back((CLIENT, ACK | PSH, request));
        self.slow.play_all(wire);
    }

    fn answer_slowly(&mut self, wire: &mut Wire) {
        // What it asked for last has this number.
        let response = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
        self.slow.queue.push_back((SERVER, ACK | PSH, response));
        self.slow.play_all(wire);
    }

    /// In the middle of the flood: it is answered, and asks again.
    pub(super) fn half(&mut self, wire: &mut Wire) {
        self.answer_slowly(wire);
        self.ask_slowly(wire);
    }

    /// One packet of one of the other flows.
    pub(super) fn step(&mut self, wire: &mut Wire) {
        let at = self.turn % self.talks.len();
        self.turn += 1;
        self.refill(at);
        self.talks[at].play(wire);
    }

    /// All flows come to their end.
    pub(super) fn end(&mut self, wire: &mut Wire) {
        for at in 0..self.talks.len() {
            self.talks[at].play_all(wire);
            if self.talks[at].opened && self.talks[at].kind != Kind::Short {
                self.talks[at].flow.close(wire);
            }
        }
        self.answer_slowly(wire);
        self.slow.flow.close(wire);
    }

    /// Sees to it that a flow has something to say.
    fn refill(&mut self, at: usize) {
        if !self.talks[at].queue.is_empty() {
            return;
        }
        let kind = self.talks[at].kind;
        if kind == Kind::Short && self.talks[at].opened {
            self.talks[at] = Talk::new(kind, self.flows);
            self.flows += 1;
        }
        if !self.talks[at].opened {
            self.talks[at].open();
        }
        if kind == Kind::Http2 {
            self.http2(at);
            return;
        }
        let (request, response) = self.exchange(SERVER);
        let talk = &mut self.talks[at];
        talk.say(CLIENT, &request);
        talk.queue.push_back((SERVER, ACK, Vec::new()));
        talk.say(SERVER, &response);
        talk.queue.push_back((CLIENT, ACK, Vec::new()));
        if kind == Kind::Short {
            talk.queue.push_back((CLIENT, ACK | FIN, Vec::new()));
            talk.queue.push_back((SERVER, ACK | FIN, Vec::new()));
            talk.queue.push_back((CLIENT, ACK, Vec::new()));
        }
    }

    /// The next request and response of HTTP/1. With `CLIENT`, the response is one that says 204.
    fn exchange(&mut self, side: usize) -> (Vec<u8>, Vec<u8>) {
        let number = self.expected.len();
        let target = format!("/ordinary/{number}");
        let upload = if side == SERVER && number % 3 == 2 { 700 } else { 0 };
        let mut request = format!(
            "{} {target} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: ordinary/1.0\r\nAccept: application/json\r\n\
             Content-Length: {upload}\r\n\r\n",
            if upload > 0 { "POST" } else { "GET" }
        )
        .into_bytes();
        request.resize(request.len() + upload, b'u');
        if side == CLIENT {
            self.expect(target, 204, (0, 0, 0));
            return (request, Vec::new());
        }
        let (body, coding, content) = self.bodies[number % self.bodies.len()].clone();
        let coding = coding.map_or_else(String::new, |c| format!("Content-Encoding: {c}\r\n"));
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{coding}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        response.extend_from_slice(&body);
        self.expect(target, 200, (upload as u64, body.len() as u64, content));
        (request, response)
    }

    /// The next exchange of HTTP/2.
    fn http2(&mut self, at: usize) {
        let number = self.expected.len();
        let target = format!("/ordinary/{number}");
        let (body, coding, content) = self.bodies[number % self.bodies.len()].clone();
        let talk = &mut self.talks[at];
        let stream = talk.stream;
        talk.stream += 2;
        let block = request_fields(&target);
        talk.say(CLIENT, &frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        // :status 200 stands in the fixed table (RFC 7541 appendix A).
        let mut block = vec![0x88];
        block.extend(field(0, b"content-type", b"application/json"));
        if let Some(coding) = coding {
            block.extend(field(0, b"content-encoding", coding.as_bytes()));
        }
        let mut answer = frame(HEADERS, END_HEADERS, stream, &block);
        answer.extend(frame(DATA, END_STREAM, stream, &body));
        talk.say(SERVER, &answer);
        self.expect(target, 200, (0, body.len() as u64, content));
    }

    fn expect(&mut self, target: String, status: u64, lengths: (u64, u64, u64)) {
        self.expected.push(Expected {
            target,
            status,
            lengths,
        });
    }
}

impl Talk {
    fn new(kind: Kind, number: u32) -> Self {
        // Few callers, as an office has, each with many ports.
        let client = End {
            ip: 0x0a01_0000 + number % 16,
            port: 1024 + (number / 16 % 60_000) as u16,
        };
        let server = End {
            ip: 0x0a02_0001,
            port: 8080,
        };
        Self {
            kind,
            flow: Flow::new(client, server),
            queue: VecDeque::new(),
            opened: false,
            stream: 1,
        }
    }

    fn open(&mut self) {
        self.opened = true;
        self.queue.push_back((CLIENT, SYN, Vec::new()));
        self.queue.push_back((SERVER, SYN | ACK, Vec::new()));
        self.queue.push_back((CLIENT, ACK, Vec::new()));
        if self.kind == Kind::Http2 {
            self.say(CLIENT, &preface());
            self.say(SERVER, &frame(SETTINGS, 0, 0, b""));
        }
    }

    fn say(&mut self, side: usize, bytes: &[u8]) {
        for piece in bytes.chunks(MSS) {
            self.queue.push_back((side, ACK | PSH, piece.to_vec()));
        }
    }

    fn play(&mut self, wire: &mut Wire) {
        if let Some((side, flags, payload)) = self.queue.pop_front() {
            self.flow.emit(wire, side, flags, &payload);
        }
    }

    fn play_all(&mut self, wire: &mut Wire) {
        while !self.queue.is_empty() {
            self.play(wire);
        }
    }
}

/// Bodies of several lengths, one in three of them coded.
fn bodies() -> Vec<Coded> {
    let codings = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate];
    (0..24)
        .map(|n: usize| {
            let records = 3 + n * n / 3;
            let text: String = (0..records)
                .map(|k| {
                    format!(
                        "{{\"id\":{},\"name\":\"Example {n}\",\"price\":{}.50}},",
                        k * 7919 % 10_007,
                        k % 97
                    )
                })
                .collect();
            let coding = if n % 3 == 1 {
                codings[n / 3 % 4]
            } else {
                Coding::Identity
            };
            (
                Arc::new(coding.encode(text.as_bytes())),
                coding.token(),
                text.len() as u64,
            )
        })
        .collect()
}
