//! Messages of JSON-RPC 2.0 in a body: requests, notifications, responses, batches; one a body or one an event of a stream.
//!
//! A message is read where it lies: a [`Value`] is a piece of the text, its end found by one walk that counts brackets and steps
//! over strings. Nothing is built, nesting costs a counter, and a body that is cut off gives what was there before the cut. What
//! the messages mean is for others to know.

use std::borrow::Cow;

use reassembly::Message as Half;

/// Messages read of one body; a batch may have more, which are not told apart.
pub(crate) const MESSAGES: usize = 256;

/// Events of a stream that are looked at.
const EVENTS: usize = 1024;

/// A value in a text of JSON: its bytes, and whether its end was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) whole: bool,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trimmed(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|b| is_space(**b)).count();
    &text[spaces..]
}

/// The length of the string that `text` begins with, and whether it ends.
fn string_len(text: &[u8]) -> (usize, bool) {
    let mut at = 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        let stop = at + found;
        if text[stop] == b'"' {
            return (stop + 1, true);
        }
        at = stop + 2;
    }
    (text.len(), false)
}

impl<'a> Value<'a> {
    /// The value that `text` begins with, and what is behind it.
    pub(crate) fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let text = trimmed(text);
        let (len, whole) = match *text.first()? {
            b'"' => string_len(text),
            b'{' | b'[' => {
                let (mut at, mut depth) = (0, 0_usize);
                loop {
                    match text.get(at) {
                        None => break (text.len(), false),
                        Some(b'"') => {
                            at += string_len(&text[at..]).0;
                            continue;
                        }
                        Some(b'{' | b'[') => depth += 1,
                        Some(b'}' | b']') => depth -= 1,
                        Some(_) => {}
                    }
                    at += 1;
                    if depth == 0 {
                        break (at, true);
                    }
                }
            }
            b',' | b':' | b'}' | b']' => return None,
            _ => {
                let ends =
                    |b: &u8| is_space(*b) || matches!(b, b',' | b':' | b'}' | b']' | b'"' | b'{' | b'[');
                let len = text.iter().position(ends).unwrap_or(text.len());
                // Only what follows shows that a number or a word is all there.
                (len, len < text.len())
            }
        };
        let (bytes, rest) = text.split_at(len);
        Some((Self { bytes, whole }, rest))
    }

    /// What it is, in the words of JSON Schema.
    pub(crate) fn kind(self) -> &'static str {
        match self.bytes.first() {
            Some(b'"') => "string",
            Some(b'{') => "object",
            Some(b'[') => "array",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            _ => "number",
        }
    }

    /// The characters of a string, as far as they are there.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.bytes.strip_prefix(b"\"")?;
        let inner = match self.whole {
            true => inner.strip_suffix(b"\"")?,
            false => inner,
        };
        if memchr::memchr(b'\\', inner).is_none() {
            return Some(String::from_utf8_lossy(inner));
        }
        Some(Cow::Owned(unescaped(&String::from_utf8_lossy(inner))))
    }

    pub(crate) fn is_true(self) -> bool {
        self.bytes == b"true"
    }

    /// The members of an object in the order of the text; of another value none.
    pub(crate) fn members(self) -> Members<'a> {
        Members {
            rest: self.bytes.strip_prefix(b"{").unwrap_or(b""),
        }
    }

    /// The elements of a list; of another value none.
    pub(crate) fn elements(self) -> Elements<'a> {
        Elements {
            rest: self.bytes.strip_prefix(b"[").unwrap_or(b""),
        }
    }

    /// The first member of this name.
    pub(crate) fn get(self, name: &str) -> Option<Value<'a>> {
        self.members()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The text of the first member of this name.
    pub(crate) fn get_text(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text()
    }
}

/// Takes the escapes out of a string (RFC 8259 section 7). What is none stays.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut chars = rest.chars();
        let Some(sign) = chars.next() else { break };
        rest = chars.as_str();
        match sign {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => {
                let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
                let Some(first) = unit(rest) else {
                    out.push(char::REPLACEMENT_CHARACTER);
                    continue;
                };
                rest = &rest[4..];
                let low = rest
                    .strip_prefix("\\u")
                    .and_then(unit)
                    .filter(|low| (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(low));
                let code = match low {
                    Some(low) => {
                        rest = &rest[6..];
                        0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00)
                    }
                    None => first,
                };
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => out.push(other),
        }
    }
    out.push_str(rest);
    out
}

/// Members of an object.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = trimmed(self.rest);
        let text = trimmed(text.strip_prefix(b",").unwrap_or(text));
        self.rest = b"";
        if text.first() != Some(&b'"') {
            return None;
        }
        let (key, behind) = Value::read(text)?;
        if !key.whole {
            return None;
        }
        let (value, rest) = Value::read(trimmed(behind).strip_prefix(b":")?)?;
        self.rest = rest;
        Some((key.text()?, value))
    }
}

/// Elements of a list.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let text = trimmed(self.rest);
        let text = text.strip_prefix(b",").unwrap_or(text);
        self.rest = b"";
        let (value, rest) = Value::read(text)?;
        self.rest = rest;
        Some(value)
    }
}

/// One message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// It says that it is JSON-RPC 2.0.
    pub(crate) marked: bool,
    /// The last of its methods, which is what most readers take.
    pub(crate) method: Option<Value<'a>>,
    /// It names more than one method, or has its parameters twice: readers differ in which they take.
    pub(crate) doubled: bool,
    pub(crate) id: Option<Value<'a>>,
    pub(crate) params: Option<Value<'a>>,
    pub(crate) result: Option<Value<'a>>,
    pub(crate) error: Option<Value<'a>>,
    /// All of it was there.
    pub(crate) whole: bool,
}

impl<'a> Message<'a> {
    fn of(object: Value<'a>) -> Self {
        let mut message = Self {
            whole: object.whole,
            ..Self::default()
        };
        for (key, value) in object.members() {
            let doubled = &mut message.doubled;
            let mut put = |place: &mut Option<Value<'a>>| {
                *doubled |= place.is_some_and(|before| before.bytes != value.bytes);
                *place = Some(value);
            };
            match key.as_ref() {
                "jsonrpc" => message.marked |= value.bytes == b"\"2.0\"",
                "method" => put(&mut message.method),
                "params" => put(&mut message.params),
                "id" => message.id = Some(value),
                "result" => message.result = Some(value),
                "error" => message.error = Some(value),
                _ => {}
            }
        }
        message
    }

    /// Whether it is one: by its mark, or, where the mark may have been behind the cut, by its form.
    fn is_one(&self) -> bool {
        let formed = self.method.is_some_and(|m| m.kind() == "string" && m.whole)
            || self.id.is_some() && (self.result.is_some() || self.error.is_some());
        formed && (self.marked || !self.whole)
    }

    /// The method of a request or a notification.
    pub(crate) fn method_name(&self) -> Option<Cow<'a, str>> {
        self.method.filter(|m| m.whole)?.text()
    }

    /// What stands in `_meta` of the parameters or of the result under this name of the protocol.
    pub(crate) fn meta(&self, name: &str) -> Option<Value<'a>> {
        let meta = self.params.or(self.result)?.get("_meta")?;
        meta.members()
            .find(|(key, _)| key.strip_prefix("io.modelcontextprotocol/") == Some(name))
            .map(|(_, value)| value)
    }
}

/// The messages of a text, and whether they came as a batch.
pub(crate) fn read(text: &[u8]) -> (Vec<Message<'_>>, bool) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let Some((value, _)) = Value::read(text) else {
        return (Vec::new(), false);
    };
    match value.kind() {
        "object" => {
            let message = Message::of(value);
            (message.is_one().then_some(message).into_iter().collect(), false)
        }
        "array" => {
            let objects = value.elements().filter(|v| v.kind() == "object");
            let all = objects.map(Message::of).filter(Message::is_one);
            (all.take(MESSAGES).collect(), true)
        }
        _ => (Vec::new(), false),
    }
}

/// Whether a message is a stream of events.
pub(crate) fn is_stream(half: &Half) -> bool {
    let kind = half.field("content-type").unwrap_or("").as_bytes();
    let start = kind.get(..b"text/event-stream".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
}

/// The name of an event, and its data.
pub(crate) type Text<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The texts of a response in which messages may be: its body, or the data of each of its events with the event's name.
pub(crate) fn texts(half: &Half) -> Vec<Text<'_>> {
    if !is_stream(half) {
        return vec![(Cow::Borrowed(b"".as_slice()), Cow::Borrowed(half.body.as_slice()))];
    }
    let mut all = Vec::new();
    let (mut name, mut data): (&[u8], Option<Cow<'_, [u8]>>) = (b"", None);
    let body = half.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&half.body);
    let mut rest = body;
    while !rest.is_empty() && all.len() < EVENTS {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        let behind = &rest[end..];
        rest = behind
            .strip_prefix(b"\r\n")
            .unwrap_or_else(|| behind.get(1..).unwrap_or(b""));
        let value = |text: &'_ [u8]| text.strip_prefix(b" ").map_or(0, |_| 1);
        if line.is_empty() {
            if let Some(data) = data.take() {
                all.push((Cow::Borrowed(name), data));
            }
            name = b"";
        } else if let Some(text) = line.strip_prefix(b"data:") {
            let text = &text[value(text)..];
            data = Some(match data {
                None => Cow::Borrowed(text),
                Some(before) => {
                    let mut joined = before.into_owned();
                    joined.push(b'\n');
                    joined.extend_from_slice(text);
                    Cow::Owned(joined)
                }
            });
        } else if let Some(text) = line.strip_prefix(b"event:") {
            name = &text[value(text)..];
        }
    }
    // An event that is cut off still tells what it has.
    if let Some(data) = data {
        all.push((Cow::Borrowed(name), data));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let (all, _) = read(text.as_bytes());
        all.iter()
            .filter_map(|m| m.method_name())
            .map(Cow::into_owned)
            .collect()
    }

    #[test]
    fn messages_are_read_whatever_their_order_and_escapes() {
        let text = r#" {"params":{"name":"a","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"c"}}},"id":7,"m\u0065thod":"tools\/call","jsonrpc":"2.0"}"#;
        let (all, batch) = read(text.as_bytes());
        assert!(!batch && all.len() == 1 && all[0].whole && !all[0].doubled);
        assert_eq!(all[0].method_name().as_deref(), Some("tools/call"));
        assert_eq!(all[0].id.map(|id| id.bytes), Some(b"7".as_slice()));
        let client = all[0].meta("clientInfo").and_then(|c| c.get_text("name"));
        assert_eq!(client.as_deref(), Some("c"));
        assert_eq!(
            names(r#"[{"jsonrpc":"2.0","method":"a"},3,{"jsonrpc":"2.0","id":1,"method":"b"}]"#),
            ["a", "b"]
        );
        for other in [
            "",
            "7",
            "[",
            "{",
            r#"{"method":"a"}"#,
            r#"{"jsonrpc":"2.0","method":7}"#,
            "]",
        ] {
            assert_eq!(names(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn a_method_named_twice_is_seen() {
        let twice = br#"{"jsonrpc":"2.0","method":"tools/list","method":"tools/call"}"#;
        let (all, _) = read(twice);
        assert!(all[0].doubled && all[0].method_name().as_deref() == Some("tools/call"));
        let same = br#"{"jsonrpc":"2.0","method":"a","method":"a"}"#;
        assert!(!read(same).0[0].doubled);
    }

    #[test]
    fn wherever_a_body_is_cut_what_is_left_is_what_was_there() {
        let text = r#"{"method":"tools/call","params":{"name":"s\"e","arguments":{"q":[1,{"z":"]}"}]}},"id":"x","jsonrpc":"2.0"}"#;
        let (whole, _) = read(text.as_bytes());
        for cut in 0..text.len() {
            let (part, _) = read(&text.as_bytes()[..cut]);
            let Some(part) = part.first() else {
                assert!(cut < text.find(",\"params").unwrap(), "lost at {cut}");
                continue;
            };
            assert!(!part.whole);
            assert_eq!(part.method_name(), whole[0].method_name());
            if let Some(params) = part.params {
                assert!(whole[0].params.unwrap().bytes.starts_with(params.bytes));
                assert_eq!(params.whole, params.bytes == whole[0].params.unwrap().bytes);
            }
        }
    }

    #[test]
    fn no_text_is_too_deep_or_too_long() {
        for text in [
            "[".repeat(200_000),
            "{\"a\":".repeat(50_000),
            "[{},".repeat(50_000),
        ] {
            assert!(read(text.as_bytes()).0.is_empty());
        }
        let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","method":"a"}"#; 1000].join(","));
        assert_eq!(read(many.as_bytes()).0.len(), MESSAGES);
    }

    #[test]
    fn strings_lose_their_escapes() {
        for (text, want) in [
            (r#""a\n\u00e9\/\\""#, "a\né/\\"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\uzz""#, "\u{fffd}zz"),
            (r#""abc"#, "abc"),
            (r#""abc\"#, "abc"),
        ] {
            let (value, _) = Value::read(text.as_bytes()).unwrap();
            assert_eq!(value.text().as_deref(), Some(want), "{text}");
        }
    }
}
