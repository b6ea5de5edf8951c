//! Cards, what is on their magnetic stripe and beside their number, and bank accounts; and the pass over numbers that finds
//! them.
//!
//! A card needs an issuer's range, its length and Luhn's check, a bank account its country's length and mod 97. Other
//! numbers pass Luhn's check one time in ten, so a card without a name or grouping to speak for it needs company, and
//! more that pass the check than that fail it.

use super::found::DISTINCT;
use super::national::{social, zone};
use super::{DataClass, Found, has_context};
use crate::id::Seed;
use crate::marks::Marks;
use crate::privacy::checks;

/// A value under a name that says card; gives back whether it is a card number and nothing else.
pub(super) fn card(value: &[u8], seed: Seed, found: &mut Found) -> bool {
    let mut digits = [0u8; 19];
    let mut count = 0;
    for byte in value {
        match byte {
            b'0'..=b'9' if count < digits.len() => {
                digits[count] = *byte;
                count += 1;
            }
            b' ' | b'-' => {}
            _ => return false,
        }
    }
    let digits = &digits[..count];
    let fits = checks::card(digits) && !checks::test_card(digits);
    if fits {
        found.add(DataClass::Card, digits, true, seed);
    }
    fits
}

/// A value under a name that says verification code. It is one only where a card stands beside it, which is known when
/// the whole body was searched.
pub(super) fn code(value: &[u8], found: &mut Found) {
    let mut digits = [b' '; 4];
    if matches!(value.len(), 3 | 4) && value.iter().all(u8::is_ascii_digit) && found.codes.len() < DISTINCT {
        digits[..value.len()].copy_from_slice(value);
        found.codes.push(digits);
    }
}

/// Takes codes for what they are named, or lets them be.
pub(super) fn codes(seed: Seed, found: &mut Found) {
    let codes = std::mem::take(&mut found.codes);
    if found.has(DataClass::Card) {
        for digits in codes {
            found.add(DataClass::Cvv, digits.trim_ascii_end(), true, seed);
        }
    }
}

/// A value under a name that says routing number of a bank.
pub(super) fn routing(value: &[u8], seed: Seed, found: &mut Found) {
    if value.try_into().is_ok_and(checks::aba) {
        found.add(DataClass::AbaRouting, value, true, seed);
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

/// Finds numbers that stand for themselves: cards, accounts, social security numbers, passports.
pub(super) fn numbers(body: &[u8], marks: &Marks, seed: Seed, found: &mut Found) {
    let mut runs = marks.numbers();
    while let Some((start, end)) = runs.next() {
        // A passport's line has two dates and their checks in it, with the sex between them.
        if end - start == 7
            && matches!(body.get(end), Some(b'M' | b'F' | b'X' | b'<'))
            && body.get(end + 1).is_some_and(u8::is_ascii_digit)
        {
            zone(body, start, seed, found);
        } else if may_be(body, start, end) {
            // A number may be several runs, or a part of one.
            runs.skip_to(number(body, start, seed, found));
        }
    }
}

/// Whether what is looked for may begin with these digits, or have them in it. Most numbers stand alone and have a length
/// or a first digit that nothing looked for has.
#[inline]
fn may_be(body: &[u8], start: usize, end: usize) -> bool {
    let run = end - start;
    let near = |at: Option<usize>| at.and_then(|at| body.get(at)).copied().unwrap_or(b'"');
    let (before, after) = (near(start.checked_sub(1)), near(Some(end)));
    // An IBAN, compact or in groups.
    if before.is_ascii_uppercase() {
        return true;
    }
    if matches!(before, b' ' | b'-') {
        let last = near(start.checked_sub(2));
        return (run <= 6 && last.is_ascii_digit())
            || (before == b' ' && (last.is_ascii_uppercase() || alone(body, start, run)));
    }
    if run == 4 && matches!(after, b' ' | b'-') {
        // The first group of a card, which another one of four or six follows.
        return body
            .get(end + 1..end + 5)
            .is_some_and(|next| next.iter().all(u8::is_ascii_digit));
    }
    alone(body, start, run)
}

/// Whether a number that is not in groups may be what is looked for.
fn alone(body: &[u8], start: usize, run: usize) -> bool {
    run == 9 || ((13..=19).contains(&run) && matches!(body[start], b'2'..=b'6'))
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
