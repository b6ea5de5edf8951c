//! Keys that follow from a number, and what they sign: tokens, DPoP proofs, key sets.

use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use sha2::{Digest, Sha256};

use crate::text::base64url;

/// The issuer of all tokens.
pub(super) const ISSUER: &str = "https://id.acme.example";

/// Name of the issuer's key.
pub(super) const KEY: &str = "acme-2026-10";

/// A key of P-256.
#[derive(Debug)]
pub(super) struct Key(SigningKey);

impl Key {
    /// The key of this number, from 1 to 255.
    pub(super) fn of(number: u8) -> Self {
        // Every number of 32 equal bytes that is not zero and below the order of the curve is a key.
        let bytes = [number.clamp(1, 254); 32];
        Self(SigningKey::from_slice(&bytes).unwrap_or_else(|_| unreachable!("a number below the order")))
    }

    /// The public key as JSON (RFC 7517), with more members before.
    pub(super) fn jwk(&self, more: &str) -> String {
        let (x, y) = self.point();
        format!(r#"{{{more}"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
    }

    fn point(&self) -> (String, String) {
        let point = self.0.verifying_key().to_encoded_point(false);
        let text = |bytes: &[u8]| base64url(bytes);
        let bytes = point.as_bytes();
        (text(&bytes[1..33]), text(&bytes[33..65]))
    }

    /// Its private part.
    pub(super) fn private(&self) -> String {
        base64url(&self.0.to_bytes())
    }

    /// Its thumbprint (RFC 7638).
    pub(super) fn thumbprint(&self) -> String {
        let (x, y) = self.point();
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        base64url(&Sha256::digest(members))
    }

    /// The public key in PEM.
    pub(super) fn pem(&self) -> String {
        let key = p256::PublicKey::from(self.0.verifying_key());
        key.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// A token in the compact form.
    pub(super) fn sign(&self, header: &str, claims: &str) -> String {
        let input = format!(
            "{}.{}",
            base64url(header.as_bytes()),
            base64url(claims.as_bytes())
        );
        let made: Signature = self.0.sign(input.as_bytes());
        format!("{input}.{}", base64url(&made.to_bytes()))
    }
}

/// A token with a code that whoever has the secret can make (HS256).
pub(super) fn shared(secret: &[u8], claims: &str) -> String {
    let input = format!(
        "{}.{}",
        base64url(br#"{"alg":"HS256"}"#),
        base64url(claims.as_bytes())
    );
    let code = Hmac::<Sha256>::new_from_slice(secret).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(input.as_bytes());
            mac.finalize().into_bytes().to_vec()
        },
    );
    format!("{input}.{}", base64url(&code))
}

/// The hash of a token (`ath`, RFC 9449 section 4.2).
pub(super) fn hash(token: &str) -> String {
    base64url(&Sha256::digest(token))
}
