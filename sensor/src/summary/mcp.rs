//! Servers of the Model Context Protocol: a row each in the summary, and each with its tools where they are asked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use analyzers::{ServerView, ToolView};

use super::best::Best;
use super::page::{Cell, Column, Look, Page, thousands};
use super::tables::and_more;

/// Those that were used most.
#[derive(Debug)]
pub(super) struct Servers {
    best: Best<u64, ServerView>,
    tools: usize,
}

impl Default for Servers {
    fn default() -> Self {
        Self::new(std::iter::empty(), 0)
    }
}

fn is_named(server: &ServerView) -> String {
    match (&server.name, &server.version) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        (Some(name), None) => name.clone(),
        _ => String::new(),
    }
}

/// Names with their counts, those with the most first.
fn most(counts: &BTreeMap<String, u64>) -> Vec<&str> {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|(_, count)| Reverse(**count));
    all.into_iter().map(|(name, _)| name.as_str()).collect()
}

fn by_calls(tools: &[ToolView]) -> Vec<&ToolView> {
    let mut all: Vec<_> = tools.iter().collect();
    all.sort_by_key(|tool| Reverse(tool.calls));
    all
}

impl Servers {
    /// Looks at all of them and keeps up to `most`.
    pub(super) fn new(all: impl Iterator<Item = ServerView>, most: usize) -> Self {
        let mut own = Self {
            best: Best::new(most),
            tools: 0,
        };
        for server in all {
            own.tools += server.tools.len();
            own.best.offer(server.exchanges, server);
        }
        own
    }

    pub(super) fn is_empty(&self) -> bool {
        self.best.offered() == 0
    }

    /// How many there are.
    pub(super) fn note(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        let tools = match self.tools {
            1 => "1 tool".to_owned(),
            count => format!("{} tools", thousands(count as u64)),
        };
        format!("{}, {tools}", thousands(self.best.offered() as u64))
    }

    /// A row each.
    pub(super) fn table(&mut self, page: &mut Page, command: &str) {
        const COLUMNS: [Column; 9] = [
            Column::text("server", 16),
            Column::text("says it is", 10).optional().spare(4),
            Column::text("revision", 10).spare(2),
            Column::number("exchanges"),
            Column::number("tools"),
            Column::number("calls"),
            Column::number("failed").spare(3),
            Column::number("callers"),
            Column::text("called most", 12).optional().spare(1),
        ];
        let all = self.best.offered();
        let rows: Vec<Vec<Cell>> = self
            .best
            .in_order()
            .map(|(_, server)| {
                let tools = by_calls(&server.tools);
                let called: Vec<&str> = tools
                    .iter()
                    .filter(|tool| tool.calls > 0)
                    .map(|tool| tool.name.as_str())
                    .collect();
                let sum = |of: fn(&ToolView) -> u64| server.tools.iter().map(of).sum();
                vec![
                    Cell::new(Look::Bold, format!("{}{}", server.host, server.path)),
                    Cell::new(Look::Plain, is_named(server)),
                    Cell::new(Look::Plain, server.revisions.last().cloned().unwrap_or_default()),
                    Cell::count(Look::Plain, server.exchanges),
                    Cell::count(Look::Plain, server.tools.len() as u64),
                    Cell::count(Look::Plain, sum(|tool| tool.calls)),
                    Cell::count(Look::Yellow, sum(|tool| tool.failed)),
                    Cell::count(Look::Magenta, server.callers.len() as u64),
                    Cell::new(Look::Dim, called.join(", ")),
                ]
            })
            .collect();
        page.table(&COLUMNS, &rows);
        and_more(page, all, rows.len(), command);
    }

    /// Each with its tools, and by what names it is called.
    pub(super) fn each(&mut self, page: &mut Page) {
        const COLUMNS: [Column; 5] = [
            Column::text("tool", 16),
            Column::number("calls"),
            Column::number("failed"),
            Column::text("says it only reads", 3),
            Column::text("definition", 12).spare(0),
        ];
        for (_, server) in self.best.in_order() {
            page.newline();
            page.text(Look::Bold, &format!("  {}{}", server.host, server.path));
            page.line(Look::Plain, &format!("  {}", is_named(server)));
            let rows: Vec<Vec<Cell>> = by_calls(&server.tools)
                .into_iter()
                .map(|tool| {
                    vec![
                        Cell::new(Look::Cyan, tool.name.as_str()),
                        Cell::count(Look::Plain, tool.calls),
                        Cell::count(Look::Yellow, tool.failed),
                        Cell::new(Look::Plain, if tool.read_only { "yes" } else { "" }),
                        Cell::new(Look::Dim, tool.definition.as_deref().unwrap_or("not seen")),
                    ]
                })
                .collect();
            if !rows.is_empty() {
                page.table(&COLUMNS, &rows);
            }
            let lists = [
                ("revisions", server.revisions.iter().map(String::as_str).collect()),
                ("clients", most(&server.clients)),
                ("callers", most(&server.callers)),
                ("resources", most(&server.resources)),
                ("prompts", most(&server.prompts)),
            ];
            for (title, names) in lists {
                if !names.is_empty() {
                    page.wrapped(Look::Dim, 4, &format!("{title}: {}", names.join(", ")));
                }
            }
        }
    }
}
