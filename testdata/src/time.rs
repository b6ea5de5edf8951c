//! Moments as nanoseconds since 1970, and the forms in which HTTP, JSON and ids write them.

/// A second.
pub const SECOND: u64 = 1_000_000_000;
/// A minute.
pub const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub const HOUR: u64 = 60 * MINUTE;
/// A millisecond.
pub const MILLI: u64 = 1_000_000;
/// A microsecond.
pub const MICRO: u64 = 1_000;

/// Days from 1970-01-01 to this date (proleptic Gregorian; Hinnant's algorithm, years from 1970 on).
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let yoe = y % 400;
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// The moment of this date and time in UTC.
#[must_use]
pub const fn utc(year: u64, month: u64, day: u64, hour: u64, minute: u64) -> u64 {
    days(year, month, day) * 24 * HOUR + hour * HOUR + minute * MINUTE
}

/// Year, month, day, hour, minute, second.
fn civil(at: u64) -> (u64, u64, u64, u64, u64, u64) {
    let secs = at / SECOND;
    let z = secs / 86_400 + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let s = secs % 86_400;
    (year, month, day, s / 3600, s / 60 % 60, s % 60)
}

/// RFC 3339 with nanoseconds, as in exchange records.
#[must_use]
pub fn rfc3339(at: u64) -> String {
    let (y, mo, d, h, mi, s) = civil(at);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{:09}Z", at % SECOND)
}

/// RFC 3339 to the second, as in JSON bodies.
#[must_use]
pub fn iso(at: u64) -> String {
    let (y, mo, d, h, mi, s) = civil(at);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
}

/// The date alone.
#[must_use]
pub fn date(at: u64) -> String {
    iso(at)[..10].to_owned()
}

/// The form of the HTTP Date field (RFC 9110 section 5.6.7).
#[must_use]
pub fn http_date(at: u64) -> String {
    let (y, mo, d, h, mi, s) = civil(at);
    // 1970-01-01 was a Thursday.
    let weekday =
        ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(at / (24 * HOUR) % 7).unwrap_or(0)];
    let month = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ][usize::try_from(mo - 1).unwrap_or(0)];
    format!("{weekday}, {d:02} {month} {y:04} {h:02}:{mi:02}:{s:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_calendar_has_them() {
        let at = utc(2026, 10, 6, 9, 5) + 7 * SECOND + 8;
        assert_eq!(rfc3339(at), "2026-10-06T09:05:07.000000008Z");
        assert_eq!(http_date(at), "Tue, 06 Oct 2026 09:05:07 GMT");
        assert_eq!(at / SECOND, 1_791_277_507);
        assert_eq!(date(utc(2028, 2, 29, 0, 0)), "2028-02-29");
    }
}
