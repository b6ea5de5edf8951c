//! What one path segment is, by its form alone: a word of the route, an id, or something nobody should
//! read.
//!
//! Both the redaction of targets and the templates of endpoints ask here, so what one hides the other
//! never shows.

use std::borrow::Cow;

use super::checks;

/// What a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A word of the route, kept as it is; versions (`v2`, `1.4.0`) too.
    Literal,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Float,
    /// A UUID.
    Uuid,
    /// A ULID.
    Ulid,
    /// Twenty-four hexadecimal digits, as MongoDB makes them.
    ObjectId,
    /// A calendar date.
    Date,
    /// A date with a time.
    DateTime,
    /// An IP address.
    Ip,
    /// A name with digits, a code in capitals: `ord_1a2b3c`, `SKU-00123`, `GBP-EUR`.
    Slug,
    /// Sixteen or more hexadecimal digits.
    Hex,
    /// A long or random-looking string: may be a secret.
    Token,
    /// A JSON Web Token.
    Jwt,
    /// An e-mail address.
    Email,
    /// A payment card number.
    Card,
    /// A bank account number.
    Iban,
    /// A social security number.
    Ssn,
    /// A telephone number.
    Phone,
    /// Text with spaces, signs or letters outside ASCII: often somebody's or something's name.
    Name,
    /// Too long to be part of a route.
    Long,
    /// Control characters.
    Control,
}

impl Segment {
    /// The name in braces that stands for it in a template.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Literal => "{param}",
            Self::Int => "{int}",
            Self::Float => "{float}",
            Self::Uuid => "{uuid}",
            Self::Ulid => "{ulid}",
            Self::ObjectId => "{objectid}",
            Self::Date => "{date}",
            Self::DateTime => "{datetime}",
            Self::Ip => "{ip}",
            Self::Slug => "{slug}",
            Self::Hex => "{hex}",
            Self::Token => "{token}",
            Self::Jwt => "{jwt}",
            Self::Email => "{email}",
            Self::Card => "{card}",
            Self::Iban => "{iban}",
            Self::Ssn => "{ssn}",
            Self::Phone => "{phone}",
            Self::Name => "{name}",
            Self::Long => "{long}",
            Self::Control => "{control}",
        }
    }

    /// Whether the text itself must not be shown.
    #[must_use]
    pub fn is_private(self) -> bool {
        match self {
            Self::Literal
            | Self::Int
            | Self::Float
            | Self::Uuid
            | Self::Ulid
            | Self::ObjectId
            | Self::Date
            | Self::DateTime
            | Self::Ip
            | Self::Slug => false,
            Self::Hex
            | Self::Token
            | Self::Jwt
            | Self::Email
            | Self::Card
            | Self::Iban
            | Self::Ssn
            | Self::Phone
            | Self::Name
            | Self::Long
            | Self::Control => true,
        }
    }

    /// Whether it names an object rather than a place or a time: what a caller can walk through.
    #[must_use]
    pub fn is_object(self) -> bool {
        !matches!(
            self,
            Self::Literal | Self::Date | Self::DateTime | Self::Float | Self::Name | Self::Control
        )
    }
}

/// Longest literal segment of a template.
const LONGEST: usize = 64;

/// Words after which a segment is a secret even when it looks like a name with digits.
const BEFORE_SECRET: [&str; 18] = [
    "reset",
    "reset-password",
    "password-reset",
    "token",
    "tokens",
    "verify",
    "verification",
    "invite",
    "invites",
    "invitation",
    "confirm",
    "activate",
    "magic",
    "unsubscribe",
    "hooks",
    "webhook",
    "secret",
    "key",
];

/// Route words that have digits in them.
const WORDS_WITH_DIGITS: [&str; 14] = [
    "sha256", "sha512", "sha1", "ed25519", "x509", "iso8601", "rfc3339", "rfc7807", "utf16", "es256",
    "rs256", "hs256", "win32", "log4j",
];

/// The parts of a text between signs, as [`str::split`] gives them. Targets are short and have many parts, for which
/// looking at byte after byte takes less time than getting a search going.
pub(crate) fn parts(text: &str, sign: u8) -> impl Iterator<Item = &str> {
    debug_assert!(sign.is_ascii());
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match once(text, sign) {
            Some((part, after)) => {
                rest = Some(after);
                Some(part)
            }
            None => rest.take(),
        }
    })
}

/// What stands before and behind the first such sign, as [`str::split_once`] gives it.
pub(crate) fn once(text: &str, sign: u8) -> Option<(&str, &str)> {
    debug_assert!(sign.is_ascii());
    let at = text.bytes().position(|b| b == sign)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Percent-decoding, twice at most, since a proxy may have encoded what was encoded already.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%') {
        return Cow::Borrowed(text);
    }
    let once = decode_once(text);
    if once.contains('%') {
        Cow::Owned(decode_once(&once))
    } else {
        Cow::Owned(once)
    }
}

fn decode_once(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
        match (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| e.into_bytes().iter().map(|b| *b as char).collect())
}

/// What a decoded segment is; `before` is the segment to its left, empty at the start.
#[must_use]
pub fn classify(text: &str, before: &str) -> Segment {
    let kind = by_form(text);
    let coded = matches!(
        kind,
        Segment::Slug | Segment::Int | Segment::ObjectId | Segment::Ulid
    );
    let secret_place = BEFORE_SECRET.iter().any(|w| before.eq_ignore_ascii_case(w));
    match kind {
        _ if coded && text.len() >= 6 && secret_place => Segment::Token,
        // Routes are written in lower case; capitals below a lower-case word are a code: `/fx/GBP-EUR`.
        Segment::Literal
            if (3..=12).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b == b'-' || b == b'_')
                && before.bytes().any(|b| b.is_ascii_lowercase())
                && !is_version(before) =>
        {
            Segment::Slug
        }
        kind => kind,
    }
}

/// Counts of character classes, gathered in one pass.
#[derive(Default)]
struct Shape {
    lower: usize,
    upper: usize,
    digit: usize,
    hex: usize,
    dash: usize,
    other: usize,
    turns: usize,
}

fn shape(text: &str) -> Shape {
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

fn by_form(text: &str) -> Segment {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Segment::Literal;
    }
    if bytes.iter().all(u8::is_ascii_lowercase) && bytes.len() <= 24 {
        return Segment::Literal; // The most common case by far.
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Segment::Control;
    }
    if has_email(text) {
        return Segment::Email;
    }
    if is_jwt(text) {
        return Segment::Jwt;
    }
    if bytes.len() > 128 {
        return Segment::Long;
    }
    let s = shape(text);
    let len = bytes.len();
    if s.digit == len {
        return if checks::card(bytes) {
            Segment::Card
        } else if len > 24 {
            Segment::Long
        } else {
            Segment::Int
        };
    }
    if s.lower + s.upper == 0
        && let Some(kind) = numeric(text, &s)
    {
        return kind;
    }
    if is_uuid(bytes) {
        return Segment::Uuid;
    }
    if len == 26 && bytes[0] <= b'7' && s.digit > 0 && is_crockford(bytes) {
        return Segment::Ulid;
    }
    if is_version(text) {
        return Segment::Literal;
    }
    if len >= 15 {
        let compact: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|b| *b != b' ' && *b != b'-')
            .collect();
        if checks::iban(&compact.to_ascii_uppercase()) == Some(compact.len()) {
            return Segment::Iban;
        }
    }
    if s.digit > 0 && is_datetime(bytes) {
        return Segment::DateTime;
    }
    if text.contains(':') && text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Segment::Ip;
    }
    if s.hex == len && s.digit > 0 && len >= 16 {
        return if len == 24 {
            Segment::ObjectId
        } else {
            Segment::Hex
        };
    }
    if has_key_prefix(text) {
        return Segment::Token;
    }
    if bytes
        .iter()
        .any(|b| !(b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(b)))
    {
        return Segment::Name;
    }
    if is_random(text, &s) {
        return Segment::Token;
    }
    if len > LONGEST {
        return Segment::Long;
    }
    if has_id_part(text, &s) {
        Segment::Slug
    } else {
        Segment::Literal
    }
}

/// Digits with separators: dates, fractions, addresses, numbers of cards, people and telephones.
fn numeric(text: &str, s: &Shape) -> Option<Segment> {
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
pub fn has_email(text: &str) -> bool {
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
pub fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.len() > 16 && text.contains('.')
}

fn is_uuid(b: &[u8]) -> bool {
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

fn is_date(b: &[u8]) -> bool {
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
fn is_version(text: &str) -> bool {
    let (body, need) = match text.strip_prefix(['v', 'V']) {
        Some(rest) => (rest, 0),
        None => (text, 2),
    };
    let body = body.split(['-', '+']).next().unwrap_or("");
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
}

/// Prefixes that providers give to secrets.
#[must_use]
pub fn has_key_prefix(text: &str) -> bool {
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
fn is_random(text: &str, s: &Shape) -> bool {
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

/// Whether a part of the text between separators looks like an id.
fn has_id_part(text: &str, s: &Shape) -> bool {
    if s.digit == 0 || WORDS_WITH_DIGITS.iter().any(|w| text.eq_ignore_ascii_case(w)) {
        return false;
    }
    if s.digit >= 3 || (s.lower == 0 && s.upper > 0 && text.len() >= 3 && s.digit >= 1 && text.len() > 3) {
        return true;
    }
    text.split(['-', '_', '.']).any(|part| {
        let p = shape(part);
        let mixed = p.digit > 0 && p.lower + p.upper > 0 && p.turns >= 2;
        mixed || (p.digit >= 2 && p.digit == part.len() && s.dash > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_told_apart_by_form() {
        let cases: &[(&str, Segment)] = &[
            ("orders", Segment::Literal),
            ("v1", Segment::Literal),
            ("v1beta1", Segment::Literal),
            ("1.4.0", Segment::Literal),
            ("oauth2", Segment::Literal),
            ("base64", Segment::Literal),
            ("sha256", Segment::Literal),
            ("getCustomerAccountTransactionHistory", Segment::Literal),
            ("landlord-notices.txt", Segment::Literal),
            ("oauth-authorization-server", Segment::Literal),
            ("42", Segment::Int),
            ("-1", Segment::Int),
            ("3.14", Segment::Float),
            ("7d444840-9dc0-11d1-b245-5ffdce74fad2", Segment::Uuid),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Segment::Ulid),
            ("507f1f77bcf86cd799439011", Segment::ObjectId),
            ("d41d8cd98f00b204e9800998ecf8427e", Segment::Hex),
            ("2024-11-05", Segment::Date),
            ("2024-11-05T10:00:00Z", Segment::DateTime),
            ("10.0.0.1", Segment::Ip),
            ("2001:db8::1", Segment::Ip),
            ("ord_1a2b3c", Segment::Slug),
            ("SKU-00123", Segment::Slug),
            ("GID93G", Segment::Slug),
            ("ann_lee_5678", Segment::Slug),
            ("bill-december-2023-final-copy", Segment::Slug),
            ("dGhpcyBpcyBhIHNlY3JldA", Segment::Token),
            ("sk-proj-abcdefghijklmnop", Segment::Token),
            ("a8Kd93jLq0ZxPw72", Segment::Token),
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", Segment::Jwt),
            ("ann@example.com", Segment::Email),
            ("4111111111111111", Segment::Card),
            ("4111-1111-1111-1111", Segment::Card),
            ("GB82WEST12345698765432", Segment::Iban),
            ("536-22-8726", Segment::Ssn),
            ("+4915112345678", Segment::Phone),
            ("555-867-5309", Segment::Phone),
            ("Ann Lee", Segment::Name),
            ("a\u{1}b", Segment::Control),
        ];
        for (text, want) in cases {
            assert_eq!(classify(text, "x"), *want, "{text}");
        }
        assert_eq!(classify(&"long-words-".repeat(20), "x"), Segment::Long);
    }

    #[test]
    fn the_place_of_a_segment_counts() {
        assert_eq!(classify("FWVKIM", "reservations"), Segment::Slug);
        assert_eq!(classify("GBP-EUR", "fx-rates"), Segment::Slug);
        assert_eq!(classify("ORDERS", "API"), Segment::Literal);
        assert_eq!(classify("ab12cd34", "reset"), Segment::Token);
        assert_eq!(classify("ab12cd34", "orders"), Segment::Slug);
    }

    #[test]
    fn decoding_sees_through_two_layers() {
        assert_eq!(decode("a%2540b.example"), "a@b.example");
        assert_eq!(decode("50%"), "50%");
        assert_eq!(decode("%ff"), "\u{ff}");
    }
}
