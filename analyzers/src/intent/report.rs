//! Findings of calls that are out of the intent that was declared.

use serde_json::{Value, json};

use super::judge::Case;
use super::standing::Standing;
use super::{Agent, Limit, Mode, Per, Permit, key_of};
use crate::condition::{Condition, Order};
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};

/// The largest number of a call that is shown: more digits may be an account or a person.
const SHOWN: f64 = 1e6;

/// A budget that a call goes beyond.
pub(super) struct Over {
    pub(super) limit: Limit,
    pub(super) used: f64,
    pub(super) most: f64,
    pub(super) per: Per,
}

/// Why a call is out of intent.
pub(super) struct Outside<'p> {
    pub(super) reason: &'static str,
    pub(super) rule: &'p str,
    pub(super) goal: Option<&'p str>,
    pub(super) severity: Severity,
    /// What would have permitted it, but for the reason.
    pub(super) permit: Option<&'p Permit>,
    /// What should have come before, or not yet.
    pub(super) missing: Vec<&'p str>,
    pub(super) over: Option<Over>,
    /// The condition of a prohibition.
    pub(super) wording: &'p str,
}

/// One step less: what was refused did no harm yet.
fn less(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

pub(super) fn tell(
    case: &Case<'_, '_>,
    agent: &Agent,
    outside: &Outside<'_>,
    standing: &mut Standing,
    ledger: &mut Ledger,
) {
    let activity = case.activity;
    let wanted = match agent.mode {
        Mode::Enforce => outside.severity,
        Mode::Observe => outside.severity.min(Severity::Low),
    };
    // Asking for what is not there does nothing: agents make paths up.
    let nowhere = matches!(activity.status, Some(404 | 405 | 410 | 501)) && outside.reason == "not_permitted";
    let severity = match case.failed || outside.reason == "unreadable" {
        _ if nowhere => Severity::Info,
        true => less(wanted),
        false => wanted,
    };
    let place = activity.resource();
    let action = match (&case.deed.protocol, place.template.as_deref()) {
        (Some(_), _) if !case.deed.operation.is_empty() => format!(
            "{} on {}",
            case.deed.operation,
            place.host.as_deref().unwrap_or("")
        ),
        (_, Some(template)) => format!(
            "{} {}{template}",
            place.method.as_deref().unwrap_or(""),
            place.host.as_deref().unwrap_or("")
        ),
        (_, None) => format!(
            "{} {}{}",
            crate::privacy::safe_method(activity.request.method()),
            place.host.as_deref().unwrap_or(""),
            crate::privacy::redact_target(activity.request.path())
        ),
    };
    let (calls, against) = (standing.calls, standing.outside);
    let actions = standing.against(key_of(outside.rule), &action).to_vec();
    let trail = standing.unit().map(|unit| unit.trail.clone()).unwrap_or_default();
    let parts: [&[u8]; 4] = [
        activity.identity.text.as_bytes(),
        agent.name.as_bytes(),
        outside.rule.as_bytes(),
        outside.reason.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::IntentViolation,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || {
        let mut observed = vec![
            ("basis", json!("policy")),
            ("reason", json!(outside.reason)),
            ("agent", json!(agent.name)),
            ("rule", json!(outside.rule)),
            ("mode", json!(agent.mode.name())),
            ("action", json!(action)),
            ("status", json!(activity.status)),
        ];
        if let Some(goal) = outside.goal {
            observed.push(("goal", json!(goal)));
        }
        if !outside.missing.is_empty() {
            observed.push(("out_of_order", json!(outside.missing)));
        }
        let mut expected = Vec::new();
        match (&outside.over, outside.permit) {
            (Some(over), _) => {
                observed.push(("measure", json!(over.limit.name())));
                observed.push(("used", number(over.used)));
                expected.push(("at_most", number(over.most)));
                expected.push(("per", json!(over.per.name())));
            }
            (None, Some(permit)) => {
                if let Some(when) = permit.when.as_ref().filter(|_| outside.reason == "condition") {
                    observed.push(("values", values(when, &case.record().0)));
                }
                expected.push(("permitted", json!(permit.in_words())));
                if outside.reason == "resource" {
                    let hosts: Vec<String> = permit.hosts.iter().map(ToString::to_string).collect();
                    expected.push(("hosts", json!(hosts)));
                }
            }
            (None, None) if outside.reason == "forbidden" => {
                let words = match outside.wording {
                    "" => "never".to_owned(),
                    wording => format!("not when {wording}"),
                };
                expected.push(("permitted", json!(words)));
            }
            (None, None) => {
                let all: Vec<&str> = agent.permits.iter().map(|p| p.id.as_str()).take(20).collect();
                expected.push(("permits", json!(all)));
            }
        }
        expected.push((
            "policy",
            json!(format!("{}:{}", agent.file, line(agent, outside))),
        ));
        Draft {
            confidence: if outside.reason == "unreadable" { 0.5 } else { 0.95 },
            principal: true,
            resource: place.clone(),
            observed,
            expected,
            support: Vec::new(),
            earlier: trail.clone(),
            ..Draft::default()
        }
    };
    ledger.report(subject, severity, activity, draft, |running| {
        running.observed("actions", json!(actions));
        running.support("calls", calls);
        running.support("outside", against);
    });
}

/// The line of the policy where the rule stands.
fn line(agent: &Agent, outside: &Outside<'_>) -> u32 {
    let permit = agent
        .permits
        .iter()
        .find(|p| p.id == outside.rule)
        .map(|p| p.line);
    let budget = || {
        agent
            .budgets
            .iter()
            .find(|b| b.id == outside.rule)
            .map(|b| b.line)
    };
    let forbid = || {
        agent
            .forbids
            .iter()
            .find(|f| f.id == outside.rule)
            .map(|f| f.line)
    };
    permit.or_else(budget).or_else(forbid).unwrap_or(agent.line)
}

fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 9e15 {
        true => json!(value as i64),
        false => json!(value),
    }
}

/// What the fields of a condition were, as far as that may be shown: numbers that a condition compares by size, and what is no
/// content of the call. Of everything else its sort alone.
fn values(when: &Condition, record: &Value) -> Value {
    let sized = sized(when);
    let mut out = serde_json::Map::new();
    for path in when.fields().into_iter().take(8) {
        let name = path.join(".");
        let found = path.iter().try_fold(record, |at, name| at.get(name));
        let open = matches!(path[0].as_str(), "args" | "path");
        let shown = match found {
            None | Some(Value::Null) => json!("not there"),
            Some(value) if !open => value.clone(),
            Some(Value::Bool(flag)) => json!(flag),
            Some(Value::Number(n)) if sized.contains(&name) => match n.as_f64() {
                Some(n) if n.abs() <= SHOWN => number((n * 100.0).round() / 100.0),
                Some(_) => json!("a number of more than a million"),
                None => json!("a number"),
            },
            Some(Value::Number(_)) => json!("a number"),
            Some(Value::String(text)) => json!(format!("a text of {} letters", text.chars().count())),
            Some(Value::Array(list)) => json!(format!("{} values", list.len())),
            Some(Value::Object(_)) => json!("an object"),
        };
        out.insert(crate::privacy::safe_name(&[0; 32], &name), shown);
    }
    Value::Object(out)
}

/// Names of fields that are compared by size.
fn sized(when: &Condition) -> Vec<String> {
    match when {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().flat_map(sized).collect(),
        Condition::Not(part) => sized(part),
        Condition::Compare(path, Order::Less | Order::LessOrEqual | Order::More | Order::MoreOrEqual, _) => {
            vec![path.join(".")]
        }
        _ => Vec::new(),
    }
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let text = |name: &str| finding.observed_text(name);
    let expected = |name: &str| finding.expected.get(name).and_then(Value::as_str).unwrap_or("");
    let goal = match text("goal") {
        "" => String::new(),
        goal => format!(" of goal “{goal}”"),
    };
    let rule = format!("rule {}{goal}", text("rule"));
    let did = format!("{} did {} ({})", finding.who(), text("action"), finding.answer());
    let said = match text("reason") {
        "not_permitted" => format!(
            "{did}, and no rule of agent {} permits such a call.",
            text("agent")
        ),
        "resource" => format!("{did}, which {rule} permits on other hosts only."),
        "condition" => format!(
            "{did}, beyond the condition of {rule}: {}.",
            expected("permitted")
        ),
        "unreadable" => {
            format!("{did}; whether {rule} permits it could not be read from the bytes that were seen.")
        }
        "order" => format!(
            "{did} out of order: {rule} allows it only {}, and this task had not gone that way.",
            order(expected("permitted"))
        ),
        "repeated" => format!(
            "{did} once more than {rule} allows in one task: {}.",
            expected("permitted")
        ),
        "budget" => format!(
            "{did}, and went beyond the budget of {rule}: {}, of at most {} per {}.",
            spent(text("measure"), finding.observed.get("used")),
            plain(finding.expected.get("at_most")),
            expected("per")
        ),
        _ => format!("{did}, which {rule} forbids: {}.", expected("permitted")),
    };
    let mut actions = finding.observed_list("actions");
    actions.retain(|action| *action != text("action"));
    let more = match actions.as_slice() {
        [] => String::new(),
        [first, second, rest @ ..] if rest.len() >= 2 => {
            let rest = rest.len();
            format!(" Against the same rule: {first}, {second} and {rest} other kinds of calls.")
        }
        all => format!(" Against the same rule: {}.", all.join(", ")),
    };
    let mode = match text("mode") {
        "observe" => " The policy is being tried out (mode observe).",
        _ => "",
    };
    sentence(&format!(
        "{said}{more} That was so in {}; the policy stands at {}.{mode}",
        many(finding.count, "call", "calls"),
        expected("policy")
    ))
}

fn plain(number: Option<&Value>) -> String {
    number.map(ToString::to_string).unwrap_or_default()
}

/// What was used of a budget.
fn spent(measure: &str, used: Option<&Value>) -> String {
    let used = plain(used);
    match measure {
        "amount" => format!("an amount of {used}"),
        "cost" => format!("costs of {used}"),
        "objects" => format!("{used} different objects"),
        other => format!("{used} {other}"),
    }
}

/// The part of a permit in words that is about order.
fn order(permitted: &str) -> String {
    let parts: Vec<&str> = permitted
        .split(", ")
        .filter(|part| part.starts_with("after ") || part.starts_with("before "))
        .collect();
    parts.join(", ")
}
