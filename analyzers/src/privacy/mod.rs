//! What may leave the process of a value that may not leave the process.
//!
//! Every string that comes from the wire and goes into a view, a finding, a label or a stored row passes
//! one of these functions. What cannot be shown is replaced by its kind in braces, by a star, or by a
//! keyed hash; nothing here can be turned back.

use std::borrow::Cow;

use reassembly::exchange::authority_range;
use segment::{Show, parts};

pub mod checks;
mod form;
pub mod segment;
mod words;

pub use segment::Segment;

/// Longest target shown; what is longer is cut at a segment and ends in an ellipsis.
const LONGEST_TARGET: usize = 512;

/// A request target with query values replaced by `*`, path segments that hold personal data or secrets
/// replaced by their type in braces, and credentials of an absolute-form target removed. A fragment is
/// dropped.
#[must_use]
pub fn redact_target(target: &str) -> String {
    let mut out = String::with_capacity(target.len().min(LONGEST_TARGET) + 16);
    let rest = match authority_range(target) {
        Some(range) => {
            let scheme = &target[..range.start];
            out.push_str(&scheme.to_ascii_lowercase());
            let authority = &target[range.clone()];
            out.push_str(&safe_host(authority.rsplit('@').next().unwrap_or("")));
            &target[range.end..]
        }
        // Authority form (CONNECT) or garbage: no path to read.
        None if !target.starts_with('/') && target != "*" => {
            let host = target.rsplit('@').next().unwrap_or("");
            let host = host.split(['?', '#', '/']).next().unwrap_or("");
            return safe_host(host).into_owned();
        }
        None => target,
    };
    let rest = segment::once(rest, b'#').map_or(rest, |(before, _)| before);
    let (path, query) = match segment::once(rest, b'?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    redact_path(path, &mut out);
    if let Some(query) = query {
        out.push('?');
        redact_query(query, &mut out);
    }
    out
}

fn redact_path(path: &str, out: &mut String) {
    let mut before = Cow::Borrowed("");
    for (number, raw) in parts(path, b'/').enumerate() {
        if number > 0 {
            out.push('/');
        }
        if out.len() > LONGEST_TARGET {
            out.push('…');
            return;
        }
        let mut pieces = parts(raw, b';');
        let name = segment::decode(pieces.next().unwrap_or(""));
        push_segment(&name, &before, out);
        for parameter in pieces {
            if out.len() > LONGEST_TARGET {
                out.push('…');
                return;
            }
            let key = parameter.split('=').next().unwrap_or("");
            out.push(';');
            out.push_str(
                if parameter.contains('=') && is_plain_name(&segment::decode(key)) {
                    key
                } else {
                    "*"
                },
            );
            if parameter.contains('=') {
                out.push_str("=*");
            }
        }
        before = name;
    }
}

/// One decoded segment, or what stands for it.
fn push_segment(name: &str, before: &str, out: &mut String) {
    match segment::once(name, b'=') {
        Some((key, _)) if is_plain_name(key) => {
            out.push_str(key);
            out.push_str("=*");
        }
        _ => {
            segment::show(name, before, Show::Ids, out);
        }
    }
}

fn redact_query(query: &str, out: &mut String) {
    for (number, pair) in parts(query, b'&').enumerate() {
        if number > 0 {
            out.push('&');
        }
        if out.len() > LONGEST_TARGET {
            out.push('…');
            return;
        }
        match segment::once(pair, b'=') {
            // A value alone, whose last characters are the padding of base64.
            Some((_, padding)) if !padding.is_empty() && padding.bytes().all(|b| b == b'=') => out.push('*'),
            Some((_, "")) if pair.len() > 20 => out.push('*'),
            Some((key, _)) if is_plain_name(&segment::decode(key)) => {
                out.push_str(&segment::decode(key));
                out.push_str("=*");
            }
            Some(_) => out.push_str("*=*"),
            None if pair.is_empty() => {}
            None => out.push('*'),
        }
    }
}

/// Whether this can be the name of a parameter: a short identifier that does not look like a value. Four words
/// joined by dashes are a phrase, except in the name of a header field (`x-amz-server-side-encryption`).
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let first = bytes
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'));
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    first
        && bytes.len() <= 40
        && digits <= 4
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.[]$".contains(b))
        && !segment::classify(name, "").is_private()
        && !looks_random(bytes)
        && (name.matches('-').count() < 3 || name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-")))
}

/// Whether a name is one nobody would think of: several groups of digits among letters, or eight consonants in
/// a row.
fn looks_random(name: &[u8]) -> bool {
    let groups = name.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let digit_groups = groups.filter(|g| g[0].is_ascii_digit()).count();
    let vowel = |b: u8| b"aeiouy".contains(&b.to_ascii_lowercase());
    let consonant = |b: u8| b.is_ascii_alphabetic() && !vowel(b);
    let mut runs = name.chunk_by(|a, b| consonant(*a) && consonant(*b));
    name.len() >= 10 && digit_groups >= 2 || runs.any(|run| run.len() >= 8)
}

/// A keyed hash (BLAKE3) as 64 hexadecimal characters. `domain` keeps hashes of different things apart.
#[must_use]
pub fn keyed_hash(key: &[u8; 32], domain: &str, bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(domain.as_bytes());
    hasher.update(&[0]);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

/// The first twelve hexadecimal characters of a keyed hash: enough to tell values apart in a record.
#[must_use]
pub fn short_hash(key: &[u8; 32], domain: &str, bytes: &[u8]) -> String {
    let hash = keyed_hash(key, domain, bytes);
    hash[..6]
        .iter()
        .fold(String::with_capacity(12), |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            text
        })
}

/// A value with only its first and last two characters, when it is long enough for that to hide
/// something. No other digit or letter of it is left.
#[must_use]
pub fn mask(value: &str) -> String {
    let chars: Vec<char> = value.chars().collect();
    if chars.len() < 9 {
        return "*".repeat(chars.len().min(8));
    }
    let hidden = chars.len() - 4;
    let mut out = String::with_capacity(chars.len());
    out.extend(&chars[..2]);
    out.extend(std::iter::repeat_n('*', hidden.min(16)));
    out.extend(&chars[chars.len() - 2..]);
    out
}

/// A version fit to be shown (`1.4.0`, `v2-rc.1`); anything else becomes `hash:` and a keyed hash.
#[must_use]
pub fn safe_version(key: &[u8; 32], version: &str) -> String {
    let version = version.trim();
    // `1.0`, which is a number elsewhere.
    let numbers = || {
        version
            .split('.')
            .all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if form::is_version(version) || version.len() <= 7 && numbers() {
        version.to_owned()
    } else {
        format!("hash:{}", short_hash(key, "version", version.as_bytes()))
    }
}

/// A name fit to be shown: a client id, a tool, a product. What has other than name characters, is too
/// long, or looks like a secret or a person becomes `hash:` and a keyed hash.
#[must_use]
pub fn safe_name(key: &[u8; 32], name: &str) -> String {
    let name = name.trim();
    if let Some((scheme, rest)) = name.split_once("://").filter(|_| name.len() <= LONGEST_TARGET) {
        return safe_uri(scheme, rest)
            .unwrap_or_else(|| format!("hash:{}", short_hash(key, "name", name.as_bytes())));
    }
    let plain = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" ._:/-".contains(&b))
        && name.split([' ', '/', ':']).all(is_name_part);
    if plain {
        name.to_owned()
    } else {
        format!("hash:{}", short_hash(key, "name", name.as_bytes()))
    }
}

/// An address of any scheme (RFC 3986) without its query, or a template of such addresses, whose expressions (RFC 6570) stay.
fn safe_uri(scheme: &str, rest: &str) -> Option<String> {
    let named = scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if scheme.len() > 24 || !named || !is_plain_name(scheme) {
        return None;
    }
    let mut out = scheme.to_ascii_lowercase();
    out.push_str("://");
    let end = ["?", "#", "{?", "{&", "{#"]
        .iter()
        .filter_map(|sign| rest.find(sign))
        .min();
    let rest = &rest[..end.unwrap_or(rest.len())];
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match is_expression(authority) {
        true => out.push_str(authority),
        false => out.push_str(&safe_host(authority.rsplit('@').next().unwrap_or(""))),
    }
    let mut before = Cow::Borrowed("");
    for raw in parts(path, b'/').skip(1) {
        if out.len() > LONGEST_TARGET {
            out.push('…');
            break;
        }
        out.push('/');
        if is_expression(raw) {
            out.push_str(raw);
            continue;
        }
        let name = segment::decode(raw);
        push_segment(&name, &before, &mut out);
        before = name;
    }
    Some(out)
}

/// `{name}`, `{+name}`, `{name*}`: an expression of RFC 6570 with one variable.
fn is_expression(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    inner.is_some_and(|inner| is_plain_name(inner.trim_start_matches(['+', '/', '.']).trim_end_matches('*')))
}

/// Names of products have versions and models in them (`gpt-4o-2024-08-06`), which a path's segment has not. A word of such a name
/// is one that somebody would think of.
fn is_name_part(part: &str) -> bool {
    if part
        .split(['-', '_', '.'])
        .any(|word| looks_random(word.as_bytes()))
    {
        return false;
    }
    match segment::classify(part, "") {
        Segment::Slug => true,
        kind => !kind.is_private(),
    }
}

/// A host name or address, optionally with a port; labels that are no words, numbers or short codes are replaced.
#[must_use]
pub fn safe_host(host: &str) -> Cow<'_, str> {
    let plain = host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
        && !form::is_jwt(host);
    if !plain {
        return Cow::Borrowed("{host}");
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(safe_host(&host.to_ascii_lowercase()).into_owned());
    }
    if host.bytes().any(|b| matches!(b, b':' | b'[' | b']')) {
        let address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
        let (name, port) = match host.rsplit_once(':') {
            _ if address(host) => return Cow::Borrowed(host),
            Some((name, port)) if port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) => {
                (name, &host[name.len()..])
            }
            _ => (host, ""),
        };
        return match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            Some(inner) if address(inner) => Cow::Borrowed(host),
            None if !name.contains([':', '[', ']']) => match safe_host(name) {
                Cow::Borrowed(same) if same == name => Cow::Borrowed(host),
                other => Cow::Owned(format!("{other}{port}")),
            },
            _ => Cow::Borrowed("{host}"),
        };
    }
    if parts(host, b'.').any(|label| hidden_label(label).is_some()) {
        let labels: Vec<_> = host.split('.').map(|l| hidden_label(l).unwrap_or(l)).collect();
        return Cow::Owned(labels.join("."));
    }
    Cow::Borrowed(host)
}

/// What stands for a label that may not be shown. Machines have short codes in their names (`web-7f3`, `node12`).
fn hidden_label(label: &str) -> Option<&'static str> {
    if label.len() > 63 {
        return Some(Segment::Long.placeholder());
    }
    let kind = segment::classify(label, "");
    let shown = match kind {
        Segment::Slug => parts(label, b'-').all(form::is_short_code),
        Segment::ObjectId => false,
        kind => !kind.is_private(),
    };
    (!shown).then(|| kind.placeholder())
}

/// The method when it is one of the registered ones (IANA), else `{method}`: a made-up method may be
/// anything.
#[must_use]
pub fn safe_method(method: &str) -> &'static str {
    const METHODS: [&str; 28] = [
        "GET",
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "HEAD",
        "OPTIONS",
        "CONNECT",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "REPORT",
        "SEARCH",
        "MERGE",
        "QUERY",
        "LINK",
        "UNLINK",
        "PURGE",
        "BIND",
        "REBIND",
        "ACL",
        "CHECKOUT",
        "VERSION-CONTROL",
    ];
    METHODS
        .iter()
        .find(|m| **m == method)
        .copied()
        .unwrap_or("{method}")
}

/// A media type without parameters, lower case; anything that is not plainly one is `other`.
#[must_use]
pub fn safe_media_type(value: &str) -> Cow<'_, str> {
    let value = segment::once(value, b';')
        .map_or(value, |(before, _)| before)
        .trim();
    const COMMON: [&str; 6] = [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/html",
        "text/plain",
        "application/octet-stream",
    ];
    if COMMON.contains(&value) {
        return Cow::Borrowed(value);
    }
    let shape = value.len() <= 80
        && value.split_once('/').is_some_and(|(top, sub)| {
            const TOP: [&str; 8] = [
                "application",
                "text",
                "image",
                "audio",
                "video",
                "font",
                "multipart",
                "message",
            ];
            TOP.iter().any(|t| t.eq_ignore_ascii_case(top))
                && !sub.is_empty()
                && sub
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".+-_".contains(&b))
                && sub.split(['+', '.']).all(is_name_part)
        });
    match shape {
        false => Cow::Borrowed("other"),
        true if value.bytes().any(|b| b.is_ascii_uppercase()) => Cow::Owned(value.to_ascii_lowercase()),
        true => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_keep_their_shape_and_lose_their_values() {
        for (target, want) in [
            ("/orders/42?page=2&q=ann", "/orders/42?page=*&q=*"),
            ("/a?secret", "/a?*"),
            ("/a?eyJhbGciOiJIUzI1NiJ9.e30.x=1", "/a?*=*"),
            ("/a?x%3Dy=1", "/a?*=*"),
            ("/u/ann%40example.com/x", "/u/{email}/x"),
            ("/u/ann%2540example.com", "/u/{email}"),
            ("/pay/4111111111111111", "/pay/{card}"),
            ("/p;jsessionid=A1B2C3/x", "/p;jsessionid=*/x"),
            ("/p;A1B2C3", "/p;*"),
            ("/user=bob/x", "/user=*/x"),
            ("http://u:pw@Shop.example/a#tok", "http://shop.example/a"),
            ("/a#access_token=1", "/a"),
            ("/reset/ab12cd34ef", "/reset/{token}"),
            ("/otp/4821/send", "/otp/{token}/send"),
            ("/pay/v4539.5787.6362.1486", "/pay/{card}"),
            ("/pay/4539.5787.6362.1486", "/pay/{card}"),
            (
                "/o/7d444840-9dc0-11d1-b245-5ffdce74fad2",
                "/o/7d444840-9dc0-11d1-b245-5ffdce74fad2",
            ),
            ("shop.example:443", "shop.example:443"),
            ("*", "*"),
            ("", "{host}"),
            ("/a\u{7}b", "/{control}"),
        ] {
            let want = if target.is_empty() { "" } else { want };
            assert_eq!(redact_target(target), want, "{target}");
        }
        for long in ["a/", ";", ";a", "&", "x=1&", "?", "a;b=1/"] {
            for start in ["/", "/a?"] {
                let target = format!("{start}{}", long.repeat(20_000));
                assert!(redact_target(&target).len() < 700, "{start} {long}");
            }
        }
    }

    #[test]
    fn names_and_hosts_that_look_like_secrets_are_not_shown() {
        let key = [7; 32];
        for name in [
            "gpt-4o-2024-08-06",
            "claude-sonnet-4-5-20250929",
            "text-embedding-3-large",
            "qwen2.5:7b",
            "search_orders_v2",
        ] {
            assert_eq!(safe_name(&key, name), name);
        }
        for random in [
            "QT75465cg4rbp",
            "pay-QJ729djt4cjkv",
            "ft:gpt-4o:LD7f33pjbpkkp",
            "TW756cjqgzhhp",
        ] {
            assert!(safe_name(&key, random).starts_with("hash:"), "{random}");
        }
        assert_eq!(safe_name(&key, "billing-agent"), "billing-agent");
        assert_eq!(
            safe_name(&key, "https://agents.example/card.json?x=1"),
            "https://agents.example/card.json"
        );
        for (uri, shown) in [
            ("harbour://piers/4", "harbour://piers/4"),
            ("harbour://piers/{number}", "harbour://piers/{number}"),
            ("docs://{kind}/{+path}{?page}", "docs://{kind}/{+path}"),
            (
                "file:///srv/reports/ann@example.com?x=1#y",
                "file:///srv/reports/{email}",
            ),
            (
                "Postgres://ann:pw@db.example/orders",
                "postgres://db.example/orders",
            ),
            ("memo://x/{ann@example.com}", "memo://x/{email}"),
            (
                "https://agents.example/a8Kd93jLq0ZxPw72",
                "https://agents.example/{token}",
            ),
        ] {
            assert_eq!(safe_name(&key, uri), shown, "{uri}");
        }
        assert!(safe_name(&key, "a8Kd93jLq0ZxPw72://x").starts_with("hash:"));
        for secret in [
            "ann@example.com",
            "sk-proj-abcdefghijklmnop",
            "a b\u{0}",
            "",
            "a8Kd93jLq0ZxPw72",
        ] {
            assert!(safe_name(&key, secret).starts_with("hash:"), "{secret}");
        }
        assert_eq!(safe_host("API.Example:8080"), "api.example:8080");
        assert_eq!(safe_host("a8Kd93jLq0ZxPw72.example"), "{token}.example");
        for same in [
            "shop-7.eu-west-1.example",
            "web-7f3.example",
            "ip-10-0-0-1.ec2.internal",
            "[2001:db8::1]:443",
            "localhost:8080",
            "10.0.0.1",
            "",
        ] {
            assert_eq!(safe_host(same), same);
        }
        for (host, shown) in [
            ("deadbeef0000000000000000cafe0001.example", "{hex}.example"),
            ("deadbeef00000000cafe0001:443", "{objectid}:443"),
            ("3f2a1bcd9e0f.example", "{slug}.example"),
            ("user:secret", "{host}"),
            ("[secret]", "{host}"),
        ] {
            assert_eq!(safe_host(host), shown);
        }
        assert_eq!(safe_media_type("application/x-ndjson"), "application/x-ndjson");
        assert_eq!(
            safe_media_type("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        );
        for kind in [
            "application/vnd.github.v3+json",
            "application/problem+json",
            "application/x-www-form-urlencoded",
            "application/grpc-web+proto",
            "application/x-protobuf",
            "application/json-patch+json",
            "application/vnd.ms-excel",
            "image/vnd.microsoft.icon",
            "image/svg+xml",
            "text/event-stream",
        ] {
            assert_eq!(safe_media_type(kind), kind);
        }
        assert_eq!(safe_host("ann@example.com"), "{host}");
        assert_eq!(safe_method("GET"), "GET");
        assert_eq!(safe_method("SECRET"), "{method}");
        assert_eq!(safe_media_type("Application/JSON; charset=x"), "application/json");
        assert_eq!(safe_media_type("application/a8Kd93jLq0ZxPw72"), "other");
    }

    #[test]
    fn query_names_that_are_values_are_hidden() {
        for (target, shown) in [
            ("/v1?page=2&utm_source=y", "/v1?page=*&utm_source=*"),
            (
                "/v1?address1=x&md5sum=y&oauth2=z",
                "/v1?address1=*&md5sum=*&oauth2=*",
            ),
            ("/v1?dGhpc2lzYXNlY3JldA==", "/v1?*"),
            ("/v1?TW79pvvcvnqn9=1", "/v1?*=*"),
            ("/v1?FPbcdfghjkmn=1", "/v1?*=*"),
            ("/v1?aB3xK9qZ=1", "/v1?*=*"),
            ("/v1?correct-horse-battery-staple=1", "/v1?*=*"),
            (
                "/v1?x-amz-server-side-encryption=1",
                "/v1?x-amz-server-side-encryption=*",
            ),
        ] {
            assert_eq!(redact_target(target), shown, "{target}");
        }
    }

    #[test]
    fn masks_leave_two_characters_at_each_end() {
        assert_eq!(mask("4111111111111111"), "41************11");
        assert_eq!(mask("short"), "*****");
    }

    #[test]
    fn hashes_depend_on_key_and_domain() {
        let a = short_hash(&[1; 32], "name", b"x");
        assert_ne!(a, short_hash(&[2; 32], "name", b"x"));
        assert_ne!(a, short_hash(&[1; 32], "user", b"x"));
    }
}
