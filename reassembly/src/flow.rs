//! What is known of a TCP flow when it ends: the value behind `--flows`.

use crate::exchange::{Flags, FlowRef};
use crate::packet::Tunnel;
use crate::time::Timestamp;
use crate::tls::Tls;

/// What a flow was seen to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum App {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2: begun with its preface, by upgrade, or joined midway.
    Http2,
    /// A TLS handshake, at the beginning or after another protocol went over to TLS; what follows cannot be read.
    Tls,
    /// QUIC (RFC 9000), of which the client's hello can be read and no more.
    Quic,
    /// DTLS (RFC 6347, RFC 9147); what follows the hello messages cannot be read.
    Dtls,
    /// Nothing known, or no payload.
    Unknown,
}

impl App {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http/1",
            Self::Http2 => "http/2",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Dtls => "dtls",
            Self::Unknown => "unknown",
        }
    }
}

/// A TCP flow that has ended, was idle too long, or made way for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Addresses and start.
    pub flow: FlowRef,
    /// Capture time of the last packet.
    pub end: Timestamp,
    /// Packets of both directions.
    pub packets: u64,
    /// Payload bytes delivered in order, from the client and from the server.
    pub bytes: (u64, u64),
    /// Bytes never seen, from the client and from the server.
    pub lost: (u64, u64),
    /// Packets with payload, from the client and from the server.
    pub data_packets: (u64, u64),
    /// Capture time of the first packet with payload from the client and from the server.
    pub first_data: (Option<Timestamp>, Option<Timestamp>),
    /// Times that the client sent payload after the server had, or first of all: how often it may have asked for something.
    pub turns: u32,
    /// Exchanges given out.
    pub exchanges: u32,
    /// Places where a retransmission differed from its first copy: the first [`Conflict::SHOWN`] of them.
    pub conflicts: Vec<Conflict>,
    /// How many there were.
    pub conflict_count: u32,
    /// The tunnel its first packet came through.
    pub tunnel: Option<Tunnel>,
    /// What it carried.
    pub app: App,
    /// What a TLS handshake told.
    pub tls: Option<Tls>,
    /// What was missing or damaged in any part of the flow.
    pub flags: Flags,
}

/// Bytes of a flow that came twice, and not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Whether the client sent them.
    pub from_client: bool,
    /// Capture time of the later copy.
    pub ts: Timestamp,
    /// Its frame number; zero when not read from a file.
    pub frame: u64,
    /// Place of the first byte that differs, counted from the first byte of its direction that was seen.
    pub offset: u64,
    /// Its TCP sequence number.
    pub seq: u32,
    /// Bytes from there to the last one that differs.
    pub len: u64,
    /// Those bytes as they came first and were read, at most 256.
    pub first: Vec<u8>,
    /// And as they came again.
    pub second: Vec<u8>,
}

impl Conflict {
    /// How many are kept of a flow.
    pub const SHOWN: usize = 4;
}
