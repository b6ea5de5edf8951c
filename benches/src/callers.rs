//! Exchanges of many callers: ordinary agents that do their tasks, and callers that make as much be kept of them as they can.
//!
//! All are made by number, the same every time; nobody has to hold them.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Timestamp};
use testdata::rng::Rng;
use testdata::text::jwt;

/// 2026-03-09T08:00:00Z, in nanoseconds.
const START: u64 = 1_773_043_200_000_000_000;

/// Endpoints that all callers share.
const ENDPOINTS: u64 = 600;

/// Calls of one task of an ordinary caller.
const TASK: u64 = 8;

/// A number that looks like chance, and is the same every time.
fn mix(of: u64) -> u64 {
    Rng::new(of).bits()
}

struct Parts {
    at: u64,
    client: u32,
    head: String,
    body: String,
    status: u16,
    answer: String,
}

fn exchange(parts: Parts) -> Exchange {
    let client = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | parts.client & 0xff_ffff));
    let port = 20_000 + (parts.at / 1_000_000 % 40_000) as u16;
    ExchangeBuilder::new(Timestamp(parts.at))
        .between(
            SocketAddr::new(client, port),
            SocketAddr::from(([172, 16, 0, 1], 80)),
        )
        .in_flow(Timestamp(parts.at - 1), 0)
        .request(&parts.head, parts.body)
        .response(
            &format!("HTTP/1.1 {} X\nContent-Type: application/json\n", parts.status),
            parts.answer,
        )
        .build()
}

fn token(caller: u64, scopes: &str, serial: u64) -> String {
    let iat = START / 1_000_000_000;
    let claims = format!(
        r#"{{"iss":"https://id.example","sub":"agent-{caller}","client_id":"agent-{caller}","client_type":"ai-agent","jti":"{serial}","scope":"{scopes}","iat":{iat},"exp":{}}}"#,
        iat + 3600
    );
    jwt(&mut Rng::new(serial), r#"{"alg":"ES256"}"#, &claims)
}

/// The `k`th call of an ordinary agent: lists, items that the list showed, changes, and every other task over tools, with a new token
/// after two tasks. It calls a dozen endpoints.
#[must_use]
pub fn ordinary(caller: u64, k: u64) -> Exchange {
    let (task, step) = (k / TASK, k % TASK);
    let kind = caller % 4;
    let item = |n: u64| format!("it-{:06}", mix(caller << 20 | task << 8 | n) % 1_000_000);
    let token = token(caller, "items:read items:write", (caller << 8) | (task / 2));
    let fields = format!(
        "Host: api{}.example\nUser-Agent: agent-kit/2.{}\nAuthorization: Bearer {token}\n",
        kind / 2,
        caller % 4
    );
    let list: String = (0..20).map(|n| format!("{{\"id\":\"{}\"}},", item(n))).collect();
    let (head, body, answer) = if task % 2 == 1 {
        let tool = ["find", "read", "note", "close"][(step % 4) as usize];
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{k},"method":"tools/call","params":{{"name":"{tool}_{kind}","arguments":{{"item_id":"{}"}}}}}}"#,
            item(step)
        );
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{k},"result":{{"content":[{{"type":"text","text":"{} done"}}]}}}}"#,
            item(step)
        );
        let session = mix(caller << 8 | task);
        let head = format!(
            "POST /mcp HTTP/1.1\n{fields}Mcp-Session-Id: {session:016x}\nContent-Type: application/json\n"
        );
        (head, body, answer)
    } else {
        match step {
            0 => {
                let head = format!("GET /v1/items{kind}?limit=20 HTTP/1.1\n{fields}");
                (head, String::new(), format!("{{\"items\":[{list}1]}}"))
            }
            6 => {
                let head = format!(
                    "PATCH /v1/items{kind}/{} HTTP/1.1\n{fields}Content-Type: application/json\n",
                    item(5)
                );
                (
                    head,
                    r#"{"state":"done"}"#.to_owned(),
                    r#"{"ok":true}"#.to_owned(),
                )
            }
            _ => {
                let head = format!("GET /v1/items{kind}/{} HTTP/1.1\n{fields}", item(step));
                (
                    head,
                    String::new(),
                    format!("{{\"id\":\"{}\",\"state\":\"open\"}}", item(step)),
                )
            }
        }
    };
    exchange(Parts {
        // Tasks are an hour apart, calls a second; callers do not all begin at once.
        at: START + task * 3_600_000_000_000 + step * 1_000_000_000 + mix(caller) % 900_000_000_000,
        client: caller as u32,
        head,
        body,
        status: 200,
        answer,
    })
}

/// What a caller may send to make much be kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greedy {
    /// Another endpoint, address, program, token and scope each time, and ids without end in the answers.
    Everything,
    /// It walks through objects of as many endpoints as there are.
    Walks,
    /// Sessions, traces, tools and conversations that are never the same.
    Tasks,
    /// It is refused everywhere, and shows a token only once.
    Refused,
}

impl Greedy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Everything, Self::Walks, Self::Tasks, Self::Refused];

    /// The name by which it is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Walks => "walks",
            Self::Tasks => "tasks",
            Self::Refused => "refused",
        }
    }

    /// The `k`th call of this caller.
    #[must_use]
    pub fn exchange(self, caller: u64, k: u64) -> Exchange {
        let serial = caller << 24 | k;
        let scopes = match self {
            Self::Everything => format!("read:thing{} write:thing{}", k % 500, k % 700),
            _ => "things:read".to_owned(),
        };
        let once = matches!(self, Self::Everything | Self::Refused);
        let token = token(caller, &scopes, if once { serial } else { caller });
        let place = k % ENDPOINTS;
        let mut fields = format!(
            "Host: api.example\nAuthorization: Bearer {token}\nUser-Agent: program{}/1\n",
            if self == Self::Everything { k % 50 } else { 0 }
        );
        let mut body = String::new();
        let mut answer = String::from("[");
        let ids = if self == Self::Everything { 500 } else { 20 };
        for n in 0..ids {
            let _ = write!(answer, "\"x{:x}\",", mix(serial << 12 | n) >> 20);
        }
        answer.push_str("1]");
        let line = match self {
            Self::Everything | Self::Refused => format!("GET /w{place}/all HTTP/1.1\n"),
            Self::Walks => format!("GET /w{place}/{} HTTP/1.1\n", 1000 + k / ENDPOINTS * 3),
            Self::Tasks => {
                let _ = write!(
                    fields,
                    "traceparent: 00-{:032x}-00f067aa0ba902b7-01\nMcp-Session-Id: {:016x}\nContent-Type: application/json\n",
                    mix(serial),
                    mix(serial) >> 3
                );
                body = format!(
                    r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"tool_{}","arguments":{{"a":"{:x}"}}}}}}"#,
                    k * 7,
                    k % 400,
                    mix(serial)
                );
                format!("POST /mcp{} HTTP/1.1\n", k % 12)
            }
        };
        exchange(Parts {
            at: START + k * 1_000_000_000,
            client: match self {
                Self::Everything => serial as u32,
                _ => caller as u32,
            },
            head: format!("{line}{fields}"),
            body,
            status: if self == Self::Refused && k > 20 { 403 } else { 200 },
            answer,
        })
    }
}
