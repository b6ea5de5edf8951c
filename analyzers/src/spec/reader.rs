//! What reading any kind of specification needs: fields that may be of the wrong type, and references.
//!
//! Real documents violate the types of their specification, so nothing here fails: what is of another type is taken
//! where its meaning is clear, left out where it is not, and reported either way.

use std::collections::{BTreeMap, BTreeSet};

use super::Limits;
use super::document::{Cursor, Document, Field, Is, NodeId};
use super::problem::{Problems, shown};

/// References followed from one to the next.
const CHAIN: usize = 32;

/// Parts read beyond as many as the document has values.
const PARTS: usize = 1_000_000;

/// Reads one document.
pub(crate) struct Reader<'d> {
    pub(crate) document: &'d Document,
    pub(crate) problems: Problems,
    pub(crate) limits: Limits,
    /// Where references lead, so that each text is looked up once. `None`: nowhere.
    references: BTreeMap<&'d str, Option<NodeId>>,
    /// Places that `$anchor` names (JSON Schema 2020-12 section 8.2.2).
    anchors: Option<BTreeMap<&'d str, Cursor<'d>>>,
    /// References to other documents.
    pub(crate) external: u64,
    /// Parts that may still be read. References and aliases let one part be read any number of times.
    left: usize,
    /// Bytes of examples that may still be read.
    examples: usize,
    /// What has been told once and need not be told again.
    told: BTreeSet<String>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d Document, problems: Problems, limits: Limits) -> Self {
        Self {
            document,
            problems,
            references: BTreeMap::new(),
            anchors: None,
            external: 0,
            left: document.len() + PARTS,
            examples: limits.bytes,
            told: BTreeSet::new(),
            limits,
        }
    }

    /// Counts parts that are about to be read; false when there were too many.
    pub(crate) fn spend(&mut self, at: Cursor<'d>, parts: usize) -> bool {
        if let Some(left) = self.left.checked_sub(parts.max(1)) {
            self.left = left;
            return true;
        }
        if self.once("parts") {
            self.problems.at(at, || {
                "references or aliases make more of the document than can be read; what is behind them is left out"
                    .to_owned()
            });
        }
        self.left = 0;
        false
    }

    /// Counts the bytes of an example that is about to be read.
    pub(crate) fn spend_example(&mut self, bytes: usize) -> bool {
        let left = self.examples.checked_sub(bytes);
        self.examples = left.unwrap_or(0);
        left.is_some()
    }

    /// True the first time that it is asked about something.
    pub(crate) fn once(&mut self, what: &str) -> bool {
        self.told.len() < 1024 && self.told.insert(what.to_owned())
    }

    /// The text of a field. A number or boolean is taken as it is written: YAML makes numbers of versions and codes.
    pub(crate) fn text(&mut self, of: Cursor<'d>, key: &str) -> Option<&'d str> {
        let value = of.get(key)?;
        self.as_text(value, key)
    }

    /// The text of a node, as [`Self::text`] does it; `what` is how it is called.
    pub(crate) fn as_text(&mut self, value: Cursor<'d>, what: &str) -> Option<&'d str> {
        match value.is() {
            Is::Text => value.text(),
            Is::Null => None,
            Is::Number | Is::Bool => {
                let is = value.is().name();
                self.problems
                    .at(value, || format!("`{what}` is {is}; write it in double quotes"));
                value.number().or(Some(if value.bool() == Some(true) {
                    "true"
                } else {
                    "false"
                }))
            }
            _ => {
                self.expected(value, what, "a string");
                None
            }
        }
    }

    /// A boolean; false when it is not there.
    pub(crate) fn flag(&mut self, of: Cursor<'d>, key: &str) -> bool {
        self.maybe_flag(of, key).unwrap_or(false)
    }

    /// A boolean, if there is one. Strings that mean one are taken: `yes` and `on` were booleans in YAML 1.1.
    pub(crate) fn maybe_flag(&mut self, of: Cursor<'d>, key: &str) -> Option<bool> {
        let value = of.get(key)?;
        if let Some(flag) = value.bool() {
            return Some(flag);
        }
        let text = value.text().map(str::to_ascii_lowercase);
        let meant = match text.as_deref() {
            Some("true" | "yes" | "on" | "y") => true,
            Some("false" | "no" | "off" | "n") => false,
            _ if value.is() == Is::Null => return None,
            _ => {
                self.expected(value, key, "true or false");
                return None;
            }
        };
        self.problems.at(value, || {
            format!("`{key}` is a string; write {meant} without quotes")
        });
        Some(meant)
    }

    /// The entries of an object.
    pub(crate) fn object(&mut self, of: Cursor<'d>, key: &str) -> Vec<Field<'d>> {
        match of.get(key) {
            Some(value) => self.as_object(value, key),
            None => Vec::new(),
        }
    }

    /// The entries of a node that must be an object.
    pub(crate) fn as_object(&mut self, value: Cursor<'d>, what: &str) -> Vec<Field<'d>> {
        match value.is() {
            Is::Map if self.spend(value, value.fields().len()) => value.fields().collect(),
            Is::Map => Vec::new(),
            Is::Null => Vec::new(),
            _ => {
                self.expected(value, what, "an object");
                Vec::new()
            }
        }
    }

    /// The children of a list. A single value is taken as a list of one.
    pub(crate) fn list(&mut self, of: Cursor<'d>, key: &str) -> Vec<Cursor<'d>> {
        let Some(value) = of.get(key) else {
            return Vec::new();
        };
        match value.is() {
            Is::List if self.spend(value, value.items().len()) => value.items().collect(),
            Is::List => Vec::new(),
            Is::Null => Vec::new(),
            _ => {
                self.expected(value, key, "a list");
                if value.is() == Is::Map {
                    Vec::new()
                } else {
                    vec![value]
                }
            }
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&mut self, of: Cursor<'d>, key: &str) -> Vec<&'d str> {
        let items = self.list(of, key);
        items
            .into_iter()
            .filter_map(|item| self.as_text(item, key))
            .collect()
    }

    pub(crate) fn expected(&mut self, value: Cursor<'d>, what: &str, right: &str) {
        let is = value.is().name();
        self.problems
            .at(value, || format!("`{what}` is {is}; it must be {right}"));
    }

    /// What a node stands for: itself, or what its `$ref` leads to (OpenAPI, Reference Object). `None` where that is not
    /// in this document, or nowhere, both of which are reported.
    pub(crate) fn resolve(&mut self, from: Cursor<'d>) -> Option<Cursor<'d>> {
        let mut at = from;
        for _ in 0..CHAIN {
            let Some(reference) = at.get("$ref") else {
                return Some(at);
            };
            let Some(text) = reference.text() else {
                // A property or parameter of this name is no reference.
                return Some(at);
            };
            at = self.follow(text, reference)?;
        }
        self.problems.at(from, || {
            "the reference leads back to itself; let it name what holds something".to_owned()
        });
        None
    }

    fn follow(&mut self, text: &'d str, at: Cursor<'d>) -> Option<Cursor<'d>> {
        let known = self.references.get(text).copied();
        let found = match known {
            Some(found) => found,
            None => {
                let found = self.look_up(text, at);
                self.references.insert(text, found);
                found
            }
        };
        match found {
            Some(node) => Some(Cursor { node, ..at }),
            // The document is told of each place; what is in another document, only once.
            None if known.is_some() && text.starts_with('#') => {
                self.missing(text, at);
                None
            }
            None => None,
        }
    }

    fn look_up(&mut self, text: &'d str, at: Cursor<'d>) -> Option<NodeId> {
        let root = self.document.root()?;
        let Some(fragment) = text.strip_prefix('#') else {
            // Swagger 1.2 named models without a pointer, and generators still do.
            let bare = !text.contains(['/', '.', ':', '#']) && !text.is_empty();
            if bare && let Some(found) = root.get("definitions").and_then(|d| d.get(text)) {
                self.problems.at(at, || {
                    format!("`{0}` is no reference; write `#/definitions/{0}`", shown(text))
                });
                return Some(found.node);
            }
            self.external += 1;
            self.problems.at(at, || {
                let text = shown(text);
                format!("`{text}` is in another document, which is not read; bundle the documents into one")
            });
            return None;
        };
        let found = match fragment.strip_prefix('/') {
            Some(tokens) => tokens.split('/').try_fold(root, step),
            None if fragment.is_empty() => Some(root),
            None => self.anchor(fragment),
        };
        if found.is_none() {
            self.missing(text, at);
        }
        found.map(|found| found.node)
    }

    fn missing(&mut self, text: &str, at: Cursor<'d>) {
        self.problems.at(at, || {
            format!(
                "`{}` is not in this document; define it or correct the name",
                shown(text)
            )
        });
    }

    fn anchor(&mut self, name: &str) -> Option<Cursor<'d>> {
        let document = self.document;
        let anchors = self.anchors.get_or_insert_with(|| {
            let mut found = BTreeMap::new();
            for (key, value) in document.all_entries() {
                if matches!(key, "$anchor" | "$dynamicAnchor")
                    && let (Some(name), Some(parent)) = (value.text(), value.parent())
                {
                    found.entry(name).or_insert(parent);
                }
            }
            found
        });
        anchors.get(name).copied()
    }
}

/// One token of a JSON pointer in a fragment: percent-encoded (RFC 6901 section 6), then escaped (section 4).
fn step<'d>(at: Cursor<'d>, token: &str) -> Option<Cursor<'d>> {
    let token = if token.contains('%') {
        percent(token)
    } else {
        token.to_owned()
    };
    let token = token.replace("~1", "/").replace("~0", "~");
    match at.is() {
        Is::List => at.items().nth(token.parse().ok()?),
        _ => at.get(&token),
    }
}

/// Percent-decoding, once.
pub(crate) fn percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
