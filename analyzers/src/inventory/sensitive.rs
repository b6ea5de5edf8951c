//! Personal and card data in a body, found by form and checksum and believed by context.
//!
//! Every number worth a look holds four digits in a row, and [`Marks`] tell where those are; addresses are found
//! by their `@`. Each number is looked at once, however long it is.

use serde::{Deserialize, Serialize};

use crate::id::Seed;
use crate::marks::Marks;
use crate::privacy::{checks, mask};

/// Bytes of a body searched, here and for ids.
pub(crate) const SEARCHED: usize = 256 * 1024;

/// Distinct values told apart per class and body.
const DISTINCT: usize = 128;

/// Kinds of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// Payment card numbers.
    Card,
    /// E-mail addresses.
    Email,
    /// Bank account numbers.
    Iban,
    /// Social security numbers.
    Ssn,
}

impl DataClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Card, Self::Email, Self::Iban, Self::Ssn];

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
        }
    }

    /// The name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Card => "payment card numbers",
            Self::Email => "e-mail addresses",
            Self::Iban => "bank account numbers",
            Self::Ssn => "social security numbers",
        }
    }
}

/// What was found of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    /// Seeded hashes of distinct values, sorted.
    pub(crate) values: Vec<u32>,
    /// Values whose field name or grouping speaks for them.
    pub(crate) strong: u32,
    /// One value, masked.
    pub(crate) sample: Option<String>,
}

/// What was found in a body, by [`DataClass`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    hits: [Option<Box<Hits>>; 4],
}

impl Found {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DataClass, &Hits)> {
        DataClass::ALL
            .into_iter()
            .zip(&self.hits)
            .filter_map(|(class, hits)| Some((class, hits.as_deref()?)))
    }

    fn add(&mut self, class: DataClass, value: &[u8], strong: bool, seed: Seed) {
        let hits = self.hits[class as usize].get_or_insert_default();
        let hash = seed.hash(value) as u32;
        if let Err(place) = hits.values.binary_search(&hash)
            && hits.values.len() < DISTINCT
        {
            hits.values.insert(place, hash);
            hits.strong += u32::from(strong);
            if hits.sample.is_none() {
                hits.sample = Some(if class == DataClass::Email {
                    mask_email(value)
                } else {
                    mask(&String::from_utf8_lossy(value))
                });
            }
        }
    }
}

fn mask_email(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let top = text.rsplit('.').next().unwrap_or("");
    format!("{}***@***.{top}", text.chars().next().unwrap_or('*'))
}

/// Searches a body, of which `marks` are.
pub(crate) fn search(body: &[u8], marks: &Marks, seed: Seed) -> Found {
    let body = &body[..body.len().min(SEARCHED)];
    let mut found = Found::default();
    emails(body, seed, &mut found);
    numbers(body, marks, seed, &mut found);
    for class in [DataClass::Card, DataClass::Ssn] {
        // Without a name or grouping to speak for it, a number is believed in company only.
        let slot = &mut found.hits[class as usize];
        if slot.as_ref().is_some_and(|h| h.strong == 0 && h.values.len() < 3) {
            *slot = None;
        }
    }
    found
}

fn emails(body: &[u8], seed: Seed, found: &mut Found) {
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
        let placeholder = [b"example.com".as_slice(), b"example.org", b"example.net"].contains(&host);
        // `name@2x.png` and package versions are no addresses.
        let asset = [b"png".as_slice(), b"jpg", b"svg", b"gif", b"webp"].contains(&top);
        if left == 0
            || dot == 0
            || placeholder
            || asset
            || !(2..=18).contains(&top.len())
            || !top.iter().all(u8::is_ascii_alphabetic)
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

fn numbers(body: &[u8], marks: &Marks, seed: Seed, found: &mut Found) {
    // Behind the last run of digits, and behind the last number, which may be several runs or a part of one.
    let (mut floor, mut at) = (0, 0);
    while let Some(fourth) = marks.next_fourth_digit(at.max(floor)) {
        let (start, end) = marks.digits(fourth, floor);
        floor = end;
        let run = end - start;
        // Most numbers stand alone and have a length that nothing looked for has.
        let joined = matches!(
            start.checked_sub(1).and_then(|b| body.get(b)),
            Some(b' ' | b'-' | b'A'..=b'Z')
        ) || matches!(body.get(end), Some(b' ' | b'-'));
        if (joined || run == 9 || (13..=19).contains(&run)) && !is_date(body, start) {
            at = number(body, start, seed, found);
        }
    }
}

/// Whether a date in quotes begins at `start`, the most common number with signs in it. It has eight digits, which
/// nothing looked for has.
fn is_date(body: &[u8], start: usize) -> bool {
    let Some([b'"', date @ .., after]) = start.checked_sub(1).and_then(|from| body.get(from..start + 11))
    else {
        return false;
    };
    let shape = date.iter().enumerate().all(|(place, byte)| match place {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    shape && !(after.is_ascii_digit() || matches!(after, b' ' | b'-'))
}

/// Looks at the number around the digit at `start`; gives back where it ends.
fn number(body: &[u8], start: usize, seed: Seed, found: &mut Found) -> usize {
    // To the left over groups (`4111 1111 …`, `123-45-6789`), then to the right.
    let mut from = start;
    while from >= 2
        && start - from < 24
        && matches!(body[from - 1], b' ' | b'-')
        && body[from - 2].is_ascii_digit()
    {
        from -= 1;
        from -= body[..from]
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit())
            .count();
    }
    let mut digits = [0u8; 20];
    let (mut count, mut end, mut groups) = (0, from, [0u8; 8]);
    let mut group = 0;
    while end < body.len() && count < digits.len() {
        match body[end] {
            digit @ b'0'..=b'9' => {
                digits[count] = digit;
                count += 1;
                groups[group] = groups[group].saturating_add(1);
            }
            b' ' | b'-' if body.get(end + 1).is_some_and(u8::is_ascii_digit) && group + 1 < groups.len() => {
                group += 1
            }
            _ => break,
        }
        end += 1;
    }
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let before = from.checked_sub(1).and_then(|at| body.get(at));
    let bounded = !word(before) && !word(body.get(end)) && before != Some(&b'.');
    let value = &digits[..count];
    if bounded && count == 9 {
        social(body, from, value, &groups[..=group], seed, found);
    } else if bounded && (13..=19).contains(&count) && checks::card(value) && !checks::test_card(value) {
        let grouped = groups[..=group] == [4, 4, 4, 4] || groups[..=group] == [4, 6, 5];
        if group == 0 || grouped {
            let strong = grouped
                || has_context(
                    body,
                    from,
                    &[b"card", b"pan", b"cc_", b"ccn", b"creditcard", b"account_number"],
                );
            found.add(DataClass::Card, value, strong, seed);
        }
    } else if let Some(ibans_end) = iban(body, from, seed, found) {
        return ibans_end;
    }
    end
}

fn social(body: &[u8], from: usize, value: &[u8], groups: &[u8], seed: Seed, found: &mut Found) {
    let Ok(digits) = <&[u8; 9]>::try_from(value) else {
        return;
    };
    let named = || has_context(body, from, &[b"ssn", b"social", b"tax_id", b"taxid"]);
    let shaped = groups == [3, 2, 4] && body.get(from + 3) == body.get(from + 6);
    if (shaped || groups == [9]) && checks::ssn(digits) {
        let strong = named();
        if shaped || strong {
            found.add(DataClass::Ssn, value, strong, seed);
        }
    }
}

/// An IBAN that the digits at `from` are a part of: two letters come right before them.
fn iban(body: &[u8], from: usize, seed: Seed, found: &mut Found) -> Option<usize> {
    // The check digits may be the run itself, or lie in the group before it (`GB82 WEST 1234`).
    let mut start = from;
    while start > 0
        && from - start < 12
        && (body[start - 1].is_ascii_uppercase()
            || body[start - 1].is_ascii_digit()
            || (body[start - 1] == b' ' && start < from))
    {
        start -= 1;
    }
    let head = body[start..].iter().take_while(|b| **b == b' ').count() + start;
    let candidate = body.get(head..head + 4)?;
    if !(candidate[0].is_ascii_uppercase()
        && candidate[1].is_ascii_uppercase()
        && candidate[2].is_ascii_digit()
        && candidate[3].is_ascii_digit())
    {
        return None;
    }
    let mut compact = [0u8; 40];
    let (mut len, mut end) = (0, head);
    while len < compact.len() && end < body.len() {
        match body[end] {
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => {
                compact[len] = byte;
                len += 1;
            }
            b' ' if (end - head) % 5 == 4 => {}
            _ => break,
        }
        end += 1;
    }
    let taken = checks::iban(&compact[..len])?;
    let after = compact.get(taken).filter(|_| taken < len);
    let spaced = body[head..end].contains(&b' ');
    if after.is_some_and(u8::is_ascii_alphanumeric) && !spaced {
        return None;
    }
    found.add(DataClass::Iban, &compact[..taken], true, seed);
    Some(end)
}

/// Whether one of these words stands shortly before a value, as its field name or label would.
fn has_context(body: &[u8], at: usize, words: &[&[u8]]) -> bool {
    let mut near = [0u8; 40];
    let from = at.saturating_sub(near.len());
    let near = &mut near[..at - from];
    near.copy_from_slice(&body[from..at]);
    near.make_ascii_lowercase();
    words
        .iter()
        .any(|word| memchr::memmem::find(near, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(body: &[u8]) -> Found {
        let mut marks = Marks::default();
        marks.read(body);
        search(body, &marks, Seed::new(&[3; 32]))
    }

    fn classes(text: &str) -> Vec<(&'static str, usize, u32)> {
        find(text.as_bytes())
            .iter()
            .map(|(c, h)| (c.name(), h.values.len(), h.strong))
            .collect()
    }

    #[test]
    fn values_are_found_when_checksum_and_context_hold() {
        for (text, want) in [
            (r#"{"card_number":"4539578763621486"}"#, vec![("card", 1, 1)]),
            (r#"{"x":"4539 5787 6362 1486"}"#, vec![("card", 1, 1)]),
            (r#"{"id":4539578763621486}"#, vec![]),
            (r#"{"card":"4111111111111111"}"#, vec![]),
            (r#"{"card":"4539578763621487"}"#, vec![]),
            (r#"{"ts":1700000000008,"card":1}"#, vec![]),
            (
                r#"{"ids":[4539578763621486,4716108999716531,5425233430109903]}"#,
                vec![("card", 3, 0)],
            ),
            (r#"{"iban":"GB82WEST12345698765432"}"#, vec![("iban", 1, 1)]),
            (r#"{"iban":"DE89 3704 0044 0532 0130 00"}"#, vec![("iban", 1, 1)]),
            (r#"{"iban":"DE88370400440532013000"}"#, vec![]),
            (r#"{"ssn":"536-22-8726"}"#, vec![("ssn", 1, 1)]),
            (r#"{"ssn":536228726}"#, vec![("ssn", 1, 1)]),
            (r#"{"part":"536-22-8726"}"#, vec![]),
            (r#"{"order":536228726}"#, vec![]),
            ("ann@corp.test, bob@corp.test", vec![("email", 2, 2)]),
            ("ann@example.com icon@2x.png @user a@b", vec![]),
            ("0.4539578763621486 x4539578763621486 card", vec![]),
        ] {
            assert_eq!(classes(text), want, "{text}");
        }
    }

    #[test]
    fn samples_are_masked() {
        let found = find(br#"{"card_number":"4539578763621486","m":"ann.lee@corp.test"}"#);
        let samples: Vec<_> = found.iter().filter_map(|(_, h)| h.sample.clone()).collect();
        assert_eq!(samples, ["45************86", "a***@***.test"]);
    }

    #[test]
    fn a_number_is_found_wherever_it_begins() {
        for pad in 0..16 {
            let text = format!("{}\"card\":\"4539578763621486\"", "x".repeat(pad));
            assert_eq!(classes(&text).len(), 1, "{pad}");
            let text = format!("{} ssn 536-22-8726", "x".repeat(pad));
            assert_eq!(classes(&text).len(), 1, "{pad}");
            let text = format!("{} GB82WEST12345698765432 ", "x".repeat(pad));
            assert_eq!(classes(&text).len(), 1, "{pad}");
        }
    }

    #[test]
    fn numbers_without_end_are_looked_at_once() {
        for text in [
            format!(" {}", "1".repeat(SEARCHED)),
            "1-".repeat(SEARCHED / 2),
            "A1111".repeat(SEARCHED / 5),
            format!("{} {}", "1".repeat(SEARCHED / 2), "-1111".repeat(SEARCHED / 10)),
        ] {
            // Were each part of a number looked at again, the first would take 14 seconds in a release build.
            assert_eq!(classes(&text), []);
        }
    }

    #[test]
    fn distinct_values_are_bounded() {
        let text: String = (0..5000).map(|n| format!("u{n}@corp.test ")).collect();
        assert_eq!(classes(&text), [("email", DISTINCT, DISTINCT as u32)]);
    }
}
