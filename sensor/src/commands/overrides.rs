//! `tapline override`: says in the overrides file what traffic cannot tell.

use std::path::{Path, PathBuf};

use analyzers::Kind;
use analyzers::inventory::declared::Overrides;

use crate::args::{DeclaredArgs, OverrideArgs};
use crate::audit;
use crate::config::place;
use crate::exit::{Failure, Status};
use crate::known::Source;
use crate::known::overrides::{Change, Done, EditError, Section, keep, set};
use crate::message;
use crate::store::Store;

pub(super) fn set_override(args: &OverrideArgs) -> Result<Status, Failure> {
    for kind in &args.accept {
        if Kind::parse(kind).is_none() {
            let all: Vec<&str> = Kind::all().map(Kind::name).collect();
            let near = analyzers::nearest(kind, all.iter().copied());
            let more = near.map_or_else(
                || format!("there are {}", all.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(Failure::usage(anyhow::anyhow!(
                "there is no finding `{kind}`; {more}"
            )));
        }
    }
    let (file, noted) = file(args)?;
    let section = section(args)?;
    let change = Change {
        owner: args.owner.clone(),
        tier: args.tier.clone(),
        environment: args.environment.clone(),
        purpose: args.purpose.clone(),
        accept: args.accept.clone(),
        reason: args.reason.clone(),
        until: args.until.clone(),
        unset: args.unset.clone(),
    };
    let says = change != Change::default() || args.path.is_some();
    if !says && args.keep.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!(
            "what is to be said of it? give --owner, --tier, --environment, --purpose, --path, --keep, --accept or --unset"
        )));
    }
    let name = file.display().to_string();
    let before = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Failure::usage(anyhow::anyhow!("cannot read {name}: {error}")));
        }
    };
    // A file that is wrong already is not made worse.
    valid(&name, &before, "and nothing was changed")?;
    let wrong = |text: &str, error: EditError| {
        let at = match &error {
            EditError::NotToml { at, .. } => {
                let (line, column) = place(text, *at);
                format!(":{line}:{column}")
            }
            _ => String::new(),
        };
        Failure::usage(anyhow::anyhow!("{name}{at}: {error}"))
    };
    let mut done = Done {
        text: before.clone(),
        said: Vec::new(),
    };
    if says {
        done = set(&done.text, &section, &change).map_err(|e| wrong(&before, e))?;
    }
    for path in &args.keep {
        let more = keep(&done.text, &section.host, path).map_err(|e| wrong(&before, e))?;
        done.text = more.text;
        done.said.extend(more.said);
    }
    if done.said.is_empty() {
        message::info(&format!("{name}: it says so already"));
        return Ok(Status::Done);
    }
    valid(&name, &done.text, "after this change, so nothing was changed")?;
    let said: String = done.said.iter().map(|line| format!("{line}\n")).collect();
    super::print(&message::clean(&said))?;
    if args.dry_run {
        message::info(&format!("{name} was not changed (--dry-run)"));
        return Ok(Status::Done);
    }
    super::replace(&file, &done.text)?;
    if let Some(dir) = &args.store {
        audit::note(dir, "override_set", audit::change(&file, &before, &done.text));
    }
    if noted {
        message::info(&format!("{name} was changed; a run reads it when it begins"));
    } else {
        message::info(&format!(
            "{name} was changed; runs read it when their configuration says inventory.overrides = {}",
            crate::config::quoted(&name)
        ));
    }
    Ok(Status::Done)
}

/// The overrides file, and whether runs are known to read it.
fn file(args: &OverrideArgs) -> Result<(PathBuf, bool), Failure> {
    let noted = match &args.store {
        Some(dir) => Store::read(dir, Store::declared)
            .map_err(Failure::input)?
            .map(|noted| noted.overrides().to_owned())
            .filter(|path| !path.as_os_str().is_empty()),
        None => None,
    };
    match (&args.file, noted) {
        (Some(file), noted) => {
            let same = |noted: &Path| std::path::absolute(file).is_ok_and(|full| full == noted);
            Ok((file.clone(), noted.as_deref().is_some_and(same)))
        }
        (None, Some(noted)) => Ok((noted, true)),
        (None, None) => Err(Failure::usage(anyhow::anyhow!(
            "the last run with this store had no overrides; name the file with --file"
        ))),
    }
}

/// What the section is about.
fn section(args: &OverrideArgs) -> Result<Section, Failure> {
    let asked = args.endpoint.join(" ");
    let mut section = match &args.store {
        Some(dir) => {
            let source = Source::store(dir, &DeclaredArgs::default())?;
            let endpoint = super::show::one(&source, &asked)?;
            Section {
                host: endpoint.text("host").to_owned(),
                method: Some(endpoint.text("method").to_owned()),
                path: endpoint.text("template").to_owned(),
            }
        }
        None => {
            let (method, rest) = match asked.trim().split_once(char::is_whitespace) {
                Some((method, rest)) => (Some(method.to_uppercase()), rest.trim()),
                None => (None, asked.trim()),
            };
            match rest.find('/') {
                Some(at) if at > 0 => Section {
                    host: rest[..at].to_owned(),
                    method,
                    path: rest[at..].to_owned(),
                },
                _ => {
                    return Err(Failure::usage(anyhow::anyhow!(
                        "`{}` is no endpoint; write `METHOD host/path` or `host/path`, or give a --store to look it up in",
                        message::clean(&asked)
                    )));
                }
            }
        }
    };
    if args.any_method {
        section.method = None;
    }
    if let Some(path) = &args.path {
        section.path.clone_from(path);
    }
    Ok(section)
}

/// Whether a run could read the file.
fn valid(name: &str, text: &str, when: &str) -> Result<(), Failure> {
    let Err(problems) = Overrides::read(text) else {
        return Ok(());
    };
    let count = problems.len();
    let mut said = format!(
        "{count} mistake{} in {name} {when}",
        if count == 1 { "" } else { "s" }
    );
    for problem in problems {
        said.push_str(&format!(
            "\n  {name}:{}:{}: {}",
            problem.line, problem.column, problem.message
        ));
    }
    Err(Failure::usage(anyhow::anyhow!(said)))
}
