//! JSON text to a [`Document`] (RFC 8259).
//!
//! Not serde_json, because a mistake must not cost the rest of the document and every value must know its line. What
//! RFC 8259 does not allow but people write (comments, a comma too many or too few, quotes left out) is reported and
//! read as it is meant; what is cut off keeps all that came before. One pass, no recursion, every step uses up a
//! character or closes what is open. No message quotes the text: in a damaged archive it could be a secret.

use std::borrow::Cow;

use super::Limits;
use super::document::{Builder, Document, Is, Scalar};
use super::problem::{Location, Problems};

/// Reads a text. The second answer tells whether it was JSON without a mistake of grammar.
pub(crate) fn read(text: Cow<'_, str>, limits: &Limits, problems: &mut Problems) -> (Document, bool) {
    let text: &str = &text;
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        counted: 0,
        column: 1,
        builder: Builder::new(text.to_owned(), limits),
        skipped: Vec::new(),
        problems,
        clean: true,
    };
    reader.run();
    let Reader {
        builder,
        clean,
        problems,
        ..
    } = reader;
    (builder.finish(problems), clean)
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value, or the end of an empty list.
    Value,
    /// A key, or the end of an object.
    Key,
    Colon,
    /// A comma or the end of what is open.
    Comma,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    /// Offset up to which columns have been counted, and the column there.
    counted: usize,
    column: u32,
    builder: Builder,
    /// Kinds of the brackets that the builder passes over, for which it keeps no frame.
    skipped: Vec<bool>,
    problems: &'a mut Problems,
    clean: bool,
}

impl<'a> Reader<'a> {
    fn run(&mut self) {
        let mut expect = Expect::Value;
        while !self.builder.is_full() {
            self.space();
            let Some(byte) = self.peek() else {
                return self.end(expect);
            };
            expect = match (expect, byte) {
                (Expect::Comma, _) if self.inside().is_none() => {
                    return self.wrong(|| "text behind the end of the document; it is left out".to_owned());
                }
                (Expect::Comma, b',') => {
                    self.at += 1;
                    self.after_comma()
                }
                (_, b'}' | b']') => self.closing(byte, expect),
                (Expect::Comma, _) => {
                    self.wrong(|| "a comma is missing before this".to_owned());
                    self.next_child()
                }
                (Expect::Key, b'"') => {
                    let at = self.here();
                    let key = self.string();
                    self.builder.key(key, at, false);
                    Expect::Colon
                }
                (Expect::Key | Expect::Value, b',') => {
                    self.wrong(|| "a comma with nothing before it; remove one".to_owned());
                    self.at += 1;
                    self.after_comma()
                }
                (Expect::Key, b'{' | b'[' | b':') => {
                    let found = char::from(byte);
                    self.wrong(|| format!("a key in double quotes must stand here, not `{found}`"));
                    let at = self.here();
                    self.builder.void_key(at);
                    if byte == b':' {
                        Expect::Colon
                    } else {
                        Expect::Value
                    }
                }
                (Expect::Key, _) => {
                    let at = self.here();
                    let word = self.bare();
                    let word = word.trim_matches('\'');
                    self.wrong_at(at, || "the key must stand in double quotes".to_owned());
                    let key = self.builder.own(word);
                    self.builder.key(key, at, false);
                    Expect::Colon
                }
                (Expect::Colon, b':') => {
                    self.at += 1;
                    Expect::Value
                }
                (Expect::Colon, b',') => {
                    self.wrong(|| "the key has no value; write `: ` and a value behind it".to_owned());
                    Expect::Comma
                }
                (Expect::Colon, _) => {
                    self.wrong(|| "a colon is missing between key and value".to_owned());
                    Expect::Value
                }
                (Expect::Value, _) => self.value(byte),
            };
        }
    }

    fn inside(&self) -> Option<Is> {
        match self.skipped.last() {
            Some(true) => Some(Is::Map),
            Some(false) => Some(Is::List),
            None => self.builder.inside(),
        }
    }

    fn next_child(&self) -> Expect {
        match self.inside() {
            Some(Is::Map) => Expect::Key,
            _ => Expect::Value,
        }
    }

    fn after_comma(&mut self) -> Expect {
        let comma = self.here();
        self.space();
        if matches!(self.peek(), Some(b'}' | b']')) {
            self.wrong_at(comma, || {
                "a comma before the closing bracket; remove it".to_owned()
            });
        }
        self.next_child()
    }

    fn value(&mut self, byte: u8) -> Expect {
        let at = self.here();
        match byte {
            b'{' | b'[' => {
                self.at += 1;
                let is_map = byte == b'{';
                self.builder.open(is_map, at, self.problems);
                if self.builder.skips() {
                    self.skipped.push(is_map);
                }
                return self.next_child();
            }
            b'"' => {
                let text = self.string();
                self.builder.scalar(Scalar::Text(text), at, self.problems);
            }
            _ => {
                let start = self.at;
                let word = self.bare();
                let span = self.builder.span(start..start + word.len());
                let scalar = match word {
                    "true" => Scalar::Bool(true),
                    "false" => Scalar::Bool(false),
                    "null" => Scalar::Null,
                    _ if is_number(word) => Scalar::Number(span),
                    _ => {
                        self.wrong_at(at, || match word.as_bytes()[0] {
                            b'-' | b'+' | b'.' | b'0'..=b'9' => "no number as JSON writes them".to_owned(),
                            _ => "neither a value nor a string in double quotes".to_owned(),
                        });
                        let word = word.trim_matches('\'');
                        Scalar::Text(self.builder.own(word))
                    }
                };
                self.builder.scalar(scalar, at, self.problems);
            }
        }
        Expect::Comma
    }

    /// A closing bracket, of the right kind or not.
    fn closing(&mut self, byte: u8, expect: Expect) -> Expect {
        let kind = if byte == b'}' { Is::Map } else { Is::List };
        let found = char::from(byte);
        match self.inside() {
            None => {
                self.wrong(|| format!("`{found}` closes nothing; remove it"));
                self.at += 1;
                return if self.builder.has_root() {
                    Expect::Comma
                } else {
                    Expect::Value
                };
            }
            Some(inside) if inside != kind => {
                let open = self.builder.inside_at().unwrap_or_default().line;
                let right = if byte == b'}' { ']' } else { '}' };
                self.wrong(|| {
                    format!("`{found}` does not close what was opened on line {open}; write `{right}` first")
                });
                // Where one of its kind is open further out, what is inside was left open; else it is one too many.
                if !self.builder.has_outer(kind) && self.skipped.is_empty() {
                    self.at += 1;
                    return Expect::Comma;
                }
                self.close();
                return Expect::Comma;
            }
            Some(Is::Map) if expect == Expect::Colon || expect == Expect::Value => {
                self.wrong(|| {
                    format!("the key before `{found}` has no value; write `: ` and a value behind it")
                });
            }
            Some(_) => {}
        }
        self.at += 1;
        self.close();
        Expect::Comma
    }

    fn close(&mut self) {
        self.skipped.pop();
        self.builder.close(self.problems);
    }

    fn end(&mut self, expect: Expect) {
        if self.builder.depth() > 0 {
            let open = self.builder.inside_at().unwrap_or_default();
            let kind = self
                .inside()
                .map_or("document", |i| if i == Is::Map { "object" } else { "list" });
            let (line, column) = (open.line, open.column);
            self.wrong(|| {
                format!("the document ends within the {kind} opened at {line}:{column}; it is cut off")
            });
        } else if expect == Expect::Value && !self.builder.has_root() {
            self.wrong(|| "the document is empty".to_owned());
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes past white space and, with a word about it, comments.
    fn space(&mut self) {
        loop {
            match self.peek() {
                Some(b'\n') => {
                    self.at += 1;
                    self.new_line();
                }
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'/') => {
                    let rest = &self.text.as_bytes()[self.at..];
                    let len = match rest.get(1) {
                        Some(b'/') => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
                        Some(b'*') => memchr::memmem::find(&rest[2..], b"*/").map_or(rest.len(), |at| at + 4),
                        _ => return,
                    };
                    self.wrong(|| "JSON has no comments; remove it".to_owned());
                    let behind = self.at + len;
                    for newline in memchr::memchr_iter(b'\n', &rest[..len]) {
                        self.at = behind - len + newline + 1;
                        self.new_line();
                    }
                    self.at = behind;
                }
                _ => return,
            }
        }
    }

    fn new_line(&mut self) {
        self.line = self.line.saturating_add(1);
        self.counted = self.at;
        self.column = 1;
    }

    /// The place of the next character. Columns are counted from the last place asked for, so that a document in one
    /// line takes no longer than one in many.
    fn here(&mut self) -> Location {
        let between = self.text.get(self.counted..self.at).unwrap_or("");
        self.column = self.column.saturating_add(between.chars().count() as u32);
        self.counted = self.at;
        Location {
            line: self.line,
            column: self.column,
        }
    }

    fn wrong(&mut self, message: impl FnOnce() -> String) {
        let at = self.here();
        self.wrong_at(at, message);
    }

    fn wrong_at(&mut self, at: Location, message: impl FnOnce() -> String) {
        self.clean = false;
        let builder = &self.builder;
        self.problems.push(at, || builder.pointer(), message);
    }

    /// What stands here without quotes: up to a sign of the grammar, at least one character.
    fn bare(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| matches!(c, ',' | ':' | '{' | '}' | '[' | ']' | '"' | '/') || c.is_whitespace())
            .map_or(rest.len(), |(at, _)| at);
        self.at += end;
        &rest[..end]
    }

    /// A string in double quotes. One that is not closed on its line ends with it: the quote is missing far more often
    /// than a line break was meant, and the rest of the document is worth more.
    fn string(&mut self) -> super::document::Span {
        let start = self.at + 1;
        let begin = self.here();
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut plain = true;
        let mut control = false;
        let closed = loop {
            match bytes.get(at) {
                Some(b'"') => break true,
                Some(b'\\') => {
                    plain = false;
                    at += 1 + usize::from(bytes.get(at + 1).is_some_and(|b| *b != b'\n'));
                }
                Some(b'\n') | None => break false,
                Some(byte) => {
                    control |= *byte < 0x20;
                    at += 1;
                }
            }
        };
        let raw = self.text.get(start..at).unwrap_or("");
        // `"title": "Things, "version": …`: the quote that closes this one opens the next key.
        let word = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
        let stolen = closed && bytes.get(at + 1).is_some_and(word) && raw.trim_end().ends_with(',');
        let closed = closed && !stolen;
        if !closed {
            self.wrong_at(begin, || {
                "the string is not closed with a double quote on its line".to_owned()
            });
        } else if control {
            self.wrong_at(begin, || {
                "a control character in a string; write it as \\u and four digits".to_owned()
            });
        }
        let raw = if closed {
            raw
        } else {
            raw.trim_end_matches([',', '\r', ' '])
        };
        if stolen {
            at = start + raw.len();
        }
        self.at = at + usize::from(closed);
        if plain {
            return self.builder.span(start..start + raw.len());
        }
        let (text, wrong) = unescape(raw);
        if wrong {
            self.wrong_at(begin, || {
                "a backslash that begins no escape of JSON; write two of them".to_owned()
            });
        }
        self.builder.own(&text)
    }
}

/// The text of a string, and whether an escape in it was none.
fn unescape(raw: &str) -> (String, bool) {
    let mut out = String::with_capacity(raw.len());
    let mut wrong = false;
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        let escaped = chars.next();
        rest = chars.as_str();
        match escaped {
            Some(c @ ('"' | '\\' | '/')) => out.push(c),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => match unit(rest) {
                Some(high @ 0xd800..0xdc00) => {
                    rest = &rest[4..];
                    match rest.strip_prefix("\\u").and_then(unit) {
                        Some(low @ 0xdc00..0xe000) => {
                            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                            out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                            rest = &rest[6..];
                        }
                        _ => out.push(char::REPLACEMENT_CHARACTER),
                    }
                }
                Some(code) => {
                    out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    rest = &rest[4..];
                }
                None => wrong = true,
            },
            Some(c) => {
                wrong = true;
                out.push(c);
            }
            None => wrong = true,
        }
    }
    out.push_str(rest);
    (out, wrong)
}

fn unit(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether a word is a number (RFC 8259 section 6).
pub(crate) fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let rest = word.strip_prefix('-').unwrap_or(word);
    let (rest, exponent) = match rest.split_once(['e', 'E']) {
        Some((rest, exponent)) => (rest, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}
