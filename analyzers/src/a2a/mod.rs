//! The Agent2Agent protocol, 0.x and 1.0, from what passes by.
//!
//! ```text
//! exchange ─▶ call ─▶ Seen ─▶ agents ─▶ detectors
//!             and     what it  cards,    one file each
//!             card    carries  tasks
//! ```
//!
//! An exchange is A2A's by the form of what is sent or answered and by the fields of its head, never by its path. An agent is a host
//! and a path on it, with the card that is served there and the calls that go to where that card says. Of messages and artifacts are
//! kept kinds and sizes, of tasks and contexts keyed hashes, of cards names that pass the functions of [`crate::privacy`], and hashes.
//!
//! Source: A2A 1.0 (specification and `a2a.proto`), 0.3.0 and 0.2.

pub(crate) mod a2a_card_unsigned_or_changed;
pub(crate) mod a2a_unauthenticated;
mod agents;
mod call;
mod card;
mod task;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use reassembly::{Exchange, Request, Timestamp};

pub(crate) use self::agents::Agent;
use self::agents::Learned;
pub(crate) use self::call::over_json_rpc;
use self::call::{Asked, Operation};
use self::card::Card;
pub use self::task::A2aParts;
use self::task::{State, Told};
use crate::behaviour::Activity;
use crate::finding::Resource;
use crate::finding::ledger::Filing;
use crate::id::{Id, Seed};
use crate::identity::Scheme;
use crate::identity::signals::Signals;
use crate::inventory::rpc::{self, Call};
use crate::mcp::message::{self, Value};
use crate::privacy::{is_plain_name, redact_target, safe_version, short_hash};
use crate::settings::{Room, Settings};
use crate::store::Store;

/// What an exchange carried of A2A.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct A2aLabels {
    /// `call` of an agent, `notification` of a client by an agent, `card` where a card alone was read.
    pub direction: &'static str,
    /// The version that is spoken: what `A2A-Version` says, else `0.x` or `1.0` by the form of the call.
    pub version: Option<String>,
    /// How the call is carried: `jsonrpc`, `http+json`, `grpc`. Nothing where a card alone was read.
    pub binding: Option<&'static str>,
    /// The method, as on the wire; over HTTP+JSON, which has none, that of the same method over the others.
    pub method: Option<String>,
    /// Keyed hash of the task that it is about.
    pub task: Option<String>,
    /// Keyed hash of the context that the task belongs to.
    pub context: Option<String>,
    /// Parts of the message that was sent.
    pub sent: Vec<A2aParts>,
    /// Parts of messages and artifacts that came back.
    pub received: Vec<A2aParts>,
    /// States of the task in the order in which the answer told them; the last one counts.
    pub states: Vec<&'static str>,
    /// Events of the answer, where it was a stream.
    pub events: Option<u64>,
    /// Whether the call failed, as far as that was seen. A task that failed was called well.
    pub failed: Option<bool>,
    /// Code of the error, as JSON-RPC has it, or the status of gRPC.
    pub error: Option<i64>,
    /// Hash of the card that was given out.
    pub card: Option<String>,
}

/// An interface of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceView {
    /// Its address, redacted.
    pub url: String,
    /// `JSONRPC`, `HTTP+JSON`, `GRPC`, or what the card calls it.
    pub binding: String,
    /// Version of the protocol spoken there.
    pub version: Option<String>,
}

/// What a signature of a card says of itself. It is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureView {
    /// Algorithm.
    pub alg: Option<String>,
    /// Id of the key.
    pub kid: Option<String>,
    /// Where the key is said to be.
    pub jku: Option<String>,
}

/// An agent as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentView {
    /// Stable id, of host and path.
    pub id: String,
    /// Host that serves its card; without one, that it is called at.
    pub host: String,
    /// Path below which its card is served; without one, that calls go to. Redacted.
    pub path: String,
    /// Its name, as the card says.
    pub name: Option<String>,
    /// Its version, as the card says.
    pub version: Option<String>,
    /// The organisation that provides it, as the card says.
    pub provider: Option<String>,
    /// Versions of the protocol, named by the card or spoken by callers.
    pub versions: Vec<String>,
    /// Where the card says it is to be called, the preferred place first.
    pub interfaces: Vec<InterfaceView>,
    /// Skills: id and name.
    pub skills: Vec<(String, String)>,
    /// It can answer with a stream.
    pub streaming: bool,
    /// It can send notifications.
    pub push_notifications: bool,
    /// It has another card for callers who have said who they are.
    pub extended_card: bool,
    /// Ways to say who one is that the card declares.
    pub security_schemes: Vec<String>,
    /// Whether the card asks callers to say who they are; nothing without a card.
    pub asks_for_credentials: Option<bool>,
    /// Signatures of the card.
    pub signatures: Vec<SignatureView>,
    /// Hash of the card that is shown to all.
    pub card: Option<String>,
    /// Callers whose extended card was seen.
    pub extended_cards: u64,
    /// How often the card was given out.
    pub card_reads: u64,
    /// How it is called: `jsonrpc`, `http+json`, `grpc`.
    pub bindings: Vec<String>,
    /// Methods with calls.
    pub methods: BTreeMap<String, u64>,
    /// Tasks by the state that they were last seen in.
    pub tasks: BTreeMap<String, u64>,
    /// Principals by id, with calls.
    pub callers: BTreeMap<String, u64>,
    /// Calls.
    pub calls: u64,
    /// Of these, how many failed.
    pub failed: u64,
    /// Of these, how many were done for callers without any credential.
    pub open_calls: u64,
    /// First exchange.
    pub first_seen: Timestamp,
    /// Last exchange.
    pub last_seen: Timestamp,
}

/// What an exchange says, before anything is known of its agent.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    asked: Option<Asked<'a>>,
    /// Where a card was given out, the text of it and the path below which it lies.
    card: Option<(Cow<'a, [u8]>, &'a str)>,
    /// It is that of callers who have said who they are.
    extended: bool,
    labels: A2aLabels,
    tasks: Vec<(u64, State)>,
}

/// Ends of paths under which cards are served; the last three need a caller who has said who it is.
const CARDS: [(&str, bool); 6] = [
    ("/.well-known/agent-card.json", false),
    ("/.well-known/agent.json", false),
    ("/agent-card.json", false),
    ("/extendedAgentCard", true),
    ("/agent/authenticatedExtendedCard", true),
    ("/v1/card", true),
];

/// The skill that a call names, where it names one. The protocol has no place for it; these are those that clients use.
pub(crate) fn skill(params: Value<'_>) -> Option<String> {
    let message = params.get("message");
    let places = [message.and_then(|m| m.get("metadata")), params.get("metadata")];
    let named = |of: Value<'_>| {
        let id = of.get("skillId").or_else(|| of.get("skill_id"))?;
        id.whole.then_some(id)?.text().map(Cow::into_owned)
    };
    let id = places.into_iter().flatten().find_map(named)?;
    is_plain_name(&id).then_some(id)
}

/// What every card has. Made once: making a needle takes longer than most searches.
static SKILLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"skills\""));

/// The body of an answer when it can be a card, and the path below which it lies.
fn card_in<'a>(request: &'a Request, exchange: &'a Exchange) -> Option<(&'a [u8], &'a str, bool)> {
    let response = exchange.response.as_ref().filter(|r| r.status == 200)?;
    if request.method() != "GET"
        || response
            .message
            .body
            .first()
            .is_none_or(|b| !matches!(b, b'{' | b' ' | b'\n' | 0xef))
    {
        return None;
    }
    let body = response.message.body.as_slice();
    let path = request.path();
    let known = CARDS
        .iter()
        .find_map(|(end, extended)| Some((path.strip_suffix(end)?, *extended)));
    // Elsewhere it takes more than the walk through every answer is worth.
    let worth = known.is_some()
        || SKILLS.find(body).is_some() && memchr::memmem::find(body, b"\"capabilities\"").is_some();
    if !worth || !card::has_form(body, known.is_some()) {
        return None;
    }
    let (base, extended) = known.unwrap_or((path, false));
    Some((body, base.trim_end_matches('/'), extended))
}

impl<'a> Seen<'a> {
    /// Reads what an exchange says, when it is A2A's.
    pub(crate) fn read(
        exchange: &'a Exchange,
        request: &'a Request,
        signals: &Signals<'_>,
        call: Option<&Call>,
        key: &[u8; 32],
        seed: Seed,
    ) -> Option<Self> {
        let found = call
            .filter(|call| call.protocol == "a2a")
            .map(|call| call.method.as_str());
        if found.is_none() && call.is_some() {
            return None;
        }
        let asked = call::of(exchange, request, signals, found);
        let plain = card_in(request, exchange);
        if asked.is_none() && plain.is_none() {
            return call::notified(request, signals).map(|told| Self::of_notification(&told, signals, key));
        }
        let mut seen = Self {
            extended: plain.is_some_and(|(_, _, extended)| extended)
                || asked
                    .as_ref()
                    .is_some_and(|a| a.operation == Operation::ExtendedCard),
            card: plain.map(|(text, base, _)| (Cow::Borrowed(text), base)),
            asked: None,
            labels: A2aLabels::default(),
            tasks: Vec::new(),
        };
        let said = signals.a2a_version.map(|version| safe_version(key, version));
        let Some(asked) = asked else {
            seen.labels.direction = "card";
            seen.labels.version = said;
            return Some(seen);
        };
        seen.labels = A2aLabels {
            direction: "call",
            version: said.or_else(|| Some(if asked.modern { "1.0" } else { "0.x" }.to_owned())),
            binding: Some(asked.binding.name()),
            method: Some(asked.method.to_owned()),
            ..A2aLabels::default()
        };
        seen.read_call(&asked, exchange, key, seed);
        seen.asked = Some(asked);
        Some(seen)
    }

    /// What an agent tells a client where that asked to be told: the task, or what became of it.
    fn of_notification(told: &Told<'_>, signals: &Signals<'_>, key: &[u8; 32]) -> Self {
        let hash = |domain: &str, id: &str| short_hash(key, domain, id.as_bytes());
        let labels = A2aLabels {
            direction: "notification",
            version: signals.a2a_version.map(|version| safe_version(key, version)),
            task: told.task.as_deref().map(|id| hash("a2a task", id)),
            context: told.context.as_deref().map(|id| hash("a2a context", id)),
            sent: told.received.clone(),
            states: told.states.iter().map(|state| state.name()).collect(),
            ..A2aLabels::default()
        };
        Self {
            asked: None,
            card: None,
            extended: false,
            labels,
            tasks: Vec::new(),
        }
    }

    /// Whether somebody calls an agent, rather than read its card.
    pub(crate) fn is_call(&self) -> bool {
        self.asked.is_some()
    }

    /// The method that is called.
    pub(crate) fn method(&self) -> Option<&str> {
        self.labels.method.as_deref()
    }

    fn read_call(&mut self, asked: &Asked<'a>, exchange: &'a Exchange, key: &[u8; 32], seed: Seed) {
        let hash = |domain: &str, id: &str| short_hash(key, domain, id.as_bytes());
        let text = |of: Option<Value<'a>>, name: &str| {
            let held = of?.get(name).filter(|v| v.whole)?;
            held.text().filter(|id| !id.is_empty())
        };
        let sent = asked.params.and_then(|params| params.get("message"));
        if let Some(sent) = sent {
            task::add_parts(sent, &mut self.labels.sent);
        }
        let named = match asked.operation {
            Operation::Send | Operation::Stream => text(sent, "taskId"),
            Operation::Push => text(asked.params, "taskId").or_else(|| text(asked.params, "id")),
            Operation::List => None,
            _ => text(asked.params, "id"),
        };
        let named = named.or_else(|| asked.task.clone());
        let context = text(sent, "contextId");
        let mut told = Told::default();
        let response = exchange.response.as_ref();
        let texts = response.map(|r| message::texts(&r.message)).unwrap_or_default();
        let streamed = response.is_some_and(|r| message::is_stream(&r.message));
        self.labels.events = streamed.then_some(texts.len() as u64);
        let mut answered = false;
        for (_, text) in &texts {
            let (payload, error) = match asked.binding {
                call::Binding::JsonRpc => {
                    let (all, _) = message::read(text);
                    let own = all.iter().find(|m| m.result.is_some() || m.error.is_some());
                    (own.and_then(|m| m.result), own.and_then(|m| m.error))
                }
                call::Binding::Http => {
                    let all = Value::read(text).map(|(value, _)| value);
                    let error = all.and_then(|v| v.get("error"));
                    (all.filter(|_| error.is_none()), error)
                }
                call::Binding::Grpc => (None, None),
            };
            if let Some(error) = error {
                let code = error.get("code").filter(|v| v.whole && v.bytes.len() <= 12);
                let code = code.and_then(|v| std::str::from_utf8(v.bytes).ok()?.parse().ok());
                self.labels.failed = Some(true);
                self.labels.error = self.labels.error.or(code);
            }
            if let Some(payload) = payload {
                answered = true;
                if asked.operation == Operation::ExtendedCard && card::is_card(payload, true) {
                    self.card = Some((Cow::Owned(payload.bytes.to_vec()), asked.base));
                } else if asked.operation != Operation::Push {
                    told.take(payload);
                }
            }
        }
        let status = response.map(|r| r.status);
        if asked.binding == call::Binding::Grpc {
            self.labels.error = rpc::grpc_status(exchange)
                .map(i64::from)
                .filter(|code| *code != 0);
            self.labels.failed = rpc::grpc_status(exchange).map(|code| code != 0);
        } else if status.is_some_and(|status| status >= 400) {
            self.labels.failed = Some(true);
        } else if answered && self.labels.failed.is_none() {
            self.labels.failed = Some(false);
        }
        let task = told.task.as_deref().or(named.as_deref());
        self.labels.task = task.map(|id| hash("a2a task", id));
        let context = told.context.as_deref().or(context.as_deref());
        self.labels.context = context.map(|id| hash("a2a context", id));
        self.labels.states = told.states.iter().map(|state| state.name()).collect();
        self.tasks = told
            .tasks
            .iter()
            .map(|(id, state)| (seed.hash(id.as_bytes()), *state))
            .collect();
        self.labels.received = told.received;
    }
}

/// Everything known of A2A.
#[derive(Debug)]
pub(crate) struct A2a {
    pub(crate) agents: Store<Agent>,
    seed: Seed,
    /// Cards that were first seen or changed.
    cards: u64,
    /// Cards that were not read: cut off, too long, or no JSON after all.
    unread: u64,
}

/// What detectors look at.
struct At<'a> {
    activity: &'a Activity<'a>,
    agent: &'a Agent,
    /// The path that the card came from, redacted.
    path: String,
    extended: bool,
    seed: Seed,
}

impl At<'_> {
    /// The card as a resource.
    fn resource(&self) -> Resource {
        Resource {
            host: Some(self.agent.host.clone()),
            template: Some(self.path.clone()),
            ..Resource::default()
        }
    }
}

impl A2a {
    pub(crate) fn new(seed: Seed, max_endpoints: usize, room: usize) -> Self {
        Self {
            agents: Store::new(max_endpoints.div_ceil(32), Room::share(room, 1)),
            seed,
            cards: 0,
            unread: 0,
        }
    }

    /// Names that agents have beyond their ceilings.
    pub(crate) fn given_up(&self) -> u64 {
        self.agents.sorted().iter().map(|(_, a)| a.given_up).sum()
    }

    /// Cards that could not be read.
    pub(crate) fn unread(&self) -> u64 {
        self.unread
    }

    /// Agents, by host and path.
    pub(crate) fn views(&self) -> Vec<AgentView> {
        let rows: Vec<&Agent> = self.agents.sorted().into_iter().map(|(_, row)| row).collect();
        agents::views(&rows)
    }

    /// Whether a request that shows none of the usual credentials shows none at all: a card may name another field for keys, or ask
    /// for a certificate, which nobody sees.
    fn is_open(&mut self, id: Id, activity: &Activity<'_>) -> bool {
        let Some(row) = self.agents.get(id) else {
            return false;
        };
        if row.known_asks(self.cards).is_none() {
            let rows: Vec<&Agent> = self.agents.sorted().into_iter().map(|(_, row)| row).collect();
            let asks = agents::asks(row, &rows);
            if let Some(row) = self.agents.get_mut(id) {
                row.ask(self.cards, asks);
            }
        }
        let Some(asks) = self.agents.get(id).and_then(|row| row.known_asks(self.cards)) else {
            return false;
        };
        if asks.unseen {
            return false;
        }
        let is_key = |name: &str| {
            asks.keys
                .contains(&self.seed.hash(name.to_ascii_lowercase().as_bytes()))
        };
        let request = activity.request;
        let named = |pair: &str| is_key(pair.split('=').next().unwrap_or("").trim());
        let query = request.query().unwrap_or("");
        let cookie = request.message.field("cookie").unwrap_or("");
        let shown = !asks.keys.is_empty()
            && (request.message.head.fields().any(|(name, _)| is_key(name))
                || query.split('&').any(named)
                || cookie.split(';').any(named));
        !shown
    }

    /// Takes an exchange over and tells what detectors find.
    pub(crate) fn observe(
        &mut self,
        activity: &Activity<'_>,
        seen: &Seen<'_>,
        settings: &Settings,
        filing: &mut Filing,
    ) -> A2aLabels {
        let mut labels = seen.labels.clone();
        if seen.asked.is_none() && seen.card.is_none() {
            // Whom an agent notifies is none by that.
            return labels;
        }
        let base = match (&seen.asked, &seen.card) {
            (Some(asked), _) => asked.base,
            (None, Some((_, base))) => base,
            (None, None) => "",
        };
        let host = activity.host_name();
        let path = redact_target(base);
        let environment = activity.host.and_then(|h| h.environment.as_deref()).unwrap_or("");
        let id = Id::of(&[b"a2a", host.as_bytes(), path.as_bytes(), environment.as_bytes()]);
        // An error alone does not show that there is an agent.
        let done = activity.accepted() && labels.failed != Some(true);
        if !done && self.agents.get(id).is_none() {
            return labels;
        }
        self.agents.entry(id, || Agent::new(id, host, path, activity.ts));
        let uses = seen
            .asked
            .as_ref()
            .is_some_and(|a| a.operation != Operation::ExtendedCard);
        // One that asks for a credential midway, or refuses the task, does not do what strangers ask.
        let begun = !matches!(labels.states.last(), Some(&("auth_required" | "rejected")));
        let open = done && uses && begun && activity.scheme == Scheme::None && self.is_open(id, activity);
        let Some(agent) = self.agents.get_mut(id) else {
            return labels;
        };
        agent.first = agent.first.min(activity.ts);
        agent.last = agent.last.max(activity.ts);
        if let (Some(method), Some(binding)) = (&labels.method, labels.binding) {
            agent.called(method, binding, labels.version.as_deref().filter(|_| done));
            agent.failed += u64::from(!done);
            agent.open_calls += u64::from(open);
            // Whom it refuses is no caller of it.
            if !matches!(activity.exchange.status(), Some(401 | 403)) {
                agent.met(&activity.identity.text);
            }
        }
        for (task, state) in &seen.tasks {
            agent.task(*task, *state);
        }
        if open {
            let at = At {
                activity,
                agent,
                path: agent.path.clone(),
                extended: false,
                seed: self.seed,
            };
            a2a_unauthenticated::observe(&at, seen, self.cards, filing);
        }
        let Some((text, _)) = seen.card.as_ref().filter(|_| done) else {
            return labels;
        };
        agent.card_reads += 1;
        let caller = match seen.extended {
            true => activity.identity.id.short(),
            false => 0,
        };
        let current = |agent: &Agent| {
            let mut extended = agent.extended.iter();
            let known = match seen.extended {
                true => extended.find(|(of, _)| *of == caller).map(|(_, known)| known),
                false => agent.card.as_ref(),
            };
            known.map(|known| known.card.definition.hash.to_string())
        };
        if agent.has_read(self.seed.hash(text), caller) {
            labels.card = current(agent);
            return labels;
        }
        let Some(card) = Card::read(text, &settings.hash_key, self.seed) else {
            self.unread += 1;
            return labels;
        };
        labels.card = Some(card.definition.hash.to_string());
        let learned = match seen.extended {
            true => agent.learn_extended(card, caller, activity.ts),
            false => agent.learn(card, activity.ts),
        };
        let at = At {
            activity,
            agent,
            path: redact_target(activity.request.path()),
            extended: seen.extended,
            seed: self.seed,
        };
        self.cards += u64::from(!matches!(learned, Learned::Known));
        match &learned {
            Learned::First => a2a_card_unsigned_or_changed::first(&at, filing),
            Learned::Changed(change) => a2a_card_unsigned_or_changed::changed(&at, change, filing),
            Learned::Known => {}
        }
        labels
    }
}
