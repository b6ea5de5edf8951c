//! The inventory written as what others read: OpenAPI 3.1 and Postman collections, from nothing but views of endpoints.
//!
//! ```text
//! views ─▶ group: by host, path and method ─▶ openapi   a document a host
//!          names of path parameters        └▶ postman   a collection
//!                    └ schema: fields to JSON Schema, and to an example of a body
//! ```
//!
//! What stands in a view is fit to be shown, so what is written here is. How much was seen stands beside it in extensions
//! (`x-tapline-…`), since a document says of everything in it that it is so. For the same reason it claims less than a view: what
//! is required was never missing, and words are no `enum`. So the traffic that a document was written from conforms to it.

mod group;
mod names;
mod openapi;
mod postman;
mod schema;

#[cfg(test)]
mod tests;

pub use openapi::openapi;
pub use postman::postman;

use reassembly::Timestamp;

use super::EndpointView;

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Scheme of servers.
    pub scheme: String,
    /// Version of the API, which a document must have.
    pub version: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scheme: "https".to_owned(),
            version: "observed".to_owned(),
        }
    }
}

/// How sure it is that an endpoint is as it is described, 0 to 1: it grows with the exchanges seen (half of it is reached with ten)
/// and shrinks with those that were damaged.
#[must_use]
pub fn confidence(view: &EndpointView) -> f64 {
    let exchanges = view.exchanges as f64;
    if exchanges == 0.0 {
        return 0.0;
    }
    let seen = exchanges / (exchanges + 10.0);
    let sound = 1.0 - view.damaged.min(view.exchanges) as f64 / exchanges;
    (seen * sound * 100.0).round() / 100.0
}

/// A time as RFC 3339 has it, in UTC and whole seconds.
fn rfc3339(time: Timestamp) -> String {
    let seconds = time.seconds();
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    // Civil from days (Hinnant 2013), for days from 1970 on.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
