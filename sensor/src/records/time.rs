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
}
