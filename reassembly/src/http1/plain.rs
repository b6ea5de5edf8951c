//! Heads of the commonest form, read in one pass from the bytes of a segment: each line is found, taken apart and left
//! behind before the next one is looked for, where [`super::head`] first looks for the end of the head and then goes
//! through it several times.
//!
//! Knows one form only: a start line without anything that could be read in two ways, fields without folding, nothing but
//! visible ASCII and spaces, every line ended by CRLF, the empty line at hand. Gives nothing where a head has another form;
//! where it gives a head, [`super::head`] gives the same.

use memchr::memchr;

use crate::exchange::{FieldSpan, Head};

use super::head::{self, RequestHead, ResponseHead, TOKEN};

/// Fields in a head of this form.
const MOST: usize = 48;

/// The version and the space before it, as a request line ends.
const VERSION: &[u8; 9] = b" HTTP/1.1";

/// A request head at the beginning of `bytes`, of at most `limit` bytes, and its length.
pub(super) fn request(bytes: &[u8], limit: usize) -> Option<(RequestHead, usize)> {
    let line_end = memchr(b'\n', bytes)?;
    let line = bytes[..line_end].strip_suffix(b"\r")?;
    let (first, version) = line.split_last_chunk::<9>()?;
    let minor = match version[8] {
        digit @ (b'0' | b'1') if version[..8] == VERSION[..8] => digit - b'0',
        _ => return None,
    };
    let method = first.iter().position(|b| !TOKEN[usize::from(*b)])?;
    let target = method + 1;
    if method == 0 || first[method] != b' ' || target == first.len() || first[target..].contains(&b' ') {
        return None;
    }
    let (head, end) = fields(bytes, line_end + 1, limit)?;
    let mut found = RequestHead {
        head,
        method: (0, place(method)),
        target: (place(target), place(first.len())),
        minor,
        ..RequestHead::default()
    };
    head::note_host(&mut found);
    Some((found, end))
}

/// A response head at the beginning of `bytes`, of at most `limit` bytes, and its length.
pub(super) fn response(bytes: &[u8], limit: usize) -> Option<(ResponseHead, usize)> {
    let start = bytes.first_chunk::<13>()?;
    let digits = [start[9], start[10], start[11]];
    let minor = match start[7] {
        digit @ (b'0' | b'1') if start[..7] == VERSION[1..8] && start[8] == b' ' => digit - b'0',
        _ => return None,
    };
    if start[12] != b' ' || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let line_end = memchr(b'\n', bytes)?;
    if bytes[line_end - 1] != b'\r' {
        return None;
    }
    let (head, end) = fields(bytes, line_end + 1, limit)?;
    let found = ResponseHead {
        head,
        status: digits.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')),
        minor,
        ..ResponseHead::default()
    };
    Some((found, end))
}

/// The field lines from `from` on, up to and with the empty line: the whole head, and where it ends.
#[inline]
fn fields(bytes: &[u8], from: usize, limit: usize) -> Option<(Head, usize)> {
    let mut spans = [FieldSpan::EMPTY; MOST];
    let (mut at, mut count) = (from, 0);
    let end = loop {
        let line = bytes.get(at..)?;
        if let [b'\r', b'\n', ..] = line {
            break at + 2;
        }
        // A line that begins with white space goes on with the one before it, and has no name.
        let colon = name(line);
        if colon == 0 || line.get(colon) != Some(&b':') {
            return None;
        }
        let space = usize::from(line.get(colon + 1) == Some(&b' '));
        let value_at = colon + 1 + space;
        let value_end = value_at + memchr(b'\n', &line[value_at..])?;
        // No space around the value but one in front of it, for what there is else is not of it.
        let value = line[value_at..value_end].strip_suffix(b"\r")?;
        if let [b' ', ..] | [.., b' '] = value {
            return None;
        }
        *spans.get_mut(count)? = FieldSpan {
            name: (place(at), place(at + colon)),
            value: (place(at + value_at), place(at + value_end - 1)),
        };
        count += 1;
        at += value_end + 1;
    };
    let text = bytes.get(..end).filter(|_| end <= limit)?;
    // All that is neither visible nor a space are the two bytes that end each line.
    if unprintable(text) != 2 * (count + 2) {
        return None;
    }
    let text = simdutf8::basic::from_utf8(text).ok()?.to_owned();
    Some((Head::new(text, spans[..count].to_vec()), end))
}

/// The length of the name that a line begins with.
#[inline]
fn name(line: &[u8]) -> usize {
    let is_token = |b: u8| TOKEN[usize::from(b)];
    let mut len = 0;
    // Several at a time while they last.
    while let Some([a, b, c, d]) = line.get(len..).and_then(|rest| rest.first_chunk())
        && is_token(*a) & is_token(*b) & is_token(*c) & is_token(*d)
    {
        len += 4;
    }
    len + line[len..].iter().take_while(|b| is_token(**b)).count()
}

/// Bytes that are neither visible ASCII nor a space.
fn unprintable(text: &[u8]) -> usize {
    // Counted in bytes, which the compiler does for many at once.
    let of_piece = |piece: &[u8]| {
        piece
            .iter()
            .fold(0_u8, |n, b| n + u8::from(!matches!(b, b' '..=b'~')))
    };
    text.chunks(240).map(|piece| usize::from(of_piece(piece))).sum()
}

#[expect(clippy::cast_possible_truncation, reason = "a place in a segment")]
fn place(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines that heads of both forms are made of.
    const PIECES: [&str; 26] = [
        "GET / HTTP/1.1\r\n",
        "POST /a?b=1 HTTP/1.0\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "GET http://u@B.example:80/c HTTP/1.1\r\n",
        "GET /two words HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / HTTP/1.1\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 404 Not Found\r\n",
        "HTTP/1.1 200 \r\n",
        "HTTP/1.1 200\r\n",
        "HTTP/1.1 20 OK\r\n",
        "Host: A.example:80\r\n",
        "host:b\r\n",
        "Host : c\r\n",
        "Empty:\r\n",
        "Blank:   \r\n",
        "X:  two words  \r\n",
        "Tab:\ta\t\r\n",
        " folded\r\n",
        "no field\r\n",
        ": none\r\n",
        "Latin: \u{e9}\r\n",
        "Cr: a\rb\r\n",
        "\r\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn what_is_given_is_what_the_other_reader_gives(
            pieces in prop::collection::vec(0..PIECES.len(), 1..8),
            changed in prop::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut bytes: Vec<u8> = pieces.iter().flat_map(|n| PIECES[*n].bytes()).collect();
            bytes.extend_from_slice(b"\r\nbody\n\n");
            if let Some((at, byte)) = changed {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let whole = head::end_of_head(&bytes, &mut 0);
            if let Some((found, end)) = request(&bytes, usize::MAX) {
                prop_assert_eq!(Some(end), whole);
                prop_assert_eq!(Some(found), head::request(&bytes[..end]));
            }
            if let Some((found, end)) = response(&bytes, usize::MAX) {
                prop_assert_eq!(Some(end), whole);
                prop_assert_eq!(Some(found), head::response(&bytes[..end]));
            }
        }
    }

    #[test]
    fn common_heads_are_of_this_form() {
        let head = b"GET /a HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nX-Empty:\r\n\r\nbody";
        let (found, end) = request(head, 1000).unwrap();
        assert_eq!((found.host.as_str(), end), ("a.example", head.len() - 4));
        assert!(request(head, end).is_some() && request(head, end - 1).is_none());
        let head = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
        assert!(response(head, 1000).is_some_and(|(found, end)| found.status == 204 && end == head.len()));
        for cut in 0..head.len() {
            assert!(response(&head[..cut], 1000).is_none());
        }
        // One line more than is read in this form.
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MOST + 1));
        assert!(request(many.as_bytes(), many.len()).is_none());
    }
}
