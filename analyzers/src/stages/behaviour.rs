//! The second stage: what of an exchange is not usual for who made it, and the ledger in which everything found ends.

use std::cell::OnceCell;
use std::sync::Arc;

use reassembly::{Exchange, Flow};

use super::attributed::{Attributed, Known};
use crate::analyzer::Labels;
use crate::behaviour::stage::{Behaviour, World};
use crate::behaviour::{Activity, Dimensions, is_text, shadow_llm_use};
use crate::finding::ledger::Ledger;
use crate::finding::{Finding, Suppressed};
use crate::id::Seed;
use crate::identity::PrincipalView;
use crate::intent::WatchView;
use crate::inventory::declared::Suppression;
use crate::inventory::rpc;
use crate::inventory::shape::drift;
use crate::llm::Allowed;
use crate::marks::Marks;
use crate::network::Networks;
use crate::settings::Settings;

/// Everything that is keyed by principal, and the ledger of findings.
#[derive(Debug)]
pub struct BehaviourStage {
    pub(crate) settings: Arc<Settings>,
    looks_at: Dimensions,
    seed: Seed,
    egress: Networks,
    llm_allowed: Allowed,
    pub(crate) behaviour: Behaviour,
    pub(crate) ledger: Ledger,
}

impl BehaviourStage {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            looks_at: Dimensions::without(&settings.leave_out),
            seed: Seed::new(&settings.hash_key),
            // The sensor checks networks when it reads its configuration; what is wrong matches nothing.
            egress: Networks::parse(&settings.shared_egress).0,
            llm_allowed: Allowed::new(&settings.llm_allowed),
            behaviour: Behaviour::new(settings.max_principals, settings.room.callers),
            ledger: Ledger::new(&settings),
            settings,
        }
    }

    /// Takes other settings into force, between two exchanges: see [`Settings::while_running`]. What was learned stays.
    pub fn reconfigure(&mut self, settings: &Arc<Settings>) {
        self.looks_at = Dimensions::without(&settings.leave_out);
        self.egress = Networks::parse(&settings.shared_egress).0;
        self.llm_allowed = Allowed::new(&settings.llm_allowed);
        self.ledger.reconfigure(settings);
        self.settings = Arc::clone(settings);
    }

    /// Takes one exchange with what the inventory stage said of it.
    pub fn observe(&mut self, exchange: &Exchange, attributed: Attributed) -> Labels {
        self.take(exchange, attributed, true).0
    }

    /// Takes what the inventory stage found, and does not look at behaviour.
    pub(crate) fn observe_findings(
        &mut self,
        exchange: &Exchange,
        attributed: Attributed,
    ) -> (Labels, Option<Marks>) {
        self.take(exchange, attributed, false)
    }

    /// As [`Self::observe`], and gives back the room of the marks.
    pub(crate) fn observe_here(
        &mut self,
        exchange: &Exchange,
        attributed: Attributed,
    ) -> (Labels, Option<Marks>) {
        self.take(exchange, attributed, true)
    }

    fn take(
        &mut self,
        exchange: &Exchange,
        attributed: Attributed,
        behaviour: bool,
    ) -> (Labels, Option<Marks>) {
        let Attributed { mut labels, known } = attributed;
        let (Some(mut known), Some(request)) = (known, &exchange.request) else {
            return (labels, None);
        };
        let Known {
            exchange_id,
            identity,
            told,
            call,
            batch,
            llm,
            place,
            host,
            endpoint,
            carried,
            object,
            marks,
            filed,
            exposed,
            drift,
        } = &mut *known;
        let signals = told.signals(request, exchange, &self.settings);
        let mut activity = Activity {
            exchange,
            request,
            exchange_id: *exchange_id,
            ts: exchange.ts(),
            identity,
            kind: identity.kind,
            name: identity.name.as_deref(),
            signals: &signals,
            scheme: identity.scheme,
            host: host.as_ref(),
            endpoint: endpoint.as_ref(),
            place,
            call: call.as_ref(),
            batch,
            llm: llm.as_deref(),
            status: rpc::status(exchange),
            carried,
            thresholds: &self.settings.thresholds,
            unit: None,
            unit_calls: 0,
            changed: None,
            trace: OnceCell::new(),
        };
        self.ledger.take(std::mem::take(filed), &activity);
        if behaviour {
            let Behaviour {
                profiles, servers, ..
            } = &mut self.behaviour;
            let callers = (profiles.len() as u64, profiles.evicted());
            servers.read(exchange, &request.host);
            servers.forgotten(exchange, &self.settings.sensor_name, callers, &mut self.ledger);
            let readable = exchange
                .response
                .as_ref()
                .filter(|r| r.status < 400 && is_text(&r.message));
            let text = readable.map(|r| r.message.body.as_slice());
            let world = World {
                looks_at: self.looks_at,
                settings: &self.settings,
                seed: self.seed,
                egress: &self.egress,
                llm_allowed: &self.llm_allowed,
            };
            let found = std::mem::take(exposed);
            labels.work = self.behaviour.observe(
                &mut activity,
                *object,
                text,
                (marks, found),
                &world,
                &mut self.ledger,
            );
            labels.intent = labels
                .work
                .and_then(|_| self.behaviour.verdict.take())
                .map(Box::new);
        }
        if let Some(drift) = drift {
            drift::observe(&activity, drift, &mut self.ledger);
        }
        if let Some(call) = call.take() {
            labels.rpc = Some((call.protocol.to_owned(), call.method, call.name));
        }
        labels.llm = llm.take();
        (labels, Some(std::mem::take(marks)))
    }

    /// Takes a flow that has ended: of what is encrypted, its hello tells whom it is with, and of what was read, what was missing.
    pub fn observe_flow(&mut self, flow: &Flow) {
        shadow_llm_use::observe_flow(flow, &self.llm_allowed, &self.settings, &mut self.ledger);
        let servers = &mut self.behaviour.servers;
        servers.observe(flow, &self.settings.sensor_name, &mut self.ledger);
    }

    /// The oldest finding record not yet taken. Drain it after each [`Self::observe`].
    pub fn poll(&mut self) -> Option<Finding> {
        self.ledger.poll()
    }

    /// All principals, sorted by kind, then id. Each is made when it is asked for.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalView> {
        let mut all = self.behaviour.profiles.sorted();
        all.sort_by_key(|(_, p)| p.kind);
        let mut reaches = self.behaviour.graph.views();
        all.into_iter().map(move |(id, p)| PrincipalView {
            reaches: reaches.remove(&id).unwrap_or_default(),
            ..p.view(&self.settings)
        })
    }

    /// What AI agents and services were seen to do, as far as an intent policy may be drawn up from it, with who they are; sorted
    /// by id. The flag tells whether a credential names them.
    pub fn watched(&self) -> impl Iterator<Item = (PrincipalView, bool, WatchView)> {
        let all = self.behaviour.profiles.sorted().into_iter();
        all.filter_map(|(_, p)| {
            let watched = p.watched.as_ref()?.view();
            Some((p.view(&self.settings), p.is_named(), watched))
        })
    }

    /// Principals that an intent policy is about, sorted by id: who, as which agent of it, calls judged, and calls out of intent.
    pub fn judged(&self) -> impl Iterator<Item = (PrincipalView, String, u64, u64)> {
        let all = self.behaviour.profiles.sorted().into_iter();
        all.filter_map(|(_, p)| {
            let standing = p.standing.as_ref()?;
            let agent = standing.agent.clone();
            Some((p.view(&self.settings), agent, standing.calls, standing.outside))
        })
    }

    /// The latest revision of every finding kept, by first time seen, then id. Each is made when it is asked for.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.ledger.latest()
    }

    /// The latest revision of every finding that is held back by a budget, with the id of the `alert_storm` that counts it.
    #[must_use]
    pub fn held_findings(&self) -> Vec<(Finding, String)> {
        self.ledger.held()
    }

    /// What each suppression of the operator hides, in the order of their file.
    #[must_use]
    pub fn suppressed(&self) -> Vec<Suppressed> {
        self.ledger.suppressed()
    }

    /// The latest revision of every finding that is hidden, with the suppression that hides it.
    #[must_use]
    pub fn hidden_findings(&self) -> Vec<(Finding, Suppression)> {
        self.ledger.hidden()
    }
}
