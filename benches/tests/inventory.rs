//! What the inventory may take has a bound, whatever is sent: counted by the allocator, so that no noise is in it.
//!
//! One test, for the counter is one of the process.

use allocation_counter::measure;
use analyzers::settings::Room;
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
        Self::within(kept, Room::default())
    }

    fn within(kept: usize, room: Room) -> Self {
        let settings = Settings {
            max_endpoints: kept,
            max_principals: kept,
            max_findings: kept,
            room,
            ..Settings::default()
        };
        Self {
            analyzer: Analyzer::new(settings),
            bytes: 0,
        }
    }

    fn observe(&mut self, exchange: &Exchange) {
        let analyzer = &mut self.analyzer;
        let counted = measure(|| {
            analyzer.observe(exchange);
            while analyzer.poll().is_some() {}
        });
        self.bytes += counted.bytes_current;
    }

    /// Rows that changed since they were asked for last are put into an analyzer that holds nothing else: the bytes that they take
    /// there, and what they weigh there, which decides who makes way at the limit of memory.
    fn weighed(&mut self) -> (i64, u64) {
        let mut other = Analyzer::new(Settings::default());
        let mut bytes = 0;
        for change in self.analyzer.take_changes() {
            let Some(value) = change.value else { continue };
            let counted = measure(|| {
                other
                    .restore(change.table, &change.key, &value)
                    .expect("a row of ours")
            });
            bytes += counted.bytes_current;
        }
        (bytes, other.weights().iter().map(|(_, weight, _)| weight).sum())
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
            let (bytes, weighed) = held.weighed();
            println!(
                "{}: {} bytes after {fifth} of 5; its rows take {bytes} and weigh {weighed}",
                hostile.name(),
                held.bytes
            );
            let share = weighed as f64 / bytes as f64;
            assert!((0.7..1.6).contains(&share), "{bytes} bytes weigh {weighed}");
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

    // The same against a limit of memory, with more rows allowed than it has room for.
    let room = Room {
        apis: 6 << 20,
        callers: 4 << 20,
        findings: 256 << 10,
    };
    let most = BESIDE + (room.apis + room.callers + room.findings) as i64 * 3 / 2;
    for hostile in Hostile::ALL {
        let mut held = Held::within(5000, room);
        for n in 0..8000 {
            held.observe(&hostile.exchange(2000, n));
            if n % 1000 == 0 {
                // Nobody stores it here.
                held.analyzer.take_changes().for_each(drop);
            }
        }
        let weights = held.analyzer.weights();
        println!("{}: {} bytes of {most}, {weights:?}", hostile.name(), held.bytes);
        assert!(
            held.bytes < most,
            "{}: {} bytes, over {most}",
            hostile.name(),
            held.bytes
        );
        for (of, weight, room) in weights {
            // A row grows a little before it is weighed again.
            assert!(
                weight < room + room / 8,
                "{}: {of} weigh {weight}",
                hostile.name()
            );
        }
        let given_up = held.analyzer.counters();
        let evicted = given_up.iter().filter(|(name, _)| name.ends_with("_evicted"));
        assert!(
            evicted.map(|(_, count)| count).sum::<u64>() > 0,
            "{}",
            hostile.name()
        );
    }
}
