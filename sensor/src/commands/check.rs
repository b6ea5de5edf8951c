//! `tapline check`: whether everything is as a policy has it, for people and for CI.

use std::path::Path;

use serde_json::{Value, json};

use super::inventory::severity_look;
use crate::args::CheckArgs;
use crate::exit::{Failure, Status};
use crate::known::accepted::Accepted;
use crate::known::state::{About, State};
use crate::known::subject::rank;
use crate::known::{Files, Source};
use crate::message;
use crate::policy::{Baseline, Judged, Policy, Rule, Violation, judge, junit, sarif};
use crate::summary::page::{Look, Page, thousands};

/// Violations of one rule that are shown to people; data outputs have all.
const MOST: usize = 20;

pub(super) fn check(args: &CheckArgs) -> Result<Status, Failure> {
    let policy = Policy::load(&args.policy).map_err(Failure::usage)?;
    outputs_apart(args)?;
    if args.accepted.is_none()
        && let Some(rule) = policy.rules.iter().find(|rule| rule.wants_baseline)
    {
        return Err(Failure::usage(anyhow::anyhow!(
            "{}:{}:{}: rule `{}` asks what was accepted; give the file that `tapline accept` wrote with --accepted FILE",
            policy.file,
            rule.line,
            rule.column,
            rule.id
        )));
    }
    let source = match &args.store {
        Some(dir) => Source::store(dir, &args.declared)?,
        None => {
            let files = Files {
                inventory: args.inventory.as_deref(),
                agents: args.agents.as_deref(),
                findings: args.findings.as_deref(),
            };
            for (about, file, option) in [
                (About::Endpoint, files.inventory, "--inventory"),
                (About::Principal, files.agents, "--agents"),
                (About::Finding, files.findings, "--findings"),
            ] {
                if file.is_none()
                    && let Some(rule) = policy.rules.iter().find(|rule| rule.about == about)
                {
                    return Err(Failure::usage(anyhow::anyhow!(
                        "{}:{}:{}: rule `{}` is about {}s; give a file of them with {option}, or a store with --store",
                        policy.file,
                        rule.line,
                        rule.column,
                        rule.id,
                        about.name()
                    )));
                }
            }
            Source::files(&files)?
        }
    };
    let accepted = match &args.accepted {
        Some(path) => Some(Accepted::load(path)?.state()),
        None => None,
    };
    let now = accepted.as_ref().map(|_| State::of(&source));
    let baseline = accepted
        .as_ref()
        .zip(now.as_ref())
        .map(|(accepted, now)| Baseline { accepted, now });
    let judged = judge(&policy, &source, baseline.as_ref());

    if let Some(out) = &args.sarif {
        let log = sarif::log(&policy, &judged, args.inventory.as_deref());
        let text = serde_json::to_string_pretty(&log).unwrap_or_default();
        super::write_out(out, &format!("{text}\n"))?;
    }
    if let Some(out) = &args.junit {
        super::write_out(out, &junit::report(&policy, &judged))?;
    }
    if let Some(out) = &args.json {
        let mut text = String::new();
        for violation in judged.violations() {
            text.push_str(&record(&policy, violation).to_string());
            text.push('\n');
        }
        super::write_out(out, &text)?;
    }
    let on_stdout = [&args.sarif, &args.junit, &args.json]
        .into_iter()
        .flatten()
        .any(|out| out.as_os_str() == "-");
    let least = args.fail_on.map_or(0, |s| s as usize);
    let counted = judged
        .violations()
        .filter(|v| rank(policy.rules[v.rule].severity).unwrap_or(0) >= least)
        .count();
    if on_stdout {
        message::info(&verdict(&policy, &judged));
    } else {
        super::print(&page(&policy, &judged))?;
    }
    Ok(match counted {
        0 => Status::Done,
        _ => Status::Violations,
    })
}

/// Whether no two outputs go to the same place, and none over what is read.
fn outputs_apart(args: &CheckArgs) -> Result<(), Failure> {
    let outputs: Vec<(&str, &Path)> = [
        ("--sarif", &args.sarif),
        ("--junit", &args.junit),
        ("--json", &args.json),
    ]
    .into_iter()
    .filter_map(|(name, path)| Some((name, path.as_deref()?)))
    .collect();
    let inputs = [
        ("the policy", Some(&args.policy)),
        ("the inventory", args.inventory.as_ref()),
        ("the agents", args.agents.as_ref()),
        ("the findings", args.findings.as_ref()),
        ("the accepted state", args.accepted.as_ref()),
    ];
    // Names of one file differ; what they lead to does not.
    let same = |a: &Path, b: &Path| {
        a == b
            || match (a.canonicalize(), b.canonicalize()) {
                (Ok(a), Ok(b)) => a == b && a.is_file(),
                _ => false,
            }
    };
    for (place, (name, path)) in outputs.iter().enumerate() {
        if let Some((other, _)) = outputs[..place].iter().find(|(_, other)| same(other, path)) {
            return Err(Failure::usage(anyhow::anyhow!(
                "{other} and {name} both write to {}",
                path.display()
            )));
        }
        for (what, input) in &inputs {
            if input.is_some_and(|input| same(input, path)) {
                return Err(Failure::usage(anyhow::anyhow!(
                    "{name} would overwrite {what}, {}",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// One line of `--json`.
fn record(policy: &Policy, violation: &Violation) -> Value {
    let rule = &policy.rules[violation.rule];
    let observed: serde_json::Map<String, Value> = violation
        .observed
        .iter()
        .map(|(field, value)| (field.clone(), json!(value)))
        .collect();
    let mut record = json!({
        "v": crate::records::VERSION,
        "rule": rule.id,
        "severity": rule.severity,
        "title": rule.title,
        "about": rule.about.name(),
        "id": violation.subject,
        "name": violation.name,
        "condition": rule.wording,
        "observed": observed,
        "message": violation.message(rule),
        "policy": {"file": policy.file, "line": rule.line},
        "fingerprint": violation.fingerprint,
    });
    if let Some(place) = &violation.declared {
        record["declared"] = json!({"file": place.file, "line": place.line});
    }
    record
}

fn verdict(policy: &Policy, judged: &Judged) -> String {
    let rules = policy.rules.len();
    let violated = judged
        .outcomes
        .iter()
        .filter(|o| !o.violations.is_empty())
        .count();
    let count = judged.violations().count();
    let s = |n: usize| if n == 1 { "" } else { "s" };
    match count {
        0 => format!("{rules} rule{} held, no violation", s(rules)),
        count => format!(
            "{violated} of {rules} rule{} violated, {} violation{}",
            s(rules),
            thousands(count as u64),
            s(count)
        ),
    }
}

fn page(policy: &Policy, judged: &Judged) -> String {
    let mut page = Page::for_stdout();
    for (rule, outcome) in policy.rules.iter().zip(&judged.outcomes) {
        heading(&mut page, rule, outcome.violations.len(), outcome.looked_at);
        if outcome.looked_at == 0 {
            let text = match rule.has_where() {
                true => "Nothing is meant by its `where`, so it says nothing.",
                false => "There is nothing of this kind to look at.",
            };
            page.wrapped(Look::Dim, 4, text);
        }
        if !outcome.unknown.is_empty() {
            let fields: Vec<String> = outcome.unknown.iter().map(|f| format!("`{f}`")).collect();
            let text = format!("No record has {}.", fields.join(", "));
            page.wrapped(Look::Yellow, 4, &text);
        }
        for violation in outcome.violations.iter().take(MOST) {
            page.text(Look::Plain, "    ");
            page.rest_wrapped(Look::Bold, 6, &violation.name);
            let observed: Vec<String> = violation
                .observed
                .iter()
                .map(|(field, value)| match value {
                    Some(value) => format!("{field}: {value}"),
                    None => format!("{field}: not known"),
                })
                .collect();
            let declared = match &violation.declared {
                Some(place) => format!("; {}:{}", place.file, place.line),
                None => String::new(),
            };
            page.wrapped(Look::Plain, 6, &format!("{}{declared}", observed.join("; ")));
        }
        let more = outcome.violations.len().saturating_sub(MOST);
        if more > 0 {
            let text = format!(
                "… and {} more (--json, --sarif and --junit have all)",
                thousands(more as u64)
            );
            page.wrapped(Look::Dim, 4, &text);
        }
        if !outcome.violations.is_empty() && !rule.help.is_empty() {
            page.wrapped(Look::Cyan, 4, &format!("→ {}", rule.help));
        }
    }
    page.newline();
    let look = match judged.violations().next() {
        None => Look::Green,
        Some(_) => Look::Bold,
    };
    let text = verdict(policy, judged);
    page.line(look, &format!("{}.", text));
    page.finish()
}

fn heading(page: &mut Page, rule: &Rule, violations: usize, looked_at: u64) {
    let count = match violations {
        0 => format!("{} looked at", thousands(looked_at)),
        violations => format!("{} of {}", thousands(violations as u64), thousands(looked_at)),
    };
    if violations == 0 {
        page.text(Look::Green, "ok    ");
    } else {
        page.text(
            severity_look(rank(rule.severity).unwrap_or(0)),
            &format!(
                "{:<6}",
                if rule.severity == "critical" {
                    "CRIT"
                } else {
                    rule.severity
                }
            ),
        );
    }
    page.text(Look::Plain, " ");
    page.rest_wrapped(Look::Bold, 7, &format!("{}  ({}; {count})", rule.title, rule.id));
}
