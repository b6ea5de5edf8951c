//! Capture time: what the packets say, never what a clock says.

use std::time::Duration;

/// A moment in capture time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// Unsigned 64-bit nanoseconds reach to the year 2554.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Time from `earlier` to `self`; zero when `earlier` is later, as happens when a card captures on
    /// several queues and packets come slightly out of order.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment and `by` more, stopping at the end of the range.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}
