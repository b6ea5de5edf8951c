//! Where a body ends: RFC 9112 section 6.3, in its order, with every departure named.

use crate::exchange::{Ambiguities, Head};

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    None,
    /// That many bytes.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunked,
    /// Until the connection closes.
    Close,
}

/// What Content-Length and Transfer-Encoding say.
struct Declared {
    length: Option<u64>,
    chunked: bool,
    other_coding: bool,
}

/// Framing of a request body.
pub(crate) fn request(head: &Head, minor: u8, ambiguities: &mut Ambiguities) -> Framing {
    let declared = declared(head, minor, ambiguities);
    if declared.chunked {
        Framing::Chunked
    } else if let Some(length) = declared.length {
        length_or_none(length)
    } else {
        // A request without either has no body (rule 7); with another coding only it cannot be framed
        // (rule 4), and receivers refuse it.
        Framing::None
    }
}

/// Framing of a response body. `method` is the request's, where it is known.
pub(crate) fn response(
    head: &Head,
    minor: u8,
    status: u16,
    method: Option<&str>,
    ambiguities: &mut Ambiguities,
) -> Framing {
    if (100..200).contains(&status) || status == 204 || status == 304 || method == Some("HEAD") {
        return Framing::None;
    }
    if method == Some("CONNECT") && (200..300).contains(&status) {
        return Framing::None;
    }
    let declared = declared(head, minor, ambiguities);
    if declared.chunked {
        Framing::Chunked
    } else if declared.other_coding {
        Framing::Close
    } else if let Some(length) = declared.length {
        length_or_none(length)
    } else {
        Framing::Close
    }
}

fn length_or_none(length: u64) -> Framing {
    if length == 0 {
        Framing::None
    } else {
        Framing::Length(length)
    }
}

fn declared(head: &Head, minor: u8, ambiguities: &mut Ambiguities) -> Declared {
    let mut found = Declared {
        length: None,
        chunked: false,
        other_coding: false,
    };
    let mut coded = false;
    let mut length_seen = false;
    for value in head.named("content-length") {
        length_seen = true;
        read_length(value, &mut found, ambiguities);
    }
    for value in head.named("transfer-encoding") {
        if coded {
            ambiguities.insert(Ambiguities::CODING_MALFORMED);
        }
        coded = true;
        read_coding(value, &mut found, ambiguities);
    }
    if coded && minor != 1 {
        // RFC 9112 section 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing. Receivers that know
        // chunked read it all the same.
        ambiguities.insert(Ambiguities::CODING_IN_HTTP10);
    }
    if coded && length_seen {
        ambiguities.insert(Ambiguities::LENGTH_AND_CODING);
    }
    found
}

fn read_length(value: &str, found: &mut Declared, ambiguities: &mut Ambiguities) {
    /// Digits of which every number is in range.
    const SAFE: usize = 18;
    let is_plain = (1..=SAFE).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    if is_plain && found.length.is_none() {
        // Nearly every length there is.
        found.length = Some(value.bytes().fold(0, |n, b| n * 10 + u64::from(b - b'0')));
        return;
    }
    for part in value.split(',') {
        let part = part.trim();
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain {
            ambiguities.insert(Ambiguities::LENGTH_MALFORMED);
        }
        // A tolerant receiver reads the digits in front, as strtoul does.
        let digits: &str = {
            let part = part.strip_prefix('+').unwrap_or(part);
            let end = part
                .bytes()
                .position(|b| !b.is_ascii_digit())
                .unwrap_or(part.len());
            &part[..end]
        };
        // Receivers keep lengths in 63 bits and refuse larger ones. One that goes on all the same has overflowed, and reads
        // what follows as the next message.
        let Some(length) = digits.parse::<u64>().ok().filter(|l| *l <= i64::MAX as u64) else {
            ambiguities.insert(Ambiguities::LENGTH_MALFORMED);
            continue;
        };
        match found.length {
            None => found.length = Some(length),
            Some(first) if first != length => ambiguities.insert(Ambiguities::LENGTHS_DIFFER),
            Some(_) => {}
        }
    }
}

fn read_coding(value: &str, found: &mut Declared, ambiguities: &mut Ambiguities) {
    let mut parts = value
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .peekable();
    if parts.peek().is_none() {
        ambiguities.insert(Ambiguities::CODING_MALFORMED);
    }
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        if part.eq_ignore_ascii_case("chunked") {
            if !last || found.chunked {
                ambiguities.insert(Ambiguities::CODING_MALFORMED);
            }
            found.chunked = true;
        } else if part.eq_ignore_ascii_case("identity") {
            // Removed by RFC 7230; means nothing.
            ambiguities.insert(Ambiguities::CODING_MALFORMED);
        } else if ["gzip", "x-gzip", "deflate", "compress", "x-compress"]
            .iter()
            .any(|c| part.eq_ignore_ascii_case(c))
        {
            found.other_coding = true;
        } else {
            // `xchunked`, `chunked;q=1`, `"chunked"`: some receivers see chunked in them, most do not.
            ambiguities.insert(Ambiguities::CODING_MALFORMED);
        }
    }
}
