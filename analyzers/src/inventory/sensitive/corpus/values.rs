//! How values of each class are made: by the rules of whoever issues them, not by the search's own checks.

/// A small generator of numbers (SplitMix64), so that a seed is a body on every machine.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }

    pub(super) fn text(&mut self, alphabet: &str, length: u64) -> String {
        (0..length)
            .map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len() as u64) as usize]))
            .collect()
    }

    pub(super) fn digits(&mut self, length: u64) -> String {
        self.text("0123456789", length)
    }
}

pub(super) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub(super) const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(super) const HEX: &str = "0123456789abcdef";

/// The digit that makes Luhn's sum come out when it is put behind.
pub(super) fn luhn_digit(digits: &str) -> char {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, d)| {
            let d = u32::from(d - b'0') * if place % 2 == 0 { 2 } else { 1 };
            d / 10 + d % 10
        })
        .sum();
    char::from_digit((10 - sum % 10) % 10, 10).unwrap()
}

pub(super) fn card_digits(rng: &mut Rng) -> String {
    let (prefix, length) = [
        ("4539", 16),
        ("4716", 16),
        ("4929", 16),
        ("5425", 16),
        ("5290", 16),
        ("2231", 16),
        ("2720", 16),
        ("3412", 15),
        ("3782", 15),
        ("6011", 16),
        ("6500", 16),
        ("3545", 16),
        ("3614", 14),
        ("6212", 16),
        ("6212", 19),
    ][rng.below(15) as usize];
    let body = format!("{prefix}{}", rng.digits(length - 5));
    format!("{body}{}", luhn_digit(&body))
}

pub(super) fn card(rng: &mut Rng) -> String {
    let digits = card_digits(rng);
    match (digits.len(), rng.below(3)) {
        (16, 0) => [&digits[..4], &digits[4..8], &digits[8..12], &digits[12..]].join(" "),
        (16, 1) => [&digits[..4], &digits[4..8], &digits[8..12], &digits[12..]].join("-"),
        (15, 0) => [&digits[..4], &digits[4..10], &digits[10..]].join(" "),
        _ => digits,
    }
}

pub(super) fn track(rng: &mut Rng) -> String {
    let (card, year, month) = (card_digits(rng), rng.between(26, 31), rng.between(1, 12));
    let rest = rng.digits(9);
    if rng.below(2) == 0 {
        format!(";{card}={year}{month:02}101{rest}?")
    } else {
        let who = rng.of(&["DOE/JANE", "MEIER/HANS", "SILVA/ANA M"]);
        format!("%B{card}^{who}^{year}{month:02}101{rest}?")
    }
}

pub(super) fn iban(rng: &mut Rng) -> String {
    let (country, bank, digits) = [
        ("DE", "", 18),
        ("GB", "NWBK", 14),
        ("FR", "", 23),
        ("NL", "ABNA", 10),
        ("NO", "", 11),
        ("ES", "", 20),
        ("AT", "", 16),
        ("PL", "", 24),
    ][rng.below(8) as usize];
    let bban = format!("{bank}{}", rng.digits(digits));
    let mut rest = 0u64;
    for c in format!("{bban}{country}00").chars() {
        let v = u64::from(c.to_digit(36).unwrap());
        rest = if v > 9 { rest * 100 + v } else { rest * 10 + v } % 97;
    }
    let whole = format!("{country}{:02}{bban}", 98 - rest);
    if rng.below(3) == 0 {
        let groups: Vec<&str> = (0..whole.len())
            .step_by(4)
            .map(|at| &whole[at..(at + 4).min(whole.len())])
            .collect();
        return groups.join(" ");
    }
    whole
}

pub(super) fn ssn(rng: &mut Rng) -> String {
    let area = [rng.between(1, 665), rng.between(667, 899)][rng.below(2) as usize];
    let (group, serial) = (rng.between(1, 99), rng.between(1, 9999));
    match rng.below(3) {
        0 => format!("{area:03}{group:02}{serial:04}"),
        1 => format!("{area:03} {group:02} {serial:04}"),
        _ => format!("{area:03}-{group:02}-{serial:04}"),
    }
}

pub(super) fn email(rng: &mut Rng) -> String {
    let first = rng.of(&["ann", "bob.lee", "j_meier", "o'neil", "maria+news", "x9", "info"]);
    let host = rng.of(&["corp.test", "mail.acme.io", "uni-bonn.de", "gmail.com", "a.co.uk"]);
    format!("{}{}@{host}", first.replace('\'', ""), rng.below(10_000))
}

pub(super) fn phone(rng: &mut Rng) -> String {
    let (a, b, c) = (rng.between(201, 989), rng.between(200, 499), rng.digits(4));
    match rng.below(7) {
        0 => format!("+1{a}{b}{c}"),
        1 => format!("({a}) {b}-{c}"),
        2 => format!("{a}-{b}-{c}"),
        3 => format!("+49 {} {}", rng.between(30, 99), rng.between(100_000, 9_999_999)),
        4 => format!("+44 20 7{} {}", rng.digits(3), rng.digits(4)),
        5 => format!(
            "+33 {} {:02} {:02} {:02} {:02}",
            rng.between(1, 7),
            rng.below(99),
            rng.below(99),
            rng.below(99),
            rng.below(99)
        ),
        _ => format!("{a}.{b}.{c}"),
    }
}

pub(super) fn address(rng: &mut Rng) -> String {
    let n = rng.between(1, 2400);
    match rng.below(5) {
        0 => format!("{n} {} Street", rng.of(&["Main", "Oak", "Elm", "King"])),
        1 => format!(
            "{n} {} Ave, Apt {}",
            rng.of(&["5th", "Park", "Lake"]),
            rng.between(1, 90)
        ),
        2 => format!(
            "{} {n}",
            rng.of(&["Hauptstraße", "Lindenweg", "Am Markt", "Goethestr."])
        ),
        3 => format!("{n} rue {}", rng.of(&["de la Paix", "Victor Hugo", "du Bac"])),
        _ => format!("Calle {} {n}", rng.of(&["Mayor", "Alcalá", "Sol"])),
    }
}

pub(super) fn birth(rng: &mut Rng) -> String {
    let (y, m, d) = (rng.between(1930, 2012), rng.between(1, 12), rng.between(1, 28));
    match rng.below(5) {
        0 => format!("{m:02}/{d:02}/{y}"),
        1 => format!("{d:02}.{m:02}.{y}"),
        2 => format!("{y}-{m:02}-{d:02}T00:00:00Z"),
        _ => format!("{y}-{m:02}-{d:02}"),
    }
}

pub(super) fn npi(rng: &mut Rng) -> String {
    let body = format!("{}{}", rng.between(1, 2), rng.digits(8));
    format!("{body}{}", luhn_digit(&format!("80840{body}")))
}

pub(super) fn mbi(rng: &mut Rng) -> String {
    let letters = "ACDEFGHJKMNPQRTUVWXY";
    let both = "ACDEFGHJKMNPQRTUVWXY0123456789";
    let mut text = String::new();
    for kind in "CAMNAMNAANN".chars() {
        let alphabet = match kind {
            'C' => "123456789",
            'A' => letters,
            'M' => both,
            _ => "0123456789",
        };
        text += &rng.text(alphabet, 1);
    }
    if rng.below(2) == 0 {
        return format!("{}-{}-{}", &text[..4], &text[4..7], &text[7..]);
    }
    text
}

pub(super) fn diagnosis(rng: &mut Rng) -> String {
    let letter = rng.text("ABCDEFGHIJKLMNOPQRSTUVZ", 1);
    let stem = format!("{letter}{:02}", rng.below(99));
    match rng.below(4) {
        0 => stem,
        1 => format!("{stem}.{}", rng.digits(1)),
        2 => format!("{stem}.{}", rng.digits(2)),
        _ => format!("{stem}.{}X{}", rng.digits(2), rng.of(&["A", "D", "S"])),
    }
}

pub(super) fn provider_key(rng: &mut Rng) -> String {
    let caps = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    match rng.below(28) {
        0 => format!("AKIA{}", rng.text(caps, 16)),
        1 => format!("ASIA{}", rng.text(caps, 16)),
        2 => format!("sk-proj-{}T3BlbkFJ{}", rng.text(WORD, 74), rng.text(WORD, 74)),
        3 => format!("sk-{}T3BlbkFJ{}", rng.text(ALNUM, 20), rng.text(ALNUM, 20)),
        4 => format!("sk-ant-api03-{}AA", rng.text(WORD, 93)),
        5 => format!("dapi{}-2", rng.text(HEX, 32)),
        6 => format!("gh{}_{}", rng.of(&["p", "o", "u", "s", "r"]), rng.text(ALNUM, 36)),
        7 => format!("github_pat_{}_{}", rng.text(ALNUM, 22), rng.text(ALNUM, 59)),
        8 => format!("glpat-{}", rng.text(WORD, 20)),
        9 => format!(
            "xoxb-{}-{}-{}",
            rng.digits(12),
            rng.digits(12),
            rng.text(ALNUM, 24)
        ),
        10 => format!("{}_live_{}", rng.of(&["sk", "rk"]), rng.text(ALNUM, 24)),
        11 => format!("hf_{}", rng.text(&ALNUM[..52], 34)),
        12 => format!("dapi{}", rng.text(HEX, 32)),
        13 => format!("dop_v1_{}", rng.text(HEX, 64)),
        14 => format!("npm_{}", rng.text(ALNUM, 36)),
        15 => format!("SG.{}.{}", rng.text(WORD, 22), rng.text(WORD, 43)),
        16 => format!("hvs.{}", rng.text(WORD, 95)),
        17 => format!("glsa_{}_{}", rng.text(ALNUM, 32), rng.text(HEX, 8)),
        18 => format!("PMAK-{}-{}", rng.text(HEX, 24), rng.text(HEX, 34)),
        19 => format!("ABSKQmVkcm9ja0FQSUtleS{}=", rng.text(BASE64, 113)),
        20 => format!(
            "https://hooks.slack.com/services/T{}/B{}/{}",
            rng.text(caps, 8),
            rng.text(caps, 10),
            rng.text(ALNUM, 24)
        ),
        21 => format!("{}{}Q~{}", rng.text(ALNUM, 3), rng.digits(1), rng.text(WORD, 34)),
        22 => format!("dp.pt.{}", rng.text("abcdefghijklmnopqrstuvwxyz0123456789", 43)),
        23 => format!("ya29.a0{}", rng.text(WORD, 120)),
        24 => format!("whsec_{}", rng.text(ALNUM, 32)),
        25 => format!("r8_{}", rng.text(ALNUM, 37)),
        26 => format!("ntn_{}{}", rng.digits(11), rng.text(ALNUM, 35)),
        _ => format!("gsk_{}", rng.text(ALNUM, 52)),
    }
}

pub(super) fn private_key(rng: &mut Rng) -> String {
    let kind = rng.of(&["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]);
    let lines: Vec<String> = (0..5).map(|_| rng.text(BASE64, 64)).collect();
    let lines = lines.join("\\n");
    format!("-----BEGIN {kind}PRIVATE KEY-----\\nMII{lines}\\n-----END {kind}PRIVATE KEY-----")
}

pub(super) fn base64url(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn jwt(rng: &mut Rng) -> String {
    let head = format!(
        r#"{{"alg":"{}","typ":"JWT"}}"#,
        rng.of(&["HS256", "RS256", "ES256"])
    );
    let body = format!(
        r#"{{"sub":"{}","exp":{}}}"#,
        rng.digits(9),
        rng.between(17, 18) * 100_000_000
    );
    format!("{}.{}.{}", base64url(&head), base64url(&body), rng.text(WORD, 43))
}

pub(super) fn secret(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => rng.text(HEX, 40),
        1 => rng.text(BASE64, 40),
        2 => rng.text(WORD, 32),
        _ => rng.text(ALNUM, 24),
    }
}

pub(super) fn uuid(rng: &mut Rng) -> String {
    let h = rng.text(HEX, 30);
    format!(
        "{}-{}-4{}-8{}-{}",
        &h[..8],
        &h[8..12],
        &h[12..15],
        &h[15..18],
        &h[18..30]
    )
}

pub(super) fn browser_key(rng: &mut Rng) -> String {
    format!("AIza{}", rng.text(WORD, 35))
}

pub(super) fn itin(rng: &mut Rng) -> String {
    let groups: Vec<u64> = (50..=65).chain(70..=88).chain(90..=92).chain(94..=99).collect();
    let group = groups[rng.below(groups.len() as u64) as usize];
    let (area, serial) = (rng.between(900, 999), rng.digits(4));
    match rng.below(2) {
        0 => format!("{area}{group}{serial}"),
        _ => format!("{area}-{group}-{serial}"),
    }
}

pub(super) fn passport(rng: &mut Rng) -> String {
    let caps = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    match rng.below(4) {
        0 => rng.digits(9),
        1 => format!("{}{}", rng.text(caps, 1), rng.digits(8)),
        2 => format!("C01X{}T{}", rng.digits(2), rng.digits(2)),
        _ => format!("{}{}{}", rng.digits(2), rng.text(caps, 2), rng.digits(5)),
    }
}

/// A passport's machine readable zone: two lines of 44 signs.
pub(super) fn zone(rng: &mut Rng) -> String {
    let weigh = |text: &str| {
        let sum: u32 = text
            .chars()
            .zip([7, 3, 1].into_iter().cycle())
            .map(|(c, w)| if c == '<' { 0 } else { c.to_digit(36).unwrap() * w })
            .sum();
        char::from_digit(sum % 10, 10).unwrap()
    };
    let with = |text: String| format!("{text}{}", weigh(&text));
    let number = with(passport(rng));
    let day = |rng: &mut Rng, from: u64| {
        format!(
            "{:02}{:02}{:02}",
            from + rng.below(9),
            rng.between(1, 12),
            rng.between(1, 28)
        )
    };
    let (birth, end) = (with(day(rng, 60)), with(day(rng, 26)));
    let (land, sex) = (rng.of(&["USA", "D<<", "FRA", "UTO"]), rng.of(&["F", "M", "<"]));
    let own = with("<".repeat(14));
    let check = weigh(&format!("{number}{birth}{end}{own}"));
    format!(
        "P<{land}{:<<39}\\n{number}{land}{birth}{sex}{end}{own}{check}",
        rng.of(&["MEIER<<HANS", "SILVA<<ANA<MARIA"])
    )
}

pub(super) fn person(rng: &mut Rng) -> String {
    rng.of(&[
        "Ann",
        "Müller",
        "O'Neil",
        "de la Cruz",
        "Nguyen",
        "Jean-Luc",
        "Silva Pereira",
        "Lee",
        "Zoë",
        "van Dyke",
    ])
    .to_owned()
}

pub(super) fn machine(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => format!("2a02:810:{:x}:{:x}::1", rng.below(65_536), rng.below(65_536)),
        1 => format!("81.{}.{}.{}", rng.below(256), rng.below(256), rng.below(256)),
        _ => format!(
            "{}.{}.{}.{}",
            rng.between(11, 99),
            rng.below(256),
            rng.below(256),
            rng.below(256)
        ),
    }
}

pub(super) fn routing(rng: &mut Rng) -> String {
    let start = format!(
        "{:02}{}",
        [rng.between(1, 12), rng.between(21, 32)][rng.below(2) as usize],
        rng.digits(6)
    );
    let sum: u32 = start
        .chars()
        .zip([3, 7, 1].into_iter().cycle())
        .map(|(c, w)| c.to_digit(10).unwrap() * w)
        .sum();
    format!("{start}{}", (10 - sum % 10) % 10)
}

pub(super) fn dea(rng: &mut Rng) -> String {
    let start = rng.digits(6);
    let d: Vec<u32> = start.chars().map(|c| c.to_digit(10).unwrap()).collect();
    let check = (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10;
    format!(
        "{}{}{start}{check}",
        rng.of(&["A", "B", "F", "M"]),
        rng.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ9", 1)
    )
}

pub(super) fn record_number(rng: &mut Rng) -> String {
    match rng.below(3) {
        0 => format!("MRN-{}", rng.digits(7)),
        1 => rng.digits(8),
        _ => format!("A{}", rng.digits(6)),
    }
}

pub(super) fn clinical(rng: &mut Rng) -> String {
    if rng.below(2) == 0 {
        let number = rng.between(100, 99_999).to_string();
        return format!("{number}-{}", luhn_digit(&number));
    }
    match rng.below(3) {
        0 => format!("{}-{}-{}", rng.digits(4), rng.digits(4), rng.digits(2)),
        1 => format!("{}-{}-{}", rng.digits(5), rng.digits(3), rng.digits(2)),
        _ => format!("{}-{}-{}", rng.digits(5), rng.digits(4), rng.digits(2)),
    }
}
