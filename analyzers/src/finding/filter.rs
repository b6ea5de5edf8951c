//! Display filters that show a finding's exchanges in Wireshark.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::Evidence;

/// A display filter that matches the packets of these exchanges: by frame number when they came from a
/// file, else by the addresses and ports of their connections.
pub(crate) fn display(evidence: &[Evidence]) -> String {
    let mut out = String::new();
    for one in evidence {
        extend(&mut out, one);
    }
    out
}

/// Makes a filter match the packets of one more exchange.
pub(crate) fn extend(filter: &mut String, evidence: &Evidence) {
    let part = part(evidence);
    if part.is_empty() || filter.contains(&part) {
        return;
    }
    if !filter.is_empty() {
        filter.push_str(" || ");
    }
    filter.push_str(&part);
}

fn part(evidence: &Evidence) -> String {
    let mut out = String::new();
    let (Ok(client), Ok(server)) = (
        evidence.client.parse::<SocketAddr>(),
        evidence.server.parse::<SocketAddr>(),
    ) else {
        return out;
    };
    let family = if client.is_ipv4() { "ip" } else { "ipv6" };
    let _ = write!(
        out,
        "({family}.addr == {} && {family}.addr == {} && tcp.port == {} && tcp.port == {}",
        client.ip(),
        server.ip(),
        client.port(),
        server.port()
    );
    let known: Vec<u64> = evidence.frames.iter().copied().filter(|f| *f > 0).collect();
    if let (Some(first), Some(last)) = (known.iter().min(), known.iter().max()) {
        let _ = write!(out, " && frame.number >= {first} && frame.number <= {last}");
    }
    out.push(')');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(client: &str, server: &str, frames: Vec<u64>) -> Evidence {
        Evidence {
            exchange: String::new(),
            ts: 0,
            client: client.into(),
            server: server.into(),
            index: 0,
            frames,
            method: "GET".into(),
            target: "/".into(),
            status: None,
        }
    }

    #[test]
    fn a_filter_names_the_connection_and_the_frames() {
        let v4 = evidence("192.0.2.1:4000", "192.0.2.2:80", vec![5, 6, 7, 9]);
        let v6 = evidence("[2001:db8::1]:4000", "[2001:db8::2]:80", vec![]);
        assert_eq!(
            display(&[v4.clone(), v6, v4]),
            "(ip.addr == 192.0.2.1 && ip.addr == 192.0.2.2 && tcp.port == 4000 && tcp.port == 80 && \
             frame.number >= 5 && frame.number <= 9) || \
             (ipv6.addr == 2001:db8::1 && ipv6.addr == 2001:db8::2 && tcp.port == 4000 && tcp.port == 80)"
        );
    }
}
