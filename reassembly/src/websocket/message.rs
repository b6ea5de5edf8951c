//! One direction: frames in, messages out (RFC 6455 sections 5.4 to 5.6).
//!
//! Knows which frame is being read and which message it belongs to. While nothing is lost, frames follow each other, and
//! what breaks the rules in form only is read as a tolerant receiver would. Bytes lost within the payload of a frame damage
//! its message and nothing else; any other loss, and what is no frame at all, ends in a search for the next one.

use crate::exchange::Flags;
use crate::http1::body::is_extreme;
use crate::part::{self, Direction, Part, PartKind, Stamp};

use super::Context;
use super::deflate::{Extensions, Failure, Inflater};
use super::frame::{self, Header, MAX_HEADER, Opcode, Parsed, Reserved};
use super::resync::Search;

/// Bytes unmasked in one go.
const PIECE: usize = 1024;

/// A message or a control frame being read.
struct Unfinished {
    kind: PartKind,
    first: Stamp,
    last: Stamp,
    bytes: u64,
    content_bytes: u64,
    compressed: bool,
    /// Bytes of it were lost.
    damaged: bool,
    flags: Flags,
    body: Vec<u8>,
}

impl Unfinished {
    /// Takes payload, without mask.
    fn content(&mut self, bytes: &[u8], inflater: &mut Inflater, cx: &mut Context<'_>) {
        if !self.compressed {
            self.content_bytes += bytes.len() as u64;
            if !self.damaged {
                part::keep(&mut self.body, bytes, cx.limits, cx.room);
            }
        } else if self.flags.contains(Flags::OPAQUE) {
            inflater.skip(bytes.len());
        } else if !self.damaged {
            let Self {
                content_bytes, body, ..
            } = self;
            let (limits, room) = (cx.limits, &mut *cx.room);
            let done = inflater.push(bytes, limits, cx.pool, |piece| {
                *content_bytes += piece.len() as u64;
                part::keep(body, piece, limits, room);
            });
            self.settle(done, cx);
        }
    }

    /// The payload is over.
    fn end_content(&mut self, inflater: &mut Inflater, cx: &mut Context<'_>) {
        if self.compressed && !self.damaged && !self.flags.contains(Flags::OPAQUE) {
            let Self {
                content_bytes, body, ..
            } = self;
            let (limits, room) = (cx.limits, &mut *cx.room);
            let done = inflater.finish(limits, cx.pool, |piece| {
                *content_bytes += piece.len() as u64;
                part::keep(body, piece, limits, room);
            });
            let extreme = done.is_ok() && is_extreme(self.bytes, self.content_bytes);
            cx.counters.decoded_extreme += u64::from(extreme);
            self.settle(done, cx);
        }
    }

    /// What could not be decompressed to its end is not shown: how far it went before that was noticed says nothing.
    fn settle(&mut self, done: Result<(), Failure>, cx: &mut Context<'_>) {
        let Err(why) = done else { return };
        cx.counters.opaque_bodies += 1;
        if why == Failure::OverLimit {
            cx.counters.decoded_overflow += 1;
            self.flags.insert(Flags::TRUNCATED);
        }
        self.flags.insert(Flags::OPAQUE);
        *cx.room += self.body.len();
        self.body = Vec::new();
    }
}

/// Where the payload of a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Message,
    Control,
    /// The rest of a message whose beginning was not seen.
    Nothing,
}

enum Place {
    /// In a header, of which that many bytes were seen.
    Header {
        buf: [u8; MAX_HEADER],
        len: usize,
        first: Stamp,
    },
    /// In the payload of a frame.
    Payload {
        target: Target,
        fin: bool,
        mask: Option<[u8; 4]>,
        /// Bytes of it that were read or lost.
        at: u64,
        left: u64,
    },
    /// Framing was lost.
    Search(Box<Search>),
    Over,
}

impl Place {
    /// In the payload of the frame of this header.
    fn payload(target: Target, header: &Header) -> Self {
        Self::Payload {
            target,
            fin: header.fin,
            mask: header.mask,
            at: 0,
            left: header.payload,
        }
    }

    const START: Self = Self::Header {
        buf: [0; MAX_HEADER],
        len: 0,
        first: Stamp {
            ts: crate::time::Timestamp(0),
            frame: 0,
        },
    };
}

pub(super) struct Reader {
    direction: Direction,
    reserved: Reserved,
    /// Messages may mean something else than their bytes.
    opaque: bool,
    place: Place,
    message: Option<Box<Unfinished>>,
    control: Option<Box<Unfinished>>,
    inflater: Inflater,
    number: u64,
    /// Bytes read so far.
    wire: u64,
    /// What the next part has to tell of what lies before it.
    owed: Flags,
    /// The rest of a message may come whose beginning was not read, for this reason.
    midway: Option<Flags>,
}

impl Reader {
    pub(super) fn new(direction: Direction, extensions: &Extensions) -> Self {
        Self {
            direction,
            reserved: extensions.reserved(),
            opaque: extensions.is_opaque(),
            place: Place::START,
            message: None,
            control: None,
            inflater: Inflater::new(extensions.takes_over(direction)),
            number: 0,
            wire: 0,
            owed: Flags::empty(),
            midway: None,
        }
    }

    pub(super) fn weight(&self) -> usize {
        let unfinished = |u: &Option<Box<Unfinished>>| {
            u.as_ref()
                .map_or(0, |u| size_of::<Unfinished>() + u.body.capacity())
        };
        let search = match &self.place {
            Place::Search(search) => search.weight(),
            _ => 0,
        };
        unfinished(&self.message) + unfinished(&self.control) + self.inflater.weight() + search
    }

    pub(super) fn data(
        &mut self,
        bytes: &[u8],
        stamp: Stamp,
        cx: &mut Context<'_>,
        out: &mut dyn FnMut(Part),
    ) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = if let Place::Search(search) = &mut self.place {
                let at_segment = rest.len() == bytes.len();
                let (used, found) = search.push(rest, stamp, at_segment, self.direction, self.reserved);
                self.wire += used as u64;
                if let Some(found) = found {
                    cx.counters.unframed_bytes += found.skipped;
                    self.place = Place::START;
                    if self.begin(&found.header, found.first, stamp) {
                        self.finish_frame_if_over(cx, out);
                    }
                }
                used
            } else {
                self.step(rest, stamp, cx, out)
            };
            rest = &rest[used..];
        }
    }

    /// Takes some of `bytes` and tells how many.
    fn step(&mut self, bytes: &[u8], stamp: Stamp, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) -> usize {
        match &mut self.place {
            Place::Over | Place::Search(_) => bytes.len(),
            Place::Header { buf, len, first } => {
                if *len == 0 {
                    *first = stamp;
                }
                let parsed = match frame::parse(&buf[..*len], self.direction, self.reserved) {
                    Parsed::Short(needed) => {
                        let take = bytes.len().min(needed - *len);
                        buf[*len..*len + take].copy_from_slice(&bytes[..take]);
                        *len += take;
                        self.wire += take as u64;
                        let parsed = frame::parse(&buf[..*len], self.direction, self.reserved);
                        (parsed, take)
                    }
                    parsed => (parsed, 0),
                };
                let (first, seen) = (*first, (*buf, *len));
                match parsed {
                    (Parsed::Short(_), take) => take,
                    (Parsed::Header(header), take) if self.begin(&header, first, stamp) => {
                        self.finish_frame_if_over(cx, out);
                        take
                    }
                    (_, take) => {
                        // No frame begins so: what was seen of it is searched as well.
                        self.lose(Flags::AMBIGUOUS, cx, out);
                        if let Place::Search(search) = &mut self.place {
                            search.push(&seen.0[..seen.1], first, false, self.direction, self.reserved);
                        }
                        take
                    }
                }
            }
            Place::Payload {
                target,
                mask,
                at,
                left,
                ..
            } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                let (target, mask, from) = (*target, *mask, *at);
                *at += take as u64;
                *left -= take as u64;
                self.wire += take as u64;
                self.payload(target, mask, from, &bytes[..take], stamp, cx);
                self.finish_frame_if_over(cx, out);
                take
            }
        }
    }

    /// A header was read; false when no frame can begin with it here.
    fn begin(&mut self, header: &Header, first: Stamp, last: Stamp) -> bool {
        let kind = match header.opcode {
            Opcode::Text => PartKind::Text,
            Opcode::Binary => PartKind::Binary,
            Opcode::Close => PartKind::Close(None),
            Opcode::Ping => PartKind::Ping,
            Opcode::Pong => PartKind::Pong,
            Opcode::Continuation => {
                let target = if let Some(message) = &mut self.message {
                    message.last = last;
                    if !header.proper {
                        message.flags.insert(Flags::AMBIGUOUS);
                    }
                    Target::Message
                } else if self.midway.is_some() {
                    Target::Nothing
                } else {
                    return false;
                };
                self.place = Place::payload(target, header);
                return true;
            }
        };
        let control = header.opcode.is_control();
        if !control && self.message.is_some() {
            return false;
        }
        let mut flags = std::mem::take(&mut self.owed);
        if !header.proper {
            flags.insert(Flags::AMBIGUOUS);
        }
        if self.opaque && !control {
            flags.insert(Flags::OPAQUE);
        }
        let unfinished = Box::new(Unfinished {
            kind,
            first,
            last,
            bytes: 0,
            content_bytes: 0,
            compressed: header.compressed,
            damaged: false,
            flags,
            body: Vec::new(),
        });
        let target = if control {
            self.control = Some(unfinished);
            Target::Control
        } else {
            self.midway = None;
            self.message = Some(unfinished);
            Target::Message
        };
        self.place = Place::payload(target, header);
        true
    }

    fn payload(
        &mut self,
        target: Target,
        mask: Option<[u8; 4]>,
        from: u64,
        bytes: &[u8],
        stamp: Stamp,
        cx: &mut Context<'_>,
    ) {
        let unfinished = match target {
            Target::Message => &mut self.message,
            Target::Control => &mut self.control,
            Target::Nothing => return,
        };
        let Some(unfinished) = unfinished else { return };
        unfinished.bytes += bytes.len() as u64;
        unfinished.last = stamp;
        if unfinished.flags.contains(Flags::OPAQUE) {
            self.inflater
                .skip(if unfinished.compressed { bytes.len() } else { 0 });
            return;
        }
        let Some(mask) = mask else {
            unfinished.content(bytes, &mut self.inflater, cx);
            return;
        };
        // RFC 6455 section 5.3. What is neither kept nor decompressed need not be unmasked.
        let mut at = from;
        let mut clear = [0; PIECE];
        for piece in bytes.chunks(PIECE) {
            let clear = &mut clear[..piece.len()];
            if unfinished.compressed || unfinished.body.len() < cx.limits.body_capture {
                for (n, (clear, byte)) in (at..).zip(clear.iter_mut().zip(piece)) {
                    *clear = byte ^ mask[(n % 4) as usize];
                }
            }
            unfinished.content(clear, &mut self.inflater, cx);
            at += piece.len() as u64;
        }
    }

    /// Ends the frame when nothing of it is left, and the message with its last frame.
    fn finish_frame_if_over(&mut self, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) {
        let Place::Payload {
            target, fin, left: 0, ..
        } = self.place
        else {
            return;
        };
        self.place = Place::START;
        match target {
            Target::Message if fin => {
                if let Some(mut message) = self.message.take() {
                    message.end_content(&mut self.inflater, cx);
                    self.give(*message, true, cx, out);
                }
            }
            Target::Control => {
                if let Some(control) = self.control.take() {
                    self.give(*control, true, cx, out);
                }
            }
            Target::Nothing if fin => {
                cx.counters.damaged += u64::from(self.midway == Some(Flags::GAP));
                self.midway = None;
            }
            Target::Message | Target::Nothing => {}
        }
    }

    /// Gives out what was read of a message.
    fn give(&mut self, unfinished: Unfinished, ended: bool, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) {
        let Unfinished {
            mut kind,
            first,
            last,
            bytes,
            content_bytes,
            damaged,
            mut flags,
            mut body,
            ..
        } = unfinished;
        *cx.room += body.len();
        let whole = ended && !damaged;
        if damaged {
            cx.counters.damaged += 1;
            flags.insert(Flags::GAP);
        } else if !whole {
            cx.counters.parts_unfinished += 1;
            flags.insert(Flags::TRUNCATED);
        }
        let opaque = flags.contains(Flags::OPAQUE);
        if let PartKind::Close(code) = &mut kind
            && let [high, low, ..] = body[..]
        {
            *code = Some(u16::from_be_bytes([high, low]));
            body.drain(..2);
        }
        let number = self.number;
        self.number += 1;
        if !part::is_allowed(number, self.wire) {
            cx.counters.parts_dropped += 1;
            return;
        }
        cx.counters.parts += 1;
        out(Part {
            direction: self.direction,
            number,
            kind,
            ts: first.ts,
            last: last.ts,
            frames: (first.frame, last.frame),
            bytes,
            content_bytes: if opaque { bytes } else { content_bytes },
            complete: whole,
            flags,
            body,
        });
    }

    /// Framing is lost; what was being read is given out as it is.
    fn lose(&mut self, why: Flags, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) {
        self.place = Place::Search(Box::new(Search::new(why == Flags::GAP)));
        self.owed.insert(why);
        self.midway = Some(why);
        self.inflater.lose(cx.pool);
        for mut unfinished in [self.message.take(), self.control.take()].into_iter().flatten() {
            unfinished.damaged = why == Flags::GAP;
            unfinished.flags.insert(why);
            self.give(*unfinished, false, cx, out);
        }
    }

    pub(super) fn gap(&mut self, len: u64, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) {
        match &mut self.place {
            Place::Over => {}
            Place::Search(search) => {
                // Rows of frames do not reach across what was lost.
                cx.counters.unframed_bytes += search.taken();
                self.lose(Flags::GAP, cx, out);
            }
            Place::Payload { target, at, left, .. } if len <= *left => {
                *at += len;
                *left -= len;
                let target = *target;
                let unfinished = match target {
                    Target::Message => &mut self.message,
                    Target::Control => &mut self.control,
                    Target::Nothing => &mut None,
                };
                if let Some(unfinished) = unfinished {
                    // What comes behind the gap does not belong behind what was kept.
                    unfinished.damaged = true;
                    if unfinished.compressed {
                        self.inflater.lose(cx.pool);
                    }
                }
                self.finish_frame_if_over(cx, out);
            }
            Place::Header { .. } | Place::Payload { .. } => self.lose(Flags::GAP, cx, out),
        }
    }

    pub(super) fn end(&mut self, cx: &mut Context<'_>, out: &mut dyn FnMut(Part)) {
        if let Place::Search(search) = &self.place {
            cx.counters.unframed_bytes += search.taken();
        }
        self.place = Place::Over;
        for unfinished in [self.message.take(), self.control.take()].into_iter().flatten() {
            self.give(*unfinished, false, cx, out);
        }
        self.inflater.lose(cx.pool);
    }
}
