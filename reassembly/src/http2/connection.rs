//! Drives frames, header blocks and streams for the two directions of a flow.
//!
//! Knows which frame is being read and to which stream it belongs. What a header block means is left to
//! [`super::hpack`] and [`super::fields`], what becomes of a stream to [`super::stream`], and where frames go on after a
//! loss to [`super::search`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::exchange::{Flags, Request};
use crate::http1::connection::{Context, Direction};
use crate::http1::pairing::Half;
use crate::part::{Part, PartOf};
use crate::room::Event;
use crate::tcp::stream::Meta;

use super::fields::Fields;
use super::frame::{self, Frame, kind};
use super::hpack::Decoder;
use super::search;
use super::stream::{Start, Stream};

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Runs of streams remembered whose requests were not seen.
const SKIPPED: usize = 64;

/// Setting of the largest payload that its sender receives (RFC 9113 section 6.5.2).
const SETTINGS_MAX_FRAME_SIZE: u16 = 5;

/// What the first bytes of a direction begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// The preface of a client.
    Preface,
    /// The settings with which a server begins (RFC 9113 section 3.4).
    Settings,
    /// Too few to tell.
    Short,
    Other,
}

/// What these bytes begin; the first line of the preface is enough.
pub(crate) fn begins(bytes: &[u8]) -> Beginning {
    let line = &PREFACE[..16];
    if bytes.starts_with(line) {
        return Beginning::Preface;
    }
    let settings = |at: usize, byte: u8| match at {
        2 => true,
        3 => byte == kind::SETTINGS,
        _ => byte == 0,
    };
    let header = &bytes[..bytes.len().min(frame::HEADER)];
    let may_be_settings = header.iter().enumerate().all(|(at, byte)| settings(at, *byte));
    match Frame::first_of(bytes) {
        Some(frame) if may_be_settings && frame.len.is_multiple_of(6) => Beginning::Settings,
        None if may_be_settings || line.starts_with(bytes) => Beginning::Short,
        _ if line.starts_with(bytes) => Beginning::Short,
        _ => Beginning::Other,
    }
}

/// What a direction is being read as.
enum State {
    /// So many bytes of the preface are still to come.
    Preface(usize),
    /// Before a frame, or in its header.
    Header,
    /// In what comes before the part that the frame is for.
    Prefix(Frame),
    Payload {
        frame: Frame,
        left: u32,
        padding: u32,
    },
    Padding {
        frame: Frame,
        left: u32,
    },
    /// Bytes were lost, or the beginning was: looking for a frame.
    Search,
}

/// A header block being read.
struct Block {
    stream: u32,
    ends_stream: bool,
    /// The server asks and answers by itself: not what the client did.
    promise: bool,
    /// Cannot be read to its end: what of it was lost, or breaks RFC 7541.
    broken: bool,
    /// A field of it is longer than is read, and so many bytes of that one are still to come.
    passing: usize,
    /// Where that is not known, so that the block is not read to its end.
    over: bool,
    /// It ended in front of its end, though nothing was lost.
    broke_off: bool,
    fields: Fields,
    /// Bytes of a field that is not whole yet.
    tail: Vec<u8>,
    first: Meta,
}

impl Block {
    /// Whether it may begin a message without saying so: what would, is not known.
    fn may_begin(&self) -> bool {
        self.fields.unknown > 0 || self.fields.cut_start
    }
}

/// Why the end of a header block will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It was lost.
    Lost,
    /// Its sender did not send it, or not as long as anybody watched.
    Unsent,
}

/// One direction.
struct Side {
    state: State,
    /// Bytes of something that is not whole yet.
    buf: Vec<u8>,
    /// Of these, how many begin no frame.
    scanned: usize,
    decoder: Decoder,
    block: Option<Box<Block>>,
    /// Where the frame being read began.
    began: Meta,
    /// Largest payload that this direction may carry, as far as known.
    largest: u32,
    /// It goes on although it was ended, and what comes next may be the rest of anything.
    resumed: bool,
    /// Something of it was not seen.
    harmed: bool,
}

impl Side {
    fn new(midstream: bool, preface: bool) -> Self {
        Self {
            state: match (midstream, preface) {
                (true, _) => State::Search,
                (false, true) => State::Preface(PREFACE.len()),
                (false, false) => State::Header,
            },
            buf: Vec::new(),
            scanned: 0,
            decoder: Decoder::new(!midstream),
            block: None,
            began: Meta::default(),
            largest: frame::LARGEST,
            resumed: false,
            harmed: midstream,
        }
    }

    fn weight(&self) -> usize {
        self.buf.capacity()
            + self.decoder.weight()
            + self.block.as_ref().map_or(0, |block| {
                size_of::<Block>() + block.fields.weight() + block.tail.capacity()
            })
    }
}

/// HTTP/2 on one flow.
pub(crate) struct Connection {
    /// From the client, and from the server.
    sides: [Side; 2],
    streams: BTreeMap<u32, Stream>,
    /// Bytes of memory that the streams take.
    held: usize,
    /// Exchanges begun.
    count: u32,
    /// The highest stream that the client began; it begins them in order.
    highest: u32,
    /// Streams below that of which no request was seen: it may have been lost, or come before the capture.
    skipped: Vec<RangeInclusive<u32>>,
    /// Heads were read that only the other side sends.
    turned: bool,
    /// A head was read that this side sends.
    certain: bool,
}

impl Connection {
    /// A connection of which nothing was read. One joined midway begins by searching.
    pub(crate) fn new(midstream: bool) -> Self {
        Self {
            sides: [Side::new(midstream, true), Side::new(midstream, false)],
            streams: BTreeMap::new(),
            held: 0,
            count: 0,
            highest: 0,
            skipped: Vec::new(),
            turned: false,
            certain: false,
        }
    }

    /// The same connection, whose exchanges are counted from `index` on.
    pub(crate) fn counting_from(self, index: u32) -> Self {
        Self { count: index, ..self }
    }

    /// A connection that began as HTTP/1: its first request is stream 1, and over (RFC 7540 section 3.2).
    pub(crate) fn upgraded(index: u32, request: Half<Request>) -> Self {
        let stream = Stream::upgraded(index, request);
        let mut new = Self::new(false);
        new.held = stream.weight();
        new.streams.insert(1, stream);
        new.count = index + 1;
        new.highest = 1;
        new.certain = true;
        new
    }

    /// Bytes of memory it takes, with what it holds.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.held + self.sides.iter().map(Side::weight).sum::<usize>()
    }

    /// Whether client and server turned out to be the other way round; they are turned by asking.
    pub(crate) fn turn(&mut self) -> bool {
        let turn = std::mem::take(&mut self.turned) && !self.certain;
        if turn {
            self.sides.swap(0, 1);
        }
        turn
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction as usize]
    }

    /// Takes the next bytes of a direction.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        meta: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        if std::mem::take(&mut self.side(direction).resumed) {
            self.lose(direction, meta, cx, out);
        }
        let mut again = self.read(direction, bytes, meta, cx, out);
        while let Some(bytes) = again {
            again = self.read(direction, &bytes, meta, cx, out);
        }
    }

    /// Reads bytes; gives back those that were put by while searching and have to be read again.
    fn read(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        meta: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) -> Option<Vec<u8>> {
        let mut rest = bytes;
        loop {
            let side = self.side(direction);
            let used = match side.state {
                _ if rest.is_empty() => return None,
                State::Preface(left) => {
                    let used = left.min(rest.len());
                    side.state = match left - used {
                        0 => State::Header,
                        left => State::Preface(left),
                    };
                    used
                }
                State::Header => {
                    if side.buf.is_empty() {
                        side.began = meta;
                    }
                    let (header, used) = gather(&mut side.buf, rest, frame::HEADER);
                    let found = header.and_then(Frame::first_of);
                    if found.is_some() {
                        side.buf.clear();
                    }
                    if let Some(found) = found {
                        self.frame(direction, found, meta, cx, out);
                    }
                    used
                }
                State::Prefix(frame) => {
                    let (prefix, used) = gather(&mut side.buf, rest, frame.prefix());
                    let padding = prefix.map(|p| if frame.is_padded() { p[0] } else { 0 });
                    if let Some(padding) = padding {
                        side.buf.clear();
                        let left = frame.len - frame.prefix() as u32;
                        self.payload_begins(direction, frame, left, padding.into(), meta, cx, out);
                    }
                    used
                }
                State::Payload { frame, left, padding } => {
                    let used = rest.len().min(left as usize);
                    let whole = frame.len - padding - frame.prefix() as u32;
                    let begins = (left == whole).then_some(whole);
                    let left = left - used as u32;
                    side.state = State::Payload { frame, left, padding };
                    self.payload(direction, frame, begins, &rest[..used], meta, cx, out);
                    if left == 0 {
                        self.payload_ends(direction, frame, padding, meta, cx, out);
                    }
                    used
                }
                State::Padding { frame, left } => {
                    let used = rest.len().min(left as usize);
                    side.state = match left - used as u32 {
                        0 => State::Header,
                        left => State::Padding { frame, left },
                    };
                    used
                }
                State::Search => {
                    side.buf.extend_from_slice(rest);
                    let found = search::frames(&side.buf, &mut side.scanned, direction, side.largest);
                    let lost = found.unwrap_or(side.scanned);
                    cx.counters.unparsable_bytes += lost as u64;
                    side.scanned -= lost.min(side.scanned);
                    side.buf.drain(..lost);
                    found?;
                    side.state = State::Header;
                    side.scanned = 0;
                    return Some(std::mem::take(&mut side.buf));
                }
            };
            rest = &rest[used..];
        }
    }

    /// The header of a frame was read.
    fn frame(
        &mut self,
        direction: Direction,
        frame: Frame,
        at: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let side = self.side(direction);
        let goes_on = side
            .block
            .as_ref()
            .is_some_and(|block| block.stream == frame.stream);
        if frame.kind == kind::CONTINUATION {
            if !goes_on {
                // It ends a block of which the beginning was lost.
                side.decoder.lost();
                side.block = None;
            }
        } else if side.block.is_some() {
            // Nothing may come within a block (RFC 9113 section 6.10).
            let why = if side.harmed {
                Missing::Lost
            } else {
                Missing::Unsent
            };
            self.block_lost(direction, why, at, cx, out);
        }
        let side = self.side(direction);
        if matches!(frame.kind, kind::HEADERS | kind::PUSH_PROMISE) {
            side.decoder.begin();
            side.block = Some(Box::new(Block {
                stream: frame.stream,
                ends_stream: frame.ends_stream(),
                promise: frame.kind == kind::PUSH_PROMISE || frame.stream.is_multiple_of(2),
                broken: false,
                passing: 0,
                over: false,
                broke_off: false,
                fields: Fields::default(),
                tail: Vec::new(),
                first: side.began,
            }));
        }
        let prefix = frame.prefix() as u32;
        if prefix > frame.len {
            // Too short for what it says: nothing of it can be used.
            self.payload_begins(direction, frame, frame.len, frame.len, at, cx, out);
        } else if prefix > 0 {
            side.state = State::Prefix(frame);
        } else {
            self.payload_begins(direction, frame, frame.len, 0, at, cx, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a step of the reader with its context")]
    fn payload_begins(
        &mut self,
        direction: Direction,
        frame: Frame,
        len: u32,
        padding: u32,
        at: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        // More padding than payload is an error of its sender (RFC 9113 section 6.1).
        let padding = padding.min(len);
        let left = len - padding;
        self.side(direction).state = State::Payload { frame, left, padding };
        if left == 0 {
            self.payload_ends(direction, frame, padding, at, cx, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a step of the reader with its context")]
    fn payload(
        &mut self,
        direction: Direction,
        frame: Frame,
        begins: Option<u32>,
        bytes: &[u8],
        at: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        match frame.kind {
            kind::DATA => {
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    let before = stream.weight();
                    let parts = stream.data(direction, bytes, begins, at, cx);
                    self.held = self.held - before + stream.weight();
                    give_parts(stream.index, parts, cx, out);
                }
            }
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => self.block(direction, bytes, cx),
            kind::SETTINGS if frame.len <= 6 * 64 => self.side(direction).buf.extend_from_slice(bytes),
            _ => {}
        }
    }

    /// Reads what of a header block is there.
    fn block(&mut self, direction: Direction, bytes: &[u8], cx: &mut Context<'_>) {
        let side = self.side(direction);
        let Some(block) = side.block.as_mut().filter(|block| !block.broken && !block.over) else {
            return;
        };
        let most = cx.limits.head;
        let was_cut = block.fields.cut;
        let passed = block.passing.min(bytes.len());
        block.passing -= passed;
        let bytes = &bytes[passed..];
        let Block { fields, tail, .. } = &mut **block;
        let (unknown, long) = (side.decoder.unknown, side.decoder.passed);
        side.decoder.longest = most;
        let read = if tail.is_empty() {
            let read = side.decoder.decode(bytes, |field| fields.push(field, most));
            tail.extend_from_slice(&bytes[read.unwrap_or(bytes.len())..]);
            read
        } else {
            tail.extend_from_slice(bytes);
            let read = side.decoder.decode(tail, |field| fields.push(field, most));
            tail.drain(..read.unwrap_or(tail.len()));
            read
        };
        cx.counters.hpack_unknown += side.decoder.unknown - unknown;
        // What was inserted behind this is not known.
        if read.is_err() {
            block.broken = true;
            block.fields.unknown += 1;
            block.tail = Vec::new();
            side.decoder.lost();
            cx.counters.hpack_broken += 1;
        } else if tail.len() > most {
            match side.decoder.pass(tail) {
                Some(len) => block.passing = len.saturating_sub(tail.len()),
                None => {
                    block.over = true;
                    side.decoder.lost();
                }
            }
            block.tail = Vec::new();
        }
        if block.over || side.decoder.passed > long {
            // It may have been a pseudo-field.
            (block.fields.cut, block.fields.cut_start) = (true, true);
        }
        cx.counters.head_overflow += u64::from(block.fields.cut && !was_cut);
    }

    fn payload_ends(
        &mut self,
        direction: Direction,
        frame: Frame,
        padding: u32,
        at: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let side = self.side(direction);
        side.state = match padding {
            0 => State::Header,
            left => State::Padding { frame, left },
        };
        match frame.kind {
            kind::DATA if frame.ends_stream() => {
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    let half = stream.half(direction);
                    half.reach(at);
                    half.ended = true;
                    self.settle(frame.stream, cx, out);
                }
            }
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION if frame.ends_headers() => {
                if let Some(mut block) = side.block.take() {
                    if !block.tail.is_empty() || block.passing > 0 {
                        block.broken = true;
                        block.fields.unknown += 1;
                        side.decoder.lost();
                        cx.counters.hpack_broken += 1;
                    }
                    self.block_ends(direction, *block, at, cx, out);
                }
            }
            kind::RST_STREAM => {
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.reset = true;
                    self.settle(frame.stream, cx, out);
                }
            }
            kind::SETTINGS => {
                let settings = std::mem::take(&mut side.buf);
                for setting in settings.chunks_exact(6) {
                    let [a, b, value @ ..] = setting else { continue };
                    let value = value.try_into().map_or(0, u32::from_be_bytes);
                    if u16::from_be_bytes([*a, *b]) == SETTINGS_MAX_FRAME_SIZE && value < 1 << 24 {
                        // It is the other side that may send so much.
                        let other = &mut self.sides[1 - direction as usize];
                        other.largest = value.max(frame::LARGEST);
                    }
                }
            }
            _ => {}
        }
    }

    /// The end of a header block will not come.
    fn block_lost(
        &mut self,
        direction: Direction,
        why: Missing,
        at: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let side = self.side(direction);
        side.decoder.lost();
        if let Some(mut block) = side.block.take() {
            match why {
                Missing::Lost => {
                    block.broken = true;
                    block.fields.unknown += 1;
                }
                Missing::Unsent => {
                    block.broke_off = true;
                    cx.counters.hpack_broken += 1;
                }
            }
            self.block_ends(direction, *block, at, cx, out);
        }
    }

    /// A header block is over: it begins a message, or ends one.
    fn block_ends(
        &mut self,
        direction: Direction,
        block: Block,
        at: Meta,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        if block.promise {
            return;
        }
        let asks = block.fields.begins_request();
        let answers = block.fields.status.is_some();
        if (asks && direction == Direction::Response) || (answers && direction == Direction::Request) {
            // A client and a server taken for each other; or one that breaks all rules.
            self.turned = !self.certain;
            return;
        }
        self.certain |= asks || answers;
        match direction {
            Direction::Request => self.request_block(block, at, cx),
            Direction::Response => self.response_block(block, at, cx),
        }
        .into_iter()
        .for_each(|stream| self.settle(stream, cx, out));
    }

    /// Returns the stream when it is known.
    fn request_block(&mut self, block: Block, at: Meta, cx: &mut Context<'_>) -> Option<u32> {
        let id = block.stream;
        let fresh = id > self.highest;
        if let Some(stream) = self.streams.get_mut(&id)
            && !fresh
            && (stream.half(Direction::Request).start.is_some() || stream.is_tunnel())
        {
            return self.trailers(Direction::Request, block, at);
        }
        let begins = block.fields.begins_request();
        if !begins && !block.may_begin() {
            // The trailers of a request that was not seen.
            return None;
        }
        if fresh {
            self.skip_to(id);
        } else if !self.streams.contains_key(&id) && !self.unskip(id) {
            return None;
        }
        let mut ambiguities = block.fields.ambiguities;
        let (cut, broke_off) = (block.fields.cut, block.broke_off);
        let unknown = block.fields.unknown > 0;
        let request = block.fields.into_request();
        let stream = self.stream(id, cx)?;
        let before = stream.weight();
        let half = stream.half(Direction::Request);
        if let Some((request, more)) = request {
            ambiguities.insert(more);
            half.begin(Start::Request(Box::new(request)), block.first, at, cx);
        }
        half.unknown |= unknown;
        half.ambiguities = ambiguities;
        half.ended |= block.ends_stream;
        half.cut |= cut;
        half.broke_off |= broke_off;
        if block.broken {
            half.flags.insert(Flags::GAP);
        }
        self.held = self.held - before + self.streams.get(&id).map_or(0, Stream::weight);
        Some(id)
    }

    fn response_block(&mut self, block: Block, at: Meta, cx: &mut Context<'_>) -> Option<u32> {
        let id = block.stream;
        let status = block.fields.status;
        if let Some(stream) = self.streams.get_mut(&id)
            && (stream.half(Direction::Response).start.is_some() || stream.is_tunnel())
        {
            return self.trailers(Direction::Response, block, at);
        }
        if !self.streams.contains_key(&id) {
            // An answer to what was not seen, or is over.
            let unseen = id > self.highest || self.unskip(id);
            if !unseen || status.is_none() {
                return None;
            }
        }
        if status.is_none() && !block.may_begin() {
            return None;
        }
        let stream = self.stream(id, cx)?;
        if matches!(status, Some(100..200)) {
            stream.interim = stream.interim.saturating_add(1);
            return None;
        }
        let before = stream.weight();
        let half = stream.half(Direction::Response);
        half.ambiguities = block.fields.ambiguities;
        half.unknown |= block.fields.unknown > 0;
        half.ended |= block.ends_stream;
        half.cut |= block.fields.cut;
        half.broke_off |= block.broke_off;
        if block.broken {
            half.flags.insert(Flags::GAP);
        }
        let start = Start::Response(status.unwrap_or(0), block.fields.into_head());
        half.begin(start, block.first, at, cx);
        self.held = self.held - before + self.streams.get(&id).map_or(0, Stream::weight);
        Some(id)
    }

    /// Fields behind a body (RFC 9113 section 8.1).
    fn trailers(&mut self, direction: Direction, block: Block, at: Meta) -> Option<u32> {
        let stream = self.streams.get_mut(&block.stream)?;
        let before = stream.weight();
        let half = stream.half(direction);
        half.ended |= block.ends_stream;
        half.cut |= block.fields.cut;
        half.broke_off |= block.broke_off;
        half.trailers = block.fields.into_head();
        half.reach(at);
        self.held = self.held - before + stream.weight();
        Some(block.stream)
    }

    /// The stream of this number, which begins here if it is not there.
    fn stream(&mut self, id: u32, cx: &mut Context<'_>) -> Option<&mut Stream> {
        let mut count = self.count;
        let held = &mut self.held;
        let stream = self.streams.entry(id).or_insert_with(|| {
            let stream = Stream::new(count);
            *held += stream.weight();
            count += 1;
            stream
        });
        self.count = count;
        let _ = cx;
        Some(stream)
    }

    /// The client began stream `id`: those between it and the one before it were begun unseen, if at all.
    fn skip_to(&mut self, id: u32) {
        let from = if self.highest == 0 { 1 } else { self.highest + 2 };
        if from + 2 <= id {
            if self.skipped.len() >= SKIPPED {
                self.skipped.remove(0);
            }
            self.skipped.push(from..=id - 2);
        }
        self.highest = id;
    }

    /// Whether the request of stream `id` may have been missed; from here on it has been used.
    fn unskip(&mut self, id: u32) -> bool {
        let Some(place) = self.skipped.iter().position(|range| range.contains(&id)) else {
            return false;
        };
        let range = self.skipped.swap_remove(place);
        for part in [*range.start()..=id.saturating_sub(2), id + 2..=*range.end()] {
            if !part.is_empty() && self.skipped.len() < SKIPPED {
                self.skipped.push(part);
            }
        }
        true
    }

    /// Gives a stream out when nothing more of it can come, and the oldest when there are too many.
    fn settle(&mut self, id: u32, cx: &mut Context<'_>, out: &mut impl FnMut(Event)) {
        let late = id < self.highest || !self.sides_in_order();
        if let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_tunnel()) {
            let before = stream.weight();
            let opened = stream.open_websocket(cx);
            self.held = self.held - before + stream.weight();
            if let Some(exchange) = opened {
                out(Event::Exchange(Box::new(exchange)));
            }
        }
        if self.streams.get(&id).is_some_and(|stream| stream.is_over(late)) {
            self.give(id, cx, out);
        }
        while self.streams.len() > cx.limits.streams {
            let Some((&oldest, _)) = self.streams.first_key_value() else {
                break;
            };
            cx.counters.evicted_streams += 1;
            self.give(oldest, cx, out);
        }
    }

    /// Whether requests are being read, so that one not seen yet may still come.
    fn sides_in_order(&self) -> bool {
        !matches!(self.sides[0].state, State::Search)
    }

    fn give(&mut self, id: u32, cx: &mut Context<'_>, out: &mut impl FnMut(Event)) {
        if let Some(stream) = self.streams.remove(&id) {
            self.held = self.held.saturating_sub(stream.weight());
            if id > self.highest {
                // Its request may still come, and would begin it again.
                self.skip_to(id);
            }
            let (index, mut parts) = (stream.index, Vec::new());
            let exchange = stream.into_exchange(&mut parts, cx);
            give_parts(index, parts, cx, out);
            if let Some(exchange) = exchange {
                out(Event::Exchange(Box::new(exchange)));
            }
        }
    }

    /// The next `len` bytes of a direction were never seen.
    pub(crate) fn gap(
        &mut self,
        direction: Direction,
        len: u64,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let at = self.side(direction).began;
        let side = self.side(direction);
        match side.state {
            // Within a payload the frame after it is not lost.
            State::Payload { frame, left, padding } if len <= u64::from(left) && !is_block(frame) => {
                let left = left - len as u32;
                side.state = State::Payload { frame, left, padding };
                side.buf.clear();
                self.hole(frame, direction, len, cx, out);
                if left == 0 {
                    self.payload_ends(direction, frame, padding, at, cx, out);
                }
                return;
            }
            State::Padding { frame, left } if len <= u64::from(left) => {
                side.state = match left - len as u32 {
                    0 => State::Header,
                    left => State::Padding { frame, left },
                };
                return;
            }
            _ => {}
        }
        self.lose(direction, at, cx, out);
    }

    /// Bytes of a stream's payload were lost.
    fn hole(
        &mut self,
        frame: Frame,
        direction: Direction,
        len: u64,
        cx: &mut Context<'_>,
        out: &mut impl FnMut(Event),
    ) {
        if frame.kind == kind::DATA
            && let Some(stream) = self.streams.get_mut(&frame.stream)
        {
            let before = stream.weight();
            let parts = stream.gap(direction, Some(len), cx);
            self.held = self.held - before + stream.weight();
            give_parts(stream.index, parts, cx, out);
        }
    }

    /// Frames of a direction were lost: nobody knows of which streams, or what they put into the table of fields.
    fn lose(&mut self, direction: Direction, at: Meta, cx: &mut Context<'_>, out: &mut impl FnMut(Event)) {
        if self.side(direction).block.is_some() {
            self.block_lost(direction, Missing::Lost, at, cx, out);
        }
        let side = self.side(direction);
        side.harmed = true;
        side.decoder.lost();
        cx.counters.unparsable_bytes += side.buf.len() as u64;
        side.buf.clear();
        side.scanned = 0;
        side.state = State::Search;
        for stream in self.streams.values_mut() {
            let before = stream.weight();
            let parts = stream.gap(direction, None, cx);
            self.held = self.held - before + stream.weight();
            give_parts(stream.index, parts, cx, out);
        }
    }

    /// The flow goes on although it was ended.
    pub(crate) fn resume(&mut self) {
        for side in &mut self.sides {
            side.resumed = true;
        }
    }

    /// Both directions are over: what is not whole is given out as it stands.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>, out: &mut impl FnMut(Event)) {
        for direction in [Direction::Request, Direction::Response] {
            let at = self.side(direction).began;
            if self.side(direction).block.is_some() {
                self.block_lost(direction, Missing::Unsent, at, cx, out);
            }
        }
        let mut open: Vec<(u32, u32)> = self.streams.iter().map(|(id, s)| (s.index, *id)).collect();
        open.sort_unstable();
        for (_, id) in open {
            self.give(id, cx, out);
        }
    }
}

/// Gives out parts of the exchange of this number.
fn give_parts(exchange: u32, parts: Vec<Part>, cx: &Context<'_>, out: &mut impl FnMut(Event)) {
    for part in parts {
        out(Event::Part(Box::new(PartOf {
            flow: cx.flow.flow_ref(),
            exchange,
            settled: true,
            part,
        })));
    }
}

fn is_block(frame: Frame) -> bool {
    matches!(
        frame.kind,
        kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION
    )
}

/// The first `len` bytes of what was put by and what comes, and how many of the latter they take; what is not enough is
/// put by.
fn gather<'a>(buf: &'a mut Vec<u8>, bytes: &'a [u8], len: usize) -> (Option<&'a [u8]>, usize) {
    if buf.is_empty() && bytes.len() >= len {
        return (Some(&bytes[..len]), len);
    }
    let used = (len - buf.len()).min(bytes.len());
    buf.extend_from_slice(&bytes[..used]);
    ((buf.len() == len).then_some(&buf[..]), used)
}
