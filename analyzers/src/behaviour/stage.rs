//! The behaviour stage: everything that is keyed by principal, and the one place where its detectors are
//! listed.

use super::blast_radius::Contribution;
use super::days::Sums;
use super::dimension::{Dimension, Dimensions};
use super::doing::Unit;
use super::endpoint_discovery_scan::{self, Scan};
use super::habits::{Group, Habits, place_for};
use super::logins::{self, Logins};
use super::objects::{Object, handed_out};
use super::owners::Read;
use super::peers::Feature;
use super::profile::Profile;
use super::sensor_blind_spot::Servers;
use super::usual::Usual;
use super::{
    Activity, agent_changed, agent_identity_mismatch, agent_on_human_token, agent_runaway,
    baseline_poison_suspected, bfla_access, bola, bola_enumeration, business_flow_abuse, cascade_detected,
    code_exec_tool_call, data_volume_anomaly, destructive_action_burst, dormant_reactivated, env_crossing,
    human_use_of_nhi, intent_violation, mass_assignment, new_agent, new_data_class_for_principal,
    new_endpoint_for_principal, off_hours_activity, peer_outlier, request_smuggling_indicator, retry_storm,
    secret_in_traffic, sensitive_data_to_llm, sequence_anomaly, shadow_agent, shadow_llm_use,
    slow_exfiltration, stale_principal_active, system_prompt_exposure, unusual_amount, weak_auth,
};
use crate::content::injection_attempt::{self, Harmless};
use crate::content::prompt_injection_indicator;
use crate::credentials::{self, Known, Proofs, scope_unused};
use crate::finding::ledger::{Filing, Ledger};
use crate::graph::{Graph, confused_deputy};
use crate::id::{Id, Seed};
use crate::identity::PrincipalKind;
use crate::intent::{self, Verdict};
use crate::llm::Allowed;
use crate::marks::Marks;
use crate::network::Networks;
use crate::settings::{Room, Settings};
use crate::store::Store;
use crate::work::{Clues, Joined};
use reassembly::Timestamp;

/// What every detector may ask of the program.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    /// What of the usual is looked at.
    pub(crate) looks_at: Dimensions,
    pub(crate) seed: Seed,
    pub(crate) egress: &'a Networks,
    pub(crate) llm_allowed: &'a Allowed,
}

/// State of the stage.
#[derive(Debug)]
pub(crate) struct Behaviour {
    pub(crate) profiles: Store<Profile>,
    pub(crate) credentials: Store<Known>,
    pub(crate) proofs: Proofs,
    pub(crate) scans: Store<Scan>,
    pub(crate) logins: Store<Logins>,
    /// Callers of one host that are of one sort, and all callers of one host.
    pub(crate) groups: Store<Group>,
    pub(crate) graph: Graph,
    /// What of each server was seen and what was not.
    pub(crate) servers: Servers,
    /// The first call of all, and how many there were: how long the sensor has watched.
    watched: Option<(Timestamp, u64)>,
    /// Ids in the response at hand.
    found: Vec<u64>,
    /// Whether the call at hand is in the intent that was declared for its caller.
    pub(crate) verdict: Option<Verdict>,
    /// Fields of heads and cookies that are no attacks.
    harmless: Harmless,
}

impl Behaviour {
    /// For so many principals, and all that is known of callers in so many bytes; sessions of MCP have a sixteenth of these.
    pub(crate) fn new(max_principals: usize, room: usize) -> Self {
        let share = |parts| Room::share(room, parts);
        Self {
            profiles: Store::new(max_principals, share(8)),
            credentials: Store::new(max_principals.saturating_mul(2), share(2)),
            proofs: Proofs::new(),
            scans: Store::new(max_principals.div_ceil(2), share(1)),
            logins: Store::new(max_principals.div_ceil(4), share(1)),
            groups: Store::new(max_principals.div_ceil(4), share(1)),
            graph: Graph::new(max_principals.saturating_mul(2), share(1)),
            servers: Servers::new(share(1)),
            watched: None,
            found: Vec::new(),
            verdict: None,
            harmless: Harmless::default(),
        }
    }

    /// Counts a call, and for how many seconds the sensor had watched before it, when that was long enough to say that who calls for
    /// the first time is new.
    fn newcomer(&mut self, ts: Timestamp, settings: &Settings) -> Option<u64> {
        let (first, calls) = self.watched.unwrap_or_else(|| {
            // After a restart: what was learned before tells it.
            self.profiles
                .sorted()
                .into_iter()
                .fold((ts, 0), |(first, calls), (_, p)| {
                    (first.min(p.first), calls + p.exchanges)
                })
        });
        let first = first.min(ts);
        self.watched = Some((first, calls + 1));
        let long = ts.since(first);
        let known = long >= settings.learn_period && calls >= settings.learn_exchanges;
        (known && self.profiles.evicted() == 0).then_some(long.as_secs())
    }

    /// Looks at one exchange. `object` is the object it names and whether that was missing; `text` the response's
    /// body when ids can be read in it, with its `marks`; `exposed` what the inventory stage found of what is open to anybody.
    pub(crate) fn observe(
        &mut self,
        activity: &mut Activity<'_>,
        object: Option<(Object, bool)>,
        text: Option<&[u8]>,
        (marks, exposed): (&mut Marks, Filing),
        world: &World<'_>,
        ledger: &mut Ledger,
    ) -> Option<Joined> {
        let identity = activity.identity;
        self.verdict = None;
        let newcomer = self.newcomer(activity.ts, world.settings);
        let profile = self
            .profiles
            .entry(identity.id, || Profile::new(identity, activity.ts, newcomer));
        let before = profile.last;
        let client = activity.call.and_then(|c| c.client.as_deref());
        profile.recognise(identity, client, activity.exchange.completed);
        activity.kind = profile.kind;
        let address = activity.exchange.flow.client.ip();
        let strange_address = profile.exchanges > 0 && !profile.knows_address(address);
        let is_new = profile.count(&*activity);
        let learned = profile.learned(world.settings);
        // A browser's preflight is sent without credentials and for itself; it says nothing of its sender.
        if activity.signals.preflight && activity.request.method() == "OPTIONS" {
            return None;
        }
        let clues = Clues::of(&*activity, object.map(|(object, _)| object.last), world.seed);
        let joined = profile.work.join(&clues);
        activity.unit = Some(joined.unit);
        activity.unit_calls = profile.work.calls_of_the_last();
        let key = &world.settings.hash_key;
        if world.looks_at.has(Dimension::Epochs) {
            agent_changed::observe(activity, &mut profile.epochs, world.seed, key, ledger);
        }
        activity.changed = profile.epochs.changed(activity.ts);
        let activity = &*activity;
        let given = object.filter(|(_, missing)| !missing && activity.accepted());
        let given = given.map(|(object, _)| object.hash);
        let reached = Contribution::of(activity, given, text, world.seed);
        ledger.reaches(profile.reached.take(joined.unit, activity.ts), &reached);
        let registry = &world.settings.declared.agents;
        let asked = !registry.is_empty() || !world.settings.intents.is_empty();
        let credited = profile.name.clone().filter(|_| asked && !identity.by_address);
        let credited = credited.as_deref();
        let agent = match registry.is_empty() {
            true => None,
            false => registry.of(&identity.text, credited),
        };
        if registry.is_empty() {
            if let Some(watched) = profile.newcomer {
                new_agent::observe(activity, profile, watched, ledger);
            }
        } else if agent.is_none() {
            shadow_agent::observe(activity, profile, registry.len(), ledger);
        }
        agent_identity_mismatch::observe(activity, agent, ledger);
        agent_on_human_token::observe(activity, profile, agent.is_some(), ledger);
        human_use_of_nhi::observe(activity, ledger);
        let covered = |from, to| {
            let host = activity.endpoint.and(activity.host);
            host.map_or(0, |host| host.days_between(from, to))
        };
        stale_principal_active::observe(
            activity,
            profile,
            before,
            (agent, world.settings),
            covered,
            ledger,
        );
        ledger.take(exposed, activity);
        weak_auth::observe(activity, ledger);
        request_smuggling_indicator::observe(activity, ledger);
        shadow_llm_use::observe(activity, world.llm_allowed, ledger);
        sensitive_data_to_llm::observe(activity, ledger);
        secret_in_traffic::observe(activity, ledger);
        system_prompt_exposure::observe(activity, ledger);
        code_exec_tool_call::observe(activity, ledger);
        injection_attempt::observe(activity, &self.harmless, world, ledger);
        prompt_injection_indicator::observe(activity, &mut profile.taint, joined, world, ledger);
        let since = agent.and_then(|agent| agent.learn_since);
        if let Some(begin) = since.map(|day| day.end().saturating_sub(86_400))
            && activity.ts.seconds() >= begin
        {
            profile.forget_before(Timestamp(begin.saturating_mul(1_000_000_000)));
        }
        let frozen = agent.and_then(|agent| agent.frozen_since);
        let frozen = frozen.is_some_and(|day| activity.ts.seconds() >= day.end().saturating_sub(86_400));
        let kept = frozen.then(|| (profile.habits.clone(), profile.rate.clone()));
        if world.looks_at.has(Dimension::Rates) {
            profile.rate.observe(activity, learned, ledger);
        }
        let strange = (strange_address, is_new);
        let Profile { woken, habits, .. } = profile;
        dormant_reactivated::observe(activity, woken, &habits.days, strange, ledger);
        if is_new && world.looks_at.has(Dimension::Endpoints) {
            new_endpoint_for_principal::observe(activity, profile, world.settings, ledger);
        }
        let named = object.filter(|_| activity.status.is_some());
        let callers = [Some(activity.kind), None].map(|sort| group_of(activity, sort));
        let task = at_work(
            activity,
            profile,
            &mut self.groups,
            (named, callers),
            joined.unit,
            world,
            ledger,
        );
        let whom = (agent.map(|agent| agent.name.as_str()), credited);
        let hash = object.map(|(object, _)| object.hash);
        self.verdict = intent::observe(activity, whom, hash, &mut profile.standing, world, ledger);
        intent::watch(activity, hash, &mut profile.watched);
        if self.verdict.as_ref().is_some_and(|verdict| !verdict.inside) {
            profile.doing.report();
        }
        if let Some(named) = named {
            bola_enumeration::observe(activity, profile, named, task, world, ledger);
        }
        if let Some((habits, rate)) = kept {
            // Days and the latest steps go on: they are what was, and not what is usual.
            let days = std::mem::take(&mut profile.habits.days);
            let steps = std::mem::take(&mut profile.habits.steps);
            (profile.habits, profile.rate) = (habits, rate);
            (profile.habits.days, profile.habits.steps) = (days, steps);
        }
        let since = (learned, profile.first);
        scope_unused::observe(activity, &mut profile.touched, since, world.seed, ledger);
        let settled = learned && profile.is_settled();
        let (known, proofs) = (&mut self.credentials, &mut self.proofs);
        let used = identity
            .credential
            .as_ref()
            .and_then(|credential| known.get(credential.id))
            .is_some_and(|known| known.uses > 0);
        let granted = credentials::observe(activity, known, proofs, settled, world, ledger);
        if let Some(granted) = granted {
            profile.granted(granted, activity.ts);
        }
        if let Some(credential) = identity.credential.as_ref().filter(|_| activity.accepted())
            && let Some(known) = self.credentials.get_mut(credential.id)
        {
            env_crossing::observe(activity, known.scheme, &mut known.environments, agent, ledger);
        }
        let accepted = identity
            .credential
            .as_ref()
            .and_then(|credential| self.credentials.get(credential.id))
            .is_some_and(|known| known.uses > 0);
        let scan = endpoint_discovery_scan::subject(activity, accepted, world.seed);
        if endpoint_discovery_scan::begins(activity) || self.scans.get(scan).is_some() {
            self.scans
                .entry(scan, Scan::default)
                .observe(activity, scan, ledger);
        }
        if let Some(client) = logins::subject(activity, used, world.seed)
            && (logins::begins(activity, used) || self.logins.get(client).is_some())
        {
            let logins = self.logins.entry(client, Logins::default);
            logins.observe(activity, (client, used), world.seed, ledger);
        }
        // What this response shows explains later calls, not the one that it answers.
        self.found.clear();
        if let Some(text) = text {
            handed_out(text, marks, world.seed, &mut self.found);
            profile.shown.insert_all(&self.found);
            profile.doing.show(&self.found);
            if let Some(group) = self.groups.get_mut(callers[1]) {
                if activity.accepted() && !identity.by_address {
                    let asked = object.map(|(object, _)| object.last);
                    group.owners.show(&self.found, asked, bola::owner(activity));
                }
                intent_violation::mention(text, marks, world.seed, &mut group.mentioned);
            }
        }
        let asked = activity.llm.map_or(&[][..], |llm| &llm.tools_called);
        let asked = asked.iter().map(|(tool, _)| world.seed.hash(tool.as_bytes()));
        profile.work.answered(&self.found, asked);
        let response = activity.exchange.response.as_ref().filter(|r| r.status < 400);
        if let Some(location) = response.and_then(|r| r.message.field("location")) {
            marks.read(location.as_bytes());
            handed_out(location.as_bytes(), marks, world.seed, &mut self.found);
            profile.shown.insert_all(&self.found);
            profile.doing.show(&self.found);
        }
        let named = object.map(|(object, _)| object.hash);
        let caused = self.graph.observe(activity, &clues, named, world.seed);
        if activity.endpoint.is_some()
            && let Some(group) = self.groups.get_mut(callers[1])
        {
            let usual = &mut group.customs.at(activity.place.template).led;
            cascade_detected::observe(activity, &caused, usual, ledger);
        }
        confused_deputy::observe(
            activity,
            &mut profile.refused,
            named,
            (&caused, world.seed),
            ledger,
        );
        if let Some(unit) = ledger.reached() {
            profile.reached.put_back(unit);
        }
        Some(joined)
    }
}

/// Holds a call against the rest of its task, and the task against what is usual. Gives what of it is beyond that in objects.
fn at_work(
    activity: &Activity<'_>,
    profile: &mut Profile,
    groups: &mut Store<Group>,
    (named, [like, all]): (Option<(Object, bool)>, [Id; 2]),
    unit: Id,
    world: &World<'_>,
    ledger: &mut Ledger,
) -> Option<bola_enumeration::Task> {
    let ts = activity.ts;
    let own_hours = &profile.habits.hours;
    let looks = |at: Dimension| world.looks_at.has(at);
    let odd = looks(Dimension::Hours)
        && off_hours_activity::is_odd(activity, own_hours, [groups.get(like), groups.get(all)]);
    profile.habits.hours.count(ts, odd);
    let everybody = groups.entry(all, || Group::new(ts));
    everybody.count(profile.id, ts, odd);
    let mut mentioned = std::mem::take(&mut everybody.mentioned);
    let mut owners = std::mem::take(&mut everybody.owners);
    let mut customs = std::mem::take(&mut everybody.customs);
    let mut flows = std::mem::take(&mut everybody.flows);
    let mut nobody = Group::new(ts);
    let group = match looks(Dimension::Peers) {
        true => groups.entry(like, || Group::new(ts)),
        false => &mut nobody,
    };
    group.count(profile.id, ts, odd);
    let learned = profile.learned(world.settings) || ts.since(group.first) >= world.settings.learn_period;
    let (learned_itself, first) = (profile.learned(world.settings), profile.first);
    let Profile {
        doing, habits, shown, ..
    } = profile;
    let who = profile.id;
    let unit = doing.turn(unit, ts, |over: Unit| {
        if over.reported {
            habits.take_reported(&over);
        } else {
            habits.take(&over);
            if group.peers.may_teach(who) {
                group.habits.take(&over);
            }
        }
    });
    let explained = named.is_some_and(|(object, _)| unit.shown.contains(object.last));
    retry_storm::observe(activity, unit, world.seed, ledger);
    if odd {
        off_hours_activity::observe(activity, unit, &habits.hours, ledger);
    }
    if looks(Dimension::Sizes) {
        data_volume_anomaly::observe(activity, unit, habits, &mut group.habits, learned, ledger);
    }
    if looks(Dimension::Order) {
        sequence_anomaly::observe(activity, unit, (habits, &group.habits), learned, ledger);
    }
    if looks(Dimension::Destinations) {
        let knows = (learned, world.seed, &world.settings.hash_key);
        intent_violation::observe(activity, unit, &mut group.sends, &mut mentioned, knows, ledger);
    }
    if looks(Dimension::Models) {
        let likes = (&*habits, &group.habits);
        agent_runaway::observe(activity, unit, likes, learned, world, ledger);
    }
    if looks(Dimension::Classes) {
        let known = (learned_itself, first);
        let alike = &mut group.given;
        new_data_class_for_principal::observe(
            activity,
            &mut habits.classes,
            alike,
            known,
            world.settings,
            ledger,
        );
    }
    if looks(Dimension::Order) {
        let steps = (&mut *unit, &mut habits.steps);
        business_flow_abuse::observe(activity, &mut flows, steps, learned, world.seed, ledger);
    }
    if looks(Dimension::Customs) && activity.accepted() && activity.endpoint.is_some_and(|e| !e.is_static) {
        let custom = customs.at(activity.place.template);
        let told = &mut habits.other_roles;
        bfla_access::observe(activity, custom, unit, told, world.seed, ledger);
        mass_assignment::observe(activity, custom, unit, world.seed, ledger);
        if let Some(amount) = unusual_amount::amount(activity) {
            let own = place_for(&mut habits.amounts, activity.place.template, Usual::learned);
            unusual_amount::observe(activity, amount, (own, &mut custom.amounts), unit, ledger);
        }
    }
    let mut sums = sums_of(activity, unit.calls, named);
    let task = named.and_then(|(object, missing)| {
        let changed = unit.changed.len();
        if learned && looks(Dimension::Changes) {
            let all = (&*habits, &group.habits);
            destructive_action_burst::observe(activity, unit, (object, explained), all, ledger);
        }
        sums.changes = unit.changed.len().saturating_sub(changed) as f32;
        let known = explained || shown.contains(object.last);
        if looks(Dimension::Owners) {
            let reads = place_for(&mut habits.reads, activity.place.template, Read::made);
            let reads = (&mut owners, reads);
            bola::observe(activity, unit, (object, known), reads, learned, ledger);
        }
        if explained || !looks(Dimension::Objects) {
            return None;
        }
        let guessed = unit.guesses_made();
        let middle = group.peers.middle(Feature::Guesses);
        let all = (&*habits, &group.habits);
        let task = bola_enumeration::in_task(activity, unit, (object, missing), all, middle);
        sums.guesses = unit.guesses_made().saturating_sub(guessed) as f32;
        task.filter(|_| learned)
    });
    if looks(Dimension::Days) {
        days(activity, habits, group, &sums, ledger);
    }
    if let Some(everybody) = groups.get_mut(all) {
        everybody.mentioned = mentioned;
        everybody.owners = owners;
        everybody.customs = customs;
        everybody.flows = flows;
    }
    task
}

/// What a call adds to its day. Objects are counted by those who know them.
fn sums_of(activity: &Activity<'_>, calls: u32, named: Option<(Object, bool)>) -> Sums {
    let refused = activity.status.is_some_and(|s| (400..500).contains(&s));
    let missing = named.is_some_and(|(_, missing)| missing);
    let response = activity.exchange.response.as_ref();
    let flag = |on: bool| f32::from(u8::from(on));
    Sums {
        calls: 1.0,
        tasks: flag(calls == 1),
        refused: flag(refused || missing),
        bytes: response.map_or(0.0, |r| r.message.content_bytes as f32),
        sensitive: flag(activity.carried.response.iter().next().is_some()),
        ..Sums::default()
    }
}

/// Adds a call to its day, and looks at the days when another one has ended.
fn days(activity: &Activity<'_>, habits: &mut Habits, group: &mut Group, sums: &Sums, ledger: &mut Ledger) {
    let ts = activity.ts;
    if let Some(ended) = habits.days.add(ts, sums) {
        let several = group.habits.hours.are_of_several();
        let all = several.then_some(&group.habits.days);
        let (bytes, learned) = (&mut habits.told.0, &mut habits.told.1);
        slow_exfiltration::observe(activity, ended, (&habits.days, bytes), all, ledger);
        baseline_poison_suspected::observe(activity, ended, (&habits.days, learned), all, ledger);
        let who = activity.identity.id;
        if !activity.identity.by_address
            && let Some((apart, others)) = group.peers.compare(who, ended, &habits.days)
        {
            let (_, days) = habits.days.lately();
            peer_outlier::tell(activity, &apart, others, days, ledger);
        }
    }
    group.habits.days.add(ts, sums);
}

/// Callers of the host of a call that are of one sort, or all of them.
fn group_of(activity: &Activity<'_>, sort: Option<PrincipalKind>) -> Id {
    let sort = sort.map(|kind| [kind as u8]);
    let sort = sort.as_ref().map_or(&[][..], |sort| &sort[..]);
    Id::of(&[b"group", activity.host_text().as_bytes(), sort])
}
