//! Builds a [`Document`] from the events of a parser, within the limits of depth and number.

use std::collections::BTreeSet;

use super::{Document, Entry, FEW, Is, NONE, Node, NodeId, Span, Value, escape};
use crate::spec::Limits;
use crate::spec::problem::{Location, Problems};

#[derive(Debug, Clone, Copy)]
struct Key {
    span: Span,
    at: Location,
    /// YAML's `<<`: the entries of the value belong to this object.
    merge: bool,
    /// A key that is no text: its value is left out.
    void: bool,
}

#[derive(Debug)]
struct Open {
    node: NodeId,
    pending: usize,
    is_map: bool,
    key: Option<Key>,
    /// Key of the last child.
    last: Span,
    /// It stands where a key must stand, and belongs to nothing.
    aside: bool,
}

/// Builds a [`Document`] from the events of a parser.
#[derive(Debug)]
pub(crate) struct Builder {
    document: Document,
    open: Vec<Open>,
    pending: Vec<(Option<Key>, NodeId)>,
    nodes: usize,
    depth: usize,
    /// Levels open beyond the limit of depth, which are passed over.
    skipped: usize,
    too_deep: bool,
    full: bool,
    aside: bool,
}

/// A scalar on its way into the tree.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Span),
    Text(Span),
}

impl Builder {
    /// `source` is the text that spans of [`Self::span`] refer to.
    pub(crate) fn new(source: String, limits: &Limits) -> Self {
        Self {
            document: Document {
                source,
                ..Document::default()
            },
            open: Vec::new(),
            pending: Vec::new(),
            nodes: limits.nodes.min(NONE as usize / 4),
            depth: limits.depth,
            skipped: 0,
            too_deep: false,
            full: false,
            aside: false,
        }
    }

    /// A range of the source.
    pub(crate) fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span {
            start: range.start as u32,
            len: (range.end - range.start) as u32,
        }
    }

    /// A text that is not in the source as it is.
    pub(crate) fn own(&mut self, text: &str) -> Span {
        let start = self.document.source.len() + self.document.extra.len();
        self.document.extra.push_str(text);
        Span {
            start: start as u32,
            len: text.len() as u32,
        }
    }

    /// Whether no more nodes are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether a value can come here that has no key yet.
    pub(crate) fn awaits_key(&self) -> bool {
        self.skipped == 0
            && self
                .open
                .last()
                .is_some_and(|open| open.is_map && open.key.is_none())
    }

    /// What is innermost: an object, a list, or nothing.
    pub(crate) fn inside(&self) -> Option<Is> {
        // What is beyond the limit of depth is told by the parser, which counts its brackets itself.
        self.open
            .last()
            .map(|open| if open.is_map { Is::Map } else { Is::List })
    }

    /// Where the innermost object or list begins.
    pub(crate) fn inside_at(&self) -> Option<Location> {
        self.open
            .last()
            .map(|o| self.document.nodes[o.node.0 as usize].at)
    }

    /// Whether an object (or a list) is open around what is innermost.
    pub(crate) fn has_outer(&self, kind: Is) -> bool {
        self.open.iter().any(|open| open.is_map == (kind == Is::Map))
    }

    pub(crate) fn is_open(&self, node: NodeId) -> bool {
        self.open.iter().any(|open| open.node == node)
    }

    pub(crate) fn depth(&self) -> usize {
        self.open.len() + self.skipped
    }

    pub(crate) fn skips(&self) -> bool {
        self.skipped > 0
    }

    pub(crate) fn has_root(&self) -> bool {
        self.document.root.is_some()
    }

    pub(crate) fn key(&mut self, span: Span, at: Location, merge: bool) {
        if self.skipped == 0
            && let Some(open) = self.open.last_mut()
        {
            let void = false;
            open.key = Some(Key {
                span,
                at,
                merge,
                void,
            });
        }
    }

    /// A key that cannot be used; its value is left out.
    pub(crate) fn void_key(&mut self, at: Location) {
        let span = Span { start: 0, len: 0 };
        if let Some(open) = self.open.last_mut() {
            let (merge, void) = (false, true);
            open.key = Some(Key {
                span,
                at,
                merge,
                void,
            });
        }
    }

    /// What is opened next stands in place of a key: neither it nor its value is kept.
    pub(crate) fn key_aside(&mut self) {
        self.aside = true;
    }

    pub(crate) fn scalar(&mut self, scalar: Scalar, at: Location, problems: &mut Problems) -> Option<NodeId> {
        if self.skipped > 0 {
            return None;
        }
        let node = self.node(
            match scalar {
                Scalar::Null => Value::Null,
                Scalar::Bool(value) => Value::Bool(value),
                Scalar::Number(span) => Value::Number(span),
                Scalar::Text(span) => Value::Text(span),
            },
            at,
            problems,
        )?;
        self.attach(node);
        Some(node)
    }

    /// Opens an object or a list.
    pub(crate) fn open(&mut self, is_map: bool, at: Location, problems: &mut Problems) -> Option<NodeId> {
        if self.skipped > 0 || self.open.len() >= self.depth {
            if !self.too_deep {
                self.too_deep = true;
                let depth = self.depth;
                problems.push(at, String::new, || {
                    format!("nested deeper than {depth} levels; what lies deeper is left out")
                });
            }
            if self.skipped == 0 {
                let node = self.node(Value::Null, at, problems)?;
                self.attach(node);
            }
            self.skipped += 1;
            return None;
        }
        let node = self.node(Value::Null, at, problems)?;
        self.attach(node);
        let pending = self.pending.len();
        self.open.push(Open {
            node,
            pending,
            is_map,
            key: None,
            last: Span { start: 0, len: 0 },
            aside: std::mem::take(&mut self.aside),
        });
        Some(node)
    }

    /// A second reference to a node that is complete.
    pub(crate) fn alias(&mut self, node: NodeId) {
        if self.skipped == 0 {
            self.attach(node);
        }
    }

    fn node(&mut self, value: Value, at: Location, problems: &mut Problems) -> Option<NodeId> {
        if self.spent() >= self.nodes {
            if !self.full {
                self.full = true;
                let nodes = self.nodes;
                problems.push(at, String::new, || {
                    format!("more than {nodes} values; what follows is left out")
                });
            }
            return None;
        }
        let id = NodeId(self.document.nodes.len() as u32);
        self.document.nodes.push(Node {
            value,
            at,
            parent: NONE,
            slot: 0,
        });
        Some(id)
    }

    /// Merged entries and aliases make no nodes, so references count as well.
    fn spent(&self) -> usize {
        let references = self.document.items.len() + self.document.entries.len() + self.pending.len();
        self.document.nodes.len().max(references)
    }

    fn attach(&mut self, node: NodeId) {
        match self.open.last_mut() {
            None => {
                self.document.root.get_or_insert(node);
            }
            Some(open) if open.is_map => {
                if let Some(key) = open.key.take() {
                    open.last = key.span;
                    self.pending.push((Some(key), node));
                }
            }
            Some(_) => self.pending.push((None, node)),
        }
    }

    /// Closes the innermost object or list.
    pub(crate) fn close(&mut self, problems: &mut Problems) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let Some(open) = self.open.pop() else {
            return;
        };
        let node = open.node.0;
        let value = if open.is_map {
            self.close_map(&open, problems)
        } else {
            let start = self.document.items.len() as u32;
            let children = self.pending.drain(open.pending..).map(|(_, child)| child);
            self.document.items.extend(children);
            let len = self.document.items.len() as u32 - start;
            for slot in 0..len {
                let child = self.document.items[(start + slot) as usize];
                self.adopt(child, node, slot);
            }
            Value::List { start, len }
        };
        self.document.nodes[node as usize].value = value;
        if open.aside {
            self.void_key(self.document.nodes[node as usize].at);
        }
    }

    fn adopt(&mut self, child: NodeId, parent: u32, slot: u32) {
        let child = &mut self.document.nodes[child.0 as usize];
        if child.parent == NONE {
            child.parent = parent;
            child.slot = slot;
        }
    }

    fn close_map(&mut self, open: &Open, problems: &mut Problems) -> Value {
        let start = self.document.entries.len() as u32;
        let mut merges = Vec::new();
        for (key, value) in self.pending.drain(open.pending..) {
            match key {
                Some(key) if key.merge => merges.push(value),
                Some(key) if !key.void => self.document.entries.push(Entry {
                    key: key.span,
                    at: key.at,
                    value,
                }),
                _ => {}
            }
        }
        for slot in start..self.document.entries.len() as u32 {
            self.adopt(
                self.document.entries[slot as usize].value,
                open.node.0,
                slot - start,
            );
        }
        if !merges.is_empty() {
            self.merge(start, merges);
        }
        let len = self.document.entries.len() as u32 - start;
        let entries = &self.document.entries[start as usize..];
        let text = |at: u32| self.document.text(entries[at as usize].key);
        let mut sorted: Vec<u32> = (0..len).collect();
        sorted.sort_by(|a, b| text(*a).cmp(text(*b)).then(a.cmp(b)));
        for pair in sorted.windows(2).filter(|pair| text(pair[0]) == text(pair[1])) {
            let (first, again) = (&entries[pair[0] as usize], &entries[pair[1] as usize]);
            problems.push(
                again.at,
                || self.pointer(),
                || {
                    let line = first.at.line;
                    format!(
                        "the same key is there already, on line {line}; keep one of them (the last one counts)"
                    )
                },
            );
        }
        let order = if len > FEW {
            let order = self.document.order.len() as u32;
            self.document.order.extend(sorted);
            order
        } else {
            NONE
        };
        Value::Map { start, len, order }
    }

    /// Adds the entries of objects named by `<<` that are not there (YAML 1.1 type `merge`, which authors of
    /// specifications use although YAML 1.2 does not have it).
    fn merge(&mut self, start: u32, merges: Vec<NodeId>) {
        let mut sources = Vec::new();
        for node in merges {
            match self.document.nodes[node.0 as usize].value {
                Value::List { start, len } => {
                    sources.extend_from_slice(&self.document.items[start as usize..(start + len) as usize]);
                }
                _ => sources.push(node),
            }
        }
        let mut known: BTreeSet<String> = self.document.entries[start as usize..]
            .iter()
            .map(|e| self.document.text(e.key).to_owned())
            .collect();
        for source in sources {
            let Value::Map { start, len, .. } = self.document.nodes[source.0 as usize].value else {
                continue;
            };
            for at in start..start + len {
                let entry = self.document.entries[at as usize];
                if self.spent() >= self.nodes {
                    return;
                }
                if known.insert(self.document.text(entry.key).to_owned()) {
                    self.document.entries.push(entry);
                }
            }
        }
    }

    /// The place of what is read: the key that awaits its value, else the last child of what is open innermost. Nodes know theirs only when their parents are closed.
    pub(crate) fn pointer(&self) -> String {
        let mut out = String::new();
        for (level, open) in self.open.iter().enumerate() {
            let next = self.open.get(level + 1);
            if let Some(key) = open.key.filter(|key| next.is_none() && !key.void) {
                out.push('/');
                out.push_str(&escape(self.document.text(key.span)));
                break;
            }
            let children = next.map_or(self.pending.len(), |next| next.pending) - open.pending;
            if children == 0 {
                break;
            }
            out.push('/');
            if open.is_map {
                out.push_str(&escape(self.document.text(open.last)));
            } else {
                out.push_str(&(children - 1).to_string());
            }
        }
        out
    }

    /// The tree, with everything closed that is open.
    pub(crate) fn finish(mut self, problems: &mut Problems) -> Document {
        self.skipped = 0;
        while !self.open.is_empty() {
            self.close(problems);
        }
        self.document
    }
}
