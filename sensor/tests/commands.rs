//! Commands over a store, at the command line: what they print, what they refuse, and that they do so beside a writer.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use support::{folder, said, tapline, testdata};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A store that has learned the demo, made once and only read.
fn store() -> &'static str {
    static STORE: OnceLock<String> = OnceLock::new();
    STORE.get_or_init(|| {
        let out = folder("commands-store");
        let dir = out.join("store").display().to_string();
        let demo = testdata("demo.pcap").display().to_string();
        let inventory = out.join("inventory.jsonl").display().to_string();
        let findings = out.join("findings.jsonl").display().to_string();
        let agents = out.join("agents.jsonl").display().to_string();
        let output = tapline(&[
            "replay",
            &demo,
            "--store",
            &dir,
            "--inventory",
            &inventory,
            "--findings",
            &findings,
            "--agents",
            &agents,
        ]);
        assert!(output.status.success(), "{}", said(&output));
        dir
    })
}

/// A file that the run that made the store has written.
fn written(name: &str) -> String {
    let dir = Path::new(store()).parent().expect("a folder");
    dir.join(name).display().to_string()
}

fn run(arguments: &[&str]) -> Output {
    let output = tapline(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    output
}

fn records(output: &Output) -> Vec<Value> {
    let lines = text(&output.stdout);
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    lines.lines().map(read).collect()
}

/// `METHOD host/template` of each record.
fn names(records: &[Value]) -> Vec<String> {
    let part = |r: &Value, name: &str| r[name].as_str().unwrap_or_default().to_owned();
    records
        .iter()
        .map(|r| format!("{} {}{}", part(r, "method"), part(r, "host"), part(r, "template")))
        .collect()
}

fn inventory(filters: &[&str]) -> Vec<Value> {
    let arguments = [&["inventory", "--store", store(), "--json"], filters].concat();
    records(&run(&arguments))
}

#[test]
fn the_inventory_is_what_a_run_writes() {
    let all = run(&["inventory", "--store", store(), "--json", "--sort", "host"]);
    let run_wrote = fs::read_to_string(written("inventory.jsonl")).expect("a file");
    assert!(text(&all.stdout) == run_wrote, "the records differ");
}

#[test]
fn filters_mean_what_they_say() {
    let all = inventory(&[]);
    let check = |filters: &[&str], wanted: &dyn Fn(&Value) -> bool| {
        let found = inventory(filters);
        let count = all.iter().filter(|e| wanted(e)).count();
        assert!(found.iter().all(wanted), "{filters:?}: {:?}", names(&found));
        assert_eq!(found.len(), count, "{filters:?}");
        assert!(count > 0 && count < all.len(), "{filters:?} tells nothing apart");
    };
    let is = |field: &'static str, value: &'static str| move |e: &Value| e[field] == value;
    check(&["--host", "orders.*"], &is("host", "orders.api.acme.example"));
    check(
        &["--host", "ORDERS.api.acme.example"],
        &is("host", "orders.api.acme.example"),
    );
    check(&["--method", "post"], &is("method", "POST"));
    check(&["--method", "PUT", "--method", "DELETE"], &|e| {
        e["method"] == "PUT" || e["method"] == "DELETE"
    });
    check(&["--path", "/v1/orders*"], &|e| {
        e["template"]
            .as_str()
            .is_some_and(|t| t.starts_with("/v1/orders"))
    });
    check(&["--class", "card"], &|e| !e["data_classes"]["card"].is_null());
    check(&["--no-auth"], &|e| !e["auth"]["none"].is_null());
    check(&["--agent-facing"], &|e| e["agents"] != 0);
    check(&["--protocol", "mcp"], &is("protocol", "mcp"));
    check(&["--since", "2026-10-06T19:00"], &|e| {
        e["last_seen"].as_str().is_some_and(|t| t >= "2026-10-06T19:00")
    });
    // Counted from the last exchange of the store, at 19:43, and not from the clock.
    check(&["--since", "1h"], &|e| {
        e["last_seen"]
            .as_str()
            .is_some_and(|t| t >= "2026-10-06T18:43:54")
    });
    check(&["--new-since", "today"], &|e| {
        e["first_seen"].as_str().is_some_and(|t| t >= "2026-10-06")
    });
    check(&["--host", "orders.*", "--no-auth"], &|e| {
        e["host"] == "orders.api.acme.example" && !e["auth"]["none"].is_null()
    });
    assert_eq!(
        inventory(&["--unowned"]).len(),
        all.len(),
        "nobody declared an owner"
    );
}

#[test]
fn rows_come_in_the_order_that_was_asked_for() {
    let calls = |all: &[Value]| {
        all.iter()
            .map(|e| e["exchanges"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let by_calls = calls(&inventory(&["--sort", "calls"]));
    assert!(by_calls.is_sorted_by(|a, b| a >= b), "{by_calls:?}");
    let newest = inventory(&["--sort", "first-seen", "--limit", "3"]);
    assert_eq!(newest.len(), 3);
    assert!(newest.is_sorted_by(|a, b| a["first_seen"].as_str() >= b["first_seen"].as_str()));
    // Without an order those with the worst findings are on top.
    let first = names(&inventory(&["--limit", "4"]));
    assert!(
        first.contains(&"GET orders.api.acme.example/v1/orders/{int}".to_owned()),
        "{first:?}"
    );
}

#[test]
fn a_table_for_spreadsheets_has_a_cell_for_each_name() {
    let output = run(&["inventory", "--store", store(), "--csv"]);
    let lines = text(&output.stdout);
    assert!(lines.ends_with("\r\n"), "RFC 4180 ends lines with both");
    let mut rows = lines.split("\r\n");
    let head: Vec<&str> = rows.next().expect("names").split(',').collect();
    let rows: Vec<&str> = rows.filter(|row| !row.is_empty()).collect();
    assert_eq!(rows.len(), inventory(&[]).len());
    for row in rows {
        let (mut cells, mut quoted) = (1, false);
        for c in row.chars() {
            quoted ^= c == '"';
            cells += usize::from(c == ',' && !quoted);
        }
        assert_eq!(cells, head.len(), "{row}");
    }
}

/// Runs a shell line beside the store; `$T` is the binary and `$S` the store, by a name that is
/// short wherever the project lies: pages repeat it in commands to copy, which no page may break.
fn shell(line: &str) -> Output {
    let store = Path::new(store());
    Command::new("bash")
        .args(["-c", line])
        .current_dir(store.parent().expect("a folder"))
        .env("T", env!("CARGO_BIN_EXE_tapline"))
        .env("S", store.file_name().expect("a name"))
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .output()
        .expect("bash runs")
}

#[test]
fn every_page_fits_the_terminal() {
    let policy = folder("commands-width").join("policy.toml");
    fs::write(&policy, "[[rule]]\nid = \"no-agents\"\nmust = 'agents = 0'\n").expect("a file");
    let policy = policy.display();
    for command in [
        "inventory --store $S".to_owned(),
        "inventory --store $S --sort calls".to_owned(),
        "show '/v1/orders/{int}' --store $S".to_owned(),
        "diff --store $S --since today".to_owned(),
        format!("check --store $S --policy {policy}"),
        format!("explain {} --store $S", ids_of("bola_enumeration")[0]),
        format!("explain {} --store $S --ascii", ids_of("credential_shared")[0]),
    ] {
        for width in [60, 80, 140] {
            let output = shell(&format!(
                "script -qec \"stty cols {width}; $T {command} 2>/dev/null\" /dev/null </dev/null"
            ));
            let shown = text(&output.stdout);
            assert!(shown.lines().count() > 5, "{command}: {}", said(&output));
            let mut escaped = false;
            for line in shown.lines() {
                // What colours take no room.
                let room = line.chars().filter(|&c| {
                    let colour = escaped || c == '\u{1b}';
                    escaped = colour && c != 'm';
                    !colour && !c.is_control()
                });
                // The name of the capture is part of a command to copy, and may be longer than any line.
                let is_path = line.contains(env!("CARGO_MANIFEST_DIR"));
                assert!(room.count() <= width || is_path, "{command} at {width}: {line}");
            }
        }
    }
}

#[test]
fn one_endpoint_is_found_by_whatever_names_it() {
    let wanted = "GET orders.api.acme.example/v1/orders/{int}";
    let all = inventory(&[]);
    let place = names(&all)
        .iter()
        .position(|n| n == wanted)
        .expect("the endpoint");
    let id = all[place]["id"].as_str().expect("an id");
    for name in [
        id,
        &id[..8],
        wanted,
        "get orders.api.acme.example/v1/orders/4711",
        "/v1/orders/{int}",
        "http://orders.api.acme.example/v1/orders/4711?full=yes",
    ] {
        let output = run(&["show", name, "--store", store(), "--json"]);
        let shown = &records(&output)[0];
        assert_eq!(shown["endpoint"], all[place], "{name}");
        let callers: Vec<&str> = shown["callers"]
            .as_array()
            .expect("callers")
            .iter()
            .filter_map(|c| c["name"].as_str())
            .collect();
        assert!(callers.contains(&"refund-agent"), "{callers:?}");
        let kinds: Vec<&str> = shown["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|f| f["kind"].as_str())
            .collect();
        assert!(kinds.contains(&"bola_enumeration"), "{kinds:?}");
    }
    // Also as two words.
    run(&[
        "show",
        "GET",
        "orders.api.acme.example/v1/orders/4711",
        "--store",
        store(),
    ]);
    let check = |name: &str, wanted: &[&str]| {
        let output = tapline(&["show", name, "--store", store()]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", said(&output));
        for part in wanted {
            assert!(
                text(&output.stderr).contains(part),
                "no `{part}`: {}",
                said(&output)
            );
        }
    };
    check(
        "/v1/products/{int}/stock",
        &["may be any of 2 endpoints", "GET orders.api", "PUT orders.api"],
    );
    check("/v1/ordres/7", &["did you mean one of these?", "/v1/orders"]);
    check("xyzzy", &["`tapline inventory` lists all"]);
}

#[test]
fn what_changed_since_yesterday() {
    let changes = |arguments: &[&str]| {
        let output = run(&[&["diff", "--json"], arguments].concat());
        records(&output)
    };
    let of = |all: &[Value], about: &str, change: &str| {
        all.iter()
            .filter(|c| c["about"] == about && c["change"] == change)
            .cloned()
            .collect::<Vec<_>>()
    };
    let today = changes(&["--store", store(), "--since", "today"]);
    let new = of(&today, "endpoint", "new");
    // As the records have it.
    let mut wanted = names(&inventory(&["--new-since", "today"]));
    wanted.sort();
    let mut found = names(&new);
    found.sort();
    assert_eq!(found, wanted);
    let callers: Vec<String> = of(&today, "principal", "new")
        .iter()
        .map(|c| c["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(callers.contains(&"python-requests".to_owned()), "{callers:?}");
    let changed = of(&today, "endpoint", "changed");
    assert!(
        changed.iter().any(|c| c["template"] == "/v1/orders/{int}"
            && c["fact"] == "auth"
            && c["added"] == serde_json::json!(["api_key"])),
        "{changed:?}"
    );
    let kinds: Vec<&str> = today
        .iter()
        .filter(|c| c["about"] == "finding" && c["change"] == "new")
        .filter_map(|c| c["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"bola_enumeration") && !kinds.contains(&"sensitive_data_exposure"),
        "{kinds:?}"
    );
    // The same asked in other ways.
    let at = format!("{}@2026-10-05", store());
    assert_eq!(changes(&[&at, store()]), today);
    assert_eq!(changes(&["--store", store(), "--since", "2026-10-06"]), today);
    assert_eq!(changes(&["--store", store(), "--since", "12h"]), today);
    // Nothing differs from itself; from the beginning on all is new.
    assert!(changes(&[store(), store()]).is_empty());
    let all = changes(&["--store", store(), "--since", "2026-10-01"]);
    assert_eq!(of(&all, "endpoint", "new").len(), inventory(&[]).len());
    let first = changes(&[
        "--store",
        store(),
        "--since",
        "yesterday",
        "--until",
        "2026-10-05",
    ]);
    let both = of(&first, "endpoint", "new").len() + new.len();
    assert_eq!(both, inventory(&[]).len());
    // Files of records answer too.
    let empty = folder("commands-diff").join("empty.jsonl");
    fs::write(&empty, "").expect("a file");
    let file = written("inventory.jsonl");
    let from_nothing = changes(&[&empty.display().to_string(), &file]);
    assert_eq!(of(&from_nothing, "endpoint", "new").len(), inventory(&[]).len());
    assert!(changes(&[&file, &file]).is_empty());
}

#[test]
fn a_store_written_in_two_runs_has_the_history_of_one() {
    let out = folder("commands-halves");
    let demo = fs::read(testdata("demo.pcap")).expect("the demo");
    // In the middle of the first day.
    let mut at = 24;
    for _ in 0..2000 {
        at += 16 + u32::from_le_bytes(demo[at + 8..at + 12].try_into().expect("four bytes")) as usize;
    }
    let (first, second) = (out.join("1.pcap"), out.join("2.pcap"));
    fs::write(&first, &demo[..at]).expect("a file");
    fs::write(&second, [&demo[..24], &demo[at..]].concat()).expect("a file");
    let dir = out.join("store").display().to_string();
    for half in [&first, &second] {
        run(&["replay", &half.display().to_string(), "--store", &dir]);
    }
    let told = |store: &str| {
        let output = run(&["diff", "--store", store, "--since", "today", "--json"]);
        let mut lines: Vec<String> = records(&output)
            .into_iter()
            // The cut falls into exchanges that were under way.
            .filter(|c| c["about"] == "endpoint" && c["change"] == "new")
            .map(|c| format!("{}{}", c["host"], c["template"]))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(told(&dir), told(store()));
}

#[test]
fn questions_that_the_history_cannot_answer_are_told() {
    let out = folder("commands-history");
    let dir = out.join("store").display().to_string();
    let config = out.join("tapline.toml");
    fs::write(&config, "[store]\nhistory_days = 0\n").expect("a file");
    let demo = testdata("demo.pcap").display().to_string();
    run(&[
        "replay",
        &demo,
        "--store",
        &dir,
        "--config",
        &config.display().to_string(),
    ]);
    let check = |arguments: &[&str], wanted: &str| {
        let output = tapline(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(text(&output.stderr).contains(wanted), "{}", said(&output));
    };
    check(&["diff", "--store", &dir, "--since", "today"], "has no history");
    check(&["diff", "--store", store()], "--since");
    check(&["diff", store()], "<B>");
    check(
        &[
            "diff",
            "--store",
            store(),
            "--since",
            "today",
            "--until",
            "yesterday",
        ],
        "is before --since",
    );
    check(
        &["diff", "--store", store(), "--since", "tomorrow"],
        "write e.g. 2026-11-20",
    );
    let output = tapline(&["diff", "nowhere", store()]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    // One day of history: the day before yesterday cannot be told.
    fs::write(&config, "[store]\nhistory_days = 1\n").expect("a file");
    let short = out.join("short").display().to_string();
    run(&[
        "replay",
        &demo,
        "--store",
        &short,
        "--config",
        &config.display().to_string(),
    ]);
    let at = format!("{short}@2026-10-05");
    check(&["diff", &at, &short], "goes back to the end of 2026-10-06");
}

fn policy(name: &str, rules: &str) -> String {
    let file = folder(name).join("policy.toml");
    fs::write(&file, rules).expect("a file");
    file.display().to_string()
}

const RULES: &str = r#"
[[rule]]
id = "no-cards-to-agents"
title = "AI agents get no card numbers"
severity = "critical"
where = 'classes has "card"'
must = 'agents = 0'
help = "Give agents an answer without the number."

[[rule]]
id = "closed"
title = "No internal endpoint answers without a credential"
severity = "high"
where = 'path matches "/internal/*"'
must_not = 'auth has "none"'

[[rule]]
id = "agents-have-names"
about = "principal"
where = 'kind = "ai_agent"'
must = 'exists name'

[[rule]]
id = "no-walks"
about = "finding"
severity = "low"
must_not = 'kind = "bola_enumeration"'
"#;

#[test]
fn a_policy_that_holds_ends_with_0_and_one_that_does_not_with_1() {
    let bad = policy("commands-check", RULES);
    let output = tapline(&["check", "--policy", &bad, "--store", store()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let shown = text(&output.stdout);
    for wanted in [
        "GET payments.api.acme.example/v1/payments/export",
        "agents: 1",
        "→ Give agents an answer without the number.",
        "GET orders.api.acme.example/internal/debug/export",
        "ok     must exists name (agents-have-names; 4 looked at)",
        "3 of 4 rules violated, 3 violations.",
    ] {
        assert!(shown.contains(wanted), "no `{wanted}` in\n{shown}");
    }
    // Below what is asked for the verdict is another, and all is told.
    let output = tapline(&[
        "check",
        "--policy",
        &bad,
        "--store",
        store(),
        "--fail-on",
        "critical",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let low = policy(
        "commands-check-low",
        &RULES[RULES.rfind("[[rule]]").expect("a rule")..],
    );
    let output = tapline(&[
        "check",
        "--policy",
        &low,
        "--store",
        store(),
        "--fail-on",
        "medium",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(text(&output.stdout).contains("1 violation."), "{}", said(&output));
    let good = policy(
        "commands-check-good",
        "[[rule]]\nid = \"seen\"\nmust = 'exchanges > 0'\n",
    );
    let output = run(&["check", "--policy", &good, "--store", store()]);
    assert!(
        text(&output.stdout).contains("1 rule held, no violation."),
        "{}",
        said(&output)
    );
    // From files as from the store.
    let files = tapline(&[
        "check",
        "--policy",
        &bad,
        "--inventory",
        &written("inventory.jsonl"),
        "--agents",
        &written("agents.jsonl"),
        "--findings",
        &written("findings.jsonl"),
    ]);
    assert_eq!(files.status.code(), Some(1), "{}", said(&files));
    assert_eq!(text(&files.stdout), shown);
}

#[test]
fn what_is_wrong_with_a_check_ends_with_2_or_3() {
    let good = policy(
        "commands-check-usage",
        "[[rule]]\nid = \"a\"\nmust = 'agents = 0'\n",
    );
    let check = |arguments: &[&str], status: i32, wanted: &str| {
        let output = tapline(&[&["check"], arguments].concat());
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            text(&output.stderr).contains(wanted),
            "{arguments:?}: {}",
            said(&output)
        );
    };
    check(&["--policy", &good], 2, "--store");
    check(&["--store", store()], 2, "--policy");
    check(
        &["--policy", "nowhere.toml", "--store", store()],
        2,
        "cannot read the policy nowhere.toml",
    );
    check(
        &["--policy", &good, "--store", "nowhere"],
        3,
        "there is no store in nowhere",
    );
    check(
        &["--policy", &good, "--inventory", "nowhere"],
        3,
        "cannot read nowhere",
    );
    let slip = policy(
        "commands-check-slip",
        "[[rule]]\nid = \"a\"\nmust = 'agnts = 0'\n",
    );
    check(
        &["--policy", &slip, "--store", store()],
        2,
        &format!("{slip}:3:9: records of endpoints have no field `agnts`; did you mean `agents`?"),
    );
    let accepted = policy(
        "commands-check-accepted",
        "[[rule]]\nid = \"a\"\nmust = 'accepted'\n",
    );
    check(
        &["--policy", &accepted, "--store", store()],
        2,
        "give the file that `tapline accept` wrote with --accepted FILE",
    );
    let about = policy(
        "commands-check-about",
        "[[rule]]\nid = \"a\"\nabout = \"finding\"\nmust = 'count > 0'\n",
    );
    check(
        &["--policy", &about, "--inventory", &written("inventory.jsonl")],
        2,
        "give a file of them with --findings",
    );
    check(
        &["--policy", &good, "--inventory", &written("findings.jsonl")],
        3,
        ":1: is not such a record, it has no `template`",
    );
    check(
        &["--policy", &good, "--store", store(), "--sarif", &good],
        2,
        "would overwrite the policy",
    );
    check(
        &[
            "--policy",
            &good,
            "--store",
            store(),
            "--sarif",
            "-",
            "--junit",
            "-",
        ],
        2,
        "--sarif and --junit both write to -",
    );
    check(
        &["--policy", &good, "--store", store(), "--json", "/dev/full"],
        4,
        "cannot write to /dev/full",
    );
    let torn = folder("commands-check-torn").join("i.jsonl");
    fs::write(
        &torn,
        "{\"template\": \"/\", \"exchanges\": 1}\n\n{\"template\": \n",
    )
    .expect("a file");
    check(
        &["--policy", &good, "--inventory", &torn.display().to_string()],
        3,
        ":3: is not a JSON object",
    );
}

/// Where cargo keeps the source of a dependency.
fn source_of(package: &str) -> PathBuf {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline"])
        // What other platforms need was never fetched.
        .args(["--filter-platform", host.expect("the host of rustc")])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = found["packages"].as_array().expect("packages");
    let manifest = packages
        .iter()
        .find(|p| p["name"] == package)
        .and_then(|p| p["manifest_path"].as_str())
        .unwrap_or_else(|| panic!("no package {package}"));
    Path::new(manifest).parent().expect("a folder").to_owned()
}

#[test]
fn sarif_is_what_the_schema_of_oasis_says() {
    let out = folder("commands-sarif");
    let bad = policy("commands-sarif-policy", RULES);
    let [sarif, again] = ["a.sarif", "b.sarif"].map(|name| out.join(name).display().to_string());
    let inventory = written("inventory.jsonl");
    for (file, from) in [
        (&sarif, &["--store", store()][..]),
        (
            &again,
            &[
                "--inventory",
                &inventory,
                "--agents",
                &written("agents.jsonl"),
                "--findings",
                &written("findings.jsonl"),
            ],
        ),
    ] {
        let output = tapline(&[&["check", "--policy", &bad, "--sarif", file], from].concat());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
    // The crate brings the schema as OASIS publishes it.
    let schema = fs::read(source_of("serde-sarif").join("src/schema.json")).expect("the schema");
    let mut schema: Value = serde_json::from_slice(&schema).expect("JSON");
    // A pattern with a bracket too many, for a field that we do not write; nothing can read it.
    for definition in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][definition]["properties"]["language"];
        let removed = language.as_object_mut().and_then(|field| field.remove("pattern"));
        assert!(removed.is_some(), "the schema was mended");
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut read = Vec::new();
    for file in [&sarif, &again] {
        let log: Value = serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON");
        let wrong: Vec<String> = validator
            .iter_errors(&log)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Every field is one that it knows: nothing is lost on the way through its types.
        let typed: serde_sarif::sarif::Sarif = serde_json::from_value(log.clone()).expect("a log");
        assert_eq!(serde_json::to_value(&typed).expect("JSON"), log);
        read.push(log);
    }
    let results = |log: &Value| log["runs"][0]["results"].as_array().expect("results").clone();
    let (own, other) = (results(&read[0]), results(&read[1]));
    assert_eq!(own.len(), 3);
    for (a, b) in own.iter().zip(&other) {
        assert_eq!(a["partialFingerprints"], b["partialFingerprints"]);
        assert_eq!(a["message"], b["message"]);
    }
    let rules = &read[0]["runs"][0]["tool"]["driver"]["rules"];
    for result in &own {
        let index = result["ruleIndex"].as_u64().expect("a number") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    // A store has no lines, so the rule is named; of a file, the line of the record.
    let place = |result: &Value| {
        let at = &result["locations"][0]["physicalLocation"];
        let uri = at["artifactLocation"]["uri"].as_str().expect("a uri").to_owned();
        (uri, at["region"]["startLine"].as_u64().expect("a line") as usize)
    };
    let (uri, line) = place(&own[0]);
    assert!(uri.ends_with("policy.toml"), "{uri}");
    assert_eq!(RULES.lines().nth(line - 1), Some("[[rule]]"));
    let (uri, line) = place(&other[0]);
    assert!(uri.ends_with("inventory.jsonl"), "{uri}");
    let records = fs::read_to_string(&inventory).expect("a file");
    let record = records.lines().nth(line - 1).expect("a line");
    assert!(
        record.contains(own[0]["properties"]["id"].as_str().expect("an id")),
        "{record}"
    );
    let name = &own[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"];
    assert_eq!(name, "GET payments.api.acme.example/v1/payments/export");
}

#[test]
fn junit_is_what_ci_systems_read() {
    let out = folder("commands-junit").join("out.xml");
    // What an attacker sends may stand in a message, and what stands in a policy in all of them.
    let rules = RULES.replace(
        "AI agents get no card numbers",
        "a <b> & \\\"c\\\" \\u001b[2J ]]>",
    );
    let bad = policy("commands-junit-policy", &rules);
    let output = tapline(&[
        "check",
        "--policy",
        &bad,
        "--store",
        store(),
        "--junit",
        &out.display().to_string(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let xml = fs::read_to_string(&out).expect("a file");
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap_or_else(|e| panic!("{e}\n{xml}"));
    assert_eq!((report.tests, report.failures, report.errors), (4, 3, 0));
    let suites: Vec<(&str, usize, usize)> = report
        .test_suites
        .iter()
        .map(|s| (s.name.as_str(), s.test_cases.len(), s.failures))
        .collect();
    assert_eq!(
        suites,
        [
            ("no-cards-to-agents", 1, 1),
            ("closed", 1, 1),
            ("agents-have-names", 1, 0),
            ("no-walks", 1, 1)
        ]
    );
    let quick_junit::TestCaseStatus::NonSuccess { message, ty, .. } =
        &report.test_suites[0].test_cases[0].status
    else {
        panic!("a failure: {:?}", report.test_suites[0].test_cases[0]);
    };
    let message = message.as_ref().map(|m| m.as_str());
    assert_eq!(message, Some("a <b> & \"c\" \u{fffd}[2J ]]>"));
    assert_eq!(ty.as_ref().map(|t| t.as_str()), Some("critical"));
}

#[test]
fn violations_are_records_too() {
    let bad = policy("commands-json", RULES);
    let output = tapline(&["check", "--policy", &bad, "--store", store(), "--json", "-"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let found = records(&output);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0]["rule"], "no-cards-to-agents");
    assert_eq!(found[0]["observed"]["agents"], "1");
    assert!(
        text(&output.stderr).contains("3 of 4 rules violated"),
        "{}",
        said(&output)
    );
}

#[test]
fn changes_and_violations_fit_their_schemas() {
    let bad = policy("commands-schemas", RULES);
    for (name, arguments) in [
        (
            "violation",
            &["check", "--policy", &bad, "--store", store(), "--json", "-"][..],
        ),
        (
            "change",
            &["diff", "--store", store(), "--since", "today", "--json"],
        ),
        (
            "change",
            &["diff", "--store", store(), "--since", "2026-10-01", "--json"],
        ),
    ] {
        let schema = serde_json::from_slice(&run(&["schema", name]).stdout).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let found = records(&tapline(arguments));
        assert!(found.len() > 2, "{name}");
        for record in found {
            let wrong: Vec<String> = validator
                .iter_errors(&record)
                .map(|e| format!("{}: {e}", e.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{wrong:?} in {record}");
        }
    }
}

#[test]
fn what_is_accepted_is_no_violation_until_it_changes() {
    let out = folder("commands-accept");
    let [dir, accepted, second] =
        ["store", "accepted.toml", "second.toml"].map(|n| out.join(n).display().to_string());
    let demo = fs::read(testdata("demo.pcap")).expect("the demo");
    let monday = out.join("monday.pcap");
    // The frames of the first day: the header of each begins with its second.
    let mut at = 24;
    while u32::from_le_bytes(demo[at..at + 4].try_into().expect("four bytes")) < 1_791_244_800 {
        at += 16 + u32::from_le_bytes(demo[at + 8..at + 12].try_into().expect("four bytes")) as usize;
    }
    fs::write(&monday, &demo[..at]).expect("a file");
    run(&["replay", &monday.display().to_string(), "--store", &dir]);
    let policy = policy(
        "commands-accept-policy",
        "[[rule]]\nid = \"known\"\nmust = 'accepted'\n\n[[rule]]\nid = \"steady\"\nwhere = 'accepted'\nmust_not = 'changed'\n",
    );
    let accept = |more: &[&str]| {
        let fixed = [
            "accept",
            "--store",
            &dir,
            "--accepted",
            &accepted,
            "--by",
            "ana",
            "--when",
            "2026-10-06",
        ];
        tapline(&[&fixed[..], more].concat())
    };
    let refused = accept(&["--why", "first"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(text(&refused.stderr).contains("or --all"), "{}", said(&refused));
    let dry = accept(&["--why", "first", "--all", "--dry-run"]);
    assert!(
        dry.status.success() && !Path::new(&accepted).exists(),
        "{}",
        said(&dry)
    );
    let done = accept(&["--why", "first", "--all"]);
    assert!(done.status.success(), "{}", said(&done));
    let check = |file: &str, store: &str| {
        tapline(&[
            "check",
            "--policy",
            &policy,
            "--accepted",
            file,
            "--store",
            store,
            "--json",
            "-",
        ])
    };
    let clean = check(&accepted, &dir);
    assert_eq!(clean.status.code(), Some(0), "{}", said(&clean));
    // Again: not a byte differs, whoever says so.
    let before = fs::read(&accepted).expect("a file");
    assert!(accept(&["--why", "again", "--all"]).status.success());
    assert_eq!(fs::read(&accepted).expect("a file"), before);
    // The day after, new endpoints are no accepted ones, and changed ones differ.
    let changed = check(&accepted, store());
    assert_eq!(changed.status.code(), Some(1), "{}", said(&changed));
    let found = records(&changed);
    let of = |rule: &str| found.iter().filter(|v| v["rule"] == rule).collect::<Vec<_>>();
    assert_eq!(of("known").len(), inventory(&["--new-since", "today"]).len());
    assert!(
        of("steady")
            .iter()
            .any(|v| v["name"] == "GET orders.api.acme.example/v1/orders/{int}"
                && v["observed"]["changed"]
                    .as_str()
                    .is_some_and(|c| c.contains("auth"))),
        "{found:?}"
    );
    // Accepting that one makes it right, and leaves the others as they were.
    fs::copy(&accepted, &second).expect("a copy");
    let one = run(&[
        "accept",
        "GET orders.api.acme.example/v1/orders/{int}",
        "--store",
        store(),
        "--accepted",
        &second,
        "--by",
        "ben",
        "--why",
        "the nightly job",
        "--when",
        "2026-10-07",
    ]);
    let told = text(&one.stdout);
    assert!(
        told.starts_with("~ GET orders.api.acme.example/v1/orders/{int}\n"),
        "{told}"
    );
    assert!(told.contains("    auth: + api_key\n"), "{told}");
    let still = records(&check(&second, store()));
    assert_eq!(still.len(), found.len() - 1);
    // The difference in git is that one entry.
    let (old, new) = (
        fs::read_to_string(&accepted).expect("a file"),
        fs::read_to_string(&second).expect("a file"),
    );
    let gone: Vec<&str> = old.lines().filter(|l| !new.lines().any(|n| n == *l)).collect();
    assert!(gone.len() <= 5, "{gone:?}");
    // Entries of endpoints that are not there any more.
    let pruned = run(&[
        "accept",
        "--host",
        "orders.*",
        "--store",
        &dir,
        "--accepted",
        &second,
        "--by",
        "ana",
        "--why",
        "tidy",
        "--prune",
        "--dry-run",
    ]);
    assert!(
        !text(&pruned.stdout).contains("- "),
        "all are known: {}",
        said(&pruned)
    );
}

#[test]
fn overrides_are_written_as_people_keep_them() {
    let out = folder("commands-override");
    let file = out.join("overrides.toml");
    let name = file.display().to_string();
    fs::write(
        &file,
        "# Ours.\n[[endpoint]]\nhost = \"a.example\" # the first\npath = \"/x\"\nowner = \"team-a\"\n",
    )
    .expect("a file");
    let set = |more: &[&str]| tapline(&[&["override", "--file", &name], more].concat());
    let done = set(&[
        "GET orders.api.acme.example/v1/orders/{int}",
        "--owner",
        "team-orders",
        "--tier",
        "internal",
    ]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(
        text(&done.stdout),
        "+ [[endpoint]] GET orders.api.acme.example/v1/orders/{int}\n+ owner = \"team-orders\"\n+ tier = \"internal\"\n"
    );
    assert!(
        text(&done.stderr).contains("inventory.overrides = "),
        "{}",
        said(&done)
    );
    let kept = fs::read_to_string(&file).expect("a file");
    assert!(
        kept.starts_with("# Ours.\n[[endpoint]]\nhost = \"a.example\" # the first\n"),
        "{kept}"
    );
    let again = set(&[
        "GET",
        "orders.api.acme.example/v1/orders/{int}",
        "--owner",
        "team-orders",
    ]);
    assert!(
        text(&again.stderr).contains("it says so already"),
        "{}",
        said(&again)
    );
    assert_eq!(fs::read_to_string(&file).expect("a file"), kept);
    let dry = set(&["a.example/x", "--owner", "team-b", "--dry-run"]);
    assert!(
        text(&dry.stdout).contains("- owner = \"team-a\"\n+ owner = \"team-b\"\n"),
        "{}",
        said(&dry)
    );
    assert_eq!(fs::read_to_string(&file).expect("a file"), kept);
    // What a run could not read is not written.
    for (arguments, wanted) in [
        (&["a.example/x"][..], "what is to be said of it?"),
        (&["a.example", "--owner", "x"], "is no endpoint"),
        (
            &["a.example/x", "--accept", "mising_auth", "--reason", "y"],
            "did you mean `missing_auth`?",
        ),
        (&["a.example/x", "--accept", "missing_auth"], "--reason"),
        (&["a.example/x", "--tier", "secret"], "internal"),
        (
            &["a.example/x", "--owner", "x", "--until", "2027-02-30"],
            "is no date",
        ),
        (
            &["a.example/x", "--owner", "x", "--until", "2027-02-20"],
            "after this change, so nothing was changed",
        ),
    ] {
        let output = set(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(
            text(&output.stderr).contains(wanted),
            "{arguments:?}: {}",
            said(&output)
        );
        assert_eq!(fs::read_to_string(&file).expect("a file"), kept);
    }
    // What a run reads is what was said, and the store remembers where.
    let config = out.join("tapline.toml");
    fs::write(&config, format!("[inventory]\noverrides = \"{name}\"\n")).expect("a file");
    let dir = out.join("store").display().to_string();
    let demo = testdata("demo.pcap").display().to_string();
    run(&[
        "replay",
        &demo,
        "--store",
        &dir,
        "--config",
        &config.display().to_string(),
    ]);
    let owned = || {
        let output = run(&["inventory", "--store", &dir, "--owner", "team-*", "--json"]);
        names(&records(&output))
    };
    assert_eq!(owned(), ["GET orders.api.acme.example/v1/orders/{int}"]);
    let more = run(&[
        "override",
        "/internal/debug/export",
        "--store",
        &dir,
        "--owner",
        "team-debug",
    ]);
    assert!(
        text(&more.stderr).contains("a run reads it when it begins"),
        "{}",
        said(&more)
    );
    assert_eq!(owned().len(), 2);
    let told = run(&["diff", "--store", &dir, "--since", "2026-10-07", "--json"]);
    let told = records(&told);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["added"], serde_json::json!(["team-debug"]));
    let wrong = set(&["a.example/x", "--keep", "no-slash"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    let keep = set(&["a.example/x", "--keep", "/x/admin"]);
    assert!(keep.status.success(), "{}", said(&keep));
    assert!(
        fs::read_to_string(&file)
            .expect("a file")
            .ends_with("[[keep]]\nhost = \"a.example\"\npath = \"/x/admin\"\n")
    );
    assert_eq!(
        fs::read_dir(&out)
            .expect("a folder")
            .filter(|e| e
                .as_ref()
                .is_ok_and(|e| e.file_name().to_string_lossy().contains(".new")))
            .count(),
        0
    );
}

/// All commands while a replay writes to the store: they answer, and what they say is of one moment.
#[test]
fn everything_can_be_asked_while_a_run_writes() {
    use std::io::Write as _;
    let out = folder("commands-beside");
    let dir = out.join("store").display().to_string();
    let demo = fs::read(testdata("demo.pcap")).expect("the demo");
    // So that something is there from the beginning.
    run(&[
        "replay",
        &testdata("demo.pcap").display().to_string(),
        "--store",
        &dir,
    ]);
    let policy = policy("commands-beside-policy", RULES);
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(["replay", "-", "--store", &dir, "--exchanges", "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(&demo[..24]).expect("it is read");
    // The same day again and again, a month further on each time: at each midnight the store is written.
    const MONTH: u32 = 30 * 86_400;
    let mut send = |round: u32| {
        let mut frames = demo[24..].to_vec();
        let mut at = 0;
        while at < frames.len() {
            let second = u32::from_le_bytes(frames[at..at + 4].try_into().expect("four bytes"));
            frames[at..at + 4].copy_from_slice(&(second + round * MONTH).to_le_bytes());
            at += 16 + u32::from_le_bytes(frames[at + 8..at + 12].try_into().expect("four bytes")) as usize;
        }
        pipe.write_all(&frames).expect("it is read");
    };
    let total = |output: &Output| {
        let calls = |r: &Value| r["exchanges"].as_u64().unwrap_or(0);
        records(output).iter().map(calls).sum::<u64>()
    };
    let mut seen = std::collections::BTreeSet::new();
    for round in 1..=6 {
        send(round);
        for arguments in [
            &["inventory", "--store", &dir, "--json"][..],
            &["show", "/v1/orders/{int}", "--store", &dir],
            &["diff", "--store", &dir, "--since", "7d", "--json"],
            &["findings", "--store", &dir],
            &["agents", "--store", &dir],
        ] {
            let output = run(arguments);
            if arguments[0] == "inventory" {
                seen.insert(total(&output));
            }
        }
        let output = tapline(&["check", "--policy", &policy, "--store", &dir]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
    drop(pipe);
    assert!(child.wait().expect("it ends").success());
    assert!(
        seen.len() > 1,
        "the store did not change while it was asked: {seen:?}"
    );
    assert!(total(&run(&["inventory", "--store", &dir, "--json"])) > *seen.last().expect("a count"));
}

const SPEC: &str = "openapi: 3.1.0
info: {title: Orders, version: '1'}
servers: [{url: 'http://orders.api.acme.example'}]
components: {securitySchemes: {jwt: {type: http, scheme: bearer}}}
security: [{jwt: []}]
paths:
  /v1/orders:
    get:
      operationId: listOrders
      x-owner: team-orders
      responses: {'200': {description: ok}}
  /v1/orders/{orderId}:
    get:
      operationId: getOrder
      x-owner: team-orders
      parameters: [{name: orderId, in: path, required: true, schema: {type: integer}}]
      responses: {'200': {description: ok}}
  /v1/refunds/{id}:
    delete:
      operationId: forgetRefund
      security: []
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {'204': {description: gone}}
";

/// Places of the violations in a SARIF log, with their rules.
fn places(sarif: &Path) -> Vec<String> {
    let log: Value = serde_json::from_slice(&fs::read(sarif).expect("a file")).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let mut found: Vec<String> = results
        .iter()
        .map(|result| {
            let at = &result["locations"][0]["physicalLocation"];
            let uri = at["artifactLocation"]["uri"].as_str().expect("a uri");
            let file = uri.rsplit('/').next().expect("a name");
            format!(
                "{} {file}:{}",
                result["ruleId"].as_str().expect("a rule"),
                at["region"]["startLine"]
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_specification_is_held_against_a_policy_before_anybody_calls_it() {
    let out = folder("commands-operations");
    let (spec, sarif) = (out.join("orders.yaml"), out.join("out.sarif"));
    fs::write(&spec, SPEC).expect("a file");
    let policy = policy(
        "commands-operations-policy",
        "[[rule]]\nid = \"owned\"\nabout = \"operation\"\nmust = 'exists owner'\n\n\
         [[rule]]\nid = \"guarded\"\nabout = \"operation\"\nmust = 'authenticated'\n",
    );
    let (spec_name, sarif_name) = (spec.display().to_string(), sarif.display().to_string());
    let arguments = [
        "check",
        "--policy",
        &policy,
        "--spec",
        &spec_name,
        "--sarif",
        &sarif_name,
    ];
    let bad = tapline(&arguments);
    assert_eq!(bad.status.code(), Some(1), "{}", said(&bad));
    // The line at which each operation begins.
    let line = |of: &str| 1 + SPEC.lines().position(|l| l.trim() == of).expect("a line");
    let forget = line("delete:");
    assert_eq!(
        places(&sarif),
        [
            format!("guarded orders.yaml:{forget}"),
            format!("owned orders.yaml:{forget}")
        ]
    );
    // Mended, it passes.
    let clean = SPEC.replace("      security: []\n", "      x-owner: team-money\n");
    fs::write(&spec, clean).expect("a file");
    let good = tapline(&arguments);
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    assert!(places(&sarif).is_empty());
    // An owner may come from elsewhere too.
    fs::write(&spec, SPEC.replace("      security: []\n", "")).expect("a file");
    assert_eq!(tapline(&arguments).status.code(), Some(1));
    let overrides = out.join("overrides.toml");
    fs::write(
        &overrides,
        "[[endpoint]]\nhost = \"orders.api.acme.example\"\npath = \"/v1/refunds/{id}\"\nowner = \"team-money\"\n",
    )
    .expect("a file");
    let config = out.join("tapline.toml");
    fs::write(
        &config,
        format!("[inventory]\noverrides = \"{}\"\n", overrides.display()),
    )
    .expect("a file");
    let with_config = tapline(&[&arguments[..], &["--config", &config.display().to_string()]].concat());
    assert_eq!(with_config.status.code(), Some(0), "{}", said(&with_config));
    let without = tapline(&["check", "--policy", &policy, "--store", store()]);
    assert_eq!(without.status.code(), Some(2), "{}", said(&without));
    assert!(
        text(&without.stderr).contains("give the specifications that declare them with --spec FILE"),
        "{}",
        said(&without)
    );
}

#[test]
fn what_a_specification_declares_is_told_with_its_line() {
    let out = folder("commands-spec");
    let (spec, sarif, dir) = (out.join("orders.yaml"), out.join("out.sarif"), out.join("store"));
    fs::write(&spec, SPEC).expect("a file");
    let (spec_name, dir) = (spec.display().to_string(), dir.display().to_string());
    let demo = testdata("demo.pcap").display().to_string();
    run(&["replay", &demo, "--store", &dir, "--spec", &spec_name]);
    // The store remembers what the run compared with.
    let shown = run(&["show", "GET orders.api.acme.example/v1/orders/7", "--store", &dir]);
    let wanted = format!("yes: {spec_name}:13, operation getOrder");
    // Long names are wrapped, wherever they have to be.
    let flat = |text: &str| text.split_whitespace().collect::<String>();
    let found = flat(&text(&shown.stdout)).contains(&flat(&wanted));
    assert!(found, "no `{wanted}` in\n{}", said(&shown));
    let undocumented = run(&[
        "inventory",
        "--store",
        &dir,
        "--host",
        "orders.*",
        "--undocumented",
        "--json",
    ]);
    let undocumented = names(&records(&undocumented));
    assert!(
        undocumented.contains(&"GET orders.api.acme.example/internal/debug/export".to_owned())
            && !undocumented.iter().any(|n| n.ends_with("/v1/orders")),
        "{undocumented:?}"
    );
    let policy = policy(
        "commands-spec-policy",
        "[[rule]]\nid = \"no-keys\"\nwhere = 'host = \"orders.api.acme.example\" and documented = \"yes\"'\n\
         must_not = 'auth has \"api_key\"'\n\n\
         [[rule]]\nid = \"used\"\nabout = \"operation\"\nmust = 'seen'\n\n\
         [[rule]]\nid = \"documented\"\nwhere = 'host = \"orders.api.acme.example\"'\nmust_not = 'documented = \"no\"'\n",
    );
    let check = tapline(&[
        "check",
        "--policy",
        &policy,
        "--store",
        &dir,
        "--sarif",
        &sarif.display().to_string(),
    ]);
    assert_eq!(check.status.code(), Some(1), "{}", said(&check));
    let found = places(&sarif);
    let line = |of: &str| 2 + SPEC.lines().position(|l| l.trim() == of).expect("a line");
    for wanted in [
        format!("no-keys orders.yaml:{}", line("/v1/orders:")),
        format!("no-keys orders.yaml:{}", line("/v1/orders/{orderId}:")),
        format!("used orders.yaml:{}", line("/v1/refunds/{id}:")),
        // What no specification declares has no line there.
        "documented policy.toml:11".to_owned(),
    ] {
        assert!(found.contains(&wanted), "no {wanted} in {found:#?}");
    }
    // A file that is gone is told, and everything else is answered.
    fs::remove_file(&spec).expect("a file");
    let output = run(&["inventory", "--store", &dir, "--json"]);
    assert!(
        text(&output.stderr).contains("the last run had it"),
        "{}",
        said(&output)
    );
    assert_eq!(records(&output).len(), inventory(&[]).len());
}

#[test]
fn what_is_exported_declares_the_traffic_it_was_written_from() {
    let out = folder("commands-export");
    let specs = format!("{}/", out.join("specs").display());
    let output = run(&[
        "export",
        "--store",
        store(),
        "--format",
        "openapi",
        "--scheme",
        "http",
        "--out",
        &specs,
    ]);
    let files = support::files(Path::new(&specs));
    let hosts: std::collections::BTreeSet<String> = inventory(&[])
        .iter()
        .filter(|e| e["method"] != "CONNECT")
        .map(|e| e["host"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(files.len(), hosts.len(), "{}", said(&output));
    let findings = out.join("findings.jsonl");
    let inventory = out.join("inventory.jsonl");
    let demo = testdata("demo.pcap").display().to_string();
    let mut arguments = vec![
        "replay".to_owned(),
        demo,
        "--findings".to_owned(),
        findings.display().to_string(),
        "--inventory".to_owned(),
        inventory.display().to_string(),
    ];
    for file in &files {
        arguments.extend(["--spec".to_owned(), file.display().to_string()]);
    }
    let again = tapline(&arguments);
    assert!(again.status.success(), "{}", said(&again));
    // Our own reader finds nothing wrong with it.
    assert!(!text(&again.stderr).contains("warning"), "{}", said(&again));
    let kinds: Vec<String> = support::lines(&findings)
        .iter()
        .map(|f| f["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    let before: Vec<String> = fs::read_to_string(written("findings.jsonl"))
        .expect("a file")
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["kind"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    let new: Vec<&String> = kinds.iter().filter(|kind| !before.contains(kind)).collect();
    assert!(new.is_empty(), "its own traffic departs from it: {new:?}");
    for endpoint in support::lines(&inventory)
        .iter()
        .filter(|e| e["method"] != "CONNECT")
    {
        assert_eq!(
            endpoint["documented"], "yes",
            "{}{}",
            endpoint["host"], endpoint["template"]
        );
    }
}

#[test]
fn a_document_is_about_one_host_and_a_collection_about_all() {
    let output = tapline(&["export", "--store", store(), "--format", "openapi"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        text(&output.stderr).contains("name one with --host")
            && text(&output.stderr).contains("orders.api.acme.example"),
        "{}",
        said(&output)
    );
    let one = run(&[
        "export",
        "--store",
        store(),
        "--format",
        "openapi",
        "--host",
        "orders.*",
    ]);
    let document: Value = serde_json::from_slice(&one.stdout).expect("JSON");
    assert!(
        document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")),
        "{document}"
    );
    assert!(
        !document["paths"]["/v1/orders"]["get"]["x-tapline-confidence"].is_null(),
        "{document}"
    );
    let all = run(&["export", "--store", store(), "--format", "postman"]);
    let collection: Value = serde_json::from_slice(&all.stdout).expect("JSON");
    assert!(
        collection["item"]
            .as_array()
            .is_some_and(|folders| folders.len() > 3),
        "{collection}"
    );
    let none = tapline(&[
        "export",
        "--store",
        store(),
        "--format",
        "postman",
        "--host",
        "nobody",
    ]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    assert!(text(&none.stderr).contains("nothing to write"), "{}", said(&none));
}

/// Ids of the findings of a kind.
fn ids_of(kind: &str) -> Vec<String> {
    let all = records(&run(&["findings", "--store", store(), "--json"]));
    let of = all.iter().filter(|finding| finding["kind"] == kind);
    of.map(|finding| finding["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn a_finding_is_told_from_the_store_and_from_a_file_alike() {
    let id = &ids_of("bola_enumeration")[0];
    let page = run(&["explain", &id[..6], "--store", store()]);
    let page = text(&page.stdout);
    for part in [
        "One principal walking through objects",
        "AI agent refund-agent",
        "for 96 different objects",
        "GET orders.api.acme.example/v1/orders/{int}",
        "since 2026-10-06 14:08:00, last at 14:10:44 UTC (2 min 44 s); decided 15 s after it began",
        "672 calls in all, known since 2026-10-05 12:00 UTC",
        "    observed          96  ####",
        "loss        none in the exchanges below",
        "Times are UTC, all on 2026-10-06, to 10.10.2.21:8080",
        "14:08:00  GET     /v1/orders/10200  404     10.30.7.21:34612      10391-10392",
        "tshark -r ",
        "demo.pcap -Y '(frame.number >= 10391 && frame.number <= 10392) ||",
        "1. Check with the owner of the principal",
        "--accept bola_enumeration",
        "tapline suppress 55bb90a8 --store",
        "rate_anomaly  2026-10-06 14:09",
    ] {
        // A command is broken where the name of a file is long.
        let flat = page
            .replace("\\\n", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(page.contains(part) || flat.contains(part), "no `{part}`:\n{page}");
    }
    assert!(!page.contains('\u{1b}'), "no colours where there is no terminal");
    let drawn = |line: &&str| line.starts_with("    ") && line.contains('#');
    assert!(page.lines().filter(drawn).all(str::is_ascii), "{page}");
    let of_file = run(&[
        "explain",
        id,
        "--findings",
        &written("findings.jsonl"),
        "--capture",
        "x y.pcap",
    ]);
    let of_file = text(&of_file.stdout);
    assert!(of_file.contains("tshark -r 'x y.pcap' -Y"), "{of_file}");
    // But for what only the store knows, it is the same page.
    let story = |page: &str| {
        let from = page.find("Observed and expected").expect("numbers");
        page[from..page.find("The packets").expect("packets")].to_owned()
    };
    assert_eq!(story(&page), story(&of_file));
    let piped = shell(&format!(
        "$T explain {id} --findings - --capture f.pcap < {} 2>&1",
        written("findings.jsonl")
    ));
    assert!(
        text(&piped.stdout).contains("for 96 different objects"),
        "{}",
        said(&piped)
    );
}

#[test]
fn a_finding_is_told_to_programs_too() {
    let id = &ids_of("rate_anomaly")[0];
    let told = records(&run(&["explain", id, "--store", store(), "--json"]));
    let all = records(&run(&["findings", "--store", store(), "--json"]));
    let finding = all.iter().find(|f| f["id"] == id.as_str()).expect("the finding");
    assert_eq!(told[0]["finding"], *finding);
    assert_eq!(told[0]["principal"]["name"], "refund-agent");
    assert_eq!(told[0]["charts"][0]["title"], "calls within 1 min");
    assert_eq!(told[0]["charts"][0]["bars"][0]["value"], 32.0);
    assert!(
        told[0]["commands"]["packets"]
            .as_str()
            .is_some_and(|c| c.starts_with("tshark -r ")),
        "{}",
        told[0]["commands"]
    );
    assert_eq!(
        told[0]["other_findings"][0],
        ids_of("bola_enumeration")[0].as_str()
    );
}

#[test]
fn what_is_no_finding_is_told() {
    let check = |arguments: &[&str], status: i32, wanted: &str| {
        let output = tapline(arguments);
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert!(
            text(&output.stderr).contains(wanted),
            "no `{wanted}`: {}",
            said(&output)
        );
    };
    check(
        &["explain", "ffffffff", "--store", store()],
        2,
        "begins with `ffffffff`",
    );
    check(
        &["explain", "bola_enumeration", "--store", store()],
        2,
        "is no id of a finding",
    );
    check(&["explain", "5", "--store", store()], 2, "first 4 letters");
    check(&["explain", "ffff"], 2, "--store");
    let both = folder("commands-explain").join("findings.jsonl");
    let mut lines = String::new();
    for finding in records(&run(&["findings", "--store", store(), "--json"]))
        .iter()
        .take(2)
    {
        let mut finding = finding.clone();
        finding["id"] = format!("abcd{}", &finding["id"].as_str().expect("an id")[4..]).into();
        lines.push_str(&format!("{finding}\n"));
    }
    fs::write(&both, lines).expect("a file");
    let both = both.display().to_string();
    check(
        &["explain", "abcd", "--findings", &both],
        2,
        "may be any of 2 findings",
    );
    check(
        &["explain", "abcd", "--findings", "/nowhere"],
        3,
        "cannot read /nowhere",
    );
}

#[test]
fn what_is_suppressed_is_hidden_counted_and_told_when_its_day_is_over() {
    let folder = folder("commands-suppress");
    let (file, config, dir) = (folder.join("s.toml"), folder.join("c.toml"), folder.join("store"));
    let id = &ids_of("rate_anomaly")[0];
    let add = |arguments: &[&str]| {
        let file = file.display().to_string();
        let common = [
            "--store",
            store(),
            "--file",
            &file,
            "--owner",
            "ana",
            "--reason",
            "load test",
        ];
        run(&[&["suppress"], arguments, &common[..]].concat())
    };
    let dry = add(&[&id[..8], "--until", "2027-01-31", "--dry-run"]);
    assert!(
        text(&dry.stdout).contains(&format!("finding = \"{id}\"")),
        "{}",
        said(&dry)
    );
    assert!(!file.exists());
    fs::write(&file, "# kept\n").expect("a file");
    add(&[&id[..8], "--until", "2027-01-31"]);
    add(&[&ids_of("bola_enumeration")[0], "--alike", "--until", "2026-10-05"]);
    let written = fs::read_to_string(&file).expect("a file");
    for part in [
        "# kept\n\n[[suppress]]",
        "principal = \"refund-agent\"",
        "path = \"/v1/orders/{int}\"",
        "until = 2026-10-05",
    ] {
        assert!(written.contains(part), "no `{part}`: {written}");
    }
    fs::write(
        &config,
        format!("[findings]\nsuppressions = \"{}\"\n", file.display()),
    )
    .expect("a file");
    let (config, dir) = (config.display().to_string(), dir.display().to_string());
    let demo = testdata("demo.pcap").display().to_string();
    let told = folder.join("findings.jsonl").display().to_string();
    run(&[
        "replay",
        &demo,
        "--config",
        &config,
        "--store",
        &dir,
        "--findings",
        &told,
    ]);
    let told = fs::read_to_string(told).expect("a file");
    assert!(!told.contains("rate_anomaly\""), "{told}");
    assert!(told.contains("bola_enumeration\""), "the day of that one is over");
    let shown = run(&["findings", "--store", &dir]);
    let shown = text(&shown.stdout);
    for part in [
        "Suppressed findings  1 hidden, 1 of 2 suppressions over",
        &format!("finding {id}"),
        "over 2026-10-05",
        "load test",
    ] {
        assert!(shown.contains(part), "no `{part}`: {shown}");
    }
    let json = run(&["findings", "--store", &dir, "--json"]);
    assert!(!text(&json.stdout).contains("rate_anomaly\""));
    assert!(
        text(&json.stderr).contains("1 finding is not among them"),
        "{}",
        said(&json)
    );
    let hidden = records(&run(&["findings", "--store", &dir, "--suppressed", "--json"]));
    assert_eq!(
        (hidden.len(), &hidden[0]["suppressed"]["owner"]),
        (1, &Value::from("ana"))
    );
    let page = run(&["explain", &id[..8], "--store", &dir]);
    assert!(text(&page.stdout).contains("Suppressed by ana until 2027-01-31: load test"));
    // The file counts as it is now.
    fs::write(&file, "").expect("a file");
    let json = run(&["findings", "--store", &dir, "--json"]);
    assert!(text(&json.stdout).contains("rate_anomaly\""));
    fs::write(&file, "[[suppress]]\nfinding = \"x\"\n").expect("a file");
    let output = tapline(&["replay", &demo, "--config", &config, "--findings", "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("2:11  suppress.finding must be the whole id"),
        "{}",
        said(&output)
    );
}

#[test]
fn other_settings_are_tried_on_the_same_capture() {
    let demo = testdata("demo.pcap").display().to_string();
    let told = records(&run(&[
        "tune",
        &demo,
        "--set",
        "detection.unknown_paths=60",
        "--set",
        "learning.period=30d",
        "--json",
    ]));
    let kinds = told[0]["kinds"].as_array().expect("kinds");
    let of = |kind: &str| {
        kinds
            .iter()
            .find(|row| row["kind"] == kind)
            .cloned()
            .expect("a row")
    };
    let found = of("rate_anomaly");
    let all = records(&run(&["findings", "--store", store(), "--json"]));
    assert_eq!(told[0]["now"]["findings"], all.len());
    assert_eq!((&found["now"], &found["lost"]), (&1.into(), &1.into()), "{found}");
    assert!(
        told[0]["lost"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|f| f["id"] == ids_of("rate_anomaly")[0].as_str())
    );
    let steps = told[0]["now"]["by_confidence"].as_array().expect("steps");
    let counts: Vec<u64> = steps
        .iter()
        .map(|step| step["findings"].as_u64().expect("a number"))
        .collect();
    assert!(
        counts.is_sorted_by(|a, b| a >= b) && counts[0] == all.len() as u64,
        "{counts:?}"
    );
    let page = run(&[
        "tune",
        &demo,
        "--set",
        "learning.period = 30d",
        "--min-severity",
        "medium",
    ]);
    let page = text(&page.stdout);
    for part in [
        "change  learning.period = 30d",
        "only    medium and higher",
        "rate_anomaly",
        "Lost  ",
        &ids_of("rate_anomaly")[0],
        "at least 0.80",
    ] {
        assert!(page.contains(part), "no `{part}`: {page}");
    }
    let same = records(&run(&[
        "tune",
        &demo,
        "--set",
        "detection.sequence_bits=60",
        "--json",
    ]));
    assert_eq!(
        (&same[0]["gained"], &same[0]["lost"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    for (set, wanted) in [
        (
            "detection.sequence_bit=40",
            "did you mean `detection.sequence_bits`?",
        ),
        ("detection.sequence_bits=4", "10 to 10000"),
        ("detection.sequence_bits", "write KEY=VALUE"),
        ("kafka.brokers=a:1", "does not bear on what is told"),
        ("learning.period=soon", "learning.period"),
    ] {
        let output = tapline(&["tune", &demo, "--set", set]);
        assert_eq!(output.status.code(), Some(2), "{set}: {}", said(&output));
        assert!(text(&output.stderr).contains(wanted), "{set}: {}", said(&output));
    }
}

#[test]
fn a_budget_of_one_finding_holds_the_others_back() {
    let folder = folder("commands-storm");
    let (config, dir) = (folder.join("c.toml"), folder.join("store").display().to_string());
    fs::write(&config, "[findings]\nstorm_kind = 1\nstorm_caller = 1\n").expect("a file");
    let demo = testdata("demo.pcap").display().to_string();
    let config = config.display().to_string();
    run(&["replay", &demo, "--config", &config, "--store", &dir]);
    let told = records(&run(&["findings", "--store", &dir, "--json"]));
    let held = records(&run(&["findings", "--store", &dir, "--held", "--json"]));
    let storms: Vec<&Value> = told.iter().filter(|f| f["kind"] == "alert_storm").collect();
    let counted: u64 = storms
        .iter()
        .map(|f| f["observed"]["held"].as_u64().expect("a number"))
        .sum();
    assert_eq!(counted as usize, held.len(), "{told:?}");
    for finding in &held {
        assert!(
            storms.iter().any(|storm| storm["id"] == finding["held_by"]),
            "{finding}"
        );
    }
}
