//! What may be asked of intent policies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum IntentCommand {
    /// Draw up a policy of what agents were seen to do, from a store or from captures
    #[command(after_long_help = "Examples:\n  \
        tapline intent generate --store /var/lib/tapline --out intent.toml\n  \
        tapline intent generate --store DIR --principal refund-agent\n  \
        tapline intent generate monday.pcap tuesday.pcap --margin 2\n\n\
        It is a draft: each line says on how many calls, days and tasks it rests, and the mode is observe. Read it, take out \
        what should not be, and set the mode to enforce. The same store gives the same policy, byte for byte.")]
    Generate(IntentGenerateArgs),
    /// Check a policy, and tell which calls of captures would be out of intent: exit status 1 when some are
    #[command(after_long_help = "Examples:\n  \
        tapline intent check intent.toml                         only whether it can be read\n  \
        tapline intent check intent.toml monday.pcap             what it would tell of these captures")]
    Check(IntentCheckArgs),
    /// Tell which rules differ between two policies
    Diff(IntentDiffArgs),
    /// Sign a policy, in a file beside it
    #[command(after_long_help = "Examples:\n  \
        tapline intent sign intent.toml --key reviewer.key\n\n\
        The signature is over the text, whatever its ends of lines. A sensor whose configuration names the public key \
        (intent.trusted_keys) refuses policies that are not signed with it.")]
    Sign(IntentSignArgs),
    /// Make a pair of keys for signing policies (Ed25519)
    Keygen(IntentKeygenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct IntentGenerateArgs {
    /// Capture files, as for replay; or a store
    #[arg(value_name = "CAPTURE", conflicts_with = "store")]
    pub(crate) captures: Vec<PathBuf>,
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Only this one: its id, the first letters of it, or its name; several times for several
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) principal: Vec<String>,
    /// Of this kind: ai_agent, service; without it AI agents
    #[arg(long, value_name = "KIND", value_parser = ["ai_agent", "service"])]
    pub(crate) kind: Vec<String>,
    /// Budgets are so many times the most that was seen
    #[arg(long, value_name = "TIMES", default_value_t = 1.5, value_parser = margin)]
    pub(crate) margin: f64,
    /// An order that held in fewer tasks is left out
    #[arg(long, value_name = "TASKS", default_value_t = 5)]
    pub(crate) support: u64,
    /// Write it here instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Configuration file for reading captures
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) config: Option<PathBuf>,
}

fn margin(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(times) if (1.0..=1000.0).contains(&times) => Ok(times),
        _ => Err("a number from 1 to 1000".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct IntentCheckArgs {
    /// The policy
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// Capture files to hold against it, as for replay
    #[arg(value_name = "CAPTURE")]
    pub(crate) captures: Vec<PathBuf>,
    /// Configuration file: trusted keys, and how captures are read
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct IntentDiffArgs {
    /// The policy as it was
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The policy as it is
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct IntentSignArgs {
    /// The policy
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// The private key, as `tapline intent keygen` writes it
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    /// Write the signature here instead of beside the policy
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct IntentKeygenArgs {
    /// Beginning of the names of both files: NAME.key for the one who signs, NAME.pub for sensors
    #[arg(long, value_name = "NAME")]
    pub(crate) out: PathBuf,
}
