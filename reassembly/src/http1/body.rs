//! Bodies: transfer-decoded bytes in; counted, content-decoded and a bounded part of them kept.

use std::io::{self, Write};

use crate::limits::{Counters, Limits};

use super::inflate::{Inflate, Pool, Wrapper};

/// What any body may unpack to, however small it is.
const FREE_EXPANSION: u64 = 2 << 20;

/// Beyond that, a body may unpack to this many times the bytes sent. Text compresses to a tenth or a fiftieth; bombs to a
/// thousandth (gzip) or less, and unpacking them takes the time of a thousand honest packets.
const EXPANSION: u64 = 128;

/// The allowance is worked out anew each time this much was sent.
const ALLOWANCE_STEP: u64 = 4096;

/// Room made at once for a body whose length is known; longer ones grow as they come, so that a length alone
/// takes no memory.
const RESERVE: u64 = 64 << 10;

/// Codings on one body that are undone; more is a bomb or a mistake.
const MAX_CODINGS: usize = 2;

/// The end of a decoder: counts, and keeps the first bytes.
struct Tap {
    kept: Vec<u8>,
    keep: usize,
    count: u64,
    limit: u64,
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count += bytes.len() as u64;
        if self.count > self.limit {
            return Err(io::Error::other("over the decompression limit"));
        }
        let room = self.keep.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Layers of decoding; each writes into the next.
enum Layer {
    Tap(Tap),
    Inflate(Box<Inflate<Layer>>),
    Brotli(Box<brotli_decompressor::DecompressorWriter<Layer>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Layer>>),
}

impl Write for Layer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tap(w) => w.write(bytes),
            Self::Inflate(w) => w.write(bytes),
            Self::Brotli(w) => w.write(bytes),
            Self::Zstd(w) => w.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tap(_) => Ok(()),
            Self::Inflate(w) => w.flush(),
            Self::Brotli(w) => w.flush(),
            Self::Zstd(w) => w.flush(),
        }
    }
}

impl Layer {
    fn tap(&mut self) -> Option<&mut Tap> {
        match self {
            Self::Tap(tap) => Some(tap),
            Self::Inflate(w) => w.next.tap(),
            Self::Brotli(w) => w.get_mut().tap(),
            Self::Zstd(w) => w.get_mut().tap(),
        }
    }

    /// About the bytes of memory it takes. A window grows with what came out of it.
    fn weight(&self) -> usize {
        const INFLATE: usize = 48 << 10;
        const OTHER: usize = 256 << 10;
        const WINDOW: u64 = 8 << 20;
        let window = |count: u64| usize::try_from(count.min(WINDOW)).unwrap_or(usize::MAX);
        match self {
            Self::Tap(tap) => tap.kept.capacity(),
            Self::Inflate(w) => INFLATE + w.next.weight(),
            Self::Brotli(w) => OTHER + window(w.get_ref().count()) + w.get_ref().weight(),
            Self::Zstd(w) => OTHER + window(w.get_ref().count()) + w.get_ref().weight(),
        }
    }

    /// Bytes that came out of the last decoder.
    fn count(&self) -> u64 {
        match self {
            Self::Tap(tap) => tap.count,
            Self::Inflate(w) => w.next.count(),
            Self::Brotli(w) => w.get_ref().count(),
            Self::Zstd(w) => w.get_ref().count(),
        }
    }

    /// Hands over what is still inside; an error when the coded stream had not ended.
    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Tap(_) => Ok(()),
            Self::Inflate(w) if !w.ended() => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Inflate(w) => w.next.finish(),
            Self::Brotli(w) => {
                w.close()?;
                w.get_mut().finish()
            }
            Self::Zstd(w) => {
                w.flush()?;
                w.get_mut().finish()
            }
        }
    }

    /// Gives the memory of decoders back.
    fn release(self, pool: &mut Pool) {
        if let Self::Inflate(inflate) = self {
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
}

/// A body that is over.
pub(crate) struct Done {
    pub(crate) bytes: u64,
    pub(crate) content_bytes: u64,
    pub(crate) kept: Vec<u8>,
    pub(crate) opaque: bool,
    pub(crate) over_limit: bool,
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
        if coded.len() > MAX_CODINGS {
            unknown = true;
        }
        for name in coded {
            let tap = || {
                Layer::Tap(Tap {
                    kept: Vec::new(),
                    keep: limits.body_capture,
                    count: 0,
                    limit: limits.decoded,
                })
            };
            let inner = layer.take().unwrap_or_else(tap);
            layer = Some(
                if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                    Layer::Inflate(Box::new(Inflate::new(Wrapper::Gzip, inner, pool)))
                } else if name.eq_ignore_ascii_case("deflate") {
                    Layer::Inflate(Box::new(Inflate::new(Wrapper::Deflate, inner, pool)))
                } else if name.eq_ignore_ascii_case("br") {
                    Layer::Brotli(Box::new(brotli_decompressor::DecompressorWriter::new(
                        inner,
                        16 << 10,
                    )))
                } else if name.eq_ignore_ascii_case("zstd") {
                    match zstd::stream::write::Decoder::new(inner) {
                        Ok(mut decoder) => {
                            // RFC 9659 section 3: a receiver may refuse windows over 8 MiB.
                            let _ = decoder.window_log_max(23);
                            Layer::Zstd(Box::new(decoder))
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
            );
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
        }
    }

    /// About the bytes of memory it takes beside itself, decoders included.
    pub(crate) fn weight(&self) -> usize {
        match &self.content {
            Content::Plain(kept) | Content::Opaque(kept) => kept.capacity(),
            Content::Coded(layer) => layer.weight(),
        }
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
                let before = layer.tap().map_or(0, |t| {
                    t.limit = allowed;
                    t.keep = t.keep.min(t.kept.len() + *room);
                    t.kept.len()
                });
                let failed = write_all(layer, bytes).is_err();
                let (after, over) = layer
                    .tap()
                    .map_or((0, false), |t| (t.kept.len(), t.count > t.limit));
                *room = room.saturating_sub(after - before);
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
    pub(crate) fn gap(&mut self) {
        if let Content::Coded(layer) = &mut self.content {
            let kept = layer
                .tap()
                .map(|t| std::mem::take(&mut t.kept))
                .unwrap_or_default();
            self.content = Content::Opaque(kept);
        }
    }

    /// Ends the body; `complete` tells whether it was seen to its end.
    pub(crate) fn finish(self, complete: bool, counters: &mut Counters, pool: &mut Pool) -> Done {
        let bytes = self.bytes;
        let done = match self.content {
            Content::Plain(kept) => Done {
                bytes,
                content_bytes: bytes,
                kept,
                opaque: false,
                over_limit: false,
            },
            Content::Coded(mut layer) => {
                let ended = bytes == 0 || layer.finish().is_ok();
                let (count, kept) = layer
                    .tap()
                    .map(|t| (t.count, std::mem::take(&mut t.kept)))
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
        body.finish(true, &mut Counters::default(), &mut pool)
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
}
