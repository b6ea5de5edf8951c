//! The first stage: who calls, what is called, what it carries. Identity keeps no state that decides; the rest is keyed by host.

use std::cell::OnceCell;
use std::sync::Arc;

use reassembly::{Exchange, Message, PartOf, Request, Response};

use super::attributed::{Attributed, Known, Told};
use crate::a2a::{self, A2a, AgentView};
use crate::analyzer::{Labels, exchange_id};
use crate::behaviour::{Activity, bola_enumeration, is_text, missing_auth, named, sensitive_data_exposure};
use crate::finding::ledger::Filing;
use crate::id::Seed;
use crate::identity::signals::Signals;
use crate::identity::{Resolver, Scheme};
use crate::inventory::called::CalledHost;
use crate::inventory::compare::{self, Comparison};
use crate::inventory::endpoint::Seen;
use crate::inventory::host::Inventory;
use crate::inventory::posture;
use crate::inventory::rpc;
use crate::inventory::sensitive::{self, Carried, Nations, Passed, Rules};
use crate::inventory::shape::body::Names;
use crate::inventory::shape::drift::Learning;
use crate::inventory::{EndpointView, Overview};
use crate::keys::Moment;
use crate::llm::{self, LlmCall, Streams};
use crate::marks::Marks;
use crate::mcp::{self, Mcp, ServerView};
use crate::settings::Settings;

/// Identity, and everything that is keyed by the server's host: endpoints, their comparison with specifications, servers of MCP,
/// agents of A2A.
#[derive(Debug)]
pub struct InventoryStage {
    pub(crate) settings: Arc<Settings>,
    seed: Seed,
    nations: Nations,
    pub(crate) resolver: Resolver,
    pub(crate) inventory: Inventory,
    pub(crate) comparison: Comparison,
    pub(crate) mcp: Mcp,
    pub(crate) a2a: A2a,
    /// Of the response at hand.
    marks: Marks,
    passed: Passed,
    names: Names,
    /// Answers of language models that are still coming.
    streams: Streams,
    pub(crate) unread: u64,
    /// Requests without a credential of which bytes were lost.
    pub(crate) cut: u64,
}

impl InventoryStage {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let seed = Seed::new(&settings.hash_key);
        Self {
            seed,
            nations: Nations::parse(&settings.national_ids),
            resolver: Resolver::new(&settings),
            inventory: Inventory::new(
                seed,
                (settings.max_endpoints, settings.room.apis),
                Arc::clone(&settings.declared),
            ),
            comparison: Comparison::new(settings.max_endpoints.div_ceil(4), settings.room.apis),
            mcp: Mcp::new(
                seed,
                (settings.max_endpoints, settings.max_principals),
                &settings.room,
            ),
            a2a: A2a::new(seed, settings.max_endpoints, settings.room.apis),
            marks: Marks::default(),
            passed: Passed::default(),
            names: Names::new(seed),
            streams: Streams::default(),
            unread: 0,
            cut: 0,
            settings,
        }
    }

    /// A stage that stands where another one was taken away: small, and knows nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Arc::default())
    }

    /// Takes other settings into force, between two exchanges: see [`Settings::while_running`]. What was learned stays.
    pub fn reconfigure(&mut self, settings: &Arc<Settings>) {
        self.nations = Nations::parse(&settings.national_ids);
        self.resolver.reconfigure(settings);
        self.inventory.declare(Arc::clone(&settings.declared));
        self.settings = Arc::clone(settings);
    }

    /// Takes one exchange, in the order in which exchanges were completed. What comes of it goes to
    /// [`BehaviourStage::observe`](super::BehaviourStage::observe), in the same order.
    pub fn observe(&mut self, exchange: &Exchange) -> Attributed {
        let exchange_id = exchange_id(&exchange.flow, exchange.index);
        let streamed = self.streams.take(exchange_id);
        let nobody = || Attributed {
            labels: Labels {
                exchange: exchange_id.to_string(),
                ..Labels::default()
            },
            known: None,
        };
        let Some(request) = &exchange.request else {
            // Without a request there is nobody to name and nothing that was called.
            self.unread += 1;
            return nobody();
        };
        let settings = Arc::clone(&self.settings);
        let key = &settings.hash_key;
        let mut signals = Signals::gather(request, &settings);
        let answered = exchange.response.as_ref();
        let mut call = rpc::detect(request, answered, &signals, key);
        let agent = a2a::Seen::read(exchange, request, &signals, call.as_ref(), key, self.seed);
        let told = Told::of(call.as_ref(), agent.as_ref());
        told.complete(&mut signals, exchange);
        let signals = signals;
        let moment = Moment::of(exchange);
        let identity = self
            .resolver
            .resolve(&signals, exchange.flow.client.ip(), moment, &settings);
        if identity.scheme == Scheme::None && request.message.head_cut {
            // The credential may be among the fields that were lost: what is left names nobody, and an
            // answer to it says nothing about who is let in.
            self.cut += 1;
            return nobody();
        }
        let mut llm = None;
        if call.is_none() && signals.json {
            llm = llm::read(request, answered, streamed, key, self.seed).map(Box::new);
            call = llm.as_deref().map(LlmCall::operation);
        }

        let texts = mcp::texts(exchange, request, &signals, call.as_ref());
        let spoken = texts
            .as_deref()
            .and_then(|texts| mcp::Seen::read(exchange, request, texts, &signals, key));

        let carried = self.carried(request, answered);
        let ts = exchange.ts();
        let declared = &*settings.declared;
        let (_, host_name) = self.inventory.host_name(request, exchange);
        let check = compare::check(declared, exchange, request, &host_name);
        let seen = Seen {
            exchange,
            exchange_id,
            identity: &identity,
            scheme: identity.scheme,
            ts,
            check: check.as_ref(),
            learn: Learning {
                seed: self.seed,
                exchanges: settings.learn_exchanges,
                period: settings.learn_period.as_secs(),
            },
            carried: &carried,
            names: &self.names,
            crowded: self.inventory.is_crowded(),
        };
        let unknown_operation = call
            .as_ref()
            .is_some_and(|call| is_unknown_operation(exchange, call));
        let (host, place) = self
            .inventory
            .observe(request, call.as_ref(), unknown_operation, &seen);
        let mut activity = Activity {
            exchange,
            request,
            exchange_id,
            ts,
            identity: &identity,
            kind: identity.kind,
            name: identity.name.as_deref(),
            signals: &signals,
            scheme: identity.scheme,
            host: None,
            endpoint: None,
            place: &place,
            call: call.as_ref(),
            batch: spoken.as_ref().filter(|s| s.batch).map_or(&[], |s| &s.calls),
            llm: llm.as_deref(),
            status: rpc::status(exchange),
            carried: &carried,
            thresholds: &settings.thresholds,
            unit: None,
            unit_calls: 0,
            changed: None,
            trace: OnceCell::new(),
        };
        let object =
            named(&activity, self.seed).map(|object| (object, bola_enumeration::is_missing(&activity)));
        if let Some((_, missing)) = object {
            self.inventory.count_object(&place, missing);
        }
        let drift = self.inventory.take_drift();
        let called = self.inventory.called(&place);
        let environment = declared.environment(&exchange.flow, &host_name);
        let cover = self.comparison.cover(host, &host_name, environment);
        let fresh = cover.observe(exchange, check.as_ref());
        let row = self.inventory.hosts.get(host);
        let token = identity.credential.as_ref().and_then(|c| c.token.as_ref());
        let called_host = row.map(|row| CalledHost::of(row, &host_name, cover.watched(), token));
        activity.host = called_host.as_ref();
        activity.endpoint = called.as_ref();
        let endpoint = self.inventory.proven(&place);

        let mut filed = Filing::default();
        self.comparison.observe(
            &activity,
            (host, fresh),
            check.as_ref(),
            (&self.inventory, endpoint),
            &settings,
            &mut filed,
        );
        let mut exposed = Filing::default();
        if let Some(endpoint) = endpoint {
            posture::tell(&activity, endpoint, &settings, &mut filed);
            missing_auth::observe(&activity, endpoint, row, &mut exposed);
            sensitive_data_exposure::observe(&activity, endpoint, &mut exposed);
        }
        let mcp = match &spoken {
            Some(seen) => Some(self.mcp.observe(&activity, seen, &settings, &mut filed)),
            None => {
                self.mcp.look_beside(&activity);
                None
            }
        };
        let a2a = agent
            .as_ref()
            .map(|seen| self.a2a.observe(&activity, seen, &settings, &mut filed));

        let grpc = call.is_none().then(|| rpc::grpc_method(exchange)).flatten();
        let method = agent.as_ref().and_then(a2a::Seen::method);
        let labels = Labels {
            rpc_status: grpc.as_ref().and_then(|_| rpc::grpc_status(exchange)),
            endpoint: called.as_ref().map(|e| e.id.to_string()),
            principal: Some(identity.text.to_string()),
            rpc: match &call {
                // Told when the call is no longer needed.
                Some(_) => None,
                None => match method {
                    Some(method) => Some(("a2a".to_owned(), method.to_owned(), None)),
                    None => grpc.map(|method| ("grpc".to_owned(), method, None)),
                },
            },
            mcp: mcp.map(Box::new),
            intent: None,
            work: None,
            a2a: a2a.map(Box::new),
            exchange: exchange_id.to_string(),
            llm: None,
        };
        let batch = spoken.filter(|s| s.batch).map(|s| s.calls).unwrap_or_default();
        Attributed {
            labels,
            known: Some(Box::new(Known {
                exchange_id,
                told,
                call,
                batch,
                llm,
                host: called_host,
                endpoint: called,
                object,
                marks: std::mem::take(&mut self.marks),
                filed,
                exposed,
                drift,
                place,
                carried,
                identity,
            })),
        }
    }

    /// Takes one part of an exchange that is not over, before the exchange itself: of streams of language models, what they
    /// cost is told at their end, which may be far behind what is kept of a body.
    pub fn observe_part(&mut self, of: &PartOf) {
        let id = exchange_id(&of.flow, of.exchange);
        self.streams.observe(id, of, &self.settings.hash_key);
    }

    /// Room for marks, used before.
    pub(crate) fn take_back(&mut self, marks: Option<Marks>) {
        if let Some(marks) = marks {
            self.marks = marks;
        }
    }

    /// Searches what an exchange carries for data of every class. What was answered with an error is not looked at. Leaves
    /// the marks of the response.
    fn carried(&mut self, request: &Request, response: Option<&Response>) -> Carried {
        let mut carried = Carried::default();
        let rules = Rules {
            seed: self.seed,
            nations: self.nations,
            passed: &self.passed,
        };
        let marks = &mut self.marks;
        let searched = |message: &Message, marks: &mut Marks| {
            let body = &message.body[..message.body.len().min(sensitive::SEARCHED)];
            marks.read(body);
            sensitive::search(body, marks, message.field("content-type"), rules)
        };
        let Some(response) = response.filter(|r| r.status < 400) else {
            return carried;
        };
        // A path without a query is nearly always made of names and ids, and those with a person in them are told by
        // their template.
        if request.query().is_some_and(|query| query.len() >= 8) {
            carried.url = sensitive::search_target(request.target(), marks, rules);
        }
        let sent = &request.message;
        if sent.body.len() >= 8 && is_data(sent) {
            carried.request = searched(sent, marks);
        }
        if is_text(&response.message) {
            carried.response = searched(&response.message, marks);
        }
        carried
    }

    /// All endpoints that a server's answers have proven, sorted by host, template and method. Each is made when it
    /// is asked for: all of them at once are larger than what they are made from.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointView> {
        self.inventory.views()
    }

    /// Servers of the Model Context Protocol with what is known of them, by host and path.
    pub fn mcp_servers(&self) -> impl Iterator<Item = ServerView> {
        self.mcp.views()
    }

    /// Agents of the Agent2Agent protocol with what is known of them, by host and path.
    pub fn a2a_agents(&self) -> impl Iterator<Item = AgentView> {
        self.a2a.views().into_iter()
    }

    /// How the specifications stand to what was seen.
    #[must_use]
    pub fn overview(&self) -> Overview {
        self.comparison.overview(&self.settings)
    }
}

/// Whether a request's body can be searched: what is text, and forms.
fn is_data(message: &Message) -> bool {
    let form = |kind: &str| {
        kind.starts_with("application/x-www-form-urlencoded") || kind.starts_with("multipart/form-data")
    };
    is_text(message) || message.field("content-type").is_some_and(form)
}

/// Whether a server says that it has no such operation: code −32601 of JSON-RPC, errors and no data of GraphQL.
fn is_unknown_operation(exchange: &Exchange, call: &rpc::Call) -> bool {
    exchange.response.as_ref().is_some_and(|r| {
        let body = &r.message.body;
        let start = &body[..body.len().min(512)];
        let says = |what: &[u8]| memchr::memmem::find(start, what).is_some();
        match call.protocol {
            "graphql" => says(b"\"errors\"") && !says(b"\"data\":{") && !says(b"\"data\": {"),
            "soap" | "llm" => false,
            _ => says(b"-32601"),
        }
    })
}
