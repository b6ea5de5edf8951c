//! Which operation a method and a path belong to.
//!
//! A trie of segments. A text beats a mixture of texts and parameters, that beats a parameter, that beats a parameter that
//! holds all the rest, from left to right (OpenAPI, Paths Object: "concrete (non-templated) paths would be matched before
//! their templated counterparts"). Looking up takes no longer than the path has segments but where several templates
//! suit a beginning and none the end, and then a bounded number of steps.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::template::{PathTemplate, Piece, TemplateSegment, suits};
use crate::privacy::segment;

/// Nodes visited in one search.
const STEPS: usize = 4096;

#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    literals: BTreeMap<String, usize>,
    /// Mixtures, those with the longest texts first.
    mixed: Vec<(Vec<Piece>, usize)>,
    parameter: Option<usize>,
    rest: Vec<Leaf>,
    leaves: Vec<Leaf>,
}

/// An operation at the end of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Empty: whatever the method.
    pub(crate) method: String,
    /// Index of the operation.
    pub(crate) operation: usize,
    /// Its path ends in a slash.
    slash: bool,
}

/// The paths of one document, or of those of its operations that have the same servers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Paths {
    nodes: Vec<Node>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit<'a> {
    /// The operation.
    Operation(usize),
    /// The path is there, the method is not.
    Path(&'a [Leaf]),
    /// Nothing.
    Nothing,
}

impl Paths {
    pub(crate) fn insert(&mut self, path: &PathTemplate, method: &str, operation: usize) {
        let leaf = Leaf {
            method: method.to_owned(),
            operation,
            slash: path.ends_in_slash(),
        };
        let mut at = 0;
        for segment in path.segments() {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                TemplateSegment::Literal(text) => *node.literals.entry(text.clone()).or_insert(next),
                TemplateSegment::Parameter(_) => *node.parameter.get_or_insert(next),
                TemplateSegment::Rest(_) => {
                    node.rest.push(leaf);
                    return;
                }
                TemplateSegment::Mixed(pieces) => node.mixed(pieces, next),
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].leaves.push(leaf);
    }

    /// The operation of a path. A template that has the method is preferred to a more concrete one that does not.
    pub(crate) fn find(&self, method: &str, slash: bool, path: &[Cow<'_, str>]) -> Hit<'_> {
        let mut search = Search {
            paths: self,
            method,
            slash,
            path,
            steps: STEPS,
            other: &[],
        };
        match search.at(0, 0) {
            Some(operation) => Hit::Operation(operation),
            None if search.other.is_empty() => Hit::Nothing,
            None => Hit::Path(search.other),
        }
    }
}

impl Paths {
    /// The operation of a path, or one that it has with another method; whether it was of the method.
    pub(crate) fn nearest(&self, method: &str, path: &[Cow<'_, str>]) -> Option<(usize, bool)> {
        match self.find(method, false, path) {
            Hit::Operation(operation) => Some((operation, true)),
            Hit::Path(leaves) => leaves.first().map(|leaf| (leaf.operation, false)),
            Hit::Nothing => None,
        }
    }
}

impl Node {
    fn mixed(&mut self, pieces: &[Piece], next: usize) -> usize {
        let names_apart = |of: &[Piece]| -> Vec<Option<String>> {
            of.iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => Some(text.clone()),
                    Piece::Parameter(_) => None,
                })
                .collect()
        };
        let wanted = names_apart(pieces);
        if let Some((_, at)) = self.mixed.iter().find(|(known, _)| names_apart(known) == wanted) {
            return *at;
        }
        let weight = |of: &[Piece]| -> usize {
            of.iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => text.len(),
                    Piece::Parameter(_) => 0,
                })
                .sum()
        };
        let place = self
            .mixed
            .partition_point(|(known, _)| weight(known) >= weight(pieces));
        self.mixed.insert(place, (pieces.to_vec(), next));
        next
    }

    /// Whether verbs behind a colon are told apart here: `{id}:cancel`.
    fn has_verbs(&self) -> bool {
        self.mixed
            .iter()
            .any(|(pieces, _)| matches!(pieces.last(), Some(Piece::Literal(text)) if text.starts_with(':')))
    }
}

struct Search<'a, 'p> {
    paths: &'a Paths,
    method: &'p str,
    slash: bool,
    path: &'p [Cow<'p, str>],
    steps: usize,
    /// Operations with other methods, of the best template.
    other: &'a [Leaf],
}

impl<'a> Search<'a, '_> {
    /// Depth is that of the trie, which is bounded.
    fn at(&mut self, node: usize, depth: usize) -> Option<usize> {
        self.steps = self.steps.checked_sub(1)?;
        let node = &self.paths.nodes[node];
        let Some(name) = self.path.get(depth) else {
            return self.leaf(&node.leaves);
        };
        if let Some(next) = node.literals.get(name.as_ref())
            && let Some(found) = self.at(*next, depth + 1)
        {
            return Some(found);
        }
        for (pieces, next) in &node.mixed {
            if suits(pieces, name)
                && let Some(found) = self.at(*next, depth + 1)
            {
                return Some(found);
            }
        }
        // Where verbs are declared, another verb is another operation and no part of the id before it.
        let other_verb = node.has_verbs() && segment::verb(name).1.is_some();
        if let Some(next) = node.parameter
            && !other_verb
            && let Some(found) = self.at(next, depth + 1)
        {
            return Some(found);
        }
        self.leaf(&node.rest)
    }

    /// The operation of the method, the one that ends as the path does when there are two; else the one for every method.
    fn leaf(&mut self, leaves: &'a [Leaf]) -> Option<usize> {
        let of = |method: &str| {
            let mut of = leaves.iter().filter(|leaf| leaf.method == method);
            let first = of.clone().next();
            of.find(|leaf| leaf.slash == self.slash).or(first)
        };
        let found = of(self.method).or_else(|| of("")).map(|leaf| leaf.operation);
        if found.is_none() && self.other.is_empty() {
            self.other = leaves;
        }
        found
    }
}
