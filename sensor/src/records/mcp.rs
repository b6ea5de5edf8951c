//! The mcp record: a server of the Model Context Protocol with its tools and everybody who calls it.

use std::collections::BTreeMap;

use analyzers::{ServerView, ToolView};
use serde::Serialize;

use super::time::Rfc3339;

#[derive(Serialize)]
struct ToolRecord<'a> {
    name: &'a str,
    calls: u64,
    failed: u64,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'a str>,
}

impl<'a> ToolRecord<'a> {
    fn new(tool: &'a ToolView) -> Self {
        Self {
            name: &tool.name,
            calls: tool.calls,
            failed: tool.failed,
            read_only: tool.read_only,
            definition: tool.definition.as_deref(),
        }
    }
}

/// One line of `--mcp`.
#[derive(Serialize)]
pub(crate) struct ServerRecord<'a> {
    v: u8,
    id: &'a str,
    host: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    revisions: &'a [String],
    first_seen: Rfc3339,
    last_seen: Rfc3339,
    exchanges: u64,
    tools: Vec<ToolRecord<'a>>,
    resources: &'a BTreeMap<String, u64>,
    prompts: &'a BTreeMap<String, u64>,
    clients: &'a BTreeMap<String, u64>,
    callers: &'a BTreeMap<String, u64>,
}

impl<'a> ServerRecord<'a> {
    /// The record of `server`.
    pub(crate) fn new(server: &'a ServerView) -> Self {
        Self {
            v: super::VERSION,
            id: &server.id,
            host: &server.host,
            path: &server.path,
            name: server.name.as_deref(),
            version: server.version.as_deref(),
            revisions: &server.revisions,
            first_seen: Rfc3339(server.first_seen.0),
            last_seen: Rfc3339(server.last_seen.0),
            exchanges: server.exchanges,
            tools: server.tools.iter().map(ToolRecord::new).collect(),
            resources: &server.resources,
            prompts: &server.prompts,
            clients: &server.clients,
            callers: &server.callers,
        }
    }
}
