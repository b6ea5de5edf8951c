//! The analyzer as a whole: what it gives out, what it never gives out, and that it can be stopped and
//! started again anywhere.

use proptest::prelude::*;
use reassembly::build::ExchangeBuilder;
use reassembly::{Flags, Timestamp};

use crate::testing::{Call, START, Scene, agent_token, jwt};
use crate::{Analyzer, Kind, PrincipalKind, Settings, Severity, Table};

/// Everything an analyzer would let out.
fn everything(scene: &mut Scene) -> String {
    scene.analyzer.finish();
    scene.told.extend(std::iter::from_fn(|| scene.analyzer.poll()));
    let mut all = format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n",
        scene.endpoints(),
        scene.principals(),
        scene.findings(),
        scene.told,
        scene.analyzer.counters()
    );
    for change in scene.analyzer.take_changes() {
        all += &format!(
            "{} {}\n",
            change.key,
            String::from_utf8(change.value.unwrap_or_default()).unwrap()
        );
    }
    all
}

#[test]
fn canaries_planted_everywhere_come_out_nowhere() {
    let mut scene = Scene::new();
    let canary = |n: u32| format!("cAn4ry{n}Zq8Xw7Vb{n}");
    let claims = format!(
        r#"{{"iss":"https://{a}.idp.example","sub":"{a}","client_id":"{b}","email":"{a}@corp.test","name":"{a}","act":{{"sub":"{a}"}},"exp":{}}}"#,
        START + 100,
        a = canary(1),
        b = canary(2)
    );
    let c = canary(3);
    let mut calls = vec![
        Call::get("/a").bearer(&jwt(&claims)),
        Call::get("/a").bearer(&c),
        Call::get("/a").field(&format!("Authorization: Basic {}", "Y0FuNHJ5Olp4Y3ZibjEyMzQ=")),
        Call::get("/a").field(&format!("Authorization: ApiKey {c}")),
        Call::get("/a").field(&format!("Authorization: {c} {c}")),
        Call::get("/a").field(&format!("X-Api-Key: {c}")),
        Call::get("/a").field(&format!("Cookie: {c}={c}; session={c}")),
        Call::get("/a").field(&format!("X-{c}: {c}")),
        Call::get("/a").agent(&c),
        Call::get("/a").agent(&format!("{c}/1.0 (x)")),
        Call::get("/a").host(&format!("{c}.example")),
        Call::get("/a").host(&format!("{c}@x.example")),
        Call::get(format!("/a?q={c}&{c}=1&{c}&access_token={c}&order_id={c}")),
        Call::get(format!("/orders/{c}/items")),
        Call::get(format!("/reset/{}", "abc123def456")),
        Call::get(format!("/u/{c}%40corp.test")),
        Call::get(format!("/a;{c}={c}/b")),
        Call::get(format!("http://{c}:{c}@api.example/a#{c}")),
        Call::new("POST", "/a")
            .field("Content-Type: application/json")
            .body(format!(r#"{{"{c}":"{c}"}}"#)),
        Call::new("POST", "/a")
            .field(&format!("Content-Type: application/{c}"))
            .body("x"),
        Call::get("/a").answer_field(&format!("Content-Type: text/{c}")),
        Call::get("/a").answer_field(&format!("Location: /x/{c}")),
        Call::tool(&c, &format!(r#"{{"order_id":"{c}"}}"#)),
        Call::tool("search", &format!(r#"{{"q":"{c}"}}"#)).field(&format!("Mcp-Session-Id: {c}")),
        Call::new("POST", "/mcp")
            .field("Content-Type: application/json")
            .body(format!(
                r#"{{"jsonrpc":"2.0","method":"{c}","params":{{"clientInfo":{{"name":"{c}"}}}}}}"#
            )),
        Call::get("/a").answer(format!(
            r#"{{"card_number":"4539578763621486","ssn":"536-22-8726","m":"{c}@corp.test","{c}":"{c}"}}"#
        )),
        Call::get("/a").answer(r#"{"card_number":"4716108999716531","iban":"GB82WEST12345698765432"}"#),
        Call::get("/a").answer(r#"{"card_number":"5425233430109903"}"#),
        Call::get("/cards/4539578763621486"),
        Call::get("/ssn/536-22-8726/x"),
    ];
    let made_up: &'static str = Box::leak(canary(4).into_boxed_str());
    calls.push(Call::new(made_up, "/a"));
    for status in [200, 401, 404] {
        for call in &calls {
            for _ in 0..4 {
                let labels = scene.send(&call.clone().status(status));
                assert!(
                    !format!("{labels:?}").to_lowercase().contains("can4ry"),
                    "{call:?} {labels:?}"
                );
            }
        }
    }
    // A scan whose paths are secrets, and a walk whose objects are.
    for n in 0..40 {
        scene.send(&Call::get(format!("/{}/x", canary(1000 + n))).status(404));
        scene.send(
            &Call::get(format!("/orders?order_id={}", canary(2000 + n)))
                .status(404)
                .bearer(&jwt(&claims)),
        );
    }
    let all = everything(&mut scene);
    let lower = all.to_lowercase();
    for secret in [
        "can4ry",
        "y0funhj5",
        "hunter2",
        "4539578763621486",
        "4716108999716531",
        "536-22-8726",
        "536228726",
        "12345698765432",
        "eyjh",
        "abc123def456",
    ] {
        let at = lower.find(secret);
        assert!(
            at.is_none(),
            "{secret}: …{}…",
            at.map_or("", |at| &all[at.saturating_sub(200)..(at + 60).min(all.len())])
        );
    }
    assert!(all.contains("sensitive_data_exposure") && all.contains("45************86"));
}

#[test]
fn a_finding_is_complete() {
    let mut scene = Scene::new();
    for n in 0..30 {
        let call = Call::get(format!("/orders/{}?expand=all", 41_000 + n)).bearer(&agent_token("walker", 0));
        scene.send(&call.flags(if n == 23 { Flags::GAP } else { Flags::empty() }));
    }
    let found = scene.found(Kind::BolaEnumeration).remove(0);
    assert_eq!(found.evidence.len(), 10);
    insta::assert_json_snapshot!(found, { ".evidence[2:]" => "[…]", ".playbook[1]" => "[steps]" });
}

#[test]
fn repeats_raise_the_count_and_are_told_seldom() {
    let mut scene = Scene::new();
    let call = Call::get("/a").field("X-Api-Key: 0123456789abcdef");
    for _ in 0..1000 {
        scene.send(&call);
    }
    assert_eq!(scene.told.len(), 1);
    scene.wait(3600);
    scene.send(&call);
    assert_eq!(
        (scene.told.len(), scene.told[1].revision, scene.told[1].count),
        (2, 2, 1001)
    );
    for _ in 0..900 {
        scene.send(&call);
    }
    scene.analyzer.finish();
    assert_eq!(scene.analyzer.poll(), None, "the count has not doubled");
    let mut ids: Vec<_> = scene.told.iter().map(|f| (f.id.clone(), f.revision)).collect();
    ids.dedup();
    assert_eq!(ids.len(), 2);
}

#[test]
fn principals_are_the_same_across_tokens_and_their_kind_has_a_reason() {
    let mut scene = Scene::new();
    let first = scene.send(&Call::get("/a").bearer(&agent_token("bot", 0)));
    let renewed = scene.send(&Call::get("/a").bearer(&agent_token("bot", 1)));
    assert_eq!(first.principal, renewed.principal);
    let chrome = "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";
    let exp = START + 60;
    let service = jwt(&format!(
        r#"{{"sub":"svc","gty":"client-credentials","exp":{exp}}}"#
    ));
    let person = jwt(&format!(r#"{{"sub":"p","email":"p@corp.test","exp":{exp}}}"#));
    for (call, kind, reason) in [
        (
            Call::get("/a").bearer(&service),
            PrincipalKind::Service,
            "claim gty=client-credentials",
        ),
        (
            Call::get("/a").bearer(&person).agent("x"),
            PrincipalKind::Human,
            "claims of a person (email)",
        ),
        (
            Call::get("/a").bearer("opaque-token-1").agent("claude-cli/1.0"),
            PrincipalKind::AiAgent,
            "user agent claude-cli",
        ),
        (
            Call::get("/a")
                .agent(chrome)
                .field("Cookie: session=0123456789abcdef"),
            PrincipalKind::Human,
            "browser",
        ),
        (
            Call::get("/a").field("X-Forwarded-For: 1.2.3.4"),
            PrincipalKind::Service,
            "client address and user agent",
        ),
        (
            Call::tool("t", "{}")
                .field("Mcp-Method: tools/call")
                .agent("node"),
            PrincipalKind::AiAgent,
            "speaks MCP",
        ),
        (
            Call::get("/a").agent("x"),
            PrincipalKind::Unknown,
            "client address and user agent",
        ),
    ] {
        let id = scene.send(&call).principal.unwrap();
        let view = scene.principals().into_iter().find(|p| p.id == id).unwrap();
        assert_eq!(view.kind, kind, "{call:?}");
        assert!(
            view.evidence.iter().any(|e| e == reason),
            "{reason}: {:?}",
            view.evidence
        );
    }
    let spoofed = scene.send(&Call::get("/a").field("X-Forwarded-For: 9.9.9.9"));
    let plain = scene.send(&Call::get("/a"));
    assert_eq!(spoofed.principal, plain.principal, "the field is not trusted");
}

#[test]
fn the_inventory_counts_what_it_saw() {
    let mut scene = Scene::new();
    for n in 0..10 {
        scene.send(
            &Call::get(format!("/orders/{n}"))
                .bearer(&agent_token("a", 0))
                .answer("[1,2]"),
        );
    }
    scene.send(&Call::get("/orders/x1y2z3/").status(404));
    scene.send(&Call::get("/orders/99").status(404));
    scene.send(
        &Call::new("OPTIONS", "/orders/1")
            .field("Access-Control-Request-Method: GET")
            .status(204),
    );
    let labels = scene.send(&Call::tool("search", "{}").answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
    assert_eq!(
        labels.rpc,
        Some(("mcp".into(), "tools/call".into(), Some("search".into())))
    );
    scene.send(&Call::tool("gone", "{}").answer(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601}}"#));
    let endpoints = scene.endpoints();
    let names: Vec<_> = endpoints
        .iter()
        .map(|e| format!("{} {} {}", e.method, e.template, e.protocol))
        .collect();
    assert_eq!(
        names,
        ["POST /mcp#tools/call:search mcp", "GET /orders/{int} http"]
    );
    let orders = &endpoints[1];
    assert_eq!(
        (orders.exchanges, orders.status, orders.callers, orders.agents),
        (12, [0, 10, 0, 2, 0], 2, 1),
        "an order of another form that is not there counts here too"
    );
    assert_eq!(orders.auth, [("jwt".to_owned(), 10), ("none".to_owned(), 2)]);
    assert_eq!((orders.latency_us.count, orders.latency_us.p50), (12, 5000));
    assert_eq!(orders.response_types, [("application/json".to_owned(), 12)]);
}

#[test]
fn an_exchange_without_a_request_is_counted_and_names_nobody() {
    let mut analyzer = Analyzer::new(Settings::default());
    let exchange = ExchangeBuilder::new(Timestamp(1))
        .response("HTTP/1.1 200 OK\n", "x")
        .build();
    let labels = analyzer.observe(&exchange);
    assert_eq!((labels.principal, labels.exchange.len()), (None, 24));
    assert!(analyzer.counters().contains(&("exchanges_without_request", 1)));
}

#[test]
fn tables_are_bounded_and_say_what_made_way() {
    let settings = Settings {
        max_endpoints: 50,
        max_principals: 50,
        max_findings: 50,
        ..Settings::default()
    };
    let mut scene = Scene::with(settings);
    for n in 0..600u32 {
        let word = |n: u32| {
            format!(
                "{}{}",
                char::from(b'a' + (n % 26) as u8),
                char::from(b'a' + (n / 26) as u8)
            )
        };
        let call = Call::get(format!("/{}/{}", word(n % 150), word(n)));
        scene.send(
            &call
                .bearer(&format!("opaque-token-{n}"))
                .field("Cookie: x=1")
                .host(&format!("{}.example", word(n))),
        );
        scene.send(&Call::get(format!("/{}?access_token=abcdefgh{n}", word(n))).status(404));
    }
    assert!(scene.endpoints().len() <= 50 && scene.principals().len() <= 50);
    assert!(scene.findings().len() <= 50);
    for name in ["endpoints_evicted", "principals_evicted", "findings_evicted"] {
        assert!(
            scene
                .analyzer
                .counters()
                .iter()
                .any(|(n, count)| *n == name && *count > 0),
            "{name}"
        );
    }
}

#[test]
fn rows_of_another_version_or_kind_are_refused() {
    let mut scene = Scene::new();
    scene.send(&Call::get("/orders/1").bearer(&agent_token("a", 0)).status(200));
    scene.send(&Call::get("/x").status(404));
    let rows: Vec<_> = scene.analyzer.take_changes().collect();
    assert!(rows.is_sorted_by_key(|c| (c.table, &c.key)) && scene.analyzer.take_changes().next().is_none());
    let mut fresh = Analyzer::new(Settings::default());
    for change in rows {
        let value = String::from_utf8(change.value.clone().unwrap()).unwrap();
        let own = format!(r#""v":{}"#, crate::STORE_VERSION);
        let newer = value.replacen(&own, r#""v":99"#, 1);
        for (key, value) in [
            (change.key.as_str(), newer.as_str()),
            (&change.key, "{"),
            (&change.key, ""),
            ("zz", &value),
            ("other/0", &value),
        ] {
            assert!(
                fresh.restore(change.table, key, value.as_bytes()).is_err(),
                "{key}"
            );
        }
    }
    assert!(
        fresh.endpoints().next().is_none()
            && fresh.principals().next().is_none()
            && fresh.take_changes().next().is_none()
    );
}

/// A little of everything, by number.
fn pick(n: u16) -> Call {
    let id = u32::from(n) * 37 % 1000;
    match n % 12 {
        0 => Call::get(format!("/orders/{id}")).bearer(&agent_token("a", 0)),
        1 => Call::get(format!("/orders/{n}")).bearer(&agent_token("b", u64::from(n % 3))),
        2 => Call::get(format!(
            "/users/{}{}",
            char::from(b'a' + (n % 25) as u8),
            char::from(b'a' + (n / 25 % 25) as u8)
        )),
        3 => Call::get(format!("/{n}x")).status(404),
        4 => Call::get("/orders")
            .bearer(&agent_token("a", 0))
            .answer(format!(r#"{{"id":{id},"card_number":"4539578763621486"}}"#)),
        5 => Call::tool("get", &format!(r#"{{"order_id":{id}}}"#)).bearer("opaque-token"),
        6 => Call::get("/a").field("Authorization: Basic YWRtaW46aHVudGVyMg=="),
        7 => Call::get(format!("/gone/{}", char::from(b'a' + (n % 25) as u8))).status(404),
        8 => Call::get("/a")
            .bearer("opaque-token")
            .from(if n.is_multiple_of(5) {
                "203.0.113.9"
            } else {
                "10.0.0.5"
            }),
        9 => Call::new("POST", "/legacy/refunds").body("x"),
        10 => Call::get(format!("/orders/{id}"))
            .status(if n.is_multiple_of(3) { 404 } else { 200 })
            .bearer(&agent_token("c", 0)),
        _ => Call::get(format!("/orders/{n}"))
            .bearer(&agent_token("a", 0))
            .from("10.0.1.5"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stopping_and_starting_again_changes_nothing(numbers in proptest::collection::vec(0u16..3000, 1..400), cut in 0.0..1.0f64, small in any::<bool>()) {
        let settings = || if small {
            Settings { max_endpoints: 12, max_principals: 8, max_findings: 8, learn_exchanges: 20, learn_period: std::time::Duration::from_secs(60), ..Settings::default() }
        } else {
            Settings { learn_exchanges: 20, learn_period: std::time::Duration::from_secs(60), ..Settings::default() }
        };
        let cut = (numbers.len() as f64 * cut) as usize;
        let mut whole = Scene::with(settings());
        let mut first = Scene::with(settings());
        let mut rows = std::collections::BTreeMap::new();
        for (place, n) in numbers.iter().enumerate() {
            let (a, b) = (whole.send(&pick(*n)), first.send(&pick(*n)));
            prop_assert_eq!(a, b);
            if place % 7 == 0 || place + 1 == cut || place >= cut {
                for change in first.analyzer.take_changes() {
                    match change.value {
                        Some(value) => rows.insert((change.table, change.key), value),
                        None => rows.remove(&(change.table, change.key)),
                    };
                }
            }
            if place + 1 == cut {
                let mut again = Analyzer::new(settings());
                for ((table, key), value) in &rows {
                    again.restore(*table, key, value).unwrap();
                }
                first.analyzer = again;
            }
        }
        whole.analyzer.finish();
        first.analyzer.finish();
        prop_assert_eq!(whole.endpoints(), first.endpoints());
        prop_assert_eq!(whole.principals(), first.principals());
        prop_assert_eq!(whole.findings(), first.findings());
        prop_assert_eq!(whole.told, first.told);
        let state: std::collections::BTreeMap<_, _> = whole.analyzer.take_changes().filter_map(|c| Some(((c.table, c.key), c.value?))).collect();
        for change in first.analyzer.take_changes() {
            match change.value {
                Some(value) => rows.insert((change.table, change.key), value),
                None => rows.remove(&(change.table, change.key)),
            };
        }
        prop_assert_eq!(state, rows);
    }
}

#[test]
fn damage_lowers_confidence_and_is_said() {
    let mut scene = Scene::new();
    let call = Call::get("/a?access_token=0123456789abcdef");
    scene.send(&call.clone().flags(Flags::GAP));
    let found = &scene.found(Kind::WeakAuth)[0];
    assert_eq!(
        (found.severity, found.capture.as_slice()),
        (Severity::Medium, ["gap".to_owned()].as_slice())
    );
    assert!(found.confidence < 0.8, "{}", found.confidence);
    assert_eq!(scene.endpoints()[0].damaged, 1);
    assert_eq!(scene.endpoints()[0].response_bytes.count, 0);
    assert_eq!(Table::ALL.map(Table::name).len(), 4);
}

#[test]
fn who_calls_does_not_depend_on_what_came_before() {
    let token = Call::get("/a?access_token=0123456789abcdef").status(200);
    let signed = Call::get("/a?sig=0123456789abcdef").status(200);
    let mut fresh = Scene::new();
    let alone = fresh.send(&token).principal;
    let mut scene = Scene::new();
    let other = scene.send(&signed).principal;
    assert_eq!(scene.send(&token).principal, alone);
    assert_ne!(other, alone);
}

#[test]
fn any_name_can_be_that_of_an_api_key() {
    for name in ["My-Api-Key", "Our-Api-Key", "Mcp-Name2", "X-K", "Authorization-2"] {
        let mut scene = Scene::with(Settings {
            api_key_headers: vec![name.to_lowercase()],
            ..Settings::default()
        });
        scene.send(
            &Call::get("/a")
                .field(&format!("{name}: 0123456789abcdef"))
                .status(200),
        );
        assert_eq!(scene.principals()[0].auth, [("api_key".to_owned(), 1)], "{name}");
    }
}
