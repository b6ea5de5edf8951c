//! Each finding about credentials in captures made for it, and in none of those that are nearly so: the binary replays them all.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{folder, lines, said, tapline};
use testdata::credentials::{Case, cases};

/// Kinds that are about credentials.
const KINDS: [&str; 15] = [
    "token_long_lived",
    "expired_token_accepted",
    "credential_shared",
    "weak_auth",
    "secret_in_traffic",
    "revoked_credential_accepted",
    "credential_never_rotated",
    "token_replay",
    "sender_constraint_violated",
    "sender_constraint_missing",
    "audience_mismatch",
    "token_passthrough",
    "scope_overbroad",
    "scope_unused",
    "forged_token",
];

/// Kind and reason of the findings about credentials, and their severities: the last revision of each, sorted.
fn found(case: &Case, folder: &Path) -> Vec<(String, String)> {
    let file = |end: &str| folder.join(format!("{}.{end}", case.name));
    let (capture, settings, findings) = (file("pcap"), file("toml"), file("findings.jsonl"));
    let keys = file("jwks.json");
    fs::write(&capture, &case.pcap).expect("written");
    let text = case.settings.replace("KEYS", &keys.display().to_string());
    fs::write(&settings, text).expect("written");
    if let Some(text) = &case.keys {
        fs::write(&keys, text).expect("written");
    }
    let replay = |findings: &Path, workers: &str| {
        let run = tapline(&[
            "replay".as_ref(),
            capture.as_os_str(),
            "--config".as_ref(),
            settings.as_os_str(),
            "--findings".as_ref(),
            findings.as_os_str(),
            "--workers".as_ref(),
            workers.as_ref(),
        ]);
        assert!(run.status.success(), "{}: {}", case.name, said(&run));
        fs::read(findings).expect("findings")
    };
    let (one, two) = (replay(&findings, "1"), replay(&file("2.findings.jsonl"), "2"));
    assert!(one == two, "{}: two workers find something else", case.name);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut last = BTreeMap::new();
    for finding in lines(&findings) {
        let (kind, reason) = (text(&finding["kind"]), text(&finding["observed"]["reason"]));
        if KINDS.contains(&kind.as_str()) {
            let name = format!("{kind} {reason}").trim_end().to_owned();
            last.insert(text(&finding["id"]), (name, text(&finding["severity"])));
        }
    }
    let mut found: Vec<_> = last.into_values().collect();
    found.sort();
    found
}

#[test]
fn every_finding_about_credentials_is_made_where_it_must_and_nowhere_else() {
    let folder = folder("credentials");
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    let all = cases();
    println!("{:<28} found", "capture");
    for case in &all {
        let found = found(case, &folder);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let shown: Vec<String> = found
            .iter()
            .map(|(name, severity)| format!("{name} ({severity})"))
            .collect();
        println!("{:<28} {}", case.name, shown.join(", "));
        if names != case.found {
            wrong.push(format!("{}: {names:?}, and not {:?}", case.name, case.found));
        }
        seen.extend(
            found
                .into_iter()
                .filter_map(|(name, _)| Some(name.split(' ').next()?.to_owned())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| !seen.contains(*kind)).collect();
    assert_eq!(missing, [""; 0], "no capture has these");
    let quiet = all.iter().filter(|case| case.found.is_empty()).count();
    println!("{} captures, {quiet} of them with nothing to find", all.len());
}

#[test]
fn the_captures_are_the_same_each_time() {
    let sums = || -> Vec<Vec<u8>> { cases().into_iter().map(|case| case.pcap).collect() };
    assert!(sums() == sums());
}

/// What is wrong with a file of keys is told with its place, nothing of a key is, and what is right is used.
#[test]
fn a_file_of_keys_that_is_wrong_is_told_and_the_rest_of_it_used() {
    let folder = folder("credentials-keys");
    let all = cases();
    let case = all
        .iter()
        .find(|case| case.name == "forged-altered")
        .expect("a case");
    let good = case.keys.as_deref().expect("keys");
    let (capture, settings, keys) = (
        folder.join("a.pcap"),
        folder.join("a.toml"),
        folder.join("a.json"),
    );
    fs::write(&capture, &case.pcap).expect("written");
    let run = |text: &str, jwks: &str| {
        fs::write(&keys, text).expect("written");
        fs::write(&settings, jwks.replace("KEYS", &keys.display().to_string())).expect("written");
        let check = tapline(&["config".as_ref(), "check".as_ref(), settings.as_os_str()]);
        let replay = tapline(&[
            "replay".as_ref(),
            capture.as_os_str(),
            "--config".as_ref(),
            settings.as_os_str(),
            "--findings".as_ref(),
            "-".as_ref(),
        ]);
        assert_eq!(check.status.code(), replay.status.code(), "{}", said(&check));
        let words = format!("{}{}", said(&check), said(&replay));
        assert!(!words.contains("Xv9secretpart"), "{words}");
        (replay.status.code(), words)
    };
    let named = "[token]\njwks = [\"https://id.acme.example=KEYS\"]\n";
    let bare = "[token]\njwks = [\"KEYS\"]\n";

    // With its private part, and with a key beside that cannot be used.
    let private = good.replace("\"use\"", "\"d\":\"Xv9secretpart\",\"use\"");
    let both = private.replace(
        "]}",
        ",\n{\"kty\":\"RSA\",\"n\":\"Xv9secretpart!\",\"e\":\"AQAB\"}]}",
    );
    let (code, words) = run(&both, named);
    assert_eq!(code, Some(0), "{words}");
    for wanted in [
        "a.json:1:10: this key has its private part",
        "a.json:2:1: `n` is not base64url",
        "forged_token",
    ] {
        assert!(words.contains(wanted), "{wanted} is not in {words}");
    }
    // Whose they are may stand in the file.
    let own = good.replacen('{', "{\"issuer\":\"https://id.acme.example\",", 1);
    let (code, words) = run(&own, bare);
    assert!(
        code == Some(0) && words.contains("1 key of https://id.acme.example"),
        "{words}"
    );
    assert!(words.contains("forged_token"), "{words}");
    // What cannot be used at all.
    for (text, jwks, wanted) in [
        ("", named, "this is no JSON Web Key Set"),
        (
            "{\"keys\":[\n{\"kty\":\"oct\"}]}",
            named,
            "2:1: `k`, the shared key, is missing",
        ),
        ("[\"Xv9secretpart\"]", named, "this is no JSON Web Key Set"),
        (
            good,
            "[token]\njwks = [\"/nowhere/x.json\"]\n",
            "cannot read the keys in /nowhere/x.json (token.jwks)",
        ),
        (
            good,
            "[token]\njwks = [\"KEYS\"]\njwks_complete = [\"https://id.acme.example\"]\n",
            "write https://id.acme.example=FILE there",
        ),
    ] {
        let (code, words) = run(text, jwks);
        assert_eq!(code, Some(2), "{text}: {words}");
        assert!(words.contains(wanted), "{wanted} is not in {words}");
    }
    // Outputs must not take the place of the file.
    fs::write(&settings, named.replace("KEYS", &keys.display().to_string())).expect("written");
    let over = tapline(&[
        "replay".as_ref(),
        capture.as_os_str(),
        "--config".as_ref(),
        settings.as_os_str(),
        "--findings".as_ref(),
        keys.as_os_str(),
    ]);
    assert_eq!(over.status.code(), Some(2), "{}", said(&over));
    assert_eq!(fs::read_to_string(&keys).expect("still there"), good);
}
