//! # `new_data_class_for_principal`: a caller is given data of a sort that it never was given
//!
//! Knows, for each caller, which data classes ([`DataClass`]) answers have given it, and reports the first confirmed one after the caller
//! is learned: two different values, of secrets one, of health records two answers. One value that happens to look like a number of
//! some state is nothing yet.
//!
//! Medium for numbers of states, cards, accounts, what health care speaks of, and secrets; low for ways to reach somebody, and where it
//! is no step beyond what is usual: when three callers of its sort and host are given such data, when its endpoint began within the
//! learning period, or when this caller was given two other classes within thirty days that were as new.
//!
//! Source: OWASP API3:2023, API5:2023; NIST SP 800-207 section 3.3 (access by what is usual for a subject); ISO/IEC 27001 A.8.11.
//!
//! Blind to: classes that no rule finds (see `sensitive_data_exposure`); callers that were given everything while they were learned.
//!
//! Quiet when: the caller is a person, told by its address alone, not yet learned (`learning.exchanges`, `learning.period`), or was given fewer than
//! fifty answers before; the call was refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::activity::Activity;
use super::customs::bit_of;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;
use crate::inventory::sensitive::DataClass;
use crate::settings::Settings;

/// Answers before which nothing is told.
const ANSWERS: u32 = 50;

/// Different values that confirm a class.
const VALUES: usize = 2;

/// Callers that are alike and given a class, from which on it is nothing special.
const ALIKE: u32 = 3;

/// New classes within so many days from which on another one is what this caller does.
const SEVERAL: usize = 2;
const DAYS: u32 = 30;

/// What a caller was given of one class: part of its row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, Vec<u32>)", into = "(u32, u32, Vec<u32>)")]
struct Given {
    /// Answers with it.
    answers: u32,
    /// The day since 1970 on which it was confirmed, one when that was while the caller was learned; zero before.
    since: u32,
    /// Keyed hashes of values, until there are enough of them.
    values: Vec<u32>,
}

impl From<(u32, u32, Vec<u32>)> for Given {
    fn from((answers, since, values): (u32, u32, Vec<u32>)) -> Self {
        Self {
            answers,
            since,
            values,
        }
    }
}

impl From<Given> for (u32, u32, Vec<u32>) {
    fn from(given: Given) -> Self {
        (given.answers, given.since, given.values)
    }
}

/// The data classes that a caller was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Classes {
    /// Answers looked at.
    answers: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    given: BTreeMap<DataClass, Given>,
}

/// Which callers of a group were given which class, a bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Alike(BTreeMap<DataClass, u64>);

impl Alike {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Classes {
    pub(crate) fn is_empty(&self) -> bool {
        self.answers == 0
    }

    /// Takes an answer. Gives the classes that it confirms.
    fn take(&mut self, activity: &Activity<'_>, (today, learned): (u32, bool)) -> Vec<(DataClass, u32)> {
        self.answers = self.answers.saturating_add(1);
        let mut confirmed = Vec::new();
        for (class, hits) in activity.carried.response.iter() {
            let given = self.given.entry(class).or_default();
            given.answers = given.answers.saturating_add(1);
            if given.since > 0 {
                continue;
            }
            for value in &hits.values {
                if given.values.len() < VALUES && !given.values.contains(value) {
                    given.values.push(*value);
                }
            }
            let enough = match class {
                DataClass::HealthRecord => given.answers >= 2,
                class if class.is_secret() => true,
                _ => given.values.len() >= VALUES,
            };
            if enough {
                // What it was given while it was learned is not new.
                given.since = if learned { today.max(2) } else { 1 };
                given.values = Vec::new();
                confirmed.push((class, given.answers - 1));
            }
        }
        confirmed
    }

    /// Classes confirmed within the last days, without those of today.
    fn lately(&self, today: u32) -> usize {
        let all = self.given.values().filter(|given| given.since > 0);
        all.filter(|given| given.since < today && today - given.since <= DAYS)
            .count()
    }
}

/// Looks at one exchange.
pub(super) fn observe(
    activity: &Activity<'_>,
    classes: &mut Classes,
    alike: &mut Alike,
    (learned, first): (bool, reassembly::Timestamp),
    settings: &Settings,
    ledger: &mut Ledger,
) {
    if !activity.accepted() || activity.identity.by_address || activity.kind == PrincipalKind::Human {
        return;
    }
    let Some(endpoint) = activity.endpoint.filter(|e| !e.is_static) else {
        return;
    };
    let today = (activity.ts.seconds() / 86_400) as u32;
    let before = classes.answers;
    let learned = learned && before >= ANSWERS;
    for (class, had) in classes.take(activity, (today, learned)) {
        let who = bit_of(activity.identity.id);
        let callers = alike.0.entry(class).or_default();
        let others = (*callers & !who).count_ones();
        *callers |= who;
        if !learned {
            continue;
        }
        let begun = activity.ts.since(endpoint.first) < settings.learn_period;
        let usual = others >= ALIKE || begun || classes.lately(today) >= SEVERAL;
        let severity = match usual || class.is_contact() {
            true => Severity::Low,
            false => Severity::Medium,
        };
        let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), class.name().as_bytes()];
        let subject = Subject {
            kind: Kind::NewDataClassForPrincipal,
            parts: &parts,
            window: 0,
        };
        let values = activity
            .carried
            .response
            .of(class)
            .map_or(0, |hits| hits.values.len());
        let draft = || Draft {
            confidence: if usual { 0.5 } else { 0.7 },
            principal: true,
            resource: activity.resource(),
            observed: vec![
                ("class", json!(class.name())),
                ("values_in_answer", json!(values)),
                ("callers_alike_with_it", json!(others)),
            ],
            expected: vec![("answers_with_it", json!(had))],
            support: vec![
                ("answers", json!(before)),
                ("days", json!(activity.ts.since(first).as_secs() / 86_400)),
            ],
            ..Draft::default()
        };
        ledger.report(subject, severity, activity, draft, |_| {});
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let support = |name: &str| finding.support.get(name).and_then(Value::as_u64).unwrap_or(0);
    let class = finding
        .observed
        .get("class")
        .and_then(Value::as_str)
        .unwrap_or("");
    let others = match finding.observed_number("callers_alike_with_it") {
        0 => "No caller like it is given that".to_owned(),
        others => format!(
            "At least {} like it {} given that",
            many(others, "caller", "callers"),
            if others == 1 { "is" } else { "are" }
        ),
    };
    let had = finding.expected.get("answers_with_it").and_then(Value::as_u64);
    let held = match had.unwrap_or(0) {
        0 => "that held none".to_owned(),
        had => format!("of which {had} held a single value that looks like it"),
    };
    sentence(&format!(
        "{} was given {} by {}, after {} in {} {held}. {others}.",
        finding.who(),
        class_title(class),
        finding.place(),
        many(support("answers"), "answer", "answers"),
        many(support("days"), "day", "days"),
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{Call, START, Scene, agent_token};

    const CARDS: [&str; 3] = ["4556737586899855", "5425233430109903", "4916338506082832"];

    /// A page of customers, with the numbers of their cards or without.
    fn page(n: u64, cards: &[&str]) -> String {
        let rows = (0..3).map(|k| {
            let card = cards
                .get(k)
                .map_or(String::new(), |card| format!(r#","card_number":"{card}""#));
            format!(r#"{{"id":{},"plan":"gold"{card}}}"#, n * 10 + k as u64)
        });
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    }

    fn read(scene: &mut Scene, agent: &str, path: &str, answer: String) {
        scene.wait(60);
        let token = agent_token(agent, scene.now / 3_600_000_000_000);
        scene.send(&Call::get(path.to_owned()).bearer(&token).answer(answer));
    }

    /// Ten days in which an agent reads customers without cards and a billing agent the cards.
    fn learned(with_cards: &[&str]) -> Scene {
        let mut scene = Scene::new();
        learn(&mut scene, with_cards);
        scene
    }

    fn learn(scene: &mut Scene, with_cards: &[&str]) {
        for day in 0..10u64 {
            for hour in 0..24u64 {
                scene.now = (START + day * 86_400 + hour * 3600) * 1_000_000_000;
                read(scene, "support", "/customers", page(day * 24 + hour, &[]));
                for agent in with_cards {
                    read(scene, agent, "/cards", page(day * 24 + hour, &CARDS));
                }
            }
        }
        scene.now = (START + 10 * 86_400) * 1_000_000_000;
    }

    /// Somebody is given cards for the first time.
    pub(crate) fn collectors(scene: &mut Scene) {
        learn(scene, &["billing"]);
        read(scene, "support", "/cards", page(2, &CARDS));
    }

    fn told(scene: &Scene) -> Vec<(Severity, String)> {
        let all = scene
            .told
            .iter()
            .filter(|f| f.kind == Kind::NewDataClassForPrincipal);
        all.map(|f| (f.severity, f.observed["class"].as_str().unwrap_or("").to_owned()))
            .collect()
    }

    #[test]
    fn cards_for_a_caller_that_never_had_any_are_told_once_when_there_are_two() {
        let mut scene = learned(&["billing"]);
        assert_eq!(told(&scene), []);
        read(&mut scene, "support", "/cards", page(1, &CARDS[..1]));
        read(&mut scene, "support", "/cards", page(1, &CARDS[..1]));
        assert_eq!(told(&scene), [], "one number may be an accident");
        read(&mut scene, "support", "/cards", page(2, &CARDS[1..]));
        assert_eq!(told(&scene), [(Severity::Medium, "card".to_owned())]);
        let words = &scene
            .told
            .iter()
            .find(|f| f.kind == Kind::NewDataClassForPrincipal)
            .unwrap()
            .explanation;
        assert!(
            words.contains("payment card numbers") && words.contains("242 answers"),
            "{words}"
        );
        read(&mut scene, "support", "/cards", page(3, &CARDS));
        assert_eq!(told(&scene).len(), 1);
    }

    #[test]
    fn what_those_that_are_alike_are_given_is_low() {
        let mut scene = learned(&["b1", "b2", "b3"]);
        read(&mut scene, "support", "/cards", page(2, &CARDS));
        assert_eq!(told(&scene), [(Severity::Low, "card".to_owned())]);
    }

    #[test]
    fn a_new_endpoint_is_low_and_ways_to_reach_somebody_are() {
        let mut scene = learned(&["billing"]);
        read(&mut scene, "support", "/wallets", page(2, &CARDS));
        assert_eq!(told(&scene), [(Severity::Low, "card".to_owned())]);
        let mut scene = learned(&["billing"]);
        let people = r#"[{"id":1,"email":"ann@mail.example"},{"id":2,"email":"bob@mail.example"}]"#;
        read(&mut scene, "support", "/customers", people.to_owned());
        assert_eq!(told(&scene), [(Severity::Low, "email".to_owned())]);
    }

    #[test]
    fn refusals_newcomers_and_what_was_given_from_the_start_are_silent() {
        let mut scene = learned(&["billing"]);
        let token = agent_token("support", 500);
        scene.send(
            &Call::get("/cards")
                .bearer(&token)
                .status(403)
                .answer(page(2, &CARDS)),
        );
        read(&mut scene, "newcomer", "/cards", page(2, &CARDS));
        read(&mut scene, "billing", "/customers", page(2, &CARDS));
        assert_eq!(told(&scene), []);
    }
}
