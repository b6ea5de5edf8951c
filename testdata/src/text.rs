//! Base64, percent-encoding, and ids as programs make them.

use crate::rng::Rng;
use crate::time::MILLI;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8], alphabet: &[u8; 64], pad: bool) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let b = [
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ];
        let n = u32::from(b[0]) << 16 | u32::from(b[1]) << 8 | u32::from(b[2]);
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(alphabet[(n >> (18 - 6 * i)) as usize & 63]));
            } else if pad {
                out.push('=');
            }
        }
    }
    out
}

/// Base64 with padding (RFC 4648 section 4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    encode(bytes, STANDARD, true)
}

/// Base64 for URLs, without padding (RFC 4648 section 5).
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    encode(bytes, URL, false)
}

/// Percent-encoding of everything but unreserved characters (RFC 3986 section 2.3).
#[must_use]
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A random UUID (RFC 9562, version 4).
pub fn uuid(rng: &mut Rng) -> String {
    let variant = *rng.pick(&['8', '9', 'a', 'b']);
    format!(
        "{}-{}-4{}-{variant}{}-{}",
        rng.hex(8),
        rng.hex(4),
        rng.hex(3),
        rng.hex(3),
        rng.hex(12)
    )
}

/// A ULID for this moment: 48 bits of milliseconds and 80 random bits in Crockford's base 32.
pub fn ulid(rng: &mut Rng, at: u64) -> String {
    const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let ms = at / MILLI;
    let time: String = (0..10)
        .rev()
        .map(|i| char::from(CROCKFORD.as_bytes()[(ms >> (5 * i)) as usize & 31]))
        .collect();
    time + &rng.text(CROCKFORD, 16)
}

/// A token in the shape of a JWT: header and claims as given, and a signature of random bytes in the
/// length the algorithm has. Nothing here can be verified, and nothing should.
pub fn jwt(rng: &mut Rng, header: &str, claims: &str) -> String {
    let signature = if header.contains("RS256") { 256 } else { 32 };
    format!(
        "{}.{}.{}",
        base64url(header.as_bytes()),
        base64url(claims.as_bytes()),
        base64url(&rng.bytes(signature))
    )
}

/// A made-up payment card number: `prefix`, random digits, and the check digit of Luhn's formula.
pub fn card(rng: &mut Rng, prefix: &str, len: usize) -> String {
    let mut digits = prefix.to_owned();
    digits.push_str(&rng.text("0123456789", len - 1 - prefix.len()));
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b - b'0') * if i % 2 == 0 { 2 } else { 1 };
            d / 10 + d % 10
        })
        .sum();
    digits + &((10 - sum % 10) % 10).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_match_published_examples() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded, "{plain}");
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        assert_eq!(percent("a b@c/é"), "a%20b%40c%2F%C3%A9");
    }

    #[test]
    fn card_numbers_hold_their_check_digit() {
        let mut rng = Rng::new(7);
        for _ in 0..50 {
            let number = card(&mut rng, "4", 16);
            let sum: u32 = number
                .bytes()
                .rev()
                .enumerate()
                .map(|(i, b)| {
                    let d = u32::from(b - b'0') * if i % 2 == 1 { 2 } else { 1 };
                    d / 10 + d % 10
                })
                .sum();
            assert_eq!((number.len(), sum % 10), (16, 0), "{number}");
        }
    }
}
