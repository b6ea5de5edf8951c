//! Which agents there are meant to be: who owns each, what it is for, and what it may.
//!
//! ```toml
//! [[agent]]
//! name = "refund-agent"
//! client = ["refund-agent", "spiffe://acme.example/ns/pay/*"]   # names of principals as records have them; a star is any text
//! id = ["3f2a0c4b5d6e7f8091a2b3c4"]                             # or ids of principals
//! owner = "team-payments"
//! purpose = "Pays back what was returned"
//! scopes = ["orders:read", "refunds:write"]
//! tools = ["refund", "look_up_*"]
//! user_agent = ["python-httpx"]                                 # product names it is seen with
//! ja4 = ["t13d1516h2_8daaf6152771_e5627efa2ab1"]
//! environment = ["prod"]
//! until = 2027-06-30                                            # after that day it must be gone
//! learn_since = 2026-11-01                                      # forget what was usual for it before that day
//! frozen_since = 2026-11-15                                     # and learn nothing more from that day on
//! ```
//!
//! The first that suits counts. What a program calls itself names nobody: `client` is compared with principals that a credential
//! names, and never with those known by address.

use super::file::{Day, Mistakes, Section, parse, tables};
use super::pattern::glob;
use crate::spec::Problem;

/// One agent of the registry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agent {
    /// What people call it.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Scopes that it may have; empty says nothing.
    pub scopes: Vec<String>,
    /// Tools that it may call, as globs; empty says nothing.
    pub tools: Vec<String>,
    /// Product names of user agents that it is seen with; empty says nothing.
    pub user_agent: Vec<String>,
    /// JA4 fingerprints that it is seen with; empty says nothing.
    pub ja4: Vec<String>,
    /// Environments in which it works; empty says nothing.
    pub environment: Vec<String>,
    /// The last day on which it may be seen.
    pub until: Option<Day>,
    /// What was usual for it before that day is forgotten.
    pub learn_since: Option<Day>,
    /// From that day on nothing more is learned of what is usual for it.
    pub frozen_since: Option<Day>,
    ids: Vec<String>,
    clients: Vec<String>,
}

impl Agent {
    /// Whether it may call a tool.
    #[must_use]
    pub fn may_call(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|t| glob(t, tool))
    }
}

/// The registry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agents(Vec<Agent>);

impl Agents {
    /// Reads the registry's text.
    ///
    /// # Errors
    ///
    /// Every mistake, with its place and what would be right.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let mut mistakes = Mistakes::new(text);
        let agents = of_toml(text, &mut mistakes);
        match mistakes.finish() {
            found if found.is_empty() => Ok(Self(agents)),
            found => Err(found),
        }
    }

    /// The agent that a principal is; `name` when a credential names it.
    #[must_use]
    pub fn of(&self, id: &str, name: Option<&str>) -> Option<&Agent> {
        self.0.iter().find(|agent| {
            agent.ids.iter().any(|own| own == id)
                || name.is_some_and(|name| agent.clients.iter().any(|own| glob(own, name)))
        })
    }

    /// Whether nobody keeps one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of agents in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

const KEYS: [&str; 13] = [
    "name",
    "client",
    "id",
    "owner",
    "purpose",
    "scopes",
    "tools",
    "user_agent",
    "ja4",
    "environment",
    "until",
    "learn_since",
    "frozen_since",
];

fn of_toml(text: &str, mistakes: &mut Mistakes<'_>) -> Vec<Agent> {
    let root = parse(text, mistakes);
    let mut out = Vec::new();
    for (name, at, table) in tables(root.get_ref(), &["agent"], mistakes) {
        let mut section = Section::new((name, at, table), &KEYS, mistakes);
        let mut list = |key: &'static str| -> Vec<String> {
            section
                .texts(key)
                .iter()
                .map(|(_, text)| (*text).to_owned())
                .collect()
        };
        let mut agent = Agent {
            ids: list("id"),
            clients: list("client"),
            scopes: list("scopes"),
            tools: list("tools"),
            user_agent: list("user_agent")
                .iter()
                .map(|t| t.to_ascii_lowercase())
                .collect(),
            ja4: list("ja4"),
            environment: list("environment"),
            ..Agent::default()
        };
        let text =
            |section: &mut Section<'_, '_, '_>, key| section.text(key).map(|(_, text)| text.to_owned());
        agent.owner = text(&mut section, "owner");
        agent.purpose = text(&mut section, "purpose");
        agent.until = section.day("until").map(|(_, day)| day);
        agent.learn_since = section.day("learn_since").map(|(_, day)| day);
        agent.frozen_since = section.day("frozen_since").map(|(_, day)| day);
        if !section.has("name") {
            section
                .mistakes
                .push(at, "agent.name is missing; write what people call it");
        }
        agent.name = text(&mut section, "name").unwrap_or_default();
        if agent.ids.is_empty() && agent.clients.is_empty() {
            section.mistakes.push(
                at,
                "agent has neither `client` nor `id`; write its name as `tapline agents` shows it, or its id",
            );
        }
        if let Some(wrong) = agent.ids.iter().find(|id| crate::id::Id::parse(id).is_none()) {
            let place = section.place("id");
            section.mistakes.push(
                place,
                format!("agent.id `{wrong}` is no id of 24 hexadecimal digits"),
            );
        }
        out.push(agent);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_known_by_name_or_id() {
        let agents = Agents::read(
            "[[agent]]\nname = 'refunds'\nclient = ['refund-*', 'spiffe://a.example/pay/*']\nowner = 'team-pay'\ntools = ['look_*']\n\n\
             [[agent]]\nname = 'stock'\nid = '3f2a0c4b5d6e7f8091a2b3c4'\nuntil = 2027-06-30\n",
        )
        .unwrap();
        let name = |id: &str, name| agents.of(id, name).map(|a| a.name.as_str());
        assert_eq!(name("", Some("refund-agent")), Some("refunds"));
        assert_eq!(name("", Some("spiffe://a.example/pay/x")), Some("refunds"));
        assert_eq!(name("3f2a0c4b5d6e7f8091a2b3c4", None), Some("stock"));
        assert_eq!(name("3f2a0c4b5d6e7f8091a2b3c5", Some("other")), None);
        let refunds = agents.of("", Some("refund-agent")).unwrap();
        assert!(refunds.may_call("look_up") && !refunds.may_call("delete"));
        assert_eq!((agents.len(), agents.is_empty()), (2, false));
    }

    #[test]
    fn every_mistake_has_its_place() {
        let wrong =
            Agents::read("[[agent]]\nowner = 'x'\n\n[[agent]]\nname = 'y'\nid = 'zz'\ncolour = 'red'\n")
                .unwrap_err();
        let said: Vec<_> = wrong
            .iter()
            .map(|p| format!("{}: {}", p.line, p.message))
            .collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(
            said.iter().any(|s| s.contains("agent.name is missing")),
            "{said:?}"
        );
        assert!(
            said.iter().any(|s| s.contains("neither `client` nor `id`")),
            "{said:?}"
        );
        assert!(
            said.iter().any(|s| s.starts_with("6: ") && s.contains("no id")),
            "{said:?}"
        );
        assert!(
            said.iter().any(|s| s.starts_with("7: ") && s.contains("colour")),
            "{said:?}"
        );
    }
}
