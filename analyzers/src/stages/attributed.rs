//! What the inventory stage hands on with an exchange.

use std::sync::Arc;

use reassembly::{Exchange, Request};

use crate::a2a;
use crate::analyzer::Labels;
use crate::behaviour::objects::Object;
use crate::finding::ledger::Filing;
use crate::id::Id;
use crate::identity::Identity;
use crate::identity::signals::Signals;
use crate::inventory::called::{CalledEndpoint, CalledHost};
use crate::inventory::host::Place;
use crate::inventory::rpc::Call;
use crate::inventory::sensitive::Carried;
use crate::inventory::shape::drift::Drift;
use crate::llm::LlmCall;
use crate::marks::Marks;
use crate::mcp::McpCall;
use crate::settings::Settings;

/// Who made an exchange, what it called and what it carried. It belongs to that exchange, and is taken together with it.
#[derive(Debug)]
pub struct Attributed {
    pub(super) labels: Labels,
    /// Nothing when nobody can be named: then there is nothing to look at.
    pub(super) known: Option<Box<Known>>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) exchange_id: Id,
    pub(super) identity: Arc<Identity>,
    pub(super) told: Told,
    pub(super) call: Option<Call>,
    /// What is called besides, in a batch of MCP.
    pub(super) batch: Vec<McpCall>,
    pub(super) llm: Option<Box<LlmCall>>,
    pub(super) place: Place,
    pub(super) host: Option<CalledHost>,
    pub(super) endpoint: Option<CalledEndpoint>,
    pub(super) carried: Carried,
    /// The object that is named, and whether it was missing.
    pub(super) object: Option<(Object, bool)>,
    /// Of the response, when ids can be read in it.
    pub(super) marks: Marks,
    /// What was found of the endpoint, before its caller was looked at.
    pub(super) filed: Filing,
    /// What was found of the endpoint and depends on who called.
    pub(super) exposed: Filing,
    pub(super) drift: Option<Box<Drift>>,
}

/// What the content of an exchange tells of its caller's program. Signals are made of it anew wherever they are needed: they point into
/// the request.
#[derive(Debug, Default, Clone)]
pub(super) struct Told {
    /// What an MCP client calls itself in this very message.
    pub(super) client: Option<String>,
    pub(super) begins: bool,
    pub(super) calls_agent: bool,
}

impl Told {
    pub(super) fn of(call: Option<&Call>, agent: Option<&a2a::Seen<'_>>) -> Self {
        Self {
            client: call.and_then(|call| call.client.as_deref().map(str::to_owned)),
            begins: call.is_some_and(|call| call.method == "initialize"),
            calls_agent: agent.is_some_and(a2a::Seen::is_call),
        }
    }

    /// Completes the signals of a request.
    pub(super) fn complete<'a>(&'a self, signals: &mut Signals<'a>, exchange: &'a Exchange) {
        signals.calls_agent = self.calls_agent;
        signals.mcp_client = self.client.as_deref();
        signals.mcp_begins = self.begins;
        signals.answered(exchange.response.as_ref());
    }

    /// All signals of an exchange.
    pub(super) fn signals<'a>(
        &'a self,
        request: &'a Request,
        exchange: &'a Exchange,
        settings: &'a Settings,
    ) -> Signals<'a> {
        let mut signals = Signals::gather(request, settings);
        self.complete(&mut signals, exchange);
        signals
    }
}
