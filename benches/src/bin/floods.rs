//! Floods the program with what an attacker may send, and says what that cost: `floods [NAME…]`.
//!
//! Each flood is run in full and in half, so that what grows faster than the flood is seen. Ends with status 1 when
//! memory was over the budget, an ordinary exchange was not found, a loss was not told, or time grew too fast.
//!
//! `FLOOD_SCALE=0.1` runs floods of a tenth of their size; `FLOOD_PROGRAM` is another program than the `tapline` beside
//! this one.

use std::path::PathBuf;
use std::process::ExitCode;

use benches::floods::{Budget, Flood, Outcome, Setup, all, run};

/// What flows may take when nothing is configured: a seventh of `limits.memory` less 128 MiB.
const MEMORY: u64 = ((2048 - 128) / 7) << 20;

/// What the program may take beside that: itself, its buffers, and what it learned of some thousand exchanges.
const BESIDE: u64 = 48 << 20;

/// And to know 20,000 callers, as many as `limits.principals` when it is not configured.
const CALLERS: u64 = 112 << 20;

/// Packets of ordinary flows beside each flood.
const ORDINARY: u64 = 20_000;

/// Packets of the run that shows what ordinary ones cost.
const ALONE: u64 = 600_000;

/// Twice the flood may cost so many times as much: twice, and what a busy machine adds.
const GROWTH: f64 = 3.0;

/// Below that time, in seconds, growth is not worth a word.
const SHORT: f64 = 0.5;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let Some(binary) = program() else {
        eprintln!("floods: there is no tapline beside this program, and no FLOOD_PROGRAM");
        return ExitCode::from(2);
    };
    let scale = std::env::var("FLOOD_SCALE")
        .ok()
        .and_then(|s| s.parse::<f64>().ok())
        .unwrap_or(1.0);
    let setup = Setup {
        binary,
        config: None,
        ordinary: ORDINARY,
    };
    match floods(&names, scale, &setup) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("floods: {}: {error}", setup.binary.display());
            ExitCode::from(3)
        }
    }
}

/// The program to flood.
fn program() -> Option<PathBuf> {
    let given = std::env::var_os("FLOOD_PROGRAM").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("tapline"));
    given.or_else(beside).filter(|path| path.exists())
}

/// What an ordinary packet costs, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    packet: f64,
}

fn floods(names: &[String], scale: f64, setup: &Setup) -> std::io::Result<bool> {
    let budget = Budget {
        memory: MEMORY,
        beside: BESIDE,
        callers: CALLERS,
    };
    let alone = run(None, (ALONE as f64 * scale.min(1.0)) as u64, setup)?;
    let usual = Cost {
        packet: alone.cpu.as_nanos() as f64 / alone.ordinary_packets as f64,
    };
    println!(
        "memory: {} for flows, {} beside, {} for 20,000 callers; a packet of ordinary traffic takes {:.0} ns\n",
        mib(budget.memory),
        mib(budget.beside),
        mib(budget.callers),
        usual.packet
    );
    println!(
        "{:<20} {:>11} {:>9} {:>8} {:>7} {:>9} {:>9} {:>6} {:>6} {:>13}",
        "flood", "packets", "MB", "memory", "seconds", "ns/packet", "ns/byte", "times", "growth", "ordinary"
    );
    row("none", &alone, 0.0, usual, None);
    let mut good = alone.found == alone.ordinary;
    if !good {
        println!("  ordinary flows alone: {:?}", alone.wrong);
    }
    for flood in all() {
        if !names.is_empty() && !names.iter().any(|name| name == flood.name) {
            continue;
        }
        good &= one(&flood, scale, setup, &budget, usual)?;
    }
    Ok(good)
}

/// Time that a flood took, without what the ordinary packets beside it take.
fn own(outcome: &Outcome, usual: Cost) -> f64 {
    let beside = outcome.ordinary_packets as f64 * usual.packet / 1e9;
    (outcome.cpu.as_secs_f64() - beside).max(0.0)
}

fn one(flood: &Flood, scale: f64, setup: &Setup, budget: &Budget, usual: Cost) -> std::io::Result<bool> {
    let size = ((flood.full as f64 * scale) as u64).max(2);
    let half = run(Some(flood), size / 2, setup)?;
    let whole = run(Some(flood), size, setup)?;
    let (mut time, mut before) = (own(&whole, usual), own(&half, usual));
    let growth = |time: f64, before: f64| (time > SHORT).then(|| time / before.max(0.01));
    if growth(time, before).is_some_and(|times| times > GROWTH) {
        // Another program may have been in the way.
        before = before.max(own(&run(Some(flood), size / 2, setup)?, usual));
        time = time.min(own(&run(Some(flood), size, setup)?, usual));
    }
    let growth = growth(time, before);
    row(flood.name, &whole, time, usual, growth);
    println!(
        "    {} {}; told: {}",
        grouped(size),
        flood.what,
        told(&whole.said)
    );
    let mut faults = whole.faults(flood, budget, true);
    if faults.is_empty() {
        // Half a flood need not reach a ceiling.
        faults = half.faults(flood, budget, false);
    }
    if time > SHORT && time * 1e9 / whole.packets as f64 > flood.dear * usual.packet {
        faults.push(format!("a packet takes more than {} ordinary ones", flood.dear));
    }
    if let Some(growth) = growth.filter(|growth| *growth > GROWTH) {
        faults.push(format!("twice the flood takes {growth:.1} times as long"));
    }
    for fault in &faults {
        println!("    WRONG: {fault}");
    }
    Ok(faults.is_empty())
}

fn row(name: &str, outcome: &Outcome, time: f64, usual: Cost, growth: Option<f64>) {
    let packet = time * 1e9 / outcome.packets.max(1) as f64;
    println!(
        "{name:<20} {:>11} {:>9.1} {:>8} {:>7.2} {:>9.0} {:>9.2} {:>6.1} {:>6} {:>13}",
        outcome.packets,
        outcome.bytes as f64 / 1e6,
        mib(outcome.anonymous),
        outcome.cpu.as_secs_f64(),
        packet,
        time * 1e9 / outcome.bytes.max(1) as f64,
        packet / usual.packet,
        growth.map_or("-".into(), |g| format!("{g:.1}")),
        format!("{}/{}", outcome.found, outcome.ordinary),
    );
}

/// What the last line of a run says was lost.
fn told(said: &str) -> &str {
    let begin = said.find('(').map_or(0, |at| at + 1);
    said.get(begin..).map_or(said, |rest| rest.trim_end_matches(')'))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
