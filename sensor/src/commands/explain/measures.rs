//! What of a finding is drawn: numbers observed beside those expected, and what was seen over hours or days.
//!
//! Detectors name their numbers; which expected one belongs to which observed one follows from the names: `bytes` to `bytes_mean`,
//! `age_s` to `age_s_at_most`. So a new detector is drawn without a word here, and [`ALIASES`] has the exceptions.

use serde_json::{Map, Value, json};

use crate::summary::chart::{Bar, Columns};
use crate::summary::page::{bytes, span, thousands};

/// What follows the name of an observed number in that of an expected one, and how it is called beside a bar.
const SUFFIXES: [(&str, &str); 9] = [
    ("_fewer_than", "usual is below"),
    ("_less_than", "usual is below"),
    ("_at_least", "at least"),
    ("_at_most", "at most"),
    ("_below", "told from"),
    ("_most_seen", "most before"),
    ("_most", "most before"),
    ("_mean", "mean"),
    ("_usual", "usual"),
];

/// Expected numbers that name nothing: they belong to the first of [`FIRST`] that was observed.
const BARE: [(&str, &str); 4] = [
    ("mean", "mean"),
    ("most_seen", "most before"),
    ("fewer_than", "usual is below"),
    ("usual", "usual"),
];
const FIRST: [&str; 8] = [
    "bytes", "objects", "calls", "tokens", "cost", "amount", "failures", "count",
];

/// Observed and expected numbers of other names, with what stands beside the bar.
const ALIASES: [(&str, &str, &str); 4] = [
    ("objects", "objects_a_day", "a day, as a rule"),
    ("failures", "failures_in_a_row", "at most in a row"),
    ("latest_pauses_s", "pause_s", "at least"),
    ("calls", "calls_of_peers", "of its peers"),
];

/// Numbers that are no quantities: a bar of them says nothing.
const NAMES: [&str; 6] = [
    "status",
    "hour_utc",
    "version",
    "newer_since",
    "window_s",
    "index",
];

/// An observed number beside what was to be expected.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measure {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
    /// The names drawn, which need not be told again.
    pub(super) names: Vec<String>,
}

/// What was seen over time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) title: String,
    pub(super) columns: Columns,
    pub(super) names: Vec<String>,
}

fn numbers(of: &Value) -> impl Iterator<Item = (&str, f64)> {
    let all = of.as_object().into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
}

/// The observed number that an expected one belongs to, and how it is called beside it.
fn belongs(expected: &str, observed: &Map<String, Value>) -> Option<(String, &'static str)> {
    let is = |name: &str| observed.get(name).is_some_and(Value::is_number) && !NAMES.contains(&name);
    if let Some((of, _, label)) = ALIASES.iter().find(|(of, name, _)| *name == expected && is(of)) {
        return Some(((*of).to_owned(), label));
    }
    if is(expected) {
        return Some((expected.to_owned(), "expected"));
    }
    if let Some((_, label)) = BARE.iter().find(|(name, _)| *name == expected) {
        let first = FIRST.iter().find(|name| is(name))?;
        return Some(((*first).to_owned(), label));
    }
    let (base, label) = SUFFIXES
        .iter()
        .find_map(|(suffix, label)| Some((expected.strip_suffix(suffix)?, *label)))?;
    is(base).then(|| (base.to_owned(), label))
}

/// Every observed number with those that it is held against.
pub(super) fn measures(finding: &Value) -> Vec<Measure> {
    let nothing = Map::new();
    let observed = finding["observed"].as_object().unwrap_or(&nothing);
    let mut all: Vec<Measure> = Vec::new();
    for (name, value) in numbers(&finding["observed"]) {
        let against: Vec<(&str, f64, &str)> = numbers(&finding["expected"])
            .filter_map(|(expected, value)| {
                let (of, label) = belongs(expected, observed)?;
                (of == name).then_some((expected, value, label))
            })
            .collect();
        // Where none was expected a bar beside no bar says no more than the number.
        let least = against.iter().map(|(_, value, _)| *value).fold(value, f64::min);
        if !against.iter().any(|(_, value, _)| *value > 0.0) || least < 0.0 {
            continue;
        }
        let bar = |label: &str, value: f64, observed: bool| Bar {
            label: label.to_owned(),
            value,
            shown: shown(name, value),
            observed,
        };
        let mut bars = vec![bar("observed", value, true)];
        let mut against = against;
        against.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        bars.extend(against.iter().map(|(_, value, label)| bar(label, *value, false)));
        let within = match finding["observed"]["window_s"].as_f64() {
            Some(window) if name == "calls" => format!(" within {}", span(window)),
            _ => String::new(),
        };
        let mut names = vec![name.to_owned()];
        names.extend(against.iter().map(|(name, ..)| (*name).to_owned()));
        if !within.is_empty() {
            names.push("window_s".to_owned());
        }
        all.push(Measure {
            title: format!("{}{within}", in_words(name)),
            bars,
            names,
        });
    }
    all
}

/// What the finding has of hours and days: lists of 24 numbers named `…_by_hour`, and objects with a number for each day named
/// `…_by_day`.
pub(super) fn series(finding: &Value) -> Vec<Series> {
    let mut all = Vec::new();
    for part in ["observed", "expected"] {
        for (name, value) in finding[part].as_object().into_iter().flatten() {
            if let (Some(what), Some(hours)) = (name.strip_suffix("_by_hour"), value.as_array()) {
                let values = hours.iter().map(|value| value.as_f64().unwrap_or(0.0));
                let marked = finding["observed"]["hour_utc"].as_u64().map(|hour| hour as usize);
                let marked = marked.filter(|hour| *hour < hours.len()).map(|hour| {
                    let calls = finding["observed"]["calls"].as_u64();
                    let calls = calls.map_or(String::new(), |calls| format!(", {} calls", thousands(calls)));
                    (hour, format!("{hour:02}:00 now{calls}"))
                });
                all.push(Series {
                    title: format!("{} with calls before, by hour of the day (UTC)", in_words(what)),
                    columns: Columns {
                        all: values
                            .enumerate()
                            .map(|(hour, value)| (format!("{hour:02}"), value))
                            .collect(),
                        marked,
                        every: 6,
                    },
                    names: vec![name.clone(), "hour_utc".to_owned()],
                });
            } else if let (Some(what), Some(days)) = (name.strip_suffix("_by_day"), value.as_object()) {
                let days: Vec<(String, f64)> = days
                    .iter()
                    .map(|(day, value)| (day.clone(), value.as_f64().unwrap_or(0.0)))
                    .collect();
                let last = days.len().checked_sub(1);
                all.push(Series {
                    title: format!("{} by day", in_words(what)),
                    columns: Columns {
                        marked: last.map(|last| (last, shown(what, days[last].1))),
                        all: days,
                        every: 0,
                    },
                    names: vec![name.clone()],
                });
            }
        }
    }
    all
}

/// A name of a number as people read it; its unit stands beside the number.
pub(super) fn in_words(name: &str) -> String {
    let name = name.strip_suffix("_s").unwrap_or(name);
    let name = SUFFIXES
        .iter()
        .find_map(|(suffix, _)| name.strip_suffix(suffix))
        .unwrap_or(name);
    name.strip_suffix("_s").unwrap_or(name).replace('_', " ")
}

/// A number with its unit, which its name tells.
pub(super) fn shown(name: &str, value: f64) -> String {
    const SHARES: [&str; 8] = [
        "share",
        "rate",
        "chance",
        "regular_steps",
        "a_day",
        "in_all",
        "novelty",
        "failure_rate",
    ];
    let base = SUFFIXES
        .iter()
        .find_map(|(suffix, _)| name.strip_suffix(suffix))
        .unwrap_or(name);
    if base.contains("bytes") {
        return bytes(value.max(0.0) as u64);
    }
    if base.ends_with("_s") || base == "seconds" || base.starts_with("seconds_") {
        return span(value);
    }
    let share = SHARES.contains(&base) || base.starts_with("share_") || base.starts_with("chance_");
    if share && value <= 1.0 {
        let percent = value * 100.0;
        return match percent {
            0.0 => "0 %".to_owned(),
            p if p < 1.0 => format!("{p:.2} %"),
            p => format!("{p:.0} %"),
        };
    }
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return thousands(value as u64);
    }
    format!("{value:.2}")
}

/// Any value of a record in a few words.
pub(super) fn told(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.replace('_', " "),
        Value::Number(number) => match name {
            name if NAMES.contains(&name) && !name.ends_with("_s") => number.to_string(),
            name => shown(name, number.as_f64().unwrap_or(0.0)),
        },
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list
            .iter()
            .map(|one| told("", one))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| format!("{} {}", in_words(name), told(name, value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// A number, or what else was observed or expected, in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) observed: String,
    pub(super) expected: String,
}

/// What is not drawn, each observed value beside what was expected of it.
pub(super) fn rest(finding: &Value, drawn: &[&str]) -> Vec<Row> {
    let nothing = Map::new();
    let observed = finding["observed"].as_object().unwrap_or(&nothing);
    let expected = finding["expected"].as_object().unwrap_or(&nothing);
    // An expected value belongs to the observed one of its name, or to that which its name is made of.
    let base = |name: &str| {
        let found = SUFFIXES
            .iter()
            .find_map(|(suffix, label)| Some((name.strip_suffix(suffix)?, *label)));
        match found {
            Some((base, label)) if observed.contains_key(base) => (base.to_owned(), label),
            _ => (name.to_owned(), ""),
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut used: Vec<&String> = Vec::new();
    for (name, value) in observed
        .iter()
        .filter(|(name, _)| !drawn.contains(&name.as_str()))
    {
        let mut words = Vec::new();
        for (other, value) in expected
            .iter()
            .filter(|(other, _)| !drawn.contains(&other.as_str()))
        {
            let (of, label) = base(other);
            if of == *name {
                used.push(other);
                words.push(format!("{label} {}", told(other, value)).trim().to_owned());
            }
        }
        rows.push(Row {
            name: in_words(name),
            observed: told(name, value),
            expected: words.join(", "),
        });
    }
    for (name, value) in expected {
        if value.is_null() || used.contains(&name) || drawn.contains(&name.as_str()) {
            continue;
        }
        let label = SUFFIXES
            .iter()
            .find(|(suffix, _)| name.ends_with(suffix))
            .map_or("", |(_, label)| label);
        rows.push(Row {
            name: in_words(name),
            observed: String::new(),
            expected: format!("{label} {}", told(name, value)).trim().to_owned(),
        });
    }
    rows
}

/// What is drawn, for programs.
pub(super) fn as_json(measures: &[Measure], series: &[Series]) -> Value {
    let bars = measures.iter().map(|measure| {
        let bar = |bar: &Bar| json!({"label": bar.label, "value": bar.value, "shown": bar.shown, "observed": bar.observed});
        json!({"title": measure.title, "bars": measure.bars.iter().map(bar).collect::<Vec<_>>()})
    });
    let columns = series.iter().map(|series| {
        let column = |(label, value): &(String, f64)| json!({"label": label, "value": value});
        json!({
            "title": series.title,
            "columns": series.columns.all.iter().map(column).collect::<Vec<_>>(),
            "observed_at": series.columns.marked.as_ref().map(|(place, _)| place),
        })
    });
    bars.chain(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(measure: &Measure) -> Vec<(&str, &str)> {
        measure
            .bars
            .iter()
            .map(|bar| (bar.label.as_str(), bar.shown.as_str()))
            .collect()
    }

    #[test]
    fn each_number_is_held_against_those_that_its_name_belongs_to() {
        let volume = json!({
            "observed": {"bytes": 900_000.0, "large_answers": 3},
            "expected": {"bytes_mean": 4000.0, "bytes_most": 9000.0, "fewer_than": 18_000.0},
        });
        let found = measures(&volume);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            labels(&found[0]),
            [
                ("observed", "900.0 kB"),
                ("usual is below", "18.0 kB"),
                ("most before", "9.0 kB"),
                ("mean", "4.0 kB")
            ]
        );
        let drawn: Vec<&str> = found[0].names.iter().map(String::as_str).collect();
        let rows = rest(&volume, &drawn);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(
            (rows[0].name.as_str(), rows[0].observed.as_str()),
            ("large answers", "3")
        );
        let rate = json!({"observed": {"calls": 32, "window_s": 60}, "expected": {"mean": 7.17, "most_seen": 15.0, "fewer_than": 32}});
        let found = measures(&rate);
        assert_eq!(found[0].title, "calls within 1 min");
        assert_eq!(labels(&found[0])[3], ("mean", "7.17"));
        assert!(
            rest(
                &rate,
                &found[0].names.iter().map(String::as_str).collect::<Vec<_>>()
            )
            .is_empty()
        );
    }

    #[test]
    fn what_is_no_quantity_has_no_bar_and_is_told() {
        let open =
            json!({"observed": {"status": 200, "data": [], "open_2xx": 3}, "expected": {"status": 401}});
        assert!(measures(&open).is_empty());
        let rows = rest(&open, &[]);
        let of = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(
            (of("status").observed.as_str(), of("status").expected.as_str()),
            ("200", "401")
        );
        assert_eq!(of("data").observed, "none");
        let old = json!({"observed": {"age_s": 8_640_000}, "expected": {"age_s_at_most": 7_776_000}});
        let found = measures(&old);
        assert_eq!(labels(&found[0]), [("observed", "100 d"), ("at most", "90 d")]);
        assert_eq!(found[0].title, "age");
        // Whatever stands in a file of records breaks nothing.
        let odd = json!({"observed": {"bytes": -4, "x": {"y": [1, null]}, "calls": 1e300}, "expected": {"bytes_mean": "many", "calls": -1}});
        assert!(measures(&odd).is_empty());
        assert_eq!(rest(&odd, &[]).len(), 3);
        assert!(measures(&json!({})).is_empty() && rest(&json!({"observed": 3}), &[]).is_empty());
    }

    #[test]
    fn hours_and_days_are_series_with_the_observation_marked() {
        let hours: Vec<u32> = (0..24)
            .map(|hour| u32::from((8..18).contains(&hour)) * 6)
            .collect();
        let night = json!({"observed": {"calls": 14, "hour_utc": 3}, "expected": {"calls": 0, "days_by_hour": hours}});
        let found = series(&night);
        assert_eq!(found[0].columns.marked, Some((3, "03:00 now, 14 calls".into())));
        assert_eq!(found[0].columns.all[9], ("09".into(), 6.0));
        let days = json!({"observed": {"bytes_by_day": {"2026-10-05": 70_000, "2026-10-06": 80_000}}});
        let found = series(&days);
        assert_eq!(found[0].columns.marked, Some((1, "80.0 kB".into())));
        assert!(
            series(&json!({"observed": {"x_by_day": {}}}))
                .iter()
                .all(|s| s.columns.marked.is_none())
        );
    }
}
