//! Units of work: which calls of one principal belong to one task, without anybody saying so.
//!
//! ```text
//! activity ─▶ Clues ─▶ links to each open unit ─▶ the strongest wins, or a new unit begins
//! ```
//!
//! Agents name no session that holds over protocols and connections, so calls are joined by what they have in common. Each link has
//! a strength, which is how often calls that have it are of one task; several links of one unit speak together, as independent
//! witnesses do (`1 - (1 - a)(1 - b)`). What a program says outright (a session of MCP that is another, of the same server) parts
//! units whatever else joins them.
//!
//! A unit is of one principal and part of its row. What passes between principals is known by [`crate::graph`].

mod clues;
#[cfg(test)]
mod tests;

use std::time::Duration;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::clues::Clues;
use crate::id::Id;
use crate::inventory::Quantiles;
use crate::inventory::digest::Digest;

/// Units of one principal that may be going on at the same time.
const OPEN: usize = 8;

/// What is remembered of one unit, of each sort.
const SHOWN: usize = 96;
const TRACES: usize = 8;
const FLOWS: usize = 8;
const SERVERS: usize = 8;
const TALKS: usize = 4;
const ASKED: usize = 16;

/// After so long without a call nothing joins a unit any more.
const FORGOTTEN: Duration = Duration::from_secs(30 * 60);

/// The longest wait that time alone bridges: models think and people answer within minutes.
const PAUSE: Duration = Duration::from_secs(3 * 60);

/// How long a connection, or numbers that count on, join what follows.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The longest unit that holds together by nothing but time and connections: programs that never rest have no tasks to be told
/// apart, and what they do in an hour is as good a unit as any.
const LONGEST: Duration = Duration::from_secs(3600);

/// The least strength that joins.
const ENOUGH: f64 = 0.2;

/// What joins a call to the unit before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Link {
    /// Nothing: it begins a unit.
    First,
    /// Nothing but that it came soon after.
    Time,
    /// A language model asked for this tool before.
    Asked,
    /// The same connection.
    Connection,
    /// Its JSON-RPC id counts on.
    RpcId,
    /// It names what an answer of the unit had shown.
    Handle,
    /// It goes on with a conversation with a language model.
    Conversation,
    /// The same trace (W3C Trace Context and its like).
    Trace,
    /// The same session of MCP.
    Session,
}

impl Link {
    /// All links, the weakest first.
    pub const ALL: [Self; 9] = [
        Self::First,
        Self::Time,
        Self::Asked,
        Self::Connection,
        Self::RpcId,
        Self::Handle,
        Self::Conversation,
        Self::Trace,
        Self::Session,
    ];

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Time => "time",
            Self::Asked => "asked",
            Self::Connection => "connection",
            Self::RpcId => "rpc_id",
            Self::Handle => "handle",
            Self::Conversation => "conversation",
            Self::Trace => "trace",
            Self::Session => "session",
        }
    }

    /// How much it says when it is fresh, and for how long it says anything; without an end it says as much as long as its unit
    /// is remembered.
    fn weight(self) -> (f64, Option<Duration>) {
        match self {
            Self::First => (0.0, None),
            Self::Time => (0.5, Some(PAUSE)),
            Self::Asked => (0.7, Some(KEPT)),
            Self::Connection => (0.7, Some(KEPT)),
            Self::RpcId => (0.75, Some(KEPT)),
            Self::Handle => (0.8, Some(KEPT)),
            Self::Conversation | Self::Trace => (0.95, None),
            Self::Session => (1.0, None),
        }
    }

    /// How much it says after a wait: half as much at its end, and then nothing.
    fn strength(self, wait: Duration) -> f64 {
        let (weight, end) = self.weight();
        match end {
            None => weight,
            Some(end) if wait > end => 0.0,
            Some(end) => weight * (1.0 - wait.as_secs_f64() / end.as_secs_f64() / 2.0),
        }
    }
}

/// The unit that a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The unit's id.
    pub unit: Id,
    /// The strongest of what joined them.
    pub link: Link,
    /// How sure that is, all links together, in hundredths.
    pub strength: u8,
}

/// What is known of the units of a principal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkView {
    /// Units, those going on among them.
    pub units: u64,
    /// Calls of one unit, of those that are over.
    pub calls: Quantiles,
    /// Calls by what joined them.
    pub links: Vec<(Link, u64)>,
}

/// A unit that may go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit {
    id: Id,
    #[serde(with = "crate::store::nanos")]
    first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    calls: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    traces: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flows: Vec<u64>,
    /// Sessions of MCP, by server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<(u64, u64)>,
    /// The last id of a request of JSON-RPC, by server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<(u64, i64)>,
    /// Conversations, as they were when a model was called last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    talks: Vec<u64>,
    /// What answers showed last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shown: Vec<u64>,
    /// Tools that models asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<u64>,
}

/// The units of one principal. Part of its row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Work {
    open: Vec<Unit>,
    begun: u64,
    /// Calls of units that are over.
    calls: Digest,
    /// Calls by link.
    links: [u64; Link::ALL.len()],
}

/// Puts a value at the end of a list that forgets its beginning.
fn push<T: PartialEq>(list: &mut Vec<T>, value: T, most: usize) {
    if let Some(at) = list.iter().position(|known| *known == value) {
        list.remove(at);
    } else if list.len() >= most {
        list.remove(0);
    }
    list.push(value);
}

impl Unit {
    fn new(clues: &Clues) -> Self {
        Self {
            id: Id::of(&[b"work", &clues.exchange.to_bytes()]),
            first: clues.ts,
            last: clues.ts,
            calls: 0,
            traces: Vec::new(),
            flows: Vec::new(),
            sessions: Vec::new(),
            numbers: Vec::new(),
            talks: Vec::new(),
            shown: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// How a call is joined to this unit: the strongest link, and how sure all of them make it. `rivals` are other units that time
    /// speaks for as well.
    fn joins(&self, clues: &Clues, rivals: usize) -> Option<(Link, f64)> {
        let wait = clues.ts.since(self.last);
        let own = |list: &[(u64, u64)]| list.iter().find(|(s, _)| *s == clues.server).map(|(_, v)| *v);
        let mut best = Link::First;
        let mut doubt = 1.0;
        let mut add = |link: Link, holds: bool, share: f64| {
            let strength = link.strength(wait) * share;
            if holds && strength > 0.0 {
                doubt *= 1.0 - strength;
                best = best.max(link);
            }
        };
        let session = clues.session.zip(own(&self.sessions));
        if session.is_some_and(|(said, known)| said != known) {
            // A program that opens a second session on the same server does something else there.
            return None;
        }
        add(Link::Session, session.is_some(), 1.0);
        add(
            Link::Trace,
            clues.trace.is_some_and(|t| self.traces.contains(&t)),
            1.0,
        );
        // What goes on is longer than it was; the same again is asked by many.
        let before = clues.talk.len().saturating_sub(1);
        let goes_on = clues.talk[..before].iter().any(|talk| self.talks.contains(talk));
        let another = !goes_on && !clues.talk.is_empty() && !self.talks.is_empty();
        add(Link::Conversation, goes_on, 1.0);
        let names_shown = clues.names.iter().any(|name| self.shown.contains(name));
        add(Link::Handle, names_shown, 1.0);
        let number = self.numbers.iter().find(|(server, _)| *server == clues.server);
        let counts = number
            .zip(clues.number)
            .is_some_and(|((_, last), now)| last.checked_add(1) == Some(now));
        let short = clues.ts.since(self.first) <= LONGEST;
        add(Link::RpcId, counts && short, 1.0);
        // Who talks of something else on the same connection may do so for somebody else.
        let short = short && !another;
        add(Link::Connection, self.flows.contains(&clues.flow) && short, 1.0);
        add(
            Link::Asked,
            clues.called.is_some_and(|called| self.asked.contains(&called)),
            1.0,
        );
        add(Link::Time, short, 1.0 / (rivals + 1) as f64);
        let strength = 1.0 - doubt;
        (strength >= ENOUGH).then_some((best, strength))
    }

    fn take(&mut self, clues: &Clues) {
        self.first = self.first.min(clues.ts);
        self.last = self.last.max(clues.ts);
        self.calls = self.calls.saturating_add(1);
        if let Some(trace) = clues.trace {
            push(&mut self.traces, trace, TRACES);
        }
        push(&mut self.flows, clues.flow, FLOWS);
        if let Some(session) = clues.session {
            self.sessions.retain(|(server, _)| *server != clues.server);
            push(&mut self.sessions, (clues.server, session), SERVERS);
        }
        if let Some(number) = clues.number {
            self.numbers.retain(|(server, _)| *server != clues.server);
            push(&mut self.numbers, (clues.server, number), SERVERS);
        }
        if let Some(talk) = clues.talk.last() {
            push(&mut self.talks, *talk, TALKS);
        }
    }
}

impl Work {
    pub(crate) fn is_unused(&self) -> bool {
        self.begun == 0
    }

    /// Finds the unit of a call, or begins one.
    pub(crate) fn join(&mut self, clues: &Clues) -> Joined {
        self.forget(clues.ts);
        let busy = |unit: &Unit| clues.ts.since(unit.last) <= PAUSE;
        let all = self.open.iter().filter(|unit| busy(unit)).count();
        let mut best: Option<(usize, Link, f64)> = None;
        for (at, unit) in self.open.iter().enumerate() {
            let rivals = all - usize::from(busy(unit));
            let Some((link, strength)) = unit.joins(clues, rivals) else {
                continue;
            };
            // Of two that are as likely the one that was busy last.
            let better =
                best.is_none_or(|(before, _, known)| (strength, unit.last) > (known, self.open[before].last));
            if better {
                best = Some((at, link, strength));
            }
        }
        let (at, link, strength) = best.unwrap_or_else(|| {
            if self.open.len() >= OPEN {
                let oldest = (0..self.open.len()).min_by_key(|at| self.open[*at].last);
                let over = self.open.remove(oldest.unwrap_or(0));
                self.calls.record(over.calls.into());
            }
            self.open.push(Unit::new(clues));
            self.begun += 1;
            (self.open.len() - 1, Link::First, 1.0)
        });
        self.links[link as usize] += 1;
        let unit = &mut self.open[at];
        unit.take(clues);
        // The one in use last stands last, which is where what its answer tells goes to.
        let id = unit.id;
        self.open[at..].rotate_left(1);
        Joined {
            unit: id,
            link,
            strength: (strength * 100.0).round() as u8,
        }
    }

    /// Calls so far of the unit that was joined last.
    pub(crate) fn calls_of_the_last(&self) -> u32 {
        self.open.last().map_or(0, |unit| unit.calls)
    }

    /// Takes over what the answer to the call that was joined last had: `shown` are ids in it, `asked` the tools that a model wants
    /// called.
    pub(crate) fn answered(&mut self, shown: &[u64], asked: impl Iterator<Item = u64>) {
        let Some(unit) = self.open.last_mut() else {
            return;
        };
        // Of a list as much as there is room for, the first ones: they are what is looked at. Which were shown last matters little,
        // so those that are known stay where they are.
        let first = shown.iter().take(SHOWN / 2);
        // Most are told apart by a byte, and the list is gone through for the others only.
        let mut bytes = [0u64; 4];
        for id in &unit.shown {
            bytes[(id >> 6 & 3) as usize] |= 1 << (id & 63);
        }
        let may_be = |id: &u64| bytes[(id >> 6 & 3) as usize] >> (id & 63) & 1 == 1;
        let known = unit.shown.len();
        for id in first {
            if !(may_be(id) && unit.shown[..known].contains(id)) {
                unit.shown.push(*id);
            }
        }
        let over = unit.shown.len().saturating_sub(SHOWN);
        unit.shown.drain(..over);
        asked
            .take(ASKED)
            .for_each(|tool| push(&mut unit.asked, tool, ASKED));
    }

    /// Ends units that nothing joins any more.
    fn forget(&mut self, now: Timestamp) {
        let calls = &mut self.calls;
        self.open.retain(|unit| {
            let over = now.since(unit.last) > FORGOTTEN;
            if over {
                calls.record(unit.calls.into());
            }
            !over
        });
    }

    pub(crate) fn view(&self) -> WorkView {
        let links = Link::ALL.into_iter().zip(self.links);
        WorkView {
            units: self.begun,
            calls: self.calls.quantiles(),
            links: links.filter(|(_, count)| *count > 0).collect(),
        }
    }
}
