//! One principal: what was seen of it and what is usual for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::blast_radius::Reached;
use super::bola_enumeration::Walk;
use super::cadence::Cadence;
use super::doing::Doing;
use super::dormant_reactivated::Woken;
use super::epochs::Epochs;
use super::habits::Habits;
use super::rate_anomaly::Rate;
use super::sketch::Sketch;
use crate::content::taint::Taint;
use crate::credentials::scope_unused::Touched;
use crate::credentials::{Granted, Way};
use crate::graph::confused_deputy::Refused;
use crate::id::Id;
use crate::identity::{
    Evidence, GrantView, Identity, ModelUse, PrincipalKind, PrincipalView, Reason, Registered, Scheme,
    UsedEndpoint, judge,
};
use crate::intent::{Standing, Watch};
use crate::llm::LlmCall;
use crate::settings::Settings;
use crate::store::Row;
use crate::work::Work;

/// What is told apart per principal; beyond that it is counted only.
const ENDPOINTS: usize = 512;
const TOOLS: usize = 128;
const MODELS: usize = 64;
const ADDRESSES: usize = 64;
const CREDENTIALS: usize = 256;
const REASONS: usize = u16::BITS as usize;
const PARTIES: usize = 64;
const PROGRAMS: usize = 8;
/// As many as there are bits in [`Used::scopes`].
const SCOPES: usize = 64;
const GRANTS: usize = 16;

/// A sign of the kind, and how many calls had it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sign {
    #[serde(flatten)]
    reason: Reason,
    calls: u64,
}

/// What a principal uses of language models.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct LlmUse {
    /// By model: calls, tokens in, tokens out.
    models: BTreeMap<String, ModelUse>,
    offered: BTreeMap<String, u64>,
    called: BTreeMap<String, u64>,
}

impl LlmUse {
    fn count(&mut self, call: &LlmCall) {
        let model = call.model.as_ref().or(call.model_answered.as_ref());
        let model = model.map_or("unknown", String::as_str);
        if let Some(used) = slot(&mut self.models, model, MODELS) {
            used.calls += 1;
            used.input_tokens = used.input_tokens.saturating_add(call.input_tokens.unwrap_or(0));
            used.output_tokens = used.output_tokens.saturating_add(call.output_tokens.unwrap_or(0));
            used.cached_tokens = used.cached_tokens.saturating_add(call.cached_tokens.unwrap_or(0));
        }
        for tool in &call.tools_offered {
            if let Some(count) = slot(&mut self.offered, tool, TOOLS) {
                *count += 1;
            }
        }
        for (tool, times) in &call.tools_called {
            if let Some(count) = slot(&mut self.called, tool, TOOLS) {
                *count += times;
            }
        }
    }
}

/// The place of a name, while there is room.
fn slot<'a, V: Default>(map: &'a mut BTreeMap<String, V>, name: &str, most: usize) -> Option<&'a mut V> {
    if map.len() < most && !map.contains_key(name) {
        map.insert(name.to_owned(), V::default());
    }
    map.get_mut(name)
}

/// How an endpoint was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64)", into = "(u64, u64, u64)")]
struct Used {
    calls: u64,
    /// Nanoseconds since 1970.
    last: u64,
    /// Scopes of the token that was shown last, a bit for each of those of the profile.
    scopes: u64,
}

impl From<(u64, u64, u64)> for Used {
    fn from((calls, last, scopes): (u64, u64, u64)) -> Self {
        Self { calls, last, scopes }
    }
}

impl From<Used> for (u64, u64, u64) {
    fn from(used: Used) -> Self {
        (used.calls, used.last, used.scopes)
    }
}

/// Tokens that were asked for in one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Grants {
    #[serde(flatten)]
    way: Way,
    calls: u64,
    /// Seconds, the longest.
    lifetime: Option<i64>,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
}

/// A principal's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: Id,
    pub(crate) kind: PrincipalKind,
    /// How sure that is.
    pub(crate) score: f64,
    signs: Vec<Sign>,
    pub(crate) name: Option<String>,
    evidence: Vec<String>,
    /// What sort of evidence decides that it is this principal.
    decided_by: String,
    /// The subject of its tokens, whatever client they were made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Id>,
    /// For whom it acts, with counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    on_behalf_of: BTreeMap<Id, u64>,
    /// Programs it was seen with, by name.
    programs: BTreeMap<String, u64>,
    pub(crate) cadence: Cadence,
    /// It came after the sensor had learned: for how many seconds that had watched by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newcomer: Option<u64>,
    /// Packet time from its first call until its kind was known, and the longest from a call until its endpoint was listed,
    /// in nanoseconds.
    discovered: (u64, u64),
    /// Bytes of bodies of requests and of responses.
    bytes: (u64, u64),
    #[serde(with = "crate::store::nanos")]
    pub(crate) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    pub(crate) exchanges: u64,
    status: [u64; 5],
    no_response: u64,
    auth: BTreeMap<Scheme, u64>,
    credentials: BTreeSet<Id>,
    addresses: BTreeMap<IpAddr, u64>,
    endpoints: BTreeMap<Id, Used>,
    /// Scopes that its tokens had, as they may be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    tools: BTreeMap<String, u64>,
    /// Use of language models; most principals have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llm: Option<Box<LlmUse>>,
    /// Endpoints called exactly once.
    once: u64,
    pub(crate) rate: Rate,
    pub(crate) shown: Sketch,
    pub(crate) walks: BTreeMap<Id, Box<Walk>>,
    /// Names that it was let in to, while its tokens say what they allow.
    #[serde(default, skip_serializing_if = "Touched::is_empty")]
    pub(crate) touched: Touched,
    /// Which of its calls belong together.
    #[serde(default, skip_serializing_if = "Work::is_unused")]
    pub(crate) work: Work,
    /// What it is at, unit by unit, and what is usual for it.
    #[serde(default, skip_serializing_if = "Doing::is_empty")]
    pub(crate) doing: Doing,
    #[serde(default, skip_serializing_if = "Habits::is_empty")]
    pub(crate) habits: Habits,
    /// What it is made of, as far as it shows.
    #[serde(default, skip_serializing_if = "Epochs::is_empty")]
    pub(crate) epochs: Epochs,
    /// What was usual before this time was forgotten; since when, and after how many calls, it is learned anew.
    #[serde(default, with = "crate::store::nanos")]
    forgotten: Timestamp,
    #[serde(default)]
    relearned: u64,
    /// It came back after a long silence.
    #[serde(default, skip_serializing_if = "Woken::is_none")]
    pub(crate) woken: Woken,
    /// How it asks for tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grants: Vec<Grants>,
    /// What it may not do.
    #[serde(default, skip_serializing_if = "Refused::is_empty")]
    pub(crate) refused: Refused,
    /// What it read that may be an instruction.
    #[serde(default, skip_serializing_if = "Taint::is_empty")]
    pub(crate) taint: Taint,
    /// What it reached, unit by unit.
    #[serde(default, skip_serializing_if = "Reached::is_empty")]
    pub(crate) reached: Reached,
    /// How it stands to what it is declared to be there for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) standing: Option<Box<Standing>>,
    /// The reasons of the identity that was met last, and which of the signs they are, a bit for each.
    #[serde(skip)]
    signed: (u64, u16),
    /// What a policy for it may be drawn up from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) watched: Option<Box<Watch>>,
}

impl Row for Profile {
    fn worth(&self) -> (bool, Timestamp) {
        (self.status[..3].iter().any(|n| *n > 0), self.last)
    }
}

impl Profile {
    pub(crate) fn new(identity: &Identity, ts: Timestamp, newcomer: Option<u64>) -> Self {
        Self {
            id: identity.id,
            kind: PrincipalKind::Unknown,
            score: 0.0,
            signs: Vec::new(),
            name: None,
            evidence: Vec::new(),
            decided_by: identity.decided_by.name().to_owned(),
            subject: identity.subject,
            on_behalf_of: BTreeMap::new(),
            programs: BTreeMap::new(),
            cadence: Cadence::default(),
            newcomer,
            discovered: (0, 0),
            bytes: (0, 0),
            first: ts,
            last: ts,
            exchanges: 0,
            status: [0; 5],
            no_response: 0,
            auth: BTreeMap::new(),
            credentials: BTreeSet::new(),
            addresses: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            scopes: Vec::new(),
            tools: BTreeMap::new(),
            llm: None,
            once: 0,
            rate: Rate::default(),
            shown: Sketch::default(),
            walks: BTreeMap::new(),
            touched: Touched::default(),
            work: Work::default(),
            doing: Doing::default(),
            habits: Habits::default(),
            epochs: Epochs::default(),
            forgotten: Timestamp(0),
            relearned: 0,
            woken: Woken::default(),
            grants: Vec::new(),
            refused: Refused::default(),
            taint: Taint::default(),
            reached: Reached::default(),
            standing: None,
            signed: (0, 0),
            watched: None,
        }
    }

    /// Takes over what an identity tells, and weighs the kind anew. `client` is what an MCP client calls itself.
    pub(crate) fn recognise(&mut self, identity: &Identity, client: Option<&str>, now: Timestamp) {
        let before = self.kind;
        if self.signed.0 == identity.reasons_mark {
            let signs = self.signs.iter_mut().zip(0..);
            let met = self.signed.1;
            for (sign, _) in signs.filter(|(_, at)| met >> at & 1 == 1) {
                sign.calls += 1;
            }
        } else {
            let (mut met, mut twice) = (0, false);
            for at in identity.reasons.iter().filter_map(|reason| self.sign(reason)) {
                twice |= met >> at & 1 == 1;
                met |= 1 << at;
            }
            self.signed = (if twice { 0 } else { identity.reasons_mark }, met);
        }
        if client.is_some() {
            self.sign(&Reason::lasting("MCP client", PrincipalKind::AiAgent, 85));
        }
        let calls = (self.exchanges + 1) as f64;
        let weighed = self.signs.iter().map(|s| (&s.reason, s.calls as f64 / calls));
        (self.kind, self.score) = judge(weighed);
        if self.exchanges == 0 || self.kind != before {
            self.discovered.0 = now.0.saturating_sub(self.first.0);
        }
        if self.exchanges == 0 || (self.kind != before && self.kind == identity.kind) {
            self.evidence.clone_from(&identity.evidence);
            self.name = identity.name.clone().or(self.name.take());
        }
        if self.name.is_none() {
            self.name = client.map(str::to_owned).or_else(|| identity.name.clone());
        }
        if let Some(party) = identity.on_behalf_of
            && (self.on_behalf_of.len() < PARTIES || self.on_behalf_of.contains_key(&party))
        {
            *self.on_behalf_of.entry(party).or_default() += 1;
        }
        if let Some(product) = &identity.product
            && let Some(count) = slot(&mut self.programs, product, PROGRAMS)
        {
            *count += 1;
        }
    }

    /// Counts a reason. Gives its place, unless there is no room for it.
    fn sign(&mut self, reason: &Reason) -> Option<usize> {
        // What they speak for lies nearer than their words.
        let same = |known: &Reason| known.weight == reason.weight && known == reason;
        let known = self.signs.iter().position(|s| same(&s.reason));
        let at = known.or_else(|| {
            let room = self.signs.len() < REASONS;
            room.then(|| {
                self.signs.push(Sign {
                    reason: reason.clone(),
                    calls: 0,
                });
                self.signs.len() - 1
            })
        })?;
        self.signs[at].calls += 1;
        Some(at)
    }

    /// Forgets what was usual before that time, once.
    pub(crate) fn forget_before(&mut self, time: Timestamp) {
        if self.forgotten >= time {
            return;
        }
        self.forgotten = time;
        self.habits = Habits::default();
        self.doing = Doing::default();
        self.rate = Rate::default();
        self.walks = BTreeMap::new();
        self.epochs = Epochs::default();
        self.relearned = self.exchanges;
    }

    /// Whether it ever came from an address. What is beyond the room counts as known.
    pub(crate) fn knows_address(&self, address: IpAddr) -> bool {
        self.addresses.contains_key(&address) || self.addresses.len() >= ADDRESSES
    }

    /// Counts an exchange. True when its endpoint was never called before and novelty can be judged.
    pub(crate) fn count(&mut self, activity: &Activity<'_>) -> bool {
        self.first = self.first.min(activity.ts);
        self.last = self.last.max(activity.ts);
        self.exchanges += 1;
        self.cadence.push(activity.ts);
        let answered = activity.exchange.response.as_ref();
        self.bytes.0 = self.bytes.0.saturating_add(activity.request.message.body_bytes);
        self.bytes.1 = (self.bytes.1).saturating_add(answered.map_or(0, |r| r.message.body_bytes));
        match activity.status {
            Some(status) => {
                let class = usize::from(status / 100).wrapping_sub(1);
                if let Some(count) = self.status.get_mut(class) {
                    *count += 1;
                }
            }
            None => self.no_response += 1,
        }
        *self.auth.entry(activity.scheme).or_default() += 1;
        if let Some(credential) = &activity.identity.credential
            && !self.credentials.contains(&credential.id)
            && self.credentials.len() < CREDENTIALS
        {
            self.credentials.insert(credential.id);
        }
        let address = activity.exchange.flow.client.ip();
        if let Some(calls) = self.addresses.get_mut(&address) {
            *calls += 1;
        } else if self.addresses.len() < ADDRESSES {
            self.addresses.insert(address, 1);
        }
        // Models and skills are no tools.
        let called = activity
            .call
            .filter(|call| !matches!(call.protocol, "llm" | "a2a"));
        let called = called.and_then(|call| call.name.as_ref());
        let batch = activity.batch.iter().filter_map(|call| call.name.as_ref());
        for name in called.into_iter().chain(batch) {
            if let Some(count) = self.tools.get_mut(name) {
                *count += 1;
            } else if self.tools.len() < TOOLS {
                self.tools.insert(name.clone(), 1);
            }
        }
        if let Some(call) = activity.llm {
            self.llm.get_or_insert_default().count(call);
        }
        let Some(endpoint) = activity.endpoint.filter(|_| activity.accepted()) else {
            return false;
        };
        let scopes = self.scopes(activity);
        if let Some(used) = self.endpoints.get_mut(&endpoint.id) {
            self.once -= u64::from(used.calls == 1);
            used.calls += 1;
            if scopes != 0 && activity.ts.0 >= used.last {
                used.scopes = scopes;
            }
            used.last = used.last.max(activity.ts.0);
            return false;
        }
        let room = self.endpoints.len() < ENDPOINTS;
        if room {
            let took = activity.exchange.completed.0.saturating_sub(activity.ts.0);
            self.discovered.1 = self.discovered.1.max(took);
            let used = Used {
                calls: 1,
                last: activity.ts.0,
                scopes,
            };
            self.endpoints.insert(endpoint.id, used);
            self.once += 1;
        }
        room
    }

    /// The scopes of the token at hand, as bits. Those that come when there is no room are not told of.
    fn scopes(&mut self, activity: &Activity<'_>) -> u64 {
        let credential = activity.identity.credential.as_ref();
        let Some(token) = credential.and_then(|c| c.token.as_ref()) else {
            return 0;
        };
        let mut bits = 0;
        for scope in &token.scopes {
            let known = self.scopes.iter().position(|known| known == scope);
            let at = known.or_else(|| {
                let room = self.scopes.len() < SCOPES;
                room.then(|| {
                    self.scopes.push(scope.clone());
                    self.scopes.len() - 1
                })
            });
            bits |= at.map_or(0, |at| 1 << at);
        }
        bits
    }

    /// Counts tokens that it was given.
    pub(crate) fn granted(&mut self, granted: Granted, ts: Timestamp) {
        if let Some(known) = self.grants.iter_mut().find(|known| known.way == granted.way) {
            known.calls += 1;
            known.lifetime = known.lifetime.max(granted.lifetime);
            known.last = known.last.max(ts);
        } else if self.grants.len() < GRANTS {
            self.grants.push(Grants {
                way: granted.way,
                calls: 1,
                lifetime: granted.lifetime,
                last: ts,
            });
        }
    }

    /// Whether enough has been seen to say what is usual.
    pub(crate) fn learned(&self, settings: &Settings) -> bool {
        let calls = self.exchanges.saturating_sub(self.relearned);
        let first = self.first.max(self.forgotten);
        calls >= settings.learn_exchanges && self.last.since(first) >= settings.learn_period
    }

    /// Whether nearly all of its calls came from no more than two networks.
    pub(crate) fn is_settled(&self) -> bool {
        let mut networks: BTreeMap<u128, u64> = BTreeMap::new();
        for (address, calls) in &self.addresses {
            let network = match address {
                IpAddr::V4(ip) => u128::from(ip.to_bits() >> 8),
                IpAddr::V6(ip) => ip.to_bits() >> 64,
            };
            *networks.entry(network).or_default() += calls;
        }
        let all: u64 = networks.values().sum();
        networks.values().filter(|calls| **calls * 20 >= all).count() <= 2
    }

    /// Good and Turing's estimate of the chance that the next call goes to an endpoint never called: the
    /// share of calls that were the only one to theirs.
    pub(crate) fn novelty(&self) -> f64 {
        self.once as f64 / self.exchanges.max(1) as f64
    }

    /// Whether a browser showed its credentials.
    pub(crate) fn was_browser(&self) -> bool {
        self.signs.iter().any(|s| s.reason.what == "browser")
    }

    pub(crate) fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether a credential names it.
    pub(crate) fn is_named(&self) -> bool {
        let credential = Evidence::parse(&self.decided_by).is_some_and(Evidence::is_credential);
        credential && self.name.is_some()
    }

    /// What the registry of agents says of it.
    fn registered(&self, settings: &Settings) -> Option<Registered> {
        let agents = &settings.declared.agents;
        if agents.is_empty() {
            return None;
        }
        let credential = Evidence::parse(&self.decided_by).is_some_and(Evidence::is_credential);
        let name = self.name.as_deref().filter(|_| credential);
        let agent = agents.of(&self.id.to_string(), name)?;
        let beyond = self.tools.keys().filter(|tool| !agent.may_call(tool));
        Some(Registered {
            name: agent.name.clone(),
            owner: agent.owner.clone(),
            purpose: agent.purpose.clone(),
            scopes: agent.scopes.clone(),
            tools_beyond: beyond.cloned().collect(),
        })
    }

    /// Endpoints used, most used first.
    fn used(&self) -> Vec<UsedEndpoint> {
        let mut all: Vec<_> = self
            .endpoints
            .iter()
            .map(|(id, used)| UsedEndpoint {
                id: id.to_string(),
                exchanges: used.calls,
                last_seen: Timestamp(used.last),
                scopes: (self.scopes.iter().enumerate())
                    .filter(|(at, _)| used.scopes >> at & 1 == 1)
                    .map(|(_, scope)| scope.clone())
                    .collect(),
            })
            .collect();
        all.sort_by(|a, b| b.exchanges.cmp(&a.exchanges).then_with(|| a.id.cmp(&b.id)));
        all
    }

    pub(crate) fn view(&self, settings: &Settings) -> PrincipalView {
        let mut auth: Vec<_> = self.auth.iter().map(|(s, n)| (s.name().to_owned(), *n)).collect();
        auth.sort();
        let most = |mut all: Vec<(String, u64)>| {
            all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            all.truncate(50);
            all
        };
        PrincipalView {
            id: self.id.to_string(),
            kind: self.kind,
            score: (self.score * 100.0).round() / 100.0,
            reasons: self.signs.iter().map(|s| (s.reason.clone(), s.calls)).collect(),
            mode: self.cadence.mode(),
            interactivity: self.cadence.score().map(|s| (s * 100.0).round() / 100.0),
            name: self.name.clone(),
            evidence: self.evidence.clone(),
            decided_by: self.decided_by.clone(),
            subject: self.subject.map(|id| id.to_string()),
            on_behalf_of: most(
                self.on_behalf_of
                    .iter()
                    .map(|(id, n)| (id.to_string(), *n))
                    .collect(),
            ),
            programs: most(self.programs.clone().into_iter().collect()),
            bytes: self.bytes,
            discovered_after_ms: self.discovered.0.max(self.discovered.1).div_ceil(1_000_000),
            registered: self.registered(settings),
            first_seen: self.first,
            last_seen: self.last,
            exchanges: self.exchanges,
            status: self.status,
            no_response: self.no_response,
            auth,
            credentials: self.credentials.len() as u64,
            addresses: self.addresses.keys().take(10).map(ToString::to_string).collect(),
            clients: self.addresses.len() as u64,
            endpoints: self.used(),
            endpoint_count: self.endpoints.len() as u64,
            tools: most(self.tools.iter().map(|(t, n)| (t.clone(), *n)).collect()),
            models: self.llm.as_deref().map_or_else(Vec::new, |llm| {
                let mut all: Vec<_> = llm.models.iter().map(|(m, u)| (m.clone(), *u)).collect();
                all.sort_by(|a, b| b.1.calls.cmp(&a.1.calls).then_with(|| a.0.cmp(&b.0)));
                all
            }),
            llm_tools_offered: most(self.llm.iter().flat_map(|l| l.offered.clone()).collect()),
            llm_tools_called: most(self.llm.iter().flat_map(|l| l.called.clone()).collect()),
            learned: self.learned(settings),
            work: self.work.view(),
            reaches: Vec::new(),
            grants: (self.grants.iter())
                .map(|known| GrantView {
                    grant: known.way.grant.clone(),
                    client_auth: known.way.auth.clone(),
                    client: known.way.client.clone(),
                    exchanges: known.calls,
                    lifetime: known.lifetime,
                    last_seen: known.last,
                })
                .collect(),
        }
    }
}
