//! Packets with long headers, of which a datagram may hold several (RFC 9000 sections 12.2 and 17.2).
//!
//! Knows where each ends; what an Initial packet holds is for [`super::initial`].

/// Packets of one datagram that are looked at.
const MAX_PACKETS: usize = 8;

/// Connection ids have at most 20 bytes (RFC 9000 section 17.2).
const MAX_ID: usize = 20;

/// A sample and a tag, with the least that may stand before them (RFC 9001 section 5.4.2).
const MIN_PROTECTED: usize = 20;

/// A version whose Initial packets can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Drafts 23 to 28 of version 1.
    Draft23,
    /// Drafts 29 to 32.
    Draft29,
    /// RFC 9000, and the drafts 33 and 34, which are like it.
    One,
    /// RFC 9369.
    Two,
}

impl Version {
    fn read(number: u32) -> Option<Self> {
        Some(match number {
            1 | 0xff00_0021 | 0xff00_0022 => Self::One,
            0x6b33_43cf => Self::Two,
            0xff00_001d..=0xff00_0020 => Self::Draft29,
            // The last two are of mvfst, which began with draft 27.
            0xff00_0017..=0xff00_001c | 0xface_b002 | 0xface_b00e => Self::Draft23,
            _ => return None,
        })
    }
}

/// What a packet with a long header is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    /// 0-RTT and Handshake.
    Other,
    Retry,
}

/// A packet with a long header.
#[derive(Debug)]
pub(super) struct Long<'a> {
    pub(super) kind: Kind,
    pub(super) version: Version,
    pub(super) destination: &'a [u8],
    /// The whole packet, header protection on.
    pub(super) bytes: &'a [u8],
    /// Where its number begins.
    pub(super) number_at: usize,
}

/// Whether a datagram begins with a long header of a known version; cheap, for every datagram is asked.
pub(super) fn is_long(datagram: &[u8]) -> bool {
    // The fixed bit is set too: an endpoint may clear it only after the handshake (RFC 9287 section 3).
    match *datagram {
        [first, a, b, c, d, ..] if first & 0xc0 == 0xc0 => {
            Version::read(u32::from_be_bytes([a, b, c, d])).is_some()
        }
        _ => false,
    }
}

/// The packets of a datagram, one after another.
pub(super) struct Packets<'a> {
    rest: &'a [u8],
    seen: usize,
}

impl<'a> Packets<'a> {
    pub(super) fn new(datagram: &'a [u8]) -> Self {
        Self {
            rest: datagram,
            seen: 0,
        }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Long<'a>;

    fn next(&mut self) -> Option<Long<'a>> {
        self.seen += 1;
        if self.seen > MAX_PACKETS {
            return None;
        }
        let (packet, rest) = long(self.rest)?;
        self.rest = rest;
        Some(packet)
    }
}

/// The first packet, and what follows it.
fn long(bytes: &[u8]) -> Option<(Long<'_>, &[u8])> {
    if !is_long(bytes) {
        return None;
    }
    let mut at = Cursor(bytes);
    let first = at.u8()?;
    let number = at.bytes(4)?;
    let version = Version::read(u32::from_be_bytes([number[0], number[1], number[2], number[3]]))?;
    let destination = at.id()?;
    at.id()?;
    // RFC 9000 section 17.2, table 5; RFC 9369 section 3.2 numbers them anew.
    let kind = match (version, first >> 4 & 3) {
        (Version::Two, 0) | (Version::One | Version::Draft29 | Version::Draft23, 3) => Kind::Retry,
        (Version::Two, 1) | (Version::One | Version::Draft29 | Version::Draft23, 0) => Kind::Initial,
        _ => Kind::Other,
    };
    let mut packet = Long {
        kind,
        version,
        destination,
        bytes,
        number_at: bytes.len(),
    };
    if kind == Kind::Retry {
        return Some((packet, &[]));
    }
    if kind == Kind::Initial {
        let token = at.number()?;
        at.bytes(usize::try_from(token).ok()?)?;
    }
    let length = usize::try_from(at.number()?).ok()?;
    packet.number_at = bytes.len() - at.0.len();
    let protected = at.bytes(length)?;
    if protected.len() < MIN_PROTECTED {
        return None;
    }
    packet.bytes = &bytes[..packet.number_at + length];
    Some((packet, at.0))
}

/// Reads fields one after another.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    fn id(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u8()?);
        if len > MAX_ID { None } else { self.bytes(len) }
    }

    /// An integer of variable length (RFC 9000 section 16).
    pub(super) fn number(&mut self) -> Option<u64> {
        let first = self.u8()?;
        let more = self.bytes((1 << (first >> 6)) - 1)?;
        let start = u64::from(first & 0x3f);
        Some(more.iter().fold(start, |n, byte| n << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length() {
        // RFC 9000 appendix A.1.
        for (bytes, want) in [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(Cursor(bytes).number(), Some(want));
            assert_eq!(Cursor(&bytes[1..]).number().filter(|_| bytes.len() == 1), None);
        }
    }
}
