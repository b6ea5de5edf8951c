//! Any bytes: no panic, bounded work and memory; and what came before a cut stays.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::apis::all;
use super::*;

/// Reads bytes as every kind of file, looks everything up that was found, and answers with the specification.
fn through(name: &str, bytes: &[u8]) -> Spec {
    let limits = Limits {
        nodes: 20_000,
        problems: 20,
        ..Limits::default()
    };
    let spec = read(name, bytes, &limits);
    assert!(spec.problems.len() <= 20);
    for operation in &spec.operations {
        let servers = &operation.servers;
        assert!(!servers.is_empty() && servers.iter().all(|s| *s < spec.servers.len()));
        let medias = operation.responses.iter().flat_map(|r| &r.content);
        for schema in medias.filter_map(|m| m.schema) {
            let _ = spec.schemas.shape(&[schema]);
        }
    }
    let paths: Vec<(String, String)> = spec
        .operations
        .iter()
        .map(|o| (o.method.clone(), o.path.as_str().to_owned()))
        .collect();
    let mut index = Index::default();
    index.add(spec.clone(), &[]);
    for (method, path) in paths {
        let _ = index.lookup(&method, "api.example.com", &path);
    }
    spec
}

/// One document of each kind, each operation or entry on a line of its own, with the number of operations before each
/// line's end.
static LINED: LazyLock<Vec<Lined>> = LazyLock::new(lined);

/// Name, text, and how many operations are complete where.
type Lined = (&'static str, String, Vec<(usize, usize)>);

fn lined() -> Vec<Lined> {
    let (mut api, _) = all().swap_remove(1);
    api.operations.truncate(4);
    let mut out = Vec::new();
    let open = emit::open_api(&api, "3.0.3");
    let mut text = format!(
        "{{\"openapi\": \"3.0.3\", \"info\": {}, \"components\": {}, \"servers\": {},\n\"paths\": {{",
        open["info"], open["components"], open["servers"]
    );
    let mut ends = Vec::new();
    let mut count = 0;
    for (path, item) in open["paths"].as_object().unwrap() {
        let sign = if count == 0 { "" } else { "," };
        text += &format!("{sign}\n{}: {item}", serde_json::json!(path));
        count += item
            .as_object()
            .unwrap()
            .keys()
            .filter(|k| *k != "parameters")
            .count();
        ends.push((text.len(), count));
    }
    text += "}}";
    out.push(("a.json", text, ends));

    let whole = emit::yaml(&open);
    let at = whole.find("paths:").unwrap();
    let (before, after) = whole.split_at(at);
    let behind = after.find("security:").or(after.find("servers:")).unwrap();
    let (paths, rest) = after.split_at(behind);
    let text = format!("{before}{rest}{paths}");
    let starts: Vec<usize> = text.match_indices("\n  /").map(|(at, _)| at + 1).collect();
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut count = 0;
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(text.len());
        let methods = ["get", "put", "post", "delete", "head", "patch", "options"];
        let own = text[*start..end].lines();
        count += own
            .filter(|l| methods.iter().any(|m| *l == format!("    {m}:")))
            .count();
        ends.push((end, count));
    }
    out.push(("a.yaml", text, ends));

    let har = emit::har(&api);
    let mut text = "{\"log\": {\"version\": \"1.2\", \"entries\": [".to_owned();
    let mut ends = Vec::new();
    for (number, entry) in har["log"]["entries"].as_array().unwrap().iter().enumerate() {
        text += &format!("{}\n{entry}", if number == 0 { "" } else { "," });
        ends.push((text.len(), (number + 1).min(api.operations.len())));
    }
    text += "]}}";
    out.push(("a.har", text, ends));

    let postman = emit::postman(&api, "v2.1.0");
    let mut text = format!(
        "{{\"info\": {}, \"variable\": {}, \"item\": [",
        postman["info"], postman["variable"]
    );
    let mut ends = Vec::new();
    let folders = postman["item"].as_array().unwrap().iter();
    for (number, item) in folders.flat_map(|f| f["item"].as_array().unwrap()).enumerate() {
        text += &format!("{}\n{item}", if number == 0 { "" } else { "," });
        ends.push((text.len(), number + 1));
    }
    text += "]}";
    out.push(("collection.json", text, ends));
    out
}

#[test]
fn a_document_cut_at_any_byte_keeps_what_is_complete_before_the_cut() {
    for (name, text, ends) in &*LINED {
        let whole = load(name, text);
        assert_eq!(whole.problems, [], "{name}");
        assert_eq!(whole.operations.len(), ends.last().unwrap().1, "{name}");
        let describe = |spec: &Spec, operation: &Operation| outline::one(spec, operation);
        let wanted: Vec<String> = whole.operations.iter().map(|o| describe(&whole, o)).collect();
        let complete_at = |cut| {
            ends.iter()
                .rev()
                .find(|(end, _)| *end <= cut)
                .map_or(0, |(_, count)| *count)
        };
        for cut in 0..text.len() {
            let spec = load(name, &text[..cut]);
            let complete = complete_at(cut);
            assert!(
                spec.operations.len() >= complete,
                "{name} cut at {cut}: {}",
                told(&spec)
            );
            // A request that is cut off may be one more of an operation before it, so what is put together from
            // requests is not compared in whole.
            if name.starts_with("a.") && *name != "a.har" {
                for (operation, want) in spec.operations.iter().zip(&wanted).take(complete) {
                    assert_eq!(&describe(&spec, operation), want, "{name} cut at {cut}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for name in ["a.yaml", "a.json", "a"] {
            through(name, &bytes);
        }
    }

    #[test]
    fn any_signs_of_the_grammars_are_read(text in "[\\[\\]{}:,\"'#&*!|>%@`\\-? \n\tab1.~/$]{0,120}") {
        for name in ["a.yaml", "a.json", "a"] {
            through(name, text.as_bytes());
        }
    }

    #[test]
    fn a_damaged_document_of_any_kind_is_read(
        which in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..40), 1..8),
    ) {
        let (name, text, _) = &LINED[which];
        let mut bytes = text.clone().into_bytes();
        for (at, byte, len) in changes {
            let at = at.index(bytes.len());
            let end = (at + len).min(bytes.len());
            match len {
                0 => bytes[at] = byte,
                1..20 => drop(bytes.drain(at..end)),
                _ => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let spec = through(name, &bytes);
        prop_assert_eq!(&spec, &through(name, &bytes));
    }

    #[test]
    fn what_json_there_is_is_read_as_serde_reads_it(text in json_text()) {
        let mut problems = problem::Problems::new(10);
        let (document, clean) = json::read(text.as_str().into(), &Limits::default(), &mut problems);
        prop_assert!(clean, "{}\n{:?}", text, problems);
        let want: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert!(same(document.root().unwrap(), &want), "{}", text);
        let mut problems = problem::Problems::new(10);
        let document = yaml::read(text.as_str().into(), &Limits::default(), &mut problems);
        prop_assert!(same(document.root().unwrap(), &want), "as YAML: {}\n{:?}", text, problems);
    }
}

/// JSON with all that strings and numbers may hold.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-1e9..1e9f64).prop_map(serde_json::Value::from),
        "[a-zA-Z0-9 \"\\\\/\n\t\u{1}äß€😀:,#\\[{]{0,12}".prop_map(serde_json::Value::from),
    ];
    let tree = leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec(("[a-z\"\\\\ é]{0,6}", inner), 0..6)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    });
    (tree, any::<bool>()).prop_map(|(value, pretty)| {
        if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        }
    })
}

fn same(at: Cursor<'_>, want: &serde_json::Value) -> bool {
    use serde_json::Value;
    match want {
        Value::Null => at.is() == Is::Null,
        Value::Bool(want) => at.bool() == Some(*want),
        Value::Number(want) => at.number().is_some_and(|n| n == want.to_string()),
        Value::String(want) => at.text() == Some(want),
        Value::Array(want) => at.items().len() == want.len() && at.items().zip(want).all(|(a, b)| same(a, b)),
        Value::Object(want) => {
            at.fields().len() == want.len()
                && want
                    .iter()
                    .all(|(key, want)| at.get(key).is_some_and(|at| same(at, want)))
        }
    }
}

/// What a hostile document costs is told and bounded. Times are generous: a test machine may be busy.
#[test]
fn hostile_documents_are_cut_short_with_a_message() {
    let megabytes = 4 << 20;
    let head = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\n";
    let bomb: String = (1..40).fold(format!("{head}a0: &a0 [x, x]\n"), |out, n| {
        let of = n - 1;
        out + &format!(
            "a{n}: &a{n} [*a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}]\n"
        )
    });
    let merges: String = (1..40).fold(format!("{head}a0: &a0 {{x: 1, y: 2}}\n"), |out, n| {
        let of = n - 1;
        out + &format!("a{n}: &a{n} {{<<: [*a{of}, *a{of}, *a{of}, *a{of}], k{n}: 1}}\n")
    });
    let paths = "paths: {/a: {get: {}}}\n";
    let cases: Vec<(&str, String, usize, &str)> = vec![
        (
            "a.json",
            "[".repeat(megabytes),
            0,
            "nested deeper than 128 levels",
        ),
        (
            "a.json",
            "{\"a\":".repeat(megabytes / 5),
            0,
            "nested deeper than 128 levels",
        ),
        ("a.yaml", "[".repeat(megabytes), 0, ""),
        (
            "a.yaml",
            "- ".repeat(megabytes / 2),
            0,
            "nested deeper than 128 levels",
        ),
        ("a.yaml", "? ".repeat(megabytes / 2), 0, ""),
        ("a.yaml", format!("{bomb}{paths}"), 1, ""),
        ("a.yaml", format!("{merges}{paths}"), 1, ""),
        (
            "a.yaml",
            format!("{head}{paths}x: {}\n", "9".repeat(megabytes)),
            1,
            "",
        ),
        (
            "a.json",
            format!(
                "{{\"openapi\": \"3.1.0\", \"x\": {}, \"paths\": {{\"/a\": {{\"get\": {{}}}}}}}}",
                "9".repeat(megabytes)
            ),
            1,
            "",
        ),
        (
            "a.json",
            format!(
                "{{{}\"openapi\": \"3.1.0\", \"paths\": {{\"/a\": {{\"get\": {{}}}}}}}}",
                "\"k\": 1, ".repeat(100_000)
            ),
            1,
            "is there already",
        ),
    ];
    for (name, text, operations, message) in cases {
        let begun = text.get(..60).unwrap_or(&text);
        let spec = load(name, &text);
        assert_eq!(spec.operations.len(), operations, "{begun}\n{}", told(&spec));
        assert!(spec.problems.len() <= 200);
        assert!(told(&spec).contains(message), "{begun}\n{}", told(&spec));
    }
}

/// References, aliases and long texts must not let a small document cost much more than its size.
#[test]
fn what_is_referred_to_again_and_again_is_read_within_a_budget() {
    let parameters: String = (0..2000)
        .map(|n| format!("{{name: p{n}, in: query}}, "))
        .collect();
    let shared: String = (0..3000).map(|n| format!("  /a{n}: *shared\n")).collect();
    let aliases = format!(
        "openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\npaths:\n  /a: &shared {{parameters: [{parameters}], get: {{}}}}\n{shared}"
    );
    let spec = load("a.yaml", &aliases);
    assert!(
        told(&spec).contains("references or aliases make more"),
        "{}",
        told(&spec)
    );
    let parts: usize = spec.operations.iter().map(|o| o.parameters.len()).sum();
    assert!((100_000..1_100_000).contains(&parts), "{parts}");

    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(200_000));
    let entry = serde_json::json!({"request": {"method": "POST", "url": "https://h.example.com/a",
        "postData": {"mimeType": "application/json", "text": body}}});
    let entries = "*e, ".repeat(20_000);
    let archive = format!("log:\n  entries: [&e {entry}, {entries}]\n");
    let limits = Limits {
        bytes: 4 << 20,
        ..Limits::default()
    };
    let spec = read("a.har.yaml", archive.as_bytes(), &limits);
    assert_eq!(
        (spec.operations.len(), spec.counts.requests),
        (1, 20_001),
        "{}",
        told(&spec)
    );

    let hosts: String = (0..50_000).map(|n| format!("{{{{v{n}}}}}.")).collect();
    let bodies: String = (0..20_000).map(|n| format!("\"k{n}\": {{{{v{n}}}}}, ")).collect();
    let collection = serde_json::json!({
        "info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "item": [
            {"request": {"url": format!("https://{hosts}com/a")}},
            {"request": {"method": "POST", "url": "https://h.example.com/a", "body": {"mode": "raw", "raw": format!("{{{bodies}\"last\": 1}}")}}},
        ],
    });
    let spec = load("c.json", &collection.to_string());
    assert_eq!(
        (spec.operations.len(), spec.counts.requests_dropped),
        (1, 1),
        "{}",
        told(&spec)
    );

    let braces = "{x}".repeat(50_000);
    let many: Vec<_> = (0..30_000)
        .map(|n| serde_json::json!({"name": format!("p{n}"), "in": "query"}))
        .collect();
    let long = serde_json::json!({
        "openapi": "3.1.0", "info": {"title": "t", "version": "1"},
        "servers": [{"url": format!("https://{braces}.example.com")}],
        "paths": {format!("/{braces}"): {"get": {"parameters": many}}},
    });
    let spec = load("a.json", &long.to_string());
    assert!(
        told(&spec).contains("a path of more than 4096 bytes"),
        "{}",
        told(&spec)
    );
    assert!(
        told(&spec).contains("a URL of more than 4096 bytes"),
        "{}",
        told(&spec)
    );
    assert_eq!(spec.operations[0].parameters.len(), 30_000);
}

#[test]
fn limits_are_told() {
    let (api, _) = all().swap_remove(0);
    let text = emit::open_api(&api, "3.0.3").to_string();
    let check = |limits: Limits, message: &str| {
        let spec = read("a.json", text.as_bytes(), &limits);
        assert!(told(&spec).contains(message), "{}", told(&spec));
        spec
    };
    check(
        Limits {
            bytes: 2000,
            ..Limits::default()
        },
        "no more than 2000 are read",
    );
    check(
        Limits {
            nodes: 100,
            ..Limits::default()
        },
        "more than 100 values",
    );
    check(
        Limits {
            depth: 5,
            ..Limits::default()
        },
        "nested deeper than 5 levels",
    );
    check(
        Limits {
            schemas: 3,
            ..Limits::default()
        },
        "more than 3 schemas",
    );
    let spec = check(
        Limits {
            operations: 4,
            ..Limits::default()
        },
        "more than 4 operations",
    );
    assert_eq!((spec.operations.len(), spec.counts.operations_dropped), (4, 9));
    let broken = text.replace("\"in\":", "\"inn\":");
    let spec = read(
        "a.json",
        broken.as_bytes(),
        &Limits {
            problems: 2,
            ..Limits::default()
        },
    );
    assert_eq!(spec.problems.len(), 2);
    assert!(spec.problems_dropped > 5);
}
