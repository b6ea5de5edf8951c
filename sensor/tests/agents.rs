//! `tapline agents` over a store, with a registry of agents beside it.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{folder, said, tapline, testdata};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A store that has learned the demo, with a registry that names two of its four agents.
fn store(out: &Path) -> String {
    let registry = out.join("agents.toml");
    fs::write(
        &registry,
        "[[agent]]\nname = \"Refunds\"\nclient = \"refund-*\"\nowner = \"team-payments\"\npurpose = \"Pays back\"\ntools = [\"none\"]\n\
         [[agent]]\nname = \"Stock\"\nclient = \"stock-agent\"\nowner = \"team-stock\"\ntools = [\"look_up\"]\n",
    )
    .expect("a file");
    let config = out.join("tapline.toml");
    fs::write(
        &config,
        format!("[inventory]\nagents = \"{}\"\n", registry.display()),
    )
    .expect("a file");
    let dir = out.join("store").display().to_string();
    let demo = testdata("demo.pcap").display().to_string();
    let config = config.display().to_string();
    let output = tapline(&["replay", &demo, "--store", &dir, "--config", &config]);
    assert!(output.status.success(), "{}", said(&output));
    dir
}

fn records(output: &[u8]) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).expect("JSON");
    text(output).lines().map(read).collect()
}

#[test]
fn agents_are_listed_with_owners_and_what_was_found() {
    let out = folder("agents-command");
    let dir = store(&out);
    let all = records(&tapline(&["agents", "--store", &dir, "--json"]).stdout);
    assert!(all.len() > 80, "{}", all.len());
    let agents = records(&tapline(&["agents", "--store", &dir, "--json", "--kind", "ai_agent"]).stdout);
    assert_eq!(agents.len(), 4);
    let refunds = agents
        .iter()
        .find(|a| a["name"] == "refund-agent")
        .expect("there");
    assert_eq!(refunds["registered"]["owner"], "team-payments");
    assert_eq!(refunds["decided_by"], "token");
    assert!(refunds["reasons"].as_array().is_some_and(|r| !r.is_empty()));
    let stock = agents.iter().find(|a| a["name"] == "stock-agent").expect("there");
    let beyond = stock["registered"]["tools_beyond"].as_array().expect("a list");
    assert!(!beyond.is_empty(), "it called tools that it may not call");

    let table = text(&tapline(&["agents", "--store", &dir]).stdout);
    for wanted in [
        "Who calls  4 AI agents",
        "team-pa",
        "medium sh",
        "Time to discover an AI agent",
    ] {
        assert!(table.contains(wanted), "{wanted}\n{table}");
    }
    let found = records(&tapline(&["findings", "--store", &dir, "--json"]).stdout);
    let shadows: Vec<&str> = found
        .iter()
        .filter(|f| f["kind"] == "shadow_agent")
        .filter_map(|f| f["principal"]["name"].as_str())
        .collect();
    assert_eq!(shadows.len(), 2, "{shadows:?}");
    assert!(shadows.contains(&"finance-agent") && shadows.contains(&"support-copilot"));

    let page = tapline(&["agents", "show", "refund-agent", "--store", &dir]);
    let page = text(&page.stdout);
    for wanted in [
        "team-payments",
        "Pays back",
        "claim client_type=ai-agent",
        "/v1/orders",
        "bola_enumeration",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    let id = refunds["id"].as_str().expect("an id");
    let one = tapline(&["agents", "show", &id[..8], "--store", &dir, "--json"]);
    let one: Value = serde_json::from_slice(&one.stdout).expect("JSON");
    assert_eq!(one["principal"]["id"], *id);
    assert!(one["endpoints"].as_array().is_some_and(|e| e.len() == 4));
}

#[test]
fn since_keeps_those_who_came_later_and_mistakes_are_told() {
    let out = folder("agents-since");
    let dir = store(&out);
    let count = |since: &str| {
        records(&tapline(&["agents", "--store", &dir, "--json", "--since", since]).stdout).len()
    };
    assert!(count("2026-10-05") > count("2026-10-06") && count("2026-10-06") > 0);
    assert_eq!(count("2026-10-07"), 0);
    let late = records(&tapline(&["agents", "--store", &dir, "--json", "--since", "2026-10-06"]).stdout);
    for record in &late {
        assert!(
            record["first_seen"].as_str().is_some_and(|t| t >= "2026-10-06"),
            "{record}"
        );
    }
    let unknown = tapline(&["agents", "show", "nobody", "--store", &dir]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        said(&unknown).contains("no caller is known as `nobody`"),
        "{}",
        said(&unknown)
    );
    assert_eq!(tapline(&["agents"]).status.code(), Some(2));

    let registry = out.join("agents.toml");
    fs::write(&registry, "[[agent]]\nowner = \"x\"\n").expect("a file");
    let config = out.join("tapline.toml").display().to_string();
    let demo = testdata("demo.pcap").display().to_string();
    let output = tapline(&["replay", &demo, "--config", &config]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("(inventory.agents)") && said(&output).contains("agent.name is missing"));
}
