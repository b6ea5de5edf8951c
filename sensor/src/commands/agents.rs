//! `tapline agents`: who calls, why they count as what they are, who owns them, what they use, and what was found about them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::inventory::severity_look;
use crate::args::{AgentsArgs, AgentsCommand, AgentsListArgs, AgentsShowArgs};
use crate::exit::{Failure, Status};
use crate::known::subject::{SEVERITIES, name_of, rank};
use crate::known::{Known, Source, facts};
use crate::message;
use crate::summary::page::{Cell, Column, Look, Page, bytes, thousands};

/// Candidates listed when several principals may be meant.
const MOST_CANDIDATES: usize = 20;

/// Kinds of callers in the order in which they are shown.
const KINDS: [(&str, &str, Look); 4] = [
    ("ai_agent", "AI agent", Look::Magenta),
    ("service", "service", Look::Cyan),
    ("human", "human", Look::Green),
    ("unknown", "unknown", Look::Dim),
];

pub(super) fn agents(args: &AgentsArgs) -> Result<Status, Failure> {
    match &args.command {
        Some(AgentsCommand::Show(args)) => show(args),
        Some(AgentsCommand::Graph(args)) => super::graph::graph(args),
        None => list(&args.list),
    }
}

/// What is known of callers beside their own records.
struct Around {
    /// Endpoints by id.
    endpoints: BTreeMap<String, Known>,
    /// Findings by principal, worst first.
    findings: BTreeMap<String, Vec<Known>>,
}

impl Around {
    fn new(source: &Source) -> Self {
        let endpoints = source.endpoints().map(|e| (e.text("id").to_owned(), e)).collect();
        let mut findings: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        for finding in source.findings() {
            if let Some(id) = finding.value["principal"]["id"].as_str() {
                findings.entry(id.to_owned()).or_default().push(finding);
            }
        }
        for own in findings.values_mut() {
            own.sort_by_key(|f| Reverse(rank(f.text("severity"))));
        }
        Self { endpoints, findings }
    }

    fn findings(&self, principal: &Known) -> &[Known] {
        self.findings.get(principal.text("id")).map_or(&[], Vec::as_slice)
    }

    /// Endpoints that a principal calls, with counts.
    fn called<'a>(&'a self, principal: &'a Known) -> Vec<(&'a Known, u64)> {
        let all = principal.value["endpoints"].as_array().into_iter().flatten();
        all.filter_map(|e| Some((self.endpoints.get(e["id"].as_str()?)?, e["exchanges"].as_u64()?)))
            .collect()
    }

    /// Classes of data at these endpoints.
    fn classes<'a>(&'a self, principal: &'a Known) -> BTreeSet<&'a str> {
        self.called(principal)
            .into_iter()
            .flat_map(|(e, _)| facts::classes(e))
            .collect()
    }

    /// Hosts that it calls.
    fn hosts<'a>(&'a self, principal: &'a Known) -> BTreeSet<&'a str> {
        self.called(principal)
            .into_iter()
            .map(|(e, _)| e.text("host"))
            .collect()
    }
}

fn list(args: &AgentsListArgs) -> Result<Status, Failure> {
    let Some(store) = &args.store else {
        return Err(Failure::usage(anyhow::anyhow!("--store DIR is missing")));
    };
    let source = Source::store(store, &args.declared)?;
    let last = source.last();
    let since = args.since.zip(last).map(|(when, last)| when.resolve(last));
    let wanted = |p: &Known| {
        let kind = args.kind.is_empty() || args.kind.iter().any(|k| k == p.text("kind"));
        let new = since.is_none_or(|since| p.time("first_seen").is_some_and(|first| first.0 >= since.0));
        kind && new
    };
    let all: Vec<Known> = source.principals().collect();
    let rows: Vec<&Known> = all.iter().filter(|p| wanted(p)).collect();
    if args.json {
        let mut out = Vec::new();
        for principal in &rows {
            out.extend_from_slice(&principal.json);
            out.push(b'\n');
        }
        return super::print(&String::from_utf8_lossy(&out));
    }
    let around = Around::new(&source);
    super::print(&table(&rows, all.len(), &around, args.since.is_some()))
}

pub(super) fn kind_of(principal: &Known) -> (usize, &'static str, Look) {
    let place = KINDS
        .iter()
        .position(|(kind, ..)| *kind == principal.text("kind"))
        .unwrap_or(3);
    (place, KINDS[place].1, KINDS[place].2)
}

/// The name of a principal, else its id.
pub(super) fn name(principal: &Known) -> &str {
    principal.value["name"].as_str().unwrap_or(principal.text("id"))
}

fn volume(principal: &Known) -> u64 {
    let bytes = &principal.value["bytes"];
    bytes["request"].as_u64().unwrap_or(0) + bytes["response"].as_u64().unwrap_or(0)
}

fn score(principal: &Known) -> String {
    format!("{:.2}", principal.value["score"].as_f64().unwrap_or(0.0))
}

/// What speaks most for its kind; for one of whom nothing does, what told it apart.
fn known_by(principal: &Known) -> String {
    let reasons = principal.value["reasons"].as_array().into_iter().flatten();
    let best = reasons
        .filter(|r| r["kind"] == principal.value["kind"])
        .max_by_key(|r| (r["weight"].as_f64().unwrap_or(0.0) * 100.0) as u64);
    let what = best.and_then(|r| r["what"].as_str());
    what.or(principal.names("evidence").first().copied())
        .unwrap_or("")
        .to_owned()
}

/// The first of several and how many more.
fn some(all: &[&str], most: usize) -> String {
    let mut text = all.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if all.len() > most {
        text.push_str(&format!(" +{}", all.len() - most));
    }
    text
}

/// Models, most called first.
fn models(principal: &Known) -> Vec<&str> {
    let all = principal.value["models"].as_array().into_iter().flatten();
    all.filter_map(|m| m["name"].as_str()).collect()
}

/// Counted names, most first.
fn counted<'a>(principal: &'a Known, field: &str) -> Vec<(&'a str, u64)> {
    counted_in(&principal.value[field])
}

fn counted_in(of: &Value) -> Vec<(&str, u64)> {
    let Value::Object(map) = of else {
        return Vec::new();
    };
    let mut all: Vec<_> = map
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_u64().unwrap_or(0)))
        .collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    all
}

fn table(rows: &[&Known], all: usize, around: &Around, new: bool) -> String {
    const COLUMNS: [Column; 15] = [
        Column::text("kind", 8),
        Column::text("name", 14),
        Column::text("owner", 6).optional().spare(8),
        Column::number("calls"),
        Column::number("failed").spare(3),
        Column::number("endpoints").spare(9),
        Column::text("APIs", 10).optional().spare(2),
        Column::text("tools", 8).optional().spare(7),
        Column::text("models", 8).optional().spare(6),
        Column::text("data", 7).optional().spare(10),
        Column::text("volume", 6).spare(1),
        Column::text("mode", 5).optional().spare(4),
        Column::text("last seen", 16).spare(0),
        Column::text("finding", 12).optional(),
        Column::text("known by", 12).spare(5),
    ];
    let mut page = Page::for_stdout();
    let mut counts = [0_usize; 4];
    for row in rows {
        counts[kind_of(row).0] += 1;
    }
    let words = ["AI agents", "services", "humans", "unknown"];
    let mut note: Vec<String> = counts
        .iter()
        .zip(words)
        .filter(|(count, _)| **count > 0)
        .map(|(count, word)| {
            let word = if *count == 1 {
                word.trim_end_matches('s')
            } else {
                word
            };
            format!("{} {word}", thousands(*count as u64))
        })
        .collect();
    if rows.len() < all {
        note.push(format!("of {} callers", thousands(all as u64)));
    }
    page.heading("Who calls", &note.join(", "));
    if rows.is_empty() {
        let text = match (all, new) {
            (0, _) => "Nothing was learned yet.",
            (_, true) => "Nobody came since then.",
            _ => "None of this kind; `tapline agents` without filters shows all.",
        };
        page.wrapped(Look::Dim, 2, text);
        return page.finish();
    }
    let mut order: Vec<&Known> = rows.to_vec();
    order.sort_by_key(|p| {
        let worst = around.findings(p).first().and_then(|f| rank(f.text("severity")));
        (
            kind_of(p).0,
            Reverse(worst),
            Reverse(p.count("exchanges")),
            p.text("id").to_owned(),
        )
    });
    let cells: Vec<Vec<Cell>> = order.iter().map(|p| row(p, around)).collect();
    page.table(&COLUMNS, &cells);
    if let Some(text) = discovery(rows) {
        page.newline();
        page.wrapped(Look::Dim, 2, &text);
    }
    page.finish()
}

/// How long it took to know these agents, in packet time.
fn discovery(rows: &[&Known]) -> Option<String> {
    let mut times: Vec<u64> = rows
        .iter()
        .filter(|p| p.text("kind") == "ai_agent")
        .map(|p| p.count("discovered_after_ms"))
        .collect();
    times.sort_unstable();
    let worst = *times.last()?;
    let seconds = |ms: u64| format!("{:.3} s", ms as f64 / 1000.0);
    Some(format!(
        "Time to discover an AI agent, from its first call on: {} in the middle, {} at most.",
        seconds(times[times.len() / 2]),
        seconds(worst)
    ))
}

fn row(p: &Known, around: &Around) -> Vec<Cell> {
    let (_, kind, look) = kind_of(p);
    let status = &p.value["status"];
    let failed = ["4xx", "5xx"]
        .iter()
        .map(|c| status[*c].as_u64().unwrap_or(0))
        .sum();
    let tools: Vec<&str> = counted(p, "tools").into_iter().map(|(name, _)| name).collect();
    let finding = match around.findings(p) {
        [] => Cell::new(Look::Plain, ""),
        [worst, more @ ..] => {
            let rank = rank(worst.text("severity")).unwrap_or(0);
            let more = if more.is_empty() {
                String::new()
            } else {
                format!(" +{}", more.len())
            };
            Cell::new(
                severity_look(rank),
                format!("{} {}{more}", SEVERITIES[rank], worst.text("kind")),
            )
        }
    };
    let hosts: Vec<&str> = around.hosts(p).into_iter().collect();
    let classes: Vec<&str> = around.classes(p).into_iter().collect();
    vec![
        Cell::new(look, kind),
        Cell::new(Look::Bold, name(p)),
        Cell::new(Look::Plain, p.value["registered"]["owner"].as_str().unwrap_or("")),
        Cell::count(Look::Plain, p.count("exchanges")),
        Cell::count(Look::Yellow, failed),
        Cell::count(Look::Plain, p.count("endpoint_count")),
        Cell::new(Look::Plain, some(&hosts, 2)),
        Cell::new(Look::Plain, some(&tools, 2)),
        Cell::new(Look::Plain, some(&models(p), 2)),
        Cell::new(Look::Red, some(&classes, 3)),
        Cell::new(Look::Plain, bytes(volume(p))),
        Cell::new(Look::Plain, p.text("mode")),
        Cell::new(
            Look::Dim,
            p.time("last_seen").map_or(String::new(), |t| t.minute()),
        ),
        finding,
        Cell::new(Look::Dim, format!("{} ({})", known_by(p), score(p))),
    ]
}

fn show(args: &AgentsShowArgs) -> Result<Status, Failure> {
    let source = Source::store(&args.store, &args.declared)?;
    let principal = one(&source, &args.principal)?;
    let around = Around::new(&source);
    if args.json {
        let called: Vec<Value> = around
            .called(&principal)
            .iter()
            .map(|(e, _)| e.value.clone())
            .collect();
        let findings: Vec<Value> = around
            .findings(&principal)
            .iter()
            .map(|f| f.value.clone())
            .collect();
        let object = json!({
            "v": 1,
            "principal": principal.value,
            "endpoints": called,
            "data_classes": around.classes(&principal),
            "findings": findings,
        });
        return super::print(&format!("{object}\n"));
    }
    super::print(&page(&principal, &around, &source))
}

/// The one principal that is meant: by its id, the first letters of it, or its name.
pub(super) fn one(source: &Source, asked: &str) -> Result<Known, Failure> {
    let asked = asked.trim();
    let mut exact = Vec::new();
    let mut begins = Vec::new();
    for principal in source.principals() {
        if principal.text("id") == asked || principal.value["name"] == asked {
            exact.push(principal);
        } else if asked.len() >= 4 && principal.text("id").starts_with(asked) {
            begins.push(principal);
        }
    }
    let mut found = if exact.is_empty() { begins } else { exact };
    let said = message::clean(asked);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::usage(anyhow::anyhow!(
            "no caller is known as `{said}`; `tapline agents` lists all, `--json` with their ids"
        ))),
        count => {
            let list: Vec<String> = found
                .iter()
                .take(MOST_CANDIDATES)
                .map(|p| format!("{}  {} {}", p.text("id"), p.text("kind"), name(p)))
                .collect();
            Err(Failure::usage(anyhow::anyhow!(
                "`{said}` may be any of {count} callers; name one by its id:\n  {}",
                list.join("\n  ")
            )))
        }
    }
}

fn page(p: &Known, around: &Around, source: &Source) -> String {
    let mut page = Page::for_stdout();
    let (_, kind, look) = kind_of(p);
    page.text(look, kind);
    page.text(Look::Plain, " ");
    page.rest_wrapped(Look::Bold, kind.len() + 1, name(p));
    let mut fact = |title: &str, text: &str| {
        if !text.is_empty() {
            page.text(Look::Dim, &format!("  {title:<14}"));
            page.rest_wrapped(Look::Plain, 16, text);
        }
    };
    fact("id", p.text("id"));
    let registered = &p.value["registered"];
    for field in ["name", "owner", "purpose"] {
        let title = if field == "name" { "registered as" } else { field };
        fact(title, registered[field].as_str().unwrap_or(""));
    }
    fact(
        "beyond",
        &crate::known::names(&registered["tools_beyond"]).join(", "),
    );
    fact(
        "known by",
        &format!("{}: {}", p.text("decided_by"), p.names("evidence").join(", ")),
    );
    fact(
        "acts for",
        &match counted(p, "on_behalf_of").len() {
            0 => String::new(),
            n => format!("{} ({})", thousands(n as u64), some(&p.names("on_behalf_of"), 3)),
        },
    );
    fact("mode", p.text("mode"));
    let list = |field| {
        counted(p, field)
            .iter()
            .map(|(n, c)| format!("{n} ({})", thousands(*c)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    fact("programs", &list("programs"));
    fact("addresses", &p.names("addresses").join(", "));
    fact("auth", &list("auth"));
    let seen = |field| p.time(field).map_or(String::new(), |t| t.second());
    fact(
        "seen",
        &format!(
            "{} to {} UTC, {} calls",
            seen("first_seen"),
            seen("last_seen"),
            thousands(p.count("exchanges"))
        ),
    );
    let volume = |way: &str| bytes(p.value["bytes"][way].as_u64().unwrap_or(0));
    fact(
        "volume",
        &format!("{} sent, {} received", volume("request"), volume("response")),
    );
    let grants = p.value["grants"].as_array().into_iter().flatten().map(|grant| {
        let text = |field: &str| grant[field].as_str().unwrap_or_default();
        let client = match text("client") {
            "" => String::new(),
            client => format!(" of {client}"),
        };
        let lives = grant["lifetime_s"]
            .as_u64()
            .map_or(String::new(), |s| format!(", lives {s} s"));
        let times = thousands(grant["exchanges"].as_u64().unwrap_or(0));
        format!(
            "{}{client} by {} ({times}){lives}",
            text("grant"),
            text("client_auth")
        )
    });
    fact("tokens", &grants.collect::<Vec<_>>().join("; "));
    let work = &p.value["work"];
    if let Some(units) = work["units"].as_u64() {
        let links = counted_in(&work["links"])
            .iter()
            .filter(|(link, _)| *link != "first")
            .map(|(link, count)| format!("{link} {}", thousands(*count)))
            .collect::<Vec<_>>()
            .join(", ");
        let calls = &work["calls"];
        let size = match calls["count"].as_u64() {
            None | Some(0) => String::new(),
            Some(_) => format!(", {} calls in the middle, {} at most", calls["p50"], calls["max"]),
        };
        let joined = if links.is_empty() {
            String::new()
        } else {
            format!("; joined by {links}")
        };
        fact("units of work", &format!("{}{size}{joined}", thousands(units)));
    }
    fact("tools", &list("tools"));
    fact("models", &models(p).join(", "));
    fact(
        "data",
        &around.classes(p).into_iter().collect::<Vec<_>>().join(", "),
    );
    let subject = p.text("subject");
    if !subject.is_empty() {
        let same: Vec<String> = source
            .principals()
            .filter(|other| other.text("subject") == subject && other.text("id") != p.text("id"))
            .take(5)
            .map(|other| format!("{} {}", other.text("kind"), name(&other)))
            .collect();
        fact("same subject", &same.join(", "));
    }

    let reasons = p.value["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    page.heading("Why", &format!("{kind}, {} sure", score(p)));
    const REASONS: [Column; 4] = [
        Column::text("sign", 30),
        Column::text("speaks for", 10),
        Column::text("weight", 6),
        Column::number("calls"),
    ];
    let rows: Vec<Vec<Cell>> = reasons
        .iter()
        .map(|r| {
            vec![
                Cell::new(Look::Plain, r["what"].as_str().unwrap_or("")),
                Cell::new(Look::Plain, r["kind"].as_str().unwrap_or("")),
                Cell::new(Look::Plain, format!("{:.2}", r["weight"].as_f64().unwrap_or(0.0))),
                Cell::count(Look::Plain, r["exchanges"].as_u64().unwrap_or(0)),
            ]
        })
        .collect();
    if rows.is_empty() {
        page.wrapped(Look::Dim, 2, "nothing tells");
    } else {
        page.table(&REASONS, &rows);
    }

    let called = around.called(p);
    page.heading("Endpoints", &thousands(p.count("endpoint_count")));
    const ENDPOINTS: [Column; 3] = [
        Column::text("endpoint", 30),
        Column::number("calls"),
        Column::text("data", 7).optional(),
    ];
    let rows: Vec<Vec<Cell>> = called
        .iter()
        .map(|(e, calls)| {
            vec![
                Cell::new(Look::Plain, name_of(e)),
                Cell::count(Look::Plain, *calls),
                Cell::new(Look::Red, facts::classes(e).join(", ")),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.table(&ENDPOINTS, &rows);
    }
    reached(&mut page, p, around, source);
    super::show::finding_list(&mut page, around.findings(p));
    page.finish()
}

/// What it has others call.
fn reached(page: &mut Page, p: &Known, around: &Around, source: &Source) {
    const REACHED: [Column; 5] = [
        Column::text("through", 24),
        Column::text("by", 10),
        Column::text("endpoint", 24),
        Column::number("calls"),
        Column::text("joined by", 12),
    ];
    let all = p.value["reaches"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return;
    }
    let names: BTreeMap<String, String> = source
        .principals()
        .map(|p| (p.text("id").to_owned(), name(&p).to_owned()))
        .collect();
    let endpoint = |edge: &Value, field: &str| {
        let id = edge[field].as_str().unwrap_or_default();
        around.endpoints.get(id).map_or_else(|| id.to_owned(), name_of)
    };
    let rows: Vec<Vec<Cell>> = all
        .iter()
        .map(|edge| {
            let by = edge["by"].as_str().unwrap_or_default();
            let causes = crate::known::names(&edge["causes"]).join(", ");
            let sure = edge["confidence"].as_f64().unwrap_or(0.0);
            vec![
                Cell::new(Look::Plain, endpoint(edge, "through")),
                Cell::new(Look::Cyan, names.get(by).map_or(by, String::as_str)),
                Cell::new(Look::Plain, endpoint(edge, "endpoint")),
                Cell::count(Look::Plain, edge["exchanges"].as_u64().unwrap_or(0)),
                Cell::new(Look::Dim, format!("{causes} ({sure:.2})")),
            ]
        })
        .collect();
    page.heading("Has others call", &thousands(all.len() as u64));
    page.table(&REACHED, &rows);
}
