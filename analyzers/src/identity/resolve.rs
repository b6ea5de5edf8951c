//! From what a request shows to the principal behind it.
//!
//! Every sort of [`Evidence`] that the request shows is a candidate; the one that ranks first in the order decides. Behind it stand
//! the address and the program. `X-Forwarded-For` is evidence only from proxies that the operator trusts: whoever else sends it
//! chooses it.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::claims::{self, Claimed};
use super::client::{self, Program};
use super::evidence::{Evidence, Ranks};
use super::jwt::{self, Token};
use super::reasons::{Reason, judge};
use super::signals::Signals;
use super::{Credential, Identity, PrincipalKind, Scheme, TokenFacts, forwarded, signature};
use crate::id::{HashTable, Id, Seed};
use crate::keys::{Checker, Moment, Signed, Verdict, parted};
use crate::network::Networks;
use crate::privacy::{keyed_hash, safe_host, safe_name};
use crate::settings::Settings;

/// Identities remembered per generation of the cache. A forgotten one is worked out again.
const CACHED: usize = 16_384;

/// Fields remembered of each kind; when there are more, all are forgotten.
const FIELDS: usize = 8_192;

/// Resolves principals. Its memory is a cache only and changes no answer, but for tokens whose signature there was no time to check: those
/// are asked for again.
#[derive(Debug)]
pub(crate) struct Resolver {
    seed: Seed,
    ranks: Ranks,
    trusted: Networks,
    shared: Networks,
    recent: HashTable<u128, Arc<Identity>>,
    older: HashTable<u128, Arc<Identity>>,
    /// What was read of `Authorization` fields and of user agents: each of them comes with many others, and
    /// reading it is the most of the work.
    authorizations: HashTable<u128, Option<Arc<Found>>>,
    programs: HashTable<u128, (Program, Arc<Product>)>,
    checker: Checker,
}

/// The name of a program, as it is and as it may be shown.
#[derive(Debug)]
struct Product {
    name: String,
    shown: String,
}

/// Whether what is forwarded is believed, and who sent the request then.
#[derive(Debug, Clone, Copy)]
struct Sender {
    address: IpAddr,
    /// A proxy that is trusted sent it.
    trusted: bool,
    /// What is said about client certificates is believed.
    believed: bool,
    /// The address is known to be that of many.
    shared: bool,
}

impl Resolver {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            seed: Seed::new(&settings.hash_key),
            ranks: Ranks::new(&settings.identity_order),
            trusted: Networks::parse(&settings.trusted_proxies).0,
            shared: Networks::parse(&settings.shared_egress).0,
            recent: HashTable::default(),
            older: HashTable::default(),
            authorizations: HashTable::default(),
            programs: HashTable::default(),
            checker: Checker::new(Arc::clone(&settings.keys)),
        }
    }

    /// Takes other settings into force: what was worked out by those of before is forgotten.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) {
        let unchecked = self.unchecked();
        *self = Self::new(settings);
        self.checker.add_unchecked(unchecked);
    }

    /// Tokens whose signature there was no time to check.
    pub(crate) fn unchecked(&self) -> u64 {
        self.checker.unchecked()
    }

    /// The identity behind these signals.
    pub(crate) fn resolve(
        &mut self,
        signals: &Signals<'_>,
        client: IpAddr,
        moment: Moment,
        settings: &Settings,
    ) -> Arc<Identity> {
        let key = self.key(signals, client);
        if let Some(known) = self.recent.get(&key) {
            return Arc::clone(known);
        }
        let identity = match self.older.remove(&key) {
            Some(known) => known,
            None => Arc::new(self.identify(signals, client, moment, settings)),
        };
        if identity.signature == Verdict::Unchecked {
            // There may be time the next time.
            return identity;
        }
        if self.recent.len() >= CACHED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, Arc::clone(&identity));
        identity
    }

    /// What an `Authorization` field tells.
    fn authorization(&mut self, value: &str, moment: Moment, settings: &Settings) -> Option<Arc<Found>> {
        let key = self.seed.wide(value.as_bytes());
        if let Some(known) = self.authorizations.get(&key) {
            return known.clone();
        }
        let found = authorization(value, &mut self.check(moment, settings)).map(Arc::new);
        if found.as_ref().is_some_and(|f| f.signature == Verdict::Unchecked) {
            return found;
        }
        if self.authorizations.len() >= FIELDS {
            self.authorizations.clear();
        }
        self.authorizations.insert(key, found.clone());
        found
    }

    /// What is needed to read credentials.
    fn check<'a>(&'a mut self, moment: Moment, settings: &'a Settings) -> Check<'a> {
        Check {
            checker: &mut self.checker,
            moment,
            beside: false,
            settings,
        }
    }

    /// What a user agent tells.
    fn program(&mut self, user_agent: &str, settings: &Settings) -> (Program, Arc<Product>) {
        let key = self.seed.wide(user_agent.as_bytes());
        if let Some((program, product)) = self.programs.get(&key) {
            return (*program, Arc::clone(product));
        }
        let (program, name) = client::program(user_agent);
        let shown = safe_name(&settings.hash_key, &name);
        let product = Arc::new(Product { name, shown });
        if self.programs.len() >= FIELDS {
            self.programs.clear();
        }
        self.programs.insert(key, (program, Arc::clone(&product)));
        (program, product)
    }

    /// Who is at the other end, as far as proxies are trusted to tell it.
    fn sender(&self, s: &Signals<'_>, client: IpAddr) -> Sender {
        let trusted = !self.trusted.is_empty() && self.trusted.contains(client);
        let told = s.forwarded_for.filter(|_| trusted);
        let behind = told.and_then(|(field, rfc)| forwarded::client_behind(field, rfc, &self.trusted));
        let address = behind.unwrap_or(client);
        Sender {
            address,
            trusted,
            // Where proxies are named, others are not believed; else a mesh's own certificates are, as tokens are.
            believed: trusted || self.trusted.is_empty(),
            shared: self.shared.contains(address) || (s.via && behind.is_none()),
        }
    }

    fn identify(&mut self, s: &Signals<'_>, client: IpAddr, moment: Moment, settings: &Settings) -> Identity {
        let key = &settings.hash_key;
        let sender = self.sender(s, client);
        let (program, known) = self.program(s.user_agent, settings);
        let (product, shown_product) = (known.name.as_str(), known.shown.as_str());
        let family = self.seed.hash(product.as_bytes());

        let shown = s
            .authorization
            .and_then(|value| self.authorization(value, moment, settings));
        let check = &mut self.check(moment, settings);
        let shown = shown
            .or_else(|| {
                s.api_key
                    .map(|value| Arc::new(secret(value, Scheme::ApiKey, check)))
            })
            .or_else(|| {
                let query = s.query.filter(|q| !q.signature)?;
                Some(Arc::new(secret(query.value, Scheme::Query, check)))
            })
            .or_else(|| s.cookie.map(|c| Arc::new(secret(c.value, Scheme::Cookie, check))));
        let mut scheme = shown.as_ref().map_or(Scheme::None, |f| f.scheme);
        if scheme == Scheme::None && s.query.is_some() {
            scheme = Scheme::SignedUrl;
        }

        let mut all: Vec<Candidate> = shown.iter().flat_map(|f| f.candidates.iter().cloned()).collect();
        self.certificate(s, sender, settings, &mut all);
        if scheme != Scheme::ApiKey
            && let Some(key) = s.api_key.filter(|_| s.authorization.is_some())
        {
            all.extend(secret(key, Scheme::ApiKey, &mut self.check(moment, settings)).candidates);
        }
        if let Some(token) = s.forwarded_token {
            let mut check = self.check(moment, settings);
            check.beside = true;
            all.extend(secret(token, Scheme::Bearer, &mut check).candidates);
        }
        if let Some(signer) = s.signature_input.and_then(signature::signer) {
            all.push(signed(signer, s.signature_agent, settings));
        }
        // Keys in pages are known to all who open these: there the session tells people apart, or else the address.
        if s.fetch_metadata {
            if scheme != Scheme::Cookie
                && let Some(cookie) = s.cookie
            {
                let mut check = self.check(moment, settings);
                all.extend(secret(cookie.value, Scheme::Cookie, &mut check).candidates);
            }
            let session = all.iter().any(|c| c.evidence == Evidence::Session);
            all.retain_mut(|c| {
                if c.evidence == Evidence::ApiKey {
                    let text = format!("{}\0{}", c.id, sender.address);
                    c.id = Id::from_bytes(&keyed_hash(key, "page", text.as_bytes()));
                    c.told = vec!["api key of a page, with the address".to_owned()];
                }
                !(session && c.evidence == Evidence::ApiKey)
            });
        }
        if let Some(session) = s
            .mcp_session
            .or(s.agent_session)
            .filter(|v| (8..=1024).contains(&v.len()))
        {
            all.push(Candidate {
                told: vec!["session of an agent's program".to_owned()],
                ..Candidate::new(Evidence::AgentSession, key, "agent session", session)
            });
        }
        // What is said once, at the beginning, would part it from what follows.
        if let Some(name) = s.mcp_client.filter(|_| !s.mcp_begins) {
            let text = format!("{}\0{product}\0{name}", sender.address);
            all.push(Candidate {
                told: vec!["MCP client, its address and user agent".to_owned()],
                ..Candidate::new(Evidence::McpClient, key, "mcp client", &text)
            });
        }
        // Who shows a forged token is nobody whom it names, and not who has shown none.
        let signature = shown.as_ref().map_or(Verdict::Unknown, |f| f.signature);
        let unproven = shown.as_ref().and_then(|f| f.unproven);
        if unproven.is_some() {
            all.retain(|c| c.evidence.is_credential());
        }
        let ja4 = s.ja4.filter(|j| sender.trusted && is_ja4(j));
        let text = match ja4 {
            Some(ja4) => format!("{}\0{product}\0{ja4}", sender.address),
            None => format!("{}\0{product}", sender.address),
        };
        let mut told = vec![match (ja4, sender.address == client) {
            (Some(_), _) => "client address, user agent and JA4".to_owned(),
            (None, true) => super::BY_ADDRESS.to_owned(),
            (None, false) => "address told by a trusted proxy, and user agent".to_owned(),
        }];
        told.extend(unproven.map(str::to_owned));
        let domain = if unproven.is_some() { "unproven" } else { "client" };
        all.push(Candidate {
            told,
            ..Candidate::new(Evidence::Address, key, domain, &text)
        });

        let rank = |c: &Candidate| {
            // Where the address is that of one alone, a session of its program is no more than a moment of its life.
            let passing = c.evidence == Evidence::AgentSession && s.mcp_session.is_none() && !sender.shared;
            self.ranks.of(c.evidence).filter(|_| !passing)
        };
        let chosen = all
            .iter()
            .filter_map(|c| Some((rank(c)?, c)))
            .min_by_key(|(rank, _)| *rank)
            .map_or_else(|| all[all.len() - 1].clone(), |(_, c)| c.clone());
        let evidence = chosen.evidence;
        let on_behalf_of = match evidence {
            Evidence::Actor => chosen.subject,
            // A workload that shows somebody else's token acts for them.
            Evidence::Spiffe => all
                .iter()
                .find(|c| matches!(c.evidence, Evidence::Token) && c.id != chosen.id)
                .and_then(|c| c.subject),
            _ => None,
        };

        let mut told = chosen.told;
        if evidence != Evidence::Address {
            // Somebody who is known by something else, and shows such a token besides.
            told.extend(unproven.map(str::to_owned));
        }
        let mut reasons = chosen.reasons;
        program_reasons(s, (program, shown_product), &mut reasons);
        let (kind, score) = judge(reasons.iter().map(|r| (r, 1.0)));
        // What speaks for the kind that it is, before what speaks for another.
        let (own, other): (Vec<_>, Vec<_>) = reasons.iter().partition(|r| r.kind == kind);
        told.extend(own.into_iter().chain(other).map(|r| r.what.clone()));
        told.truncate(8);
        let by_address = !evidence.is_credential();
        let name = chosen.name.or_else(|| {
            let named =
                by_address && matches!(program, Program::Agent | Program::Library) && !product.is_empty();
            named.then(|| shown_product.to_owned())
        });
        Identity {
            id: chosen.id,
            text: chosen.id.to_string().into(),
            decided_by: evidence,
            subject: chosen.subject,
            on_behalf_of,
            kind,
            score,
            name,
            evidence: told,
            scheme,
            credential: shown.as_ref().and_then(|f| f.credential.clone()),
            signature,
            family,
            product: (!product.is_empty()).then(|| shown_product.to_owned()),
            program,
            by_address,
            browser: program == Program::Browser,
            fetch_metadata: s.fetch_metadata,
            person: reasons_of(shown.as_deref(), PrincipalKind::Human),
            machine: reasons_of(shown.as_deref(), PrincipalKind::Service)
                .or_else(|| reasons_of(shown.as_deref(), PrincipalKind::AiAgent)),
            reasons_mark: mark_of(&reasons, self.seed),
            reasons,
            ja4: ja4.map(str::to_owned),
            address: sender.address,
        }
    }

    /// A workload by the certificate that it showed to a proxy.
    fn certificate(&self, s: &Signals<'_>, sender: Sender, settings: &Settings, all: &mut Vec<Candidate>) {
        let field = s.client_cert.filter(|_| sender.believed);
        let Some((id, is_gateway)) = field.and_then(forwarded::spiffe_of_certificate) else {
            return;
        };
        if is_gateway && !all.is_empty() {
            // It hands on what many ask; their own credentials tell them apart.
            return;
        }
        let mut reasons = vec![Reason::lasting("spiffe id", PrincipalKind::Service, 70)];
        if claims::is_agent_path(id) {
            reasons.push(Reason::lasting(
                "spiffe path of agents",
                PrincipalKind::AiAgent,
                75,
            ));
        }
        all.push(Candidate {
            told: vec!["spiffe id of the client certificate".to_owned()],
            name: Some(safe_name(&settings.hash_key, id)),
            reasons,
            ..Candidate::new(Evidence::Spiffe, &settings.hash_key, "spiffe", id)
        });
    }

    /// One number for everything [`Self::identify`] looks at.
    fn key(&self, s: &Signals<'_>, client: IpAddr) -> u128 {
        let flags = u128::from(s.mcp)
            | u128::from(s.browser_fields) << 1
            | u128::from(s.llm_sdk) << 2
            | u128::from(s.fetch_metadata) << 3
            | u128::from(s.via) << 4
            | u128::from(s.mcp_begins) << 5
            | u128::from(s.calls_agent) << 6;
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
        // What few requests have, each at a place of its own.
        let rare = [
            s.client_cert,
            s.forwarded_token,
            // Where it is believed of nobody it tells nothing, and each request may have another.
            s.forwarded_for
                .map(|(field, _)| field)
                .filter(|_| !self.trusted.is_empty()),
            s.signature_input,
            s.signature_agent,
            s.mcp_session,
            s.agent_session,
            s.mcp_client,
            s.agent_field,
            s.ja4,
        ];
        for (place, value) in (9..).zip(rare) {
            if let Some(value) = value {
                mix(place, value.as_bytes());
            }
        }
        key
    }
}

/// What the program and its fields tell of the kind.
fn program_reasons(s: &Signals<'_>, (program, product): (Program, &str), reasons: &mut Vec<Reason>) {
    let mut add = |what: String, kind, weight| reasons.push(Reason::of(what, kind, weight));
    if s.mcp || s.mcp_client.is_some() {
        add("speaks MCP".to_owned(), PrincipalKind::AiAgent, 82);
    }
    if s.calls_agent {
        add("speaks A2A".to_owned(), PrincipalKind::AiAgent, 82);
    }
    if let Some(field) = s.agent_field {
        add(field.to_owned(), PrincipalKind::AiAgent, 85);
    }
    let named = || format!("user agent {product}");
    match program {
        Program::Agent => add(named(), PrincipalKind::AiAgent, 88),
        Program::Browser if s.fetch_metadata => add("browser".to_owned(), PrincipalKind::Human, 75),
        Program::Browser if s.browser_fields || s.cookie.is_some() => {
            add("browser".to_owned(), PrincipalKind::Human, 60);
        }
        Program::Library => add(named(), PrincipalKind::Service, 50),
        Program::Browser | Program::Unknown => {}
    }
    if s.llm_sdk {
        add(
            "fields of a language model SDK".to_owned(),
            PrincipalKind::Service,
            45,
        );
    }
}

/// The first sign of a kind among what a credential says, not who shows it.
fn reasons_of(found: Option<&Found>, kind: PrincipalKind) -> Option<String> {
    let token = found?
        .candidates
        .iter()
        .find(|c| matches!(c.evidence, Evidence::Token | Evidence::Spiffe))?;
    let reason = token.reasons.iter().find(|r| r.kind == kind)?;
    Some(reason.what.clone())
}

/// One number for reasons in their order, never zero.
fn mark_of(reasons: &[Reason], seed: Seed) -> u64 {
    let mark = reasons.iter().fold(0u64, |mark, reason| {
        let weight = [reason.kind as u8, reason.weight, u8::from(reason.lasting)];
        mark.rotate_left(11) ^ seed.hash(reason.what.as_bytes()) ^ seed.hash(&weight).rotate_left(29)
    });
    mark.max(1)
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`: nothing else passes, since it is shown.
fn is_ja4(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    bytes.len() == 36
        && matches!(bytes[0], b't' | b'q' | b'd')
        && matches!(bytes[3], b'd' | b'i')
        && bytes[4..8].iter().all(u8::is_ascii_digit)
        && [&bytes[1..3], &bytes[8..10]]
            .iter()
            .all(|part| part.iter().all(u8::is_ascii_alphanumeric))
        && bytes[10] == b'_'
        && bytes[23] == b'_'
        && hex(&bytes[11..23])
        && hex(&bytes[24..])
}

fn signed(signer: signature::Signer<'_>, agent: Option<&str>, settings: &Settings) -> Candidate {
    let key = &settings.hash_key;
    let host = agent.and_then(signature::agent_host);
    Candidate {
        told: vec![match signer.bot {
            true => "key of Web Bot Auth".to_owned(),
            false => "key of an HTTP message signature".to_owned(),
        }],
        name: host.map(|host| safe_host(host).into_owned()),
        reasons: match signer.bot {
            true => vec![Reason::lasting(
                "signs as a bot (Web Bot Auth)",
                PrincipalKind::AiAgent,
                75,
            )],
            false => Vec::new(),
        },
        ..Candidate::new(Evidence::WebBotAuth, key, "signature key", signer.key)
    }
}

/// What may be the principal.
#[derive(Debug, Clone)]
struct Candidate {
    evidence: Evidence,
    id: Id,
    name: Option<String>,
    told: Vec<String>,
    reasons: Vec<Reason>,
    /// For a token: its subject, whatever client asked for it.
    subject: Option<Id>,
}

impl Candidate {
    fn new(evidence: Evidence, key: &[u8; 32], domain: &str, text: &str) -> Self {
        Self {
            evidence,
            id: Id::from_bytes(&keyed_hash(key, domain, text.as_bytes())),
            name: None,
            told: Vec::new(),
            reasons: Vec::new(),
            subject: None,
        }
    }
}

/// What a credential tells.
#[derive(Debug, Clone, Default)]
struct Found {
    scheme: Scheme,
    credential: Option<Credential>,
    /// Whom it may stand for.
    candidates: Vec<Candidate>,
    signature: Verdict,
    /// Why it stands for nobody, when it names somebody.
    unproven: Option<&'static str>,
}

/// What is needed to read a credential.
struct Check<'a> {
    checker: &'a mut Checker,
    moment: Moment,
    /// A proxy puts it beside, and may have signed it itself.
    beside: bool,
    settings: &'a Settings,
}

/// Reads an `Authorization` field (RFC 9110 section 11.6.2).
fn authorization(value: &str, check: &mut Check<'_>) -> Option<Found> {
    let value = value.trim();
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or(("", value));
    let rest = rest.trim();
    if rest.is_empty() {
        return None;
    }
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("basic") {
        return Some(basic(rest, check));
    }
    if is("bearer") || is("dpop") || is("jwt") {
        return Some(secret(rest, Scheme::Bearer, check));
    }
    if is("digest") {
        return Some(named(parameter(rest, "username"), rest, Scheme::Digest, check));
    }
    if is("aws4-hmac-sha256") || is("aws4-ecdsa-p256-sha256") {
        let access = parameter(rest, "Credential").and_then(|c| c.split('/').next());
        return Some(named(access, rest, Scheme::SigV4, check));
    }
    if is("negotiate") || is("ntlm") || is("hawk") || is("signature") || is("hoba") || is("scram-sha-256") {
        // Made anew for every request: proof for the server, no name for us.
        return Some(Found {
            scheme: Scheme::Other,
            ..Found::default()
        });
    }
    Some(secret(rest, Scheme::ApiKey, check))
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

/// What a scheme's secrets are as evidence, and what they are called.
fn sort_of(scheme: Scheme) -> (Evidence, &'static str) {
    match scheme {
        Scheme::Basic => (Evidence::UserName, "basic user name"),
        Scheme::Digest => (Evidence::UserName, "digest user name"),
        Scheme::SigV4 => (Evidence::AccessKey, "sigv4 access key id"),
        Scheme::Cookie => (Evidence::Session, "session cookie"),
        Scheme::Query => (Evidence::ApiKey, "credential in query"),
        Scheme::Bearer => (Evidence::OpaqueToken, "bearer token"),
        _ => (Evidence::ApiKey, "api key"),
    }
}

/// A credential that names its user; only the keyed hash of the name is kept.
fn named(user: Option<&str>, whole: &str, scheme: Scheme, check: &mut Check<'_>) -> Found {
    let Some(user) = user.filter(|u| !u.is_empty()) else {
        return secret(whole, scheme, check);
    };
    let (evidence, what) = sort_of(scheme);
    let candidate = Candidate {
        told: vec![what.to_owned()],
        ..Candidate::new(evidence, &check.settings.hash_key, scheme.name(), user)
    };
    Found {
        scheme,
        // The proof differs from request to request; the user is what is shared.
        credential: Some(Credential {
            id: candidate.id,
            scheme,
            token: None,
        }),
        candidates: vec![candidate],
        ..Found::default()
    }
}

/// Basic (RFC 7617). The password is never hashed alone, so that no table of passwords fits the hash.
fn basic(encoded: &str, check: &mut Check<'_>) -> Found {
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded);
    let user = text.split(':').next().filter(|u| !u.is_empty());
    let settings = check.settings;
    let mut found = named(user, encoded, Scheme::Basic, check);
    found.credential = Some(Credential {
        id: Id::from_bytes(&keyed_hash(&settings.hash_key, "basic pair", encoded.as_bytes())),
        scheme: Scheme::Basic,
        token: None,
    });
    found
}

/// A token or key: read when it is a JWT, else known by its keyed hash alone.
fn secret(value: &str, scheme: Scheme, check: &mut Check<'_>) -> Found {
    let (evidence, what) = sort_of(scheme);
    let whole = Candidate::new(evidence, &check.settings.hash_key, "credential", value);
    if let Some(token) = jwt::decode(value) {
        return checked(&token, value, whole, scheme, check);
    }
    Found {
        scheme,
        credential: Some(Credential {
            id: whole.id,
            scheme,
            token: None,
        }),
        candidates: vec![Candidate {
            told: vec![what.to_owned()],
            ..whole
        }],
        ..Found::default()
    }
}

/// A token, and whether it is what it says. What nobody with the issuer's key has made tells nothing of its bearer; it is known by its
/// keyed hash alone. Of one that was refused and not checked, that is as much as is safe to say.
fn checked(token: &Token, value: &str, whole: Candidate, place: Scheme, check: &mut Check<'_>) -> Found {
    let signature = parted(value).map_or(Verdict::Unknown, |(input, signature)| {
        let issuer = token.text("iss").unwrap_or_default();
        let signed = Signed {
            issuer: &issuer,
            algorithm: &token.algorithm,
            key: token.key.as_deref(),
            input,
            signature,
        };
        check
            .checker
            .verdict(whole.id, signed, check.beside, check.moment)
    });
    let unproven = match signature {
        Verdict::Forged(_) => Some("its token is forged"),
        Verdict::Unchecked if check.moment.refused() => Some("its token was refused and not checked"),
        _ => None,
    };
    let mut found = match unproven {
        Some(_) => Found {
            scheme: scheme_of_token(place),
            credential: Some(Credential {
                id: whole.id,
                scheme: scheme_of_token(place),
                token: None,
            }),
            ..Found::default()
        },
        None => from_token(token, whole, place, check.settings),
    };
    if signature == Verdict::Verified {
        for candidate in &mut found.candidates {
            candidate.told.push("signature verified".to_owned());
        }
    }
    (found.signature, found.unproven) = (signature, unproven);
    found
}

/// How a JWT is shown in a place for credentials.
fn scheme_of_token(place: Scheme) -> Scheme {
    match place {
        Scheme::Bearer | Scheme::ApiKey => Scheme::Jwt,
        other => other,
    }
}

fn from_token(token: &Token, whole: Candidate, place: Scheme, settings: &Settings) -> Found {
    let key = &settings.hash_key;
    let claimed = claims::read(token, &settings.agent_claims);
    let Claimed {
        issuer,
        subject,
        client,
        ..
    } = &claimed;
    let client_id = client.as_ref().map(|(_, value)| value.as_str());
    let party = |subject: &str, client: &str| [issuer.as_str(), subject, client, ""].join("\0");
    let subject_id = subject
        .as_deref()
        .map(|s| Id::from_bytes(&keyed_hash(key, "jwt", party(s, "").as_bytes())));
    let mut told = Vec::new();
    if subject.is_some() {
        told.push("jwt sub".to_owned());
    }
    if let Some((claim, _)) = client {
        told.push(format!("jwt {claim}"));
    }
    let mut candidates = Vec::new();
    if let Some(actor) = &claimed.actor {
        // A workload that acts for somebody is the same one that acts for itself.
        let spiffe = forwarded::is_spiffe(&actor.name);
        let made = match spiffe {
            true => Candidate::new(Evidence::Actor, key, "spiffe", &actor.name),
            false => Candidate::new(
                Evidence::Actor,
                key,
                "actor",
                &[actor.issuer.as_str(), &actor.name].join("\0"),
            ),
        };
        // A person who acts for another is not named.
        let person = actor.reasons.iter().any(|r| r.kind == PrincipalKind::Human);
        candidates.push(Candidate {
            name: (!person).then(|| safe_name(key, &actor.name)),
            told: vec![actor.told.clone()],
            reasons: actor.reasons.clone(),
            subject: subject_id,
            ..made
        });
    }
    let (kind, _) = judge(claimed.reasons.iter().map(|r| (r, 1.0)));
    // A subject may be a person's name or address; that of a program is its name.
    let name = client_id.map(str::to_owned).or_else(|| {
        let program = matches!(kind, PrincipalKind::AiAgent | PrincipalKind::Service);
        subject.clone().filter(|_| program)
    });
    let own = match (subject, client_id) {
        (Some(subject), _) if claimed.spiffe => {
            "spiffe id of the token".clone_into(&mut told[0]);
            Some(Candidate::new(Evidence::Spiffe, key, "spiffe", subject))
        }
        (None, None) => {
            told.push("token without subject".to_owned());
            None
        }
        (subject, client) => {
            let text = party(subject.as_deref().unwrap_or(""), client.unwrap_or(""));
            Some(Candidate::new(Evidence::Token, key, "jwt", &text))
        }
    };
    let credential = whole.id;
    let own = own.unwrap_or(Candidate {
        evidence: Evidence::OpaqueToken,
        ..whole
    });
    candidates.push(Candidate {
        name: match claimed.spiffe {
            true => subject.as_deref().map(|s| safe_name(key, s)),
            false => name.map(|n| safe_name(key, &n)),
        },
        told,
        reasons: claimed.reasons.clone(),
        subject: subject_id,
        ..own
    });
    let scheme = scheme_of_token(place);
    Found {
        scheme,
        credential: Some(Credential {
            id: credential,
            scheme,
            token: Some(TokenFacts::of(token, settings)),
        }),
        candidates,
        ..Found::default()
    }
}

#[cfg(test)]
mod tests {
    use super::is_ja4;

    #[test]
    fn only_a_fingerprint_is_one() {
        assert!(is_ja4("t13d1516h2_8daaf6152771_e5627efa2ab1"));
        for wrong in [
            "",
            "t13d1516h2_8daaf6152771_e5627efa2ab",
            "t13d1516h2-8daaf6152771_e5627efa2ab1",
            "sk_live_abcdefghijklmnopqrstuvwxyz01",
            "t13d1516h2_8daaf615277z_e5627efa2ab1",
            "t13d1516h2_8daaf6152771_e5627efa2abz",
        ] {
            assert!(!is_ja4(wrong), "{wrong}");
        }
    }
}
