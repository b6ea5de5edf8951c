//! The paths of one host, as they were proven: every name with what lies below it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::judge::Verdict;
use super::route::{Standing, standing};
use super::steps::{Form, Steps, append};
use crate::id::Id;
use crate::privacy::segment::Segment;

/// The edge that all values of a place share.
pub(crate) const VALUES: &str = "{}";

/// Names kept at one place that are no values.
const NAMES: usize = 512;

/// Names at one place, all of them values, that are kept apart before only [`SAMPLED`] are. With them the place can be
/// judged again, and parted again.
pub(crate) const MANY: usize = 48;

/// Names kept apart at a place that has many values.
pub(crate) const SAMPLED: usize = 16;

/// Nodes in the tree of one host.
const NODES: usize = 16_384;

/// Places of a host that has few: they are judged as soon as something is new.
const FEW: usize = 32;

/// Names kept apart at a place that has many values because they are odd.
const ODD: usize = 16;

/// Operations below one path.
const OPERATIONS: usize = 512;

/// Different values of a parameter that are remembered as hashes.
const DIFFERENT: usize = 32;

/// What the values of one parameter were, as a bottom-k sketch of different values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Values {
    /// Sorted by hash.
    sample: Vec<(u32, Segment)>,
}

impl Values {
    fn insert(&mut self, hash: u32, kind: Segment) {
        if self.sample.len() >= DIFFERENT && self.sample.last().is_some_and(|(last, _)| hash >= *last) {
            return;
        }
        if let Err(at) = self.sample.binary_search_by_key(&hash, |(hash, _)| *hash) {
            self.sample.truncate(DIFFERENT - 1);
            self.sample.insert(at.min(self.sample.len()), (hash, kind));
        }
    }

    pub(crate) fn absorb(&mut self, other: &Self) {
        other
            .sample
            .iter()
            .for_each(|(hash, kind)| self.insert(*hash, *kind));
    }

    /// How many different values there were: exact while there are few, an estimate after that (Bar-Yossef et al.,
    /// "Counting distinct elements in a data stream", RANDOM 2002, algorithm 2).
    pub(crate) fn distinct(&self) -> u64 {
        match self.sample.last() {
            Some((largest, _)) if self.sample.len() >= DIFFERENT => {
                ((DIFFERENT as f64 - 1.0) / ((f64::from(*largest) + 1.0) / (f64::from(u32::MAX) + 1.0)))
                    as u64
            }
            _ => self.sample.len() as u64,
        }
    }

    /// Kinds, with the number of different values in the sample.
    pub(crate) fn kinds(&self) -> BTreeMap<Segment, usize> {
        let mut kinds = BTreeMap::new();
        for (_, kind) in &self.sample {
            *kinds.entry(*kind).or_default() += 1;
        }
        kinds
    }

    pub(crate) fn len(&self) -> usize {
        self.sample.len()
    }

    fn has_kind(&self, kind: Segment) -> bool {
        self.sample.iter().any(|(_, k)| *k == kind)
    }
}

/// A method, and an operation where a path has many, that was proven to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leaf {
    pub(crate) method: String,
    /// What follows the `#` of a template; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) operation: String,
    pub(crate) id: Id,
}

/// A place in a path, and all that lies below it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Names, fixed steps, and [`VALUES`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) below: BTreeMap<String, Node>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaves: Vec<Leaf>,
    /// Of an edge [`VALUES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) values: Option<Box<Values>>,
    /// Values among the names with this hash or a larger one are not kept apart here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    /// The same of all names that are not reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cap: Option<u32>,
    /// Names that are kept apart all the same: what was answered there is not what values are answered with.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    odd: BTreeSet<String>,
}

/// The id of a leaf by method and path.
pub(crate) type Make<'a> = dyn Fn(&str, &str) -> Id + 'a;

/// A leaf that is counted elsewhere from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: Id,
    pub(crate) to: Id,
    pub(crate) method: String,
    /// The path of its new place with its operation, as ids are made of it.
    pub(crate) path: String,
}

/// The paths of one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// What was found of places, by the template before them.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
    /// Endpoints below a template that somebody declared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) declared: BTreeMap<String, Vec<Leaf>>,
    nodes: usize,
    /// Names given up at the limits.
    pub(crate) folded: u64,
    /// What happened since places were judged last.
    stale: usize,
}

/// Where a path belongs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resolved {
    /// The path with names as they are kept: the leaf's id is made of it.
    pub(crate) raw: String,
    /// The template by which ids of endpoints are made.
    pub(crate) view: String,
    /// The template for people.
    pub(crate) template: String,
    /// Bit per place of the path: it names an object.
    pub(crate) objects: u32,
}

pub(crate) fn name_hash(name: &str) -> u32 {
    let hash = xxh3_64(name.as_bytes());
    (hash ^ (hash >> 32)) as u32
}

/// Whether an edge is a name rather than a fixed step or values.
pub(crate) fn is_name(edge: &str) -> bool {
    !edge.contains('{') && !edge.starts_with(':') && edge != "favicon.ico" && !edge.is_empty()
}

impl Tree {
    /// Where a path belongs, as far as its places are known.
    pub(crate) fn resolve(&self, steps: &Steps<'_>) -> Resolved {
        self.walk(steps, false)
    }

    fn walk(&self, steps: &Steps<'_>, proven: bool) -> Resolved {
        let mut out = Resolved {
            objects: steps.objects,
            ..Resolved::default()
        };
        let mut node = Some(&self.root);
        for (step, place) in steps.steps.iter().zip(&steps.places) {
            let verdict = self.verdicts.get(&out.view);
            let shown = |kind: Segment| verdict.and_then(|v| v.shown).unwrap_or(kind).placeholder();
            let (edge, view, template) = match step.form {
                Form::Fixed => (step.shown.as_ref(), step.shown.as_ref(), step.shown.as_ref()),
                Form::Value(kind) => (VALUES, VALUES, shown(kind)),
                Form::Name => {
                    let name = step.shown.as_ref();
                    let is_value = verdict.is_some_and(|v| v.is_value(name));
                    let known = node.is_some_and(|n| n.below.contains_key(name));
                    let kept = known || !node.is_some_and(|n| n.is_past_limit(name)) && (proven || !is_value);
                    let edge = if kept { name } else { VALUES };
                    if is_value || !kept {
                        out.objects |= 1 << place;
                        (edge, VALUES, shown(Segment::Literal))
                    } else {
                        (edge, name, name)
                    }
                }
            };
            node = node.and_then(|n| n.below.get(edge));
            append(&mut out.raw, edge);
            append(&mut out.view, view);
            append(&mut out.template, template);
        }
        for text in [&mut out.raw, &mut out.view, &mut out.template] {
            if text.is_empty() {
                text.push('/');
            }
        }
        out
    }

    /// Keeps a path that was proven, with the leaf that `make` gives for where it lies. Returns where it belongs, and what
    /// had to be moved for it.
    pub(crate) fn insert(
        &mut self,
        steps: &Steps<'_>,
        method: &str,
        operation: &str,
        room: bool,
        make: &Make<'_>,
    ) -> Option<(Resolved, Vec<Move>)> {
        let full = self.nodes >= NODES || !room;
        if full && !self.has_fixed_steps(steps) {
            // Full of what somebody had proven: there is no telling what may go.
            self.folded += 1;
            return None;
        }
        let mut moves = Vec::new();
        let mut raw = String::new();
        let mut node = &mut self.root;
        let mut view = String::new();
        for step in &steps.steps {
            let verdict = self.verdicts.get(&view);
            let (edge, kind) = match step.form {
                Form::Fixed => (step.shown.as_ref(), None),
                Form::Value(kind) => (VALUES, Some(kind)),
                Form::Name => {
                    let name = step.shown.as_ref();
                    let fits = node.below.contains_key(name) || !node.is_past_limit(name) && !full;
                    if fits {
                        (name, None)
                    } else {
                        (VALUES, Some(Segment::Literal))
                    }
                }
            };
            let is_value =
                edge == VALUES || step.form == Form::Name && verdict.is_some_and(|v| v.is_value(edge));
            if !node.below.contains_key(edge) {
                self.nodes += 1;
                self.stale += 1;
                node.below.insert(edge.to_owned(), Node::default());
                if step.form == Form::Name {
                    let folded = node.make_room(verdict, &raw, make, &mut moves);
                    self.folded += folded as u64;
                    self.nodes = self.nodes.saturating_sub(folded);
                }
            }
            // The name itself may have been the one that had to go.
            let edge = if node.below.contains_key(edge) {
                edge
            } else {
                VALUES
            };
            let kind = kind.or((edge == VALUES).then_some(Segment::Literal));
            node = node.below.entry(edge.to_owned()).or_default();
            if let (VALUES, Some(kind)) = (edge, kind) {
                let values = node.values.get_or_insert_default();
                let is_new = !values.has_kind(kind);
                values.insert(name_hash(&step.text), kind);
                self.stale += usize::from(is_new && values.len() > 1);
            }
            append(&mut raw, edge);
            append(&mut view, if is_value { VALUES } else { edge });
        }
        // The target of a CONNECT has no path at all.
        let tunnel = method == "CONNECT";
        if raw.is_empty() && !tunnel {
            raw.push('/');
        }
        let leaf = |l: &Leaf| l.method == method && l.operation == operation;
        if !node.leaves.iter().any(leaf) {
            node.leaves.push(Leaf {
                method: method.to_owned(),
                operation: operation.to_owned(),
                id: make(method, &with_operation(&raw, operation)),
            });
            node.leaves
                .sort_by(|a, b| (&a.method, &a.operation).cmp(&(&b.method, &b.operation)));
            self.stale += 1;
        }
        let place = if tunnel {
            Resolved::default()
        } else {
            self.walk(steps, true)
        };
        Some((place, moves))
    }

    /// Whether a name of this path is taken for a value unseen, since its place has many.
    pub(crate) fn is_presumed(&self, steps: &Steps<'_>) -> bool {
        let mut presumed = false;
        self.follow(steps, |node, name| presumed |= node.is_presumed(name));
        presumed
    }

    /// Keeps the names of this path apart that would be taken for values unseen.
    pub(crate) fn keep_apart(&mut self, steps: &Steps<'_>) {
        let mut node = &mut self.root;
        for step in &steps.steps {
            let name = step.shown.as_ref();
            if step.form == Form::Name && node.is_presumed(name) && node.odd.len() < ODD {
                node.odd.insert(name.to_owned());
            }
            let edge = match step.form {
                Form::Name if node.below.contains_key(name) => name,
                Form::Name | Form::Value(_) => VALUES,
                Form::Fixed => name,
            };
            let Some(below) = node.below.get_mut(edge) else {
                return;
            };
            node = below;
        }
    }

    /// Goes along a path as far as it is known, and shows the place of each name.
    fn follow<'t>(&'t self, steps: &Steps<'_>, mut look: impl FnMut(&'t Node, &str)) {
        let mut node = &self.root;
        for step in &steps.steps {
            let name = step.shown.as_ref();
            if step.form == Form::Name {
                look(node, name);
            }
            let edge = match step.form {
                Form::Name if node.below.contains_key(name) => name,
                Form::Name | Form::Value(_) => VALUES,
                Form::Fixed => name,
            };
            let Some(below) = node.below.get(edge) else { return };
            node = below;
        }
    }

    /// Takes the values of a path that was kept before.
    pub(crate) fn note(&mut self, steps: &Steps<'_>) {
        let mut node = &mut self.root;
        for step in &steps.steps {
            let (edge, kind) = match step.form {
                Form::Name if !node.below.contains_key(step.shown.as_ref()) => {
                    (VALUES, Some(Segment::Literal))
                }
                Form::Fixed | Form::Name => (step.shown.as_ref(), None),
                Form::Value(kind) => (VALUES, Some(kind)),
            };
            let Some(below) = node.below.get_mut(edge) else {
                return;
            };
            node = below;
            if let Some(kind) = kind {
                let values = node.values.get_or_insert_default();
                values.insert(name_hash(&step.text), kind);
            }
        }
    }

    /// Whether every fixed step of a path is there already.
    fn has_fixed_steps(&self, steps: &Steps<'_>) -> bool {
        let mut node = Some(&self.root);
        for step in &steps.steps {
            let edge = match step.form {
                Form::Name if node.is_some_and(|n| n.below.contains_key(step.shown.as_ref())) => {
                    step.shown.as_ref()
                }
                Form::Name | Form::Value(_) => VALUES,
                Form::Fixed => step.shown.as_ref(),
            };
            node = node.and_then(|n| n.below.get(edge));
            if node.is_none() && step.form == Form::Fixed {
                return false;
            }
        }
        true
    }

    /// Keeps an endpoint of a template that somebody declared.
    pub(crate) fn insert_declared(&mut self, template: &str, method: &str, operation: &str, id: Id) {
        if self.declared.len() >= NODES {
            self.folded += 1;
            return;
        }
        let leaves = self.declared.entry(template.to_owned()).or_default();
        if !leaves.iter().any(|l| l.id == id) {
            leaves.push(Leaf {
                method: method.to_owned(),
                operation: operation.to_owned(),
                id,
            });
            leaves.sort_by_key(|l| l.id);
        }
    }

    /// Whether an operation may have an endpoint of its own below this path.
    pub(crate) fn has_room_for_operation(&self, raw: &str, operation: &str) -> bool {
        self.node(raw).is_none_or(|node| {
            node.leaves.len() < OPERATIONS || node.leaves.iter().any(|l| l.operation == operation)
        })
    }

    fn node(&self, raw: &str) -> Option<&Node> {
        let mut node = &self.root;
        for step in raw.split('/').skip(1).filter(|s| !s.is_empty()) {
            let (name, verb) = match step.rfind(':').filter(|at| *at > 0) {
                Some(at) => (&step[..at], Some(&step[at..])),
                None => (step, None),
            };
            node = node.below.get(name)?;
            if let Some(verb) = verb {
                node = node.below.get(verb)?;
            }
        }
        Some(node)
    }

    /// Places in it.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether so much has come since places were judged last that they should be again. The more there is, the more must
    /// come, so that judging stays a small part of the work; while there is little, it is done at once.
    pub(crate) fn is_due(&self) -> bool {
        self.stale > self.nodes / if self.nodes < FEW { 8 } else { 2 }
    }

    /// Remembers that an endpoint has come to be known better.
    pub(crate) fn touch(&mut self) {
        self.stale += 1;
    }

    /// Takes verdicts; true when templates change by them.
    pub(crate) fn take(&mut self, verdicts: BTreeMap<String, Verdict>) -> bool {
        self.stale = 0;
        let same = self.verdicts.len() == verdicts.len()
            && self
                .verdicts
                .iter()
                .zip(&verdicts)
                .all(|((a, x), (b, y))| a == b && x.is_same(y));
        self.verdicts = verdicts;
        !same
    }

    /// Gives up the names of places with many values but a few of them. Returns what must be moved for it.
    pub(crate) fn fold(&mut self, make: &Make<'_>) -> Vec<Move> {
        let mut moves = Vec::new();
        let Self { root, verdicts, .. } = self;
        let folded = root.fold(verdicts, &mut String::new(), &mut String::new(), make, &mut moves);
        self.folded += folded as u64;
        if folded > 0 {
            self.nodes = self.root.count();
        }
        moves
    }
}

/// A path with its operation.
pub(crate) fn with_operation(path: &str, operation: &str) -> String {
    if operation.is_empty() {
        path.to_owned()
    } else {
        format!("{path}#{operation}")
    }
}

impl Node {
    /// Whether values were given up here, of which there were more than [`MANY`].
    pub(crate) fn has_many_values(&self) -> bool {
        self.limit.is_some()
    }

    /// Whether a name that is not here counts as a value before anything is known of it.
    fn is_presumed(&self, name: &str) -> bool {
        self.limit.is_some() && !self.below.contains_key(name) && self.is_past_limit(name)
    }

    fn is_past_limit(&self, name: &str) -> bool {
        if self.limit.is_none() && self.cap.is_none() || self.odd.contains(name) {
            return false;
        }
        let (hash, standing) = (name_hash(name), standing(name));
        self.limit
            .is_some_and(|limit| hash >= limit && standing == Standing::Open)
            || self
                .cap
                .is_some_and(|cap| hash >= cap && standing != Standing::Reserved)
    }

    fn count(&self) -> usize {
        self.below.values().map(|n| 1 + n.count()).sum()
    }

    /// Names that were odd and turned out to be values like the others may go with these; those that were called too little to
    /// be told from words of the route are kept apart, whether the first call of them came before or after most values were known.
    fn review_odd(&mut self, verdict: &Verdict) {
        self.odd.retain(|name| !verdict.is_surely_value(name));
        let mut rare: Vec<(u32, &str)> = verdict
            .rare()
            .filter(|name| self.below.contains_key(*name))
            .map(|name| (name_hash(name), name))
            .collect();
        rare.sort_unstable();
        for (_, name) in rare {
            if self.odd.len() >= ODD {
                break;
            }
            self.odd.insert(name.to_owned());
        }
    }

    /// Keeps the number of names within bounds, those with the smallest hashes. Returns how many nodes are gone.
    fn make_room(
        &mut self,
        verdict: Option<&Verdict>,
        raw: &str,
        make: &Make<'_>,
        moves: &mut Vec<Move>,
    ) -> usize {
        let mut gone = 0;
        if self.below.len() <= SAMPLED {
            return 0;
        }
        let names = self.below.keys().filter(|k| is_name(k)).count();
        if names > NAMES {
            let (dropped, least) = self.keep(
                NAMES,
                |name| standing(name) != Standing::Reserved,
                raw,
                make,
                moves,
            );
            gone += dropped;
            self.cap = self.cap.into_iter().chain(least).min();
        }
        if let Some(verdict) = verdict
            && names > SAMPLED
        {
            // Those that came since are judged first: one of them may be a word of the route.
            let values = self
                .below
                .keys()
                .filter(|k| is_name(k) && verdict.is_found_value(k) && !self.odd.contains(*k))
                .count();
            if values > if self.limit.is_some() { SAMPLED } else { MANY } {
                let odd = std::mem::take(&mut self.odd);
                let may_go = |name: &str| verdict.is_found_value(name) && !odd.contains(name);
                let (dropped, least) = self.keep(SAMPLED, may_go, raw, make, moves);
                self.odd = odd;
                gone += dropped;
                self.limit = self.limit.into_iter().chain(least).min();
            }
        }
        gone
    }

    /// Keeps `most` of the names that may go, those with the smallest hashes. Returns how many nodes are gone, and the
    /// smallest hash of a name that is.
    fn keep(
        &mut self,
        most: usize,
        may_go: impl Fn(&str) -> bool,
        raw: &str,
        make: &Make<'_>,
        moves: &mut Vec<Move>,
    ) -> (usize, Option<u32>) {
        let mut names: Vec<(u32, String)> = self
            .below
            .keys()
            .filter(|k| is_name(k) && may_go(k))
            .map(|k| (name_hash(k), k.clone()))
            .collect();
        names.sort_unstable();
        let before = self.count();
        let least = names.get(most).map(|(hash, _)| *hash);
        for (hash, name) in names.into_iter().skip(most) {
            let Some(node) = self.below.remove(&name) else {
                continue;
            };
            let into = self.below.entry(VALUES.to_owned()).or_default();
            into.values.get_or_insert_default().insert(hash, Segment::Literal);
            let mut path = raw.to_owned();
            append(&mut path, VALUES);
            into.join(node, &path, make, moves);
        }
        (before.saturating_sub(self.count()), least)
    }

    /// Takes over what lies below a name that is given up.
    fn join(&mut self, other: Self, raw: &str, make: &Make<'_>, moves: &mut Vec<Move>) {
        for leaf in other.leaves {
            let path = with_operation(raw, &leaf.operation);
            let id = make(&leaf.method, &path);
            moves.push(Move {
                from: leaf.id,
                to: id,
                method: leaf.method.clone(),
                path,
            });
            if !self.leaves.iter().any(|l| l.id == id) {
                self.leaves.push(Leaf { id, ..leaf });
            }
        }
        self.leaves
            .sort_by(|a, b| (&a.method, &a.operation).cmp(&(&b.method, &b.operation)));
        if let Some(values) = other.values {
            self.values.get_or_insert_default().absorb(&values);
        }
        self.limit = self.limit.into_iter().chain(other.limit).min();
        self.cap = self.cap.into_iter().chain(other.cap).min();
        self.odd.extend(other.odd);
        while self.odd.len() > ODD {
            self.odd.pop_last();
        }
        for (edge, node) in other.below {
            let mut path = raw.to_owned();
            append(&mut path, &edge);
            self.below.entry(edge).or_default().join(node, &path, make, moves);
        }
    }

    fn fold(
        &mut self,
        verdicts: &BTreeMap<String, Verdict>,
        view: &mut String,
        raw: &mut String,
        make: &Make<'_>,
        moves: &mut Vec<Move>,
    ) -> usize {
        let verdict = verdicts.get(view.as_str());
        if let Some(verdict) = verdict {
            self.review_odd(verdict);
        }
        let mut gone = self.make_room(verdict, raw, make, moves);
        let (before, before_raw) = (view.len(), raw.len());
        for (edge, node) in self.below.iter_mut().filter(|(_, node)| !node.below.is_empty()) {
            let is_value = is_name(edge) && verdict.is_some_and(|v| v.is_value(edge));
            append(view, if is_value { VALUES } else { edge });
            append(raw, edge);
            gone += node.fold(verdicts, view, raw, make, moves);
            view.truncate(before);
            raw.truncate(before_raw);
        }
        gone
    }
}
