//! YAML text to a [`Document`] (YAML 1.2.2, core schema of section 10.3).
//!
//! The parser hands out events with their places and stops at the first mistake. A specification of ten thousand lines
//! is not given up for one of them: the entry that the mistake is in is left out, and the rest is read again, a bounded
//! number of times. Aliases are references and never copies; `<<` adds entries within the limit of values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span as Mark, Tag};

use super::Limits;
use super::document::{Builder, Document, NodeId, Scalar};
use super::problem::{Location, Problems};

/// Mistakes of grammar that are passed over in one document.
const RETRIES: usize = 12;

/// Bytes read again after mistakes, in all.
const READ_AGAIN: usize = 64 << 20;

/// Reads a text.
pub(crate) fn read(text: Cow<'_, str>, limits: &Limits, problems: &mut Problems) -> Document {
    let mut best = attempt(&text, limits, problems);
    let mut left = READ_AGAIN;
    let mut text = text.into_owned();
    for _ in 0..RETRIES {
        let Some(error) = &best.error else { break };
        let Some((line, blanked, next)) = read_on(&text, error, &mut left, limits, problems) else {
            break;
        };
        if next.error.is_some() && next.nodes() < best.nodes() {
            break;
        }
        let (message, pointer) = (&error.message, best.pointer.clone());
        if line == error.at.line {
            let message = || format!("not YAML: {message}; the entry is left out");
            problems.push(error.at, || pointer, message);
        } else {
            let at = first_of(&text, line);
            let message = || {
                format!(
                    "not YAML: {message} on line {}; the entry is left out",
                    error.at.line
                )
            };
            problems.push(at, || pointer, message);
        }
        text = blanked;
        best = next;
    }
    if let Some(error) = best.error.take() {
        let pointer = best.pointer.clone();
        let message = || format!("not YAML: {}; what follows is left out", error.message);
        problems.push(error.at, || pointer, message);
    }
    problems.extend(best.problems);
    best.document
}

/// Reads again without the entry that a mistake is in, which is on the line that the parser names or on the one before:
/// whichever lets it read further, if one does.
fn read_on(
    text: &str,
    error: &Broken,
    left: &mut usize,
    limits: &Limits,
    problems: &Problems,
) -> Option<(u32, String, Attempt)> {
    let reach = |a: &Attempt| a.error.as_ref().map_or(u32::MAX, |e| e.at.line);
    let mut best: Option<(u32, String, Attempt)> = None;
    for back in 0..2 {
        let line = error.at.line.checked_sub(back).filter(|line| *line > 0)?;
        *left = left.checked_sub(text.len())?;
        let blanked = without_entry(text, line);
        let tried = attempt(&blanked, limits, problems);
        let further = best
            .as_ref()
            .is_none_or(|(_, _, known)| (reach(&tried), tried.nodes()) > (reach(known), known.nodes()));
        if reach(&tried) > error.at.line && further {
            let done = tried.error.is_none();
            best = Some((line, blanked, tried));
            if done {
                break;
            }
        }
    }
    best
}

/// Where the first character of a line stands that is no space.
fn first_of(text: &str, line: u32) -> Location {
    let this = text.lines().nth(line as usize - 1).unwrap_or("");
    place(line as usize, this.chars().take_while(|c| *c == ' ').count())
}

/// One reading of the text, as far as it went.
struct Attempt {
    document: Document,
    error: Option<Broken>,
    pointer: String,
    problems: Problems,
}

struct Broken {
    at: Location,
    message: String,
}

impl Attempt {
    fn nodes(&self) -> usize {
        self.document.len()
    }
}

fn attempt(text: &str, limits: &Limits, outer: &Problems) -> Attempt {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = limits.depth;
    options.block_nesting_limit = limits.depth;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader {
        builder: Builder::new(String::new(), limits),
        anchors: BTreeMap::new(),
        problems: outer.fresh(),
        documents: 0,
    };
    let mut error = None;
    while !reader.builder.is_full() {
        match parser.next_event() {
            None => break,
            Some(Ok((event, mark))) => {
                if !reader.event(event, mark) {
                    break;
                }
            }
            Some(Err(broken)) => {
                let mark = broken.marker();
                let message = match broken.kind() {
                    ErrorKind::RecursionLimitExceeded => {
                        format!("nested deeper than {} levels", limits.depth)
                    }
                    kind => format!("{}{}", broken.info(), right(kind)),
                };
                error = Some(Broken {
                    at: place(mark.line(), mark.col()),
                    message,
                });
                break;
            }
        }
    }
    let pointer = reader.builder.pointer();
    let Reader {
        builder,
        mut problems,
        ..
    } = reader;
    Attempt {
        document: builder.finish(&mut problems),
        error,
        pointer,
        problems,
    }
}

/// What would be right, for the mistakes that people make.
fn right(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            " (indent with spaces)"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => " (write `: ` behind the key)",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            " (indent it as what it stands beside)"
        }
        ErrorKind::UnexpectedCharacter { .. } => " (put a text that begins with it in quotes)",
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidTrailingDoubleQuotedScalar
        | ErrorKind::InvalidTrailingSingleQuotedScalar => " (close the quotes)",
        ErrorKind::UnknownQuotedScalarEscape => " (write two backslashes, or single quotes)",
        ErrorKind::MismatchedFlowCollectionEnd { .. } | ErrorKind::UnclosedFlowCollection { .. } => {
            " (close the bracket that was opened last)"
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            " (put a text that holds `: ` in quotes)"
        }
        _ => "",
    }
}

/// Lines of the parser begin with 1, its columns with 0.
fn place(line: usize, column: usize) -> Location {
    Location {
        line: u32::try_from(line).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(column).unwrap_or(u32::MAX - 1) + 1,
    }
}

/// The text with one line emptied, and the lines below that are indented deeper. Other lines keep their numbers.
fn without_entry(text: &str, line: u32) -> String {
    // A tab that should not be there reaches as far as it is shown.
    let width = |c: char| if c == '\t' { 8 } else { 1 };
    let indent = |line: &str| -> usize { line.chars().take_while(|c| " \t".contains(*c)).map(width).sum() };
    let mut out = String::with_capacity(text.len());
    let mut inside = None;
    for (number, this) in (1u32..).zip(text.split_inclusive('\n')) {
        let blank = this.trim().is_empty();
        if number == line {
            inside = Some(indent(this));
            out.push('\n');
        } else if inside.is_some_and(|depth| number > line && (blank || indent(this) > depth)) {
            out.push('\n');
        } else {
            if number > line {
                inside = None;
            }
            out.push_str(this);
        }
    }
    out
}

struct Reader {
    builder: Builder,
    anchors: BTreeMap<usize, NodeId>,
    problems: Problems,
    documents: usize,
}

impl Reader {
    /// Takes one event. False when nothing behind it is wanted.
    fn event(&mut self, event: Event<'_>, mark: Mark) -> bool {
        let at = place(mark.start.line(), mark.start.col());
        match event {
            Event::DocumentStart { .. } => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problems.push(at, String::new, || {
                        "a second document in the file; put it in a file of its own. It is left out"
                            .to_owned()
                    });
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let node = if self.builder.awaits_key() {
                    self.key(&text, style, at);
                    None
                } else {
                    let scalar = self.scalar(&text, style, tag.as_deref(), at);
                    self.builder.scalar(scalar, at, &mut self.problems)
                };
                if let Some(node) = node.filter(|_| anchor > 0) {
                    self.anchors.insert(anchor, node);
                }
            }
            Event::SequenceStart(_, anchor, _) => self.open(false, anchor, at),
            Event::MappingStart(_, anchor, _) => self.open(true, anchor, at),
            Event::SequenceEnd | Event::MappingEnd => self.builder.close(&mut self.problems),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::UnresolvedAlias(_) => {
                let pointer = self.builder.pointer();
                self.problems.push(
                    at,
                    || pointer,
                    || "the alias has no anchor of its name before it; it is read as null".to_owned(),
                );
                self.nothing(at);
            }
            _ => {}
        }
        true
    }

    fn open(&mut self, is_map: bool, anchor: usize, at: Location) {
        if self.builder.awaits_key() {
            let pointer = self.builder.pointer();
            self.problems.push(
                at,
                || pointer,
                || "a key must be a string, not a list or an object; the entry is left out".to_owned(),
            );
            // The key itself is built aside and belongs to nothing.
            self.builder.key_aside();
        }
        let node = self.builder.open(is_map, at, &mut self.problems);
        if let Some(node) = node.filter(|_| anchor > 0) {
            self.anchors.insert(anchor, node);
        }
    }

    fn alias(&mut self, anchor: usize, at: Location) {
        let node = self.anchors.get(&anchor).copied();
        match node {
            Some(node) if self.builder.is_open(node) => {
                let pointer = self.builder.pointer();
                self.problems.push(
                    at,
                    || pointer,
                    || "the alias names what it is part of; it is read as null".to_owned(),
                );
                self.nothing(at);
            }
            Some(node) if !self.builder.awaits_key() => self.builder.alias(node),
            // An anchor on a key, or on what lies too deep, has no node.
            _ => self.nothing(at),
        }
    }

    fn nothing(&mut self, at: Location) {
        if self.builder.awaits_key() {
            self.builder.void_key(at);
        } else {
            self.builder.scalar(Scalar::Null, at, &mut self.problems);
        }
    }

    fn key(&mut self, text: &str, style: ScalarStyle, at: Location) {
        let span = self.builder.own(text);
        let merge = text == "<<" && style == ScalarStyle::Plain;
        self.builder.key(span, at, merge);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Location) -> Scalar {
        if let Some(tag) = tag {
            let core = tag.is_yaml_core_schema() || tag.suffix().is_empty();
            if !core {
                let pointer = self.builder.pointer();
                self.problems.push(
                    at,
                    || pointer,
                    || "the tag is not known; the value is read as a string".to_owned(),
                );
            }
            let plain = core && !matches!(tag.suffix(), "str" | "");
            if !plain {
                return Scalar::Text(self.builder.own(text));
            }
        } else if style != ScalarStyle::Plain {
            return Scalar::Text(self.builder.own(text));
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            _ if is_number(text) => Scalar::Number(self.builder.own(text)),
            _ => Scalar::Text(self.builder.own(text)),
        }
    }
}

/// Whether a plain scalar is a number (YAML 1.2.2 section 10.3.2).
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
    }
    if matches!(rest, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['-', '+']).unwrap_or(e);
            !e.is_empty() && digits(e)
        })
}

/// Whether a text of unknown kind is rather JSON: it begins as one.
pub(crate) fn looks_like_json(text: &str) -> bool {
    matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['))
}
