//! `tapline mcp`, `tapline a2a` and `tapline findings`: what a store knows of servers of tools, of agents that others call, and of
//! what is wrong.

use std::fmt::Write as _;
use std::sync::Arc;

use analyzers::Analyzer;

use crate::args::{FindingsArgs, ListArgs};
use crate::exit::{Failure, Status};
use crate::known;
use crate::message;
use crate::records::a2a::AgentRecord;
use crate::records::finding::FindingRecord;
use crate::records::mcp::ServerRecord;
use crate::records::to_json;
use crate::store::Store;
use crate::summary;

fn learned(args: &ListArgs) -> Result<Analyzer, Failure> {
    Store::read(&args.store, |store| known::learned(store, &Arc::default())).map_err(Failure::input)
}

fn lines(records: impl Iterator<Item = Vec<u8>>) -> String {
    let mut out = String::new();
    for record in records {
        let _ = writeln!(out, "{}", String::from_utf8_lossy(&record));
    }
    out
}

pub(super) fn mcp(args: &ListArgs) -> Result<Status, Failure> {
    let analyzer = learned(args)?;
    super::print(&if args.json {
        lines(analyzer.mcp_servers().map(|s| to_json(&ServerRecord::new(&s))))
    } else {
        summary::mcp(&analyzer)
    })
}

pub(super) fn a2a(args: &ListArgs) -> Result<Status, Failure> {
    let analyzer = learned(args)?;
    super::print(&if args.json {
        lines(analyzer.a2a_agents().map(|a| to_json(&AgentRecord::new(&a))))
    } else {
        summary::a2a(&analyzer)
    })
}

pub(super) fn findings(args: &FindingsArgs) -> Result<Status, Failure> {
    let declared = known::declarations(&args.store, &args.declared)?;
    let analyzer =
        Store::read(&args.store, |store| known::learned(store, &declared)).map_err(Failure::input)?;
    let hidden = analyzer.hidden_findings();
    let records = || {
        hidden
            .iter()
            .map(|(f, by)| to_json(&FindingRecord::new(f).hidden_by(by)))
    };
    if args.suppressed {
        return super::print(&match args.json {
            true => lines(records()),
            false => summary::hidden(&analyzer),
        });
    }
    let held = analyzer.held_findings();
    if args.held {
        return super::print(&match args.json {
            true => lines(
                held.iter()
                    .map(|(f, storm)| to_json(&FindingRecord::new(f).held_by(storm))),
            ),
            false => summary::held(held.into_iter().map(|(finding, _)| finding)),
        });
    }
    if !args.json {
        return super::print(&summary::findings(&analyzer));
    }
    if !hidden.is_empty() {
        message::info(&format!(
            "{} not among them: somebody answers for them; `tapline findings --suppressed` lists them",
            match hidden.len() {
                1 => "1 finding is".to_owned(),
                count => format!("{count} findings are"),
            }
        ));
    }
    super::print(&lines(
        analyzer.findings().map(|f| to_json(&FindingRecord::new(&f))),
    ))
}
