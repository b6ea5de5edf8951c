//! GraphQL over HTTP ("GraphQL over HTTP", working draft, sections 5 and 6; GraphQL specification of October 2021, section 2).
//!
//! All operations of a schema have one path, so the operation is the endpoint. It is named by its name; one without is named
//! by the fields that it asks for.

use std::borrow::Cow;

use super::{Call, operation_name};
use crate::json::{Scalar, Scanner};
use crate::privacy::segment;

/// Fields that name an operation without a name.
const FIELDS: usize = 3;

/// Bytes of a document looked at.
const LOOKED_AT: usize = 16 * 1024;

/// What a request says of its operation.
#[derive(Debug, Default)]
struct Asked<'a> {
    document: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    /// Hash of a document that the server knows already.
    persisted: Option<Cow<'a, str>>,
    batch: bool,
}

/// The call in the body of a POST.
pub(super) fn in_body(body: &[u8], is_document: bool, key: &[u8; 32]) -> Option<Call> {
    if is_document {
        let asked = Asked {
            document: Some(String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)])),
            ..Asked::default()
        };
        return asked.call(key);
    }
    let says = |word: &[u8]| memchr::memmem::find(body, word).is_some();
    if !says(b"\"query\"") && !says(b"\"persistedQuery\"") {
        return None;
    }
    let mut asked = Asked {
        batch: body.trim_ascii_start().first() == Some(&b'['),
        ..Asked::default()
    };
    let mut scanner = Scanner::new(body);
    while let Some(scalar) = scanner.next() {
        let Scalar::Text(text) = scalar else { continue };
        let slot = match scanner.key() {
            b"query" if scanner.is_at(&["query"]) => &mut asked.document,
            b"operationName" if scanner.is_at(&["operationName"]) => &mut asked.name,
            b"sha256Hash" if scanner.is_at(&["extensions", "persistedQuery", "sha256Hash"]) => {
                &mut asked.persisted
            }
            _ => continue,
        };
        slot.get_or_insert_with(|| unescaped(&text[..text.len().min(LOOKED_AT)]));
    }
    asked.call(key)
}

/// The call in the query of a GET.
pub(super) fn in_query(query: &str, key: &[u8; 32]) -> Option<Call> {
    let mut asked = Asked::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || Cow::Owned(segment::decode(&value.replace('+', " ")).into_owned());
        match name {
            "query" => asked.document = Some(value()),
            "operationName" => asked.name = Some(value()),
            "extensions" => {
                let text = value();
                let mut scanner = Scanner::new(text.as_bytes());
                while let Some(scalar) = scanner.next() {
                    if let Scalar::Text(hash) = scalar
                        && scanner.is_at(&["persistedQuery", "sha256Hash"])
                    {
                        asked.persisted = Some(Cow::Owned(String::from_utf8_lossy(hash).into_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    asked.call(key)
}

/// JSON's escapes of white space and quotes; what else is escaped is in no name.
fn unescaped(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if !text.contains('\\') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (c, false) => out.push(c),
            _ => match chars.next() {
                Some('n' | 'r') => out.push('\n'),
                Some('t' | 'f' | 'b') => out.push(' '),
                Some(c) => out.push(c),
                None => {}
            },
        }
    }
    Cow::Owned(out)
}

impl Asked<'_> {
    fn call(&self, key: &[u8; 32]) -> Option<Call> {
        let call = |method: &str, name: Option<String>| Call {
            protocol: "graphql",
            method: method.to_owned(),
            name,
            client: None,
        };
        let Some(document) = self.document.as_deref().filter(|d| !d.trim().is_empty()) else {
            // The document is the server's. Without a name its hash has to do, of which a part tells it from others.
            let hash = self.persisted.as_deref()?;
            let plain = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            let name = match self.name.as_deref() {
                Some(name) if !name.is_empty() => operation_name(key, name),
                _ if plain => format!("sha256-{}", &hash[..12].to_ascii_lowercase()),
                _ => return None,
            };
            return Some(call("persisted", Some(name)));
        };
        if self.batch {
            operation(document, None)?;
            return Some(call("batch", None));
        }
        let (kind, found) = operation(document, self.name.as_deref().filter(|n| !n.is_empty()))?;
        let name = match found {
            Found::Name(name) => operation_name(key, name),
            // JSON in a parameter called `query` begins with a brace too, and has no fields without quotes.
            Found::Fields(fields) if fields.is_empty() => return None,
            Found::Fields(fields) => {
                let mut fields: Vec<String> = fields.iter().map(|f| operation_name(key, f)).collect();
                fields.sort();
                fields.dedup();
                fields.truncate(FIELDS);
                format!("({})", fields.join("+"))
            }
        };
        Some(call(kind, Some(name)))
    }
}

enum Found<'d> {
    Name(&'d str),
    Fields(Vec<&'d str>),
}

/// The operation of a document that is run: the one of that name, else the first. `None` when the text is no document.
fn operation<'d>(document: &'d str, wanted: Option<&str>) -> Option<(&'static str, Found<'d>)> {
    let tokens = tokens(document);
    let mut depth = 0usize;
    let mut first = None;
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        match token {
            "{" if depth == 0 && at == 0 => {
                // The short form: a query without a name.
                return Some(("query", Found::Fields(fields(&tokens[at..]))));
            }
            "{" | "(" => depth += 1,
            "}" | ")" => depth = depth.saturating_sub(1),
            "query" | "mutation" | "subscription" if depth == 0 => {
                let kind = match token {
                    "query" => "query",
                    "mutation" => "mutation",
                    _ => "subscription",
                };
                let next = *tokens.get(at + 1)?;
                let open = tokens[at..].iter().position(|t| *t == "{")?;
                let found = if is_name(next) {
                    Found::Name(next)
                } else {
                    Found::Fields(fields(&tokens[at + open..]))
                };
                if wanted.is_none_or(|wanted| next == wanted) {
                    return Some((kind, found));
                }
                first.get_or_insert((kind, found));
            }
            "fragment" if depth == 0 => {}
            _ if depth == 0 && at == 0 => return None,
            _ => {}
        }
        at += 1;
    }
    first
}

/// The fields right within a selection, without aliases.
fn fields<'d>(tokens: &[&'d str]) -> Vec<&'d str> {
    let mut depth = 0usize;
    let mut out = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" => depth += 1,
            "}" | ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            name if depth == 1 && is_name(name) && out.len() < 16 => {
                let alias = tokens.get(at + 1) == Some(&":");
                let directive = at > 0 && matches!(tokens[at - 1], "@" | "..." | "on");
                if !alias && !directive && name != "on" {
                    out.push(name);
                }
            }
            _ => {}
        }
    }
    out
}

fn is_name(token: &str) -> bool {
    token
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
}

/// Names and signs of a document; texts and comments are left out.
fn tokens(document: &str) -> Vec<&str> {
    let bytes = document.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() && out.len() < 512 {
        match bytes[at] {
            b'#' => at += memchr::memchr2(b'\n', b'\r', &bytes[at..]).unwrap_or(bytes.len() - at),
            b'"' => {
                let end = memchr::memchr(b'"', &bytes[at + 1..]).map_or(bytes.len(), |end| at + end + 2);
                at = end;
            }
            b if b.is_ascii_alphanumeric() || b == b'_' => {
                let length = bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
                out.push(&document[at..at + length]);
                at += length;
            }
            b'.' if bytes[at..].starts_with(b"...") => {
                out.push("...");
                at += 3;
            }
            b'{' | b'}' | b'(' | b')' | b':' | b'@' => {
                out.push(&document[at..=at]);
                at += 1;
            }
            _ => at += 1,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn of(body: &str) -> Option<String> {
        in_body(body.as_bytes(), false, &KEY).map(|c| c.operation())
    }

    #[test]
    fn operations_are_named() {
        for (body, expected) in [
            (
                r#"{"query":"query GetUser($id: ID!) { user(id: $id) { id } }","variables":{"id":"7"}}"#,
                Some("query:GetUser"),
            ),
            (
                r#"{"query":"{ users(first: 3) { name } orders { id } }"}"#,
                Some("query:(orders+users)"),
            ),
            (
                r#"{"query":"mutation { pay: payInvoice(id: 3) { ok } }"}"#,
                Some("mutation:(payInvoice)"),
            ),
            (
                r#"{"operationName":"B","query":"fragment F on X { a }\nquery A { a { ...F } }\nmutation B { b }"}"#,
                Some("mutation:B"),
            ),
            (
                r##"{"query":"# a comment { \n query Q @live { x }"}"##,
                Some("query:Q"),
            ),
            (r#"{"query":"shoes { red"}"#, None),
            (r#"{"query":"query"}"#, None),
            (r#"{"query":"select * from users"}"#, None),
            (r#"{"filter":{"query":"{ a }"}}"#, None),
            (r#"{"query":"{\"match\":{\"a\":1}}"}"#, None),
            (r#"[{"query":"{ a }"},{"query":"{ b }"}]"#, Some("batch")),
            (
                r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}}}"#,
                Some("persisted:sha256-ecf4edb46db4"),
            ),
        ] {
            assert_eq!(of(body).as_deref(), expected, "{body}");
        }
        let got = in_query("query=query%20Me%20%7B%20me%20%7B%20id%20%7D%20%7D", &KEY).unwrap();
        assert_eq!(got.operation(), "query:Me");
        assert!(in_query("query=red+shoes", &KEY).is_none());
        assert_eq!(
            in_body(b"subscription S { s }", true, &KEY).unwrap().operation(),
            "subscription:S"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_left(text in "\\PC{0,200}") {
            let _ = operation(&text, Some("x"));
            let _ = of(&text);
        }
    }
}
