//! Calls of A2A and cards through the analysis: method, parts and states are those that were written, in both generations and over
//! two bindings; a cut body tells nothing that the whole one does not; nothing is shown that is not fit to be; memory is bounded.

use analyzers::{A2aLabels, A2aParts, AgentView, Analyzer, Settings};
use arbitrary::Arbitrary;
use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Flags, Timestamp};

use crate::memory::Account;

/// A part of a message or an artifact.
#[derive(Debug, Arbitrary)]
pub enum Part {
    Text(u8),
    File(u8),
    Data(u8),
}

/// What is answered.
#[derive(Debug, Arbitrary)]
pub enum Answer {
    None,
    Error(i16),
    /// States in their order, with parts beside.
    Task(Vec<u8>, Vec<Part>),
    Message(Vec<Part>),
}

#[derive(Debug, Arbitrary)]
pub struct Input {
    modern: bool,
    rest: bool,
    streamed: bool,
    sent: Vec<Part>,
    answer: Answer,
    card: Option<(u8, Vec<u8>, bool)>,
    cut: Option<u16>,
    cut_answer: Option<u16>,
    /// Bytes written over the body and the answer, where they fall.
    noise: Vec<(u16, u8)>,
}

/// A text that must never be shown.
const SECRET: &str = "xQ93kZp0Vw7Lr2";

const STATES: [&str; 8] = [
    "submitted",
    "working",
    "input_required",
    "auth_required",
    "completed",
    "canceled",
    "failed",
    "rejected",
];

/// Texts with signs that a reader may take for structure.
fn text(number: u8) -> String {
    let inside = [
        "",
        "a,b}]",
        r#"\"parts\":[\"x\"],"#,
        r"\\",
        r"é\u00e9\ud83d\ude00",
        r"\ndata: {}\n\n",
        "TASK_STATE_FAILED",
    ];
    format!("{SECRET}{}", inside[usize::from(number) % inside.len()])
}

impl Part {
    /// Its kind, its content as it is written, and the part.
    fn written(&self, modern: bool) -> (&'static str, u64, String) {
        let (kind, content) = match self {
            Self::Text(n) => ("text", format!("\"{}\"", text(*n))),
            Self::File(n) if modern => ("file", format!("\"{}\"", text(*n))),
            Self::File(n) => ("file", format!("{{\"bytes\":\"{}\"}}", text(*n))),
            Self::Data(n) => {
                let deep = usize::from(*n % 40);
                (
                    "data",
                    format!("{{\"a\":{}\"{SECRET}\"{}}}", "[".repeat(deep), "]".repeat(deep)),
                )
            }
        };
        let quotes = if content.starts_with('"') { 2 } else { 0 };
        let whole = match (modern, kind) {
            (true, "file") => format!("{{\"raw\":{content}}}"),
            (true, _) => format!("{{\"{kind}\":{content}}}"),
            (false, _) => format!("{{\"kind\":\"{kind}\",\"{kind}\":{content}}}"),
        };
        (kind, content.len() as u64 - quotes, whole)
    }
}

fn list(parts: &[Part], modern: bool) -> String {
    let all: Vec<String> = parts.iter().take(8).map(|part| part.written(modern).2).collect();
    format!("[{}]", all.join(","))
}

/// Parts as they are told.
fn sums(parts: &[Part], modern: bool) -> Vec<A2aParts> {
    let mut all: Vec<A2aParts> = Vec::new();
    for part in parts.iter().take(8) {
        let (kind, bytes, _) = part.written(modern);
        match all.iter_mut().find(|own| own.kind == kind) {
            Some(own) => {
                own.count += 1;
                own.bytes += bytes;
            }
            None => all.push(A2aParts {
                kind,
                count: 1,
                bytes,
            }),
        }
    }
    all.sort_by_key(|own| own.kind);
    all
}

impl Input {
    fn modern(&self) -> bool {
        self.modern || self.rest
    }

    fn state(&self, number: u8) -> (&'static str, String) {
        let state = STATES[usize::from(number) % STATES.len()];
        match self.modern() {
            true => (state, format!("TASK_STATE_{}", state.to_uppercase())),
            false => (state, state.replace('_', "-")),
        }
    }

    fn message(&self, parts: &[Part], role: &str) -> String {
        let (role, kind) = match self.modern() {
            true => (format!("ROLE_{}", role.to_uppercase()), ""),
            false => (role.to_owned(), r#","kind":"message""#),
        };
        format!(
            r#"{{"messageId":"{SECRET}m","contextId":"{SECRET}c","role":"{role}","parts":{}{kind}}}"#,
            list(parts, self.modern())
        )
    }

    /// Payloads of the answer, and the states that they tell in a row.
    fn payloads(&self) -> (Vec<String>, Vec<&'static str>) {
        let modern = self.modern();
        let wrap = |member: &str, whole: String| match modern {
            true => format!("{{\"{member}\":{whole}}}"),
            false => whole,
        };
        match &self.answer {
            Answer::None | Answer::Error(_) => (Vec::new(), Vec::new()),
            Answer::Message(parts) => (vec![wrap("message", self.message(parts, "agent"))], Vec::new()),
            Answer::Task(states, parts) => {
                let most = if self.streamed { 12 } else { 1 };
                let mut told: Vec<&'static str> = Vec::new();
                let mut all = Vec::new();
                let first = [0];
                let states = if states.is_empty() {
                    &first[..]
                } else {
                    &states[..]
                };
                for (n, state) in states.iter().take(most).enumerate() {
                    let (name, written) = self.state(*state);
                    if told.last() != Some(&name) {
                        told.push(name);
                    }
                    let status = format!(r#"{{"state":"{written}","timestamp":"{SECRET}"}}"#);
                    all.push(if n == 0 {
                        let artifact = format!(r#"{{"artifactId":"{SECRET}","parts":{}}}"#, list(parts, modern));
                        let kind = if modern { "" } else { r#","kind":"task""# };
                        wrap("task", format!(r#"{{"id":"{SECRET}t","contextId":"{SECRET}c","status":{status},"artifacts":[{artifact}]{kind}}}"#))
                    } else {
                        let kind = if modern { "" } else { r#","kind":"status-update""# };
                        wrap("statusUpdate", format!(r#"{{"taskId":"{SECRET}t","contextId":"{SECRET}c","status":{status}{kind}}}"#))
                    });
                }
                (all, told)
            }
        }
    }

    fn texts(&self) -> (String, String) {
        let sent = format!(r#"{{"message":{}}}"#, self.message(&self.sent, "user"));
        let body = match self.rest {
            true => sent,
            false => format!(
                r#"{{"jsonrpc":"2.0","id":"{SECRET}","method":"{}","params":{sent}}}"#,
                self.method()
            ),
        };
        let framed = |payload: &str| match self.rest {
            true => payload.to_owned(),
            false => format!(r#"{{"jsonrpc":"2.0","id":"{SECRET}","result":{payload}}}"#),
        };
        let answer = match &self.answer {
            Answer::Error(code) if self.rest => {
                format!(r#"{{"error":{{"code":{code},"message":"{SECRET}"}}}}"#)
            }
            Answer::Error(code) => {
                format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"{SECRET}"}}}}"#)
            }
            _ if self.streamed => {
                let events = self.payloads().0;
                events
                    .iter()
                    .map(|event| format!("data: {}\n\n", framed(event)))
                    .collect()
            }
            _ => self
                .payloads()
                .0
                .first()
                .map(|payload| framed(payload))
                .unwrap_or_default(),
        };
        (body, answer)
    }

    fn method(&self) -> &'static str {
        match (self.streamed, self.modern()) {
            (false, false) => "message/send",
            (true, false) => "message/stream",
            (false, true) => "SendMessage",
            (true, true) => "SendStreamingMessage",
        }
    }

    fn exchange(&self, body: &[u8], whole: bool, answer: &[u8], answer_whole: bool) -> Exchange {
        let path = match (self.rest, self.streamed) {
            (false, _) => "/x",
            (true, false) => "/message:send",
            (true, true) => "/message:stream",
        };
        let kind = match self.streamed && !matches!(self.answer, Answer::Error(_)) {
            true => "text/event-stream",
            false => "application/json",
        };
        let head = format!("POST {path} HTTP/1.1\nHost: a\nContent-Type: application/json\n");
        let mut exchange = ExchangeBuilder::new(Timestamp(1_000_000_000))
            .request(&head, body)
            .response(&format!("HTTP/1.1 200 OK\nContent-Type: {kind}\n"), answer)
            .build();
        if !whole || !answer_whole {
            exchange.flags.insert(Flags::TRUNCATED);
        }
        if let Some(request) = exchange.request.as_mut() {
            request.message.complete = whole;
        }
        if let Some(response) = exchange.response.as_mut() {
            response.message.complete = answer_whole;
        }
        exchange
    }

    /// The card that is asked for twice, the second time with other words.
    fn cards(&self) -> Vec<Exchange> {
        let Some((skills, words, signed)) = &self.card else {
            return Vec::new();
        };
        let card = |round: u8| {
            let skills: Vec<String> = (0..*skills % 40)
                .map(|n| {
                    let word = words.get(usize::from(n)).copied().unwrap_or(0) ^ round;
                    format!(
                        r#"{{"id":"skill-{n}","name":"Skill","description":"{}","tags":["{SECRET}"]}}"#,
                        text(word)
                    )
                })
                .collect();
            let signatures = if *signed {
                r#"[{"protected":"eyJhbGciOiJFUzI1NiJ9","signature":"c2ln"}]"#
            } else {
                "[]"
            };
            format!(
                r#"{{"name":"Clerk","description":"{SECRET}","version":"1.0.0","supportedInterfaces":[{{"url":"https://a/x?{SECRET}","protocolBinding":"JSONRPC"}}],"capabilities":{{}},"skills":[{}],"signatures":{signatures}}}"#,
                skills.join(",")
            )
        };
        let get = |round: u8| {
            ExchangeBuilder::new(Timestamp(1_000_000_000 + u64::from(round)))
                .request("GET /.well-known/agent-card.json HTTP/1.1\nHost: a\n", "")
                .response(
                    "HTTP/1.1 200 OK\nContent-Type: application/json\n",
                    card(round).as_bytes(),
                )
                .build()
        };
        vec![get(0), get(1)]
    }
}

/// What an exchange tells, and all that is shown of it in one text.
fn told(exchange: &Exchange, cards: &[Exchange]) -> (Option<A2aLabels>, Vec<AgentView>, String) {
    let mut analyzer = Analyzer::new(Settings::default());
    analyzer.forget_changes();
    let (mut labels, mut shown) = (None, String::new());
    for card in cards {
        shown.push_str(&format!("{:?}", analyzer.observe(card).a2a));
    }
    for _ in 0..2 {
        let seen = analyzer.observe(exchange);
        shown.push_str(&format!("{:?}{:?}", seen.rpc, seen.a2a));
        labels = seen.a2a.map(|a2a| *a2a);
    }
    while let Some(finding) = analyzer.poll() {
        shown.push_str(&format!(
            "{:?}{:?}{:?}",
            finding.observed, finding.expected, finding.resource
        ));
    }
    let agents: Vec<AgentView> = analyzer.a2a_agents().collect();
    shown.push_str(&format!("{agents:?}"));
    (labels, agents, shown)
}

/// The target.
pub fn check(input: &Input) {
    let (body, answer) = input.texts();
    let (mut body, mut answer) = (body.into_bytes(), answer.into_bytes());
    for (at, byte) in &input.noise {
        for text in [&mut body, &mut answer] {
            let at = usize::from(*at) % text.len().max(1);
            if let Some(place) = text.get_mut(at) {
                *place = *byte;
            }
        }
    }
    let cards = input.cards();
    let whole = input.exchange(&body, true, &answer, true);
    let mut account = Account::default();
    let (labels, agents, shown) = account.charge(|| told(&whole, &cards));
    let most = account.peak();
    assert!(most < 4 << 20, "{most} bytes for {}", body.len() + answer.len());
    assert_eq!(shown, told(&whole, &cards).2, "the same exchange told two things");
    assert!(agents.len() <= 2, "{agents:?}");
    // Noise may take a part of the secret away.
    if !input.noise.is_empty() {
        return;
    }
    assert!(!shown.contains(SECRET), "{shown}");
    let labels = labels.expect("a call");
    assert_eq!(labels.method.as_deref(), Some(input.method()));
    assert_eq!(labels.sent, sums(&input.sent, input.modern()));
    match &input.answer {
        Answer::None => assert_eq!(labels.failed, None),
        Answer::Error(code) => {
            assert_eq!(
                (labels.failed, labels.error),
                (Some(true), Some(i64::from(*code)))
            );
        }
        Answer::Message(parts) | Answer::Task(_, parts) => {
            assert_eq!(labels.states, input.payloads().1);
            assert_eq!(labels.received, sums(parts, input.modern()));
            assert_eq!(labels.failed, Some(false));
        }
    }
    let of = |cut: Option<u16>, text: &[u8]| cut.map_or(text.len(), |at| usize::from(at).min(text.len()));
    let (end, answer_end) = (of(input.cut, &body), of(input.cut_answer, &answer));
    let part = input.exchange(
        &body[..end],
        end == body.len(),
        &answer[..answer_end],
        answer_end == answer.len(),
    );
    let (cut, _, shown) = told(&part, &cards);
    assert!(!shown.contains(SECRET), "{shown}");
    if let Some(cut) = cut {
        assert_eq!(cut.method, labels.method);
        assert!(labels.states.starts_with(&cut.states), "{cut:?} of {labels:?}");
        for (part, whole) in [(&cut.sent, &labels.sent), (&cut.received, &labels.received)] {
            for part in part {
                let own = whole.iter().find(|own| own.kind == part.kind);
                let least = own.is_some_and(|own| part.count <= own.count && part.bytes <= own.bytes + 1);
                assert!(least, "{part:?} of {whole:?}");
            }
        }
    }
}
