//! Secrets planted everywhere in a capture appear in no output, log or store.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use support::{all_outputs, files, folder, lines, said, tapline};
use testdata::canary::{Canary, Planted, canary};

/// Collects leaks from many outputs, so that one run of the test shows them all.
struct Watch {
    canary: Canary,
    capture: PathBuf,
    folder: PathBuf,
    leaks: Vec<String>,
    looked_at: usize,
}

impl Watch {
    fn new(name: &str) -> Self {
        Self::of_seed(name, 20_261_007)
    }

    fn of_seed(name: &str, seed: u64) -> Self {
        let folder = folder(name);
        let canary = canary(seed);
        let capture = folder.join("canary.pcap");
        fs::write(&capture, &canary.pcap).expect("written");
        Self {
            canary,
            capture,
            folder,
            leaks: Vec::new(),
            looked_at: 0,
        }
    }

    fn look(&mut self, what: &str, bytes: &[u8]) {
        self.looked_at += bytes.len();
        for leak in self.canary.leaks(bytes) {
            self.leaks.push(format!(
                "{what}: {} as {:?} in {:?}",
                leak.place, leak.form, leak.around
            ));
        }
    }

    fn look_at_run(&mut self, what: &str, output: &Output) {
        self.look(&format!("{what}, standard output"), &output.stdout);
        self.look(&format!("{what}, standard error"), &output.stderr);
    }

    fn look_at_folder(&mut self, what: &str, folder: &Path) {
        for file in files(folder) {
            let bytes = fs::read(&file).expect("readable");
            let name = file.strip_prefix(folder).unwrap_or(&file).display();
            self.look(&format!("{what}, {name}"), &bytes);
        }
    }

    fn none(&self) {
        assert!(self.looked_at > 0, "nothing was looked at");
        assert!(
            self.leaks.is_empty(),
            "{} leaks:\n{}",
            self.leaks.len(),
            self.leaks.join("\n")
        );
    }

    /// Replays the capture with every output and a store, and more arguments.
    fn replay(&self, out: &Path, store: &Path, more: &[&str]) -> Output {
        fs::create_dir_all(out).expect("a folder");
        let mut arguments = vec!["replay".to_owned(), self.capture.display().to_string()];
        arguments.extend(all_outputs(out));
        arguments.extend(["--store".to_owned(), store.display().to_string()]);
        arguments.extend(more.iter().map(|m| (*m).to_owned()));
        tapline(&arguments)
    }
}

#[test]
fn no_secret_is_in_any_output_store_or_message() {
    let mut watch = Watch::new("canary-outputs");
    let (out, store) = (watch.folder.join("out"), watch.folder.join("store"));
    let run = watch.replay(&out, &store, &[]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    watch.look_at_run("replay", &run);
    watch.look_at_folder("outputs", &out);
    watch.look_at_folder("store", &store);

    // There was something to leak: exchanges of every sort, and findings of several kinds with evidence.
    let exchanges = lines(&out.join("exchanges.jsonl"));
    assert!(exchanges.len() > 200, "{} exchanges", exchanges.len());
    let kinds: BTreeSet<String> = lines(&out.join("findings.jsonl"))
        .iter()
        .map(|f| f["kind"].as_str().unwrap_or("").to_owned())
        .collect();
    for kind in [
        "weak_auth",
        "sensitive_data_exposure",
        "missing_auth",
        "tool_definition_changed",
        "a2a_card_unsigned_or_changed",
        "sensitive_data_to_llm",
        "secret_in_traffic",
        "token_replay",
        "revoked_credential_accepted",
        "expired_token_accepted",
        "sender_constraint_violated",
        "scope_overbroad",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    assert!(!lines(&out.join("inventory.jsonl")).is_empty());
    assert!(!lines(&out.join("agents.jsonl")).is_empty());
    let called: u64 = lines(&out.join("a2a.jsonl"))
        .iter()
        .filter_map(|agent| agent["calls"].as_u64())
        .sum();
    assert!(called >= 10, "{called} calls of agents");

    // Again from the store, on more threads, and with what is shown from it.
    let again = watch.folder.join("again");
    let run = watch.replay(&again, &store, &["--workers", "3", "--read-size", "4096"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    watch.look_at_run("second replay", &run);
    watch.look_at_folder("second outputs", &again);
    watch.look_at_folder("store after the second replay", &store);
    let at = store.display().to_string();
    for command in ["inventory", "agents", "mcp", "a2a", "findings"] {
        for json in [false, true] {
            let mut arguments = vec![command, "--store", &at];
            if json {
                arguments.push("--json");
            }
            let run = tapline(&arguments);
            assert_eq!(run.status.code(), Some(0), "{}", said(&run));
            assert!(!run.stdout.is_empty(), "{}", said(&run));
            watch.look_at_run(command, &run);
        }
    }
    // What is asked of it, and every file that is made of it.
    let asked = watch.folder.join("asked");
    fs::create_dir_all(&asked).expect("a folder");
    let file = |name: &str| asked.join(name).display().to_string();
    fs::write(
        asked.join("policy.toml"),
        "[[rule]]\nid = \"all\"\nmust_not = 'exchanges > 0 or auth or classes or fields'\n\n\
         [[rule]]\nid = \"callers\"\nabout = \"principal\"\nmust_not = 'exists id or evidence or addresses'\n\n\
         [[rule]]\nid = \"findings\"\nabout = \"finding\"\nmust_not = 'exists id or explanation or evidence.target'\n",
    )
    .expect("a file");
    let inventory = lines(&again.join("inventory.jsonl"));
    let ids: Vec<&str> = inventory
        .iter()
        .filter_map(|e| e["id"].as_str())
        .take(30)
        .collect();
    let (policy, sarif, junit) = (file("policy.toml"), file("out.sarif"), file("out.xml"));
    let (accepted, specs, collection) = (file("accepted.toml"), file("specs/"), file("collection.json"));
    let mut questions = vec![
        vec!["inventory", "--csv"],
        vec!["inventory", "--sort", "calls"],
        vec!["diff", "--since", "2000-01-01"],
        vec!["diff", "--since", "2000-01-01", "--json"],
        vec!["diff", "--since", "today"],
        vec!["agents", "graph"],
        vec![
            "agents", "graph", "--kind", "service", "--kind", "unknown", "--least", "0",
        ],
        vec!["agents", "graph", "--format", "mermaid"],
        vec!["agents", "graph", "--format", "json"],
        vec!["access-review"],
        vec!["access-review", "--csv"],
        vec!["access-review", "--json"],
        vec!["access-review", "--since", "2000-01-01"],
        vec![
            "accept",
            "--all",
            "--by",
            "a",
            "--why",
            "b",
            "--accepted",
            &accepted,
        ],
        vec!["export", "--format", "openapi", "--out", &specs],
        vec!["export", "--format", "postman", "--out", &collection],
        vec!["check", "--policy", &policy, "--sarif", &sarif, "--junit", &junit],
        vec!["check", "--policy", &policy, "--json", "-"],
    ];
    questions.extend(ids.iter().map(|id| vec!["show", id]));
    questions.extend(ids.iter().map(|id| vec!["show", id, "--json"]));
    for mut arguments in questions {
        arguments.extend(["--store", &at]);
        let run = tapline(&arguments);
        let wanted = if arguments[0] == "check" { 1 } else { 0 };
        assert_eq!(run.status.code(), Some(wanted), "{arguments:?} {}", said(&run));
        watch.look_at_run(&arguments.join(" "), &run);
    }
    watch.look_at_folder("what was asked", &asked);
    watch.none();
}

/// What looks like a secret is decided by form; other random secrets have other forms.
#[test]
fn no_secret_of_other_seeds_is_in_any_output() {
    let mut leaks = Vec::new();
    for seed in 1..=8 {
        let mut watch = Watch::of_seed(&format!("canary-seed-{seed}"), seed);
        let (out, store) = (watch.folder.join("out"), watch.folder.join("store"));
        let run = watch.replay(&out, &store, &[]);
        assert_eq!(run.status.code(), Some(0), "seed {seed}: {}", said(&run));
        watch.look_at_run("replay", &run);
        watch.look_at_folder("outputs", &out);
        watch.look_at_folder("store", &store);
        assert!(watch.looked_at > 0);
        leaks.extend(watch.leaks.iter().map(|leak| format!("seed {seed}, {leak}")));
    }
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

/// Keys of issuers are a file of the operator's, and some files hold private parts. With them, tokens are forged, which is told.
#[test]
fn no_secret_of_keys_is_in_any_output_or_message() {
    let mut watch = Watch::new("canary-keys");
    let mut plant = |place: &str, text: &str| {
        let forms = (0..=text.len() - 12)
            .map(|at| text[at..at + 12].to_owned())
            .collect();
        watch.canary.planted.push(Planted {
            place: place.to_owned(),
            forms,
        });
        text.to_owned()
    };
    let own = format!(
        r#"{{"keys":[{{"kty":"EC","kid":"{}","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"{}"}},
  {{"kty":"oct","k":"{}"}}]}}"#,
        plant("kid", "Zk4vTq8mWn2xRb7cLf5hJd9sGp3y"),
        plant("private part", "Qw7nBx3kVm9tRz5cJh2pLf8dGs4yTg6vNw1bKx0mCz8"),
        plant("shared key", "Mv5cXt8nBq2kRw7zJp4hLd9fGs3yTb6gNx1mKv0wQz4"),
    );
    let damaged = format!(
        r#"{{"keys":[
  {{"kty":"RSA","n":"{}!","e":"AQAB","p":"{}"}},
  {{"kty":"{}"}},
  {{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"{}"}}
  "{}"
]}} {}"#,
        plant(
            "modulus that is none",
            "Hd8kVw3nTx6qBz9mRc2pJf5gLs7yGt4bNv1hKx0wMz6"
        ),
        plant("prime", "Rt6mKw9vBx2nQz5cJh8pLf3dGs7yTg4bNv1kHx0wMz9"),
        plant("sort of key that is none", "Pz3bVn7kTx9mRw2cJq5hLf8dGs4y"),
        plant("another private part", "Nw7cVt3kBz9mRx6qJh2pLf8dGs5y"),
        plant("no key at all", "Wc5xKt8vBn3mQz6pJh9rLf2dGs7y"),
        plant("behind the end", "Fx9mRv2kBt6nWz3cQh8pJd5gLs7y"),
    );
    let at = |name: &str| watch.folder.join(name);
    let (config, out, store) = (at("keys.toml"), at("out"), at("store"));
    let file = |name: &str, text: &str| {
        fs::write(at(name), text).expect("written");
        at(name).display().to_string()
    };
    let said_of = format!(
        "[token]\njwks = [\"https://id.canary.example={}\", \"{}\"]\njwks_complete = [\"https://id.canary.example\"]\n",
        file("own.json", &own),
        file("damaged.json", &damaged),
    );
    fs::write(&config, said_of).expect("written");
    let config = config.display().to_string();
    let run = watch.replay(&out, &store, &["--config", &config]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert!(
        String::from_utf8_lossy(&run.stderr).contains("private part"),
        "{}",
        said(&run)
    );
    let all = lines(&out.join("findings.jsonl"));
    assert!(
        all.iter().any(|f| f["kind"] == "forged_token"),
        "no forged token was told"
    );
    watch.look_at_run("replay", &run);
    watch.look_at_folder("outputs", &out);
    watch.look_at_folder("store", &store);
    for arguments in [
        vec!["config", "check", &config],
        vec!["config", "show", &config],
        vec!["doctor", "--config", &config],
    ] {
        let run = tapline(&arguments);
        watch.look_at_run(&arguments.join(" "), &run);
    }
    watch.none();
}

#[test]
fn no_secret_is_in_the_summary_for_people() {
    let mut watch = Watch::new("canary-summary");
    let capture = watch.capture.display().to_string();
    let run = tapline(&["replay", &capture]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert!(!run.stdout.is_empty(), "{}", said(&run));
    watch.look_at_run("summary", &run);
    watch.none();
}

#[test]
fn no_secret_is_in_the_spool_or_messages_when_kafka_is_away() {
    let mut watch = Watch::new("canary-spool");
    let (out, store) = (watch.folder.join("out"), watch.folder.join("store"));
    // Nobody listens on the discard port of this machine.
    let run = watch.replay(&out, &store, &["--kafka", "127.0.0.1:9"]);
    assert_eq!(run.status.code(), Some(4), "{}", said(&run));
    let spooled: u64 = files(&store.join("spool"))
        .iter()
        .map(|f| fs::metadata(f).expect("readable").len())
        .sum();
    assert!(spooled > 10_000, "{spooled} bytes in the spool");
    watch.look_at_run("replay", &run);
    watch.look_at_folder("outputs", &out);
    watch.look_at_folder("store and spool", &store);
    watch.none();
}

/// Messages as JSON, which have fields of their own, and each line of which is an object.
#[test]
fn no_secret_is_in_messages_as_json() {
    let mut watch = Watch::new("canary-json");
    let config = watch.folder.join("tapline.toml");
    fs::write(&config, "[log]\nformat = \"json\"\n").expect("written");
    let config = config.display().to_string();
    let cut = watch.folder.join("cut.pcap");
    fs::write(&cut, &watch.canary.pcap[..watch.canary.pcap.len() - 11]).expect("written");
    let whole = watch.capture.clone();
    for (name, capture, more) in [
        (
            "whole",
            &whole,
            &["--config", &config, "--kafka", "127.0.0.1:9"][..],
        ),
        ("cut", &cut, &["--config", &config]),
    ] {
        watch.capture.clone_from(capture);
        let (out, store) = (
            watch.folder.join(format!("{name}.out")),
            watch.folder.join(format!("{name}.store")),
        );
        let run = watch.replay(&out, &store, more);
        watch.look_at_run(name, &run);
        let text = String::from_utf8(run.stderr).expect("text");
        assert!(text.lines().count() >= 2, "{text}");
        for line in text.lines() {
            let message: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(
                message["time"].is_string() && message["message"].is_string(),
                "{line}"
            );
        }
    }
    watch.none();
}

#[test]
fn sender() {
    support::net::send_if_asked();
}

/// What a live capture says, and what it answers over HTTP while it goes on.
#[test]
fn no_secret_is_in_what_a_live_capture_tells() {
    let Some(cable) = support::net::Cable::new("k") else {
        return;
    };
    let mut watch = Watch::new("canary-live");
    let config = watch.folder.join("tapline.toml");
    fs::write(
        &config,
        "[log]\nformat = \"json\"\n[store]\nsnapshot_every = \"1s\"\n",
    )
    .expect("written");
    let at = |name: &str| watch.folder.join(name).display().to_string();
    let mut sensor = cable
        .within(env!("CARGO_BIN_EXE_tapline"))
        .args(["capture", "-i", "span", "--listen", "127.0.0.1:9464"])
        .args(["--config", &at("tapline.toml"), "--store", &at("store")])
        .args(["--findings", &at("findings.jsonl"), "--exchanges", "/dev/full"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the sensor starts");
    let address = "127.0.0.1:9464".parse().expect("an address");
    support::net::wait_for("the sensor", || cable.get(address, "/readyz").0 == 200);
    cable.send(&watch.capture, "sender");
    support::net::wait_for("findings and a full output", || {
        let (_, text) = cable.get(address, "/metrics");
        cable.get(address, "/healthz").0 == 503
            && text
                .lines()
                .any(|line| line.starts_with("tapline_findings_total{") && !line.ends_with(" 0"))
    });
    for path in ["/metrics", "/healthz", "/readyz", "/"] {
        let (_, text) = cable.get(address, path);
        watch.look(path, text.as_bytes());
    }
    assert!(support::net::ok("kill", &["-TERM", &sensor.id().to_string()]));
    let mut told = Vec::new();
    std::io::Read::read_to_end(&mut sensor.stderr.take().expect("a pipe"), &mut told).expect("text");
    sensor.wait().expect("it ends");
    assert!(told.len() > 100, "{}", String::from_utf8_lossy(&told));
    watch.look("messages", &told);
    watch.none();
}

#[test]
fn no_secret_is_in_messages_about_damaged_input() {
    let mut watch = Watch::new("canary-damaged");
    // Cut off in the middle of a frame; noise after a while; and a text that is no capture.
    let whole = watch.canary.pcap.clone();
    let mut noise = whole.clone();
    let from = noise.len() / 2;
    noise.truncate(from);
    noise.extend_from_slice(&whole[from + 7..]);
    for (name, bytes, code) in [
        ("cut.pcap", &whole[..whole.len() - 11], 3),
        ("noise.pcap", &noise, 3),
        ("text.pcap", &whole[whole.len() / 3..], 3),
    ] {
        let file = watch.folder.join(name);
        fs::write(&file, bytes).expect("written");
        watch.capture = file;
        let out = watch.folder.join(format!("{name}.out"));
        let store = watch.folder.join(format!("{name}.store"));
        let run = watch.replay(&out, &store, &[]);
        assert_eq!(run.status.code(), Some(code), "{name}: {}", said(&run));
        watch.look_at_run(name, &run);
        watch.look_at_folder(name, &out);
        if store.exists() {
            watch.look_at_folder(name, &store);
        }
    }
    watch.none();
}

#[test]
fn no_secret_of_the_configuration_is_in_messages_about_it() {
    const SECRET: &str = "Zq7hunter2canary9";
    let folder = folder("canary-config");
    let capture = support::testdata("demo.pcap").display().to_string();
    let file = folder.join("tapline.toml");
    for text in [
        // A wrong type, an unknown key beside a secret, a secret where none belongs, and broken TOML.
        format!("[kafka]\nsasl_password = [\"{SECRET}\"]\n"),
        format!("[kafka]\nsasl_passwort = \"{SECRET}\"\n"),
        format!("[privacy]\nhash_key = \"{SECRET}\"\n"),
        format!("[kafka]\nbrokers = 7\nsasl_password = \"{SECRET}\"\n"),
        format!("[kafka]\nsasl_password = \"{SECRET}\n"),
        format!("[kafka]\nsasl_password = {SECRET}\n"),
        format!("[kafka]\nsasl_password = '{SECRET}' '{SECRET}'\n"),
        format!("{SECRET}\n"),
    ] {
        fs::write(&file, &text).expect("written");
        let at = file.display().to_string();
        for arguments in [
            vec!["replay", capture.as_str(), "--config", &at],
            vec!["config", "check", &at],
            vec!["config", "show", &at],
        ] {
            let run = tapline(&arguments);
            assert_eq!(
                run.status.code(),
                Some(2),
                "{arguments:?} with {text}: {}",
                said(&run)
            );
            let told = said(&run);
            assert!(!told.contains(SECRET), "{arguments:?} with {text}: {told}");
            assert!(told.contains("tapline.toml"), "the file is not named: {told}");
        }
    }
    // What a file of tokens holds is shown by nobody who needs one, whether it is a token or not.
    let token = folder.join("token");
    for (text, wanted) in [
        (format!("Bearer {SECRET}"), "one bare token"),
        (SECRET.to_owned(), "no Kafka broker answers"),
    ] {
        fs::write(&token, text).expect("written");
        let settings = format!(
            "[kafka]\nbrokers = \"127.0.0.1:1\"\nconnect_timeout = \"2s\"\nsecurity_protocol = \"sasl_plaintext\"\n\
             sasl_mechanism = \"OAUTHBEARER\"\noauth_token_file = \"{}\"\n\
             [kafka.options]\n\"debug\" = \"all\"\n",
            token.display()
        );
        fs::write(&file, settings).expect("written");
        let at = file.display().to_string();
        let store = folder.join("store").display().to_string();
        for arguments in [
            vec!["replay", capture.as_str(), "--config", &at, "--store", &store],
            vec!["doctor", "--all", "--config", &at],
        ] {
            let told = said(&tapline(&arguments));
            assert!(told.contains(wanted), "{arguments:?}: {told}");
            assert!(!told.contains(SECRET), "{arguments:?}: {told}");
        }
    }
    // A right one is shown with its secret masked.
    fs::write(&file, format!("[kafka]\nsasl_password = \"{SECRET}\"\n")).expect("written");
    let run = tapline(&["config", "show", &file.display().to_string()]);
    assert!(!said(&run).contains(SECRET), "{}", said(&run));
}
