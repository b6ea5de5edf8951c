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

/// A head that does not end within this much is none.
const MAX_HEAD: usize = 64 << 10;

/// Places in front of one empty line that are tried as the beginning of a head: the nearest, for the fields of a head
/// hardly ever hold a start line. Without an end, garbage full of start lines would be read once for each.
const TRIES: usize = 16;

/// Fewer bytes than this are not dropped by themselves: dropping moves what stays.
const WORTH_DROPPING: usize = 8 << 10;

/// Looks for a request with a head of no more than `limit` bytes. No empty line is among the first `scanned` bytes; brought
/// up to date.
pub(crate) fn request(buf: &[u8], scanned: &mut usize, limit: usize) -> Found {
    let starts = |from: usize, to: usize| {
        memmem::find_iter(&buf[from..to], b" HTTP/1.")
            .filter_map(move |at| line_start(buf, from + at))
            .filter(move |start| *start >= from)
    };
    let good = |b: &[u8]| {
        b.len() <= limit
            && head::is_strict_request(b)
            && head::request(b).is_some_and(|r| plausible_request(&r))
    };
    find(buf, scanned, MAX_LINE, starts, good)
}

/// Looks for a response, as [`request`] does.
pub(crate) fn response(buf: &[u8], scanned: &mut usize, limit: usize) -> Found {
    let starts = |from: usize, to: usize| {
        memmem::find_iter(&buf[from..to], b"HTTP/1.")
            .map(move |at| from + at)
            .filter(|at| is_status_line(&buf[*at..]))
    };
    let good = |b: &[u8]| {
        b.len() <= limit
            && head::is_strict_response(b)
            && head::response(b).is_some_and(|r| r.ambiguities.is_empty() && (100..600).contains(&r.status))
    };
    find(buf, scanned, 13, starts, good)
}

/// Whether a status line begins here, as far as it is seen.
fn is_status_line(line: &[u8]) -> bool {
    match line.get(7..13) {
        Some([b'0' | b'1', b' ', a, b, c, b' ' | b'\r' | b'\n']) => {
            [a, b, c].iter().all(|d| d.is_ascii_digit())
        }
        Some(_) => false,
        None => true,
    }
}

/// `starts` gives the places between two others where a start line may begin, `tail` is how much of one may be at the end
/// of `buf` without being among them.
fn find<I: Iterator<Item = usize>>(
    buf: &[u8],
    scanned: &mut usize,
    tail: usize,
    starts: impl Fn(usize, usize) -> I,
    good: impl Fn(&[u8]) -> bool,
) -> Found {
    let mut from = 0;
    loop {
        // Whatever begins before an empty line ends with it.
        let mut seen = (*scanned).max(from);
        let Some(end) = head::end_of_head(buf, &mut seen) else {
            *scanned = seen;
            let from = from.max(buf.len().saturating_sub(MAX_HEAD));
            let until = starts(from, buf.len())
                .next()
                .unwrap_or(buf.len().saturating_sub(tail).max(from));
            // What lies before an empty line cannot begin with the next one.
            let put_off = from == 0 && until < WORTH_DROPPING && buf.len() < 2 * MAX_HEAD;
            return Found::Nothing(if put_off { 0 } else { until });
        };
        let mut nearest = Nearest::default();
        for start in starts(from.max(end.saturating_sub(MAX_HEAD)), end) {
            nearest.push(start);
        }
        if let Some(start) = nearest.iter().find(|start| good(&buf[*start..end])) {
            return Found::Message(start);
        }
        from = end;
        *scanned = end;
    }
}

/// The last few places, in order.
#[derive(Default)]
struct Nearest {
    places: [usize; TRIES],
    count: usize,
}

impl Nearest {
    fn push(&mut self, place: usize) {
        self.places[self.count % TRIES] = place;
        self.count += 1;
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        (self.count.saturating_sub(TRIES)..self.count).map(|n| self.places[n % TRIES])
    }
}

fn plausible_request(r: &head::RequestHead) -> bool {
    r.ambiguities.is_empty() && (r.minor != 1 || !r.host.is_empty())
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

    fn request(buf: &[u8]) -> Found {
        super::request(buf, &mut 0, MAX_HEAD)
    }

    fn response(buf: &[u8]) -> Found {
        super::response(buf, &mut 0, MAX_HEAD)
    }

    #[test]
    fn requests_are_found_behind_the_rest_of_a_body() {
        let buf = b"\"x\":1}GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(request(buf), Found::Message(6));
        assert_eq!(request(&buf[..30]), Found::Nothing(0));
        assert_eq!(
            request(b"see GET /a HTTP/1.1 for more\r\n\r\n"),
            Found::Nothing(32)
        );
        assert_eq!(
            request(b"{\"log\":\"GET /a HTTP/1.1\\r\\nHost: a\"}\r\n\r\n"),
            Found::Nothing(40)
        );
    }

    #[test]
    fn responses_are_found() {
        assert_eq!(response(b"}]}HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), Found::Message(3));
        assert_eq!(response(b"}]}HTTP/1.1 20"), Found::Nothing(0));
        assert_eq!(
            response(b"speaks HTTP/1.1 fluently and with joy"),
            Found::Nothing(0)
        );
    }

    #[test]
    fn garbage_is_dropped_and_what_may_begin_in_it_kept() {
        let mut buf = vec![b'x'; 20_000];
        assert_eq!(response(&buf), Found::Nothing(20_000 - 13));
        buf.extend_from_slice(b"HTTP/1.1 200 OK\r\nA: b");
        assert_eq!(response(&buf), Found::Nothing(20_000));
        buf.extend(std::iter::repeat_n(b'y', 2 * MAX_HEAD));
        assert_eq!(
            response(&buf),
            Found::Nothing(buf.len() - 13),
            "too long for a head"
        );
    }

    #[test]
    fn a_head_is_found_behind_many_start_lines() {
        let mut buf = b"GET /x HTTP/1.1\r\nA:\r\n".repeat(5000);
        let at = buf.len();
        buf.extend_from_slice(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(request(&buf), Found::Message(at));
    }
}
