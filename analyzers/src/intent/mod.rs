//! What agents are there for, as people declare it: policies of intent.
//!
//! ```text
//! intent.toml ─▶ file ─▶ Policies ─▶ which agent a caller is ─▶ judge: in or out of intent, and by which rule
//!                                     action: what a call does    standing: what the task did before
//!                                     fields: what conditions may ask of a call
//! ```
//!
//! An agent has goals, a goal permits actions on resources, under conditions, in an order and within budgets. What no goal
//! of a declared agent permits is outside; of callers that nobody declared nothing is said. Everything is decided from the
//! call and from what the caller did before, in packet time.
//!
//! This is intent-based access control as findings: the sensor blocks nothing.

mod action;
mod fields;
mod file;
mod judge;
mod report;
pub mod signature;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use judge::observe;
pub(crate) use report::explain;
pub(crate) use standing::Standing;
pub use watch::{StepView, Used, WatchView};
pub(crate) use watch::{Watch, watch};

use action::What;
use fields::Needs;

use crate::condition::Condition;
use crate::finding::Severity;
use crate::identity::PrincipalKind;
use crate::inventory::declared::{HostGlob, glob};
use crate::spec::Problem;

/// What is made of calls that are out of intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Findings of low severity: the policy is being tried out.
    Observe,
    /// Findings of the policy's severity.
    Enforce,
}

impl Mode {
    /// The name used in policies and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// Policies of one or several files.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    agents: Vec<Agent>,
    prices: Vec<Price>,
    files: usize,
}

impl Policies {
    /// Adds what the text of a file declares.
    ///
    /// # Errors
    ///
    /// Every mistake in it, with its place and what would be right; nothing of it is taken then.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Vec<Problem>> {
        file::add(self, file, text)
    }

    /// Whether nobody declared anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Agents, goals, permits, budgets and prohibitions in it.
    #[must_use]
    pub fn counts(&self) -> [usize; 5] {
        let sum = |of: fn(&Agent) -> usize| self.agents.iter().map(of).sum();
        [
            self.agents.len(),
            sum(|a| a.goals.len()),
            sum(|a| a.permits.len()),
            sum(|a| a.budgets.len()),
            sum(|a| a.forbids.len()),
        ]
    }

    /// What is said of each agent, in the order of the files.
    pub fn agents(&self) -> impl Iterator<Item = AgentView<'_>> {
        self.agents.iter().map(|agent| AgentView {
            name: &agent.name,
            whom: agent.whom(),
            mode: agent.mode,
            severity: agent.severity,
            rules: agent.rules(),
        })
    }

    /// The agent that a caller is: one named by its id before one named by its name or a claim, and these before one of a
    /// kind; of several the first.
    fn of(&self, who: &Who<'_>) -> Option<&Agent> {
        let suits = |test: &dyn Fn(&Agent) -> bool| self.agents.iter().find(|agent| test(agent));
        suits(&|agent| agent.ids.iter().any(|id| id == who.id))
            .or_else(|| {
                suits(&|agent| {
                    let named = |list: &[String], name: Option<&str>| {
                        name.is_some_and(|name| list.iter().any(|own| glob(own, name)))
                    };
                    named(&agent.clients, who.name)
                        || named(&agent.registry, who.registered)
                        || agent
                            .claims
                            .iter()
                            .any(|(claim, value)| (who.claim)(claim).is_some_and(|found| glob(value, &found)))
                })
            })
            .or_else(|| suits(&|agent| agent.kinds.contains(&who.kind)))
    }
}

/// An agent of a policy as it is shown.
#[derive(Debug, Clone)]
pub struct AgentView<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Whom it is about, in words.
    pub whom: Vec<String>,
    /// What is made of its calls that are outside.
    pub mode: Mode,
    /// Severity of these, when enforced.
    pub severity: Severity,
    /// Its rules in words, by what they are (goal, permit, budget, forbid) and id.
    pub rules: Vec<(&'static str, &'a str, String)>,
}

/// Whether a call was in intent, and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// A goal permits it, within its order and budgets.
    pub inside: bool,
    /// The agent of the policy.
    pub agent: String,
    /// The goal of the rule, when it has one.
    pub goal: Option<String>,
    /// The rule that decided: a permit, a budget, a prohibition; `nothing-permits` when no permit is about such a call.
    pub rule: String,
    /// Why it is outside; `permitted` when it is not.
    pub reason: &'static str,
}

/// Whom a call is from, as far as policies may ask.
struct Who<'a> {
    id: &'a str,
    /// When a credential names it.
    name: Option<&'a str>,
    /// Its name in the registry of agents.
    registered: Option<&'a str>,
    kind: PrincipalKind,
    claim: &'a dyn Fn(&str) -> Option<String>,
}

/// An agent of a policy.
#[derive(Debug, Clone)]
struct Agent {
    name: String,
    file: String,
    line: u32,
    ids: Vec<String>,
    clients: Vec<String>,
    /// Name of a claim, and a glob of its value.
    claims: Vec<(String, String)>,
    registry: Vec<String>,
    kinds: Vec<PrincipalKind>,
    mode: Mode,
    severity: Severity,
    goals: Vec<Goal>,
    permits: Vec<Permit>,
    forbids: Vec<Forbid>,
    budgets: Vec<Budget>,
}

impl Agent {
    fn whom(&self) -> Vec<String> {
        let plain = |what: &str, list: &[String]| -> Vec<String> {
            list.iter().map(|text| format!("{what} {text}")).collect()
        };
        let mut out = plain("id", &self.ids);
        out.extend(plain("client", &self.clients));
        out.extend(
            self.claims
                .iter()
                .map(|(claim, value)| format!("claim {claim}={value}")),
        );
        out.extend(plain("registry", &self.registry));
        out.extend(self.kinds.iter().map(|kind| format!("kind {}", kind.name())));
        out
    }

    fn rules(&self) -> Vec<(&'static str, &str, String)> {
        let goals = self
            .goals
            .iter()
            .map(|g| ("goal", g.name.as_str(), String::new()));
        let on = |hosts: &[HostGlob]| {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            hosts.join(", ")
        };
        let permits = self.permits.iter().map(|p| {
            let goal = self.goals.get(p.goal).map_or("", |g| g.name.as_str());
            let words = format!("{}, on {}, for “{goal}”", p.in_words(), on(&p.hosts));
            ("permit", p.id.as_str(), words)
        });
        let budgets = self
            .budgets
            .iter()
            .map(|b| ("budget", b.id.as_str(), b.in_words()));
        let forbids = self.forbids.iter().map(|f| {
            let severity = f.severity.unwrap_or(self.severity);
            let words = format!("{}, on {}, {}", f.in_words(), on(&f.hosts), severity.name());
            ("forbid", f.id.as_str(), words)
        });
        goals.chain(permits).chain(budgets).chain(forbids).collect()
    }
}

#[derive(Debug, Clone)]
struct Goal {
    name: String,
}

/// Something that a goal permits.
#[derive(Debug, Clone)]
struct Permit {
    id: String,
    /// The id, as rows of callers have it.
    key: u32,
    goal: usize,
    line: u32,
    what: Vec<What>,
    hosts: Vec<HostGlob>,
    when: Option<Condition>,
    /// The condition as it was written.
    wording: String,
    needs: Needs,
    /// Permits that must have been used before, in the same task.
    after: Vec<String>,
    /// Permits that must not have been used before, in the same task.
    before: Vec<String>,
    /// How often in one task.
    at_most: Option<u32>,
}

impl Permit {
    fn in_words(&self) -> String {
        let mut words = what_in_words(&self.what);
        if !self.wording.is_empty() {
            words.push_str(&format!(", when {}", self.wording));
        }
        if !self.after.is_empty() {
            words.push_str(&format!(", after {}", self.after.join(" and ")));
        }
        if !self.before.is_empty() {
            words.push_str(&format!(", before {}", self.before.join(" and ")));
        }
        match self.at_most {
            Some(1) => words.push_str(", once in a task"),
            Some(most) => words.push_str(&format!(", at most {most} times in a task")),
            None => {}
        }
        words
    }
}

fn what_in_words(what: &[What]) -> String {
    let words: Vec<String> = what.iter().map(What::in_words).collect();
    words.join(", ")
}

/// Something that must never be done.
#[derive(Debug, Clone)]
struct Forbid {
    id: String,
    line: u32,
    what: Vec<What>,
    hosts: Vec<HostGlob>,
    when: Option<Condition>,
    wording: String,
    needs: Needs,
    severity: Option<Severity>,
}

impl Forbid {
    fn in_words(&self) -> String {
        let mut words = what_in_words(&self.what);
        if !self.wording.is_empty() {
            words.push_str(&format!(", when {}", self.wording));
        }
        words
    }
}

/// How much of something.
#[derive(Debug, Clone)]
struct Budget {
    id: String,
    key: u32,
    line: u32,
    /// Of which goal; of the whole agent when of none.
    goal: Option<usize>,
    /// Which permits count; all when it is empty.
    of: Vec<String>,
    per: Per,
    limits: Vec<(Limit, f64)>,
    /// The argument that an amount adds up.
    sum: Vec<String>,
}

impl Budget {
    fn in_words(&self) -> String {
        let limits: Vec<String> = self
            .limits
            .iter()
            .map(|(limit, most)| format!("{most} {}", limit.name()))
            .collect();
        let of = match self.of.is_empty() {
            true => String::new(),
            false => format!(" of {}", self.of.join(", ")),
        };
        format!("{}{of} per {}", limits.join(", "), self.per.name())
    }
}

/// The time that a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Task,
    /// Of the clock, in UTC.
    Hour,
    Day,
}

impl Per {
    fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Calls,
    /// Distinct ones.
    Objects,
    /// Of bodies, both ways.
    Bytes,
    /// Of language models, both ways.
    Tokens,
    /// By the prices of the policy.
    Cost,
    Amount,
}

impl Limit {
    const ALL: [Self; 6] = [
        Self::Calls,
        Self::Objects,
        Self::Bytes,
        Self::Tokens,
        Self::Cost,
        Self::Amount,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Objects => "objects",
            Self::Bytes => "bytes",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
            Self::Amount => "amount",
        }
    }
}

/// What a million tokens of a model cost.
#[derive(Debug, Clone)]
struct Price {
    model: String,
    input: f64,
    output: f64,
    cached: f64,
}

/// The id of a rule as rows of callers have it: it stays when other rules come and go.
fn key_of(id: &str) -> u32 {
    crate::id::Id::of(&[b"intent", id.as_bytes()]).short() as u32
}
