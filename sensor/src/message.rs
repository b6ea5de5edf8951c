//! Messages, on standard error: one line each, for people or as JSON, as the configuration asks for.
//!
//! This is the one place where they are written. What they say of traffic are counts and names that the operator gave; nothing of
//! a payload is ever in one, that of a defect in Tapline included.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use serde_json::Value;

use crate::records::time::Rfc3339;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Only what went wrong.
    Error,
    /// Also what may be wrong.
    Warn,
    /// Also what is going on.
    Info,
}

static SETTINGS: OnceLock<(Level, bool)> = OnceLock::new();
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Sets level and form; the first call counts.
pub(crate) fn set(level: Level, json: bool) {
    let _ = SETTINGS.set((level, json));
}

/// Makes messages appear above this progress bar; the first call counts.
pub(crate) fn above(bar: &ProgressBar) {
    let _ = BAR.set(bar.clone());
}

/// Something failed.
pub(crate) fn error(text: &str) {
    say(Level::Error, text);
}

/// Something may be wrong.
pub(crate) fn warn(text: &str) {
    say(Level::Warn, text);
}

/// Something to know.
pub(crate) fn info(text: &str) {
    say(Level::Info, text);
}

/// Text from outside made harmless for a terminal: no control characters but the end of a line, no change of
/// direction.
pub(crate) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if harmful(c) { '\u{fffd}' } else { c })
        .collect()
}

/// A message with the numbers and names in it as fields, for programs that read it as JSON.
pub(crate) fn event(level: Level, text: &str, fields: &[(&'static str, Value)]) {
    say_with(level, text, fields);
}

/// Has a defect say where it is and nothing else: what Rust says of it may have a part of the traffic in it, as the text in which an
/// index was wrong.
pub(crate) fn of_defects() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        error(&format!("a defect in tapline{place}; please report it"));
    }));
}

fn say(level: Level, text: &str) {
    say_with(level, text, &[]);
}

fn say_with(level: Level, text: &str, fields: &[(&'static str, Value)]) {
    let (upto, json) = SETTINGS.get().copied().unwrap_or((Level::Info, false));
    if level > upto {
        return;
    }
    let line = if json {
        json_line(now(), level, text, fields)
    } else {
        let text = clean(text);
        match level {
            Level::Warn => format!("tapline: warning: {text}"),
            Level::Error | Level::Info => format!("tapline: {text}"),
        }
    };
    match BAR.get() {
        Some(bar) if !bar.is_finished() && !bar.is_hidden() => bar.suspend(|| print(&line)),
        _ => print(&line),
    }
}

/// The clock, in nanoseconds since 1970: messages tell when they were written, records when packets came.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn json_line(time: u64, level: Level, text: &str, fields: &[(&'static str, Value)]) -> String {
    let name = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
    };
    let time = serde_json::to_value(Rfc3339(time)).unwrap_or(Value::Null);
    let mut line = format!(
        "{{\"time\":{time},\"level\":\"{name}\",\"message\":{}",
        Value::from(clean(text))
    );
    for (field, value) in fields {
        let value = match value {
            Value::String(text) => &Value::from(clean(text)),
            other => other,
        };
        line.push_str(&format!(",{}:{value}", Value::from(*field)));
    }
    line.push('}');
    line
}

/// Standard error may be closed; that must stop nothing.
fn print(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_object_a_line_with_nothing_that_moves_a_cursor() {
        let fields = [
            ("packets", Value::from(7)),
            ("interface", Value::from("a\"b\u{1b}[2J\u{202e}")),
        ];
        let line = json_line(
            1_700_000_000_123_456_789,
            Level::Warn,
            "two\nlines\u{1b}",
            &fields,
        );
        assert_eq!(
            line,
            "{\"time\":\"2023-11-14T22:13:20.123456789Z\",\"level\":\"warn\",\"message\":\"two\\nlines\u{fffd}\",\
             \"packets\":7,\"interface\":\"a\\\"b\u{fffd}[2J\u{fffd}\"}"
        );
        assert!(!line.contains('\n'));
        assert!(serde_json::from_str::<Value>(&line).is_ok_and(|v| v.is_object()));
    }

    const DEFECT: &str = "TAPLINE_TEST_DEFECT";

    /// Does nothing unless the test below asks for it.
    #[test]
    fn inside() {
        if let Some(text) = std::env::var_os(DEFECT) {
            of_defects();
            let text = text.to_string_lossy();
            // Rust's words for this hold the text.
            let _ = &text[1..2];
        }
    }

    #[test]
    fn a_defect_says_where_it_is_and_nothing_of_what_was_read() {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "message::tests::inside", "--nocapture"])
            .env(DEFECT, "\u{fc}hunter2canary")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success(), "{said}");
        assert!(
            said.contains("a defect in tapline at sensor/src/message.rs:"),
            "{said}"
        );
        assert!(!said.contains("hunter2canary"), "{said}");
    }
}
