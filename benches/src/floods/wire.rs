//! Packets into a pipe, as a pcap file without an end, with ordinary ones in between.

use std::io::{self, BufWriter, Write};

use super::ordinary::{Expected, Ordinary};

/// One end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) ip: u32,
    pub(super) port: u16,
}

/// TCP flags as they lie in the header.
pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;

/// Bytes of the headers of a TCP segment: Ethernet, IPv4, TCP.
const HEADERS: usize = 14 + 20 + 20;

/// Payload of a segment that is as long as Ethernet allows.
pub(super) const MSS: usize = 1460;

/// Packets of ordinary flows before the flood begins, and again when it is over.
const BEFORE: u64 = 600;

/// The client.
pub(super) const CLIENT: usize = 0;
/// The server.
pub(super) const SERVER: usize = 1;

/// What was sent in all.
pub(super) struct Sent {
    /// Packets and bytes of the flood.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) ordinary_packets: u64,
    /// The exchanges of ordinary flows.
    pub(super) expected: Vec<Expected>,
}

/// Where packets go.
pub(super) struct Wire {
    out: BufWriter<Box<dyn Write + Send>>,
    error: Option<io::Error>,
    frame: Vec<u8>,
    /// Capture time, in nanoseconds.
    pub(super) now: u64,
    /// Nanoseconds between packets.
    pub(super) step: u64,
    id: u16,
    ordinary: Option<Ordinary>,
    /// An ordinary packet comes after so many of the flood.
    every: u64,
    expected: u64,
    /// Packets and bytes of the flood.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Packets of ordinary flows.
    pub(super) ordinary_packets: u64,
}

impl Wire {
    /// Begins a capture; ordinary flows come in between when there are some.
    pub(super) fn new(out: Box<dyn Write + Send>, ordinary: Option<Ordinary>) -> Self {
        let mut out = BufWriter::with_capacity(1 << 20, out);
        let mut header = vec![];
        header.extend_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
        header.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend_from_slice(&262_144_u32.to_le_bytes());
        header.extend_from_slice(&1_u32.to_le_bytes());
        let error = out.write_all(&header).err();
        Self {
            out,
            error,
            frame: Vec::new(),
            now: 1_760_000_000_000_000_000,
            step: 1_000,
            id: 0,
            ordinary,
            every: u64::MAX,
            expected: 0,
            packets: 0,
            bytes: 0,
            ordinary_packets: 0,
        }
    }

    /// Whether the reader has gone away, so that going on helps nobody.
    pub(super) fn is_broken(&self) -> bool {
        self.error.is_some()
    }

    /// The flood begins, of about so many packets, among which so many ordinary ones are to be.
    pub(super) fn begin(&mut self, packets: u64, ordinary: u64) {
        self.expected = packets;
        self.every = (packets / ordinary.max(1)).max(1);
        self.play(|ordinary, wire| ordinary.begin(wire));
        for _ in 0..BEFORE {
            self.play(Ordinary::step);
        }
    }

    /// The flood is over: ordinary flows go on for a while, and end. The reader comes to the end of the capture.
    pub(super) fn end(mut self) -> io::Result<Sent> {
        self.every = u64::MAX;
        for _ in 0..BEFORE {
            self.play(Ordinary::step);
        }
        self.play(Ordinary::end);
        let ordinary = self.ordinary.take();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.out.flush()?;
        Ok(Sent {
            packets: self.packets,
            bytes: self.bytes,
            ordinary_packets: self.ordinary_packets,
            expected: ordinary.map(|o| o.expected).unwrap_or_default(),
        })
    }

    /// Lets ordinary flows do something; their packets are no part of the flood.
    fn play(&mut self, work: impl FnOnce(&mut Ordinary, &mut Self)) {
        if let Some(mut ordinary) = self.ordinary.take() {
            let flood = (self.packets, self.bytes);
            work(&mut ordinary, self);
            self.ordinary_packets += self.packets - flood.0;
            (self.packets, self.bytes) = flood;
            self.ordinary = Some(ordinary);
        }
    }

    /// One packet of the flood is out.
    fn turn(&mut self) {
        if self.ordinary.is_none() {
            return;
        }
        if self.packets.is_multiple_of(self.every) {
            self.play(Ordinary::step);
        }
        if self.packets == self.expected / 2 {
            self.play(Ordinary::half);
        }
    }

    /// A frame of any kind.
    fn record(&mut self, len: usize) {
        self.now += self.step;
        self.packets += 1;
        self.bytes += len as u64;
        let word = |n: u64| (n as u32).to_le_bytes();
        let mut header = [0; 16];
        header[..4].copy_from_slice(&word(self.now / 1_000_000_000));
        header[4..8].copy_from_slice(&word(self.now % 1_000_000_000));
        header[8..12].copy_from_slice(&word(len as u64));
        header[12..].copy_from_slice(&word(len as u64));
        if self.error.is_none() {
            self.error = self.out.write_all(&header).err();
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.out.write_all(bytes).err();
        }
    }

    /// An IPv4 packet whose header is made here; `fragment` is the field of flags and offset.
    pub(super) fn ip(&mut self, from: u32, to: u32, protocol: u8, id: u16, fragment: u16, payload: &[u8]) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        ethernet(&mut frame);
        ipv4(&mut frame, from, to, protocol, id, fragment, payload.len());
        self.record(frame.len() + payload.len());
        self.put(&frame);
        self.put(payload);
        self.frame = frame;
        self.turn();
    }

    /// A datagram.
    pub(super) fn udp(&mut self, from: End, to: End, payload: &[u8]) {
        self.id = self.id.wrapping_add(1);
        let mut datagram = Vec::with_capacity(8 + payload.len());
        datagram.extend_from_slice(&from.port.to_be_bytes());
        datagram.extend_from_slice(&to.port.to_be_bytes());
        datagram.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        datagram.extend_from_slice(&[0, 0]); // no checksum (RFC 768)
        datagram.extend_from_slice(payload);
        self.ip(from.ip, to.ip, 17, self.id, 0, &datagram);
    }

    /// A segment.
    pub(super) fn tcp(&mut self, from: End, to: End, seq: u32, ack: u32, flags: u8, payload: &[u8]) {
        self.id = self.id.wrapping_add(1);
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        ethernet(&mut frame);
        ipv4(&mut frame, from.ip, to.ip, 6, self.id, 0x4000, 20 + payload.len());
        tcp_header(&mut frame, from, to, seq, ack, flags, payload);
        self.record(HEADERS + payload.len());
        self.put(&frame);
        self.put(payload);
        self.frame = frame;
        self.turn();
    }
}

/// A segment with its IP header.
pub(super) fn ip_segment(from: End, to: End, seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ipv4(
        &mut out,
        from.ip,
        to.ip,
        6,
        seq as u16,
        0x4000,
        20 + payload.len(),
    );
    tcp_header(&mut out, from, to, seq, 0, flags, payload);
    out.extend_from_slice(payload);
    out
}

fn ethernet(out: &mut Vec<u8>) {
    out.extend_from_slice(&[2, 0x1a, 0, 0, 0, 2, 2, 0x1a, 0, 0, 0, 1, 8, 0]);
}

/// An IPv4 header.
pub(super) fn ipv4(out: &mut Vec<u8>, from: u32, to: u32, protocol: u8, id: u16, fragment: u16, len: usize) {
    let at = out.len();
    out.extend_from_slice(&[0x45, 0]);
    out.extend_from_slice(&((20 + len) as u16).to_be_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&fragment.to_be_bytes());
    out.extend_from_slice(&[64, protocol, 0, 0]);
    out.extend_from_slice(&from.to_be_bytes());
    out.extend_from_slice(&to.to_be_bytes());
    let check = fold(sum(&out[at..]));
    out[at + 10..at + 12].copy_from_slice(&check.to_be_bytes());
}

fn tcp_header(out: &mut Vec<u8>, from: End, to: End, seq: u32, ack: u32, flags: u8, payload: &[u8]) {
    let at = out.len();
    out.extend_from_slice(&from.port.to_be_bytes());
    out.extend_from_slice(&to.port.to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&ack.to_be_bytes());
    out.extend_from_slice(&[0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    let halves = |ip: u32| u64::from(ip >> 16) + u64::from(ip & 0xffff);
    let pseudo = halves(from.ip) + halves(to.ip) + 6 + 20 + payload.len() as u64;
    let check = fold(pseudo + sum(&out[at..]) + sum(payload));
    out[at + 16..at + 18].copy_from_slice(&check.to_be_bytes());
}

/// The sum of 16-bit words (RFC 1071), not folded.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    let total: u64 = words
        .map(|w| u64::from(u32::from_be_bytes([w[0], w[1], w[2], w[3]])))
        .sum();
    let last = rest
        .chunks(2)
        .map(|w| u64::from(u16::from_be_bytes([w[0], w.get(1).copied().unwrap_or(0)])));
    // A word of 32 bits is two of 16, of which the higher one is 65536 times too large; folding takes care of that.
    total + last.sum::<u64>()
}

fn fold(mut total: u64) -> u16 {
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

/// A flow whose numbers go on with what is sent.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) ends: [End; 2],
    /// The next sequence number of each end.
    pub(super) next: [u32; 2],
}

impl Flow {
    pub(super) fn new(client: End, server: End) -> Self {
        let seq = |end: End, salt: u32| (end.ip ^ u32::from(end.port) << 13).wrapping_mul(0x9e37_79b1) ^ salt;
        Self {
            ends: [client, server],
            next: [seq(client, 1), seq(server, u32::from(client.port))],
        }
    }

    /// A segment with these flags, which takes its place in the sequence.
    pub(super) fn emit(&mut self, wire: &mut Wire, side: usize, flags: u8, payload: &[u8]) {
        let ack = if flags & ACK == 0 { 0 } else { self.next[1 - side] };
        wire.tcp(
            self.ends[side],
            self.ends[1 - side],
            self.next[side],
            ack,
            flags,
            payload,
        );
        let takes = payload.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.next[side] = self.next[side].wrapping_add(takes);
    }

    /// The handshake.
    pub(super) fn open(&mut self, wire: &mut Wire) {
        self.emit(wire, CLIENT, SYN, b"");
        self.emit(wire, SERVER, SYN | ACK, b"");
        self.emit(wire, CLIENT, ACK, b"");
    }

    /// Bytes in segments of at most this length.
    pub(super) fn send_by(&mut self, wire: &mut Wire, side: usize, bytes: &[u8], len: usize) {
        for piece in bytes.chunks(len) {
            self.emit(wire, side, ACK | PSH, piece);
        }
    }

    /// Bytes in segments as long as Ethernet allows.
    pub(super) fn send(&mut self, wire: &mut Wire, side: usize, bytes: &[u8]) {
        self.send_by(wire, side, bytes, MSS);
    }

    /// A segment that lies `ahead` of the next byte; the next byte stays where it is.
    pub(super) fn send_ahead(&self, wire: &mut Wire, side: usize, ahead: u32, payload: &[u8]) {
        let seq = self.next[side].wrapping_add(ahead);
        wire.tcp(
            self.ends[side],
            self.ends[1 - side],
            seq,
            self.next[1 - side],
            ACK,
            payload,
        );
    }

    /// FIN, FIN, ACK.
    pub(super) fn close(&mut self, wire: &mut Wire) {
        self.emit(wire, CLIENT, FIN | ACK, b"");
        self.emit(wire, SERVER, FIN | ACK, b"");
        self.emit(wire, CLIENT, ACK, b"");
    }
}

impl Wire {
    /// Ordinary flows and nothing else.
    pub(super) fn alone(&mut self, packets: u64) {
        self.play(|ordinary, wire| ordinary.begin(wire));
        for n in 0..packets {
            self.play(Ordinary::step);
            if n == packets / 2 {
                self.play(Ordinary::half);
            }
        }
    }
}
