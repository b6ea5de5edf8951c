//! Calls of language models through the analysis: models, tokens, tools and stops are those that were written, whatever the texts
//! beside them hold; events that are read as they come tell what the whole body does; nothing of what was said is shown.

use analyzers::llm::LlmCall;
use analyzers::{Analyzer, Settings};
use arbitrary::Arbitrary;
use reassembly::build::ExchangeBuilder;
use reassembly::{Direction, Exchange, Flags, Part, PartKind, PartOf, Timestamp};

use crate::memory::Account;

#[derive(Debug, Arbitrary)]
pub struct Input {
    dialect: u8,
    streamed: bool,
    /// Texts that the model says, by number.
    said: Vec<u8>,
    /// Tools that it calls, by number.
    called: Vec<u8>,
    /// Tokens in, out, and of a cache.
    tokens: (u16, u16, u16),
    escaped: bool,
    cut: Option<u16>,
    noise: Vec<(u16, u8)>,
}

const SECRET: &str = "xQ93kZp0Vw7Lr2";
const TOOLS: [&str; 4] = ["tide_table", "free_berths", "search", "bash"];
const MODELS: [&str; 4] = [
    "gpt-5-mini",
    "claude-sonnet-4-5",
    "gemini-2.5-flash",
    "llama3.2:3b",
];

/// Texts with signs that a reader may take for structure, as they stand in a string.
const TEXTS: [&str; 6] = [
    "xQ93kZp0Vw7Lr2",
    r#"\"usage\":{\"output_tokens\":999999,\"completion_tokens\":999999},\"model\":\"evil\""#,
    r#"\"}],\"tool_calls\":[{\"function\":{\"name\":\"evil\"}}]"#,
    r"data: {\n\n\\",
    r"é\u00e9\ud83d\ude00",
    r#"\",\"finish_reason\":\"length\",\"stop_reason\":\"refusal\",\"done_reason\":\"load"#,
];

impl Input {
    fn dialect(&self) -> usize {
        usize::from(self.dialect % 4)
    }

    fn said(&self) -> Vec<&'static str> {
        let all = self.said.iter().take(16);
        all.map(|n| TEXTS[usize::from(*n) % TEXTS.len()]).collect()
    }

    fn called(&self) -> Vec<&'static str> {
        let all = self.called.iter().take(8);
        all.map(|n| TOOLS[usize::from(*n) % TOOLS.len()]).collect()
    }

    fn request(&self) -> (&'static str, String) {
        let model = MODELS[self.dialect()];
        let (stream, text) = (self.streamed, TEXTS[1]);
        match self.dialect() {
            2 => {
                let target = match stream {
                    true => "/v1/models/gemini-2.5-flash:streamGenerateContent",
                    false => "/v1/models/gemini-2.5-flash:generateContent",
                };
                (
                    target,
                    format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"{text}"}}]}}]}}"#),
                )
            }
            n => {
                let target = ["/v1/chat/completions", "/v1/messages", "", "/api/chat"][n];
                (
                    target,
                    format!(
                        r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"{text}"}}]}}"#
                    ),
                )
            }
        }
    }

    /// The documents of the answer: one, or one an event or a line.
    fn documents(&self) -> Vec<String> {
        let (model, (took, gave, cached)) = (MODELS[self.dialect()], self.tokens);
        let (said, called) = (self.said(), self.called());
        let mut all = Vec::new();
        match (self.dialect(), self.streamed) {
            (0, streamed) => {
                let head = format!(r#""id":"c","model":"{model}-1""#);
                let usage = format!(
                    r#""usage":{{"prompt_tokens":{took},"completion_tokens":{gave},"prompt_tokens_details":{{"cached_tokens":{cached}}}}}"#
                );
                let tool =
                    |name: &&str| format!(r#"{{"function":{{"name":"{name}","arguments":"{}"}}}}"#, TEXTS[1]);
                if !streamed {
                    let tools: Vec<String> = called.iter().map(tool).collect();
                    return vec![format!(
                        r#"{{{head},"choices":[{{"message":{{"role":"assistant","content":"{}","tool_calls":[{}]}},"finish_reason":"stop"}}],{usage}}}"#,
                        said.concat(),
                        tools.join(",")
                    )];
                }
                let chunk = |delta: String| {
                    format!(
                        r#"{{"object":"chat.completion.chunk",{head},"choices":[{{"delta":{{{delta}}},"finish_reason":null}}]}}"#
                    )
                };
                all.push(chunk(r#""role":"assistant""#.into()));
                all.extend(said.iter().map(|text| chunk(format!(r#""content":"{text}""#))));
                all.extend(
                    called
                        .iter()
                        .map(|name| chunk(format!(r#""tool_calls":[{}]"#, tool(name)))),
                );
                all.push(format!(
                    r#"{{{head},"choices":[{{"delta":{{}},"finish_reason":"stop"}}]}}"#
                ));
                all.push(format!(r#"{{{head},"choices":[],{usage}}}"#));
                all.push("[DONE]".into());
            }
            (1, streamed) => {
                let usage = |out: u16| {
                    format!(
                        r#""usage":{{"input_tokens":{took},"cache_read_input_tokens":{cached},"output_tokens":{out}}}"#
                    )
                };
                let mut blocks: Vec<String> = said
                    .iter()
                    .map(|text| format!(r#"{{"type":"text","text":"{text}"}}"#))
                    .collect();
                blocks.extend(called.iter().map(|name| {
                    format!(r#"{{"type":"tool_use","id":"t","name":"{name}","input":{{"name":"{SECRET}","usage":{{"output_tokens":77777}}}}}}"#)
                }));
                if !streamed {
                    return vec![format!(
                        r#"{{"type":"message","model":"{model}-1","content":[{}],"stop_reason":"end_turn",{}}}"#,
                        blocks.join(","),
                        usage(gave)
                    )];
                }
                all.push(format!(
                    r#"{{"type":"message_start","message":{{"model":"{model}-1","content":[],"stop_reason":null,{}}}}}"#,
                    usage(gave.min(1))
                ));
                all.extend(
                    blocks
                        .iter()
                        .map(|block| format!(r#"{{"type":"content_block_start","content_block":{block}}}"#)),
                );
                all.push(format!(
                    r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{{"output_tokens":{gave}}}}}"#
                ));
                all.push(r#"{"type":"message_stop"}"#.into());
            }
            (2, streamed) => {
                let parts = said.iter().map(|text| format!(r#"{{"text":"{text}"}}"#));
                let calls = called.iter().map(|name| {
                    format!(r#"{{"functionCall":{{"name":"{name}","args":{{"name":"{SECRET}"}}}}}}"#)
                });
                let parts: Vec<String> = parts.chain(calls).collect();
                let end = format!(
                    r#""usageMetadata":{{"promptTokenCount":{took},"candidatesTokenCount":{gave},"cachedContentTokenCount":{cached}}},"modelVersion":"{model}-1""#
                );
                let document = |parts: &str, stop: &str| {
                    format!(
                        r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}}{stop}}}],{end}}}"#
                    )
                };
                let stop = r#","finishReason":"STOP""#;
                if !streamed {
                    return vec![document(&parts.join(","), stop)];
                }
                all.extend(parts.iter().map(|part| document(part, "")));
                all.push(document("", stop));
            }
            (_, streamed) => {
                let end = format!(
                    r#""done_reason":"stop","done":true,"prompt_eval_count":{took},"eval_count":{gave}"#
                );
                let tool = |name: &&str| {
                    format!(r#"{{"function":{{"name":"{name}","arguments":{{"name":"{SECRET}"}}}}}}"#)
                };
                let message = |text: &str, tools: &str| {
                    format!(
                        r#""model":"{model}","message":{{"role":"assistant","content":"{text}","tool_calls":[{tools}]}}"#
                    )
                };
                let tools: Vec<String> = called.iter().map(tool).collect();
                if !streamed {
                    return vec![format!("{{{},{end}}}", message(&said.concat(), &tools.join(",")))];
                }
                all.extend(
                    said.iter()
                        .map(|text| format!("{{{},\"done\":false}}", message(text, ""))),
                );
                all.push(format!("{{{},\"done\":false}}", message("", &tools.join(","))));
                all.push(format!("{{{},{end}}}", message("", "")));
            }
        }
        all
    }

    fn is_events(&self) -> bool {
        self.streamed && self.dialect() != 3
    }

    fn answer(&self) -> (&'static str, String) {
        let documents = self.documents();
        match (self.streamed, self.dialect()) {
            (false, _) => ("application/json", documents.concat()),
            (true, 3) => ("application/x-ndjson", documents.join("\n") + "\n"),
            (true, _) => {
                let end = if self.escaped { "\r\n\r\n" } else { "\n\n" };
                let events = documents.iter().map(|d| format!("data: {d}{end}"));
                ("text/event-stream", events.collect())
            }
        }
    }
}

fn exchange(input: &Input, answer: &[u8], whole: bool) -> Exchange {
    let (target, body) = input.request();
    let (kind, _) = input.answer();
    let version = if input.dialect() == 1 {
        "anthropic-version: 2023-06-01\n"
    } else {
        ""
    };
    let mut exchange = ExchangeBuilder::new(Timestamp(1_000_000_000))
        .request(
            &format!("POST {target} HTTP/1.1\nHost: a\nContent-Type: application/json\n{version}"),
            body.as_bytes(),
        )
        .response(&format!("HTTP/1.1 200 OK\nContent-Type: {kind}\n"), answer)
        .build();
    if !whole {
        exchange.flags.insert(Flags::TRUNCATED);
        if let Some(response) = exchange.response.as_mut() {
            response.message.complete = false;
        }
    }
    exchange
}

/// An event as it comes, before its exchange is over.
fn part(exchange: &Exchange, number: usize, document: &str) -> PartOf {
    PartOf {
        flow: exchange.flow.clone(),
        exchange: exchange.index,
        settled: true,
        part: Part {
            direction: Direction::ToClient,
            number: number as u64,
            kind: PartKind::Event {
                name: String::new(),
                id: None,
            },
            ts: Timestamp(1_000_000_000),
            last: Timestamp(1_000_000_000),
            frames: (0, 0),
            bytes: document.len() as u64,
            content_bytes: document.len() as u64,
            complete: true,
            flags: Flags::default(),
            body: document.as_bytes().to_vec(),
        },
    }
}

fn told(parts: &[PartOf], exchange: &Exchange) -> (Option<LlmCall>, String) {
    let mut analyzer = Analyzer::new(Settings::default());
    analyzer.forget_changes();
    parts.iter().for_each(|part| analyzer.observe_part(part));
    let labels = analyzer.observe(exchange);
    let mut shown = format!("{:?}{:?}", labels.rpc, labels.llm);
    while let Some(finding) = analyzer.poll() {
        shown.push_str(&format!(
            "{:?}{:?}{:?}",
            finding.observed, finding.expected, finding.resource
        ));
    }
    shown.push_str(&format!("{:?}", analyzer.principals().collect::<Vec<_>>()));
    (labels.llm.map(|call| *call), shown)
}

/// The target.
pub fn check(input: &Input) {
    let (_, answer) = input.answer();
    let whole = exchange(input, answer.as_bytes(), true);
    let mut account = Account::default();
    let (call, shown) = account.charge(|| told(&[], &whole));
    let most = account.peak();
    assert!(most < 4 << 20, "{most} bytes for {}", answer.len());
    assert!(!shown.contains(SECRET) && !shown.contains("evil"), "{shown}");
    assert_eq!(
        (&call, &shown),
        (&told(&[], &whole).0, &told(&[], &whole).1),
        "the same exchange told two things"
    );
    let call = call.expect("it is a call of a model");
    let (took, gave, cached) = input.tokens;
    let (took, gave, cached) = (u64::from(took), u64::from(gave), u64::from(cached));
    // Anthropic counts what a cache had beside the rest.
    let want = match input.dialect() {
        1 => (took + cached, gave, Some(cached)),
        3 => (took, gave, None),
        _ => (took, gave, Some(cached)),
    };
    assert_eq!(
        (call.input_tokens, call.output_tokens, call.cached_tokens),
        (Some(want.0), Some(want.1), want.2)
    );
    assert_eq!(call.model.as_deref(), Some(MODELS[input.dialect()]));
    assert_eq!(
        call.stop,
        Some(["stop", "end_turn", "stop", "stop"][input.dialect()])
    );
    assert_eq!(call.streamed, input.streamed);
    let mut called: Vec<(String, u64)> = Vec::new();
    for name in TOOLS {
        let count = input.called().iter().filter(|n| **n == name).count() as u64;
        if count > 0 {
            called.push((name.to_owned(), count));
        }
    }
    called.sort();
    assert_eq!(call.tools_called, called);
    if input.is_events() {
        // Of the body no more is kept than its beginning; the events told the rest.
        let documents = input.documents();
        let parts: Vec<PartOf> = documents
            .iter()
            .enumerate()
            .map(|(n, d)| part(&whole, n, d))
            .collect();
        assert_eq!(told(&parts, &whole).0.as_ref(), Some(&call));
        let kept = answer.len().min(documents[0].len());
        assert_eq!(
            told(&parts, &exchange(input, &answer.as_bytes()[..kept], false)).0,
            Some(call)
        );
    }
    let mut broken = answer.into_bytes();
    for (at, byte) in &input.noise {
        let at = usize::from(*at) % broken.len().max(1);
        if let Some(place) = broken.get_mut(at) {
            *place = *byte;
        }
    }
    broken.truncate(input.cut.map_or(broken.len(), usize::from));
    let part = exchange(input, &broken, false);
    let (one, two) = (told(&[], &part), told(&[], &part));
    assert_eq!(one, two, "the same exchange told two things");
    let kept = |n: Option<u64>, most: u64| !input.noise.is_empty() || n.is_none_or(|n| n <= most);
    let one = one.0.expect("it is a call of a model");
    assert!(
        kept(one.output_tokens, want.1) && kept(one.input_tokens, want.0),
        "{one:?}"
    );
    assert!(one.tools_called.len() <= 64);
}
