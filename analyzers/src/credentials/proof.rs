//! DPoP proofs (RFC 9449): what one says, and whether it is one for this request and this token.
//!
//! Knows: the form of a proof and the rules of section 4.3 that can be checked from outside, its signature included, for it carries its
//! own key. Leaves to others: whether the proof was seen before, and whose token it is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reassembly::{Request, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::keys::{Algorithm, Budget, PRIVATE, Public, parted, signature};
use crate::privacy::segment;

/// Signatures of proofs that are checked in a second of packet time. Every call has a proof of its own, so of many only some are: a
/// server that checks none is found out by any of them.
const CHECKED: u32 = 200;

/// Longest proof read.
const LONGEST: usize = 8 * 1024;

/// A proof as it was read. It borrows nothing and is dropped with its exchange: it names a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// `alg` is `none` or one with a shared key, so whoever sends it can make it.
    pub(super) unsigned: bool,
    /// Its key is there with its private part.
    pub(super) private: bool,
    /// Thumbprint of its key (RFC 7638).
    pub(super) key: Option<[u8; 32]>,
    pub(super) method: Option<String>,
    pub(super) url: Option<String>,
    /// Seconds since 1970.
    pub(super) issued: Option<i64>,
    /// `jti`.
    pub(super) id: String,
    /// Hash of the token it is for.
    pub(super) token: Option<String>,
}

fn object(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// Reads a `DPoP` field; nothing when it is no proof (section 4.2).
pub(super) fn read(field: &str) -> Option<Proof> {
    let field = field.trim();
    if field.len() > LONGEST {
        return None;
    }
    let mut parts = field.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (header, claims) = (object(header)?, object(claims)?);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if !text(&header, "typ").is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt")) {
        return None;
    }
    // Section 4.2: the key has to be there.
    let key = header.get("jwk").filter(|key| key.is_object())?;
    // And an id, without which nobody can tell that it comes twice.
    let id = text(&claims, "jti").filter(|id| !id.is_empty())?;
    let alg = text(&header, "alg").unwrap_or_default().to_ascii_lowercase();
    Some(Proof {
        unsigned: signature.is_empty() || alg.is_empty() || alg == "none" || alg.starts_with("hs"),
        private: PRIVATE.iter().chain(&["k"]).any(|name| key.get(*name).is_some()),
        key: thumbprint(key),
        method: text(&claims, "htm"),
        url: text(&claims, "htu"),
        issued: claims
            .get("iat")
            .and_then(Value::as_f64)
            .map(|seconds| seconds as i64),
        id,
        token: text(&claims, "ath"),
    })
}

/// Checks signatures of proofs, within a budget of packet time.
#[derive(Debug)]
pub(crate) struct Proofs {
    budget: Budget,
    unchecked: u64,
}

impl Proofs {
    pub(crate) fn new() -> Self {
        Self {
            budget: Budget::new(CHECKED),
            unchecked: 0,
        }
    }

    /// Proofs whose signature there was no time to check.
    pub(crate) fn unchecked(&self) -> u64 {
        self.unchecked
    }

    /// Whether the key in a proof did not make it (section 4.3 rule 6). Nothing is said of keys and algorithms that are not supported.
    pub(super) fn is_forged(&mut self, field: &str, now: Timestamp) -> bool {
        if !self.budget.allows(now) {
            self.unchecked += 1;
            return false;
        }
        let (forged, cost) = forged(field.trim()).unwrap_or_default();
        self.budget.spend(cost);
        forged
    }
}

/// Whether its key did not make it, and what it cost to know; nothing when it cannot be told.
fn forged(field: &str) -> Option<(bool, u32)> {
    let (input, code) = parted(field)?;
    let header = object(input.split('.').next()?)?;
    let key = header.get("jwk")?;
    let algorithm = Algorithm::parse(header.get("alg")?.as_str()?).filter(|alg| !alg.is_shared())?;
    let public = Public::read(|name| key.get(name)?.as_str()).ok()?;
    let Some(code) = signature(code) else {
        return Some((true, 1));
    };
    let made = public.verifies(algorithm, input.as_bytes(), &code);
    Some((!made, public.cost()))
}

/// The thumbprint of a public key: SHA-256 of its required members in the order of their names (RFC 7638 section 3; RFC 8037 for
/// `OKP`).
fn thumbprint(key: &Value) -> Option<[u8; 32]> {
    let members: &[&str] = match key.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut text = String::from("{");
    for name in members {
        let value = key.get(*name)?.as_str()?;
        // A member is base64url or a registered name: nothing in it is escaped.
        if !value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return None;
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&format!("\"{name}\":\"{value}\""));
    }
    text.push('}');
    Some(Sha256::digest(text).into())
}

/// What is wrong with where a proof says that it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// Another path.
    Path,
    /// The same path of another host. A proxy between may have changed the host's name.
    Host,
}

impl Proof {
    /// Whether it was made for another URL (`htu`, section 4.3 rule 9: without query and fragment). The scheme is not compared,
    /// for it may be one before a proxy; and a proxy may have put a prefix before the path, or taken one away.
    pub(super) fn elsewhere(&self, request: &Request) -> Option<Elsewhere> {
        let url = self.url.as_deref()?;
        let Some((host, path)) = parts(url) else {
            return Some(Elsewhere::Path);
        };
        let asked = segment::decode(request.path());
        let meant = segment::decode(path);
        let (asked, meant) = (asked.trim_end_matches('/'), meant.trim_end_matches('/'));
        if !(ends_with_segments(asked, meant) || ends_with_segments(meant, asked)) {
            return Some(Elsewhere::Path);
        }
        let own = bare_host(&request.host);
        let before = request.message.field("x-forwarded-host").unwrap_or("");
        let same = |name: &str| bare_host(name).eq_ignore_ascii_case(bare_host(host));
        (!same(own) && !before.split(',').any(|name| same(name.trim()))).then_some(Elsewhere::Host)
    }

    /// Whether it was made for another token: `ath` is its SHA-256 (section 4.2), which must be there with a token.
    pub(super) fn is_for(&self, token: &str) -> bool {
        self.token
            .as_deref()
            .is_some_and(|hash| hash.trim_end_matches('=') == URL_SAFE_NO_PAD.encode(Sha256::digest(token)))
    }
}

/// Host and path of an absolute URL, without query and fragment.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

/// The name of a host without its port.
fn bare_host(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a path ends with all segments of another one.
fn ends_with_segments(path: &str, end: &str) -> bool {
    path.strip_suffix(end)
        .is_some_and(|before| before.is_empty() || end.is_empty() && path.is_empty() || end.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, jwt_with};

    /// Claims of a proof that has an id.
    const ID: &str = r#"{"jti":"a"}"#;

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 9449 section 6.1: the key of the examples and its `jkt`.
        let key = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
        let key: Value = serde_json::from_str(key).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(thumbprint(&key).unwrap()),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
        // RFC 8037 appendix A.3.
        let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key: Value = serde_json::from_str(key).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(thumbprint(&key).unwrap()),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        assert_eq!(thumbprint(&serde_json::json!({"kty":"oct","k":"x"})), None);
        assert_eq!(
            thumbprint(&serde_json::json!({"kty":"RSA","e":"AQAB","n":"a\"b"})),
            None
        );
    }

    #[test]
    fn the_hash_of_a_token_is_that_of_the_rfc() {
        // RFC 9449 section 7.1.
        let proof = Proof {
            token: Some("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo".into()),
            ..read(&jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{}}"#, ID)).unwrap()
        };
        assert!(proof.is_for("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"));
        assert!(!proof.is_for("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV"));
    }

    /// RFC 9449 section 4.1: the proof of the example, and the same with another letter.
    #[test]
    fn the_proof_of_the_rfc_is_signed_by_its_own_key() {
        let field = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        let proof = read(field).unwrap();
        assert_eq!(
            (proof.method.as_deref(), proof.url.as_deref(), proof.issued),
            (
                Some("POST"),
                Some("https://server.example.com/token"),
                Some(1_562_262_616)
            )
        );
        assert_eq!(forged(field), Some((false, 1)));
        assert_eq!(forged(&field.replace("2-GxA6", "2-GxB6")), Some((true, 1)));
        assert_eq!(forged(&field.replace(".2-GxA6", ".!")), Some((true, 1)));
        for nothing in ["", "a", "a.b", "e30.e30.x", ".."] {
            assert_eq!(forged(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_no_proof_is_none() {
        for field in [
            "",
            "a.b.c",
            &jwt_with(r#"{"typ":"JWT","alg":"ES256","jwk":{}}"#, ID),
            &jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256"}"#, ID),
            &jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":"x"}"#, ID),
            &format!("{}.x", jwt_with(r#"{"typ":"dpop+jwt"}"#, ID)),
            &"e".repeat(20_000),
            &jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{}}"#, "{}"),
            &jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{}}"#, r#"{"jti":""}"#),
            &jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{}}"#, r#"{"jti":7}"#),
        ] {
            assert_eq!(read(field), None, "{field:.40}");
        }
        for (header, unsigned) in [
            (r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{}}"#, false),
            (r#"{"typ":"dpop+jwt","alg":"none","jwk":{}}"#, true),
            (r#"{"typ":"dpop+jwt","alg":"HS256","jwk":{}}"#, true),
            (r#"{"typ":"dpop+jwt","jwk":{}}"#, true),
        ] {
            assert_eq!(
                read(&jwt_with(header, ID)).unwrap().unsigned,
                unsigned,
                "{header}"
            );
        }
    }

    #[test]
    fn where_a_proof_goes() {
        let mut exchange = Call::get("/v1/orders/7?full=1").exchange(1_000, 1);
        let request = exchange.request.take().unwrap();
        for (url, want) in [
            ("https://api.example/v1/orders/7", None),
            ("https://API.example:443/v1/orders/7/", None),
            ("https://api.example/v1/orders/7?x=1#y", None),
            ("https://api.example/v1/orders/%37", None),
            ("https://api.example/public/v1/orders/7", None),
            ("https://api.example/orders/7", None),
            ("https://api.example/v1/orders/8", Some(Elsewhere::Path)),
            ("https://api.example/ders/7", Some(Elsewhere::Path)),
            ("https://api.example/", Some(Elsewhere::Path)),
            ("https://users.example/v1/orders/7", Some(Elsewhere::Host)),
            ("/v1/orders/7", Some(Elsewhere::Path)),
            ("javascript:1", Some(Elsewhere::Path)),
        ] {
            let proof = Proof {
                url: Some(url.into()),
                ..read(&jwt_with(r#"{"typ":"dpop+jwt","jwk":{}}"#, ID)).unwrap()
            };
            assert_eq!(proof.elsewhere(&request), want, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_field_is_read(
            field in ".{0,200}",
            header in "\\{\"typ\":\"dpop\\+jwt\",\"alg\":\"(RS256|ES256|ES384|EdDSA|x)\",\"jwk\":\\{\"kty\":\"(EC|RSA|OKP)\",\"crv\":\"(P-256|P-384|Ed25519)\",\"(x|n)\":\"[A-Za-z0-9_-]{0,90}\",\"(y|e)\":\"[A-Za-z0-9_-]{0,90}\"\\}\\}",
            code in "[A-Za-z0-9_+/=-]{0,120}",
        ) {
            let made = jwt_with(&header, ID);
            let (input, _) = made.rsplit_once('.').unwrap();
            for field in [field.clone(), format!("{input}.{code}"), format!("{input}.{field}")] {
                let _ = read(&field);
                // Nobody guesses a signature.
                proptest::prop_assert_ne!(forged(&field).map(|(forged, _)| forged), Some(false));
            }
        }
    }
}
