//! Algorithms of signatures (RFC 7518 section 3, RFC 8037 section 3.1) and the keys that they take (RFC 7517, RFC 7518 section 6).
//!
//! Verification only. The algorithms are those of RustCrypto and dalek; nothing of the kind is made here.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Verifier;
use p256::elliptic_curve::sec1::FromEncodedPoint;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Bits of an RSA key that are accepted. RFC 7518 section 3.3 asks for 2048; issuers of long ago have less.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

/// Members of a JSON Web Key that only its owner may have (RFC 7518 sections 6.2.2 and 6.3.2).
pub(crate) const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5.
    Rs(Size),
    /// RSASSA-PSS with a salt as long as the hash.
    Ps(Size),
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// HMAC: whoever can verify it can make it.
    Hs(Size),
}

/// Length of a SHA-2 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    S256,
    S384,
    S512,
}

impl Algorithm {
    /// By its registered name, which is case-sensitive (RFC 7515 section 4.1.1).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs(Size::S256),
            "RS384" => Self::Rs(Size::S384),
            "RS512" => Self::Rs(Size::S512),
            "PS256" => Self::Ps(Size::S256),
            "PS384" => Self::Ps(Size::S384),
            "PS512" => Self::Ps(Size::S512),
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 gives it a name of its own.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            "HS256" => Self::Hs(Size::S256),
            "HS384" => Self::Hs(Size::S384),
            "HS512" => Self::Hs(Size::S512),
            _ => return None,
        })
    }

    /// Whether whoever verifies it can make it.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Hs(_))
    }
}

/// A key that verifies. Private parts are never read into it; a shared key is one, and is not shown.
pub(crate) enum Public {
    Rsa(Box<RsaPublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    Shared(Box<[u8]>),
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "RSA",
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Ed25519(_) => "Ed25519",
            Self::Shared(_) => "oct",
        })
    }
}

/// Why a JSON Web Key cannot be used, in words that quote nothing of it.
pub(crate) type Wrong = &'static str;

/// What a key of an unknown sort is told as: it may be one that others can use.
pub(crate) const UNSUPPORTED: Wrong = "keys of this `kty` and `crv` are not supported; what is signed with it is not checked. RSA, EC with P-256 or P-384, OKP with Ed25519 and oct are";

impl Public {
    /// Reads a key; `member` gives its members that are texts.
    pub(crate) fn read<'a>(member: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Wrong> {
        let bytes = |name: &str, missing: Wrong, wrong: Wrong| -> Result<Vec<u8>, Wrong> {
            let text = member(name).ok_or(missing)?;
            URL_SAFE_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| wrong)
        };
        let kty = member("kty").ok_or("`kty` is missing; it must be `RSA`, `EC`, `OKP` or `oct`")?;
        match (kty, member("crv")) {
            ("RSA", _) => {
                let n = bytes(
                    "n",
                    "`n`, the modulus, is missing",
                    "`n` is not base64url without line breaks",
                )?;
                let e = bytes(
                    "e",
                    "`e`, the exponent, is missing",
                    "`e` is not base64url without line breaks",
                )?;
                rsa_key(&n, &e)
            }
            ("EC", Some("P-256")) => {
                let point = p256_point(&coordinates(bytes)?)?;
                Ok(Self::P256(Box::new(point)))
            }
            ("EC", Some("P-384")) => {
                let point = p384_point(&coordinates(bytes)?)?;
                Ok(Self::P384(Box::new(point)))
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes("x", "`x` is missing", "`x` is not base64url without line breaks")?;
                let x: [u8; 32] = x.try_into().map_err(|_| "`x` must be 32 bytes")?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(&x)
                    .map_err(|_| "`x` is no point of the curve")?;
                Ok(Self::Ed25519(Box::new(key)))
            }
            ("oct", _) => {
                let k = bytes(
                    "k",
                    "`k`, the shared key, is missing",
                    "`k` is not base64url without line breaks",
                )?;
                match k.is_empty() {
                    true => Err("`k`, the shared key, is empty"),
                    false => Ok(Self::Shared(k.into())),
                }
            }
            ("EC" | "OKP", None) => Err("`crv`, the curve, is missing"),
            _ => Err(UNSUPPORTED),
        }
    }

    /// Whether an algorithm takes a key of this sort.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::Rsa(_), Algorithm::Rs(_) | Algorithm::Ps(_))
                | (Self::P256(_), Algorithm::Es256)
                | (Self::P384(_), Algorithm::Es384)
                | (Self::Ed25519(_), Algorithm::EdDsa)
                | (Self::Shared(_), Algorithm::Hs(_))
        )
    }

    /// What checking a signature costs, in units of about a fifth of a millisecond.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::P384(_) => 4,
            _ => 1,
        }
    }

    /// Whether this key made the signature of `input`. A key that does not fit the algorithm did not.
    pub(crate) fn verifies(&self, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa(key), Algorithm::Rs(size)) => match size {
                Size::S256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(input), signature),
                Size::S384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(input), signature),
                Size::S512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(input), signature),
            }
            .is_ok(),
            (Self::Rsa(key), Algorithm::Ps(size)) => match size {
                Size::S256 => key.verify(Pss::new::<Sha256>(), &Sha256::digest(input), signature),
                Size::S384 => key.verify(Pss::new::<Sha384>(), &Sha384::digest(input), signature),
                Size::S512 => key.verify(Pss::new::<Sha512>(), &Sha512::digest(input), signature),
            }
            .is_ok(),
            (Self::P256(key), Algorithm::Es256) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(input, &signature).is_ok()),
            (Self::P384(key), Algorithm::Es384) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(input, &signature).is_ok()),
            (Self::Ed25519(key), Algorithm::EdDsa) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(input, &signature).is_ok()),
            (Self::Shared(key), Algorithm::Hs(size)) => authenticates(key, size, input, signature),
            _ => false,
        }
    }

    /// The forms in which programs keep a public key: what a forger takes for the shared key where a server lets the token choose the
    /// algorithm (RFC 8725 section 2.1). Empty for a shared key.
    pub(crate) fn written(&self) -> Vec<Box<[u8]>> {
        let (der, mut texts) = match self {
            Self::Rsa(key) => (
                key.to_public_key_der().ok(),
                vec![
                    key.to_public_key_pem(LineEnding::LF).ok(),
                    key.to_pkcs1_pem(LineEnding::LF).ok(),
                ],
            ),
            Self::P256(key) => (
                key.to_public_key_der().ok(),
                vec![key.to_public_key_pem(LineEnding::LF).ok()],
            ),
            Self::P384(key) => (
                key.to_public_key_der().ok(),
                vec![key.to_public_key_pem(LineEnding::LF).ok()],
            ),
            // A point of a curve as it is.
            Self::Ed25519(key) => return vec![key.as_bytes().as_slice().into()],
            Self::Shared(_) => return Vec::new(),
        };
        let bare = texts.iter().flatten().map(|text| text.trim_end().to_owned());
        let bare: Vec<_> = bare.map(Some).collect();
        texts.extend(bare);
        let texts = texts.into_iter().flatten().map(|text| text.into_bytes().into());
        texts.chain(der.map(|der| der.as_bytes().into())).collect()
    }
}

/// Whether this shared key made the code of `input` (RFC 7518 section 3.2).
pub(crate) fn authenticates(key: &[u8], size: Size, input: &[u8], code: &[u8]) -> bool {
    fn made<M: Mac + hmac::digest::KeyInit>(key: &[u8], input: &[u8], code: &[u8]) -> bool {
        <M as Mac>::new_from_slice(key).is_ok_and(|mut mac| {
            mac.update(input);
            mac.verify_slice(code).is_ok()
        })
    }
    match size {
        Size::S256 => made::<Hmac<Sha256>>(key, input, code),
        Size::S384 => made::<Hmac<Sha384>>(key, input, code),
        Size::S512 => made::<Hmac<Sha512>>(key, input, code),
    }
}

fn rsa_key(n: &[u8], e: &[u8]) -> Result<Public, Wrong> {
    // A modulus far too large is not even taken in.
    if n.len() > RSA_BITS.end() / 8 + 1 || e.len() > 8 {
        return Err("the RSA key is too large; 8192 bits are the most, and an exponent of 33");
    }
    let key = RsaPublicKey::new_with_max_size(
        BigUint::from_bytes_be(n),
        BigUint::from_bytes_be(e),
        *RSA_BITS.end(),
    )
    .map_err(|_| "`n` and `e` are no RSA key: the exponent must be odd, from 3 to 33 bits, and the modulus at most 8192 bits")?;
    if key.n().bits() < *RSA_BITS.start() {
        return Err("the RSA key has less than 1024 bits, so anybody may find its private part");
    }
    Ok(Public::Rsa(Box::new(key)))
}

/// Both coordinates of a point.
fn coordinates(bytes: impl Fn(&str, Wrong, Wrong) -> Result<Vec<u8>, Wrong>) -> Result<[Vec<u8>; 2], Wrong> {
    Ok([
        bytes("x", "`x` is missing", "`x` is not base64url without line breaks")?,
        bytes("y", "`y` is missing", "`y` is not base64url without line breaks")?,
    ])
}

fn p256_point([x, y]: &[Vec<u8>; 2]) -> Result<p256::ecdsa::VerifyingKey, Wrong> {
    if x.len() != 32 || y.len() != 32 {
        return Err("`x` and `y` must be 32 bytes each");
    }
    let point = p256::EncodedPoint::from_affine_coordinates(
        p256::FieldBytes::from_slice(x),
        p256::FieldBytes::from_slice(y),
        false,
    );
    let key = Option::<p256::PublicKey>::from(p256::PublicKey::from_encoded_point(&point));
    key.map(Into::into).ok_or("`x` and `y` are no point of the curve")
}

fn p384_point([x, y]: &[Vec<u8>; 2]) -> Result<p384::ecdsa::VerifyingKey, Wrong> {
    if x.len() != 48 || y.len() != 48 {
        return Err("`x` and `y` must be 48 bytes each");
    }
    let point = p384::EncodedPoint::from_affine_coordinates(
        p384::FieldBytes::from_slice(x),
        p384::FieldBytes::from_slice(y),
        false,
    );
    let key = Option::<p384::PublicKey>::from(p384::PublicKey::from_encoded_point(&point));
    key.map(Into::into).ok_or("`x` and `y` are no point of the curve")
}
