//! # `code_exec_tool_call`: a tool that runs code or commands is called
//!
//! Reports, once per caller, host and tool, that a language model called, or a client called over MCP, a tool whose name says that
//! it runs code, commands or a shell (`bash`, `run_command`, `executePython`): medium; low when the provider of the model runs it
//! in a place of its own (`code_interpreter`, `code_execution`).
//!
//! Source: OWASP ASI05:2026, LLM05:2025; MITRE ATLAS AML.T0050, AML.T0053.
//!
//! Blind to: tools whose names do not say what they do; what the code was, which is not read.
//!
//! Quiet when: such a tool is offered and not called; a name only has such a word in it (`terminal_list`, `shell_company`).

use serde_json::json;

use super::activity::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// Looks at one exchange.
pub(crate) fn observe(activity: &Activity<'_>, ledger: &mut Ledger) {
    for (tool, _) in activity.llm.iter().flat_map(|call| &call.tools_called) {
        report(activity, tool, "model", ledger);
    }
    let called = activity
        .call
        .filter(|c| c.protocol == "mcp" && c.method == "tools/call");
    if let Some(tool) = called.and_then(|c| c.name.as_deref()) {
        report(activity, tool, "mcp", ledger);
    }
}

fn report(activity: &Activity<'_>, tool: &str, by: &'static str, ledger: &mut Ledger) {
    let Some(severity) = weight(tool) else { return };
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        host.as_bytes(),
        tool.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::CodeExecToolCall,
        parts: &parts,
        window: 0,
    };
    let draft = || {
        let mut resource = activity.resource();
        resource.tool = Some(tool.to_owned());
        Draft {
            confidence: 0.85,
            principal: true,
            resource,
            observed: vec![
                ("tool", json!(tool)),
                ("by", json!(by)),
                ("model", json!(activity.llm.and_then(|l| l.model.as_deref()))),
                ("status", json!(activity.status)),
            ],
            expected: vec![("calls", json!(0))],
            ..Draft::default()
        }
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.support("exchanges", running.seen());
    });
}

/// How much a tool of this name matters; nothing when it does not run code.
fn weight(tool: &str) -> Option<Severity> {
    /// Say it by themselves, as a word among others.
    const SHELLS: [&str; 5] = ["bash", "powershell", "pwsh", "zsh", "repl"];
    /// Say it when they are the whole name.
    const WHOLE: [&str; 8] = [
        "shell", "terminal", "python", "exec", "eval", "sh", "cmd", "execute",
    ];
    const RUN: [&str; 6] = ["run", "exec", "execute", "eval", "evaluate", "invoke"];
    const CODE: [&str; 13] = [
        "code",
        "command",
        "commands",
        "cmd",
        "script",
        "shell",
        "python",
        "javascript",
        "js",
        "terminal",
        "notebook",
        "cell",
        "process",
    ];
    let words = words(tool);
    let has = |list: &[&str]| words.iter().any(|w| list.contains(&w.as_str()));
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["code", "interpreter" | "execution"] => return Some(Severity::Low),
        ["local" | "remote", "shell"] => return Some(Severity::Medium),
        [one] if WHOLE.contains(&one) => return Some(Severity::Medium),
        _ => {}
    }
    (has(&SHELLS) || has(&RUN) && has(&CODE)).then_some(Severity::Medium)
}

/// `runShellCommand`, `run_shell-command` and `run.shell.command` have the same words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() || lower && letter.is_ascii_uppercase() {
            words.push(String::new());
        }
        lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        if let Some(word) = words.last_mut().filter(|_| letter.is_ascii_alphanumeric()) {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let tool = finding.observed_text("tool");
    let (who, place) = (finding.who(), finding.place());
    let calls = many(finding.count, "call", "calls");
    sentence(&match finding.observed_text("by") {
        "model" => format!(
            "a language model that {who} asked at {place} called the tool `{tool}`, which runs code: {calls} so far."
        ),
        _ => format!("{who} called the tool `{tool}`, which runs code, at {place}: {calls} so far."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_runs_code() {
        for tool in [
            "bash",
            "run_command",
            "executePython",
            "run_terminal_cmd",
            "local_shell",
            "mcp.exec.shell",
            "python",
            "eval",
            "ShellExec",
        ] {
            assert_eq!(weight(tool), Some(Severity::Medium), "{tool}");
        }
        for tool in ["code_interpreter", "code_execution"] {
            assert_eq!(weight(tool), Some(Severity::Low), "{tool}");
        }
        for tool in [
            "terminal_list",
            "shell_company",
            "get_postal_code",
            "execute_order",
            "run_report",
            "evaluate_risk",
            "search",
            "python_docs",
            "hash:0011",
        ] {
            assert_eq!(weight(tool), None, "{tool}");
        }
    }
}
