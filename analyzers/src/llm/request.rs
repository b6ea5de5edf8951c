//! What a request to a language model asks for.
//!
//! Knows the paths and bodies of each dialect (OpenAI "API reference" chat, responses, completions, embeddings; Anthropic
//! "Messages"; Google "generateContent"; Amazon Bedrock "InvokeModel", "Converse"; Ollama "API"). A path alone is believed only
//! where it can be nothing else and the body was not captured; a body alone where it has a model and messages with roles.

use std::collections::BTreeSet;

use reassembly::Request;

use super::{Dialect, TOOLS, find, model_name, plain_name, text};
use crate::json::{Scalar, Scanner};
use crate::privacy::short_hash;

/// Bytes kept, while the request is at hand, of its system prompt and of what else was said.
const TEXT: usize = 64 * 1024;

/// A request.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) dialect: Dialect,
    /// Whether the dialect is a guess that the answer may mend.
    pub(super) guessed: bool,
    pub(super) operation: &'static str,
    pub(super) model: Option<String>,
    pub(super) messages: u64,
    /// Keyed hash of the system prompt.
    pub(super) system: Option<String>,
    /// The parts of the system prompt, as written.
    pub(super) instructions: Vec<&'a [u8]>,
    /// What else was said.
    pub(super) said: Vec<&'a [u8]>,
    pub(super) tools: BTreeSet<String>,
    pub(super) stream: bool,
}

/// What a path tells.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    dialect: Dialect,
    operation: &'static str,
    model: Option<&'a str>,
    stream: bool,
    /// Whether it can hardly be anything else.
    sure: bool,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (before, last) = path.rsplit_once('/')?;
        let place = |dialect, operation, sure| {
            Some(Self {
                dialect,
                operation,
                model: None,
                stream: false,
                sure,
            })
        };
        if let Some((model, method)) = last.split_once(':') {
            let (dialect, operation, stream) = match method {
                "generateContent" => (Dialect::Gemini, "generateContent", false),
                "streamGenerateContent" => (Dialect::Gemini, "generateContent", true),
                "countTokens" => (Dialect::Gemini, "count_tokens", false),
                "embedContent" | "batchEmbedContents" => (Dialect::Gemini, "embeddings", false),
                "rawPredict" => (Dialect::Anthropic, "messages", false),
                "streamRawPredict" => (Dialect::Anthropic, "messages", true),
                _ => return None,
            };
            return Some(Self {
                dialect,
                operation,
                model: Some(model).filter(|m| !m.is_empty()),
                stream,
                sure: dialect == Dialect::Gemini,
            });
        }
        let parent = before.rsplit('/').next().unwrap_or("");
        match (parent, last) {
            ("chat", "completions") => {
                // Azure names what it deployed in the path.
                let model = before
                    .split_once("/deployments/")
                    .and_then(|(_, rest)| rest.split('/').next());
                place(Dialect::OpenAi, "chat", true).map(|p| Self { model, ..p })
            }
            (_, "completions") => place(Dialect::OpenAi, "completions", false),
            ("responses", "input_tokens") => place(Dialect::OpenAiResponses, "count_tokens", false),
            ("messages", "count_tokens") => place(Dialect::Anthropic, "count_tokens", false),
            (_, "responses") => place(Dialect::OpenAiResponses, "responses", false),
            ("api", "embeddings" | "embed") => place(Dialect::Ollama, "embeddings", false),
            (_, "embeddings") => place(Dialect::OpenAi, "embeddings", false),
            (_, "messages") => place(Dialect::Anthropic, "messages", false),
            ("api", "chat") => place(Dialect::Ollama, "chat", false),
            ("api", "generate") => place(Dialect::Ollama, "generate", false),
            (model, "converse" | "converse-stream" | "invoke" | "invoke-with-response-stream") => {
                if !before.strip_suffix(model)?.ends_with("/model/") {
                    return None;
                }
                Some(Self {
                    dialect: Dialect::Bedrock,
                    operation: if last.starts_with('c') {
                        "converse"
                    } else {
                        "invoke"
                    },
                    model: Some(model),
                    stream: last.ends_with("-stream"),
                    sure: true,
                })
            }
            _ => None,
        }
    }
}

/// What a body has.
#[derive(Debug, Default)]
struct Body<'a> {
    model: Option<&'a [u8]>,
    /// `messages` with roles, or turns of Gemini.
    messages: u64,
    /// The roles lie in `messages`, or in `input`.
    contents: bool,
    input: bool,
    prompt: bool,
    tools: BTreeSet<&'a [u8]>,
    instructions: Vec<&'a [u8]>,
    said: Vec<&'a [u8]>,
    /// Of the message being read.
    role: Option<&'a [u8]>,
    /// Texts that came before the role of their message.
    waiting: Vec<&'a [u8]>,
    /// Whether roles come first in their messages; known from the first one.
    role_first: Option<bool>,
    kept: usize,
}

impl<'a> Body<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut body = Self::default();
        let mut scanner = Scanner::new(bytes);
        while let Some(scalar) = scanner.next() {
            let Scalar::Text(text) = scalar else {
                if scanner.is_at(&["input"]) || scanner.is_at(&["prompt"]) {
                    // Tokens instead of text.
                    body.input |= scanner.key() == b"input";
                    body.prompt |= scanner.key() == b"prompt";
                }
                continue;
            };
            body.take(&scanner, text);
        }
        for text in std::mem::take(&mut body.waiting) {
            body.say(text, false);
        }
        body
    }

    fn take(&mut self, at: &Scanner<'a>, value: &'a [u8]) {
        match at.key() {
            b"model" if at.is_at(&["model"]) => self.model = Some(value),
            b"role" => {
                if at.is_at(&["messages", "role"]) || at.is_at(&["input", "role"]) {
                    self.begin(value);
                } else if at.is_at(&["contents", "role"]) {
                    self.contents = true;
                    self.messages += 1;
                }
            }
            b"content" if at.is_at(&["messages", "content"]) || at.is_at(&["input", "content"]) => {
                self.text(value);
            }
            b"text" => {
                if at.is_at(&["messages", "content", "text"]) || at.is_at(&["input", "content", "text"]) {
                    self.text(value);
                } else if at.is_at(&["contents", "parts", "text"]) {
                    self.contents = true;
                    self.say(value, false);
                } else if at.is_at(&["system", "text"])
                    || at.is_at(&["systemInstruction", "parts", "text"])
                    || at.is_at(&["system_instruction", "parts", "text"])
                {
                    self.say(value, true);
                }
            }
            b"system" if at.is_at(&["system"]) => self.say(value, true),
            b"instructions" if at.is_at(&["instructions"]) => self.say(value, true),
            b"input" if at.is_at(&["input"]) => {
                self.input = true;
                self.say(value, false);
            }
            b"prompt" | b"inputText" if at.is_at(&["prompt"]) || at.is_at(&["inputText"]) => {
                self.prompt = true;
                self.say(value, false);
            }
            b"name" => {
                const NAMES: [&[&str]; 6] = [
                    &["tools", "function", "name"],
                    &["tools", "name"],
                    &["tools", "functionDeclarations", "name"],
                    &["tools", "function_declarations", "name"],
                    &["toolConfig", "tools", "toolSpec", "name"],
                    &["functions", "name"],
                ];
                if NAMES.iter().any(|path| at.is_at(path)) {
                    self.offer(value);
                }
            }
            // What the provider runs itself has a type and no name; where the type has a day, it has a name too.
            b"type"
                if at.is_at(&["tools", "type"])
                    && !matches!(value, b"function" | b"custom")
                    && !is_dated(value) =>
            {
                self.offer(value);
            }
            _ => {}
        }
    }

    fn offer(&mut self, name: &'a [u8]) {
        if self.tools.len() < TOOLS {
            self.tools.insert(name);
        }
    }

    fn begin(&mut self, role: &'a [u8]) {
        self.messages += 1;
        let first = *self.role_first.get_or_insert(self.waiting.is_empty());
        self.role = Some(role).filter(|_| first);
        for text in std::mem::take(&mut self.waiting) {
            self.say(text, is_system(role));
        }
    }

    fn text(&mut self, text: &'a [u8]) {
        match self.role {
            Some(role) => self.say(text, is_system(role)),
            None if self.waiting.len() < 256 => self.waiting.push(text),
            None => {}
        }
    }

    fn say(&mut self, text: &'a [u8], system: bool) {
        let text = &text[..text.len().min(TEXT.saturating_sub(self.kept))];
        if text.is_empty() {
            return;
        }
        self.kept += text.len();
        if system {
            self.instructions.push(text);
        } else {
            self.said.push(text);
        }
    }
}

/// `web_search_20250305`: a version of a tool (Anthropic, "Tool use"), which stands beside the tool's name.
fn is_dated(kind: &[u8]) -> bool {
    let end = kind.rsplit(|b| *b == b'_').next().unwrap_or(b"");
    end.len() == 8 && end.len() < kind.len() && end.iter().all(u8::is_ascii_digit)
}

fn is_system(role: &[u8]) -> bool {
    matches!(role, b"system" | b"developer")
}

impl<'a> Asked<'a> {
    /// The request, when it is one to a language model.
    pub(super) fn of(request: &'a Request, key: &[u8; 32]) -> Option<Self> {
        if request.method() != "POST" {
            return None;
        }
        let message = &request.message;
        let bytes = message.body.as_slice();
        let place = Place::of(request.path());
        let shaped = || {
            find(bytes, b"\"messages\"") && find(bytes, b"\"model\"")
                || find(bytes, b"\"contents\"") && find(bytes, b"\"parts\"")
        };
        if place.is_none()
            && (bytes
                .first()
                .is_none_or(|b| *b != b'{' && !b.is_ascii_whitespace())
                || !shaped())
        {
            return None;
        }
        let body = Body::read(bytes);
        let version = message.field("anthropic-version").is_some();
        let place = Self::believed(place, &body, version, || {
            // Nothing of the body was captured, or not all.
            (bytes.len() as u64) < message.content_bytes || !message.complete
        })?;
        let (place, guessed) = place;
        let model = body
            .model
            .filter(|m| !m.is_empty())
            .map(|m| text(m).into_owned())
            .or_else(|| {
                place
                    .model
                    .map(|m| m.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/"))
            });
        let system = (!body.instructions.is_empty())
            .then(|| short_hash(key, "system prompt", &body.instructions.join(&b'\n')));
        Some(Self {
            dialect: place.dialect,
            guessed,
            operation: place.operation,
            model: model.map(|m| model_name(key, &m)),
            messages: body.messages,
            system,
            instructions: body.instructions,
            said: body.said,
            tools: body
                .tools
                .into_iter()
                .map(|t| plain_name(key, &text(t)))
                .collect(),
            stream: place.stream || find(bytes, b"\"stream\":true") || find(bytes, b"\"stream\": true"),
        })
    }

    /// The place, if the body is one of that place; for a body that speaks for itself, what it is most likely.
    fn believed<'p>(
        place: Option<Place<'p>>,
        body: &Body<'_>,
        version: bool,
        cut: impl Fn() -> bool,
    ) -> Option<(Place<'p>, bool)> {
        let model = body.model.is_some();
        let shaped = model && body.messages > 0 && !body.contents;
        let Some(place) = place else {
            let (dialect, operation) = match () {
                () if shaped && version => (Dialect::Anthropic, "messages"),
                () if shaped => (Dialect::OpenAi, "chat"),
                () if body.contents && !body.said.is_empty() => (Dialect::Gemini, "generateContent"),
                () => return None,
            };
            let place = Place {
                dialect,
                operation,
                model: None,
                stream: false,
                sure: false,
            };
            return Some((place, !version));
        };
        let fits = match (place.dialect, place.operation) {
            (Dialect::OpenAi, "chat") => body.messages > 0,
            (Dialect::OpenAi, "completions") | (Dialect::Ollama, "generate") => model && body.prompt,
            (Dialect::OpenAi, _) | (Dialect::Ollama, "embeddings") => model && (body.input || body.prompt),
            (Dialect::OpenAiResponses, _) => model && (body.input || body.messages > 0),
            (Dialect::Anthropic, _) => body.messages > 0 && (model || version || place.model.is_some()),
            (Dialect::Gemini, "generateContent" | "count_tokens") => body.contents,
            (Dialect::Ollama, _) => shaped,
            (Dialect::Gemini | Dialect::Bedrock, _) => true,
        };
        let believed = fits || cut() && (place.sure || place.dialect == Dialect::Anthropic && version);
        believed.then_some((place, false))
    }
}
