//! Finds the next message in a direction whose framing was lost.
//!
//! A message may begin anywhere in a segment: behind the body of the one before. It is believed only when
//! a whole head follows that the strict reader accepts, and a request of HTTP/1.1 must name its host
//! (RFC 9112 section 3.2). A body that quotes a whole message with real line ends can deceive it; that
//! is the price of finding a pipelined request behind a loss.

use memchr::memmem;

use super::head::{self, METHODS};

/// What a search through lost bytes found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A message begins at that place.
    Message(usize),
    /// Nothing can begin before that place; look again when there is more.
    Nothing(usize),
}

/// A request line may be this long before its version is seen.
const MAX_LINE: usize = 16 << 10;

/// Looks for a request.
pub(crate) fn request(buf: &[u8]) -> Found {
    for at in memmem::find_iter(buf, b" HTTP/1.") {
        let Some(start) = line_start(buf, at) else {
            continue;
        };
        match complete(&buf[start..], |b| {
            head::request(b).is_some_and(|r| plausible_request(&r))
        }) {
            Some(true) => return Found::Message(start),
            Some(false) => {}
            None => return Found::Nothing(start),
        }
    }
    Found::Nothing(buf.len().saturating_sub(MAX_LINE))
}

/// Looks for a response.
pub(crate) fn response(buf: &[u8]) -> Found {
    for at in memmem::find_iter(buf, b"HTTP/1.") {
        let line = &buf[at..];
        match line.get(7..13) {
            Some([b'0' | b'1', b' ', a, b, c, b' ' | b'\r' | b'\n'])
                if [a, b, c].iter().all(|d| d.is_ascii_digit()) => {}
            Some(_) => continue,
            None => return Found::Nothing(at),
        }
        match complete(line, |b| {
            head::response(b).is_some_and(|r| r.ambiguities.is_empty() && (100..600).contains(&r.status))
        }) {
            Some(true) => return Found::Message(at),
            Some(false) => {}
            None => return Found::Nothing(at),
        }
    }
    Found::Nothing(buf.len().saturating_sub(13))
}

fn plausible_request(r: &head::RequestHead) -> bool {
    r.ambiguities.is_empty() && (r.minor != 1 || !r.host.is_empty())
}

/// Whether the head that begins `buf` is a good one; `None` when its end was not seen yet.
fn complete(buf: &[u8], good: impl Fn(&[u8]) -> bool) -> Option<bool> {
    // A head that does not end within this much is none.
    const MAX_HEAD: usize = 64 << 10;
    let mut from = 0;
    match head::end_of_head(&buf[..buf.len().min(MAX_HEAD)], &mut from) {
        Some(end) => Some(good(&buf[..end])),
        None if buf.len() >= MAX_HEAD => Some(false),
        None => None,
    }
}

/// Goes back from the space before a version over the target to the method.
fn line_start(buf: &[u8], version: usize) -> Option<usize> {
    let from = version.saturating_sub(MAX_LINE);
    let line = &buf[from..version];
    let space = line.iter().rposition(|b| b.is_ascii_whitespace())?;
    if line[space] != b' ' || space + 1 == line.len() || line[space + 1..].iter().any(|b| *b < b'!') {
        return None;
    }
    METHODS
        .iter()
        .filter(|m| line[..space].ends_with(m))
        .max_by_key(|m| m.len())
        .map(|m| from + space - m.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_behind_the_rest_of_a_body() {
        let buf = b"\"x\":1}GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(request(buf), Found::Message(6));
        assert_eq!(request(&buf[..30]), Found::Nothing(6));
        assert_eq!(
            request(b"see GET /a HTTP/1.1 for more\r\n\r\n"),
            Found::Nothing(0)
        );
        assert_eq!(
            request(b"{\"log\":\"GET /a HTTP/1.1\\r\\nHost: a\"}\r\n\r\n"),
            Found::Nothing(0)
        );
    }

    #[test]
    fn responses_are_found() {
        assert_eq!(response(b"}]}HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), Found::Message(3));
        assert_eq!(response(b"}]}HTTP/1.1 20"), Found::Nothing(3));
        assert_eq!(
            response(b"speaks HTTP/1.1 fluently and with joy"),
            Found::Nothing(24)
        );
    }
}
