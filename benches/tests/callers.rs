//! What a caller may take has a bound, whatever it sends: its rows are counted by the allocator as they are put back into an
//! analyzer that has learned nothing else, so that no noise is in it.
//!
//! One test, for the counter is one of the process.

use allocation_counter::measure;
use analyzers::{Analyzer, Settings, Table};
use benches::callers::{Greedy, ordinary};
use reassembly::Exchange;

/// What docs/operating.md states for a caller, whatever it sends, and for an ordinary one.
const EACH: i64 = 256 << 10;
const USUAL: i64 = 36 << 10;

/// Ordinary callers with their calls, and greedy ones: these have done all that makes them grow twice over.
const ORDINARY: (u64, u64) = (200, 200);
const GREEDY: (u64, u64) = (10, 3000);

/// Bytes of a caller with its credentials, and callers.
fn each(callers: u64, calls: impl Iterator<Item = Exchange>) -> i64 {
    let settings = Settings {
        max_principals: callers as usize,
        max_endpoints: 1000,
        max_findings: 20,
        ..Settings::default()
    };
    let mut analyzer = Analyzer::new(settings.clone());
    for exchange in calls {
        analyzer.observe(&exchange);
        while analyzer.poll().is_some() {}
    }
    assert_eq!(analyzer.principals().count() as u64, callers);
    let mut empty = Analyzer::new(settings);
    let mut bytes = 0;
    for change in analyzer.take_changes() {
        let Some(value) = change
            .value
            .filter(|_| matches!(change.table, Table::Principals | Table::Credentials))
        else {
            continue;
        };
        let counted = measure(|| {
            empty
                .restore(change.table, &change.key, &value)
                .expect("a row of ours")
        });
        bytes += counted.bytes_current;
    }
    assert_eq!(empty.principals().count() as u64, callers);
    // What decides who makes way at the limit of memory.
    let weighed: u64 = empty.weights().iter().map(|(_, weight, _)| weight).sum();
    let share = weighed as f64 / bytes as f64;
    assert!((0.8..1.4).contains(&share), "{bytes} bytes weigh {weighed}");
    bytes / callers as i64
}

#[test]
fn memory_of_callers_has_the_bound_that_is_stated() {
    let (callers, calls) = ORDINARY;
    let bytes = each(
        callers,
        (0..calls).flat_map(|k| (0..callers).map(move |caller| ordinary(caller, k))),
    );
    println!("ordinary: {bytes} bytes for each");
    assert!((1000..USUAL).contains(&bytes), "{bytes} bytes for each");
    let (callers, calls) = GREEDY;
    for greedy in Greedy::ALL {
        let of = |calls| {
            each(
                callers,
                (0..calls).flat_map(|k| (0..callers).map(move |caller| greedy.exchange(caller, k))),
            )
        };
        let (half, bytes) = (of(calls / 2), of(calls));
        println!(
            "{}: {half} bytes for each after half, {bytes} at the end",
            greedy.name()
        );
        assert!(bytes < EACH, "{}: {bytes} bytes for each", greedy.name());
        assert!(
            bytes < half + half / 5,
            "{}: it goes on growing, from {half} to {bytes} bytes",
            greedy.name()
        );
    }
}
