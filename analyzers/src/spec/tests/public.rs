//! Ten documents of each kind, as public ones are, come to the operations that they declare.

use serde_json::Value;

use super::apis::{Api, all};
use super::*;

/// The operations of a document as method, host and whole path, in order.
fn operations(spec: &Spec) -> Vec<String> {
    let mut out: Vec<String> = spec
        .operations
        .iter()
        .flat_map(|operation| {
            let targets = operation.servers.iter().flat_map(|s| &spec.servers[*s].targets);
            targets.map(move |t| {
                let host = t.host.as_ref().map_or("", HostPattern::as_str);
                format!("{} {host}{}{}", operation.method, t.base, operation.path)
            })
        })
        .collect();
    out.sort();
    out.dedup();
    out
}

/// What the API says of itself, on these hosts.
fn declared(api: &Api, hosts: &[&str]) -> Vec<String> {
    let lines = api.operations.iter();
    let mut out: Vec<String> = lines
        .flat_map(|l| {
            hosts
                .iter()
                .map(move |host| format!("{} {host}{}{}{}", l.method, api.host, api.base, l.path))
        })
        .collect();
    out.sort();
    out
}

fn clean(spec: &Spec) {
    assert_eq!(told(spec), "", "{}", spec.name);
    assert_eq!(spec.problems_dropped, 0);
}

#[test]
fn ten_documents_of_each_edition_of_openapi_have_their_operations_in_json_and_yaml() {
    for (api, count) in all() {
        let editions = [
            ("2.0", emit::swagger(&api), Kind::Swagger20),
            ("3.0", emit::open_api(&api, "3.0.3"), Kind::OpenApi30),
            ("3.1", emit::open_api(&api, "3.1.0"), Kind::OpenApi31),
        ];
        for (edition, document, kind) in editions {
            let json = load(&format!("{}-{edition}.json", api.name), &document.to_string());
            clean(&json);
            assert_eq!((json.kind, json.operations.len()), (kind, count), "{}", json.name);
            let hosts: &[&str] = if edition == "2.0" {
                &[""]
            } else {
                &["", "sandbox."]
            };
            assert_eq!(operations(&json), declared(&api, hosts), "{}", json.name);
            assert_eq!(json.counts.webhooks, if edition == "3.1" { 2 } else { 0 });

            let pretty = load("pretty.json", &serde_json::to_string_pretty(&document).unwrap());
            assert_eq!(outline(&pretty), outline(&json));
            let yaml = load(&format!("{}-{edition}.yaml", api.name), &emit::yaml(&document));
            clean(&yaml);
            assert_eq!(outline(&yaml), outline(&json), "{}", yaml.name);
            // JSON is YAML, and must be read the same under such a name.
            let flow = load("flow.yaml", &document.to_string());
            assert_eq!(outline(&flow), outline(&json));
        }
    }
}

#[test]
fn ten_collections_of_each_version_have_their_operations_and_no_value() {
    for (api, count) in all() {
        for (version, kind) in [("v2.0.0", Kind::Postman20), ("v2.1.0", Kind::Postman21)] {
            let spec = load("collection.json", &emit::postman(&api, version).to_string());
            clean(&spec);
            assert_eq!((spec.kind, spec.operations.len()), (kind, count), "{}", api.name);
            assert_eq!(operations(&spec), declared(&api, &[""]), "{}", api.name);
            assert_eq!(spec.counts.requests, count as u64);
            assert!(!format!("{spec:?}").contains("canary"), "{}", api.name);
            compare_parts(&api, &spec, false);
        }
    }
}

#[test]
fn ten_archives_have_their_operations_and_no_value() {
    for (api, count) in all() {
        let spec = load("seen.har", &emit::har(&api).to_string());
        clean(&spec);
        assert_eq!(
            (spec.kind, spec.operations.len()),
            (Kind::Har12, count),
            "{}:\n{}",
            api.name,
            outline(&spec)
        );
        assert_eq!(spec.counts.requests, 2 * count as u64);
        assert!(spec.operations.iter().all(|o| o.requests == 2));
        assert!(!format!("{spec:?}").contains("canary"), "{}", api.name);
        compare_parts(&api, &spec, true);
    }
}

/// What was declared of parameters, bodies and statuses is in the operations, in the same order.
fn compare_parts(api: &Api, spec: &Spec, seen: bool) {
    let mut index = Index::default();
    index.add(spec.clone(), &[]);
    for line in &api.operations {
        let path = format!("{}{}", api.base, line.concrete());
        let found = index.find(&line.method, api.host, &path);
        let found = found
            .unwrap_or_else(|| panic!("{} {path}", line.method))
            .operation;
        let names = |place| -> Vec<String> {
            found
                .parameters_in(place)
                .map(|p| p.name.to_lowercase())
                .collect()
        };
        let sorted = |names: &[String]| {
            let mut names: Vec<String> = names.iter().map(|n| n.to_lowercase()).collect();
            names.sort();
            names
        };
        assert_eq!(sorted(&names(Place::Query)), sorted(&line.query), "{path}");
        assert_eq!(sorted(&names(Place::Header)), sorted(&line.headers), "{path}");
        assert_eq!(
            found.parameters_in(Place::Query).all(|p| p.required),
            seen || line.query.is_empty()
        );
        let body = found.body.as_ref().map(|b| {
            let shape = spec.schemas.shape(&[b.content[0].schema.unwrap()]);
            sorted(
                &shape
                    .properties
                    .keys()
                    .map(|k| (*k).to_owned())
                    .collect::<Vec<_>>(),
            )
        });
        assert_eq!(
            body,
            line.body.as_ref().map(|(_, fields)| sorted(fields)),
            "{path}"
        );
        let statuses: Vec<StatusPattern> = found.responses.iter().map(|r| r.status).collect();
        assert!(
            statuses
                .iter()
                .all(|s| matches!(s, StatusPattern::Exact(c) if line.statuses.contains(c)))
        );
        assert_eq!(
            statuses.len(),
            line.statuses.len().min(if seen { 2 } else { 9 }),
            "{path}"
        );
        assert_eq!(
            found.security.as_ref().is_some_and(Security::is_required),
            seen || !api.auth.is_empty()
        );
    }
}

#[test]
fn what_an_operation_declares_is_kept_from_every_edition_alike() {
    let (api, _) = all().swap_remove(1);
    let spec = load("payments.json", &emit::open_api(&api, "3.0.3").to_string());
    insta::assert_snapshot!(outline(&spec));
    let spec = load("payments.json", &emit::swagger(&api).to_string());
    let post = spec
        .operations
        .iter()
        .find(|o| o.path.as_str() == "/payments" && o.method == "POST")
        .unwrap();
    insta::assert_snapshot!(outline::one(&spec, post));
}

#[test]
fn every_declared_operation_is_found_by_what_a_caller_sends() {
    for (api, count) in all() {
        let spec = load("api.json", &emit::open_api(&api, "3.1.0").to_string());
        let mut index = Index::default();
        index.add(spec, &[]);
        let mut found = std::collections::BTreeSet::new();
        for line in &api.operations {
            let path = format!("{}{}", api.base, line.concrete());
            let host = format!("sandbox.{}", api.host);
            let hit = index
                .find(&line.method, &host, &path)
                .unwrap_or_else(|| panic!("{path}"));
            assert_eq!(hit.operation.path.as_str(), line.path, "{path}");
            assert_eq!(hit.template(), format!("{}{}", api.base, line.path));
            found.insert(hit.operation_number);
        }
        assert_eq!(found.len(), count);
    }
}

#[test]
fn a_document_says_the_same_whatever_its_encoding() {
    let (api, _) = all().swap_remove(0);
    let text = emit::open_api(&api, "3.0.3").to_string();
    let want = outline(&load("a.json", &text));
    let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    let forms = [
        marked(b"\xef\xbb\xbf", text.as_bytes()),
        marked(b"\xff\xfe", &le),
        marked(b"\xfe\xff", &be),
        le.clone(),
        be.clone(),
    ];
    for bytes in forms {
        let spec = read("a.json", &bytes, &Limits::default());
        clean(&spec);
        assert_eq!(outline(&spec), want);
    }
}

#[test]
fn the_wrapper_of_postmans_own_api_is_looked_through() {
    let (api, count) = all().swap_remove(0);
    let wrapped = serde_json::json!({"collection": emit::postman(&api, "v2.1.0")});
    let wrapped: Value = wrapped;
    assert_eq!(load("c.json", &wrapped.to_string()).operations.len(), count);
}
