//! The paths behind complaints, written anew: what each looked like, what it became elsewhere, and what it must be.

use std::collections::BTreeSet;

use super::peers::{Akto, ApiClarity, Rules};
use crate::inventory::paths::steps::bare_template;
use crate::testing::{Call, Scene};

/// One complaint: calls with what is answered, and the templates that are right.
struct List {
    about: &'static str,
    calls: Vec<(&'static str, String, String)>,
    right: Vec<&'static str>,
    /// Whether the rules of Akto and of APIClarity get it right.
    others: (bool, bool),
}

fn get(path: impl Into<String>, answer: impl Into<String>) -> (&'static str, String, String) {
    ("GET", path.into(), answer.into())
}

fn user(n: usize) -> String {
    format!(r#"{{"id":{n},"name":"n{n}","email":"n{n}@corp.example","plan":"p{n}","city":"c{n}"}}"#)
}

fn order(n: usize) -> String {
    format!(
        r#"{{"orderId":{n},"total":"{n}.50","currency":"EUR","lines":[{{"sku":"s{n}","qty":2}}],"state":"s"}}"#
    )
}

const NAMES: [&str; 12] = [
    "alice", "bob", "carol", "dmitri", "elena", "farid", "grace", "hiro", "ingrid", "jorge", "kavita", "liam",
];

fn lists() -> Vec<List> {
    let mut out = Vec::new();
    out.push(List {
        about: "a word of two words is no parameter (metlo 151: onboardingStatus became a parameter)",
        calls: vec![
            get(
                "/user/onboardingStatus",
                r#"{"step":"three","done":"no","next":"mail"}"#,
            ),
            get(
                "/user/billingAddress",
                r#"{"street":"x","zip":"1","country":"DE"}"#,
            ),
            get("/user/featureFlags", r#"{"dark":"on","beta":"off","lab":"no"}"#),
        ],
        right: vec![
            "GET /user/onboardingStatus",
            "GET /user/billingAddress",
            "GET /user/featureFlags",
        ],
        others: (true, true),
    });
    out.push(List {
        about: "ids in the middle of a path (akto 272)",
        calls: (0..12)
            .flat_map(|n| {
                [
                    get(format!("/api/shops/s{n}k{}/orders/{}", n * 37, 900 + n), order(n)),
                    get(
                        format!("/api/shops/s{n}k{}/orders", n * 37),
                        format!("[{}]", order(n)),
                    ),
                ]
            })
            .collect(),
        right: vec!["GET /api/shops/{}/orders/{}", "GET /api/shops/{}/orders"],
        others: (false, false),
    });
    out.push(List {
        about: "collections whose members have short codes stay apart (Akto passes over words that differ; both come up again later)",
        calls: (0..12)
            .flat_map(|n| {
                let code = |c: char| format!("{c}{}k{n}", n % 10);
                [
                    get(format!("/users/{}", code('q')), r#"{"ok":"yes"}"#),
                    get(format!("/orders/{}", code('z')), r#"{"ok":"yes"}"#),
                ]
            })
            .collect(),
        right: vec!["GET /users/{}", "GET /orders/{}"],
        others: (true, false),
    });
    out.push(List {
        about: "names of people are values (APIClarity learns no strings)",
        calls: NAMES
            .iter()
            .enumerate()
            .map(|(n, name)| get(format!("/users/{name}"), user(n)))
            .collect(),
        right: vec!["GET /users/{}"],
        others: (false, false),
    });
    out.push(List {
        about: "a constant beside names stays (metlo needed a job to part it again)",
        calls: NAMES
            .iter()
            .enumerate()
            .map(|(n, name)| get(format!("/users/{name}"), user(n)))
            .chain((0..40).map(|n| get("/users/me", user(n))))
            .chain((0..40).map(|n| {
                get(
                    "/users/overdue",
                    format!(r#"{{"count":{n},"oldest":"x","sum":{n}}}"#),
                )
            }))
            .collect(),
        right: vec!["GET /users/{}", "GET /users/me", "GET /users/overdue"],
        others: (false, false),
    });
    out.push(List {
        about: "the same answer does not make one endpoint (demystify 5)",
        calls: (0..6)
            .flat_map(|_| {
                [
                    "/healthz",
                    "/readyz",
                    "/livez",
                    "/cache/flush",
                    "/cache/warm",
                    "/cache/trim",
                    "/cache/drain",
                    "/cache/probe",
                ]
                .map(|path| get(path, r#"{"ok":true,"status":"green","node":"a","zone":"b"}"#))
            })
            .collect(),
        right: vec![
            "GET /healthz",
            "GET /readyz",
            "GET /livez",
            "GET /cache/flush",
            "GET /cache/warm",
            "GET /cache/trim",
            "GET /cache/drain",
            "GET /cache/probe",
        ],
        others: (true, true),
    });
    out.push(List {
        about: "collections of one API are alike in their envelope and are not one parameter (akto 1345, 2343)",
        calls: ["users", "orders", "herds", "looms", "kilns", "wells", "tolls", "silos"]
            .iter()
            .enumerate()
            .flat_map(|(n, name)| {
                let item = move |k: usize| format!(r#"{{"{name}Id":{k},"{name}Name":"x{k}","{name}Kind":"k","at{n}":"t"}}"#);
                (0..4).flat_map(move |k| {
                    [
                        get(format!("/api/{name}"), format!(r#"{{"data":[{}],"page":{k},"total":9}}"#, item(k))),
                        get(format!("/api/{name}/{k}"), item(k)),
                    ]
                })
            })
            .collect(),
        right: ["users", "orders", "herds", "looms", "kilns", "wells", "tolls", "silos"]
            .iter()
            .flat_map(|n| [format!("GET /api/{n}"), format!("GET /api/{n}/{{}}")])
            .map(|t| &*Box::leak(t.into_boxed_str()))
            .collect(),
        others: (true, true),
    });
    out.push(List {
        about: "owner and repository, both names (akto 1355)",
        calls: NAMES
            .iter()
            .enumerate()
            .flat_map(|(n, name)| {
                let repo = ["river", "stone", "bread", "winter", "copper", "harbor"][n % 6];
                [
                    get(
                        format!("/repos/{name}/{repo}"),
                        format!(r#"{{"full":"{name}-{repo}","stars":{n},"forks":1,"fork":"no"}}"#),
                    ),
                    get(
                        format!("/repos/{name}/{repo}/branches"),
                        format!(r#"[{{"name":"main","sha":"{n}","safe":"yes"}}]"#),
                    ),
                ]
            })
            .collect(),
        right: vec!["GET /repos/{}/{}", "GET /repos/{}/{}/branches"],
        others: (false, false),
    });
    out.push(List {
        about: "verbs, versions and languages stay (mitmproxy2swagger 29, 57)",
        calls: vec![
            get("/v1/things", "[1]"),
            get("/v2/things", "[1]"),
            get("/v1beta1/things", "[1]"),
            get("/en/about", "<p>"),
            get("/pt-BR/about", "<p>"),
            get("/de/about", "<p>"),
            ("POST", "/tasks/42:cancel".into(), String::new()),
            ("POST", "/tasks/43:cancel".into(), String::new()),
            ("POST", "/rpc/getUser".into(), user(1)),
            ("POST", "/rpc/setUser".into(), user(2)),
            ("POST", "/rpc/findUser".into(), user(3)),
            ("POST", "/rpc/mergeUser".into(), user(4)),
        ],
        right: vec![
            "GET /v1/things",
            "GET /v2/things",
            "GET /v1beta1/things",
            "GET /en/about",
            "GET /pt-BR/about",
            "GET /de/about",
            "POST /tasks/{}:cancel",
            "POST /rpc/getUser",
            "POST /rpc/setUser",
            "POST /rpc/findUser",
            "POST /rpc/mergeUser",
        ],
        others: (false, false),
    });
    out.push(List {
        about: "titles of pages, without a field to compare (akto 2347)",
        calls: (0..10)
            .map(|n| {
                let word = [
                    "river", "stone", "bread", "garden", "winter", "copper", "harbor", "lantern", "meadow",
                    "velvet",
                ];
                get(
                    format!("/posts/{}-and-the-{}", word[n], word[(n + 3) % 10]),
                    format!("<html>{n}</html>"),
                )
            })
            .collect(),
        right: vec!["GET /posts/{}"],
        others: (false, false),
    });
    out
}

#[test]
fn the_lists_behind_complaints_come_out_right() {
    let (mut akto_right, mut clarity_right, mut all) = (0, 0, 0);
    for list in lists() {
        let mut scene = Scene::new();
        let (mut akto, mut clarity) = (Akto::default(), ApiClarity::default());
        for (method, path, answer) in &list.calls {
            let status = if answer.is_empty() { 204 } else { 200 };
            let kind = if answer.starts_with('<') {
                "text/html"
            } else {
                "application/json"
            };
            let mut call = Call::new(method, path.clone())
                .answer(answer.clone())
                .status(status);
            if kind == "text/html" {
                call = call.html();
            }
            scene.send(&call);
            akto.observe(method, path, status, answer.as_bytes());
            clarity.observe(method, path, status, answer.as_bytes());
        }
        let found: BTreeSet<String> = scene
            .endpoints()
            .iter()
            .map(|e| format!("{} {}", e.method, bare_template(&e.template)))
            .collect();
        let right: BTreeSet<String> = list.right.iter().map(|t| (*t).to_owned()).collect();
        assert_eq!(found, right, "{}", list.about);
        let words = |rules: &dyn Rules| -> BTreeSet<String> {
            rules
                .templates()
                .into_iter()
                .map(|(m, t)| format!("{m} {t}"))
                .collect()
        };
        let others = (words(&akto) == right, words(&clarity) == right);
        all += 1;
        akto_right += usize::from(others.0);
        clarity_right += usize::from(others.1);
        println!(
            "{:<5} {:<5} {}",
            if others.0 { "right" } else { "wrong" },
            if others.1 { "right" } else { "wrong" },
            list.about
        );
        assert_eq!(
            others,
            list.others,
            "{}: akto {:?} apiclarity {:?}",
            list.about,
            words(&akto),
            words(&clarity)
        );
    }
    println!("of {all} lists: tapline {all}, akto {akto_right}, apiclarity {clarity_right}");
}

#[test]
fn a_merge_says_why() {
    let mut scene = Scene::new();
    for (n, name) in NAMES.iter().enumerate() {
        scene.send(&Call::get(format!("/users/{name}")).answer(user(n)));
    }
    scene.send(&Call::get("/users/me").answer(user(99)));
    let reasons: Vec<_> = scene
        .endpoints()
        .into_iter()
        .map(|e| (e.template, e.template_reasons))
        .collect();
    assert_eq!(
        reasons,
        [
            ("/users/me".to_owned(), vec![]),
            (
                "/users/{param}".to_owned(),
                vec!["after /users: 12 names answer with the same fields (100 % shared); not: me".to_owned()]
            ),
        ]
    );
}

#[test]
fn a_merge_is_parted_again_when_evidence_turns() {
    let mut scene = Scene::new();
    let envelope =
        |items: &str, n: usize| format!(r#"{{"items":[{items}],"page":{n},"pages":1,"total":{n}}}"#);
    let kinds = ["kilns", "looms", "wells", "tolls"];
    // On the first day every list is empty: the same fields, and nothing else to go by.
    for (n, kind) in kinds.iter().enumerate() {
        scene.send(&Call::get(format!("/assets/{kind}")).answer(envelope("", n)));
    }
    let templates = |scene: &Scene| -> Vec<String> {
        scene
            .endpoints()
            .iter()
            .map(|e| format!("{} {}", e.template, e.exchanges))
            .collect()
    };
    assert_eq!(templates(&scene), ["/assets/{param} 4"]);
    let merged = scene
        .send(&Call::get("/assets/looms").answer(envelope("", 9)))
        .endpoint;
    assert_eq!(merged.as_deref(), Some(&*scene.endpoints()[0].id));
    // On the second they are filled, and turn out to be lists of different things.
    for n in 0..4 {
        for kind in kinds {
            let item = format!(
                r#"{{"{kind}No":{n},"{kind}Site":"s","{kind}State":"x","{kind}Owner":"o","{kind}Since":"t"}}"#
            );
            scene.send(&Call::get(format!("/assets/{kind}")).answer(envelope(&item, n)));
        }
    }
    assert_eq!(
        templates(&scene),
        [
            "/assets/kilns 5",
            "/assets/looms 6",
            "/assets/tolls 5",
            "/assets/wells 5"
        ],
        "what was counted before is parted too"
    );
    let parted = scene
        .send(&Call::get("/assets/looms").answer(envelope("", 9)))
        .endpoint;
    assert_ne!(parted, merged, "exchanges name the endpoint as it is now");
}

#[test]
fn a_word_of_the_route_is_found_however_late_it_is_called() {
    let parcel = |n: u64| format!(r#"{{"id":{n},"weight":{n},"from":"a","to":"b","state":"x{n}"}}"#);
    let report = |word: &str, n: u64| {
        format!(
            r#"{{"{word}_total":{n},"{word}_oldest":"x{n}","{word}_by":[{{"{word}_depot":"k"}}],"as_of":"x"}}"#
        )
    };
    let syllables = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu"];
    for method in ["GET", "PUT"] {
        let mut scene = Scene::new();
        // So many parcels that only a few of their names are kept …
        for n in 0..90 {
            let name = format!("{}{}nor", syllables[n % 10], syllables[n / 10]);
            scene.send(&Call::new(method, format!("/parcels/{name}")).answer(parcel(n as u64)));
        }
        // … and then words of the route, with other answers, or another method.
        for word in ["overdue", "unclaimed", "misrouted", "undelivered", "waylaid"] {
            for n in 0..5 {
                scene.send(&Call::get(format!("/parcels/{word}")).answer(report(word, n)));
            }
        }
        let found: BTreeSet<String> = scene.endpoints().into_iter().map(|e| e.template).collect();
        let want = [
            "overdue",
            "unclaimed",
            "misrouted",
            "undelivered",
            "waylaid",
            "{param}",
        ];
        let want: BTreeSet<String> = want.iter().map(|w| format!("/parcels/{w}")).collect();
        assert_eq!(found, want, "{method}");
    }
}

/// Which names are kept of many does not depend on when the first call of a word came: before there were many values, after that, or
/// in between.
#[test]
fn when_a_word_of_the_route_is_first_called_does_not_matter() {
    let parcel = |n: u64| format!(r#"{{"id":{n},"weight":{n},"from":"a","to":"b","state":"x{n}"}}"#);
    let report = |word: &str, n: u64| {
        format!(
            r#"{{"{word}_total":{n},"{word}_oldest":"x{n}","{word}_by":[{{"{word}_depot":"k"}}],"as_of":"x"}}"#
        )
    };
    let syllables = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu"];
    let words = ["overdue", "unclaimed", "misrouted", "undelivered", "waylaid"];
    let told = |first: usize| {
        let mut scene = Scene::new();
        let word = |scene: &mut Scene, calls: u64| {
            for word in words {
                for n in 0..calls {
                    scene.send(&Call::get(format!("/parcels/{word}")).answer(report(word, n)));
                }
            }
        };
        for n in 0..90 {
            if n == first {
                word(&mut scene, 1);
            }
            let name = format!("{}{}nor", syllables[n % 10], syllables[n / 10]);
            let path = format!("/parcels/{name}");
            // Some are called first with a method that others are not called with.
            if n % 3 == 0 {
                scene.send(&Call::new("DELETE", path.as_str()).answer(parcel(n as u64)));
            }
            for _ in 0..3 {
                scene.send(&Call::get(path.as_str()).answer(parcel(n as u64)));
            }
        }
        word(&mut scene, 5);
        scene.analyzer.finish();
        let all = scene.endpoints();
        let told: BTreeSet<String> = all
            .iter()
            .map(|e| {
                format!(
                    "{} {} {} {:?}",
                    e.method, e.template, e.exchanges, e.template_reasons
                )
            })
            .collect();
        told
    };
    let want = told(1);
    for word in words {
        assert!(
            want.iter().any(|line| line.contains(&format!("/{word} 6 "))),
            "{want:#?}"
        );
    }
    for first in [20, 41, 43, 45, 47, 48, 60, 89] {
        assert_eq!(told(first), want, "{first}");
    }
}

#[test]
fn what_a_server_would_make_of_any_path_stays_bounded() {
    // A server that answers everything with a page, and a caller that asks for everything.
    let mut scene = Scene::new();
    let mut sent = 0u32;
    for n in 0..30_000u32 {
        let letters = |mut n: u32| -> String {
            (0..4)
                .map(|_| {
                    let c = char::from(b'a' + (n % 26) as u8);
                    n /= 26;
                    c
                })
                .collect()
        };
        let path = format!(
            "/{}e/{}o/{}a",
            letters(n % 700),
            letters(n * 7 % 9000),
            letters(n)
        );
        scene.send(&Call::get(path).answer(format!("<p>{n}")).html());
        sent += 1;
    }
    let endpoints = scene.endpoints();
    assert!(endpoints.len() < 20_000, "{}", endpoints.len());
    assert_eq!(
        endpoints.iter().map(|e| e.exchanges).sum::<u64>(),
        u64::from(sent),
        "none is lost"
    );
    let counters = scene.analyzer.counters();
    assert!(
        counters
            .iter()
            .any(|(name, n)| *name == "path_names_folded" && *n > 0),
        "{counters:?}"
    );
}

#[test]
fn wrong_calls_and_scans_make_no_endpoints() {
    let mut scene = Scene::new();
    for n in 0..200 {
        scene.send(&Call::get(format!("/wp-admin/x{n}")).status(404));
        scene.send(&Call::get(format!("/users/user{n}/profile")).status(404));
        scene.send(&Call::get(format!("/secret/{}", NAMES[n % 12])).status(403));
    }
    assert!(scene.endpoints().is_empty());
}
