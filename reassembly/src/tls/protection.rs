//! Opens protected records when the secrets are at hand.
//!
//! Knows cipher suites with authenticated encryption (AES-GCM and ChaCha20-Poly1305), the key schedules of TLS 1.2
//! (RFC 5246 sections 5 and 6.3) and TLS 1.3 (RFC 8446 section 7), and how a record is protected (RFC 5246 section 6.2.3.3,
//! RFC 5288, RFC 7905, RFC 8446 section 5.2). Which record comes when, and which key is in force, is for
//! [`super::session`] to know. What opens is authentic, so a number tried in vain opens nothing.

use aes_gcm::aead::{AeadInPlace, KeyInit, Tag, generic_array::GenericArray};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384};

/// Bytes of the tag behind each protected record; all suites here have as many.
const TAG: usize = 16;
/// Bytes of the nonce that records of TLS 1.2 with AES-GCM carry (RFC 5288 section 3).
const EXPLICIT: usize = 8;
/// Bytes of a nonce.
const NONCE: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aead {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
}

impl Hash {
    fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// A cipher suite whose records can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suite {
    aead: Aead,
    hash: Hash,
    /// TLS 1.3; everything here that is older is TLS 1.2.
    pub(super) tls13: bool,
}

impl Suite {
    /// The suite of this number in the registry of IANA, when it is one of those.
    pub(super) fn of(number: u16, tls13: bool) -> Option<Self> {
        let suite = |aead, hash| Some(Self { aead, hash, tls13 });
        let aes128 = suite(Aead::Aes128Gcm, Hash::Sha256);
        let aes256 = suite(Aead::Aes256Gcm, Hash::Sha384);
        let chacha = suite(Aead::ChaCha20Poly1305, Hash::Sha256);
        match (tls13, number) {
            (true, 0x1301) => aes128,
            (true, 0x1302) => aes256,
            (true, 0x1303) => chacha,
            // RFC 5288 and RFC 5487: the key exchanges in turn, each with both lengths of key.
            (false, 0x009c..=0x00ad) if number.is_multiple_of(2) => aes128,
            (false, 0x009c..=0x00ad) => aes256,
            // RFC 5289 (ECDHE and ECDH), RFC 8442 (ECDHE_PSK).
            (false, 0xc02b | 0xc02d | 0xc02f | 0xc031 | 0xd001) => aes128,
            (false, 0xc02c | 0xc02e | 0xc030 | 0xc032 | 0xd002) => aes256,
            // RFC 7905.
            (false, 0xcca8..=0xccae) => chacha,
            _ => None,
        }
    }

    fn key_len(self) -> usize {
        match self.aead {
            Aead::Aes128Gcm => 16,
            Aead::Aes256Gcm | Aead::ChaCha20Poly1305 => 32,
        }
    }

    /// Whether records carry a part of their nonce.
    fn explicit(self) -> bool {
        !self.tls13 && self.aead != Aead::ChaCha20Poly1305
    }

    /// Bytes before the text in a protected fragment.
    pub(super) fn explicit_nonce(self) -> usize {
        if self.explicit() { EXPLICIT } else { 0 }
    }

    /// The traffic secret that follows `secret` after a key update (RFC 8446 section 7.2).
    pub(super) fn next_secret(self, secret: &[u8]) -> Option<Vec<u8>> {
        let mut next = vec![0; self.hash.len()];
        self.expand_label(secret, b"traffic upd", &mut next)?;
        Some(next)
    }

    /// HKDF-Expand-Label without context (RFC 8446 section 7.1).
    fn expand_label(self, secret: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
        let len = u16::try_from(out.len()).ok()?.to_be_bytes();
        let name = u8::try_from(6 + label.len()).ok()?;
        let info: [&[u8]; 5] = [&len, &[name], b"tls13 ", label, &[0]];
        match self.hash {
            Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret)
                .ok()?
                .expand_multi_info(&info, out)
                .ok(),
            Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret)
                .ok()?
                .expand_multi_info(&info, out)
                .ok(),
        }
    }

    /// The pseudorandom function of TLS 1.2 (RFC 5246 section 5).
    fn prf(self, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Option<()> {
        let hash = |parts: &[&[u8]]| match self.hash {
            Hash::Sha256 => mac::<Hmac<Sha256>>(secret, parts),
            Hash::Sha384 => mac::<Hmac<Sha384>>(secret, parts),
        };
        let mut a = hash(seed)?;
        for piece in out.chunks_mut(self.hash.len()) {
            let mut parts = vec![&a[..]];
            parts.extend_from_slice(seed);
            let block = hash(&parts)?;
            piece.copy_from_slice(&block[..piece.len()]);
            a = hash(&[&a])?;
        }
        Some(())
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    let mut mac = <M as Mac>::new_from_slice(secret).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().to_vec())
}

enum Cipher {
    Aes128Gcm(Box<Aes128Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha20Poly1305(Box<ChaCha20Poly1305>),
}

/// Opens the records of one direction under one key. Deliberately without `Debug`.
pub(super) struct Opener {
    cipher: Cipher,
    suite: Suite,
    iv: [u8; NONCE],
}

impl Opener {
    fn new(suite: Suite, key: &[u8], iv: [u8; NONCE]) -> Option<Self> {
        let cipher = match suite.aead {
            Aead::Aes128Gcm => Cipher::Aes128Gcm(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            Aead::Aes256Gcm => Cipher::Aes256Gcm(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            Aead::ChaCha20Poly1305 => {
                Cipher::ChaCha20Poly1305(Box::new(ChaCha20Poly1305::new_from_slice(key).ok()?))
            }
        };
        Some(Self { cipher, suite, iv })
    }

    /// The key and nonce of a traffic secret (RFC 8446 section 7.3); `None` when it is not one of this suite.
    pub(super) fn tls13(suite: Suite, secret: &[u8]) -> Option<Self> {
        if secret.len() != suite.hash.len() {
            return None;
        }
        let (mut key, mut iv) = (vec![0; suite.key_len()], [0; NONCE]);
        suite.expand_label(secret, b"key", &mut key)?;
        suite.expand_label(secret, b"iv", &mut iv)?;
        Self::new(suite, &key, iv)
    }

    /// The keys of client or server from a master secret (RFC 5246 section 6.3).
    pub(super) fn tls12(
        suite: Suite,
        master: &[u8],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
        client: bool,
    ) -> Option<Self> {
        let key = suite.key_len();
        // RFC 5288 section 3: four bytes of the nonce are the connection's, eight the record's.
        let iv = if suite.explicit() { NONCE - EXPLICIT } else { NONCE };
        let mut block = vec![0; 2 * (key + iv)];
        suite.prf(
            master,
            &[b"key expansion", server_random, client_random],
            &mut block,
        )?;
        let (keys, ivs) = block.split_at(2 * key);
        let side = usize::from(!client);
        let mut whole = [0; NONCE];
        whole[..iv].copy_from_slice(&ivs[side * iv..][..iv]);
        Self::new(suite, &keys[side * key..][..key], whole)
    }

    /// Opens the record with this header and protected fragment as number `sequence`. Leaves what was in it in `out` and
    /// returns its content type; `None` when it is not authentic.
    pub(super) fn open(
        &self,
        header: [u8; 5],
        fragment: &[u8],
        sequence: u64,
        out: &mut Vec<u8>,
    ) -> Option<u8> {
        out.clear();
        let mut nonce = self.iv;
        let mut sealed = fragment;
        if self.suite.explicit() {
            let (explicit, rest) = fragment.split_at_checked(EXPLICIT)?;
            nonce[NONCE - EXPLICIT..].copy_from_slice(explicit);
            sealed = rest;
        } else {
            for (byte, number) in nonce[NONCE - 8..].iter_mut().zip(sequence.to_be_bytes()) {
                *byte ^= number;
            }
        }
        let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        out.extend_from_slice(text);
        let opened = if self.suite.tls13 {
            self.decrypt(&nonce, &header, out, tag)
        } else {
            // RFC 5246 section 6.2.3.3: what is authenticated beside names the length of the plaintext.
            let mut beside = [0; 13];
            beside[..8].copy_from_slice(&sequence.to_be_bytes());
            beside[8..11].copy_from_slice(&header[..3]);
            beside[11..].copy_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
            self.decrypt(&nonce, &beside, out, tag)
        };
        if !opened {
            out.clear();
            return None;
        }
        if !self.suite.tls13 {
            return Some(header[0]);
        }
        // RFC 8446 section 5.4: the type is the last byte that is not zero; what follows is padding.
        let last = out.iter().rposition(|b| *b != 0);
        let kind = last.map_or(0, |at| out[at]);
        out.truncate(last.unwrap_or(0));
        Some(kind)
    }

    fn decrypt(&self, nonce: &[u8; NONCE], beside: &[u8], text: &mut [u8], tag: &[u8]) -> bool {
        let nonce = GenericArray::from_slice(nonce);
        match &self.cipher {
            Cipher::Aes128Gcm(c) => c
                .decrypt_in_place_detached(nonce, beside, text, Tag::<Aes128Gcm>::from_slice(tag))
                .is_ok(),
            Cipher::Aes256Gcm(c) => c
                .decrypt_in_place_detached(nonce, beside, text, Tag::<Aes256Gcm>::from_slice(tag))
                .is_ok(),
            Cipher::ChaCha20Poly1305(c) => c
                .decrypt_in_place_detached(nonce, beside, text, Tag::<ChaCha20Poly1305>::from_slice(tag))
                .is_ok(),
        }
    }

    /// Protects `text` as the peer would, for tests.
    #[cfg(test)]
    pub(super) fn seal(&self, kind: u8, text: &[u8], padding: usize, sequence: u64) -> Vec<u8> {
        let mut inner = text.to_vec();
        let mut nonce = self.iv;
        let mut explicit = Vec::new();
        if self.suite.tls13 {
            inner.push(kind);
            inner.extend(vec![0; padding]);
        }
        if self.suite.explicit() {
            // Anything that does not repeat; here not the sequence number, so that nothing relies on it.
            explicit = (sequence ^ 0x5555).to_be_bytes().to_vec();
            nonce[4..].copy_from_slice(&explicit);
        } else {
            for (byte, number) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
                *byte ^= number;
            }
        }
        let outer = if self.suite.tls13 { 23 } else { kind };
        let len = u16::try_from(explicit.len() + inner.len() + TAG)
            .unwrap()
            .to_be_bytes();
        let header = [outer, 3, 3, len[0], len[1]];
        let mut beside = header.to_vec();
        if !self.suite.tls13 {
            beside = [
                &sequence.to_be_bytes()[..],
                &header[..3],
                &u16::try_from(inner.len()).unwrap().to_be_bytes(),
            ]
            .concat();
        }
        let nonce = GenericArray::from_slice(&nonce);
        let tag = match &self.cipher {
            Cipher::Aes128Gcm(c) => c.encrypt_in_place_detached(nonce, &beside, &mut inner).unwrap(),
            Cipher::Aes256Gcm(c) => c.encrypt_in_place_detached(nonce, &beside, &mut inner).unwrap(),
            Cipher::ChaCha20Poly1305(c) => c.encrypt_in_place_detached(nonce, &beside, &mut inner).unwrap(),
        };
        [&header[..], &explicit, &inner, &tag].concat()
    }
}
