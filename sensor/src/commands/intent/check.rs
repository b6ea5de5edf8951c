//! `tapline intent check`: whether a policy can be used, and what it would tell of captures.

use std::collections::BTreeMap;

use analyzers::intent::Policies;
use analyzers::{Finding, Kind, Severity};

use crate::args::{IntentCheckArgs, RunArgs};
use crate::commands::inventory::severity_look;
use crate::commands::run::rehearse;
use crate::config;
use crate::exit::{Failure, Status};
use crate::intent::{self, many};
use crate::message;
use crate::records::Rfc3339;
use crate::summary::page::{Look, Page, thousands};

pub(super) fn check(args: &IntentCheckArgs) -> Result<Status, Failure> {
    let config = config::from_file(args.config.as_deref()).map_err(Failure::usage)?;
    let mut alone = config.clone();
    // The policy at hand, and no other.
    alone.intent.policies.clear();
    let (policies, _) =
        intent::quietly(&alone, std::slice::from_ref(&args.policy)).map_err(Failure::usage)?;
    if args.captures.is_empty() {
        let name = message::clean(&args.policy.display().to_string());
        return super::super::print(&format!("{name}: no mistakes\n"));
    }
    let (desk, whole) = rehearse(
        &args.captures,
        &RunArgs {
            config: args.config.clone(),
            intent: vec![args.policy.clone()],
            workers: Some(1),
            ..RunArgs::default()
        },
    )?;
    let analyzer = desk.analyzer();
    let mut found: Vec<Finding> = analyzer
        .findings()
        .filter(|f| f.kind == Kind::IntentViolation)
        .filter(|f| f.observed.get("basis").is_some_and(|basis| basis == "policy"))
        .collect();
    found.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    let mut judged: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for (_, agent, calls, outside) in analyzer.judged() {
        let sums = judged.entry(agent).or_default();
        *sums = (sums.0 + 1, sums.1 + calls, sums.2 + outside);
    }
    super::super::print(&page(&policies, &judged, &found))?;
    // Asking for what is not there does nothing, and is told as info.
    Ok(match found.iter().all(|f| f.severity == Severity::Info) {
        true => whole,
        false => whole.max(Status::Violations),
    })
}

fn page(policies: &Policies, judged: &BTreeMap<String, (u64, u64, u64)>, found: &[Finding]) -> String {
    let mut page = Page::for_stdout();
    let (mut calls, mut outside) = (0, 0);
    let width = policies
        .agents()
        .map(|a| a.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(32);
    for agent in policies.agents() {
        let sums = judged.get(agent.name).copied().unwrap_or_default();
        calls += sums.1;
        outside += sums.2;
        let (look, sign) = match sums {
            (0, ..) => (Look::Yellow, "nobody"),
            (.., 0) => (Look::Green, "in"),
            _ => (Look::Red, "out"),
        };
        page.text(look, &format!("{sign:<7}"));
        page.text(Look::Bold, &format!("{:<width$}", agent.name));
        let note = match sums {
            (0, ..) => format!("nobody in these captures is {}", agent.whom.join(" or ")),
            (who, calls, outside) => format!(
                "{}, {} of {} out of intent",
                many(who as usize, "caller"),
                thousands(outside),
                many_calls(calls)
            ),
        };
        page.line(Look::Plain, &format!("  {note}"));
        let own = found
            .iter()
            .filter(|f| f.observed.get("agent").is_some_and(|name| name == agent.name));
        for finding in own {
            page.text(Look::Plain, "  ");
            page.text(
                severity_look(finding.severity as usize),
                &format!("{:<9}", finding.severity.name()),
            );
            page.rest_wrapped(Look::Plain, 11, &finding.explanation);
            page.text(Look::Plain, "           ");
            page.rest_wrapped(Look::Dim, 11, &seen(finding));
        }
    }
    page.newline();
    let (look, verdict) = match outside {
        0 => (
            Look::Green,
            format!("{} judged, none out of intent.", many_calls(calls)),
        ),
        outside => (
            Look::Bold,
            format!(
                "{} of {} out of intent, {}.",
                thousands(outside),
                many_calls(calls),
                many(found.len(), "finding")
            ),
        ),
    };
    page.line(look, &verdict);
    page.finish()
}

/// When it was seen, and one of the exchanges.
fn seen(finding: &Finding) -> String {
    let time = |ts: u64| Rfc3339(ts).to_string().chars().take(19).collect::<String>();
    let (first, last) = (time(finding.first_seen), time(finding.last_seen));
    let mut said = match first == last {
        true => format!("at {first}"),
        false => format!("from {first} to {last}"),
    };
    if let Some(last) = finding.evidence.last() {
        said.push_str(&format!(", e.g. {} {}", last.method, last.target));
        if let [first, .., end] = last.frames.as_slice() {
            said.push_str(&format!(", frames {first} to {end}"));
        }
    }
    said
}

fn many_calls(count: u64) -> String {
    format!("{} call{}", thousands(count), if count == 1 { "" } else { "s" })
}
