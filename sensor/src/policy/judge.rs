//! Holds records against a policy.

use std::collections::BTreeMap;

use analyzers::id::Id;
use serde_json::{Value, json};

use super::condition::{Condition, Path, observed};
use super::file::{Policy, Rule};
use crate::known::state::{About, State};
use crate::known::subject::{Concern, SEVERITIES, concerns, full_name, name_of};
use crate::known::{Known, Source, facts};
use crate::records::Rfc3339;

/// What was accepted, and what is there now, to be held against each other.
pub(crate) struct Baseline<'a> {
    pub(crate) accepted: &'a State,
    pub(crate) now: &'a State,
}

/// A record that is not as a rule has it.
#[derive(Debug)]
pub(crate) struct Violation {
    /// Place of the rule in the policy.
    pub(crate) rule: usize,
    /// Id of the endpoint, principal or finding.
    pub(crate) subject: String,
    /// What it is called.
    pub(crate) name: String,
    /// What the fields of the rule are, in their order; nothing where the record does not say.
    pub(crate) observed: Vec<(String, Option<String>)>,
    /// Where it is declared, when it is.
    pub(crate) declared: Option<facts::Place>,
    /// Line of the file it was read from.
    pub(crate) line: Option<usize>,
    /// The same for the same rule and subject, whenever and wherever it is found.
    pub(crate) fingerprint: String,
}

impl Violation {
    /// What is wrong, in one line.
    pub(crate) fn message(&self, rule: &Rule) -> String {
        let observed: Vec<String> = self
            .observed
            .iter()
            .map(|(field, value)| match value {
                Some(value) => format!("{field} is {value}"),
                None => format!("{field} is not known"),
            })
            .collect();
        format!(
            "{}: {} ({}; {})",
            self.name,
            rule.title,
            rule.wording,
            observed.join(", ")
        )
    }
}

/// What came of one rule.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Records that it is about.
    pub(crate) looked_at: u64,
    pub(crate) violations: Vec<Violation>,
    /// Fields of the rule that no record has.
    pub(crate) unknown: Vec<String>,
}

/// What came of all of them.
#[derive(Debug)]
pub(crate) struct Judged {
    /// One for each rule, in the order of the policy.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Judged {
    /// All violations, by rule, then by record.
    pub(crate) fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.outcomes.iter().flat_map(|outcome| &outcome.violations)
    }
}

/// Holds everything in `source` against the policy.
pub(crate) fn judge(policy: &Policy, source: &Source, baseline: Option<&Baseline<'_>>) -> Judged {
    let mut outcomes: Vec<Outcome> = policy.rules.iter().map(|_| Outcome::default()).collect();
    // Fields that no record has had yet.
    let mut unseen: Vec<Vec<&Path>> = policy
        .rules
        .iter()
        .map(|rule| {
            let mut fields: Vec<&Path> = rule
                .on
                .iter()
                .chain([&rule.condition])
                .flat_map(Condition::fields)
                .collect();
            fields.sort_unstable();
            fields.dedup();
            fields
        })
        .collect();
    let last = source.last().unwrap_or(Rfc3339(0));
    let concerns = concerns(source);
    for about in About::ALL {
        let wanted: Vec<usize> = (0..policy.rules.len())
            .filter(|&rule| policy.rules[rule].about == about)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let records = match about {
            About::Endpoint => source.endpoints(),
            About::Principal => source.principals(),
            About::Finding => source.findings(),
        };
        for known in records {
            let record = enriched(about, &known, last, &concerns, baseline);
            for &place in &wanted {
                let rule = &policy.rules[place];
                unseen[place].retain(|path| observed(&record, path).is_none());
                if rule.on.as_ref().is_some_and(|on| !on.holds(&record)) {
                    continue;
                }
                let outcome = &mut outcomes[place];
                outcome.looked_at += 1;
                if rule.condition.holds(&record) == rule.forbidden {
                    outcome.violations.push(violation(place, rule, &known, &record));
                }
            }
        }
    }
    for (outcome, fields) in outcomes.iter_mut().zip(unseen) {
        outcome.unknown = fields.into_iter().map(|path| path.join(".")).collect();
    }
    Judged { outcomes }
}

/// The record with the fields that follow from others.
fn enriched(
    about: About,
    known: &Known,
    last: Rfc3339,
    concerns: &BTreeMap<String, Vec<Concern>>,
    baseline: Option<&Baseline<'_>>,
) -> Value {
    let mut record = known.value.clone();
    for (field, name) in [
        ("first_seen", "days_since_first_seen"),
        ("last_seen", "days_since_last_seen"),
    ] {
        if let Some(time) = known.time(field) {
            let days = last.0.saturating_sub(time.0) as f64 / 86_400e9;
            record[name] = json!((days * 100.0).round() / 100.0);
        }
    }
    if about == About::Endpoint {
        record["path"] = known.value["template"].clone();
        record["classes"] = json!(facts::classes(known));
        let own = concerns.get(known.text("id")).map_or(&[][..], Vec::as_slice);
        let mut kinds: Vec<&str> = own.iter().map(|c| c.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        record["findings"] = json!(kinds);
        if let Some(worst) = own.first() {
            record["worst_finding"] = SEVERITIES[worst.rank].into();
        }
        if let Some(baseline) = baseline {
            let id = known.text("id");
            let was = baseline.accepted.about(About::Endpoint).get(id);
            record["accepted"] = was.is_some().into();
            let changed = was
                .zip(baseline.now.about(About::Endpoint).get(id))
                .map_or_else(Vec::new, |(was, is)| crate::known::change::came(was, is));
            record["changed"] = json!(changed);
        }
    }
    record
}

fn violation(place: usize, rule: &Rule, known: &Known, record: &Value) -> Violation {
    let subject = known.text("id").to_owned();
    let name = match rule.about {
        About::Endpoint => name_of(known),
        About::Principal => {
            let name = known.value["name"].as_str().unwrap_or(&subject);
            format!("{} {name}", known.text("kind"))
        }
        About::Finding => {
            let resource = &known.value["resource"];
            let part = |field: &str| resource[field].as_str().unwrap_or_default();
            let at = full_name(part("method"), part("host"), part("template"));
            let kind = known.text("kind");
            if at.is_empty() {
                kind.to_owned()
            } else {
                format!("{kind} at {at}")
            }
        }
    };
    let observed = rule
        .condition
        .fields()
        .into_iter()
        .map(|path| (path.join("."), observed(record, path)))
        .collect();
    Violation {
        rule: place,
        fingerprint: Id::of(&[b"violation", rule.id.as_bytes(), subject.as_bytes()]).to_string(),
        name,
        observed,
        declared: facts::declared_at(known),
        line: known.line,
        subject,
    }
}
