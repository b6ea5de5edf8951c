//! From paths to templates: which of the names in a path are words of the route, and which are values.
//!
//! ```text
//! path ─▶ steps ─▶ tree ─▶ judge ─▶ template
//!         by form   every name as   which names are   a view: nothing is merged
//!         alone     it was proven   values, and why   that cannot be told apart again
//! ```
//!
//! What form alone tells (`42` is an `{int}`) is decided at once, by `steps`. Other names stay as they are in the
//! [`tree::Tree`] of their host, each with endpoints of its own below, until `judge` finds evidence that several of them
//! are values of one parameter: as many alike in what hangs below them and in what is answered as a route has no words
//! for. That verdict is a view. The names lie in the tree as before, and when evidence turns, the next verdict parts them again.
//!
//! Only what a server's answers have proven comes into a tree. Nothing here depends on the order in which it came: what is
//! kept, at the limits too, is chosen by hash, and verdicts are a function of what is kept.

pub(crate) mod judge;
pub(crate) mod route;
pub(crate) mod steps;
pub(crate) mod tree;

#[cfg(test)]
mod tests;
