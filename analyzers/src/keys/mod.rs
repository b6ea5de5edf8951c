//! Public keys of those who issue tokens, and what they tell of a token's signature (RFC 7515, RFC 7517, RFC 8725).
//!
//! ```text
//! files ─▶ set   keys, with the place of each mistake ─▶ Keys ─▶ Checker   a token once, within a budget
//!          algorithm   what a signature is                       └▶ Verdict
//! ```
//!
//! No key is fetched: the operator names files. A passive sensor without them reads tokens and believes what servers accept.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

mod algorithm;
mod checker;
mod set;

pub(crate) use algorithm::{Algorithm, PRIVATE, Public};
pub(crate) use checker::{Budget, Checker, Moment};
pub use set::KeySet;

use algorithm::authenticates;
use set::Key;

/// Keys that are tried where a token does not say which one made it.
const TRIES: usize = 8;

/// Shortest name of a key that tells whose it is where no issuer is known: shorter ones (`1`, `default`) are those of many.
const TELLING: usize = 8;

/// What is known of a token's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// No key of its issuer is known, or it is no signed token.
    #[default]
    Unknown,
    /// A key of its issuer made it.
    Verified,
    /// Its issuer is known, and the key that it names is not: issuers change keys.
    Unverified,
    /// There was no time for it.
    Unchecked,
    /// Nobody who has a key of its issuer made it.
    Forged(Forgery),
}

/// How a forged token shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgery {
    /// It has no signature, and its issuer signs (RFC 8725 section 3.2).
    Unsigned,
    /// Its signature is not that of the key it names.
    Signature,
    /// No key of an issuer of which all are known made it.
    NoKey,
    /// It is signed with a public key as if that were a shared one (RFC 8725 section 2.1).
    Confusion,
}

impl Forgery {
    /// The name used in findings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Signature => "bad_signature",
            Self::NoKey => "no_such_key",
            Self::Confusion => "key_confusion",
        }
    }
}

/// The keys of all issuers that are known.
#[derive(Default)]
pub struct Keys {
    sets: Vec<KeySet>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shared keys are secrets.
        write!(f, "{} key sets", self.sets.len())
    }
}

/// A token in its compact form (RFC 7515 section 7.1), as far as its signature is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) issuer: &'a str,
    /// `alg`.
    pub(crate) algorithm: &'a str,
    /// `kid`.
    pub(crate) key: Option<&'a str>,
    /// Header and claims as they were sent, with the dot between.
    pub(crate) input: &'a str,
    /// In base64url.
    pub(crate) signature: &'a str,
}

/// Signatures are read as the most forgiving server would: a true one that is written in an odd way is not forged.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The signature of a token.
pub(crate) fn signature(text: &str) -> Option<Vec<u8>> {
    match text.contains(['+', '/']) {
        true => FORGIVING.decode(text.replace('+', "-").replace('/', "_")).ok(),
        false => FORGIVING.decode(text).ok(),
    }
}

/// Parts a compact token before its last dot: what is signed, and the signature.
pub(crate) fn parted(token: &str) -> Option<(&str, &str)> {
    token.rsplit_once('.')
}

impl Keys {
    /// Adds the keys of a file.
    pub fn add(&mut self, set: KeySet) {
        self.sets.push(set);
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Whether a token of this issuer can be checked at all.
    pub(crate) fn concern(&self, issuer: &str) -> bool {
        self.knows(issuer) || self.sets.iter().any(|set| set.issuer.is_none())
    }

    /// Whether keys of an issuer are named as its own.
    pub(crate) fn knows(&self, issuer: &str) -> bool {
        self.of(issuer).next().is_some()
    }

    fn of<'a>(&'a self, issuer: &'a str) -> impl Iterator<Item = &'a KeySet> + Clone {
        // Providers write a slash at the end in one place and none in another.
        fn bare(text: &str) -> &str {
            text.strip_suffix('/').unwrap_or(text)
        }
        let known = move |set: &&KeySet| set.issuer.as_deref().is_some_and(|own| bare(own) == bare(issuer));
        self.sets.iter().filter(known)
    }

    /// What is known of a token's signature. `work` counts what was spent on it. Where `others` may have signed in the issuer's
    /// name, as proxies do that put a token beside, no key is missing.
    pub(crate) fn judge(&self, token: Signed<'_>, others: bool, work: &mut u32) -> Verdict {
        let own = self.of(token.issuer);
        if own.clone().next().is_none() {
            return self.by_name_alone(token, work);
        }
        if token.signature.is_empty() || token.algorithm.eq_ignore_ascii_case("none") {
            return Verdict::Forged(Forgery::Unsigned);
        }
        let Some(algorithm) = Algorithm::parse(token.algorithm) else {
            return Verdict::Unverified;
        };
        let complete = !others && own.clone().all(|set| set.complete);
        let missing = match complete {
            true => Verdict::Forged(Forgery::NoKey),
            false => Verdict::Unverified,
        };
        let all = own.flat_map(|set| &set.keys);
        let Some(signature) = signature(token.signature) else {
            return Verdict::Forged(Forgery::Signature);
        };
        let made = |key: &Key, work: &mut u32| {
            *work += 1;
            key.public.verifies(algorithm, token.input.as_bytes(), &signature)
        };
        let fitting = all.clone().filter(|key| key.public.fits(algorithm));
        let named = |key: &&Key| token.key.is_some() && key.name.as_deref() == token.key;
        // It may name none, or one that is not known: then keys without a name may have made it.
        let others = |key: &&Key| !named(key) && (token.key.is_none() || key.name.is_none());
        let mut tried = (fitting.clone().filter(named).take(TRIES)).chain(fitting.filter(others).take(TRIES));
        if tried.any(|key| made(key, work)) {
            return Verdict::Verified;
        }
        if let Algorithm::Hs(size) = algorithm {
            *work += 1;
            let written = all.clone().flat_map(|key| &key.written).take(8 * TRIES);
            for (number, key) in written.enumerate() {
                // Four of them take what a signature takes, and more where a token is long.
                *work += u32::from(number % 4 == 3);
                if authenticates(key, size, token.input.as_bytes(), &signature) {
                    return Verdict::Forged(Forgery::Confusion);
                }
            }
        }
        match all.clone().any(|key| named(&key)) {
            true => Verdict::Forged(Forgery::Signature),
            false => missing,
        }
    }

    /// For an issuer of whom nothing is known: keys of nobody, by their names.
    fn by_name_alone(&self, token: Signed<'_>, work: &mut u32) -> Verdict {
        let all = self.sets.iter().filter(|set| set.issuer.is_none());
        let all = all.flat_map(|set| &set.keys);
        let (Some(algorithm), Some(signature)) =
            (Algorithm::parse(token.algorithm), signature(token.signature))
        else {
            return Verdict::Unknown;
        };
        let fitting = all.filter(|key| key.public.fits(algorithm));
        let named = |key: &&Key| token.key.is_some() && key.name.as_deref() == token.key;
        let others = |key: &&Key| !named(key) && (token.key.is_none() || key.name.is_none());
        let tried = (fitting.clone().filter(named).take(TRIES)).chain(fitting.filter(others).take(TRIES));
        let telling = token.key.is_some_and(|name| name.len() >= TELLING);
        let mut is_named = false;
        for key in tried {
            *work += key.public.cost();
            is_named |= telling && named(&key);
            if key.public.verifies(algorithm, token.input.as_bytes(), &signature) {
                return Verdict::Verified;
            }
        }
        match is_named {
            true => Verdict::Forged(Forgery::Signature),
            false => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
