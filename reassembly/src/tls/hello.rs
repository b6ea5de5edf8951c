//! Reads the hello messages of a handshake as they come.
//!
//! Knows records, the two hellos and the extensions that tell who talks to whom; takes any cutting into segments and
//! records, and gives up for good at the first thing that is no handshake.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Tls, Version};

/// Bytes of handshake kept of either side. A client hello with post-quantum key shares has about 2 KiB, certificates
/// follow only the server's.
const MAX_HELLO: usize = 16 << 10;

const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// One direction of a handshake.
#[derive(Debug, Default)]
struct Side {
    /// Bytes of a record header or of the message that are not whole yet.
    message: Vec<u8>,
    header: Vec<u8>,
    /// Bytes of the present record still to come.
    record: usize,
    done: bool,
}

/// A handshake being read.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    client: Side,
    server: Side,
    told: Tls,
    answered: bool,
}

impl Handshake {
    /// Takes the next bytes of the client or the server.
    pub(crate) fn data(&mut self, from_client: bool, bytes: &[u8]) {
        let side = if from_client {
            &mut self.client
        } else {
            &mut self.server
        };
        let Some(message) = side.take(bytes) else {
            return;
        };
        if from_client {
            if let Some(found) = client_hello(&message) {
                // The answer may have come first where directions are captured apart.
                let agreed = self.answered.then(|| (self.told.version, self.told.alpn.take()));
                self.told = found;
                if let Some((version, alpn)) = agreed {
                    self.told.version = version;
                    self.told.alpn = alpn.or(self.told.alpn.take());
                }
            }
        } else if let Some((version, alpn)) = server_hello(&message) {
            self.answered = true;
            self.told.version = version;
            self.told.alpn = alpn.or(self.told.alpn.take());
        }
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
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        self.client.message.capacity() + self.server.message.capacity()
    }

    /// What was told, when anything was.
    pub(crate) fn told(&self) -> Option<&Tls> {
        (self.told.version != Version::default()).then_some(&self.told)
    }
}

impl Side {
    /// The first handshake message of the direction, once it is whole.
    fn take(&mut self, mut bytes: &[u8]) -> Option<Vec<u8>> {
        while !bytes.is_empty() && !self.done {
            if self.record == 0 {
                let take = bytes.len().min(5 - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                let [kind, major, _, high, low] = self.header[..] else {
                    return None;
                };
                self.record = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
                // RFC 8446 section 5.1: up to 2^14 bytes, never none of a handshake.
                if kind != RECORD_HANDSHAKE || major != 3 || self.record == 0 || self.record > 1 << 14 {
                    self.done = true;
                }
                continue;
            }
            let take = bytes.len().min(self.record);
            self.message.extend_from_slice(&bytes[..take]);
            self.record -= take;
            bytes = &bytes[take..];
            let Some(&[kind, a, b, c]) = self.message.first_chunk::<4>() else {
                continue;
            };
            let len = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
            if len > MAX_HELLO || !matches!(kind, CLIENT_HELLO | SERVER_HELLO) {
                self.done = true;
            } else if self.message.len() >= len {
                self.done = true;
                let mut message = std::mem::take(&mut self.message);
                message.truncate(len);
                return Some(message);
            }
        }
        if self.done {
            self.message = Vec::new();
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

fn client_hello(message: &[u8]) -> Option<Tls> {
    let mut fields = Fields(message);
    if fields.u8()? != CLIENT_HELLO {
        return None;
    }
    fields.bytes(3)?;
    let legacy = fields.u16()?;
    fields.bytes(32)?;
    fields.list8()?;
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
                let highest = offered.into_iter().filter(|v| !is_grease(*v)).max();
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

/// JA4 of a client hello over TCP, by the published description of FoxIO (BSD 3-clause).
fn ja4(
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
        "t{}{}{:02}{:02}{first}{last}_{}_{}",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list16(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &list16(data)].concat()
    }

    fn numbers(all: &[u16]) -> Vec<u8> {
        all.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    /// In records of `size` bytes.
    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1][..], &list16(part)].concat();
        message.chunks(size).flat_map(record).collect()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, len[1], len[2], len[3]][..], body].concat()
    }

    /// The hello of the description of JA4: its ciphers, extensions and signature algorithms.
    fn example() -> Vec<u8> {
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

    fn answer() -> Vec<u8> {
        let extensions = [extension(SUPPORTED_VERSIONS, &[3, 4]), extension(51, &[0; 36])].concat();
        let body = [&[3, 3][..], &[8; 32], &[0], &[0x13, 1, 0], &list16(&extensions)].concat();
        message(SERVER_HELLO, &body)
    }

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
}
