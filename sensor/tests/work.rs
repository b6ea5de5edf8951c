//! Units of work against the sessions of the shared evaluation set, which say nothing of themselves on the wire where they are REST.
//! Skipped where the set is not at hand; `TAPLINE_EVAL` names another place of its data.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use support::{folder, lines, said, tapline};

fn truth(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    GzDecoder::new(File::open(path).expect("the ground truth opens"))
        .read_to_string(&mut text)
        .expect("the ground truth unpacks");
    let read = |line| serde_json::from_str(line).expect("JSON");
    text.lines().map(read).collect()
}

/// Sessions, and how many of them are exactly one unit; share of pairs (call of a unit, its session) that are of one session, and the other
/// way round (B-cubed).
fn compare(folder: &Path, data: &Path, world: &str, period: &str) -> (usize, usize, f64, f64) {
    let exchanges = folder.join("exchanges.jsonl");
    let capture = data.join(world).join(format!("{period}.pcap.gz"));
    let arguments = [
        "replay".as_ref(),
        "--exchanges".as_ref(),
        exchanges.as_os_str(),
        capture.as_os_str(),
    ];
    let run = tapline::<&OsStr>(&arguments);
    assert!(run.status.success(), "{world}: {}", said(&run));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // A connection may have the addresses and ports of another one days before; both are in the order of time.
    let mut found: BTreeMap<(String, String, u64), Vec<(String, String)>> = BTreeMap::new();
    for record in lines(&exchanges) {
        let flow = &record["flow"];
        let key = (
            text(&flow["client"]),
            text(&flow["server"]),
            flow["index"].as_u64().unwrap_or_default(),
        );
        found
            .entry(key)
            .or_default()
            .push((text(&record["ts"]), text(&record["work"]["unit"])));
    }
    found.values_mut().for_each(|all| all.sort());
    let mut units: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut sessions: BTreeMap<String, usize> = BTreeMap::new();
    for row in truth(&data.join(world).join(format!("{period}.truth.jsonl.gz"))) {
        let key = (
            text(&row["src"]),
            text(&row["dst"]),
            row["flow_seq"].as_u64().unwrap_or_default(),
        );
        let one = found
            .get_mut(&key)
            .filter(|all| !all.is_empty())
            .map(|all| all.remove(0));
        let Some((_, unit)) = one.filter(|(_, unit)| !unit.is_empty()) else {
            panic!("{world} {period}: {key:?} has no unit");
        };
        *units
            .entry(unit)
            .or_default()
            .entry(text(&row["session"]))
            .or_default() += 1;
        *sessions.entry(text(&row["session"])).or_default() += 1;
    }
    let (mut exact, mut pure, mut whole, mut calls) = (0, 0.0, 0.0, 0.0);
    for unit in units.values() {
        let size: usize = unit.values().sum();
        for (session, count) in unit {
            let all = sessions[session];
            exact += usize::from(unit.len() == 1 && *count == all);
            pure += (count * count) as f64 / size as f64;
            whole += (count * count) as f64 / all as f64;
            calls += *count as f64;
        }
    }
    (sessions.len(), exact, pure / calls, whole / calls)
}

#[test]
fn nearly_every_session_is_one_unit_without_saying_so() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval/data");
    let data = std::env::var_os("TAPLINE_EVAL").map_or_else(beside, PathBuf::from);
    if !data.exists() {
        println!("skipped: there is no evaluation set in {}", data.display());
        return;
    }
    let out = folder("work");
    let worlds: BTreeSet<String> = std::fs::read_dir(&data)
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // Sessions of ATRDF are not labelled.
        .filter(|world| world.ends_with("_rest") || world.ends_with("_mcp"))
        .collect();
    assert!(!worlds.is_empty());
    for world in worlds {
        let (sessions, exact, pure, whole) = compare(&out, &data, &world, "train");
        println!(
            "{world}: {exact} of {sessions} sessions are one unit; of a unit {pure:.4} is one session, of a session {whole:.4} one unit"
        );
        assert!(exact as f64 >= 0.9 * sessions as f64, "{world}");
        assert!(pure >= 0.97 && whole >= 0.97, "{world}: {pure} {whole}");
    }
}
