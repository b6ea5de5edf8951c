//! Cards, what is on their magnetic stripe, and bank accounts; and the pass over numbers that finds them.
//!
//! A card needs an issuer's range, its length and Luhn's check, a bank account its country's length and mod 97. Other
//! numbers pass Luhn's check one time in ten, so a card without a name or grouping to speak for it needs company, and
//! more that pass the check than that fail it.

use super::national::social;
use super::{DataClass, Found, has_context};
use crate::id::Seed;
use crate::marks::Marks;
use crate::privacy::checks;

/// The digits of a value that is a card number and nothing else.
pub(super) fn card(value: &[u8], seed: Seed, found: &mut Found) {
    let mut digits = [0u8; 19];
    let mut count = 0;
    for byte in value {
        match byte {
            b'0'..=b'9' if count < digits.len() => {
                digits[count] = *byte;
                count += 1;
            }
            b' ' | b'-' => {}
            _ => return,
        }
    }
    let digits = &digits[..count];
    if checks::card(digits) && !checks::test_card(digits) {
        found.add(DataClass::Card, digits, true, seed);
    }
}

/// Whether the number at `from` to `end` stands between the signs of track 1 or 2 of a card, with its expiry behind.
fn is_track(body: &[u8], from: usize, end: usize) -> bool {
    let expiry = |text: &[u8]| {
        text.len() >= 4
            && text[..4].iter().all(u8::is_ascii_digit)
            && matches!((text[2], text[3]), (b'0', b'1'..=b'9') | (b'1', b'0'..=b'2'))
    };
    let rest = &body[end..body.len().min(end + 40)];
    if body[..from].ends_with(b";") && rest.first() == Some(&b'=') {
        return expiry(&rest[1..]);
    }
    body[..from].ends_with(b"%B")
        && rest.first() == Some(&b'^')
        && memchr::memchr(b'^', &rest[1..]).is_some_and(|name| expiry(&rest[name + 2..]))
}

pub(super) fn numbers(body: &[u8], marks: &Marks, seed: Seed, found: &mut Found) {
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
    if (13..=19).contains(&count) && group == 0 && checks::card(value) && is_track(body, from, end) {
        if !checks::test_card(value) {
            found.add(DataClass::Track, value, true, seed);
        }
    } else if bounded && count == 9 {
        social(body, from, value, &groups[..=group], seed, found);
    } else if bounded && (13..=19).contains(&count) && checks::card(value) && !checks::test_card(value) {
        let grouped = groups[..=group] == [4, 4, 4, 4] || groups[..=group] == [4, 6, 5];
        if group == 0 || grouped {
            let strong = grouped
                || has_context(
                    body,
                    from,
                    &[b"card", b"pan", b"cc", b"ccn", b"creditcard", b"account_number"],
                );
            found.add(DataClass::Card, value, strong, seed);
        }
    } else if bounded && group == 0 && (13..=19).contains(&count) && checks::issuer(value) {
        found.unlike_cards += u32::from(!checks::test_card(value));
    } else if let Some(ibans_end) = iban(body, from, seed, found) {
        return ibans_end;
    }
    end
}

/// An IBAN that the digits at `from` are a part of: two letters come right before them.
fn iban(body: &[u8], from: usize, seed: Seed, found: &mut Found) -> Option<usize> {
    // The check digits may be the run itself, or lie in the group before it (`GB82 WEST 1234`).
    let mut start = from;
    while start > 0
        && from - start < 12
        && (body[start - 1].is_ascii_uppercase()
            || body[start - 1].is_ascii_digit()
            || body[start - 1] == b' ')
    {
        start -= 1;
    }
    let begins = |at: &usize| {
        let apart = at
            .checked_sub(1)
            .is_none_or(|before| !body[before].is_ascii_alphanumeric());
        apart
            && body.get(*at..*at + 4).is_some_and(|head| {
                head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit)
            })
    };
    let head = (start..=from).find(begins)?;
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
