//! Records of what an analysis knows, made one at a time as they are asked for.

use analyzers::{Analyzer, EndpointView, Finding, PrincipalView};

use super::Known;
use crate::records::endpoint::EndpointRecord;
use crate::records::finding::FindingRecord;
use crate::records::principal::PrincipalRecord;
use crate::records::to_json;

/// Every endpoint, sorted by host, template and method.
pub(crate) fn endpoints(analyzer: &Analyzer) -> impl Iterator<Item = Known> {
    analyzer.endpoints().map(|view| endpoint(&view))
}

/// The record of one endpoint.
pub(crate) fn endpoint(view: &EndpointView) -> Known {
    let mut known = Known::of(to_json(&EndpointRecord::new(view)));
    known.called_by.clone_from(&view.called_by);
    known
}

/// Every principal, sorted by kind, then id.
pub(crate) fn principals(analyzer: &Analyzer) -> impl Iterator<Item = Known> {
    let record = |view: PrincipalView| {
        let mut known = Known::of(to_json(&PrincipalRecord::new(&view)));
        known.uses = view.endpoints;
        known
    };
    analyzer.principals().map(record)
}

/// The latest revision of every finding that a suppression hides, and of every one that a storm holds back.
pub(crate) fn hidden(analyzer: &Analyzer) -> impl Iterator<Item = Known> {
    let record = |(finding, by)| Known::of(to_json(&FindingRecord::new(&finding).hidden_by(&by)));
    let held =
        |(finding, storm): (_, String)| Known::of(to_json(&FindingRecord::new(&finding).held_by(&storm)));
    let hidden = analyzer.hidden_findings().into_iter().map(record);
    hidden.chain(analyzer.held_findings().into_iter().map(held))
}

/// The record of one finding.
pub(crate) fn finding(of: &Finding) -> Known {
    Known::of(to_json(&FindingRecord::new(of)))
}

/// The latest revision of every finding that none hides.
pub(crate) fn findings(analyzer: &Analyzer) -> impl Iterator<Item = Known> {
    analyzer.findings().map(|of| finding(&of))
}
