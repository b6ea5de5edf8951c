//! What people declared reaches the analysis as it was meant.

use super::*;
use crate::spec::{HostPattern, Limits, read};
use reassembly::Timestamp;

const SPEC: &str = r#"
openapi: 3.0.3
info: {title: Shop, version: "1", contact: {email: shop@example.com}}
servers: [{url: "https://api.example.com/v1"}]
paths:
  /users/{userId}:
    get: {x-owner: team-users, responses: {"200": {description: ok}}}
  /users/{userId}/avatar:
    get: {responses: {"200": {description: ok}}}
  /users/me:
    get: {responses: {"200": {description: ok}}}
  /orders/:
    post: {deprecated: true, responses: {"201": {description: ok}}}
  /files/{path+}:
    get: {responses: {"200": {description: ok}}}
"#;

fn index(text: &str, hosts: &[&str]) -> Index {
    let mut index = Index::default();
    let hosts: Vec<_> = hosts.iter().map(|h| HostPattern::new(h)).collect();
    index.add(read("spec.yaml", text.as_bytes(), &Limits::default()), &hosts);
    index
}

fn declared(specs: Index, overrides: &str, owners: &str) -> Declared {
    Declared {
        specs,
        overrides: Overrides::read(overrides).unwrap(),
        owners: Owners::read("owners.toml", owners).unwrap(),
        environments: Environments::default(),
        ..Declared::default()
    }
}

fn mistakes(text: &str) -> String {
    let found = Overrides::read(text).unwrap_err();
    found.iter().map(|m| format!("{m}\n")).collect()
}

#[test]
fn a_path_has_the_template_of_its_specification() {
    let declared = declared(index(SPEC, &[]), "", "");
    let check = |method: &str, host: &str, path: &str, want: Option<&str>| {
        assert_eq!(
            declared.template(host, method, path).as_deref(),
            want,
            "{method} {host}{path}"
        );
    };
    let host = "api.example.com";
    check("GET", host, "/v1/users/42", Some("/v1/users/{userId}"));
    check("GET", host, "/v1/users/%34%32?x=/y", Some("/v1/users/{userId}"));
    check("GET", host, "/v1//users/./a%2Fb/", Some("/v1/users/{userId}"));
    check("GET", host, "/v1/users/me", Some("/v1/users/me"));
    check("DELETE", host, "/v1/users/42", Some("/v1/users/{userId}"));
    check("GET", host, "/v1/orders", Some("/v1/orders"));
    check("GET", host, "/v1/files/a/b/c.txt", Some("/v1/files/{path...}"));
    check("GET", host, "/v1/secret", None);
    check("GET", host, "/users/42", None);
    check("GET", "other.example.com", "/v1/users/42", None);
    check("GET", "api.example.com:8080", "/v1/users/42", None);
}

#[test]
fn a_specification_that_names_no_host_is_believed_where_its_names_stand() {
    let text = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths:\n  /{any}: {get: {}}\n  /things/{id}: {get: {}}\n";
    let anywhere = declared(index(text, &[]), "", "");
    assert_eq!(
        anywhere.template("h", "GET", "/things/7").as_deref(),
        Some("/things/{id}")
    );
    assert_eq!(anywhere.template("h", "GET", "/login"), None);
    let bound = declared(index(text, &["h"]), "", "");
    assert_eq!(bound.template("h", "GET", "/login").as_deref(), Some("/{any}"));
    assert_eq!(bound.template("other", "GET", "/things/7"), None);
}

#[test]
fn overrides_win_over_specifications() {
    let overrides = r#"
[[endpoint]]
path = "/v1/users/{name}"            # every host, every method
[[endpoint]]
host = "*.example.com"
path = "/v1/users/{login}"
[[endpoint]]
host = "api.example.com"
method = "GET"
path = "/docs/{page...}"
[[endpoint]]
host = "api.example.com"
path = "/v1/**"
owner = "x"
[[endpoint]]
host = "h"
path = "/a/{id}.json"
[[endpoint]]
host = "h"
path = "/a/{first}"
[[endpoint]]
host = "h"
path = "/a/{second}"
"#;
    let declared = declared(index(SPEC, &[]), overrides, "");
    let check = |method: &str, host: &str, path: &str, want: Option<&str>| {
        assert_eq!(
            declared.template(host, method, path).as_deref(),
            want,
            "{method} {host}{path}"
        );
    };
    check(
        "GET",
        "api.example.com",
        "/v1/users/42",
        Some("/v1/users/{login}"),
    );
    check(
        "GET",
        "api.example.com",
        "/v1/users/me",
        Some("/v1/users/{login}"),
    );
    check("GET", "elsewhere", "/v1/users/42", Some("/v1/users/{name}"));
    check(
        "GET",
        "api.example.com",
        "/v1/users/42/avatar",
        Some("/v1/users/{userId}/avatar"),
    );
    check("GET", "api.example.com", "/docs/a/b", Some("/docs/{page...}"));
    check("POST", "api.example.com", "/docs/a/b", Some("/docs/{page...}"));
    // A glob over a subtree says who owns it, and nothing about its names.
    check("GET", "api.example.com", "/v1/unknown/x", None);
    check("GET", "h", "/a/7.json", Some("/a/{id}.json"));
    check("GET", "h", "/a/7", Some("/a/{second}"));
}

#[test]
fn a_method_of_its_own_says_more_than_every_method() {
    let overrides = "[[endpoint]]\nhost = \"h\"\npath = \"/u/{a}\"\nmethod = \"GET\"\n[[endpoint]]\nhost = \"h\"\npath = \"/u/me\"\nowner = \"x\"\n";
    let declared = declared(Index::default(), overrides, "");
    assert_eq!(declared.template("h", "GET", "/u/me").as_deref(), Some("/u/me"));
    assert_eq!(declared.template("h", "GET", "/u/you").as_deref(), Some("/u/{a}"));
}

#[test]
fn kept_names_stay_whatever_else_is_declared() {
    let overrides = r#"
[[keep]]
host = "api.example.com"
path = "/v1/users/admin"
[[keep]]
path = "/v1/files/public/"
"#;
    let declared = declared(index(SPEC, &[]), overrides, "");
    let check = |host: &str, path: &str, kept: usize, want: Option<&str>| {
        assert_eq!(declared.kept(host, path), kept, "{host}{path}");
        assert_eq!(
            declared.template(host, "GET", path).as_deref(),
            want,
            "{host}{path}"
        );
    };
    let host = "api.example.com";
    check(host, "/v1/users/admin", 3, Some("/v1/users/admin"));
    check(host, "/v1/users/admin/avatar", 3, Some("/v1/users/admin/avatar"));
    check(host, "/v1/users/bob/avatar", 0, Some("/v1/users/{userId}/avatar"));
    check(
        host,
        "/v1/files/public/a/b",
        3,
        Some("/v1/files/public/{path...}"),
    );
    check(host, "/v1/files/public", 3, Some("/v1/files/public"));
    // What lies below a kept name and is not declared is for others to say.
    check(host, "/v1/users/admin/keys/7", 3, None);
    check("other", "/v1/users/admin", 0, None);
    check("other", "/v1/files/public", 3, Some("/v1/files/public"));
}

#[test]
fn facts_come_from_whoever_says_most() {
    let overrides = r#"
[[endpoint]]
host = "api.example.com"
owner = "everything"
tier = "internal"
environment = "production"
[[endpoint]]
host = "api.example.com"
path = "/v1/users/{id}"
owner = "people"
[[endpoint]]
host = "api.example.com"
path = "/v1/users/{id}"
method = "DELETE"
tier = "confidential"
purpose = "forget a person"
"#;
    let owners = "[[owner]]\nowner = \"company\"\n[[owner]]\npath = \"/v1/orders\"\nowner = \"sales\"\n";
    let all = declared(index(SPEC, &[]), overrides, owners);
    let facts = all.facts("api.example.com", "DELETE", "/v1/users/{userId}");
    assert_eq!(facts.owner, Some(("people", OwnerSource::Override)));
    assert_eq!(facts.tier, Some(Tier::Confidential));
    assert_eq!(facts.environment, Some("production"));
    assert_eq!(facts.purpose, Some("forget a person"));
    assert!(facts.operation.is_none());
    let facts = all.facts("api.example.com", "GET", "/v1/orders");
    assert_eq!(
        (facts.owner, facts.tier),
        (Some(("everything", OwnerSource::Override)), Some(Tier::Internal))
    );
    // Without overrides the map speaks, and without it the specification.
    let mapped = declared(index(SPEC, &[]), "", owners);
    let owner = |all: &Declared, host: &str, method: &str, template: &str| {
        let facts = all.facts(host, method, template);
        facts
            .owner
            .map(|(owner, source)| (owner.to_owned(), source.name()))
    };
    let of = |text: &str, source| Some((text.to_owned(), source));
    let host = "api.example.com";
    assert_eq!(
        owner(&mapped, host, "POST", "/v1/orders/{int}"),
        of("sales", "owners")
    );
    assert_eq!(
        owner(&mapped, host, "GET", "/v1/users/me"),
        of("company", "owners")
    );
    let bare = declared(index(SPEC, &[]), "", "");
    assert_eq!(
        owner(&bare, host, "GET", "/v1/users/{userId}"),
        of("team-users", "specification")
    );
    assert_eq!(
        owner(&bare, host, "GET", "/v1/users/me"),
        of("shop@example.com", "specification")
    );
    assert_eq!(owner(&bare, host, "GET", "/v1/unknown"), None);
}

#[test]
fn owners_in_lines_are_owners_too() {
    let text = "# who answers\n*  @company\n*.example.com/payments @pay @risk   # both\n/admin/ @platform\nmcp.example.com/mcp#tools/* @agents\n";
    let owners = Owners::read("OWNERS", text).unwrap();
    let check = |host: &str, template: &str, want: &str| {
        assert_eq!(owners.of(host, "GET", template), Some(want), "{host}{template}");
    };
    check("a.example.com", "/x", "@company");
    check("a.example.com", "/payments/{int}", "@pay @risk");
    check("a.example.com", "/paymentsx", "@company");
    check("z", "/admin", "@platform");
    check("mcp.example.com", "/mcp#tools/call:x", "@agents");
    check("mcp.example.com", "/mcp#resources/read", "@company");
    let wrong = Owners::read("OWNERS", "api.example.com/x\n\n  a b c@x @y\nhttps://a @x\n").unwrap_err();
    let told: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("1:1: has no owner") && told[1].starts_with("4:1: the host of the pattern"),
        "{told:?}"
    );
}

#[test]
fn every_mistake_has_its_place_and_says_what_is_right() {
    insta::assert_snapshot!(mistakes(
        r#"# a comment
[[endpont]]
host = "a"
[[endpoint]]
hots = "a"
[[endpoint]]
host = "https://a.example"
path = "users"
method = "get"
tier = "secret"
accept = ["missing_aut", "nothing like it", 7]
until = "soon"
[[endpoint]]
path = "/a/{x/b"
reason = "because"
[[endpoint]]
path = "/a/**/b"
owner = ""
[[endpoint]]
host = "*.example.com"
[keep]
path = "/x"
[[keep]]
host = "a b"
path = "/users/{id}"
"#
    ));
    insta::assert_snapshot!(mistakes("[[endpoint]\nhost = \n[[keep]]\nhost=\"a\"\n"));
    insta::assert_snapshot!(mistakes(
        "[[keep]]\nhost = \"a\"\n[[keep]]\npath = \"/users/*\"\n"
    ));
    assert!(Overrides::read("").unwrap().is_empty());
}

#[test]
fn findings_are_accepted_where_and_as_long_as_it_is_said() {
    let overrides = r#"
[[endpoint]]
host = "api.example.com"
path = "/open"
accept = ["missing_auth", "weak_auth"]
reason = "behind client certificates"
until = 2026-11-21
[[endpoint]]
host = "lab.example.com"
accept = ["endpoint_discovery_scan"]
reason = "the scanner of our own"
"#;
    let all = declared(Index::default(), overrides, "");
    let about = |host: &str, template: Option<&str>| Resource {
        host: Some(host.to_owned()),
        method: template.map(|_| "GET".to_owned()),
        template: template.map(str::to_owned),
        ..Resource::default()
    };
    let last = Timestamp(1_795_305_599_999_999_999);
    let check = |kind: Kind, about: &Resource, ts: Timestamp, want: bool| {
        assert_eq!(all.accepts(kind, about, ts).is_some(), want, "{kind:?} {about:?}");
    };
    check(
        Kind::MissingAuth,
        &about("api.example.com", Some("/open")),
        last,
        true,
    );
    check(
        Kind::MissingAuth,
        &about("api.example.com", Some("/open")),
        Timestamp(last.0 + 1),
        false,
    );
    check(
        Kind::WeakAuth,
        &about("api.example.com", Some("/open")),
        last,
        true,
    );
    check(
        Kind::BolaEnumeration,
        &about("api.example.com", Some("/open")),
        last,
        false,
    );
    check(
        Kind::MissingAuth,
        &about("api.example.com", Some("/other")),
        last,
        false,
    );
    check(Kind::MissingAuth, &about("api.example.com", None), last, false);
    check(
        Kind::EndpointDiscoveryScan,
        &about("lab.example.com", None),
        last,
        true,
    );
    check(
        Kind::EndpointDiscoveryScan,
        &about("lab.example.com", Some("/x")),
        last,
        true,
    );
    let found = all
        .accepts(Kind::MissingAuth, &about("api.example.com", Some("/open")), last)
        .unwrap();
    assert_eq!((found.reason, found.line), ("behind client certificates", 2));
    assert_eq!(
        found.until.map(|day| day.to_string()).as_deref(),
        Some("2026-11-21")
    );
}

#[test]
fn environments_are_told_by_the_first_rule_that_holds() {
    let rule = |name: &str| EnvironmentRule {
        name: name.to_owned(),
        ..EnvironmentRule::default()
    };
    let rules = [
        EnvironmentRule {
            interface: vec!["eth9".into()],
            ..rule("lab")
        },
        EnvironmentRule {
            vlan: vec![30, 31],
            host: vec!["*.example.com".into()],
            ..rule("staging")
        },
        EnvironmentRule {
            cidr: vec!["10.2.0.0/16".into()],
            ..rule("development")
        },
        EnvironmentRule {
            vni: vec![7001],
            ..rule("cloud")
        },
        EnvironmentRule {
            host: vec!["api.example.com".into()],
            ..rule("production")
        },
    ];
    let declared = |interface: Option<&str>| Declared {
        environments: Environments::new(&rules, interface),
        ..Declared::default()
    };
    let flow = |server: &str, vlan, vni| FlowRef {
        client: "192.0.2.1:4000".parse().unwrap(),
        server: server.parse().unwrap(),
        start: Timestamp(0),
        vlan,
        vni,
        tls: false,
    };
    let here = declared(Some("eth0"));
    let check = |flow: FlowRef, host: &str, want: Option<&str>| {
        assert_eq!(here.environment(&flow, host), want, "{flow:?} {host}");
    };
    check(
        flow("10.1.0.1:80", Some(30), None),
        "api.example.com",
        Some("staging"),
    );
    check(flow("10.1.0.1:80", Some(30), None), "other.test", None);
    check(
        flow("10.1.0.1:80", Some(32), None),
        "api.example.com",
        Some("production"),
    );
    check(
        flow("10.2.3.4:80", None, None),
        "api.example.com:8080",
        Some("development"),
    );
    check(flow("10.1.0.1:80", None, Some(7001)), "x", Some("cloud"));
    check(
        flow("10.1.0.1:80", None, None),
        "api.example.com:8080",
        Some("production"),
    );
    let there = declared(Some("eth9"));
    assert_eq!(
        there.environment(&flow("10.2.3.4:80", None, None), "x"),
        Some("lab")
    );
    assert_eq!(
        Declared::default().environment(&flow("10.2.3.4:80", None, None), "x"),
        None
    );
}

#[test]
fn an_accepted_finding_is_counted_and_not_told_until_its_day_is_over() {
    use crate::testing::{Call, Scene};
    let told = |overrides: &str| {
        let settings = crate::Settings {
            declared: declared(Index::default(), overrides, "").into(),
            ..crate::Settings::default()
        };
        let mut scene = Scene::with(settings);
        for _ in 0..2 {
            scene.send(&Call::get("/inner").field("X-Api-Key: 0123456789abcdef"));
        }
        let before = (scene.told.len(), scene.found(Kind::WeakAuth).len());
        scene.wait(86_400);
        scene.send(&Call::get("/inner").field("X-Api-Key: 0123456789abcdef"));
        let counters = scene.analyzer.counters();
        let accepted = counters
            .iter()
            .find(|(name, _)| *name == "findings_accepted")
            .unwrap()
            .1;
        (
            before,
            scene.told.len(),
            scene.found(Kind::WeakAuth).len(),
            accepted,
        )
    };
    let text = |until: &str| {
        format!("[[endpoint]]\nhost = \"api.example\"\naccept = [\"weak_auth\"]\nreason = \"x\"\n{until}")
    };
    assert_eq!(told(""), ((1, 1), 1, 1, 0));
    assert_eq!(told(&text("")), ((0, 0), 0, 0, 3));
    // The scene begins on 2026-03-09.
    assert_eq!(told(&text("until = 2026-03-09")), ((0, 0), 1, 1, 2));
}

#[test]
fn debug_is_short_whatever_was_read() {
    let all = declared(index(SPEC, &[]), "[[keep]]\npath = \"/x\"\n", "");
    let text = format!("{all:?}");
    assert!(text.len() < 300 && text.contains("spec.yaml"), "{text}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        let _ = Overrides::read(&text);
        let _ = Owners::read("x.toml", &text);
        let _ = Owners::read("x", &text);
    }

    #[test]
    fn sections_of_any_values_are_read_without_a_panic(
        key in proptest::sample::select(vec!["host", "path", "accept", "until", "tier", "method"]),
        value in proptest::sample::select(vec!["1", "[]", "{}", "[[1]]", "\"\"", "\"/{a}/{b...}\"", "\"*\"", "2026-01-01T00:00:00Z", "07:32:00", "true", "\"/a/{\"", "\"\\u0000\"", "nan"]),
    ) {
        for name in ["endpoint", "keep"] {
            if let Ok(read) = Overrides::read(&format!("[[{name}]]\n{key} = {value}\nowner = \"x\"\n")) {
                let all = Declared { overrides: read, ..Declared::default() };
                let _ = all.template("h", "GET", "/a/b");
                let _ = all.facts("h", "GET", "/a/{b}");
            }
        }
    }
}
