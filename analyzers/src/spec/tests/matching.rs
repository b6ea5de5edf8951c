//! Which operation a request belongs to.

use proptest::prelude::*;

use super::*;

/// A document with these operations at these servers.
fn document(servers: &[&str], operations: &[&str]) -> Spec {
    let servers: Vec<_> = servers
        .iter()
        .map(|url| serde_json::json!({"url": url}))
        .collect();
    let mut paths = serde_json::Map::new();
    for operation in operations {
        let (method, path) = operation.split_once(' ').unwrap();
        let item = paths.entry(path).or_insert_with(|| serde_json::json!({}));
        item[method.to_lowercase()] = serde_json::json!({"summary": path});
    }
    let text = serde_json::json!({
        "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": servers, "paths": paths,
    });
    load("a.json", &text.to_string())
}

#[test]
fn concrete_segments_beat_parameters_and_verbs_are_told_apart() {
    let spec = document(
        &["https://api.example.com/v1"],
        &[
            "GET /",
            "GET /users/{id}",
            "GET /users/me",
            "POST /users/me",
            "DELETE /users/{id}",
            "GET /users/{id}/posts/latest",
            "GET /users/me/posts/{post}",
            "GET /report.{format}",
            "GET /report.json",
            "GET /{year}-{month}",
            "POST /jobs/{job}:cancel",
            "POST /jobs/{job}",
            "GET /jobs/{job}:{verb}",
            "GET /files/{path+}",
            "GET /files/{name}/meta",
            "GET /slash/",
            "GET /mixed/abc{x}",
            "GET /mixed/{x}c",
            "GET /mixed/{x}",
            "GET /both",
            "GET /both/",
            "GET /{name=shelves/*/books/*}",
        ],
    );
    let mut index = Index::default();
    index.add(spec, &[]);
    let found = |method: &str, path: &str| {
        let found = index.find(method, "api.example.com", &format!("/v1{path}"));
        found.map_or("-".to_owned(), |f| f.operation.path.to_string())
    };
    let cases = [
        ("GET", "", "/"),
        ("GET", "/", "/"),
        ("GET", "/users/7", "/users/{id}"),
        ("GET", "/users/me", "/users/me"),
        ("GET", "/users//me/", "/users/me"),
        ("GET", "/users/%6de", "/users/me"),
        ("GET", "/x/../users/me?a=b", "/users/me"),
        ("GET", "/users/me;v=1", "/users/me"),
        // The concrete path does not have the method, the template has.
        ("DELETE", "/users/me", "/users/{id}"),
        ("PUT", "/users/me", "-"),
        // The concrete beginning ends nowhere, so the other one is tried.
        ("GET", "/users/me/posts/latest", "/users/me/posts/{post}"),
        ("GET", "/users/7/posts/latest", "/users/{id}/posts/latest"),
        ("GET", "/users/7/posts/8", "-"),
        ("GET", "/report.pdf", "/report.{format}"),
        ("GET", "/report.json", "/report.json"),
        ("GET", "/report.", "-"),
        ("GET", "/2024-05", "/{year}-{month}"),
        ("POST", "/jobs/42:cancel", "/jobs/{job}:cancel"),
        ("POST", "/jobs/42", "/jobs/{job}"),
        ("POST", "/jobs/42:restart", "-"),
        ("POST", "/jobs/urn:17", "/jobs/{job}"),
        ("GET", "/files/a/b/c.txt", "/files/{path+}"),
        ("GET", "/files/a", "/files/{path+}"),
        ("GET", "/files/a/meta", "/files/{name}/meta"),
        ("GET", "/files", "-"),
        ("GET", "/slash", "/slash/"),
        ("GET", "/mixed/abc-c", "/mixed/abc{x}"),
        ("GET", "/mixed/ab-c", "/mixed/{x}c"),
        ("GET", "/mixed/ab-d", "/mixed/{x}"),
        ("GET", "/both", "/both"),
        ("GET", "/both/", "/both/"),
        ("GET", "/shelves/1/books/2", "/{name=shelves/*/books/*}"),
        ("get", "/users/7", "-"),
        ("GET", "/Users/7", "-"),
    ];
    for (method, path, want) in cases {
        assert_eq!(found(method, path), want, "{method} {path}");
    }
}

#[test]
fn a_lookup_says_how_near_it_came() {
    let mut index = Index::default();
    index.add(
        document(&["https://api.example.com/v1"], &["GET /a/{id}", "PUT /a/{id}"]),
        &[],
    );
    index.add(document(&["/v2"], &["GET /b"]), &[]);
    assert!(matches!(
        index.lookup("GET", "api.example.com", "/v1/a/1"),
        Lookup::Operation(_)
    ));
    match index.lookup("DELETE", "api.example.com", "/v1/a/1") {
        Lookup::OtherMethods(others) => {
            let methods: Vec<&str> = others.iter().map(|d| d.operation.method.as_str()).collect();
            assert_eq!(methods, ["GET", "PUT"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        index.lookup("GET", "api.example.com", "/v1/c"),
        Lookup::OtherPaths(0)
    );
    assert_eq!(
        index.lookup("GET", "api.example.com", "/a/1"),
        Lookup::OtherPaths(0)
    );
    assert_eq!(
        index.lookup("GET", "other.example.com", "/v1/a/1"),
        Lookup::Nothing
    );
    // A document that does not say where it is served may be meant anywhere.
    match index.lookup("GET", "other.example.com", "/v2/b") {
        Lookup::Operation(found) => assert!(!found.names_host && found.spec_number == 1),
        other => panic!("{other:?}"),
    }
    assert!(index.names_host("api.example.com") && !index.names_host("other.example.com"));
}

#[test]
fn several_documents_speak_of_one_host() {
    let mut index = Index::default();
    let wide = index.add(
        document(&["https://api.example.com"], &["GET /v1/{x}", "GET /users/{id}"]),
        &[],
    );
    let deep = index.add(document(&["https://api.example.com/v1"], &["GET /users"]), &[]);
    let again = index.add(document(&["https://api.example.com/v1"], &["GET /users"]), &[]);
    let hosts = |path: &str| -> Vec<usize> {
        index
            .all("GET", "api.example.com", path)
            .map(|d| d.spec_number)
            .collect()
    };
    assert_eq!(hosts("/v1/users"), [deep, again, wide]);
    assert_eq!(hosts("/v1/others"), [wide]);
    assert_eq!(hosts("/users/1"), [wide]);
}

#[test]
fn hosts_of_the_configuration_stand_for_those_of_the_document() {
    let mut index = Index::default();
    let spec = document(&["https://api.example.com/v1", "/v2"], &["GET /a"]);
    index.add(
        spec,
        &[HostPattern::new("api.test:8080"), HostPattern::new("*.lab")],
    );
    for (host, path, want) in [
        ("api.test:8080", "/v1/a", true),
        ("api.test:8080", "/v2/a", true),
        ("one.lab", "/v2/a", true),
        ("api.example.com", "/v1/a", false),
        ("api.test", "/v1/a", false),
    ] {
        assert_eq!(index.find("GET", host, path).is_some(), want, "{host}{path}");
    }
}

#[test]
fn servers_of_an_operation_and_of_a_path_stand_for_those_of_the_document() {
    let spec = load(
        "a.yaml",
        "\
openapi: 3.0.3
info: {title: t, version: '1'}
servers: [{url: 'https://api.example.com'}]
paths:
  /a: {get: {responses: {}}}
  /b:
    servers: [{url: 'https://b.example.com/x'}]
    get: {responses: {}}
    put: {responses: {}, servers: [{url: 'https://{any}.put.example.com', variables: {any: {default: one}}}]}
",
    );
    assert_eq!(told(&spec), "");
    let mut index = Index::default();
    index.add(spec, &[]);
    for (method, host, path, want) in [
        ("GET", "api.example.com", "/a", true),
        ("GET", "b.example.com", "/x/a", false),
        ("GET", "b.example.com", "/x/b", true),
        ("GET", "api.example.com", "/b", false),
        ("PUT", "two.put.example.com", "/b", true),
        ("PUT", "b.example.com", "/x/b", false),
    ] {
        assert_eq!(
            index.find(method, host, path).is_some(),
            want,
            "{method} {host}{path}"
        );
    }
}

#[test]
fn a_search_through_templates_that_all_suit_is_bounded() {
    // Each segment is a text or a parameter: without a bound, all 2^12 ways would be gone.
    let operations: Vec<String> = (0..4096u32)
        .map(|ways| {
            let path = (0..12).map(|bit| if ways & (1 << bit) == 0 { "/a" } else { "/{x}" });
            format!("GET {}/end", path.collect::<String>())
        })
        .collect();
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    let mut index = Index::default();
    index.add(document(&["https://api.example.com"], &operations), &[]);
    let long = "/a".repeat(12);
    assert!(
        index
            .find("GET", "api.example.com", &format!("{long}/end"))
            .is_some()
    );
    assert!(
        index
            .find("GET", "api.example.com", &format!("{long}/other"))
            .is_none()
    );
    assert!(
        index
            .find("GET", "api.example.com", &"/a".repeat(100_000))
            .is_none()
    );
}

/// The rule, word for word: of all templates that suit, the one that is more concrete at the first segment in which
/// they differ.
fn naive<'a>(templates: &'a [String], path: &str) -> Option<&'a String> {
    let wanted: Vec<&str> = path.split('/').skip(1).collect();
    let ranks = |template: &str| -> Option<Vec<usize>> {
        let parts: Vec<&str> = template.split('/').skip(1).collect();
        let suits = |(part, name): (&&str, &&str)| match *part {
            "{x}" => Some(3),
            "{x}.z" => (name.len() > 2 && name.ends_with(".z")).then_some(2),
            "a{x}" => (name.len() > 1 && name.starts_with('a')).then_some(2),
            text => (text == *name).then_some(1),
        };
        (parts.len() == wanted.len()).then(|| parts.iter().zip(&wanted).map(suits).collect())?
    };
    let suiting = templates.iter().filter_map(|t| ranks(t).map(|ranks| (ranks, t)));
    // Of two mixtures the one with the longer text comes first.
    suiting
        .min_by_key(|(ranks, t)| {
            let texts = t.split('/').skip(1).map(|p| if p == "a{x}" { 1 } else { 0 });
            ranks.iter().copied().zip(texts).collect::<Vec<_>>()
        })
        .map(|(_, t)| t)
}

proptest! {
    #[test]
    fn the_trie_finds_what_the_rule_says(
        templates in prop::collection::btree_set(
            prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "{x}", "{x}.z", "a{x}"]), 1..4),
            1..12,
        ),
        path in prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "b.z", "ab.z", "c"]), 1..4),
    ) {
        let templates: Vec<String> = templates.iter().map(|t| format!("/{}", t.join("/"))).collect();
        let operations: Vec<String> = templates.iter().map(|t| format!("GET {t}")).collect();
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        let mut index = Index::default();
        index.add(document(&["https://h.example"], &operations), &[]);
        let path = format!("/{}", path.join("/"));
        let found = index.find("GET", "h.example", &path).map(|d| d.operation.path.to_string());
        prop_assert_eq!(found.as_ref(), naive(&templates, &path));
    }
}
