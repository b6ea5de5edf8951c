//! A day at a small company, as a sensor beside the servers sees it.
//!
//! Two web applications used by people, an orders API, a payments API, an MCP server; four AI agents, a
//! nightly batch, an integration, price displays, health checks; and six incidents among it. `testdata/README.md` tells
//! the story and where each incident is.

mod agents;
mod incidents;
mod machines;
mod mcp;
mod oddities;
mod people;
mod record;
mod world;

use crate::wire::Resolution;

/// The seed of the committed capture.
pub const SEED: u64 = 20_261_006;

/// A capture and the truth about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demo {
    /// The capture, a pcap file.
    pub pcap: Vec<u8>,
    /// One JSON object a line, one line an exchange, by time.
    pub truth: String,
}

/// Writes the day of this seed.
#[must_use]
pub fn demo(seed: u64) -> Demo {
    let world = world::World::new(seed);
    let services = world::Services::new();
    let mut out = record::Recorder::new(seed);
    people::run(&mut out, &world, &services);
    agents::run(&mut out, &world, &services);
    mcp::run(&mut out, &world, &services);
    machines::run(&mut out, &world, &services);
    oddities::run(&mut out, &world, &services);
    incidents::run(&mut out, &world, &services);
    machines::displays(&mut out, &world, &services);
    Demo {
        pcap: out.capture.pcap(Resolution::Nanoseconds),
        truth: out.truth(),
    }
}
