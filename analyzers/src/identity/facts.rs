//! What a JWT says of itself that other stages may know: times, whom it is for, what it allows and to what it is bound. Nothing
//! here names anybody: issuers and audiences are keyed hashes, scopes are names that are fit to be shown.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::jwt::Token;
use crate::id::Id;
use crate::privacy::{is_plain_name, keyed_hash, safe_name, short_hash};
use crate::settings::Settings;

/// Audiences kept of one token.
const AUDIENCES: usize = 8;

/// Scopes kept of one token.
const SCOPES: usize = 64;

/// Longest scope that is shown.
const SCOPE: usize = 96;

/// What a JWT says of itself; nothing here is verified, and nothing names anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// `alg` is `none`, or there is no signature.
    pub alg_none: bool,
    /// End, seconds since 1970.
    pub exp: Option<i64>,
    /// Issue (or else `nbf`), seconds since 1970.
    pub iat: Option<i64>,
    /// Keyed hash of the issuer.
    pub issuer: Id,
    /// Keyed hashes of whom it is for (`aud`, RFC 7519 section 4.1.3), at most eight.
    pub audiences: Vec<Id>,
    /// What it allows: `scope` (RFC 9068 section 2.2.3), `scp` (Entra, Okta), `permissions` (Auth0) and `roles`, as they may be
    /// shown, in their order and without repetition, at most 64.
    pub scopes: Vec<String>,
    /// To what its holder is bound (`cnf`, RFC 7800).
    pub bound: Option<Binding>,
}

/// What the holder of a token must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// A key, by its thumbprint (`jkt`, RFC 9449 section 6.1).
    Key([u8; 32]),
    /// A certificate, by its SHA-256 (`x5t#S256`, RFC 8705 section 3.1).
    Certificate([u8; 32]),
    /// Something else (`jwk`, `kid`, …), or what cannot be read.
    Other,
}

impl TokenFacts {
    /// What a token says.
    pub(super) fn of(token: &Token, settings: &Settings) -> Self {
        let key = &settings.hash_key;
        let issuer = token.text("iss").unwrap_or_default();
        Self {
            alg_none: token.alg_none,
            exp: token.seconds("exp"),
            iat: token.seconds("iat").or_else(|| token.seconds("nbf")),
            issuer: Id::from_bytes(&keyed_hash(key, "issuer", issuer.as_bytes())),
            audiences: audiences(token, key),
            scopes: scopes(token, key),
            bound: token.claims.get("cnf").map(binding),
        }
    }
}

fn audiences(token: &Token, key: &[u8; 32]) -> Vec<Id> {
    let id = |text: &str| Id::from_bytes(&keyed_hash(key, "audience", text.as_bytes()));
    match token.claims.get("aud") {
        Some(Value::String(one)) if !one.is_empty() => vec![id(one)],
        Some(Value::Array(many)) => {
            let texts = many
                .iter()
                .filter_map(Value::as_str)
                .filter(|text| !text.is_empty());
            texts.take(AUDIENCES).map(id).collect()
        }
        _ => Vec::new(),
    }
}

/// A claim that lists names, as one text with spaces or as an array.
fn listed(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().take(SCOPES).collect(),
        Value::Array(many) => many.iter().filter_map(Value::as_str).take(SCOPES).collect(),
        _ => Vec::new(),
    }
}

fn scopes(token: &Token, key: &[u8; 32]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for claim in ["scope", "scp", "permissions", "roles"] {
        for scope in token.claims.get(claim).map(listed).unwrap_or_default() {
            let scope = shown(scope, key);
            if all.len() < SCOPES && !all.contains(&scope) {
                all.push(scope);
            }
        }
    }
    all
}

/// A scope fit to be shown: made of plain names and wildcards. Anything else becomes `hash:` and a keyed hash.
pub(crate) fn shown(scope: &str, key: &[u8; 32]) -> String {
    if scope.contains("://") && scope.len() <= SCOPE {
        return safe_name(key, scope);
    }
    let plain = |part: &str| part.is_empty() || part == "*" || is_plain_name(part);
    let is_plain = (1..=SCOPE).contains(&scope.len()) && scope.split([':', '.', '/', '-', '_']).all(plain);
    if is_plain {
        scope.to_owned()
    } else {
        format!("hash:{}", short_hash(key, "scope", scope.as_bytes()))
    }
}

fn binding(cnf: &Value) -> Binding {
    let digest = |name: &str| -> Option<[u8; 32]> {
        let text = cnf.get(name)?.as_str()?;
        URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .ok()?
            .try_into()
            .ok()
    };
    digest("jkt")
        .map(Binding::Key)
        .or_else(|| digest("x5t#S256").map(Binding::Certificate))
        .unwrap_or(Binding::Other)
}

#[cfg(test)]
mod tests {
    use super::super::jwt::decode;
    use super::*;
    use crate::testing::jwt;

    fn facts(claims: &str) -> TokenFacts {
        TokenFacts::of(&decode(&jwt(claims)).unwrap(), &Settings::default())
    }

    #[test]
    fn scopes_of_every_layout_are_one_list() {
        for (claims, want) in [
            (
                r#"{"scope":"read:orders write:orders read:orders"}"#,
                &["read:orders", "write:orders"][..],
            ),
            (
                r#"{"scp":"Orders.Read Files.ReadWrite.All"}"#,
                &["Orders.Read", "Files.ReadWrite.All"],
            ),
            (r#"{"scp":["orders","openid"]}"#, &["orders", "openid"]),
            (
                r#"{"scope":"openid","permissions":["delete:users"]}"#,
                &["openid", "delete:users"],
            ),
            (r#"{"roles":["Directory.Read.All"]}"#, &["Directory.Read.All"]),
            (r#"{"scope":"*"}"#, &["*"]),
            (r#"{"scope":7}"#, &[]),
            (r#"{}"#, &[]),
        ] {
            assert_eq!(facts(claims).scopes, want, "{claims}");
        }
        let many: Vec<String> = (0..500).map(|n| format!("read:a{}", n % 300)).collect();
        assert_eq!(
            facts(&format!(r#"{{"scope":"{}"}}"#, many.join(" ")))
                .scopes
                .len(),
            SCOPES
        );
    }

    #[test]
    fn a_scope_that_may_name_somebody_is_hashed() {
        for secret in [
            "user:maria.lopez@example.com",
            "account:4539578763621486",
            "tenant:9f86d081884c7d659a2feaa0c55ad015",
            "sk-live-4eC39HqLyjWDarjtT1zdp7dc",
        ] {
            let shown = &facts(&format!(r#"{{"scope":"{secret}"}}"#)).scopes[0];
            assert!(shown.starts_with("hash:"), "{shown}");
        }
    }

    #[test]
    fn what_a_token_is_bound_to() {
        let thumb = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let key = facts(&format!(r#"{{"cnf":{{"jkt":"{thumb}"}}}}"#)).bound;
        assert!(matches!(key, Some(Binding::Key(bytes)) if bytes[0] == 0xd1));
        let certificate = facts(&format!(r#"{{"cnf":{{"x5t#S256":"{thumb}"}}}}"#)).bound;
        assert!(matches!(certificate, Some(Binding::Certificate(_))));
        assert_eq!(facts(r#"{"cnf":{"kid":"a"}}"#).bound, Some(Binding::Other));
        assert_eq!(facts(r#"{"cnf":{"jkt":"short"}}"#).bound, Some(Binding::Other));
        assert_eq!(facts("{}").bound, None);
    }

    #[test]
    fn audiences_are_told_apart_and_not_shown() {
        let one = facts(r#"{"aud":"https://orders.example"}"#).audiences;
        let both = facts(r#"{"aud":["https://orders.example","https://users.example"]}"#).audiences;
        assert_eq!((one.len(), both.len(), one[0]), (1, 2, both[0]));
        assert!(facts(r#"{"aud":[""]}"#).audiences.is_empty());
    }
}
