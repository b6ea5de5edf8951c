//! A strict reader of the text format of Prometheus (version 0.0.4), in the manner of `promtool check metrics`.

use std::collections::{BTreeMap, BTreeSet};

/// A metric: its type, and its samples by their labels.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    pub(crate) samples: BTreeMap<BTreeMap<String, String>, f64>,
}

/// Metrics by name.
pub(crate) type Metrics = BTreeMap<String, Metric>;

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// Reads `text`.
///
/// # Errors
///
/// With the line, when it is not what Prometheus reads, or departs from its conventions: HELP and TYPE once and before the
/// samples, all samples of a metric together and each but once, `_total` for counters alone, base units, nothing in labels but
/// what is plain.
pub(crate) fn read(text: &str) -> Result<Metrics, String> {
    let mut metrics = Metrics::new();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    if !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if !is_name(name) || words.trim().is_empty() || !helped.insert(name.to_owned()) {
                return Err(wrong("not a help, or a second one"));
            }
            if !words.ends_with('.') || words.contains('\\') {
                return Err(wrong("no sentence"));
            }
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or_else(|| wrong("no type"))?;
            if !["counter", "gauge"].contains(&kind) {
                return Err(wrong("not a type that is used here"));
            }
            if !helped.contains(name) || metrics.contains_key(name) {
                return Err(wrong("no help before it, or a second type"));
            }
            if name.ends_with("_total") != (kind == "counter") {
                return Err(wrong("counters end in _total, and nothing else does"));
            }
            let not_base = [
                "_ms",
                "_millis",
                "_milliseconds",
                "_nanoseconds",
                "_minutes",
                "_kb",
                "_kib",
                "_megabytes",
                "_percent",
            ];
            let plain = name.strip_suffix("_total").unwrap_or(name);
            if not_base.iter().any(|unit| plain.ends_with(unit)) {
                return Err(wrong("not a base unit"));
            }
            name.clone_into(&mut current);
            metrics.entry(current.clone()).or_default().kind = kind.to_owned();
            continue;
        }
        if line.starts_with('#') || line.is_empty() {
            return Err(wrong("neither comment nor sample"));
        }
        let (series, value) = line.rsplit_once(' ').ok_or_else(|| wrong("no value"))?;
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (
                name,
                labels(rest.strip_suffix('}').ok_or_else(|| wrong("labels do not end"))?)
                    .ok_or_else(|| wrong("labels that are not plain"))?,
            ),
            None => (series, BTreeMap::new()),
        };
        if name != current {
            return Err(wrong("a sample away from its metric"));
        }
        let value: f64 = value.parse().map_err(|_| wrong("not a number"))?;
        let of = metrics.entry(current.clone()).or_default();
        if of.kind == "counter" && !(value.is_finite() && value >= 0.0) {
            return Err(wrong("a counter that is no count"));
        }
        if of.samples.insert(labels, value).is_some() {
            return Err(wrong("a second sample"));
        }
    }
    if let Some((name, _)) = metrics.iter().find(|(_, of)| of.samples.is_empty()) {
        return Err(format!("{name} has no sample"));
    }
    if let Some(name) = helped.iter().find(|name| !metrics.contains_key(*name)) {
        return Err(format!("{name} has no type"));
    }
    Ok(metrics)
}

/// Names and values, both plain: no escapes, nothing but letters, digits and `._+-`.
fn labels(text: &str) -> Option<BTreeMap<String, String>> {
    text.split(',')
        .map(|one| {
            let (name, value) = one.split_once("=\"")?;
            let value = value.strip_suffix('"')?;
            let plain = !value.is_empty()
                && value.len() <= 64
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
            (is_name(name) && plain).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The value of a metric without labels.
pub(crate) fn value(metrics: &Metrics, name: &str) -> f64 {
    labelled(metrics, name, &[])
}

/// The value of a metric with these labels.
pub(crate) fn labelled(metrics: &Metrics, name: &str, with: &[(&str, &str)]) -> f64 {
    let labels = with
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    *metrics
        .get(name)
        .unwrap_or_else(|| panic!("no {name}"))
        .samples
        .get(&labels)
        .unwrap_or_else(|| panic!("no {name} with {with:?}"))
}

/// That the reader refuses what Prometheus or its conventions refuse.
pub(crate) fn the_reader_is_strict() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 2\n";
    assert_eq!(read(good).expect("good").len(), 1);
    for (bad, why) in [
        ("a_total 1\n", "away from its metric"),
        (
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
            "does not end",
        ),
        ("# TYPE a gauge\na 1\n", "no help"),
        ("# HELP a A.\n# TYPE a counter\na 1\n", "_total"),
        ("# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n", "base unit"),
        ("# HELP a A.\n# TYPE a gauge\na 1\na 2\n", "second sample"),
        ("# HELP a A.\n# TYPE a gauge\n", "no sample"),
        ("# HELP a A.\n# TYPE a gauge\na x\n", "not a number"),
        (
            "# HELP a A.\n# TYPE a gauge\na{h=\"shop.example/x y\"} 1\n",
            "not plain",
        ),
        ("# HELP a A.\n# TYPE a gauge\n\na 1\n", "neither"),
    ] {
        let said = read(bad).expect_err(bad);
        assert!(said.contains(why), "{bad}: {said}");
    }
}
