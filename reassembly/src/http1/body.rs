//! Bodies: transfer-decoded bytes in; counted, content-decoded and a bounded part of them kept. Content that consists of
//! parts is read as these too: server-sent events, messages of gRPC.

use std::io::{self, Write};

use crate::exchange::Head;
use crate::grpc::{self, Messages};
use crate::limits::{Counters, Limits};
use crate::part::{Direction, Part, Stamp};
use crate::sse::Events;

use super::brotli::Brotli;
use super::gathered;
use super::inflate::{Inflate, Pool, Wrapper};

/// What any body may unpack to, however small it is.
pub(crate) const FREE_EXPANSION: u64 = 2 << 20;

/// Beyond that, a body may unpack to this many times the bytes sent. Text compresses to a tenth or a fiftieth; bombs to a
/// thousandth (gzip) or less, and unpacking them takes the time of a thousand honest packets.
pub(crate) const EXPANSION: u64 = 128;

/// Whether content of so many bytes came out of so few that no honest sender packs it so. A little of anything may.
pub(crate) fn is_extreme(sent: u64, made: u64) -> bool {
    const LITTLE: u64 = 64 << 10;
    made > LITTLE && made > sent.saturating_mul(EXPANSION)
}

/// The allowance is worked out anew each time this much was sent.
pub(crate) const ALLOWANCE_STEP: u64 = 4096;

/// Room made at once for a body whose length is known; longer ones grow as they come, so that a length alone
/// takes no memory.
const RESERVE: u64 = 64 << 10;

/// The windows and tables of brotli may take three of so many parts of the memory for flows. Flows with such windows make way for each
/// other while they take two of them, so there is always room for the next body.
const BROTLI_PARTS: usize = 4;

/// RFC 9659 section 3: a receiver may refuse windows over 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Codings on one body that are undone; more is a bomb or a mistake.
const MAX_CODINGS: usize = 2;

/// The end of the decoders: keeps the first bytes, and reads events where they are wanted.
struct Tap {
    kept: Vec<u8>,
    keep: usize,
    /// Here for as long as bytes are being decoded.
    events: Option<Box<Events>>,
}

/// One stage of decoding, with what came into it. Each decoder writes into the next stage.
struct Layer {
    taken: u64,
    limit: u64,
    stage: Stage,
}

enum Stage {
    Tap(Tap),
    Inflate(Box<Inflate<Layer>>),
    Brotli(Box<Brotli<Layer>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Layer>>),
}

impl Write for Layer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let used = match &mut self.stage {
            Stage::Tap(tap) => {
                // What comes out at once depends on how the body was cut; where the limit is does not.
                let left = usize::try_from(self.limit.saturating_sub(self.taken)).unwrap_or(usize::MAX);
                let within = &bytes[..left.min(bytes.len())];
                let room = tap.keep.saturating_sub(tap.kept.len()).min(within.len());
                tap.kept.extend_from_slice(&within[..room]);
                if let Some(events) = &mut tap.events {
                    events.push(within);
                }
                bytes.len()
            }
            Stage::Inflate(w) => w.write(bytes)?,
            Stage::Brotli(w) => w.write(bytes)?,
            Stage::Zstd(w) => w.write(bytes)?,
        };
        self.taken += used as u64;
        if self.taken > self.limit {
            return Err(io::Error::other("over the decompression limit"));
        }
        Ok(used)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stage {
            Stage::Tap(_) => Ok(()),
            Stage::Inflate(w) => w.flush(),
            Stage::Brotli(w) => w.flush(),
            Stage::Zstd(w) => w.flush(),
        }
    }
}

impl Layer {
    /// Without a limit until it is told one.
    fn new(stage: Stage) -> Self {
        Self {
            taken: 0,
            limit: u64::MAX,
            stage,
        }
    }

    /// The end of the decoders, which keeps that much.
    fn tapped(keep: usize) -> Self {
        Self::new(Stage::Tap(Tap {
            kept: Vec::new(),
            keep,
            events: None,
        }))
    }

    fn next(&self) -> Option<&Self> {
        match &self.stage {
            Stage::Tap(_) => None,
            Stage::Inflate(w) => Some(&w.next),
            Stage::Brotli(w) => Some(w.get_ref()),
            Stage::Zstd(w) => Some(w.get_ref()),
        }
    }

    fn next_mut(&mut self) -> Option<&mut Self> {
        match &mut self.stage {
            Stage::Tap(_) => None,
            Stage::Inflate(w) => Some(&mut w.next),
            Stage::Brotli(w) => Some(w.get_mut()),
            Stage::Zstd(w) => Some(w.get_mut()),
        }
    }

    fn tap(&mut self) -> Option<&mut Tap> {
        match &mut self.stage {
            Stage::Tap(tap) => Some(tap),
            Stage::Inflate(w) => w.next.tap(),
            Stage::Brotli(w) => w.get_mut().tap(),
            Stage::Zstd(w) => w.get_mut().tap(),
        }
    }

    /// What may come out of each decoder from here on: what the last one takes in shows nothing of the others' output.
    fn allow(&mut self, limit: u64) {
        if let Some(next) = self.next_mut() {
            next.limit = limit;
            next.allow(limit);
        }
    }

    fn is_over(&self) -> bool {
        self.taken > self.limit || self.next().is_some_and(Self::is_over)
    }

    /// Whether what came out of it shows all that could be decoded, however the body was cut: some decoders lose what they
    /// made of a piece when the piece breaks the rules further on.
    fn tells_all(&self) -> bool {
        let own = matches!(&self.stage, Stage::Tap(_) | Stage::Inflate(_));
        own && self.next().is_none_or(Self::tells_all)
    }

    /// About the bytes of memory it takes.
    fn weight(&self) -> usize {
        const INFLATE: usize = 48 << 10;
        const OTHER: usize = 256 << 10;
        let own = match &self.stage {
            Stage::Tap(tap) => tap.kept.capacity(),
            Stage::Inflate(_) => INFLATE,
            // Room for all of its window is made at once.
            Stage::Brotli(brotli) => size_of::<Brotli<Self>>() + brotli.weight(),
            Stage::Zstd(_) => OTHER + self.window(1 << ZSTD_WINDOW_LOG),
        };
        own + self.next().map_or(0, Self::weight)
    }

    /// What of a window was written to: it grows with what came out of it.
    fn window(&self, largest: usize) -> usize {
        let made = self.next().map_or(0, |next| next.taken);
        usize::try_from(made).unwrap_or(usize::MAX).min(largest)
    }

    /// Bytes that came out of the last decoder.
    fn count(&self) -> u64 {
        self.next().map_or(self.taken, Self::count)
    }

    /// Hands over what is still inside; an error when the coded stream had not ended.
    fn finish(&mut self) -> io::Result<()> {
        match &mut self.stage {
            Stage::Tap(_) => return Ok(()),
            Stage::Inflate(w) if !w.ended() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Stage::Inflate(_) => {}
            Stage::Brotli(w) => w.close()?,
            Stage::Zstd(w) => w.flush()?,
        }
        self.next_mut().map_or(Ok(()), Self::finish)
    }

    /// Gives the memory of decoders back.
    fn release(self, pool: &mut Pool) {
        if let Stage::Inflate(inflate) = self.stage {
            inflate.release(pool).release(pool);
        }
    }
}

enum Content {
    /// No coding: content is the body.
    Plain(Vec<u8>),
    /// gzip, gathered to be decoded in one go.
    Gathered(Vec<u8>),
    /// Being decoded.
    Coded(Box<Layer>),
    /// Cannot be decoded; what was kept until then.
    Opaque(Vec<u8>),
}

/// A body being received.
pub(crate) struct Body {
    /// Bytes after removing the transfer-coding.
    pub(crate) bytes: u64,
    content: Content,
    /// How much of the content is kept, and what it may unpack to.
    keep: usize,
    most: u64,
    over_limit: bool,
    /// At some time there was less room than it would have filled.
    unkept: bool,
    /// The content is read as events too.
    events: Option<Box<Events>>,
    /// The content is read as messages too.
    messages: Option<Box<Messages>>,
}

/// A body that is over.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) bytes: u64,
    pub(crate) content_bytes: u64,
    pub(crate) kept: Vec<u8>,
    pub(crate) opaque: bool,
    pub(crate) over_limit: bool,
    /// Events or messages, and their bytes.
    pub(crate) parts: u64,
    pub(crate) part_bytes: u64,
    /// Less was kept than a body may keep, for want of memory.
    pub(crate) unkept: bool,
    /// A message that was not ended.
    pub(crate) rest: Vec<Part>,
    /// Trailers that came as a part.
    pub(crate) trailers: Head,
}

impl Body {
    /// A body with this Content-Encoding; `length` is the one declared, where one is.
    pub(crate) fn new<'a>(
        codings: impl Iterator<Item = &'a str>,
        length: Option<u64>,
        limits: &Limits,
        pool: &mut Pool,
        room: usize,
    ) -> Self {
        // Codings are listed in the order applied, so the last one is the outermost.
        let mut layer = None;
        let mut unknown = false;
        let names: Vec<&str> = codings.flat_map(|v| v.split(',')).map(str::trim).collect();
        let coded: Vec<&str> = names
            .into_iter()
            .filter(|n| !n.is_empty() && !n.eq_ignore_ascii_case("identity"))
            .collect();
        // No decoder is made for what is not undone: a head has room for thousands of codings, and each takes memory.
        if coded.len() > MAX_CODINGS {
            unknown = true;
        }
        if let [name] = coded[..]
            && is_gzip(name)
            && length.is_none_or(|length| length <= gathered::MOST as u64)
        {
            let room = usize::try_from(length.unwrap_or(0)).unwrap_or(0);
            return Self::of(Content::Gathered(Vec::with_capacity(room)), limits);
        }
        for name in coded.iter().take(if unknown { 0 } else { MAX_CODINGS }) {
            let inner = layer.take().unwrap_or_else(|| Layer::tapped(limits.body_capture));
            layer = Some(Layer::new(if is_gzip(name) {
                Stage::Inflate(Box::new(Inflate::new(Wrapper::Gzip, inner, pool)))
            } else if name.eq_ignore_ascii_case("deflate") {
                Stage::Inflate(Box::new(Inflate::new(Wrapper::Deflate, inner, pool)))
            } else if name.eq_ignore_ascii_case("br") {
                let limit = limits.memory / BROTLI_PARTS * 3;
                Stage::Brotli(Box::new(Brotli::new(inner, &pool.windows, limit)))
            } else if name.eq_ignore_ascii_case("zstd") {
                match zstd::stream::write::Decoder::new(inner) {
                    Ok(mut decoder) => {
                        let _ = decoder.window_log_max(ZSTD_WINDOW_LOG);
                        Stage::Zstd(Box::new(decoder))
                    }
                    Err(_) => {
                        unknown = true;
                        break;
                    }
                }
            } else {
                unknown = true;
                break;
            }));
        }
        let content = match layer {
            _ if unknown => Content::Opaque(Vec::new()),
            Some(layer) => Content::Coded(Box::new(layer)),
            None => {
                let reserve = length
                    .unwrap_or(0)
                    .min(RESERVE)
                    .min(limits.body_capture.min(room) as u64);
                Content::Plain(Vec::with_capacity(usize::try_from(reserve).unwrap_or(0)))
            }
        };
        Self::of(content, limits)
    }

    fn of(content: Content, limits: &Limits) -> Self {
        Self {
            bytes: 0,
            content,
            keep: limits.body_capture,
            most: limits.decoded,
            over_limit: false,
            unkept: false,
            events: None,
            messages: None,
        }
    }

    /// What was gathered cannot be decoded in one go: decodes it, and what follows, as it comes.
    fn stream(&mut self, pool: &mut Pool, room: &mut usize) {
        if let Content::Gathered(wire) = &mut self.content {
            let wire = std::mem::take(wire);
            let layer = Stage::Inflate(Box::new(Inflate::new(
                Wrapper::Gzip,
                Layer::tapped(self.keep),
                pool,
            )));
            self.content = Content::Coded(Box::new(Layer::new(layer)));
            self.coded(&wire, 0, room);
        }
    }

    /// Has the content read as parts too, where a message with this head consists of some.
    pub(crate) fn read_parts(
        &mut self,
        direction: Direction,
        head: &Head,
        limits: &Limits,
        pool: &mut Pool,
        room: &mut usize,
    ) {
        let Some(kind) = head.field("content-type") else {
            return;
        };
        if let Some(form) = grpc::Form::of(kind) {
            // gRPC compresses messages and not the body; where somebody did, nobody reads messages in it.
            if matches!(self.content, Content::Plain(_)) {
                let encoding = head.field("grpc-encoding");
                self.messages = Some(Box::new(Messages::new(direction, form, encoding)));
            }
        } else if direction == Direction::ToClient && Events::are_in(kind) {
            self.stream(pool, room);
            self.events = Some(Box::new(Events::new(limits)));
        }
    }

    /// Where the bytes pushed next come from.
    pub(crate) fn at(&mut self, stamp: Stamp) {
        if let Some(events) = &mut self.events {
            events.stamp = stamp;
        }
        if let Some(messages) = &mut self.messages {
            messages.stamp = stamp;
        }
    }

    /// The sender begins a frame of so many bytes with what is pushed next.
    pub(crate) fn frame(&mut self, len: u32) {
        if let Some(messages) = &mut self.messages {
            messages.frame(len);
        }
    }

    /// Whether it is read as parts too.
    pub(crate) fn has_parts(&self) -> bool {
        self.events.is_some() || self.messages.is_some()
    }

    /// Parts that ended. What was kept of them may be kept of other bodies from here on.
    pub(crate) fn take_parts(&mut self, room: &mut usize) -> Vec<Part> {
        if let Some(messages) = &mut self.messages {
            return messages.take();
        }
        let Some(events) = &mut self.events else {
            return Vec::new();
        };
        events.room = *room;
        let parts = events.take();
        *room = events.room;
        parts
    }

    /// About the bytes of memory it takes beside itself, decoders included.
    pub(crate) fn weight(&self) -> usize {
        let content = match &self.content {
            Content::Plain(kept) | Content::Gathered(kept) | Content::Opaque(kept) => kept.capacity(),
            Content::Coded(layer) => layer.weight(),
        };
        content
            + self.events.as_ref().map_or(0, |events| events.weight())
            + self.messages.as_ref().map_or(0, |messages| messages.weight())
    }

    /// Takes body bytes. `room` is what may still be kept of all bodies; it is lowered by what is.
    pub(crate) fn push(&mut self, bytes: &[u8], limits: &Limits, pool: &mut Pool, room: &mut usize) {
        if let Content::Gathered(wire) = &self.content
            && wire.len() + bytes.len() > gathered::MOST
        {
            self.stream(pool, room);
        }
        self.bytes += bytes.len() as u64;
        match &mut self.content {
            Content::Plain(kept) => {
                let wanted = limits.body_capture.saturating_sub(kept.len()).min(bytes.len());
                let keep = wanted.min(*room);
                self.unkept |= keep < wanted;
                kept.extend_from_slice(&bytes[..keep]);
                *room -= keep;
                if let Some(messages) = &mut self.messages {
                    messages.push(bytes, &mut grpc::Context { limits, pool, room });
                }
                // As below: how many events bytes account for does not depend on how they were cut.
                let mut rest = bytes;
                let mut at = self.bytes - bytes.len() as u64;
                while let Some(events) = &mut self.events
                    && !rest.is_empty()
                {
                    let step = at - at % ALLOWANCE_STEP;
                    let len = usize::try_from(step + ALLOWANCE_STEP - at).unwrap_or(usize::MAX);
                    let (piece, behind) = rest.split_at(len.min(rest.len()));
                    (events.wire, events.room) = (step, *room);
                    events.push(piece);
                    *room = events.room;
                    rest = behind;
                    at += piece.len() as u64;
                }
            }
            Content::Gathered(wire) => wire.extend_from_slice(bytes),
            Content::Coded(_) => self.coded(bytes, self.bytes - bytes.len() as u64, room),
            Content::Opaque(_) => {}
        }
    }

    /// Decodes the next bytes of the body, which are those from `at` on.
    fn coded(&mut self, bytes: &[u8], mut at: u64, room: &mut usize) {
        // The allowance grows with what was sent, in steps that do not depend on how it was cut.
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = at - at % ALLOWANCE_STEP;
            let allowed = self.most.min(FREE_EXPANSION + EXPANSION * step);
            let len = usize::try_from(step + ALLOWANCE_STEP - at)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            if let Some(events) = &mut self.events {
                events.wire = step;
            }
            self.decode(&rest[..len], allowed, room);
            rest = &rest[len..];
            at += len as u64;
        }
    }

    /// Decodes the next bytes of the body; stops for good when more than `allowed` came out of it.
    fn decode(&mut self, bytes: &[u8], allowed: u64, room: &mut usize) {
        match &mut self.content {
            Content::Coded(layer) => {
                layer.allow(allowed);
                let mut events = self.events.take();
                let wanted = events.is_some();
                let before = layer.tap().map_or(0, |t| {
                    let most = t.kept.len() + *room;
                    self.unkept |= t.keep > most;
                    t.keep = t.keep.min(most);
                    if let Some(events) = &mut events {
                        // Both keep of the same bytes.
                        events.room = room.saturating_sub(t.keep - t.kept.len());
                    }
                    t.events = events.take();
                    t.kept.len()
                });
                let lent = layer.tap().and_then(|t| t.events.as_ref()).map_or(0, |e| e.room);
                // Some decoders put by what they made until more comes; events are not to wait for that.
                let failed = write_all(layer, bytes).is_err() || (wanted && layer.flush().is_err());
                let (after, over) = (layer.tap().map_or(0, |t| t.kept.len()), layer.is_over());
                *room = room.saturating_sub(after - before);
                self.events = layer.tap().and_then(|t| t.events.take());
                if let Some(events) = &mut self.events {
                    *room = (*room + events.room).saturating_sub(lent);
                    if failed {
                        // Events that come behind cannot be read.
                        events.room = *room;
                        events.end();
                        *room = events.room;
                    }
                }
                if failed {
                    self.over_limit = over;
                    let mut kept = layer
                        .tap()
                        .map(|t| std::mem::take(&mut t.kept))
                        .unwrap_or_default();
                    if !over && !layer.tells_all() {
                        *room += kept.len();
                        kept = Vec::new();
                    }
                    self.content = Content::Opaque(kept);
                }
            }
            Content::Plain(_) | Content::Gathered(_) | Content::Opaque(_) => {}
        }
    }

    /// Bytes of the body were lost, so many where that is known: a coded stream cannot go on behind them.
    pub(crate) fn gap(&mut self, len: Option<u64>, limits: &Limits, pool: &mut Pool, room: &mut usize) {
        self.stream(pool, room);
        if let Some(messages) = &mut self.messages {
            messages.gap(len, &mut grpc::Context { limits, pool, room });
        }
        if let Content::Coded(layer) = &mut self.content {
            let kept = layer
                .tap()
                .map(|t| std::mem::take(&mut t.kept))
                .unwrap_or_default();
            self.content = Content::Opaque(kept);
        }
        if let Some(events) = &mut self.events {
            events.room = *room;
            events.gap();
            *room = events.room;
        }
    }

    /// Ends the body; `complete` tells whether it was seen to its end.
    pub(crate) fn finish(
        mut self,
        complete: bool,
        limits: &Limits,
        counters: &mut Counters,
        pool: &mut Pool,
        room: &mut usize,
    ) -> Done {
        let mut done = Done::default();
        if let Some(events) = &mut self.events {
            let (given, dropped) = events.counts();
            (done.parts, done.part_bytes) = (given + dropped, events.data_bytes());
            counters.parts += given;
            counters.parts_dropped += dropped;
            events.room = *room;
            events.end();
            *room = events.room;
        }
        if let Some(messages) = &mut self.messages {
            messages.end(&mut grpc::Context { limits, pool, room });
            done.rest = messages.take();
            done.trailers = messages.trailers();
            let counts = messages.counts();
            (done.parts, done.part_bytes) = (counts.messages, counts.content_bytes);
            counters.parts += counts.given;
            counters.parts_dropped += counts.dropped;
            counters.opaque_bodies += counts.opaque;
            counters.decoded_overflow += counts.over_limit;
            counters.decoded_extreme += counts.extreme;
            counters.unframed_bytes += counts.unframed;
        }
        self.finish_content(complete, &mut done, pool, room);
        counters.bodies_unkept += u64::from(done.unkept);
        counters.opaque_bodies += u64::from(done.opaque);
        counters.decoded_overflow += u64::from(done.over_limit);
        counters.decoded_extreme += u64::from(is_extreme(done.bytes, done.content_bytes));
        done
    }

    fn finish_content(mut self, complete: bool, done: &mut Done, pool: &mut Pool, room: &mut usize) {
        let bytes = self.bytes;
        (done.bytes, done.content_bytes) = (bytes, bytes);
        if let Content::Gathered(wire) = &self.content {
            if let Some(content) = pool.unpacker.unpack(wire, self.most) {
                let wanted = self.keep.min(content.len());
                let keep = wanted.min(*room);
                done.unkept = keep < wanted;
                *room -= keep;
                done.content_bytes = content.len() as u64;
                done.kept = content[..keep].to_vec();
                return;
            }
            self.stream(pool, room);
        }
        let unkept = self.unkept;
        match self.content {
            Content::Plain(kept) => done.kept = kept,
            Content::Coded(mut layer) => {
                let ended = bytes == 0 || layer.finish().is_ok();
                done.opaque = complete && !ended;
                if !done.opaque {
                    done.content_bytes = layer.count();
                }
                done.kept = layer
                    .tap()
                    .map(|t| std::mem::take(&mut t.kept))
                    .unwrap_or_default();
                layer.release(pool);
            }
            // None is gathered any more.
            Content::Gathered(kept) | Content::Opaque(kept) => {
                done.kept = kept;
                done.opaque = bytes > 0;
                done.over_limit = self.over_limit;
            }
        }
        // What was short of room may have had enough of it in the end.
        done.unkept = unkept && done.content_bytes > done.kept.len() as u64;
    }
}

fn is_gzip(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

/// As `write_all`, but bytes behind the end of the coded stream are no error.
fn write_all(layer: &mut Layer, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = layer.write(bytes)?;
        if n == 0 {
            return Ok(());
        }
        bytes = &bytes[n..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(coding: &str, wire: &[u8], step: usize, limits: &Limits) -> Done {
        let mut pool = Pool::default();
        let mut body = Body::new(
            [coding].into_iter(),
            None,
            limits,
            &mut pool,
            limits.body_capture_total,
        );
        let mut room = limits.body_capture_total;
        for part in wire.chunks(step) {
            body.push(part, limits, &mut pool, &mut room);
        }
        body.finish(true, limits, &mut Counters::default(), &mut pool, &mut room)
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    #[test]
    fn codings_are_undone_however_the_body_is_cut() {
        let text: Vec<u8> = (0..20_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&text).unwrap();
        let zstd = zstd::stream::encode_all(&text[..], 1).unwrap();
        let twice = gzip(&gzip(&text));
        let limits = Limits::default();
        for (coding, wire) in [
            ("gzip", gzip(&text)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd),
            ("gzip, gzip", twice),
        ] {
            for step in [1, 7, 1460, usize::MAX] {
                let done = through(coding, &wire, step, &limits);
                assert_eq!(done.content_bytes, text.len() as u64, "{coding} by {step}");
                assert!(!done.opaque && done.kept == text, "{coding} by {step}");
            }
        }
    }

    #[test]
    fn what_is_kept_of_a_broken_body_does_not_depend_on_how_it_is_cut() {
        let text: Vec<u8> = (0..5_000u32)
            .flat_map(|n| (n * n).to_string().into_bytes())
            .collect();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        raw.write_all(&text).unwrap();
        let twice = testdata::http::Coding::Brotli.encode(&gzip(&text));
        let limits = Limits::default();
        for (coding, wire) in [
            ("gzip", gzip(&text)),
            ("deflate", raw.finish().unwrap()),
            ("br", testdata::http::Coding::Brotli.encode(&text)),
            ("zstd", zstd::bulk::compress(&text, 1).unwrap()),
            ("gzip, br", twice),
        ] {
            let mut most_kept = 0;
            for at in (0..20).map(|n| wire.len() * n / 20) {
                let mut broken = wire.clone();
                let end = broken.len().min(at + 40);
                broken[at..end].fill(0xff);
                let read = |step| {
                    let done = through(coding, &broken, step, &limits);
                    (done.kept, done.content_bytes, done.opaque, done.over_limit)
                };
                let whole = read(usize::MAX);
                most_kept = most_kept.max(whole.0.len());
                for step in [1, 7, 1460] {
                    assert!(read(step) == whole, "{coding} broken at {at}, by {step}");
                }
            }
            assert!(
                most_kept > 0 || coding.contains("br") || coding == "zstd",
                "{coding}"
            );
        }
    }

    #[test]
    fn gathered_bodies_read_as_streamed_ones() {
        let read = |wire: &[u8], gather: bool, limits: &Limits, complete: bool| {
            let (mut pool, mut room) = (Pool::default(), limits.body_capture_total);
            // One that declares to be longer is never gathered.
            let length = (!gather).then_some(u64::MAX);
            let mut body = Body::new(["gzip"].into_iter(), length, limits, &mut pool, room);
            assert_eq!(matches!(body.content, Content::Gathered(_)), gather);
            body.push(wire, limits, &mut pool, &mut room);
            let mut counters = Counters::default();
            let done = body.finish(complete, limits, &mut counters, &mut pool, &mut room);
            let told = (done.bytes, done.content_bytes, done.opaque, done.over_limit);
            (told, done.kept, room, counters)
        };
        let text = |len: u32| -> Vec<u8> {
            let numbers = (0..len).flat_map(|n| n.to_string().into_bytes());
            numbers.take(len as usize).collect()
        };
        let small = Limits {
            body_capture: 1000,
            decoded: 50_000,
            ..Limits::default()
        };
        for limits in [Limits::default(), small] {
            for len in [0, 1, 999, 1001, 49_999, 50_001, 300_000] {
                let whole = gzip(&text(len));
                let mut wires = vec![
                    whole.clone(),
                    [&whole[..], b"\0\0padding"].concat(),
                    [&whole[..], &whole].concat(),
                    [&whole[..], &gzip(b"more")].concat(),
                    text(len),
                ];
                wires.extend((1..20).map(|n| whole[..whole.len() * n / 20].to_vec()));
                for wire in wires {
                    for complete in [true, false] {
                        let [a, b] = [true, false].map(|gather| read(&wire, gather, &limits, complete));
                        assert!(a == b, "{len}, {} on the wire: {:?} {:?}", wire.len(), a.0, b.0);
                    }
                }
            }
        }
    }

    #[test]
    fn no_decoder_is_made_for_more_codings_than_are_undone() {
        let mut pool = Pool::default();
        let engine = pool.take(false);
        pool.give(engine);
        let coding = "gzip, ".repeat(9_000);
        let limits = Limits::default();
        let body = Body::new([coding.as_str()].into_iter(), None, &limits, &mut pool, 0);
        assert!(matches!(&body.content, Content::Opaque(_)));
        assert_eq!((body.weight(), pool.waiting()), (0, 1));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 8 << 20]);
        let limits = Limits {
            decoded: 1 << 20,
            body_capture: 1000,
            ..Limits::default()
        };
        let done = through("gzip", &bomb, 1460, &limits);
        assert!(done.opaque && done.over_limit);
        assert_eq!(done.content_bytes, bomb.len() as u64);
        assert!(done.kept.len() <= 1000);
    }

    #[test]
    fn a_body_may_unpack_to_so_many_times_its_size() {
        let limits = Limits::default();
        let bomb = zstd::bulk::compress(&vec![b'0'; 8 << 20], 3).expect("compresses");
        let mut text = Vec::new();
        for n in 0..400_000u32 {
            text.extend_from_slice(format!("{{\"id\":{n},\"state\":\"ok\"}},").as_bytes());
        }
        let honest = gzip(&text);
        for step in [1, 1460, 1 << 20] {
            let done = through("zstd", &bomb, step, &limits);
            assert!(done.opaque && done.over_limit, "cut at {step}");
            let done = through("gzip", &honest, step, &limits);
            assert!(
                !done.opaque && done.content_bytes == text.len() as u64,
                "cut at {step}"
            );
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_opaque() {
        for (coding, wire) in [
            ("gzip", &b"plain text"[..]),
            ("compress", b"x"),
            ("gzip, br, zstd", b"x"),
        ] {
            let done = through(coding, wire, 3, &Limits::default());
            assert!(done.opaque, "{coding}");
            assert_eq!(done.content_bytes, wire.len() as u64);
        }
    }

    /// A brotli stream with a window of so many bits, in which that many bytes are to come and none does.
    fn window(bits: u8) -> Vec<u8> {
        assert!((18..=24).contains(&bits));
        // RFC 7932 sections 9.1 and 9.2: the window, not the last block, four nibbles of length, no padding.
        let length = 0xffff_u32;
        let header = u32::from(bits - 17) << 1 | 1 | length << 7;
        // Uncompressed; then the first byte of the block.
        let mut wire = (header | 1 << 23).to_le_bytes()[..3].to_vec();
        wire.push(b'x');
        wire
    }

    #[test]
    fn windows_of_brotli_share_what_memory_there_is() {
        let limits = Limits {
            memory: 64 << 20,
            ..Limits::default()
        };
        let mut pool = Pool::default();
        let mut room = limits.body_capture_total;
        let mut bodies: Vec<Body> = (0..100)
            .map(|_| {
                let mut body = Body::new(["br"].into_iter(), None, &limits, &mut pool, room);
                body.push(&window(22), &limits, &mut pool, &mut room);
                body
            })
            .collect();
        let decoding = |bodies: &[Body]| {
            let coded = bodies.iter().filter(|b| matches!(b.content, Content::Coded(_)));
            coded.count()
        };
        assert_eq!(decoding(&bodies), 11, "of 4 MiB each in 48 MiB");
        // One that is over makes room for another, however it ended.
        let ended = bodies.remove(0);
        ended.finish(false, &limits, &mut Counters::default(), &mut pool, &mut room);
        bodies.remove(0);
        bodies[0].gap(None, &limits, &mut pool, &mut room);
        for _ in 0..10 {
            let mut body = Body::new(["br"].into_iter(), None, &limits, &mut pool, room);
            body.push(&window(22), &limits, &mut pool, &mut room);
            bodies.push(body);
        }
        assert_eq!(decoding(&bodies), 11);
        bodies.clear();
        assert_eq!(pool.windows.taken(), 0);
    }

    /// The beginning of a brotli stream that asks for 256 tables of literals and as many of distances.
    fn tables() -> Vec<u8> {
        // RFC 7932 sections 9.1 and 9.2, each value with its bits: a window of 64 KiB, not the last block, four nibbles of
        // length, coded; one block type of each kind; postfix and direct codes of distances; the context mode.
        let block = [
            (0, 1),
            (0, 1),
            (0, 2),
            (0xfffe, 16),
            (0, 1),
            (0, 3),
            (0, 6),
            (0, 2),
        ];
        // 256 trees, no runs, a simple code of one symbol and no move to front: a map that takes no more bits.
        let map = [(0x7ff, 11), (0, 1), (1, 2), (0, 2), (0, 8), (0, 1)];
        let bits = block.into_iter().chain(map).chain(map);
        let (wire, len) = bits.fold((0_u128, 0), |(wire, len), (value, bits)| {
            (wire | value << len, len + bits)
        });
        wire.to_le_bytes()[..usize::div_ceil(len, 8)].to_vec()
    }

    #[test]
    fn tables_of_brotli_count_for_what_they_take() {
        let limits = Limits {
            memory: 64 << 20,
            ..Limits::default()
        };
        let mut pool = Pool::default();
        let mut room = limits.body_capture_total;
        let bodies: Vec<Body> = (0..100)
            .map(|_| {
                let mut body = Body::new(["br"].into_iter(), None, &limits, &mut pool, room);
                body.push(&tables(), &limits, &mut pool, &mut room);
                body
            })
            .collect();
        let decoding: Vec<&Body> = bodies
            .iter()
            .filter(|b| matches!(b.content, Content::Coded(_)))
            .collect();
        assert_eq!(decoding.len(), 21, "of 2.2 MiB each in 48 MiB");
        assert!(decoding.iter().all(|b| b.weight() > 2 * 256 * 1080 * 4));
        assert!(pool.windows.taken() <= 48 << 20);
        drop(bodies);
        assert_eq!(pool.windows.taken(), 0);
    }

    #[test]
    fn a_window_that_was_in_use_is_like_a_new_one() {
        let text: Vec<u8> = (0..40_000u32)
            .flat_map(|n| (n * n).to_string().into_bytes())
            .collect();
        let wire = testdata::http::Coding::Brotli.encode(&text);
        // It refers to what it did not send: not of what another body sent before.
        let mut damaged = wire.clone();
        damaged[wire.len() / 2] ^= 0x55;
        let limits = Limits::default();
        let read = |wire: &[u8], pool: &mut Pool| {
            let mut room = limits.body_capture_total;
            let mut body = Body::new(["br"].into_iter(), None, &limits, pool, room);
            body.push(wire, &limits, pool, &mut room);
            let done = body.finish(true, &limits, &mut Counters::default(), pool, &mut room);
            (done.kept, done.content_bytes, done.opaque)
        };
        let mut pool = Pool::default();
        for wire in [&wire, &damaged, &wire, &wire[..1000].to_vec(), &damaged] {
            assert_eq!(read(wire, &mut pool), read(wire, &mut Pool::default()));
            assert!(pool.windows.kept() > 0, "a window is used again");
        }
        assert_eq!(pool.windows.taken(), 0);
    }

    #[test]
    fn a_large_window_is_no_brotli() {
        // Streams of no bytes, whole in themselves: one with a large window, and one with a window of 16 bits.
        for (wire, opaque) in [(&[0x11, 0xd8][..], true), (&[0x06], false)] {
            let done = through("br", wire, 1, &Limits::default());
            assert_eq!(done.opaque, opaque, "{wire:?}");
        }
    }

    #[test]
    fn what_a_decoder_makes_counts_whatever_the_next_one_makes_of_it() {
        // A frame that is skipped (RFC 8878 section 3.1.2): nothing comes out of the last decoder.
        let mut skipped = vec![0x50, 0x2a, 0x4d, 0x18];
        skipped.extend_from_slice(&(8_u32 << 20).to_le_bytes());
        skipped.resize(8 + (8 << 20), 0);
        let wire = zstd::bulk::compress(&skipped, 3).expect("compresses");
        let done = through("zstd, zstd", &wire, 1460, &Limits::default());
        assert!(done.opaque && done.over_limit);
        // As much of a window as was written to is weighed.
        let mut pool = Pool::default();
        let once = zstd::bulk::compress(&skipped[..1 << 20], 3).expect("compresses");
        let limits = Limits::default();
        let mut body = Body::new(["zstd, zstd"].into_iter(), None, &limits, &mut pool, 1 << 20);
        body.push(&once, &limits, &mut pool, &mut (1 << 20));
        assert!(body.weight() > 1 << 20);
    }
}
