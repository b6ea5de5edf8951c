//! Floods in a small size, against small ceilings: memory stays within the budget, what is lost is told, and every
//! ordinary exchange beside the flood is found. `make floods` runs them in full, with times.

mod support;

use std::fs;
use std::path::PathBuf;

use benches::floods::{Budget, Setup, all, run};
use support::folder;

/// Ceilings that floods of this size reach.
const CONFIG: &str = r#"
[limits]
flow_memory = "4MiB"
flows = 2000
held_per_flow = "256KiB"
held_total = "1MiB"
body_capture_total = "1MiB"
streams = 100
fragments = "128KiB"
endpoints = 500
principals = 500
findings = 500
"#;

/// A full flood is so many times larger.
const SMALLER: u64 = 250;

/// Packets of ordinary flows beside each flood.
const ORDINARY: u64 = 600;

#[test]
fn floods_take_no_more_than_their_budget_and_push_out_nothing_ordinary() {
    let config = folder("floods").join("tapline.toml");
    fs::write(&config, CONFIG).expect("a configuration");
    let setup = Setup {
        binary: PathBuf::from(env!("CARGO_BIN_EXE_tapline")),
        config: Some(config),
        ordinary: ORDINARY,
    };
    let alone = run(None, ORDINARY, &setup).expect("it runs");
    assert!(alone.wrong.is_empty() && alone.found > 0, "{alone:?}");
    let budget = Budget {
        memory: 4 << 20,
        // Buffers of files and pipes, and what was learned.
        beside: 24 << 20,
        callers: 4 << 20,
    };
    let mut wrong = Vec::new();
    for flood in all() {
        let size = (flood.full / SMALLER).max(2);
        let outcome = run(Some(&flood), size, &setup).expect("it runs");
        println!(
            "{:<20} {:>8} packets, {:>6} KiB, {:?}, {} of {} ordinary exchanges",
            flood.name,
            outcome.packets,
            outcome.anonymous >> 10,
            outcome.wall,
            outcome.found,
            outcome.ordinary
        );
        let faults = outcome.faults(&flood, &budget, true);
        wrong.extend(faults.into_iter().map(|fault| format!("{}: {fault}", flood.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
