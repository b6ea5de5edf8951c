//! `tapline agents graph` and `tapline access-review` over a capture of two days in which agents call tools, and tools call services.

mod support;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{folder, said, tapline};
use testdata::rng::Rng;
use testdata::text::{card, jwt};
use testdata::wire::{Capture, Conn, Link, Resolution, Side};

/// 2026-10-05T10:00:00Z, and a day.
const START: u64 = 1_791_194_400_000_000_000;
const DAY: u64 = 86_400_000_000_000;
const MS: u64 = 1_000_000;

const AGENT: &str = "10.0.0.5";
const TOOLS: &str = "10.0.1.1";
const ORDERS: &str = "10.0.1.2";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn token(name: &str, scope: &str) -> String {
    let claims = format!(
        r#"{{"iss":"https://id.example","sub":"{name}","client_id":"{name}","client_type":"ai-agent","scope":"{scope}","iat":1791194000,"exp":1791397600}}"#
    );
    jwt(&mut Rng::new(7), r#"{"alg":"RS256"}"#, &claims)
}

/// Writes connections into one capture.
struct Wire {
    capture: Capture,
    ports: u16,
}

impl Wire {
    fn new() -> Self {
        Self {
            capture: Capture::new(Link::Ethernet),
            ports: 40_000,
        }
    }

    /// One request and its answer, with `inner` in between, which says whether there is anything.
    fn exchange(
        &mut self,
        at: u64,
        (client, server): (&str, &str),
        head: &str,
        body: &str,
        answer: (u16, &str),
        inner: impl FnOnce(&mut Self, u64) -> bool,
    ) {
        self.ports += 1;
        let address =
            |ip: &str, port: u16| -> SocketAddr { format!("{ip}:{port}").parse().expect("an address") };
        let mut conn = Conn::new(address(client, self.ports), address(server, 80));
        let then = conn.open(&mut self.capture, at);
        let json = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        let request = format!("{head}{json}Content-Length: {}\r\n\r\n{body}", body.len());
        conn.send(&mut self.capture, then, Side::Client, request.as_bytes());
        let wait = if inner(self, then + 5 * MS) { 100 } else { 30 };
        let (status, content) = answer;
        let response = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{content}",
            content.len()
        );
        let done = conn.send(
            &mut self.capture,
            then + wait * MS,
            Side::Server,
            response.as_bytes(),
        );
        conn.close(&mut self.capture, done + MS, Side::Client);
    }

    /// An agent calls a tool, whose server asks the service of orders with a key of its own.
    fn tool(&mut self, at: u64, name: &str, scope: &str, order: u32, deletes: bool) {
        let trace = format!("traceparent: 00-{:032x}-00f067aa0ba902b7-01\r\n", u128::from(at));
        let (tool, method) = if deletes {
            ("remove_order", "DELETE")
        } else {
            ("get_order", "GET")
        };
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: tools.example\r\nUser-Agent: agent-kit/1\r\nAuthorization: Bearer {}\r\n{trace}",
            token(name, scope)
        );
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"order_id":"ord-{order}"}}}}}}"#
        );
        let result = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}"#;
        self.exchange(at, (AGENT, TOOLS), &head, &body, (200, result), |wire, at| {
            let head = format!(
                "{method} /orders/ord-{order} HTTP/1.1\r\nHost: orders.example\r\nUser-Agent: tools/2\r\nX-Api-Key: key-of-the-tools-0123456789\r\n{trace}"
            );
            let number = card(&mut Rng::new(order.into()), "4539", 16);
            let card = format!(r#"{{"card_number":"{number}"}}"#);
            wire.exchange(at, (TOOLS, ORDERS), &head, "", (200, &card), |_, _| false);
            true
        });
    }

    /// An agent asks the service of orders itself.
    fn direct(&mut self, at: u64, name: &str, scope: &str, method: &str, status: u16) {
        let head = format!(
            "{method} /orders/ord-7719 HTTP/1.1\r\nHost: orders.example\r\nUser-Agent: agent-kit/1\r\nAuthorization: Bearer {}\r\n",
            token(name, scope)
        );
        self.exchange(at, (AGENT, ORDERS), &head, "", (status, "{}"), |_, _| false);
    }
}

/// A store that has learned the two days.
fn store(out: &Path) -> String {
    let mut wire = Wire::new();
    let second = 1_000 * MS;
    for n in 0..20 {
        wire.tool(
            START + u64::from(n) * 10 * second,
            "planner",
            "orders:read",
            7700 + n,
            false,
        );
    }
    wire.direct(START + 300 * second, "planner", "orders:read", "GET", 200);
    // On the second day there is a new agent, and the first one may do more, but not remove orders.
    for n in 0..5 {
        wire.tool(
            START + DAY + n * 10 * second,
            "helper",
            "orders:read",
            7700,
            false,
        );
    }
    wire.direct(
        START + DAY + 100 * second,
        "planner",
        "orders:read orders:write",
        "GET",
        200,
    );
    wire.direct(
        START + DAY + 110 * second,
        "planner",
        "orders:read orders:write",
        "DELETE",
        403,
    );
    wire.tool(
        START + DAY + 120 * second,
        "planner",
        "orders:read orders:write",
        7719,
        true,
    );
    let file = out.join("two-days.pcap");
    fs::write(&file, wire.capture.pcap(Resolution::Nanoseconds)).expect("a file");
    let dir = out.join("store").display().to_string();
    let output = tapline(&["replay", &file.display().to_string(), "--store", &dir]);
    assert!(output.status.success(), "{}", said(&output));
    dir
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    let output = tapline(arguments);
    assert!(output.status.success(), "{}", said(&output));
    let read = |line: &str| serde_json::from_str(line).expect("JSON");
    text(&output.stdout).lines().map(read).collect()
}

/// Label of a node by its id.
fn label<'a>(graph: &'a Value, id: &Value) -> &'a str {
    let nodes = graph["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let node = nodes.iter().find(|node| node["id"] == *id);
    node.and_then(|node| node["label"].as_str()).unwrap_or_default()
}

#[test]
fn the_graph_leads_from_the_agent_over_the_tool_to_the_data() {
    let out = folder("reach-graph");
    let dir = store(&out);
    let graph = rows(&["agents", "graph", "--store", &dir, "--format", "json"]).remove(0);
    let edges = graph["edges"].as_array().expect("edges");
    let said: Vec<String> = edges
        .iter()
        .map(|edge| {
            let causes = edge["causes"]
                .as_object()
                .map_or(String::new(), |causes| format!(" {causes:?}"));
            format!(
                "{} {} {}{causes} {}",
                label(&graph, &edge["from"]),
                edge["kind"].as_str().unwrap_or_default(),
                label(&graph, &edge["to"]),
                edge["exchanges"].as_u64().unwrap_or(0)
            )
        })
        .collect();
    for wanted in [
        "planner calls get_order 20",
        "helper calls get_order 5",
        "get_order causes GET /orders/{slug} {\"trace\": Number(25)} 25",
        "remove_order causes DELETE /orders/{slug} {\"trace\": Number(1)} 1",
        "GET /orders/{slug} carries card 0",
    ] {
        assert!(
            said.iter().any(|edge| edge == wanted),
            "{wanted}\n{}",
            said.join("\n")
        );
    }
    let one = rows(&[
        "agents",
        "graph",
        "--store",
        &dir,
        "--format",
        "json",
        "--principal",
        "helper",
    ])
    .remove(0);
    let principals = one["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .filter(|n| n["kind"] == "principal");
    assert_eq!(principals.count(), 1);
    let page = text(&tapline(&["agents", "show", "planner", "--store", &dir]).stdout);
    for wanted in ["Has others call", "remove_order", "trace", "units of work"] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    let found = rows(&["findings", "--store", &dir, "--json"]);
    let deputies: Vec<&Value> = found.iter().filter(|f| f["kind"] == "confused_deputy").collect();
    assert_eq!(
        deputies.len(),
        1,
        "the planner may not remove orders, and the tool did"
    );
    assert_eq!(deputies[0]["principal"]["name"], "planner");
    assert_eq!(deputies[0]["evidence"].as_array().map(Vec::len), Some(3));
}

#[test]
fn graphviz_draws_what_is_written_for_it_and_the_other_forms_say_the_same() {
    let out = folder("reach-dot");
    let dir = store(&out);
    let of = |format: &str| text(&tapline(&["agents", "graph", "--store", &dir, "--format", format]).stdout);
    let (dot, mermaid) = (of("dot"), of("mermaid"));
    let graph: Value = serde_json::from_str(&of("json")).expect("JSON");
    let count = |name: &str| graph[name].as_array().map_or(0, Vec::len);
    assert_eq!(dot.matches(" -> ").count(), count("edges"), "{dot}");
    let arrows = |line: &&str| ["-->", "==>", "-.->"].iter().any(|arrow| line.contains(arrow));
    assert_eq!(
        mermaid.lines().filter(arrows).count(),
        count("edges"),
        "{mermaid}"
    );
    let Ok(mut drawing) = Command::new("dot")
        .arg("-Tplain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        println!("skipped: Graphviz is not here, so nobody but us has read the graph");
        return;
    };
    drawing
        .stdin
        .take()
        .expect("a pipe")
        .write_all(dot.as_bytes())
        .expect("it reads");
    let drawn = drawing.wait_with_output().expect("it ends");
    assert!(
        drawn.status.success() && drawn.stderr.is_empty(),
        "{}",
        text(&drawn.stderr)
    );
    let drawn = text(&drawn.stdout);
    let of_sort = |sort: &str| drawn.lines().filter(|line| line.starts_with(sort)).count();
    assert_eq!(
        (of_sort("node "), of_sort("edge ")),
        (count("nodes"), count("edges"))
    );
}

#[test]
fn access_is_reviewed_as_it_is_and_as_it_changed() {
    let out = folder("reach-access");
    let dir = store(&out);
    let all = rows(&["access-review", "--store", &dir, "--json"]);
    let words = |row: &Value| {
        let names = |list: &Value| {
            let words = list.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(",")
        };
        format!(
            "{}{} {} {} [{}] [{}]",
            row["change"]
                .as_str()
                .map_or(String::new(), |change| format!("{change} ")),
            row["principal"]["name"].as_str().unwrap_or_default(),
            row["endpoint"]["method"].as_str().unwrap_or_default(),
            row["endpoint"]["template"].as_str().unwrap_or_default(),
            names(&row["scopes"]),
            names(&row["data_classes"]),
        )
    };
    let agents: Vec<String> = all
        .iter()
        .filter(|row| row["principal"]["kind"] == "ai_agent")
        .map(words)
        .collect();
    assert_eq!(
        agents,
        [
            "helper POST /mcp#tools/call:get_order [orders:read] []",
            "planner GET /orders/{slug} [orders:read,orders:write] [card]",
            "planner POST /mcp#tools/call:get_order [orders:read] []",
            "planner POST /mcp#tools/call:remove_order [orders:read,orders:write] []",
        ]
    );
    assert!(
        all.iter()
            .all(|row| row["exact"] == true && row["last_used"].is_string())
    );
    assert_eq!(all.len(), 6, "and two of the server of tools");
    // The same rows for a spreadsheet, with a row of names.
    let csv = text(&tapline(&["access-review", "--store", &dir, "--csv"]).stdout);
    assert_eq!(csv.lines().count(), all.len() + 1, "{csv}");
    assert_eq!(
        csv,
        text(&tapline(&["access-review", "--store", &dir, "--csv"]).stdout)
    );

    let unused = rows(&[
        "access-review",
        "--store",
        &dir,
        "--json",
        "--unused-since",
        "2026-10-06",
    ]);
    let unused: Vec<String> = unused.iter().map(words).collect();
    assert_eq!(
        unused,
        ["planner POST /mcp#tools/call:get_order [orders:read] []"]
    );

    let changed = rows(&[
        "access-review",
        "--store",
        &dir,
        "--json",
        "--since",
        "2026-10-06",
    ]);
    let of_agents: Vec<String> = changed
        .iter()
        .filter(|row| row["principal"]["kind"] == "ai_agent")
        .map(words)
        .collect();
    assert_eq!(
        of_agents,
        [
            "new helper POST /mcp#tools/call:get_order [orders:read] []",
            "new planner POST /mcp#tools/call:remove_order [orders:read,orders:write] []",
            "scopes planner GET /orders/{slug} [orders:read,orders:write] [card]",
        ]
    );
    let scopes = changed
        .iter()
        .find(|row| row["change"] == "scopes")
        .expect("scopes changed");
    assert_eq!(
        (&scopes["added"], &scopes["removed"]),
        (&serde_json::json!(["orders:write"]), &serde_json::json!([]))
    );
    let page = text(&tapline(&["access-review", "--store", &dir, "--since", "2026-10-06"]).stdout);
    for wanted in [
        "New",
        "+ helper at POST tools.example/mcp#tools/call:get_order",
        "~ planner at",
        "+orders:write",
    ] {
        assert!(page.contains(wanted), "{wanted}\n{page}");
    }
    let never = rows(&[
        "access-review",
        "--store",
        &dir,
        "--json",
        "--since",
        "2026-10-07",
    ]);
    assert!(never.is_empty(), "{never:?}");

    // Records are as their schema says.
    let schema = tapline(&["schema", "access"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for row in all.iter().chain(&changed) {
        let wrong: Vec<String> = validator.iter_errors(row).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{row}: {wrong:?}");
    }
}
