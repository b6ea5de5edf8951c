//! One TCP connection: what each side has sent, acknowledged, and still owes.

use std::net::SocketAddr;

use super::capture::Capture;
use super::packet::{Extension, Flags, Tcp, ip_packet};

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that opens it and sends requests.
    Client,
    /// The one that answers.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A TCP segment that has its place in the sequence but need not have been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Who sends it.
    pub side: Side,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: Flags,
    /// Payload.
    pub payload: Vec<u8>,
}

#[derive(Debug, Clone)]
struct End {
    addr: SocketAddr,
    /// Next sequence number.
    next: u32,
    ttl: u8,
    window: u16,
    ip_id: u16,
    /// When a delayed acknowledgement of the other side's bytes falls due.
    owes_ack: Option<u64>,
}

/// A TCP connection that writes its packets into a [`Capture`].
#[derive(Debug, Clone)]
pub struct Conn {
    client: End,
    server: End,
    vlans: Vec<u16>,
    extensions: Vec<Extension>,
    mss: usize,
    timestamps: bool,
    /// Time from one end to the other and back, in nanoseconds.
    rtt: u64,
}

/// Time between two segments of one flight, in nanoseconds: about a gigabit a second.
const SPACING: u64 = 12_000;
/// How long an acknowledgement may wait for data to ride on (RFC 1122 section 4.2.3.2 allows 500 ms).
const DELAYED_ACK: u64 = 40_000_000;

impl Conn {
    /// A connection between these two, with initial sequence numbers that follow from the addresses.
    #[must_use]
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let end = |addr: SocketAddr, salt: u32| {
            let hash = addr.to_string().bytes().fold(salt, |h, b| {
                (h ^ u32::from(b)).wrapping_mul(0x0100_0193).rotate_left(5)
            });
            End {
                addr,
                next: hash,
                ttl: 64,
                window: 502,
                ip_id: (hash >> 7) as u16,
                owes_ack: None,
            }
        };
        Self {
            client: end(client, 0x811c_9dc5 ^ u32::from(server.port())),
            server: end(server, 0x9e37_79b9 ^ u32::from(client.port())),
            vlans: Vec::new(),
            extensions: Vec::new(),
            mss: if client.is_ipv6() { 1440 } else { 1460 },
            timestamps: false,
            rtt: 300_000,
        }
    }

    /// Initial sequence numbers of client and server, to try the 32-bit wrap.
    #[must_use]
    pub fn with_sequence(mut self, client: u32, server: u32) -> Self {
        self.client.next = client;
        self.server.next = server;
        self
    }

    /// VLAN tags, outermost first (Ethernet captures only).
    #[must_use]
    pub fn with_vlans(mut self, vlans: &[u16]) -> Self {
        self.vlans = vlans.to_vec();
        self
    }

    /// IPv6 extension headers on every packet.
    #[must_use]
    pub fn with_extensions(mut self, extensions: &[Extension]) -> Self {
        self.extensions = extensions.to_vec();
        self
    }

    /// Time to live as seen by the sensor, of the client's and the server's packets.
    #[must_use]
    pub fn with_ttl(mut self, client: u8, server: u8) -> Self {
        self.client.ttl = client;
        self.server.ttl = server;
        self
    }

    /// Largest payload of a segment.
    #[must_use]
    pub fn with_mss(mut self, bytes: usize) -> Self {
        self.mss = bytes;
        self
    }

    /// TCP timestamps (RFC 7323) on every packet.
    #[must_use]
    pub fn with_timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }

    /// Round-trip time in nanoseconds, which the sensor beside the server sees between the server's
    /// packets and the client's answers.
    #[must_use]
    pub fn with_rtt(mut self, nanos: u64) -> Self {
        self.rtt = nanos;
        self
    }

    /// The client's address.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.client.addr
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server.addr
    }

    /// The sequence number of the next byte that `side` sends.
    #[must_use]
    pub fn next_sequence(&self, side: Side) -> u32 {
        match side {
            Side::Client => self.client.next,
            Side::Server => self.server.next,
        }
    }

    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Takes the next place in the sequence for a segment with no payload.
    fn control(&mut self, side: Side, flags: Flags) -> Segment {
        let ack = self.end(side.other()).next;
        let seq = self.end(side).next;
        let uses = u32::from(flags.0 & (Flags::SYN.0 | Flags::FIN.0) != 0);
        let end = self.end(side);
        end.next = seq.wrapping_add(uses);
        end.owes_ack = None;
        Segment {
            side,
            seq,
            ack: if flags.0 & Flags::ACK.0 == 0 { 0 } else { ack },
            flags,
            payload: Vec::new(),
        }
    }

    /// The three packets of the handshake from `at` on; returns when the client may send.
    pub fn open(&mut self, capture: &mut Capture, at: u64) -> u64 {
        let syn = self.control(Side::Client, Flags::SYN);
        self.emit(capture, at, &syn);
        let answer = self.control(Side::Server, Flags::SYN.and(Flags::ACK));
        self.emit(capture, at + 40_000, &answer);
        let ack = self.control(Side::Client, Flags::ACK);
        let done = at + 40_000 + self.rtt;
        self.emit(capture, done, &ack);
        done + 30_000
    }

    /// Cuts `data` into segments: at the offsets given, or by the largest payload when there are none.
    /// The sequence numbers are used up; nothing is written until each segment is emitted.
    #[must_use]
    pub fn segments(&mut self, side: Side, data: &[u8], cuts: &[usize]) -> Vec<Segment> {
        let mut bounds: Vec<usize> = if cuts.is_empty() {
            (self.mss..data.len()).step_by(self.mss).collect()
        } else {
            cuts.iter().copied().filter(|c| *c < data.len()).collect()
        };
        bounds.push(data.len());
        let ack = self.end(side.other()).next;
        let first = self.end(side).next;
        let mut from = 0;
        let mut segments = Vec::with_capacity(bounds.len());
        for to in bounds {
            if to <= from {
                continue;
            }
            let push = if to == data.len() { Flags::PSH } else { Flags(0) };
            segments.push(Segment {
                side,
                seq: first.wrapping_add(from as u32),
                ack,
                flags: Flags::ACK.and(push),
                payload: data[from..to].to_vec(),
            });
            from = to;
        }
        let end = self.end(side);
        end.next = first.wrapping_add(data.len() as u32);
        end.owes_ack = None; // it rides on these
        segments
    }

    /// Writes one segment.
    pub fn emit(&mut self, capture: &mut Capture, at: u64, segment: &Segment) {
        let syn = segment.flags.0 & Flags::SYN.0 != 0;
        let mut options = Vec::new();
        if syn {
            options.extend_from_slice(&[2, 4]);
            options.extend_from_slice(&(self.mss as u16).to_be_bytes());
        }
        if self.timestamps {
            // Millisecond clocks; the echo is the peer's clock a round trip ago.
            let value = (at / 1_000_000) as u32;
            let echo = if segment.flags.0 & Flags::ACK.0 == 0 {
                0
            } else {
                ((at - self.rtt.min(at)) / 1_000_000) as u32
            };
            options.extend_from_slice(if syn { &[4, 2, 8, 10] } else { &[1, 1, 8, 10] });
            options.extend_from_slice(&value.to_be_bytes());
            options.extend_from_slice(&echo.to_be_bytes());
        } else if syn {
            options.extend_from_slice(&[1, 1, 4, 2]);
        }
        if syn {
            options.extend_from_slice(&[1, 3, 3, 7]);
        }
        let extensions = self.extensions.clone();
        let target = self.end(segment.side.other()).addr;
        let end = self.end(segment.side);
        end.ip_id = end.ip_id.wrapping_add(1);
        let source = end.addr;
        let packet = ip_packet(
            source,
            target,
            (end.ttl, end.ip_id),
            &extensions,
            &Tcp {
                seq: segment.seq,
                ack: segment.ack,
                flags: segment.flags,
                window: if syn { 64_240 } else { end.window },
                options: &options,
                payload: &segment.payload,
            },
        );
        capture.push_ip(at, &packet, source.ip(), target.ip(), &self.vlans);
    }

    /// Writes the acknowledgements that fell due before `at`.
    pub fn settle(&mut self, capture: &mut Capture, at: u64) {
        for side in [Side::Client, Side::Server] {
            if let Some(due) = self.end(side).owes_ack
                && due < at
            {
                self.acknowledge(capture, due, side);
            }
        }
    }

    /// Writes a bare acknowledgement of everything the other side has sent.
    pub fn acknowledge(&mut self, capture: &mut Capture, at: u64, side: Side) {
        let segment = self.control(side, Flags::ACK);
        self.emit(capture, at, &segment);
    }

    /// Notes that the other side of `side` has bytes of it to acknowledge, at the latest when the delay is over.
    pub fn expect_ack(&mut self, at: u64, side: Side) {
        let due = at + DELAYED_ACK;
        self.end(side.other()).owes_ack.get_or_insert(due);
    }

    /// Sends `data` in segments of the largest size, with acknowledgements in between; returns the time
    /// of the last segment.
    pub fn send(&mut self, capture: &mut Capture, at: u64, side: Side, data: &[u8]) -> u64 {
        self.settle(capture, at);
        let segments = self.segments(side, data, &[]);
        let mut time = at;
        for (i, segment) in segments.iter().enumerate() {
            time = at + i as u64 * SPACING;
            self.emit(capture, time, segment);
            if i % 2 == 1 && i + 1 < segments.len() {
                let through = segment.seq.wrapping_add(segment.payload.len() as u32);
                let mut ack = self.control(side.other(), Flags::ACK);
                ack.ack = through;
                let wait = if side == Side::Server { self.rtt } else { 5_000 };
                self.emit(capture, time + wait, &ack);
            }
        }
        self.expect_ack(time, side);
        time
    }

    /// An orderly end begun by `side`: FIN, FIN, ACK. Returns the time of the last packet.
    pub fn close(&mut self, capture: &mut Capture, at: u64, side: Side) -> u64 {
        self.settle(capture, at);
        let fin = Flags::FIN.and(Flags::ACK);
        let first = self.control(side, fin);
        self.emit(capture, at, &first);
        let answer = self.control(side.other(), fin);
        let then = at + self.rtt;
        self.emit(capture, then, &answer);
        let last = self.control(side, Flags::ACK);
        self.emit(capture, then + 50_000, &last);
        then + 50_000
    }

    /// A reset by `side`.
    pub fn reset(&mut self, capture: &mut Capture, at: u64, side: Side) {
        self.settle(capture, at);
        let segment = self.control(side, Flags::RST.and(Flags::ACK));
        self.emit(capture, at, &segment);
    }
}
