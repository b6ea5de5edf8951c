//! Signatures of intent policies: who reviewed a policy says so with a key, and a sensor that knows the key takes no other.
//!
//! Ed25519 (RFC 8032), detached: the signature stands in a file beside the policy, which stays as people wrote it. What is signed
//! is the text with a name of its own before it, so that a signature made for something else is none of a policy; ends of lines
//! are one byte whatever git made of them on the way.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// First words of the files, by which people know what they have before them.
const PRIVATE: &str = "tapline-intent-private-key";
const PUBLIC: &str = "tapline-intent-public-key";
const SIGNED: &str = "tapline-intent-signature";

/// What stands before a text that is signed.
const DOMAIN: &[u8] = b"tapline intent policy, version 1\n";

/// What is wrong with a file of a key or of a signature, in words that quote nothing of it.
pub type Wrong = &'static str;

/// A text as it is signed: in UTF-8 without a mark of byte order, with one line feed at the end of each line.
fn canonical(text: &str) -> Vec<u8> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = DOMAIN.to_vec();
    out.extend_from_slice(text.replace("\r\n", "\n").trim_end_matches('\n').as_bytes());
    out.push(b'\n');
    out
}

/// A key that signs. It is never shown.
pub struct PrivateKey(SigningKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn of(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads the file of a key.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let found = content(text, PRIVATE).ok_or(match content(text, PUBLIC) {
            Some(_) => "it is a public key; signing takes the private one",
            None => "it is no private key as `tapline intent keygen` writes them",
        })?;
        let seed: [u8; 32] = decoded(found).ok_or("it is damaged: a key has 32 bytes")?;
        Ok(Self::of(&seed))
    }

    /// The file of this key.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{PRIVATE} {}\n", STANDARD.encode(self.0.to_bytes()))
    }

    /// The key that verifies.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The file of the signature of a policy.
    #[must_use]
    pub fn sign(&self, policy: &str) -> String {
        let signature = self.0.sign(&canonical(policy));
        format!(
            "{SIGNED} {} {}\n",
            self.public().id(),
            STANDARD.encode(signature.to_bytes())
        )
    }
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads the file of a key, or its text alone.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        if content(text, PRIVATE).is_some() {
            return Err("it is a private key; only the public one belongs here");
        }
        let found = content(text, PUBLIC).unwrap_or(text.trim());
        let bytes: [u8; 32] =
            decoded(found).ok_or("it is no public key as `tapline intent keygen` writes them")?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| "it is no point of the curve")?;
        match key.is_weak() {
            true => Err("it is a weak key, which verifies what nobody signed"),
            false => Ok(Self(key)),
        }
    }

    /// The file of this key.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{PUBLIC} {}\n", STANDARD.encode(self.0.as_bytes()))
    }

    /// A short name of this key, for messages: the beginning of its SHA-256 hash.
    #[must_use]
    pub fn id(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether one of the keys signed a policy; gives its short name.
///
/// # Errors
///
/// Why it does not count.
pub fn verify(policy: &str, signature: &str, trusted: &[PublicKey]) -> Result<String, Wrong> {
    let found =
        content(signature, SIGNED).ok_or("it is no signature as `tapline intent sign` writes them")?;
    let (id, bytes) = found
        .split_once(char::is_whitespace)
        .ok_or("it is no signature as `tapline intent sign` writes them")?;
    let bytes: [u8; 64] = decoded(bytes).ok_or("it is damaged: a signature has 64 bytes")?;
    let signature = Signature::from_bytes(&bytes);
    let Some(key) = trusted.iter().find(|key| key.id() == id) else {
        return Err("it was made with a key that is not trusted");
    };
    match key.0.verify_strict(&canonical(policy), &signature) {
        Ok(()) => Ok(key.id()),
        Err(_) => Err("the policy is not the one that was signed"),
    }
}

/// What stands behind the first words of a file.
fn content<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let rest = text.trim().strip_prefix(name)?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim())
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.trim();
    (text.len() <= 4 * N)
        .then(|| STANDARD.decode(text).ok())?
        .and_then(|bytes| bytes.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "[[agent]]\nname = \"x\"\n";

    #[test]
    fn what_was_signed_is_verified_and_nothing_else() {
        let (key, other) = (PrivateKey::of(&[7; 32]), PrivateKey::of(&[8; 32]));
        let signature = key.sign(POLICY);
        let trusted = [other.public(), key.public()];
        assert_eq!(verify(POLICY, &signature, &trusted), Ok(key.public().id()));
        // As git may hand it out.
        for same in [
            "[[agent]]\r\nname = \"x\"\r\n",
            "\u{feff}[[agent]]\nname = \"x\"\n",
            "[[agent]]\nname = \"x\"",
        ] {
            assert!(verify(same, &signature, &trusted).is_ok(), "{same:?}");
        }
        for changed in ["[[agent]]\nname = \"y\"\n", "", "[[agent]]\nname = \"x\" \n"] {
            let said = verify(changed, &signature, &trusted);
            assert_eq!(
                said,
                Err("the policy is not the one that was signed"),
                "{changed:?}"
            );
        }
        let stranger = verify(POLICY, &signature, &[other.public()]);
        assert_eq!(stranger, Err("it was made with a key that is not trusted"));
        // The name of a trusted key on the signature of another.
        let forged = other
            .sign(POLICY)
            .replace(&other.public().id(), &key.public().id());
        assert_eq!(
            verify(POLICY, &forged, &trusted),
            Err("the policy is not the one that was signed")
        );
        for damaged in ["", "x", SIGNED, &signature[..60], &signature.replace('A', "B")] {
            assert!(
                verify(POLICY, damaged, &trusted).is_err() || damaged == signature,
                "{damaged}"
            );
        }
    }

    #[test]
    fn files_of_keys_are_read_back_and_told_apart() {
        let key = PrivateKey::of(&[9; 32]);
        assert_eq!(PrivateKey::read(&key.file()).unwrap().public(), key.public());
        assert_eq!(PublicKey::read(&key.public().file()), Ok(key.public()));
        let bare = key.public().file();
        assert_eq!(PublicKey::read(bare.split_once(' ').unwrap().1), Ok(key.public()));
        assert!(PublicKey::read(&key.file()).unwrap_err().contains("private key"));
        assert!(
            PrivateKey::read(&key.public().file())
                .unwrap_err()
                .contains("public key")
        );
        assert!(PublicKey::read(&STANDARD.encode([0; 32])).is_err());
        assert!(!format!("{key:?}").contains(&STANDARD.encode([9; 32])));
    }
}
