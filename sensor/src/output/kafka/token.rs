//! Tokens to log in with (SASL OAUTHBEARER, RFC 7628): from a file that somebody else renews, read anew each time that librdkafka asks.
//!
//! librdkafka hands a new one to the broker on the connection that is open, when nine tenths of the time are over for which the broker took
//! the old one (KIP-368). So the file may be what Kubernetes projects, or what any manager of secrets writes. Nothing of a token enters a message:
//! librdkafka itself would put one with a wrong character into its own, so that what it is given is looked at before.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rdkafka::client::OAuthToken;
use serde_json::{Value, json};

use crate::records::Rfc3339;

/// More than any token has; a broker takes 512 KiB at most (`sasl.server.max.receive.size`).
const LONGEST: u64 = 256 << 10;
/// How soon a token is read again that does not tell when it ends.
const OPAQUE: Duration = Duration::from_secs(60);
/// A token that says it holds for longer is read again after this all the same.
const LONGEST_LIFE_MS: u64 = 365 * 86_400_000;

/// What librdkafka is told of the time that is left, in eighths. It asks when 80 % of what it was told are over, so here at half of the time
/// and then at half of what is left. Told all of it, it would ask as late as Kubernetes renews (80 %) and, looking but once a second, log in anew
/// with the last moments of a short token; a broker refuses to be logged in to twice in a second.
const TOLD_EIGHTHS: u64 = 5;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// The file of `kafka.oauth_token_file`, and who it is that logs in where the token does not say.
    File { file: PathBuf, name: String },
    /// librdkafka's own tokens without a signature, by `kafka.options`: it makes the first one, and asks for those after it.
    Unsecured,
    /// Nowhere: the options ask for tokens, and nobody has any.
    Nowhere,
}

impl Tokens {
    /// The token that holds now; `config` is what librdkafka was given as `sasl.oauthbearer.config`.
    ///
    /// # Errors
    ///
    /// Why there is none and what to do, in a sentence that shows nothing of it.
    pub(super) fn take(&self, config: Option<&str>, now_ms: u64) -> Result<OAuthToken, String> {
        match self {
            Self::File { file, name } => from_file(file, name, now_ms)
                .map_err(|why| format!("kafka.oauth_token_file names {}, {why}", file.display())),
            Self::Unsecured => unsecured(config.unwrap_or_default(), now_ms),
            Self::Nowhere => {
                Err("OAUTHBEARER is asked for and no token is there; set kafka.oauth_token_file".to_owned())
            }
        }
    }
}

fn from_file(file: &Path, name: &str, now_ms: u64) -> Result<OAuthToken, String> {
    let unreadable = |error: std::io::Error| {
        format!("which cannot be read ({error}); whatever writes tokens there has to, readable by the sensor")
    };
    let mut text = Vec::new();
    crate::regular::open(file)
        .and_then(|opened| opened.take(LONGEST + 1).read_to_end(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > LONGEST {
        return Err(format!(
            "which holds more than {} KiB; it must hold one token and nothing else",
            LONGEST >> 10
        ));
    }
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err("which is empty; whatever writes tokens there has not done so yet".to_owned());
    }
    let Some(token) = std::str::from_utf8(text).ok().filter(|text| is_bearer(text)) else {
        return Err(
            "which holds something else than a token; it must hold one bare token, without `Bearer`, quotes or JSON around it"
                .to_owned(),
        );
    };
    let claims = claims(token).unwrap_or_default();
    let opaque = now_ms + u64::try_from(OPAQUE.as_millis()).unwrap_or(u64::MAX);
    let ends = claims.ends_ms.unwrap_or(opaque).min(now_ms + LONGEST_LIFE_MS);
    if ends <= now_ms {
        let at = Rfc3339(ends.saturating_mul(1_000_000)).second();
        return Err(format!(
            "whose token ran out at {at} UTC; see to what renews it, and that the clock of this machine is right"
        ));
    }
    Ok(OAuthToken {
        token: token.to_owned(),
        principal_name: claims.subject.unwrap_or_else(|| name.to_owned()),
        lifetime_ms: told(now_ms, ends),
    })
}

/// The end of a token as librdkafka is told of it.
fn told(now_ms: u64, ends_ms: u64) -> i64 {
    let left = (ends_ms - now_ms) * TOLD_EIGHTHS / 8;
    i64::try_from(now_ms + left.max(1)).unwrap_or(i64::MAX)
}

/// `b64token` of RFC 6750 section 2.1, which is what may follow `Bearer` and what RFC 7628 has in its messages.
fn is_bearer(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[derive(Default)]
struct Claims {
    subject: Option<String>,
    ends_ms: Option<u64>,
}

/// What a JWT says of itself (RFC 7519 section 4.1); `None` for a token that is none, or whose claims are encrypted. Whether it is
/// true is the broker's to say.
fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let Value::Object(claims) = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()? else {
        return None;
    };
    let printable = |text: &&str| (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
    Some(Claims {
        subject: (claims.get("sub").and_then(Value::as_str))
            .filter(printable)
            .map(str::to_owned),
        // NumericDate may have a fraction. What is out of range becomes the nearest number; a negative one has run out.
        ends_ms: (claims.get("exp").and_then(Value::as_f64)).map(|seconds| (seconds * 1000.0) as u64),
    })
}

/// A token as librdkafka makes them of `sasl.oauthbearer.config` (RFC 7515 appendix A.5), for a broker in a laboratory that takes them.
fn unsecured(config: &str, now_ms: u64) -> Result<OAuthToken, String> {
    let refuse = |name: &str| {
        format!(
            "sasl.oauthbearer.config has {name}, with which the sensor cannot renew a token; set kafka.oauth_token_file"
        )
    };
    let (mut principal, mut principal_claim) = ("", "sub");
    let (mut scope, mut scope_claim, mut life) = ("", "scope", 3600);
    for pair in config.split(' ').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| refuse("a word without `=`"))?;
        match name {
            "principal" => principal = value,
            "principalClaimName" => principal_claim = value,
            "scope" => scope = value,
            "scopeClaimName" => scope_claim = value,
            "lifeSeconds" => life = value.parse::<u32>().map_err(|_| refuse("a wrong lifeSeconds"))?,
            _ => return Err(refuse("more than principal, scope and lifeSeconds")),
        }
    }
    let ends_ms = now_ms + u64::from(life) * 1000;
    let mut claims = json!({ "iat": now_ms as f64 / 1000.0, "exp": ends_ms as f64 / 1000.0 });
    claims[principal_claim] = principal.into();
    if !scope.is_empty() {
        claims[scope_claim] = scope.split(',').collect();
    }
    let part = |value: &Value| BASE64.encode(value.to_string());
    Ok(OAuthToken {
        token: format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims)),
        principal_name: principal.to_owned(),
        lifetime_ms: told(now_ms, ends_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn jwt(claims: &str) -> String {
        format!(
            "{}.{}.c2lnbmF0dXJl",
            BASE64.encode(r#"{"alg":"RS256"}"#),
            BASE64.encode(claims)
        )
    }

    fn take(text: &[u8]) -> Result<OAuthToken, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("token");
        std::fs::write(&file, text).expect("a file");
        let name = "the-user".to_owned();
        Tokens::File { file, name }.take(None, NOW)
    }

    #[test]
    fn who_it_is_and_how_long_it_holds_are_what_the_token_says() {
        let text = jwt(r#"{"sub":"system:serviceaccount:ns:tapline","exp":1800000600,"aud":["kafka"]}"#);
        let token = take(format!("{text}\n").as_bytes()).expect("a token");
        assert_eq!(token.token, text);
        assert_eq!(token.principal_name, "system:serviceaccount:ns:tapline");
        assert_eq!(token.lifetime_ms, 1_800_000_375_000);
        // A fraction, as RFC 7519 has it, and one that holds for ages.
        let token = take(jwt(r#"{"exp":1800000000.5}"#).as_bytes()).expect("a token");
        assert_eq!(token.lifetime_ms, 1_800_000_000_312);
        assert_eq!(token.principal_name, "the-user");
        let token = take(jwt(r#"{"exp":1e300}"#).as_bytes()).expect("a token");
        assert_eq!(token.lifetime_ms as u64, NOW + LONGEST_LIFE_MS / 8 * 5);
    }

    #[test]
    fn a_token_that_says_nothing_of_itself_is_read_again_soon() {
        let encrypted = "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d";
        let without = jwt(r#"{"sub":"a\u0000b"}"#);
        let wide = jwt("[1]");
        for text in ["mF_9.B5f-4.1JqM", "abc123==", encrypted, &without, &wide] {
            let token = take(text.as_bytes()).expect(text);
            assert_eq!(token.token, text);
            assert_eq!(token.principal_name, "the-user");
            assert_eq!(token.lifetime_ms as u64, NOW + 37_500);
        }
    }

    #[test]
    fn what_is_no_token_is_told_with_what_to_do_and_never_shown() {
        let secret = "Zq7hunter2canary9";
        let long = vec![b'a'; 300 << 10];
        let old = jwt(&format!(r#"{{"exp":1799999990,"sub":"{secret}"}}"#));
        let negative = jwt(r#"{"exp":-5}"#);
        let cases: [(Vec<u8>, &str); 8] = [
            (b"\n \n".to_vec(), "is empty"),
            (format!("Bearer {secret}").into_bytes(), "without `Bearer`"),
            (format!("\"{secret}\"").into_bytes(), "one bare token"),
            (
                format!("{{\"access_token\":\"{secret}\"}}").into_bytes(),
                "one bare token",
            ),
            (format!("{secret}\u{e9}\0").into_bytes(), "one bare token"),
            (long, "more than 256 KiB"),
            (old.clone().into_bytes(), "ran out at 2027-01-15 07:59:50 UTC"),
            (negative.into_bytes(), "ran out at 1970-01-01"),
        ];
        for (text, wanted) in cases {
            let said = take(&text).err().expect(wanted);
            assert!(said.contains(wanted) && said.contains("/token,"), "{said}");
            assert!(!said.contains("canary") && !said.contains(&old[10..30]), "{said}");
        }
        let missing = |file: &str| {
            let (file, name) = (file.into(), String::new());
            let said = Tokens::File { file, name }
                .take(None, NOW)
                .err()
                .expect("an error");
            assert!(said.contains("cannot be read"), "{said}");
            said
        };
        assert!(missing("/does/not/exist").contains("No such file"));
        assert!(missing("/").contains("it is a folder"));
        assert!(
            Tokens::Nowhere
                .take(None, NOW)
                .is_err_and(|s| s.contains("oauth_token_file"))
        );
    }

    #[test]
    fn tokens_of_a_laboratory_are_those_librdkafka_makes() {
        let token = Tokens::Unsecured
            .take(Some("principal=tapline scope=a,b lifeSeconds=4"), NOW)
            .expect("a token");
        assert_eq!(token.principal_name, "tapline");
        assert_eq!(token.lifetime_ms as u64, NOW + 2500);
        let parts: Vec<&str> = token.token.split('.').collect();
        let part = |at: usize| -> Value {
            serde_json::from_slice(&BASE64.decode(parts[at]).expect("Base64")).expect("JSON")
        };
        assert_eq!(part(0), json!({ "alg": "none" }));
        assert_eq!(
            part(1),
            json!({ "sub": "tapline", "scope": ["a", "b"], "iat": 1_800_000_000.0, "exp": 1_800_000_004.0 })
        );
        assert_eq!(parts[2], "");
        let refused = Tokens::Unsecured.take(Some("principal=a extension_b=c"), NOW);
        assert!(refused.is_err_and(|said| said.contains("oauth_token_file")));
    }
}
