//! `tapline store`: whether a store is whole, a copy of it, less room for it, and all of it as JSON Lines.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::args::{StoreBackupArgs, StoreCheckArgs, StoreCommand, StoreCompactArgs, StoreExportArgs};
use crate::exit::{Failure, Status};
use crate::known;
use crate::records::a2a::AgentRecord;
use crate::records::endpoint::EndpointRecord;
use crate::records::finding::FindingRecord;
use crate::records::mcp::ServerRecord;
use crate::records::principal::PrincipalRecord;
use crate::records::to_json;
use crate::store::{self, Report, Store, StoreError};

pub(super) fn store(command: &StoreCommand) -> Result<Status, Failure> {
    match command {
        StoreCommand::Check(args) => check(args),
        StoreCommand::Backup(args) => backup(args),
        StoreCommand::Compact(args) => compact(args),
        StoreCommand::Export(args) => export(args),
    }
}

fn check(args: &StoreCheckArgs) -> Result<Status, Failure> {
    let report = store::examine(&args.store).map_err(Failure::input)?;
    super::print(&match args.json {
        true => line(&report),
        false => words(&report),
    })?;
    Ok(match report.good {
        true => Status::Done,
        false => Status::Input,
    })
}

fn line(record: &impl serde::Serialize) -> String {
    let mut text = String::from_utf8_lossy(&to_json(record)).into_owned();
    text.push('\n');
    text
}

fn words(report: &Report) -> String {
    let mut text = String::new();
    let mut row = |name: &str, what: &str| {
        let _ = writeln!(text, "{name:<10} {}", crate::message::clean(what));
    };
    row("store", &report.store);
    row("state", if report.good { "whole" } else { "DAMAGED" });
    for problem in &report.problems {
        row("problem", problem);
    }
    if !report.mend.is_empty() {
        row("mend", &report.mend);
    }
    if let Some(format) = &report.format {
        row("format", format);
    }
    if let Some(snapshot) = &report.snapshot {
        row("last", &snapshot.to_string());
    }
    let rows: Vec<String> = (report.rows.iter())
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if !rows.is_empty() {
        row("rows", &rows.join(", "));
    }
    let log = match report.log_bytes {
        0 => String::new(),
        bytes => format!(", and {} not yet in it", size(bytes)),
    };
    row("size", &format!("{}{log}", size(report.bytes)));
    for copy in &report.backups {
        let state = match (&copy.snapshot, copy.good) {
            (Some(snapshot), true) => format!("whole, {snapshot}"),
            (None, true) => "whole, before a first snapshot".to_owned(),
            (_, false) => "DAMAGED".to_owned(),
        };
        row("backup", &format!("{}: {state}, {}", copy.file, size(copy.bytes)));
    }
    if report.backups.is_empty() {
        row("backup", "none yet (store.backup_every)");
    }
    if report.damaged_bytes > 0 {
        row(
            "damaged",
            &format!(
                "{} put aside in {}/damaged; remove them when nobody wants to look at them",
                size(report.damaged_bytes),
                report.store
            ),
        );
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn written(error: StoreError) -> Failure {
    match error {
        error @ StoreError::Write { .. } => Failure::output(error),
        error @ StoreError::Locked { .. } => Failure::usage(error),
        error => Failure::input(error),
    }
}

fn backup(args: &StoreBackupArgs) -> Result<Status, Failure> {
    super::outside("--to", &args.to, &args.store)?;
    let place = place(&args.to)?;
    let snapshot = store::copy_to(&args.store, &place, args.rate).map_err(written)?;
    let bytes = std::fs::metadata(&args.to).map_or(0, |file| file.len());
    super::print(&match args.json {
        true => line(&json!({
            "v": 1, "store": args.store.display().to_string(), "to": args.to.display().to_string(),
            "bytes": bytes, "snapshot": snapshot,
        })),
        false => format!(
            "{} is a whole copy of {}: {}, {}\n",
            args.to.display(),
            args.store.display(),
            snapshot.map_or_else(|| "before its first snapshot".to_owned(), |s| s.to_string()),
            size(bytes)
        ),
    })
}

/// Where a copy goes: the file that a link leads to, and never in the place of what is no file.
fn place(to: &Path) -> Result<std::path::PathBuf, Failure> {
    let refused = |why: &str| {
        Err(Failure::usage(anyhow::anyhow!(
            "{} {why}; give the name of a file, new or to be replaced",
            to.display()
        )))
    };
    match std::fs::symlink_metadata(to) {
        Err(_) => Ok(to.to_owned()),
        Ok(_) => match to.canonicalize() {
            Err(_) => refused("is a link that leads nowhere"),
            Ok(place) if place.is_file() => Ok(place),
            Ok(_) => refused("is no file"),
        },
    }
}

fn compact(args: &StoreCompactArgs) -> Result<Status, Failure> {
    let (before, after) = Store::compact(&args.store, args.history_days).map_err(written)?;
    super::print(&match args.json {
        true => line(&json!({
            "v": 1, "store": args.store.display().to_string(), "bytes_before": before, "bytes_after": after,
        })),
        false => format!(
            "{}: {} before, {} now\n",
            args.store.display(),
            size(before),
            size(after)
        ),
    })
}

/// Everything, a line each.
fn export(args: &StoreExportArgs) -> Result<Status, Failure> {
    if let Some(out) = &args.out {
        super::outside("--out", out, &args.store)?;
    }
    let (analyzer, about) = Store::read(&args.store, |store| {
        let reach = store
            .reach()?
            .map(|reach| json!({"from_day": reach.from, "to_day": reach.to}));
        let about = json!({
            "v": 1,
            "tapline": env!("CARGO_PKG_VERSION"),
            "snapshot": store.last_snapshot(),
            "learned_up_to_day": store.learned_up_to(),
            "history": reach,
        });
        Ok((known::learned(store, &Arc::default())?, about))
    })
    .map_err(Failure::input)?;
    let mut out = Out::open(args.out.as_deref())?;
    out.line("store", &about)?;
    for endpoint in analyzer.endpoints() {
        out.record("endpoint", &to_json(&EndpointRecord::new(&endpoint)))?;
    }
    for principal in analyzer.principals() {
        out.record("principal", &to_json(&PrincipalRecord::new(&principal)))?;
    }
    for server in analyzer.mcp_servers() {
        out.record("mcp_server", &to_json(&ServerRecord::new(&server)))?;
    }
    for agent in analyzer.a2a_agents() {
        out.record("a2a_agent", &to_json(&AgentRecord::new(&agent)))?;
    }
    for finding in analyzer.findings() {
        out.record("finding", &to_json(&FindingRecord::new(&finding)))?;
    }
    out.end()
}

/// Where an export goes.
struct Out {
    name: String,
    to: Box<dyn std::io::Write>,
    over: bool,
}

impl Out {
    fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let file = file.filter(|file| file.as_os_str() != "-");
        let Some(path) = file else {
            return Ok(Self {
                name: "standard output".into(),
                to: Box::new(std::io::BufWriter::new(std::io::stdout())),
                over: false,
            });
        };
        let name = path.display().to_string();
        match std::fs::File::create(path) {
            Ok(file) => Ok(Self {
                name,
                to: Box::new(std::io::BufWriter::new(file)),
                over: false,
            }),
            Err(cause) => Err(Failure::output(
                anyhow::Error::new(cause).context(format!("cannot write to {name}")),
            )),
        }
    }

    fn line(&mut self, about: &str, record: &Value) -> Result<(), Failure> {
        self.record(about, record.to_string().as_bytes())
    }

    fn record(&mut self, about: &str, record: &[u8]) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        let written = write!(self.to, "{{\"about\":\"{about}\",\"record\":")
            .and_then(|()| self.to.write_all(record))
            .and_then(|()| self.to.write_all(b"}\n"));
        self.done(written)
    }

    /// A reader that went away is no mistake.
    fn done(&mut self, written: std::io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.over = true;
                Ok(())
            }
            Err(error) => Err(Failure::output(
                anyhow::Error::new(error).context(format!("cannot write to {}", self.name)),
            )),
            Ok(()) => Ok(()),
        }
    }

    fn end(mut self) -> Result<Status, Failure> {
        let flushed = self.to.flush();
        self.done(flushed)?;
        Ok(Status::Done)
    }
}
