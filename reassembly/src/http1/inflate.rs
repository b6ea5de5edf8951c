//! gzip (RFC 1952), zlib (RFC 1950) and bare deflate (RFC 1951) as one streaming decoder whose memory is used
//! again for the next body.

use std::io::{self, Write};

use flate2::{Decompress, FlushDecompress, Status};

use super::brotli::Windows;
use super::gathered::Unpacker;

/// Bytes decoded in one go.
const PIECE: usize = 16 << 10;

/// Decoders kept for the next body; more are only needed when that many bodies arrive at once.
const KEPT: usize = 16;

/// Longest gzip header that is waited for: names and comments have no limit of their own.
const MAX_HEADER: usize = 64 << 10;

/// Decoders that wait for work.
#[derive(Default)]
pub(crate) struct Pool {
    #[expect(
        clippy::vec_box,
        reason = "an engine goes to a body and back without being copied"
    )]
    engines: Vec<Box<Engine>>,
    /// For bodies decoded in one go.
    pub(crate) unpacker: Unpacker,
    /// What the windows of brotli take.
    pub(crate) windows: Windows,
}

impl Pool {
    /// A decoder at the beginning of a stream, with the wrapper of zlib or with none.
    pub(crate) fn take(&mut self, zlib: bool) -> Box<Engine> {
        match self.engines.pop() {
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

    /// Decoders that wait for a body.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.engines.len()
    }

    /// Takes a decoder back.
    pub(crate) fn give(&mut self, engine: Box<Engine>) {
        if self.engines.len() < KEPT {
            self.engines.push(engine);
        }
    }
}

/// The memory of a decoder.
pub(crate) struct Engine {
    state: Decompress,
    out: Vec<u8>,
}

impl Engine {
    /// Decodes the next bytes of a stream; `next` takes what comes of them. Tells how many were used, and whether the stream
    /// came to its end.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        mut next: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(usize, bool)> {
        let Self { state, out } = self;
        let mut used = 0;
        loop {
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state.decompress(&bytes[used..], out, FlushDecompress::None);
            let taken = usize::try_from(state.total_in() - before_in).unwrap_or(0);
            let made = usize::try_from(state.total_out() - before_out).unwrap_or(0);
            used += taken;
            next(&out[..made])?;
            // What it made before something that makes no sense does not depend on what came with it.
            let status = status.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            if status == Status::StreamEnd {
                return Ok((used, true));
            }
            // A full output buffer means that there may be more; an empty input with room left, that there is not.
            if (used == bytes.len() && made < out.len()) || (taken == 0 && made == 0) {
                return Ok((used, false));
            }
        }
    }

    /// Begins a bare stream of which nothing is known.
    pub(crate) fn reset(&mut self) {
        self.state.reset(false);
    }
}

/// What wraps the deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    Gzip,
    /// `deflate`: senders use the zlib wrapper (RFC 9110 section 8.4.1.2) or none; the first byte tells.
    Deflate,
}

enum Place {
    Header(Header),
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
            Wrapper::Gzip => Place::Header(Header::START),
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
        let next = &mut self.next;
        let (used, ended) = self.engine.decode(bytes, |piece| next.write_all(piece))?;
        if ended {
            self.ended = true;
            self.place = if self.wrapper == Wrapper::Gzip {
                Place::Trailer(8)
            } else {
                Place::Done
            };
        }
        Ok(used)
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
                Place::Header(header) => {
                    if !header.step(bytes[at]) {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "not gzip"));
                    }
                    at += 1;
                    if header.part == Part::Done {
                        self.place = Place::Data;
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
                        self.place = Place::Header(Header::START);
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

/// Place in a gzip header (RFC 1952 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// In the ten bytes that every header has; that many were seen.
    Fixed(usize),
    /// Before the length of the extra field, of which the low byte may be known.
    ExtraLen(Option<u8>),
    /// In the extra field, of which that many bytes are left.
    Extra(u16),
    Name,
    Comment,
    /// Before the checksum of the header, of which that many bytes are left.
    Checksum(u8),
    Done,
}

/// A gzip header being read. It takes each byte once and keeps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    part: Part,
    flags: u8,
    seen: usize,
}

impl Header {
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;

    const START: Self = Self {
        part: Part::Fixed(0),
        flags: 0,
        seen: 0,
    };

    /// Takes one byte; false when this is no gzip header, or one too long to wait for.
    fn step(&mut self, byte: u8) -> bool {
        self.seen += 1;
        self.part = match self.part {
            Part::Fixed(at) => {
                if [0x1f, 0x8b, 8].get(at).is_some_and(|want| *want != byte) {
                    return false;
                }
                if at == 3 {
                    self.flags = byte;
                }
                if at < 9 {
                    Part::Fixed(at + 1)
                } else {
                    self.behind(0)
                }
            }
            Part::ExtraLen(None) => Part::ExtraLen(Some(byte)),
            Part::ExtraLen(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.behind(Self::EXTRA),
                len => Part::Extra(len),
            },
            Part::Extra(1) => self.behind(Self::EXTRA),
            Part::Extra(left) => Part::Extra(left - 1),
            Part::Name if byte == 0 => self.behind(Self::NAME),
            Part::Comment if byte == 0 => self.behind(Self::COMMENT),
            Part::Checksum(2..) => Part::Checksum(1),
            Part::Checksum(_) => Part::Done,
            part @ (Part::Name | Part::Comment | Part::Done) => part,
        };
        self.seen < MAX_HEADER || self.part == Part::Done
    }

    /// What follows the part that goes with a flag; zero stands for the fixed part.
    fn behind(&self, flag: u8) -> Part {
        let follows = |next: u8| flag < next && self.flags & next != 0;
        if follows(Self::EXTRA) {
            Part::ExtraLen(None)
        } else if follows(Self::NAME) {
            Part::Name
        } else if follows(Self::COMMENT) {
            Part::Comment
        } else if self.flags & Self::CHECKSUM != 0 {
            Part::Checksum(2)
        } else {
            Part::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gzip file of `text` with these parts in its header; the place behind the header.
    fn gzip(text: &[u8], flags: u8, parts: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut wire = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
        wire.extend(parts.concat());
        let header = wire.len();
        let mut deflate = flate2::write::DeflateEncoder::new(wire, flate2::Compression::fast());
        deflate.write_all(text).unwrap();
        let mut wire = deflate.finish().unwrap();
        wire.extend([0; 8]);
        (wire, header)
    }

    #[test]
    fn gzip_headers_of_any_parts_cut_at_each_byte() {
        let all: [(u8, &[u8]); 4] = [
            (Header::EXTRA, b"\x05\0a\0b\0c"),
            (Header::NAME, b"name.txt\0"),
            (Header::COMMENT, b"\xe9 comment\0"),
            (Header::CHECKSUM, b"\0\x01"),
        ];
        for choice in 0..16u8 {
            let chosen = all.iter().enumerate().filter(|(n, _)| choice & (1 << n) != 0);
            let (mut flags, mut parts) = (0, Vec::new());
            for (_, (flag, part)) in chosen {
                flags |= flag;
                parts.push(*part);
            }
            let (wire, header) = gzip(b"some text", flags, &parts);
            for cut in 0..=header + 1 {
                let mut body = Inflate::new(Wrapper::Gzip, Vec::new(), &mut Pool::default());
                body.write_all(&wire[..cut]).unwrap();
                assert_eq!(
                    matches!(body.place, Place::Header(_)),
                    cut < header,
                    "{flags} at {cut}"
                );
                body.write_all(&wire[cut..]).unwrap();
                assert!(body.ended() && body.next == b"some text", "{flags} at {cut}");
            }
        }
        let (wire, _) = gzip(b"text", Header::EXTRA, &[b"\0\0"]);
        let mut body = Inflate::new(Wrapper::Gzip, Vec::new(), &mut Pool::default());
        body.write_all(&wire).unwrap();
        assert_eq!(body.next, b"text", "an extra field of no bytes");
    }

    #[test]
    fn a_long_name_is_read_once_and_not_kept() {
        let mut header = Header::START;
        for byte in [0x1f, 0x8b, 8, Header::NAME, 0, 0, 0, 0, 0, 255] {
            assert!(header.step(byte));
        }
        for seen in 10..MAX_HEADER - 1 {
            let before = header;
            assert!(header.step(b'n'));
            // One step a byte, and nothing of what came before is looked at.
            assert_eq!(
                header,
                Header {
                    seen: seen + 1,
                    ..before
                }
            );
        }
        assert!(!header.step(b'n'), "too long");
        header.seen -= 1;
        assert!(header.step(0) && header.part == Part::Done);
    }
}
