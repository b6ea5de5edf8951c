//! `tapline inventory`: the endpoints of a store, as a table, as records, or for a spreadsheet.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::args::{InventoryArgs, SortBy};
use crate::exit::{Failure, Status};
use crate::known::filter::Filter;
use crate::known::subject::{Concern, SEVERITIES, concerns};
use crate::known::{Known, Source, facts};
use crate::message;
use crate::records::Rfc3339;
use crate::summary::page::{Cell, Column, Group, Look, Page, thousands};

/// What a row is sorted by, the first row having the least.
type Rank = (Reverse<u64>, Reverse<bool>, Reverse<u64>, usize);

pub(super) fn inventory(args: &InventoryArgs) -> Result<Status, Failure> {
    let source = Source::store(&args.store, &args.declared)?;
    let concerns = concerns(&source);
    let last = source.last();
    let filter = Filter::new(&args.filters, last);
    let mut all = 0;
    let mut documented = false;
    let mut rows: Vec<(Rank, Known)> = Vec::new();
    for (place, endpoint) in source.endpoints().enumerate() {
        all += 1;
        documented |= facts::documented(&endpoint) == Some(true);
        if filter.wants(&endpoint) {
            let worst = concerns.get(endpoint.text("id")).and_then(|c| c.first());
            rows.push((rank(args.sort, &endpoint, worst, place), endpoint));
        }
    }
    if args.filters.undocumented && !documented && all > 0 {
        message::warn(
            "no endpoint of this store is declared in a specification; were any given to the run (--spec FILE)?",
        );
    }
    rows.sort_by_key(|(rank, _)| *rank);
    let wanted = rows.len();
    rows.truncate(args.limit.map_or(usize::MAX, |n| n as usize));
    let rows: Vec<Known> = rows.into_iter().map(|(_, endpoint)| endpoint).collect();
    if args.json {
        let mut out = Vec::new();
        for endpoint in &rows {
            out.extend_from_slice(&endpoint.json);
            out.push(b'\n');
        }
        return super::print(&String::from_utf8_lossy(&out));
    }
    if args.csv {
        return super::print(&csv(&rows, &concerns));
    }
    super::print(&table(args, &rows, &concerns, wanted, all, last))
}

fn rank(sort: Option<SortBy>, endpoint: &Known, worst: Option<&Concern>, place: usize) -> Rank {
    let severity = worst.map_or(0, |c| c.rank as u64 + 1);
    let time = |field| endpoint.time(field).map_or(0, |t| t.0);
    let calls = endpoint.count("exchanges");
    match sort {
        None => {
            let data = !facts::classes(endpoint).is_empty();
            (Reverse(severity), Reverse(data), Reverse(calls), place)
        }
        Some(SortBy::Host) => (Reverse(0), Reverse(false), Reverse(0), place),
        Some(SortBy::Calls) => (Reverse(calls), Reverse(false), Reverse(0), place),
        Some(SortBy::Callers) => (
            Reverse(endpoint.count("callers")),
            Reverse(false),
            Reverse(calls),
            place,
        ),
        Some(SortBy::Findings) => (Reverse(severity), Reverse(false), Reverse(calls), place),
        Some(SortBy::LastSeen) => (Reverse(time("last_seen")), Reverse(false), Reverse(0), place),
        Some(SortBy::FirstSeen) => (Reverse(time("first_seen")), Reverse(false), Reverse(0), place),
    }
}

/// Looks of severities, as in the summary.
pub(super) fn severity_look(rank: usize) -> Look {
    match rank {
        4 => Look::Alarm,
        3 => Look::Red,
        2 => Look::Yellow,
        1 => Look::Cyan,
        _ => Look::Dim,
    }
}

fn table(
    args: &InventoryArgs,
    rows: &[Known],
    concerns: &BTreeMap<String, Vec<Concern>>,
    wanted: usize,
    all: usize,
    last: Option<Rfc3339>,
) -> String {
    const COLUMNS: [Column; 16] = [
        Column::text("method", 6),
        Column::text("endpoint", 26),
        Column::number("calls"),
        Column::number("ok").spare(2),
        Column::number("4xx").spare(8),
        Column::number("5xx").spare(7),
        Column::number("callers").spare(3),
        Column::number("AI").spare(12),
        Column::text("auth", 7).spare(11),
        Column::text("data", 7).optional().spare(14),
        Column::text("owner", 7).optional().spare(13),
        Column::text("tier", 6).optional().spare(1),
        Column::text("env", 4).optional().spare(10),
        Column::text("declared", 3).optional().spare(4),
        Column::text("last seen", 16).spare(0),
        Column::text("finding", 12).optional(),
    ];
    let mut page = Page::for_stdout();
    let note = if wanted == all {
        thousands(all as u64)
    } else {
        format!("{} of {}", thousands(wanted as u64), thousands(all as u64))
    };
    let until = last.map_or(String::new(), |t| format!("; last exchange {} UTC", t.minute()));
    page.heading("Endpoints", &format!("{note}{until}"));
    if rows.is_empty() {
        let text = if all == 0 {
            "Nothing was learned yet: no endpoint has answered, or the first snapshot is still to come \
             (store.snapshot_every)."
        } else {
            "None of this kind; `tapline inventory` without filters shows all."
        };
        page.wrapped(Look::Dim, 2, text);
        return page.finish();
    }
    let by_host = matches!(args.sort, None | Some(SortBy::Host));
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for endpoint in rows {
        let worst = concerns.get(endpoint.text("id"));
        let cells = row(endpoint, worst.map_or(&[], Vec::as_slice), !by_host);
        let key = if by_host { endpoint.text("host") } else { "" };
        // Hosts in the order of their first rows.
        let place = *places.entry(key).or_insert_with(|| {
            groups.push((by_host.then(|| Cell::new(Look::Bold, key)), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(cells);
    }
    page.grouped(&COLUMNS, &groups);
    if rows.len() < wanted {
        let more = thousands((wanted - rows.len()) as u64);
        page.wrapped(Look::Dim, 2, &format!("… and {more} more (--limit)"));
    }
    page.finish()
}

fn row(endpoint: &Known, concerns: &[Concern], with_host: bool) -> Vec<Cell> {
    let status = &endpoint.value["status"];
    let answers = |class: &str| status[class].as_u64().unwrap_or(0);
    let auth = endpoint.names("auth");
    let open = auth.contains(&"none");
    let path = match (endpoint.text("template"), with_host) {
        ("", false) => Cell::new(Look::Dim, "(tunnel)"),
        (template, false) => Cell::new(Look::Plain, template),
        (template, true) => Cell::new(Look::Plain, format!("{}{template}", endpoint.text("host"))),
    };
    let finding = match concerns {
        [] => Cell::new(Look::Plain, ""),
        [worst, others @ ..] => {
            let more = match others.len() {
                0 => String::new(),
                more => format!(" +{more}"),
            };
            let text = format!("{} {}{more}", SEVERITIES[worst.rank], worst.kind);
            Cell::new(severity_look(worst.rank), text)
        }
    };
    let fact = |name: &str| facts::text(&endpoint.value, name).unwrap_or_default();
    let declared = match facts::documented(endpoint) {
        Some(true) => Cell::new(Look::Plain, "yes"),
        Some(false) => Cell::new(Look::Yellow, "no"),
        None => Cell::new(Look::Plain, ""),
    };
    vec![
        Cell::new(Look::Cyan, endpoint.text("method")),
        path,
        Cell::count(Look::Plain, endpoint.count("exchanges")),
        Cell::count(Look::Green, answers("2xx") + answers("3xx")),
        Cell::count(Look::Yellow, answers("4xx")),
        Cell::count(Look::Red, answers("5xx")),
        Cell::count(Look::Plain, endpoint.count("callers")),
        Cell::count(Look::Magenta, endpoint.count("agents")),
        Cell::new(if open { Look::Yellow } else { Look::Plain }, auth.join(", ")),
        Cell::new(Look::Red, facts::classes(endpoint).join(", ")),
        Cell::new(Look::Plain, fact("owner")),
        Cell::new(Look::Plain, fact("tier")),
        Cell::new(Look::Plain, fact("environment")),
        declared,
        Cell::new(
            Look::Dim,
            endpoint.time("last_seen").map_or(String::new(), Rfc3339::minute),
        ),
        finding,
    ]
}

/// A table for spreadsheets: RFC 4180, with one row of names.
fn csv(rows: &[Known], concerns: &BTreeMap<String, Vec<Concern>>) -> String {
    const NAMES: [&str; 26] = [
        "id",
        "environment",
        "host",
        "method",
        "template",
        "protocol",
        "purpose",
        "owner",
        "tier",
        "documented",
        "deprecated",
        "first_seen",
        "last_seen",
        "exchanges",
        "1xx",
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        "no_response",
        "callers",
        "agents",
        "auth",
        "data_classes",
        "worst_severity",
        "findings",
    ];
    let mut out = csv_row(NAMES.iter().map(|name| (*name).to_owned()));
    for endpoint in rows {
        let status = &endpoint.value["status"];
        let own = concerns.get(endpoint.text("id")).map_or(&[][..], Vec::as_slice);
        let mut kinds: Vec<&str> = own.iter().map(|c| c.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        out.push_str(&csv_row(NAMES.iter().map(|name| {
            match *name {
                "1xx" | "2xx" | "3xx" | "4xx" | "5xx" => status[*name].as_u64().unwrap_or(0).to_string(),
                "no_response" => status["none"].as_u64().unwrap_or(0).to_string(),
                "documented" => match facts::documented(endpoint) {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "no".to_owned(),
                    None => String::new(),
                },
                "auth" => endpoint.names("auth").join(" "),
                "data_classes" => facts::classes(endpoint).join(" "),
                "worst_severity" => own
                    .first()
                    .map_or(String::new(), |c| SEVERITIES[c.rank].to_owned()),
                "findings" => kinds.join(" "),
                name => facts::text(&endpoint.value, name).unwrap_or_default(),
            }
        })));
    }
    out
}

pub(super) fn csv_row(cells: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            line.push(',');
        }
        line.push_str(&csv_cell(&cell));
    }
    line.push_str("\r\n");
    line
}

/// One cell. Spreadsheets take a text that begins with one of these signs for a formula and run it, and hosts and paths
/// are chosen by whoever sends them: an apostrophe before it makes it a text again (OWASP, CSV Injection).
fn csv_cell(text: &str) -> String {
    // No cell of ours has lines; what has control characters is made harmless for terminals as well.
    let text = message::clean(text).replace('\n', "\u{fffd}");
    let formula = text.starts_with([
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '|', '%',
    ]);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\'', ';']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_cell_is_never_a_formula_and_never_two_cells() {
        for (text, wanted) in [
            ("/v1/orders", "/v1/orders"),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-2+3", "\"'-2+3\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\u{fffd}=1"),
            ("\r=1", "\u{fffd}=1"),
            ("a\nb", "a\u{fffd}b"),
            ("a,b", "\"a,b\""),
            ("", ""),
        ] {
            assert_eq!(csv_cell(text), wanted, "{text:?}");
        }
    }
}
