//! gzip (RFC 1952), zlib (RFC 1950) and bare deflate (RFC 1951) as one streaming decoder whose memory is used
//! again for the next body.

use std::io::{self, Write};

use flate2::{Decompress, FlushDecompress, Status};

/// Bytes decoded in one go.
const PIECE: usize = 16 << 10;

/// Decoders kept for the next body; more are only needed when that many bodies arrive at once.
const KEPT: usize = 16;

/// Longest gzip header that is waited for: names and comments have no limit of their own.
const MAX_HEADER: usize = 64 << 10;

/// Decoders that wait for work.
#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "an engine goes to a body and back without being copied"
)]
pub(crate) struct Pool(Vec<Box<Engine>>);

impl Pool {
    fn take(&mut self, zlib: bool) -> Box<Engine> {
        match self.0.pop() {
            Some(mut engine) => {
                engine.state.reset(zlib);
                engine
            }
            None => Box::new(Engine {
                state: Decompress::new(zlib),
                out: vec![0; PIECE],
            }),
        }
    }

    /// Takes a decoder back.
    pub(crate) fn give(&mut self, engine: Box<Engine>) {
        if self.0.len() < KEPT {
            self.0.push(engine);
        }
    }
}

/// The memory of a decoder.
pub(crate) struct Engine {
    state: Decompress,
    out: Vec<u8>,
}

/// What wraps the deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    Gzip,
    /// `deflate`: senders use the zlib wrapper (RFC 9110 section 8.4.1.2) or none; the first byte tells.
    Deflate,
}

enum Place {
    /// In a gzip header, of which these bytes were seen.
    Header(Vec<u8>),
    /// Before the first byte of `deflate`.
    First,
    Data,
    /// In a gzip trailer, of which that many bytes are left.
    Trailer(usize),
    /// Behind the end.
    Done,
}

/// One coded body; decoded bytes go to `next`.
pub(crate) struct Inflate<W> {
    engine: Box<Engine>,
    wrapper: Wrapper,
    place: Place,
    /// A deflate stream has come to its end.
    ended: bool,
    pub(crate) next: W,
}

impl<W: Write> Inflate<W> {
    pub(crate) fn new(wrapper: Wrapper, next: W, pool: &mut Pool) -> Self {
        let place = match wrapper {
            Wrapper::Gzip => Place::Header(Vec::new()),
            Wrapper::Deflate => Place::First,
        };
        Self {
            engine: pool.take(false),
            wrapper,
            place,
            ended: false,
            next,
        }
    }

    /// Whether the coded stream came to its end.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Gives the decoder's memory back.
    pub(crate) fn release(self, pool: &mut Pool) -> W {
        pool.give(self.engine);
        self.next
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Engine { state, out } = &mut *self.engine;
        let mut used = 0;
        loop {
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state
                .decompress(&bytes[used..], out, FlushDecompress::None)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            let taken = usize::try_from(state.total_in() - before_in).unwrap_or(0);
            let made = usize::try_from(state.total_out() - before_out).unwrap_or(0);
            used += taken;
            self.next.write_all(&out[..made])?;
            if status == Status::StreamEnd {
                self.ended = true;
                self.place = if self.wrapper == Wrapper::Gzip {
                    Place::Trailer(8)
                } else {
                    Place::Done
                };
                return Ok(used);
            }
            // A full output buffer means that there may be more; an empty input with room left, that there is not.
            if (used == bytes.len() && made < out.len()) || (taken == 0 && made == 0) {
                return Ok(used);
            }
        }
    }
}

impl<W: Write> Write for Inflate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.place {
                Place::Done => break,
                Place::First => {
                    // RFC 1950 section 2.2: the method, in the low four bits, is 8, and the window at most 7.
                    let first = bytes[at];
                    self.engine.state.reset(first & 0x0f == 8 && first >> 4 <= 7);
                    self.place = Place::Data;
                }
                Place::Header(seen) => {
                    seen.push(bytes[at]);
                    at += 1;
                    match header_len(seen) {
                        Some(len) if seen.len() >= len => self.place = Place::Data,
                        _ if bad_header(seen) || seen.len() > MAX_HEADER => {
                            return Err(io::Error::new(io::ErrorKind::InvalidData, "not gzip"));
                        }
                        _ => {}
                    }
                }
                Place::Data => {
                    let used = self.data(&bytes[at..])?;
                    at += used;
                    if used == 0 && matches!(self.place, Place::Data) {
                        break;
                    }
                }
                Place::Trailer(0) => {
                    // Another member may follow (RFC 1952 section 2.2); anything else is padding.
                    if bytes[at] == 0x1f {
                        self.engine.state.reset(false);
                        self.place = Place::Header(Vec::new());
                    } else {
                        self.place = Place::Done;
                    }
                }
                Place::Trailer(left) => {
                    let take = (*left).min(bytes.len() - at);
                    *left -= take;
                    at += take;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.next.flush()
    }
}

fn bad_header(seen: &[u8]) -> bool {
    seen.iter().zip([0x1f, 0x8b, 8]).any(|(a, b)| *a != b)
}

/// Length of the gzip header that begins with `seen`, as far as that tells (RFC 1952 section 2.3).
fn header_len(seen: &[u8]) -> Option<usize> {
    if bad_header(seen) {
        return None;
    }
    let flags = *seen.get(3)?;
    let mut len = 10;
    if flags & 4 != 0 {
        len += 2 + usize::from(u16::from_le_bytes([*seen.get(10)?, *seen.get(11)?]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            len += seen.get(len..)?.iter().position(|b| *b == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        len += 2;
    }
    Some(len)
}
