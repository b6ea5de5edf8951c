//! The two stages that every exchange passes, each with the state that is its own, so that two threads may hold them.
//!
//! ```text
//! exchange ─▶ InventoryStage ─ Attributed ─▶ BehaviourStage ─▶ findings
//!             who calls, what is called      what of it is not usual; the ledger
//! ```
//!
//! The first never asks the second anything. What it finds itself is filed in the [`Attributed`], and the second puts it into the
//! ledger, in the order of the exchanges: so it makes no difference how far the first one is ahead.

mod attributed;
mod behaviour;
mod inventory;

pub use attributed::Attributed;
pub use behaviour::BehaviourStage;
pub use inventory::InventoryStage;
