//! Numbers of states, made by the rules of whoever gives them.

use super::values::*;

fn d(text: &str) -> Vec<u64> {
    text.chars().map(|c| u64::from(c.to_digit(10).unwrap())).collect()
}

fn weighed(text: &str, weights: &[u64]) -> u64 {
    d(text).iter().zip(weights).map(|(digit, w)| digit * w).sum()
}

fn grouped(rng: &mut Rng, text: &str, places: &[usize], sign: &str) -> String {
    if rng.below(2) == 0 {
        return text.to_owned();
    }
    let mut out = String::new();
    for (place, c) in text.chars().enumerate() {
        if places.contains(&place) {
            out.push_str(sign);
        }
        out.push(c);
    }
    out
}

pub(super) fn au_medicare(rng: &mut Rng) -> String {
    let start = format!("{}{}", rng.between(2, 6), rng.digits(7));
    let check = weighed(&start, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
    let whole = format!("{start}{check}{}", rng.between(1, 9));
    grouped(rng, &whole, &[4, 9], " ")
}

pub(super) fn au_tfn(rng: &mut Rng) -> String {
    loop {
        let start = format!("{}{}", rng.between(1, 9), rng.digits(7));
        // The last weight is 10, which is -1 by 11.
        let check = weighed(&start, &[1, 4, 3, 7, 5, 8, 6, 9]) % 11;
        if check < 10 {
            return grouped(rng, &format!("{start}{check}"), &[3, 6], " ");
        }
    }
}

pub(super) fn br_cpf(rng: &mut Rng) -> String {
    let start = format!("{}{}", rng.between(1, 9), rng.digits(8));
    let digit = |text: &str| {
        let top = text.len() as u64 + 1;
        let sum: u64 = d(text)
            .iter()
            .enumerate()
            .map(|(n, v)| v * (top - n as u64))
            .sum();
        if sum % 11 < 2 { 0 } else { 11 - sum % 11 }
    };
    let one = format!("{start}{}", digit(&start));
    let whole = format!("{one}{}", digit(&one));
    if rng.below(2) == 0 {
        return whole;
    }
    format!(
        "{}.{}.{}-{}",
        &whole[..3],
        &whole[3..6],
        &whole[6..9],
        &whole[9..]
    )
}

pub(super) fn ca_sin(rng: &mut Rng) -> String {
    let start = format!("{}{}", rng.of(&["1", "2", "4", "5", "7", "9"]), rng.digits(7));
    let whole = format!("{start}{}", luhn_digit(&start));
    grouped(rng, &whole, &[3, 6], "-")
}

pub(super) fn de_tax_id(rng: &mut Rng) -> String {
    loop {
        let start = format!("{}{}", rng.between(1, 9), rng.digits(9));
        let mut counts = [0; 10];
        d(&start).iter().for_each(|v| counts[*v as usize] += 1);
        counts.sort_unstable();
        if counts[9] != 2 || counts[8] > 1 {
            continue;
        }
        let mut p = 10;
        for v in d(&start) {
            let s = (v + p) % 10;
            p = 2 * if s == 0 { 10 } else { s } % 11;
        }
        let check = if p == 1 { 0 } else { 11 - p };
        return grouped(rng, &format!("{start}{check}"), &[2, 5, 8], " ");
    }
}

pub(super) fn es_nif(rng: &mut Rng) -> String {
    let letter = |n: u64| char::from(b"TRWAGMYFPDXBNJZSQVHLCKE"[(n % 23) as usize]);
    let rest = rng.between(1_000_000, 9_999_999);
    match rng.below(3) {
        0 => format!("X{rest}{}", letter(rest)),
        1 => format!("Y{rest}{}", letter(10_000_000 + rest)),
        _ => {
            let n = rng.between(10_000_000, 99_999_999);
            format!("{n}{}", letter(n))
        }
    }
}

pub(super) fn fr_nir(rng: &mut Rng) -> String {
    let (sex, year, month) = (rng.between(1, 2), rng.below(100), rng.between(1, 12));
    let (town, order) = (rng.between(1, 800), rng.between(1, 999));
    let (land, code) = [("75", 75), ("13", 13), ("69", 69), ("2A", 19), ("2B", 18)][rng.below(5) as usize];
    let plain: u64 = format!("{sex}{year:02}{month:02}{code}{town:03}{order:03}")
        .parse()
        .unwrap();
    let whole = format!(
        "{sex}{year:02}{month:02}{land}{town:03}{order:03}{:02}",
        97 - plain % 97
    );
    grouped(rng, &whole, &[1, 3, 5, 7, 10, 13], " ")
}

pub(super) fn gb_nhs(rng: &mut Rng) -> String {
    loop {
        let start = format!("{}{}", rng.between(4, 7), rng.digits(8));
        let check = 11 - weighed(&start, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        if check != 10 {
            return grouped(rng, &format!("{start}{}", check % 11), &[3, 6], " ");
        }
    }
}

pub(super) fn gb_nino(rng: &mut Rng) -> String {
    let (start, digits) = (
        rng.of(&["AB", "CE", "JG", "NR", "PX", "SH", "WK", "ZY"]),
        rng.digits(6),
    );
    let whole = format!("{start}{digits}{}", rng.text("ABCD", 1));
    grouped(rng, &whole, &[2, 4, 6, 8], " ")
}

/// The tables as they are published.
pub(super) fn in_aadhaar(rng: &mut Rng) -> String {
    const D: [&str; 10] = [
        "0123456789",
        "1234067895",
        "2340178956",
        "3401289567",
        "4012395678",
        "5987604321",
        "6598710432",
        "7659821043",
        "8765932104",
        "9876543210",
    ];
    const P: [&str; 8] = [
        "0123456789",
        "1576283094",
        "5803796142",
        "8916043527",
        "9453126870",
        "4286573901",
        "2793806415",
        "7046913258",
    ];
    let at = |table: &str, n: u64| u64::from(table.as_bytes()[n as usize] - b'0');
    let start = format!("{}{}", rng.between(2, 9), rng.digits(10));
    let whole = (0..10)
        .map(|check| format!("{start}{check}"))
        .find(|text| {
            let sum = d(text)
                .iter()
                .rev()
                .enumerate()
                .fold(0, |c, (place, v)| at(D[c as usize], at(P[place % 8], *v)));
            sum == 0
        })
        .unwrap();
    grouped(rng, &whole, &[4, 8], " ")
}

pub(super) fn in_pan(rng: &mut Rng) -> String {
    let caps = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let (start, end) = (rng.text(caps, 3), rng.text(caps, 1));
    format!(
        "{start}{}{}{}{end}",
        rng.text("PCHFATBLJG", 1),
        rng.text(caps, 1),
        rng.digits(4)
    )
}

pub(super) fn it_fiscal_code(rng: &mut Rng) -> String {
    let caps = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let start = format!(
        "{}{:02}{}{:02}{}{}",
        rng.text("BCDFGLMNPRSTVZ", 6),
        rng.below(100),
        rng.text("ABCDEHLMPRST", 1),
        rng.between(1, 31) + 40 * rng.below(2),
        rng.text("ABCDEFGHIL", 1),
        rng.digits(3)
    );
    // Values at odd places, of 0 to 9 as of A to J, then of K to Z.
    let odd = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    let sum: usize = start
        .chars()
        .enumerate()
        .map(|(place, c)| {
            let rank = c
                .to_digit(10)
                .map_or_else(|| caps.find(c).unwrap(), |n| n as usize);
            if place % 2 == 0 { odd[rank] } else { rank }
        })
        .sum();
    format!("{start}{}", char::from(caps.as_bytes()[sum % 26]))
}

fn day(rng: &mut Rng) -> String {
    format!(
        "{:02}{:02}{:02}",
        rng.between(30, 99),
        rng.between(1, 12),
        rng.between(1, 28)
    )
}

pub(super) fn kr_rrn(rng: &mut Rng) -> String {
    let start = format!("{}{}{}", day(rng), rng.between(1, 2), rng.digits(5));
    let sum = weighed(&start, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let whole = format!("{start}{}", (11 - sum % 11) % 10);
    grouped(rng, &whole, &[6], "-")
}

pub(super) fn pl_pesel(rng: &mut Rng) -> String {
    let month = rng.between(1, 12) + 20 * rng.below(2);
    let start = format!(
        "{}{month:02}{:02}{}",
        rng.digits(2),
        rng.between(1, 28),
        rng.digits(4)
    );
    let sum = weighed(&start, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    format!("{start}{}", (10 - sum % 10) % 10)
}

pub(super) fn se_personnummer(rng: &mut Rng) -> String {
    let start = format!("{}{}", day(rng), rng.digits(3));
    let ten = format!("{start}{}", luhn_digit(&start));
    match rng.below(3) {
        0 => format!("{}-{}", &ten[..6], &ten[6..]),
        1 => format!("19{ten}"),
        _ => ten,
    }
}

pub(super) fn sg_fin(rng: &mut Rng) -> String {
    let (first, digits) = (rng.of(&["S", "T", "F", "G"]), rng.digits(7));
    let sum = weighed(&digits, &[2, 7, 6, 5, 4, 3, 2]) + if matches!(first, "T" | "G") { 4 } else { 0 };
    let table = if matches!(first, "S" | "T") {
        "JZIHGFEDCBA"
    } else {
        "XWUTRQPNMLK"
    };
    format!(
        "{first}{digits}{}",
        char::from(table.as_bytes()[(sum % 11) as usize])
    )
}

/// Numbers with a check, of which a digit was changed, under their own names.
pub(super) const SPOILT: u64 = 14;

pub(super) fn spoilt(rng: &mut Rng, kind: u64) -> (&'static str, String) {
    let (name, text) = match kind {
        0 => ("tax_file_number", au_tfn(rng)),
        1 => ("cpf", br_cpf(rng)),
        2 => ("social_insurance_number", ca_sin(rng)),
        3 => ("steuer_id", de_tax_id(rng)),
        4 => ("nif", es_nif(rng)),
        5 => ("nir", fr_nir(rng)),
        6 => ("nhs_number", gb_nhs(rng)),
        7 => ("aadhaar", in_aadhaar(rng)),
        8 => ("codice_fiscale", it_fiscal_code(rng)),
        9 => ("rrn", kr_rrn(rng)),
        10 => ("pesel", pl_pesel(rng)),
        11 => ("personnummer", se_personnummer(rng)),
        12 => ("nric", sg_fin(rng)),
        _ => ("routing_number", routing(rng)),
    };
    let mut text = text.into_bytes();
    // The last digit is the check, or the last one that is under it.
    let last = text.iter().rposition(u8::is_ascii_digit).unwrap();
    text[last] = b'0' + (text[last] - b'0' + 1) % 10;
    (name, String::from_utf8(text).unwrap())
}
