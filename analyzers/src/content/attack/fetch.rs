//! Addresses: a URL that makes the server fetch from where only it can reach.
//!
//! Source: CWE-918; OWASP API7:2023. The host is read as the libraries do that fetch (WHATWG URL section 3.5, `inet_aton`): `2130706433`, `0x7f.1`,
//! `0177.0.0.1`, `[::ffff:7f00:1]` and `127.1` are one machine. Addresses of metadata services and disguised ones have no honest use;
//! `localhost` has, as where browsers are sent back to, and counts only under names that are fetched.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Attack, Class, Text, has};
use crate::content::inputs::Place;

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let low = text.low.trim_ascii();
    let found = |form| Some(Attack::new(Class::Ssrf, form));
    if low.len() > 2048
        || low.len() < 6
        || matches!(text.place, Place::Segment) && text.layer == 0 && !has(low, b":")
    {
        return None;
    }
    // Origin, Referer and their like tell where a page is from.
    let told = matches!(text.place, Place::Field | Place::OtherField);
    let colon = memchr::memchr(b':', &low[..low.len().min(16)])?;
    let scheme = &low[..colon];
    let rest = &low[colon + 1..];
    if memchr::memchr2(b' ', b'\n', rest).is_some() && !rest.contains(&b'\r') && words_follow(rest) {
        return None;
    }
    match scheme {
        b"gopher" | b"dict" | b"ldap" | b"ldaps" | b"tftp" | b"sftp" | b"netdoc"
            if rest.starts_with(b"//") || scheme == b"netdoc" =>
        {
            // A directory is what an LDAP URL names in settings.
            let fetched = !matches!(scheme, b"ldap" | b"ldaps" | b"sftp" | b"tftp") || is_fetched(text.name);
            return (fetched && !told).then(|| Attack::new(Class::Ssrf, "scheme"));
        }
        b"jar" if rest.starts_with(b"http") || rest.starts_with(b"file") => return found("scheme"),
        b"http" | b"https" | b"url" | b"ftp" => {}
        _ => return None,
    }
    let rest = rest.strip_prefix(b"url:").unwrap_or(rest);
    let slashes = rest.iter().take_while(|b| matches!(**b, b'/' | b'\\')).count();
    if slashes == 0 {
        return None;
    }
    let rest = &rest[slashes..];
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'\\' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let authority = &rest[..end];
    let (user, host) = match memchr::memrchr(b'@', authority) {
        Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
        None => (None, authority),
    };
    let host = match host.strip_prefix(b"[") {
        Some(six) => six.split(|b| *b == b']').next().unwrap_or(six),
        None => host.split(|b| *b == b':').next().unwrap_or(host),
    };
    let target = target(host)?;
    match target {
        Target::Metadata => found("metadata"),
        Target::Disguised => found("disguised"),
        Target::Own | Target::Inner if told => None,
        // `http://trusted@127.0.0.1/`
        Target::Own | Target::Inner if user.is_some_and(|u| u.contains(&b'.')) => found("disguised"),
        Target::Own if is_fetched(text.name) || text.place == Place::Segment => found("own"),
        Target::Inner if is_fetched(text.name) && text.place == Place::Query => found("inner"),
        _ => None,
    }
}

fn words_follow(rest: &[u8]) -> bool {
    rest.split(|b| b.is_ascii_whitespace())
        .skip(1)
        .filter(|w| w.len() > 1)
        .count()
        > 0
}

/// Names of parameters whose address the server fetches.
fn is_fetched(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 28] = [
        b"url",
        b"uri",
        b"src",
        b"source",
        b"source_url",
        b"link",
        b"href",
        b"feed",
        b"fetch",
        b"proxy",
        b"target",
        b"dest",
        b"image",
        b"image_url",
        b"img",
        b"avatar",
        b"avatar_url",
        b"host",
        b"site",
        b"page",
        b"path",
        b"file",
        b"document",
        b"load",
        b"remote",
        b"import",
        b"preview",
        b"webhook_url",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
        || name.len() > 4
            && name[name.len() - 4..].eq_ignore_ascii_case(b"_url")
            && !has(name, b"redirect")
            && !has(name, b"callback")
            && !has(name, b"return")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A service that hands out credentials of machines.
    Metadata,
    /// An inner address in a form that nobody writes.
    Disguised,
    /// The server itself.
    Own,
    /// Its network.
    Inner,
}

fn target(host: &[u8]) -> Option<Target> {
    const METADATA: [&[u8]; 7] = [
        b"metadata.google.internal",
        b"metadata",
        b"metadata.goog",
        b"instance-data",
        b"metadata.azure.com",
        b"kubernetes.default.svc",
        b"metadata.packet.net",
    ];
    if METADATA.contains(&host) {
        return Some(Target::Metadata);
    }
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host == b"localhost" || host.ends_with(b".localhost") || host == b"localhost.localdomain" {
        return Some(Target::Own);
    }
    let text = std::str::from_utf8(host).ok()?;
    if let Ok(six) = text.parse::<Ipv6Addr>() {
        if six.is_loopback() || six.is_unspecified() {
            return Some(Target::Own);
        }
        if text == "fd00:ec2::254" {
            return Some(Target::Metadata);
        }
        let four = six.to_ipv4()?;
        return match of(four)? {
            Target::Inner => Some(Target::Inner),
            _ => Some(Target::Disguised),
        };
    }
    // Names that lead to the address in them.
    for service in [".nip.io", ".sslip.io", ".xip.io", ".localtest.me", ".lvh.me"] {
        if let Some(name) = text.strip_suffix(service) {
            let digits = name.replace('-', ".");
            let last: Vec<&str> = digits.rsplit('.').take(4).collect();
            let address = last.iter().rev().copied().collect::<Vec<_>>().join(".");
            let inner = address.parse::<Ipv4Addr>().ok().and_then(of).is_some();
            return (inner || service.starts_with(".l")).then_some(Target::Disguised);
        }
    }
    let (four, plain) = four(text)?;
    match of(four)? {
        Target::Metadata => Some(Target::Metadata),
        Target::Inner if plain => Some(Target::Inner),
        Target::Own if plain => Some(Target::Own),
        _ => Some(Target::Disguised),
    }
}

fn of(address: Ipv4Addr) -> Option<Target> {
    match address.octets() {
        [169, 254, 169, 254] | [100, 100, 100, 200] | [169, 254, 170, 2] | [168, 63, 129, 16] => {
            Some(Target::Metadata)
        }
        [127, ..] | [0, ..] => Some(Target::Own),
        _ if address.is_private() || address.is_link_local() => Some(Target::Inner),
        _ => None,
    }
}

/// An address as `inet_aton` reads it, and whether it was written as everybody does.
fn four(text: &str) -> Option<(Ipv4Addr, bool)> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some((address, true));
    }
    let mut parts = Vec::new();
    for part in text.split('.') {
        if parts.len() == 4 {
            return None;
        }
        let value = if let Some(hex) = part.strip_prefix("0x") {
            u64::from_str_radix(hex, 16).ok()?
        } else if part.len() > 1 && part.starts_with('0') {
            u64::from_str_radix(part, 8).ok()?
        } else {
            part.parse().ok()?
        };
        parts.push(value);
    }
    let (last, firsts) = parts.split_last()?;
    let mut value = 0u64;
    for (n, part) in firsts.iter().enumerate() {
        if *part > 255 {
            return None;
        }
        value |= part << (24 - 8 * n);
    }
    let room = 8 * (4 - firsts.len());
    if *last >= 1 << room {
        return None;
    }
    Some((Ipv4Addr::from((value | last) as u32), false))
}
