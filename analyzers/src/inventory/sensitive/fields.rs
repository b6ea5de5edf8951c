//! Fields of a body: names, and the values under them.
//!
//! Most of what a value is, its name tells. JSON, forms, labels in text (`Phone: …`) and attributes have a `:` or `=`
//! between the two; [`Marks`] tell where those are. Elements of XML have their names between `<` and `>`, tables in the
//! first line, and parts of a form with files in a line before them.

use super::SEARCHED;
use super::names::{NAME, Named, Passed, is_other, joins, may_be, named};
use crate::marks::Marks;

/// Longest value looked at.
const VALUE: usize = 512;

/// Values looked at in an array, rows in a table, and columns.
const ITEMS: usize = 64;
const ROWS: usize = 256;
const COLUMNS: usize = 64;

/// Names looked at closely in one body.
const NAMES: usize = 4096;

/// Calls `look` with each value under a name looked for, and with the place where the value begins.
pub(super) fn each(body: &[u8], marks: &Marks, passed: &Passed, mut look: impl FnMut(Named, &[u8], usize)) {
    if table(body, &mut look) {
        return;
    }
    pairs(body, marks, passed, &mut look);
    let start = body.iter().find(|b| !b.is_ascii_whitespace());
    match start {
        Some(b'<') => elements(body, &mut look),
        Some(b'-') if body.starts_with(b"--") => parts(body, &mut look),
        _ => {}
    }
}

fn pairs(body: &[u8], marks: &Marks, passed: &Passed, look: &mut impl FnMut(Named, &[u8], usize)) {
    let (mut floor, mut names) = (0, 0);
    for at in marks.signs() {
        if at < floor {
            continue;
        }
        let tail = Passed::tail(body, at);
        if passed.holds(tail) {
            continue;
        }
        if !may_be(body, at) {
            passed.add(tail);
            continue;
        }
        if at >= body.len() {
            return;
        }
        let mut end = at;
        if end > floor && body[end - 1] == b' ' {
            end -= 1;
        }
        let quoted = end > floor && matches!(body[end - 1], b'"' | b'\'');
        end -= usize::from(quoted);
        if quoted && end > floor && body[end - 1] == b'\\' {
            end -= 1;
        }
        if end <= floor {
            continue;
        }
        if is_other(body, end) {
            passed.add(tail);
            continue;
        }
        let name = name_before(body, end, floor);
        let kind = named(name);
        if kind.is_none() && name.len() < 8 && end - name.len() > floor {
            passed.add(tail);
        }
        if let Some(kind) = kind {
            names += 1;
            if names > NAMES {
                return;
            }
            floor = values(body, at + 1, kind, look);
        }
    }
}

/// The name that ends at `end` and does not begin before `floor`.
fn name_before(body: &[u8], end: usize, floor: usize) -> &[u8] {
    let part = |b: &&u8| b.is_ascii_alphanumeric() || joins(**b);
    let from = end.saturating_sub(NAME).max(floor);
    let length = body[from..end].iter().rev().take_while(part).count();
    &body[end - length..end]
}

/// Elements of XML: `<p:Name attribute="…">value</p:Name>`.
fn elements(body: &[u8], look: &mut impl FnMut(Named, &[u8], usize)) {
    let (mut floor, mut names) = (0, 0);
    for open in memchr::memchr_iter(b'<', body) {
        if open < floor {
            continue;
        }
        let rest = &body[open + 1..];
        let rest = &rest[..rest.len().min(VALUE)];
        let ends = |b: &u8| !b.is_ascii_alphanumeric() && !matches!(b, b'_' | b'-' | b'.' | b':');
        let Some(end) = rest.iter().take(2 * NAME).position(ends).filter(|n| *n > 0) else {
            continue;
        };
        if !may_be(body, open + 1 + end) {
            continue;
        }
        let name = &rest[..end];
        let name = memchr::memrchr(b':', name).map_or(name, |prefix| &name[prefix + 1..]);
        let Some(kind) = named(name) else {
            continue;
        };
        let Some(close) = memchr::memchr(b'>', &rest[end..]).map(|n| end + n) else {
            continue;
        };
        let text = &rest[close + 1..];
        let Some(length) = memchr::memchr(b'<', text).filter(|_| rest[close - 1] != b'/') else {
            continue;
        };
        names += 1;
        if names > NAMES {
            return;
        }
        let (value, at) = (text[..length].trim_ascii(), open + 1 + close + 1);
        if !value.is_empty() {
            look(kind, value, at);
        }
        floor = at + length;
    }
}

/// Parts of a form with files (RFC 7578): `Content-Disposition: form-data; name="…"`, an empty line, the value.
fn parts(body: &[u8], look: &mut impl FnMut(Named, &[u8], usize)) {
    for place in memchr::memmem::find_iter(body, b"form-data; name=\"").take(ITEMS) {
        let from = place + b"form-data; name=\"".len();
        let rest = &body[from..body.len().min(from + 2 * VALUE)];
        let (Some(end), Some(line)) = (
            memchr::memchr(b'"', rest),
            memchr::memmem::find(rest, b"\r\n\r\n"),
        ) else {
            continue;
        };
        let value = &rest[line + 4..];
        let length = memchr::memmem::find(value, b"\r\n--");
        if let (Some(kind), Some(length)) = (named(&rest[..end.min(NAME)]), length)
            && (1..=VALUE).contains(&length)
            && end < line
        {
            look(kind, &value[..length], from + line + 4);
        }
    }
}

/// The value or the array at `at`; gives back where it ends.
fn values(body: &[u8], at: usize, kind: Named, look: &mut impl FnMut(Named, &[u8], usize)) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let skip = |at: usize| {
        at + body[at.min(body.len())..]
            .iter()
            .take(VALUE)
            .take_while(blank)
            .count()
    };
    let mut at = at + body[at..].iter().take(64).take_while(|b| **b == b' ').count();
    if body.get(at) != Some(&b'[') {
        return value(body, at, kind, look);
    }
    at = skip(at + 1);
    for _ in 0..ITEMS {
        match body.get(at) {
            None | Some(b']' | b'{' | b'[') => break,
            _ => {}
        }
        at = skip(value(body, at, kind, look));
        if body.get(at) != Some(&b',') {
            break;
        }
        at = skip(at + 1);
    }
    at.min(body.len())
}

fn value(body: &[u8], at: usize, kind: Named, look: &mut impl FnMut(Named, &[u8], usize)) -> usize {
    let rest = &body[at.min(body.len())..];
    let rest = &rest[..rest.len().min(VALUE)];
    let (open, sign) = match rest {
        [sign @ (b'"' | b'\''), ..] => (1, *sign),
        [b'\\', b'"', ..] => (2, b'"'),
        [b'{' | b'[', ..] => return at,
        _ => (0, 0),
    };
    let rest = &rest[open..];
    let end = if open > 0 {
        memchr::memchr(sign, rest)
    } else {
        let ends = |b: &u8| {
            matches!(
                b,
                b',' | b'&' | b'\n' | b'\r' | b'}' | b']' | b'<' | b'>' | b'"' | b'|'
            )
        };
        Some(rest.iter().position(ends).unwrap_or(rest.len()))
    };
    let Some(end) = end else {
        return at + open;
    };
    let text = rest[..end].trim_ascii();
    let text = text.strip_suffix(b"\\").unwrap_or(text);
    if !text.is_empty() {
        look(kind, text, at + open);
    }
    at + open + end + usize::from(open > 0)
}

/// Goes through a table with names in its first line, if the body is one.
fn table(body: &[u8], look: &mut impl FnMut(Named, &[u8], usize)) -> bool {
    let start = &body[..body.len().min(2048)];
    let Some(end) = memchr::memchr(b'\n', start) else {
        return false;
    };
    let head = start[..end].trim_ascii_end();
    let cell = |b: &u8| b.is_ascii_alphanumeric() || joins(*b) || *b == b'"';
    let Some(sign) = head.iter().find(|b| !cell(b)).copied() else {
        return false;
    };
    if !matches!(sign, b',' | b';' | b'\t' | b'|') || !head.iter().all(|b| cell(b) || *b == sign) {
        return false;
    }
    let mut kinds = [None; COLUMNS];
    for (kind, name) in kinds.iter_mut().zip(head.split(|b| *b == sign)) {
        *kind = named(name.trim_ascii());
    }
    if kinds.iter().all(Option::is_none) {
        return true;
    }
    let mut at = end + 1;
    for _ in 0..ROWS {
        let row = &body[at.min(body.len())..];
        if row.is_empty() {
            break;
        }
        let length = memchr::memchr(b'\n', row).unwrap_or(row.len());
        cells(&row[..length], sign, at, &kinds, look);
        at += length + 1;
    }
    true
}

fn cells(
    row: &[u8],
    sign: u8,
    at: usize,
    kinds: &[Option<Named>; COLUMNS],
    look: &mut impl FnMut(Named, &[u8], usize),
) {
    let mut from = 0;
    for kind in kinds {
        let rest = &row[from.min(row.len())..];
        let quoted = rest.first() == Some(&b'"');
        let (open, end) = if quoted {
            (1, 1 + memchr::memchr(b'"', &rest[1..]).unwrap_or(rest.len() - 1))
        } else {
            (0, memchr::memchr(sign, rest).unwrap_or(rest.len()))
        };
        let text = rest[open..end].trim_ascii();
        if let Some(kind) = kind
            && !text.is_empty()
            && text.len() <= VALUE
        {
            look(*kind, text, at + from + open);
        }
        from += end + 1 + open;
        if from >= row.len() {
            break;
        }
    }
}

/// The form that a body is, decoded; nothing when it is none.
pub(super) fn form(body: &[u8]) -> Option<Vec<u8>> {
    let name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%');
    let length = body.iter().take(64).take_while(|b| name(b)).count();
    let start = &body[..body.len().min(1024)];
    if length == 0
        || body.get(length) != Some(&b'=')
        || start
            .iter()
            .any(|b| !b.is_ascii_graphic() || matches!(b, b'{' | b'"' | b'<'))
        || !start.iter().any(|b| matches!(b, b'%' | b'+' | b'&'))
    {
        return None;
    }
    Some(decoded(&body[..body.len().min(SEARCHED)]))
}

/// A text with `%41` and `+` as what they stand for.
pub(super) fn decoded(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        at += 1;
        match (byte, digit(body.get(at)), digit(body.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str) -> Vec<(Named, String)> {
        let mut out = Vec::new();
        let mut marks = Marks::default();
        marks.read(body.as_bytes());
        each(body.as_bytes(), &marks, &Passed::default(), |kind, value, _| {
            out.push((kind, String::from_utf8_lossy(value).into_owned()));
        });
        out
    }

    #[test]
    fn values_are_found_in_every_form() {
        let phone = |text: &str| (Named::Phone, text.to_owned());
        for (body, want) in [
            (r#"{"phone":"1","b":{"fax" : 22 },"x":3}"#, vec!["1", "22"]),
            (r#"{"phones": [ "1", "2",3 ], "a": "4"}"#, vec!["1", "2", "3"]),
            (r#"{"text":"{\"phone\":\"12\",\"a\":1}"}"#, vec!["12"]),
            ("Home phone: 12 34\nOther: 5", vec!["12 34"]),
            ("a=1&phone=2&b=3", vec!["2"]),
            ("id,phone,x\n1,2,3\n4,\"5,6\",7\n", vec!["2", "5,6"]),
            (
                "<a><Phone>1</Phone><s:fax x=\"y\"> 2 </s:fax><phone/><b>3</b></a>",
                vec!["1", "2"],
            ),
            (
                "--x\r\nContent-Disposition: form-data; name=\"phone\"\r\n\r\n12\r\n--x--",
                vec!["12"],
            ),
            ("phone:", vec![]),
            ("\"phone\":[", vec![]),
            ("\"phone\":\"", vec![]),
            (":=:=phone", vec![]),
        ] {
            assert_eq!(
                all(body),
                want.into_iter().map(phone).collect::<Vec<_>>(),
                "{body}"
            );
        }
    }

    #[test]
    fn forms_are_decoded_and_nothing_else_is() {
        assert_eq!(
            form(b"a=%2B1+2%40&b=%").as_deref(),
            Some(b"a=+1 2@&b=%".as_slice())
        );
        assert_eq!(form(b"{\"a\":1}"), None);
        assert_eq!(form(b"a = b & c"), None);
    }

    #[test]
    fn work_is_linear() {
        for text in [
            "phone:".repeat(SEARCHED / 6),
            "\"phone\":[".repeat(SEARCHED / 9),
            format!("phone,x\n{}", "\"".repeat(SEARCHED)),
            format!("\"phone\":[{}", "1,".repeat(SEARCHED / 2)),
            "<phone>".repeat(SEARCHED / 7),
            "<phone x".repeat(SEARCHED / 8),
            "--\r\nform-data; name=\"phone".repeat(SEARCHED / 26),
        ] {
            assert!(all(&text).len() <= NAMES.max(ROWS * COLUMNS));
        }
    }
}
