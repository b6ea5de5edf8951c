//! DTLS: the hello messages of a handshake over UDP (RFC 6347, RFC 9147).
//!
//! Knows records in clear and how a handshake message is cut into fragments; leaves the message itself to
//! [`super::hello`], and where a datagram lies in others to [`crate::udp`].

use super::Tls;
use super::assembly::Assembly;
use super::hello::{CLIENT_HELLO, Hellos, MAX_HELLO, SERVER_HELLO, Transport};

const RECORD_HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;
/// The server asks for a cookie (RFC 6347 section 4.2.1).
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Records of one datagram that are looked at.
const MAX_RECORDS: usize = 16;

/// Fragments of one flow that are looked at before it is given up.
const MAX_FRAGMENTS: u16 = 256;

/// Whether a datagram may begin a flow: a handshake record in clear with the first of a hello, or of what comes between.
pub(crate) fn begins(datagram: &[u8]) -> bool {
    let Some((fragment, _)) = record(datagram) else {
        return false;
    };
    Fragment::read(fragment).is_some_and(|f| {
        matches!(f.kind, CLIENT_HELLO | SERVER_HELLO | HELLO_VERIFY_REQUEST)
            && f.len <= MAX_HELLO
            && f.sequence < 4
    })
}

/// The content of a handshake record in clear, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER>()?;
    // The version is that of DTLS 1.0 or 1.2; 1.3 says 1.2 (RFC 9147 section 4). The epoch is that without keys.
    let [RECORD_HANDSHAKE, 0xfe, 0xff | 0xfd, 0, 0, .., high, low] = *header else {
        return None;
    };
    rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))
}

/// A piece of a handshake message.
struct Fragment<'a> {
    kind: u8,
    /// Length of the whole message, without its header.
    len: usize,
    sequence: u16,
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn read(record: &'a [u8]) -> Option<Self> {
        Self::first(record).map(|(fragment, _)| fragment)
    }

    /// The first fragment of a record, and what follows it.
    fn first(record: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (h, rest) = record.split_first_chunk::<MESSAGE_HEADER>()?;
        let u24 = |at: usize| usize::from(h[at]) << 16 | usize::from(h[at + 1]) << 8 | usize::from(h[at + 2]);
        let (len, offset) = (u24(1), u24(6));
        let (bytes, rest) = rest.split_at_checked(u24(9))?;
        let fragment = Self {
            kind: h[0],
            len,
            sequence: u16::from_be_bytes([h[4], h[5]]),
            offset,
            bytes,
        };
        (offset + bytes.len() <= len).then_some((fragment, rest))
    }
}

/// A hello of one direction.
#[derive(Debug, Default)]
struct Side {
    /// The message being put together: its number and its length.
    present: Option<(u16, usize)>,
    assembly: Assembly,
    done: bool,
}

/// A handshake being read.
#[derive(Debug, Default)]
pub(crate) struct Dtls {
    /// By the end of the flow that sends; either may be the client.
    sides: [Side; 2],
    hellos: Hellos,
    fragments: u16,
    /// The end of the flow that said hello first, or was answered.
    client: Option<usize>,
}

impl Dtls {
    /// Takes a datagram of one end.
    pub(crate) fn datagram(&mut self, side: usize, datagram: &[u8]) {
        let mut rest = datagram;
        for _ in 0..MAX_RECORDS {
            let Some((mut content, next)) = record(rest) else {
                return;
            };
            while let Some((fragment, more)) = Fragment::first(content) {
                self.fragments = self.fragments.saturating_add(1);
                if self.fragments > MAX_FRAGMENTS {
                    self.give_up();
                    return;
                }
                self.fragment(side, &fragment);
                content = more;
            }
            rest = next;
        }
    }

    fn fragment(&mut self, side: usize, fragment: &Fragment<'_>) {
        let hello = matches!(fragment.kind, CLIENT_HELLO | SERVER_HELLO);
        if self.client.is_none() && (hello || fragment.kind == HELLO_VERIFY_REQUEST) {
            self.client = Some(if fragment.kind == CLIENT_HELLO {
                side
            } else {
                1 - side
            });
        }
        let Some(state) = self.sides.get_mut(side).filter(|s| !s.done) else {
            return;
        };
        if !hello || fragment.len > MAX_HELLO - MESSAGE_HEADER {
            return;
        }
        // A later hello, with a cookie, takes the place of one that is not whole.
        match state.present {
            Some((sequence, _)) if fragment.sequence < sequence => return,
            Some((sequence, len)) if fragment.sequence == sequence && fragment.len != len => return,
            Some((sequence, _)) if fragment.sequence == sequence => {}
            _ => {
                state.present = Some((fragment.sequence, fragment.len));
                state.assembly = Assembly::default();
                let len = u32::try_from(fragment.len).unwrap_or(0).to_be_bytes();
                state.assembly.insert(0, &[fragment.kind, len[1], len[2], len[3]]);
            }
        }
        state.assembly.insert(fragment.offset as u64 + 4, fragment.bytes);
        if state.assembly.prefix().len() >= fragment.len + 4 {
            self.hellos.message(state.assembly.prefix(), Transport::Dtls);
            state.done = true;
            state.assembly = Assembly::default();
        }
    }

    fn give_up(&mut self) {
        for side in &mut self.sides {
            side.done = true;
            side.assembly = Assembly::default();
        }
    }

    /// The end of the flow that is the client of the handshake, once a message told.
    pub(crate) fn client(&self) -> Option<usize> {
        self.client
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        let held: usize = self.sides.iter().map(|side| side.assembly.weight()).sum();
        held + self.hellos.weight()
    }

    /// What was told, when anything was.
    pub(crate) fn told(&self) -> Option<&Tls> {
        self.hellos.told()
    }
}

/// Datagrams for tests.
#[cfg(test)]
pub(crate) mod testing {
    /// The hello of a client that names a.example, in one record.
    pub(crate) fn dtls_hello() -> Vec<u8> {
        super::tests::records(super::CLIENT_HELLO, 0, &super::tests::hello(b"", b""), 1000).concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Version;

    /// A client hello of DTLS 1.2 with a name, and with `cookie`.
    pub(super) fn hello(cookie: &[u8], versions: &[u8]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.push(0);
        body.push(u8::try_from(cookie.len()).unwrap());
        body.extend(cookie);
        body.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
        let mut extensions = vec![0, 0, 0, 14, 0, 12, 0, 0, 9];
        extensions.extend(b"a.example");
        if !versions.is_empty() {
            let len = u8::try_from(versions.len()).unwrap();
            extensions.extend([0, 43, 0, len + 1, len]);
            extensions.extend(versions);
        }
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        body
    }

    /// Records with fragments of `size` bytes.
    pub(super) fn records(kind: u8, sequence: u8, body: &[u8], size: usize) -> Vec<Vec<u8>> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        (0..)
            .step_by(size)
            .zip(body.chunks(size))
            .map(|(at, piece): (u16, &[u8])| {
                let (at, part) = (at.to_be_bytes(), u16::try_from(piece.len()).unwrap());
                let record = (part + 12).to_be_bytes();
                let part = part.to_be_bytes();
                let mut out = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, record[0], record[1]];
                out.extend([
                    kind, 0, len[0], len[1], 0, sequence, 0, at[0], at[1], 0, part[0], part[1],
                ]);
                out.extend(piece);
                out
            })
            .collect()
    }

    #[test]
    fn a_hello_in_fragments_is_read_in_any_order() {
        let want = Tls {
            version: Version(0xfefd),
            sni: Some("a.example".into()),
            alpn: None,
            // The sorted ciphers and no signature algorithms; SNI does not count in the last part.
            ja4: Some("dd2d020100_d40bd9f3a1b5_000000000000".into()),
            ech: false,
        };
        for size in [1000, 40, 7] {
            let mut pieces = records(CLIENT_HELLO, 0, &hello(b"", b""), size);
            assert!(begins(&pieces[0]));
            for _ in 0..pieces.len() {
                pieces.rotate_left(1);
                let mut dtls = Dtls::default();
                for piece in &pieces {
                    dtls.datagram(1, piece);
                }
                let told = dtls.told().unwrap();
                assert_eq!((told.version, &told.sni), (want.version, &want.sni), "{size}");
                let ja4 = told.ja4.as_deref().unwrap();
                assert!(
                    ja4.starts_with("dd2d020100_") && ja4.ends_with("_000000000000"),
                    "{ja4}"
                );
                assert_eq!(dtls.client(), Some(1));
                assert!(dtls.weight() < 100);
            }
            // All in one datagram.
            let mut dtls = Dtls::default();
            dtls.datagram(0, &pieces.concat());
            assert_eq!(dtls.told().is_some(), pieces.len() <= MAX_RECORDS);
        }
    }

    #[test]
    fn a_second_hello_with_a_cookie_stands_in_for_a_first_that_is_not_whole() {
        let mut dtls = Dtls::default();
        dtls.datagram(0, &records(CLIENT_HELLO, 0, &hello(b"", b""), 40)[0]);
        dtls.datagram(1, &records(HELLO_VERIFY_REQUEST, 0, &[0xfe, 0xff, 1, 7], 40)[0]);
        assert_eq!(dtls.told(), None);
        for piece in records(CLIENT_HELLO, 1, &hello(b"cookie", b""), 40) {
            dtls.datagram(0, &piece);
        }
        assert_eq!(dtls.told().unwrap().sni.as_deref(), Some("a.example"));
    }

    #[test]
    fn the_highest_version_of_dtls_has_the_lowest_number() {
        let mut dtls = Dtls::default();
        let versions = [0xfe, 0xfd, 0xfe, 0xfc, 0xfe, 0xff];
        dtls.datagram(0, &records(CLIENT_HELLO, 0, &hello(b"", &versions), 1000)[0]);
        let told = dtls.told().unwrap();
        assert_eq!(told.version.name(), "DTLSv1.3");
        assert!(told.ja4.as_deref().unwrap().starts_with("dd3d0202"));
    }

    #[test]
    fn what_only_looks_like_a_handshake_is_given_up() {
        let mut dtls = Dtls::default();
        let mut piece = records(CLIENT_HELLO, 0, &hello(b"", b""), 40)[0].clone();
        for n in 0..=u16::MAX {
            // Each the first of another message.
            piece[17..19].copy_from_slice(&n.to_be_bytes());
            dtls.datagram(0, &piece);
        }
        assert!(dtls.told().is_none() && dtls.weight() == 0);
        let whole = &records(CLIENT_HELLO, 0, &hello(b"", b""), 1000)[0];
        for end in 0..whole.len() {
            Dtls::default().datagram(0, &whole[..end]);
            assert!(!begins(&whole[..end]), "{end}");
        }
    }
}
