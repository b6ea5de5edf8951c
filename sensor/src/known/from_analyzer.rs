//! Records of what an analysis knows, made one at a time as they are asked for.

use analyzers::{Analyzer, EndpointView, PrincipalView};

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

/// The latest revision of every finding that a suppression hides.
pub(crate) fn hidden(analyzer: &Analyzer) -> impl Iterator<Item = Known> {
    let record = |(finding, by)| Known::of(to_json(&FindingRecord::new(&finding).hidden_by(&by)));
    analyzer.hidden_findings().into_iter().map(record)
}

/// The latest revision of every finding that none hides.
pub(crate) fn findings(analyzer: &Analyzer) -> impl Iterator<Item = Known> {
    let record = |finding| Known::of(to_json(&FindingRecord::new(&finding)));
    analyzer.findings().map(record)
}
