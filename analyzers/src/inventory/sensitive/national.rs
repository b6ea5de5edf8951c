//! Numbers that the United States give to people, and passports of all states.
//!
//! Nine digits alone are nothing. The rules of issue have to hold, and a field name or the usual delimiters. Employer
//! identification numbers are no class: companies print them on their invoices.

use super::{DataClass, Found, has_context};
use crate::id::Seed;
use crate::privacy::checks;

/// A value under a name that says social security number or taxpayer number; gives back whether it is one.
pub(super) fn named(value: &[u8], seed: Seed, found: &mut Found) -> bool {
    let mut digits = [0u8; 9];
    let mut count = 0;
    for byte in value {
        match byte {
            b'0'..=b'9' if count < 9 => {
                digits[count] = *byte;
                count += 1;
            }
            b'-' | b' ' if matches!(count, 3 | 5) => {}
            _ => return false,
        }
    }
    let class = kind(&digits).filter(|_| count == 9);
    if let Some(class) = class {
        found.add(class, &digits, true, seed);
    }
    class.is_some()
}

/// Which number nine digits can be.
fn kind(digits: &[u8; 9]) -> Option<DataClass> {
    if checks::ssn(digits) {
        return Some(DataClass::Ssn);
    }
    checks::itin(digits).then_some(DataClass::Itin)
}

/// The nine digits at `from`, which come in these groups.
pub(super) fn social(body: &[u8], from: usize, value: &[u8], groups: &[u8], seed: Seed, found: &mut Found) {
    let Ok(digits) = <&[u8; 9]>::try_from(value) else {
        return;
    };
    let shaped = groups == [3, 2, 4] && body.get(from + 3) == body.get(from + 6);
    let Some(class) = kind(digits).filter(|_| shaped || groups == [9]) else {
        return;
    };
    let strong = has_context(
        body,
        from,
        &[
            b"ssn",
            b"social security",
            b"social_security",
            b"socialsecurity",
            b"tax_id",
            b"taxid",
            b"itin",
        ],
    );
    if shaped || strong {
        found.add(class, value, strong, seed);
    }
}

/// A value under a name that says passport: letters and digits, most of them digits.
pub(super) fn passport(value: &[u8], seed: Seed, found: &mut Found) {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let plain = value.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    let same = value.iter().all(|b| *b == value[0]);
    if (7..=9).contains(&value.len()) && plain && digits >= 4 && !same && value != b"123456789" {
        found.add(DataClass::Passport, value, true, seed);
    }
}

/// The second line of a passport's machine readable zone (ICAO 9303 part 4), whose seven digits of the day of birth begin
/// at `birth`.
pub(super) fn zone(body: &[u8], birth: usize, seed: Seed, found: &mut Found) {
    let Some(line) = birth.checked_sub(13).and_then(|from| body.get(from..from + 44)) else {
        return;
    };
    let letter = |b: u8| match b {
        b'0'..=b'9' => Some(u32::from(b - b'0')),
        b'A'..=b'Z' => Some(u32::from(b - b'A') + 10),
        b'<' => Some(0),
        _ => None,
    };
    let check = |parts: &[&[u8]]| {
        let mut sum = 0;
        for (place, byte) in parts.iter().copied().flatten().enumerate() {
            sum += letter(*byte)? * [7, 3, 1][place % 3];
        }
        Some(b'0' + (sum % 10) as u8)
    };
    let own = check(&[&line[28..42]]);
    let good = check(&[&line[..9]]) == Some(line[9])
        && check(&[&line[13..19]]) == Some(line[19])
        && check(&[&line[21..27]]) == Some(line[27])
        && (own == Some(line[42]) || (line[42] == b'<' && own == Some(b'0')))
        && check(&[&line[..10], &line[13..20], &line[21..43]]) == Some(line[43]);
    if good {
        let length = line[..9].iter().position(|b| *b == b'<').unwrap_or(9);
        found.add(DataClass::Passport, &line[..length], true, seed);
    }
}
