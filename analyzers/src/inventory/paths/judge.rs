//! Which names of a place are values of a parameter.
//!
//! A route has few words in one place, and below each of them lies something else. Values are many, and below each lies
//! the same. So names are grouped by what hangs below them (methods and further steps) and by what is answered (fields of the
//! answer), and a group counts as values when it has more names than a route has words for. How many that takes depends on how
//! much alike they are, on what stands before them, and on whether they are words that routes are made of:
//!
//! | evidence | names |
//! |---|---|
//! | same fields as values that form alone told (`/users/42`) | 1 |
//! | same fields, different content, below a plural noun | 3 |
//! | same fields, different content, elsewhere | 6 |
//! | the same, as the first step of a path | 12 |
//! | answers without fields (pages, files, nothing), same methods and steps, below a plural noun | 8 |
//! | the same elsewhere, as the first step | 30, 60 |
//! | only their number | 150 |
//!
//! A word of routes counts for a quarter of a name, and becomes a value only among 20 others. One with another
//! shape than its neighbours stays a name, however many they are. These figures are stated rather than fitted: the corpora in
//! `tests` are written from other data than they were set on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::route::{Standing, is_collection, standing};
use super::steps::append;
use super::tree::{MANY, Node, Tree, VALUES, is_name, name_hash};
use crate::id::Id;
use crate::inventory::endpoint::Endpoint;
use crate::inventory::face::TELLING;
use crate::privacy::segment::Segment;

/// Points of a name, and of a word that routes are often made of.
const NAME: usize = 4;
const WORD: usize = 1;

/// Fields that names share, of all they have, when they are alike.
const ALIKE: f64 = 0.6;

/// Below this, fields say that names are not alike.
pub(crate) const UNLIKE: f64 = 0.3;

/// Fields of the one with fewer that the other has too, above which they do not tell the two apart.
pub(crate) const CONTAINED: f64 = 0.8;

/// Names after which a place has nothing but values, so that a word of routes that looks the same is one of them.
const SURELY: usize = 20;

/// Names that no route has words for.
const CROWD: usize = 150;

/// The same where each answers with other fields.
const CROWD_UNLIKE: usize = 400;

/// Calls of a name that answers unlike all others and may still be one of them.
const ODD: u64 = 3;

/// Names without their like that others are compared with.
const LONE: usize = 32;

/// Endpoints that stand for all of a group that have the same method and steps: they were found alike.
const STAND: usize = 3;

/// Levels below a name that are compared.
const LEVELS: usize = 4;

/// Endpoints below a name that are compared.
const COMPARED: usize = 48;

/// What was found of one place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// Names that are values.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    values: BTreeSet<String>,
    /// Names that are none, though others here are.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    kept: BTreeSet<String>,
    /// Values that nothing but their rareness speaks for: they answer otherwise, or to other methods, and were called so little
    /// that they may come to be words of the route.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    rare: BTreeSet<String>,
    /// A name not seen before is a value.
    #[serde(default)]
    open: bool,
    /// What the values are called, where form tells several kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<Segment>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
}

/// Why names are values of a parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reason {
    /// Different values, estimated where there are many.
    pub(crate) distinct: u64,
    /// Of these, names that form alone does not tell.
    pub(crate) names: usize,
    /// Share of their answers' fields that they have in common, where answers have fields.
    pub(crate) alike: Option<f64>,
    pub(crate) why: Why,
    /// Names that stay, because they are words of the route or answer otherwise.
    pub(crate) kept: Vec<String>,
}

/// The evidence that decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Form alone.
    #[default]
    Form,
    /// Same fields as values of a known form.
    LikeTyped,
    /// Same fields, different content.
    SameFields,
    /// Same methods and steps.
    SameBelow,
    /// Their number.
    Crowd,
}

impl Reason {
    /// The reason in words, for the place after this template. Nothing when form alone decided.
    fn words(&self, before: &str) -> Option<String> {
        let why = match self.why {
            Why::Form => return None,
            Why::LikeTyped => "answer like the values that form alone tells",
            Why::SameFields => "answer with the same fields",
            Why::SameBelow => "take the same methods and further steps",
            Why::Crowd => "are more than a route has words for",
        };
        let (names, s) = (self.names, if self.names == 1 { "" } else { "s" });
        let alike = self
            .alike
            .map(|share| format!(" ({:.0} % shared)", share * 100.0));
        let kept = match self.kept.is_empty() {
            true => String::new(),
            false => format!("; not: {}", self.kept.join(", ")),
        };
        let before = if before.is_empty() { "/" } else { before };
        Some(format!(
            "after {before}: {names} name{s} {why}{}{kept}",
            alike.unwrap_or_default()
        ))
    }
}

impl Verdict {
    /// Whether a name is a value here.
    pub(crate) fn is_value(&self, name: &str) -> bool {
        self.values.contains(name)
            || self.open && !self.kept.contains(name) && standing(name) == Standing::Open
    }

    /// Whether a name was found to be a value, rather than that one not seen before would be.
    pub(crate) fn is_found_value(&self, name: &str) -> bool {
        self.values.contains(name)
    }

    /// Values that may come to be names when they are called more.
    pub(crate) fn rare(&self) -> impl Iterator<Item = &str> {
        self.rare.iter().map(String::as_str)
    }

    /// Whether a name is a value that calls to come will not make a name.
    pub(crate) fn is_surely_value(&self, name: &str) -> bool {
        self.is_value(name) && !self.rare.contains(name)
    }

    /// Whether both give the same templates.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.values, &self.kept, self.open, self.shown)
            == (&other.values, &other.kept, other.open, other.shown)
    }

    /// Whether names count as values by it.
    pub(crate) fn merges(&self) -> bool {
        self.open || !self.values.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.open && self.shown.is_none() && self.reason.is_none()
    }
}

/// Judges every place of a tree.
pub(crate) fn judge<'r>(
    tree: &Tree,
    row: &dyn Fn(Id) -> Option<&'r Endpoint>,
    keep: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    let judge = Judge { row, keep };
    judge.visit(&[&tree.root], &mut String::new(), "", &mut verdicts);
    verdicts
}

/// An endpoint as it is seen from outside: leaves of the tree that one template covers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// The template by which ids are made.
    pub(crate) view: String,
    /// The template for people.
    pub(crate) template: String,
    pub(crate) method: String,
    pub(crate) operation: String,
    pub(crate) leaves: Vec<Id>,
}

/// The endpoints of a tree under these verdicts, in the order of their templates.
pub(crate) fn groups(tree: &Tree, verdicts: &BTreeMap<String, Verdict>) -> Vec<Group> {
    let mut out = Vec::new();
    gather(
        &[&tree.root],
        &mut String::new(),
        &mut String::new(),
        verdicts,
        &mut out,
    );
    for (template, leaves) in &tree.declared {
        for leaf in leaves {
            out.push(Group {
                view: super::steps::bare_template(template).into_owned(),
                template: template.clone(),
                method: leaf.method.clone(),
                operation: leaf.operation.clone(),
                leaves: vec![leaf.id],
            });
        }
    }
    out
}

fn gather(
    places: &[&Node],
    view: &mut String,
    template: &mut String,
    verdicts: &BTreeMap<String, Verdict>,
    out: &mut Vec<Group>,
) {
    let mut leaves: BTreeMap<(&str, &str), Vec<Id>> = BTreeMap::new();
    for leaf in places.iter().flat_map(|p| &p.leaves) {
        leaves
            .entry((&leaf.method, &leaf.operation))
            .or_default()
            .push(leaf.id);
    }
    for ((method, operation), leaves) in leaves {
        let bare = text_of_root(method);
        let root = |text: &str| {
            if text.is_empty() {
                bare.to_owned()
            } else {
                text.to_owned()
            }
        };
        out.push(Group {
            view: root(view),
            template: root(template),
            method: method.to_owned(),
            operation: operation.to_owned(),
            leaves,
        });
    }
    let verdict = verdicts.get(view.as_str());
    let edges = Edges::of(places, verdict);
    let (before, before_template) = (view.len(), template.len());
    edges.each_apart(|edge, nodes| {
        append(view, edge);
        append(template, edge);
        gather(nodes, view, template, verdicts, out);
        view.truncate(before);
        template.truncate(before_template);
    });
    if !edges.values.is_empty() {
        let shown = verdict.and_then(|v| v.shown);
        let shown = shown.unwrap_or_else(|| only_kind(&edges.values).unwrap_or(Segment::Literal));
        append(view, VALUES);
        append(template, shown.placeholder());
        gather(&edges.values, view, template, verdicts, out);
        view.truncate(before);
        template.truncate(before_template);
    }
}

/// The template of the root. The target of a CONNECT has no path at all.
fn text_of_root(method: &str) -> &'static str {
    if method == "CONNECT" { "" } else { "/" }
}

/// The kind of all values, when it is one.
fn only_kind(nodes: &[&Node]) -> Option<Segment> {
    let mut kinds = nodes
        .iter()
        .filter_map(|n| n.values.as_ref())
        .flat_map(|v| v.kinds().into_keys());
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}

/// What follows places that one template covers.
struct Edges<'t> {
    /// Names of the route and fixed steps, sorted.
    apart: Vec<(&'t str, &'t Node)>,
    /// Values: by form, and names that were found to be.
    values: Vec<&'t Node>,
}

impl<'t> Edges<'t> {
    fn of(places: &[&'t Node], verdict: Option<&Verdict>) -> Self {
        let mut out = Self {
            apart: Vec::new(),
            values: Vec::new(),
        };
        for (edge, node) in places.iter().flat_map(|p| &p.below) {
            let is_value = edge == VALUES || is_name(edge) && verdict.is_some_and(|v| v.is_value(edge));
            if is_value {
                out.values.push(node);
            } else {
                out.apart.push((edge, node));
            }
        }
        if places.len() > 1 {
            // Stable: nodes of one name stay in the order of their places.
            out.apart.sort_by_key(|(edge, _)| *edge);
        }
        out
    }

    /// Every name with its nodes.
    fn each_apart(&self, mut take: impl FnMut(&'t str, &[&'t Node])) {
        let mut nodes = Vec::new();
        for same in self.apart.chunk_by(|a, b| a.0 == b.0) {
            nodes.clear();
            nodes.extend(same.iter().map(|(_, node)| *node));
            if let Some((edge, _)) = same.first() {
                take(edge, &nodes);
            }
        }
    }
}

/// Why the parameters of a template are some, as far as form alone does not tell.
pub(crate) fn reasons(view: &str, verdicts: &BTreeMap<String, Verdict>) -> Vec<String> {
    view.match_indices(&format!("/{VALUES}"))
        .filter_map(|(at, _)| verdicts.get(&view[..at])?.reason.as_ref()?.words(&view[..at]))
        .collect()
}

struct Judge<'a, 'r> {
    row: &'a dyn Fn(Id) -> Option<&'r Endpoint>,
    keep: &'a dyn Fn(&str) -> bool,
}

/// What hangs below a name, and what is answered there.
struct Profile<'t, 'r> {
    name: &'t str,
    standing: Standing,
    below: Below<'r>,
    calls: u64,
}

/// Names alike.
struct Cluster<'t, 'r> {
    members: Vec<usize>,
    below: Below<'r>,
    /// Members whose fields were found to be those of others, and the sum of what they share.
    strong: usize,
    shared: f64,
    points: usize,
    names: usize,
    bodies: BTreeSet<u32>,
    why: Option<Why>,
    _of: std::marker::PhantomData<&'t ()>,
}

/// How a name fits into a group.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    /// Share of what hangs below the one that has less, which the other has too.
    below: f64,
    /// Share of fields, when both answers have some.
    fields: Option<f64>,
}

impl Fit {
    fn is_alike(self) -> bool {
        self.below >= 0.5 && self.fields.is_none_or(|f| f >= ALIKE)
    }
}

/// Endpoints below names, by a hash of method, operation and the steps between.
#[derive(Debug, Clone, Default)]
struct Below<'r> {
    /// Sorted by hash, those of one hash in the order in which they were found.
    rows: Vec<(u64, &'r Endpoint)>,
}

impl<'r> Below<'r> {
    fn each(&self) -> impl Iterator<Item = &'r Endpoint> {
        self.rows.iter().map(|(_, row)| *row)
    }

    /// Endpoints that are alike in method, operation and steps.
    fn alike(&self) -> impl Iterator<Item = &[(u64, &'r Endpoint)]> {
        self.rows.chunk_by(|a, b| a.0 == b.0)
    }

    /// Leaves [`STAND`] for each hash.
    fn thin(&mut self) {
        let (mut last, mut met) = (None, 0);
        self.rows.retain(|(hash, _)| {
            met = if last == Some(*hash) { met + 1 } else { 1 };
            last = Some(*hash);
            met <= STAND
        });
    }

    /// Takes up to `each` of another's for every hash, as long as no more than [`STAND`] are here for it.
    fn take(&mut self, other: &Self, each: usize) {
        for rows in other.alike() {
            let Some((hash, _)) = rows.first() else { continue };
            let from = self.rows.partition_point(|(known, _)| known < hash);
            let here = self.rows[from..]
                .iter()
                .take_while(|(known, _)| known == hash)
                .count();
            let room = STAND.saturating_sub(here).min(each);
            let to = from + here;
            self.rows.splice(to..to, rows.iter().take(room).copied());
        }
    }
}

fn fit(a: &Below<'_>, b: &Below<'_>) -> Fit {
    let (mut both, mut of_a, mut shared, mut weight) = (0usize, 0usize, 0.0, 0.0);
    let mut theirs = b.alike().peekable();
    let mut of_b = 0;
    for rows in a.alike() {
        of_a += 1;
        while theirs.next_if(|other| other[0].0 < rows[0].0).is_some() {
            of_b += 1;
        }
        let Some(others) = theirs.next_if(|other| other[0].0 == rows[0].0) else {
            continue;
        };
        of_b += 1;
        both += 1;
        let likeness = rows
            .iter()
            .flat_map(|(_, x)| others.iter().map(|(_, y)| x.face.likeness(&y.face)));
        // The most alike of them: a group may be of several forms.
        let most = likeness.flatten().max_by(|x, y| x.shared.total_cmp(&y.shared));
        // Fields that are all among those of the other say nothing: an empty list has those that every list has.
        if let Some(most) = most.filter(|m| m.shared >= ALIKE || m.contained < CONTAINED) {
            shared += most.shared * most.fields as f64;
            weight += most.fields as f64;
        }
    }
    let fewer = of_a.min(of_b + theirs.count());
    Fit {
        below: if fewer == 0 {
            0.0
        } else {
            both as f64 / fewer as f64
        },
        fields: (weight > 0.0).then(|| shared / weight),
    }
}

impl<'r> Judge<'_, 'r> {
    fn visit(
        &self,
        places: &[&Node],
        view: &mut String,
        before: &str,
        verdicts: &mut BTreeMap<String, Verdict>,
    ) {
        if places.iter().all(|place| place.below.is_empty()) {
            return;
        }
        let verdict = self.place(places, view, before);
        let edges = Edges::of(places, Some(&verdict));
        if !verdict.is_empty() {
            verdicts.insert(view.clone(), verdict);
        }
        let length = view.len();
        edges.each_apart(|edge, nodes| {
            append(view, edge);
            self.visit(nodes, view, edge, verdicts);
            view.truncate(length);
        });
        if !edges.values.is_empty() {
            append(view, VALUES);
            self.visit(&edges.values, view, VALUES, verdicts);
            view.truncate(length);
        }
    }

    fn place<'t>(&self, places: &[&'t Node], view: &str, before: &str) -> Verdict {
        let mut names: BTreeMap<&'t str, Vec<&'t Node>> = BTreeMap::new();
        let mut typed: Vec<&'t Node> = Vec::new();
        for (edge, node) in places.iter().flat_map(|p| &p.below) {
            if edge == VALUES {
                typed.push(node);
            } else if is_name(edge) {
                names.entry(edge).or_default().push(node);
            }
        }
        let mut verdict = Verdict::default();
        if !names.is_empty() && (names.len() > 1 || !typed.is_empty()) {
            self.names(places, &names, &typed, view, before, &mut verdict);
        }
        self.kinds(&typed, &names, &mut verdict);
        verdict
    }

    /// What the values of a place are called.
    fn kinds(&self, typed: &[&Node], names: &BTreeMap<&str, Vec<&Node>>, verdict: &mut Verdict) {
        let mut values = super::tree::Values::default();
        typed
            .iter()
            .filter_map(|n| n.values.as_ref())
            .for_each(|v| values.absorb(v));
        let merged = names.keys().filter(|n| verdict.is_value(n)).count();
        let mut kinds = values.kinds();
        // Names are different values too. The sample stands for all values that form told.
        let factor = values.distinct() as f64 / values.len().max(1) as f64;
        let names = (merged as f64 / factor.max(1.0)).round() as usize;
        if names > 0 {
            *kinds.entry(Segment::Literal).or_default() += names;
        }
        let all: usize = kinds.values().sum();
        let most = kinds.iter().max_by_key(|(_, n)| **n);
        if (kinds.len() > 1 || merged > 0)
            && let Some((kind, most)) = most
        {
            verdict.shown = Some(if *most * 10 >= all * 9 {
                *kind
            } else {
                Segment::Literal
            });
        }
        if let Some(reason) = &mut verdict.reason {
            reason.distinct = values.distinct() + merged as u64;
            reason.names = merged;
        } else if values.distinct() > 0 {
            verdict.reason = Some(Reason {
                distinct: values.distinct(),
                ..Reason::default()
            });
        }
    }

    fn names<'t>(
        &self,
        places: &[&'t Node],
        names: &BTreeMap<&'t str, Vec<&'t Node>>,
        typed: &[&'t Node],
        view: &str,
        before: &str,
        verdict: &mut Verdict,
    ) {
        let mut profiles: Vec<Profile<'t, 'r>> = Vec::with_capacity(names.len());
        for (name, nodes) in names {
            let mut standing = standing(name);
            let mut path = view.to_owned();
            append(&mut path, name);
            if standing == Standing::Reserved || (self.keep)(&path) {
                continue;
            }
            // A plural with values right below it is a collection, not a member of one.
            let branches = nodes
                .iter()
                .any(|n| n.below.get(VALUES).is_some_and(|v| !v.leaves.is_empty()));
            if standing == Standing::Open && branches && is_collection(name) {
                standing = Standing::Word;
            }
            let mut below = self.below(nodes);
            let calls = below.each().map(|e| e.exchanges).sum();
            below.thin();
            profiles.push(Profile {
                name,
                standing,
                below,
                calls,
            });
        }
        profiles.sort_by_cached_key(|p| (name_hash(p.name), p.name));
        let mut like_typed = self.below(typed);
        like_typed.thin();
        let many_typed: u64 = typed
            .iter()
            .filter_map(|n| n.values.as_ref())
            .map(|v| v.distinct())
            .sum();
        let mut clusters: Vec<Cluster<'t, 'r>> = Vec::new();
        for (number, profile) in profiles.iter().enumerate() {
            let mut lone = 0;
            let best = clusters
                .iter()
                .enumerate()
                .filter(|(_, c)| {
                    lone += usize::from(c.members.len() == 1);
                    c.members.len() > 1 || lone <= LONE
                })
                .map(|(at, c)| (at, fit(&profile.below, &c.below)))
                .filter(|(_, f)| f.is_alike())
                .max_by(|(i, a), (j, b)| {
                    (a.fields, a.below)
                        .partial_cmp(&(b.fields, b.below))
                        .unwrap_or(j.cmp(i))
                        .then(j.cmp(i))
                });
            match best {
                Some((at, fit)) => clusters[at].add(number, profile, Some(fit)),
                None => {
                    let mut cluster = Cluster::new();
                    cluster.add(number, profile, None);
                    clusters.push(cluster);
                }
            }
        }
        join(&mut clusters);
        let collection = is_collection(before);
        let first = view.is_empty();
        // Of so many values that most were given up, a few are left to be judged; they were found to be values before.
        let settled = places.iter().any(|p| p.has_many_values());
        for cluster in &mut clusters {
            let typed = (many_typed >= 2).then(|| fit(&cluster.below, &like_typed));
            if settled && typed.is_some_and(Fit::is_alike) && cluster.names > 0 {
                cluster.names += MANY;
                cluster.points += MANY * NAME;
            }
            cluster.decide(collection, first, typed);
        }
        let passing: Vec<usize> = (0..clusters.len())
            .filter(|c| clusters[*c].why.is_some())
            .collect();
        let open: usize = profiles.iter().filter(|p| p.standing == Standing::Open).count();
        let decided: usize = passing.iter().map(|c| clusters[*c].names).sum();
        let unlike = clusters
            .iter()
            .filter(|c| c.members.len() == 1 && c.has_fields())
            .count();
        let crowd = if unlike * 2 > open { CROWD_UNLIKE } else { CROWD };
        let crowded = open - decided.min(open) > crowd;
        let mut calls: Vec<u64> = passing
            .iter()
            .flat_map(|c| clusters[*c].members.iter().map(|m| profiles[*m].calls))
            .collect();
        calls.sort_unstable();
        // Some values are asked for much more than others (Zipf's law), so the usual is taken from among the most usual.
        let usual = calls.get(calls.len() * 9 / 10).copied().unwrap_or(0);
        for (number, profile) in profiles.iter().enumerate() {
            let own = clusters.iter().find(|c| c.members.contains(&number));
            let mut rare = false;
            let is_value = match (profile.standing, own) {
                (Standing::Reserved, _) | (_, None) => false,
                (Standing::Open, Some(own)) => {
                    own.why.is_some() || crowded || {
                        let joins = passing
                            .iter()
                            .filter_map(|c| clusters[*c].joins(profile, usual))
                            .min();
                        rare = joins == Some(Joins::Rare) && !fit(&profile.below, &like_typed).is_alike();
                        joins.is_some()
                    }
                }
                (Standing::Word, Some(own)) => {
                    own.why.is_some()
                        && (own.names >= SURELY || own.names == 0)
                        && profile.calls <= usual.saturating_mul(4)
                }
            };
            if is_value {
                verdict.values.insert(profile.name.to_owned());
                if rare {
                    verdict.rare.insert(profile.name.to_owned());
                }
            } else if profile.standing == Standing::Open {
                verdict.kept.insert(profile.name.to_owned());
            }
        }
        verdict.open = crowded || passing.iter().any(|c| clusters[*c].names > 0);
        if verdict.values.is_empty() {
            // Names that are kept matter only beside values.
            *verdict = Verdict::default();
            return;
        }
        let best = passing.iter().map(|c| &clusters[*c]).max_by_key(|c| c.points);
        verdict.reason = Some(Reason {
            distinct: 0,
            names: 0,
            alike: best.and_then(Cluster::alike),
            why: best.and_then(|c| c.why).unwrap_or(Why::Crowd),
            kept: names
                .keys()
                .filter(|n| !verdict.values.contains(**n))
                .take(8)
                .map(|n| (*n).to_owned())
                .collect(),
        });
    }

    /// What hangs below these nodes: methods and further steps, in which names that are no words of routes count as values.
    fn below(&self, nodes: &[&Node]) -> Below<'r> {
        let mut out = Below::default();
        let mut keys = Vec::new();
        for node in nodes {
            self.descend(node, 0, 0, &mut keys, &mut out);
        }
        out.rows.sort_by_key(|(hash, _)| *hash);
        out
    }

    /// `steps` is a hash of the steps that led here, `keys` what was met so far, sorted.
    fn descend(&self, node: &Node, steps: u64, level: usize, keys: &mut Vec<u64>, out: &mut Below<'r>) {
        for leaf in &node.leaves {
            let Some(row) = (self.row)(leaf.id) else { continue };
            let hash = xxh3_64_with_seed(leaf.operation.as_bytes(), steps);
            let hash = xxh3_64_with_seed(row.method.as_bytes(), hash);
            if let Err(at) = keys.binary_search(&hash) {
                if keys.len() >= COMPARED {
                    return;
                }
                keys.insert(at, hash);
            }
            out.rows.push((hash, row));
        }
        if level >= LEVELS {
            return;
        }
        for (edge, node) in &node.below {
            let coarse = if is_name(edge) && standing(edge) == Standing::Open {
                VALUES
            } else {
                edge
            };
            let steps = xxh3_64_with_seed(coarse.as_bytes(), steps.rotate_left(9).wrapping_add(1));
            self.descend(node, steps, level + 1, keys, out);
        }
    }
}

/// Joins groups that turned out to be one: of some names only one part was seen, of others another, and of some both.
fn join(clusters: &mut Vec<Cluster<'_, '_>>) {
    let mut at = 0;
    while at < clusters.len().min(LONE) {
        let alike = (at + 1..clusters.len().min(2 * LONE)).find(|other| {
            let fit = fit(&clusters[at].below, &clusters[*other].below);
            fit.is_alike() && (fit.fields.is_some() || clusters[at].members.len() > 1)
        });
        match alike {
            Some(other) => {
                let other = clusters.remove(other);
                clusters[at].take(other);
                // What has grown may now be like one before it.
                at = 0;
            }
            None => at += 1,
        }
    }
}

impl<'t, 'r> Cluster<'t, 'r> {
    fn take(&mut self, other: Self) {
        let fields = fit(&self.below, &other.below).fields;
        self.strong += other.strong + usize::from(fields.is_some());
        self.shared += other.shared + fields.unwrap_or(0.0);
        self.members.extend(other.members);
        self.points += other.points;
        self.names += other.names;
        self.bodies.extend(other.bodies);
        self.below.take(&other.below, STAND);
    }

    fn new() -> Self {
        Self {
            members: Vec::new(),
            below: Below::default(),
            strong: 0,
            shared: 0.0,
            points: 0,
            names: 0,
            bodies: BTreeSet::new(),
            why: None,
            _of: std::marker::PhantomData,
        }
    }

    fn add(&mut self, number: usize, profile: &Profile<'t, 'r>, fit: Option<Fit>) {
        self.members.push(number);
        if let Some(fields) = fit.and_then(|f| f.fields) {
            self.strong += 1;
            self.shared += fields;
        }
        self.below.take(&profile.below, 1);
        for row in profile.below.each().take(4) {
            self.bodies.extend(row.face.bodies());
        }
        match profile.standing {
            Standing::Open => {
                self.points += NAME;
                self.names += 1;
            }
            _ => self.points += WORD,
        }
    }

    fn has_fields(&self) -> bool {
        self.below
            .each()
            .any(|row| row.face.likeness(&row.face).is_some_and(|l| l.fields >= TELLING))
    }

    fn alike(&self) -> Option<f64> {
        (self.strong > 0).then(|| self.shared / self.strong as f64)
    }

    /// Decides whether its members are values.
    fn decide(&mut self, collection: bool, first: bool, typed: Option<Fit>) {
        let members = self.members.len();
        let same_fields = self.strong * 5 >= (members - 1) * 4 && members > 1;
        // Answers that are all the same say that nobody looked at the name.
        let different = self.bodies.len() >= 2 && self.bodies.len() * 2 >= members.min(8);
        let like_typed = typed.is_some_and(|f| f.below >= 0.5 && f.fields.is_some_and(|f| f >= 0.8));
        let enough = if like_typed && self.names > 0 {
            (1, Why::LikeTyped)
        } else if same_fields && different {
            let names = match (first, collection) {
                (true, _) => 12,
                (_, true) => 3,
                _ => 6,
            };
            (names, Why::SameFields)
        } else if self.bodies.is_empty() || different {
            let names = match (first, collection) {
                (true, _) => 60,
                (_, true) => 8,
                _ => 30,
            };
            (names, Why::SameBelow)
        } else {
            (CROWD, Why::Crowd)
        };
        self.why = (self.points >= enough.0 * NAME).then_some(enough.1);
    }

    /// Whether a name that came to stand apart is one of these: nothing speaks against it, or these are so many, and it was
    /// called so little, that it is rather an odd value than a word of the route.
    fn joins(&self, profile: &Profile<'_, 'r>, usual: u64) -> Option<Joins> {
        let fit = fit(&profile.below, &self.below);
        let quiet = profile.calls <= usual.saturating_mul(4).max(4);
        let rare = |names: usize| (profile.calls <= ODD && self.names >= names).then_some(Joins::Rare);
        match fit.fields {
            Some(fields) if fields < UNLIKE => rare(SURELY * 2),
            Some(_) => (fit.below > 0.0).then_some(Joins::Alike),
            // Were it a value, others would have been called with its methods too.
            None if !quiet => None,
            None if fit.below > 0.0 => Some(Joins::Alike),
            None => rare(SURELY),
        }
    }
}

/// Why a name that stood apart joins values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Joins {
    /// Nothing speaks against it.
    Alike,
    /// It is hardly ever called.
    Rare,
}
