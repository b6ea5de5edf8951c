//! What the official packages of MCP, A2A and of language models said over loopback (testdata/sdk), against what they told their programs:
//! servers, tools, resources, prompts, clients, every call with its arguments and its result; models, tokens, tools. Equal, not
//! contained. The recorder and its programs lie beside the captures; nothing is fetched to run these tests.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use support::{folder, lines, said, tapline, testdata};

/// What a replay wrote.
struct Replayed {
    exchanges: Vec<Value>,
    servers: Vec<Value>,
    /// Agents that are called over A2A.
    called: Vec<Value>,
    findings: Vec<Value>,
    agents: Vec<Value>,
}

fn capture(name: &str) -> PathBuf {
    testdata(&format!("sdk/captures/{name}.pcap.gz"))
}

/// What the program told.
fn log(name: &str) -> Value {
    let path = testdata(&format!("sdk/captures/{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn replay(folder: &Path, captures: &[PathBuf]) -> Replayed {
    let path = |kind: &str| folder.join(format!("{kind}.jsonl"));
    let mut arguments = vec![OsStr::new("replay").to_owned()];
    for kind in ["exchanges", "mcp", "a2a", "findings", "agents"] {
        arguments.push(format!("--{kind}").into());
        arguments.push(path(kind).into());
    }
    arguments.extend(captures.iter().map(|c| c.clone().into()));
    let run = tapline(&arguments);
    assert!(run.status.success(), "{}", said(&run));
    let mut exchanges = lines(&path("exchanges"));
    with_late_answers(&mut exchanges);
    Replayed {
        exchanges,
        servers: lines(&path("mcp")),
        called: lines(&path("a2a")),
        findings: lines(&path("findings")),
        agents: lines(&path("agents")),
    }
}

/// Gives each call that was answered on another exchange what was answered there; every answer belongs to one call.
fn with_late_answers(exchanges: &mut [Value]) {
    let answers: Vec<Value> = exchanges
        .iter()
        .flat_map(|e| list(&e["mcp"]["answered"]).cloned())
        .collect();
    for answer in answers {
        let asked = exchanges.iter_mut().find(|e| e["id"] == answer["exchange"]);
        let calls = asked
            .and_then(|e| e["mcp"]["calls"].as_array_mut())
            .expect("who asked");
        let call = calls
            .iter_mut()
            .find(|c| c["method"] == answer["method"] && c["name"] == answer["name"])
            .expect("what was asked");
        assert!(
            call["failed"].is_null() && call["result_bytes"].is_null(),
            "{call} and {answer}"
        );
        for field in ["failed", "result_bytes"] {
            if !answer[field].is_null() {
                call[field] = answer[field].clone();
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(map) => map.keys().cloned().collect(),
        _ => list(value).map(text).collect(),
    }
}

/// A call as both sides tell it: method, name, arguments, whether it failed, bytes of its result.
fn call(of: &Value, arguments: Vec<(String, String)>) -> Value {
    json!({
        "method": of["method"],
        "name": of["name"],
        "arguments": arguments,
        "failed": of["failed"],
        "result_bytes": of["result_bytes"],
    })
}

/// What packages do by themselves and tell nothing of but that it went well: hellos of every revision.
fn is_hello(call: &Value) -> bool {
    matches!(call["method"].as_str(), Some("initialize" | "server/discover"))
}

/// Of a hello its method.
fn without_hello(call: Value) -> Value {
    match is_hello(&call) {
        true => json!({ "method": call["method"] }),
        false => call,
    }
}

fn told(client: &Value) -> Vec<String> {
    let one = |of: &Value| {
        let arguments = list(&of["arguments"]).map(|pair| (text(&pair[0]), text(&pair[1])));
        without_hello(call(of, arguments.collect())).to_string()
    };
    sorted(list(&client["calls"]).map(one))
}

fn sorted(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
}

/// Exchanges that were answered with something; a redirection has the client come again.
fn answered(exchange: &&Value) -> bool {
    exchange["mcp"].is_object() && !(300..400).contains(&exchange["status"].as_u64().unwrap_or_default())
}

fn seen<'a>(exchanges: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let one = |of: &Value| {
        let arguments = list(&of["arguments"]).map(|a| (text(&a["name"]), text(&a["type"])));
        without_hello(call(of, arguments.collect())).to_string()
    };
    sorted(exchanges.flat_map(|e| list(&e["mcp"]["calls"])).map(one))
}

/// The server of a recording as the clients' logs tell it, in the form of its record.
fn server(log: &Value, path: &str) -> Value {
    let clients: Vec<&Value> = list(&log["clients"]).collect();
    let calls = |method: &'static str| {
        let all = clients.iter().flat_map(|c| list(&c["calls"]));
        all.filter(move |c| c["method"] == method)
    };
    let all_names = |field: &str| -> BTreeSet<String> {
        clients.iter().flat_map(|c| list(&c[field])).map(text).collect()
    };
    let counted = |listed: &str, method: &'static str| -> BTreeMap<String, usize> {
        let count = |name: &String| calls(method).filter(|c| covers(name, &text(&c["name"]))).count();
        all_names(listed)
            .into_iter()
            .map(|name| (name.clone(), count(&name)))
            .collect()
    };
    let read_only = all_names("read_only");
    let tools: Vec<Value> = all_names("tools")
        .into_iter()
        .map(|name| {
            let of: Vec<&Value> = calls("tools/call")
                .filter(|c| c["name"] == name.as_str())
                .collect();
            let failed = of.iter().filter(|c| c["failed"] == true).count();
            let read_only = read_only.contains(&name);
            json!({"name": name, "calls": of.len(), "failed": failed, "read_only": read_only})
        })
        .collect();
    let revisions: BTreeSet<String> = clients.iter().map(|c| text(&c["revision"])).collect();
    let who: BTreeSet<String> = clients.iter().map(|c| text(&c["client"]["name"])).collect();
    json!({
        "host": log["host"],
        "path": path,
        "name": clients[0]["server"]["name"],
        "version": clients[0]["server"]["version"],
        "revisions": revisions,
        "tools": tools,
        "resources": counted("resources", "resources/read"),
        "prompts": counted("prompts", "prompts/get"),
        "clients": who,
        "callers": clients.len(),
    })
}

/// Whether an address is one of a template, of which ours have an expression at the end.
fn covers(template: &str, address: &str) -> bool {
    match template.split_once('{') {
        Some((start, _)) => address.starts_with(start) && !address[start.len()..].contains('/'),
        None => template == address,
    }
}

/// The record of a server without what its clients cannot know: ids, times, and how many exchanges there were.
fn comparable(record: &Value) -> Value {
    let tools: Vec<Value> = list(&record["tools"])
        .map(|tool| {
            assert!(tool["definition"].is_string(), "{tool} was listed");
            json!({"name": tool["name"], "calls": tool["calls"], "failed": tool["failed"], "read_only": tool["read_only"]})
        })
        .collect();
    json!({
        "host": record["host"],
        "path": record["path"],
        "name": record["name"],
        "version": record["version"],
        "revisions": record["revisions"],
        "tools": tools,
        "resources": record["resources"],
        "prompts": record["prompts"],
        "clients": names(&record["clients"]),
        "callers": names(&record["callers"]).len(),
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

/// Holds one recording against the logs; gives back how many calls it had.
fn compare(name: &str, path: &str) -> usize {
    let (log, run) = (
        log(name),
        replay(&folder(&format!("sdk-{name}")), &[capture(name)]),
    );
    assert_eq!(run.servers.len(), 1, "{name}: {:?}", run.servers);
    let (found, want) = (comparable(&run.servers[0]), server(&log, path));
    assert_eq!(pretty(&found), pretty(&want), "{name}");
    let mut calls = 0;
    let mut callers = BTreeSet::new();
    for client in list(&log["clients"]) {
        let who = &client["client"]["name"];
        let own = || {
            run.exchanges
                .iter()
                .filter(answered)
                .filter(|e| e["mcp"]["client"] == *who)
        };
        let (found, want) = (seen(own()), told(client));
        assert_eq!(found, want, "{name} {who} ({})", client["sdk"]);
        calls += want.len();
        for exchange in own().filter(|e| !list(&e["mcp"]["calls"]).any(is_hello)) {
            assert_eq!(
                exchange["mcp"]["revision"], client["revision"],
                "{name} {who}: {exchange}"
            );
        }
        // Without a credential each session is a principal of its own, also one that was begun and refused.
        let taken = own().filter(|e| e["status"].as_u64().unwrap_or_default() < 400);
        let ids: BTreeSet<String> = taken.map(|e| text(&e["principal"])).collect();
        assert_eq!(ids.len(), 1, "{name}: {who} is {ids:?}");
        callers.extend(ids);
        let bearer = run.agents.iter().filter(|a| a["auth"]["bearer"].is_u64()).count();
        let authorized = list(&log["clients"]).filter(|c| c["authorized"] == true).count();
        assert_eq!(bearer, authorized, "{name}");
    }
    assert_eq!(names(&run.servers[0]["callers"]), callers, "{name}");
    let every = run
        .exchanges
        .iter()
        .filter(answered)
        .flat_map(|e| list(&e["mcp"]["calls"]));
    assert_eq!(every.count(), calls, "{name}: no call is anybody else's");
    for finding in &run.findings {
        let open = list(&log["clients"]).any(|c| c["authorized"] == false);
        let kind = finding["kind"].as_str().expect("a kind");
        let meant = kind == "mcp_unauthenticated" && open;
        assert!(meant, "{name}: {finding}");
    }
    calls
}

#[test]
fn what_mcp_packages_saw_is_what_passed() {
    let calls: usize = [
        ("mcp-2024-11-05", "/messages/"),
        ("mcp-2025-03-26", "/mcp/"),
        ("mcp-2025-06-18", "/mcp"),
        ("mcp-2025-11-25", "/mcp"),
        ("mcp-typescript-json", "/mcp"),
        ("mcp-typescript-stream", "/mcp"),
        ("mcp-2026-07-28", "/mcp"),
        ("mcp-both-eras", "/mcp"),
    ]
    .into_iter()
    .map(|(name, path)| compare(name, path))
    .sum();
    println!("{calls} requests and notifications of eight recordings, equal");
}

#[test]
fn a_changed_definition_is_told_with_what_changed() {
    let names = [
        "mcp-change-1-first",
        "mcp-change-2-worded",
        "mcp-change-3-poisoned",
    ];
    let all: Vec<PathBuf> = names.into_iter().map(capture).collect();
    let run = replay(&folder("sdk-change"), &all);
    let changes: Vec<&Value> = run
        .findings
        .iter()
        .filter(|f| f["kind"] == "tool_definition_changed")
        .collect();
    let [worded, poisoned] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    // A version more and other words: told, and no alarm.
    let paths = |finding: &Value| -> Vec<String> {
        list(&finding["observed"]["changes"])
            .map(|c| text(&c["path"]))
            .collect()
    };
    assert_eq!(
        (&worded["severity"], paths(worded)),
        (&json!("low"), vec!["description".to_owned()])
    );
    assert_eq!(worded["observed"]["introduced"], json!([]));
    assert_eq!(worded["observed"]["server_version"], "3.1.1");
    assert_eq!(worded["expected"]["server_version"], "3.1.0");
    assert_eq!(poisoned["severity"], "critical");
    let introduced = ["dropped_read_only_hint", "instructions"];
    assert_eq!(poisoned["observed"]["introduced"], json!(introduced));
    assert_eq!(
        paths(poisoned),
        [
            "annotations.readOnlyHint",
            "description",
            "inputSchema.properties.remark.default",
            "inputSchema.properties.remark.title",
            "inputSchema.properties.remark.type",
        ]
    );
    for finding in [worded, poisoned] {
        assert_eq!(finding["resource"]["tool"], "free_berths");
    }
    // The same server twice is no change.
    let same = replay(&folder("sdk-same"), &[capture(names[1]), capture(names[1])]);
    assert!(same.findings.is_empty(), "{:?}", same.findings);
}

#[test]
fn what_packages_of_models_told_is_what_passed() {
    let mut all = 0;
    for (name, dialects) in [
        ("llm-openai", &["openai", "openai_responses"][..]),
        ("llm-anthropic", &["anthropic"]),
        ("llm-google", &["gemini"]),
        ("llm-ollama", &["ollama"]),
    ] {
        let (log, run) = (
            log(name),
            replay(&folder(&format!("sdk-{name}")), &[capture(name)]),
        );
        let calls: Vec<&Value> = run
            .exchanges
            .iter()
            .map(|e| &e["llm"])
            .filter(|c| c.is_object())
            .collect();
        let told: Vec<&Value> = list(&log["calls"]).collect();
        assert_eq!(calls.len(), told.len(), "{name}");
        for (found, want) in calls.iter().zip(told) {
            const FIELDS: [&str; 10] = [
                "operation",
                "model",
                "model_answered",
                "streamed",
                "tools_offered",
                "tools_called",
                "input_tokens",
                "output_tokens",
                "cached_tokens",
                "stop",
            ];
            for field in FIELDS {
                assert_eq!(found[field], want[field], "{name} {field}: {found}\n{want}");
            }
            if want["messages"].is_u64() {
                assert_eq!(found["messages"], want["messages"], "{name}");
            }
            assert!(
                dialects.contains(&found["dialect"].as_str().expect("a dialect")),
                "{name}"
            );
            all += 1;
        }
    }
    println!("{all} calls of models, equal");
}

/// A capture of which only the beginning of each packet was taken: its headers, and of HTTP what is before the body.
fn headers_only(name: &str, drop: bool, to: &Path) {
    let mut packets = Vec::new();
    let file = File::open(capture(name)).expect("the capture");
    GzDecoder::new(file).read_to_end(&mut packets).expect("gzip");
    let number = |at: usize| u32::from_le_bytes(packets[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!(
        number(0),
        0xa1b2_c3d4,
        "{name}: microseconds, this machine's order"
    );
    let mut out = packets[..24].to_vec();
    let (mut at, mut cut) = (24, 0);
    while at < packets.len() {
        let length = number(at + 8);
        let frame = &packets[at + 16..at + 16 + length];
        let ip = 14 + usize::from(frame[14] & 15) * 4;
        let payload = ip + usize::from(frame[ip + 12] >> 4) * 4;
        let head = frame[payload..].windows(4).position(|w| w == b"\r\n\r\n");
        let end = head.map_or(payload, |head| payload + head + 4);
        cut += frame.len() - end;
        if !(drop && end == payload && payload < frame.len()) {
            out.extend(&packets[at..at + 8]);
            out.extend((end as u32).to_le_bytes());
            out.extend(&packets[at + 12..at + 16]);
            out.extend(&frame[..end]);
        }
        at += 16 + length;
    }
    assert!(cut > 10_000, "{name}: bodies were there");
    fs::write(to, out).expect("a file");
}

#[test]
fn without_any_body_servers_tools_and_callers_are_still_there() {
    let folder = folder("sdk-headers");
    let log = log("mcp-2026-07-28");
    for drop in [false, true] {
        let cut = folder.join(format!("cut-{drop}.pcap"));
        headers_only("mcp-2026-07-28", drop, &cut);
        let run = replay(&folder, &[cut]);
        let [server] = run.servers.as_slice() else {
            panic!("{:?}", run.servers);
        };
        assert_eq!(
            (&server["host"], &server["path"], &server["revisions"]),
            (&log["host"], &json!("/mcp"), &json!(["2026-07-28"]))
        );
        let calls = |method: &'static str| {
            let all = list(&log["clients"]).flat_map(|c| list(&c["calls"]));
            all.filter(move |c| c["method"] == method)
                .map(|c| text(&c["name"]))
        };
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        calls("tools/call").for_each(|name| *counts.entry(name).or_default() += 1);
        let found: BTreeMap<String, u64> = list(&server["tools"])
            .map(|t| (text(&t["name"]), t["calls"].as_u64().expect("a count")))
            .collect();
        assert_eq!(found, counts, "each tool that was called");
        assert_eq!(names(&server["resources"]), calls("resources/read").collect());
        assert_eq!(names(&server["prompts"]), calls("prompts/get").collect());
        assert_eq!(names(&server["callers"]).len(), list(&log["clients"]).count());
        // Every call by itself, with who made it.
        let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for exchange in &run.exchanges {
            for call in list(&exchange["mcp"]["calls"]) {
                let one = (text(&call["method"]), text(&call["name"]));
                found.entry(text(&exchange["principal"])).or_default().push(one);
            }
        }
        let sort = |mut calls: Vec<(String, String)>| {
            calls.sort();
            calls
        };
        let found: BTreeSet<_> = found.into_values().map(sort).collect();
        let want: BTreeSet<_> = list(&log["clients"])
            .map(|c| {
                sort(
                    list(&c["calls"])
                        .map(|c| (text(&c["method"]), text(&c["name"])))
                        .collect(),
                )
            })
            .collect();
        assert_eq!(found, want);
        // Arguments that stand in fields as well.
        let asked = run.exchanges.iter().flat_map(|e| list(&e["mcp"]["calls"]));
        let asked: Vec<&Value> = asked.filter(|c| c["name"] == "ask_pier").collect();
        let fields = json!([{"name": "Loud", "type": "boolean"}, {"name": "Pier", "type": "string"}]);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0]["arguments"], fields);
        assert!(run.findings.is_empty(), "{:?}", run.findings);
    }
}

/// Parts of one direction.
fn parts(of: &Value) -> u64 {
    list(of).filter_map(|part| part["count"].as_u64()).sum()
}

/// Calls of one caller as the exchanges have them, in their order, tasks numbered as they came; and where each task ended.
fn calls_seen<'a>(exchanges: impl Iterator<Item = &'a Value>) -> (Vec<Value>, BTreeMap<String, Value>) {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let (mut calls, mut ends) = (Vec::new(), BTreeMap::new());
    for exchange in exchanges.filter(|e| e["rpc"]["protocol"] == "a2a") {
        let told = &exchange["a2a"];
        assert_eq!(told["method"], exchange["rpc"]["method"], "{exchange}");
        let failed = &told["failed"];
        let states: Vec<&Value> = list(&told["states"]).collect();
        let mut call = json!({
            "method": told["method"],
            "states": states,
            "failed": failed,
            "sent": parts(&told["sent"]),
        });
        if failed == false && !states.is_empty() {
            let next = numbers.len();
            let number = *numbers.entry(text(&told["task"])).or_insert(next);
            call["received"] = parts(&told["received"]).into();
            call["task"] = number.into();
            ends.insert(number.to_string(), (*states.last().expect("a state")).clone());
        }
        calls.push(call);
    }
    (calls, ends)
}

/// Holds one recording of A2A against the logs; gives back how many calls it had.
fn compare_agents(name: &str) -> usize {
    let (log, run) = (
        log(name),
        replay(&folder(&format!("sdk-{name}")), &[capture(name)]),
    );
    let [agent] = run.called.as_slice() else {
        panic!("{name}: {:?}", run.called);
    };
    let (mut count, mut failed, mut open) = (0, 0, 0);
    let (mut tasks, mut callers) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    let mut methods = BTreeMap::<String, u64>::new();
    // Callers came one after the other, each on a connection of its own.
    let mut flows: Vec<&Value> = run.exchanges.iter().map(|e| &e["flow"]["client"]).collect();
    flows.dedup();
    let clients: Vec<&Value> = list(&log["clients"]).collect();
    assert_eq!(flows.len(), clients.len(), "{name}: {flows:?}");
    for (client, flow) in clients.iter().zip(flows) {
        let own = || run.exchanges.iter().filter(|e| e["flow"]["client"] == *flow);
        let mut want: Vec<Value> = list(&client["calls"]).cloned().collect();
        if name == "a2a-0.3-rest" {
            // What 0.3 answers over HTTP+JSON when there is no such task says nothing of the protocol.
            want.retain(|call| call["failed"] == false);
        }
        let (found, ends) = calls_seen(own());
        for (found, want) in found.iter().zip(&want) {
            assert_eq!(found, want, "{name} {}", client["sdk"]);
        }
        assert_eq!(found.len(), want.len(), "{name}");
        assert_eq!(json!(ends), client["tasks"], "{name}");
        let ids: BTreeSet<String> = own()
            .filter(|e| e["a2a"]["method"].is_string())
            .map(|e| text(&e["principal"]))
            .collect();
        assert_eq!(ids.len(), 1, "{name}: {ids:?}");
        let id = ids.into_iter().next().expect("an id");
        let known = run
            .agents
            .iter()
            .find(|a| a["id"] == id.as_str())
            .expect("a principal");
        assert_eq!(known["kind"], "ai_agent", "{name}: {known}");
        callers.insert(id, want.len() as u64);
        let fails = want.iter().filter(|call| call["failed"] == true).count();
        count += want.len();
        failed += fails;
        if client["authorized"] == false {
            open += want.len() - fails;
        }
        for call in &want {
            *methods.entry(text(&call["method"])).or_default() += 1;
        }
        for state in ends.values() {
            *tasks.entry(text(state)).or_default() += 1;
        }
        let card = &client["card"];
        for field in ["name", "version", "provider", "streaming"] {
            assert_eq!(agent[field], card[field], "{name} {field}");
        }
        let shown: Vec<Value> = list(&agent["interfaces"])
            .map(|one| json!([one["url"], one["binding"], one["version"]]))
            .collect();
        for place in list(&card["interfaces"]) {
            // A release that knows no version of the protocol tells none.
            let is = |one: &Value| {
                one[0] == place[0] && one[1] == place[1] && (place[2].is_null() || one[2] == place[2])
            };
            assert!(shown.iter().any(is), "{name}: {place} among {shown:?}");
        }
        let skills: Vec<&Value> = list(&agent["skills"]).map(|skill| &skill["id"]).collect();
        assert_eq!(json!(skills), card["skills"], "{name}");
        assert_eq!(agent["asks_for_credentials"], card["guarded"], "{name}");
        assert_eq!(agent["security_schemes"], json!(["http bearer"]), "{name}");
    }
    let extended = clients.iter().filter(|c| c["extended_skills"].is_array()).count();
    let want = json!({
        "host": log["host"], "calls": count, "failed": failed, "open_calls": open, "methods": methods, "tasks": tasks,
        "callers": callers, "signatures": [], "card_reads": clients.len() + extended, "extended_cards": extended,
    });
    for (field, want) in want.as_object().expect("an object") {
        assert_eq!(&agent[field], want, "{name} {field}");
    }
    // Whoever has no token is a stranger, and is served: the card asks for none.
    let (strangers, cards): (Vec<&Value>, Vec<&Value>) = run
        .findings
        .iter()
        .partition(|f| f["kind"] == "a2a_unauthenticated");
    assert_eq!(strangers.is_empty(), open == 0, "{name}: {strangers:?}");
    assert!(strangers.iter().all(|f| f["severity"] == "medium"), "{name}");
    let [finding] = cards.as_slice() else {
        panic!("{name}: {:?}", run.findings);
    };
    assert_eq!(
        (
            &finding["kind"],
            &finding["severity"],
            &finding["observed"]["reason"]
        ),
        (
            &json!("a2a_card_unsigned_or_changed"),
            &json!("low"),
            &json!("unsigned")
        )
    );
    count
}

#[test]
fn what_a2a_packages_saw_is_what_passed() {
    let names = ["a2a-0.2", "a2a-0.3", "a2a-0.3-rest", "a2a-1.0", "a2a-both-eras"];
    let calls: usize = names.into_iter().map(compare_agents).sum();
    println!("{calls} calls of five recordings, equal");
    assert!(calls > 70, "{calls}");
}

#[test]
fn records_of_agents_fit_their_schemas() {
    let name = "a2a-1.0";
    let run = replay(&folder("sdk-a2a-schemas"), &[capture(name)]);
    for (schema, records) in [
        ("a2a", &run.called),
        ("exchange", &run.exchanges),
        ("finding", &run.findings),
    ] {
        let text = tapline(&["schema", schema]).stdout;
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        let validator =
            jsonschema::draft202012::new(&document).unwrap_or_else(|error| panic!("{schema}: {error}"));
        assert!(!records.is_empty());
        for record in records {
            if let Err(error) = validator.validate(record) {
                panic!("{schema}: {error} at {} in {record}", error.instance_path());
            }
        }
    }
}

#[test]
fn a_changed_card_is_told_with_what_changed() {
    let names = ["a2a-change-1-first", "a2a-change-2-worded", "a2a-change-3-moved"];
    let all: Vec<PathBuf> = names.into_iter().map(capture).collect();
    let run = replay(&folder("sdk-a2a-change"), &all);
    let changes: Vec<&Value> = run
        .findings
        .iter()
        .filter(|f| f["observed"]["reason"] == "changed")
        .collect();
    let [worded, moved] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    let paths = |finding: &Value| -> Vec<String> {
        list(&finding["observed"]["changes"])
            .map(|c| text(&c["path"]))
            .collect()
    };
    // A version more and other words: told, and no alarm.
    assert_eq!(
        (&worded["severity"], paths(worded)),
        (
            &json!("low"),
            vec!["skills.find-berth.description".to_owned(), "version".to_owned()]
        )
    );
    assert_eq!(
        (&worded["expected"]["version"], &worded["observed"]["version"]),
        (&json!("2.1.0"), &json!("2.1.1"))
    );
    assert_eq!(moved["severity"], "critical");
    assert_eq!(
        moved["observed"]["introduced"],
        json!(["instructions", "interface_host"])
    );
    assert_eq!(
        paths(moved),
        [
            "interfaces.http_json.url",
            "interfaces.jsonrpc.url",
            "skills.find-berth.description",
            "version"
        ]
    );
    assert_eq!(
        moved["observed"]["interfaces"][0],
        "http://berths.elsewhere.example/rpc"
    );
    // The same card twice is no change.
    let again: Vec<PathBuf> = [names[0]; 2].into_iter().map(capture).collect();
    let run = replay(&folder("sdk-a2a-same"), &again);
    assert!(
        run.findings.iter().all(|f| f["observed"]["reason"] == "unsigned"),
        "{:?}",
        run.findings
    );
}
