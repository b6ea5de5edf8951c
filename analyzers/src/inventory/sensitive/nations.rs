//! Numbers that states give to people, beside those of the United States: opt-in, by country.
//!
//! Each has check digits or letters of its own, and each is looked for under its names only: eleven digits with a check
//! are one number in ten or a hundred. Which countries are looked for, the operator says; what nobody asked for is not
//! looked for, as a check that fits by chance would then tell of people that there are not.

use super::{DataClass, Found};
use crate::id::Seed;
use crate::privacy::checks::luhn;

/// Countries (ISO 3166-1) and the numbers they have.
const COUNTRIES: [(&str, &[DataClass]); 13] = [
    ("au", &[DataClass::AuMedicare, DataClass::AuTfn]),
    ("br", &[DataClass::BrCpf]),
    ("ca", &[DataClass::CaSin]),
    ("de", &[DataClass::DeTaxId]),
    ("es", &[DataClass::EsNif]),
    ("fr", &[DataClass::FrNir]),
    ("gb", &[DataClass::GbNhs, DataClass::GbNino]),
    ("in", &[DataClass::InAadhaar, DataClass::InPan]),
    ("it", &[DataClass::ItFiscalCode]),
    ("kr", &[DataClass::KrRrn]),
    ("pl", &[DataClass::PlPesel]),
    ("se", &[DataClass::SePersonnummer]),
    ("sg", &[DataClass::SgFin]),
];

/// Countries whose numbers are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Nations(u16);

impl Nations {
    /// Those of a list of country codes. What is none of ours is left out.
    pub(crate) fn parse(codes: &[String]) -> Self {
        Self(codes.iter().fold(0, |bits, code| {
            let place = COUNTRIES
                .iter()
                .position(|(name, _)| code.eq_ignore_ascii_case(name));
            place.map_or(bits, |place| bits | 1 << place)
        }))
    }

    fn has(self, class: DataClass) -> bool {
        self.classes().any(|own| own == class)
    }

    fn classes(self) -> impl Iterator<Item = DataClass> {
        COUNTRIES
            .iter()
            .enumerate()
            .filter(move |(place, _)| self.0 >> place & 1 == 1)
            .flat_map(|(_, (_, classes))| classes.iter().copied())
    }
}

/// Codes (ISO 3166-1, lower case) of the countries whose numbers can be looked for.
pub const COUNTRY_CODES: [&str; COUNTRIES.len()] = {
    let mut codes = [""; COUNTRIES.len()];
    let mut at = 0;
    while at < codes.len() {
        codes[at] = COUNTRIES[at].0;
        at += 1;
    }
    codes
};

/// A value under a name of this number.
pub(super) fn named(class: DataClass, value: &[u8], nations: Nations, seed: Seed, found: &mut Found) -> bool {
    if !nations.has(class) {
        return false;
    }
    let Some(plain) = Plain::of(value) else {
        return false;
    };
    let fits = is(class, plain.text());
    if fits {
        found.add(class, plain.text(), true, seed);
    }
    fits
}

/// A value under a name that any state's number may have: what fits one number alone is that one.
pub(super) fn any(value: &[u8], nations: Nations, seed: Seed, found: &mut Found) {
    let Some(plain) = Plain::of(value).filter(|_| nations.0 != 0) else {
        return;
    };
    let mut fitting = nations.classes().filter(|class| is(*class, plain.text()));
    if let (Some(class), None) = (fitting.next(), fitting.next()) {
        found.add(class, plain.text(), true, seed);
    }
}

/// Letters in upper case and digits of a value, without the signs that stand between groups.
struct Plain {
    text: [u8; 20],
    length: usize,
}

impl Plain {
    fn of(value: &[u8]) -> Option<Self> {
        let mut plain = Self {
            text: [0; 20],
            length: 0,
        };
        for byte in value {
            if byte.is_ascii_alphanumeric() {
                *plain.text.get_mut(plain.length)? = byte.to_ascii_uppercase();
                plain.length += 1;
            } else if !matches!(byte, b' ' | b'-' | b'.' | b'/' | b'+') {
                return None;
            }
        }
        (plain.length >= 8).then_some(plain)
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// Whether a text in upper case and without signs is such a number.
fn is(class: DataClass, text: &[u8]) -> bool {
    let digits = text.iter().all(u8::is_ascii_digit);
    // Nobody has a number of one digit repeated, and some checks let it pass.
    if text.iter().all(|b| *b == text[0]) {
        return false;
    }
    match class {
        DataClass::AuMedicare => digits && au_medicare(text),
        DataClass::AuTfn => {
            digits && text.len() == 9 && sum(text, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
        }
        DataClass::BrCpf => digits && text.len() == 11 && br_cpf(text),
        DataClass::CaSin => digits && text.len() == 9 && !matches!(text[0], b'0' | b'8') && luhn(text),
        DataClass::DeTaxId => digits && text.len() == 11 && de_tax_id(text),
        DataClass::EsNif => es_nif(text),
        DataClass::FrNir => fr_nir(text),
        DataClass::GbNhs => {
            let check = 11 - sum(text, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            digits && text.len() == 10 && check % 11 == value(text[9])
        }
        DataClass::GbNino => gb_nino(text),
        DataClass::InAadhaar => digits && text.len() == 12 && text[0] >= b'2' && verhoeff(text),
        DataClass::InPan => {
            text.len() == 10
                && letters(&text[..5])
                && b"ABCFGHJLPT".contains(&text[3])
                && text[5..9].iter().all(u8::is_ascii_digit)
                && letters(&text[9..])
        }
        DataClass::ItFiscalCode => it_fiscal_code(text),
        DataClass::KrRrn => digits && text.len() == 13 && kr_rrn(text),
        DataClass::PlPesel => digits && text.len() == 11 && pl_pesel(text),
        DataClass::SePersonnummer => digits && se_personnummer(text),
        DataClass::SgFin => sg_fin(text),
        _ => false,
    }
}

fn value(digit: u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0'))
}

fn letters(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_uppercase)
}

/// The number that digits are.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |n, d| {
        d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0'))
    })
}

/// The sum of digits, each times its weight.
fn sum(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(d, w)| value(*d) * w).sum()
}

fn is_day(month: u64, day: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// Nine digits, the last of them the check, the number of the issue, and perhaps that of the person on the card.
fn au_medicare(text: &[u8]) -> bool {
    matches!(text.len(), 10 | 11)
        && matches!(text[0], b'2'..=b'6')
        && sum(text, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == value(text[8])
        && text[9] != b'0'
}

fn br_cpf(text: &[u8]) -> bool {
    let check = |weights: &[u32]| (sum(text, weights) * 10 % 11) % 10;
    check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == value(text[9])
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == value(text[10])
}

/// ISO 7064 mod 11, 10; and of the first ten digits one comes twice or three times, and no other.
fn de_tax_id(text: &[u8]) -> bool {
    let mut counts = [0u8; 10];
    let mut product = 10;
    for digit in &text[..10] {
        counts[value(*digit) as usize] += 1;
        let step = (value(*digit) + product) % 10;
        product = if step == 0 { 10 } else { step } * 2 % 11;
    }
    let repeated: Vec<u8> = counts.into_iter().filter(|n| *n > 1).collect();
    text[0] != b'0' && matches!(repeated[..], [2 | 3]) && (11 - product) % 10 == value(text[10])
}

/// Eight digits and a letter, or of foreigners `X`, `Y` or `Z`, seven digits and a letter.
fn es_nif(text: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((last, body)) = text.split_last().filter(|_| text.len() == 9) else {
        return false;
    };
    let first = match body[0] {
        letter @ b'X'..=b'Z' => u64::from(letter - b'X'),
        digit => u64::from(value(digit)),
    };
    number(&body[1..])
        .filter(|_| first < 10)
        .is_some_and(|rest| LETTERS[((first * 10_000_000 + rest) % 23) as usize] == *last)
}

/// Sex, year and month of birth, department, commune, order, and a key: 97 less the rest of the number by 97.
fn fr_nir(text: &[u8]) -> bool {
    if text.len() != 15 || !matches!(text[0], b'1' | b'2' | b'3' | b'4' | b'7' | b'8') {
        return false;
    }
    let mut plain = [0u8; 13];
    plain.copy_from_slice(&text[..13]);
    // Corsica's departments are 2A and 2B, and count as 19 and 18.
    match &text[5..7] {
        b"2A" => plain[5..7].copy_from_slice(b"19"),
        b"2B" => plain[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let month = number(&text[3..5]).is_some_and(|m| matches!(m, 1..=12 | 20..=42 | 50..=99));
    let key = number(&plain).map(|n| 97 - n % 97);
    month && key.is_some() && key == number(&text[13..])
}

fn gb_nino(text: &[u8]) -> bool {
    text.len() == 9
        && letters(&text[..2])
        && !b"DFIQUV".contains(&text[0])
        && !b"DFIOQUV".contains(&text[1])
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"]
            .iter()
            .any(|none| text.starts_with(*none))
        && text[2..8].iter().all(u8::is_ascii_digit)
        && matches!(text[8], b'A'..=b'D')
}

/// Six letters of the names, day of birth (digits that may be letters where two people have the same), place, check.
fn it_fiscal_code(text: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    if text.len() != 16 {
        return false;
    }
    let fits = text.iter().enumerate().all(|(place, byte)| match place {
        0..=5 | 11 | 15 => byte.is_ascii_uppercase(),
        8 => b"ABCDEHLMPRST".contains(byte),
        _ => byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte),
    });
    let rank = |byte: u8| {
        u32::from(if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte.wrapping_sub(b'A')
        })
    };
    fits && text[..15]
        .iter()
        .enumerate()
        .map(|(place, byte)| match place % 2 {
            0 => ODD[rank(*byte) as usize % 26],
            _ => rank(*byte),
        })
        .sum::<u32>()
        % 26
        == rank(text[15])
}

/// Day of birth, sex and century, and a check that numbers given since October 2020 need not have: those are not told.
fn kr_rrn(text: &[u8]) -> bool {
    let day = number(&text[2..4])
        .zip(number(&text[4..6]))
        .is_some_and(|(m, d)| is_day(m, d));
    let check = (11 - sum(text, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    day && check == value(text[12])
}

/// Day of birth, with the century in the month, and a check.
fn pl_pesel(text: &[u8]) -> bool {
    let day = number(&text[2..4])
        .zip(number(&text[4..6]))
        .is_some_and(|(m, d)| is_day(m % 20, d) && m < 93);
    let check = (10 - sum(text, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
    day && check == value(text[10])
}

/// Ten digits, or twelve with the century; coordination numbers have 60 added to the day.
fn se_personnummer(text: &[u8]) -> bool {
    let ten = match text.len() {
        10 => text,
        12 if matches!(&text[..2], b"18" | b"19" | b"20") => &text[2..],
        _ => return false,
    };
    let day = number(&ten[2..4])
        .zip(number(&ten[4..6]))
        .is_some_and(|(m, d)| is_day(m, if d > 60 { d - 60 } else { d }));
    day && luhn(ten)
}

fn sg_fin(text: &[u8]) -> bool {
    if text.len() != 9 || number(&text[1..8]).is_none() {
        return false;
    }
    let (more, table) = match text[0] {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    table[((sum(&text[1..8], &[2, 7, 6, 5, 4, 3, 2]) + more) % 11) as usize] == text[8]
}

/// Verhoeff's check (J. Verhoeff, Error Detecting Decimal Codes, 1969): the digits, permuted by place, multiply to nothing
/// in the group of the pentagon's symmetries.
fn verhoeff(digits: &[u8]) -> bool {
    // Rotations are 0 to 4, reflections 5 to 9.
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const STEP: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut check = 0;
    for (place, digit) in digits.iter().rev().enumerate() {
        let mut turned = value(*digit);
        for _ in 0..place % 8 {
            turned = STEP[turned as usize];
        }
        check = product(check, turned);
    }
    check == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_published_as_examples_are_told_and_their_neighbours_are_not() {
        for (class, text) in [
            (DataClass::AuMedicare, "2123456701"),
            (DataClass::AuTfn, "123456782"),
            (DataClass::BrCpf, "11144477735"),
            (DataClass::CaSin, "130692544"),
            (DataClass::DeTaxId, "86095742719"),
            (DataClass::DeTaxId, "65929970489"),
            (DataClass::EsNif, "12345678Z"),
            (DataClass::EsNif, "X1234567L"),
            (DataClass::FrNir, "255081416802538"),
            (DataClass::GbNhs, "9434765919"),
            (DataClass::InAadhaar, "499118665246"),
            (DataClass::ItFiscalCode, "RSSMRA85T10A562S"),
            (DataClass::PlPesel, "44051401359"),
            (DataClass::SePersonnummer, "8112189876"),
            (DataClass::SePersonnummer, "198112189876"),
            (DataClass::SgFin, "S1234567D"),
            (DataClass::SgFin, "G1234567X"),
        ] {
            assert!(is(class, text.as_bytes()), "{text}");
            // Each check tells every number with one other digit apart.
            for place in 0..text.len() {
                let mut other = text.as_bytes().to_vec();
                if other[place].is_ascii_digit() && (class != DataClass::AuMedicare || place < 9) {
                    other[place] = b'0' + (other[place] - b'0' + 1) % 10;
                    let told = is(class, &other);
                    // The century is not under the check.
                    let century = other.len() == 12 && place < 2;
                    assert!(!told || century, "{}", String::from_utf8_lossy(&other));
                }
            }
        }
        for (class, text, want) in [
            (DataClass::GbNino, "AB123456C", true),
            (DataClass::GbNino, "BG123456C", false),
            (DataClass::GbNino, "AB123456E", false),
            (DataClass::InPan, "ABCPE1234F", true),
            (DataClass::InPan, "ABCDE1234F", false),
            (DataClass::KrRrn, "8001011234560", true),
            (DataClass::KrRrn, "8001011234561", false),
            (DataClass::FrNir, "255082A16802538", false),
        ] {
            assert_eq!(is(class, text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_looked_for() {
        let seed = Seed::new(&[3; 32]);
        let nations = Nations::parse(&["GB".into(), "xx".into()]);
        let mut found = Found::default();
        assert!(named(
            DataClass::GbNhs,
            b"943 476 5919",
            nations,
            seed,
            &mut found
        ));
        assert!(!named(
            DataClass::CaSin,
            b"130-692-544",
            nations,
            seed,
            &mut found
        ));
        any(b"130-692-544", nations, seed, &mut found);
        let classes: Vec<_> = found.iter().map(|(class, _)| class).collect();
        assert_eq!(classes, [DataClass::GbNhs]);
        any(b"1", Nations::default(), seed, &mut found);
    }
}
