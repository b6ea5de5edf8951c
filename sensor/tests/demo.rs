//! The demo capture against its ground truth: every exchange, every planted incident, and nothing else.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::{all_outputs, folder, lines, said, tapline, testdata};

/// A flow by its ends.
type Ends = (String, String);

fn ends(record: &Value) -> Ends {
    let end = |name: &str| record["flow"][name].as_str().expect("address").to_owned();
    (end("client"), end("server"))
}

fn index(record: &Value) -> u64 {
    record["flow"]["index"].as_u64().expect("index")
}

fn replay(name: &str, more: &[&str]) -> PathBuf {
    let out = folder(name);
    let mut arguments = vec!["replay".to_owned(), testdata("demo.pcap").display().to_string()];
    arguments.extend(all_outputs(&out));
    arguments.extend(more.iter().map(|m| (*m).to_owned()));
    let run = tapline(&arguments);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    out
}

/// One replay with the defaults serves most tests.
fn defaults() -> &'static Path {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    ONCE.get_or_init(|| replay("demo-defaults", &[]))
}

fn truth() -> &'static [Value] {
    static ONCE: OnceLock<Vec<Value>> = OnceLock::new();
    ONCE.get_or_init(|| lines(&testdata("demo.truth.jsonl")))
}

/// What the contract says of an exchange, and the truth knows too.
fn facts(record: &Value) -> Value {
    let lengths = |side: &str| json!([record[side]["body_bytes"], record[side]["content_bytes"]]);
    json!({
        "ts": record["ts"],
        "protocol": record["protocol"],
        "method": record["method"],
        "host": record["host"],
        "target": record["target"],
        "status": record["status"],
        "request": lengths("request"),
        "response": lengths("response"),
        "vlan": record["flow"]["vlan"],
    })
}

#[test]
fn every_undamaged_exchange_is_exact_and_none_is_invented() {
    let out = replay("demo-exact", &["--reveal", "query"]);
    let mut found: BTreeMap<Ends, Vec<Value>> = BTreeMap::new();
    for record in lines(&out.join("exchanges.jsonl")) {
        found.entry(ends(&record)).or_default().push(record);
    }
    let mut flows: BTreeMap<Ends, Vec<&Value>> = BTreeMap::new();
    for line in truth() {
        flows.entry(ends(line)).or_default().push(line);
    }
    let mut wrong = Vec::new();
    for (key, records) in &found {
        if !flows.contains_key(key) {
            wrong.push(format!("invented flow {key:?}: {}", records[0]));
        }
    }
    for (key, lines) in &flows {
        let mut records = found.remove(key).unwrap_or_default();
        records.sort_by_key(index);
        let damaged: Vec<&&Value> = lines.iter().filter(|l| l["damaged"].is_array()).collect();
        for line in lines.iter().filter(|l| l["damaged"].is_null()) {
            // Behind a loss the count may differ; the time of the first packet does not.
            let at = records.iter().position(|r| {
                if damaged.is_empty() {
                    index(r) == index(line)
                } else {
                    r["ts"] == line["ts"]
                }
            });
            let Some(at) = at else {
                wrong.push(format!("missing {line}"));
                continue;
            };
            let record = records.remove(at);
            if facts(&record) != facts(line) {
                wrong.push(format!("found {} instead of {}", facts(&record), facts(line)));
            }
            let flags = record["flags"].as_array().cloned().unwrap_or_default();
            let expected = line["flags"].as_array().cloned().unwrap_or_default();
            if flags != expected && damaged.is_empty() {
                wrong.push(format!("flags {flags:?} instead of {expected:?} on {line}"));
            }
            for side in ["request", "response"] {
                if record[side]["complete"] != json!(true) {
                    wrong.push(format!("{side} is said to be incomplete on {line}"));
                }
            }
        }
        // What is left must be of a damaged exchange, say so, and hold nothing that was not sent.
        for record in &records {
            let flags: Vec<&str> = record["flags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let marked = flags
                .iter()
                .any(|f| ["gap", "truncated", "no_request", "no_response"].contains(f))
                || record["response"]["complete"] == json!(false);
            let agrees = damaged.iter().any(|line| {
                ["method", "target", "status", "host"]
                    .iter()
                    .all(|field| record[*field].is_null() || record[*field] == line[*field])
            });
            if !marked || !agrees {
                wrong.push(format!("invented, or not said to be damaged: {record}"));
            }
        }
        if records.len() > 2 * damaged.len() {
            wrong.push(format!(
                "{} records of {} damaged exchanges in {key:?}",
                records.len(),
                damaged.len()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A planted incident and what has to be said of it.
struct Incident {
    name: &'static str,
    kind: &'static str,
    /// Who did it, by the name in the truth file.
    actor: &'static str,
    /// Kind and name of the principal; nothing when the finding is about the endpoint, whoever called it.
    principal: Option<(&'static str, &'static str)>,
    template: Option<&'static str>,
    /// Further kinds that are right to be raised by the same exchanges.
    also: &'static [&'static str],
}

const INCIDENTS: [Incident; 6] = [
    Incident {
        name: "shadow_endpoint",
        kind: "missing_auth",
        actor: "workstation-77",
        principal: None,
        template: Some("/internal/debug/export"),
        also: &[],
    },
    Incident {
        name: "order_enumeration",
        kind: "bola_enumeration",
        actor: "refund-agent",
        principal: Some(("ai_agent", "refund-agent")),
        template: Some("/v1/orders/{int}"),
        // Ninety-six reads in three minutes are more than the agent ever made.
        // One of them had been shown to somebody else alone.
        also: &["rate_anomaly", "bola"],
    },
    Incident {
        name: "token_without_exp",
        kind: "token_long_lived",
        actor: "erp-sync",
        principal: Some(("service", "erp-sync")),
        template: None,
        also: &[],
    },
    Incident {
        name: "token_in_two_places",
        kind: "credential_shared",
        actor: "token-thief",
        principal: Some(("ai_agent", "stock-agent")),
        template: None,
        also: &[],
    },
    Incident {
        name: "card_numbers",
        kind: "sensitive_data_exposure",
        actor: "finance-agent",
        principal: None,
        template: Some("/v1/payments/export"),
        also: &[],
    },
    Incident {
        name: "forgotten_version",
        kind: "zombie_endpoint",
        actor: "old-display",
        principal: None,
        template: Some("/v1/prices/{int}"),
        also: &[],
    },
];

/// Findings that are right though nothing was planted: kind, who, and why.
const RIGHT_ANYWAY: [(&str, &str, &str); 2] = [
    (
        "weak_auth",
        "nightly-batch",
        "its API key goes over the wire in the clear, in a field anybody on the path can copy",
    ),
    (
        "missing_cache_control",
        "finance-agent",
        "the export of cards does not say that caches must not keep it",
    ),
];

/// The latest revision of every finding.
fn findings() -> Vec<Value> {
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for finding in lines(&defaults().join("findings.jsonl")) {
        let id = finding["id"].as_str().expect("id").to_owned();
        let before = latest.insert(id, finding.clone());
        let revision = |f: &Value| f["revision"].as_u64().expect("revision");
        if let Some(before) = before {
            assert!(revision(&before) < revision(&finding), "{finding}");
        }
    }
    latest.into_values().collect()
}

/// The truth about the exchanges a finding rests on.
fn evidence(finding: &Value) -> Vec<&'static Value> {
    static ONCE: OnceLock<BTreeMap<(Ends, u64), &'static Value>> = OnceLock::new();
    let by_place = ONCE.get_or_init(|| truth().iter().map(|l| ((ends(l), index(l)), l)).collect());
    finding["evidence"]
        .as_array()
        .expect("evidence")
        .iter()
        .map(|e| {
            let end = |name: &str| e[name].as_str().expect("address").to_owned();
            let place = (
                (end("client"), end("server")),
                e["index"].as_u64().expect("index"),
            );
            *by_place
                .get(&place)
                .unwrap_or_else(|| panic!("evidence {e} is no exchange of the capture"))
        })
        .collect()
}

#[test]
fn every_planted_incident_is_found_once_with_the_right_principal() {
    let findings = findings();
    let mut wrong = Vec::new();
    for incident in &INCIDENTS {
        let hits: Vec<&Value> = findings
            .iter()
            .filter(|f| f["kind"] == incident.kind)
            .filter(|f| evidence(f).iter().any(|l| l["incident"] == incident.name))
            .collect();
        let [finding] = hits.as_slice() else {
            wrong.push(format!(
                "{} findings {} of {}",
                hits.len(),
                incident.kind,
                incident.name
            ));
            continue;
        };
        if !evidence(finding).iter().any(|l| l["actor"] == incident.actor) {
            wrong.push(format!(
                "{}: no exchange of {} in {finding}",
                incident.name, incident.actor
            ));
        }
        for (pointer, want) in [
            ("/principal/kind", incident.principal.map(|p| p.0)),
            ("/principal/name", incident.principal.map(|p| p.1)),
            ("/resource/template", incident.template),
        ] {
            let got = finding.pointer(pointer).and_then(Value::as_str);
            if want.is_some() && got != want {
                wrong.push(format!(
                    "{}: {pointer} is {got:?}, not {want:?}: {finding}",
                    incident.name
                ));
            }
        }
        let severity = finding["severity"].as_str().unwrap_or("");
        if !["medium", "high", "critical"].contains(&severity) {
            wrong.push(format!("{}: severity {severity}", incident.name));
        }
        for field in ["explanation", "title", "filter"] {
            if finding[field].as_str().is_none_or(str::is_empty) {
                wrong.push(format!("{}: no {field}", incident.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_else_is_worth_a_look() {
    let mut alarms = Vec::new();
    for finding in findings() {
        if !["medium", "high", "critical"].contains(&finding["severity"].as_str().unwrap_or("")) {
            continue;
        }
        let kind = finding["kind"].as_str().unwrap_or("");
        let lines = evidence(&finding);
        let planted = INCIDENTS.iter().any(|i| {
            (i.kind == kind || i.also.contains(&kind)) && lines.iter().any(|l| l["incident"] == i.name)
        });
        let anyway = RIGHT_ANYWAY
            .iter()
            .any(|(k, who, _)| *k == kind && lines.iter().all(|l| l["actor"] == *who));
        if !planted && !anyway {
            alarms.push(format!(
                "{kind} {} {}: {}\n    on {}",
                finding["severity"], finding["principal"]["name"], finding["explanation"], lines[0]
            ));
        }
    }
    assert!(
        alarms.is_empty(),
        "{} false alarms:\n{}",
        alarms.len(),
        alarms.join("\n")
    );
}

#[test]
fn each_caller_is_one_principal_of_its_kind() {
    let agents = lines(&defaults().join("agents.jsonl"));
    let of_kind = |kind: &str| -> BTreeSet<&str> {
        agents
            .iter()
            .filter(|a| a["kind"] == kind)
            .map(|a| a["name"].as_str().unwrap_or("unnamed"))
            .collect()
    };
    assert_eq!(
        of_kind("ai_agent"),
        ["finance-agent", "refund-agent", "stock-agent", "support-copilot"].into()
    );
    // The batch has a key and no name; the workstation's script is named after its software. The request
    // whose credential was lost makes nobody.
    assert_eq!(
        of_kind("service"),
        ["erp-sync", "python-requests", "unnamed"].into()
    );
    for name in [
        "finance-agent",
        "refund-agent",
        "stock-agent",
        "support-copilot",
        "erp-sync",
    ] {
        let of_name: Vec<&Value> = agents.iter().filter(|a| a["name"] == name).collect();
        assert_eq!(of_name.len(), 1, "{name}");
        let mut sent = truth().iter().filter(|l| l["actor"] == name).count();
        if name == "stock-agent" {
            sent += truth().iter().filter(|l| l["actor"] == "token-thief").count();
        }
        if name == "finance-agent" {
            // The tunnel was asked for without the token.
            sent -= truth().iter().filter(|l| l["method"] == "CONNECT").count();
        }
        let seen = of_name[0]["exchanges"].as_u64().unwrap_or(0) as usize;
        let damaged = truth().iter().filter(|l| l["damaged"].is_array()).count();
        assert!(
            seen <= sent && seen + damaged >= sent,
            "{name}: {seen} of {sent} exchanges"
        );
    }
    let humans = agents.iter().filter(|a| a["kind"] == "human").count();
    assert!(humans >= 15, "{humans} people");
}

#[test]
fn the_inventory_has_the_endpoints_that_were_called() {
    let inventory = lines(&defaults().join("inventory.jsonl"));
    let has = |host: &str, method: &str, template: &str| {
        inventory
            .iter()
            .any(|e| e["host"] == host && e["method"] == method && e["template"] == template)
    };
    for (host, method, template) in [
        ("orders.api.acme.example", "GET", "/v1/orders"),
        ("orders.api.acme.example", "GET", "/v1/orders/{int}"),
        ("orders.api.acme.example", "POST", "/v1/orders/{int}/refunds"),
        ("orders.api.acme.example", "PUT", "/v1/products/{int}/stock"),
        ("orders.api.acme.example", "GET", "/v1/shipments/{ulid}"),
        ("orders.api.acme.example", "GET", "/internal/debug/export"),
        ("payments.api.acme.example", "GET", "/v1/payments/{uuid}"),
        ("payments.api.acme.example", "GET", "/v1/reports/daily/{date}"),
        ("desk.acme.example", "GET", "/tickets/{ulid}"),
        ("desk.acme.example", "POST", "/tickets/{ulid}/attachments"),
        ("shop.acme.example", "GET", "/products/{int}"),
        ("mcp.acme.example", "POST", "/mcp#tools/call:ledger_search"),
        ("mcp.acme.example", "POST", "/mcp#tools/call:stock_levels"),
    ] {
        assert!(has(host, method, template), "no {method} {host}{template}");
    }
    let shadow = inventory
        .iter()
        .find(|e| e["template"] == "/internal/debug/export")
        .expect("the shadow endpoint");
    assert_eq!(shadow["auth"], json!({"none": 3}));
    // Ids make templates, not endpoints: the capture has 3,000 exchanges and some forty endpoints.
    assert!(
        (30..120).contains(&inventory.len()),
        "{} endpoints",
        inventory.len()
    );
}

#[test]
fn outputs_do_not_depend_on_workers_or_read_size() {
    let other = replay("demo-other", &["--workers", "3", "--read-size", "4096"]);
    for name in ["exchanges", "parts", "flows", "findings", "inventory", "agents"] {
        let file = format!("{name}.jsonl");
        let (one, two) = (defaults().join(&file), other.join(&file));
        assert!(
            fs::read(&one).expect("readable") == fs::read(&two).expect("readable"),
            "{} and {} differ",
            one.display(),
            two.display()
        );
    }
}

/// FNV-1a, 64 bit: short, and the same for ever.
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The exchanges in short: one line a flow, with the number of its exchanges and a digest of their records.
fn short(exchanges: &Path) -> String {
    let text = fs::read_to_string(exchanges).expect("readable");
    let mut flows: BTreeMap<Ends, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        flows.entry(ends(&record)).or_default().push(line);
    }
    flows
        .iter()
        .map(|((client, server), lines)| {
            format!(
                "{client} {server} {} {}\n",
                lines.len(),
                digest(&lines.join("\n"))
            )
        })
        .collect()
}

/// Holds the outputs against the golden files beside the capture. `UPDATE_GOLDEN=1` writes them anew; read
/// the difference before committing it.
#[test]
fn outputs_are_the_golden_ones() {
    let out = defaults();
    let read = |name: &str| fs::read_to_string(out.join(name)).expect("readable");
    let mut differ = Vec::new();
    for (name, text) in [
        ("demo.exchanges.txt", short(&out.join("exchanges.jsonl"))),
        ("demo.findings.jsonl", read("findings.jsonl")),
        ("demo.inventory.jsonl", read("inventory.jsonl")),
        ("demo.agents.jsonl", read("agents.jsonl")),
    ] {
        let golden = testdata("golden").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(testdata("golden")).expect("a folder");
            fs::write(&golden, &text).expect("written");
            continue;
        }
        let want = fs::read_to_string(&golden).unwrap_or_default();
        if want != text {
            let line = want.lines().zip(text.lines()).position(|(a, b)| a != b);
            let line = line.unwrap_or_else(|| want.lines().count().min(text.lines().count()));
            differ.push(format!(
                "{name}, line {}:\n  golden {}\n  found  {}",
                line + 1,
                want.lines().nth(line).unwrap_or("(end)"),
                text.lines().nth(line).unwrap_or("(end)")
            ));
        }
    }
    assert!(
        differ.is_empty(),
        "outputs differ from testdata/golden; if that is meant, run with UPDATE_GOLDEN=1\n{}",
        differ.join("\n")
    );
}
