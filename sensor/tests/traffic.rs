//! Traffic that nobody tuned: captures of the shared generator, with loss, joined midway and captured askew, against
//! its ground truth. Exchanges are compared as sets within each flow, so that which of two like ones was damaged does
//! not matter. Skipped where the generator is not at hand.

mod support;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{folder, lines, said, tapline};

/// Method, target, status, request content, response content.
type Whole = (String, String, u64, u64, u64);

/// How often each value occurs in each flow.
type Counts<T> = HashMap<(String, T), i64>;

const SEEDS: [u32; 2] = [11, 12];
const EXCHANGES: &str = "3000";
const IMPAIRMENTS: [&[&str]; 6] = [
    &[],
    &["--loss", "0.001"],
    &["--loss", "0.01"],
    &["--loss", "0.03"],
    &["--midstream", "0.3"],
    &["--xdir", "0.05"],
];

fn text(v: &Value, key: &str) -> String {
    v[key].as_str().unwrap_or_default().to_owned()
}

fn number(v: &Value, key: &str) -> u64 {
    v[key].as_u64().unwrap_or_default()
}

/// Takes each of `found` out of `there`; what is in `found` alone comes back.
fn more<T: Clone + std::hash::Hash + Eq>(found: &Counts<T>, there: &Counts<T>) -> Vec<(String, T)> {
    let over = |(k, n): (&(String, T), &i64)| (*n > there.get(k).copied().unwrap_or(0)).then(|| k.clone());
    found.iter().filter_map(over).collect()
}

/// Whether the exchange has to be found whole. Where a client sent several requests at once and some of them were
/// lost, together with answers, more than one pairing may be possible: then only the request has to be there.
fn must_be_whole(truth: &Value, lossy: bool) -> bool {
    let damaged = number(truth, "lost_req") + number(truth, "lost_resp") > 0;
    !(damaged || lossy && truth["pipelined"] == true)
}

#[test]
fn every_exchange_that_lost_no_byte_is_exact_and_none_is_untrue() {
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traffic/generate.py");
    if !generator.exists() {
        println!("traffic: skipped, the shared generator is not beside this checkout");
        return;
    }
    let folder = folder("traffic");
    for (seed, impairment) in SEEDS.iter().flat_map(|s| IMPAIRMENTS.iter().map(move |i| (s, i))) {
        let lossy = impairment.contains(&"--loss");
        let name = format!("seed {seed} {}", impairment.join(" "));
        let base = folder.join("capture");
        let made = Command::new("python3")
            .arg(&generator)
            .arg(&base)
            .args(["--exchanges", EXCHANGES, "--seed", &seed.to_string()])
            .args(*impairment)
            .output()
            .expect("python3 runs the generator");
        assert!(
            made.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let found = folder.join("found.jsonl");
        let pcap = base.with_extension("pcap");
        let arguments = ["replay", "--reveal", "query", "--exchanges"].map(OsStr::new);
        let run = tapline(&[&arguments[..], &[found.as_os_str(), pcap.as_os_str()]].concat());
        assert!(run.status.success(), "{name}: {}", said(&run));

        let mut all: Counts<Whole> = HashMap::new();
        let mut untouched: Counts<Whole> = HashMap::new();
        let mut requests: Counts<(String, String)> = HashMap::new();
        let mut sent: Counts<(String, String)> = HashMap::new();
        let mut statuses: Counts<u64> = HashMap::new();
        for t in lines(&base.with_extension("jsonl")) {
            let flow = format!("{}:{}", text(&t, "src"), number(&t, "sport"));
            let whole = (
                text(&t, "method"),
                text(&t, "path"),
                number(&t, "status"),
                number(&t, "req_body_len"),
                number(&t, "resp_body_len"),
            );
            *requests
                .entry((flow.clone(), (whole.0.clone(), whole.1.clone())))
                .or_default() += 1;
            *statuses.entry((flow.clone(), whole.2)).or_default() += 1;
            *all.entry((flow.clone(), whole.clone())).or_default() += 1;
            let request = (whole.0.clone(), whole.1.clone());
            *untouched.entry((flow.clone(), whole)).or_default() += i64::from(must_be_whole(&t, lossy));
            *sent.entry((flow, request)).or_default() += i64::from(number(&t, "lost_req") == 0);
        }

        let mut seen: Counts<Whole> = HashMap::new();
        let mut seen_requests: Counts<(String, String)> = HashMap::new();
        let mut seen_statuses: Counts<u64> = HashMap::new();
        for e in lines(&found) {
            let flow = text(&e["flow"], "client");
            let request = (text(&e, "method"), text(&e, "target"));
            if e["method"].is_string() {
                *seen_requests.entry((flow.clone(), request.clone())).or_default() += 1;
            }
            if let Some(status) = e["status"].as_u64() {
                *seen_statuses.entry((flow.clone(), status)).or_default() += 1;
                if e["request"]["complete"] == true && e["response"]["complete"] == true {
                    let lengths = |side: &str| number(&e[side], "content_bytes");
                    let whole = (
                        request.0,
                        request.1,
                        status,
                        lengths("request"),
                        lengths("response"),
                    );
                    *seen.entry((flow, whole)).or_default() += 1;
                }
            }
        }
        assert_eq!(more(&seen, &all), [], "{name}: untrue exchanges");
        assert_eq!(more(&untouched, &seen), [], "{name}: exchanges missed");
        assert_eq!(more(&sent, &seen_requests), [], "{name}: requests missed");
        assert_eq!(more(&seen_requests, &requests), [], "{name}: invented requests");
        assert_eq!(more(&seen_statuses, &statuses), [], "{name}: invented responses");
    }
}
