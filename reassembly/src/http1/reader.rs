//! One direction: what of a message has been read, and the bytes put by.

use crate::exchange::{Ambiguities, Flags};
use crate::tcp::stream::Meta;

use super::body::Body;
use super::chunked::Chunked;
use super::head::{RequestHead, ResponseHead};

/// The shortest message: `HTTP/1.1 200` and two line feeds.
const SHORTEST: u64 = 14;

/// Slices remembered while searching, to know when the message that is found began.
const MAX_ORIGINS: usize = 64;

pub(super) enum State {
    /// Before a message; empty lines are skipped.
    Start,
    /// In a head.
    Head,
    /// In a body.
    Body(Place),
    /// Behind the head of a response whose request is unknown: to HEAD, it has no body.
    Peek(Place),
    /// Framing was lost: looking for a message.
    Search,
    /// No HTTP/1 any more: a tunnel, or another protocol after an upgrade.
    Tunnel,
    /// This direction carries no HTTP.
    Foreign,
}

/// Place in a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Length(u64),
    Chunked(Chunked),
    Close,
}

pub(super) enum Start {
    Request(Box<RequestHead>),
    Response(Box<ResponseHead>),
}

/// A message of which the head was read.
pub(super) struct Current {
    pub(super) index: u32,
    pub(super) start: Start,
    pub(super) body: Body,
    pub(super) flags: Flags,
    pub(super) ambiguities: Ambiguities,
    pub(super) first: Meta,
    pub(super) last: Meta,
    /// A final response, or a request; interim responses are dropped.
    pub(super) kept: bool,
}

/// One direction.
pub(super) struct Reader {
    pub(super) state: State,
    pub(super) buf: Vec<u8>,
    pub(super) scanned: usize,
    /// Where the bytes in `buf` came from, by their place in it.
    pub(super) origins: Vec<(usize, Meta)>,
    pub(super) current: Option<Box<Current>>,
    /// Something was lost or unreadable since the last message.
    pub(super) lost: bool,
    /// How much of it was never seen, or seen without sense.
    pub(super) lost_bytes: u64,
    pub(super) searched: u64,
    pub(super) last: Meta,
    /// Stream offset behind the last byte read.
    pub(super) position: u64,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            buf: Vec::new(),
            scanned: 0,
            origins: Vec::new(),
            current: None,
            lost: false,
            lost_bytes: 0,
            searched: 0,
            last: Meta::default(),
            position: 0,
        }
    }

    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.state, State::Foreign)
    }

    /// Whether a message that nothing was made of may have gone by since the last one. The byte that a lost
    /// FIN takes is none.
    pub(super) fn may_lack_a_message(&self) -> bool {
        self.lost && self.lost_bytes + self.searched >= SHORTEST
    }

    pub(super) fn clear(&mut self) {
        self.buf.clear();
        self.scanned = 0;
        self.origins.clear();
    }

    pub(super) fn keep(&mut self, bytes: &[u8], meta: Meta) {
        if self.origins.len() < MAX_ORIGINS {
            self.origins.push((self.buf.len(), meta));
        }
        self.buf.extend_from_slice(bytes);
    }

    /// Where the byte at `at` of `buf` came from.
    pub(super) fn origin(&self, at: usize) -> Meta {
        let found = self.origins.iter().rev().find(|(from, _)| *from <= at).copied();
        found.map_or(self.last, |(from, meta)| Meta {
            offset: meta.offset + (at - from) as u64,
            ..meta
        })
    }

    /// Drops the first `len` bytes of `buf`.
    pub(super) fn discard(&mut self, len: usize) {
        let origin = self.origin(len);
        let rest: Vec<(usize, Meta)> = self
            .origins
            .iter()
            .filter(|(from, _)| *from > len)
            .map(|(from, m)| (from - len, *m))
            .collect();
        self.buf.drain(..len);
        self.origins.clear();
        self.origins.push((0, origin));
        self.origins.extend(rest);
        self.scanned = 0;
    }
}
