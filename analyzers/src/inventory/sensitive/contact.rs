//! How to reach a person, where they live, and when they were born.
//!
//! Addresses of mail are found by their `@`. Everything else has a form that many things have, and needs a field name.

use std::net::IpAddr;

use super::{DataClass, Found};
use crate::id::Seed;

/// Finds addresses of mail.
pub(super) fn emails(body: &[u8], seed: Seed, found: &mut Found) {
    let local = |b: &u8| b.is_ascii_alphanumeric() || b"._%+-".contains(b);
    let domain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    for at in memchr::memchr_iter(b'@', body).take(4096) {
        let left = body[at.saturating_sub(64)..at]
            .iter()
            .rev()
            .take_while(|b| local(b))
            .count();
        let right = body[at + 1..].iter().take(254).take_while(|b| domain(b)).count();
        let host = body[at + 1..at + 1 + right].trim_ascii_end();
        let host = host.strip_suffix(b".").unwrap_or(host);
        let Some(dot) = memchr::memrchr(b'.', host) else {
            continue;
        };
        let top = &host[dot + 1..];
        if left == 0
            || dot == 0
            || !(2..=18).contains(&top.len())
            || !top.iter().all(u8::is_ascii_alphabetic)
            || is_placeholder(host)
            || is_other(body, at - left, at + 1 + host.len(), host)
        {
            continue;
        }
        found.add(
            DataClass::Email,
            &body[at - left..at + 1 + host.len()],
            true,
            seed,
        );
    }
}

/// Names that are kept for documents (RFC 2606), and files that have an `@` in theirs.
fn is_placeholder(host: &[u8]) -> bool {
    const FILES: [&[u8]; 14] = [
        b"png", b"jpg", b"jpeg", b"svg", b"gif", b"webp", b"avif", b"ico", b"css", b"js", b"mjs", b"jar",
        b"tgz", b"zip",
    ];
    let kept = [b"example.com".as_slice(), b"example.org", b"example.net"]
        .iter()
        .any(|name| {
            host.strip_suffix(*name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
        });
    kept || FILES
        .iter()
        .any(|end| host.strip_suffix(*end).is_some_and(|rest| rest.ends_with(b".")))
}

/// Whether what looks like an address of mail from `from` to `end` is something else: the name of an account on a server
/// (`@ann@social.example`), what stands before a host in a URL, a repository (`git@host:path`), a version of a package.
fn is_other(body: &[u8], from: usize, end: usize, host: &[u8]) -> bool {
    let before = from.checked_sub(1).map_or(b' ', |at| body[at]);
    let after = body.get(end).copied().unwrap_or(b' ');
    let path = after == b':'
        && body
            .get(end + 1)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'/');
    let mut labels = host.split(|b| *b == b'.').take(2);
    let version = host.contains(&b'.') && labels.all(|label| label.iter().all(u8::is_ascii_digit));
    let user = matches!(before, b':' | b'/') && {
        let near = &body[from.saturating_sub(80)..from];
        let word = near
            .iter()
            .rposition(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<'));
        memchr::memmem::find(&near[word.map_or(0, |at| at + 1)..], b"://").is_some()
    };
    before == b'@' || path || version || user
}

/// An address of mail as it may be shown.
pub(super) fn mask_email(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let top = text.rsplit('.').next().unwrap_or("");
    format!("{}***@***.{top}", text.chars().next().unwrap_or('*'))
}

/// A value under a name that says telephone number.
pub(super) fn phone(value: &[u8], seed: Seed, found: &mut Found) {
    let value = value.strip_prefix(b"tel:").unwrap_or(value);
    let mut digits = [0u8; 15];
    let (mut count, mut dots) = (0, 0);
    for (place, byte) in value.iter().enumerate() {
        match byte {
            b'0'..=b'9' if count < digits.len() => {
                digits[count] = *byte;
                count += 1;
            }
            b'+' if place == 0 => {}
            b'(' | b')' | b' ' | b'-' | b'/' => {}
            b'.' => dots += 1,
            // Non-breaking spaces and the hyphens that typesetters use.
            0x80.. => {}
            _ => return,
        }
    }
    let digits = &digits[..count];
    let same = digits.iter().all(|d| *d == digits[0]);
    // 555-01xx is for films and manuals; one dot makes a decimal number, and three an address of a machine.
    let fiction = count >= 7 && digits[count - 7..].starts_with(b"55501");
    if count >= 7 && !same && !fiction && !matches!(dots, 1 | 3) && !is_date(value) {
        found.add(DataClass::Phone, digits, true, seed);
    }
}

/// A value under a name that says address: one with a word, a number and a space.
pub(super) fn address(value: &[u8], seed: Seed, found: &mut Found) {
    let letter = |b: &u8| b.is_ascii_alphabetic() || *b >= 0x80;
    let mut word = 0;
    let longest = value.iter().fold(0, |most, b| {
        word = if letter(b) { word + 1 } else { 0 };
        most.max(word)
    });
    let odd = |b: &u8| {
        matches!(
            b,
            b'@' | b'{' | b'}' | b'<' | b'>' | b'=' | b'_' | b'*' | b':' | b'?'
        )
    };
    if (6..=160).contains(&value.len())
        && longest >= 3
        && value.iter().any(u8::is_ascii_digit)
        && value.contains(&b' ')
        && !value.iter().any(odd)
    {
        found.add(DataClass::Address, value, true, seed);
    }
}

/// A value under a name that says date of birth.
pub(super) fn birth_date(value: &[u8], seed: Seed, found: &mut Found) {
    if is_date(value) {
        found.add(DataClass::BirthDate, value, true, seed);
    }
}

/// A value under a name that says part of a person's name.
pub(super) fn person(value: &[u8], seed: Seed, found: &mut Found) {
    let letters = value
        .iter()
        .filter(|b| b.is_ascii_alphabetic() || **b >= 0x80)
        .count();
    let plain = value
        .iter()
        .all(|b| b.is_ascii_alphabetic() || *b >= 0x80 || matches!(b, b' ' | b'\'' | b'-' | b'.' | b','));
    let nobody = [
        b"null".as_slice(),
        b"none",
        b"unknown",
        b"anonymous",
        b"undefined",
        b"string",
        b"test",
        b"true",
        b"false",
        b"n.a.",
        b"required",
    ];
    if (2..=80).contains(&value.len())
        && letters >= 2
        && plain
        && !nobody.iter().any(|word| value.eq_ignore_ascii_case(word))
    {
        found.add(DataClass::PersonName, value, true, seed);
    }
}

/// A value under a name that says address of a machine: one that others can reach, as those within a network or in
/// documents stand for nobody.
pub(super) fn machine(value: &[u8], seed: Seed, found: &mut Found) {
    let Some(address) = std::str::from_utf8(value).ok().and_then(|t| t.parse().ok()) else {
        return;
    };
    let reached = match address {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_documentation()
                || ip.is_multicast()
                || ip.is_unspecified()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && matches!(b, 18 | 19)))
        }
        // Global unicast, without documentation.
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000 && ip.segments()[..2] != [0x2001, 0xdb8],
    };
    if reached {
        found.add(DataClass::IpAddress, value, true, seed);
    }
}

/// Whether a text is a day between 1900 and 2099, with or without a time behind it.
fn is_date(text: &[u8]) -> bool {
    let day = text.split(|b| matches!(b, b'T' | b' ')).next().unwrap_or(text);
    let number = |part: &[u8]| {
        let plain = (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        plain.then(|| part.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let parts = if day.len() == 8 && day.iter().all(u8::is_ascii_digit) {
        [number(&day[..4]), number(&day[4..6]), number(&day[6..])]
    } else {
        let Some(sign) = day.iter().find(|b| matches!(b, b'-' | b'/' | b'.')) else {
            return false;
        };
        let mut split = day.split(|b| b == sign);
        let mut part = || split.next().and_then(number);
        let parts = [part(), part(), part()];
        if split.next().is_some() {
            return false;
        }
        parts
    };
    let (Some(a), Some(b), Some(c)) = (parts[0], parts[1], parts[2]) else {
        return false;
    };
    let days = |month: u32, day: u32| (1..=12).contains(&month) && (1..=31).contains(&day);
    match (a, c) {
        (1900..=2099, _) => days(b, c),
        (_, 1900..=2099) => days(a, b) || days(b, a),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_that_there_are() {
        for text in [
            "1980-02-29",
            "02/29/1980",
            "29.02.1980",
            "19800229",
            "1980-02-29T00:00:00Z",
        ] {
            assert!(is_date(text.as_bytes()), "{text}");
        }
        for text in [
            "1980-13-01",
            "80-02-01",
            "1.2.3",
            "19801301",
            "",
            "1980",
            "1980-01-01-01",
            "T",
        ] {
            assert!(!is_date(text.as_bytes()), "{text}");
        }
    }
}
