//! Checksums and number rules that tell a card number from any other digits.

/// Luhn's check over decimal digits (ISO/IEC 7812-1 annex B).
#[must_use]
pub fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0u32;
    for (place, digit) in digits.iter().rev().enumerate() {
        let mut value = u32::from(digit.wrapping_sub(b'0'));
        if value > 9 {
            return false;
        }
        if place % 2 == 1 {
            value *= 2;
            if value > 9 {
                value -= 9;
            }
        }
        sum += value;
    }
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Whether digits have the length and issuer number of a payment card, pass Luhn's check, and are not
/// one digit repeated. Issuer ranges and lengths: Visa, Mastercard, American Express, Discover, JCB,
/// Diners Club, UnionPay and Maestro.
#[must_use]
pub fn card(digits: &[u8]) -> bool {
    issuer(digits) && luhn(digits)
}

/// Whether digits have the length and issuer number of a payment card, and are not one digit repeated.
#[must_use]
pub fn issuer(digits: &[u8]) -> bool {
    if !(13..=19).contains(&digits.len()) || digits.iter().all(|d| *d == digits[0]) {
        return false;
    }
    let prefix = |n: usize| {
        digits[..n]
            .iter()
            .fold(0u32, |value, d| value * 10 + u32::from(d.wrapping_sub(b'0')))
    };
    let (two, three, four, len) = (prefix(2), prefix(3), prefix(4), digits.len());
    match (two, three, four) {
        (40..=49, _, _) => matches!(len, 13 | 16 | 19),
        (51..=55, _, _) | (_, _, 2221..=2720) => len == 16,
        (34 | 37, _, _) => len == 15,
        (_, _, 6011) | (65, _, _) | (_, 644..=649, _) | (62, _, _) => (16..=19).contains(&len),
        (_, _, 3528..=3589) => (16..=19).contains(&len),
        (36 | 38 | 39, _, _) | (_, 300..=305, _) => (14..=19).contains(&len),
        // Maestro's range is wide; its cards have sixteen digits or more, shorter ones are mostly ids.
        (50 | 56..=69, _, _) => (16..=19).contains(&len),
        _ => false,
    }
}

/// Whether a text is a National Provider Identifier: ten digits, the first of them 1 or 2, which pass Luhn's check behind
/// the prefix 80840.
#[must_use]
pub fn npi(digits: &[u8]) -> bool {
    let mut whole = *b"80840----------";
    let (true, Some(b'1' | b'2')) = (digits.len() == 10, digits.first()) else {
        return false;
    };
    whole[5..].copy_from_slice(digits);
    luhn(&whole)
}

/// Numbers the card networks publish for testing: real by every check, and nobody's.
#[must_use]
pub fn test_card(digits: &[u8]) -> bool {
    const TEST: [&[u8]; 12] = [
        b"4111111111111111",
        b"4242424242424242",
        b"4012888888881881",
        b"4000056655665556",
        b"5555555555554444",
        b"5105105105105100",
        b"2223003122003222",
        b"378282246310005",
        b"371449635398431",
        b"6011111111111117",
        b"30569309025904",
        b"3530111333300000",
    ];
    TEST.contains(&digits)
}

/// Length of an IBAN by country (ISO 13616 registry).
fn iban_length(country: [u8; 2]) -> Option<usize> {
    let length = match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FO" | b"FI" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"XK" | b"LT" | b"LU" | b"MN" => 20,
        b"HR" | b"LV" | b"LI" | b"CH" => 21,
        b"BH" | b"BG" | b"CR" | b"GE" | b"DE" | b"IE" | b"ME" | b"RS" | b"GB" | b"VA" => 22,
        b"IL" | b"AE" | b"TL" | b"GI" | b"IQ" | b"OM" | b"SO" => 23,
        b"AD" | b"CZ" | b"MD" | b"PK" | b"RO" | b"SA" | b"SK" | b"ES" | b"SE" | b"TN" | b"VG" => 24,
        b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" | b"BI" | b"DJ" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    };
    Some(length)
}

/// Length of the IBAN that `text` begins with (no spaces inside), when its country, length and check
/// digits hold.
#[must_use]
pub fn iban(text: &[u8]) -> Option<usize> {
    let length = iban_length([*text.first()?, *text.get(1)?])?;
    let text = text.get(..length)?;
    if !text[2..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut remainder = 0u32;
    for byte in text[4..].iter().chain(&text[..4]) {
        remainder = match byte {
            b'0'..=b'9' => remainder * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(byte - b'A') + 10,
            _ => return None,
        } % 97;
    }
    (remainder == 1).then_some(length)
}

/// Whether nine digits can be a United States social security number: areas, groups and serials that are
/// issued, and none of the numbers known from advertisements.
#[must_use]
pub fn ssn(digits: &[u8; 9]) -> bool {
    let number = |part: &[u8]| {
        part.iter()
            .fold(0u32, |v, d| v * 10 + u32::from(d.wrapping_sub(b'0')))
    };
    let (area, group, serial) = (number(&digits[..3]), number(&digits[3..5]), number(&digits[5..]));
    digits.iter().all(u8::is_ascii_digit)
        && !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && digits != b"078051120"
        && digits != b"123456789"
        && digits != b"219099999"
        && !digits.iter().all(|d| *d == digits[0])
}

/// Whether nine digits can be an individual taxpayer identification number of the United States: `9`, and a group that is
/// given to them.
#[must_use]
pub fn itin(digits: &[u8; 9]) -> bool {
    let group = digits[3].wrapping_sub(b'0') * 10 + digits[4].wrapping_sub(b'0');
    digits.iter().all(u8::is_ascii_digit)
        && digits[0] == b'9'
        && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
        && !digits.iter().all(|d| *d == digits[0])
}

/// Whether nine digits are the routing number of a bank of the United States: a Federal Reserve district, and weights of
/// 3, 7 and 1.
#[must_use]
pub fn aba(digits: &[u8; 9]) -> bool {
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|d| *d == digits[0]) {
        return false;
    }
    let district = (digits[0] - b'0') * 10 + digits[1] - b'0';
    let sum: u32 = digits
        .iter()
        .zip([3, 7, 1, 3, 7, 1, 3, 7, 1])
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    matches!(district, 0..=12 | 21..=32 | 61..=72 | 80) && sum.is_multiple_of(10)
}

/// Whether a text is a number of the Drug Enforcement Administration: a letter for what its holder is, one of the name or
/// a 9, and seven digits of which the last is a check.
#[must_use]
pub fn dea(text: &[u8]) -> bool {
    let [kind, name, digits @ ..] = text else {
        return false;
    };
    let Ok(digits) = <&[u8; 7]>::try_from(digits) else {
        return false;
    };
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|d| *d == digits[0]) {
        return false;
    }
    let [a, b, c, d, e, f, check] = digits.map(|d| u32::from(d - b'0'));
    b"ABCDEFGHJKLMPRSTUX".contains(kind)
        && (name.is_ascii_uppercase() || *name == b'9')
        && (a + c + e + 2 * (b + d + f)) % 10 == check
}

/// Whether a text is a code of LOINC: a number, a dash, and Luhn's check digit of it.
#[must_use]
pub fn loinc(text: &[u8]) -> bool {
    let [number @ .., b'-', check] = text else {
        return false;
    };
    let mut whole = [0u8; 8];
    let length = number.len() + 1;
    if !(2..=8).contains(&length) || !number.iter().all(u8::is_ascii_digit) {
        return false;
    }
    whole[..length - 1].copy_from_slice(number);
    whole[length - 1] = *check;
    luhn(&whole[..length])
}

/// Whether a text is a National Drug Code: labeler, product and package, in ten digits by 4-4-2, 5-3-2 or 5-4-1, or in
/// eleven by 5-4-2.
#[must_use]
pub fn ndc(text: &[u8]) -> bool {
    let mut groups = text.split(|b| *b == b'-');
    let mut group = || {
        let digits = groups.next().unwrap_or(b"");
        digits.iter().all(u8::is_ascii_digit).then_some(digits.len())
    };
    let lengths = (group(), group(), group());
    let right = matches!(
        lengths,
        (Some(4), Some(4), Some(2)) | (Some(5), Some(3), Some(2)) | (Some(5), Some(4), Some(1 | 2))
    );
    right && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_published_as_examples_pass_and_their_neighbours_do_not() {
        assert!(itin(b"912701234") && !itin(b"912691234") && !itin(b"812701234"));
        assert!(aba(b"021000021") && aba(b"122105155") && !aba(b"021000022") && !aba(b"521000021"));
        assert!(dea(b"BB1388568") && dea(b"F91234563") && !dea(b"BB1388569") && !dea(b"IB1388568"));
        assert!(
            loinc(b"2339-0") && loinc(b"94500-6") && !loinc(b"2339-1") && !loinc(b"-") && !loinc(b"2339")
        );
        assert!(ndc(b"0777-3105-02") && ndc(b"50242-040-62") && ndc(b"60575-4112-1"));
        assert!(!ndc(b"2026-1102-1") && !ndc(b"2026-11-02") && !ndc(b"1-2-3-4") && !ndc(b""));
    }

    #[test]
    fn cards_need_issuer_length_and_check_digit() {
        for (digits, want) in [
            ("4111111111111111", true),
            ("4111111111111112", false),
            ("5500005555555559", true),
            ("340000000000009", true),
            ("1700000000008", false), // milliseconds since 1970 that happen to pass Luhn's check
            ("0000000000000000", false),
            ("9999999999999995", false),
        ] {
            assert_eq!(card(digits.as_bytes()), want, "{digits}");
        }
        assert!(test_card(b"4111111111111111"));
    }

    #[test]
    fn provider_identifiers_are_checked_behind_their_prefix() {
        assert!(npi(b"1234567893"));
        for bad in ["1234567894", "3234567893", "123456789", "12345678a3", ""] {
            assert!(!npi(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn ibans_need_their_country_s_length_and_mod_97() {
        assert_eq!(iban(b"GB82WEST12345698765432"), Some(22));
        assert_eq!(iban(b"GB82WEST12345698765433"), None);
        assert_eq!(iban(b"DE89370400440532013000 and more"), Some(22));
        assert_eq!(iban(b"ZZ82WEST12345698765432"), None);
        assert_eq!(iban(b"GB"), None);
    }

    #[test]
    fn social_security_numbers_follow_the_rules_of_issue() {
        assert!(ssn(b"536228726"));
        for bad in [
            b"000228726",
            b"666228726",
            b"900228726",
            b"536008726",
            b"536220000",
            b"078051120",
        ] {
            assert!(!ssn(bad));
        }
    }
}
