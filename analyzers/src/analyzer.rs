//! The stages tied together: one exchange in, labels and findings out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use reassembly::{Exchange, Flow, FlowRef, PartOf};

use crate::a2a::{A2aLabels, AgentView};
use crate::behaviour::profile::Profile;
use crate::behaviour::stage::Behaviour;
use crate::finding::{Finding, Suppressed};
use crate::id::Id;
use crate::identity::{PrincipalKind, PrincipalView};
use crate::intent::{Verdict, WatchView};
use crate::inventory::declared::Suppression;
use crate::inventory::{EndpointView, Overview};
use crate::llm::LlmCall;
use crate::mcp::{self, McpLabels, ServerView};
use crate::settings::Settings;
use crate::stages::{BehaviourStage, InventoryStage};
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
    /// have others call by `edge/` and an id, what is usual for their like by `group/` and an id, what was seen of servers by
    /// `seen/` and an id.
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
/// exchange ─▶ identity ─▶ inventory stage ─attributed─▶ behaviour stage ─▶ ledger
///             no state    keyed by host                 keyed by principal
/// ```
#[derive(Debug)]
pub struct Analyzer {
    /// What is keyed by host.
    pub inventory: Box<InventoryStage>,
    /// What is keyed by principal, and the ledger.
    pub behaviour: Box<BehaviourStage>,
}

impl Analyzer {
    /// An analyzer that has learned nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self {
            inventory: Box::new(InventoryStage::new(Arc::clone(&settings))),
            behaviour: Box::new(BehaviourStage::new(settings)),
        }
    }

    /// Takes one exchange, in the order in which exchanges were completed.
    pub fn observe(&mut self, exchange: &Exchange) -> Labels {
        let attributed = self.inventory.observe(exchange);
        let (labels, marks) = self.behaviour.observe_here(exchange, attributed);
        self.inventory.take_back(marks);
        labels
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.behaviour.settings
    }

    /// Takes other settings into force, between two exchanges: see [`Settings::while_running`]. What was learned stays, and is
    /// seen as after a restart with these settings.
    pub fn reconfigure(&mut self, settings: &Arc<Settings>) {
        self.inventory.reconfigure(settings);
        self.behaviour.reconfigure(settings);
    }

    /// Takes one part of an exchange that is not over: see [`InventoryStage::observe_part`].
    pub fn observe_part(&mut self, of: &PartOf) {
        self.inventory.observe_part(of);
    }

    /// Takes a flow that has ended: see [`BehaviourStage::observe_flow`].
    pub fn observe_flow(&mut self, flow: &Flow) {
        self.behaviour.observe_flow(flow);
    }

    /// Takes one exchange into the inventory, with what comes of comparing it, and leaves out the behaviour of who called:
    /// for those who ask what there is, and for measuring.
    pub fn take_inventory(&mut self, exchange: &Exchange) -> Labels {
        let attributed = self.inventory.observe(exchange);
        let (labels, marks) = self.behaviour.observe_findings(exchange, attributed);
        self.inventory.take_back(marks);
        labels
    }

    /// Ends the input: what is still being counted is decided.
    pub fn finish(&mut self) {
        let Self { inventory, behaviour } = self;
        inventory.inventory.finish();
        behaviour.behaviour.graph.finish();
        inventory
            .comparison
            .finish(&inventory.inventory, &inventory.settings, &mut behaviour.ledger);
        behaviour.ledger.finish();
    }

    /// The oldest finding record not yet taken: see [`BehaviourStage::poll`].
    pub fn poll(&mut self) -> Option<Finding> {
        self.behaviour.poll()
    }

    /// See [`InventoryStage::endpoints`].
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointView> {
        self.inventory.endpoints()
    }

    /// How many endpoints [`Self::endpoints`] gives.
    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.inventory.inventory.count()
    }

    /// See [`InventoryStage::mcp_servers`].
    pub fn mcp_servers(&self) -> impl Iterator<Item = ServerView> {
        self.inventory.mcp_servers()
    }

    /// See [`InventoryStage::a2a_agents`].
    pub fn a2a_agents(&self) -> impl Iterator<Item = AgentView> {
        self.inventory.a2a_agents()
    }

    /// How many principals there are of each kind. Looks at each of them, and makes nothing.
    #[must_use]
    pub fn principal_counts(&self) -> BTreeMap<PrincipalKind, usize> {
        self.behaviour.behaviour.profiles.count_by(|p| p.kind)
    }

    /// See [`InventoryStage::overview`].
    #[must_use]
    pub fn overview(&self) -> Overview {
        self.inventory.overview()
    }

    /// See [`BehaviourStage::principals`].
    pub fn principals(&self) -> impl Iterator<Item = PrincipalView> {
        self.behaviour.principals()
    }

    /// See [`BehaviourStage::watched`].
    pub fn watched(&self) -> impl Iterator<Item = (PrincipalView, bool, WatchView)> {
        self.behaviour.watched()
    }

    /// See [`BehaviourStage::judged`].
    pub fn judged(&self) -> impl Iterator<Item = (PrincipalView, String, u64, u64)> {
        self.behaviour.judged()
    }

    /// See [`BehaviourStage::findings`].
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.behaviour.findings()
    }

    /// See [`BehaviourStage::held_findings`].
    #[must_use]
    pub fn held_findings(&self) -> Vec<(Finding, String)> {
        self.behaviour.held_findings()
    }

    /// See [`BehaviourStage::suppressed`].
    #[must_use]
    pub fn suppressed(&self) -> Vec<Suppressed> {
        self.behaviour.suppressed()
    }

    /// See [`BehaviourStage::hidden_findings`].
    #[must_use]
    pub fn hidden_findings(&self) -> Vec<(Finding, Suppression)> {
        self.behaviour.hidden_findings()
    }

    /// Stops remembering what changes: for those who will not call [`Self::take_changes`], for whom it would
    /// only grow.
    pub fn forget_changes(&mut self) {
        self.inventory.inventory.endpoints.untrack();
        self.inventory.inventory.hosts.untrack();
        self.inventory.comparison.covers.untrack();
        self.inventory.mcp.servers.untrack();
        self.inventory.mcp.sessions.untrack();
        self.inventory.a2a.agents.untrack();
        self.behaviour.behaviour.profiles.untrack();
        self.behaviour.behaviour.scans.untrack();
        self.behaviour.behaviour.servers.rows.untrack();
        self.behaviour.behaviour.logins.untrack();
        self.behaviour.behaviour.groups.untrack();
        self.behaviour.behaviour.credentials.untrack();
        self.behaviour.behaviour.graph.edges.untrack();
        self.behaviour.ledger.entries.untrack();
    }

    /// Takes every row for changed: for a store that begins with nothing once more.
    pub fn change_everything(&mut self) {
        self.inventory.inventory.endpoints.change_all();
        self.inventory.inventory.hosts.change_all();
        self.inventory.comparison.covers.change_all();
        self.inventory.mcp.servers.change_all();
        self.inventory.mcp.sessions.change_all();
        self.inventory.a2a.agents.change_all();
        self.behaviour.behaviour.profiles.change_all();
        self.behaviour.behaviour.scans.change_all();
        self.behaviour.behaviour.servers.rows.change_all();
        self.behaviour.behaviour.logins.change_all();
        self.behaviour.behaviour.groups.change_all();
        self.behaviour.behaviour.credentials.change_all();
        self.behaviour.behaviour.graph.edges.change_all();
        self.behaviour.ledger.entries.change_all();
    }

    /// Rows changed since this was last called, sorted by table and key. Nothing after [`Self::forget_changes`].
    ///
    /// They count as taken, also those of them that are not asked for. Each is written out when it is asked for: all
    /// of them at once may be as large as everything that was learned.
    pub fn take_changes(&mut self) -> impl Iterator<Item = Change> {
        // Ids are hexadecimal, so rows with a prefix come after those without.
        changes(&mut self.inventory.inventory.endpoints, Table::Endpoints, "")
            .chain(changes(
                &mut self.inventory.inventory.hosts,
                Table::Endpoints,
                HOST,
            ))
            .chain(changes(
                &mut self.inventory.comparison.covers,
                Table::Endpoints,
                COVER,
            ))
            .chain(changes(&mut self.inventory.mcp.servers, Table::Endpoints, SERVER))
            .chain(changes(
                &mut self.inventory.mcp.sessions,
                Table::Endpoints,
                SESSION,
            ))
            .chain(changes(&mut self.inventory.a2a.agents, Table::Endpoints, AGENT))
            .chain(changes(
                &mut self.behaviour.behaviour.profiles,
                Table::Principals,
                "",
            ))
            .chain(changes(
                &mut self.behaviour.behaviour.graph.edges,
                Table::Principals,
                EDGE,
            ))
            .chain(changes(
                &mut self.behaviour.behaviour.groups,
                Table::Principals,
                GROUP,
            ))
            .chain(changes(
                &mut self.behaviour.behaviour.logins,
                Table::Principals,
                LOGINS,
            ))
            .chain(changes(
                &mut self.behaviour.behaviour.scans,
                Table::Principals,
                SCAN,
            ))
            .chain(changes(
                &mut self.behaviour.behaviour.servers.rows,
                Table::Principals,
                SEEN,
            ))
            .chain(changes(
                &mut self.behaviour.behaviour.credentials,
                Table::Credentials,
                "",
            ))
            .chain(changes(&mut self.behaviour.ledger.entries, Table::Findings, ""))
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
            servers,
            ..
        } = &mut self.behaviour.behaviour;
        let loaded = match (table, prefix) {
            (Table::Endpoints, "") => load(&mut self.inventory.inventory.endpoints, bare, value, |e| {
                Some(e.id)
            }),
            (Table::Endpoints, HOST) => {
                load(&mut self.inventory.inventory.hosts, bare, value, |h| Some(h.id()))
            }
            (Table::Endpoints, COVER) => load(&mut self.inventory.comparison.covers, bare, value, |c| {
                Some(c.id())
            }),
            (Table::Endpoints, SERVER) => read_row(bare, value, |s: &mcp::Server| Some(s.id))
                .map(|(id, row)| self.inventory.mcp.load(id, row)),
            (Table::Endpoints, SESSION) => load(&mut self.inventory.mcp.sessions, bare, value, |_| None),
            (Table::Endpoints, AGENT) => load(&mut self.inventory.a2a.agents, bare, value, |a| Some(a.id)),
            (Table::Principals, "") => read_row(bare, value, |p: &Profile| Some(p.id)).map(|(id, row)| {
                self.behaviour.ledger.is_now(row.last);
                profiles.load(id, row);
            }),
            (Table::Principals, LOGINS) => load(logins, bare, value, |_| None),
            (Table::Principals, SCAN) => load(scans, bare, value, |_| None),
            (Table::Principals, SEEN) => load(&mut servers.rows, bare, value, |_| None),
            (Table::Principals, EDGE) => load(&mut graph.edges, bare, value, |e| Some(e.id())),
            (Table::Principals, GROUP) => load(groups, bare, value, |_| None),
            (Table::Credentials, "") => load(credentials, bare, value, |_| None),
            (Table::Findings, "") => load(&mut self.behaviour.ledger.entries, bare, value, |e| Some(e.id)),
            _ => Err("no such kind of row in this table".to_owned()),
        };
        loaded.map_err(|reason| RestoreError {
            table: table.name(),
            key: key.to_owned(),
            reason,
        })
    }

    /// What is learned, by name, with the bytes of memory that it weighs, and that it may: the parts of
    /// [`Room`](crate::settings::Room). What is counted for templates of several endpoints comes on top of the first.
    #[must_use]
    pub fn weights(&self) -> [(&'static str, u64, u64); 3] {
        fn sum(of: &[(usize, usize)]) -> (u64, u64) {
            let (weight, room) = of.iter().fold((0, 0), |(w, r), one| (w + one.0, r + one.1));
            (weight as u64, room as u64)
        }
        fn of<V: Row>(store: &Store<V>) -> (usize, usize) {
            (store.weight(), store.room())
        }
        let InventoryStage {
            inventory,
            comparison,
            mcp,
            a2a,
            ..
        } = &*self.inventory;
        let known = &self.behaviour.behaviour;
        let apis = sum(&[
            of(&inventory.endpoints),
            of(&inventory.hosts),
            of(&comparison.covers),
            of(&mcp.servers),
            of(&a2a.agents),
        ]);
        let callers = sum(&[
            of(&known.profiles),
            of(&known.credentials),
            of(&known.groups),
            of(&known.graph.edges),
            of(&known.scans),
            of(&known.servers.rows),
            of(&known.logins),
            of(&mcp.sessions),
        ]);
        let findings = sum(&[of(&self.behaviour.ledger.entries)]);
        [
            ("apis", apis.0, apis.1),
            ("callers", callers.0, callers.1),
            ("findings", findings.0, findings.1),
        ]
    }

    /// What was given up at the limits, by name.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let (fields, bodies) = self.inventory.inventory.unlearned();
        vec![
            ("a2a_agents_evicted", self.inventory.a2a.agents.evicted()),
            ("a2a_cards_unread", self.inventory.a2a.unread()),
            ("a2a_names_given_up", self.inventory.a2a.given_up()),
            ("bodies_unreadable", bodies),
            (
                "credentials_evicted",
                self.behaviour.behaviour.credentials.evicted(),
            ),
            ("covers_evicted", self.inventory.comparison.covers.evicted()),
            ("edges_evicted", self.behaviour.behaviour.graph.edges.evicted()),
            ("endpoints_evicted", self.inventory.inventory.endpoints.evicted()),
            ("endpoints_refused", self.inventory.inventory.refused()),
            ("exchanges_without_request", self.inventory.unread),
            ("path_names_folded", self.inventory.inventory.folded()),
            ("requests_cut_before_a_credential", self.inventory.cut),
            ("findings_accepted", self.behaviour.ledger.accepted()),
            ("findings_suppressed", self.behaviour.ledger.kept_back()),
            ("findings_held_back", self.behaviour.ledger.held_back()),
            ("fields_given_up", fields),
            ("findings_evicted", self.behaviour.ledger.entries.evicted()),
            ("groups_evicted", self.behaviour.behaviour.groups.evicted()),
            ("hosts_evicted", self.inventory.inventory.hosts.evicted()),
            ("logins_evicted", self.behaviour.behaviour.logins.evicted()),
            ("mcp_servers_evicted", self.inventory.mcp.servers.evicted()),
            ("mcp_sessions_evicted", self.inventory.mcp.sessions.evicted()),
            ("mcp_calls_unanswered", self.inventory.mcp.unanswered()),
            ("mcp_names_given_up", self.inventory.mcp.given_up()),
            ("principals_evicted", self.behaviour.behaviour.profiles.evicted()),
            ("proofs_unchecked", self.behaviour.behaviour.proofs.unchecked()),
            ("scans_evicted", self.behaviour.behaviour.scans.evicted()),
            ("servers_evicted", self.behaviour.behaviour.servers.rows.evicted()),
            ("tokens_unchecked", self.inventory.resolver.unchecked()),
        ]
    }
}

/// Prefixes of keys of rows that share a table with others.
const HOST: &str = "host/";
const COVER: &str = "watch/";
const SCAN: &str = "scan/";
const SEEN: &str = "seen/";
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
