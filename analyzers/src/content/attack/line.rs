//! Lines: a value that ends the line it is written into, and goes on as a line of a log or as a field of a head.
//!
//! Sources: CWE-117, CWE-93, CWE-113. A line break alone is no attack: people write in lines. What follows it must have the form of
//! what the file or the protocol is made of.

use super::{Attack, Class, Text, words};
use crate::content::inputs::Place;

/// Words that say how much a line of a log matters.
const LEVELS: [&[u8]; 18] = [
    b"error",
    b"err",
    b"warn",
    b"warning",
    b"info",
    b"notice",
    b"debug",
    b"trace",
    b"fatal",
    b"critical",
    b"crit",
    b"alert",
    b"emerg",
    b"severe",
    b"audit",
    b"security",
    b"success",
    b"fail",
];

/// Fields that change what a client does with an answer.
const FIELDS: [&[u8]; 14] = [
    b"set-cookie",
    b"location",
    b"content-type",
    b"content-length",
    b"transfer-encoding",
    b"refresh",
    b"link",
    b"host",
    b"cookie",
    b"x-forwarded-for",
    b"access-control-allow-origin",
    b"bcc",
    b"cc",
    b"x-xss-protection",
];

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let (raw, low) = (text.raw, text.low);
    let found = |form| Some(Attack::new(Class::Log, form));
    // U+560A and U+560D end in the bytes of a line break for encoders that keep the low byte.
    if text.place.is_one_line() && super::has(raw, "嘊".as_bytes()) && super::has(raw, "嘍".as_bytes()) {
        return found("header");
    }
    let at = low.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
    let first = &raw[..at];
    // Texts of several lines are usual where texts are sent.
    let strict = !text.place.is_one_line() || text.place == Place::File;
    if words(first) > 6 || raw.len() > 512 {
        return None;
    }
    if strict && (first.contains(&b' ') || first.len() > 64 || words(raw) > 16) {
        return None;
    }
    // `carl` is what a program asked for; `Agenda` is what a person writes.
    let plain = !first.iter().any(u8::is_ascii_uppercase);
    let mut lines = 0;
    let rest = raw[at..]
        .split(|b| matches!(b, b'\n' | b'\r'))
        .filter(|l| !l.is_empty());
    for line in rest.take(6) {
        lines += 1;
        let low = line.to_ascii_lowercase();
        if is_head(&low) {
            return found("header");
        }
        if is_entry(line, &low, strict, strict && !plain) {
            return found("entry");
        }
        if strict && lines > 2 {
            break;
        }
    }
    None
}

/// A line of a head, of HTTP or of a mail.
fn is_head(low: &[u8]) -> bool {
    let low = low.trim_ascii_start();
    if low.starts_with(b"http/1.") && low.len() >= 12 && low[9].is_ascii_digit() {
        return true;
    }
    if let Some(at) = memchr::memmem::find(low, b" http/1.") {
        // A request of its own behind the first one.
        let method = low.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        return (3..=7).contains(&method) && at > method;
    }
    let Some(colon) = memchr::memchr(b':', &low[..low.len().min(40)]) else {
        return false;
    };
    FIELDS.contains(&low[..colon].trim_ascii_end())
}

/// A line of a log.
fn is_entry(line: &[u8], low: &[u8], strict: bool, personal: bool) -> bool {
    let line = line.trim_ascii_start();
    let low = low.trim_ascii_start();
    let open = |b: &u8| matches!(b, b'[' | b'<' | b'(' | b'*' | b'#' | b'-' | b'=' | b'|' | b' ');
    let skip = low.iter().take_while(|b| open(b)).count();
    let word = low[skip..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let level = LEVELS.contains(&&low[skip..skip + word]);
    let behind = low.get(skip + word);
    if level && word > 0 {
        let loud = line[skip..skip + word].iter().all(u8::is_ascii_uppercase);
        let signed = behind.is_some_and(|b| matches!(b, b']' | b':' | b'>' | b'|' | b'-' | b'='));
        if signed && (loud || !strict) || loud && behind == Some(&b' ') && words(&line[skip + word..]) > 0 {
            return true;
        }
    }
    if !personal && is_stamp(&low[skip..]) {
        return true;
    }
    // `<34>Oct 11`, the priority of syslog.
    if let Some(rest) = line.strip_prefix(b"<") {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if (1..=3).contains(&digits) && rest.get(digits) == Some(&b'>') {
            return true;
        }
    }
    // `type=AUDIT msg=…`, `level=info user=…`, `{"level":…`
    if low.starts_with(b"{\"level\"")
        || low.starts_with(b"level=")
        || low.starts_with(b"type=") && super::has(low, b" msg=")
    {
        return true;
    }
    // `SIGNIN: user …`: a name in capitals that begins a line.
    let capitals = line
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || matches!(**b, b'_' | b' ' | b'-'))
        .count();
    !strict
        && (3..=40).contains(&capitals)
        && line.get(capitals) == Some(&b':')
        && line.get(capitals + 1) == Some(&b' ')
        && line[..capitals].iter().filter(|b| b.is_ascii_uppercase()).count() >= 3
}

/// A date or a time that a line of a log begins with, or an address.
fn is_stamp(low: &[u8]) -> bool {
    let shape: Vec<u8> = low
        .iter()
        .take(24)
        .map(|b| if b.is_ascii_digit() { b'0' } else { *b })
        .collect();
    let begins = |form: &[u8]| shape.starts_with(form);
    if begins(b"0000-00-00t00:")
        || begins(b"0000-00-00 00:")
        || begins(b"00/00/0000 00:")
        || begins(b"00:00:00")
        || begins(b"0000/00/00 00:")
    {
        return true;
    }
    const MONTHS: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
    ];
    if MONTHS.iter().any(|m| shape.starts_with(m)) && super::has(&shape, b" 00:00:") {
        return true;
    }
    // `10.0.0.1 - - [`
    let end = low
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b'.')
        .count();
    end >= 7 && low[..end].iter().filter(|b| **b == b'.').count() == 3 && low[end..].starts_with(b" - ")
}
