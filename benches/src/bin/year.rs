//! A year of packet time: `year [CALLERS] [DAYS]` (200 and 364). Agents and services whose habits change as real ones do, and nobody who
//! attacks. Prints what was found of medium severity or more about any of them, by kind and by what had changed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use analyzers::{Analyzer, Settings};
use benches::year::{Company, Told};

/// The sensor's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |or: u64| arguments.next().unwrap_or(Ok(or));
    let (Ok(callers), Ok(days), Ok(seed)) = (next(200), next(364), next(1)) else {
        eprintln!("year: callers, days and seed are numbers");
        return ExitCode::from(2);
    };
    let mut company = Company::new(callers, days, seed);
    let mut analyzer = Analyzer::new(Settings::default());
    let mut told: Vec<Told> = Vec::new();
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
    print(&company, &told, exchanges);
    ExitCode::SUCCESS
}

fn print(company: &Company, told: &[Told], exchanges: u64) {
    let months = company.months();
    // A finding that is told again, since it grew worse or came back that day, is one.
    let revisions = told.len();
    let mut known = BTreeSet::new();
    let told: Vec<&Told> = told.iter().filter(|one| known.insert(&one.id)).collect();
    println!("{exchanges} exchanges, {months:.0} months of callers at work");
    println!(
        "{} findings of medium severity or more (told {revisions} times), {:.3} a caller and month",
        told.len(),
        told.len() as f64 / months
    );
    let mut table: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut monthly: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for one in &told {
        let cause = company.causes(&one.name, one.at);
        *table.entry((cause.name(), &one.kind)).or_default() += 1;
        *monthly.entry((&one.name, one.month())).or_default() += 1;
    }
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    monthly
        .values()
        .for_each(|count| *counts.entry(*count).or_default() += 1);
    for (count, months) in &counts {
        println!("months of a caller with {count}: {months}");
    }
    println!(
        "most of one caller in one month: {}",
        monthly.values().max().unwrap_or(&0)
    );
    println!("\n{:<26} {:<30} {:>6}", "what had changed", "finding", "");
    for ((cause, kind), count) in &table {
        println!("{cause:<26} {kind:<30} {count:>6}");
    }
    if std::env::var_os("ALL").is_some() {
        for one in &told {
            println!(
                "{} {} {} {} {}",
                one.at,
                one.name,
                one.kind,
                company.causes(&one.name, one.at).name(),
                one.text
            );
        }
    }
}
