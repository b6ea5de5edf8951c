//! The accepted state: a file in git that says how each endpoint was when somebody looked at it and agreed.
//!
//! Entries are sorted and lists have a line for each word when they are long, so that a change reads as one in a diff. The
//! whole file is ours: comments in it do not last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::state::{About, Facts, State};
use crate::config::{place, quoted};
use crate::exit::Failure;

/// An accepted endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) facts: Facts,
    /// Who accepted it, when, and why.
    pub(crate) by: String,
    pub(crate) when: String,
    pub(crate) why: String,
}

/// All accepted endpoints by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) entries: BTreeMap<String, Entry>,
}

/// Names that every entry has.
const NAMES: [&str; 3] = ["host", "method", "template"];

const HEAD: &str = "# How endpoints were when they were accepted. Written by `tapline accept`, read by `tapline check\n\
                    # --accepted`: change it with these.\n";

impl Accepted {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has a mistake.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|cause| {
            Failure::usage(anyhow::anyhow!(
                "cannot read the accepted state {name}: {cause}; `tapline accept` makes it"
            ))
        })?;
        Self::read(&text).map_err(|(at, what)| {
            let (line, column) = place(&text, at);
            Failure::usage(anyhow::anyhow!("{name}:{line}:{column}: {what}"))
        })
    }

    fn read(text: &str) -> Result<Self, (usize, String)> {
        let root = DeTable::parse(text).map_err(|e| {
            let at = e.span().map_or(0, |s| s.start);
            (
                at,
                format!("is not TOML here: {}", e.message().trim().replace('\n', ", ")),
            )
        })?;
        let mut own = Self::default();
        for (name, value) in root.get_ref() {
            let at = name.span().start;
            let DeValue::Array(list) = value.get_ref() else {
                return Err((
                    at,
                    format!("`{}` is not known here; write [[endpoint]]", name.get_ref()),
                ));
            };
            if name.get_ref() != "endpoint" {
                return Err((
                    at,
                    format!("`{}` is not known here; write [[endpoint]]", name.get_ref()),
                ));
            }
            for item in list.iter() {
                let (id, entry) = entry(item)?;
                if own.entries.insert(id.clone(), entry).is_some() {
                    return Err((
                        item.span().start,
                        format!("endpoint {id} is there twice; keep one"),
                    ));
                }
            }
        }
        Ok(own)
    }

    /// The state that was accepted.
    pub(crate) fn state(&self) -> State {
        let all = self.entries.iter().map(|(id, e)| (id.clone(), e.facts.clone()));
        State {
            all: BTreeMap::from([(About::Endpoint, all.collect())]),
            last: None,
        }
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let mut sorted: Vec<(&String, &Entry)> = self.entries.iter().collect();
        sorted.sort_by_key(|(id, e)| {
            let name = |sort| e.facts.name(sort).to_owned();
            (name("host"), name("template"), name("method"), (*id).clone())
        });
        let mut out = String::from(HEAD);
        for (id, entry) in sorted {
            let _ = writeln!(out, "\n[[endpoint]]\nid = {}", quoted(id));
            for name in NAMES {
                let _ = writeln!(out, "{name} = {}", quoted(entry.facts.name(name)));
            }
            for (name, words) in &entry.facts.facts {
                let _ = writeln!(out, "{name} = {}", list(words));
            }
            for (name, text) in [("by", &entry.by), ("when", &entry.when), ("why", &entry.why)] {
                if !text.is_empty() {
                    let _ = writeln!(out, "{name} = {}", quoted(text));
                }
            }
        }
        out
    }
}

fn entry(item: &Spanned<DeValue<'_>>) -> Result<(String, Entry), (usize, String)> {
    let at = item.span().start;
    let DeValue::Table(table) = item.get_ref() else {
        return Err((at, "an endpoint is a section; write [[endpoint]]".into()));
    };
    let (mut id, mut facts) = (String::new(), Facts::default());
    let (mut by, mut when, mut why) = (String::new(), String::new(), String::new());
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        match (key, value.get_ref()) {
            ("id", DeValue::String(text)) => id = text.to_string(),
            ("by", DeValue::String(text)) => by = text.to_string(),
            ("when", DeValue::String(text)) => when = text.to_string(),
            ("why", DeValue::String(text)) => why = text.to_string(),
            (name, DeValue::String(text)) if NAMES.contains(&name) => {
                facts.names.insert(name.to_owned(), text.to_string());
            }
            (name, DeValue::Array(items)) if !NAMES.contains(&name) => {
                let mut words = BTreeSet::new();
                for item in items.iter() {
                    match item.get_ref() {
                        DeValue::String(text) => words.insert(text.to_string()),
                        _ => return Err((item.span().start, format!("`{name}` is a list of texts"))),
                    };
                }
                if !words.is_empty() {
                    facts.facts.insert(name.to_owned(), words);
                }
            }
            (name, _) => {
                return Err((
                    value.span().start,
                    format!("`{name}` is not of the form that `tapline accept` writes"),
                ));
            }
        }
    }
    if id.is_empty() {
        return Err((at, "this endpoint has no `id`".into()));
    }
    Ok((id, Entry { facts, by, when, why }))
}

/// A list on one line while it is short.
fn list(words: &BTreeSet<String>) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let line = format!("[{}]", words.join(", "));
    if line.len() <= 90 || words.len() < 2 {
        return line;
    }
    let mut out = String::from("[\n");
    for word in words {
        let _ = writeln!(out, "    {word},");
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_is_sorted() {
        let entry = |template: &str, words: &[&str]| {
            let mut facts = Facts::default();
            for (sort, name) in [("host", "a.example"), ("method", "GET"), ("template", template)] {
                facts.names.insert(sort.into(), name.into());
            }
            let words = words.iter().map(|w| (*w).to_owned()).collect();
            facts.facts.insert("auth".into(), words);
            Entry {
                facts,
                by: "ana".into(),
                when: "2026-10-06".into(),
                why: "it is \"meant\" so\nsays the team".into(),
            }
        };
        let long: Vec<String> = (0..30).map(|n| format!("scheme-{n}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let accepted = Accepted {
            entries: BTreeMap::from([
                ("1".to_owned(), entry("/z", &["jwt"])),
                ("2".to_owned(), entry("/a", &long)),
            ]),
        };
        let text = accepted.text();
        assert!(text.find("/a").unwrap() < text.find("/z").unwrap(), "{text}");
        assert!(text.contains("    \"scheme-7\",\n"), "{text}");
        let again = Accepted::read(&text).unwrap();
        assert_eq!(again.text(), text);
        assert_eq!(again.state(), accepted.state());
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, at, wanted) in [
            ("[[endpoint]]\nhost = \"a\"\n", 0, "has no `id`"),
            ("[[endpoints]]\nid = \"a\"\n", 2, "write [[endpoint]]"),
            (
                "[[endpoint]]\nid = \"a\"\nauth = \"jwt\"\n",
                29,
                "`auth` is not of the form",
            ),
            (
                "[[endpoint]]\nid = \"a\"\n[[endpoint]]\nid = \"a\"\n",
                22,
                "is there twice",
            ),
            ("[[endpoint]\n", 11, "is not TOML"),
        ] {
            let (place, what) = Accepted::read(text).unwrap_err();
            assert!(what.contains(wanted), "{text}: {what}");
            assert_eq!(place, at, "{text}: {what}");
        }
    }
}
