//! How sure what is known of an endpoint is.
//!
//! The product of three shares: how often it was seen (5 exchanges are half of it, 50 nine tenths), how much of that was
//! whole, and for how long it was watched (a week of days is all of it, one day seven tenths). Loss lowers the first and the
//! second, so that more loss never makes it higher.

use super::Watch;
use crate::finding::words::many;
use crate::inventory::EndpointView;

/// Exchanges at which half of what an endpoint does may be taken to have been seen.
const HALF: f64 = 5.0;

/// Days after which the days of the week tell no more.
const WEEK: u64 = 7;

/// What one day of them is worth.
const ONE_DAY: f64 = 0.7;

/// The confidence, 0 to 1, and why it is no higher.
pub(crate) fn of(view: &EndpointView, watch: &Watch) -> (f64, Vec<String>) {
    let count = view.exchanges as f64;
    let seen = count / (count + HALF);
    let whole = 1.0 - (watch.lost as f64 / count.max(1.0)).min(1.0);
    let days = watch.days().clamp(1, WEEK);
    let watched = ONE_DAY + (1.0 - ONE_DAY) * (days - 1) as f64 / (WEEK - 1) as f64;
    let mut reasons = Vec::new();
    if seen < 0.9 {
        reasons.push(many(view.exchanges, "exchange", "exchanges"));
    }
    if watch.lost > 0 {
        reasons.push(format!(
            "{} of {} not seen whole",
            watch.lost,
            many(view.exchanges, "exchange", "exchanges")
        ));
    }
    if days < WEEK {
        reasons.push(format!("watched on {}", many(days, "day", "days")));
    }
    ((seen * whole * watched * 1000.0).round() / 1000.0, reasons)
}
