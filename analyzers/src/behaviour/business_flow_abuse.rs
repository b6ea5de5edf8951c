//! # `business_flow_abuse`: a step of a flow left out, or done again
//!
//! Learns, for each operation of a host that changes something, which other such operations came before it in the same task, whoever
//! calls: a *flow* is what forty tasks of three callers and more have in common, with no doubt left that is above one in forty (so one
//! of forty that goes without is already too many). An operation changes something when its method is none that reads; a tool or a method of
//! JSON-RPC when none of its words says that it reads. And it learns how often a step succeeds with the same content again. Then it reports
//!
//! - `step_skipped`: a step succeeds and one that always comes first did not, neither in this task nor in others of the caller within four
//!   days: there it has not been taken more often than what comes after it. A checkout without the payment;
//! - `step_repeated`: a step of such a flow (no `PUT` and no `DELETE`) succeeds for the third time with the same content in one task, which
//!   practically never happens. A voucher used again and again.
//!
//! Medium; high when an amount goes along.
//!
//! Source: OWASP API6:2023; OWASP WSTG-BUSL-06 (circumvention of work flows), WSTG-BUSL-05 (number of times a function can be used).
//!
//! Blind to: flows of fewer than three callers, or whose steps are usually taken by several callers, each its own; steps that only read, and
//! those before which one of several may come; a step left out by a caller that took it for something else in the same task or, within four days,
//! for something that it did not go on with; the same step with another content each time.
//!
//! Quiet when: the caller is a person, or told by its address alone; the step was refused; nobody saw whether the one before it succeeded (no
//! answer, or 409: it was already); three callers do without within two weeks: then the flow is another one, and is learned anew, of which nothing is told
//! but the first two; a caller that does without on more than three days: then that is its way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::activity::Activity;
use super::customs::bit_of;
use super::doing::Unit;
use super::failure;
use super::retry_storm::call_of;
use super::unusual_amount;
use super::usual::make_room;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Seed;
use crate::identity::PrincipalKind;

/// Steps of one host; those taken least make way. Steps that come before one.
const STEPS: usize = 128;
const BEFORE: usize = 16;

/// Steps of one task, and of one caller, that are remembered.
const OF_A_TASK: usize = 32;
const OF_A_CALLER: usize = 24;

/// Callers whose tasks have made a flow; tasks from which on that is asked, and the doubt that may be left.
const CALLERS: u32 = 3;
const TASKS: u32 = 40;
const DOUBT: f64 = 1.0 / 40.0;

/// Share of tasks below which a step is no candidate any more, after so many tasks.
const SHARE: f64 = 0.9;
const EARLY: u32 = 10;

/// How often the same may succeed.
const SAME: u32 = 3;

/// Callers that do without, and days within which they do, from which on the flow is another one.
const OTHERS: u32 = 3;
const DAYS: u32 = 14;

/// Days for which a step that was taken in another task still counts: from Friday to Monday.
const KEPT: usize = 4;

/// Days on which a caller does without and is told; who goes on after that has another way.
const OWN_WAY: u8 = 3;

/// A step that was taken in a task, and the content it was taken with most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32)", into = "(u32, u32, u32)")]
pub(crate) struct Taken {
    step: u32,
    content: u32,
    times: u32,
}

impl From<(u32, u32, u32)> for Taken {
    fn from((step, content, times): (u32, u32, u32)) -> Self {
        Self { step, content, times }
    }
}

impl From<Taken> for (u32, u32, u32) {
    fn from(taken: Taken) -> Self {
        (taken.step, taken.content, taken.times)
    }
}

/// How often a caller took which step on the latest days. Part of its row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lately {
    /// Steps, the latest last: each with its latest day since 1970, and how often it was taken on that day and on those before.
    steps: Vec<(u32, u32, [u16; KEPT])>,
    /// The last day on which it did without a step and was told, and on how many that was so.
    #[serde(default)]
    told: (u32, u8),
}

impl Lately {
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.told == (0, 0)
    }

    /// The days of a step as they are seen today.
    fn days(&self, step: u32, today: u32) -> [u16; KEPT] {
        let known = self.steps.iter().find(|(known, ..)| *known == step);
        let mut days = [0; KEPT];
        if let Some((_, latest, counts)) = known {
            let ago = today.saturating_sub(*latest) as usize;
            for (day, count) in days.iter_mut().skip(ago).zip(counts) {
                *day = *count;
            }
        }
        days
    }

    fn times(&self, step: u32, today: u32) -> u32 {
        self.days(step, today).iter().map(|count| u32::from(*count)).sum()
    }

    fn take(&mut self, step: u32, today: u32) {
        let mut days = self.days(step, today);
        days[0] = days[0].saturating_add(1);
        match self.steps.iter().position(|(known, ..)| *known == step) {
            Some(at) => drop(self.steps.remove(at)),
            None if self.steps.len() >= OF_A_CALLER => drop(self.steps.remove(0)),
            None => self.steps.reserve_exact(1),
        }
        self.steps.push((step, today, days));
    }

    /// Whether a step was taken more often than `next`, which comes after it.
    fn waits(&self, step: u32, next: u32, today: u32) -> bool {
        self.times(step, today) > self.times(next, today)
    }

    /// Notes that it did without. False when that is its way.
    fn does_without(&mut self, today: u32) -> bool {
        let (last, days) = self.told;
        if today > last {
            self.told = (today, days.saturating_add(1));
        }
        self.told.1 <= OWN_WAY
    }
}

/// A step that comes before another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32, u64)", into = "(u32, u32, u32, u64)")]
struct Before {
    step: u32,
    /// The task with which it was seen first, tasks that had it since, and their callers, a bit each.
    since: u32,
    count: u32,
    callers: u64,
}

impl From<(u32, u32, u32, u64)> for Before {
    fn from((step, since, count, callers): (u32, u32, u32, u64)) -> Self {
        Self {
            step,
            since,
            count,
            callers,
        }
    }
}

impl From<Before> for (u32, u32, u32, u64) {
    fn from(before: Before) -> Self {
        (before.step, before.since, before.count, before.callers)
    }
}

/// A step of flows: an operation that changes something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Step {
    /// As it may be shown.
    name: Box<str>,
    /// Tasks that took it, and their callers, a bit each.
    tasks: u32,
    callers: u64,
    /// What came before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<Before>,
    /// Tasks in which it succeeded with the same content again.
    #[serde(default)]
    again: u32,
    /// Callers that did what is not the flow, a bit each, and the day since 1970 on which the first of them did.
    #[serde(default)]
    odd: (u64, u32),
}

/// The flows of one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Flows(BTreeMap<u32, Step>);

impl Flows {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn name(&self, step: u32) -> &str {
        self.0.get(&step).map_or("another step", |step| &step.name)
    }
}

/// Whether what was so in `count` of `all` tasks is so practically always: the estimate of Laplace.
fn is_always(count: u32, all: u32) -> bool {
    let without = f64::from(all.saturating_sub(count));
    all >= TASKS && (without + 1.0) / (f64::from(all) + 2.0) <= DOUBT
}

impl Step {
    /// Of the tasks since a step came before it first.
    fn tasks_since(&self, before: &Before) -> u32 {
        self.tasks.saturating_sub(before.since).saturating_add(1)
    }

    /// Steps that always come before it.
    fn first(&self) -> impl Iterator<Item = &Before> {
        let all = self.before.iter();
        let all = all.filter(|before| before.callers.count_ones() >= CALLERS);
        all.filter(|before| is_always(before.count, self.tasks_since(before)))
    }

    /// Learns from a task that comes to this step after others.
    fn learn(&mut self, taken: &[Taken], who: u64) {
        self.tasks = self.tasks.saturating_add(1);
        self.callers |= who;
        let tasks = self.tasks;
        for before in &mut self.before {
            if taken.iter().any(|taken| taken.step == before.step) {
                before.count += 1;
                before.callers |= who;
            }
        }
        self.before.retain(|before| {
            let since = tasks.saturating_sub(before.since).saturating_add(1);
            since < EARLY || f64::from(before.count) >= SHARE * f64::from(since)
        });
        for taken in taken {
            if self.before.len() < BEFORE && !self.before.iter().any(|before| before.step == taken.step) {
                self.before.push(Before {
                    step: taken.step,
                    since: tasks,
                    count: 1,
                    callers: who,
                });
            }
        }
    }

    /// Notes a caller that does without. True when several do: then the flow is another one.
    fn changes_with(&mut self, who: u64, today: u32) -> bool {
        let (callers, first) = &mut self.odd;
        if today > first.saturating_add(DAYS) {
            (*callers, *first) = (0, today);
        }
        *callers |= who;
        callers.count_ones() >= OTHERS
    }
}

/// Whether a call does something. Of tools and methods their names tell, word by word, however they are written.
fn acts(activity: &Activity<'_>) -> bool {
    // Whatever is verified is a step: that it may be left out is what this is about.
    const READS: [&str; 24] = [
        "get", "list", "read", "search", "inspect", "find", "fetch", "retrieve", "check", "trace", "resolve",
        "query", "show", "view", "describe", "lookup", "count", "export", "download", "open", "browse",
        "status", "poll", "preview",
    ];
    let Some(call) = activity.call else {
        return !matches!(activity.request.method(), "GET" | "HEAD" | "OPTIONS");
    };
    let name = match (call.protocol, call.method.as_str()) {
        ("graphql", kind) => return kind == "mutation",
        ("llm" | "a2a", _) => return false,
        ("mcp", "tools/call") => call.name.as_deref().unwrap_or(""),
        ("mcp", _) => return false,
        (_, method) => call.name.as_deref().unwrap_or(method),
    };
    let mut word = String::new();
    let mut reads = false;
    let mut last = ' ';
    for c in name.chars().take(128).chain([' ']) {
        let begins = c.is_ascii_uppercase() && last.is_ascii_lowercase();
        if begins || !c.is_ascii_alphanumeric() {
            reads |= READS.contains(&word.as_str());
            word.clear();
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        last = c;
    }
    !reads
}

/// Looks at a call.
pub(super) fn observe(
    activity: &Activity<'_>,
    flows: &mut Flows,
    (unit, lately): (&mut Unit, &mut Lately),
    learned: bool,
    seed: Seed,
    ledger: &mut Ledger,
) {
    let Some(endpoint) = activity
        .endpoint
        .filter(|endpoint| !endpoint.is_static && acts(activity))
    else {
        return;
    };
    if activity.kind == PrincipalKind::Human || activity.identity.by_address {
        return;
    }
    let step = endpoint.id.short() as u32;
    let today = (activity.ts.seconds() / 86_400) as u32;
    // A form is answered with a redirect. Without an answer, or when it was done already, nobody knows that it was not.
    let done =
        activity.status.is_some_and(|status| (200..400).contains(&status)) && !failure::failed(activity);
    if !done {
        if matches!(activity.status, None | Some(409)) {
            note(unit, step, 0);
            lately.take(step, today);
        }
        return;
    }
    let (content, who) = (call_of(activity, seed) as u32, bit_of(activity.identity.id));
    if !flows.0.contains_key(&step) {
        make_room(&mut flows.0, STEPS, |step| step.tasks);
        let name = match endpoint.tool() {
            Some(tool) => tool.to_owned(),
            None => format!("{} {}", endpoint.method, endpoint.template),
        };
        let new = Step {
            name: name.into(),
            ..Step::default()
        };
        flows.0.insert(step, new);
    }
    let Some(known) = flows.0.get_mut(&step) else {
        return;
    };
    let reason = match unit.steps.iter_mut().find(|taken| taken.step == step) {
        None => {
            let missing = known.first().find(|before| {
                let here = unit.steps.iter().any(|taken| taken.step == before.step);
                !here && !lately.waits(before.step, step, today)
            });
            let missing = missing.filter(|_| learned).copied();
            if missing.is_none() {
                known.learn(&unit.steps, who);
            }
            missing.map(|before| (Some(before), before.count, known.tasks_since(&before)))
        }
        Some(taken) => {
            let again = taken.content == content;
            taken.times = if again { taken.times.saturating_add(1) } else { 1 };
            taken.content = content;
            // The task at hand is none of those before it.
            let tasks = known.tasks.saturating_sub(1);
            let once = tasks.saturating_sub(known.again.saturating_sub(u32::from(taken.times > 2)));
            let says = !activity.request.message.body.is_empty();
            let same_again = matches!(activity.request.method(), "PUT" | "DELETE");
            let flow = known.first().next().is_some();
            if taken.times == 2 {
                known.again = known.again.saturating_add(1);
            }
            let told =
                learned && says && flow && !same_again && taken.times >= SAME && is_always(once, tasks);
            told.then_some((None, once, tasks))
        }
    };
    note(unit, step, content);
    let Some((missing, count, tasks)) = reason else {
        lately.take(step, today);
        return;
    };
    let mut callers = known.callers.count_ones();
    if let Some(before) = missing {
        callers = before.callers.count_ones();
        // What comes after this step lacks the same, and is told with it.
        note(unit, before.step, 0);
        if known.changes_with(who, today) {
            // Learned from what is done now.
            let name = std::mem::take(&mut known.name);
            *known = Step {
                name,
                ..Step::default()
            };
            return;
        }
        if !lately.does_without(today) {
            return;
        }
    }
    let missing = missing.map(|missing| flows.name(missing.step).to_owned());
    tell(activity, unit, (missing, count, tasks, callers), ledger);
}

/// Notes that a task took a step.
fn note(unit: &mut Unit, step: u32, content: u32) {
    if unit.steps.iter().any(|taken| taken.step == step) {
        return;
    }
    if unit.steps.len() >= OF_A_TASK {
        unit.steps.remove(0);
    }
    unit.steps.reserve_exact(1);
    unit.steps.push(Taken {
        step,
        content,
        times: 1,
    });
}

fn tell(
    activity: &Activity<'_>,
    unit: &mut Unit,
    (missing, count, tasks, callers): (Option<String>, u32, u32, u32),
    ledger: &mut Ledger,
) {
    let severity = match unusual_amount::amount(activity) {
        Some(_) => Severity::High,
        None => Severity::Medium,
    };
    let reason = match &missing {
        Some(_) => "step_skipped",
        None => "step_repeated",
    };
    let resource = activity.resource();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        resource.endpoint.as_deref().unwrap_or("").as_bytes(),
        reason.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::BusinessFlowAbuse,
        parts: &parts,
        window: day(unit.first),
    };
    let step = activity.endpoint.map_or(0, |endpoint| endpoint.id.short() as u32);
    let taken = unit.steps.iter().find(|taken| taken.step == step);
    let times = taken.map_or(1, |taken| taken.times);
    let repeated = missing.is_none();
    let draft = || Draft {
        confidence: if tasks >= 4 * TASKS { 0.85 } else { 0.75 },
        principal: true,
        resource: resource.clone(),
        observed: [("reason", json!(reason))]
            .into_iter()
            .chain(missing.map(|step| ("step_left_out", json!(step))))
            .collect(),
        expected: vec![("tasks_in_order", json!(count))],
        support: vec![("tasks", json!(tasks)), ("callers_at_least", json!(callers))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |running| {
        if repeated {
            running.count(u64::from(times));
            running.observed("times_in_task", times);
        }
    });
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |of: &serde_json::Map<String, serde_json::Value>, name: &str| {
        of.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    let (count, tasks) = (
        number(&finding.expected, "tasks_in_order"),
        number(&finding.support, "tasks"),
    );
    let callers = many(number(&finding.support, "callers_at_least"), "caller", "callers");
    let left_out = finding
        .observed
        .get("step_left_out")
        .and_then(serde_json::Value::as_str);
    let what = match left_out {
        Some(step) => format!(
            "{} came to {} without {step} before it, and was let in. In {count} of {} by {callers} or more that came first",
            finding.who(),
            finding.place(),
            many(tasks, "task", "tasks"),
        ),
        None => format!(
            "{} had {} succeed {} with the same content in one task. In {count} of {} by {callers} or more it was once",
            finding.who(),
            finding.place(),
            many(finding.observed_number("times_in_task"), "time", "times"),
            many(tasks, "task", "tasks"),
        ),
    };
    sentence(&format!("{what}."))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{Call, START, Scene, agent_token};

    /// What a shop's agents do: a cart, what is put in, an address, the payment and the shipment.
    const FLOW: [&str; 5] = ["", "/items", "/address", "/payments", "/shipments"];

    fn step(scene: &mut Scene, token: &str, cart: u64, step: &str, body: &str) {
        scene.wait(3);
        let path = format!("/carts/cart-{cart:06}{step}");
        scene.send(&Call::new("POST", path).bearer(token).body(body.to_owned()));
    }

    fn checkout(scene: &mut Scene, agent: &str, cart: u64, steps: &[&str]) {
        let token = agent_token(agent, cart / 1000);
        for name in steps {
            let body = format!(r#"{{"n":{},"of":"{agent}"}}"#, cart * 7 % 90);
            step(scene, &token, cart, name, &body);
            // Some put in more than one thing.
            if *name == "/items" && cart.is_multiple_of(3) {
                step(scene, &token, cart, name, r#"{"n":91}"#);
            }
        }
    }

    /// Days of work by several agents, the days of which are spread over their hours.
    fn weeks(scene: &mut Scene, days: std::ops::Range<u64>, agents: &[&str], steps: &[&str]) {
        for day in days {
            for hour in 0..8 {
                for (place, agent) in agents.iter().enumerate() {
                    let at = START + day * 86_400 + hour * 3600 + place as u64 * 300;
                    scene.now = at * 1_000_000_000;
                    checkout(scene, agent, (day * 10 + hour) * 1000 + place as u64, steps);
                }
            }
        }
    }

    const ALL: [&str; 4] = ["a", "b", "c", "d"];
    const TODAY: u64 = START + 10 * 86_400;

    fn learned() -> Scene {
        let mut scene = Scene::new();
        weeks(&mut scene, 0..10, &ALL, &FLOW);
        scene.now = TODAY * 1_000_000_000;
        scene
    }

    /// Somebody ships without paying, and somebody uses a voucher again and again.
    pub(crate) fn shoppers(scene: &mut Scene) {
        weeks(scene, 0..10, &ALL, &FLOW);
        scene.now = TODAY * 1_000_000_000;
        checkout(scene, "b", 500_001, &["", "/items", "/address", "/shipments"]);
        checkout(scene, "c", 500_002, &FLOW);
        for _ in 0..4 {
            step(
                scene,
                &agent_token("c", 500),
                500_002,
                "/payments",
                r#"{"n":1,"amount":20}"#,
            );
        }
    }

    fn told(scene: &Scene) -> Vec<&Finding> {
        let all = scene.told.iter();
        all.filter(|f| f.kind == Kind::BusinessFlowAbuse).collect()
    }

    #[test]
    fn a_shipment_without_its_payment_is_told_once_with_what_was_left_out() {
        let mut scene = learned();
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
        checkout(
            &mut scene,
            "b",
            500_001,
            &["", "/items", "/address", "/shipments"],
        );
        let found = told(&scene);
        assert_eq!(found.len(), 1, "{:?}", scene.words());
        assert_eq!(found[0].severity, Severity::Medium);
        assert_eq!(found[0].observed["reason"], "step_skipped");
        let left_out = found[0].observed["step_left_out"].as_str().unwrap();
        assert!(
            left_out.starts_with("POST ") && left_out.ends_with("/payments"),
            "{left_out}"
        );
        assert!(
            found[0].explanation.contains("without POST"),
            "{}",
            found[0].explanation
        );
        // The next order of the same caller is as usual, and so are those of the others.
        scene.wait(7200);
        checkout(&mut scene, "b", 500_002, &FLOW);
        checkout(&mut scene, "a", 500_003, &FLOW);
        assert_eq!(told(&scene).len(), 1, "{:?}", scene.words());
        // What it does again another time is told again.
        scene.wait(7200);
        checkout(
            &mut scene,
            "b",
            500_004,
            &["", "/items", "/address", "/shipments"],
        );
        assert_eq!(told(&scene).len(), 2, "{:?}", scene.words());
    }

    #[test]
    fn a_flow_that_pauses_or_goes_on_in_another_task_is_as_usual() {
        let mut scene = learned();
        checkout(&mut scene, "b", 500_001, &["", "/items", "/address", "/payments"]);
        scene.wait(3 * 3600);
        checkout(&mut scene, "b", 500_001, &["/shipments"]);
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
        // The payment has been used up by that.
        scene.wait(3 * 3600);
        checkout(
            &mut scene,
            "b",
            500_002,
            &["", "/items", "/address", "/shipments"],
        );
        assert_eq!(told(&scene).len(), 1, "{:?}", scene.words());
    }

    #[test]
    fn a_step_that_is_refused_and_a_caller_who_pays_first_are_silent() {
        let mut scene = learned();
        let token = agent_token("c", 500);
        scene.send(
            &Call::new("POST", "/carts/cart-500001/shipments")
                .bearer(&token)
                .body("{}")
                .status(409),
        );
        checkout(
            &mut scene,
            "d",
            500_002,
            &["", "/items", "/payments", "/address", "/shipments"],
        );
        let skipped = told(&scene);
        // Whoever pays before there is an address leaves a step out, and takes it later.
        assert!(
            skipped
                .iter()
                .all(|f| f.observed["step_left_out"] != "POST /carts/{cart}/payments")
        );
        assert!(skipped.iter().all(|f| {
            f.resource
                .template
                .as_deref()
                .is_some_and(|t| !t.ends_with("shipments"))
        }));
    }

    #[test]
    fn the_same_step_again_and_again_is_told_and_other_steps_are_not() {
        let mut scene = learned();
        let token = agent_token("c", 500);
        checkout(&mut scene, "c", 500_001, &FLOW);
        for _ in 0..2 {
            step(
                &mut scene,
                &token,
                500_001,
                "/payments",
                r#"{"n":1,"voucher":"X"}"#,
            );
        }
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
        for _ in 0..4 {
            step(
                &mut scene,
                &token,
                500_001,
                "/payments",
                r#"{"n":1,"voucher":"X"}"#,
            );
        }
        let found = told(&scene);
        assert_eq!(found.len(), 1, "{:?}", scene.words());
        assert_eq!(found[0].observed["reason"], "step_repeated");
        // Many carts are paid for in one task, each once: a batch.
        let mut scene = learned();
        let token = agent_token("c", 500);
        checkout(&mut scene, "c", 500_001, &FLOW);
        for cart in 0..20 {
            step(&mut scene, &token, 600_000 + cart, "/payments", r#"{"n":1}"#);
        }
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
    }

    #[test]
    fn a_shop_that_ships_on_account_from_now_on_is_told_twice_and_then_learned() {
        let mut scene = learned();
        let short = ["", "/items", "/address", "/shipments"];
        weeks(&mut scene, 10..24, &ALL, &short);
        let found: std::collections::BTreeSet<_> = told(&scene).iter().map(|f| f.id.clone()).collect();
        assert!((1..=2).contains(&found.len()), "{:?}", scene.words());
    }

    #[test]
    fn two_callers_and_thirty_tasks_make_no_flow() {
        let mut scene = Scene::new();
        weeks(&mut scene, 0..10, &["a", "b"], &FLOW);
        scene.now = TODAY * 1_000_000_000;
        checkout(&mut scene, "b", 500_001, &["/shipments"]);
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
        // Which comes first is different each time: no order, no flow.
        let mut scene = Scene::new();
        for hour in 0..80u64 {
            for (place, agent) in ALL.iter().enumerate() {
                scene.now = (START + hour * 3 * 3600 + place as u64 * 300) * 1_000_000_000;
                let mut steps = FLOW;
                steps.rotate_left((hour as usize * 3 + place) % 5);
                checkout(&mut scene, agent, hour * 1000 + place as u64, &steps);
            }
        }
        scene.now = TODAY * 1_000_000_000;
        checkout(&mut scene, "b", 500_001, &["/shipments"]);
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
    }

    #[test]
    fn a_step_that_one_caller_alone_takes_makes_no_flow() {
        let mut scene = Scene::new();
        weeks(&mut scene, 0..6, &ALL, &FLOW);
        weeks(
            &mut scene,
            6..12,
            &["a"],
            &["", "/items", "/gift", "/address", "/payments", "/shipments"],
        );
        weeks(&mut scene, 12..13, &ALL, &FLOW);
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
    }

    #[test]
    fn what_was_paid_on_friday_is_shipped_on_monday() {
        let mut scene = learned();
        for n in 0..5 {
            checkout(
                &mut scene,
                "b",
                500_001 + n,
                &["", "/items", "/address", "/payments"],
            );
            scene.wait(3600);
        }
        scene.wait(2 * 86_400);
        for n in 0..5 {
            checkout(&mut scene, "b", 500_001 + n, &["/shipments"]);
            scene.wait(3600);
        }
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
        checkout(
            &mut scene,
            "b",
            500_009,
            &["", "/items", "/address", "/shipments"],
        );
        assert_eq!(told(&scene).len(), 1, "the sixth was never paid");
    }

    #[test]
    fn a_payment_that_nobody_saw_answered_or_that_was_made_before_is_none_left_out() {
        for status in [None, Some(409), Some(303)] {
            let mut scene = learned();
            checkout(&mut scene, "b", 500_001, &["", "/items", "/address"]);
            let token = agent_token("b", 500);
            let call = Call::new("POST", "/carts/cart-500001/payments")
                .bearer(&token)
                .body("{}");
            match status {
                Some(status) => drop(scene.send(&call.status(status))),
                None => {
                    let mut exchange = call.exchange(scene.now, 0);
                    exchange.response = None;
                    scene.observe(exchange);
                }
            }
            checkout(&mut scene, "b", 500_001, &["/shipments"]);
            assert!(told(&scene).is_empty(), "{status:?} {:?}", scene.words());
        }
    }

    #[test]
    fn one_step_left_out_is_one_finding_whatever_comes_after() {
        let long = ["", "/items", "/payments", "/shipments", "/receipt", "/close"];
        let mut scene = Scene::new();
        weeks(&mut scene, 0..10, &ALL, &long);
        scene.now = TODAY * 1_000_000_000;
        checkout(
            &mut scene,
            "b",
            500_001,
            &["", "/items", "/shipments", "/receipt", "/close"],
        );
        assert_eq!(told(&scene).len(), 1, "{:?}", scene.words());
    }

    #[test]
    fn who_has_another_way_is_told_on_three_days() {
        let mut scene = learned();
        weeks(
            &mut scene,
            10..24,
            &["a"],
            &["", "/items", "/address", "/shipments"],
        );
        let days: std::collections::BTreeSet<_> = told(&scene)
            .iter()
            .map(|f| f.detected_at / 86_400_000_000_000)
            .collect();
        assert_eq!(days.len(), 3, "{:?}", scene.words());
    }

    #[test]
    fn tools_are_steps_unless_their_words_say_that_they_read() {
        let flow = ["create_order", "get_address", "charge_card", "shipOrder"];
        let run = |scene: &mut Scene, agent: &str, n: u64, tools: &[&str]| {
            let token = agent_token(agent, n);
            for tool in tools {
                scene.wait(3);
                scene.send(&Call::tool(tool, &format!(r#"{{"order":"o-{n:05}"}}"#)).bearer(&token));
            }
        };
        let taught = || {
            let mut scene = Scene::new();
            for n in 0..80u64 {
                for (place, agent) in ALL.iter().enumerate() {
                    scene.now = (START + n * 3 * 3600 + place as u64 * 300) * 1_000_000_000;
                    run(&mut scene, agent, n, &flow);
                }
            }
            scene.now = TODAY * 1_000_000_000;
            scene
        };
        let mut scene = taught();
        run(
            &mut scene,
            "b",
            300,
            &["create_order", "charge_card", "shipOrder"],
        );
        for _ in 0..6 {
            run(&mut scene, "b", 300, &["getPaymentStatus"]);
        }
        assert!(told(&scene).is_empty(), "{:?}", scene.words());
        run(
            &mut scene,
            "c",
            301,
            &["create_order", "get_address", "shipOrder"],
        );
        let found = told(&scene);
        assert_eq!(found.len(), 1, "{:?}", scene.words());
        assert_eq!(found[0].observed["step_left_out"], "charge_card");
    }

    #[test]
    fn tables_stay_bounded() {
        let mut flows = Flows::default();
        let mut lately = Lately::default();
        for n in 0..10_000u32 {
            make_room(&mut flows.0, STEPS, |step| step.tasks);
            flows.0.insert(
                n,
                Step {
                    tasks: n % 7,
                    ..Step::default()
                },
            );
            lately.take(n, n / 100);
        }
        assert!(flows.0.len() <= STEPS && lately.steps.len() <= OF_A_CALLER);
        let mut step = Step::default();
        for n in 0..1_000u32 {
            let taken: Vec<Taken> = (0..32)
                .map(|k| Taken {
                    step: n * 32 + k,
                    content: 0,
                    times: 1,
                })
                .collect();
            step.learn(&taken, 1 << (n % 64));
        }
        assert!(step.before.len() <= BEFORE);
    }
}
