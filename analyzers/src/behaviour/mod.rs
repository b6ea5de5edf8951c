//! What of it is not usual: one detector a file, whose first comment is its page in the manual.
//!
//! This stage is keyed by principal. What it knows of an exchange comes in an [`Activity`]; what it finds goes
//! to the ledger. Every detector's memory is bounded and part of the rows that are stored.

pub(crate) mod activity;
pub(crate) mod blast_radius;
pub(crate) mod cadence;
mod customs;
mod days;
mod destinations;
mod dimension;
mod doing;
mod epochs;
pub(crate) mod failure;
pub(crate) mod habits;
mod hours;
mod logins;
pub(crate) mod objects;
mod owners;
mod peers;
pub(crate) mod profile;
mod sequence;
pub(crate) mod sketch;
pub(crate) mod stage;
mod steps;
mod usual;

pub(crate) mod agent_changed;
pub(crate) mod agent_identity_mismatch;
pub(crate) mod agent_on_human_token;
pub(crate) mod agent_runaway;
pub(crate) mod auth_failure_burst;
pub(crate) mod baseline_poison_suspected;
pub(crate) mod bfla_access;
pub(crate) mod bola;
pub(crate) mod bola_enumeration;
pub(crate) mod business_flow_abuse;
pub(crate) mod cascade_detected;
pub(crate) mod code_exec_tool_call;
pub(crate) mod credential_stuffing;
pub(crate) mod data_volume_anomaly;
pub(crate) mod destructive_action_burst;
pub(crate) mod dormant_reactivated;
pub(crate) mod endpoint_discovery_scan;
pub(crate) mod env_crossing;
pub(crate) mod human_use_of_nhi;
pub(crate) mod intent_violation;
pub(crate) mod mass_assignment;
pub(crate) mod missing_auth;
pub(crate) mod new_agent;
pub(crate) mod new_data_class_for_principal;
pub(crate) mod new_endpoint_for_principal;
pub(crate) mod off_hours_activity;
pub(crate) mod peer_outlier;
pub(crate) mod rate_anomaly;
pub(crate) mod request_smuggling_indicator;
pub(crate) mod retry_storm;
pub(crate) mod secret_in_traffic;
pub(crate) mod sensitive_data_exposure;
pub(crate) mod sensitive_data_to_llm;
pub(crate) mod sensor_blind_spot;
pub(crate) mod sequence_anomaly;
pub(crate) mod shadow_agent;
pub(crate) mod shadow_llm_use;
pub(crate) mod slow_exfiltration;
pub(crate) mod stale_principal_active;
pub(crate) mod system_prompt_exposure;
pub(crate) mod unusual_amount;
pub(crate) mod weak_auth;

pub(crate) use activity::{Activity, privileged};
pub use cadence::Mode;
pub use dimension::DIMENSIONS;
pub(crate) use dimension::Dimensions;
pub(crate) use missing_auth::is_public as is_public_route;
pub(crate) use objects::{is_text, named};
pub(crate) use stage::World;

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod explained;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod tests;
