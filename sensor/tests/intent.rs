//! `tapline intent`: what is drawn up from traffic does not object to it, what people write is read or refused, and signatures
//! count.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use support::{folder, said, tapline, testdata};

fn run(dir: &Path, arguments: &[&str], status: i32) -> Output {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| argument.replace("DIR", &dir.display().to_string()))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = tapline(&arguments);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {}",
        said(&output)
    );
    output
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn demo() -> String {
    testdata("demo.pcap").display().to_string()
}

#[test]
fn a_draft_does_not_object_to_the_traffic_it_was_made_from() {
    let dir = folder("intent-draft");
    let dir = dir.as_path();
    run(
        dir,
        &["intent", "generate", &demo(), "--out", "DIR/draft.toml"],
        0,
    );
    let draft = fs::read_to_string(dir.join("draft.toml")).unwrap();
    insta::assert_snapshot!("draft", draft);
    let checked = out(&run(dir, &["intent", "check", "DIR/draft.toml", &demo()], 0));
    insta::assert_snapshot!("check", checked);
    // The same from a store, and again from the store.
    run(
        dir,
        &[
            "replay",
            &demo(),
            "--store",
            "DIR/store",
            "--findings",
            "DIR/f.jsonl",
        ],
        0,
    );
    for _ in 0..2 {
        let again = run(dir, &["intent", "generate", "--store", "DIR/store"], 0);
        assert_eq!(out(&again), draft);
    }
}

#[test]
fn each_call_of_a_policed_agent_has_a_verdict_and_a_broken_rule_is_a_finding() {
    let dir = folder("intent-verdicts");
    let dir = dir.as_path();
    run(
        dir,
        &[
            "intent",
            "generate",
            &demo(),
            "--principal",
            "finance-agent",
            "--out",
            "DIR/draft.toml",
        ],
        0,
    );
    let draft = fs::read_to_string(dir.join("draft.toml")).unwrap();
    assert_eq!(draft.matches("[[agent]]").count(), 1);
    let strict = draft
        .replace("\"observe\"", "\"enforce\"")
        .replace("\"GET /v1/payments/export\"", "\"GET /v1/payments/none\"");
    fs::write(dir.join("strict.toml"), &strict).unwrap();
    run(
        dir,
        &[
            "replay",
            &demo(),
            "--intent",
            "DIR/strict.toml",
            "--findings",
            "DIR/f.jsonl",
            "--exchanges",
            "DIR/e.jsonl",
        ],
        0,
    );
    let exchanges = fs::read_to_string(dir.join("e.jsonl")).unwrap();
    let verdicts = exchanges.matches("\"intent\":{\"verdict\":").count();
    let outside = exchanges.matches("\"verdict\":\"out\"").count();
    assert_eq!((verdicts, outside), (354, 6));
    let findings = fs::read_to_string(dir.join("f.jsonl")).unwrap();
    let told: Vec<serde_json::Value> = findings
        .lines()
        .filter(|line| line.contains("\"intent_violation\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        told.iter()
            .all(|f| f["observed"]["reason"] == "not_permitted" && f["severity"] == "medium")
    );
    let policy = told[0]["expected"]["policy"].as_str().unwrap();
    assert!(policy.ends_with("strict.toml:10"), "{policy}");
    let page = out(&run(dir, &["intent", "check", "DIR/strict.toml", &demo()], 1));
    assert!(page.contains("6 of 354 calls out of intent"), "{page}");
    // Workers change nothing.
    run(
        dir,
        &[
            "replay",
            &demo(),
            "--intent",
            "DIR/strict.toml",
            "--findings",
            "DIR/g.jsonl",
            "--workers",
            "3",
        ],
        0,
    );
    assert_eq!(
        fs::read(dir.join("g.jsonl")).unwrap(),
        fs::read(dir.join("f.jsonl")).unwrap()
    );
    let differs = out(&run(
        dir,
        &["intent", "diff", "DIR/draft.toml", "DIR/strict.toml"],
        0,
    ));
    insta::assert_snapshot!("diff", differs);
    let same = out(&run(
        dir,
        &["intent", "diff", "DIR/draft.toml", "DIR/draft.toml"],
        0,
    ));
    assert_eq!(same, "No rule differs.\n");
}

#[test]
fn a_mistake_stops_the_run_and_has_its_place() {
    let dir = folder("intent-mistakes");
    let dir = dir.as_path();
    fs::write(
        dir.join("bad.toml"),
        "[[agent]]\nname = \"x\"\nclient = \"x\"\nhost = \"*\"\n[[agent.goal]]\nname = \"g\"\n[[agent.goal.permit]]\nid = \"p\"\n\
         allow = \"GET /x\"\nwhen = 'args.amount <= 5 and hots = \"x\"'\n",
    )
    .unwrap();
    fs::write(
        dir.join("c.toml"),
        format!("[intent]\npolicies = [\"{}/bad.toml\"]\n", dir.display()),
    )
    .unwrap();
    for arguments in [
        &["intent", "check", "DIR/bad.toml"][..],
        &["replay", &demo(), "--intent", "DIR/bad.toml"],
        &["replay", &demo(), "--config", "DIR/c.toml"],
        &["config", "check", "DIR/c.toml"],
        &["intent", "diff", "DIR/bad.toml", "DIR/bad.toml"],
    ] {
        let told = err(&run(dir, arguments, 2));
        assert!(told.contains("1 mistake in"), "{told}");
        assert!(told.contains("10:30  there is no field `hots`"), "{told}");
    }
    let told = err(&run(dir, &["intent", "check", "DIR/none.toml"], 2));
    assert!(told.contains("cannot read the intent policy"), "{told}");
    let told = err(&run(dir, &["intent", "generate"], 2));
    assert!(told.contains("give captures, or a store"), "{told}");
}

#[test]
fn only_what_a_trusted_key_signed_is_used_once_one_is_named() {
    let dir = folder("intent-signed");
    let dir = dir.as_path();
    run(dir, &["intent", "generate", &demo(), "--out", "DIR/p.toml"], 0);
    let made = run(dir, &["intent", "keygen", "--out", "DIR/rev"], 0);
    run(dir, &["intent", "keygen", "--out", "DIR/other"], 0);
    let rights = fs::metadata(dir.join("rev.key")).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights, 0o600);
    let secret = fs::read_to_string(dir.join("rev.key")).unwrap();
    let secret = secret.split_whitespace().nth(1).unwrap().to_owned();
    fs::write(
        dir.join("c.toml"),
        format!(
            "[intent]\npolicies = [\"{0}/p.toml\"]\ntrusted_keys = [\"{0}/rev.pub\"]\n",
            dir.display()
        ),
    )
    .unwrap();
    let replay = [
        "replay",
        &demo(),
        "--config",
        "DIR/c.toml",
        "--findings",
        "DIR/f.jsonl",
    ];
    let mut all = vec![made];
    let mut refused = |why: &str| {
        let told = run(dir, &replay, 2);
        assert!(err(&told).contains(why), "{why}: {}", said(&told));
        all.push(told);
    };
    refused("is refused: it is not signed");
    run(
        dir,
        &["intent", "sign", "DIR/p.toml", "--key", "DIR/other.key"],
        0,
    );
    refused("it was made with a key that is not trusted");
    let signed = run(dir, &["intent", "sign", "DIR/p.toml", "--key", "DIR/rev.key"], 0);
    let text = fs::read_to_string(dir.join("p.toml")).unwrap();
    fs::write(
        dir.join("p.toml"),
        text.replace("per = \"day\"\ncalls = ", "per = \"day\"\ncalls = 9"),
    )
    .unwrap();
    refused("the policy is not the one that was signed");
    fs::write(dir.join("p.toml"), text.replace('\n', "\r\n")).unwrap();
    let used = run(dir, &replay, 0);
    assert!(err(&used).contains(", signed by "), "{}", said(&used));
    fs::write(dir.join("p.toml.sig"), "rubbish").unwrap();
    refused("it is no signature");
    // A second file of the command line must be signed as well.
    fs::write(dir.join("q.toml"), &text).unwrap();
    let told = run(
        dir,
        &[
            "replay",
            &demo(),
            "--config",
            "DIR/c.toml",
            "--intent",
            "DIR/q.toml",
        ],
        2,
    );
    all.extend([signed, used, told]);
    // The private key does not belong into the configuration, nor into any message.
    fs::write(
        dir.join("d.toml"),
        format!("[intent]\ntrusted_keys = [\"{}/rev.key\"]\n", dir.display()),
    )
    .unwrap();
    all.push(run(dir, &["config", "check", "DIR/d.toml"], 2));
    fs::write(
        dir.join("e.toml"),
        format!("[intent]\ntrusted_keys = [\"{secret}x\"]\n"),
    )
    .unwrap();
    all.push(run(dir, &["config", "check", "DIR/e.toml"], 2));
    all.push(run(
        dir,
        &["intent", "sign", "DIR/p.toml", "--key", "DIR/rev.pub"],
        2,
    ));
    all.push(run(dir, &["intent", "keygen", "--out", "DIR/rev"], 2));
    for output in &all {
        assert!(!said(output).contains(&secret[..20]), "{}", said(output));
    }
}

/// Drafts of the training traffic of the evaluation, each held against that traffic.
#[test]
fn drafts_of_training_traffic_do_not_object_to_it() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/eval/data");
    if !data.exists() {
        eprintln!("the evaluation data is not here; nothing was tried");
        return;
    }
    for world in ["banking_mcp", "slack_rest"] {
        let dir = folder(&format!("intent-{world}"));
        let capture = data.join(world).join("train.pcap.gz").display().to_string();
        run(
            &dir,
            &["intent", "generate", &capture, "--out", "DIR/draft.toml"],
            0,
        );
        // What agents ask for in vain is nothing that a draft permits; it is told as info, and is no violation.
        let page = out(&run(&dir, &["intent", "check", "DIR/draft.toml", &capture], 0));
        assert!(
            page.contains("calls judged") || page.contains("answered"),
            "{page}"
        );
        for worse in [
            "  low  ",
            "  medium",
            "  high",
            " out of order",
            "beyond the budget",
        ] {
            assert!(!page.contains(worse), "{worse}: {page}");
        }
    }
}
