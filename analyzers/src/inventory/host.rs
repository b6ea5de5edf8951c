//! The inventory stage: everything that is keyed by the server's host.
//!
//! Exchanges are counted for leaves: host, method and path with its names as they are kept in the [`Tree`] of the host. An
//! endpoint is a view over leaves: those that one template covers. Where it is more than one leaf, their sum is kept beside
//! them, so that detectors see the endpoint and not its parts; it is made anew from the leaves when templates change.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use reassembly::{Exchange, Request, Timestamp};
use serde::{Deserialize, Serialize};

use super::called::CalledEndpoint;
use super::declared::Declared;
use super::endpoint::{Endpoint, Seen, proves, refuses};
use super::facts;
use super::paths::judge::{self, Group, Verdict};
use super::paths::steps::{Steps, at_places, bare_template};
use super::paths::tree::{Move, Resolved, Tree, with_operation};
use super::rpc::{self, Call};
use super::shape::drift::Drift;
use crate::credentials::audience_mismatch::Tokens;
use crate::credentials::scope_unused::Names;
use crate::id::{HashTable, Id, Seed};
use crate::identity::Scheme;
use crate::inventory::EndpointView;
use crate::privacy::{safe_host, safe_method};
use crate::settings::Room;
use crate::store::{Row, Store};

/// Paths remembered per generation of the cache.
const CACHED: usize = 32_768;

/// Names of hosts remembered; when there are more, all are forgotten.
const NAMED: usize = 4096;

/// Fields of shapes for each endpoint there may be; they may have more where others have less.
const FIELDS: usize = 64;

/// Places of paths for each endpoint there may be; hosts may have more where others have less.
const NODES: usize = 8;

/// Exchanges after which fields are counted anew while there are too many: endpoints may have made way.
const RECOUNT: u32 = 4096;

/// Endpoints of one host that no answer has proven yet.
const UNPROVEN: u32 = 256;

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// Where the configuration tells environments apart, each has hosts of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Box<str>>,
    pub(crate) paths: Tree,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// Successful calls with a credential in a field, and without any.
    pub(crate) with_credential: u64,
    pub(crate) without_credential: u64,
    unproven: u32,
    /// Of the tokens that it accepts.
    #[serde(default, skip_serializing_if = "Tokens::is_empty")]
    pub(crate) tokens: Tokens,
    /// Of its endpoints and tools.
    #[serde(default, skip_serializing_if = "no_names")]
    pub(crate) names: Arc<Names>,
    /// Which templates are in force; where a path belongs is only remembered for these.
    #[serde(skip)]
    templates: u32,
}

fn no_names(names: &Names) -> bool {
    names.is_empty()
}

impl Host {
    /// The key of its row.
    pub(crate) fn id(&self) -> Id {
        self.scope().id()
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            host: &self.name,
            environment: self.environment.as_deref(),
        }
    }
}

/// Whose endpoints: a host, in one of its environments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) host: &'a str,
    pub(crate) environment: Option<&'a str>,
}

impl Scope<'_> {
    /// The key of rows about the host.
    pub(crate) fn id(self) -> Id {
        match self.environment {
            None => Id::of(&[b"host", self.host.as_bytes()]),
            Some(environment) => Id::of(&[b"host", self.host.as_bytes(), environment.as_bytes()]),
        }
    }

    /// The id of a leaf or an endpoint. Parameters count as such, whatever they are called.
    pub(crate) fn endpoint(self, method: &str, template: &str) -> Id {
        let template = bare_template(template);
        let parts = [
            b"endpoint",
            self.host.as_bytes(),
            method.as_bytes(),
            template.as_bytes(),
        ];
        match self.environment {
            None => Id::of(&parts),
            Some(environment) => Id::of(&[parts[0], parts[1], parts[2], parts[3], environment.as_bytes()]),
        }
    }

    fn of_group(self, group: &Group) -> Id {
        self.endpoint(&group.method, &with_operation(&group.view, &group.operation))
    }
}

impl Row for Host {
    fn worth(&self) -> (bool, Timestamp) {
        (self.with_credential + self.without_credential > 0, self.last)
    }
}

/// Where an exchange belongs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The leaf it is counted for, when it has one.
    leaf: Option<Id>,
    /// Id of its endpoint, proven or not: a hash of host, method and template.
    pub(crate) template: Id,
    /// Places in the path that name objects.
    pub(crate) objects: u32,
    pub(crate) is_static: bool,
    /// The path is in the tree of its host.
    learned: bool,
    /// By the templates of its host that were in force then.
    templates: u32,
}

/// Templates, endpoints and what is counted for them.
#[derive(Debug)]
pub(crate) struct Inventory {
    seed: Seed,
    declared: Arc<Declared>,
    /// Leaves by id.
    pub(crate) endpoints: Store<Endpoint>,
    pub(crate) hosts: Store<Host>,
    /// Sums of endpoints that have other leaves than the one of their own id.
    sums: HashTable<Id, Endpoint>,
    /// Hosts of which the sums are made, with the ids of these.
    summed: HashTable<Id, Vec<Id>>,
    recent: HashTable<u128, Place>,
    older: HashTable<u128, Place>,
    /// Names of hosts as they were sent, with the name to be shown and its id.
    named: HashTable<u128, (Id, Arc<str>)>,
    refused: u64,
    /// Nodes of all trees, and paths that came since they were found to be full.
    nodes: usize,
    full_for: u32,
    /// How often templates of any host have changed.
    templates: u32,
    drift: Option<Box<Drift>>,
    /// Fields of all shapes, and how many there may be.
    fields: usize,
    max_fields: usize,
    /// Exchanges until fields are counted anew.
    recount: u32,
}

/// What is asked of the inventory about one exchange.
struct Asked<'a> {
    scope: Scope<'a>,
    host_id: Id,
    request: &'a Request,
    method: &'static str,
    call: Option<&'a Call>,
    /// A server's answer shows that there is such an endpoint.
    proof: bool,
    ts: Timestamp,
}

impl Asked<'_> {
    fn operation(&self) -> String {
        self.call.map(Call::operation).unwrap_or_default()
    }

    /// The id of a leaf or an endpoint.
    fn id(&self, path: &str) -> Id {
        self.scope.endpoint(self.method, path)
    }
}

impl Inventory {
    /// For so many endpoints, and all that is known of APIs in so many bytes: what is counted for templates, which is made of the rows of
    /// endpoints, has three sixteenths of these, servers of MCP, agents of A2A and the times at which hosts were watched one each.
    pub(crate) fn new(seed: Seed, (max_endpoints, room): (usize, usize), declared: Arc<Declared>) -> Self {
        Self {
            seed,
            declared,
            endpoints: Store::new(max_endpoints, Room::share(room, 8)),
            hosts: Store::new(max_endpoints.div_ceil(4), Room::share(room, 2)),
            sums: HashTable::default(),
            summed: HashTable::default(),
            recent: HashTable::default(),
            older: HashTable::default(),
            named: HashTable::default(),
            refused: 0,
            nodes: 0,
            full_for: 0,
            templates: 0,
            drift: None,
            fields: 0,
            max_fields: max_endpoints.saturating_mul(FIELDS),
            recount: 0,
        }
    }

    /// Takes other declarations into force: where exchanges belong is found anew, as after a restart.
    pub(crate) fn declare(&mut self, declared: Arc<Declared>) {
        self.declared = declared;
        self.recent.clear();
        self.older.clear();
        self.sums.clear();
        self.summed.clear();
    }

    /// Counts a call that names an object, and whether there was none of that name.
    pub(crate) fn count_object(&mut self, place: &Place, missing: bool) {
        let leaf = place.leaf.and_then(|id| self.endpoints.get_mut(id));
        for endpoint in leaf.into_iter().chain(self.sums.get_mut(&place.template)) {
            endpoint.objects += 1;
            endpoint.misses += u64::from(missing);
        }
    }

    /// Whether all shapes together have too many fields. Endpoints that make way take theirs with them, which is not noticed
    /// until then.
    pub(crate) fn is_crowded(&mut self) -> bool {
        // Endpoints that were stored are counted with the first exchange.
        if self.recount > 0 && self.fields <= self.max_fields {
            return false;
        }
        if self.recount <= 1 {
            self.recount = RECOUNT;
            self.fields = self
                .endpoints
                .sorted()
                .iter()
                .map(|(_, e)| e.shape.fields())
                .sum();
        }
        self.recount -= u32::from(self.fields > self.max_fields);
        self.fields > self.max_fields
    }

    /// Fields and parameters of endpoints that were given up, and bodies that are not what their type says.
    pub(crate) fn unlearned(&self) -> (u64, u64) {
        let all = self.endpoints.sorted();
        let of = all.iter().map(|(_, endpoint)| endpoint.shape.unlearned());
        of.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// What is no longer as it was learned of the endpoint that was observed last, when it is to be told now.
    pub(crate) fn take_drift(&mut self) -> Option<Box<Drift>> {
        self.drift.take()
    }

    /// The endpoint of an exchange, when a server's answers have proven it.
    pub(crate) fn proven(&self, place: &Place) -> Option<&Endpoint> {
        let leaf = place.leaf?;
        let endpoint = self
            .sums
            .get(&place.template)
            .or_else(|| self.endpoints.get(leaf));
        endpoint.filter(|e| e.proven)
    }

    /// What is told of the endpoint of an exchange, when a server's answers have proven it.
    pub(crate) fn called(&mut self, place: &Place) -> Option<CalledEndpoint> {
        let leaf = place.leaf?;
        let endpoint = match self.sums.get_mut(&place.template) {
            Some(sum) => sum,
            None => self.endpoints.get_mut(leaf)?,
        };
        endpoint.proven.then(|| endpoint.called())
    }

    /// The endpoint beside another, of the same host and environment, with this method and template.
    pub(crate) fn beside(&self, other: &Endpoint, method: &str, template: &str) -> Option<&Endpoint> {
        let id = other.scope().endpoint(method, template);
        self.sums.get(&id).or_else(|| self.endpoints.get(id))
    }

    /// Every endpoint by its id, with what is counted for it, when there is anything.
    pub(crate) fn each(&self, mut look: impl FnMut(Id, Option<&Endpoint>)) {
        for (_, host) in self.hosts.sorted() {
            for group in self.groups(host, &host.paths.verdicts) {
                let sum = self.sum(host, &group);
                look(host.scope().of_group(&group), sum.as_deref());
            }
        }
    }

    /// Endpoints that answers have proven.
    pub(crate) fn count(&self) -> usize {
        let mut count = 0;
        self.each(|_, endpoint| count += usize::from(endpoint.is_some_and(|e| e.proven)));
        count
    }

    /// Unproven endpoints that a full host did not take.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Names of paths that were given up at the limits of their host.
    pub(crate) fn folded(&self) -> u64 {
        self.hosts.sorted().into_iter().map(|(_, h)| h.paths.folded).sum()
    }

    /// Finds the endpoint of an exchange, makes it when there is reason to, and counts the exchange.
    pub(crate) fn observe(
        &mut self,
        request: &Request,
        call: Option<&Call>,
        unknown_operation: bool,
        seen: &Seen<'_>,
    ) -> (Id, Place) {
        let (named, host) = self.host_name(request, seen.exchange);
        let declared = Arc::clone(&self.declared);
        let scope = Scope {
            host: &host,
            environment: declared.environment(&seen.exchange.flow, &host),
        };
        let host_id = if scope.environment.is_none() {
            named
        } else {
            scope.id()
        };
        let status = rpc::status(seen.exchange);
        let method = safe_method(request.method());
        // What a server lets callers do, or answers to what it may not have read, is no endpoint.
        let aside = matches!(method, "OPTIONS" | "{method}") || request.minor == 9;
        let asked = Asked {
            scope,
            host_id,
            request,
            method,
            call,
            proof: !aside && status.is_some_and(|s| proves(request.method(), s)) && !unknown_operation,
            ts: seen.ts,
        };
        let steps = match method {
            // Its target is an authority and has no path (RFC 9112 section 3.2.3); the host is that authority.
            "CONNECT" => Steps::default(),
            _ => Steps::of(request.path()),
        };
        let key = self.key(&asked, &steps);
        let templates = self.hosts.get(host_id).map_or(0, |host| host.templates);
        let known = self.recent.get(&key).or_else(|| self.older.get(&key));
        let known = known.filter(|p| p.templates == templates).cloned();
        let mut place = match known.filter(|p| p.leaf.is_some_and(|l| self.endpoints.get(l).is_some())) {
            Some(place) => place,
            None => {
                self.make_sums(host_id);
                let refused = aside || unknown_operation || status.is_some_and(refuses);
                self.place(&asked, &steps, refused, key)
            }
        };
        if asked.proof && !place.learned {
            self.keep_odd(&asked, &steps, seen);
            place = self.learn(&asked, &steps, place, key);
        } else if asked.proof
            && self.declared.is_empty()
            && let Some(host) = self.hosts.get_mut(host_id)
        {
            host.paths.note(&steps);
        }
        self.count_host(host_id, seen, status);
        let Some(row) = place.leaf.and_then(|leaf| self.endpoints.get_mut(leaf)) else {
            return (host_id, place);
        };
        let before = row.shape.fields();
        row.observe(seen);
        self.fields = (self.fields + row.shape.fields()).saturating_sub(before);
        self.drift = row.shape.take_drift();
        // One, four, sixteen calls …
        let better_known = row.proven && row.exchanges.is_power_of_two() && row.exchanges.ilog2() % 2 == 0;
        if let Some(sum) = self.sums.get_mut(&place.template) {
            sum.observe(seen);
            // What is new for one of its leaves may not be for the endpoint.
            self.drift = sum.shape.take_drift();
        }
        if better_known {
            self.host(&asked).paths.touch();
        }
        if self.hosts.get(host_id).is_some_and(|h| h.paths.is_due()) && self.judge(host_id) {
            self.relocate(&asked, &steps, &mut place);
        }
        (host_id, place)
    }

    /// The host by name; when the request names none, by address.
    pub(crate) fn host_name(&mut self, request: &Request, exchange: &Exchange) -> (Id, Arc<str>) {
        if request.host.is_empty() {
            let name = exchange.flow.server.to_string();
            return (id_of(&name), name.into());
        }
        let key = self.seed.wide(request.host.as_bytes());
        if let Some((id, name)) = self.named.get(&key) {
            return (*id, Arc::clone(name));
        }
        let name: Arc<str> = safe_host(&request.host).into();
        let id = id_of(&name);
        if self.named.len() >= NAMED {
            self.named.clear();
        }
        self.named.insert(key, (id, Arc::clone(&name)));
        (id, name)
    }

    /// What exchanges that belong to one place have in common.
    fn key(&self, asked: &Asked<'_>, steps: &Steps<'_>) -> u128 {
        // What people declared may tell values apart.
        let path = if self.declared.is_empty() {
            let half = steps.hash(self.seed.hash(b"place"));
            u128::from(half) << 64 | u128::from(steps.hash(half | 1))
        } else {
            self.seed.wide(asked.request.path().as_bytes())
        };
        let mut key = path;
        let mut mix = |bytes: &[u8]| {
            key = key
                .rotate_left(29)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                ^ self.seed.wide(bytes)
        };
        mix(&asked.host_id.to_bytes());
        mix(asked.request.method().as_bytes());
        if let Some(call) = asked.call {
            mix(call.method.as_bytes());
            mix(call.name.as_deref().unwrap_or("").as_bytes());
        }
        key
    }

    /// Where an exchange belongs, when that is not known from an earlier one.
    fn place(&mut self, asked: &Asked<'_>, steps: &Steps<'_>, refused: bool, key: u128) -> Place {
        let resolved = self.resolve(asked, steps);
        let operation = self.operation(asked, &resolved);
        let raw = with_operation(&resolved.raw, &operation);
        let leaf = asked.id(&raw);
        let mut place = Place {
            leaf: Some(leaf),
            template: asked.id(&with_operation(&resolved.view, &operation)),
            objects: resolved.objects,
            is_static: steps.is_static,
            learned: false,
            templates: 0,
        };
        if asked.proof {
            // It is about to be learned, which says where it belongs.
            return place;
        }
        if self.endpoints.get(leaf).is_none() {
            let crowded = self
                .hosts
                .get(asked.host_id)
                .is_some_and(|h| h.unproven >= UNPROVEN);
            if refused || crowded {
                self.refused += u64::from(crowded && !refused);
                place.leaf = None;
                return place;
            }
            self.add_leaf(asked, leaf, &with_operation(&resolved.template, &operation));
            self.host(asked).unproven += 1;
        }
        self.remember(key, asked.host_id, &place);
        place
    }

    fn add_leaf(&mut self, asked: &Asked<'_>, leaf: Id, template: &str) {
        let protocol = asked.call.map_or("http", |c| c.protocol);
        self.endpoints.entry(leaf, || {
            let Scope { host, environment } = asked.scope;
            let mut row = Endpoint::new(leaf, host, asked.method, template, protocol, asked.ts);
            row.environment = environment.map(Box::from);
            row
        });
    }

    /// Where the path of a request belongs.
    fn resolve(&self, asked: &Asked<'_>, steps: &Steps<'_>) -> Resolved {
        if asked.method == "CONNECT" {
            return Resolved::default();
        }
        if let Some(declared) = self.declared_place(asked, steps) {
            return declared;
        }
        let fresh = Tree::default();
        let tree = self.hosts.get(asked.host_id).map_or(&fresh, |h| &h.paths);
        tree.resolve(steps)
    }

    /// Where a path belongs by what somebody declared.
    fn declared_place(&self, asked: &Asked<'_>, steps: &Steps<'_>) -> Option<Resolved> {
        let template = self
            .declared
            .template(asked.scope.host, asked.method, asked.request.path())?;
        let values = template
            .split('/')
            .skip(1)
            .enumerate()
            .filter(|(_, s)| s.contains('{'));
        let objects = values.fold(steps.objects, |all, (at, _)| {
            all | 1u32.checked_shl(at as u32).unwrap_or(0)
        });
        Some(Resolved {
            raw: template.clone(),
            view: bare_template(&template).into_owned(),
            template,
            objects,
        })
    }

    /// The operation as a template has it.
    fn operation(&self, asked: &Asked<'_>, resolved: &Resolved) -> String {
        let operation = asked.operation();
        let room = operation.is_empty()
            || self
                .hosts
                .get(asked.host_id)
                .is_none_or(|h| h.paths.has_room_for_operation(&resolved.raw, &operation));
        if room { operation } else { "{operation}".to_owned() }
    }

    fn remember(&mut self, key: u128, host_id: Id, place: &Place) {
        if self.recent.len() >= CACHED {
            self.older = std::mem::take(&mut self.recent);
        }
        let templates = self.hosts.get(host_id).map_or(0, |host| host.templates);
        let place = Place {
            templates,
            ..place.clone()
        };
        self.recent.insert(key, place);
    }

    fn host(&mut self, asked: &Asked<'_>) -> &mut Host {
        let templates = &mut self.templates;
        self.hosts.entry(asked.host_id, || Host {
            templates: {
                *templates = templates.wrapping_add(1);
                *templates
            },
            name: asked.scope.host.to_owned(),
            environment: asked.scope.environment.map(Box::from),
            paths: Tree::default(),
            last: asked.ts,
            with_credential: 0,
            without_credential: 0,
            unproven: 0,
            tokens: Tokens::default(),
            names: Arc::default(),
        })
    }

    fn count_host(&mut self, id: Id, seen: &Seen<'_>, status: Option<u16>) {
        if !status.is_some_and(|s| (200..300).contains(&s)) {
            return;
        }
        let Some(host) = self.hosts.get_mut(id) else {
            return;
        };
        host.last = host.last.max(seen.ts);
        match seen.scheme {
            Scheme::None => host.without_credential += 1,
            _ => host.with_credential += 1,
        }
        let token = seen.identity.credential.as_ref().and_then(|c| c.token.as_ref());
        if let Some(token) = token {
            host.tokens.accept(token, seen.ts, seen.learn);
        }
    }

    /// Keeps a name apart that would be taken for one of many values, when its answer is not like theirs: a word of the route
    /// may be called for the first time when most values are known.
    fn keep_odd(&mut self, asked: &Asked<'_>, steps: &Steps<'_>, seen: &Seen<'_>) {
        let presumed = |host: &&Host| host.paths.is_presumed(steps);
        let Some(host) = self.hosts.get(asked.host_id).filter(presumed) else {
            return;
        };
        let resolved = host.paths.resolve(steps);
        let operation = self.operation(asked, &resolved);
        let values = self
            .endpoints
            .get(asked.id(&with_operation(&resolved.raw, &operation)))
            .filter(|row| row.proven);
        let is_odd = match values {
            // Values are not called with this method.
            None => true,
            Some(values) => values.is_unlike(seen),
        };
        if is_odd && let Some(host) = self.hosts.get_mut(asked.host_id) {
            host.paths.keep_apart(steps);
        }
    }

    /// Keeps a path that was shown to be real.
    fn learn(&mut self, asked: &Asked<'_>, steps: &Steps<'_>, mut place: Place, key: u128) -> Place {
        let operation = match asked.call {
            Some(_) => self.operation(asked, &self.resolve(asked, steps)),
            None => String::new(),
        };
        let room = self.has_room();
        let declared = self
            .declared_place(asked, steps)
            .filter(|_| asked.method != "CONNECT");
        let tree = &mut self.host(asked).paths;
        let nodes = tree.nodes();
        let make = |method: &str, path: &str| asked.scope.endpoint(method, path);
        let inserted = match declared {
            Some(place) => {
                let id = asked.id(&with_operation(&place.view, &operation));
                tree.insert_declared(&place.template, asked.method, &operation, id);
                Some((place, Vec::new()))
            }
            None => tree.insert(steps, asked.method, &operation, room, &make),
        };
        let more = tree.nodes().saturating_sub(nodes);
        let Some((now, moves)) = inserted else {
            place.leaf = None;
            return place;
        };
        self.nodes += more;
        self.follow(asked.scope, moves);
        let leaf = asked.id(&with_operation(&now.raw, &operation));
        let view = asked.id(&with_operation(&now.view, &operation));
        // What was counted for a name that is not kept apart is now counted with the others. What was counted for all
        // values stays there: the endpoint is the sum of both.
        if let Some(old) = place.leaf.filter(|old| *old != leaf && *old != view)
            && let Some(mut row) = self.endpoints.remove(old)
        {
            row.id = leaf;
            self.put(row);
        }
        let shown = with_operation(&now.template, &operation);
        let seed = self.seed;
        Names::take(&mut self.host(asked).names, &shown, seed);
        if self.endpoints.get(leaf).is_none() {
            self.add_leaf(asked, leaf, &shown);
        } else if self.endpoints.get(leaf).is_some_and(|row| !row.proven) {
            let host = self.host(asked);
            host.unproven = host.unproven.saturating_sub(1);
        }
        if let Some(row) = self.endpoints.get_mut(leaf) {
            row.proven = true;
            row.is_static = place.is_static;
            row.template = shown;
        }
        place = Place {
            leaf: Some(leaf),
            template: view,
            objects: now.objects,
            is_static: place.is_static,
            learned: true,
            templates: 0,
        };
        match self.sums.get_mut(&view) {
            Some(sum) => sum.proven = true,
            None if view != leaf => self.make_sum(asked.host_id, view),
            None => {}
        }
        self.remember(key, asked.host_id, &place);
        place
    }

    /// Whether all trees together have room. What made way is not noticed until they seem to have none.
    fn has_room(&mut self) -> bool {
        let most = 4096 + self.endpoints.cap().saturating_mul(NODES);
        // Trees that were stored are counted with the first path.
        if self.nodes >= most || self.nodes == 0 {
            // Hosts may have made way: counted when it is found to be full, and again from time to time.
            let recount = self.full_for.is_multiple_of(RECOUNT / 16);
            self.full_for = self.full_for.wrapping_add(1);
            if self.nodes == 0 || recount {
                self.nodes = self
                    .hosts
                    .sorted()
                    .into_iter()
                    .map(|(_, h)| h.paths.nodes())
                    .sum();
            }
        }
        if self.nodes < most {
            self.full_for = 0;
        }
        self.nodes < most
    }

    /// Says where an exchange belongs now that templates have changed.
    fn relocate(&self, asked: &Asked<'_>, steps: &Steps<'_>, place: &mut Place) {
        let resolved = self.resolve(asked, steps);
        let operation = self.operation(asked, &resolved);
        let leaf = asked.id(&with_operation(&resolved.raw, &operation));
        place.leaf = place.leaf.and(self.endpoints.get(leaf)).map(|row| row.id);
        place.template = asked.id(&with_operation(&resolved.view, &operation));
        place.objects = resolved.objects;
    }

    /// Adds a row to the one of its id, or keeps it.
    fn put(&mut self, row: Endpoint) {
        match self.endpoints.get_mut(row.id) {
            Some(known) => known.absorb(row),
            None => {
                self.endpoints.entry(row.id, || row);
            }
        }
    }

    /// Moves rows to where their leaves are now.
    fn follow(&mut self, scope: Scope<'_>, moves: Vec<Move>) {
        if moves.is_empty() {
            return;
        }
        for moved in moves {
            if let Some(mut row) = self.endpoints.remove(moved.from) {
                row.id = scope.endpoint(&moved.method, &moved.path);
                debug_assert_eq!(row.id, moved.to);
                row.template = moved.path;
                self.put(row);
            }
        }
        self.new_templates(scope.id());
    }

    /// From now on, where paths of this host belong is to be found anew.
    fn new_templates(&mut self, host_id: Id) {
        self.templates = self.templates.wrapping_add(1);
        if let Some(host) = self.hosts.get_mut(host_id) {
            host.templates = self.templates;
        }
    }

    /// Judges the places of a host. True when templates changed.
    fn judge(&mut self, host_id: Id) -> bool {
        let verdicts = self.verdicts(host_id);
        let Some(host) = self.hosts.get_mut(host_id) else {
            return false;
        };
        let changed = host.paths.take(verdicts);
        let (name, environment) = (host.name.clone(), host.environment.clone());
        let scope = Scope {
            host: &name,
            environment: environment.as_deref(),
        };
        // Also where templates stay as they are: names that were odd may have turned out not to be.
        let moves = host.paths.fold(&|method, path| scope.endpoint(method, path));
        if !changed && moves.is_empty() {
            return false;
        }
        self.follow(scope, moves);
        self.new_templates(host_id);
        self.forget_sums(host_id);
        self.make_sums(host_id);
        true
    }

    /// Ends the input: what has come to be known since places were judged last is judged too, so that what is kept does not
    /// depend on when that was.
    pub(crate) fn finish(&mut self) {
        let hosts: Vec<Id> = self.hosts.sorted().into_iter().map(|(id, _)| id).collect();
        for host in hosts {
            // What is given up in one round may be seen otherwise in the next; it ends, since names only become fewer.
            for _ in 0..4 {
                if !self.judge(host) {
                    break;
                }
            }
        }
    }

    fn verdicts(&self, host_id: Id) -> BTreeMap<String, judge::Verdict> {
        let Some(host) = self.hosts.get(host_id) else {
            return BTreeMap::new();
        };
        judge::judge(
            &host.paths,
            &|id| self.endpoints.get(id).filter(|e| e.proven),
            // Names that the overrides keep.
            &|path| {
                let kept = self.declared.kept(&host.name, path);
                kept > 0 && kept >= path.split('/').filter(|s| !s.is_empty()).count()
            },
        )
    }

    /// The endpoints of a host: what traffic shows, under what people declared.
    fn groups(&self, host: &Host, verdicts: &BTreeMap<String, judge::Verdict>) -> Vec<Group> {
        let mut groups = judge::groups(&host.paths, verdicts);
        if self.declared.is_empty() {
            return groups;
        }
        // What was learned before somebody declared it is covered by the declaration too.
        let mut by_id: BTreeMap<Id, Group> = BTreeMap::new();
        for mut group in groups.drain(..) {
            if group.method != "CONNECT"
                && let Some(template) = self.declared.template(&host.name, &group.method, &group.template)
            {
                group.view = bare_template(&template).into_owned();
                group.template = template;
            }
            match by_id.entry(host.scope().of_group(&group)) {
                Entry::Vacant(free) => drop(free.insert(group)),
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.leaves.extend(group.leaves);
                    known.leaves.sort_unstable();
                    known.leaves.dedup();
                    known.template = known.template.clone().max(group.template);
                }
            }
        }
        by_id.into_values().collect()
    }

    fn forget_sums(&mut self, host_id: Id) {
        for id in self.summed.remove(&host_id).unwrap_or_default() {
            self.sums.remove(&id);
        }
    }

    /// Makes the sums of a host that has none yet.
    fn make_sums(&mut self, host_id: Id) {
        if self.summed.contains_key(&host_id) {
            return;
        }
        let Some(host) = self.hosts.get(host_id) else {
            return;
        };
        let mut ids = Vec::new();
        // Where no name is a value and nothing is declared, every endpoint is one leaf.
        let merged = !self.declared.is_empty() || host.paths.verdicts.values().any(Verdict::merges);
        let groups = if merged {
            self.groups(host, &host.paths.verdicts)
        } else {
            Vec::new()
        };
        for group in groups {
            let id = host.scope().of_group(&group);
            if group.leaves == [id] {
                continue;
            }
            if let Some(sum) = self.sum(host, &group).map(Cow::into_owned) {
                self.sums.insert(id, sum);
                ids.push(id);
            }
        }
        self.summed.insert(host_id, ids);
    }

    /// Makes the sum of one endpoint.
    fn make_sum(&mut self, host_id: Id, id: Id) {
        let Some(host) = self.hosts.get(host_id) else {
            return;
        };
        let groups = self.groups(host, &host.paths.verdicts);
        let found = groups.iter().find(|g| host.scope().of_group(g) == id);
        if let Some(sum) = found.and_then(|group| self.sum(host, group)).map(Cow::into_owned) {
            self.sums.insert(id, sum);
            self.summed.entry(host_id).or_default().push(id);
        }
    }

    /// The sum of the leaves of an endpoint. Calls that proved nothing are counted for the leaf that has its own id.
    fn sum(&self, host: &Host, group: &Group) -> Option<Cow<'_, Endpoint>> {
        let id = host.scope().of_group(group);
        let own = (!group.leaves.contains(&id)).then_some(&id);
        let mut rows = group
            .leaves
            .iter()
            .chain(own)
            .filter_map(|leaf| self.endpoints.get(*leaf));
        let mut sum = Cow::Borrowed(rows.next()?);
        rows.for_each(|row| sum.to_mut().absorb(row.clone()));
        if sum.id != id {
            sum.to_mut().id = id;
        }
        let template = with_operation(&group.template, &group.operation);
        if sum.template != template {
            sum.to_mut().template = template;
        }
        Some(sum)
    }

    /// All endpoints that answers have proven, by host, template and method.
    pub(crate) fn views(&self) -> impl Iterator<Item = EndpointView> {
        let mut hosts: Vec<&Host> = self.hosts.sorted().into_iter().map(|(_, h)| h).collect();
        hosts.sort_by(|a, b| (&a.name, &a.environment).cmp(&(&b.name, &b.environment)));
        hosts.into_iter().flat_map(move |host| {
            // What is known now decides, not what was known when places were judged last.
            let verdicts = self.verdicts(host.id());
            let mut groups = self.groups(host, &verdicts);
            groups.sort_by_cached_key(|g| (with_operation(&g.template, &g.operation), g.method.clone()));
            groups.into_iter().filter_map(move |group| {
                let sum = self.sum(host, &group).filter(|e| e.proven)?;
                let mut view = sum.view();
                facts::declare(&mut view, &self.declared);
                view.template_reasons = judge::reasons(&group.view, &verdicts);
                Some(view)
            })
        })
    }
}

/// Values of the places of a path that name objects.
pub(crate) fn path_objects<'a>(request: &'a Request, place: &Place) -> impl Iterator<Item = Cow<'a, str>> {
    at_places(request.path(), place.objects)
}

/// The id of a host, in whatever environment.
pub(crate) fn id_of(host: &str) -> Id {
    Scope {
        host,
        environment: None,
    }
    .id()
}
