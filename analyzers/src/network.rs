//! Sets of IP networks.

use std::net::IpAddr;

/// Networks in CIDR form, as an operator writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// Reads networks; a bare address is a network of one. Those that cannot be read are given back by number.
    #[must_use]
    pub fn parse(texts: &[String]) -> (Self, Vec<usize>) {
        let mut bad = Vec::new();
        let mut all = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            match parse(text.trim()) {
                Some(network) => all.push(network),
                None => bad.push(number),
            }
        }
        (Self(all), bad)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address lies in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(n), IpAddr::V4(a)) => {
                (n.to_bits() ^ a.to_bits())
                    .checked_shr(32 - u32::from(*bits))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(n), IpAddr::V6(a)) => {
                (n.to_bits() ^ a.to_bits())
                    .checked_shr(128 - u32::from(*bits))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        })
    }
}

fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_networks() {
        let texts = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "0.0.0.0/33", "x"].map(str::to_owned);
        let (networks, bad) = Networks::parse(&texts);
        assert_eq!(bad, [3, 4]);
        for (address, want) in [
            ("10.9.8.7", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), want, "{address}");
        }
        assert!(
            Networks::parse(&["0.0.0.0/0".to_owned()])
                .0
                .contains("1.2.3.4".parse().unwrap())
        );
    }
}
