//! `tapline inventory`, `agents` and `findings`: what a store knows.

use std::fmt::Write as _;

use analyzers::{Analyzer, Settings};

use crate::args::ShowArgs;
use crate::exit::{Failure, Status};
use crate::records::endpoint::EndpointRecord;
use crate::records::finding::FindingRecord;
use crate::records::principal::PrincipalRecord;
use crate::records::to_json;
use crate::store::Store;
use crate::summary;

fn learned(args: &ShowArgs) -> Result<Analyzer, Failure> {
    let store = Store::open_to_read(&args.store).map_err(Failure::input)?;
    // Reading back needs room for everything that was kept, whatever the limits were.
    let settings = Settings {
        max_endpoints: usize::MAX,
        max_principals: usize::MAX,
        max_findings: usize::MAX,
        sensor_version: env!("CARGO_PKG_VERSION").into(),
        ..Settings::default()
    };
    let mut analyzer = Analyzer::new(settings);
    store.restore(&mut analyzer).map_err(Failure::input)?;
    Ok(analyzer)
}

fn lines(records: impl Iterator<Item = Vec<u8>>) -> String {
    let mut out = String::new();
    for record in records {
        let _ = writeln!(out, "{}", String::from_utf8_lossy(&record));
    }
    out
}

pub(super) fn inventory(args: &ShowArgs) -> Result<Status, Failure> {
    let analyzer = learned(args)?;
    super::print(&if args.json {
        lines(analyzer.endpoints().map(|e| to_json(&EndpointRecord::new(&e))))
    } else {
        summary::inventory(&analyzer)
    })
}

pub(super) fn agents(args: &ShowArgs) -> Result<Status, Failure> {
    let analyzer = learned(args)?;
    super::print(&if args.json {
        lines(analyzer.principals().map(|p| to_json(&PrincipalRecord::new(&p))))
    } else {
        summary::agents(&analyzer)
    })
}

pub(super) fn findings(args: &ShowArgs) -> Result<Status, Failure> {
    let analyzer = learned(args)?;
    super::print(&if args.json {
        lines(analyzer.findings().map(|f| to_json(&FindingRecord::new(&f))))
    } else {
        summary::findings(&analyzer)
    })
}
