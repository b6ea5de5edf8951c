//! A scanner over JSON text that hands out scalars with the keys above them.
//!
//! It builds nothing, allocates nothing, and goes on through text that is cut off or not quite JSON: what
//! it finds is evidence, not a document.

/// Levels whose keys are remembered; deeper ones are passed over.
const LEVELS: usize = 16;

#[derive(Debug, Clone, Copy, Default)]
struct Level<'a> {
    object: bool,
    key: &'a [u8],
    awaits_key: bool,
}

/// A string (as written, escapes included) or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Text(&'a [u8]),
    Number(&'a [u8]),
}

/// Walks the scalars of a text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    levels: [Level<'a>; LEVELS],
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            levels: [Level::default(); LEVELS],
            depth: 0,
        }
    }

    /// Whether the last scalar lies at exactly these keys; arrays between them are not counted.
    pub(crate) fn is_at(&self, path: &[&str]) -> bool {
        let mut left = path.iter();
        for level in self.open().iter().filter(|l| l.object) {
            if left.next().is_none_or(|want| want.as_bytes() != level.key) {
                return false;
            }
        }
        left.next().is_none()
    }

    /// Whether the last scalar lies below these keys.
    pub(crate) fn is_below(&self, path: &[&str]) -> bool {
        let mut keys = self.open().iter().filter(|l| l.object).map(|l| l.key);
        path.iter().all(|want| keys.next() == Some(want.as_bytes())) && keys.next().is_some()
    }

    /// The nearest key above the last scalar.
    pub(crate) fn key(&self) -> &'a [u8] {
        self.open().iter().rev().find(|l| l.object).map_or(b"", |l| l.key)
    }

    fn open(&self) -> &[Level<'a>] {
        &self.levels[..self.depth.min(LEVELS)]
    }

    fn level(&mut self) -> Option<&mut Level<'a>> {
        let depth = self.depth;
        (1..=LEVELS).contains(&depth).then(|| &mut self.levels[depth - 1])
    }

    fn push(&mut self, object: bool) {
        self.depth += 1;
        if let Some(level) = self.level() {
            *level = Level {
                object,
                key: b"",
                awaits_key: object,
            };
        }
    }

    /// The string that begins after `self.at`, which is left behind its closing quote.
    fn string(&mut self) -> &'a [u8] {
        let start = self.at + 1;
        let mut from = start;
        while let Some(found) = self
            .bytes
            .get(from..)
            .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        {
            let stop = from + found;
            if self.bytes[stop] == b'"' {
                self.at = stop + 1;
                return &self.bytes[start..stop];
            }
            from = stop + 2;
        }
        self.at = self.bytes.len();
        self.bytes.get(start..).unwrap_or(b"")
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Scalar<'a>;

    fn next(&mut self) -> Option<Scalar<'a>> {
        loop {
            match *self.bytes.get(self.at)? {
                b'{' => self.push(true),
                b'[' => self.push(false),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b',' => {
                    if let Some(level) = self.level() {
                        level.awaits_key = level.object;
                    }
                }
                b'"' => {
                    let text = self.string();
                    match self.level() {
                        Some(level) if level.awaits_key => {
                            level.key = text;
                            level.awaits_key = false;
                        }
                        _ => return Some(Scalar::Text(text)),
                    }
                    continue;
                }
                b'0'..=b'9' | b'-' => {
                    let start = self.at;
                    let more = |b: &u8| b.is_ascii_digit() || b".eE+-".contains(b);
                    self.at += 1 + self.bytes[start + 1..].iter().take_while(|b| more(b)).count();
                    return Some(Scalar::Number(&self.bytes[start..self.at]));
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_come_with_their_keys() {
        let text = br#"{"a":{"b":["x\"y",-1.5e3]},"c":"z", "d":{}, "e":7"#;
        let mut scanner = Scanner::new(text);
        assert_eq!(scanner.next(), Some(Scalar::Text(br#"x\"y"#)));
        assert!(scanner.is_at(&["a", "b"]) && scanner.is_below(&["a"]));
        assert_eq!(scanner.next(), Some(Scalar::Number(b"-1.5e3")));
        assert_eq!(scanner.next(), Some(Scalar::Text(b"z")));
        assert!(scanner.is_at(&["c"]) && !scanner.is_at(&["a"]));
        assert_eq!(
            (scanner.next(), scanner.key()),
            (Some(Scalar::Number(b"7")), b"e".as_slice())
        );
        assert_eq!(scanner.next(), None);
    }

    #[test]
    fn no_input_stops_it_from_ending() {
        for text in [
            "",
            "\"",
            "\"\\",
            "{{{{",
            "]]]]",
            "[\"a\" \"b\"",
            &"[".repeat(1000),
            &"{\"a\":".repeat(100),
        ] {
            assert!(
                Scanner::new(text.as_bytes()).count() <= text.len() / 4 + 1,
                "{text}"
            );
        }
    }
}
