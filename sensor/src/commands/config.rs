//! `tapline config`.

use crate::args::ConfigCommand;
use crate::config;
use crate::exit::{Failure, Status};

pub(super) fn config(command: &ConfigCommand) -> Result<Status, Failure> {
    match command {
        ConfigCommand::Check { file } => {
            let config = config::load(file).map_err(Failure::usage)?;
            config.analysis_settings().map_err(Failure::usage)?;
            super::print(&format!("{}: no mistakes\n", file.display()))
        }
        ConfigCommand::Show { file } => {
            let config = config::from_file(file.as_deref()).map_err(Failure::usage)?;
            super::print(&config::in_force(&config))
        }
        ConfigCommand::Default => super::print(&config::default_file()),
    }
}
