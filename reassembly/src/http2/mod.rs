//! HTTP/2: ordered bytes of a flow in, exchanges out (RFC 9113).
//!
//! ```text
//! bytes ─▶ frame ─▶ hpack ─▶ fields ─▶ stream ─▶ exchange
//!           nine bytes  header   request or   both halves,
//!           and payload blocks   response     bodies
//! ```
//!
//! [`search`] finds frames again after bytes were lost; [`connection`] drives the stages.

mod connection;
mod fields;
mod frame;
mod hpack;
mod search;
mod stream;

pub(crate) use connection::{Beginning, Connection, begins};
pub(crate) use search::looks_like;
