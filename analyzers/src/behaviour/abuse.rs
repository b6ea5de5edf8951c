//! Tests of misuse with valid tokens: objects and functions of others, fields and amounts that nobody sends, loops, doors, sleepers, cascades,
//! and of what explains other ways. Each scene is played by `explained` as well.

use crate::testing::{Call, START, Scene, agent_token, jwt};
use crate::{Finding, Kind, Severity};

const DAY: u64 = 86_400;

fn told(scene: &Scene, kind: Kind) -> Vec<&Finding> {
    scene.told.iter().filter(|f| f.kind == kind).collect()
}

fn at(scene: &mut Scene, day: u64, seconds: u64) {
    scene.now = (START + day * DAY + seconds) * 1_000_000_000;
}

fn json(method: &'static str, target: &str, body: &str) -> Call {
    Call::new(method, target)
        .field("Content-Type: application/json")
        .body(body)
}

/// Files of three agents, each of which lists its own and reads what it listed. Twelve days, six tasks a day.
fn files(scene: &mut Scene) {
    for day in 0..4u64 {
        for n in 0..6u64 {
            for (place, agent) in ["a", "b", "c"].iter().enumerate() {
                at(scene, day, n * 3600 + place as u64 * 600);
                let token = agent_token(agent, day * 24 + n);
                let ids: Vec<u64> = (0..5).map(|k| file(place as u64, day * 6 + n + k)).collect();
                let rows: Vec<_> = ids
                    .iter()
                    .map(|id| format!(r#"{{"file_id":"f-{id}"}}"#))
                    .collect();
                scene.send(
                    &Call::get("/files")
                        .bearer(&token)
                        .answer(format!("[{}]", rows.join(","))),
                );
                for id in &ids[..3] {
                    scene.wait(2);
                    scene.send(&read(*id, &token));
                }
            }
        }
    }
    at(scene, 4, 0);
}

fn file(place: u64, n: u64) -> u64 {
    100_000 * (place + 1) + n * 37
}

fn read(id: u64, token: &str) -> Call {
    Call::get(format!("/files/f-{id}"))
        .bearer(token)
        .answer(format!(r#"{{"file_id":"f-{id}","text":"x"}}"#))
}

/// The first agent reads what was shown to the second alone.
pub(super) fn snoopers(scene: &mut Scene) {
    files(scene);
    let token = agent_token("a", 4 * 24);
    for n in 20..27 {
        scene.wait(5);
        scene.send(&read(file(1, n), &token));
    }
}

#[test]
fn a_file_that_was_shown_to_somebody_else_alone_is_told_at_the_first() {
    let mut scene = Scene::new();
    files(&mut scene);
    assert_eq!(told(&scene, Kind::Bola).len(), 0, "{:?}", scene.words());
    scene.send(&read(file(1, 20), &agent_token("a", 4 * 24)));
    let found = told(&scene, Kind::Bola);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Medium));
    let owner = found[0].observed["shown_only_to"].as_str().unwrap();
    let b = scene
        .principals()
        .into_iter()
        .find(|p| p.name.as_deref() == Some("b"));
    let b = b.unwrap();
    assert!(owner == b.id || b.subject.as_deref() == Some(owner), "{owner}");
}

/// A stream ends with what the store has, and tells how far the reader reached.
#[test]
fn the_last_words_of_a_reader_of_others_have_all_that_it_read() {
    let mut scene = Scene::new();
    snoopers(&mut scene);
    scene.analyzer.finish();
    scene.told.extend(std::iter::from_fn(|| scene.analyzer.poll()));
    let kept = &scene.found(Kind::Bola)[0];
    let last = told(&scene, Kind::Bola).pop().unwrap();
    assert_eq!(last.observed["objects"], kept.observed["objects"]);
    assert!(
        last.count >= 6 && last.blast_radius.as_ref().is_some_and(|r| r.objects >= 6),
        "{last:?}"
    );
}

#[test]
fn files_that_were_shown_refused_or_belong_to_a_team_are_nobody_elses() {
    let mut scene = Scene::new();
    files(&mut scene);
    let token = agent_token("a", 4 * 24);
    // Refused, and shown to it before.
    scene.send(&read(file(1, 20), &token).status(403));
    let list = format!(r#"[{{"file_id":"f-{}"}}]"#, file(1, 21));
    scene.send(&Call::get("/files/shared").bearer(&token).answer(list));
    scene.send(&read(file(1, 21), &token));
    // Nobody was ever shown it.
    scene.send(&read(999_999, &token));
    assert_eq!(told(&scene, Kind::Bola).len(), 0, "{:?}", scene.words());

    // A fourth agent that has always read what the others list, from messages that say which.
    let mut scene = Scene::new();
    for day in 0..4 {
        files_of_day(&mut scene, day);
        let token = agent_token("clerk", day * 24 + 8);
        for n in 0..6 {
            scene.wait(2);
            scene.send(&read(file(n % 3, day * 6 + n), &token));
        }
    }
    at(&mut scene, 4, 0);
    scene.told.clear();
    scene.send(&read(file(1, 20), &agent_token("clerk", 4 * 24)));
    assert_eq!(told(&scene, Kind::Bola).len(), 0, "{:?}", scene.words());
}

fn files_of_day(scene: &mut Scene, day: u64) {
    for n in 0..6u64 {
        for (place, agent) in ["a", "b", "c"].iter().enumerate() {
            at(scene, day, n * 3600 + place as u64 * 600);
            let token = agent_token(agent, day * 24 + n);
            let rows: Vec<_> = (0..5)
                .map(|k| format!(r#"{{"file_id":"f-{}"}}"#, file(place as u64, day * 6 + n + k)))
                .collect();
            scene.send(
                &Call::get("/files")
                    .bearer(&token)
                    .answer(format!("[{}]", rows.join(","))),
            );
            for k in 0..3 {
                scene.wait(2);
                scene.send(&read(file(place as u64, day * 6 + n + k), &token));
            }
        }
    }
}

fn scoped(name: &str, scope: &str, hours: u64) -> String {
    let iat = START + hours * 3600;
    jwt(&format!(
        r#"{{"iss":"https://auth.example","sub":"{name}","client_id":"{name}","client_type":"ai-agent","scope":"{scope}","iat":{iat},"exp":{}}}"#,
        iat + 3600
    ))
}

/// Refunds, which four agents give whose tokens say so.
pub(super) fn usurpers(scene: &mut Scene) {
    refunding(scene);
    for _ in 0..2 {
        scene.send(&json("POST", "/refunds", r#"{"n":1}"#).bearer(&scoped("reader", "orders:read", 11)));
    }
}

fn refunding(scene: &mut Scene) {
    for hour in 0..10u64 {
        at(scene, 0, hour * 3600);
        for n in 0..4 {
            let scope = ["refunds:write orders:read", "refunds:write mail:send"][n % 2];
            let token = scoped(&format!("clerk{n}"), scope, hour);
            scene.send(&json("POST", "/refunds", r#"{"n":1}"#).bearer(&token));
            scene.send(&Call::get("/orders").bearer(&token));
        }
    }
    at(scene, 0, 11 * 3600);
}

#[test]
fn a_token_without_what_all_others_have_is_told_and_others_are_not() {
    let mut scene = Scene::new();
    refunding(&mut scene);
    let new = scoped("new", "refunds:write x:y", 11);
    scene.send(&json("POST", "/refunds", r#"{"n":1}"#).bearer(&new));
    let reader = scoped("reader", "orders:read", 11);
    scene.send(&Call::get("/orders").bearer(&reader));
    scene.send(&json("POST", "/refunds", r#"{"n":1}"#).bearer(&reader).status(403));
    let found = told(&scene, Kind::BflaAccess);
    assert!(
        found.iter().all(|f| f.severity == Severity::Low),
        "{:?}",
        scene.words()
    );
    scene.told.clear();
    scene.send(&json("POST", "/refunds", r#"{"n":1}"#).bearer(&reader));
    let found = told(&scene, Kind::BflaAccess);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Medium));
}

/// Profiles are changed by many, and one of them makes itself an operator.
pub(super) fn climbers(scene: &mut Scene) {
    changing(scene);
    let body = r#"{"name":"x","role":"admin"}"#;
    let call = json("PATCH", "/profiles/u-10077", body).bearer(&agent_token("p7", 0));
    scene.send(&call.answer(r#"{"id":"u-10077","role":"admin"}"#));
}

fn changing(scene: &mut Scene) {
    for n in 0..50u64 {
        let call = json(
            "PATCH",
            &format!("/profiles/u-{}", 10_000 + n * 7),
            r#"{"name":"x","city":"y"}"#,
        );
        scene.send(&call.bearer(&agent_token(&format!("p{}", n % 9), 0)));
    }
}

#[test]
fn a_role_that_is_sent_and_taken_is_told_and_one_that_is_refused_is_not() {
    let mut scene = Scene::new();
    changing(&mut scene);
    let token = agent_token("p7", 0);
    scene.send(
        &json("PATCH", "/profiles/u-10077", r#"{"role":"admin"}"#)
            .bearer(&token)
            .status(422),
    );
    scene.send(&json("PATCH", "/profiles/u-10077", r#"{"nickname":"admin"}"#).bearer(&token));
    assert_eq!(told(&scene, Kind::MassAssignment).len(), 0);
    let call = json("PATCH", "/profiles/u-10077", r#"{"name":"x","Is_Admin": true}"#).bearer(&token);
    scene.send(&call.answer(r#"{"id":"u-10077","is_admin":true}"#));
    let found = told(&scene, Kind::MassAssignment);
    assert_eq!((found.len(), found[0].severity), (1, Severity::High));
    assert_eq!(found[0].observed["field"], "isadmin");

    // Where it is sent all the time it is how the endpoint is used.
    let mut scene = Scene::new();
    for n in 0..60 {
        let role = ["viewer", "editor"][n % 2];
        let body = format!(r#"{{"name":"x","role":"{role}"}}"#);
        scene.send(&json("POST", "/members", &body).bearer(&token).status(201));
    }
    assert_eq!(told(&scene, Kind::MassAssignment).len(), 0);
}

/// An agent pays, and then pays far more.
pub(super) fn spenders(scene: &mut Scene) {
    let token = agent_token("buyer", 0);
    for n in 0..25u64 {
        let body = format!(r#"{{"to":"acct-{n}","amount":{}}}"#, 40 + n * 3);
        scene.send(&json("POST", "/transfers", &body).bearer(&token).status(201));
    }
    let body = r#"{"to":"acct-3","amount":9800}"#;
    scene.send(&json("POST", "/transfers", body).bearer(&token).status(201));
}

#[test]
fn an_amount_beyond_all_others_is_told_without_saying_it() {
    let mut scene = Scene::new();
    spenders(&mut scene);
    let found = told(&scene, Kind::UnusualAmount);
    assert_eq!((found.len(), found[0].severity), (1, Severity::High));
    assert!(!serde_json::to_string(found[0]).unwrap().contains("9800"));
    // Half as much again, refused, and a number that is no amount.
    let mut scene = Scene::new();
    spenders(&mut scene);
    scene.told.clear();
    let token = agent_token("other", 0);
    for (body, status) in [
        (r#"{"to":"a","amount":170}"#, 201),
        (r#"{"to":"a","amount":99000}"#, 402),
        (r#"{"to":"a","reference":99000}"#, 201),
    ] {
        scene.send(&json("POST", "/transfers", body).bearer(&token).status(status));
    }
    assert_eq!(told(&scene, Kind::UnusualAmount).len(), 0, "{:?}", scene.words());
}

/// An agent that books the same seat until somebody stops it.
pub(super) fn runaways(scene: &mut Scene) {
    for n in 0..10u64 {
        at(scene, 0, n * 2400);
        let call = Call::tool("book_seat", &format!(r#"{{"flight":"LH454","seat":"{n}C"}}"#));
        scene.send(&call.bearer(&agent_token("loop", n / 2)));
    }
    at(scene, 0, 8 * 3600);
    let token = agent_token("loop", 8);
    for _ in 0..14 {
        scene.wait(3);
        scene.send(&Call::tool("book_seat", r#"{"flight":"LH454","seat":"12A"}"#).bearer(&token));
    }
}

#[test]
fn the_same_booking_again_and_again_is_told_and_waiting_for_a_job_is_not() {
    let mut scene = Scene::new();
    runaways(&mut scene);
    let found = told(&scene, Kind::AgentRunaway);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Medium));
    let mut scene = Scene::new();
    let token = agent_token("patient", 0);
    for n in 0..60 {
        scene.wait(3);
        scene.send(&Call::tool("get_job", r#"{"job_id":"j-17"}"#).bearer(&token));
        scene.send(&Call::tool("book_seat", &format!(r#"{{"seat":"{n}A"}}"#)).bearer(&token));
        if n % 10 == 0 {
            scene.send(&json("POST", "/jobs/17/cancel", "").bearer(&token));
        }
    }
    assert_eq!(told(&scene, Kind::AgentRunaway).len(), 0, "{:?}", scene.words());
}

/// A call of a model, in a conversation that grows with each turn.
fn ask(model: &str, token: &str, tokens: u64, turn: u64) -> Call {
    let said: Vec<_> = (0..=2 * turn)
        .map(|n| {
            format!(
                r#"{{"role":"{}","content":"{tokens} {n}"}}"#,
                ["user", "assistant"][n as usize % 2]
            )
        })
        .collect();
    let body = format!(r#"{{"model":"{model}","messages":[{}]}}"#, said.join(","));
    let answer = format!(
        r#"{{"model":"{model}","choices":[{{"message":{{"role":"assistant","content":"y"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{tokens},"completion_tokens":100}}}}"#
    );
    json("POST", "/v1/chat/completions", &body)
        .bearer(token)
        .answer(answer)
}

#[test]
fn a_task_that_costs_far_more_with_as_many_tokens_is_told_where_there_are_prices() {
    const PRICES: &str = r#"
        [[price]]
        model = "small*"
        input = 0.1
        output = 0.4

        [[price]]
        model = "large*"
        input = 20.0
        output = 80.0
    "#;
    let found = |policy: &str, model: &str| {
        let mut intents = crate::intent::Policies::default();
        if !policy.is_empty() {
            intents.add("intent.toml", policy).unwrap();
        }
        let mut scene = Scene::with(crate::Settings {
            intents: std::sync::Arc::new(intents),
            ..crate::Settings::default()
        });
        for day in 0..4u64 {
            for n in 0..10u64 {
                at(&mut scene, day, n * 3600);
                let token = agent_token("thinker", day * 24 + n);
                let model = if (day, n) == (3, 9) { model } else { "small-1" };
                for turn in 0..8 {
                    scene.wait(4);
                    scene.send(&ask(model, &token, 60_000 + day * 10 + n, turn));
                }
            }
        }
        told(&scene, Kind::AgentRunaway)
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    let dear = found(PRICES, "large-2");
    let severities: Vec<_> = dear.iter().map(|f| f.severity).collect();
    assert_eq!(
        severities,
        [Severity::Medium, Severity::High],
        "one finding that grew"
    );
    assert!(
        dear.iter()
            .all(|f| f.observed["reason"] == "cost" && f.id == dear[0].id)
    );
    assert!(
        dear[0].explanation.contains("had models cost 1.21"),
        "{}",
        dear[0].explanation
    );
    assert!(found(PRICES, "small-2").is_empty());
    assert!(found("", "large-2").is_empty());
}

#[test]
fn a_task_that_asks_models_far_longer_than_any_before_is_told() {
    let ask = |token: &str, tokens: u64, turn: u64| ask("gpt-5", token, tokens, turn);
    let mut scene = Scene::new();
    for day in 0..3u64 {
        for n in 0..10u64 {
            at(&mut scene, day, n * 7200 / 2);
            let token = agent_token("thinker", day * 24 + n);
            for turn in 0..8 {
                scene.wait(4);
                scene.send(&ask(&token, 900 + day * 10 + n, turn));
            }
        }
    }
    assert_eq!(told(&scene, Kind::AgentRunaway).len(), 0);
    at(&mut scene, 3, 0);
    let token = agent_token("thinker", 72);
    for turn in 0..60 {
        scene.wait(4);
        scene.send(&ask(&token, 700, turn));
    }
    let found = told(&scene, Kind::AgentRunaway);
    assert_eq!(found.len(), 1, "{:?}", scene.words());
    assert_eq!(found[0].observed["reason"], "model_calls");
}

fn login(name: &str, status: u16) -> Call {
    let body = format!(r#"{{"username":"{name}","password":"x"}}"#);
    json("POST", "/login", &body).status(status).from("203.0.113.7")
}

/// One name, tried again and again; and a list of names, one of which fits.
pub(super) fn burglars(scene: &mut Scene) {
    for _ in 0..22 {
        scene.wait(1);
        scene.send(&login("root", 401).host("one.example"));
    }
    for n in 0..30 {
        scene.wait(1);
        scene.send(&login(&format!("user{n}@example.org"), 401).host("list.example"));
    }
    scene.send(&login("user31@example.org", 200).host("list.example"));
}

#[test]
fn doors_that_are_tried_are_told_and_doors_that_are_used_are_not() {
    let mut scene = Scene::new();
    burglars(&mut scene);
    let burst = told(&scene, Kind::AuthFailureBurst);
    assert_eq!((burst.len(), burst[0].severity), (1, Severity::Medium));
    let list = told(&scene, Kind::CredentialStuffing);
    let severities: Vec<_> = list.iter().map(|f| f.severity).collect();
    assert_eq!(severities, [Severity::High, Severity::Critical]);
    // An office of forty behind one address, one of ten mistypes; a program whose token has ended, and that gets another.
    let mut scene = Scene::new();
    for n in 0..40 {
        scene.wait(5);
        if n % 10 == 0 {
            scene.send(&login(&format!("p{n}"), 401));
        }
        scene.send(&login(&format!("p{n}"), 200));
    }
    let token = agent_token("a", 0);
    for _ in 0..40 {
        scene.wait(20);
        scene.send(&Call::get("/x").bearer(&token).status(401));
        (0..3).for_each(|_| _ = scene.send(&Call::get("/x").bearer(&token)));
    }
    let found = told(&scene, Kind::AuthFailureBurst).len() + told(&scene, Kind::CredentialStuffing).len();
    assert_eq!(found, 0, "{:?}", scene.words());
}

/// Somebody who worked for a week, was gone for a month, and is back from elsewhere with another job.
pub(super) fn sleepers(scene: &mut Scene) {
    for day in [0u64, 1, 2, 3, 4, 7, 8, 9] {
        for n in 0..10 {
            at(scene, day, n * 600);
            scene.send(&Call::get("/feed").bearer(&agent_token("sleeper", day * 24)));
        }
    }
    at(scene, 40, 0);
    let token = agent_token("sleeper", 40 * 24);
    for n in 0..12 {
        scene.send(
            &Call::get(format!("/export/{}", ["all", "users", "keys"][n % 3]))
                .bearer(&token)
                .from("198.51.100.9"),
        );
    }
}

#[test]
fn who_comes_back_as_another_is_told_and_who_comes_back_is_not() {
    let mut scene = Scene::new();
    sleepers(&mut scene);
    let found = told(&scene, Kind::DormantReactivated);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Medium));
    assert_eq!(found[0].observed["days_silent"], 30);
    let mut scene = Scene::new();
    for day in [0u64, 1, 2, 3, 4, 7, 8, 9, 30, 31] {
        for n in 0..10 {
            at(&mut scene, day, n * 600);
            scene.send(&Call::get("/feed").bearer(&agent_token("rested", day * 24)));
        }
    }
    assert_eq!(told(&scene, Kind::DormantReactivated).len(), 0);
}

/// A server of tools that calls one service for each question, and then sixty times for one.
pub(super) fn cascades(scene: &mut Scene) {
    let token = agent_token("asker", 0);
    for n in 0..24u64 {
        nested(scene, &token, n, 2);
    }
    nested(scene, &token, 99, 60);
}

fn nested(scene: &mut Scene, token: &str, n: u64, calls: u64) {
    let trace = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e{n:04x}-00f067aa0ba902b7-01");
    let inner: Vec<Call> = (0..calls)
        .map(|k| {
            Call::get(format!("/stock/{}", 5000 + n * 100 + k))
                .host("stock.example")
                .at("10.9.9.2")
                .from("10.9.9.1")
                .field("X-Api-Key: 0123456789abcdef")
                .field(&trace)
        })
        .collect();
    let asked = Call::tool("look_up", &format!(r#"{{"question":"q{n}"}}"#));
    let asked = asked
        .bearer(token)
        .host("tools.example")
        .at("10.9.9.1")
        .field(&trace);
    scene.nested(&asked, &inner);
}

#[test]
fn a_call_that_leads_to_sixty_is_told_where_two_are_usual() {
    let mut scene = Scene::new();
    cascades(&mut scene);
    let found = told(&scene, Kind::CascadeDetected);
    assert_eq!(found.len(), 1, "{:?}", scene.words());
    assert!(found[0].observed["calls"].as_u64().unwrap() >= 20);
    let mut scene = Scene::new();
    let token = agent_token("asker", 0);
    (0..30).for_each(|n| nested(&mut scene, &token, n, 25));
    assert_eq!(
        told(&scene, Kind::CascadeDetected).len(),
        0,
        "that is how it works"
    );
}

/// An agent of which another version is rolled out.
pub(super) fn updated(scene: &mut Scene) {
    for n in 0..40u64 {
        let version = if n < 35 { "order-bot/2.1" } else { "order-bot/2.2" };
        scene.send(&Call::get("/feed").bearer(&agent_token("bot", 0)).agent(version));
    }
}

#[test]
fn another_version_is_told_once_and_explains_other_ways_but_not_other_wrongs() {
    let mut scene = Scene::new();
    updated(&mut scene);
    let found = told(&scene, Kind::AgentChanged);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Low));
    assert_eq!(found[0].observed["after"], "order-bot 2.2");
    // The order of calls, with and without a new version.
    for (agent, want) in [
        ("python-requests/2.32", Severity::Medium),
        ("python-requests/2.33", Severity::Low),
    ] {
        let mut scene = Scene::new();
        super::tasks::working(&mut scene);
        let token = agent_token("w", 5 * 24);
        for n in 0..60u64 {
            scene.wait(2);
            scene.send(
                &Call::get(format!("/op{}/list", n * n % 37 % 12))
                    .bearer(&token)
                    .agent(agent),
            );
        }
        let found = told(&scene, Kind::SequenceAnomaly);
        assert_eq!(found[0].severity, want, "{agent}");
        for n in 0..40 {
            scene.send(
                &Call::get(format!("/orders/ord-{:07}", 1000 + n * 977))
                    .bearer(&token)
                    .agent(agent)
                    .status(404),
            );
        }
        assert!(
            told(&scene, Kind::BolaEnumeration)
                .iter()
                .all(|f| f.severity >= Severity::Medium)
        );
        assert!(!told(&scene, Kind::BolaEnumeration).is_empty());
    }
}

/// An agent that asks for a little more in each task of each day, and is refused now and then from its first one on.
pub(super) fn creepers(scene: &mut Scene) {
    for day in 0..30u64 {
        for (agent, many) in [
            ("p1", 1),
            ("p2", 1),
            ("p3", 2),
            ("p4", 1),
            ("p5", 1),
            ("mover", 2 + day / 3),
        ] {
            for n in 0..4u64 {
                at(scene, day, n * 7200 + many * 60);
                let token = agent_token(agent, day * 24 + n * 2);
                for k in 0..many {
                    let id = (day * 4099 + n * 389 + k * 7919 + many * 13) % 900_000 + 100_000;
                    scene.send(&Call::get(format!("/orders/ord-{id}")).bearer(&token));
                    if agent == "mover" && k % 5 == 1 {
                        scene.send(
                            &Call::get(format!("/orders/ord-{}", id + 1))
                                .bearer(&token)
                                .status(403),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn who_asks_for_more_each_day_is_told_and_is_not_like_the_others() {
    let mut scene = Scene::new();
    creepers(&mut scene);
    for kind in [Kind::BaselinePoisonSuspected, Kind::PeerOutlier] {
        let found = told(&scene, kind);
        assert!(!found.is_empty(), "{}: {:?}", kind.name(), scene.words());
        let name = |f: &&Finding| f.principal.as_ref().and_then(|p| p.name.clone());
        assert!(found.iter().all(|f| name(f).as_deref() == Some("mover")));
    }
}

/// A baseline that is frozen, and one that is learned anew.
#[test]
fn what_is_frozen_is_not_learned_and_what_is_forgotten_is_learned_anew() {
    let registry = |keys: &str| {
        let text = format!("[[agent]]\nname = 'a'\nclient = ['a']\n{keys}\n");
        let agents = crate::inventory::declared::Agents::read(&text).unwrap();
        crate::Settings {
            declared: std::sync::Arc::new(crate::inventory::Declared {
                agents,
                ..crate::inventory::Declared::default()
            }),
            ..crate::Settings::default()
        }
    };
    // The ninth day of work is 2026-03-17. On each of the next days it works at an hour at which nobody did.
    let night_shifts = |settings: crate::Settings| {
        let mut scene = Scene::with(settings);
        super::tasks::at_work(&mut scene, &["a"]);
        for day in 9..16u64 {
            at(&mut scene, day, 19 * 3600);
            let token = agent_token("a", day * 24 + 19);
            for _ in 0..12 {
                scene.wait(2);
                scene.send(&Call::get("/orders?limit=5").bearer(&token));
            }
        }
        let learned = scene
            .principals()
            .iter()
            .any(|p| p.name.as_deref() == Some("a") && p.learned);
        (told(&scene, Kind::OffHoursActivity).len(), learned)
    };
    assert_eq!(night_shifts(registry("")), (3, true));
    assert_eq!(night_shifts(registry("frozen_since = 2026-03-18")), (7, true));
    assert!(!night_shifts(registry("learn_since = 2026-03-24")).1);
}

/// What each dimension finds goes untold without it. Those of which the labelled set has no attack earn their place here.
#[test]
fn each_dimension_finds_what_is_not_told_without_it() {
    use super::explained::{growers, payers, strayed, wanderers};
    type Play = (&'static str, fn(&mut Scene), Kind);
    let plays: [Play; 14] = [
        ("rates", strayed, Kind::RateAnomaly),
        ("endpoints", strayed, Kind::NewEndpointForPrincipal),
        ("order", wanderers, Kind::SequenceAnomaly),
        ("owners", snoopers, Kind::Bola),
        ("destinations", payers, Kind::IntentViolation),
        ("days", growers, Kind::SlowExfiltration),
        ("days", creepers, Kind::BaselinePoisonSuspected),
        ("peers", creepers, Kind::PeerOutlier),
        ("customs", usurpers, Kind::BflaAccess),
        ("customs", climbers, Kind::MassAssignment),
        ("models", runaways, Kind::AgentRunaway),
        ("epochs", updated, Kind::AgentChanged),
        (
            "order",
            super::business_flow_abuse::tests::shoppers,
            Kind::BusinessFlowAbuse,
        ),
        (
            "classes",
            super::new_data_class_for_principal::tests::collectors,
            Kind::NewDataClassForPrincipal,
        ),
    ];
    for (name, play, kind) in plays {
        let count = |leave_out: Vec<String>| {
            let mut scene = Scene::with(crate::Settings {
                leave_out,
                ..crate::Settings::default()
            });
            play(&mut scene);
            told(&scene, kind).len()
        };
        assert!(count(Vec::new()) > 0, "{}", kind.name());
        assert_eq!(count(vec![name.to_owned()]), 0, "{} without {name}", kind.name());
    }
}

/// Agents that read what belongs to all besides what is theirs: that says nothing of what is theirs.
#[test]
fn a_catalogue_that_all_read_hides_no_theft() {
    let mut scene = Scene::new();
    for day in 0..4 {
        files_of_day(&mut scene, day);
        for (place, agent) in ["a", "b", "c"].iter().enumerate() {
            let token = agent_token(agent, day * 24 + 8);
            let own = 700_000 + day * 100 + place as u64 * 10;
            let list = format!(r#"[{{"article_id":"p-{own}"}}]"#);
            scene.send(&Call::get("/articles").bearer(&token).answer(list));
            for n in 0..6 {
                scene.wait(2);
                let other = 700_000 + day * 100 + (place as u64 + n) % 3 * 10;
                scene.send(&Call::get(format!("/articles/p-{other}")).bearer(&token));
            }
        }
    }
    at(&mut scene, 4, 0);
    scene.told.clear();
    scene.send(&read(file(1, 20), &agent_token("a", 4 * 24)));
    let found = told(&scene, Kind::Bola);
    assert_eq!(
        (found.len(), found[0].severity),
        (1, Severity::Medium),
        "{:?}",
        scene.words()
    );
}

/// A scope that is renamed for all, and a beat of the heart.
#[test]
fn what_all_do_at_once_is_a_release_and_what_beats_slowly_runs_nowhere() {
    let mut scene = Scene::new();
    refunding(&mut scene);
    for n in 0..4 {
        scene.wait(60);
        let token = scoped(&format!("clerk{n}"), "refunds.write", 11);
        scene.send(&json("POST", "/refunds", r#"{"n":1}"#).bearer(&token));
    }
    let told_of = |scene: &Scene, kind| {
        told(scene, kind)
            .iter()
            .filter(|f| f.severity > Severity::Low)
            .count()
    };
    assert_eq!(told_of(&scene, Kind::BflaAccess), 2, "{:?}", scene.words());
    let mut scene = Scene::new();
    let token = agent_token("beats", 0);
    for _ in 0..400 {
        scene.wait(29);
        scene.send(&json("POST", "/heartbeat", r#"{"up":true}"#).bearer(&token));
    }
    assert_eq!(told(&scene, Kind::AgentRunaway).len(), 0, "{:?}", scene.words());
}
