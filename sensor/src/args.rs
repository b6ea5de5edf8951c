//! The command line: what may be asked for, in words for the person who asks.

mod audit;
mod intent;
mod queries;
mod store;

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use audit::{AuditCommand, AuditShowArgs, AuditVerifyArgs};

use crate::config::{self, Config, Mistakes};

pub(crate) use intent::{
    IntentCheckArgs, IntentCommand, IntentDiffArgs, IntentGenerateArgs, IntentKeygenArgs, IntentSignArgs,
};
pub(crate) use queries::{
    AcceptArgs, AccessReviewArgs, AgentsArgs, AgentsCommand, AgentsGraphArgs, AgentsListArgs, AgentsShowArgs,
    CheckArgs, DeclaredArgs, DiffArgs, ExplainArgs, ExportArgs, ExportFormat, FilterArgs, FindingsArgs,
    GraphFormat, InventoryArgs, ListArgs, OverrideArgs, ShowArgs, SortBy, SuppressArgs, TuneArgs,
};
pub(crate) use store::{StoreBackupArgs, StoreCheckArgs, StoreCommand, StoreCompactArgs, StoreExportArgs};

/// Listens to mirrored traffic and tells which APIs exist, who calls them, and what is wrong with it.
#[derive(Debug, Parser)]
#[command(
    name = "tapline",
    version,
    about = "Listens to mirrored API traffic and tells which endpoints exist, who calls them, and what is wrong with it",
    long_about = "Tapline reads packets (a capture file, or a mirror port), rebuilds the HTTP exchanges in them, learns every \
                  API endpoint and everybody who calls it (AI agents, services, people), and reports findings: missing \
                  or weak credentials, tokens that never end, callers walking through other people's objects, data that \
                  should not be there. It only listens: it never sends a packet, resolves no name and probes nothing.",
    after_long_help = "Exit status:\n  \
                       0  done\n  \
                       1  check found violations\n  \
                       2  wrong usage or configuration\n  \
                       3  input unreadable or damaged; what was readable is reported\n  \
                       4  an output could not take everything\n  \
                       130, 143  a replay stopped by SIGINT, SIGTERM before the end of its input\n\n\
                       Messages for people go to standard error, data to standard output.\n\n\
                       First steps:\n  \
                       tapline replay capture.pcap                    a summary of what is in it\n  \
                       tapline replay capture.pcap --findings -       findings as JSON Lines\n  \
                       tapline doctor                                 what a live capture still needs",
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read capture files and report what is in them
    #[command(after_long_help = "Examples:\n  \
        tapline replay monday.pcap tuesday.pcapng.gz            a summary for people\n  \
        tapline replay monday.pcap --findings f.jsonl --inventory -\n  \
        tapline replay monday.pcap --store /var/lib/tapline     go on from what was learned before\n  \
        tcpdump -w - tcp port 80 | tapline replay -             from another program\n\n\
        The same files, configuration and store give the same records, byte for byte, whatever the number of workers \
        and the read size.")]
    Replay(ReplayArgs),
    /// Listen on a network interface until stopped (Ctrl-C)
    #[command(after_long_help = "Examples:\n  \
        sudo tapline capture -i eth1 --store /var/lib/tapline --kafka kafka-1:9092,kafka-2:9092\n  \
        sudo tapline capture -i eth1 --filter 'tcp port 8080' --findings - --duration 10m\n\n\
        Nothing is ever sent on the interface. On SIGINT or SIGTERM everything learned so far is written out first.")]
    Capture(CaptureArgs),
    /// Show the endpoints that a store knows, all or some of them
    #[command(after_long_help = "Examples:\n  \
        tapline inventory --store /var/lib/tapline                        all, those with findings first\n  \
        tapline inventory --store DIR --host '*.acme.example' --no-auth   called without a credential\n  \
        tapline inventory --store DIR --agent-facing --class card         card numbers that agents can get\n  \
        tapline inventory --store DIR --new-since yesterday               what came up since yesterday\n  \
        tapline inventory --store DIR --csv > endpoints.csv               for a spreadsheet\n\n\
        Times such as 7d are counted back from the last exchange in the store, not from the clock: a capture of last \
        month has a last week of its own. A capture may be writing to the store meanwhile.")]
    Inventory(InventoryArgs),
    /// Show everything that is known of one endpoint
    #[command(after_long_help = "Examples:\n  \
        tapline show 'GET orders.acme.example/v1/orders/17' --store DIR   by a path that was called\n  \
        tapline show '/v1/orders/{int}' --store DIR                       by its template\n  \
        tapline show 8f27c1 --store DIR --json                            by the first letters of its id\n\n\
        When several may be meant, they are listed, and the exit status is 2.")]
    Show(ShowArgs),
    /// Tell what changed: between two stores, or in one since a day
    #[command(after_long_help = "Examples:\n  \
        tapline diff --store /var/lib/tapline --since yesterday      yesterday and today\n  \
        tapline diff --store DIR --since 2026-11-16 --until 2026-11-20\n  \
        tapline diff ./staging ./production                          two stores\n  \
        tapline diff DIR@2026-11-20 DIR                              since the end of that day\n  \
        tapline diff monday.jsonl tuesday.jsonl --json               two files that --inventory wrote\n\n\
        Told are new endpoints, templates that took the place of others, endpoints that nobody calls any more although \
        calls were to be expected, new AI agents and services, what came and went of auth, data classes, callers, fields \
        and owners, and new findings. Counts alone are no change. The history of a store knows days of packet time in \
        UTC, as many as store.history_days says.")]
    Diff(DiffArgs),
    /// Hold what is known against a policy, for a pipeline: exit status 1 stops it
    #[command(
        after_long_help = "A policy is TOML with a rule for each thing that must be:\n\n  \
        [[rule]]\n  \
        id = \"no-cards-to-agents\"\n  \
        title = \"AI agents get no card numbers\"\n  \
        severity = \"high\"                      # info, low, medium, high, critical\n  \
        about = \"endpoint\"                     # or principal, or finding\n  \
        where = 'classes has \"card\"'           # which ones; left out: all\n  \
        must = 'agents = 0'                     # or must_not\n  \
        help = \"Give agents an answer without the number.\"\n\n\
        Conditions name the fields of the records (`tapline schema inventory`) with =, !=, <, <=, >, >=, in, has, \
        matches, exists, and, or, not and brackets; docs/commands.md has the whole language.\n\n\
        Examples:\n  \
        tapline check --policy policy.toml --store /var/lib/tapline\n  \
        tapline check --policy policy.toml --inventory staging.jsonl --sarif out.sarif --junit out.xml\n  \
        tapline check --policy policy.toml --store DIR --accepted accepted.toml --fail-on high"
    )]
    Check(CheckArgs),
    /// Say what agents are there for: draw up, check, compare and sign intent policies
    #[command(after_long_help = "Examples:\n  \
        tapline intent generate --store DIR > intent.toml        what agents were seen to do, to be reviewed\n  \
        tapline intent check intent.toml monday.pcap             what would be out of intent\n  \
        tapline intent diff old.toml new.toml                    which rules came, went and changed\n  \
        tapline intent keygen --out reviewer                     reviewer.key and reviewer.pub\n  \
        tapline intent sign intent.toml --key reviewer.key       intent.toml.sig\n  \
        tapline replay monday.pcap --intent intent.toml          findings\n\n\
        docs/intent.md tells how policies are written.")]
    Intent {
        #[command(subcommand)]
        command: IntentCommand,
    },
    /// Accept endpoints as they are now, in a file that `check` knows
    #[command(after_long_help = "Examples:\n  \
        tapline accept --store DIR --all --by ana --why 'first inventory'\n  \
        tapline accept 'POST orders.acme.example/v1/refunds' --store DIR --by ana --why 'release 42'\n  \
        tapline accept --store DIR --host '*.acme.example' --by ana --why 'release 42' --dry-run\n\n\
        Accepted are auth schemes, data classes, callers that are AI agents or services, media types, parameters, fields \
        and declared facts; never counts. The file is sorted: in git a change of it reads as what changed. Rules of `check` \
        ask `accepted` (is it in the file?) and `changed` (what came since).")]
    Accept(AcceptArgs),
    /// Say in the overrides file what traffic cannot tell, such as the owner
    #[command(after_long_help = "Examples:\n  \
        tapline override 'GET orders.acme.example/v1/orders/{id}' --file overrides.toml --owner team-orders\n  \
        tapline override /internal/debug/export --store DIR --tier confidential --owner team-orders\n  \
        tapline override 'api.acme.example/users/anna' --file overrides.toml --path '/users/{name}'\n  \
        tapline override 'api.acme.example/users' --file overrides.toml --keep /users/admin\n  \
        tapline override 8f27c1 --store DIR --accept missing_auth --reason 'behind mTLS' --until 2027-06-30\n\n\
        Comments and order of the file stay. It is checked before it is written, and what changes is printed.")]
    Override(OverrideArgs),
    /// Write what was learned as a specification: OpenAPI or Postman
    #[command(after_long_help = "Examples:\n  \
        tapline export --store DIR --format openapi --host orders.acme.example --out orders.json\n  \
        tapline export --store DIR --format openapi --out specs/           a document for each host\n  \
        tapline export --store DIR --format postman --out acme.postman.json\n\n\
        It says what was seen: how much and how sure stands beside it as `x-tapline-exchanges`, `x-tapline-confidence`, \
        `x-tapline-first-seen` and `x-tapline-last-seen`. There is no value of anybody in it. Given to a run with --spec \
        it declares the traffic that it was written from.")]
    Export(ExportArgs),
    /// Show the principals that a store knows: AI agents, services, people
    #[command(after_long_help = "Examples:\n  \
        tapline agents --store DIR                                       who calls, why, owner, APIs, tools, models, data\n  \
        tapline agents --store DIR --since yesterday --kind ai_agent      agents that came since then\n  \
        tapline agents show refund-agent --store DIR                      all that is known of one\n  \
        tapline agents graph --store DIR > agents.dot                     who reaches what, for Graphviz\n\n\
        Owners come from the registry of agents (inventory.agents). Times are packet times.")]
    Agents(AgentsArgs),
    /// Review access: each caller with each endpoint that let it in, with scopes, data and last use
    #[command(after_help = "Examples:\n  \
        tapline access-review --store DIR --csv > review.csv              everything, for a spreadsheet\n  \
        tapline access-review --store DIR --unused-since 30d              access that nobody used for thirty days\n  \
        tapline access-review --store DIR --since 2026-10-01              what came, went and changed since then\n\n\
        Past days tell of AI agents and services only: people come and go, and are not followed.")]
    AccessReview(AccessReviewArgs),
    /// Show the servers of the Model Context Protocol that a store knows, with their tools and who calls them
    Mcp(ListArgs),
    /// Show the agents of the Agent2Agent protocol that a store knows: their cards, tasks, and who calls them
    #[command(after_long_help = "Examples:\n  \
        tapline a2a --store DIR             agents with their interfaces, skills and security, and who calls them\n  \
        tapline a2a --store DIR --json      the records\n\n\
        What a card says is what the agent says of itself: signatures are shown and not verified. Cards that changed \
        are findings (a2a_card_unsigned_or_changed).")]
    A2a(ListArgs),
    /// Show the findings that a store knows
    Findings(FindingsArgs),
    /// Tell the story of one finding: what happened, how far it is from usual, the packets, what to do
    #[command(after_long_help = "Examples:\n  \
        tapline explain 55bb90a8 --store DIR                   by the first letters of its id\n  \
        tapline explain 55bb90a8 --findings findings.jsonl     from what --findings of a run wrote\n  \
        tapline replay FILE --findings - | tapline explain 55bb --findings -\n  \
        tapline explain 55bb90a8 --store DIR --capture FILE    with the file in the commands that show the packets\n  \
        tapline explain 55bb90a8 --store DIR --json            for programs\n\n\
        Drawings are made of ASCII where standard output is no terminal that shows UTF-8, and with --ascii. When several \
        findings may be meant they are listed, and the exit status is 2.")]
    Explain(ExplainArgs),
    /// Answer for a finding for a while, in a file that runs read: it is kept and counted, and not told
    #[command(after_long_help = "Examples:\n  \
        tapline suppress 55bb90a8 --store DIR --owner ana --reason 'load test, INC-4711' --until 2026-12-31\n  \
        tapline suppress 55bb90a8 --store DIR --alike --owner ana --reason 'nightly export' --until 2027-01-31\n  \
        tapline findings --store DIR --suppressed               those that are hidden, and who answers for them\n\n\
        The file is named by findings.suppressions in the configuration. What is hidden is counted in the summary, in health records \
        and here. When the day is over in packet time, it is told again as soon as it is seen.")]
    Suppress(SuppressArgs),
    /// Replay captures under changed settings, and show what would have been told
    #[command(after_long_help = "Examples:\n  \
        tapline tune week.pcap --set detection.sequence_bits=40\n  \
        tapline tune monday.pcap tuesday.pcap --config tapline.toml --set learning.period=4h --set learning.exchanges=100\n  \
        tapline tune week.pcap --min-severity medium              no change: how many are left at each confidence\n\n\
        Each configuration has a run of its own over all files, in their order, from nothing; no store is read or written. Keys \
        are those of the configuration (`tapline config default`), of the sections detection, learning, findings, token and limits.")]
    Tune(TuneArgs),
    /// Look after a store: check it, copy it, make it smaller, write all of it out
    #[command(after_long_help = "Examples:\n  \
        tapline store check --store /var/lib/tapline               is it whole, and how old are its backups?\n  \
        tapline store backup --store DIR --to /backup/tapline.db   a copy, also while a sensor writes\n  \
        tapline store compact --store DIR --history-days 30        less room\n  \
        tapline store export --store DIR > everything.jsonl        all records")]
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// What was configured, who changed what, and the life of every finding, as a chain of hashes beside the store
    #[command(after_long_help = "Examples:\n  \
        tapline audit verify --store /var/lib/tapline           was anything changed, taken out or moved?\n  \
        tapline audit show --store DIR --last 20                what happened last\n  \
        tapline audit show --store DIR --finding 55bb90a8       the life of one finding")]
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Print the JSON Schema (2020-12) of a record, or the list of records
    Schema {
        /// Which record; without it, the names are listed
        record: Option<SchemaName>,
    },
    /// Check a configuration file, show what is in force, or print every key with its default
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check what this machine and configuration need, and say how to mend what is missing
    Doctor(DoctorArgs),
    /// Print the completion script of a shell
    #[command(after_long_help = "Examples:\n  \
        tapline completions bash > /etc/bash_completion.d/tapline\n  \
        tapline completions zsh > \"${fpath[1]}/_tapline\"\n  \
        tapline completions fish > ~/.config/fish/completions/tapline.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Capture files (pcap or pcapng, plain or packed with gzip or zstd), read in this order; `-` is standard
    /// input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Bytes read at a time; changes speed, never results
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = read_size)]
    pub(crate) read_size: usize,
    /// Read TLS with the secrets in this key log (SSLKEYLOGFILE), beside those that a pcapng file brings along; only
    /// for captures from a laboratory
    #[arg(long, value_name = "KEYS")]
    pub(crate) keylog: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// Interface to listen on; several, each with -i, are read as one, in the order of their packets (configuration: capture.interface)
    #[arg(short, long, value_name = "IFACE")]
    pub(crate) interface: Vec<String>,
    /// Take only what this filter lets through, in the language of tcpdump (configuration: capture.filter)
    #[arg(long, value_name = "BPF")]
    pub(crate) filter: Option<String>,
    /// Answer /metrics, /healthz and /readyz on this address, e.g. 127.0.0.1:9464 (configuration: http.listen)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Stop after this long, e.g. 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<std::time::Duration>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What replay and capture share.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct RunArgs {
    /// Configuration file (TOML); see `tapline config default`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Compare with this specification: OpenAPI, Postman or HAR; HOST=FILE where it is served elsewhere than it says
    /// (configuration: inventory.specs)
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Vec<String>,
    /// Hold agents against what this intent policy says that they are there for (configuration: intent.policies)
    #[arg(long, value_name = "FILE")]
    pub(crate) intent: Vec<PathBuf>,
    /// Write every exchange here, as JSON Lines; `-` is standard output
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) exchanges: Option<PathBuf>,
    /// Write every message and event within exchanges here as it comes: of WebSockets, gRPC, server-sent events
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) parts: Option<PathBuf>,
    /// Write every TCP flow here when it is over
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) flows: Option<PathBuf>,
    /// Write every finding here, each revision as it comes
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) findings: Option<PathBuf>,
    /// Write every endpoint here at the end
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) inventory: Option<PathBuf>,
    /// Write every principal here at the end: AI agents, services, people
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) agents: Option<PathBuf>,
    /// Write every server of the Model Context Protocol here at the end, with its tools and who calls it
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) mcp: Option<PathBuf>,
    /// Write every agent of the Agent2Agent protocol here at the end, with its card, its tasks and who calls it
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) a2a: Option<PathBuf>,
    /// Keep what is learned in this folder, and go on from what is there (configuration: store.directory)
    #[arg(long, value_name = "DIR", help_heading = "Outputs")]
    pub(crate) store: Option<PathBuf>,
    /// Publish to this Kafka, host:port[,host:port…] (configuration: kafka.brokers)
    #[arg(long, value_name = "BROKERS", help_heading = "Outputs", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) kafka: Option<String>,
    /// Show what is otherwise hidden; only for captures from a laboratory
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) reveal: Vec<Reveal>,
    /// Cores that may share the work, by default all there are: with more than one, reassembly and both stages of the
    /// analysis have a thread each; with four or more, reassembly has several. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) workers: Option<u8>,
}

impl RunArgs {
    /// The configuration of the file, with what the command line says beside it.
    ///
    /// # Errors
    ///
    /// Every mistake in the file at once.
    pub(crate) fn config(&self) -> Result<Config, Mistakes> {
        let mut config = config::from_file(self.config.as_deref())?;
        if let Some(dir) = &self.store {
            config.store.directory.clone_from(dir);
        }
        if let Some(brokers) = &self.kafka {
            config.kafka.brokers = brokers.clone();
        }
        if self.reveal.contains(&Reveal::Query) {
            config.privacy.reveal = vec!["query".into()];
        }
        Ok(config)
    }

    /// Cores that may share the work.
    pub(crate) fn cores(&self) -> u8 {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers
            .unwrap_or_else(|| u8::try_from(all()).unwrap_or(u8::MAX))
    }
}

impl RunArgs {
    /// Whether data is written anywhere, so that no summary is asked for on standard output.
    pub(crate) fn has_output(&self) -> bool {
        [
            &self.exchanges,
            &self.parts,
            &self.flows,
            &self.findings,
            &self.inventory,
            &self.agents,
            &self.mcp,
            &self.a2a,
        ]
        .iter()
        .any(|o| o.is_some())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reveal {
    /// Method, host and the whole target (path, query, fragment, user information) as sent, in --exchanges
    Query,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// `--exchanges`
    Exchange,
    /// `--parts`
    Part,
    /// `--flows`
    Flow,
    /// `--findings`, and the findings topic
    Finding,
    /// `--inventory`, and the inventory topic
    Inventory,
    /// `--agents`, and the agents topic
    Agents,
    /// `--mcp`
    Mcp,
    /// `--a2a`
    A2a,
    /// The health topic
    Health,
    /// `tapline diff --json`
    Change,
    /// `tapline access-review --json`
    Access,
    /// `tapline check --json`
    Violation,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a file and report every mistake in it
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Print what is in force: the file's values, and defaults for the rest; secrets are masked
    Show {
        /// The configuration file; without it, the defaults
        file: Option<PathBuf>,
    },
    /// Print a configuration file with every key, its meaning and its default
    Default,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Configuration file to check along
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Interface that is to be captured; several, each with -i (configuration: capture.interface)
    #[arg(short, long, value_name = "IFACE")]
    pub(crate) interface: Vec<String>,
    /// Store that is to be used (configuration: store.directory)
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Kafka that is to be used (configuration: kafka.brokers)
    #[arg(long, value_name = "BROKERS", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) kafka: Option<String>,
    /// Also tell what is as it should be
    #[arg(long)]
    pub(crate) all: bool,
}

fn read_size(text: &str) -> Result<usize, String> {
    let bytes = crate::config::units::size(text)?;
    if !(1..=1 << 30).contains(&bytes) {
        return Err("must be 1 byte to 1 GiB".into());
    }
    usize::try_from(bytes).map_err(|e| e.to_string())
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::config::units::duration(text)
}
