//! Bodies: transfer-decoded bytes in; counted, content-decoded and a bounded part of them kept.

use std::io::{self, Write};

use crate::limits::{Counters, Limits};
use crate::part::{Part, Stamp};
use crate::sse::Events;

use super::brotli::Brotli;
use super::inflate::{Inflate, Pool, Wrapper};

/// What any body may unpack to, however small it is.
pub(crate) const FREE_EXPANSION: u64 = 2 << 20;

/// Beyond that, a body may unpack to this many times the bytes sent. Text compresses to a tenth or a fiftieth; bombs to a
/// thousandth (gzip) or less, and unpacking them takes the time of a thousand honest packets.
pub(crate) const EXPANSION: u64 = 128;

/// The allowance is worked out anew each time this much was sent.
pub(crate) const ALLOWANCE_STEP: u64 = 4096;

/// Room made at once for a body whose length is known; longer ones grow as they come, so that a length alone
/// takes no memory.
const RESERVE: u64 = 64 << 10;

/// The windows of brotli may take three of so many parts of the memory for flows. Flows with such windows make way for each
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
                let room = tap.keep.saturating_sub(tap.kept.len()).min(bytes.len());
                if self.taken + bytes.len() as u64 <= self.limit {
                    tap.kept.extend_from_slice(&bytes[..room]);
                    if let Some(events) = &mut tap.events {
                        events.push(bytes);
                    }
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

    /// About the bytes of memory it takes.
    fn weight(&self) -> usize {
        const INFLATE: usize = 48 << 10;
        const OTHER: usize = 256 << 10;
        let own = match &self.stage {
            Stage::Tap(tap) => tap.kept.capacity(),
            Stage::Inflate(_) => INFLATE,
            // Room for all of its window is made at once.
            Stage::Brotli(brotli) => OTHER + brotli.weight(),
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
    over_limit: bool,
    /// The content is read as events too.
    events: Option<Box<Events>>,
}

/// A body that is over.
pub(crate) struct Done {
    pub(crate) bytes: u64,
    pub(crate) content_bytes: u64,
    pub(crate) kept: Vec<u8>,
    pub(crate) opaque: bool,
    pub(crate) over_limit: bool,
    /// Events given out.
    pub(crate) parts: u64,
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
        for name in coded.iter().take(if unknown { 0 } else { MAX_CODINGS }) {
            let tap = || {
                Layer::new(Stage::Tap(Tap {
                    kept: Vec::new(),
                    keep: limits.body_capture,
                    events: None,
                }))
            };
            let inner = layer.take().unwrap_or_else(tap);
            layer = Some(Layer::new(
                if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
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
                },
            ));
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
        Self {
            bytes: 0,
            content,
            over_limit: false,
            events: None,
        }
    }

    /// Has the content read as events too.
    pub(crate) fn read_events(&mut self, limits: &Limits) {
        self.events = Some(Box::new(Events::new(limits)));
    }

    /// Where the bytes pushed next come from.
    pub(crate) fn at(&mut self, stamp: Stamp) {
        if let Some(events) = &mut self.events {
            events.stamp = stamp;
        }
    }

    /// Events that ended. What was kept of them may be kept of other bodies from here on.
    pub(crate) fn take_events(&mut self, room: &mut usize) -> Vec<Part> {
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
            Content::Plain(kept) | Content::Opaque(kept) => kept.capacity(),
            Content::Coded(layer) => layer.weight(),
        };
        content + self.events.as_ref().map_or(0, |events| events.weight())
    }

    /// Takes body bytes. `room` is what may still be kept of all bodies; it is lowered by what is.
    pub(crate) fn push(&mut self, bytes: &[u8], limits: &Limits, room: &mut usize) {
        self.bytes += bytes.len() as u64;
        match &mut self.content {
            Content::Plain(kept) => {
                let keep = limits
                    .body_capture
                    .saturating_sub(kept.len())
                    .min(bytes.len())
                    .min(*room);
                kept.extend_from_slice(&bytes[..keep]);
                *room -= keep;
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
            Content::Coded(_) => {
                // The allowance grows with what was sent, in steps that do not depend on how it was cut.
                let mut rest = bytes;
                let mut at = self.bytes - bytes.len() as u64;
                while !rest.is_empty() {
                    let step = at - at % ALLOWANCE_STEP;
                    let allowed = limits.decoded.min(FREE_EXPANSION + EXPANSION * step);
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
            Content::Opaque(_) => {}
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
                    t.keep = t.keep.min(t.kept.len() + *room);
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
                    self.content = Content::Opaque(
                        layer
                            .tap()
                            .map(|t| std::mem::take(&mut t.kept))
                            .unwrap_or_default(),
                    );
                }
            }
            Content::Plain(_) | Content::Opaque(_) => {}
        }
    }

    /// Bytes of the body were lost: a coded stream cannot go on behind them.
    pub(crate) fn gap(&mut self, room: &mut usize) {
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
        counters: &mut Counters,
        pool: &mut Pool,
        room: &mut usize,
    ) -> Done {
        let bytes = self.bytes;
        let (mut parts, mut dropped) = (0, 0);
        if let Some(events) = &mut self.events {
            (parts, dropped) = events.counts();
            events.room = *room;
            events.end();
            *room = events.room;
        }
        counters.parts += parts;
        counters.parts_dropped += dropped;
        let done = match self.content {
            Content::Plain(kept) => Done {
                bytes,
                content_bytes: bytes,
                kept,
                opaque: false,
                over_limit: false,
                parts,
            },
            Content::Coded(mut layer) => {
                let ended = bytes == 0 || layer.finish().is_ok();
                let count = layer.count();
                let kept = layer
                    .tap()
                    .map(|t| std::mem::take(&mut t.kept))
                    .unwrap_or_default();
                let opaque = complete && !ended;
                layer.release(pool);
                let content_bytes = if opaque { bytes } else { count };
                Done {
                    bytes,
                    content_bytes,
                    kept,
                    opaque,
                    over_limit: false,
                    parts,
                }
            }
            Content::Opaque(kept) => {
                let opaque = bytes > 0;
                Done {
                    bytes,
                    content_bytes: bytes,
                    kept,
                    opaque,
                    over_limit: self.over_limit,
                    parts,
                }
            }
        };
        counters.opaque_bodies += u64::from(done.opaque);
        counters.decoded_overflow += u64::from(done.over_limit);
        done
    }
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
            body.push(part, limits, &mut room);
        }
        body.finish(true, &mut Counters::default(), &mut pool, &mut room)
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
                body.push(&window(22), &limits, &mut room);
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
        ended.finish(false, &mut Counters::default(), &mut pool, &mut room);
        bodies.remove(0);
        bodies[0].gap(&mut room);
        for _ in 0..10 {
            let mut body = Body::new(["br"].into_iter(), None, &limits, &mut pool, room);
            body.push(&window(22), &limits, &mut room);
            bodies.push(body);
        }
        assert_eq!(decoding(&bodies), 11);
        bodies.clear();
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
            body.push(wire, &limits, &mut room);
            let done = body.finish(true, &mut Counters::default(), pool, &mut room);
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
        let once = zstd::bulk::compress(&skipped[..1 << 20], 3).expect("compresses");
        let limits = Limits::default();
        let mut body = Body::new(
            ["zstd, zstd"].into_iter(),
            None,
            &limits,
            &mut Pool::default(),
            1 << 20,
        );
        body.push(&once, &limits, &mut (1 << 20));
        assert!(body.weight() > 1 << 20);
    }
}
