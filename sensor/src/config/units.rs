//! Sizes and durations as people write them: `64MiB`, `250ms`.

use std::time::Duration;

const SIZES: [(&str, u64); 9] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("KB", 1000),
    ("B", 1),
    ("", 1),
];

const SPANS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

/// Bytes of a text such as `64MiB`, `10 MB` or `4096`.
///
/// # Errors
///
/// What would be right.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    SIZES
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, factor)| number.parse::<u64>().ok()?.checked_mul(*factor))
        .ok_or_else(|| format!("`{text}` is not a size; write e.g. 64MiB or 4096"))
}

/// The time a text such as `250ms`, `90s`, `10m`, `24h` or `7d` stands for.
///
/// # Errors
///
/// What would be right.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    SPANS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, factor)| number.parse::<u64>().ok()?.checked_mul(*factor))
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("`{text}` is not a time; write e.g. 250ms, 90s, 10m, 24h or 7d"))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..at], text[at..].trim_start())
}

/// A size in the largest binary unit that gives a whole number.
pub(crate) fn show_size(bytes: u64) -> String {
    for (name, factor) in &SIZES[..3] {
        if bytes != 0 && bytes.is_multiple_of(*factor) {
            return format!("{}{name}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// A time in the largest unit that gives a whole number.
pub(crate) fn show_duration(span: Duration) -> String {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".into();
    }
    let mut by_size = SPANS;
    by_size.sort_by_key(|(_, factor)| std::cmp::Reverse(*factor));
    by_size
        .iter()
        .find(|(_, factor)| nanos % factor == 0)
        .map_or_else(
            || format!("{nanos}ns"),
            |(name, factor)| format!("{}{name}", nanos / factor),
        )
}

#[cfg(test)]
mod tests {
    use super::{duration, show_duration, show_size, size};

    #[test]
    fn what_is_shown_reads_back() {
        for bytes in [0, 1, 1000, 1024, 64 << 20, 3 << 30, u64::MAX] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
        for text in ["250ms", "90s", "10m", "1h", "1d", "7d", "3us", "5ns", "0s"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(duration("24h").unwrap()), "1d");
        assert_eq!(size("10 MB"), Ok(10_000_000));
        for wrong in ["", "MiB", "1 TiBB", "99999999999GiB", "-1", "1.5MiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "10", "h", "1y", "-3s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
