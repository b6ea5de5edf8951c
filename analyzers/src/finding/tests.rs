//! What becomes of findings: hidden for a while by somebody who answers for them.

use std::sync::Arc;

use crate::inventory::Declared;
use crate::inventory::declared::Suppressions;
use crate::testing::{Call, START, Scene, agent_token};
use crate::{Kind, Settings, Severity, Status};

const DAY: u64 = 86_400;

/// A scene in which `text` is the file of suppressions.
fn with(text: &str) -> Scene {
    Scene::with(Settings {
        declared: Arc::new(Declared {
            suppressions: Suppressions::read(text).expect("a file without mistakes"),
            ..Declared::default()
        }),
        ..Settings::default()
    })
}

fn suppression(what: &str) -> String {
    format!("[[suppress]]\n{what}\nowner = \"ana\"\nreason = \"load test\"\nuntil = 2026-03-09\n")
}

fn walk(scene: &mut Scene, who: &str, hours: u64) {
    let token = agent_token(who, hours);
    for n in 0..40 {
        let id = 41_000 + hours * 1000 + n;
        let answer = format!(r#"{{"order_id":{id}}}"#);
        scene.send(&Call::get(format!("/orders/{id}")).bearer(&token).answer(answer));
    }
}

fn key(scene: &mut Scene) {
    scene.send(&Call::get("/a").field("X-Api-Key: 0123456789abcdef"));
}

#[test]
fn what_somebody_answers_for_is_kept_and_counted_and_not_told() {
    let mut scene = with(&suppression("kind = \"bola_enumeration\"\nprincipal = \"walk*\""));
    walk(&mut scene, "walker", 0);
    walk(&mut scene, "other", 0);
    let told: Vec<_> = scene
        .told
        .iter()
        .filter(|f| f.kind == Kind::BolaEnumeration)
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0].principal.as_ref().and_then(|p| p.name.as_deref()),
        Some("other")
    );
    assert_eq!(scene.found(Kind::BolaEnumeration).len(), 1);
    let hidden = scene.analyzer.hidden_findings();
    assert_eq!(hidden.len(), 1);
    assert_eq!((hidden[0].0.count, hidden[0].1.owner.as_str()), (40, "ana"));
    let of = scene.analyzer.suppressed();
    assert_eq!(
        (of[0].findings, of[0].worst, of[0].is_over),
        (1, Some(Severity::High), false)
    );
    assert_eq!(of[0].revisions, 1);
    let counted = scene.analyzer.counters();
    assert!(counted.contains(&("findings_suppressed", 1)), "{counted:?}");
    // Not its last words either.
    scene.analyzer.finish();
    let last: Vec<_> = std::iter::from_fn(|| scene.analyzer.poll()).collect();
    let who = |f: &crate::Finding| f.principal.as_ref().and_then(|p| p.name.clone());
    assert!(
        last.iter().all(|f| who(f).as_deref() != Some("walker")),
        "{last:?}"
    );
}

#[test]
fn when_its_day_is_over_it_is_told_as_new_with_all_that_was_counted() {
    let mut scene = with(&suppression("kind = \"weak_auth\"\nhost = \"*\""));
    (0..5).for_each(|_| key(&mut scene));
    assert!(
        scene.told.iter().all(|f| f.kind != Kind::WeakAuth),
        "{:?}",
        scene.told
    );
    // The last second of that day, and the first of the next.
    scene.wait(16 * 3600 - 10);
    key(&mut scene);
    assert!(scene.found(Kind::WeakAuth).is_empty());
    scene.wait(10);
    key(&mut scene);
    let told: Vec<_> = scene.told.iter().filter(|f| f.kind == Kind::WeakAuth).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].status, told[0].count), (Status::New, 7));
    assert!(told[0].first_seen < told[0].last_seen - 15 * 3600 * 1_000_000_000);
    let of = scene.analyzer.suppressed();
    assert_eq!((of[0].findings, of[0].is_over), (0, true));
    assert_eq!(scene.found(Kind::WeakAuth).len(), 1);
    // Once.
    key(&mut scene);
    assert_eq!(scene.told.iter().filter(|f| f.kind == Kind::WeakAuth).count(), 1);
}

#[test]
fn what_is_over_without_being_seen_again_is_among_the_last_words() {
    let mut scene = with(&suppression("kind = \"weak_auth\"\nhost = \"*\""));
    (0..5).for_each(|_| key(&mut scene));
    scene.wait(2 * DAY);
    scene.send(&Call::get("/b").bearer(&agent_token("a", 48)));
    assert_eq!(scene.found(Kind::WeakAuth).len(), 1, "it is no longer hidden");
    scene.analyzer.finish();
    let last: Vec<_> = std::iter::from_fn(|| scene.analyzer.poll()).collect();
    let told: Vec<_> = last.iter().filter(|f| f.kind == Kind::WeakAuth).collect();
    assert_eq!((told.len(), told[0].status), (1, Status::New));
}

#[test]
fn a_restart_forgets_nothing_of_what_is_hidden() {
    let text = suppression("kind = \"weak_auth\"\nhost = \"*\"");
    let mut scene = with(&text);
    (0..5).for_each(|_| key(&mut scene));
    let mut next = with(&text);
    for change in scene.analyzer.take_changes() {
        let value = change.value.expect("nothing was removed");
        next.analyzer
            .restore(change.table, &change.key, &value)
            .expect("a row");
    }
    assert!(next.found(Kind::WeakAuth).is_empty());
    assert_eq!(next.analyzer.suppressed()[0].findings, 1);
    next.now = scene.now;
    next.sent = scene.sent;
    next.wait(DAY);
    key(&mut next);
    let told: Vec<_> = next.told.iter().filter(|f| f.kind == Kind::WeakAuth).collect();
    assert_eq!((told.len(), told[0].status, told[0].count), (1, Status::New, 6));
}

/// Walks through orders of a host, until that is a finding.
fn walk_at(scene: &mut Scene, who: &str, host: &str, from: u64) {
    let token = agent_token(who, scene.now / 3_600_000_000_000 - START / 3600);
    for n in 0..24 {
        let answer = format!(r#"{{"order_id":{}}}"#, from + n);
        let target = format!("/orders/{}", from + n);
        scene.send(&Call::get(target).host(host).bearer(&token).answer(answer));
    }
}

fn new_walks(scene: &Scene) -> usize {
    let new = |f: &&crate::Finding| f.kind == Kind::BolaEnumeration && f.status == Status::New;
    scene.told.iter().filter(new).count()
}

fn budget(caller: u64, kind: u64) -> Settings {
    Settings {
        storm_caller: caller,
        storm_kind: kind,
        ..Settings::default()
    }
}

#[test]
fn what_goes_beyond_the_budget_of_a_caller_is_one_finding_that_counts_it() {
    let mut scene = Scene::with(budget(5, 0));
    for n in 0..13 {
        walk_at(&mut scene, "walker", &format!("h{n}.example"), 41_000 + n * 977);
    }
    walk_at(&mut scene, "other", "h30.example", 91_000);
    assert_eq!(new_walks(&scene), 6, "five of the one, and that of the other");
    let storms = scene.found(Kind::AlertStorm);
    assert_eq!(storms.len(), 1);
    let storm = &storms[0];
    assert_eq!((storm.count, storm.severity), (8, Severity::High));
    assert_eq!(storm.observed["held"], 8);
    assert_eq!(storm.observed["kinds"]["bola_enumeration"], 8);
    assert_eq!(
        storm.principal.as_ref().and_then(|p| p.name.as_deref()),
        Some("walker")
    );
    assert_eq!(
        (storm.evidence.len(), storm.resource.host.as_deref()),
        (8, Some("h5.example"))
    );
    assert!(
        storm
            .explanation
            .starts_with("Within 1 d, 8 new findings about AI agent walker came beyond the budget of 5"),
        "{}",
        storm.explanation
    );
    // Told at the first, and when there were two, four and eight.
    let told: Vec<_> = scene
        .told
        .iter()
        .filter(|f| f.kind == Kind::AlertStorm)
        .map(|f| f.count)
        .collect();
    assert_eq!(told, [1, 2, 4, 8]);
    // What is held back is kept, and not among the others.
    assert_eq!(scene.found(Kind::BolaEnumeration).len(), 6);
    let held = scene.analyzer.held_findings();
    assert!(
        held.len() == 8 && held.iter().all(|(_, storm_id)| *storm_id == storm.id),
        "{held:?}"
    );
    assert!(scene.analyzer.counters().contains(&("findings_held_back", 8)));
}

#[test]
fn what_goes_beyond_the_budget_of_a_kind_names_the_callers() {
    let mut scene = Scene::with(budget(0, 3));
    for n in 0..6 {
        walk_at(
            &mut scene,
            &format!("agent-{n}"),
            &format!("h{n}.example"),
            41_000 + n * 5000,
        );
    }
    assert_eq!(new_walks(&scene), 3);
    let storm = &scene.found(Kind::AlertStorm)[0];
    assert_eq!((storm.count, storm.principal.is_none()), (3, true));
    assert_eq!(storm.observed["kind"], "bola_enumeration");
    assert_eq!(storm.observed["callers"]["agent-5"], 1);
    assert!(
        storm.explanation.contains("of the kind bola_enumeration") && storm.explanation.contains("agent-4 1"),
        "{}",
        storm.explanation
    );
}

#[test]
fn another_day_has_a_budget_of_its_own_and_zero_is_none() {
    let mut scene = Scene::with(budget(5, 0));
    for n in 0..7 {
        walk_at(&mut scene, "walker", &format!("h{n}.example"), 41_000 + n * 977);
    }
    scene.wait(DAY);
    for n in 0..3 {
        walk_at(
            &mut scene,
            "walker",
            &format!("h{}.example", n + 20),
            91_000 + n * 977,
        );
    }
    assert_eq!(new_walks(&scene), 8);
    assert_eq!(scene.found(Kind::AlertStorm).len(), 1);
    let mut scene = Scene::with(budget(0, 0));
    for n in 0..30 {
        walk_at(&mut scene, "walker", &format!("h{n}.example"), 41_000 + n * 977);
    }
    assert_eq!((new_walks(&scene), scene.found(Kind::AlertStorm).len()), (30, 0));
}

#[test]
fn a_restart_in_the_middle_of_a_day_changes_nothing() {
    let mut whole = Scene::with(budget(5, 0));
    let mut before = Scene::with(budget(5, 0));
    for n in 0..4 {
        walk_at(&mut whole, "walker", &format!("h{n}.example"), 41_000 + n * 977);
        walk_at(&mut before, "walker", &format!("h{n}.example"), 41_000 + n * 977);
    }
    let mut after = Scene::with(budget(5, 0));
    for change in before.analyzer.take_changes() {
        let value = change.value.expect("nothing was removed");
        after
            .analyzer
            .restore(change.table, &change.key, &value)
            .expect("a row");
    }
    (after.now, after.sent) = (before.now, before.sent);
    for n in 4..9 {
        walk_at(&mut whole, "walker", &format!("h{n}.example"), 41_000 + n * 977);
        walk_at(&mut after, "walker", &format!("h{n}.example"), 41_000 + n * 977);
    }
    assert_eq!(new_walks(&after), 1);
    assert_eq!(whole.findings(), after.findings());
    assert_eq!(whole.analyzer.held_findings(), after.analyzer.held_findings());
}
