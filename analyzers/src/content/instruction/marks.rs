//! Signs in a text that are no words: role markers of chats, frames, links, targets, coded blobs.

/// A sign that takes the place of who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Of the template of a chat.
    Template,
    /// The form of a message of the system.
    Speaker,
    /// A made-up frame: `<IMPORTANT>`, `=== BEGIN INSTRUCTIONS ===`.
    Framed,
}

/// The role marker in a sentence, if there is one.
pub(super) fn role(raw: &str, low: &str) -> Option<Role> {
    const TOKENS: [&str; 18] = [
        "<|im_start|>",
        "<|im_end|>",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<|begin_of_text|>",
        "\n\nHuman:",
        "\n\nAssistant:",
        "<|channel|>",
    ];
    if !raw
        .bytes()
        .any(|b| matches!(b, b'<' | b'[' | b'#' | b':' | b'=' | b'('))
    {
        return None;
    }
    let angled = raw.contains('<');
    if (angled || raw.contains(['[', '\n'])) && TOKENS.iter().any(|token| raw.contains(token)) {
        return Some(Role::Template);
    }
    let trimmed = low.trim_start();
    // `### System:`, `###(system_message)`, `[system]`, `SYSTEM:` at the beginning.
    let bare = trimmed.trim_start_matches(|c: char| {
        matches!(
            c,
            '#' | '*' | '=' | '-' | '(' | '[' | '<' | '{' | ' ' | '_' | '"' | '>'
        )
    });
    let fenced = bare.len() < trimmed.len();
    const SPEAKERS: [&str; 9] = [
        "system_message",
        "system message",
        "system prompt",
        "system instruction",
        "system:",
        "system]",
        "system>",
        "developer:",
        "assistant:",
    ];
    if fenced && SPEAKERS.iter().any(|s| bare.starts_with(s)) && !bare.starts_with("system messages") {
        return Some(Role::Speaker);
    }
    if raw.trim_start().starts_with("SYSTEM:")
        || raw.contains("</system>")
        || raw.contains("<system>")
        || raw.contains("[SYSTEM]")
    {
        return Some(Role::Speaker);
    }
    // Frames: an element that is none of HTML, in capitals or of a name that orders.
    const FRAMES: [&str; 14] = [
        "information",
        "important",
        "instructions",
        "instruction",
        "admin",
        "priority",
        "directive",
        "urgent",
        "system-reminder",
        "user_request",
        "task",
        "hidden",
        "tool_result",
        "notice",
    ];
    for (at, _) in low.match_indices('<').take(if angled { 8 } else { 0 }) {
        let name = low[at + 1..].trim_start_matches('/');
        if FRAMES
            .iter()
            .any(|frame| name.starts_with(frame) && name[frame.len()..].starts_with(['>', ' ']))
        {
            return Some(Role::Framed);
        }
    }
    let ruled = [
        "begin instructions",
        "new instructions",
        "begin system",
        "end of document",
        "end of user",
        "start of instructions",
        "admin override",
    ]
    .iter()
    .any(|s| low.contains(s));
    (ruled && (raw.contains("---") || raw.contains("===") || raw.contains("###") || raw.contains("***")))
        .then_some(Role::Framed)
}

/// A link that carries data out: an image or a link of Markdown or HTML whose address has a place to be filled.
pub(super) fn link(raw: &str) -> Option<()> {
    if !raw.contains("](http") && !raw.contains("src=") && !raw.contains("](//") {
        return None;
    }
    const PLACES: [&str; 14] = [
        "{{",
        "{data",
        "{DATA",
        "[DATA",
        "<data",
        "%7b%7b",
        "{conversation",
        "{history",
        "{secret",
        "{user",
        "{base64",
        "{email",
        "YOUR_",
        "{summary",
    ];
    for (at, _) in raw.match_indices("http").take(16) {
        let url: &str = raw[at..].split([')', '"', '\'', ' ', '\n']).next().unwrap_or("");
        if url.contains('?')
            && (PLACES.iter().any(|p| url.contains(p))
                || url.contains("={")
                || url.contains("=[")
                || url.contains("=<"))
        {
            return Some(());
        }
    }
    None
}

/// What a deed is aimed at: an address, an account, an amount, a name of a tool. True when it is one that nobody writes by chance.
pub(super) fn target(raw: &str) -> Option<bool> {
    let mut weak = None;
    for token in raw.split(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '(' | ')' | '<' | '>' | '`' | ',' | ';' | '“' | '”')
    }) {
        let token = token.trim_matches(|c: char| matches!(c, '.' | ':' | '\'' | '!' | '?' | '*'));
        if token.len() < 4 {
            continue;
        }
        if token.contains("://") || token.starts_with("www.") {
            return Some(true);
        }
        if let Some((user, host)) = token.split_once('@')
            && !user.is_empty()
            && host.contains('.')
        {
            return Some(true);
        }
        let digits = token.bytes().filter(u8::is_ascii_digit).count();
        let letters = token.bytes().filter(u8::is_ascii_alphabetic).count();
        if digits >= 8 && letters <= 6 {
            return Some(true);
        }
        if digits >= 6
            && letters >= 2
            && token.len() >= 10
            && token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        {
            return Some(true);
        }
        // `send_money`, `submit_external_form`
        let snake = token.contains('_')
            && letters >= 4
            && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if snake || token.starts_with(['$', '€', '£', '#', '@']) && token.len() > 2 {
            weak = Some(snake);
        }
    }
    weak
}

/// Whether there is a blob that is coded: base64 or hexadecimal, long, and of mixed letters.
pub(super) fn coded(raw: &str) -> bool {
    raw.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | ':'))
        .any(|token| {
            let token = token.trim_end_matches(['=', '.', ',', '!']);
            token.len() >= 24
                && token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
                && token.bytes().any(|b| b.is_ascii_digit())
                && token.bytes().any(|b| b.is_ascii_lowercase())
                && !token.contains('/')
        })
}
