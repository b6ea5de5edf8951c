//! What decides about keys in handshake messages: the hellos, and that a message ended (RFC 8446 section 4, RFC 5246
//! section 7.4).
//!
//! Knows messages cut over records, and the few fields that matter to keys; what the hellos tell of the flow is read in
//! [`super::hello`].

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const FINISHED: u8 = 20;
pub(super) const KEY_UPDATE: u8 = 24;
const EXTENSION_EARLY_DATA: u16 = 42;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;

/// Bytes of a hello that is kept.
const MAX_HELLO: usize = 16 << 10;

/// Handshake messages of one direction; of the hellos the whole is kept, of others the first byte.
#[derive(Default)]
pub(super) struct Messages {
    header: Vec<u8>,
    kept: Vec<u8>,
    left: usize,
    keep: bool,
    /// Bytes were lost, so that it is not known where a message begins.
    broken: bool,
}

impl Messages {
    /// None yet; `broken` when bytes before them were lost.
    pub(super) fn behind_loss(broken: bool) -> Self {
        Self {
            broken,
            ..Self::default()
        }
    }

    /// Whether no message can be told from another, because bytes were lost.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Bytes of memory it takes beside itself.
    pub(super) fn weight(&self) -> usize {
        self.kept.capacity()
    }

    /// Takes the next bytes; returns the messages that are whole.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        while !bytes.is_empty() && !self.broken {
            if self.header.len() < 4 {
                let take = bytes.len().min(4 - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                let [kind, a, b, c] = self.header[..] else {
                    break;
                };
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.keep = matches!(kind, CLIENT_HELLO | SERVER_HELLO) && self.left <= MAX_HELLO;
                self.kept.clear();
                self.kept.extend_from_slice(&self.header);
            }
            let take = bytes.len().min(self.left);
            if self.keep {
                self.kept.extend_from_slice(&bytes[..take]);
            }
            bytes = &bytes[take..];
            self.left -= take;
            if self.left == 0 {
                self.header.clear();
                whole.push(std::mem::take(&mut self.kept));
            }
        }
        whole
    }
}

/// Reads fields one after another.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    /// What follows its own length, of so many bytes.
    fn list(&mut self, bytes: usize) -> Option<Self> {
        let len = self.number(bytes)?;
        self.take(len).map(Self)
    }

    /// The extension of this number in a list of them.
    fn extension(mut self, wanted: u16) -> Option<Self> {
        loop {
            let kind = self.number(2)?;
            let data = self.list(2)?;
            if kind == usize::from(wanted) {
                return Some(data);
            }
        }
    }
}

/// The random value, and whether early data is offered (RFC 8446 section 4.1.2).
pub(super) fn client_hello(message: &[u8]) -> Option<([u8; 32], bool)> {
    let mut fields = Fields(message.get(6..)?);
    let random = fields.take(32)?.try_into().ok()?;
    fields.list(1)?;
    fields.list(2)?;
    fields.list(1)?;
    let early = fields.list(2).and_then(|e| e.extension(EXTENSION_EARLY_DATA));
    Some((random, early.is_some()))
}

/// The random value, the cipher suite and the version (RFC 8446 section 4.1.3).
pub(super) fn server_hello(message: &[u8]) -> Option<([u8; 32], u16, u16)> {
    let mut fields = Fields(message.get(4..)?);
    let version = fields.number(2)?;
    let random = fields.take(32)?.try_into().ok()?;
    fields.list(1)?;
    let suite = fields.number(2)?;
    fields.take(1)?;
    let selected = fields
        .list(2)
        .and_then(|e| e.extension(EXTENSION_SUPPORTED_VERSIONS))
        .and_then(|mut data| data.number(2));
    let number = |n: usize| u16::try_from(n).ok();
    Some((random, number(suite)?, number(selected.unwrap_or(version))?))
}
