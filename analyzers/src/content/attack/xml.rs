//! XML that makes its reader fetch or multiply: entities of files and addresses, entities of entities, XInclude.
//!
//! Sources: CWE-611, CWE-776; W3C XML 1.0 section 4.2, XInclude 1.1. A document type alone is none, and those that standards
//! publish are named with `PUBLIC`. UTF-16 is what parsers read and filters miss.

use super::{Attack, Class, Signs, Text, has};
use crate::content::inputs::VALUE;

/// Looks at a document.
pub(super) fn look(body: &[u8]) -> Option<Attack> {
    let start = &body[..body.len().min(4 * VALUE)];
    let narrow = narrowed(start);
    let low = narrow.to_ascii_lowercase();
    document(&low)
}

/// Looks at a value that holds a document.
pub(super) fn inside(text: &Text<'_>) -> Option<Attack> {
    if !text.signs.any(Signs::LESS) {
        return None;
    }
    let start = text.low.trim_ascii_start();
    // What speaks of it has words before it.
    (start.starts_with(b"<")).then(|| document(start)).flatten()
}

/// UTF-16 as bytes, as far as they are ASCII.
fn narrowed(text: &[u8]) -> Vec<u8> {
    let low = |odd: usize| text.chunks_exact(2).map(|two| two[odd]).collect();
    match text {
        [0xff, 0xfe, rest @ ..] => rest.chunks_exact(2).map(|two| two[0]).collect(),
        [0xfe, 0xff, rest @ ..] => rest.chunks_exact(2).map(|two| two[1]).collect(),
        [b'<', 0, ..] => low(0),
        [0, b'<', ..] => low(1),
        _ => text.to_vec(),
    }
}

fn document(low: &[u8]) -> Option<Attack> {
    let found = |form| Some(Attack::new(Class::Xxe, form));
    if let Some(at) = memchr::memmem::find(low, b":include") {
        let element = &low[at..low.len().min(at + 512)];
        let href = memchr::memmem::find(element, b"href=").map(|h| &element[h + 6..]);
        if has(low, b"w3.org/2001/xinclude")
            && href.is_some_and(|h| has(element, b"parse=") && has(element, b"text") || is_remote(h))
        {
            return found("include");
        }
    }
    // `<?xml-stylesheet href="http…"?>` is of browsers.
    let at = memchr::memmem::find(low, b"<!doctype")?;
    let rest = &low[at..];
    let entities = memchr::memmem::find_iter(rest, b"<!entity");
    let (mut count, mut nested) = (0, 0);
    for entity in entities.take(64) {
        count += 1;
        let body = &rest[entity..];
        let end = memchr::memchr(b'>', body).unwrap_or(body.len());
        let body = &body[..end];
        let quote = memchr::memchr2(b'"', b'\'', body).unwrap_or(body.len());
        let head = &body[..quote];
        if has(head, b"system") || has(head, b"public") {
            // Standards publish their entities under `PUBLIC`, at their own addresses.
            let value = &body[(quote + 1).min(body.len())..];
            if has(head, b"public")
                && (value.starts_with(b"-//w3c")
                    || value.starts_with(b"-//oasis")
                    || value.starts_with(b"iso 8879"))
            {
                continue;
            }
            return found("entity");
        }
        // Entities made of entities.
        if memchr::memchr_iter(b'&', &body[quote..]).count() >= 2
            || head.contains(&b'%') && has(&body[quote..], b"&#")
        {
            nested += 1;
        }
    }
    if count >= 3 && nested >= 2 {
        return found("expansion");
    }
    // `<!DOCTYPE x SYSTEM "http://…">`
    let end = rest
        .iter()
        .position(|b| matches!(b, b'[' | b'>'))
        .unwrap_or(rest.len());
    let head = &rest[..end];
    let system = memchr::memmem::find(head, b" system")?;
    let value = head[system + 7..].trim_ascii_start();
    (value.len() > 1 && is_remote(&value[1..]) && !is_publisher(value))
        .then(|| Attack::new(Class::Xxe, "document_type"))
}

fn is_remote(value: &[u8]) -> bool {
    const SCHEMES: [&[u8]; 11] = [
        b"http:", b"https:", b"ftp:", b"file:", b"php:", b"expect:", b"gopher:", b"jar:", b"netdoc:",
        b"data:", b"//",
    ];
    SCHEMES.iter().any(|scheme| value.starts_with(scheme)) || value.starts_with(b"/etc/")
}

/// Who publishes document types.
fn is_publisher(value: &[u8]) -> bool {
    const HOSTS: [&[u8]; 10] = [
        b"//www.w3.org/",
        b"//java.sun.com/",
        b"//www.apple.com/",
        b"oasis-open.org/",
        b"hibernate",
        b"mybatis.org/",
        b"springframework.org/",
        b"apache.org/",
        b"//xmlns.jcp.org/",
        b"//www.docbook.org/",
    ];
    HOSTS.iter().any(|host| has(value, host))
}
