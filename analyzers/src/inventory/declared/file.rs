//! Reading of an operator's own files: TOML whose every mistake is told with its place.
//!
//! They are configuration: unlike a specification, which somebody else wrote, a file with a mistake is not used in part,
//! because half of what was meant is not what was meant.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest;
use crate::spec::Problem;

/// Entries of one file; more are a mistake.
pub(crate) const ENTRIES: usize = 20_000;

/// Mistakes told of one file.
const MISTAKES: usize = 100;

/// Collects mistakes of one text.
#[derive(Debug)]
pub(crate) struct Mistakes<'t> {
    text: &'t str,
    found: Vec<(usize, String)>,
}

impl<'t> Mistakes<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, at: usize, message: impl Into<String>) {
        if self.found.len() < MISTAKES {
            self.found.push((at, message.into()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found, in the order of the text.
    pub(crate) fn finish(self) -> Vec<Problem> {
        let mut found = self.found;
        found.sort();
        found.dedup();
        let mut out = Vec::with_capacity(found.len());
        let (mut line, mut start, mut done) = (1u32, 0usize, 0usize);
        for (at, message) in found {
            let at = self.text.floor_char_boundary(at.min(self.text.len()));
            for (number, byte) in self.text.as_bytes()[done..at].iter().enumerate() {
                if *byte == b'\n' {
                    line += 1;
                    start = done + number + 1;
                }
            }
            done = at;
            out.push(Problem {
                line,
                column: self.text[start..at].chars().count() as u32 + 1,
                pointer: String::new(),
                message,
            });
        }
        out
    }
}

/// The tables of an array, each with its place: `[[name]]`. Names of other tables are mistakes.
pub(crate) fn tables<'d>(
    root: &'d DeTable<'_>,
    names: &[&'static str],
    mistakes: &mut Mistakes<'_>,
) -> Vec<(&'static str, usize, &'d DeTable<'d>)> {
    let mut out = Vec::new();
    for (key, value) in root {
        let at = key.span().start;
        let Some(name) = names.iter().find(|n| **n == key.get_ref().as_ref()) else {
            mistakes.push(at, unknown("section", key.get_ref(), names));
            continue;
        };
        let DeValue::Array(items) = value.get_ref() else {
            mistakes.push(
                at,
                format!("`{name}` is a list of sections; write [[{name}]], with two brackets"),
            );
            continue;
        };
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                mistakes.push(
                    item.span().start,
                    format!("`{name}` is a list of sections; write [[{name}]] and its keys below"),
                );
                continue;
            };
            if out.len() >= ENTRIES {
                mistakes.push(
                    item.span().start,
                    format!("more than {ENTRIES} sections; use globs"),
                );
                return out;
            }
            // A section's own span begins at its first key; what stands before it is its heading.
            out.push((*name, item.span().start, table));
        }
    }
    out.sort_by_key(|(_, at, _)| *at);
    out
}

/// A text as TOML; what is not is told.
pub(crate) fn parse<'t>(text: &'t str, mistakes: &mut Mistakes<'_>) -> Spanned<DeTable<'t>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let what = error.message().trim().replace('\n', ", ");
        mistakes.push(at, format!("is not TOML here: {what}"));
    }
    root
}

/// The keys of one section, taken one by one; those left at the end are mistakes.
pub(crate) struct Section<'d, 'm, 't> {
    pub(crate) name: &'static str,
    pub(crate) at: usize,
    table: &'d DeTable<'d>,
    keys: &'static [&'static str],
    pub(crate) mistakes: &'m mut Mistakes<'t>,
}

/// A text of a section and its place.
pub(crate) type Text<'d> = (usize, &'d str);

impl<'d, 'm, 't> Section<'d, 'm, 't> {
    /// `keys`: all that it may hold.
    pub(crate) fn new(
        (name, at, table): (&'static str, usize, &'d DeTable<'d>),
        keys: &'static [&'static str],
        mistakes: &'m mut Mistakes<'t>,
    ) -> Self {
        for (key, _) in table {
            if !keys.contains(&key.get_ref().as_ref()) {
                mistakes.push(key.span().start, unknown("key", key.get_ref(), keys));
            }
        }
        Self {
            name,
            at,
            table,
            keys,
            mistakes,
        }
    }

    fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        debug_assert!(self.keys.contains(&key), "{key} is in the list");
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }

    /// Tells a mistake about a key.
    pub(crate) fn wrong(&mut self, at: usize, key: &str, what: &str) {
        let name = self.name;
        self.mistakes.push(at, format!("{name}.{key} {what}"));
    }

    /// A text that must not be empty.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Text<'d>> {
        let value = self.value(key)?;
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                self.wrong(at, key, "is empty; write a text, or leave the key out");
                None
            }
            DeValue::String(text) if text.len() > super::pattern::LONGEST => {
                self.wrong(
                    at,
                    key,
                    &format!("is longer than {} bytes", super::pattern::LONGEST),
                );
                None
            }
            DeValue::String(text) if text.chars().any(char::is_control) => {
                self.wrong(at, key, "holds control characters; write one line of text");
                None
            }
            DeValue::String(text) => Some((at, text.trim())),
            _ => {
                self.wrong(at, key, "must be a text, in quotes");
                None
            }
        }
    }

    /// A text, or a list of them.
    pub(crate) fn texts(&mut self, key: &'static str) -> Vec<Text<'d>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            return self.text(key).into_iter().collect();
        };
        let mut out = Vec::new();
        for item in items.iter() {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::String(text) if !text.trim().is_empty() && text.len() <= super::pattern::LONGEST => {
                    out.push((at, text.trim()));
                }
                _ => self.wrong(at, key, "must hold texts, in quotes"),
            }
        }
        out
    }

    /// A day: a date of TOML (`2027-01-31`) or a text of that form, with its place.
    pub(crate) fn day(&mut self, key: &'static str) -> Option<(usize, Day)> {
        let value = self.value(key)?;
        let at = value.span().start;
        let day = match value.get_ref() {
            DeValue::Datetime(time) => time
                .date
                .and_then(|date| Day::new(date.year, date.month, date.day)),
            DeValue::String(text) => Day::parse(text.trim()),
            _ => None,
        };
        if day.is_none() {
            self.wrong(at, key, "must be a day such as 2027-01-31");
        }
        day.map(|day| (at, day))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Where a key stands; the section where it does not.
    pub(crate) fn place(&self, key: &str) -> usize {
        self.value(key).map_or(self.at, |value| value.span().start)
    }
}

/// A day of the calendar, and the packet time at which it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

impl Day {
    fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        ((1970..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// The day of a text such as `2027-01-31`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && year.len() == 4 && month.len() == 2 && day.len() == 2;
        let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if !whole || !digits {
            return None;
        }
        Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }

    /// The day of a number of days since 1970, by Hinnant's `civil_from_days`; the last that there is for one beyond it.
    #[must_use]
    pub fn of(days: u32) -> Self {
        let days = u64::from(days.min(2_932_896)) + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        Self {
            year: (era * 400 + year + later) as u16,
            month: month as u8,
            day: day as u8,
        }
    }

    /// Seconds since 1970 at which the day is over, in UTC.
    #[must_use]
    pub fn end(self) -> u64 {
        // Days since 1970 by Hinnant's `days_from_civil`, for years from 1970 on.
        let (year, month) = (u64::from(self.year), u64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year / 400;
        let of_era = year % 400;
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + u64::from(self.day) - 1;
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        (era * 146_097 + day_of_era - 719_468 + 1) * 86_400
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let name: String = name
        .chars()
        .take(60)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match nearest(&name, known.iter().copied()) {
        Some(near) => format!("unknown {what} `{name}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{name}`; it may be {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, end) in [
            ("1970-01-01", 86_400),
            ("2000-02-29", 951_868_800),
            ("2026-11-21", 1_795_305_600),
            ("2027-01-31", 1_801_440_000),
            ("2027-12-31", 1_830_297_600),
        ] {
            let day = Day::parse(text).unwrap();
            assert_eq!((day.end(), day.to_string()), (end, text.to_owned()));
            assert_eq!(Day::of((end / 86_400 - 1) as u32), day);
        }
        for wrong in [
            "2027-02-29",
            "2027-13-01",
            "2027-1-1",
            "27-01-01",
            "2027-01-01-01",
            "+027-01-01",
            "",
            "1969-12-31",
            "2027-00-01",
        ] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }
}
