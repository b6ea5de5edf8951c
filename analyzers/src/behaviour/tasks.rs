//! Tests of what is held against a task and against what is usual: `retry_storm`, `off_hours_activity`, `data_volume_anomaly`,
//! `destructive_action_burst`, and tasks that guess objects.

use crate::testing::{Call, START, Scene, agent_token};
use crate::{Finding, Kind, Severity};

/// Nine days of an agent's work: each hour of the day from eight to five one task, in which an order is read, listed orders are read, and the
/// order is changed. Ends at 08:00 of the tenth day, which is what `START` is of the first.
pub(super) fn at_work(scene: &mut Scene, agents: &[&str]) {
    for day in 0..9u64 {
        for hour in 0..9u64 {
            for (place, agent) in agents.iter().enumerate() {
                scene.now = (START + day * 86_400 + hour * 3600 + place as u64 * 400) * 1_000_000_000;
                task(scene, agent, day * 24 + hour, 1000 * place as u64);
            }
        }
    }
    scene.now = (START + 9 * 86_400) * 1_000_000_000;
}

fn order(n: u64) -> String {
    format!("/orders/ord-{n:07}")
}

/// A page of orders.
fn page(first: u64, count: u64) -> String {
    let rows: Vec<_> = (first..first + count)
        .map(|n| format!(r#"{{"order_id":"ord-{n:07}","note":"{}"}}"#, "x".repeat(400)))
        .collect();
    format!("[{}]", rows.join(","))
}

fn task(scene: &mut Scene, agent: &str, hour: u64, salt: u64) {
    let token = agent_token(agent, hour);
    let own = (hour * 7919 + salt * 31) % 9_999_991;
    scene.send(&Call::get(order(own)).bearer(&token));
    scene.wait(3);
    scene.send(
        &Call::get("/orders?limit=5")
            .bearer(&token)
            .answer(page(own + 1, 20)),
    );
    for n in 1..3 {
        scene.wait(2);
        scene.send(&Call::get(order(own + n)).bearer(&token));
    }
    scene.wait(2);
    scene.send(
        &Call::new("POST", format!("{}/notes", order(own)))
            .bearer(&token)
            .body("{\"n\":1}"),
    );
}

fn kinds(scene: &Scene) -> Vec<&'static str> {
    let mut all: Vec<_> = scene
        .told
        .iter()
        .filter(|f| f.severity >= Severity::Medium)
        .map(|f| f.kind.name())
        .collect();
    all.dedup();
    all
}

/// Every revision told of a kind.
fn told(scene: &Scene, kind: Kind) -> Vec<Finding> {
    scene.told.iter().filter(|f| f.kind == kind).cloned().collect()
}

fn severities(scene: &Scene, kind: Kind) -> Vec<Severity> {
    told(scene, kind).iter().map(|f| f.severity).collect()
}

/// The first of them.
fn one(scene: &Scene, kind: Kind) -> Finding {
    let found = told(scene, kind);
    assert!(!found.is_empty(), "{:?}", scene.words());
    found[0].clone()
}

#[test]
fn nine_days_of_work_are_silent() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b", "c"]);
    assert_eq!(kinds(&scene), Vec::<&str>::new());
}

#[test]
fn a_task_that_reads_what_nobody_showed_it_is_told_before_the_twelfth_object() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b"]);
    let token = agent_token("a", 9 * 24);
    for n in 0..40 {
        scene.wait(1);
        scene.send(&Call::get(order(5_000_000 + n * 977)).bearer(&token));
    }
    let found = one(&scene, Kind::BolaEnumeration);
    assert_eq!(found.severity, Severity::High);
    assert!(found.observed["objects_in_task"].as_u64().unwrap() <= 12);
}

#[test]
fn a_listing_and_each_of_its_items_is_no_walk_even_by_a_newcomer() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b"]);
    for agent in ["a", "new"] {
        let token = agent_token(agent, 9 * 24);
        scene.send(
            &Call::get("/orders?limit=60")
                .bearer(&token)
                .answer(page(7_000_000, 60)),
        );
        for n in 0..60 {
            scene.wait(1);
            scene.send(&Call::get(order(7_000_000 + n)).bearer(&token));
        }
    }
    assert_eq!(scene.found(Kind::BolaEnumeration).len(), 0, "{:?}", scene.words());
}

#[test]
fn the_same_failing_call_without_a_pause_is_a_storm_at_the_eighth() {
    let mut scene = Scene::new();
    let token = agent_token("a", 0);
    for n in 0..60u64 {
        // Messages of JSON-RPC differ in their ids and in the token for progress.
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{"_meta":{{"progressToken":{n}}},"name":"book","arguments":{{"seat":"12A"}}}}}}"#
        );
        scene.now += 400_000_000;
        scene.send(
            &Call::new("POST", "/mcp")
                .field("Content-Type: application/json")
                .body(body)
                .bearer(&token)
                .status(502),
        );
        if n == 6 {
            assert_eq!(scene.found(Kind::RetryStorm).len(), 0);
        }
    }
    assert_eq!(
        severities(&scene, Kind::RetryStorm),
        [Severity::Medium, Severity::High]
    );
    assert_eq!(one(&scene, Kind::RetryStorm).observed["failures"], 8);
}

#[test]
fn whoever_backs_off_gives_up_or_succeeds_in_between_makes_no_storm() {
    let mut scene = Scene::new();
    let token = agent_token("a", 0);
    let fail = || Call::get("/seats").bearer(&token).status(503);
    let mut wait = 0.5;
    for _ in 0..12 {
        // Exponential up to thirty seconds.
        scene.now += (wait * 1e9) as u64;
        scene.send(&fail());
        wait = f64::min(wait * 2.0, 30.0);
    }
    scene.wait(3600);
    for n in 0..60 {
        scene.now += 300_000_000;
        let call = if n % 7 == 6 {
            Call::get("/seats").bearer(&token)
        } else {
            fail()
        };
        scene.send(&call);
    }
    scene.wait(3600);
    for n in 0..40 {
        scene.now += 300_000_000;
        scene.send(&Call::get(format!("/seats?row={n}")).bearer(&token).status(503));
    }
    assert_eq!(scene.found(Kind::RetryStorm).len(), 0, "{:?}", scene.words());
}

#[test]
fn coming_back_before_the_time_that_was_named_is_a_storm_however_slow() {
    let mut scene = Scene::new();
    let token = agent_token("a", 0);
    for wait in [2, 5, 11, 24, 30, 30] {
        scene.wait(wait);
        let call = Call::new("POST", "/pay").bearer(&token).body("{}").status(429);
        scene.send(&call.answer_field("Retry-After: 120"));
    }
    assert_eq!(severities(&scene, Kind::RetryStorm), [Severity::High]);
    assert_eq!(one(&scene, Kind::RetryStorm).observed["before_allowed"], 5);
}

/// One at three in the morning; the other at noon, which is its hour.
#[test]
fn work_at_an_hour_at_which_nobody_ever_worked_is_told() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b", "c"]);
    scene.now = (START + 8 * 86_400 + 19 * 3600) * 1_000_000_000;
    let token = agent_token("a", 8 * 24 + 19);
    for _ in 0..12 {
        scene.wait(2);
        scene.send(&Call::get("/orders?limit=5").bearer(&token).answer(page(1, 5)));
    }
    let found = one(&scene, Kind::OffHoursActivity);
    let by_hour = found.expected["days_by_hour"].as_array().unwrap();
    assert_eq!((by_hour.len(), &by_hour[2]), (24, &0.into()));
    assert!(by_hour[9].as_u64().unwrap() >= 5, "{by_hour:?}");
    assert_eq!(
        (found.severity, found.observed["calls"].as_u64()),
        (Severity::Medium, Some(10))
    );
    assert_eq!(found.observed["hour_utc"], 3);
}

#[test]
fn a_job_that_is_run_while_others_work_and_a_shift_that_stays_are_no_off_hours() {
    let mut scene = Scene::new();
    let night = |scene: &mut Scene, day: u64, hour: u64| {
        scene.now = (START + day * 86_400 + hour * 3600) * 1_000_000_000;
        let token = agent_token("job", day * 24 + hour);
        for _ in 0..12 {
            scene.wait(2);
            scene.send(&Call::get("/orders?limit=5").bearer(&token).answer(page(1, 5)));
        }
    };
    for day in 0..9u64 {
        for hour in 0..9u64 {
            for (place, agent) in ["a", "b"].iter().enumerate() {
                scene.now = (START + day * 86_400 + hour * 3600 + place as u64 * 400) * 1_000_000_000;
                task(&mut scene, agent, day * 24 + hour, 1000 * place as u64);
            }
        }
        // At 01:00 UTC.
        night(&mut scene, day, 17);
    }
    // By day, when others are at work.
    night(&mut scene, 9, 3);
    assert_eq!(
        scene.found(Kind::OffHoursActivity).len(),
        0,
        "{:?}",
        scene.words()
    );
    // At 20:00, again and again: told until it is its way.
    for day in 10..16 {
        night(&mut scene, day, 12);
    }
    assert_eq!(
        scene.found(Kind::OffHoursActivity).len(),
        3,
        "{:?}",
        scene.words()
    );
}

#[test]
fn answers_far_larger_than_ever_are_told_at_the_second() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b"]);
    let token = agent_token("a", 9 * 24);
    for n in 0..3 {
        scene.wait(2);
        let call = Call::get(format!("/orders?limit=100&page={n}")).bearer(&token);
        scene.send(&call.answer(page(n * 100, 100)));
    }
    let found = one(&scene, Kind::DataVolumeAnomaly);
    assert_eq!(
        (found.severity, found.observed["large_answers"].as_u64()),
        (Severity::Medium, Some(2))
    );
}

#[test]
fn pages_of_usual_size_and_one_large_report_are_no_anomaly() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b"]);
    let token = agent_token("a", 9 * 24);
    for n in 0..80 {
        scene.wait(1);
        scene.send(
            &Call::get(format!("/orders?page={n}"))
                .bearer(&token)
                .answer(page(n * 5, 5)),
        );
    }
    scene.send(&Call::get("/reports/2026-02").bearer(&token).answer(page(0, 90)));
    assert_eq!(
        scene.found(Kind::DataVolumeAnomaly).len(),
        0,
        "{:?}",
        scene.words()
    );
}

#[test]
fn a_task_that_changes_what_it_never_looked_at_is_told_at_the_third() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b"]);
    let token = agent_token("a", 9 * 24);
    for n in 0..12 {
        scene.wait(2);
        scene.send(
            &Call::new("DELETE", order(6_000_000 + n * 811))
                .bearer(&token)
                .status(204),
        );
    }
    assert_eq!(
        severities(&scene, Kind::DestructiveActionBurst),
        [Severity::Medium, Severity::High]
    );
    assert_eq!(one(&scene, Kind::DestructiveActionBurst).observed["objects"], 3);
}

#[test]
fn changing_what_was_listed_or_read_and_being_refused_is_no_burst() {
    let mut scene = Scene::new();
    at_work(&mut scene, &["a", "b"]);
    let token = agent_token("a", 9 * 24);
    scene.send(
        &Call::get("/orders?limit=30")
            .bearer(&token)
            .answer(page(7_000_000, 30)),
    );
    for n in 0..30 {
        scene.wait(1);
        scene.send(
            &Call::new("DELETE", order(7_000_000 + n))
                .bearer(&token)
                .status(204),
        );
    }
    for n in 0..10 {
        scene.wait(1);
        scene.send(
            &Call::new("DELETE", order(8_000_000 + n * 13))
                .bearer(&token)
                .status(403),
        );
        scene.send(&Call::get(order(8_500_000 + n * 13)).bearer(&token));
        scene.send(
            &Call::new("DELETE", order(8_500_000 + n * 13))
                .bearer(&token)
                .status(204),
        );
    }
    assert_eq!(
        scene.found(Kind::DestructiveActionBurst).len(),
        0,
        "{:?}",
        scene.words()
    );
}

/// The same again an hour later is another episode: a further revision, with exchanges of its own.
#[test]
fn what_comes_back_is_told_again_with_its_own_exchanges() {
    let mut scene = Scene::new();
    let token = agent_token("a", 0);
    for _ in 0..2 {
        for _ in 0..9 {
            scene.now += 300_000_000;
            scene.send(&Call::get("/seats").bearer(&token).status(503));
        }
        scene.wait(3600);
    }
    let found = told(&scene, Kind::RetryStorm);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].id, found[1].id);
    assert_eq!((found[0].revision, found[1].revision), (1, 2));
    let late = found[1]
        .evidence
        .iter()
        .filter(|e| e.ts > found[0].last_seen + 3_000_000_000_000);
    assert!(late.count() >= 7 && found[1].detected_at > found[0].detected_at);
}

/// Four agents that pay bills for nine days: who is to be paid stands in the bill, or was paid before.
pub(super) fn paying(scene: &mut Scene) {
    for day in 0..9u64 {
        for n in 0..8u64 {
            let agent = ["p", "q", "r", "s"][(n % 4) as usize];
            scene.now = (START + day * 86_400 + n * 2000) * 1_000_000_000;
            let token = agent_token(agent, day * 24 + n);
            let account = format!("DE{:020}", day * 8 + n);
            let bill =
                format!(r#"{{"from":"Works","pay_to":"{account}","amount":12.5,"case_no":"C-{day}-{n}77"}}"#);
            scene.send(&Call::get("/bills/latest").bearer(&token).answer(bill));
            scene.wait(4);
            scene.send(&pay(&token, &account, "bill"));
        }
    }
    scene.now = (START + 9 * 86_400) * 1_000_000_000;
}

pub(super) fn pay(token: &str, account: &str, note: &str) -> Call {
    let body = format!(r#"{{"recipient":"{account}","amount":12.5,"note":"{note}"}}"#);
    Call::new("POST", "/transfers")
        .field("Content-Type: application/json")
        .bearer(token)
        .body(body)
        .status(201)
}

#[test]
fn a_payment_to_an_account_that_nobody_mentioned_is_outside_and_so_is_the_next_one() {
    let mut scene = Scene::new();
    paying(&mut scene);
    assert_eq!(kinds(&scene), Vec::<&str>::new());
    let token = agent_token("p", 9 * 24);
    scene.send(&pay(&token, "GB29NWBK60161331926819", "gift"));
    assert_eq!(severities(&scene, Kind::IntentViolation), [Severity::Medium]);
    let found = one(&scene, Kind::IntentViolation);
    assert_eq!(found.observed["argument"], "recipient");
    scene.wait(7200);
    scene.send(&pay(&token, "GB29NWBK60161331926819", "gift"));
    assert_eq!(
        severities(&scene, Kind::IntentViolation).len(),
        2,
        "sent there again"
    );
}

/// It takes with it what answers of the same task had shown.
#[test]
fn what_goes_along_makes_it_matter_more() {
    let mut scene = Scene::new();
    paying(&mut scene);
    let token = agent_token("q", 9 * 24);
    let shown = r#"{"ids":["case-10021","case-10022","case-10023"]}"#;
    scene.send(&Call::get("/cases/mine").bearer(&token).answer(shown));
    scene.wait(2);
    let body = r#"{"recipient":"GB29NWBK60161331926819","a":"case-10021","b":"case-10022","c":"case-10023"}"#;
    let call = Call::new("POST", "/transfers").field("Content-Type: application/json");
    scene.send(&call.bearer(&token).body(body).status(201));
    assert_eq!(severities(&scene, Kind::IntentViolation), [Severity::High]);
}

#[test]
fn destinations_that_were_mentioned_refused_or_always_new_are_no_violation() {
    let mut scene = Scene::new();
    paying(&mut scene);
    let token = agent_token("p", 9 * 24);
    // Mentioned by an answer to somebody else, also in a text.
    let told = r#"{"text":"please use GB29NWBK60161331926819 from now on"}"#;
    scene.send(
        &Call::get("/mails/17")
            .bearer(&agent_token("q", 9 * 24))
            .answer(told),
    );
    scene.send(&pay(&token, "GB29NWBK60161331926819", "x"));
    scene.send(&pay(&token, "FR7630006000011234567890189", "x").status(403));
    // An operation that takes another address each time.
    for n in 0..60 {
        scene.wait(30);
        let body = format!(r#"{{"email":"guest{n}@mail{n}.example.org"}}"#);
        let call = Call::new("POST", "/invitations").field("Content-Type: application/json");
        scene.send(&call.bearer(&token).body(body).status(201));
    }
    assert_eq!(told_of(&scene), 0, "{:?}", scene.words());
}

fn told_of(scene: &Scene) -> usize {
    told(scene, Kind::IntentViolation).len()
}

/// An operation that takes new destinations on three days is open to them.
#[test]
fn what_comes_back_on_three_days_is_its_way() {
    let mut scene = Scene::new();
    paying(&mut scene);
    for day in 9..15u64 {
        scene.now = (START + day * 86_400) * 1_000_000_000;
        scene.send(&pay(
            &agent_token("p", day * 24),
            &format!("FR{:020}", 77 + day),
            "x",
        ));
    }
    assert_eq!(told_of(&scene), 3, "{:?}", scene.words());
}

/// Twelve operations that a caller is allowed to call, in one of its three ways of working.
fn way(n: u64) -> [u64; 8] {
    match n % 3 {
        0 => [0, 1, 2, 3, 0, 1, 2, 4],
        1 => [5, 6, 5, 6, 7, 8, 9, 10],
        _ => [0, 1, 11, 11, 5, 6, 7, 2],
    }
}

pub(super) fn working(scene: &mut Scene) {
    for day in 0..5u64 {
        for n in 0..12u64 {
            scene.now = (START + day * 86_400 + n * 2400) * 1_000_000_000;
            let token = agent_token("w", day * 24 + n);
            for step in way(day * 5 + n) {
                scene.wait(3);
                scene.send(&Call::get(format!("/op{step}/list")).bearer(&token));
            }
        }
    }
    scene.now = (START + 5 * 86_400) * 1_000_000_000;
}

#[test]
fn five_hundred_permitted_calls_in_an_unexpected_order_are_found_before_the_fiftieth() {
    let mut scene = Scene::new();
    working(&mut scene);
    assert_eq!(kinds(&scene), Vec::<&str>::new());
    let token = agent_token("w", 5 * 24);
    let (mut rng, mut at) = (17_u64, None);
    for n in 0..500 {
        rng = rng
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        scene.wait(2);
        scene.send(&Call::get(format!("/op{}/list", (rng >> 33) % 12)).bearer(&token));
        if at.is_none() && !told(&scene, Kind::SequenceAnomaly).is_empty() {
            at = Some(n + 1);
        }
    }
    assert!(at.is_some_and(|n| n < 50), "{at:?}");
    assert_eq!(
        kinds(&scene)[0],
        "sequence_anomaly",
        "each call by itself is permitted"
    );
}

#[test]
fn the_same_five_hundred_calls_in_the_learned_order_are_silent() {
    let mut scene = Scene::new();
    working(&mut scene);
    // As before: twelve tasks a day, which are 576 calls in six days.
    for n in 0..72u64 {
        scene.now = (START + (5 + n / 12) * 86_400 + n % 12 * 2400) * 1_000_000_000;
        let token = agent_token("w", (5 + n / 12) * 24 + n % 12);
        for step in way(n * 7 + 1) {
            scene.wait(2);
            scene.send(&Call::get(format!("/op{step}/list")).bearer(&token));
        }
    }
    assert_eq!(kinds(&scene), Vec::<&str>::new(), "{:?}", scene.words());
}

/// An operation that is new, and one task done in another order.
#[test]
fn something_new_in_a_task_is_no_other_order() {
    let mut scene = Scene::new();
    working(&mut scene);
    let token = agent_token("w", 5 * 24);
    for step in [0, 1, 12, 2, 3, 13, 5, 6, 7, 8, 12, 9, 10] {
        scene.wait(2);
        scene.send(&Call::get(format!("/op{step}/list")).bearer(&token));
    }
    assert_eq!(
        told(&scene, Kind::SequenceAnomaly).len(),
        0,
        "{:?}",
        scene.words()
    );
}

/// Days of work of an agent that gets so many bytes on each; weekends are free. With noise of three percent.
fn days(scene: &mut Scene, agent: &str, bytes: impl Fn(u64) -> f64) {
    let mut rng = 41_u64;
    for day in 0..30u64 {
        // START is a Monday.
        if day % 7 >= 5 {
            continue;
        }
        rng = rng
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let noise = 1.0 + ((rng >> 40) as f64 / (1u64 << 24) as f64 - 0.5) * 0.06;
        let size = (bytes(day) * noise / 8.0) as usize;
        for n in 0..8u64 {
            scene.now = (START + day * 86_400 + n * 1800) * 1_000_000_000;
            let token = agent_token(agent, day * 24 + n / 2);
            scene.send(&Call::get("/feed").bearer(&token).answer("x".repeat(size)));
        }
    }
}

#[test]
fn one_percent_more_each_day_is_found_within_fourteen_days() {
    let mut scene = Scene::new();
    days(&mut scene, "slow", |day| 160_000.0 * 1.01f64.powi(day as i32));
    let found = one(&scene, Kind::SlowExfiltration);
    let by_day = found.observed["bytes_by_day"].as_object().unwrap();
    assert!(
        by_day.len() >= 8 && by_day.contains_key("2026-03-09"),
        "{by_day:?}"
    );
    assert!(
        found.detected_at <= (START + 14 * 86_400) * 1_000_000_000 + 3_600_000_000_000,
        "{found:?}"
    );
    assert_eq!(found.severity, Severity::Medium);
    assert_eq!(
        kinds(&scene),
        ["slow_exfiltration"],
        "no day by itself is strange"
    );
}

#[test]
fn days_that_go_up_and_down_or_stay_are_no_slow_growth() {
    for shape in [
        |_: u64| 160_000.0,
        |day: u64| 160_000.0 * (1.0 + 0.2 * f64::from(day as u32 % 5)),
        |day: u64| if day < 12 { 160_000.0 } else { 300_000.0 },
    ] {
        let mut scene = Scene::new();
        days(&mut scene, "steady", shape);
        assert_eq!(
            told(&scene, Kind::SlowExfiltration).len(),
            0,
            "{:?}",
            scene.words()
        );
    }
}
