//! One direction: what of a message has been read, and the bytes put by.

use crate::exchange::{Ambiguities, Flags};
use crate::tcp::stream::{Meta, Told};

use super::body::Body;
use super::chunked::Chunked;
use super::head::{RequestHead, ResponseHead};

/// The shortest message: `HTTP/1.1 200` and two line feeds.
pub(super) const SHORTEST: u64 = 14;

/// Slices remembered, to know when the message that is found began and what its sender had received.
const MAX_ORIGINS: usize = 256;

pub(super) enum State {
    /// Before a message; empty lines are skipped.
    Start,
    /// In a head.
    Head,
    /// In a body.
    Body(Place),
    /// Behind the head of a response whose request is unknown: to HEAD, it has no body.
    Peek(Place),
    /// Behind CONNECT: whether what follows is the tunnel's or this, the answer tells, so it is put by. Where the request
    /// was not `asked`, but answered as it may be, what follows tells.
    Connect { behind: Behind, asked: bool },
    /// Framing was lost: looking for a message.
    Search,
    /// No HTTP/1 any more: a tunnel, or another protocol after an upgrade.
    Tunnel,
    /// This direction carries no HTTP.
    Foreign,
    /// What follows is read as HTTP/2.
    Handed,
    /// This direction has ended.
    Over,
}

/// What comes behind a CONNECT that is declined.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behind {
    /// The next request.
    Start,
    /// The body that it has.
    Body(Place),
    /// The CONNECT itself was not seen, and neither is it known where the next request begins.
    Search,
}

/// Place in a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Length(u64),
    Chunked(Chunked),
    Close,
}

pub(super) enum Start {
    Request(RequestHead),
    Response(ResponseHead),
}

/// How much of the start line in `buf` was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartLine {
    /// Its first word may still grow.
    Word,
    /// Its first word was seen whole.
    Rest,
    /// The line was seen whole, and is one.
    Whole,
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
    /// Its exchange is known: one of a response whose request is not may be found to be another.
    pub(super) settled: bool,
}

/// One direction.
pub(super) struct Reader {
    pub(super) state: State,
    pub(super) buf: Vec<u8>,
    pub(super) scanned: usize,
    pub(super) start_line: StartLine,
    /// Where the bytes in `buf` came from, by their place in it.
    pub(super) origins: Vec<(usize, Meta)>,
    /// Slices behind the first were forgotten.
    thinned: bool,
    pub(super) current: Option<Current>,
    /// The last place at which the sender went on with more of the other direction at hand than it had just before.
    pub(super) had_more_from: u64,
    /// Something was lost or unreadable since the last message.
    pub(super) lost: bool,
    /// How much of it was never seen, or seen without sense.
    pub(super) lost_bytes: u64,
    pub(super) searched: u64,
    /// Bytes were passed over in search of the next message.
    pub(super) passed: bool,
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
            start_line: StartLine::Word,
            origins: Vec::new(),
            thinned: false,
            current: None,
            had_more_from: 0,
            lost: false,
            lost_bytes: 0,
            searched: 0,
            passed: false,
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
        self.lost && self.lost_bytes.saturating_add(self.searched) >= SHORTEST
    }

    /// Bytes put by in which no message was found, for when they are let go.
    pub(super) fn unread(&self) -> u64 {
        match self.state {
            State::Search => self.buf.len() as u64,
            _ => 0,
        }
    }

    /// Notes where the bytes that are read next came from.
    pub(super) fn goes_on_at(&mut self, at: Meta) {
        if self.last.ack != 0 && self.last.ack < at.ack {
            self.had_more_from = at.offset;
        }
        self.last = at;
    }

    /// Notes that bytes were never seen.
    pub(super) fn skips(&mut self) {
        self.last.ack = 0;
    }

    pub(super) fn clear(&mut self) {
        self.buf.clear();
        self.scanned = 0;
        self.start_line = StartLine::Word;
        self.origins.clear();
        self.thinned = false;
    }

    pub(super) fn keep(&mut self, bytes: &[u8], meta: Meta) {
        if self.origins.len() == MAX_ORIGINS {
            self.origins.drain(1..MAX_ORIGINS / 2);
            self.thinned = true;
        }
        self.origins.push((self.buf.len(), meta));
        self.buf.extend_from_slice(bytes);
    }

    /// Takes out what was kept, in the pieces in which it came.
    pub(super) fn take_kept(&mut self) -> Vec<(Vec<u8>, Meta)> {
        let (buf, origins) = (std::mem::take(&mut self.buf), std::mem::take(&mut self.origins));
        self.clear();
        let ends = origins.iter().skip(1).map(|(from, _)| *from).chain([buf.len()]);
        let pieces = origins.iter().zip(ends);
        pieces
            .map(|((from, meta), end)| (buf[*from..end].to_vec(), *meta))
            .collect()
    }

    /// Undoes the last [`Self::keep`], behind the first `len` bytes of `buf`.
    pub(super) fn take_back(&mut self, len: usize) {
        self.buf.truncate(len);
        self.origins.pop();
        self.scanned = self.scanned.min(len);
    }

    /// Bytes of memory it takes beside itself.
    pub(super) fn weight(&self) -> usize {
        let current = self.current.as_ref().map_or(0, |current| {
            let head = match &current.start {
                Start::Request(h) => h.head.weight() + h.host.capacity(),
                Start::Response(h) => h.head.weight(),
            };
            head + current.body.weight()
        });
        self.buf.capacity() + self.origins.capacity() * size_of::<(usize, Meta)>() + current
    }

    /// Where the byte at `at` of `buf` came from.
    pub(super) fn origin(&self, at: usize) -> Meta {
        let found = self.origins.iter().rposition(|(from, _)| *from <= at);
        let Some(found) = found else {
            return self.last;
        };
        let (from, mut meta) = self.origins[found];
        meta.offset += (at - from) as u64;
        if found == 0 && at > from && self.thinned {
            // It may be of a later slice, whose sender had more.
            meta.ack = 0;
            meta.other = Told::default();
        }
        meta
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
        self.thinned &= origin.ack == 0;
        self.buf.drain(..len);
        self.origins.clear();
        self.origins.push((0, origin));
        self.origins.extend(rest);
        self.scanned = self.scanned.saturating_sub(len);
    }
}
