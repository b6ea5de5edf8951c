//! The texts that an agent is given to read: answers of APIs and tools, and what it hands on to its model as their results.

use std::borrow::Cow;

use super::decode;
use super::instruction::Setting;
use crate::behaviour::{Activity, is_text};
use crate::json::{Scalar, Scanner};
use crate::mcp::message::{Value, is_stream, texts};

/// Bytes of one exchange looked at.
const READ: usize = 192 * 1024;

/// Texts looked at in one exchange.
const TEXTS: usize = 512;

/// The shortest text that can say anything.
const SHORTEST: usize = 16;

/// Fields that hold a label or a short value, where nobody writes sentences that ask for something.
pub(super) fn is_label(key: &str) -> bool {
    const NAMES: [&str; 30] = [
        "subject",
        "name",
        "title",
        "label",
        "labels",
        "channel",
        "channels",
        "status",
        "category",
        "type",
        "tag",
        "tags",
        "display_name",
        "displayname",
        "username",
        "first_name",
        "last_name",
        "city",
        "street",
        "address",
        "sku",
        "reference",
        "memo",
        "location",
        "participants",
        "sender",
        "file_name",
        "filename",
        "nickname",
        "purpose",
    ];
    NAMES.iter().any(|name| name.eq_ignore_ascii_case(key))
}

/// Hands out every text that the agent reads in this exchange.
pub(super) fn each(activity: &Activity<'_>, look: &mut dyn FnMut(&str, Setting)) {
    let mut left = TEXTS;
    let mut look = |text: &str, setting| {
        if left > 0 && text.len() >= SHORTEST {
            left -= 1;
            look(text, setting);
        }
    };
    if activity.llm.is_some() {
        return handed_on(&activity.request.message.body, &mut look);
    }
    if let Some(call) = activity.call.filter(|call| call.protocol == "mcp")
        && !matches!(call.method.as_str(), "tools/call" | "resources/read")
    {
        // What a tool is said to be is another matter: `tool_definition_changed`.
        return;
    }
    let Some(response) = activity.exchange.response.as_ref().filter(|r| r.status < 400) else {
        return;
    };
    let half = &response.message;
    if is_stream(half) {
        for (_, data) in texts(half) {
            if data.len() >= SHORTEST {
                read(&data[..data.len().min(READ)], &mut look, 0);
            }
        }
        return;
    }
    if !is_text(half) {
        return;
    }
    let body = &half.body[..half.body.len().min(READ)];
    let kind = half.field("content-type").unwrap_or("");
    if kind.contains("html") {
        let page = String::from_utf8_lossy(body);
        // Comments and styles first, while they are there.
        look(&page, Setting::Text);
        look(&visible(&page), Setting::Text);
        return;
    }
    read(body, &mut look, 0);
}

/// Texts of JSON, or a text.
fn read(text: &[u8], look: &mut dyn FnMut(&str, Setting), depth: usize) {
    match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => {
            let mut scanner = Scanner::new(text);
            while let Some(scalar) = scanner.next() {
                let Scalar::Text(value) = scalar else { continue };
                if value.len() < SHORTEST || !is_prose(value) {
                    continue;
                }
                let value: Cow<'_, [u8]> = match memchr::memchr(b'\\', value) {
                    Some(_) => decode::json(value).into(),
                    None => value.into(),
                };
                if depth < 2 && matches!(value.trim_ascii_start().first(), Some(b'{' | b'[')) {
                    read(&value, look, depth + 1);
                    continue;
                }
                let key = std::str::from_utf8(scanner.key()).unwrap_or("");
                let setting = match is_label(key) || key.is_empty() {
                    true => Setting::Label,
                    false => Setting::Text,
                };
                look(&String::from_utf8_lossy(&value), setting);
            }
        }
        _ => look(&String::from_utf8_lossy(text), Setting::Text),
    }
}

/// Whether there are words in it, or signs of a script that has no spaces.
fn is_prose(text: &[u8]) -> bool {
    memchr::memchr2_iter(b' ', b'\\', text).nth(2).is_some()
        || text.iter().filter(|b| **b >= 0xe0).count() > 6
        || memchr::memmem::find(text, b"](").is_some()
}

/// Texts that a request to a language model hands on as results of tools: OpenAI, Anthropic, Gemini.
fn handed_on(body: &[u8], look: &mut dyn FnMut(&str, Setting)) {
    let Some((request, _)) = Value::read(&body[..body.len().min(8 * READ)]) else {
        return;
    };
    let lists = ["messages", "input", "contents"]
        .iter()
        .filter_map(|name| request.get(name));
    let messages: Vec<Value<'_>> = lists.flat_map(Value::elements).collect();
    // The last ones are new; those before were read when they were.
    for message in messages.iter().rev().take(8) {
        let tool = message
            .get_text("role")
            .is_some_and(|r| matches!(&*r, "tool" | "function"))
            || message
                .get_text("type")
                .is_some_and(|t| t == "function_call_output");
        if tool {
            for name in ["content", "output"] {
                if let Some(value) = message.get(name) {
                    read_value(value, look);
                }
            }
            continue;
        }
        for name in ["content", "parts"] {
            for part in message.get(name).into_iter().flat_map(Value::elements) {
                let result = part.get_text("type").is_some_and(|t| t == "tool_result");
                let value = match result {
                    true => part.get("content"),
                    false => part.get("functionResponse").or(part.get("function_response")),
                };
                if let Some(value) = value {
                    read_value(value, look);
                }
            }
        }
    }
}

fn read_value(value: Value<'_>, look: &mut dyn FnMut(&str, Setting)) {
    match value.text() {
        Some(text) => read(text.as_bytes(), look, 0),
        None => read(value.bytes, look, 0),
    }
}

/// What a page shows, roughly: without its elements, scripts and styles.
fn visible(page: &str) -> String {
    let mut out = String::with_capacity(page.len() / 2);
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let skip = ["<script", "<style", "<!--"].iter().find(|s| {
            rest.get(..s.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(s))
        });
        let end = match skip {
            Some(&"<script") => rest.find("</script"),
            Some(&"<style") => rest.find("</style"),
            Some(_) => rest.find("-->").map(|n| n + 2),
            None => Some(0),
        };
        let Some(close) = end.and_then(|from| rest[from..].find('>').map(|n| from + n)) else {
            return out;
        };
        let name = rest[1..].trim_start_matches('/');
        let block = [
            "p", "div", "li", "br", "h", "td", "tr", "ul", "ol", "section", "article",
        ]
        .iter()
        .any(|b| name.get(..b.len()).is_some_and(|n| n.eq_ignore_ascii_case(b)));
        out.push(if block { '\n' } else { ' ' });
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}
