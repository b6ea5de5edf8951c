//! The `tapline` binary.
//!
//! ```text
//! source ─▶ reassembly ─▶ analysis ─▶ records ─▶ outputs
//! files,                              what       JSON Lines, Kafka,
//! interface                           leaves     store, summary
//! ```

mod args;
mod config;
mod cores;
mod exit;
mod message;

mod declared;
mod intent;
mod jwks;
mod keylog;
mod source;

mod mirror;
mod pipeline;
mod regular;
mod reload;

mod calendar;
mod downstream;
mod shards;

mod privileges;
mod status;

mod coverage;
mod desk;

mod records;

mod audit;
mod output;
mod store;
mod summary;

mod known;
mod policy;

mod commands;

mod signals;

use std::process::ExitCode;

use clap::Parser as _;

/// An exchange owns its bytes, so the allocator is on the path of every one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    message::of_defects();
    signals::survive_file_size_limit();
    match commands::run(args::Cli::parse()) {
        Ok(status) => status.into(),
        Err(failure) => failure.report(),
    }
}
