//! Agents of the Agent2Agent protocol: a row each in the summary, and each with what its card says where they are asked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use analyzers::{AgentView, SignatureView};

use super::best::Best;
use super::page::{Cell, Column, Look, Page, thousands};
use super::tables::and_more;

/// Those that were called most.
#[derive(Debug)]
pub(super) struct Agents {
    best: Best<u64, AgentView>,
    calls: u64,
}

impl Default for Agents {
    fn default() -> Self {
        Self::new(std::iter::empty(), 0)
    }
}

fn is_named(agent: &AgentView) -> String {
    match (&agent.name, &agent.version) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        (Some(name), None) => name.clone(),
        _ => String::new(),
    }
}

/// Names with their counts, those with the most first.
fn counted(counts: &BTreeMap<String, u64>) -> Vec<String> {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|(_, count)| Reverse(**count));
    let shown = |(name, count): (&String, &u64)| format!("{name} {}", thousands(*count));
    all.into_iter().map(shown).collect()
}

fn signed(agent: &AgentView) -> &'static str {
    match (&agent.card, agent.signatures.is_empty()) {
        (None, _) => "not seen",
        (Some(_), true) => "unsigned",
        (Some(_), false) => "signed",
    }
}

/// What a signature says of itself.
fn by(signature: &SignatureView) -> String {
    let mut text = signature.alg.clone().unwrap_or_default();
    for (title, value) in [("key", &signature.kid), ("from", &signature.jku)] {
        if let Some(value) = value {
            text.push_str(&format!(" {title} {value}"));
        }
    }
    text
}

impl Agents {
    /// Looks at all of them and keeps up to `most`.
    pub(super) fn new(all: impl Iterator<Item = AgentView>, most: usize) -> Self {
        let mut own = Self {
            best: Best::new(most),
            calls: 0,
        };
        for agent in all {
            own.calls += agent.calls;
            own.best.offer(agent.calls, agent);
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
        let calls = match self.calls {
            1 => "1 call".to_owned(),
            count => format!("{} calls", thousands(count)),
        };
        format!("{}, {calls}", thousands(self.best.offered() as u64))
    }

    /// A row each.
    pub(super) fn table(&mut self, page: &mut Page, command: &str) {
        const COLUMNS: [Column; 9] = [
            Column::text("agent", 16),
            Column::text("says it is", 10).optional().spare(4),
            Column::text("version", 7).spare(2),
            Column::text("card", 8),
            Column::number("skills"),
            Column::number("calls"),
            Column::number("failed").spare(3),
            Column::number("callers"),
            Column::text("tasks", 12).optional().spare(1),
        ];
        let all = self.best.offered();
        let rows: Vec<Vec<Cell>> = self
            .best
            .in_order()
            .map(|(_, agent)| {
                let look = if agent.signatures.is_empty() {
                    Look::Yellow
                } else {
                    Look::Plain
                };
                vec![
                    Cell::new(Look::Bold, format!("{}{}", agent.host, agent.path)),
                    Cell::new(Look::Plain, is_named(agent)),
                    Cell::new(Look::Plain, agent.versions.last().cloned().unwrap_or_default()),
                    Cell::new(look, signed(agent)),
                    Cell::count(Look::Plain, agent.skills.len() as u64),
                    Cell::count(Look::Plain, agent.calls),
                    Cell::count(Look::Yellow, agent.failed),
                    Cell::count(Look::Magenta, agent.callers.len() as u64),
                    Cell::new(Look::Dim, counted(&agent.tasks).join(", ")),
                ]
            })
            .collect();
        page.table(&COLUMNS, &rows);
        and_more(page, all, rows.len(), command);
    }

    /// Each with its interfaces, its skills, and how it is called.
    pub(super) fn each(&mut self, page: &mut Page) {
        const COLUMNS: [Column; 3] = [
            Column::text("interface", 16),
            Column::text("binding", 8),
            Column::text("version", 7).spare(0),
        ];
        for (_, agent) in self.best.in_order() {
            page.newline();
            page.text(Look::Bold, &format!("  {}{}", agent.host, agent.path));
            page.line(Look::Plain, &format!("  {}", is_named(agent)));
            let rows: Vec<Vec<Cell>> = agent
                .interfaces
                .iter()
                .map(|one| {
                    vec![
                        Cell::new(Look::Cyan, one.url.as_str()),
                        Cell::new(Look::Plain, one.binding.as_str()),
                        Cell::new(Look::Dim, one.version.as_deref().unwrap_or_default()),
                    ]
                })
                .collect();
            if !rows.is_empty() {
                page.table(&COLUMNS, &rows);
            }
            let can: Vec<&str> = [
                (agent.streaming, "streaming"),
                (agent.push_notifications, "push notifications"),
                (agent.extended_card, "extended card"),
            ]
            .into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect();
            let card = match (&agent.card, agent.signatures.is_empty()) {
                (None, _) => "not seen".to_owned(),
                (Some(hash), true) => format!("{hash}, unsigned"),
                (Some(hash), false) => {
                    let all: Vec<String> = agent.signatures.iter().map(by).collect();
                    format!("{hash}, signed: {}", all.join("; "))
                }
            };
            let asks = match agent.asks_for_credentials {
                None => String::new(),
                Some(true) => agent.security_schemes.join(", "),
                Some(false) if agent.security_schemes.is_empty() => "nothing".to_owned(),
                Some(false) => format!("nothing, though it knows {}", agent.security_schemes.join(", ")),
            };
            let skill = |(id, name): &(String, String)| match id == name {
                true => id.clone(),
                false => format!("{id} ({name})"),
            };
            let skills: Vec<String> = agent.skills.iter().map(skill).collect();
            let open = match agent.open_calls {
                0 => String::new(),
                count => thousands(count),
            };
            let lists = [
                ("card", card),
                ("provider", agent.provider.clone().unwrap_or_default()),
                ("versions", agent.versions.join(", ")),
                ("skills", skills.join(", ")),
                ("can", can.join(", ")),
                ("asks callers for", asks),
                ("calls", counted(&agent.methods).join(", ")),
                ("without a credential", open),
                ("tasks", counted(&agent.tasks).join(", ")),
                ("callers", counted(&agent.callers).join(", ")),
            ];
            for (title, text) in lists {
                if !text.is_empty() {
                    page.wrapped(Look::Dim, 4, &format!("{title}: {text}"));
                }
            }
        }
    }
}
