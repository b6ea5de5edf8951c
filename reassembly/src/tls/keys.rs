//! Secrets of TLS connections, as clients and servers write them into a key log.
//!
//! Knows the text format of NSS (`SSLKEYLOGFILE`, draft-ietf-tls-keylogfile) and finds the secrets of a connection by the
//! random value of its client hello. Where the text comes from (a file, a block of a capture) is for others to know, and
//! what the secrets open is for [`super::protection`]. Nothing here shows a secret: not in messages, not in `Debug`.

use hashbrown::HashMap;

/// Connections whose secrets are kept. A key log is written by the operator, not by the network, yet one may be
/// endless; this many take some 60 MB.
const MAX_CONNECTIONS: usize = 1 << 18;

/// The length of a master secret (RFC 5246 section 8.1).
const MASTER: usize = 48;

/// Of the secrets of TLS 1.3: as long as the hash of the cipher suite, SHA-256 or SHA-384.
const HASHES: [usize; 2] = [32, 48];

/// Which secret of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2.
    Master,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`, or that of the server.
    Handshake { client: bool },
    /// `CLIENT_TRAFFIC_SECRET_0`, or that of the server.
    Application { client: bool },
}

impl Label {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"CLIENT_RANDOM" => Some(Self::Master),
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Some(Self::Handshake { client: true }),
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Some(Self::Handshake { client: false }),
            b"CLIENT_TRAFFIC_SECRET_0" => Some(Self::Application { client: true }),
            b"SERVER_TRAFFIC_SECRET_0" => Some(Self::Application { client: false }),
            _ => None,
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Master => 0,
            Self::Handshake { client } => 1 + usize::from(client),
            Self::Application { client } => 3 + usize::from(client),
        }
    }
}

/// Why a line of a key log says nothing. The line itself stays unsaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLogError {
    /// It is not a label and two hexadecimal numbers, with a space between them.
    Form,
    /// The client random has not 32 bytes.
    Random,
    /// The secret has not the length of a secret of its label.
    Secret,
    /// So many connections are known already that no more are taken.
    Full,
}

impl std::fmt::Display for KeyLogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Form => "not a label, a client random and a secret in hexadecimal digits, with one space between them",
            Self::Random => "the client random is not 32 bytes (64 hexadecimal digits)",
            Self::Secret => {
                "the secret has a wrong length: CLIENT_RANDOM has 48 bytes (96 digits), secrets of TLS 1.3 have 32 or 48"
            }
            Self::Full => "secrets of 262144 connections are known already, and no more are taken",
        })
    }
}

impl std::error::Error for KeyLogError {}

/// Secrets of TLS connections, by the random values of their client hellos.
#[derive(Default)]
pub(crate) struct Secrets {
    connections: HashMap<[u8; 32], Known>,
}

/// The secrets of one connection, each in its place.
type Known = [Option<Box<[u8]>>; 5];

impl std::fmt::Debug for Secrets {
    /// Tells how many there are, and nothing of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// What came of reading a key log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyLogRead {
    /// Secrets taken.
    pub taken: usize,
    /// Lines that say nothing, of which only the first few are in `first_wrong`.
    pub wrong: usize,
    /// Lines that say nothing, by their number from 1.
    pub first_wrong: Vec<(usize, KeyLogError)>,
}

/// Wrong lines told one by one; a file of another kind has nothing else.
const TOLD_WRONG: usize = 5;

impl Secrets {
    /// Takes the secrets of a key log. Of two for the same purpose the later one counts.
    pub(crate) fn read(&mut self, text: &[u8]) -> KeyLogRead {
        let mut read = KeyLogRead::default();
        for (number, line) in (1..).zip(text.split(|b| *b == b'\n')) {
            match self.line(line) {
                Ok(taken) => read.taken += usize::from(taken),
                Err(error) => {
                    read.wrong += 1;
                    if read.first_wrong.len() < TOLD_WRONG {
                        read.first_wrong.push((number, error));
                    }
                }
            }
        }
        read
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes one line and tells whether it had a secret. Comments, empty lines and labels that are not needed here have
    /// none, and are right.
    fn line(&mut self, line: &[u8]) -> Result<bool, KeyLogError> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(false);
        }
        let mut words = line.split(|b| *b == b' ');
        let (Some(name), Some(random), Some(secret), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(KeyLogError::Form);
        };
        let named = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
        if name.is_empty() || !name.iter().all(named) {
            return Err(KeyLogError::Form);
        }
        let random = from_hex(random).ok_or(KeyLogError::Form)?;
        let secret = from_hex(secret).ok_or(KeyLogError::Form)?;
        let Some(label) = Label::of(name) else {
            return Ok(false);
        };
        let random: [u8; 32] = random.try_into().map_err(|_| KeyLogError::Random)?;
        let right = match label {
            Label::Master => secret.len() == MASTER,
            Label::Handshake { .. } | Label::Application { .. } => HASHES.contains(&secret.len()),
        };
        if !right {
            return Err(KeyLogError::Secret);
        }
        if self.connections.len() >= MAX_CONNECTIONS && !self.connections.contains_key(&random) {
            return Err(KeyLogError::Full);
        }
        self.connections.entry(random).or_default()[label.place()] = Some(secret.into());
        Ok(true)
    }

    /// Whether anything is known of the connection whose client hello had this random value.
    pub(super) fn knows(&self, random: &[u8; 32]) -> bool {
        self.connections.contains_key(random)
    }

    /// A secret of a connection.
    pub(super) fn find(&self, random: &[u8; 32], label: Label) -> Option<&[u8]> {
        self.connections.get(random)?[label.place()].as_deref()
    }
}

/// Bytes from pairs of hexadecimal digits.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_log_is_read_line_by_line_and_wrong_lines_are_told_by_number() {
        let (random, long, short) = ("ab".repeat(32), "12".repeat(48), "34".repeat(32));
        let text = format!(
            "# a comment\n\
             CLIENT_RANDOM {random} {long}\r\n\
             SERVER_TRAFFIC_SECRET_0 {random} {short}\n\
             EXPORTER_SECRET {random} {short}\n\
             RSA 0011223344556677 {long}\n\
             \n\
             CLIENT_RANDOM {random}\n\
             CLIENT_RANDOM {random} {short}\n\
             CLIENT_TRAFFIC_SECRET_0 {random}ff {short}\n\
             CLIENT_TRAFFIC_SECRET_0 {random} 12x4\n\
             lower {random} {short}\n\
             CLIENT_HANDSHAKE_TRAFFIC_SECRET {random} {}",
            &short[..40]
        );
        let mut secrets = Secrets::default();
        let read = secrets.read(text.as_bytes());
        assert_eq!((read.taken, read.wrong), (2, 6));
        assert_eq!(
            read.first_wrong,
            [
                (7, KeyLogError::Form),
                (8, KeyLogError::Secret),
                (9, KeyLogError::Random),
                (10, KeyLogError::Form),
                (11, KeyLogError::Form),
            ]
        );
        let random = [0xab; 32];
        assert_eq!(secrets.find(&random, Label::Master), Some(&[0x12; 48][..]));
        let of_server = Label::Application { client: false };
        assert_eq!(secrets.find(&random, of_server), Some(&[0x34; 32][..]));
        assert_eq!(secrets.find(&random, Label::Application { client: true }), None);
        assert!(!secrets.knows(&[0; 32]));
    }

    #[test]
    fn nothing_shows_a_secret() {
        let (random, long) = ("ab".repeat(32), "12".repeat(48));
        let mut secrets = Secrets::default();
        assert_eq!(
            secrets
                .read(format!("CLIENT_RANDOM {random} {long}").as_bytes())
                .taken,
            1
        );
        assert_eq!(format!("{secrets:?}"), "Secrets { connections: 1, .. }");
    }
}
