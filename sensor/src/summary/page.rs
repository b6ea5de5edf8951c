//! Text for a terminal: styles, widths, and tables that fit.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use crate::message;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Width when the text does not go to a terminal.
const WIDTH_ELSEWHERE: usize = 120;
/// Whether a terminal may be given more than plain text: it is not said to take none, and nobody objects.
pub(crate) fn may_style() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let able = std::env::var_os("TERM").is_some_and(|t| !t.is_empty() && t != "dumb");
    able && !no_colour
}

/// Width of a terminal that does not tell it.
const WIDTH_UNKNOWN: usize = 80;
/// Bounds of the width on a terminal: below, tables say nothing; above, lines are hard to follow.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=160;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
    Cyan,
    Magenta,
    Alarm,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Yellow => "33",
            Self::Green => "32",
            Self::Cyan => "36",
            Self::Magenta => "35",
            Self::Alarm => "1;37;41",
        }
    }
}

/// A text that grows, for a place of known width.
#[derive(Debug)]
pub(crate) struct Page {
    out: String,
    pub(crate) width: usize,
    colour: bool,
    /// Drawn with ASCII alone.
    ascii: bool,
}

/// Whether standard output is a terminal that shows what is beyond ASCII, by the order in which POSIX asks for the locale.
fn shows_unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let utf8 = |locale: String| locale.to_ascii_lowercase().replace('-', "").contains("utf8");
    std::io::stdout().is_terminal() && locale.is_some_and(utf8)
}

impl Page {
    /// A page for standard output as it is, with drawings. `ascii` draws them with ASCII whatever the terminal can.
    pub(crate) fn with_drawings(ascii: bool) -> Self {
        Self {
            ascii: ascii || !shows_unicode(),
            ..Self::for_stdout()
        }
    }

    /// A page without colours, for tests of drawings.
    #[cfg(test)]
    pub(crate) fn drawing(width: usize, ascii: bool) -> Self {
        Self {
            ascii,
            ..Self::new(width, false)
        }
    }

    /// Whether drawings are made of ASCII alone.
    pub(crate) fn is_ascii(&self) -> bool {
        self.ascii
    }

    /// A page for standard output as it is.
    pub(crate) fn for_stdout() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::new(WIDTH_ELSEWHERE, false);
        }
        // Asked for itself: some terminals know their width and not their height.
        let asked = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_col);
        let told = || std::env::var("COLUMNS").ok()?.parse().ok();
        let width = Some(usize::from(asked))
            .filter(|&w| w > 0)
            .or_else(told)
            .unwrap_or(WIDTH_UNKNOWN);
        Self::new(width.clamp(*WIDTHS.start(), *WIDTHS.end()), may_style())
    }

    pub(crate) fn new(width: usize, colour: bool) -> Self {
        Self {
            out: String::new(),
            width,
            colour,
            ascii: false,
        }
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn text(&mut self, look: Look, text: &str) {
        if self.colour && look != Look::Plain && !text.is_empty() {
            let _ = write!(self.out, "\x1b[{}m{text}\x1b[0m", look.code());
        } else {
            self.out.push_str(text);
        }
    }

    pub(crate) fn newline(&mut self) {
        // No line ends in blanks.
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        self.out.push('\n');
    }

    pub(crate) fn line(&mut self, look: Look, text: &str) {
        self.text(look, text);
        self.newline();
    }

    /// A heading with what it counts.
    pub(crate) fn heading(&mut self, title: &str, note: &str) {
        self.newline();
        self.text(Look::Bold, title);
        if !note.is_empty() {
            self.text(Look::Dim, &format!("  {note}"));
        }
        self.newline();
    }

    /// Text broken at spaces, each line indented.
    pub(crate) fn wrapped(&mut self, look: Look, indent: usize, text: &str) {
        for line in wrap(text, self.width.saturating_sub(indent).max(20)) {
            self.text(Look::Plain, &" ".repeat(indent));
            self.line(look, &line);
        }
    }

    /// The same, for a line that already reaches to the indent.
    pub(crate) fn rest_wrapped(&mut self, look: Look, indent: usize, text: &str) {
        for (i, line) in wrap(text, self.width.saturating_sub(indent).max(20))
            .iter()
            .enumerate()
        {
            self.text(Look::Plain, &" ".repeat(if i == 0 { 0 } else { indent }));
            self.line(look, line);
        }
    }

    /// A table; columns that do not fit are narrowed, the widest first, and spare ones left out.
    pub(crate) fn table(&mut self, columns: &[Column], rows: &[Vec<Cell>]) {
        self.grouped(columns, &[(None, rows.to_vec())]);
    }

    /// A table whose rows stand in groups, each below its name.
    pub(crate) fn grouped(&mut self, columns: &[Column], groups: &[Group]) {
        let indent = if groups.iter().any(|(name, _)| name.is_some()) {
            4
        } else {
            2
        };
        let rows: Vec<&Vec<Cell>> = groups.iter().flat_map(|(_, rows)| rows).collect();
        let (used, widths) = self.fit(columns, &rows, self.width.saturating_sub(indent));
        let titles: Vec<Cell> = columns.iter().map(|c| Cell::new(Look::Dim, c.title)).collect();
        self.row(columns, &used, &widths, &titles, indent);
        let total: usize = used.iter().map(|&c| widths[c] + 2).sum::<usize>() + indent - 4;
        self.text(Look::Plain, "  ");
        let rule = if self.ascii { "-" } else { "─" };
        self.line(Look::Dim, &rule.repeat(total));
        for (name, rows) in groups {
            if let Some(name) = name {
                self.text(Look::Plain, "  ");
                self.line(name.look, &self.cut(&name.text, self.width.saturating_sub(2)));
            }
            for row in rows {
                self.row(columns, &used, &widths, row, indent);
            }
        }
    }

    fn row(&mut self, columns: &[Column], used: &[usize], widths: &[usize], cells: &[Cell], indent: usize) {
        self.text(Look::Plain, &" ".repeat(indent));
        for (place, &c) in used.iter().enumerate() {
            let text = self.cut(&cells[c].text, widths[c]);
            let blanks = " ".repeat(widths[c].saturating_sub(text.width()));
            if columns[c].right {
                self.text(Look::Plain, &blanks);
            }
            self.text(cells[c].look, &text);
            if place + 1 < used.len() {
                if !columns[c].right {
                    self.text(Look::Plain, &blanks);
                }
                self.text(Look::Plain, "  ");
            }
        }
        self.newline();
    }

    fn cut(&self, text: &str, width: usize) -> String {
        cut(text, width, if self.ascii { '~' } else { '…' })
    }

    /// Which columns are shown in `room`, and the width of each.
    fn fit(&self, columns: &[Column], rows: &[&Vec<Cell>], room: usize) -> (Vec<usize>, Vec<usize>) {
        let mut used: Vec<usize> = (0..columns.len())
            .filter(|&c| !columns[c].optional || rows.iter().any(|r| !r[c].text.is_empty()))
            .collect();
        let mut widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(c, column)| {
                rows.iter()
                    .map(|r| r[c].text.width())
                    .chain([column.title.width()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let least = |c: usize, widths: &[usize]| columns[c].least.min(widths[c]);
        while used.iter().map(|&c| least(c, &widths) + 2).sum::<usize>() > room + 2 {
            let spare = used.iter().copied().filter(|&c| columns[c].spare.is_some());
            let Some(least_wanted) = spare.min_by_key(|&c| columns[c].spare) else {
                break;
            };
            used.retain(|&c| c != least_wanted);
        }
        loop {
            let total: usize = used.iter().map(|&c| widths[c] + 2).sum();
            if total <= room + 2 {
                return (used, widths);
            }
            // The widest of those that may shrink gives way, by one and again.
            let Some(&widest) = used
                .iter()
                .filter(|&&c| widths[c] > columns[c].least)
                .max_by_key(|&&c| widths[c] - columns[c].least)
            else {
                return (used, widths);
            };
            widths[widest] -= 1;
        }
    }
}

/// Rows below a name.
pub(crate) type Group = (Option<Cell>, Vec<Vec<Cell>>);

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
    /// It may be narrowed down to this.
    least: usize,
    /// Left out when it has nothing to say.
    optional: bool,
    /// Left out when there is no room, the lowest first.
    spare: Option<u8>,
}

impl Column {
    /// Text that may be narrowed down to `least`.
    pub(crate) const fn text(title: &'static str, least: usize) -> Self {
        Self {
            title,
            right: false,
            least,
            optional: false,
            spare: None,
        }
    }

    /// A number, which is never narrowed.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self {
            title,
            right: true,
            least: usize::MAX,
            optional: false,
            spare: None,
        }
    }

    /// The same column, left out when there is no room for it; those of lower `rank` go first.
    pub(crate) const fn spare(mut self, rank: u8) -> Self {
        self.spare = Some(rank);
        self
    }

    /// The same column, left out when it has nothing to say.
    pub(crate) const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    look: Look,
}

impl Cell {
    pub(crate) fn new(look: Look, text: impl Into<String>) -> Self {
        Self {
            text: clean(&text.into()),
            look,
        }
    }

    /// A count; nothing for zero when `look` marks something that should not be.
    pub(crate) fn count(look: Look, count: u64) -> Self {
        if count == 0 && look != Look::Plain {
            return Self::new(Look::Dim, "·");
        }
        Self::new(look, thousands(count))
    }
}

/// Text from the network made harmless for a terminal, on one line.
pub(crate) fn clean(text: &str) -> String {
    message::clean(text).replace('\n', "\u{fffd}")
}

/// A number with its thousands set apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length of time in the two largest units that it has.
pub(crate) fn span(seconds: f64) -> String {
    if seconds < 10.0 && seconds.fract() != 0.0 {
        return format!("{seconds:.2} s");
    }
    let seconds = seconds.round().max(0.0) as u64;
    let (large, small, units) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, seconds % 60, ("min", "s")),
        3_600..86_400 => (seconds / 3_600, seconds % 3_600 / 60, ("h", "min")),
        _ => (seconds / 86_400, seconds % 86_400 / 3_600, ("d", "h")),
    };
    match small {
        0 => format!("{} {}", thousands(large), units.0),
        _ => format!("{} {} {small} {}", thousands(large), units.0, units.1),
    }
}

/// Bytes in a unit that people read.
pub(crate) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "bytes" {
                format!("{count} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

fn cut(text: &str, width: usize, end: char) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push(end);
    out
}

/// Lines of at most `width`, broken at spaces; a word that is longer is broken inside.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in clean(text).split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.width() > width {
            let mut head = String::new();
            while let Some(c) = word.chars().next() {
                if head.width() + c.width().unwrap_or(0) > width {
                    break;
                }
                head.push(c);
                word.remove(0);
            }
            if head.is_empty() {
                break;
            }
            lines.push(head);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A command of a shell on lines of about `width`: broken at blanks, with a backslash where they are outside of single quotes.
pub(crate) fn command_lines(command: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut line, mut quoted) = (String::new(), false);
    let command = clean(command);
    let mut words = command.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // An option stays with its value.
        let value = words.next_if(|next| !quoted && word.starts_with('-') && !next.starts_with('-'));
        let word = value.map_or_else(|| word.to_owned(), |value| format!("{word} {value}"));
        if !line.is_empty() && line.width() + 3 + word.width() > width {
            line.push_str(if quoted { "" } else { " \\" });
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        } else if !lines.is_empty() {
            line.push_str("  ");
        }
        line.push_str(&word);
        quoted ^= word.matches('\'').count() % 2 == 1;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Look, Page, bytes, clean, command_lines, thousands, wrap};

    #[test]
    fn a_command_stays_one_on_several_lines() {
        let command =
            "tshark -r some/long/file.pcap -Y 'frame.number == 10391 || frame.number == 10397' --more option";
        let lines = command_lines(command, 40);
        assert!(
            lines.len() > 2 && lines.iter().all(|line| line.len() <= 40),
            "{lines:?}"
        );
        let joined = lines.join("\n").replace(" \\\n", " ").replace('\n', " ");
        assert_eq!(joined.split_whitespace().collect::<Vec<_>>().join(" "), command);
        assert!(lines[0].ends_with('\\') && !lines[1].ends_with('\\'), "{lines:?}");
        assert_eq!(command_lines("ls -l", 40), ["ls -l"]);
    }

    #[test]
    fn a_table_fits_its_page_whatever_is_in_it() {
        let columns = [
            Column::text("name", 4),
            Column::number("calls"),
            Column::text("why", 4),
        ];
        let rows = vec![
            vec![
                Cell::new(Look::Plain, "a".repeat(90)),
                Cell::count(Look::Plain, 1_234_567),
                Cell::new(Look::Dim, "日本".repeat(30)),
            ],
            vec![
                Cell::new(Look::Plain, ""),
                Cell::count(Look::Red, 0),
                Cell::new(Look::Dim, "x"),
            ],
        ];
        for width in [60, 80, 120] {
            let mut page = Page::new(width, false);
            page.table(&columns, &rows);
            for line in page.finish().lines() {
                assert!(
                    unicode_width::UnicodeWidthStr::width(line) <= width,
                    "{width}: {line}"
                );
            }
        }
    }

    #[test]
    fn nothing_from_the_network_moves_the_cursor() {
        assert_eq!(
            clean("a\x1b[2Jb\r\n\u{202e}c"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c"
        );
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(999), "999");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(3_065_726), "3.1 MB");
    }

    #[test]
    fn long_words_are_broken_and_short_ones_kept_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert!(wrap("", 4).is_empty());
    }
}
