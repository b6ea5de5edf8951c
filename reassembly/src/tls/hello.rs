//! Reads the hello messages of a handshake as they come.
//!
//! Knows records, the two hellos and the extensions that tell who talks to whom; takes any cutting into segments and
//! records, and gives up for good at the first thing that is no handshake. [`Hellos`] takes whole messages, whatever
//! brought them: records over TCP here, QUIC and DTLS elsewhere.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Tls, Version};

/// Bytes of handshake kept of either side. A client hello with post-quantum key shares has about 2 KiB, certificates
/// follow only the server's.
pub(crate) const MAX_HELLO: usize = 16 << 10;

const RECORD_HANDSHAKE: u8 = 22;
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;

/// The largest record in clear: 2^14 bytes (RFC 8446 section 5.1).
pub(super) const MAX_RECORD: usize = 1 << 14;

/// Bytes of the header of a record.
const RECORD_HEADER: usize = 5;

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What brought a hello; JA4 begins with it, and DTLS has a field more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Quic,
    Dtls,
}

impl Transport {
    /// The first character of JA4.
    fn ja4(self) -> char {
        match self {
            Self::Tcp => 't',
            Self::Quic => 'q',
            Self::Dtls => 'd',
        }
    }
}

/// What the hellos of a handshake told so far.
#[derive(Debug, Default)]
pub(crate) struct Hellos {
    told: Tls,
    asked: bool,
    answered: bool,
}

impl Hellos {
    /// Takes a whole handshake message. The message says who speaks: the side that opened a flow need not be the one
    /// that says hello first, as in FTP with a server that connects back.
    pub(crate) fn message(&mut self, message: &[u8], transport: Transport) {
        match message.first() {
            // A second one answers a request to say hello again; it offers the same.
            Some(&CLIENT_HELLO) if !self.asked => self.ask(client_hello(message, transport)),
            Some(&SERVER_HELLO) => self.answer(server_hello(message)),
            _ => {}
        }
    }

    fn ask(&mut self, hello: Option<Tls>) {
        let Some(found) = hello else { return };
        self.asked = true;
        // The answer may have come first where directions are captured apart.
        let agreed = self.answered.then(|| (self.told.version, self.told.alpn.take()));
        self.told = found;
        if let Some((version, alpn)) = agreed {
            self.told.version = version;
            self.told.alpn = alpn.or(self.told.alpn.take());
        }
    }

    fn answer(&mut self, hello: Option<(Version, Option<String>)>) {
        let Some((version, alpn)) = hello else { return };
        self.answered = true;
        self.told.version = version;
        self.told.alpn = alpn.or(self.told.alpn.take());
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        let texts = [&self.told.sni, &self.told.alpn, &self.told.ja4];
        texts
            .iter()
            .filter_map(|t| t.as_ref())
            .map(String::capacity)
            .sum()
    }

    /// Whether a server hello was read.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// What was told, when anything was.
    pub(crate) fn told(&self) -> Option<&Tls> {
        (self.told.version != Version::default()).then_some(&self.told)
    }
}

/// One direction of a handshake.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Bytes of a record header or of the message that are not whole yet.
    message: Vec<u8>,
    header: Vec<u8>,
    /// Bytes of the present record still to come.
    pub(super) record: usize,
    /// The first record has the form of SSL 2.
    sslv2: bool,
    begun: bool,
    /// The message was given out, or there is none.
    pub(super) done: bool,
    /// More of the record was read than the message.
    pub(super) followed: bool,
}

/// A handshake being read.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    client: Side,
    server: Side,
    hellos: Hellos,
    reversed: bool,
}

impl Handshake {
    /// Takes the next bytes of the client or the server.
    pub(crate) fn data(&mut self, from_client: bool, bytes: &[u8]) {
        let side = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        let mut bytes = bytes;
        let Some(message) = side.take(&mut bytes) else {
            return;
        };
        let asked = self.hellos.asked;
        if side.sslv2 {
            match sslv2_hello(&message) {
                Some((CLIENT_HELLO, version)) if !self.hellos.asked => self.hellos.ask(Some(Tls {
                    version,
                    ..Tls::default()
                })),
                Some((SSLV2_SERVER_HELLO, version)) => self.hellos.answer(Some((version, None))),
                _ => {}
            }
        } else {
            self.hellos.message(&message, Transport::Tcp);
        }
        self.reversed |= !from_client && !asked && self.hellos.asked;
    }

    /// Whether the side taken for the server said the client's hello.
    pub(crate) fn reversed(&self) -> bool {
        self.reversed
    }

    /// Bytes of a direction were never seen.
    pub(crate) fn gap(&mut self, from_client: bool) {
        let side = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        side.done = true;
        side.message = Vec::new();
        side.header = Vec::new();
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.client.weight() + self.server.weight() + self.hellos.weight()
    }

    /// What was told, when anything was.
    pub(crate) fn told(&self) -> Option<&Tls> {
        self.hellos.told()
    }
}

/// Whether the first payload of a flow is that of TLS: a handshake record (RFC 8446 section 5.1), or a hello in the form
/// of SSL 2 that offers more (RFC 5246 appendix E.2) or is meant so.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [RECORD_HANDSHAKE, 3, ..]) || begins_sslv2(bytes)
}

/// A client hello of SSL 2 tells the length of each of its parts, which together make that of the record.
fn begins_sslv2(bytes: &[u8]) -> bool {
    let &[
        high @ 0x80..=0xff,
        low,
        CLIENT_HELLO,
        major,
        minor,
        c1,
        c0,
        s1,
        s0,
        r1,
        r0,
        ..,
    ] = bytes
    else {
        return false;
    };
    let length = usize::from(high & 0x7f) << 8 | usize::from(low);
    let [ciphers, session, challenge] =
        [[c1, c0], [s1, s0], [r1, r0]].map(|pair| usize::from(u16::from_be_bytes(pair)));
    matches!((major, minor), (0, 2) | (3, 0..=4))
        && ciphers > 0
        && ciphers % 3 == 0
        && matches!(session, 0 | 16)
        && (16..=32).contains(&challenge)
        && length == 9 + ciphers + session + challenge
}

const SSLV2_SERVER_HELLO: u8 = 4;

/// Kind and version of a hello in the form of SSL 2.
fn sslv2_hello(message: &[u8]) -> Option<(u8, Version)> {
    let mut fields = Fields(message);
    let kind = fields.u8()?;
    if kind == SSLV2_SERVER_HELLO {
        // Whether the session is resumed, and the type of the certificate.
        fields.bytes(2)?;
    }
    let version = fields.u16()?;
    // A server that agrees on more answers in the form of TLS.
    let plausible = match kind {
        CLIENT_HELLO => matches!(version, 0x0002 | 0x0300..=0x0304),
        _ => version == 0x0002,
    };
    plausible.then_some((kind, Version(version)))
}

impl Side {
    /// Bytes of memory it takes beside itself.
    pub(super) fn weight(&self) -> usize {
        self.message.capacity() + self.header.capacity()
    }

    /// The first handshake message of the direction, once it is whole. Leaves in `bytes` what was not looked at.
    pub(super) fn take(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        while !bytes.is_empty() && !self.done {
            if !std::mem::replace(&mut self.begun, true) {
                self.sslv2 = bytes[0] & 0x80 != 0;
            }
            if self.record == 0 {
                let len = if self.sslv2 { 2 } else { RECORD_HEADER };
                let take = bytes.len().min(len - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                *bytes = &bytes[take..];
                match self.header[..] {
                    [high, low] if self.sslv2 => {
                        self.record = usize::from(high & 0x7f) << 8 | usize::from(low);
                        self.done = self.record == 0;
                    }
                    [kind, major, _, high, low] => {
                        self.record = usize::from(u16::from_be_bytes([high, low]));
                        // RFC 8446 section 5.1: up to 2^14 bytes, never none of a handshake.
                        self.done = kind != RECORD_HANDSHAKE
                            || major != 3
                            || self.record == 0
                            || self.record > MAX_RECORD;
                    }
                    _ => return None,
                }
                self.header.clear();
                continue;
            }
            let take = bytes.len().min(self.record);
            self.message.extend_from_slice(&bytes[..take]);
            self.record -= take;
            *bytes = &bytes[take..];
            if self.sslv2 {
                // The versions stand at its beginning; a certificate that follows is not needed.
                self.done = self.record == 0 || self.message.len() >= RECORD_HEADER;
                if self.done {
                    return Some(std::mem::take(&mut self.message));
                }
                continue;
            }
            let Some(&[kind, a, b, c]) = self.message.first_chunk::<4>() else {
                continue;
            };
            let len = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
            if len > MAX_HELLO || !matches!(kind, CLIENT_HELLO | SERVER_HELLO) {
                self.done = true;
            } else if self.message.len() >= len {
                self.done = true;
                let mut message = std::mem::take(&mut self.message);
                self.followed = message.len() > len || self.record > 0;
                message.truncate(len);
                return Some(message);
            }
        }
        if self.done {
            self.message = Vec::new();
            self.header = Vec::new();
        }
        None
    }
}

/// Reads fields one after another.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    fn u16(&mut self) -> Option<u16> {
        let b = self.bytes(2)?;
        Some(u16::from_be_bytes([b[0], b[1]]))
    }

    /// A list with its length in one byte, or in two.
    fn list8(&mut self) -> Option<Self> {
        let len = self.u8()?;
        Some(Self(self.bytes(usize::from(len))?))
    }

    fn list16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        Some(Self(self.bytes(usize::from(len))?))
    }

    fn numbers(mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.u16()).collect()
    }
}

/// Values that clients send to keep servers tolerant (RFC 8701).
fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// Whether a message is a client hello in every length and count (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2): what
/// stands within another protocol is taken for one only then.
pub(super) fn is_client_hello(message: &[u8]) -> bool {
    let check = || {
        let mut fields = Fields(message);
        let kind = fields.u8()?;
        let length = fields.bytes(3)?;
        let length = usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]);
        let version = fields.u16()?;
        fields.bytes(32)?;
        let session = fields.list8()?.0.len();
        let ciphers = fields.list16()?.0.len();
        let compressions = fields.list8()?.0.len();
        // A hello may end before its extensions.
        if !fields.0.is_empty() {
            let mut extensions = fields.list16()?;
            while !extensions.0.is_empty() {
                extensions.u16()?;
                extensions.list16()?;
            }
        }
        let plausible = kind == CLIENT_HELLO
            && length + 4 == message.len()
            && version >> 8 == 3
            && session <= 32
            && ciphers > 0
            && ciphers % 2 == 0
            && compressions > 0;
        (plausible && fields.0.is_empty()).then_some(())
    };
    check().is_some()
}

fn client_hello(message: &[u8], transport: Transport) -> Option<Tls> {
    let mut fields = Fields(message);
    if fields.u8()? != CLIENT_HELLO {
        return None;
    }
    fields.bytes(3)?;
    let legacy = fields.u16()?;
    fields.bytes(32)?;
    fields.list8()?;
    if transport == Transport::Dtls {
        // The cookie (RFC 6347 section 4.2.1).
        fields.list8()?;
    }
    let mut ciphers = fields.list16()?.numbers();
    fields.list8()?;
    ciphers.retain(|c| !is_grease(*c));
    let mut found = Tls {
        version: Version(legacy),
        ..Tls::default()
    };
    let (mut kinds, mut signatures, mut first_protocol) = (Vec::new(), Vec::new(), None);
    // Extensions came with TLS 1.0; a hello may end before them.
    let mut extensions = fields.list16().unwrap_or(Fields(&[]));
    while let (Some(kind), Some(data)) = (extensions.u16(), extensions.list16()) {
        if is_grease(kind) {
            continue;
        }
        kinds.push(kind);
        let mut data = data;
        match kind {
            SERVER_NAME => found.sni = server_name(&mut data),
            ALPN => {
                first_protocol = data.list16().and_then(|mut list| list.list8()).map(|p| p.0);
            }
            SUPPORTED_VERSIONS => {
                let offered = data.list8().map(Fields::numbers).unwrap_or_default();
                let offered = offered.into_iter().filter(|v| !is_grease(*v));
                // The numbers of DTLS go down as it goes on (RFC 9147 section 5.3).
                let highest = if transport == Transport::Dtls {
                    offered.min()
                } else {
                    offered.max()
                };
                found.version = highest.map_or(found.version, Version);
            }
            SIGNATURE_ALGORITHMS => {
                signatures = data.list16().map(Fields::numbers).unwrap_or_default();
                signatures.retain(|s| !is_grease(*s));
            }
            ENCRYPTED_CLIENT_HELLO => found.ech = true,
            _ => {}
        }
    }
    found.ja4 = Some(ja4(
        transport,
        found.version,
        kinds.contains(&SERVER_NAME),
        &ciphers,
        &kinds,
        &signatures,
        first_protocol,
    ));
    found.alpn = first_protocol.map(printable);
    Some(found)
}

/// Names are ASCII (RFC 6066 section 3) and protocols are (RFC 7301 section 6); anything else is not shown.
fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' })
        .collect()
}

fn server_name(data: &mut Fields<'_>) -> Option<String> {
    let mut list = data.list16()?;
    while let (Some(kind), Some(name)) = (list.u8(), list.list16()) {
        if kind == 0 && !name.0.is_empty() && name.0.len() <= 255 {
            return Some(printable(name.0).to_ascii_lowercase());
        }
    }
    None
}

fn server_hello(message: &[u8]) -> Option<(Version, Option<String>)> {
    let mut fields = Fields(message);
    if fields.u8()? != SERVER_HELLO {
        return None;
    }
    fields.bytes(3)?;
    let mut version = Version(fields.u16()?);
    fields.bytes(32)?;
    fields.list8()?;
    fields.bytes(3)?;
    let mut alpn = None;
    let mut extensions = fields.list16().unwrap_or(Fields(&[]));
    while let (Some(kind), Some(mut data)) = (extensions.u16(), extensions.list16()) {
        match kind {
            SUPPORTED_VERSIONS => version = data.u16().map_or(version, Version),
            ALPN => {
                alpn = data
                    .list16()
                    .and_then(|mut list| list.list8())
                    .map(|p| printable(p.0))
            }
            _ => {}
        }
    }
    Some((version, alpn))
}

/// JA4 of a client hello, by the published description of FoxIO (BSD 3-clause).
fn ja4(
    transport: Transport,
    version: Version,
    named: bool,
    ciphers: &[u16],
    extensions: &[u16],
    signatures: &[u16],
    protocol: Option<&[u8]>,
) -> String {
    let (first, last) = match protocol {
        Some([first, .., last]) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            (char::from(*first), char::from(*last))
        }
        Some([only]) if only.is_ascii_alphanumeric() => (char::from(*only), char::from(*only)),
        Some([first, rest @ ..]) => {
            let last = rest.last().unwrap_or(first);
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
            (digit(first >> 4), digit(last & 15))
        }
        _ => ('0', '0'),
    };
    let mut sorted_ciphers = ciphers.to_vec();
    sorted_ciphers.sort_unstable();
    let mut others: Vec<u16> = extensions
        .iter()
        .copied()
        .filter(|e| !matches!(*e, SERVER_NAME | ALPN))
        .collect();
    others.sort_unstable();
    let mut third = hexes(&others);
    if !signatures.is_empty() {
        third.push('_');
        third.push_str(&hexes(signatures));
    }
    format!(
        "{}{}{}{:02}{:02}{first}{last}_{}_{}",
        transport.ja4(),
        version.ja4(),
        if named { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.len().min(99),
        digest(&hexes(&sorted_ciphers)),
        if others.is_empty() {
            "0".repeat(12)
        } else {
            digest(&third)
        },
    )
}

fn hexes(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(numbers.len() * 5);
    for (n, number) in numbers.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{number:04x}");
    }
    text
}

/// The first twelve digits of SHA-256.
fn digest(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let hash = Sha256::digest(text.as_bytes());
    hash[..6].iter().map(|b| format!("{b:02x}")).collect()
}

/// Hellos for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn list16(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    pub(crate) fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &list16(data)].concat()
    }

    pub(crate) fn numbers(all: &[u16]) -> Vec<u8> {
        all.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    /// In records of `size` bytes.
    pub(crate) fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1][..], &list16(part)].concat();
        message.chunks(size).flat_map(record).collect()
    }

    pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, len[1], len[2], len[3]][..], body].concat()
    }

    /// The hello of the description of JA4: its ciphers, extensions and signature algorithms.
    pub(crate) fn example() -> Vec<u8> {
        let ciphers = [
            0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let signatures = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        let name = [&[0][..], &list16(b"Www.Example.com")].concat();
        let mut extensions = [
            extension(0x2a2a, &[]),
            extension(SERVER_NAME, &list16(&name)),
            extension(ALPN, &list16(b"\x02h2\x08http/1.1")),
            extension(
                SUPPORTED_VERSIONS,
                &[&[6][..], &numbers(&[0x3a3a, 0x0304, 0x0303])].concat(),
            ),
            extension(SIGNATURE_ALGORITHMS, &list16(&numbers(&signatures))),
        ]
        .concat();
        for kind in [
            0x001b, 0x0033, 0x4469, 0x0017, 0x002d, 0x0005, 0x0023, 0x0012, 0x000b, 0xff01, 0x000a, 0x0015,
        ] {
            extensions.extend(extension(kind, &[0]));
        }
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[0],
            &list16(&numbers(&ciphers)),
            &[1, 0],
            &list16(&extensions),
        ]
        .concat();
        message(CLIENT_HELLO, &body)
    }

    pub(crate) fn answer() -> Vec<u8> {
        let extensions = [extension(SUPPORTED_VERSIONS, &[3, 4]), extension(51, &[0; 36])].concat();
        let body = [&[3, 3][..], &[8; 32], &[0], &[0x13, 1, 0], &list16(&extensions)].concat();
        message(SERVER_HELLO, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    #[test]
    fn a_client_hello_is_read_however_it_is_cut() {
        for (record, step) in [(1 << 14, 1 << 14), (1 << 14, 1), (7, 3), (200, 50)] {
            let mut handshake = Handshake::default();
            for part in records(&example(), record).chunks(step) {
                handshake.data(true, part);
            }
            assert_eq!(
                handshake.told(),
                Some(&Tls {
                    version: Version(0x0304),
                    sni: Some("www.example.com".into()),
                    alpn: Some("h2".into()),
                    // Hashes from the description of JA4.
                    ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1".into()),
                    ech: false,
                }),
                "records of {record}, cut at {step}"
            );
        }
    }

    #[test]
    fn the_answer_tells_what_was_agreed_whichever_comes_first() {
        for answer_first in [false, true] {
            let mut handshake = Handshake::default();
            let mut both = [
                (true, records(&example(), 1 << 14)),
                (false, records(&answer(), 1 << 14)),
            ];
            if answer_first {
                both.reverse();
            }
            for (side, bytes) in &both {
                handshake.data(*side, bytes);
            }
            let told = handshake.told().unwrap();
            assert_eq!(told.version.name(), "TLSv1.3");
            assert_eq!(told.alpn.as_deref(), Some("h2"));
        }
    }

    #[test]
    fn what_is_no_hello_tells_nothing() {
        for bytes in [
            &b"\x16\x03\x01\x00\x00"[..],
            b"\x16\x03\x01\xff\xffxxxxxx",
            b"\x17\x03\x03\x00\x05\x01\x02\x03\x04\x05",
            b"\x16\x03\x01\x00\x05\x0b\x00\x00\x01\x00",
        ] {
            let mut handshake = Handshake::default();
            handshake.data(true, bytes);
            handshake.data(true, &records(&example(), 1 << 14));
            assert_eq!(handshake.told(), None);
            assert_eq!(handshake.weight(), 0);
        }
        for end in 0..example().len() {
            let cut = message(CLIENT_HELLO, &example()[4..end.max(4)]);
            let mut handshake = Handshake::default();
            handshake.data(true, &records(&cut, 1 << 14));
        }
    }

    #[test]
    fn a_hello_in_the_form_of_ssl_2_tells_its_version() {
        // RFC 5246 appendix E.2: two ciphers, a challenge of 16 bytes.
        let mut hello = vec![0x80, 31, 1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 0x2f, 1, 0, 0x80];
        hello.extend([9; 16]);
        assert!(begins(&hello));
        assert!(!begins(&hello[..10]));
        for (answer, version) in [
            (records(&answer(), 1 << 14), "TLSv1.3"),
            (vec![0x80, 11, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0], "SSLv2"),
        ] {
            for step in [1, 100] {
                let mut handshake = Handshake::default();
                for part in hello.chunks(step) {
                    handshake.data(true, part);
                }
                assert_eq!(handshake.told().unwrap().version.name(), "TLSv1.0");
                for part in answer.chunks(step) {
                    handshake.data(false, part);
                }
                assert_eq!(handshake.told().unwrap().version.name(), version);
            }
        }
        for at in [1, 6, 8, 10] {
            let mut other = hello.clone();
            other[at] ^= 1;
            assert!(!begins(&other), "byte {at}");
        }
    }

    #[test]
    fn the_side_that_says_hello_is_the_client_of_the_handshake() {
        let mut handshake = Handshake::default();
        handshake.data(false, &records(&example(), 1 << 14));
        handshake.data(true, &records(&answer(), 1 << 14));
        assert!(handshake.reversed());
        assert_eq!(handshake.told().unwrap().sni.as_deref(), Some("www.example.com"));
    }

    #[test]
    fn a_client_hello_is_known_by_all_its_lengths() {
        let hello = example();
        assert!(is_client_hello(&hello));
        for end in 0..hello.len() {
            assert!(!is_client_hello(&hello[..end]));
            // A length that agrees with the cut does not help.
            assert!(
                end < 4
                    || !is_client_hello(&message(CLIENT_HELLO, &hello[4..end]))
                    || hello[end..].len() > 100
            );
        }
        assert!(!is_client_hello(&[&hello[..], &[0]].concat()));
    }
}
