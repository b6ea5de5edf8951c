//! What the documents of an answer tell: counts of tokens, names of models and tools, why it ended.
//!
//! Documents of all dialects are read alike, since their fields lie at places of their own. Counts are the greatest told: streams
//! tell them more than once, and they only grow. What a model writes lies in strings and below other keys, so it cannot
//! pass for one of these.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reassembly::Message;

use super::echo::Echo;
use super::{Dialect, TOOLS, model_name, plain_name, text};
use crate::json::{Scalar, Scanner};

/// No count of tokens is larger.
const MAX_TOKENS: u64 = 1 << 40;

/// Why models stop, in the words of their providers, lower case.
const STOPS: [&str; 34] = [
    "blocklist",
    "canceled",
    "cancelled",
    "complete",
    "completed",
    "content_filter",
    "content_filtered",
    "end_turn",
    "error",
    "failed",
    "function_call",
    "guardrail_intervened",
    "incomplete",
    "language",
    "length",
    "load",
    "malformed_function_call",
    "max_output_tokens",
    "max_tokens",
    "model_context_window_exceeded",
    "model_length",
    "pause_turn",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
    "spii",
    "stop",
    "stop_sequence",
    "tool_call",
    "tool_calls",
    "tool_use",
    "unexpected_tool_call",
    "unload",
];

/// What was told so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(super) dialect: Option<Dialect>,
    pub(super) model: Option<String>,
    pub(super) stop: Option<&'static str>,
    pub(super) tools: BTreeMap<String, u64>,
    /// Input with what a cache had (`prompt_tokens`).
    whole: Option<u64>,
    /// Input that may leave out what a cache had (`input_tokens`).
    input: Option<u64>,
    /// Read from a cache and written to one, beside `input`.
    beside: [Option<u64>; 2],
    /// Read from a cache, as a part of the input.
    within: Option<u64>,
    output: Option<u64>,
    /// Reasoning that is counted beside the output (Gemini).
    thoughts: Option<u64>,
    /// Items of a stream of responses were counted as they came.
    items: bool,
}

impl Answer {
    /// Takes a document, whole or cut off. What the model wrote in it goes to `echo`.
    pub(super) fn take(&mut self, document: &[u8], key: &[u8; 32], echo: Option<&mut Echo<'_>>) {
        if !self.scan(document, key, echo) {
            return;
        }
        // Bedrock wraps the provider's own events.
        let mut scanner = Scanner::new(document);
        while let Some(scalar) = scanner.next() {
            if let Scalar::Text(packed) = scalar
                && scanner.is_at(&["bytes"])
                && let Ok(inner) = STANDARD.decode(packed)
            {
                self.scan(&inner, key, None);
            }
        }
    }

    /// True when the document holds another one.
    fn scan(&mut self, document: &[u8], key: &[u8; 32], mut echo: Option<&mut Echo<'_>>) -> bool {
        let mut wraps = false;
        // `item` is told when it begins and when it ends.
        let mut ends = false;
        let mut scanner = Scanner::new(document);
        while let Some(scalar) = scanner.next() {
            match scalar {
                Scalar::Number(number) => self.number(&scanner, number),
                Scalar::Text(value) => {
                    let at = &scanner;
                    match at.key() {
                        b"bytes" => wraps |= at.is_at(&["bytes"]),
                        b"type" => {
                            if at.is_at(&["type"]) {
                                ends = value == b"response.output_item.done";
                                if value == b"message_start" || value == b"message" {
                                    self.dialect = Some(Dialect::Anthropic);
                                }
                            } else {
                                self.tool(at, value, ends, key);
                            }
                        }
                        b"name" | b"language" => self.tool(at, value, ends, key),
                        b"model" | b"modelVersion" => self.named(at, value, key),
                        b"finish_reason" | b"stop_reason" | b"finishReason" | b"stopReason"
                        | b"done_reason" | b"status" | b"reason" => self.stopped(at, value),
                        b"content" | b"text" | b"delta" | b"response" => {
                            if let Some(echo) = echo.as_deref_mut()
                                && is_said(at)
                            {
                                echo.read(value);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        wraps
    }

    fn number(&mut self, at: &Scanner<'_>, number: &[u8]) {
        let field = at.key();
        let place = match field {
            b"prompt_tokens" | b"promptTokenCount" | b"prompt_eval_count" => &mut self.whole,
            b"input_tokens" | b"inputTokens" | b"inputTokenCount" => &mut self.input,
            b"cache_read_input_tokens" | b"cacheReadInputTokens" | b"cacheReadInputTokenCount" => {
                &mut self.beside[0]
            }
            b"cache_creation_input_tokens" | b"cacheWriteInputTokens" | b"cacheWriteInputTokenCount" => {
                &mut self.beside[1]
            }
            b"cached_tokens" | b"cachedContentTokenCount" | b"prompt_cache_hit_tokens" => &mut self.within,
            b"completion_tokens"
            | b"output_tokens"
            | b"candidatesTokenCount"
            | b"outputTokens"
            | b"outputTokenCount"
            | b"eval_count" => &mut self.output,
            b"thoughtsTokenCount" => &mut self.thoughts,
            _ => return,
        };
        const ABOVE: [&[&str]; 7] = [
            &["usage"],
            &["message", "usage"],
            &["response", "usage"],
            &["usageMetadata"],
            &["response", "usageMetadata"],
            &["amazon-bedrock-invocationMetrics"],
            &["x_groq", "usage"],
        ];
        let own = matches!(field, b"prompt_eval_count" | b"eval_count");
        let here = match own {
            true => at.is_at(&["prompt_eval_count"]) || at.is_at(&["eval_count"]),
            false => ABOVE.iter().any(|path| at.is_below(path)),
        };
        if !here {
            return;
        }
        let count = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse::<u64>().ok());
        if let Some(count) = count.filter(|n| *n < MAX_TOKENS) {
            *place = (*place).max(Some(count));
        }
    }

    fn named(&mut self, at: &Scanner<'_>, value: &[u8], key: &[u8; 32]) {
        const PLACES: [&[&str]; 5] = [
            &["model"],
            &["message", "model"],
            &["response", "model"],
            &["modelVersion"],
            &["response", "modelVersion"],
        ];
        if self.model.is_none() && !value.is_empty() && PLACES.iter().any(|path| at.is_at(path)) {
            self.model = Some(model_name(key, &text(value)));
        }
    }

    fn stopped(&mut self, at: &Scanner<'_>, value: &[u8]) {
        const PLACES: [&[&str]; 11] = [
            &["choices", "finish_reason"],
            &["candidates", "finishReason"],
            &["response", "candidates", "finishReason"],
            &["delta", "stop_reason"],
            &["stop_reason"],
            &["stopReason"],
            &["done_reason"],
            &["finish_reason"],
            &["response", "status"],
            &["response", "incomplete_details", "reason"],
            &["incomplete_details", "reason"],
        ];
        let status = at.is_at(&["status"]);
        if !status && !PLACES.iter().any(|path| at.is_at(path)) {
            return;
        }
        if at.key() == b"finish_reason" {
            self.dialect.get_or_insert(Dialect::OpenAi);
        }
        let word = text(value).to_ascii_lowercase();
        match STOPS.iter().find(|known| **known == word) {
            // What it was, and not that it was not all.
            Some(_) if word == "incomplete" && self.stop.is_some() => {}
            Some(known) => self.stop = Some(known),
            None if status || at.key() == b"status" || word.is_empty() => {}
            None => self.stop = Some("other"),
        }
    }

    fn tool(&mut self, at: &Scanner<'_>, value: &[u8], ends: bool, key: &[u8; 32]) {
        const NAMES: [&[&str]; 13] = [
            &["choices", "message", "tool_calls", "function", "name"],
            &["choices", "message", "tool_calls", "custom", "name"],
            &["choices", "message", "function_call", "name"],
            &["choices", "delta", "tool_calls", "function", "name"],
            &["choices", "delta", "tool_calls", "custom", "name"],
            &["choices", "delta", "function_call", "name"],
            &["content", "name"],
            &["content_block", "name"],
            &["candidates", "content", "parts", "functionCall", "name"],
            &[
                "response",
                "candidates",
                "content",
                "parts",
                "functionCall",
                "name",
            ],
            &["output", "message", "content", "toolUse", "name"],
            &["start", "toolUse", "name"],
            &["message", "tool_calls", "function", "name"],
        ];
        match at.key() {
            b"language" => {
                if at.is_at(&["candidates", "content", "parts", "executableCode", "language"]) {
                    self.count_tool("code_execution", key);
                }
            }
            b"name" if NAMES.iter().any(|path| at.is_at(path)) => self.count_tool(&text(value), key),
            _ => {
                let begun = at.is_at(&["item", "name"]) || at.is_at(&["item", "type"]);
                let item = begun && !ends
                    || at.is_at(&["output", "name"])
                    || at.is_at(&["output", "type"])
                    || !self.items
                        && (at.is_at(&["response", "output", "name"])
                            || at.is_at(&["response", "output", "type"]));
                if !item {
                    return;
                }
                self.items |= begun;
                let value = text(value);
                if at.key() == b"name" {
                    self.count_tool(&value, key);
                } else if let Some(own) = value.strip_suffix("_call")
                    // These have a name of their own.
                    && !matches!(own, "function" | "mcp" | "custom_tool")
                {
                    self.count_tool(own, key);
                }
            }
        }
    }

    fn count_tool(&mut self, name: &str, key: &[u8; 32]) {
        if name.is_empty() {
            return;
        }
        let name = plain_name(key, name);
        if let Some(count) = self.tools.get_mut(&name) {
            *count += 1;
        } else if self.tools.len() < TOOLS {
            self.tools.insert(name, 1);
        }
    }

    /// Counts that are told in the head (Amazon Bedrock's invoke).
    pub(super) fn take_fields(&mut self, message: &Message) {
        let count = |name| {
            message
                .field(name)
                .and_then(|v| v.trim().parse().ok())
                .filter(|n| *n < MAX_TOKENS)
        };
        self.input = self.input.or_else(|| count("x-amzn-bedrock-input-token-count"));
        self.output = self.output.or_else(|| count("x-amzn-bedrock-output-token-count"));
    }

    /// Tokens taken in, given out, and had from a cache.
    pub(super) fn tokens(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        let [read, written] = self.beside;
        let input = self
            .whole
            .or_else(|| self.input.map(|n| n + read.unwrap_or(0) + written.unwrap_or(0)));
        let output = match self.thoughts {
            None => self.output,
            Some(thoughts) => Some(self.output.unwrap_or(0) + thoughts),
        };
        (input, output, self.within.or(read))
    }
}

/// Whether a text is what the model says.
fn is_said(at: &Scanner<'_>) -> bool {
    const PLACES: [&[&str]; 13] = [
        &["choices", "message", "content"],
        &["choices", "message", "content", "text"],
        &["choices", "delta", "content"],
        &["choices", "text"],
        &["content", "text"],
        &["delta", "text"],
        &["output", "content", "text"],
        &["delta"],
        &["candidates", "content", "parts", "text"],
        &["message", "content"],
        &["message", "content", "text"],
        &["response"],
        &["output", "message", "content", "text"],
    ];
    PLACES.iter().any(|path| at.is_at(path))
}
