//! Calls of language models: which model, how much, with which tools, and nothing of what was said.
//!
//! ```text
//! request  ─▶ request ─▶ Asked ──┐
//!             dialect, model,    ├─▶ LlmCall
//! response ─▶ stream ─▶ answer ──┘
//!             bodies to documents, documents to counts
//! ```
//!
//! A call is recognised by the shape of its body as well as by its path, on any host: gateways and self-hosted servers speak
//! the dialects of the large providers. `request` knows the dialects, `stream` how answers are cut into documents,
//! `answer` what a document tells, `echo` whether an answer gives the system prompt away, `providers` which hosts belong
//! to whom, `pending` keeps what the events of a long stream told until their exchange is over.
//!
//! Prompts, arguments and answers are read where they lie and not kept: what leaves are names, counts and keyed hashes.

mod answer;
mod echo;
#[cfg(test)]
mod findings;
mod pending;
mod providers;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use reassembly::{Request, Response};

use crate::id::Seed;
use crate::inventory::rpc::Call;
use crate::privacy::{safe_name, short_hash};
use answer::Answer;
use echo::{Echo, Prompt};
pub(crate) use pending::Streams;
pub(crate) use providers::{Allowed, provider_of};
use request::Asked;

/// Distinct names of tools kept of one call.
const TOOLS: usize = 64;

/// Whose wire format a call is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's chat completions, completions and embeddings, which most gateways and servers speak too.
    OpenAi,
    /// OpenAI's responses.
    OpenAiResponses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// Amazon Bedrock's invoke and converse.
    Bedrock,
    /// Ollama's own.
    Ollama,
}

impl Dialect {
    /// The name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai_responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Ollama => "ollama",
        }
    }
}

/// What a call of a language model told of itself. Names are fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmCall {
    /// Whose format it is in.
    pub dialect: Dialect,
    /// Who runs the host, when it is one of a known provider.
    pub provider: Option<&'static str>,
    /// What was asked for: `chat`, `responses`, `messages`, `generateContent`, `converse`, `invoke`, `completions`,
    /// `generate`, `embeddings`, `count_tokens`.
    pub operation: &'static str,
    /// The model asked for.
    pub model: Option<String>,
    /// The model that answered, as it calls itself.
    pub model_answered: Option<String>,
    /// Messages of the conversation that was sent, the system's among them.
    pub messages: u64,
    /// Keyed hash of the system prompt.
    pub system: Option<String>,
    /// Tools offered to the model, sorted.
    pub tools_offered: Vec<String>,
    /// Tools the model called, with counts, sorted.
    pub tools_called: Vec<(String, u64)>,
    /// Tokens taken in, those read from a cache among them.
    pub input_tokens: Option<u64>,
    /// Tokens given out, those of reasoning among them.
    pub output_tokens: Option<u64>,
    /// Tokens taken in that a cache had.
    pub cached_tokens: Option<u64>,
    /// Why the model stopped, in the words of its provider; `other` for a word that is not known.
    pub stop: Option<&'static str>,
    /// Whether the answer came as a stream; without an answer, whether a stream was asked for.
    pub streamed: bool,
    /// How much of the system prompt the answer repeats: shingles of it found, and shingles in all.
    pub(crate) repeated: Option<(u32, u32)>,
}

/// What a request and what came back tell of a call of a language model; `None` when it is none.
pub(crate) fn read(
    request: &Request,
    response: Option<&Response>,
    streamed: Option<Answer>,
    key: &[u8; 32],
    seed: Seed,
) -> Option<LlmCall> {
    let asked = Asked::of(request, key)?;
    let mut call = LlmCall {
        dialect: asked.dialect,
        provider: provider_of(&request.host),
        operation: asked.operation,
        model: asked.model,
        model_answered: None,
        messages: asked.messages,
        system: asked.system,
        tools_offered: asked.tools.into_iter().collect(),
        tools_called: Vec::new(),
        input_tokens: None,
        output_tokens: None,
        cached_tokens: None,
        stop: None,
        streamed: asked.stream,
        repeated: None,
    };
    let Some(response) = response else {
        return Some(call);
    };
    let message = &response.message;
    let form = stream::Form::of(message.field("content-type").unwrap_or(""), &message.body);
    call.streamed = form != stream::Form::Document
        || asked.stream && response.status < 400 && asked.dialect == Dialect::Gemini;
    if response.status >= 400 {
        return Some(call);
    }
    let prompt = Prompt::new(&asked.instructions, &asked.said, seed);
    let mut echo = prompt.as_ref().map(Echo::new);
    let mut answer = Answer::default();
    if streamed.is_none() || echo.is_some() {
        stream::documents(form, &message.body, &mut |document| {
            answer.take(document, key, echo.as_mut());
        });
    }
    call.repeated = echo.map(|echo| echo.found());
    let mut answer = streamed.unwrap_or(answer);
    answer.take_fields(message);
    if let Some(dialect) = answer.dialect.filter(|_| asked.guessed) {
        call.dialect = dialect;
    }
    (call.input_tokens, call.output_tokens, call.cached_tokens) = answer.tokens();
    call.stop = answer.stop;
    call.model_answered = answer.model;
    call.tools_called = answer.tools.into_iter().collect();
    Some(call)
}

impl LlmCall {
    /// The call as an operation below its path. Each model is an endpoint of its own: what it costs, who may use it and what it is
    /// given differ by model, and the owner of a gateway asks by model. Names that clients make up do not add endpoints, as a
    /// server refuses what it does not have; what it lets through is bounded as all endpoints are.
    pub(crate) fn operation(&self) -> Call {
        Call {
            protocol: "llm",
            method: self.operation.to_owned(),
            name: self.model.clone(),
            client: None,
        }
    }
}

/// The name of a model as it may be shown. Some end in `@` and a version, and many are longer and more mixed than names of
/// other things; those are shown when they are made of short parts as names of models are.
fn model_name(key: &[u8; 32], name: &str) -> String {
    let version =
        |v: &str| !v.is_empty() && v.len() <= 10 && v.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let (model, end) = match name.rsplit_once('@') {
        Some((model, v)) if version(v) => (model, &name[model.len()..]),
        _ => (name, ""),
    };
    let shown = plain_name(key, model);
    if shown.starts_with("hash:") && is_model_name(model) {
        return name.to_owned();
    }
    shown + end
}

/// The name of a model or tool as it may be shown. None of theirs has a space in it; what has one is a text.
fn plain_name(key: &[u8; 32], name: &str) -> String {
    match name.contains(' ') {
        true => format!("hash:{}", short_hash(key, "name", name.as_bytes())),
        false => safe_name(key, name),
    }
}

/// Words of letters, numbers of up to eight digits, and a few short mixtures (`70b`, `K`, `4o`, `v1`).
fn is_model_name(name: &str) -> bool {
    let (mut words, mut mixed) = (0, 0);
    let parts_are_short = name.split(['/', ':', '-', '_', '.']).all(|part| {
        let count = |is: fn(&u8) -> bool| part.bytes().filter(is).count();
        let (upper, lower, digits) = (
            count(u8::is_ascii_uppercase),
            count(u8::is_ascii_lowercase),
            count(u8::is_ascii_digit),
        );
        let letters = upper + lower;
        words += usize::from(letters >= 3);
        mixed += usize::from(letters > 0 && digits > 0);
        letters + digits == part.len()
            && match (letters, digits) {
                (0, 0..=8) => true,
                (1..=14, 0) => upper <= 2 || lower <= 1,
                _ => part.len() <= 7,
            }
    });
    name.len() <= 100 && parts_are_short && words >= 1 && mixed <= 4
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn find(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}
