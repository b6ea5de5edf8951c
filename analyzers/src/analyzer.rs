//! The stages tied together: one exchange in, labels and findings out.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use reassembly::{Exchange, Flow, FlowRef, Message, PartOf, Request, Response};

use crate::a2a::{self, A2a, A2aLabels, AgentView};
use crate::behaviour::profile::Profile;
use crate::behaviour::stage::{Behaviour, World};
use crate::behaviour::{Activity, Dimensions, bola_enumeration, is_text, named, shadow_llm_use};
use crate::finding::ledger::Ledger;
use crate::finding::{Finding, Suppressed};
use crate::id::{Id, Seed};
use crate::identity::signals::Signals;
use crate::identity::{PrincipalKind, PrincipalView, Resolver, Scheme};
use crate::intent::{Verdict, WatchView};
use crate::inventory::compare::{self, Comparison};
use crate::inventory::declared::Suppression;
use crate::inventory::endpoint::Seen;
use crate::inventory::host::Inventory;
use crate::inventory::posture;
use crate::inventory::rpc;
use crate::inventory::sensitive::{self, Carried, Nations, Passed, Rules};
use crate::inventory::shape::body::Names;
use crate::inventory::shape::drift::{self, Learning};
use crate::inventory::{EndpointView, Overview};
use crate::keys::Moment;
use crate::llm::{self, Allowed, LlmCall, Streams};
use crate::marks::Marks;
use crate::mcp::{self, Mcp, McpLabels, ServerView};
use crate::network::Networks;
use crate::settings::Settings;
use crate::store::{Row, Store, decode, encode};
use crate::work::Joined;

/// What is known about an exchange after it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// Stable exchange id: from flow, start time and index in the flow.
    pub exchange: String,
    /// Endpoint id, when the exchange belongs to one.
    pub endpoint: Option<String>,
    /// Principal id.
    pub principal: Option<String>,
    /// RPC carried: protocol (`mcp`, `a2a`, `jsonrpc`, `grpc`), method, and name of tool, resource, prompt or skill.
    pub rpc: Option<(String, String, Option<String>)>,
    /// How a call of gRPC ended, in its own numbers.
    pub rpc_status: Option<u32>,
    /// What it carried of the Model Context Protocol.
    pub mcp: Option<Box<McpLabels>>,
    /// What it carried of the Agent2Agent protocol.
    pub a2a: Option<Box<A2aLabels>>,
    /// What a call of a language model told.
    pub llm: Option<Box<LlmCall>>,
    /// The unit of work of its principal that it belongs to.
    pub work: Option<Joined>,
    /// Whether it is in the intent that was declared for its principal; nothing when none was.
    pub intent: Option<Box<Verdict>>,
}

/// Tables of learned state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Table {
    /// Endpoints and their statistics by endpoint id; names learned per host by `host/` and an id, when each was watched by
    /// `watch/` and an id; servers of MCP by `mcp/`, their sessions by `session/`; agents of A2A by `peer/`.
    Endpoints,
    /// Principals and their baselines by principal id; what clients asked for in vain by `scan/` and an id, whom they
    /// have others call by `edge/` and an id, what is usual for their like by `group/` and an id.
    Principals,
    /// Credentials seen (keyed hashes).
    Credentials,
    /// Findings, latest revision.
    Findings,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 4] = [
        Self::Endpoints,
        Self::Principals,
        Self::Credentials,
        Self::Findings,
    ];

    /// The name used by stores.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::Principals => "principals",
            Self::Credentials => "credentials",
            Self::Findings => "findings",
        }
    }
}

/// A row of learned state that changed since it was last asked for. `value` is JSON; `None` = removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which table.
    pub table: Table,
    /// Key in the table.
    pub key: String,
    /// The row, or nothing when it was removed.
    pub value: Option<Vec<u8>>,
}

/// A stored row that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("row {key} of table {table} cannot be read: {reason}")]
pub struct RestoreError {
    /// Table name.
    pub table: &'static str,
    /// Key in the table.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Exchanges in; endpoints, principals and findings out.
///
/// ```text
/// exchange ─▶ identity ─▶ inventory stage ─activity─▶ behaviour stage ─▶ ledger
///             no state    keyed by host               keyed by principal
/// ```
#[derive(Debug)]
pub struct Analyzer {
    settings: Settings,
    looks_at: Dimensions,
    seed: Seed,
    egress: Networks,
    llm_allowed: Allowed,
    nations: Nations,
    resolver: Resolver,
    inventory: Inventory,
    comparison: Comparison,
    behaviour: Behaviour,
    mcp: Mcp,
    a2a: A2a,
    ledger: Ledger,
    /// Of the response at hand.
    marks: Marks,
    passed: Passed,
    names: Names,
    /// Answers of language models that are still coming.
    streams: Streams,
    unread: u64,
    /// Requests without a credential of which bytes were lost.
    cut: u64,
}

impl Analyzer {
    /// An analyzer that has learned nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let seed = Seed::new(&settings.hash_key);
        Self {
            looks_at: Dimensions::without(&settings.leave_out),
            seed,
            // The sensor checks networks when it reads its configuration; what is wrong matches nothing.
            egress: Networks::parse(&settings.shared_egress).0,
            llm_allowed: Allowed::new(&settings.llm_allowed),
            nations: Nations::parse(&settings.national_ids),
            resolver: Resolver::new(&settings),
            inventory: Inventory::new(seed, settings.max_endpoints, Arc::clone(&settings.declared)),
            comparison: Comparison::new(settings.max_endpoints.div_ceil(4)),
            behaviour: Behaviour::new(settings.max_principals),
            mcp: Mcp::new(seed, settings.max_endpoints, settings.max_principals),
            a2a: A2a::new(seed, settings.max_endpoints),
            ledger: Ledger::new(&settings),
            marks: Marks::default(),
            passed: Passed::default(),
            names: Names::new(seed),
            streams: Streams::default(),
            unread: 0,
            cut: 0,
            settings,
        }
    }

    /// Takes one exchange, in the order in which exchanges were completed.
    pub fn observe(&mut self, exchange: &Exchange) -> Labels {
        self.stages(exchange, true)
    }

    /// Takes one part of an exchange that is not over, before the exchange itself: of streams of language models, what they
    /// cost is told at their end, which may be far behind what is kept of a body.
    pub fn observe_part(&mut self, of: &PartOf) {
        let id = exchange_id(&of.flow, of.exchange);
        self.streams.observe(id, of, &self.settings.hash_key);
    }

    /// Takes a flow that has ended: of what is encrypted, its hello tells whom it is with.
    pub fn observe_flow(&mut self, flow: &Flow) {
        shadow_llm_use::observe_flow(flow, &self.llm_allowed, &self.settings, &mut self.ledger);
    }

    /// Takes one exchange into the inventory, with what comes of comparing it, and leaves out the behaviour of who called:
    /// for those who ask what there is, and for measuring.
    pub fn take_inventory(&mut self, exchange: &Exchange) -> Labels {
        self.stages(exchange, false)
    }

    fn stages(&mut self, exchange: &Exchange, behaviour: bool) -> Labels {
        let exchange_id = exchange_id(&exchange.flow, exchange.index);
        let streamed = self.streams.take(exchange_id);
        let Some(request) = &exchange.request else {
            // Without a request there is nobody to name and nothing that was called.
            self.unread += 1;
            return Labels {
                exchange: exchange_id.to_string(),
                ..Labels::default()
            };
        };
        let mut signals = Signals::gather(request, &self.settings);
        let answered = exchange.response.as_ref();
        let mut call = rpc::detect(request, answered, &signals, &self.settings.hash_key);
        let key = &self.settings.hash_key;
        let agent = a2a::Seen::read(exchange, request, &signals, call.as_ref(), key, self.seed);
        signals.calls_agent = agent.as_ref().is_some_and(a2a::Seen::is_call);
        let client = call.as_ref().and_then(|call| call.client.clone());
        signals.mcp_client = client.as_deref();
        signals.mcp_begins = call.as_ref().is_some_and(|call| call.method == "initialize");
        signals.answered(answered);
        let signals = signals;
        let moment = Moment::of(exchange);
        let identity = self
            .resolver
            .resolve(&signals, exchange.flow.client.ip(), moment, &self.settings);
        if identity.scheme == Scheme::None && request.message.head_cut {
            // The credential may be among the fields that were lost: what is left names nobody, and an
            // answer to it says nothing about who is let in.
            self.cut += 1;
            return Labels {
                exchange: exchange_id.to_string(),
                ..Labels::default()
            };
        }
        let mut llm = None;
        if call.is_none() && signals.json {
            llm = llm::read(request, answered, streamed, &self.settings.hash_key, self.seed).map(Box::new);
            call = llm.as_deref().map(LlmCall::operation);
        }

        let texts = mcp::texts(exchange, request, &signals, call.as_ref());
        let spoken = texts
            .as_deref()
            .and_then(|texts| mcp::Seen::read(exchange, request, texts, &signals, &self.settings.hash_key));

        // Inventory stage, keyed by host.
        let readable = exchange
            .response
            .as_ref()
            .filter(|r| r.status < 400 && is_text(&r.message));
        let text = readable.map(|r| r.message.body.as_slice());
        let carried = self.carried(request, exchange.response.as_ref());
        let ts = exchange.ts();
        let declared = &*self.settings.declared;
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
                exchanges: self.settings.learn_exchanges,
                period: self.settings.learn_period.as_secs(),
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
            thresholds: &self.settings.thresholds,
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
        activity.host = self.inventory.hosts.get(host);
        activity.endpoint = self.inventory.proven(&place);

        self.comparison.observe(
            &activity,
            (host, &host_name),
            check.as_ref(),
            &self.inventory,
            &self.settings,
            &mut self.ledger,
        );

        posture::tell(&activity, &self.settings, &mut self.ledger);

        let mcp = match &spoken {
            Some(seen) => Some(
                self.mcp
                    .observe(&activity, seen, &self.settings, &mut self.ledger),
            ),
            None => {
                self.mcp.look_beside(&activity);
                None
            }
        };

        let a2a = agent.as_ref().map(|seen| {
            self.a2a
                .observe(&activity, seen, &self.settings, &mut self.ledger)
        });

        // Behaviour stage, keyed by principal.
        let mut work = None;
        if behaviour {
            let world = World {
                looks_at: self.looks_at,
                settings: &self.settings,
                seed: self.seed,
                egress: &self.egress,
                llm_allowed: &self.llm_allowed,
                covers: &self.comparison.covers,
            };
            work = self.behaviour.observe(
                &mut activity,
                object,
                text,
                &mut self.marks,
                &world,
                &mut self.ledger,
            );
        }
        if let Some(drift) = drift {
            drift::observe(&activity, &drift, &mut self.ledger);
        }
        let grpc = call.is_none().then(|| rpc::grpc_method(exchange)).flatten();
        let method = agent.as_ref().and_then(a2a::Seen::method);
        Labels {
            rpc_status: grpc.as_ref().and_then(|_| rpc::grpc_status(exchange)),
            endpoint: activity.endpoint.map(|e| e.id.to_string()),
            principal: Some(identity.text.to_string()),
            rpc: match call {
                Some(call) => Some((call.protocol.to_owned(), call.method, call.name)),
                None => match method {
                    Some(method) => Some(("a2a".to_owned(), method.to_owned(), None)),
                    None => grpc.map(|method| ("grpc".to_owned(), method, None)),
                },
            },
            mcp: mcp.map(Box::new),
            intent: work.and_then(|_| self.behaviour.verdict.take()).map(Box::new),
            work,
            a2a: a2a.map(Box::new),
            exchange: exchange_id.to_string(),
            llm,
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

    /// Ends the input: what is still being counted is decided.
    pub fn finish(&mut self) {
        self.inventory.finish();
        self.behaviour.graph.finish();
        self.comparison
            .finish(&self.inventory, &self.settings, &mut self.ledger);
        self.ledger.finish();
    }

    /// The oldest finding record not yet taken. Drain it after each [`Self::observe`].
    pub fn poll(&mut self) -> Option<Finding> {
        self.ledger.poll()
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

    /// How many endpoints [`Self::endpoints`] gives.
    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.inventory.count()
    }

    /// All principals, sorted by kind, then id. Each is made when it is asked for.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalView> {
        let mut all = self.behaviour.profiles.sorted();
        all.sort_by_key(|(_, p)| p.kind);
        let mut reaches = self.behaviour.graph.views();
        all.into_iter().map(move |(id, p)| PrincipalView {
            reaches: reaches.remove(&id).unwrap_or_default(),
            ..p.view(&self.settings)
        })
    }

    /// How many principals there are of each kind. Looks at each of them, and makes nothing.
    #[must_use]
    pub fn principal_counts(&self) -> BTreeMap<PrincipalKind, usize> {
        self.behaviour.profiles.count_by(|p| p.kind)
    }

    /// What AI agents and services were seen to do, as far as an intent policy may be drawn up from it, with who they are; sorted
    /// by id. The flag tells whether a credential names them.
    pub fn watched(&self) -> impl Iterator<Item = (PrincipalView, bool, WatchView)> {
        let all = self.behaviour.profiles.sorted().into_iter();
        all.filter_map(|(_, p)| {
            let watched = p.watched.as_ref()?.view();
            Some((p.view(&self.settings), p.is_named(), watched))
        })
    }

    /// Principals that an intent policy is about, sorted by id: who, as which agent of it, calls judged, and calls out of intent.
    pub fn judged(&self) -> impl Iterator<Item = (PrincipalView, String, u64, u64)> {
        let all = self.behaviour.profiles.sorted().into_iter();
        all.filter_map(|(_, p)| {
            let standing = p.standing.as_ref()?;
            let agent = standing.agent.clone();
            Some((p.view(&self.settings), agent, standing.calls, standing.outside))
        })
    }

    /// How the specifications stand to what was seen.
    #[must_use]
    pub fn overview(&self) -> Overview {
        self.comparison.overview(&self.settings)
    }

    /// The latest revision of every finding kept, by first time seen, then id. Each is made when it is asked for.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.ledger.latest()
    }

    /// The latest revision of every finding that is held back by a budget, with the id of the `alert_storm` that counts it.
    #[must_use]
    pub fn held_findings(&self) -> Vec<(Finding, String)> {
        self.ledger.held()
    }

    /// What each suppression of the operator hides, in the order of their file.
    #[must_use]
    pub fn suppressed(&self) -> Vec<Suppressed> {
        self.ledger.suppressed()
    }

    /// The latest revision of every finding that is hidden, with the suppression that hides it.
    #[must_use]
    pub fn hidden_findings(&self) -> Vec<(Finding, Suppression)> {
        self.ledger.hidden()
    }

    /// Stops remembering what changes: for those who will not call [`Self::take_changes`], for whom it would
    /// only grow.
    pub fn forget_changes(&mut self) {
        self.inventory.endpoints.untrack();
        self.inventory.hosts.untrack();
        self.comparison.covers.untrack();
        self.mcp.servers.untrack();
        self.mcp.sessions.untrack();
        self.a2a.agents.untrack();
        self.behaviour.profiles.untrack();
        self.behaviour.scans.untrack();
        self.behaviour.logins.untrack();
        self.behaviour.groups.untrack();
        self.behaviour.credentials.untrack();
        self.behaviour.graph.edges.untrack();
        self.ledger.entries.untrack();
    }

    /// Rows changed since this was last called, sorted by table and key. Nothing after [`Self::forget_changes`].
    ///
    /// They count as taken, also those of them that are not asked for. Each is written out when it is asked for: all
    /// of them at once may be as large as everything that was learned.
    pub fn take_changes(&mut self) -> impl Iterator<Item = Change> {
        // Ids are hexadecimal, so rows with a prefix come after those without.
        changes(&mut self.inventory.endpoints, Table::Endpoints, "")
            .chain(changes(&mut self.inventory.hosts, Table::Endpoints, HOST))
            .chain(changes(&mut self.comparison.covers, Table::Endpoints, COVER))
            .chain(changes(&mut self.mcp.servers, Table::Endpoints, SERVER))
            .chain(changes(&mut self.mcp.sessions, Table::Endpoints, SESSION))
            .chain(changes(&mut self.a2a.agents, Table::Endpoints, AGENT))
            .chain(changes(&mut self.behaviour.profiles, Table::Principals, ""))
            .chain(changes(&mut self.behaviour.graph.edges, Table::Principals, EDGE))
            .chain(changes(&mut self.behaviour.groups, Table::Principals, GROUP))
            .chain(changes(&mut self.behaviour.logins, Table::Principals, LOGINS))
            .chain(changes(&mut self.behaviour.scans, Table::Principals, SCAN))
            .chain(changes(&mut self.behaviour.credentials, Table::Credentials, ""))
            .chain(changes(&mut self.ledger.entries, Table::Findings, ""))
    }

    /// Puts a stored row back. Call before the first [`Self::observe`].
    ///
    /// # Errors
    ///
    /// [`RestoreError`] when the row is not one of ours; the analyzer is as it was.
    pub fn restore(&mut self, table: Table, key: &str, value: &[u8]) -> Result<(), RestoreError> {
        let (prefix, bare) = match key.find('/') {
            Some(at) => key.split_at(at + 1),
            None => ("", key),
        };
        let Behaviour {
            profiles,
            credentials,
            scans,
            logins,
            groups,
            graph,
            ..
        } = &mut self.behaviour;
        let loaded = match (table, prefix) {
            (Table::Endpoints, "") => load(&mut self.inventory.endpoints, bare, value, |e| Some(e.id)),
            (Table::Endpoints, HOST) => load(&mut self.inventory.hosts, bare, value, |h| Some(h.id())),
            (Table::Endpoints, COVER) => load(&mut self.comparison.covers, bare, value, |c| Some(c.id())),
            (Table::Endpoints, SERVER) => {
                read_row(bare, value, |s: &mcp::Server| Some(s.id)).map(|(id, row)| self.mcp.load(id, row))
            }
            (Table::Endpoints, SESSION) => load(&mut self.mcp.sessions, bare, value, |_| None),
            (Table::Endpoints, AGENT) => load(&mut self.a2a.agents, bare, value, |a| Some(a.id)),
            (Table::Principals, "") => read_row(bare, value, |p: &Profile| Some(p.id)).map(|(id, row)| {
                self.ledger.is_now(row.last);
                profiles.load(id, row);
            }),
            (Table::Principals, LOGINS) => load(logins, bare, value, |_| None),
            (Table::Principals, SCAN) => load(scans, bare, value, |_| None),
            (Table::Principals, EDGE) => load(&mut graph.edges, bare, value, |e| Some(e.id())),
            (Table::Principals, GROUP) => load(groups, bare, value, |_| None),
            (Table::Credentials, "") => load(credentials, bare, value, |_| None),
            (Table::Findings, "") => load(&mut self.ledger.entries, bare, value, |e| Some(e.id)),
            _ => Err("no such kind of row in this table".to_owned()),
        };
        loaded.map_err(|reason| RestoreError {
            table: table.name(),
            key: key.to_owned(),
            reason,
        })
    }

    /// What was given up at the limits, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let (fields, bodies) = self.inventory.unlearned();
        vec![
            ("a2a_agents_evicted", self.a2a.agents.evicted()),
            ("a2a_cards_unread", self.a2a.unread()),
            ("a2a_names_given_up", self.a2a.given_up()),
            ("bodies_unreadable", bodies),
            ("credentials_evicted", self.behaviour.credentials.evicted()),
            ("covers_evicted", self.comparison.covers.evicted()),
            ("edges_evicted", self.behaviour.graph.edges.evicted()),
            ("endpoints_evicted", self.inventory.endpoints.evicted()),
            ("endpoints_refused", self.inventory.refused()),
            ("exchanges_without_request", self.unread),
            ("path_names_folded", self.inventory.folded()),
            ("requests_cut_before_a_credential", self.cut),
            ("findings_accepted", self.ledger.accepted()),
            ("findings_suppressed", self.ledger.kept_back()),
            ("findings_held_back", self.ledger.held_back()),
            ("fields_given_up", fields),
            ("findings_evicted", self.ledger.entries.evicted()),
            ("groups_evicted", self.behaviour.groups.evicted()),
            ("hosts_evicted", self.inventory.hosts.evicted()),
            ("logins_evicted", self.behaviour.logins.evicted()),
            ("mcp_servers_evicted", self.mcp.servers.evicted()),
            ("mcp_sessions_evicted", self.mcp.sessions.evicted()),
            ("mcp_calls_unanswered", self.mcp.unanswered()),
            ("mcp_names_given_up", self.mcp.given_up()),
            ("principals_evicted", self.behaviour.profiles.evicted()),
            ("proofs_unchecked", self.behaviour.proofs.unchecked()),
            ("scans_evicted", self.behaviour.scans.evicted()),
            ("tokens_unchecked", self.resolver.unchecked()),
        ]
    }
}

/// Prefixes of keys of rows that share a table with others.
const HOST: &str = "host/";
const COVER: &str = "watch/";
const SCAN: &str = "scan/";
const LOGINS: &str = "logins/";
const EDGE: &str = "edge/";
const GROUP: &str = "group/";
const SERVER: &str = "mcp/";
const SESSION: &str = "session/";
const AGENT: &str = "peer/";

fn changes<'a, V: Row>(
    store: &'a mut Store<V>,
    table: Table,
    prefix: &'static str,
) -> impl Iterator<Item = Change> + 'a {
    store.drain().map(move |(id, row)| Change {
        table,
        key: format!("{prefix}{id}"),
        value: row.map(encode),
    })
}

fn load<V: Row>(
    store: &mut Store<V>,
    key: &str,
    value: &[u8],
    own: impl Fn(&V) -> Option<Id>,
) -> Result<(), String> {
    let (id, row) = read_row(key, value, own)?;
    store.load(id, row);
    Ok(())
}

/// A row and its key.
fn read_row<V: Row>(key: &str, value: &[u8], own: impl Fn(&V) -> Option<Id>) -> Result<(Id, V), String> {
    let id = Id::parse(key).ok_or("the key is not an id")?;
    let row: V = decode(value)?;
    if own(&row).is_some_and(|own| own != id) {
        return Err("the row belongs to another key".to_owned());
    }
    Ok((id, row))
}

/// The id of an exchange. Flow, start and index: the same wherever and however often the capture is read.
#[must_use]
pub fn exchange_id(flow: &FlowRef, index: u32) -> Id {
    let mut text = [0u8; 64];
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        text[len..len + bytes.len()].copy_from_slice(bytes);
        len += bytes.len();
    };
    for address in [flow.client, flow.server] {
        match address.ip() {
            IpAddr::V4(ip) => put(&ip.octets()),
            IpAddr::V6(ip) => put(&ip.octets()),
        }
        put(&address.port().to_le_bytes());
    }
    put(&flow.start.0.to_le_bytes());
    put(&index.to_le_bytes());
    Id::of(&[b"exchange", &text[..len]])
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
