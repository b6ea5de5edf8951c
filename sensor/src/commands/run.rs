//! `tapline replay` and `tapline capture`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use analyzers::Analyzer;

use crate::args::{CaptureArgs, ReplayArgs, Reveal, RunArgs};
use crate::config::{self, Config};
use crate::desk::{Desk, DeskSettings};
use crate::exit::{Failure, Status};
use crate::message::{self, Level};
use crate::output::Outputs;
use crate::output::kafka::{Delivery, KafkaConfig, KafkaSink, Mode};
use crate::pipeline::{self, Run};
use crate::source::file::{Progress, total_bytes};
use crate::source::live::{Live, LiveError, LiveSettings};
use crate::store::Store;
use crate::summary;

pub(super) fn replay(args: &ReplayArgs) -> Result<Status, Failure> {
    let config = configuration(&args.run)?;
    let stop = stop_on_signals();
    let desk = desk(&args.run, &config, &args.files, false)?;
    let progress = Progress::default();
    let bar = summary::progress::Bar::start(total_bytes(&args.files), &progress);
    let result = pipeline::replay(
        &args.files,
        args.read_size,
        config.reassembly_limits(),
        desk,
        args.run.workers,
        &progress,
        &stop,
    );
    bar.finish();
    let (run, desk) = result.map_err(Failure::input)?;
    conclude(&run, desk, &args.run, &config, &title(&args.files))
}

pub(super) fn capture(args: &CaptureArgs) -> Result<Status, Failure> {
    let config = configuration(&args.run)?;
    let interface = args
        .interface
        .clone()
        .unwrap_or_else(|| config.capture.interface.clone());
    if interface.is_empty() {
        let known = crate::source::live::interfaces().join(", ");
        return Err(Failure::usage(anyhow::anyhow!(
            "which interface? give one with -i, or set capture.interface; this machine has {known}"
        )));
    }
    let live = Live::open(&LiveSettings {
        interface: interface.clone(),
        filter: args
            .filter
            .clone()
            .unwrap_or_else(|| config.capture.filter.clone()),
        snaplen: u32::try_from(config.capture.snaplen).unwrap_or(u32::MAX),
        buffer: config.capture.buffer.0,
        promiscuous: config.capture.promiscuous,
    })
    .map_err(|error| match error {
        LiveError::Filter { .. } => Failure::usage(error),
        _ => Failure::input(error),
    })?;
    let stop = stop_on_signals();
    let desk = desk(&args.run, &config, &[], true)?;
    message::info(&format!("listening on {interface}; Ctrl-C stops"));
    let (run, desk) = pipeline::capture(
        live,
        config.reassembly_limits(),
        desk,
        args.run.workers,
        args.duration,
        &stop,
    )
    .map_err(Failure::input)?;
    conclude(&run, desk, &args.run, &config, &interface)
}

/// The configuration with the command line's options laid over it.
fn configuration(args: &RunArgs) -> Result<Config, Failure> {
    let mut config = config::from_file(args.config.as_deref()).map_err(Failure::usage)?;
    let level = match config.log.level.as_str() {
        "error" => Level::Error,
        "warn" => Level::Warn,
        _ => Level::Info,
    };
    message::set(level, config.log.json);
    if let Some(dir) = &args.store {
        config.store.directory = dir.display().to_string();
    }
    if let Some(brokers) = &args.kafka {
        config.kafka.brokers = brokers.clone();
    }
    if args.reveal.contains(&Reveal::Query) {
        config.privacy.reveal = vec!["query".into()];
    }
    Ok(config)
}

fn desk(args: &RunArgs, config: &Config, inputs: &[std::path::PathBuf], live: bool) -> Result<Desk, Failure> {
    let mut analyzer = Analyzer::new(config.analysis_settings().map_err(Failure::usage)?);
    let store = if config.store.directory.is_empty() {
        None
    } else {
        let store = Store::open(Path::new(&config.store.directory)).map_err(Failure::usage)?;
        store.restore(&mut analyzer).map_err(Failure::usage)?;
        Some(store)
    };
    let mut outputs = Outputs::open(args, inputs).map_err(Failure::usage)?;
    if let Some(kafka) = config.kafka() {
        let mode = if live { Mode::Live } else { Mode::Replay };
        outputs.publish_to(KafkaSink::start(&kafka, mode).map_err(Failure::usage)?);
    }
    let settings = DeskSettings {
        reveal: config.privacy.reveal.iter().any(|r| r == "query"),
        sensor: config.sensor.name.clone(),
        live,
        snapshot_every: config.store.snapshot_every,
    };
    Ok(Desk::new(analyzer, outputs, store, settings))
}

/// Set by SIGINT and SIGTERM; a second one of these ends the process at once.
fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let again = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop));
        let once = signal_hook::flag::register(signal, Arc::clone(&stop));
        if again.is_err() || once.is_err() {
            message::warn("cannot listen for signals; stopping early will lose what is not yet written");
        }
    }
    stop
}

fn title(files: &[std::path::PathBuf]) -> String {
    match files {
        [one] => crate::source::file::name_of(one),
        many => format!("{} files", many.len()),
    }
}

/// Tells what came of it, and decides the exit status.
fn conclude(
    run: &Run,
    mut desk: Desk,
    args: &RunArgs,
    config: &Config,
    title: &str,
) -> Result<Status, Failure> {
    for damage in &run.damage {
        message::error(damage);
    }
    let mut status = if run.damage.is_empty() {
        Status::Done
    } else {
        Status::Input
    };
    if run.readable > 0 {
        let store = (!config.store.directory.is_empty()).then_some(config.store.directory.as_str());
        if args.has_output() {
            message::info(&summary::short(run));
        } else {
            super::print(&summary::full(title, run, desk.analyzer(), store))?;
        }
    }
    if let Some(kafka) = config.kafka()
        && let Some(delivery) = desk.outputs().finish_publishing(kafka.finish_timeout)
    {
        let text = delivery_in_words(&delivery, &kafka);
        if delivery.complete() {
            message::info(&text)
        } else {
            message::error(&text)
        }
    }
    if desk.failed() {
        status = status.max(Status::Output);
    }
    Ok(status)
}

/// What became of the records for Kafka.
fn delivery_in_words(delivery: &Delivery, kafka: &KafkaConfig) -> String {
    let mut text = format!("Kafka confirmed {} records", delivery.delivered);
    let mut and = |count: u64, what: &str| {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    };
    and(delivery.redelivered, "of them from earlier runs");
    and(delivery.found, "were there already");
    and(
        delivery.dropped_queue,
        "were shed because the queue was full (kafka.queue_records, kafka.queue_bytes)",
    );
    and(
        delivery.dropped_spool,
        "were shed because the spool was full (kafka.spool_bytes)",
    );
    and(delivery.dropped_refused, "were refused by the broker");
    and(delivery.dropped_unkept, "were neither confirmed nor kept");
    and(delivery.torn, "entries of the spool were damaged");
    if delivery.spooled > 0 {
        let place = kafka
            .spool_dir
            .as_deref()
            .map_or_else(String::new, |dir| format!(" in {}", dir.display()));
        text.push_str(&format!(
            "; {} wait{place}, and the next run with this broker delivers them",
            delivery.spooled
        ));
    }
    text
}
