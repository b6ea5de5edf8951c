//! One file for each command.

mod accept;
mod access_review;
mod agents;
mod audit;
mod check;
mod completions;
mod config;
mod diff;
mod doctor;
mod explain;
mod export;
mod graph;
mod intent;
mod inventory;
mod list;
mod overrides;
mod run;
mod schema;
mod show;
mod store;
mod suppress;
mod tune;

use crate::args::{Cli, Command};
use crate::exit::{Failure, Status};
use crate::output::lines::{Taken, check_paths};

/// Does what the command line asks for.
///
/// # Errors
///
/// When it could not be done, with the exit status.
pub(crate) fn run(cli: Cli) -> Result<Status, Failure> {
    match cli.command {
        Command::Replay(args) => run::replay(&args),
        Command::Capture(args) => run::capture(&args),
        Command::Inventory(args) => inventory::inventory(&args),
        Command::Show(args) => show::show(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Check(args) => check::check(&args),
        Command::Intent { command } => intent::intent(&command),
        Command::Accept(args) => accept::accept(&args),
        Command::Override(args) => overrides::set_override(&args),
        Command::Export(args) => export::export(&args),
        Command::AccessReview(args) => access_review::access_review(&args),
        Command::Agents(args) => agents::agents(&args),
        Command::Mcp(args) => list::mcp(&args),
        Command::A2a(args) => list::a2a(&args),
        Command::Findings(args) => list::findings(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Suppress(args) => suppress::suppress(&args),
        Command::Tune(args) => tune::tune(&args),
        Command::Store { command } => store::store(&command),
        Command::Audit { command } => audit::audit(&command),
        Command::Schema { record } => schema::schema(record),
        Command::Config { command } => config::config(&command),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions { shell } => completions::completions(shell),
    }
}

/// Writes `text` to standard output; a reader that went away is no mistake.
fn print(text: &str) -> Result<Status, Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::output(
            anyhow::Error::new(error).context("cannot write to standard output"),
        )),
        _ => Ok(Status::Done),
    }
}

/// Writes `text` to a file, or to standard output for `-`.
/// Sees to it that what `option` names is no place in the store that is read, under whatever name.
fn outside(option: &str, out: &std::path::Path, store: &std::path::Path) -> Result<(), Failure> {
    let taken = Taken {
        folders: vec![("the store", store)],
        ..Taken::default()
    };
    check_paths(&[(option, out)], &taken).map_err(|mistake| Failure::usage(anyhow::anyhow!(mistake)))
}

fn write_out(out: &std::path::Path, text: &str) -> Result<(), Failure> {
    if out.as_os_str() == "-" {
        return print(text).map(|_| ());
    }
    std::fs::write(out, text).map_err(|cause| {
        Failure::output(anyhow::Error::new(cause).context(format!("cannot write to {}", out.display())))
    })
}

/// Puts `text` in the place of a file that people keep: all of it or nothing, with the rights that it had.
fn replace(file: &std::path::Path, text: &str) -> Result<(), Failure> {
    // A link stays one.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let failed = |cause: std::io::Error| {
        Failure::output(anyhow::Error::new(cause).context(format!("cannot write to {}", file.display())))
    };
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let beside = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        std::fs::write(&beside, text)?;
        if let Ok(old) = std::fs::metadata(&file) {
            std::fs::set_permissions(&beside, old.permissions())?;
        }
        std::fs::rename(&beside, &file)
    };
    write().map_err(|cause| {
        let _ = std::fs::remove_file(&beside);
        failed(cause)
    })
}
