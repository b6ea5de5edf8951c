//! Path templates as specifications declare them, and the paths of requests in the same form.

use std::borrow::Cow;
use std::fmt;

use crate::privacy::segment;

/// Segments of a path that are looked at; no API has more.
pub(crate) const DEPTH: usize = 64;

/// Bytes of a template; no server takes more.
const LONGEST: usize = 4096;

/// Part of a segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Piece {
    /// Text that stands as it is.
    Literal(String),
    /// A parameter by its name.
    Parameter(String),
}

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplateSegment {
    /// A text.
    Literal(String),
    /// A parameter alone.
    Parameter(String),
    /// Texts and parameters: `report.{format}`, `{id}:cancel`, `{from}..{to}`.
    Mixed(Vec<Piece>),
    /// A parameter that holds all that follows: `{path+}`, `{path...}`, `{path:.*}`, `**`.
    Rest(String),
}

/// A path with parameters (OpenAPI, Path Templating).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathTemplate {
    text: String,
    segments: Vec<TemplateSegment>,
    slash: bool,
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PathTemplate {
    /// The template of a text, and what is wrong with it. What cannot be a parameter stands as it is.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut bare = text.trim();
        if bare.len() > LONGEST {
            problems.push(format!(
                "a path of more than {LONGEST} bytes; the rest of it is left out"
            ));
            bare = &bare[..bare.floor_char_boundary(LONGEST)];
        }
        let (path, behind) = match bare.find(['?', '#']) {
            // Not within braces, where a pattern may hold anything.
            Some(at) if !within_braces(bare, at) => bare.split_at(at),
            _ => (bare, ""),
        };
        if !behind.is_empty() {
            problems
                .push("a path holds no query and no fragment; declare query parameters instead".to_owned());
        }
        if !path.starts_with('/') {
            problems.push("a path begins with a slash; write one".to_owned());
        }
        let mut segments: Vec<TemplateSegment> = Vec::new();
        for part in split(path).filter(|part| !part.is_empty()) {
            if segments.len() >= DEPTH {
                problems.push(format!("more than {DEPTH} segments; the others are left out"));
                break;
            }
            segment_of(part, &mut segments, &mut problems);
        }
        let slash = path.len() > 1 && path.ends_with('/');
        let mut text: String = path.to_owned();
        if !text.starts_with('/') {
            text.insert(0, '/');
        }
        (
            Self {
                text,
                segments,
                slash,
            },
            problems,
        )
    }

    /// As it was written, with a slash at its beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments.
    #[must_use]
    pub fn segments(&self) -> &[TemplateSegment] {
        &self.segments
    }

    /// Whether it ends in a slash, other than the root.
    #[must_use]
    pub fn ends_in_slash(&self) -> bool {
        self.slash
    }

    /// The names of its parameters, from left to right.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| {
            let (one, many): (Option<&str>, &[Piece]) = match segment {
                TemplateSegment::Literal(_) => (None, &[]),
                TemplateSegment::Parameter(name) | TemplateSegment::Rest(name) => (Some(name), &[]),
                TemplateSegment::Mixed(pieces) => (None, pieces),
            };
            one.into_iter().chain(many.iter().filter_map(|piece| match piece {
                Piece::Parameter(name) => Some(name.as_str()),
                Piece::Literal(_) => None,
            }))
        })
    }

    /// The template without the names of parameters: two that are equal here are the same to a router.
    #[must_use]
    pub fn hierarchy(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        for segment in &self.segments {
            out.push('/');
            match segment {
                TemplateSegment::Literal(text) => out.push_str(text),
                TemplateSegment::Parameter(_) => out.push_str("{}"),
                TemplateSegment::Rest(_) => out.push_str("{+}"),
                TemplateSegment::Mixed(pieces) => {
                    for piece in pieces {
                        out.push_str(match piece {
                            Piece::Literal(text) => text,
                            Piece::Parameter(_) => "{}",
                        });
                    }
                }
            }
        }
        if self.slash || out.is_empty() {
            out.push('/');
        }
        out
    }
}

fn within_braces(text: &str, at: usize) -> bool {
    let before = &text[..at];
    before.matches('{').count() > before.matches('}').count() && text[at..].contains('}')
}

/// The parts between slashes that are not within braces.
fn split(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0u32;
    path.split(move |char| {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        char == '/' && depth == 0
    })
}

fn segment_of(part: &str, out: &mut Vec<TemplateSegment>, problems: &mut Vec<String>) {
    if part == "**" {
        out.push(TemplateSegment::Rest("rest".to_owned()));
        return;
    }
    if part == "*" {
        out.push(TemplateSegment::Parameter("any".to_owned()));
        return;
    }
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = closed(after) else {
            problems.push("a brace in the path is not closed; write `}` behind the name".to_owned());
            literal.push_str(before);
            literal.push('{');
            rest = after;
            break;
        };
        literal.push_str(before);
        rest = behind;
        if inside.trim().is_empty() {
            problems.push("a parameter without a name; write one between the braces".to_owned());
        }
        let whole = literal.is_empty() && pieces.is_empty() && rest.is_empty();
        // gRPC transcoding: `{name=projects/*/locations/*}`.
        if whole && let Some((name, pattern)) = inside.split_once('=') {
            for part in pattern.split('/').filter(|p| !p.is_empty()) {
                out.push(match part {
                    "**" => TemplateSegment::Rest(name.to_owned()),
                    "*" => TemplateSegment::Parameter(name.to_owned()),
                    text => TemplateSegment::Literal(text.to_owned()),
                });
            }
            return;
        }
        let (name, greedy) = name_of(inside);
        if whole && greedy {
            out.push(TemplateSegment::Rest(name));
            return;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(decoded(&std::mem::take(&mut literal))));
        }
        pieces.push(Piece::Parameter(name));
    }
    if rest.contains('}') && !rest.contains('{') {
        problems
            .push("a brace in the path is closed that was not opened; write `{` before the name".to_owned());
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(decoded(&literal)));
    }
    out.push(match pieces.as_mut_slice() {
        [Piece::Literal(text)] => TemplateSegment::Literal(std::mem::take(text)),
        [Piece::Parameter(name)] => TemplateSegment::Parameter(std::mem::take(name)),
        _ => TemplateSegment::Mixed(pieces),
    });
}

/// What stands up to the brace that closes, with what is behind it; patterns (`{id:[0-9]{4}}`) have braces of their own.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1u32;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// The name of a parameter, and whether it may hold slashes.
fn name_of(inside: &str) -> (String, bool) {
    let inside = inside.trim();
    let (name, pattern) = inside.split_once(':').unwrap_or((inside, ""));
    let bare = name.trim_start_matches(['+', '*']);
    let bare = bare.trim_end_matches(['+', '*', '?']);
    let (bare, dots) = bare
        .strip_suffix("...")
        .map_or((bare, false), |bare| (bare, true));
    let greedy =
        dots || name.starts_with(['+', '*']) || name.ends_with(['+', '*']) || matches!(pattern, ".*" | ".+");
    (super::problem::clip(bare, 128), greedy)
}

fn decoded(text: &str) -> String {
    if text.contains('%') {
        super::reader::percent(text)
    } else {
        text.to_owned()
    }
}

/// The segments of the path of a request, as a router sees them: without empty ones, dots resolved, parameters behind
/// a semicolon removed, percent-decoded.
pub(crate) fn segments(path: &str) -> (Vec<Cow<'_, str>>, bool) {
    let path = path.split(['?', '#']).next().unwrap_or("");
    let mut out: Vec<Cow<'_, str>> = Vec::with_capacity(8);
    for raw in segment::parts(path, b'/') {
        let bare = segment::once(raw, b';').map_or(raw, |(before, _)| before);
        if bare.is_empty() {
            continue;
        }
        let name = if bare.contains('%') {
            Cow::Owned(super::reader::percent(bare))
        } else {
            Cow::Borrowed(bare)
        };
        match name.as_ref() {
            "." => {}
            ".." => {
                out.pop();
            }
            // What lies deeper than any template is told apart from none by one segment more.
            _ if out.len() <= DEPTH => out.push(name),
            _ => {}
        }
    }
    (out, path.len() > 1 && path.ends_with('/'))
}

/// Whether a segment suits texts and parameters, each of which holds something.
pub(crate) fn suits(pieces: &[Piece], text: &str) -> bool {
    let mut rest = text;
    let mut held = false;
    for (number, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Parameter(_) => held = true,
            Piece::Literal(literal) => {
                let last = number + 1 == pieces.len();
                let skip = if held {
                    rest.chars().next().map_or(1, char::len_utf8)
                } else {
                    0
                };
                let Some(tail) = rest.get(skip..) else {
                    return false;
                };
                let at = match (held, last) {
                    (false, _) => tail.starts_with(literal.as_str()).then_some(0),
                    (true, true) => tail
                        .ends_with(literal.as_str())
                        .then(|| tail.len() - literal.len()),
                    (true, false) => tail.find(literal.as_str()),
                };
                let Some(at) = at else {
                    return false;
                };
                rest = &tail[at + literal.len()..];
                held = false;
            }
        }
    }
    held != rest.is_empty()
}
