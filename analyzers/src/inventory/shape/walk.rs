//! The grammar of JSON, from sign to sign: what a text holds goes to a [`Visitor`], and nothing is built.

use super::tokens::Tokens;

/// Levels of brackets that are looked into; what lies deeper is passed over.
pub(super) const DEPTH: usize = 24;

/// Elements of one array that are looked at. Lists hold the like, and what they hold besides is met in other bodies.
pub(super) const ELEMENTS: u32 = 6;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Object,
    Array,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::String,
        Self::Object,
        Self::Array,
    ];

    /// Its bit in a set of kinds.
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Who takes what a text holds, in its order.
pub(super) trait Visitor {
    /// The key of the value that follows, as written.
    fn key(&mut self, raw: &[u8]);
    /// A value that is no object and no array: of a string what stands between its quotes, of anything else its text. A
    /// string that was cut off has no text.
    fn scalar(&mut self, kind: Kind, text: Option<&[u8]>);
    /// A file of a form.
    fn file(&mut self) {
        self.scalar(Kind::String, None);
    }
    /// An object or array begins.
    fn open(&mut self, kind: Kind);
    /// It ends, with so many elements; of an object none are counted.
    fn close(&mut self, kind: Kind, elements: u32);
}

/// How a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Whole,
    /// In the middle of a value.
    Cut,
    /// It is not JSON.
    Broken,
}

/// Walks one value and expects nothing behind it. Numbers and words that touch the end of a text that goes on elsewhere are not
/// told: `whole` is false then.
pub(super) fn walk<V: Visitor>(body: &[u8], whole: bool, visitor: &mut V) -> End {
    let mut walk = Walk {
        body,
        tokens: Tokens::new(body),
        objects: 0,
        depth: 0,
        counts: [0; DEPTH],
    };
    walk.run(whole, visitor)
}

struct Walk<'a> {
    body: &'a [u8],
    tokens: Tokens<'a>,
    /// A bit per open level, the lowest for the innermost: it is an object.
    objects: u64,
    depth: usize,
    counts: [u32; DEPTH],
}

/// What a step led to.
enum Step {
    /// A value is expected from here on.
    Value(usize),
    /// A key is expected from here on; with `true` the object may end instead.
    Key(usize, bool),
    /// A value ended here.
    After(usize),
    /// A value ended before this sign.
    Sign(usize),
    End(End),
}

impl Walk<'_> {
    fn run<V: Visitor>(&mut self, whole: bool, visitor: &mut V) -> End {
        let mut step = Step::Value(0);
        loop {
            step = match step {
                Step::Value(from) => self.value(from, whole, visitor),
                Step::Key(from, first) => self.key(from, first, visitor),
                Step::After(from) => match self.tokens.next() {
                    Some(at) if is_blank(&self.body[from..at]) => self.sign(at, visitor),
                    Some(_) => Step::End(End::Broken),
                    None => Step::End(match self.depth {
                        0 if is_blank(&self.body[from..]) => End::Whole,
                        0 => End::Broken,
                        _ => End::Cut,
                    }),
                },
                Step::Sign(at) => self.sign(at, visitor),
                Step::End(end) => return end,
            };
        }
    }

    #[inline]
    fn value<V: Visitor>(&mut self, from: usize, whole: bool, visitor: &mut V) -> Step {
        let Some(at) = self.tokens.next() else {
            return Step::End(self.last(from, whole, visitor));
        };
        match self.body[at] {
            b'"' => {
                if !is_blank(&self.body[from..at]) {
                    return Step::End(End::Broken);
                }
                let Some(end) = self.tokens.next() else {
                    visitor.scalar(Kind::String, None);
                    return Step::End(End::Cut);
                };
                visitor.scalar(Kind::String, Some(&self.body[at + 1..end]));
                Step::After(end + 1)
            }
            open @ (b'{' | b'[') => {
                if !is_blank(&self.body[from..at]) {
                    return Step::End(End::Broken);
                }
                self.open(at, open == b'{', visitor)
            }
            b':' => Step::End(End::Broken),
            sign => {
                let text = self.body[from..at].trim_ascii();
                if text.is_empty() {
                    // Only an array without elements has nothing before its end.
                    let empty = sign == b']' && self.depth > 0 && self.counts[self.depth - 1] == 0;
                    return if empty {
                        Step::Sign(at)
                    } else {
                        Step::End(End::Broken)
                    };
                }
                let Some(kind) = literal(text) else {
                    return Step::End(End::Broken);
                };
                visitor.scalar(kind, Some(text));
                Step::Sign(at)
            }
        }
    }

    /// A value with no sign behind it.
    fn last<V: Visitor>(&self, from: usize, whole: bool, visitor: &mut V) -> End {
        let text = self.body.get(from..).unwrap_or(b"").trim_ascii();
        if self.depth > 0 || text.is_empty() || !whole {
            return End::Cut;
        }
        match literal(text) {
            Some(kind) => {
                visitor.scalar(kind, Some(text));
                End::Whole
            }
            None => End::Broken,
        }
    }

    fn open<V: Visitor>(&mut self, at: usize, object: bool, visitor: &mut V) -> Step {
        let kind = if object { Kind::Object } else { Kind::Array };
        visitor.open(kind);
        if self.depth == DEPTH {
            let end = self.tokens.skip();
            visitor.close(kind, 0);
            return end.map_or(Step::End(End::Cut), |end| Step::After(end + 1));
        }
        self.objects = self.objects << 1 | u64::from(object);
        self.counts[self.depth] = 0;
        self.depth += 1;
        if object {
            Step::Key(at + 1, true)
        } else {
            Step::Value(at + 1)
        }
    }

    #[inline]
    fn key<V: Visitor>(&mut self, from: usize, first: bool, visitor: &mut V) -> Step {
        let Some(at) = self.tokens.next() else {
            return Step::End(End::Cut);
        };
        if !is_blank(&self.body[from..at]) {
            return Step::End(End::Broken);
        }
        match self.body[at] {
            b'"' => {}
            b'}' if first => return Step::Sign(at),
            _ => return Step::End(End::Broken),
        }
        let (Some(end), Some(colon)) = (self.tokens.next(), self.tokens.next()) else {
            return Step::End(End::Cut);
        };
        if self.body[colon] != b':' || !is_blank(&self.body[end + 1..colon]) {
            return Step::End(End::Broken);
        }
        visitor.key(&self.body[at + 1..end]);
        Step::Value(colon + 1)
    }

    /// A comma or a closing bracket.
    #[inline]
    fn sign<V: Visitor>(&mut self, at: usize, visitor: &mut V) -> Step {
        let Some(level) = self.depth.checked_sub(1) else {
            return Step::End(End::Broken);
        };
        let object = self.objects & 1 == 1;
        match (self.body[at], object) {
            (b',', true) => Step::Key(at + 1, false),
            (b',', false) => {
                self.counts[level] += 1;
                if self.counts[level] < ELEMENTS {
                    return Step::Value(at + 1);
                }
                match self.skip_elements(level) {
                    Some(end) => self.close(end, false, visitor),
                    None => Step::End(End::Cut),
                }
            }
            (b'}', true) => self.close(at, true, visitor),
            (b']', false) => {
                // The element before the bracket; an array without any has none.
                let empty = self.counts[level] == 0 && is_empty_before(self.body, at);
                self.counts[level] += u32::from(!empty);
                self.close(at, false, visitor)
            }
            _ => Step::End(End::Broken),
        }
    }

    /// Passes over the elements of an array that are too many, and counts them.
    fn skip_elements(&mut self, level: usize) -> Option<usize> {
        let (commas, end) = self.tokens.skip_elements()?;
        self.counts[level] = self.counts[level].saturating_add(commas).saturating_add(1);
        Some(end)
    }

    fn close<V: Visitor>(&mut self, at: usize, object: bool, visitor: &mut V) -> Step {
        self.depth -= 1;
        self.objects >>= 1;
        let kind = if object { Kind::Object } else { Kind::Array };
        visitor.close(kind, self.counts[self.depth]);
        Step::After(at + 1)
    }
}

/// Whether the array that ends at `at` has nothing in it.
fn is_empty_before(body: &[u8], at: usize) -> bool {
    body[..at].trim_ascii_end().last() == Some(&b'[')
}

#[inline]
fn is_blank(text: &[u8]) -> bool {
    text.is_empty() || text.iter().all(u8::is_ascii_whitespace)
}

/// What a value without quotes and brackets is.
#[inline]
fn literal(text: &[u8]) -> Option<Kind> {
    match text[0] {
        b'0'..=b'9' | b'-' => {
            let mut whole = true;
            for byte in &text[1..] {
                match byte {
                    b'0'..=b'9' => {}
                    b'.' | b'e' | b'E' | b'+' | b'-' => whole = false,
                    _ => return None,
                }
            }
            (text != b"-").then_some(if whole { Kind::Integer } else { Kind::Number })
        }
        b'n' => (text == b"null").then_some(Kind::Null),
        b't' => (text == b"true").then_some(Kind::Boolean),
        b'f' => (text == b"false").then_some(Kind::Boolean),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a walk told, one word each.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl Visitor for Told {
        fn key(&mut self, raw: &[u8]) {
            self.0.push(format!("{}:", String::from_utf8_lossy(raw)));
        }
        fn scalar(&mut self, kind: Kind, text: Option<&[u8]>) {
            let text = text.map_or("…".into(), String::from_utf8_lossy);
            self.0.push(format!("{kind:?} {text}"));
        }
        fn open(&mut self, kind: Kind) {
            self.0.push(format!("{kind:?}"));
        }
        fn close(&mut self, kind: Kind, elements: u32) {
            self.0.push(match kind {
                Kind::Array => format!("/{elements}"),
                _ => "/".into(),
            });
        }
    }

    fn told(text: &str, whole: bool) -> (End, String) {
        let mut told = Told::default();
        let end = walk(text.as_bytes(), whole, &mut told);
        (end, told.0.join(" "))
    }

    #[test]
    fn what_a_text_holds_is_told_in_its_order() {
        for (text, want) in [
            (
                r#"{"a":1,"b":[true,null,"x\"y"],"c":{}}"#,
                "Object a: Integer 1 b: Array Boolean true Null null String x\\\"y /3 c: Object / /",
            ),
            (
                " [ 1.5 , -2 , 3e4 ] ",
                "Array Number 1.5 Integer -2 Number 3e4 /3",
            ),
            ("[]", "Array /0"),
            ("[[],[ ]]", "Array Array /0 Array /0 /2"),
            ("7", "Integer 7"),
            (r#""x""#, "String x"),
            ("null ", "Null null"),
        ] {
            assert_eq!(told(text, true), (End::Whole, want.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_said_to_be_broken() {
        for text in [
            "{]",
            "[}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\" \"b\"}",
            "[1 2]",
            "[\"a\" 1]",
            "[1]]",
            "nul",
            "[tru]",
            "[-]",
            "{a:1}",
            "[x\"a\"]",
            "1 2",
            "{} {}",
            "}",
            ",",
            ":",
            "[1x]",
            "{\"a\":1 \"b\":2}",
            "<html>",
        ] {
            let (end, _) = told(text, true);
            assert_eq!(end, End::Broken, "{text}");
        }
    }

    #[test]
    fn long_lists_and_deep_ones_are_passed_over() {
        let long = format!("[{}]", vec!["1"; 1000].join(","));
        let (end, told_of) = told(&long, true);
        assert_eq!(
            (end, told_of.matches("Integer").count()),
            (End::Whole, ELEMENTS as usize)
        );
        assert!(told_of.ends_with("/1000"), "{told_of}");
        let nested = format!("[{}]", vec!["[1,{\"a\":[2,3]}]"; 100].join(","));
        let (end, told_of) = told(&nested, true);
        assert!(end == End::Whole && told_of.ends_with("/100"));
        let kinds = [
            "7",
            r#""]}{[,\\""#,
            "[]",
            r#"{"a":[1,{"b":[{},[[]]]}],"c":"]}"}"#,
            r#"{"long":"................................................................"}"#,
        ];
        for n in 11..200 {
            let list: Vec<&str> = (0..n).map(|k| kinds[(k * n / 7 + k) % kinds.len()]).collect();
            let (end, told_of) = told(&format!("[{}]", list.join(" , ")), true);
            assert!(
                end == End::Whole && told_of.ends_with(&format!(" /{n}")),
                "{n} {told_of}"
            );
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(told(&deep, true).0, End::Whole);
        assert_eq!(told(&deep[..7000], false).0, End::Cut);
    }

    proptest! {
        #[test]
        fn a_cut_text_tells_a_part_of_what_the_whole_one_does(at in 0usize..400) {
            let text = r#"{"items":[{"id":12,"name":"a \\ \" b","tags":["x","y"],"price":-1.5e3,"gone":null,"ok":true},{"id":13}],"next":"/p?x=1","meta":{"total":120,"more":false}}"#;
            let at = at.min(text.len());
            let (_, whole) = told(text, true);
            let (end, part) = told(&text[..at], false);
            prop_assert_eq!(end == End::Whole, at == text.len());
            prop_assert!(end != End::Broken);
            let part = part.strip_suffix("String …").unwrap_or(&part);
            prop_assert!(whole.starts_with(part), "{} {}", part, whole);
        }

        #[test]
        fn any_bytes_come_to_an_end(text in proptest::collection::vec(any::<u8>(), 0..300), whole in any::<bool>()) {
            let mut told = Told::default();
            walk(&text, whole, &mut told);
            prop_assert!(told.0.len() <= text.len() * 2);
        }
    }
}
