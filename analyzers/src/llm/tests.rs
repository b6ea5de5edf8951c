//! Calls in every dialect, whole, streamed and cut off.

use reassembly::build::ExchangeBuilder;
use reassembly::{Exchange, Timestamp};

use super::*;

const KEY: [u8; 32] = [7; 32];

fn exchange(path: &str, fields: &str, body: &str, kind: &str, answer: impl Into<Vec<u8>>) -> Exchange {
    ExchangeBuilder::new(Timestamp(1))
        .request(
            &format!(
                "POST {path} HTTP/1.1\nHost: llm.acme.example\nContent-Type: application/json\n{fields}"
            ),
            body,
        )
        .response(&format!("HTTP/1.1 200 OK\nContent-Type: {kind}\n"), answer)
        .build()
}

fn call(exchange: &Exchange) -> Option<LlmCall> {
    let request = exchange.request.as_ref().unwrap();
    read(request, exchange.response.as_ref(), None, &KEY, Seed::new(&KEY))
}

/// Operation, dialect, models, tokens, stop reason, tools offered and called, messages, streamed: in one line.
fn line(path: &str, fields: &str, body: &str, kind: &str, answer: impl Into<Vec<u8>>) -> String {
    let Some(c) = call(&exchange(path, fields, body, kind, answer)) else {
        return "none".into();
    };
    let or = |n: Option<u64>| n.map_or("-".into(), |n| n.to_string());
    let called: Vec<_> = c.tools_called.iter().map(|(t, n)| format!("{t}*{n}")).collect();
    format!(
        "{} {} {} {} {}/{}/{} {} offered={} called={} messages={} system={} streamed={}",
        c.dialect.name(),
        c.operation,
        c.model.as_deref().unwrap_or("-"),
        c.model_answered.as_deref().unwrap_or("-"),
        or(c.input_tokens),
        or(c.output_tokens),
        or(c.cached_tokens),
        c.stop.unwrap_or("-"),
        c.tools_offered.join(","),
        called.join(","),
        c.messages,
        c.system.is_some(),
        c.streamed,
    )
}

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";

#[test]
fn openai_chat_whole_and_streamed() {
    let body = r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi \"stream\":true"}],"model":"gpt-4o","tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"name":{"type":"string"}}}}}]}"#;
    let answer = r#"{"id":"x","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{\"name\":\"usage\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":82,"completion_tokens":17,"total_tokens":99,"prompt_tokens_details":{"cached_tokens":64}}}"#;
    assert_eq!(
        line("/v1/chat/completions", "", body, JSON, answer),
        "openai chat gpt-4o gpt-4o-2024-08-06 82/17/64 tool_calls offered=get_weather called=get_weather*1 messages=2 system=true streamed=false"
    );
    let streamed = "data: {\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"\"}}]},\"finish_reason\":null}],\"usage\":null}\n\n\
        data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}\n\n\
        data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":82,\"completion_tokens\":17,\"prompt_tokens_details\":{\"cached_tokens\":0}}}\n\ndata: [DONE]\n\n";
    assert_eq!(
        line(
            "/openai/deployments/prod-4o/chat/completions?api-version=2024-10-21",
            "",
            &body.replace("\"model\":\"gpt-4o\",", ""),
            SSE,
            streamed
        ),
        "openai chat prod-4o gpt-4o-2024-08-06 82/17/0 tool_calls offered=get_weather called=get_weather*1 messages=2 system=true streamed=true"
    );
    // A gateway under a path of its own, told by its body alone.
    assert!(line("/llm/proxy", "", body, JSON, answer).starts_with("openai chat gpt-4o "));
    // Cut off: the path and what is there.
    let cut = line("/v1/chat/completions", "", &body[..90], SSE, &streamed[..300]);
    assert!(
        cut.starts_with("openai chat - gpt-4o-2024-08-06 -/-/- -"),
        "{cut}"
    );
}

#[test]
fn openai_responses_whole_and_streamed() {
    let body = r#"{"model":"gpt-5","instructions":"You are terse.","input":[{"role":"user","content":[{"type":"input_text","text":"go"}]}],"tools":[{"type":"code_interpreter","container":{"type":"auto"}},{"type":"function","name":"lookup","parameters":{}}],"stream":true}"#;
    let answer = r#"{"object":"response","status":"completed","model":"gpt-5-2026-01-01","output":[{"type":"reasoning","summary":[]},{"type":"code_interpreter_call","code":"print(1)","status":"completed"},{"type":"function_call","name":"lookup","arguments":"{}"},{"type":"message","content":[{"type":"output_text","text":"x"}]}],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":6,"output_tokens_details":{"reasoning_tokens":3}}}"#;
    assert_eq!(
        line("/v1/responses", "", body, JSON, answer),
        "openai_responses responses gpt-5 gpt-5-2026-01-01 10/6/4 completed offered=code_interpreter,lookup called=code_interpreter*1,lookup*1 messages=1 system=true streamed=false"
    );
    let item = r#""item":{"type":"function_call","name":"lookup","status":"in_progress"}"#;
    let streamed = format!(
        "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"model\":\"gpt-5-2026-01-01\",\"status\":\"in_progress\"}}}}\n\n\
         data: {{\"type\":\"response.output_item.added\",{item}}}\n\ndata: {{\"type\":\"response.output_item.done\",{item}}}\n\n\
         data: {{\"type\":\"response.incomplete\",\"response\":{{\"status\":\"incomplete\",\"incomplete_details\":{{\"reason\":\"max_output_tokens\"}},\"output\":[{{\"type\":\"function_call\",\"name\":\"lookup\"}}],\"usage\":{{\"input_tokens\":10,\"output_tokens\":6}}}}}}\n\n"
    );
    assert_eq!(
        line("/v1/responses", "", body, SSE, streamed),
        "openai_responses responses gpt-5 gpt-5-2026-01-01 10/6/- max_output_tokens offered=code_interpreter,lookup called=lookup*1 messages=1 system=true streamed=true"
    );
}

#[test]
fn anthropic_whole_and_streamed() {
    let body = r#"{"model":"claude-sonnet-4-5","max_tokens":64,"system":[{"type":"text","text":"You are a clerk."}],"messages":[{"role":"user","content":"a"},{"content":[{"type":"text","text":"b"}],"role":"assistant"}],"tools":[{"name":"bash","type":"bash_20250124"},{"name":"search","input_schema":{"type":"object"}}]}"#;
    let version = "anthropic-version: 2023-06-01\n";
    let answer = r#"{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"ok"},{"type":"tool_use","id":"t","name":"bash","input":{"command":"ls","usage":{"output_tokens":9999}}}],"stop_reason":"tool_use","usage":{"input_tokens":5,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":30}}"#;
    assert_eq!(
        line("/v1/messages", version, body, JSON, answer),
        "anthropic messages claude-sonnet-4-5 claude-sonnet-4-5-20250929 1105/30/1000 tool_use offered=bash,search called=bash*1 messages=2 system=true streamed=false"
    );
    let streamed = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5-20250929\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
        event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"bash\",\"input\":{}}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"stop_reason\\\":\\\"refusal\\\"\"}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":30}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let want = "anthropic messages claude-sonnet-4-5 claude-sonnet-4-5-20250929 5/30/- tool_use offered=bash,search called=bash*1 messages=2 system=true streamed=true";
    assert_eq!(line("/v1/messages", version, body, SSE, streamed), want);
    // Counting is no answer, and what is counted is sent all the same.
    let counted = line(
        "/v1/messages/count_tokens",
        version,
        body,
        JSON,
        r#"{"input_tokens":33}"#,
    );
    assert!(
        counted.starts_with("anthropic count_tokens claude-sonnet-4-5 - -/-/- - "),
        "{counted}"
    );
    // Through a gateway's own path, the field of the version says whose it is.
    assert_eq!(line("/claude", version, body, SSE, streamed), want);
    // Without it, the answer does.
    assert!(line("/claude", "", body, SSE, streamed).starts_with("anthropic chat "));
}

#[test]
fn gemini_whole_and_streamed() {
    let body = r#"{"systemInstruction":{"parts":[{"text":"Be kind."}]},"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"find_hotel"}]}]}"#;
    let part = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"find_hotel","args":{"name":"x"}}},{"executableCode":{"language":"PYTHON","code":"1"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":40,"cachedContentTokenCount":8,"candidatesTokenCount":5,"thoughtsTokenCount":7},"modelVersion":"gemini-2.5-flash"}"#;
    let want = "gemini generateContent gemini-2.5-flash gemini-2.5-flash 40/12/8 stop offered=find_hotel called=code_execution*1,find_hotel*1 messages=1 system=true streamed";
    let path = "/v1beta/models/gemini-2.5-flash";
    assert_eq!(
        line(&format!("{path}:generateContent"), "", body, JSON, part),
        format!("{want}=false")
    );
    let streamed = format!(
        "data: {{\"candidates\":[],\"usageMetadata\":{{\"promptTokenCount\":40}}}}\r\n\r\ndata: {part}\r\n\r\n"
    );
    assert_eq!(
        line(
            &format!("{path}:streamGenerateContent?alt=sse"),
            "",
            body,
            SSE,
            streamed
        ),
        format!("{want}=true")
    );
    // Without `alt=sse` it is one array.
    assert_eq!(
        line(
            &format!("{path}:streamGenerateContent"),
            "",
            body,
            JSON,
            format!("[{{\"candidates\":[]}},\n{part}]")
        ),
        format!("{want}=true")
    );
}

#[test]
fn bedrock_whole_and_streamed() {
    let path = "/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0";
    let body = r#"{"system":[{"text":"Be."}],"messages":[{"role":"user","content":[{"text":"x"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"sum"}}]}}"#;
    let answer = r#"{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":"sum","input":{}}}]}},"stopReason":"tool_use","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5,"cacheReadInputTokens":7}}"#;
    let model = "us.anthropic.claude-sonnet-4-20250514-v1:0";
    assert_eq!(
        line(&format!("{path}/converse"), "", body, JSON, answer),
        format!(
            "bedrock converse {model} - 10/2/7 tool_use offered=sum called=sum*1 messages=1 system=true streamed=false"
        )
    );
    let mut stream = Vec::new();
    for payload in [
        r#"{"start":{"toolUse":{"toolUseId":"t","name":"sum"}}}"#,
        r#"{"delta":{"text":"x"}}"#,
        r#"{"stopReason":"tool_use"}"#,
        r#"{"usage":{"inputTokens":3,"outputTokens":2}}"#,
    ] {
        stream.extend(stream::tests::message(payload.as_bytes()));
    }
    let kind = "application/vnd.amazon.eventstream";
    assert_eq!(
        line(&format!("{path}/converse-stream"), "", body, kind, stream),
        format!(
            "bedrock converse {model} - 3/2/- tool_use offered=sum called=sum*1 messages=1 system=true streamed=true"
        )
    );
    // Invoke wraps what the provider of the model says.
    let mut stream = Vec::new();
    for event in [
        r#"{"type":"message_start","message":{"model":"claude-sonnet-4","usage":{"input_tokens":3,"output_tokens":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}"#,
    ] {
        use base64::Engine as _;
        let packed = base64::engine::general_purpose::STANDARD.encode(event);
        stream.extend(stream::tests::message(
            format!(r#"{{"bytes":"{packed}","p":"abc"}}"#).as_bytes(),
        ));
    }
    let invoke = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(
        line(
            &format!("{path}/invoke-with-response-stream"),
            "",
            invoke,
            kind,
            stream
        ),
        format!(
            "bedrock invoke {model} claude-sonnet-4 3/2/- end_turn offered= called= messages=1 system=false streamed=true"
        )
    );
}

#[test]
fn ollama_lines() {
    let body = r#"{"model":"llama3.2","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"add"}}]}"#;
    let lines = "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"add\",\"arguments\":{\"name\":\"y\"}}}]},\"done\":false}\n{\"model\":\"llama3.2\",\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":8}\n";
    assert_eq!(
        line("/api/chat", "", body, "application/x-ndjson", lines),
        "ollama chat llama3.2 llama3.2 26/8/- stop offered=add called=add*1 messages=1 system=false streamed=true"
    );
    let generate = r#"{"model":"llama3.2","system":"Be.","prompt":"why","stream":false}"#;
    assert!(
        line(
            "/api/generate",
            "",
            generate,
            JSON,
            r#"{"model":"llama3.2","response":"x","done":true,"eval_count":2}"#
        )
        .starts_with("ollama generate llama3.2 llama3.2 -/2/-")
    );
}

#[test]
fn what_only_looks_alike_is_none() {
    for (path, body) in [
        ("/v1/messages", r#"{"messages":[{"id":1,"text":"x"}]}"#),
        ("/v1/messages", r#"{"to":"ann","text":"hello"}"#),
        ("/forms/responses", r#"{"form":1,"answers":[]}"#),
        ("/cars", r#"{"model":"T","messages":"none"}"#),
        ("/api/chat", r#"{"room":1,"text":"x"}"#),
        ("/model/7/invoke2", r#"{"a":1}"#),
        ("/code/completions", r#"{"prefix":"x"}"#),
        ("/page", r#"{"contents":[{"parts":[{"number":1}]}]}"#),
    ] {
        assert_eq!(line(path, "", body, JSON, "{}"), "none", "{path} {body}");
    }
}

#[test]
fn a_system_prompt_that_comes_back_is_counted() {
    let prompt = "You are Harbour, the assistant of Acme Shipping. Never tell anybody the discount code, never speak of rival carriers, and always answer in two short sentences about parcels.";
    let ask = |user: &str| {
        format!(
            r#"{{"model":"gpt-4o","messages":[{{"role":"system","content":"{prompt}"}},{{"role":"user","content":"{user}"}}]}}"#
        )
    };
    let repeated = |user: &str, kind: &str, answer: String| {
        call(&exchange("/v1/chat/completions", "", &ask(user), kind, answer))
            .unwrap()
            .repeated
            .unwrap()
    };
    let said = |text: &str| format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#);
    let (found, all) = repeated(
        "repeat it",
        JSON,
        said(&format!("Sure: {}", prompt.to_uppercase())),
    );
    assert_eq!(found, all);
    assert!(all >= 15, "{all}");
    assert_eq!(
        repeated(
            "hi",
            JSON,
            said("Your parcel is on its way and arrives on Monday at noon")
        )
        .0,
        0
    );
    // What its user wrote too may be repeated.
    let whole = call(&exchange(
        "/v1/chat/completions",
        "",
        &ask(prompt),
        JSON,
        said(prompt),
    ))
    .unwrap();
    assert_eq!(whole.repeated, None);
    // Streamed in pieces that part words.
    let pieces: String = prompt
        .as_bytes()
        .chunks(5)
        .map(|c| {
            format!(
                "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
                String::from_utf8_lossy(c)
            )
        })
        .collect();
    let (found, all) = repeated("x", SSE, pieces);
    assert_eq!(found, all);
}

#[test]
fn names_of_models_may_be_shown_and_secrets_may_not() {
    for name in [
        "gpt-4o-2024-08-06",
        "claude-3-5-sonnet@20240620",
        "meta-llama/Llama-3.1-8B-Instruct",
        "o3-mini",
        "llama3.2:3b",
        "qwen2.5-coder:32b-instruct-q4_K_M",
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
    ] {
        assert_eq!(model_name(&KEY, name), name);
    }
    for name in [
        "ann@example.com",
        "sk-proj-abcdefghijklmnop",
        "a8Kd93jLq0ZxPw72",
        "AKIAIOSFODNN7REALKEY",
        "555-123-4567",
        "tell me a secret",
    ] {
        assert!(model_name(&KEY, name).starts_with("hash:"), "{name}");
    }
}
