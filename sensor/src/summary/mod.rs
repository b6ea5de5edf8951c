//! What a run found, for people.

pub(crate) mod progress;

use analyzers::{Analyzer, EndpointView, Finding, PrincipalView};

use crate::pipeline::Run;

pub(crate) fn short(run: &Run) -> String {
    format!(
        "{} packets, {} flows, {} exchanges",
        run.counters.packets, run.counters.flows, run.counters.exchanges
    )
}

pub(crate) fn full(title: &str, run: &Run, analyzer: &Analyzer, _store: Option<&str>) -> String {
    format!(
        "{title}: {}\n{}{}{}",
        short(run),
        inventory(&analyzer.endpoints()),
        agents(&analyzer.principals()),
        findings(&analyzer.findings())
    )
}

pub(crate) fn inventory(endpoints: &[EndpointView]) -> String {
    endpoints
        .iter()
        .map(|e| format!("{} {} {} {}\n", e.host, e.method, e.template, e.exchanges))
        .collect()
}
pub(crate) fn agents(principals: &[PrincipalView]) -> String {
    principals
        .iter()
        .map(|e| format!("{} {:?} {}\n", e.kind.name(), e.name, e.exchanges))
        .collect()
}
pub(crate) fn findings(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|e| format!("{} {} {}\n", e.severity.name(), e.title, e.explanation))
        .collect()
}
