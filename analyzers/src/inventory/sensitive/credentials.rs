//! Credentials in bodies: keys of known providers, private keys, JSON web tokens, and secrets by name.
//!
//! Keys are words without a break of at least sixteen characters, and [`Marks`] tell where those are; of each, the first
//! characters decide. A secret without a form of its own needs a field name, and more disorder than words have.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use memchr::memmem::Finder;

use super::{DataClass, Found};
use crate::id::Seed;
use crate::marks::Marks;

/// What the part of a key behind its prefix is made of.
#[derive(Clone, Copy)]
enum Of {
    /// Letters, digits, `_` and `-`.
    Word,
    /// Letters and digits.
    Alnum,
    Letters,
    Hex,
    /// `A`–`Z` and digits.
    Upper,
    /// `A`–`Z` and `2`–`7`.
    Base32,
}

impl Of {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Letters => byte.is_ascii_alphabetic(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
        }
    }
}

/// Prefix, alphabet of what follows, its least and greatest length, and what else is in it.
type Form = (&'static [u8], Of, usize, usize, &'static [u8]);

/// Forms of keys as providers publish them. Those for tests (`sk_test_`) are not among them.
const FORMS: [Form; 47] = [
    (b"A3T", Of::Upper, 17, 17, b""),
    (b"AKIA", Of::Base32, 16, 16, b""),
    (b"ASIA", Of::Base32, 16, 16, b""),
    (b"ABIA", Of::Base32, 16, 16, b""),
    (b"ACCA", Of::Base32, 16, 16, b""),
    (b"PMAK-", Of::Word, 59, 59, b"-"),
    (b"SK", Of::Hex, 32, 32, b""),
    (
        b"bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t",
        Of::Word,
        20,
        2000,
        b"",
    ),
    (b"dapi", Of::Hex, 32, 32, b""),
    (b"dapi", Of::Word, 34, 34, b"-"),
    (b"dop_v1_", Of::Hex, 64, 64, b""),
    (b"gho_", Of::Alnum, 36, 36, b""),
    (b"ghp_", Of::Alnum, 36, 36, b""),
    (b"ghr_", Of::Alnum, 36, 36, b""),
    (b"ghs_", Of::Alnum, 36, 36, b""),
    (b"ghu_", Of::Alnum, 36, 36, b""),
    (b"github_pat_", Of::Word, 82, 82, b""),
    (b"glpat-", Of::Word, 20, 20, b""),
    (b"glsa_", Of::Word, 41, 41, b"_"),
    (b"gsk_", Of::Alnum, 52, 52, b""),
    (b"hf_", Of::Letters, 34, 34, b""),
    (b"lin_api_", Of::Alnum, 40, 40, b""),
    (b"lsv2_pt_", Of::Word, 40, 60, b"_"),
    (b"lsv2_sk_", Of::Word, 40, 60, b"_"),
    (b"npm_", Of::Alnum, 36, 36, b""),
    (b"ntn_", Of::Alnum, 46, 46, b""),
    (b"pplx-", Of::Alnum, 48, 48, b""),
    (b"pypi-AgEIcHlwaS5vcmc", Of::Word, 50, 400, b""),
    (b"r8_", Of::Alnum, 37, 37, b""),
    (b"rk_live_", Of::Alnum, 10, 99, b""),
    (b"rk_prod_", Of::Alnum, 10, 99, b""),
    (b"sk-admin-", Of::Word, 100, 200, b"T3BlbkFJ"),
    (b"sk-ant-admin01-", Of::Word, 95, 95, b"AA"),
    (b"sk-ant-api03-", Of::Word, 95, 95, b"AA"),
    (b"sk-ant-oat01-", Of::Word, 80, 120, b""),
    (b"sk-or-v1-", Of::Hex, 64, 64, b""),
    (b"sk-proj-", Of::Word, 100, 200, b"T3BlbkFJ"),
    (b"sk-svcacct-", Of::Word, 100, 200, b"T3BlbkFJ"),
    (b"sk-", Of::Alnum, 48, 48, b"T3BlbkFJ"),
    (b"sk_live_", Of::Alnum, 10, 99, b""),
    (b"sk_prod_", Of::Alnum, 10, 99, b""),
    (b"whsec_", Of::Alnum, 24, 64, b""),
    (b"xai-", Of::Alnum, 80, 80, b""),
    (b"xapp-", Of::Word, 40, 160, b"-"),
    (b"xoxb-", Of::Word, 30, 100, b"-"),
    (b"xoxe-", Of::Word, 60, 120, b"-"),
    (b"xoxp-", Of::Word, 60, 120, b"-"),
];

/// First characters of keys, one bit for each, so that most words are passed by.
const FIRST: u128 = {
    let mut bits = 0;
    let mut at = 0;
    while at < FORMS.len() {
        bits |= 1 << FORMS[at].0[0];
        at += 1;
    }
    bits
};

/// What placeholders and documentation have in them.
const PLACEHOLDERS: [&[u8]; 9] = [
    b"example",
    b"changeme",
    b"change_me",
    b"your_",
    b"your-",
    b"placeholder",
    b"redacted",
    b"dummy",
    b"xxxx",
];

/// Finds keys and tokens, which stand for themselves.
pub(super) fn search(body: &[u8], marks: &Marks, seed: Seed, found: &mut Found) {
    let mut at = 0;
    while let Some((start, end)) = marks.next_long_word(at) {
        at = end;
        let Some(word) = body.get(start..end.min(body.len())) else {
            return;
        };
        // The `n` of a line break in a string is no part of the word behind it.
        let escaped = start > 0 && body[start - 1] == b'\\';
        let word = &word[usize::from(escaped)..];
        if word.starts_with(b"eyJ")
            && body.get(end) == Some(&b'.')
            && let Some(length) = jwt(&body[end - word.len()..])
        {
            let from = end - word.len();
            found.add(DataClass::Jwt, &body[from..from + length], true, seed);
            at = from + length;
        } else if is_key(word) {
            found.add(DataClass::ProviderKey, word, true, seed);
        } else if is_browser_key(word) {
            found.add(DataClass::BrowserKey, word, true, seed);
        } else if word.starts_with(b"ABSK") {
            bedrock(body, end - word.len(), seed, found);
        } else if start > 0 {
            match body[start - 1] {
                b'.' => dotted(body, start, end, seed, found),
                b'~' => azure(body, start, seed, found),
                b'/' => webhook(body, start, end, seed, found),
                _ => {}
            }
        }
    }
    private_keys(body, seed, found);
}

/// Whether a word is a key of Google's, which pages show: who may use it for what is limited elsewhere, or should be.
fn is_browser_key(word: &[u8]) -> bool {
    word.len() == 39 && word.starts_with(b"AIza") && disorder(&word[4..]) >= 3.0 && !is_placeholder(word)
}

/// A key of Amazon Bedrock: base 64, in which not every sign is part of a word.
fn bedrock(body: &[u8], start: usize, seed: Seed, found: &mut Found) {
    let part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let length = body[start..].iter().take(300).take_while(part).count();
    let word = &body[start..start + length];
    if (113..=276).contains(&length) && disorder(word) >= 4.0 {
        found.add(DataClass::ProviderKey, word, true, seed);
    }
}

/// A client secret of Azure: three characters, a digit, `Q~`, and what begins at `start` with more of its kind.
fn azure(body: &[u8], start: usize, seed: Seed, found: &mut Found) {
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'~' | b'.' | b'-');
    let Some(from) = start.checked_sub(6) else {
        return;
    };
    let rest = body[start..].iter().take(40).take_while(|b| part(b)).count();
    let head = &body[from..start];
    let bounded = from == 0 || !part(&body[from - 1]);
    if bounded
        && head.ends_with(b"Q~")
        && head[3].is_ascii_digit()
        && head[..3].iter().all(part)
        && (31..=34).contains(&rest)
        && disorder(&body[start..start + rest]) >= 3.0
    {
        found.add(DataClass::ProviderKey, &body[from..start + rest], true, seed);
    }
}

/// An address of Slack's to which whoever knows it may write: its last part is the word at `start`.
fn webhook(body: &[u8], start: usize, end: usize, seed: Seed, found: &mut Found) {
    let word = &body[start..end];
    let near = &body[start.saturating_sub(64)..start - 1];
    // The part before is the id of a channel or a number.
    let segment = near.rsplit(|b| *b == b'/').next().unwrap_or(b"");
    let likely = segment.len() >= 6
        && segment
            .iter()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if !likely || !(18..=64).contains(&word.len()) || !word.iter().all(u8::is_ascii_alphanumeric) {
        return;
    }
    let host = memchr::memmem::rfind(near, b"hooks.slack.com/");
    if let Some(place) = host.filter(|_| disorder(word) >= 3.0) {
        let from = start - 1 - near.len() + place;
        found.add(DataClass::ProviderKey, &body[from..end], true, seed);
    }
}

/// Whether a whole word is the key of a provider.
fn is_key(word: &[u8]) -> bool {
    let Some(first) = word.first().filter(|b| b.is_ascii()) else {
        return false;
    };
    FIRST >> first & 1 == 1
        && FORMS.iter().any(|(prefix, of, least, most, inner)| {
            // Two letters tell most apart, at less cost than a call that compares all.
            let alike = prefix[0] == *first && word.get(1) == prefix.get(1);
            alike
                && word.strip_prefix(*prefix).is_some_and(|rest| {
                    (*least..=*most).contains(&rest.len())
                        && rest.iter().all(|b| of.holds(*b))
                        && memchr::memmem::find(rest, inner).is_some()
                        && disorder(rest) >= 2.5
                        && !is_placeholder(word)
                })
        })
}

/// Keys with a dot behind their prefix, or between their parts: SendGrid, HashiCorp Vault, Doppler, Google's OAuth.
fn dotted(body: &[u8], start: usize, end: usize, seed: Seed, found: &mut Found) {
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    for (prefix, least, most) in [
        (b"hvs.".as_slice(), 24, 120),
        (b"hvb.", 100, 300),
        (b"SG.", 22, 22),
        (b"dp.pt.", 43, 43),
        (b"ya29.", 30, 400),
    ] {
        let Some(from) = start.checked_sub(prefix.len()) else {
            continue;
        };
        if &body[from..start] != prefix
            || word(from.checked_sub(1).and_then(|at| body.get(at)))
            || !(least..=most).contains(&(end - start))
        {
            continue;
        }
        let mut end = end;
        if prefix == b"SG." {
            let more = body[end..]
                .iter()
                .skip(1)
                .take(44)
                .take_while(|b| word(Some(b)))
                .count();
            if body.get(end) != Some(&b'.') || more != 43 {
                continue;
            }
            end += 44;
        }
        if disorder(&body[start..end]) >= 3.0 {
            found.add(DataClass::ProviderKey, &body[from..end], true, seed);
        }
    }
}

/// Length of the JSON web token that `text` begins with: three parts, the first of which names an algorithm.
fn jwt(text: &[u8]) -> Option<usize> {
    let part = |text: &[u8]| {
        text.iter()
            .take(16 * 1024)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            .count()
    };
    let head = part(text);
    let claims = part(text.get(head + 1..)?);
    let signature = head + 1 + claims + 1;
    if text[head] != b'.' || claims < 10 || text.get(signature - 1) != Some(&b'.') || head > 4096 {
        return None;
    }
    let signed = part(text.get(signature..)?);
    let decoded = URL_SAFE_NO_PAD.decode(&text[..head]).ok()?;
    (signed >= 10 && memchr::memmem::find(&decoded, b"\"alg\"").is_some()).then_some(signature + signed)
}

fn private_keys(body: &[u8], seed: Seed, found: &mut Found) {
    static PRIVATE_KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"PRIVATE KEY"));
    for at in PRIVATE_KEY.find_iter(body).take(64) {
        let rest = &body[at + b"PRIVATE KEY".len()..];
        let rest = rest.strip_prefix(b" BLOCK").unwrap_or(rest);
        let begins = memchr::memmem::rfind(&body[at.saturating_sub(48)..at], b"-----BEGIN ").is_some();
        let Some(rest) = rest.strip_prefix(b"-----").filter(|_| begins) else {
            continue;
        };
        let key = &rest[..rest.len().min(256)];
        let length = memchr::memmem::find(key, b"-----").unwrap_or(key.len());
        let letters = key[..length].iter().filter(|b| b.is_ascii_alphanumeric()).count();
        if letters >= 32 && disorder(&key[..length]) >= 3.5 {
            found.add(DataClass::PrivateKey, &key[..length], true, seed);
        }
    }
}

/// A value under a name that says secret.
pub(super) fn secret(value: &[u8], password: bool, seed: Seed, found: &mut Found) {
    let value = [b"Bearer ".as_slice(), b"bearer ", b"Basic ", b"basic "]
        .iter()
        .find_map(|scheme| value.strip_prefix(*scheme))
        .unwrap_or(value);
    let count = |is: fn(&u8) -> bool| value.iter().filter(|b| is(b)).count();
    let digits = count(u8::is_ascii_digit);
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let hex = value.iter().all(u8::is_ascii_hexdigit);
    // Short texts cannot have more disorder than they have characters.
    let least = match (password, hex, value.len()) {
        (true, ..) => 2.5,
        (_, true, _) => 3.0,
        (_, _, ..20) => 3.2,
        _ => 3.5,
    };
    let length = if password { 8..=128 } else { 16..=256 };
    let odd = |b: &u8| !b.is_ascii_graphic() || matches!(b, b'*' | b'<' | b'>' | b'{' | b'}' | b'"');
    if length.contains(&value.len())
        && upper + lower > 0
        && (digits > 0 || (upper >= 4 && lower >= 4))
        && !value.iter().any(odd)
        && memchr::memmem::find(value, b"://").is_none()
        && !is_grouped_hex(value)
        && !is_placeholder(value)
        && disorder(value) >= least
        && !is_key(value)
        && !is_browser_key(value)
        && !value.starts_with(b"ABSK")
        && memchr::memmem::find(value, b"Q~").is_none()
        && jwt(value).is_none()
        && ![b"SG.".as_slice(), b"hvs.", b"hvb.", b"dp.pt.", b"ya29."]
            .iter()
            .any(|p| value.starts_with(p))
    {
        found.add(DataClass::Secret, value, true, seed);
    }
}

/// Whether a text is a UUID or a part of one: short groups of hexadecimal digits.
fn is_grouped_hex(text: &[u8]) -> bool {
    text.contains(&b'-')
        && text
            .split(|b| *b == b'-')
            .all(|part| (1..=12).contains(&part.len()) && part.iter().all(u8::is_ascii_hexdigit))
}

fn is_placeholder(text: &[u8]) -> bool {
    let mut lower = [0u8; 256];
    let length = text.len().min(lower.len());
    let lower = &mut lower[..length];
    lower.copy_from_slice(&text[..length]);
    lower.make_ascii_lowercase();
    PLACEHOLDERS
        .iter()
        .any(|word| memchr::memmem::find(lower, word).is_some())
}

/// Shannon's entropy of the bytes, in bits for each.
fn disorder(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let all = text.len() as f64;
    counts
        .iter()
        .filter(|n| **n > 0)
        .map(|n| {
            let share = f64::from(*n) / all;
            -share * share.log2()
        })
        .sum()
}
