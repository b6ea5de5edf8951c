//! Lookups of Log4j (CVE-2021-44228): `${jndi:…}`, also when its letters come out of further lookups.
//!
//! Log4j replaces the innermost lookup first, so this does: `${lower:j}` and `${upper:j}` are the letter, `${a:b:-c}` is `c`
//! whatever `a:b` is. What is left is read as it would be.

use super::{Attack, Class};

/// Lookups replaced in one value.
const LOOKUPS: usize = 64;

/// Looks at a text in lower case.
pub(super) fn look(low: &[u8]) -> Option<Attack> {
    memchr::memmem::find(low, b"${")?;
    if is_jndi(low) {
        return Some(Attack::new(Class::Jndi, "plain"));
    }
    let mut text = low.to_vec();
    for _ in 0..LOOKUPS {
        // The innermost is the last that opens before the first that closes behind it.
        let Some(start) = text
            .windows(2)
            .rposition(|two| two == b"${")
            .filter(|at| text[*at..].contains(&b'}'))
        else {
            break;
        };
        let Some(length) = memchr::memchr(b'}', &text[start..]) else {
            break;
        };
        let inner = &text[start + 2..start + length];
        let value = match memchr::memmem::find(inner, b":-") {
            Some(at) => inner[at + 2..].to_vec(),
            None => match inner.strip_prefix(b"lower:").or(inner.strip_prefix(b"upper:")) {
                Some(value) => value.to_vec(),
                None => match inner.strip_prefix(b"date:") {
                    // Letters between quotes are themselves in a pattern of dates.
                    Some(value) => value.iter().copied().filter(|b| *b != b'\'').collect(),
                    None if inner.starts_with(b"jndi:") => return Some(Attack::new(Class::Jndi, "nested")),
                    None => Vec::new(),
                },
            },
        };
        text.splice(start..=start + length, value);
        if is_jndi(&text) {
            return Some(Attack::new(Class::Jndi, "nested"));
        }
    }
    None
}

fn is_jndi(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"${jndi")
        .any(|at| text[at + 6..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':'))
}
