//! `tapline audit`: what was configured, changed and told, and whether that was tampered with.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no record was changed, taken out, put in or moved, and print how far the chain goes
    #[command(after_long_help = "Examples:\n  \
        tapline audit verify --store /var/lib/tapline\n  \
        tapline audit verify --store DIR --head 812:4be1c0…     as a health record, or an earlier verify, gave it\n\n\
        That records were cut off at the end, and the note in the store with them, shows only beside a head that was kept elsewhere. \
        Exit status 1 when something is wrong.")]
    Verify(AuditVerifyArgs),
    /// Show the records: runs and what they had in force, changes, the life of findings
    #[command(after_long_help = "Examples:\n  \
        tapline audit show --store /var/lib/tapline --last 20\n  \
        tapline audit show --store DIR --finding 55bb90a8         the life of one finding\n  \
        tapline audit show --store DIR --what run_started --json  what every run had in force")]
    Show(AuditShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// A place that the chain once reached, as number and hash
    #[arg(long, value_name = "N:HASH", value_parser = head)]
    pub(crate) head: Vec<(u64, String)>,
    /// One JSON object instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditShowArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// Only what happened to this finding: its id, or the first letters of it
    #[arg(long, value_name = "FINDING")]
    pub(crate) finding: Option<String>,
    /// Only records of this name, e.g. run_started, suppression_added, finding_new
    #[arg(long, value_name = "NAME")]
    pub(crate) what: Vec<String>,
    /// Only the last so many
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    /// The records as they are kept, one a line
    #[arg(long)]
    pub(crate) json: bool,
}

fn head(text: &str) -> Result<(u64, String), String> {
    let right = || {
        let (number, hash) = text.trim().split_once(':')?;
        let hash = hash.trim().to_ascii_lowercase();
        let whole = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then(|| Some((number.trim().parse().ok()?, hash)))?
    };
    right().ok_or_else(|| {
        "a number, a colon and 64 hexadecimal digits, as `tapline audit verify` prints them".to_owned()
    })
}
