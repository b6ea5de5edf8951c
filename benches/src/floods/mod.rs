//! Floods: what an attacker, or a broken network, may send to make a sensor run out of memory or time, with ordinary
//! flows beside it that have to be decoded all the same.
//!
//! ```text
//! cases ─▶ wire ─▶ pipe ─▶ tapline replay - ─▶ run
//!   what     packets, with          memory, time,
//!   floods   ordinary flows         ordinary exchanges
//!            in between             found
//! ```
//!
//! Packets are made while they are read, so a flood of gigabytes takes no disk.

mod bytes;
mod cases;
mod ordinary;
mod run;
mod wire;

pub use cases::{Flood, all};
pub use run::{Budget, Outcome, Setup, run};
