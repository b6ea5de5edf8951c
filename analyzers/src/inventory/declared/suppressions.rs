//! Findings that somebody answers for, for a while: a file that lives in git.
//!
//! ```toml
//! [[suppress]]
//! finding = "55bb90a8c2ee592fe0b556fa"   # one finding, by its id …
//! owner = "ana"
//! reason = "load test until the release, INC-4711"
//! until = 2026-12-31                     # to the end of this day (UTC), in packet time
//!
//! [[suppress]]
//! kind = ["rate_anomaly", "bola_enumeration"]   # … or every one of these kinds
//! principal = "nightly-*"                       # name or id of the caller; a star is any text
//! host = "orders.*"                             # and where, as in the overrides
//! method = "GET"
//! path = "/v1/orders/{id}"
//! owner = "team-orders"
//! reason = "nightly export"
//! until = 2027-01-31
//! ```
//!
//! Each has an owner, a reason and an end. What one hides is kept and counted, and told when it is over and the finding comes again.
//! The first that suits and is not over counts.

use reassembly::Timestamp;

use super::file::{Day, Mistakes, Section, parse, tables};
use super::overrides::{Lines, host, kinds, path};
use super::pattern::{Pattern, glob};
use crate::finding::{FindingPrincipal, Kind, Resource};
use crate::privacy::safe_method;
use crate::spec::Problem;

/// One section of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    finding: Option<String>,
    kinds: Vec<Kind>,
    principals: Vec<String>,
    /// Where; nothing for everywhere.
    pattern: Option<Pattern>,
    /// What it hides, in a few words.
    pub what: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which it hides.
    pub until: Day,
    /// Line of the file.
    pub line: u32,
}

impl Suppression {
    /// Whether it hides no more at a packet time.
    #[must_use]
    pub fn is_over(&self, ts: Timestamp) -> bool {
        ts.seconds() >= self.until.end()
    }

    fn suits(&self, id: &str, kind: Kind, principal: Option<&FindingPrincipal>, about: &Resource) -> bool {
        if let Some(finding) = &self.finding {
            return finding == id;
        }
        let is_named = |pattern: &String| {
            principal.is_some_and(|p| {
                *pattern == p.id || p.name.as_deref().is_some_and(|name| glob(pattern, name))
            })
        };
        let place = |pattern: &Pattern| {
            let template = about.template.as_deref();
            let method = about.method.as_deref().unwrap_or("");
            about.host.as_deref().is_some_and(|host| {
                // What is about a whole host is hidden for all of it.
                (template.is_some() || pattern.is_whole_host())
                    && pattern.matches(host, method, template.unwrap_or("/"))
            })
        };
        self.kinds.contains(&kind)
            && (self.principals.is_empty() || self.principals.iter().any(is_named))
            && self.pattern.as_ref().is_none_or(place)
    }
}

/// Everything that the file says, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suppressions(Vec<Suppression>);

const KEYS: [&str; 9] = [
    "finding",
    "kind",
    "principal",
    "host",
    "method",
    "path",
    "owner",
    "reason",
    "until",
];

impl Suppressions {
    /// Reads the file's text. With mistakes nothing of it is to be used.
    ///
    /// # Errors
    ///
    /// Every mistake, with its place and what would be right.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let mut mistakes = Mistakes::new(text);
        let root = parse(text, &mut mistakes);
        let mut lines = Lines::of(text);
        let mut all = Vec::new();
        for (name, at, table) in tables(root.get_ref(), &["suppress"], &mut mistakes) {
            let mut section = Section::new((name, at, table), &KEYS, &mut mistakes);
            all.extend(suppression(&mut section, lines.at(at)));
        }
        match mistakes.finish() {
            found if found.is_empty() => Ok(Self(all)),
            found => Err(found),
        }
    }

    /// Whether it hides nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Suppression> {
        self.0.iter()
    }

    /// The place of the one that hides a finding at a packet time.
    pub(crate) fn of(
        &self,
        id: &str,
        kind: Kind,
        principal: Option<&FindingPrincipal>,
        about: &Resource,
        ts: Timestamp,
    ) -> Option<usize> {
        let hides = |one: &Suppression| !one.is_over(ts) && one.suits(id, kind, principal, about);
        self.0.iter().position(hides)
    }

    /// The one at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Suppression> {
        self.0.get(place)
    }
}

fn suppression(section: &mut Section<'_, '_, '_>, line: u32) -> Option<Suppression> {
    let finding = section.text("finding").and_then(|(at, text)| {
        let right = text.len() == 24
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !right {
            section.wrong(
                at,
                "finding",
                "must be the whole id of a finding: 24 digits and letters from a to f",
            );
        }
        right.then(|| text.to_owned())
    });
    let kinds = kinds(section, "kind");
    let principals: Vec<String> = section
        .texts("principal")
        .iter()
        .map(|(_, text)| (*text).to_owned())
        .collect();
    let host_glob = host(section);
    let method = section.text("method").and_then(|(at, text)| {
        let known = safe_method(text);
        if known != text {
            section.wrong(
                at,
                "method",
                "is no method in capitals such as \"GET\"; leave it out for all",
            );
        }
        (known == text).then(|| known.to_owned())
    });
    let path = path(section).map(|(text, _)| text);
    let places = ["principal", "host", "method", "path"];
    let narrowed = places.into_iter().any(|key| section.has(key));
    match (section.has("finding"), section.has("kind")) {
        (false, false) => {
            let at = section.at;
            section.mistakes.push(
                at,
                "suppress says not what it hides; write finding = \"ID\", or kind = [\"rate_anomaly\"] with principal, host or path",
            );
        }
        (true, kind) if kind || narrowed => {
            let at = section.place("finding");
            section.wrong(
                at,
                "finding",
                "means one finding already; remove kind, principal, host, method and path, or it",
            );
        }
        (false, true) if !narrowed => {
            let at = section.place("kind");
            section.wrong(
                at,
                "kind",
                "alone hides it everywhere; add principal, host or path (host = \"*\" if it is meant)",
            );
        }
        _ => {}
    }
    let mut needed = |key: &'static str, example: &str| {
        if !section.has(key) {
            let at = section.at;
            section.mistakes.push(
                at,
                format!("suppress has no `{key}`; write e.g. {key} = {example}"),
            );
        }
        section.text(key).map(|(_, text)| text.to_owned())
    };
    let owner = needed("owner", "\"ana\"");
    let reason = needed("reason", "\"load test, INC-4711\"");
    if !section.has("until") {
        let at = section.at;
        section.mistakes.push(
            at,
            "suppress has no `until`; write the last day on which it hides, e.g. until = 2027-01-31",
        );
    }
    let until = section.day("until").map(|(_, day)| day);
    let what = match &finding {
        Some(id) => format!("finding {id}"),
        None => {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let mut what = names.join(", ");
            if !principals.is_empty() {
                what.push_str(&format!(" of {}", principals.join(", ")));
            }
            if section.has("host") || section.has("method") || section.has("path") {
                let of = |key: &'static str, section: &mut Section<'_, '_, '_>| {
                    section.text(key).map(|(_, text)| text.to_owned())
                };
                let (host, method) = (of("host", section), of("method", section));
                let method = method.map_or(String::new(), |method| format!("{method} "));
                let path = path.as_deref().unwrap_or("");
                what.push_str(&format!(" at {method}{}{path}", host.as_deref().unwrap_or("*")));
            }
            what
        }
    };
    let anywhere = !section.has("host") && !section.has("method") && !section.has("path");
    let pattern = (!anywhere).then(|| Some(Pattern::new(host_glob?, method, path.as_deref(), false)));
    Some(Suppression {
        finding,
        kinds,
        principals,
        pattern: match pattern {
            Some(pattern) => Some(pattern?),
            None => None,
        },
        what,
        owner: owner?,
        reason: reason?,
        until: until?,
        line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PrincipalKind;

    const ID: &str = "55bb90a8c2ee592fe0b556fa";

    fn day(text: &str) -> Timestamp {
        Timestamp((Day::parse(text).unwrap().end() - 1) * 1_000_000_000)
    }

    #[test]
    fn what_suits_is_hidden_until_the_end_of_its_day() {
        let all = Suppressions::read(
            "[[suppress]]\nfinding = \"55bb90a8c2ee592fe0b556fa\"\nowner = \"ana\"\nreason = \"test\"\nuntil = 2026-10-06\n\
             [[suppress]]\nkind = \"rate_anomaly\"\nprincipal = [\"nightly-*\", \"abc\"]\nhost = \"orders.*\"\npath = \"/v1/{x}\"\n\
             owner = \"b\"\nreason = \"c\"\nuntil = \"2026-12-31\"\n",
        )
        .unwrap();
        let caller = |id: &str, name: Option<&str>| FindingPrincipal {
            id: id.into(),
            kind: PrincipalKind::Service,
            name: name.map(Into::into),
            evidence: Vec::new(),
        };
        let place = |host: &str, template: Option<&str>| Resource {
            host: Some(host.into()),
            method: template.map(|_| "GET".into()),
            template: template.map(Into::into),
            ..Resource::default()
        };
        let there = place("orders.example", Some("/v1/{int}"));
        let of = |id: &str, kind, who: Option<&FindingPrincipal>, about: &Resource, ts| {
            all.of(id, kind, who, about, ts)
        };
        let rate = Kind::RateAnomaly;
        assert_eq!(of(ID, rate, None, &there, day("2026-10-06")), Some(0));
        assert_eq!(
            of(ID, rate, None, &there, day("2026-10-07")),
            None,
            "the end of the day has passed"
        );
        let job = caller("1", Some("nightly-export"));
        assert_eq!(of("1", rate, Some(&job), &there, day("2026-12-31")), Some(1));
        assert_eq!(
            of("1", rate, Some(&caller("abc", None)), &there, day("2026-12-31")),
            Some(1)
        );
        for (kind, who, about) in [
            (Kind::BolaEnumeration, Some(&job), &there),
            (rate, Some(&caller("2", Some("daily"))), &there),
            (rate, None, &there),
            (rate, Some(&job), &place("pay.example", Some("/v1/{int}"))),
            (rate, Some(&job), &place("orders.example", Some("/v2/{int}"))),
            (rate, Some(&job), &place("orders.example", None)),
        ] {
            assert_eq!(
                of("1", kind, who, about, day("2026-12-01")),
                None,
                "{kind:?} {who:?} {about:?}"
            );
        }
        let whats: Vec<&str> = all.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            whats,
            [
                "finding 55bb90a8c2ee592fe0b556fa",
                "rate_anomaly of nightly-*, abc at orders.*/v1/{x}"
            ]
        );
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_what_would_be_right() {
        let rest = "owner = \"a\"\nreason = \"b\"\nuntil = 2027-01-31\n";
        for (text, line, wanted) in [
            (format!("[[suppress]]\n{rest}"), 1, "says not what it hides"),
            (
                format!("[[suppress]]\nfinding = \"55bb\"\n{rest}"),
                2,
                "the whole id",
            ),
            (
                format!("[[suppress]]\nkind = \"rate_anomaly\"\n{rest}"),
                2,
                "alone hides it everywhere",
            ),
            (
                format!("[[suppress]]\nkind = \"rate_anomally\"\nhost = \"*\"\n{rest}"),
                2,
                "did you mean `rate_anomaly`?",
            ),
            (
                format!("[[suppress]]\nfinding = \"{ID}\"\nhost = \"a\"\n{rest}"),
                2,
                "means one finding already",
            ),
            (
                format!("[[suppress]]\nfinding = \"{ID}\"\nowner = \"a\"\nreason = \"b\"\n"),
                1,
                "has no `until`",
            ),
            (
                format!("[[suppress]]\nfinding = \"{ID}\"\nowner = \"a\"\nuntil = 2027-01-31\n"),
                1,
                "has no `reason`",
            ),
            (
                format!("[[suppress]]\nfinding = \"{ID}\"\nreason = \"a\"\nuntil = 2027-01-31\n"),
                1,
                "has no `owner`",
            ),
            (
                format!(
                    "[[suppress]]\nfinding = \"{ID}\"\nowner = \"a\"\nreason = \"b\"\nuntil = 2027-02-31\n"
                ),
                5,
                "must be a day",
            ),
            (
                format!("[[suppress]]\nkind = \"rate_anomaly\"\nhost = \"https://a\"\n{rest}"),
                3,
                "holds a scheme",
            ),
            (format!("[[supress]]\n{rest}"), 1, "did you mean `suppress`?"),
            (
                format!("[[suppress]]\nfindng = \"{ID}\"\n{rest}"),
                2,
                "did you mean `finding`?",
            ),
        ] {
            let mistakes = Suppressions::read(&text).unwrap_err();
            let found = mistakes
                .iter()
                .any(|m| m.message.contains(wanted) && m.line == line);
            assert!(found, "no `{wanted}` at line {line} of {text}: {mistakes:?}");
        }
    }
}
