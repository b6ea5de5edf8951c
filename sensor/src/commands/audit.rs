//! `tapline audit`: the trail of a store, verified and shown.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::args::{AuditCommand, AuditShowArgs, AuditVerifyArgs};
use crate::audit::{self, Head, Line};
use crate::exit::{Failure, Status};
use crate::message;
use crate::records::to_json;
use crate::store::Store;

pub(super) fn audit(command: &AuditCommand) -> Result<Status, Failure> {
    match command {
        AuditCommand::Verify(args) => verify(args),
        AuditCommand::Show(args) => show(args),
    }
}

fn unreadable(dir: &Path) -> impl Fn(std::io::Error) -> Failure {
    let dir = dir.display().to_string();
    move |cause| {
        Failure::input(anyhow::Error::new(cause).context(format!("cannot read the audit trail in {dir}")))
    }
}

fn verify(args: &AuditVerifyArgs) -> Result<Status, Failure> {
    let dir = args.store.display();
    // A store that cannot be read says nothing, and `store check` tells why.
    let noted = Store::read(&args.store, Store::noted_audit).ok().flatten();
    let mut known: Vec<(&str, Head)> = noted.into_iter().map(|head| ("the store", head)).collect();
    for (seq, hash) in &args.head {
        let head = Head {
            seq: *seq,
            hash: hash.clone(),
        };
        known.push(("--head", head));
    }
    if audit::files(&args.store).is_empty() && known.is_empty() {
        return Err(Failure::input(anyhow::anyhow!(
            "there is no audit trail in {dir}; a run with --store {dir} begins one"
        )));
    }
    let verdict = audit::verify(&args.store, &known).map_err(unreadable(&args.store))?;
    let mut text = String::new();
    if args.json {
        text = format!("{}\n", String::from_utf8_lossy(&to_json(&verdict)));
    } else {
        for problem in &verdict.problems {
            let _ = writeln!(text, "{}", message::clean(problem));
        }
        let state = match (verdict.good, verdict.first) {
            (true, ..=1) => "whole".to_owned(),
            (true, first) => format!("whole from record {first} on; what was before it went in order"),
            (false, _) => "TAMPERED WITH, OR DAMAGED".to_owned(),
        };
        let _ = writeln!(text, "{state}: {} records", verdict.records);
        if let Some(head) = &verdict.head {
            let _ = writeln!(text, "head {}:{}", head.seq, head.hash);
        }
    }
    super::print(&text)?;
    Ok(match verdict.good {
        true => Status::Done,
        false => Status::Violations,
    })
}

fn show(args: &AuditShowArgs) -> Result<Status, Failure> {
    let most = args.last.unwrap_or(usize::MAX);
    let mut kept: VecDeque<String> = VecDeque::new();
    let mut broken = 0_u64;
    audit::read(&args.store, |_, _, line| {
        let Ok(line) = line else {
            broken += 1;
            return;
        };
        let record = &line.record;
        let what = record["what"].as_str().unwrap_or_default();
        let about = |finding: &String| {
            record["about"]["finding"]
                .as_str()
                .is_some_and(|id| id.starts_with(finding.as_str()))
        };
        let wanted = (args.what.is_empty() || args.what.iter().any(|name| name == what))
            && args.finding.as_ref().is_none_or(about);
        if wanted {
            kept.push_back(match args.json {
                true => record.to_string(),
                false => words(&line),
            });
            if kept.len() > most {
                kept.pop_front();
            }
        }
    })
    .map_err(unreadable(&args.store))?;
    if audit::files(&args.store).is_empty() {
        let dir = args.store.display();
        return Err(Failure::input(anyhow::anyhow!(
            "there is no audit trail in {dir}; a run with --store {dir} begins one"
        )));
    }
    if broken > 0 {
        message::warn(&format!(
            "{broken} lines are no records; `tapline audit verify --store {}` tells more",
            args.store.display()
        ));
    }
    let mut text = String::new();
    for line in kept {
        let _ = writeln!(text, "{line}");
    }
    super::print(&text)
}

/// A record in one line.
fn words(line: &Line) -> String {
    let record = &line.record;
    let time = record["time"].as_str().unwrap_or_default();
    let who = match (&record["who"]["login_uid"], &record["who"]["uid"]) {
        (Value::Number(login), Value::Number(uid)) if login != uid => format!("user {login} as {uid}"),
        (_, Value::Number(uid)) => format!("user {uid}"),
        _ => "nobody known".to_owned(),
    };
    let mut about = String::new();
    if let Value::Object(fields) = &record["about"] {
        for (name, value) in fields {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Object(fields) if fields.is_empty() => continue,
                other => other.to_string(),
            };
            let _ = write!(about, "  {name}={value}");
        }
    }
    message::clean(&format!(
        "{:>6}  {}  {:<26} {who}{about}",
        line.seq(),
        time.get(..19).unwrap_or(time).replace('T', " "),
        record["what"].as_str().unwrap_or_default(),
    ))
    .replace('\n', " ")
}
