//! Numbers that states give to people: United States social security numbers.
//!
//! Nine digits alone are nothing. The rules of issue have to hold, and a field name or the usual delimiters.

use super::{DataClass, Found, has_context};
use crate::id::Seed;
use crate::privacy::checks;

/// A value under a name that says social security number.
pub(super) fn named(value: &[u8], seed: Seed, found: &mut Found) {
    let mut digits = [0u8; 9];
    let mut count = 0;
    for byte in value {
        match byte {
            b'0'..=b'9' if count < 9 => {
                digits[count] = *byte;
                count += 1;
            }
            b'-' | b' ' if matches!(count, 3 | 5) => {}
            _ => return,
        }
    }
    if count == 9 && checks::ssn(&digits) {
        found.add(DataClass::Ssn, &digits, true, seed);
    }
}

/// The nine digits at `from`, which come in these groups.
pub(super) fn social(body: &[u8], from: usize, value: &[u8], groups: &[u8], seed: Seed, found: &mut Found) {
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
