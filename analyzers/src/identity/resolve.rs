//! From what a request shows to the principal behind it.
//!
//! Evidence in order: a JWT's claims, an opaque token or API key, a user name, a session cookie; else the
//! client's address with its program. `X-Forwarded-For` is not evidence: whoever sends it chooses it.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::client::{self, Program};
use super::jwt::{self, Token};
use super::signals::Signals;
use super::{Credential, Identity, PrincipalKind, Scheme, TokenFacts};
use crate::id::{HashTable, Id, Seed};
use crate::privacy::{keyed_hash, safe_name};
use crate::settings::Settings;

/// Identities remembered per generation of the cache. A forgotten one is worked out again.
const CACHED: usize = 16_384;

/// Fields remembered of each kind; when there are more, all are forgotten.
const FIELDS: usize = 8_192;

/// Resolves principals; its memory is a cache only and never changes an answer.
#[derive(Debug)]
pub(crate) struct Resolver {
    seed: Seed,
    recent: HashTable<u128, Arc<Identity>>,
    older: HashTable<u128, Arc<Identity>>,
    /// What was read of `Authorization` fields and of user agents: each of them comes with many others, and
    /// reading it is the most of the work.
    authorizations: HashTable<u128, Option<Arc<Found>>>,
    programs: HashTable<u128, (Program, Arc<str>)>,
}

/// How strongly something tells the kind of a principal. Stronger evidence seen later replaces weaker.
mod strength {
    pub(super) const NONE: u8 = 0;
    pub(super) const PROGRAM: u8 = 1;
    pub(super) const BROWSER: u8 = 2;
    pub(super) const CLAIM: u8 = 3;
    pub(super) const MCP: u8 = 4;
    pub(super) const AGENT_PROGRAM: u8 = 5;
    pub(super) const AGENT_CLAIM: u8 = 6;
}

impl Resolver {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            seed: Seed::new(&settings.hash_key),
            recent: HashTable::default(),
            older: HashTable::default(),
            authorizations: HashTable::default(),
            programs: HashTable::default(),
        }
    }

    /// The identity behind these signals.
    pub(crate) fn resolve(
        &mut self,
        signals: &Signals<'_>,
        client: IpAddr,
        settings: &Settings,
    ) -> Arc<Identity> {
        let key = self.key(signals, client);
        if let Some(known) = self.recent.get(&key) {
            return Arc::clone(known);
        }
        let identity = match self.older.remove(&key) {
            Some(known) => known,
            None => Arc::new(self.identify(signals, client, settings)),
        };
        if self.recent.len() >= CACHED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, Arc::clone(&identity));
        identity
    }

    /// What an `Authorization` field tells.
    fn authorization(&mut self, value: &str, settings: &Settings) -> Option<Found> {
        let key = self.seed.wide(value.as_bytes());
        if let Some(known) = self.authorizations.get(&key) {
            return known.as_deref().cloned();
        }
        let found = authorization(value, settings);
        if self.authorizations.len() >= FIELDS {
            self.authorizations.clear();
        }
        self.authorizations.insert(key, found.clone().map(Arc::new));
        found
    }

    /// What a user agent tells.
    fn program(&mut self, user_agent: &str) -> (Program, Arc<str>) {
        let key = self.seed.wide(user_agent.as_bytes());
        if let Some((program, product)) = self.programs.get(&key) {
            return (*program, Arc::clone(product));
        }
        let (program, product) = client::program(user_agent);
        let product: Arc<str> = product.into();
        if self.programs.len() >= FIELDS {
            self.programs.clear();
        }
        self.programs.insert(key, (program, Arc::clone(&product)));
        (program, product)
    }

    fn identify(&mut self, s: &Signals<'_>, client: IpAddr, settings: &Settings) -> Identity {
        let key = &settings.hash_key;
        let (program, product) = self.program(s.user_agent);
        let product = &*product;
        let family = self.seed.hash(product.as_bytes());
        let found = s
            .authorization
            .and_then(|value| self.authorization(value, settings))
            .or_else(|| {
                s.api_key
                    .map(|value| secret(value, Scheme::ApiKey, "api key", settings))
            })
            .or_else(|| {
                let query = s.query.filter(|q| !q.signature)?;
                Some(secret(
                    query.value,
                    Scheme::Query,
                    "credential in query",
                    settings,
                ))
            })
            .or_else(|| {
                s.cookie
                    .map(|c| secret(c.value, Scheme::Cookie, "session cookie", settings))
            });
        let mut found = found.unwrap_or_default();
        if found.scheme == Scheme::None && s.query.is_some() {
            found.scheme = Scheme::SignedUrl;
        }
        let mut kind = (found.strength, found.kind);
        let mut reasons = found.evidence;
        let mut consider = |level: u8, what: PrincipalKind, why: String| {
            if level > kind.0 || (kind.1 == PrincipalKind::Unknown && level > 0) {
                kind = (level, what);
            }
            reasons.push(why);
        };
        if s.mcp {
            consider(strength::MCP, PrincipalKind::AiAgent, "speaks MCP".into());
        }
        match program {
            Program::Agent => consider(
                strength::AGENT_PROGRAM,
                PrincipalKind::AiAgent,
                format!("user agent {}", safe_name(key, product)),
            ),
            Program::Browser if s.browser_fields || s.cookie.is_some() => {
                consider(strength::BROWSER, PrincipalKind::Human, "browser".into());
            }
            Program::Library => consider(
                strength::PROGRAM,
                PrincipalKind::Service,
                format!("user agent {}", safe_name(key, product)),
            ),
            Program::Browser | Program::Unknown => {}
        }
        if s.llm_sdk {
            consider(
                strength::PROGRAM,
                PrincipalKind::Service,
                "fields of a language model SDK".into(),
            );
        }
        let by_address = found.principal.is_none();
        let id = found.principal.unwrap_or_else(|| {
            reasons.insert(0, super::BY_ADDRESS.into());
            let text = format!("{client}\0{product}");
            Id::from_bytes(&keyed_hash(key, "client", text.as_bytes()))
        });
        let name = found.name.or_else(|| {
            let named =
                by_address && matches!(program, Program::Agent | Program::Library) && !product.is_empty();
            named.then(|| safe_name(key, product))
        });
        reasons.truncate(8);
        Identity {
            id,
            text: id.to_string().into(),
            kind: kind.1,
            strength: kind.0,
            name,
            evidence: reasons,
            scheme: found.scheme,
            credential: found.credential,
            family,
            by_address,
            browser: program == Program::Browser,
        }
    }

    /// One number for everything [`Self::identify`] looks at.
    fn key(&self, s: &Signals<'_>, client: IpAddr) -> u128 {
        let flags = u128::from(s.mcp) | u128::from(s.browser_fields) << 1 | u128::from(s.llm_sdk) << 2;
        let mut key = self.seed.wide(s.user_agent.as_bytes()) ^ flags;
        let mut mix = |place: u32, bytes: &[u8]| key = key.rotate_left(17 + place) ^ self.seed.wide(bytes);
        if let Some(value) = s.authorization {
            mix(1, value.as_bytes());
        }
        if let Some(value) = s.api_key {
            mix(2, value.as_bytes());
        }
        if let Some(query) = s.query {
            mix(3, query.value.as_bytes());
            mix(if query.signature { 7 } else { 8 }, query.name.as_bytes());
        }
        if let Some(cookie) = s.cookie {
            mix(4, cookie.value.as_bytes());
        }
        match client {
            IpAddr::V4(ip) => mix(5, &ip.octets()),
            IpAddr::V6(ip) => mix(6, &ip.octets()),
        }
        key
    }
}

/// What a credential tells.
#[derive(Debug, Clone, Default)]
struct Found {
    scheme: Scheme,
    principal: Option<Id>,
    credential: Option<Credential>,
    kind: PrincipalKind,
    strength: u8,
    name: Option<String>,
    evidence: Vec<String>,
}

/// Reads an `Authorization` field (RFC 9110 section 11.6.2).
fn authorization(value: &str, settings: &Settings) -> Option<Found> {
    let value = value.trim();
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or(("", value));
    let rest = rest.trim();
    if rest.is_empty() {
        return None;
    }
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("basic") {
        return Some(basic(rest, settings));
    }
    if is("bearer") || is("dpop") || is("jwt") {
        return Some(secret(rest, Scheme::Bearer, "bearer token", settings));
    }
    if is("digest") {
        return Some(named(
            parameter(rest, "username"),
            rest,
            Scheme::Digest,
            "user name",
            settings,
        ));
    }
    if is("aws4-hmac-sha256") || is("aws4-ecdsa-p256-sha256") {
        let access = parameter(rest, "Credential").and_then(|c| c.split('/').next());
        return Some(named(access, rest, Scheme::SigV4, "access key id", settings));
    }
    if is("negotiate") || is("ntlm") || is("hawk") || is("signature") || is("hoba") || is("scram-sha-256") {
        // Made anew for every request: proof for the server, no name for us.
        return Some(Found {
            scheme: Scheme::Other,
            ..Found::default()
        });
    }
    Some(secret(rest, Scheme::ApiKey, "api key", settings))
}

/// `name="value"` or `name=value` among comma-separated parameters.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(',').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"'))
    })
}

/// A credential that names its user; only the keyed hash of the name is kept.
fn named(user: Option<&str>, whole: &str, scheme: Scheme, what: &str, settings: &Settings) -> Found {
    let Some(user) = user.filter(|u| !u.is_empty()) else {
        return secret(whole, scheme, what, settings);
    };
    let id = Id::from_bytes(&keyed_hash(&settings.hash_key, scheme.name(), user.as_bytes()));
    Found {
        scheme,
        principal: Some(id),
        // The proof differs from request to request; the user is what is shared.
        credential: Some(Credential {
            id,
            scheme,
            token: None,
        }),
        evidence: vec![format!("{} {what}", scheme.name())],
        ..Found::default()
    }
}

/// Basic (RFC 7617). The password is never hashed alone, so that no table of passwords fits the hash.
fn basic(encoded: &str, settings: &Settings) -> Found {
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded);
    let user = text.split(':').next().filter(|u| !u.is_empty());
    let mut found = named(user, encoded, Scheme::Basic, "user name", settings);
    found.credential = Some(Credential {
        id: Id::from_bytes(&keyed_hash(&settings.hash_key, "basic pair", encoded.as_bytes())),
        scheme: Scheme::Basic,
        token: None,
    });
    found
}

/// A token or key: read when it is a JWT, else known by its keyed hash alone.
fn secret(value: &str, scheme: Scheme, what: &str, settings: &Settings) -> Found {
    let id = Id::from_bytes(&keyed_hash(&settings.hash_key, "credential", value.as_bytes()));
    if let Some(token) = jwt::decode(value) {
        return from_token(&token, id, scheme, settings);
    }
    Found {
        scheme,
        principal: Some(id),
        credential: Some(Credential {
            id,
            scheme,
            token: None,
        }),
        evidence: vec![what.to_owned()],
        ..Found::default()
    }
}

fn from_token(token: &Token, id: Id, place: Scheme, settings: &Settings) -> Found {
    let key = &settings.hash_key;
    let issuer = token.text("iss").unwrap_or_default();
    let subject = token.text("sub");
    let client = ["client_id", "azp", "appid", "cid"]
        .iter()
        .find_map(|c| Some((*c, token.text(c)?)));
    let actor = token.path("act.sub").and_then(jwt::text);
    let mut evidence = Vec::new();
    if subject.is_some() {
        evidence.push("jwt sub".to_owned());
    }
    if let Some((claim, _)) = &client {
        evidence.push(format!("jwt {claim}"));
    }
    if actor.is_some() {
        evidence.push("jwt act.sub".to_owned());
    }
    let client_id = client.as_ref().map(|(_, value)| value.as_str());
    let principal = if subject.is_some() || client_id.is_some() {
        let parts = [
            issuer.as_str(),
            subject.as_deref().unwrap_or(""),
            client_id.unwrap_or(""),
            actor.as_deref().unwrap_or(""),
        ];
        Id::from_bytes(&keyed_hash(key, "jwt", parts.join("\0").as_bytes()))
    } else {
        evidence.push("token without subject".to_owned());
        id
    };
    let (kind, level, why) = kind_of(token, settings, subject.as_deref(), client_id);
    evidence.extend(why);
    // A subject may be a person's name or address; that of a program is its name.
    let name = client_id.map(str::to_owned).or_else(|| {
        let program = matches!(kind, PrincipalKind::AiAgent | PrincipalKind::Service);
        actor.or(subject).filter(|_| program)
    });
    let scheme = match place {
        Scheme::Bearer | Scheme::ApiKey => Scheme::Jwt,
        other => other,
    };
    Found {
        scheme,
        principal: Some(principal),
        credential: Some(Credential {
            id,
            scheme,
            token: Some(TokenFacts::of(token, settings)),
        }),
        kind,
        strength: level,
        name: name.map(|n| safe_name(key, &n)),
        evidence,
    }
}

/// The kind a token's claims tell, how strongly, and which claim it was.
fn kind_of(
    token: &Token,
    settings: &Settings,
    subject: Option<&str>,
    client: Option<&str>,
) -> (PrincipalKind, u8, Option<String>) {
    let agent = |why: String| (PrincipalKind::AiAgent, strength::AGENT_CLAIM, Some(why));
    for wanted in &settings.agent_claims {
        if let Some((name, value)) = wanted.split_once('=')
            && token
                .path(name)
                .and_then(jwt::text)
                .is_some_and(|v| v.eq_ignore_ascii_case(value))
        {
            return agent(format!("claim {wanted}"));
        }
    }
    const MARKS: [(&str, &[&str]); 6] = [
        ("client_type", &["ai-agent", "ai_agent", "agent"]),
        ("agent_type", &["ai-agent", "ai_agent", "autonomous"]),
        ("act.sub_profile", &["ai_agent"]),
        ("client_profile", &["ai_agent"]),
        ("sub_profile", &["ai_agent"]),
        ("act.client_profile", &["ai_agent"]),
    ];
    for (claim, values) in MARKS {
        let text = token.path(claim).and_then(Value::as_str).unwrap_or("");
        let hit = values
            .iter()
            .find(|v| text.split(' ').any(|word| word.eq_ignore_ascii_case(v)));
        if let Some(value) = hit {
            return agent(format!("claim {claim}={value}"));
        }
    }
    // Entra Agent ID: facet 11 marks an agent identity, as subject or as actor.
    for claim in ["xms_act_fct", "xms_sub_fct"] {
        let text = token.path(claim).and_then(Value::as_str).unwrap_or("");
        if text.split(' ').any(|facet| facet == "11") {
            return agent(format!("claim {claim} has facet 11"));
        }
    }
    if token.path("xms_par_app_azp").is_some() {
        return agent("claim xms_par_app_azp".to_owned());
    }
    let claim = |kind, why: &str| (kind, strength::CLAIM, Some(why.to_owned()));
    let text = |name: &str| token.path(name).and_then(Value::as_str).unwrap_or("");
    const SERVICES: [(&str, &str); 5] = [
        ("gty", "client-credentials"),
        ("grant_type", "client_credentials"),
        ("idtyp", "app"),
        ("client_type", "service"),
        ("sub_profile", "service"),
    ];
    for (name, value) in SERVICES {
        if text(name).split(' ').any(|word| word.eq_ignore_ascii_case(value)) {
            return claim(PrincipalKind::Service, &format!("claim {name}={value}"));
        }
    }
    if subject.is_some_and(|s| s.starts_with("spiffe://") || s.starts_with("system:serviceaccount:")) {
        return claim(PrincipalKind::Service, "workload subject");
    }
    let person = ["email", "preferred_username", "given_name", "amr", "auth_time"];
    if text("idtyp") == "user" || person.iter().any(|c| token.path(c).is_some()) {
        return claim(PrincipalKind::Human, "claims of a person");
    }
    if subject.is_some() && subject == client {
        return claim(PrincipalKind::Service, "jwt sub equals client id");
    }
    (PrincipalKind::Unknown, strength::NONE, None)
}
