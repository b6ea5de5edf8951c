//! What happens to credentials at the endpoints that hand them out and take them back: token endpoints (RFC 6749 section 3.2),
//! revocation (RFC 7009) and logout. They are known by what is sent there, never by their path; a logout, which sends nothing,
//! by the word that ends its path.
//!
//! Knows: the forms of these messages. Every value leaves as its keyed hash.

use std::borrow::Cow;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::behaviour::Activity;
use crate::id::Id;
use crate::identity::Scheme;
use crate::identity::signals::is_json;
use crate::privacy::{keyed_hash, safe_name, segment};
use crate::settings::Settings;

/// Longest body read: tokens are a few kilobytes.
const LONGEST: usize = 32 * 1024;

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Tokens were asked for, and given when the request was accepted.
    Grant(Grant),
    /// A token was taken back.
    Revoked(Id),
    /// The session of the credential that was shown has ended.
    Logout,
}

/// How a client asks for tokens: what a review of clients wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// `grant_type` (RFC 6749 and its extensions) in one word.
    pub(crate) grant: String,
    /// How the client proves itself: `secret_basic`, `secret_post`, `assertion` (RFC 7523), or `none` that is seen.
    pub(crate) auth: String,
    /// `client_id`, as it may be shown.
    pub(crate) client: Option<String>,
}

/// A request for tokens and its answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) way: Way,
    /// Credentials that were given for it and are good for one use.
    pub(super) once: Vec<(Once, Id)>,
    pub(super) access: Option<Id>,
    /// Seconds that the access token lives, when that is told.
    pub(super) lifetime: Option<i64>,
    pub(super) refresh: Option<Id>,
}

/// A credential that is good for one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Once {
    /// An authorization code (RFC 6749 section 4.1.2).
    Code,
    /// A refresh token; it is spent when another takes its place (RFC 9700 section 4.14.2).
    Refresh,
    /// A client's signed assertion (RFC 7523 section 3).
    Assertion,
}

/// What a credential is called by: the hash that it has when it is shown as a token, too.
pub(super) fn id_of(value: &str, settings: &Settings) -> Id {
    Id::from_bytes(&keyed_hash(&settings.hash_key, "credential", value.as_bytes()))
}

/// What an exchange did to credentials, if anything.
pub(super) fn read(activity: &Activity<'_>, settings: &Settings) -> Option<Event> {
    let request = activity.request;
    let answered = activity.status.is_some_and(|status| (200..400).contains(&status));
    let held = matches!(activity.scheme, Scheme::Jwt | Scheme::Bearer | Scheme::Cookie);
    if answered && held && ends_session(request.path()) {
        return Some(Event::Logout);
    }
    if request.method() != "POST" || !(8..LONGEST).contains(&request.message.body.len()) {
        return None;
    }
    let body = request.message.body.as_slice();
    let json = activity.signals.json;
    let form = || {
        let kind = request.message.field("content-type").unwrap_or("");
        kind.len() >= 33 && kind.as_bytes()[..33].eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    };
    let asks = memmem::find(body, b"grant_type").is_some();
    if asks && (json || form()) {
        let sent = Parameters::read(body, json)?;
        sent.get("grant_type")?;
        return Some(Event::Grant(grant(activity, &sent, settings)));
    }
    if activity.accepted() && form() && last_word(request.path()).contains("revo") {
        let token = Parameters::read(body, false)?.get("token")?.into_owned();
        return Some(Event::Revoked(id_of(&token, settings)));
    }
    None
}

fn grant(activity: &Activity<'_>, sent: &Parameters<'_>, settings: &Settings) -> Grant {
    let mut grant = Grant {
        way: way(activity, sent, settings),
        ..Grant::default()
    };
    for (name, once) in [
        ("code", Once::Code),
        ("refresh_token", Once::Refresh),
        ("client_assertion", Once::Assertion),
    ] {
        if let Some(value) = sent.get(name).filter(|value| value.len() >= 8) {
            grant.once.push((once, id_of(&value, settings)));
        }
    }
    let answer = activity
        .exchange
        .response
        .as_ref()
        .filter(|_| activity.accepted());
    let told = answer.and_then(|response| {
        let body = response.message.body.as_slice();
        let json = response.message.field("content-type").is_some_and(is_json);
        (json && body.len() < LONGEST)
            .then(|| serde_json::from_slice::<Value>(body).ok())
            .flatten()
    });
    if let Some(told) = told {
        let token = |name: &str| {
            let value = told.get(name)?.as_str().filter(|value| value.len() >= 8)?;
            Some(id_of(value, settings))
        };
        grant.access = token("access_token");
        grant.refresh = token("refresh_token");
        grant.lifetime = told.get("expires_in").and_then(|seconds| {
            // Against the standard some write it as a string.
            let number = seconds.as_f64().or_else(|| seconds.as_str()?.parse().ok())?;
            (number.is_finite() && number >= 0.0).then_some(number as i64)
        });
    }
    grant
}

fn way(activity: &Activity<'_>, sent: &Parameters<'_>, settings: &Settings) -> Way {
    const KINDS: [(&str, &str); 9] = [
        ("authorization_code", "authorization_code"),
        ("client_credentials", "client_credentials"),
        ("refresh_token", "refresh_token"),
        ("password", "password"),
        (
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "token_exchange",
        ),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "jwt_bearer"),
        ("urn:ietf:params:oauth:grant-type:saml2-bearer", "saml2_bearer"),
        ("urn:ietf:params:oauth:grant-type:device_code", "device_code"),
        ("urn:openid:params:grant-type:ciba", "ciba"),
    ];
    let kind = sent.get("grant_type").unwrap_or_default();
    let grant = KINDS.iter().find(|(long, _)| *long == kind);
    let auth = if sent.get("client_assertion").is_some() {
        "assertion"
    } else if activity.scheme == Scheme::Basic {
        "secret_basic"
    } else if sent.get("client_secret").is_some() {
        "secret_post"
    } else {
        "none"
    };
    let client = sent.get("client_id").filter(|id| !id.is_empty());
    Way {
        grant: grant.map_or("other", |(_, short)| short).to_owned(),
        auth: auth.to_owned(),
        client: client.map(|id| safe_name(&settings.hash_key, &id)),
    }
}

fn last_word(path: &str) -> String {
    let last = path.rsplit('/').find(|word| !word.is_empty()).unwrap_or("");
    last.get(..last.len().min(32)).unwrap_or("").to_ascii_lowercase()
}

/// Whether a path is where people leave.
fn ends_session(path: &str) -> bool {
    const WORDS: [&str; 6] = [
        "logout",
        "signout",
        "logoff",
        "endsession",
        "oidclogout",
        "revokesession",
    ];
    let Some(last) = path
        .rsplit('/')
        .find(|word| !word.is_empty())
        .filter(|word| word.len() <= 20)
    else {
        return false;
    };
    let letters = |word: &str| {
        last.bytes()
            .filter(|b| !matches!(b, b'-' | b'_' | b'.'))
            .map(|b| b.to_ascii_lowercase())
            .eq(word.bytes())
    };
    WORDS.iter().any(|word| letters(word))
}

/// Whether a path is where people come in: a session that ended may begin anew there.
pub(super) fn begins_session(path: &str) -> bool {
    matches!(
        last_word(path).as_str(),
        "login" | "log-in" | "signin" | "sign-in" | "sign_in" | "callback" | "sessions" | "session"
    )
}

/// Parameters of a form or of a JSON object.
enum Parameters<'a> {
    Form(&'a str),
    Json(Value),
}

impl<'a> Parameters<'a> {
    fn read(body: &'a [u8], json: bool) -> Option<Self> {
        if json {
            let value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
            Some(Self::Json(value))
        } else {
            std::str::from_utf8(body).ok().map(Self::Form)
        }
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Json(value) => value.get(name)?.as_str().map(Cow::Borrowed),
            Self::Form(text) => text.split('&').take(256).find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then(|| unquoted(value))
            }),
        }
    }
}

/// A value of a form.
fn unquoted(value: &str) -> Cow<'_, str> {
    if value.contains('+') {
        Cow::Owned(segment::decode(&value.replace('+', " ")).into_owned())
    } else {
        segment::decode(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_sessions_end_and_begin() {
        for path in [
            "/logout",
            "/v1/auth/sign-out",
            "/Account/LogOff/",
            "/connect/endsession",
            "/oidc/end_session",
        ] {
            assert!(ends_session(path), "{path}");
        }
        for path in [
            "/",
            "",
            "/logouts",
            "/docs/logout/help",
            "/log",
            "/signout-reasons",
        ] {
            assert!(!ends_session(path), "{path}");
        }
        assert!(begins_session("/v1/login/") && !begins_session("/v1/login/help"));
    }

    #[test]
    fn parameters_of_forms_and_json_are_read_alike() {
        let form = Parameters::read(b"grant_type=refresh_token&refresh_token=a%2Bb%3D+c&x", false).unwrap();
        let json = br#"{"grant_type":"refresh_token","refresh_token":"a+b= c"}"#;
        let json = Parameters::read(json, true).unwrap();
        for sent in [form, json] {
            assert_eq!(sent.get("refresh_token").as_deref(), Some("a+b= c"));
            assert_eq!(sent.get("code"), None);
        }
        assert!(Parameters::read(b"[1]", true).is_none());
        assert!(Parameters::read(b"\xff=1", false).is_none());
    }
}
