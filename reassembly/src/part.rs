//! The parts of which a long exchange consists: messages of a WebSocket or of gRPC, server-sent events.
//!
//! An exchange that stays open tells what it carries while it goes on: each part is given out by itself, when its last
//! byte was seen. Where parts come from is for the decoders to know; a [`Part`] owns its bytes and says what was missing.

use crate::exchange::{Flags, FlowRef};
use crate::limits::Limits;
use crate::time::Timestamp;

/// Parts that any stream may consist of, however short they are.
const FREE_PARTS: u64 = 4096;

/// Beyond that, the bytes of the wire that it takes on average to make one. A part takes some two hundred bytes of memory
/// and the shortest frame two on the wire, so parts of nothing would be an amplifier.
const BYTES_PER_PART: u64 = 16;

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Sent by the client.
    ToServer,
    /// Sent by the server.
    ToClient,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// A text message (RFC 6455 section 5.6).
    Text,
    /// A binary message (RFC 6455 section 5.6).
    Binary,
    /// A close frame and its status code, when it has one (RFC 6455 section 5.5.1); the body is its reason.
    Close(Option<u16>),
    /// A ping (RFC 6455 section 5.5.2).
    Ping,
    /// A pong (RFC 6455 section 5.5.3).
    Pong,
    /// A server-sent event (WHATWG HTML section 9.2); the body is its data, lines joined by line feeds.
    Event {
        /// Its `event` field; empty when it has none, which stands for `message`.
        name: String,
        /// Its `id` field, when it has one.
        id: Option<String>,
    },
    /// A message of gRPC or gRPC-Web.
    Message {
        /// Its prefix says that it is compressed.
        compressed: bool,
    },
}

impl PartKind {
    /// A word for it: `text`, `binary`, `close`, `ping`, `pong`, `event`, `message`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Close(_) => "close",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Event { .. } => "event",
            Self::Message { .. } => "message",
        }
    }
}

/// One message or event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which way it went.
    pub direction: Direction,
    /// Place among the parts of the same exchange and direction, from 0. Behind a loss, parts that were never seen are
    /// not counted.
    pub number: u64,
    /// What it is.
    pub kind: PartKind,
    /// Capture time of its first byte.
    pub ts: Timestamp,
    /// Capture time of its last byte seen.
    pub last: Timestamp,
    /// Frame numbers of its first and its last packet; zero when not read from a file.
    pub frames: (u64, u64),
    /// Bytes as sent, without framing: payload of a message; all the lines of an event.
    pub bytes: u64,
    /// Bytes after decompression: payload of a message, equal to `bytes` where nothing is compressed or where it cannot be
    /// decompressed; data of an event.
    pub content_bytes: u64,
    /// Whether it was seen to its end.
    pub complete: bool,
    /// [`Flags::GAP`]: bytes of it, or between it and the part before it, were never seen. [`Flags::TRUNCATED`]: the flow
    /// ended before it did, or it is over a limit of ours. [`Flags::OPAQUE`]: it could not be decompressed.
    /// [`Flags::AMBIGUOUS`]: its sender broke the rules of framing, and receivers may read it otherwise.
    pub flags: Flags,
    /// The first content bytes, up to [`Limits::body_capture`]; none when it is opaque.
    pub body: Vec<u8>,
}

/// A part and the exchange that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOf {
    /// The flow of the exchange.
    pub flow: FlowRef,
    /// [`crate::Exchange::index`] of the exchange. That of an upgraded connection was given out before its parts, any other
    /// one follows them.
    pub exchange: u32,
    /// Whether that index is certain. After a loss the request of a response may be found only later, and the two are
    /// given out under the request's index.
    pub settled: bool,
    /// The part.
    pub part: Part,
}

/// When and where a byte was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    pub(crate) ts: Timestamp,
    pub(crate) frame: u64,
}

/// Whether the part of this number may be given out, of a stream of which `wire` bytes were read.
pub(crate) fn is_allowed(number: u64, wire: u64) -> bool {
    number < FREE_PARTS + wire / BYTES_PER_PART
}

/// Keeps the first bytes of a body. `room` is what may still be kept of all bodies; it is lowered by what is.
pub(crate) fn keep(body: &mut Vec<u8>, bytes: &[u8], limits: &Limits, room: &mut usize) {
    let left = limits.body_capture.saturating_sub(body.len());
    let len = left.min(bytes.len()).min(*room);
    body.extend_from_slice(&bytes[..len]);
    *room -= len;
}
