//! Each kind: what it is found by, and what it is quiet at.

use std::sync::Arc;

use crate::finding::Status;
use crate::inventory::declared::{Declared, Owners};
use crate::testing::{Call, Scene, agent_token};
use crate::{Kind, Settings, Severity};

const CARDS: [&str; 12] = [
    "4539578763621486",
    "4716108999716531",
    "5425233430109903",
    "4539945807302151",
    "4716736819303641",
    "4929262129972200",
    "5425033224538329",
    "5290364056224155",
    "4485499095145470",
    "4556527720405606",
    "4916865690702932",
    "5333137585847194",
];

/// Severities of the findings of a kind, in the order of their places.
fn told(kind: Kind, calls: impl IntoIterator<Item = Call>) -> Vec<Severity> {
    let mut scene = Scene::new();
    for call in calls {
        scene.send(&call);
    }
    severities(&scene, kind)
}

fn severities(scene: &Scene, kind: Kind) -> Vec<Severity> {
    let mut found = scene.found(kind);
    found.sort_by_key(|f| (f.place(), f.id.clone()));
    found.iter().map(|f| f.severity).collect()
}

fn cookie() -> Call {
    Call::get("/me").field("Cookie: sessionid=0123456789abcdef")
}

#[test]
fn credentials_in_the_clear_weigh_by_where_they_go() {
    let found = |call: Call| told(Kind::CleartextApi, [call]);
    let token = agent_token("a", 0);
    let call = || Call::get("/a").bearer(&token);
    assert_eq!(found(call().at("203.0.113.80")), [Severity::High]);
    assert_eq!(found(cookie().at("203.0.113.80")), [Severity::High]);
    let behind = ["X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4;Proto=HTTPS"];
    for field in behind {
        assert_eq!(
            found(call().at("203.0.113.80").field(field)),
            [Severity::Info],
            "{field}"
        );
    }
    let plain = call().at("203.0.113.80").field("X-Forwarded-Proto: http");
    assert_eq!(found(plain), [Severity::High]);
    for quiet in [
        Call::get("/a").at("203.0.113.80"),
        call(),
        call().from("198.51.100.7"),
        call().over_tls().at("203.0.113.80"),
        call().at("203.0.113.80").from("127.0.0.1"),
        Call::get("/a")
            .at("203.0.113.80")
            .field("X-Api-Key: 0123456789abcdef"),
    ] {
        assert_eq!(found(quiet.clone()), [], "{quiet:?}");
    }
    // One of a host, however many endpoints and calls.
    let many = (0..20).map(|n| {
        let path = format!("/{}", ["a", "b", "c"][n % 3]);
        Call::get(path).bearer(&token).at("203.0.113.80")
    });
    assert_eq!(told(Kind::CleartextApi, many), [Severity::High]);
}

fn cors(origin: &str, allowed: &str) -> Call {
    cookie()
        .field(&format!("Origin: {origin}"))
        .answer_field(&format!("Access-Control-Allow-Origin: {allowed}"))
        .answer_field("Access-Control-Allow-Credentials: true")
}

#[test]
fn origins_that_nobody_refuses_are_told_from_lists() {
    let sites = [
        "https://a.one.test",
        "https://two.test:8443",
        "https://x.three.test",
    ];
    let reflected = || sites.map(|site| cors(site, site));
    assert_eq!(told(Kind::CorsMisconfig, reflected()), [Severity::High]);
    let token = agent_token("a", 0);
    let by_token = sites.map(|site| {
        Call::get("/me")
            .bearer(&token)
            .field(&format!("Origin: {site}"))
            .answer_field(&format!("Access-Control-Allow-Origin: {site}"))
            .answer_field("Access-Control-Allow-Credentials: true")
    });
    assert_eq!(told(Kind::CorsMisconfig, by_token), [Severity::Medium]);
    assert_eq!(
        told(Kind::CorsMisconfig, [cors("null", "null")]),
        [Severity::High]
    );
    assert_eq!(
        told(Kind::CorsMisconfig, [cors("https://a.one.test", "*")]),
        [Severity::Low]
    );
    // A list refuses somebody, or is of one's own site.
    let refused = cookie().field("Origin: https://four.test");
    let list = [refused].into_iter().chain(reflected());
    assert_eq!(told(Kind::CorsMisconfig, list), []);
    let own = [
        "https://app.api.example",
        "https://www.api.example",
        "https://x.api.example",
    ];
    assert_eq!(told(Kind::CorsMisconfig, own.map(|site| cors(site, site))), []);
    let two = || sites.into_iter().take(2).map(|site| cors(site, site));
    assert_eq!(told(Kind::CorsMisconfig, two().chain(two())), []);
    let open = sites.map(|site| {
        cookie()
            .field(&format!("Origin: {site}"))
            .answer_field("Access-Control-Allow-Origin: *")
    });
    assert_eq!(told(Kind::CorsMisconfig, open), []);
}

#[test]
fn stack_traces_and_errors_of_databases_are_told_by_technology() {
    let error = |text: &str| Call::get("/a").status(500).answer(text);
    for (text, technology) in [
        (
            r#"{"error":"boom","trace":"java.lang.NullPointerException: x\n\tat com.acme.Shop.pay(Shop.java:41)"}"#,
            "Java",
        ),
        (
            "System.NullReferenceException: x\n   at System.String.Trim()\n   at Shop.Pay()",
            ".NET",
        ),
        (
            "Traceback (most recent call last):\n  File \"/app/main.py\", line 3, in <module>",
            "Python",
        ),
        (
            r#"{"detail":"  File \"/app/main.py\", line 3, in pay"}"#,
            "Python",
        ),
        (
            "TypeError: x\n    at Object.<anonymous> (/app/index.js:3:5)",
            "Node.js",
        ),
        (
            "<b>Fatal error</b>: Uncaught Error in <b>/var/www/a.php</b> on line <b>3</b>",
            "PHP",
        ),
        ("app/models/user.rb:10:in `find'\n from x", "Ruby"),
        ("panic: x\n\ngoroutine 1 [running]:\nmain.main()", "Go"),
        (
            "You have an error in your SQL syntax; check the manual near '''",
            "MySQL",
        ),
        ("ERROR: syntax error at or near \"'\" LINE 1", "PostgreSQL"),
        ("ORA-00933: SQL command not properly ended", "Oracle"),
    ] {
        let mut scene = Scene::new();
        scene.send(&Call::get("/a"));
        scene.send(&error(text));
        scene.send(&error(text));
        let found = scene.found(Kind::VerboseError);
        let names: Vec<_> = found.iter().map(|f| f.observed["technology"].clone()).collect();
        assert_eq!(names, [technology], "{text}");
        assert!(
            !found[0].explanation.contains("main.py"),
            "nothing of the text is told"
        );
    }
    for quiet in [
        error(r#"{"error":"NullPointerException","code":500,"trace_id":"0af7651916cd43dd"}"#),
        error("<html><body>Internal Server Error at nginx, see documentation.js: x</body></html>"),
        error("the file invoice.java was not found in line 3 of the list"),
        Call::get("/docs").answer("Traceback (most recent call last):\n  File \"a.py\", line 3"),
    ] {
        assert_eq!(
            told(Kind::VerboseError, [Call::get("/a"), quiet.clone()]),
            [],
            "{quiet:?}"
        );
    }
}

#[test]
fn debug_endpoints_need_path_and_content() {
    let text = |path: &str, kind: &str, content: &str| {
        let mut call = Call::get(path).answer(content);
        if kind != "json" {
            call = call.answer_type(kind);
        }
        call
    };
    for (call, want) in [
        (
            text("/.env", "text/plain", "APP_KEY=base64\nDB_HOST=10.0.0.1\n"),
            Severity::High,
        ),
        (
            text("/.git/config", "text/plain", "[core]\n\tbare = false\n"),
            Severity::High,
        ),
        (
            text(
                "/shop/actuator/env",
                "json",
                r#"{"activeProfiles":[],"propertySources":[]}"#,
            ),
            Severity::High,
        ),
        (
            text("/actuator", "json", r#"{"_links":{"self":{}}}"#),
            Severity::Medium,
        ),
        (
            text(
                "/debug/pprof/",
                "text/html",
                "<h1>/debug/pprof/</h1> goroutine heap",
            ),
            Severity::High,
        ),
        (
            text("/metrics", "text/plain", "# HELP up x\n# TYPE up gauge\nup 1\n"),
            Severity::Low,
        ),
        (
            text("/phpinfo.php", "text/html", "<h1>PHP Version 8.1</h1>"),
            Severity::High,
        ),
        (
            text("/v3/api-docs", "json", r#"{"openapi":"3.0.1","paths":{}}"#),
            Severity::Low,
        ),
    ] {
        assert_eq!(told(Kind::DebugEndpoint, [call.clone()]), [want], "{call:?}");
    }
    let token = agent_token("a", 0);
    let asked = text("/.env", "text/plain", "APP_KEY=x\nDB_HOST=y\n").bearer(&token);
    assert_eq!(told(Kind::DebugEndpoint, [asked]), [Severity::Medium]);
    for quiet in [
        text(
            "/.env",
            "text/html",
            "<html>\n<a href=\"x=1\">APP_KEY=1\nDB_X=2</a>",
        ),
        text("/.env", "text/plain", "not = here\n"),
        text("/metrics", "json", r#"{"up":1}"#),
        text("/actuator/health", "json", r#"{"status":"UP"}"#),
        text(
            "/orders",
            "json",
            r#"{"_links":{"self":{}},"propertySources":[]}"#,
        ),
        text("/.git/config", "text/plain", "[core]\n").status(404),
    ] {
        assert_eq!(told(Kind::DebugEndpoint, [quiet.clone()]), [], "{quiet:?}");
    }
}

#[test]
fn introspection_counts_when_it_is_answered() {
    let ask = |body: &str, answer: &str| {
        Call::new("POST", "/graphql")
            .field("Content-Type: application/json")
            .body(body)
            .answer(answer)
    };
    let query = r#"{"query":"query IntrospectionQuery { __schema { types { name } } }"}"#;
    let schema = r#"{"data":{"__schema":{"types":[{"name":"Query"}]}}}"#;
    assert_eq!(
        told(Kind::GraphqlIntrospection, [ask(query, schema)]),
        [Severity::Medium]
    );
    let named = ask(query, schema).bearer(&agent_token("a", 0));
    assert_eq!(told(Kind::GraphqlIntrospection, [named]), [Severity::Low]);
    for quiet in [
        ask(
            query,
            r#"{"errors":[{"message":"introspection is off: __schema"}]}"#,
        ),
        ask(
            r#"{"query":"{ me { __typename } }"}"#,
            r#"{"data":{"me":{"__typename":"User"}}}"#,
        ),
        ask(query, schema).status(403),
    ] {
        assert_eq!(told(Kind::GraphqlIntrospection, [quiet.clone()]), [], "{quiet:?}");
    }
}

/// Answers with a card each.
fn cards(field: Option<&str>, method: &'static str) -> impl Iterator<Item = Call> {
    CARDS.into_iter().take(5).map(move |card| {
        let call = Call::new(method, "/cards")
            .bearer(&agent_token("a", 0))
            .answer(format!(r#"{{"card_number":"{card}"}}"#));
        match field {
            Some(field) => call.answer_field(field),
            None => call,
        }
    })
}

#[test]
fn sensitive_answers_have_to_say_that_nobody_keeps_them() {
    let found = |field| told(Kind::MissingCacheControl, cards(field, "GET"));
    assert_eq!(found(None), [Severity::Low]);
    assert_eq!(found(Some("Cache-Control: max-age=60")), [Severity::Low]);
    assert_eq!(
        found(Some("Cache-Control: public, max-age=600")),
        [Severity::Medium]
    );
    for field in [
        "Cache-Control: no-store",
        "Cache-Control: max-age=0, Private",
        "Pragma: no-cache",
    ] {
        assert_eq!(found(Some(field)), [], "{field}");
    }
    assert_eq!(told(Kind::MissingCacheControl, cards(None, "POST")), []);
    let plain = (0..5).map(|_| Call::get("/orders"));
    assert_eq!(told(Kind::MissingCacheControl, plain), []);
}

#[test]
fn trace_counts_when_the_request_comes_back() {
    let trace = |answer: &str| Call::new("TRACE", "/a").answer(answer);
    let echo = trace("TRACE /a HTTP/1.1\r\nHost: api.example\r\n\r\n");
    assert_eq!(told(Kind::TraceEnabled, [echo]), [Severity::Low]);
    let with = trace("TRACE /a HTTP/1.1\r\nX: y\nCookie: a=b\r\n").answer_type("message/http");
    assert_eq!(told(Kind::TraceEnabled, [with]), [Severity::Medium]);
    for quiet in [
        trace("{\"ok\":true}"),
        trace("TRACE /a HTTP/1.1").status(405),
        Call::get("/a").answer("TRACE /a HTTP/1.1"),
    ] {
        assert_eq!(told(Kind::TraceEnabled, [quiet.clone()]), [], "{quiet:?}");
    }
}

#[test]
fn versions_are_told_once_a_host_and_field() {
    let call = |path: &str, field: &str| Call::get(path).answer_field(field);
    let calls = [
        call("/a", "Server: nginx/1.18.0"),
        call("/b", "Server: nginx/1.18.0"),
        call("/b", "X-Powered-By: PHP/8.1.2"),
    ];
    assert_eq!(
        told(Kind::VersionDisclosure, calls),
        [Severity::Info, Severity::Info]
    );
    for field in ["Server: nginx", "X-Powered-By: Express", "X-Version: app/1.2.3"] {
        assert_eq!(told(Kind::VersionDisclosure, [call("/a", field)]), [], "{field}");
    }
}

/// Calls of one caller, so many in a minute.
fn burst(scene: &mut Scene, count: u64, call: impl Fn(u64) -> Call) {
    // From the beginning of a minute.
    scene.now = scene.now / 60_000_000_000 * 60_000_000_000 + 60_000_000_000;
    let start = scene.now;
    for n in 0..count {
        scene.now = start + n * 50_000_000_000 / count - 1_000_000_000;
        scene.send(&call(n));
    }
}

#[test]
fn a_peak_that_nothing_slows_is_told() {
    let login = |_: u64| Call::new("POST", "/login").body("user=a&pw=b").status(401);
    let mut scene = Scene::new();
    scene.send(&Call::new("POST", "/login"));
    burst(&mut scene, 59, login);
    assert_eq!(severities(&scene, Kind::MissingRateLimit), []);
    burst(&mut scene, 61, login);
    assert_eq!(severities(&scene, Kind::MissingRateLimit), [Severity::Medium]);
    let found = &scene.found(Kind::MissingRateLimit)[0];
    assert_eq!(found.observed["most_in_a_minute"], 60);

    let mut scene = Scene::new();
    burst(&mut scene, 1199, |_| Call::get("/feed"));
    assert_eq!(severities(&scene, Kind::MissingRateLimit), []);
    burst(&mut scene, 1210, |_| Call::get("/feed"));
    assert_eq!(severities(&scene, Kind::MissingRateLimit), [Severity::Low]);
}

#[test]
fn a_limit_that_shows_later_closes_what_was_told() {
    let login = || Call::new("POST", "/login").body("user=a&pw=b").status(401);
    for late in [
        login().status(429),
        login().answer_field("RateLimit-Policy: 5;w=60"),
    ] {
        let mut scene = Scene::new();
        scene.send(&Call::new("POST", "/login"));
        burst(&mut scene, 61, |_| login());
        let last = |scene: &Scene| scene.found(Kind::MissingRateLimit).last().map(|f| f.status);
        assert_ne!(last(&scene), Some(Status::Closed));
        scene.send(&late);
        assert_eq!(last(&scene), Some(Status::Closed));
        // And it stays so: there is a limit, whatever comes.
        burst(&mut scene, 100, |_| login());
        assert_eq!(last(&scene), Some(Status::Closed));
    }
}

#[test]
fn limits_however_they_show_and_crowds_are_quiet() {
    let quiet = |call: &dyn Fn(u64) -> Call| {
        let mut scene = Scene::new();
        scene.send(&Call::new("POST", "/login"));
        burst(&mut scene, 100, call);
        assert_eq!(severities(&scene, Kind::MissingRateLimit), []);
    };
    let login = || Call::new("POST", "/login").body("x");
    quiet(&|n| if n == 20 { login().status(429) } else { login() });
    quiet(&|_| login().answer_field("RateLimit-Limit: 100"));
    quiet(&|_| login().answer_field("X-RateLimit-Remaining: 7"));
    quiet(&|n| login().from(&format!("10.0.{}.{}", n % 3, n % 7)));
}

fn list(count: usize) -> String {
    let cards: Vec<String> = CARDS
        .iter()
        .take(count)
        .map(|c| format!(r#"{{"card_number":"{c}"}}"#))
        .collect();
    format!("[{}]", cards.join(","))
}

#[test]
fn lists_that_agents_read_are_told() {
    let agent = agent_token("a", 0);
    let found = |call: Call| told(Kind::PropertyOverexposure, [call]);
    assert_eq!(
        found(Call::get("/cards").bearer(&agent).answer(list(12))),
        [Severity::Medium]
    );
    assert_eq!(found(Call::get("/cards").bearer(&agent).answer(list(5))), []);
    assert_eq!(found(Call::get("/cards").answer(list(12))), []);
    let people: Vec<String> = (10..30)
        .map(|n| {
            let letter = char::from(b'a' + n % 26);
            format!(
                r#"{{"last_name":"Mei{letter}er","email":"p{n}@corp.test","phone":"+49 30 12345{n}","address":"{n} Main Street"}}"#
            )
        })
        .collect();
    let people = format!("[{}]", people.join(","));
    assert_eq!(
        found(Call::get("/people").bearer(&agent).answer(people.clone())),
        [Severity::Low]
    );
    assert_eq!(found(Call::get("/people").answer(people)), []);
}

#[test]
fn who_gets_what_the_others_do_not_is_told() {
    let send = |scene: &mut Scene, favoured: bool| {
        for n in 0..48usize {
            let from = format!("10.0.0.{}", 10 + n % 4);
            let full = favoured && n % 4 == 0;
            let answer = if full {
                format!(r#"{{"card_number":"{}"}}"#, CARDS[n / 4 % 4])
            } else {
                r#"{"card_number":"****1486"}"#.to_owned()
            };
            scene.send(&Call::get("/wallet").from(&from).answer(answer));
        }
    };
    let mut scene = Scene::new();
    send(&mut scene, true);
    assert_eq!(severities(&scene, Kind::PropertyOverexposure), [Severity::Medium]);
    let mut scene = Scene::new();
    send(&mut scene, false);
    for n in 0..48usize {
        // Everybody gets them.
        let from = format!("10.0.0.{}", 10 + n % 4);
        let answer = format!(r#"{{"card_number":"{}"}}"#, CARDS[n % 4]);
        scene.send(&Call::get("/wallet").from(&from).answer(answer));
    }
    assert_eq!(severities(&scene, Kind::PropertyOverexposure), []);
}

/// A map that names an owner for one path.
fn owned() -> Settings {
    Settings {
        declared: Arc::new(Declared {
            owners: Owners::read("owners", "api.example/orders team-orders\n").unwrap(),
            ..Declared::default()
        }),
        ..Settings::default()
    }
}

#[test]
fn what_nobody_owns_is_told_where_owners_are_kept() {
    let calls = |scene: &mut Scene| {
        for _ in 0..5 {
            scene.send(&Call::get("/orders"));
            scene.send(&Call::get("/stray"));
            scene.send(&Call::get("/admin/export"));
        }
        scene.send(&Call::get("/once"));
    };
    let mut scene = Scene::with(owned());
    calls(&mut scene);
    let found: Vec<_> = scene
        .found(Kind::UnownedOrUnclassifiedEndpoint)
        .iter()
        .map(|f| (f.place(), f.severity))
        .collect();
    assert_eq!(
        found,
        [
            ("GET api.example/stray".to_owned(), Severity::Low),
            ("GET api.example/admin/export".to_owned(), Severity::Medium),
        ]
    );
    let mut scene = Scene::new();
    calls(&mut scene);
    assert_eq!(severities(&scene, Kind::UnownedOrUnclassifiedEndpoint), []);
}

#[test]
fn halves_add_up_to_the_whole_and_are_stored() {
    use super::{Posture, What};
    let mut halves = [Posture::default(), Posture::default()];
    for n in 0..10u8 {
        halves[usize::from(n % 2)].note(What::Version, n % 3);
        halves[usize::from(n % 2)].note(What::Trace, 0);
    }
    let [mut one, other] = halves;
    one.absorb(other);
    let counts: Vec<u64> = (0..3).map(|n| one.count(What::Version, n)).collect();
    assert_eq!(
        (counts.as_slice(), one.count(What::Trace, 0)),
        (&[4, 3, 3][..], 10)
    );
    let stored = serde_json::to_string(&one).unwrap();
    let back: Posture = serde_json::from_str(&stored).unwrap();
    assert_eq!(back.notes, one.notes);
    for n in 0..200 {
        one.note(What::Debug, n);
    }
    assert!(one.notes.len() <= super::NOTES);
}

#[test]
fn loss_lowers_how_sure_a_finding_is() {
    let sure = |call: Call| {
        let mut scene = Scene::new();
        scene.send(&call.bearer(&agent_token("a", 0)));
        scene.found(Kind::VersionDisclosure)[0].confidence
    };
    let call = || Call::get("/a").answer_field("Server: nginx/1.18.0");
    assert!(sure(call().flags(reassembly::Flags::GAP)) < sure(call()));
}
