//! `tapline intent generate`: a policy of what agents were seen to do, for people to read, cut down and sign.
//!
//! Everything in it follows from what was learned, in an order that does not depend on how it was learned: the same store gives
//! the same text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use analyzers::intent::{Policies, StepView, Used, WatchView};
use analyzers::{Analyzer, EndpointView, PrincipalKind, PrincipalView};

use crate::args::{DeclaredArgs, IntentGenerateArgs, RunArgs};
use crate::commands::run::rehearse;
use crate::exit::{Failure, Status};
use crate::intent;
use crate::known::Source;
use crate::message;
use crate::records::Rfc3339;

pub(super) fn generate(args: &IntentGenerateArgs) -> Result<Status, Failure> {
    if args.store.is_none() && args.captures.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!(
            "from what? give captures, or a store with --store DIR"
        )));
    }
    let mut whole = Status::Done;
    if let (Some(out), Some(store)) = (&args.out, &args.store) {
        super::super::outside("--out", out, store)?;
    }
    let text = match &args.store {
        Some(dir) => {
            let declared = DeclaredArgs {
                config: None,
                spec: Vec::new(),
            };
            match Source::store(dir, &declared)? {
                Source::Store(analyzer) => draft(&analyzer, args)?,
                Source::Files { .. } => String::new(),
            }
        }
        None => {
            let run = RunArgs {
                config: args.config.clone(),
                workers: Some(1),
                ..RunArgs::default()
            };
            let (desk, status) = rehearse(&args.captures, &run)?;
            whole = status;
            draft(desk.analyzer(), args)?
        }
    };
    // What is given out can be read back; were it not so, that is a defect to be told here and not by whoever uses it.
    let mut policies = Policies::default();
    policies.add("the draft", &text).map_err(|mistakes| {
        Failure::output(anyhow::anyhow!(
            "the draft is not a policy, which is a defect in tapline; please report it: {}",
            intent::told("the draft", &mistakes)
        ))
    })?;
    let Some(out) = &args.out else {
        return Ok(super::super::print(&text)?.max(whole));
    };
    super::super::write_out(out, &text)?;
    let [agents, _, permits, budgets, _] = policies.counts();
    message::info(&format!(
        "{}: {}, {}, {}; read it before it is used",
        out.display(),
        intent::many(agents, "agent"),
        intent::many(permits, "permit"),
        intent::many(budgets, "budget")
    ));
    Ok(whole)
}

/// The text of the policy.
fn draft(analyzer: &Analyzer, args: &IntentGenerateArgs) -> Result<String, Failure> {
    let endpoints: BTreeMap<String, EndpointView> =
        analyzer.endpoints().map(|view| (view.id.clone(), view)).collect();
    let is_meant = |view: &PrincipalView| {
        let kind = match args.kind.is_empty() {
            true => !args.principal.is_empty() || view.kind == PrincipalKind::AiAgent,
            false => args.kind.iter().any(|kind| kind == view.kind.name()),
        };
        let named = args.principal.is_empty()
            || args.principal.iter().any(|wanted| {
                view.name.as_deref() == Some(wanted)
                    || (wanted.len() >= 4 && view.id.starts_with(wanted.as_str()))
            });
        kind && named
    };
    let mut all: Vec<(PrincipalView, bool, WatchView)> =
        analyzer.watched().filter(|(view, ..)| is_meant(view)).collect();
    all.sort_by(|a, b| (&a.0.name, &a.0.id).cmp(&(&b.0.name, &b.0.id)));
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    for (view, ..) in &all {
        *names.entry(view.name.as_deref().unwrap_or("")).or_default() += 1;
    }
    let mut sections = Vec::new();
    for (view, named, watched) in &all {
        let unique = names.get(view.name.as_deref().unwrap_or("")) == Some(&1);
        sections.extend(agent(view, *named && unique, watched, &endpoints, args));
    }
    if sections.is_empty() {
        let what = match (args.principal.is_empty(), args.store.is_some()) {
            (false, _) => {
                "no such principal did anything that a policy could permit; `tapline agents` lists who there is"
            }
            (true, true) => {
                "the store knows no AI agent of which enough was seen; --kind service asks for services"
            }
            (true, false) => "there is no AI agent in these captures; --kind service asks for services",
        };
        return Err(Failure::usage(anyhow::anyhow!(what)));
    }
    let calls: u64 = all.iter().map(|(.., watched)| watched.calls).sum();
    let first = all.iter().map(|(view, ..)| view.first_seen.0).min().unwrap_or(0);
    let last = all.iter().map(|(view, ..)| view.last_seen.0).max().unwrap_or(0);
    let day = |ts: u64| Rfc3339(ts).to_string().chars().take(10).collect::<String>();
    let mut out = format!(
        "# Drawn up by tapline from what was observed: {} of {}, {} to {}.\n\
         # Read it, take out what should not be, set the mode to \"enforce\" and sign it (tapline intent sign).\n\
         # Budgets are {} times the most that was seen; an order is there when it held in {} or more.\n\n\
         [policy]\nmode = \"observe\"\nseverity = \"medium\"\n",
        count(calls, "call"),
        count(sections.len() as u64, "agent"),
        day(first),
        day(last),
        args.margin,
        count(args.support, "task"),
    );
    for section in sections {
        out.push('\n');
        out.push_str(&section);
    }
    Ok(out)
}

/// `1 call`, `1204 calls`.
fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    serde_json::to_string(text)
        .unwrap_or_default()
        .replace('\u{7f}', "\\u007f")
}

/// What a policy calls an endpoint.
struct Action {
    /// `allow`, `tools` and so on.
    key: &'static str,
    value: String,
    id: String,
    /// Keeping house of a protocol, in order where anything of it is permitted.
    setup: bool,
}

fn action(view: &EndpointView, operation: Option<&str>) -> Action {
    let (path, own) = match view.template.split_once('#') {
        Some((path, own)) => (path, Some(own)),
        None => (view.template.as_str(), None),
    };
    let operation = operation.or(own);
    let Some(operation) = operation else {
        return Action {
            key: "allow",
            value: format!("{} {path}", view.method),
            id: slug(&format!("{} {path}", view.method)),
            setup: false,
        };
    };
    let named = |key: &'static str, name: &str, prefix: &str| Action {
        key,
        value: name.to_owned(),
        id: slug(&format!("{prefix} {name}")),
        setup: false,
    };
    if let Some(tool) = operation.strip_prefix("tools/call:") {
        return named("tools", tool, "tool");
    }
    if let Some(prompt) = operation.strip_prefix("prompts/get:") {
        return named("prompts", prompt, "prompt");
    }
    if operation == "resources/read" {
        return named("resources", "*", "resources");
    }
    if view.protocol == "llm"
        && let Some((_, model)) = operation.split_once(':')
    {
        return named("models", model, "model");
    }
    let setup = matches!(view.protocol.as_str(), "mcp" | "a2a")
        && (matches!(
            operation,
            "initialize"
                | "ping"
                | "server/discover"
                | "tools/list"
                | "resources/list"
                | "resources/templates/list"
                | "prompts/list"
                | "logging/setLevel"
                | "roots/list"
        ) || operation.starts_with("notifications/"));
    Action {
        key: "allow",
        value: format!("{} {path}#{operation}", view.method),
        id: slug(operation),
        setup,
    }
}

/// An id of letters, digits and dashes.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        match c.is_ascii_alphanumeric() || c == '_' {
            true => out.push(c),
            false if !out.ends_with('-') => out.push('-'),
            false => {}
        }
    }
    let out = out.trim_matches('-');
    let out: String = out.chars().take(64).collect();
    if out.is_empty() { "rule".to_owned() } else { out }
}

/// One permit of the draft.
struct Permit<'a> {
    action: Action,
    step: StepView,
    view: &'a EndpointView,
}

fn agent(
    view: &PrincipalView,
    by_name: bool,
    watched: &WatchView,
    endpoints: &BTreeMap<String, EndpointView>,
    args: &IntentGenerateArgs,
) -> Option<String> {
    let mut permits: Vec<Permit<'_>> = Vec::new();
    for step in &watched.steps {
        let Some(known) = endpoints.get(&step.endpoint) else {
            continue;
        };
        if known.template.ends_with("#batch") {
            continue;
        }
        permits.push(Permit {
            action: action(known, None),
            step: step.clone(),
            view: known,
        });
    }
    for (endpoint, operation, calls) in &watched.batched {
        let Some(known) = endpoints.get(endpoint) else {
            continue;
        };
        let action = action(known, Some(operation));
        let same = permits.iter().any(|p| {
            p.view.host == known.host && p.action.key == action.key && p.action.value == action.value
        });
        if !same {
            permits.push(Permit {
                action,
                step: StepView {
                    endpoint: format!("{endpoint} {operation}"),
                    calls: *calls,
                    done: *calls,
                    days: 1,
                    units: 0,
                    after: Vec::new(),
                },
                view: known,
            });
        }
    }
    // Keeping house needs no permit of its own where something else of the protocol has one.
    let speaks: Vec<(String, String)> = permits
        .iter()
        .filter(|p| {
            !p.action.setup && p.action.key != "models" && matches!(p.view.protocol.as_str(), "mcp" | "a2a")
        })
        .map(|p| (p.view.host.clone(), p.view.protocol.clone()))
        .collect();
    permits.retain(|p| !p.action.setup || !speaks.contains(&(p.view.host.clone(), p.view.protocol.clone())));
    if permits.is_empty() {
        return None;
    }
    permits.sort_by(|a, b| {
        let key = |p: &Permit<'_>| {
            (
                p.view.host.clone(),
                p.view.template.clone(),
                p.view.method.clone(),
                p.action.value.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    let mut ids: Vec<String> = Vec::new();
    for permit in &permits {
        let mut id = permit.action.id.clone();
        let mut number = 1;
        while ids.contains(&id) {
            number += 1;
            id = format!("{}-{number}", permit.action.id);
        }
        ids.push(id);
    }
    let name = view.name.clone().unwrap_or_else(|| view.id.clone());
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# {} on {} in {}; {}",
        count(watched.calls, "call"),
        count(u64::from(watched.days), "day"),
        count(watched.units, "task"),
        match view.kind {
            PrincipalKind::AiAgent => "an AI agent",
            PrincipalKind::Service => "a service",
            _ => "a caller",
        }
    );
    if watched.untold > 0 {
        let _ = writeln!(
            out,
            "# {} to rarely used endpoints not told here: there are more than are kept of one caller",
            count(watched.untold, "call")
        );
    }
    if watched.unplaced > 0 {
        let _ = writeln!(
            out,
            "# {} to no known endpoint; nothing below permits them",
            count(watched.unplaced, "call")
        );
    }
    out.push_str("[[agent]]\n");
    let clash = !by_name || name.contains('*');
    let shown = match clash && view.name.is_some() {
        true => format!("{name} {}", &view.id[..8.min(view.id.len())]),
        false => name.clone(),
    };
    let _ = writeln!(out, "name = {}", quoted(&shown));
    let _ = match clash {
        true => writeln!(out, "id = {}", quoted(&view.id)),
        false => writeln!(out, "client = {}", quoted(&name)),
    };
    budgets(&mut out, watched, args.margin);
    let mut host: Option<&str> = None;
    for (permit, id) in permits.iter().zip(&ids) {
        if host != Some(permit.view.host.as_str()) {
            host = Some(&permit.view.host);
            let _ = write!(
                out,
                "\n[[agent.goal]]\nname = {}\nhost = {}\n",
                quoted(&format!("Use {}", permit.view.host)),
                quoted(&permit.view.host)
            );
        }
        let after = order(permit, &permits, &ids, args.support);
        let mut note = format!(
            "{} on {}",
            count(permit.step.calls, "call"),
            count(u64::from(permit.step.days), "day")
        );
        if permit.step.units > 0 {
            let _ = write!(note, " in {}", count(permit.step.units, "task"));
        } else {
            note.push_str(", in batches");
        }
        if !after.is_empty() {
            let _ = write!(note, "; in all of these after {}", after.join(" and "));
        }
        if permit.step.done == 0 {
            note.push_str("; none of them successful: take it out unless it is meant");
        }
        let _ = write!(
            out,
            "\n# {note}\n[[agent.goal.permit]]\nid = {}\n{} = {}\n",
            quoted(id),
            permit.action.key,
            quoted(&permit.action.value)
        );
        if !after.is_empty() {
            let list: Vec<String> = after.iter().map(|id| quoted(id)).collect();
            let _ = writeln!(out, "after = [{}]", list.join(", "));
        }
    }
    Some(out)
}

/// What a permit always came after, without what follows from the rest of it.
fn order(permit: &Permit<'_>, permits: &[Permit<'_>], ids: &[String], support: u64) -> Vec<String> {
    if permit.step.units < support.max(1) {
        return Vec::new();
    }
    let at = |endpoint: &str| permits.iter().position(|p| p.step.endpoint == endpoint);
    let before: Vec<usize> = permit.step.after.iter().filter_map(|e| at(e)).collect();
    let follows = |a: &usize| {
        before.iter().any(|b| {
            let other = &permits[*b];
            b != a
                && other.step.units >= support.max(1)
                && other.step.after.contains(&permits[*a].step.endpoint)
        })
    };
    let mut out: Vec<String> = before
        .iter()
        .filter(|a| !follows(a))
        .map(|a| ids[*a].clone())
        .collect();
    out.sort();
    out
}

fn budgets(out: &mut String, watched: &WatchView, margin: f64) {
    let per = ["task", "hour", "day"];
    for (per, most) in per.iter().zip(watched.most) {
        let Used {
            calls,
            objects,
            bytes,
            tokens,
        } = most;
        let objects = objects.unwrap_or(0);
        let seen: Vec<String> = [
            (calls, "call"),
            (objects, "object"),
            (bytes, "byte"),
            (tokens, "token"),
        ]
        .iter()
        .filter(|(most, _)| *most > 0)
        .map(|(most, what)| count(*most, what))
        .collect();
        let _ = write!(
            out,
            "\n# at most seen in one {per}: {}\n[[agent.budget]]\nid = \"per-{per}\"\nper = \"{per}\"\n",
            seen.join(", ")
        );
        let mut limit = |name: &str, most: u64, least: u64| {
            if most > 0 {
                let _ = writeln!(out, "{name} = {}", above(most, margin).max(least));
            }
        };
        limit("calls", calls, 1);
        limit("objects", objects, 1);
        limit("bytes", bytes, 1000);
        limit("tokens", tokens, 1);
    }
}

/// A number with the margin above it, to two digits: small changes of traffic do not change the policy.
fn above(most: u64, margin: f64) -> u64 {
    let wanted = (most as f64 * margin).ceil();
    let mut unit = 1.0;
    while wanted / unit >= 100.0 {
        unit *= 10.0;
    }
    ((wanted / unit).ceil() * unit) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_round_and_above_what_was_seen() {
        for (most, margin, wanted) in [
            (1, 1.5, 2),
            (7, 1.0, 7),
            (66, 1.5, 99),
            (67, 1.5, 110),
            (1000, 1.5, 1500),
            (123_456, 1.0, 130_000),
            (0, 2.0, 0),
        ] {
            assert_eq!(above(most, margin), wanted, "{most} {margin}");
        }
    }

    #[test]
    fn ids_are_plain() {
        for (text, wanted) in [
            ("GET /v1/orders/{int}", "get-v1-orders-int"),
            ("tool look_up", "tool-look_up"),
            ("查询", "rule"),
            ("GET /", "get"),
        ] {
            assert_eq!(slug(text), wanted);
        }
    }
}
