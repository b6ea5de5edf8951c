//! Exchanges of the last seconds, and which of them caused which.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use reassembly::Timestamp;

use super::{Cause, values};
use crate::behaviour::Activity;
use crate::finding::trace::Trace;
use crate::id::{HashTable, Id, Seed};
use crate::work::Clues;

/// Exchanges remembered, the latest.
const SPANS: usize = 8192;

/// How long a call waits for the one that caused it to be complete.
const HOLD: Duration = Duration::from_secs(60);

/// Addresses remembered per generation.
const ADDRESSES: usize = 16_384;

/// Calls looked at for one exchange.
const LOOKED_AT: usize = 256;

/// How sure a cause is, in hundredths.
const BY_TRACE: u8 = 97;
/// The same where addresses do not agree, as behind load balancers, or where the answer did not wait for it.
const BY_TRACE_ALONE: u8 = 80;
const BY_CREDENTIAL: u8 = 90;
const BY_VALUE: u8 = 85;
/// By time, when there is one exchange only that it can belong to.
const BY_TIME: u8 = 60;

/// A call that another one caused.
#[derive(Debug, Clone)]
pub(crate) struct Caused {
    pub(crate) from: Id,
    pub(crate) through: Option<Id>,
    pub(crate) by: Id,
    pub(crate) to: Option<Id>,
    pub(crate) cause: Cause,
    /// In hundredths.
    pub(crate) confidence: u8,
    pub(crate) at: Timestamp,
    /// The place that was called, proven or not, and the object that was named.
    pub(crate) place: Id,
    pub(crate) object: Option<u64>,
    /// Of all values that were sent.
    pub(crate) values: u64,
    /// The server let it in, and it did not act for somebody by name.
    pub(crate) accepted: bool,
    pub(crate) own: bool,
    pub(crate) name: Option<String>,
    pub(crate) trace: Option<Trace>,
}

/// An exchange, as far as it may cause others or be caused.
#[derive(Debug, Clone)]
struct Span {
    start: Timestamp,
    end: Timestamp,
    client: IpAddr,
    server: IpAddr,
    context: Option<u64>,
    principal: Id,
    name: Option<String>,
    credential: Option<Id>,
    endpoint: Option<Id>,
    place: Id,
    object: Option<u64>,
    values: Vec<u64>,
    /// All values in one hash.
    sent: u64,
    accepted: bool,
    own: bool,
    trace: Option<Trace>,
    /// It is known what caused it.
    claimed: bool,
    /// What may have: of the same trace, and over when it began.
    before: Option<(Id, Option<Id>)>,
}

/// Addresses met, by their keys, in two generations: the older ones are forgotten together.
#[derive(Debug, Default)]
struct Addresses {
    newer: HashTable<u64, ()>,
    older: HashTable<u64, ()>,
}

impl Addresses {
    fn insert(&mut self, address: u64) {
        if self.newer.len() >= ADDRESSES && !self.newer.contains_key(&address) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(address, ());
    }

    fn contains(&self, address: u64) -> bool {
        self.newer.contains_key(&address) || self.older.contains_key(&address)
    }
}

/// Exchanges by number, in the order in which they were complete.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    all: VecDeque<Span>,
    /// The number of the first of them.
    first: u64,
    /// Numbers by the address that asked, by the one that answered, and by trace.
    asked: HashTable<u64, VecDeque<u64>>,
    answered: HashTable<u64, VecDeque<u64>>,
    traced: HashTable<u64, VecDeque<u64>>,
    /// Of each of them the keys of its addresses.
    keys: VecDeque<(u64, u64)>,
    clients: Addresses,
    servers: Addresses,
}

fn key(address: IpAddr, seed: Seed) -> u64 {
    match address {
        IpAddr::V4(ip) => seed.hash(&ip.octets()),
        IpAddr::V6(ip) => seed.hash(&ip.octets()),
    }
}

fn shares(a: &[u64], b: &[u64]) -> bool {
    a.iter().any(|value| b.binary_search(value).is_ok())
}

impl Spans {
    fn get(&self, number: u64) -> Option<&Span> {
        self.all
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn claim(&mut self, number: u64) {
        let at = number
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(span) = at.and_then(|at| self.all.get_mut(at)) {
            span.claimed = true;
        }
    }

    /// Takes an exchange, and gives the calls that it caused for certain.
    pub(super) fn take(
        &mut self,
        activity: &Activity<'_>,
        clues: &Clues,
        object: Option<u64>,
        seed: Seed,
    ) -> Vec<Caused> {
        let exchange = activity.exchange;
        let (client, server) = (exchange.flow.client.ip(), exchange.flow.server.ip());
        let keys = (key(client, seed), key(server, seed));
        let (called, calls) = (self.servers.contains(keys.0), self.clients.contains(keys.1));
        self.clients.insert(keys.0);
        self.servers.insert(keys.1);
        if client == server {
            // What a machine does with itself is seen twice or not at all.
            return Vec::new();
        }
        // While there is much to do, only what can be a part of a chain is looked into: where an address has been seen on the
        // other side as well. Where nothing but a trace says that there is one, that is all that is kept.
        let chained = called || calls || self.all.len() < SPANS / 8;
        if !chained && clues.context().is_none() {
            return Vec::new();
        }
        let identity = activity.identity;
        let mut span = Span {
            start: activity.ts,
            end: exchange.completed,
            client,
            server,
            context: clues.context(),
            principal: identity.id,
            name: activity.name.filter(|_| chained).map(str::to_owned),
            credential: identity.credential.as_ref().map(|c| c.id),
            endpoint: activity.endpoint.map(|e| e.id),
            place: activity.place.template,
            object,
            values: if chained {
                values::telling(activity.request, seed)
            } else {
                Vec::new()
            },
            sent: values::all(activity.request, seed),
            accepted: activity.accepted(),
            own: identity.on_behalf_of.is_none(),
            trace: (chained && activity.accepted()).then(|| activity.trace()),
            claimed: false,
            before: None,
        };
        let mut caused = Vec::new();
        let mut claimed = Vec::new();
        let near = self.asked.get(&keys.1).into_iter().flatten().rev();
        for number in near.take(LOOKED_AT) {
            let Some(call) = self.get(*number).filter(|call| is_within(call, &span)) else {
                continue;
            };
            let Some((cause, confidence)) = cause(&span, call) else {
                continue;
            };
            claimed.push(*number);
            caused.push(told(&span, call, cause, confidence));
        }
        // Where addresses are translated in between, the trace is all there is.
        if let Some(context) = span.context {
            let traced = self.traced.get(&context).into_iter().flatten().rev();
            for number in traced.take(LOOKED_AT) {
                let call = self.get(*number).filter(|call| is_within(call, &span));
                let elsewhere = |call: &&Span| {
                    !call.claimed
                        && call.client != server
                        && call.client != client
                        && call.server != server
                        && call.place != span.place
                };
                if let Some(call) = call.filter(elsewhere)
                    && !self.answered.contains_key(&key(call.client, seed))
                {
                    claimed.push(*number);
                    caused.push(told(&span, call, Cause::Trace, BY_TRACE_ALONE));
                }
            }
            // What its own server did before may have brought it about.
            let before = self.answered.get(&keys.0).into_iter().flatten().rev();
            let before = before.take(LOOKED_AT).filter_map(|number| self.get(*number));
            let mut before = before.filter(|b| b.context == span.context && b.start <= span.start);
            span.before = before.next().map(|b| (b.principal, b.endpoint));
        }
        claimed.into_iter().for_each(|number| self.claim(number));
        self.push(span, keys);
        // In the order in which they were sent.
        caused.reverse();
        caused
    }

    fn push(&mut self, span: Span, keys: (u64, u64)) {
        let number = self.first + self.all.len() as u64;
        self.asked.entry(keys.0).or_default().push_back(number);
        self.answered.entry(keys.1).or_default().push_back(number);
        if let Some(context) = span.context {
            self.traced.entry(context).or_default().push_back(number);
        }
        self.keys.push_back(keys);
        self.all.push_back(span);
    }

    /// Decides what has waited for long enough, and forgets it.
    pub(super) fn settle(&mut self, now: Timestamp) -> Vec<Caused> {
        let mut late = Vec::new();
        while let Some(oldest) = self.all.front() {
            if now.since(oldest.end) <= HOLD && self.all.len() < SPANS {
                break;
            }
            let waiting = oldest.accepted && !oldest.claimed;
            if waiting && let Some(caused) = self.by_time(0) {
                late.push(caused);
            }
            self.forget();
        }
        late
    }

    /// What most likely caused a call that nothing was certain of.
    fn by_time(&self, at: usize) -> Option<Caused> {
        let call = self.all.get(at)?;
        let keys = self.keys.get(at)?;
        let all = self.answered.get(&keys.0).into_iter().flatten();
        let all = all.take(LOOKED_AT).filter_map(|number| self.get(*number));
        let within: Vec<&Span> = all
            .filter(|span| is_within(call, span) && !parted(span, call))
            .collect();
        let sharing = within
            .iter()
            .filter(|span| shares(&call.values, &span.values))
            .count();
        // A value that went in and came out says which it was, unless several had it.
        let (cause, sure, rivals) = match sharing {
            0 => (Cause::Time, BY_TIME, within.len()),
            _ => (Cause::Value, BY_VALUE, sharing),
        };
        let likely = within
            .into_iter()
            .filter(|span| sharing == 0 || shares(&call.values, &span.values))
            .max_by_key(|span| span.start);
        if let Some(span) = likely {
            let confidence = u32::from(sure) / rivals as u32;
            return (confidence >= 10).then(|| told(span, call, cause, confidence as u8));
        }
        let (from, through) = call.before?;
        Some(Caused {
            from,
            through,
            ..told(call, call, Cause::Trace, BY_TRACE_ALONE)
        })
    }

    fn forget(&mut self) {
        let (Some(span), Some(keys)) = (self.all.pop_front(), self.keys.pop_front()) else {
            return;
        };
        let lists = [
            (&mut self.asked, Some(keys.0)),
            (&mut self.answered, Some(keys.1)),
            (&mut self.traced, span.context),
        ];
        for (table, key) in lists {
            let Some(key) = key else { continue };
            if let Some(list) = table.get_mut(&key) {
                // Numbers are in order, so the oldest is the first.
                list.pop_front();
                if list.is_empty() {
                    table.remove(&key);
                }
            }
        }
        self.first += 1;
    }
}

/// Whether a call was sent by the server of an exchange, or by somebody for it, while that was going on.
fn is_within(call: &Span, span: &Span) -> bool {
    span.start <= call.start && call.start <= span.end && call.end <= span.end
}

/// Both belong to a trace, and it is not the same.
fn parted(span: &Span, call: &Span) -> bool {
    span.context.zip(call.context).is_some_and(|(a, b)| a != b)
}

/// What joins a call to the exchange during which it was sent, when something does for certain.
fn cause(span: &Span, call: &Span) -> Option<(Cause, u8)> {
    if call.claimed || parted(span, call) {
        return None;
    }
    if call.context.is_some() && call.context == span.context {
        return Some((Cause::Trace, BY_TRACE));
    }
    if call.credential.is_some() && call.credential == span.credential {
        return Some((Cause::Credential, BY_CREDENTIAL));
    }
    None
}

fn told(span: &Span, call: &Span, cause: Cause, confidence: u8) -> Caused {
    Caused {
        from: span.principal,
        through: span.endpoint,
        by: call.principal,
        to: call.endpoint,
        cause,
        confidence,
        at: call.start,
        place: call.place,
        object: call.object,
        values: call.sent,
        accepted: call.accepted,
        own: call.own,
        name: call.name.clone(),
        trace: call.trace.clone(),
    }
}
