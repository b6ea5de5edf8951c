//! Messages of gRPC: the content of a request or response in, messages out as they end.
//!
//! Each message has a prefix of five bytes, whether it is compressed and how long it is ("gRPC over HTTP2",
//! Length-Prefixed-Message). gRPC-Web has the same, with the trailers in a frame of their own at the end, and its text form
//! is base64 of that (`PROTOCOL-WEB.md` of gRPC).
//!
//! Takes content in pieces of any length. Bytes lost within a message damage that one and nothing else. Any other loss, and
//! what is no prefix, ends in a search: a prefix is not much to go by, so messages are believed again only where a row of them
//! ends with a frame of the sender.

use std::io::{self, Write};

use crate::exchange::{FieldSpan, Flags, Head};
use crate::http1::body::{ALLOWANCE_STEP, EXPANSION, FREE_EXPANSION};
use crate::http1::inflate::{Inflate, Pool, Wrapper};
use crate::limits::Limits;
use crate::part::{self, Direction, Part, PartKind, Stamp};

/// Whether it is compressed, and its length.
const PREFIX: usize = 5;

/// In the first byte of a prefix: the payload is compressed.
const COMPRESSED: u8 = 1;

/// In the first byte of a prefix of gRPC-Web: the payload is trailers.
const TRAILERS: u8 = 0x80;

/// Bytes kept of the trailers of gRPC-Web.
const MAX_TRAILERS: usize = 8 << 10;

/// Messages with a payload that have to follow each other, and the last of them end with a frame, before framing is
/// believed again after a loss.
const ROW: u32 = 3;

/// The longest message that is believed in such a row; receivers refuse more than 4 MiB unless told otherwise.
const MAX_IN_ROW: u32 = 16 << 20;

/// What a decoder with its window and its output takes.
const INFLATE: usize = 64 << 10;

/// Text decoded in one go.
const PIECE: usize = 1024;

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

/// The search for framing: from the beginning of a frame of the sender, messages are followed as if they were some.
#[derive(Default)]
struct Search {
    /// What is left of the sender's frame.
    frame: u32,
    walk: Walk,
    /// Messages with a payload that followed each other.
    row: u32,
}

#[derive(Default)]
enum Walk {
    /// Waiting for the beginning of a frame.
    #[default]
    Nowhere,
    Prefix {
        buf: [u8; PREFIX],
        len: usize,
    },
    Payload(u32),
}

impl Walk {
    const START: Self = Self::Prefix {
        buf: [0; PREFIX],
        len: 0,
    };
}

impl Search {
    /// A frame of the sender begins.
    fn frame(&mut self, len: u32) {
        self.frame = len;
        if matches!(self.walk, Walk::Nowhere) {
            self.walk = Walk::START;
            self.row = 0;
        }
    }

    /// Takes some of `bytes` and tells how many, and whether framing is found behind them.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        let used = match &mut self.walk {
            Walk::Nowhere => bytes.len(),
            Walk::Prefix { buf, len } => {
                let take = (PREFIX - *len).min(bytes.len());
                buf[*len..*len + take].copy_from_slice(&bytes[..take]);
                *len += take;
                if *len == PREFIX {
                    let [flags, length @ ..] = *buf;
                    self.walk = match u32::from_be_bytes(length) {
                        _ if flags & !COMPRESSED != 0 => Walk::Nowhere,
                        0 => Walk::START,
                        length if length > MAX_IN_ROW => Walk::Nowhere,
                        length => Walk::Payload(length),
                    };
                }
                take
            }
            Walk::Payload(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= take as u32;
                if *left == 0 {
                    self.row += 1;
                    self.walk = Walk::START;
                }
                take
            }
        };
        self.frame = self.frame.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        let at_start = matches!(self.walk, Walk::Prefix { len: 0, .. });
        (used, at_start && self.frame == 0 && self.row >= ROW)
    }
}

/// base64 (RFC 4648 section 4); what was padded may be followed by more, as each piece is encoded by itself.
#[derive(Debug, Default)]
struct Base64 {
    bits: u32,
    digits: u8,
    padding: u8,
}

impl Base64 {
    /// Takes one character; gives the bytes that are whole with it, or none when it may not come here.
    fn step(&mut self, byte: u8) -> Option<([u8; 3], usize)> {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if self.digits >= 2 => {
                self.padding += 1;
                0
            }
            _ => return None,
        };
        if byte != b'=' && self.padding > 0 {
            return None;
        }
        self.bits = self.bits << 6 | u32::from(digit);
        self.digits += 1;
        if self.digits < 4 {
            return Some(([0; 3], 0));
        }
        let [_, bytes @ ..] = self.bits.to_be_bytes();
        let len = 3 - usize::from(self.padding);
        *self = Self::default();
        Some((bytes, len))
    }
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
    trailers: Vec<u8>,
    /// What the next message has to tell of what lies before it.
    owed: Flags,
    number: u64,
    content_bytes: u64,
    given: u64,
    dropped: u64,
    unframed: u64,
    opaque: u64,
    over_limit: u64,
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
            trailers: Vec::new(),
            owed: Flags::empty(),
            number: 0,
            content_bytes: 0,
            given: 0,
            dropped: 0,
            unframed: 0,
            opaque: 0,
            over_limit: 0,
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
        size_of::<Self>() + message + self.trailers.capacity() + self.out.capacity() * size_of::<Part>()
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
        for piece in bytes.chunks(PIECE) {
            // Each character gives less than a byte, and those before it at most two.
            let (mut clear, mut len) = ([0; PIECE + 3], 0);
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
                        let room = MAX_TRAILERS.saturating_sub(self.trailers.len());
                        if readable {
                            self.trailers.extend_from_slice(&bytes[..take.min(room)]);
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
            self.trailers.clear();
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
                        self.trailers = Vec::new();
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
            unframed: self.unframed,
        }
    }

    /// The trailers of gRPC-Web: lines as HTTP/1 has them, names in lower case.
    pub(crate) fn trailers(&mut self) -> Head {
        let whole = !matches!(
            self.place,
            Place::Payload {
                target: Target::Trailers { .. },
                ..
            }
        );
        let lines = std::mem::take(&mut self.trailers);
        let mut head = Head::default();
        // Of lines cut off at the limit the last one is not known.
        let end = if whole && lines.len() < MAX_TRAILERS {
            lines.len()
        } else {
            memchr::memrchr(b'\n', &lines).unwrap_or(0)
        };
        for line in lines[..end].split(|b| *b == b'\n') {
            let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|l| l.split_once(':')) else {
                continue;
            };
            let mut put = |text: &str| {
                let from = head.text.len() as u32;
                head.text.push_str(text);
                (from, head.text.len() as u32)
            };
            let (name, value) = (put(name.trim()), put(value.trim()));
            head.fields.push(FieldSpan { name, value });
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![flags];
        out.extend((payload.len() as u32).to_be_bytes());
        out.extend(payload);
        out
    }

    /// What is done to a reader.
    enum Do<'a> {
        Push(&'a [u8]),
        Frame(&'a [u8]),
        Gap(Option<u64>),
    }

    fn read(form: Form, encoding: Option<&str>, all: &[Do<'_>]) -> (Messages, Vec<Part>) {
        let mut messages = Messages::new(Direction::ToClient, form, encoding);
        let (limits, mut pool, mut room) = (Limits::default(), Pool::default(), 1 << 20);
        let mut out = Vec::new();
        for one in all {
            let mut cx = Context {
                limits: &limits,
                pool: &mut pool,
                room: &mut room,
            };
            match one {
                Do::Push(bytes) => messages.push(bytes, &mut cx),
                Do::Frame(bytes) => {
                    messages.frame(bytes.len() as u32);
                    messages.push(bytes, &mut cx);
                }
                Do::Gap(len) => messages.gap(*len, &mut cx),
            }
            out.extend(messages.take());
        }
        let mut cx = Context {
            limits: &limits,
            pool: &mut pool,
            room: &mut room,
        };
        messages.end(&mut cx);
        out.extend(messages.take());
        assert_eq!(room, 1 << 20, "what was kept is given back");
        (messages, out)
    }

    fn lines(parts: &[Part]) -> Vec<String> {
        let line = |part: &Part| {
            let PartKind::Message { compressed } = part.kind else {
                panic!("{:?}", part.kind)
            };
            let flags: Vec<_> = part.flags.names().collect();
            let text = format!(
                "{}{} {}/{}{} {} {}",
                part.number,
                if compressed { "c" } else { "" },
                part.bytes,
                part.content_bytes,
                if part.complete { "" } else { "~" },
                String::from_utf8_lossy(&part.body),
                flags.join(",")
            );
            text.trim_end().to_owned()
        };
        parts.iter().map(line).collect()
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    #[test]
    fn media_types() {
        for (kind, want) in [
            ("application/grpc", Some(Form::Grpc)),
            ("Application/GRPC+proto", Some(Form::Grpc)),
            ("application/grpc;charset=utf-8", Some(Form::Grpc)),
            ("application/grpc-web+proto", Some(Form::Web)),
            ("application/grpc-web-text", Some(Form::WebText)),
            ("application/grpc-web-text+proto; a=b", Some(Form::WebText)),
            ("application/grpcx", None),
            ("application/grpc-websocket", None),
            ("application/json", None),
            ("text/plain", None),
        ] {
            assert_eq!(Form::of(kind), want, "{kind}");
        }
    }

    #[test]
    fn messages_read_the_same_wherever_they_are_cut() {
        let check = |name: &str, form: Form, encoding: Option<&str>, wire: &[u8], want: &[&str]| {
            let (_, whole) = read(form, encoding, &[Do::Push(wire)]);
            assert_eq!(lines(&whole), want, "{name}");
            for cut in 0..=wire.len() {
                let (head, tail) = wire.split_at(cut);
                let (_, parts) = read(form, encoding, &[Do::Push(head), Do::Push(tail)]);
                assert_eq!(parts, whole, "{name}, cut at {cut}");
            }
        };
        let mixed = [
            message(0, b"one"),
            message(0, b""),
            message(1, &gzip(b"two two two two")),
            message(0, b"three"),
        ]
        .concat();
        check(
            "gzip",
            Form::Grpc,
            Some("gzip"),
            &mixed,
            &["0 3/3 one", "1 0/0", "2c 26/15 two two two two", "3 5/5 three"],
        );
        check(
            "compressed with what is not known",
            Form::Grpc,
            Some("snappy"),
            &mixed,
            &["0 3/3 one", "1 0/0", "2c 26/26  opaque", "3 5/5 three"],
        );
        check(
            "compressed, and no compression",
            Form::Grpc,
            Some("gzip"),
            &[message(1, b"plain"), message(1, b""), message(0, b"ok")].concat(),
            &["0c 5/5  opaque", "1c 0/0", "2 2/2 ok"],
        );
        check(
            "one that is not ended",
            Form::Grpc,
            None,
            &[message(0, b"a"), message(0, b"bcdef")[..7].to_vec()].concat(),
            &["0 1/1 a", "1 2/2~ bc truncated"],
        );
        check(
            "a prefix that is none",
            Form::Grpc,
            None,
            &[message(0, b"a"), message(7, b"x"), message(0, b"b")].concat(),
            &["0 1/1 a"],
        );
        // PROTOCOL-WEB.md: each piece is encoded by itself, with its own padding.
        check(
            "base64",
            Form::WebText,
            None,
            b"AAAAAAJoaQ==AAAAAAF4gAAAAA9ncnBjLXN0YXR1czogMA0K",
            &["0 2/2 hi", "1 1/1 x"],
        );
        check(
            "what is no base64",
            Form::WebText,
            None,
            b"AAAAAAJoaQ==AAAA!AAF4",
            &["0 2/2 hi"],
        );
    }

    #[test]
    fn trailers_of_grpc_web() {
        let wire = [
            message(0, b"hi"),
            message(0x80, b"grpc-status:5\r\ngrpc-message: not found\r\n"),
        ]
        .concat();
        let (mut messages, parts) = read(Form::Web, None, &[Do::Push(&wire)]);
        assert_eq!(lines(&parts), ["0 2/2 hi"]);
        let trailers = messages.trailers();
        assert_eq!(trailers.field("grpc-status"), Some("5"));
        assert_eq!(trailers.field("grpc-message"), Some("not found"));
        // Cut off: what is not whole is not read.
        let (mut messages, _) = read(Form::Web, None, &[Do::Push(&wire[..wire.len() - 8])]);
        let trailers = messages.trailers();
        assert_eq!(trailers.field("grpc-status"), Some("5"));
        assert_eq!(trailers.field("grpc-message"), None);
        // No such frame belongs in gRPC itself.
        let (messages, _) = read(Form::Grpc, None, &[Do::Push(&wire)]);
        assert_eq!(messages.counts().unframed, 5 + 40);
        let mut long = message(0x80, &[b'x'; 20_000]);
        long[5..20].copy_from_slice(b"grpc-status:7\r\n");
        let (mut messages, _) = read(Form::Web, None, &[Do::Push(&long)]);
        assert!(messages.weight() < 32 << 10);
        assert_eq!(
            messages.trailers().fields().collect::<Vec<_>>(),
            [("grpc-status", "7")]
        );
    }

    #[test]
    fn a_loss_in_a_message_damages_that_one() {
        let (one, two) = (message(0, b"0123456789"), message(0, b"next"));
        let (_, parts) = read(
            Form::Grpc,
            None,
            &[
                Do::Push(&one[..8]),
                Do::Gap(Some(3)),
                Do::Push(&one[11..]),
                Do::Push(&two),
            ],
        );
        assert_eq!(lines(&parts), ["0 7/7~ 012 gap", "1 4/4 next"]);
        // To its very end, and beyond.
        let (_, parts) = read(
            Form::Grpc,
            None,
            &[Do::Push(&one[..8]), Do::Gap(Some(7)), Do::Push(&two)],
        );
        assert_eq!(lines(&parts), ["0 3/3~ 012 gap", "1 4/4 next"]);
        let (messages, parts) = read(
            Form::Grpc,
            None,
            &[Do::Push(&one[..8]), Do::Gap(Some(8)), Do::Push(&two[1..])],
        );
        assert_eq!(lines(&parts), ["0 3/3~ 012 gap"]);
        assert_eq!(messages.counts().unframed, 8);
        let packed = message(1, &gzip(b"some text"));
        let (_, parts) = read(
            Form::Grpc,
            Some("gzip"),
            &[
                Do::Push(&packed[..7]),
                Do::Gap(Some(2)),
                Do::Push(&packed[9..]),
                Do::Push(&packed),
            ],
        );
        assert_eq!(lines(&parts), ["0c 27/0~  gap", "1c 29/9 some text"]);
    }

    #[test]
    fn framing_is_believed_again_where_a_row_of_messages_ends_with_a_frame() {
        let one = |n: u8| message(0, &[b'a' + n; 20]);
        let all: Vec<Vec<u8>> = (0..6).map(one).collect();
        // A message a frame: three of them are the evidence.
        let mut steps = vec![Do::Push(&all[0]), Do::Gap(None), Do::Push(b"st of one")];
        steps.extend(all[1..].iter().map(|m| Do::Frame(m)));
        let (_, parts) = read(Form::Grpc, None, &steps);
        assert_eq!(
            lines(&parts),
            [
                "0 20/20 aaaaaaaaaaaaaaaaaaaa",
                "1 20/20 eeeeeeeeeeeeeeeeeeee gap",
                "2 20/20 ffffffffffffffffffff"
            ]
        );
        // Over frames, and several in one.
        let joined = all[1..4].concat();
        let last = all[4..].concat();
        let steps = [
            Do::Gap(None),
            Do::Frame(&joined[..30]),
            Do::Frame(&joined[30..]),
            Do::Frame(&last),
        ];
        let (_, parts) = read(Form::Grpc, None, &steps);
        assert_eq!(parts.len(), 2);
        // Where nothing says where frames begin, or they do not end with a message.
        let (messages, parts) = read(Form::Grpc, None, &[Do::Gap(None), Do::Push(&all.concat())]);
        assert_eq!((parts.len(), messages.counts().unframed), (0, 150));
        let (_, parts) = read(
            Form::Grpc,
            None,
            &[Do::Gap(None), Do::Frame(&all.concat()[..149])],
        );
        assert!(parts.is_empty());
        // Zeros are no messages.
        let (_, parts) = read(
            Form::Grpc,
            None,
            &[Do::Gap(None), Do::Frame(&[0; 500]), Do::Frame(&[0; 500])],
        );
        assert!(parts.is_empty());
    }

    #[test]
    fn many_small_bombs_are_one_large_one() {
        let bomb = message(1, &gzip(&vec![0; 1 << 20]));
        let wire = bomb.repeat(20);
        for step in [1000, usize::MAX] {
            let steps: Vec<_> = wire.chunks(step).map(Do::Push).collect();
            let (messages, parts) = read(Form::Grpc, Some("gzip"), &steps);
            let unpacked: u64 = parts.iter().map(|p| p.content_bytes).sum();
            assert!(unpacked < (2 << 20) + 128 * wire.len() as u64 + (1 << 20));
            assert_eq!(parts.len(), 20);
            let counts = messages.counts();
            assert!(
                counts.over_limit > 5 && counts.opaque == counts.over_limit,
                "{counts:?}"
            );
            // What follows is read all the same.
            let mut steps = steps;
            let behind = message(0, b"behind");
            steps.push(Do::Push(&behind));
            let (_, parts) = read(Form::Grpc, Some("gzip"), &steps);
            assert_eq!(parts[20].body, b"behind");
        }
    }

    #[test]
    fn messages_of_nothing_are_counted_and_not_all_given_out() {
        let wire = message(0, b"").repeat(20_000);
        for step in [7, usize::MAX] {
            let steps: Vec<_> = wire.chunks(step).map(Do::Push).collect();
            let (messages, parts) = read(Form::Grpc, None, &steps);
            let counts = messages.counts();
            assert_eq!((counts.messages, counts.given), (20_000, parts.len() as u64));
            assert_eq!(counts.given + counts.dropped, 20_000);
            assert!((4096..4096 + 100_000 / 16 + 10).contains(&parts.len()));
        }
    }
}
