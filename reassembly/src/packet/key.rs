//! What tells the flow of a packet from others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What tells flows apart: both ends, ordered so that either direction gives the same key. In whole numbers, which are
/// quick to hash and to compare: every packet asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    low: u128,
    high: u128,
    /// The ports of `low` and `high`, and the family: 1 for IPv6.
    ports: u64,
    /// VLAN and network identifier, where they tell flows apart.
    network: u64,
}

impl FlowKey {
    /// The key, and which end sent: 0 for the lower address, 1 for the higher. Both are of one family.
    #[inline]
    pub(crate) fn new(
        src: (IpAddr, u16),
        dst: (IpAddr, u16),
        network: (Option<u16>, Option<u32>),
    ) -> (Self, usize) {
        let (vlan, vni) = network;
        let network = vlan.map_or(0, |vlan| 1 << 63 | u64::from(vlan) << 32)
            | vni.map_or(0, |vni| 1 << 62 | u64::from(vni));
        let number = match (src.0, dst.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                return Self::v4((from.to_bits(), src.1), (to.to_bits(), dst.1), network);
            }
            _ => |ip: IpAddr| match ip {
                IpAddr::V4(ip) => u128::from(ip.to_bits()),
                IpAddr::V6(ip) => ip.to_bits(),
            },
        };
        let (from, to) = ((number(src.0), src.1), (number(dst.0), dst.1));
        let (low, high, side) = if from <= to { (from, to, 0) } else { (to, from, 1) };
        let key = Self {
            low: low.0,
            high: high.0,
            ports: 1 << 32 | u64::from(low.1) << 16 | u64::from(high.1),
            network,
        };
        (key, side)
    }

    /// As [`Self::new`], of two ends with IPv4 addresses in a network that has a number.
    #[inline]
    pub(super) fn v4(src: (u32, u16), dst: (u32, u16), network: u64) -> (Self, usize) {
        let end = |(ip, port): (u32, u16)| u64::from(ip) << 16 | u64::from(port);
        let (low, high, side) = if end(src) <= end(dst) {
            (src, dst, 0)
        } else {
            (dst, src, 1)
        };
        let key = Self {
            low: u128::from(low.0),
            high: u128::from(high.0),
            ports: u64::from(low.1) << 16 | u64::from(high.1),
            network,
        };
        (key, side)
    }

    /// The end of that number.
    pub(crate) fn end(&self, side: usize) -> (IpAddr, u16) {
        let (number, shift) = if side == 0 { (self.low, 16) } else { (self.high, 0) };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the parts it was put together from"
        )]
        let (port, v4) = ((self.ports >> shift) as u16, number as u32);
        if self.ports >> 32 == 1 {
            (Ipv6Addr::from_bits(number).into(), port)
        } else {
            (Ipv4Addr::from_bits(v4).into(), port)
        }
    }

    /// Which of so many rooms, a power of two, the flow is in: in every process the same.
    #[inline]
    pub(crate) fn room(&self, rooms: usize) -> usize {
        let hash = (self.fold() >> 16) as usize;
        hash & (rooms - 1)
    }

    /// Folds the key into one number, the same in every process.
    #[inline]
    pub(crate) fn fold(&self) -> u64 {
        let half = |number: u128, shift: u32| {
            #[expect(clippy::cast_possible_truncation, reason = "half of it is wanted")]
            let half = (number >> shift) as u64;
            half
        };
        let low = mixed(half(self.low, 0), half(self.low, 64));
        let high = mixed(half(self.high, 0) ^ low, half(self.high, 64));
        mixed(self.ports ^ high, self.network)
    }
}

/// Mixes two numbers into one, so that each bit of either changes about half of it.
#[inline]
pub(super) fn mixed(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xff51_afd7_ed55_8ccd);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded
}
