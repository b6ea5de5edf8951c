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
        .filter(|view| view.host == host && view.method != "PROPFIND")
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
    assert_eq!(files["info"]["x-tapline-left-out"], 1);
    assert_eq!(files["paths"]["/open"]["get"]["security"], serde_json::json!([]));
    assert_eq!(
        files["components"]["securitySchemes"]["api_key_x_api_key"]["name"],
        "x-api-key"
    );
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
