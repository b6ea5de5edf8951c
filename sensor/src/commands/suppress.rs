//! `tapline suppress`: somebody answers for a finding, for a while.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use analyzers::inventory::declared::Suppressions;

use crate::args::SuppressArgs;
use crate::audit;
use crate::config::quoted;
use crate::exit::{Failure, Status};
use crate::known::{Known, Source};
use crate::message;
use crate::store::Store;

/// The file, where none is named and no run is known to read one.
const FILE: &str = "suppressions.toml";

pub(super) fn suppress(args: &SuppressArgs) -> Result<Status, Failure> {
    let source = Source::store(&args.store, &args.declared)?;
    let finding = super::explain::one(&source, &args.finding)?;
    let noted = Store::read(&args.store, Store::declared).map_err(Failure::input)?;
    let noted = noted
        .map(|noted| noted.suppressions().to_owned())
        .filter(|path| !path.as_os_str().is_empty());
    let file = args
        .file
        .clone()
        .or_else(|| noted.clone())
        .unwrap_or_else(|| PathBuf::from(FILE));
    let name = file.display().to_string();
    let before = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::usage(anyhow::anyhow!("cannot read {name}: {error}"))),
    };
    // A file that is wrong already is not made worse.
    valid(&name, &before, "and nothing was changed")?;
    let section = section(args, &finding)?;
    let gap = match before.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let after = format!("{before}{gap}{section}");
    valid(&name, &after, "after this change, so nothing was changed")?;
    super::print(&message::clean(&section))?;
    if args.dry_run {
        message::info(&format!("{name} was not changed (--dry-run)"));
        return Ok(Status::Done);
    }
    super::replace(&file, &after)?;
    let mut about = audit::change(&file, &before, &after);
    about["finding"] = finding.text("id").into();
    about["alike"] = args.alike.into();
    about["owner"] = args.owner.clone().into();
    about["until"] = args.until.clone().into();
    audit::note(&args.store, "suppression_added", about);
    let same = |noted: &Path| std::path::absolute(&file).is_ok_and(|full| full == noted);
    match noted.as_deref().is_some_and(same) {
        true => message::info(&format!(
            "{name} was changed; a run reads it when it begins, and what asks a store at once"
        )),
        false => message::info(&format!(
            "{name} was changed; runs read it when their configuration says findings.suppressions = {}",
            quoted(&name)
        )),
    }
    Ok(Status::Done)
}

/// The section that is added.
fn section(args: &SuppressArgs, finding: &Known) -> Result<String, Failure> {
    let mut out = String::from("[[suppress]]\n");
    let mut put = |key: &str, value: &str| {
        let _ = writeln!(out, "{key} = {}", quoted(value));
    };
    if args.alike {
        let about = &finding.value["resource"];
        let caller = &finding.value["principal"];
        let who = caller["name"].as_str().or(caller["id"].as_str());
        let host = about["host"].as_str();
        if who.is_none() && host.is_none() {
            return Err(Failure::usage(anyhow::anyhow!(
                "this finding is about no caller and no host, so nothing is like it; leave out --alike"
            )));
        }
        put("kind", finding.text("kind"));
        let of_caller = [("principal", who)];
        let places = ["host", "method"].map(|key| (key, about[key].as_str()));
        let path = [("path", about["template"].as_str().filter(|path| !path.is_empty()))];
        for (key, value) in of_caller.into_iter().chain(places).chain(path) {
            if let Some(value) = value {
                put(key, value);
            }
        }
    } else {
        put("finding", finding.text("id"));
    }
    put("owner", &args.owner);
    put("reason", &args.reason);
    let _ = writeln!(out, "until = {}", args.until);
    Ok(out)
}

fn valid(name: &str, text: &str, then: &str) -> Result<(), Failure> {
    let Err(mistakes) = Suppressions::read(text) else {
        return Ok(());
    };
    let lines: String = mistakes
        .iter()
        .map(|m| format!("\n  {}:{}  {}", m.line, m.column, m.message))
        .collect();
    let (count, are) = (
        mistakes.len(),
        if mistakes.len() == 1 {
            "mistake"
        } else {
            "mistakes"
        },
    );
    Err(Failure::usage(anyhow::anyhow!(
        "{count} {are} in {name} {then}:{lines}"
    )))
}
