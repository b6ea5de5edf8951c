//! `tapline intent`: policies of what agents are there for.

mod check;
mod diff;
mod generate;
mod sign;

use crate::args::IntentCommand;
use crate::exit::{Failure, Status};

pub(super) fn intent(command: &IntentCommand) -> Result<Status, Failure> {
    match command {
        IntentCommand::Generate(args) => generate::generate(args),
        IntentCommand::Check(args) => check::check(args),
        IntentCommand::Diff(args) => diff::diff(args),
        IntentCommand::Sign(args) => sign::sign(args),
        IntentCommand::Keygen(args) => sign::keygen(args),
    }
}
