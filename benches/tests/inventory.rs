//! What the inventory may take has a bound, whatever is sent: counted by the allocator, so that no noise is in it.
//!
//! One test, for the counter is one of the process.

use allocation_counter::measure;
use analyzers::{Analyzer, Settings};
use benches::inventory::{Apis, Hostile};
use reassembly::Exchange;

/// Endpoints, principals and findings that are kept.
const KEPT: usize = 100;

/// What docs/operating.md states for each endpoint, whatever is sent …
const EACH: i64 = 160 << 10;

/// … for an ordinary one, its callers with their habits among them …
const USUAL: i64 = 48 << 10;

/// … and beside them, for what is remembered to find things sooner and of other tables.
const BESIDE: i64 = 6 << 20;

struct Held {
    analyzer: Analyzer,
    bytes: i64,
}

impl Held {
    fn new(kept: usize) -> Self {
        let settings = Settings {
            max_endpoints: kept,
            max_principals: kept,
            max_findings: kept,
            ..Settings::default()
        };
        let mut analyzer = Analyzer::new(settings);
        analyzer.forget_changes();
        Self { analyzer, bytes: 0 }
    }

    fn observe(&mut self, exchange: &Exchange) {
        let analyzer = &mut self.analyzer;
        let counted = measure(|| {
            analyzer.observe(exchange);
            while analyzer.poll().is_some() {}
        });
        self.bytes += counted.bytes_current;
    }
}

#[test]
fn memory_has_the_bound_that_is_stated() {
    let apis = Apis { hosts: 2, each: 50 };
    let mut held = Held::new(KEPT * 5 / 4);
    for n in 0..apis.endpoints() * 20 {
        held.observe(&apis.call(n % apis.endpoints(), n));
    }
    let found = held.analyzer.endpoints().count() as i64;
    println!(
        "ordinary: {found} endpoints, {} bytes each, with all",
        held.bytes / found
    );
    assert!(found >= 99, "{found} endpoints");
    assert!(
        held.bytes / found < USUAL,
        "{} bytes for each of {found}",
        held.bytes / found
    );

    for hostile in Hostile::ALL {
        let (of, calls) = match hostile {
            Hostile::Values => (8, 1500),
            Hostile::Forms => (KEPT as u64, 48),
            _ => (KEPT as u64, 100),
        };
        let mut held = Held::new(KEPT);
        let mut before = 0;
        for fifth in 1..=5 {
            before = held.bytes;
            for n in of * calls * (fifth - 1) / 5..of * calls * fifth / 5 {
                held.observe(&hostile.exchange(of, n));
            }
            println!("{}: {} bytes after {fifth} of 5", hostile.name(), held.bytes);
            let bound = BESIDE + EACH * KEPT as i64;
            assert!(
                held.bytes < bound,
                "{}: {} bytes, over {bound}",
                hostile.name(),
                held.bytes
            );
        }
        assert!(
            held.bytes < before + before / 8,
            "{}: the last fifth made {before} bytes {}",
            hostile.name(),
            held.bytes
        );
        let given_up: u64 = held
            .analyzer
            .counters()
            .iter()
            .filter(|(name, _)| {
                name.ends_with("_evicted") || name.ends_with("_given_up") || name.ends_with("_folded")
            })
            .map(|(_, count)| count)
            .sum();
        assert!(
            given_up > 0,
            "{}: nothing is said to have been given up",
            hostile.name()
        );
    }
}
