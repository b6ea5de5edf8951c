//! The form of a text: counts of its characters, and what it is by them.
//!
//! [`super::segment`] decides what is looked at and what of it is shown; here a text is looked at by itself.

use super::segment::Segment;
use super::{checks, words};

/// Longest literal segment of a template.
pub(super) const LONGEST: usize = 64;

/// Route words that have digits in them, beyond those with one or two at their end.
const WORDS_WITH_DIGITS: [&str; 42] = [
    "sha256",
    "sha384",
    "sha512",
    "sha1",
    "md5sum",
    "ed25519",
    "x509",
    "iso8601",
    "iso3166",
    "rfc3339",
    "rfc7807",
    "utf16",
    "es256",
    "rs256",
    "hs256",
    "win32",
    "log4j",
    "log4net",
    "i18n",
    "l10n",
    "a11y",
    "g11n",
    "k8s",
    "a2a",
    "a2aservice",
    "b2b",
    "b2c",
    "c2c",
    "p2p",
    "p2m",
    "e2e",
    "m2m",
    "o365",
    "s3api",
    "base64url",
    "oauth2callback",
    "h264",
    "h265",
    "e164",
    "n8n",
    "d3js",
    "h2c",
];

/// Counts of character classes, gathered in one pass.
#[derive(Default)]
pub(super) struct Shape {
    lower: usize,
    upper: usize,
    digit: usize,
    hex: usize,
    dash: usize,
    /// Signs that routes have not within a word.
    pub(super) other: usize,
    turns: usize,
}

pub(super) fn shape(text: &str) -> Shape {
    let mut shape = Shape::default();
    let mut last = 0;
    for byte in text.bytes() {
        let class = match byte {
            b'a'..=b'z' => {
                shape.lower += 1;
                1
            }
            b'A'..=b'Z' => {
                shape.upper += 1;
                2
            }
            b'0'..=b'9' => {
                shape.digit += 1;
                3
            }
            b'-' | b'_' | b'.' | b'~' => {
                shape.dash += 1;
                4
            }
            _ => {
                shape.other += 1;
                5
            }
        };
        shape.hex += usize::from(byte.is_ascii_hexdigit());
        // A capital that begins a word (`getUser`) is no sign of randomness; the way back down is not counted.
        if last != 0 && class != last && !(last == 2 && class == 1) {
            shape.turns += 1;
        }
        last = class;
    }
    shape
}

/// What a text is that is one thing as a whole; nothing when it has to be looked at part by part.
pub(super) fn whole(text: &str) -> Option<Segment> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Some(Segment::Literal);
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Some(Segment::Control);
    }
    if has_email(text) {
        return Some(Segment::Email);
    }
    if is_jwt(text) {
        return Some(Segment::Jwt);
    }
    if bytes.len() > 128 {
        return Some(Segment::Long);
    }
    let s = shape(text);
    let len = bytes.len();
    if s.digit == len {
        return Some(if checks::card(bytes) {
            Segment::Card
        } else if len > 24 {
            Segment::Long
        } else {
            Segment::Int
        });
    }
    if s.lower + s.upper == 0
        && let Some(kind) = numeric(text, &s)
    {
        return Some(kind);
    }
    if is_uuid(bytes) {
        return Some(Segment::Uuid);
    }
    if len == 26 && bytes[0] <= b'7' && s.digit > 0 && is_crockford(bytes) {
        return Some(Segment::Ulid);
    }
    if is_version(text) {
        return Some(Segment::Literal);
    }
    if len >= 15 {
        let compact: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|b| *b != b' ' && *b != b'-')
            .collect();
        if checks::iban(&compact.to_ascii_uppercase()) == Some(compact.len()) {
            return Some(Segment::Iban);
        }
    }
    if s.digit > 0 && is_datetime(bytes) {
        return Some(Segment::DateTime);
    }
    if text.contains(':') && text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(Segment::Ip);
    }
    if s.hex == len && s.digit > 0 && len >= 16 {
        return Some(if len == 24 {
            Segment::ObjectId
        } else {
            Segment::Hex
        });
    }
    if has_key_prefix(text) {
        return Some(Segment::Token);
    }
    let odd = |b: &u8| !(b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(b));
    bytes.iter().any(odd).then_some(Segment::Name)
}

/// Whether a text is the name of a service with its version, as packages of gRPC have it (`shop.v1.Orders`).
fn is_service(text: &str) -> bool {
    let versions = text.split('.').filter(|part| is_version(part)).count();
    let words: Vec<&str> = text.split('.').filter(|part| !is_version(part)).collect();
    versions == 1
        && words.len() >= 2
        && text.len() <= LONGEST
        && words
            .iter()
            .all(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_'))
        && words::are_words(words.join(".").as_bytes())
}

/// What a text of parts between `-`, `_` and `.` is.
pub(super) fn compound(text: &str, s: &Shape) -> Segment {
    if is_service(text) {
        return Segment::Literal;
    }
    if let Some(kind) = account(text, s) {
        return kind;
    }
    if is_random(text, s) {
        return Segment::Token;
    }
    if text.len() > LONGEST {
        return Segment::Long;
    }
    if !words::are_words(text.as_bytes()) {
        return if s.lower + s.upper >= 16 {
            Segment::Token
        } else {
            Segment::Slug
        };
    }
    if has_id_part(text, s) {
        Segment::Slug
    } else {
        Segment::Literal
    }
}

/// Numbers of cards, bank accounts, people and telephones with something before or behind them.
pub(super) fn account(text: &str, s: &Shape) -> Option<Segment> {
    if s.digit < 9 {
        return None;
    }
    let bytes = text.as_bytes();
    for part in bytes.split(|b| !b.is_ascii_alphanumeric()) {
        if part.len() >= 15 && checks::iban(&part.to_ascii_uppercase()) == Some(part.len()) {
            return Some(Segment::Iban);
        }
    }
    for numbers in bytes.split(|b| b.is_ascii_alphabetic()) {
        let groups: Vec<&[u8]> = numbers
            .split(|b| !b.is_ascii_digit())
            .filter(|g| !g.is_empty())
            .collect();
        let lengths: Vec<usize> = groups.iter().map(|g| g.len()).collect();
        // Before a number others may stand: `v1.4111-1111-1111-1111`.
        let card = |from: usize| checks::card(groups[from]) || checks::card(&groups[from..].concat());
        if (0..groups.len()).any(card) {
            return Some(Segment::Card);
        }
        match lengths[..] {
            [.., 3, 2, 4] => return Some(Segment::Ssn),
            [.., 3, 3, 4] => return Some(Segment::Phone),
            _ => {}
        }
    }
    None
}

/// Digits with separators: dates, fractions, addresses, numbers of cards, people and telephones.
pub(super) fn numeric(text: &str, s: &Shape) -> Option<Segment> {
    let bytes = text.as_bytes();
    let digits: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii_digit).collect();
    if digits.is_empty() {
        return None;
    }
    if is_date(bytes) {
        return Some(Segment::Date);
    }
    if bytes.len() > 10 && is_datetime(bytes) {
        return Some(Segment::DateTime);
    }
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some(Segment::Ip);
    }
    let separators_only = bytes
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b' '));
    if separators_only && checks::card(&digits) {
        return Some(Segment::Card);
    }
    if bytes.len() == 11
        && matches!(bytes[3], b'-' | b' ' | b'.')
        && bytes[6] == bytes[3]
        && digits.len() == 9
    {
        return Some(Segment::Ssn);
    }
    let phone_signs = bytes.iter().all(|b| b.is_ascii_digit() || b"+-. ()".contains(b));
    let national = digits.len() == 10 && bytes.len() >= 12 && s.digit == 10;
    if phone_signs && ((bytes[0] == b'+' && (7..=15).contains(&digits.len())) || national) {
        return Some(Segment::Phone);
    }
    let number = text.strip_prefix('-').unwrap_or(text);
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Segment::Int);
    }
    let (whole, fraction) = number.split_once('.')?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (plain(whole) && plain(fraction)).then_some(Segment::Float)
}

/// An e-mail address anywhere in the text.
#[must_use]
fn has_email(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'@', bytes).any(|at| {
        let local = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || b"._+-".contains(&bytes[at - 1]));
        let domain = bytes[at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            .count();
        local && bytes[at + 1..at + 1 + domain].contains(&b'.')
    })
}

/// Two or more base64url parts joined by dots, the first of them a JSON object.
#[must_use]
pub(super) fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.len() > 16 && text.contains('.')
}

pub(super) fn is_uuid(b: &[u8]) -> bool {
    b.len() == 36
        && b.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_crockford(b: &[u8]) -> bool {
    let upper = b
        .iter()
        .all(|b| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(b)));
    let lower = b
        .iter()
        .all(|b| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"ilou".contains(b)));
    upper || lower
}

pub(super) fn is_date(b: &[u8]) -> bool {
    b.len() == 10 && b[4] == b'-' && b[7] == b'-' && {
        let two = |at: usize| (b[at].wrapping_sub(b'0')) * 10 + b[at + 1].wrapping_sub(b'0');
        let digits = [0, 1, 2, 3, 5, 6, 8, 9].iter().all(|at| b[*at].is_ascii_digit());
        digits && (1..=12).contains(&two(5)) && (1..=31).contains(&two(8))
    }
}

fn is_datetime(b: &[u8]) -> bool {
    b.len() > 13
        && is_date(&b[..10])
        && matches!(b[10], b'T' | b't' | b'_' | b' ')
        && b[11].is_ascii_digit()
        && b[11..]
            .iter()
            .all(|b| b.is_ascii_digit() || b":.+-Zz".contains(b))
}

/// `v2`, `v1.3`, `1.4.0`, `2024-11-05` is not one of them.
pub(super) fn is_version(text: &str) -> bool {
    let (body, need) = match text.strip_prefix(['v', 'V']) {
        Some(rest) => (rest, 0),
        None => (text, 2),
    };
    let (body, suffix) = body.split_at(body.find(['-', '+']).unwrap_or(body.len()));
    // `-rc.1`, `-SNAPSHOT`, `+build2`: a word, and a short number.
    let word = suffix.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let letters = word.get(1..).unwrap_or("");
    let plain = letters.bytes().all(|b| b.is_ascii_alphabetic()) && words::are_words(letters.as_bytes());
    if !plain || letters.len() > 12 || suffix.len() - word.len() > 4 {
        return false;
    }
    let body = body
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .strip_suffix("alpha")
        .or_else(|| {
            body.trim_end_matches(|c: char| c.is_ascii_digit())
                .strip_suffix("beta")
        })
        .unwrap_or(body);
    !body.is_empty()
        && body.matches('.').count() >= need
        && body.matches('.').count() <= 3
        && body
            .split('.')
            .all(|p| (1..=4).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
        && account(body, &shape(body)).is_none()
}

/// Prefixes that providers give to secrets.
#[must_use]
fn has_key_prefix(text: &str) -> bool {
    const PREFIXES: [&str; 30] = [
        "sk-",
        "sk_",
        "rk_",
        "pk_live",
        "AKIA",
        "ASIA",
        "ABIA",
        "ABSK",
        "AIza",
        "ya29.",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "xoxe",
        "xapp-",
        "hf_",
        "dapi",
        "dop_v1_",
        "npm_",
        "pypi-",
        "SG.",
        "hvs.",
        "gsk_",
        "whsec_",
    ];
    text.len() >= 16 && PREFIXES.iter().any(|p| text.starts_with(p))
}

/// Long strings in which kinds of characters change more often than in words put together.
pub(super) fn is_random(text: &str, s: &Shape) -> bool {
    let len = text.len();
    let classes = usize::from(s.lower > 0) + usize::from(s.upper > 0) + usize::from(s.digit > 0);
    if s.other > 0 || len < 12 {
        return false;
    }
    if classes == 3 && s.turns * 3 >= len {
        return true;
    }
    // `bill-december-2023` is words and a number; what counts is the longest part between separators.
    let longest = text
        .split(['-', '_', '.', '~'])
        .max_by_key(|p| p.len())
        .unwrap_or("");
    let part = shape(longest);
    longest.len() >= 16 && part.digit >= 2 && part.lower + part.upper >= 2 && part.turns * 4 >= longest.len()
        || longest.len() >= 20 && part.digit >= 4 && part.lower + part.upper >= 4 && part.turns >= 3
        || longest.len() >= 32 && (part.digit > 0 || part.turns * 4 >= longest.len())
}

pub(super) fn is_word_with_digits(text: &str) -> bool {
    WORDS_WITH_DIGITS.iter().any(|w| text.eq_ignore_ascii_case(w))
}

/// Whether a part of the text between separators looks like an id.
pub(super) fn has_id_part(text: &str, s: &Shape) -> bool {
    if s.digit == 0 || is_word_with_digits(text) {
        return false;
    }
    if s.digit >= 3 || (s.lower == 0 && s.upper > 0 && text.len() >= 3 && s.digit >= 1 && text.len() > 3) {
        return true;
    }
    text.split(['-', '_', '.']).any(|part| {
        let p = shape(part);
        if is_word_with_digits(part) {
            return false;
        }
        let mixed = p.digit > 0 && p.lower + p.upper > 0 && p.turns >= 2;
        mixed || (p.digit >= 2 && p.digit == part.len() && s.dash > 0)
    })
}

/// Whether this is a word, a number, or few enough letters and digits to be part of a machine's name.
#[must_use]
pub(super) fn is_short_code(text: &str) -> bool {
    let s = shape(text);
    let mixed = s.digit > 0 && s.lower + s.upper > 0;
    if mixed && text.len() >= 8 {
        return s.turns < 3 && s.hex < text.len() && words::are_words(text.as_bytes());
    }
    words::are_words(text.as_bytes())
}
