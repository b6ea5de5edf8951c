//! Messages for people, on standard error: one line each, in the form the configuration asks for.

use std::sync::OnceLock;

use indicatif::ProgressBar;

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

fn say(level: Level, text: &str) {
    let (upto, json) = SETTINGS.get().copied().unwrap_or((Level::Info, false));
    if level > upto {
        return;
    }
    let line = if json {
        let name = match level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
        };
        serde_json::json!({ "level": name, "message": text }).to_string()
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

/// Standard error may be closed; that must stop nothing.
fn print(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
