//! Dates that say when an operation goes away.

/// When an operation goes away, as a specification says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sunset {
    /// What is written.
    pub text: String,
    /// The same in seconds since 1970, where it is a date.
    pub unix_seconds: Option<i64>,
}

impl Sunset {
    /// Reads a date: `2026-12-31`, RFC 3339, or the form of HTTP (RFC 9110 section 5.6.7), which the header `Sunset` has
    /// (RFC 8594 section 3).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = super::problem::clip(text, 64);
        Self {
            unix_seconds: rfc3339(&text).or_else(|| http_date(&text)),
            text,
        }
    }
}

fn number(text: Option<&str>) -> Option<i64> {
    let text = text?;
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A calendar date with an optional time (RFC 3339 section 5.6).
fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() || date.len() != 10 {
        return None;
    }
    let days = days(number(year)?, number(month)?, number(day)?)?;
    let Some(time) = time else {
        return Some(days * 86_400);
    };
    let clock = clock(time.get(..8)?)?;
    let rest = time[8..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match rest.as_bytes() {
        b"" | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, minutes) = rest[1..].split_once(':')?;
            let seconds = number(Some(hours))? * 3600 + number(Some(minutes))? * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    Some(days * 86_400 + clock - offset)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day = number(parts.next())?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(name))? as i64 + 1;
    let year = number(parts.next())?;
    let clock = clock(parts.next()?)?;
    (parts.next() == Some("GMT")).then_some(())?;
    Some(days(year, month, day)? * 86_400 + clock)
}

fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (
        number(parts.next())?,
        number(parts.next())?,
        number(parts.next())?,
    );
    let right = hours < 24 && minutes < 60 && seconds <= 60 && parts.next().is_none();
    right.then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that a leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_three_forms_are_read() {
        let cases = [
            ("1970-01-01", Some(0)),
            ("2024-02-29", Some(1_709_164_800)),
            ("2026-12-31T23:59:59Z", Some(1_798_761_599)),
            ("2026-12-31T23:59:59.25+01:00", Some(1_798_757_999)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("2023-02-29", None),
            ("2026-13-01", None),
            ("next spring", None),
            ("", None),
            ("2026-12-31T23", None),
        ];
        for (text, want) in cases {
            assert_eq!(Sunset::parse(text).unix_seconds, want, "{text}");
        }
    }
}
