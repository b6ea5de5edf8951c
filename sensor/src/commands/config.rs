//! `tapline config`.

use anyhow::Context as _;

use crate::args::ConfigCommand;
use crate::config;
use crate::declared::{self, Tell};
use crate::exit::{Failure, Status};
use crate::intent;
use crate::jwks;
use crate::message;

pub(super) fn config(command: &ConfigCommand) -> Result<Status, Failure> {
    match command {
        ConfigCommand::Check { file } => {
            let config = config::check(file).map_err(Failure::usage)?;
            config.analysis_settings().map_err(Failure::usage)?;
            declared::load(&config, &[], &config.capture.interface.0, Tell::All).map_err(Failure::usage)?;
            jwks::load(&config).map_err(Failure::usage)?;
            intent::load(&config, &[]).map_err(Failure::usage)?;
            let together = config.kafka_settings().check_together();
            together
                .with_context(|| format!("a mistake in {}", file.display()))
                .map_err(Failure::usage)?;
            let name = message::clean(&file.display().to_string());
            super::print(&format!("{name}: no mistakes\n"))
        }
        ConfigCommand::Show { file } => {
            let config = config::from_file(file.as_deref()).map_err(Failure::usage)?;
            super::print(&config::in_force(&config))
        }
        ConfigCommand::Default => super::print(&config::default_file()),
    }
}
