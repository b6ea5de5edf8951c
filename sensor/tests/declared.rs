//! What is declared beside a capture: specifications, overrides, owners.

mod support;

use std::fs;

use support::{folder, said, tapline, testdata};

fn demo() -> String {
    testdata("demo.pcap").display().to_string()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_specification_with_mistakes_is_told_and_the_rest_of_it_used() {
    let out = folder("declared-spec");
    let spec = out.join("shop.yaml");
    fs::write(
        &spec,
        "openapi: 3.0.3\ninfo: {title: Shop, version: '1'}\nservers: [{url: 'https://shop.example/v1'}]\npaths:\n  /orders:\n    get: {}\n    fetch: {}\n  orders/{id}:\n    get: {parameters: 7}\n",
    )
    .expect("a file");
    let empty = out.join("empty.json");
    fs::write(&empty, "{}").expect("a file");
    let bare = out.join("bare.yaml");
    fs::write(
        &bare,
        "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths: {/a: {get: {}}}\n",
    )
    .expect("a file");
    let name = |path: &std::path::Path| path.display().to_string();
    let output = tapline(&[
        "replay",
        &demo(),
        "--findings",
        &name(&out.join("f.jsonl")),
        "--spec",
        &name(&spec),
        "--spec",
        &name(&empty),
        "--spec",
        &name(&bare),
        "--spec",
        &format!("a.example,b.example={}", name(&bare)),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = stderr(&output);
    for wanted in [
        format!("warning: {}:7:5 /paths/~1orders/fetch: ", name(&spec)),
        format!("warning: {}:8:3 ", name(&spec)),
        format!("{}: 2 operations of OpenAPI 3.0, on shop.example", name(&spec)),
        format!("warning: {} declares no operation", name(&empty)),
        format!(
            "{0}: 1 operation of OpenAPI 3.1, on no host that it names: say where it is served with HOST={0}",
            name(&bare)
        ),
        format!(
            "{}: 1 operation of OpenAPI 3.1, on a.example, b.example",
            name(&bare)
        ),
    ] {
        assert!(told.contains(&wanted), "{wanted}\n{told}");
    }
}

#[test]
fn what_cannot_be_read_and_mistakes_of_ones_own_stop_the_run() {
    let out = folder("declared-wrong");
    let path = |name: &str| out.join(name).display().to_string();
    let check = |arguments: &[&str], wanted: &[&str]| {
        let output = tapline(&[&["replay", &demo(), "--findings", &path("f.jsonl")], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        for wanted in wanted {
            assert!(stderr(&output).contains(wanted), "{wanted}\n{}", said(&output));
        }
        assert!(!out.join("f.jsonl").exists(), "nothing is begun");
    };
    check(
        &["--spec", &path("none.yaml")],
        &["cannot read the specification", "none.yaml"],
    );
    fs::write(
        out.join("overrides.toml"),
        "[[endpoint]]\nhots = \"a\"\ntier = \"secret\"\n",
    )
    .expect("a file");
    fs::write(out.join("owners"), "api.example.com/x\n").expect("a file");
    fs::write(
        out.join("c.toml"),
        format!("[inventory]\noverrides = \"{}\"\n", path("overrides.toml")),
    )
    .expect("a file");
    check(
        &["--config", &path("c.toml")],
        &[
            "2 mistakes in ",
            "(inventory.overrides)",
            "2:1  unknown key `hots`; did you mean `host`?",
            "3:8  endpoint.tier",
        ],
    );
    let output = tapline(&["config", "check", &path("c.toml")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    fs::write(
        out.join("c.toml"),
        format!("[inventory]\nowners = \"{}\"\n", path("owners")),
    )
    .expect("a file");
    check(
        &["--config", &path("c.toml")],
        &["1 mistake in ", "(inventory.owners)", "1:1  has no owner"],
    );
}

#[test]
fn no_output_overwrites_what_is_declared() {
    let out = folder("declared-taken");
    let spec = out.join("a.yaml").display().to_string();
    fs::write(&spec, "openapi: 3.1.0\n").expect("a file");
    let output = tapline(&["replay", &demo(), "--spec", &spec, "--findings", &spec]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(stderr(&output).contains("the specification"), "{}", said(&output));
    assert_eq!(fs::read_to_string(&spec).expect("the file"), "openapi: 3.1.0\n");
}

#[test]
fn the_demo_departs_from_what_was_declared_of_it() {
    let out = folder("declared-demo");
    let findings = out.join("findings.jsonl");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args([
            "replay",
            "testdata/demo.pcap",
            "--config",
            "testdata/demo.toml",
            "--findings",
        ])
        .arg(&findings)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut told: Vec<String> = support::lines(&findings)
        .iter()
        .filter(|f| {
            let kind = f["kind"].as_str().unwrap_or_default();
            [
                "schema_drift",
                "zombie_endpoint",
                "shadow_endpoint",
                "undocumented_parameter",
                "orphan_endpoint",
            ]
            .contains(&kind)
        })
        .map(|f| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let of = &f["resource"];
            format!(
                "{} {} {} {}",
                text(&f["severity"]),
                text(&f["kind"]),
                text(&of["method"]),
                text(&of["template"])
            )
        })
        .collect();
    told.sort();
    told.dedup();
    assert_eq!(
        told,
        [
            "high zombie_endpoint GET /v1/prices/{int}",
            // A server's check of itself is no secret.
            "info shadow_endpoint GET /healthz",
            "low undocumented_parameter GET /v1/orders",
            "low undocumented_parameter GET /v1/orders/{orderId}",
            "medium schema_drift GET /v1/me/orders",
            "medium schema_drift GET /v1/orders",
            "medium schema_drift GET /v1/orders/{orderId}",
            "medium shadow_endpoint GET /internal/debug/export",
            "medium zombie_endpoint GET /v1/shipments/{shipmentId}",
        ]
    );
}
