//! Tables of endpoints, principals and findings.

use std::collections::BTreeMap;

use analyzers::{EndpointView, Finding, PrincipalKind, PrincipalView, Severity};

use super::page::{Cell, Column, Group, Look, Page, clean, thousands};
use unicode_width::UnicodeWidthStr as _;

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
        let more = thousands((all - shown) as u64);
        page.wrapped(Look::Dim, 2, &format!("… and {more} more ({command})"));
    }
}

/// Endpoints below their hosts. What has a finding comes first, of hosts and below each host; with more than `most`,
/// what is shown are those with a finding, then those with sensitive data, then those called most.
pub(super) fn endpoints(
    page: &mut Page,
    endpoints: &[EndpointView],
    findings: &[Finding],
    most: usize,
    command: &str,
) {
    const COLUMNS: [Column; 11] = [
        Column::text("method", 6),
        Column::text("endpoint", 20),
        Column::number("calls"),
        Column::number("ok").spare(2),
        Column::number("4xx").spare(6),
        Column::number("5xx").spare(5),
        Column::number("callers").spare(3),
        Column::number("AI").spare(1),
        Column::text("auth", 7).spare(4),
        Column::text("data", 7).optional().spare(7),
        Column::text("finding", 12).optional(),
    ];
    let mut concerned: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        if let Some(id) = finding.resource.endpoint.as_deref() {
            concerned.entry(id).or_default().push(finding);
        }
    }
    let worst = |e: &EndpointView| {
        let own = concerned.get(e.id.as_str())?;
        own.iter().map(|f| f.severity).max()
    };
    let ranks: Vec<_> = endpoints
        .iter()
        .map(|e| (worst(e), !e.data_classes.is_empty(), e.exchanges))
        .collect();
    let shown = chosen(&ranks, most);
    let mut hosts: BTreeMap<&str, Vec<&EndpointView>> = BTreeMap::new();
    for &i in &shown {
        hosts.entry(&endpoints[i].host).or_default().push(&endpoints[i]);
    }
    let mut hosts: Vec<_> = hosts.into_iter().collect();
    hosts.sort_by_key(|(_, own)| std::cmp::Reverse(own.iter().map(|e| worst(e)).max()));
    let groups: Vec<Group> = hosts
        .into_iter()
        .map(|(host, mut own)| {
            own.sort_by_key(|e| std::cmp::Reverse(worst(e)));
            let rows = own
                .into_iter()
                .map(|e| endpoint_row(e, concerned.get(e.id.as_str()).map_or(&[], Vec::as_slice)));
            (Some(Cell::new(Look::Bold, host)), rows.collect())
        })
        .collect();
    page.grouped(&COLUMNS, &groups);
    and_more(page, endpoints.len(), shown.len(), command);
}

fn endpoint_row(e: &EndpointView, findings: &[&Finding]) -> Vec<Cell> {
    let [_, success, redirection, client_error, server_error] = e.status;
    let open = e.auth.iter().any(|(name, _)| name == "none");
    let path = match e.template.as_str() {
        "" => Cell::new(Look::Dim, "(tunnel)"),
        template => Cell::new(Look::Plain, template),
    };
    let worst = findings
        .iter()
        .max_by_key(|f| (f.severity, std::cmp::Reverse(&f.id)));
    let finding = match worst {
        None => Cell::new(Look::Plain, ""),
        Some(worst) => {
            let more = match findings.len() - 1 {
                0 => String::new(),
                more => format!(" +{more}"),
            };
            let text = format!("{} {}{more}", worst.severity.name(), kind_name(worst.kind));
            Cell::new(severity_look(worst.severity), text)
        }
    };
    vec![
        Cell::new(Look::Cyan, e.method.as_str()),
        path,
        Cell::count(Look::Plain, e.exchanges),
        Cell::count(Look::Green, success + redirection),
        Cell::count(Look::Yellow, client_error),
        Cell::count(Look::Red, server_error),
        Cell::count(Look::Plain, e.callers),
        Cell::count(Look::Magenta, e.agents),
        Cell::new(if open { Look::Yellow } else { Look::Plain }, names(&e.auth)),
        Cell::new(Look::Red, names(&e.data_classes)),
        finding,
    ]
}

/// Principals, by kind; with more than `most`, those with a finding, then those that call most.
pub(super) fn principals(
    page: &mut Page,
    principals: &[PrincipalView],
    findings: &[Finding],
    most: usize,
    command: &str,
) {
    const COLUMNS: [Column; 9] = [
        Column::text("kind", 8),
        Column::text("name", 12),
        Column::number("calls"),
        Column::number("failed").spare(3),
        Column::number("endpoints").spare(2),
        Column::number("clients").spare(1),
        Column::text("auth", 7).spare(4),
        Column::text("known by", 12).spare(0),
        Column::text("finding", 6).optional(),
    ];
    let worst = |p: &PrincipalView| {
        let own = findings
            .iter()
            .filter(|f| f.principal.as_ref().is_some_and(|c| c.id == p.id));
        own.map(|f| f.severity).max()
    };
    let mut sorted: Vec<(&PrincipalView, Option<Severity>)> =
        principals.iter().map(|p| (p, worst(p))).collect();
    sorted.sort_by_key(|(p, worst)| (p.kind, std::cmp::Reverse((*worst, p.exchanges))));
    let ranks: Vec<_> = sorted.iter().map(|(p, worst)| (*worst, p.exchanges)).collect();
    let shown = chosen(&ranks, most);
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|&i| {
            let (p, worst) = sorted[i];
            let (kind, look) = kind_in_words(p.kind);
            // What tells the kind before what tells the name: the end of the text may be cut off.
            let mut evidence: Vec<&str> = p.evidence.iter().map(String::as_str).collect();
            evidence.sort_by_key(|e| !e.starts_with("claim"));
            vec![
                Cell::new(look, kind),
                Cell::new(Look::Bold, p.name.as_deref().unwrap_or(&p.id)),
                Cell::count(Look::Plain, p.exchanges),
                Cell::count(Look::Yellow, p.status[3] + p.status[4]),
                Cell::count(Look::Plain, p.endpoint_count),
                Cell::count(Look::Plain, p.clients),
                Cell::new(Look::Plain, names(&p.auth)),
                Cell::new(Look::Dim, evidence.join(", ")),
                worst.map_or_else(
                    || Cell::new(Look::Plain, ""),
                    |s| Cell::new(severity_look(s), s.name()),
                ),
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

/// Findings, worst first, each as it can be read alone: what, who and where, why it matters, what to do first.
pub(super) fn findings(page: &mut Page, findings: &[Finding], most: usize, command: &str) {
    const INDENT: usize = 12;
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
        let severity = finding.severity.name().to_uppercase();
        page.text(severity_look(finding.severity), &severity);
        page.text(Look::Plain, &" ".repeat(INDENT - 2 - severity.len()));
        let (title, kind) = (clean(&finding.title), kind_name(finding.kind));
        if INDENT + title.width() + 2 + kind.width() <= page.width {
            page.text(Look::Bold, &title);
            page.line(Look::Dim, &format!("  {kind}"));
        } else {
            page.rest_wrapped(Look::Bold, INDENT, &title);
            page.wrapped(Look::Dim, INDENT, &kind);
        }
        let entry = finding.kind.entry();
        page.wrapped(Look::Plain, INDENT, &finding.explanation);
        page.wrapped(Look::Plain, INDENT, entry.impact);
        if let Some(step) = entry.steps.first() {
            page.wrapped(Look::Cyan, INDENT, &format!("→ {step}"));
        }
        page.wrapped(Look::Dim, INDENT, &seen(finding));
    }
    and_more(page, sorted.len(), most.min(sorted.len()), command);
}

/// How often and when it was seen, and how sure that is.
fn seen(finding: &Finding) -> String {
    let times = match finding.count {
        1 => "once".to_owned(),
        count => format!("{} times", thousands(count)),
    };
    let from = Rfc3339(finding.first_seen).second();
    let until = Rfc3339(finding.last_seen).second();
    let when = if from == until {
        from
    } else {
        format!("{from} to {until}")
    };
    format!(
        "Seen {times}, {when} UTC; confidence {:.2}; id {}",
        finding.confidence, finding.id
    )
}
