//! # `bola`: an object of somebody else is read
//!
//! Remembers, for each host, to whom answers have shown which object (the latest four thousand). An object is a caller's when answers have
//! shown it to that caller alone; callers of one person, and those that act for one, count as one. For each template it counts how often objects
//! are read by the one they were shown to and by others. Where others practically never do that (less than one in fifty, of thirty or more),
//! a read that is answered is told when nothing had ever shown the object to who reads it, and it was shown to somebody else alone. Who often reads there what
//! was shown to others (one in sixty, or on a fourth day) is one of a team, and not told of.
//!
//! Medium; high from the third object of one task on, and when the answer has personal, card or health data; a step lower when three other objects were
//! shown to both, who then work on the same. The finding names the caller that it was shown to.
//!
//! Source: OWASP API1:2023; ASI03:2026; NHI5:2025.
//!
//! Blind to: objects that were shown to nobody or to several while the sensor watched; ids that come in a body of a request alone; ids
//! without a digit or of fewer than four characters, which many things share; hosts where everybody reads what is of others.
//!
//! Quiet when: an answer had shown the object to the caller, or any answer of the same task; it is made public (shown to several); what reads it does so for
//! the same person; it is refused, missing or empty; the caller is known by its address alone. Of reads that go on one a day
//! is learned.

use serde_json::json;

use super::activity::Activity;
use super::bola_enumeration::is_missing;
use super::days::day_of;
use super::doing::Unit;
use super::objects::Object;
use super::owners::{Owners, Read, Whose};
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Id;

/// Objects of one task that are more than a mistake.
const MANY: u32 = 3;

/// Whoever objects are shown to: the person, where one is known.
pub(super) fn owner(activity: &Activity<'_>) -> Id {
    let identity = activity.identity;
    identity.on_behalf_of.or(identity.subject).unwrap_or(identity.id)
}

/// Looks at a call that names an object. `explained` says that an answer had shown it to the caller.
pub(super) fn observe(
    activity: &Activity<'_>,
    unit: &mut Unit,
    (object, explained): (Object, bool),
    (owners, reads): (&mut Owners, &mut Read),
    learned: bool,
    ledger: &mut Ledger,
) {
    if !activity.accepted() || is_missing(activity) || activity.identity.by_address || !object.is_rare {
        return;
    }
    let who = owner(activity);
    let whose = owners.whose(object.last, who);
    let template = activity.place.template;
    let Some(read) = owners.read(template) else {
        return;
    };
    let (of, team) = match whose {
        Whose::Own => {
            reads.count_own();
            return read.count_own();
        }
        Whose::Of(of, team) if !explained => (of, team),
        _ => return,
    };
    if !learned || !read.is_kept_apart() || reads.is_of_a_team() {
        reads.count_foreign(None);
        return read.count_foreign(None);
    }
    let own = read.own;
    let others = read.foreign;
    unit.foreign = unit.foreign.saturating_add(1);
    let sensitive = activity.carried.response.iter().next().is_some();
    let many = sensitive || unit.foreign >= MANY;
    let severity = match (team, many) {
        (false, true) => Severity::High,
        (false, false) | (true, true) => Severity::Medium,
        (true, false) => Severity::Low,
    };
    // One a day of those that matter; of those among a team each.
    let today = (severity > Severity::Low).then(|| day_of(activity.ts));
    reads.count_foreign(today);
    read.count_foreign(today);
    let place = template.to_string();
    let parts: [&[u8]; 2] = [activity.identity.text.as_bytes(), place.as_bytes()];
    let subject = Subject {
        kind: Kind::Bola,
        parts: &parts,
        window: day(unit.first),
    };
    let draft = || Draft {
        confidence: 0.8,
        principal: true,
        resource: activity.resource(),
        observed: vec![
            ("shown_only_to", json!(of.to_string())),
            ("share_other_objects", json!(team)),
        ],
        expected: vec![
            ("reads_by_their_own", json!(own)),
            ("reads_by_others", json!(others)),
        ],
        support: vec![("reads", json!(own.saturating_add(others)))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.observed("objects", unit.foreign);
    });
    unit.reported |= severity > Severity::Low;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let expected = |name: &str| {
        let value = finding.expected.get(name);
        value.and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    sentence(&format!(
        "{} read {} of others by {} in one task: no answer had shown them to it, and answers had shown them to somebody else alone (the last one \
         to {}). Of {} there, {} by whom they were shown to.",
        finding.who(),
        many(finding.observed_number("objects"), "object", "objects"),
        finding.place(),
        finding
            .observed
            .get("shown_only_to")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("another caller"),
        many(
            expected("reads_by_their_own") + expected("reads_by_others"),
            "read",
            "reads"
        ),
        match expected("reads_by_others") {
            0 => "all were".to_owned(),
            _ => format!("{} were", expected("reads_by_their_own")),
        },
    ))
}
