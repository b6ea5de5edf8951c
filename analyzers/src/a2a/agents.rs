//! What is known of an agent: the card it shows, who calls it and how, and how its tasks ended.
//!
//! A row is a host and a path on it. A card lies where it is served, calls where they go to, and these may be two places: rows are
//! put together when they are shown, by the interfaces that a card names, so that it makes no difference which came first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::AgentView;
use super::card::{Card, Interface};
use super::task::State;
use crate::id::Id;
use crate::store::Row;

/// Callers, and versions and methods, told apart.
const WHO: usize = 128;
const FEW: usize = 32;

/// Tasks whose state is remembered; of one that made way, the state that it had counts.
const TASKS: usize = 256;

/// Cards of one agent that are not told again.
const KNOWN: usize = 8;

/// Callers whose extended card is remembered.
const EXTENDED: usize = 8;

/// Texts of cards that were read and need not be read again.
const READ: usize = 16;

/// A card as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) card: Card,
    /// Hashes of what was seen before, in the order in which they came.
    hashes: Vec<(Id, BTreeSet<u64>)>,
    /// Since when it is as it is.
    #[serde(with = "crate::store::nanos")]
    pub(crate) since: Timestamp,
}

/// A card that is not as it was.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) before: Card,
    pub(crate) after: Card,
    pub(crate) since: Timestamp,
}

/// What became of a card.
#[derive(Debug)]
pub(crate) enum Learned {
    First,
    Known,
    Changed(Box<Replaced>),
}

impl Known {
    fn new(card: Card, ts: Timestamp) -> Self {
        Self {
            hashes: vec![(card.definition.hash, card.stamp())],
            card,
            since: ts,
        }
    }

    fn take(&mut self, card: Card, ts: Timestamp) -> Learned {
        let sign = (card.definition.hash, card.stamp());
        if self.hashes.contains(&sign) {
            // It is told once, and what is shown now is what counts.
            if (self.card.definition.hash, self.card.stamp()) != sign {
                (self.card, self.since) = (card, ts);
            }
            return Learned::Known;
        }
        if self.hashes.len() >= KNOWN {
            self.hashes.remove(1);
        }
        self.hashes.push(sign);
        let before = std::mem::replace(&mut self.card, card.clone());
        let since = std::mem::replace(&mut self.since, ts);
        Learned::Changed(Box::new(Replaced {
            before,
            after: card,
            since,
        }))
    }
}

/// Tasks by the state that they were last seen in.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tasks {
    /// The latest ones, by a keyed hash of their id, the oldest first.
    recent: VecDeque<(u64, State)>,
    pub(crate) counts: BTreeMap<State, u64>,
}

impl Tasks {
    /// A task is in this state. What has ended stays so: a stream may tell late of what was before.
    fn note(&mut self, task: u64, state: State) {
        if let Some((_, known)) = self.recent.iter_mut().find(|(id, _)| *id == task) {
            if known.is_final() || *known == state {
                return;
            }
            let before = std::mem::replace(known, state);
            if let Some(count) = self.counts.get_mut(&before) {
                *count = count.saturating_sub(1);
            }
            self.counts.retain(|_, count| *count > 0);
        } else {
            if self.recent.len() >= TASKS {
                self.recent.pop_front();
            }
            self.recent.push_back((task, state));
        }
        *self.counts.entry(state).or_default() += 1;
    }

    /// Adds what was seen of tasks elsewhere. One that both saw is one: where it has ended counts.
    fn absorb(&mut self, other: &Self) {
        for (state, count) in &other.counts {
            *self.counts.entry(*state).or_default() += count;
        }
        for (id, state) in &other.recent {
            let Some((_, known)) = self.recent.iter_mut().find(|(own, _)| own == id) else {
                self.recent.push_back((*id, *state));
                continue;
            };
            let less = match state.is_final() && !known.is_final() {
                true => std::mem::replace(known, *state),
                false => *state,
            };
            if let Some(count) = self.counts.get_mut(&less) {
                *count = count.saturating_sub(1);
            }
        }
        self.counts.retain(|_, count| *count > 0);
        while self.recent.len() > TASKS {
            self.recent.pop_front();
        }
    }
}

/// An agent, or a place at which one is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: Id,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) card: Option<Known>,
    /// What callers who have said who they are were shown, by caller.
    pub(crate) extended: Vec<(u64, Known)>,
    /// Versions of the protocol in which it is called.
    pub(crate) versions: BTreeSet<String>,
    pub(crate) bindings: BTreeSet<String>,
    pub(crate) methods: BTreeMap<String, u64>,
    pub(crate) callers: BTreeMap<String, u64>,
    pub(crate) tasks: Tasks,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Calls that were done for callers without any credential.
    pub(crate) open_calls: u64,
    pub(crate) card_reads: u64,
    /// Names that were not taken at the ceilings.
    pub(crate) given_up: u64,
    #[serde(with = "crate::store::nanos")]
    pub(crate) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    #[serde(skip)]
    read: Vec<(u64, u64)>,
    /// What its card asks for, and how many cards were known when that was looked up.
    #[serde(skip)]
    asks: Option<(u64, Asks)>,
}

/// What a card asks callers for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    /// A credential, as far as a card was seen.
    pub(crate) credential: Option<bool>,
    /// It may be shown where nobody sees it: a certificate.
    pub(crate) unseen: bool,
    /// Seeded hashes of names under which keys are shown.
    pub(crate) keys: BTreeSet<u64>,
}

impl Asks {
    fn of(card: &Card) -> Self {
        Self {
            credential: Some(card.guarded),
            unseen: card.schemes.contains("mutual_tls"),
            keys: card.keys.clone(),
        }
    }
}

impl Row for Agent {
    fn worth(&self) -> (bool, Timestamp) {
        (self.card.is_some() || self.calls > 1, self.last)
    }
}

fn bump(map: &mut BTreeMap<String, u64>, name: &str, by: u64, most: usize) -> bool {
    if let Some(count) = map.get_mut(name) {
        *count += by;
        return true;
    }
    let room = map.len() < most;
    if room {
        map.insert(name.to_owned(), by);
    }
    room
}

impl Agent {
    pub(crate) fn new(id: Id, host: String, path: String, ts: Timestamp) -> Self {
        Self {
            id,
            host,
            path,
            card: None,
            extended: Vec::new(),
            versions: BTreeSet::new(),
            bindings: BTreeSet::new(),
            methods: BTreeMap::new(),
            callers: BTreeMap::new(),
            tasks: Tasks::default(),
            calls: 0,
            failed: 0,
            open_calls: 0,
            card_reads: 0,
            given_up: 0,
            first: ts,
            last: ts,
            read: Vec::new(),
            asks: None,
        }
    }

    /// What its card asks for, where that was looked up among so many cards.
    pub(crate) fn known_asks(&self, cards: u64) -> Option<&Asks> {
        let (known, asks) = self.asks.as_ref()?;
        (*known == cards).then_some(asks)
    }

    pub(crate) fn ask(&mut self, cards: u64, asks: Asks) {
        self.asks = Some((cards, asks));
    }

    pub(crate) fn met(&mut self, caller: &str) {
        let room = bump(&mut self.callers, caller, 1, WHO);
        self.given_up += u64::from(!room);
    }

    pub(crate) fn called(&mut self, method: &str, binding: &str, version: Option<&str>) {
        self.calls += 1;
        let room = bump(&mut self.methods, method, 1, FEW);
        self.given_up += u64::from(!room);
        self.bindings.insert(binding.to_owned());
        if let Some(version) = version.filter(|_| self.versions.len() < FEW) {
            self.versions.insert(version.to_owned());
        }
    }

    pub(crate) fn task(&mut self, task: u64, state: State) {
        self.tasks.note(task, state);
    }

    /// Whether this text is the one that was read for this caller last, so that it holds nothing new.
    pub(crate) fn has_read(&mut self, text: u64, caller: u64) -> bool {
        if self.read.contains(&(text, caller)) {
            return true;
        }
        // Of each caller the last one: a card that comes back is read again, and counts again.
        self.read.retain(|(_, of)| *of != caller);
        if self.read.len() >= READ {
            self.read.remove(0);
        }
        self.read.push((text, caller));
        false
    }

    /// Takes a card over: the first one is trusted, one that is not as it was is given back.
    pub(crate) fn learn(&mut self, card: Card, ts: Timestamp) -> Learned {
        match &mut self.card {
            Some(known) => known.take(card, ts),
            None => {
                self.card = Some(Known::new(card, ts));
                Learned::First
            }
        }
    }

    /// Takes over the card that this caller was shown. It may be another one than others are shown (A2A 1.0 section 13.3).
    pub(crate) fn learn_extended(&mut self, card: Card, caller: u64, ts: Timestamp) -> Learned {
        if let Some((_, known)) = self.extended.iter_mut().find(|(of, _)| *of == caller) {
            return known.take(card, ts);
        }
        if self.extended.len() >= EXTENDED {
            self.given_up += 1;
            return Learned::Known;
        }
        self.extended.push((caller, Known::new(card, ts)));
        Learned::First
    }

    /// Adds what another row knows of the same agent.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let newer = |own: &Option<Known>, theirs: &Known| own.as_ref().is_none_or(|k| theirs.since > k.since);
        if let Some(theirs) = other.card.as_ref().filter(|theirs| newer(&self.card, theirs)) {
            self.card = Some(theirs.clone());
        }
        for (caller, theirs) in &other.extended {
            let known = self.extended.iter().any(|(of, _)| of == caller);
            if !known && self.extended.len() < EXTENDED {
                self.extended.push((*caller, theirs.clone()));
            }
        }
        self.versions.extend(other.versions.iter().cloned());
        self.bindings.extend(other.bindings.iter().cloned());
        for (name, count) in &other.methods {
            bump(&mut self.methods, name, *count, FEW);
        }
        for (name, count) in &other.callers {
            bump(&mut self.callers, name, *count, WHO);
        }
        self.tasks.absorb(&other.tasks);
        self.calls += other.calls;
        self.failed += other.failed;
        self.open_calls += other.open_calls;
        self.card_reads += other.card_reads;
        self.given_up += other.given_up;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// What it shows of itself: to all, or to those who said who they are.
    fn shows(&self) -> Option<&Card> {
        let extended = || self.extended.first().map(|(_, known)| &known.card);
        self.card.as_ref().map(|known| &known.card).or_else(extended)
    }

    fn view(&self) -> AgentView {
        let card = self.shows();
        let interfaces = card.map_or(&[] as &[Interface], |card| &card.interfaces);
        AgentView {
            id: self.id.to_string(),
            host: self.host.clone(),
            path: self.path.clone(),
            name: card.map(|card| card.name.clone()),
            version: card.and_then(|card| card.version.clone()),
            provider: card.and_then(|card| card.provider.clone()),
            versions: card
                .into_iter()
                .flat_map(|card| &card.versions)
                .chain(&self.versions)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .cloned()
                .collect(),
            interfaces: interfaces
                .iter()
                .map(|one| super::InterfaceView {
                    url: one.url.clone(),
                    binding: one.binding.clone(),
                    version: one.version.clone(),
                })
                .collect(),
            skills: card.map_or_else(Vec::new, |card| {
                let of = |skill: &super::card::Skill| (skill.id.clone(), skill.name.clone());
                card.skills.iter().map(of).collect()
            }),
            streaming: card.is_some_and(|card| card.streaming),
            push_notifications: card.is_some_and(|card| card.push),
            extended_card: card.is_some_and(|card| card.extended),
            security_schemes: card.map_or_else(Vec::new, |card| card.schemes.iter().cloned().collect()),
            asks_for_credentials: card.map(|card| card.guarded),
            signatures: card.map_or_else(Vec::new, |card| {
                let of = |one: &super::card::Signature| super::SignatureView {
                    alg: one.alg.clone(),
                    kid: one.kid.clone(),
                    jku: one.jku.clone(),
                };
                card.signatures.iter().map(of).collect()
            }),
            card: self
                .card
                .as_ref()
                .map(|known| known.card.definition.hash.to_string()),
            extended_cards: self.extended.len() as u64,
            card_reads: self.card_reads,
            bindings: self.bindings.iter().cloned().collect(),
            methods: self.methods.clone(),
            tasks: self
                .tasks
                .counts
                .iter()
                .map(|(state, count)| (state.name().to_owned(), *count))
                .collect(),
            callers: self.callers.clone(),
            calls: self.calls,
            failed: self.failed,
            open_calls: self.open_calls,
            first_seen: self.first,
            last_seen: self.last,
        }
    }
}

/// Whether calls to `path` go to what lies at `place`.
fn is_below(path: &str, place: &str) -> bool {
    path == place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

/// The card whose agent is called at `row`: the one that names this host and path; else, where a host goes by another name inside
/// than outside, one that is served at this host and names this path; else the only one that is served there.
fn card_of<'a>(row: &Agent, cards: &[&'a Agent]) -> Option<&'a Agent> {
    let fits = |agent: &Agent, by_host: bool| -> Option<usize> {
        let named = agent.shows().map_or(&[] as &[Interface], |card| &card.interfaces);
        let own = |one: &&Interface| match by_host {
            true => one.host == row.host,
            false => agent.host == row.host,
        };
        let below = named
            .iter()
            .filter(own)
            .filter(|one| is_below(&row.path, &one.path));
        below.map(|one| one.path.len()).max()
    };
    for by_host in [true, false] {
        let best = cards
            .iter()
            .filter_map(|agent| Some((fits(agent, by_host)?, std::cmp::Reverse(agent.id), *agent)))
            .max_by_key(|(length, id, _)| (*length, *id));
        if let Some((_, _, agent)) = best {
            return Some(agent);
        }
    }
    let mut here = cards.iter().filter(|agent| agent.host == row.host);
    here.next().filter(|_| here.next().is_none()).copied()
}

/// What the card asks for whose agent is called at `row`.
pub(super) fn asks(row: &Agent, rows: &[&Agent]) -> Asks {
    let shown = |agent: &Agent| agent.card.as_ref().map(|known| Asks::of(&known.card));
    let other = || {
        let cards: Vec<&Agent> = rows.iter().copied().filter(|row| row.card.is_some()).collect();
        card_of(row, &cards).and_then(shown)
    };
    shown(row).or_else(other).unwrap_or_default()
}

/// Agents with what is known of them, by host and path.
pub(super) fn views(rows: &[&Agent]) -> Vec<AgentView> {
    let cards: Vec<&Agent> = rows.iter().copied().filter(|row| row.card.is_some()).collect();
    let mut merged: BTreeMap<Id, Agent> = cards.iter().map(|row| (row.id, (*row).clone())).collect();
    for row in rows.iter().filter(|row| row.card.is_none()) {
        match card_of(row, &cards).and_then(|card| merged.get_mut(&card.id)) {
            Some(agent) => agent.absorb(row),
            None => {
                merged.insert(row.id, (*row).clone());
            }
        }
    }
    let mut all: Vec<AgentView> = merged.values().map(Agent::view).collect();
    all.sort_by(|a, b| (&a.host, &a.path, &a.id).cmp(&(&b.host, &b.path, &b.id)));
    all
}
