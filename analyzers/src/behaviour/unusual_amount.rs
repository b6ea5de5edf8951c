//! # `unusual_amount`: far more money than ever
//!
//! Reads, of calls that change something at endpoints or tools named after payments (`pay`, `transfer`, `payout`, `refund`, `invoice`, `withdraw`, `charge`, `order` …), the amount in the body
//! or the arguments (`amount`, `total`, `price`, `sum`, `value`). An amount is unusual when it is beyond three times the most and six deviations above the mean of what the
//! caller, while it has too few of its own any caller of its sort, ever sent there: that is beyond one in a thousand whatever the amounts are like.
//!
//! Medium; high at ten times the most.
//!
//! Source: field practice of payment fraud detection; OWASP API6:2023; ASI02:2026.
//!
//! Blind to: many usual amounts (see `rate_anomaly` and `destructive_action_burst`); amounts in other units or currencies under the same name; endpoints with fewer
//! than twenty amounts.
//!
//! Quiet when: the server refused; the caller is a person whose payments differ by as much.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::json;

use super::activity::Activity;
use super::doing::Unit;
use super::failure;
use super::usual::Usual;
use crate::finding::ledger::{Draft, Ledger, Subject, day};
use crate::finding::words::{many, sentence};
use crate::finding::{Finding, Kind, Severity};
use crate::json::{Scalar, Scanner};

/// Amounts from which on it is known what is usual.
const LEAST: u32 = 20;

/// Times the most that was seen, and deviations above the mean.
const TIMES: f64 = 3.0;
const DEVIATIONS: f64 = 6.0;
const MUCH: f64 = 10.0;

/// Bytes of a body that are looked at.
const SEARCHED: usize = 16 * 1024;

const PLACES: [&str; 14] = [
    "pay", "transfer", "payout", "refund", "invoice", "withdraw", "charge", "order", "purchase", "deposit",
    "remit", "settle", "donat", "wire",
];

const NAMES: [&str; 9] = [
    "amount",
    "total",
    "price",
    "sum",
    "value",
    "amount_cents",
    "amountcents",
    "total_amount",
    "totalamount",
];

/// Whether a name or a template is of something that moves money.
fn moves(name: &str) -> bool {
    static WORDS: LazyLock<[Finder<'static>; PLACES.len()]> = LazyLock::new(|| PLACES.map(Finder::new));
    let has = |name: &str| WORDS.iter().any(|word| word.find(name.as_bytes()).is_some());
    match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => has(&name.to_ascii_lowercase()),
        false => has(name),
    }
}

/// The amount that a call moves.
pub(super) fn amount(activity: &Activity<'_>) -> Option<f64> {
    let endpoint = activity.endpoint?;
    if !activity.changes_state() {
        return None;
    }
    let tool = activity.call.and_then(|call| call.name.as_deref());
    if !moves(tool.unwrap_or(&endpoint.template)) {
        return None;
    }
    let body = activity.request.message.body.as_slice();
    let mut scanner = Scanner::new(&body[..body.len().min(SEARCHED)]);
    let mut most: Option<f64> = None;
    while let Some(scalar) = scanner.next() {
        let key = scanner.key();
        if !NAMES.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(key)) {
            continue;
        }
        let (Scalar::Number(text) | Scalar::Text(text)) = scalar;
        let number = std::str::from_utf8(text).ok().and_then(|t| t.parse::<f64>().ok());
        if let Some(number) = number.filter(|n| n.is_finite() && *n > 0.0 && *n < 1e15) {
            most = Some(most.unwrap_or(0.0).max(number));
        }
    }
    most
}

/// Looks at a call that was let in. `own` are the amounts of this caller there, `all` those of any.
pub(super) fn observe(
    activity: &Activity<'_>,
    amount: f64,
    (own, all): (&mut Usual, &mut Usual),
    unit: &mut Unit,
    ledger: &mut Ledger,
) {
    if failure::says_error(activity) {
        return;
    }
    let usual = match (own.learned() >= LEAST, all.learned() >= LEAST) {
        (true, _) => Some((*own, false)),
        (false, true) => Some((*all, true)),
        _ => None,
    };
    let beyond = |usual: &Usual| (TIMES * usual.most()).max(usual.mean() + DEVIATIONS * usual.deviation());
    let Some((usual, peers)) = usual.filter(|(usual, _)| amount > beyond(usual)) else {
        own.learn(amount);
        all.learn(amount);
        return;
    };
    // What comes each month is learned by and by.
    own.learn(beyond(&usual));
    let severity = match amount >= MUCH * usual.most() {
        true => Severity::High,
        false => Severity::Medium,
    };
    let resource = activity.resource();
    let parts: [&[u8]; 2] = [
        activity.identity.text.as_bytes(),
        resource.endpoint.as_deref().unwrap_or("").as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::UnusualAmount,
        parts: &parts,
        window: day(unit.first),
    };
    let round = |x: f64| (x * 100.0).round() / 100.0;
    // Times, and no amounts: what somebody pays is nobody else's business.
    let draft = || Draft {
        confidence: if peers { 0.7 } else { 0.8 },
        principal: true,
        resource: resource.clone(),
        observed: vec![
            ("times_the_most", json!(round(amount / usual.most().max(0.01)))),
            ("times_the_mean", json!(round(amount / usual.mean().max(0.01)))),
        ],
        expected: vec![(
            "times_the_most_below",
            json!(round(beyond(&usual) / usual.most().max(0.01))),
        )],
        support: vec![("amounts", json!(usual.learned())), ("of_peers", json!(peers))],
        ..Draft::default()
    };
    ledger.report(subject, severity, activity, draft, |_| {});
    unit.reported = true;
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let observed = |name: &str| {
        let value = finding.observed.get(name);
        value.and_then(serde_json::Value::as_f64).unwrap_or(0.0)
    };
    let amounts = finding.support.get("amounts").and_then(serde_json::Value::as_u64);
    let peers = finding
        .support
        .get("of_peers")
        .and_then(serde_json::Value::as_bool);
    sentence(&format!(
        "{} sent an amount to {} that is {:.1} times the most and {:.1} times the mean of {} that {} sent there before{}.",
        finding.who(),
        finding.place(),
        observed("times_the_most"),
        observed("times_the_mean"),
        many(amounts.unwrap_or(0), "amount", "amounts"),
        match peers {
            Some(true) => "callers",
            _ => "it",
        },
        match finding.count {
            1 => String::new(),
            count => format!("; {count} such in all"),
        },
    ))
}
