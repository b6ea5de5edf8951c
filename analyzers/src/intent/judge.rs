//! Whether a call is in intent, and which rule says so.

use std::cell::OnceCell;

use serde_json::Value;

use super::action::{Deed, What};
use super::fields::{self, Needs};
use super::report::{self, Outside};
use super::standing::Standing;
use super::{Agent, Budget, Limit, Per, Permit, Policies, Verdict, Who};
use crate::behaviour::{Activity, World, failure};
use crate::condition::{Condition, number_of};
use crate::finding::Severity;
use crate::finding::ledger::Ledger;
use crate::identity;
use crate::inventory::declared::HostGlob;

/// What decides when no permit is about a call.
pub(super) const NOTHING: &str = "nothing-permits";

/// What decides when a call keeps house of a protocol that something is permitted of.
const SETUP: &str = "session-setup";

/// Judges a call of a caller that a policy is about; nothing for others. `registered`: its name in the registry, `name`: by a
/// credential, `object`: the object it names.
pub(crate) fn observe(
    activity: &Activity<'_>,
    (registered, name): (Option<&str>, Option<&str>),
    object: Option<u64>,
    standing: &mut Option<Box<Standing>>,
    world: &World<'_>,
    ledger: &mut Ledger,
) -> Option<Verdict> {
    let policies = &*world.settings.intents;
    if policies.is_empty() {
        return None;
    }
    let claims: OnceCell<Option<Value>> = OnceCell::new();
    let claim = |name: &str| {
        let claims = claims.get_or_init(|| identity::claims(activity.signals, activity.identity));
        match claims.as_ref()?.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    let who = Who {
        id: &activity.identity.text,
        name,
        registered,
        kind: activity.kind,
        claim: &claim,
    };
    let agent = policies.of(&who)?;
    let unit = activity.unit?;
    let standing = standing.get_or_insert_default();
    if standing.agent != agent.name {
        standing.agent.clone_from(&agent.name);
    }
    standing.turn(unit, activity.ts);
    let mut decided: Option<Verdict> = None;
    for (number, deed) in Deed::all(activity, &world.settings.hash_key).iter().enumerate() {
        let case = Case {
            activity,
            deed,
            record: OnceCell::new(),
            first: number == 0,
            failed: failure::failed(activity),
        };
        let (verdict, outside) = judge(agent, policies, &case, object, standing);
        standing.calls += 1;
        if let Some(outside) = outside {
            standing.outside += 1;
            report::tell(&case, agent, &outside, standing, ledger);
        }
        // What is outside of a batch decides for all of it.
        if decided.as_ref().is_none_or(|known| known.inside) {
            decided = Some(verdict);
        }
    }
    if let Some(unit) = standing.unit() {
        unit.note(activity.trace());
    }
    decided
}

/// One thing that a call does, with what may be asked of it.
pub(super) struct Case<'c, 'a> {
    pub(super) activity: &'c Activity<'a>,
    pub(super) deed: &'c Deed<'a>,
    record: OnceCell<(Value, bool)>,
    /// What is counted once an exchange is counted with it.
    first: bool,
    pub(super) failed: bool,
}

impl Case<'_, '_> {
    pub(super) fn record(&self) -> &(Value, bool) {
        self.record
            .get_or_init(|| fields::record(self.activity, self.deed))
    }

    /// Whether something of what a condition needs was not seen.
    fn lacks(&self, needs: Needs) -> bool {
        (needs.arguments && !self.record().1) || (needs.answer && self.activity.exchange.response.is_none())
    }

    fn suits<'p>(&self, what: &'p [What]) -> Option<super::action::Parameters<'p>> {
        let request = self.activity.request;
        what.iter()
            .find_map(|what| what.suits(self.deed, request.method(), request.path()))
    }

    fn is_on(&self, hosts: &[HostGlob]) -> bool {
        let host = self.activity.host_name();
        hosts.iter().any(|own| own.matches(&host))
    }
}

/// How near a permit came to permitting a call; the reason why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Host,
    Condition,
    Unreadable,
    Order,
    Repeated,
}

impl Miss {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "resource",
            Self::Condition => "condition",
            Self::Unreadable => "unreadable",
            Self::Order => "order",
            Self::Repeated => "repeated",
        }
    }
}

fn judge<'p>(
    agent: &'p Agent,
    policies: &Policies,
    case: &Case<'_, '_>,
    object: Option<u64>,
    standing: &mut Standing,
) -> (Verdict, Option<Outside<'p>>) {
    let goal = |number: usize| agent.goals.get(number).map(|g| g.name.as_str());
    let outside = |reason, rule: &'p str, number: Option<usize>, severity: Option<Severity>| Outside {
        reason,
        rule,
        goal: number.and_then(goal),
        severity: severity.unwrap_or(agent.severity),
        permit: None,
        missing: Vec::new(),
        over: None,
        wording: "",
    };
    let forbidden = agent.forbids.iter().find(|forbid| {
        let Some(parameters) = case.suits(&forbid.what) else {
            return false;
        };
        case.is_on(&forbid.hosts)
            && forbid.when.as_ref().is_none_or(|when| {
                case.lacks(forbid.needs) || met(case, when, &parameters, Condition::holds_for_some)
            })
    });
    let mut permit = None;
    let mut found = None;
    if let Some(forbid) = forbidden {
        found = Some(Outside {
            wording: &forbid.wording,
            ..outside("forbidden", &forbid.id, None, forbid.severity)
        });
    } else if case.deed.unread {
        found = Some(outside("unreadable", NOTHING, None, None));
    } else {
        let is_setup = case.deed.setup
            && agent.permits.iter().any(|permit| {
                let protocol = case.deed.protocol.unwrap_or("");
                permit.what.iter().any(|what| what.is_of(protocol)) && case.is_on(&permit.hosts)
            });
        if is_setup {
            let verdict = Verdict {
                inside: true,
                agent: agent.name.clone(),
                goal: None,
                rule: SETUP.to_owned(),
                reason: "permitted",
            };
            return (verdict, None);
        }
        match permitted(agent, case, standing) {
            Ok(one) => permit = Some(one),
            Err(Some((miss, near))) => {
                found = Some(Outside {
                    permit: Some(near),
                    missing: missing(agent, near, miss, standing),
                    ..outside(miss.name(), &near.id, Some(near.goal), None)
                });
            }
            // Whoever is limited and not told what to do may do anything else.
            Err(None) if agent.permits.is_empty() => {}
            Err(None) => found = Some(outside("not_permitted", NOTHING, None, None)),
        }
    }
    if let Some(permit) = permit
        && !case.failed
        && case.activity.accepted()
        && let Some(unit) = standing.unit()
    {
        unit.mark(permit.key);
    }
    for budget in &agent.budgets {
        if !counts(budget, permit) {
            continue;
        }
        let over = spend(budget, case, policies, object, standing);
        if found.is_none()
            && let Some(over) = over
        {
            found = Some(Outside {
                over: Some(over),
                permit,
                ..outside("budget", &budget.id, budget.goal, None)
            });
        }
    }
    let verdict = Verdict {
        inside: found.is_none(),
        agent: agent.name.clone(),
        goal: match &found {
            Some(found) => found.goal.map(str::to_owned),
            None => permit.and_then(|p| goal(p.goal)).map(str::to_owned),
        },
        rule: match (&found, permit) {
            (Some(found), _) => found.rule.to_owned(),
            (None, Some(permit)) => permit.id.clone(),
            (None, None) => "no-goals".to_owned(),
        },
        reason: found.as_ref().map_or("permitted", |found| found.reason),
    };
    (verdict, found)
}

fn met(
    case: &Case<'_, '_>,
    when: &Condition,
    parameters: &super::action::Parameters<'_>,
    test: fn(&Condition, &Value) -> bool,
) -> bool {
    if parameters.is_empty() {
        return test(when, &case.record().0);
    }
    let mut record = case.record().0.clone();
    fields::with_path(&mut record, parameters);
    test(when, &record)
}

/// The first permit that permits a call; else the one that came nearest to it.
fn permitted<'p>(
    agent: &'p Agent,
    case: &Case<'_, '_>,
    standing: &mut Standing,
) -> Result<&'p Permit, Option<(Miss, &'p Permit)>> {
    let mut nearest: Option<(Miss, &Permit)> = None;
    for permit in &agent.permits {
        let Some(parameters) = case.suits(&permit.what) else {
            continue;
        };
        let miss = if !case.is_on(&permit.hosts) {
            Miss::Host
        } else if let Some(when) = &permit.when
            && !met(case, when, &parameters, Condition::holds_for_all)
        {
            Miss::Condition
        } else if case.lacks(permit.needs) {
            Miss::Unreadable
        } else {
            let times = |id: &str| standing_times(agent, standing, id);
            if permit.after.iter().any(|id| times(id) == 0) || permit.before.iter().any(|id| times(id) > 0) {
                Miss::Order
            } else if permit.at_most.is_some_and(|most| times(&permit.id) >= most) {
                Miss::Repeated
            } else {
                return Ok(permit);
            }
        };
        if nearest.is_none_or(|(known, _)| miss > known) {
            nearest = Some((miss, permit));
        }
    }
    Err(nearest)
}

fn standing_times(agent: &Agent, standing: &Standing, id: &str) -> u32 {
    let key = agent.permits.iter().find(|p| p.id == id).map(|p| p.key);
    key.zip(standing.current())
        .map_or(0, |(key, unit)| unit.times(key))
}

/// What stands in the way of a permit, in order.
fn missing<'p>(agent: &'p Agent, permit: &'p Permit, miss: Miss, standing: &Standing) -> Vec<&'p str> {
    if miss != Miss::Order {
        return Vec::new();
    }
    let times = |id: &str| standing_times(agent, standing, id);
    let after = permit.after.iter().filter(|id| times(id) == 0);
    let before = permit.before.iter().filter(|id| times(id) > 0);
    after.chain(before).map(String::as_str).collect()
}

/// Whether a budget counts what a permit permits; nothing of it is permitted by none.
fn counts(budget: &Budget, permit: Option<&Permit>) -> bool {
    match permit {
        Some(permit) => {
            budget.goal.is_none_or(|goal| goal == permit.goal)
                && (budget.of.is_empty() || budget.of.contains(&permit.id))
        }
        None => budget.goal.is_none() && budget.of.is_empty(),
    }
}

/// Counts a call; what is beyond the budget with it: the limit, how much was used, and how much may be.
fn spend(
    budget: &Budget,
    case: &Case<'_, '_>,
    policies: &Policies,
    object: Option<u64>,
    standing: &mut Standing,
) -> Option<report::Over> {
    let activity = case.activity;
    let seconds = activity.ts.seconds();
    let window = match budget.per {
        Per::Task => None,
        Per::Hour => Some(seconds / 3600),
        Per::Day => Some(seconds / 86_400),
    };
    let limited = |limit: Limit| budget.limits.iter().any(|(known, _)| *known == limit);
    let amount = match limited(Limit::Amount) && !case.failed {
        true => amount(&case.record().0, &budget.sum),
        false => 0.0,
    };
    let spent = standing.spent(budget.key, window)?;
    spent.calls += 1;
    if case.first {
        let answer = activity
            .exchange
            .response
            .as_ref()
            .map_or(0, |r| r.message.body_bytes);
        let bytes = activity.request.message.body_bytes.saturating_add(answer);
        spent.bytes = spent.bytes.saturating_add(bytes);
        if let Some(llm) = activity.llm {
            let (input, output) = (llm.input_tokens.unwrap_or(0), llm.output_tokens.unwrap_or(0));
            spent.tokens = spent.tokens.saturating_add(input).saturating_add(output);
            spent.cost += policies.cost(llm);
        }
    }
    spent.amount += amount;
    if let Some(object) = object.filter(|_| limited(Limit::Objects)) {
        spent.meet(object);
    }
    budget.limits.iter().find_map(|(limit, most)| {
        let used = match limit {
            Limit::Calls => spent.calls as f64,
            Limit::Objects => spent.objects.len() as f64,
            Limit::Bytes => spent.bytes as f64,
            Limit::Tokens => spent.tokens as f64,
            // Sums of decimal fractions are not quite what they should be.
            Limit::Cost => (spent.cost * 1e6).round() / 1e6,
            Limit::Amount => (spent.amount * 1e6).round() / 1e6,
        };
        (used > *most).then_some(report::Over {
            limit: *limit,
            used,
            most: *most,
            per: budget.per,
        })
    })
}

/// The sum of the numbers that a path leads to. Taking away is moving money too.
fn amount(record: &Value, path: &[String]) -> f64 {
    fn add(value: &Value, path: &[String], sum: &mut f64) {
        match (value, path.split_first()) {
            (Value::Array(items), _) => items.iter().for_each(|item| add(item, path, sum)),
            (Value::Object(map), Some((name, rest))) => {
                if let Some(next) = map.get(name) {
                    add(next, rest, sum);
                }
            }
            (Value::Number(number), None) => *sum += number.as_f64().unwrap_or(0.0).abs(),
            (Value::String(text), None) => *sum += number_of(text).unwrap_or(0.0).abs(),
            _ => {}
        }
    }
    let mut sum = 0.0;
    add(record, path, &mut sum);
    // A caller may write any number, and what is stored has to be one.
    sum.min(1e15)
}

impl Policies {
    /// Whether anything is known of what models cost.
    pub(crate) fn has_prices(&self) -> bool {
        !self.prices.is_empty()
    }

    /// What a call of a model cost, in the currency of the prices; nothing where its model has none.
    pub(crate) fn cost(&self, llm: &crate::llm::LlmCall) -> f64 {
        let price = |model: &str| {
            let model = model.to_ascii_lowercase();
            // A gateway may put the provider before it: `openai/gpt-5`.
            let bare = model.rsplit('/').next().unwrap_or(&model);
            let is = |price: &&super::Price| {
                let known = price.model.to_ascii_lowercase();
                crate::inventory::declared::glob(&known, &model)
                    || crate::inventory::declared::glob(&known, bare)
            };
            self.prices.iter().find(is)
        };
        // The name that was asked for may be an alias; the answer tells what it stands for.
        let names = [llm.model.as_deref(), llm.model_answered.as_deref()];
        let Some(price) = names.into_iter().flatten().find_map(price) else {
            return 0.0;
        };
        let count = |tokens: Option<u64>| tokens.unwrap_or(0) as f64;
        let cached = count(llm.cached_tokens).min(count(llm.input_tokens));
        let fresh = count(llm.input_tokens) - cached;
        // Tokens are what a server says, and what is summed up has to stay a number.
        let cost =
            (fresh * price.input + cached * price.cached + count(llm.output_tokens) * price.output) / 1e6;
        cost.min(1e15)
    }
}
