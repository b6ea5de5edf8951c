//! `tapline intent diff`: which rules differ, whatever the files look like.

use std::path::Path;

use analyzers::intent::{AgentView, Policies};

use crate::args::IntentDiffArgs;
use crate::exit::{Failure, Status};
use crate::intent;
use crate::summary::page::{Look, Page};

pub(super) fn diff(args: &IntentDiffArgs) -> Result<Status, Failure> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    super::super::print(&page(&old, &new))
}

fn read(path: &Path) -> Result<Policies, Failure> {
    let name = path.display().to_string();
    let text = intent::read(path).map_err(Failure::usage)?;
    let mut policies = Policies::default();
    policies
        .add(&name, &text)
        .map_err(|mistakes| Failure::usage(anyhow::anyhow!(intent::told(&name, &mistakes))))?;
    Ok(policies)
}

/// A line of what differs.
struct Line {
    sign: char,
    text: String,
}

fn page(old: &Policies, new: &Policies) -> String {
    let mut page = Page::for_stdout();
    let (old, new): (Vec<AgentView<'_>>, Vec<AgentView<'_>>) =
        (old.agents().collect(), new.agents().collect());
    let mut names: Vec<&str> = old.iter().chain(&new).map(|agent| agent.name).collect();
    names.sort_unstable();
    names.dedup();
    let find = |all: &'_ [AgentView<'_>], name: &str| all.iter().position(|agent| agent.name == name);
    let (mut changed, mut same) = (0, 0);
    for name in names {
        let lines = lines(
            find(&old, name).map(|at| &old[at]),
            find(&new, name).map(|at| &new[at]),
        );
        if lines.is_empty() {
            same += 1;
            continue;
        }
        changed += 1;
        page.line(Look::Bold, &format!("agent {name}"));
        for line in lines {
            let look = match line.sign {
                '+' => Look::Green,
                '-' => Look::Red,
                _ => Look::Yellow,
            };
            page.text(look, &format!("  {} ", line.sign));
            page.rest_wrapped(Look::Plain, 4, &line.text);
        }
        page.newline();
    }
    let summary = match (changed, same) {
        (0, _) => "No rule differs.".to_owned(),
        (changed, 0) => format!("{} changed.", intent::many(changed, "agent")),
        (changed, same) => format!("{} changed, {same} the same.", intent::many(changed, "agent")),
    };
    page.line(Look::Bold, &summary);
    page.finish()
}

fn lines(old: Option<&AgentView<'_>>, new: Option<&AgentView<'_>>) -> Vec<Line> {
    let line = |sign, text| Line { sign, text };
    let facts = |agent: &AgentView<'_>| {
        let mut all: Vec<(String, String)> = vec![
            ("whom".to_owned(), agent.whom.join(", ")),
            ("mode".to_owned(), agent.mode.name().to_owned()),
            ("severity".to_owned(), agent.severity.name().to_owned()),
        ];
        all.extend(
            agent
                .rules
                .iter()
                .map(|(what, id, words)| (format!("{what} {id}"), words.clone())),
        );
        all
    };
    let (old, new) = (
        old.map(facts).unwrap_or_default(),
        new.map(facts).unwrap_or_default(),
    );
    let said = |name: &str, words: &str| match words {
        "" => name.to_owned(),
        words => format!("{name}: {words}"),
    };
    let mut out = Vec::new();
    for (name, words) in &old {
        match new.iter().find(|(other, _)| other == name) {
            None => out.push(line('-', said(name, words))),
            Some((_, now)) if now != words => {
                out.push(line('~', format!("{name}: {words}  →  {now}")));
            }
            Some(_) => {}
        }
    }
    for (name, words) in &new {
        if !old.iter().any(|(other, _)| other == name) {
            out.push(line('+', said(name, words)));
        }
    }
    out
}
