//! Which endpoints are meant: the filters that commands share.

use super::glob;
use super::{Known, facts};
use crate::args::FilterArgs;
use crate::records::Rfc3339;

/// Filters with their times made definite.
pub(crate) struct Filter<'a> {
    args: &'a FilterArgs,
    since: Option<Rfc3339>,
    new_since: Option<Rfc3339>,
}

impl<'a> Filter<'a> {
    /// Times are counted from `last`, the last exchange that is known.
    pub(crate) fn new(args: &'a FilterArgs, last: Option<Rfc3339>) -> Self {
        let last = last.unwrap_or(Rfc3339(0));
        Self {
            args,
            since: args.since.map(|when| when.resolve(last)),
            new_since: args.new_since.map(|when| when.resolve(last)),
        }
    }

    /// Whether an endpoint is meant.
    pub(crate) fn wants(&self, endpoint: &Known) -> bool {
        let a = self.args;
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|p| glob::matches_any_case(p, text))
        };
        let fact = |patterns: &[String], field: &str| {
            patterns.is_empty()
                || facts::text(&endpoint.value, field).is_some_and(|text| any(patterns, &text))
        };
        let not_before = |bound: Option<Rfc3339>, field: &str| {
            bound.is_none_or(|b| endpoint.time(field).is_some_and(|t| t.0 >= b.0))
        };
        any(&a.host, endpoint.text("host"))
            && any(&a.method, endpoint.text("method"))
            && (a.path.is_empty() || a.path.iter().any(|p| glob::matches(p, endpoint.text("template"))))
            && any(&a.protocol, endpoint.text("protocol"))
            && (a.class.is_empty() || facts::classes(endpoint).iter().any(|class| any(&a.class, class)))
            && fact(&a.owner, "owner")
            && !(a.unowned && facts::text(&endpoint.value, "owner").is_some())
            && fact(&a.tier, "tier")
            && fact(&a.environment, "environment")
            && (!a.agent_facing || facts::agent_facing(endpoint))
            && not_before(self.since, "last_seen")
            && not_before(self.new_since, "first_seen")
            && !(a.undocumented && facts::documented(endpoint) == Some(true))
            && (!a.no_auth || endpoint.names("auth").contains(&"none"))
    }
}
