//! From the bytes of a document to text.
//!
//! JSON is UTF-8 (RFC 8259 section 8.1), YAML may be UTF-8 or UTF-16 with a byte order mark or without (YAML 1.2.2
//! section 5.2). Files saved by editors and shells are any of these, so all of them are read.

use std::borrow::Cow;

use super::problem::{Location, Problems};

/// Text of the document, and whether it was UTF-16.
pub(crate) fn decode<'a>(bytes: &'a [u8], limit: usize, problems: &mut Problems) -> Cow<'a, str> {
    let whole = bytes.len();
    let bytes = &bytes[..whole.min(limit)];
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, whole > limit, problems),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, problems),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, problems),
        // The first character of JSON and of YAML is in ASCII, so the zero tells where its other half is.
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes, problems),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes, problems),
        _ => utf8(bytes, whole > limit, problems),
    };
    let text = without_nul(text, problems);
    if whole > limit {
        let at = end(&text);
        problems.push(at, String::new, || {
            format!("the document has {whole} bytes; no more than {limit} are read, what follows is left out")
        });
    }
    text
}

fn utf8<'a>(bytes: &'a [u8], cut: bool, problems: &mut Problems) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // A cut may fall into a character, which is no mistake of the document.
        Err(error) if cut && error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()])
        }
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            problems.push(end(&before), String::new, || {
                let byte = bytes[error.valid_up_to()];
                format!("byte {byte:#04x} is not UTF-8; save the document as UTF-8. It is read as U+FFFD")
            });
            String::from_utf8_lossy(bytes)
        }
    }
}

fn utf16<'a>(bytes: &[u8], unit: fn([u8; 2]) -> u16, problems: &mut Problems) -> Cow<'a, str> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut lone = None;
    let mut text = String::with_capacity(bytes.len() / 2);
    for char in char::decode_utf16(units) {
        text.push(char.unwrap_or_else(|_| {
            lone.get_or_insert(text.len());
            char::REPLACEMENT_CHARACTER
        }));
    }
    if let Some(at) = lone {
        problems.push(end(&text[..at]), String::new, || {
            "half of a UTF-16 pair stands alone; save the document as UTF-8. It is read as U+FFFD".to_owned()
        });
    }
    Cow::Owned(text)
}

/// A zero character is neither JSON nor YAML, and the YAML parser would take it as the end.
fn without_nul<'a>(text: Cow<'a, str>, problems: &mut Problems) -> Cow<'a, str> {
    match memchr::memchr(0, text.as_bytes()) {
        None => text,
        Some(first) => {
            problems.push(end(&text[..first]), String::new, || {
                "a NUL character cannot stand in a document; it is read as U+FFFD".to_owned()
            });
            Cow::Owned(text.replace('\0', "\u{fffd}"))
        }
    }
}

/// The place behind a text.
pub(crate) fn end(text: &str) -> Location {
    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count();
    let last = memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |at| at + 1);
    Location {
        line: u32::try_from(lines + 1).unwrap_or(u32::MAX),
        column: u32::try_from(text[last..].chars().count() + 1).unwrap_or(u32::MAX),
    }
}
