//! Scripts in markup: an element or attribute that runs a script in the page that shows the value.
//!
//! Source: CWE-79. Markup alone is none: editors send it. What tells is what a browser runs: `<script`, an attribute that
//! begins with `on` in an element, an address of `javascript:`; and an attribute that ends the one it was put into.

use super::{Attack, Class, Effect, Signs, Text, has, is_document, is_prose, is_word_at, words};
use crate::content::inputs::Place;

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let low = text.low;
    let found = |form| {
        Some(Attack {
            class: Class::Script,
            form,
            effect: Effect::Echo(text.raw[..text.raw.len().min(256)].to_vec()),
        })
    };
    // What is as long as a page is a page, or a mail.
    let page = !text.place.is_one_line() && (low.len() > 256 || is_document(text.raw));
    if text.signs.any(Signs::LESS) && !page {
        // Code between the ticks of Markdown is shown and not run.
        let quoted = |at: usize| memchr::memchr_iter(b'`', &low[..at]).count() % 2 == 1;
        let prose = |at: usize| {
            matches!(text.place, Place::Json | Place::Tool | Place::Form)
                && (is_prose(&low[..at]) || words(low) > 10)
        };
        for at in memchr::memchr_iter(b'<', low).take(32) {
            if quoted(at) || prose(at) {
                continue;
            }
            if let Some(form) = element(&low[at + 1..]) {
                return found(form);
            }
        }
    }
    if text.signs.any(Signs::QUOTE.or(Signs::DOUBLE)) && !page && attribute(low) {
        return found("attribute");
    }
    if text.signs.any(Signs::COLON) && address(low) {
        return found("address");
    }
    None
}

/// What an element does, of which this is what follows `<`.
fn element(rest: &[u8]) -> Option<&'static str> {
    let rest = &rest[..rest.len().min(1024)];
    // Browsers pass by what stands between `<` and a name only when it is nothing.
    let name = rest
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(**b, b':' | b'-'))
        .count();
    if name == 0 {
        return None;
    }
    let (name, behind) = rest.split_at(name);
    if matches!(name, b"script" | b"svg:script") {
        let next = behind.first();
        return next
            .is_none_or(|b| matches!(b, b'>' | b'/') || b.is_ascii_whitespace())
            .then_some("script");
    }
    let end = memchr::memchr(b'>', behind).unwrap_or(behind.len());
    let attributes = &behind[..end];
    if handler(attributes) {
        return Some("handler");
    }
    let runs = |at: &[u8]| {
        let tight: Vec<u8> = at.iter().copied().filter(|b| *b > b' ').collect();
        has(&tight, b"javascript:")
            || has(&tight, b"vbscript:")
            || has(&tight, b"data:text/html")
            || has(&tight, b"srcdoc=")
    };
    runs(attributes).then_some("address")
}

/// Whether there is an attribute that begins with `on` and has a value.
fn handler(attributes: &[u8]) -> bool {
    memchr::memmem::find_iter(attributes, b"on").take(32).any(|at| {
        let before = at.checked_sub(1).and_then(|b| attributes.get(b));
        if !before.is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'' | 0x0b | 0x0c))
        {
            return false;
        }
        let name = attributes[at..]
            .iter()
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let rest = attributes[at + name..].trim_ascii_start();
        (5..=24).contains(&name) && rest.first() == Some(&b'=')
    })
}

/// A quote that ends an attribute, and one that runs a script: `" onfocus=alert(1) autofocus="`.
fn attribute(low: &[u8]) -> bool {
    memchr::memchr2_iter(b'"', b'\'', low).take(8).any(|at| {
        let rest = low[at + 1..].trim_ascii_start();
        let name = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        const EVENTS: [&[u8]; 14] = [
            b"onfocus",
            b"onmouseover",
            b"onclick",
            b"onload",
            b"onerror",
            b"onmouseenter",
            b"onblur",
            b"ontoggle",
            b"onpointerover",
            b"onanimationstart",
            b"onkeydown",
            b"oninput",
            b"onbeforetoggle",
            b"onpointerenter",
        ];
        EVENTS.contains(&&rest[..name]) && rest[name..].trim_ascii_start().first() == Some(&b'=')
    }) || script_break(low)
}

/// A string of a script that ends and goes on as a call: `';alert(1)//`, `"-alert(1)-"`.
fn script_break(low: &[u8]) -> bool {
    const CALLS: [&[u8]; 6] = [
        b"alert(",
        b"prompt(",
        b"confirm(",
        b"eval(",
        b"fetch(",
        b"document.",
    ];
    let Some(at) = memchr::memchr2(b'"', b'\'', low) else {
        return false;
    };
    if super::is_prose(&low[..at]) {
        return false;
    }
    let rest = low[at + 1..].trim_ascii_start();
    let rest = match rest {
        [b';' | b'-' | b'+' | b'*' | b',' | b'}', rest @ ..] | [b')', b';', rest @ ..] => {
            rest.trim_ascii_start()
        }
        _ => return false,
    };
    CALLS.iter().any(|call| rest.starts_with(call))
}

/// An address that is a script.
fn address(low: &[u8]) -> bool {
    let tight: Vec<u8> = low.iter().copied().take(256).filter(|b| *b > b' ').collect();
    let Some(rest) = tight
        .strip_prefix(b"javascript:")
        .or(tight.strip_prefix(b"vbscript:"))
    else {
        return tight.starts_with(b"data:text/html")
            && (has(&tight, b"<script") || has(&tight, b"base64,phnjcmlwd"));
    };
    // `javascript:void(0)` is what pages have that run nothing.
    rest.iter().any(|b| matches!(b, b'(' | b'`' | b'='))
        && !rest.starts_with(b"void(0)")
        && is_word_at(low, 0, 10)
}
