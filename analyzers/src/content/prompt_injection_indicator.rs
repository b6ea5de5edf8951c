//! # `prompt_injection_indicator`: a text that tells the agent that reads it what to do
//!
//! Reports, once per agent, place and unit of work, instructions to the reader in what an agent reads: answers of APIs and pages, results of
//! tools of MCP, plain or streamed, and results of tools that it hands on to its model. It is found by what such a text has to do,
//! whatever its words: it speaks to a program or of "the user", puts earlier instructions aside or claims to come first, asks for a
//! deed with a target, wants it done in silence or as agreed already, takes the form of a message of the system, stands as a sentence where
//! a value belongs, or hides (letters without width, comments, styles). Each has a weight, and a few sentences in a row are weighed
//! together; `features` tells which were there, and `score` their sum in tenths.
//!
//! Medium when they are strong together; low when the text only tells about such instructions, in quotation marks beside words on attacks. High when
//! the agent afterwards sends a value that stood in that text and that it had not sent before: then see
//! [`agent_hijack`](#agent_hijack) as well.
//!
//! Source: OWASP LLM01:2025, ASI01:2026; MITRE ATLAS AML.T0051.001; Greshake et al., "Not what you've signed up for" (2023).
//!
//! Blind to: requests as people write them to each other, without any of these features; images and files; languages that its words are not
//! of; texts beyond the first 192 KiB of an answer; attacks that pass for an article about attacks.
//!
//! Quiet when: manuals, mails and pages ask their readers for something; people read, not agents; tools are described
//! (`tool_definition_changed` looks at those).

use serde_json::json;

use super::instruction::{Features, Judgement, judge};
use super::taint::{Reading, Taint, of_text};
use super::{agent_hijack, passages, taint};
use crate::behaviour::{Activity, World};
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::identity::PrincipalKind;
use crate::work::Joined;

/// Looks at one exchange: first whether it does what was read before, then what is read in it.
pub(crate) fn observe(
    activity: &Activity<'_>,
    taint: &mut Taint,
    joined: Joined,
    world: &World<'_>,
    ledger: &mut Ledger,
) {
    let tools = activity.call.is_some_and(|call| call.protocol == "mcp");
    let agent = activity.kind == PrincipalKind::AiAgent || tools || activity.llm.is_some();
    if !agent {
        return;
    }
    // What is told to a model is no deed; and what sessions are made of names nothing.
    if activity.llm.is_none() {
        let sent = taint::of_request(activity.request, tools, world.seed);
        if taint.has_readings()
            && let Some((reading, shared)) = taint.acted_on(&sent, joined.unit, activity.ts)
        {
            agent_hijack::report(activity, reading, shared, ledger);
            raise(activity, reading, ledger);
        }
        taint.send(&sent);
    }
    let mut best: Option<(Judgement, Vec<u64>)> = None;
    passages::each(activity, &mut |text, setting| {
        // Short ones are judged as fast as they are found here.
        let known = (text.len() >= 256).then(|| {
            world.seed.hash(text.as_bytes()) ^ u64::from(setting == super::instruction::Setting::Label)
        });
        if known.is_some_and(|text| taint.is_harmless(text)) {
            return;
        }
        let found = judge(text, setting);
        if found.score < super::instruction::WEAK {
            known.into_iter().for_each(|text| taint.harmless(text));
            return;
        }
        let order = |j: &Judgement| (j.is_strong(), j.score);
        if best
            .as_ref()
            .is_none_or(|(known, _)| order(&found) > order(known))
        {
            let passage = text.get(found.from..found.to).unwrap_or(text);
            let mut values = of_text(passage, world.seed);
            // What the text around it names as well is no sign of the instruction.
            let around = [text.get(..found.from), text.get(found.to..)];
            for other in around.into_iter().flatten() {
                let known = of_text(other, world.seed);
                values.retain(|value| !known.contains(value));
            }
            best = Some((found, values));
        }
    });
    let Some((found, values)) = best else { return };
    let place = [activity.host_name(), place(activity)];
    report(activity, &found, &place, joined, ledger);
    if found.is_strong() {
        let reading = Reading::new(joined.unit, activity.ts, found.score, activity.trace(), place);
        taint.note(reading, values);
    }
}

/// Tool or template.
fn place(activity: &Activity<'_>) -> String {
    let call = activity.call.and_then(|call| call.name.clone());
    call.or_else(|| activity.endpoint.map(|e| e.template.clone()))
        .unwrap_or_default()
}

fn report(
    activity: &Activity<'_>,
    found: &Judgement,
    place: &[String; 2],
    joined: Joined,
    ledger: &mut Ledger,
) {
    let severity = match found.is_strong() {
        true => Severity::Medium,
        false => Severity::Low,
    };
    let unit = joined.unit.to_string();
    // What only quotes is a finding of its own, so that it is no evidence of the other.
    let sort: &[u8] = if found.is_strong() { b"" } else { b"weak" };
    let parts: [&[u8]; 5] = [
        activity.identity.text.as_bytes(),
        place[0].as_bytes(),
        place[1].as_bytes(),
        unit.as_bytes(),
        sort,
    ];
    let subject = Subject {
        kind: Kind::PromptInjectionIndicator,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: confidence(found),
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("features", json!(found.features.names())),
            ("score", json!(found.score)),
            ("quoted", json!(found.quoted)),
            (
                "from",
                json!(if activity.llm.is_some() {
                    "tool_message"
                } else {
                    "answer"
                }),
            ),
            ("followed", json!(false)),
            ("status", json!(activity.status)),
        ],
        expected: vec![("score", json!(0))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// How sure, by the score.
fn confidence(found: &Judgement) -> f64 {
    match (found.is_strong(), found.score) {
        (false, _) => 0.4,
        (_, 0..60) => 0.75,
        (_, 60..80) => 0.85,
        _ => 0.93,
    }
}

/// What was read is acted on.
fn raise(activity: &Activity<'_>, reading: &Reading, ledger: &mut Ledger) {
    let unit = reading.unit.to_string();
    let parts: [&[u8]; 5] = [
        activity.identity.text.as_bytes(),
        reading.place[0].as_bytes(),
        reading.place[1].as_bytes(),
        unit.as_bytes(),
        b"",
    ];
    let subject = Subject {
        kind: Kind::PromptInjectionIndicator,
        parts: &parts,
        window: 0,
    };
    let draft = || Draft {
        confidence: 0.96,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("features", json!(Vec::<&str>::new())),
            ("score", json!(reading.score)),
            ("quoted", json!(false)),
            ("from", json!("answer")),
            ("followed", json!(true)),
            ("status", json!(activity.status)),
        ],
        expected: vec![("score", json!(0))],
        earlier: vec![reading.trace.clone()],
        ..Draft::default()
    };
    ledger.report(subject, Severity::High, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let (who, place) = (finding.who(), finding.place());
    let calls = many(finding.count, "exchange", "exchanges");
    if finding.observed_flag("followed") {
        return sentence(&format!(
            "{who} read a text that tells its reader what to do, and then sent a value of that text to {place}; {calls} so far."
        ));
    }
    let features: Vec<_> = finding
        .observed_list("features")
        .into_iter()
        .map(Features::in_words)
        .collect();
    let told = match finding.observed_flag("quoted") {
        true => "a text that quotes an instruction to its reader",
        false => "a text that tells its reader what to do",
    };
    sentence(&format!(
        "{who} read {told} at {place}: it {}. {calls} so far.",
        features.join(", "),
    ))
}
