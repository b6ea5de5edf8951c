//! What suppressions of the operator hide, and which of them are over: nothing is hidden in silence.

use analyzers::finding::Suppressed;

use super::page::{Cell, Column, Look, Page, thousands};

/// Suppressions shown; the rest are counted.
const MOST: usize = 20;

/// Draws nothing when there are none.
pub(crate) fn draw(page: &mut Page, all: &[Suppressed]) {
    const COLUMNS: [Column; 7] = [
        Column::text("line", 4),
        Column::text("hides", 20),
        Column::number("findings"),
        Column::text("worst", 8),
        Column::text("owner", 6),
        Column::text("until", 10),
        Column::text("why", 8).spare(1),
    ];
    if all.is_empty() {
        return;
    }
    let hidden: u64 = all.iter().map(|one| one.findings).sum();
    let over = all.iter().filter(|one| one.is_over).count();
    let mut note = format!("{} hidden", thousands(hidden));
    if over > 0 {
        note.push_str(&format!(", {} of {} suppressions over", over, all.len()));
    }
    page.heading("Suppressed findings", &note);
    // Those that hide something, then those that are over and may be taken out, then the rest.
    let mut order: Vec<&Suppressed> = all.iter().collect();
    order.sort_by_key(|one| (one.findings == 0, !one.is_over));
    let row = |one: &&Suppressed| {
        let until = one.by.until.to_string();
        let (until, look) = match one.is_over {
            true => (format!("over {until}"), Look::Yellow),
            false => (until, Look::Plain),
        };
        let worst = one.worst.map_or("", |severity| severity.name());
        vec![
            Cell::new(Look::Dim, one.by.line.to_string()),
            Cell::new(Look::Plain, one.by.what.as_str()),
            Cell::count(Look::Plain, one.findings),
            Cell::new(Look::Plain, worst),
            Cell::new(Look::Plain, one.by.owner.as_str()),
            Cell::new(look, until),
            Cell::new(Look::Dim, one.by.reason.as_str()),
        ]
    };
    let rows: Vec<_> = order.iter().take(MOST).map(row).collect();
    page.table(&COLUMNS, &rows);
    if all.len() > rows.len() {
        page.wrapped(Look::Dim, 2, &format!("and {} more", all.len() - rows.len()));
    }
}
