//! Templates: an expression in the signs of a template engine that computes, or reaches for what templates have no use for.
//!
//! Source: CWE-1336; Kettle, "Server-Side Template Injection" (2015). A template alone is none: mails and pages are made of
//! `{{ name }}`. What tells is inside: a product of two numbers (the probe of everybody), a way to the inside of the language (`__class__`,
//! `getClass()`, `constructor.constructor`), a program to be run.

use super::{Attack, Class, Effect, Signs, Text, has, is_document};

/// Signs of an expression: what opens it, and what closes it.
const FENCES: [(&[u8], &[u8]); 14] = [
    (b"<#", b">"),
    (b"{{", b"}}"),
    (b"{%", b"%}"),
    (b"${", b"}"),
    (b"#{", b"}"),
    (b"*{", b"}"),
    (b"@{", b"}"),
    (b"~{", b"}"),
    (b"<%", b"%>"),
    (b"{#", b"#}"),
    (b"[[", b"]]"),
    (b"@(", b")"),
    (b"#set(", b")"),
    (b"{", b"}"),
];

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let signs = Signs::BRACE.or(Signs::LESS).or(Signs::OPEN).or(Signs::PERCENT);
    if !text.signs.any(signs) {
        return None;
    }
    let low = text.low;
    let mut budget = 16;
    for (open, close) in FENCES {
        let mut from = 0;
        while let Some(n) = memchr::memmem::find(&low[from..], open) {
            let start = from + n + open.len();
            let Some(length) = memchr::memmem::find(&low[start..], close) else {
                break;
            };
            // Of brackets inside brackets the last one closes.
            let mut end = start + length;
            if close.len() == 1 {
                end = balanced(low, start, open[open.len() - 1], close[0]).unwrap_or(end);
            }
            let inner = &low[start..end];
            budget -= 1;
            if budget == 0 {
                return None;
            }
            if let Some(effect) = judge(inner, open == b"{", is_document(text.raw)) {
                return Some(Attack {
                    class: Class::Template,
                    form: if matches!(effect, Effect::Product(_)) {
                        "product"
                    } else {
                        "reach"
                    },
                    effect,
                });
            }
            from = start;
        }
    }
    None
}

fn balanced(text: &[u8], start: usize, open: u8, close: u8) -> Option<usize> {
    let mut depth = 1;
    for (at, byte) in text.iter().enumerate().skip(start).take(2048) {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// What an expression wants.
fn judge(inner: &[u8], plain: bool, document: bool) -> Option<Effect> {
    if inner.len() > 1024 {
        return None;
    }
    let tight: Vec<u8> = inner
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    if !plain
        && !document
        && let Some(product) = product(&tight)
    {
        return Some(product);
    }
    reaches(&tight, inner, plain).then_some(Effect::Usual)
}

/// `7*7`, `=7*7`, `7*'7'`, `(41*43)`, also within a string that is added.
fn product(tight: &[u8]) -> Option<Effect> {
    let text = tight
        .strip_prefix(b"=")
        .or(tight.strip_prefix(b"-"))
        .unwrap_or(tight);
    let text = text
        .strip_prefix(b"print(")
        .or(text.strip_prefix(b"print"))
        .or(text.strip_prefix(b"echo"))
        .unwrap_or(text);
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'(' | b')' | b'\'' | b'"' | b';'))
        .collect();
    let number = |text: &[u8]| -> Option<u64> {
        (1..=9)
            .contains(&text.len())
            .then(|| std::str::from_utf8(text).ok()?.parse().ok())
            .flatten()
    };
    let at = text.iter().position(|b| matches!(b, b'*' | b'+' | b'-'))?;
    let (left, right) = (number(&text[..at])?, number(&text[at + 1..])?);
    match text[at] {
        b'*' => Some(Effect::Product(left.saturating_mul(right))),
        b'+' if left > 99 && right > 99 => Some(Effect::Product(left.saturating_add(right))),
        b'-' if left > 999 && right > 99 => Some(Effect::Product(left.saturating_sub(right))),
        _ => None,
    }
}

/// Whether an expression reaches for the inside of its language.
fn reaches(tight: &[u8], inner: &[u8], plain: bool) -> bool {
    // Attributes that make code of data.
    const DEEP: [&[u8]; 36] = [
        b"__class__",
        b"__mro__",
        b"__subclasses__",
        b"__globals__",
        b"__builtins__",
        b"__import__",
        b"__init__",
        b"__base__",
        b"__bases__",
        b"__dict__",
        b"__getattribute__",
        b".mro()",
        b"func_globals",
        b".getclass()",
        b"getclass().forname",
        b"java.lang.runtime",
        b"getruntime()",
        b"processbuilder",
        b"java.lang.system",
        b"java.lang.class",
        b"t(java",
        b"constructor.constructor",
        b"freemarker.template.utility",
        b"?new()",
        b"_self.env",
        b"registerundefinedfiltercallback",
        b"child_process",
        b"mainmodule",
        b"system.diagnostics.process",
        b"scriptenginemanager",
        b"classloader",
        b"java.util.scanner",
        b"lipsum|attr",
        b"|attr(",
        b".constructor(\"",
        b".constructor('",
    ];
    if DEEP.iter().any(|deep| has(tight, deep)) {
        return true;
    }
    if plain {
        // `{php}…{/php}`, `{system('id')}` of Smarty.
        return runs(tight) || inner == b"php";
    }
    // `['__cla'+'ss__']`, `\x5f\x5f`, `request.args.x`
    if has(tight, b"'__'")
        || has(tight, b"\"__\"")
        || has(tight, b"'__c")
        || has(tight, b"~'__")
        || has(tight, b"\\x5f\\x5f")
    {
        return true;
    }
    const WHOLE: [&[u8]; 12] = [
        b"config",
        b"config.items()",
        b"self",
        b"settings.secret_key",
        b"request.application",
        b"request.environ",
        b"dump(app)",
        b"app.request.server",
        b"self.__dict__",
        b"config.secret_key",
        b"_context",
        b"url_for.__globals__",
    ];
    if WHOLE.contains(&tight) && inner.len() < 40 {
        return true;
    }
    const OBJECTS: [&[u8]; 8] = [
        b"cycler.",
        b"joiner.",
        b"namespace.",
        b"lipsum.",
        b"request.application.",
        b"get_flashed_messages.",
        b"request['application']",
        b"self._templatereference",
    ];
    OBJECTS.iter().any(|object| tight.starts_with(object)) || runs(tight)
}

/// Whether it calls what runs programs or reads files.
fn runs(tight: &[u8]) -> bool {
    const CALLS: [&[u8]; 22] = [
        b"system(",
        b"popen(",
        b"exec(",
        b"eval(",
        b"shell_exec(",
        b"passthru(",
        b"execsync(",
        b"spawn(",
        b"file_get_contents(",
        b"require('",
        b"require(\"",
        b"open('/",
        b"open(\"/",
        b"file.read(",
        b"file.open(",
        b"io.read",
        b"include('/etc",
        b"|filter('system')",
        b"|map('system')",
        b"['id']|filter",
        b"importos",
        b"render_template_string(",
    ];
    let called = CALLS.iter().any(|call| {
        memchr::memmem::find_iter(tight, call).any(|at| {
            // Not the end of a longer name: `subsystem(`, `retrieval(`.
            at == 0
                || !(tight[at - 1].is_ascii_alphanumeric() && call[0].is_ascii_alphabetic())
                || call.starts_with(b"import")
        })
    });
    // `` `id` `` and `%x(id)` of Ruby.
    called || tight.starts_with(b"%x(") || tight.starts_with(b"=`") && tight.ends_with(b"`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_worked_out() {
        assert_eq!(product(b"7*7"), Some(Effect::Product(49)));
        assert_eq!(product(b"7*'7'"), Some(Effect::Product(49)));
        assert_eq!(product(b"=41*43"), Some(Effect::Product(1763)));
        assert_eq!(product(b"width*2"), None);
        assert_eq!(product(b"1-2"), None);
    }
}
