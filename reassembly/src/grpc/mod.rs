//! Messages of gRPC: the content of a request or response in, messages out as they end.
//!
//! Each message has a prefix of five bytes, whether it is compressed and how long it is ("gRPC over HTTP2",
//! Length-Prefixed-Message). [`web`] knows what gRPC-Web adds to that.
//!
//! Takes content in pieces of any length. Bytes lost within a message damage that one and nothing else. Any other loss, and
//! what is no prefix, ends in a [`search`].

mod search;
#[cfg(test)]
mod tests;
mod web;

use std::io::{self, Write};

use crate::exchange::{Flags, Head};
use crate::http1::body::{ALLOWANCE_STEP, EXPANSION, FREE_EXPANSION, is_extreme};
use crate::http1::inflate::{Inflate, Pool, Wrapper};
use crate::limits::Limits;
use crate::part::{self, Direction, Part, PartKind, Stamp};

use search::Search;
use web::{Base64, Trailers};

/// Whether it is compressed, and its length.
const PREFIX: usize = 5;

/// In the first byte of a prefix: the payload is compressed.
const COMPRESSED: u8 = 1;

/// In the first byte of a prefix of gRPC-Web: the payload is trailers.
const TRAILERS: u8 = 0x80;

/// What a decoder with its window and its output takes.
const INFLATE: usize = 64 << 10;

/// How the content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/grpc`.
    Grpc,
    /// `application/grpc-web`.
    Web,
    /// `application/grpc-web-text`.
    WebText,
}

impl Form {
    /// The form that a media type stands for, with or without the format of messages behind it.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        const GRPC: &str = "application/grpc";
        let (start, rest) = content_type.split_at_checked(GRPC.len())?;
        if !start.eq_ignore_ascii_case(GRPC) {
            return None;
        }
        let rest = rest.split(['+', ';', ' ', '\t']).next().unwrap_or("");
        if rest.is_empty() {
            Some(Self::Grpc)
        } else if rest.eq_ignore_ascii_case("-web") {
            Some(Self::Web)
        } else if rest.eq_ignore_ascii_case("-web-text") {
            Some(Self::WebText)
        } else {
            None
        }
    }
}

/// What compressed messages are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Inflate(Wrapper),
    /// None was named, or one that is not undone.
    Other,
}

/// What reading needs from outside.
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    /// Decoders that wait for work.
    pub(crate) pool: &'a mut Pool,
    /// Body bytes that may still be kept.
    pub(crate) room: &'a mut usize,
}

/// What comes out of a decoder: counted, and the first bytes kept.
struct Sink {
    made: u64,
    most: u64,
    kept: Vec<u8>,
    keep: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.made += bytes.len() as u64;
        if self.made > self.most {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let len = self.keep.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..len]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message being read.
struct Unfinished {
    first: Stamp,
    last: Stamp,
    compressed: bool,
    bytes: u64,
    content_bytes: u64,
    /// Bytes of it were lost.
    damaged: bool,
    flags: Flags,
    body: Vec<u8>,
    inflate: Option<Box<Inflate<Sink>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Message,
    Trailers {
        /// They are not compressed, and nothing of them was lost.
        readable: bool,
    },
}

enum Place {
    /// In a prefix, of which that many bytes were seen.
    Prefix {
        buf: [u8; PREFIX],
        len: usize,
    },
    Payload {
        target: Target,
        left: u32,
    },
    /// Framing was lost.
    Search(Search),
}

impl Place {
    const START: Self = Self::Prefix {
        buf: [0; PREFIX],
        len: 0,
    };
}

/// The messages of one request or response.
pub(crate) struct Messages {
    direction: Direction,
    form: Form,
    coding: Coding,
    text: Base64,
    place: Place,
    /// Where the prefix being read began.
    first: Stamp,
    message: Option<Box<Unfinished>>,
    trailers: Trailers,
    /// What the next message has to tell of what lies before it.
    owed: Flags,
    number: u64,
    content_bytes: u64,
    given: u64,
    dropped: u64,
    unframed: u64,
    opaque: u64,
    over_limit: u64,
    extreme: u64,
    /// Bytes read or lost so far.
    wire: u64,
    /// Compressed bytes, and what came out of them. Counted over all messages, for many small bombs are one large one.
    taken: u64,
    made: u64,
    out: Vec<Part>,
    /// Where the bytes pushed next come from.
    pub(crate) stamp: Stamp,
}

/// What became of the messages of a request or response.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// All of them, and their bytes after decompression.
    pub(crate) messages: u64,
    pub(crate) content_bytes: u64,
    /// Those given out by themselves, and those that were too many.
    pub(crate) given: u64,
    pub(crate) dropped: u64,
    pub(crate) opaque: u64,
    pub(crate) over_limit: u64,
    pub(crate) extreme: u64,
    /// Bytes in which no message could be found.
    pub(crate) unframed: u64,
}

impl Messages {
    /// The messages of a request or response in this form, compressed as its `grpc-encoding` field says.
    pub(crate) fn new(direction: Direction, form: Form, encoding: Option<&str>) -> Self {
        let is = |name: &str| encoding.is_some_and(|e| e.eq_ignore_ascii_case(name));
        let coding = if is("gzip") {
            Coding::Inflate(Wrapper::Gzip)
        } else if is("deflate") {
            Coding::Inflate(Wrapper::Deflate)
        } else {
            Coding::Other
        };
        Self {
            direction,
            form,
            coding,
            text: Base64::default(),
            place: Place::START,
            first: Stamp::default(),
            message: None,
            trailers: Trailers::default(),
            owed: Flags::empty(),
            number: 0,
            content_bytes: 0,
            given: 0,
            dropped: 0,
            unframed: 0,
            opaque: 0,
            over_limit: 0,
            extreme: 0,
            wire: 0,
            taken: 0,
            made: 0,
            out: Vec::new(),
            stamp: Stamp::default(),
        }
    }

    /// Bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| {
            let inflate = message.inflate.as_ref();
            let inflate = inflate.map_or(0, |inflate| INFLATE + inflate.next.kept.capacity());
            size_of::<Unfinished>() + message.body.capacity() + inflate
        });
        size_of::<Self>() + message + self.trailers.weight() + self.out.capacity() * size_of::<Part>()
    }

    /// The messages that ended since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.out)
    }

    /// The sender begins a frame of so many bytes here.
    pub(crate) fn frame(&mut self, len: u32) {
        if let Place::Search(search) = &mut self.place {
            search.frame(len);
        }
    }

    /// Takes the next bytes of the content.
    pub(crate) fn push(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        if self.form != Form::WebText {
            self.clear(bytes, cx);
            return;
        }
        for piece in bytes.chunks(web::PIECE) {
            // Each character gives less than a byte, and those before it at most two.
            let (mut clear, mut len) = ([0; web::PIECE + 3], 0);
            for byte in piece {
                let Some((bytes, count)) = self.text.step(*byte) else {
                    self.clear(&clear[..len], cx);
                    self.lose(Flags::AMBIGUOUS, cx);
                    len = 0;
                    self.text = Base64::default();
                    continue;
                };
                clear[len..len + count].copy_from_slice(&bytes[..count]);
                len += count;
            }
            self.clear(&clear[..len], cx);
        }
    }

    /// Takes content that is not text.
    fn clear(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = self.step(rest, cx);
            rest = &rest[used..];
        }
    }

    /// Takes some of `bytes` and tells how many.
    fn step(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> usize {
        let used = match &mut self.place {
            Place::Search(search) => {
                let (used, found) = search.step(bytes);
                self.unframed += used as u64;
                if found {
                    self.place = Place::START;
                }
                used
            }
            Place::Prefix { buf, len } => {
                if *len == 0 {
                    self.first = self.stamp;
                }
                let take = (PREFIX - *len).min(bytes.len());
                buf[*len..*len + take].copy_from_slice(&bytes[..take]);
                *len += take;
                if *len < PREFIX {
                    self.wire += take as u64;
                    return take;
                }
                let [flags, length @ ..] = *buf;
                let known = match self.form {
                    Form::Grpc => COMPRESSED,
                    Form::Web | Form::WebText => COMPRESSED | TRAILERS,
                };
                self.wire += take as u64;
                if flags & !known == 0 {
                    self.begin(flags, u32::from_be_bytes(length));
                    self.end_if_over(cx);
                } else {
                    // No message begins so.
                    self.unframed += PREFIX as u64;
                    self.lose(Flags::AMBIGUOUS, cx);
                }
                return take;
            }
            Place::Payload { target, left } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= take as u32;
                let target = *target;
                self.wire += take as u64;
                match target {
                    Target::Message => self.payload(&bytes[..take], cx),
                    Target::Trailers { readable } => {
                        if readable {
                            self.trailers.push(&bytes[..take]);
                        }
                    }
                }
                self.end_if_over(cx);
                return take;
            }
        };
        self.wire += used as u64;
        used
    }

    /// A prefix was read.
    fn begin(&mut self, flags: u8, length: u32) {
        let compressed = flags & COMPRESSED != 0;
        if flags & TRAILERS != 0 {
            self.trailers = Trailers::default();
            let target = Target::Trailers {
                readable: !compressed,
            };
            self.place = Place::Payload { target, left: length };
            return;
        }
        self.place = Place::Payload {
            target: Target::Message,
            left: length,
        };
        let mut flags = std::mem::take(&mut self.owed);
        if compressed && self.coding == Coding::Other && length > 0 {
            flags.insert(Flags::OPAQUE);
        }
        self.message = Some(Box::new(Unfinished {
            first: self.first,
            last: self.stamp,
            compressed,
            bytes: 0,
            content_bytes: 0,
            damaged: false,
            flags,
            body: Vec::new(),
            inflate: None,
        }));
    }

    fn payload(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        let Some(message) = &mut self.message else { return };
        message.bytes += bytes.len() as u64;
        message.last = self.stamp;
        if message.flags.contains(Flags::OPAQUE) {
            self.taken += if message.compressed { bytes.len() as u64 } else { 0 };
            return;
        }
        if message.compressed {
            if !message.damaged {
                self.decompress(bytes, cx);
            }
            return;
        }
        message.content_bytes += bytes.len() as u64;
        if !message.damaged {
            part::keep(&mut message.body, bytes, cx.limits, cx.room);
        }
    }

    fn decompress(&mut self, mut bytes: &[u8], cx: &mut Context<'_>) {
        let (Some(message), Coding::Inflate(wrapper)) = (&mut self.message, self.coding) else {
            return;
        };
        let inflate = message.inflate.get_or_insert_with(|| {
            let sink = Sink {
                made: 0,
                most: 0,
                kept: Vec::new(),
                keep: 0,
            };
            Box::new(Inflate::new(wrapper, sink, cx.pool))
        });
        // The allowance grows with what was sent, in steps that do not depend on how it was cut.
        while !bytes.is_empty() {
            let step = self.taken - self.taken % ALLOWANCE_STEP;
            let allowed = FREE_EXPANSION + EXPANSION * step;
            let len = usize::try_from(step + ALLOWANCE_STEP - self.taken)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let sink = &mut inflate.next;
            let (made, kept) = (sink.made, sink.kept.len());
            sink.most = cx.limits.decoded.min(made + allowed.saturating_sub(self.made));
            sink.keep = cx.limits.body_capture.min(kept + *cx.room);
            let done = inflate.write_all(&bytes[..len]);
            let sink = &mut inflate.next;
            *cx.room -= sink.kept.len() - kept;
            let over = sink.made > sink.most;
            // How far beyond the limit depends on how much came out at once.
            self.made += sink.made.min(sink.most) - made;
            if done.is_err() {
                // All of it was sent, though how much of it was read depends on the cuts.
                self.taken += bytes.len() as u64;
                self.give_up(over, cx);
                return;
            }
            self.taken += len as u64;
            bytes = &bytes[len..];
        }
    }

    /// What could not be decompressed to its end is not shown: how far it went before that was noticed says nothing.
    fn give_up(&mut self, over: bool, cx: &mut Context<'_>) {
        self.opaque += 1;
        self.over_limit += u64::from(over);
        let Some(message) = &mut self.message else { return };
        if over {
            message.flags.insert(Flags::TRUNCATED);
        }
        message.flags.insert(Flags::OPAQUE);
        if let Some(inflate) = message.inflate.take() {
            *cx.room += inflate.release(cx.pool).kept.len();
        }
    }

    /// Ends the message when nothing of it is left.
    fn end_if_over(&mut self, cx: &mut Context<'_>) {
        let Place::Payload { target, left: 0 } = self.place else {
            return;
        };
        self.place = Place::START;
        if target == Target::Message {
            let is_whole = |m: &Unfinished| m.inflate.as_ref().is_none_or(|inflate| inflate.ended());
            if self.message.as_ref().is_some_and(|m| !m.damaged && !is_whole(m)) {
                self.give_up(false, cx);
            }
            self.give(true, cx);
        }
    }

    /// Gives out what was read of a message.
    fn give(&mut self, ended: bool, cx: &mut Context<'_>) {
        let Some(message) = self.message.take() else {
            return;
        };
        let Unfinished {
            first,
            last,
            compressed,
            bytes,
            mut content_bytes,
            damaged,
            mut flags,
            mut body,
            inflate,
        } = *message;
        if let Some(inflate) = inflate {
            let sink = inflate.release(cx.pool);
            (content_bytes, body) = (sink.made, sink.kept);
        }
        *cx.room += body.len();
        let whole = ended && !damaged;
        if !whole {
            flags.insert(if damaged { Flags::GAP } else { Flags::TRUNCATED });
        }
        if flags.contains(Flags::OPAQUE) {
            content_bytes = bytes;
        }
        self.extreme += u64::from(is_extreme(bytes, content_bytes));
        let number = self.number;
        self.number += 1;
        self.content_bytes += content_bytes;
        if !part::is_allowed(number, self.wire) {
            self.dropped += 1;
            return;
        }
        self.given += 1;
        self.out.push(Part {
            direction: self.direction,
            number,
            kind: PartKind::Message { compressed },
            ts: first.ts,
            last: last.ts,
            frames: (first.frame, last.frame),
            bytes,
            content_bytes,
            complete: whole,
            flags,
            body,
        });
    }

    /// Framing is lost; what was being read is given out as it is.
    fn lose(&mut self, why: Flags, cx: &mut Context<'_>) {
        if let Some(message) = &mut self.message {
            message.damaged = why == Flags::GAP;
            message.flags.insert(why);
        }
        self.give(false, cx);
        self.place = Place::Search(Search::default());
        self.owed.insert(why);
    }

    /// Content was lost: so many bytes, where that is known.
    pub(crate) fn gap(&mut self, len: Option<u64>, cx: &mut Context<'_>) {
        self.wire = self.wire.saturating_add(len.unwrap_or(0));
        match (&mut self.place, len) {
            (Place::Payload { target, left }, Some(len))
                if len <= u64::from(*left) && self.form != Form::WebText =>
            {
                *left -= u32::try_from(len).unwrap_or(*left);
                match target {
                    Target::Trailers { readable } => {
                        *readable = false;
                        self.trailers = Trailers::default();
                    }
                    Target::Message => {
                        if let Some(message) = &mut self.message {
                            // What comes behind the gap does not belong behind what was kept.
                            message.damaged = true;
                        }
                    }
                }
                self.end_if_over(cx);
            }
            _ => self.lose(Flags::GAP, cx),
        }
    }

    /// The request or response is over. Gives out what was read of a message that was not.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>) {
        self.give(false, cx);
    }

    /// What became of its messages.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            messages: self.number,
            content_bytes: self.content_bytes,
            given: self.given,
            dropped: self.dropped,
            opaque: self.opaque,
            over_limit: self.over_limit,
            extreme: self.extreme,
            unframed: self.unframed,
        }
    }

    /// The trailers of gRPC-Web, as far as they are there.
    pub(crate) fn trailers(&mut self) -> Head {
        let within = matches!(
            self.place,
            Place::Payload {
                target: Target::Trailers { .. },
                ..
            }
        );
        std::mem::take(&mut self.trailers).into_head(!within)
    }
}
