//! Display filters that show a finding's exchanges in Wireshark.

use std::fmt::Write as _;

use super::trace::Trace;

/// A display filter that matches the packets of these exchanges: by frame number when they came from a
/// file, else by the addresses and ports of their connections.
pub(crate) fn display(evidence: &[Trace]) -> String {
    let mut out = String::new();
    for (place, one) in evidence.iter().enumerate() {
        let same = |e: &Trace| (e.client, e.server, span(e)) == (one.client, one.server, span(one));
        if evidence[..place].iter().any(same) {
            continue;
        }
        if !out.is_empty() {
            out.push_str(" || ");
        }
        write_part(&mut out, one);
    }
    out
}

/// The first and the last frame of an exchange, when they came from a file.
fn span(trace: &Trace) -> Option<(u64, u64)> {
    let known = || trace.frames.into_iter().filter(|f| *f > 0);
    known().min().zip(known().max())
}

/// The packets of one exchange.
fn write_part(out: &mut String, trace: &Trace) {
    let ((client, client_port), (server, server_port)) = (trace.client, trace.server);
    let family = if client.is_ipv4() { "ip" } else { "ipv6" };
    let _ = write!(
        out,
        "({family}.addr == {client} && {family}.addr == {server} && tcp.port == {client_port} && tcp.port == {server_port}",
    );
    if let Some((first, last)) = span(trace) {
        let _ = write!(out, " && frame.number >= {first} && frame.number <= {last}");
    }
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use std::net::SocketAddr;

    fn trace(client: &str, server: &str, frames: [u64; 4]) -> Trace {
        let place = |text: &str| {
            let address: SocketAddr = text.parse().unwrap();
            (address.ip(), address.port())
        };
        Trace {
            exchange: Id::default(),
            ts: 0,
            frames,
            method: "GET",
            target: "/".into(),
            client: place(client),
            server: place(server),
            index: 0,
            status: None,
        }
    }

    #[test]
    fn a_filter_names_the_connection_and_the_frames() {
        let v4 = trace("192.0.2.1:4000", "192.0.2.2:80", [5, 6, 7, 9]);
        let v6 = trace("[2001:db8::1]:4000", "[2001:db8::2]:80", [0; 4]);
        assert_eq!(
            display(&[v4.clone(), v6, v4]),
            "(ip.addr == 192.0.2.1 && ip.addr == 192.0.2.2 && tcp.port == 4000 && tcp.port == 80 && \
             frame.number >= 5 && frame.number <= 9) || \
             (ipv6.addr == 2001:db8::1 && ipv6.addr == 2001:db8::2 && tcp.port == 4000 && tcp.port == 80)"
        );
    }
}
