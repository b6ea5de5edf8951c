//! `tapline accept`: how endpoints are now becomes how they may be.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::AcceptArgs;
use crate::audit;
use crate::exit::{Failure, Status};
use crate::known::Source;
use crate::known::accepted::{Accepted, Entry};
use crate::known::change::is_single;
use crate::known::filter::Filter;
use crate::known::state::{About, Facts, State};
use crate::known::subject::full_name;
use crate::message;
use crate::records::Rfc3339;

pub(super) fn accept(args: &AcceptArgs) -> Result<Status, Failure> {
    if args.endpoints.is_empty() && !args.all && !args.filters.any() {
        return Err(Failure::usage(anyhow::anyhow!(
            "which endpoints? name them, give filters such as --host, or --all"
        )));
    }
    let mut accepted = if args.accepted.exists() {
        Accepted::load(&args.accepted)?
    } else {
        Accepted::default()
    };
    let source = Source::store(&args.store, &args.declared)?;
    let state = State::of(&source);
    let now = state.about(About::Endpoint);
    let mut chosen: Vec<String> = Vec::new();
    for name in &args.endpoints {
        chosen.push(super::show::one(&source, name)?.text("id").to_owned());
    }
    let filter = Filter::new(&args.filters, source.last());
    if args.endpoints.is_empty() {
        let meant = source.endpoints().filter(|e| filter.wants(e));
        chosen = meant.map(|e| e.text("id").to_owned()).collect();
    }
    let when = args.when.clone().unwrap_or_else(today);
    let mut said = Vec::new();
    for id in &chosen {
        let Some(facts) = now.get(id) else { continue };
        let mut facts = facts.clone();
        // How often it was called is no state to be accepted.
        facts.calls = None;
        let was = accepted.entries.get(id).map(|entry| &entry.facts);
        let before = said.len();
        tell(was, &facts, &mut said);
        if was.is_some() && said.len() == before {
            // It is as it was: whoever accepted that goes on standing there.
            continue;
        }
        let entry = Entry {
            facts,
            by: args.by.clone(),
            when: when.clone(),
            why: args.why.clone(),
        };
        accepted.entries.insert(id.clone(), entry);
    }
    if args.prune {
        accepted.entries.retain(|id, entry| {
            let known = now.contains_key(id);
            if !known {
                said.push(format!("- {}", name_of(&entry.facts)));
            }
            known
        });
    }
    let file = args.accepted.display().to_string();
    if said.is_empty() {
        message::info(&format!(
            "{file}: nothing to accept, {} endpoint{} looked at",
            chosen.len(),
            if chosen.len() == 1 { "" } else { "s" }
        ));
        return Ok(Status::Done);
    }
    let text: String = said.iter().map(|line| format!("{line}\n")).collect();
    super::print(&message::clean(&text))?;
    if args.dry_run {
        message::info(&format!("{file} was not changed (--dry-run)"));
        return Ok(Status::Done);
    }
    let before = std::fs::read_to_string(&args.accepted).unwrap_or_default();
    let after = accepted.text();
    super::replace(&args.accepted, &after)?;
    let mut about = audit::change(&args.accepted, &before, &after);
    about["endpoints"] = chosen.len().into();
    about["by"] = args.by.clone().into();
    audit::note(&args.store, "endpoints_accepted", about);
    message::info(&format!(
        "{file}: {} endpoint{} accepted in all; commit it, and check with: tapline check --accepted {file} --policy FILE",
        accepted.entries.len(),
        if accepted.entries.len() == 1 { "" } else { "s" }
    ));
    Ok(Status::Done)
}

/// What is new, or differs from what was accepted before.
fn tell(was: Option<&Facts>, is: &Facts, said: &mut Vec<String>) {
    let Some(was) = was else {
        said.push(format!("+ {}", name_of(is)));
        return;
    };
    let mut lines = Vec::new();
    let mut names: Vec<&String> = was.facts.keys().chain(is.facts.keys()).collect();
    names.sort();
    names.dedup();
    for fact in names {
        let words = |of: &Facts, other: &Facts| -> Vec<String> {
            let there: Vec<&str> = other.fact(fact).collect();
            of.fact(fact)
                .filter(|w| !there.contains(w))
                .map(str::to_owned)
                .collect()
        };
        let (came, went) = (words(is, was), words(was, is));
        if came.is_empty() && went.is_empty() {
            continue;
        }
        let title = fact.replace('_', " ");
        if is_single(fact) {
            let or_none = |words: &[String]| match words {
                [] => "none".to_owned(),
                words => words.join(", "),
            };
            lines.push(format!("    {title}: {} → {}", or_none(&went), or_none(&came)));
            continue;
        }
        if !came.is_empty() {
            lines.push(format!("    {title}: + {}", came.join(", ")));
        }
        if !went.is_empty() {
            lines.push(format!("    {title}: − {}", went.join(", ")));
        }
    }
    if !lines.is_empty() {
        said.push(format!("~ {}", name_of(is)));
        said.extend(lines);
    }
}

fn name_of(facts: &Facts) -> String {
    full_name(facts.name("method"), facts.name("host"), facts.name("template"))
}

/// The day on which somebody accepts something, which is no packet time.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Rfc3339(u64::try_from(now.as_nanos()).unwrap_or(0)).day()
}
