//! Whether a call failed, wherever its protocol says so: in the status, or in a body that comes with status 200.

use super::activity::Activity;

/// Bytes of an answer in which an error of JSON-RPC or of a tool shows.
const START: usize = 2048;

/// Whether the server did not do what was asked.
pub(crate) fn failed(activity: &Activity<'_>) -> bool {
    match activity.status {
        Some(status) if status >= 400 => true,
        Some(200) => says_error(activity),
        _ => false,
    }
}

/// Whether an answer with status 200 is an error of JSON-RPC or of a tool of MCP.
pub(crate) fn says_error(activity: &Activity<'_>) -> bool {
    let Some(response) = activity
        .exchange
        .response
        .as_ref()
        .filter(|_| activity.call.is_some())
    else {
        return false;
    };
    let body = &response.message.body;
    let start = &body[..body.len().min(START)];
    let end = &body[body.len() - body.len().min(START)..];
    let has = |text: &[u8]| {
        memchr::memmem::find(start, text).is_some() || memchr::memmem::find(end, text).is_some()
    };
    has(b"\"isError\":true") || has(b"\"isError\": true") || has(b"\"error\":{") || has(b"\"error\": {")
}
