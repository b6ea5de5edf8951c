//! Tables of endpoints, principals and findings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use analyzers::{EndpointView, Finding, Kind, ModelUse, PrincipalKind, PrincipalView, Severity};

use super::best::Best;
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

/// What findings say of one endpoint.
#[derive(Debug)]
struct Concern {
    severity: Severity,
    /// Of the worst one; of equals, that with the least id.
    kind: Kind,
    id: String,
    count: usize,
}

/// Findings: the worst ones, how many there are, and whom they are about.
#[derive(Debug)]
pub(super) struct Findings {
    worst: Best<(Severity, Reverse<(u64, String)>), Finding>,
    severities: BTreeMap<Severity, usize>,
    endpoints: HashMap<String, Concern>,
    principals: HashMap<String, Severity>,
}

impl Findings {
    /// Looks at all of them and keeps up to `most`.
    pub(super) fn new(all: impl Iterator<Item = Finding>, most: usize) -> Self {
        let mut own = Self {
            worst: Best::new(most),
            severities: BTreeMap::new(),
            endpoints: HashMap::new(),
            principals: HashMap::new(),
        };
        // What is no longer so is in the records.
        for finding in all.filter(|f| f.status != analyzers::Status::Closed) {
            let severity = finding.severity;
            *own.severities.entry(severity).or_default() += 1;
            if let Some(endpoint) = &finding.resource.endpoint {
                let concern = own.endpoints.entry(endpoint.clone()).or_insert_with(|| Concern {
                    severity,
                    kind: finding.kind,
                    id: finding.id.clone(),
                    count: 0,
                });
                concern.count += 1;
                if (severity, Reverse(&finding.id)) > (concern.severity, Reverse(&concern.id)) {
                    concern.severity = severity;
                    concern.kind = finding.kind;
                    concern.id.clone_from(&finding.id);
                }
            }
            if let Some(principal) = &finding.principal {
                let worst = own.principals.entry(principal.id.clone()).or_insert(severity);
                *worst = severity.max(*worst);
            }
            let rank = (severity, Reverse((finding.first_seen, finding.id.clone())));
            own.worst.offer(rank, finding);
        }
        own
    }

    /// How many there are of each severity, worst first.
    pub(super) fn by_severity(&self) -> String {
        let each = self.severities.iter().rev();
        each.map(|(severity, count)| format!("{count} {}", severity.name()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.severities.is_empty()
    }
}

/// Rank of an endpoint: worst finding, whether it carries sensitive data, calls.
pub(super) type Endpoints = Best<(Option<Severity>, bool, u64), EndpointView>;

/// Those with a finding, then those with sensitive data, then those called most.
pub(super) fn chosen_endpoints(
    all: impl Iterator<Item = EndpointView>,
    findings: &Findings,
    most: usize,
) -> Endpoints {
    let mut best = Best::new(most);
    for e in all {
        let worst = findings.endpoints.get(&e.id).map(|c| c.severity);
        best.offer((worst, !e.data_classes.is_empty(), e.exchanges), e);
    }
    best
}

/// Principals: those with a finding, then those that call most; and how many there are of each kind.
#[derive(Debug)]
pub(super) struct Principals {
    best: Best<(Option<Severity>, u64), PrincipalView>,
    kinds: BTreeMap<PrincipalKind, usize>,
}

impl Principals {
    /// Looks at all of them and keeps up to `most`.
    pub(super) fn new(all: impl Iterator<Item = PrincipalView>, findings: &Findings, most: usize) -> Self {
        let (mut best, mut kinds) = (Best::new(most), BTreeMap::new());
        for p in all {
            *kinds.entry(p.kind).or_default() += 1;
            let worst = findings.principals.get(&p.id).copied();
            best.offer((worst, p.exchanges), p);
        }
        Self { best, kinds }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// How many there are of each kind.
    pub(super) fn by_kind(&self) -> String {
        use PrincipalKind::{AiAgent, Human, Service, Unknown};
        [
            (AiAgent, "AI agents"),
            (Service, "services"),
            (Human, "humans"),
            (Unknown, "unknown"),
        ]
        .into_iter()
        .filter_map(|(kind, name)| {
            let count = *self.kinds.get(&kind)?;
            let name = if count == 1 {
                name.trim_end_matches('s')
            } else {
                name
            };
            Some(format!("{count} {name}"))
        })
        .collect::<Vec<_>>()
        .join(", ")
    }
}

pub(super) fn and_more(page: &mut Page, all: usize, shown: usize, command: &str) {
    if all > shown {
        let more = thousands((all - shown) as u64);
        page.wrapped(Look::Dim, 2, &format!("… and {more} more ({command})"));
    }
}

/// Endpoints below their hosts. What has a finding comes first, of hosts and below each host.
pub(super) fn endpoints(page: &mut Page, endpoints: &mut Endpoints, findings: &Findings, command: &str) {
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
    let all = endpoints.offered();
    let mut hosts: BTreeMap<&str, Vec<(Option<Severity>, &EndpointView)>> = BTreeMap::new();
    let mut shown = 0;
    for ((worst, ..), e) in endpoints.in_order() {
        shown += 1;
        hosts.entry(&e.host).or_default().push((*worst, e));
    }
    let mut hosts: Vec<_> = hosts.into_iter().collect();
    hosts.sort_by_key(|(_, own)| Reverse(own.iter().map(|(worst, _)| *worst).max()));
    let groups: Vec<Group> = hosts
        .into_iter()
        .map(|(host, mut own)| {
            own.sort_by_key(|(worst, _)| Reverse(*worst));
            let rows = own
                .into_iter()
                .map(|(_, e)| endpoint_row(e, findings.endpoints.get(&e.id)));
            (Some(Cell::new(Look::Bold, host)), rows.collect())
        })
        .collect();
    page.grouped(&COLUMNS, &groups);
    and_more(page, all, shown, command);
}

fn endpoint_row(e: &EndpointView, concern: Option<&Concern>) -> Vec<Cell> {
    let [_, success, redirection, client_error, server_error] = e.status;
    let open = e.auth.iter().any(|(name, _)| name == "none");
    let path = match e.template.as_str() {
        "" => Cell::new(Look::Dim, "(tunnel)"),
        template => Cell::new(Look::Plain, template),
    };
    let finding = match concern {
        None => Cell::new(Look::Plain, ""),
        Some(worst) => {
            let more = match worst.count - 1 {
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

/// Principals, by kind.
pub(super) fn principals(page: &mut Page, principals: &mut Principals, command: &str) {
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
    let all = principals.best.offered();
    let mut sorted: Vec<_> = principals.best.in_order().collect();
    sorted.sort_by_key(|(rank, p)| (p.kind, Reverse(*rank)));
    let rows: Vec<Vec<Cell>> = sorted
        .into_iter()
        .map(|((worst, _), p)| {
            let (kind, look) = kind_in_words(p.kind);
            // What tells the kind before what tells the name: the end of the text may be cut off.
            let mut evidence: Vec<&str> = p.evidence.iter().map(String::as_str).collect();
            evidence.sort_by_key(|e| !e.starts_with("claim"));
            let models = models(p);
            evidence.extend(models.as_deref());
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
    and_more(page, all, rows.len(), command);
}

/// The language models that a principal used, and how much; nothing for most.
fn models(principal: &PrincipalView) -> Option<String> {
    let all = &principal.models;
    let names: Vec<&str> = all.iter().take(3).map(|(name, _)| name.as_str()).collect();
    let more = if all.len() > names.len() {
        " and others"
    } else {
        ""
    };
    let tokens = |of: fn(&ModelUse) -> u64| {
        thousands(all.iter().fold(0, |sum, (_, used)| of(used).saturating_add(sum)))
    };
    (!all.is_empty()).then(|| {
        format!(
            "models {}{more} ({} tokens in, {} out)",
            names.join(" "),
            tokens(|used| used.input_tokens),
            tokens(|used| used.output_tokens)
        )
    })
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

/// Findings, worst first, each as it can be read alone: what, who and where, why it matters, what to do first.
pub(super) fn findings(page: &mut Page, findings: &mut Findings, command: &str) {
    const INDENT: usize = 12;
    let all = findings.worst.offered();
    let mut shown = 0;
    for (i, finding) in findings.worst.by_rank().enumerate() {
        shown += 1;
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
    and_more(page, all, shown, command);
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
