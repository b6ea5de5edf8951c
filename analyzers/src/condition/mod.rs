//! Conditions: `environment = "production" and not (auth has "none")`, read with a place for each mistake, and held
//! against records. Policies of `tapline check` and intent policies share them; each says which fields there are
//! ([`Vocabulary`]).
//!
//! ```text
//! condition := all { "or" all }            all := one { "and" one }          also `||` and `&&`
//! one       := "not" one | "(" condition ")" | "exists" field | test        also `!`
//! test      := field                                    it is there, and not false, empty or zero
//!            | field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
//!            | field ["not"] "in" list                  it is one of these
//!            | field "matches" (text | list)            `*` stands for any letters, `?` for one
//!            | field "has" (text | list)                one of its names or texts is one of these, `*` as above
//!            | field "." ("startsWith" | "endsWith" | "contains") "(" (text | list) ")"
//! field     := name { "." name }                        through lists: any of their items
//! ```
//!
//! What a record does not say is unequal to everything, and neither more nor less than anything.

pub mod glob;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// Levels of brackets and `not`.
const DEPTH: usize = 64;

/// A field by its names.
pub type Path = Vec<String>;

/// What the values of a field are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sort {
    /// A text, one of these words when there are any.
    Text(Vec<String>),
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Names with something behind each, or a list of texts.
    Names,
    /// A value of which nobody says what it is: an argument of a call.
    Open,
    /// Whatever else.
    Any,
}

impl Sort {
    /// What it is, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Text(words) if words.is_empty() => "a text".into(),
            Self::Text(words) => format!("one of {}", quoted(words)),
            Self::Number => "a number".into(),
            Self::Flag => "true or false".into(),
            Self::Names => "a set of names".into(),
            Self::Open => "any value".into(),
            Self::Any => "an object".into(),
        }
    }
}

/// Words as they are written in a condition.
#[must_use]
pub fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
    words.join(", ")
}

/// Which fields conditions may name.
pub trait Vocabulary {
    /// What a path of names leads to.
    ///
    /// # Errors
    ///
    /// What would be right.
    fn look_up(&self, path: &[String]) -> Result<Sort, String>;

    /// A condition to show to somebody who wrote none.
    fn example(&self) -> &'static str;
}

/// A condition that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one of these.
    All(Vec<Condition>),
    /// One of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// The field is there.
    Exists(Path),
    /// The field by itself.
    Is(Path),
    /// It stands so to the value.
    Compare(Path, Order, Literal),
    /// It is one of these.
    In(Path, Vec<Literal>),
    /// The whole text is of one of these forms.
    Matches(Path, Vec<String>),
    /// One of the names is of one of these forms.
    Has(Path, Vec<String>),
    /// A part of the text is one of these.
    Part(Path, Part, Vec<String>),
}

/// Which part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Part {
    Start,
    End,
    Within,
}

impl Part {
    const NAMES: [(&'static str, Self); 3] = [
        ("startsWith", Self::Start),
        ("endsWith", Self::End),
        ("contains", Self::Within),
    ];

    fn is(self, part: &str, text: &str) -> bool {
        match self {
            Self::Start => text.starts_with(part),
            Self::End => text.ends_with(part),
            Self::Within => text.contains(part),
        }
    }
}

/// How two values stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// A value as it is written in a condition.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Literal {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// What is wrong with a condition, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Byte of the condition.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
    End,
}

impl Token {
    fn in_words(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Text(_) => "a text".into(),
            Self::Number(number) => format!("`{number}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".into(),
        }
    }
}

const KEYWORDS: [&str; 9] = [
    "and", "or", "not", "in", "has", "matches", "exists", "true", "false",
];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Wrong> {
    const SIGNS: [&str; 16] = [
        "!=", "<=", ">=", "==", "&&", "||", "!", "=", "<", ">", "(", ")", "[", "]", ",", ".",
    ];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            let token = match *sign {
                "==" => Token::Sign("="),
                "&&" => Token::Word("and".into()),
                "||" => Token::Word("or".into()),
                "!" => Token::Word("not".into()),
                sign => Token::Sign(sign),
            };
            found.push((at, token));
            at += sign.len();
        } else if c == '"' || c == '\'' {
            let Some(length) = rest[1..].find(c) else {
                return Err(Wrong {
                    at,
                    what: format!("the text that begins here has no end; write another {c} behind it"),
                });
            };
            found.push((at, Token::Text(rest[1..1 + length].to_owned())));
            at += length + 2;
        } else if c.is_alphanumeric() || c == '_' || c == '-' {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
                .unwrap_or(rest.len());
            let mut word = &rest[..length];
            // A number may have a fraction. A name may begin with a digit, behind a dot: `status.5xx`.
            let behind_dot = matches!(found.last(), Some((_, Token::Sign("."))));
            let whole = word.strip_prefix('-').unwrap_or(word);
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if digits(whole) && !behind_dot {
                let fraction = rest[length..].strip_prefix('.').map(|rest| {
                    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    &rest[..end]
                });
                if let Some(fraction) = fraction.filter(|f| !f.is_empty()) {
                    word = &rest[..length + 1 + fraction.len()];
                }
                found.push((at, Token::Number(word.parse().unwrap_or(f64::NAN))));
            } else {
                found.push((at, Token::Word(word.to_owned())));
            }
            at += word.len();
        } else {
            return Err(Wrong {
                at,
                what: format!("`{c}` means nothing here"),
            });
        }
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

/// Reads a condition. Every name and value is held against the vocabulary.
///
/// # Errors
///
/// The first mistake in it.
pub fn read(vocabulary: &dyn Vocabulary, text: &str) -> Result<Condition, Wrong> {
    let mut reader = Reader {
        vocabulary,
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    if reader.peek() == &Token::End {
        let what = format!("there is no condition; write e.g. `{}`", vocabulary.example());
        return Err(reader.wrong(what));
    }
    let condition = reader.any()?;
    match reader.peek() {
        Token::End => Ok(condition),
        other => {
            let what = format!(
                "{} is not expected here; write `and` or `or` before it",
                other.in_words()
            );
            Err(reader.wrong(what))
        }
    }
}

struct Reader<'v> {
    vocabulary: &'v dyn Vocabulary,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn place(&self) -> usize {
        self.tokens
            .get(self.next)
            .or(self.tokens.last())
            .map_or(0, |(at, _)| *at)
    }

    fn wrong(&self, what: String) -> Wrong {
        Wrong {
            at: self.place(),
            what,
        }
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(found);
        found
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(sign) if *sign == wanted);
        self.next += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, Wrong> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Wrong> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong(format!("more than {DEPTH} brackets and `not` in each other")));
        }
        let condition = self.one_within();
        self.depth -= 1;
        condition
    }

    fn one_within(&mut self) -> Result<Condition, Wrong> {
        if self.word("not") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.sign("(") {
            let condition = self.any()?;
            if !self.sign(")") {
                let what = format!("`)` is missing before {}", self.peek().in_words());
                return Err(self.wrong(what));
            }
            return Ok(condition);
        }
        if self.word("exists") {
            let at = self.place();
            let (path, _, part) = self.field()?;
            if part.is_some() {
                let what =
                    "`exists` takes a field alone; leave it out before startsWith, endsWith and contains";
                return Err(Wrong {
                    at,
                    what: what.into(),
                });
            }
            return Ok(Condition::Exists(path));
        }
        self.test()
    }

    /// A field that records have, with what its values are, and which part of it is asked for.
    fn field(&mut self) -> Result<(Path, Sort, Option<Part>), Wrong> {
        let at = self.place();
        let mut path = Vec::new();
        let mut part = None;
        loop {
            match self.peek().clone() {
                Token::Word(word)
                    if !path.is_empty()
                        && matches!(self.tokens.get(self.next + 1), Some((_, Token::Sign("(")))) =>
                {
                    let known = Part::NAMES.iter().find(|(name, _)| *name == word);
                    let Some((_, known)) = known else {
                        let what =
                            format!("`{word}()` is not known; there are startsWith, endsWith and contains");
                        return Err(self.wrong(what));
                    };
                    part = Some(*known);
                    self.next += 1;
                    break;
                }
                Token::Word(word) if path.is_empty() && KEYWORDS.contains(&word.as_str()) => {
                    return Err(self.wrong(format!("a field is expected here, not `{word}`")));
                }
                Token::Word(word) => path.push(word),
                Token::Text(text) if !path.is_empty() => path.push(text),
                Token::Number(number) if !path.is_empty() => path.push(number.to_string()),
                Token::Text(text) => {
                    let what = format!(
                        "a field is expected here, not a text; write the field first: `host = \"{text}\"`"
                    );
                    return Err(self.wrong(what));
                }
                other => {
                    return Err(self.wrong(format!("a field is expected here, not {}", other.in_words())));
                }
            }
            self.next += 1;
            if !self.sign(".") {
                break;
            }
        }
        let sort = self
            .vocabulary
            .look_up(&path)
            .map_err(|what| Wrong { at, what })?;
        Ok((path, sort, part))
    }

    fn test(&mut self) -> Result<Condition, Wrong> {
        let (path, sort, part) = self.field()?;
        let place = self.place();
        if let Some(part) = part {
            if !matches!(sort, Sort::Text(_) | Sort::Open) {
                let what = format!("`{}` is {}; this is for texts", path.join("."), sort.in_words());
                return Err(Wrong { at: place, what });
            }
            self.next += 1;
            let texts = self.texts()?;
            if !self.sign(")") {
                let what = format!("`)` is missing before {}", self.peek().in_words());
                return Err(self.wrong(what));
            }
            return Ok(Condition::Part(path, part, texts));
        }
        if self.word("not") {
            if !self.word("in") {
                return Err(self.wrong("`in` is expected behind `not` here".into()));
            }
            let list = self.literals(&sort, &path)?;
            return Ok(Condition::Not(Box::new(Condition::In(path, list))));
        }
        if self.word("in") {
            self.no_names(&sort, &path, place)?;
            return Ok(Condition::In(path.clone(), self.literals(&sort, &path)?));
        }
        if self.word("matches") {
            if !matches!(sort, Sort::Text(_) | Sort::Open) {
                let what = format!(
                    "`{}` is {}; `matches` is for texts, and `has` for sets of names",
                    path.join("."),
                    sort.in_words()
                );
                return Err(Wrong { at: place, what });
            }
            return Ok(Condition::Matches(path, self.texts()?));
        }
        if self.word("has") {
            if !matches!(sort, Sort::Names | Sort::Open) {
                let what = format!(
                    "`{}` is {}; `has` is for sets of names",
                    path.join("."),
                    sort.in_words()
                );
                return Err(Wrong { at: place, what });
            }
            return Ok(Condition::Has(path, self.texts()?));
        }
        let orders = [
            ("=", Order::Equal),
            ("!=", Order::Unequal),
            ("<=", Order::LessOrEqual),
            (">=", Order::MoreOrEqual),
            ("<", Order::Less),
            (">", Order::More),
        ];
        for (sign, order) in orders {
            if self.sign(sign) {
                self.no_names(&sort, &path, place)?;
                let literal = self.literal(&sort, &path)?;
                return Ok(Condition::Compare(path, order, literal));
            }
        }
        Ok(Condition::Is(path))
    }

    fn no_names(&self, sort: &Sort, path: &Path, at: usize) -> Result<(), Wrong> {
        let what = match sort {
            Sort::Names => format!(
                "`{0}` is a set of names; write `{0} has \"…\"`, or compare one of them: `{0}.name > 0`",
                path.join(".")
            ),
            Sort::Any => format!("`{}` is no single value; name a field in it", path.join(".")),
            _ => return Ok(()),
        };
        Err(Wrong { at, what })
    }

    fn literals(&mut self, sort: &Sort, path: &Path) -> Result<Vec<Literal>, Wrong> {
        if !self.sign("[") {
            return Err(self.wrong("a list is expected here: `[\"a\", \"b\"]`".into()));
        }
        let mut list = Vec::new();
        while !self.sign("]") {
            list.push(self.literal(sort, path)?);
            if !self.sign(",") && self.peek() != &Token::Sign("]") {
                let what = format!("`,` or `]` is missing before {}", self.peek().in_words());
                return Err(self.wrong(what));
            }
        }
        Ok(list)
    }

    /// A value that the field can have.
    fn literal(&mut self, sort: &Sort, path: &Path) -> Result<Literal, Wrong> {
        let at = self.place();
        let literal = match self.take() {
            Token::Text(text) => Literal::Text(text),
            Token::Number(number) => Literal::Number(number),
            Token::Word(word) if word == "true" => Literal::Flag(true),
            Token::Word(word) if word == "false" => Literal::Flag(false),
            Token::Word(word) => {
                let what = format!("`{word}` is no value; write texts in quotes: \"{word}\"");
                return Err(Wrong { at, what });
            }
            other => {
                let what = format!("a value is expected here, not {}", other.in_words());
                return Err(Wrong { at, what });
            }
        };
        let fits = match (&literal, sort) {
            (_, Sort::Any | Sort::Open | Sort::Names)
            | (Literal::Number(_), Sort::Number)
            | (Literal::Flag(_), Sort::Flag) => true,
            (Literal::Text(text), Sort::Text(words)) => words.is_empty() || words.contains(text),
            _ => false,
        };
        if fits {
            return Ok(literal);
        }
        let what = format!("`{}` is {}", path.join("."), sort.in_words());
        Err(Wrong { at, what })
    }

    /// One text, or a list of them.
    fn texts(&mut self) -> Result<Vec<String>, Wrong> {
        let text = |reader: &mut Self| {
            let at = reader.place();
            match reader.take() {
                Token::Text(text) => Ok(text),
                other => Err(Wrong {
                    at,
                    what: format!("a text in quotes is expected here, not {}", other.in_words()),
                }),
            }
        };
        if !self.sign("[") {
            return Ok(vec![text(self)?]);
        }
        let mut list = Vec::new();
        while !self.sign("]") {
            list.push(text(self)?);
            if !self.sign(",") && self.peek() != &Token::Sign("]") {
                let what = format!("`,` or `]` is missing before {}", self.peek().in_words());
                return Err(self.wrong(what));
            }
        }
        Ok(list)
    }
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

/// All values that a path leads to, through lists to each of their items.
fn values<'v>(of: &'v Value, path: &[String]) -> Vec<&'v Value> {
    let Some((name, rest)) = path.split_first() else {
        return vec![of];
    };
    match of {
        Value::Array(items) => items.iter().flat_map(|item| values(item, path)).collect(),
        Value::Object(map) => map.get(name).map_or_else(Vec::new, |next| values(next, rest)),
        _ => Vec::new(),
    }
}

/// Which values a test has to hold for, where a field has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Any of them, also below `not`.
    Any,
    /// All of them; below `not` one of them.
    Every,
    /// One of them; below `not` all of them.
    Some,
}

impl Which {
    fn turned(self) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Every => Self::Some,
            Self::Some => Self::Every,
        }
    }

    fn of<'v>(self, values: &[&'v Value], test: impl Fn(&'v Value) -> bool) -> bool {
        match self {
            Self::Any | Self::Some => values.iter().any(|v| test(v)),
            Self::Every => !values.is_empty() && values.iter().all(|v| test(v)),
        }
    }

    /// The values of a field. What a list at its end holds are values of their own, except for those who take any.
    fn values<'v>(self, record: &'v Value, path: &[String]) -> Vec<&'v Value> {
        let mut found = values(record, path);
        while self != Self::Any && found.iter().any(|v| v.is_array()) {
            found = found
                .into_iter()
                .flat_map(|v| match v {
                    Value::Array(items) => items.iter().collect(),
                    other => vec![other],
                })
                .collect();
        }
        found
    }
}

impl Condition {
    /// Whether a record meets it. Where a field has several values, one that suits is enough.
    #[must_use]
    pub fn holds(&self, record: &Value) -> bool {
        self.is_met(record, Which::Any)
    }

    /// Whether a record meets it whichever of the values of a field counts: a list with one value that is not permitted is not
    /// permitted.
    #[must_use]
    pub fn holds_for_all(&self, record: &Value) -> bool {
        self.is_met(record, Which::Every)
    }

    /// Whether a record meets it with any of the values of its fields, as [`Self::holds_for_all`] does with all.
    #[must_use]
    pub fn holds_for_some(&self, record: &Value) -> bool {
        self.is_met(record, Which::Some)
    }

    fn is_met(&self, record: &Value, which: Which) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.is_met(record, which)),
            Self::Any(parts) => parts.iter().any(|part| part.is_met(record, which)),
            Self::Not(part) => !part.is_met(record, which.turned()),
            Self::Exists(path) => values(record, path).iter().any(|v| !v.is_null()),
            Self::Is(path) => which.of(&which.values(record, path), is_something),
            // Not being equal is the opposite of being equal, also where nothing is known.
            Self::Compare(path, Order::Unequal, literal) => {
                let found = which.values(record, path);
                let equal = |v: &Value| compare(v, Order::Equal, literal);
                match which {
                    Which::Any | Which::Every => !found.iter().any(|v| equal(v)),
                    Which::Some => found.is_empty() || found.iter().any(|v| !equal(v)),
                }
            }
            Self::Compare(path, order, literal) => {
                which.of(&which.values(record, path), |v| compare(v, *order, literal))
            }
            Self::In(path, list) => which.of(&which.values(record, path), |v| {
                list.iter().any(|literal| compare(v, Order::Equal, literal))
            }),
            Self::Matches(path, patterns) => which.of(&which.values(record, path), |v| {
                v.as_str()
                    .is_some_and(|text| patterns.iter().any(|p| glob::matches(p, text)))
            }),
            Self::Part(path, part, texts) => which.of(&which.values(record, path), |v| {
                v.as_str()
                    .is_some_and(|text| texts.iter().any(|t| part.is(t, text)))
            }),
            // Of a set, one that is there is enough; several sets in a list are told apart.
            Self::Has(path, patterns) => values(record, path).iter().any(|v| {
                names(v)
                    .iter()
                    .any(|name| patterns.iter().any(|p| glob::matches(p, name)))
            }),
        }
    }

    /// The fields that it looks at, each once, in its own order.
    #[must_use]
    pub fn fields(&self) -> Vec<&Path> {
        let mut found: Vec<&Path> = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'c>(&'c self, found: &mut Vec<&'c Path>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(found)),
            Self::Not(part) => part.collect(found),
            Self::Exists(path)
            | Self::Is(path)
            | Self::Compare(path, ..)
            | Self::In(path, _)
            | Self::Matches(path, _)
            | Self::Part(path, ..)
            | Self::Has(path, _) => {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
    }
}

/// What a field is in a record, for people; nothing when the record does not say.
#[must_use]
pub fn observed(record: &Value, path: &Path) -> Option<String> {
    let found = values(record, path);
    let words: Vec<String> = found
        .iter()
        .flat_map(|value| match value {
            Value::String(text) => vec![text.clone()],
            Value::Object(_) | Value::Array(_) => names(value).into_iter().map(str::to_owned).collect(),
            Value::Null => Vec::new(),
            other => vec![other.to_string()],
        })
        .take(12)
        .collect();
    match (found.is_empty(), words.is_empty()) {
        (true, _) => None,
        (false, true) => Some("empty".to_owned()),
        (false, false) => Some(words.join(", ")),
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// A text that is a number from its first sign to its last.
#[must_use]
pub fn number_of(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    text.parse::<f64>().ok().filter(|n| plain && n.is_finite())
}

/// Severities in their order; other words have that of the alphabet.
fn rank(word: &str) -> Option<usize> {
    crate::Severity::ALL.iter().position(|s| s.name() == word)
}

/// The names of an object, or the texts of a list.
#[must_use]
pub fn names(of: &Value) -> Vec<&str> {
    match of {
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn ordering(value: &Value, literal: &Literal) -> Option<std::cmp::Ordering> {
    match (value, literal) {
        (Value::String(text), Literal::Text(wanted)) => match (rank(text), rank(wanted)) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => text.as_str().partial_cmp(wanted.as_str()),
        },
        (Value::Number(number), Literal::Number(wanted)) => {
            number.as_f64().and_then(|number| number.partial_cmp(wanted))
        }
        // Queries and forms have nothing but texts.
        (Value::String(text), Literal::Number(wanted)) => number_of(text)?.partial_cmp(wanted),
        (Value::Bool(flag), Literal::Flag(wanted)) => flag.partial_cmp(wanted),
        _ => None,
    }
}

fn compare(value: &Value, order: Order, literal: &Literal) -> bool {
    let Some(ordering) = ordering(value, literal) else {
        return false;
    };
    match order {
        Order::Equal => ordering.is_eq(),
        Order::Unequal => ordering.is_ne(),
        Order::Less => ordering.is_lt(),
        Order::LessOrEqual => ordering.is_le(),
        Order::More => ordering.is_gt(),
        Order::MoreOrEqual => ordering.is_ge(),
    }
}
