//! Objects: which one a call names, and which ones a response hands out.

use reassembly::Message;

use super::activity::Activity;
use crate::id::Seed;
use crate::identity::signals::is_json;
use crate::inventory::host::path_objects;
use crate::inventory::sensitive::SEARCHED;
use crate::json::{Scalar, Scanner};
use crate::marks::{Marks, Word};
use crate::privacy::segment;

/// Ids taken from one response.
const PER_RESPONSE: usize = 4096;

/// The object a call names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    /// Seeded hash of all ids in the call.
    pub(crate) hash: u64,
    /// Seeded hash of the last id: the object itself, below its parents.
    pub(crate) last: u64,
    /// Place of the object in an order that a caller could count through.
    pub(crate) number: Option<u64>,
    /// The last id is long enough that not many things share it.
    pub(crate) is_rare: bool,
}

/// The object named in path, query or tool arguments; nothing when none is.
pub(crate) fn named(activity: &Activity<'_>, seed: Seed) -> Option<Object> {
    let mut found = None;
    if activity.place.objects != 0 {
        for value in path_objects(activity.request, activity.place) {
            add(&mut found, value.as_bytes(), seed);
        }
    }
    if let Some(query) = activity.request.query() {
        for pair in segment::parts(query, b'&').take(64) {
            if let Some((name, value)) = segment::once(pair, b'=')
                && names_object(name.as_bytes())
            {
                let value = segment::decode(value);
                if is_id(value.as_bytes()) {
                    add(&mut found, value.as_bytes(), seed);
                }
            }
        }
    }
    if activity
        .call
        .is_some_and(|c| c.name.is_some() && c.method == "tools/call")
    {
        let body = &activity.request.message.body;
        let mut scanner = Scanner::new(&body[..body.len().min(64 * 1024)]);
        while let Some(scalar) = scanner.next() {
            let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
            if names_object(scanner.key()) && is_id(value) && scanner.is_below(&["params", "arguments"]) {
                add(&mut found, value, seed);
            }
        }
    }
    found
}

fn add(found: &mut Option<Object>, value: &[u8], seed: Seed) {
    let last = seed.hash(value);
    let before = found.map_or(0, |f| f.hash.rotate_left(23));
    *found = Some(Object {
        hash: before ^ last,
        last,
        number: number(value),
        is_rare: value.len() >= 4 && value.iter().any(u8::is_ascii_digit),
    });
}

/// Whether a parameter of this name holds an object's id, rather than a page, a size or a date.
fn names_object(name: &[u8]) -> bool {
    let ends =
        |end: &[u8]| name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end);
    let camel = name.ends_with(b"Id") || name.ends_with(b"ID");
    let word = [
        b"_id".as_slice(),
        b"-id",
        b"_ids",
        b"_no",
        b"number",
        b"_code",
        b"uuid",
        b"_ref",
        b"reference",
    ];
    (name.eq_ignore_ascii_case(b"id") || camel || word.iter().any(|w| ends(w)))
        && !ends(b"client_id")
        && !ends(b"session_id")
        && !ends(b"request_id")
        && !ends(b"page_number")
        && !ends(b"tenant_id")
}

/// Whether a value has the form of an id: letters, digits, dashes; with a digit, or all in capitals.
fn is_id(value: &[u8]) -> bool {
    (1..=64).contains(&value.len())
        && value
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && (value.iter().any(u8::is_ascii_digit)
            || (value.len() >= 4 && value.iter().all(u8::is_ascii_uppercase)))
}

/// The number an id counts with: its digits, those at its end, or the whole as a number of base 36.
fn number(value: &[u8]) -> Option<u64> {
    let decimal = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0')))
    };
    let tail = value.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let head = &value[..value.len() - tail];
    if tail > 0
        && tail <= 18
        && (head.is_empty()
            || matches!(head.last(), Some(b'_' | b'-'))
            || (tail >= 3 && head.iter().all(u8::is_ascii_alphabetic)))
    {
        return decimal(&value[head.len()..]);
    }
    let one_case = value.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        || value.iter().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    if one_case && (4..=10).contains(&value.len()) {
        return value
            .iter()
            .try_fold(0u64, |n, b| Some(n * 36 + u64::from((*b as char).to_digit(36)?)));
    }
    None
}

/// Whether a body is text in which ids can be read.
pub(crate) fn is_text(message: &Message) -> bool {
    let kind = message.field("content-type").unwrap_or("");
    kind.starts_with("text/")
        || is_json(kind)
        || kind.contains("xml")
        || kind.contains("csv")
        || kind.contains("ndjson")
}

/// Every id in a response body, by hash. The form of the body does not matter: JSON, JSON inside a string,
/// HTML and CSV are all words between signs.
///
/// A short number is taken only where a field or a link names it (`"id": 7`, `/orders/7`): responses are
/// full of small numbers, and each would explain the object of that number.
///
/// `marks` are those of `body`, of which no more than they cover is searched. `found` is emptied first.
pub(crate) fn handed_out(body: &[u8], marks: &Marks, seed: Seed, found: &mut Vec<u64>) {
    found.clear();
    let body = &body[..body.len().min(SEARCHED)];
    let mut list = false;
    for Word { start, end, digits } in marks.words() {
        let Some(word) = body.get(start..end).filter(|_| found.len() < PER_RESPONSE) else {
            break;
        };
        if word.len() > 64 || (digits == 0 && !word.iter().all(u8::is_ascii_uppercase)) {
            list = false;
            continue;
        }
        if word.len() <= 6 && digits.count_ones() as usize == word.len() {
            // The part behind a decimal point, a time or a port is named by nothing.
            let before = start.checked_sub(1).map_or(0, |at| body[at]);
            if matches!(before, b'.' | b'+' | b'T')
                || (before == b':' && start >= 2 && body[start - 2].is_ascii_digit())
            {
                list = false;
                continue;
            }
            list = introduced(body, start) || (list && in_list(body, start));
            if !list {
                continue;
            }
        }
        found.push(seed.hash(word));
    }
}

/// Whether the number at `start` follows a link's slash or the name of an id.
fn introduced(body: &[u8], start: usize) -> bool {
    let before = &body[start.saturating_sub(48)..start];
    if before.last() == Some(&b'/') {
        return true;
    }
    let gap = before
        .iter()
        .rev()
        .take_while(|b| {
            matches!(
                b,
                b' ' | b'\t' | b'\n' | b'\r' | b'\\' | b'"' | b'\'' | b':' | b'=' | b'[' | b'>'
            )
        })
        .count();
    if gap == 0 {
        return false;
    }
    let name = &before[..before.len() - gap];
    let ends =
        |end: &[u8]| name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end);
    // Nearly every number has another name, and its last letter says so.
    match name.last().map_or(0, u8::to_ascii_lowercase) {
        b'd' => ends(b"id"),
        b's' => ends(b"ids"),
        b'r' => ends(b"number"),
        b'o' => ends(b"_no"),
        b'e' => ends(b"code"),
        b'f' => ends(b"ref"),
        b'y' => ends(b"key"),
        _ => false,
    }
}

/// Whether only a comma and space stand between the number at `start` and the one before it.
fn in_list(body: &[u8], start: usize) -> bool {
    let before = &body[start.saturating_sub(8)..start];
    let gap = before
        .iter()
        .rev()
        .take_while(|b| b", \n\"\\".contains(b))
        .count();
    gap > 0
        && before[before.len() - gap..].contains(&b',')
        && before.len() > gap
        && before[before.len() - gap - 1].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(body: &str) -> Vec<u64> {
        let mut out = Vec::new();
        let mut marks = Marks::default();
        marks.read(body.as_bytes());
        handed_out(body.as_bytes(), &marks, Seed::new(&[1; 32]), &mut out);
        out
    }

    #[test]
    fn ids_are_read_from_any_text() {
        let hash = |id: &str| Seed::new(&[1; 32]).hash(id.as_bytes());
        assert_eq!(ids(r#"{"id":7,"qty":12,"total":40}"#), [hash("7")]);
        assert_eq!(
            ids(r#"{"ids":[7,8, 9],"n":[3,4]}"#),
            [hash("7"), hash("8"), hash("9")]
        );
        assert_eq!(
            ids(r#"{"text":"{\"order_id\": 1001, \"x\": 5}"}"#),
            [hash("1001")]
        );
        assert_eq!(
            ids(r#"<a href="/orders/12">GID93G</a> QWERTY word"#),
            [hash("12"), hash("GID93G"), hash("QWERTY")]
        );
        assert_eq!(
            ids("ann_lee_5678,ord-00012345"),
            [hash("ann_lee_5678"), hash("ord-00012345")]
        );
        assert_eq!(ids(&"a1 ".repeat(10_000)).len(), PER_RESPONSE);
    }

    #[test]
    fn ids_count_by_their_digits() {
        for (id, want) in [
            ("42", Some(42)),
            ("ord_1001", Some(1001)),
            ("SKU-00123", Some(123)),
            ("A1001", Some(1001)),
            ("000Z", Some(35)),
            ("a-b", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(id.as_bytes()), want, "{id}");
        }
        assert_eq!(number(b"GID93G").unwrap() + 1, number(b"GID93H").unwrap());
    }

    #[test]
    fn pages_are_no_objects() {
        for (name, want) in [
            ("id", true),
            ("order_id", true),
            ("userId", true),
            ("page", false),
            ("cursor", false),
            ("offset", false),
            ("valid", false),
            ("page_number", false),
        ] {
            assert_eq!(names_object(name.as_bytes()), want, "{name}");
        }
    }
}
