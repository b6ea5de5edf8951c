//! JSON Web Tokens, read. Whether one is genuine is asked of `keys`, where the operator named some; else what a server accepted says
//! more.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Longest token read; a longer one counts as opaque.
const LONGEST: usize = 16 * 1024;

/// What is read of a token. Claims are raw: they must not leave `identity`.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) alg_none: bool,
    /// `alg`; empty when there is none, or when the header has extensions that must be understood (`crit`, RFC 7515 section 4.1.11).
    pub(crate) algorithm: String,
    /// `kid`.
    pub(crate) key: Option<String>,
    pub(crate) claims: Value,
}

/// Header and claims of a compact JWS; nothing when it is not one.
pub(crate) fn decode(token: &str) -> Option<Token> {
    if !token.starts_with("ey") || token.len() > LONGEST {
        return None;
    }
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None; // Five parts: encrypted.
    }
    let header = object(header)?;
    let claims = object(claims)?;
    let alg = header.get("alg").and_then(Value::as_str);
    let alg_none = signature.is_empty() || alg.is_some_and(|a| a.eq_ignore_ascii_case("none"));
    let algorithm = alg.filter(|_| header.get("crit").is_none()).unwrap_or("");
    Some(Token {
        alg_none,
        algorithm: algorithm.to_owned(),
        key: header.get("kid").and_then(Value::as_str).map(str::to_owned),
        claims,
    })
}

fn object(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

impl Token {
    /// A claim as text; numbers too, since some issuers number their subjects.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(self.claims.get(name)?)
    }

    /// A point in time: seconds since 1970, as a number or (against the standard) as a string.
    pub(crate) fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.claims.get(name)?;
        let number = match value {
            Value::String(s) => s.parse::<f64>().ok()?,
            other => other.as_f64()?,
        };
        // Some issuers write milliseconds; no token lives past the year 5000.
        let number = if number > 1e11 { number / 1000.0 } else { number };
        number.is_finite().then_some(number as i64)
    }

    /// A claim by a dotted path.
    pub(crate) fn path(&self, path: &str) -> Option<&Value> {
        self.claims.get(path).or_else(|| {
            path.split('.')
                .try_fold(&self.claims, |value, part| value.get(part))
        })
    }
}

pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn make(header: &str, claims: &str, signature: &str) -> String {
        format!(
            "{}.{}.{signature}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    #[test]
    fn only_three_parts_of_json_are_a_token() {
        let token = make(
            r#"{"alg":"RS256"}"#,
            r#"{"sub":7,"exp":"12.5","a":{"b":"c"}}"#,
            "sig",
        );
        let token = decode(&token).unwrap();
        assert!(!token.alg_none);
        assert_eq!(token.text("sub").as_deref(), Some("7"));
        assert_eq!(token.seconds("exp"), Some(12));
        assert_eq!(token.path("a.b").and_then(Value::as_str), Some("c"));
        assert!(decode(&make(r#"{"alg":"None"}"#, "{}", "x")).unwrap().alg_none);
        assert!(decode(&make(r#"{"alg":"HS256"}"#, "{}", "")).unwrap().alg_none);
        for bad in [
            "eyJ",
            "a.b.c",
            "eyJ.eyJ.x",
            "",
            &make("[]", "{}", "x"),
            "e30.e30.x.y.z",
        ] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }
}
