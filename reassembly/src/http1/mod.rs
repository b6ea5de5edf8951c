//! HTTP/1: ordered bytes of a flow in, exchanges out (RFC 9112).
//!
//! ```text
//! bytes ─▶ head ─▶ framing ─▶ body ─▶ pairing ─▶ exchange
//!           start line  where it   decoded,  which response
//!           and fields  ends       counted   answers which
//! ```
//!
//! [`resync`] finds the next message after bytes were lost; [`connection`] drives the stages.

pub(crate) mod body;
mod brotli;
mod chunked;
pub(crate) mod connection;
mod framing;
mod gathered;
mod head;
pub(crate) mod inflate;
mod order;
pub(crate) mod pairing;
mod plain;
mod reader;
mod resync;
