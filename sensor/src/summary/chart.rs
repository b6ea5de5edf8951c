//! Small charts for a terminal: bars below each other, and a row of columns with one of them marked.

use unicode_width::UnicodeWidthStr as _;

use super::page::{Look, Page};

/// Longest bar and longest label, in characters.
const LONGEST: usize = 48;
const LABEL: usize = 26;

/// A bar: what it is, how long it is against the others, and what is written beside it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) shown: String,
    /// It is what was observed, beside what was to be expected.
    pub(crate) observed: bool,
}

/// Bars below each other, the longest as long as there is room.
pub(crate) fn bars(page: &mut Page, indent: usize, all: &[Bar]) {
    let width = |of: fn(&Bar) -> &str| all.iter().map(|bar| of(bar).width()).max().unwrap_or(0);
    let (labels, numbers) = (width(|bar| &bar.label).min(LABEL), width(|bar| &bar.shown));
    let room = page
        .width
        .saturating_sub(indent + labels + numbers + 4)
        .min(LONGEST);
    let most = all.iter().map(|bar| bar.value).fold(0.0, f64::max);
    for bar in all {
        page.text(Look::Plain, &" ".repeat(indent));
        page.text(Look::Dim, &padded(&bar.label, labels));
        page.text(Look::Plain, "  ");
        let blanks = numbers.saturating_sub(bar.shown.width());
        let look = if bar.observed { Look::Bold } else { Look::Plain };
        page.text(Look::Plain, &" ".repeat(blanks));
        page.text(look, &bar.shown);
        page.text(Look::Plain, "  ");
        let share = if most > 0.0 {
            (bar.value / most).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let look = if bar.observed { Look::Red } else { Look::Cyan };
        page.text(look, &drawn(share, room, page.is_ascii()));
        page.newline();
    }
}

fn padded(text: &str, width: usize) -> String {
    let mut out: String = text.to_owned();
    out.push_str(&" ".repeat(width.saturating_sub(text.width())));
    out
}

/// A bar of a share of the room; what is not nothing is seen.
fn drawn(share: f64, room: usize, ascii: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if share <= 0.0 || room == 0 {
        return String::new();
    }
    if ascii {
        return "#".repeat(((share * room as f64).round() as usize).max(1));
    }
    let eighths = ((share * room as f64 * 8.0).round() as usize).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A row of columns: what was seen over hours, or over days.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    /// Each with its label and value, in order.
    pub(crate) all: Vec<(String, f64)>,
    /// The one that the observation falls into, and what stands there.
    pub(crate) marked: Option<(usize, String)>,
    /// Show a label at every so many columns; the first and the last when zero.
    pub(crate) every: usize,
}

/// One row of columns, a mark below the one of the observation, and the labels.
pub(crate) fn columns(page: &mut Page, indent: usize, of: &Columns) {
    const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    const ASCII: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];
    let count = of.all.len();
    if count == 0 {
        return;
    }
    let room = page.width.saturating_sub(indent);
    let each = (room / count).clamp(1, 3);
    let most = of.all.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let (levels, none) = match page.is_ascii() {
        true => (ASCII, "."),
        false => (LEVELS, "·"),
    };
    let at = |place: usize| of.marked.as_ref().is_some_and(|(marked, _)| *marked == place);
    page.text(Look::Plain, &" ".repeat(indent));
    for (place, (_, value)) in of.all.iter().take(room / each).enumerate() {
        let level = match *value > 0.0 && most > 0.0 {
            true => levels[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1],
            false => none,
        };
        let look = match (at(place), *value > 0.0) {
            (true, _) => Look::Red,
            (_, true) => Look::Cyan,
            _ => Look::Dim,
        };
        page.text(look, &level.repeat(each.min(2)));
        page.text(Look::Plain, &" ".repeat(each - each.min(2)));
    }
    page.newline();
    if let Some((place, said)) = &of.marked {
        let mark = if page.is_ascii() { "^" } else { "▲" };
        let left = indent + place * each;
        let text = format!("{mark} {said}");
        // What does not fit on the right stands on the left of its mark.
        if left + text.width() <= page.width {
            page.text(Look::Plain, &" ".repeat(left));
            page.line(Look::Red, &text);
        } else {
            let text = format!("{said} {mark}");
            let blanks = (left + 1).saturating_sub(text.width());
            page.text(Look::Plain, &" ".repeat(blanks));
            page.line(Look::Red, &text);
        }
    }
    page.line(Look::Dim, &axis(of, indent, each));
}

/// The labels below the columns, each where it belongs and none upon another.
fn axis(of: &Columns, indent: usize, each: usize) -> String {
    let mut line = " ".repeat(indent);
    let last = of.all.len() - 1;
    for (place, (label, _)) in of.all.iter().enumerate() {
        let wanted = match of.every {
            0 => place == 0 || place == last,
            every => place % every == 0,
        };
        let mut at = indent + place * each;
        if place == last && of.every == 0 {
            // The last label ends where the columns end.
            at = (indent + (last + 1) * each)
                .saturating_sub(label.width())
                .max(indent);
        }
        if !wanted || (place > 0 && line.width() + 1 > at) {
            continue;
        }
        line.push_str(&" ".repeat(at.saturating_sub(line.width())));
        line.push_str(label);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, ascii: bool, draw: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::drawing(width, ascii);
        draw(&mut page);
        page.finish()
    }

    fn bar(label: &str, value: f64, observed: bool) -> Bar {
        Bar {
            label: label.into(),
            value,
            shown: format!("{value}"),
            observed,
        }
    }

    #[test]
    fn bars_are_as_long_as_their_numbers_say() {
        let all = [
            bar("observed", 32.0, true),
            bar("most before", 16.0, false),
            bar("mean", 0.1, false),
            bar("none", 0.0, false),
        ];
        let text = page(60, true, |p| bars(p, 2, &all));
        let length: Vec<usize> = text.lines().map(|line| line.matches('#').count()).collect();
        assert_eq!(length[0], 2 * length[1], "{text}");
        assert_eq!(length[2..], [1, 0], "{text}");
        for width in [40, 80, 120] {
            for ascii in [true, false] {
                let text = page(width, ascii, |p| bars(p, 2, &all));
                assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
                assert_eq!(text.is_ascii(), ascii);
            }
        }
    }

    #[test]
    fn the_mark_stands_below_its_column() {
        let hours = Columns {
            all: (0..24)
                .map(|hour| (format!("{hour:02}"), f64::from(u8::from((8..18).contains(&hour)))))
                .collect(),
            marked: Some((3, "14 calls".into())),
            every: 6,
        };
        let text = page(80, true, |p| columns(p, 2, &hours));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].find('^'), Some(2 + 3 * 3), "{text}");
        assert_eq!(lines[2].find("18"), Some(2 + 18 * 3), "{text}");
        assert_eq!(&lines[0][2 + 8 * 3..2 + 9 * 3], "88 ", "{text}");
        let late = Columns {
            marked: Some((23, "a text that has no room on the right".into())),
            ..hours
        };
        for width in [40, 80, 120] {
            let text = page(width, false, |p| columns(p, 2, &late));
            assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
            assert!(
                text.contains("on the right ▲") || text.contains("▲ a text"),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_to_draw_draws_nothing() {
        let none = Columns {
            all: Vec::new(),
            marked: None,
            every: 0,
        };
        assert_eq!(page(80, true, |p| columns(p, 2, &none)), "");
        assert_eq!(page(80, true, |p| bars(p, 2, &[])), "");
    }
}
