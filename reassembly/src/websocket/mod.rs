//! WebSocket (RFC 6455): the bytes behind the handshake in, messages out.
//!
//! ```text
//! bytes ─▶ frame ─▶ message ─▶ part
//!           headers   fragments joined,
//!           checked   unmasked, inflated
//! ```
//!
//! [`resync`] finds the next frame after bytes were lost, [`deflate`] undoes permessage-deflate (RFC 7692). What came
//! before, and how the two sides agreed on it, is for others to know: [`WebSocket::new`] is told what was negotiated.

mod deflate;
mod frame;
mod message;
mod resync;

use crate::http1::inflate::Pool;
use crate::limits::{Counters, Limits};
use crate::part::{Direction, Part, Stamp};

pub(crate) use deflate::Extensions;
use message::Reader;

/// What reading needs from outside.
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) counters: &'a mut Counters,
    /// Decoders that wait for work.
    pub(crate) pool: &'a mut Pool,
    /// Body bytes that may still be kept.
    pub(crate) room: &'a mut usize,
}

/// The two directions of a WebSocket.
pub(crate) struct WebSocket {
    to_server: Reader,
    to_client: Reader,
}

impl WebSocket {
    /// A WebSocket with these extensions, right behind its handshake.
    pub(crate) fn new(extensions: &Extensions) -> Self {
        Self {
            to_server: Reader::new(Direction::ToServer, extensions),
            to_client: Reader::new(Direction::ToClient, extensions),
        }
    }

    fn reader(&mut self, direction: Direction) -> &mut Reader {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Takes the next bytes of a direction.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        stamp: Stamp,
        cx: &mut Context<'_>,
        out: &mut dyn FnMut(Part),
    ) {
        self.reader(direction).data(bytes, stamp, cx, out);
    }

    /// The next `len` bytes of a direction were never seen.
    pub(crate) fn gap(
        &mut self,
        direction: Direction,
        len: u64,
        cx: &mut Context<'_>,
        out: &mut dyn FnMut(Part),
    ) {
        self.reader(direction).gap(len, cx, out);
    }

    /// A direction is over.
    pub(crate) fn end(&mut self, direction: Direction, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) {
        self.reader(direction).end(cx, out);
    }

    /// Bytes of memory it takes, with what it holds.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.to_server.weight() + self.to_client.weight()
    }
}
