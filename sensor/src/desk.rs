//! The desk at which results are handled: analysis, and from there to every output and the store.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use analyzers::{Analyzer, Attributed, Finding, InventoryStage, PrincipalKind};
use reassembly::{Counters, Exchange, Flags, Flow, PartOf, Timestamp};
use serde::Serialize;

use crate::audit::Audit;
use crate::calendar::{Calendar, Due};
use crate::coverage::{self, Alarm, Coverage};
use crate::downstream::Tick;
use crate::known::state::Learned;
use crate::message::{self, Level};
use crate::output::Outputs;
use crate::output::kafka::Delivery;
use crate::output::record::{Record, Topic};
use crate::records::a2a::AgentRecord;
use crate::records::endpoint::EndpointRecord;
use crate::records::finding::{FindingRecord, kind_name};
use crate::records::flow::FlowRecord;
use crate::records::health::{self, HealthRecord};
use crate::records::mcp::ServerRecord;
use crate::records::principal::PrincipalRecord;
use crate::records::{Rfc3339, SensorRecord, exchange, part, to_json};
use crate::reload::Reloaded;
use crate::source::Losses;
use crate::status::{self, Board, FindingCounts, StoreWork, Work};
use crate::store::{Day, Store};

/// Findings that wait for the store at most; they are published without it then.
const MOST_KEPT_BACK: usize = 4096;

/// What was last published of each key, as a hash, so that only changes are published again.
#[derive(Default)]
struct Published {
    last: BTreeMap<String, u64>,
    /// Round in which a key was last seen; a key not seen in a round is gone.
    seen: BTreeMap<String, u64>,
    round: u64,
}

impl Published {
    /// Of `all` records those that differ from what was last published for their key. They count as published.
    fn changes(&mut self, all: impl Iterator<Item = Record>) -> impl Iterator<Item = Record> {
        self.round += 1;
        all.filter(|record| {
            let mut hasher = DefaultHasher::new();
            record.value.hash(&mut hasher);
            self.seen.insert(record.key.clone(), self.round);
            self.last.insert(record.key.clone(), hasher.finish()) != Some(hasher.finish())
        })
    }

    /// Keys that were published once and are no more.
    fn gone(&mut self) -> Vec<String> {
        let round = self.round;
        let gone: Vec<String> = self
            .seen
            .iter()
            .filter(|(_, r)| **r != round)
            .map(|(k, _)| k.clone())
            .collect();
        for key in &gone {
            self.seen.remove(key);
            self.last.remove(key);
        }
        gone
    }
}

/// The key of the hashes that stand for bytes from the wire; never shown.
#[derive(Clone, Copy)]
pub(crate) struct HashKey(pub(crate) [u8; 32]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(set)")
    }
}

/// How a desk works.
#[derive(Debug, Clone)]
pub(crate) struct DeskSettings {
    /// Whether targets are shown as they were sent.
    pub(crate) reveal: bool,
    /// Name of the sensor.
    pub(crate) sensor: String,
    /// Whether packets come from an interface.
    pub(crate) live: bool,
    /// Key of the hashes in flow records.
    pub(crate) hash_key: HashKey,
    /// Share of one-sided flows, in percent, that is worth an alarm; zero for none.
    pub(crate) one_sided_percent: u64,
    /// How often, in packet time, a live capture writes to the store.
    pub(crate) snapshot_every: Duration,
    /// Bytes a second that a live capture writes to the store at most; zero for no bound.
    pub(crate) write_rate: u64,
    /// Days of which the store remembers how it was; zero for none.
    pub(crate) history_days: u64,
    /// Where records are published, in words that differ between places.
    pub(crate) destination: Option<String>,
    /// Where it is told how a capture goes on.
    pub(crate) board: Option<Arc<Board>>,
}

/// Analysis and what follows it.
pub(crate) struct Desk {
    analyzer: Analyzer,
    outputs: Outputs,
    store: Option<Store>,
    settings: DeskSettings,
    line: Vec<u8>,
    /// The day of the last exchange, in packet time, that the store does not have in its history yet.
    day: Option<u64>,
    /// Findings that are published once the store has them, so that what was confirmed outlives this process.
    kept_back: Vec<Record>,
    /// Findings were told that the store does not have.
    unstored: bool,
    /// No snapshot before this, so that the rate of writing keeps to its bound.
    rests_until: Option<Instant>,
    /// The store could not be written; what it should have waits for room.
    store_waits: bool,
    endpoints: Published,
    principals: Published,
    store_failed: bool,
    incomplete: u64,
    coverage: Coverage,
    told: Told,
}

/// What is counted for those who ask how a capture goes on.
#[derive(Default)]
struct Told {
    flows_ended: u64,
    findings: FindingCounts,
    store: StoreWork,
    endpoints: usize,
    principals: Vec<(&'static str, usize)>,
    given_up: Vec<(&'static str, u64)>,
    weights: Vec<(&'static str, u64, u64)>,
}

impl Desk {
    /// A desk that begins with what `analyzer` knows.
    pub(crate) fn new(
        mut analyzer: Analyzer,
        outputs: Outputs,
        store: Option<Store>,
        settings: DeskSettings,
    ) -> Self {
        if store.is_none() {
            analyzer.forget_changes();
        }
        let known = settings
            .destination
            .as_ref()
            .is_some_and(|to| store.as_ref().is_some_and(|store| store.was_published(to)));
        let mut desk = Self {
            analyzer,
            outputs,
            day: store.as_ref().and_then(Store::learned_up_to),
            store_waits: store.as_ref().is_some_and(Store::is_unopened),
            store,
            coverage: Coverage::new(settings.one_sided_percent),
            settings,
            line: Vec::with_capacity(4096),
            kept_back: Vec::new(),
            unstored: false,
            rests_until: None,
            endpoints: Published::default(),
            principals: Published::default(),
            store_failed: false,
            incomplete: 0,
            told: Told::default(),
        };
        if let Some(audit) = &mut desk.outputs.audit {
            let known = desk.analyzer.findings().map(|f| (f.id, f.severity));
            audit.knows(known);
        }
        if known {
            // Of a store only what changes from here on is published again.
            desk.endpoints
                .changes(endpoint_records(&desk.analyzer))
                .for_each(drop);
            desk.principals
                .changes(principal_records(&desk.analyzer))
                .for_each(drop);
        }
        desk
    }

    /// What was learned.
    pub(crate) fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// How much could be read of what.
    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Waits until what was published is confirmed or kept, at most for `at_most`.
    pub(crate) fn finish_publishing(&mut self, at_most: Duration) -> Option<Delivery> {
        let delivery = self.outputs.finish_publishing(at_most)?;
        // What waits in the spool is as good as published: the next run with this broker delivers it.
        if delivery.dropped == 0
            && delivery.torn == 0
            && let (Some(store), Some(to)) = (&self.store, &self.settings.destination)
        {
            store.note_published(to);
        }
        Some(delivery)
    }

    /// Whether an output or the store could not take everything.
    pub(crate) fn failed(&mut self) -> bool {
        self.store_failed || self.store_waits || self.outputs.failed()
    }

    /// Whether what was learned is no longer kept, although it should be.
    pub(crate) fn store_failed(&self) -> bool {
        self.store_failed || self.store_waits
    }

    /// Requests and responses of which the end was not seen, though no byte before it is missing.
    pub(crate) fn incomplete(&self) -> u64 {
        self.incomplete
    }

    /// Whether what comes in is from an interface, and cannot wait.
    pub(crate) fn is_live(&self) -> bool {
        self.settings.live
    }

    /// Rows of what was learned that had to make way, by name.
    pub(crate) fn given_up(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.analyzer.counters();
        all.retain(|(name, _)| name.ends_with("_evicted"));
        all
    }

    /// Whether every reader has gone away, so that going on helps nobody.
    pub(crate) fn wants_no_more(&self) -> bool {
        self.store.is_none() && self.outputs.all_over()
    }

    /// When this desk writes and publishes what was learned.
    pub(crate) fn calendar(&self) -> Calendar {
        Calendar::new(self.settings.live, self.settings.snapshot_every, self.day)
    }

    /// Hands the inventory stage over to another thread; until it is back nothing may be asked of it here.
    pub(crate) fn part_with_inventory(&mut self) -> Box<InventoryStage> {
        std::mem::replace(&mut self.analyzer.inventory, Box::new(InventoryStage::empty()))
    }

    /// Takes the inventory stage back.
    pub(crate) fn take_inventory(&mut self, stage: Box<InventoryStage>) {
        self.analyzer.inventory = stage;
    }

    /// Takes other settings into force in the inventory stage, when that is here.
    pub(crate) fn reconfigure_inventory(&mut self, reloaded: &Reloaded) {
        self.analyzer.inventory.reconfigure(&reloaded.settings);
    }

    /// Takes other settings into force in everything else.
    pub(crate) fn reconfigure(&mut self, reloaded: &Reloaded) {
        self.analyzer.behaviour.reconfigure(&reloaded.settings);
        if let Some(audit) = &mut self.outputs.audit {
            audit.reloaded(&reloaded.in_force);
        }
        // Without the note, commands over the store show the files of before: not worth ending a capture for.
        if let Some(store) = &mut self.store
            && let Err(error) = store.note_declared(&reloaded.noted)
        {
            message::warn(&format!("{error:#}"));
        }
    }

    /// Notes in the audit trail that a configuration was asked for and is not in force.
    pub(crate) fn note_refused(&mut self, why: &str) {
        if let Some(audit) = &mut self.outputs.audit {
            audit.add("configuration_refused", serde_json::json!({ "message": why }));
        }
    }

    /// Handles an exchange; `attributed` is what the inventory stage said of it, when that is in another thread.
    #[inline]
    pub(crate) fn exchange(&mut self, exchange: &Exchange, attributed: Option<Attributed>) {
        self.incomplete += ended_early(exchange);
        self.coverage.exchange(exchange);
        let labels = match attributed {
            Some(attributed) => self.analyzer.behaviour.observe(exchange, attributed),
            None => self.analyzer.observe(exchange),
        };
        if let Some(lines) = &mut self.outputs.exchanges {
            self.line.clear();
            exchange::write(&mut self.line, exchange, &labels, self.settings.reveal);
            lines.line(&self.line);
        }
        self.drain_findings();
    }

    /// Lets the inventory stage see a part of an exchange that is not over, when it is here.
    pub(crate) fn learn_part(&mut self, of: &PartOf) {
        self.analyzer.observe_part(of);
    }

    /// Handles a part of an exchange that is not over.
    pub(crate) fn part(&mut self, of: &PartOf) {
        if let Some(lines) = &mut self.outputs.parts {
            self.line.clear();
            part::write(&mut self.line, of);
            lines.line(&self.line);
        }
    }

    /// Handles a flow that is over.
    pub(crate) fn flow(&mut self, flow: &Flow) {
        self.told.flows_ended += 1;
        if let Some(alarm) = self.coverage.flow(flow) {
            tell(alarm);
        }
        self.analyzer.observe_flow(flow);
        self.drain_findings();
        if let Some(lines) = &mut self.outputs.flows {
            lines.line(&to_json(&FlowRecord::new(flow, &self.settings.hash_key.0)));
        }
    }

    fn drain_findings(&mut self) {
        let mut any = false;
        while let Some(finding) = self.analyzer.poll() {
            any = true;
            self.unstored = true;
            status::count_finding(
                &mut self.told.findings,
                finding.kind,
                finding.severity,
                finding.revision,
            );
            if let Some(audit) = &mut self.outputs.audit {
                audit.finding(&finding);
            }
            let value = to_json(&FindingRecord::new(&finding));
            if let Some(lines) = &mut self.outputs.findings {
                lines.line(&value);
            }
            if self.outputs.publishes() {
                let record = finding_record(&finding, value);
                match self.settings.live && self.store.is_some() {
                    true => self.kept_back.push(record),
                    false => self.outputs.publish(record),
                }
            }
        }
        if self.kept_back.len() >= MOST_KEPT_BACK {
            self.publish_kept_back();
        }
        // There are few, and somebody may be waiting for them.
        if let Some(lines) = self.outputs.findings.as_mut().filter(|_| any) {
            lines.flush();
        }
    }

    /// What a live capture does each second. In a replay nothing depends on it.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        if self.settings.live {
            self.outputs.flush();
            self.outputs.tell_warnings();
            self.tell_board(now);
        }
    }

    /// Whether the last snapshot is being rested from.
    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether a snapshot is worth having before its time: findings were told or wait for it, and whoever was told of one may ask
    /// the store about it after this process was killed.
    pub(crate) fn asks_for_snapshot(&self) -> bool {
        self.unstored && self.store.is_some() && !self.rests()
    }

    /// Writes or publishes what was learned. Both stages have to be here; `tick` is at hand in a live capture.
    pub(crate) fn attend(&mut self, due: Due, tick: Option<&Tick>) {
        match due {
            Due::Day(day) => {
                if self.day.is_some() {
                    self.snapshot(true);
                }
                self.day = Some(day);
            }
            Due::Snapshot => {
                self.snapshot(false);
            }
            Due::Tick {
                count,
                snapshot,
                publish,
            } => {
                if count && self.settings.board.is_some() {
                    self.count();
                }
                // With both stages here, what waits for the store does not wait any longer.
                if (snapshot || self.asks_for_snapshot()) && !self.rests() {
                    let bytes = self.snapshot(false);
                    let rest = bytes.saturating_mul(1000).checked_div(self.settings.write_rate);
                    let rest = Duration::from_millis(rest.unwrap_or(0));
                    self.rests_until = Some(Instant::now() + rest);
                }
                // The store has them, or is being rested from.
                self.publish_kept_back();
                if let Some(tick) = tick.filter(|_| publish) {
                    self.publish_learned(tick.now);
                    self.publish_health(tick.now, &tick.counters, tick.drops.as_ref());
                }
            }
        }
    }

    /// Counts for those who ask, which looks at every endpoint and caller.
    fn count(&mut self) {
        let counts = self.analyzer.principal_counts();
        let kinds = PrincipalKind::ALL.map(|kind| (kind.name(), counts.get(&kind).copied().unwrap_or(0)));
        self.told.principals = kinds.into();
        self.told.endpoints = self.analyzer.endpoint_count();
        self.told.given_up = self.analyzer.counters();
        self.told.weights = self.analyzer.weights().into();
    }

    /// Tells those who ask how it goes on.
    fn tell_board(&mut self, now: Timestamp) {
        let Some(board) = &self.settings.board else {
            return;
        };
        let told = &self.told;
        let one_sided = self.coverage.one_sided();
        let (flows, seen_once) = one_sided.window();
        board.tell_work(Work {
            now,
            flows_ended: told.flows_ended,
            coverage: *self.coverage.total(),
            silent_flows: self.coverage.silent(),
            one_sided: (flows, seen_once, one_sided.alarm()),
            given_up: told.given_up.clone(),
            weights: told.weights.clone(),
            findings: told.findings.clone(),
            endpoints: told.endpoints,
            principals: told.principals.clone(),
            store: (self.store.is_some() || self.store_failed).then_some(told.store),
            kafka: self.outputs.publishing(),
            outputs_failed: self.outputs.failed_names(),
        });
    }

    /// Ends the input: what is left is decided, written, published and stored.
    pub(crate) fn finish(&mut self, now: Timestamp, counters: &Counters, drops: Option<&Losses>) {
        self.analyzer.finish();
        self.drain_findings();
        if let Some(lines) = &mut self.outputs.inventory {
            for endpoint in self.analyzer.endpoints() {
                lines.line(&to_json(&EndpointRecord::new(&endpoint)));
            }
        }
        if let Some(lines) = &mut self.outputs.agents {
            for principal in self.analyzer.principals() {
                lines.line(&to_json(&PrincipalRecord::new(&principal)));
            }
        }
        if let Some(lines) = &mut self.outputs.mcp {
            for server in self.analyzer.mcp_servers() {
                lines.line(&to_json(&ServerRecord::new(&server)));
            }
        }
        if let Some(lines) = &mut self.outputs.a2a {
            for agent in self.analyzer.a2a_agents() {
                lines.line(&to_json(&AgentRecord::new(&agent)));
            }
        }
        self.publish_learned(now);
        self.outputs.end();
        if let Some(audit) = &mut self.outputs.audit {
            audit.add("run_ended", serde_json::json!({ "packet_time": Rfc3339(now.0) }));
        }
        self.snapshot(true);
        self.publish_kept_back();
        if let Some(store) = &mut self.store {
            store.close();
        }
        // The last health record tells what became of everything before it.
        self.outputs.settle();
        self.publish_health(now, counters, drops);
    }

    /// Writes what was learned since the last time; at the end of a day, or of the run, the history too. Tells the bytes of
    /// the rows.
    fn snapshot(&mut self, with_history: bool) -> u64 {
        self.unstored = false;
        self.note_hidden();
        let Some(store) = &mut self.store else { return 0 };
        let began = Instant::now();
        if store.wants_everything() {
            self.analyzer.change_everything();
        }
        let changes = self.analyzer.take_changes();
        let mut written = match self.settings.live {
            true => store.write_or_hold(changes, self.day),
            false => store.write(changes, self.day),
        };
        if let Some(number) = self
            .day
            .filter(|_| with_history && self.settings.history_days > 0)
        {
            // A day that is not there after a crash is written when the next one begins, or at the end of the next run.
            written = written.and_then(|bytes| {
                store.write_day(&Day {
                    number,
                    all: &Learned::of(&self.analyzer),
                    keep: self.settings.history_days,
                })?;
                Ok(bytes)
            });
        }
        if let Some(audit) = &self.outputs.audit {
            // The trail first: a store must not speak of records that never reached the disk.
            audit.sync();
            written = written.and_then(|bytes| store.note_audit(audit.head()).map(|()| bytes));
        }
        if let Err(error) = &written
            && self.settings.live
            && error.may_pass()
        {
            if !self.store_waits {
                message::error(&format!(
                    "{error:#}; what is learned is held in memory until {}, everything else goes on",
                    if error.is_full() {
                        "there is room"
                    } else {
                        "it can be"
                    }
                ));
            }
            self.store_waits = true;
            self.told.store.failed += 1;
            self.told.store.waits = true;
            return 0;
        }
        if self.store_waits && written.is_ok() {
            message::info(
                "the store can be written again, for there is room again, and has all that was learned meanwhile",
            );
            self.store_waits = false;
            self.told.store.waits = false;
            self.begin_audit();
        }
        if written.is_ok() {
            let of = &mut self.told.store;
            of.written += 1;
            of.last_success = Some(status::clock_seconds());
            of.last_seconds = began.elapsed().as_secs_f64();
        }
        written.unwrap_or_else(|error| {
            message::error(&format!(
                "{error:#}; what is learned from here on is not kept, everything else goes on"
            ));
            self.store_failed = true;
            self.told.store.failed += 1;
            self.told.store.given_up = true;
            self.store = None;
            self.analyzer.forget_changes();
            0
        })
    }

    /// Begins the audit trail that could not be begun with the run.
    fn begin_audit(&mut self) {
        if self.outputs.audit.is_none()
            && let Some(begin) = &self.outputs.audit_later
            && let Ok(mut audit) = begin()
        {
            let known = self.analyzer.findings().map(|f| (f.id, f.severity));
            audit.knows(known);
            self.outputs.audit = Some(audit);
            self.outputs.audit_later = None;
        }
    }

    /// Publishes the findings that the store has now, or that cannot wait for it.
    fn publish_kept_back(&mut self) {
        for record in self.kept_back.drain(..) {
            self.outputs.publish(record);
        }
    }

    /// Tells the audit trail which findings suppressions hide.
    fn note_hidden(&mut self) {
        let Some(audit) = &mut self.outputs.audit else {
            return;
        };
        let hidden = self.analyzer.hidden_findings();
        let hidden = hidden.into_iter().map(|(finding, by)| {
            let by = serde_json::json!({ "owner": by.owner, "line": by.line });
            (finding.id, by)
        });
        audit.hidden(&hidden.collect());
    }

    fn publish_learned(&mut self, now: Timestamp) {
        let Self {
            analyzer,
            outputs,
            endpoints,
            principals,
            ..
        } = self;
        if !outputs.publishes() {
            return;
        }
        for record in endpoints.changes(endpoint_records(analyzer)) {
            outputs.publish(record);
        }
        for key in endpoints.gone() {
            outputs.publish(removed(Topic::Inventory, key, now));
        }
        for record in principals.changes(principal_records(analyzer)) {
            outputs.publish(record);
        }
        for key in principals.gone() {
            outputs.publish(removed(Topic::Agents, key, now));
        }
    }

    fn publish_health(&mut self, now: Timestamp, counters: &Counters, drops: Option<&Losses>) {
        if !self.outputs.publishes() {
            return;
        }
        let given_up = self.analyzer.counters();
        let suppressed = self.analyzer.suppressed();
        let sensor = SensorRecord {
            name: &self.settings.sensor,
            version: env!("CARGO_PKG_VERSION"),
        };
        let state = health::State {
            drops,
            published: self.outputs.published(),
            reassembly: counters,
            coverage: &self.coverage,
            analysis: &given_up,
            suppressed: &suppressed,
            audit: self.outputs.audit.as_ref().map(Audit::head),
        };
        let record = HealthRecord::new(sensor, now.0, &state);
        let name = self.settings.sensor.clone();
        let value = json(&record);
        self.outputs
            .publish(learned(Topic::Health, name.clone(), value, None, now, name));
    }
}

/// Messages of an exchange that are not whole for no reason that is counted elsewhere: gaps are, and cut packets make gaps.
fn ended_early(exchange: &Exchange) -> u64 {
    if exchange.flags.intersects(Flags::GAP) {
        return 0;
    }
    let request = exchange.request.as_ref().map(|r| &r.message);
    let response = exchange.response.as_ref().map(|r| &r.message);
    [request, response]
        .into_iter()
        .flatten()
        .filter(|m| !m.complete)
        .count() as u64
}

/// Says that one direction is missing, or is there again.
fn tell(alarm: Alarm) {
    let (level, text, flows, one_sided) = match alarm {
        Alarm::Raised { flows, one_sided } => (
            Level::Warn,
            format!(
                "one direction only: {} were seen in one direction; mirror both, or requests stay without answers",
                coverage::share(flows, one_sided)
            ),
            flows,
            one_sided,
        ),
        Alarm::Cleared { flows, one_sided } => (
            Level::Info,
            format!(
                "both directions are seen again: {} were seen in one direction only",
                coverage::share(flows, one_sided)
            ),
            flows,
            one_sided,
        ),
    };
    let fields = [("flows", flows.into()), ("one_sided", one_sided.into())];
    message::event(level, &text, &fields);
}

fn json(record: &impl Serialize) -> Vec<u8> {
    to_json(record)
}

/// The latest revisions of these findings, by id and number of the revision, as they are published.
pub(crate) fn told_again(analyzer: &Analyzer, told: &BTreeSet<(String, u64)>) -> Vec<Record> {
    let known = analyzer
        .findings()
        .filter(|f| told.contains(&(f.id.clone(), u64::from(f.revision))));
    known
        .map(|finding| finding_record(&finding, to_json(&FindingRecord::new(&finding))))
        .collect()
}

fn finding_record(finding: &Finding, value: Vec<u8>) -> Record {
    Record {
        topic: Topic::Findings,
        key: finding.id.clone(),
        value: Some(value),
        severity: Some(finding.severity),
        kind: Some(kind_name(finding.kind)),
        principal_kind: finding.principal.as_ref().map(|p| p.kind.name()),
        time_ns: finding.detected_at,
        subject: finding.id.clone(),
    }
}

/// Every endpoint as it is published.
fn endpoint_records(analyzer: &Analyzer) -> impl Iterator<Item = Record> {
    analyzer.endpoints().map(|view| {
        let value = to_json(&EndpointRecord::new(&view));
        let subject = format!("{} {}{}", view.method, view.host, view.template);
        learned(Topic::Inventory, view.id, value, None, view.last_seen, subject)
    })
}

/// Every principal as it is published.
fn principal_records(analyzer: &Analyzer) -> impl Iterator<Item = Record> {
    analyzer.principals().map(|view| {
        let value = to_json(&PrincipalRecord::new(&view));
        let subject = view.name.unwrap_or_else(|| view.id.clone());
        let kind = Some(view.kind.name());
        learned(Topic::Agents, view.id, value, kind, view.last_seen, subject)
    })
}

fn learned(
    topic: Topic,
    key: String,
    value: Vec<u8>,
    principal_kind: Option<&'static str>,
    time: Timestamp,
    subject: String,
) -> Record {
    Record {
        topic,
        key,
        value: Some(value),
        severity: None,
        kind: None,
        principal_kind,
        time_ns: time.0,
        subject,
    }
}

fn removed(topic: Topic, key: String, time: Timestamp) -> Record {
    let subject = key.clone();
    Record {
        topic,
        key,
        value: None,
        severity: None,
        kind: None,
        principal_kind: None,
        time_ns: time.0,
        subject,
    }
}
