//! What callers take: `callers [ordinary|everything|walks|tasks|refused …]`, all of them when none is named.
//!
//! `ordinary` sends five tasks of eight calls of each of 100,000 agents, and says what memory they take. The others are what a caller
//! may send to make that grow: memory for each after each fifth of the traffic, which has to come to rest. `SCALE=0.1` is a
//! tenth of all.

use std::fs;
use std::process::ExitCode;

use analyzers::{Analyzer, Settings};
use benches::callers::{Greedy, ordinary};
use reassembly::Exchange;

/// The sensor's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Agents, and calls of each.
const AGENTS: u64 = 100_000;
const CALLS: u64 = 40;

/// Greedy callers, and calls of each.
const GREEDY: u64 = 200;
const MANY: u64 = 5000;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let scale = std::env::var("SCALE")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1.0);
    let scaled = |n: u64| ((n as f64 * scale) as u64).max(20);
    if wanted("ordinary") {
        let agents = scaled(AGENTS);
        let calls = (0..CALLS).flat_map(|k| (0..agents).map(move |caller| ordinary(caller, k)));
        run("ordinary", agents, agents * CALLS, calls);
    }
    for greedy in Greedy::ALL.into_iter().filter(|g| wanted(g.name())) {
        let callers = scaled(GREEDY);
        let calls = (0..MANY).flat_map(|k| (0..callers).map(move |caller| greedy.exchange(caller, k)));
        run(greedy.name(), callers, callers * MANY, calls);
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

fn run(name: &str, callers: u64, total: u64, calls: impl Iterator<Item = Exchange>) {
    let settings = Settings {
        max_principals: callers as usize,
        max_findings: 100,
        ..Settings::default()
    };
    println!("{name}: {callers} callers, limits.principals = {callers}");
    let before = anonymous();
    let mut analyzer = Analyzer::new(settings);
    analyzer.forget_changes();
    for (sent, exchange) in (1..).zip(calls) {
        analyzer.observe(&exchange);
        while analyzer.poll().is_some() {}
        if sent % (total / 5) == 0 {
            let memory = anonymous().saturating_sub(before);
            println!(
                "{sent:>10} exchanges {:>10.1} MiB {:>10} bytes for each",
                memory as f64 / f64::from(1 << 20),
                memory / callers
            );
        }
    }
    println!("{:>10} principals", analyzer.principals().count());
    let counters = analyzer.counters();
    let lost: Vec<String> = counters
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    println!(
        "  given up: {}\n",
        if lost.is_empty() {
            "nothing".to_owned()
        } else {
            lost.join(", ")
        }
    );
}
