//! One direction of a TLS connection cut into records (RFC 8446 section 5.1, RFC 5246 section 6.2).
//!
//! Takes any cutting into segments, and remembers of a record's bytes which packet brought them. After a loss it looks for
//! where a record may begin; whether one does is for [`super::session`] to prove, by opening it.

use crate::tcp::stream::Meta;

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Bytes of a header.
pub(super) const HEADER: usize = 5;
/// The longest protected fragment: RFC 8446 section 5.2 allows 256 bytes over the 2^14 of the text, and so it is kept
/// here; RFC 5246 section 6.2.3 allows 2048, of which no suite with authenticated encryption needs more than 24.
pub(super) const MAX_FRAGMENT: usize = (1 << 14) + 256;

/// Packets of one record whose places are remembered; bytes of further ones go with those before.
const MAX_ORIGINS: usize = 64;

/// Whether a record may begin with these bytes, as far as they go.
fn sound(bytes: &[u8]) -> bool {
    match *bytes {
        [kind, ..] if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) => false,
        [_, major, ..] if major != 3 => false,
        [_, _, minor, ..] if minor > 4 => false,
        [_, _, _, high, low, ..] => {
            (1..=MAX_FRAGMENT).contains(&usize::from(u16::from_be_bytes([high, low])))
        }
        _ => true,
    }
}

/// Where in `bytes` behind the first a protected record may begin, after a loss; their length when nowhere.
fn next_sound(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        // What is protected has the version of TLS 1.2 in its header, also in TLS 1.3.
        let protected = bytes.get(at + 2).is_none_or(|minor| *minor == 3);
        if protected && sound(&bytes[at..]) {
            return at;
        }
        at += 1;
    }
    at
}

/// A whole record, or what may be one.
pub(super) struct Record<'a> {
    pub(super) header: [u8; HEADER],
    pub(super) fragment: &'a [u8],
}

/// Whether records follow each other here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The next byte follows the last, and a record begins with the first in the buffer.
    Framed,
    /// A part of a record was lost, of which so many bytes are still to come; then a record begins.
    Damaged { left: usize },
    /// It is not known where a record begins.
    Lost,
    /// Nothing is read any more.
    Closed,
}

/// The records of one direction, and what of the next one has come.
#[derive(Debug)]
pub(super) struct Records {
    buffer: Vec<u8>,
    /// Where in the buffer the bytes of a packet begin.
    origins: Vec<(usize, Meta)>,
    standing: Standing,
    /// Stream offset behind the last byte taken.
    end: u64,
}

/// What a loss did to the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// It lies within one record.
    Within,
    /// Where the next record begins is not known.
    Beyond,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            origins: Vec::new(),
            standing: Standing::Framed,
            end: 0,
        }
    }
}

impl Records {
    /// Bytes of memory it takes beside itself.
    pub(super) fn weight(&self) -> usize {
        self.buffer.capacity() + self.origins.capacity() * size_of::<(usize, Meta)>()
    }

    /// Nothing of this direction is read from here on.
    pub(super) fn close(&mut self) {
        let end = self.end;
        *self = Self {
            standing: Standing::Closed,
            end,
            ..Self::default()
        };
    }

    pub(super) fn is_closed(&self) -> bool {
        self.standing == Standing::Closed
    }

    /// Whether it is being searched for where a record begins.
    pub(super) fn is_lost(&self) -> bool {
        self.standing == Standing::Lost
    }

    /// Takes as many of `bytes` as the next record needs, or those searched; returns how many.
    pub(super) fn take(&mut self, bytes: &[u8], meta: Meta) -> usize {
        let used = match self.standing {
            Standing::Closed => bytes.len(),
            Standing::Damaged { left } => {
                let used = left.min(bytes.len());
                self.standing = match left - used {
                    0 => Standing::Framed,
                    left => Standing::Damaged { left },
                };
                used
            }
            Standing::Framed | Standing::Lost => {
                let needed = self.length().unwrap_or(HEADER);
                let used = needed.saturating_sub(self.buffer.len()).min(bytes.len());
                if used > 0 {
                    self.note(meta);
                    self.buffer.extend_from_slice(&bytes[..used]);
                }
                used
            }
        };
        self.end = meta.offset + used as u64;
        used
    }

    fn note(&mut self, meta: Meta) {
        let at = self.buffer.len();
        let full = self.origins.len() >= MAX_ORIGINS;
        let goes_on = |(from, last): &(usize, Meta)| {
            (last.ts, last.frame, last.offset + (at - from) as u64) == (meta.ts, meta.frame, meta.offset)
        };
        match self.origins.last_mut() {
            // More of the same packet.
            Some(last) if goes_on(last) => {}
            Some(last) if full => *last = (at, meta),
            _ => self.origins.push((at, meta)),
        }
    }

    /// The length with header of the record that begins the buffer, once the header is there.
    fn length(&self) -> Option<usize> {
        let &[_, _, _, high, low] = self.buffer.first_chunk::<HEADER>()?;
        Some(HEADER + usize::from(u16::from_be_bytes([high, low])))
    }

    /// The record that has come whole, or while lost what may be one. `Err` when no record can begin here although one
    /// should.
    pub(super) fn whole(&self) -> Result<Option<Record<'_>>, ()> {
        if !matches!(self.standing, Standing::Framed | Standing::Lost) {
            return Ok(None);
        }
        if !sound(&self.buffer) {
            return Err(());
        }
        let Some(record) = self.length().and_then(|length| self.buffer.get(..length)) else {
            return Ok(None);
        };
        let Some((header, fragment)) = record.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        Ok(Some(Record {
            header: *header,
            fragment,
        }))
    }

    /// The record given out by [`Self::whole`] is done with; another one follows.
    pub(super) fn done(&mut self) {
        let used = self.length().unwrap_or(0);
        self.drop_front(used);
        self.standing = Standing::Framed;
    }

    /// No record begins with the first byte: goes on to the next place where one may.
    pub(super) fn not_here(&mut self) {
        self.standing = Standing::Lost;
        let next = next_sound(&self.buffer);
        self.drop_front(next);
    }

    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.buffer.len());
        if count == self.buffer.len() {
            self.buffer.clear();
            self.origins.clear();
            return;
        }
        self.buffer.drain(..count);
        let of_first = self
            .origins
            .iter()
            .rposition(|(from, _)| *from <= count)
            .unwrap_or(0);
        self.origins.drain(..of_first);
        for (from, meta) in &mut self.origins {
            if *from < count {
                meta.offset += (count - *from) as u64;
            }
            *from = from.saturating_sub(count);
        }
    }

    /// Stream offset behind the last byte taken or lost.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Stream offset of the first byte that waits; behind the last one when none does.
    pub(super) fn start(&self) -> u64 {
        self.end - self.buffer.len() as u64
    }

    /// The next `len` bytes were never seen.
    pub(super) fn gap(&mut self, len: u64) -> Option<Loss> {
        self.end += len;
        let loss = match self.standing {
            Standing::Closed => return None,
            Standing::Framed if self.buffer.len() >= HEADER => {
                let left = self.length().unwrap_or(0).saturating_sub(self.buffer.len());
                self.within(left, len)
            }
            Standing::Damaged { left } => self.within(left, len),
            Standing::Framed | Standing::Lost => Loss::Beyond,
        };
        self.buffer.clear();
        self.origins.clear();
        if loss == Loss::Beyond {
            self.standing = Standing::Lost;
        }
        Some(loss)
    }

    fn within(&mut self, left: usize, len: u64) -> Loss {
        match usize::try_from(len).ok().and_then(|len| left.checked_sub(len)) {
            Some(0) => self.standing = Standing::Framed,
            Some(left) => self.standing = Standing::Damaged { left },
            None => return Loss::Beyond,
        }
        Loss::Within
    }

    /// The packets that brought the record being read, each with the place in the record from which its bytes are.
    pub(super) fn origins(&self) -> &[(usize, Meta)] {
        &self.origins
    }
}
