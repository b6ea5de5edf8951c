//! `tapline access-review`: who may do what, and does. A row for each caller and each endpoint that let it in, with scopes, data,
//! and when it was used last; or what of that came, went and changed since a day.
//!
//! A row rests on calls that were answered with success, so it is access that there is, whatever anybody granted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::agents::{kind_of, name, one};
use super::diff::{Moment, of_days};
use super::inventory::csv_row;
use crate::args::AccessReviewArgs;
use crate::exit::{Failure, Status};
use crate::known::state::{ACCESS, About, State};
use crate::known::subject::full_name;
use crate::known::{Known, Source, facts};
use crate::message;
use crate::records::Rfc3339;
use crate::summary::page::{Cell, Column, Look, Page, thousands};

pub(super) fn access_review(args: &AccessReviewArgs) -> Result<Status, Failure> {
    match args.since {
        Some(since) => changes(args, since),
        None => now(args),
    }
}

/// One caller at one endpoint.
struct Row<'a> {
    principal: &'a Known,
    endpoint: &'a Known,
    scopes: Vec<&'a str>,
    exchanges: Option<u64>,
    /// The last call; when templates have changed since, no call came later than that.
    last: Option<Rfc3339>,
    exact: bool,
}

fn now(args: &AccessReviewArgs) -> Result<Status, Failure> {
    let source = Source::store(&args.store, &args.declared)?;
    let principals: Vec<Known> = match &args.principal {
        Some(asked) => vec![one(&source, asked)?],
        None => source.principals().collect(),
    };
    let endpoints: BTreeMap<String, Known> =
        source.endpoints().map(|e| (e.text("id").to_owned(), e)).collect();
    let before = match args.unused_since {
        Some(when) => source.last().map(|last| when.resolve(last)),
        None => None,
    };
    let wanted = |row: &Row<'_>| {
        let kind = args.kind.is_empty() || args.kind.iter().any(|kind| kind == row.principal.text("kind"));
        kind && before.is_none_or(|before| row.last.is_some_and(|last| last.0 < before.0))
    };
    let mut rows = rows(&principals, &endpoints);
    let all = rows.len();
    rows.retain(wanted);
    let text = if args.json {
        rows.iter().map(|row| format!("{}\n", row.record())).collect()
    } else if args.csv {
        csv(&rows)
    } else {
        table(&rows, all)
    };
    super::print(&text)
}

fn rows<'a>(principals: &'a [Known], endpoints: &'a BTreeMap<String, Known>) -> Vec<Row<'a>> {
    let mut called: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
    for endpoint in endpoints.values() {
        for caller in &endpoint.called_by {
            called.entry(caller).or_default().push(endpoint);
        }
    }
    let mut rows = Vec::new();
    for principal in principals {
        let mut told = BTreeSet::new();
        // Of endpoints that have another template by now.
        let mut old_scopes: BTreeSet<&str> = BTreeSet::new();
        let mut old_last = None;
        for used in &principal.uses {
            let scopes = used.scopes.iter().map(String::as_str);
            let last = Some(Rfc3339(used.last_seen.0));
            let Some(endpoint) = endpoints.get(&used.id) else {
                old_scopes.extend(scopes);
                old_last = old_last.max(last.map(|t: Rfc3339| t.0));
                continue;
            };
            told.insert(used.id.as_str());
            rows.push(Row {
                principal,
                endpoint,
                scopes: scopes.collect(),
                exchanges: Some(used.exchanges),
                last,
                exact: true,
            });
        }
        for endpoint in called.get(principal.text("id")).into_iter().flatten() {
            let answered = endpoint.value["status"]["2xx"].as_u64().unwrap_or(0);
            if told.contains(endpoint.text("id")) || answered == 0 || old_last.is_none() {
                continue;
            }
            rows.push(Row {
                principal,
                endpoint,
                scopes: old_scopes.iter().copied().collect(),
                exchanges: None,
                last: earlier(old_last, endpoint.time("last_seen")),
                exact: false,
            });
        }
    }
    rows.sort_by_cached_key(|row| {
        (
            kind_of(row.principal).0,
            name(row.principal).to_owned(),
            row.principal.text("id").to_owned(),
            ["host", "template", "method"].map(|field| row.endpoint.text(field).to_owned()),
        )
    });
    rows
}

/// The earlier of two times, of which one may not be known.
fn earlier(a: Option<u64>, b: Option<Rfc3339>) -> Option<Rfc3339> {
    a.into_iter().chain(b.map(|b| b.0)).min().map(Rfc3339)
}

impl Row<'_> {
    fn owner(&self) -> &str {
        self.principal.value["registered"]["owner"].as_str().unwrap_or("")
    }

    fn record(&self) -> Value {
        let (p, e) = (self.principal, self.endpoint);
        let mut record = json!({
            "v": 1,
            "principal": {"id": p.text("id"), "kind": p.text("kind"), "name": name(p)},
            "endpoint": {"id": e.text("id"), "host": e.text("host"), "method": e.text("method"), "template": e.text("template")},
            "scopes": self.scopes,
            "data_classes": facts::classes(e),
            "exact": self.exact,
        });
        if !self.owner().is_empty() {
            record["principal"]["owner"] = json!(self.owner());
        }
        if let Some(exchanges) = self.exchanges {
            record["exchanges"] = json!(exchanges);
        }
        if let Some(last) = self.last {
            record["last_used"] = json!(last.to_string());
        }
        record
    }

    fn cells(&self) -> [String; 12] {
        let (p, e) = (self.principal, self.endpoint);
        let text = |known: &Known, field: &str| known.text(field).to_owned();
        [
            text(p, "id"),
            text(p, "kind"),
            name(p).to_owned(),
            self.owner().to_owned(),
            text(e, "host"),
            text(e, "method"),
            text(e, "template"),
            self.scopes.join(" "),
            facts::classes(e).join(" "),
            self.exchanges.map_or(String::new(), |n| n.to_string()),
            self.last.map_or(String::new(), |t| t.to_string()),
            if self.exact { "yes" } else { "no" }.to_owned(),
        ]
    }
}

fn csv(rows: &[Row<'_>]) -> String {
    const NAMES: [&str; 12] = [
        "principal",
        "kind",
        "name",
        "owner",
        "host",
        "method",
        "template",
        "scopes",
        "data_classes",
        "exchanges",
        "last_used",
        "exact",
    ];
    let head = csv_row(NAMES.into_iter().map(str::to_owned));
    let rows = rows.iter().map(|row| csv_row(row.cells().into_iter()));
    std::iter::once(head).chain(rows).collect()
}

fn table(rows: &[Row<'_>], all: usize) -> String {
    const COLUMNS: [Column; 6] = [
        Column::text("caller", 16),
        Column::text("endpoint", 28),
        Column::text("scopes", 10).optional(),
        Column::text("data", 7).optional(),
        Column::number("calls"),
        Column::text("last used", 16),
    ];
    let mut page = Page::for_stdout();
    let note = match rows.len() {
        n if n == all => format!("{} rows", thousands(all as u64)),
        n => format!("{} of {} rows", thousands(n as u64), thousands(all as u64)),
    };
    page.heading("Access", &note);
    if rows.is_empty() {
        let text = if all == 0 {
            "Nobody was let in anywhere yet."
        } else {
            "Nothing like that."
        };
        page.wrapped(Look::Dim, 2, text);
        return page.finish();
    }
    let mut before = "";
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let (p, e) = (row.principal, row.endpoint);
            let caller = match p.text("id") == before {
                true => Cell::new(Look::Plain, ""),
                false => Cell::new(kind_of(p).2, name(p)),
            };
            before = p.text("id");
            let last = row.last.map_or(String::new(), |t| t.minute());
            let last = if row.exact { last } else { format!("until {last}") };
            vec![
                caller,
                Cell::new(
                    Look::Plain,
                    full_name(e.text("method"), e.text("host"), e.text("template")),
                ),
                Cell::new(Look::Plain, row.scopes.join(", ")),
                Cell::new(Look::Red, facts::classes(e).join(", ")),
                match row.exchanges {
                    Some(calls) => Cell::count(Look::Plain, calls),
                    None => Cell::new(Look::Plain, ""),
                },
                Cell::new(Look::Dim, last),
            ]
        })
        .collect();
    page.table(&COLUMNS, &cells);
    page.finish()
}

/// What is known of one access at some moment: its scopes.
type Granted<'a> = BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>;

fn granted(state: &State) -> Granted<'_> {
    let mut all = Granted::new();
    for (principal, own) in state.about(About::Principal) {
        for word in own.fact(ACCESS) {
            let mut words = word.split(' ');
            if let Some(endpoint) = words.next() {
                all.insert((principal, endpoint), words.collect());
            }
        }
    }
    all
}

/// One difference.
struct Changed<'a> {
    what: &'static str,
    principal: &'a str,
    endpoint: &'a str,
    /// Where names are taken from.
    state: &'a State,
    scopes: Vec<&'a str>,
    added: Vec<&'a str>,
    removed: Vec<&'a str>,
    classes: Vec<&'a str>,
}

fn changes(args: &AccessReviewArgs, since: crate::known::when::When) -> Result<Status, Failure> {
    let (before, after) = of_days(&args.store, (Some(since), args.until), &args.declared)?;
    let source;
    let only = match &args.principal {
        Some(asked) => {
            source = Source::store(&args.store, &args.declared)?;
            Some(one(&source, asked)?.text("id").to_owned())
        }
        None => None,
    };
    let mut all = differences(&before.state, &after.state);
    all.retain(|change| {
        let kind = change.principal_fact("kind");
        let kind = args.kind.is_empty() || args.kind.contains(&kind);
        kind && only.as_deref().is_none_or(|id| id == change.principal)
    });
    let text = if args.json {
        all.iter()
            .map(|change| format!("{}\n", change.record()))
            .collect()
    } else if args.csv {
        changes_csv(&all)
    } else {
        changes_page(&before, &after, &all)
    };
    super::print(&text)
}

fn differences<'a>(before: &'a State, after: &'a State) -> Vec<Changed<'a>> {
    let (old, new) = (granted(before), granted(after));
    let mut all = Vec::new();
    let row =
        |what, (principal, endpoint): (&'a str, &'a str), state: &'a State, scopes: &BTreeSet<&'a str>| {
            let known = state.about(About::Endpoint).get(endpoint);
            Changed {
                what,
                principal,
                endpoint,
                state,
                scopes: scopes.iter().copied().collect(),
                added: Vec::new(),
                removed: Vec::new(),
                classes: known.map_or_else(Vec::new, |e| e.fact("data_classes").collect()),
            }
        };
    for (key, scopes) in &new {
        // Endpoints that have another template by now are neither new nor gone.
        if !after.about(About::Endpoint).contains_key(key.1) {
            continue;
        }
        match old.get(key) {
            None => {
                let renamed = !before.about(About::Endpoint).contains_key(key.1)
                    && old.keys().any(|(principal, endpoint)| {
                        *principal == key.0 && !after.about(About::Endpoint).contains_key(*endpoint)
                    });
                all.push(row(if renamed { "renamed" } else { "new" }, *key, after, scopes));
            }
            Some(was) if was != scopes => {
                let mut change = row("scopes", *key, after, scopes);
                change.added = scopes.difference(was).copied().collect();
                change.removed = was.difference(scopes).copied().collect();
                all.push(change);
            }
            Some(_) => {}
        }
    }
    for (key, scopes) in &old {
        let endpoint_is_there = after.about(About::Endpoint).contains_key(key.1);
        if !new.contains_key(key) && endpoint_is_there {
            all.push(row("gone", *key, before, scopes));
        }
    }
    all.sort_by_cached_key(|change| {
        let order = ["new", "scopes", "renamed", "gone"]
            .iter()
            .position(|what| *what == change.what);
        (
            order,
            change.principal_name().to_owned(),
            change.principal.to_owned(),
            change.place(),
        )
    });
    all
}

impl Changed<'_> {
    fn principal_fact(&self, fact: &str) -> String {
        let known = self.state.about(About::Principal).get(self.principal);
        known
            .and_then(|p| p.fact(fact).next().map(str::to_owned))
            .unwrap_or_default()
    }

    fn principal_name(&self) -> &str {
        let known = self.state.about(About::Principal).get(self.principal);
        known.map_or(self.principal, |p| p.name("name"))
    }

    fn part(&self, name: &str) -> &str {
        let known = self.state.about(About::Endpoint).get(self.endpoint);
        known.map_or("", |e| e.name(name))
    }

    fn place(&self) -> String {
        full_name(self.part("method"), self.part("host"), self.part("template"))
    }

    fn record(&self) -> Value {
        let mut record = json!({
            "v": 1,
            "change": self.what,
            "principal": {"id": self.principal, "kind": self.principal_fact("kind"), "name": self.principal_name()},
            "endpoint": {
                "id": self.endpoint, "host": self.part("host"), "method": self.part("method"), "template": self.part("template"),
            },
            "scopes": self.scopes,
            "data_classes": self.classes,
        });
        if self.what == "scopes" {
            record["added"] = json!(self.added);
            record["removed"] = json!(self.removed);
        }
        record
    }

    fn cells(&self) -> [String; 11] {
        [
            self.what.to_owned(),
            self.principal.to_owned(),
            self.principal_fact("kind"),
            self.principal_name().to_owned(),
            self.part("host").to_owned(),
            self.part("method").to_owned(),
            self.part("template").to_owned(),
            self.scopes.join(" "),
            self.added.join(" "),
            self.removed.join(" "),
            self.classes.join(" "),
        ]
    }
}

fn changes_csv(all: &[Changed<'_>]) -> String {
    const NAMES: [&str; 11] = [
        "change",
        "principal",
        "kind",
        "name",
        "host",
        "method",
        "template",
        "scopes",
        "added",
        "removed",
        "data_classes",
    ];
    let head = csv_row(NAMES.into_iter().map(str::to_owned));
    let rows = all.iter().map(|change| csv_row(change.cells().into_iter()));
    std::iter::once(head).chain(rows).collect()
}

fn changes_page(before: &Moment, after: &Moment, all: &[Changed<'_>]) -> String {
    let mut page = Page::for_stdout();
    page.text(Look::Bold, "Access that changed");
    page.text(Look::Plain, "  ");
    let span = format!("from {} to {}", before.words, after.words);
    page.rest_wrapped(Look::Dim, 21, &message::clean(&span));
    if all.is_empty() {
        page.newline();
        page.wrapped(
            Look::Plain,
            0,
            "Nothing: the same agents and services at the same endpoints, with the same scopes.",
        );
        return page.finish();
    }
    for (what, title, sign, look) in [
        ("new", "New", "+ ", Look::Green),
        ("scopes", "Other scopes", "~ ", Look::Yellow),
        ("renamed", "New templates", "  ", Look::Dim),
        ("gone", "Gone", "− ", Look::Red),
    ] {
        let of: Vec<_> = all.iter().filter(|change| change.what == what).collect();
        if of.is_empty() {
            continue;
        }
        page.heading(title, &thousands(of.len() as u64));
        for change in of {
            page.text(Look::Plain, "  ");
            page.text(look, sign);
            let scopes = match what {
                "scopes" => {
                    let signed = |sign: &str, all: &[&str]| {
                        all.iter().map(|s| format!("{sign}{s}")).collect::<Vec<_>>()
                    };
                    [signed("+", &change.added), signed("−", &change.removed)]
                        .concat()
                        .join(" ")
                }
                _ => change.scopes.join(" "),
            };
            let mut text = format!("{} at {}", change.principal_name(), change.place());
            for (word, list) in [("scopes", scopes), ("data", change.classes.join(", "))] {
                if !list.is_empty() {
                    text.push_str(&format!("; {word} {list}"));
                }
            }
            page.rest_wrapped(Look::Plain, 4, &message::clean(&text));
        }
    }
    page.finish()
}
