use std::collections::BTreeSet;

use super::*;
use crate::finding::{Finding, Kind, Severity, Status};
use crate::spec::{HostPattern, Index, Limits, read};
use crate::testing::{Call, Scene, agent_token};
use reassembly::Flags;

fn declared(specs: &[(&str, &str, &[&str])]) -> Declared {
    let mut index = Index::default();
    for (name, text, hosts) in specs {
        let spec = read(name, text.as_bytes(), &Limits::default());
        assert!(!spec.operations.is_empty(), "{name}");
        let hosts: Vec<_> = hosts.iter().map(|h| HostPattern::new(h)).collect();
        index.add(spec, &hosts);
    }
    Declared {
        specs: index,
        ..Declared::default()
    }
}

fn scene(specs: &[(&str, &str, &[&str])]) -> Scene {
    Scene::with(settings(specs))
}

fn settings(specs: &[(&str, &str, &[&str])]) -> Settings {
    Settings {
        declared: declared(specs).into(),
        ..Settings::default()
    }
}

/// What is known at the end of the input.
fn finish(scene: &mut Scene) {
    scene.analyzer.finish();
    scene.told.extend(std::iter::from_fn(|| scene.analyzer.poll()));
}

fn places(found: &[Finding]) -> Vec<String> {
    let mut places: Vec<String> = found.iter().map(Finding::place).collect();
    places.sort();
    places
}

const WORDS: [&str; 20] = [
    "accounts",
    "balances",
    "contracts",
    "deliveries",
    "events",
    "folders",
    "groups",
    "hotels",
    "invoices",
    "journeys",
    "kiosks",
    "letters",
    "meetings",
    "notes",
    "offers",
    "parcels",
    "quotes",
    "receipts",
    "shipments",
    "tickets",
];

/// A specification with forty operations.
fn large() -> String {
    let mut text = String::from(
        "openapi: 3.0.3\ninfo: {title: Shop, version: '1'}\nservers: [{url: 'http://api.example/v1'}]\npaths:\n",
    );
    for word in WORDS {
        text.push_str(&format!(
            "  /{word}:\n    get: {{responses: {{'200': {{description: ok}}}}}}\n  /{word}/{{id}}:\n    get: {{responses: {{'200': {{description: ok}}}}}}\n"
        ));
    }
    text
}

#[test]
fn twenty_planted_shadow_endpoints_are_found_and_none_invented() {
    let text = large();
    let mut scene = scene(&[("specs/shop.yaml", &text, &[])]);
    let mut planted = BTreeSet::new();
    for (n, word) in WORDS.iter().enumerate() {
        for id in 0..4 {
            scene.send(&Call::get(format!("/v1/{word}")));
            scene.send(&Call::get(format!("/v1/{word}/{}", 1000 + id)));
            scene.send(&Call::new("HEAD", format!("/v1/{word}/{}", 1000 + id)));
        }
        // What is no shadow: what is not found, refused, asked about, a page, a part of one.
        scene.send(&Call::get(format!("/v1/{word}/{n}/hidden")).status(404));
        scene.send(&Call::get(format!("/v2/{word}")).status(404));
        scene.send(&Call::get(format!("/private/{word}")).status(401));
        scene.send(&Call::get(format!("/gone/{word}")).status(410));
        scene.send(&Call::get(format!("/moved/{word}")).status(302));
        scene.send(&Call::new("OPTIONS", format!("/v1/{word}")).status(204));
        scene.send(&Call::get(format!("/static/{word}.js")));
        for _ in 0..4 {
            scene.send(&Call::get(format!("/pages/{word}")).answer("<html></html>").page());
            scene.send(&Call::get(format!("/{word}")).host("other.example"));
        }
        // Some once, some often, with values of several forms.
        let (method, path) = match n % 4 {
            0 => ("GET", format!("/internal/{word}/7")),
            1 => ("POST", format!("/v1/{word}")),
            2 => ("DELETE", format!("/v1/{word}/42")),
            _ => ("GET", format!("/v1/{word}/42/audit")),
        };
        for _ in 0..=n % 5 {
            scene.send(&Call::new(method, path.clone()));
        }
        planted.insert(format!(
            "{method} api.example{}",
            // A path that is declared with other methods has its names.
            path.replace("/7", "/{int}")
                .replace("/42/", "/{int}/")
                .replace("/42", "/{id}")
        ));
    }
    finish(&mut scene);
    let found = scene.found(Kind::ShadowEndpoint);
    assert_eq!(places(&found).into_iter().collect::<BTreeSet<_>>(), planted);
    assert_eq!(found.len(), 20);
    for finding in &found {
        assert!(!finding.evidence.is_empty() && !finding.filter.is_empty());
        assert_eq!(finding.expected["specification"], "shop.yaml");
    }
    assert!(
        scene.found(Kind::UndocumentedStatus).is_empty(),
        "{:?}",
        scene.found(Kind::UndocumentedStatus)
    );
    assert!(scene.found(Kind::UndocumentedParameter).is_empty());
    assert!(scene.found(Kind::ZombieEndpoint).is_empty());
    assert!(scene.found(Kind::OrphanEndpoint).is_empty());
    let other = scene
        .endpoints()
        .into_iter()
        .find(|e| e.host == "other.example")
        .unwrap();
    assert_eq!(
        other.facts.documented,
        crate::inventory::facts::Documented::Unknown
    );
}

#[test]
fn a_shadow_endpoint_is_told_after_three_calls_or_at_the_end() {
    let text = large();
    let mut scene = scene(&[("shop.yaml", &text, &[])]);
    scene.send(&Call::get("/v1/hidden"));
    scene.send(&Call::get("/v1/hidden"));
    scene.send(&Call::get("/v1/once"));
    assert!(scene.told.is_empty());
    scene.send(&Call::get("/v1/hidden").from("10.0.0.6"));
    assert_eq!(scene.told.len(), 1);
    finish(&mut scene);
    assert_eq!(
        places(&scene.found(Kind::ShadowEndpoint)),
        ["GET api.example/v1/hidden", "GET api.example/v1/once"]
    );
    let found = scene.found(Kind::ShadowEndpoint);
    assert_eq!(
        (
            found[0].count,
            found[0].observed_number("callers"),
            found[0].severity
        ),
        (3, 2, Severity::Low)
    );
    assert_eq!(
        found[0].explanation,
        "GET api.example/v1/hidden did what 3 calls of 2 callers asked, but shop.yaml, which declares 40 operations there, does not declare the path. It answered 3 calls without a credential."
    );
}

#[test]
fn what_a_shadow_endpoint_does_makes_it_worse() {
    let text = large();
    let mut scene = scene(&[("shop.yaml", &text, &[])]);
    for card in ["4539578763610216", "4539578763611214", "4539578763612212"] {
        scene.send(&Call::get("/v1/plain"));
        scene.send(&Call::get("/health"));
        scene.send(&Call::new("PUT", "/v1/accounts/7"));
        scene.send(&Call::get("/v1/robots").bearer(&agent_token("a", 0)));
        scene.send(&Call::get("/v1/cards").answer(format!(r#"{{"card_number":"{card}"}}"#)));
    }
    let severity: Vec<_> = scene
        .found(Kind::ShadowEndpoint)
        .iter()
        .map(|f| (f.place(), f.severity))
        .collect();
    for (place, want) in [
        ("GET api.example/v1/plain", Severity::Low),
        ("GET api.example/health", Severity::Info),
        ("PUT api.example/v1/accounts/{id}", Severity::Medium),
        ("GET api.example/v1/robots", Severity::Medium),
        ("GET api.example/v1/cards", Severity::High),
    ] {
        assert!(
            severity.contains(&(place.to_owned(), want)),
            "{place}: {severity:?}"
        );
    }
    let put = scene
        .found(Kind::ShadowEndpoint)
        .into_iter()
        .find(|f| f.place().starts_with("PUT"))
        .unwrap();
    assert_eq!(put.expected["methods"], serde_json::json!(["GET"]));
    assert!(
        put.explanation
            .contains("shop.yaml declares the path with GET only"),
        "{}",
        put.explanation
    );
}

#[test]
fn a_specification_without_a_host_is_held_against_the_host_that_serves_it() {
    let text = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\nservers: [{url: /v1}]\npaths:\n  /a/{id}: {get: {}}\n  /b: {get: {}}\n  /c: {get: {}}\n  /d: {get: {}}\n";
    let mut scene = scene(&[("x.yaml", text, &[])]);
    for _ in 0..4 {
        scene.send(&Call::get("/v1/hidden"));
        // Another host has one path of the same name by chance.
        scene.send(&Call::get("/v1/b").host("other.example"));
        scene.send(&Call::get("/v1/mine").host("other.example"));
    }
    assert!(scene.told.is_empty());
    for path in ["/v1/a/7", "/v1/b", "/v1/c"] {
        scene.send(&Call::get(path));
    }
    finish(&mut scene);
    assert_eq!(
        places(&scene.found(Kind::ShadowEndpoint)),
        ["GET api.example/v1/hidden"]
    );
}

const PARAMETERS: &str = r#"
openapi: 3.0.3
info: {title: x, version: '1'}
servers: [{url: 'http://api.example'}]
components: {securitySchemes: {key: {type: apiKey, in: query, name: apikey}, token: {type: apiKey, in: header, name: X-Token}}}
paths:
  /orders:
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: X-Tenant, in: header, schema: {type: string}}
      responses: {"200": {description: ok}, "4XX": {description: no}}
    post:
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: object, properties: {name: {type: string}, tags: {type: array, items: {type: string}}}}}}}
      responses: {"201": {description: made}}
  /any:
    get: {responses: {default: {description: any}}}
  /silent:
    get: {}
"#;

#[test]
fn parameters_that_are_not_declared_are_told_when_they_are_used() {
    let mut scene = scene(&[("x.yaml", PARAMETERS, &[])]);
    for n in 0..40 {
        let mut target = "/orders?limit=1&filter[status]=open&apikey=k&utm_source=x&_=1".to_owned();
        if n % 2 == 0 {
            target.push_str("&verbose=1&page%5Fsize=2");
        }
        let mut call = Call::get(target)
            .field("X-Tenant: a")
            .field("X-Token: t")
            .field("X-Request-Id: 1")
            .field("X-Forwarded-For: 10.0.0.1")
            .field("Accept-Language: en");
        if n % 4 == 0 {
            call = call.field("X-Debug-Mode: on");
        }
        scene.send(&call);
        // A scanner tries names, each once; and one name is tried now and then.
        scene.send(&Call::get(format!(
            "/orders?probe{}=1",
            char::from(b'a' + n as u8 % 26)
        )));
    }
    let found = scene.found(Kind::UndocumentedParameter);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].observed["parameters"],
        serde_json::json!(["header x-debug-mode", "query page_size", "query verbose"])
    );
    assert_eq!(
        (found[0].place().as_str(), found[0].severity, found[0].count),
        ("GET api.example/orders", Severity::Low, 20)
    );
    // Refused calls tell nothing, and two are not enough.
    let mut scene = self::scene(&[("x.yaml", PARAMETERS, &[])]);
    for _ in 0..9 {
        scene.send(&Call::get("/orders?verbose=1").status(400));
    }
    scene.send(&Call::get("/orders?verbose=1"));
    scene.send(&Call::get("/orders?verbose=1"));
    assert!(scene.found(Kind::UndocumentedParameter).is_empty());
}

#[test]
fn fields_of_a_form_are_parameters_and_private_names_are_hidden() {
    let mut scene = scene(&[("x.yaml", PARAMETERS, &[])]);
    for _ in 0..3 {
        let call = Call::new("POST", "/orders").field("Content-Type: application/x-www-form-urlencoded");
        scene.send(
            &call
                .body("name=a&tags[0]=b&role=admin&4539578763621486=1&ann%40example.com=1")
                .status(201),
        );
    }
    let found = scene.found(Kind::UndocumentedParameter);
    assert_eq!(
        found[0].observed["parameters"],
        serde_json::json!(["form (hidden)", "form role"])
    );
}

#[test]
fn statuses_that_are_not_declared_are_told() {
    let mut scene = scene(&[("x.yaml", PARAMETERS, &[])]);
    for status in [200, 400, 404, 409, 429, 500, 503, 304, 202, 202] {
        scene.send(&Call::get("/orders").status(status));
        scene.send(&Call::get("/any").status(status));
        scene.send(&Call::get("/silent").status(status));
    }
    for status in [201, 409, 409] {
        scene.send(&Call::new("POST", "/orders").status(status));
    }
    let told = |scene: &Scene| -> Vec<(String, u64, Severity)> {
        scene
            .found(Kind::UndocumentedStatus)
            .iter()
            .map(|f| (f.place(), f.observed_number("status"), f.severity))
            .collect()
    };
    assert_eq!(
        told(&scene),
        [("GET api.example/orders".to_owned(), 202, Severity::Low)]
    );
    scene.send(&Call::new("POST", "/orders").status(409));
    assert_eq!(
        told(&scene)[1],
        ("POST api.example/orders".to_owned(), 409, Severity::Info)
    );
    assert_eq!(
        scene.found(Kind::UndocumentedStatus)[0].explanation,
        "GET api.example/orders answered 2 calls with 202; x.yaml declares 200, 4XX for it."
    );
}

const ZOMBIES: &str = r#"
openapi: 3.0.3
info: {title: x, version: '1'}
servers: [{url: 'http://api.example'}]
paths:
  /old: {get: {deprecated: true}}
  /over: {get: {x-sunset: '2026-01-01'}}
  /ends: {get: {x-sunset: '2027-01-01'}}
  /fine: {get: {}}
"#;

fn reasons(scene: &Scene) -> Vec<(String, String, Severity)> {
    let mut all: Vec<_> = scene
        .found(Kind::ZombieEndpoint)
        .iter()
        .map(|f| (f.place(), f.observed_text("reason").to_owned(), f.severity))
        .collect();
    all.sort();
    all
}

#[test]
fn every_kind_of_zombie_is_found_and_no_other() {
    let mut scene = scene(&[("x.yaml", ZOMBIES, &[])]);
    let old = "Sunset: Sat, 01 Nov 2025 00:00:00 GMT";
    for (path, field) in [
        ("/old", ""),
        ("/over", ""),
        ("/ends", ""),
        ("/fine", ""),
        ("/by/header", "Deprecation: @1688169599"),
        ("/by/draft", "Deprecation: true"),
        ("/by/date", "Deprecation: Fri, 30 Jun 2023 23:59:59 GMT"),
        ("/by/sunset", old),
        ("/later", "Deprecation: @4102444800"),
        ("/nonsense", "Deprecation: soon"),
    ] {
        let host = if path.starts_with("/by") {
            "b.example"
        } else {
            "api.example"
        };
        let mut call = Call::get(path).host(host);
        if !field.is_empty() {
            call = call.answer_field(field);
        }
        scene.send(&call);
        scene.send(&call.status(404));
    }
    // Gone: refused from the first call on.
    scene.send(&Call::get("/old/thing").status(410).answer_field(old));
    let of = |place: &str, reason: &str, severity| (format!("GET {place}"), reason.to_owned(), severity);
    assert_eq!(
        reasons(&scene),
        [
            of("api.example/ends", "sunset_announced", Severity::Info),
            of("api.example/old", "declared_deprecated", Severity::Low),
            of("api.example/over", "past_sunset", Severity::Medium),
            of("b.example/by/date", "answers_deprecated", Severity::Low),
            of("b.example/by/draft", "answers_deprecated", Severity::Low),
            of("b.example/by/header", "answers_deprecated", Severity::Low),
            of("b.example/by/sunset", "past_sunset", Severity::Medium),
        ]
    );
    let over = scene
        .found(Kind::ZombieEndpoint)
        .into_iter()
        .find(|f| f.place() == "GET api.example/over")
        .unwrap();
    assert_eq!(
        over.explanation,
        "GET api.example/over answered 1 call of 1 caller with success, the last 67 d 8 h after its announced end."
    );
    let deprecated = |path: &str| {
        scene
            .endpoints()
            .iter()
            .find(|e| e.template == path)
            .unwrap()
            .facts
            .deprecated
    };
    assert!(deprecated("/old") && deprecated("/by/header") && !deprecated("/later") && !deprecated("/fine"));
}

/// Calls a path with a credential or without.
fn call_version(scene: &mut Scene, path: &str, key: bool, status: u16) {
    let call = Call::get(path).status(status);
    scene.send(&if key {
        call.bearer("opaque-token-of-nobody-1234")
    } else {
        call
    });
}

#[test]
fn an_older_version_beside_a_newer_one_is_a_zombie() {
    let mut scene = scene(&[]);
    let send = call_version;
    send(&mut scene, "/v1/orders/7", true, 200);
    send(&mut scene, "/v1/alone/7", true, 200);
    send(&mut scene, "/v2/users/7", true, 200);
    // Only where the newer one is there.
    send(&mut scene, "/v3/users/7", true, 404);
    send(&mut scene, "/v2/users/7", true, 200);
    send(&mut scene, "/v2/orders/8", true, 200);
    send(&mut scene, "/v2/orders/8", true, 200);
    send(&mut scene, "/v1/orders/8", true, 200);
    assert_eq!(reasons(&scene), [], "the newer one was tried twice");
    send(&mut scene, "/v2/orders/8", true, 200);
    assert_eq!(reasons(&scene), [], "nobody called the older one since");
    send(&mut scene, "/v1/orders/9", true, 404);
    assert_eq!(reasons(&scene), [], "it is refused");
    send(&mut scene, "/v1/orders/9", true, 200);
    let of = |place: &str, severity| (format!("GET {place}"), "superseded".to_owned(), severity);
    assert_eq!(
        reasons(&scene),
        [of("api.example/v1/orders/{int}", Severity::Low)]
    );
    // One call without a credential says little while nobody tried that at the newer one.
    send(&mut scene, "/v1/orders/9", false, 200);
    assert_eq!(
        reasons(&scene),
        [of("api.example/v1/orders/{int}", Severity::Low)]
    );
    // It lets in whom the newer one has refused.
    send(&mut scene, "/v2/orders/9", false, 401);
    send(&mut scene, "/v1/orders/9", false, 200);
    assert_eq!(
        reasons(&scene),
        [of("api.example/v1/orders/{int}", Severity::High)]
    );
    let found = &scene.found(Kind::ZombieEndpoint)[0];
    assert_eq!(
        found.explanation,
        "GET api.example/v1/orders/{int} is version 1 and answered 5 calls of 2 callers, and version 2 of it is in use beside it. It lets in without the credential that the newer one asks for."
    );
    // However often it is called, there is little more to say.
    for _ in 0..500 {
        send(&mut scene, "/v1/orders/9", false, 200);
    }
    let told = scene.told.iter().filter(|f| f.kind == Kind::ZombieEndpoint);
    assert_eq!(told.count(), 2);
}

#[test]
fn a_newer_version_that_is_hardly_called_makes_no_zombie() {
    // One caller tries it without a credential, however often; most of what is tried is not there.
    let mut scene = scene(&[]);
    for _ in 0..20 {
        call_version(&mut scene, "/v2/orders/8", false, 200);
        call_version(&mut scene, "/v3/orders/8", true, 404);
        call_version(&mut scene, "/v1/orders/8", true, 200);
        // Another path, another method, another host, and numbers that are no versions.
        call_version(&mut scene, "/v2/other/8", true, 200);
        scene.send(&Call::new("POST", "/v2/orders/8").bearer("opaque-token-of-nobody-1234"));
        scene.send(
            &Call::get("/v2/orders/8")
                .host("b.example")
                .bearer("opaque-token-of-nobody-1234"),
        );
        call_version(&mut scene, "/v999/orders/8", true, 200);
    }
    assert_eq!(reasons(&scene), []);
}

#[test]
fn a_newer_version_is_closed_to_those_without_a_credential_when_that_is_no_chance() {
    // How many calls of each version came without a credential, and how many with one.
    let play = |older: (u32, u32), newer: (u32, u32)| {
        let mut scene = scene(&[]);
        for (version, (open, with_key)) in [(2, newer), (1, older)] {
            for n in 0..open.max(with_key) {
                let path = format!("/v{version}/orders/8");
                if n < with_key {
                    call_version(&mut scene, &path, true, 200);
                }
                if n < open {
                    call_version(&mut scene, &path, false, 200);
                }
            }
        }
        reasons(&scene).first().map(|(_, _, severity)| *severity)
    };
    // All calls of the older one come without: three or four with one tell.
    assert_eq!(play((16, 0), (0, 3)), Some(Severity::High));
    assert_eq!(play((4, 0), (0, 5)), Some(Severity::High));
    // Half of them: three with one are as good as nothing, and eight are much.
    assert_eq!(play((8, 8), (0, 3)), Some(Severity::Low));
    assert_eq!(play((8, 8), (0, 12)), Some(Severity::High));
    // One that was let in is enough.
    assert_eq!(play((16, 0), (1, 40)), Some(Severity::Low));
    assert_eq!(play((0, 16), (0, 40)), Some(Severity::Low));
}

#[test]
fn an_endpoint_that_was_silent_while_its_host_was_watched_is_a_zombie() {
    let play = |days: u64, watched: bool| {
        let mut scene = scene(&[]);
        scene.send(&Call::get("/forgotten"));
        for _ in 0..days {
            scene.wait(86_400);
            if watched {
                scene.send(&Call::get("/busy"));
            }
        }
        scene.send(&Call::get("/forgotten").status(404));
        let before = reasons(&scene).len();
        scene.wait(86_400);
        scene.send(&Call::get("/forgotten"));
        scene.send(&Call::get("/forgotten"));
        (before, reasons(&scene))
    };
    let found = vec![(
        "GET api.example/forgotten".to_owned(),
        "silent".to_owned(),
        Severity::Low,
    )];
    // The refused call is the last before; a year is enough for it to be no call of it.
    assert_eq!(play(5, true), (0, vec![]));
    assert_eq!(play(60, false), (0, vec![]), "nobody knows what was called");
    let mut scene = scene(&[]);
    scene.send(&Call::get("/forgotten"));
    for _ in 0..31 {
        scene.wait(86_400);
        scene.send(&Call::get("/busy"));
    }
    scene.send(&Call::get("/forgotten"));
    assert_eq!(reasons(&scene), found);
    for _ in 0..3 {
        scene.send(&Call::get("/forgotten"));
    }
    assert_eq!(scene.found(Kind::ZombieEndpoint).len(), 1);
    assert_eq!(scene.found(Kind::ZombieEndpoint)[0].count, 1);
}

#[test]
fn operations_that_nobody_calls_are_told_once_enough_time_is_covered() {
    let text = large();
    let mut settings = settings(&[("shop.yaml", &text, &[])]);
    settings.orphan_after = std::time::Duration::from_secs(24 * 3600);
    let mut scene = Scene::with(settings);
    let hours = |scene: &mut Scene, hours: u64, flags: Flags| {
        // Half the time nobody calls, and it is not covered.
        for n in 0..hours * 6 {
            let word = WORDS[(n % 18) as usize];
            let bearer = "opaque-token-of-nobody-1234";
            scene.send(&Call::get(format!("/v1/{word}")).bearer(bearer).flags(flags));
            scene.send(&Call::get(format!("/v1/{word}/7")).bearer(bearer).status(404));
            scene.wait(1198);
        }
    };
    hours(&mut scene, 20, Flags::empty());
    assert!(scene.found(Kind::OrphanEndpoint).is_empty());
    hours(&mut scene, 5, Flags::empty());
    let found = scene.found(Kind::OrphanEndpoint);
    assert_eq!(found.len(), 1);
    let one = &found[0];
    assert_eq!(
        one.observed["operations"],
        serde_json::json!([
            "GET /shipments",
            "GET /shipments/{id}",
            "GET /tickets",
            "GET /tickets/{id}"
        ])
    );
    assert_eq!(
        (one.count, one.severity, one.host()),
        (4, Severity::Info, "api.example")
    );
    assert_eq!(one.support["days"], 3);
    assert!(one.explanation.starts_with("Nobody called 4 of 40 operations that shop.yaml declares for api.example in 1 d 1 h of covered time on 3 days: GET /shipments,"), "{}", one.explanation);
    // What is called later is taken off, and the last one closes it.
    for path in ["/v1/shipments", "/v1/shipments/1", "/v1/tickets"] {
        scene.send(&Call::get(path).status(403));
    }
    assert_eq!(
        scene.found(Kind::OrphanEndpoint)[0].observed["operations"],
        serde_json::json!(["GET /tickets/{id}"])
    );
    scene.send(&Call::get("/v1/tickets/9"));
    let last = scene
        .told
        .iter()
        .rfind(|f| f.kind == Kind::OrphanEndpoint)
        .unwrap();
    assert_eq!((last.status, last.revision), (Status::Closed, 2));
    // Lost exchanges cover less.
    let mut settings = self::settings(&[("shop.yaml", &text, &[])]);
    settings.orphan_after = std::time::Duration::from_secs(24 * 3600);
    let mut lossy = Scene::with(settings);
    hours(&mut lossy, 30, Flags::GAP);
    assert!(
        lossy.found(Kind::OrphanEndpoint).is_empty(),
        "half of it was lost: 15 hours are covered"
    );
    hours(&mut lossy, 20, Flags::GAP);
    assert_eq!(lossy.found(Kind::OrphanEndpoint).len(), 1);
}

#[test]
fn what_was_compared_comes_back_from_a_store() {
    let text = large();
    let specs: [(&str, &str, &[&str]); 2] = [("shop.yaml", &text, &[]), ("x.yaml", PARAMETERS, &[])];
    let calls: Vec<Call> = (0..60)
        .map(|n| match n % 6 {
            0 => Call::get("/v1/hidden"),
            1 => Call::get("/orders?verbose=1"),
            2 => Call::get("/orders").status(202),
            3 => Call::get("/v1/accounts/7"),
            4 => Call::get("/old").answer_field("Deprecation: true"),
            _ => Call::new("DELETE", "/v1/accounts/7"),
        })
        .collect();
    let whole = {
        let mut scene = scene(&specs);
        calls.iter().for_each(|call| drop(scene.send(call)));
        finish(&mut scene);
        scene.findings()
    };
    let mut first = scene(&specs);
    calls[..25].iter().for_each(|call| drop(first.send(call)));
    let rows: Vec<_> = first.analyzer.take_changes().collect();
    assert!(rows.iter().any(|row| row.key.starts_with("watch/")));
    let mut second = scene(&specs);
    for row in rows {
        second
            .analyzer
            .restore(row.table, &row.key, &row.value.unwrap())
            .unwrap();
    }
    (second.now, second.sent) = (first.now, first.sent);
    calls[25..].iter().for_each(|call| drop(second.send(call)));
    finish(&mut second);
    let kinds: BTreeSet<_> = whole.iter().map(|f| f.kind.name()).collect();
    assert!(kinds.len() >= 4, "{kinds:?}");
    assert_eq!(whole, second.findings());
}

const SCHEMAS: &str = r#"
openapi: 3.0.3
info: {title: x, version: '1'}
servers: [{url: 'http://api.example'}]
components:
  schemas:
    Order:
      type: object
      required: [id, total, lines, secret, note]
      properties:
        id: {type: integer}
        total: {type: number}
        note: {type: string, nullable: true}
        secret: {type: string, writeOnly: true}
        parent: {$ref: '#/components/schemas/Order'}
        tags: {type: object, additionalProperties: {type: string}}
        free: {type: object}
        lines: {type: array, items: {type: object, additionalProperties: false, required: [sku], properties: {sku: {type: string}, count: {type: integer}}}}
    Error: {type: object, required: [code], properties: {code: {type: string}}}
paths:
  /orders/{id}:
    get:
      responses:
        '200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
        default: {description: no, content: {application/json: {schema: {$ref: '#/components/schemas/Error'}}}}
  /orders:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {sku: {type: string}, count: {type: integer}}}}}}
      responses: {'201': {description: made, content: {application/json: {}}}}
"#;

fn drift(scene: &Scene) -> Vec<(String, String, String)> {
    let found = scene.found(Kind::SchemaDrift);
    let of = found
        .iter()
        .filter(|f| f.observed_text("basis") == "specification");
    let mut all = Vec::new();
    for finding in of {
        for change in finding.observed["changes"].as_array().unwrap() {
            let text = |name: &str| change[name].as_str().unwrap().to_owned();
            all.push((
                format!("{} {}", text("in"), text("path")),
                text("change"),
                text("after"),
            ));
        }
    }
    all.sort();
    all
}

#[test]
fn bodies_are_held_against_their_schemas() {
    let fine = r#"{"id":1,"total":2.5,"note":null,"lines":[{"sku":"a","count":1},{"sku":"b"}],"tags":{"x":"y"},"free":{"any":1},"parent":{"id":2,"total":1,"note":"n","lines":[]}}"#;
    let play = |body: &str, count: u64| {
        let mut scene = scene(&[("x.yaml", SCHEMAS, &[])]);
        for n in 0..40 {
            scene.send(&Call::get(format!("/orders/{n}")).answer(if n < count { body } else { fine }));
            scene.send(
                &Call::get(format!("/orders/{n}"))
                    .status(404)
                    .answer(r#"{"code":"none"}"#),
            );
        }
        finish(&mut scene);
        let found: Vec<_> = scene
            .found(Kind::SchemaDrift)
            .into_iter()
            .filter(|f| f.observed_text("basis") == "specification")
            .collect();
        (drift(&scene), found)
    };
    assert_eq!(play(fine, 40).0, []);
    // A slip is none, and an object may lack what it need not have.
    assert_eq!(play(&fine.replace("\"id\":1", "\"id\":\"1\""), 2).0, []);
    assert_eq!(play(r#"{"id":1,"total":2.5,"note":"x","lines":[]}"#, 40).0, []);
    let of = |path: &str, change: &str, after: &str| {
        (
            format!("response 2xx {path}"),
            change.to_owned(),
            after.to_owned(),
        )
    };
    let (changes, found) = play(&fine.replace("\"id\":1", "\"id\":\"1\""), 20);
    assert_eq!(changes, [of("id", "retyped", "string")]);
    assert_eq!(
        (found[0].severity, found[0].evidence.is_empty()),
        (Severity::Medium, false)
    );
    assert_eq!(
        found[0].explanation,
        "GET api.example/orders/{id} departs from what x.yaml declares (breaking, seen 20 times): id of the response 2xx is string where integer is declared."
    );
    assert_eq!(
        play(&fine.replace("\"total\":2.5,", ""), 20).0,
        [of("total", "removed", "missing")]
    );
    assert_eq!(
        play(&fine.replace("\"sku\":\"b\"", "\"count\":2"), 20).0,
        [of("lines[].sku", "removed", "missing")]
    );
    assert_eq!(
        play(&fine.replace("\"sku\":\"b\"", "\"sku\":\"b\",\"cost\":9"), 20).0,
        [of("lines[].cost", "added", "integer")]
    );
    assert_eq!(
        play(&fine.replace("\"id\":1", "\"id\":1,\"owner\":\"x\""), 20).0,
        [of("owner", "added", "string")]
    );
    assert_eq!(
        play(&fine.replace("\"total\":1,", "\"total\":\"1\","), 20).0,
        [of("parent.total", "retyped", "string")]
    );
    let (_, found) = play(&fine.replace("\"id\":1", "\"id\":1,\"owner\":\"x\""), 20);
    assert_eq!(
        found[0].severity,
        Severity::Info,
        "nobody breaks by a property more"
    );
}

#[test]
fn requests_are_held_against_their_schemas() {
    let mut scene = scene(&[("x.yaml", SCHEMAS, &[])]);
    for n in 0..12 {
        let body = if n < 6 {
            r#"{"sku":"a","admin":true}"#
        } else {
            r#"{"sku":"a","count":"2"}"#
        };
        scene.send(
            &Call::new("POST", "/orders")
                .field("Content-Type: application/json")
                .body(body)
                .status(201),
        );
        // What is refused is no contract.
        scene.send(
            &Call::new("POST", "/orders")
                .field("Content-Type: application/json")
                .body(r#"{"odd":1}"#)
                .status(400),
        );
    }
    finish(&mut scene);
    let of = |path: &str, change: &str, after: &str| {
        (format!("request {path}"), change.to_owned(), after.to_owned())
    };
    assert_eq!(
        drift(&scene),
        [of("admin", "added", "boolean"), of("count", "retyped", "string")]
    );
}

#[test]
fn a_host_in_two_environments_is_watched_twice_and_comes_back() {
    use crate::inventory::declared::{EnvironmentRule, Environments};
    let text = large();
    let settings = || {
        let mut settings = settings(&[("shop.yaml", &text, &[])]);
        let rule = EnvironmentRule {
            name: "staging".into(),
            cidr: vec!["10.9.9.9".into()],
            ..EnvironmentRule::default()
        };
        let mut declared = declared(&[("shop.yaml", &text, &[])]);
        declared.environments = Environments::new(&[rule], None);
        settings.declared = declared.into();
        settings
    };
    let mut scene = Scene::with(settings());
    for _ in 0..3 {
        scene.send(&Call::get("/v1/accounts"));
        scene.send(&Call::get("/v1/hidden"));
    }
    finish(&mut scene);
    assert_eq!(scene.found(Kind::ShadowEndpoint).len(), 1);
    let endpoints = scene.endpoints();
    assert!(
        endpoints
            .iter()
            .all(|e| e.facts.environment.as_deref() == Some("staging"))
    );
    let mut again = Scene::with(settings());
    for row in scene.analyzer.take_changes() {
        let value = row.value.unwrap_or_default();
        again.analyzer.restore(row.table, &row.key, &value).unwrap();
    }
    assert_eq!(again.endpoints(), endpoints);
    assert_eq!(again.findings(), scene.findings());
}

#[test]
fn values_told_as_endpoints_are_told_as_one_at_the_end() {
    let text = large();
    let mut scene = scene(&[("shop.yaml", &text, &[])]);
    let names: Vec<String> = (0..40u8)
        .map(|n| {
            format!(
                "{}{}{}",
                ["ann", "bob", "eve", "joe", "kim", "lea", "max", "tom"][usize::from(n % 8)],
                ["son", "ley", "ton", "er", "man"][usize::from(n / 8)],
                "s"
            )
        })
        .collect();
    for _ in 0..3 {
        for name in &names {
            let answer = format!(r#"{{"login":"{name}","mail":"x","since":1,"role":"y"}}"#);
            scene.send(&Call::get(format!("/v1/people/{name}")).answer(answer));
        }
    }
    finish(&mut scene);
    let found = scene.found(Kind::ShadowEndpoint);
    let places = places(&found);
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(places[0].starts_with("GET api.example/v1/people/{"), "{places:?}");
    assert!(found[0].count >= 100, "{}", found[0].count);
    // Whoever was told of a name is told that it is closed.
    let mut open = BTreeSet::new();
    for told in scene.told.iter().filter(|f| f.kind == Kind::ShadowEndpoint) {
        match told.status {
            Status::Closed => drop(open.remove(&told.id)),
            _ => drop(open.insert(told.id.clone())),
        }
    }
    assert_eq!(open.into_iter().collect::<Vec<_>>(), [found[0].id.clone()]);
}

#[test]
fn parts_of_an_endpoint_add_up_in_any_order() {
    let trace = |ts: u64| {
        let exchange = Call::get("/a").exchange(ts, ts as u32);
        Trace::of(&exchange, Id::of(&[&ts.to_le_bytes()])).map(Box::new)
    };
    let part = |from: u64| {
        let mut compared = Compared::default();
        for n in from..from + 60 {
            let check = Check {
                verdict: if n % 3 == 0 {
                    Verdict::Declared
                } else {
                    Verdict::OtherPath
                },
                named: true,
                found: None,
                status: (n % 5 == 0).then_some(201 + (n % 7) as u16),
                names: vec![("query", format!("name{}", n % 90))],
                done: true,
                page: false,
            };
            compared.observe(&check, || trace(1_000 + n));
        }
        compared
    };
    let parts = [part(0), part(60), part(120)];
    let sum = |order: [usize; 3]| {
        let mut sum = parts[order[0]].clone();
        sum.absorb(parts[order[1]].clone());
        sum.absorb(parts[order[2]].clone());
        sum.dropped = 0;
        sum
    };
    let want = sum([0, 1, 2]);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let got = sum(order);
        assert_eq!(
            got.names.keys().collect::<Vec<_>>(),
            want.names.keys().collect::<Vec<_>>(),
            "{order:?}"
        );
        assert_eq!(
            (got.declared, got.undeclared, &got.first, &got.statuses),
            (want.declared, want.undeclared, &want.first, &want.statuses)
        );
    }
    assert_eq!(want.names.len(), NAMES);
}

#[test]
fn versions_are_found_in_paths() {
    for (template, want) in [
        ("/v1/orders", Some((2, 1, 3))),
        ("/api/V12/x", Some((6, 12, 8))),
        ("/v1", Some((2, 1, 3))),
        ("/version1/x", None),
        ("/vx/y", None),
        ("/v1234/x", None),
        ("/v/1", None),
        ("", None),
    ] {
        assert_eq!(zombie::version_of(template), want, "{template}");
    }
}
