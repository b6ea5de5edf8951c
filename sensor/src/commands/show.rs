//! `tapline show`: everything that is known of one endpoint, for a person.

use serde_json::{Value, json};

use super::inventory::severity_look;
use crate::args::ShowArgs;
use crate::exit::{Failure, Status};
use crate::known::subject::{self, name_of, rank};
use crate::known::{self, Known, Source, facts};
use crate::message;
use crate::summary::page::{Cell, Column, Look, Page, bytes, thousands};

/// Callers shown; the rest are counted.
const MOST_CALLERS: usize = 40;
/// Candidates listed when several endpoints may be meant.
const MOST_CANDIDATES: usize = 20;

pub(super) fn show(args: &ShowArgs) -> Result<Status, Failure> {
    let source = Source::store(&args.store, &args.declared)?;
    let asked = args.endpoint.join(" ");
    let endpoint = one(&source, &asked)?;
    let callers = callers(&source, &endpoint);
    let findings: Vec<Known> = findings(&source, &endpoint);
    if args.json {
        let values = |all: &[Known]| all.iter().map(|k| k.value.clone()).collect::<Vec<_>>();
        let principals: Vec<Value> = callers.iter().map(|c| c.principal.value.clone()).collect();
        let object = json!({
            "v": 1,
            "endpoint": endpoint.value,
            "callers": principals,
            "findings": values(&findings),
        });
        return super::print(&format!("{object}\n"));
    }
    super::print(&page(&endpoint, &callers, &findings))
}

/// The one endpoint that is meant.
///
/// # Errors
///
/// When there is none, or it may be any of several: they are listed.
pub(super) fn one(source: &Source, asked: &str) -> Result<Known, Failure> {
    let mut found = subject::meant(source, asked);
    let said = message::clean(asked);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let near = subject::near(source, asked, 5);
            let more = if near.is_empty() {
                "; `tapline inventory` lists all".to_owned()
            } else {
                format!("; did you mean one of these?\n  {}", near.join("\n  "))
            };
            Err(Failure::usage(anyhow::anyhow!(
                "no endpoint is known as `{said}`{more}"
            )))
        }
        count => {
            let list: Vec<String> = found
                .iter()
                .take(MOST_CANDIDATES)
                .map(|e| format!("{}  {}", e.text("id"), name_of(e)))
                .collect();
            let more = match count.saturating_sub(MOST_CANDIDATES) {
                0 => String::new(),
                more => format!("\n  … and {more} more"),
            };
            Err(Failure::usage(anyhow::anyhow!(
                "`{said}` may be any of {count} endpoints; name one by its id, or by method, host and path:\n  {}{more}",
                list.join("\n  ")
            )))
        }
    }
}

/// A caller of the endpoint, with the number of its calls when that is among those kept.
struct CalledBy {
    principal: Known,
    calls: Option<u64>,
}

/// Who calls the endpoint, most calls first.
fn callers(source: &Source, endpoint: &Known) -> Vec<CalledBy> {
    let id = endpoint.text("id");
    let mut found: Vec<CalledBy> = source
        .principals()
        .filter_map(|principal| {
            let calls = principal.value["endpoints"]
                .as_array()
                .and_then(|all| all.iter().find(|e| e["id"] == id))
                .and_then(|e| e["exchanges"].as_u64());
            let known = calls.is_some()
                || endpoint
                    .called_by
                    .binary_search_by(|own| own.as_str().cmp(principal.text("id")))
                    .is_ok();
            known.then_some(CalledBy { principal, calls })
        })
        .collect();
    found.sort_by(|a, b| {
        (b.calls, a.principal.text("kind"), a.principal.text("id")).cmp(&(
            a.calls,
            b.principal.text("kind"),
            b.principal.text("id"),
        ))
    });
    found
}

/// What was found about the endpoint, worst first.
fn findings(source: &Source, endpoint: &Known) -> Vec<Known> {
    let id = endpoint.text("id");
    let mut found: Vec<Known> = source
        .findings()
        .filter(|f| f.value["resource"]["endpoint"] == id)
        .collect();
    found.sort_by_key(|f| std::cmp::Reverse(rank(f.text("severity"))));
    found
}

/// Fields of the record that the page tells in words of its own.
const TOLD: [&str; 36] = [
    "v",
    "id",
    "host",
    "method",
    "template",
    "protocol",
    "first_seen",
    "last_seen",
    "exchanges",
    "status",
    "callers",
    "agents",
    "auth",
    "request_types",
    "response_types",
    "data_classes",
    "latency_us",
    "request_bytes",
    "response_bytes",
    "damaged",
    "purpose",
    "owner",
    "tier",
    "environment",
    "documented",
    "parameters",
    "fields",
    "callers_by_kind",
    "template_reasons",
    "tier_reasons",
    "owner_source",
    "declared",
    "deprecated",
    "agent_facing",
    "confidence",
    "confidence_reasons",
];

fn page(endpoint: &Known, callers: &[CalledBy], findings: &[Known]) -> String {
    let mut page = Page::for_stdout();
    let method = endpoint.text("method");
    page.text(Look::Cyan, method);
    page.text(Look::Plain, " ");
    page.rest_wrapped(
        Look::Bold,
        method.len() + 1,
        &format!("{}{}", endpoint.text("host"), endpoint.text("template")),
    );
    page.line(
        Look::Dim,
        &format!("{}  {}", endpoint.text("protocol"), endpoint.text("id")),
    );
    page.newline();
    for (name, text, look) in told(endpoint) {
        fact(&mut page, &name, &text, look);
    }
    for (name, value) in endpoint.value.as_object().into_iter().flatten() {
        if !TOLD.contains(&name.as_str()) {
            fact(&mut page, &name.replace('_', " "), &in_words(value), Look::Plain);
        }
    }
    table_of(&mut page, "Parameters", &endpoint.value["parameters"]);
    table_of(&mut page, "Fields", &endpoint.value["fields"]);
    caller_table(&mut page, endpoint, callers);
    finding_list(&mut page, findings);
    page.finish()
}

/// A name and what is known under it.
fn fact(page: &mut Page, name: &str, text: &str, look: Look) {
    const INDENT: usize = 18;
    if text.is_empty() {
        return;
    }
    let name: String = name.chars().take(INDENT - 4).collect();
    page.text(Look::Dim, &format!("  {name:<width$}", width = INDENT - 2));
    page.rest_wrapped(look, INDENT, text);
}

fn told(endpoint: &Known) -> Vec<(String, String, Look)> {
    let v = &endpoint.value;
    let fact = |name: &str| facts::text(v, name).unwrap_or_default();
    let reasons = |name: &str| match endpoint.names(name) {
        reasons if reasons.is_empty() => String::new(),
        reasons => format!(" ({})", reasons.join(", ")),
    };
    let calls = endpoint.count("exchanges");
    let open = endpoint.names("auth").contains(&"none");
    let documented = match facts::documented(endpoint) {
        Some(true) => {
            let operation = v["declared"]["operation"].as_str();
            let operation = operation.map_or(String::new(), |id| format!(", operation {id}"));
            let place = facts::declared_at(endpoint);
            let place = place.map_or(String::new(), |at| format!(": {}:{}", at.file, at.line));
            format!("yes{place}{operation}")
        }
        Some(false) => "no, although a specification speaks of its host".to_owned(),
        None => String::new(),
    };
    let seen = |field| endpoint.time(field).map_or(String::new(), |t| t.second());
    let row = |name: &str, text: String, look: Look| (name.to_owned(), text, look);
    vec![
        row("purpose", fact("purpose"), Look::Plain),
        row(
            "parameters",
            endpoint.names("template_reasons").join("; "),
            Look::Plain,
        ),
        row("environment", fact("environment"), Look::Plain),
        row(
            "owner",
            match (fact("owner"), endpoint.text("owner_source")) {
                (owner, "") => owner,
                (owner, source) => format!("{owner} ({source})"),
            },
            Look::Plain,
        ),
        row(
            "tier",
            match fact("tier") {
                tier if tier.is_empty() => tier,
                tier => format!("{tier}{}", reasons("tier_reasons")),
            },
            Look::Plain,
        ),
        row(
            "deprecated",
            if v["deprecated"] == true {
                "yes".to_owned()
            } else {
                String::new()
            },
            Look::Yellow,
        ),
        row("declared", documented, Look::Plain),
        row(
            "seen",
            format!("{} to {} UTC", seen("first_seen"), seen("last_seen")),
            Look::Plain,
        ),
        row("calls", calls_in_words(endpoint), Look::Plain),
        row("callers", callers_in_words(endpoint), Look::Plain),
        row(
            "auth",
            shares(&v["auth"], calls),
            if open { Look::Yellow } else { Look::Plain },
        ),
        row("data", counts(&v["data_classes"]), Look::Red),
        row("request types", counts(&v["request_types"]), Look::Plain),
        row("response types", counts(&v["response_types"]), Look::Plain),
        row("latency", quantiles(&v["latency_us"], micros), Look::Plain),
        row("request size", quantiles(&v["request_bytes"], bytes), Look::Plain),
        row(
            "response size",
            quantiles(&v["response_bytes"], bytes),
            Look::Plain,
        ),
        row(
            "confidence",
            match v["confidence"].as_f64() {
                Some(confidence) => format!("{confidence:.2}{}", reasons("confidence_reasons")),
                None => String::new(),
            },
            Look::Plain,
        ),
        row(
            "damaged",
            match endpoint.count("damaged") {
                0 => "no exchange".to_owned(),
                count => format!(
                    "{} of {} exchanges were built from damaged input",
                    thousands(count),
                    thousands(calls)
                ),
            },
            Look::Plain,
        ),
    ]
}

fn callers_in_words(endpoint: &Known) -> String {
    let kinds = &endpoint.value["callers_by_kind"];
    let each: Vec<String> = [
        ("ai_agent", "AI agent", "AI agents"),
        ("service", "service", "services"),
        ("human", "person", "people"),
        ("unknown", "unknown", "unknown"),
    ]
    .into_iter()
    .filter_map(|(kind, one, many)| match kinds[kind].as_u64()? {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{} {many}", thousands(count))),
    })
    .collect();
    each.join(", ")
}

fn calls_in_words(endpoint: &Known) -> String {
    let status = &endpoint.value["status"];
    let mut parts = Vec::new();
    for (class, name) in [
        ("1xx", "1xx"),
        ("2xx", "2xx"),
        ("3xx", "3xx"),
        ("4xx", "4xx"),
        ("5xx", "5xx"),
        ("none", "without an answer"),
    ] {
        match status[class].as_u64() {
            None | Some(0) => {}
            Some(count) => parts.push(format!("{} {name}", thousands(count))),
        }
    }
    let calls = thousands(endpoint.count("exchanges"));
    match parts.is_empty() {
        true => calls,
        false => format!("{calls}: {}", parts.join(", ")),
    }
}

/// Names with counts and shares, the most first.
fn shares(of: &Value, all: u64) -> String {
    let share = |count: u64| {
        let percent = count as f64 * 100.0 / all.max(1) as f64;
        if count > 0 && percent < 1.0 {
            "below 1 %".to_owned()
        } else {
            format!("{percent:.0} %")
        }
    };
    let each = sorted_counts(of).into_iter();
    each.map(|(name, count)| format!("{name} {} ({})", thousands(count), share(count)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn counts(of: &Value) -> String {
    let each = sorted_counts(of).into_iter();
    each.map(|(name, count)| format!("{name} {}", thousands(count)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn sorted_counts(of: &Value) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = of
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap_or(0)))
        .collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all
}

fn quantiles(of: &Value, show: fn(u64) -> String) -> String {
    let number = |name: &str| of[name].as_u64().unwrap_or(0);
    match number("count") {
        0 => String::new(),
        _ if number("max") == 0 => "none".to_owned(),
        count if number("min") == number("max") => {
            format!("always {} ({} measured)", show(number("max")), thousands(count))
        }
        count => format!(
            "median {}, 95 % up to {}, 99 % up to {}; {} to {} ({} measured)",
            show(number("p50")),
            show(number("p95")),
            show(number("p99")),
            show(number("min")),
            show(number("max")),
            thousands(count)
        ),
    }
}

fn micros(count: u64) -> String {
    match count {
        0..1000 => format!("{count} µs"),
        1000..1_000_000 => format!("{:.1} ms", count as f64 / 1e3),
        _ => format!("{:.2} s", count as f64 / 1e6),
    }
}

/// Any value in one line that reads well.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), thousands),
        Value::Array(list) => list.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| format!("{} {}", name.replace('_', " "), in_words(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Parameters, or fields of bodies: where, what, and how often.
fn table_of(page: &mut Page, title: &str, of: &Value) {
    const COLUMNS: [Column; 5] = [
        Column::text("in", 8),
        Column::text("name", 16),
        Column::text("is", 7),
        Column::text("there", 8).spare(2),
        Column::text("more", 8).optional().spare(1),
    ];
    let Some(list) = of.as_array().filter(|list| !list.is_empty()) else {
        return;
    };
    page.heading(title, &thousands(list.len() as u64));
    let rows: Vec<Vec<Cell>> = list.iter().map(typed_row).collect();
    page.table(&COLUMNS, &rows);
}

fn typed_row(one: &Value) -> Vec<Cell> {
    const TOLD: [&str; 8] = [
        "in",
        "path",
        "name",
        "types",
        "presence",
        "required",
        "form",
        "provisional",
    ];
    let name = one["path"].as_str().or(one["name"].as_str()).unwrap_or_default();
    let percent = |at: usize| one["presence"][at].as_f64().map(|share| (share * 100.0).round());
    let there = match (one["required"].as_bool(), percent(0), percent(1)) {
        (Some(true), ..) => "always".to_owned(),
        (_, Some(low), Some(high)) if low < high => format!("{low:.0}–{high:.0} %"),
        (_, Some(low), _) => format!("{low:.0} %"),
        _ => String::new(),
    };
    let provisional = if one["provisional"] == true {
        " (few seen)"
    } else {
        ""
    };
    let more: Vec<String> = one
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, value)| {
            !TOLD.contains(&field.as_str()) && !matches!(value, Value::Null | Value::Bool(false))
        })
        .map(|(field, value)| match value {
            Value::Bool(true) => field.replace('_', " "),
            value if field == "format" => in_words(value),
            value => format!("{} {}", field.replace('_', " "), in_words(value)),
        })
        .collect();
    vec![
        Cell::new(Look::Dim, one["in"].as_str().unwrap_or_default()),
        match name {
            "" => Cell::new(Look::Dim, "(all of it)"),
            name => Cell::new(Look::Plain, name),
        },
        Cell::new(Look::Cyan, known::names(&one["types"]).join(" or ")),
        Cell::new(Look::Plain, format!("{there}{provisional}")),
        Cell::new(Look::Dim, more.join("; ")),
    ]
}

fn caller_table(page: &mut Page, endpoint: &Known, callers: &[CalledBy]) {
    const COLUMNS: [Column; 6] = [
        Column::text("kind", 8),
        Column::text("name", 12),
        Column::number("2xx here"),
        Column::text("last seen", 16).spare(2),
        Column::text("auth", 7).spare(3),
        Column::text("known by", 12).spare(1),
    ];
    if callers.is_empty() {
        return;
    }
    let all = endpoint.count("callers").max(callers.len() as u64);
    page.heading("Callers", &thousands(all));
    let rows: Vec<Vec<Cell>> = callers
        .iter()
        .take(MOST_CALLERS)
        .map(|caller| {
            let p = &caller.principal;
            let (kind, look) = match p.text("kind") {
                "ai_agent" => ("AI agent", Look::Magenta),
                "service" => ("service", Look::Cyan),
                "human" => ("human", Look::Green),
                _ => ("unknown", Look::Dim),
            };
            let name = p.value["name"].as_str().unwrap_or(p.text("id"));
            vec![
                Cell::new(look, kind),
                Cell::new(Look::Bold, name),
                // Of a caller of very many endpoints only the first ones are counted one by one.
                caller
                    .calls
                    .map_or_else(|| Cell::new(Look::Dim, "some"), |n| Cell::count(Look::Plain, n)),
                Cell::new(
                    Look::Dim,
                    p.time("last_seen").map_or(String::new(), |t| t.minute()),
                ),
                Cell::new(Look::Plain, p.names("auth").join(", ")),
                Cell::new(Look::Dim, p.names("evidence").join(", ")),
            ]
        })
        .collect();
    page.table(&COLUMNS, &rows);
    let more = all.saturating_sub(rows.len() as u64);
    if more > 0 {
        page.wrapped(Look::Dim, 2, &format!("… and {} more", thousands(more)));
    }
}

pub(super) fn finding_list(page: &mut Page, findings: &[Known]) {
    const INDENT: usize = 12;
    if findings.is_empty() {
        page.heading("Findings", "none");
        return;
    }
    page.heading("Findings", &thousands(findings.len() as u64));
    for finding in findings {
        page.newline();
        let severity = finding.text("severity").to_uppercase();
        page.text(Look::Plain, "  ");
        page.text(
            severity_look(rank(finding.text("severity")).unwrap_or(0)),
            &severity,
        );
        page.text(
            Look::Plain,
            &" ".repeat(INDENT.saturating_sub(2 + severity.len()).max(1)),
        );
        page.rest_wrapped(Look::Bold, INDENT, finding.text("title"));
        page.wrapped(Look::Dim, INDENT, finding.text("kind"));
        page.wrapped(Look::Plain, INDENT, finding.text("explanation"));
        if let Some(step) = finding.value["playbook"]["steps"][0].as_str() {
            page.wrapped(Look::Cyan, INDENT, &format!("→ {step}"));
        }
        let seen = |field| finding.time(field).map_or(String::new(), |t| t.second());
        let times = match finding.count("count") {
            1 => "once".to_owned(),
            count => format!("{} times", thousands(count)),
        };
        let (from, until) = (seen("first_seen"), seen("last_seen"));
        let span = if from == until {
            from
        } else {
            format!("{from} to {until}")
        };
        let text = format!(
            "Seen {times}, {span} UTC; confidence {:.2}; id {}",
            finding.value["confidence"].as_f64().unwrap_or(0.0),
            finding.text("id")
        );
        page.wrapped(Look::Dim, INDENT, &text);
    }
}
