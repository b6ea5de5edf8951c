//! What is written is read back by the reader of specifications.

use std::collections::BTreeSet;

use reassembly::Timestamp;
use serde_json::Value;

use super::*;
use crate::spec::{self, Kind, Limits};
use crate::testing::{Call, Scene, agent_token};

/// Two hosts with endpoints of many forms.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let token = agent_token("a", 0);
    let json = "Content-Type: application/json";
    for n in 0..60u64 {
        let call = |method: &'static str, target: String| Call::new(method, target).bearer(&token);
        scene.send(
            &call("GET", format!("/orders?page={n}&tag=a&tag=b"))
                .answer(r#"{"data":[{"id":1,"state":"open"}],"next":null}"#),
        );
        scene.send(
            &call("GET", format!("/orders/{}", 500 + n))
                .answer(r#"{"id":1,"rates":{"2026-01-01":1.5},"at":"2026-03-09T08:00:00Z"}"#),
        );
        scene.send(
            &call("GET", format!("/orders/{:08x}-9dc0-11d1-b245-5ffdce74fad2", n)).answer(r#"{"id":"x"}"#),
        );
        scene.send(
            &call("PUT", format!("/orders/{}/lines/{}", 500 + n, n))
                .field(json)
                .body(r#"{"sku":"a","count":2}"#)
                .status(204)
                .answer(""),
        );
        scene.send(
            &call("POST", "/orders".into())
                .field(json)
                .body(r#"{"total":1.5,"lines":[{"sku":"a"}]}"#)
                .status(201),
        );
        scene.send(
            &call("POST", "/tasks/7:cancel".into())
                .field("Content-Type: application/x-www-form-urlencoded")
                .body("why=late&force=true"),
        );
        scene.send(
            &call("GET", "/orders".into())
                .status(500)
                .answer(r#"{"error":"x"}"#),
        );
        scene.send(
            &Call::tool("search", r#"{"q":"x"}"#)
                .bearer(&token)
                .answer(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#),
        );
        scene.send(
            &Call::tool("book", r#"{"seat":7}"#)
                .bearer(&token)
                .answer(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#),
        );
        scene.send(
            &Call::get("/open")
                .host("files.example:8080")
                .answer("<html>")
                .answer_field("X-A: b"),
        );
        scene.send(
            &Call::get("/keyed")
                .host("files.example:8080")
                .field("X-Api-Key: 0123456789abcdef"),
        );
        scene.send(&Call::new("PROPFIND", "/dav").host("files.example:8080"));
    }
    scene
}

fn written() -> (Vec<EndpointView>, std::collections::BTreeMap<String, Value>) {
    let views = scene().endpoints();
    let documents = openapi(&views, &Options::default());
    (views, documents)
}

/// Method and path without names of every operation of a document.
fn operations(spec: &spec::Spec) -> BTreeSet<String> {
    spec.operations
        .iter()
        .map(|operation| {
            format!(
                "{} {}",
                operation.method,
                names::signature(&operation.path.to_string())
            )
        })
        .collect()
}

fn expected(views: &[EndpointView], host: &str) -> BTreeSet<String> {
    views
        .iter()
        .filter(|view| view.host == host)
        .map(|view| {
            format!(
                "{} {}",
                view.method,
                names::signature(group::parts(&view.template).0)
            )
        })
        .collect()
}

#[test]
fn our_own_reader_finds_the_same_operations_and_nothing_wrong() {
    let (views, documents) = written();
    assert_eq!(documents.len(), 2);
    for (host, document) in &documents {
        let bytes = serde_json::to_vec_pretty(document).unwrap();
        let spec = spec::read("export.json", &bytes, &Limits::default());
        assert_eq!(spec.kind, Kind::OpenApi31);
        assert_eq!(spec.problems, [], "{host}");
        assert_eq!(operations(&spec), expected(&views, host));
    }
    let all = postman(&views, &Options::default());
    let spec = spec::read(
        "export.json",
        &serde_json::to_vec(&all).unwrap(),
        &Limits::default(),
    );
    assert_eq!(spec.kind, Kind::Postman21);
    assert_eq!(spec.problems, []);
    let both = expected(&views, "api.example")
        .into_iter()
        .chain(expected(&views, "files.example:8080"));
    assert_eq!(operations(&spec), both.collect());
}

#[test]
fn a_document_says_what_was_seen() {
    let (_, documents) = written();
    let api = &documents["api.example"];
    insta::assert_json_snapshot!("api", api, { ".**[\"x-tapline-endpoints\"]" => "[ids]" });
    let files = &documents["files.example:8080"];
    // What version 3.1 has no place for stands where 3.2 has one.
    assert_eq!(files["info"]["x-tapline-left-out"], Value::Null);
    assert!(files["paths"]["/dav"]["x-oai-additionalOperations"]["PROPFIND"].is_object());
    assert_eq!(files["paths"]["/open"]["get"]["security"], serde_json::json!([]));
    assert_eq!(
        files["components"]["securitySchemes"]["api_key_x_api_key"]["name"],
        "x-api-key"
    );
}

/// The document of a host on which these calls were made.
fn document(calls: &[Call], host: &str) -> Value {
    let mut scene = Scene::new();
    for _ in 0..12 {
        calls.iter().for_each(|call| drop(scene.send(call)));
    }
    openapi(&scene.endpoints(), &Options::default())
        .remove(host)
        .unwrap_or_default()
}

#[test]
fn every_parameter_that_carries_a_credential_is_a_scheme() {
    let calls = [
        Call::get("/a").field("X-Api-Key: 0123456789abcdef"),
        Call::get("/a").field("Api-Key: 0123456789abcdef"),
        Call::get("/a?api_key=0123456789abcdef"),
        Call::get("/a?access_token=0123456789abcdef"),
    ];
    let document = document(&calls, "api.example");
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut names: Vec<&str> = schemes
        .values()
        .filter_map(|scheme| scheme["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "api-key", "api_key", "x-api-key"]);
}

#[test]
fn parameters_whose_names_are_hidden_are_told_as_any() {
    let call = |key: &str| Call::get(format!("/a?other=1&{key}=1"));
    let calls = ["4539578763610216", "4539578763611214"].map(call);
    let document = document(&calls, "api.example");
    let parameters = document["paths"]["/a"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<&str> = parameters.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["other", "other2"]);
    assert_eq!(parameters[1]["explode"], true);
    let spec = spec::read("a.json", document.to_string().as_bytes(), &Limits::default());
    let any = spec.operations[0].parameter(&spec.schemas, spec::Place::Query, "whatever");
    assert_eq!(any.map(|p| p.name.as_str()), Some("other2"));
}

#[test]
fn a_host_whose_name_is_hidden_comes_back_as_it_is_shown() {
    let host = "{card}.{card}.example";
    let calls = [Call::get("/a").host("4539578763610216.4539578763611214.example")];
    let document = document(&calls, host);
    assert_eq!(document["servers"][0]["url"], "https://{card}.{card2}.example");
    let spec = spec::read("a.json", document.to_string().as_bytes(), &Limits::default());
    assert_eq!(spec.problems, []);
    let hosts: Vec<_> = spec.servers[0]
        .targets
        .iter()
        .filter_map(|t| t.host.as_ref())
        .collect();
    assert_eq!(hosts.len(), 1);
    assert!(hosts[0].matches(host) && !hosts[0].matches("a.b.example"));
}

#[test]
fn a_collection_says_what_was_seen() {
    let (views, _) = written();
    let all = postman(&views, &Options::default());
    insta::assert_json_snapshot!("collection", all["item"][0]["item"][1]);
}

#[test]
fn times_are_written_as_rfc_3339_has_them() {
    for (seconds, want) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_773_043_200, "2026-03-09T08:00:00Z"),
        (4_102_444_799, "2099-12-31T23:59:59Z"),
    ] {
        assert_eq!(rfc3339(Timestamp(seconds * 1_000_000_000)), want);
    }
}

#[test]
fn confidence_grows_with_what_was_seen_and_shrinks_with_damage() {
    let mut view = scene().endpoints().remove(0);
    (view.exchanges, view.damaged) = (0, 0);
    assert_eq!(confidence(&view), 0.0);
    view.exchanges = 10;
    assert_eq!(confidence(&view), 0.5);
    view.exchanges = 990;
    assert_eq!(confidence(&view), 0.99);
    view.damaged = 495;
    assert_eq!(confidence(&view), 0.5);
}
