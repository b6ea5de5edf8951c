//! Filters of LDAP, and queries of document databases: a value that ends a filter and adds to it, an operator where a value should be.
//!
//! Sources: CWE-90 (RFC 4515), CWE-943.

use super::{Attack, Class, Signs, Text, has, is_document, is_prose};

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let low = text.low;
    if text.signs.all(Signs::OPEN.or(Signs::CLOSE)) && ldap(low) {
        return Some(Attack::new(Class::Ldap, "filter"));
    }
    if text.signs.any(Signs::CLOSE)
        && !text.signs.any(Signs::OPEN)
        && low.ends_with(b"*)")
        && low.len() < 24
        && !low.contains(&b' ')
    {
        return Some(Attack::new(Class::Ldap, "filter"));
    }
    if is_document(text.raw) {
        return None;
    }
    (script(low) || quoted(low)).then(|| Attack::new(Class::Nosql, "script"))
}

/// Whether a bracket is closed that was not opened, and a further condition begins.
fn ldap(low: &[u8]) -> bool {
    let mut depth = 0i32;
    for (at, byte) in low.iter().enumerate().take(1024) {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth < 0 {
                    if is_prose(&low[..at]) {
                        return false;
                    }
                    let rest = low[at + 1..].trim_ascii_start();
                    return condition(rest, 0);
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether a condition begins here, after more closed brackets.
fn condition(rest: &[u8], depth: usize) -> bool {
    if depth > 4 {
        return false;
    }
    match rest {
        [b')', rest @ ..] => condition(rest.trim_ascii_start(), depth + 1),
        [b'(', b'&' | b'|' | b'!', rest @ ..] => {
            rest.is_empty() || rest[0] == b'(' || rest[0] == b')' || rest[0] == b' '
        }
        [b'(', rest @ ..] => {
            let name = rest
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(**b, b'-' | b'.' | b';' | b':'))
                .count();
            name >= 1 && matches!(&rest[name..], [b'=', ..] | [b'>' | b'<' | b'~', b'=', ..])
        }
        _ => false,
    }
}

/// JavaScript where a value should be, as `$where` runs it.
fn script(low: &[u8]) -> bool {
    let broken = memchr::memchr2(b'\'', b'"', low).is_some_and(|at| {
        let rest = low[at + 1..].trim_ascii_start();
        matches!(
            rest,
            [b';' | b'}' | b')', ..] | [b'|', b'|', ..] | [b'&', b'&', ..]
        ) && !is_prose(&low[..at])
    });
    let code = has(low, b"this.")
        || has(low, b"return ")
        || has(low, b"return(")
        || has(low, b"while(")
        || has(low, b"; sleep(") && has(low, b"var ");
    broken && code
        || has(low, b"$where") && has(low, b"function") && low.len() < 512
        || low.starts_with(b"function(") && has(low, b"this.") && has(low, b"return") && low.len() < 256
}

/// `' || '1'=='1`, `' || 1==1//`, `'; return true; var x='`: of JavaScript by its `==` and `||`.
fn quoted(low: &[u8]) -> bool {
    let Some(at) = memchr::memchr2(b'\'', b'"', low) else {
        return false;
    };
    let rest = low[at + 1..].trim_ascii_start();
    let Some(rest) = rest.strip_prefix(b"||").or(rest.strip_prefix(b"&&")) else {
        return false;
    };
    if is_prose(&low[..at]) {
        return false;
    }
    let tight: Vec<u8> = rest
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace() && !matches!(b, b'\'' | b'"'))
        .take(24)
        .collect();
    tight
        .windows(2)
        .position(|two| two == b"==")
        .is_some_and(|at| at > 0)
        || tight.starts_with(b"true//")
        || tight.starts_with(b"1//")
        || tight.starts_with(b"1%00")
        || tight.starts_with(b"1\0")
}

/// Whether the name of a parameter or of a member is an operator of a query: `user[$ne]`, `{"$gt": …}`. `owner` is the name of
/// the field it is put on.
pub(crate) fn operator(owner: &[u8], operator: &[u8], value: Option<&[u8]>) -> bool {
    const OPERATORS: [&[u8]; 12] = [
        b"$ne", b"$gt", b"$gte", b"$lt", b"$lte", b"$in", b"$nin", b"$regex", b"$exists", b"$not", b"$where",
        b"$eq",
    ];
    let Some(known) = OPERATORS.iter().find(|o| o.eq_ignore_ascii_case(operator)) else {
        return false;
    };
    if **known == *b"$where" {
        return true;
    }
    // Lists of orders are filtered by a price; nobody filters by a password.
    const SECRETS: [&[u8]; 17] = [
        b"user",
        b"username",
        b"login",
        b"email",
        b"pass",
        b"passwd",
        b"password",
        b"pwd",
        b"token",
        b"otp",
        b"pin",
        b"secret",
        b"apikey",
        b"api_key",
        b"code",
        b"resettoken",
        b"session",
    ];
    let secret = SECRETS.iter().any(|s| s.eq_ignore_ascii_case(owner));
    let all = match (known, value) {
        (_, None) => false,
        (&b"$ne" | &b"$gt" | &b"$gte" | &b"$nin", Some(value)) => {
            matches!(value, b"" | b"null" | b"undefined")
        }
        (&b"$regex", Some(value)) => matches!(value, b".*" | b"^.*" | b".*$" | b"^" | b"." | b".+" | b"^.*$"),
        _ => false,
    };
    secret && **known != *b"$eq" || all
}
