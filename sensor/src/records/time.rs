//! Times as RFC 3339 with nanoseconds, in UTC.

use std::fmt;

use serde::{Serialize, Serializer};

/// Nanoseconds since 1970, shown as `2026-11-21T05:00:00.000000000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rfc3339(pub(crate) u64);

/// Length of every such text; the year has four digits until the 64 bits run out in 2554.
const LENGTH: usize = 30;

impl Rfc3339 {
    /// The text as ASCII bytes.
    pub(crate) fn ascii(self) -> [u8; LENGTH] {
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], second / 3600);
        put(&mut text[14..16], second / 60 % 60);
        put(&mut text[17..19], second % 60);
        put(&mut text[20..29], nanos);
        text
    }

    /// Day and minute, for tables that people read.
    pub(crate) fn minute(self) -> String {
        String::from_utf8_lossy(&self.ascii()[..16]).replace('T', " ")
    }

    /// Day and second, for tables that people read.
    pub(crate) fn second(self) -> String {
        String::from_utf8_lossy(&self.ascii()[..19]).replace('T', " ")
    }
}

impl Rfc3339 {
    /// The day alone.
    pub(crate) fn day(self) -> String {
        String::from_utf8_lossy(&self.ascii()[..10]).into_owned()
    }

    /// Reads a day (`2026-11-21`, its first moment), or a day and a time of it in UTC as records have it, with as many
    /// of its parts as one likes: `2026-11-21T05:00`, `2026-11-21 05:00:07Z`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = |part: &str, length: usize| -> Option<u64> {
            let plain = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse().ok())?
        };
        let (date, time) = match text.find(['T', 't', ' ']) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let mut date = date.split('-');
        let (year, month, day) = (date.next()?, date.next()?, date.next()?);
        let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
        if date.next().is_some() || !(1970..=2553).contains(&year) {
            return None;
        }
        let days = day_number(year, month, day)?;
        let mut nanos = days * NANOS_PER_DAY;
        if let Some(time) = time {
            let time = time.strip_suffix(['Z', 'z']).unwrap_or(time);
            let (time, fraction) = match time.split_once('.') {
                Some((time, fraction)) => (time, Some(fraction)),
                None => (time, None),
            };
            let mut parts = time.split(':');
            let hour = number(parts.next()?, 2).filter(|h| *h < 24)?;
            let minute = number(parts.next()?, 2).filter(|m| *m < 60)?;
            let second = match parts.next() {
                Some(second) => Some(number(second, 2).filter(|s| *s < 60)?),
                None => None,
            };
            if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
                return None;
            }
            nanos += ((hour * 60 + minute) * 60 + second.unwrap_or(0)) * 1_000_000_000;
            if let Some(fraction) = fraction.filter(|f| !f.is_empty() && f.len() <= 9) {
                let padded = format!("{fraction:0<9}");
                nanos += number(&padded, 9)?;
            } else if fraction.is_some() {
                return None;
            }
        }
        Some(Self(nanos))
    }
}

/// Nanoseconds of a day.
pub(crate) const NANOS_PER_DAY: u64 = 86_400_000_000_000;

/// The number of a day counted from 1970-01-01, when the calendar has it: the inverse of [`civil`].
fn day_number(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year_of_march, from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year_of_march / 400, year_of_march % 400);
    let of_year = (153 * from_march + 2) / 5 + day.checked_sub(1)?;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let days = days.checked_sub(719_468)?;
    // A 31st of February is another day of the calendar.
    (month <= 12 && civil(days) == (year, month, day)).then_some(days)
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.ascii()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn put(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Year, month and day of a day counted from 1970-01-01, by the proleptic Gregorian calendar. The year is taken
/// to begin in March, so that the leap day is its last; 146 097 days are 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::Rfc3339;

    #[test]
    fn times_read_as_the_calendar_has_them() {
        let check = |ns: u64, want: &str| assert_eq!(Rfc3339(ns).to_string(), want);
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z");
        check(951_868_799_999_999_999, "2000-02-29T23:59:59.999999999Z");
        check(1_735_689_599_000_000_000, "2024-12-31T23:59:59.000000000Z");
        check(4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z");
        check(u64::MAX, "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn what_is_shown_reads_back() {
        for days in (0..200_000).step_by(97) {
            let time = Rfc3339(days * super::NANOS_PER_DAY + 3_661_000_000_007);
            assert_eq!(Rfc3339::parse(&time.to_string()), Some(time));
            assert_eq!(
                Rfc3339::parse(&time.day()),
                Some(Rfc3339(days * super::NANOS_PER_DAY))
            );
        }
        let check = |text: &str, wanted: Option<&str>| {
            let got = Rfc3339::parse(text).map(|t| t.to_string());
            assert_eq!(got.as_deref(), wanted, "{text}");
        };
        check("2026-11-21T05:07", Some("2026-11-21T05:07:00.000000000Z"));
        check(" 2026-11-21 05:07:09.25Z", Some("2026-11-21T05:07:09.250000000Z"));
        check("2024-02-29", Some("2024-02-29T00:00:00.000000000Z"));
        for wrong in [
            "",
            "2026",
            "2026-11",
            "2026-11-31",
            "2025-02-29",
            "2026-00-10",
            "2026-13-01",
            "2026-11-00",
            "26-11-21",
            "2026-11-21T",
            "2026-11-21T24:00",
            "2026-11-21T10",
            "2026-11-21T10:60",
            "2026-11-21T10:00:00.",
            "2026-11-21T10:00.5",
            "1969-12-31",
            "2026-11-21T10:00:00+01:00",
            "2026-1-2",
            "２０２６-11-21",
        ] {
            check(wrong, None);
        }
    }
}
