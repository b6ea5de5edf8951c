//! What is kept of the values of a field: formats, words, lengths, magnitudes. Never a value that may be somebody's.
//!
//! Everything here is a sum, a least, a greatest or a set, so it does not depend on the order in which values come, and two of
//! it make one.

use serde::{Deserialize, Serialize};

use super::walk::Kind;
use crate::privacy::segment::{Segment, classify};

/// Words of an enumeration. One with more is a text.
pub(super) const WORDS: usize = 16;

/// Longest word of an enumeration.
const LONGEST_WORD: usize = 32;

/// Values before anything is said of a format.
const FORMAT_SEEN: u32 = 4;

/// Values before an enumeration is said to be one, and values for each of its words.
const WORDS_SEEN: u32 = 24;
const EACH_WORD_SEEN: u32 = 4;

/// The form of a text, by the names that OpenAPI and JSON Schema have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// RFC 3339 `full-date`.
    Date,
    /// RFC 3339 `date-time`.
    DateTime,
    /// A UUID.
    Uuid,
    /// An e-mail address.
    Email,
    /// An absolute URI.
    Uri,
    /// An address of IPv4.
    Ipv4,
    /// An address of IPv6.
    Ipv6,
    /// A JSON Web Token.
    Jwt,
    /// Digits alone: a number in quotes.
    Digits,
    /// A file of a form.
    Binary,
}

impl Format {
    /// Its name in records and in OpenAPI.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Uri => "uri",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Jwt => "jwt",
            Self::Digits => "digits",
            Self::Binary => "binary",
        }
    }

    /// The format of a text, when it has one.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let digits = |range: std::ops::Range<usize>| {
            text.get(range)
                .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
        };
        // Most texts have no format, and are passed by for what is not in them.
        let signs = text
            .iter()
            .fold(0, |signs, byte| signs | SIGNS[usize::from(*byte)]);
        match text {
            [] => None,
            _ if signs == DIGIT && text.len() <= 40 => Some(Self::Digits),
            [_, _, _, _, b'-', _, _, b'-', _, _, rest @ ..]
                if digits(0..4) && digits(5..7) && digits(8..10) =>
            {
                match rest {
                    [] => Some(Self::Date),
                    [b'T' | b't' | b' ', time @ ..] => is_time(time).then_some(Self::DateTime),
                    _ => None,
                }
            }
            _ if text.len() == 36 && is_uuid(text) => Some(Self::Uuid),
            _ if signs & (DOT | COLON | AT) == 0 => None,
            _ if text.starts_with(b"eyJ") && text.iter().filter(|b| **b == b'.').count() == 2 => {
                Some(Self::Jwt)
            }
            _ if signs & COLON != 0 && is_uri(text) => Some(Self::Uri),
            _ if signs == DIGIT | DOT && text.len() <= 15 && parsed::<std::net::Ipv4Addr>(text) => {
                Some(Self::Ipv4)
            }
            _ if signs & COLON != 0 && text.len() <= 45 && parsed::<std::net::Ipv6Addr>(text) => {
                Some(Self::Ipv6)
            }
            _ if signs & AT != 0 && is_email(text) => Some(Self::Email),
            _ => None,
        }
    }
}

/// What a byte of a text says about its format, as bits.
const SIGNS: [u8; 256] = {
    let mut signs = [OTHER; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        signs[digit as usize] = DIGIT;
        digit += 1;
    }
    signs[b'.' as usize] = DOT;
    signs[b':' as usize] = COLON;
    signs[b'@' as usize] = AT;
    signs
};
const DIGIT: u8 = 1;
const DOT: u8 = 2;
const COLON: u8 = 4;
const AT: u8 = 8;
const OTHER: u8 = 16;

fn parsed<T: std::str::FromStr>(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<T>().is_ok())
}

/// `hh:mm:ss`, a fraction, and a zone; without a zone it is no `date-time`, and yet called one everywhere.
fn is_time(text: &[u8]) -> bool {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else {
        return false;
    };
    let seconds = match rest {
        [b':', s1, s2, rest @ ..] if s1.is_ascii_digit() && s2.is_ascii_digit() => rest,
        rest => rest,
    };
    [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit())
        && seconds.len() <= 16
        && seconds
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b':' | b'Z' | b'z'))
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn is_uri(text: &[u8]) -> bool {
    let head = &text[..text.len().min(32)];
    let Some(colon) = head.windows(3).position(|three| three == b"://") else {
        return false;
    };
    colon > 0
        && text[0].is_ascii_alphabetic()
        && text[..colon]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
        && !text.iter().any(|b| b.is_ascii_whitespace())
}

fn is_email(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|b| *b == b'@') else {
        return false;
    };
    let (local, domain) = (&text[..at], &text[at + 1..]);
    let letter = |b: &u8| b.is_ascii_alphanumeric() || b"._%+-'".contains(b);
    text.len() <= 254
        && !local.is_empty()
        && local.iter().all(letter)
        && domain
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && domain
            .iter()
            .position(|b| *b == b'.')
            .is_some_and(|dot| dot > 0 && dot + 2 < domain.len())
}

/// The one format of many texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Formats {
    /// None had one.
    #[default]
    None,
    /// All that had one had this; so many.
    One(Format, u32),
    /// They differ.
    Mixed,
}

impl Formats {
    fn add(&mut self, format: Format, count: u32) {
        *self = match *self {
            Self::None => Self::One(format, count),
            Self::One(known, n) if known == format => Self::One(known, n.saturating_add(count)),
            _ => Self::Mixed,
        };
    }
}

/// The words of an enumeration, as far as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Words {
    /// No text was seen.
    #[default]
    None,
    /// These, sorted, with their counts.
    Few(Vec<(Box<str>, u32)>),
    /// More than [`WORDS`], or texts that may not be shown.
    Text,
}

impl Words {
    /// Counts a word that was met before.
    fn count_known(&mut self, text: &[u8]) -> bool {
        let Self::Few(words) = self else { return false };
        let known = words.iter_mut().find(|(known, _)| known.as_bytes() == text);
        if let Some((_, count)) = known {
            *count = count.saturating_add(1);
            return true;
        }
        false
    }

    fn add(&mut self, word: &str, count: u32) {
        if matches!(self, Self::None) {
            *self = Self::Few(Vec::with_capacity(1));
        }
        let Self::Few(words) = self else { return };
        match words.binary_search_by(|(known, _)| known.as_ref().cmp(word)) {
            Ok(at) => words[at].1 = words[at].1.saturating_add(count),
            Err(_) if words.len() >= WORDS => *self = Self::Text,
            Err(at) => {
                words.reserve_exact(1);
                words.insert(at, (word.into(), count));
            }
        }
    }
}

/// What is kept of the values of one field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Values {
    /// Texts seen.
    #[serde(rename = "n", default, skip_serializing_if = "is_default")]
    texts: u32,
    #[serde(rename = "f", default, skip_serializing_if = "is_default")]
    formats: Formats,
    #[serde(rename = "w", default, skip_serializing_if = "is_default")]
    words: Words,
    /// Least and greatest length of a text plus one, so that zero stands for none.
    #[serde(rename = "l", default, skip_serializing_if = "is_default")]
    length: (u16, u16),
    /// Least and greatest magnitude of a number, see [`magnitude`].
    #[serde(rename = "m", default, skip_serializing_if = "is_default")]
    magnitude: Option<(i8, i8)>,
    /// Least and greatest number of elements plus one.
    #[serde(rename = "s", default, skip_serializing_if = "is_default")]
    elements: (u16, u16),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Values {
    /// A value that is no object. `personal` is whether it may be somebody's by the name of its field.
    pub(super) fn add(&mut self, kind: Kind, text: &[u8], personal: impl FnOnce() -> bool) {
        match kind {
            Kind::String => {
                self.texts = self.texts.saturating_add(1);
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX).saturating_add(1);
                widen(&mut self.length, (length, length));
                if let Some(format) = Format::of(text) {
                    self.formats.add(format, 1);
                    self.words = Words::Text;
                } else if !matches!(self.words, Words::Text) && !self.words.count_known(text) {
                    match word(text).filter(|_| !personal()) {
                        Some(word) => self.words.add(word, 1),
                        None => self.words = Words::Text,
                    }
                }
            }
            Kind::Integer | Kind::Number => {
                if let Some(m) = magnitude(text) {
                    let (low, high) = self.magnitude.unwrap_or((m, m));
                    self.magnitude = Some((low.min(m), high.max(m)));
                }
            }
            _ => {}
        }
    }

    /// A text that is too long to be looked at; a number is not.
    pub(super) fn add_long(&mut self, length: usize) {
        self.texts = self.texts.saturating_add(1);
        let length = u16::try_from(length).unwrap_or(u16::MAX).saturating_add(1);
        widen(&mut self.length, (length, length));
        self.words = Words::Text;
    }

    /// An array of so many elements.
    pub(super) fn add_elements(&mut self, elements: u32) {
        let count = u16::try_from(elements).unwrap_or(u16::MAX).saturating_add(1);
        widen(&mut self.elements, (count, count));
    }

    /// A file of a form.
    pub(super) fn add_file(&mut self) {
        self.texts = self.texts.saturating_add(1);
        self.formats.add(Format::Binary, 1);
        self.words = Words::Text;
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.texts = self.texts.saturating_add(other.texts);
        match other.formats {
            Formats::None => {}
            Formats::One(format, count) => self.formats.add(format, count),
            Formats::Mixed => self.formats = Formats::Mixed,
        }
        match &other.words {
            Words::None => {}
            Words::Few(words) => words
                .iter()
                .for_each(|(word, count)| self.words.add(word, *count)),
            Words::Text => self.words = Words::Text,
        }
        if other.length.0 > 0 {
            widen(&mut self.length, other.length);
        }
        if other.elements.0 > 0 {
            widen(&mut self.elements, other.elements);
        }
        self.magnitude = match (self.magnitude, other.magnitude) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// The format that nearly all texts have: ninety-eight of a hundred, and none has another.
    pub(super) fn format(&self) -> Option<Format> {
        match self.formats {
            Formats::One(format, count)
                if self.texts >= FORMAT_SEEN && u64::from(count) * 100 >= u64::from(self.texts) * 98 =>
            {
                Some(format)
            }
            Formats::One(Format::Binary, count) if count == self.texts => Some(Format::Binary),
            _ => None,
        }
    }

    /// The words that the texts are, when they are few and often met. A word seen once may be a slip.
    pub(super) fn words(&self) -> Vec<String> {
        let Words::Few(words) = &self.words else {
            return Vec::new();
        };
        let often = |n: &u32| *n >= EACH_WORD_SEEN;
        let known: u64 = words
            .iter()
            .map(|(_, n)| u64::from(*n))
            .filter(|n| *n >= u64::from(EACH_WORD_SEEN))
            .sum();
        if self.texts < WORDS_SEEN || known * 100 < u64::from(self.texts) * 95 {
            return Vec::new();
        }
        let words: Vec<String> = words
            .iter()
            .filter(|(_, n)| often(n))
            .map(|(word, _)| word.to_string())
            .collect();
        // One word is what happened to be said, and no choice.
        if words.len() > 1 { words } else { Vec::new() }
    }

    /// Least and greatest length of a text.
    pub(super) fn length(&self) -> Option<(u64, u64)> {
        range(self.length)
    }

    /// Least and greatest number of elements.
    pub(super) fn elements(&self) -> Option<(u64, u64)> {
        range(self.elements)
    }

    /// Bounds of the numbers, outward to powers of ten: a number itself may be somebody's.
    pub(super) fn numbers(&self) -> Option<(f64, f64)> {
        let (low, high) = self.magnitude?;
        let bound = |m: i8, up: bool| match m {
            0 => 0.0,
            m if m > 0 => 10f64.powi(i32::from(m) - i32::from(!up)),
            m => -(10f64.powi(i32::from(-m) - i32::from(up))),
        };
        // What is below one in size counts as between zero and one.
        let low = if low == 1 { 0.0 } else { bound(low, false) };
        let high = if high == -1 { 0.0 } else { bound(high, true) };
        Some((low, high))
    }
}

fn range((low, high): (u16, u16)) -> Option<(u64, u64)> {
    (low > 0).then(|| (u64::from(low) - 1, u64::from(high) - 1))
}

fn widen(range: &mut (u16, u16), with: (u16, u16)) {
    *range = if range.0 == 0 {
        with
    } else {
        (range.0.min(with.0), range.1.max(with.1))
    };
}

/// Zero for zero, else the number of digits before the point with the sign of the number; a fraction has one.
fn magnitude(text: &[u8]) -> Option<i8> {
    let (minus, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let exponent = digits.iter().position(|b| matches!(b, b'e' | b'E'));
    let size = match exponent {
        None => {
            let before = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            let leading = digits.iter().take_while(|b| **b == b'0').count();
            let zero = digits.iter().all(|b| matches!(b, b'0' | b'.'));
            if zero {
                0
            } else {
                before.saturating_sub(leading).clamp(1, 100)
            }
        }
        Some(_) => {
            let value: f64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            match value {
                0.0 => 0,
                v if v < 10.0 => 1,
                v => (v.log10().floor() as usize).saturating_add(1).min(100),
            }
        }
    };
    let size = size as i8;
    Some(if minus { -size } else { size })
}

/// A text that is a constant's name and may be shown: letters of one case, words known as such.
fn word(text: &[u8]) -> Option<&str> {
    let lower = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let upper = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
    let first = *text.first()?;
    if text.len() > LONGEST_WORD
        || !first.is_ascii_alphabetic()
        || !(text.iter().all(lower) || text.iter().all(upper))
    {
        return None;
    }
    // A few digits are a version's; more may be a number of something.
    if text.iter().filter(|b| b.is_ascii_digit()).count() > 2 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    (classify(text, "") == Segment::Literal).then_some(text)
}

/// Whether the name of a field says that its values name people, places or secrets, or are what people write: what few words they are
/// is no enumeration then.
pub(super) fn names_people(name: &str) -> bool {
    // Sorted, so that those with one first letter lie together.
    const WORDS: [&str; 54] = [
        "account", "address", "answer", "auth", "author", "city", "client", "comment", "company", "contact",
        "cookie", "customer", "descr", "diagnos", "disease", "email", "ethnic", "first", "gender", "host",
        "key", "last", "login", "mail", "member", "message", "name", "nick", "note", "org", "owner", "pass",
        "patient", "person", "phone", "prompt", "pwd", "query", "relig", "search", "secret", "session",
        "street", "subject", "team", "tenant", "term", "text", "title", "token", "town", "user", "value",
        "who",
    ];
    let mut lower = [0_u8; 48];
    let Some(lower) = lower.get_mut(..name.len()) else {
        return true;
    };
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let begins = |rest: &[u8]| {
        let first = rest[0];
        let from = WORDS.partition_point(|word| word.as_bytes()[0] < first);
        let same = WORDS[from..]
            .iter()
            .take_while(|word| word.as_bytes()[0] == first);
        same.into_iter().any(|word| rest.starts_with(word.as_bytes()))
    };
    lower == b"q" || (0..lower.len()).any(|at| begins(&lower[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(kind: Kind, texts: &[&str]) -> Values {
        let mut values = Values::default();
        texts
            .iter()
            .for_each(|text| values.add(kind, text.as_bytes(), || false));
        values
    }

    #[test]
    fn formats_are_told_apart() {
        for (text, want) in [
            ("2026-03-09", Some(Format::Date)),
            ("2026-03-09T08:00:00Z", Some(Format::DateTime)),
            ("2026-03-09T08:00:00.123456+01:00", Some(Format::DateTime)),
            ("2026-03-09 08:00:00", Some(Format::DateTime)),
            ("2026-03-09x", None),
            ("7d444840-9dc0-11d1-b245-5ffdce74fad2", Some(Format::Uuid)),
            ("7d444840x9dc0-11d1-b245-5ffdce74fad2", None),
            ("ann.lee@corp.test", Some(Format::Email)),
            ("ann@corp", None),
            ("@corp.test", None),
            ("https://a.test/x?y", Some(Format::Uri)),
            ("see https://a.test now", None),
            ("10.0.0.1", Some(Format::Ipv4)),
            ("10.0.0.256", None),
            ("2001:db8::1", Some(Format::Ipv6)),
            ("12:30", None),
            ("eyJhbGciOiJIUzI1NiJ9.e30.x", Some(Format::Jwt)),
            ("4539578763621486", Some(Format::Digits)),
            ("pending", None),
            ("", None),
        ] {
            assert_eq!(Format::of(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn a_format_is_claimed_when_nearly_all_have_it() {
        let date = "2026-03-09";
        assert_eq!(of(Kind::String, &[date; 3]).format(), None);
        assert_eq!(of(Kind::String, &[date; 4]).format(), Some(Format::Date));
        let mut most = vec![date; 60];
        most.push("soon");
        assert_eq!(of(Kind::String, &most).format(), Some(Format::Date));
        most.push("later");
        assert_eq!(of(Kind::String, &most).format(), None);
        let mixed = [date, date, date, date, date, "2026-03-09T08:00:00Z"];
        assert_eq!(of(Kind::String, &mixed).format(), None);
    }

    #[test]
    fn words_are_an_enumeration_when_they_are_few_often_and_nobodys() {
        let status: Vec<&str> = (0..40)
            .map(|n| ["pending", "SHIPPED", "in_review"][n % 3])
            .collect();
        assert_eq!(
            of(Kind::String, &status).words(),
            ["SHIPPED", "in_review", "pending"]
        );
        assert!(of(Kind::String, &status[..20]).words().is_empty(), "too few");
        let mut odd = status.clone();
        odd.push("hacked");
        assert_eq!(
            of(Kind::String, &odd).words(),
            ["SHIPPED", "in_review", "pending"]
        );
        for private in [
            "Ann",
            "ann lee",
            "xK93jLq0ZxPw72",
            "ann@corp.test",
            "12345",
            "a4539578763621486",
        ] {
            let mut values = status.clone();
            values.push(private);
            assert!(of(Kind::String, &values).words().is_empty(), "{private}");
        }
        let many: Vec<String> = (0..200)
            .map(|n| {
                format!(
                    "{}ing",
                    [
                        "load", "send", "read", "writ", "mak", "tak", "giv", "pay", "buy", "sell", "ship",
                        "pack", "print", "scann", "call", "walk", "runn", "sitt"
                    ][n % 18]
                )
            })
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(Kind::String, &many).words().is_empty());
        let mut named = Values::default();
        (0..50).for_each(|_| named.add(Kind::String, b"ann", || true));
        assert!(named.words().is_empty());
        assert!(names_people("q") && names_people("x_Who") && !names_people("") && !names_people("quantity"));
        assert!(names_people("userName") && names_people("first_name") && !names_people("status"));
    }

    #[test]
    fn numbers_are_told_by_their_size_alone() {
        for (texts, want) in [
            (vec!["536228726"], (1e8, 1e9)),
            (vec!["0", "7"], (0.0, 10.0)),
            (vec!["1", "1200"], (0.0, 1e4)),
            (vec!["-52.5", "13.37"], (-100.0, 100.0)),
            (vec!["-0.5"], (-10.0, 0.0)),
            (vec!["1.5e3"], (1e3, 1e4)),
            (vec!["0.00", "0"], (0.0, 0.0)),
            (vec!["15"], (10.0, 100.0)),
        ] {
            assert_eq!(of(Kind::Number, &texts).numbers(), Some(want), "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_values_means_nothing(
            texts in proptest::collection::vec("[a-c]{1,2}|2026-03-0[1-3]|[0-9]{1,4}|[A-Z][a-z]", 0..40),
            cut in 0usize..40,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let whole = of(Kind::String, &texts);
            let backwards: Vec<&str> = texts.iter().rev().copied().collect();
            prop_assert_eq!(&of(Kind::String, &backwards), &whole);
            let (a, b) = texts.split_at(cut.min(texts.len()));
            let mut sum = of(Kind::String, b);
            sum.absorb(&of(Kind::String, a));
            prop_assert_eq!(sum, whole);
        }
    }
}
