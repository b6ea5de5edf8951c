//! Conditions: `environment = "production" and not (auth has "none")`, read with a place for each mistake, and held
//! against records.
//!
//! ```text
//! condition := all { "or" all }            all := one { "and" one }
//! one       := "not" one | "(" condition ")" | "exists" field | test
//! test      := field                                    it is there, and not false, empty or zero
//!            | field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
//!            | field ["not"] "in" list                  it is one of these
//!            | field "matches" (text | list)            `*` stands for any letters, `?` for one
//!            | field "has" (text | list)                one of its names or texts is one of these, `*` as above
//! field     := name { "." name }                        through lists: any of their items
//! ```
//!
//! What a record does not say is unequal to everything, and neither more nor less than anything.

use serde_json::Value;

use super::fields::{self, Sort};
use crate::known::glob;
use crate::known::names;
use crate::known::state::About;
use crate::known::subject::rank;

/// Levels of brackets and `not`.
const DEPTH: usize = 64;

/// A field by its names.
pub(super) type Path = Vec<String>;

/// A condition that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Exists(Path),
    /// The field by itself.
    Is(Path),
    Compare(Path, Order, Literal),
    In(Path, Vec<Literal>),
    Matches(Path, Vec<String>),
    Has(Path, Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// What is wrong with a condition, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) what: String,
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
    const SIGNS: [&str; 13] = [
        "!=", "<=", ">=", "==", "=", "<", ">", "(", ")", "[", "]", ",", ".",
    ];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            found.push((at, Token::Sign(if *sign == "==" { "=" } else { sign })));
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

/// Reads a condition about records of this sort. Every name and value is held against what the records have.
///
/// # Errors
///
/// The first mistake in it.
pub(super) fn read(about: About, text: &str) -> Result<Condition, Wrong> {
    let mut reader = Reader {
        about,
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    if reader.peek() == &Token::End {
        return Err(reader.wrong("there is no condition; write e.g. `agents = 0`".into()));
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

struct Reader {
    about: About,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Reader {
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
            return Ok(Condition::Exists(self.field()?.0));
        }
        self.test()
    }

    /// A field that records have, with what its values are.
    fn field(&mut self) -> Result<(Path, Sort), Wrong> {
        let at = self.place();
        let mut path = Vec::new();
        loop {
            match self.peek().clone() {
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
        let sort = fields::look_up(self.about, &path).map_err(|what| Wrong { at, what })?;
        Ok((path, sort))
    }

    fn test(&mut self) -> Result<Condition, Wrong> {
        let (path, sort) = self.field()?;
        let place = self.place();
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
            if !matches!(sort, Sort::Text(_)) {
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
            if sort != Sort::Names {
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
            (_, Sort::Any | Sort::Names)
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

impl Condition {
    /// Whether a record meets it.
    pub(super) fn holds(&self, record: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(record)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(record)),
            Self::Not(part) => !part.holds(record),
            Self::Exists(path) => values(record, path).iter().any(|v| !v.is_null()),
            Self::Is(path) => values(record, path).iter().any(|v| is_something(v)),
            // Not being equal is the opposite of being equal, also where nothing is known.
            Self::Compare(path, Order::Unequal, literal) => !values(record, path)
                .iter()
                .any(|v| compare(v, Order::Equal, literal)),
            Self::Compare(path, order, literal) => {
                values(record, path).iter().any(|v| compare(v, *order, literal))
            }
            Self::In(path, list) => values(record, path)
                .iter()
                .any(|v| list.iter().any(|literal| compare(v, Order::Equal, literal))),
            Self::Matches(path, patterns) => values(record, path).iter().any(|v| {
                v.as_str()
                    .is_some_and(|text| patterns.iter().any(|p| glob::matches(p, text)))
            }),
            Self::Has(path, patterns) => values(record, path).iter().any(|v| {
                names(v)
                    .iter()
                    .any(|name| patterns.iter().any(|p| glob::matches(p, name)))
            }),
        }
    }

    /// The fields that it looks at, each once, in its own order.
    pub(super) fn fields(&self) -> Vec<&Path> {
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
            | Self::Has(path, _) => {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
    }
}

/// What a field is in a record, for people; nothing when the record does not say.
pub(super) fn observed(record: &Value, path: &Path) -> Option<String> {
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

fn compare(value: &Value, order: Order, literal: &Literal) -> bool {
    let ordering = match (value, literal) {
        (Value::String(text), Literal::Text(wanted)) => match (rank(text), rank(wanted)) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => text.as_str().partial_cmp(wanted.as_str()),
        },
        (Value::Number(number), Literal::Number(wanted)) => {
            number.as_f64().and_then(|number| number.partial_cmp(wanted))
        }
        (Value::Bool(flag), Literal::Flag(wanted)) => flag.partial_cmp(wanted),
        _ => None,
    };
    let Some(ordering) = ordering else { return false };
    match order {
        Order::Equal => ordering.is_eq(),
        Order::Unequal => ordering.is_ne(),
        Order::Less => ordering.is_lt(),
        Order::LessOrEqual => ordering.is_le(),
        Order::More => ordering.is_gt(),
        Order::MoreOrEqual => ordering.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoint() -> Value {
        json!({
            "host": "orders.acme.example", "method": "GET", "template": "/v1/orders/{int}", "agents": 1,
            "exchanges": 560, "auth": {"jwt": 460, "none": 100}, "data_classes": {"card": 6, "email": 1},
            "status": {"5xx": 3}, "worst_finding": "high", "findings": ["missing_auth"],
            "first_seen": "2026-10-05T12:00:41.005000000Z", "accepted": false, "latency_us": {"p99": 0},
        })
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for (text, wanted) in [
            ("host = 'orders.acme.example'", true),
            ("host != 'orders.acme.example'", false),
            ("host matches '*.acme.example'", true),
            ("host matches ['*.other', 'orders.*']", true),
            ("agents = 0", false),
            ("agents > 0 and exchanges >= 560", true),
            ("agents > 0 and exchanges > 560", false),
            ("agents", true),
            ("latency_us.p99", false),
            ("exists latency_us.p99", true),
            ("exists latency_us.p50", false),
            ("auth has 'none'", true),
            ("auth has ['basic', 'n*']", true),
            ("auth has 'basic'", false),
            ("auth.none > 99", true),
            ("auth.basic > 0", false),
            ("auth.basic = 0", false),
            ("auth.basic != 0", true),
            ("data_classes has ['iban', 'card']", true),
            ("status.5xx = 3", true),
            ("not agents = 1", false),
            ("not (agents = 1 and method = 'POST')", true),
            ("method = 'POST' or agents = 1", true),
            ("method = 'POST' and agents = 1 or agents = 1", true),
            ("method = 'POST' and (agents = 1 or agents = 1)", false),
            ("method in ['GET', 'HEAD']", true),
            ("method not in ['GET', 'HEAD']", false),
            ("worst_finding >= 'medium'", true),
            ("worst_finding > 'high'", false),
            ("worst_finding = 'critical'", false),
            ("findings has 'missing_auth'", true),
            ("first_seen >= '2026-10-05'", true),
            ("first_seen < '2026-10-05T12'", false),
            ("accepted = false", true),
            ("accepted", false),
            ("days_since_last_seen > 1", false),
            ("not days_since_last_seen > 1", true),
            ("exchanges = 560.0", true),
        ] {
            let condition = read(About::Endpoint, text).unwrap_or_else(|w| panic!("{text}: {w:?}"));
            assert_eq!(condition.holds(&endpoint()), wanted, "{text}");
        }
    }

    #[test]
    fn a_list_is_met_by_any_of_its_items() {
        let finding = json!({"evidence": [{"status": 200}, {"status": 403}], "severity": "low"});
        for (text, wanted) in [
            ("evidence.status = 403", true),
            ("evidence.status = 404", false),
            ("evidence.status != 403", false),
            ("evidence.status > 400", true),
        ] {
            let condition = read(About::Finding, text).unwrap();
            assert_eq!(condition.holds(&finding), wanted, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, at, wanted) in [
            ("", 0, "there is no condition"),
            ("hots = 'x'", 0, "did you mean `host`?"),
            ("agents = 0 and hots = 'x'", 15, "did you mean `host`?"),
            ("agents = 'none'", 9, "`agents` is a number"),
            ("host = 7", 7, "`host` is a text"),
            ("host = orders", 7, "write texts in quotes: \"orders\""),
            ("auth = 'none'", 5, "write `auth has"),
            ("host has 'x'", 5, "`host` is a text; `has` is for sets of names"),
            ("auth matches 'x'", 5, "is a set of names; `matches` is for texts"),
            ("worst_finding = 'grave'", 16, "one of \"info\", \"low\""),
            ("(agents = 0", 11, "`)` is missing before the end"),
            ("agents = 0)", 10, "`)` is not expected here"),
            ("agents = 0 host = 'x'", 11, "write `and` or `or` before it"),
            ("agents =", 8, "a value is expected here, not the end"),
            ("host in 'x'", 8, "a list is expected here"),
            (
                "method in ['GET' 'PUT']",
                17,
                "`,` or `]` is missing before a text",
            ),
            ("host = 'x", 7, "has no end"),
            ("agents & 1", 7, "`&` means nothing here"),
            ("and", 0, "a field is expected here, not `and`"),
            ("latency_us > 5", 11, "is no single value"),
            ("'x' = host", 0, "write the field first"),
        ] {
            let wrong = read(About::Endpoint, text).expect_err(text);
            assert_eq!(wrong.at, at, "{text}: {}", wrong.what);
            assert!(wrong.what.contains(wanted), "{text}: {}", wrong.what);
        }
        let deep = format!("{}agents = 0", "not ".repeat(100_000));
        assert!(
            read(About::Endpoint, &deep)
                .unwrap_err()
                .what
                .contains("more than 64")
        );
    }
}
