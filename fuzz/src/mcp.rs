//! Messages of MCP through the analysis: calls are those that were written, whatever their order, spaces, escapes and batches; a cut
//! body tells nothing that the whole one does not; nothing is shown that is not fit to be; and memory is bounded.

use analyzers::{Analyzer, McpCall, McpLabels, ServerView, Settings};
use arbitrary::Arbitrary;
use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Flags, Timestamp};

use crate::memory::Account;

/// A value of an argument.
#[derive(Debug, Arbitrary)]
pub enum Value {
    Null,
    True,
    Number(i32),
    /// A text with signs that a reader may take for structure.
    Text(u8),
    List(u8),
    Object(u8),
}

/// How a call is answered.
#[derive(Debug, Arbitrary)]
pub enum Answer {
    None,
    Result(u8),
    ToolError,
    Error,
}

/// A request or a notification.
#[derive(Debug, Arbitrary)]
pub struct Message {
    method: u8,
    name: Option<u8>,
    arguments: Vec<(u8, Value)>,
    answer: Answer,
    notification: bool,
    /// Which member comes first, and whether letters are escaped and spaces are between.
    turn: u8,
    escaped: bool,
    spaced: bool,
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    messages: Vec<Message>,
    batch: bool,
    events: bool,
    /// Answers in the other order.
    late: bool,
    /// The fields of 2026-07-28.
    fields: bool,
    cut: Option<u16>,
    cut_answer: Option<u16>,
    /// Bytes written over the body, where they fall.
    noise: Vec<(u16, u8)>,
    /// Definitions in the answer to a list.
    listed: Vec<(u8, u8)>,
}

const METHODS: [&str; 8] = [
    "tools/call",
    "tools/list",
    "resources/read",
    "prompts/get",
    "initialize",
    "notifications/progress",
    "tools/call",
    "server/discover",
];
const NAMES: [&str; 4] = ["search", "book_berth", "memo://boxes/in", "lend-book"];
const KEYS: [&str; 4] = ["port", "length", "when", "ship_name"];

/// A text that must never be shown.
const SECRET: &str = "xQ93kZp0Vw7Lr2";

impl Value {
    fn written(&self) -> (String, &'static str) {
        match self {
            Self::Null => ("null".into(), "null"),
            Self::True => ("true".into(), "boolean"),
            Self::Number(n) => (n.to_string(), "number"),
            Self::Text(n) => {
                let inside = [
                    "",
                    "a,b}]",
                    r#"\"method\":\"x\","#,
                    r"\\",
                    r"é\u00e9\ud83d\ude00",
                    SECRET,
                ];
                (
                    format!("\"{}\"", inside[usize::from(*n) % inside.len()]),
                    "string",
                )
            }
            Self::List(n) => (format!("[{}{{}}]", "[],".repeat(usize::from(*n % 4))), "array"),
            Self::Object(n) => {
                let deep = usize::from(*n % 40);
                (
                    format!("{}1{}", "{\"a\":".repeat(deep), "}".repeat(deep)),
                    "object",
                )
            }
        }
    }
}

fn name(number: u8) -> String {
    match NAMES.get(usize::from(number % 5)) {
        Some(name) => (*name).to_owned(),
        None => format!("{SECRET}{number}"),
    }
}

fn key(number: u8) -> String {
    match KEYS.get(usize::from(number % 5)) {
        Some(key) => (*key).to_owned(),
        None => format!("{SECRET}{number}"),
    }
}

/// As it may be shown: names that are none are hashes.
fn is_shown(found: &str, written: &str) -> bool {
    match written.starts_with(SECRET) {
        true => found.starts_with("hash:"),
        false => found == written,
    }
}

impl Message {
    fn method(&self) -> &'static str {
        METHODS[usize::from(self.method) % METHODS.len()]
    }

    /// What it is called by, for a method that has such.
    fn named(&self) -> Option<String> {
        let number = self.name?;
        matches!(self.method(), "tools/call" | "resources/read" | "prompts/get").then(|| name(number))
    }

    fn asks(&self) -> bool {
        !self.notification
    }

    /// Arguments with distinct names: of several by one name readers differ in which they take.
    fn arguments(&self) -> Vec<(String, &Value)> {
        let mut all: Vec<(String, &Value)> = Vec::new();
        for (number, value) in self.arguments.iter().take(8) {
            let key = key(*number);
            // An object of no depth is the number in it.
            if all.iter().all(|(known, _)| *known != key) && !matches!(value, Value::Object(n) if n % 40 == 0)
            {
                all.push((key, value));
            }
        }
        all
    }

    fn written(&self, id: usize) -> String {
        let space = if self.spaced { " \n\t" } else { "" };
        let mut params = Vec::new();
        if let Some(name) = self.named() {
            let member = if self.method() == "resources/read" {
                "uri"
            } else {
                "name"
            };
            params.push(format!("\"{member}\":{space}\"{name}\""));
        }
        let arguments = self.arguments();
        let arguments: Vec<String> = arguments
            .iter()
            .map(|(key, value)| format!("\"{key}\"{space}:{}", value.written().0))
            .collect();
        params.push(format!("\"arguments\":{{{space}{}{space}}}", arguments.join(",")));
        if self.turn & 16 != 0 {
            params.reverse();
        }
        let method = match self.escaped {
            true => self.method().replace('/', "\\/").replace('l', "\\u006c"),
            false => self.method().to_owned(),
        };
        let mut members = vec![
            "\"jsonrpc\":\"2.0\"".to_owned(),
            format!("\"method\":{space}\"{method}\""),
            format!("\"params\":{{{}}}", params.join(",")),
        ];
        if self.asks() {
            members.push(format!("\"id\":{id}"));
        }
        let turn = usize::from(self.turn) % members.len();
        members.rotate_left(turn);
        format!("{space}{{{space}{}{space}}}", members.join(","))
    }

    /// The result, or nothing, and the whole message that answers.
    fn answered(&self, id: usize, listed: &str) -> Option<(Option<String>, String)> {
        let member = match (&self.answer, self.method()) {
            _ if !self.asks() => return None,
            (Answer::None, _) => return None,
            (Answer::Error, _) => {
                return Some((
                    None,
                    format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"{SECRET}"}}}}"#
                    ),
                ));
            }
            (Answer::ToolError, _) => r#"{"content":[],"isError":true}"#.to_owned(),
            (Answer::Result(_), "tools/list") => format!(r#"{{"tools":[{listed}]}}"#),
            (Answer::Result(n), _) => {
                format!(r#"{{"content":[{{"type":"text","text":"{SECRET}{n}"}}],"isError":false}}"#)
            }
        };
        let whole = format!(r#"{{"result":{member},"jsonrpc":"2.0","id":{id}}}"#);
        Some((Some(member), whole))
    }
}

fn exchange(
    input: &Input,
    request: &[u8],
    request_whole: bool,
    answer: &[u8],
    answer_whole: bool,
) -> Exchange {
    let mut head =
        "POST /x HTTP/1.1\nHost: a\nContent-Type: application/json\nMCP-Protocol-Version: 2026-07-28\n"
            .to_owned();
    if input.fields
        && let [message] = input.messages.as_slice()
    {
        head.push_str(&format!("Mcp-Method: {}\n", message.method()));
        if let Some(name) = message.named() {
            head.push_str(&format!("Mcp-Name: {name}\n"));
        }
    }
    let kind = if input.events {
        "text/event-stream"
    } else {
        "application/json"
    };
    let mut exchange = ExchangeBuilder::new(Timestamp(1_000_000_000))
        .request(&head, request)
        .response(&format!("HTTP/1.1 200 OK\nContent-Type: {kind}\n"), answer)
        .build();
    if !request_whole || !answer_whole {
        exchange.flags.insert(Flags::TRUNCATED);
    }
    if let Some(request) = exchange.request.as_mut() {
        request.message.complete = request_whole;
    }
    if let Some(response) = exchange.response.as_mut() {
        response.message.complete = answer_whole;
    }
    exchange
}

/// What an exchange tells, and all that is shown of it in one text.
fn told(exchange: &Exchange) -> (Option<McpLabels>, Vec<ServerView>, String) {
    let mut analyzer = Analyzer::new(Settings::default());
    analyzer.forget_changes();
    let mut labels = None;
    let mut shown = String::new();
    for _ in 0..2 {
        let seen = analyzer.observe(exchange);
        shown.push_str(&format!("{:?}{:?}", seen.rpc, seen.mcp));
        labels = seen.mcp.map(|mcp| *mcp);
    }
    while let Some(finding) = analyzer.poll() {
        shown.push_str(&format!(
            "{:?}{:?}{:?}",
            finding.observed, finding.expected, finding.resource
        ));
    }
    let servers: Vec<ServerView> = analyzer.mcp_servers().collect();
    shown.push_str(&format!("{servers:?}"));
    (labels, servers, shown)
}

fn calls(labels: &Option<McpLabels>) -> &[McpCall] {
    labels.as_ref().map_or(&[], |labels| labels.calls.as_slice())
}

/// The target.
pub fn check(input: &Input) {
    let messages = &input.messages[..input.messages.len().min(8)];
    let batch = input.batch || messages.len() > 1;
    let listed: Vec<String> = input
        .listed
        .iter()
        .take(8)
        .map(|(n, said)| {
            format!(
                r#"{{"name":"{}","description":"{SECRET} {said}","inputSchema":{{"type":"object","properties":{{"{}":{{"type":"string"}}}}}}}}"#,
                name(*n),
                key(*said)
            )
        })
        .collect();
    let listed = listed.join(",");
    let written: Vec<String> = messages.iter().enumerate().map(|(id, m)| m.written(id)).collect();
    let mut body = match batch {
        true => format!("[{}]", written.join(",")),
        false => written.concat(),
    }
    .into_bytes();
    let answers: Vec<Option<(Option<String>, String)>> = messages
        .iter()
        .enumerate()
        .map(|(id, m)| m.answered(id, &listed))
        .collect();
    let mut texts: Vec<&str> = answers
        .iter()
        .flatten()
        .map(|(_, whole)| whole.as_str())
        .collect();
    if input.late {
        texts.reverse();
    }
    let answer = match (input.events, batch) {
        (true, _) => texts
            .iter()
            .map(|t| format!("event: message\ndata: {t}\n\n"))
            .collect(),
        (false, true) => format!("[{}]", texts.join(",")),
        (false, false) => texts.concat(),
    };
    for (at, byte) in &input.noise {
        let at = usize::from(*at) % body.len().max(1);
        if let Some(place) = body.get_mut(at) {
            *place = *byte;
        }
    }
    let of = |cut: Option<u16>, text: &[u8]| cut.map_or(text.len(), |at| usize::from(at).min(text.len()));
    let (end, answer_end) = (of(input.cut, &body), of(input.cut_answer, answer.as_bytes()));
    let whole = exchange(input, &body, true, answer.as_bytes(), true);
    let mut account = Account::default();
    let (labels, servers, shown) = account.charge(|| told(&whole));
    let most = account.peak();
    assert!(most < 4 << 20, "{most} bytes for {}", body.len());
    assert_eq!(
        (&labels, &shown),
        (&told(&whole).0, &told(&whole).2),
        "the same exchange told two things"
    );
    // Noise may take a part of the secret away, or put it where it is a name.
    if input.noise.is_empty() {
        assert!(!shown.contains(SECRET), "{shown}");
        as_written(messages, &answers, calls(&labels));
        let tools = servers.iter().flat_map(|s| &s.tools).map(|t| t.name.as_str());
        let known = |tool: &str| tool.starts_with("hash:") || NAMES.contains(&tool);
        assert!(tools.clone().all(known), "{:?}", tools.collect::<Vec<_>>());
    }
    let part = exchange(
        input,
        &body[..end],
        end == body.len(),
        &answer.as_bytes()[..answer_end],
        answer_end == answer.len(),
    );
    let (cut, _, shown) = told(&part);
    if input.noise.is_empty() {
        assert!(!shown.contains(SECRET), "{shown}");
        part_of(calls(&cut), calls(&labels), end < body.len());
    }
}

/// The calls are those that were written.
fn as_written(messages: &[Message], answers: &[Option<(Option<String>, String)>], found: &[McpCall]) {
    assert_eq!(found.len(), messages.len(), "{found:?}");
    for ((call, message), answer) in found.iter().zip(messages).zip(answers) {
        assert_eq!(call.method, message.method());
        match (&call.name, message.named()) {
            (Some(found), Some(written)) => assert!(is_shown(found, &written), "{found} for {written}"),
            (found, written) => assert_eq!(found.is_some(), written.is_some(), "{call:?}"),
        }
        let arguments = message.arguments();
        assert_eq!(call.arguments.len(), arguments.len(), "{call:?}");
        for ((name, kind), (key, value)) in call.arguments.iter().zip(&arguments) {
            assert!(is_shown(name, key), "{name} for {key}");
            assert_eq!(*kind, value.written().1, "{name}");
        }
        match answer {
            Some((Some(result), _)) => {
                assert_eq!(call.result_bytes, Some(result.len() as u64), "{call:?}");
                assert_eq!(
                    call.failed,
                    Some(matches!(message.answer, Answer::ToolError)),
                    "{call:?}"
                );
            }
            Some((None, _)) => assert_eq!((call.result_bytes, call.failed), (None, Some(true)), "{call:?}"),
            None => assert_eq!(call.failed, None, "{call:?}"),
        }
    }
}

/// What a cut body tells, the whole one does too.
fn part_of(part: &[McpCall], whole: &[McpCall], cut: bool) {
    assert!(part.len() <= whole.len().max(1), "{part:?} of {whole:?}");
    for (part, whole) in part.iter().zip(whole) {
        assert_eq!(part.method, whole.method);
        assert!(
            part.name.is_none() || part.name == whole.name,
            "{part:?} of {whole:?}"
        );
        let known = part.arguments.len() <= whole.arguments.len()
            && part.arguments.iter().zip(&whole.arguments).all(|(a, b)| a == b);
        assert!(known, "{part:?} of {whole:?}");
        assert!(cut || part.arguments == whole.arguments, "{part:?} of {whole:?}");
        if let (Some(part), Some(whole)) = (part.failed, whole.failed) {
            assert_eq!(part, whole);
        }
    }
}
