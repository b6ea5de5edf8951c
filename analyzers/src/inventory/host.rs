//! The inventory stage: everything that is keyed by the server's host.

use std::borrow::Cow;
use std::sync::Arc;

use reassembly::{Exchange, Request, Timestamp};
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Seen, proves, refuses};
use super::rpc::{self, Call};
use super::shape::drift::Drift;
use super::template::{Names, Templated, at_places};
use crate::id::{HashTable, Id, Seed};
use crate::identity::Scheme;
use crate::privacy::{safe_host, safe_method};
use crate::store::{Row, Store};

/// Paths remembered per generation of the cache.
const CACHED: usize = 32_768;

/// Names of hosts remembered; when there are more, all are forgotten.
const NAMED: usize = 4096;

/// Fields of shapes for each endpoint there may be; they may have more where others have less.
const FIELDS: usize = 64;

/// Exchanges after which fields are counted anew while there are too many: endpoints may have made way.
const RECOUNT: u32 = 4096;

/// Endpoints of one host that no answer has proven yet.
const UNPROVEN: u32 = 256;

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) name: String,
    names: Names,
    #[serde(with = "crate::store::nanos")]
    last: Timestamp,
    /// Successful calls with a credential in a field, and without any.
    pub(crate) with_credential: u64,
    pub(crate) without_credential: u64,
    unproven: u32,
}

impl Host {
    /// The key of its row.
    pub(crate) fn id(&self) -> Id {
        host_id(&self.name)
    }
}

fn host_id(name: &str) -> Id {
    Id::of(&[b"host", name.as_bytes()])
}

impl Row for Host {
    fn worth(&self) -> (bool, Timestamp) {
        (self.with_credential + self.without_credential > 0, self.last)
    }
}

/// Where an exchange belongs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Its endpoint, when it has one.
    pub(crate) endpoint: Option<Id>,
    /// Hash of the template, endpoint or not.
    pub(crate) template: Id,
    /// Places in the path that name objects.
    pub(crate) objects: u32,
    pub(crate) is_static: bool,
}

/// Templates, endpoints and what is counted for them.
#[derive(Debug)]
pub(crate) struct Inventory {
    seed: Seed,
    pub(crate) endpoints: Store<Endpoint>,
    pub(crate) hosts: Store<Host>,
    recent: HashTable<u128, Place>,
    older: HashTable<u128, Place>,
    /// Names of hosts as they were sent, with the name to be shown and its id.
    named: HashTable<u128, (Id, Arc<str>)>,
    refused: u64,
    drift: Option<Box<Drift>>,
    /// Fields of all shapes, and how many there may be.
    fields: usize,
    max_fields: usize,
    /// Exchanges until fields are counted anew.
    recount: u32,
}

impl Inventory {
    pub(crate) fn new(seed: Seed, max_endpoints: usize) -> Self {
        Self {
            seed,
            endpoints: Store::new(max_endpoints),
            hosts: Store::new(max_endpoints.div_ceil(4)),
            recent: HashTable::default(),
            older: HashTable::default(),
            named: HashTable::default(),
            refused: 0,
            drift: None,
            fields: 0,
            max_fields: max_endpoints.saturating_mul(FIELDS),
            recount: 0,
        }
    }

    /// Counts a call that names an object, and whether there was none of that name.
    pub(crate) fn count_object(&mut self, place: &Place, missing: bool) {
        if let Some(endpoint) = place.endpoint.and_then(|id| self.endpoints.get_mut(id)) {
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
        place
            .endpoint
            .and_then(|id| self.endpoints.get(id))
            .filter(|e| e.proven)
    }

    /// Unproven endpoints that a full host did not take.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Finds the endpoint of an exchange, makes it when there is reason to, and counts the exchange.
    pub(crate) fn observe(
        &mut self,
        request: &Request,
        call: Option<&Call>,
        unknown_operation: bool,
        seen: &Seen<'_>,
    ) -> (Id, Place) {
        let (host_id, host) = self.host_name(request, seen.exchange);
        let key = self.key(&host, request, call);
        let status = rpc::status(seen.exchange);
        let known = self.recent.get(&key).or_else(|| self.older.get(&key)).cloned();
        let alive = known.filter(|p| p.endpoint.is_some_and(|e| self.endpoints.get(e).is_some()));
        let place = match alive {
            Some(place) => place,
            None => self.place(
                &host,
                host_id,
                request,
                call,
                status,
                unknown_operation,
                seen.ts,
                key,
            ),
        };
        self.count_host(host_id, seen, status);
        let Some(id) = place.endpoint else {
            return (host_id, place);
        };
        let Some(endpoint) = self.endpoints.get_mut(id) else {
            return (host_id, place);
        };
        let before = endpoint.shape.fields();
        endpoint.observe(seen);
        self.fields = (self.fields + endpoint.shape.fields()).saturating_sub(before);
        self.drift = endpoint.shape.take_drift();
        let proof = status.is_some_and(|s| proves(request.method(), s)) && !unknown_operation;
        if proof && !endpoint.proven {
            endpoint.proven = true;
            endpoint.is_static = place.is_static;
            return (host_id, self.prove(host_id, &host, request, call, place));
        }
        (host_id, place)
    }

    /// The host by name; when the request names none, by address.
    fn host_name(&mut self, request: &Request, exchange: &Exchange) -> (Id, Arc<str>) {
        if request.host.is_empty() {
            let name = exchange.flow.server.to_string();
            return (host_id(&name), name.into());
        }
        let key = self.seed.wide(request.host.as_bytes());
        if let Some((id, name)) = self.named.get(&key) {
            return (*id, Arc::clone(name));
        }
        let name: Arc<str> = safe_host(&request.host).into();
        let id = host_id(&name);
        if self.named.len() >= NAMED {
            self.named.clear();
        }
        self.named.insert(key, (id, Arc::clone(&name)));
        (id, name)
    }

    fn key(&self, host: &str, request: &Request, call: Option<&Call>) -> u128 {
        let mut key = self.seed.wide(request.path().as_bytes());
        let mut mix = |bytes: &[u8]| {
            key = key
                .rotate_left(29)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                ^ self.seed.wide(bytes)
        };
        mix(host.as_bytes());
        mix(request.method().as_bytes());
        if let Some(call) = call {
            mix(call.method.as_bytes());
            mix(call.name.as_deref().unwrap_or("").as_bytes());
        }
        key
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the slow path of one caller, split off to keep the fast one readable"
    )]
    fn place(
        &mut self,
        host: &str,
        host_id: Id,
        request: &Request,
        call: Option<&Call>,
        status: Option<u16>,
        unknown_operation: bool,
        ts: Timestamp,
        key: u128,
    ) -> Place {
        let templated = self.templated(host_id, request, call);
        let method = safe_method(request.method());
        let id = endpoint_id(host, method, &templated.template);
        let mut place = Place {
            endpoint: Some(id),
            template: id,
            objects: templated.objects,
            is_static: templated.is_static,
        };
        if self.endpoints.get(id).is_none() {
            let proof = status.is_some_and(|s| proves(request.method(), s)) && !unknown_operation;
            let unknown = unknown_operation
                || status.is_some_and(refuses)
                || method == "OPTIONS"
                || method == "{method}"
                || request.minor == 9;
            let crowded = !proof && self.hosts.get(host_id).is_some_and(|h| h.unproven >= UNPROVEN);
            if unknown || crowded {
                self.refused += u64::from(crowded && !unknown);
                place.endpoint = None;
                return place;
            }
            let protocol = call.map_or("http", |c| c.protocol);
            self.endpoints.entry(id, || {
                Endpoint::new(id, host, method, &templated.template, protocol, ts)
            });
            if !proof {
                self.host(host_id, host, ts).unproven += 1;
            }
        }
        self.remember(key, &place);
        place
    }

    fn templated(&self, host_id: Id, request: &Request, call: Option<&Call>) -> Templated {
        if request.method() == "CONNECT" {
            // Its target is an authority and has no path (RFC 9112 section 3.2.3); the host is that authority.
            return Templated::default();
        }
        let fresh = Names::default();
        let names = self.hosts.get(host_id).map_or(&fresh, |h| &h.names);
        let mut templated = names.template(request.path());
        if let Some(call) = call {
            let operation = call.operation();
            let room = names.has_room_for_operation(&templated.template, &operation);
            templated.template.push('#');
            templated
                .template
                .push_str(if room { &operation } else { "{operation}" });
        }
        templated
    }

    fn remember(&mut self, key: u128, place: &Place) {
        if self.recent.len() >= CACHED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, place.clone());
    }

    fn host(&mut self, id: Id, name: &str, ts: Timestamp) -> &mut Host {
        self.hosts.entry(id, || Host {
            name: name.to_owned(),
            names: Names::default(),
            last: ts,
            with_credential: 0,
            without_credential: 0,
            unproven: 0,
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
    }

    /// Learns the names of a path that was shown to be real; templates may change by it.
    fn prove(
        &mut self,
        host_id: Id,
        host: &str,
        request: &Request,
        call: Option<&Call>,
        place: Place,
    ) -> Place {
        let path_only = self.templated(host_id, request, None);
        let entry = self.host(host_id, host, Timestamp(0));
        entry.unproven = entry.unproven.saturating_sub(1);
        if let Some(call) = call {
            entry
                .names
                .learn_operation(&path_only.template, &call.operation());
        }
        if !entry.names.learn(&path_only) {
            return place;
        }
        self.retemplate(host_id, host);
        self.recent.clear();
        self.older.clear();
        let templated = self.templated(host_id, request, call);
        let id = endpoint_id(host, safe_method(request.method()), &templated.template);
        Place {
            endpoint: self.endpoints.get(id).map(|e| e.id),
            template: id,
            objects: templated.objects,
            is_static: templated.is_static,
        }
    }

    /// Moves what was counted under old templates to the ones that replace them.
    fn retemplate(&mut self, host_id: Id, host: &str) {
        let Some(names) = self.hosts.get(host_id).map(|h| h.names.clone()) else {
            return;
        };
        let moves: Vec<(Id, String)> = self
            .endpoints
            .sorted()
            .into_iter()
            .filter(|(_, e)| e.host == host)
            .filter_map(|(id, e)| Some((id, names.renamed(&e.template)?)))
            .collect();
        for (old, template) in moves {
            let Some(mut from) = self.endpoints.remove(old) else {
                continue;
            };
            let id = endpoint_id(host, &from.method, &template);
            from.id = id;
            from.template = template;
            match self.endpoints.get_mut(id) {
                Some(endpoint) => endpoint.absorb(from),
                None => {
                    self.endpoints.entry(id, || from);
                }
            }
        }
    }
}

/// Values of the places of a path that name objects.
pub(crate) fn path_objects<'a>(request: &'a Request, place: &Place) -> impl Iterator<Item = Cow<'a, str>> {
    at_places(request.path(), place.objects)
}

/// The id of an endpoint.
pub(crate) fn endpoint_id(host: &str, method: &str, template: &str) -> Id {
    Id::of(&[
        b"endpoint",
        host.as_bytes(),
        method.as_bytes(),
        template.as_bytes(),
    ])
}
