//! What an operator may set of the analysis. Defaults are meant to be right for most.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::Evidence;
use crate::intent::Policies;
use crate::inventory::Declared;
use crate::keys::Keys;

/// Settings of the analysis; the sensor fills them from its configuration file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Key of every hash that leaves the process. The same key gives the same ids.
    pub hash_key: [u8; 32],
    /// Name of this sensor, in findings.
    pub sensor_name: String,
    /// Version of this sensor, in findings.
    pub sensor_version: String,
    /// Longest lifetime (`exp` minus `iat`) of a token that is not a finding.
    pub token_max_lifetime: Duration,
    /// Longest time that a key or password may be in use before it is a finding; zero for any.
    pub credential_max_age: Duration,
    /// Clock difference forgiven when a token's `exp` is compared with packet time.
    pub token_leeway: Duration,
    /// What tells whom a request is from, first what is believed first; empty for [`Evidence::ORDER`].
    pub identity_order: Vec<Evidence>,
    /// Networks (CIDR) of proxies that are believed about the caller behind them.
    pub trusted_proxies: Vec<String>,
    /// Claims, each `name=value`, that mark a token as an AI agent's, besides the built-in ones.
    pub agent_claims: Vec<String>,
    /// Header names, lower case, that carry API keys, besides the built-in ones.
    pub api_key_headers: Vec<String>,
    /// Cookie names that carry sessions, besides the built-in ones.
    pub session_cookies: Vec<String>,
    /// Client networks (CIDR) behind which many clients share an address or one client has many.
    pub shared_egress: Vec<String>,
    /// Countries (ISO 3166-1 codes, lower case) whose national numbers are looked for, beside those of the United States:
    /// [`crate::COUNTRY_CODES`].
    pub national_ids: Vec<String>,
    /// A principal is learned after this many exchanges …
    pub learn_exchanges: u64,
    /// … over at least this long.
    pub learn_period: Duration,
    /// Dimensions of what is usual that are left out, of [`crate::DIMENSIONS`]: to see what each is worth.
    pub leave_out: Vec<String>,
    /// Endpoints kept; the one not seen for longest makes way.
    pub max_endpoints: usize,
    /// Principals kept; the one not seen for longest makes way.
    pub max_principals: usize,
    /// Findings kept for deduplication; the one not seen for longest makes way.
    pub max_findings: usize,
    /// Memory that these may take.
    pub room: Room,
    /// Covered time after which operations that nobody called are told.
    pub orphan_after: Duration,
    /// Silence, on days on which its host was watched, after which an endpoint that is called again is told.
    pub silent_after: Duration,
    /// Packet time in which new findings of medium and high severity have a budget; zero for none.
    pub storm_window: Duration,
    /// New findings about one caller in that time, of each severity; zero for any number.
    pub storm_caller: u64,
    /// New findings of one kind in that time, of each severity; zero for any number.
    pub storm_kind: u64,
    /// From how much on detectors of behaviour tell.
    pub thresholds: Thresholds,
    /// Hosts (a `*` stands for some characters) and providers of language models whose use is in order.
    pub llm_allowed: Vec<String>,
    /// JA4 fingerprints of clients that use language models, as the operator knows them.
    pub llm_client_ja4: Vec<String>,
    /// What people declared about their APIs.
    pub declared: Arc<Declared>,
    /// Keys of those who issue tokens.
    pub keys: Arc<Keys>,
    /// What agents are there for, as people declare it.
    pub intents: Arc<Policies>,
}

/// From how much on detectors of behaviour tell. Each is described with its detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// `bola_enumeration`: objects of one task that nothing had shown.
    pub task_objects: u64,
    /// `sequence_anomaly`: bits by which the calls of one task surprise.
    pub sequence_bits: u64,
    /// `off_hours_activity`: calls of one task in an hour that is not usual.
    pub off_hours_calls: u64,
    /// `retry_storm`: failures in a row.
    pub retry_failures: u64,
    /// `data_volume_anomaly`: bytes below which no answer is large.
    pub volume_bytes: u64,
    /// `destructive_action_burst`: objects changed in one task that it had not met.
    pub changed_objects: u64,
    /// `endpoint_discovery_scan`: paths asked for that there are not.
    pub unknown_paths: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            task_objects: 8,
            sequence_bits: 60,
            off_hours_calls: 10,
            retry_failures: 8,
            volume_bytes: 32 * 1024,
            changed_objects: 3,
            unknown_paths: 10,
        }
    }
}

/// Memory for what is learned, in bytes. What takes more makes way in the same order as at the largest number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// For APIs: endpoints, hosts, servers of MCP and agents of A2A.
    pub apis: usize,
    /// For callers: principals, credentials, groups, sessions and who calls whom.
    pub callers: usize,
    /// For findings that are kept.
    pub findings: usize,
}

impl Room {
    /// `parts` sixteenths of some room.
    pub(crate) fn share(of: usize, parts: usize) -> usize {
        of / 16 * parts
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            apis: 640 << 20,
            callers: 768 << 20,
            findings: 128 << 20,
        }
    }
}

impl Settings {
    /// These settings as far as they may come into force while an analysis goes on: keys of hashes and sizes of tables stay those
    /// that are `running`.
    #[must_use]
    pub fn while_running(self, running: &Self) -> Self {
        Self {
            hash_key: running.hash_key,
            max_endpoints: running.max_endpoints,
            max_principals: running.max_principals,
            max_findings: running.max_findings,
            room: running.room,
            ..self
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hash_key: *b"tapline-default-key-not-a-secret",
            sensor_name: "tapline".into(),
            sensor_version: "0.0.0".into(),
            token_max_lifetime: Duration::from_secs(24 * 3600),
            credential_max_age: Duration::from_secs(90 * 86_400),
            token_leeway: Duration::from_secs(60),
            identity_order: Vec::new(),
            trusted_proxies: Vec::new(),
            agent_claims: Vec::new(),
            api_key_headers: Vec::new(),
            session_cookies: Vec::new(),
            shared_egress: Vec::new(),
            national_ids: Vec::new(),
            learn_exchanges: 200,
            learn_period: Duration::from_secs(24 * 3600),
            leave_out: Vec::new(),
            max_endpoints: 20_000,
            max_principals: 20_000,
            max_findings: 20_000,
            room: Room::default(),
            orphan_after: Duration::from_secs(7 * 24 * 3600),
            silent_after: Duration::from_secs(30 * 24 * 3600),
            storm_window: Duration::from_secs(86_400),
            storm_caller: 20,
            storm_kind: 250,
            thresholds: Thresholds::default(),
            llm_allowed: Vec::new(),
            llm_client_ja4: Vec::new(),
            declared: Arc::default(),
            keys: Arc::default(),
            intents: Arc::default(),
        }
    }
}
