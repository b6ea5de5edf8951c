//! What each detector reports, and above all what it does not.

use reassembly::Ambiguities;

use crate::testing::{Call, START, Scene, agent_token, jwt, jwt_with};
use crate::{Kind, Settings, Severity};

fn severities(scene: &Scene, kind: Kind) -> Vec<Severity> {
    scene.found(kind).iter().map(|f| f.severity).collect()
}

mod missing_auth {
    use super::*;

    fn guarded(scene: &mut Scene, path: &str, calls: u64) {
        let token = agent_token("a", 0);
        for n in 0..calls {
            let id = n * 7919 % 10_007;
            scene.send(&Call::get(format!("{path}/{id}")).bearer(&token));
        }
    }

    #[test]
    fn an_endpoint_that_others_need_a_credential_for() {
        let mut scene = Scene::new();
        guarded(&mut scene, "/orders", 12);
        scene.send(&Call::get("/orders/5").status(401));
        assert!(scene.found(Kind::MissingAuth).is_empty(), "401 is no exposure");
        scene.send(&Call::get("/orders/5"));
        assert_eq!(severities(&scene, Kind::MissingAuth), [Severity::Medium]);
    }

    #[test]
    fn a_shadow_endpoint_that_changes_state() {
        let mut scene = Scene::new();
        guarded(&mut scene, "/orders", 60);
        for _ in 0..3 {
            scene.send(&Call::new("POST", "/legacy/refunds").body("x"));
        }
        assert_eq!(severities(&scene, Kind::MissingAuth), [Severity::High]);
    }

    #[test]
    fn quiet_for_what_is_open_by_purpose() {
        let mut scene = Scene::new();
        guarded(&mut scene, "/orders", 60);
        for path in [
            "/login",
            "/oauth/token",
            "/health",
            "/static/app.js",
            "/.well-known/jwks.json",
            "/docs/x",
            "/",
        ] {
            for method in ["GET", "POST", "OPTIONS"] {
                for _ in 0..5 {
                    scene.send(&Call::new(method, path));
                    scene.send(&Call::new(method, path).status(302));
                }
            }
        }
        scene.send(&Call::new("POST", "/sessions").answer_field("Set-Cookie: session=abcdefgh12345678"));
        assert_eq!(scene.words(), Vec::<String>::new());
    }

    #[test]
    fn quiet_on_a_host_where_nobody_authenticates() {
        let mut scene = Scene::new();
        for n in 0..100 {
            scene.send(&Call::new("POST", format!("/things/{n}")));
        }
        assert!(scene.found(Kind::MissingAuth).is_empty());
    }
}

mod weak_auth {
    use super::*;

    #[test]
    fn reasons_and_severities() {
        let alg_none = jwt_with(
            r#"{"alg":"none"}"#,
            &format!(r#"{{"sub":"a","iat":{START},"exp":{}}}"#, START + 60),
        );
        for (call, want) in [
            (
                Call::get("/a").field("Authorization: Basic YWRtaW46aHVudGVyMg=="),
                vec![Severity::Medium],
            ),
            (
                Call::get("/a")
                    .field("Authorization: Basic YWRtaW46aHVudGVyMg==")
                    .field("X-Forwarded-Proto: https"),
                vec![Severity::Info],
            ),
            (
                Call::get("/a").field("X-Api-Key: 0123456789abcdef"),
                vec![Severity::Low],
            ),
            (Call::get("/a").bearer(&alg_none), vec![Severity::High]),
            (Call::get("/a").bearer(&alg_none).status(401), vec![]),
            (
                Call::get("/a?access_token=0123456789abcdef"),
                vec![Severity::Medium],
            ),
            (Call::get("/a?page_token=0123456789abcdef"), vec![]),
            (Call::get("/a?sig=0123456789abcdef0123"), vec![]),
            (Call::get("/a").bearer(&agent_token("a", 0)), vec![]),
            (
                Call::get("/a")
                    .field("Authorization: Basic YWRtaW46aHVudGVyMg==")
                    .from("127.0.0.1"),
                vec![],
            ),
            (
                Call::get("/a")
                    .field("Authorization: Basic YWRtaW46aHVudGVyMg==")
                    .over_tls(),
                vec![],
            ),
            (
                Call::get("/a").field("X-Api-Key: 0123456789abcdef").over_tls(),
                vec![],
            ),
            (
                Call::get("/a?access_token=0123456789abcdef").over_tls(),
                vec![Severity::Medium],
            ),
        ] {
            let mut scene = Scene::new();
            for _ in 0..5 {
                scene.send(&call);
            }
            assert_eq!(severities(&scene, Kind::WeakAuth), want, "{call:?}");
            assert_eq!(
                scene.told.iter().filter(|f| f.kind == Kind::WeakAuth).count(),
                want.len(),
                "told once"
            );
        }
    }
}

mod tokens {
    use super::*;

    fn token(iat: u64, exp: Option<u64>) -> String {
        let exp = exp.map_or(String::new(), |e| format!(r#","exp":{e}"#));
        jwt(&format!(r#"{{"sub":"a","iat":{iat}{exp}}}"#))
    }

    #[test]
    fn lifetimes() {
        let day = 86_400;
        for (exp, want) in [
            (None, vec![Severity::Medium]),
            (Some(START + 3600), vec![]),
            (Some(START + day), vec![]),
            (Some(START + 3 * day), vec![Severity::Low]),
            (Some(START + 3650 * day), vec![Severity::Medium]),
        ] {
            let mut scene = Scene::new();
            scene.send(&Call::get("/a").bearer(&token(START, exp)).status(401));
            assert!(scene.found(Kind::TokenLongLived).is_empty(), "refused");
            for n in 0..3 {
                // Renewed tokens of one principal are one finding.
                scene.send(&Call::get("/a").bearer(&token(START + n, exp.map(|e| e + n))));
            }
            assert_eq!(severities(&scene, Kind::TokenLongLived), want, "{exp:?}");
        }
    }

    #[test]
    fn expiry() {
        for (late, status, want) in [
            (3600, 200, vec![Severity::High]),
            (120, 200, vec![Severity::Medium]),
            (30, 200, vec![]),
            (3600, 401, vec![]),
            (3600, 302, vec![]),
        ] {
            let mut scene = Scene::new();
            let old = token(START - 7200, Some(START + 1 - late));
            scene.send(&Call::get("/a").bearer(&old).status(status));
            assert_eq!(
                severities(&scene, Kind::ExpiredTokenAccepted),
                want,
                "{late} {status}"
            );
        }
        let mut scene = Scene::new();
        scene.send(&Call::get("/a"));
        scene.send(&Call::get("/a").bearer(&token(START - 7200, Some(START - 3600))));
        assert_eq!(
            severities(&scene, Kind::ExpiredTokenAccepted),
            [Severity::Low],
            "open to everybody"
        );
        let mut scene = Scene::new();
        scene.send(&Call::new("POST", "/oauth/token").bearer(&token(START - 7200, Some(START - 3600))));
        assert!(scene.words().is_empty(), "renewal");
    }
}

mod credential_shared {
    use super::*;

    fn uses(steps: &[(&str, &str, u64)]) -> Scene {
        let mut scene = Scene::new();
        let token = agent_token("a", 0);
        for (client, agent, wait) in steps {
            scene.wait(*wait);
            scene.send(&Call::get("/a").bearer(&token).from(client).agent(agent));
        }
        scene
    }

    const A: (&str, &str) = ("10.0.0.5", "python-requests/2.32");

    #[test]
    fn another_network_or_program_within_minutes() {
        let far = uses(&[
            (A.0, A.1, 0),
            (A.0, A.1, 60),
            (A.0, A.1, 300),
            ("203.0.113.9", "curl/8.1", 60),
        ]);
        assert_eq!(
            severities(&far, Kind::CredentialShared),
            [Severity::High],
            "found on its second use"
        );
        let same_program = uses(&[
            (A.0, A.1, 0),
            (A.0, A.1, 60),
            (A.0, A.1, 300),
            ("203.0.113.9", A.1, 60),
        ]);
        assert_eq!(
            severities(&same_program, Kind::CredentialShared),
            [Severity::Medium]
        );
        let back = uses(&[
            (A.0, A.1, 0),
            (A.0, A.1, 600),
            ("203.0.113.9", A.1, 1200),
            (A.0, A.1, 1200),
        ]);
        assert_eq!(
            severities(&back, Kind::CredentialShared),
            [Severity::Medium],
            "back and forth"
        );
    }

    #[test]
    fn quiet_when_one_client_moves() {
        let lease = uses(&[
            (A.0, A.1, 0),
            (A.0, A.1, 300),
            ("10.0.0.77", A.1, 30),
            ("10.0.0.77", A.1, 30),
        ]);
        assert!(lease.words().is_empty(), "{:?}", lease.words());
        let laptop = uses(&[
            (A.0, A.1, 0),
            (A.0, A.1, 300),
            ("203.0.113.9", A.1, 1800),
            ("203.0.113.9", A.1, 30),
        ]);
        assert!(laptop.words().is_empty());
        let handed = uses(&[
            (A.0, A.1, 0),
            ("203.0.113.9", "curl/8.1", 5),
            ("203.0.113.9", "curl/8.1", 60),
        ]);
        assert!(handed.words().is_empty());
    }

    #[test]
    fn quiet_behind_a_shared_exit_and_for_roaming_people() {
        let settings = Settings {
            shared_egress: vec!["203.0.113.0/24".into(), "10.0.0.0/8".into()],
            ..Settings::default()
        };
        let mut scene = Scene::with(settings);
        let token = agent_token("a", 0);
        for n in 0..20 {
            let client = if n % 2 == 0 { "203.0.113.9" } else { "10.0.0.5" };
            scene.send(&Call::get("/a").bearer(&token).from(client));
        }
        assert!(scene.words().is_empty());
        let mut scene = Scene::new();
        let chrome = "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 Chrome/126.0 Safari/537.36";
        for (client, times) in [("198.51.100.7", 5), ("203.0.113.9", 5)] {
            for _ in 0..times {
                scene.send(
                    &Call::get("/a")
                        .field("Cookie: session=0123456789abcdef")
                        .agent(chrome)
                        .from(client),
                );
            }
        }
        assert!(scene.words().is_empty());
    }

    #[test]
    fn clients_per_credential_are_bounded() {
        let mut scene = Scene::new();
        let token = agent_token("a", 0);
        for n in 0..500 {
            scene.send(
                &Call::get("/a")
                    .bearer(&token)
                    .from(&format!("10.{}.{}.1", n / 250, n % 250)),
            );
        }
        let rows: Vec<_> = scene.analyzer.take_changes().collect();
        let row = rows
            .iter()
            .find(|c| c.table == crate::Table::Credentials)
            .and_then(|c| c.value.as_ref())
            .unwrap();
        assert!(row.len() < 8_000, "{}", row.len());
        assert_eq!(scene.found(Kind::CredentialShared).len(), 1);
    }
}

mod bola_enumeration {
    use super::*;

    fn items(from: u32, count: u32) -> String {
        let rows: Vec<_> = (from..from + count)
            .map(|n| format!(r#"{{"order_id":{n},"total":12.5}}"#))
            .collect();
        format!(r#"{{"items":[{}]}}"#, rows.join(","))
    }

    /// Others use the endpoint as it is meant to be used.
    fn peers(scene: &mut Scene) {
        for peer in 0..4u32 {
            let token = agent_token(&format!("peer{peer}"), 0);
            for n in 0..5 {
                scene.send(&Call::get(format!("/orders/{}", 90_000 + peer * 977 + n * 131)).bearer(&token));
            }
        }
    }

    #[test]
    fn counting_through_orders_is_found_within_forty() {
        for (path, step) in [
            ("/orders/", 1u32),
            ("/orders/ord_", 1),
            ("/api/orders?order_id=", 2),
        ] {
            let mut scene = Scene::new();
            peers(&mut scene);
            let token = agent_token("walker", 0);
            let mut at = None;
            for n in 0..40u32 {
                let id = 41_000 + n * step;
                scene.send(
                    &Call::get(format!("{path}{id}"))
                        .bearer(&token)
                        .answer(format!(r#"{{"order_id":{id}}}"#)),
                );
                if at.is_none() && !scene.found(Kind::BolaEnumeration).is_empty() {
                    at = Some(n + 1);
                }
            }
            assert!(at.is_some_and(|n| n <= 40), "{path}: {at:?}");
            assert_eq!(
                severities(&scene, Kind::BolaEnumeration),
                [Severity::High],
                "{path}"
            );
        }
    }

    #[test]
    fn guessing_is_found_by_its_failures() {
        for tool in [false, true] {
            let mut scene = Scene::new();
            let token = agent_token("guesser", 0);
            let mut at = None;
            for n in 0..40u64 {
                let code = format!("Q{:05}Z", (n * 7919 + 13) % 100_000);
                let call = if tool {
                    Call::tool("get_booking", &format!(r#"{{"booking_id":"{code}"}}"#))
                        .answer(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}"#)
                } else {
                    Call::get(format!("/bookings/{code}")).status(404)
                };
                scene.send(&Call::get("/bookings/B00001").bearer(&token));
                scene.send(&call.bearer(&token));
                if at.is_none() && !scene.found(Kind::BolaEnumeration).is_empty() {
                    at = Some(n + 1);
                }
            }
            assert!(at.is_some_and(|n| n <= 12), "{tool} {at:?}");
            assert_eq!(severities(&scene, Kind::BolaEnumeration), [Severity::Medium]);
        }
    }

    #[test]
    fn quiet_for_listed_items_and_pages() {
        let mut scene = Scene::new();
        peers(&mut scene);
        let token = agent_token("reader", 0);
        for page in 0..5 {
            scene.send(
                &Call::get(format!("/orders?page={page}&limit=40"))
                    .bearer(&token)
                    .answer(items(1000 + page * 40, 40)),
            );
            for n in 0..40 {
                let id = 1000 + page * 40 + n;
                scene.send(
                    &Call::get(format!("/orders/{id}"))
                        .bearer(&token)
                        .answer(format!(r#"{{"order_id":{id}}}"#)),
                );
            }
        }
        assert_eq!(scene.words(), Vec::<String>::new());
    }

    #[test]
    fn quiet_for_listed_items_inside_tool_results() {
        let mut scene = Scene::new();
        let token = agent_token("reader", 0);
        let text = items(7000, 60).replace('"', "\\\"");
        let list = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
        );
        scene.send(&Call::tool("list_orders", "{}").bearer(&token).answer(list));
        for id in 7000..7060 {
            scene.send(&Call::tool("get_order", &format!(r#"{{"order_id":"{id}"}}"#)).bearer(&token));
        }
        assert_eq!(scene.words(), Vec::<String>::new());
    }

    #[test]
    fn quiet_for_a_job_that_does_what_it_did_before() {
        let mut scene = Scene::with(Settings {
            learn_exchanges: 50,
            ..Settings::default()
        });
        for night in 0..4u64 {
            let token = agent_token("job", night * 24);
            scene.now = (START + night * 86_400 + 60) * 1_000_000_000;
            for n in 0..60 {
                let id = 5000 + night * 60 + n; // each night the next sixty
                scene.wait(20);
                scene.send(&Call::get(format!("/orders/{id}")).bearer(&token));
            }
        }
        // The first night cannot be told from a walk; the other three are known.
        assert_eq!(scene.words(), ["bola_enumeration high"]);
    }

    #[test]
    fn quiet_for_one_object_asked_for_again_and_again() {
        let mut scene = Scene::new();
        let token = agent_token("retry", 0);
        scene.send(&Call::get("/orders/7").bearer(&token));
        for _ in 0..200 {
            scene.send(&Call::get("/orders/8").bearer(&token).status(404));
        }
        assert!(scene.words().is_empty(), "{:?}", scene.words());
    }

    #[test]
    fn memory_is_bounded() {
        let mut scene = Scene::new();
        let token = agent_token("wild", 0);
        for n in 0..4000u64 {
            scene.send(&Call::get(format!("/r{}/{}", n % 100, n * 7919)).bearer(&token));
        }
        let rows: Vec<_> = scene.analyzer.take_changes().collect();
        let largest = rows
            .iter()
            .filter(|c| c.table == crate::Table::Principals)
            .filter_map(|c| c.value.as_ref())
            .map(Vec::len)
            .max();
        assert!(largest.unwrap() < 400_000, "{largest:?}");
    }
}

mod rate_anomaly {
    use super::*;

    fn hour(scene: &mut Scene, hour: u64, calls: u64, over: u64) {
        let token = agent_token("steady", hour);
        let start = (START + hour * 3600) * 1_000_000_000;
        for n in 0..calls {
            scene.now = start + n * over * 1_000_000_000 / calls;
            scene.send(&Call::get("/a").bearer(&token));
        }
    }

    fn settings() -> Settings {
        Settings {
            learn_exchanges: 200,
            ..Settings::default()
        }
    }

    #[test]
    fn a_step_to_five_times_is_found_and_the_usual_is_not() {
        let mut scene = Scene::with(settings());
        for h in 0..30 {
            hour(&mut scene, h, 600 + (h % 5) * 20, 3600);
        }
        assert_eq!(scene.words(), Vec::<String>::new());
        hour(&mut scene, 30, 3000, 3600);
        assert_eq!(severities(&scene, Kind::RateAnomaly), [Severity::Medium]);
        let found = &scene.found(Kind::RateAnomaly)[0];
        assert!(
            found.detected_at < (START + 30 * 3600 + 150) * 1_000_000_000,
            "within two minutes and a half"
        );
    }

    #[test]
    fn a_nightly_job_is_learned() {
        let mut scene = Scene::with(settings());
        for day in 0..10 {
            for h in [9, 10, 11, 14, 15] {
                hour(&mut scene, day * 24 + h, 40, 3600);
            }
            hour(&mut scene, day * 24 + 18, 900, 600);
        }
        assert!(scene.found(Kind::RateAnomaly).is_empty(), "{:?}", scene.told);
    }

    #[test]
    fn nobody_is_judged_before_being_learned() {
        let mut scene = Scene::with(settings());
        hour(&mut scene, 0, 100, 3600);
        hour(&mut scene, 1, 3000, 600);
        assert!(scene.found(Kind::RateAnomaly).is_empty());
    }
}

mod endpoint_discovery_scan {
    use super::*;

    #[test]
    fn a_word_list_is_found_within_twenty_paths() {
        let mut scene = Scene::new();
        let mut at = None;
        for n in 0..30u8 {
            let path = format!("/{}x{}", char::from(b'a' + n % 26), char::from(b'a' + n / 26));
            scene.send(&Call::get(path).status(404).agent(&format!("tool-{n}/1")));
            if at.is_none() && !scene.found(Kind::EndpointDiscoveryScan).is_empty() {
                at = Some(n + 1);
            }
        }
        assert!(at.is_some_and(|n| n <= 20), "{at:?}");
        assert_eq!(scene.found(Kind::EndpointDiscoveryScan).len(), 1);
        assert!(scene.endpoints().is_empty(), "a scan makes no endpoints");
    }

    #[test]
    fn a_token_made_up_for_each_request_hides_nobody() {
        let mut scene = Scene::new();
        for n in 0..30u8 {
            let path = format!("/{}x{}", char::from(b'a' + n % 26), char::from(b'a' + n / 26));
            scene.send(&Call::get(path).status(404).bearer(&format!("made-up-0000-{n}")));
        }
        assert_eq!(scene.found(Kind::EndpointDiscoveryScan).len(), 1);
    }

    #[test]
    fn known_probes_raise_the_severity() {
        let mut scene = Scene::new();
        for path in [
            "/.env",
            "/.git/config",
            "/wp-login.php",
            "/phpmyadmin/",
            "/a",
            "/b",
            "/c",
            "/d",
            "/e",
            "/f",
            "/g",
            "/h",
        ] {
            scene.send(&Call::get(path).status(404));
        }
        assert_eq!(severities(&scene, Kind::EndpointDiscoveryScan), [Severity::High]);
    }

    #[test]
    fn quiet_for_missing_ids_parts_of_pages_and_repeats() {
        let mut scene = Scene::new();
        for n in 0..100u32 {
            scene.send(&Call::get(format!("/orders/{n}")).status(404));
            scene.send(&Call::get(format!("/img/{n}/pic{n}.png")).status(404));
            scene.send(&Call::get("/old/page").status(404));
        }
        assert!(scene.found(Kind::EndpointDiscoveryScan).is_empty());
        let mut scene = Scene::new();
        for n in 0..30u8 {
            scene.send(&Call::get(format!("/gone/{}", char::from(b'a' + n % 26))).status(404));
            for _ in 0..4 {
                scene.send(&Call::get("/known"));
            }
        }
        assert!(
            scene.found(Kind::EndpointDiscoveryScan).is_empty(),
            "among many good calls"
        );
    }

    #[test]
    fn state_is_bounded() {
        let mut scene = Scene::new();
        for n in 0..3000u32 {
            scene.send(
                &Call::get(format!(
                    "/{}",
                    format!("{n:o}").replace(|c: char| c.is_ascii_digit(), "q")
                        + &"z".repeat(n as usize % 50)
                ))
                .status(404),
            );
        }
        for change in scene.analyzer.take_changes() {
            assert!(change.value.is_none_or(|v| v.len() < 20_000));
        }
    }
}

mod new_endpoint_for_principal {
    use super::*;

    fn learned(scene: &mut Scene) {
        for day in 0..3u64 {
            scene.now = (START + day * 86_400) * 1_000_000_000;
            for n in 0..100 {
                let token = agent_token("a", day * 24);
                scene.send(&Call::get("/orders/7").bearer(&token));
                if n % 10 == 0 {
                    scene.send(&Call::new("DELETE", "/orders/8").bearer(&agent_token("janitor", day * 24)));
                }
            }
        }
    }

    #[test]
    fn a_known_dangerous_endpoint_is_medium_and_a_fresh_one_info() {
        let mut scene = Scene::new();
        learned(&mut scene);
        assert!(scene.words().is_empty());
        let token = agent_token("a", 48);
        scene.send(&Call::new("DELETE", "/orders/9").bearer(&token).status(403));
        assert!(scene.words().is_empty(), "refused");
        scene.send(&Call::new("DELETE", "/orders/9").bearer(&token));
        scene.send(&Call::new("DELETE", "/orders/9").bearer(&token));
        assert_eq!(
            severities(&scene, Kind::NewEndpointForPrincipal),
            [Severity::Medium]
        );
        scene.send(&Call::get("/brand/fresh").bearer(&token));
        assert_eq!(
            severities(&scene, Kind::NewEndpointForPrincipal),
            [Severity::Medium, Severity::Info]
        );
    }

    #[test]
    fn quiet_before_learning_and_for_explorers() {
        let mut scene = Scene::new();
        let token = agent_token("a", 0);
        for n in 0..26u8 {
            scene.send(&Call::new("POST", format!("/x/{}", char::from(b'a' + n))).bearer(&token));
        }
        assert!(scene.words().is_empty());
        let mut scene = Scene::new();
        for day in 0..3u64 {
            scene.now = (START + day * 86_400) * 1_000_000_000;
            for n in 0..100u64 {
                let path = format!(
                    "/x{}/y{}",
                    char::from(b'a' + (n % 20) as u8),
                    char::from(b'a' + (day * 5 + n / 20) as u8)
                );
                scene.send(&Call::new("POST", path).bearer(&agent_token("explorer", day * 24)));
            }
        }
        assert!(
            scene.found(Kind::NewEndpointForPrincipal).is_empty(),
            "{:?}",
            scene.words()
        );
    }
}

mod sensitive_data_exposure {
    use super::*;

    const CARDS: [&str; 3] = ["4539578763621486", "4716108999716531", "5425233430109903"];

    #[test]
    fn cards_in_responses() {
        let mut scene = Scene::new();
        let token = agent_token("a", 0);
        for (n, card) in CARDS.iter().enumerate() {
            scene.send(
                &Call::get(format!("/customers/{n}"))
                    .bearer(&token)
                    .answer(format!(r#"{{"card_number":"{card}"}}"#)),
            );
        }
        assert_eq!(severities(&scene, Kind::SensitiveDataExposure), [Severity::High]);
        let json = serde_json::to_string(&scene.findings()).unwrap();
        assert!(CARDS.iter().all(|card| !json.contains(card)) && json.contains("45************86"));
    }

    #[test]
    fn each_class_weighs_by_what_its_loss_means() {
        let key = r#"{"aws":"AKIAQ3EGR7XW2LMN5TPD"}"#;
        let codes = r#"{"icd10":["E11.9","I10","J45.2"]}"#;
        let patient = r#"{"icd10":["E11.9","I10","J45.2"],"dob":"1980-02-03"}"#;
        let phone = r#"{"phone":"+493012345678","address":"12 Main Street"}"#;
        let secrets = r#"{"api_key":["Zk3vQ9xW2mN7pL5tR8yB","Hq4cT6sF1jD9gK2wE7uV","Xb8nM3zA5rP6oI1yU4tC"]}"#;
        for (path, body, want) in [
            ("/config", key, vec![Severity::High]),
            ("/codes", codes, vec![Severity::Low]),
            ("/patients", patient, vec![Severity::High]),
            ("/shops", phone, vec![]),
            ("/services", secrets, vec![Severity::Medium]),
            ("/oauth/token", secrets, vec![]),
        ] {
            let mut scene = Scene::new();
            for _ in 0..2 {
                scene.send(&Call::get(path).answer(body).bearer(&agent_token("a", 0)));
            }
            assert_eq!(severities(&scene, Kind::SensitiveDataExposure), want, "{path}");
        }
    }

    #[test]
    fn quiet_for_ids_times_test_cards_and_few_addresses() {
        let mut scene = Scene::new();
        for n in 0..50u64 {
            let time = 1_773_043_200_000 + n * 977;
            let body = format!(
                r#"{{"created":{time},"order":"{}","test_card":"4111111111111111","mail":"ann{n}@corp.test","tracking":"{}"}}"#,
                4_000_000_000_000_000u64 + n * 104_729,
                940_010_000_000_000_000_000u128 + u128::from(n)
            );
            scene.send(&Call::get(format!("/orders/{}", n * 7919 % 10_007)).answer(body));
        }
        assert_eq!(scene.words(), Vec::<String>::new());
    }

    #[test]
    fn addresses_in_bulk_are_low_and_a_dump_for_anybody_is_medium() {
        let dump = |count: u32| (0..count).map(|n| format!("u{n}@corp.test,")).collect::<String>();
        let mut scene = Scene::new();
        for _ in 0..2 {
            scene.send(&Call::get("/team").answer(dump(30)).bearer(&agent_token("a", 0)));
        }
        assert_eq!(severities(&scene, Kind::SensitiveDataExposure), [Severity::Low]);
        let mut scene = Scene::new();
        scene.send(&Call::get("/team").answer(dump(300)));
        assert_eq!(
            severities(&scene, Kind::SensitiveDataExposure),
            [Severity::Medium]
        );
    }
}

mod request_smuggling_indicator {
    use super::*;

    #[test]
    fn requests_at_fault_are_reported_and_responses_are_not() {
        let both = Call::new("POST", "/a")
            .field("Content-Length: 4")
            .field("Transfer-Encoding: chunked");
        for (call, flag, want) in [
            (both.clone(), Ambiguities::LENGTH_AND_CODING, vec![Severity::High]),
            (
                Call::new("POST", "/a")
                    .field("Content-Length: 4")
                    .field("Content-Length: 5"),
                Ambiguities::LENGTHS_DIFFER,
                vec![Severity::High],
            ),
            (
                Call::new("POST", "/a").field("Content-Length: +4"),
                Ambiguities::LENGTH_MALFORMED,
                vec![Severity::Medium],
            ),
            (Call::get("/a"), Ambiguities::FOLDED, vec![]),
            (Call::get("/a"), Ambiguities::BARE_LF, vec![]),
            (Call::get("/a"), Ambiguities::NUL, vec![Severity::Medium]),
        ] {
            let mut scene = Scene::new();
            for _ in 0..3 {
                scene.send(&call.clone().ambiguous(flag));
            }
            assert_eq!(
                severities(&scene, Kind::RequestSmugglingIndicator),
                want,
                "{call:?}"
            );
        }
        let mut scene = Scene::new();
        scene.send(&both);
        assert!(scene.words().is_empty(), "not marked");
        for flag in [
            Ambiguities::NUL,
            Ambiguities::BARE_CR,
            Ambiguities::SPACE_BEFORE_COLON,
            Ambiguities::LENGTH_AND_CODING,
        ] {
            scene.send(&both.clone().ambiguous_answer(flag));
        }
        assert!(scene.words().is_empty(), "the response is at fault");
    }
}
