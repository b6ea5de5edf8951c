//! Turns exchanges into an inventory of endpoints, profiles of principals, and findings.
//!
//! ```text
//! exchange ─▶ identity ─▶ inventory ─▶ behaviour ─▶ finding
//!             who calls   what is       what of it    one record per
//!                         called        is not usual  thing to look at
//! ```
//!
//! Nothing here reads a clock, opens a file or starts a thread; time is the packets'. Exchanges go in
//! through [`Analyzer::observe`], findings come out of [`Analyzer::poll`], and the same exchanges, settings
//! and starting state give the same answers on every machine.

pub mod settings;

pub mod id;
mod json;
mod marks;
mod store;
mod weight;

mod nearest;
pub mod network;
mod trace_context;

pub mod privacy;

pub mod keys;

pub mod identity;

pub mod inventory;

pub mod a2a;
pub mod llm;
pub mod mcp;

pub mod spec;

pub mod condition;
pub mod intent;

pub mod graph;
pub mod work;

mod behaviour;
mod content;
mod credentials;

pub mod finding;

mod analyzer;
mod stages;

pub use a2a::{A2aLabels, A2aParts, AgentView, InterfaceView, SignatureView};
pub use analyzer::{Analyzer, Change, Labels, RestoreError, Table, exchange_id};
pub use behaviour::DIMENSIONS;
pub use finding::{Evidence, Finding, Kind, Severity, Status};
pub use identity::{Mode, ModelUse, PrincipalKind, PrincipalView, UsedEndpoint};
pub use inventory::{COUNTRY_CODES, EndpointView};
pub use mcp::{McpAnswer, McpCall, McpLabels, ServerView, ToolView};
pub use nearest::nearest;
pub use settings::Settings;
pub use stages::{Attributed, BehaviourStage, InventoryStage};
pub use store::VERSION as STORE_VERSION;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
