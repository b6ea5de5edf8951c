//! What the claims of a JWT tell of its bearer: who it is, for whom it acts, and what sort of caller.
//!
//! Identity providers write the same facts in different claims. What is read here, with the provider that writes it so, stands in
//! docs/identity.md; the corpus of layouts in `corpus` holds it.

use serde_json::Value;

use super::PrincipalKind::{AiAgent, Human, Service};
use super::forwarded::is_spiffe;
use super::jwt::{self, Token};
use super::reasons::Reason;

/// Whom a token speaks of. Raw: it must not leave `identity`.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    /// Issuer and subject in the one form that all tokens of a provider have.
    pub(super) issuer: String,
    pub(super) subject: Option<String>,
    /// The client that asked for the token, and the claim that names it.
    pub(super) client: Option<(&'static str, String)>,
    /// The subject is a SPIFFE id.
    pub(super) spiffe: bool,
    /// Signs for the kind of whom the token is for.
    pub(super) reasons: Vec<Reason>,
    /// Who acts for the subject.
    pub(super) actor: Option<Actor>,
}

/// Who acts for somebody else.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) issuer: String,
    pub(super) name: String,
    pub(super) reasons: Vec<Reason>,
    /// What told so.
    pub(super) told: String,
}

/// Deepest chain of actors that is followed; RFC 8693 sets no limit.
const CHAIN: usize = 8;

/// Reads a token's claims. `own` are the operator's claims of agents, each `name=value`.
pub(super) fn read(token: &Token, own: &[String]) -> Claimed {
    let text = |name: &str| token.path(name).and_then(jwt::text);
    let raw_subject = text("sub");
    let client = ["client_id", "azp", "appid", "cid", "clientId"]
        .into_iter()
        .find_map(|claim| Some((claim, text(claim)?)));
    let (issuer, subject) = party(token, raw_subject.clone());
    let mut claimed = Claimed {
        spiffe: subject.as_deref().is_some_and(is_spiffe),
        issuer,
        subject,
        client,
        ..Claimed::default()
    };
    let signs = signs(token, raw_subject.as_deref(), own);
    claimed.actor = acting(token, &claimed, &signs);
    // What marks the client as an agent says nothing of the person for whom it acts.
    let of_client = claimed.actor.is_some();
    claimed.reasons = signs
        .into_iter()
        .filter(|sign| !(of_client && sign.of_client))
        .map(|sign| sign.reason)
        .collect();
    claimed
}

/// Issuer and subject. Entra writes another issuer in each version of its tokens and another subject for each application; tenant
/// and object id are the same in all of them (access token claims reference).
fn party(token: &Token, subject: Option<String>) -> (String, Option<String>) {
    let issuer = token.text("iss").unwrap_or_default();
    let microsoft = ["sts.windows.net", "login.microsoftonline.com", "ciamlogin.com"]
        .iter()
        .any(|host| issuer.contains(host));
    match (token.text("tid"), token.text("oid")) {
        (Some(tenant), Some(object)) if microsoft => (format!("entra {tenant}"), Some(object)),
        _ => (issuer, subject),
    }
}

/// A sign for the kind, and whether it is the client's rather than the subject's.
struct Sign {
    reason: Reason,
    of_client: bool,
}

const AGENT_WORDS: [&str; 4] = ["ai-agent", "ai_agent", "agent", "autonomous"];

/// Claims that mark an agent: draft-mcguinness-oauth-actor-profile and what is common. The last says whether the client is meant.
const MARKS: [(&str, &[&str], bool); 6] = [
    ("client_type", &AGENT_WORDS, true),
    ("agent_type", &AGENT_WORDS, true),
    ("client_profile", &["ai_agent"], true),
    ("sub_profile", &["ai_agent"], false),
    ("act.sub_profile", &["ai_agent"], true),
    ("act.client_profile", &["ai_agent"], true),
];

/// The word of a claim (several are parted by spaces) that is among `words`.
fn says<'w>(token: &Token, claim: &str, words: &[&'w str]) -> Option<&'w str> {
    let text = token.path(claim).and_then(Value::as_str)?;
    words
        .iter()
        .find(|w| text.split(' ').any(|word| word.eq_ignore_ascii_case(w)))
        .copied()
}

/// Whether a facet claim of Entra holds the facet of an agent's identity (agent token claims: `3 9 11`).
fn has_agent_facet(token: &Token, claim: &str) -> bool {
    says(token, claim, &["11"]).is_some()
}

fn signs(token: &Token, subject: Option<&str>, own: &[String]) -> Vec<Sign> {
    let mut out: Vec<Sign> = Vec::new();
    let mut add = |what: String, kind, weight, of_client| {
        out.push(Sign {
            reason: Reason::lasting(what, kind, weight),
            of_client,
        });
    };
    let text = |name: &str| token.path(name).and_then(Value::as_str).unwrap_or("");
    let has = |name: &str| token.path(name).is_some_and(|v| !v.is_null());
    for wanted in own {
        if let Some((name, value)) = wanted.split_once('=')
            && token
                .path(name)
                .and_then(jwt::text)
                .is_some_and(|v| v.eq_ignore_ascii_case(value))
        {
            add(format!("claim {wanted}"), AiAgent, 98, true);
        }
    }
    for (claim, words, of_client) in MARKS {
        if let Some(word) = says(token, claim, words) {
            add(format!("claim {claim}={word}"), AiAgent, 95, of_client);
        }
    }
    let subject_is_agent = has_agent_facet(token, "xms_sub_fct");
    if subject_is_agent {
        add("claim xms_sub_fct has facet 11".to_owned(), AiAgent, 95, false);
    }
    if has_agent_facet(token, "xms_act_fct") {
        add("claim xms_act_fct has facet 11".to_owned(), AiAgent, 95, true);
    } else if has("xms_par_app_azp") {
        add("claim xms_par_app_azp".to_owned(), AiAgent, 90, true);
    }

    // Grants of machines: Auth0; ForgeRock; Entra; the actor profile.
    const GRANTS: [(&str, &str); 6] = [
        ("gty", "client-credentials"),
        ("grant_type", "client_credentials"),
        ("idtyp", "app"),
        ("client_type", "service"),
        ("sub_profile", "service"),
        ("role", "service_role"),
    ];
    for (name, value) in GRANTS {
        if says(token, name, &[value]).is_some() {
            add(format!("claim {name}={value}"), Service, 85, false);
        }
    }
    let issuer = text("iss");
    if let Some(subject) = subject {
        if is_spiffe(subject) {
            add("spiffe id".to_owned(), Service, 70, false);
            if is_agent_path(subject) {
                add("spiffe path of agents".to_owned(), AiAgent, 75, false);
            }
        } else if subject.starts_with("system:serviceaccount:") {
            add("kubernetes service account".to_owned(), Service, 85, false);
        } else if subject.ends_with("@clients") || subject.starts_with("(age!") {
            // Auth0's and ForgeRock's names of clients as subjects.
            add("subject is a client".to_owned(), Service, 85, false);
        }
    }
    if issuer == "https://token.actions.githubusercontent.com"
        || has("job_workflow_ref")
        || has("pipeline_id")
    {
        add("token of a build job".to_owned(), Service, 90, false);
    }
    let email = text("email");
    if email.ends_with(".gserviceaccount.com")
        || subject.is_some_and(|s| s.ends_with(".gserviceaccount.com"))
        || text("preferred_username").starts_with("service-account-")
    {
        // Google's and Keycloak's service accounts have what people have.
        add("account of a service".to_owned(), Service, 90, false);
    }
    let client = ["client_id", "azp", "appid", "cid", "clientId"]
        .iter()
        .find_map(|c| token.path(c).and_then(jwt::text));
    match subject {
        Some(_) if client.as_deref() == subject => {
            add("jwt sub equals client id".to_owned(), Service, 80, false);
        }
        None if client.is_some() => add(
            "token of a client without a subject".to_owned(),
            Service,
            70,
            false,
        ),
        // Entra's tokens without a user have the application's own object as subject, and no delegated scope.
        Some(subject) if has("tid") && text("oid") == subject && !has("scp") => {
            add("jwt sub equals oid, no scp".to_owned(), Service, 80, false);
        }
        _ => {}
    }
    if subject_is_agent || out.iter().any(|sign| sign.reason.kind == Service) {
        return out;
    }

    // People. One sign is enough: the claims below come together.
    const PEOPLE: [&str; 12] = [
        "email",
        "preferred_username",
        "given_name",
        "family_name",
        "upn",
        "unique_name",
        "phone_number",
        "amr",
        "auth_time",
        "firebase.sign_in_provider",
        "subname",
        "uid",
    ];
    let mut person = |what: String, weight| {
        out.push(Sign {
            reason: Reason::lasting(what, Human, weight),
            of_client: false,
        });
    };
    if let Some(word) = says(token, "sub_profile", &["user"]).or_else(|| says(token, "idtyp", &["user"])) {
        person(format!("claim of a {word}"), 90);
    } else if let Some(claim) = PEOPLE.iter().find(|c| has(c)) {
        person(format!("claims of a person ({claim})"), 80);
    } else if has("session_state") || has("sid") || has("origin_jti") {
        person("token of a login session".to_owned(), 75);
    } else if has("scp") && has("oid") && has("tid") {
        person("scope that a user delegated".to_owned(), 75);
    } else if ["scope", "scp"].iter().any(|c| has_scope(token, c, "openid")) {
        person("scope openid".to_owned(), 70);
    } else if subject.is_some_and(is_connection) {
        // Auth0: connection|id.
        person("subject of a login".to_owned(), 80);
    } else if subject.is_some_and(|s| s.contains('@')) {
        person("subject is an address".to_owned(), 60);
    }
    out
}

fn has_scope(token: &Token, claim: &str, wanted: &str) -> bool {
    match token.path(claim) {
        Some(Value::String(text)) => text.split(' ').any(|s| s == wanted),
        Some(Value::Array(all)) => all.iter().any(|s| s.as_str() == Some(wanted)),
        _ => false,
    }
}

fn is_connection(subject: &str) -> bool {
    subject.split_once('|').is_some_and(|(connection, id)| {
        !connection.is_empty()
            && !id.is_empty()
            && connection
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

/// A SPIFFE path that says it is for AI agents. A part named `agent` alone says nothing: node agents are programs.
pub(super) fn is_agent_path(id: &str) -> bool {
    id.split('/').skip(3).any(|part| {
        ["ai-agent", "aiagent", "ai_agent", "llm-agent"]
            .iter()
            .any(|word| part.contains(word))
    })
}

/// Who acts for the token's subject: the outermost `act` (RFC 8693 section 4.1), or the client when it is marked as an agent and the
/// subject is a person.
fn acting(token: &Token, claimed: &Claimed, signs: &[Sign]) -> Option<Actor> {
    if let Some(act) = token.path("act").filter(|act| act.is_object()) {
        let name = ["sub", "client_id", "azp", "appid"]
            .iter()
            .find_map(|c| Some((*c, jwt::text(act.get(c)?)?)));
        if let Some((claim, name)) = name {
            let issuer = act.get("iss").and_then(jwt::text);
            let mut depth = 1;
            let mut inner = act.get("act");
            while let Some(next) = inner.filter(|_| depth < CHAIN) {
                depth += 1;
                inner = next.get("act");
            }
            return Some(Actor {
                issuer: issuer.unwrap_or_else(|| claimed.issuer.clone()),
                reasons: actor_reasons(&name, signs),
                name,
                told: match depth {
                    1 => format!("jwt act.{claim}"),
                    _ => format!("jwt act.{claim}, {depth} actors"),
                },
            });
        }
    }
    let marked = signs
        .iter()
        .any(|sign| sign.of_client && sign.reason.kind == AiAgent);
    let for_person = signs.iter().any(|sign| sign.reason.kind == Human);
    let (claim, client) = claimed.client.as_ref()?;
    (marked && for_person && claimed.subject.as_ref() != Some(client)).then(|| Actor {
        issuer: claimed.issuer.clone(),
        name: client.clone(),
        reasons: actor_reasons(client, signs),
        told: format!("jwt {claim} of an agent"),
    })
}

fn actor_reasons(name: &str, signs: &[Sign]) -> Vec<Reason> {
    let marks = signs.iter().filter(|sign| sign.of_client);
    let mut out: Vec<Reason> = marks.map(|sign| sign.reason.clone()).collect();
    if is_agent_path(name) {
        out.push(Reason::lasting("spiffe path of agents", AiAgent, 75));
    }
    if out.is_empty() {
        // Somebody who acts for others by delegation is a program, unless a person is named: an administrator as another user.
        out.push(
            match name.contains('@') && !name.ends_with("@clients") && !name.ends_with(".gserviceaccount.com")
            {
                true => Reason::lasting("actor is an address", Human, 60),
                false => Reason::lasting("acts for somebody else", Service, 60),
            },
        );
    }
    out
}
