//! TCP: segments in, ordered bytes of each direction out, with gaps marked.
//!
//! [`table`] finds the flow of a segment and forgets flows that are idle; [`stream`] puts one direction
//! in order; [`conversation`] puts the two directions in order against each other and decides what is lost;
//! [`history`] remembers what was delivered, to compare retransmissions with, and [`before`] where the flow before stood.

pub(crate) mod before;
pub(crate) mod conversation;
pub(crate) mod history;
pub(crate) mod stream;
pub(crate) mod table;
