//! What a caller can put into a request, value by value, with where it was and what it is called there.
//!
//! Values lie as they were sent; [`super::decode`] takes the codings off. What the program itself made (names of fields, framing)
//! is no input.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use reassembly::Request;

use super::attack::Signs;
use super::decode;
use crate::json::{Scalar, Scanner};

/// Bytes of a body looked at.
pub(crate) const BODY: usize = 64 * 1024;

/// Bytes of one value looked at: its beginning, and its end when it is longer.
pub(crate) const VALUE: usize = 4096;

/// Values looked at in one request.
const INPUTS: usize = 1024;

/// Where a value was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A segment of the path.
    Segment,
    /// The path as a whole.
    Path,
    /// A parameter of the query.
    Query,
    /// A field of the head whose value programs are known to log or to use.
    Field,
    /// Any other field of the head.
    OtherField,
    /// A cookie.
    Cookie,
    /// A field of a form, with files or without.
    Form,
    /// The name of a file.
    File,
    /// A string in JSON.
    Json,
    /// An argument of a tool.
    Tool,
    /// A document of XML.
    Xml,
}

impl Place {
    /// The name used in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Segment | Self::Path => "path",
            Self::Query => "query",
            Self::Field | Self::OtherField => "header",
            Self::Cookie => "cookie",
            Self::Form => "form",
            Self::File => "file_name",
            Self::Json => "json",
            Self::Tool => "tool_argument",
            Self::Xml => "xml",
        }
    }

    /// Whether such a value has one line only, in programs that mean no harm.
    pub(crate) fn is_one_line(self) -> bool {
        !matches!(self, Self::Form | Self::Json | Self::Tool | Self::Xml)
    }
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) place: Place,
    /// What it is called, as it was sent; nothing for parts of a path.
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// `+` stands for a space.
    pub(crate) plus: bool,
}

/// What of a body is the caller's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// All of it.
    All,
    /// The arguments of tools that it calls.
    Tools,
    /// Nothing that programs take for code.
    None,
}

/// Fields whose values programs log, show or use.
fn is_used(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "user-agent",
        "referer",
        "origin",
        "from",
        "accept-language",
        "forwarded",
        "true-client-ip",
        "client-ip",
        "contact",
        "via",
    ];
    name.get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
        || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Where the parts of a text between signs are.
fn parts(text: &[u8], sign: u8) -> impl Iterator<Item = &[u8]> {
    text.split(move |b| *b == sign)
}

/// Name and value of a pair.
fn pair(part: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', part) {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => (b"", part),
    }
}

/// Hands out every value of a request.
pub(crate) fn each<'a>(request: &'a Request, taken: Body, look: &mut impl FnMut(Input<'a>)) {
    let mut left = INPUTS;
    let mut look = |input: Input<'a>| {
        if left > 0 && !input.value.is_empty() {
            left -= 1;
            look(input);
        }
    };
    let path = request.path().as_bytes();
    let mut input = |place, name, value, plus| {
        look(Input {
            place,
            name,
            value,
            plus,
        });
    };
    input(Place::Path, b"".as_slice(), path, false);
    for segment in parts(path, b'/').take(64) {
        input(Place::Segment, b"", segment, false);
    }
    if let Some(query) = request.query() {
        pairs(query.as_bytes(), Place::Query, &mut input);
    }
    for (name, value) in request.message.head.fields() {
        let place = match name {
            name if name.eq_ignore_ascii_case("cookie") => {
                for part in parts(value.as_bytes(), b';').take(64) {
                    let (name, value) = pair(part.trim_ascii());
                    input(Place::Cookie, name, value, false);
                }
                Place::OtherField
            }
            name if is_used(name) => Place::Field,
            _ => Place::OtherField,
        };
        input(place, name.as_bytes(), value.as_bytes(), false);
    }
    let body = &request.message.body[..request.message.body.len().min(BODY)];
    if body.is_empty() || taken == Body::None {
        return;
    }
    let kind = request.message.field("content-type").unwrap_or("");
    let is = |what: &str| {
        kind.as_bytes()
            .windows(what.len())
            .take(64)
            .any(|w| w.eq_ignore_ascii_case(what.as_bytes()))
    };
    let start = body.trim_ascii_start().first();
    if is("json") || matches!(start, Some(b'{' | b'[')) && !is("multipart") {
        json(body, taken == Body::Tools, &mut input);
    } else if taken == Body::Tools {
    } else if is("x-www-form-urlencoded") {
        pairs(body, Place::Form, &mut input);
    } else if is("multipart/form-data") {
        multipart(body, &mut input);
    } else if is("xml") || matches!(start, Some(b'<' | 0xff | 0xfe | 0xef)) {
        input(Place::Xml, b"", body, false);
    } else if is("text/") || kind.is_empty() {
        input(Place::Json, b"", body, false);
    }
}

fn pairs<'a>(text: &'a [u8], place: Place, input: &mut impl FnMut(Place, &'a [u8], &'a [u8], bool)) {
    for part in parts(text, b'&').take(512) {
        let (name, value) = pair(part);
        input(place, name, value, true);
        // A name may carry as well as a value: `user[$ne]=`, `1'or'1=1`.
        if name.len() > 8
            && name
                .iter()
                .any(|b| matches!(b, b'%' | b'\'' | b'$' | b'<' | b'{'))
        {
            input(place, b"", name, true);
        }
    }
}

/// Whether nothing in a body of JSON has a sign that any language needs: most bodies are names and numbers. `"`, `{` and `:` are JSON's
/// own; within a string they would be escaped, or doubled.
fn is_plain(body: &[u8]) -> bool {
    static WORDS: LazyLock<[Finder<'static>; 5]> =
        LazyLock::new(|| ["{{", "elect", "rO0", "gAS", "gAN"].map(Finder::new));
    !Signs::of(body).any(Signs::FOREIGN_TO_JSON) && !WORDS.iter().any(|word| word.find(body).is_some())
}

fn json<'a>(body: &'a [u8], tools: bool, input: &mut impl FnMut(Place, &'a [u8], &'a [u8], bool)) {
    if is_plain(body) {
        return;
    }
    let mut scanner = Scanner::new(body);
    while let Some(scalar) = scanner.next() {
        let Scalar::Text(text) = scalar else { continue };
        match tools {
            true if scanner.is_below(&["params", "arguments"]) || scanner.is_at(&["params", "uri"]) => {
                input(Place::Tool, scanner.key(), text, false);
            }
            true => {}
            false => input(Place::Json, scanner.key(), text, false),
        }
    }
}

/// Hands out what may be an operator of a query in place of a value: the name of the field it is put on, the operator, its value.
pub(crate) fn operators<'a>(
    request: &'a Request,
    taken: Body,
    look: &mut impl FnMut(&'a [u8], &'a [u8], Option<&'a [u8]>, Place),
) {
    let mut form = |text: &'a [u8], place| {
        for at in memchr::memchr_iter(b'$', text).take(32) {
            // `name[$op]=value`, the brackets as they are or coded.
            let before = &text[..at];
            let Some(before) = before
                .strip_suffix(b"[")
                .or(before.strip_suffix(b"%5B"))
                .or(before.strip_suffix(b"%5b"))
            else {
                continue;
            };
            let start = before
                .iter()
                .rposition(|b| matches!(b, b'&' | b'?' | b']'))
                .map_or(0, |n| n + 1);
            let rest = &text[at..];
            let length = 1 + rest[1..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
            let value = memchr::memchr(b'=', &rest[..rest.len().min(64)]).map(|n| &rest[n + 1..]);
            let value = value.map(|v| v.split(|b| *b == b'&').next().unwrap_or(v));
            look(&before[start..], &rest[..length], value, place);
        }
    };
    if let Some(query) = request.query() {
        form(query.as_bytes(), Place::Query);
    }
    let body = &request.message.body[..request.message.body.len().min(BODY)];
    if taken == Body::None || memchr::memchr(b'$', body).is_none() {
        return;
    }
    if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        form(body, Place::Form);
        return;
    }
    for at in memchr::memmem::find_iter(body, b"\"$").take(64) {
        let rest = &body[at + 1..];
        let length = 1 + rest[1..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let Some(value) = rest[length..].strip_prefix(b"\"").map(<[u8]>::trim_ascii_start) else {
            continue;
        };
        let Some(value) = value.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else {
            continue;
        };
        let value = match value.strip_prefix(b"\"") {
            Some(text) => text.split(|b| *b == b'"').next(),
            None => value
                .split(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace())
                .next(),
        };
        // `"owner": {` before it.
        let before = body[..at].trim_ascii_end();
        let owner = before
            .strip_suffix(b"{")
            .and_then(|b| b.trim_ascii_end().strip_suffix(b":"))
            .and_then(|b| b.trim_ascii_end().strip_suffix(b"\""))
            .map(|b| &b[b.iter().rposition(|q| *q == b'"').map_or(0, |n| n + 1)..]);
        let place = if taken == Body::Tools {
            Place::Tool
        } else {
            Place::Json
        };
        look(owner.unwrap_or(b""), &rest[..length], value, place);
    }
}

/// Parts of `multipart/form-data` (RFC 7578): values of fields, names of files, and files of XML.
fn multipart<'a>(body: &'a [u8], input: &mut impl FnMut(Place, &'a [u8], &'a [u8], bool)) {
    let Some(line) = memchr::memmem::find(body, b"\r\n") else {
        return;
    };
    let boundary = &body[..line];
    if !boundary.starts_with(b"--") || boundary.len() > 80 {
        return;
    }
    let mut rest = &body[line..];
    for _ in 0..128 {
        let Some(head_end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            return;
        };
        let (head, content) = (&rest[..head_end], &rest[head_end + 4..]);
        let end = memchr::memmem::find(content, boundary);
        let value = &content[..end.unwrap_or(content.len())];
        let value = value.strip_suffix(b"\r\n").unwrap_or(value);
        let name = parameter(head, b"name=").unwrap_or(b"");
        match parameter(head, b"filename=") {
            Some(file) => {
                input(Place::File, name, file, false);
                if value.trim_ascii_start().starts_with(b"<") {
                    input(Place::Xml, name, value, false);
                }
            }
            None => input(Place::Form, name, value, false),
        }
        let Some(end) = end else { return };
        rest = &content[end + boundary.len()..];
    }
}

/// A parameter of a part's head: `name="value"`.
fn parameter<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find_iter(head, name).find(|at| {
        at.checked_sub(1)
            .and_then(|before| head.get(before))
            .is_some_and(|b| matches!(b, b' ' | b';'))
    })?;
    let value = &head[at + name.len()..];
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|b| matches!(b, b'"' | b'\r')).next(),
        None => value.split(|b| matches!(b, b';' | b'\r')).next(),
    }
}

/// What a value says before anything of URLs is taken off: strings of JSON have their own escapes.
pub(crate) fn plain<'a>(input: &Input<'a>) -> std::borrow::Cow<'a, [u8]> {
    let value = input.value;
    match input.place {
        Place::Json | Place::Tool if memchr::memchr(b'\\', value).is_some() => decode::json(value).into(),
        _ => value.into(),
    }
}
