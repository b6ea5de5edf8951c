//! `tapline completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{Failure, Status};

pub(super) fn completions(shell: Shell) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tapline", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}
