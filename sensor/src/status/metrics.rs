//! The numbers as Prometheus reads them: the text format, version 0.0.4.
//!
//! Names follow the conventions of Prometheus: base units, `_total` for what only grows. Values of labels come from lists that
//! are fixed in the program, but for the names of interfaces; nothing of the wire is ever one.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use analyzers::{Kind, Severity};

use super::process::Process;
use super::{Board, FindingCounts, KafkaWork, Stage, Wire, Work};
use crate::source::PortLosses;

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

/// Of each interface, where there are several.
fn interface_metrics(text: &mut Text, interfaces: &[PortLosses]) {
    if interfaces.is_empty() {
        return;
    }
    type Of = fn(&PortLosses) -> u64;
    let metrics: [(&str, Type, &str, Of); 4] = [
        (
            "tapline_interface_up",
            Gauge,
            "Whether frames can come from the interface.",
            |port| port.up.into(),
        ),
        (
            "tapline_interface_received_packets_total",
            Counter,
            "Packets that the kernel took for the sensor on the interface and that passed the filter.",
            |port| port.drops.received,
        ),
        (
            "tapline_interface_kernel_dropped_packets_total",
            Counter,
            "Packets of the interface dropped because the kernel's buffer was full (capture.buffer).",
            |port| port.drops.kernel,
        ),
        (
            "tapline_interface_dropped_packets_total",
            Counter,
            "Packets dropped by the interface or its driver.",
            |port| port.drops.interface,
        ),
    ];
    for (name, of, help, value) in metrics {
        text.metric(name, of, help);
        for port in interfaces {
            // The operator's own word, in which the kernel allows nearly everything.
            let of = port.name.replace('\\', r"\\").replace('"', "\\\"");
            let _ = writeln!(text.0, "{name}{{interface=\"{of}\"}} {}", value(port));
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
            text.one(
                "tapline_store_waiting",
                Gauge,
                "Whether what was learned waits in memory since it cannot be written, as on a full disk; it is tried again.",
                u8::from(store.waits),
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
        text.each(
            (
                "tapline_config_reloads_total",
                Counter,
                "How often the configuration was read anew while running (SIGHUP), and taken over or refused as a whole.",
            ),
            "result",
            ["taken", "refused"]
                .into_iter()
                .zip(self.reloads.iter().map(|count| count.load(Ordering::Relaxed))),
        );
        text.one(
            "tapline_outputs_failed",
            Gauge,
            "Files of records that can no longer be written.",
            work.outputs_failed.len(),
        );
        process(&mut text, &Process::now());
        text.one(
            "process_start_time_seconds",
            Gauge,
            "Start time of the process since unix epoch in seconds.",
            self.started_at,
        );
        text.0
    }

    fn wire_metrics(&self, text: &mut Text, wire: &Wire) {
        for (name, help, value) in [
            (
                "tapline_capture_received_packets_total",
                "Packets that the kernel took for the sensor and that passed the filter.",
                wire.drops.all.received,
            ),
            (
                "tapline_capture_kernel_dropped_packets_total",
                "Packets dropped because the kernel's buffer was full (capture.buffer).",
                wire.drops.all.kernel,
            ),
            (
                "tapline_capture_interface_dropped_packets_total",
                "Packets dropped by the interface or its driver.",
                wire.drops.all.interface,
            ),
        ] {
            text.one(name, Counter, help, value);
        }
        interface_metrics(text, &wire.drops.each);
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
            "Memory that flows may take, of limits.memory.",
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
    text.each(
        (
            "tapline_learned_memory_bytes",
            Gauge,
            "Memory that what was learned takes, about.",
        ),
        "of",
        work.weights.iter().map(|(name, weight, _)| (*name, *weight)),
    );
    text.each(
        (
            "tapline_learned_memory_limit_bytes",
            Gauge,
            "Memory that it may take, of limits.memory.",
        ),
        "of",
        work.weights.iter().map(|(name, _, most)| (*name, *most)),
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
}

#[cfg(test)]
#[path = "../../tests/support/exposition.rs"]
#[allow(dead_code, reason = "the tests of captures use the rest")]
mod exposition;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use reassembly::{Counters, Timestamp};

    use super::super::{KafkaWork, StoreWork};
    use super::*;
    use crate::source::{Drops, Losses};

    fn port(name: &str) -> PortLosses {
        PortLosses {
            name: name.to_owned(),
            drops: Drops::default(),
            up: true,
        }
    }

    #[test]
    fn names_of_interfaces_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        interface_metrics(&mut text, &["eth1", "a\"b\\"].map(port));
        let text = text.0;
        for line in [
            "tapline_interface_up{interface=\"eth1\"} 1",
            "tapline_interface_up{interface=\"a\\\"b\\\\\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    /// What a capture with everything prints.
    fn everything() -> String {
        let board = Board::new(1 << 20);
        board.reach(Stage::Capturing);
        board.tell_wire(Wire {
            counters: Counters::default(),
            drops: Losses {
                all: Drops::default(),
                each: ["eth1", "eth2"].map(port).into(),
            },
            open_flows: 0,
            flow_memory: 0,
            now: Timestamp(2_000_000_000),
            last_packet: Some(Timestamp(1)),
        });
        let analyzer = analyzers::Analyzer::new(analyzers::Settings::default());
        board.tell_work(Work {
            now: Timestamp(1_500_000_000),
            given_up: analyzer.counters(),
            weights: analyzer.weights().into(),
            principals: analyzers::PrincipalKind::ALL.map(|kind| (kind.name(), 0)).into(),
            store: Some(StoreWork {
                last_success: Some(1.5),
                ..StoreWork::default()
            }),
            kafka: Some(KafkaWork::default()),
            ..Work::default()
        });
        board.metrics()
    }

    #[test]
    fn everything_is_what_prometheus_reads() {
        let text = everything();
        let metrics = exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(metrics.len() > 100, "{}", metrics.len());
        assert!((exposition::value(&metrics, "tapline_analysis_lag_seconds") - 0.5).abs() < 1e-9);
        let names: BTreeSet<&str> = metrics.keys().map(String::as_str).collect();
        for (name, _, _) in Counters::default().named() {
            assert!(names.contains(format!("tapline_{name}_total").as_str()), "{name}");
        }
    }

    /// Expressions of PromQL in the file: of alerts lines `expr:`, of dashboards members `expr`.
    fn expressions(name: &str) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if name.ends_with(".yaml") {
            let lines = text.lines();
            return lines
                .filter_map(|l| l.trim().strip_prefix("expr: ").map(str::to_owned))
                .collect();
        }
        fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(map) => {
                    for (name, value) in map {
                        match value.as_str() {
                            Some(text) if name == "expr" || name == "query" => into.push(text.to_owned()),
                            _ => collect(value, into),
                        }
                    }
                }
                serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&serde_json::from_str(&text).unwrap(), &mut found);
        found
    }

    #[test]
    fn whatever_alerts_and_dashboard_ask_for_is_printed() {
        let metrics = exposition::read(&everything()).unwrap();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let mut asked = BTreeSet::new();
        for file in ["prometheus/alerts.yaml", "grafana/tapline.json"] {
            let before = asked.len();
            for expression in expressions(file) {
                let mut rest = expression.as_str();
                while let Some(at) = rest.find(|c: char| is_word(c)) {
                    let from = &rest[at..];
                    let word = &from[..from.find(|c: char| !is_word(c)).unwrap_or(from.len())];
                    rest = &from[word.len()..];
                    if !word.starts_with("tapline_") && !word.starts_with("process_") {
                        continue;
                    }
                    let metric = metrics
                        .get(word)
                        .unwrap_or_else(|| panic!("{file}: there is no {word} in {expression}"));
                    asked.insert(word.to_owned());
                    // What is asked of its labels; those that Prometheus adds aside.
                    let inside = rest
                        .strip_prefix('{')
                        .and_then(|r| r.split_once('}'))
                        .map_or("", |(i, _)| i);
                    for matcher in inside.split(',').filter(|m| !m.is_empty()) {
                        let (label, value) = matcher.split_once('=').unwrap();
                        if label == "instance" {
                            continue;
                        }
                        let value = value.trim_matches('"');
                        assert!(
                            metric
                                .samples
                                .keys()
                                .any(|of| of.get(label).is_some_and(|is| is == value)),
                            "{file}: {word} has no {matcher}"
                        );
                    }
                    // A counter is looked at as it grows.
                    if metric.kind == "counter" && !expression.contains(&format!("{word} > ")) {
                        let around = expression.contains("rate(") || expression.contains("increase(");
                        assert!(around, "{file}: {word} is a counter in {expression}");
                    }
                }
            }
            assert!(asked.len() > before + 5, "{file} asks for little");
        }
    }
}
