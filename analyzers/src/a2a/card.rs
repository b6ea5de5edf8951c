//! The card of an agent: who it says it is, where it is to be called, what it can do, what it asks for, and who signed that.
//!
//! A card of 0.x has `url`, `preferredTransport` and `additionalInterfaces`, one of 1.0 has `supportedInterfaces`; servers that serve
//! both generations put both into one document. To tell what changed, both are brought into one form: interfaces by binding and
//! skills by id, so that a change of one has a path of its own and their order has no meaning. What neither a client nor a model acts
//! on (icons, documentation) and the signatures are no part of it: the bytes of a signature may be others each time it is made.
//! Signatures are read for what they say of themselves and are not verified.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::Seed;
use crate::mcp::definition::{Definition, Form};
use crate::mcp::message;
use crate::privacy::{redact_target, safe_host, safe_name, safe_version};

/// Bytes of a card that is read.
const LONGEST: usize = 256 * 1024;

/// Parts of a card told apart; its hash covers those beyond too.
const PARTS: usize = 256;

/// Skills, interfaces, schemes and signatures that are kept by name, each.
const LISTED: usize = 128;
const FEW: usize = 16;

/// Members that a client or a model acts on, and that are taken as they stand.
const MEMBERS: [&str; 11] = [
    "name",
    "version",
    "description",
    "provider",
    "capabilities",
    "securitySchemes",
    "security",
    "securityRequirements",
    "authentication",
    "defaultInputModes",
    "defaultOutputModes",
];

/// Members in which addresses have their place.
const PLACES: [&str; 4] = ["interfaces", "provider", "securitySchemes", "capabilities"];

/// A place where an agent is to be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// As it may be shown.
    pub(crate) url: String,
    /// Host as requests name it.
    pub(crate) host: String,
    /// Path, redacted, without a slash at its end.
    pub(crate) path: String,
    /// The name of the host alone, hashed: what is shown may stand for several.
    pub(crate) name: u64,
    pub(crate) encrypted: bool,
    pub(crate) binding: String,
    pub(crate) version: Option<String>,
}

/// A skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skill {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What a signature of a card says of itself (RFC 7515, protected header).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) alg: Option<String>,
    pub(crate) kid: Option<String>,
    /// Where its key is said to be.
    pub(crate) jku: Option<String>,
    /// Of these three as they were sent.
    key: u64,
}

/// A card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) definition: Definition,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) provider: Option<String>,
    provider_hash: Option<u64>,
    /// Versions of the protocol that it names.
    pub(crate) versions: BTreeSet<String>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) skills: Vec<Skill>,
    pub(crate) streaming: bool,
    pub(crate) push: bool,
    pub(crate) extended: bool,
    /// Ways to say who one is: `oauth2`, `http bearer`.
    pub(crate) schemes: BTreeSet<String>,
    /// One of them is asked for.
    pub(crate) guarded: bool,
    /// Seeded hashes of names, in lower case, of the fields, parameters and cookies in which keys are shown.
    pub(crate) keys: BTreeSet<u64>,
    pub(crate) signatures: Vec<Signature>,
}

/// Whether this is a card, by its members. `hinted` says that it was asked for under a name that cards have.
pub(super) fn has_form(text: &[u8], hinted: bool) -> bool {
    match message::Value::read(text) {
        Some((value, _)) => is_card(value, hinted),
        None => false,
    }
}

/// As [`has_form`], of a piece of a text. What is cut off is none, since nothing can be compared with it.
pub(super) fn is_card(value: message::Value<'_>, hinted: bool) -> bool {
    if !value.whole || value.kind() != "object" {
        return false;
    }
    let (mut named, mut url, mut interfaces, mut skills, mut told) = (0, false, false, None, 0);
    let mut capable = false;
    for (member, held) in value.members() {
        let is_text = held.kind() == "string";
        let all = |wanted: [&str; 2]| {
            let mut held = held.elements().take(8);
            held.all(|one| {
                let is_text = |name: &&str| one.get(name).is_some_and(|v| v.kind() == "string");
                one.kind() == "object" && wanted.iter().all(is_text)
            })
        };
        match member.as_ref() {
            "name" | "version" | "description" if is_text => named += 1,
            "name" | "version" | "description" => return false,
            "url" => url = held.text().is_some_and(|url| url.contains("://")),
            "capabilities" => capable = held.kind() == "object",
            "skills" => skills = Some(held.kind() == "array" && all(["id", "name"])),
            "supportedInterfaces" => {
                interfaces = held.kind() == "array"
                    && held.elements().next().is_some()
                    && all(["url", "protocolBinding"]);
            }
            "defaultInputModes" | "defaultOutputModes" => told += usize::from(held.kind() == "array"),
            "protocolVersion" | "preferredTransport" => told += usize::from(is_text),
            _ => {}
        }
    }
    if named < 3 || skills == Some(false) {
        return false;
    }
    let older = url && capable && skills.is_some() && (hinted || told > 0);
    let newer = interfaces && (capable || skills.is_some() || told > 0);
    older || newer
}

fn text<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    of.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn list<'a>(of: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Card {
    /// Reads a card that [`has_form`]. Nothing when it is too long or no JSON.
    pub(super) fn read(bytes: &[u8], key: &[u8; 32], seed: Seed) -> Option<Self> {
        if bytes.len() > LONGEST {
            return None;
        }
        let Value::Object(card) = serde_json::from_slice(bytes).ok()? else {
            return None;
        };
        let name = text(&card, "name")?;
        let raw = interfaces(&card);
        let (skills, skill_tree) = skills(&card, key);
        let mut tree: Map<String, Value> = card
            .iter()
            .filter(|(member, _)| MEMBERS.contains(&member.as_str()))
            .map(|(member, value)| (member.clone(), value.clone()))
            .collect();
        tree.insert("interfaces".into(), by_binding(&raw));
        tree.insert("skills".into(), skill_tree);
        let form = Form {
            domain: "agent card",
            name,
            // That a skill names another one of its own agent misleads nobody.
            others: &BTreeSet::new(),
            parts: PARTS,
            places: &PLACES,
        };
        let definition = Definition::of(&tree, &form, key, seed);
        let provider = card
            .get("provider")
            .and_then(Value::as_object)
            .and_then(|p| text(p, "organization"));
        let mut versions: BTreeSet<String> = raw
            .iter()
            .filter_map(|one| one.version)
            .chain(text(&card, "protocolVersion"))
            .map(|version| safe_version(key, version))
            .collect();
        while versions.len() > FEW {
            versions.pop_last();
        }
        let capable = card.get("capabilities").and_then(Value::as_object);
        let flag = |of: Option<&Map<String, Value>>, name: &str| {
            of.and_then(|of| of.get(name)).and_then(Value::as_bool) == Some(true)
        };
        Some(Self {
            definition,
            name: safe_name(key, name),
            version: text(&card, "version").map(|v| safe_version(key, v)),
            provider: provider.map(|p| safe_name(key, p)),
            provider_hash: provider.map(|p| seed.hash(p.as_bytes())),
            versions,
            interfaces: raw.iter().take(FEW).map(|one| one.seen(key, seed)).collect(),
            skills,
            streaming: flag(capable, "streaming"),
            push: flag(capable, "pushNotifications"),
            extended: flag(capable, "extendedAgentCard")
                || flag(Some(&card), "supportsAuthenticatedExtendedCard"),
            schemes: schemes(&card, key),
            guarded: is_guarded(&card),
            keys: keys(&card, seed),
            signatures: list(&card, "signatures")
                .iter()
                .take(FEW)
                .filter_map(|one| signature(one, key, seed))
                .collect(),
        })
    }

    /// What `after` has that leads its callers elsewhere, lets more in, or misleads a model, and this one has not.
    /// `own` is the seeded hash of the name of the host that serves both.
    pub(super) fn introduced(&self, after: &Self, own: u64) -> BTreeSet<&'static str> {
        let mut found = self.definition.introduced(&after.definition);
        let hosts = |of: &Self| -> BTreeSet<u64> { of.interfaces.iter().map(|i| i.name).collect() };
        if hosts(after).difference(&hosts(self)).any(|host| *host != own) {
            found.insert("interface_host");
        }
        let open = |of: &Self| of.interfaces.iter().any(|i| !i.encrypted);
        if !self.interfaces.is_empty() && !open(self) && open(after) {
            found.insert("interface_cleartext");
        }
        if self.guarded && !after.guarded || self.schemes.difference(&after.schemes).next().is_some() {
            found.insert("security_dropped");
        }
        if self.provider_hash.is_some() && self.provider_hash != after.provider_hash {
            found.insert("provider");
        }
        let keys = |of: &Self| -> BTreeSet<u64> { of.signatures.iter().map(|s| s.key).collect() };
        let (old, new) = (keys(self), keys(after));
        if !old.is_empty() && new.is_empty() {
            found.insert("signature_removed");
        } else if !old.is_empty() && old.intersection(&new).next().is_none() {
            found.insert("signing_key");
        }
        found
    }

    /// Seeded hashes of what its signatures say of themselves.
    pub(super) fn stamp(&self) -> BTreeSet<u64> {
        self.signatures.iter().map(|s| s.key).collect()
    }
}

/// An interface as it stands in the card.
struct Raw<'a> {
    url: &'a str,
    binding: &'a str,
    version: Option<&'a str>,
    tenant: Option<&'a str>,
}

/// Every interface, the preferred one first, each once.
fn interfaces(card: &Map<String, Value>) -> Vec<Raw<'_>> {
    let newer = list(card, "supportedInterfaces")
        .iter()
        .filter_map(Value::as_object)
        .map(|one| Raw {
            url: text(one, "url").unwrap_or(""),
            binding: text(one, "protocolBinding").unwrap_or("JSONRPC"),
            version: text(one, "protocolVersion"),
            tenant: text(one, "tenant"),
        });
    let main = text(card, "url").map(|url| Raw {
        url,
        binding: text(card, "preferredTransport").unwrap_or("JSONRPC"),
        version: text(card, "protocolVersion"),
        tenant: None,
    });
    let older = list(card, "additionalInterfaces")
        .iter()
        .filter_map(Value::as_object)
        .map(|one| Raw {
            url: text(one, "url").unwrap_or(""),
            binding: text(one, "transport").unwrap_or("JSONRPC"),
            version: None,
            tenant: None,
        });
    let mut all: Vec<Raw<'_>> = Vec::new();
    for one in newer.chain(main).chain(older) {
        // The main one of 0.x is named again among the others.
        let same = |known: &Raw<'_>| {
            known.url == one.url
                && known.binding.eq_ignore_ascii_case(one.binding)
                && (one.version.is_none() || known.version == one.version)
        };
        if !one.url.is_empty() && all.len() < LISTED && !all.iter().any(same) {
            all.push(one);
        }
    }
    all
}

/// A binding by a name that may stand in a path of a change.
fn binding(name: &str) -> &'static str {
    match name.to_ascii_uppercase().as_str() {
        "JSONRPC" => "jsonrpc",
        "HTTP+JSON" => "http_json",
        "GRPC" => "grpc",
        _ => "other",
    }
}

/// Interfaces by binding, in their order where there are several.
fn by_binding(all: &[Raw<'_>]) -> Value {
    let mut tree = Map::new();
    let mut counts = BTreeMap::new();
    for one in all {
        let name = binding(one.binding);
        let count = counts.entry(name).or_insert(0_u32);
        *count += 1;
        let place = match *count {
            1 => name.to_owned(),
            n => format!("{name}_{n}"),
        };
        let mut members = Map::new();
        members.insert("url".into(), one.url.into());
        for (member, value) in [("version", one.version), ("tenant", one.tenant)] {
            members.extend(value.map(|value| (member.to_owned(), value.into())));
        }
        if name == "other" {
            members.insert("binding".into(), one.binding.into());
        }
        tree.insert(place, Value::Object(members));
    }
    Value::Object(tree)
}

/// Host and path of an address: the host in lower case and without the port that its scheme has anyway, as requests name it.
fn place_of(url: &str) -> (String, &str, &str) {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        // An address of gRPC may be host and port alone.
        None => (String::new(), url),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or("");
    let usual = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = match usual.is_empty() {
        true => host,
        false => host.strip_suffix(usual).unwrap_or(host),
    };
    let path = path.split(['?', '#']).next().unwrap_or("");
    (scheme, host, path)
}

/// The name of a host without its port, hashed.
pub(super) fn host_name(host: &str, seed: Seed) -> u64 {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    seed.hash(name.as_bytes())
}

impl Raw<'_> {
    fn seen(&self, key: &[u8; 32], seed: Seed) -> Interface {
        let (scheme, host, path) = place_of(self.url);
        let host = host.to_ascii_lowercase();
        Interface {
            url: safe_name(key, self.url),
            path: redact_target(path).trim_end_matches('/').to_owned(),
            name: host_name(&host, seed),
            // Without a scheme, nobody knows.
            encrypted: !matches!(scheme.as_str(), "http" | "ws"),
            host: safe_host(&host).into_owned(),
            binding: match binding(self.binding) {
                "other" => safe_name(key, self.binding),
                _ => self.binding.to_ascii_uppercase(),
            },
            version: self.version.map(|v| safe_version(key, v)),
        }
    }
}

/// Skills to be shown, and as a tree by their ids.
fn skills(card: &Map<String, Value>, key: &[u8; 32]) -> (Vec<Skill>, Value) {
    let (mut shown, mut tree) = (Vec::new(), Map::new());
    for skill in list(card, "skills").iter().filter_map(Value::as_object) {
        let id = text(skill, "id").unwrap_or("");
        if shown.len() < LISTED {
            shown.push(Skill {
                id: safe_name(key, id),
                name: safe_name(key, text(skill, "name").unwrap_or("")),
            });
        }
        let mut own = skill.clone();
        own.remove("id");
        // Two of one id: both count.
        let mut place = id.to_owned();
        while tree.contains_key(&place) && tree.len() < LISTED {
            place.push('_');
        }
        tree.insert(place, Value::Object(own));
    }
    shown.sort_by(|a, b| a.id.cmp(&b.id));
    (shown, Value::Object(tree))
}

/// Ways to say who one is, by their kind.
fn schemes(card: &Map<String, Value>, key: &[u8; 32]) -> BTreeSet<String> {
    let declared = card.get("securitySchemes").and_then(Value::as_object);
    let mut found: BTreeSet<String> = declared
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
        .map(|scheme| {
            let held = |name: &str| scheme.get(name).and_then(Value::as_object);
            let with = |kind: &str, what: Option<&str>| match what {
                Some(what) => format!("{kind} {}", safe_name(key, &what.to_ascii_lowercase())),
                None => kind.to_owned(),
            };
            if let Some(http) = held("httpAuthSecurityScheme") {
                return with("http", text(http, "scheme"));
            }
            if let Some(own) = held("apiKeySecurityScheme") {
                return with("api_key", text(own, "location"));
            }
            match text(scheme, "type") {
                Some("http") => with("http", text(scheme, "scheme")),
                Some("apiKey") => with("api_key", text(scheme, "in")),
                Some("oauth2") => "oauth2".to_owned(),
                Some("openIdConnect") => "openid_connect".to_owned(),
                Some("mutualTLS") => "mutual_tls".to_owned(),
                _ if held("oauth2SecurityScheme").is_some() => "oauth2".to_owned(),
                _ if held("openIdConnectSecurityScheme").is_some() => "openid_connect".to_owned(),
                _ if held("mtlsSecurityScheme").is_some() => "mutual_tls".to_owned(),
                _ => "other".to_owned(),
            }
        })
        .take(FEW)
        .collect();
    // Before 0.2.
    let older = card.get("authentication").and_then(Value::as_object);
    let names = older.map_or(&[] as &[Value], |own| list(own, "schemes"));
    for name in names.iter().filter_map(Value::as_str).take(FEW) {
        found.insert(format!("http {}", safe_name(key, &name.to_ascii_lowercase())));
    }
    found
}

/// Names under which keys are shown, where that is not the usual one.
fn keys(card: &Map<String, Value>, seed: Seed) -> BTreeSet<u64> {
    let declared = card.get("securitySchemes").and_then(Value::as_object);
    declared
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
        .filter_map(|scheme| {
            let newer = scheme.get("apiKeySecurityScheme").and_then(Value::as_object);
            let own = newer.or_else(|| (text(scheme, "type") == Some("apiKey")).then_some(scheme))?;
            Some(seed.hash(text(own, "name")?.to_ascii_lowercase().as_bytes()))
        })
        .take(FEW)
        .collect()
}

/// Whether callers must say who they are: every way in asks for something.
fn is_guarded(card: &Map<String, Value>) -> bool {
    let asks = |one: &Value| {
        let own = one.as_object();
        let schemes = own.map(|own| own.get("schemes").and_then(Value::as_object).unwrap_or(own));
        schemes.is_some_and(|schemes| !schemes.is_empty())
    };
    let ways = ["securityRequirements", "security"].map(|name| list(card, name));
    let guarded = ways.iter().any(|ways| !ways.is_empty() && ways.iter().all(asks));
    let older = card.get("authentication").and_then(Value::as_object);
    guarded || older.is_some_and(|own| !list(own, "schemes").is_empty())
}

/// What a signature says of itself. One that says `none`, or nothing that can be read, is none.
fn signature(of: &Value, key: &[u8; 32], seed: Seed) -> Option<Signature> {
    let of = of.as_object()?;
    let protected = text(of, "protected").filter(|p| p.len() <= 8192)?;
    text(of, "signature")?;
    let bytes = URL_SAFE_NO_PAD.decode(protected.trim_end_matches('=')).ok()?;
    let Value::Object(said) = serde_json::from_slice(&bytes).ok()? else {
        return None;
    };
    let open = of.get("header").and_then(Value::as_object);
    let get = |name: &str| text(&said, name).or_else(|| open.and_then(|open| text(open, name)));
    let (alg, kid, jku) = (get("alg")?, get("kid"), get("jku"));
    if alg.eq_ignore_ascii_case("none") {
        return None;
    }
    let whole = format!("{alg}\0{}\0{}", kid.unwrap_or(""), jku.unwrap_or(""));
    Some(Signature {
        alg: Some(safe_name(key, alg)),
        kid: kid.map(|kid| safe_name(key, kid)),
        jku: jku.map(|jku| safe_name(key, jku)),
        key: seed.hash(whole.as_bytes()),
    })
}
