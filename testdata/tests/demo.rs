//! The committed capture is what the generator writes, and every packet of it is sound.

use std::collections::BTreeMap;
use std::path::Path;

use testdata::demo::{SEED, demo};
use testdata::wire::{Checked, check_frame, frames_of_pcap};

fn committed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn committed_files_are_what_the_generator_writes() {
    let day = demo(SEED);
    let hint = "run `cargo run -p testdata -- demo testdata/` and look at what changed";
    assert!(committed("demo.pcap") == day.pcap, "demo.pcap differs; {hint}");
    assert!(
        committed("demo.truth.jsonl") == day.truth.as_bytes(),
        "demo.truth.jsonl differs; {hint}"
    );
    assert!(day.pcap.len() < 3 << 20, "{} bytes", day.pcap.len());
}

#[test]
fn another_seed_is_another_day() {
    assert!(demo(SEED).pcap != demo(SEED + 1).pcap);
}

#[test]
fn every_frame_has_valid_lengths_and_checksums_and_time_goes_forward() {
    let file = committed("demo.pcap");
    let frames = frames_of_pcap(&file).expect("a pcap file");
    let mut before = 0;
    for (number, (at, frame)) in frames.iter().enumerate() {
        assert_eq!(check_frame(frame), Checked::Valid, "frame {}", number + 1);
        assert!(*at >= before, "frame {} goes back in time", number + 1);
        before = *at;
    }
    // The judge must be able to say no.
    let mut broken = frames[0].1.to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    assert!(matches!(check_frame(&broken), Checked::Broken(_)));
}

#[test]
fn truth_names_every_incident_and_each_flow_counts_from_zero() {
    let truth = committed("demo.truth.jsonl");
    let mut incidents: BTreeMap<String, usize> = BTreeMap::new();
    let mut next: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut lines = 0;
    for line in truth.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let line: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        lines += 1;
        if let Some(name) = line["incident"].as_str() {
            *incidents.entry(name.to_owned()).or_default() += 1;
        }
        let end = |name: &str| line["flow"][name].as_str().expect("address").to_owned();
        let index = next.entry((end("client"), end("server"))).or_default();
        assert_eq!(line["flow"]["index"], *index, "{line}");
        *index += 1;
    }
    assert!(lines > 2500, "{lines} exchanges");
    let found: Vec<(&str, bool)> = incidents.iter().map(|(k, n)| (k.as_str(), *n > 0)).collect();
    assert_eq!(
        found,
        [
            ("card_numbers", true),
            ("forgotten_version", true),
            ("order_enumeration", true),
            ("shadow_endpoint", true),
            ("token_in_two_places", true),
            ("token_without_exp", true)
        ]
    );
}
