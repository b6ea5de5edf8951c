//! Tables of endpoints, principals and findings.

use std::collections::BTreeSet;

use analyzers::{EndpointView, Finding, PrincipalKind, PrincipalView, Severity};

use super::page::{Cell, Column, Look, Page, clean, thousands};
use crate::records::Rfc3339;
use crate::records::finding::kind_name;

fn kind_in_words(kind: PrincipalKind) -> (&'static str, Look) {
    match kind {
        PrincipalKind::AiAgent => ("AI agent", Look::Magenta),
        PrincipalKind::Service => ("service", Look::Cyan),
        PrincipalKind::Human => ("human", Look::Green),
        PrincipalKind::Unknown => ("unknown", Look::Dim),
    }
}

fn names(pairs: &[(String, u64)]) -> String {
    pairs
        .iter()
        .map(|(name, _)| name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Which places are shown when there is room for `most`: those of the highest rank, in their order.
fn chosen<R: Ord>(ranks: &[R], most: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..ranks.len()).collect();
    places.sort_by_key(|&i| (std::cmp::Reverse(&ranks[i]), i));
    places.truncate(most);
    places.sort_unstable();
    places
}

fn and_more(page: &mut Page, all: usize, shown: usize, command: &str) {
    if all > shown {
        page.line(
            Look::Dim,
            &format!("  … and {} more ({command})", thousands((all - shown) as u64)),
        );
    }
}

/// Endpoints, by host; with more than `most`, those with a finding or with sensitive data, then those called
/// most.
pub(super) fn endpoints(
    page: &mut Page,
    endpoints: &[EndpointView],
    findings: &[Finding],
    most: usize,
    command: &str,
) {
    const COLUMNS: [Column; 10] = [
        Column::text("host", 8),
        Column::text("method", 4),
        Column::text("endpoint", 12),
        Column::number("calls"),
        Column::number("ok"),
        Column::number("4xx"),
        Column::number("5xx"),
        Column::number("callers"),
        Column::text("auth", 6),
        Column::text("data", 4).optional(),
    ];
    let concerned: BTreeSet<&str> = findings
        .iter()
        .filter_map(|f| f.resource.endpoint.as_deref())
        .collect();
    let ranks: Vec<(bool, u64)> = endpoints
        .iter()
        .map(|e| {
            (
                concerned.contains(e.id.as_str()) || !e.data_classes.is_empty(),
                e.exchanges,
            )
        })
        .collect();
    let shown = chosen(&ranks, most);
    let mut last_host = None;
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|&i| {
            let e = &endpoints[i];
            let [_, success, redirection, client_error, server_error] = e.status;
            let host = if last_host == Some(&e.host) { "" } else { &e.host };
            last_host = Some(&e.host);
            let callers = match e.agents {
                0 => thousands(e.callers),
                n => format!("{} · {} AI", thousands(e.callers), thousands(n)),
            };
            let open = e.auth.iter().any(|(name, _)| name == "none");
            vec![
                Cell::new(Look::Bold, host),
                Cell::new(Look::Cyan, e.method.as_str()),
                Cell::new(Look::Plain, e.template.as_str()),
                Cell::count(Look::Plain, e.exchanges),
                Cell::count(Look::Green, success + redirection),
                Cell::count(Look::Yellow, client_error),
                Cell::count(Look::Red, server_error),
                Cell::new(if e.agents > 0 { Look::Magenta } else { Look::Plain }, callers),
                Cell::new(if open { Look::Yellow } else { Look::Plain }, names(&e.auth)),
                Cell::new(Look::Red, names(&e.data_classes)),
            ]
        })
        .collect();
    page.table(&COLUMNS, &rows);
    and_more(page, endpoints.len(), shown.len(), command);
}

/// Principals, by kind; with more than `most`, those that call most.
pub(super) fn principals(page: &mut Page, principals: &[PrincipalView], most: usize, command: &str) {
    const COLUMNS: [Column; 8] = [
        Column::text("kind", 8),
        Column::text("name", 12),
        Column::number("calls"),
        Column::number("failed"),
        Column::number("endpoints"),
        Column::number("clients"),
        Column::text("auth", 6),
        Column::text("known by", 8),
    ];
    let mut sorted: Vec<&PrincipalView> = principals.iter().collect();
    sorted.sort_by_key(|p| (p.kind, std::cmp::Reverse(p.exchanges)));
    let counts: Vec<u64> = sorted.iter().map(|p| p.exchanges).collect();
    let shown = chosen(&counts, most);
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|&i| {
            let p = sorted[i];
            let (kind, look) = kind_in_words(p.kind);
            vec![
                Cell::new(look, kind),
                Cell::new(Look::Bold, p.name.as_deref().unwrap_or(&p.id)),
                Cell::count(Look::Plain, p.exchanges),
                Cell::count(Look::Yellow, p.status[3] + p.status[4]),
                Cell::count(Look::Plain, p.endpoint_count),
                Cell::count(Look::Plain, p.clients),
                Cell::new(Look::Plain, names(&p.auth)),
                Cell::new(Look::Dim, p.evidence.join(", ")),
            ]
        })
        .collect();
    page.table(&COLUMNS, &rows);
    and_more(page, principals.len(), shown.len(), command);
}

fn severity_look(severity: Severity) -> Look {
    match severity {
        Severity::Critical => Look::Alarm,
        Severity::High => Look::Red,
        Severity::Medium => Look::Yellow,
        Severity::Low => Look::Cyan,
        Severity::Info => Look::Dim,
    }
}

/// How many findings there are of each severity, worst first.
pub(super) fn by_severity(findings: &[Finding]) -> String {
    use Severity::{Critical, High, Info, Low, Medium};
    [Critical, High, Medium, Low, Info]
        .into_iter()
        .filter_map(|severity| {
            let count = findings.iter().filter(|f| f.severity == severity).count();
            (count > 0).then(|| format!("{count} {}", severity.name()))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Findings, worst first, each with its explanation.
pub(super) fn findings(page: &mut Page, findings: &[Finding], most: usize, command: &str) {
    const INDENT: usize = 13;
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| {
        (std::cmp::Reverse(a.severity), a.first_seen, &a.id).cmp(&(
            std::cmp::Reverse(b.severity),
            b.first_seen,
            &b.id,
        ))
    });
    for (i, finding) in sorted.iter().take(most).enumerate() {
        if i > 0 {
            page.newline();
        }
        page.text(Look::Plain, "  ");
        page.text(
            severity_look(finding.severity),
            &format!("{:<9}", finding.severity.name().to_uppercase()),
        );
        page.text(Look::Plain, "  ");
        page.text(Look::Bold, &kind_name(finding.kind));
        if let Some(principal) = &finding.principal {
            let (kind, look) = kind_in_words(principal.kind);
            page.text(Look::Dim, "  by ");
            page.text(look, &clean(principal.name.as_deref().unwrap_or(&principal.id)));
            page.text(Look::Dim, &format!(" ({kind})"));
        }
        page.newline();
        if let Some(place) = place(finding) {
            page.wrapped(Look::Cyan, INDENT, &place);
        }
        page.wrapped(Look::Plain, INDENT, &finding.explanation);
        let times = if finding.count == 1 {
            "once".into()
        } else {
            format!("{} times", thousands(finding.count))
        };
        let from = Rfc3339(finding.first_seen).second();
        let until = Rfc3339(finding.last_seen).second();
        let when = if from == until {
            from
        } else {
            format!("{from} to {until}")
        };
        page.wrapped(
            Look::Dim,
            INDENT,
            &format!("seen {times}, {when}, confidence {:.2}", finding.confidence),
        );
    }
    and_more(page, sorted.len(), most.min(sorted.len()), command);
}

/// Where it is: method, host and template, and the tool.
fn place(finding: &Finding) -> Option<String> {
    let resource = &finding.resource;
    let mut out = String::new();
    if let Some(method) = &resource.method {
        out.push_str(method);
        out.push(' ');
    }
    out.push_str(resource.host.as_deref().unwrap_or(""));
    out.push_str(resource.template.as_deref().unwrap_or(""));
    if let Some(tool) = &resource.tool {
        out.push_str(&format!(" (tool {tool})"));
    }
    let out = out.trim().to_owned();
    (!out.is_empty()).then_some(out)
}
