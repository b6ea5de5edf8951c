//! A document as a tree that knows where each of its parts stands in the text.
//!
//! JSON and YAML both come to this. The tree lies in a few flat tables, so that nothing recurses: building, dropping
//! and asking for the place of a node take no stack, however deep the document is. A YAML alias is a second reference
//! to one node and not a copy, so a bomb of aliases takes no more memory than its text.

use super::problem::{Location, Problems, shown};

mod builder;

pub(crate) use builder::{Builder, Scalar};

/// A node of a [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

/// A text of the document: a range of its source, or of what was unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Null,
    Bool(bool),
    Number(Span),
    Text(Span),
    List {
        start: u32,
        len: u32,
    },
    /// `order` is where the entries sorted by key begin in [`Document::order`], for those with many.
    Map {
        start: u32,
        len: u32,
        order: u32,
    },
}

/// Entries up to which a map is searched from the start.
const FEW: u32 = 8;
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    value: Value,
    at: Location,
    parent: u32,
    /// Which child of its parent it is.
    slot: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Span,
    at: Location,
    value: NodeId,
}

/// The tree.
#[derive(Debug, Default)]
pub(crate) struct Document {
    source: String,
    extra: String,
    nodes: Vec<Node>,
    items: Vec<NodeId>,
    entries: Vec<Entry>,
    order: Vec<u32>,
    root: Option<NodeId>,
}

impl Document {
    pub(crate) fn root(&self) -> Option<Cursor<'_>> {
        self.root.map(|node| Cursor { document: self, node })
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Every node that has a key, with the key, in the order of the text.
    pub(crate) fn all_entries(&self) -> impl Iterator<Item = (&str, Cursor<'_>)> {
        self.entries.iter().map(|entry| {
            let cursor = Cursor {
                document: self,
                node: entry.value,
            };
            (self.text(entry.key), cursor)
        })
    }

    fn text(&self, span: Span) -> &str {
        let start = span.start as usize;
        let (text, start) = match start.checked_sub(self.source.len()) {
            None => (&self.source, start),
            Some(start) => (&self.extra, start),
        };
        text.get(start..start + span.len as usize).unwrap_or("")
    }
}

/// What a node is, for messages and for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Null,
    Bool,
    Number,
    Text,
    List,
    Map,
}

impl Is {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Map => "an object",
        }
    }
}

/// A node with the document it is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'d> {
    pub(crate) document: &'d Document,
    pub(crate) node: NodeId,
}

/// An entry of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'d> {
    pub(crate) key: &'d str,
    /// Where the key stands.
    pub(crate) at: Location,
    pub(crate) value: Cursor<'d>,
}

impl<'d> Cursor<'d> {
    fn node(self) -> &'d Node {
        &self.document.nodes[self.node.0 as usize]
    }

    fn at_node(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    pub(crate) fn at(self) -> Location {
        self.node().at
    }

    pub(crate) fn is(self) -> Is {
        match self.node().value {
            Value::Null => Is::Null,
            Value::Bool(_) => Is::Bool,
            Value::Number(_) => Is::Number,
            Value::Text(_) => Is::Text,
            Value::List { .. } => Is::List,
            Value::Map { .. } => Is::Map,
        }
    }

    pub(crate) fn text(self) -> Option<&'d str> {
        match self.node().value {
            Value::Text(span) => Some(self.document.text(span)),
            _ => None,
        }
    }

    /// A number as it is written: no precision is lost, and one of a million digits is never worked out.
    pub(crate) fn number(self) -> Option<&'d str> {
        match self.node().value {
            Value::Number(span) => Some(self.document.text(span)),
            _ => None,
        }
    }

    pub(crate) fn bool(self) -> Option<bool> {
        match self.node().value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Children of a list; nothing for other nodes.
    pub(crate) fn items(self) -> impl ExactSizeIterator<Item = Self> + Clone {
        let range = match self.node().value {
            Value::List { start, len } => start as usize..(start + len) as usize,
            _ => 0..0,
        };
        self.document.items[range]
            .iter()
            .map(move |node| self.at_node(*node))
    }

    /// Entries of an object as they are written, those with a key that comes again too; nothing for other nodes.
    pub(crate) fn fields(self) -> impl ExactSizeIterator<Item = Field<'d>> + Clone {
        let range = match self.node().value {
            Value::Map { start, len, .. } => start as usize..(start + len) as usize,
            _ => 0..0,
        };
        self.document.entries[range].iter().map(move |entry| Field {
            key: self.document.text(entry.key),
            at: entry.at,
            value: self.at_node(entry.value),
        })
    }

    /// The value of a key, the last one where it comes more than once, as JavaScript has it.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        let Value::Map { start, len, order } = self.node().value else {
            return None;
        };
        let entries = &self.document.entries[start as usize..(start + len) as usize];
        let found = if order == NONE {
            entries.iter().rev().find(|e| self.document.text(e.key) == key)
        } else {
            let order = &self.document.order[order as usize..(order + len) as usize];
            let behind = order.partition_point(|at| self.document.text(entries[*at as usize].key) <= key);
            let at = *order.get(behind.checked_sub(1)?)?;
            entries
                .get(at as usize)
                .filter(|e| self.document.text(e.key) == key)
        };
        found.map(|entry| self.at_node(entry.value))
    }

    /// Where the key stands that this is the value of, else the value itself.
    pub(crate) fn key_at(self) -> Location {
        let node = self.node();
        match self.document.nodes.get(node.parent as usize).map(|n| n.value) {
            Some(Value::Map { start, .. }) => self.document.entries[(start + node.slot) as usize].at,
            _ => node.at,
        }
    }

    /// What it is part of.
    pub(crate) fn parent(self) -> Option<Self> {
        let parent = self.node().parent;
        (parent != NONE).then(|| self.at_node(NodeId(parent)))
    }

    /// The place as a JSON pointer (RFC 6901).
    pub(crate) fn pointer(self) -> String {
        let mut tokens = Vec::new();
        let mut node = self.node();
        // Parents were opened before their children, so this ends at the root.
        while let Some(parent) = self.document.nodes.get(node.parent as usize) {
            tokens.push(match parent.value {
                Value::Map { start, .. } => {
                    let entry = &self.document.entries[(start + node.slot) as usize];
                    escape(self.document.text(entry.key))
                }
                _ => node.slot.to_string(),
            });
            node = parent;
        }
        tokens
            .iter()
            .rev()
            .fold(String::new(), |out, token| out + "/" + token)
    }
}

/// A key as a token of a JSON pointer, cut where it is of no use to anybody.
pub(crate) fn escape(key: &str) -> String {
    shown(key).replace('~', "~0").replace('/', "~1")
}

/// A problem at a node.
impl Problems {
    pub(crate) fn at(&mut self, cursor: Cursor<'_>, message: impl FnOnce() -> String) {
        self.push(cursor.at(), || cursor.pointer(), message);
    }

    /// A problem with the key of a node.
    pub(crate) fn at_key(&mut self, cursor: Cursor<'_>, message: impl FnOnce() -> String) {
        self.push(cursor.key_at(), || cursor.pointer(), message);
    }
}
