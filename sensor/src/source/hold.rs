//! Holds the UDP ports at which mirrored packets arrive in tunnels, when their target is an address of this machine, as with the
//! mirrors of clouds.
//!
//! Packets are taken from the interface. But where nobody listens the kernel answers every datagram with an ICMP error, which
//! goes out on the capture interface. A socket that nobody reads takes them in silence, until its buffer is full and the kernel
//! drops them.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use anyhow::Context as _;

/// Sockets that keep the kernel from answering, for as long as they are held.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held, and never read")] Vec<UdpSocket>);

/// Holds these ports, of IPv4 and, where the machine has it, of IPv6.
///
/// # Errors
///
/// When one is taken.
pub(crate) fn hold(ports: &[u16]) -> anyhow::Result<Held> {
    let mut sockets = Vec::new();
    for &port in ports {
        // Where IPv6 takes IPv4 along this is all; it fails on machines without IPv6.
        let both = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port));
        let four = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
        let any = both.is_ok();
        sockets.extend(both);
        match four {
            Ok(socket) => sockets.push(socket),
            Err(_) if any => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot hold UDP port {port} (tunnels.hold_ports); leave it out when another program has it")
                });
            }
        }
    }
    Ok(Held(sockets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_by_its_key() {
        let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let _six = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port));
        let error = hold(&[port]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("port {port} (tunnels.hold_ports)")),
            "{error}"
        );
        assert!(hold(&[]).is_ok());
    }
}
