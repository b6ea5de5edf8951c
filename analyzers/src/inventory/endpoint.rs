//! One endpoint: what was seen of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use reassembly::{Exchange, Flags, Timestamp};
use serde::{Deserialize, Serialize};

use super::EndpointView;
use super::called::{CalledEndpoint, EndpointName};
use super::compare::zombie::{self, Ending};
use super::compare::{Check, Compared};
use super::digest::Digest;
use super::face::Face;
use super::facts::{self, Facts, Watch};
use super::host::Scope;
use super::paths::judge::{CONTAINED, UNLIKE};
use super::posture::{self, Posture};
use super::rpc;
use super::sensitive::{Carried, Holdings, Regime, told};
use super::shape::Shape;
use super::shape::body::Names;
use super::shape::drift::Learning;
use crate::finding::trace::Trace;
use crate::id::Id;
use crate::identity::{Identity, PrincipalKind, Scheme};
use crate::privacy::safe_media_type;
use crate::store::Row;

/// Callers told apart; further ones are counted together.
const CALLERS: usize = 256;

/// Kinds of callers by name.
const KINDS: [PrincipalKind; 4] = [
    PrincipalKind::AiAgent,
    PrincipalKind::Human,
    PrincipalKind::Service,
    PrincipalKind::Unknown,
];

/// Media types told apart in each direction; further ones are `other`.
const MEDIA_TYPES: usize = 12;

/// An endpoint's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: Id,
    pub(crate) host: String,
    /// The environment it was seen in, where the configuration tells environments apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Box<str>>,
    pub(crate) method: String,
    pub(crate) template: String,
    pub(crate) protocol: String,
    #[serde(with = "crate::store::nanos")]
    pub(crate) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    pub(crate) exchanges: u64,
    pub(crate) status: [u64; 5],
    pub(crate) no_response: u64,
    /// A server answered in a way that only a known route does.
    pub(crate) proven: bool,
    pub(crate) is_static: bool,
    callers: BTreeMap<Id, PrincipalKind>,
    auth: BTreeMap<Scheme, u64>,
    request_types: BTreeMap<String, u64>,
    response_types: BTreeMap<String, u64>,
    pub(crate) data: Holdings,
    latency: Digest,
    request_bytes: Digest,
    response_bytes: Digest,
    damaged: u64,
    /// What successful answers look like.
    #[serde(default)]
    pub(crate) face: Face,
    watch: Watch,
    /// How it is set up, as its answers show it.
    #[serde(default)]
    pub(crate) posture: Posture,
    /// What came of the comparison with specifications, where any speak of its host.
    pub(crate) compared: Option<Box<Compared>>,
    /// What its answers say about its end.
    pub(crate) ending: Option<Box<Ending>>,
    /// When it was called before the exchange at hand.
    #[serde(skip)]
    pub(crate) before: Timestamp,
    /// 2xx without a credential, and with one in a field.
    pub(crate) open_ok: u64,
    pub(crate) auth_ok: u64,
    /// The first 2xx without a credential.
    pub(crate) first_open: Option<Box<Trace>>,
    /// 401 or 403 without a credential.
    pub(crate) denied: u64,
    /// Calls that name an object, and those of them that found none.
    pub(crate) objects: u64,
    pub(crate) misses: u64,
    /// What it takes and gives.
    pub(crate) shape: Shape,
    /// As it was told last.
    #[serde(skip)]
    name: Option<Arc<EndpointName>>,
}

impl Row for Endpoint {
    fn worth(&self) -> (bool, Timestamp) {
        (self.proven, self.last)
    }
}

/// Whether an answer shows that the server knows the route.
///
/// Not: 401, 403 and 407 (asked before the route is looked at), 404, 405, 400 and 501 (it does not know it),
/// 429 and 502 to 504 (a proxy speaks), redirects of a GET (sites send strangers to a login from anywhere).
pub(crate) fn proves(method: &str, status: u16) -> bool {
    let redirect = (300..400).contains(&status) && status != 304;
    matches!(status, 101 | 200..=299 | 304 | 409 | 412 | 415 | 422 | 428 | 500)
        || (redirect && !matches!(method, "GET" | "HEAD"))
}

/// Whether an answer says that the server does not know the route, or what to do with it.
pub(crate) fn refuses(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 406 | 410 | 414 | 431 | 501)
}

fn earlier(a: Option<Box<Trace>>, b: Option<Box<Trace>>) -> Option<Box<Trace>> {
    a.into_iter().chain(b).min_by_key(|e| e.ts)
}

/// What the inventory needs to know of an exchange besides itself.
pub(crate) struct Seen<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) exchange_id: Id,
    pub(crate) identity: &'a Identity,
    pub(crate) scheme: Scheme,
    pub(crate) ts: Timestamp,
    pub(crate) check: Option<&'a Check<'a>>,
    pub(crate) learn: Learning,
    pub(crate) carried: &'a Carried,
    pub(crate) names: &'a Names,
    /// There are too many fields in all endpoints together.
    pub(crate) crowded: bool,
}

impl Seen<'_> {
    pub(crate) fn evidence(&self) -> Option<Box<Trace>> {
        Trace::of(self.exchange, self.exchange_id).map(Box::new)
    }
}

impl Endpoint {
    pub(crate) fn new(
        id: Id,
        host: &str,
        method: &str,
        template: &str,
        protocol: &str,
        ts: Timestamp,
    ) -> Self {
        Self {
            id,
            host: host.to_owned(),
            environment: None,
            method: method.to_owned(),
            template: template.to_owned(),
            protocol: protocol.to_owned(),
            first: ts,
            last: ts,
            exchanges: 0,
            status: [0; 5],
            no_response: 0,
            proven: false,
            is_static: false,
            callers: BTreeMap::new(),
            auth: BTreeMap::new(),
            request_types: BTreeMap::new(),
            response_types: BTreeMap::new(),
            data: Holdings::default(),
            latency: Digest::default(),
            request_bytes: Digest::default(),
            response_bytes: Digest::default(),
            damaged: 0,
            face: Face::default(),
            watch: Watch::default(),
            posture: Posture::default(),
            compared: None,
            ending: None,
            before: ts,
            open_ok: 0,
            auth_ok: 0,
            first_open: None,
            denied: 0,
            objects: 0,
            misses: 0,
            shape: Shape::default(),
            name: None,
        }
    }

    pub(crate) fn observe(&mut self, seen: &Seen<'_>) {
        let exchange = seen.exchange;
        self.before = if self.exchanges == 0 { seen.ts } else { self.last };
        self.first = self.first.min(seen.ts);
        self.last = self.last.max(seen.ts);
        self.exchanges += 1;
        *self.auth.entry(seen.scheme).or_default() += 1;
        let kind = seen.identity.kind;
        if let Some(was) = self.callers.get_mut(&seen.identity.id) {
            *was = (*was).min(kind);
        } else if self.callers.len() < CALLERS {
            self.callers.insert(seen.identity.id, kind);
        }
        let mut harmed = Flags::GAP;
        harmed.insert(Flags::TRUNCATED);
        harmed.insert(Flags::AMBIGUOUS);
        if exchange.flags.intersects(harmed) {
            self.damaged += 1;
        }
        let status = rpc::status(exchange);
        let ok = status.is_some_and(|s| (200..300).contains(&s));
        self.watch.observe(exchange, ok);
        if let Some(check) = seen.check {
            let compared = self.compared.get_or_insert_default();
            compared.observe(check, || seen.evidence());
        }
        if let Some(request) = &exchange.request {
            let message = &request.message;
            if message.complete {
                self.request_bytes.record(message.content_bytes);
            }
            if message.content_bytes > 0 {
                count_type(&mut self.request_types, message.field("content-type"));
            }
        }
        if !self.is_static {
            self.shape
                .observe(seen, status, self.callers.len(), &mut self.face);
        }
        let Some(response) = &exchange.response else {
            self.no_response += 1;
            return;
        };
        let status = status.unwrap_or(0);
        let class = usize::from(status / 100);
        if let Some(count) = class.checked_sub(1).and_then(|c| self.status.get_mut(c)) {
            *count += 1;
        }
        match seen.scheme {
            Scheme::None if ok => {
                self.open_ok += 1;
                if self.first_open.is_none() && !self.is_static {
                    self.first_open = seen.evidence();
                }
            }
            Scheme::None if matches!(status, 401 | 403) => self.denied += 1,
            Scheme::None | Scheme::Cookie | Scheme::SignedUrl => {}
            _ => self.auth_ok += u64::from(ok),
        }
        let message = &response.message;
        if message.complete && !exchange.flags.contains(Flags::GAP) {
            self.response_bytes.record(message.content_bytes);
        }
        if message.content_bytes > 0 {
            count_type(&mut self.response_types, message.field("content-type"));
        }
        if let Some(request) = &exchange.request
            && request.message.complete
        {
            let wait = message.first.since(request.message.last);
            self.latency
                .record(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        }
        if ok && !self.is_static {
            self.face.observe(response);
        }
        if ok {
            let said = zombie::said(message);
            Ending::add(&mut self.ending, said, || seen.evidence());
        }
        if ok {
            self.data.count(seen.carried, || seen.evidence());
        }
        posture::look(self, seen);
    }

    /// Whether an answer has other fields than those that were given here.
    pub(crate) fn is_unlike(&self, seen: &Seen<'_>) -> bool {
        let ok = rpc::status(seen.exchange).is_some_and(|s| (200..300).contains(&s));
        let Some(response) = seen.exchange.response.as_ref().filter(|_| ok) else {
            return false;
        };
        let like = self.face.likeness(&Shape::face_of(&response.message, seen));
        like.is_some_and(|like| like.shared < UNLIKE && like.contained < CONTAINED)
    }

    /// Whose it is: its host, in its environment.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            host: &self.host,
            environment: self.environment.as_deref(),
        }
    }

    /// What is told of it with the exchange that it took last.
    pub(crate) fn called(&mut self) -> CalledEndpoint {
        let known = self.name.take().filter(|name| {
            name.template == self.template && name.host == self.host && name.method == self.method
        });
        let name = known.unwrap_or_else(|| {
            Arc::new(EndpointName {
                host: self.host.clone(),
                method: self.method.clone(),
                template: self.template.clone(),
            })
        });
        self.name = Some(Arc::clone(&name));
        CalledEndpoint {
            id: self.id,
            name,
            is_static: self.is_static,
            first: self.first,
            exchanges: self.exchanges,
            callers: self.caller_count(),
            open_ok: self.open_ok,
            objects: self.objects,
            misses: self.misses,
            holds_data: !self.data.response.is_empty(),
        }
    }

    /// Distinct callers, at most [`CALLERS`].
    pub(crate) fn caller_count(&self) -> usize {
        self.callers.len()
    }

    /// Of those, AI agents.
    pub(crate) fn agent_count(&self) -> u64 {
        let agents = self.callers.values().filter(|k| **k == PrincipalKind::AiAgent);
        agents.count() as u64
    }

    /// Takes over what was seen under a template that this one replaces.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.before = zombie::before([self.before, self.last, other.before, other.last]);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.exchanges += other.exchanges;
        for (mine, theirs) in self.status.iter_mut().zip(other.status) {
            *mine += theirs;
        }
        self.no_response += other.no_response;
        self.proven |= other.proven;
        self.is_static |= other.is_static;
        for (id, kind) in other.callers {
            if self.callers.len() < CALLERS || self.callers.contains_key(&id) {
                let was = self.callers.entry(id).or_insert(kind);
                *was = (*was).min(kind);
            }
        }
        add(&mut self.auth, other.auth, usize::MAX);
        add(&mut self.request_types, other.request_types, MEDIA_TYPES);
        add(&mut self.response_types, other.response_types, MEDIA_TYPES);
        self.data.absorb(other.data);
        self.posture.absorb(other.posture);
        self.latency.merge(other.latency);
        self.request_bytes.merge(other.request_bytes);
        self.response_bytes.merge(other.response_bytes);
        self.damaged += other.damaged;
        self.face.absorb(&other.face);
        self.watch.absorb(&other.watch);
        match (&mut self.compared, other.compared) {
            (Some(mine), Some(theirs)) => mine.absorb(*theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        Ending::absorb(&mut self.ending, other.ending);
        self.open_ok += other.open_ok;
        self.auth_ok += other.auth_ok;
        self.first_open = earlier(self.first_open.take(), other.first_open);
        self.denied += other.denied;
        self.objects += other.objects;
        self.misses += other.misses;
        self.shape.absorb(other.shape);
    }

    /// Tool or prompt of an MCP endpoint.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.template.split_once("#tools/call:").map(|(_, tool)| tool)
    }

    pub(crate) fn view(&self) -> EndpointView {
        let pairs = |map: &BTreeMap<String, u64>| map.iter().map(|(k, v)| (k.clone(), *v)).collect();
        let mut auth: Vec<_> = self.auth.iter().map(|(s, n)| (s.name().to_owned(), *n)).collect();
        auth.sort();
        let of_kind = |kind| self.callers.values().filter(|k| **k == kind).count() as u64;
        let mut view = EndpointView {
            id: self.id.to_string(),
            host: self.host.clone(),
            method: self.method.clone(),
            template: self.template.clone(),
            protocol: self.protocol.clone(),
            first_seen: self.first,
            last_seen: self.last,
            exchanges: self.exchanges,
            status: self.status,
            no_response: self.no_response,
            callers: self.callers.len() as u64,
            template_reasons: Vec::new(),
            called_by: self.callers.keys().map(ToString::to_string).collect(),
            agents: of_kind(PrincipalKind::AiAgent),
            callers_by_kind: KINDS
                .into_iter()
                .map(|kind| (kind.name().to_owned(), of_kind(kind)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            auth,
            request_types: pairs(&self.request_types),
            response_types: pairs(&self.response_types),
            data_classes: told(&self.data.response),
            request_data_classes: told(&self.data.request),
            url_data_classes: told(&self.data.url),
            regimes: Regime::of_all(self.data.claimed())
                .into_iter()
                .map(|regime| regime.name().to_owned())
                .collect(),
            latency_us: self.latency.quantiles(),
            request_bytes: self.request_bytes.quantiles(),
            response_bytes: self.response_bytes.quantiles(),
            damaged: self.damaged,
            facts: Facts::default(),
            shape: self.shape.view(),
        };
        view.facts = facts::inferred(&view, &self.watch);
        view.facts.environment = self.environment.as_deref().map(str::to_owned);
        let deprecated = self.ending.as_ref().and_then(|e| e.deprecated);
        view.facts.deprecated = deprecated.is_some_and(|since| since <= self.last.seconds());
        view
    }
}

fn count_type(types: &mut BTreeMap<String, u64>, value: Option<&str>) {
    let Some(value) = value else { return };
    let kind = safe_media_type(value);
    if let Some(count) = types.get_mut(kind.as_ref()) {
        *count += 1;
    } else if types.len() < MEDIA_TYPES {
        types.insert(kind.into_owned(), 1);
    } else {
        *types.entry("other".to_owned()).or_default() += 1;
    }
}

fn add<K: Ord + Clone>(mine: &mut BTreeMap<K, u64>, theirs: BTreeMap<K, u64>, cap: usize) {
    for (key, count) in theirs {
        if mine.len() < cap || mine.contains_key(&key) {
            *mine.entry(key).or_default() += count;
        }
    }
}
