//! What calls cause: whom a principal has call whom, through which endpoint or tool.
//!
//! ```text
//! exchange ─▶ Span ─▶ calls that its server sent meanwhile ─▶ Edge: principal ─ through ─▶ principal ─ to ─▶ endpoint
//!                     joined by trace, credential, value; by time alone when nothing better comes
//! ```
//!
//! A server that is called and calls others while it works is seen twice: as the server of one exchange and as the client of
//! others. An exchange is complete after those it caused, so its causes are looked for backwards, among what its server's address
//! sent between question and answer. A trace, a forwarded credential or a value that went in and came out decide at once; what
//! nothing but the time joins waits until everything that was going on then is complete, and is as sure as there are few.
//!
//! Spans are of seconds and not stored; edges are rows.

pub(crate) mod confused_deputy;
mod spans;
#[cfg(test)]
mod tests;
pub(crate) mod values;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::spans::{Caused, Spans};
use crate::behaviour::Activity;
use crate::id::{HashTable, Id, Seed};
use crate::store::{Row, Store};
use crate::work::Clues;

/// What joins a call to the one that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// It was sent while the other was at work, and nothing else speaks for or against it.
    Time,
    /// A value that went in came out.
    Value,
    /// The credential that was shown was shown again.
    Credential,
    /// Both are of one trace.
    Trace,
}

impl Cause {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Time, Self::Value, Self::Credential, Self::Trace];

    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Value => "value",
            Self::Credential => "credential",
            Self::Trace => "trace",
        }
    }
}

/// Who had whom call what.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeView {
    /// Who called first.
    pub from: String,
    /// The endpoint it called, of a tool its own.
    pub through: String,
    /// Who called then: what the server shows for itself; the same again where a credential is passed on.
    pub by: String,
    /// The endpoint that was called then.
    pub to: String,
    /// Calls, by what joins them.
    pub causes: Vec<(Cause, u64)>,
    /// Calls in all.
    pub exchanges: u64,
    /// How sure that is, on average, 0 to 1.
    pub confidence: f64,
    /// The first of these calls.
    pub first_seen: Timestamp,
    /// The last one.
    pub last_seen: Timestamp,
}

/// An edge's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Edge {
    from: Id,
    through: Id,
    by: Id,
    to: Id,
    causes: [u64; Cause::ALL.len()],
    /// Sum of confidences, in hundredths.
    sure: u64,
    #[serde(with = "crate::store::nanos")]
    first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
}

impl Row for Edge {
    fn worth(&self) -> (bool, Timestamp) {
        (self.causes[1..].iter().any(|n| *n > 0), self.last)
    }
}

impl Edge {
    /// The key of its row.
    pub(crate) fn id(&self) -> Id {
        edge_id([self.from, self.through, self.by, self.to])
    }

    fn exchanges(&self) -> u64 {
        self.causes.iter().sum()
    }

    fn view(&self) -> EdgeView {
        let causes = Cause::ALL.into_iter().zip(self.causes).rev();
        let sure = self.sure as f64 / 100.0 / self.exchanges().max(1) as f64;
        EdgeView {
            from: self.from.to_string(),
            through: self.through.to_string(),
            by: self.by.to_string(),
            to: self.to.to_string(),
            causes: causes.filter(|(_, count)| *count > 0).collect(),
            exchanges: self.exchanges(),
            confidence: (sure * 100.0).round() / 100.0,
            first_seen: self.first,
            last_seen: self.last,
        }
    }
}

fn edge_id(ends: [Id; 4]) -> Id {
    let bytes = ends.map(Id::to_bytes);
    Id::of(&[b"edge", &bytes[0], &bytes[1], &bytes[2], &bytes[3]])
}

/// The edges, and what may become some.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) edges: Store<Edge>,
    spans: Spans,
}

impl Graph {
    pub(crate) fn new(max_edges: usize, room: usize) -> Self {
        Self {
            edges: Store::new(max_edges, room),
            spans: Spans::default(),
        }
    }

    /// Takes an exchange, and gives the calls that it is known to have caused.
    pub(crate) fn observe(
        &mut self,
        activity: &Activity<'_>,
        clues: &Clues,
        object: Option<u64>,
        seed: Seed,
    ) -> Vec<Caused> {
        for late in self.spans.settle(activity.exchange.completed) {
            self.count(&late);
        }
        let caused = self.spans.take(activity, clues, object, seed);
        for one in &caused {
            self.count(one);
        }
        caused
    }

    /// Ends the input: what was waited for does not come any more.
    pub(crate) fn finish(&mut self) {
        for late in self.spans.settle(Timestamp(u64::MAX)) {
            self.count(&late);
        }
    }

    fn count(&mut self, caused: &Caused) {
        let ends = [Some(caused.from), caused.through, Some(caused.by), caused.to];
        let [Some(from), Some(through), Some(by), Some(to)] = ends else {
            return;
        };
        // A call is no cause of itself, however a capture repeats it.
        if through == to && from == by {
            return;
        }
        let edge = self.edges.entry(edge_id([from, through, by, to]), || Edge {
            from,
            through,
            by,
            to,
            causes: [0; Cause::ALL.len()],
            sure: 0,
            first: caused.at,
            last: caused.at,
        });
        edge.causes[caused.cause as usize] += 1;
        edge.sure += u64::from(caused.confidence);
        edge.first = edge.first.min(caused.at);
        edge.last = edge.last.max(caused.at);
    }

    /// All edges by who began, the most used first.
    pub(crate) fn views(&self) -> HashTable<Id, Vec<EdgeView>> {
        let mut all: HashTable<Id, Vec<EdgeView>> = HashTable::default();
        for (_, edge) in self.edges.sorted() {
            all.entry(edge.from).or_default().push(edge.view());
        }
        #[expect(clippy::iter_over_hash_type, reason = "each list is sorted by itself")]
        for edges in all.values_mut() {
            edges.sort_by(|a, b| {
                let key = |e: &EdgeView| {
                    (
                        std::cmp::Reverse(e.exchanges),
                        e.through.clone(),
                        e.to.clone(),
                        e.by.clone(),
                    )
                };
                key(a).cmp(&key(b))
            });
        }
        all
    }
}
