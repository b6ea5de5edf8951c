//! What a call of a language model told, as a part of the exchange record. There is no place in it for what was said.

use analyzers::llm::LlmCall;
use serde::Serialize;

use super::Pairs;

/// The `llm` object of an exchange.
#[derive(Serialize)]
pub(crate) struct LlmRecord<'a> {
    dialect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'static str>,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_answered: Option<&'a str>,
    messages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_prompt: Option<&'a str>,
    tools_offered: &'a [String],
    tools_called: Pairs<'a, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'static str>,
    streamed: bool,
}

impl<'a> LlmRecord<'a> {
    /// The record of `call`.
    pub(crate) fn new(call: &'a LlmCall) -> Self {
        Self {
            dialect: call.dialect.name(),
            provider: call.provider,
            operation: call.operation,
            model: call.model.as_deref(),
            model_answered: call.model_answered.as_deref(),
            messages: call.messages,
            system_prompt: call.system.as_deref(),
            tools_offered: &call.tools_offered,
            tools_called: Pairs(&call.tools_called),
            input_tokens: call.input_tokens,
            output_tokens: call.output_tokens,
            cached_tokens: call.cached_tokens,
            stop: call.stop,
            streamed: call.streamed,
        }
    }
}
