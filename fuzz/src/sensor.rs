//! A reassembler whose memory is measured with every packet, and the segments of one connection for it.

use reassembly::{Event, KeyLogRead, Limits, LinkType, Packet, Reassembler, Timestamp};

use crate::memory::Account;

/// The tables of the first flows, and queues.
const TABLES: usize = 16 << 10;

/// What an inflater takes; some are kept to be used again.
const INFLATER: usize = 48 << 10;

/// Where inflaters are at work, what bodies are unpacked to in one go, which is used again.
const UNPACKED: usize = 256 << 10;

/// The tables of codes that a stream of brotli may ask for, just before it turns out to be none.
const CODES: usize = 3 << 20;

/// Bytes delivered last that are remembered, for all flows: little, so that the bound on the rest is tight.
const HISTORY: usize = 8 << 10;

/// What may be taken for a moment however little comes: a piece that a decoder hands on.
const PIECE: usize = 64 << 10;

/// What a byte of a packet may take while it is worked on and until its events are polled: a request of few bytes makes an
/// exchange of several hundred.
const PER_BYTE: usize = 256;

/// A reassembler that holds no more than it says and its limits allow.
pub struct Sensor {
    /// The reassembler.
    pub reassembler: Reassembler,
    /// Its limits.
    pub limits: Limits,
    /// Inflaters that are ever at work at once.
    pub inflaters: usize,
    /// Whether there may be brotli among what is read.
    pub brotli: bool,
    /// What it takes when it is empty: the memory of recent packets.
    empty: usize,
    account: Account,
}

impl Sensor {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            history: HISTORY,
            ..limits
        };
        let mut account = Account::default();
        let reassembler = account.charge(|| Reassembler::new(limits.clone()));
        Self {
            reassembler,
            limits,
            inflaters: 0,
            brotli: false,
            empty: account.held,
            account,
        }
    }

    /// Takes a packet, and gives what came of it to `each`.
    pub fn push(&mut self, packet: &Packet<'_>, each: &mut dyn FnMut(&Event)) {
        let before = self.most();
        self.account.charge(|| self.reassembler.push(packet));
        self.drain(before + packet.data.len() * PER_BYTE, each);
    }

    /// Takes secrets of TLS.
    pub fn add_secrets(&mut self, key_log: &[u8]) -> KeyLogRead {
        self.account.charge(|| self.reassembler.add_secrets(key_log))
    }

    /// Ends all flows; nothing of them may be left.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event)) {
        // What was open is given out, in as much memory again.
        let before = 2 * self.most();
        self.account.charge(|| self.reassembler.finish());
        self.drain(before, each);
        // Windows of brotli wait for the next body.
        let kept = if self.brotli { self.limits.memory / 4 } else { 0 };
        let (flows, weight) = (self.reassembler.open_flows(), self.reassembler.weight());
        assert!(
            flows == 0 && weight <= kept,
            "{flows} flows of {weight} bytes are left"
        );
    }

    /// No more than `most` may have been taken at once.
    fn drain(&mut self, most: usize, each: &mut dyn FnMut(&Event)) {
        while let Some(event) = self.account.charge(|| self.reassembler.poll()) {
            each(&event);
            self.account.charge(|| drop(event));
        }
        let codes = if self.brotli { CODES } else { 0 };
        let (peak, most) = (self.account.peak(), most + PIECE + codes);
        assert!(peak <= most, "{peak} bytes taken at once, and {most} allowed");
        let (held, most) = (self.account.held, self.most());
        assert!(
            held <= most,
            "{held} bytes held, and {most} allowed: weight {}",
            self.reassembler.weight()
        );
        let (large, most) = (self.account.large, self.limits.memory / 2 + (4 << 20));
        assert!(large <= most, "{large} bytes in large blocks, and {most} allowed");
    }

    /// What may be held, by what the reassembler says of itself. That counts lengths and nodes as they are planned; the
    /// allocator may take as much again.
    fn most(&self) -> usize {
        let fragments = 2 * self.limits.fragments_total.min(64 << 10);
        let inflaters = self.inflaters * INFLATER + if self.inflaters > 0 { UNPACKED } else { 0 };
        self.empty + TABLES + HISTORY + inflaters + 2 * self.reassembler.weight() + fragments
    }
}

/// First sequence numbers; those of the server wrap soon.
pub const ISN: [u32; 2] = [100, u32::MAX - 50];

/// One TCP connection, from its first SYN. Side 0 is the client.
pub struct Connection {
    /// What reads it.
    pub sensor: Sensor,
    /// Payload bytes sent by each side, lost ones included.
    pub sent: [u32; 2],
    port: u16,
    now: u64,
}

impl Connection {
    /// A connection to a port of the server; begun unless `midstream`.
    #[must_use]
    pub fn new(limits: Limits, port: u16, midstream: bool) -> Self {
        // None come, so there is no room for any.
        let limits = Limits {
            fragments_total: 0,
            ..limits
        };
        let mut connection = Self {
            sensor: Sensor::new(limits),
            sent: [0; 2],
            port,
            now: 1_000_000_000,
        };
        if !midstream {
            connection.segment(0, 0x02, ISN[0], b"", &mut |_| ());
            connection.segment(1, 0x12, ISN[1], b"", &mut |_| ());
        }
        connection
    }

    /// A segment of whatever sequence number; it does not count as sent.
    fn segment(&mut self, side: usize, flags: u8, seq: u32, payload: &[u8], each: &mut dyn FnMut(&Event)) {
        let other = 1 - side;
        let ack = if flags & 0x10 == 0 {
            0
        } else {
            ISN[other].wrapping_add(1 + self.sent[other])
        };
        let ports = [40_000, self.port];
        let data = segment([ports[side], ports[other]], side, seq, ack, flags, payload);
        self.now += 1000;
        self.sensor.push(&packet(self.now, &data), each);
    }

    /// Sends bytes, in as many segments as an IP packet has room for.
    pub fn send(&mut self, side: usize, bytes: &[u8], each: &mut dyn FnMut(&Event)) {
        for part in bytes.chunks(60_000) {
            let seq = ISN[side].wrapping_add(1 + self.sent[side]);
            self.segment(side, 0x18, seq, part, each);
            self.sent[side] += part.len() as u32;
        }
    }

    /// Sends bytes cut as `cuts` say, over and over; whole without any.
    pub fn send_cut(&mut self, side: usize, bytes: &[u8], cuts: &[u8], each: &mut dyn FnMut(&Event)) {
        let mut rest = bytes;
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let len = cuts
                .next()
                .map_or(rest.len(), |len| usize::from(*len).clamp(1, rest.len()));
            let (part, tail) = rest.split_at(len);
            self.send(side, part, each);
            rest = tail;
        }
    }

    /// Bytes that are sent and never seen.
    pub fn lose(&mut self, side: usize, bytes: usize) {
        self.sent[side] += bytes as u32;
    }

    /// Acknowledges all that the other side sent.
    pub fn acknowledge(&mut self, side: usize, each: &mut dyn FnMut(&Event)) {
        let seq = ISN[side].wrapping_add(1 + self.sent[side]);
        self.segment(side, 0x10, seq, b"", each);
    }

    /// Both sides are done.
    pub fn close(&mut self, each: &mut dyn FnMut(&Event)) {
        for side in [0, 1] {
            let seq = ISN[side].wrapping_add(1 + self.sent[side]);
            self.segment(side, 0x11, seq, b"", each);
        }
        self.sensor.finish(each);
    }
}

/// A raw IP packet that was captured whole.
#[must_use]
pub fn packet(now: u64, data: &[u8]) -> Packet<'_> {
    Packet {
        ts: Timestamp(now),
        link: LinkType::RAW,
        data,
        wire_len: data.len() as u32,
        frame: 0,
    }
}

/// IPv4 and TCP around a payload, from side 0 or 1; checksums are not looked at.
#[must_use]
pub fn segment(ports: [u16; 2], side: usize, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![0x45, 0];
    data.extend((40 + payload.len() as u16).to_be_bytes());
    data.extend([
        0,
        0,
        0,
        0,
        64,
        6,
        0,
        0,
        10,
        0,
        0,
        side as u8,
        10,
        0,
        0,
        1 - side as u8,
    ]);
    data.extend(ports[0].to_be_bytes());
    data.extend(ports[1].to_be_bytes());
    data.extend(seq.to_be_bytes());
    data.extend(ack.to_be_bytes());
    data.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    data.extend(payload);
    data
}
