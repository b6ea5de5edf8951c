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
        assert_eq!(scene.words(), ["retry_storm high"]);
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
        let told = |f: &&crate::Finding| f.kind == Kind::RateAnomaly;
        let found = scene.told.iter().find(told).unwrap();
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

/// Who calls, and with whose credential.
mod identities {
    use super::*;
    use crate::Finding;
    use crate::inventory::Declared;
    use crate::inventory::declared::{Agents, EnvironmentRule, Environments};

    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36";

    fn registry(text: &str) -> Settings {
        let declared = Declared {
            agents: Agents::read(text).unwrap(),
            ..Declared::default()
        };
        Settings {
            declared: declared.into(),
            ..Settings::default()
        }
    }

    fn one(scene: &Scene, kind: Kind) -> Finding {
        let found = scene.found(kind);
        assert_eq!(found.len(), 1, "{:?}", scene.words());
        assert_eq!(
            scene.told.iter().filter(|f| f.id == found[0].id).count(),
            1,
            "told once"
        );
        found[0].clone()
    }

    fn at(scene: &mut Scene, hour: u64) {
        scene.now = (START + hour * 3600) * 1_000_000_000;
    }

    fn person() -> String {
        jwt(&format!(
            r#"{{"iss":"https://id","sub":"p","email":"p@corp.test","client_id":"app","iat":{START},"exp":{}}}"#,
            START + 900
        ))
    }

    fn machine() -> String {
        jwt(&format!(
            r#"{{"iss":"https://id","sub":"m@clients","azp":"m","gty":"client-credentials","iat":{START},"exp":{}}}"#,
            START + 900
        ))
    }

    fn browser() -> Call {
        Call::get("/a")
            .agent(CHROME)
            .field("Accept-Language: en")
            .field("Sec-Fetch-Mode: cors")
    }

    mod new_agent {
        use super::*;

        /// A day and more with calls enough.
        fn learned(scene: &mut Scene, hours: u64) {
            for hour in 0..hours {
                for _ in 0..10 {
                    scene.send(&Call::get("/feed").bearer(&agent_token("steady", hour)));
                }
                at(scene, hour + 1);
            }
        }

        #[test]
        fn one_that_comes_after_the_sensor_has_learned() {
            let mut scene = Scene::new();
            learned(&mut scene, 30);
            for _ in 0..5 {
                scene.send(&Call::get("/feed").bearer(&agent_token("fresh", 30)));
            }
            let found = one(&scene, Kind::NewAgent);
            assert_eq!(found.severity, Severity::Low);
            assert_eq!(found.principal.unwrap().name.as_deref(), Some("fresh"));
            assert!(found.support["watched_s"].as_u64().unwrap() >= 86_400);
        }

        #[test]
        fn quiet_while_the_sensor_is_fresh_and_for_those_it_met_then() {
            let mut scene = Scene::new();
            for n in 0..40 {
                scene.send(
                    &Call::get("/feed")
                        .bearer(&agent_token(&format!("early-{}", (b'a' + n % 26) as char), 0)),
                );
            }
            learned(&mut scene, 23);
            scene.send(&Call::get("/feed").bearer(&agent_token("on-the-first-day", 23)));
            learned(&mut scene, 60);
            scene.send(&Call::get("/feed").bearer(&agent_token("on-the-first-day", 60)));
            assert!(scene.found(Kind::NewAgent).is_empty(), "{:?}", scene.words());
        }

        #[test]
        fn quiet_after_a_day_with_too_few_calls_to_know_anybody() {
            let mut scene = Scene::new();
            scene.send(&Call::get("/feed").bearer(&agent_token("steady", 0)));
            at(&mut scene, 40);
            scene.send(&Call::get("/feed").bearer(&agent_token("fresh", 40)));
            assert!(scene.found(Kind::NewAgent).is_empty());
        }

        #[test]
        fn quiet_for_people_services_refused_calls_and_addresses() {
            let mut scene = Scene::new();
            learned(&mut scene, 30);
            scene.send(&browser().bearer(&person()));
            scene.send(&Call::get("/feed").bearer(&machine()));
            scene.send(&Call::get("/feed").bearer(&agent_token("refused", 30)).status(401));
            scene.send(&Call::get("/feed").agent("claude-cli/2.0").from("10.5.5.5"));
            assert!(scene.found(Kind::NewAgent).is_empty(), "{:?}", scene.words());
        }

        /// What was learned before a restart counts.
        #[test]
        fn a_restart_is_no_fresh_start() {
            let mut scene = Scene::new();
            learned(&mut scene, 30);
            let rows: Vec<_> = scene.analyzer.take_changes().collect();
            let mut after = Scene::new();
            for row in rows {
                after
                    .analyzer
                    .restore(row.table, &row.key, &row.value.unwrap())
                    .unwrap();
            }
            at(&mut after, 31);
            after.send(&Call::get("/feed").bearer(&agent_token("steady", 31)));
            after.send(&Call::get("/feed").bearer(&agent_token("fresh", 31)));
            one(&after, Kind::NewAgent);
        }

        /// The ceiling: once principals had to make way, one that comes back would look new.
        #[test]
        fn quiet_once_somebody_was_forgotten() {
            let returning = |max_principals| {
                let mut scene = Scene::with(Settings {
                    max_principals,
                    ..Settings::default()
                });
                scene.send(&Call::get("/feed").bearer(&agent_token("early", 0)));
                learned(&mut scene, 30);
                for n in 0..10u8 {
                    scene.send(&Call::get("/feed").bearer(&format!("opaque-token-of-nobody-{n}")));
                }
                scene.send(&Call::get("/feed").bearer(&agent_token("early", 30)));
                scene.send(&Call::get("/feed").bearer(&agent_token("late", 30)));
                scene.found(Kind::NewAgent).len()
            };
            assert_eq!(returning(100), 1, "the late one");
            assert_eq!(returning(4), 0);
        }
    }

    mod shadow_agent {
        use super::*;

        const REGISTRY: &str = "[[agent]]\nname = 'refunds'\nclient = 'refund-*'\n";

        #[test]
        fn one_that_is_not_registered() {
            let mut scene = Scene::with(registry(REGISTRY));
            for _ in 0..3 {
                scene.send(&Call::get("/a").bearer(&agent_token("other-agent", 0)));
                scene.send(&Call::get("/a").bearer(&agent_token("refund-agent", 0)));
            }
            let found = one(&scene, Kind::ShadowAgent);
            assert_eq!((found.severity, found.count), (Severity::Medium, 3));
            assert_eq!(found.principal.unwrap().name.as_deref(), Some("other-agent"));
        }

        #[test]
        fn quiet_without_a_registry_and_for_those_who_are_no_agents() {
            let mut scene = Scene::new();
            scene.send(&Call::get("/a").bearer(&agent_token("other-agent", 0)));
            assert!(scene.found(Kind::ShadowAgent).is_empty());
            let mut scene = Scene::with(registry(REGISTRY));
            scene.send(&Call::get("/a").bearer(&machine()));
            scene.send(&browser().bearer(&person()));
            scene.send(&Call::get("/a").bearer(&agent_token("other-agent", 0)).status(403));
            assert!(scene.found(Kind::ShadowAgent).is_empty(), "{:?}", scene.words());
        }

        /// Sessions come and go: one caller without a credential is one finding, however often it reconnects.
        #[test]
        fn one_finding_for_a_place_and_not_for_each_session() {
            let mut scene = Scene::with(registry(REGISTRY));
            for n in 0..20 {
                scene.send(
                    &Call::tool("search", "{}")
                        .agent("node")
                        .field(&format!("Mcp-Session-Id: session-{n:08}")),
                );
            }
            let found = scene.found(Kind::ShadowAgent);
            assert_eq!((found.len(), found[0].severity), (1, Severity::Low));
        }

        /// The blind spot: what a program calls itself is no registration, and a copied credential is one.
        #[test]
        fn a_program_cannot_register_itself() {
            let mut scene = Scene::with(registry(REGISTRY));
            scene.send(&Call::get("/a").agent("refund-agent claude-code").from("10.6.6.6"));
            assert_eq!(
                scene.found(Kind::ShadowAgent).len(),
                1,
                "{:?}",
                scene.principals()
            );
            let mut scene = Scene::with(registry(REGISTRY));
            scene.send(
                &Call::get("/a")
                    .bearer(&agent_token("refund-agent", 0))
                    .agent("claude-cli/2.0")
                    .from("203.0.113.66"),
            );
            assert!(scene.found(Kind::ShadowAgent).is_empty());
        }
    }

    mod agent_identity_mismatch {
        use super::*;

        fn found(call: &Call, settings: Settings) -> Vec<(String, Severity)> {
            let mut scene = Scene::with(settings);
            for _ in 0..3 {
                scene.send(call);
            }
            let all = scene.found(Kind::AgentIdentityMismatch);
            assert!(all.iter().all(|f| f.count == 3));
            let told = scene
                .told
                .iter()
                .filter(|f| f.kind == Kind::AgentIdentityMismatch);
            assert_eq!(told.count(), all.len(), "told once");
            all.iter()
                .map(|f| (f.observed_text("reason").to_owned(), f.severity))
                .collect()
        }

        fn of(call: &Call) -> Vec<(String, Severity)> {
            found(call, Settings::default())
        }

        #[test]
        fn statements_that_contradict_each_other() {
            let key = |agent: &str| Call::get("/a").agent(agent).field("X-Api-Key: 0123456789abcdef");
            assert_eq!(
                of(&key("OpenAI/Python 2.8").field("X-Stainless-Lang: js")),
                [("sdk_language".to_owned(), Severity::Medium)]
            );
            let signed = |host: &str| format!("Signature-Agent: sig1=\"https://{host}\"");
            assert_eq!(
                of(&key("GPTBot/1.3").field(&signed("bots.other.example"))),
                [("signature_agent".to_owned(), Severity::Medium)]
            );
            // What looks similar and is fine.
            for call in [
                key("OpenAI/Python 2.8").field("X-Stainless-Lang: python"),
                key("OpenAI/Java 2.8").field("X-Stainless-Lang: kotlin"),
                key("acme/1.0").field("X-Stainless-Lang: js"),
                key("GPTBot/1.3").field(&signed("chatgpt.com")),
                key("GPTBot/1.3").field(&signed("bots.openai.com")),
                key(CHROME).field(&signed("agents.example")),
                key("OpenAI/Python 2.8").field("X-Stainless-Lang: js").status(401),
            ] {
                assert_eq!(of(&call), [], "{call:?}");
            }
        }

        #[test]
        fn a_browser_that_offers_no_http2() {
            let settings = || Settings {
                trusted_proxies: vec!["10.0.0.0/24".into()],
                ..Settings::default()
            };
            let ja4 = |value: &str| {
                browser()
                    .field("Cookie: sessionid=0123456789abcdef")
                    .field(&format!("X-JA4: {value}"))
            };
            let odd = ja4("t13d1516h1_8daaf6152771_e5627efa2ab1");
            assert_eq!(
                found(&odd, settings()),
                [("browser_without_http2".to_owned(), Severity::Low)]
            );
            assert_eq!(
                found(&ja4("t13d1516h2_8daaf6152771_e5627efa2ab1"), settings()),
                []
            );
            // Who is no trusted proxy may write what it likes.
            assert_eq!(found(&odd.from("10.7.0.1"), settings()), []);
        }

        #[test]
        fn a_registered_agent_with_another_program() {
            let text = "[[agent]]\nname = 'r'\nclient = 'refund-agent'\nuser_agent = 'python-requests'\nja4 = 't13d1516h2_8daaf6152771_e5627efa2ab1'\n";
            let call = Call::get("/a").bearer(&agent_token("refund-agent", 0));
            assert_eq!(found(&call, registry(text)), []);
            assert_eq!(
                found(&call.clone().agent("curl/8.0"), registry(text)),
                [("program".to_owned(), Severity::Medium)]
            );
            let other = call.clone().field("X-JA4: t13d0000h2_000000000000_000000000000");
            let trusting = Settings {
                trusted_proxies: vec!["10.0.0.0/24".into()],
                ..registry(text)
            };
            assert_eq!(
                found(&other, trusting),
                [("fingerprint".to_owned(), Severity::High)]
            );
            assert_eq!(found(&other, registry(text)), [], "nobody is trusted to tell it");
            // The blind spot: a program that changes where no registry says which is right.
            assert_eq!(of(&call.agent("curl/8.0")), []);
        }
    }

    mod agent_on_human_token {
        use super::*;

        #[test]
        fn a_persons_token_in_an_agents_program() {
            let mut scene = Scene::new();
            for _ in 0..3 {
                scene.send(
                    &Call::get("/a")
                        .bearer(&person())
                        .agent("claude-cli/2.0 (external, cli)"),
                );
            }
            let found = one(&scene, Kind::AgentOnHumanToken);
            assert_eq!((found.severity, found.count), (Severity::Low, 3));
            assert_eq!(scene.principals()[0].kind, crate::PrincipalKind::AiAgent);
            let mut scene = Scene::new();
            scene.send(&browser().bearer(&person()));
            scene.send(
                &Call::get("/a")
                    .bearer(&person())
                    .agent("claude-cli/2.0 (external, cli)"),
            );
            assert_eq!(severities(&scene, Kind::AgentOnHumanToken), [Severity::Medium]);
        }

        #[test]
        fn quiet_where_the_actor_is_named_and_for_people_and_scripts() {
            let act = jwt(
                r#"{"iss":"https://id","sub":"p","email":"p@corp.test","act":{"sub":"agent:a","sub_profile":"ai_agent"},"exp":1773999999}"#,
            );
            let marked = jwt(
                r#"{"iss":"https://id","sub":"p","email":"p@corp.test","client_id":"agent-a","client_profile":"ai_agent","exp":1773999999}"#,
            );
            let mut scene = Scene::new();
            for token in [&act, &marked] {
                scene.send(&Call::get("/a").bearer(token).agent("claude-cli/2.0"));
            }
            scene.send(&browser().bearer(&person()));
            scene.send(&Call::get("/a").bearer(&person()).agent("python-requests/2.32"));
            scene.send(
                &Call::get("/b")
                    .bearer(&person())
                    .agent("claude-cli/2.0")
                    .status(403),
            );
            scene.send(&Call::get("/a").bearer(&machine()).agent("claude-cli/2.0"));
            assert!(
                scene.found(Kind::AgentOnHumanToken).is_empty(),
                "{:?}",
                scene.words()
            );
        }

        /// The blind spot: a token that cannot be read does not say whose it is.
        #[test]
        fn blind_to_opaque_tokens() {
            let mut scene = Scene::new();
            scene.send(
                &Call::get("/a")
                    .bearer("opaque-token-of-a-person")
                    .agent("claude-cli/2.0"),
            );
            assert!(scene.found(Kind::AgentOnHumanToken).is_empty());
        }
    }

    mod human_use_of_nhi {
        use super::*;

        #[test]
        fn a_machines_token_in_a_browser_or_by_hand() {
            for call in [
                browser().bearer(&machine()),
                Call::get("/a").bearer(&machine()).agent("PostmanRuntime/7.43"),
                browser().bearer(&agent_token("a", 0)),
            ] {
                let mut scene = Scene::new();
                for _ in 0..3 {
                    scene.send(&call);
                }
                let found = one(&scene, Kind::HumanUseOfNhi);
                assert_eq!((found.severity, found.count), (Severity::Medium, 3), "{call:?}");
            }
        }

        #[test]
        fn quiet_for_programs_people_pages_and_signed_bots() {
            let mut scene = Scene::new();
            scene.send(&Call::get("/a").bearer(&machine()));
            scene.send(&Call::get("/a").bearer(&machine()).agent("curl/8.0"));
            scene.send(&browser().bearer(&person()));
            scene.send(&browser().field("X-Api-Key: public-key-of-a-page"));
            scene.send(&browser().bearer(&machine()).status(401));
            let input = r#"Signature-Input: sig1=("@authority");keyid="k";tag="web-bot-auth""#;
            scene.send(&browser().bearer(&agent_token("b", 0)).field(input));
            // A browser's name without what only browsers send.
            scene.send(&Call::get("/a").bearer(&machine()).agent(CHROME));
            assert!(scene.found(Kind::HumanUseOfNhi).is_empty(), "{:?}", scene.words());
        }
    }

    mod stale_principal_active {
        use super::*;

        /// Somebody else keeps the host watched on the days between.
        fn weeks(watched: bool, days: u64, kind: fn(u64) -> String) -> Scene {
            let mut scene = Scene::new();
            scene.send(&Call::get("/a").bearer(&kind(0)));
            for day in 1..days {
                at(&mut scene, day * 24);
                if watched || day + 1 == days {
                    scene.send(&Call::get("/a").bearer(&agent_token("steady", day * 24)));
                }
            }
            at(&mut scene, days * 24);
            for _ in 0..3 {
                scene.send(&Call::get("/a").bearer(&kind(days * 24)));
            }
            scene
        }

        #[test]
        fn one_that_was_silent_for_five_weeks() {
            let scene = weeks(true, 35, |hour| agent_token("sleeper", hour));
            let found = one(&scene, Kind::StalePrincipalActive);
            assert_eq!((found.severity, found.count), (Severity::Medium, 1));
            assert_eq!(found.observed_number("covered_days"), 34);
            let opaque = weeks(true, 35, |_| "opaque-token-of-somebody".to_owned());
            one(&opaque, Kind::StalePrincipalActive);
        }

        #[test]
        fn quiet_after_a_holiday_and_where_nobody_watched() {
            for scene in [
                weeks(true, 28, |hour| agent_token("sleeper", hour)),
                weeks(false, 35, |hour| agent_token("sleeper", hour)),
            ] {
                assert!(
                    scene.found(Kind::StalePrincipalActive).is_empty(),
                    "{:?}",
                    scene.words()
                );
            }
        }

        #[test]
        fn one_that_should_be_gone() {
            let text = "[[agent]]\nname = 'o'\nclient = 'old-agent'\nuntil = 2026-03-08\n\
                        [[agent]]\nname = 'n'\nclient = 'now-agent'\nuntil = 2026-03-09\n";
            let mut scene = Scene::with(registry(text));
            for _ in 0..3 {
                scene.send(&Call::get("/a").bearer(&agent_token("now-agent", 0)));
                scene.send(&Call::get("/a").bearer(&agent_token("old-agent", 0)).status(401));
            }
            assert!(
                scene.found(Kind::StalePrincipalActive).is_empty(),
                "refused, and the last day"
            );
            for _ in 0..3 {
                scene.send(&Call::get("/a").bearer(&agent_token("old-agent", 0)));
            }
            let found = one(&scene, Kind::StalePrincipalActive);
            assert_eq!((found.severity, found.count), (Severity::High, 3));
        }
    }

    mod env_crossing {
        use super::*;

        fn environments(agents: &str) -> Settings {
            let rule = |name: &str| EnvironmentRule {
                name: name.into(),
                host: vec![format!("{name}.example")],
                ..EnvironmentRule::default()
            };
            let declared = Declared {
                environments: Environments::new(&[rule("dev"), rule("test"), rule("prod")], None),
                agents: Agents::read(agents).unwrap(),
                ..Declared::default()
            };
            Settings {
                declared: declared.into(),
                ..Settings::default()
            }
        }

        fn key(host: &str) -> Call {
            Call::get("/a")
                .host(host)
                .field("X-Api-Key: one-key-for-all-01")
                .over_tls()
        }

        #[test]
        fn one_key_in_two_environments() {
            let mut scene = Scene::with(environments(""));
            for _ in 0..3 {
                scene.send(&key("dev.example"));
                scene.send(&key("prod.example"));
            }
            let found = one(&scene, Kind::EnvCrossing);
            assert_eq!((found.severity, found.count), (Severity::High, 3));
            assert_eq!(found.observed_text("environment"), "prod");
            let mut scene = Scene::with(environments(""));
            scene.send(&key("dev.example"));
            scene.send(&key("test.example"));
            assert_eq!(severities(&scene, Kind::EnvCrossing), [Severity::Medium]);
        }

        #[test]
        fn quiet_where_the_other_refuses_and_for_a_token_of_each() {
            let mut scene = Scene::with(environments(""));
            scene.send(&key("dev.example"));
            scene.send(&key("prod.example").status(401));
            scene.send(&key("other.example"));
            scene.send(&Call::get("/a").host("dev.example").bearer(&agent_token("a", 0)));
            scene.send(&Call::get("/a").host("prod.example").bearer(&agent_token("a", 1)));
            assert!(scene.found(Kind::EnvCrossing).is_empty(), "{:?}", scene.words());
            // The blind spot: environments that nobody told apart.
            let mut scene = Scene::new();
            scene.send(&key("dev.example"));
            scene.send(&key("prod.example"));
            assert!(scene.found(Kind::EnvCrossing).is_empty());
        }

        #[test]
        fn a_registered_agent_outside_of_its_environment() {
            let text = "[[agent]]\nname = 'a'\nclient = 'a'\nenvironment = 'prod'\n";
            let mut scene = Scene::with(environments(text));
            scene.send(&Call::get("/a").host("prod.example").bearer(&agent_token("a", 0)));
            assert!(scene.found(Kind::EnvCrossing).is_empty());
            scene.send(&Call::get("/a").host("dev.example").bearer(&agent_token("a", 1)));
            let found = one(&scene, Kind::EnvCrossing);
            assert_eq!(
                (found.severity, found.observed_text("reason")),
                (Severity::Medium, "registry")
            );
        }

        /// The ceiling: of each credential only some environments are kept.
        #[test]
        fn environments_of_a_credential_are_bounded() {
            let mut scene = Scene::with(environments(""));
            for _ in 0..50 {
                for host in ["dev.example", "test.example", "prod.example"] {
                    scene.send(&key(host));
                }
            }
            assert_eq!(
                scene.found(Kind::EnvCrossing).len(),
                2,
                "against the first one only"
            );
        }
    }

    /// Ten agents at once, each with thirty endpoints: within a minute of packet time all are listed, and at least 99 of 100 of
    /// what they call.
    #[test]
    fn ten_agents_first_seen_at_once_are_listed_within_a_minute() {
        let mut scene = Scene::new();
        for n in 0..50 {
            scene.send(&Call::get(format!("/feed/{n}")).bearer(&agent_token("steady", 0)));
        }
        let begin = scene.now;
        let words = ["orders", "stock", "prices", "notes", "teams", "users"];
        let actions = ["list", "detail", "history", "export", "search"];
        let names: Vec<String> = (0..10u8)
            .map(|n| format!("newcomer-{}", (b'a' + n) as char))
            .collect();
        let mut called = std::collections::BTreeSet::new();
        for word in words {
            for action in actions {
                for name in &names {
                    scene.now -= 900_000_000;
                    let path = format!("/{name}/{word}/{action}");
                    scene.send(&Call::get(&path).bearer(&agent_token(name, 0)));
                    called.insert((name.clone(), path));
                }
            }
        }
        assert!(
            scene.now - begin <= 60_000_000_000,
            "all of it within a minute of packet time"
        );
        let templates: std::collections::BTreeMap<String, String> = scene
            .endpoints()
            .into_iter()
            .map(|e| (e.id, e.template))
            .collect();
        let (mut agents, mut listed, mut slowest) = (0, 0, 0);
        for view in scene.principals() {
            let Some(name) = view.name.clone().filter(|n| names.contains(n)) else {
                continue;
            };
            agents += usize::from(view.kind == crate::PrincipalKind::AiAgent);
            slowest = slowest.max(view.discovered_after_ms);
            for endpoint in &view.endpoints {
                let template = &templates[&endpoint.id];
                listed += usize::from(called.contains(&(name.clone(), template.clone())));
            }
        }
        let share = listed as f64 / called.len() as f64;
        println!(
            "ten agents at once: {agents} of 10 listed, {listed} of {} endpoints ({:.1} %), the slowest after {:.3} s of packet time",
            called.len(),
            share * 100.0,
            slowest as f64 / 1000.0
        );
        assert_eq!(agents, 10);
        assert!(share >= 0.99, "{share}");
        assert!(slowest <= 60_000);
    }
}
