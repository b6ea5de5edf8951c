//! # `property_overexposure`: responses carry more of people than their caller needs
//!
//! Reports, once per endpoint and reason:
//! - `list_to_agent`: an AI agent was given ten or more different cards, accounts, numbers of states, records or dates of
//!   birth in one response: medium. What an agent reads it may pass on, to a model and to whoever speaks with it;
//! - `people_to_agent`: an AI agent was given ten or more people with four or more kinds of data each: low;
//! - `more_than_peers`: at least three other callers get such data in no more than one of ten of their answers here, and one
//!   caller in four of five: medium.
//!
//! Source: OWASP API3:2023; LLM02:2025; CWE-213.
//!
//! Blind to: what a caller does with a field; callers that were always alone at an endpoint.
//!
//! Quiet when: an agent asks for one person at a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Endpoint, Looked, Noted, Posture, What, Words};
use crate::finding::ledger::Filing;
use crate::finding::words::{class_title, many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Id;
use crate::identity::PrincipalKind;
use crate::inventory::sensitive::{DataClass, Found};

/// Different values in one response that make it a list.
const LIST: usize = 10;

/// Kinds of data of a person that make whole people.
const KINDS: usize = 4;

/// Callers told apart, and answers after which a caller is compared with the others.
const CALLERS: usize = 16;
const ANSWERS: u32 = 10;
const PEERS: usize = 3;

const LIST_TO_AGENT: u8 = 0;
const PEOPLE_TO_AGENT: u8 = 1;
const MORE_THAN_PEERS: u8 = 2;

/// Of each caller, the answers and those of them with data of weight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shares(BTreeMap<Id, (u32, u32)>);

impl Shares {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn absorb(&mut self, other: Self) {
        for (caller, (answers, held)) in other.0 {
            let own = self.0.entry(caller).or_default();
            *own = (own.0.saturating_add(answers), own.1.saturating_add(held));
        }
        while self.0.len() > CALLERS {
            self.0.pop_last();
        }
    }

    /// Counts an answer; whether its caller gets what hardly anybody else does.
    fn count(&mut self, caller: Id, held: bool) -> bool {
        let room = self.0.len() < CALLERS;
        let own = match self.0.get_mut(&caller) {
            Some(own) => own,
            None if room => self.0.entry(caller).or_default(),
            None => return false,
        };
        *own = (own.0.saturating_add(1), own.1.saturating_add(u32::from(held)));
        let (answers, with) = *own;
        if !held || answers < ANSWERS || with * 5 < answers * 4 {
            return false;
        }
        let others = || {
            self.0
                .iter()
                .filter(|(id, (n, _))| **id != caller && *n >= ANSWERS)
        };
        others().count() >= PEERS && others().all(|(_, (n, with))| with * 10 <= *n)
    }
}

/// What weighs by itself, however few there are.
fn weighs(class: DataClass) -> bool {
    !class.is_secret() && (!class.is_contact() || class == DataClass::BirthDate)
}

/// Classes of which a response holds a list.
fn lists(found: &Found, of: impl Fn(DataClass) -> bool) -> impl Iterator<Item = DataClass> {
    found
        .iter()
        .filter(move |(class, hits)| of(*class) && hits.values.len() >= LIST)
        .map(|(class, _)| class)
}

pub(super) fn look(at: &Looked<'_>, endpoint: &Endpoint, posture: &mut Posture) {
    // Where nothing was ever found, nobody is compared.
    if endpoint.data.response.is_empty() {
        return;
    }
    let found = &at.seen.carried.response;
    if at.seen.identity.kind == PrincipalKind::AiAgent {
        if lists(found, weighs).next().is_some() {
            posture.note(What::Overexposure, LIST_TO_AGENT);
        } else if lists(found, DataClass::names_person).count() >= KINDS {
            posture.note(What::Overexposure, PEOPLE_TO_AGENT);
        }
    }
    if at.response.message.content_bytes > 0 {
        let held = found.iter().any(|(class, _)| weighs(class));
        if posture.shares.count(at.seen.identity.id, held) {
            posture.note(What::Overexposure, MORE_THAN_PEERS);
        }
    }
}

pub(super) fn tell(noted: &Noted<'_>, filing: &mut Filing) {
    let found = &noted.activity.carried.response;
    let (reason, severity) = match noted.which {
        LIST_TO_AGENT => ("list_to_agent", Severity::Medium),
        PEOPLE_TO_AGENT => ("people_to_agent", Severity::Low),
        _ => ("more_than_peers", Severity::Medium),
    };
    let classes: Vec<&str> = match noted.which {
        LIST_TO_AGENT => lists(found, weighs).map(DataClass::name).collect(),
        PEOPLE_TO_AGENT => lists(found, DataClass::names_person)
            .map(DataClass::name)
            .collect(),
        _ => found
            .iter()
            .filter(|(class, _)| weighs(*class))
            .map(|(class, _)| class.name())
            .collect(),
    };
    let most = found.iter().map(|(_, hits)| hits.values.len()).max().unwrap_or(0);
    let peers = noted.endpoint.posture.shares.0.len().saturating_sub(1);
    let words = Words {
        kind: Kind::PropertyOverexposure,
        severity,
        confidence: 0.7,
        title: None,
        observed: vec![
            ("reason", json!(reason)),
            ("data", json!(classes)),
            ("caller", json!(noted.activity.identity.text.to_string())),
            ("values_in_one_response", json!(most)),
        ],
        expected: vec![("values_in_one_response", json!(1))],
    };
    noted.of_endpoint(reason, words, filing, |running| {
        running.support("peers", peers);
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let data: Vec<_> = finding
        .observed_list("data")
        .into_iter()
        .map(class_title)
        .collect();
    let data = data.join(", ");
    let most = finding.observed_number("values_in_one_response");
    let what = match finding.observed_text("reason") {
        "list_to_agent" => format!("gave an AI agent lists of {data}, up to {most} in the deciding response"),
        "people_to_agent" => format!("gave an AI agent whole people: {data}"),
        _ => format!("gives one caller {data}, which it hardly ever gives to the others"),
    };
    sentence(&format!(
        "{} {what}. It did so in {}.",
        finding.place(),
        many(finding.count, "response", "responses"),
    ))
}
