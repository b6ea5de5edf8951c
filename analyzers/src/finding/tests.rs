//! What becomes of findings: hidden for a while by somebody who answers for them.

use std::sync::Arc;

use crate::inventory::Declared;
use crate::inventory::declared::Suppressions;
use crate::testing::{Call, Scene, agent_token};
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
