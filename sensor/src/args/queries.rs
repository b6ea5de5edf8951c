//! What may be asked of a store: `inventory`, `show`, `diff`, `check`, `accept`, `override`, `export`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use crate::known::when::When;
use crate::records::Rfc3339;

fn when(text: &str) -> Result<When, String> {
    When::parse(text)
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// JSON Lines instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Everybody, or one of them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AgentsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AgentsCommand>,
    #[command(flatten)]
    pub(crate) list: AgentsListArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Everything that is known of one principal
    Show(AgentsShowArgs),
    /// Who calls which tools and endpoints, what these have others call, and which data is there, as a drawing
    Graph(AgentsGraphArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AgentsGraphArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// dot for Graphviz, mermaid for Markdown, json for programs
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = GraphFormat::Dot)]
    pub(crate) format: GraphFormat,
    /// Only this one: its id, the first letters of it, or its name
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "kind")]
    pub(crate) principal: Option<String>,
    /// Of this kind: ai_agent, service, human, unknown; without it AI agents
    #[arg(long, value_name = "KIND", value_parser = ["ai_agent", "service", "human", "unknown"])]
    pub(crate) kind: Vec<String>,
    /// Leave out what is less sure than this, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    pub(crate) least: f64,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Dot,
    Mermaid,
    Json,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct AccessReviewArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// Only what changed on this day and after it: 2026-11-20, yesterday, or e.g. 7d before the last exchange in the store
    #[arg(long, value_name = "DAY", value_parser = when)]
    pub(crate) since: Option<When>,
    /// The last day that counts; without it, all up to the last exchange
    #[arg(long, value_name = "DAY", value_parser = when, requires = "since")]
    pub(crate) until: Option<When>,
    /// Only what was last used before this time: access that may be taken away
    #[arg(long, value_name = "TIME", value_parser = when, conflicts_with = "since")]
    pub(crate) unused_since: Option<When>,
    /// Only this one: its id, the first letters of it, or its name
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "kind")]
    pub(crate) principal: Option<String>,
    /// Of this kind: ai_agent, service, human, unknown
    #[arg(long, value_name = "KIND", value_parser = ["ai_agent", "service", "human", "unknown"])]
    pub(crate) kind: Vec<String>,
    /// JSON Lines instead of a table
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Comma-separated values instead of a table, for spreadsheets (RFC 4180)
    #[arg(long)]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AgentsListArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) store: Option<PathBuf>,
    /// First seen at this time or later: a day, a time, yesterday, or e.g. 7d before the last exchange in the store
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) since: Option<When>,
    /// Of this kind: ai_agent, service, human, unknown
    #[arg(long, value_name = "KIND", value_parser = ["ai_agent", "service", "human", "unknown"])]
    pub(crate) kind: Vec<String>,
    /// JSON Lines instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AgentsShowArgs {
    /// Which: its id, the first letters of it, or its name
    #[arg(value_name = "PRINCIPAL")]
    pub(crate) principal: String,
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// One JSON object: the records of the principal, of its endpoints and of the findings about it
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

/// What is declared about endpoints; without it, what the last run with the store had.
#[derive(Debug, Default, Args)]
pub(crate) struct DeclaredArgs {
    /// Configuration with specifications, overrides and owners; without it, the files of the last run with the store, as they
    /// are today
    #[arg(long, value_name = "FILE", help_heading = "Declared")]
    pub(crate) config: Option<PathBuf>,
    /// Compare with this specification, as for replay
    #[arg(long, value_name = "FILE", help_heading = "Declared")]
    pub(crate) spec: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    #[command(flatten)]
    pub(crate) filters: FilterArgs,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
    /// Order of the rows; without it those with findings come first, below their hosts
    #[arg(long, value_name = "BY", value_enum)]
    pub(crate) sort: Option<SortBy>,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// JSON Lines instead of a table: the records that --inventory of a run writes
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Comma-separated values instead of a table, for spreadsheets (RFC 4180)
    #[arg(long)]
    pub(crate) csv: bool,
}

/// Which endpoints are meant. Of one filter given several times any may hold, of different ones all must.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which endpoints")]
pub(crate) struct FilterArgs {
    /// Host; `*` stands for any letters
    #[arg(long, value_name = "GLOB")]
    pub(crate) host: Vec<String>,
    /// Method
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Vec<String>,
    /// Path template; `*` stands for any letters
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Vec<String>,
    /// Carries data of this class, e.g. card; `*` stands for any letters
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Vec<String>,
    /// Owner; `*` stands for any letters
    #[arg(long, value_name = "GLOB")]
    pub(crate) owner: Vec<String>,
    /// Has no owner
    #[arg(long, conflicts_with = "owner")]
    pub(crate) unowned: bool,
    /// Tier: public, internal or confidential
    #[arg(long, value_name = "TIER")]
    pub(crate) tier: Vec<String>,
    /// Environment, by its label
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Vec<String>,
    /// AI agents call it
    #[arg(long)]
    pub(crate) agent_facing: bool,
    /// Called at this time or later: a day, a time, yesterday, or e.g. 7d before the last exchange in the store
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) since: Option<When>,
    /// First seen at this time or later, counted as --since is
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub(crate) new_since: Option<When>,
    /// No specification declares it
    #[arg(long)]
    pub(crate) undocumented: bool,
    /// Called without a credential at least once
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Protocol: http, jsonrpc, mcp and others
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Vec<String>,
}

impl FilterArgs {
    /// Whether any filter was given.
    pub(crate) fn any(&self) -> bool {
        let lists = [
            &self.host,
            &self.method,
            &self.path,
            &self.class,
            &self.owner,
            &self.tier,
            &self.environment,
            &self.protocol,
        ];
        lists.iter().any(|list| !list.is_empty())
            || self.unowned
            || self.agent_facing
            || self.since.is_some()
            || self.new_since.is_some()
            || self.undocumented
            || self.no_auth
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortBy {
    /// Host, then path and method
    Host,
    /// Most calls first
    Calls,
    /// Most callers first
    Callers,
    /// Worst finding first
    Findings,
    /// Called last first
    LastSeen,
    /// Seen first last: what is new is on top
    FirstSeen,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Which: its id or the first letters of it, `METHOD host/path`, a path, or a template
    #[arg(value_name = "ENDPOINT", required = true, num_args = 1..=2)]
    pub(crate) endpoint: Vec<String>,
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// One JSON object: the records of the endpoint, of its callers and of the findings about it
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FindingsArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// Instead of the others, those that suppressions hide
    #[arg(long, conflicts_with = "held")]
    pub(crate) suppressed: bool,
    /// Instead of the others, those that went beyond a budget and that an `alert_storm` counts
    #[arg(long)]
    pub(crate) held: bool,
    /// JSON Lines instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressArgs {
    /// Which: its id, or the first letters of it
    #[arg(value_name = "FINDING", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) finding: String,
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// The file of suppressions; without it, that of the last run with the store, or suppressions.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Also others of its kind, of the same caller at the same endpoint: findings of another day have other ids
    #[arg(long)]
    pub(crate) alike: bool,
    /// Who answers for it
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) owner: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    /// Until the end of this day (UTC), in packet time
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) until: String,
    /// Print what would be added, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Capture files, read in this order under each configuration
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Configuration file (TOML); without it, the defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Compare with this specification, as for replay
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Vec<String>,
    /// The change: a key of the configuration and its value, e.g. detection.sequence_bits=40
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Leave out findings that are less sure than this, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) min_confidence: f64,
    /// Leave out findings below this severity
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub(crate) min_severity: Option<SeverityName>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Which: its id, or the first letters of it
    #[arg(value_name = "FINDING", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) finding: String,
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR", required_unless_present = "findings")]
    pub(crate) store: Option<PathBuf>,
    /// Instead of a store: findings, as --findings of a run writes them; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) findings: Option<PathBuf>,
    /// The capture file that it was found in, for the commands that show the packets; without it, those of the last
    /// replay with the store
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Vec<PathBuf>,
    /// Draw with ASCII alone
    #[arg(long)]
    pub(crate) ascii: bool,
    /// One JSON object: the record of the finding, what is drawn of it, and the commands
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Before: a store, DIR@DAY for a store as it was at the end of a day, or a file that --inventory wrote
    #[arg(value_name = "A", requires = "after", conflicts_with_all = ["store", "since", "until"])]
    pub(crate) before: Option<PathBuf>,
    /// After: likewise
    #[arg(value_name = "B")]
    pub(crate) after: Option<PathBuf>,
    /// One store, of which --since tells how far to look back
    #[arg(
        long,
        value_name = "DIR",
        requires = "since",
        required_unless_present = "before"
    )]
    pub(crate) store: Option<PathBuf>,
    /// What changed on this day and after it: 2026-11-20, yesterday, or e.g. 7d before the last exchange in the store
    #[arg(long, value_name = "DAY", value_parser = when, requires = "store")]
    pub(crate) since: Option<When>,
    /// The last day that counts; without it, all up to the last exchange
    #[arg(long, value_name = "DAY", value_parser = when, requires = "store")]
    pub(crate) until: Option<When>,
    /// JSON Lines, one change a line, instead of a page for people
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// What must be, in TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The folder given as --store to replay or capture
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present_any = ["inventory", "spec", "config"],
        conflicts_with_all = ["inventory", "agents", "findings"]
    )]
    pub(crate) store: Option<PathBuf>,
    /// Instead of a store: endpoints, as --inventory of a run writes them
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,
    /// Beside --inventory: callers, as --agents of a run writes them
    #[arg(long, value_name = "FILE", requires = "inventory")]
    pub(crate) agents: Option<PathBuf>,
    /// Beside --inventory: findings, as --findings of a run writes them
    #[arg(long, value_name = "FILE", requires = "inventory")]
    pub(crate) findings: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
    /// The accepted state, as `tapline accept` writes it: for rules with `accepted` and `changed`
    #[arg(long, value_name = "FILE")]
    pub(crate) accepted: Option<PathBuf>,
    /// Only violations of this severity and above end with status 1; all are told
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub(crate) fail_on: Option<SeverityName>,
    /// Write the violations as SARIF 2.1.0; `-` is standard output
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) sarif: Option<PathBuf>,
    /// Write them as JUnit XML
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) junit: Option<PathBuf>,
    /// Write them as JSON Lines, one violation a line
    #[arg(long, value_name = "OUT", help_heading = "Outputs")]
    pub(crate) json: Option<PathBuf>,
}

/// Severities in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityName {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityName> for analyzers::Severity {
    fn from(name: SeverityName) -> Self {
        match name {
            SeverityName::Info => Self::Info,
            SeverityName::Low => Self::Low,
            SeverityName::Medium => Self::Medium,
            SeverityName::High => Self::High,
            SeverityName::Critical => Self::Critical,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// Which endpoints, named as for `tapline show`; or filters, or --all
    #[arg(value_name = "ENDPOINT")]
    pub(crate) endpoints: Vec<String>,
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// The file of what is accepted, to be kept in git; made when there is none
    #[arg(long, value_name = "FILE", default_value = "accepted.toml")]
    pub(crate) accepted: PathBuf,
    /// Who accepts it
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) by: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) why: String,
    /// When, as a date; without it, today
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) when: Option<String>,
    /// Every endpoint of the store
    #[arg(long, conflicts_with = "endpoints")]
    pub(crate) all: bool,
    /// Take those out of the file that the store does not know
    #[arg(long)]
    pub(crate) prune: bool,
    /// Say what would be accepted, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) filters: FilterArgs,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OverrideArgs {
    /// Which: `METHOD host/path`, or `host/path` for every method; with --store also by id or path, as for `tapline show`
    #[arg(value_name = "ENDPOINT", required = true, num_args = 1..=2)]
    pub(crate) endpoint: Vec<String>,
    /// The overrides file; without it, the one of the last run with the store
    #[arg(long, value_name = "FILE", required_unless_present = "store")]
    pub(crate) file: Option<PathBuf>,
    /// The store in which the endpoint is looked up
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Who owns it
    #[arg(long, value_name = "NAME", help_heading = "What to say", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) owner: Option<String>,
    /// For whom it is
    #[arg(long, value_name = "TIER", help_heading = "What to say", value_parser = ["public", "internal", "confidential"])]
    pub(crate) tier: Option<String>,
    /// Its environment
    #[arg(long, value_name = "NAME", help_heading = "What to say", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) environment: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT", help_heading = "What to say", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) purpose: Option<String>,
    /// The template of its path, with the names of its parameters: /users/{name}
    #[arg(long, value_name = "TEMPLATE", help_heading = "What to say")]
    pub(crate) path: Option<String>,
    /// A path of which the names are never taken for parameters: /users/admin
    #[arg(long, value_name = "PATH", help_heading = "What to say")]
    pub(crate) keep: Vec<String>,
    /// Say it of every method
    #[arg(long, help_heading = "What to say")]
    pub(crate) any_method: bool,
    /// Raise no finding of this kind here any more; takes --reason
    #[arg(long, value_name = "KIND", help_heading = "What to say", requires = "reason")]
    pub(crate) accept: Vec<String>,
    /// Why the findings are accepted
    #[arg(long, value_name = "TEXT", help_heading = "What to say", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,
    /// Until the end of this day (UTC) they are
    #[arg(long, value_name = "DATE", help_heading = "What to say", value_parser = date)]
    pub(crate) until: Option<String>,
    /// Say no more of it: owner, tier, environment, purpose, accept, reason or until
    #[arg(
        long,
        value_name = "KEY",
        help_heading = "What to say",
        value_parser = ["owner", "tier", "environment", "purpose", "accept", "reason", "until"]
    )]
    pub(crate) unset: Vec<String>,
    /// Print what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder given as --store to replay or capture
    #[arg(long, value_name = "DIR")]
    pub(crate) store: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: ExportFormat,
    /// Where to: a file, or a folder (with a slash at its end) for a document of each host; `-` is standard output
    #[arg(long, value_name = "OUT", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Scheme of the servers in it: what is mirrored in the clear is mostly reached with TLS
    #[arg(long, value_name = "SCHEME", default_value = "https", value_parser = ["https", "http"])]
    pub(crate) scheme: String,
    #[command(flatten)]
    pub(crate) filters: FilterArgs,
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// OpenAPI 3.1, a document for each host
    Openapi,
    /// A Postman collection 2.1, with a folder for each host
    Postman,
}

fn date(text: &str) -> Result<String, String> {
    match Rfc3339::parse(text) {
        Some(day) if text.trim().len() == 10 => Ok(day.day()),
        _ => Err(format!("`{text}` is no date; write e.g. 2027-06-30")),
    }
}
