//! What may be done with a store as a whole: `store check`, `backup`, `compact`, `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Read a store and the copies beside it to the last row, and say what is wrong and what to do
    #[command(after_long_help = "Examples:\n  \
        tapline store check --store /var/lib/tapline\n  \
        tapline store check --store DIR --json\n\n\
        Nothing is changed, and a sensor may be writing meanwhile. Exit status 3 when a run could not go on from the database with \
        nothing lost.")]
    Check(StoreCheckArgs),
    /// Copy a store to a file, also while a sensor writes to it
    #[command(after_long_help = "Examples:\n  \
        tapline store backup --store /var/lib/tapline --to /backup/tapline.db\n\n\
        The copy is of one moment and is read back before it takes the place of an earlier one. To go on from it, stop the sensor and \
        put it in the place of DIR/tapline.db, without DIR/tapline.db-wal. The hash key has to be kept beside it.")]
    Backup(StoreBackupArgs),
    /// Give back the room of what was removed, and leave out old history
    #[command(after_long_help = "Examples:\n  \
        tapline store compact --store /var/lib/tapline\n  \
        tapline store compact --store DIR --history-days 30\n\n\
        The sensor has to be stopped, and the disk needs room for a second copy meanwhile.")]
    Compact(StoreCompactArgs),
    /// Write everything that a store knows as JSON Lines
    #[command(after_long_help = "Examples:\n  \
        tapline store export --store /var/lib/tapline > everything.jsonl\n  \
        tapline store export --store DIR --out everything.jsonl\n\n\
        Each line has `about` and `record`; records are those that runs give out. The first line tells of the store.")]
    Export(StoreExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StoreCheckArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// One JSON object instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreBackupArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// The file to write; one that is there is replaced when the copy is whole
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Bytes a second, so that a sensor on the same disk is not held up; 0 is as fast as it goes
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = crate::config::units::size)]
    pub(crate) rate: u64,
    /// One JSON object instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreCompactArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// Days of history to keep, at least one; without it all that there are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) history_days: Option<u64>,
    /// One JSON object instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StoreExportArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// The file to write; without it, standard output
    #[arg(long, value_name = "OUT")]
    pub(crate) out: Option<PathBuf>,
}
