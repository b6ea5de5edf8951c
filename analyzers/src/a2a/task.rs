//! Messages, tasks and what streams tell of them, in the JSON of both generations.
//!
//! 0.x names what an object is by its member `kind` (`type` before 0.2) and writes states in lower case (`input-required`). 1.0 is
//! the JSON of protocol buffers: an object is told by the member that holds it (`task`, `message`, `statusUpdate`,
//! `artifactUpdate`), and states are `TASK_STATE_INPUT_REQUIRED`. 0.3 over HTTP+JSON writes 1.0's states, and parts of a message as
//! `content`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::mcp::message::Value;

/// Tasks of one list that are taken over.
const LISTED: usize = 100;

/// States of one answer that are told apart.
const STATES: usize = 16;

/// Where a task stands (A2A 1.0, `TaskState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Submitted,
    Working,
    InputRequired,
    AuthRequired,
    Completed,
    Canceled,
    Failed,
    Rejected,
    Unknown,
}

impl State {
    const ALL: [Self; 9] = [
        Self::Submitted,
        Self::Working,
        Self::InputRequired,
        Self::AuthRequired,
        Self::Completed,
        Self::Canceled,
        Self::Failed,
        Self::Rejected,
        Self::Unknown,
    ];

    /// The name used in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::AuthRequired => "auth_required",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Reads a state of either generation, and tells whether it has the form of protocol buffers.
    pub(crate) fn parse(text: &str) -> Option<(Self, bool)> {
        let (name, proto) = match text.strip_prefix("TASK_STATE_") {
            Some("UNSPECIFIED") => return Some((Self::Unknown, true)),
            Some("CANCELLED") => return Some((Self::Canceled, true)),
            Some(name) => (name.to_ascii_lowercase(), true),
            None if text.contains('_') || text.bytes().any(|b| b.is_ascii_uppercase()) => return None,
            None => (text.replace('-', "_"), false),
        };
        let known = Self::ALL.into_iter().find(|state| state.name() == name)?;
        Some((known, proto))
    }

    /// Nothing comes after it.
    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Canceled | Self::Failed | Self::Rejected
        )
    }
}

/// How many parts of a kind there were, and how large they are together; no more of them is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct A2aParts {
    /// `text`, `file`, `data`, or `other`.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
    /// Bytes of their content as it stands in the JSON, without the quotes of a text.
    pub bytes: u64,
}

fn text<'a>(of: Value<'a>, name: &str) -> Option<Cow<'a, str>> {
    of.get(name).filter(|v| v.whole)?.text()
}

/// Whether this is a message: who speaks, and parts that are objects. Of one that is cut off, what is there must be of that form.
pub(super) fn is_message(value: Value<'_>) -> bool {
    if value.kind() != "object" {
        return false;
    }
    let role = text(value, "role");
    let role_fits = match role.as_deref() {
        Some("user" | "agent" | "ROLE_USER" | "ROLE_AGENT") => Some(true),
        Some(_) => Some(false),
        None => None,
    };
    let parts = value.get("parts").or_else(|| value.get("content"));
    let parts_fit = parts.map(|parts| {
        parts.kind() == "array"
            && parts
                .elements()
                .take(8)
                .all(|part| part.kind() == "object" && (!part.whole || part_of(part).is_some()))
    });
    match (role_fits, parts_fit) {
        (Some(true), Some(true)) => true,
        (Some(false), _) | (_, Some(false)) => false,
        // The rest is behind a cut.
        (Some(true), None) => !value.whole,
        (None, Some(true)) => !value.whole && text(value, "messageId").is_some(),
        (None, None) => !value.whole && text(value, "messageId").is_some(),
    }
}

/// What a part is, and its content.
fn part_of(part: Value<'_>) -> Option<(&'static str, Option<Value<'_>>)> {
    let said = text(part, "kind").or_else(|| text(part, "type"));
    let held = |name: &str| part.get(name);
    let kind = match said.as_deref() {
        Some("text") => "text",
        Some("file") => "file",
        Some("data") => "data",
        Some(_) => "other",
        None if held("text").is_some() => "text",
        None if held("raw").is_some() || held("url").is_some() || held("file").is_some() => "file",
        None if held("data").is_some() => "data",
        None => return None,
    };
    let content = match kind {
        "text" => held("text"),
        "data" => held("data"),
        "file" => held("file").or_else(|| held("raw")).or_else(|| held("url")),
        _ => None,
    };
    Some((kind, content))
}

/// Adds the parts of a message or an artifact.
pub(super) fn add_parts(holder: Value<'_>, to: &mut Vec<A2aParts>) {
    let parts = holder.get("parts").or_else(|| holder.get("content"));
    for (kind, content) in parts.into_iter().flat_map(Value::elements).filter_map(part_of) {
        let bytes = content.map_or(0, |content| {
            let quotes = if content.kind() == "string" { 2 } else { 0 };
            (content.bytes.len() as u64).saturating_sub(quotes)
        });
        match to.iter_mut().find(|own| own.kind == kind) {
            Some(own) => {
                own.count += 1;
                own.bytes += bytes;
            }
            None => to.push(A2aParts {
                kind,
                count: 1,
                bytes,
            }),
        }
    }
    to.sort_by_key(|own| own.kind);
}

/// Where an object says that its task stands, and whether it has the form of protocol buffers.
fn state_of(value: Value<'_>) -> Option<(State, bool)> {
    State::parse(&text(value.get("status")?, "state")?)
}

/// Whether this is a task: an id, and a state that is one of the protocol's. A state in lower case is a word that others use too,
/// so it takes what else tells a task.
pub(super) fn is_task(value: Value<'_>) -> bool {
    let Some((_, proto)) = state_of(value) else {
        return false;
    };
    let id = text(value, "id").is_some();
    id && (proto || text(value, "contextId").is_some() || text(value, "kind").as_deref() == Some("task"))
}

/// Whether this is the payload of an answer or of a stream in the form of protocol buffers: a task, a message or an update under
/// its name.
pub(super) fn is_wrapped(value: Value<'_>) -> bool {
    let mut members = value.members();
    members.any(|(name, held)| match name.as_ref() {
        "task" => is_task(held),
        "message" | "msg" => is_message(held),
        "statusUpdate" => state_of(held).is_some_and(|(_, proto)| proto),
        "artifactUpdate" => held.get("artifact").is_some() && text(held, "taskId").is_some(),
        _ => false,
    })
}

/// What an answer told of tasks.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    /// The task that the answer is about.
    pub(super) task: Option<Cow<'a, str>>,
    pub(super) context: Option<Cow<'a, str>>,
    /// States in their order, each once in a row.
    pub(super) states: Vec<State>,
    /// Every task with its state, those of a list too.
    pub(super) tasks: Vec<(Cow<'a, str>, State)>,
    pub(super) received: Vec<A2aParts>,
}

impl<'a> Told<'a> {
    /// Takes what one payload tells: the result of a call, or an event of a stream.
    pub(super) fn take(&mut self, value: Value<'a>) {
        if value.kind() != "object" {
            return;
        }
        if let Some(list) = value.get("tasks").filter(|list| list.kind() == "array") {
            for task in list.elements().filter(|v| is_task(*v)).take(LISTED) {
                if let (Some(id), Some((state, _))) = (text(task, "id"), state_of(task)) {
                    self.tasks.push((id, state));
                }
            }
            return;
        }
        for name in ["task", "message", "msg", "statusUpdate", "artifactUpdate"] {
            if let Some(held) = value.get(name).filter(|held| held.kind() == "object") {
                return self.one(held, name);
            }
        }
        let kind = text(value, "kind");
        self.one(value, kind.as_deref().unwrap_or("task"));
    }

    fn one(&mut self, value: Value<'a>, kind: &str) {
        let own = if kind == "task" { "id" } else { "taskId" };
        let task = text(value, own).filter(|id| !id.is_empty());
        if let Some((state, _)) = state_of(value) {
            if self.states.last() != Some(&state) && self.states.len() < STATES {
                self.states.push(state);
            } else if let Some(last) = self.states.last_mut() {
                // Where there is no room for all, the last one is the one that counts.
                *last = state;
            }
            if let Some(id) = &task {
                let room = self.tasks.len() < LISTED;
                match self.tasks.iter_mut().find(|(known, _)| known == id) {
                    Some((_, last)) => *last = state,
                    None if room => self.tasks.push((id.clone(), state)),
                    None => {}
                }
            }
        }
        if task.is_some() {
            self.task = task;
        }
        if let Some(context) = text(value, "contextId").filter(|id| !id.is_empty()) {
            self.context = Some(context);
        }
        match kind {
            "message" | "msg" => add_parts(value, &mut self.received),
            _ => {
                let said = value.get("status").and_then(|status| status.get("message"));
                let artifacts = value.get("artifacts").into_iter().flat_map(Value::elements);
                for holder in artifacts.chain(value.get("artifact")).chain(said) {
                    add_parts(holder, &mut self.received);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        Value::read(text.as_bytes()).unwrap().0
    }

    #[test]
    fn states_of_both_generations_are_the_same() {
        for (text, want) in [
            ("TASK_STATE_INPUT_REQUIRED", Some((State::InputRequired, true))),
            ("input-required", Some((State::InputRequired, false))),
            ("completed", Some((State::Completed, false))),
            ("TASK_STATE_CANCELED", Some((State::Canceled, true))),
            ("TASK_STATE_UNSPECIFIED", Some((State::Unknown, true))),
            ("input_required", None),
            ("Completed", None),
            ("done", None),
            ("TASK_STATE_", None),
        ] {
            assert_eq!(State::parse(text), want, "{text}");
        }
    }

    #[test]
    fn a_message_has_a_role_and_parts() {
        for (text, want) in [
            (
                r#"{"role":"user","parts":[{"kind":"text","text":"a"}],"messageId":"m"}"#,
                true,
            ),
            (
                r#"{"role":"ROLE_USER","parts":[{"text":"a"}],"messageId":"m"}"#,
                true,
            ),
            (r#"{"role":"ROLE_USER","content":[{"text":"a"}]}"#, true),
            (r#"{"role":"user","content":"a"}"#, false),
            (r#"{"role":"user","content":[{"type":"image_url"}]}"#, true),
            (r#"{"role":"assistant","parts":[{"text":"a"}]}"#, false),
            (r#"{"role":"user","parts":["a"]}"#, false),
            (r#"{"role":"user","parts":[{"mime":"a"}]}"#, false),
            (r#"{"parts":[{"text":"a"}]}"#, false),
            (r#"{"to":"x","body":"y"}"#, false),
            (r#""hello""#, false),
            (r#"{"role":"user","par"#, true),
            (r#"{"messageId":"m","parts":[{"kind":"te"#, true),
            (r#"{"to":"x","bo"#, false),
        ] {
            assert_eq!(is_message(value(text)), want, "{text}");
        }
    }

    #[test]
    fn a_task_is_more_than_a_status() {
        for (text, want) in [
            (
                r#"{"id":"t","contextId":"c","status":{"state":"completed"}}"#,
                true,
            ),
            (r#"{"id":"t","kind":"task","status":{"state":"working"}}"#, true),
            (r#"{"id":"t","status":{"state":"TASK_STATE_FAILED"}}"#, true),
            (r#"{"id":"t","status":{"state":"completed"}}"#, false),
            (r#"{"id":"t","contextId":"c","status":"completed"}"#, false),
            (r#"{"id":7,"status":{"state":"TASK_STATE_FAILED"}}"#, false),
            (r#"{"status":{"state":"TASK_STATE_FAILED"}}"#, false),
        ] {
            assert_eq!(is_task(value(text)), want, "{text}");
        }
    }
}
