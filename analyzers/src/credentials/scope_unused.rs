//! # `scope_unused`: a token allows what its holder never does
//!
//! Reports, once per principal and issuer, scopes of an accepted JWT that the principal has not exercised while it was learned
//! (`learning.exchanges` over `learning.period`) and since: low. The scopes are named, with the time that was watched; the finding is closed when all are exercised.
//!
//! A scope is understood as words: what may be done (`read`, `write`, `orders.readonly`) and to what (`orders`). It is judged only when
//! the host has an endpoint or tool of that name, so that it could have been exercised here; it counts as exercised when the principal
//! was let in at anything of that name, and for one that allows changes, with a call that changes something. Where the token has no other
//! scope for what was read, it is this one that allowed it.
//!
//! Source: OWASP API5:2023; NHI5:2025; ASI02:2026, ASI03:2026; NIST SP 800-53 AC-6(7) (review of privileges).
//!
//! Blind to: scopes whose names say nothing of endpoints (`openid`, `offline_access`, names of your own); the rare job that runs once a
//! quarter; opaque tokens.
//!
//! Quiet when: the principal is not learned; it calls more names than are kept of it; the caller is a person or not known.

use std::sync::Arc;

use std::borrow::Cow;

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::behaviour::Activity;
use crate::finding::ledger::{Draft, Ledger, Subject};
use crate::finding::words::{many, sentence, span};
use crate::finding::{Finding, Kind, Severity};
use crate::id::Seed;
use crate::identity::{PrincipalKind, TokenFacts};

/// Names kept of one principal; with more its scopes are not judged.
const TOUCHED: usize = 512;

/// Names kept of one host; what comes later is not among those that can be judged. They stay as long as the host does, 16 KiB at most:
/// a scope for what was there and is gone is one that nobody needs.
const NAMES: usize = 2048;

/// Scopes named in a finding.
const NAMED: usize = 10;

/// What a scope allows to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The words of a name, lower case: `Orders.ReadWrite.All` is `orders`, `read`, `write`, `all`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower_before = false;
    for c in name.chars() {
        let ends = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && lower_before);
        if ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        lower_before = c.is_ascii_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn access_of(word: &str) -> Option<Access> {
    match word {
        "read" | "readonly" | "view" | "viewer" | "list" | "get" | "search" => Some(Access::Read),
        "write" | "readwrite" | "rw" | "create" | "update" | "delete" | "manage" | "edit" | "modify"
        | "admin" | "full" | "send" | "editor" => Some(Access::Write),
        _ => None,
    }
}

/// What a scope allows to be done, when it says so.
pub(super) fn access(scope: &str) -> Option<Access> {
    let all: Vec<Access> = words(scope).iter().filter_map(|word| access_of(word)).collect();
    if all.contains(&Access::Write) {
        Some(Access::Write)
    } else {
        all.first().copied()
    }
}

/// A noun in the singular, as far as that can be told without a dictionary.
fn singular(word: &str) -> Cow<'_, str> {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        return Cow::Owned(format!("{stem}y"));
    }
    let hissing = |stem: &&str| ["ss", "x", "ch", "sh"].iter().any(|end| stem.ends_with(end));
    let stem = word
        .strip_suffix("es")
        .filter(hissing)
        .or_else(|| word.strip_suffix('s').filter(|stem| !stem.ends_with('s')));
    Cow::Borrowed(stem.unwrap_or(word))
}

fn hash(word: &str, seed: Seed) -> u64 {
    seed.hash(singular(word).as_bytes())
}

/// Words that say nothing of what a scope is for.
fn is_filler(word: &str) -> bool {
    const WORDS: [&str; 21] = [
        "api",
        "https",
        "http",
        "www",
        "com",
        "org",
        "net",
        "auth",
        "googleapis",
        "all",
        "default",
        "scope",
        "access",
        "any",
        "own",
        "urn",
        "v1",
        "v2",
        "hash",
        "only",
        "basic",
    ];
    word.len() < 3 || access_of(word).is_some() || WORDS.contains(&word)
}

/// Names of a host's endpoints and tools, as hashes. Part of the host's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Names(Vec<u64>);

impl Names {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the names of an endpoint. Others may hold the same names: they keep what they have.
    pub(crate) fn take(names: &mut Arc<Self>, template: &str, seed: Seed) {
        for word in words(template) {
            let hash = hash(&word, seed);
            if names.0.len() < NAMES
                && let Err(at) = names.0.binary_search(&hash)
            {
                Arc::make_mut(names).0.insert(at, hash);
            }
        }
    }

    fn holds(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

/// What a principal was let in to, by name. Part of its row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Touched {
    /// Sorted by hash; whether something was changed.
    names: Vec<(u64, bool)>,
    /// Accepted calls with scopes.
    calls: u64,
    too_many: bool,
}

impl Touched {
    pub(crate) fn is_empty(&self) -> bool {
        self.calls == 0
    }

    fn take(&mut self, template: &str, changes: bool, seed: Seed) {
        self.calls += 1;
        for word in words(template) {
            let hash = hash(&word, seed);
            match self.names.binary_search_by_key(&hash, |(known, _)| *known) {
                Ok(at) => self.names[at].1 |= changes,
                Err(_) if self.names.len() >= TOUCHED => self.too_many = true,
                Err(at) => self.names.insert(at, (hash, changes)),
            }
        }
    }

    fn has(&self, hash: u64, change: bool) -> bool {
        let known = self.names.binary_search_by_key(&hash, |(known, _)| *known);
        known.is_ok_and(|at| self.names[at].1 || !change)
    }
}

/// A scope that could be exercised at a host.
struct Grant<'a> {
    scope: &'a str,
    /// The host's names that it speaks of.
    names: Vec<u64>,
    changes: bool,
}

impl<'a> Grant<'a> {
    /// Nothing when it cannot be told what it is for.
    fn of(scope: &'a str, names: &Names, seed: Seed) -> Option<Self> {
        if scope.starts_with("hash:") {
            return None;
        }
        let known: Vec<u64> = words(scope)
            .iter()
            .filter(|word| !is_filler(word))
            .map(|word| hash(word, seed))
            .filter(|hash| names.holds(*hash))
            .collect();
        (!known.is_empty()).then(|| Self {
            scope,
            names: known,
            changes: access(scope) == Some(Access::Write),
        })
    }

    /// Whether it was used, when these are all of a token.
    fn is_exercised(&self, all: &[Self], touched: &Touched) -> bool {
        self.names.iter().any(|name| {
            // Where nothing else allows reading it, this is what did.
            let alone = || {
                !all.iter()
                    .any(|other| !other.changes && other.names.contains(name))
            };
            touched.has(*name, self.changes) || (self.changes && touched.has(*name, false) && alone())
        })
    }
}

/// Looks at one exchange of a principal. `since` is when it was first seen.
pub(crate) fn observe(
    activity: &Activity<'_>,
    touched: &mut Touched,
    (learned, since): (bool, Timestamp),
    seed: Seed,
    ledger: &mut Ledger,
) {
    let token = activity
        .identity
        .credential
        .as_ref()
        .and_then(|c| c.token.as_ref());
    let (Some(token), Some(endpoint)) = (token, activity.endpoint) else {
        return;
    };
    let program = matches!(activity.kind, PrincipalKind::AiAgent | PrincipalKind::Service);
    if !activity.accepted() || token.scopes.is_empty() || !program {
        return;
    }
    touched.take(&endpoint.template, activity.changes_state(), seed);
    let due = touched.calls.is_power_of_two() || touched.calls.is_multiple_of(256);
    if learned && due && !touched.too_many {
        judge(activity, token, touched, since, seed, ledger);
    }
}

fn judge(
    activity: &Activity<'_>,
    token: &TokenFacts,
    touched: &Touched,
    since: Timestamp,
    seed: Seed,
    ledger: &mut Ledger,
) {
    let Some(names) = activity.host.map(|host| &*host.names) else {
        return;
    };
    let told: Vec<Grant<'_>> = token
        .scopes
        .iter()
        .filter_map(|scope| Grant::of(scope, names, seed))
        .collect();
    let left: Vec<&str> = told
        .iter()
        .filter(|grant| !grant.is_exercised(&told, touched))
        .map(|grant| grant.scope)
        .collect();
    let issuer = token.issuer.to_string();
    let host = activity.host_name();
    let parts: [&[u8]; 3] = [
        activity.identity.text.as_bytes(),
        issuer.as_bytes(),
        host.as_bytes(),
    ];
    let subject = Subject {
        kind: Kind::ScopeUnused,
        parts: &parts,
        window: 0,
    };
    if left.is_empty() {
        ledger.close(subject, activity.ts);
        return;
    }
    let draft = || Draft {
        confidence: 0.7,
        principal: true,
        resource: activity.host_resource(),
        expected: vec![("unused", json!(0))],
        ..Draft::default()
    };
    ledger.report(subject, Severity::Low, activity, draft, |running| {
        running.observed("unused", left.len());
        running.observed("scopes", json!(left.iter().take(NAMED).collect::<Vec<_>>()));
        running.observed("exercised", told.len() - left.len());
        running.observed("not_judged", token.scopes.len() - told.len());
        running.support("calls", touched.calls);
        running.support("seconds", activity.ts.since(since).as_secs());
    });
}

/// The finding in words.
pub(crate) fn explain(finding: &Finding) -> String {
    let number = |name: &str| {
        let of = finding.support.get(name).and_then(serde_json::Value::as_u64);
        of.unwrap_or(0)
    };
    let list = |value: &serde_json::Value| -> Vec<String> {
        let names = value.as_array().into_iter().flatten();
        names
            .filter_map(|name| Some(format!("`{}`", name.as_str()?)))
            .collect()
    };
    let scopes = finding.observed.get("scopes").map(list).unwrap_or_default();
    sentence(&format!(
        "{} holds {} for {} that it did not use in {} over {}: {}. Found {} so far.",
        finding.who(),
        many(finding.observed_number("unused"), "scope", "scopes"),
        finding.place(),
        many(number("calls"), "call", "calls"),
        span(number("seconds")),
        scopes.join(", "),
        many(finding.count, "time", "times"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_words() {
        for (name, want) in [
            ("Orders.ReadWrite.All", "orders read write all"),
            ("read:order_items", "read order items"),
            (
                "https://x.example/auth/files.readonly",
                "https x example auth files readonly",
            ),
            (
                "/v1/orders/{param}#tools/call:searchOrders",
                "v1 orders param tools call search orders",
            ),
            ("ORDERS", "orders"),
            ("", ""),
        ] {
            assert_eq!(words(name).join(" "), want);
        }
        assert_eq!(access("Orders.ReadWrite.All"), Some(Access::Write));
        assert_eq!(access("orders.readonly"), Some(Access::Read));
        assert_eq!(access("orders"), None);
    }

    #[test]
    fn nouns_in_the_singular() {
        for (word, want) in [
            ("orders", "order"),
            ("addresses", "address"),
            ("address", "address"),
            ("policies", "policy"),
            ("boxes", "box"),
            ("cases", "case"),
            ("ties", "tie"),
            ("s", ""),
        ] {
            assert_eq!(singular(word), want, "{word}");
        }
    }

    #[test]
    fn a_scope_is_judged_only_where_it_could_be_used() {
        let seed = Seed::new(&[7; 32]);
        let mut names = Arc::<Names>::default();
        for template in ["/v1/orders/{param}", "/v1/users", "/v1/addresses"] {
            Names::take(&mut names, template, seed);
        }
        let mut touched = Touched::default();
        touched.take("/v1/orders/{param}", false, seed);
        let unused = |scope: &str| {
            // A scope for reading beside it, so that it stands for itself.
            let both = [scope, "read:orders read:users read:addresses"];
            let all: Vec<Grant<'_>> = both.iter().filter_map(|s| Grant::of(s, &names, seed)).collect();
            let grant = all.iter().find(|grant| grant.scope == scope)?;
            Some(!grant.is_exercised(&all, &touched))
        };
        for (scope, want) in [
            ("read:orders", Some(false)),
            ("order.read", Some(false)),
            ("orders", Some(false)),
            ("write:orders", Some(true)),
            ("Users.Read.All", Some(true)),
            ("read:addresses", Some(true)),
            ("address:manage", Some(true)),
            ("read:invoices", None),
            ("openid", None),
            ("hash:orders", None),
        ] {
            assert_eq!(unused(scope), want, "{scope}");
        }
    }

    #[test]
    fn a_scope_for_changes_that_alone_allows_reading_is_in_use() {
        let seed = Seed::new(&[7; 32]);
        let (mut names, mut touched) = (Arc::<Names>::default(), Touched::default());
        for template in ["/v1/orders/{param}", "/v1/users"] {
            Names::take(&mut names, template, seed);
        }
        touched.take("/v1/orders/{param}", false, seed);
        for (scopes, want) in [
            (&["write:orders", "read:users"][..], &["read:users"][..]),
            (&["write:orders", "read:orders"], &["write:orders"]),
            (&["write:orders", "orders"], &["write:orders"]),
            (&["write:orders", "write:users"], &["write:users"]),
        ] {
            let all: Vec<Grant<'_>> = scopes.iter().filter_map(|s| Grant::of(s, &names, seed)).collect();
            let left: Vec<&str> = all
                .iter()
                .filter(|grant| !grant.is_exercised(&all, &touched))
                .map(|grant| grant.scope)
                .collect();
            assert_eq!(left, want, "{scopes:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let seed = Seed::new(&[7; 32]);
        let (mut names, mut touched) = (Arc::<Names>::default(), Touched::default());
        for n in 0..5_000 {
            Names::take(&mut names, &format!("/w{n}"), seed);
            touched.take(&format!("/w{n}"), true, seed);
        }
        assert_eq!(
            (names.0.len(), touched.names.len(), touched.too_many),
            (NAMES, TOUCHED, true)
        );
    }
}
