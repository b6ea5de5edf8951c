//! Shells: a value that ends the command it was put into and begins one of its own.
//!
//! Source: CWE-78. A sign that parts commands is everywhere; so is the name of a command. Both together, where a command would
//! stand and with what a command takes behind it, are rare outside of shells. What shells do to words comes first: quotes and `\`
//! within words vanish, `${IFS}` is a space, `{a,b}` are two words.

use super::{Attack, Class, Effect, Signs, Text, has, is_document, is_prose, words};
use crate::content::inputs::Place;

/// Programs whose names say nothing else.
const CLEAR: [&[u8]; 69] = [
    b"whoami",
    b"uname",
    b"ifconfig",
    b"ipconfig",
    b"netstat",
    b"nslookup",
    b"curl",
    b"wget",
    b"bash",
    b"zsh",
    b"ksh",
    b"csh",
    b"dash",
    b"powershell",
    b"powershell.exe",
    b"pwsh",
    b"cmd.exe",
    b"cmd",
    b"certutil",
    b"bitsadmin",
    b"mshta",
    b"regsvr32",
    b"rundll32",
    b"wscript",
    b"cscript",
    b"systeminfo",
    b"tasklist",
    b"taskkill",
    b"ncat",
    b"netcat",
    b"nc",
    b"socat",
    b"telnet",
    b"chmod",
    b"chown",
    b"mkfifo",
    b"printenv",
    b"hostname",
    b"lsof",
    b"xxd",
    b"od",
    b"dig",
    b"traceroute",
    b"tracert",
    b"arp",
    b"sudo",
    b"su",
    b"crontab",
    b"useradd",
    b"adduser",
    b"passwd",
    b"iptables",
    b"nohup",
    b"busybox",
    b"awk",
    b"gawk",
    b"sed",
    b"grep",
    b"egrep",
    b"xargs",
    b"base64",
    b"mknod",
    b"ssh",
    b"scp",
    b"tftp",
    b"ftp",
    b"rm",
    b"kubectl",
    b"docker",
];

/// Programs whose names are words as well: they count with something behind them that commands take.
const AMBIGUOUS: [&[u8]; 47] = [
    b"id", b"ls", b"cat", b"dir", b"type", b"ping", b"ping6", b"sleep", b"echo", b"sh", b"python",
    b"python3", b"perl", b"ruby", b"php", b"node", b"find", b"more", b"less", b"head", b"tail", b"env",
    b"set", b"date", b"time", b"timeout", b"pwd", b"who", b"w", b"last", b"kill", b"touch", b"mv", b"cp",
    b"tar", b"net", b"mail", b"host", b"start", b"copy", b"del", b"exec", b"eval", b"printf", b"nl", b"sort",
    b"ps",
];

/// Looks at a value.
pub(super) fn look(text: &Text<'_>) -> Option<Attack> {
    let low = text.low;
    let found = |form| {
        Some(Attack {
            class: Class::Command,
            form,
            effect: delay(low),
        })
    };
    // CVE-2014-6271: a function in a variable, and what follows it.
    let tight: Vec<u8> = low
        .iter()
        .copied()
        .take(64)
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    if tight.starts_with(b"(){") && has(low, b"}") {
        return found("function");
    }
    let signs = Signs::SEMI
        .or(Signs::PIPE)
        .or(Signs::AND)
        .or(Signs::TICK)
        .or(Signs::DOLLAR)
        .or(Signs::BREAK)
        .or(Signs::LESS)
        .or(Signs::BRACE)
        .or(Signs::OPEN);
    if !text.signs.any(signs) || is_document(text.raw) {
        return None;
    }
    if code(text) {
        return found("code");
    }
    let plain = unfolded(low);
    // Browsers, proxies and languages fill these with `;`, `(` and words of their own.
    let guarded = text.place == Place::Field && memchr::memmem::find(low, b"mozilla/").is_some();
    let mut at = 0;
    let mut tried = 0;
    while at < plain.len() && tried < 32 {
        let (length, sign) = match &plain[at..] {
            [b'$', b'(', b'(', ..] => (3, b' '),
            [b'$', b'(', ..] => (2, b'$'),
            [b'<' | b'>', b'(', ..] => (2, b'$'),
            [b'|', b'|', ..] => (2, b'|'),
            [b'&', b'&', ..] => (2, b'D'),
            [b';', ..] => (1, b';'),
            [b'|', ..] => (1, b'|'),
            [b'&', ..] => (1, b'&'),
            [b'`', ..] => (1, b'`'),
            [b'\n' | b'\r', ..] => (1, b'\n'),
            _ => {
                at += 1;
                continue;
            }
        };
        let prefix = &plain[..at];
        at += length;
        tried += 1;
        // `..;/` is a path for Tomcat.
        if sign == b' '
            || sign == b';' && prefix.ends_with(b"..")
            || guarded && !matches!(sign, b'$' | b'`' | b'|')
        {
            continue;
        }
        if is_prose(prefix) || sign == b'\n' && !text.place.is_one_line() && words(prefix) > 0 {
            break;
        }
        if is_command(prefix, sign, &plain[at..]) {
            return found("command");
        }
    }
    None
}

/// What the shell makes of a text before it looks for commands.
fn unfolded(low: &[u8]) -> Vec<u8> {
    const SPACES: [&[u8]; 6] = [b"${ifs%??}", b"${ifs}", b"$ifs$9", b"$ifs$1", b"$ifs", b"%09"];
    const NOTHING: [&[u8]; 9] = [
        b"''", b"\"\"", b"$@", b"$*", b"${@}", b"${*}", b"``", b"$()", b"^",
    ];
    let mut out = Vec::with_capacity(low.len());
    let mut at = 0;
    'text: while let Some(byte) = low.get(at) {
        for space in SPACES {
            if low[at..].starts_with(space) {
                out.push(b' ');
                at += space.len();
                continue 'text;
            }
        }
        let inside = out.last().is_some_and(u8::is_ascii_alphanumeric);
        for nothing in NOTHING {
            if inside && low[at..].starts_with(nothing) {
                at += nothing.len();
                continue 'text;
            }
        }
        // `w'h'o`, `w\ho`
        let letter = |at: usize| low.get(at).is_some_and(u8::is_ascii_alphanumeric);
        if inside && *byte == b'\\' && letter(at + 1) {
            at += 1;
            continue;
        }
        if *byte == b'\''
            && inside
            && letter(at + 1)
            && (low.get(at + 2) == Some(&b'\'') || at >= 2 && low[at - 2] == b'\'')
        {
            at += 1;
            continue;
        }
        out.push(*byte);
        at += 1;
    }
    // `{cat,/etc/passwd}`
    if let Some(open) = memchr::memchr(b'{', &out)
        && let Some(close) = memchr::memchr(b'}', &out[open..])
        && out[open..open + close].contains(&b',')
        && !out[open..open + close]
            .iter()
            .any(|b| matches!(b, b' ' | b'"' | b':'))
    {
        for byte in &mut out[open..=open + close] {
            if matches!(byte, b'{' | b',' | b'}') {
                *byte = b' ';
            }
        }
    }
    out
}

/// Whether a command stands behind a sign that begins one.
fn is_command(prefix: &[u8], sign: u8, rest: &[u8]) -> bool {
    let spaced = rest.first().is_some_and(u8::is_ascii_whitespace);
    let rest = rest.trim_ascii_start();
    // `/bin/cat`, `/usr/bin/id`, `/???/c?t`
    let length = rest
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric()
                || matches!(**b, b'/' | b'.' | b'_' | b'-' | b'?' | b'*' | b'\\' | b'%' | b'~')
        })
        .count();
    let word = &rest[..length];
    let behind = &rest[length..];
    let name = word.rsplit(|b| matches!(b, b'/' | b'\\')).next().unwrap_or(word);
    let by_path = name.len() < word.len()
        && (word.starts_with(b"/") || word.starts_with(b"c:") || word.starts_with(b"."));
    let masked = by_path && word.contains(&b'?') && word.len() >= 8;
    if masked {
        return true;
    }
    let name = name.strip_suffix(b".exe").unwrap_or(name);
    let clear = CLEAR.contains(&name);
    if !clear && !AMBIGUOUS.contains(&name) {
        return false;
    }
    let argument = behind.trim_ascii_start();
    let close = match sign {
        b'$' => Some(b')'),
        b'`' => Some(b'`'),
        _ => None,
    };
    // The sign is closed: all of it is a command.
    if let Some(close) = close {
        let ended = memchr::memchr(close, behind).is_some();
        let around = words(prefix);
        return match (ended, sign) {
            (true, b'$') => true,
            // Between ticks people put names of commands when they write about them.
            (true, _) => {
                around == 0 && (clear || by_path || is_argument(argument) || argument.first() == Some(&b'`'))
            }
            (false, _) => by_path || is_argument(argument),
        };
    }
    let at_end = argument.is_empty()
        || matches!(
            argument.first(),
            Some(b'#' | b';' | b'|' | b'&' | b'>' | b'\n' | b'\r' | b'"' | b'\'' | b'`')
        );
    if by_path && (at_end || is_argument(argument)) {
        return true;
    }
    // Lists parted by `|` or `;`, alternatives of patterns.
    let listed = matches!(sign, b'|' | b';' | b'&')
        && argument
            .first()
            .is_some_and(|b| matches!(b, b'|' | b')' | b'&' | b'=' | b':' | b','));
    if listed && !(argument.starts_with(b"||") || argument.starts_with(b"&&")) {
        return clear && is_host(prefix) && !matches!(argument.first(), Some(b'=' | b':' | b',' | b')'));
    }
    if !behind.is_empty()
        && !behind[0].is_ascii_whitespace()
        && !at_end
        && !matches!(behind[0], b'<' | b'>' | b'$' | b'+')
    {
        return false;
    }
    // Words in front of it, and a word behind the sign: people write so.
    if !clear && words(prefix) > 1 && !matches!(argument.first(), Some(b'-' | b'/' | b'$' | b'>' | b'<')) {
        return false;
    }
    if is_argument(argument) {
        return true;
    }
    if at_end {
        // A command alone: behind a value that has the form of what such programs take, not behind a word.
        return match clear {
            true => words(prefix) <= 1 && !(spaced && words(prefix) > 0 && sign == b'&'),
            false => is_host(prefix),
        };
    }
    // `cmd /c dir`, `net user`, `curl evil.example`, `wget host/x`
    let first: Vec<u8> = argument
        .iter()
        .copied()
        .take_while(|b| !b.is_ascii_whitespace())
        .collect();
    let dotted = first
        .iter()
        .position(|b| *b == b'.')
        .is_some_and(|at| at > 0 && at + 2 < first.len());
    let known = [
        b"user".as_slice(),
        b"users",
        b"view",
        b"localgroup",
        b"accounts",
        b"root",
        b"aux",
        b"all",
    ]
    .contains(&first.as_slice());
    clear && (dotted || known) || known && name == b"net"
}

/// Whether something has the form of what commands take: an option, a path, a number at the end, a redirection, a variable.
fn is_argument(text: &[u8]) -> bool {
    match text {
        [b'-', b, ..] => b.is_ascii_alphanumeric() || *b == b'-',
        [b'/', b, ..] => b.is_ascii_alphanumeric() || matches!(b, b'?' | b'*' | b'.'),
        [b'/'] | [b'~', ..] | [b'<', ..] | [b'>', ..] => true,
        [b'$', b'(', ..] | [b'$', b'{', ..] => true,
        [b'$', b, ..] => b.is_ascii_alphabetic(),
        [b'.', b'.' | b'/', ..] => true,
        [b'*', rest @ ..] => rest.is_empty() || rest[0] == b'.',
        [b'c', b':', ..] => true,
        [b'"' | b'\'', rest @ ..] => memchr::memchr2(b'"', b'\'', rest).is_some(),
        [b'0'..=b'9', ..] => {
            let end = text
                .iter()
                .take_while(|b| b.is_ascii_digit() || **b == b'.')
                .count();
            let dots = text[..end].iter().filter(|b| **b == b'.').count();
            let next = text[end..].trim_ascii_start().first();
            dots == 3
                || next.is_none_or(|b| {
                    matches!(
                        b,
                        b'>' | b'<' | b'/' | b';' | b'|' | b'&' | b'#' | b'"' | b'\'' | b'`' | b')'
                    )
                })
        }
        _ => {
            let first = text.split(|b| b.is_ascii_whitespace()).next().unwrap_or(text);
            // `http://…`, `etc/passwd`
            has(first, b"://")
                || first.starts_with(b"etc/")
                || first.starts_with(b"%") && first.ends_with(b"%") && first.len() > 3
        }
    }
}

/// Whether a prefix is what programs hand to commands: nothing, a number, an address, a name of a host or file.
fn is_host(prefix: &[u8]) -> bool {
    let prefix = prefix.trim_ascii();
    let prefix = prefix
        .strip_suffix(b"'")
        .or(prefix.strip_suffix(b"\""))
        .or(prefix.strip_suffix(b")"))
        .unwrap_or(prefix);
    prefix.len() <= 64
        && prefix.iter().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'.' | b'-' | b'_' | b'/' | b':' | b'@' | b'\'' | b'"')
                || *b >= 0x80
        })
        && (prefix.is_empty()
            || prefix.iter().any(u8::is_ascii_digit)
            || prefix.iter().any(|b| matches!(b, b'.' | b'/' | b'@')))
}

/// Code of a language that runs a program: PHP, Python, Node, Java.
fn code(text: &Text<'_>) -> bool {
    if !text.place.is_one_line() && text.raw.len() > 200 || is_prose(text.low) {
        return false;
    }
    const CALLS: [&[u8]; 16] = [
        b"system(",
        b"shell_exec(",
        b"passthru(",
        b"popen(",
        b"proc_open(",
        b"pcntl_exec(",
        b"phpinfo(",
        b"assert(",
        b"eval(",
        b"exec(",
        b"os.system(",
        b"subprocess.",
        b"__import__(",
        b"child_process",
        b"getruntime(",
        b"process.binding(",
    ];
    let tight: Vec<u8> = text
        .low
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    for call in CALLS {
        let Some(at) = memchr::memmem::find(&tight, call) else {
            continue;
        };
        let before = at.checked_sub(1).and_then(|b| tight.get(b));
        if before.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            continue;
        }
        let argument = &tight[at + call.len()..];
        let strong = matches!(
            call,
            b"__import__("
                | b"child_process"
                | b"getruntime("
                | b"os.system("
                | b"subprocess."
                | b"process.binding("
        );
        // Behind a break-out, or all there is, and with a string or a further call inside.
        let broken = at == 0
            || before.is_some_and(|b| {
                matches!(
                    b,
                    b';' | b'\''
                        | b'"'
                        | b'.'
                        | b'|'
                        | b'&'
                        | b'@'
                        | b'}'
                        | b'{'
                        | b'$'
                        | b'('
                        | b'+'
                        | b'='
                        | b'-'
                        | b'?'
                )
            });
        let string = argument
            .first()
            .is_some_and(|b| matches!(b, b'\'' | b'"' | b'$' | b'`' | b'@'));
        let nested = [
            b"base64_decode(".as_slice(),
            b"chr(",
            b"hex2bin(",
            b"str_rot13(",
            b"atob(",
            b"compile(",
        ]
        .iter()
        .any(|n| argument.starts_with(n));
        let info = call == b"phpinfo(" && argument.starts_with(b")");
        if strong
            && (string
                || has(&tight, b"exec")
                || has(&tight, b"system(")
                || has(&tight, b"popen")
                || has(&tight, b"run(")
                || has(&tight, b"output("))
            || broken && (string && !matches!(call, b"assert(" | b"exec(" | b"eval(") || nested || info)
            || broken && at > 0 && string && matches!(before, Some(b';' | b'\'' | b'"' | b'}'))
        {
            return true;
        }
    }
    has(&tight, b"<?php")
        && (has(&tight, b"$_get")
            || has(&tight, b"$_post")
            || has(&tight, b"$_request")
            || has(&tight, b"system("))
}

/// How long it would make the shell wait.
fn delay(low: &[u8]) -> Effect {
    let Some(at) = memchr::memmem::find(low, b"sleep ") else {
        return Effect::Usual;
    };
    let digits: Vec<u8> = low[at + 6..]
        .iter()
        .copied()
        .take(3)
        .take_while(u8::is_ascii_digit)
        .collect();
    match std::str::from_utf8(&digits).ok().and_then(|d| d.parse().ok()) {
        Some(seconds @ 2..) => Effect::Delay(seconds),
        _ => Effect::Usual,
    }
}
