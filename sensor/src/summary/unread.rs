//! Coverage: the servers of whose traffic something could not be read, and what.

use super::page::{Cell, Column, Look, Page, bytes, thousands};
use crate::coverage::{self, Coverage, Server};

/// Rows shown.
const MOST: usize = 8;

/// The table; nothing where all was read.
pub(super) fn draw(page: &mut Page, coverage: &Coverage) {
    let total = coverage.total();
    if !total.is_partial() {
        return;
    }
    const COLUMNS: [Column; 8] = [
        Column::text("server", 15),
        Column::text("name", 12).optional().spare(3),
        Column::number("flows").spare(2),
        Column::number("bytes").spare(1),
        Column::number("decoded"),
        Column::number("opaque"),
        Column::number("unseen"),
        Column::number("lost"),
    ];
    let read = share(total.decoded.bytes, total.all.bytes);
    page.heading("Coverage", &format!("{read} of {} read", bytes(total.all.bytes)));
    let (servers, all) = coverage.missed(MOST);
    let rows: Vec<Vec<Cell>> = servers.iter().map(|server| row(server)).collect();
    page.table(&COLUMNS, &rows);
    if all > rows.len() as u64 {
        let more = thousands(all - rows.len() as u64);
        page.wrapped(
            Look::Dim,
            2,
            &format!("… and {more} more (--flows OUT writes every flow)"),
        );
    }
    let one_sided = coverage.one_sided();
    if one_sided.raised() > 0 {
        let (flows, seen_once) = one_sided.worst();
        let text = format!(
            "One direction only: {} were seen in one direction. Mirror both, or requests stay without answers.",
            coverage::share(flows, seen_once)
        );
        page.wrapped(Look::Yellow, 2, &text);
    }
}

fn row(server: &Server) -> Vec<Cell> {
    let a = &server.amounts;
    let name = match &server.names[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    };
    let size = |look, count: u64| match count {
        0 => Cell::new(Look::Dim, "·"),
        count => Cell::new(look, bytes(count)),
    };
    vec![
        Cell::new(Look::Plain, server.address.to_string()),
        Cell::new(Look::Bold, name),
        Cell::count(Look::Plain, a.all.flows),
        Cell::new(Look::Plain, bytes(a.all.bytes)),
        Cell::new(Look::Green, share(a.decoded.bytes, a.all.bytes)),
        size(Look::Yellow, a.opaque.bytes),
        size(Look::Yellow, a.one_sided.bytes),
        size(Look::Red, a.damaged.bytes),
    ]
}

/// A share in percent that says 100 only when it is all, and 0 only when it is nothing.
fn share(part: u64, all: u64) -> String {
    if part >= all {
        return "100 %".into();
    }
    let thousandths = (u128::from(part) * 1000 / u128::from(all.max(1))).max(u128::from(part > 0));
    if thousandths == 0 {
        return "0 %".into();
    }
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_do_not_round_up_to_all_or_down_to_nothing() {
        for (part, all, want) in [
            (0, 0, "100 %"),
            (0, 9, "0 %"),
            (1, 1_000_000, "0.1 %"),
            (1, 3, "33.3 %"),
            (999_999, 1_000_000, "99.9 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(share(part, all), want);
        }
    }
}
