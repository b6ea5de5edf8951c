//! `tapline diff`: what changed, between two stores or within one since a day.

use std::path::{Path, PathBuf};

use super::inventory::severity_look;
use crate::args::{DeclaredArgs, DiffArgs};
use crate::exit::{Failure, Status};
use crate::known::change::{self, Change, Happened, Window, is_single};
use crate::known::state::{About, State};
use crate::known::subject::{full_name, rank};
use crate::known::when::When;
use crate::known::{self, Files, Source};
use crate::message;
use crate::records::Rfc3339;
use crate::records::time::NANOS_PER_DAY;
use crate::store::{Reach, Store, StoreError};
use crate::summary::page::{Look, Page, thousands};

/// A moment of a store, with words for it.
pub(super) struct Moment {
    pub(super) state: State,
    pub(super) words: String,
    /// Nanoseconds since 1970: all before it is in the state.
    end: u64,
}

pub(super) fn diff(args: &DiffArgs) -> Result<Status, Failure> {
    let (before, after) = match (&args.store, &args.before, &args.after) {
        (Some(dir), ..) => of_days(dir, (args.since, args.until), &args.declared)?,
        (None, Some(before), Some(after)) => (moment(before, args)?, moment(after, args)?),
        _ => {
            return Err(Failure::usage(anyhow::anyhow!(
                "which two? write `tapline diff A B` with two stores, or `tapline diff --store DIR --since yesterday`"
            )));
        }
    };
    let window = Window {
        from: before.end,
        to: after.end.max(before.end),
    };
    let changes = change::between(&before.state, &after.state, window);
    if args.json {
        let mut out = String::new();
        for change in &changes {
            out.push_str(&change.record().to_string());
            out.push('\n');
        }
        return super::print(&out);
    }
    super::print(&page(&before, &after, &changes))
}

/// Two moments of one store.
pub(super) fn of_days(
    dir: &Path,
    (since, until): (Option<When>, Option<When>),
    declared: &DeclaredArgs,
) -> Result<(Moment, Moment), Failure> {
    let declared = known::declarations(dir, declared)?;
    let (now, reach, days) = Store::read(dir, |store| {
        let now = State::of_analyzer(&known::learned(store, &declared)?);
        let last = now.last.unwrap_or(Rfc3339(0));
        let day = |when: When| when.resolve(last).0 / NANOS_PER_DAY;
        let reach = store.reach()?;
        let since = since.map_or(last.0 / NANOS_PER_DAY, day);
        let before = state_at(store, reach, since.checked_sub(1))?;
        let until = until.map(day);
        let after = match until {
            Some(until) if now.day().is_some_and(|today| until < today) => {
                Some(state_at(store, reach, Some(until))?)
            }
            _ => None,
        };
        Ok((now, reach, (since, until, before, after)))
    })
    .map_err(Failure::input)?;
    let (since, until, before, after) = days;
    if let Some(until) = until
        && until < since
    {
        return Err(Failure::usage(anyhow::anyhow!(
            "--until {} is before --since {}; give the earlier day to --since",
            day_name(until),
            day_name(since)
        )));
    }
    within_reach(dir, since.saturating_sub(1), reach, now.last)?;
    let before = Moment {
        state: before,
        words: match since.checked_sub(1) {
            Some(day) => format!("end of {}", day_name(day)),
            None => "the beginning".to_owned(),
        },
        end: since.saturating_mul(NANOS_PER_DAY),
    };
    let after = match (after, until) {
        (Some(state), Some(until)) => Moment {
            state,
            words: format!("end of {}", day_name(until)),
            end: (until + 1).saturating_mul(NANOS_PER_DAY) - 1,
        },
        _ => present(now, "the last exchange"),
    };
    Ok((before, after))
}

/// A store now, a store at the end of a day, or a file.
fn moment(name: &Path, args: &DiffArgs) -> Result<Moment, Failure> {
    if name.is_file() {
        let source = Source::files(&Files {
            inventory: Some(name),
            ..Files::default()
        })?;
        return Ok(present(State::of(&source), &name.display().to_string()));
    }
    let Some((dir, day)) = dated(name)? else {
        let source = Source::store(name, &args.declared)?;
        return Ok(present(State::of(&source), &name.display().to_string()));
    };
    let declared = known::declarations(&dir, &args.declared)?;
    let (last, reach, state, day) = Store::read(&dir, |store| {
        let analyzer = known::learned(store, &declared)?;
        let last = State::of_analyzer(&analyzer).last;
        let day = day.resolve(last.unwrap_or(Rfc3339(0))).0 / NANOS_PER_DAY;
        let reach = store.reach()?;
        Ok((last, reach, state_at(store, reach, Some(day))?, day))
    })
    .map_err(Failure::input)?;
    within_reach(&dir, day, reach, last)?;
    Ok(Moment {
        state,
        words: format!("{} at the end of {}", dir.display(), day_name(day)),
        end: (day + 1).saturating_mul(NANOS_PER_DAY) - 1,
    })
}

/// Folder and day of `DIR@DAY`; nothing for a name that is a folder as it stands, or has no such end.
fn dated(name: &Path) -> Result<Option<(PathBuf, When)>, Failure> {
    let text = name.to_string_lossy();
    if name.exists() {
        return Ok(None);
    }
    let Some((dir, day)) = text.rsplit_once('@') else {
        return Ok(None);
    };
    let when = When::parse(day).map_err(|what| Failure::usage(anyhow::anyhow!("{what}")))?;
    Ok(Some((PathBuf::from(dir), when)))
}

fn present(state: State, words: &str) -> Moment {
    let last = state.last.map_or(0, |t| t.0);
    let words = match state.last {
        Some(last) => format!("{words}, {} UTC", last.minute()),
        None => format!("{words}, which is empty"),
    };
    Moment {
        state,
        words,
        end: last,
    }
}

fn state_at(store: &Store, reach: Option<Reach>, day: Option<u64>) -> Result<State, StoreError> {
    match (reach, day) {
        (Some(reach), Some(day)) if day >= reach.from => store.state_at(day),
        _ => Ok(State::default()),
    }
}

/// Says what a history that does not go back so far means, or that the question cannot be answered.
fn within_reach(dir: &Path, day: u64, reach: Option<Reach>, last: Option<Rfc3339>) -> Result<(), Failure> {
    let dir = dir.display();
    match reach {
        None if last.is_some() => Err(Failure::usage(anyhow::anyhow!(
            "the store {dir} has no history: no run with it has ended and no day has passed, or store.history_days is 0"
        ))),
        None => Ok(()),
        Some(reach) if day < reach.begins => {
            message::info(&format!(
                "the store {dir} begins on {}: everything in it counts as new",
                day_name(reach.begins)
            ));
            Ok(())
        }
        Some(reach) if day < reach.from => Err(Failure::usage(anyhow::anyhow!(
            "the history of the store {dir} goes back to the end of {} (store.history_days); ask for --since {} or \
             later",
            day_name(reach.from),
            day_name(reach.from + 1)
        ))),
        Some(_) => Ok(()),
    }
}

fn day_name(day: u64) -> String {
    Rfc3339(day.saturating_mul(NANOS_PER_DAY)).day()
}

/// The answer for people: what is new first, what is gone last.
fn page(before: &Moment, after: &Moment, changes: &[Change]) -> String {
    let mut page = Page::for_stdout();
    page.text(Look::Bold, "What changed");
    page.text(Look::Plain, "  ");
    let span = format!("from {} to {}", before.words, after.words);
    page.rest_wrapped(Look::Dim, 14, &message::clean(&span));
    let of = |about, happened| {
        changes
            .iter()
            .filter(|c| c.about == about && c.happened == happened)
            .collect::<Vec<_>>()
    };
    if changes.is_empty() {
        page.newline();
        page.wrapped(
            Look::Plain,
            0,
            "Nothing: the same endpoints, callers, data and findings.",
        );
    }
    let names = Names {
        before: &before.state,
        after: &after.state,
    };
    let endpoints = |happened| of(About::Endpoint, happened);
    section(
        &mut page,
        "New endpoints",
        &endpoints(Happened::New),
        |page, c| {
            page.text(Look::Plain, "  ");
            page.text(Look::Green, "+ ");
            page.rest_wrapped(Look::Bold, 4, &name_of(c));
            page.wrapped(Look::Plain, 4, &arrival(c, &names));
        },
    );
    section(
        &mut page,
        "Templates",
        &endpoints(Happened::Renamed),
        |page, c| {
            page.text(Look::Plain, "  ");
            page.rest_wrapped(Look::Bold, 4, &name_of(c));
            let from = some(&c.removed, 4);
            page.wrapped(Look::Plain, 4, &format!("took the place of {from}"));
        },
    );
    changed(&mut page, &endpoints(Happened::Changed), &names);
    section(
        &mut page,
        "Called again after a long silence",
        &endpoints(Happened::Back),
        |page, c| {
            page.text(Look::Plain, "  ");
            page.rest_wrapped(Look::Bold, 4, &name_of(c));
            let days = c.numbers["silent_days"].as_u64().unwrap_or(0);
            page.wrapped(Look::Yellow, 4, &format!("nobody had called it for {days} days"));
        },
    );
    let silent = endpoints(Happened::Silent);
    section(&mut page, "Gone silent", &silent, |page, c| {
        page.text(Look::Plain, "  ");
        page.rest_wrapped(Look::Bold, 4, &name_of(c));
        page.wrapped(Look::Plain, 4, &silence(c));
    });
    section(
        &mut page,
        "No longer there",
        &endpoints(Happened::Gone),
        |page, c| {
            page.text(Look::Plain, "  ");
            page.text(Look::Red, "− ");
            page.rest_wrapped(Look::Plain, 4, &name_of(c));
        },
    );
    let callers = of(About::Principal, Happened::New);
    section(&mut page, "New callers", &callers, |page, c| {
        let facts = c.facts.clone().unwrap_or_default();
        let kind = match facts.fact("kind").next() {
            Some("ai_agent") => ("AI agent", Look::Magenta),
            _ => ("service", Look::Cyan),
        };
        let auth: Vec<&str> = facts.fact("auth").collect();
        page.text(Look::Plain, "  ");
        page.text(Look::Green, "+ ");
        page.text(kind.1, kind.0);
        page.text(Look::Plain, " ");
        let text = format!("{} ({})", c.name("name"), auth.join(", "));
        page.rest_wrapped(Look::Plain, 4, &text);
    });
    caller_changes(&mut page, &of(About::Principal, Happened::Changed));
    section(
        &mut page,
        "New findings",
        &of(About::Finding, Happened::New),
        |page, c| {
            let facts = c.facts.clone().unwrap_or_default();
            finding(page, c, facts.fact("severity").next().unwrap_or("info"), "");
        },
    );
    let other = of(About::Finding, Happened::Changed);
    let worse: Vec<&Change> = other.iter().copied().filter(|c| c.fact == "severity").collect();
    section(&mut page, "Findings of another severity", &worse, |page, c| {
        let note = format!(" (was {})", c.removed.join(", "));
        finding(page, c, c.added.first().map_or("info", String::as_str), &note);
    });
    let closed: Vec<&Change> = other.iter().copied().filter(|c| c.fact == "closed").collect();
    section(&mut page, "Closed findings", &closed, |page, c| {
        page.wrapped(Look::Dim, 2, &format!("{}  {}", c.name("title"), c.id));
    });
    page.finish()
}

fn section(page: &mut Page, title: &str, changes: &[&Change], mut each: impl FnMut(&mut Page, &Change)) {
    if changes.is_empty() {
        return;
    }
    page.heading(title, &thousands(changes.len() as u64));
    for change in changes {
        each(page, change);
    }
}

fn name_of(change: &Change) -> String {
    message::clean(&full_name(
        change.name("method"),
        change.name("host"),
        change.name("template"),
    ))
}

/// Words, the first few of many.
fn some(words: &[String], most: usize) -> String {
    let mut text = words.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if words.len() > most {
        text.push_str(&format!(" and {} more", words.len() - most));
    }
    text
}

/// Names of callers, which facts tell by their ids.
struct Names<'a> {
    before: &'a State,
    after: &'a State,
}

impl Names<'_> {
    fn of(&self, id: &str) -> String {
        let known = |state: &State| {
            state
                .about(About::Principal)
                .get(id)
                .map(|f| f.name("name").to_owned())
        };
        known(self.after)
            .or_else(|| known(self.before))
            .unwrap_or_else(|| id.to_owned())
    }

    /// The words of a fact as people read them.
    fn words(&self, fact: &str, words: &[String]) -> Vec<String> {
        match fact {
            "agents" => words
                .iter()
                .map(|id| format!("AI agent {}", self.of(id)))
                .collect(),
            "services" => words
                .iter()
                .map(|id| format!("service {}", self.of(id)))
                .collect(),
            "others" => words
                .iter()
                .map(|kind| match kind.as_str() {
                    "human" => "people".to_owned(),
                    _ => "unknown callers".to_owned(),
                })
                .collect(),
            _ => words.to_vec(),
        }
    }
}

/// What is known of a new endpoint, in one line.
fn arrival(change: &Change, names: &Names<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(first) = change
        .numbers
        .get("first_seen")
        .and_then(|t| Rfc3339::parse(t.as_str()?))
    {
        parts.push(format!("first seen {} UTC", first.minute()));
    }
    if let Some(calls) = change
        .numbers
        .get("exchanges")
        .and_then(serde_json::Value::as_u64)
    {
        parts.push(match calls {
            1 => "1 call".to_owned(),
            calls => format!("{} calls", thousands(calls)),
        });
    }
    if let Some(facts) = &change.facts {
        let words = |fact: &str| {
            let all: Vec<String> = facts.fact(fact).map(str::to_owned).collect();
            names.words(fact, &all)
        };
        let mut callers = words("agents");
        callers.extend(words("services"));
        callers.extend(words("others"));
        if !callers.is_empty() {
            parts.push(format!("by {}", some(&callers, 3)));
        }
        let auth = words("auth");
        match auth.as_slice() {
            [] => {}
            [none] if none == "none" => parts.push("without a credential".to_owned()),
            auth => parts.push(format!("auth {}", auth.join(", "))),
        }
        let data = words("data_classes");
        if !data.is_empty() {
            parts.push(format!("data {}", data.join(", ")));
        }
        for (fact, name) in [
            ("owner", "owner"),
            ("tier", "tier"),
            ("environment", "environment"),
        ] {
            if let Some(word) = facts.fact(fact).next() {
                parts.push(format!("{name} {word}"));
            }
        }
        if facts.fact("documented").next() == Some("no") {
            parts.push("not declared".to_owned());
        }
    }
    parts.join("; ")
}

fn silence(change: &Change) -> String {
    let text = |name: &str| {
        change
            .numbers
            .get(name)
            .and_then(|v| v.as_str())
            .unwrap_or_default()
    };
    let count = |name: &str| change.numbers.get(name).and_then(serde_json::Value::as_u64);
    let words = |name: &str| thousands(count(name).unwrap_or(0));
    format!(
        "no call since {} UTC; by its {} calls before, about {} were to be expected",
        Rfc3339::parse(text("last_seen")).map_or(String::new(), Rfc3339::minute),
        words("exchanges"),
        words("expected_calls")
    )
}

/// Facts of endpoints that differ, below each endpoint.
fn changed(page: &mut Page, changes: &[&Change], names: &Names<'_>) {
    const INDENT: usize = 18;
    if changes.is_empty() {
        return;
    }
    let mut ids: Vec<&str> = changes.iter().map(|c| c.id.as_str()).collect();
    ids.dedup();
    page.heading("Changed endpoints", &thousands(ids.len() as u64));
    let mut last = "";
    for change in changes {
        if change.id != last {
            page.text(Look::Plain, "  ");
            page.rest_wrapped(Look::Bold, 4, &name_of(change));
            last = &change.id;
        }
        let title = match change.fact.as_str() {
            "data_classes" => "data",
            "agents" | "services" | "others" => "callers",
            "documented" => "declared",
            fact => fact,
        };
        let title = title.replace('_', " ");
        page.text(Look::Dim, &format!("    {title:<width$}", width = INDENT - 4));
        let added = names.words(&change.fact, &change.added);
        let removed = names.words(&change.fact, &change.removed);
        let mut text = Vec::new();
        if is_single(&change.fact) {
            let or_none = |words: &[String]| match words {
                [] => "none".to_owned(),
                words => words.join(", "),
            };
            text.push(format!("{} → {}", or_none(&removed), or_none(&added)));
        } else {
            text.extend((!added.is_empty()).then(|| format!("+ {}", some(&added, 8))));
            text.extend((!removed.is_empty()).then(|| format!("− {}", some(&removed, 8))));
        }
        // What may be a hole in the fence is marked.
        let look = match change.fact.as_str() {
            "auth" if change.added.iter().any(|a| a == "none") => Look::Red,
            "data_classes" if !change.added.is_empty() => Look::Red,
            _ if change.added.is_empty() => Look::Dim,
            _ => Look::Yellow,
        };
        page.rest_wrapped(look, INDENT, &text.join("   "));
    }
}

fn caller_changes(page: &mut Page, changes: &[&Change]) {
    section(page, "Changed callers", changes, |page, c| {
        let list = |sign: &str, words: &[String]| match words {
            [] => String::new(),
            words => format!(" {sign} {}", words.join(", ")),
        };
        let text = format!(
            "{}  {}{}{}",
            c.name("name"),
            c.fact,
            list("+", &c.added),
            list("−", &c.removed)
        );
        page.wrapped(Look::Plain, 2, &text);
    });
}

fn finding(page: &mut Page, change: &Change, severity: &str, note: &str) {
    const INDENT: usize = 12;
    let place = full_name(
        change.name("method"),
        change.name("host"),
        change.name("template"),
    );
    page.text(Look::Plain, "  ");
    page.text(
        severity_look(rank(severity).unwrap_or(0)),
        &format!("{:<width$}", severity.to_uppercase(), width = INDENT - 2),
    );
    page.rest_wrapped(Look::Bold, INDENT, &format!("{}{note}", change.name("title")));
    let kind = change.name("kind");
    let about = if place.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} at {place}")
    };
    page.wrapped(Look::Dim, INDENT, &format!("{about}  {}", change.id));
}
