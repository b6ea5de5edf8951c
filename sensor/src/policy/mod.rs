//! Policies: what endpoints, callers and findings must be, in a file that lies in git.
//!
//! ```text
//! policy.toml ─▶ file ─▶ rules, each with conditions ─▶ judge ─▶ violations ─▶ page, SARIF, JUnit, JSON Lines
//!                        condition: words to a tree     records one at a time
//! ```
//!
//! Conditions are a small language of our own and not CEL. Records leave out what is not known, which is the ordinary case
//! here and an error there; and names and values are held against the JSON Schemas of the records while the policy is
//! read, so that a slip of the pen is told with line and column before it lets something pass.

mod condition;
mod fields;
mod file;
mod judge;

pub(crate) mod junit;
pub(crate) mod sarif;

pub(crate) use file::{Policy, Rule};
pub(crate) use judge::{Baseline, Judged, Violation, judge};
