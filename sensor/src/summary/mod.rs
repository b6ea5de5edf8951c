//! What a run found, for people.

pub(crate) mod progress;

mod a2a;
mod best;
pub(crate) mod chart;
mod declared;
mod funnel;
mod mcp;
pub(crate) mod page;
pub(crate) mod suppressed;
mod tables;
mod unread;

use std::path::Path;

use analyzers::finding::Suppressed;
use analyzers::inventory::Overview;
use analyzers::{Analyzer, EndpointView, Finding, PrincipalView};
use reassembly::Timestamp;

use unicode_width::UnicodeWidthStr as _;

use crate::coverage::Coverage;
use crate::pipeline::Run;
use crate::records::Rfc3339;
use a2a::Agents;
use funnel::Funnel;
use mcp::Servers;
use page::{Look, Page, clean, thousands};
use tables::{Endpoints, Findings, Principals};

/// Rows shown of each table of the summary.
const MOST_ENDPOINTS: usize = 40;
const MOST_PRINCIPALS: usize = 20;
const MOST_FINDINGS: usize = 25;
const MOST_SERVERS: usize = 20;

/// Where what was learned is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept<'a> {
    /// Nowhere: there is no store.
    Nowhere,
    /// In the store of this folder.
    In(&'a Path),
    /// In the store of this folder, up to a moment when it could no longer be written.
    PartlyIn(&'a Path),
}

/// One line of what passed and what was lost, for standard error.
pub(crate) fn short(run: &Run) -> String {
    Funnel::new(run, None, &run.given_up).line()
}

/// The whole summary: funnel, endpoints, principals, findings, coverage.
pub(crate) fn full(
    title: &str,
    run: &Run,
    analyzer: &Analyzer,
    coverage: &Coverage,
    store: Kept<'_>,
) -> String {
    let mut learned = Learned::new(
        analyzer.endpoints(),
        analyzer.principals(),
        analyzer.findings(),
        analyzer.counters(),
    );
    let mut page = Page::for_stdout();
    learned.overview = analyzer.overview();
    learned.servers = Servers::new(analyzer.mcp_servers(), MOST_SERVERS);
    learned.agents = Agents::new(analyzer.a2a_agents(), MOST_SERVERS);
    learned.suppressed = analyzer.suppressed();
    learned.draw(&mut page, title, run, coverage, store);
    page.finish()
}

/// What the summary shows of the analysis.
struct Learned {
    endpoints: Endpoints,
    principals: Principals,
    findings: Findings,
    given_up: Vec<(&'static str, u64)>,
    overview: Overview,
    servers: Servers,
    agents: Agents,
    suppressed: Vec<Suppressed>,
}

impl Learned {
    /// Looks at everything once and keeps what is shown: all of it at once may be larger than what it was made from.
    fn new(
        endpoints: impl Iterator<Item = EndpointView>,
        principals: impl Iterator<Item = PrincipalView>,
        findings: impl Iterator<Item = Finding>,
        given_up: Vec<(&'static str, u64)>,
    ) -> Self {
        let findings = Findings::new(findings, MOST_FINDINGS);
        Self {
            endpoints: tables::chosen_endpoints(endpoints, &findings, MOST_ENDPOINTS),
            principals: Principals::new(principals, &findings, MOST_PRINCIPALS),
            findings,
            given_up,
            overview: Overview::default(),
            servers: Servers::default(),
            agents: Agents::default(),
            suppressed: Vec::new(),
        }
    }

    fn draw(&mut self, page: &mut Page, title: &str, run: &Run, coverage: &Coverage, store: Kept<'_>) {
        let name = format!("tapline {}", env!("CARGO_PKG_VERSION"));
        let title = clean(title);
        page.text(Look::Bold, &name);
        page.text(Look::Plain, &format!("  {title}"));
        if let Some((first, last)) = run.span {
            let span = format!("  {}", span(first, last));
            if name.width() + 2 + title.width() + span.width() > page.width {
                page.newline();
            }
            page.text(Look::Dim, &span);
        }
        page.newline();
        page.newline();
        Funnel::new(run, Some(self.endpoints.offered() as u64), &self.given_up).draw(page);
        if let Some(stopped) = &run.stopped {
            page.newline();
            page.wrapped(Look::Yellow, 0, &sentence(&funnel::stopped(run, stopped)));
        }
        // Without a store, all of it can only be had by asking for it as data.
        let more = |name: &str| match store {
            Kept::In(dir) => format!("tapline {name} --store {}", dir.display()),
            Kept::PartlyIn(_) | Kept::Nowhere => {
                format!("--{name} OUT writes all of them")
            }
        };
        if self.endpoints.offered() > 0 {
            page.heading("Endpoints", &thousands(self.endpoints.offered() as u64));
            tables::endpoints(page, &mut self.endpoints, &self.findings, &more("inventory"));
        }
        if !self.principals.is_empty() {
            page.heading("Who calls", &self.principals.by_kind());
            tables::principals(page, &mut self.principals, &more("agents"));
        }
        if !self.servers.is_empty() {
            page.heading("MCP servers", &self.servers.note());
            self.servers.table(page, &more("mcp"));
        }
        if !self.agents.is_empty() {
            page.heading("A2A agents", &self.agents.note());
            self.agents.table(page, &more("a2a"));
        }
        if self.findings.is_empty() {
            page.heading("Findings", "none");
        } else {
            page.heading("Findings", &self.findings.by_severity());
            page.newline();
            tables::findings(page, &mut self.findings, &more("findings"));
        }
        suppressed::draw(page, &self.suppressed);
        declared::draw(page, &self.overview);
        unread::draw(page, coverage);
        if run.counters.exchanges == 0 {
            page.newline();
            page.wrapped(Look::Yellow, 0, nothing_seen(run));
        }
        match store {
            Kept::Nowhere => {}
            Kept::In(dir) => {
                page.newline();
                let text = format!(
                    "What was learned is kept in {}; the next run goes on from it.",
                    dir.display()
                );
                page.wrapped(Look::Dim, 0, &text);
            }
            Kept::PartlyIn(dir) => {
                page.newline();
                let text = format!(
                    "What was learned is not kept: {} could not be written, and holds the state before that. Once it \
                     can be written, replay the capture again, into a store of before this run.",
                    dir.display()
                );
                page.wrapped(Look::Yellow, 0, &text);
            }
        }
    }
}

/// The text as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

/// Why there may be nothing to show.
fn nothing_seen(run: &Run) -> &'static str {
    let c = &run.counters;
    if c.packets == 0 {
        "No packets: nothing came through. Check the interface and the filter."
    } else if c.tls_flows + c.quic_flows + c.dtls_flows > 0 {
        "No HTTP in the clear: the flows are TLS or QUIC, which cannot be read. Mirror the traffic behind the point that ends them."
    } else if c.flows == 0 {
        "No TCP in these packets. Check that the capture has the servers' traffic, and its link type."
    } else {
        "No HTTP in these flows."
    }
}

/// When it was captured, and for how long.
fn span(first: Timestamp, last: Timestamp) -> String {
    let seconds = last.since(first).as_secs();
    let long = match seconds {
        0..60 => format!("{:.1} s", last.since(first).as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    };
    format!("{} UTC, {long}", Rfc3339(first.0).minute())
}

/// Every server of the Model Context Protocol, with its tools.
pub(crate) fn mcp(analyzer: &Analyzer) -> String {
    let mut page = Page::for_stdout();
    let mut servers = Servers::new(analyzer.mcp_servers(), usize::MAX);
    page.heading("MCP servers", &servers.note());
    servers.each(&mut page);
    page.finish()
}

/// Every agent of the Agent2Agent protocol, with what its card says.
pub(crate) fn a2a(analyzer: &Analyzer) -> String {
    let mut page = Page::for_stdout();
    let mut agents = Agents::new(analyzer.a2a_agents(), usize::MAX);
    page.heading("A2A agents", &agents.note());
    agents.each(&mut page);
    page.finish()
}

/// Every finding, with its explanation.
pub(crate) fn findings(analyzer: &Analyzer) -> String {
    let mut page = Page::for_stdout();
    let mut findings = Findings::new(analyzer.findings(), usize::MAX);
    let note = match findings.by_severity() {
        none if none.is_empty() => "none".to_owned(),
        counts => counts,
    };
    page.heading("Findings", &note);
    page.newline();
    tables::findings(&mut page, &mut findings, "");
    suppressed::draw(&mut page, &analyzer.suppressed());
    page.finish()
}

/// Every finding that is held back.
pub(crate) fn held(all: impl Iterator<Item = Finding>) -> String {
    let mut page = Page::for_stdout();
    let mut findings = Findings::new(all, usize::MAX);
    let note = match findings.by_severity() {
        none if none.is_empty() => "none".to_owned(),
        counts => counts,
    };
    page.heading("Findings held back", &note);
    page.newline();
    tables::findings(&mut page, &mut findings, "");
    page.finish()
}

/// Every finding that is hidden, and what hides them.
pub(crate) fn hidden(analyzer: &Analyzer) -> String {
    let mut page = Page::for_stdout();
    let hidden = analyzer.hidden_findings().into_iter().map(|(finding, _)| finding);
    let mut findings = Findings::new(hidden, usize::MAX);
    suppressed::draw(&mut page, &analyzer.suppressed());
    page.newline();
    tables::findings(&mut page, &mut findings, "");
    page.finish()
}

#[cfg(test)]
mod tests;
