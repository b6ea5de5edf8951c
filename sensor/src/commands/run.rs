//! `tapline replay` and `tapline capture`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analyzers::Analyzer;

use crate::args::{CaptureArgs, ReplayArgs, RunArgs};
use crate::audit::{self, Audit, Head, InForce, Unsure};
use crate::config::Config;
use crate::cores::Cores;
use crate::declared::{self, Noted, Tell};
use crate::desk::{self, Desk, DeskSettings, HashKey};
use crate::exit::{Failure, Status};
use crate::intent;
use crate::jwks;
use crate::keylog;
use crate::message::{self, Level};
use crate::output::kafka::{Delivery, KafkaConfig, KafkaSink, Mode};
use crate::output::lines::Taken;
use crate::output::{BeginAudit, Outputs};
use crate::pipeline::{self, Run};
use crate::privileges::{self, Needs};
use crate::reload::{self, Reload};
use crate::signals::Stop;
use crate::source::file::{Inputs, Progress, total_bytes};
use crate::source::hold;
use crate::source::live::{Live, LiveError, LiveSettings};
use crate::status::{Board, Stage, server};
use crate::store::{self, Store, StoreError};
use crate::summary::{self, Kept};

pub(super) fn replay(args: &ReplayArgs) -> Result<Status, Failure> {
    let config = configuration(&args.run)?;
    let stop = Stop::on_signals();
    check_outputs(&args.run, &config, &args.files, &args.keylog)?;
    let progress = Progress::default();
    let inputs = Inputs::open(&args.files, args.read_size, &progress, &stop);
    if let Some(why) = inputs.unreadable() {
        if stop.asked() {
            let (signal, status) = stop.by();
            message::error(&format!("stopped by {signal} before there was anything to read"));
            return Ok(status);
        }
        // Nothing of an earlier run is given up for a name that is misspelt.
        why.iter().for_each(|error| message::error(error));
        return Ok(Status::Input);
    }
    let key_logs = keylog::read(&args.keylog).map_err(Failure::usage)?;
    let desk = desk(&args.run, &config, &[], &args.files, None)?;
    let total = total_bytes(&args.files);
    let bar = summary::progress::Bar::start(total, &progress);
    let result = pipeline::replay(
        inputs,
        total,
        config.reassembly_limits(),
        &key_logs,
        desk,
        args.run.cores(),
        &stop,
    );
    bar.finish();
    let (run, desk) = result.map_err(Failure::input)?;
    let status = conclude(&run, desk, &args.run, &config, &title(&args.files))?;
    Ok(match run.stopped {
        Some(_) => status.max(stop.by().1),
        None => status,
    })
}

/// Replays captures and keeps what was learned to itself: no store, no output. For commands that ask what would be. The status says
/// whether all of them could be read.
pub(super) fn rehearse(files: &[PathBuf], args: &RunArgs) -> Result<(Desk, Status), Failure> {
    let mut config = configuration(args)?;
    config.store.directory = PathBuf::new();
    config.kafka.brokers = String::new();
    config.intent.policies = Vec::new();
    let stop = Stop::on_signals();
    let progress = Progress::default();
    let inputs = Inputs::open(files, 1 << 20, &progress, &stop);
    if let Some(why) = inputs.unreadable() {
        let why: Vec<String> = why.iter().map(ToString::to_string).collect();
        return Err(Failure::input(anyhow::anyhow!(why.join("\n"))));
    }
    let desk = desk(args, &config, &[], files, None)?;
    let total = total_bytes(files);
    let bar = summary::progress::Bar::start(total, &progress);
    let limits = config.reassembly_limits();
    let result = pipeline::replay(inputs, total, limits, &[], desk, 1, &stop);
    bar.finish();
    let (run, desk) = result.map_err(Failure::input)?;
    run.damage.iter().for_each(|damage| message::error(damage));
    match run.stopped {
        Some(stopped) => Err(Failure::input(anyhow::anyhow!(
            "stopped by {} before the end of the captures",
            stopped.signal
        ))),
        // What was readable is used, and that there was more is told by the status.
        None if !run.damage.is_empty() => Ok((desk, Status::Input)),
        None => Ok((desk, Status::Done)),
    }
}

pub(super) fn capture(args: &CaptureArgs) -> Result<Status, Failure> {
    let config = configuration(&args.run)?;
    check_outputs(&args.run, &config, &[], &[])?;
    let cores = Cores::new(&config.capture.cores).map_err(|error| Failure::usage(anyhow::anyhow!(error)))?;
    let interfaces = match args.interface.is_empty() {
        true => config.capture.interface.0.clone(),
        false => args.interface.clone(),
    };
    if interfaces.is_empty() {
        let known = crate::source::live::interfaces().join(", ");
        return Err(Failure::usage(anyhow::anyhow!(
            "which interface? give one with -i, or set capture.interface; this machine has {known}"
        )));
    }
    let listen = args
        .listen
        .map_or_else(|| config.http.listen.clone(), |address| address.to_string());
    let listener = if listen.is_empty() {
        None
    } else {
        // What another program has now it may give back: that is no mistake in the configuration, and is tried again by what starts the
        // sensor.
        let failed = |error: anyhow::Error| match is_taken(&error) {
            true => Failure::output(error),
            false => Failure::usage(error),
        };
        Some(server::listen(&listen).map_err(failed)?)
    };
    privileges::take_up();
    let live = Live::open(&LiveSettings {
        interfaces: interfaces.clone(),
        filter: args
            .filter
            .clone()
            .unwrap_or_else(|| config.capture.filter.clone()),
        snaplen: u32::try_from(config.capture.snaplen).unwrap_or(u32::MAX),
        buffer: config.capture.buffer.0,
        promiscuous: config.capture.promiscuous,
    })
    .map_err(|error| match error {
        LiveError::Filter { .. } | LiveError::Twice(_) => Failure::usage(error),
        _ => Failure::input(error),
    })?;
    let failed = |error: anyhow::Error| match is_taken(&error) {
        true => Failure::input(error),
        false => Failure::usage(error),
    };
    let _held = hold::hold(&config.tunnels.hold_ports).map_err(failed)?;
    give_away(&args.run, &config, interfaces.len())?;
    let stop = Stop::on_signals();
    let board = listener.map(|listener| tell_on(listener, &config)).transpose()?;
    board.iter().for_each(|board| board.reach(Stage::Reading));
    let desk = desk(&args.run, &config, &interfaces, &[], board.clone())?;
    let reload = Reload::on_hangup(
        &args.run,
        &interfaces,
        &config,
        desk.analyzer().settings().clone(),
    );
    let named = interfaces.join(", ");
    message::event(
        Level::Info,
        &format!("listening on {named}; Ctrl-C stops"),
        &[("interface", named.as_str().into())],
    );
    let (run, desk) = pipeline::capture(
        live,
        config.reassembly_limits(),
        desk,
        (args.run.cores(), &cores),
        args.duration,
        (&stop, reload),
        board,
    )
    .map_err(Failure::input)?;
    conclude(&run, desk, &args.run, &config, &named)
}

/// Gives away what a capture does not need any more, now that so many interfaces are open and no thread has been started.
fn give_away(args: &RunArgs, config: &Config, interfaces: usize) -> Result<(), Failure> {
    let kafka = config.kafka();
    let store = Some(&config.store.directory).filter(|dir| !dir.as_os_str().is_empty());
    let spool = kafka.as_ref().and_then(|kafka| kafka.spool_dir.as_ref());
    let needs = Needs {
        folders: store.into_iter().chain(spool).cloned().collect(),
        files: Outputs::files(args),
        network: kafka.is_some(),
    };
    let capture = &config.capture;
    let given = privileges::give_away(&capture.user, capture.confine, &needs).map_err(Failure::usage)?;
    message::event(
        Level::Info,
        &format!(
            "the interface{} open; from here on: {}",
            if interfaces == 1 { " is" } else { "s are" },
            given.done.join(", ")
        ),
        &[("in_force", given.done.clone().into())],
    );
    if !given.missing.is_empty() {
        message::event(
            Level::Warn,
            &format!("goes on without {}", given.missing.join(", ")),
            &[("missing", given.missing.clone().into())],
        );
    }
    Ok(())
}

/// Answers on `listener` from now on.
fn tell_on(listener: TcpListener, config: &Config) -> Result<Arc<Board>, Failure> {
    let board = Arc::new(Board::new(config.division().flows as u64));
    server::serve(listener, Arc::clone(&board)).map_err(Failure::usage)?;
    Ok(board)
}

/// The configuration with the command line's options laid over it.
fn configuration(args: &RunArgs) -> Result<Config, Failure> {
    let config = args.config().map_err(Failure::usage)?;
    let level = match config.log.level.as_str() {
        "error" => Level::Error,
        "warn" => Level::Warn,
        _ => Level::Info,
    };
    message::set(level, config.log.format == "json");
    Ok(config)
}

/// Whether no output would overwrite what the run reads or keeps, and Kafka's options are right, before anything is
/// opened.
fn check_outputs(
    args: &RunArgs,
    config: &Config,
    inputs: &[PathBuf],
    key_logs: &[PathBuf],
) -> Result<(), Failure> {
    let captures = inputs
        .iter()
        .map(|input| ("the capture", input.as_path()))
        .chain(key_logs.iter().map(|log| ("the key log", log.as_path())));
    let named = |what, path: &'_ PathBuf| (!path.as_os_str().is_empty()).then(|| (what, path.clone()));
    let kafka = &config.kafka;
    let files: Vec<_> = [
        args.config
            .as_ref()
            .and_then(|path| named("the configuration", path)),
        named("the hash key", &config.privacy.hash_key_file),
        named("the authorities of Kafka (kafka.tls_ca)", &kafka.tls_ca),
        named("the certificate (kafka.tls_certificate)", &kafka.tls_certificate),
        named("the key (kafka.tls_key)", &kafka.tls_key),
        named(
            "the password (kafka.sasl_password_file)",
            &kafka.sasl_password_file,
        ),
        named("the token (kafka.oauth_token_file)", &kafka.oauth_token_file),
        named("the store", &config.store.directory).map(|(what, dir)| (what, Store::database(&dir))),
    ]
    .into_iter()
    .flatten()
    .chain(declared::files(config, &args.spec))
    .chain(jwks::files(config))
    .chain(intent::files(config, &args.intent))
    .collect();
    let sink = config.kafka();
    let spool = sink.as_ref().and_then(|kafka| kafka.spool_dir.as_ref());
    let folders: Vec<_> = [
        named("the store", &config.store.directory),
        spool.and_then(|dir| named("the spool", dir)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let taken = Taken {
        files: captures
            .chain(files.iter().map(|(what, path)| (*what, path.as_path())))
            .collect(),
        folders: folders
            .iter()
            .map(|(what, path)| (*what, path.as_path()))
            .collect(),
    };
    Outputs::check(args, &taken).map_err(Failure::usage)?;
    sink.map_or(Ok(()), |kafka| kafka.check()).map_err(Failure::usage)
}

/// `interfaces`: those of a live capture; `captures`: the files of a replay.
fn desk(
    args: &RunArgs,
    config: &Config,
    interfaces: &[String],
    captures: &[PathBuf],
    board: Option<Arc<Board>>,
) -> Result<Desk, Failure> {
    let live = !interfaces.is_empty();
    let mut learning = config.analysis_settings().map_err(Failure::usage)?;
    learning.declared = declared::load(config, &args.spec, interfaces, Tell::Some)
        .map_err(Failure::usage)?
        .into();
    learning.keys = jwks::load(config).map_err(Failure::usage)?.into();
    learning.intents = intent::load(config, &args.intent).map_err(Failure::usage)?.into();
    let hash_key = learning.hash_key;
    let dir = &config.store.directory;
    let mut unsure = Unsure::default();
    let (store, analyzer) = if dir.as_os_str().is_empty() {
        (None, Analyzer::new(learning))
    } else {
        let not_usable =
            |error: StoreError| match error.is_full() || matches!(error, StoreError::Locked { .. }) {
                true => Failure::output(error),
                false => Failure::usage(error),
            };
        let new = || Analyzer::new(learning.clone());
        let begun = match live {
            true => store::begin_live(dir, &hash_key, config.backups(), new),
            false => store::begin(dir, &hash_key, config.backups(), new),
        };
        let begun = begun.map_err(not_usable)?;
        let say = if begun.lost { message::warn } else { message::info };
        begun.told.iter().for_each(|text| say(text));
        let mut store = begun.store;
        unsure = audit::unsure(dir);
        let noted = store.noted_audit().ok().flatten();
        let trail = audit_trail(dir, args, config, live, (begun.told, begun.lost), noted);
        match store.note_declared(&Noted::of(config, &args.spec)) {
            // It is noted with the first snapshot that finds room.
            Err(error) if live && error.is_full() => {}
            other => other
                .and_then(|()| store.note_captures(captures))
                .map_err(not_usable)?,
        }
        (Some((store, trail)), begun.analyzer)
    };
    let mut outputs = Outputs::open(args).map_err(Failure::usage)?;
    if let Some(kafka) = config.kafka() {
        let mode = if live { Mode::Live } else { Mode::Replay };
        let again = desk::told_again(&analyzer, &unsure.told);
        let again: Vec<_> = again
            .into_iter()
            .map(|record| (record, unsure.since_ms))
            .collect();
        outputs.publish_to(KafkaSink::start_after(&kafka, mode, &again).map_err(Failure::usage)?);
    }
    outputs.begin().map_err(Failure::usage)?;
    let (store, trail) = store.unzip();
    match trail {
        Some(Ok(audit)) => outputs.audit = Some(audit),
        Some(Err(later)) => outputs.audit_later = Some(later),
        None => {}
    }
    let settings = DeskSettings {
        reveal: config.privacy.reveal.iter().any(|r| r == "query"),
        sensor: config.sensor.name.clone(),
        live,
        hash_key: HashKey(hash_key),
        one_sided_percent: config.wire.one_sided_percent,
        snapshot_every: config.store.snapshot_every,
        write_rate: config.store.write_rate.0,
        history_days: config.store.history_days,
        destination: config
            .kafka()
            .map(|kafka| format!("{} {}", kafka.brokers, kafka.topic_prefix)),
        board,
    };
    Ok(Desk::new(analyzer, outputs, store, settings))
}

/// The audit trail of the store in `dir`, with a record of what this run has in force and how that differs from the run before; or what
/// begins it later.
fn audit_trail(
    dir: &Path,
    args: &RunArgs,
    config: &Config,
    live: bool,
    (told, lost): (Vec<String>, bool),
    noted: Option<Head>,
) -> Result<Audit, BeginAudit> {
    let in_force = InForce::of(config, reload::files(args, config));
    let place = dir.to_owned();
    let begin = move || -> std::io::Result<Audit> {
        let mut audit = Audit::open(&place)?;
        // What the store notes is never ahead of the trail, so one that ends before that, or otherwise, was cut or replaced. The next
        // note would be of what is there now, and nobody would learn of it.
        let found = audit.head();
        if let Some(noted) = &noted
            && (found.seq < noted.seq || (found.seq == noted.seq && found.hash != noted.hash))
        {
            message::warn(&format!(
                "the audit trail in {} ends with record {}, and the store noted record {}: its end was cut off, or it was replaced; \
                 that is in it now, and what is missing is only where copies of it are kept",
                place.display(),
                found.seq,
                noted.seq
            ));
            let about = serde_json::json!({ "noted": noted, "found": found });
            audit.append("trail_cut", about)?;
        }
        let last = audit.last("run_started");
        let command = if live { "capture" } else { "replay" };
        audit.append("run_started", in_force.record(command, last.as_ref()))?;
        for text in &told {
            let what = if lost { "store_lost" } else { "store_told" };
            audit.append(what, serde_json::json!({ "message": text }))?;
        }
        Ok(audit)
    };
    match begin() {
        Ok(audit) => Ok(audit),
        Err(error) => {
            message::error(&format!(
                "the audit trail in {} cannot be written: {error}; this run is not in it until it can",
                dir.display()
            ));
            Err(Box::new(begin))
        }
    }
}

/// Whether another program has what was asked for.
fn is_taken(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
}

fn title(files: &[PathBuf]) -> String {
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
    let mut status = if run.damage.is_empty() && !run.lost_one {
        Status::Done
    } else {
        Status::Input
    };
    if run.readable > 0 {
        let dir = &config.store.directory;
        let store = match desk.store_failed() {
            _ if dir.as_os_str().is_empty() => Kept::Nowhere,
            false => Kept::In(dir),
            true => Kept::PartlyIn(dir),
        };
        if args.has_output() {
            message::event(Level::Info, &summary::short(run), &in_numbers(run));
        } else {
            super::print(&summary::full(
                title,
                run,
                desk.analyzer(),
                desk.coverage(),
                store,
            ))?;
        }
    }
    if let Some(kafka) = config.kafka()
        && let Some(delivery) = desk.finish_publishing(kafka.finish_timeout)
    {
        let text = delivery_in_words(&delivery, &kafka);
        let level = if delivery.complete() {
            Level::Info
        } else {
            Level::Error
        };
        let fields = [
            ("delivered", delivery.delivered.into()),
            ("spooled", delivery.spooled.into()),
            ("dropped", delivery.dropped.into()),
        ];
        message::event(level, &text, &fields);
    }
    if desk.failed() {
        status = status.max(Status::Output);
    }
    Ok(status)
}

/// What a run saw, as fields of the message that tells it.
fn in_numbers(run: &Run) -> Vec<(&'static str, serde_json::Value)> {
    let counters = &run.counters;
    let mut fields = vec![
        ("packets", counters.packets.into()),
        ("flows", counters.flows.into()),
        ("exchanges", counters.exchanges.into()),
        ("gap_bytes", counters.gap_bytes.into()),
    ];
    if let Some(drops) = &run.drops {
        fields.push(("kernel_dropped", drops.all.kernel.into()));
        fields.push(("interface_dropped", drops.all.interface.into()));
    }
    fields
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
