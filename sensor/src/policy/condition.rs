//! Conditions of policies: the language of [`analyzers::condition`] with the fields of the records.

use analyzers::condition::{self, Sort, Vocabulary};

use super::fields;
use crate::known::state::About;

pub(super) use analyzers::condition::{Condition, Path, Wrong, observed};

struct Fields(About);

impl Vocabulary for Fields {
    fn look_up(&self, path: &[String]) -> Result<Sort, String> {
        fields::look_up(self.0, path)
    }

    fn example(&self) -> &'static str {
        "agents = 0"
    }
}

/// Reads a condition about records of this sort. Every name and value is held against what the records have.
///
/// # Errors
///
/// The first mistake in it.
pub(super) fn read(about: About, text: &str) -> Result<Condition, Wrong> {
    condition::read(&Fields(about), text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn endpoint() -> Value {
        json!({
            "host": "orders.acme.example", "method": "GET", "template": "/v1/orders/{int}", "agents": 1,
            "exchanges": 560, "auth": {"jwt": 460, "none": 100}, "data_classes": {"card": 6, "email": 1},
            "status": {"5xx": 3}, "worst_finding": "high", "findings": ["missing_auth"],
            "first_seen": "2026-10-05T12:00:41.005000000Z", "accepted": false, "latency_us": {"p99": 0},
        })
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for (text, wanted) in [
            ("host = 'orders.acme.example'", true),
            ("host != 'orders.acme.example'", false),
            ("host matches '*.acme.example'", true),
            ("host matches ['*.other', 'orders.*']", true),
            ("agents = 0", false),
            ("agents > 0 and exchanges >= 560", true),
            ("agents > 0 and exchanges > 560", false),
            ("agents", true),
            ("latency_us.p99", false),
            ("exists latency_us.p99", true),
            ("exists latency_us.p50", false),
            ("auth has 'none'", true),
            ("auth has ['basic', 'n*']", true),
            ("auth has 'basic'", false),
            ("auth.none > 99", true),
            ("auth.basic > 0", false),
            ("auth.basic = 0", false),
            ("auth.basic != 0", true),
            ("data_classes has ['iban', 'card']", true),
            ("status.5xx = 3", true),
            ("not agents = 1", false),
            ("not (agents = 1 and method = 'POST')", true),
            ("method = 'POST' or agents = 1", true),
            ("method = 'POST' and agents = 1 or agents = 1", true),
            ("method = 'POST' and (agents = 1 or agents = 1)", false),
            ("method in ['GET', 'HEAD']", true),
            ("method not in ['GET', 'HEAD']", false),
            ("worst_finding >= 'medium'", true),
            ("worst_finding > 'high'", false),
            ("worst_finding = 'critical'", false),
            ("findings has 'missing_auth'", true),
            ("first_seen >= '2026-10-05'", true),
            ("first_seen < '2026-10-05T12'", false),
            ("accepted = false", true),
            ("accepted", false),
            ("days_since_last_seen > 1", false),
            ("not days_since_last_seen > 1", true),
            ("exchanges = 560.0", true),
            ("host.endsWith('.acme.example')", true),
            ("!host.startsWith(\"orders.\")", false),
            ("host.contains(['shop', 'acme']) && agents == 1", true),
            ("host.contains('shop') || method = 'POST'", false),
        ] {
            let condition = read(About::Endpoint, text).unwrap_or_else(|w| panic!("{text}: {w:?}"));
            assert_eq!(condition.holds(&endpoint()), wanted, "{text}");
        }
    }

    #[test]
    fn a_list_is_met_by_any_of_its_items() {
        let finding = json!({"evidence": [{"status": 200}, {"status": 403}], "severity": "low"});
        for (text, wanted) in [
            ("evidence.status = 403", true),
            ("evidence.status = 404", false),
            ("evidence.status != 403", false),
            ("evidence.status > 400", true),
        ] {
            let condition = read(About::Finding, text).unwrap();
            assert_eq!(condition.holds(&finding), wanted, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, at, wanted) in [
            ("", 0, "there is no condition"),
            ("hots = 'x'", 0, "did you mean `host`?"),
            ("agents = 0 and hots = 'x'", 15, "did you mean `host`?"),
            ("agents = 'none'", 9, "`agents` is a number"),
            ("host = 7", 7, "`host` is a text"),
            ("host = orders", 7, "write texts in quotes: \"orders\""),
            ("auth = 'none'", 5, "write `auth has"),
            ("host has 'x'", 5, "`host` is a text; `has` is for sets of names"),
            ("auth matches 'x'", 5, "is a set of names; `matches` is for texts"),
            ("worst_finding = 'grave'", 16, "one of \"info\", \"low\""),
            ("(agents = 0", 11, "`)` is missing before the end"),
            ("agents = 0)", 10, "`)` is not expected here"),
            ("agents = 0 host = 'x'", 11, "write `and` or `or` before it"),
            ("agents =", 8, "a value is expected here, not the end"),
            ("host in 'x'", 8, "a list is expected here"),
            (
                "method in ['GET' 'PUT']",
                17,
                "`,` or `]` is missing before a text",
            ),
            ("host = 'x", 7, "has no end"),
            ("agents & 1", 7, "`&` means nothing here"),
            ("and", 0, "a field is expected here, not `and`"),
            ("latency_us > 5", 11, "is no single value"),
            ("'x' = host", 0, "write the field first"),
            ("host.ends('x')", 5, "`ends()` is not known; there are startsWith"),
            (
                "agents.endsWith('x')",
                15,
                "`agents` is a number; this is for texts",
            ),
            ("host.endsWith('x'", 17, "`)` is missing before the end"),
            ("exists host.endsWith('x')", 7, "`exists` takes a field alone"),
        ] {
            let wrong = read(About::Endpoint, text).expect_err(text);
            assert_eq!(wrong.at, at, "{text}: {}", wrong.what);
            assert!(wrong.what.contains(wanted), "{text}: {}", wrong.what);
        }
        let deep = format!("{}agents = 0", "not ".repeat(100_000));
        assert!(
            read(About::Endpoint, &deep)
                .unwrap_err()
                .what
                .contains("more than 64")
        );
    }
}
