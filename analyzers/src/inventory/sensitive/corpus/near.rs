//! What looks like a class and holds nothing.

use super::nations::{SPOILT, spoilt};
use super::values::*;

/// What looks like something and is nothing: a name and a value.
pub(super) fn near_miss(rng: &mut Rng, kind: u64) -> Option<(&'static str, String)> {
    let fragment = |rng: &mut Rng| rng.text(HEX, 12);
    Some(match kind {
        0 => (
            "created_at",
            rng.between(1_500_000_000_000, 1_900_000_000_000).to_string(),
        ),
        1 => {
            let ms = rng.between(150_000_000_000, 190_000_000_000).to_string();
            ("timestamp", format!("{ms}{}", luhn_digit(&ms)))
        }
        2 => ("order_number", format!("4{}", rng.digits(15))),
        3 => ("tracking", format!("94{}", rng.digits(20))),
        4 => ("trace", fragment(rng)),
        5 => ("phone_model", format!("SM-G{}B", rng.digits(3))),
        6 => ("hotel", rng.digits(10)),
        7 => (
            "version",
            format!("{}.{}.{}", rng.below(20), rng.below(400), rng.below(9000)),
        ),
        8 => ("sha256", rng.text(HEX, 64)),
        9 => ("etag", rng.text(HEX, 32)),
        10 => ("icon", format!("{}@2x.png", rng.of(&["logo", "home", "user"]))),
        11 => ("contact", format!("jane{}@example.com", rng.below(99))),
        12 => ("next_page_token", rng.text(WORD, 40)),
        13 => ("token_type", "Bearer".to_owned()),
        14 => (
            "ip_address",
            format!("10.{}.{}.{}", rng.below(256), rng.below(256), rng.below(256)),
        ),
        15 => ("mac_address", format!("0a:1b:2c:{:02x}:4d:5e", rng.below(256))),
        16 => ("address", format!("0x{}", rng.text(HEX, 40))),
        17 => ("password", "********".to_owned()),
        18 => (
            "api_key",
            rng.of(&["YOUR_API_KEY_GOES_HERE", "xxxxxxxxxxxxxxxxxxxxxxxx", "<api-key>"])
                .to_owned(),
        ),
        19 => ("aws", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        20 => ("company_id", card_digits(rng)),
        21 => ("discarded", card_digits(rng)),
        22 => ("ssn_last4", rng.digits(4)),
        23 => ("part_number", ssn(rng)),
        24 => ("birth_place", rng.of(&["Lyon", "Graz", "Reno"]).to_owned()),
        25 => ("updated", birth(rng)),
        26 => ("code", format!("A{:02}.{}", rng.below(99), rng.below(9))),
        27 => ("error_code", format!("E{}", rng.digits(4))),
        28 => ("provider", npi(rng)),
        29 => ("epoch", rng.between(1_500_000_000, 1_900_000_000).to_string()),
        30 => (
            "card",
            rng.of(&["4111111111111111", "4242424242424242", "378282246310005"])
                .to_owned(),
        ),
        31 => {
            let mut text = iban(rng).replace(' ', "").into_bytes();
            let last = text.len() - 1;
            text[last] = b'0' + (text[last] - b'0' + 1) % 10;
            ("iban", String::from_utf8(text).unwrap())
        }
        32 => (
            "cursor",
            base64url(&format!(r#"{{"id":{},"dir":"next","page":2}}"#, rng.digits(9))),
        ),
        33 => ("csrf_token", rng.text(WORD, 43)),
        34 => ("password_policy", "minimum-16-characters-and-digits".to_owned()),
        35 => ("commit", rng.text(HEX, 40)),
        36 => ("phone", format!("555-01{:02}", rng.below(100))),
        37 => ("fax", rng.of(&["N/A", "none", "-"]).to_owned()),
        38 => ("timezone", "+0100".to_owned()),
        39 => (
            "pem",
            format!("-----BEGIN PUBLIC KEY-----\\nMII{}\\n", rng.text(BASE64, 64)),
        ),
        40 => (
            "resourceType",
            rng.of(&["calendar", "room", "compute"]).to_owned(),
        ),
        41 => ("sort_key", rng.text(ALNUM, 32)),
        42 => ("street_view", "true".to_owned()),
        43 => (
            "token",
            format!("{}-4{}-8{}", rng.text(HEX, 8), rng.text(HEX, 3), rng.text(HEX, 3)),
        ),
        44 => (
            "model",
            rng.of(&["gpt-4o-mini-2024-07-18", "sk-learn-1.4", "hf_transformers"])
                .to_owned(),
        ),
        45 => ("npi_count", rng.digits(3)),
        46 => ("telemetry", rng.digits(11)),
        47 => ("diagnosis_date", birth(rng)),
        48 => (
            "secret",
            rng.of(&[
                "${CLIENT_SECRET_VALUE}",
                "{{vault.secret.payments}}",
                "vault:payments/api",
            ])
            .to_owned(),
        ),
        49 => ("mobile", "true".to_owned()),
        50 => ("isbn", format!("978{}", rng.digits(10))),
        51 => ("imei", format!("35{}", rng.digits(13))),
        52 => (
            "email_template",
            "Dear {name}, write to support@ or @team".to_owned(),
        ),
        53 => ("latlon", format!("48.{}, 11.{}", rng.digits(12), rng.digits(13))),
        54 => ("order_number", {
            // Without an issuer's range.
            let start = format!("{}{}", rng.of(&["1", "7", "8", "9"]), rng.digits(14));
            format!("{start}{}", luhn_digit(&start))
        }),
        55 => (
            "social_media_id",
            rng.between(100_000_000, 899_999_999).to_string(),
        ),
        56 => ("invoice", rng.between(100_000_000, 999_999_999).to_string()),
        57 => (
            "handle",
            format!("@{}@mastodon.social", rng.of(&["ann", "bob", "lee"])),
        ),
        58 => ("repository", "git@github.com:acme/site.git".to_owned()),
        59 => (
            "dsn",
            format!("postgres://app:{}@db.acme.io/orders", rng.of(&["pw", "x"])),
        ),
        60 => (
            "package",
            format!("react-dom@{}.{}.0-rc.beta", rng.below(20), rng.below(9)),
        ),
        61 => (
            "firmware",
            format!(
                "{}.{}.{}.{}",
                rng.below(9),
                rng.below(30),
                rng.below(9),
                rng.below(99)
            ),
        ),
        62 => ("ip", format!("192.168.{}.{}", rng.below(256), rng.below(256))),
        63 => (
            "server_ip",
            rng.of(&["127.0.0.1", "203.0.113.9", "fe80::1", "2001:db8::7"])
                .to_owned(),
        ),
        64 => ("cvv", rng.digits(3)),
        65 => ("security_code", rng.digits(4)),
        66 => (
            "passport",
            rng.of(&["required", "true", "valid until 2031"]).to_owned(),
        ),
        67 => ("patient_id", uuid(rng)),
        68 => ("patient_id", rng.below(1000).to_string()),
        69 => ("dea_number", format!("AB{}", spoil(&dea(rng)[2..]))),
        70 => (
            "first_name",
            rng.of(&["string", "{{first_name}}", "N/A", "unknown", "user_42"])
                .to_owned(),
        ),
        71 => ("file_name", rng.of(&["Report", "Anna", "Budget"]).to_owned()),
        72 => ("product_name", rng.of(&["Lamp", "Chair", "Table"]).to_owned()),
        73 => (
            "loinc",
            spoil(&{
                let n = rng.between(100, 9999).to_string();
                format!("{n}-{}", luhn_digit(&n))
            }),
        ),
        74 => ("ndc", rng.of(&["2026-11-02", "pending", "12-34"]).to_owned()),
        75 => ("account_sid", format!("AC{}", rng.text(HEX, 32))),
        76 => ("digest", format!("sha256-{}", rng.text(HEX, 64))),
        77 => ("session_hash", rng.text(HEX, 32)),
        78 => (
            "product_code",
            format!(
                "{}{:02}.{}",
                rng.text("ABCDEFGH", 1),
                rng.below(99),
                rng.below(99)
            ),
        ),
        79 => ("sku_code", format!("Z{:02}", rng.below(99))),
        80 => ("sin", format!("0.{}", rng.digits(9))),
        81 => ("fin", rng.of(&["2026-01-31", "true", "CARBON"]).to_owned()),
        82 => ("nie", rng.of(&["ja", "nein", "immer"]).to_owned()),
        83 => ("cf", rng.below(100).to_string()),
        84 => ("pan", rng.of(&["left", "120.5", "0.25"]).to_owned()),
        85 => ("rtn", rng.digits(4)),
        86 => ("line", format!("P<{}", rng.text("ABCDEFGHIJ", 20))),
        87 => (
            "itin",
            format!("9{}-{}-{}", rng.digits(2), rng.between(10, 49), rng.digits(4)),
        ),
        88 => ("national_id", rng.of(&["n/a", "pending", "12345"]).to_owned()),
        89 => (
            "api_docs",
            "Send your key as sk-proj-... or sk_test_4eC39HqLyjWDarjtT1zdp7dc".to_owned(),
        ),
        90 => (
            "example",
            "curl -H 'Authorization: Bearer YOUR_TOKEN_HERE' https://api.acme.io".to_owned(),
        ),
        91 => (
            "webhook",
            format!("https://acme.io/services/T0000/B0000/{}", rng.text(HEX, 24)),
        ),
        92 => ("tilde", format!("~{}", rng.text(ALNUM, 32))),
        kind @ 93.. if kind < 93 + SPOILT => spoilt(rng, kind - 93),
        _ => return None,
    })
}

/// The last digit changed.
fn spoil(text: &str) -> String {
    let (start, last) = text.split_at(text.len() - 1);
    format!("{start}{}", (last.parse::<u8>().unwrap() + 1) % 10)
}
