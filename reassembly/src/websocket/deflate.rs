//! permessage-deflate (RFC 7692): what was agreed on, and the decompression of one direction.

use std::io;

use crate::http1::body::{ALLOWANCE_STEP, EXPANSION, FREE_EXPANSION};
use crate::http1::inflate::{Engine, Pool};
use crate::limits::Limits;
use crate::part::Direction;

use super::frame::Reserved;

/// What a decoder with its window and its output takes.
const ENGINE: usize = 64 << 10;

/// What senders cut off the end of each compressed message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The extensions that a handshake settled on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extensions {
    deflate: Option<Deflate>,
    /// Another one, so that what frames mean is not known.
    other: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Deflate {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
}

impl Extensions {
    /// Reads the values of the response's `Sec-WebSocket-Extensions` fields (RFC 6455 section 9.1, RFC 7692 section 7.1).
    /// The sizes of windows need not be known: a decoder with the largest window reads every smaller one.
    pub(crate) fn negotiated<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for extension in values.flat_map(|v| v.split(',')) {
            let mut parts = extension.split(';').map(str::trim);
            let name = parts.next().unwrap_or("");
            if name.eq_ignore_ascii_case("permessage-deflate") && found.deflate.is_none() {
                let mut deflate = Deflate::default();
                for parameter in parts {
                    let is = |name: &str| parameter.eq_ignore_ascii_case(name);
                    deflate.server_no_context_takeover |= is("server_no_context_takeover");
                    deflate.client_no_context_takeover |= is("client_no_context_takeover");
                }
                found.deflate = Some(deflate);
            } else if !name.is_empty() {
                found.other = true;
            }
        }
        found
    }

    /// Whether messages may mean something else than their bytes.
    pub(super) fn is_opaque(&self) -> bool {
        self.other
    }

    pub(super) fn reserved(&self) -> Reserved {
        match self.deflate {
            _ if self.other => Reserved::Any,
            Some(_) => Reserved::Deflate,
            None => Reserved::Clear,
        }
    }

    /// Whether the sender of a direction refers in one message to those before it (RFC 7692 section 7.1.1).
    pub(super) fn takes_over(&self, direction: Direction) -> bool {
        self.deflate.is_some_and(|deflate| match direction {
            Direction::ToServer => !deflate.client_no_context_takeover,
            Direction::ToClient => !deflate.server_no_context_takeover,
        })
    }
}

/// Why a message could not be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is no deflate, or refers to what was not seen.
    Broken,
    /// It unpacks to more than is allowed.
    OverLimit,
}

/// The decompression of one direction.
///
/// Of a window that was lost nothing is guessed. The next message is read with an empty one: where it refers to what was
/// lost, the decoder says so, and where it does not, what comes out is right. What it gave is the newest part of the
/// sender's window, so the same holds of the message behind it.
pub(super) struct Inflater {
    engine: Option<Box<Engine>>,
    takes_over: bool,
    /// Compressed bytes of the direction, and what came out of them. Counted over all messages, for many small bombs are
    /// one large one.
    taken: u64,
    made: u64,
    /// What came out of the current message.
    of_message: u64,
}

impl Inflater {
    pub(super) fn new(takes_over: bool) -> Self {
        Self {
            engine: None,
            takes_over,
            taken: 0,
            made: 0,
            of_message: 0,
        }
    }

    pub(super) fn weight(&self) -> usize {
        if self.engine.is_some() { ENGINE } else { 0 }
    }

    /// Decompresses the next bytes of a message.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        limits: &Limits,
        pool: &mut Pool,
        mut out: impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        // The allowance grows with what was sent, in steps that do not depend on how it was cut.
        while !bytes.is_empty() {
            let step = self.taken - self.taken % ALLOWANCE_STEP;
            let allowed = FREE_EXPANSION + EXPANSION * step;
            let len = usize::try_from(step + ALLOWANCE_STEP - self.taken)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let done = self.decode(&bytes[..len], allowed, limits, pool, &mut out);
            if done.is_err() {
                // All of it was sent, though how much of it was read depends on the cuts.
                self.skip(bytes.len());
                return done;
            }
            self.taken += len as u64;
            bytes = &bytes[len..];
        }
        Ok(())
    }

    /// Counts bytes of a message that is not decompressed any further.
    pub(super) fn skip(&mut self, len: usize) {
        self.taken += len as u64;
    }

    fn decode(
        &mut self,
        mut bytes: &[u8],
        allowed: u64,
        limits: &Limits,
        pool: &mut Pool,
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let engine = self.engine.get_or_insert_with(|| pool.take(false));
        while !bytes.is_empty() {
            let (made, of_message) = (&mut self.made, &mut self.of_message);
            let decoded = engine.decode(bytes, |piece| {
                *made += piece.len() as u64;
                *of_message += piece.len() as u64;
                out(piece);
                if *made <= allowed && *of_message <= limits.decoded {
                    Ok(())
                } else {
                    Err(io::ErrorKind::QuotaExceeded.into())
                }
            });
            let failure = match decoded {
                Ok((0, false)) => Failure::Broken,
                Ok((used, ended)) => {
                    bytes = &bytes[used..];
                    if ended {
                        // A sender may end its deflate stream and begin another (RFC 7692 section 7.2.3.4).
                        engine.reset();
                    }
                    continue;
                }
                Err(_) if self.made > allowed || self.of_message > limits.decoded => {
                    // How far beyond the limit depends on how much came out at once.
                    let beyond = self.of_message.saturating_sub(limits.decoded);
                    self.made = allowed.min(self.made - beyond);
                    Failure::OverLimit
                }
                Err(_) => Failure::Broken,
            };
            self.lose(pool);
            return Err(failure);
        }
        Ok(())
    }

    /// A message is over.
    pub(super) fn finish(
        &mut self,
        limits: &Limits,
        pool: &mut Pool,
        out: impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let done = self.push(&TAIL, limits, pool, out);
        self.taken -= TAIL.len() as u64;
        if !self.takes_over {
            self.lose(pool);
        }
        self.of_message = 0;
        done
    }

    /// What came before is not known any more.
    pub(super) fn lose(&mut self, pool: &mut Pool) {
        self.of_message = 0;
        if let Some(engine) = self.engine.take() {
            pool.give(engine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_on() {
        let read = |values: &[&str]| Extensions::negotiated(values.iter().copied());
        let plain = read(&[]);
        assert_eq!(plain.reserved(), Reserved::Clear);
        assert!(!plain.takes_over(Direction::ToServer));
        let both = read(&["permessage-deflate; server_max_window_bits=12"]);
        assert_eq!(both.reserved(), Reserved::Deflate);
        assert!(both.takes_over(Direction::ToServer) && both.takes_over(Direction::ToClient));
        let client = read(&["Permessage-Deflate;client_no_context_takeover ; client_max_window_bits=\"9\""]);
        assert!(!client.takes_over(Direction::ToServer) && client.takes_over(Direction::ToClient));
        let server = read(&["permessage-deflate; server_no_context_takeover"]);
        assert!(server.takes_over(Direction::ToServer) && !server.takes_over(Direction::ToClient));
        let other = read(&["permessage-deflate, x-mux"]);
        assert!(other.is_opaque());
        assert_eq!(other.reserved(), Reserved::Any);
    }
}
