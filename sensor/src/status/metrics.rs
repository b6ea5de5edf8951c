//! The numbers as Prometheus reads them: the text format, version 0.0.4.
//!
//! Names follow the conventions of Prometheus: base units, `_total` for what only grows. Values of labels come from lists that
//! are fixed in the program; nothing of the wire is ever one.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use analyzers::{Kind, Severity};

use super::process::Process;
use super::{Board, FindingCounts, KafkaWork, Stage, Wire, Work};

/// A text in the making.
#[derive(Default)]
struct Text(String);

/// What Prometheus calls the type of a metric.
#[derive(Clone, Copy)]
enum Type {
    Counter,
    Gauge,
}

use Type::{Counter, Gauge};

impl Text {
    /// Begins a metric; its samples follow.
    fn metric(&mut self, name: &str, of: Type, help: &str) {
        let kind = match of {
            Counter => "counter",
            Gauge => "gauge",
        };
        debug_assert_eq!(name.ends_with("_total"), matches!(of, Counter), "{name}");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (place, (label, of)) in labels.iter().enumerate() {
            debug_assert!(
                of.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-+".contains(&b)),
                "{of}"
            );
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{of}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A metric with one sample.
    fn one(&mut self, name: &str, of: Type, help: &str, value: impl std::fmt::Display) {
        self.metric(name, of, help);
        self.sample(name, &[], value);
    }

    /// The same, left out when there is no value.
    fn maybe(&mut self, name: &str, of: Type, help: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.one(name, of, help, value);
        }
    }

    /// A metric with a sample for each value of one label.
    fn each<V: std::fmt::Display>(
        &mut self,
        (name, of, help): (&str, Type, &str),
        label: &str,
        values: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        self.metric(name, of, help);
        for (value, count) in values {
            self.sample(name, &[(label, value)], count);
        }
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

impl Board {
    /// Everything, as text.
    pub(super) fn metrics(&self) -> String {
        let mut text = Text(String::with_capacity(32 << 10));
        text.metric(
            "tapline_build_info",
            Gauge,
            "Always 1; the label tells the version.",
        );
        text.sample("tapline_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.one(
            "tapline_ready",
            Gauge,
            "Whether packets are taken: the interface is open and the store is read.",
            u8::from(self.not_ready().is_empty()),
        );
        text.one(
            "tapline_healthy",
            Gauge,
            "Whether capture goes on and all outputs take what it gives; /healthz tells what is wrong.",
            u8::from(self.wrong().is_empty()),
        );
        let work = self.work.load();
        if let Some(wire) = &*self.wire.load() {
            self.wire_metrics(&mut text, wire);
            // A desk that has not told anything yet would be as far behind as 1970.
            if work.now.0 > 0 && self.stage() == Stage::Capturing {
                text.one(
                    "tapline_analysis_lag_seconds",
                    Gauge,
                    "Packet time by which the analysis is behind the reader of packets.",
                    seconds(wire.now.0.saturating_sub(work.now.0)),
                );
            }
        }
        text.one(
            "tapline_analysis_queue_parcels",
            Gauge,
            "Parcels of events that wait for the analysis; with one worker there is no queue.",
            self.parcels.load(Ordering::Relaxed),
        );
        text.one(
            "tapline_analysis_queue_capacity_parcels",
            Gauge,
            "Parcels that may wait; when they do, packets wait in the kernel.",
            self.parcels_most.load(Ordering::Relaxed),
        );
        analysis(&mut text, &work);
        findings(&mut text, &work.findings);
        if let Some(store) = &work.store {
            text.one(
                "tapline_store_snapshots_total",
                Counter,
                "Snapshots of what was learned, written to the store.",
                store.written,
            );
            text.one(
                "tapline_store_snapshot_failures_total",
                Counter,
                "Snapshots that could not be written.",
                store.failed,
            );
            text.maybe(
                "tapline_store_last_snapshot_timestamp_seconds",
                Gauge,
                "When the last snapshot was written, by the clock.",
                store.last_success,
            );
            text.one(
                "tapline_store_last_snapshot_duration_seconds",
                Gauge,
                "How long writing the last snapshot took.",
                store.last_seconds,
            );
        }
        if let Some(kafka) = &work.kafka {
            published(&mut text, kafka);
        }
        text.one(
            "tapline_outputs_failed",
            Gauge,
            "Files of records that can no longer be written.",
            work.outputs_failed.len(),
        );
        process(&mut text, &Process::now());
        text.0
    }

    fn wire_metrics(&self, text: &mut Text, wire: &Wire) {
        for (name, help, value) in [
            (
                "tapline_capture_received_packets_total",
                "Packets that the kernel took for the sensor and that passed the filter.",
                wire.drops.received,
            ),
            (
                "tapline_capture_kernel_dropped_packets_total",
                "Packets dropped because the kernel's buffer was full (capture.buffer).",
                wire.drops.kernel,
            ),
            (
                "tapline_capture_interface_dropped_packets_total",
                "Packets dropped by the interface or its driver.",
                wire.drops.interface,
            ),
        ] {
            text.one(name, Counter, help, value);
        }
        // Names are those of health records, in the order of the funnel.
        for (name, words, value) in wire.counters.named() {
            let mut help = words.to_owned();
            if let Some(first) = help.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            text.one(
                &format!("tapline_{name}_total"),
                Counter,
                &format!("{help}."),
                value,
            );
        }
        text.one(
            "tapline_flows_open",
            Gauge,
            "Flows that are followed.",
            wire.open_flows,
        );
        text.one(
            "tapline_flow_memory_bytes",
            Gauge,
            "Memory that flows take with all they hold, about.",
            wire.flow_memory,
        );
        text.one(
            "tapline_flow_memory_limit_bytes",
            Gauge,
            "Memory that flows may take (limits.memory).",
            self.flow_memory_most,
        );
        text.maybe(
            "tapline_last_packet_timestamp_seconds",
            Gauge,
            "Time of the last packet, as the kernel stamped it.",
            wire.last_packet.map(|at| seconds(at.0)),
        );
    }
}

fn analysis(text: &mut Text, work: &Work) {
    text.one(
        "tapline_flows_ended_total",
        Counter,
        "Flows that are over, those given up included.",
        work.flows_ended,
    );
    text.one(
        "tapline_flows_silent_total",
        Counter,
        "Flows that are over and in which nobody sent anything, as in a scan.",
        work.silent_flows,
    );
    let of = &work.coverage;
    let kinds = [
        ("decoded", of.decoded),
        ("opaque", of.opaque),
        ("one_sided", of.one_sided),
        ("damaged", of.damaged),
    ];
    text.each(
        (
            "tapline_coverage_bytes_total",
            Counter,
            "Payload bytes known to have been sent in flows that are over, by what became of them; each is in one kind.",
        ),
        "kind",
        kinds.map(|(kind, amount)| (kind, amount.bytes)),
    );
    text.each(
        (
            "tapline_coverage_flows_total",
            Counter,
            "Flows that are over, by what became of them; one may be in several kinds.",
        ),
        "kind",
        kinds.map(|(kind, amount)| (kind, amount.flows)),
    );
    text.each(
        (
            "tapline_coverage_ratio",
            Gauge,
            "Share of the payload bytes known to have been sent since the start, by what became of them.",
        ),
        "kind",
        kinds.map(|(kind, amount)| (kind, share(amount.bytes, of.all.bytes))),
    );
    let (flows, one_sided, alarm) = work.one_sided;
    text.one(
        "tapline_one_sided_flows_ratio",
        Gauge,
        "Share of the last 500 TCP flows to end that were seen in one direction only.",
        share(one_sided as u64, flows as u64),
    );
    text.one(
        "tapline_one_sided_alarm",
        Gauge,
        "Whether that share says that half of the traffic is not mirrored (wire.one_sided_percent).",
        u8::from(alarm),
    );
    text.one("tapline_endpoints", Gauge, "Endpoints known.", work.endpoints);
    text.each(
        (
            "tapline_principals",
            Gauge,
            "Principals known, by kind; agents are those of kind ai_agent.",
        ),
        "kind",
        work.principals.iter().copied(),
    );
    let evicted = |name: &'static str| name.strip_suffix("_evicted");
    text.each(
        (
            "tapline_table_evictions_total",
            Counter,
            "Rows that made way for others because a table was full (limits).",
        ),
        "table",
        work.given_up
            .iter()
            .filter_map(|(name, count)| Some((evicted(name)?, *count))),
    );
    for (name, count) in work.given_up.iter().filter(|(name, _)| evicted(name).is_none()) {
        text.one(
            &format!("tapline_analysis_{name}_total"),
            Counter,
            &format!(
                "Of the analysis: {}; docs/operating.md tells what it means.",
                name.replace('_', " ")
            ),
            count,
        );
    }
}

/// Every kind is there from the start with the severity that it has as a rule, so that the first one is an increase.
fn findings(text: &mut Text, counts: &FindingCounts) {
    let mut all = counts.clone();
    for kind in Kind::all() {
        all.entry((kind, kind.entry().severity)).or_default();
    }
    let mut write = |name, help, of: fn(&(u64, u64)) -> u64| {
        text.metric(name, Counter, help);
        for ((kind, severity), counts) in &all {
            let labels = [("kind", kind.name()), ("severity", Severity::name(*severity))];
            text.sample(name, &labels, of(counts));
        }
    };
    write(
        "tapline_findings_total",
        "Findings told for the first time.",
        |counts| counts.0,
    );
    write(
        "tapline_finding_revisions_total",
        "Findings told again with more that was seen.",
        |counts| counts.1,
    );
}

fn published(text: &mut Text, kafka: &KafkaWork) {
    text.one(
        "tapline_kafka_up",
        Gauge,
        "Whether a broker answers.",
        u8::from(kafka.up),
    );
    text.one(
        "tapline_kafka_delivered_records_total",
        Counter,
        "Records that the broker confirmed.",
        kafka.delivered,
    );
    text.one(
        "tapline_kafka_spooled_records",
        Gauge,
        "Records that wait on disk for the broker.",
        kafka.spooled,
    );
    text.one(
        "tapline_kafka_queued_records",
        Gauge,
        "Records that wait in memory to be published.",
        kafka.queued,
    );
    text.one(
        "tapline_kafka_queued_bytes",
        Gauge,
        "Memory that these take, about.",
        kafka.queued_bytes,
    );
    text.each(
        (
            "tapline_kafka_shed_records_total",
            Counter,
            "Records given up, by cause.",
        ),
        "cause",
        KafkaWork::CAUSES.into_iter().zip(kafka.shed),
    );
    text.one(
        "tapline_kafka_spool_torn_entries_total",
        Counter,
        "Entries of the spool that were damaged.",
        kafka.torn,
    );
    text.one(
        "tapline_kafka_spool_up",
        Gauge,
        "Whether the spool can be written.",
        u8::from(!kafka.spool_failed),
    );
}

fn process(text: &mut Text, process: &Process) {
    text.maybe(
        "process_resident_memory_bytes",
        Gauge,
        "Resident memory size in bytes.",
        process.resident,
    );
    text.maybe(
        "process_virtual_memory_bytes",
        Gauge,
        "Virtual memory size in bytes.",
        process.virtual_memory,
    );
    text.maybe(
        "process_cpu_seconds_total",
        Counter,
        "Total user and system CPU time spent in seconds.",
        process.cpu_seconds,
    );
    text.maybe(
        "process_threads",
        Gauge,
        "Number of OS threads in the process.",
        process.threads,
    );
    text.maybe(
        "process_start_time_seconds",
        Gauge,
        "Start time of the process since unix epoch in seconds.",
        process.start,
    );
}
