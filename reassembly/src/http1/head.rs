//! Message heads: the bytes up to the empty line in, start line and fields out.
//!
//! A head is read strictly first (`httparse`). What the strict reader refuses is read again as a
//! tolerant receiver would, and every departure from the grammar is named, so that an unambiguous head
//! never carries an ambiguity and a refused one is still given out.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::exchange::{Ambiguities, FieldSpan, Head, authority_range};

/// Fields read in one head; RFC 9112 sets no limit, servers commonly stop at 100.
const MAX_FIELDS: usize = 256;

/// A request head.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(crate) head: Head,
    pub(crate) method: (u32, u32),
    pub(crate) target: (u32, u32),
    pub(crate) minor: u8,
    pub(crate) host: String,
    pub(crate) ambiguities: Ambiguities,
}

/// A response head.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) head: Head,
    pub(crate) status: u16,
    pub(crate) minor: u8,
    pub(crate) ambiguities: Ambiguities,
}

/// Looks for the end of a head in `buf`, of which `from` bytes were looked at before: the length of the
/// head with its empty line. An empty line is CRLF or a bare LF (RFC 9112 section 2.2).
pub(crate) fn end_of_head(buf: &[u8], from: &mut usize) -> Option<usize> {
    /// Ends of the last line that has bytes, with the empty line behind it.
    static CRLF: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\r\n"));
    static LF: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\n"));
    let end = match buf {
        [b'\n', ..] if *from == 0 => Some(1),
        [b'\r', b'\n', ..] if *from <= 1 => Some(2),
        _ => {
            // What was looked at may hold the beginning of an ending.
            let (start, shorter) = (from.saturating_sub(2), from.saturating_sub(1));
            let crlf = buf
                .get(start..)
                .and_then(|new| CRLF.find(new))
                .map(|at| start + at + 3);
            let before = buf.get(shorter..crlf.unwrap_or(buf.len()));
            let lf = before.and_then(|new| LF.find(new)).map(|at| shorter + at + 2);
            lf.or(crlf)
        }
    };
    if end.is_none() {
        *from = buf.len();
    }
    end
}

/// Whether a request head is one by the letter.
pub(crate) fn is_strict_request(bytes: &[u8]) -> bool {
    let mut fields = [const { MaybeUninit::uninit() }; 128];
    let mut strict = httparse::Request::new(&mut []);
    matches!(
        strict.parse_with_uninit_headers(bytes, &mut fields),
        Ok(httparse::Status::Complete(_))
    )
}

/// Whether a response head is one by the letter.
pub(crate) fn is_strict_response(bytes: &[u8]) -> bool {
    let mut fields = [const { MaybeUninit::uninit() }; 128];
    let mut strict = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    matches!(
        config.parse_response_with_uninit_headers(&mut strict, bytes, &mut fields),
        Ok(httparse::Status::Complete(_))
    )
}

/// Reads a request head. `None` when it is no HTTP/1 request by any reading.
pub(crate) fn request(bytes: &[u8]) -> Option<RequestHead> {
    let mut fields = [const { MaybeUninit::uninit() }; 128];
    let mut strict = httparse::Request::new(&mut []);
    let mut found = match (
        strict.parse_with_uninit_headers(bytes, &mut fields),
        std::str::from_utf8(bytes),
    ) {
        (Ok(httparse::Status::Complete(_)), Ok(text)) => {
            let span = |s: &str| place(bytes, s.as_bytes());
            let fields = spans(bytes, strict.headers);
            RequestHead {
                method: span(strict.method?),
                target: span(strict.path?),
                minor: strict.version?,
                ambiguities: line_endings(bytes, &fields),
                head: Head::new(text.to_owned(), fields),
                ..RequestHead::default()
            }
        }
        _ => tolerant_request(bytes)?,
    };
    note_host(&mut found);
    Some(found)
}

/// Notes which host a request is for.
pub(super) fn note_host(found: &mut RequestHead) {
    let connect = found.head.slice(found.method) == "CONNECT";
    let target = found.head.slice(found.target);
    found.host = host(&found.head, target, connect, &mut found.ambiguities);
}

/// Reads a response head. `None` when it is no HTTP/1 response by any reading.
pub(crate) fn response(bytes: &[u8]) -> Option<ResponseHead> {
    let mut fields = [const { MaybeUninit::uninit() }; 128];
    let mut strict = httparse::Response::new(&mut []);
    let strictly = httparse::ParserConfig::default();
    let read = strictly.parse_response_with_uninit_headers(&mut strict, bytes, &mut fields);
    match (read, std::str::from_utf8(bytes)) {
        (Ok(httparse::Status::Complete(_)), Ok(text)) => {
            let fields = spans(bytes, strict.headers);
            Some(ResponseHead {
                status: strict.code?,
                minor: strict.version?,
                ambiguities: line_endings(bytes, &fields),
                head: Head::new(text.to_owned(), fields),
            })
        }
        _ => tolerant_response(bytes),
    }
}

/// Where `part` lies in `whole`; both come from the same slice.
fn place(whole: &[u8], part: &[u8]) -> (u32, u32) {
    let from = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    span(from..from + part.len())
}

fn span(range: Range<usize>) -> (u32, u32) {
    (
        u32::try_from(range.start).unwrap_or(0),
        u32::try_from(range.end).unwrap_or(0),
    )
}

fn spans(bytes: &[u8], fields: &[httparse::Header<'_>]) -> Vec<FieldSpan> {
    fields
        .iter()
        .map(|f| FieldSpan {
            name: place(bytes, f.name.as_bytes()),
            value: place(bytes, trim(f.value)),
        })
        .collect()
}

fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// The strict reader takes a bare LF for the end of a line, as RFC 9112 section 2.2 allows. It takes no folded lines, so
/// each line ends where the next name begins.
fn line_endings(bytes: &[u8], fields: &[FieldSpan]) -> Ambiguities {
    let ends_well = |end: usize| bytes[..end].ends_with(b"\r\n");
    let mut found = Ambiguities::empty();
    if !bytes.ends_with(b"\r\n\r\n") || !fields.iter().all(|f| ends_well(f.name.0 as usize)) {
        found.insert(Ambiguities::BARE_LF);
    }
    found
}

/// The text of a head under tolerant reading: lines put together anew, so that folded values are one
/// piece, with the spans that belong to it.
#[derive(Default)]
struct Tolerant {
    text: String,
    fields: Vec<FieldSpan>,
    ambiguities: Ambiguities,
}

impl Tolerant {
    fn push(&mut self, bytes: &[u8]) -> (u32, u32) {
        let from = self.text.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.extend(bytes.iter().map(|b| char::from(*b))),
        }
        span(from..self.text.len())
    }

    /// Reads the field lines after the start line.
    fn read_fields<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>) {
        for line in lines {
            let line = self.ending(line);
            if line.is_empty() {
                break;
            }
            if memchr(0, line).is_some() {
                self.ambiguities.insert(Ambiguities::NUL);
            }
            if memchr(b'\r', line).is_some() {
                self.ambiguities.insert(Ambiguities::BARE_CR);
            }
            if matches!(line[0], b' ' | b'\t') {
                self.fold(line);
                continue;
            }
            if self.fields.len() >= MAX_FIELDS {
                self.ambiguities.insert(Ambiguities::HEADER_MALFORMED);
                break;
            }
            let Some(colon) = memchr(b':', line) else {
                self.ambiguities.insert(Ambiguities::HEADER_MALFORMED);
                continue;
            };
            let (raw, value) = (&line[..colon], &line[colon + 1..]);
            let name = raw.trim_ascii();
            if name.len() != raw.len() {
                self.ambiguities.insert(Ambiguities::SPACE_BEFORE_COLON);
            }
            if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
                self.ambiguities.insert(Ambiguities::HEADER_MALFORMED);
            }
            let name = self.push(name);
            self.text.push_str(": ");
            let value = self.push(trim(value));
            self.text.push_str("\r\n");
            self.fields.push(FieldSpan { name, value });
        }
    }

    /// A line that begins with white space goes on with the value before it (RFC 9112 section 5.2). The
    /// value before it is the last thing in `text`, so it can grow in place.
    fn fold(&mut self, line: &[u8]) {
        self.ambiguities.insert(Ambiguities::FOLDED);
        let Some(last) = self.fields.last().copied() else {
            self.ambiguities.insert(Ambiguities::HEADER_MALFORMED);
            return;
        };
        self.text.truncate(last.value.1 as usize);
        if last.value.0 != last.value.1 {
            self.text.push(' ');
        }
        let (_, end) = self.push(trim(line));
        self.text.push_str("\r\n");
        if let Some(field) = self.fields.last_mut() {
            field.value.1 = end;
        }
    }

    fn ending<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        match line.strip_suffix(b"\r") {
            Some(line) => line,
            None => {
                self.ambiguities.insert(Ambiguities::BARE_LF);
                line
            }
        }
    }

    fn head(self) -> Head {
        Head::new(self.text, self.fields)
    }
}

pub(crate) fn is_token(b: u8) -> bool {
    TOKEN[usize::from(b)]
}

/// The bytes of which names and methods are made (RFC 9110 section 5.6.2).
pub(super) static TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        token[others[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        token[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    token
};

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.split(|b| *b == b'\n')
}

fn tolerant_request(bytes: &[u8]) -> Option<RequestHead> {
    let mut read = Tolerant::default();
    let mut lines = lines(bytes);
    let line = read.ending(lines.next()?);
    let start = request_line(line)?;
    if start.malformed {
        read.ambiguities.insert(Ambiguities::START_LINE);
    }
    if memchr(0, line).is_some() {
        read.ambiguities.insert(Ambiguities::NUL);
    }
    let method = read.push(start.method);
    read.text.push(' ');
    let target = read.push(start.target);
    read.text.push_str("\r\n");
    read.read_fields(lines);
    Some(RequestHead {
        method,
        target,
        minor: start.minor,
        host: String::new(),
        ambiguities: read.ambiguities,
        head: read.head(),
    })
}

/// A request line as a tolerant receiver takes it apart.
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) minor: u8,
    pub(crate) malformed: bool,
}

/// Methods that are taken for HTTP even without a version behind the target.
pub(crate) const METHODS: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
];

/// Takes a request line (without its ending) apart.
pub(crate) fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let trimmed = line.trim_ascii();
    let space = trimmed.iter().position(|b| matches!(b, b' ' | b'\t'))?;
    let (method, rest) = (&trimmed[..space], trimmed[space..].trim_ascii_start());
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return None;
    }
    let version_at = rest.iter().rposition(|b| matches!(b, b' ' | b'\t'));
    let version = match version_at {
        Some(at) => &rest[at + 1..],
        // Servers answer `GET HTTP/1.1` although the target is missing (RFC 9112 section 3).
        None if METHODS.contains(&method) => rest,
        None => b"",
    };
    let (target, minor, odd) = match version.get(..5) {
        Some(name) if name.eq_ignore_ascii_case(b"HTTP/") => {
            let target = rest[..version_at.unwrap_or(0)].trim_ascii_end();
            match &version[5..] {
                b"1.1" => (target, 1, !name.eq(b"HTTP/")),
                b"1.0" => (target, 0, !name.eq(b"HTTP/")),
                b"0.9" => (target, 9, true),
                // Receivers read other versions as 1.1 (RFC 9110 section 2.5) or refuse them.
                [b'1', ..] => (target, 1, true),
                _ => (target, 0, true),
            }
        }
        // HTTP/0.9: no version, known method and a path (RFC 1945 section 5).
        _ if METHODS.contains(&method) && (rest.starts_with(b"/") || rest.starts_with(b"http://")) => {
            (rest, 9, true)
        }
        _ => return None,
    };
    if target.is_empty() && minor == 9 {
        return None;
    }
    let inner_space = target.iter().any(|b| matches!(b, b' ' | b'\t'));
    let exact = line.len() == method.len() + target.len() + version.len() + 2;
    Some(RequestLine {
        method,
        target,
        minor,
        malformed: odd || inner_space || !exact,
    })
}

fn tolerant_response(bytes: &[u8]) -> Option<ResponseHead> {
    let mut read = Tolerant::default();
    let mut lines = lines(bytes);
    let line = read.ending(lines.next()?);
    let (minor, status, malformed) = status_line(line)?;
    if malformed {
        read.ambiguities.insert(Ambiguities::START_LINE);
    }
    read.push(line);
    read.text.push_str("\r\n");
    read.read_fields(lines);
    Some(ResponseHead {
        status,
        minor,
        ambiguities: read.ambiguities,
        head: read.head(),
    })
}

/// Version, status, and whether the line departs from the grammar.
pub(crate) fn status_line(line: &[u8]) -> Option<(u8, u16, bool)> {
    let mut malformed = false;
    let rest = line.trim_ascii_start();
    malformed |= rest.len() != line.len();
    let name = rest.get(..5)?;
    if !name.eq_ignore_ascii_case(b"HTTP/") {
        return None;
    }
    malformed |= name != b"HTTP/";
    let space = rest.iter().position(|b| matches!(b, b' ' | b'\t'))?;
    let minor = match &rest[5..space] {
        b"1.1" => 1,
        b"1.0" => 0,
        [b'0', ..] => {
            malformed = true;
            0
        }
        [b'1', b'.', ..] => {
            malformed = true;
            1
        }
        // Anything else behind `HTTP/` is still answered by most receivers.
        version if !version.is_empty() && version.len() <= 8 => {
            malformed = true;
            1
        }
        _ => return None,
    };
    let code = rest[space..].trim_ascii_start();
    malformed |= rest.len() - space - code.len() != 1;
    let digits = code.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    malformed |= digits != 3 || !matches!(code.get(digits), None | Some(b' '));
    // Any other number of digits is no status (RFC 9112 section 4).
    let status = match code[..digits] {
        [a, b, c] => [a, b, c].iter().fold(0u16, |n, b| n * 10 + u16::from(b - b'0')),
        _ => 0,
    };
    Some((minor, status, malformed))
}

/// The host a request is for: of an absolute-form target, else of the Host field (RFC 9112 section 3.2.2).
fn host(head: &Head, target: &str, connect: bool, ambiguities: &mut Ambiguities) -> String {
    let mut fields = head.named("host");
    let named = fields.next();
    if fields.any(|v| Some(v) != named) {
        ambiguities.insert(Ambiguities::HOST_DIFFERS);
    }
    let absolute = authority_range(target).map(|range| &target[range]);
    let authority = match (absolute, named) {
        // Authority-form: the target is the authority (RFC 9112 section 3.3).
        (None, None) if connect => target,
        (Some(absolute), named) => {
            let absolute = absolute.rsplit('@').next().unwrap_or(absolute);
            if named.is_some_and(|n| !n.eq_ignore_ascii_case(absolute)) {
                ambiguities.insert(Ambiguities::HOST_DIFFERS);
            }
            absolute
        }
        (None, Some(named)) => named,
        (None, None) => "",
    };
    let mut host = authority.to_ascii_lowercase();
    if host.ends_with(":80") {
        host.truncate(host.len() - 3);
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(a: Ambiguities) -> Vec<&'static str> {
        a.names().collect()
    }

    #[test]
    fn request_heads_from_the_wire() {
        let check = |wire: &[u8], method: &str, target: &str, host: &str, odd: &[&str]| {
            let r = request(wire).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(wire)));
            assert_eq!(r.head.slice(r.method), method);
            assert_eq!(r.head.slice(r.target), target);
            assert_eq!(r.host, host);
            assert_eq!(names(r.ambiguities), odd, "{}", String::from_utf8_lossy(wire));
        };
        check(
            b"GET /a?b=1 HTTP/1.1\r\nHost: X.example:80\r\n\r\n",
            "GET",
            "/a?b=1",
            "x.example",
            &[],
        );
        check(
            b"GET http://u:p@Y.example/a HTTP/1.1\r\nHost: y.example\r\n\r\n",
            "GET",
            "http://u:p@Y.example/a",
            "y.example",
            &[],
        );
        check(b"GET / HTTP/1.1\nHost: a\n\n", "GET", "/", "a", &["bare_lf"]);
        check(
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET",
            "/",
            "a",
            &["space_before_colon"],
        );
        check(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
            "GET",
            "/",
            "a",
            &["folded_header"],
        );
        check(
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET",
            "/",
            "a",
            &["host_differs"],
        );
        check(
            b"GET /two words HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET",
            "/two words",
            "a",
            &["start_line_malformed"],
        );
        check(b"GET /old\r\n\r\n", "GET", "/old", "", &["start_line_malformed"]);
        check(
            b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET",
            "/\u{e9}",
            "a",
            &[],
        );
    }

    #[test]
    fn the_end_of_a_head_is_found_from_any_place() {
        // By the letter: a line feed with nothing, or a carriage return alone, between it and the one before.
        let plain = |buf: &[u8], from: usize| {
            (from..buf.len()).find(|at| {
                buf[*at] == b'\n' && matches!(&buf[..*at], [] | [b'\r'] | [.., b'\n'] | [.., b'\n', b'\r'])
            })
        };
        for code in 0..3usize.pow(9) {
            let wire: Vec<u8> = (0..9).map(|n| b"\r\na"[code / 3usize.pow(n) % 3]).collect();
            for from in 0..=wire.len() {
                let mut seen = from;
                let end = end_of_head(&wire, &mut seen);
                assert_eq!(end, plain(&wire, from).map(|at| at + 1), "{wire:?} from {from}");
                assert_eq!(seen, if end.is_some() { from } else { wire.len() });
            }
        }
    }

    #[test]
    fn folded_value_is_one_piece() {
        let r = response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\nX: 1\r\n\r\n").unwrap();
        assert_eq!(r.head.field("transfer-encoding"), Some("chunked"));
        assert_eq!(r.head.field("x"), Some("1"));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for wire in [
            &b"EHLO mail.example\r\n\r\n"[..],
            b"\x16\x03\x01 x\r\n\r\n",
            b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        ] {
            assert!(request(wire).is_none(), "{}", String::from_utf8_lossy(wire));
        }
        assert!(response(b"220 mail.example ESMTP\r\n\r\n").is_none());
        assert!(response(b"HTTP/1.1\r\n\r\n").is_none());
    }
}
