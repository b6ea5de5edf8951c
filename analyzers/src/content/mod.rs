//! What the words of a request or an answer want.
//!
//! ```text
//! request ─▶ inputs ─▶ decode ─▶ attack        what a caller puts into parameters
//! answer  ─▶ passages ─▶ instruction ─▶ taint  what texts say to the agent that reads them, and whether it does so
//! ```
//!
//! Part of the behaviour stage. Nothing of what is read is kept but classes, numbers and keyed hashes.

pub(crate) mod agent_hijack;
pub(crate) mod attack;
mod decode;
pub(crate) mod injection_attempt;
mod inputs;
mod instruction;
mod passages;
pub(crate) mod prompt_injection_indicator;
pub(crate) mod taint;

#[cfg(test)]
pub(crate) mod tests;
