//! How specifications stand to what was seen, in a few lines: the findings hold the rest.

use analyzers::inventory::{Overview, Standing};

use super::page::{Look, Page, clean, thousands};

/// Specifications, and hosts without one, that are named.
const NAMED: usize = 8;

/// Draws nothing when there are no specifications.
pub(super) fn draw(page: &mut Page, overview: &Overview) {
    let all = &overview.specifications;
    if all.is_empty() {
        return;
    }
    page.heading("Specifications", &thousands(all.len() as u64));
    for one in all.iter().take(NAMED) {
        page.wrapped(Look::Plain, 2, &standing(one));
    }
    if all.len() > NAMED {
        page.wrapped(Look::Dim, 2, &format!("and {} more", all.len() - NAMED));
    }
    let hosts = &overview.undeclared_hosts;
    if !hosts.is_empty() {
        let named: Vec<String> = hosts.iter().take(NAMED).map(|host| clean(host)).collect();
        let more = match hosts.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = format!(
            "No specification speaks of {} of the hosts seen: {}{more}.",
            thousands(hosts.len() as u64),
            named.join(", ")
        );
        page.wrapped(Look::Dim, 2, &text);
    }
}

fn standing(one: &Standing) -> String {
    let name = clean(&one.specification);
    if one.hosts.is_empty() {
        return format!("{name}: none of its hosts was seen.");
    }
    let called = one.operations.saturating_sub(one.uncalled.len() as u64);
    format!(
        "{name}: {} of {} operations were called, in {} of covered time.",
        thousands(called),
        thousands(one.operations),
        time(one.covered)
    )
}

/// A time in its largest unit.
fn time(seconds: u64) -> String {
    match seconds {
        0..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_called_and_what_has_no_specification_is_told() {
        let mut page = Page::new(100, false);
        draw(&mut page, &Overview::default());
        assert_eq!(page.finish(), "");
        let mut page = Page::new(100, false);
        let overview = Overview {
            specifications: vec![
                Standing {
                    specification: "shop.yaml".into(),
                    operations: 1_240,
                    hosts: vec!["shop.example".into()],
                    uncalled: vec!["GET /a".into(), "GET /b".into()],
                    covered: 90_000,
                    days: 3,
                    exchanges: 10,
                    lost: 0,
                },
                Standing {
                    specification: "other.json".into(),
                    operations: 3,
                    ..Standing::default()
                },
            ],
            undeclared_hosts: (0..10).map(|n| format!("h{n}.example")).collect(),
        };
        draw(&mut page, &overview);
        insta::assert_snapshot!(page.finish());
    }
}
