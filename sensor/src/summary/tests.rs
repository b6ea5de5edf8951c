//! The summary as a person sees it.

use analyzers::finding::{FindingPrincipal, Resource};
use analyzers::{EndpointView, Finding, Kind, PrincipalKind, PrincipalView, Severity, Status};
use reassembly::{App, Counters, Flags, Flow, FlowRef, Timestamp, Tls, TlsVersion};
use serde_json::Map;

use super::page::Page;
use super::{Kept, Learned, nothing_seen, short};
use crate::coverage::Coverage;
use crate::pipeline::{Run, Stopped};
use crate::source::{Drops, Losses};

const START: u64 = 1_795_248_000_000_000_000;

fn endpoint(host: &str, method: &str, template: &str, calls: u64) -> EndpointView {
    EndpointView {
        id: format!("ep_{host}{template}"),
        host: host.into(),
        method: method.into(),
        template: template.into(),
        protocol: "http".into(),
        first_seen: Timestamp(START),
        last_seen: Timestamp(START + 1),
        exchanges: calls,
        status: [0, calls.saturating_sub(3), 0, 2, 0],
        no_response: 1,
        callers: 4,
        agents: 2,
        template_reasons: vec![],
        called_by: vec![],
        callers_by_kind: vec![("ai_agent".into(), 2), ("unknown".into(), 2)],
        auth: vec![("bearer_jwt".into(), calls)],
        request_types: vec![],
        response_types: vec![],
        data_classes: if host == "pay.example" {
            vec![("pan".into(), 1)]
        } else {
            vec![]
        },
        request_data_classes: vec![],
        url_data_classes: vec![],
        regimes: vec![],
        latency_us: analyzers::inventory::Quantiles::default(),
        request_bytes: analyzers::inventory::Quantiles::default(),
        response_bytes: analyzers::inventory::Quantiles::default(),
        damaged: 0,
        facts: analyzers::inventory::Facts::default(),
        shape: Default::default(),
    }
}

fn principal(kind: PrincipalKind, name: Option<&str>, calls: u64) -> PrincipalView {
    PrincipalView {
        id: "pr_0123456789abcdef".into(),
        kind,
        name: name.map(Into::into),
        evidence: vec!["jwt sub".into(), "claim client_type=ai-agent".into()],
        score: 0.95,
        reasons: vec![],
        mode: None,
        interactivity: None,
        decided_by: "token".into(),
        subject: None,
        on_behalf_of: vec![],
        programs: vec![],
        bytes: (0, 0),
        discovered_after_ms: 0,
        registered: None,
        first_seen: Timestamp(START),
        last_seen: Timestamp(START + 1),
        exchanges: calls,
        status: [0, calls, 0, 0, 0],
        no_response: 0,
        auth: vec![("bearer_jwt".into(), calls)],
        credentials: 1,
        addresses: vec!["10.0.0.9".into()],
        clients: 1,
        endpoints: vec![],
        endpoint_count: 3,
        tools: vec![],
        models: vec![],
        llm_tools_offered: vec![],
        llm_tools_called: vec![],
        learned: false,
        work: analyzers::work::WorkView::default(),
        reaches: Vec::new(),
        grants: Vec::new(),
    }
}

fn finding(severity: Severity, kind: Kind, explanation: &str) -> Finding {
    Finding {
        id: "fi_1".into(),
        revision: 2,
        count: 41,
        status: Status::Updated,
        kind,
        title: "One principal walks through objects".into(),
        severity,
        confidence: 0.97,
        first_seen: START,
        last_seen: START + 60_000_000_000,
        detected_at: START,
        principal: Some(FindingPrincipal {
            id: "pr_1".into(),
            kind: PrincipalKind::AiAgent,
            name: Some("support-agent".into()),
            evidence: vec![],
        }),
        resource: Resource {
            host: Some("orders.example".into()),
            method: Some("GET".into()),
            template: Some("/orders/{int}".into()),
            ..Resource::default()
        },
        explanation: explanation.into(),
        observed: Map::new(),
        expected: Map::new(),
        blast_radius: None,
        support: Map::new(),
        evidence: vec![],
        filter: String::new(),
        mapping: vec![],
        playbook: (String::new(), vec![]),
        capture: vec![],
        sensor: ("tapline".into(), "0.1.0".into()),
    }
}

fn run() -> Run {
    Run {
        counters: Counters {
            packets: 12_345,
            packet_bytes: 3_065_726,
            tcp_packets: 12_300,
            other_protocol: 45,
            flows: 980,
            http_flows: 960,
            tls_flows: 20,
            gaps: 2,
            gap_bytes: 2_920,
            payload_bytes: 2_000_000,
            exchanges: 4_321,
            no_response: 3,
            damaged: 2,
            ..Counters::default()
        },
        drops: Some(Losses {
            all: Drops {
                received: 12_345,
                kernel: 7,
                interface: 0,
            },
            each: Vec::new(),
        }),
        span: Some((Timestamp(START), Timestamp(START + 36_000_000_000_000))),
        readable: 1,
        ..Run::default()
    }
}

/// What an analysis found.
struct Parts {
    endpoints: Vec<EndpointView>,
    principals: Vec<PrincipalView>,
    findings: Vec<Finding>,
    given_up: Vec<(&'static str, u64)>,
    coverage: Coverage,
}

impl Parts {
    fn draw(self, page: &mut Page, title: &str, run: &Run, store: Kept<'_>) {
        let mut learned = Learned::new(
            self.endpoints.into_iter(),
            self.principals.into_iter(),
            self.findings.into_iter(),
            self.given_up,
        );
        learned.draw(page, title, run, &self.coverage, store);
    }
}

fn learned() -> Parts {
    Parts {
        endpoints: vec![
            endpoint("orders.example", "GET", "/orders", 2_000),
            endpoint("orders.example", "GET", "/orders/{int}", 2_300),
            endpoint(
                "pay.example",
                "POST",
                "/payments/{uuid}/captures/with/a/rather/long/path/{date}",
                21,
            ),
        ],
        principals: vec![
            principal(PrincipalKind::AiAgent, Some("support-agent"), 400),
            principal(PrincipalKind::Human, None, 21),
        ],
        findings: vec![
            finding(Severity::Low, Kind::TokenLongLived, "A token has no end."),
            finding(
                Severity::High,
                Kind::BolaEnumeration,
                "support-agent read 41 different objects of GET /orders/{int} in 60 s, in steps of one, and 12 of them were refused; \
                 the usual of its peers is 2.",
            ),
        ],
        given_up: vec![("evicted_principals", 2), ("evicted_findings", 0)],
        coverage: Coverage::new(20),
    }
}

#[test]
fn the_summary_reads_well() {
    let mut page = Page::new(110, false);
    learned().draw(
        &mut page,
        "demo.pcap",
        &run(),
        Kept::In("/var/lib/tapline".as_ref()),
    );
    insta::assert_snapshot!(page.finish());
}

/// A flow of so many bytes to a server that ends in `last`.
fn flow(last: u8, port: u16, app: App, bytes: u64, lost: u64, flags: &[Flags]) -> Flow {
    let mut all = Flags::empty();
    flags.iter().for_each(|f| all.insert(*f));
    Flow {
        flow: FlowRef {
            client: ([10, 0, 0, 1], 40_000).into(),
            server: ([10, 0, 0, last], port).into(),
            start: Timestamp(START),
            vlan: None,
            vni: None,
            tls: app == App::Tls,
        },
        end: Timestamp(START + 1),
        packets: 9,
        bytes: (bytes, 0),
        lost: (0, lost),
        data_packets: (1, 0),
        first_data: (None, None),
        turns: 1,
        exchanges: 1,
        conflicts: Vec::new(),
        conflict_count: 0,
        tunnel: None,
        app,
        tls: (app == App::Tls).then(|| Tls {
            version: TlsVersion(0x0304),
            sni: Some("a-rather-long-name-of-a-server.payments.example".into()),
            alpn: None,
            ja4: None,
            ech: false,
        }),
        flags: all,
    }
}

#[test]
fn what_could_not_be_read_is_shown_by_server() {
    let mut covered = Coverage::new(20);
    for _ in 0..80 {
        covered.flow(&flow(2, 80, App::Http1, 9000, 0, &[]));
        covered.flow(&flow(3, 8080, App::Http1, 700, 1200, &[Flags::ONE_SIDED]));
    }
    let other = Flow {
        flags: Flags::empty(),
        ..flow(2, 80, App::Http1, 900_000_000, 999, &[])
    };
    covered.flow(&other);
    covered.flow(&flow(2, 80, App::Tls, 999_900_000, 0, &[Flags::OPAQUE]));
    for last in 4..14 {
        covered.flow(&flow(
            last,
            443,
            App::Tls,
            40_000 * u64::from(last),
            0,
            &[Flags::OPAQUE],
        ));
    }
    let mut page = Page::new(110, false);
    super::unread::draw(&mut page, &covered);
    insta::assert_snapshot!(page.finish());
    for width in [60, 80] {
        let mut page = Page::new(width, false);
        super::unread::draw(&mut page, &covered);
        for line in page.finish().lines() {
            assert!(
                unicode_width::UnicodeWidthStr::width(line) <= width,
                "{width}: {line}"
            );
        }
    }
    let mut page = Page::new(110, false);
    let mut all = Coverage::new(20);
    all.flow(&flow(2, 80, App::Http1, 9000, 0, &[]));
    super::unread::draw(&mut page, &all);
    assert_eq!(page.finish(), "");
}

#[test]
fn the_summary_fits_a_narrow_terminal() {
    let mut page = Page::new(80, false);
    learned().draw(&mut page, "demo.pcap", &run(), Kept::Nowhere);
    let text = page.finish();
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}

#[test]
fn colours_are_there_only_when_asked_for() {
    for colour in [false, true] {
        let mut page = Page::new(100, colour);
        learned().draw(&mut page, "demo.pcap", &run(), Kept::Nowhere);
        assert_eq!(page.finish().contains('\x1b'), colour);
    }
}

#[test]
fn long_tables_are_cut_to_what_matters_most() {
    let mut learned = learned();
    learned.endpoints = (0..60)
        .map(|i| endpoint("api.example", "GET", &format!("/e{i:02}"), 10 + i))
        .collect();
    let mut page = Page::new(110, false);
    learned.draw(&mut page, "demo.pcap", &run(), Kept::In("DIR".as_ref()));
    let text = page.finish();
    assert!(
        text.contains("… and 20 more (tapline inventory --store DIR)"),
        "{text}"
    );
    assert!(
        text.contains("/e59") && text.contains("/e20") && !text.contains("/e19"),
        "{text}"
    );
}

#[test]
fn what_has_a_finding_comes_first_and_is_never_hidden() {
    let mut learned = learned();
    learned.endpoints = (0..60)
        .map(|i| endpoint(&format!("h{}.example", i / 20), "GET", &format!("/e{i:02}"), 100))
        .chain([
            endpoint("h1.example", "GET", "/zz/shadow", 1),
            endpoint("h1.example", "CONNECT", "", 1),
        ])
        .collect();
    learned.findings[1].resource.endpoint = Some("ep_h1.example/zz/shadow".into());
    learned.principals = (0..60)
        .map(|i| principal(PrincipalKind::Unknown, Some(&format!("p{i}")), 100))
        .chain([principal(PrincipalKind::Unknown, Some("seldom"), 1)])
        .collect();
    learned.principals[60].id = "pr_1".into();
    let mut page = Page::new(110, false);
    learned.draw(&mut page, "demo.pcap", &run(), Kept::Nowhere);
    let text = page.finish();
    let lines: Vec<&str> = text.lines().collect();
    let rule = lines.iter().position(|l| l.contains("──")).unwrap();
    assert_eq!(lines[rule + 1].trim(), "h1.example");
    assert!(lines[rule + 2].contains("/zz/shadow") && lines[rule + 2].contains("high bola_enumeration"));
    let widest = lines[rule - 1..rule + 40].iter().map(|l| l.chars().count()).max();
    assert_eq!(
        widest,
        Some(lines[rule].chars().count()),
        "the rule is as wide as the table"
    );
    assert!(text.contains("seldom"), "{text}");
}

#[test]
fn the_short_form_names_every_loss_and_says_when_there_is_none() {
    insta::assert_snapshot!(short(&run()), @"12,345 packets → 980 TCP flows → 4,321 exchanges (7 dropped by the kernel (buffer full), 45 packets of other protocols, 20 flows with TLS (opaque), 2 gaps, 2,920 bytes lost in gaps, 3 exchanges without response, 2 messages damaged by gaps)");
    insta::assert_snapshot!(short(&Run::default()), @"0 packets → 0 TCP flows → 0 exchanges (no packets)");
    let mut whole = Run::default();
    whole.counters.packets = 9;
    insta::assert_snapshot!(short(&whole), @"9 packets → 0 TCP flows → 0 exchanges (nothing lost)");
    whole.given_up = vec![("endpoints_evicted", 0), ("principals_evicted", 12)];
    insta::assert_snapshot!(short(&whole), @"9 packets → 0 TCP flows → 0 exchanges (12 principals given up at the limit)");
    whole.given_up.clear();
    whole.incomplete = 2;
    whole.stopped = Some(Stopped {
        signal: "SIGINT",
        bytes: Some((4096, 10_000)),
    });
    insta::assert_snapshot!(short(&whole), @"9 packets → 0 TCP flows → 0 exchanges (2 messages whose end was not seen); stopped by SIGINT after 9 packets, 4,096 of 10,000 bytes; what comes after them was not read");
}

#[test]
fn an_empty_result_says_why() {
    let with = |change: fn(&mut Counters)| {
        let mut run = Run::default();
        run.counters.packets = 1;
        change(&mut run.counters);
        nothing_seen(&run)
    };
    assert!(nothing_seen(&Run::default()).contains("No packets"));
    assert!(with(|c| c.tls_flows = 1).contains("TLS"));
    assert!(with(|_| ()).contains("No TCP"));
    assert!(with(|c| c.flows = 1).contains("No HTTP"));
}
