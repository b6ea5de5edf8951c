//! What one path segment is, by its form alone: a word of the route, an id, or something nobody should
//! read.
//!
//! Nothing is shown because it does not look like a secret; it is shown because it is known to be none:
//! words of a route (`words`), versions, numbers, dates, addresses, and ids in a standard form.
//! Whatever else stands in a segment is its kind in braces. A segment with signs in it is taken apart where
//! routes have signs (`Keys('…')`, `a:verb`, `report.pdf`) and its pieces are judged one by one; signs
//! anywhere else make it a token.
//!
//! Both the redaction of targets and the templates of endpoints ask here, so what one hides the other
//! never shows.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::form::{LONGEST, compound, is_version, shape, whole};
use super::words;

/// What a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// A name with digits, a code in capitals, a few letters that are no word: `ord_1a2b3c`, `SKU-00123`,
    /// `GBP-EUR`. May be a password as well as an id.
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
            | Self::Ip => false,
            Self::Slug
            | Self::Hex
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

/// Words after which a segment is a secret even when it has the form of an id.
const BEFORE_SECRET: [&str; 30] = [
    "reset",
    "reset-password",
    "password-reset",
    "password",
    "passwd",
    "pw",
    "pin",
    "otp",
    "code",
    "token",
    "tokens",
    "access-token",
    "access_token",
    "verify",
    "verification",
    "invite",
    "invites",
    "invitation",
    "confirm",
    "activate",
    "magic",
    "unsubscribe",
    "hook",
    "hooks",
    "webhook",
    "secret",
    "key",
    "apikey",
    "api-key",
    "api_key",
];

/// Words after which a number of so many digits is somebody's, though it has no form of its own: a telephone number or
/// a social security number without signs, a card number with a digit mistyped.
const BEFORE_PERSONAL: [(&str, Segment, RangeInclusive<usize>); 24] = [
    ("ssn", Segment::Ssn, 9..=9),
    ("ssns", Segment::Ssn, 9..=9),
    ("social-security", Segment::Ssn, 9..=9),
    ("social-security-number", Segment::Ssn, 9..=9),
    ("social_security_number", Segment::Ssn, 9..=9),
    ("taxpayer", Segment::Ssn, 9..=9),
    ("tel", Segment::Phone, 7..=15),
    ("phone", Segment::Phone, 7..=15),
    ("phones", Segment::Phone, 7..=15),
    ("phone-number", Segment::Phone, 7..=15),
    ("phone_number", Segment::Phone, 7..=15),
    ("phone-numbers", Segment::Phone, 7..=15),
    ("phonenumber", Segment::Phone, 7..=15),
    ("telephone", Segment::Phone, 7..=15),
    ("mobile", Segment::Phone, 7..=15),
    ("msisdn", Segment::Phone, 7..=15),
    ("sms", Segment::Phone, 7..=15),
    ("whatsapp", Segment::Phone, 7..=15),
    ("pan", Segment::Card, 12..=19),
    ("card-number", Segment::Card, 12..=19),
    ("card_number", Segment::Card, 12..=19),
    ("cardnumber", Segment::Card, 12..=19),
    ("creditcard", Segment::Card, 12..=19),
    ("credit-card", Segment::Card, 12..=19),
];

/// Words that end in digits and that a route may have below such a word.
const NO_SECRETS: [&str; 4] = ["oauth1", "oauth2", "base32", "base64"];

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
    if is_word(text, before) {
        return Segment::Literal; // The most common case by far.
    }
    placed(by_form(text), text, before)
}

/// Whom a segment is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// For a target: ids stay.
    Ids,
    /// For a template: ids become their kind.
    Kinds,
}

/// Appends what may be shown of a decoded segment, and says what it is. Only a literal is appended whole in
/// either case.
pub fn show(text: &str, before: &str, how: Show, out: &mut String) -> Segment {
    if is_word(text, before) {
        out.push_str(text);
        return Segment::Literal;
    }
    let whole = whole(text);
    let formed = whole.unwrap_or_else(|| composite(text));
    let kind = placed(formed, text, before);
    let start = out.len();
    if kind == Segment::Literal {
        out.push_str(text);
        return kind;
    }
    let mut shown = false;
    let apart = whole.is_none()
        && kind == formed
        && pieces(text, &mut |piece| match piece {
            Piece::Sign(sign) => out.push_str(sign),
            Piece::Word(word, left) => {
                let kind = classify(word, if left.is_empty() { before } else { left });
                shown |= !kind.is_private();
                push(kind, word, how, out);
            }
            Piece::Ending(ending) => {
                shown = true;
                out.push_str(ending);
            }
            Piece::Value(value, left) => {
                shown = true;
                match classify(value, left) {
                    Segment::Literal => out.push_str(Segment::Literal.placeholder()),
                    kind => push(kind, value, how, out),
                }
            }
        });
    if !apart {
        out.truncate(start);
        push(kind, text, how, out);
    } else if !shown {
        out.truncate(start);
        out.push_str(Segment::Token.placeholder());
    }
    kind
}

fn push(kind: Segment, text: &str, how: Show, out: &mut String) {
    let open = match how {
        Show::Ids => !kind.is_private(),
        Show::Kinds => kind == Segment::Literal,
    };
    out.push_str(if open { text } else { kind.placeholder() });
}

fn is_word(text: &str, before: &str) -> bool {
    words::is_word(text.as_bytes()) && !(is_hex_word(text) && is_before_secret(before))
}

/// Letters that are hexadecimal digits too. Few words are made of them (`decade`), many codes.
fn is_hex_word(text: &str) -> bool {
    text.len() >= 6 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a segment is where it stands.
fn placed(kind: Segment, text: &str, before: &str) -> Segment {
    match kind {
        // A code to be typed in has four digits or more.
        Segment::Int | Segment::Float | Segment::Date | Segment::DateTime
            if text.len() >= 4 && is_before_secret(before) =>
        {
            Segment::Token
        }
        Segment::Int if text.len() >= 7 => number(text, before),
        Segment::Slug | Segment::ObjectId | Segment::Ulid | Segment::Uuid
            if text.len() >= 6 && is_before_secret(before) =>
        {
            Segment::Token
        }
        // `hunter2` is a word with a number elsewhere; here it is what was chosen as a secret.
        Segment::Literal
            if text.len() >= 6
                && (is_hex_word(text) || text.bytes().any(|b| b.is_ascii_digit()))
                && is_before_secret(before)
                && !is_version(text)
                && !NO_SECRETS.iter().any(|w| text.eq_ignore_ascii_case(w)) =>
        {
            Segment::Token
        }
        // Four words in a row where a secret is awaited are a phrase to remember one by.
        Segment::Literal
            if text.bytes().filter(|b| matches!(b, b'-' | b'_' | b'.')).count() >= 3
                && is_before_secret(before) =>
        {
            Segment::Token
        }
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

/// What a long number is, by the word before it.
fn number(text: &str, before: &str) -> Segment {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    BEFORE_PERSONAL
        .iter()
        .find(|(word, _, range)| range.contains(&digits) && before.eq_ignore_ascii_case(word))
        .map_or(Segment::Int, |(_, kind, _)| *kind)
}

fn is_before_secret(before: &str) -> bool {
    BEFORE_SECRET.iter().any(|w| before.eq_ignore_ascii_case(w))
}

/// A part of a segment that has signs in it.
enum Piece<'a> {
    /// A sign, shown.
    Sign(&'a str),
    /// A name, with the name to its left; shown when it is a word of the route.
    Word(&'a str, &'a str),
    /// The ending of a file's name, with its dot; shown.
    Ending(&'a str),
    /// An argument, with the name it belongs to: never a word of the route.
    Value(&'a str, &'a str),
}

/// Takes a segment apart at signs that routes are made with; false when it has signs anywhere else.
fn pieces<'a>(text: &'a str, each: &mut impl FnMut(Piece<'a>)) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let bytes = text.as_bytes();
    let Some(sign) = bytes.iter().position(|b| !plain(b)) else {
        let Some((stem, ending)) = file(text) else {
            return false;
        };
        each(Piece::Word(stem, ""));
        each(Piece::Ending(ending));
        return true;
    };
    let (left, right) = (&text[..sign], &text[sign + 1..]);
    match bytes[sign] {
        b'*' if bytes.len() == 1 => each(Piece::Sign(text)),
        // `$metadata`, `@me`, `~ann`
        b'$' | b'@' | b'~' if sign == 0 && !right.is_empty() && right.bytes().all(|b| plain(&b)) => {
            each(Piece::Sign(&text[..1]));
            each(Piece::Word(right, ""));
        }
        // `tasks:cancel`, `1,2,3`
        b':' | b',' => {
            let (mut from, mut name) = (0, "");
            for (at, byte) in bytes.iter().enumerate() {
                match byte {
                    b':' | b',' if at > from => {
                        each(Piece::Word(&text[from..at], name));
                        each(Piece::Sign(&text[at..=at]));
                        (from, name) = (at + 1, &text[from..at]);
                    }
                    b if plain(b) => {}
                    _ => return false,
                }
            }
            if from == bytes.len() {
                return false;
            }
            each(Piece::Word(&text[from..], name));
        }
        // `Keys('ann')`, `Items(Id=1,Lang='en')`
        b'(' if sign > 0 && bytes.last() == Some(&b')') => {
            each(Piece::Word(left, ""));
            each(Piece::Sign("("));
            for (number, argument) in parts(&right[..right.len() - 1], b',').enumerate() {
                if number > 0 {
                    each(Piece::Sign(","));
                }
                let (mut name, mut value) = (left, argument);
                if let Some((key, after)) = once(argument, b'=') {
                    if key.is_empty() || !key.bytes().all(|b| plain(&b)) {
                        return false;
                    }
                    each(Piece::Word(key, left));
                    each(Piece::Sign("="));
                    (name, value) = (key, after);
                }
                let quoted = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
                if quoted.is_some() {
                    each(Piece::Sign("'"));
                }
                match quoted.unwrap_or(value) {
                    "" => {}
                    value => each(Piece::Value(value, name)),
                }
                if quoted.is_some() {
                    each(Piece::Sign("'"));
                }
            }
            each(Piece::Sign(")"));
        }
        _ => return false,
    }
    true
}

/// A file's name and its ending, with the dot.
fn file(text: &str) -> Option<(&str, &str)> {
    const LONGER: [&str; 10] = [
        ".mp3", ".mp4", ".7z", ".bz2", ".html", ".xhtml", ".jsonl", ".ndjson", ".parquet", ".proto",
    ];
    let dot = memchr::memrchr(b'.', text.as_bytes())?;
    let (stem, ending) = text.split_at(dot);
    let known = (3..=5).contains(&ending.len()) && ending[1..].bytes().all(|b| b.is_ascii_lowercase());
    (!stem.is_empty() && (known || LONGER.contains(&ending))).then_some((stem, ending))
}

/// Splits off the verb of `tasks/42:cancel`, which belongs to the route.
#[must_use]
pub(crate) fn verb(text: &str) -> (&str, Option<&str>) {
    match memchr::memrchr(b':', text.as_bytes()).map(|at| (&text[..at], &text[at + 1..])) {
        Some((head, verb))
            if !head.is_empty()
                && (1..=32).contains(&verb.len())
                && verb.bytes().all(|b| b.is_ascii_alphabetic())
                && classify(verb, head) == Segment::Literal =>
        {
            (head, Some(verb))
        }
        _ => (text, None),
    }
}

fn by_form(text: &str) -> Segment {
    whole(text).unwrap_or_else(|| composite(text))
}

/// What a text of letters, digits and signs is: the route's when all parts are, else what the first part is that
/// is not.
fn composite(text: &str) -> Segment {
    let s = shape(text);
    let signs = s.other > 0 || text.contains('~');
    if !signs && file(text).is_none() {
        return compound(text, &s);
    }
    if text.len() > LONGEST && signs {
        return Segment::Token;
    }
    let (mut open, mut private) = (Segment::Literal, None);
    let apart = pieces(text, &mut |piece| {
        let kind = match piece {
            Piece::Sign(_) | Piece::Ending(_) => Segment::Literal,
            Piece::Word(word, left) => classify(word, left),
            Piece::Value(value, left) => match classify(value, left) {
                Segment::Literal => Segment::Slug,
                kind => kind,
            },
        };
        if kind.is_private() {
            private.get_or_insert(kind);
        } else if open == Segment::Literal {
            open = kind;
        }
    });
    match private {
        Some(kind) if apart => kind,
        None if apart && (!signs || words::are_words(text.as_bytes())) => open,
        _ => Segment::Token,
    }
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
            ("shop.v1.Orders", Segment::Literal),
            ("google.pubsub.v1beta2.Publisher", Segment::Literal),
            ("xqzvbnkt.v1.pfwqzrtd", Segment::Token),
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
            ("1.4.0-rc.1", Segment::Literal),
            ("v9-hhejoMcjyjnxu7r_wT2B", Segment::Token),
            ("v1.4111-1111-1111-1111", Segment::Card),
            ("user_4111111111111111", Segment::Card),
            ("4111111111111111.pdf", Segment::Card),
            ("DE89370400440532013000.pdf", Segment::Iban),
            ("219-09-9999.txt", Segment::Ssn),
            ("SSN-219-09-9999", Segment::Ssn),
            ("xyzzyqwertyuiopasdfghjkl", Segment::Token),
            ("Summer2024!", Segment::Token),
            ("a!b", Segment::Token),
            ("$metadata", Segment::Literal),
            ("message:send", Segment::Literal),
            ("42:cancel", Segment::Int),
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
        assert_eq!(classify("4821", "pin"), Segment::Token);
        assert_eq!(classify("48213", "OTP"), Segment::Token);
        assert_eq!(classify("1990-05-17", "password"), Segment::Token);
        assert_eq!(classify("7", "pin"), Segment::Int);
        assert_eq!(classify("4821", "orders"), Segment::Int);
        assert_eq!(classify("correct-horse-battery-staple", "reset"), Segment::Token);
        assert_eq!(classify("ab12cd34", "orders"), Segment::Slug);
    }

    #[test]
    fn segments_with_signs_are_taken_apart() {
        // Segment, what a target shows, what a template shows.
        for (text, ids, kinds) in [
            ("orders", "orders", "orders"),
            ("42", "42", "{int}"),
            ("ord_1a2b3c", "{slug}", "{slug}"),
            ("42:cancel", "42:cancel", "{int}:cancel"),
            ("Users(42)", "Users(42)", "Users({int})"),
            ("Users('ann')", "Users('{param}')", "Users('{param}')"),
            (
                "Items(Id=1,Lang='en')",
                "Items(Id=1,Lang='{param}')",
                "Items(Id={int},Lang='{param}')",
            ),
            (
                "Keys('ghp_16C7e42F292c6912E7710c838347Ae178B4a')",
                "Keys('{token}')",
                "Keys('{token}')",
            ),
            (
                "bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw7",
                "{token}",
                "{token}",
            ),
            (
                "token:tok_1MqLiJLkdIwHu7ixraBm2Qz9",
                "token:{token}",
                "token:{token}",
            ),
            ("4111111111111111.pdf", "{card}.pdf", "{card}.pdf"),
            ("4711.json", "4711.json", "{int}.json"),
            ("@me", "@me", "@me"),
            ("$metadata", "$metadata", "$metadata"),
            ("user,Summer2024!", "{token}", "{token}"),
            ("Keys('x'", "{token}", "{token}"),
            ("*", "*", "*"),
        ] {
            for (how, want) in [(Show::Ids, ids), (Show::Kinds, kinds)] {
                let mut out = "/".to_owned();
                show(text, "x", how, &mut out);
                assert_eq!(out[1..], *want, "{text} {how:?}");
            }
        }
    }

    #[test]
    fn the_word_before_decides_where_the_form_cannot() {
        for (before, text, want) in [
            ("token", "cafebabe12", Segment::Token),
            ("token", "deadbeef", Segment::Token),
            ("reset", "abcdef", Segment::Token),
            ("Password", "hunter2", Segment::Token),
            ("pin", "4711", Segment::Token),
            ("tokens", "oauth2", Segment::Literal),
            ("tokens", "revoke", Segment::Literal),
            ("token", "v2beta1", Segment::Literal),
            ("users", "hunter2", Segment::Literal),
            ("shops", "facade", Segment::Literal),
            ("ssn", "219099999", Segment::Ssn),
            ("ssn", "21909999", Segment::Int),
            ("orders", "219099999", Segment::Int),
            ("Phone", "4915123456789", Segment::Phone),
            ("msisdn", "491512345", Segment::Phone),
            ("phones", "12", Segment::Int),
            ("card-number", "4111111111111112", Segment::Card),
        ] {
            assert_eq!(classify(text, before), want, "{before}/{text}");
            let mut out = String::new();
            assert_eq!(show(text, before, Show::Ids, &mut out), want);
            assert_eq!(out != text, want.is_private(), "{before}/{text}: {out}");
        }
    }

    #[test]
    fn decoding_sees_through_two_layers() {
        assert_eq!(decode("a%2540b.example"), "a@b.example");
        assert_eq!(decode("50%"), "50%");
        assert_eq!(decode("%ff"), "\u{ff}");
    }
}
