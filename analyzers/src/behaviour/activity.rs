//! What the inventory stage hands to the behaviour stage: an exchange with what is known about it.

use std::borrow::Cow;
use std::cell::OnceCell;

use reassembly::{Exchange, Request, Timestamp};

use crate::finding::Resource;
use crate::finding::trace::Trace;
use crate::id::Id;
use crate::identity::signals::Signals;
use crate::identity::{Identity, PrincipalKind, Scheme};
use crate::inventory::called::{CalledEndpoint, CalledHost};
use crate::inventory::host::Place;
use crate::inventory::rpc::Call;
use crate::inventory::sensitive::Carried;
use crate::llm::LlmCall;
use crate::mcp::McpCall;
use crate::privacy::safe_host;
use crate::settings::Thresholds;

/// An exchange and what identity and inventory say of it. The behaviour stage looks at nothing else, so an
/// activity may travel to the worker that keeps its principal.
#[derive(Debug)]
pub(crate) struct Activity<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) request: &'a Request,
    pub(crate) exchange_id: Id,
    pub(crate) ts: Timestamp,
    pub(crate) identity: &'a Identity,
    /// Kind and name by everything seen of the principal so far, this exchange included.
    pub(crate) kind: PrincipalKind,
    pub(crate) name: Option<&'a str>,
    pub(crate) signals: &'a Signals<'a>,
    pub(crate) scheme: Scheme,
    pub(crate) host: Option<&'a CalledHost>,
    pub(crate) endpoint: Option<&'a CalledEndpoint>,
    pub(crate) place: &'a Place,
    pub(crate) call: Option<&'a Call>,
    /// What is called besides, in a batch of MCP.
    pub(crate) batch: &'a [McpCall],
    pub(crate) llm: Option<&'a LlmCall>,
    pub(crate) status: Option<u16>,
    pub(crate) carried: &'a Carried,
    /// From how much on detectors tell.
    pub(crate) thresholds: &'a Thresholds,
    /// The unit of work that it belongs to, when that is known.
    pub(crate) unit: Option<Id>,
    /// Calls of that so far.
    pub(crate) unit_calls: u32,
    /// How long ago the caller's program, model, tools or prompt changed, when that explains what is only unusual.
    pub(crate) changed: Option<std::time::Duration>,
    /// Filled by [`Self::trace`].
    pub(crate) trace: OnceCell<Trace>,
}

impl Activity<'_> {
    /// Whether the server did what was asked.
    pub(crate) fn accepted(&self) -> bool {
        self.status.is_some_and(|s| (200..300).contains(&s))
    }

    /// What is kept of this exchange for a finding; worked out once, however many ask.
    pub(crate) fn trace(&self) -> Trace {
        self.trace
            .get_or_init(|| Trace::new(self.exchange, self.request, self.exchange_id))
            .clone()
    }

    /// The endpoint as a resource; the host alone when there is none.
    pub(crate) fn resource(&self) -> Resource {
        match self.endpoint {
            Some(e) => Resource {
                endpoint: Some(e.id.to_string()),
                host: Some(e.host.clone()),
                method: Some(e.method.clone()),
                template: Some(e.template.clone()),
                tool: e.tool().map(str::to_owned),
                object: None,
            },
            None => self.host_resource(),
        }
    }

    /// The host as a resource.
    pub(crate) fn host_resource(&self) -> Resource {
        Resource {
            host: Some(self.host_name()),
            ..Resource::default()
        }
    }

    /// The host's name; the server's address when the request names none.
    pub(crate) fn host_name(&self) -> String {
        match self.request.host.as_str() {
            "" => self.exchange.flow.server.to_string(),
            host => safe_host(host).into_owned(),
        }
    }

    /// The same without making it anew, where the host is known.
    pub(crate) fn host_text(&self) -> Cow<'_, str> {
        match self.host {
            Some(host) => Cow::Borrowed(&host.name),
            None => Cow::Owned(self.host_name()),
        }
    }

    /// Whether this changes something on the server.
    pub(crate) fn changes_state(&self) -> bool {
        match self.call {
            Some(call) if call.protocol == "graphql" => call.method == "mutation",
            // A model changes nothing by itself; the tools that it asks for are called by others.
            Some(call) if call.protocol == "llm" => false,
            Some(call) => {
                let name = call.name.as_deref().unwrap_or(&call.method).to_ascii_lowercase();
                const VERBS: [&str; 22] = [
                    "create", "update", "delete", "remove", "cancel", "send", "add", "set", "book",
                    "transfer", "pay", "grant", "revoke", "write", "insert", "drop", "exec", "run",
                    "approve", "reset", "invite", "modify",
                ];
                name.split(['_', '-', '.', '/'])
                    .any(|word| VERBS.iter().any(|v| word.starts_with(v)))
            }
            None => matches!(self.request.method(), "POST" | "PUT" | "PATCH" | "DELETE"),
        }
    }
}

/// Whether a template names what only operators should reach.
pub(crate) fn privileged(template: &str) -> bool {
    const WORDS: [&str; 16] = [
        "admin",
        "internal",
        "debug",
        "export",
        "export_users",
        "actuator",
        "console",
        "root",
        "sudo",
        "impersonate",
        "permissions",
        "roles",
        "secrets",
        "backup",
        "dump",
        "users_export",
    ];
    let lower = template.to_ascii_lowercase();
    lower
        .split(['/', '#', ':', '.', '-', '_'])
        .any(|part| WORDS.contains(&part))
}
