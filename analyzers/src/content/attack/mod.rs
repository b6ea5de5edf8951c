//! Attacks in a value, found by what an interpreter would make of it.
//!
//! One file a language: each takes a value apart as its interpreter does and asks whether it leaves its place in a sentence of
//! that language (a string ends and SQL goes on, a path climbs above its root), not whether it has a known string in it. So the
//! cheap question comes first: of which signs is the value made? Most have none that any language needs.

pub(crate) mod fetch;
pub(crate) mod filter;
pub(crate) mod line;
pub(crate) mod lookup;
pub(crate) mod markup;
pub(crate) mod object;
pub(crate) mod path;
pub(crate) mod shell;
pub(crate) mod sql;
pub(crate) mod template;
pub(crate) mod xml;

#[cfg(test)]
mod corpus;

use super::decode::Forms;
use super::inputs::{Input, Place, VALUE, plain};

/// What sort of attack it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Sql,
    Command,
    Traversal,
    Log,
    Template,
    Script,
    Xxe,
    Ssrf,
    Jndi,
    Ldap,
    Nosql,
    Deserialisation,
}

impl Class {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Sql,
        Self::Command,
        Self::Traversal,
        Self::Log,
        Self::Template,
        Self::Script,
        Self::Xxe,
        Self::Ssrf,
        Self::Jndi,
        Self::Ldap,
        Self::Nosql,
        Self::Deserialisation,
    ];

    /// The name used in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql_injection",
            Self::Command => "command_injection",
            Self::Traversal => "path_traversal",
            Self::Log => "log_injection",
            Self::Template => "template_injection",
            Self::Script => "script_injection",
            Self::Xxe => "xml_external_entity",
            Self::Ssrf => "ssrf",
            Self::Jndi => "jndi_lookup",
            Self::Ldap => "ldap_injection",
            Self::Nosql => "nosql_injection",
            Self::Deserialisation => "insecure_deserialisation",
        }
    }
}

/// What the answer would hold if it worked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Effect {
    /// Nothing beside what all of its class would.
    #[default]
    Usual,
    /// The answer comes after this many seconds.
    Delay(u64),
    /// This number, which the request does not hold.
    Product(u64),
    /// This text as it is, in a page.
    Echo(Vec<u8>),
}

/// An attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attack {
    pub(crate) class: Class,
    /// By what it was told: the form, in words.
    pub(crate) form: &'static str,
    pub(crate) effect: Effect,
}

impl Attack {
    pub(crate) fn new(class: Class, form: &'static str) -> Self {
        Self {
            class,
            form,
            effect: Effect::Usual,
        }
    }
}

/// One form of a value, with its letters in lower case beside it: both have the same places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) low: &'a [u8],
    pub(crate) signs: Signs,
    pub(crate) place: Place,
    pub(crate) name: &'a [u8],
    /// How many layers of coding were taken off before this form was seen.
    pub(crate) layer: usize,
}

/// Which signs a text has, a bit for each sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signs(u32);

impl Signs {
    pub(crate) const QUOTE: Self = Self(1);
    pub(crate) const DOUBLE: Self = Self(1 << 1);
    pub(crate) const LESS: Self = Self(1 << 2);
    pub(crate) const BRACE: Self = Self(1 << 3);
    pub(crate) const SEMI: Self = Self(1 << 4);
    pub(crate) const PIPE: Self = Self(1 << 5);
    pub(crate) const AND: Self = Self(1 << 6);
    pub(crate) const DOLLAR: Self = Self(1 << 7);
    pub(crate) const TICK: Self = Self(1 << 8);
    pub(crate) const OPEN: Self = Self(1 << 9);
    pub(crate) const CLOSE: Self = Self(1 << 10);
    pub(crate) const BACK: Self = Self(1 << 11);
    pub(crate) const PERCENT: Self = Self(1 << 12);
    pub(crate) const BREAK: Self = Self(1 << 13);
    pub(crate) const EQUALS: Self = Self(1 << 14);
    pub(crate) const SLASH: Self = Self(1 << 15);
    pub(crate) const HIGH: Self = Self(1 << 16);
    pub(crate) const SPACE: Self = Self(1 << 17);
    pub(crate) const SHARP: Self = Self(1 << 18);
    pub(crate) const COLON: Self = Self(1 << 19);
    /// What fields of the head are full of.
    const ORDINARY: Self = Self(Self::SLASH.0 | Self::OPEN.0 | Self::CLOSE.0 | Self::SEMI.0);
    /// Any of them makes a value worth a closer look.
    const TELLING: Self = Self(0x0001_ffff & !(1 << 14) | 1 << 18);

    /// What bodies of JSON have in their strings only.
    pub(crate) const FOREIGN_TO_JSON: Self =
        Self(Self::TELLING.0 & !(Self::DOUBLE.0 | Self::BRACE.0 | Self::BREAK.0) | Self::EQUALS.0);

    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = match byte as u8 {
                b'\'' => Self::QUOTE.0,
                b'"' => Self::DOUBLE.0,
                b'<' => Self::LESS.0,
                b'{' => Self::BRACE.0,
                b';' => Self::SEMI.0,
                b'|' => Self::PIPE.0,
                b'&' => Self::AND.0,
                b'$' => Self::DOLLAR.0,
                b'`' => Self::TICK.0,
                b'(' => Self::OPEN.0,
                b')' => Self::CLOSE.0,
                b'\\' => Self::BACK.0,
                b'%' => Self::PERCENT.0,
                0x7f | 0..=8 | 10..=31 => Self::BREAK.0,
                b'=' => Self::EQUALS.0,
                b'/' => Self::SLASH.0,
                0x80.. => Self::HIGH.0,
                b' ' | b'\t' | b'+' => Self::SPACE.0,
                b'#' => Self::SHARP.0,
                b':' => Self::COLON.0,
                _ => 0,
            };
            byte += 1;
        }
        table
    };

    pub(crate) fn of(text: &[u8]) -> Self {
        let (blocks, rest) = text.as_chunks::<4>();
        let mut bits = [0; 4];
        for block in blocks {
            for (bits, byte) in bits.iter_mut().zip(block) {
                *bits |= Self::TABLE[usize::from(*byte)];
            }
        }
        for byte in rest {
            bits[0] |= Self::TABLE[usize::from(*byte)];
        }
        Self(bits[0] | bits[1] | bits[2] | bits[3])
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has any of these.
    pub(crate) fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Whether it has all of these.
    pub(crate) fn all(self, of: Self) -> bool {
        self.0 & of.0 == of.0
    }
}

/// Whether a value may be an attack at all, by what it is made of.
fn may_be(input: &Input<'_>, signs: Signs) -> bool {
    match input.place {
        // Programs put what they like into these; but loggers read them.
        Place::OtherField => signs.any(Signs::DOLLAR.or(Signs::PERCENT).or(Signs::BACK)),
        // The slashes of a path are its own, and segments are looked at by themselves.
        Place::Path => {
            signs.any(Signs::PERCENT.or(Signs::BACK).or(Signs::DOLLAR).or(Signs::HIGH))
                || memchr::memmem::find(input.value, b"..").is_some()
        }
        // Browsers tell who they are with brackets and semicolons.
        Place::Field if input.value.starts_with(b"Mozilla/") => {
            signs.any(Signs(Signs::TELLING.0 & !Signs::ORDINARY.0))
        }
        // Programs tell theirs with a slash.
        Place::Field => {
            signs.any(Signs(Signs::TELLING.0 & !Signs::SLASH.0))
                || signs.any(Signs::SLASH)
                    && (input.value[0] == b'/'
                        || memchr::memmem::find(input.value, b"..").is_some()
                        || memchr::memmem::find(input.value, b"://").is_some())
        }
        _ => {
            signs.any(Signs::TELLING)
                // Words of SQL behind a number; nothing but letters and spaces.
                || signs.any(Signs::SPACE) && input.value[0].is_ascii_digit()
                || matches!(input.value[0], b'-' | b'!')
                || signs.any(Signs::SPACE) && input.value.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"null"))
        }
    }
}

/// The attack that a value is, if it is one.
pub(crate) fn look(input: &Input<'_>, forms: &mut Forms) -> Option<Attack> {
    let signs = Signs::of(input.value);
    if !may_be(input, signs) {
        // Without any sign it may be code for something else.
        let coded = !matches!(input.place, Place::Path | Place::OtherField | Place::Segment)
            && input.value.len() >= 16
            && object::may_be_coded(input.value);
        return coded
            .then(|| object::coded(input.value, input.place, input.name))
            .flatten();
    }
    if input.place == Place::Xml {
        return xml::look(input.value);
    }
    if input.place == Place::OtherField {
        let text = input.value.get(..VALUE).unwrap_or(input.value);
        return forms
            .read(text, false)
            .iter()
            .find_map(|form| lookup::look(&form.to_ascii_lowercase()));
    }
    let whole = plain(input);
    let value = match whole.len() > VALUE {
        true => &whole[..VALUE],
        false => &whole,
    };
    for (layer, form) in forms.read(value, input.plus).iter().enumerate() {
        let low = form.to_ascii_lowercase();
        let text = Text {
            raw: form,
            low: &low,
            signs: Signs::of(form),
            place: input.place,
            name: input.name,
            layer,
        };
        if let Some(found) = look_form(&text) {
            return Some(found);
        }
    }
    None
}

fn look_form(text: &Text<'_>) -> Option<Attack> {
    // What stands for itself wherever it is.
    if let Some(found) = lookup::look(text.low) {
        return Some(found);
    }
    if text.place == Place::Path {
        return path::look(text);
    }
    if let Some(found) = object::look(text) {
        return Some(found);
    }
    // A whole program, document or query in a field that is made for one is no attack on it.
    if is_language(text) {
        return None;
    }
    // A URL is read by its parts, as the one who fetches it would; its own signs (`&`, `=`, `;`) say nothing.
    if let Some(found) = fetch::look(text) {
        return Some(found);
    }
    line::look(text)
        .or_else(|| xml::inside(text))
        .or_else(|| template::look(text))
        .or_else(|| filter::look(text))
        .or_else(|| sql::look(text))
        .or_else(|| shell::look(text))
        .or_else(|| path::look(text))
        .or_else(|| markup::look(text))
}

/// Whether the field is made for text in a language of programs.
fn is_language(text: &Text<'_>) -> bool {
    const NAMES: [&[u8]; 26] = [
        b"sql",
        b"statement",
        b"command",
        b"cmd",
        b"code",
        b"script",
        b"source",
        b"source_code",
        b"diff",
        b"patch",
        b"snippet",
        b"expression",
        b"expr",
        b"regex",
        b"regexp",
        b"pattern",
        b"formula",
        b"old_string",
        b"new_string",
        b"old_str",
        b"new_str",
        b"file_text",
        b"bash",
        b"python",
        b"latex",
        b"template",
    ];
    matches!(text.place, Place::Json | Place::Tool)
        && NAMES.iter().any(|name| name.eq_ignore_ascii_case(text.name))
}

/// Whether a text is prose: words of a language of people in a row.
pub(crate) fn is_prose(text: &[u8]) -> bool {
    words(text) > 3
}

/// Words of letters between spaces, of two letters and more.
pub(crate) fn words(text: &[u8]) -> usize {
    text.split(|b| b.is_ascii_whitespace())
        .map(|word| word.trim_ascii_end())
        .filter(|word| {
            let word = match word.last() {
                Some(b',' | b'.' | b':' | b';' | b'!' | b'?') => &word[..word.len() - 1],
                _ => word,
            };
            word.len() >= 2
                && word
                    .iter()
                    .all(|b| b.is_ascii_alphabetic() || *b >= 0x80 || *b == b'\'')
        })
        .count()
}

/// Whether a text is a document rather than a value: of several lines, or long and of words.
pub(crate) fn is_document(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', text).nth(2).is_some() || text.len() > 160 && words(text) > 16
}

/// Whether `text` has `what` in it.
pub(crate) fn has(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

/// Whether the letters of a word stand at `at` with none before or behind them.
pub(crate) fn is_word_at(text: &[u8], at: usize, length: usize) -> bool {
    let part = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    !part(at.checked_sub(1).and_then(|before| text.get(before))) && !part(text.get(at + length))
}
