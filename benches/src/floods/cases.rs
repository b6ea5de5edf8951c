//! The floods. Each is a function that sends it, in whatever size is asked for.

use testdata::http::Coding;
use testdata::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, field, frame,
};

use super::bytes::{Random, brotli_window, hello, preface, request_fields, ws_frame, zstd_zeros};
use super::wire::{ACK, CLIENT, End, Flow, MSS, RST, SERVER, SYN, Wire, ip_segment, ipv4};

/// A flood.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// A short name, for the command line.
    pub name: &'static str,
    /// What is flooded with, in words; the size in front.
    pub what: &'static str,
    /// Its size in full.
    pub full: u64,
    /// Nanoseconds of packet time between two packets.
    pub nanos: u64,
    /// Packets of a flood of this size, about.
    pub(super) packets: fn(u64) -> u64,
    pub(super) send: fn(&mut Wire, u64),
    /// What the program has to tell as lost, in its own words.
    pub tells: &'static [&'static str],
    /// Whether the flood is an exchange that has to be found itself.
    pub whole: bool,
    /// Whether it comes from more callers than are known at a time.
    pub callers: bool,
    /// How many times more than ordinary traffic a byte or a packet of it may cost.
    pub dear: f64,
}

impl Flood {
    const fn new(
        name: &'static str,
        full: u64,
        what: &'static str,
        packets: fn(u64) -> u64,
        send: fn(&mut Wire, u64),
    ) -> Self {
        Self {
            name,
            what,
            full,
            nanos: 1_000,
            packets,
            send,
            tells: &[],
            whole: false,
            callers: false,
            dear: 20.0,
        }
    }

    const fn tells(self, tells: &'static [&'static str]) -> Self {
        Self { tells, ..self }
    }

    const fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    const fn callers(self) -> Self {
        Self {
            callers: true,
            ..self
        }
    }

    const fn nanos(self, nanos: u64) -> Self {
        Self { nanos, ..self }
    }

    /// For one that packs as many exchanges into a packet: each may cost what an ordinary packet does.
    const fn dear(self, dear: f64) -> Self {
        Self { dear, ..self }
    }
}

/// All floods.
#[must_use]
pub fn all() -> Vec<Flood> {
    vec![
        // TCP
        Flood::new("half-open", 1_000_000, "half-open flows", |n| n, half_open),
        Flood::new(
            "answered",
            500_000,
            "half-open flows with the server's answer",
            |n| 2 * n,
            answered,
        ),
        Flood::new("refused", 500_000, "flows refused at once", |n| 2 * n, refused),
        Flood::new(
            "gaps",
            200_000,
            "concurrent flows, each with a gap",
            |n| 5 * n,
            gaps,
        ),
        Flood::new(
            "addresses",
            500_000,
            "flows of a packet each, from random addresses",
            |n| n,
            addresses,
        )
        .callers(),
        Flood::new("one-byte", 2_000_000, "segments of one byte", |n| n, one_byte).whole(),
        Flood::new(
            "one-byte-heads",
            20_000,
            "requests in segments of one byte",
            |n| 120 * n,
            one_byte_heads,
        ),
        Flood::new(
            "reverse",
            1_000_000,
            "segments of one byte, in reverse order",
            |n| n,
            reverse,
        ),
        Flood::new(
            "overlaps",
            200_000,
            "segments over 1,000 held ones",
            |n| n,
            overlaps,
        ),
        Flood::new(
            "wrap",
            5_000_000_000,
            "bytes in one flow, past the wrap of sequence numbers",
            |n| n / 8_000,
            wrap,
        )
        .whole()
        .nanos(10_000),
        // HTTP/1
        Flood::new(
            "endless-head",
            400_000_000,
            "bytes of a head that does not end",
            |n| n / 1460,
            endless_head,
        )
        .tells(&["head over the limit"]),
        Flood::new("heads", 2_000, "heads of 12,700 fields", |n| n * 44, heads),
        Flood::new("chunks", 20_000_000, "chunks of one byte", |n| n / 243, chunks).whole(),
        Flood::new(
            "chunks-apart",
            1_000_000,
            "chunks of one byte, a segment each",
            |n| n,
            chunks_apart,
        )
        .whole(),
        Flood::new(
            "pipelined",
            1_000_000,
            "requests of one flow, no response",
            |n| n * 37 / 1460,
            pipelined,
        )
        .dear(1460.0 / 37.0),
        // Bodies
        Flood::new(
            "bomb",
            10_000_000_000,
            "bytes out of one gzip body",
            |n| n / 1_500_000,
            bomb,
        )
        .tells(&["over the decompression limit"])
        .whole(),
        Flood::new(
            "bomb-zstd",
            10_000_000_000,
            "bytes out of one zstd body",
            |n| n / 47_000_000,
            bomb_zstd,
        )
        .tells(&["over the decompression limit"])
        .whole(),
        Flood::new("bombs", 3_000, "gzip bodies of 2 MiB in 2 KiB", |n| n * 8, bombs)
            .tells(&["bodies unpacked at an extreme ratio"]),
        Flood::new(
            "bombs-zstd",
            3_000,
            "zstd bodies of 2 MiB in 70 bytes",
            |n| n * 7,
            bombs_zstd,
        )
        .tells(&["bodies unpacked at an extreme ratio"]),
        Flood::new(
            "windows",
            20_000,
            "brotli bodies with windows of 16 MiB",
            |n| n * 6,
            windows,
        ),
        Flood::new(
            "windows-small",
            20_000,
            "brotli bodies with windows of 256 KiB",
            |n| n * 6,
            windows_small,
        ),
        Flood::new(
            "codings",
            300,
            "bodies with 9,000 content-codings",
            |n| n * 49,
            codings,
        ),
        // HTTP/2
        Flood::new(
            "streams",
            100_000,
            "concurrent streams of one flow",
            |n| n,
            streams,
        )
        .tells(&["streams of HTTP/2 given up at the limit"]),
        Flood::new(
            "streams-spread",
            100_000,
            "concurrent streams of 100 flows",
            |n| n,
            streams_spread,
        ),
        Flood::new(
            "continuation",
            1_000_000,
            "CONTINUATION frames of one block",
            |n| n / 12,
            continuation,
        )
        .tells(&["head over the limit"]),
        Flood::new(
            "continuation-empty",
            5_000_000,
            "empty CONTINUATION frames",
            |n| n / 160,
            continuation_empty,
        ),
        Flood::new(
            "tiny-fields",
            500,
            "HTTP/2 blocks of 100,000 fields",
            |n| n * 69,
            tiny_fields,
        )
        .tells(&["heads over the limit"]),
        Flood::new(
            "hpack",
            2_000,
            "HTTP/2 blocks that unpack to 60 MB",
            |n| n * 12,
            hpack,
        )
        .tells(&["heads over the limit"]),
        Flood::new(
            "h2-gaps",
            20_000,
            "gaps in a flow with 1,000 streams",
            |n| 2 * n,
            h2_gaps,
        )
        .nanos(300_000),
        Flood::new("resets", 500_000, "streams opened and reset", |n| n / 15, resets),
        // Streams
        Flood::new(
            "websocket",
            400_000_000,
            "bytes of a WebSocket message that does not end",
            |n| n / 1460,
            websocket,
        )
        .tells(&["of WebSockets whose end was not seen"]),
        Flood::new(
            "ws-frames",
            10_000_000,
            "empty frames of a WebSocket message",
            |n| n / 243,
            ws_frames,
        )
        .tells(&["of WebSockets whose end was not seen"]),
        Flood::new(
            "ws-bombs",
            3_000,
            "WebSocket messages of 2 MiB in 2 KiB",
            |n| n * 2,
            ws_bombs,
        )
        .tells(&["over the decompression limit"]),
        Flood::new(
            "event",
            400_000_000,
            "bytes of a server-sent event that does not end",
            |n| n / 1460,
            event,
        ),
        Flood::new(
            "events",
            20_000_000,
            "empty server-sent events",
            |n| n * 9 / 1460,
            events,
        ),
        // TLS and QUIC
        Flood::new(
            "hellos",
            200_000,
            "flows with most of a ClientHello of 16 KiB",
            |n| n * 5,
            hellos,
        ),
        Flood::new(
            "records",
            5_000_000,
            "TLS records of one byte of handshake",
            |n| n * 6 / 1460,
            records,
        ),
        Flood::new("quic", 50_000, "QUIC Initial packets, a flow each", |n| n, quic),
        // IP
        Flood::new(
            "fragments",
            1_000_000,
            "IP fragments that are never whole",
            |n| n,
            fragments,
        )
        .tells(&["fragmented datagrams never whole"]),
        Flood::new(
            "fragments-small",
            1_000_000,
            "IP fragments of 8 bytes in reverse order",
            |n| n,
            fragments_small,
        ),
        Flood::new(
            "nested",
            500_000,
            "packets in as many tunnels as are taken off",
            |n| n,
            nested,
        ),
        Flood::new(
            "nested-more",
            500_000,
            "packets in more tunnels than are taken off",
            |n| n,
            nested_more,
        )
        .tells(&["packets nested too deep"]),
    ]
}

/// Where attackers are, and what they attack.
const fn attacker(n: u64) -> End {
    End {
        ip: 0xc612_0000 + (n / 50_000) as u32,
        port: 1024 + (n % 50_000) as u16,
    }
}

const SERVER_END: End = End {
    ip: 0x0a02_0001,
    port: 8080,
};

const REQUEST: &[u8] = b"GET /flood HTTP/1.1\r\nHost: flood.example\r\n\r\n";

/// An open flow of that number.
fn opened(wire: &mut Wire, n: u64) -> Flow {
    let mut flow = Flow::new(attacker(n), SERVER_END);
    flow.open(wire);
    flow
}

/// A flow in which a response with this head has begun.
fn answering(wire: &mut Wire, n: u64, head: &str) -> Flow {
    let mut flow = opened(wire, n);
    flow.send(wire, CLIENT, REQUEST);
    flow.send(
        wire,
        SERVER,
        format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(),
    );
    flow
}

/// A flow in which a request with this head has begun.
fn asking(wire: &mut Wire, n: u64, head: &str) -> Flow {
    let mut flow = opened(wire, n);
    let head = format!("POST /flood HTTP/1.1\r\nHost: flood.example\r\n{head}\r\n\r\n");
    flow.send(wire, CLIENT, head.as_bytes());
    flow
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Fills segments with what `next` gives until `count` were given.
fn filled(
    wire: &mut Wire,
    flow: &mut Flow,
    side: usize,
    count: u64,
    mut next: impl FnMut(u64, &mut Vec<u8>),
) {
    let mut segment = Vec::with_capacity(2 * MSS);
    for n in 0..count {
        next(n, &mut segment);
        while segment.len() >= MSS {
            flow.send(wire, side, &segment[..MSS]);
            segment.drain(..MSS);
        }
        if wire.is_broken() {
            return;
        }
    }
    flow.send(wire, side, &segment);
}

fn half_open(wire: &mut Wire, n: u64) {
    for k in 0..n {
        wire.tcp(attacker(k), SERVER_END, k as u32, 0, SYN, b"");
    }
}

fn answered(wire: &mut Wire, n: u64) {
    for k in 0..n {
        wire.tcp(attacker(k), SERVER_END, k as u32, 0, SYN, b"");
        wire.tcp(SERVER_END, attacker(k), 7, k as u32 + 1, SYN | ACK, b"");
    }
}

fn refused(wire: &mut Wire, n: u64) {
    for k in 0..n {
        wire.tcp(attacker(k), SERVER_END, k as u32, 0, SYN, b"");
        wire.tcp(SERVER_END, attacker(k), 0, k as u32 + 1, RST | ACK, b"");
    }
}

fn gaps(wire: &mut Wire, n: u64) {
    for k in 0..n {
        let mut flow = opened(wire, k);
        flow.send_ahead(wire, CLIENT, 100, &[b'x'; 200]);
        // The server has it all, so it is the capture that lost some.
        flow.next[CLIENT] = flow.next[CLIENT].wrapping_add(300);
        flow.emit(wire, SERVER, ACK, b"");
    }
}

fn addresses(wire: &mut Wire, n: u64) {
    let mut random = Random::new(1);
    for _ in 0..n {
        let (a, b) = (random.next(), random.next());
        let from = End {
            ip: a as u32,
            port: (a >> 32) as u16,
        };
        let to = End {
            ip: b as u32,
            port: (b >> 32) as u16,
        };
        wire.tcp(from, to, a as u32, b as u32, ACK, REQUEST);
    }
}

fn one_byte(wire: &mut Wire, n: u64) {
    let mut flow = asking(wire, 0, &format!("Content-Length: {n}"));
    for _ in 0..n {
        flow.emit(wire, CLIENT, ACK, b"b");
    }
    flow.send(wire, SERVER, ANSWER);
}

fn one_byte_heads(wire: &mut Wire, n: u64) {
    let mut flow = opened(wire, 0);
    for _ in 0..n {
        flow.send_by(wire, CLIENT, REQUEST, 1);
        flow.send_by(wire, SERVER, ANSWER, 1);
    }
}

fn reverse(wire: &mut Wire, n: u64) {
    const RUN: u32 = 6_000;
    let mut flow = asking(wire, 0, &format!("Content-Length: {n}"));
    let mut left = n as u32;
    while left > 0 {
        let run = left.min(RUN);
        for at in (0..run).rev() {
            flow.send_ahead(wire, CLIENT, at, b"r");
        }
        flow.next[CLIENT] = flow.next[CLIENT].wrapping_add(run);
        left -= run;
    }
    flow.send(wire, SERVER, ANSWER);
}

fn overlaps(wire: &mut Wire, n: u64) {
    let mut flow = asking(wire, 0, "Content-Length: 100000000");
    // The first byte never comes; of the next ones every other one does.
    for at in 0..1_000 {
        flow.send_ahead(wire, CLIENT, 1 + 2 * at, b"o");
    }
    for k in 0..n {
        flow.send_ahead(wire, CLIENT, 1 + (k % 500) as u32, &[b'o'; MSS]);
    }
    flow.emit(wire, CLIENT, ACK, b"o");
}

fn wrap(wire: &mut Wire, n: u64) {
    let mut flow = Flow::new(attacker(0), SERVER_END);
    flow.next = [u32::MAX - 30, u32::MAX - 10_000];
    flow.open(wire);
    flow.send(wire, CLIENT, REQUEST);
    flow.send(
        wire,
        SERVER,
        format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n").as_bytes(),
    );
    let piece = vec![b'w'; 8_000];
    let mut left = n;
    while left > 0 && !wire.is_broken() {
        let len = left.min(piece.len() as u64);
        flow.emit(wire, SERVER, ACK, &piece[..len as usize]);
        left -= len;
    }
    flow.emit(wire, CLIENT, ACK, b"");
    flow.close(wire);
}

fn endless_head(wire: &mut Wire, n: u64) {
    let mut flow = opened(wire, 0);
    flow.send(wire, CLIENT, b"GET /flood HTTP/1.1\r\nHost: flood.example\r\n");
    filled(wire, &mut flow, CLIENT, n / 20, |_, out| {
        out.extend_from_slice(b"X-Field-Again: some\n")
    });
}

fn heads(wire: &mut Wire, n: u64) {
    let mut head = b"GET /flood HTTP/1.1\r\n".to_vec();
    for _ in 0..12_700 {
        head.extend_from_slice(b"a:b\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let mut flow = opened(wire, 0);
    for _ in 0..n {
        flow.send(wire, CLIENT, &head);
        flow.send(wire, SERVER, ANSWER);
    }
}

fn chunks(wire: &mut Wire, n: u64) {
    let mut flow = asking(wire, 0, "Transfer-Encoding: chunked");
    filled(wire, &mut flow, CLIENT, n, |_, out| {
        out.extend_from_slice(b"1\r\nc\r\n")
    });
    flow.send(wire, CLIENT, b"0\r\n\r\n");
    flow.send(wire, SERVER, ANSWER);
}

fn chunks_apart(wire: &mut Wire, n: u64) {
    let mut flow = asking(wire, 0, "Transfer-Encoding: chunked");
    for _ in 0..n {
        flow.emit(wire, CLIENT, ACK, b"1\r\nc\r\n");
    }
    flow.send(wire, CLIENT, b"0\r\n\r\n");
    flow.send(wire, SERVER, ANSWER);
}

fn pipelined(wire: &mut Wire, n: u64) {
    let mut flow = opened(wire, 0);
    filled(wire, &mut flow, CLIENT, n, |_, out| {
        out.extend_from_slice(b"GET /flood HTTP/1.1\r\nHost: f.example\r\n\r\n");
    });
}

/// gzip of that many zeros, as often as needed: members follow each other (RFC 1952 section 2.2).
fn bomb(wire: &mut Wire, n: u64) {
    const MEMBER: u64 = 16 << 20;
    let member = Coding::Gzip.encode(&vec![0; MEMBER as usize]);
    let count = (n / MEMBER).max(1);
    let head = format!(
        "Content-Encoding: gzip\r\nContent-Length: {}",
        count * member.len() as u64
    );
    let mut flow = answering(wire, 0, &head);
    for _ in 0..count {
        flow.send(wire, SERVER, &member);
    }
    flow.close(wire);
}

fn bomb_zstd(wire: &mut Wire, n: u64) {
    let body = zstd_zeros((n / (128 << 10)).max(1) as usize);
    let head = format!("Content-Encoding: zstd\r\nContent-Length: {}", body.len());
    let mut flow = answering(wire, 0, &head);
    flow.send(wire, SERVER, &body);
    flow.close(wire);
}

/// A flow of its own for each body.
fn bodies(wire: &mut Wire, n: u64, coding: &str, body: &[u8]) {
    let head = format!("Content-Encoding: {coding}\r\nContent-Length: {}", body.len());
    for k in 0..n {
        let mut flow = answering(wire, k, &head);
        flow.send(wire, SERVER, body);
    }
}

fn bombs(wire: &mut Wire, n: u64) {
    bodies(wire, n, "gzip", &Coding::Gzip.encode(&vec![b'0'; 2 << 20]));
}

fn bombs_zstd(wire: &mut Wire, n: u64) {
    bodies(wire, n, "zstd", &zstd_zeros(16));
}

/// Bodies that have only begun, each in a flow of its own.
fn begun_windows(wire: &mut Wire, n: u64, bits: u32) {
    for k in 0..n {
        let mut flow = answering(wire, k, "Content-Encoding: br\r\nContent-Length: 60000");
        flow.send(wire, SERVER, &brotli_window(bits));
    }
}

fn windows(wire: &mut Wire, n: u64) {
    begun_windows(wire, n, 24);
}

fn windows_small(wire: &mut Wire, n: u64) {
    begun_windows(wire, n, 18);
}

fn codings(wire: &mut Wire, n: u64) {
    let head = format!(
        "Content-Encoding: {}gzip\r\nContent-Length: 10",
        "gzip, ".repeat(9_000)
    );
    for k in 0..n {
        let mut flow = answering(wire, k, &head);
        flow.send(wire, SERVER, b"0123456789");
    }
}

/// A flow of HTTP/2.
fn http2(wire: &mut Wire, n: u64) -> Flow {
    let mut flow = opened(wire, n);
    flow.send(wire, CLIENT, &preface());
    flow.send(wire, SERVER, &frame(SETTINGS, 0, 0, b""));
    flow
}

fn streams(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    let block = request_fields("/flood");
    for k in 0..n {
        flow.send(
            wire,
            CLIENT,
            &frame(HEADERS, END_HEADERS, 2 * k as u32 + 1, &block),
        );
    }
}

fn streams_spread(wire: &mut Wire, n: u64) {
    let mut flows: Vec<Flow> = (0..100).map(|k| http2(wire, k)).collect();
    let block = [request_fields("/flood"), field(0, b"x-long", &[b'l'; 1000])].concat();
    for k in 0..n {
        let flow = &mut flows[(k % 100) as usize];
        flow.send(
            wire,
            CLIENT,
            &frame(HEADERS, END_HEADERS, 2 * (k / 100) as u32 + 1, &block),
        );
    }
}

fn continuation(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    flow.send(wire, CLIENT, &frame(HEADERS, 0, 1, &request_fields("/flood")));
    let more = frame(CONTINUATION, 0, 1, &field(0, b"x-flood", &[b'f'; 100]));
    filled(wire, &mut flow, CLIENT, n, |_, out| out.extend_from_slice(&more));
}

fn continuation_empty(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    flow.send(wire, CLIENT, &frame(HEADERS, 0, 1, &request_fields("/flood")));
    let more = frame(CONTINUATION, 0, 1, b"");
    filled(wire, &mut flow, CLIENT, n, |_, out| out.extend_from_slice(&more));
}

/// A block in frames as long as they may be.
fn block(stream: u32, fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let pieces: Vec<&[u8]> = fields.chunks(16_384).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let (kind, first) = if at == 0 {
            (HEADERS, END_STREAM)
        } else {
            (CONTINUATION, 0)
        };
        let last = if at + 1 == pieces.len() { END_HEADERS } else { 0 };
        out.extend(frame(kind, first | last, stream, piece));
    }
    out
}

fn tiny_fields(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    let mut fields = request_fields("/flood");
    // accept-encoding: gzip, deflate stands in the fixed table: a byte for a field.
    fields.resize(fields.len() + 100_000, 0x80 | 16);
    for k in 0..n {
        flow.send(wire, CLIENT, &block(2 * k as u32 + 1, &fields));
    }
}

fn hpack(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    let into_table = field(0x40, b"x-bomb", &[b'h'; 4000]);
    flow.send(
        wire,
        CLIENT,
        &block(1, &[request_fields("/flood"), into_table].concat()),
    );
    let mut fields = request_fields("/flood");
    fields.resize(fields.len() + 16_000, 0x80 | 62);
    for k in 1..=n {
        flow.send(wire, CLIENT, &block(2 * k as u32 + 1, &fields));
    }
}

fn h2_gaps(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    let fields = request_fields("/flood");
    for k in 0..1_000 {
        flow.send(wire, CLIENT, &frame(HEADERS, END_HEADERS, 2 * k + 1, &fields));
    }
    for _ in 0..n {
        // The server has it, the capture does not.
        flow.next[CLIENT] = flow.next[CLIENT].wrapping_add(100);
        flow.emit(wire, SERVER, ACK, b"");
        flow.send(wire, CLIENT, &frame(DATA, 0, 1, &[0; 30]));
    }
}

fn resets(wire: &mut Wire, n: u64) {
    let mut flow = http2(wire, 0);
    let fields = request_fields("/flood");
    filled(wire, &mut flow, CLIENT, n, |k, out| {
        let stream = 2 * k as u32 + 1;
        out.extend(frame(HEADERS, END_HEADERS, stream, &fields));
        out.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    });
}

/// A flow that has gone over to WebSocket.
fn upgraded(wire: &mut Wire, n: u64, extensions: &str) -> Flow {
    let mut flow = opened(wire, n);
    let request = format!(
        "GET /flood HTTP/1.1\r\nHost: flood.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
    );
    flow.send(wire, CLIENT, request.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{extensions}\r\n"
    );
    flow.send(wire, SERVER, response.as_bytes());
    flow
}

fn websocket(wire: &mut Wire, n: u64) {
    let mut flow = upgraded(wire, 0, "");
    flow.send(wire, CLIENT, &ws_frame(0x82, n, b""));
    let piece = [b'w'; MSS];
    for _ in 0..n / MSS as u64 {
        flow.send(wire, CLIENT, &piece);
    }
}

fn ws_frames(wire: &mut Wire, n: u64) {
    let mut flow = upgraded(wire, 0, "");
    flow.send(wire, CLIENT, &ws_frame(0x01, 0, b""));
    let more = ws_frame(0x00, 0, b"");
    filled(wire, &mut flow, CLIENT, n, |_, out| out.extend_from_slice(&more));
}

fn ws_bombs(wire: &mut Wire, n: u64) {
    let mut flow = upgraded(wire, 0, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    // Behind the header of gzip, and before the trailer, lies what is wanted (RFC 7692 section 7.2.1).
    let gzip = Coding::Gzip.encode(&vec![b'0'; 2 << 20]);
    let deflate = &gzip[10..gzip.len() - 8];
    let message = ws_frame(0xc2, deflate.len() as u64, deflate);
    for _ in 0..n {
        flow.send(wire, CLIENT, &message);
    }
}

const EVENTS: &str = "Content-Type: text/event-stream\r\nCache-Control: no-store";

fn event(wire: &mut Wire, n: u64) {
    let mut flow = answering(wire, 0, EVENTS);
    filled(wire, &mut flow, SERVER, n / 20, |_, out| {
        out.extend_from_slice(b"data: 1234567890123\n")
    });
}

fn events(wire: &mut Wire, n: u64) {
    let mut flow = answering(wire, 0, EVENTS);
    filled(wire, &mut flow, SERVER, n, |_, out| {
        out.extend_from_slice(b"data: x\n\n")
    });
}

fn hellos(wire: &mut Wire, n: u64) {
    let hello = hello(16_000, 2 * MSS);
    for k in 0..n {
        let mut flow = opened(wire, k);
        flow.send(wire, CLIENT, &hello);
    }
}

fn records(wire: &mut Wire, n: u64) {
    let mut flow = opened(wire, 0);
    // A hello of 16 MiB, in records of one byte each.
    filled(wire, &mut flow, CLIENT, n, |k, out| {
        let byte = match k {
            0 => 1,
            1 => 0xff,
            _ => 0,
        };
        out.extend_from_slice(&[0x16, 3, 1, 0, 1, byte]);
    });
}

fn quic(wire: &mut Wire, n: u64) {
    let mut random = Random::new(2);
    let mut packet = vec![0; 1200];
    packet[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
    packet[14..18].copy_from_slice(&[0, 0, 0x44, 0x9e]);
    for k in 0..n {
        packet[6..14].copy_from_slice(&random.next().to_be_bytes());
        wire.udp(
            attacker(k),
            End {
                port: 443,
                ..SERVER_END
            },
            &packet,
        );
    }
}

fn fragments(wire: &mut Wire, n: u64) {
    for k in 0..n {
        let from = attacker(k / 60_000).ip;
        wire.ip(from, SERVER_END.ip, 6, (k % 60_000) as u16, 0x2000, &[0; 64]);
    }
}

fn fragments_small(wire: &mut Wire, n: u64) {
    // The last one first, and the first one never.
    for k in 0..n {
        let at = 250 - (k % 250) as u16;
        let more = if at == 250 { 0 } else { 0x2000 };
        wire.ip(
            attacker(0).ip,
            SERVER_END.ip,
            6,
            (k / 250) as u16,
            more | at,
            &[0; 8],
        );
    }
}

/// A segment in that many IP headers.
fn in_headers(wire: &mut Wire, n: u64, headers: usize) {
    for k in 0..n {
        let mut packet = ip_segment(attacker(k), SERVER_END, k as u32, SYN, b"");
        // The one that is written last comes from `wire`.
        for _ in 2..headers {
            let mut outer = Vec::new();
            ipv4(&mut outer, 0xc613_0001, 0x0a03_0001, 4, k as u16, 0, packet.len());
            outer.extend_from_slice(&packet);
            packet = outer;
        }
        wire.ip(0xc613_0001, 0x0a03_0001, 4, k as u16, 0, &packet);
    }
}

fn nested(wire: &mut Wire, n: u64) {
    in_headers(wire, n, 8);
}

fn nested_more(wire: &mut Wire, n: u64) {
    in_headers(wire, n, 40);
}
