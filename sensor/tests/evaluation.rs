//! Every world of the shared evaluation set, replayed train then test at the default settings and scored by its own scorer: what must
//! be found of each class of attacks, and how few of the benign sessions may be told. Skipped where the set or Python is not at hand.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::folder;

/// Share of the incidents of a class that must be found.
const RECALL: [(&str, f64); 11] = [
    ("enum_sequential", 0.95),
    ("enum_random", 0.95),
    ("bola", 0.95),
    ("retry_storm", 0.95),
    ("token_replay", 0.95),
    ("offhours_volume", 0.95),
    ("exfiltration", 0.90),
    ("token_hygiene", 0.90),
    ("slow_enum", 0.85),
    ("privilege_jump", 0.85),
    ("prompt_injection", 0.85),
];

/// Benign sessions of a thousand that may have a false finding of medium or higher.
const FALSE_PER_1000: f64 = 10.0;

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}

fn run(set: &Path, without: Option<&str>) -> Option<Value> {
    let folder = folder(&format!("evaluation{}", without.unwrap_or_default()));
    let report = folder.join("report.json");
    let config = folder.join("tapline.toml");
    let text = without.map_or_else(String::new, |name| {
        format!("[learning]\nleave_out = [\"{name}\"]\n")
    });
    std::fs::write(&config, text).expect("the configuration is written");
    let done = Command::new("python3")
        .arg(set.join("run.py"))
        .args(["--tapline", env!("CARGO_BIN_EXE_tapline"), "--json"])
        .arg(&report)
        .arg("--config")
        .arg(&config)
        .output()
        .ok()?;
    if without.is_none() {
        println!("{}", String::from_utf8_lossy(&done.stdout));
    }
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read(&report).expect("the report is there");
    Some(serde_json::from_slice(&text).expect("the report is JSON"))
}

#[test]
fn attacks_of_every_class_are_found_and_work_that_looks_like_them_is_not() {
    let set = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval");
    if !set.join("run.py").exists() {
        println!("skipped: no evaluation set at {}", set.display());
        return;
    }
    let Some(report) = run(&set, None) else {
        println!("skipped: python3 does not run here");
        return;
    };
    let agents = &report["agents"];
    for (class, least) in RECALL {
        let recall = number(&agents["classes"][class], "recall");
        assert!(recall >= least, "{class}: {recall} of at least {least}");
    }
    // Of sessions that were taken over: where the text that did it is on the wire, and where it is not.
    let variants = agents["recall_by_variant"].as_object().expect("by variant");
    let hijacked = |oob: bool| {
        let of = variants
            .iter()
            .filter(|(name, _)| name.starts_with("hijack ") && name.ends_with(" oob") == oob);
        let all: Vec<f64> = of.filter_map(|(_, recall)| recall.as_f64()).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    assert!(hijacked(false) >= 0.75, "hijack: {}", hijacked(false));
    assert!(hijacked(true) >= 0.40, "hijack without text: {}", hijacked(true));
    let overall = number(&agents["overall"], "macro_recall");
    assert!(overall >= 0.85, "macro recall {overall}");
    let benign = agents["false_positives"].as_object().expect("by sort of session");
    let all = number(&benign["all"], "per_1000");
    assert!(all <= FALSE_PER_1000, "{all} of 1000 benign sessions");
    for (sort, found) in benign.iter().filter(|(sort, _)| sort.starts_with("hard:")) {
        let (flagged, sessions) = (number(found, "flagged"), number(found, "sessions"));
        assert!(
            flagged <= (sessions * 0.02).max(1.0),
            "{sort}: {flagged} of {sessions}"
        );
    }
    for class in ["privilege_jump", "hijack"] {
        let calls = number(&agents["classes"][class], "ttd_exchanges_median");
        assert!(calls <= 3.0, "{class}: after {calls} exchanges");
    }
    for class in ["enum_sequential", "enum_random", "slow_enum", "bola"] {
        let calls = number(&agents["classes"][class], "ttd_exchanges_median");
        assert!(calls <= 20.0, "{class}: after {calls} exchanges");
    }
    assert!(number(&report["atrdf"], "macro_f1") >= 0.99);
}

/// What each dimension of what is usual is worth: recall and false alarms without it, and what its classes lose. Takes a run of the whole set
/// for each.
#[test]
#[ignore = "a quarter of an hour; `make ablation` prints it"]
fn what_each_dimension_is_worth() {
    let set = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval");
    let Some(whole) = set.join("run.py").exists().then(|| run(&set, None)).flatten() else {
        println!("skipped: no evaluation set at {}, or no python3", set.display());
        return;
    };
    let recall = |report: &Value, class: &str| number(&report["agents"]["classes"][class], "recall");
    let overall = |report: &Value| {
        let agents = &report["agents"];
        (
            number(&agents["overall"], "macro_recall"),
            number(&agents["false_positives"]["all"], "per_1000"),
        )
    };
    let (all, wrong) = overall(&whole);
    println!(
        "{:<14} {:>12} {:>10}  lost",
        "without", "macro recall", "per 1000"
    );
    println!("{:<14} {all:>12.4} {wrong:>10.1}", "nothing");
    for name in analyzers::DIMENSIONS {
        let Some(report) = run(&set, Some(name)) else {
            return;
        };
        let (all, wrong) = overall(&report);
        let classes = whole["agents"]["classes"].as_object().expect("classes");
        let lost: Vec<String> = classes
            .keys()
            .map(|class| (class, recall(&report, class) - recall(&whole, class)))
            .filter(|(_, change)| change.abs() > 1e-9)
            .map(|(class, change)| format!("{class} {change:+.3}"))
            .collect();
        println!("{name:<14} {all:>12.4} {wrong:>10.1}  {}", lost.join(", "));
    }
}
