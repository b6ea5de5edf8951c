//! What the inventory of the demo is written as: valid by a validator of others, and read back.
//!
//! OpenAPI documents go to a validator of others (`support::openapi_validator`) and to our own reader.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use analyzers::inventory::export::{Options, openapi, postman};
use analyzers::spec::{self, Limits};
use analyzers::{Analyzer, EndpointView, Settings};
use reassembly::{Event, LinkType, Packet, Reassembler, Timestamp};

mod support;

/// The endpoints of the demo capture.
fn endpoints() -> Vec<EndpointView> {
    let bytes = fs::read(support::testdata("demo.pcap")).expect("the demo capture");
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let link = LinkType(word(20) & 0xffff);
    let mut reassembler = Reassembler::new(reassembly::Limits::default());
    let mut analyzer = Analyzer::new(Settings::default());
    analyzer.forget_changes();
    let take = |reassembler: &mut Reassembler, analyzer: &mut Analyzer| {
        while let Some(event) = reassembler.poll() {
            if let Event::Exchange(exchange) = event {
                analyzer.observe(&exchange);
                while analyzer.poll().is_some() {}
            }
        }
    };
    let (mut at, mut frame) = (24, 0);
    while at + 16 <= bytes.len() {
        let captured = word(at + 8) as usize;
        frame += 1;
        reassembler.push(&Packet {
            // Nanoseconds, as the magic number of the file says.
            ts: Timestamp(u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4))),
            data: &bytes[at + 16..at + 16 + captured],
            wire_len: word(at + 12),
            link,
            frame,
        });
        take(&mut reassembler, &mut analyzer);
        at += 16 + captured;
    }
    reassembler.finish();
    take(&mut reassembler, &mut analyzer);
    analyzer.endpoints().collect()
}

#[test]
fn the_demo_s_inventory_is_valid_openapi() {
    let views = endpoints();
    assert!(views.len() > 40, "{} endpoints", views.len());
    let documents = openapi(&views, &Options::default());
    let validator = support::openapi_validator();
    let folder = support::folder("export");
    let mut found = BTreeSet::new();
    for (host, document) in &documents {
        let text = serde_json::to_string_pretty(document).expect("JSON");
        let file = folder.join(format!("{}.json", host.replace(':', "_")));
        fs::write(&file, &text).expect("written");
        let read = spec::read("export.json", text.as_bytes(), &Limits::default());
        assert_eq!(read.problems, [], "{host}");
        for operation in &read.operations {
            found.insert(format!(
                "{host} {} {}",
                operation.method,
                signature(&operation.path.to_string())
            ));
        }
        if let Some(validator) = &validator {
            let out = Command::new(validator).arg(&file).output().expect("it runs");
            let said =
                String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{host}: {said}");
        }
    }
    assert_eq!(found, expected(&views));
}

#[test]
fn the_demo_s_inventory_is_a_collection() {
    let views = endpoints();
    let text = postman(&views, &Options::default()).to_string();
    let read = spec::read("export.json", text.as_bytes(), &Limits::default());
    assert_eq!(read.problems, []);
    let all = expected(&views);
    let hosts: BTreeSet<&str> = all.iter().filter_map(|line| line.split(' ').next()).collect();
    assert!(hosts.len() > 1 && hosts.iter().all(|host| text.contains(host)));
    // Paths of several hosts may be the same.
    let wanted: BTreeSet<String> = all
        .iter()
        .map(|line| line.split_once(' ').expect("a host").1.to_owned())
        .collect();
    let found: BTreeSet<String> = read
        .operations
        .iter()
        .map(|operation| format!("{} {}", operation.method, signature(&operation.path.to_string())))
        .collect();
    assert_eq!(found, wanted);
}

/// A path with nothing in its braces.
fn signature(path: &str) -> String {
    let mut out = String::new();
    let mut within = false;
    for letter in path.chars() {
        match letter {
            '{' => within = true,
            '}' => {
                within = false;
                out.push_str("{}");
            }
            letter if !within => out.push(letter),
            _ => {}
        }
    }
    out
}

/// Host, method and path of what can be written.
fn expected(views: &[EndpointView]) -> BTreeSet<String> {
    views
        .iter()
        .filter(|view| view.template.starts_with('/'))
        .map(|view| {
            let path = view.template.split('#').next().unwrap_or("");
            format!("{} {} {}", view.host, view.method, signature(path))
        })
        .collect()
}
