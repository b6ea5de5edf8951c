//! Answers cut into documents: server-sent events (WHATWG HTML section 9.2), lines of JSON, messages of Amazon's event stream,
//! or one document. A body that is cut off gives what is there of its last document too.

/// The longest message of an event stream that is believed; Amazon allows 24 MiB.
const MAX_MESSAGE: usize = 24 << 20;

/// Length of an event stream message's prelude: total length, length of headers, and their checksum.
const PRELUDE: usize = 12;

/// How an answer is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One document.
    Document,
    /// Server-sent events.
    Events,
    /// A document a line.
    Lines,
    /// Messages of `application/vnd.amazon.eventstream`.
    Messages,
}

impl Form {
    /// By media type; of a body without one that says it, by how it begins.
    pub(super) fn of(content_type: &str, body: &[u8]) -> Self {
        let kind = content_type.split(';').next().unwrap_or("").trim();
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        match () {
            () if is("text/event-stream") => Self::Events,
            () if is("application/vnd.amazon.eventstream") => Self::Messages,
            () if [
                "application/x-ndjson",
                "application/ndjson",
                "application/jsonl",
                "application/x-jsonlines",
            ]
            .iter()
            .any(|name| is(name)) =>
            {
                Self::Lines
            }
            // Gateways forget the media type.
            () if body.starts_with(b"data:") || body.starts_with(b"event:") => Self::Events,
            () => Self::Document,
        }
    }
}

/// Hands each document of a body to `take`.
pub(super) fn documents(form: Form, body: &[u8], take: &mut dyn FnMut(&[u8])) {
    match form {
        Form::Document => take(body),
        Form::Lines => lines(body).filter(|line| !line.is_empty()).for_each(take),
        Form::Events => events(body, take),
        Form::Messages => messages(body, take),
    }
}

/// Lines that end in LF, CR or both.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|b| matches!(b, b'\n' | b'\r'))
}

fn events(body: &[u8], take: &mut dyn FnMut(&[u8])) {
    // Most events have one line of data, which needs no copy.
    let mut first: &[u8] = b"";
    let mut joined: Vec<u8> = Vec::new();
    let mut count = 0;
    // Lines that end in CR alone are allowed, and no provider sends them.
    for line in body
        .split(|b| *b == b'\n')
        .map(|l| l.strip_suffix(b"\r").unwrap_or(l))
    {
        if line.is_empty() {
            emit(count, first, &joined, take);
            (first, count) = (b"", 0);
            joined.clear();
        } else if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            match count {
                0 => first = data,
                1 => {
                    joined.extend_from_slice(first);
                    joined.push(b'\n');
                    joined.extend_from_slice(data);
                }
                _ => {
                    joined.push(b'\n');
                    joined.extend_from_slice(data);
                }
            }
            count += 1;
        }
    }
    emit(count, first, &joined, take);
}

fn emit(lines: u32, first: &[u8], joined: &[u8], take: &mut dyn FnMut(&[u8])) {
    match lines {
        0 => {}
        1 => take(first),
        _ => take(joined),
    }
}

fn messages(mut body: &[u8], take: &mut dyn FnMut(&[u8])) {
    while let Some(prelude) = body.get(..PRELUDE) {
        let number = |at: usize| {
            let bytes: [u8; 4] = prelude[at..at + 4].try_into().unwrap_or_default();
            u32::from_be_bytes(bytes)
        };
        let (total, headers) = (number(0) as usize, number(4) as usize);
        // Behind bytes that are no message, the next one cannot be told.
        if total > MAX_MESSAGE
            || total < PRELUDE + 4 + headers.min(MAX_MESSAGE)
            || crc32(&prelude[..8]) != number(8)
        {
            return;
        }
        let end = (total - 4).min(body.len());
        if let Some(payload) = body.get(PRELUDE + headers..end) {
            take(payload);
        }
        body = body.get(total..).unwrap_or(b"");
    }
}

/// CRC-32 of ISO 3309, bit by bit: it is asked for eight bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn of(form: Form, body: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        documents(form, body, &mut |d| {
            all.push(String::from_utf8_lossy(d).into_owned())
        });
        all
    }

    /// A message of an event stream with one header.
    pub(in crate::llm) fn message(payload: &[u8]) -> Vec<u8> {
        let headers = b"\x0b:event-type\x07\x00\x05chunk";
        let total = (PRELUDE + headers.len() + payload.len() + 4) as u32;
        let mut out = total.to_be_bytes().to_vec();
        out.extend((headers.len() as u32).to_be_bytes());
        out.extend(crc32(&out).to_be_bytes());
        out.extend(headers);
        out.extend(payload);
        out.extend(crc32(&out).to_be_bytes());
        out
    }

    #[test]
    fn bodies_are_cut_into_documents() {
        // The check value of CRC-32.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let events =
            b"event: a\r\ndata: {\"a\":1}\r\n\r\n: note\ndata:{\ndata: }\n\ndata: [DONE]\n\ndata: {\"cut";
        assert_eq!(
            of(Form::Events, events),
            ["{\"a\":1}", "{\n}", "[DONE]", "{\"cut"]
        );
        assert_eq!(
            of(Form::Lines, b"{\"a\":1}\n{\"b\":2}\r\n\n{\"c"),
            ["{\"a\":1}", "{\"b\":2}", "{\"c"]
        );
        let mut stream = message(b"{\"a\":1}");
        stream.extend(message(b"{}"));
        assert_eq!(of(Form::Messages, &stream), ["{\"a\":1}", "{}"]);
        assert_eq!(
            of(Form::Messages, &stream[..stream.len() - 5]),
            ["{\"a\":1}", "{"]
        );
        stream[9] ^= 1;
        assert_eq!(of(Form::Messages, &stream), Vec::<String>::new());
        assert_eq!(of(Form::Messages, &[0xff; 64]), Vec::<String>::new());
    }

    #[test]
    fn the_form_is_told_by_the_media_type_or_the_beginning() {
        assert_eq!(Form::of("text/event-stream; charset=utf-8", b""), Form::Events);
        assert_eq!(Form::of("application/x-ndjson", b"{}"), Form::Lines);
        assert_eq!(
            Form::of("application/vnd.amazon.eventstream", b""),
            Form::Messages
        );
        assert_eq!(Form::of("application/json", b"{}"), Form::Document);
        assert_eq!(Form::of("text/plain", b"data: {}"), Form::Events);
    }
}
