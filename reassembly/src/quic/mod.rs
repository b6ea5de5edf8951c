//! QUIC: what the client's hello tells (RFC 9000, RFC 9001, RFC 9369).
//!
//! ```text
//! datagram ─▶ packet ─▶ initial ─▶ frames ─▶ hello
//!             long       keys from   CRYPTO    in tls
//!             headers    the first   pieces
//!                        connection
//!                        id
//! ```
//!
//! Knows Initial packets, whose keys everybody can work out who saw the first of them; all others are opaque. Leaves flows
//! to [`crate::udp`] and the hello to [`crate::tls`].

mod frames;
mod initial;
mod packet;

use crate::tls::{Assembly, Hellos, Tls, Transport};
use initial::Keys;
use packet::{Kind, Packets};

/// Bytes of a datagram that a client sends to begin (RFC 9000 section 14.1).
const FIRST_DATAGRAM: usize = 1200;

/// Initial packets of one flow that are decrypted, or tried, before it is given up.
const MAX_TRIES: u8 = 32;

/// Whether a datagram has the form of one that begins a connection: an Initial packet of a known version.
pub(crate) fn begins(datagram: &[u8]) -> bool {
    packet::is_long(datagram)
        && Packets::new(datagram)
            .next()
            .is_some_and(|packet| packet.kind == Kind::Initial)
}

/// The beginning of a connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    keys: Option<Keys>,
    crypto: Assembly,
    hellos: Hellos,
    tries: u8,
    done: bool,
    /// The end of the flow whose Initial packets were decrypted.
    client: Option<usize>,
}

impl Connection {
    /// Takes a datagram of one end. `room` holds what is decrypted.
    pub(crate) fn datagram(&mut self, side: usize, datagram: &[u8], room: &mut Vec<u8>) {
        if self.done || self.client.is_some_and(|client| client != side) || !packet::is_long(datagram) {
            return;
        }
        for packet in Packets::new(datagram).filter(|p| p.kind == Kind::Initial) {
            if self.tries >= MAX_TRIES {
                self.give_up();
                return;
            }
            self.tries += 1;
            if self
                .keys
                .as_ref()
                .is_none_or(|keys| keys.open(&packet, room).is_none())
            {
                // The first packet, or one after a Retry, which changes the id that keys are made of (RFC 9001
                // section 5.2). The hello is sent again then, from its beginning.
                let keys = Keys::of_client(packet.version, packet.destination);
                if keys.open(&packet, room).is_none() {
                    continue;
                }
                self.keys = Some(keys);
                self.crypto = Assembly::default();
            }
            self.client = Some(side);
            frames::crypto(room, |offset, bytes| self.crypto.insert(offset, bytes));
            self.read();
            if self.done {
                return;
            }
        }
    }

    /// Reads the hello, once it is whole.
    fn read(&mut self) {
        let Some((&[kind, a, b, c], _)) = self.crypto.prefix().split_first_chunk::<4>() else {
            return;
        };
        let len = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
        if kind == 1
            && let Some(message) = self.crypto.prefix().get(..len)
        {
            self.hellos.message(message, Transport::Quic);
            self.give_up();
        } else if kind != 1 || len > crate::tls::MAX_HELLO {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.done = true;
        self.crypto = Assembly::default();
        self.keys = None;
    }

    /// Whether it is one beyond doubt: a packet was decrypted, or the datagram is as long as the first must be.
    pub(crate) fn is_certain(&self, datagram: &[u8]) -> bool {
        self.client.is_some() || datagram.len() >= FIRST_DATAGRAM
    }

    /// The end of the flow that is the client, once known.
    pub(crate) fn client(&self) -> Option<usize> {
        self.client
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.crypto.weight() + self.hellos.weight()
    }

    /// What was told, when anything was.
    pub(crate) fn told(&self) -> Option<&Tls> {
        self.hellos.told()
    }
}

/// Datagrams for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::initial;

    /// A CRYPTO frame.
    pub(crate) fn crypto(at: usize, bytes: &[u8]) -> Vec<u8> {
        let two = |n: usize| (0x4000 | u16::try_from(n).unwrap()).to_be_bytes();
        [&[6][..], &two(at), &two(bytes.len()), bytes].concat()
    }

    /// A hello in so many datagrams.
    pub(crate) fn hello(version: u32, id: &[u8], parts: usize) -> Vec<Vec<u8>> {
        let hello = crate::tls::testing::example();
        let size = hello.len().div_ceil(parts);
        (0..)
            .zip(hello.chunks(size))
            .map(|(n, part)| initial::testing::seal(version, id, n, &crypto(size * usize::from(n), part)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::crypto;
    use super::*;
    use crate::tls::testing;

    const CLIENT_ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    /// An Initial packet with these frames.
    fn initial(version: u32, id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
        initial::testing::seal(version, id, number, frames)
    }

    fn told(datagrams: &[(usize, Vec<u8>)]) -> Connection {
        let mut connection = Connection::default();
        let mut room = Vec::new();
        for (side, datagram) in datagrams {
            connection.datagram(*side, datagram, &mut room);
            assert!(connection.weight() < 64 << 10);
        }
        connection
    }

    #[test]
    fn a_hello_is_read_in_every_version_and_however_it_is_cut() {
        let hello = testing::example();
        let (first, second) = hello.split_at(100);
        for version in [1, 0x6b33_43cf, 0xff00_001d, 0xff00_0020, 0xff00_0022, 0xff00_001b] {
            let one = |number, frames: &[u8]| (1, initial(version, &CLIENT_ID, number, frames));
            let coalesced = [one(0, &crypto(100, second)).1, one(1, &crypto(0, first)).1].concat();
            let padded = [
                &[0; 40][..],
                &crypto(50, &hello[50..]),
                &[1, 0, 1],
                &crypto(0, &hello[..70]),
            ]
            .concat();
            for datagrams in [
                vec![one(0, &crypto(0, &hello))],
                vec![one(0, &crypto(100, second)), one(1, &crypto(0, first))],
                vec![(1, coalesced)],
                vec![one(7, &padded)],
            ] {
                assert!(begins(&datagrams[0].1));
                let connection = told(&datagrams);
                let tls = connection.told().unwrap();
                assert_eq!(tls.sni.as_deref(), Some("www.example.com"), "{version:x}");
                assert_eq!(tls.ja4.as_deref(), Some("q13d1516h2_8daaf6152771_e5627efa2ab1"));
                assert_eq!(connection.client(), Some(1));
            }
        }
    }

    #[test]
    fn packets_of_other_kinds_do_not_break_it() {
        let hello = testing::example();
        let (first, second) = hello.split_at(100);
        let other_id = [9, 9, 9];
        // Retry, 0-RTT and version negotiation; a server's Initial, which nobody can tell from noise without its keys.
        let mut retry = vec![0xf0, 0, 0, 0, 1, 0, 3, 9, 9, 9];
        retry.extend([7; 40]);
        let mut early = vec![0xd0, 0, 0, 0, 1, 3, 9, 9, 9, 0, 0x40, 30];
        early.extend([7; 30]);
        let negotiation = vec![0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let early_and_more = [&early[..], &initial(1, &other_id, 2, &crypto(100, second))].concat();
        let connection = told(&[
            (0, initial(1, &CLIENT_ID, 0, &crypto(0, first))),
            (1, negotiation),
            (1, retry),
            (1, initial(1, b"server", 0, &crypto(0, b"no"))),
            (0, early),
            (0, initial(1, &other_id, 1, &crypto(0, first))),
            (0, early_and_more),
        ]);
        assert_eq!(connection.told().unwrap().sni.as_deref(), Some("www.example.com"));
    }

    #[test]
    fn noise_tells_nothing_and_is_given_up() {
        let mut packet = initial(1, &CLIENT_ID, 0, &crypto(0, &testing::example()));
        let last = packet.len() - 1;
        for end in 0..packet.len() {
            assert!(told(&[(0, packet[..end].to_vec())]).told().is_none(), "{end}");
        }
        packet[last] ^= 1;
        let connection = told(&vec![(0, packet); 100]);
        assert!(connection.told().is_none() && connection.done);
        assert!(!begins(b""));
        assert!(!begins(b"\xc0\0\0\0\x01"));
        assert!(!begins(&[0xc0; 1300]), "an unknown version");
        // A hello that never ends holds no more than one may.
        let mut connection = Connection::default();
        for n in 0..200 {
            let frames = crypto(300 + 70 * usize::from(n), &[n; 60]);
            connection.datagram(0, &initial(1, &CLIENT_ID, n, &frames), &mut Vec::new());
        }
        assert!(connection.done && connection.weight() == 0);
    }
}
