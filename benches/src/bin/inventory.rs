//! What the inventory takes: `inventory [ordinary|fields|forms|paths|deep|hosts|values …]`, all of them when none is named.
//!
//! `ordinary` sends calls of 50,000 endpoints on 500 hosts, 20 of each and then 200 more of a tenth of them, and says what memory
//! they take and what their rows take in a store. The others are what somebody may send to make that grow, against the
//! ceilings that hold when nothing is configured: memory after each fifth of the traffic, which has to come to rest, and
//! what was given up. `SCALE=0.1` is a tenth of all.

use std::fs;
use std::process::ExitCode;

use analyzers::{Analyzer, Settings};
use benches::inventory::{Apis, Hostile};

/// The sensor's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls of each endpoint, and of a tenth of them afterwards.
const CALLS: u64 = 20;
const MORE: u64 = 200;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let scale = std::env::var("SCALE")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1.0);
    let scaled = |n: u64| ((n as f64 * scale) as u64).max(100);
    // An allocator keeps some of what was given back, so after the first one memory looks smaller than it is: `make memory`
    // gives each a process of its own.
    if wanted("ordinary") {
        ordinary(scaled(500) / 100 * 100);
    }
    for hostile in Hostile::ALL.into_iter().filter(|h| wanted(h.name())) {
        flood(hostile, scaled(20_000));
    }
    ExitCode::SUCCESS
}

/// Memory of this process that no file stands behind.
fn anonymous() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Takes an exchange, and what it leads to.
fn observe(analyzer: &mut Analyzer, exchange: &reassembly::Exchange) {
    analyzer.observe(exchange);
    while analyzer.poll().is_some() {}
}

/// What the rows that changed take in a store, by table: rows and bytes.
fn rows(analyzer: &mut Analyzer) -> Vec<(String, u64, u64)> {
    let mut all: Vec<(String, u64, u64)> = Vec::new();
    for change in analyzer.take_changes() {
        let kind = change.key.split_once('/').map_or("", |(kind, _)| kind);
        let name = format!("{} {kind}", change.table.name());
        let bytes = (change.key.len() + change.value.map_or(0, |v| v.len())) as u64;
        match all.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, rows, sum)) => (*rows, *sum) = (*rows + 1, *sum + bytes),
            None => all.push((name, 1, bytes)),
        }
    }
    all
}

fn ordinary(hosts: u64) {
    let apis = Apis { hosts, each: 100 };
    let settings = Settings {
        max_endpoints: apis.endpoints() as usize * 5 / 4,
        ..Settings::default()
    };
    println!(
        "ordinary: {hosts} hosts with {} endpoints each, limits.endpoints = {}",
        apis.each, settings.max_endpoints
    );
    println!(
        "{:>10} {:>10} {:>12} {:>14} {:>10}",
        "exchanges", "endpoints", "memory, MiB", "per endpoint", "rows, MiB"
    );
    let before = anonymous();
    let mut analyzer = Analyzer::new(settings);
    let mut sent = 0;
    for (calls, every) in [(1, 1), (CALLS - 1, 1), (MORE, 10)] {
        for _ in 0..calls {
            for endpoint in (0..apis.endpoints()).step_by(every) {
                observe(&mut analyzer, &apis.call(endpoint, sent));
                sent += 1;
            }
        }
        let memory = anonymous().saturating_sub(before);
        let rows = rows(&mut analyzer);
        let found = analyzer.endpoints().count() as u64;
        let written: u64 = rows.iter().map(|(.., bytes)| bytes).sum();
        println!(
            "{sent:>10} {found:>10} {:>12.1} {:>14} {:>10.1}",
            mib(memory),
            memory / found.max(1),
            mib(written)
        );
        for (name, rows, bytes) in rows {
            println!(
                "{:>24} {name}: {rows} rows, {} bytes each",
                "",
                bytes / rows.max(1)
            );
        }
    }
    tell(&analyzer);
    println!();
}

fn flood(hostile: Hostile, endpoints: u64) {
    let settings = Settings {
        max_endpoints: endpoints as usize,
        max_principals: endpoints as usize,
        max_findings: endpoints as usize,
        ..Settings::default()
    };
    println!("{}: limits.endpoints = {endpoints}", hostile.name());
    let before = anonymous();
    let mut analyzer = Analyzer::new(settings);
    analyzer.forget_changes();
    let (of, calls) = match hostile {
        Hostile::Fields => (endpoints, 100),
        Hostile::Forms => (endpoints, 48),
        Hostile::Hosts => (endpoints, 15),
        // Few endpoints that are called often: what each of them may take.
        Hostile::Values => (endpoints / 20, 1500),
        Hostile::Paths | Hostile::Deep => (endpoints, 30),
    };
    let total = of * calls;
    let mut sent = 0;
    for fifth in 1..=5 {
        while sent < total * fifth / 5 {
            observe(&mut analyzer, &hostile.exchange(of, sent));
            sent += 1;
        }
        println!(
            "{sent:>10} exchanges {:>10.1} MiB",
            mib(anonymous().saturating_sub(before))
        );
    }
    println!("{:>10} endpoints", analyzer.endpoints().count());
    tell(&analyzer);
    println!();
}

/// What was given up.
fn tell(analyzer: &Analyzer) {
    let counters = analyzer.counters();
    let lost: Vec<String> = counters
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    println!(
        "{:>10} {}",
        "given up:",
        if lost.is_empty() {
            "nothing".to_owned()
        } else {
            lost.join(", ")
        }
    );
}
