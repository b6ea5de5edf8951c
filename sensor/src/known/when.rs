//! Moments as people name them: a day, a time of it, or so long before the last exchange.

use crate::config::units;
use crate::records::Rfc3339;
use crate::records::time::NANOS_PER_DAY;

/// A moment as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// This one.
    At(Rfc3339),
    /// So many nanoseconds before the last exchange.
    Before(u64),
    /// The beginning of the day so many days before that of the last exchange.
    Day(u64),
}

impl When {
    /// Reads what was asked for.
    ///
    /// # Errors
    ///
    /// What would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "today" => return Ok(Self::Day(0)),
            "yesterday" => return Ok(Self::Day(1)),
            _ => {}
        }
        if let Some(at) = Rfc3339::parse(text) {
            return Ok(Self::At(at));
        }
        match units::duration(text) {
            Ok(span) => Ok(Self::Before(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))),
            Err(_) => Err(format!(
                "`{text}` is not a time; write e.g. 2026-11-20, 2026-11-20T08:30, yesterday, or 7d (before the last \
                 exchange that is known)"
            )),
        }
    }

    /// The moment, given the time of the last exchange.
    pub(crate) fn resolve(self, last: Rfc3339) -> Rfc3339 {
        match self {
            Self::At(at) => at,
            Self::Before(nanos) => Rfc3339(last.0.saturating_sub(nanos)),
            Self::Day(back) => {
                let day = (last.0 / NANOS_PER_DAY).saturating_sub(back);
                Rfc3339(day * NANOS_PER_DAY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::When;
    use crate::records::Rfc3339;

    #[test]
    fn moments_are_counted_from_the_last_exchange() {
        let last = Rfc3339::parse("2026-10-06T19:32:00").unwrap();
        for (text, wanted) in [
            ("2026-10-01", "2026-10-01T00:00:00.000000000Z"),
            ("2026-10-01 08:30", "2026-10-01T08:30:00.000000000Z"),
            ("1d", "2026-10-05T19:32:00.000000000Z"),
            ("90m", "2026-10-06T18:02:00.000000000Z"),
            ("today", "2026-10-06T00:00:00.000000000Z"),
            ("yesterday", "2026-10-05T00:00:00.000000000Z"),
        ] {
            let when = When::parse(text).unwrap();
            assert_eq!(when.resolve(last).to_string(), wanted, "{text}");
        }
        for wrong in ["", "tomorrow", "7", "2026-10-32", "last week"] {
            assert!(When::parse(wrong).unwrap_err().contains("write e.g."), "{wrong}");
        }
        let ages = When::parse("36500d").unwrap();
        assert_eq!(ages.resolve(Rfc3339(5)), Rfc3339(0));
    }
}
