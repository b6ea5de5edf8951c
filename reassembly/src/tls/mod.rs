//! TLS: what the handshake of a flow shows in clear (RFC 8446 section 4, RFC 5246 section 7.4), and what it carries when its
//! secrets are at hand.
//!
//! `hello` reads what anybody can, over TCP and over UDP (`dtls`); `inside` finds where TLS begins within another protocol.
//! Without secrets the rest of a flow stays opaque. With them, `keys` finds those of a
//! connection, `record` cuts its directions into records, `protection` opens one record, `messages` reads what of the
//! handshake decides about keys, `progress` counts plaintext, and `session` knows which key is in force.

mod assembly;
mod dtls;
mod hello;
mod inside;
mod keys;
mod messages;
mod progress;
mod protection;
mod record;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use assembly::Assembly;
pub(crate) use dtls::{Dtls, begins as begins_dtls};
pub(crate) use keys::Secrets;
pub use keys::{KeyLogError, KeyLogRead};
pub(crate) use session::{Context, Opened, Session};
#[cfg(test)]
pub(crate) mod testing {
    //! Hellos for tests.
    pub(crate) use super::dtls::testing::*;
    pub(crate) use super::hello::testing::*;
}
pub(crate) use hello::{Handshake, Hellos, MAX_HELLO, Transport, begins};
pub(crate) use inside::Inside;

/// Whether bytes may begin TLS, and are too few to tell.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    bytes == [record::HANDSHAKE]
}

/// What the handshake of a flow told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The version agreed on; what the client offered at most when the server's answer was not seen.
    pub version: Version,
    /// The server name asked for (RFC 6066 section 3); the outer one when the real one is encrypted.
    pub sni: Option<String>,
    /// The application protocol agreed on, else the first offered (RFC 7301).
    pub alpn: Option<String>,
    /// JA4 fingerprint of the client hello.
    pub ja4: Option<String>,
    /// Whether the client offered an encrypted client hello (RFC 9849).
    pub ech: bool,
}

/// A version of TLS or SSL by its number on the wire; zero when not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Version(pub u16);

impl Version {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0x0002 => "SSLv2",
            0x0300 => "SSLv3",
            0x0301 => "TLSv1.0",
            0x0302 => "TLSv1.1",
            0x0303 => "TLSv1.2",
            0x0304 => "TLSv1.3",
            0xfeff => "DTLSv1.0",
            0xfefd => "DTLSv1.2",
            0xfefc => "DTLSv1.3",
            _ => "unknown",
        }
    }

    /// The two characters of JA4.
    fn ja4(self) -> &'static str {
        match self.0 {
            0x0002 => "s2",
            0x0300 => "s3",
            0x0301 => "10",
            0x0302 => "11",
            0x0303 => "12",
            0x0304 => "13",
            0xfeff => "d1",
            0xfefd => "d2",
            0xfefc => "d3",
            _ => "00",
        }
    }
}
