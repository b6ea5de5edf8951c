//! In what form a body is written, and how to walk it: JSON and its streams, forms, messages of protocol buffers.
//!
//! XML is not read: its elements would need a reader of their own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::body::Content;
use super::walk::{DEPTH, ELEMENTS, End, Kind, Visitor, walk};
use crate::identity::signals::is_json;
use crate::privacy::segment;

/// In what form a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Form {
    /// JSON, or a stream of it: lines (NDJSON), records (RFC 7464), events (`text/event-stream`). The fields of a stream are those
    /// of its values.
    Json,
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data`.
    Multipart,
    /// Messages of protocol buffers, as gRPC carries them. Fields have numbers for names; whether a field of variable length is
    /// a text or a message in the message is a guess.
    Protobuf,
}

impl Form {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Urlencoded => "urlencoded",
            Self::Multipart => "multipart",
            Self::Protobuf => "protobuf",
        }
    }
}

/// A body in a form that can be read.
#[derive(Debug)]
pub(super) struct Of<'a> {
    pub(super) form: Form,
    kind: Type<'a>,
    body: &'a [u8],
    whole: bool,
}

#[derive(Debug, Clone, Copy)]
enum Type<'a> {
    Json,
    Lines,
    Events,
    Urlencoded,
    Multipart(&'a str),
    Grpc,
    Protobuf,
}

/// The body with this content type, when it is written in a form that is read.
pub(super) fn of<'a>(content_type: Option<&'a str>, body: &'a [u8], whole: bool) -> Option<Of<'a>> {
    // What some servers put before JSON against inclusion as a script, and a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let first = body.iter().find(|b| !b.is_ascii_whitespace())?;
    let kind = kind(content_type, *first)?;
    let form = match kind {
        Type::Json | Type::Lines | Type::Events => Form::Json,
        Type::Urlencoded => Form::Urlencoded,
        Type::Multipart(_) => Form::Multipart,
        Type::Grpc | Type::Protobuf => Form::Protobuf,
    };
    let body = match (kind, body) {
        (Type::Json, [b')', b']', b'}', b'\'', rest @ ..]) => rest.strip_prefix(b",").unwrap_or(rest),
        _ => body,
    };
    Some(Of {
        form,
        kind,
        body,
        whole,
    })
}

fn kind(content_type: Option<&str>, first: u8) -> Option<Type<'_>> {
    let opens = matches!(first, b'{' | b'[');
    let Some(value) = content_type else {
        return opens.then_some(Type::Json);
    };
    if is_json(value) {
        return Some(Type::Json);
    }
    let bare = segment::once(value, b';')
        .map_or(value, |(before, _)| before)
        .trim();
    let is = |name: &str| bare.eq_ignore_ascii_case(name);
    let begins = |name: &str| {
        bare.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    if is("application/x-www-form-urlencoded") {
        // Some clients leave this type on whatever they send.
        return Some(if opens { Type::Json } else { Type::Urlencoded });
    }
    if is("multipart/form-data") {
        return boundary(value).map(Type::Multipart);
    }
    if is("text/event-stream") {
        return Some(Type::Events);
    }
    if is("application/x-ndjson")
        || is("application/ndjson")
        || is("application/jsonl")
        || is("application/json-seq")
        || is("application/x-jsonlines")
        || is("application/stream+json")
    {
        return Some(Type::Lines);
    }
    if begins("application/grpc-web-text") {
        return None; // Base64, which nobody but browsers uses.
    }
    if begins("application/grpc") {
        let json = bare
            .get(16..)
            .is_some_and(|rest| rest.eq_ignore_ascii_case("+json"));
        return (!json).then_some(Type::Grpc);
    }
    if is("application/protobuf") || is("application/x-protobuf") || is("application/vnd.google.protobuf") {
        return Some(Type::Protobuf);
    }
    let text = is("text/plain") || is("text/javascript") || is("application/javascript") || is("text/json");
    (text && opens).then_some(Type::Json)
}

fn boundary(content_type: &str) -> Option<&str> {
    let value = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = segment::once(parameter, b'=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value.trim())
    })?;
    let value = value
        .strip_prefix('"')
        .and_then(|v| v.strip_suffix('"'))
        .unwrap_or(value);
    (!value.is_empty() && value.len() <= 70).then_some(value)
}

impl Content for Of<'_> {
    fn tell<V: Visitor>(&self, visitor: &mut V) -> End {
        match self.kind {
            Type::Json => walk(self.body, self.whole, visitor),
            Type::Lines => stream(
                self.body.split(|b| matches!(b, b'\n' | 0x1e)),
                self.whole,
                visitor,
            ),
            Type::Events => stream(
                self.body.split(|b| matches!(b, b'\n' | b'\r')).filter_map(data),
                self.whole,
                visitor,
            ),
            Type::Urlencoded => urlencoded(self.body, self.whole, visitor),
            Type::Multipart(boundary) => multipart(self.body, boundary, self.whole, visitor),
            Type::Grpc => grpc(self.body, self.whole, visitor),
            Type::Protobuf => {
                if self.whole && !is_message(self.body, 0) {
                    return End::Broken;
                }
                visitor.open(Kind::Object);
                let end = message(self.body, 0, visitor);
                visitor.close(Kind::Object, 0);
                if self.whole { end } else { End::Cut }
            }
        }
    }

    fn is_numbered(&self) -> bool {
        self.form == Form::Protobuf
    }
}

/// The JSON in a line of an event stream; other events have none.
fn data(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data:")?.trim_ascii();
    matches!(value.first(), Some(b'{' | b'[')).then_some(value)
}

/// Values one after the other. One that is cut off or broken is not JSON alone and counts as nothing, except the last of a stream
/// that goes on.
fn stream<'a, V: Visitor>(lines: impl Iterator<Item = &'a [u8]>, whole: bool, visitor: &mut V) -> End {
    let mut lines = lines
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(ELEMENTS as usize)
        .peekable();
    if lines.peek().is_none() {
        return if whole { End::Broken } else { End::Cut };
    }
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        match walk(line, !last || whole, visitor) {
            End::Whole => {}
            End::Cut if last && !whole => return End::Cut,
            End::Cut | End::Broken => return End::Broken,
        }
    }
    if whole { End::Whole } else { End::Cut }
}

/// What a text of a form or a parameter is.
pub(super) fn kind_of(text: &[u8]) -> Kind {
    let (digits, minus) = match text {
        [b'-', rest @ ..] => (rest, true),
        rest => (rest, false),
    };
    match digits {
        b"true" | b"false" | b"True" | b"False" if !minus => Kind::Boolean,
        // A number does not begin with a zero; a code may, and a card's number is longer than a number is.
        [b'0', b'0'..=b'9', ..] | [] => Kind::String,
        [b'0'..=b'9', rest @ ..] if text.len() <= 15 => {
            let point = rest.iter().filter(|b| **b == b'.').count();
            if !rest.iter().all(|b| b.is_ascii_digit() || *b == b'.')
                || point > 1
                || rest.last() == Some(&b'.')
            {
                Kind::String
            } else if point == 1 {
                Kind::Number
            } else {
                Kind::Integer
            }
        }
        _ => Kind::String,
    }
}

/// A name or value of a form, decoded.
pub(super) fn plus_decoded(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b == b'+') {
        return Cow::Owned(segment::decode(&text.replace('+', " ")).into_owned());
    }
    segment::decode(text)
}

fn urlencoded<V: Visitor>(body: &[u8], whole: bool, visitor: &mut V) -> End {
    let Ok(text) = std::str::from_utf8(body) else {
        return End::Broken;
    };
    if text
        .bytes()
        .any(|b| b.is_ascii_control() && !b.is_ascii_whitespace())
    {
        return End::Broken;
    }
    visitor.open(Kind::Object);
    let mut pairs = segment::parts(text.trim(), b'&').peekable();
    while let Some(pair) = pairs.next() {
        if pairs.peek().is_none() && !whole {
            break; // It may go on.
        }
        let (name, value) = segment::once(pair, b'=').unwrap_or((pair, ""));
        if name.is_empty() {
            continue;
        }
        visitor.key(plus_decoded(name).as_bytes());
        let value = plus_decoded(value);
        visitor.scalar(kind_of(value.as_bytes()), Some(value.as_bytes()));
    }
    visitor.close(Kind::Object, 0);
    if whole { End::Whole } else { End::Cut }
}

/// The parts of a form (RFC 7578): names, and whether each is a file.
fn multipart<V: Visitor>(body: &[u8], boundary: &str, whole: bool, visitor: &mut V) -> End {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let places: Vec<usize> = memchr::memmem::find_iter(body, &delimiter)
        .filter(|at| *at == 0 || body[at - 1] == b'\n')
        .take(257)
        .collect();
    if places.is_empty() {
        return if whole { End::Broken } else { End::Cut };
    }
    visitor.open(Kind::Object);
    let mut ended = false;
    for (n, at) in places.iter().enumerate() {
        let from = at + delimiter.len();
        if body[from..].starts_with(b"--") {
            ended = true;
            break;
        }
        let end = places.get(n + 1).copied();
        let part = &body[from..end.unwrap_or(body.len())];
        let Some(head_end) = memchr::memmem::find(part, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&part[..head_end]);
        let Some(name) = disposition(&head, "name") else {
            continue;
        };
        visitor.key(name.as_bytes());
        let value = part[head_end + 4..]
            .strip_suffix(b"\r\n")
            .unwrap_or(&part[head_end + 4..]);
        if disposition(&head, "filename").is_some() || disposition(&head, "filename*").is_some() {
            visitor.file();
        } else if end.is_none() {
            visitor.scalar(Kind::String, None);
        } else {
            visitor.scalar(kind_of(value), Some(value));
        }
    }
    visitor.close(Kind::Object, 0);
    if ended { End::Whole } else { End::Cut }
}

/// A parameter of `Content-Disposition`.
fn disposition<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| {
        line.get(..20)
            .is_some_and(|name| name.eq_ignore_ascii_case("content-disposition:"))
    })?;
    // A name may hold a semicolon in its quotes; then it is none that would be shown.
    line.split(';').skip(1).find_map(|parameter| {
        let (name, value) = segment::once(parameter, b'=')?;
        let value = value.trim();
        let bare = value
            .strip_prefix('"')
            .map_or(value, |v| v.strip_suffix('"').unwrap_or(v));
        name.trim().eq_ignore_ascii_case(wanted).then_some(bare)
    })
}

/// Messages with their prefix of five bytes ("gRPC over HTTP2", Length-Prefixed-Message). Compressed ones are passed over: they
/// are unpacked where they are parts of a stream.
fn grpc<V: Visitor>(body: &[u8], whole: bool, visitor: &mut V) -> End {
    let (mut rest, mut read) = (body, 0);
    while let Some((prefix, after)) = rest.split_first_chunk::<5>() {
        let [flags, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        let have = length.min(after.len());
        let (bytes, next) = after.split_at(have);
        rest = next;
        if flags > 1 {
            // Trailers of gRPC-Web.
            if flags & 0x7e != 0 {
                return End::Broken;
            }
            continue;
        }
        if flags == 1 || read >= ELEMENTS {
            continue;
        }
        let full = have == length;
        if full && !is_message(bytes, 0) || !full && whole {
            return End::Broken;
        }
        read += 1;
        visitor.open(Kind::Object);
        message(bytes, 0, visitor);
        visitor.close(Kind::Object, 0);
        if !full {
            return End::Cut;
        }
    }
    match whole {
        _ if read == 0 => End::Broken,
        true if rest.is_empty() => End::Whole,
        true => End::Broken,
        false => End::Cut,
    }
}

/// Messages in each other that are looked into.
const MESSAGES: usize = 6;

/// Largest number of a field that is believed. Numbers may be larger; schemas have small ones.
const LARGEST_FIELD: u64 = 9_999;

const _: () = assert!(MESSAGES + 1 < DEPTH);

/// A field of a message.
enum Wire<'a> {
    Varint,
    Fixed,
    Bytes(&'a [u8]),
}

/// The first field of a message, and what is behind it. `None` where no field is.
fn field(bytes: &[u8]) -> Option<(u64, Wire<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let number = tag >> 3;
    if !(1..=LARGEST_FIELD).contains(&number) {
        return None;
    }
    let (wire, rest) = match tag & 7 {
        0 => (Wire::Varint, varint(rest)?.1),
        1 => (Wire::Fixed, rest.get(8..)?),
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Wire::Bytes(bytes), rest)
        }
        5 => (Wire::Fixed, rest.get(4..)?),
        // Groups have been out of use since version 2.
        _ => return None,
    };
    Some((number, wire, rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// Whether the bytes are fields from beginning to end.
fn is_message(mut bytes: &[u8], depth: usize) -> bool {
    if depth > MESSAGES {
        return false;
    }
    while !bytes.is_empty() {
        match field(bytes) {
            Some((_, _, rest)) => bytes = rest,
            None => return false,
        }
    }
    true
}

/// Whether bytes of variable length read as a text.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()))
}

fn message<V: Visitor>(mut bytes: &[u8], depth: usize, visitor: &mut V) -> End {
    while !bytes.is_empty() {
        let Some((number, wire, rest)) = field(bytes) else {
            return End::Cut;
        };
        bytes = rest;
        visitor.key(number.to_string().as_bytes());
        match wire {
            Wire::Varint => visitor.scalar(Kind::Integer, None),
            Wire::Fixed => visitor.scalar(Kind::Number, None),
            Wire::Bytes(text) if is_text(text) || !is_message(text, depth + 1) => {
                visitor.scalar(Kind::String, Some(text))
            }
            Wire::Bytes(inner) => {
                visitor.open(Kind::Object);
                message(inner, depth + 1, visitor);
                visitor.close(Kind::Object, 0);
            }
        }
    }
    End::Whole
}
