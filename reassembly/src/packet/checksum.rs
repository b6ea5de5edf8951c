//! Checksums of IPv4, TCP and UDP.
//!
//! Knows the sum of RFC 1071 and what a card leaves in its place that fills it in later. A wrong one is evidence, not
//! proof: where packets are copied on the host that sends them, most are wrong.

use std::net::IpAddr;

use super::layers::Addresses;

/// Packets of which one has its checksums looked at, where [`Checksums::Sample`] is set.
const SAMPLE: u64 = 64;

/// What is done about checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksums {
    /// They are not looked at.
    Ignore,
    /// Those of the first 64 packets and of every 64th one after them are, and wrong ones counted.
    #[default]
    Sample,
    /// All are, and wrong ones counted.
    Count,
    /// All are, and packets with a wrong one dropped, as hosts do.
    Verify,
}

impl Checksums {
    /// Whether those of the packet of this number, from 1, are looked at.
    pub(super) fn looks_at(self, packet: u64) -> bool {
        match self {
            Self::Ignore => false,
            Self::Sample => packet <= SAMPLE || packet.is_multiple_of(SAMPLE),
            Self::Count | Self::Verify => true,
        }
    }
}

/// What a checksum tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// It is right, or the sender made none.
    Right,
    /// It was left to the card: zero, or the sum of the pseudo-header alone.
    Unfilled,
    Wrong,
}

/// Of an IPv4 header.
pub(super) fn of_header(header: &[u8]) -> Told {
    match header.get(10..12) {
        _ if fold(sum(header)) == 0xffff => Told::Right,
        Some([0, 0]) => Told::Unfilled,
        _ => Told::Wrong,
    }
}

/// Of a TCP segment or a UDP datagram, whose checksum stands at `at`.
pub(super) fn of_transport(addresses: Addresses, protocol: u8, data: &[u8], at: usize) -> Told {
    let Some(&[high, low]) = data.get(at..).and_then(|rest| rest.first_chunk()) else {
        return Told::Wrong;
    };
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    // The same for both versions of IP: the high half of the length is zero where it has 16 bits (RFC 8200 section 8.1).
    let ends = match (addresses.src, addresses.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => sum(&src.octets()) + sum(&dst.octets()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => sum(&src.octets()) + sum(&dst.octets()),
        _ => return Told::Wrong,
    };
    let without_length = ends + sum(&[0, protocol]);
    let pseudo = without_length + sum(&len);
    if fold(pseudo + sum(data)) == 0xffff {
        return Told::Right;
    }
    let field = u16::from_ne_bytes([high, low]);
    // A card that splits a segment puts in the length of each piece, so drivers may leave it out.
    if field == 0 || field == fold(pseudo) || field == fold(without_length) {
        Told::Unfilled
    } else {
        Told::Wrong
    }
}

/// The sum of 16-bit words as they lie in memory. The order of their bytes does not matter as long as it is the same
/// everywhere (RFC 1071 section 2), so four are taken at once.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let mut last = [0; 4];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    words
        .map(|w| u64::from(u32::from_ne_bytes([w[0], w[1], w[2], w[3]])))
        .sum::<u64>()
        + u64::from(u32::from_ne_bytes(last))
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_rfc() {
        // RFC 1071 section 3.
        let sum = fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]));
        assert_eq!(sum.to_ne_bytes(), [0xdd, 0xf2]);
    }

    #[test]
    fn a_datagram_is_told_from_one_with_a_bit_changed() {
        let addresses = Addresses {
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, 2].into(),
        };
        let mut datagram = vec![0x12, 0x34, 0, 53, 0, 13, 0, 0, 1, 2, 3, 4, 5];
        let words = [0xc000_u32, 0x0201, 0xc000, 0x0202, 17, 13];
        let data = datagram
            .chunks(2)
            .map(|p| u32::from(p[0]) << 8 | u32::from(p.get(1).copied().unwrap_or(0)));
        let all = words.into_iter().chain(data).sum::<u32>();
        let right = !u16::try_from((all & 0xffff) + (all >> 16)).unwrap();
        datagram[6..8].copy_from_slice(&right.to_be_bytes());
        assert_eq!(of_transport(addresses, 17, &datagram, 6), Told::Right);
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 0x40;
            assert_eq!(of_transport(addresses, 17, &changed, 6), Told::Wrong, "byte {at}");
        }
        let partial = !(fold(sum(&[192, 0, 2, 1, 192, 0, 2, 2, 0, 17, 0, 13])) ^ 0xffff);
        datagram[6..8].copy_from_slice(&partial.to_ne_bytes());
        assert_eq!(of_transport(addresses, 17, &datagram, 6), Told::Unfilled);
    }
}
