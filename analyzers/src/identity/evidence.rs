//! What may tell whom a request is from, in the order in which it is believed.

/// A sort of evidence for a principal. The order of [`Evidence::ORDER`] is the default; the operator may set another.
///
/// What names one caller and nobody else comes before what several may share: a workload's certificate and the actor of a
/// delegation before tokens, tokens before keys, keys before sessions, sessions before what a program says of itself, and the
/// address last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// A SPIFFE id, of a client certificate (`X-Forwarded-Client-Cert`) or a JWT-SVID.
    Spiffe,
    /// Who acts for somebody else: the outermost `act` (RFC 8693 section 4.1), or a client that claims to be an agent and shows a
    /// person's token.
    Actor,
    /// Subject and client of a JWT.
    Token,
    /// The key of an HTTP message signature (RFC 9421), as Web Bot Auth has them.
    WebBotAuth,
    /// The user of Basic or Digest.
    UserName,
    /// The access key of AWS signature version 4.
    AccessKey,
    /// A bearer token that cannot be read.
    OpaqueToken,
    /// An API key.
    ApiKey,
    /// A session cookie.
    Session,
    /// The session of MCP, or that of an agent's own program.
    AgentSession,
    /// What an MCP client calls itself, with its address.
    McpClient,
    /// Address, program, and the TLS fingerprint where one is known.
    Address,
}

impl Evidence {
    /// All, in the order that holds when the operator sets none.
    pub const ORDER: [Self; 12] = [
        Self::Spiffe,
        Self::Actor,
        Self::Token,
        Self::WebBotAuth,
        Self::UserName,
        Self::AccessKey,
        Self::OpaqueToken,
        Self::ApiKey,
        Self::Session,
        Self::AgentSession,
        Self::McpClient,
        Self::Address,
    ];

    /// Names used in the configuration and in records, in the same order.
    pub const NAMES: [&'static str; 12] = [
        "spiffe",
        "actor",
        "token",
        "web_bot_auth",
        "user_name",
        "access_key",
        "opaque_token",
        "api_key",
        "session",
        "agent_session",
        "mcp_client",
        "address",
    ];

    /// The name used in the configuration and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ORDER
            .iter()
            .position(|e| *e == self)
            .map_or("", |place| Self::NAMES[place])
    }

    /// Reads a name back.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(Self::ORDER[Self::NAMES.iter().position(|n| *n == name)?])
    }

    /// Whether it names one caller wherever that is, and is not only where somebody is or what runs there.
    #[must_use]
    pub fn is_credential(self) -> bool {
        self < Self::AgentSession
    }
}

/// An order of evidence, as ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranks([u8; 12]);

impl Ranks {
    /// What is not named is not believed; the address stays as the last resort.
    pub(crate) fn new(order: &[Evidence]) -> Self {
        let order = if order.is_empty() { &Evidence::ORDER } else { order };
        let mut ranks = [u8::MAX; 12];
        for (rank, evidence) in (0..u8::MAX).zip(order) {
            let slot = &mut ranks[*evidence as usize];
            *slot = (*slot).min(rank);
        }
        let address = &mut ranks[Evidence::Address as usize];
        *address = (*address).min(u8::MAX - 1);
        Self(ranks)
    }

    /// The rank, nothing when it is not to be believed.
    pub(crate) fn of(self, evidence: Evidence) -> Option<u8> {
        Some(self.0[evidence as usize]).filter(|rank| *rank != u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_order() {
        for (evidence, name) in Evidence::ORDER.into_iter().zip(Evidence::NAMES) {
            assert_eq!(evidence.name(), name);
            assert_eq!(Evidence::parse(name), Some(evidence));
        }
        assert_eq!(Evidence::parse("face"), None);
    }

    #[test]
    fn an_address_is_the_last_resort_whatever_is_set() {
        let ranks = Ranks::new(&[Evidence::ApiKey, Evidence::Token]);
        assert!(ranks.of(Evidence::ApiKey) < ranks.of(Evidence::Token));
        assert_eq!(ranks.of(Evidence::Session), None);
        assert!(ranks.of(Evidence::Address) > ranks.of(Evidence::Token));
        assert_eq!(Ranks::new(&[]), Ranks::new(&Evidence::ORDER));
    }
}
