//! IP and TCP headers, with their checksums (RFC 791, RFC 8200, RFC 9293, RFC 1071).

use std::net::{IpAddr, SocketAddr};

/// TCP flags as they lie in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// Finish.
    pub const FIN: Self = Self(1);
    /// Synchronise.
    pub const SYN: Self = Self(2);
    /// Reset.
    pub const RST: Self = Self(4);
    /// Push.
    pub const PSH: Self = Self(8);
    /// Acknowledgement is valid.
    pub const ACK: Self = Self(16);
    /// The urgent pointer is valid.
    pub const URG: Self = Self(32);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An IPv6 extension header to put before TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Hop-by-hop options, eight bytes of padding.
    HopByHop,
    /// Destination options, sixteen bytes of padding.
    Destination,
    /// A fragment header that says the packet is whole (an atomic fragment, RFC 6946).
    AtomicFragment,
}

/// The TCP part of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Tcp<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: Flags,
    /// Window, as in the header (unscaled).
    pub window: u16,
    /// Options, a multiple of four bytes.
    pub options: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// Ones' complement sum of 16-bit words, not yet complemented.
pub(super) fn sum(bytes: &[u8], start: u32) -> u32 {
    let mut total = u64::from(start);
    for pair in bytes.chunks(2) {
        total += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u32
}

/// Sum over the pseudo-header of TCP.
pub(super) fn pseudo_header(from: IpAddr, to: IpAddr, tcp_len: usize) -> u32 {
    let mut start = sum(&(tcp_len as u32).to_be_bytes(), 6);
    for addr in [from, to] {
        start = match addr {
            IpAddr::V4(v4) => sum(&v4.octets(), start),
            IpAddr::V6(v6) => sum(&v6.octets(), start),
        };
    }
    start
}

/// An IP packet with a TCP segment, checksums filled in. Both addresses must be of one family;
/// `extensions` count for IPv6 alone.
#[must_use]
pub fn ip_packet(
    from: SocketAddr,
    to: SocketAddr,
    (ttl, id): (u8, u16),
    extensions: &[Extension],
    tcp: &Tcp<'_>,
) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + tcp.options.len() + tcp.payload.len());
    segment.extend_from_slice(&from.port().to_be_bytes());
    segment.extend_from_slice(&to.port().to_be_bytes());
    segment.extend_from_slice(&tcp.seq.to_be_bytes());
    segment.extend_from_slice(&tcp.ack.to_be_bytes());
    segment.push(((5 + tcp.options.len() / 4) as u8) << 4);
    segment.push(tcp.flags.0);
    segment.extend_from_slice(&tcp.window.to_be_bytes());
    segment.extend_from_slice(&[0, 0, 0, 0]);
    segment.extend_from_slice(tcp.options);
    segment.extend_from_slice(tcp.payload);
    let pseudo = pseudo_header(from.ip(), to.ip(), segment.len());
    let check = !(sum(&segment, pseudo) as u16);
    segment[16..18].copy_from_slice(&check.to_be_bytes());

    let mut out = Vec::with_capacity(segment.len() + 64);
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&((20 + segment.len()) as u16).to_be_bytes());
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&[0x40, 0, ttl, 6, 0, 0]); // don't fragment
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&target.octets());
            let check = !(sum(&out, 0) as u16);
            out[10..12].copy_from_slice(&check.to_be_bytes());
        }
        (source, target) => {
            let (IpAddr::V6(source), IpAddr::V6(target)) = (source, target) else {
                panic!("both ends of a connection must have the same kind of address");
            };
            let mut chain = Vec::new();
            let number = |e: &Extension| match e {
                Extension::HopByHop => 0,
                Extension::Destination => 60,
                Extension::AtomicFragment => 44,
            };
            for (i, extension) in extensions.iter().enumerate() {
                let next = extensions.get(i + 1).map_or(6, number);
                match extension {
                    // PadN fills the rest (RFC 8200 section 4.2).
                    Extension::HopByHop => chain.extend_from_slice(&[next, 0, 1, 4, 0, 0, 0, 0]),
                    Extension::Destination => {
                        chain.extend_from_slice(&[next, 1, 1, 12]);
                        chain.extend_from_slice(&[0; 12]);
                    }
                    Extension::AtomicFragment => {
                        chain.extend_from_slice(&[next, 0, 0, 0, 0, 0]);
                        chain.extend_from_slice(&id.to_be_bytes());
                    }
                }
            }
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&((chain.len() + segment.len()) as u16).to_be_bytes());
            out.push(extensions.first().map_or(6, number));
            out.push(ttl);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&target.octets());
            out.extend_from_slice(&chain);
        }
    }
    out.extend_from_slice(&segment);
    out
}
