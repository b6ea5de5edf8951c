//! `tapline explain`: the story of one finding, for somebody who was woken by it.
//!
//! Everything is told from the record of the finding, so a store and a file of records tell the same; a store adds what it knows of
//! the caller and of where the packets are.

mod measures;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::inventory::severity_look;
use crate::args::ExplainArgs;
use crate::exit::{Failure, Status};
use crate::known::subject::{full_name, rank};
use crate::known::{self, Files, Known, Source};
use crate::message;
use crate::store::Store;
use crate::summary::chart;
use crate::summary::page::{Cell, Column, Look, Page, bytes, command_lines, span, thousands};
use measures::{Measure, Series, in_words, told};

/// Letters of an id that are enough to look for it.
const LEAST: usize = 4;
/// Candidates listed when several findings may be meant.
const MOST_CANDIDATES: usize = 20;
/// Other findings of the caller, and capture files, that are listed.
const MOST_OTHERS: usize = 6;
const MOST_FILES: usize = 4;
/// Column at which what is told begins.
const INDENT: usize = 14;

pub(super) fn explain(args: &ExplainArgs) -> Result<Status, Failure> {
    let source = match (&args.store, &args.findings) {
        (Some(dir), _) => Source::store(dir, &args.declared)?,
        (None, file) => Source::files(&Files {
            findings: file.as_deref(),
            ..Files::default()
        })?,
    };
    let finding = one(&source, &args.finding)?;
    let files = match (&args.store, args.capture.is_empty()) {
        (Some(dir), true) => Store::read(dir, |store| Ok(store.captures())).map_err(Failure::input)?,
        _ => args.capture.clone(),
    };
    let story = Story::new(&source, &finding, files, args.store.as_deref());
    if args.json {
        return super::print(&format!("{}\n", story.json()));
    }
    let mut page = Page::with_drawings(args.ascii);
    story.tell(&mut page);
    super::print(&page.finish())
}

/// The one finding that is meant, by its id or the first letters of it.
///
/// # Errors
///
/// When there is none, or it may be any of several: they are listed.
pub(super) fn one(source: &Source, asked: &str) -> Result<Known, Failure> {
    let wanted = asked.trim().to_lowercase();
    let said = message::clean(asked.trim());
    let hex = wanted.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex || wanted.len() < LEAST {
        return Err(Failure::usage(anyhow::anyhow!(
            "`{said}` is no id of a finding: write its first {LEAST} letters (0 to 9, a to f) or more; `tapline findings` lists all"
        )));
    }
    let begins = |finding: &Known| finding.text("id").to_lowercase().starts_with(&wanted);
    let all = source.findings().chain(source.hidden_findings());
    let mut found: Vec<Known> = all.filter(begins).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::usage(anyhow::anyhow!(
            "no finding is known whose id begins with `{said}`; `tapline findings` lists all"
        ))),
        count => {
            let line = |finding: &Known| {
                let (id, kind, about) = (finding.text("id"), finding.text("kind"), place(finding));
                message::clean(&format!("{id}  {kind}  {about}"))
            };
            let list: Vec<String> = found.iter().take(MOST_CANDIDATES).map(line).collect();
            let more = match count.saturating_sub(MOST_CANDIDATES) {
                0 => String::new(),
                more => format!("\n  … and {more} more"),
            };
            Err(Failure::usage(anyhow::anyhow!(
                "`{said}` may be any of {count} findings; write more of its id:\n  {}{more}",
                list.join("\n  ")
            )))
        }
    }
}

/// What a finding is about, in one line.
fn place(finding: &Known) -> String {
    let of = |name: &str| finding.value["resource"][name].as_str().unwrap_or_default();
    full_name(of("method"), of("host"), of("template"))
}

/// A finding with what is known around it.
struct Story<'a> {
    finding: &'a Known,
    /// The record of the caller, and what else was found about it, the worst first.
    principal: Option<Known>,
    others: Vec<Known>,
    /// Where its packets may be.
    files: Vec<PathBuf>,
    store: Option<&'a Path>,
    measures: Vec<Measure>,
    series: Vec<Series>,
}

impl<'a> Story<'a> {
    fn new(source: &Source, finding: &'a Known, files: Vec<PathBuf>, store: Option<&'a Path>) -> Self {
        let caller = finding.value["principal"]["id"].as_str();
        let principal = caller.and_then(|id| source.principals().find(|p| p.text("id") == id));
        let own = |other: &Known| {
            caller.is_some_and(|id| other.value["principal"]["id"] == id)
                && other.text("id") != finding.text("id")
        };
        let mut others: Vec<Known> = source.findings().filter(own).collect();
        others.sort_by_key(|other| std::cmp::Reverse(rank(other.text("severity"))));
        Self {
            finding,
            principal,
            others,
            files,
            store,
            measures: measures::measures(&finding.value),
            series: measures::series(&finding.value),
        }
    }

    fn drawn(&self) -> Vec<&str> {
        let of_measures = self.measures.iter().flat_map(|measure| &measure.names);
        let of_series = self.series.iter().flat_map(|series| &series.names);
        of_measures.chain(of_series).map(String::as_str).collect()
    }

    fn evidence(&self) -> &[Value] {
        self.finding.value["evidence"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }

    /// The display filter: by frames alone where each exchange has them, since they are counted in one file, else by connections
    /// as the record has it.
    fn filter(&self) -> String {
        let span = |one: &Value| {
            let frames = one["frames"].as_array()?.iter().filter_map(Value::as_u64);
            let frames: Vec<u64> = frames.filter(|frame| *frame > 0).collect();
            Some((*frames.iter().min()?, *frames.iter().max()?))
        };
        let spans: Option<Vec<(u64, u64)>> = self.evidence().iter().map(span).collect();
        match spans {
            Some(mut spans) if !spans.is_empty() && self.files.len() < 2 => {
                spans.sort_unstable();
                spans.dedup();
                let part = |(first, last): &(u64, u64)| match first == last {
                    true => format!("frame.number == {first}"),
                    false => format!("(frame.number >= {first} && frame.number <= {last})"),
                };
                spans.iter().map(part).collect::<Vec<_>>().join(" || ")
            }
            _ => self.finding.text("filter").to_owned(),
        }
    }

    fn file(&self) -> String {
        match self.files.as_slice() {
            [one] => quoted(&one.display().to_string()),
            _ => "FILE".to_owned(),
        }
    }

    fn tshark(&self) -> Option<String> {
        let filter = self.filter();
        (!filter.is_empty()).then(|| format!("tshark -r {} -Y '{filter}'", self.file()))
    }

    /// How it is told no more for a while, when what it tells is meant to be so.
    fn suppress(&self) -> Option<String> {
        let dir = self.store?.display().to_string();
        let id = self.finding.text("id");
        let id = id.get(..8).unwrap_or(id);
        Some(format!(
            "tapline suppress {id} --store {} --owner NAME --reason 'WHY' --until YYYY-MM-DD",
            quoted(&dir)
        ))
    }

    /// How such findings are raised no more at an endpoint, whoever calls.
    fn accept(&self) -> Option<String> {
        let endpoint = self.finding.value["resource"]["endpoint"].as_str()?;
        let dir = self.store?.display().to_string();
        Some(format!(
            "tapline override {endpoint} --store {} --accept {} --reason 'WHY' --until YYYY-MM-DD",
            quoted(&dir),
            self.finding.text("kind")
        ))
    }

    fn json(&self) -> Value {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let others: Vec<&str> = self.others.iter().map(|other| other.text("id")).collect();
        json!({
            "v": 1,
            "finding": self.finding.value,
            "principal": self.principal.as_ref().map(|p| &p.value),
            "other_findings": others,
            "charts": measures::as_json(&self.measures, &self.series),
            "loss": caveats(&self.finding.value),
            "captures": files,
            "commands": {"packets": self.tshark(), "suppress": self.suppress(), "accept": self.accept()},
        })
    }

    fn tell(&self, page: &mut Page) {
        self.head(page);
        self.what_happened(page);
        self.numbers(page);
        self.support(page);
        self.reach(page);
        self.exchanges(page);
        self.packets(page);
        self.next(page);
        self.also(page);
    }

    fn head(&self, page: &mut Page) {
        let finding = self.finding;
        let severity = finding.text("severity").to_uppercase();
        page.text(
            severity_look(rank(finding.text("severity")).unwrap_or(0)),
            &severity,
        );
        page.text(Look::Plain, "  ");
        page.rest_wrapped(Look::Bold, severity.len() + 2, finding.text("title"));
        let again = match finding.count("revision") {
            0 | 1 => "told once".to_owned(),
            count => format!("told {} times", thousands(count)),
        };
        page.wrapped(
            Look::Dim,
            0,
            &format!(
                "{}, {again}, {}, id {}",
                finding.text("kind"),
                finding.text("status"),
                finding.text("id")
            ),
        );
    }

    fn what_happened(&self, page: &mut Page) {
        let finding = self.finding;
        if let Some(storm) = finding.value["held_by"].as_str() {
            let words =
                format!("Held back: it went beyond a budget of findings, and alert_storm {storm} counts it");
            page.wrapped(Look::Yellow, 0, &words);
        }
        let hidden = &finding.value["suppressed"];
        if !hidden.is_null() {
            let text = |name: &str| hidden[name].as_str().unwrap_or_default();
            let words = format!(
                "Suppressed by {} until {}: {}",
                text("owner"),
                text("until"),
                text("reason")
            );
            page.wrapped(Look::Yellow, 0, &words);
        }
        page.heading("What happened", "");
        page.wrapped(Look::Plain, 2, finding.text("explanation"));
        page.wrapped(Look::Dim, 2, finding.text("impact"));
        page.newline();
        let caller = &finding.value["principal"];
        if !caller.is_null() {
            fact(page, "who", &who(caller), Look::Plain);
            fact(
                page,
                "known by",
                &known::names(&caller["evidence"]).join(", "),
                Look::Plain,
            );
        }
        if let Some(principal) = &self.principal {
            fact(page, "until then", &before(principal), Look::Plain);
        }
        let about = &finding.value["resource"];
        fact(page, "against", &place(finding), Look::Plain);
        for part in ["tool", "object"] {
            fact(page, part, about[part].as_str().unwrap_or_default(), Look::Plain);
        }
        fact(page, "when", &when(finding), Look::Plain);
        let count = finding.count("count");
        let times = match count {
            0 => String::new(),
            1 => "once".to_owned(),
            count => format!("{} times, as its detector counts", thousands(count)),
        };
        fact(page, "how often", &times, Look::Plain);
        let confidence = finding.value["confidence"].as_f64().unwrap_or(0.0);
        fact(page, "how sure", &format!("{confidence:.2} of 1"), Look::Plain);
    }

    fn numbers(&self, page: &mut Page) {
        let rows = measures::rest(&self.finding.value, &self.drawn());
        if self.measures.is_empty() && self.series.is_empty() && rows.is_empty() {
            return;
        }
        page.heading("Observed and expected", "");
        for measure in &self.measures {
            page.line(Look::Plain, &format!("  {}", measure.title));
            chart::bars(page, 4, &measure.bars);
        }
        for series in &self.series {
            page.wrapped(Look::Plain, 2, &series.title);
            chart::columns(page, 4, &series.columns);
        }
        if rows.is_empty() {
            return;
        }
        if !self.measures.is_empty() || !self.series.is_empty() {
            page.newline();
        }
        const COLUMNS: [Column; 3] = [
            Column::text("number", 12),
            Column::text("observed", 12),
            Column::text("expected", 12).optional(),
        ];
        let cells = |row: &measures::Row| {
            vec![
                Cell::new(Look::Dim, row.name.as_str()),
                Cell::new(Look::Plain, row.observed.as_str()),
                Cell::new(Look::Cyan, row.expected.as_str()),
            ]
        };
        page.table(&COLUMNS, &rows.iter().map(cells).collect::<Vec<_>>());
    }

    fn support(&self, page: &mut Page) {
        page.heading("What it rests on", "");
        let support = self.finding.value["support"].as_object();
        let words: Vec<String> = support
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match (name.as_str(), value) {
                ("of_peers", Value::Bool(true)) => {
                    "what is usual for its like, as it has too little past of its own".to_owned()
                }
                ("of_peers", Value::Bool(false)) => "its own past".to_owned(),
                ("of_other_endpoints", Value::Bool(true)) => {
                    "other endpoints of the host, as it was never here before".to_owned()
                }
                ("of_other_endpoints", Value::Bool(false)) => String::new(),
                (name, value) => format!("{}: {}", in_words(name), told(name, value)),
            })
            .filter(|words| !words.is_empty())
            .collect();
        let words = match words.is_empty() {
            true => "no history: what was seen speaks for itself".to_owned(),
            false => words.join("; "),
        };
        fact(page, "history", &words, Look::Plain);
        let caveats = caveats(&self.finding.value);
        match caveats.is_empty() {
            true => fact(page, "loss", "none in the exchanges below", Look::Plain),
            false => caveats
                .iter()
                .for_each(|caveat| fact(page, "loss", caveat, Look::Yellow)),
        }
    }

    fn reach(&self, page: &mut Page) {
        let reach = &self.finding.value["blast_radius"];
        let number = |name: &str| reach[name].as_u64().unwrap_or(0);
        if reach.is_null() {
            return;
        }
        let since = reach["since"].as_str().and_then(crate::records::Rfc3339::parse);
        let since = since.map_or(String::new(), |ts| format!("since {} UTC", ts.second()));
        page.heading("How far it reached", &since);
        let many = |count: u64, one: &str, more: &str| {
            format!("{} {}", thousands(count), if count == 1 { one } else { more })
        };
        let words = [
            many(number("objects"), "object", "objects"),
            format!("{} handed out", many(number("records"), "record", "records")),
            bytes(number("bytes")),
            many(number("endpoints"), "endpoint", "endpoints"),
            many(number("services"), "service", "services"),
        ];
        page.wrapped(Look::Plain, 2, &words.join(", "));
    }

    fn exchanges(&self, page: &mut Page) {
        const COLUMNS: [Column; 6] = [
            Column::text("time", 8),
            Column::text("method", 6),
            Column::text("target", 30),
            Column::text("status", 6),
            Column::text("connection", 24).spare(1),
            Column::text("frames", 13).optional().spare(2),
        ];
        let all = self.evidence();
        if all.is_empty() {
            page.heading("Exchanges", "none: no single one shows it");
            return;
        }
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        // What is the same for all stands above them once.
        let day = |one: &Value| text(one, "ts").get(..10).unwrap_or_default().to_owned();
        let same = |of: &dyn Fn(&Value) -> String| all.iter().all(|one| of(one) == of(&all[0]));
        let server = |one: &Value| text(one, "server");
        let (one_day, one_server) = (same(&day), same(&server));
        let mut note = vec!["Times are UTC".to_owned()];
        if one_day {
            note.push(format!("all on {}", day(&all[0])));
        }
        if one_server {
            note.push(format!("to {}", server(&all[0])));
        }
        page.heading(
            "Exchanges",
            &format!("{} of those it rests on", thousands(all.len() as u64)),
        );
        page.wrapped(Look::Dim, 2, &note.join(", "));
        let row = |one: &Value| {
            let time =
                crate::records::Rfc3339::parse(&text(one, "ts")).map_or(String::new(), |ts| ts.second());
            let time = if one_day {
                time.get(11..).unwrap_or_default().to_owned()
            } else {
                time
            };
            let status = one["status"].as_u64();
            let look = match status {
                Some(400..) => Look::Yellow,
                _ => Look::Plain,
            };
            let mut flow = text(one, "client");
            if !one_server {
                flow.push_str(&format!(" {}", server(one)));
            }
            if let Some(index) = one["index"].as_u64().filter(|index| *index > 0) {
                flow.push_str(&format!(" #{index}"));
            }
            vec![
                Cell::new(Look::Dim, time),
                Cell::new(Look::Cyan, text(one, "method")),
                Cell::new(Look::Plain, text(one, "target")),
                Cell::new(
                    look,
                    status.map_or("none".to_owned(), |status| status.to_string()),
                ),
                Cell::new(Look::Plain, flow),
                Cell::new(Look::Dim, frames(one)),
            ]
        };
        page.table(&COLUMNS, &all.iter().map(row).collect::<Vec<_>>());
    }

    fn packets(&self, page: &mut Page) {
        let Some(command) = self.tshark() else { return };
        page.heading("The packets", "");
        shell(page, &command);
        let filter = "In Wireshark, what stands between the quotes is the display filter.";
        match self.files.as_slice() {
            [] if self.evidence().iter().any(|one| !frames(one).is_empty()) => {
                page.wrapped(
                    Look::Dim,
                    2,
                    &format!("{filter} Frames are counted in the capture file that was replayed."),
                );
            }
            [_, _, ..] => {
                page.wrapped(
                    Look::Dim,
                    2,
                    &format!("{filter} FILE is one of those replayed last:"),
                );
                for file in self.files.iter().rev().take(MOST_FILES) {
                    page.wrapped(Look::Plain, 4, &file.display().to_string());
                }
            }
            _ => page.wrapped(Look::Dim, 2, filter),
        }
    }

    fn next(&self, page: &mut Page) {
        let playbook = &self.finding.value["playbook"];
        page.heading("What to do", playbook["id"].as_str().unwrap_or_default());
        for (number, step) in known::names(&playbook["steps"]).iter().enumerate() {
            page.text(Look::Cyan, &format!("  {}. ", number + 1));
            page.rest_wrapped(Look::Plain, 5, step);
        }
        if self.suppress().is_none() && self.accept().is_none() {
            return;
        }
        page.heading("If it is meant to be so", "");
        let ways = [
            (
                "This one, for a while (--alike: and others like it):",
                self.suppress(),
            ),
            ("All of this kind at this endpoint:", self.accept()),
        ];
        for (what, command) in ways {
            if let Some(command) = command {
                page.wrapped(Look::Dim, 2, what);
                shell(page, &command);
            }
        }
    }

    fn also(&self, page: &mut Page) {
        const COLUMNS: [Column; 4] = [
            Column::text("severity", 8),
            Column::text("kind", 12),
            Column::text("since (UTC)", 16).spare(1),
            Column::text("id", 24),
        ];
        if self.others.is_empty() {
            return;
        }
        page.heading(
            "Also found about this caller",
            &thousands(self.others.len() as u64),
        );
        let row = |other: &Known| {
            vec![
                Cell::new(
                    severity_look(rank(other.text("severity")).unwrap_or(0)),
                    other.text("severity"),
                ),
                Cell::new(Look::Plain, other.text("kind")),
                Cell::new(
                    Look::Dim,
                    other.time("first_seen").map_or(String::new(), |ts| ts.minute()),
                ),
                Cell::new(Look::Dim, other.text("id")),
            ]
        };
        let rows: Vec<_> = self.others.iter().take(MOST_OTHERS).map(row).collect();
        page.table(&COLUMNS, &rows);
        let more = self.others.len() - rows.len();
        if more > 0 {
            page.wrapped(Look::Dim, 2, &format!("and {more} more"));
        }
    }
}

/// A name and what is told under it.
fn fact(page: &mut Page, name: &str, text: &str, look: Look) {
    if text.is_empty() {
        return;
    }
    page.text(Look::Dim, &format!("  {name:<width$}", width = INDENT - 2));
    page.rest_wrapped(look, INDENT, text);
}

fn who(caller: &Value) -> String {
    let text = |name: &str| caller[name].as_str().unwrap_or_default();
    let kind = match text("kind") {
        "ai_agent" => "AI agent",
        "service" => "service",
        "human" => "person",
        _ => "client of unknown sort",
    };
    match text("name") {
        "" => format!("{kind} {}", text("id")),
        name => format!("{kind} {name} ({})", text("id")),
    }
}

/// What the store knows of the caller.
fn before(principal: &Known) -> String {
    let mut words = vec![format!(
        "{} calls in all",
        thousands(principal.count("exchanges"))
    )];
    if let Some(first) = principal.time("first_seen") {
        words.push(format!("known since {} UTC", first.minute()));
    }
    words.push(format!(
        "{} endpoints",
        thousands(principal.count("endpoint_count"))
    ));
    if let Some(owner) = principal.value["registered"]["owner"].as_str() {
        words.push(format!("owner {owner}"));
    }
    if principal.value["learned"] == false {
        words.push("what is usual for it is still being learned".to_owned());
    }
    words.join(", ")
}

fn when(finding: &Known) -> String {
    let time = |name: &str| finding.time(name);
    let (Some(first), Some(last)) = (time("first_seen"), time("last_seen")) else {
        return String::new();
    };
    let decided = time("detected_at");
    let after = decided.map_or(0, |at| at.0.saturating_sub(first.0)) / 1_000_000_000;
    let began = match (decided, after) {
        (Some(_), 0) | (None, _) => String::new(),
        (Some(_), after) => format!("; decided {} after it began", span(after as f64)),
    };
    match last.0.saturating_sub(first.0) / 1_000_000_000 {
        0 => format!("{} UTC{began}", first.second()),
        lasted => {
            let (from, until) = (first.second(), last.second());
            let until = if from[..10] == until[..10] {
                &until[11..]
            } else {
                &until
            };
            format!(
                "since {from}, last at {until} UTC ({}){began}",
                span(lasted as f64)
            )
        }
    }
}

/// What was lost of the exchanges, and what that means for the finding.
fn caveats(finding: &Value) -> Vec<String> {
    let in_words = |flag: &str| match flag {
        "gap" => "bytes of them were lost by the capture (gap): numbers may be too low",
        "truncated" => "packets were cut short by the capture (truncated): bodies were not read to their end",
        "one_sided" => "one direction was not seen (one_sided): answers are missing",
        "midstream" => {
            "the connection had begun before the capture (midstream): what came before is not known"
        }
        "no_response" => "some have no response (no_response): whether they were let in is not known",
        "no_request" => "some have no request (no_request)",
        "opaque" => "bodies could not be decoded (opaque): their content was not looked at",
        "ambiguous" => "messages may be framed in two ways (ambiguous)",
        "conflict" => "retransmissions differ from what came first (conflict): the first copy was read",
        _ => "",
    };
    let flags = known::names(&finding["capture"]);
    let words = flags.iter().map(|flag| match in_words(flag) {
        "" => format!("they are marked {flag}"),
        words => words.to_owned(),
    });
    words.collect()
}

/// First and last frame of an exchange.
fn frames(of: &Value) -> String {
    let known = || {
        of["frames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .filter(|frame| *frame > 0)
    };
    match (known().min(), known().max()) {
        (Some(first), Some(last)) if first < last => format!("{first}-{last}"),
        (Some(first), _) => first.to_string(),
        _ => String::new(),
    }
}

/// A command, on as many lines as a shell takes for one.
fn shell(page: &mut Page, command: &str) {
    for line in command_lines(command, page.width.saturating_sub(4)) {
        page.line(Look::Cyan, &format!("  {line}"));
    }
}

/// A word as a shell takes it for one.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+:@,=".contains(&b);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
