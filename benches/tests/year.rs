//! Callers whose habits change as real ones do, and who do nothing wrong, are told of rarely: a third of a year of the simulation that `make year`
//! runs whole.

use analyzers::{Analyzer, Settings};
use benches::year::{Company, Told};

/// Callers and days.
const CALLERS: u64 = 20;
const DAYS: u64 = 120;

/// Findings of medium severity or more for each caller and month. One is the promise.
const EACH: f64 = 1.0;

#[test]
fn honest_callers_whose_habits_change_are_told_of_less_than_once_a_month() {
    let mut company = Company::new(CALLERS, DAYS, 7);
    let mut analyzer = Analyzer::new(Settings::default());
    let mut told = Vec::new();
    let mut exchanges = 0u64;
    while let Some(day) = company.day() {
        for exchange in day {
            exchanges += 1;
            analyzer.observe(&exchange);
            while let Some(finding) = analyzer.poll() {
                told.extend(Told::of(&finding));
            }
        }
    }
    for one in &told {
        println!(
            "{} {}: {}",
            one.name,
            company.causes(&one.name, one.at).name(),
            one.text
        );
    }
    assert!(exchanges > 50_000, "{exchanges} exchanges: that is no work");
    let each = told.len() as f64 / company.months();
    assert!(each <= EACH, "{each:.2} findings for each caller and month");
}
