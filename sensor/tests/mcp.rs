//! The MCP worlds of the shared evaluation set: every call of a tool in the ground truth is in the exchange records, with its name
//! and with one principal for each caller. Skipped where the set is not at hand; `TAPLINE_EVAL` names another place of its data.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use support::{folder, lines, said, tapline};

/// Connection and place in it, method and tool.
type Called = (String, String, u64, String, Option<String>);

fn truth(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    GzDecoder::new(File::open(path).expect("the ground truth opens"))
        .read_to_string(&mut text)
        .expect("the ground truth unpacks");
    let read = |line| serde_json::from_str(line).expect("JSON");
    text.lines().map(read).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Replays one capture of a world and holds its calls against the truth; gives back how many there were.
fn compare(folder: &Path, data: &Path, world: &str, period: &str) -> usize {
    let (exchanges, agents) = (folder.join("exchanges.jsonl"), folder.join("agents.jsonl"));
    let capture = data.join(world).join(format!("{period}.pcap.gz"));
    let run = tapline(&[
        OsStr::new("replay"),
        OsStr::new("--exchanges"),
        exchanges.as_os_str(),
        OsStr::new("--agents"),
        agents.as_os_str(),
        capture.as_os_str(),
    ]);
    assert!(run.status.success(), "{world}: {}", said(&run));
    let mut found: BTreeMap<Called, Vec<String>> = BTreeMap::new();
    for record in lines(&exchanges) {
        let flow = &record["flow"];
        for call in record["mcp"]["calls"].as_array().into_iter().flatten() {
            let key = (
                text(&flow["client"]),
                text(&flow["server"]),
                flow["index"].as_u64().unwrap_or_default(),
                text(&call["method"]),
                call["name"].as_str().map(str::to_owned),
            );
            found.entry(key).or_default().push(text(&record["principal"]));
        }
    }
    let names: BTreeMap<String, String> = lines(&agents)
        .iter()
        .map(|record| (text(&record["id"]), text(&record["name"])))
        .collect();
    let (mut calls, mut missing) = (0, Vec::new());
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in truth(&data.join(world).join(format!("{period}.truth.jsonl.gz"))) {
        if row["rpc"] != "tools/call" {
            continue;
        }
        calls += 1;
        let key = (
            text(&row["src"]),
            text(&row["dst"]),
            row["flow_seq"].as_u64().unwrap_or_default(),
            text(&row["rpc"]),
            row["tool"].as_str().map(str::to_owned),
        );
        // A connection may have the addresses and ports of another one days before, so each record counts once.
        let one = found.get_mut(&key).filter(|ids| !ids.is_empty());
        match one.map(|ids| ids.remove(0)) {
            Some(id) => drop(ids.entry(text(&row["principal"])).or_default().insert(id)),
            None => missing.push(key),
        }
    }
    assert!(
        missing.is_empty(),
        "{world} {period}: {} of {calls} calls are missing, first {:?}",
        missing.len(),
        missing.first()
    );
    let mut taken = BTreeSet::new();
    for (principal, ids) in &ids {
        assert_eq!(ids.len(), 1, "{world} {period}: {principal} is {ids:?}");
        for id in ids {
            assert!(
                taken.insert(id.clone()),
                "{world} {period}: {id} is two principals"
            );
            // The name is that of the client, which a truth by subject does not hold.
            let named = names.get(id).is_some_and(|name| !name.is_empty());
            assert!(named, "{world} {period}: {principal} has no name");
        }
    }
    calls
}

#[test]
fn every_call_of_a_tool_is_there_with_its_name_and_its_caller() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval/data");
    let data = std::env::var_os("TAPLINE_EVAL").map_or_else(beside, PathBuf::from);
    if !data.exists() {
        println!("mcp: skipped, the shared evaluation set is not beside this checkout");
        return;
    }
    let folder = folder("mcp");
    let mut calls = 0;
    for world in ["banking_mcp", "slack_mcp", "airline_mcp", "luna_mcp"] {
        for period in ["train", "test"] {
            calls += compare(&folder, &data, world, period);
        }
    }
    println!("{calls} calls of tools, 100 % with name and principal");
    assert!(calls > 1000, "{calls} calls are not the set");
}
