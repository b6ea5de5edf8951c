//! # `intent_violation`: a call outside of what the caller is there for
//!
//! *Declared* (`basis` is `policy`): an intent policy says what an agent is there for, and every call of it is judged: an action or a resource that no
//! goal permits, a condition that does not hold for all that the call says, a step out of order or once too often in its task, a
//! budget that is used up, something forbidden. `observed` names the rule and what was done, `expected` what it permits and where it
//! stands. Severity is the policy's when it is enforced, a step less when the call failed, low while it is tried out. docs/intent.md tells
//! how policies are written. Told once for each principal, rule, reason and day.
//!
//! *Learned*: knows, for callers of one sort on one host, every destination that any request or answer ever held (e-mail addresses, hosts of
//! links, bank accounts, wallets), and for each argument of each operation that changes or sends something, in how many calls it
//! held a destination that was new to the host. A call is outside when an argument that was seen in at least twelve calls, and practically never with anything
//! new (less than one in thirty), holds a destination that nobody on the host ever mentioned: no answer had shown it and no
//! caller had used it. What is sent to it again is told again.
//!
//! Medium; high when three or more values of the same call come from answers of the same task, or when personal, card or health data goes
//! along: then it takes something with it.
//!
//! Source: OWASP API6:2023, API5:2023; ASI01:2026, ASI02:2026, ASI10:2026; LLM06:2025.
//!
//! Blind to: of policies, what callers do that no policy names, and a name of a GraphQL operation that is not what it does; learned, destinations that an answer had shown, such as those of an instruction hidden in a text that the agent read; operations that are
//! new or take new destinations all the time (opening pages, inviting strangers); what is sent by a person.
//!
//! Quiet when: the operation often takes something new; the destination was mentioned before; the server refused; the host is watched for
//! less than the learning period. An argument that took something new on three different days is open to new ones from the next day on.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::activity::Activity;
use super::destinations::Collector;
use super::doing::Unit;
use super::failure;
use super::sketch::Sketch;
use super::usual::lightest_quarter;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::id::{HashTable, Seed};
use crate::identity::PrincipalKind;
use crate::json::{Scalar, Scanner};
use crate::mcp::message;
use crate::privacy::{safe_name, segment};

/// Arguments known of one group.
const ARGUMENTS: usize = 512;

/// Arguments of one call that are looked at, and bytes of it.
const OF_A_CALL: usize = 64;
const SEARCHED: usize = 64 * 1024;

/// Calls from which on an argument is known; one new destination in so many is practically none.
const CALLS: u32 = 12;
const RARE: u32 = 30;

/// Days on which an argument must have taken something new, until it is open to that.
const HABIT: u8 = 3;

/// Destinations that were told and not yet taken for usual.
const SUSPECTS: usize = 64;

/// Values of answers in one call that are more than a name or two.
const CARRIED: u32 = 3;

/// An argument of an operation.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32, u8)", into = "(u32, u32, u32, u8)")]
struct Argument {
    /// Calls that had it, and of these with a destination that was new.
    calls: u32,
    new: u32,
    /// The last day on which it was told, and on how many that was so.
    day: u32,
    days: u8,
}

impl From<(u32, u32, u32, u8)> for Argument {
    fn from((calls, new, day, days): (u32, u32, u32, u8)) -> Self {
        Self {
            calls,
            new,
            day,
            days,
        }
    }
}

impl From<Argument> for (u32, u32, u32, u8) {
    fn from(a: Argument) -> Self {
        (a.calls, a.new, a.day, a.days)
    }
}

impl Argument {
    /// Whether anything new in it is strange.
    fn is_closed(&self, today: u32) -> bool {
        let usual = self.days > HABIT || (self.days == HABIT && self.day != today);
        self.calls >= CALLS && self.new.saturating_mul(RARE) <= self.calls && !usual
    }
}

/// What callers of one sort send where.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Habit {
    #[serde(
        default,
        skip_serializing_if = "HashTable::is_empty",
        serialize_with = "in_order"
    )]
    arguments: HashTable<u64, Argument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    suspects: Vec<u64>,
}

/// A table has no order, and what is stored has one.
fn in_order<S: Serializer>(all: &HashTable<u64, Argument>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut all: Vec<_> = all.iter().collect();
    all.sort_unstable_by_key(|(argument, _)| **argument);
    serializer.collect_map(all)
}

impl Habit {
    fn make_room(&mut self) {
        if self.arguments.len() >= ARGUMENTS {
            let order = self.arguments.iter().map(|(key, value)| (value.calls, *key));
            for (_, key) in lightest_quarter(order.collect()) {
                self.arguments.remove(&key);
            }
        }
    }
}

/// An argument of the call at hand.
struct Held<'a> {
    argument: u64,
    name: &'a [u8],
    new: bool,
    suspect: bool,
}

/// Whether a call does something, rather than asks for something.
fn acts(activity: &Activity<'_>) -> bool {
    const READS: [&str; 22] = [
        "get", "list", "read", "search", "inspect", "find", "fetch", "retrieve", "check", "trace", "resolve",
        "query", "show", "view", "describe", "lookup", "count", "export", "download", "open", "browse",
        "verify",
    ];
    match activity.call {
        Some(call) if call.protocol == "graphql" => call.method == "mutation",
        Some(call) if call.protocol == "llm" => false,
        Some(call) if call.method == "tools/call" => {
            let name = call.name.as_deref().unwrap_or("");
            let mut words = name
                .split(|c: char| !c.is_ascii_alphanumeric())
                .map(str::to_ascii_lowercase);
            !words.any(|word| READS.contains(&word.as_str()))
        }
        Some(call) => call.protocol != "mcp",
        None => !matches!(activity.request.method(), "GET" | "HEAD" | "OPTIONS"),
    }
}

/// Looks at one exchange. `mentioned` are the destinations that the host knows.
pub(super) fn observe(
    activity: &Activity<'_>,
    unit: &mut Unit,
    habit: &mut Habit,
    mentioned: &mut Sketch,
    (learned, seed, key): (bool, Seed, &[u8; 32]),
    ledger: &mut Ledger,
) {
    let mut found = Vec::new();
    let acting = acts(activity) && activity.endpoint.is_some();
    let mut held: Vec<Held<'_>> = Vec::new();
    let mut fresh: Vec<u64> = Vec::new();
    arguments(activity, |name, value| {
        Collector::new(seed, &mut found).value(value);
        if acting {
            let endpoint = activity.endpoint.map_or(0, |e| e.id.short());
            let argument = endpoint ^ seed.hash(name);
            let new = found.iter().any(|d| !mentioned.contains(*d));
            let suspect = found.iter().any(|d| habit.suspects.contains(d));
            match held.iter_mut().find(|h| h.argument == argument) {
                Some(known) => {
                    known.new |= new;
                    known.suspect |= suspect;
                }
                None => held.push(Held {
                    argument,
                    name,
                    new,
                    suspect,
                }),
            }
        }
        fresh.extend_from_slice(&found);
    });
    let done = activity.accepted() && !failure::says_error(activity);
    let judged = learned && done && activity.kind != PrincipalKind::Human;
    let today = (activity.ts.seconds() / 86_400) as u32;
    let mut told = None;
    for one in &held {
        // What is usual for an argument is asked only where something in it may be strange: the table is large.
        let known = match judged && (one.suspect || one.new) {
            true => habit.arguments.get(&one.argument).copied().unwrap_or_default(),
            false => Argument::default(),
        };
        if judged && (one.suspect || (one.new && known.is_closed(today))) {
            told = told.or(Some((one, known)));
            if known.day != today
                && one.new
                && let Some(argument) = habit.arguments.get_mut(&one.argument)
            {
                argument.day = today;
                argument.days = argument.days.saturating_add(1);
            }
            continue;
        }
        if !done {
            continue;
        }
        let argument = match habit.arguments.get_mut(&one.argument) {
            Some(argument) => argument,
            None => {
                habit.make_room();
                habit.arguments.entry(one.argument).or_default()
            }
        };
        argument.calls = argument.calls.saturating_add(1);
        argument.new += u32::from(one.new);
    }
    if let Some((one, known)) = told {
        for destination in fresh.iter().filter(|d| !mentioned.contains(**d)) {
            if habit.suspects.len() >= SUSPECTS {
                habit.suspects.remove(0);
            }
            habit.suspects.push(*destination);
        }
        let name = safe_name(key, &String::from_utf8_lossy(one.name));
        let carried = carried(activity, unit, seed);
        tell(activity, (one, &name), known, carried, ledger);
        unit.reported = true;
    }
    mentioned.insert_all(&fresh);
}

/// Arguments that come from answers of the same task and are no destinations.
fn carried(activity: &Activity<'_>, unit: &Unit, seed: Seed) -> u32 {
    let mut carried = 0;
    let mut found = Vec::new();
    arguments(activity, |_, value| {
        Collector::new(seed, &mut found).value(value);
        carried += u32::from(found.is_empty() && value.len() >= 5 && unit.shown.contains(seed.hash(value)));
    });
    carried
}

/// The destinations of an answer, which the host knows from now on.
pub(super) fn mention(text: &[u8], marks: &crate::marks::Marks, seed: Seed, mentioned: &mut Sketch) {
    let mut found = Vec::new();
    let mut collector = Collector::new(seed, &mut found);
    collector.text(text);
    collector.words(text, marks);
    mentioned.insert_all(&found);
}

/// Calls `take` with the name and the value of each argument.
fn arguments<'a>(activity: &Activity<'a>, mut take: impl FnMut(&'a [u8], &[u8])) {
    let request = activity.request;
    let mut left = OF_A_CALL;
    let mut take = |name: &'a [u8], value: &[u8]| {
        if left > 0 && value.len() >= 4 {
            left -= 1;
            take(name, value);
        }
    };
    let body = &request.message.body[..request.message.body.len().min(SEARCHED)];
    let spoken = activity
        .call
        .is_some_and(|call| matches!(call.protocol, "mcp" | "jsonrpc"));
    let mut pairs = |text: &'a str| {
        for pair in segment::parts(text, b'&').take(OF_A_CALL) {
            if let Some((name, value)) = segment::once(pair, b'=') {
                take(name.as_bytes(), segment::decode(value).as_bytes());
            }
        }
    };
    if !spoken && let Some(query) = request.query() {
        pairs(query);
    }
    let kind = request.message.field("content-type").unwrap_or("");
    if kind.starts_with("application/x-www-form-urlencoded") {
        pairs(std::str::from_utf8(body).unwrap_or(""));
        return;
    }
    let (messages, _) = if spoken {
        message::read(body)
    } else {
        (Vec::new(), false)
    };
    let asked = messages.first().and_then(|m| m.params?.get("arguments"));
    let text = match (spoken, asked) {
        (true, Some(arguments)) => arguments.bytes,
        (true, None) => return,
        (false, _) => body,
    };
    let mut scanner = Scanner::new(text);
    while let Some(scalar) = scanner.next() {
        let (Scalar::Text(value) | Scalar::Number(value)) = scalar;
        take(scanner.key(), value);
    }
}

fn tell(
    activity: &Activity<'_>,
    (held, name): (&Held<'_>, &str),
    known: Argument,
    carried: u32,
    ledger: &mut Ledger,
) {
    // The destination may be personal by itself.
    let sensitive = activity.carried.request.iter().count() >= 2;
    let severity = match carried >= CARRIED || sensitive {
        true => Severity::High,
        false => Severity::Medium,
    };
    let resource = activity.resource();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        resource.endpoint.as_deref().unwrap_or("").as_bytes(),
        name.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::IntentViolation,
        parts: &parts,
        window: day(activity.ts),
    };
    let draft = || Draft {
        confidence: if known.calls >= 50 { 0.85 } else { 0.75 },
        principal: true,
        resource: resource.clone(),
        observed: vec![
            ("basis", json!("learned")),
            ("reason", json!("new_destination")),
            ("argument", json!(name)),
            ("status", json!(activity.status)),
            ("values_of_answers", json!(carried)),
            ("sensitive", json!(sensitive)),
            ("told_before", json!(!held.new)),
        ],
        expected: vec![(
            "share_of_calls_with_new_destinations",
            json!((f64::from(known.new) / f64::from(known.calls.max(1)) * 1e4).round() / 1e4),
        )],
        support: vec![("calls", json!(known.calls))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    if finding.observed_text("basis") == "policy" {
        return crate::intent::explain(finding);
    }
    let calls = finding.support.get("calls").and_then(serde_json::Value::as_u64);
    let along = match (
        finding.observed_number("values_of_answers"),
        finding.observed_flag("sensitive"),
    ) {
        (0, false) => String::new(),
        (0, true) => " Personal or secret data went along.".to_owned(),
        (values, _) => format!(
            " {} that answers of the same task had shown went along.",
            many(values, "value", "values")
        ),
    };
    sentence(&format!(
        "{} sent something to a destination that nobody on this host had ever mentioned: argument {} of {} ({}). In {} before, \
         that argument held practically never anything new.{along} It did so in {}.",
        finding.who(),
        finding.observed_text("argument"),
        finding.place(),
        finding.answer(),
        many(calls.unwrap_or(0), "call", "calls"),
        many(finding.count, "call", "calls"),
    ))
}
