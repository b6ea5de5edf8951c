//! What is wrong with a specification, where, and what would be right.

use std::fmt;

/// A mistake of a document, told so that its author can mend it. What it concerns is left out or taken as the
/// message says; the rest of the document is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Place in the document as a JSON pointer (RFC 6901); empty for the whole document, or where it cannot be
    /// read at all.
    pub pointer: String,
    /// What is wrong and what would be right. Holds no value of a header, body, query or variable.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)?;
        if !self.pointer.is_empty() {
            write!(f, " {}", self.pointer)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A place in the text of a document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location {
    /// Line, from 1; 0 where there is no text for it.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}:{}", self.line, self.column)
    }
}

/// The problems of one document, no more than a limit of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    limit: usize,
    dropped: u64,
}

impl Problems {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            list: Vec::new(),
            limit,
            dropped: 0,
        }
    }

    /// An empty list with the same limit.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.limit)
    }

    /// Remembers one. The message is made only when there is room for it, so that a document with millions of
    /// mistakes costs no more than counting them.
    pub(crate) fn push(
        &mut self,
        at: Location,
        pointer: impl FnOnce() -> String,
        message: impl FnOnce() -> String,
    ) {
        if self.list.len() >= self.limit {
            self.dropped += 1;
            return;
        }
        let problem = Problem {
            line: at.line,
            column: at.column,
            pointer: pointer(),
            message: message(),
        };
        // What is referred to from several places is looked at once for each.
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.dropped == 0
    }

    /// Takes over those of another list.
    pub(crate) fn extend(&mut self, other: Self) {
        self.dropped += other.dropped;
        for problem in other.list {
            let at = Location {
                line: problem.line,
                column: problem.column,
            };
            self.push(at, || problem.pointer, || problem.message);
        }
    }

    /// Replaces names in pointers that are not of the formats of collections and archives. In a damaged one, what
    /// stands where a key should may be a value, and values are secrets.
    pub(crate) fn hide_names(&mut self) {
        for problem in &mut self.list {
            let known = |token: &str| token.bytes().all(|b| b.is_ascii_digit()) || KEYS.contains(&token);
            let tokens = problem
                .pointer
                .split('/')
                .map(|token| if known(token) { token } else { "*" });
            problem.pointer = tokens.collect::<Vec<_>>().join("/");
        }
    }

    /// Those remembered, in the order of the text, and the number of those there was no room for.
    pub(crate) fn finish(mut self) -> (Vec<Problem>, u64) {
        self.list.sort();
        (self.list, self.dropped)
    }
}

/// Keys of Postman collections and HTTP Archives.
const KEYS: [&str; 50] = [
    "auth",
    "body",
    "code",
    "collection",
    "content",
    "cookies",
    "creator",
    "description",
    "encoding",
    "entries",
    "event",
    "file",
    "formdata",
    "graphql",
    "header",
    "headers",
    "host",
    "id",
    "info",
    "item",
    "key",
    "log",
    "method",
    "mimeType",
    "mode",
    "name",
    "options",
    "pages",
    "params",
    "path",
    "port",
    "postData",
    "protocol",
    "query",
    "queryString",
    "raw",
    "request",
    "response",
    "schema",
    "status",
    "text",
    "timings",
    "type",
    "url",
    "urlencoded",
    "value",
    "variable",
    "version",
    "redirectURL",
    "statusText",
];

/// A text of a document fit for a message: short, in one line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::with_capacity(text.len().min(LONGEST) + 4);
    for (number, char) in text.chars().enumerate() {
        if number == LONGEST {
            out.push('…');
            break;
        }
        out.push(if char.is_control() { '\u{fffd}' } else { char });
    }
    out
}

/// A text of a document cut to what a record should hold, without control characters.
pub(crate) fn clip(text: &str, longest: usize) -> String {
    text.trim()
        .chars()
        .take(longest)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
