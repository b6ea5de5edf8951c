//! Tool calls over MCP Streamable HTTP: two clients that shake hands and keep a session (revision
//! 2025-11-25), and one that does neither and says the method in its fields (revision 2026-07-28).

use super::agents::works;
use super::record::{Recorder, Session};
use super::world::{Agent, COPILOT, END, FINANCE, START, STOCK, Services, World};
use crate::http::Message;
use crate::rng::Rng;
use crate::text::uuid;
use crate::time::{HOUR, MILLI, MINUTE, SECOND};

const ACCEPT: &str = "application/json, text/event-stream";

/// A tool, an argument of a call, and a line of its answer, made from a number.
type Tool = (&'static str, fn(u64) -> String, fn(u64) -> String);

const SUPPORT_TOOLS: [Tool; 3] = [
    (
        "search_tickets",
        |n| {
            format!(
                r#"{{"query":"{}"}}"#,
                ["refund", "address", "voucher", "glass"][n as usize % 4]
            )
        },
        |n| format!("{} tickets", n % 9 + 1),
    ),
    (
        "get_policy",
        |n| {
            format!(
                r#"{{"topic":"{}"}}"#,
                ["returns", "shipping", "warranty"][n as usize % 3]
            )
        },
        |_| "Returns are free for thirty days.".to_owned(),
    ),
    (
        "draft_reply",
        |n| format!(r#"{{"tone":"friendly","length":{}}}"#, 40 + n % 80),
        |_| "Dear customer, we have looked into this.".to_owned(),
    ),
];

const STOCK_TOOLS: [Tool; 2] = [
    (
        "stock_levels",
        |n| format!(r#"{{"warehouse":{}}}"#, n % 4 + 1),
        |n| format!("{} products below minimum", n % 17),
    ),
    (
        "supplier_lead_time",
        |n| format!(r#"{{"product":{}}}"#, 301 + n % 40),
        |n| format!("{} days", n % 12 + 2),
    ),
];

const FINANCE_TOOLS: [Tool; 2] = [
    (
        "ledger_search",
        |n| format!(r#"{{"account":{}}}"#, 4000 + n % 60 * 10),
        |n| format!("{} entries", n % 30),
    ),
    (
        "fx_rate",
        |n| {
            format!(
                r#"{{"pair":"EUR{}"}}"#,
                ["USD", "GBP", "CHF", "SEK"][n as usize % 4]
            )
        },
        |n| format!("1.{:04}", n % 3000),
    ),
];

/// Runs the three clients.
pub(super) fn run(out: &mut Recorder, world: &World, services: &Services) {
    for (agent, tools, every) in [
        (&COPILOT, &SUPPORT_TOOLS[..], 52),
        (&STOCK, &STOCK_TOOLS[..], 120),
    ] {
        let mut rng = Rng::named(world.seed, &format!("mcp {}", agent.id));
        let mut at = START + rng.range(10 * MINUTE, 30 * MINUTE);
        while at < END - 20 * MINUTE {
            if works(agent, at) {
                legacy(out, world, services, agent, tools, at, &mut rng);
            }
            at += rng.range(every / 2, every * 3 / 2) * MINUTE;
        }
    }
    let mut rng = Rng::named(world.seed, "mcp modern");
    let mut at = START + 33 * MINUTE;
    while at < END - 20 * MINUTE {
        modern(out, world, services, at, &mut rng);
        at += rng.range(70, 130) * MINUTE;
    }
}

fn post(s: &Session<'_>, token: &str, body: String) -> Message {
    s.request("POST", "/mcp")
        .field("Accept", ACCEPT)
        .field("Authorization", format!("Bearer {token}"))
        .json(body)
}

/// A result as the server gives it: plain JSON, or a stream of one event.
fn result(s: &Session<'_>, id: u64, body: &str, streamed: bool) -> Message {
    let json = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{body}}}"#);
    if streamed {
        s.response(200)
            .field("Cache-Control", "no-cache")
            .content("text/event-stream", format!("event: message\ndata: {json}\n\n"))
            .framing(crate::http::Framing::Chunked(4096))
    } else {
        s.response(200).json(json)
    }
}

fn tool_list(tools: &[Tool]) -> String {
    let list: Vec<String> = tools
        .iter()
        .map(|(name, _, _)| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#))
        .collect();
    format!(r#"{{"tools":[{}]}}"#, list.join(","))
}

fn answer(text: &str) -> String {
    format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}"#)
}

fn legacy(
    out: &mut Recorder,
    world: &World,
    services: &Services,
    agent: &Agent,
    tools: &[Tool],
    at: u64,
    rng: &mut Rng,
) {
    let token = world.agent_token(agent, at);
    let session = uuid(rng);
    let mut s = out.session(&agent.client(), &services.mcp, at);
    let hello = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"{}","version":"1.4"}}}}}}"#,
        agent.id
    );
    let request = post(&s, &token, hello);
    let body = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"acme-tools","version":"3.2.0"}}"#;
    let response = result(&s, 0, body, false).field("Mcp-Session-Id", session.as_str());
    s.exchange(&request, &response, 9 * MILLI);
    let later = |s: &Session<'_>, body: String| {
        post(s, &token, body)
            .field("Mcp-Session-Id", session.as_str())
            .field("MCP-Protocol-Version", "2025-11-25")
    };
    let request = later(
        &s,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.into(),
    );
    let response = s.response(202);
    s.exchange(&request, &response, 3 * MILLI);
    let request = later(&s, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.into());
    let response = result(&s, 1, &tool_list(tools), false);
    s.exchange(&request, &response, 5 * MILLI);
    for id in 2..rng.range(4, 8) {
        s.pause(rng.range(2, 15) * SECOND);
        let (name, arguments, text) = rng.pick(tools);
        let n = rng.range(0, 10_000);
        let request = later(
            &s,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{}}}}}"#,
                arguments(n)
            ),
        );
        let response = result(&s, id, &answer(&text(n)), rng.chance(40));
        s.exchange(&request, &response, rng.range(30 * MILLI, 400 * MILLI));
    }
    if rng.chance(50) {
        let request = s
            .request("DELETE", "/mcp")
            .field("Authorization", format!("Bearer {token}"))
            .field("Mcp-Session-Id", session.as_str());
        let response = s.response(204);
        s.exchange(&request, &response, 4 * MILLI);
    }
    s.close();
}

fn modern(out: &mut Recorder, world: &World, services: &Services, at: u64, rng: &mut Rng) {
    let token = world.agent_token(&FINANCE, at);
    let mut s = out.session(&FINANCE.client(), &services.mcp, at);
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"finance-agent","version":"0.9"}}"#;
    let send = |s: &Session<'_>, id: u64, method: &str, name: Option<&str>, params: String| {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{meta}}}}}"#);
        let message = post(s, &token, body)
            .field("MCP-Protocol-Version", "2026-07-28")
            .field("Mcp-Method", method);
        match name {
            Some(name) => message.field("Mcp-Name", name),
            None => message,
        }
    };
    if (at / HOUR).is_multiple_of(6) {
        let request = send(&s, 0, "tools/list", None, String::new());
        let response = result(&s, 0, &tool_list(&FINANCE_TOOLS), false);
        s.exchange(&request, &response, 6 * MILLI);
    }
    for id in 1..rng.range(3, 6) {
        s.pause(rng.range(1, 6) * SECOND);
        let (name, arguments, text) = rng.pick(&FINANCE_TOOLS);
        let n = rng.range(0, 10_000);
        let params = format!(r#""name":"{name}","arguments":{},"#, arguments(n));
        let request = send(&s, id, "tools/call", Some(name), params);
        let response = result(&s, id, &answer(&text(n)), false);
        s.exchange(&request, &response, rng.range(20 * MILLI, 200 * MILLI));
    }
    s.close();
}
