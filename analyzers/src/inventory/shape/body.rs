//! The fields of the bodies that go one way: a tree by name, with counts.
//!
//! ```text
//! body ─▶ outline: hash of what it holds ─▶ met before? one count more
//!                                       └─▶ learn: facts by field ─▶ counts
//! ```
//!
//! One exchange adds to a field at most one: that it was there, that it was in each object that could have it, that it was of
//! a kind. So everything is a sum over exchanges, whatever their order, and two trees make one. A body that was cut off shows what
//! is there and never what is not.
//!
//! Bodies of one endpoint mostly hold the same fields, so the facts that a body shows are remembered by a hash of its keys and
//! kinds, and adding them is put off until somebody asks. What is remembered that way changes no result.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::outline;
use super::values::{Values, names_people};
use super::walk::{DEPTH, End, Kind, Visitor};
use crate::id::Seed;
use crate::privacy::is_plain_name;

/// Fields of one body.
pub(super) const FIELDS: usize = 512;

/// Fields of one body while there are too many in all endpoints together.
const FIELDS_WHEN_CROWDED: usize = 32;

/// Fields left when there were too many.
const FIELDS_LEFT: usize = 384;

/// Names in one object; then the rare ones are taken for data.
const NAMES: usize = 96;

/// Names left in an object that had too many.
const NAMES_LEFT: usize = 48;

/// Names of one object in one body that may be new; an object with more is a map.
const NAMES_AT_ONCE: u32 = 64;

/// Names of one body that may be new.
const NEW_NAMES: u32 = 256;

/// Outlines remembered.
const MEMO: usize = 16;

/// New outlines in a row after which the next [`PAUSE`] bodies are not asked for theirs: where each body has another, an outline is
/// work for nothing.
const MISSES: u8 = 6;
const PAUSE: u8 = 48;

/// Exchanges of which each one's values are looked at, and the share after that, which is one in [`SHARE`].
pub(super) const EARLY: u32 = 128;
pub(super) const SHARE: u64 = 8;

/// Values of one field looked at in one body.
const LOOKED_AT: u8 = 3;

/// The name of the elements of an array, and of a value whose key is data.
pub(super) const ELEMENT: &str = "[]";
pub(super) const KEY: &str = "{key}";

/// Levels of a walk: those of a value, the value itself, what is passed over, and a stream around it.
pub(super) const LEVELS: usize = DEPTH + 3;

/// No field.
const NONE: u16 = u16::MAX;

/// In a fact: the field was in each object that could have it.
const EVERY: u8 = 0x80;

/// What of a field an exchange showed: its number, and kinds and [`EVERY`] above that.
type Fact = u32;

fn fact(field: u16, bits: u8) -> Fact {
    u32::from(field) | u32::from(bits) << 16
}

fn parts(fact: Fact) -> (usize, u8) {
    ((fact & 0xffff) as usize, (fact >> 16) as u8)
}

/// A field and its counts.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Of its path.
    pub(super) hash: u64,
    name: (u16, u8),
    /// The root is its own.
    pub(super) parent: u16,
    /// Kinds seen.
    pub(super) kinds: u8,
    /// Kinds that were there when it was learned, or have been told since.
    pub(super) known: u8,
    /// It was in (nearly) each object when it was learned.
    pub(super) required: bool,
    /// Whether its name says that its values may be somebody's, once that was asked.
    personal: Option<bool>,
    /// Exchanges by kind, when there is more than one.
    many: Option<Box<[u32; 7]>>,
    /// Exchanges that held it, of those that were read to their end.
    pub(super) some: u32,
    /// Exchanges of these in which each object that could have it did.
    pub(super) every: u32,
    /// Exchanges of these in which it was an object.
    pub(super) objects: u32,
    /// Exchanges that held it and were cut off.
    pub(super) cut: u32,
    /// Seconds since 1970.
    pub(super) first: u32,
    pub(super) last: u32,
    /// The field whose key came next in the same object, and the one whose key came first in this one, when they were met
    /// last. Keys mostly come in one order, so that is where to look first; it decides nothing.
    then: u16,
    below: u16,
    /// Its elements, when it was an array since it was made.
    elements: u16,
}

impl Field {
    pub(super) fn seen(&self) -> u32 {
        self.some.saturating_add(self.cut)
    }

    /// Exchanges in which it was of this kind.
    pub(super) fn of_kind(&self, kind: Kind) -> u32 {
        match &self.many {
            Some(many) => many[kind as usize],
            None if self.kinds == kind.bit() => self.seen(),
            None => 0,
        }
    }

    /// Exchanges by kind, when there are several.
    pub(super) fn many(&self) -> Option<[u32; 7]> {
        self.many.as_deref().copied()
    }

    pub(super) fn set_many(&mut self, many: Option<[u32; 7]>) {
        self.many = many.map(Box::new);
    }

    fn add_kinds(&mut self, kinds: u8, count: u32) {
        let all = self.kinds | kinds;
        if self.many.is_none() && all.count_ones() > 1 {
            let mut counts = [0; 7];
            if self.kinds != 0 {
                counts[self.kinds.trailing_zeros() as usize] = self.seen();
            }
            self.many = Some(Box::new(counts));
        }
        if let Some(many) = &mut self.many {
            for kind in Kind::ALL.into_iter().filter(|kind| kinds & kind.bit() != 0) {
                many[kind as usize] = many[kind as usize].saturating_add(count);
            }
        }
        self.kinds = all;
    }

    /// Adds what was seen of the same field elsewhere.
    fn absorb(&mut self, other: &Self) {
        if self.seen() == 0 {
            (self.first, self.last) = (other.first, other.last);
        } else if other.seen() > 0 {
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        }
        let counts = Kind::ALL.map(|kind| self.of_kind(kind).saturating_add(other.of_kind(kind)));
        self.kinds |= other.kinds;
        self.many = (self.kinds.count_ones() > 1).then(|| Box::new(counts));
        let add = |a: &mut u32, b: u32| *a = a.saturating_add(b);
        add(&mut self.some, other.some);
        add(&mut self.every, other.every);
        add(&mut self.objects, other.objects);
        add(&mut self.cut, other.cut);
        self.known |= other.known;
        self.required |= other.required;
    }
}

/// What an exchange showed that is not as it was learned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// Fields with kinds that were not there; those that were not there at all have all of their kinds.
    pub(super) news: Vec<(u64, u8)>,
    /// Fields that are always there and were not.
    pub(super) lacks: Vec<u64>,
    /// Fields, learned or not, that held a value that is no object and no array, as they may not have before.
    pub(super) fresh: Vec<u64>,
}

impl Notes {
    fn is_empty(&self) -> bool {
        self.news.is_empty() && self.lacks.is_empty()
    }
}

/// An outline and what it shows.
#[derive(Debug, Clone)]
struct Known {
    outline: u64,
    /// Times met and not yet counted.
    count: u32,
    first: u32,
    last: u32,
    cut: bool,
    facts: Box<[Fact]>,
    notes: Option<Box<Notes>>,
}

/// The fields of the bodies that go one way, in one form.
#[derive(Debug, Clone)]
pub(super) struct Body {
    names: String,
    pub(super) fields: Vec<Field>,
    /// The upper half of the hash of each field's path with the number of the field, sorted: a search in it does not go to the fields.
    order: Vec<(u32, u16)>,
    /// Values of the first exchanges, without those of the share. Given up when there are more than [`EARLY`].
    early: Vec<Values>,
    /// Values of a share of exchanges, chosen by their ids.
    share: Vec<Values>,
    /// Exchanges read.
    pub(super) exchanges: u32,
    /// Of these, cut off.
    pub(super) cut: u32,
    pub(super) first: u32,
    pub(super) last: u32,
    /// When it was learned; zero while it is not.
    pub(super) learned: u32,
    /// Exchanges after which it is looked at anew which fields are always there.
    review: u32,
    /// Fields given up, and names taken for data because there were too many.
    pub(super) given_up: u32,
    memo: Vec<Known>,
    /// Bodies in a row whose outline was new, and beyond [`MISSES`] those whose outline was not asked for since.
    misses: u8,
}

/// An exchange as a body needs to know it.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    /// Seconds since 1970.
    pub(super) at: u32,
    pub(super) names: &'a Names,
    /// There are too many fields in all endpoints together.
    pub(super) crowded: bool,
    /// Of the share whose values are looked at.
    pub(super) in_share: bool,
    pub(super) seed: Seed,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            names: String::new(),
            fields: Vec::new(),
            order: Vec::new(),
            early: Vec::new(),
            share: Vec::new(),
            exchanges: 0,
            cut: 0,
            first: u32::MAX,
            last: 0,
            learned: 0,
            review: 0,
            given_up: 0,
            memo: Vec::new(),
            misses: 0,
        }
    }
}

/// What carries a body to a visitor.
pub(super) trait Content {
    /// Tells what the body holds.
    fn tell<V: Visitor>(&self, visitor: &mut V) -> End;

    /// Whether its fields have numbers for names.
    fn is_numbered(&self) -> bool {
        false
    }
}

impl Body {
    /// Takes the body of one exchange. `None` when it cannot be read; then nothing of it counts.
    pub(super) fn observe(&mut self, content: &impl Content, moment: Moment<'_>) -> Option<Notes> {
        let look = (moment.in_share || self.exchanges < EARLY).then_some(moment.in_share);
        let outline = match look {
            Some(_) => None,
            None if self.misses >= MISSES => {
                self.misses = if self.misses >= MISSES + PAUSE {
                    0
                } else {
                    self.misses + 1
                };
                None
            }
            None => {
                let (outline, end) = outline::of(content, moment.seed);
                if end == End::Broken {
                    return None;
                }
                if let Some(known) = self.memo.iter_mut().find(|known| known.outline == outline) {
                    self.misses = 0;
                    known.count = known.count.saturating_add(1);
                    known.first = known.first.min(moment.at);
                    known.last = known.last.max(moment.at);
                    let notes = known.notes.as_deref().cloned().unwrap_or_default();
                    self.count(end == End::Cut, moment.at);
                    return Some(notes);
                }
                self.misses += 1;
                Some(outline)
            }
        };
        let mut scratch = moment.names.scratch.take();
        let mut learned = self.learn(content, moment, look, &mut scratch);
        if let Some((notes, cut)) = &mut learned {
            let fresh = self.fresh(&scratch.facts);
            match outline {
                None => self.apply(&scratch.facts, 1, (moment.at, moment.at), *cut),
                Some(outline) => self.remember(Known {
                    outline,
                    count: 1,
                    first: moment.at,
                    last: moment.at,
                    cut: *cut,
                    facts: scratch.facts.as_slice().into(),
                    notes: (!notes.is_empty()).then(|| Box::new(notes.clone())),
                }),
            }
            notes.fresh = fresh;
            self.count(*cut, moment.at);
            self.keep_bounds();
        }
        moment.names.scratch.replace(scratch);
        learned.map(|(notes, _)| notes)
    }

    /// Fields that are not known to have held a value that is no object and no array.
    fn fresh(&self, facts: &[Fact]) -> Vec<u64> {
        const BRACKETS: u8 = 1 << Kind::Object as u8 | 1 << Kind::Array as u8;
        let holds = |kinds: u8| kinds & !EVERY & !BRACKETS != 0;
        let fresh = facts.iter().map(|fact| parts(*fact)).filter_map(|(at, bits)| {
            let field = self.fields.get(at)?;
            (holds(bits) && !holds(field.kinds) && field.hash != 0).then_some(field.hash)
        });
        fresh.collect()
    }

    fn count(&mut self, cut: bool, at: u32) {
        self.exchanges = self.exchanges.saturating_add(1);
        self.cut = self.cut.saturating_add(u32::from(cut));
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        if self.exchanges > EARLY {
            self.early = Vec::new();
        }
    }

    fn remember(&mut self, known: Known) {
        if self.memo.len() < MEMO {
            self.memo.reserve_exact(1);
            self.memo.push(known);
            return;
        }
        // The one met least makes way; the others keep half of their lead, so that what was common once does not stay for ever.
        let Some(least) = (0..self.memo.len()).min_by_key(|at| self.memo[*at].count) else {
            return;
        };
        let old = std::mem::replace(&mut self.memo[least], known);
        self.apply(&old.facts, old.count, (old.first, old.last), old.cut);
        let mut memo = std::mem::take(&mut self.memo);
        for known in &mut memo {
            let half = known.count / 2;
            self.apply(&known.facts, half, (known.first, known.last), known.cut);
            known.count -= half;
        }
        self.memo = memo;
    }

    /// Adds what was put off.
    pub(super) fn settle(&mut self) {
        for known in std::mem::take(&mut self.memo) {
            self.apply(&known.facts, known.count, (known.first, known.last), known.cut);
        }
    }

    /// The same with everything added.
    pub(super) fn settled(&self) -> Cow<'_, Self> {
        if self.memo.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut body = self.clone();
        body.settle();
        Cow::Owned(body)
    }

    fn apply(&mut self, facts: &[Fact], count: u32, (first, last): (u32, u32), cut: bool) {
        if count == 0 {
            return;
        }
        for fact in facts {
            let (at, bits) = parts(*fact);
            let Some(field) = self.fields.get_mut(at) else {
                continue;
            };
            let kinds = bits & !EVERY;
            if field.seen() == 0 {
                (field.first, field.last) = (first, last);
            }
            field.add_kinds(kinds, count);
            if self.learned == 0 {
                field.known |= kinds;
            }
            field.first = field.first.min(first);
            field.last = field.last.max(last);
            if cut {
                field.cut = field.cut.saturating_add(count);
                continue;
            }
            field.some = field.some.saturating_add(count);
            if bits & EVERY != 0 {
                field.every = field.every.saturating_add(count);
            }
            if kinds & Kind::Object.bit() != 0 {
                field.objects = field.objects.saturating_add(count);
            }
        }
    }

    /// Walks a body field by field and leaves its facts in `scratch`. `look` is whether to look at values, and whether those are
    /// of the share. Returns what is new and whether the body was cut off; `None` when it cannot be read, and then it leaves no
    /// trace.
    fn learn(
        &mut self,
        content: &impl Content,
        moment: Moment<'_>,
        look: Option<bool>,
        scratch: &mut Scratch,
    ) -> Option<(Notes, bool)> {
        let before = (self.fields.len(), self.names.len(), self.given_up);
        let mut learn = Learn::new(self, scratch, look.is_some(), content.is_numbered(), moment);
        let end = content.tell(&mut learn);
        let Scratch {
            marks,
            touched,
            looks,
            texts,
            facts,
        } = scratch;
        if end == End::Broken {
            self.forget_from(before);
            return None;
        }
        let cut = end == End::Cut;
        if let Some(in_share) = look {
            self.keep_values(looks, texts, in_share);
        }
        touched.sort_unstable();
        facts.clear();
        facts.extend(touched.iter().map(|at| {
            let mark = &marks[usize::from(*at)];
            let parent = usize::from(self.fields[usize::from(*at)].parent);
            let in_each = !cut && (*at == 0 || mark.instances == marks[parent].objects);
            fact(*at, mark.kinds | if in_each { EVERY } else { 0 })
        }));
        let notes = if self.learned > 0 {
            self.notes(facts, cut)
        } else {
            Notes::default()
        };
        Some((notes, cut))
    }

    /// Keeps what was looked at of a body that could be read.
    fn keep_values(&mut self, looks: &[Look], texts: &[u8], in_share: bool) {
        let mut values = std::mem::take(if in_share {
            &mut self.share
        } else {
            &mut self.early
        });
        if looks.iter().any(|look| usize::from(look.field) >= values.len()) {
            values.reserve_exact(self.fields.len().saturating_sub(values.len()));
            values.resize_with(self.fields.len(), Values::default);
        }
        for look in looks {
            let at = usize::from(look.field);
            let Some(values) = values.get_mut(at) else {
                continue;
            };
            match look.what {
                What::Value(kind, start, len) => {
                    let text = texts
                        .get(start as usize..(start + len) as usize)
                        .unwrap_or_default();
                    values.add(kind, text, || self.is_personal(at));
                }
                What::Long(len) => values.add_long(len),
                What::Elements(count) => values.add_elements(count),
                What::File => values.add_file(),
            }
        }
        *(if in_share {
            &mut self.share
        } else {
            &mut self.early
        }) = values;
    }

    /// Forgets fields that were made by what is no body.
    fn forget_from(&mut self, (fields, names, given_up): (usize, usize, u32)) {
        self.fields.truncate(fields);
        self.names.truncate(names);
        self.order.retain(|(_, at)| usize::from(*at) < fields);
        for field in &mut self.fields {
            for at in [&mut field.then, &mut field.below, &mut field.elements] {
                if usize::from(*at) >= fields {
                    *at = NONE;
                }
            }
        }
        self.given_up = given_up;
    }

    /// What of these facts is not as it was learned. Only the topmost field of what is new is told; elements of an array that was
    /// always empty, values of what was always null, and keys that are data are taken as they are.
    fn notes(&mut self, facts: &[Fact], cut: bool) -> Notes {
        const NUMBERS: u8 = 1 << Kind::Integer as u8 | 1 << Kind::Number as u8;
        const NULL: u8 = 1 << Kind::Null as u8;
        const BRACKETS: u8 = 1 << Kind::Object as u8 | 1 << Kind::Array as u8;
        let mut notes = Notes::default();
        let (mut silent, mut fresh) = (Vec::new(), Vec::new());
        for fact in facts {
            let (at, bits) = parts(*fact);
            let (kinds, field) = (bits & !EVERY, &self.fields[at]);
            let (parent, known) = (field.parent, field.known);
            if at > 0 && fresh.contains(&parent) {
                fresh.push(at as u16);
                continue;
            }
            let name = self.name(at);
            let data = name == ELEMENT || name == KEY;
            if at > 0 && silent.contains(&parent) || (known == 0 && data) || known == NULL && kinds != NULL {
                silent.push(at as u16);
            } else if known == 0 {
                fresh.push(at as u16);
                notes.news.push((field.hash, kinds));
            } else {
                let same = if known & NUMBERS != 0 { NUMBERS } else { 0 };
                let new = kinds & !known & !NULL & !same;
                if new != 0 && name != KEY {
                    if new & BRACKETS != 0 {
                        fresh.push(at as u16);
                    }
                    notes.news.push((field.hash, new));
                }
            }
        }
        for at in silent {
            if let Some(fact) = facts.iter().find(|fact| parts(**fact).0 == usize::from(at)) {
                self.fields[usize::from(at)].known |= parts(*fact).1 & !EVERY;
            }
        }
        if !cut {
            self.lacking(facts, &mut notes);
        }
        notes
    }

    fn lacking(&self, facts: &[Fact], notes: &mut Notes) {
        let of = |at: usize| {
            facts
                .binary_search_by_key(&at, |fact| parts(*fact).0)
                .map(|place| parts(facts[place]).1)
        };
        for (at, field) in self.fields.iter().enumerate().skip(1).filter(|(_, f)| f.required) {
            let had = of(at).is_ok_and(|bits| bits & EVERY != 0);
            let could = of(usize::from(field.parent)).is_ok_and(|bits| bits & Kind::Object.bit() != 0);
            if could && !had {
                notes.lacks.push(field.hash);
            }
        }
    }

    /// Whether what was seen is enough to tell what is new, by the settings of learning. Each time the exchanges have doubled it
    /// is looked at anew which fields are always there.
    pub(super) fn review(&mut self, exchanges: u64, seconds: u64, required: impl Fn(u32, u32) -> bool) {
        let enough = u64::from(self.exchanges) >= exchanges
            && u64::from(self.last.saturating_sub(self.first)) >= seconds;
        if !enough || (self.learned > 0 && self.exchanges < self.review) {
            return;
        }
        self.settle();
        if self.learned == 0 {
            self.learned = self.last.max(1);
        }
        self.review = self.exchanges.saturating_mul(2);
        for at in 1..self.fields.len() {
            let objects = self.fields[usize::from(self.fields[at].parent)].objects;
            let data = matches!(self.name(at), ELEMENT | KEY);
            let field = &mut self.fields[at];
            field.required = !data && field.known != 0 && required(field.every, objects);
        }
    }

    /// What was told of a field is as it should be from here on: that it has these kinds, with all that is in it, or that it is gone.
    pub(super) fn accept(&mut self, hash: u64, kinds: u8, gone: bool) {
        // What is put off is added first, so that kinds seen are all there.
        self.settle();
        let Some(at) = self.fields.iter().position(|field| field.hash == hash) else {
            return;
        };
        if gone {
            self.fields[at].required = false;
            return;
        }
        let brackets = kinds & (Kind::Object.bit() | Kind::Array.bit()) & !self.fields[at].known != 0;
        let fresh = self.fields[at].known == 0 || brackets;
        self.fields[at].known |= kinds;
        let mut below = vec![false; self.fields.len()];
        below[at] = fresh;
        for n in at + 1..self.fields.len() {
            if below[usize::from(self.fields[n].parent)] {
                below[n] = true;
                self.fields[n].known |= self.fields[n].kinds;
            }
        }
    }

    pub(super) fn name(&self, at: usize) -> &str {
        let (start, len) = self.fields[at].name;
        let start = usize::from(start);
        self.names.get(start..start + usize::from(len)).unwrap_or("")
    }

    /// What is kept of the values of a field.
    pub(super) fn values(&self, at: usize) -> Values {
        let mut values = self.share.get(at).cloned().unwrap_or_default();
        if let Some(early) = self.early.get(at) {
            values.absorb(early);
        }
        values
    }

    /// Whether values of a field may be somebody's, by its name. Elements and values by key are what their array or object is.
    fn is_personal(&mut self, at: usize) -> bool {
        if let Some(known) = self.fields[at].personal {
            return known;
        }
        let named = (0..FIELDS).try_fold(at, |at, _| match self.name(at) {
            ELEMENT | KEY => Ok(usize::from(self.fields[at].parent)),
            _ => Err(at),
        });
        let known = match named {
            Ok(at) | Err(at) => names_people(self.name(at)),
        };
        self.fields[at].personal = Some(known);
        known
    }

    /// The field of this path. Its hash stands for it: two paths with one hash would be taken for one field, and whoever makes
    /// some gains nothing by it.
    fn find(&self, hash: u64) -> Option<u16> {
        let half = upper(hash);
        let from = self.order.partition_point(|(known, _)| *known < half);
        let like = self
            .order
            .get(from..)?
            .iter()
            .take_while(|(known, _)| *known == half);
        let mut at = like.map(|(_, at)| *at);
        at.find(|at| self.fields.get(usize::from(*at)).is_some_and(|f| f.hash == hash))
    }

    /// The field of this name below a parent, which comes after `before` in its object, or first.
    #[inline]
    fn next(&mut self, parent: u16, before: u16, name: &[u8]) -> Option<u16> {
        let above = self.fields.get(usize::from(parent))?;
        let hash = path_hash(above.hash, name);
        let guess = match self.fields.get(usize::from(before)) {
            Some(before) => before.then,
            None => above.below,
        };
        if self
            .fields
            .get(usize::from(guess))
            .is_some_and(|f| f.hash == hash)
        {
            return Some(guess);
        }
        let found = self.find(hash)?;
        self.expect(parent, before, found);
        Some(found)
    }

    /// Remembers which field came after another, or first.
    fn expect(&mut self, parent: u16, before: u16, at: u16) {
        if let Some(before) = self.fields.get_mut(usize::from(before)) {
            before.then = at;
        } else if let Some(parent) = self.fields.get_mut(usize::from(parent)) {
            parent.below = at;
        }
    }

    /// The same, made when there is none and there is room.
    fn make(&mut self, parent: u16, name: &str) -> u16 {
        self.make_within(parent, name, FIELDS)
    }

    fn make_within(&mut self, parent: u16, name: &str, limit: usize) -> u16 {
        let Some(above) = self.fields.get(usize::from(parent)) else {
            self.push(0, "", 0);
            return 0;
        };
        let hash = path_hash(above.hash, name.as_bytes());
        if let Some(at) = self.find(hash) {
            return at;
        }
        if self.fields.len() >= limit {
            self.given_up = self.given_up.saturating_add(1);
            return NONE;
        }
        self.push(parent, name, hash);
        (self.fields.len() - 1) as u16
    }

    /// The elements of an array.
    fn elements(&mut self, array: u16, limit: usize) -> u16 {
        let at = self.make_within(array, ELEMENT, limit);
        if let Some(array) = self.fields.get_mut(usize::from(array)) {
            array.elements = at;
        }
        at
    }

    fn push(&mut self, parent: u16, name: &str, hash: u64) {
        // Names have at most forty bytes and a few signs, and there are no more than 512 of them.
        let place = (self.names.len() as u16, name.len() as u8);
        self.names.push_str(name);
        let at = self.order.partition_point(|(known, _)| *known < upper(hash));
        if self.fields.len() == self.fields.capacity() {
            let room = (self.fields.len() / 2).max(8);
            self.fields.reserve_exact(room);
            self.order.reserve_exact(room);
        }
        self.order.insert(at, (upper(hash), self.fields.len() as u16));
        self.fields.push(Field {
            personal: None,
            hash,
            name: place,
            parent,
            kinds: 0,
            known: 0,
            required: false,
            many: None,
            some: 0,
            every: 0,
            objects: 0,
            cut: 0,
            first: 0,
            last: 0,
            then: NONE,
            below: NONE,
            elements: NONE,
        });
    }

    /// Takes rare names for data where an object has too many, and gives up rare fields where the body has.
    fn keep_bounds(&mut self) {
        if self.fields.len() <= NAMES {
            return;
        }
        let mut children = [0_u16; FIELDS];
        for field in self.fields.iter().skip(1) {
            children[usize::from(field.parent)] += 1;
        }
        if self.fields.len() < FIELDS - 32 && children.iter().all(|n| usize::from(*n) <= NAMES) {
            return;
        }
        self.settle();
        let rank = |at: usize| (std::cmp::Reverse(self.fields[at].seen()), self.fields[at].hash);
        let mut data = vec![false; self.fields.len()];
        for parent in (0..self.fields.len()).filter(|at| usize::from(children[*at]) > NAMES) {
            let mut own: Vec<usize> = (1..self.fields.len())
                .filter(|at| {
                    usize::from(self.fields[*at].parent) == parent && !matches!(self.name(*at), ELEMENT | KEY)
                })
                .collect();
            own.sort_unstable_by_key(|at| rank(*at));
            own.iter().skip(NAMES_LEFT).for_each(|at| data[*at] = true);
        }
        let folded = data.iter().filter(|data| **data).count();
        let mut next = self.rebuilt(|at| if data[at] { Some(KEY) } else { Some(self.name(at)) });
        next.given_up = next.given_up.saturating_add(folded as u32);
        if next.fields.len() >= FIELDS - 32 {
            let mut order: Vec<usize> = (0..next.fields.len()).collect();
            order.sort_unstable_by_key(|at| (std::cmp::Reverse(next.fields[*at].seen()), *at));
            let mut keep = vec![false; next.fields.len()];
            order.iter().take(FIELDS_LEFT).for_each(|at| keep[*at] = true);
            let dropped = next.fields.len() - FIELDS_LEFT;
            let left = next.rebuilt(|at| keep[at].then(|| next.name(at)));
            next = left;
            next.given_up = next.given_up.saturating_add(dropped as u32);
        }
        *self = next;
    }

    /// The same with other names, and without fields that have none any more and what is below them.
    pub(super) fn rebuilt<'a>(&'a self, name: impl Fn(usize) -> Option<&'a str>) -> Self {
        let mut next = Self {
            exchanges: self.exchanges,
            cut: self.cut,
            first: self.first,
            last: self.last,
            learned: self.learned,
            review: self.review,
            given_up: self.given_up,
            ..Self::default()
        };
        next.graft(self, name);
        next
    }

    fn graft<'a>(&mut self, other: &'a Self, name: impl Fn(usize) -> Option<&'a str>) {
        let mut places = Vec::with_capacity(other.fields.len());
        for (at, field) in other.fields.iter().enumerate() {
            let parent = if at == 0 {
                0
            } else {
                places[usize::from(field.parent)]
            };
            let place = match name(at) {
                Some(_) if at == 0 => {
                    if self.fields.is_empty() {
                        self.make(0, "");
                    }
                    0
                }
                Some(name) if parent != NONE => self.make(parent, name),
                _ => NONE,
            };
            places.push(place);
            if let Some(mine) = self.fields.get_mut(usize::from(place)) {
                mine.absorb(field);
            }
        }
        for (mine, theirs) in [(&mut self.early, &other.early), (&mut self.share, &other.share)] {
            for (at, values) in theirs.iter().enumerate() {
                let place = usize::from(places.get(at).copied().unwrap_or(NONE));
                if place == usize::from(NONE) || *values == Values::default() {
                    continue;
                }
                if mine.len() <= place {
                    mine.resize_with(place + 1, Values::default);
                }
                mine[place].absorb(values);
            }
        }
    }

    /// Adds what was seen elsewhere.
    pub(super) fn absorb(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        self.exchanges = self.exchanges.saturating_add(other.exchanges);
        self.cut = self.cut.saturating_add(other.cut);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.given_up = self.given_up.saturating_add(other.given_up);
        self.learned = match (self.learned, other.learned) {
            (0, n) | (n, 0) => n,
            (a, b) => a.min(b),
        };
        self.review = self.review.max(other.review);
        self.graft(&other, |at| Some(other.name(at)));
        if self.exchanges > EARLY {
            self.early = Vec::new();
        }
        self.keep_bounds();
    }

    /// What is kept of values: of the first exchanges, and of the share.
    pub(super) fn looked_at(&self) -> (&[Values], &[Values]) {
        (&self.early, &self.share)
    }

    /// The next number of exchanges after which required fields are looked for anew.
    pub(super) fn next_review(&self) -> u32 {
        self.review
    }

    /// Puts a stored field back, which must not be there yet.
    pub(super) fn restore(&mut self, parent: u16, name: &str) -> Option<usize> {
        let at = self.fields.len();
        (usize::from(self.make(parent, name)) == at).then_some(at)
    }

    /// Puts the rest of what is stored back.
    pub(super) fn restore_values(&mut self, early: Vec<Values>, share: Vec<Values>, review: u32) {
        (self.early, self.share, self.review) = (early, share, review);
        self.fields.shrink_to_fit();
        self.order.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// The way to a field in one text.
    pub(super) fn path(&self, mut at: usize) -> String {
        let mut steps = Vec::new();
        while at > 0 {
            steps.push(self.name(at));
            at = usize::from(self.fields[at].parent);
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            if step != ELEMENT && !path.is_empty() {
                path.push('.');
            }
            path.push_str(step);
        }
        path
    }
}

fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The hash of a path by that of the path above. It is no secret and not keyed: a field is found by its name in the end.
fn path_hash(parent: u64, name: &[u8]) -> u64 {
    xxh3_64_with_seed(name, parent.rotate_left(17)).max(1)
}

/// Which names were found to be fit to be shown. It remembers and decides nothing: the same with it and without.
#[derive(Debug)]
pub(crate) struct Names {
    seed: u64,
    /// Hash of a name, with its lowest bit telling whether it may be shown.
    known: Box<[Cell<u64>]>,
    /// Room for the body at hand.
    scratch: RefCell<Scratch>,
}

/// What is noted while a body is walked. Kept from body to body for its room.
#[derive(Debug, Default)]
struct Scratch {
    marks: Vec<Mark>,
    touched: Vec<u16>,
    looks: Vec<Look>,
    texts: Vec<u8>,
    facts: Vec<Fact>,
}

impl Names {
    /// Names remembered.
    const ROOM: usize = 4096;

    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            seed: seed.hash(b"shown"),
            known: vec![Cell::new(0); Self::ROOM].into(),
            scratch: RefCell::default(),
        }
    }

    /// A key as it may be shown, see [`shown`].
    pub(super) fn shown<'a>(&self, raw: &'a [u8]) -> &'a str {
        let hash = xxh3_64_with_seed(raw, self.seed) | 1;
        let Some(place) = self.known.get((hash >> 1) as usize % Self::ROOM) else {
            return shown(raw);
        };
        if place.get() == hash {
            return std::str::from_utf8(raw).unwrap_or(KEY);
        }
        if place.get() == hash & !1 {
            return KEY;
        }
        let name = shown(raw);
        place.set(if name == KEY { hash & !1 } else { hash });
        name
    }
}

/// A key as it may be shown: plain names, also with others in brackets behind them, with a namespace or an `@` before them as JSON-LD, OData and XML have it.
pub(super) fn shown(raw: &[u8]) -> &str {
    let plain = |text: &str| {
        let bare = text.strip_prefix('@').unwrap_or(text);
        match bare.split_once(':') {
            Some((space, name)) => space.len() <= 12 && is_plain_name(space) && is_plain_name(name),
            None => is_plain_name(bare),
        }
    };
    // `filter[status]` and `ids[]`, as forms and queries have them.
    let plain = |text: &str| match text.split_once('[') {
        Some((name, inner)) => {
            plain(name)
                && inner.strip_suffix(']').is_some_and(|inner| {
                    inner
                        .split("][")
                        .all(|part| part.is_empty() || is_plain_name(part))
                })
        }
        None => plain(text),
    };
    std::str::from_utf8(raw)
        .ok()
        .filter(|text| text.len() <= 48 && plain(text))
        .unwrap_or(KEY)
}

#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    kinds: u8,
    /// Objects that had it.
    instances: u32,
    /// Objects that it was.
    objects: u32,
    /// The object in which it was met last.
    stamp: u32,
    /// Values looked at.
    looks: u8,
}

#[derive(Clone, Copy)]
struct Level {
    field: u16,
    /// The object, by a number of its own; zero for an array.
    stamp: u32,
    /// Its keys so far that were new.
    new: u32,
    /// The field of the elements of an array, or of the value of the last key.
    child: u16,
}

/// A value that was looked at. What it tells is kept when the body is known to be one.
#[derive(Debug)]
struct Look {
    field: u16,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Its kind, and where its text lies among those that were copied.
    Value(Kind, u32, u32),
    /// A text of this length that was not copied.
    Long(usize),
    Elements(u32),
    File,
}

/// Longest text that is copied.
const COPIED: usize = 512;

/// Walks a body and marks its fields.
struct Learn<'b> {
    body: &'b mut Body,
    scratch: &'b mut Scratch,
    levels: [Level; LEVELS],
    depth: usize,
    stamps: u32,
    new_names: u32,
    numbered: bool,
    look: bool,
    names: &'b Names,
    limit: usize,
}

impl<'b> Learn<'b> {
    fn new(
        body: &'b mut Body,
        scratch: &'b mut Scratch,
        look: bool,
        numbered: bool,
        moment: Moment<'b>,
    ) -> Self {
        let root = if body.fields.is_empty() {
            body.make(0, "")
        } else {
            0
        };
        let level = Level {
            field: NONE,
            stamp: 0,
            new: 0,
            child: root,
        };
        scratch.marks.clear();
        scratch.marks.resize(body.fields.len(), Mark::default());
        scratch.touched.clear();
        scratch.looks.clear();
        scratch.texts.clear();
        Self {
            body,
            scratch,
            levels: [level; LEVELS],
            depth: 0,
            stamps: 0,
            new_names: 0,
            numbered,
            look,
            names: moment.names,
            limit: if moment.crowded {
                FIELDS_WHEN_CROWDED
            } else {
                FIELDS
            },
        }
    }

    /// The field of the value that comes, marked as having this kind.
    fn mark(&mut self, kind: Kind) -> u16 {
        let Level {
            field,
            mut child,
            stamp,
            ..
        } = self.levels[self.depth];
        if child == NONE && stamp == 0 && field != NONE {
            // What is below an array are its elements, and nothing else.
            child = match self.body.fields.get(usize::from(field)) {
                Some(array) if array.elements != NONE => array.elements,
                _ => self.body.elements(field, self.limit),
            };
            self.levels[self.depth].child = child;
        }
        if child == NONE {
            return NONE;
        }
        let at = usize::from(child);
        if self.scratch.marks.len() <= at {
            self.scratch.marks.resize(self.body.fields.len(), Mark::default());
        }
        let mark = &mut self.scratch.marks[at];
        if mark.kinds == 0 {
            self.scratch.touched.push(child);
        }
        mark.kinds |= kind.bit();
        mark.objects += u32::from(kind == Kind::Object);
        if stamp > 0 && mark.stamp != stamp {
            mark.stamp = stamp;
            mark.instances += 1;
        }
        child
    }

    /// Looks at a value of a field, if enough of them were not looked at.
    fn look(&mut self, field: u16, what: impl FnOnce(&mut Vec<u8>) -> What) {
        let scratch = &mut *self.scratch;
        let Some(mark) = scratch.marks.get_mut(usize::from(field)).filter(|_| self.look) else {
            return;
        };
        if mark.looks < LOOKED_AT {
            mark.looks += 1;
            let what = what(&mut scratch.texts);
            scratch.looks.push(Look { field, what });
        }
    }
}

impl Visitor for Learn<'_> {
    fn key(&mut self, raw: &[u8]) {
        let level = &mut self.levels[self.depth];
        let before = std::mem::replace(&mut level.child, NONE);
        let (parent, new) = (level.field, level.new);
        if parent == NONE {
            return;
        }
        // Names of fields begin with neither; `[]` and `{key}` do.
        let found = match raw.first() {
            None | Some(b'[' | b'{') => None,
            Some(_) => self.body.next(parent, before, raw),
        };
        if let Some(at) = found {
            self.levels[self.depth].child = at;
            return;
        }
        let name = if new >= NAMES_AT_ONCE || self.new_names >= NEW_NAMES {
            KEY
        } else {
            self.new_names += 1;
            self.levels[self.depth].new += 1;
            let number = std::str::from_utf8(raw).ok().filter(|_| self.numbered);
            number.unwrap_or_else(|| self.names.shown(raw))
        };
        let at = self.body.make_within(parent, name, self.limit);
        self.body.expect(parent, before, at);
        self.levels[self.depth].child = at;
    }

    fn scalar(&mut self, kind: Kind, text: Option<&[u8]>) {
        let field = self.mark(kind);
        let Some(text) = text else { return };
        self.look(field, |texts| {
            if text.len() > COPIED {
                return What::Long(text.len());
            }
            let start = texts.len() as u32;
            texts.extend_from_slice(text);
            What::Value(kind, start, text.len() as u32)
        });
    }

    fn file(&mut self) {
        let field = self.mark(Kind::String);
        self.look(field, |_| What::File);
    }

    fn open(&mut self, kind: Kind) {
        let field = self.mark(kind);
        self.depth = (self.depth + 1).min(LEVELS - 1);
        let object = kind == Kind::Object;
        self.stamps += u32::from(object);
        self.levels[self.depth] = Level {
            field,
            stamp: if object { self.stamps } else { 0 },
            new: 0,
            child: NONE,
        };
    }

    fn close(&mut self, kind: Kind, elements: u32) {
        let field = self.levels[self.depth].field;
        self.depth = self.depth.saturating_sub(1);
        if kind == Kind::Array {
            self.look(field, |_| What::Elements(elements));
        }
    }
}
