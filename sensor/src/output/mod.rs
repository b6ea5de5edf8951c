//! Where results go: files, standard output, Kafka.

pub(crate) mod kafka;
pub(crate) mod lines;
pub(crate) mod record;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::args::RunArgs;
use crate::audit::Audit;
use crate::message;
use crate::status::KafkaWork;
use kafka::{Delivery, KafkaSink};
use lines::{Lines, Taken};
use record::Record;

/// The outputs that the command line asks for, each with its option.
fn wanted(args: &RunArgs) -> Vec<(&'static str, &Path)> {
    [
        ("--exchanges", &args.exchanges),
        ("--parts", &args.parts),
        ("--flows", &args.flows),
        ("--findings", &args.findings),
        ("--inventory", &args.inventory),
        ("--agents", &args.agents),
        ("--mcp", &args.mcp),
        ("--a2a", &args.a2a),
    ]
    .into_iter()
    .filter_map(|(option, path)| Some((option, path.as_deref()?)))
    .collect()
}

/// What begins an audit trail.
pub(crate) type BeginAudit = Box<dyn Fn() -> std::io::Result<Audit> + Send>;

/// Every place results go to. Each is independent of the others: one that fails is reported once and left out,
/// the rest goes on.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) exchanges: Option<Lines>,
    pub(crate) parts: Option<Lines>,
    pub(crate) flows: Option<Lines>,
    pub(crate) findings: Option<Lines>,
    pub(crate) inventory: Option<Lines>,
    pub(crate) agents: Option<Lines>,
    pub(crate) mcp: Option<Lines>,
    pub(crate) a2a: Option<Lines>,
    /// The audit trail, when there is a store.
    pub(crate) audit: Option<Audit>,
    /// Begins that trail, where there was no room for it when the run began.
    pub(crate) audit_later: Option<BeginAudit>,
    kafka: Option<KafkaSink>,
    delivery: Option<Delivery>,
}

impl Outputs {
    /// Whether the outputs that the command line asks for may be written, before any of them is touched.
    ///
    /// # Errors
    ///
    /// When two outputs are one file, or an output is an input or something else that is in use.
    pub(crate) fn check(args: &RunArgs, taken: &Taken<'_>) -> anyhow::Result<()> {
        lines::check_paths(&wanted(args), taken).map_err(anyhow::Error::msg)
    }

    /// The files that the command line asks for.
    pub(crate) fn files(args: &RunArgs) -> Vec<PathBuf> {
        wanted(args)
            .into_iter()
            .filter(|(_, path)| path.as_os_str() != "-")
            .map(|(_, path)| path.to_owned())
            .collect()
    }

    /// Opens what the command line asks for. What is in the files stays until [`Self::begin`].
    ///
    /// # Errors
    ///
    /// When one cannot be opened.
    pub(crate) fn open(args: &RunArgs) -> anyhow::Result<Self> {
        let mut outputs = Self::default();
        for (option, path) in wanted(args) {
            let lines =
                Lines::open(path).with_context(|| format!("cannot open {} for {option}", path.display()))?;
            let place = match option {
                "--exchanges" => &mut outputs.exchanges,
                "--parts" => &mut outputs.parts,
                "--flows" => &mut outputs.flows,
                "--findings" => &mut outputs.findings,
                "--inventory" => &mut outputs.inventory,
                "--mcp" => &mut outputs.mcp,
                "--a2a" => &mut outputs.a2a,
                _ => &mut outputs.agents,
            };
            *place = Some(lines);
        }
        Ok(outputs)
    }

    /// Empties the files, once everything else that a run needs is there.
    ///
    /// # Errors
    ///
    /// When one cannot be emptied.
    pub(crate) fn begin(&mut self) -> anyhow::Result<()> {
        for lines in self.lines_mut() {
            lines
                .begin()
                .with_context(|| format!("cannot empty {}", lines.name()))?;
        }
        Ok(())
    }

    /// Whether records are to be made for publishing.
    pub(crate) fn publishes(&self) -> bool {
        self.kafka.is_some()
    }

    /// Publishes to this sink from here on.
    pub(crate) fn publish_to(&mut self, sink: KafkaSink) {
        self.kafka = Some(sink);
        self.tell_warnings();
    }

    /// Hands a record to Kafka, when there is one.
    pub(crate) fn publish(&mut self, record: Record) {
        if let Some(kafka) = &self.kafka {
            kafka.send(record);
        }
    }

    /// What Kafka confirmed, keeps waiting, and shed so far.
    pub(crate) fn published(&self) -> Option<(u64, u64, u64)> {
        self.kafka.as_ref().map(KafkaSink::so_far)
    }

    /// How publishing to Kafka goes on.
    pub(crate) fn publishing(&self) -> Option<KafkaWork> {
        self.kafka.as_ref().map(KafkaSink::work)
    }

    /// Names of the files that cannot be written now.
    pub(crate) fn failed_names(&self) -> Vec<String> {
        let failed = self.lines().filter(|lines| lines.fails());
        failed.map(|lines| lines.name().to_owned()).collect()
    }

    /// Waits a little for what was published to be confirmed.
    pub(crate) fn settle(&self) {
        self.kafka.iter().for_each(KafkaSink::settle);
    }

    /// Says what the sink has to say.
    pub(crate) fn tell_warnings(&self) {
        for warning in self.kafka.iter().flat_map(KafkaSink::warnings) {
            message::warn(&warning);
        }
    }

    /// Waits until Kafka has everything, at most for `at_most`.
    pub(crate) fn finish_publishing(&mut self, at_most: Duration) -> Option<Delivery> {
        if let Some(mut kafka) = self.kafka.take() {
            self.delivery = Some(kafka.finish(at_most));
            for warning in kafka.warnings() {
                message::warn(&warning);
            }
        }
        self.delivery
    }

    fn lines(&self) -> impl Iterator<Item = &Lines> {
        [
            &self.exchanges,
            &self.parts,
            &self.flows,
            &self.findings,
            &self.inventory,
            &self.agents,
            &self.mcp,
            &self.a2a,
        ]
        .into_iter()
        .flatten()
    }

    fn lines_mut(&mut self) -> impl Iterator<Item = &mut Lines> {
        [
            &mut self.exchanges,
            &mut self.parts,
            &mut self.flows,
            &mut self.findings,
            &mut self.inventory,
            &mut self.agents,
            &mut self.mcp,
            &mut self.a2a,
        ]
        .into_iter()
        .flatten()
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) {
        self.lines_mut().for_each(Lines::flush);
    }

    /// Hands on the last of what is buffered, and tells what could not be.
    pub(crate) fn end(&mut self) {
        self.lines_mut().for_each(Lines::end);
    }

    /// Whether there were places to write to, and none of them takes anything any more.
    pub(crate) fn all_over(&self) -> bool {
        if self.publishes() {
            return false;
        }
        let mut lines = self.lines().peekable();
        lines.peek().is_some() && lines.all(Lines::is_over)
    }

    /// Whether a place could not take everything.
    pub(crate) fn failed(&self) -> bool {
        self.lines().any(Lines::failed) || self.delivery.is_some_and(|d| !d.complete())
    }
}
