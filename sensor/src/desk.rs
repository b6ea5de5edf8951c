//! The desk at which results are handled: analysis, and from there to every output and the store.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use analyzers::{Analyzer, Attributed, Finding, InventoryStage, PrincipalKind};
use reassembly::{Counters, Exchange, Flags, Flow, PartOf, Timestamp};
use serde::Serialize;

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
use crate::records::{SensorRecord, exchange, part, to_json};
use crate::reload::Reloaded;
use crate::source::Drops;
use crate::status::{self, Board, FindingCounts, StoreWork, Work};
use crate::store::{Day, Store};

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
            store,
            coverage: Coverage::new(settings.one_sided_percent),
            settings,
            line: Vec::with_capacity(4096),
            endpoints: Published::default(),
            principals: Published::default(),
            store_failed: false,
            incomplete: 0,
            told: Told::default(),
        };
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
        self.store_failed || self.outputs.failed()
    }

    /// Whether what was learned is no longer kept, although it should be.
    pub(crate) fn store_failed(&self) -> bool {
        self.store_failed
    }

    /// Requests and responses of which the end was not seen, though no byte before it is missing.
    pub(crate) fn incomplete(&self) -> u64 {
        self.incomplete
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
        // Without the note, commands over the store show the files of before: not worth ending a capture for.
        if let Some(store) = &self.store
            && let Err(error) = store.note_declared(&reloaded.noted)
        {
            message::warn(&format!("{error:#}"));
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
            status::count_finding(
                &mut self.told.findings,
                finding.kind,
                finding.severity,
                finding.revision,
            );
            let value = to_json(&FindingRecord::new(&finding));
            if let Some(lines) = &mut self.outputs.findings {
                lines.line(&value);
            }
            if self.outputs.publishes() {
                self.outputs.publish(finding_record(&finding, value));
            }
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
            self.tell_board(now);
        }
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
            Due::Snapshot => self.snapshot(false),
            Due::Tick {
                count,
                snapshot,
                publish,
            } => {
                if count && self.settings.board.is_some() {
                    self.count();
                }
                if snapshot {
                    self.snapshot(false);
                }
                if let Some(tick) = tick.filter(|_| publish) {
                    self.publish_learned(tick.now);
                    self.publish_health(tick.now, &tick.counters, tick.drops);
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
            findings: told.findings.clone(),
            endpoints: told.endpoints,
            principals: told.principals.clone(),
            store: (self.store.is_some() || self.store_failed).then_some(told.store),
            kafka: self.outputs.publishing(),
            outputs_failed: self.outputs.failed_names(),
        });
    }

    /// Ends the input: what is left is decided, written, published and stored.
    pub(crate) fn finish(&mut self, now: Timestamp, counters: &Counters, drops: Option<Drops>) {
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
        self.outputs.flush();
        self.snapshot(true);
        // The last health record tells what became of everything before it.
        self.outputs.settle();
        self.publish_health(now, counters, drops);
    }

    /// Writes what was learned since the last time; at the end of a day, or of the run, the history too.
    fn snapshot(&mut self, with_history: bool) {
        let Some(store) = &mut self.store else { return };
        let began = Instant::now();
        let mut written = store.write(self.analyzer.take_changes(), self.day);
        if let Some(number) = self
            .day
            .filter(|_| with_history && self.settings.history_days > 0)
        {
            // A day that is not there after a crash is written when the next one begins, or at the end of the next run.
            written = written.and_then(|()| {
                store.write_day(&Day {
                    number,
                    all: &Learned::of(&self.analyzer),
                    keep: self.settings.history_days,
                })
            });
        }
        if let Err(error) = written {
            message::error(&format!(
                "{error:#}; what is learned from here on is not kept, everything else goes on"
            ));
            self.store_failed = true;
            self.told.store.failed += 1;
            self.store = None;
            self.analyzer.forget_changes();
        } else {
            let of = &mut self.told.store;
            of.written += 1;
            of.last_success = Some(status::clock_seconds());
            of.last_seconds = began.elapsed().as_secs_f64();
        }
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

    fn publish_health(&mut self, now: Timestamp, counters: &Counters, drops: Option<Drops>) {
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
